//! `<state>/update/`: where a bundle lies, and what the agent and the box's update service say to each other in files.
//!
//! ```text
//! wanted.json    ours     the bundle that is being received or waits
//! bundle.part    ours     as much of it as came
//! bundle.raucb   ours     all of it, of the right length and digest
//! order.json     ours     `{"version", "sha256"}`: the service looks at it, installs, and removes it with the bundle
//! outcome.json   its      `{"version", "result", "reason", "at"}`: what became of an order, and of the next start
//! ```
//!
//! What others write is read with a bound and strictly.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::update::{BundleDigest, ImageVersion, InstallWhen};

use crate::model::time::UtcTime;

/// Longest file of words.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// Longest reason that is shown, in characters.
const REASON_CHARS_MAX: usize = 300;

const WANTED: &str = "wanted.json";
const PART: &str = "bundle.part";
const BUNDLE: &str = "bundle.raucb";
const ORDER: &str = "order.json";
const OUTCOME: &str = "outcome.json";

/// The bundle that is being received or waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Its version.
    pub version: ImageVersion,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: BundleDigest,
    /// Since when it is here, whole.
    pub received_at: Option<UtcTime>,
    /// When it is to be installed, where a person said so.
    pub chosen: Option<InstallWhen>,
}

/// What the box's update service is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The bundle's version.
    pub version: ImageVersion,
    /// Its SHA-256.
    pub sha256: BundleDigest,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Of which version.
    pub version: ImageVersion,
    /// What.
    pub result: Outcomes,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
    /// When.
    pub at: UtcTime,
}

/// The results that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcomes {
    /// It is installed, and is being started.
    Installed,
    /// It was not installed: not signed by a trusted key, not newer, or tried before.
    Refused,
    /// It could not be installed.
    Failed,
    /// It runs and is well.
    Good,
    /// It was not well; the system before it runs again.
    WentBack,
}

