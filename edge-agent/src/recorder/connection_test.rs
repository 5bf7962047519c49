//! A connection test that explains a failure (R11): one step after the other, up to the first that fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpStream;

use super::clock::ClockBook;
use super::config::SdkConfig;
use super::driver::{FailureKind, RecorderAccount, RecorderError, RecorderSession, Tls};
use super::isapi::IsapiSession;
use super::reach::Reach;
use super::worker::WorkerSession;
use super::worker_process::Worker;
use crate::model::clock::{told_ahead, told_problem};
use crate::model::inventory::{Inventory, RecorderIdentity};
use crate::model::time::{UtcRange, UtcTime};
use wire::resource::DriverKind;

/// How much of the past the trial search asks for.
const SEARCH_HOURS: i64 = 24;

/// One step of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestStep {
    /// `library` (of the SDK), `address`, `port`, `login`, `channels` or `search`.
    pub name: &'static str,
    /// Whether it went well.
    pub ok: bool,
    /// What was found, or what went wrong and what to do.
    pub message: String,
}

/// What a test found out.
#[derive(Debug, Default)]
pub struct Examination {
    /// The steps that were made, in order; only the last one can have failed.
    pub steps: Vec<TestStep>,
    /// Why the last one failed.
    pub failure: Option<RecorderError>,
    /// What the login told.
    pub identity: Option<RecorderIdentity>,
    /// Missing files and functions of the library.
    pub missing: Vec<String>,
}

/// Tests a recorder with a worker and a login of its own: the steps that were made, in order; the first that fails is
/// the last.
pub async fn test_connection(account: &RecorderAccount, config: &SdkConfig) -> Vec<TestStep> {
    examine(&account.address, account.port, Some(account), config)
        .await
        .steps
}

/// As [`test_connection`], and tells what it found. Without an account it ends before the login.
pub async fn examine(
    address: &str,
    port: u16,
    account: Option<&RecorderAccount>,
    config: &SdkConfig,
) -> Examination {
    let mut examination = Examination::default();
    match examine_steps(address, port, account, config, &mut examination).await {
        Ok(()) => {}
        Err((name, error)) => {
            examination.steps.push(TestStep {
                name,
                ok: false,
                message: error.message.clone(),
            });
            examination.failure = Some(error);
        }
    }
    examination
}

/// What is missing of the vendor's library, in words; none when a worker can use it.
pub async fn library_problem(config: &SdkConfig) -> Option<String> {
    let folder = format!("test-{}", uuid::Uuid::new_v4());
    match Worker::start(config, &folder, "the library", &Reach::nobody()).await {
        Ok(worker) => {
            let problem = worker.hello().problem.clone();
            worker.close().await;
            problem
        }
        Err(error) => Some(error.message),
    }
}

async fn examine_steps(
    address: &str,
    port: u16,
    account: Option<&RecorderAccount>,
    config: &SdkConfig,
    found: &mut Examination,
) -> Result<(), (&'static str, RecorderError)> {
    let place = Place {
        address,
        at: RecorderAccount {
            driver: DriverKind::Sdk,
            address: address.to_owned(),
            port,
            tls: Tls::Off,
            username: String::new(),
            password: String::new().into(),
        }
        .at(),
        // Needed by the worker, and told in its turn.
        reach: Reach::of(address, port).await,
        driver: account.map_or(DriverKind::Sdk, |account| account.driver),
        patience: Duration::from_secs(config.connect_timeout_s.max(1).into()),
    };
    if let (DriverKind::Isapi, Some(account)) = (place.driver, account) {
        find(&place, found).await?;
        let session = IsapiSession::login(account, config, Arc::default(), ClockBook::default())
            .await
            .map_err(|error| ("login", error))?;
        return ask(&place.at, &RecorderSession::Isapi(session), found).await;
    }
    let folder = format!("test-{}", uuid::Uuid::new_v4());
    let known = place.reach.clone().unwrap_or(Reach::nobody());
    let worker = Worker::start(config, &folder, &place.at, &known)
        .await
        .map_err(|error| ("library", error))?;
    let result = with_worker(&worker, &place, account, config, found).await;
    worker.close().await;
    result
}

/// Where a recorder is said to be.
struct Place<'a> {
    address: &'a str,
    at: String,
    reach: Result<Reach, RecorderError>,
    driver: DriverKind,
    patience: Duration,
}

impl Examination {
    fn pass(&mut self, name: &'static str, message: String) {
        self.steps.push(TestStep {
            name,
            ok: true,
            message,
        });
    }
}

