//! Serving the site's network: who may connect, how long a head may take, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base::places::Places;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::principal::Via;

/// Connections served at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 512;

/// Connections of one address: a browser opens six, a video wall some dozens.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 128;

/// How long the head of a request may take, and how long a connection may lie idle before it.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);

/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How long answers under way may go on after the agent was told to stop.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// Accepts connections until `stop`, then lets answers under way go on for a moment. Takes the listener from outside,
/// so that a test can bind port 0.
pub async fn serve_lan(listener: TcpListener, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let addresses = Places::new(CONNECTIONS_PER_ADDRESS_MAX);
    let connections = TaskTracker::new();
    // Connections end by themselves when asked to; those that do not are dropped with this.
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: waiting helps, ending would not.
                tracing::warn!(%error, "A connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(counted) = addresses.take(address.ip()) else {
            tracing::warn!(%address, "Too many connections from one address; this one was closed");
            continue;
        };
        // Playlists are small and asked for one after the other: waiting to fill packets would show.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY refused");
        }
        let (router, stop, abort) = (router.clone(), stop.clone(), abort.clone());
        connections.spawn(async move {
            tokio::select! {
                () = serve_connection(stream, address, router, stop) => {}
                () = abort.cancelled() => {}
            }
            drop((counted, place));
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN_PATIENCE, connections.wait())
        .await
        .is_err()
    {
        tracing::info!(
            connections = connections.len(),
            "Answers that still ran were cut off"
        );
        abort.cancel();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, place))
}

/// Serves one connection (HTTP/1.1) to its end. After `stop` the request under way is answered, then it closes.
async fn serve_connection(
    connection: TcpStream,
    address: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let service = TowerToHyperService::new(tower::service_fn(
        move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Via::Lan(address));
            router.clone().oneshot(request)
        },
    ));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_BYTES_MAX);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(connection), service));
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        // Viewers close connections in the middle of everything; that is no event.
        tracing::debug!(%error, "A connection ended early");
    }
}
