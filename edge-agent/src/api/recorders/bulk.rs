//! Several recorders at once: switched, removed, tested, or added from a list. Either all of it is done or nothing.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::RecorderId;
use wire::resource::{DriverKind, Recorder};
use wire::tunnel::Permission;
use zeroize::Zeroizing;

use super::csv::{self, Line, Problem};
use super::test::{RecorderTest, test_quietly};
use super::{RECORDERS_MAX, RecorderInput, usual_port};
use crate::api::error::sentence;
use crate::api::{ApiError, ApiResult, App, JsonBody, Principal};
use crate::catalog::recorders::NewRecorder;

/// Problems of a list that are named; the rest are counted.
const PROBLEMS_MAX: usize = 100;

/// What to do with several recorders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecorderAction {
    /// Work with them.
    Enable,
    /// Leave them alone.
    Disable,
    /// Remove them. What is held of them stays listed and served under their cameras.
    Delete,
    /// Test them, one after the other.
    Test,
}

/// Body of `POST /recorders/bulk`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordersBulk {
    /// What to do.
    action: RecorderAction,
    /// With which recorders, each once.
    ids: Vec<RecorderId>,
}

/// What became of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkItem {
    /// Which.
    id: RecorderId,
    /// Whether it went well.
    ok: bool,
    /// Its test, where that was asked for.
    test: Option<RecorderTest>,
    /// Why there is no test, in words.
    message: Option<String>,
}

/// Answer to `POST /recorders/bulk`.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordersBulkDone {
    /// In the order asked for.
    items: Vec<BulkItem>,
}

/// Enables, disables, removes or tests several recorders. An id that is not known changes nothing at all.
#[utoipa::path(post, path = "/recorders/bulk", tag = "recorders", request_body = RecordersBulk,
    responses((status = 200, body = RecordersBulkDone)))]
pub async fn bulk(
    State(app): State<App>,
    who: Principal,
    JsonBody(bulk): JsonBody<RecordersBulk>,
) -> ApiResult<Json<RecordersBulkDone>> {
    who.require(Permission::Manage)?;
    let RecordersBulk { action, mut ids } = bulk;
    let mut known = std::collections::HashSet::new();
    ids.retain(|id| known.insert(*id));
    if ids.is_empty() || ids.len() > RECORDERS_MAX {
        return Err(ApiError::invalid_field(
            "ids",
            format!("Name between 1 and {RECORDERS_MAX} recorders."),
        ));
    }
    let items = match action {
        RecorderAction::Test => test_each(&app, &ids).await?,
        RecorderAction::Enable | RecorderAction::Disable => {
            let enabled = action == RecorderAction::Enable;
            app.catalog.switch_recorders(ids.clone(), enabled).await?;
            done(&ids)
        }
        RecorderAction::Delete => {
            app.catalog.remove_recorders(ids.clone()).await?;
            done(&ids)
        }
    };
    tracing::info!(?action, recorders = ids.len(), person = %who.username, "Several recorders were changed at once");
    Ok(Json(RecordersBulkDone { items }))
}

fn done(ids: &[RecorderId]) -> Vec<BulkItem> {
    ids.iter()
        .map(|id| BulkItem {
            id: *id,
            ok: true,
            test: None,
            message: None,
        })
        .collect()
}

async fn test_each(app: &App, ids: &[RecorderId]) -> ApiResult<Vec<BulkItem>> {
    let mut recorders = Vec::with_capacity(ids.len());
    for id in ids {
        recorders.push(app.catalog.recorder(*id).await?);
    }
    let mut items = Vec::with_capacity(ids.len());
    for recorder in recorders {
        let id = recorder.id;
        let tested = test_quietly(app, recorder).await;
        let (ok, test, message) = match tested {
            Ok(test) => (test.ok, Some(test), None),
            Err(error) => (false, None, Some(error.message)),
        };
        items.push(BulkItem {
            id,
            ok,
            test,
            message,
        });
    }
    Ok(items)
}

/// Body of `POST /recorders/list`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecorderList {
    /// `name,driver,address,port,username,password,enabled`, one recorder a line, the first line naming the columns.
    /// `driver` is `sdk`, `isapi` or `isapi-tls`; an empty port is the usual one; an empty `enabled` is `yes`.
    #[schema(value_type = String, write_only)]
    csv: Zeroizing<String>,
    /// Only look; nothing is added.
    dry_run: bool,
}

/// A line of the list that is not taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListProblem {
    /// Counted from 1, the line of the columns included.
    line: usize,
    /// Why, in words.
    message: String,
}

