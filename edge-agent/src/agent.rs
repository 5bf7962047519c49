//! Wires everything in one readable list; starts, watches and joins the tasks; drains in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base::clock::Clock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::ability::{self, Ability};
use crate::adoption::Disks;
use crate::api::backup::MakeBackup;
use crate::api::reset::Resetting;
use crate::api::support::{Examine, MakeSupport};
use crate::api::{self, App};
use crate::archive::mail::Mailer;
use crate::archive::{self, Archiver};
use crate::backup;
use crate::catalog::{self, Catalog, before};
use crate::config::{self, Config};
use crate::console;
use crate::custody::keeper::Keeper;
use crate::disks;
use crate::doctor;
use crate::evict::Evictor;
use crate::footage::staging;
use crate::governor::Governor;
use crate::governor::settings::CHOSEN;
use crate::host::clock::{ClockSync, OwnClock, SERVICE};
use crate::host::identity::Identity;
use crate::host::watchdog;
use crate::live::{self, LiveHub};
use crate::pipeline::{self, MakeRoom, Pipeline};
use crate::recorder::driver::StreamKind;
use crate::report::figures::Viewers;
use crate::reset;
use crate::rotate_key;
use crate::secrets::Secrets;
use crate::sessions::Sessions;
use crate::step_back::{SteppedBack, step_back};
use crate::support;
use crate::tasks::{Ended, Floor, Tasks};
use crate::tiers::Mover;
use crate::update::{self, Updates, keeper};
use crate::uplink::{self, Uplink};

/// Why the agent stopped although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It could not start.
    #[error("{0:#}")]
    Start(#[from] anyhow::Error),
    /// A part of it ended.
    #[error("{0}; the agent ends, so that it is started afresh")]
    Ended(#[from] Ended),
}

/// Runs the agent until it is told to stop.
/// `config_text`: the settings file as it stands, which backups hold.
pub async fn run(config: Config, config_text: &str) -> Result<(), AgentError> {
    let stop = base::shutdown::on_signals().context("listen for signals")?;
    let long = watchdog::LongStart::begin();
    catalog::until_free(&config.state.catalog()).await;
    // What is to be forgotten is forgotten before anything of it is opened.
    reset::carry_out(&config, Clock::system())
        .await
        .context("the factory reset that was ordered")?;
    let stepped_back = step_back(&config, Clock::system())
        .await
        .context("take up the catalog from before a newer program's")?;
    if let Some(done) = stepped_back {
        let SteppedBack {
            found,
            repaired,
            aside,
        } = done;
        tracing::warn!(
            found,
            ?repaired,
            ?aside,
            "The catalog from before is in use, with what was recorded since"
        );
    }
    let (mut tasks, reset_ordered) = (Tasks::new(), CancellationToken::new());
    // Any other start is over soon, or something hangs.
    let long = before::is_due(&config.state.catalog()).then_some(long);
    start(&config, config_text, &tasks, reset_ordered.clone()).await?;
    drop(long);
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        // Whoever starts the agent starts it again, and then it is carried out.
        () = reset_ordered.cancelled() => Ok(()),
        () = reset::ordered(&config.state) => Ok(()),
        ended = tasks.first_end() => Err(ended),
    };
    watchdog::stopping();
    tasks.stop().await;
    base::durable::remove_if_there(&config.state.address_file())
        .context("remove the announced address")?;
    tracing::info!("Stopped");
    Ok(outcome?)
}

