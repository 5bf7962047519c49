//! How a program is asked to end.
//!
//! The first SIGTERM or SIGINT cancels the token: tasks reach a safe point and end. The second ends the process at
//! once, which the order of writes makes harmless (ARCHITECTURE.md, invariant 3).

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was told to end twice.
pub const EXIT_IMPATIENT: i32 = 130;

/// Starts listening for signals; the token is cancelled by the first.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let cancelled = token.clone();
    tokio::spawn(async move {
        let next =
            async || tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
        let mut next = next;
        let name = next().await;
        tracing::info!(signal = name, "Stopping: a second signal ends at once");
        cancelled.cancel();
        next().await;
        std::process::exit(EXIT_IMPATIENT);
    });
    Ok(token)
}
