//! What the relay says over MQTT: acknowledgements, pokes, and the consumers' tree.

use base::mqtt::{Message, Qos};
use tokio::sync::mpsc;
use wire::ids::ApplianceId;
use wire::poke::{Ack, Poke};
use wire::topics::{DeviceTopic, Leaf, SiteTopic};

use crate::store::reports::Tenant;

/// Seconds that figures are worth delivering.
const FIGURES_EXPIRY_S: u32 = 60;

/// Pokes waiting to be sent; more are dropped, being hints.
const POKES_MAX: usize = 256;

/// Everything up to this is stored. Retained, so that it is the first thing an agent hears.
pub fn ack(appliance: &ApplianceId, ack: Ack) -> Message {
    let topic = DeviceTopic {
        appliance: appliance.clone(),
        leaf: Leaf::Ack,
    };
    message(topic.to_string(), &ack, true, None)
}

/// A hint to an agent.
pub fn poke(appliance: &ApplianceId, poke: &Poke) -> Message {
    let topic = DeviceTopic {
        appliance: appliance.clone(),
        leaf: Leaf::Poke,
    };
    message(topic.to_string(), poke, false, Some(Poke::EXPIRY_S))
}

/// What an appliance told, for consumers, as it told it.
pub fn site(appliance: &ApplianceId, leaf: Leaf, tenant: Tenant, payload: Vec<u8>) -> Message {
    let topic = SiteTopic {
        organisation: tenant.organisation,
        site: tenant.site,
        appliance: appliance.clone(),
        leaf,
    };
    let fleeting = matches!(leaf, Leaf::Telemetry(_));
    Message {
        topic: topic.to_string(),
        payload,
        qos: if fleeting {
            Qos::AtMostOnce
        } else {
            Qos::AtLeastOnce
        },
        retain: matches!(leaf, Leaf::Online | Leaf::State(_)),
        expiry_s: fleeting.then_some(FIGURES_EXPIRY_S),
    }
}

fn message(
    topic: String,
    payload: &impl serde::Serialize,
    retain: bool,
    expiry_s: Option<u32>,
) -> Message {
    Message {
        topic,
        payload: serde_json::to_vec(payload).expect("plain data"),
        qos: Qos::AtLeastOnce,
        retain,
        expiry_s,
    }
}

/// Sends hints to agents, from anywhere in the relay. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pokes(mpsc::Sender<(ApplianceId, Poke)>);

impl Pokes {
    /// Hints, and where they come out.
    pub fn new() -> (Self, mpsc::Receiver<(ApplianceId, Poke)>) {
        let (send, receive) = mpsc::channel(POKES_MAX);
        (Self(send), receive)
    }

    /// Sends one. A hint that finds no place is dropped: everything it would hasten happens by itself, later.
    pub fn send(&self, appliance: ApplianceId, poke: Poke) {
        if let Err(error) = self.0.try_send((appliance, poke)) {
            tracing::debug!(%error, "A poke was dropped");
        }
    }
}
