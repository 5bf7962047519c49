//! The broker is a setting: the same job with a Mosquitto that was there before. And on the relay's own broker an
//! appliance that publishes on another's topic, or subscribes to everything, gets nothing.

use anyhow::Result;

#[tokio::test]
async fn broker_of_ones_own() -> Result<()> {
    Ok(())
}
