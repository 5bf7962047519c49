//! Which appliances are connected, and how a request reaches one.
//!
//! Design constraints (docs/design/decisions.md §6):
//! - An appliance holds spare connections; each carries one HTTP/1.1 request at a time, so the kernel's flow control
//!   works per viewer and a paused one blocks nobody.
//! - A request waits at most [`Limits::spare_wait`] for a spare; for an appliance that has been gone for longer than
//!   [`Limits::absence`] it does not wait at all.
//! - A connection returns to the pool once its answer was read to the end; anything else (an aborted body, an error, a
//!   caller that stopped waiting) closes it.
//! - A stale connection costs a retry, never an answer twice: a request is sent again only if nothing of it was
//!   written, or, once, if it is a `GET` or `HEAD` without a body and no byte of its answer came. What breaks one
//!   connection mostly breaks its neighbours, so the second try goes to one that has just given a sign of life.
//! - At most [`Limits::connections_max`] sockets per appliance.
//! - Spares are asked for a sign of life (`OPTIONS *`) after [`Limits::ping_after`] of silence.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use wire::ids::ApplianceId;
use wire::tunnel::Hello;

use super::pool::{Connection, Pool, Spare};

/// The numbers above, changeable by tests.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest wait for a spare.
    pub spare_wait: Duration,
    /// An appliance without a socket for this long is offline.
    pub absence: Duration,
    /// Silence after which a spare is pinged.
    pub ping_after: Duration,
    /// Longest wait for the answer to a ping.
    pub ping_wait: Duration,
    /// Most sockets of one appliance: 64 of its pool, and some that it has not noticed to be closed.
    pub connections_max: usize,
    /// Spares kept however long nobody uses them.
    pub spares_kept: usize,
    /// Spares beyond that are closed when unused for this long.
    pub unused: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            spare_wait: Duration::from_secs(5),
            absence: Duration::from_secs(10),
            ping_after: Duration::from_secs(20),
            ping_wait: Duration::from_secs(10),
            connections_max: 80,
            spares_kept: 8,
            unused: Duration::from_secs(120),
        }
    }
}

/// Why a request did not reach an appliance, or its answer did not come.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// It is not connected.
    #[error("appliance {0} is not connected")]
    Offline(ApplianceId),
    /// All its connections are in use.
    #[error("appliance {0} has no connection free")]
    Busy(ApplianceId),
    /// The connection broke before an answer came.
    #[error("the connection to appliance {appliance} broke: {source}")]
    Broken {
        /// Which.
        appliance: ApplianceId,
        /// How.
        source: hyper::Error,
    },
}

/// Why a connection may not join.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The agent has started again since and is connected.
    #[error("generation {dialled} is older than {known}, which is connected")]
    OldGeneration {
        /// That of the hello.
        dialled: u64,
        /// That which is connected.
        known: u64,
    },
    /// [`Limits::connections_max`].
    #[error("the appliance has too many connections already")]
    TooMany,
    /// It does not answer as an HTTP server.
    #[error("the appliance does not answer: {0}")]
    Silent(String),
    /// The relay stops.
    #[error("the relay is stopping")]
    Stopping,
}

/// How an appliance is connected right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presence {
    /// Sockets open.
    pub connections: u32,
    /// Of those, waiting for a request.
    pub spare: u32,
}

/// The hub. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Mutex<HashMap<ApplianceId, Pool>>,
    limits: Limits,
    stop: CancellationToken,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hub({} appliances)", self.inner.lock().len())
    }
}