async fn start(
    config: &Config,
    config_text: &str,
    tasks: &Tasks,
    reset_ordered: CancellationToken,
) -> anyhow::Result<()> {
    let clock = Clock::system();
    let state = &config.state;
    base::durable::create_dir_all(&state.folder)
        .with_context(|| format!("make the state folder {}", state.folder.display()))?;
    // Who we are, and what opens the stored passwords.
    let identity = Identity::open(&state.identity_key())?;
    tracing::info!(appliance = %identity.appliance, version = env!("CARGO_PKG_VERSION"), "Starting");
    let signer = identity
        .signer()
        .context("the appliance's key cannot sign")?;
    let signer = Arc::new(signer);
    let secrets = Arc::new(Secrets::open(&state.secrets_key(), state.tpm())?);
    // What is known, and where footage lies.
    let catalog = Catalog::open(&state.catalog(), clock)?;
    catalog.set_appliance(&identity.appliance).await?;
    rotate_key::finish(&secrets, &catalog).await?;
    let volumes = catalog.open_volumes(&config.volume).await?;
    // One worker process and one login for each recorder.
    let mut sdk = config.sdk.clone();
    sdk.staging = volumes.iter().map(staging::prepare).collect();
    let sdk = Arc::new(sdk);
    let sessions = Sessions::new(catalog.clone(), secrets.clone(), sdk.clone());
    let (library, library_rx) = watch::channel(Ability::NotLooked);
    let (footage, footage_rx) = watch::channel(Ability::NotLooked);
    // One budget for each recorder, shared by all who want streams of it.
    let governor = Governor::new(config.download.governed(), catalog.clock().clone());
    // What was chosen from the page goes before the file.
    if let Some(chosen) = catalog.setting(CHOSEN).await? {
        governor.choose(chosen);
    }
    // Room is made before anything is fetched.
    let evictor = Evictor::new(catalog.clone(), volumes.clone(), config.retention.clone());
    let archiver = Archiver::new(archive::Parts {
        catalog: catalog.clone(),
        volumes: volumes.clone(),
        evictor: evictor.clone(),
        config: config.archive.clone(),
        mailer: mailer_of(config)?,
        appliance: Some(identity.appliance.clone()),
    });
    let pipeline = Pipeline::new(pipeline::Parts {
        catalog: catalog.clone(),
        volumes: volumes.clone(),
        recorders: Arc::new(sessions.clone()),
        room: room_of(evictor.clone()),
        media: config.media.clone(),
        discovery: config.discovery.clone(),
        download: config.download.clone(),
        governor: governor.clone(),
    });
    // Begun by the first viewer of a camera, shared by all.
    let live = LiveHub::new(
        config.live.clone(),
        config.media.clone(),
        catalog.clock().clone(),
        open_live(sessions.clone(), governor.clone()),
    );
    // A newer system is received and waits for a quiet moment.
    let updates = Updates::open(update::Parts {
        config: config.update.clone(),
        state: state.folder.clone(),
        catalog: catalog.clone(),
        evictor: evictor.clone(),
        volumes: volumes.clone(),
    })?;
    // Every word with the relay, once there is one.
    let (uplink, uplink_handle) = Uplink::new(uplink::Parts {
        key_pem: identity.key_pem().to_owned(),
        state: state.folder.clone(),
        relay: config.relay.clone(),
        catalog: catalog.clone(),
        volumes: volumes.clone(),
        viewers: viewers_of(live.clone()),
        outlooks: evictor.outlooks(),
        updates: updates.told(),
    })?;
    let (ready, ready_rx) = watch::channel(false);
    let app = App::new(api::Parts {
        appliance: identity.appliance.clone(),
        key_sha256: signer.key().fingerprint(),
        backup: backup_of(state.clone(), config_text.to_owned()),
        examine: examine_of(config.clone()),
        support: support_of(config.clone(), config_text.to_owned()),
        resetting: Resetting {
            state: state.clone(),
            ordered: reset_ordered,
        },
        clock: OwnClock::new(&state.folder, SERVICE, ClockSync::ask),
        disks: Disks::new(&config.disks, &state.folder),
        updates: updates.clone(),
        catalog: catalog.clone(),
        volumes: volumes.clone(),
        evictor: evictor.clone(),
        secrets,
        sessions: sessions.clone(),
        pipeline: pipeline.clone(),
        live: live.clone(),
        archiver: archiver.clone(),
        governor,
        membership: uplink_handle.membership(),
        uplink: uplink_handle,
        library: library_rx,
        footage: footage_rx,
        backfill_days: config.discovery.backfill_days,
        ready: ready_rx,
        stopping: tasks.stop_of(Floor::Door),
        own: Default::default(),
    });

    // The page answers from here on, whatever start-up still has to do.
    let listener = listen(config).await?;
    let bound = listener.local_addr().context("ask for the bound address")?;
    let router = api::router::router(app.clone());
    let far = api::router::tunnel_router(app.clone());
    let door = tasks.stop_of(Floor::Door);
    tasks.spawn(Floor::Door, "lan-api", async move {
        api::serve::serve_lan(listener, router, door).await;
        Ok::<_, Infallible>(())
    });
    announce(&state.address_file(), bound);
    let screens = console::keep(bound, app.uplink.clone(), tasks.stop_of(Floor::Door));
    tasks.spawn(Floor::Door, "console", async move {
        screens.await;
        Ok::<_, Infallible>(())
    });
    let door = app.clone();
    let footage_in_use: keeper::FootageInUse = Arc::new(move || door.footage_in_use());
    let updating = keeper::Keeper::new(updates, live.clone(), footage_in_use);
    // On the last floor: answers through the tunnel are counted to their end.
    let access_log = tasks.stop_of(Floor::Uplink);
    tasks.spawn(Floor::Uplink, "access-log", async move {
        app.keep_access_log(access_log).await;
        Ok::<_, Infallible>(())
    });

    // A disk that is not as it should be is known before anything is written.
    let watching = disks::watch(
        catalog.clone(),
        volumes.clone(),
        tasks.stop_of(Floor::Recorders),
    );
    tasks.spawn(Floor::Recorders, "disks", watching);
    let asking = disks::wear::ask(
        catalog.clone(),
        volumes.clone(),
        config.smart.clone(),
        tasks.stop_of(Floor::Recorders),
    );
    tasks.spawn(Floor::Recorders, "smart", asking);
    // What an interruption left half done is finished before anything new begins.
    let finished = catalog.finish_interrupted(&volumes).await?;
    tracing::info!(
        recordings.completed = finished.completed.len(),
        recordings.released = finished.released.len(),
        recordings.removed = finished.removed,
        staging.swept = finished.swept.len(),
        "Start-up check done"
    );
    let recorders = tasks.stop_of(Floor::Recorders);
    // On a floor below the work: what that keeps in its last moment is entered too.
    let keeper = Keeper::new(catalog.clone(), volumes.clone(), signer);
    tasks.spawn(Floor::Recorders, "custody", keeper.run(recorders.clone()));
    tasks.spawn(
        Floor::Recorders,
        "sessions",
        sessions.run(recorders.clone()),
    );
    // Nothing is ordered before what an interruption left half done is finished.
    tasks.spawn(Floor::Recorders, "updates", updating.run(recorders.clone()));
    let streams = recorders.clone();
    tasks.spawn(Floor::Recorders, "live", async move {
        streams.cancelled().await;
        live.shutdown().await;
        Ok::<_, Infallible>(())
    });
    tasks.spawn(Floor::Recorders, "sdk-library", async move {
        ability::watch_library(sdk, library, recorders).await;
        Ok::<_, Infallible>(())
    });
    let (media, folder) = (config.media.clone(), state.folder.join("run/rehearsal"));
    let rehearsing = tasks.stop_of(Floor::Recorders);
    tasks.spawn(Floor::Recorders, "rehearsal", async move {
        ability::watch_footage(media, folder, footage, rehearsing).await;
        Ok::<_, Infallible>(())
    });
    let work = tasks.stop_of(Floor::Work);
    let mover = Mover::new(
        catalog.clone(),
        volumes.clone(),
        evictor.clone(),
        config.tiers.clone(),
    );
    tasks.spawn(Floor::Work, "tiers", mover.run(work.clone()));
    tasks.spawn(Floor::Work, "eviction", evictor.run(work.clone()));
    tasks.spawn(
        Floor::Work,
        "pipeline",
        async move { pipeline.run(work).await },
    );
    let work = tasks.stop_of(Floor::Work);
    let packing = archiver.clone().run_packing(work.clone());
    tasks.spawn(Floor::Work, "archives", packing);
    let removing = archiver.clone().run_removing(work.clone());
    tasks.spawn(Floor::Work, "archives-removed", removing);
    let writing = archiver.run_writing(work);
    tasks.spawn(Floor::Work, "archives-mail", writing);
    let up = tasks.stop_of(Floor::Uplink);
    tasks.spawn(Floor::Uplink, "uplink", uplink.run(far, up));
    let (door, proof) = (tasks.stop_of(Floor::Door), catalog.clone());
    tasks.spawn(Floor::Door, "watchdog", async move {
        watchdog::feed(|| progress(&proof), door).await;
        Ok::<_, Infallible>(())
    });
    ready.send_replace(true);
    watchdog::ready();
    Ok(())
}

