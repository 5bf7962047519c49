//! The port: whether anything answers there, and whether it is what it should be.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::resource::DriverKind;

use super::Target;
use crate::recorder::driver::{FailureKind, RecorderError, Tls};
use crate::recorder::isapi::handshake;

/// The vendor's own port: whatever answers there is not asked who it is before the login.
const SDK_PORT: u16 = 8000;
/// How long something at the SDK's port may take to give itself away as something else.
const GLANCE: Duration = Duration::from_millis(700);
/// A server says what it is in its first bytes.
const FIRST_BYTES_MAX: usize = 1 << 10;

/// What answers to a plain question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Http,
    Tls,
    Rtsp,
    /// Nothing came, or the connection was closed, or neither is known.
    Unknown,
}

/// The address at which something answers; or "nobody there", at once and in words.
pub async fn reached(
    target: &Target,
    addresses: &[SocketAddr],
    patience: Duration,
) -> Result<SocketAddr, RecorderError> {
    let mut last = None;
    for address in addresses {
        match tokio::time::timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(*address),
            Ok(Err(error)) => last = Some(error.kind()),
            Err(_) => last = Some(io::ErrorKind::TimedOut),
        }
    }
    let why = match last {
        Some(io::ErrorKind::ConnectionRefused) => format!(
            "the host is there and refuses the connection: check the port ({}), and that {}",
            usual(target),
            match (target.driver, target.tls) {
                (DriverKind::Sdk, _) => "the recorder has started",
                (DriverKind::Isapi, Tls::Off) => "HTTP is switched on at the recorder",
                (DriverKind::Isapi, _) => "HTTPS is switched on at the recorder",
            }
        ),
        Some(io::ErrorKind::TimedOut) => {
            "no answer in time: check address, cable, and that the recorder is on".to_owned()
        }
        _ => "check address, cable, and that this box and the recorder are in the same network"
            .to_owned(),
    };
    let message = format!("nothing answers at {}: {why}", target.at());
    Err(RecorderError::new(FailureKind::Network, message))
}

/// Whether what answers is what it should be, as far as that can be told without a login.
pub async fn is_right(
    target: &Target,
    place: SocketAddr,
    slow: Duration,
) -> Result<String, RecorderError> {
    let at = target.at();
    let something = format!("something answers at {at}");
    match (target.driver, target.tls) {
        // The handshake tells.
        (DriverKind::Isapi, Tls::FirstUse | Tls::Known(_)) => Ok(something),
        (DriverKind::Isapi, Tls::Off) => match who_answers(place, slow).await {
            Answer::Http => Ok(format!("a web server answers at {at}")),
            // Some servers end what is not TLS without a word.
            Answer::Unknown => {
                let tls = handshake(&at, &target.address, place, Tls::FirstUse, slow).await;
                let answer = tls.map_or(Answer::Unknown, |_| Answer::Tls);
                Err(wrong(target, answer))
            }
            other => Err(wrong(target, other)),
        },
        (DriverKind::Sdk, _) if target.port == SDK_PORT => Ok(something),
        (DriverKind::Sdk, _) => match who_answers(place, GLANCE).await {
            Answer::Unknown => Ok(something),
            other => Err(wrong(target, other)),
        },
    }
}

/// A login that failed because what answers is not the recorder's SDK service says so.
pub async fn explained(target: &Target, place: SocketAddr, error: RecorderError) -> RecorderError {
    let may_be_another = target.driver == DriverKind::Sdk
        && matches!(
            error.kind,
            FailureKind::Network | FailureKind::Device | FailureKind::Unsupported
        );
    if !may_be_another {
        return error;
    }
    match who_answers(place, GLANCE).await {
        Answer::Unknown => error,
        other => wrong(target, other),
    }
}

fn wrong(target: &Target, answer: Answer) -> RecorderError {
    let who = match answer {
        Answer::Http => "a web server answers",
        Answer::Tls => "a server that wants TLS (HTTPS) answers",
        Answer::Rtsp => "the port of video streams (RTSP) answers",
        Answer::Unknown => "something answers that is no web server",
    };
    let what = match (target.driver, answer) {
        (DriverKind::Sdk, Answer::Http | Answer::Tls) => {
            "this is not the port of the vendor's library: give that one (8000 unless it was changed), or choose ISAPI"
        }
        (DriverKind::Sdk, _) => {
            "give the port of the vendor's library (8000 unless it was changed)"
        }
        (DriverKind::Isapi, Answer::Tls) => {
            "switch HTTPS on here, or give the HTTP port (80 unless it was changed)"
        }
        (DriverKind::Isapi, Answer::Unknown) if target.port == SDK_PORT => {
            "8000 is the port of the vendor's library: give the web port (80 unless it was changed), or choose the library"
        }
        (DriverKind::Isapi, _) => "give the web port (80 unless it was changed)",
    };
    let message = format!("{who} at {}: {what}", target.at());
    RecorderError::new(FailureKind::Unsupported, message)
}

fn usual(target: &Target) -> &'static str {
    match (target.driver, target.tls) {
        (DriverKind::Sdk, _) => "8000 unless it was changed",
        (DriverKind::Isapi, Tls::Off) => "80 unless it was changed",
        (DriverKind::Isapi, _) => "443 unless it was changed",
    }
}

/// Asks for nothing in particular in the language of the web, which every server answers in its own way.
async fn who_answers(place: SocketAddr, patience: Duration) -> Answer {
    let asked = tokio::time::timeout(patience, first_bytes(place));
    match asked.await {
        Ok(Ok(bytes)) => kind_of(&bytes),
        Ok(Err(_)) | Err(_) => Answer::Unknown,
    }
}

async fn first_bytes(place: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(place).await?;
    let host = place.ip();
    let question = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut bytes = Vec::new();
    // A few more bytes may come in a second piece; servers that keep silent after the head are cut off by patience.
    while bytes.len() < FIRST_BYTES_MAX && stream.read_buf(&mut bytes).await? > 0 {
        if kind_of(&bytes) != Answer::Unknown && bytes.len() > 16 {
            break;
        }
    }
    Ok(bytes)
}

fn kind_of(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    match bytes {
        // Web servers say in plain text that they were addressed in plain text.
        _ if text.starts_with("HTTP/1.1 400") && text.contains("HTTPS") => Answer::Tls,
        _ if text.starts_with("HTTP/") => Answer::Http,
        _ if text.starts_with("RTSP/") => Answer::Rtsp,
        // An alert record of TLS.
        [0x15, 0x03, ..] => Answer::Tls,
        _ => Answer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_first_bytes() {
        for (bytes, answer) in [
            (&b"HTTP/1.1 401 Unauthorized\r\n"[..], Answer::Http),
            (
                b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port",
                Answer::Tls,
            ),
            (b"RTSP/1.0 400 Bad Request\r\n", Answer::Rtsp),
            (&[0x15, 0x03, 0x01, 0, 2, 2, 70], Answer::Tls),
            (b"", Answer::Unknown),
            (&[0, 0, 0, 16, 0x63, 0, 0, 0], Answer::Unknown),
        ] {
            assert_eq!(kind_of(bytes), answer, "{bytes:?}");
        }
    }
}
