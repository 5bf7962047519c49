//! The only builder and parser of MQTT topics (docs/design/decisions.md §5).
//!
//! Device side: `holdfast/1/device/<appliance>/…`, written by the appliance (but for `ack` and `poke`).
//! Consumer side: `holdfast/1/site/<organisation>/<site>/<appliance>/…`, written by the relay after validation.

use std::fmt;
use std::str::FromStr;

use crate::ids::{ApplianceId, CameraId, OrganisationId, RecorderId, SiteId};

const DEVICE: &str = "holdfast/1/device/";
const SITE: &str = "holdfast/1/site/";

/// A topic of the device side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceTopic {
    /// Whose.
    pub appliance: ApplianceId,
    /// What.
    pub leaf: Leaf,
}

/// A topic of the consumer side: what an appliance told, under the tenant that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SiteTopic {
    /// Tenant.
    pub organisation: OrganisationId,
    /// Site.
    pub site: SiteId,
    /// Whose.
    pub appliance: ApplianceId,
    /// What.
    pub leaf: Leaf,
}

/// What a topic is about: the part behind the appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// `state/online`: birth, will, clean stop. Retained, QoS 1.
    Online,
    /// `state/<subject>`. Retained, QoS 1.
    State(Subject),
    /// `event/<kind>`. QoS 1.
    Event(EventKind),
    /// `telemetry/<group>`. QoS 0.
    Telemetry(Group),
    /// `ack`: relay to appliance. Retained, QoS 1.
    Ack,
    /// `poke`: relay to appliance. QoS 1, expires.
    Poke,
}

/// The subject of a retained state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The agent.
    Agent,
    /// Volumes.
    Storage,
    /// How long footage stays.
    Retention,
    /// The system's update.
    Update,
    /// One recorder.
    Recorder(RecorderId),
    /// One camera.
    Camera(CameraId),
}

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Changes of recordings.
    Recording,
    /// Alerts.
    Alert,
    /// Sync jobs.
    Job,
    /// Access to footage.
    Audit,
}

/// A group of fleeting figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// The box.
    Host,
    /// Its network.
    Network,
    /// Cameras.
    Camera,
}

/// A topic that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a Holdfast topic: {0:?}")]
pub struct BadTopic(String);

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Online => f.write_str("state/online"),
            Self::State(Subject::Agent) => f.write_str("state/agent"),
            Self::State(Subject::Storage) => f.write_str("state/storage"),
            Self::State(Subject::Retention) => f.write_str("state/retention"),
            Self::State(Subject::Update) => f.write_str("state/update"),
            Self::State(Subject::Recorder(id)) => write!(f, "state/recorder/{id}"),
            Self::State(Subject::Camera(id)) => write!(f, "state/camera/{id}"),
            Self::Event(EventKind::Recording) => f.write_str("event/recording"),
            Self::Event(EventKind::Alert) => f.write_str("event/alert"),
            Self::Event(EventKind::Job) => f.write_str("event/job"),
            Self::Event(EventKind::Audit) => f.write_str("event/audit"),
            Self::Telemetry(Group::Host) => f.write_str("telemetry/host"),
            Self::Telemetry(Group::Network) => f.write_str("telemetry/network"),
            Self::Telemetry(Group::Camera) => f.write_str("telemetry/camera"),
            Self::Ack => f.write_str("ack"),
            Self::Poke => f.write_str("poke"),
        }
    }
}

impl FromStr for Leaf {
    type Err = BadTopic;
    fn from_str(text: &str) -> Result<Self, BadTopic> {
        let bad = || BadTopic(text.chars().take(120).collect());
        let leaf = match text {
            "state/online" => Self::Online,
            "state/agent" => Self::State(Subject::Agent),
            "state/storage" => Self::State(Subject::Storage),
            "state/retention" => Self::State(Subject::Retention),
            "state/update" => Self::State(Subject::Update),
            "event/recording" => Self::Event(EventKind::Recording),
            "event/alert" => Self::Event(EventKind::Alert),
            "event/job" => Self::Event(EventKind::Job),
            "event/audit" => Self::Event(EventKind::Audit),
            "telemetry/host" => Self::Telemetry(Group::Host),
            "telemetry/network" => Self::Telemetry(Group::Network),
            "telemetry/camera" => Self::Telemetry(Group::Camera),
            "ack" => Self::Ack,
            "poke" => Self::Poke,
            _ => {
                if let Some(id) = text.strip_prefix("state/recorder/") {
                    Self::State(Subject::Recorder(id.parse().map_err(|_| bad())?))
                } else if let Some(id) = text.strip_prefix("state/camera/") {
                    Self::State(Subject::Camera(id.parse().map_err(|_| bad())?))
                } else {
                    return Err(bad());
                }
            }
        };
        Ok(leaf)
    }
}

impl fmt::Display for DeviceTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DEVICE}{}/{}", self.appliance, self.leaf)
    }
}

