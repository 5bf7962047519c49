//! Writing the log of one volume: entries go to the end of the day's file, a batch at a time, signed and synced as one.
//!
//! A batch that a kill or a power cut left half has no signature: at the next opening it is cut off, and whoever asked for
//! it asks again, because its rows are deleted only once it was synced. So the log never forks, and what it says it says
//! once. A clock that goes back changes no file: entries go to the newest day that there is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::durable;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;
use wire::ids::{ApplianceId, RecordingId};

use super::entry::{
    BESIDE_MAX, Beside, Entry, Hash, Kept, LINE_BYTES_MAX, Line, VERSION, hash_of, holds, sign,
};
use super::lines::{self, Kind, Lines};
use crate::host::signature::Signer;
use crate::model::chunks;
use crate::model::time::UtcTime;

/// Days whose entries are remembered, to enter nothing twice.
const DAYS_MAX: usize = 4;

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the newest line.
    pub n: u64,
    /// Its hash.
    pub hash: Hash,
    /// The day of its file.
    pub day: Date,
}

/// The log of a volume, opened to be continued.
#[derive(Debug)]
pub struct Chain {
    folder: PathBuf,
    appliance: ApplianceId,
    volume: Uuid,
    signer: Arc<Signer>,
    head: Option<Head>,
    entered: BTreeMap<Date, HashSet<[u8; 16]>>,
}

impl Chain {
    /// Opens the log of a volume whose folder is `root`. What an interruption left half is cut off.
    pub fn open(root: &Path, volume: Uuid, signer: Arc<Signer>) -> io::Result<Self> {
        let appliance = signer.key().appliance();
        let mut chain = Self {
            folder: root.join(super::FOLDER).join(appliance.as_str()),
            appliance,
            volume,
            signer,
            head: None,
            entered: BTreeMap::new(),
        };
        for day in lines::days(&chain.folder)?.into_iter().rev() {
            chain.head = chain.close(day)?;
            if chain.head.is_some() {
                break;
            }
        }
        Ok(chain)
    }

    /// Where it stands; none: it has no line yet.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// Whose it is.
    pub fn appliance(&self) -> &ApplianceId {
        &self.appliance
    }

    fn path(&self, day: Date) -> PathBuf {
        self.folder.join(lines::name_of(day))
    }

    /// Finds the last signature of a day's file that holds, and cuts off what follows it. None: there is none, and the
    /// file is gone.
    fn close(&self, day: Date) -> io::Result<Option<Head>> {
        let path = self.path(day);
        let mut lines = Lines::open(path.clone())?;
        let (mut before, mut signed, mut damaged) = (None, None, false);
        while let Some(kind) = lines.next()? {
            let hash = hash_of(lines.text());
            match (kind, Line::parse(lines.text())) {
                (Kind::Torn, _) => break,
                (Kind::TooLong, _) | (_, Err(_)) => damaged = true,
                (Kind::Whole, Ok(Line { n, prev, at, entry })) => {
                    if let Entry::Signed { signature } = entry {
                        let of = prev.filter(|prev| Some(*prev) == before);
                        if of.is_some_and(|of| holds(self.signer.key(), of, n, at, &signature)) {
                            signed = Some((Head { n, hash, day }, lines.end()));
                            damaged = false;
                        } else {
                            damaged = true;
                        }
                    }
                }
            }
            before = Some(hash);
        }
        let length = path.metadata()?.len();
        let keep = signed.map_or(0, |(_, end)| end);
        if keep < length || keep == 0 {
            if damaged {
                // Not what an interruption leaves: somebody may want to look at it.
                let mark = chunks::hex(&file_hash(&path)?[..4]);
                let aside = path.with_extension(format!("damaged-{mark}"));
                std::fs::copy(&path, &aside)?;
                durable::sync_file(&aside)?;
                tracing::error!(file.path = %path.display(), copy = %aside.display(),
                    "The end of a custody log is damaged; it goes on after its last signature that holds");
            }
            if keep > 0 {
                let file = File::options().write(true).open(&path)?;
                file.set_len(keep)?;
                file.sync_all()?;
            } else {
                durable::remove_if_there(&path)?;
                durable::sync_dir(&self.folder)?;
            }
        }
        Ok(signed.map(|(head, _)| head))
    }

