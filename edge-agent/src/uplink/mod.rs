//! Every word with the relay: claim, MQTT, draining the outbox, pokes, tunnel.

pub mod claim;
pub mod tunnel;
