//! Updates of an appliance's system: their versions, what a box says of them, and what it is asked (docs/guide/updates.md).
//!
//! A bundle is received in pieces, waits for a quiet moment, and is then installed by a service of the box that believes
//! nothing but its signature.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::time::UtcTime;

/// Largest bundle, in bytes.
pub const BUNDLE_BYTES_MAX: u64 = 1 << 30;

/// Largest piece of one that is sent at once, in bytes.
pub const PIECE_BYTES_MAX: u64 = 16 << 20;

/// Longest version, in characters.
const VERSION_CHARS_MAX: usize = 64;

/// The version of an appliance's system: `0.1.0+20261122064643`, that of the program and the time of its last change, or
/// `0.1.0+20261122064643.1`. Ordered as `sort -V` orders them, by which the box compares them too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageVersion {
    text: String,
    program: [u64; 3],
    build: Option<Vec<u64>>,
}

/// Something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the version of a system, like \"0.1.0+20261122064643\"")]
pub struct BadVersion(String);

impl FromStr for ImageVersion {
    type Err = BadVersion;
    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.chars().take(VERSION_CHARS_MAX).collect());
        // No zeros in front: then no two texts mean the same.
        let number = |part: &str| {
            let plain = part.len() <= 18
                && part.bytes().all(|b| b.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'));
            plain.then(|| part.parse().ok()).flatten()
        };
        let numbers = |text: &str| text.split('.').map(number).collect::<Option<Vec<u64>>>();
        if text.len() > VERSION_CHARS_MAX {
            return Err(bad());
        }
        let (program, build) = match text.split_once('+') {
            Some((program, build)) => (program, Some(numbers(build).ok_or_else(bad)?)),
            None => (text, None),
        };
        let program = numbers(program).and_then(|numbers| numbers.try_into().ok());
        Ok(Self {
            text: text.to_owned(),
            program: program.ok_or_else(bad)?,
            build,
        })
    }
}

impl Ord for ImageVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.program, &self.build).cmp(&(other.program, &other.build))
    }
}

impl PartialOrd for ImageVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// SHA-256 of a bundle, in 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BundleDigest(String);

/// Something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is 64 lower-case hexadecimal digits")]
pub struct BadDigest;

impl FromStr for BundleDigest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.len() == 64 && text.bytes().all(is_hex) {
            true => Ok(Self(text.to_owned())),
            false => Err(BadDigest),
        }
    }
}

impl fmt::Display for BundleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Both are texts outside.
macro_rules! as_text {
    ($type:ty, $name:literal, $pattern:literal, $about:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $about })
            }
        }
    };
}

as_text!(
    ImageVersion,
    "ImageVersion",
    r"^\d+\.\d+\.\d+(\+\d+(\.\d+)*)?$",
    "Version of a system"
);
as_text!(
    BundleDigest,
    "BundleDigest",
    "^[0-9a-f]{64}$",
    "SHA-256 of a bundle"
);

/// When a bundle that waits is to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstallWhen {
    /// At once, whoever watches or downloads.
    Now,
    /// In the quiet window, when nothing suffers.
    Window,
}

/// Body of `POST /system/update`: a bundle that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateOffer {
    /// Its version, as its manifest has it.
    #[schema(value_type = String)]
    pub version: ImageVersion,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    #[schema(value_type = String)]
    pub sha256: BundleDigest,
}

/// Body of `POST /system/update/install`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallRequest {
    /// When.
    pub when: InstallWhen,
}

/// Answer to `GET /system/update`, and the retained state `update`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Update {
    /// Version of the system that runs; null where the box is no appliance image.
    #[schema(value_type = Option<String>)]
    pub running: Option<ImageVersion>,
    /// Why this box takes no updates this way, and what to do, in words; null: it does.
    pub unable: Option<String>,
    /// What is received is installed in the quiet window without anybody saying so.
    pub automatic: bool,
    /// The quiet window, by the clocks of the site: `02:00-05:00`.
    pub window: String,
    /// How far the update is.
    pub progress: UpdateProgress,
}

/// How far an update is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UpdateProgress {
    /// There is none.
    None,
    /// It comes, in pieces.
    Receiving {
        /// Its version.
        #[schema(value_type = String)]
        version: ImageVersion,
        /// Its SHA-256.
        #[schema(value_type = String)]
        sha256: BundleDigest,
        /// Its length.
        bytes: u64,
        /// What is there of it: the next piece begins here.
        received_bytes: u64,
    },
    /// It is there, whole, and waits.
    Waiting {
        /// Its version.
        #[schema(value_type = String)]
        version: ImageVersion,
        /// Its SHA-256.
        #[schema(value_type = String)]
        sha256: BundleDigest,
        /// Since when it is there.
        since: UtcTime,
        /// What a person said; null: nobody did.
        chosen: Option<InstallWhen>,
        /// What it waits for.
        waits_for: WaitsFor,
        /// The same in words.
        message: String,
        /// When the quiet window opens, while it waits for that.
        opens_at: Option<UtcTime>,
        /// From when on it no longer waits for people and downloads, only for the window.
        latest_at: UtcTime,
    },
    /// The box was told to install it.
    Ordered {
        /// Its version.
        #[schema(value_type = String)]
        version: ImageVersion,
    },
    /// It is installed; the box starts it, and then looks whether it is well.
    Installed {
        /// Its version.
        #[schema(value_type = String)]
        version: ImageVersion,
        /// Since when.
        at: UtcTime,
    },
    /// It runs and is well.
    Good {
        /// Its version.
        #[schema(value_type = String)]
        version: ImageVersion,
        /// Since when.
        at: UtcTime,
    },
    /// It was not installed: no trusted signature, not newer, or tried before.
    Refused {
        /// Its version.
        #[schema(value_type = String)]
        version: ImageVersion,
        /// Why.
        reason: String,
        /// When.
        at: UtcTime,
    },
    /// It could not be installed.
    Failed {
        /// Its version.
        #[schema(value_type = String)]
        version: ImageVersion,
        /// Why.
        reason: String,
        /// When.
        at: UtcTime,
    },
    /// It was installed and was not well; the system before it runs again.
    WentBack {
        /// Its version.
        #[schema(value_type = String)]
        version: ImageVersion,
        /// Why.
        reason: String,
        /// When.
        at: UtcTime,
    },
}