    /// Whether the log says this already, in the file of `day` or of the day after it.
    pub fn says(&mut self, entry: &Entry, day: Date) -> io::Result<bool> {
        let Some(key) = key_of(entry) else {
            return Ok(false);
        };
        for day in [
            Some(day),
            day.tomorrow().ok(),
            self.head.map(|head| head.day),
        ]
        .into_iter()
        .flatten()
        {
            if !self.entered.contains_key(&day) {
                let entered = self.read_day(day)?;
                while self.entered.len() >= DAYS_MAX {
                    self.entered.pop_first();
                }
                self.entered.insert(day, entered);
            }
            if self.entered.get(&day).is_some_and(|day| day.contains(&key)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_day(&self, day: Date) -> io::Result<HashSet<[u8; 16]>> {
        let mut lines = match Lines::open(self.path(day)) {
            Ok(lines) => lines,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
            Err(e) => return Err(e),
        };
        let mut entered = HashSet::new();
        while let Some(kind) = lines.next()? {
            if kind == Kind::Whole
                && let Ok(line) = Line::parse(lines.text())
            {
                entered.extend(key_of(&line.entry));
            }
        }
        Ok(entered)
    }

    /// Writes entries at the end, signed and synced. After an error nobody knows what lies there: open it anew.
    pub fn append(&mut self, now: UtcTime, entries: Vec<Entry>) -> io::Result<Head> {
        let today = day_of(now);
        let day = self.head.map_or(today, |head| head.day.max(today));
        let mut text = Vec::new();
        let (mut n, mut prev) = self
            .head
            .map_or((0, None), |head| (head.n, Some(head.hash)));
        let mut put = |entry| {
            n += 1;
            let line = Line {
                n,
                prev,
                at: now,
                entry,
            }
            .text();
            debug_assert!(line.len() <= LINE_BYTES_MAX, "{line}");
            let hash = hash_of(line.as_bytes());
            prev = Some(hash);
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
            Head { n, hash, day }
        };
        let opens = self.head.is_none_or(|head| head.day != day);
        if opens {
            put(self.first_line(day)?);
        }
        let keys: Vec<_> = entries.iter().filter_map(key_of).collect();
        let mut last = None;
        for entry in entries {
            last = Some(put(entry));
        }
        let Some(last) = last.or(self.head) else {
            return Err(io::Error::other("there is nothing to enter"));
        };
        let head = put(Entry::Signed {
            signature: sign(&self.signer, last.hash, last.n + 1, now),
        });
        durable::create_dir_all(&self.folder)?;
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.path(day))?;
        file.write_all(&text)?;
        file.sync_all()?;
        if opens {
            durable::sync_dir(&self.folder)?;
        }
        self.head = Some(head);
        if let Some(entered) = self.entered.get_mut(&day) {
            entered.extend(keys);
        }
        Ok(head)
    }

    fn first_line(&self, day: Date) -> io::Result<Entry> {
        Ok(Entry::Day {
            version: VERSION,
            day,
            appliance: self.appliance.clone(),
            key: self.signer.key().text(),
            volume: self.volume,
            previous_day: self.head.map(|head| head.day),
            beside: match self.head {
                Some(_) => Vec::new(),
                None => self.beside()?,
            },
        })
    }

    /// Where the logs of other appliances on this volume end.
    fn beside(&self) -> io::Result<Vec<Beside>> {
        let Some(all) = self.folder.parent().filter(|all| all.is_dir()) else {
            return Ok(Vec::new());
        };
        let mut beside = Vec::new();
        for entry in std::fs::read_dir(all)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(appliance) = name.and_then(|name| name.parse().ok()) else {
                continue;
            };
            if path == self.folder || beside.len() >= BESIDE_MAX {
                continue;
            }
            if let Some(day) = lines::days(&path)?.pop() {
                beside.push(Beside {
                    appliance,
                    day,
                    sha256: Hash(file_hash(&path.join(lines::name_of(day)))?),
                });
            }
        }
        beside.sort_by(|a, b| a.appliance.as_str().cmp(b.appliance.as_str()));
        Ok(beside)
    }
}

/// Why recordings left a volume, as its logs tell. The logs are believed: they lie on the appliance's own disk.
pub fn causes(
    root: &Path,
    wanted: &HashSet<RecordingId>,
) -> io::Result<HashMap<RecordingId, String>> {
    let mut causes = HashMap::new();
    let all = root.join(super::FOLDER);
    if !all.is_dir() {
        return Ok(causes);
    }
    for folder in std::fs::read_dir(all)? {
        let folder = folder?.path();
        for day in lines::days(&folder)? {
            let mut lines = Lines::open(folder.join(lines::name_of(day)))?;
            while lines.next()?.is_some() {
                if let Ok(Line {
                    entry:
                        Entry::Left {
                            recording, cause, ..
                        },
                    ..
                }) = Line::parse(lines.text())
                    && wanted.contains(&recording)
                {
                    causes.insert(recording, cause);
                }
            }
        }
    }
    Ok(causes)
}

/// SHA-256 of a file.
pub fn file_hash(path: &Path) -> io::Result<chunks::Sha256> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(chunks::finish(context)),
            count => context.update(&buffer[..count]),
        }
    }
}

