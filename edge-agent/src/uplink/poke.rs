//! What the relay says: acknowledgements and hints.

use wire::poke::{Ack, Poke};
use wire::topics::{DeviceTopic, Leaf};

/// Something the relay said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Everything up to here is stored.
    Ack(Ack),
    /// A hint.
    Poke(Poke),
}

/// Reads a message; none for anything that is not for us or not understood (a newer relay may know more hints).
pub fn read(topic: &str, payload: &[u8], me: &wire::ids::ApplianceId) -> Option<Said> {
    let topic: DeviceTopic = topic.parse().ok()?;
    if topic.appliance != *me {
        return None;
    }
    match topic.leaf {
        Leaf::Ack => serde_json::from_slice(payload).ok().map(Said::Ack),
        Leaf::Poke => serde_json::from_slice(payload).ok().map(Said::Poke),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ids::{ApplianceId, LogId};

    #[test]
    fn only_what_is_meant_for_us_and_understood() {
        let me = ApplianceId::from_spki(b"me");
        let log = LogId::new();
        let topic = |leaf: &str| format!("holdfast/1/device/{me}/{leaf}");
        let ack = format!("{{\"log\":\"{log}\",\"seq\":7}}");
        assert_eq!(
            read(&topic("ack"), ack.as_bytes(), &me),
            Some(Said::Ack(Ack { log, seq: 7 }))
        );
        assert_eq!(
            read(&topic("poke"), b"{\"type\":\"refresh\"}", &me),
            Some(Said::Poke(Poke::Refresh))
        );
        for (at, payload) in [
            (topic("poke"), "{\"type\":\"self_destruct\"}"),
            (topic("ack"), "{}"),
            (topic("state/online"), ack.as_str()),
            (
                "holdfast/1/device/abcdefghijklmnop/ack".into(),
                ack.as_str(),
            ),
        ] {
            assert_eq!(read(&at, payload.as_bytes(), &me), None, "{at} {payload}");
        }
    }
}
