//! The HTTP side: documents, search, download.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::documents::{self, inner, unescape};
use super::files;
use super::message::{Answer, Request};
use super::quirks::{Method, Quirks};
use super::{Recorder, Seen, lock};

const PROTOCOL: &str = "HTTP/1.1";
/// Bytes of a download that are sent at once.
const PIECE_BYTES: usize = 16 << 10;

/// What is sent.
enum Reply {
    Whole(Answer),
    Download(Download),
}

/// A body that may be cut.
struct Download {
    answer: Answer,
    bytes: Vec<u8>,
    /// First byte of the file that is sent.
    first: u64,
    cut_at: Option<u64>,
    with_length: bool,
    bytes_per_s: Option<u64>,
}

/// Answers the requests of a connection.
pub(super) async fn serve(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    recorder: Arc<Recorder>,
) {
    let mut connection = BufReader::new(connection);
    while let Ok(Some(request)) = Request::read(&mut connection).await {
        let delay = Duration::from_millis(recorder.quirks().delay_ms);
        tokio::time::sleep(delay).await;
        if recorder.quirks().hangs_up {
            return;
        }
        let reply = answer(&recorder, &request);
        let status = match &reply {
            Reply::Whole(answer) => answer.status,
            Reply::Download(download) => download.answer.status,
        };
        let (sent_bytes, goes_on) = match reply {
            Reply::Whole(answer) => {
                let written = answer.write(PROTOCOL, &mut connection).await;
                (answer.body.len() as u64, written.is_ok())
            }
            Reply::Download(download) => send(download, &mut connection).await,
        };
        recorder.saw(Seen {
            request: format!("{} {}", request.method, request.target),
            status,
            with_credentials: request.header("authorization").is_some(),
            from_byte: from_byte(&request),
            sent_bytes,
        });
        if !goes_on {
            return;
        }
    }
}

/// Bytes sent, and whether the connection goes on.
async fn send(
    download: Download,
    to: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
) -> (u64, bool) {
    let length = download.with_length.then_some(download.bytes.len());
    let head = download.answer.head(PROTOCOL, length);
    if to.write_all(head.as_bytes()).await.is_err() {
        return (0, false);
    }
    let allowed = download
        .cut_at
        .map_or(u64::MAX, |at| at.saturating_sub(download.first));
    let allowed = usize::try_from(allowed)
        .unwrap_or(usize::MAX)
        .min(download.bytes.len());
    let mut sent = 0;
    for piece in download.bytes[..allowed].chunks(PIECE_BYTES) {
        if to.write_all(piece).await.is_err() {
            return (sent, false);
        }
        sent += piece.len() as u64;
        if let Some(rate) = download.bytes_per_s {
            tokio::time::sleep(Duration::from_secs_f64(piece.len() as f64 / rate as f64)).await;
        }
    }
    // What was written must arrive before the connection ends.
    let flushed = to.flush().await.is_ok() && to.get_mut().flush().await.is_ok();
    let whole = allowed == download.bytes.len();
    (sent, flushed && whole && download.with_length)
}

