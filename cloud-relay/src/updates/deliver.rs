//! Sends bundles to appliances, through the tunnel and their ordinary API.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base::backoff::Backoff;
use base::clock::Clock;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::error::ErrorResponse;
use wire::ids::{ApplianceId, MessageId, UserId};
use wire::time::UtcTime;
use wire::tunnel::{ASSERTION_HEADER, ASSERTION_LIFETIME_S, Assertion, Permission};
use wire::update::{BundleDigest, InstallRequest, Update, UpdateOffer};

use super::choice::{self, Step};
use super::{DELIVERIES_MAX, bundles, file};
use crate::audit::{Actor, Audit};
use crate::pki::{Pki, RELAY_CN};
use crate::store::updates::{Delivery, DeliveryState};
use crate::store::{DbError, Store};
use crate::tunnel::hub::Hub;

/// How often it is looked for something to send, while nobody says that there is.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Longest wait for the answer to a piece: a slow line takes its time.
const ANSWER_WAIT: Duration = Duration::from_secs(300);
/// Largest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest pause between two pieces.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// First and longest pause after an interruption, or after an appliance's "not now".
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
/// What brought nothing forward so often within one attempt leads nowhere.
const TRIES_MAX: u32 = 3;
/// Longest attempt: then it is the turn of others.
const TURN: Duration = Duration::from_secs(15 * 60);

/// What delivering needs.
pub struct Parts {
    /// What is to be sent.
    pub store: Store,
    /// The way to appliances.
    pub hub: Hub,
    /// Signs who asks.
    pub pki: Arc<Pki>,
    /// The time.
    pub clock: Clock,
    /// What was sent is written down.
    pub audit: Audit,
    /// The state folder.
    pub state: PathBuf,
    /// Notified when there may be something new to send.
    pub wake: Arc<Notify>,
}

/// Sends what is to be sent.
#[derive(Clone)]
pub struct Deliverer(Arc<Parts>);

/// How an attempt ended.
enum Ended {
    /// The appliance has it.
    Delivered,
    /// It cannot be sent.
    Failed(String),
    /// It goes on later.
    Interrupted(String),
    /// It was called off, or another has taken its place.
    Gone,
}

/// Why a question got no answer of use.
#[derive(Debug, thiserror::Error)]
enum AskError {
    /// The appliance refuses, and says why.
    #[error("{message}")]
    Refused { status: StatusCode, message: String },
    /// The question did not get there, or the answer not here.
    #[error("{0}")]
    Broken(String),
    /// Our own store.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl AskError {
    fn broken(why: impl std::fmt::Display) -> Self {
        Self::Broken(why.to_string())
    }
}

/// What an appliance is asked.
struct Question {
    method: Method,
    /// Below `/api/v1/system/update`.
    path: &'static str,
    range: Option<String>,
    kind: &'static str,
    body: Vec<u8>,
}

impl Question {
    fn look() -> Self {
        Self {
            method: Method::GET,
            path: "",
            range: None,
            kind: "application/json",
            body: Vec::new(),
        }
    }

    fn post(path: &'static str, body: &impl serde::Serialize) -> Self {
        Self {
            method: Method::POST,
            path,
            body: serde_json::to_vec(body).expect("plain data"),
            ..Self::look()
        }
    }

    fn piece(range: String, body: Vec<u8>) -> Self {
        Self {
            method: Method::PUT,
            path: "/bundle",
            range: Some(range),
            kind: "application/octet-stream",
            body,
        }
    }
}

/// Appliances that are left alone for a while.
#[derive(Default)]
struct Rests(HashMap<ApplianceId, (Backoff, Instant)>);

impl Rests {
    fn is_over(&self, appliance: &ApplianceId) -> bool {
        let rest = self.0.get(appliance);
        rest.is_none_or(|(_, until)| Instant::now() >= *until)
    }

    fn begin(&mut self, appliance: ApplianceId) {
        let new = || (Backoff::new(AGAIN.0, AGAIN.1), Instant::now());
        let (backoff, until) = self.0.entry(appliance).or_insert_with(new);
        *until = Instant::now() + backoff.next_delay();
    }

