//! The sessions with all recorders: one for each that is switched on, as the catalog has them.
//!
//! Nobody tells this part what to do: it follows the catalog's changes, so that a recorder that was added, changed or
//! removed by whatever way ends up with the session it should have. What a session finds out goes back into the
//! catalog, which also says whether the device that answers is the one that was meant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::ids::RecorderId;
use wire::resource::{DriverKind, Recorder, RecorderState};

use crate::catalog::recorders::SessionNoted;
use crate::catalog::{Catalog, CatalogError, ChangeKind};
use crate::model::fingerprint::Fingerprint;
use crate::model::inventory::Inventory;
use crate::model::time::UtcRange;
use crate::pipeline::Recorders;
use crate::recorder::clock::ClockBook;
use crate::recorder::config::SdkConfig;
use crate::recorder::driver::{
    FailureKind, PartProgress, PartRequest, RecorderAccount, RecorderError, RecorderSession, Tls,
};
use crate::recorder::session::{Known, SessionHandle, SessionStatus, may_try};
use crate::secrets::Secrets;

/// How long somebody who asks for an attempt waits for its outcome: longer than a login takes that comes to nothing.
const OUTCOME_WAIT: Duration = Duration::from_secs(90);

/// The sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    secrets: Arc<Secrets>,
    config: Arc<SdkConfig>,
    running: Mutex<HashMap<RecorderId, Running>>,
    /// Held while sessions are brought in line with the catalog, so that none is begun twice.
    following: tokio::sync::Mutex<()>,
    /// The agent stops: no session is begun any more.
    closed: CancellationToken,
}

/// The session of one recorder.
#[derive(Debug)]
struct Running {
    settings: Settings,
    /// None: the catalog did not accept the device, or the password cannot be opened; nothing is tried until the
    /// settings change or a person asks.
    handle: Option<SessionHandle>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// What a session works with: when it differs, it logs in anew.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    driver: DriverKind,
    address: String,
    port: u16,
    tls: Tls,
    username: String,
    password_id: String,
}

impl Running {
    /// Whether it works with these settings. The certificate that it was the first to see is no news to it.
    fn has(&self, wanted: &Settings) -> bool {
        let tls = match self.settings.tls {
            Tls::FirstUse => Tls::of(
                true,
                self.handle.as_ref().and_then(SessionHandle::certificate),
            ),
            tls => tls,
        };
        let mut settings = self.settings.clone();
        settings.tls = tls;
        settings == *wanted
    }
}

/// How connections to a recorder are protected. A text that is no fingerprint was not written by us: then the first
/// certificate is not believed either.
fn tls_of(recorder: &Recorder) -> Tls {
    let certificate = recorder.certificate_sha256.as_deref();
    let unreadable = Fingerprint::of(b"");
    Tls::of(
        recorder.tls,
        certificate.map(|text| text.parse().unwrap_or(unreadable)),
    )
}

impl Settings {
    /// Tells these settings from others and gives nothing of them away.
    fn fingerprint(&self) -> String {
        // Neither an address nor a user name holds a zero byte.
        let mut all = format!(
            "{:?}\0{}\0{}\0{}\0",
            self.driver, self.address, self.port, self.username
        )
        .into_bytes();
        // Which certificate it shows is no part of what it thinks of the credentials.
        if self.tls != Tls::Off {
            all.extend(b"tls\0");
        }
        all.extend(self.password_id.as_bytes());
        base::token::sha256_hex(&all)
    }
}

impl Sessions {
    /// None runs yet.
    pub fn new(catalog: Catalog, secrets: Arc<Secrets>, config: Arc<SdkConfig>) -> Self {
        Self(Arc::new(Inner {
            catalog,
            secrets,
            config,
            running: Mutex::default(),
            following: tokio::sync::Mutex::default(),
            closed: CancellationToken::new(),
        }))
    }

    /// How workers are started.
    pub fn config(&self) -> &SdkConfig {
        &self.0.config
    }

    /// The session policy of a recorder; none while it is switched off, refused or unknown.
    pub fn handle(&self, id: RecorderId) -> Option<SessionHandle> {
        self.locked().get(&id)?.handle.clone()
    }

    /// A session to work with, or why there is none.
    pub async fn session(&self, id: RecorderId) -> Result<RecorderSession, RecorderError> {
        if self.handle(id).is_none() {
            // Perhaps it was added a moment ago and its change is still on the way here.
            self.follow()
                .await
                .map_err(|error| RecorderError::new(FailureKind::Local, error.to_string()))?;
        }
        match self.handle(id) {
            Some(handle) => handle.session().await,
            None => Err(RecorderError::new(
                FailureKind::Local,
                "the agent does not work with this recorder now: switch it on, and see what its page says",
            )),
        }
    }