impl Hub {
    /// An empty hub; `stop` ends every connection (see [`Hub::drain`] for the polite way).
    pub fn new(limits: Limits, stop: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                pools: Mutex::default(),
                limits,
                stop,
            }),
        }
    }

    /// Sends one request to an appliance and gives its answer, whose body is streamed.
    pub async fn request(
        &self,
        appliance: &ApplianceId,
        request: Request<Body>,
    ) -> Result<Response<Body>, TunnelError> {
        let limits = &self.inner.limits;
        let mut deadline = Instant::now() + limits.spare_wait;
        let (mut request, mut again) = as_sent(request, appliance);
        let mut doubtful = false;
        loop {
            let mut lease = self.lease(appliance, deadline).await?;
            if doubtful && !self.answers_soon(&mut lease).await {
                continue;
            }
            match lease.connection().sender.try_send_request(request).await {
                Ok(response) => return Ok(lease.attach_to(response)),
                Err(mut error) => {
                    drop(lease);
                    request = match (error.take_message(), again.take()) {
                        (Some(unsent), repeat) => {
                            again = repeat;
                            unsent
                        }
                        (None, Some(repeat)) => {
                            doubtful = true;
                            // The first try may have taken long to break; the second has the same patience.
                            deadline = Instant::now() + limits.spare_wait;
                            repeat
                        }
                        (None, None) => {
                            return Err(TunnelError::Broken {
                                appliance: appliance.clone(),
                                source: error.into_error(),
                            });
                        }
                    };
                    tracing::debug!(appliance.id = %appliance, "A stale tunnel connection was skipped");
                }
            }
        }
    }

    /// Takes charge of a connection whose owner has been checked: it is asked for a sign of life and then parked.
    pub async fn attach(
        &self,
        hello: &Hello,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(), AttachError> {
        let end = self.inner.register(hello)?;
        // From here on the socket is counted, and `driver` uncounts it however it ends.
        let driver = Counted {
            inner: self.inner.clone(),
            appliance: hello.appliance.clone(),
            end: end.clone(),
        };
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io))
            .await
            .map_err(|e| AttachError::Silent(e.to_string()))?;
        tokio::spawn(async move {
            tokio::select! {
                outcome = connection => if let Err(error) = outcome {
                    tracing::debug!(appliance.id = %driver.appliance, %error, "A tunnel connection broke");
                },
                () = driver.end.cancelled() => {}
                () = driver.inner.stop.cancelled() => {}
            }
            drop(driver);
        });
        let mut lease = Lease {
            hub: self.clone(),
            appliance: hello.appliance.clone(),
            connection: Some(Connection {
                sender,
                generation: hello.generation,
                end,
            }),
        };
        self.ping(&mut lease).await?;
        lease.park(Instant::now());
        Ok(())
    }

    /// How an appliance is connected.
    pub fn presence(&self, appliance: &ApplianceId) -> Presence {
        self.inner
            .lock()
            .get(appliance)
            .map_or_else(Presence::default, |pool| Presence {
                connections: pool.open as u32,
                spare: pool.spare_count() as u32,
            })
    }

    /// Ends every connection of an appliance, also those in use: it was revoked.
    pub fn close(&self, appliance: &ApplianceId) {
        if let Some(pool) = self.inner.lock().get_mut(appliance) {
            std::mem::take(&mut pool.end).cancel();
        }
    }

    /// Keeps spares alive and their number down, until stopped.
    pub async fn keep_alive(self) {
        let mut every = tokio::time::interval(self.inner.limits.ping_after / 4);
        while self
            .inner
            .stop
            .run_until_cancelled(every.tick())
            .await
            .is_some()
        {
            self.keep_alive_once();
        }
    }

    fn keep_alive_once(&self) {
        let now = Instant::now();
        let limits = &self.inner.limits;
        let (mut to_close, mut to_ping) = (Vec::new(), Vec::new());
        self.inner.lock().retain(|appliance, pool| {
            to_close.extend(pool.take_useless());
            to_close.extend(pool.take_unused(now, limits.spares_kept, limits.unused));
            let silent = pool.take_silent(now, limits.ping_after);
            to_ping.extend(silent.into_iter().map(|spare| (appliance.clone(), spare)));
            pool.open > 0 || now.duration_since(pool.closed_at) < limits.absence
        });
        for spare in to_close {
            spare.connection.end.cancel();
        }
        for (appliance, spare) in to_ping {
            let hub = self.clone();
            tokio::spawn(async move {
                let mut lease = Lease {
                    hub: hub.clone(),
                    appliance,
                    connection: Some(spare.connection),
                };
                match hub.ping(&mut lease).await {
                    Ok(()) => lease.park(spare.used),
                    Err(error) => {
                        tracing::debug!(appliance.id = %lease.appliance, %error, "A silent tunnel connection is closed")
                    }
                }
            });
        }
    }

    /// Stops using connections as they become free, and returns when none is in use or `patience` is over.
    pub async fn drain(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let busy = self.inner.lock().values().any(|p| p.open > p.spare_count());
            if !busy || Instant::now() >= deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.inner.stop.cancel();
    }

    /// Whether a connection that may be as dead as its neighbour is not.
    async fn answers_soon(&self, lease: &mut Lease) -> bool {
        let patience = self.inner.limits.spare_wait / 4;
        matches!(
            tokio::time::timeout(patience, self.ping(lease)).await,
            Ok(Ok(()))
        )
    }

    async fn ping(&self, lease: &mut Lease) -> Result<(), AttachError> {
        let ping = Request::builder()
            .method(Method::OPTIONS)
            .uri("*")
            .header(header::HOST, lease.appliance.as_str())
            .body(Body::empty())
            .expect("a request of constants");
        let silent = |e: hyper::Error| AttachError::Silent(e.to_string());
        let answer = async {
            let sender = &mut lease.connection().sender;
            sender.ready().await.map_err(silent)?;
            let response = sender.send_request(ping).await.map_err(silent)?;
            response.into_body().collect().await.map_err(silent)?;
            sender.ready().await.map_err(silent)
        };
        tokio::time::timeout(self.inner.limits.ping_wait, answer)
            .await
            .unwrap_or_else(|_| Err(AttachError::Silent("no answer to a ping".into())))
    }

    async fn lease(
        &self,
        appliance: &ApplianceId,
        deadline: Instant,
    ) -> Result<Lease, TunnelError> {
        loop {
            let parked = {
                let mut pools = self.inner.lock();
                let pool = pools
                    .get_mut(appliance)
                    .filter(|p| p.open > 0 || p.closed_at.elapsed() < self.inner.limits.absence)
                    .ok_or_else(|| TunnelError::Offline(appliance.clone()))?;
                if let Some(connection) = pool.take() {
                    return Ok(Lease {
                        hub: self.clone(),
                        appliance: appliance.clone(),
                        connection: Some(connection),
                    });
                }
                pool.parked.clone()
            };
            // A permit may belong to a connection that has died since, or was taken by somebody who did not wait:
            // then the loop waits for the next one.
            if tokio::time::timeout_at(deadline.into(), parked.notified())
                .await
                .is_err()
            {
                let connected = self.presence(appliance).connections > 0;
                return Err(if connected {
                    TunnelError::Busy(appliance.clone())
                } else {
                    TunnelError::Offline(appliance.clone())
                });
            }
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<ApplianceId, Pool>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a socket; the token ends it.
    fn register(&self, hello: &Hello) -> Result<CancellationToken, AttachError> {
        if self.stop.is_cancelled() {
            return Err(AttachError::Stopping);
        }
        let mut pools = self.lock();
        let pool = pools
            .entry(hello.appliance.clone())
            .or_insert_with(|| Pool::new(Instant::now()));
        // A lower number with nothing else connected is an agent that lost its count (a restored backup): let it in.
        if hello.generation < pool.generation && pool.open > 0 {
            return Err(AttachError::OldGeneration {
                dialled: hello.generation,
                known: pool.generation,
            });
        }
        if pool.open >= self.limits.connections_max {
            return Err(AttachError::TooMany);
        }
        pool.generation = hello.generation;
        pool.open += 1;
        let end = pool.end.child_token();
        let old = pool.take_useless();
        drop(pools);
        for spare in old {
            spare.connection.end.cancel();
        }
        Ok(end)
    }
}

/// Uncounts a socket when it has closed.
struct Counted {
    inner: Arc<Inner>,
    appliance: ApplianceId,
    end: CancellationToken,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end.cancel();
        let dead = match self.inner.lock().get_mut(&self.appliance) {
            Some(pool) => {
                pool.open -= 1;
                pool.closed_at = Instant::now();
                pool.take_useless()
            }
            None => Vec::new(),
        };
        drop(dead);
    }
}