    /// It went on: whatever was before counts no more.
    fn forget(&mut self, appliance: &ApplianceId) {
        self.0.remove(appliance);
    }

    /// Until the first of them is over.
    fn next(&self) -> Option<Duration> {
        let now = Instant::now();
        let ends = self.0.values().map(|(_, until)| *until);
        ends.filter(|until| *until > now)
            .min()
            .map(|until| until - now)
    }
}

impl Deliverer {
    /// Nothing is sent yet.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Sends until told to stop; what is on its way then goes on after the next start.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        // What is left over takes room, and keeps nothing from being sent.
        if let Err(error) = bundles::sweep(&self.0.store, &self.0.state).await {
            tracing::warn!(%error, "Files of updates that nobody needs cannot be removed");
        }
        let mut running: HashSet<ApplianceId> = HashSet::new();
        let mut tasks: JoinSet<(ApplianceId, Ended, bool)> = JoinSet::new();
        let mut rests = Rests::default();
        loop {
            self.look_for_automatic().await?;
            for delivery in self.0.store.pending_deliveries().await? {
                if tasks.len() >= DELIVERIES_MAX {
                    break;
                }
                let appliance = delivery.appliance.clone();
                // Nothing is asked of an appliance that is away: it is looked again.
                let is_there = self.0.hub.presence(&appliance).connections > 0;
                if !is_there || !rests.is_over(&appliance) || !running.insert(appliance.clone()) {
                    continue;
                }
                let this = self.clone();
                tasks.spawn(async move {
                    let mut moved = false;
                    let ended = this.deliver(&delivery, &mut moved).await;
                    this.note(&delivery, &ended).await;
                    (appliance, ended, moved)
                });
            }
            let pause = rests.next().map_or(LOOK_EVERY, |rest| rest.min(LOOK_EVERY));
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(ended) = tasks.join_next() => {
                    let (appliance, ended, moved) =
                        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                    running.remove(&appliance);
                    let is_over = !matches!(ended, Ended::Interrupted(_));
                    if moved || is_over {
                        rests.forget(&appliance);
                    }
                    if !is_over {
                        rests.begin(appliance);
                    }
                }
            }
        }
        tasks.shutdown().await;
        Ok(())
    }

    /// Sites that take updates by themselves are sent the newest one.
    async fn look_for_automatic(&self) -> Result<(), DbError> {
        let Parts { store, clock, .. } = &*self.0;
        let known = store.bundles().await?;
        for one in store.automatic_appliances().await? {
            let told = one.told.as_ref();
            let Some(bundle) = choice::automatic(told, one.last.as_ref(), known.first()) else {
                continue;
            };
            let now = UtcTime::from(clock.now());
            tracing::info!(appliance.id = %one.appliance, version = %bundle.version, "A site takes an update by itself");
            let delivery = Delivery {
                appliance: one.appliance,
                version: bundle.version.clone(),
                sha256: bundle.sha256.clone(),
                bytes: bundle.bytes,
                chosen: None,
                asked_by: None,
                state: DeliveryState::Pending,
                message: None,
                asked_at: now,
                updated_at: now,
            };
            store.set_delivery(delivery).await?;
        }
        Ok(())
    }

    /// Takes one delivery as far as it goes; `moved` says whether a piece of it arrived.
    async fn deliver(&self, delivery: &Delivery, moved: &mut bool) -> Ended {
        match self.steps(delivery, moved).await {
            Ok(ended) => ended,
            // Another time it may do: a box that just starts, a disk that is full, a piece that is still coming in.
            Err(AskError::Refused { status, message })
                if status == StatusCode::CONFLICT
                    || status == StatusCode::UNAUTHORIZED
                    || status.is_server_error() =>
            {
                Ended::Interrupted(message)
            }
            Err(AskError::Refused { message, .. }) => Ended::Failed(message),
            Err(error) => Ended::Interrupted(error.to_string()),
        }
    }

    async fn steps(&self, delivery: &Delivery, moved: &mut bool) -> Result<Ended, AskError> {
        let turn = Instant::now();
        // Steps that brought nothing forward, and the last byte that was sent from: an appliance that answers nonsense
        // does not hold up the others.
        let (mut idle, mut sent_from) = (0, None);
        let mut told = self.ask(delivery, Question::look()).await?;
        loop {
            if !self.is_wanted(delivery).await? {
                return Ok(Ended::Gone);
            }
            if turn.elapsed() > TURN {
                return Ok(Ended::Interrupted("It is the turn of others.".into()));
            }
            let step = choice::next(delivery, &told);
            match &step {
                Step::Send { first, .. } if sent_from.is_none_or(|last| last < *first) => {
                    *moved |= sent_from.is_some();
                    sent_from = Some(*first);
                }
                Step::Begin | Step::Install(_) | Step::Send { .. } => idle += 1,
                Step::Done | Step::GiveUp(_) | Step::Later(_) => {}
            }
            if idle > TRIES_MAX {
                let why = "The appliance was sent all of it, and does not have it.";
                return Ok(Ended::Failed(why.into()));
            }
            told = match step {
                Step::Done => return Ok(Ended::Delivered),
                Step::GiveUp(why) => return Ok(Ended::Failed(why)),
                Step::Later(why) => return Ok(Ended::Interrupted(why)),
                Step::Begin => {
                    let offer = UpdateOffer {
                        version: delivery.version.clone(),
                        bytes: delivery.bytes,
                        sha256: delivery.sha256.clone(),
                    };
                    self.ask(delivery, Question::post("", &offer)).await?
                }
                Step::Install(when) => {
                    let request = InstallRequest { when };
                    self.ask(delivery, Question::post("/install", &request))
                        .await?
                }
                Step::Send { first, count } => {
                    let piece = match self.read(&delivery.sha256, first, count).await {
                        Ok(piece) => piece,
                        Err(error) => {
                            let version = &delivery.version;
                            return Ok(Ended::Failed(format!(
                                "The relay cannot read its file of {version}: {error}."
                            )));
                        }
                    };
                    let range = format!("bytes {first}-{}/{}", first + count - 1, delivery.bytes);
                    let begun = Instant::now();
                    let sent = self.ask(delivery, Question::piece(range, piece)).await?;
                    tokio::time::sleep(begun.elapsed().min(PAUSE_MAX)).await;
                    sent
                }
            };
        }
    }

    /// Whether it was neither called off nor replaced, and the operator has not taken the bundle away.
    async fn is_wanted(&self, delivery: &Delivery) -> Result<bool, DbError> {
        let pending = self.0.store.pending_deliveries().await?;
        Ok(pending.iter().any(|it| {
            (&it.appliance, &it.sha256, it.asked_at)
                == (&delivery.appliance, &delivery.sha256, delivery.asked_at)
        }))
    }

    async fn read(&self, sha256: &BundleDigest, first: u64, count: u64) -> io::Result<Vec<u8>> {
        let path = file(&self.0.state, sha256);
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(count).map_err(io::Error::other)?];
            std::fs::File::open(path)?.read_exact_at(&mut piece, first)?;
            Ok(piece)
        });
        read.await.map_err(io::Error::other)?
    }

    /// Asks an appliance, in the name of whoever wanted the delivery. Every answer is how far its update is.
    async fn ask(&self, delivery: &Delivery, question: Question) -> Result<Update, AskError> {
        let appliance = &delivery.appliance;
        let claimed = self.0.store.claimed(appliance).await?;
        let Some(claimed) = claimed.filter(|claimed| !claimed.revoked) else {
            return Err(AskError::Refused {
                status: StatusCode::NOT_FOUND,
                message: "The appliance is not claimed any more.".into(),
            });
        };
        let (user_id, username) = asker(delivery);
        let assertion = Assertion {
            appliance: appliance.clone(),
            user_id: user_id.unwrap_or(UserId::RELAY),
            username,
            organisation: claimed.organisation,
            permissions: vec![Permission::View, Permission::Manage],
            request_id: MessageId::new().to_string(),
            expires_s: UtcTime::from(self.0.clock.now()).seconds() + ASSERTION_LIFETIME_S,
        };
        let mut request = Request::builder()
            .method(question.method)
            .uri(format!("/api/v1/system/update{}", question.path))
            .header(ASSERTION_HEADER, assertion.sign(self.0.pki.assertion_key()))
            .header(header::CONTENT_TYPE, question.kind);
        if let Some(range) = question.range {
            request = request.header(header::CONTENT_RANGE, range);
        }
        let request = request
            .body(Body::from(question.body))
            .map_err(AskError::broken)?;
        let exchange = async {
            let response = self.0.hub.request(appliance, request).await;
            let response = response.map_err(AskError::broken)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(AskError::broken)?;
            Ok::<_, AskError>((status, body.to_bytes()))
        };
        let answered = tokio::time::timeout(ANSWER_WAIT, exchange).await;
        let (status, body) = answered.map_err(|_| AskError::broken("no answer in time"))??;
        if status != StatusCode::OK {
            let failure = serde_json::from_slice::<ErrorResponse>(&body);
            let message = failure.map_or_else(
                |_| format!("The appliance answered {status}."),
                |failure| failure.error.message.chars().take(300).collect(),
            );
            return Err(AskError::Refused { status, message });
        }
        serde_json::from_slice(&body).map_err(AskError::broken)
    }

    /// Writes down how it ended. Where that cannot be, it is tried once more, and ends the same way.
    async fn note(&self, delivery: &Delivery, ended: &Ended) {
        let (appliance, version) = (&delivery.appliance, &delivery.version);
        let noted = match ended {
            Ended::Gone => Ok(()),
            Ended::Delivered => {
                tracing::info!(appliance.id = %appliance, %version, "An update was delivered");
                self.conclude(delivery, DeliveryState::Delivered, None)
                    .await
            }
            Ended::Failed(why) => {
                tracing::warn!(appliance.id = %appliance, %version, reason = why, "An update cannot be delivered");
                self.conclude(delivery, DeliveryState::Failed, Some(why.clone()))
                    .await
            }
            Ended::Interrupted(why) => {
                tracing::info!(appliance.id = %appliance, %version, reason = why, "The delivery of an update was interrupted; it goes on later");
                self.set_state(delivery, DeliveryState::Pending, Some(why.clone()))
                    .await
            }
        };
        if let Err(error) = noted {
            tracing::error!(appliance.id = %appliance, %error, "How the delivery of an update went could not be written down");
        }
    }

    async fn set_state(
        &self,
        delivery: &Delivery,
        state: DeliveryState,
        message: Option<String>,
    ) -> Result<(), DbError> {
        let now = UtcTime::from(self.0.clock.now());
        self.0
            .store
            .note_delivery(delivery, state, message, now)
            .await
    }

    async fn conclude(
        &self,
        delivery: &Delivery,
        state: DeliveryState,
        message: Option<String>,
    ) -> Result<(), DbError> {
        let Parts { store, audit, .. } = &*self.0;
        let claimed = store.claimed(&delivery.appliance).await?;
        let whose = claimed.map(|it| (it.organisation, Some(it.site)));
        let (person, username) = asker(delivery);
        let actor = Actor {
            person,
            username,
            address: String::new(),
            request_id: MessageId::new().to_string(),
        };
        let status = match state {
            DeliveryState::Failed => StatusCode::CONFLICT,
            DeliveryState::Pending | DeliveryState::Delivered => StatusCode::OK,
        };
        let version = delivery.version.to_string();
        audit
            .note(actor, whose, "update.deliver", version, status.as_u16())
            .await?;
        self.set_state(delivery, state, message).await
    }
}

/// In whose name a delivery is made.
fn asker(delivery: &Delivery) -> (Option<UserId>, String) {
    match &delivery.asked_by {
        Some((id, name)) => (Some(*id), name.clone()),
        None => (None, RELAY_CN.to_owned()),
    }
}