/// The day of an instant, UTC.
pub fn day_of(at: UtcTime) -> Date {
    TimeZone::UTC.to_datetime(at.timestamp()).date()
}

/// What an entry is the same by; none for those that tell of no recording.
fn key_of(entry: &Entry) -> Option<[u8; 16]> {
    let text = match entry {
        Entry::Kept(kept) | Entry::Found(kept) => {
            let Kept {
                recording,
                stem,
                sidecar,
                ..
            } = kept;
            format!("held {recording} {stem} {sidecar}")
        }
        Entry::Left {
            recording, stem, ..
        } => format!("left {recording} {stem}"),
        Entry::Day { .. } | Entry::Signed { .. } => return None,
    };
    let hash = hash_of(text.as_bytes());
    hash.0.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::signature::testing::signer;

    fn at(text: &str) -> UtcTime {
        text.parse().unwrap()
    }

    fn kept(name: &str) -> Entry {
        Entry::Kept(Kept {
            recording: RecordingId::new(),
            stem: format!("cameras/{name}"),
            sidecar: hash_of(name.as_bytes()),
            media: hash_of(name.as_bytes()),
            bytes: 1,
        })
    }

    struct Disk {
        dir: tempfile::TempDir,
        volume: Uuid,
        signer: Arc<Signer>,
    }

    impl Disk {
        fn new() -> Self {
            Self {
                dir: tempfile::tempdir().unwrap(),
                volume: Uuid::now_v7(),
                signer: Arc::new(signer()),
            }
        }

        fn open(&self) -> Chain {
            Chain::open(self.dir.path(), self.volume, self.signer.clone()).unwrap()
        }

        fn lines(&self, day: &str) -> Vec<String> {
            let path = self.open().folder.join(format!("{day}.jsonl"));
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn days_and_openings_make_one_chain() {
        let disk = Disk::new();
        let mut last = None;
        for (when, name) in [
            ("2026-11-03T10:00:00Z", "a"),
            ("2026-11-03T23:59:59Z", "b"),
            ("2026-11-05T00:00:00Z", "c"),
            // The clock was set back.
            ("2026-11-04T00:00:00Z", "d"),
        ] {
            let mut chain = disk.open();
            assert_eq!(chain.head(), last);
            last = Some(chain.append(at(when), vec![kept(name)]).unwrap());
        }
        assert_eq!(last.unwrap().day, day_of(at("2026-11-05T00:00:00Z")));
        let (first, second) = (disk.lines("2026-11-03"), disk.lines("2026-11-05"));
        assert_eq!((first.len(), second.len()), (5, 5));
        let mut before: Option<Hash> = None;
        for (n, text) in first.iter().chain(&second).enumerate() {
            let line = Line::parse(text.as_bytes()).unwrap();
            assert_eq!((line.n, line.prev), (n as u64 + 1, before));
            if let Entry::Signed { signature } = &line.entry {
                let key = disk.signer.key();
                assert!(holds(key, before.unwrap(), line.n, line.at, signature));
            }
            before = Some(hash_of(text.as_bytes()));
        }
    }

    /// A power cut leaves any beginning of a batch: the chain goes on as if it had never been begun.
    #[test]
    fn a_batch_that_was_cut_anywhere_is_as_if_it_had_not_been() {
        let disk = Disk::new();
        let mut chain = disk.open();
        let first = chain
            .append(at("2026-11-03T10:00:00Z"), vec![kept("a")])
            .unwrap();
        let path = chain.path(first.day);
        let whole = path.metadata().unwrap().len();
        chain
            .append(at("2026-11-03T11:00:00Z"), vec![kept("b"), kept("c")])
            .unwrap();
        let text = std::fs::read(&path).unwrap();
        for end in whole..text.len() as u64 {
            std::fs::write(&path, &text[..end as usize]).unwrap();
            assert_eq!(disk.open().head(), Some(first), "cut at {end}");
            assert_eq!(path.metadata().unwrap().len(), whole);
        }
        // A day that has just begun.
        let mut chain = disk.open();
        let second = chain.append(at("2026-11-04T11:00:00Z"), vec![kept("d")]);
        let path = chain.path(second.unwrap().day);
        let text = std::fs::read(&path).unwrap();
        for end in 0..text.len() {
            std::fs::write(&path, &text[..end]).unwrap();
            assert_eq!(disk.open().head(), Some(first));
            assert!(!path.exists());
        }
        let aside = std::fs::read_dir(&chain.folder).unwrap().count();
        assert_eq!(aside, 1, "nothing of it is damage");
    }

    #[test]
    fn what_was_entered_is_known_again() {
        let disk = Disk::new();
        let (one, other) = (kept("a"), kept("b"));
        let now = at("2026-11-03T23:00:00Z");
        let mut chain = disk.open();
        assert!(!chain.says(&one, day_of(now)).unwrap());
        chain.append(now, vec![one.clone()]).unwrap();
        for mut chain in [chain, disk.open()] {
            assert!(chain.says(&one, day_of(now)).unwrap());
            assert!(chain.says(&one, "2026-11-02".parse().unwrap()).unwrap());
            assert!(!chain.says(&other, day_of(now)).unwrap());
        }
    }

    #[test]
    fn another_appliance_begins_a_log_of_its_own_and_names_ours() {
        let disk = Disk::new();
        let now = at("2026-11-03T23:00:00Z");
        disk.open().append(now, vec![kept("a")]).unwrap();
        let old = disk.open().path(day_of(now));
        let other = Disk {
            signer: Arc::new(signer()),
            ..disk
        };
        let mut chain = other.open();
        assert_eq!(chain.head(), None);
        chain.append(now, vec![kept("b")]).unwrap();
        let Entry::Day { beside, .. } = Line::parse(other.lines("2026-11-03")[0].as_bytes())
            .unwrap()
            .entry
        else {
            panic!("a day begins with its line");
        };
        assert_eq!(beside[0].sha256.0, file_hash(&old).unwrap());
    }

    #[test]
    fn an_end_that_was_damaged_is_kept_aside() {
        let disk = Disk::new();
        let mut chain = disk.open();
        let first = chain
            .append(at("2026-11-03T10:00:00Z"), vec![kept("a")])
            .unwrap();
        chain
            .append(at("2026-11-03T11:00:00Z"), vec![kept("b")])
            .unwrap();
        let path = chain.path(first.day);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("cameras/b", "cameras/x")).unwrap();
        assert_eq!(disk.open().head(), Some(first));
        let aside = std::fs::read_dir(&chain.folder).unwrap().count();
        assert_eq!(aside, 2);
    }
}
