//! A stand-in recorder that speaks ISAPI over HTTP and RTSP, so that the driver under test is the shipped one and an
//! unmodified foreign client can use it too. It serves the same reels and the same [`Device`] as the stand-in SDK, and
//! misbehaves on demand ([`Quirks`]).
//!
//! Of a `Device` it knows address, account and lock, serial and model, zone and skew, channels with their recordings
//! and live reels, and `throttle_bytes_per_s`; faults are those of the SDK's calls, here there are quirks instead.

mod digest;
mod documents;
mod files;
mod http;
mod message;
mod quirks;
mod rtp;
mod rtsp;
mod tls;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Result;
use hcnetsdk::scenario::Device;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::digest::{Nonces, Verdict};
use self::message::{Answer, Request};

pub use self::quirks::{Challenge, Method, Position, Quirks};

/// One request as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Method and target.
    pub request: String,
    /// Status.
    pub status: u16,
    /// Whether it came with credentials.
    pub with_credentials: bool,
    /// First byte asked for.
    pub from_byte: Option<u64>,
    /// Bytes of the body that were sent.
    pub sent_bytes: u64,
}

/// A running stand-in. Ends with its handle.
#[derive(Debug)]
pub struct IsapiRecorder {
    /// Where HTTP answers.
    pub http: SocketAddr,
    /// Where RTSP answers.
    pub rtsp: SocketAddr,
    recorder: Arc<Recorder>,
    _running: DropGuard,
}

/// What its connections share.
#[derive(Debug)]
pub(crate) struct Recorder {
    device: Mutex<Device>,
    quirks: Mutex<Quirks>,
    /// Reels of the device are relative to this.
    media: PathBuf,
    ports: (u16, u16),
    /// None: HTTP.
    https: Option<tls::Https>,
    nonces: Nonces,
    tries: Mutex<Tries>,
    seen: Mutex<Vec<Seen>>,
    rtsp_sessions: Mutex<HashMap<u64, ()>>,
}

#[derive(Debug, Default)]
struct Tries {
    wrong: u32,
    locked_since: Option<Instant>,
}

impl IsapiRecorder {
    /// Starts one on free ports of the loopback address, on the running runtime. Its device gets the port of HTTP.
    pub async fn start(device: Device, media: &Path, quirks: Quirks) -> Result<Self> {
        Self::start_with(device, media, quirks, None).await
    }

    /// As [`Self::start`], with HTTPS and a certificate of its own in place of HTTP.
    pub async fn start_tls(device: Device, media: &Path, quirks: Quirks) -> Result<Self> {
        Self::start_with(device, media, quirks, Some(tls::Https::new()?)).await
    }

