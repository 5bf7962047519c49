//! What is known of the sandbox of SDK workers: told to the journal once, and to the API.
//!
//! It is a property of the box (its kernel, its configuration) and the same for every recorder, so one place holds it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::worker_protocol::{Layer, LayerName};

/// Layers of the worker that began last, and what was told about any.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

#[derive(Default)]
struct Known {
    layers: Vec<Layer>,
    told: HashSet<Layer>,
}

/// Takes note of a worker's sandbox, and tells what is new.
pub fn note(layers: &[Layer], name: &str) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    let new: Vec<&Layer> = layers
        .iter()
        .filter(|layer| known.told.insert((*layer).clone()))
        .collect();
    for (layer, why) in new
        .iter()
        .filter_map(|layer| Some((layer, layer.missing.as_ref()?)))
    {
        tracing::warn!(
            recorder.address = name,
            layer = layer.name.word(),
            "The vendor's library is not wholly shut in: {}: {why}",
            loss(layer.name)
        );
    }
    if !new.is_empty() && layers.iter().all(|layer| layer.missing.is_none()) {
        tracing::info!(
            "The vendor's library is shut in: files, network, calls, privileges, limits"
        );
    }
    known.layers = layers.to_vec();
}

/// The layers of the worker that began last; none before the first.
pub fn layers() -> Vec<Layer> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known
        .as_ref()
        .map_or_else(Vec::new, |known| known.layers.clone())
}

/// What is open without a layer.
fn loss(name: LayerName) -> &'static str {
    match name {
        LayerName::Limits => "it may use more memory or processor time than it should",
        LayerName::Privileges => "it keeps the privileges of this program",
        LayerName::Network => "it may reach addresses other than its recorder's",
        LayerName::Files => "it may read and write every file of this program's user",
        LayerName::Calls => "it may start programs and disturb other processes",
    }
}
