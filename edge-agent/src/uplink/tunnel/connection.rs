//! One connection of the pool: dial, say hello, serve requests one after the other.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Counts, Settings, Target};

/// Why a connection came to nothing or ended.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// TCP or TLS.
    #[error("cannot connect: {0}")]
    Dial(io::Error),
    /// The address cannot stand in a certificate.
    #[error("{0}")]
    Address(#[from] base::net::BadHostPort),
    /// Connected, and then nothing: the relay refused us, which it does by closing.
    #[error("the relay closed the connection before using it (is this appliance revoked there?)")]
    NotWanted,
    /// Nothing heard in time.
    #[error("nothing heard from the relay for {0:?}")]
    Silent(Duration),
    /// Broken while in use.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
}

/// Where a connection stands; keeps the counts right however it ends.
pub(super) struct Phase {
    counts: Arc<Counts>,
    now: Mutex<Now>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Now {
    Dialling,
    Waiting,
    Busy,
}

impl Phase {
    pub(super) fn dialling(counts: Arc<Counts>) -> Self {
        counts.dialling.fetch_add(1, Ordering::SeqCst);
        Self {
            counts,
            now: Mutex::new(Now::Dialling),
        }
    }

    fn counter(&self, now: Now) -> &AtomicUsize {
        match now {
            Now::Dialling => &self.counts.dialling,
            Now::Waiting => &self.counts.waiting,
            Now::Busy => &self.counts.busy,
        }
    }

    fn now(&self) -> Now {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn become_(&self, next: Now) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != next {
            self.counter(next).fetch_add(1, Ordering::SeqCst);
            self.counter(*now).fetch_sub(1, Ordering::SeqCst);
            *now = next;
            self.counts.changed.notify_one();
        }
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        self.counter(self.now()).fetch_sub(1, Ordering::SeqCst);
        self.counts.changed.notify_one();
    }
}

pub(super) async fn run(
    target: Arc<Target>,
    settings: Arc<Settings>,
    router: Router,
    phase: Phase,
    stop: CancellationToken,
) -> Result<(), ConnectionError> {
    let dialled = tokio::select! {
        dialled = tokio::time::timeout(settings.attach_wait, dial(&target)) => dialled,
        () = stop.cancelled() => return Ok(()),
    };
    let io = dialled.unwrap_or_else(|_| Err(ConnectionError::Silent(settings.attach_wait)))?;
    let phase = Arc::new(phase);
    let heard = Heard::new();
    let service = {
        let phase = phase.clone();
        hyper::service::service_fn(move |request| answer(request, router.clone(), phase.clone()))
    };
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(
        TokioIo::new(Listened {
            io,
            heard: heard.clone(),
        }),
        service,
    );
    tokio::pin!(connection);
    let mut look = tokio::time::interval(settings.silence_max.min(settings.attach_wait) / 6);
    loop {
        tokio::select! {
            outcome = &mut connection => {
                return match (phase.now(), outcome) {
                    (Now::Dialling, _) => Err(ConnectionError::NotWanted),
                    (Now::Waiting, _) => Ok(()),
                    (Now::Busy, outcome) => outcome.map_err(ConnectionError::Broken),
                };
            }
            () = stop.cancelled() => break,
            _ = look.tick() => {
                let patience = match phase.now() {
                    Now::Dialling => settings.attach_wait,
                    Now::Waiting => settings.silence_max,
                    // A viewer may pause for hours; the kernel's keep-alive watches over the line. Silence is counted
                    // from the end of the answer.
                    Now::Busy => {
                        heard.now();
                        continue;
                    }
                };
                if heard.last().elapsed() >= patience {
                    return Err(ConnectionError::Silent(patience));
                }
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    if phase.now() == Now::Busy {
        // What is not done by then is cut off: the relay's viewer resumes with a range.
        let _ = tokio::time::timeout(settings.drain, connection).await;
    }
    Ok(())
}

async fn dial(
    target: &Target,
) -> Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>, ConnectionError> {
    let tcp = target
        .relay
        .connect()
        .await
        .map_err(ConnectionError::Dial)?;
    let mut io = TlsConnector::from(target.tls.clone())
        .connect(target.relay.server_name()?, tcp)
        .await
        .map_err(ConnectionError::Dial)?;
    io.write_all(&target.hello.encode())
        .await
        .map_err(ConnectionError::Dial)?;
    io.flush().await.map_err(ConnectionError::Dial)?;
    Ok(io)
}

/// Answers a ping itself, everything else through the router.
async fn answer(
    request: Request<Incoming>,
    router: Router,
    phase: Arc<Phase>,
) -> Result<Response<Body>, Infallible> {
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        if phase.now() == Now::Dialling {
            phase.become_(Now::Waiting);
        }
        let mut pong = Response::new(Body::empty());
        *pong.status_mut() = StatusCode::NO_CONTENT;
        return Ok(pong);
    }
    phase.become_(Now::Busy);
    let released = Released(phase);
    let response = router.oneshot(request.map(Body::new)).await?;
    Ok(response.map(|body| {
        Body::new(Answering {
            body,
            _released: released,
        })
    }))
}

/// Marks the connection as waiting again when the answer is through, or given up.
struct Released(Arc<Phase>);

impl Drop for Released {
    fn drop(&mut self) {
        self.0.become_(Now::Waiting);
    }
}

struct Answering {
    body: Body,
    _released: Released,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// When the relay was last heard.
#[derive(Clone)]
struct Heard {
    start: Instant,
    after_ms: Arc<AtomicU64>,
}

impl Heard {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            after_ms: Arc::default(),
        }
    }

    fn now(&self) {
        let ms = self.start.elapsed().as_millis() as u64;
        self.after_ms.store(ms, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.after_ms.load(Ordering::Relaxed))
    }
}

/// Notes when bytes come in.
struct Listened<S> {
    io: S,
    heard: Heard,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heard.now();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
