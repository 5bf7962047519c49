//! Recorders over HTTPS: the certificate is trusted at the first login, and no other one after it.

use super::both_drivers::Bench;
use super::*;
use crate::model::fingerprint::Fingerprint;

fn shown(bench: &Bench) -> Fingerprint {
    let sha256 = bench.isapi.as_ref().unwrap().certificate_sha256();
    sha256.parse().unwrap()
}

/// Requests that reached the recorder.
fn requests(bench: &Bench) -> usize {
    bench.isapi.as_ref().unwrap().seen().len()
}

#[tokio::test]
async fn everything_works_over_tls_and_the_certificate_is_told() {
    let bench = Bench::isapi_tls(device(), SdkConfig::default()).await;
    let running = bench.start();
    let session = running.session().await;
    assert_eq!(session.identity().certificate, Some(shown(&bench)));
    let day = range("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    let found = session.search(1, day).await.unwrap().recordings;
    assert_eq!(found.len(), 3);
    let wanted = by_name(&bench.place, &found[0].source_name);
    let (done, _) = download(&session, wanted).await;
    assert!(done.unwrap() > 100_000);
    running.stop().await;
}

#[tokio::test]
async fn another_certificate_is_refused_before_anything_is_sent() {
    let config = SdkConfig {
        check_interval_s: 1,
        ..SdkConfig::default()
    };
    let bench = Bench::isapi_tls(device(), config).await;
    let recorder = bench.isapi.as_ref().unwrap();
    let running = bench.start();
    running.session().await;
    let first = shown(&bench);

    // The session that runs finds out by itself: its connections end with the certificate.
    recorder.replace_certificate().unwrap();
    let before = requests(&bench);
    let status = running.status(RecorderState::Error).await;
    let second = shown(&bench);
    assert_ne!(first, second);
    assert_eq!(status.other_certificate, Some(second));
    let reason = status.reason.unwrap();
    assert!(
        reason.contains("another certificate than before")
            && reason.contains(&second.short())
            && reason.contains(&first.short())
            && reason.contains("accept it here"),
        "{reason}"
    );
    // A person's check is a handshake and nothing more; three checks would have come by themselves.
    running.handle.check_now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(requests(&bench), before, "{:?}", recorder.seen());
    // What is known from before a restart is no different.
    let known = RecorderAccount {
        tls: Tls::Known(first),
        ..bench.account(PASSWORD)
    };
    let again = Running::start(known, bench.place.config.clone());
    let error = again.refusal().await;
    assert_eq!(error.kind, FailureKind::OtherCertificate(second));
    again.stop().await;
    assert_eq!(requests(&bench), before);

    let accepted = RecorderAccount {
        tls: Tls::Known(second),
        ..bench.account(PASSWORD)
    };
    running
        .handle
        .change_account(accepted, "accepted".into())
        .await;
    let status = running.status(RecorderState::Online).await;
    assert_eq!(status.other_certificate, None);
    running.stop().await;
}

/// Shows the recorder's own certificate, without the key that belongs to it: a handshake signed by somebody else.
#[tokio::test]
async fn a_certificate_without_its_key_is_not_believed() {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
    use rustls::server::ResolvesServerCert;
    use rustls::sign::CertifiedKey;

    #[derive(Debug)]
    struct Thief(std::sync::Arc<CertifiedKey>);
    impl ResolvesServerCert for Thief {
        fn resolve(
            &self,
            _: rustls::server::ClientHello<'_>,
        ) -> Option<std::sync::Arc<CertifiedKey>> {
            Some(self.0.clone())
        }
    }

    base::tls::install_provider();
    let own = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::new(vec!["recorder".into()])
        .unwrap()
        .self_signed(&own)
        .unwrap();
    let stranger = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(stranger.serialize_der()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let thief = CertifiedKey::new(vec![certificate.der().clone()], key);
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(std::sync::Arc::new(Thief(thief.into())));
    let listener = tokio::net::TcpListener::bind((ADDRESS, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let (connection, _) = listener.accept().await.unwrap();
        acceptor.accept(connection).await.is_err()
    });
    let place = Place::new(device());
    let account = RecorderAccount {
        driver: wire::resource::DriverKind::Isapi,
        port,
        tls: Tls::Known(Fingerprint::of(certificate.der())),
        ..place.account(PASSWORD)
    };
    let running = Running::start(account, place.config.clone());
    let error = running.refusal().await;
    assert_eq!(error.kind, FailureKind::Device, "{error}");
    assert!(error.message.contains("BadSignature"), "{error}");
    assert!(serving.await.unwrap(), "the handshake must not come about");
    running.stop().await;
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let bench = Bench::isapi(device(), Default::default()).await;
    let account = RecorderAccount {
        tls: Tls::FirstUse,
        ..bench.account(PASSWORD)
    };
    let running = Running::start(account, bench.place.config.clone());
    let error = running.refusal().await;
    assert!(error.message.contains("does not speak TLS"), "{error}");
    assert_eq!(requests(&bench), 0);
    running.stop().await;
}
