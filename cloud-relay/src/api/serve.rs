//! The web listener: TLS, then HTTP/1.1, with a bound on everything that a stranger can use up.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use base::places::Places;
use base::rate_limit::subscriber;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::visitor::Peer;
use crate::config::Web;

/// Longest time from accept to the end of the TLS handshake.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// How long the head of a request may take, and how long a connection may lie idle before it.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);

/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How long answers under way may go on after the relay was told to stop.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// Accepts connections until `stop`, then lets answers under way go on for a moment. Takes the listener from outside,
/// so that a test can bind port 0.
pub async fn run(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    limits: Web,
    router: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let handshakes = Arc::new(Semaphore::new(limits.handshakes_max));
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let addresses = Places::new(limits.connections_per_address_max);
    let acceptor = TlsAcceptor::from(tls);
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &handshakes) => accepted,
        };
        let (stream, peer, handshake) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: waiting helps, ending would not.
                tracing::warn!(%error, "The web listener cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (Ok(place), Some(own_place)) = (
            places.clone().try_acquire_owned(),
            addresses.take(subscriber(peer.0.ip())),
        ) else {
            tracing::warn!(peer.address = %peer.0, "Too many web connections, of this address or in all; this one was closed");
            continue;
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        let (stop, abort) = (stop.clone(), abort.clone());
        connections.spawn(async move {
            let served = async {
                if let Some(stream) = shake_hands(stream, &acceptor, peer).await {
                    drop(handshake);
                    serve_connection(stream, peer, router, stop).await;
                }
            };
            tokio::select! {
                () = served => {}
                () = abort.cancelled() => {}
            }
            drop((place, own_place));
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
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    handshakes: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let permit = handshakes
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, Peer(address), permit))
}

async fn shake_hands(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    peer: Peer,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    // Playlists are small and asked for one after the other; a viewer whose line has died must not hold the site's.
    if let Err(error) = base::net::long_lived(&stream) {
        tracing::debug!(peer.address = %peer.0, %error, "Socket options refused");
    }
    match tokio::time::timeout(HANDSHAKE_WAIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        // Scanners, and browsers that look at the certificate first: everyday on a public port.
        Ok(Err(error)) => {
            tracing::debug!(peer.address = %peer.0, %error, "A TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(peer.address = %peer.0, "A TLS handshake took too long");
            None
        }
    }
}

async fn serve_connection(
    stream: tokio_rustls::server::TlsStream<TcpStream>,
    peer: Peer,
    router: Router,
    stop: CancellationToken,
) {
    let service = TowerToHyperService::new(router.layer(axum::Extension(peer)));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .max_buf_size(HEAD_BYTES_MAX)
        .header_read_timeout(HEAD_PATIENCE);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        // Viewers close connections in the middle of everything; that is no event.
        tracing::debug!(%error, "A web connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::clock::Clock;
    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::pki::{Pki, ServerCertificate};

    const NO_PATIENCE: Duration = Duration::from_secs(5);

    struct Listening {
        address: std::net::SocketAddr,
        ca_sha256: [u8; 32],
        stop: CancellationToken,
        task: tokio::task::JoinHandle<anyhow::Result<()>>,
    }

    async fn listening(limits: Web) -> Listening {
        base::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let pki = Arc::new(Pki::open(dir.path(), Clock::system()).unwrap());
        let names = vec!["relay.test".to_owned()];
        let certificate = ServerCertificate::new(pki.clone(), names).unwrap();
        let tls = Arc::new(base::tls::server(certificate, &[b"http/1.1"]).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(
            "/",
            axum::routing::get(async |peer: Peer| peer.0.to_string()),
        );
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(listener, tls, limits, router, stop.clone()));
        Listening {
            address,
            ca_sha256: pki.ca_sha256(),
            stop,
            task,
        }
    }

    /// One request over a connection of its own, as an appliance that knows the CA's SHA-256 only.
    async fn get(at: &Listening) -> std::io::Result<(String, String)> {
        let client = base::tls::pinned_client(at.ca_sha256);
        let stream = TcpStream::connect(at.address).await?;
        let me = stream.local_addr()?.to_string();
        let name = ServerName::try_from("relay.test").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let mut stream = connector.connect(name, stream).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: relay.test\r\nconnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok((answer, me))
    }

    #[tokio::test]
    async fn a_client_that_pins_the_ca_is_served_and_seen() {
        let at = listening(Web::default()).await;
        let (answer, me) = get(&at).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with(&me), "{answer}");
        let stranger = Listening {
            ca_sha256: [0; 32],
            ..at
        };
        assert!(get(&stranger).await.is_err());
        stranger.stop.cancel();
        let ended = tokio::time::timeout(NO_PATIENCE, stranger.task).await;
        ended.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn one_address_cannot_take_every_connection() {
        let at = listening(Web {
            connections_per_address_max: 2,
            ..Web::default()
        })
        .await;
        let held = [
            TcpStream::connect(at.address).await.unwrap(),
            TcpStream::connect(at.address).await.unwrap(),
        ];
        assert!(get(&at).await.is_err());
        drop(held);
        let again = async {
            while get(&at).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(NO_PATIENCE, again).await.unwrap();
        at.stop.cancel();
        let ended = tokio::time::timeout(NO_PATIENCE, at.task).await;
        ended.unwrap().unwrap().unwrap();
    }
}
