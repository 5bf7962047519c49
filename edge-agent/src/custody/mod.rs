//! Chain of custody (P6): a daily log on every volume that says what was kept there, with which digests, and what left,
//! each entry bound to the one before it and signed by the appliance; and the verifier that reads it anywhere.
//!
//! What the digests are of is footage's knowledge (`footage/sidecar.rs`), what there is to say the catalog's. Nothing here
//! knows of recorders or requests, and the verifier knows of no catalog either: a copied folder is all that it needs.

pub mod chain;
pub mod entry;
pub mod keeper;
mod lines;
pub mod verifier;

/// Folder of the logs on a volume: `custody/<appliance>/<day>.jsonl`.
pub const FOLDER: &str = "custody";
