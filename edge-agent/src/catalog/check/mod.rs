//! The invariants (layout.md §6), finished after an interruption at start-up and checked by `edge-agent check`.

mod interrupted;
mod invariants;

pub use interrupted::Finished;
pub(super) use interrupted::finish_recording;
pub use invariants::{Finding, Report, check};
