//! Every word with the relay: claim, MQTT, draining the outbox, pokes, tunnel.
//!
//! One task decides what is to be done: without a relay nothing; with one, ask until claimed; once claimed, keep tunnel
//! and reports going, renew the certificate at two thirds of its life, and notice when the relay no longer knows us.
//! Being claimed outlives the settings: what was agreed on is in the membership.

pub mod claim;
pub mod mqtt;
pub mod outbox;
pub mod poke;
pub mod tunnel;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use base::net::HostPort;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wire::claim::{ClaimCode, Enrolled, Membership};
use wire::ids::BootId;
use wire::resource::{Claim, ClaimState};
use wire::time::UtcTime;
use wire::tunnel::{Hello, Lane};

use crate::catalog::{Catalog, CatalogError};
use crate::footage::volume::Volumes;
use crate::report::figures::{Gauges, Viewers};
use crate::report::state::{Outlooks, States, UpdateStates};
use claim::applicant::Applicant;
use claim::{BadRelay, RelaySettings, Shown, membership};

/// Counts the starts of the tunnel's pool, over all starts of the agent.
const GENERATION: &str = "tunnel.generation";

/// How often a claimed appliance asks whether its membership still holds and its certificate is still young.
const CONFIRM_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Without tunnel for this long it asks at once: it may have been revoked.
const CONFIRM_AFTER_LOSS: Duration = Duration::from_secs(120);

/// And then again, this often.
const CONFIRM_AGAIN: Duration = Duration::from_secs(600);

/// Why the uplink cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// The key is no key.
    #[error("the appliance's key cannot be used: {0}")]
    Key(#[from] rcgen::Error),
    /// A file of ours.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The catalog.
    #[error("the catalog: {0}")]
    Catalog(#[from] CatalogError),
    /// The membership cannot be used after all.
    #[error("the membership cannot be used: {0}")]
    Membership(String),
    /// A part of it ended or panicked.
    #[error("a part of the uplink ended: {0}")]
    Part(String),
}

/// Why the relay cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum SetRelayError {
    /// The settings cannot work.
    #[error(transparent)]
    Bad(#[from] BadRelay),
    /// The appliance belongs to an organisation at the present relay.
    #[error("this appliance belongs to an organisation already; let it leave first")]
    Claimed,
    /// They cannot be kept.
    #[error("the settings cannot be kept: {0}")]
    Io(#[from] std::io::Error),
}

/// What the uplink works with.
pub struct Parts {
    /// The appliance's private key (PEM).
    pub key_pem: String,
    /// The state folder: `membership.json`, `relay.json` and `run/mqtt/` in it are ours.
    pub state: PathBuf,
    /// `[relay]` of the configuration; what was set at run time goes before it.
    pub relay: Option<RelaySettings>,
    /// What is to be told.
    pub catalog: Catalog,
    /// Likewise.
    pub volumes: Volumes,
    /// Who watches live.
    pub viewers: Viewers,
    /// How long footage stays, as eviction reckons it.
    pub outlooks: Outlooks,
    /// How far an update of the system is.
    pub updates: UpdateStates,
}

/// The uplink, not running yet.
pub struct Uplink {
    parts: Parts,
    me: Arc<Applicant>,
    boot: BootId,
    started_at: UtcTime,
    shared: Arc<Shared>,
}

/// What others see of the uplink and may ask of it. Cheap to clone.
#[derive(Clone)]
pub struct UplinkHandle(Arc<Shared>);

struct Shared {
    relay: watch::Sender<Option<RelaySettings>>,
    relay_file: PathBuf,
    membership: watch::Sender<Option<Membership>>,
    leave: Notify,
    shown: watch::Sender<Shown>,
    tunnel: watch::Sender<tunnel::Status>,
    mqtt: watch::Sender<mqtt::Status>,
}

impl std::fmt::Debug for UplinkHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UplinkHandle")
    }
}

