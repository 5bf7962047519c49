//! What systemd hears: ready, stopping, and a watchdog that is fed by progress.
//!
//! A timer that feeds the watchdog would prove that timers work. Here each feeding needs a proof that was made since the
//! last one: the caller hands in a future that ends only when the parts that matter have moved.

use std::future::Future;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Longest that a start may take which is known to take long.
const LONG_START: Duration = Duration::from_secs(6 * 3600);
const EXTEND_EVERY: Duration = Duration::from_secs(30);

/// Tells systemd that the agent serves.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// A start that may take long, by what lies on the disks: as long as this is held systemd is told, twice a minute and for
/// some hours at most, that it goes on.
#[derive(Debug)]
pub struct LongStart {
    // Nothing is sent: that it is gone is what is heard.
    _held: std::sync::mpsc::Sender<()>,
}

impl LongStart {
    /// From now on.
    pub fn begin() -> Self {
        let (_held, is_over) = std::sync::mpsc::channel();
        // A thread, since the work may block the one that it runs on.
        std::thread::spawn(move || {
            for _ in 0..LONG_START.as_secs() / EXTEND_EVERY.as_secs() {
                notify(&[NotifyState::ExtendTimeoutUsec(120_000_000)]);
                let waited = is_over.recv_timeout(EXTEND_EVERY);
                if waited != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self { _held }
    }
}

/// Tells systemd that the agent ends on purpose.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Feeds the watchdog, where systemd asks for it (`WatchdogSec=`), each time `proof` has ended well. Ends with `stop`.
pub async fn feed<F, E>(proof: impl Fn() -> F, stop: CancellationToken)
where
    F: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let Some(patience) = sd_notify::watchdog_enabled() else {
        stop.cancelled().await;
        return;
    };
    feed_every(patience, proof, || notify(&[NotifyState::Watchdog]), stop).await;
}

async fn feed_every<F, E>(
    patience: Duration,
    proof: impl Fn() -> F,
    fed: impl Fn(),
    stop: CancellationToken,
) where
    F: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    // A third, so that one feeding may come late.
    let mut every = tokio::time::interval(patience / 3);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let Some(outcome) = stop.run_until_cancelled(proof()).await else {
            return;
        };
        match outcome {
            Ok(()) => fed(),
            Err(error) => {
                tracing::error!(%error, "No progress: the watchdog is not fed, systemd will start the agent anew");
            }
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is no socket, and this does nothing.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told how the agent fares");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn only_progress_feeds() {
        let (fed, works) = (AtomicU32::new(0), AtomicU32::new(1));
        let stop = CancellationToken::new();
        let proof = || async {
            match works.load(Ordering::SeqCst) {
                0 => Err("stuck"),
                _ => Ok(()),
            }
        };
        let count = || {
            fed.fetch_add(1, Ordering::SeqCst);
        };
        let feeding = feed_every(Duration::from_millis(3), proof, count, stop.clone());
        let story = async {
            while fed.load(Ordering::SeqCst) < 3 {
                tokio::task::yield_now().await;
            }
            works.store(0, Ordering::SeqCst);
            let before = fed.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            assert_eq!(fed.load(Ordering::SeqCst), before);
            stop.cancel();
        };
        tokio::join!(feeding, story);
    }
}
