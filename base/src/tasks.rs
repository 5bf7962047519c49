//! Long-lived tasks by name. The first that ends or panics without being told takes the program down with its name in
//! the journal, and systemd starts a fresh one: half a program that looks alive is worse than a short pause.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// The tasks of a program, and the token that stops them.
#[derive(Debug)]
pub struct Tasks {
    running: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
    shutdown: CancellationToken,
}

/// A task that ended although nobody asked for it.
#[derive(Debug, thiserror::Error)]
#[error("the task {name:?} ended: {why}")]
pub struct TaskEnded {
    /// Which.
    pub name: &'static str,
    /// Its error, or that it just returned.
    pub why: String,
}

impl Tasks {
    /// No tasks yet. They are told to end by `shutdown`.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self {
            running: JoinSet::new(),
            names: HashMap::new(),
            shutdown,
        }
    }

    /// The token that each task must heed.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Starts a task. It is expected to run until the token is cancelled.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits until a task ends or the token is cancelled, then gives the others `patience` to end and joins them.
    /// The error is the task that ended first, if it was not told to.
    pub async fn watch(mut self, patience: Duration) -> Result<(), TaskEnded> {
        let shutdown = self.shutdown.clone();
        let first = tokio::select! {
            () = shutdown.cancelled() => None,
            ended = self.running.join_next_with_id() => ended,
        };
        let outcome = match first {
            Some(ended) if !shutdown.is_cancelled() => {
                let ended = self.describe(ended);
                tracing::error!(
                    task = ended.name,
                    reason = ended.why,
                    "A task ended, stopping"
                );
                Err(ended)
            }
            _ => Ok(()),
        };
        shutdown.cancel();
        self.drain(patience).await;
        outcome
    }

    async fn drain(&mut self, patience: Duration) {
        let joined = tokio::time::timeout(patience, async {
            while let Some(ended) = self.running.join_next_with_id().await {
                let failed = !matches!(ended, Ok((_, Ok(()))));
                let ended = self.describe(ended);
                if failed {
                    tracing::warn!(task = ended.name, reason = ended.why, "A task ended badly");
                }
                self.names.retain(|_, name| *name != ended.name);
            }
        })
        .await;
        if joined.is_err() {
            for name in self.names.values() {
                tracing::warn!(task = name, "A task did not end in time and is dropped");
            }
        }
        self.running.shutdown().await;
    }

    fn describe(&self, ended: Result<(Id, anyhow::Result<()>), JoinError>) -> TaskEnded {
        let (id, why) = match ended {
            Ok((id, Ok(()))) => (id, "it returned".to_owned()),
            Ok((id, Err(error))) => (id, format!("{error:#}")),
            Err(panic) => (panic.id(), panic.to_string()),
        };
        TaskEnded {
            name: self.names.get(&id).copied().unwrap_or("unnamed"),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn the_first_to_end_is_named_and_stops_the_others() {
        let mut tasks = Tasks::new(CancellationToken::new());
        let token = tasks.shutdown();
        tasks.spawn("patient", async move {
            token.cancelled().await;
            Ok(())
        });
        tasks.spawn("hasty", async { anyhow::bail!("no more work") });
        let ended = tasks.watch(PATIENCE).await.unwrap_err();
        assert_eq!((ended.name, ended.why.as_str()), ("hasty", "no more work"));
    }

    #[tokio::test]
    async fn a_panic_is_named() {
        let mut tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("panicking", async { panic!("on purpose") });
        assert_eq!(tasks.watch(PATIENCE).await.unwrap_err().name, "panicking");
    }

    #[tokio::test]
    async fn told_to_end_is_no_fault_and_a_deaf_task_does_not_hold_us() {
        let mut tasks = Tasks::new(CancellationToken::new());
        let token = tasks.shutdown();
        tasks.spawn("deaf", async {
            std::future::pending::<()>().await;
            Ok(())
        });
        token.cancel();
        tasks.watch(PATIENCE).await.unwrap();
    }
}
