//! What every route of the OpenAPI document has in common: how to log in, and how it fails. Handlers name only what is
//! theirs.

use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, OpenApi, Ref, ResponseBuilder, SecurityRequirement,
};
use wire::error::{ErrorBody, ErrorCode, ErrorResponse};
use wire::ids::{ArchiveId, BookmarkId, CameraId, LogId, RecorderId, RecordingId, SyncJobId};
use wire::resource::RecordingStatus;
use wire::time::UtcTime;

use super::cookies;

const BEARER: &str = "bearer";
const COOKIE: &str = "cookie";

/// What no route names but every route refers to; the schemas of parameters are not collected by themselves.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(
    ErrorResponse,
    ErrorBody,
    ErrorCode,
    UtcTime,
    RecorderId,
    CameraId,
    RecordingId,
    SyncJobId,
    BookmarkId,
    ArchiveId,
    LogId,
    RecordingStatus
)))]
struct Common;

/// The document before any route.
pub fn head() -> OpenApi {
    let mut info = Info::new("Holdfast agent", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "The API of an appliance on its site's network. Log in at `/api/v1/auth/login`; browsers get cookies and send \
         `X-CSRF-Token` on changes, programs send `Authorization: Bearer`. Times are RFC 3339 in UTC, sizes are bytes. \
         Every failure has the shape `ErrorResponse`, whose `code` is stable."
            .into(),
    );
    let mut document = <Common as utoipa::OpenApi>::openapi();
    document.info = info;
    document
}

/// Adds login and failures to every route.
pub fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(
        BEARER,
        SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
    );
    components.add_security_scheme(
        COOKIE,
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(cookies::ACCESS))),
    );
    for item in document.paths.paths.values_mut() {
        for operation in [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ]
        .into_iter()
        .flatten()
        {
            complete_operation(operation);
        }
    }
    document
}

fn complete_operation(operation: &mut Operation) {
    // Handlers are called `list` and `get` within their noun; generated clients need one name for each.
    let noun = operation.tags.as_ref().and_then(|tags| tags.first());
    if let (Some(noun), Some(name)) = (noun, &operation.operation_id) {
        operation.operation_id = Some(format!("{noun}_{name}"));
    }
    let is_public = match &operation.security {
        Some(_) => true,
        None => {
            operation.security = Some(vec![requirement(BEARER), requirement(COOKIE)]);
            false
        }
    };
    let failure = |text: &str| {
        ResponseBuilder::new()
            .description(text)
            .content(
                "application/json",
                ContentBuilder::new()
                    .schema(Some(Ref::from_schema_name(ErrorResponse::name())))
                    .build(),
            )
            .build()
    };
    let responses = &mut operation.responses.responses;
    if !is_public {
        responses.insert(
            "401".into(),
            failure("Nobody is logged in, or the login has ended.").into(),
        );
        responses.insert(
            "403".into(),
            failure("Logged in, but not allowed to do this; or the CSRF header is missing.").into(),
        );
    }
    responses.insert("default".into(), failure("Any other failure.").into());
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, Vec::<String>::new())
}
