//! What every route of the OpenAPI document has in common: how to log in, and how it fails. Handlers name only what is
//! theirs.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, OpenApi, OpenApiBuilder, Ref, ResponseBuilder,
    SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};
use wire::error::{ErrorBody, ErrorCode, ErrorResponse};

use super::cookies;

const BEARER: &str = "bearer";
const COOKIE: &str = "cookie";

/// The document before any route.
pub fn head() -> OpenApi {
    let mut info = Info::new("Holdfast relay", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "The API of the relay: the footage of every site of an organisation. Log in at `/api/v1/auth/login`; browsers get cookies and send \
         `X-CSRF-Token` on changes, programs send `Authorization: Bearer`. Times are RFC 3339 in UTC, sizes are bytes. \
         Every failure has the shape `ErrorResponse`, whose `code` is stable."
            .into(),
    );
    OpenApiBuilder::new().info(info).build()
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
    for (name, schema) in [
        (ErrorResponse::name(), ErrorResponse::schema()),
        (ErrorBody::name(), ErrorBody::schema()),
        (ErrorCode::name(), ErrorCode::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
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
