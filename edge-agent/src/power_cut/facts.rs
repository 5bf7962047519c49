//! What somebody was told by the catalog, and may rely on from then on.

use std::collections::{BTreeMap, BTreeSet};

use wire::ids::RecordingId;
use wire::resource::{Recording, RecordingStatus};

/// One thing that was told. What is about to be asked for is a fact too: from then on either answer is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    /// A recorder listed it, and it was stored.
    Listed(RecordingId),
    /// It is held, with this digest.
    Held(RecordingId, String),
    /// It is asked to leave, by a person or by eviction.
    Leaving(RecordingId),
    /// It has left.
    Left(RecordingId),
    /// It is asked to be locked or unlocked.
    Turning(RecordingId),
    /// It is locked, or not.
    Locked(RecordingId, bool),
}

/// All that was told until a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    listed: BTreeSet<RecordingId>,
    held: BTreeMap<RecordingId, String>,
    leaving: BTreeSet<RecordingId>,
    left: BTreeSet<RecordingId>,
    locked: BTreeMap<RecordingId, bool>,
}

impl Known {
    pub(super) fn learn(&mut self, fact: &Fact) {
        match fact {
            Fact::Listed(id) => {
                self.listed.insert(*id);
            }
            Fact::Held(id, digest) => {
                self.leaving.remove(id);
                self.held.insert(*id, digest.clone());
            }
            Fact::Leaving(id) => {
                self.leaving.insert(*id);
            }
            Fact::Left(id) => {
                self.held.remove(id);
                self.left.insert(*id);
            }
            Fact::Turning(id) => {
                self.locked.remove(id);
            }
            Fact::Locked(id, locked) => {
                self.locked.insert(*id, *locked);
            }
        }
    }

    /// Recordings that must be held.
    pub(super) fn held(&self) -> impl Iterator<Item = (&RecordingId, &String)> {
        self.held
            .iter()
            .filter(|(id, _)| !self.leaving.contains(id))
    }

    /// Every recording that was told of.
    pub(super) fn listed(&self) -> &BTreeSet<RecordingId> {
        &self.listed
    }

    /// What is wrong with a recording as the catalog shows it now.
    pub(super) fn wrong_with(&self, now: &Recording) -> Option<String> {
        let id = now.id;
        let wrong = |what: &str| Some(format!("recording {id} {what}: it is {:?} now", now.status));
        if let Some(digest) = self.held.get(&id) {
            let held = now.status == RecordingStatus::Completed;
            let may_be_gone = self.leaving.contains(&id) && now.status == RecordingStatus::Evicted;
            if !held && !may_be_gone {
                return wrong("was held and is lost");
            }
            if held && now.digest.as_ref() != Some(digest) {
                return wrong("was held with another digest");
            }
        }
        if self.left.contains(&id) && now.status != RecordingStatus::Evicted {
            return wrong("had left and is back");
        }
        match self.locked.get(&id) {
            Some(locked) if *locked != now.locked => wrong(match locked {
                true => "was locked and no longer is",
                false => "was unlocked and is locked again",
            }),
            _ => None,
        }
    }
}