/// A connection in use. Dropped, it is closed; [`Lease::park`] or a body that was read to its end give it back.
struct Lease {
    hub: Hub,
    appliance: ApplianceId,
    connection: Option<Connection>,
}

impl Lease {
    fn connection(&mut self) -> &mut Connection {
        self.connection
            .as_mut()
            .expect("a lease holds its connection until it ends")
    }

    /// Gives a connection back that is known to be ready. `used`: when a request other than a ping was last on it.
    fn park(mut self, used: Instant) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let spare = Spare {
            connection,
            heard: Instant::now(),
            used,
        };
        let unwanted = match self.hub.inner.lock().get_mut(&self.appliance) {
            Some(pool) => pool.park(spare).err(),
            None => Some(spare.connection),
        };
        if let Some(connection) = unwanted {
            connection.end.cancel();
        }
    }

    /// Gives the connection back once hyper has seen the end of the exchange.
    fn release(mut self) {
        if self.connection().sender.is_ready() {
            return self.park(Instant::now());
        }
        tokio::spawn(async move {
            let ready = self.connection().sender.ready();
            // The answer came to its end; what may still be under way is the rest of our own body.
            if let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(5), ready).await {
                self.park(Instant::now());
            }
        });
    }

    fn attach_to(self, response: Response<Incoming>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        for name in HOP_BY_HOP {
            parts.headers.remove(name);
        }
        if body.is_end_stream() {
            self.release();
            return Response::from_parts(parts, Body::empty());
        }
        let body = LeasedBody {
            body,
            lease: Some(self),
        };
        Response::from_parts(parts, Body::new(body))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.end.cancel();
        }
    }
}

/// An answer's body with the connection that it comes on.
struct LeasedBody {
    body: Incoming,
    lease: Option<Lease>,
}

impl HttpBody for LeasedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) if !self.body.is_end_stream() => {}
            Some(Err(_)) => drop(self.lease.take()),
            Some(Ok(_)) | None => {
                if let Some(lease) = self.lease.take() {
                    lease.release();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Headers that belong to one connection, not to the message.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The request as it goes over the tunnel, and a second one like it if it may be sent twice.
fn as_sent(
    request: Request<Body>,
    appliance: &ApplianceId,
) -> (Request<Body>, Option<Request<Body>>) {
    let (mut parts, body) = request.into_parts();
    for name in HOP_BY_HOP {
        parts.headers.remove(name);
    }
    let host = HeaderValue::from_str(appliance.as_str()).expect("an appliance id is ASCII");
    parts.headers.insert(header::HOST, host);
    parts.version = Version::HTTP_11;
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    parts.uri = target.parse::<Uri>().expect("a part of a URI is a URI");
    let repeatable = matches!(parts.method, Method::GET | Method::HEAD) && body.is_end_stream();
    let again = repeatable.then(|| Request::from_parts(parts.clone(), Body::empty()));
    (Request::from_parts(parts, body), again)
}
