//! Turns facts into what is told: retained state, and figures. Events are the catalog's (its outbox); how anything is
//! sent is the uplink's.

pub mod figures;
pub mod state;

use wire::topics::{DeviceTopic, Leaf};

/// Something to publish under an appliance's tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Where.
    pub leaf: Leaf,
    /// What; empty: no more.
    pub payload: Vec<u8>,
}

impl Told {
    /// The whole topic.
    pub fn topic(&self, appliance: &wire::ids::ApplianceId) -> String {
        DeviceTopic {
            appliance: appliance.clone(),
            leaf: self.leaf,
        }
        .to_string()
    }
}

fn payload(message: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("what we tell is plain data")
}
