//! One line of the custody log: what it says, how it is bound to the line before it, how lines are signed. Pure.
//!
//! A line is JSON. Its hash is the SHA-256 of its bytes without the line feed, and the next line names it: so no line can
//! be changed, taken out or put in without changing all lines after it, and those cannot be signed again without the
//! appliance's key. What is signed is [`SIGNED_AS`], the hash of the line before the signature, and the number and time of
//! the line that holds it. A line has one spelling.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::ids::{ApplianceId, RecordingId};

use crate::host::signature::{PublicKey, Signer};
use crate::model::chunks::{self, Sha256};
use crate::model::time::UtcTime;

/// Version of the log, told by the first line of each day.
pub const VERSION: u32 = 1;
/// Longest line that is read.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Begins everything that is signed, so that a signature of the same key for another purpose is none of a log.
const SIGNED_AS: &[u8] = b"holdfast custody log 1\n";
/// Most other logs that a first line names.
pub const BESIDE_MAX: usize = 32;

/// A SHA-256 in a line: 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub Sha256);

impl Hash {
    /// From 64 hexadecimal digits, in small letters.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&chunks::hex(&self.0))
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not 64 hexadecimal digits in small letters")
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its number in this log, from 1, over all days.
    pub n: u64,
    /// Hash of the line before it, over all days; none for the first.
    pub prev: Option<Hash>,
    /// When it was written, by the clock of the box.
    pub at: UtcTime,
    /// What it says.
    pub entry: Entry,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// First line of a day's file.
    Day {
        /// [`VERSION`].
        version: u32,
        /// The day, UTC: the name of the file.
        day: jiff::civil::Date,
        /// Who writes.
        appliance: ApplianceId,
        /// Its public key: `SubjectPublicKeyInfo`, base64. The appliance's id follows from it.
        key: String,
        /// The volume that the log is of.
        volume: Uuid,
        /// The day of the file before it; none for the first.
        previous_day: Option<jiff::civil::Date>,
        /// For the first: where the logs of other appliances that lie on this volume ended.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        beside: Vec<Beside>,
    },
    /// A recording was kept.
    Kept(Kept),
    /// A recording that lay on the volume was taken into the catalog: from another catalog, box or volume.
    Found(Kept),
    /// A recording left, and its files were removed.
    Left {
        /// Which.
        recording: RecordingId,
        /// Where it lay: its path on the volume, without extension.
        stem: String,
        /// Why: `retention`, `pressure`, `deleted`, …
        cause: String,
    },
    /// Everything up to the line before this one is signed.
    Signed {
        /// ECDSA P-256 with SHA-256, base64 of the two numbers of 32 bytes each.
        signature: String,
    },
}

/// What is said of a recording that lies on the volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Which.
    pub recording: RecordingId,
    /// Where it lies: its path on the volume, without extension.
    pub stem: String,
    /// SHA-256 of its description, `<stem>.json`.
    pub sidecar: Hash,
    /// SHA-256 of its media, `<stem>.mp4`.
    pub media: Hash,
    /// Size of its media.
    pub bytes: u64,
}

/// The end of another appliance's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// Whose.
    pub appliance: ApplianceId,
    /// Its last day.
    pub day: jiff::civil::Date,
    /// SHA-256 of that day's file as it lay there.
    pub sha256: Hash,
}

impl Line {
    /// As it is written, without the line feed.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("a line is plain data")
    }

    /// Reads a line, without its line feed.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > LINE_BYTES_MAX {
            return Err(format!("it is longer than {LINE_BYTES_MAX} bytes"));
        }
        let line: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if let Entry::Day {
            version, beside, ..
        } = &line.entry
        {
            if *version > VERSION {
                return Err(format!(
                    "it has version {version}, this program knows {VERSION}"
                ));
            }
            if beside.len() > BESIDE_MAX {
                return Err("it names too many other logs".to_owned());
            }
        }
        // Otherwise a byte could be changed without changing what it says.
        if line.text().as_bytes() != text {
            return Err("it is spelled otherwise than an appliance writes it".to_owned());
        }
        Ok(line)
    }
}

/// The hash of a line, by its bytes without the line feed.
pub fn hash_of(text: &[u8]) -> Hash {
    Hash(chunks::sha256(text))
}

/// The signature in line `n`, written at `at`, of the line before it and so of all lines before it.
pub fn sign(signer: &Signer, before: Hash, n: u64, at: UtcTime) -> String {
    signer.sign(&signed_text(before, n, at))
}

/// Whether a signature is this key's, in this line.
pub fn holds(key: &PublicKey, before: Hash, n: u64, at: UtcTime, signature: &str) -> bool {
    key.holds(&signed_text(before, n, at), signature)
}

/// What is signed: the hash as 32 bytes, number and microseconds since 1970 as 8 bytes each, the highest first.
fn signed_text(before: Hash, n: u64, at: UtcTime) -> Vec<u8> {
    let mut text = SIGNED_AS.to_vec();
    text.extend(before.0);
    text.extend(n.to_be_bytes());
    text.extend(at.micros().to_be_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::signature::testing;

    fn kept() -> Line {
        Line {
            n: 7,
            prev: Some(hash_of(b"before")),
            at: "2026-11-03T14:10:02Z".parse().unwrap(),
            entry: Entry::Kept(Kept {
                recording: RecordingId::new(),
                stem: "cameras/x".into(),
                sidecar: hash_of(b"sidecar"),
                media: hash_of(b"media"),
                bytes: 5,
            }),
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_nothing_else_is() {
        let line = kept();
        let text = line.text();
        assert_eq!(Line::parse(text.as_bytes()).unwrap(), line);
        for (from, to) in [
            ("\"n\":7", "\"n\":-7"),
            ("\"kind\":\"kept\"", "\"kind\":\"kpet\""),
            ("\"bytes\":5", "\"bytes\":5,\"more\":1"),
            ("\"n\":7", "\"n\":7,\"more\":1"),
            ("\"n\":7", "\"n\": 7"),
            ("02Z", "02z"),
            ("}", ""),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text);
            assert!(Line::parse(other.as_bytes()).is_err(), "{other}");
        }
        assert!(Line::parse(&vec![b' '; LINE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_signature_holds_for_its_line_and_its_key_only() {
        let (ours, theirs) = (testing::signer(), testing::signer());
        let (hash, other) = (hash_of(b"a line"), hash_of(b"a lime"));
        let at = kept().at;
        let signature = sign(&ours, hash, 7, at);
        assert!(holds(ours.key(), hash, 7, at, &signature));
        assert!(!holds(ours.key(), other, 7, at, &signature));
        assert!(!holds(ours.key(), hash, 8, at, &signature));
        assert!(!holds(ours.key(), hash, 7, at.plus_s(1), &signature));
        assert!(!holds(theirs.key(), hash, 7, at, &signature));
        // The same key signs nothing else by it.
        assert!(!ours.key().holds(&hash.0, &signature));
    }
}