    /// What a login at a recorder needs.
    pub async fn account(&self, recorder: &Recorder) -> Result<RecorderAccount, CannotLogIn> {
        let sealed = self.0.catalog.recorder_password_sealed(recorder.id).await?;
        Ok(RecorderAccount {
            driver: recorder.driver,
            address: recorder.address.clone(),
            port: recorder.port,
            tls: tls_of(recorder),
            username: recorder.username.clone(),
            password: self.0.secrets.open_password(recorder.id, &sealed)?,
        })
    }

    /// A person asks: a session that answers, or what comes of an attempt that is made now, also where nothing would be
    /// tried any more. What the recorder has refused is not sent again.
    pub async fn attempt(&self, id: RecorderId) -> Result<RecorderSession, RecorderError> {
        let local = |error: CatalogError| RecorderError::new(FailureKind::Local, error.to_string());
        if self.handle(id).is_none() {
            self.end(id).await;
            self.follow().await.map_err(local)?;
        }
        let Some(handle) = self.handle(id) else {
            return self.session(id).await;
        };
        tokio::time::timeout(OUTCOME_WAIT, handle.attempt())
            .await
            .unwrap_or_else(|_| {
                let words = "the attempt to log in takes unusually long: see its panel for what comes of it";
                Err(RecorderError::new(FailureKind::Network, words))
            })
    }

    /// Why the credentials of a recorder are not to be sent: it has refused them, or has the account locked.
    pub async fn refusal(
        &self,
        recorder: &Recorder,
    ) -> Result<Option<RecorderError>, CatalogError> {
        let refusal = self.known(recorder).await?.refusal;
        Ok(refusal.and_then(|(error, since)| (!may_try(&error, since)).then_some(error)))
    }

    /// Writes down what a recorder that no session is kept with said of its credentials.
    pub async fn note_answer(
        &self,
        recorder: &Recorder,
        accepted: bool,
        failure: Option<&RecorderError>,
    ) -> Result<(), CatalogError> {
        let refusal = failure
            .filter(|error| matches!(error.kind, FailureKind::Refused | FailureKind::Locked))
            .filter(|_| !accepted);
        if !accepted && refusal.is_none() {
            return Ok(());
        }
        let settings = self.settings(recorder).await?.fingerprint();
        let catalog = &self.0.catalog;
        catalog
            .note_login(recorder.id, settings, refusal.cloned())
            .await
    }

    /// Keeps the sessions as the catalog has the recorders, until `stop`.
    pub async fn run(self, stop: CancellationToken) -> Result<(), CatalogError> {
        let mut changes = self.0.catalog.changes();
        self.forget_old_states().await?;
        self.follow().await?;
        while let Some(change) = stop.run_until_cancelled(changes.recv()).await {
            match change {
                Ok(change) if change.kind == ChangeKind::Recorder => self.follow().await?,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.follow().await?,
                Err(RecvError::Closed) => break,
            }
        }
        self.0.closed.cancel();
        let _alone = self.0.following.lock().await;
        let ids: Vec<RecorderId> = self.locked().keys().copied().collect();
        // Side by side: each may have to wait for a device.
        futures_util::future::join_all(ids.into_iter().map(|id| self.end(id))).await;
        Ok(())
    }

    /// What the last start found out says nothing about now, but that credentials were refused.
    async fn forget_old_states(&self) -> Result<(), CatalogError> {
        for recorder in self.0.catalog.recorders().await? {
            let refused = self.known(&recorder).await?.refusal.is_some();
            if recorder.enabled && recorder.state != RecorderState::Unknown && !refused {
                let last = recorder.last_checked_at.unwrap_or(self.0.catalog.now());
                let unknown = self.0.catalog.note_session(
                    recorder.id,
                    RecorderState::Unknown,
                    None,
                    last,
                    None,
                );
                drop(unknown.await?);
            }
        }
        Ok(())
    }

