//! Whom to trust over TLS. Recorders show certificates that they have signed themselves, so a name or an authority says
//! nothing: a recorder is known by the certificate that it showed at its first login (ISAPI reference §1).
//!
//! The signature of the handshake is checked all the same: it proves that whoever answers has the certificate's key.

use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::model::fingerprint::Fingerprint;
use crate::recorder::driver::{FailureKind, RecorderError};

/// The certificate that one client of a recorder believes in, shared by its connections.
#[derive(Debug)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    known: Mutex<Option<Fingerprint>>,
    other: Mutex<Option<Fingerprint>>,
}

impl Trust {
    /// In this certificate; none: in the first that is shown, and then in no other.
    pub fn new(known: Option<Fingerprint>) -> Arc<Self> {
        base::tls::install_provider();
        let provider = CryptoProvider::get_default()
            .cloned()
            .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
        Arc::new(Self {
            provider,
            known: Mutex::new(known),
            other: Mutex::default(),
        })
    }

    /// The certificate that is believed in; none before the first connection.
    pub fn known(&self) -> Option<Fingerprint> {
        *locked(&self.known)
    }

    /// Another certificate that was shown and refused.
    pub fn other(&self) -> Option<Fingerprint> {
        *locked(&self.other)
    }

    /// How connections are made that end unless it is shown.
    pub fn config(self: &Arc<Self>) -> ClientConfig {
        ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(self.clone())
            .with_no_client_auth()
    }

    /// Whether this certificate will do; the first one will once its key is proven.
    fn judge(&self, shown: Fingerprint) -> Result<(), Error> {
        match self.known() {
            Some(known) if known != shown => {
                *locked(&self.other) = Some(shown);
                Err(Error::General(
                    "another certificate than the one that is trusted".into(),
                ))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn proven(
        &self,
        certificate: &CertificateDer<'_>,
        valid: HandshakeSignatureValid,
    ) -> Result<HandshakeSignatureValid, Error> {
        let shown = Fingerprint::of(certificate);
        locked(&self.known).get_or_insert(shown);
        // Two first connections at the same time could have been shown different ones.
        self.judge(shown).map(|()| valid)
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(Fingerprint::of(end_entity))
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let valid = verify_tls12_signature(message, certificate, signed, algorithms)?;
        self.proven(certificate, valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let valid = verify_tls13_signature(message, certificate, signed, algorithms)?;
        self.proven(certificate, valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The TLS failure somewhere below an error.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // An I/O error does not count what it carries as its source.
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(|error| error.get_ref());
        if let Some(found) = carried.and_then(|carried| tls_error(carried)) {
            return Some(found);
        }
        at = error.source();
    }
    None
}

/// What went wrong with TLS and what to do, behind "cannot …:". None: it was not TLS.
pub fn trouble(error: &(dyn StdError + 'static)) -> Option<String> {
    match tls_error(error) {
        Some(error) => Some(words(error)),
        // How a server ends what it takes for garbage.
        None if ended_early(error) => Some(NO_TLS.into()),
        None => None,
    }
}

const NO_TLS: &str = "what answers at this port does not speak TLS: give the HTTPS port (443 unless it was changed), or \
                      switch HTTPS off here";

fn ended_early(error: &(dyn StdError + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        let of_io = error.downcast_ref::<io::Error>();
        if of_io.is_some_and(|error| {
            error.kind() == io::ErrorKind::UnexpectedEof
                || error.get_ref().is_some_and(|carried| ended_early(carried))
        }) {
            return true;
        }
        at = error.source();
    }
    false
}

fn words(error: &Error) -> String {
    match error {
        Error::InvalidMessage(_) => NO_TLS.into(),
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => format!(
            "the recorder offers only kinds of TLS that are no longer safe (1.2 or newer is needed): update its \
             firmware, or switch HTTPS off here ({error})"
        ),
        Error::InvalidCertificate(_) => format!(
            "the recorder's certificate cannot be used: make a new one at the recorder (Network, HTTPS; RSA with at \
             least 2048 bits), or switch HTTPS off here ({error})"
        ),
        error => format!("the encrypted connection does not come about ({error})"),
    }
}

/// The recorder at `at` shows another certificate than the one it is known by.
pub fn refused(at: &str, known: Option<Fingerprint>, shown: Fingerprint) -> RecorderError {
    let known = known.map_or("none".into(), |known| known.short());
    RecorderError::new(
        FailureKind::OtherCertificate(shown),
        format!(
            "{at} shows another certificate than before (SHA-256 {} instead of {known}): if the recorder was reset or \
             replaced, accept it here; until then nothing is sent to it",
            shown.short()
        ),
    )
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_failure_is_found_however_it_is_wrapped() {
        let deep = io::Error::other(io::Error::other(Error::DecryptError));
        assert_eq!(tls_error(&deep), Some(&Error::DecryptError));
        assert_eq!(tls_error(&io::Error::other("no")), None);
    }
}