fn answer(recorder: &Recorder, request: &Request) -> Reply {
    if let Some(refusal) = recorder.refuse(request) {
        return Reply::Whole(refusal);
    }
    {
        let mut quirks = lock(&recorder.quirks);
        if quirks.busy > 0 {
            quirks.busy -= 1;
            let text = documents::response_status(
                &quirks,
                &request.target,
                2,
                "Device Busy",
                "deviceBusy",
            );
            return Reply::Whole(Answer::xml(503, text));
        }
    }
    let (device, quirks) = (recorder.device(), recorder.quirks());
    let (http, rtsp) = recorder.ports;
    let refuse = |status: u16, code: u32, text: &str, sub: &str| {
        let document = documents::response_status(&quirks, &request.target, code, text, sub);
        Reply::Whole(Answer::xml(status, document))
    };
    let all = match files::held(&device, &recorder.media) {
        Ok(all) => all,
        Err(error) => {
            eprintln!("stand-in recorder: {error:#}");
            return refuse(500, 3, "Device Error", "deviceError");
        }
    };
    let text = match (request.method.as_str(), request.path()) {
        ("GET", "/ISAPI/Security/userCheck") if !quirks.no_user_check => {
            documents::user_check(&quirks, 200, None)
        }
        ("GET", "/ISAPI/System/deviceInfo") => documents::device_info(&device, &quirks),
        ("GET", "/ISAPI/System/time") => documents::time(&device, &quirks),
        ("GET", "/ISAPI/Security/adminAccesses") => documents::admin_accesses(&quirks, http, rtsp),
        ("GET", "/ISAPI/System/Video/inputs/channels") => documents::video_inputs(&device, &quirks),
        ("GET", "/ISAPI/ContentMgmt/InputProxy/channels") => {
            documents::input_proxies(&device, &quirks)
        }
        ("GET", "/ISAPI/ContentMgmt/InputProxy/channels/status") => {
            documents::input_states(&device, &quirks)
        }
        ("GET", "/ISAPI/Streaming/channels") => {
            documents::streaming_channels(recorder, &device, &quirks)
        }
        ("POST", "/ISAPI/ContentMgmt/search") => {
            let asked = String::from_utf8_lossy(&request.body);
            match documents::search(&device, &quirks, &asked, &all) {
                Some(text) => text,
                None => return refuse(400, 6, "Invalid XML Content", "badXmlContent"),
            }
        }
        ("GET", "/ISAPI/ContentMgmt/search") => {
            return refuse(403, 4, "Invalid Operation", "methodNotAllowed");
        }
        ("GET" | "POST", "/ISAPI/ContentMgmt/download") if !quirks.no_download => {
            let post = request.method == "POST";
            let wrong = match quirks.download_method {
                Method::Any => false,
                Method::Get => post,
                Method::Post => !post,
            };
            if wrong {
                return refuse(403, 4, "Invalid Operation", "methodNotAllowed");
            }
            if quirks.refuse_with_200 {
                return refuse(200, 3, "Device Error", "deviceError");
            }
            let body = String::from_utf8_lossy(&request.body);
            let uri = inner(&body, "playbackURI").map(unescape);
            let located = uri.and_then(|uri| documents::located(&device, &quirks, &uri, &all));
            let Some((held, part)) = located else {
                return refuse(404, 4, "Invalid Operation", "notSupport");
            };
            return match held.file(&device, part) {
                Ok(bytes) => download(
                    recorder,
                    &quirks,
                    request,
                    bytes,
                    device.throttle_bytes_per_s,
                ),
                Err(error) => {
                    eprintln!("stand-in recorder: {error:#}");
                    refuse(500, 3, "Device Error", "deviceError")
                }
            };
        }
        _ => return refuse(404, 4, "Invalid Operation", "notSupport"),
    };
    Reply::Whole(Answer::xml(200, text))
}

fn download(
    recorder: &Recorder,
    quirks: &Quirks,
    request: &Request,
    bytes: Vec<u8>,
    bytes_per_s: Option<u64>,
) -> Reply {
    let whole = bytes.len() as u64;
    let first = from_byte(request).filter(|_| quirks.range).unwrap_or(0);
    if first >= whole {
        let range = format!("bytes */{whole}");
        return Reply::Whole(Answer::status(416).with("Content-Range", range));
    }
    let mut answer = Answer::status(if first > 0 { 206 } else { 200 })
        .with("Content-Type", "application/octet-stream");
    if first > 0 {
        answer = answer.with(
            "Content-Range",
            format!("bytes {first}-{}/{whole}", whole - 1),
        );
    }
    let mut live = lock(&recorder.quirks);
    let cut_at = match live.cut_at.is_empty() {
        true => None,
        false => Some(live.cut_at.remove(0)),
    };
    Reply::Download(Download {
        answer,
        bytes: bytes[first as usize..].to_vec(),
        first,
        cut_at,
        with_length: quirks.content_length,
        bytes_per_s,
    })
}

/// `Range: bytes=N-`.
fn from_byte(request: &Request) -> Option<u64> {
    let range = request.header("range")?.strip_prefix("bytes=")?;
    range.split('-').next()?.parse().ok()
}