    /// Starts, replaces and ends sessions until they are what the catalog says.
    async fn follow(&self) -> Result<(), CatalogError> {
        let _alone = self.0.following.lock().await;
        if self.0.closed.is_cancelled() {
            return Ok(());
        }
        let recorders = self.0.catalog.recorders().await?;
        let wanted: HashMap<RecorderId, Recorder> = recorders
            .into_iter()
            .filter(|recorder| recorder.enabled)
            .map(|recorder| (recorder.id, recorder))
            .collect();
        let gone: Vec<RecorderId> = self
            .locked()
            .keys()
            .filter(|id| !wanted.contains_key(id))
            .copied()
            .collect();
        let any_gone = !gone.is_empty();
        for id in gone {
            tracing::info!(recorder.id = %id, "The session with a recorder ends");
            self.end(id).await;
        }
        for (id, recorder) in wanted {
            let settings = match self.settings(&recorder).await {
                Ok(settings) => settings,
                // Removed a moment ago: the next change says so.
                Err(CatalogError::NoRecorder(_)) => continue,
                Err(error) => return Err(error),
            };
            let is_as_it_should_be = self.locked().get(&id).is_some_and(|running| {
                // One device in two rows is mended by removing a row.
                running.has(&settings) && (running.handle.is_some() || !any_gone)
            });
            if !is_as_it_should_be && !self.change(&recorder, &settings).await? {
                self.end(id).await;
                self.begin(recorder, settings).await?;
            }
        }
        Ok(())
    }

    /// Gives a session that runs its new settings. False: there is none, or they cannot be used.
    async fn change(&self, recorder: &Recorder, settings: &Settings) -> Result<bool, CatalogError> {
        let Some(handle) = self.handle(recorder.id) else {
            return Ok(false);
        };
        let account = match self.account(recorder).await {
            Ok(account) => account,
            Err(CannotLogIn::Password(_)) => return Ok(false),
            Err(CannotLogIn::Catalog(error)) => return Err(error),
        };
        if let Some(running) = self.locked().get_mut(&recorder.id) {
            running.settings = settings.clone();
        }
        handle
            .change_account(account, settings.fingerprint().into())
            .await;
        Ok(true)
    }

    async fn settings(&self, recorder: &Recorder) -> Result<Settings, CatalogError> {
        Ok(Settings {
            driver: recorder.driver,
            address: recorder.address.clone(),
            port: recorder.port,
            tls: tls_of(recorder),
            username: recorder.username.clone(),
            password_id: self.0.catalog.recorder_password_id(recorder.id).await?,
        })
    }

    /// What the recorder thought of its settings when it was last asked.
    async fn known(&self, recorder: &Recorder) -> Result<Known, CatalogError> {
        let settings = self.settings(recorder).await?.fingerprint();
        let login = self.0.catalog.login(recorder.id, settings.clone()).await?;
        let mut known = Known {
            settings: settings.into(),
            ..Known::default()
        };
        if let Some(login) = login {
            known.proven = login.proven;
            known.refusal = login.refusal.map(|refusal| (refusal, login.answered_at));
        }
        Ok(known)
    }

    async fn begin(&self, recorder: Recorder, settings: Settings) -> Result<(), CatalogError> {
        let id = recorder.id;
        let stop = CancellationToken::new();
        let mut running = Running {
            settings,
            handle: None,
            stop: stop.clone(),
            tasks: Vec::new(),
        };
        match self.account(&recorder).await {
            Ok(account) => {
                let known = self.known(&recorder).await?;
                let config = self.0.config.clone();
                let book = ClockBook::new(self.0.catalog.clock_runs(id).await?);
                let (handle, keeper) =
                    SessionHandle::start(id, account, known, config, book.clone(), stop.clone());
                let noting = self.clone().note(id, handle.status(), book, stop);
                running.tasks = vec![keeper, tokio::spawn(noting)];
                running.handle = Some(handle);
            }
            Err(CannotLogIn::Catalog(error)) => return Err(error),
            Err(CannotLogIn::Password(why)) => {
                let now = self.0.catalog.now();
                let (state, reason) = (RecorderState::Error, Some(why.to_string()));
                let noted = self.0.catalog.note_session(id, state, reason, now, None);
                drop(noted.await?);
            }
        }
        self.locked().insert(id, running);
        Ok(())
    }

