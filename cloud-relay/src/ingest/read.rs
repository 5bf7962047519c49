//! From topic and payload to something told, or a refusal. Pure: what anybody may send, this may read.

use serde::Deserialize;
use wire::ids::{ApplianceId, LogId, MessageId};
use wire::telemetry::{
    BATCH_MAX, Event, Figures, Online, PAYLOAD_BYTES_MAX, Report, State, StateMessage,
    TelemetryMessage,
};
use wire::time::UtcTime;
use wire::topics::{DeviceTopic, EventKind, Group, Leaf, Subject};

use crate::store::reports::Told;

/// A message that is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a topic that appliances write.
    #[error("topic")]
    Topic,
    /// Longer than [`PAYLOAD_BYTES_MAX`].
    #[error("{0} bytes are too many")]
    TooLong(usize),
    /// Not the JSON that belongs to the topic.
    #[error("payload: {0}")]
    Payload(String),
    /// Another protocol version.
    #[error("version {0}")]
    Version(u32),
    /// The envelope names another appliance than the topic.
    #[error("the envelope is of {0}")]
    OtherAppliance(ApplianceId),
    /// The content belongs under another topic.
    #[error("the content belongs under another topic")]
    OtherTopic,
    /// Longer lists than promised, or numbers that cannot be.
    #[error("{0}")]
    Bounds(&'static str),
}

/// The part of a report that every version 1 has.
#[derive(Deserialize)]
struct ReportHead {
    v: u32,
    appliance: ApplianceId,
    log: LogId,
    seq: u64,
    id: MessageId,
    ts: UtcTime,
}

/// Reads one message.
pub fn read(topic: &str, payload: &[u8]) -> Result<(DeviceTopic, Told), Refused> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Refused::TooLong(payload.len()));
    }
    let topic: DeviceTopic = topic.parse().map_err(|_| Refused::Topic)?;
    let me = &topic.appliance;
    let told = match topic.leaf {
        Leaf::Online => {
            let online: Online = json(payload)?;
            envelope(online.v, &online.appliance, me)?;
            if online.version.as_ref().is_some_and(|v| v.len() > 64) {
                return Err(Refused::Bounds("a version has at most 64 bytes"));
            }
            Told::Online(online)
        }
        Leaf::State(subject) if payload.is_empty() => Told::Cleared(subject),
        Leaf::State(subject) => {
            let message: StateMessage = json(payload)?;
            envelope(message.v, &message.appliance, me)?;
            if subject_of(&message.state) != subject {
                return Err(Refused::OtherTopic);
            }
            Told::State(message.ts, message.state)
        }
        Leaf::Event(kind) => read_report(payload, me, Some(kind))?,
        Leaf::Telemetry(group) => {
            let message: TelemetryMessage = json(payload)?;
            envelope(message.v, &message.appliance, me)?;
            if group_of(&message.figures) != group {
                return Err(Refused::OtherTopic);
            }
            Told::Figures(message.figures)
        }
        Leaf::Ack | Leaf::Poke => return Err(Refused::Topic),
    };
    Ok((topic, told))
}

/// Reads a report; `kind` is that of its topic, if it came under one.
fn read_report(
    payload: &[u8],
    appliance: &ApplianceId,
    kind: Option<EventKind>,
) -> Result<Told, Refused> {
    let head: ReportHead = json(payload)?;
    envelope(head.v, &head.appliance, appliance)?;
    if head.seq == 0 || head.seq > i64::MAX as u64 {
        return Err(Refused::Bounds("a report's number is 1 or more"));
    }
    // What is not understood here is still a number of the log (a newer agent may know more kinds of event).
    let event = serde_json::from_slice::<Report>(payload)
        .ok()
        .map(|report| report.event);
    if let Some(event) = &event {
        if kind.is_some_and(|kind| kind != event.kind()) {
            return Err(Refused::OtherTopic);
        }
        check(event)?;
    }
    Ok(Told::Report {
        log: head.log,
        seq: head.seq,
        id: head.id,
        ts: head.ts,
        event,
    })
}

/// A report that was told again over the tunnel.
pub fn told_again(report: Report, appliance: &ApplianceId) -> Result<Told, Refused> {
    envelope(report.v, &report.appliance, appliance)?;
    if report.seq == 0 || report.seq > i64::MAX as u64 {
        return Err(Refused::Bounds("a report's number is 1 or more"));
    }
    check(&report.event)?;
    Ok(Told::Report {
        log: report.log,
        seq: report.seq,
        id: report.id,
        ts: report.ts,
        event: Some(report.event),
    })
}

fn check(event: &Event) -> Result<(), Refused> {
    if event.recordings().is_some_and(|r| r.len() > BATCH_MAX) {
        return Err(Refused::Bounds("a report has at most 50 recordings"));
    }
    Ok(())
}

fn json<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Refused> {
    serde_json::from_slice(payload).map_err(|e| Refused::Payload(e.to_string()))
}

