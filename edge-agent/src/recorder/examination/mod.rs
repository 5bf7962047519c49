//! A connection test that explains a failure (R11): one step after the other, up to the first that fails. Every step is
//! told when it begins and when it has ended, with what was found or what went wrong and what to do.

mod first_byte;
mod port;
mod steps;

use std::time::Instant;

use futures_util::future::BoxFuture;
use wire::resource::DriverKind;

use super::config::SdkConfig;
use super::driver::{RecorderAccount, RecorderError, RecorderSession, Tls};
use super::reach::Reach;
use super::worker_process::Worker;
use crate::model::inventory::RecorderIdentity;

/// The steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The vendor's library can be used.
    Library,
    /// The address is known.
    Address,
    /// Something answers at the port, and it is not something else.
    Port,
    /// The connection can be encrypted, with the certificate that is trusted.
    Tls,
    /// The recorder accepts the account.
    Login,
    /// It has channels.
    Channels,
    /// It answers a search.
    Search,
    /// It gives footage.
    FirstByte,
}

impl Step {
    /// In order.
    pub const ALL: [Self; 8] = [
        Self::Library,
        Self::Address,
        Self::Port,
        Self::Tls,
        Self::Login,
        Self::Channels,
        Self::Search,
        Self::FirstByte,
    ];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Address => "address",
            Self::Port => "port",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::Channels => "channels",
            Self::Search => "search",
            Self::FirstByte => "first_byte",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Passed,
    /// The test ends here.
    Failed,
    /// It was not made.
    Skipped,
}

/// A step that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestStep {
    /// Which.
    pub step: Step,
    /// How.
    pub outcome: Outcome,
    /// What was found, what went wrong and what to do, or why it was not made.
    pub message: String,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// What is told while a test runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A step begins.
    Begins(Step),
    /// A step has ended, or is not made.
    Ended(TestStep),
}

/// Where a recorder is said to be, and how it is talked to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which way to talk.
    pub driver: DriverKind,
    /// Host name or IP address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// How connections are protected.
    pub tls: Tls,
}

impl Target {
    /// Where an account is.
    pub fn of(account: &RecorderAccount) -> Self {
        Self {
            driver: account.driver,
            address: account.address.clone(),
            port: account.port,
            tls: account.tls,
        }
    }

    /// Address and port, as messages name the recorder.
    fn at(&self) -> String {
        super::driver::at(&self.address, self.port)
    }
}

/// How the test comes by a session.
pub enum Login<'a> {
    /// Not at all: it ends before the login.
    None,
    /// With these credentials, and ends it when it is over.
    Own(&'a RecorderAccount),
    /// From whoever keeps the session with this recorder, so that nothing is sent twice.
    Kept(BoxFuture<'a, Result<RecorderSession, RecorderError>>),
}

/// A place at the recorder for the footage that is asked for; none: people use all that it gives at once.
pub type Room<'a> = BoxFuture<'a, Option<Box<dyn Send>>>;

/// What a test found out.
#[derive(Debug, Default)]
pub struct Examination {
    /// Every step, in order.
    pub steps: Vec<TestStep>,
    /// Why one failed.
    pub failure: Option<RecorderError>,
    /// What the login told.
    pub identity: Option<RecorderIdentity>,
}

impl Examination {
    /// Whether no step failed.
    pub fn is_well(&self) -> bool {
        self.failure.is_none()
    }

    /// Whether this step was made and went well.
    pub fn passed(&self, step: Step) -> bool {
        let well = |made: &TestStep| made.step == step && made.outcome == Outcome::Passed;
        self.steps.iter().any(well)
    }
}

/// Tests a recorder. `tell` hears of every step as it begins and ends.
pub async fn examine(
    target: &Target,
    login: Login<'_>,
    room: Option<Room<'_>>,
    config: &SdkConfig,
    tell: &mut (dyn FnMut(News) + Send),
) -> Examination {
    let mut run = Run {
        tell,
        open: None,
        found: Examination::default(),
    };
    let outcome = steps::make(&mut run, target, login, room, config).await;
    let why = match outcome {
        Ok(()) => "not asked for".to_owned(),
        Err(error) => {
            let failed = run.open.map_or("an earlier step", |(step, _)| step.word());
            run.end(Outcome::Failed, error.message.clone());
            run.found.failure = Some(error);
            format!("not tried, because {failed} failed")
        }
    };
    let made = run.found.steps.len();
    for step in &Step::ALL[made..] {
        run.skip(*step, &why);
    }
    run.found
}

/// A test that runs.
struct Run<'a> {
    tell: &'a mut (dyn FnMut(News) + Send),
    open: Option<(Step, Instant)>,
    found: Examination,
}

impl Run<'_> {
    fn begin(&mut self, step: Step) {
        self.open = Some((step, Instant::now()));
        (self.tell)(News::Begins(step));
    }

    fn pass(&mut self, message: impl Into<String>) {
        self.end(Outcome::Passed, message.into());
    }

    fn skip(&mut self, step: Step, why: &str) {
        self.open = Some((step, Instant::now()));
        self.end(Outcome::Skipped, why.to_owned());
    }

    fn end(&mut self, outcome: Outcome, message: String) {
        let Some((step, began)) = self.open.take() else {
            return;
        };
        let elapsed_ms = match outcome {
            Outcome::Skipped => 0,
            _ => u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let made = TestStep {
            step,
            outcome,
            message,
            elapsed_ms,
        };
        self.found.steps.push(made.clone());
        (self.tell)(News::Ended(made));
    }
}

/// What is missing of the vendor's library, in words; none when a worker can use it.
pub async fn library_problem(config: &SdkConfig) -> Option<String> {
    match worker(config, "the library", &Reach::nobody()).await {
        Ok(worker) => {
            let problem = worker.hello().problem.clone();
            worker.close().await;
            problem
        }
        Err(error) => Some(error.message),
    }
}

/// A worker of its own, for this test.
async fn worker(config: &SdkConfig, at: &str, reach: &Reach) -> Result<Worker, RecorderError> {
    let folder = format!("test-{}", uuid::Uuid::new_v4());
    Worker::start(config, &folder, at, reach).await
}
