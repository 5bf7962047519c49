//! Both shipped ends: the agent's questions over TLS against the relay's answers, with a real CA and store.

use super::*;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::pki::ServerCertificate;
use crate::store::appliances::Standing;

// The agent's end, as it is shipped.
#[path = "../../../edge-agent/src/uplink/claim/mod.rs"]
#[allow(dead_code)] // the agent uses more of it
mod agent;

use agent::applicant::Applicant;
use agent::{RelaySettings, membership};

struct Relay {
    _dir: tempfile::TempDir,
    claims: Arc<Claims>,
    pki: Arc<Pki>,
    store: Store,
    clock: Clock,
    organisation: OrganisationId,
    address: SocketAddr,
    down: Arc<AtomicBool>,
}

impl Relay {
    async fn start() -> Self {
        base::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::simulated(jiff::Timestamp::now());
        let pki = Arc::new(Pki::open(dir.path(), clock.clone()).unwrap());
        let store = Store::open(dir.path()).unwrap();
        let organisation = OrganisationId::new();
        rusqlite::Connection::open(dir.path().join("relay.db"))
            .unwrap()
            .execute(
                "insert into organisation (id, name, created_utc) values (?1, 'o', 0)",
                [organisation.to_string()],
            )
            .unwrap();
        let claims = Arc::new(Claims::new(
            store.clone(),
            pki.clone(),
            clock.clone(),
            "127.0.0.1:8444".into(),
            "127.0.0.1:8883".into(),
            None,
        ));
        let down = Arc::new(AtomicBool::new(false));
        let address = serve(claims.clone(), pki.clone(), down.clone()).await;
        Self {
            _dir: dir,
            claims,
            pki,
            store,
            clock,
            organisation,
            address,
            down,
        }
    }

    fn settings(&self) -> RelaySettings {
        RelaySettings {
            url: format!("https://{}", self.address),
            ca_sha256: Some(self.pki.ca_sha256_hex()),
            ca_file: None,
        }
    }

    async fn typed(&self, code: &str) -> Result<Claimed, ClaimError> {
        self.claims
            .claim(UserId::new(), self.organisation, code, "Warehouse")
            .await
    }
}

/// The web listener with nothing but enrolment on it.
async fn serve(claims: Arc<Claims>, pki: Arc<Pki>, down: Arc<AtomicBool>) -> SocketAddr {
    let certificate = ServerCertificate::new(pki, vec!["127.0.0.1".into()]).unwrap();
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(
        base::tls::server(certificate, &[b"http/1.1"]).unwrap(),
    ));
    let enroll = move |body: Bytes| async move {
        if down.load(Ordering::SeqCst) {
            return (http::StatusCode::SERVICE_UNAVAILABLE, String::new());
        }
        match claims.enroll([192, 0, 2, 1].into(), &body).await {
            Ok(enrolled) => (
                http::StatusCode::OK,
                serde_json::to_string(&enrolled).unwrap(),
            ),
            Err(_) => (http::StatusCode::BAD_REQUEST, String::new()),
        }
    };
    let router = Router::new().route(wire::claim::PATH, post(enroll));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (tls, router) = (tls.clone(), router.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else {
                    return;
                };
                let service = TowerToHyperService::new(router);
                // A client that goes away is its own affair.
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .ok();
            });
        }
    });
    address
}

fn applicant() -> Applicant {
    let key = rcgen::KeyPair::generate().unwrap();
    Applicant::new(&key.serialize_pem()).unwrap()
}

async fn shown_code(shown: &mut watch::Receiver<agent::Shown>) -> ClaimCode {
    let shown = shown.wait_for(|s| s.code.is_some()).await.unwrap();
    shown.code.clone().unwrap().0
}