/// What lies in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What is received or waits.
    pub wanted: Option<Wanted>,
    /// Bytes of it that came.
    pub part_bytes: u64,
    /// Since when no byte came; none without a part.
    pub part_touched: Option<SystemTime>,
    /// All of it is there.
    pub has_bundle: bool,
    /// The service is told, and has not answered.
    pub is_ordered: bool,
    /// What it said last.
    pub outcome: Option<Outcome>,
    /// Files that cannot be read, and why.
    pub unreadable: Vec<String>,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Of a state folder.
    pub fn of(state: &Path) -> Self {
        Self(state.join("update"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it.
    pub fn make(&self) -> io::Result<()> {
        base::durable::create_dir_all(&self.0)
    }

    /// What came of a bundle.
    pub fn part(&self) -> PathBuf {
        self.0.join(PART)
    }

    /// The whole bundle.
    pub fn bundle(&self) -> PathBuf {
        self.0.join(BUNDLE)
    }

    /// Looks.
    pub fn look(&self) -> io::Result<Seen> {
        let mut unreadable = Vec::new();
        let part = meta(&self.part())?;
        Ok(Seen {
            wanted: self.read(WANTED, &mut unreadable)?,
            part_bytes: part.as_ref().map_or(0, std::fs::Metadata::len),
            part_touched: part.and_then(|part| part.modified().ok()),
            has_bundle: meta(&self.bundle())?.is_some(),
            is_ordered: meta(&self.0.join(ORDER))?.is_some(),
            outcome: self
                .read::<Outcome>(OUTCOME, &mut unreadable)?
                .map(Outcome::fit_to_show),
            unreadable,
        })
    }

    /// A file that is not there is none, and one that makes no sense is told.
    fn read<T: DeserializeOwned>(
        &self,
        name: &str,
        unreadable: &mut Vec<String>,
    ) -> io::Result<Option<T>> {
        let path = self.0.join(name);
        let parsed = match base::untrusted::read_if_there(&path, FILE_BYTES_MAX) {
            Ok(Some(text)) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        Ok(parsed
            .map_err(|why| unreadable.push(format!("{}: {why}", path.display())))
            .ok())
    }

    /// Writes down what is received or waits.
    pub fn want(&self, wanted: &Wanted) -> io::Result<()> {
        self.write(WANTED, wanted, 0o600)
    }

    /// Tells the box's update service.
    pub fn order(&self, order: &Order) -> io::Result<()> {
        self.write(ORDER, order, 0o644)
    }

    /// Says what the service did not.
    pub fn conclude(&self, outcome: &Outcome) -> io::Result<()> {
        self.write(OUTCOME, outcome, 0o644)
    }

    fn write(&self, name: &str, content: &impl Serialize, mode: u32) -> io::Result<()> {
        let text = serde_json::to_vec(content).map_err(io::Error::other)?;
        base::durable::replace(&self.0.join(name), &text, mode)
    }

    /// Nothing is known any more of what became of an order.
    pub fn forget_outcome(&self) -> io::Result<()> {
        self.remove(&[OUTCOME])
    }

    /// Removes the bundle, what came of it, and what is known of it. The word on it goes first: files that no word is on
    /// are tidied away, while a word without its file would be taken for an order that was carried out.
    pub fn forget_bundle(&self) -> io::Result<()> {
        self.remove(&[WANTED])?;
        self.remove(&[PART, BUNDLE])
    }

    fn remove(&self, names: &[&str]) -> io::Result<()> {
        for name in names {
            base::durable::remove_if_there(&self.0.join(name))?;
        }
        base::durable::sync_dir(&self.0)
    }
}

fn meta(path: &Path) -> io::Result<Option<std::fs::Metadata>> {
    match std::fs::metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Outcome {
    /// One short line, whatever was written.
    fn fit_to_show(mut self) -> Self {
        self.reason = base::untrusted::one_line(&self.reason, REASON_CHARS_MAX);
        self
    }
}

impl Seen {
    /// The order was carried out, or the service gave it up: what is left of the bundle is nobody's. What became of an
    /// earlier bundle of the same version was forgotten before it was wanted.
    pub fn is_consumed(&self) -> bool {
        let Some(wanted) = &self.wanted else {
            return false;
        };
        let told = self
            .outcome
            .as_ref()
            .is_some_and(|outcome| outcome.version == wanted.version);
        wanted.received_at.is_some() && !self.is_ordered && (told || !self.has_bundle)
    }
}

/// The version of the system that runs; none where the box is no appliance image.
pub fn running(file: &Path) -> Result<Option<ImageVersion>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let text = base::untrusted::read_if_there(file, 256).map_err(|error| wrong(&error))?;
    let version = |text: Vec<u8>| match String::from_utf8_lossy(&text).trim_end().parse() {
        Ok(version) => Ok(version),
        Err(bad) => Err(wrong(&bad)),
    };
    text.map(version).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path());
        folder.make().unwrap();
        (dir, folder)
    }

    #[test]
    fn what_the_service_writes_is_read() {
        let (_dir, folder) = folder();
        assert_eq!(folder.look().unwrap(), Seen::default());
        let text = r#"{"version": "0.1.0+20261122064643", "result": "went_back",
            "reason": "the agent is not ready\nafter 900 s", "at": "2026-11-22T07:15:00Z"}"#;
        std::fs::write(folder.path().join(OUTCOME), text).unwrap();
        let outcome = folder.look().unwrap().outcome.unwrap();
        assert_eq!(outcome.result, Outcomes::WentBack);
        assert_eq!(outcome.reason, "the agent is not ready after 900 s");
        // What a shell's `date` writes too.
        let local = text.replace("07:15:00Z", "08:15:00+01:00");
        std::fs::write(folder.path().join(OUTCOME), local).unwrap();
        assert_eq!(folder.look().unwrap().outcome.unwrap(), outcome);
    }

    #[test]
    fn what_makes_no_sense_is_told_and_believed_in_nothing() {
        let (_dir, folder) = folder();
        let long = format!(
            r#"{{"version":"0.1.0","result":"good","reason":"{}","at":"2026-11-22T07:15:00Z"}}"#,
            "x".repeat(20_000)
        );
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"version":"0.1.0","result":"well","at":"2026-11-22T07:15:00Z"}"#,
            r#"{"version":"../x","result":"good","at":"2026-11-22T07:15:00Z"}"#,
            r#"{"version":"0.1.0","result":"good","at":"yesterday"}"#,
            r#"{"version":"0.1.0","result":"good","at":"2026-11-22T07:15:00Z","and":1}"#,
            &long,
        ] {
            std::fs::write(folder.path().join(OUTCOME), bad).unwrap();
            let seen = folder.look().unwrap();
            assert_eq!(seen.outcome, None, "{bad:.80}");
            assert_eq!(seen.unreadable.len(), 1, "{bad:.80}");
        }
    }

    #[test]
    fn the_running_version() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("version");
        assert_eq!(running(&file), Ok(None));
        std::fs::write(&file, "0.1.0+20261122064643\n").unwrap();
        let version = running(&file).unwrap().unwrap();
        assert_eq!(version.to_string(), "0.1.0+20261122064643");
        for bad in ["", "unknown\n", &"1".repeat(1_000)] {
            std::fs::write(&file, bad).unwrap();
            assert!(running(&file).is_err(), "{bad:.20}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_show_more_than_a_line(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (_dir, folder) = folder();
            for name in [WANTED, OUTCOME] {
                std::fs::write(folder.path().join(name), &bytes).unwrap();
            }
            let seen = folder.look().unwrap();
            prop_assert!(seen.wanted.is_none() || seen.outcome.is_none());
        }

        #[test]
        fn whatever_reason_is_given_one_line_is_shown(reason in "\\PC{0,500}|[\\x00-\\x20]{0,40}", result in 0usize..5) {
            use Outcomes::{Failed, Good, Installed, Refused, WentBack};
            let outcome = Outcome {
                version: "0.1.0+20261122064643.1".parse().unwrap(),
                result: [Installed, Refused, Failed, Good, WentBack][result],
                reason,
                at: "2026-11-22T07:15:00Z".parse().unwrap(),
            };
            let (_dir, folder) = folder();
            folder.conclude(&outcome).unwrap();
            let read = folder.look().unwrap().outcome.unwrap();
            prop_assert!(read.reason.chars().count() <= REASON_CHARS_MAX && !read.reason.contains(|c: char| c.is_control()));
            prop_assert_eq!((read.version, read.result, read.at), (outcome.version, outcome.result, outcome.at));
        }
    }
}