fn envelope(v: u32, told: &ApplianceId, topic: &ApplianceId) -> Result<(), Refused> {
    if v != wire::version::TELEMETRY {
        return Err(Refused::Version(v));
    }
    if told != topic {
        return Err(Refused::OtherAppliance(told.clone()));
    }
    Ok(())
}

fn subject_of(state: &State) -> Subject {
    match state {
        State::Agent(_) => Subject::Agent,
        State::Storage(_) => Subject::Storage,
        State::Retention(_) => Subject::Retention,
        State::Update(_) => Subject::Update,
        State::Recorder(recorder) => Subject::Recorder(recorder.id),
        State::Camera(camera) => Subject::Camera(camera.id),
    }
}

fn group_of(figures: &Figures) -> Group {
    match figures {
        Figures::Host(_) => Group::Host,
        Figures::Network(_) => Group::Network,
        Figures::Camera(_) => Group::Camera,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const ME: &str = "abcdefghijklmnop";

    fn topic(leaf: &str) -> String {
        format!("holdfast/1/device/{ME}/{leaf}")
    }

    fn alert(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut it = json!({
            "v": 1, "appliance": ME, "log": uuid::Uuid::now_v7(), "seq": 1, "id": uuid::Uuid::now_v7(),
            "ts": "2026-11-03T14:05:00Z", "type": "alert.raised",
            "data": { "rule": "r", "severity": "info", "message": "m" }
        });
        change(&mut it);
        serde_json::to_vec(&it).unwrap()
    }

    #[test]
    fn only_what_fits_its_topic_is_believed() {
        let at = topic("event/alert");
        assert!(matches!(
            read(&at, &alert(|_| {})),
            Ok((
                _,
                Told::Report {
                    seq: 1,
                    event: Some(_),
                    ..
                }
            ))
        ));
        for (why, refused) in [
            (
                read(&topic("event/recording"), &alert(|_| {})),
                Refused::OtherTopic,
            ),
            (read(&topic("ack"), b"{}"), Refused::Topic),
            (read("holdfast/1/site/x", b"{}"), Refused::Topic),
            (
                read(&at, &alert(|v| v["v"] = 2.into())),
                Refused::Version(2),
            ),
            (
                read(&at, &alert(|v| v["appliance"] = "ponmlkjihgfedcba".into())),
                Refused::OtherAppliance("ponmlkjihgfedcba".parse().unwrap()),
            ),
            (
                read(&at, &alert(|v| v["seq"] = 0.into())),
                Refused::Bounds("a report's number is 1 or more"),
            ),
            (
                read(&at, &vec![b' '; PAYLOAD_BYTES_MAX + 1]),
                Refused::TooLong(PAYLOAD_BYTES_MAX + 1),
            ),
        ] {
            assert_eq!(why.unwrap_err(), refused);
        }
        assert!(matches!(read(&at, b"[1"), Err(Refused::Payload(_))));
    }

    #[test]
    fn an_event_of_a_later_agent_counts_without_being_understood() {
        let later = alert(|v| {
            v["type"] = "recording.transcoded".into();
            v["data"] = json!({ "anything": [1, 2] });
            v["also"] = "new".into();
        });
        assert!(matches!(
            read(&topic("event/recording"), &later),
            Ok((_, Told::Report { event: None, .. }))
        ));
    }

    #[test]
    fn an_empty_state_clears() {
        let id = wire::ids::CameraId::new();
        assert_eq!(
            read(&topic(&format!("state/camera/{id}")), b"").unwrap().1,
            Told::Cleared(Subject::Camera(id))
        );
    }

    fn any_leaf() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("state/online".to_owned()),
            Just("state/agent".into()),
            Just("state/storage".into()),
            Just(format!("state/camera/{}", wire::ids::CameraId::new())),
            Just("event/recording".into()),
            Just("event/audit".into()),
            Just("telemetry/host".into()),
            "[a-z/]{0,20}",
        ]
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(json!("recording.completed")),
            Just(json!(ME)),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                proptest::collection::hash_map(
                    prop_oneof![
                        Just("data".to_owned()),
                        Just("type".into()),
                        Just("recordings".into()),
                        "[a-z_]{1,8}"
                    ],
                    inner,
                    0..8
                )
                .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(leaf in any_leaf(), payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&topic(&leaf), &payload);
            let _ = read(&leaf, &payload);
        }

        #[test]
        fn foreign_json_never_panics(leaf in any_leaf(), data in any_json(), kind in "[a-z.]{0,20}") {
            let _ = read(&topic(&leaf), data.to_string().as_bytes());
            let enveloped = alert(|v| { v["data"] = data; v["type"] = kind.into(); });
            let _ = read(&topic(&leaf), &enveloped);
        }

        #[test]
        fn a_damaged_report_never_panics(at in 0usize..200, byte in any::<u8>()) {
            let mut payload = alert(|_| {});
            let at = at % payload.len();
            payload[at] = byte;
            let _ = read(&topic("event/alert"), &payload);
        }
    }
}