#[tokio::test]
async fn from_the_code_on_the_console_to_the_membership_on_the_disk() {
    let relay = Relay::start().await;
    let state = tempfile::tempdir().unwrap();
    let me = Arc::new(applicant());
    let (sender, mut shown) = watch::channel(agent::Shown::default());
    let asked = relay.settings().relay().unwrap();
    let joining = {
        let (me, asked, clock) = (me.clone(), asked.clone(), relay.clock.clone());
        tokio::spawn(async move { agent::join(&asked, &me, &clock, &sender).await })
    };
    let code = shown_code(&mut shown).await;
    assert!(matches!(
        relay.typed("0000-0000").await,
        Err(ClaimError::Unknown)
    ));
    assert!(matches!(
        relay.typed("what").await,
        Err(ClaimError::Malformed(_))
    ));
    // The appliance may not have asked yet when the code is already on its console.
    let claimed = loop {
        match relay.typed(&code.display().to_lowercase()).await {
            Ok(claimed) => break claimed,
            Err(ClaimError::Unknown) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(claimed.appliance, me.appliance);
    let got = tokio::time::timeout(Duration::from_secs(10), joining)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (got.organisation, got.site),
        (relay.organisation, claimed.site)
    );
    assert_eq!(got.site_name, "Warehouse");
    assert!(shown.borrow().code.is_none());
    let file = state.path().join("membership.json");
    assert!(membership::load(&file, &me).unwrap().is_none());
    membership::save(&file, &got).unwrap();
    assert_eq!(membership::load(&file, &me).unwrap(), Some(got.clone()));
    assert_eq!(
        relay
            .store
            .standing(&me.appliance, &claimed.spki_sha256)
            .await
            .unwrap(),
        Standing::Claimed
    );
    // The code works once.
    assert!(matches!(
        relay.typed(&code.display()).await,
        Err(ClaimError::Unknown)
    ));

    // Asked again, with whatever code: the same membership; after two thirds of its life a new certificate.
    let other = ClaimCode::from_random([9; 5]);
    let again = agent::enroll(&asked, &me, &other).await.unwrap();
    assert_eq!(again, Enrolled::Claimed(got.clone()));
    let due = membership::renew_at(&got).unwrap();
    let ms = due.ms_since(relay.clock.now().into()) + 24 * 3600 * 1000;
    relay.clock.advance_ms(ms);
    let Enrolled::Claimed(renewed) = agent::enroll(&asked, &me, &other).await.unwrap() else {
        panic!("claimed");
    };
    assert_ne!(renewed.certificate_pem, got.certificate_pem);
    assert_eq!(
        agent::enroll(&asked, &me, &other).await.unwrap(),
        Enrolled::Claimed(renewed)
    );

    // Another appliance with a copy of the membership cannot use it.
    let thief = applicant();
    assert!(membership::load(&file, &thief).unwrap().is_none());
}

#[tokio::test]
async fn an_outage_is_shown_and_outlived_and_another_ca_is_not_believed() {
    let relay = Relay::start().await;
    let state = tempfile::tempdir().unwrap();
    let me = Arc::new(applicant());
    relay.down.store(true, Ordering::SeqCst);
    let (sender, mut shown) = watch::channel(agent::Shown::default());
    let joining = {
        let (me, asked, clock) = (
            me.clone(),
            relay.settings().relay().unwrap(),
            relay.clock.clone(),
        );
        tokio::spawn(async move { agent::join(&asked, &me, &clock, &sender).await })
    };
    shown.wait_for(|s| s.failure.is_some()).await.unwrap();
    relay.down.store(false, Ordering::SeqCst);
    tokio::time::timeout(
        Duration::from_secs(10),
        shown.wait_for(|s| s.failure.is_none()),
    )
    .await
    .unwrap()
    .unwrap();
    joining.abort();

    let stranger = RelaySettings {
        ca_sha256: Some("00".repeat(32)),
        ..relay.settings()
    };
    let refused = agent::enroll(
        &stranger.relay().unwrap(),
        &me,
        &ClaimCode::from_random([0; 5]),
    )
    .await;
    assert!(
        matches!(&refused, Err(agent::EnrollError::Unreached(why)) if why.contains("SHA-256")),
        "{refused:?}"
    );
    // The CA as a file does as well as its digest.
    let file = state.path().join("ca.pem");
    std::fs::write(&file, relay.pki.ca_pem()).unwrap();
    let by_file = RelaySettings {
        ca_sha256: None,
        ca_file: Some(file),
        ..relay.settings()
    };
    let answer = agent::enroll(
        &by_file.relay().unwrap(),
        &me,
        &ClaimCode::from_random([0; 5]),
    )
    .await;
    assert!(matches!(answer, Ok(Enrolled::Waiting { .. })), "{answer:?}");
}

#[test]
fn settings_that_cannot_work_are_refused_in_words() {
    let with = |url: &str, digest: Option<&str>, file: Option<&str>| RelaySettings {
        url: url.into(),
        ca_sha256: digest.map(Into::into),
        ca_file: file.map(Into::into),
    };
    let digest = "ab".repeat(32);
    for (settings, says) in [
        (with("relay.example", Some(&digest), None), "https://"),
        (
            with("http://relay.example", Some(&digest), None),
            "https://",
        ),
        (with("https://relay.example", None, None), "ca_sha256"),
        (with("https://relay.example", Some("abcd"), None), "64"),
        (
            with("https://relay.example", None, Some("/nowhere/ca.pem")),
            "/nowhere/ca.pem",
        ),
    ] {
        let error = settings.relay().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let colons = digest
        .as_bytes()
        .chunks(2)
        .map(|c| std::str::from_utf8(c).unwrap());
    let colons = colons.collect::<Vec<_>>().join(":").to_uppercase();
    base::tls::install_provider();
    with("https://relay.example:8443/", Some(&colons), None)
        .relay()
        .unwrap();
}

fn question(me: &Applicant, code: &ClaimCode) -> Enroll {
    let csr_pem = me.csr_pem.clone();
    Enroll {
        v: 1,
        appliance: me.appliance.clone(),
        proof: code.proof(&me.appliance, &csr_pem),
        csr_pem,
        version: "1".into(),
    }
}

#[tokio::test]
async fn what_is_not_an_enrolment_is_refused_and_what_is_is_bounded() {
    let relay = Relay::start().await;
    let me = applicant();
    let other = applicant();
    let good = question(&me, &ClaimCode::from_random([1; 5]));
    let here: IpAddr = [192, 0, 2, 7].into();
    let post = async |enroll: &Enroll| {
        let body = serde_json::to_vec(enroll).unwrap();
        relay.claims.enroll(here, &body).await
    };
    assert!(matches!(post(&good).await, Ok(Enrolled::Waiting { .. })));
    for bad in [
        Enroll {
            v: 2,
            ..good.clone()
        },
        Enroll {
            appliance: other.appliance.clone(),
            ..good.clone()
        },
        Enroll {
            csr_pem: "x".into(),
            ..good.clone()
        },
        Enroll {
            proof: "zz".repeat(32),
            ..good.clone()
        },
        Enroll {
            proof: String::new(),
            ..good.clone()
        },
        Enroll {
            version: "v".repeat(65),
            ..good.clone()
        },
    ] {
        assert!(
            matches!(post(&bad).await, Err(EnrollError::Malformed(_))),
            "{bad:?}"
        );
    }
    for bad in [&b""[..], b"{}", b"[", &[b' '; ENROLL_BYTES_MAX + 1]] {
        assert!(matches!(
            relay.claims.enroll(here, bad).await,
            Err(EnrollError::Malformed(_))
        ));
    }
    // One address cannot fill the table, and what is not repeated goes.
    let kept = async |n: usize, address: &str| {
        let now = relay.claims.now();
        let enrolment = Enrolment {
            appliance: wire::ids::ApplianceId::from_spki(&n.to_be_bytes()),
            csr_pem: String::new(),
            proof: String::new(),
            version: String::new(),
            address: address.into(),
        };
        let oldest = now.plus_s(-CODE_LIFETIME_S);
        relay
            .store
            .keep_enrolment(enrolment, now, oldest)
            .await
            .unwrap()
    };
    for n in 1..64 {
        assert_eq!(kept(n, "192.0.2.7").await, Kept::Waiting);
    }
    assert_eq!(kept(64, "192.0.2.7").await, Kept::Full);
    assert_eq!(kept(5, "192.0.2.7").await, Kept::Waiting);
    assert_eq!(kept(64, "192.0.2.8").await, Kept::Waiting);
    let mut next = question(&other, &ClaimCode::from_random([1; 5]));
    assert!(matches!(
        post(&next).await,
        Err(EnrollError::TooMany { .. })
    ));
    relay.clock.advance_ms(CODE_LIFETIME_S * 1000 + 1);
    next.version = "2".into();
    assert!(matches!(post(&next).await, Ok(Enrolled::Waiting { .. })));
    // Too many questions from one address: told to wait.
    let mut refused = 0;
    for _ in 0..=ENROLLS_PER_MINUTE_MAX {
        if let Err(EnrollError::TooMany { retry_after_s }) = relay.claims.enroll(here, b"").await {
            assert!((1..=60).contains(&retry_after_s));
            refused += 1;
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn codes_cannot_be_tried_out_and_run_out() {
    let relay = Relay::start().await;
    let me = applicant();
    let code = ClaimCode::from_random([1; 5]);
    let body = serde_json::to_vec(&question(&me, &code)).unwrap();
    let here: IpAddr = "2001:db8::1".parse().unwrap();
    relay.claims.enroll(here, &body).await.unwrap();
    let (guesser, admin) = (UserId::new(), UserId::new());
    let typed =
        async |by: UserId, code: &str| relay.claims.claim(by, relay.organisation, code, "x").await;
    for _ in 0..TYPED_MAX {
        assert!(matches!(
            typed(guesser, "0000-0000").await,
            Err(ClaimError::Unknown)
        ));
    }
    // Even the right one is not heard from this person now.
    assert!(matches!(
        typed(guesser, &code.display()).await,
        Err(ClaimError::TooMany { retry_after_s }) if retry_after_s <= 901
    ));
    relay.clock.advance_ms((CODE_LIFETIME_S + 1) * 1000);
    assert!(matches!(
        typed(admin, &code.display()).await,
        Err(ClaimError::Unknown)
    ));
    relay.claims.enroll(here, &body).await.unwrap();
    assert!(matches!(
        relay
            .claims
            .claim(guesser, OrganisationId::new(), &code.display(), "x")
            .await,
        Err(ClaimError::Taken)
    ));
    assert!(matches!(
        relay
            .claims
            .claim(guesser, relay.organisation, &code.display(), " ")
            .await,
        Err(ClaimError::Malformed(_))
    ));
    assert!(typed(guesser, &code.display()).await.is_ok());
}

#[tokio::test]
async fn a_revoked_appliance_waits_again_and_starts_anew() {
    let relay = Relay::start().await;
    let me = applicant();
    let code = ClaimCode::from_random([1; 5]);
    let body = serde_json::to_vec(&question(&me, &code)).unwrap();
    let here: IpAddr = [192, 0, 2, 1].into();
    relay.claims.enroll(here, &body).await.unwrap();
    let first = relay.typed(&code.display()).await.unwrap();
    rusqlite::Connection::open(relay._dir.path().join("relay.db"))
        .unwrap()
        .execute("update appliance set revoked = 1", [])
        .unwrap();
    let revoked = relay.store.revoked_appliances().await.unwrap();
    assert_eq!(revoked, std::slice::from_ref(&me.appliance));
    assert!(matches!(
        relay.claims.enroll(here, &body).await,
        Ok(Enrolled::Waiting { .. })
    ));
    let second = relay.typed(&code.display()).await.unwrap();
    assert_ne!(first.site, second.site);
    assert!(!second.revoked);
    assert!(matches!(
        relay.claims.enroll(here, &body).await,
        Ok(Enrolled::Claimed(_))
    ));
}

#[test]
fn an_ipv6_network_counts_as_one() {
    let n = |a: &str| network(a.parse().unwrap()).to_string();
    assert_eq!(n("2001:db8:1:2:3::4"), "2001:db8:1:2::");
    assert_eq!(n("::ffff:192.0.2.1"), "192.0.2.1");
    assert_eq!(n("192.0.2.1"), "192.0.2.1");
}
