//! Accepts tunnel connections: TLS 1.3 with a certificate of ours, one hello, and then they are the hub's.
//!
//! Design constraints: at most [`HANDSHAKES_MAX`] connections between accept and hello, each for at most
//! [`HANDSHAKE_WAIT`]; a hello of at most 1 KiB; nothing is read past it. Who may join is asked of the store for every
//! connection, so a resumed TLS session of a revoked appliance gets nowhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use wire::tunnel::{BadHello, Hello};

use super::hub::{AttachError, Hub};
use crate::store::Store;
use crate::store::appliances::Standing;

/// Most handshakes at once; more wait in the kernel's backlog.
pub const HANDSHAKES_MAX: usize = 64;

/// Longest time from accept to hello.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// Why a connection was not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// TLS, or the connection broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The hello is not one.
    #[error("{0}")]
    Hello(#[from] BadHello),
    /// The certificate has no readable CN.
    #[error("the certificate names nobody")]
    Nameless,
    /// The certificate is another appliance's.
    #[error("the certificate is that of {cn}, the hello that of {hello}")]
    Foreign {
        /// CN of the certificate.
        cn: String,
        /// Appliance of the hello.
        hello: String,
    },
    /// Not claimed, claimed with another key, or revoked.
    #[error("the appliance is {0:?} here")]
    Standing(Standing),
    /// The hub does not want it.
    #[error("{0}")]
    Attach(#[from] AttachError),
    /// The store cannot be asked.
    #[error("{0}")]
    Store(#[from] base::sqlite::DbError),
    /// [`HANDSHAKE_WAIT`] is over.
    #[error("no hello in time")]
    Slow,
}

/// Accepts until stopped.
pub async fn run(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    store: Store,
    hub: Hub,
    stop: CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let acceptor = TlsAcceptor::from(tls);
    loop {
        let permit = handshakes
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: accepting at once again would spin.
                tracing::warn!(%error, "The tunnel listener cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, store, hub) = (acceptor.clone(), store.clone(), hub.clone());
        tokio::spawn(async move {
            let outcome =
                tokio::time::timeout(HANDSHAKE_WAIT, admit(stream, &acceptor, &store, &hub))
                    .await
                    .unwrap_or(Err(Refused::Slow));
            drop(permit);
            report(from, outcome);
        });
    }
}

fn report(from: SocketAddr, outcome: Result<Hello, Refused>) {
    match outcome {
        Ok(hello) => {
            tracing::debug!(appliance.id = %hello.appliance, tunnel.generation = hello.generation, "A tunnel connection was attached")
        }
        Err(error @ (Refused::Foreign { .. } | Refused::Standing(_))) => {
            tracing::warn!(peer.address = %from, %error, "A tunnel connection was refused")
        }
        // Scanners and broken lines: everyday on a public port.
        Err(error) => {
            tracing::debug!(peer.address = %from, %error, "A tunnel connection came to nothing")
        }
    }
}

async fn admit(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    store: &Store,
    hub: &Hub,
) -> Result<Hello, Refused> {
    base::net::long_lived(&stream)?;
    let mut stream = acceptor.accept(stream).await?;
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
        .ok_or(Refused::Nameless)?;
    let (cn, spki_sha256) = crate::pki::peer(certificate).ok_or(Refused::Nameless)?;
    let mut length = [0u8; 4];
    stream.read_exact(&mut length).await?;
    let mut json = vec![0u8; Hello::check_length(length)?];
    stream.read_exact(&mut json).await?;
    let hello = Hello::decode(&json)?;
    if hello.appliance.as_str() != cn {
        return Err(Refused::Foreign {
            cn,
            hello: hello.appliance.to_string(),
        });
    }
    match store.standing(&hello.appliance, &spki_sha256).await? {
        Standing::Claimed => {}
        other => return Err(Refused::Standing(other)),
    }
    hub.attach(&hello, stream).await?;
    Ok(hello)
}
