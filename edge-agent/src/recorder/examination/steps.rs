//! The steps, as they are made.

use std::time::Duration;

use jiff::Timestamp;
use wire::resource::DriverKind;

use super::port;
use super::{Login, Room, Run, Step, Target, first_byte};
use crate::model::clock::{told_ahead, told_problem};
use crate::model::fingerprint::Fingerprint;
use crate::model::inventory::{ChannelInfo, FoundRecording, RecorderIdentity};
use crate::model::time::{UtcRange, UtcTime};
use crate::recorder::clock::ClockBook;
use crate::recorder::config::SdkConfig;
use crate::recorder::driver::{FailureKind, RecorderAccount, RecorderError, RecorderSession, Tls};
use crate::recorder::isapi::{IsapiSession, handshake};
use crate::recorder::reach::Reach;
use crate::recorder::worker::WorkerSession;
use crate::recorder::worker_process::Worker;

/// How much of the past the trial search asks for.
const SEARCH_HOURS: i64 = 24;
/// Channels that are searched for a recording to try.
const CHANNELS_MAX: usize = 4;
/// A recording that ended so long ago has ended: the newest one grows.
const FINISHED_S: i64 = 120;

/// Makes them, up to the first that fails, which stays open.
pub async fn make(
    run: &mut Run<'_>,
    target: &Target,
    login: Login<'_>,
    room: Option<Room<'_>>,
    config: &SdkConfig,
) -> Result<(), RecorderError> {
    // Needed by the worker, and told in its turn.
    let reach = Reach::of(&target.address, target.port).await;
    let worker = match target.driver {
        DriverKind::Isapi => {
            run.skip(
                Step::Library,
                "not needed: the recorder is talked to over ISAPI",
            );
            None
        }
        DriverKind::Sdk => {
            run.begin(Step::Library);
            let known = reach.clone().unwrap_or(Reach::nobody());
            let worker = super::worker(config, &target.at(), &known).await?;
            Some(worker)
        }
    };
    let made = with_worker(run, target, reach, login, room, config, worker.as_ref()).await;
    if let Some(worker) = worker {
        worker.close().await;
    }
    made
}

async fn with_worker(
    run: &mut Run<'_>,
    target: &Target,
    reach: Result<Reach, RecorderError>,
    login: Login<'_>,
    room: Option<Room<'_>>,
    config: &SdkConfig,
    worker: Option<&Worker>,
) -> Result<(), RecorderError> {
    if let Some(worker) = worker {
        let words = library(worker, config)?;
        run.pass(words);
    }

    run.begin(Step::Address);
    let reach = reach?;
    let names: Vec<String> = reach.addresses.iter().map(ToString::to_string).collect();
    run.pass(format!("{} is {}", target.address, names.join(", ")));

    run.begin(Step::Port);
    let patience = Duration::from_secs(config.connect_timeout_s.max(1).into());
    let slow = Duration::from_secs(config.answer_timeout_s.max(1).into());
    let place = port::reached(target, &reach.sockets(), patience).await?;
    let words = port::is_right(target, place, slow).await?;
    run.pass(words);

    let mut tls = target.tls;
    match (target.driver, target.tls) {
        (DriverKind::Sdk, _) => run.skip(
            Step::Tls,
            "not needed: the vendor's library protects its connections in its own way",
        ),
        (DriverKind::Isapi, Tls::Off) => {
            run.skip(
                Step::Tls,
                "not used: HTTPS is switched off for this recorder",
            );
        }
        (DriverKind::Isapi, known) => {
            run.begin(Step::Tls);
            let shown = handshake(&target.at(), &target.address, place, known, slow).await?;
            run.pass(certificate(known, shown.certificate, shown.version));
            // What follows talks to no other.
            tls = Tls::Known(shown.certificate);
        }
    }

    if matches!(login, Login::None) {
        return Ok(());
    }
    run.begin(Step::Login);
    let (session, own) = match log_in(login, tls, config, worker).await {
        Ok(session) => session,
        Err(error) => return Err(port::explained(target, place, error).await),
    };
    let made = with_session(run, &target.at(), &session, room, config).await;
    match own {
        Some(own) => made.and(own.logout().await),
        None => made,
    }
}

fn library(worker: &Worker, config: &SdkConfig) -> Result<String, RecorderError> {
    let hello = worker.hello();
    if let Some(problem) = &hello.problem {
        return Err(RecorderError::new(
            FailureKind::LibraryMissing,
            problem.as_str(),
        ));
    }
    let build = hello.sdk_version.as_deref().unwrap_or("of unknown build");
    let missing = match &hello.missing[..] {
        [] => String::new(),
        names => format!("; without {}", names.join(", ")),
    };
    let open: String = hello
        .sandbox
        .iter()
        .filter_map(|layer| Some((layer.name.word(), layer.missing.as_ref()?)))
        .map(|(name, why)| format!("; not wholly shut in ({name}: {why})"))
        .collect();
    Ok(format!(
        "vendor's library {build} from {}{missing}{open}",
        config.sdk_folder.display()
    ))
}

