//! Random tokens (sessions, links, first passwords) and digests.

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers");
    bytes
}

/// A token of 256 random bits in base64url (43 characters).
pub fn generate() -> String {
    data_encoding::BASE64URL_NOPAD.encode(&random::<32>())
}

/// SHA-256 in lower-case hex. Tokens are stored and looked up by this, never as they are.
pub fn sha256_hex(data: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest::digest(&digest::SHA256, data).as_ref())
}

/// Whether two secrets are equal, in time that does not depend on where they differ.
pub fn equal(a: &str, b: &str) -> bool {
    // Digests have one length and hide position; comparing them leaks nothing of use.
    sha256_hex(a.as_bytes()) == sha256_hex(b.as_bytes())
}