/// A recorder of the list, without its password.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedRecorder {
    /// Its line.
    line: usize,
    /// Name.
    name: String,
    /// How it is talked to.
    driver: DriverKind,
    /// Over HTTPS.
    tls: bool,
    /// Host name or IP address.
    address: String,
    /// TCP port.
    port: u16,
    /// Account on the device.
    username: String,
    /// Whether the agent will work with it.
    enabled: bool,
}

/// Answer to `POST /recorders/list`.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecorderListRead {
    /// What is understood.
    recorders: Vec<ListedRecorder>,
    /// What is not, or cannot be; at most 100 of them.
    problems: Vec<ListProblem>,
    /// Recorders that were added: all of them, or none.
    added: usize,
}

/// Adds the recorders of a list (CSV), all or none; or only looks at it. Every line that cannot be taken is named.
#[utoipa::path(post, path = "/recorders/list", tag = "recorders", request_body = RecorderList,
    responses((status = 200, body = RecorderListRead)))]
pub async fn add_list(
    State(app): State<App>,
    who: Principal,
    JsonBody(list): JsonBody<RecorderList>,
) -> ApiResult<Json<RecorderListRead>> {
    who.require(Permission::Manage)?;
    let (lines, mut problems) = csv::read(&list.csv);
    let known = app.catalog.recorders().await?;
    let mut taken: HashMap<(String, u16), String> = known
        .iter()
        .map(|recorder| (place_of(recorder), format!("recorder {:?}", recorder.name)))
        .collect();
    let mut inputs = Vec::new();
    for line in lines {
        let number = line.number;
        let checked = checked(line).and_then(|(input, listed)| {
            let place = (listed.address.clone(), listed.port);
            match taken.insert(place, format!("line {number}")) {
                None => Ok((input, listed)),
                Some(other) => Err(format!("has the address and port of {other}")),
            }
        });
        match checked {
            Ok(entry) => inputs.push(entry),
            Err(message) => problems.push(Problem {
                line: number,
                message,
            }),
        }
    }
    if known.len() + inputs.len() > RECORDERS_MAX {
        problems.push(Problem {
            line: 1,
            message: format!(
                "{} recorders are there and {} would come: {RECORDERS_MAX} is the most",
                known.len(),
                inputs.len()
            ),
        });
    }
    problems.sort_by_key(|problem| problem.line);
    let mut added = 0;
    if !list.dry_run && problems.is_empty() {
        let _storing = app.secrets.storing().await;
        let new: Vec<NewRecorder> = inputs
            .iter()
            .map(|(input, listed)| new_recorder(&app, input, listed))
            .collect();
        added = app.catalog.add_recorders(new).await?.len();
        tracing::info!(recorders = added, person = %who.username, "Recorders were added from a list");
    }
    Ok(Json(RecorderListRead {
        recorders: inputs.into_iter().map(|(_, listed)| listed).collect(),
        problems: problems
            .into_iter()
            .take(PROBLEMS_MAX)
            .map(|Problem { line, message }| ListProblem {
                line,
                message: sentence(&message),
            })
            .collect(),
        added,
    }))
}

fn place_of(recorder: &Recorder) -> (String, u16) {
    (recorder.address.clone(), recorder.port)
}

/// By the rules of the form.
fn checked(line: Line) -> Result<(RecorderInput, ListedRecorder), String> {
    let number = line.number;
    let port = line
        .port
        .unwrap_or_else(|| usual_port(line.driver, line.tls));
    let input = RecorderInput {
        name: line.name,
        driver: Some(line.driver),
        address: line.address,
        port: Some(port),
        tls: Some(line.tls),
        certificate_sha256: None,
        username: line.username,
        password: Some(line.password),
        enabled: line.enabled,
    };
    let input = input.checked().map_err(|error| error.message)?;
    let listed = ListedRecorder {
        line: number,
        name: input.name.clone(),
        driver: line.driver,
        tls: line.tls,
        address: input.address.clone(),
        port,
        username: input.username.clone(),
        enabled: input.enabled,
    };
    Ok((input, listed))
}

fn new_recorder(app: &App, input: &RecorderInput, listed: &ListedRecorder) -> NewRecorder {
    let id = RecorderId::new();
    let password = input.password.as_ref().map_or("", |password| password);
    NewRecorder {
        id,
        name: input.name.clone(),
        driver: listed.driver,
        address: input.address.clone(),
        port: listed.port,
        username: input.username.clone(),
        password_sealed: app.secrets.seal(id, password),
        tls: listed.tls,
        certificate: None,
        enabled: input.enabled,
    }
}
