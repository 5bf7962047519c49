//! A request to stop early that a waiting thread notices at once.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Shared between a request's thread and whoever may end it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<(Mutex<bool>, Condvar)>);

impl Cancel {
    /// Asks to stop. Stays asked.
    pub fn cancel(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits so long, or until asked to stop; tells whether that was asked.
    pub fn wait(&self, patience: Duration) -> bool {
        let asked = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, _) = self
            .0
            .1
            .wait_timeout_while(asked, patience, |asked| !*asked)
            .unwrap_or_else(PoisonError::into_inner);
        *asked
    }

    /// Whether it was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.wait(Duration::ZERO)
    }
}
