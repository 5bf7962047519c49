//! Reports in: from the broker into the store, acknowledged, passed on to consumers and watchers.
//!
//! Design constraints (docs/design/decisions.md §5):
//! - What was received is acknowledged to the broker after it was stored; the broker keeps our session for
//!   [`SESSION_S`], so a restarted relay goes on where it was.
//! - What was stored is acknowledged to the appliance (`ack {log, seq}`, retained): only then may it forget.
//! - A hole is poked for at once (`resync`), and filled over the tunnel when that has not helped for
//!   [`gaps::Patience`]; what the appliance no longer keeps it tells anew. Neither is a promise to anybody: reports stay with the appliance until they are acknowledged.
//! - Who an appliance is follows from its topic (which the broker's rules tie to its certificate), must be repeated in
//!   the envelope, and must be claimed; whose it is follows from its row.
//! - One ingest per store: the relay's name is its session at the broker.

mod fill;
pub mod gaps;
pub mod read;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::backoff::Backoff;
use base::clock::Clock;
use base::mqtt::{ConnectError, Ended, Message, Options, Received, Session};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wire::ids::ApplianceId;
use wire::poke::{Ack, Poke};
use wire::telemetry::Online;
use wire::time::UtcTime;
use wire::topics::{INGEST_FILTERS, Leaf};

use crate::broker::{BrokerError, Link};
use crate::changes::{Change, Changes, Presence, What};
use crate::mqtt;
use crate::pki::{Pki, RELAY_CN};
use crate::store::reports::{Outcome, Tenant, Told};
use crate::store::{DbError, Store};
use crate::tunnel::hub::Hub;
use fill::{Fill, Filled};
use gaps::{Gaps, Patience};

/// Seconds that the broker keeps what is meant for us while we are away.
const SESSION_S: u32 = 24 * 3600;

/// Deliveries that we have not acknowledged, at most.
const RECEIVE_MAX: u16 = 128;

/// Messages stored in one transaction, at most.
const BATCH_MAX: usize = 256;

/// An appliance that says nothing for this long is offline: it tells figures every half minute.
const SILENCE: Duration = Duration::from_secs(180);

/// A broker may take this long to start before anybody is told.
const BROKER_STARTS: Duration = Duration::from_secs(10);

/// How often gaps and silent appliances are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Pages waiting to be stored.
const FILLED_MAX: usize = 2;

/// What ingest works with.
pub struct Parts {
    /// Where reports go.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Who watches.
    pub changes: Changes,
    /// The way to appliances, for what is missing.
    pub hub: Hub,
    /// Signs for the relay itself.
    pub pki: Arc<Pki>,
    /// The broker.
    pub link: Link,
    /// Private folder for the MQTT client's socket (`<state>/run/mqtt`).
    pub socket_folder: PathBuf,
    /// Hints from elsewhere in the relay.
    pub pokes: mpsc::Receiver<(ApplianceId, Poke)>,
    /// Times.
    pub patience: Patience,
}

/// Takes reports in.
pub struct Ingest {
    parts: Parts,
    connected: watch::Sender<bool>,
    gaps: Gaps,
    filled: (mpsc::Sender<Filled>, mpsc::Receiver<Filled>),
    complained: HashMap<&'static str, Instant>,
    /// What was stored and has not been passed on yet; outlives a session.
    unsent: VecDeque<Message>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Link(#[from] BrokerError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error(transparent)]
    Store(#[from] DbError),
}

/// A message with what is needed to pass it on.
struct Heard {
    appliance: ApplianceId,
    leaf: Leaf,
    payload: Vec<u8>,
}

impl Ingest {
    /// Not connected yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            connected: watch::Sender::new(false),
            gaps: Gaps::default(),
            filled: mpsc::channel(FILLED_MAX),
            complained: HashMap::new(),
            unsent: VecDeque::new(),
        }
    }

