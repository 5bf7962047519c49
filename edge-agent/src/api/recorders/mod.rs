//! Recorders: added, changed, removed, tested (R11), one by one or several at once. A password goes in and never comes out.

pub mod bulk;
mod csv;
pub mod test;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use wire::ids::RecorderId;
use wire::resource::{Camera, DriverKind, Page, Recorder, RecorderState};
use wire::tunnel::Permission;
use zeroize::Zeroizing;

use super::error::sentence;
use super::{ApiError, ApiResult, App, JsonBody, Path, Principal};
use crate::catalog::recorders::{NewRecorder, RecorderChange, SessionNoted};
use crate::model::fingerprint::{Fingerprint, NotAFingerprint};

/// Most recorders of one appliance: each may cost a worker process.
const RECORDERS_MAX: usize = 64;

/// Port of a recorder that was not told otherwise.
pub fn usual_port(driver: DriverKind, tls: bool) -> u16 {
    match (driver, tls) {
        (DriverKind::Sdk, _) => 8000,
        (DriverKind::Isapi, false) => 80,
        (DriverKind::Isapi, true) => 443,
    }
}

/// Longest name that is kept.
const NAME_CHARS_MAX: usize = 100;

/// Longest user name and password that the vendor's login takes.
const LOGIN_BYTES_MAX: usize = 63;

/// Body of `POST /recorders` and `PUT /recorders/{id}`.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecorderInput {
    /// Given by people; empty takes the address.
    #[serde(default)]
    name: String,
    /// How to talk to it: `sdk` unless told otherwise. Stays when it is left out of a change, and cannot be changed any
    /// more once the recorder has answered: the ways number channels differently.
    #[serde(default)]
    driver: Option<DriverKind>,
    /// Host name or IP address.
    address: String,
    /// TCP port; left out, 8000 for `sdk`, 80 for `isapi` and 443 with `tls`, or the known one when changing.
    #[serde(default)]
    #[schema(minimum = 1)]
    port: Option<u16>,
    /// Talk to it over TLS (HTTPS); only with `isapi`, off unless told otherwise. Stays when it is left out of a change.
    #[serde(default)]
    tls: Option<bool>,
    /// SHA-256 of the certificate that it must show from now on: accepts the one in `other_certificate_sha256`. Left
    /// out, the known one counts, or the first that it shows at a login that succeeds.
    #[serde(default)]
    certificate_sha256: Option<String>,
    /// Account on the device.
    username: String,
    /// Its password; when changing, leave it out to keep the one that is known. Never returned.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    password: Option<Zeroizing<String>>,
    /// Whether the agent works with it.
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// The recorders.
#[utoipa::path(get, path = "/recorders", tag = "recorders", responses((status = 200, body = Page<Recorder>)))]
pub async fn list(State(app): State<App>, who: Principal) -> ApiResult<Json<Page<Recorder>>> {
    who.require(Permission::View)?;
    Ok(Json(Page {
        items: app.catalog.recorders().await?,
        next_cursor: None,
    }))
}

/// Adds a recorder. The agent logs in at once; its cameras appear by themselves.
#[utoipa::path(post, path = "/recorders", tag = "recorders", request_body = RecorderInput,
    responses((status = 201, body = Recorder)))]
pub async fn add(
    State(app): State<App>,
    who: Principal,
    JsonBody(input): JsonBody<RecorderInput>,
) -> ApiResult<(StatusCode, Json<Recorder>)> {
    who.require(Permission::Manage)?;
    let input = input.checked()?;
    let password = input.password.as_ref().ok_or_else(|| {
        ApiError::invalid_field(
            "password",
            "A new recorder needs the password of its account.",
        )
    })?;
    if app.catalog.recorders().await?.len() >= RECORDERS_MAX {
        return Err(ApiError::conflict(format!(
            "This appliance has {RECORDERS_MAX} recorders, which is the most. Remove one first."
        )));
    }
    let _storing = app.secrets.storing().await;
    let id = RecorderId::new();
    let driver = input.driver.unwrap_or_default();
    let tls = input.tls.unwrap_or_default();
    let certificate = input.certificate(driver, tls)?;
    let recorder = app
        .catalog
        .add_recorder(NewRecorder {
            id,
            password_sealed: app.secrets.seal(id, password),
            name: input.name,
            driver,
            address: input.address,
            port: input.port.unwrap_or_else(|| usual_port(driver, tls)),
            tls,
            certificate,
            username: input.username,
            enabled: input.enabled,
        })
        .await?;
    tracing::info!(recorder.id = %id, person = %who.username, "A recorder was added");
    Ok((StatusCode::CREATED, Json(recorder)))
}

/// One recorder.
#[utoipa::path(get, path = "/recorders/{id}", tag = "recorders", params(("id" = RecorderId, Path)),
    responses((status = 200, body = Recorder)))]
pub async fn get(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecorderId>,
) -> ApiResult<Json<Recorder>> {
    who.require(Permission::View)?;
    Ok(Json(app.catalog.recorder(id).await?))
}

/// Changes a recorder. What concerns reaching it makes the agent log in anew, also after an error.
#[utoipa::path(put, path = "/recorders/{id}", tag = "recorders", params(("id" = RecorderId, Path)),
    request_body = RecorderInput, responses((status = 200, body = Recorder)))]
