//! Who saw what, who changed what (Q6).
//!
//! A change is one entry, written when it was answered. An access to footage is one entry for a person, an action and a
//! recording or camera, however many requests a player needs for it: it is written when the first answer is known and
//! before its first byte is passed on, and its bytes are those really sent, added every few seconds and at the end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::clock::Clock;
use tokio_util::sync::CancellationToken;
use wire::ids::{OrganisationId, SiteId, UserId};
use wire::time::UtcTime;

use crate::store::audit::NewEntry;
use crate::store::{DbError, Store};

/// Requests for the same thing within this time of the last one belong to one access.
const ACCESS_PAUSE_MS: i64 = 10 * 60 * 1000;

/// Most accesses kept open at once; beyond, new ones are written with every request.
const OPEN_MAX: usize = 10_000;

/// How often bytes are written.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// What kind of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// A file.
    Download,
    /// Played.
    Playback,
    /// Watched live.
    Live,
    /// A still picture.
    Snapshot,
}

impl Access {
    fn action(self) -> &'static str {
        match self {
            Self::Download => "footage.download",
            Self::Playback => "footage.playback",
            Self::Live => "footage.live",
            Self::Snapshot => "footage.snapshot",
        }
    }
}

/// Who does it, from where, in which request.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Who; none while nobody is logged in.
    pub person: Option<UserId>,
    /// Login name, as known or as typed.
    pub username: String,
    /// Address.
    pub address: String,
    /// Request.
    pub request_id: String,
}

/// Writes the audit log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    store: Store,
    clock: Clock,
    open: Arc<Mutex<HashMap<Key, Open>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    person: Option<UserId>,
    address: String,
    access: Access,
    subject: String,
    status: u16,
}

#[derive(Debug)]
struct Open {
    entry: i64,
    last: UtcTime,
    unwritten: Arc<AtomicU64>,
}

/// Counts the bytes of one body into its access.
#[derive(Debug, Clone)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// So many more were sent.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Audit {
    /// Into this store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            open: Arc::default(),
        }
    }

    fn now(&self) -> UtcTime {
        UtcTime::from(self.clock.now())
    }

    /// Writes one entry about a change, a login or a refusal.
    pub async fn note(
        &self,
        actor: Actor,
        whose: Option<(OrganisationId, Option<SiteId>)>,
        action: &'static str,
        subject: String,
        status: u16,
    ) -> Result<(), DbError> {
        let entry = NewEntry {
            organisation: whose.map(|(organisation, _)| organisation),
            site: whose.and_then(|(_, site)| site),
            at: self.now(),
            person: actor.person,
            username: actor.username.chars().take(254).collect(),
            address: actor.address,
            action,
            subject,
            status,
            bytes: None,
            request_id: actor.request_id,
        };
        self.store.add_audit(entry).await.map(drop)
    }

    /// Writes (or finds) the entry of an access whose answer is about to be passed on; `status` is 200 for every
    /// success. Without an entry there is no access.
    pub async fn access(
        &self,
        actor: Actor,
        organisation: OrganisationId,
        site: SiteId,
        access: Access,
        subject: String,
        status: u16,
    ) -> Result<Meter, DbError> {
        let key = Key {
            person: actor.person,
            address: actor.address.clone(),
            access,
            subject: subject.clone(),
            status,
        };
        let now = self.now();
        if let Some(meter) = self.known(&key, now) {
            return Ok(meter);
        }
        let entry = self
            .store
            .add_audit(NewEntry {
                organisation: Some(organisation),
                site: Some(site),
                at: now,
                person: actor.person,
                username: actor.username,
                address: actor.address,
                action: access.action(),
                subject,
                status,
                bytes: Some(0),
                request_id: actor.request_id,
            })
            .await?;
        let unwritten = Arc::new(AtomicU64::new(0));
        let meter = Meter(unwritten.clone());
        let open = Open {
            entry,
            last: now,
            unwritten,
        };
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Two requests at once may both have written an entry; both stay open, each under its own number.
        let key = if all.contains_key(&key) || all.len() >= OPEN_MAX {
            Key {
                subject: format!("{}#{entry}", key.subject),
                ..key
            }
        } else {
            key
        };
        all.insert(key, open);
        Ok(meter)
    }

    fn known(&self, key: &Key, now: UtcTime) -> Option<Meter> {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.get_mut(key)?;
        if now.ms_since(open.last) >= ACCESS_PAUSE_MS {
            return None;
        }
        open.last = now;
        Some(Meter(open.unwritten.clone()))
    }

    /// Writes the bytes sent since the last time, and forgets accesses that have ended.
    pub async fn flush(&self) -> Result<(), DbError> {
        let now = self.now();
        let mut sent = Vec::new();
        {
            let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, open| {
                let bytes = open.unwritten.swap(0, Ordering::Relaxed);
                if bytes > 0 {
                    open.last = now;
                    sent.push((open.entry, bytes));
                }
                // A body that still flows holds its meter.
                Arc::strong_count(&open.unwritten) > 1 || now.ms_since(open.last) < ACCESS_PAUSE_MS
            });
        }
        if sent.is_empty() {
            return Ok(());
        }
        self.store.add_audit_bytes(sent).await
    }

    /// Writes bytes every few seconds until told to end, and once more then.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = tokio::time::interval(FLUSH_EVERY);
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            self.flush().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Scope;

    fn actor() -> Actor {
        Actor {
            person: None,
            username: "ann".into(),
            address: "10.0.0.1".into(),
            request_id: "r".into(),
        }
    }

    #[tokio::test]
    async fn one_access_is_one_entry_with_the_bytes_sent() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let clock = Clock::simulated("2026-11-03T14:00:00Z".parse().unwrap());
        let audit = Audit::new(store.clone(), clock.clone());
        let (organisation, site) = (OrganisationId::new(), SiteId::new());
        let open = async |subject: &str| {
            audit
                .access(
                    actor(),
                    organisation,
                    site,
                    Access::Playback,
                    subject.into(),
                    200,
                )
                .await
                .unwrap()
        };
        let entries = async || {
            let entries = store
                .audit(Scope::Organisation(organisation), None, 10)
                .await;
            let bytes: Vec<_> = entries.unwrap().iter().map(|e| e.bytes).collect();
            bytes
        };
        let first = open("camera").await;
        first.add(10);
        open("camera").await.add(5);
        assert_eq!(entries().await, [Some(0)]);
        audit.flush().await.unwrap();
        assert_eq!(entries().await, [Some(15)]);
        open("other").await.add(1);
        audit.flush().await.unwrap();
        assert_eq!(entries().await, [Some(1), Some(15)]);
        // A body that flows for a long time still counts into its entry; a new request begins a new one.
        clock.advance_ms(ACCESS_PAUSE_MS);
        audit.flush().await.unwrap();
        first.add(7);
        open("camera").await.add(2);
        audit.flush().await.unwrap();
        assert_eq!(entries().await, [Some(2), Some(1), Some(22)]);
        drop(first);
        clock.advance_ms(ACCESS_PAUSE_MS);
        audit.flush().await.unwrap();
        assert!(audit.open.lock().unwrap().is_empty());
    }
}