/// Longest time that the catalog may take to write one row.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

/// Proof that the threads run, the catalog's writer is not stuck and its disk takes bytes: a row was written.
async fn progress(catalog: &Catalog) -> Result<(), String> {
    let now = catalog.now();
    let write = catalog.set_setting("watchdog", &now);
    match tokio::time::timeout(WRITE_PATIENCE, write).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no row in {} s", WRITE_PATIENCE.as_secs())),
    }
}

/// Who writes e-mails, where that is set up.
fn mailer_of(config: &Config) -> anyhow::Result<Option<Mailer>> {
    let zone = config
        .archive
        .zone
        .clone()
        .unwrap_or_else(jiff::tz::TimeZone::system);
    let mailer = config
        .email
        .clone()
        .map(|email| Mailer::new(email, config.api.listen, zone));
    mailer.transpose().map_err(anyhow::Error::msg)
}

/// Eviction as the pipeline asks for it.
pub fn room_of(evictor: Evictor) -> MakeRoom {
    Arc::new(move |bytes, begun| {
        let evictor = evictor.clone();
        Box::pin(async move {
            let room = evictor.need(bytes, begun).await;
            room.map_err(|why| why.to_string())
        })
    })
}

/// Backups as the API asks for them: in a file without a name.
fn backup_of(state: config::State, text: String) -> MakeBackup {
    MakeBackup(Arc::new(move || {
        let path = state
            .folder
            .join(format!("run/{}.backup", uuid::Uuid::new_v4()));
        let now = Clock::system().now().into();
        backup::make(&state, &text, now, &path, None).map_err(std::io::Error::other)?;
        let file = std::fs::File::open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }))
}

