//! The session with the broker: presence, state, figures and the outbox out; acknowledgements and pokes in.
//!
//! Design constraints:
//! - Birth, last will and clean stop are one retained topic, told apart by the boot id; the birth is the first thing
//!   said in a session.
//! - Nothing is kept from one session to the next but where the outbox stands: the broker keeps no session for us.
//! - State is told when it differs (looked at every [`CHANGES_EVERY`]), all of it every [`ALL_EVERY`]; figures every
//!   [`FIGURES_EVERY`], with an expiry of a minute.
//! - Connecting again waits with full jitter between 1 s and 60 s.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::backoff::Backoff;
use base::mqtt::{Broker, ConnectError, Ended, Message, Options, Qos, Session};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wire::ids::{ApplianceId, BootId};
use wire::poke::{Ack, Poke};
use wire::telemetry::{Online, PAYLOAD_BYTES_MAX};
use wire::time::UtcTime;
use wire::topics::{DeviceTopic, Leaf};

use super::outbox::Drain;
use super::poke::{self, Said};
use crate::catalog::outbox::Backfill;
use crate::catalog::{Catalog, CatalogError};
use crate::report::Told;
use crate::report::figures::Gauges;
use crate::report::state::States;

/// How often changed state is looked for, while anything changes.
const CHANGES_EVERY: Duration = Duration::from_secs(2);

/// How often figures are told.
const FIGURES_EVERY: Duration = Duration::from_secs(15);

/// How long figures are worth delivering.
const FIGURES_EXPIRY_S: u32 = 60;

/// How often everything is told again.
const ALL_EVERY: Duration = Duration::from_secs(300);

/// Shortest pause between two new logs: a relay that asks for what is gone gets one resync, not one per question.
const NEW_LOG_EVERY: Duration = Duration::from_secs(60);

/// How long the last words may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Deliveries that we have not acknowledged, at most.
const RECEIVE_MAX: u16 = 32;

/// What the session tells, and from what.
pub struct Speaker {
    /// Who.
    pub appliance: ApplianceId,
    /// Which start of the agent.
    pub boot: BootId,
    /// The outbox, and everything else.
    pub catalog: Catalog,
    /// Retained state.
    pub states: States,
    /// Figures.
    pub gauges: Gauges,
    /// Ends the tunnel's back-off.
    pub reconnect: Arc<Notify>,
    /// Private folder for the client's socket.
    pub socket_folder: PathBuf,
}

/// How the session stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// In a session.
    pub connected: bool,
    /// Why the last attempt failed; none since one succeeded.
    pub failure: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error("the catalog: {0}")]
    Catalog(#[from] CatalogError),
}

/// Where the outbox stands, over all sessions.
struct Progress {
    drain: Drain,
    new_log: Option<Instant>,
}

