//! Connection tests (R11): each step is told as it happens to whoever asks for lines, or all of them at the end.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::{HeaderMap, header};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;
use wire::error::ErrorCode;
use wire::ids::RecorderId;
use wire::resource::Recorder;
use wire::tunnel::Permission;
use zeroize::Zeroizing;

use super::RecorderInput;
use crate::api::error::sentence;
use crate::api::{ApiError, ApiResult, App, JsonBody, Path, Principal};
use crate::governor::Way;
use crate::governor::budget::Class;
use crate::recorder::driver::{RecorderAccount, RecorderError, Tls};
use crate::recorder::examination::{
    self, Examination, Login, News, Outcome, Room, Step, Target, examine,
};

/// Connection tests at once: each may start a worker.
const TESTS_MAX: usize = 4;
/// A test tells each step twice.
const NEWS_MAX: usize = 2 * Step::ALL.len();
/// Media type of an answer line by line.
const LINES: &str = "application/x-ndjson";

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestResult {
    /// Well.
    Passed,
    /// The test ends here.
    Failed,
    /// It was not made.
    Skipped,
}

/// One step of a connection test.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TestStep {
    /// `library`, `address`, `port`, `tls`, `login`, `channels`, `search` or `first_byte`.
    name: &'static str,
    /// How it ended.
    result: TestResult,
    /// What was found; or what went wrong and what to do; or why it was not made.
    message: String,
    /// How long it took.
    elapsed_ms: u64,
}

/// Answer to a connection test.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecorderTest {
    /// Whether no step failed.
    pub ok: bool,
    /// Every step in order; behind one that failed they are `skipped`.
    pub steps: Vec<TestStep>,
}

/// One line of the answer where `application/x-ndjson` was asked for.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum TestLine {
    /// A step begins.
    Begins {
        /// Which.
        name: &'static str,
    },
    /// A step has ended, or is not made.
    Ended(TestStep),
    /// The test is over.
    Done {
        /// Whether no step failed.
        ok: bool,
    },
}

impl From<examination::TestStep> for TestStep {
    fn from(step: examination::TestStep) -> Self {
        Self {
            name: step.step.word(),
            result: match step.outcome {
                Outcome::Passed => TestResult::Passed,
                Outcome::Failed => TestResult::Failed,
                Outcome::Skipped => TestResult::Skipped,
            },
            message: sentence(&step.message),
            elapsed_ms: step.elapsed_ms,
        }
    }
}

impl From<Examination> for RecorderTest {
    fn from(examination: Examination) -> Self {
        Self {
            ok: examination.is_well(),
            steps: examination.steps.into_iter().map(Into::into).collect(),
        }
    }
}

/// Tests under way.
#[derive(Debug)]
pub struct Tests {
    places: Arc<Semaphore>,
    /// What is being tested: the same is not tested twice at once.
    subjects: Arc<Mutex<HashSet<String>>>,
}

impl Default for Tests {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(TESTS_MAX)),
            subjects: Arc::default(),
        }
    }
}

/// A place for a test; given back by dropping.
struct Testing {
    subjects: Arc<Mutex<HashSet<String>>>,
    subject: String,
    _place: OwnedSemaphorePermit,
}

impl Tests {
    fn begin(&self, subject: String) -> ApiResult<Testing> {
        let refuse = |words: &str| {
            Err(ApiError::new(ErrorCode::ConcurrentLimitExceeded, words).retry_after(10))
        };
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return refuse(
                "Several recorders are being tested already. Wait for one of the tests to end.",
            );
        };
        if !locked(&self.subjects).insert(subject.clone()) {
            return refuse("This recorder is being tested already. Wait for that test to end.");
        }
        Ok(Testing {
            subjects: self.subjects.clone(),
            subject,
            _place: place,
        })
    }
}

impl Drop for Testing {
    fn drop(&mut self) {
        locked(&self.subjects).remove(&self.subject);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is tested.
enum Subject {
    /// A recorder that is kept.
    Kept(Box<Recorder>),
    /// What stands in a form; nothing of it is kept.
    Form(RecorderAccount),
}

/// Tests the connection to a recorder step by step and explains what fails. It works with the session that the agent
/// keeps with the recorder; credentials that the recorder has refused are not sent again before they are entered anew.
/// Answers line by line (`TestLine`) to `Accept: application/x-ndjson`.
#[utoipa::path(post, path = "/recorders/{id}/test", tag = "recorders", params(("id" = RecorderId, Path)),
    responses((status = 200, content((RecorderTest = "application/json"), (TestLine = "application/x-ndjson")))))]
pub async fn test(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecorderId>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    who.require(Permission::Manage)?;
    let recorder = app.catalog.recorder(id).await?;
    let testing = app.own.tests.begin(id.to_string())?;
    let subject = Subject::Kept(Box::new(recorder));
    answer(app, subject, testing, wants_lines(&headers)).await
}

/// The same for what stands in a form, before it is kept; nothing of it is kept, so that each call sends the password.
#[utoipa::path(post, path = "/recorders/test", operation_id = "test_form", tag = "recorders", request_body = RecorderInput,
    responses((status = 200, content((RecorderTest = "application/json"), (TestLine = "application/x-ndjson")))))]