/// Looks anew for each who asks.
fn examine_of(config: Config) -> Examine {
    Examine(Arc::new(move || doctor::examine(&config)))
}

/// Made anew for each who asks.
fn support_of(config: Config, text: String) -> MakeSupport {
    MakeSupport(Arc::new(move || {
        let now = Clock::system().now().into();
        support::make(&config, &text, now)
    }))
}

/// How many people watch each camera, as telemetry asks for it.
fn viewers_of(live: LiveHub) -> Viewers {
    Arc::new(move || {
        live.health()
            .into_iter()
            .map(|(camera, health)| (camera, u32::try_from(health.viewers).unwrap_or(u32::MAX)))
            .collect()
    })
}

/// A recorder's main stream as live view asks for it: with a place, for which lower work gives way.
pub fn open_live(sessions: Sessions, governor: Governor) -> live::Open {
    Arc::new(move |target| {
        let (sessions, governor) = (sessions.clone(), governor.clone());
        Box::pin(async move {
            // First: a recorder that is away makes nobody give way.
            let session = sessions.session(target.recorder).await?;
            let open = || session.live(target.channel, StreamKind::Main);
            governor.live(target.recorder, open).await
        })
    })
}

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.api.listen;
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "listen on {address} ([api] listen): is another program there? `ss -ltnp` shows which"
        )
    })
}

/// Says where the page is, for people in the journal and for programs in a file. A disk that takes no file any more is
/// no reason not to serve: the page is where people see that.
fn announce(file: &Path, bound: SocketAddr) {
    // An address that means "all of them" is of no use to somebody who wants to connect from here.
    let here = match bound.ip().is_unspecified() {
        true => SocketAddr::from(([127, 0, 0, 1], bound.port())),
        false => bound,
    };
    let text = json!({ "api": format!("http://{here}"), "listen": bound.to_string() });
    let folder = file.parent().unwrap_or(Path::new("."));
    let written = base::durable::create_dir_all(folder)
        .and_then(|()| base::durable::replace(file, text.to_string().as_bytes(), 0o644));
    if let Err(error) = written {
        tracing::warn!(path = %file.display(), %error, "The address of the page is not written down for programs");
    }
    tracing::info!(address = %bound, "The page is served");
}
