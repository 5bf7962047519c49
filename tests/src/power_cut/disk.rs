//! What a disk holds after a power cut: what was promised, and any legal part of the rest.
//!
//! - Bytes written since the last sync of their file are there or not, page by page (or sector by sector, torn), each
//!   page as it stood after any of the writes; the file may have its new size before its bytes, which are then zero.
//! - Names that were made, changed or removed since the last sync of their folder are there or not. How far one may
//!   overtake another is the file system's [`Promise`]. A rename is whole or not at all, in both of its folders.
//! - What was synced is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::log::{Ino, Op, ROOT};
use super::pages::{PAGE_BYTES, Pages, SECTOR_BYTES};
use crate::seed::Seed;

/// Most versions of one file that a cut chooses pages from: between two syncs there may be thousands of writes.
const VERSIONS_MAX: usize = 8;

/// How a file system treats names that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// As ext4 and xfs do: names reach the disk in their order, and any sync takes all earlier ones with it.
    Ordered,
    /// The letter of POSIX: every folder for itself, a sync of a folder is for its own names only, and what is not
    /// synced is kept or lost one by one.
    Letter,
}

/// What a cut leaves of what was not promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All of it.
    Everything,
    /// Nothing of it.
    Nothing,
    /// Some of it, by chance.
    Some(u64),
}

type Name = (Ino, String);

#[derive(Debug, Clone, Default)]
struct Node {
    is_folder: bool,
    mode: u32,
    durable: Pages,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, std::sync::Arc<[u8]>),
    Resize(u64),
}

impl Change {
    fn apply(&self, pages: &mut Pages) {
        match self {
            Self::Write(offset, bytes) => pages.write(*offset, bytes),
            Self::Resize(bytes) => pages.resize(*bytes),
        }
    }
}

/// Names that change together.
#[derive(Debug, Clone)]
struct Naming(Vec<(Name, Option<Ino>)>);

impl Naming {
    fn apply(&self, names: &mut BTreeMap<Name, Ino>) {
        for (name, ino) in &self.0 {
            match ino {
                Some(ino) => names.insert(name.clone(), *ino),
                None => names.remove(name),
            };
        }
    }

    fn touches(&self, folder: Ino) -> bool {
        self.0.iter().any(|((of, _), _)| *of == folder)
    }
}

/// A disk in use. Cheap to clone next to what it holds.
#[derive(Debug, Clone)]
pub struct Disk {
    promise: Promise,
    nodes: HashMap<Ino, Node>,
    /// Durable names.
    names: BTreeMap<Name, Ino>,
    /// Names as they are seen now.
    seen: BTreeMap<Name, Ino>,
    pending: Vec<Naming>,
}