pub async fn test_form(
    State(app): State<App>,
    who: Principal,
    headers: HeaderMap,
    JsonBody(input): JsonBody<RecorderInput>,
) -> ApiResult<Response> {
    who.require(Permission::Manage)?;
    let account = input.checked()?.account()?;
    let testing = app.own.tests.begin(account.at())?;
    answer(app, Subject::Form(account), testing, wants_lines(&headers)).await
}

fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted.flat_map(|text| text.split(',')).any(|kind| {
        kind.split(';')
            .next()
            .is_some_and(|kind| kind.trim() == LINES)
    })
}

/// The test goes on to its end whoever stops listening: a login that has begun must not stay half done.
async fn answer(
    app: App,
    subject: Subject,
    testing: Testing,
    by_lines: bool,
) -> ApiResult<Response> {
    let (lines, told) = mpsc::channel(NEWS_MAX + 1);
    let task = tokio::spawn(async move {
        let _testing = testing;
        let tell = |news| {
            let line = match news {
                News::Begins(step) => TestLine::Begins { name: step.word() },
                News::Ended(step) => TestLine::Ended(step.into()),
            };
            // There is room for all of them; nobody listening is fine.
            let _ = lines.try_send(line);
        };
        let outcome = run(&app, subject, tell).await;
        if let Ok(test) = &outcome {
            let _ = lines.try_send(TestLine::Done { ok: test.is_well() });
        }
        outcome
    });
    if !by_lines {
        let test: RecorderTest = task.await.map_err(ApiError::internal)??.into();
        return Ok(Json(test).into_response());
    }
    let lines = ReceiverStream::new(told).map(|line| {
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        Ok::<_, serde_json::Error>(text)
    });
    let headers = [
        (header::CONTENT_TYPE, LINES),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// One test of a recorder that is kept, without anybody listening in between.
pub(super) async fn test_quietly(app: &App, recorder: Recorder) -> ApiResult<RecorderTest> {
    let _testing = app.own.tests.begin(recorder.id.to_string())?;
    let examination = run(app, Subject::Kept(Box::new(recorder)), |_| {}).await?;
    Ok(examination.into())
}

async fn run(
    app: &App,
    subject: Subject,
    mut tell: impl FnMut(News) + Send,
) -> ApiResult<Examination> {
    let config = app.sessions.config();
    let recorder = match subject {
        Subject::Form(account) => {
            let login = Login::Own(&account);
            return Ok(examine(&Target::of(&account), login, None, config, &mut tell).await);
        }
        Subject::Kept(recorder) => recorder,
    };
    let account = app.sessions.account(&recorder).await?;
    let target = Target::of(&account);
    if recorder.enabled {
        let kept = Login::Kept(Box::pin(kept_session(app, &recorder)));
        let room = room(app, recorder.id);
        return Ok(examine(&target, kept, Some(room), config, &mut tell).await);
    }
    if let Some(refusal) = app.sessions.refusal(&recorder).await? {
        let login = Login::Kept(Box::pin(async { Err(refusal) }));
        return Ok(examine(&target, login, None, config, &mut tell).await);
    }
    let examination = examine(&target, Login::Own(&account), None, config, &mut tell).await;
    let accepted = examination.passed(Step::Login);
    app.sessions
        .note_answer(&recorder, accepted, examination.failure.as_ref())
        .await?;
    Ok(examination)
}

/// The session that the agent keeps, if the device is the one that is meant.
async fn kept_session(
    app: &App,
    recorder: &Recorder,
) -> Result<crate::recorder::driver::RecorderSession, RecorderError> {
    use crate::recorder::driver::FailureKind::{Device, Local};
    let session = app.sessions.attempt(recorder.id).await?;
    let serial = session.identity().serial.clone();
    match app.catalog.wrong_device(recorder.id, serial).await {
        Ok(None) => Ok(session),
        Ok(Some(reason)) => Err(RecorderError::new(Device, reason)),
        Err(error) => Err(RecorderError::new(Local, error.to_string())),
    }
}

/// A place as people's downloads have them.
fn room(app: &App, id: RecorderId) -> Room<'_> {
    Box::pin(async move {
        let place = app
            .governor
            .enter(id, Class::Asked, &Way::default())
            .await?;
        let place: Box<dyn Send> = Box::new(place);
        Some(place)
    })
}

impl RecorderInput {
    /// What a login needs; the form has to hold all of it.
    fn account(self) -> ApiResult<RecorderAccount> {
        let driver = self.driver.unwrap_or_default();
        let tls = self.tls.unwrap_or_default();
        let certificate = self.certificate(driver, tls)?;
        let password: Zeroizing<String> = self.password.ok_or_else(|| {
            ApiError::invalid_field("password", "A test needs the password of the account.")
        })?;
        Ok(RecorderAccount {
            driver,
            address: self.address,
            port: self.port.unwrap_or_else(|| super::usual_port(driver, tls)),
            tls: Tls::of(tls, certificate),
            username: self.username,
            password,
        })
    }
}