async fn with_worker(
    worker: &Worker,
    place: &Place<'_>,
    account: Option<&RecorderAccount>,
    config: &SdkConfig,
    found: &mut Examination,
) -> Result<(), (&'static str, RecorderError)> {
    let hello = worker.hello();
    found.missing = hello.missing.clone();
    if let Some(problem) = &hello.problem {
        return Err((
            "library",
            RecorderError::new(FailureKind::LibraryMissing, problem.as_str()),
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
    found.pass(
        "library",
        format!(
            "vendor's library {build} from {}{missing}{open}",
            config.sdk_folder.display()
        ),
    );
    find(place, found).await?;
    let Some(account) = account else {
        return Ok(());
    };
    let session = WorkerSession::login(worker.clone(), account, ClockBook::default())
        .await
        .map_err(|error| ("login", error))?;
    ask(&place.at, &RecorderSession::Sdk(session.clone()), found).await?;
    session.logout().await.map_err(|error| ("login", error))
}

/// Whether the name is known, and whether anything answers there.
async fn find(
    place: &Place<'_>,
    found: &mut Examination,
) -> Result<(), (&'static str, RecorderError)> {
    let reach = place.reach.clone().map_err(|error| ("address", error))?;
    let names: Vec<String> = reach.addresses.iter().map(ToString::to_string).collect();
    found.pass(
        "address",
        format!("{} is {}", place.address, names.join(", ")),
    );
    connect(&reach.sockets(), place)
        .await
        .map_err(|error| ("port", error))?;
    found.pass("port", format!("something answers at {}", place.at));
    Ok(())
}

/// What a login told, and whether a search works.
async fn ask(
    at: &str,
    session: &RecorderSession,
    found: &mut Examination,
) -> Result<(), (&'static str, RecorderError)> {
    let identity = session.identity().clone();
    found.identity = Some((*identity).clone());
    let clock = identity.clock;
    let wrong = told_ahead(clock.offset_ms);
    let problem =
        told_problem(clock.offset_ms, None).map_or(String::new(), |problem| format!(": {problem}"));
    let zone = format!(
        "UTC{:+03}:{:02}",
        clock.zone_minutes / 60,
        clock.zone_minutes.abs() % 60
    );
    found.pass(
        "login",
        format!(
            "{}, serial number {}, clock {wrong} in {zone}{problem}",
            identity.model, identity.serial
        ),
    );

    let Some(first) = identity.channels.first() else {
        let message = format!(
            "{at}: the recorder has no channel with a camera: add the cameras at the recorder first"
        );
        return Err(("channels", RecorderError::new(FailureKind::Device, message)));
    };
    let offline = identity
        .channels
        .iter()
        .filter(|channel| channel.online == Some(false))
        .count();
    let offline = if offline == 0 {
        String::new()
    } else {
        format!(", {offline} of them without their camera now")
    };
    found.pass(
        "channels",
        format!("{} channels{offline}", identity.channels.len()),
    );

    let now = UtcTime::from(Timestamp::now());
    let range = UtcRange {
        from: now.plus_s(-SEARCH_HOURS * 3600),
        to: now,
    };
    let Inventory { recordings, .. } = session
        .search(first.number, range)
        .await
        .map_err(|error| ("search", error))?;
    let message = format!(
        "channel {} holds {} recordings of the last {SEARCH_HOURS} hours",
        first.number,
        recordings.len()
    );
    found.pass("search", message);
    Ok(())
}

/// A plain connection, which tells "nobody there" from everything else at once and in words.
async fn connect(addresses: &[SocketAddr], place: &Place<'_>) -> Result<(), RecorderError> {
    let mut last = None;
    for address in addresses {
        match tokio::time::timeout(place.patience, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(std::io::ErrorKind::TimedOut.into()),
        }
    }
    let why = match last.map(|error| error.kind()) {
        Some(std::io::ErrorKind::ConnectionRefused) => match place.driver {
            DriverKind::Sdk => {
                "the host is there and refuses the connection: check the port (8000 unless it was changed), and that the recorder has started"
            }
            DriverKind::Isapi => {
                "the host is there and refuses the connection: check the web port (80 unless it was changed), and that HTTP is switched on at the recorder"
            }
        },
        Some(std::io::ErrorKind::TimedOut) => {
            "no answer in time: check address, cable, and that the recorder is on"
        }
        _ => "check address, cable, and that this box and the recorder are in the same network",
    };
    Err(RecorderError::new(
        FailureKind::Network,
        format!("nothing answers at {}: {why}", place.at),
    ))
}
