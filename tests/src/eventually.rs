//! Waiting for a condition, never for a time.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process::PATIENCE;

/// Asks again and again until `ask` gives a value; `Err` says what was there instead and is shown when patience ends.
pub async fn eventually<T, F, E>(what: &str, ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T, E>>,
    E: Debug,
{
    eventually_within(what, PATIENCE, ask).await
}

/// As [`eventually`], with another patience.
pub async fn eventually_within<T, F, E>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T, E>>,
    E: Debug,
{
    let deadline = Instant::now() + patience;
    loop {
        match ask().await {
            Ok(value) => return Ok(value),
            Err(instead) if Instant::now() > deadline => {
                bail!(
                    "{what}: not within {} s; instead: {instead:?}",
                    patience.as_secs()
                )
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