impl FromStr for DeviceTopic {
    type Err = BadTopic;
    fn from_str(text: &str) -> Result<Self, BadTopic> {
        let bad = || BadTopic(text.chars().take(120).collect());
        let (appliance, leaf) = text
            .strip_prefix(DEVICE)
            .and_then(|t| t.split_once('/'))
            .ok_or_else(bad)?;
        Ok(Self {
            appliance: appliance.parse().map_err(|_| bad())?,
            leaf: leaf.parse()?,
        })
    }
}

impl fmt::Display for SiteTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{SITE}{}/{}/{}/{}",
            self.organisation, self.site, self.appliance, self.leaf
        )
    }
}

impl FromStr for SiteTopic {
    type Err = BadTopic;
    fn from_str(text: &str) -> Result<Self, BadTopic> {
        let bad = || BadTopic(text.chars().take(120).collect());
        let mut levels = text.strip_prefix(SITE).ok_or_else(bad)?.splitn(4, '/');
        let mut next = || levels.next().ok_or_else(bad);
        Ok(Self {
            organisation: next()?.parse().map_err(|_| bad())?,
            site: next()?.parse().map_err(|_| bad())?,
            appliance: next()?.parse().map_err(|_| bad())?,
            leaf: next()?.parse()?,
        })
    }
}

/// What the relay subscribes to: everything that appliances write.
pub const INGEST_FILTERS: [&str; 3] = [
    "holdfast/1/device/+/state/#",
    "holdfast/1/device/+/event/+",
    "holdfast/1/device/+/telemetry/+",
];

/// What the relay writes: acknowledgements, pokes, and the consumers' tree.
pub const RELAY_WRITE_FILTERS: [&str; 3] = [
    "holdfast/1/device/+/ack",
    "holdfast/1/device/+/poke",
    "holdfast/1/site/#",
];

/// What an appliance may write, as a broker's pattern ACL (`%u` is the user name, which is the certificate's CN).
pub const DEVICE_WRITE_PATTERNS: [&str; 3] = [
    "holdfast/1/device/%u/state/#",
    "holdfast/1/device/%u/event/+",
    "holdfast/1/device/%u/telemetry/+",
];

/// What an appliance may read, likewise.
pub const DEVICE_READ_PATTERNS: [&str; 2] =
    ["holdfast/1/device/%u/ack", "holdfast/1/device/%u/poke"];

/// What an organisation's own consumer may read, likewise: its user name is the organisation's id.
pub const CONSUMER_READ_PATTERN: &str = "holdfast/1/site/%u/#";

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves() -> Vec<Leaf> {
        vec![
            Leaf::Online,
            Leaf::State(Subject::Agent),
            Leaf::State(Subject::Storage),
            Leaf::State(Subject::Update),
            Leaf::State(Subject::Recorder(RecorderId::new())),
            Leaf::State(Subject::Camera(CameraId::new())),
            Leaf::Event(EventKind::Recording),
            Leaf::Event(EventKind::Alert),
            Leaf::Event(EventKind::Job),
            Leaf::Event(EventKind::Audit),
            Leaf::Telemetry(Group::Host),
            Leaf::Telemetry(Group::Network),
            Leaf::Telemetry(Group::Camera),
            Leaf::Ack,
            Leaf::Poke,
        ]
    }

    #[test]
    fn every_topic_reads_back() {
        let appliance = ApplianceId::from_spki(b"k");
        for leaf in leaves() {
            let device = DeviceTopic {
                appliance: appliance.clone(),
                leaf,
            };
            assert_eq!(device.to_string().parse(), Ok(device));
            let site = SiteTopic {
                organisation: OrganisationId::new(),
                site: SiteId::new(),
                appliance: appliance.clone(),
                leaf,
            };
            assert_eq!(site.to_string().parse(), Ok(site));
        }
    }

    #[test]
    fn golden() {
        let appliance: ApplianceId = "abcdefghijklmnop".parse().unwrap();
        let topic = DeviceTopic {
            appliance,
            leaf: Leaf::Event(EventKind::Recording),
        };
        assert_eq!(
            topic.to_string(),
            "holdfast/1/device/abcdefghijklmnop/event/recording"
        );
    }

    #[test]
    fn foreign_topics_are_refused() {
        for bad in [
            "",
            "holdfast/1/device/",
            "holdfast/1/device/abcdefghijklmnop",
            "holdfast/1/device/abcdefghijklmnop/",
            "holdfast/1/device/abcdefghijklmnop/event/recording/x",
            "holdfast/2/device/abcdefghijklmnop/ack",
            "holdfast/1/device/ABCDEFGHIJKLMNOP/ack",
            "holdfast/1/device/+/ack",
            "holdfast/1/device/abcdefghijklmnop/state/camera/1",
        ] {
            assert!(bad.parse::<DeviceTopic>().is_err(), "{bad}");
        }
    }
}