fn certificate(known: Tls, shown: Fingerprint, version: &str) -> String {
    let since = match known {
        Tls::Known(_) => "the one it is known by",
        Tls::Off | Tls::FirstUse => "new here, and remembered once a login has succeeded",
    };
    format!(
        "{version}, certificate with SHA-256 {}: {since}",
        shown.short()
    )
}

/// A session, and what ends it where that is up to us.
async fn log_in(
    login: Login<'_>,
    tls: Tls,
    config: &SdkConfig,
    worker: Option<&Worker>,
) -> Result<(RecorderSession, Option<WorkerSession>), RecorderError> {
    let account = match login {
        Login::None => {
            return Err(RecorderError::new(
                FailureKind::Local,
                "no account is known",
            ));
        }
        Login::Kept(session) => return Ok((session.await?, None)),
        Login::Own(account) => account,
    };
    let Some(worker) = worker else {
        let account = RecorderAccount {
            tls,
            ..account.clone()
        };
        let book = ClockBook::default();
        let session = IsapiSession::login(&account, config, Default::default(), book).await?;
        return Ok((RecorderSession::Isapi(session), None));
    };
    let session = WorkerSession::login(worker.clone(), account, ClockBook::default()).await?;
    Ok((RecorderSession::Sdk(session.clone()), Some(session)))
}

async fn with_session(
    run: &mut Run<'_>,
    at: &str,
    session: &RecorderSession,
    room: Option<Room<'_>>,
    config: &SdkConfig,
) -> Result<(), RecorderError> {
    let identity = session.identity().clone();
    run.found.identity = Some((*identity).clone());
    run.pass(who(&identity));

    run.begin(Step::Channels);
    if identity.channels.is_empty() {
        let message = format!(
            "{at}: the recorder has no channel with a camera: add the cameras at the recorder first"
        );
        return Err(RecorderError::new(FailureKind::Device, message));
    }
    let offline = |channel: &&ChannelInfo| channel.online == Some(false);
    let lost = match identity.channels.iter().filter(offline).count() {
        0 => String::new(),
        lost => format!(", {lost} of them without their camera now"),
    };
    run.pass(format!("{} channels{lost}", identity.channels.len()));

    run.begin(Step::Search);
    let mut channels: Vec<&ChannelInfo> = identity.channels.iter().collect();
    channels.sort_by_key(offline);
    channels.truncate(CHANNELS_MAX);
    let (words, newest) = search(session, &channels).await?;
    run.pass(words);

    let place = match room {
        None => None,
        Some(room) => {
            run.begin(Step::FirstByte);
            match room.await {
                Some(place) => Some(place),
                None => {
                    run.skip(
                        Step::FirstByte,
                        "people use all that the recorder gives at once, so it gives footage",
                    );
                    return Ok(());
                }
            }
        }
    };
    run.begin(Step::FirstByte);
    let words = match &newest {
        Some((channel, recording)) => {
            first_byte::of_recording(at, session, *channel, recording, config).await?
        }
        None => first_byte::of_live(at, session, channels[0].number, config).await?,
    };
    drop(place);
    run.pass(words);
    Ok(())
}

fn who(identity: &RecorderIdentity) -> String {
    let clock = identity.clock;
    let wrong = told_ahead(clock.offset_ms);
    let problem =
        told_problem(clock.offset_ms, None).map_or(String::new(), |problem| format!(": {problem}"));
    format!(
        "{}, serial number {}, clock {wrong} in UTC{:+03}:{:02}{problem}",
        identity.model,
        identity.serial,
        clock.zone_minutes / 60,
        clock.zone_minutes.abs() % 60
    )
}

/// What the channels hold, in words; and the newest recording that has ended, of the first channel that has one.
async fn search(
    session: &RecorderSession,
    channels: &[&ChannelInfo],
) -> Result<(String, Option<(u32, FoundRecording)>), RecorderError> {
    let now = UtcTime::from(Timestamp::now());
    let range = UtcRange {
        from: now.plus_s(-SEARCH_HOURS * 3600),
        to: now,
    };
    let mut words = Vec::new();
    for channel in channels {
        let found = session.search(channel.number, range).await?.recordings;
        words.push(format!(
            "channel {} holds {} recordings",
            channel.number,
            found.len()
        ));
        let ended = now.plus_s(-FINISHED_S);
        let newest = found
            .into_iter()
            .filter(|recording| recording.span.to <= ended)
            .max_by_key(|recording| recording.span.to);
        if let Some(newest) = newest {
            let words = format!("{} of the last {SEARCH_HOURS} hours", words.join(", "));
            return Ok((words, Some((channel.number, newest))));
        }
    }
    let words = format!("{} of the last {SEARCH_HOURS} hours", words.join(", "));
    Ok((words, None))
}