impl Speaker {
    /// Tells and listens until stopped, connecting again and again.
    pub async fn run(
        mut self,
        broker: Broker,
        status: watch::Sender<Status>,
        stop: CancellationToken,
    ) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut progress = Progress {
            drain: Drain::new(Instant::now()),
            new_log: None,
        };
        while !stop.is_cancelled() {
            let ended = self
                .session(&broker, &mut progress, &mut backoff, &status, &stop)
                .await;
            let Err(error) = ended else { break };
            let why = error.to_string();
            let delay = backoff.next_delay();
            let news = status.borrow().failure.as_ref() != Some(&why);
            if news {
                tracing::warn!(broker.address = %broker.address, reason = why, retry_ms = delay.as_millis() as u64, "Nothing can be reported");
            }
            status.send_replace(Status {
                connected: false,
                failure: Some(why),
            });
            stop.run_until_cancelled(tokio::time::sleep(delay)).await;
        }
        status.send_replace(Status::default());
    }

    async fn session(
        &mut self,
        broker: &Broker,
        progress: &mut Progress,
        backoff: &mut Backoff,
        status: &watch::Sender<Status>,
        stop: &CancellationToken,
    ) -> Result<(), SessionError> {
        let since = self.catalog.now();
        let options = Options {
            client_id: self.appliance.to_string(),
            will: Some(self.presence(false, since, None)),
            session_s: None,
            receive_max: RECEIVE_MAX,
            keep_alive: Duration::from_secs(30),
        };
        let connecting = base::mqtt::connect(broker, options, &self.socket_folder);
        let Some(session) = stop.run_until_cancelled(connecting).await else {
            return Ok(());
        };
        let mut session = session?;
        let filters = [Leaf::Ack, Leaf::Poke].map(|leaf| self.topic(leaf));
        session.client.subscribe(&filters).await?;
        self.greet(&session, since).await?;
        progress.drain.begin_session(Instant::now());
        backoff.reset();
        status.send_replace(Status {
            connected: true,
            failure: None,
        });
        tracing::info!(broker.address = %broker.address, "Reports go to the relay");

        let (mut changes, mut waiting) = (self.catalog.changes(), self.catalog.waiting());
        let mut updates = self.states.updates();
        let mut changed = false;
        let mut look = tokio::time::interval(CHANGES_EVERY);
        let mut figures = tokio::time::interval(FIGURES_EVERY);
        let mut all = tokio::time::interval(ALL_EVERY);
        all.reset();
        waiting.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.say_goodbye(session, since, progress).await,
                received = session.inbox.receive() => {
                    let received = received?;
                    let said = poke::read(&received.topic, &received.payload, &self.appliance);
                    session.client.ack(&received).await?;
                    match said {
                        Some(Said::Ack(ack)) => self.acked(progress, ack).await?,
                        Some(Said::Poke(poke)) => self.poked(&session, progress, poke, since).await?,
                        None => tracing::debug!(mqtt.topic = received.topic, "Something was said that is not understood"),
                    }
                    self.drain(&session, progress).await?;
                }
                Ok(()) = waiting.changed() => self.drain(&session, progress).await?,
                // Lagging means that much has changed, which is all that counts here.
                change = changes.recv() => changed |= !matches!(change, Err(tokio::sync::broadcast::error::RecvError::Closed)),
                Ok(()) = updates.changed() => changed = true,
                _ = look.tick() => {
                    if std::mem::take(&mut changed) {
                        let told = self.states.changed().await?;
                        self.tell(&session, told).await?;
                    }
                    if progress.drain.overdue(Instant::now()) {
                        tracing::info!("Reports are not acknowledged; they are told again");
                        self.drain(&session, progress).await?;
                    }
                }
                _ = figures.tick() => {
                    let told = self.gauges.measure().await?;
                    self.tell(&session, told).await?;
                }
                _ = all.tick() => self.greet(&session, since).await?,
            }
        }
    }

    /// Birth, then everything.
    async fn greet(&mut self, session: &Session, since: UtcTime) -> Result<(), SessionError> {
        let birth = self.presence(true, since, None);
        session.client.publish(birth).await?;
        let told = self.states.all().await?;
        self.tell(session, told).await
    }

    /// What waits in the outbox, as far as the window allows.
    async fn drain(
        &mut self,
        session: &Session,
        progress: &mut Progress,
    ) -> Result<(), SessionError> {
        while let Some(outbox) = self.catalog.outbox().await? {
            progress.drain.of_log(outbox.log, Instant::now());
            let Some((after, limit)) = progress.drain.wanted() else {
                break;
            };
            let rows = self.catalog.batch(after, limit).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                if row.log != outbox.log {
                    // A new log has begun in between: look again.
                    break;
                }
                let leaf = Leaf::Event(row.event.kind());
                let report = row.into_report(self.appliance.clone());
                let payload = serde_json::to_vec(&report).expect("a report is plain data");
                if payload.len() > PAYLOAD_BYTES_MAX {
                    // The relay will miss it, and fetch it over the tunnel, where nothing is too long.
                    tracing::warn!(
                        report.seq = report.seq,
                        report.bytes = payload.len(),
                        "A report is too long for MQTT"
                    );
                } else {
                    let message = Message {
                        topic: self.topic(leaf),
                        payload,
                        qos: Qos::AtLeastOnce,
                        retain: false,
                        expiry_s: None,
                    };
                    session.client.publish(message).await?;
                }
                progress.drain.published(report.seq, Instant::now());
            }
        }
        Ok(())
    }

    async fn acked(&mut self, progress: &mut Progress, ack: Ack) -> Result<(), SessionError> {
        let Some(outbox) = self.catalog.outbox().await? else {
            return Ok(());
        };
        progress.drain.of_log(outbox.log, Instant::now());
        if ack.log == outbox.log && ack.seq > outbox.last_seq {
            // The relay knows more of this log than we do: the catalog is an older copy of itself. What follows would
            // be taken for repetitions, so a new log begins.
            return self.new_log(progress).await;
        }
        if progress.drain.acked(ack, Instant::now()) {
            self.catalog.ack(ack.log, ack.seq).await?;
        }
        Ok(())
    }

    async fn poked(
        &mut self,
        session: &Session,
        progress: &mut Progress,
        poke: Poke,
        since: UtcTime,
    ) -> Result<(), SessionError> {
        tracing::debug!(?poke, "The relay pokes");
        match poke {
            Poke::Reconnect => self.reconnect.notify_one(),
            Poke::Refresh => self.greet(session, since).await?,
            Poke::Resync { log, from } => {
                let Some(outbox) = self.catalog.outbox().await? else {
                    return Ok(());
                };
                progress.drain.of_log(outbox.log, Instant::now());
                match self.catalog.reports_from(log, from, 1).await? {
                    Backfill::Reports(_) => {
                        progress.drain.resync(log, from, Instant::now());
                    }
                    Backfill::Gone => self.new_log(progress).await?,
                    // It will hear of the log that is told by its first report.
                    Backfill::OtherLog => {}
                }
            }
        }
        Ok(())
    }

    async fn new_log(&mut self, progress: &mut Progress) -> Result<(), SessionError> {
        let lately = |at: Instant| at.elapsed() < NEW_LOG_EVERY;
        if !progress.new_log.is_some_and(lately) {
            progress.new_log = Some(Instant::now());
            let log = self.catalog.start_log().await?;
            tracing::info!(outbox.log = %log, "The relay has lost track of the reports; everything is told anew");
        }
        Ok(())
    }

    async fn tell(&self, session: &Session, told: Vec<Told>) -> Result<(), SessionError> {
        for told in told {
            let fleeting = matches!(told.leaf, Leaf::Telemetry(_));
            let message = Message {
                topic: told.topic(&self.appliance),
                payload: told.payload,
                qos: if fleeting {
                    Qos::AtMostOnce
                } else {
                    Qos::AtLeastOnce
                },
                retain: !fleeting,
                expiry_s: fleeting.then_some(FIGURES_EXPIRY_S),
            };
            session.client.publish(message).await?;
        }
        Ok(())
    }

    /// What waits, then that we stop. All of it within [`GOODBYE`].
    async fn say_goodbye(
        &mut self,
        mut session: Session,
        since: UtcTime,
        progress: &mut Progress,
    ) -> Result<(), SessionError> {
        let last_words = async {
            self.drain(&session, progress).await?;
            let stopped = self.presence(false, since, Some("stopped"));
            session.client.publish(stopped).await?;
            session.client.disconnect().await?;
            while session.inbox.receive().await.is_ok() {}
            Ok(())
        };
        tokio::time::timeout(GOODBYE, last_words)
            .await
            .unwrap_or(Ok(()))
    }

    fn presence(&self, online: bool, since: UtcTime, reason: Option<&str>) -> Message {
        let it = Online {
            v: wire::version::TELEMETRY,
            appliance: self.appliance.clone(),
            online,
            boot_id: self.boot,
            since,
            version: online.then(|| env!("CARGO_PKG_VERSION").into()),
            reason: reason.map(Into::into),
        };
        Message {
            topic: self.topic(Leaf::Online),
            payload: serde_json::to_vec(&it).expect("plain data"),
            qos: Qos::AtLeastOnce,
            retain: true,
            expiry_s: None,
        }
    }

    fn topic(&self, leaf: Leaf) -> String {
        DeviceTopic {
            appliance: self.appliance.clone(),
            leaf,
        }
        .to_string()
    }
}
