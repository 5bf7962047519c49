//! Disks that do not answer: nobody waits for them for ever.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::{Volume, VolumeError};

const RUNS: u8 = 0;
const GIVEN_UP: u8 = 1;
const ENDED: u8 = 2;

/// Work that a disk was asked for. When it ends, whoever gave it up hears of it.
struct Asked {
    disk: Volume,
    stage: Arc<AtomicU8>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.stage.swap(ENDED, Ordering::SeqCst) == GIVEN_UP {
            self.disk.0.stuck.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Volume {
    /// The disk is given something to do that it has not answered for longer than anything should take.
    pub fn is_silent(&self) -> bool {
        self.0.stuck.load(Ordering::SeqCst) > 0
    }

    /// Work on the disk for somebody who cannot wait for ever: it runs on a thread of its own, and goes on there when the
    /// time is over. Until the disk answers it counts as silent, and nothing more is asked of it.
    pub async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, VolumeError> {
        let silent = || VolumeError::Silent {
            name: self.name().to_owned(),
            path: self.path().to_owned(),
        };
        if self.is_silent() {
            return Err(silent());
        }
        let asked = Asked {
            disk: self.clone(),
            stage: Arc::new(AtomicU8::new(RUNS)),
        };
        let stage = asked.stage.clone();
        let task = tokio::task::spawn_blocking(move || work(&asked.disk));
        match tokio::time::timeout(limit, task).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failed)) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(self.io(io::Error::other(cancelled))),
            },
            Err(_) => {
                self.0.stuck.fetch_add(1, Ordering::SeqCst);
                if stage.swap(GIVEN_UP, Ordering::SeqCst) == ENDED {
                    // It has just ended after all.
                    self.0.stuck.fetch_sub(1, Ordering::SeqCst);
                }
                self.0.suspected.notify_one();
                Err(silent())
            }
        }
    }
}