impl UplinkHandle {
    /// How far the appliance has joined an organisation, as people are shown it. The code is in it: only for whoever
    /// may see it.
    pub fn claim(&self) -> Claim {
        let (relay, membership) = (self.0.relay.borrow(), self.0.membership.borrow());
        let (shown, tunnel, mqtt) = (
            self.0.shown.borrow(),
            self.0.tunnel.borrow(),
            self.0.mqtt.borrow(),
        );
        let state = match (&*membership, &*relay) {
            (Some(_), _) => ClaimState::Claimed,
            (None, Some(_)) => ClaimState::Waiting,
            (None, None) => ClaimState::NoRelay,
        };
        let failures = [&shown.failure, &tunnel.failure, &mqtt.failure];
        Claim {
            state,
            code: shown.code.as_ref().map(|(code, _)| code.display()),
            code_expires_at: shown.code.as_ref().map(|(_, until)| *until),
            relay_url: relay.as_ref().map(|r| r.url.clone()),
            connected: tunnel.attached > 0,
            site_name: membership.as_ref().map(|m| m.site_name.clone()),
            failure: failures.into_iter().flatten().next().cloned(),
        }
    }

    /// Whether reports reach the relay, and its requests reach the appliance.
    pub fn is_heard(&self) -> bool {
        self.0.tunnel.borrow().attached > 0 && self.0.mqtt.borrow().connected
    }

    /// The organisation that the appliance belongs to.
    pub fn membership(&self) -> watch::Receiver<Option<Membership>> {
        self.0.membership.subscribe()
    }

    /// What a person is shown while the appliance waits.
    pub fn shown(&self) -> watch::Receiver<Shown> {
        self.0.shown.subscribe()
    }

    /// Shows a code, as if a relay had been found.
    #[cfg(test)]
    pub fn show_code(&self, code: ClaimCode, until: UtcTime) {
        self.0
            .shown
            .send_modify(|shown| shown.code = Some((code, until)));
    }

    /// How the session with the broker stands.
    #[cfg(test)]
    pub fn mqtt(&self) -> watch::Receiver<mqtt::Status> {
        self.0.mqtt.subscribe()
    }

    /// Sets which relay to join, from now on and after a restart. Blocks for a sync of the disk.
    pub fn set_relay(&self, settings: Option<RelaySettings>) -> Result<(), SetRelayError> {
        if self.0.membership.borrow().is_some() {
            return Err(SetRelayError::Claimed);
        }
        if let Some(settings) = &settings {
            settings.relay()?;
        }
        let text = serde_json::to_vec_pretty(&settings).map_err(std::io::Error::other)?;
        base::durable::replace(&self.0.relay_file, &text, 0o600)?;
        self.0.relay.send_if_modified(|known| {
            let news = *known != settings;
            *known = settings;
            news
        });
        Ok(())
    }

    /// Leaves the organisation: the membership is forgotten, nothing is reported any more, and the appliance asks the
    /// relay anew. (The relay is told by nobody; its admin revokes the appliance there.)
    pub fn leave(&self) {
        self.0.leave.notify_one();
    }
}