pub async fn change(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecorderId>,
    JsonBody(input): JsonBody<RecorderInput>,
) -> ApiResult<Json<Recorder>> {
    who.require(Permission::Manage)?;
    let input = input.checked()?;
    let known = app.catalog.recorder(id).await?;
    if known.serial.is_some() && input.driver.is_some_and(|driver| driver != known.driver) {
        return Err(ApiError::conflict(
            "The way of talking to a recorder cannot be changed once it has answered, because its channels would get \
             other numbers. Remove the recorder and add it again; its footage stays.",
        ));
    }
    let driver = input.driver.unwrap_or(known.driver);
    let certificate = input.certificate(driver, input.tls.unwrap_or(known.tls))?;
    if certificate.is_some() {
        tracing::info!(recorder.id = %id, person = %who.username, "A recorder's certificate was accepted");
    }
    let _storing = app.secrets.storing().await;
    let change = input.changes(&known, certificate, |password| {
        app.secrets.seal(id, password)
    });
    let recorder = app.catalog.change_recorder(id, change).await?;
    tracing::info!(recorder.id = %id, person = %who.username, "A recorder was changed");
    Ok(Json(recorder))
}

/// Removes a recorder. What is held of it stays listed and served under its cameras.
#[utoipa::path(delete, path = "/recorders/{id}", tag = "recorders", params(("id" = RecorderId, Path)),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecorderId>,
) -> ApiResult<StatusCode> {
    who.require(Permission::Manage)?;
    app.catalog.remove_recorder(id).await?;
    tracing::info!(recorder.id = %id, person = %who.username, "A recorder was removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Takes over the recorder's channels as cameras, now. They appear by themselves whenever the agent logs in.
#[utoipa::path(post, path = "/recorders/{id}/import", tag = "recorders", params(("id" = RecorderId, Path)),
    responses((status = 200, body = Page<Camera>)))]
pub async fn import(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecorderId>,
) -> ApiResult<Json<Page<Camera>>> {
    who.require(Permission::Manage)?;
    let recorder = app.catalog.recorder(id).await?;
    if !recorder.enabled {
        return Err(ApiError::conflict(
            "The recorder is switched off. Switch it on first.",
        ));
    }
    let session = app.sessions.session(id).await?;
    let noted = app
        .catalog
        .note_session(
            id,
            RecorderState::Online,
            None,
            app.now(),
            Some(session.identity()),
        )
        .await?;
    if let SessionNoted::WrongDevice(reason) = noted {
        return Err(ApiError::conflict(sentence(&reason)));
    }
    let mut cameras = app.catalog.cameras().await?;
    cameras.retain(|camera| camera.recorder_id == id);
    Ok(Json(Page {
        items: cameras,
        next_cursor: None,
    }))
}

impl RecorderInput {
    /// What can be kept, trimmed; or which field cannot be.
    fn checked(mut self) -> ApiResult<Self> {
        self.address = self.address.trim().to_owned();
        self.username = self.username.trim().to_owned();
        self.name = self.name.trim().to_owned();
        if self.name.is_empty() {
            self.name = self.address.clone();
        }
        let good_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if self.address.is_empty()
            || self.address.len() > 253
            || !self.address.chars().all(good_host)
        {
            return Err(ApiError::invalid_field(
                "address",
                "The address must be a host name or an IP address, without http:// and without a port.",
            ));
        }
        if self.port == Some(0) {
            return Err(ApiError::invalid_field(
                "port",
                "The port must lie between 1 and 65535; mostly it is 8000 for the SDK and 80 for ISAPI.",
            ));
        }
        check_text("name", &self.name, NAME_CHARS_MAX * 4)?;
        if self.name.chars().count() > NAME_CHARS_MAX {
            return Err(ApiError::invalid_field(
                "name",
                format!("The name may have at most {NAME_CHARS_MAX} characters."),
            ));
        }
        check_text("username", &self.username, LOGIN_BYTES_MAX)?;
        if let Some(password) = &self.password {
            check_text("password", password, LOGIN_BYTES_MAX)?;
        }
        Ok(self)
    }

    /// The certificate that a person has accepted, where TLS is possible.
    fn certificate(&self, driver: DriverKind, tls: bool) -> ApiResult<Option<Fingerprint>> {
        if tls && driver != DriverKind::Isapi {
            return Err(ApiError::invalid_field(
                "tls",
                "Only recorders that are talked to over ISAPI can be reached over TLS; the vendor's library protects \
                 its connections in its own way.",
            ));
        }
        self.certificate_sha256
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error: NotAFingerprint| {
                ApiError::invalid_field("certificate_sha256", sentence(&error))
            })
    }

    /// What differs from what is known. Setting the same address again is no reason to log in anew, but giving a
    /// password is: that is how people say "try again".
    fn changes(
        self,
        known: &Recorder,
        certificate: Option<Fingerprint>,
        seal: impl Fn(&str) -> Vec<u8>,
    ) -> RecorderChange {
        fn differs<T: PartialEq>(new: T, old: &T) -> Option<T> {
            (new != *old).then_some(new)
        }
        RecorderChange {
            name: differs(self.name, &known.name),
            address: differs(self.address, &known.address),
            port: self.port.and_then(|port| differs(port, &known.port)),
            driver: self
                .driver
                .and_then(|driver| differs(driver, &known.driver)),
            tls: self.tls.and_then(|tls| differs(tls, &known.tls)),
            certificate: certificate
                .filter(|it| known.certificate_sha256.as_deref() != Some(&*it.to_string())),
            username: differs(self.username, &known.username),
            password_sealed: self.password.as_ref().map(|password| seal(password)),
            enabled: differs(self.enabled, &known.enabled),
        }
    }
}

fn check_text(field: &'static str, text: &str, bytes_max: usize) -> ApiResult<()> {
    if text.is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(ApiError::invalid_field(
            field,
            format!(
                "The {field} must have between 1 and {bytes_max} bytes and no control characters."
            ),
        ));
    }
    Ok(())
}