    async fn start_with(
        mut device: Device,
        media: &Path,
        quirks: Quirks,
        https: Option<tls::Https>,
    ) -> Result<Self> {
        let http = TcpListener::bind("127.0.0.1:0").await?;
        let rtsp = TcpListener::bind("127.0.0.1:0").await?;
        let (http_address, rtsp_address) = (http.local_addr()?, rtsp.local_addr()?);
        device.address = http_address.ip().to_string();
        device.port = http_address.port();
        let recorder = Arc::new(Recorder {
            device: Mutex::new(device),
            quirks: Mutex::new(quirks),
            media: media.to_owned(),
            ports: (http_address.port(), rtsp_address.port()),
            https,
            nonces: Nonces::default(),
            tries: Mutex::default(),
            seen: Mutex::default(),
            rtsp_sessions: Mutex::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(
            http,
            recorder.clone(),
            stop.clone(),
            web,
        )));
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(
            rtsp,
            recorder.clone(),
            stop.clone(),
            rtsp::serve,
        )));
        Ok(Self {
            http: http_address,
            rtsp: rtsp_address,
            recorder,
            _running: stop.drop_guard(),
        })
    }

    /// SHA-256 of its certificate as 64 hex digits; empty without TLS.
    pub fn certificate_sha256(&self) -> String {
        let https = self.recorder.https.as_ref();
        https.map(tls::Https::sha256).unwrap_or_default()
    }

    /// It was reset, or another device has taken its place: another certificate from now on.
    pub fn replace_certificate(&self) -> Result<()> {
        let https = self.recorder.https.as_ref();
        https.map_or(Ok(()), tls::Https::replace)
    }

    /// Changes how it behaves, from the next request on.
    pub fn quirks(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut lock(&self.recorder.quirks));
    }

    /// Changes what it is and holds, from the next request on.
    pub fn device(&self, change: impl FnOnce(&mut Device)) {
        change(&mut lock(&self.recorder.device));
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.recorder.seen).clone()
    }

    /// Requests so far whose method and target begin like this.
    pub fn count(&self, beginning: &str) -> usize {
        let seen = lock(&self.recorder.seen);
        seen.iter()
            .filter(|seen| seen.request.starts_with(beginning))
            .count()
    }

    /// RTSP sessions that are open now.
    pub fn rtsp_sessions(&self) -> usize {
        lock(&self.recorder.rtsp_sessions).len()
    }
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    recorder: Arc<Recorder>,
    stop: CancellationToken,
    serve: impl Fn(tokio::net::TcpStream, Arc<Recorder>) -> F,
) {
    while let Ok((connection, _)) = listener.accept().await {
        let serving = serve(connection, recorder.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
    }
}

/// HTTP, or the same over TLS.
async fn web(connection: tokio::net::TcpStream, recorder: Arc<Recorder>) {
    let Some(https) = &recorder.https else {
        return http::serve(connection, recorder).await;
    };
    if let Some((connection, ends)) = https.accept(connection).await {
        let serving = http::serve(connection, recorder.clone());
        ends.run_until_cancelled(serving).await;
    }
}

impl Recorder {
    fn device(&self) -> Device {
        lock(&self.device).clone()
    }

    fn quirks(&self) -> Quirks {
        lock(&self.quirks).clone()
    }

    fn saw(&self, seen: Seen) {
        lock(&self.seen).push(seen);
    }

    /// None when the credentials are right; otherwise the refusal, which counts wrong passwords.
    fn refuse(&self, request: &Request) -> Option<Answer> {
        let (device, mut quirks) = (self.device(), self.quirks());
        // One RTSP connection keeps its nonce, also on devices whose web server wants a fresh one for every request.
        quirks.single_use_nonce &= !request.target.starts_with("rtsp:");
        let verdict = self
            .nonces
            .judge(request, &device.user, &device.password, &quirks);
        let mut tries = lock(&self.tries);
        if let Some(since) = tries.locked_since {
            let left = device.lock_s.saturating_sub(since.elapsed().as_secs());
            if left > 0 {
                let more = format!("<unlockTime>{left}</unlockTime>");
                return Some(self.unauthorized(&quirks, false, Some(("lock", more))));
            }
            *tries = Tries::default();
        }
        match verdict {
            Verdict::Right => {
                tries.wrong = 0;
                None
            }
            Verdict::None => Some(self.unauthorized(&quirks, false, None)),
            Verdict::Stale => Some(self.unauthorized(&quirks, true, None)),
            Verdict::Wrong => {
                tries.wrong += 1;
                let left = device.login_tries.saturating_sub(tries.wrong);
                let lock = match left {
                    0 => {
                        tries.locked_since = Some(Instant::now());
                        (
                            "lock",
                            format!("<unlockTime>{}</unlockTime>", device.lock_s),
                        )
                    }
                    left => ("unlock", format!("<retryLoginTime>{left}</retryLoginTime>")),
                };
                Some(self.unauthorized(&quirks, false, Some(lock)))
            }
        }
    }

    fn unauthorized(&self, quirks: &Quirks, stale: bool, lock: Option<(&str, String)>) -> Answer {
        let mut answer = Answer::xml(401, documents::user_check(quirks, 401, lock));
        for challenge in self.nonces.challenges(quirks, stale) {
            answer = answer.with("WWW-Authenticate", challenge);
        }
        answer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