    /// Whether the broker is reached now.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Takes reports in until stopped, connecting again and again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(15));
        let mut said = String::new();
        let mut failing_since = Instant::now();
        while !stop.is_cancelled() {
            let ended = self.session(&stop, &mut backoff).await;
            self.connected.send_replace(false);
            let Err(error) = ended else { break };
            let why = error.to_string();
            if backoff.failures() == 0 {
                failing_since = Instant::now();
                said.clear();
            }
            let delay = backoff.next_delay();
            // Failures are usual while a broker starts. The same one again is one line.
            if failing_since.elapsed() > BROKER_STARTS && said != why {
                tracing::warn!(
                    reason = why,
                    retry_ms = delay.as_millis() as u64,
                    "Reports cannot be taken in"
                );
                said = why;
            } else {
                tracing::debug!(reason = why, "The session with the broker ended");
            }
            stop.run_until_cancelled(tokio::time::sleep(delay)).await;
        }
    }

    async fn session(
        &mut self,
        stop: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), SessionError> {
        let broker = self.parts.link.broker()?;
        let options = Options {
            client_id: RELAY_CN.into(),
            will: None,
            session_s: Some(SESSION_S),
            receive_max: RECEIVE_MAX,
            keep_alive: Duration::from_secs(30),
        };
        let connecting = base::mqtt::connect(&broker, options, &self.parts.socket_folder);
        let Some(session) = stop.run_until_cancelled(connecting).await else {
            return Ok(());
        };
        let mut session = session?;
        session
            .client
            .subscribe(&INGEST_FILTERS.map(String::from))
            .await?;
        backoff.reset();
        tracing::info!(broker.address = %broker.address, mqtt.resumed = session.resumed, "Reports are taken in");
        self.pass_on(&session).await?;
        if !session.resumed {
            self.ask_for_what_was_lost(&session).await?;
        }
        self.connected.send_replace(true);
        let begun = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    session.client.disconnect().await?;
                    return Ok(());
                }
                first = session.inbox.receive() => {
                    let mut batch = vec![first?];
                    while batch.len() < BATCH_MAX {
                        match session.inbox.receive_waiting() {
                            Some(next) => batch.push(next),
                            None => break,
                        }
                    }
                    self.take(&session, batch).await?;
                }
                Some((appliance, poke)) = self.parts.pokes.recv() => {
                    session.client.publish(mqtt::poke(&appliance, &poke)).await?;
                }
                Some(filled) = self.filled.1.recv() => self.take_filled(&session, filled).await?,
                _ = look.tick() => {
                    self.fill();
                    if begun.elapsed() > SILENCE {
                        self.notice_silence(&session).await?;
                    }
                }
            }
        }
    }

    /// The broker kept nothing for us (it is new, or died): whatever it took from appliances while we were away is
    /// gone, and they are waiting for an acknowledgement that will not come.
    async fn ask_for_what_was_lost(&self, session: &Session) -> Result<(), SessionError> {
        for (appliance, stored) in self.parts.store.acknowledged_online().await? {
            session
                .client
                .publish(mqtt::ack(&appliance, stored))
                .await?;
            let resync = Poke::Resync {
                log: stored.log,
                from: stored.seq + 1,
            };
            session
                .client
                .publish(mqtt::poke(&appliance, &resync))
                .await?;
        }
        Ok(())
    }

    /// What the broker delivered.
    async fn take(&mut self, session: &Session, batch: Vec<Received>) -> Result<(), SessionError> {
        let (mut heard, mut told) = (Vec::new(), Vec::new());
        for received in &batch {
            match read::read(&received.topic, &received.payload) {
                Ok((topic, what)) => {
                    told.push((topic.appliance.clone(), what));
                    heard.push(Heard {
                        appliance: topic.appliance,
                        leaf: topic.leaf,
                        payload: received.payload.to_vec(),
                    });
                }
                Err(refused) => self.complain("refused", &received.topic, &refused.to_string()),
            }
        }
        self.store(session, heard, told).await?;
        for received in &batch {
            session.client.ack(received).await?;
        }
        Ok(())
    }

    /// What the tunnel brought.
    async fn take_filled(&mut self, session: &Session, filled: Filled) -> Result<(), SessionError> {
        let (appliance, reports) = match filled {
            Filled::Page(appliance, reports) => (appliance, reports),
            Filled::Done(appliance) => {
                self.gaps.filled(&appliance);
                return Ok(());
            }
        };
        let (mut heard, mut told) = (Vec::new(), Vec::new());
        for report in reports {
            let leaf = Leaf::Event(report.event.kind());
            let payload = serde_json::to_vec(&report).expect("a report is plain data");
            match read::told_again(report, &appliance) {
                Ok(what) => {
                    told.push((appliance.clone(), what));
                    heard.push(Heard {
                        appliance: appliance.clone(),
                        leaf,
                        payload,
                    });
                }
                Err(refused) => self.complain("refused", appliance.as_str(), &refused.to_string()),
            }
        }
        self.store(session, heard, told).await
    }

    /// Stores in one transaction, then acknowledges, passes on, and notices holes.
    async fn store(
        &mut self,
        session: &Session,
        heard: Vec<Heard>,
        told: Vec<(ApplianceId, Told)>,
    ) -> Result<(), SessionError> {
        if told.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let told = Arc::new(told);
        let outcomes = self.parts.store.apply(told.clone(), now).await?;
        let mut acks: BTreeMap<ApplianceId, Ack> = BTreeMap::new();
        let mut pokes: BTreeMap<ApplianceId, Poke> = BTreeMap::new();
        let told = Arc::try_unwrap(told).unwrap_or_else(|shared| (*shared).clone());
        for ((heard, (_, told)), outcome) in heard.into_iter().zip(told).zip(outcomes) {
            let appliance = heard.appliance;
            match outcome {
                Outcome::Stored(tenant, ack) => {
                    if let Some(ack) = ack {
                        self.gaps.stored(&appliance, ack);
                        acks.insert(appliance.clone(), ack);
                    }
                    self.unsent.push_back(mqtt::site(
                        &appliance,
                        heard.leaf,
                        tenant,
                        heard.payload,
                    ));
                    if let Some(what) = what(told) {
                        self.tell(appliance, tenant, what);
                    }
                }
                Outcome::Repeated(_, ack) => {
                    if let Some(ack) = ack {
                        acks.insert(appliance, ack);
                    }
                }
                Outcome::Gap(stored) => {
                    if self.gaps.found(&appliance, stored, Instant::now()) {
                        let resync = Poke::Resync {
                            log: stored.log,
                            from: stored.seq + 1,
                        };
                        tracing::info!(appliance.id = %appliance, report.log = %stored.log, report.from = stored.seq + 1, "Reports are missing and asked for again");
                        pokes.insert(appliance, resync);
                    }
                }
                Outcome::Refused(ack, why) => {
                    if let Some(ack) = ack {
                        acks.insert(appliance.clone(), ack);
                    }
                    self.complain("not stored", appliance.as_str(), &why);
                }
                Outcome::Stranger => {
                    self.complain(
                        "unknown appliance",
                        appliance.as_str(),
                        "not claimed, or revoked",
                    );
                }
            }
        }
        for (appliance, ack) in acks {
            self.unsent.push_back(mqtt::ack(&appliance, ack));
        }
        for (appliance, poke) in pokes {
            self.unsent.push_back(mqtt::poke(&appliance, &poke));
        }
        self.pass_on(session).await
    }

    /// Hands over what is to be said. A session that ends in between leaves the rest to the next one: consumers are
    /// told at least what is not already in the client's hands.
    async fn pass_on(&mut self, session: &Session) -> Result<(), SessionError> {
        while let Some(message) = self.unsent.front() {
            session.client.publish(message.clone()).await?;
            self.unsent.pop_front();
        }
        Ok(())
    }

    /// Whoever should have been heard and was not is offline, whatever the broker remembers.
    async fn notice_silence(&mut self, session: &Session) -> Result<(), SessionError> {
        let now = self.now();
        let since = now.plus_ms(-(SILENCE.as_millis() as i64));
        for (appliance, tenant) in self.parts.store.take_offline(since).await? {
            tracing::info!(appliance.id = %appliance, "An appliance has gone silent");
            let gone = Online {
                v: wire::version::TELEMETRY,
                appliance: appliance.clone(),
                online: false,
                // Nobody's start: the appliance has not said anything.
                boot_id: wire::ids::BootId(uuid::Uuid::nil()),
                since: now,
                version: None,
                reason: Some("silent".into()),
            };
            let payload = serde_json::to_vec(&gone).expect("plain data");
            self.unsent
                .push_back(mqtt::site(&appliance, Leaf::Online, tenant, payload));
            self.tell(
                appliance,
                tenant,
                What::Presence(Presence::Online { online: false }),
            );
        }
        self.pass_on(session).await
    }

    fn tell(&self, appliance: ApplianceId, tenant: Tenant, what: What) {
        self.parts.changes.tell(Change {
            organisation: tenant.organisation,
            site: tenant.site,
            appliance,
            what,
        });
    }

    /// One line per kind of complaint and minute: what appliances send is not ours to bound.
    fn complain(&mut self, what: &'static str, whose: &str, why: &str) {
        let now = Instant::now();
        let last = self.complained.get(what);
        if last.is_none_or(|last| now.duration_since(*last) >= Duration::from_secs(60)) {
            self.complained.insert(what, now);
            tracing::warn!(message.of = whose, reason = why, "A message was {what}");
        } else {
            tracing::debug!(message.of = whose, reason = why, "A message was {what}");
        }
    }

    /// Begins to fill what pokes have not mended.
    fn fill(&mut self) {
        let patience = self.parts.patience;
        for (appliance, stored) in self.gaps.take_lasting(Instant::now(), patience) {
            tracing::info!(appliance.id = %appliance, report.log = %stored.log, report.from = stored.seq + 1, "Missing reports are fetched over the tunnel");
            let fill = Fill {
                hub: self.parts.hub.clone(),
                pki: self.parts.pki.clone(),
                store: self.parts.store.clone(),
                clock: self.parts.clock.clone(),
                out: self.filled.0.clone(),
            };
            tokio::spawn(async move {
                if let Err(error) = fill.run(&appliance, stored).await {
                    tracing::debug!(appliance.id = %appliance, %error, "Missing reports could not be fetched");
                }
                // The receiver lives as long as ingest; with it gone there is nothing left to do.
                let _ = fill.out.send(Filled::Done(appliance)).await;
            });
        }
    }

    fn now(&self) -> UtcTime {
        self.parts.clock.now().into()
    }
}

/// What watchers are told of a message.
fn what(told: Told) -> Option<What> {
    match told {
        Told::Report { event, .. } => event.map(What::Event),
        Told::Online(online) => Some(What::Presence(Presence::Online {
            online: online.online,
        })),
        Told::State(_, state) => Some(What::State(state)),
        Told::Figures(figures) => Some(What::Figures(figures)),
        Told::Cleared(_) => None,
    }
}

#[cfg(test)]
mod tests;
