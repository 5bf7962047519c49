//! HTTPS as recorders have it: a certificate that the device has signed itself, and that a reset replaces.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use base::tls;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::lock;

/// The certificate in use, and what ends the connections that were made with it.
#[derive(Debug)]
pub(super) struct Https(Mutex<Current>);

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    sha256: String,
    connections: CancellationToken,
}

impl Https {
    pub fn new() -> Result<Self> {
        Ok(Self(Mutex::new(Current::new()?)))
    }

    /// SHA-256 of the certificate as 64 hex digits.
    pub fn sha256(&self) -> String {
        lock(&self.0).sha256.clone()
    }

    /// Another certificate from now on; connections end, as they do when a recorder starts anew.
    pub fn replace(&self) -> Result<()> {
        let new = Current::new()?;
        let mut current = lock(&self.0);
        current.connections.cancel();
        *current = new;
        Ok(())
    }

    /// The handshake of a connection, and what ends it. None: it did not come about.
    pub async fn accept(
        &self,
        connection: TcpStream,
    ) -> Option<(TlsStream<TcpStream>, CancellationToken)> {
        let (config, ends) = {
            let current = lock(&self.0);
            (current.config.clone(), current.connections.clone())
        };
        let stream = TlsAcceptor::from(config).accept(connection).await.ok()?;
        Some((stream, ends))
    }
}

impl Current {
    fn new() -> Result<Self> {
        tls::install_provider();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = CertificateParams::new(vec!["recorder".into()])?.self_signed(&key)?;
        let der = certificate.der().clone();
        let sha256 = base::token::sha256_hex(&der);
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![der], key)?;
        Ok(Self {
            config: Arc::new(config),
            sha256,
            connections: CancellationToken::new(),
        })
    }
}
