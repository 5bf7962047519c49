//! The relay's CA: server certificates, appliance certificates, the key that signs assertions.
