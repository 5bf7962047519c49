//! Systems for appliances: put here by the operator ([`bundles`]), sent to sites that were told to take one or take them
//! by themselves ([`deliver`]); what is next is decided in [`choice`] (pure).
//!
//! Design constraints:
//! - Bytes go through the appliance's ordinary API, in pieces of [`PIECE_BYTES`]. How much came is asked of the appliance and
//!   kept nowhere here: after any interruption it goes on from there.
//! - At most [`DELIVERIES_MAX`] appliances at once, one piece at a time each, and after each piece a pause as long as
//!   the piece took: at least half of a site's line stays for people. (They watch over its other direction anyway.)
//! - Nobody believes the relay: an appliance installs what a key that it trusts has signed.

pub mod bundles;
mod choice;
pub mod deliver;

use std::path::{Path, PathBuf};

use wire::update::BundleDigest;

/// Sent at once.
pub const PIECE_BYTES: u64 = 2 << 20;

/// Appliances that are sent something at once.
pub const DELIVERIES_MAX: usize = 2;

/// Where the files lie.
fn folder(state: &Path) -> PathBuf {
    state.join("updates")
}

/// A bundle's file.
fn file(state: &Path, sha256: &BundleDigest) -> PathBuf {
    folder(state).join(format!("{sha256}.raucb"))
}