/// What an update waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// A person's word.
    Person,
    /// The quiet window.
    Window,
    /// The system that was installed before it has not shown yet that it is well.
    Judgement,
    /// People who watch live.
    Viewers,
    /// People who play or download footage.
    Footage,
    /// A sync that a person asked for.
    Sync,
    /// An archive that is being packed.
    Archive,
    /// Footage that its recorder overwrites soon, and that is not here yet.
    Backlog,
    /// The moment in which it is looked at next.
    Moment,
}

impl Update {
    /// The version that its progress is about.
    pub fn version(&self) -> Option<&ImageVersion> {
        match &self.progress {
            UpdateProgress::None => None,
            UpdateProgress::Receiving { version, .. }
            | UpdateProgress::Waiting { version, .. }
            | UpdateProgress::Ordered { version }
            | UpdateProgress::Installed { version, .. }
            | UpdateProgress::Good { version, .. }
            | UpdateProgress::Refused { version, .. }
            | UpdateProgress::Failed { version, .. }
            | UpdateProgress::WentBack { version, .. } => Some(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> ImageVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_in_order() {
        let ascending = [
            "0.1.0",
            "0.1.0+20261122064643",
            "0.1.0+20261122064643.1",
            "0.1.0+20261122064643.2",
            "0.1.0+20261122064643.10",
            "0.1.0+20261122064644",
            "0.1.0+20270101000000",
            "0.1.1",
            "0.2.0+20261122064643",
            "0.10.0",
            "1.0.0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in [
            "",
            "1",
            "0.1",
            "0.1.0.0",
            "0.1.0+",
            "0.1.0+1.",
            "0.1.0+1..2",
            "0.1.0-rc1",
            "v0.1.0",
            "00.1.0",
            "0.1.0+01",
            "0.1.0+a",
            "0.1.0 ",
            "0.1.0\n",
            "0.1.0+1+2",
            "0.1.0+9999999999999999999",
            "٠.1.0",
        ] {
            assert!(bad.parse::<ImageVersion>().is_err(), "{bad:?}");
        }
        let long = format!("0.1.0+{}", vec!["1"; 64].join("."));
        assert!(long.parse::<ImageVersion>().is_err());
    }

    #[test]
    fn digests_are_strict() {
        assert!("0a".repeat(32).parse::<BundleDigest>().is_ok());
        for bad in [
            "",
            "0A",
            &"0A".repeat(32),
            &"0a".repeat(33),
            &"0g".repeat(32),
        ] {
            assert!(bad.parse::<BundleDigest>().is_err(), "{bad:?}");
        }
    }

    fn any_version() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            Just("0".to_owned()),
            "[1-9][0-9]{0,2}",
            Just("20261122064643".to_owned()),
            "2026112206464[0-9]",
        ];
        let build = proptest::option::of(proptest::collection::vec(number, 1..3));
        let small = prop_oneof![Just("0".to_owned()), "[1-9][0-9]{0,2}"];
        (proptest::collection::vec(small, 3..=3), build).prop_map(|(program, build)| {
            let build = build.map_or(String::new(), |it| format!("+{}", it.join(".")));
            format!("{}{build}", program.join("."))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// The box's own scripts compare by `sort -V`: what is newer to one must be newer to the other.
        #[test]
        fn the_order_is_that_of_sort_v(texts in proptest::collection::vec(any_version(), 2..60)) {
            let mut ours: Vec<ImageVersion> = texts.iter().map(|text| version(text)).collect();
            ours.sort();
            let sort = Command::new("sh")
                .args(["-c", r#"printf '%s\n' "$@" | LC_ALL=C sort -V"#, "sh"])
                .args(&texts)
                .output()
                .unwrap();
            let theirs = String::from_utf8(sort.stdout).unwrap();
            let ours: Vec<String> = ours.iter().map(ToString::to_string).collect();
            prop_assert_eq!(ours, theirs.lines().collect::<Vec<_>>());
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in ".{0,80}") {
            if let Ok(version) = text.parse::<ImageVersion>() {
                prop_assert_eq!(version.to_string(), text);
            }
        }
    }
}
