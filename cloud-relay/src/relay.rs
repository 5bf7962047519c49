//! Wires everything in one readable list; starts, watches and joins the tasks; drains in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base::clock::Clock;
use base::tasks::Tasks;

use crate::changes::Changes;
use crate::config::Config;
use crate::store::Store;

/// How long tasks may take to end once they were told.
const DRAIN: Duration = Duration::from_secs(10);

/// What nearly every part stands on.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Who watches what changes.
    pub changes: Changes,
}

/// Runs until a signal or the end of a task.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shutdown = base::shutdown::on_signals().context("listen for signals")?;
    let folder = config.state.folder.clone();
    base::durable::create_dir_all(&folder)
        .with_context(|| format!("make the state folder {}", folder.display()))?;
    let ground = Ground {
        store: Store::open(&folder)?,
        config: Arc::new(config),
        clock: Clock::system(),
        changes: Changes::new(),
    };
    let tasks = Tasks::new(shutdown);
    tracing::info!(
        state.folder = %ground.config.state.folder.display(),
        version = env!("CARGO_PKG_VERSION"),
        "Started"
    );
    tasks.watch(DRAIN).await?;
    Ok(())
}