impl Disk {
    /// An empty one.
    pub fn new(promise: Promise) -> Self {
        let root = Node {
            is_folder: true,
            mode: 0o755,
            ..Node::default()
        };
        Self {
            promise,
            nodes: HashMap::from([(ROOT, root)]),
            names: BTreeMap::new(),
            seen: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    /// One more operation.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create {
                folder,
                name,
                ino,
                is_folder,
                mode,
            } => {
                let node = Node {
                    is_folder: *is_folder,
                    mode: *mode,
                    ..Node::default()
                };
                self.nodes.insert(*ino, node);
                self.rename(vec![((*folder, name.clone()), Some(*ino))]);
            }
            Op::Remove { folder, name } => self.rename(vec![((*folder, name.clone()), None)]),
            Op::Rename {
                from,
                name,
                to,
                new_name,
            } => {
                let old = (*from, name.clone());
                let ino = self.seen.get(&old).copied();
                self.rename(vec![(old, None), ((*to, new_name.clone()), ino)]);
            }
            Op::Write { ino, offset, bytes } => {
                self.change(*ino, Change::Write(*offset, bytes.clone()));
            }
            Op::Resize { ino, bytes } => self.change(*ino, Change::Resize(*bytes)),
            Op::Sync { ino } => self.sync(*ino),
            Op::Mark(_) => {}
        }
    }

    fn rename(&mut self, names: Vec<(Name, Option<Ino>)>) {
        let naming = Naming(names);
        naming.apply(&mut self.seen);
        self.pending.push(naming);
    }

    fn change(&mut self, ino: Ino, change: Change) {
        self.nodes.entry(ino).or_default().pending.push(change);
    }

    fn sync(&mut self, ino: Ino) {
        let node = self.nodes.entry(ino).or_default();
        for change in std::mem::take(&mut node.pending) {
            change.apply(&mut node.durable);
        }
        let pending = std::mem::take(&mut self.pending);
        let kept = match self.promise {
            Promise::Ordered => vec![true; pending.len()],
            Promise::Letter => with_earlier(&pending, |naming| {
                self.nodes[&ino].is_folder && naming.touches(ino)
            }),
        };
        for (naming, kept) in pending.into_iter().zip(kept) {
            if kept {
                naming.apply(&mut self.names);
            } else {
                self.pending.push(naming);
            }
        }
    }

    /// Whether anything could be lost now.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.nodes.values().all(|node| node.pending.is_empty())
    }

    /// Bytes that were written and not synced.
    pub fn unflushed_bytes(&self) -> u64 {
        let pending = self.nodes.values().flat_map(|node| &node.pending);
        let bytes = pending.map(|change| match change {
            Change::Write(_, bytes) => bytes.len() as u64,
            Change::Resize(_) => 0,
        });
        bytes.sum()
    }

    /// What it holds after a cut now.
    pub fn cut(&self, cut: Cut) -> Image {
        let mut chance = match cut {
            Cut::Some(seed) => Some(Seed::of(seed)),
            Cut::Everything | Cut::Nothing => None,
        };
        let kept = match (&mut chance, self.promise) {
            (None, _) => vec![cut == Cut::Everything; self.pending.len()],
            (Some(chance), Promise::Ordered) => {
                let until = chance.below(self.pending.len() as u64 + 1) as usize;
                (0..self.pending.len()).map(|n| n < until).collect()
            }
            (Some(chance), Promise::Letter) => {
                // One by one, and now and then nearly all or nearly none.
                let permille = [500, 100, 900][chance.below(3) as usize];
                with_earlier(&self.pending, |_| chance.below(1_000) < permille)
            }
        };
        let mut names = self.names.clone();
        for (naming, kept) in self.pending.iter().zip(kept) {
            if kept {
                naming.apply(&mut names);
            }
        }
        self.image(&names, |node| match (&mut chance, cut) {
            (Some(chance), _) => some_of(node, chance),
            (None, Cut::Everything) => all_of(node),
            (None, _) => node.durable.clone(),
        })
    }

    /// What can be reached from the root, with the bytes that `bytes` chooses.
    fn image(&self, names: &BTreeMap<Name, Ino>, mut bytes: impl FnMut(&Node) -> Pages) -> Image {
        let mut entries = BTreeMap::new();
        let mut folders = vec![(ROOT, PathBuf::new())];
        let mut been = BTreeSet::new();
        while let Some((folder, path)) = folders.pop() {
            if !been.insert(folder) {
                continue;
            }
            let below = names.range((folder, String::new())..(folder + 1, String::new()));
            for ((_, name), ino) in below {
                let (node, path) = (&self.nodes[ino], path.join(name));
                let entry = if node.is_folder {
                    folders.push((*ino, path.clone()));
                    Entry::Folder(node.mode)
                } else {
                    Entry::File(node.mode, bytes(node))
                };
                entries.insert(path, entry);
            }
        }
        Image { entries }
    }
}

/// Which of the changes are kept: those that `wanted` names, and whatever earlier one touched a name of theirs.
fn with_earlier(pending: &[Naming], mut wanted: impl FnMut(&Naming) -> bool) -> Vec<bool> {
    let mut kept = vec![false; pending.len()];
    let mut needed = BTreeSet::new();
    let choice: Vec<bool> = pending.iter().map(&mut wanted).collect();
    for (n, naming) in pending.iter().enumerate().rev() {
        if choice[n] || naming.0.iter().any(|(name, _)| needed.contains(name)) {
            kept[n] = true;
            needed.extend(naming.0.iter().map(|(name, _)| name.clone()));
        }
    }
    kept
}

