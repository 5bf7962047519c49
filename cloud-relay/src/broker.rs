//! The MQTT broker: a supervised Mosquitto, or one that runs elsewhere.
