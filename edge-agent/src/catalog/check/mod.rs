//! The invariants (ARCHITECTURE.md), finished after an interruption at start-up and checked by `edge-agent check`.

mod archives;
mod interrupted;
mod invariants;
mod missing;

#[allow(unused_imports, reason = "names for whoever stands on the catalog")]
pub use self::{
    interrupted::Finished,
    invariants::{Finding, Report},
    missing::{Missing, Settled},
};
pub(in crate::catalog) use interrupted::digest_of;
pub(super) use interrupted::finish_recording;
pub use invariants::check;