impl Uplink {
    /// Reads what is kept. Nothing is asked of anybody yet.
    pub fn new(parts: Parts) -> Result<(Self, UplinkHandle), UplinkError> {
        let me = Arc::new(Applicant::new(&parts.key_pem)?);
        let membership_file = parts.state.join("membership.json");
        let relay_file = parts.state.join("relay.json");
        let membership =
            membership::load(&membership_file, &me).map_err(|source| UplinkError::Io {
                path: membership_file,
                source,
            })?;
        let relay = match std::fs::read(&relay_file) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(std::io::Error::other)
                .map_err(|source| UplinkError::Io {
                    path: relay_file.clone(),
                    source,
                })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => parts.relay.clone(),
            Err(source) => {
                return Err(UplinkError::Io {
                    path: relay_file,
                    source,
                });
            }
        };
        let shared = Arc::new(Shared {
            relay: watch::Sender::new(relay),
            relay_file,
            membership: watch::Sender::new(membership),
            leave: Notify::new(),
            shown: watch::Sender::new(Shown::default()),
            tunnel: watch::Sender::new(tunnel::Status::default()),
            mqtt: watch::Sender::new(mqtt::Status::default()),
        });
        let started_at = parts.catalog.now();
        let uplink = Self {
            parts,
            me,
            boot: BootId::new(),
            started_at,
            shared: shared.clone(),
        };
        Ok((uplink, UplinkHandle(shared)))
    }

    /// Who we are.
    #[cfg(test)]
    pub fn appliance(&self) -> &wire::ids::ApplianceId {
        &self.me.appliance
    }

    /// Runs until stopped. `router` is what the tunnel serves: the API's, marked as coming through the tunnel.
    pub async fn run(self, router: Router, stop: CancellationToken) -> Result<(), UplinkError> {
        while !stop.is_cancelled() {
            let membership = self.shared.membership.borrow().clone();
            match membership {
                Some(membership) => self.belong(membership, &router, &stop).await?,
                None => self.apply(&stop).await?,
            }
        }
        Ok(())
    }

    /// Not claimed: ask the relay, if there is one, until it changes or takes us.
    async fn apply(&self, stop: &CancellationToken) -> Result<(), UplinkError> {
        // Only the claimed report: a log left over from an interrupted leaving ends here.
        if self.parts.catalog.outbox().await?.is_some() {
            self.parts.catalog.stop_log().await?;
        }
        let mut settings = self.shared.relay.subscribe();
        let relay = settings
            .borrow_and_update()
            .as_ref()
            .map(RelaySettings::relay);
        let relay = match relay {
            Some(Ok(relay)) => Some(relay),
            Some(Err(error)) => {
                tracing::warn!(%error, "The relay's settings cannot be used");
                self.shared.shown.send_replace(Shown {
                    code: None,
                    failure: Some(error.to_string()),
                });
                None
            }
            None => {
                self.shared.shown.send_replace(Shown::default());
                None
            }
        };
        let joining = async {
            match &relay {
                Some(relay) => {
                    let clock = self.parts.catalog.clock();
                    claim::join(relay, &self.me, clock, &self.shared.shown).await
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            Ok(()) = settings.changed() => Ok(()),
            membership = joining => {
                self.keep(&membership)?;
                self.parts.catalog.start_log().await?;
                tracing::info!(organisation.id = %membership.organisation, site.id = %membership.site, "This appliance was claimed");
                self.shared.membership.send_replace(Some(membership));
                Ok(())
            }
        }
    }

    /// Claimed: tunnel and reports, until stopped, left, released, or with a new certificate.
    async fn belong(
        &self,
        membership: Membership,
        router: &Router,
        stop: &CancellationToken,
    ) -> Result<(), UplinkError> {
        if self.parts.catalog.outbox().await?.is_none() {
            self.parts.catalog.start_log().await?;
        }
        let parts = stop.child_token();
        let reconnect = Arc::new(Notify::new());
        let target = self.target(&membership).await?;
        let mut tunnel = tokio::spawn(tunnel::run(
            target,
            tunnel::Settings::default(),
            router.clone(),
            self.shared.tunnel.clone(),
            reconnect.clone(),
            parts.clone(),
        ));
        let speaker = self.speaker(reconnect);
        let broker = self.broker(&membership)?;
        let mut speaking =
            tokio::spawn(speaker.run(broker, self.shared.mqtt.clone(), parts.clone()));
        let next = tokio::select! {
            // Looked at first: told to stop, the parts may have ended before this looks again.
            biased;
            () = stop.cancelled() => Next::Same,
            () = self.shared.leave.notified() => Next::Leave,
            next = self.confirm(&membership) => next,
            ended = &mut tunnel => return Err(part("tunnel", ended)),
            ended = &mut speaking => return Err(part("mqtt", ended)),
        };
        parts.cancel();
        for (name, ended) in [("tunnel", tunnel.await), ("mqtt", speaking.await)] {
            if let Err(panic) = ended {
                return Err(UplinkError::Part(format!("{name}: {panic}")));
            }
        }
        match next {
            Next::Same => {}
            Next::Renewed(fresh) => {
                self.keep(&fresh)?;
                self.shared.membership.send_replace(Some(*fresh));
            }
            Next::Leave => {
                tracing::info!("This appliance leaves its organisation");
                let file = self.membership_file();
                membership::remove(&file)
                    .map_err(|source| UplinkError::Io { path: file, source })?;
                self.parts.catalog.stop_log().await?;
                self.shared.membership.send_replace(None);
            }
        }
        Ok(())
    }

    /// Asks the relay now and then whether the membership still holds; returns when something is to be done.
    async fn confirm(&self, membership: &Membership) -> Next {
        let mut patience = CONFIRM_AFTER_LOSS;
        loop {
            let due =
                membership::renew_at(membership).is_some_and(|at| at <= self.parts.catalog.now());
            tokio::select! {
                // A certificate that is due is asked for right after a start, and then as often as it takes.
                () = tokio::time::sleep(patience), if due => {}
                () = tokio::time::sleep(CONFIRM_EVERY) => {}
                () = self.lost(patience) => {}
            }
            patience = CONFIRM_AGAIN;
            let settings = self.shared.relay.borrow().clone();
            let relay = match settings.as_ref().map(RelaySettings::relay) {
                Some(Ok(relay)) => relay,
                Some(Err(error)) => {
                    tracing::warn!(%error, "The relay cannot be asked about the membership");
                    continue;
                }
                None => continue,
            };
            // A member's code is of no consequence; nobody is shown it.
            let code = ClaimCode::from_random(base::token::random());
            match claim::enroll(&relay, &self.me, &code).await {
                Ok(Enrolled::Claimed(fresh)) if fresh != *membership => {
                    tracing::info!("The membership was renewed");
                    return Next::Renewed(Box::new(fresh));
                }
                Ok(Enrolled::Claimed(_)) => {}
                Ok(Enrolled::Waiting { .. }) => {
                    tracing::warn!("The relay no longer counts this appliance to an organisation");
                    return Next::Leave;
                }
                Err(error) => tracing::debug!(%error, "The membership could not be confirmed"),
            }
        }
    }

    /// Returns when the tunnel has been gone for `patience` without a break.
    async fn lost(&self, patience: Duration) {
        let mut tunnel = self.shared.tunnel.subscribe();
        loop {
            let back = tunnel.wait_for(|t| t.attached > 0);
            // An error is the end of the sender, which lives in `self`.
            match tokio::time::timeout(patience, back).await {
                Err(_) | Ok(Err(_)) => return,
                Ok(Ok(_)) => {}
            }
            if tunnel.wait_for(|t| t.attached == 0).await.is_err() {
                return;
            }
        }
    }

    async fn target(&self, membership: &Membership) -> Result<tunnel::Target, UplinkError> {
        let catalog = &self.parts.catalog;
        let generation = catalog.setting::<u64>(GENERATION).await?.unwrap_or(0) + 1;
        catalog.set_setting(GENERATION, &generation).await?;
        let mut tls = self.tls(membership)?;
        tls.alpn_protocols = vec![wire::tunnel::ALPN.to_vec()];
        Ok(tunnel::Target {
            relay: address(&membership.tunnel)?,
            tls: Arc::new(tls),
            hello: Hello {
                v: wire::version::TUNNEL,
                appliance: self.me.appliance.clone(),
                lane: Lane::Http,
                generation,
            },
        })
    }

    fn broker(&self, membership: &Membership) -> Result<base::mqtt::Broker, UplinkError> {
        Ok(base::mqtt::Broker {
            address: address(&membership.mqtt)?,
            tls: Arc::new(self.tls(membership)?),
        })
    }

    fn tls(&self, membership: &Membership) -> Result<rustls::ClientConfig, UplinkError> {
        let (ca, own) = (&membership.ca_pem, &membership.certificate_pem);
        base::tls::mutual_client(ca, own, &self.me.key_pem)
            .map_err(|e| UplinkError::Membership(e.to_string()))
    }

    fn speaker(&self, reconnect: Arc<Notify>) -> mqtt::Speaker {
        let (me, catalog) = (self.me.appliance.clone(), self.parts.catalog.clone());
        let volumes = self.parts.volumes.clone();
        mqtt::Speaker {
            appliance: me.clone(),
            boot: self.boot,
            catalog: catalog.clone(),
            states: States::new(
                me.clone(),
                catalog.clone(),
                volumes,
                self.parts.outlooks.clone(),
                self.parts.updates.clone(),
                self.started_at,
            ),
            gauges: Gauges::new(me, catalog, self.parts.viewers.clone()),
            reconnect,
            socket_folder: self.parts.state.join("run/mqtt"),
        }
    }

    fn keep(&self, membership: &Membership) -> Result<(), UplinkError> {
        let file = self.membership_file();
        membership::save(&file, membership).map_err(|source| UplinkError::Io { path: file, source })
    }

    fn membership_file(&self) -> PathBuf {
        self.parts.state.join("membership.json")
    }
}

/// What follows when a claimed appliance no longer is what it was.
enum Next {
    /// Asked to stop.
    Same,
    /// Go on with this.
    Renewed(Box<Membership>),
    /// No longer claimed.
    Leave,
}

fn address(text: &str) -> Result<HostPort, UplinkError> {
    text.parse()
        .map_err(|e: base::net::BadHostPort| UplinkError::Membership(e.to_string()))
}

fn part(name: &str, ended: Result<(), tokio::task::JoinError>) -> UplinkError {
    let how = ended.map_or_else(|e| e.to_string(), |()| "it returned".into());
    UplinkError::Part(format!("{name}: {how}"))
}

#[cfg(test)]
mod tests;
