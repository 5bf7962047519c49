//! The bytes of a file that never changes under its entity tag, or the part of it that is asked for. What may be asked
//! is in [`super::range`]; bytes are read as the viewer takes them, never ahead of a small buffer.

use std::path::Path as FilePath;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;
use wire::error::ErrorCode;

use super::range::{Wanted, wanted};
use super::{ApiError, ApiResult};

/// Read at a time, for each answer.
const CHUNK_BYTES: usize = 128 * 1024;

/// The file as a whole.
#[derive(Debug)]
pub struct Whole {
    /// Entity tag, quotes included.
    pub tag: String,
    /// Its length.
    pub length: u64,
    /// What it is.
    pub content_type: &'static str,
    /// `Cache-Control`.
    pub cache: &'static str,
    /// What it is saved as, where it is to be saved.
    pub name: Option<String>,
}

/// What of it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    status: StatusCode,
    is_get: bool,
    /// First byte.
    pub first: u64,
    /// Number of bytes.
    pub count: u64,
}

/// Reads the headers of a request; the inner error is the whole answer.
pub fn asked(
    whole: &Whole,
    method: &Method,
    headers: &HeaderMap,
) -> ApiResult<Result<Asked, Response>> {
    let is_get = *method == Method::GET;
    let (status, first, count) = match wanted(headers, is_get, &whole.tag, whole.length) {
        Wanted::NotModified => (StatusCode::NOT_MODIFIED, 0, 0),
        Wanted::Whole => (StatusCode::OK, 0, whole.length),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Changed => {
            return Err(ApiError::new(
                ErrorCode::PreconditionFailed,
                "The file here is not the one that If-Match names. Begin anew without it.",
            ));
        }
        Wanted::Outside => return Ok(Err(outside(whole.length))),
    };
    Ok(Ok(Asked {
        status,
        is_get,
        first,
        count,
    }))
}

/// Opens a file of a known length; the error is in words.
pub async fn open(path: &FilePath, length: u64) -> Result<File, String> {
    let file = File::open(path).await.map_err(|e| e.to_string())?;
    match file.metadata().await.map_err(|e| e.to_string())?.len() {
        bytes if bytes == length => Ok(file),
        bytes => Err(format!("has {bytes} bytes instead of {length}")),
    }
}

/// The answer; `metered` counts the bytes of its body. `what` names the file in the journal.
pub async fn answer(
    whole: &Whole,
    asked: Asked,
    file: File,
    what: &str,
    metered: impl FnOnce(Body) -> Body,
) -> ApiResult<Response> {
    let Asked {
        status,
        is_get,
        first,
        count,
    } = asked;
    let mut response = if is_get && status != StatusCode::NOT_MODIFIED {
        metered(stream(file, what, first, count).await?).into_response()
    } else {
        Body::empty().into_response()
    };
    *response.status_mut() = status;
    let out = response.headers_mut();
    let text = |text: &str| HeaderValue::from_str(text).map_err(ApiError::internal);
    out.insert(header::ETAG, text(&whole.tag)?);
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(whole.cache));
    if status != StatusCode::NOT_MODIFIED {
        out.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(whole.content_type),
        );
        out.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{}", first + count - 1, whole.length);
        out.insert(header::CONTENT_RANGE, text(&range)?);
    }
    if let Some(name) = &whole.name
        && status.is_success()
    {
        out.insert(header::CONTENT_DISPOSITION, attachment(name)?);
    }
    Ok(response)
}

/// 416, telling how long the file is.
fn outside(length: u64) -> Response {
    let error = ApiError::new(
        ErrorCode::RangeNotSatisfiable,
        format!("The range lies outside the file, which has {length} bytes."),
    );
    let mut response = error.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// `count` bytes from `first`, read as they are taken. A file that ends early breaks the answer off: its promised
/// length is not reached, which the viewer sees.
async fn stream(mut file: File, what: &str, first: u64, count: u64) -> ApiResult<Body> {
    file.seek(SeekFrom::Start(first))
        .await
        .map_err(|error| ApiError::internal(format!("seek in the file of {what}: {error}")))?;
    file.set_max_buf_size(CHUNK_BYTES);
    let chunks = ReaderStream::with_capacity(file.take(count), CHUNK_BYTES);
    let (mut left, what) = (count, what.to_owned());
    Ok(Body::from_stream(futures_util::StreamExt::map(
        chunks,
        move |chunk| {
            match &chunk {
                Ok(bytes) => left = left.saturating_sub(bytes.len() as u64),
                Err(error) => {
                    tracing::error!(%error, file = what, missing_bytes = left, "Reading a file failed in the middle of an answer");
                }
            }
            chunk
        },
    )))
}

/// The name for every browser (RFC 6266): in ASCII, and as it is.
fn attachment(name: &str) -> ApiResult<HeaderValue> {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let mut full = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            full.push(byte.into());
        } else {
            full.push_str(&format!("%{byte:02X}"));
        }
    }
    HeaderValue::from_str(&format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"
    ))
    .map_err(ApiError::internal)
}
