//! Where log lines go: the journal under systemd, standard error elsewhere.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Sets up logging for the process. `HOLDFAST_LOG` filters (`info` by default, `edge_agent=debug,info`…);
/// `HOLDFAST_LOG_FORMAT=json` writes one JSON object a line to standard error.
///
/// With systemd (`JOURNAL_STREAM`) fields go to the journal structured; the crates' fields are dotted in code
/// (`recorder.id`) and arrive as `F_RECORDER_ID`.
pub fn init() {
    let filter = EnvFilter::try_from_env("HOLDFAST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry();
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        registry.with(journal.with_filter(filter)).init();
        return;
    }
    let json = std::env::var("HOLDFAST_LOG_FORMAT").is_ok_and(|f| f == "json");
    let plain = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    if json {
        registry.with(plain.json().with_filter(filter)).init();
    } else {
        registry
            .with(plain.with_ansi(false).with_filter(filter))
            .init();
    }
}
