//! A handshake by itself, for who wants to know whether it comes about and with which certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate::{self, Trust};
use crate::model::fingerprint::Fingerprint;
use crate::recorder::driver::{FailureKind, RecorderError, Tls};

/// What a handshake showed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The certificate whose key was proven.
    pub certificate: Fingerprint,
    /// Of TLS: `TLS 1.3`.
    pub version: &'static str,
}

/// Makes one with the recorder that messages call `at`; nothing else is sent.
pub async fn handshake(
    at: &str,
    address: &str,
    place: SocketAddr,
    tls: Tls,
    patience: Duration,
) -> Result<Shown, RecorderError> {
    let known = match tls {
        Tls::Known(certificate) => Some(certificate),
        Tls::Off | Tls::FirstUse => None,
    };
    let trust = Trust::new(known);
    let failed = |words: &str| {
        let message = format!("{at}: the connection cannot be encrypted: {words}");
        RecorderError::new(FailureKind::Device, message)
    };
    let name = match ServerName::try_from(address.to_owned()) {
        Ok(name) => name,
        // A name that certificates cannot have: the address serves as well.
        Err(_) => ServerName::IpAddress(place.ip().into()),
    };
    let connector = TlsConnector::from(Arc::new(trust.config()));
    let made = async {
        connector
            .connect(name, TcpStream::connect(place).await?)
            .await
    };
    let stream = match tokio::time::timeout(patience, made).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            if let Some(other) = trust.other() {
                return Err(certificate::refused(at, trust.known(), other));
            }
            let words = certificate::trouble(&error).unwrap_or_else(|| error.to_string());
            return Err(failed(&words));
        }
        Err(_) => return Err(failed("no answer in time: is this the HTTPS port?")),
    };
    let version = match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let certificate = trust
        .known()
        .ok_or_else(|| failed("no certificate was shown"))?;
    Ok(Shown {
        certificate,
        version,
    })
}
