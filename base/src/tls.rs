//! The one TLS there is: rustls with the ring provider.

use std::sync::Arc;

use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ResolvesServerCert, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

/// Makes ring the provider of the process. Once, first thing in `main`.
pub fn install_provider() {
    // An error says that it is installed already, which is what was wanted (tests call this many times).
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// A PEM text that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum BadPem {
    /// Not readable.
    #[error("not a readable PEM text: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// No certificate in it.
    #[error("no certificate in the PEM text")]
    Empty,
    /// rustls does not accept it.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

/// Reads a chain of certificates.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, BadPem> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        Err(BadPem::Empty)
    } else {
        Ok(chain)
    }
}

/// Reads a private key.
pub fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, BadPem> {
    Ok(PrivateKeyDer::from_pem_slice(pem.as_bytes())?)
}

/// Trusts exactly the CA certificates given.
pub fn roots(ca_pem: &str) -> Result<RootCertStore, BadPem> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(ca_pem)? {
        store.add(certificate)?;
    }
    Ok(store)
}

/// A client that trusts one CA and shows its own certificate (mutual TLS).
pub fn mutual_client(
    ca_pem: &str,
    certificate_pem: &str,
    key_pem: &str,
) -> Result<ClientConfig, BadPem> {
    Ok(ClientConfig::builder()
        .with_root_certificates(roots(ca_pem)?)
        .with_client_auth_cert(certificates(certificate_pem)?, private_key(key_pem)?)?)
}

/// A client that trusts one CA.
pub fn client(ca_pem: &str) -> Result<ClientConfig, BadPem> {
    Ok(ClientConfig::builder()
        .with_root_certificates(roots(ca_pem)?)
        .with_no_client_auth())
}

/// A client that trusts a server whose chain holds a CA certificate with this SHA-256, and that the CA really signed
/// the server's certificate for the name asked for. For the first contact with a relay under a private CA.
pub fn pinned_client(ca_sha256: [u8; 32]) -> ClientConfig {
    let verifier = PinnedCa {
        ca_sha256,
        provider: provider(),
    };
    ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

#[derive(Debug)]
struct PinnedCa {
    ca_sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = intermediates
            .iter()
            .find(|c| digest::digest(&digest::SHA256, c.as_ref()).as_ref() == self.ca_sha256)
            .ok_or_else(|| {
                rustls::Error::General(
                    "the relay does not show the CA whose SHA-256 was given".into(),
                )
            })?;
        let mut store = RootCertStore::empty();
        store.add(pinned.clone().into_owned())?;
        rustls::client::WebPkiServerVerifier::builder_with_provider(
            Arc::new(store),
            self.provider.clone(),
        )
        .build()
        .map_err(|e| rustls::Error::General(e.to_string()))?
        .verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A server for appliances: TLS 1.3, and every client shows a certificate that our CA signed. Tickets make dialling
/// again cheap; whoever accepts still checks who it is each time.
pub fn mutual_server(
    ca_pem: &str,
    certificate: Arc<dyn ResolvesServerCert>,
    alpn: &[&[u8]],
) -> Result<ServerConfig, BadPem> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca_pem)?), provider())
            .build()
            .map_err(|e| rustls::Error::General(e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    // One appliance holds up to 64 connections with two tickets each; the default of 256 would serve two of them.
    config.session_storage = ServerSessionMemoryCache::new(16 * 1024);
    Ok(config)
}

/// A server for people and programs without certificates (web, API, enrolment).
pub fn server(
    certificate: Arc<dyn ResolvesServerCert>,
    alpn: &[&[u8]],
) -> Result<ServerConfig, BadPem> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Ok(config)
}

/// A chain and its key, ready to be shown by a server.
pub fn certified(certificate_pem: &str, key_pem: &str) -> Result<CertifiedKey, BadPem> {
    Ok(CertifiedKey::from_der(
        certificates(certificate_pem)?,
        private_key(key_pem)?,
        &provider(),
    )?)
}