fn all_of(node: &Node) -> Pages {
    let mut pages = node.durable.clone();
    node.pending
        .iter()
        .for_each(|change| change.apply(&mut pages));
    pages
}

/// A legal part of what was written since the last sync.
fn some_of(node: &Node, chance: &mut Seed) -> Pages {
    if node.pending.is_empty() {
        return node.durable.clone();
    }
    // The file after some of the writes, the first and the last always among them.
    let mut at: BTreeSet<usize> = BTreeSet::from([0, node.pending.len()]);
    while at.len() < VERSIONS_MAX.min(node.pending.len() + 1) {
        at.insert(chance.below(node.pending.len() as u64 + 1) as usize);
    }
    let mut versions = Vec::new();
    let mut pages = node.durable.clone();
    for (n, change) in node.pending.iter().enumerate() {
        if at.contains(&n) {
            versions.push(pages.clone());
        }
        change.apply(&mut pages);
    }
    versions.push(pages);
    let version = |chance: &mut Seed| chance.below(versions.len() as u64) as usize;
    match chance.below(5) {
        0 => versions[0].clone(),
        1 => versions[version(chance)].clone(),
        // The size is there before the bytes.
        2 => {
            let mut grown = versions[0].clone();
            grown.resize(versions[versions.len() - 1].bytes());
            grown
        }
        // Pages, or sectors of them, each from another moment.
        mode => {
            let piece = if mode == 3 { PAGE_BYTES } else { SECTOR_BYTES };
            let numbers: BTreeSet<u64> = versions.iter().flat_map(Pages::numbers).collect();
            let mut mixed = Pages::default();
            mixed.resize(versions.iter().map(Pages::bytes).max().unwrap_or(0));
            for number in numbers {
                for from in (0..PAGE_BYTES).step_by(piece) {
                    let of = version(chance);
                    mixed.take(&versions[of], number, from..from + piece);
                }
            }
            let size = version(chance);
            mixed.resize(versions[size].bytes());
            mixed
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Entry {
    Folder(u32),
    File(u32, Pages),
}

/// What a disk holds: every path with its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Image {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Image {
    /// A number that another image hardly has.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// The bytes of one file, where it is there.
    pub fn file(&self, path: &Path) -> Option<&Pages> {
        match self.entries.get(path)? {
            Entry::File(_, pages) => Some(pages),
            Entry::Folder(_) => None,
        }
    }

    /// Puts it into a folder, which is emptied first.
    pub fn write(&self, into: &Path) -> io::Result<()> {
        match fs::remove_dir_all(into) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        fs::create_dir_all(into)?;
        for (path, entry) in &self.entries {
            let path = into.join(path);
            match entry {
                Entry::Folder(mode) => {
                    fs::create_dir(&path)?;
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
                }
                Entry::File(mode, pages) => {
                    let file = File::options()
                        .write(true)
                        .create_new(true)
                        .mode(*mode)
                        .open(&path)?;
                    pages.copy_to(&file)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(folder: Ino, name: &str, ino: Ino, is_folder: bool) -> Op {
        Op::Create {
            folder,
            name: name.to_owned(),
            ino,
            is_folder,
            mode: if is_folder { 0o755 } else { 0o644 },
        }
    }

    fn write(ino: Ino, offset: u64, bytes: &[u8]) -> Op {
        Op::Write {
            ino,
            offset,
            bytes: bytes.into(),
        }
    }

    fn disk(promise: Promise, ops: &[Op]) -> Disk {
        let mut disk = Disk::new(promise);
        ops.iter().for_each(|op| disk.apply(op));
        disk
    }

    fn paths(image: &Image) -> Vec<String> {
        let paths = image.entries.keys();
        paths.map(|path| path.display().to_string()).collect()
    }

    fn content(image: &Image, path: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        image.write(&dir.path().join("i")).unwrap();
        fs::read(dir.path().join("i").join(path)).unwrap()
    }

    const BOTH: [Promise; 2] = [Promise::Ordered, Promise::Letter];

    #[test]
    fn what_was_synced_stays_and_the_rest_may_go() {
        for promise in BOTH {
            let d = disk(
                promise,
                &[
                    create(ROOT, "a", 2, false),
                    write(2, 0, b"one"),
                    Op::Sync { ino: 2 },
                    Op::Sync { ino: ROOT },
                    write(2, 0, b"two!"),
                    create(ROOT, "b", 3, false),
                ],
            );
            assert_eq!(paths(&d.cut(Cut::Nothing)), ["a"]);
            assert_eq!(content(&d.cut(Cut::Nothing), "a"), b"one");
            assert_eq!(paths(&d.cut(Cut::Everything)), ["a", "b"]);
            assert_eq!(content(&d.cut(Cut::Everything), "a"), b"two!");
        }
    }

    #[test]
    fn by_the_letter_a_synced_file_may_have_no_name() {
        let ops = [create(ROOT, "a", 2, false), Op::Sync { ino: 2 }];
        assert!(paths(&disk(Promise::Letter, &ops).cut(Cut::Nothing)).is_empty());
        assert_eq!(
            paths(&disk(Promise::Ordered, &ops).cut(Cut::Nothing)),
            ["a"]
        );
    }

    #[test]
    fn a_rename_is_whole_or_not_at_all() {
        for promise in BOTH {
            let d = disk(
                promise,
                &[
                    create(ROOT, "from", 2, true),
                    create(ROOT, "to", 3, true),
                    create(2, "x", 4, false),
                    Op::Sync { ino: 2 },
                    Op::Sync { ino: ROOT },
                    Op::Rename {
                        from: 2,
                        name: "x".into(),
                        to: 3,
                        new_name: "y".into(),
                    },
                ],
            );
            for seed in 0..50 {
                let held = paths(&d.cut(Cut::Some(seed)));
                let there = |path: &str| held.iter().any(|held| held == path);
                assert!(there("from/x") != there("to/y"), "{held:?}");
            }
            let mut synced = d.clone();
            synced.apply(&Op::Sync { ino: 3 });
            assert_eq!(paths(&synced.cut(Cut::Nothing)), ["from", "to", "to/y"]);
        }
    }

    #[test]
    fn a_name_made_durable_takes_its_earlier_changes_along() {
        // Made and moved away: the sync of the new folder settles both, and the old name never comes back.
        let mut d = disk(
            Promise::Letter,
            &[
                create(ROOT, "to", 2, true),
                Op::Sync { ino: ROOT },
                create(ROOT, "x", 3, false),
                Op::Rename {
                    from: ROOT,
                    name: "x".into(),
                    to: 2,
                    new_name: "x".into(),
                },
                Op::Sync { ino: 2 },
            ],
        );
        assert_eq!(paths(&d.cut(Cut::Nothing)), ["to", "to/x"]);
        d.apply(&Op::Sync { ino: ROOT });
        assert_eq!(paths(&d.cut(Cut::Nothing)), ["to", "to/x"]);
    }

    #[test]
    fn bytes_are_torn_but_never_invented() {
        let d = disk(
            Promise::Ordered,
            &[
                create(ROOT, "a", 2, false),
                write(2, 0, &[1; 10_000]),
                Op::Sync { ino: 2 },
                write(2, 0, &[2; 12_000]),
                write(2, 512, &[3; 512]),
            ],
        );
        let mut seen = BTreeSet::new();
        for seed in 0..300 {
            let held = content(&d.cut(Cut::Some(seed)), "a");
            assert!(
                held.len() == 10_000 || held.len() == 12_000,
                "{}",
                held.len()
            );
            for (at, byte) in held.iter().enumerate() {
                let legal: &[u8] = match at {
                    512..1_024 => &[1, 2, 3],
                    0..10_000 => &[1, 2],
                    _ => &[0, 2],
                };
                assert!(legal.contains(byte), "{byte} at {at}");
            }
            seen.insert(held);
        }
        assert!(seen.len() > 50, "only {} ways", seen.len());
    }
}
