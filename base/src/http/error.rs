//! What a handler may answer when it cannot do what was asked: one code, one sentence that says what happened and what
//! to do, and the one shape of spec E.
//!
//! A handler returns `Err(ApiError)`. Its response carries the error as an extension and no body; [`super::request`]
//! is the one place that writes the body, because only it knows the request id. Answers of the framework (no such
//! route, wrong method, oversize body) and panics take the same way.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use wire::error::{ErrorBody, ErrorCode, ErrorResponse};
use wire::time::UtcTime;

/// The answer of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

/// Why a request is refused or failed.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// Stable; decides the status.
    pub code: ErrorCode,
    /// What happened and what to do.
    pub message: String,
    /// Facts for a program, or null.
    pub details: Value,
    /// When to come again, for 429 and 503.
    pub retry_after_s: Option<u32>,
}

impl ApiError {
    /// An error with a sentence for the person.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Value::Null,
            retry_after_s: None,
        }
    }

    /// 400: what is wrong with the request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationFailed, message)
    }

    /// 400 about one field, which is named in `details`.
    pub fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).details(serde_json::json!({ "field": field }))
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// 429: come again later.
    pub fn too_many(retry_after_s: u32) -> Self {
        Self::new(
            ErrorCode::RateLimitExceeded,
            format!("Too many attempts. Wait {retry_after_s} seconds and try again."),
        )
        .retry_after(retry_after_s)
    }

    /// 503: starting or stopping.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message).retry_after(5)
    }

    /// 500: a defect of ours. The cause goes to the journal, not to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "A request failed for a reason of our own");
        Self::new(
            ErrorCode::Internal,
            "This failed because of a fault of the program itself. Try again; if it stays, give the request id to support.",
        )
    }

    /// With facts for a program.
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// With the seconds after which to come again.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The body.
    pub fn body(&self, request_id: &str, now: UtcTime) -> ErrorResponse {
        ErrorResponse {
            success: false,
            error: ErrorBody {
                code: self.code,
                message: self.message.clone(),
                details: self.details.clone(),
                timestamp: now,
                request_id: request_id.to_owned(),
            },
        }
    }

    /// The status that goes with the code.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<crate::sqlite::DbError> for ApiError {
    fn from(error: crate::sqlite::DbError) -> Self {
        match error {
            crate::sqlite::DbError::Closed => Self::unavailable(
                "The program is stopping or has just restarted. Try again in a moment.",
            ),
            other => Self::internal(other),
        }
    }
}

/// An error text as a sentence: errors are written to be joined, answers are read alone.
pub fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    match chars.next() {
        Some(first) => format!("{}{}{end}", first.to_uppercase(), chars.as_str()),
        None => text,
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::new(ErrorCode::BodyTooLarge, BODY_TOO_LARGE);
        }
        match rejection {
            JsonRejection::MissingJsonContentType(_) => {
                Self::invalid("The body must be JSON and say so: Content-Type: application/json.")
            }
            other => Self::invalid(format!(
                "The body is not what it must be: {}.",
                cause(&other)
            )),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(format!(
            "The query is not what it must be: {}.",
            cause(&rejection)
        ))
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(format!(
            "The address is not what it must be: {}.",
            cause(&rejection)
        ))
    }
}

/// Said wherever a body is over the limit.
pub(super) const BODY_TOO_LARGE: &str =
    "The body is larger than any request here needs (64 KiB). Send less.";

/// The innermost cause: the outer sentences only say which type was being read.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().chars().take(300).collect()
}
