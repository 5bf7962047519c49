//! Identities. Each kind of thing has its own type, so that one cannot be passed for another.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}")]
pub struct BadId {
    /// What was expected.
    pub kind: &'static str,
    /// What came (cut to 80 characters).
    pub text: String,
}

impl BadId {
    fn new(kind: &'static str, text: &str) -> Self {
        Self {
            kind,
            text: text.chars().take(80).collect(),
        }
    }
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id (UUIDv7, so that ids sort by when they were made).
            #[expect(clippy::new_without_default, reason = "an id is made on purpose, never by default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                // Only the hyphenated form: ids are part of paths and topics and must have one spelling.
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 => Ok(Self(id)),
                    _ => Err(BadId::new($kind, text)),
                }
            }
        }
    )*};
}

uuid_ids! {
    /// A recorder known to an appliance.
    RecorderId = "recorder id";
    /// A camera: a channel of a recorder, or a URL.
    CameraId = "camera id";
    /// A recording; made at the edge, kept in its sidecar, the same at the relay.
    RecordingId = "recording id";
    /// A bookmark.
    BookmarkId = "bookmark id";
    /// A site of an organisation.
    SiteId = "site id";
    /// A tenant of the relay.
    OrganisationId = "organisation id";
    /// A person who can log in.
    UserId = "user id";
    /// One request to discover and download a range now.
    SyncJobId = "sync job id";
    /// A ZIP of recordings of a date range.
    ArchiveId = "archive id";
    /// The identity of one outbox database: new after a claim, a reset or a restore.
    LogId = "log id";
    /// One start of an agent; tells a stale last will from a fresh birth.
    BootId = "boot id";
    /// One report or request, for tracing it through both programs.
    MessageId = "message id";
}

impl UserId {
    /// Nobody: the relay asks an appliance for itself.
    pub const RELAY: Self = Self(Uuid::nil());
}

/// An appliance: the first 80 bits of the SHA-256 of its public key's SPKI, in lower-case base32 (16 characters).
///
/// Being derived from the key it can be neither chosen nor taken over; it is the certificate's CN, the MQTT user name
/// and a level of every topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, ToSchema)]
#[serde(transparent)]
pub struct ApplianceId(#[schemars(regex(pattern = r"^[a-z2-7]{16}$"))] String);

impl ApplianceId {
    /// Number of characters.
    pub const LEN: usize = 16;

    /// The id that belongs to a public key, given as DER `SubjectPublicKeyInfo`.
    pub fn from_spki(spki_der: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, spki_der);
        Self(
            data_encoding::BASE32_NOPAD
                .encode(&digest.as_ref()[..10])
                .to_lowercase(),
        )
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApplianceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ApplianceId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let good =
            text.len() == Self::LEN && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId::new("appliance id", text))
        }
    }
}

impl<'de> Deserialize<'de> for ApplianceId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appliance_id_has_one_spelling() {
        let id = ApplianceId::from_spki(b"a key");
        assert_eq!(id.as_str().parse::<ApplianceId>(), Ok(id.clone()));
        for bad in [
            "",
            "abc",
            &id.as_str().to_uppercase(),
            "abcdefghijklmno/",
            "abcdefghijklmno1",
            "abcdefghijklmnopq",
        ] {
            assert!(bad.parse::<ApplianceId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_uuid_id_has_one_spelling() {
        let id = CameraId::new();
        assert_eq!(id.to_string().parse::<CameraId>(), Ok(id));
        assert!(id.0.simple().to_string().parse::<CameraId>().is_err());
        assert!(format!("{{{id}}}").parse::<CameraId>().is_err());
    }
}
