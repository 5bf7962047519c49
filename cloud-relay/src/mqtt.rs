//! The only file that knows the MQTT client.
