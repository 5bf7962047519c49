//! Long-lived tasks: each has a name, a floor of the house, and somebody who watches it.
//!
//! None of them ends by itself. One that does, or panics, takes the process down with its name in the journal, and
//! systemd starts a fresh one: a half-dead agent that still answers would be worse (ARCHITECTURE.md).

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The floors, in the order in which they are emptied at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    /// Takes requests.
    Door,
    /// Discovers, downloads, removes.
    Work,
    /// Sessions with recorders, live streams.
    Recorders,
    /// Talks to the relay: last, so that it can tell how the rest ended.
    Uplink,
}

const FLOORS: [Floor; 4] = [Floor::Door, Floor::Work, Floor::Recorders, Floor::Uplink];

/// How long the tasks of one floor may take to reach a safe point.
const PATIENCE: Duration = Duration::from_secs(10);

/// A task that ended although nobody asked it to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task {name} {how}")]
pub struct Ended {
    /// Its name.
    pub name: &'static str,
    /// How, in words.
    pub how: String,
}

/// The tasks of the agent.
#[derive(Debug)]
pub struct Tasks {
    floors: Vec<FloorTasks>,
    ended: mpsc::UnboundedReceiver<Ended>,
    tell: mpsc::UnboundedSender<Ended>,
}

#[derive(Debug)]
struct FloorTasks {
    floor: Floor,
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        // Unbounded, because it holds at most one word per task.
        let (tell, ended) = mpsc::unbounded_channel();
        let floors = FLOORS
            .map(|floor| FloorTasks {
                floor,
                stop: CancellationToken::new(),
                abort: CancellationToken::new(),
                tasks: TaskTracker::new(),
            })
            .into();
        Self {
            floors,
            ended,
            tell,
        }
    }

    /// Cancelled when the tasks of this floor are to reach a safe point and end.
    pub fn stop_of(&self, floor: Floor) -> CancellationToken {
        self.floor(floor).stop.clone()
    }

    /// Starts a task that goes on until its floor is stopped.
    pub fn spawn<E>(
        &self,
        floor: Floor,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: std::fmt::Display + Send + 'static,
    {
        let floor = self.floor(floor);
        let (stop, abort, tell) = (floor.stop.clone(), floor.abort.clone(), self.tell.clone());
        floor.tasks.spawn(async move {
            let outcome = tokio::select! {
                outcome = AssertUnwindSafe(task).catch_unwind() => outcome,
                () = abort.cancelled() => {
                    tracing::warn!(task = name, "A task did not reach a safe point in time and was dropped");
                    return;
                }
            };
            let how = match outcome {
                Ok(Ok(())) if stop.is_cancelled() => return,
                Ok(Ok(())) => "ended, which it never should".to_owned(),
                Ok(Err(error)) => format!("failed: {error:#}"),
                Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
            };
            // Nobody listens any more when the house is being emptied; then it is only logged.
            if let Err(unheard) = tell.send(Ended { name, how }) {
                tracing::error!(task = unheard.0.name, how = %unheard.0.how, "A task failed while the agent stopped");
            }
        });
    }

    /// Waits until a task ends that should not.
    pub async fn first_end(&mut self) -> Ended {
        match self.ended.recv().await {
            Some(ended) => ended,
            // `self` holds a sender, so this does not happen; waiting for ever is what was asked for.
            None => std::future::pending().await,
        }
    }

    /// Empties the house floor by floor, each within its patience.
    pub async fn stop(mut self) {
        for floor in &self.floors {
            floor.stop.cancel();
            floor.tasks.close();
            if tokio::time::timeout(PATIENCE, floor.tasks.wait())
                .await
                .is_err()
            {
                floor.abort.cancel();
                floor.tasks.wait().await;
            }
            tracing::debug!(floor = ?floor.floor, "Stopped");
        }
        while let Ok(ended) = self.ended.try_recv() {
            tracing::error!(task = ended.name, how = %ended.how, "A task failed while the agent stopped");
        }
    }

    fn floor(&self, floor: Floor) -> &FloorTasks {
        self.floors
            .iter()
            .find(|tasks| tasks.floor == floor)
            .expect("every floor is made in `new`")
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn whatever_ends_a_task_is_told_with_its_name() {
        let mut tasks = Tasks::new();
        tasks.spawn(Floor::Work, "quiet", async { Ok::<_, Infallible>(()) });
        assert_eq!(tasks.first_end().await.how, "ended, which it never should");
        tasks.spawn(Floor::Work, "failing", async { Err("no disk") });
        assert_eq!(
            tasks.first_end().await.to_string(),
            "the task failing failed: no disk"
        );
        tasks.spawn(Floor::Work, "panicking", async {
            if true {
                panic!("on purpose");
            }
            Ok::<_, Infallible>(())
        });
        assert_eq!(tasks.first_end().await.how, "panicked: on purpose");
    }

    #[tokio::test]
    async fn floors_are_emptied_from_the_door_to_the_uplink() {
        let tasks = Tasks::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        for floor in [Floor::Uplink, Floor::Work, Floor::Door, Floor::Recorders] {
            let (stop, order) = (tasks.stop_of(floor), order.clone());
            tasks.spawn(floor, "worker", async move {
                stop.cancelled().await;
                order.lock().unwrap().push(floor);
                Ok::<_, Infallible>(())
            });
        }
        tasks.stop().await;
        assert_eq!(*order.lock().unwrap(), FLOORS);
    }
}
