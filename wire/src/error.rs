//! The one shape of an API error (spec E), and its codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::UtcTime;

/// `{"success": false, "error": {…}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct ErrorResponse {
    /// Always false.
    pub success: bool,
    /// What happened.
    pub error: ErrorBody,
}

/// What happened and what to do, for a program (`code`) and for a person (`message`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct ErrorBody {
    /// Stable; a client may act on it.
    pub code: ErrorCode,
    /// What happened and what to do, in a sentence.
    pub message: String,
    /// Fields at fault or other facts, where there are any.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    #[schema(value_type = Object)]
    pub details: serde_json::Value,
    /// When.
    pub timestamp: UtcTime,
    /// Finds the request in the journal.
    #[serde(rename = "requestId")]
    pub request_id: String,
}

/// Stable error codes (spec E). Each belongs to one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// 401: the token is not ours, has expired or was revoked.
    AuthTokenInvalid,
    /// 401: no token or cookie came with the request.
    AuthTokenMissing,
    /// 401: wrong user name or password.
    AuthCredentialsInvalid,
    /// 403: logged in, but not allowed to do this (a missing CSRF header included).
    AuthInsufficientPermissions,
    /// 403: the password must be changed first.
    AuthPasswordChangeRequired,
    /// 400: a field is missing, malformed or out of range.
    ValidationFailed,
    /// 404.
    CameraNotFound,
    /// 404.
    RecorderNotFound,
    /// 404.
    RecordingNotFound,
    /// 404.
    SiteNotFound,
    /// 404.
    BookmarkNotFound,
    /// 404: anything else that is not there.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 409: the thing is in a state that does not allow this.
    Conflict,
    /// 409: as much is protected from eviction as may be.
    LockLimitReached,
    /// 410: the footage was here and has left (evicted, deleted).
    FootageGone,
    /// 410: these reports were acknowledged and are no longer kept.
    ReportsGone,
    /// 412: `If-Match`/`If-Range` no longer holds.
    PreconditionFailed,
    /// 413.
    BodyTooLarge,
    /// 416: the range lies outside the file.
    RangeNotSatisfiable,
    /// 429: too many requests; `Retry-After` says when.
    RateLimitExceeded,
    /// 429: too many streams at once.
    ConcurrentLimitExceeded,
    /// 502: the recorder refused or failed.
    RecorderFailed,
    /// 503: the source of a stream cannot be reached.
    StreamNodeUnavailable,
    /// 503: the site is offline; its footage cannot be fetched now.
    SiteOffline,
    /// 500: a recording could not be made or kept.
    RecordingFailed,
    /// 507: no space left.
    StorageFull,
    /// 503: starting up or shutting down.
    Unavailable,
    /// 500: a defect of ours.
    Internal,
}

impl ErrorCode {
    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        match self {
            Self::ValidationFailed => 400,
            Self::AuthTokenInvalid | Self::AuthTokenMissing | Self::AuthCredentialsInvalid => 401,
            Self::AuthInsufficientPermissions | Self::AuthPasswordChangeRequired => 403,
            Self::CameraNotFound
            | Self::RecorderNotFound
            | Self::RecordingNotFound
            | Self::SiteNotFound
            | Self::BookmarkNotFound
            | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict | Self::LockLimitReached => 409,
            Self::FootageGone | Self::ReportsGone => 410,
            Self::PreconditionFailed => 412,
            Self::BodyTooLarge => 413,
            Self::RangeNotSatisfiable => 416,
            Self::RateLimitExceeded | Self::ConcurrentLimitExceeded => 429,
            Self::RecordingFailed | Self::Internal => 500,
            Self::RecorderFailed => 502,
            Self::StreamNodeUnavailable | Self::SiteOffline | Self::Unavailable => 503,
            Self::StorageFull => 507,
        }
    }
}