    /// Writes down what a session finds out.
    async fn note(
        self,
        id: RecorderId,
        mut status: watch::Receiver<SessionStatus>,
        book: ClockBook,
        stop: CancellationToken,
    ) {
        let mut answered = None;
        while let Some(Ok(())) = stop.run_until_cancelled(status.changed()).await {
            let now = status.borrow_and_update().clone();
            if let Err(error) = self.note_login(id, &now, &mut answered).await {
                tracing::error!(recorder.id = %id, %error, "What a recorder thinks of its credentials cannot be written down");
            }
            if let Some(shown) = now.other_certificate
                && let Err(error) = self.0.catalog.note_other_certificate(id, shown).await
            {
                tracing::error!(recorder.id = %id, %error, "The recorder's other certificate cannot be written down");
            }
            let identity = match now.state {
                RecorderState::Online => now.identity.as_deref(),
                _ => None,
            };
            let last_checked = now.last_checked_at.unwrap_or(self.0.catalog.now());
            let noted = self
                .0
                .catalog
                .note_session(id, now.state, now.reason, last_checked, identity)
                .await;
            match noted {
                Ok(SessionNoted::Accepted) => {
                    if let Err(error) = self.0.catalog.note_clock(id, book.runs()).await {
                        tracing::error!(recorder.id = %id, %error, "How the recorder's clock runs cannot be written down");
                    }
                }
                Ok(SessionNoted::WrongDevice(reason)) => {
                    tracing::warn!(recorder.id = %id, reason, "A device was not accepted");
                    if let Some(running) = self.locked().get_mut(&id) {
                        running.handle = None;
                    }
                    stop.cancel();
                }
                // Removed a moment ago: the session is about to be ended.
                Err(CatalogError::NoRecorder(_)) => {}
                Err(error) => {
                    tracing::error!(recorder.id = %id, %error, "What a session found out cannot be written down");
                }
            }
        }
    }

