//! Every word with the relay: claim, MQTT, draining the outbox, pokes, tunnel.