    /// Writes down what a recorder thinks of its credentials, when that is new. `answered`: what was last written, and
    /// for which settings.
    async fn note_login(
        &self,
        id: RecorderId,
        now: &SessionStatus,
        answered: &mut Option<(Arc<str>, Option<RecorderError>)>,
    ) -> Result<(), CatalogError> {
        if now.refusal.is_none() && now.state != RecorderState::Online {
            return Ok(());
        }
        let answer = (now.settings.clone(), now.refusal.clone());
        if answered.as_ref() != Some(&answer) {
            let (settings, refusal) = answer.clone();
            let noted = self.0.catalog.note_login(id, settings.to_string(), refusal);
            match noted.await {
                // Removed a moment ago.
                Ok(()) | Err(CatalogError::NoRecorder(_)) => *answered = Some(answer),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn end(&self, id: RecorderId) {
        let Some(running) = self.locked().remove(&id) else {
            return;
        };
        running.stop.cancel();
        for task in running.tasks {
            if let Err(error) = task.await {
                tracing::error!(recorder.id = %id, %error, "The session with a recorder did not end well");
            }
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<RecorderId, Running>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorders for Sessions {
    fn fetches_whole(&self, recorder: RecorderId) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let session = self.session(recorder).await;
            session.is_ok_and(|session| session.fetches_whole())
        })
    }

    fn reach(&self, recorder: RecorderId) -> BoxFuture<'_, Result<(), RecorderError>> {
        Box::pin(async move { self.session(recorder).await.map(drop) })
    }

    fn search(
        &self,
        recorder: RecorderId,
        channel: u32,
        range: UtcRange,
    ) -> BoxFuture<'_, Result<Inventory, RecorderError>> {
        Box::pin(async move { self.session(recorder).await?.search(channel, range).await })
    }

    fn download(
        &self,
        recorder: RecorderId,
        part: PartRequest,
        progress: watch::Sender<PartProgress>,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<u64, RecorderError>> {
        Box::pin(async move {
            let session = self.session(recorder).await?;
            session.download(part, progress, cancel).await
        })
    }
}

/// Why a login cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum CannotLogIn {
    /// The catalog does not answer, or knows no such recorder.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The stored password does not open.
    #[error(transparent)]
    Password(#[from] crate::secrets::CannotOpen),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::recorders::{NewRecorder, RecorderChange};
    use crate::catalog::testing::House;

    /// A house with one recorder, and sessions whose worker cannot be started: what is tested is who has a session.
    async fn house() -> (House, Sessions, RecorderId) {
        let house = House::new().await;
        let secrets = Arc::new(Secrets::open(&house.path().join("secrets.key"), None).unwrap());
        let config = SdkConfig {
            sdk_folder: house.path().join("none"),
            work_dir: house.path().join("workers"),
            ..SdkConfig::default()
        };
        let id = RecorderId::new();
        let new = NewRecorder {
            id,
            name: "Shop".into(),
            driver: DriverKind::Sdk,
            address: "192.0.2.10".into(),
            port: 8000,
            username: "admin".into(),
            password_sealed: secrets.seal(id, "word"),
            tls: false,
            certificate: None,
            enabled: true,
        };
        house.catalog.add_recorder(new).await.unwrap();
        let sessions = Sessions::new(house.catalog.clone(), secrets, Arc::new(config));
        (house, sessions, id)
    }

    /// Tells one session from the next.
    fn stop_of(sessions: &Sessions, id: RecorderId) -> Option<CancellationToken> {
        Some(sessions.locked().get(&id)?.stop.clone())
    }

    async fn change(house: &House, id: RecorderId, change: RecorderChange) {
        house.catalog.change_recorder(id, change).await.unwrap();
    }

    #[tokio::test]
    async fn sessions_follow_the_recorders() {
        let (house, sessions, id) = house().await;
        sessions.follow().await.unwrap();
        let first = stop_of(&sessions, id).unwrap();
        assert!(sessions.handle(id).is_some());

        let renamed = RecorderChange {
            name: Some("Yard".into()),
            ..RecorderChange::default()
        };
        change(&house, id, renamed).await;
        sessions.follow().await.unwrap();
        assert!(!first.is_cancelled(), "a name is no reason to log in anew");

        let moved = RecorderChange {
            address: Some("192.0.2.11".into()),
            ..RecorderChange::default()
        };
        change(&house, id, moved).await;
        sessions.follow().await.unwrap();
        assert!(
            !first.is_cancelled(),
            "the session goes on with another account"
        );
        let address = sessions.locked()[&id].settings.address.clone();
        assert_eq!(address, "192.0.2.11");

        let off = RecorderChange {
            enabled: Some(false),
            ..RecorderChange::default()
        };
        change(&house, id, off).await;
        sessions.follow().await.unwrap();
        assert!(first.is_cancelled() && stop_of(&sessions, id).is_none());
        let refused = sessions.session(id).await.unwrap_err();
        assert!(refused.message.contains("switch it on"), "{refused}");
    }

    #[tokio::test]
    async fn a_password_that_does_not_open_is_said_and_mended_by_a_new_one() {
        let (house, sessions, id) = house().await;
        let broken = RecorderChange {
            password_sealed: Some(vec![1, 2, 3]),
            ..RecorderChange::default()
        };
        change(&house, id, broken).await;
        sessions.follow().await.unwrap();
        assert!(sessions.handle(id).is_none());
        let recorder = house.catalog.recorder(id).await.unwrap();
        assert_eq!(recorder.state, RecorderState::Error);
        assert!(recorder.state_reason.unwrap().contains("enter it again"));

        let mended = RecorderChange {
            password_sealed: Some(sessions.0.secrets.seal(id, "word")),
            ..RecorderChange::default()
        };
        change(&house, id, mended).await;
        sessions.follow().await.unwrap();
        assert!(sessions.handle(id).is_some());
        sessions.end(id).await;
    }

    #[tokio::test]
    async fn another_device_at_the_address_is_not_worked_with() {
        let (house, sessions, id) = house().await;
        drop(house.login(id, "A1", 1).await);
        sessions.follow().await.unwrap();
        let (status, told) = watch::channel(SessionStatus {
            state: RecorderState::Unknown,
            reason: None,
            last_checked_at: None,
            identity: None,
            refusal: None,
            other_certificate: None,
            settings: Arc::default(),
        });
        let stop = stop_of(&sessions, id).unwrap();
        let noting = tokio::spawn(sessions.clone().note(
            id,
            told,
            ClockBook::default(),
            stop.clone(),
        ));
        status.send_modify(|status| {
            status.state = RecorderState::Online;
            status.identity = Some(Arc::new(crate::catalog::testing::identity("B2", 1)));
        });
        noting.await.unwrap();
        assert!(stop.is_cancelled() && sessions.handle(id).is_none());
        // Nothing is tried by itself, but a person may ask.
        sessions.follow().await.unwrap();
        assert!(sessions.handle(id).is_none());
        let asked = sessions.attempt(id).await.unwrap_err();
        assert_ne!(asked.kind, FailureKind::Local, "{asked}");
        assert!(sessions.handle(id).is_some());
        sessions.end(id).await;
    }

    #[tokio::test]
    async fn run_follows_changes_and_ends_every_session() {
        let (house, sessions, id) = house().await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(sessions.clone().run(stop.clone()));
        while stop_of(&sessions, id).is_none() {
            tokio::task::yield_now().await;
        }
        house.catalog.remove_recorder(id).await.unwrap();
        while stop_of(&sessions, id).is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
        running.await.unwrap().unwrap();
        sessions.follow().await.unwrap();
        assert!(sessions.locked().is_empty());
    }
}
