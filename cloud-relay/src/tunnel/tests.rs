//! Both shipped ends of the tunnel against each other: real TLS on loopback, a real store, certificates of a real CA.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{get, post};
use base::clock::Clock;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wire::ids::{ApplianceId, OrganisationId};
use wire::tunnel::{ALPN, Hello, Lane};

use super::hub::{Hub, Limits, TunnelError};
use crate::pki::{Csr, Pki, ServerCertificate};
use crate::store::Store;
use crate::store::enrolments::NewAppliance;

// The agent's end, as it is shipped.
#[path = "../../../edge-agent/src/uplink/tunnel/mod.rs"]
mod agent;

struct Relay {
    dir: tempfile::TempDir,
    pki: Arc<Pki>,
    store: Store,
    hub: Hub,
    address: SocketAddr,
    stop: CancellationToken,
}

struct Identity {
    appliance: ApplianceId,
    key_pem: String,
    certificate_pem: String,
}

impl Relay {
    async fn start(limits: Limits) -> Self {
        base::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let pki = Arc::new(Pki::open(dir.path(), Clock::system()).unwrap());
        let store = Store::open(dir.path()).unwrap();
        let stop = CancellationToken::new();
        let hub = Hub::new(limits, stop.clone());
        let certificate = ServerCertificate::new(pki.clone(), vec!["127.0.0.1".into()]).unwrap();
        let tls = base::tls::mutual_server(pki.ca_pem(), certificate, &[ALPN]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(super::listener::run(
            listener,
            Arc::new(tls),
            store.clone(),
            hub.clone(),
            stop.clone(),
        ));
        tokio::spawn(hub.clone().keep_alive());
        Self {
            dir,
            pki,
            store,
            hub,
            address,
            stop,
        }
    }

    /// An appliance with a certificate; `claimed`: the store knows it too.
    async fn identity(&self, claimed: bool) -> Identity {
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let csr = Csr::parse(&csr.pem().unwrap()).unwrap();
        let issued = self.pki.issue_appliance(&csr).unwrap();
        if claimed {
            let organisation = self.organisation();
            let new = NewAppliance {
                appliance: csr.appliance.clone(),
                spki_sha256: csr.spki_sha256.clone(),
                organisation,
                site_name: "site".into(),
                certificate_pem: issued.certificate_pem.clone(),
                certificate_expires_at: issued.expires_at,
                version: "0".into(),
            };
            let now = issued.expires_at;
            assert!(
                self.store
                    .claim_appliance(new, now)
                    .await
                    .unwrap()
                    .is_some()
            );
        }
        Identity {
            appliance: csr.appliance,
            key_pem: key.serialize_pem(),
            certificate_pem: issued.certificate_pem,
        }
    }

    fn organisation(&self) -> OrganisationId {
        let id = OrganisationId::new();
        rusqlite::Connection::open(self.dir.path().join("relay.db"))
            .unwrap()
            .execute(
                "insert into organisation (id, name, created_utc) values (?1, 'o', 0)",
                [id.to_string()],
            )
            .unwrap();
        id
    }

    fn revoke(&self, appliance: &ApplianceId) {
        rusqlite::Connection::open(self.dir.path().join("relay.db"))
            .unwrap()
            .execute(
                "update appliance set revoked = 1 where id = ?1",
                [appliance.as_str()],
            )
            .unwrap();
    }

    async fn get(
        &self,
        appliance: &ApplianceId,
        path: &str,
    ) -> Result<(StatusCode, Vec<u8>), TunnelError> {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = self.hub.request(appliance, request).await?;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Ok((status, body.to_vec()))
    }
}

struct Agent {
    appliance: ApplianceId,
    status: watch::Receiver<agent::Status>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Agent {
    fn start(
        relay: &Relay,
        identity: &Identity,
        generation: u64,
        settings: agent::Settings,
    ) -> Self {
        let target = agent::Target {
            relay: relay.address.to_string().parse().unwrap(),
            tls: client(&relay.pki, identity),
            hello: hello(&identity.appliance, generation),
        };
        let (status, seen) = watch::channel(agent::Status::default());
        let stop = CancellationToken::new();
        let task = tokio::spawn(agent::run(
            target,
            settings,
            router(),
            status,
            Arc::new(Notify::new()),
            stop.clone(),
        ));
        Self {
            appliance: identity.appliance.clone(),
            status: seen,
            stop,
            task,
        }
    }

    async fn until(&mut self, condition: impl FnMut(&agent::Status) -> bool) {
        tokio::time::timeout(Duration::from_secs(20), self.status.wait_for(condition))
            .await
            .expect("in time")
            .unwrap();
    }
}

fn client(pki: &Pki, identity: &Identity) -> Arc<rustls::ClientConfig> {
    let mut tls =
        base::tls::mutual_client(pki.ca_pem(), &identity.certificate_pem, &identity.key_pem)
            .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(tls)
}

fn hello(appliance: &ApplianceId, generation: u64) -> Hello {
    Hello {
        v: wire::version::TUNNEL,
        appliance: appliance.clone(),
        lane: Lane::Http,
        generation,
    }
}

/// Bytes without end in sight: a live stream, a big file.
const BIG: usize = 64 * 1024 * 1024;

fn router() -> Router {
    let big = || async {
        let chunk = bytes::Bytes::from(vec![7u8; 64 * 1024]);
        let chunks = std::iter::repeat_n(chunk, BIG / (64 * 1024)).map(Ok::<_, std::io::Error>);
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    Router::new()
        .route(
            "/n/{n}",
            get(|Path(n): Path<usize>| async move { vec![1u8; n] }),
        )
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "slow"
            }),
        )
        .route("/big", get(big))
        .route("/echo", post(|body: bytes::Bytes| async move { body }))
}

fn quick() -> agent::Settings {
    agent::Settings {
        backoff_first: Duration::from_millis(20),
        backoff_max: Duration::from_millis(200),
        ..agent::Settings::default()
    }
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_requests_at_once_and_then_the_same_connections_again() {
    let relay = Relay::start(Limits::default()).await;
    let identity = relay.identity(true).await;
    let mut agent = Agent::start(&relay, &identity, 1, quick());
    agent.until(|s| s.attached == 4).await;
    let relay = Arc::new(relay);
    for _ in 0..2 {
        let requests: Vec<_> = (0..32)
            .map(|i| {
                let (relay, id) = (relay.clone(), agent.appliance.clone());
                tokio::spawn(async move { relay.get(&id, &format!("/n/{}", i * 10_000)).await })
            })
            .collect();
        for (i, request) in requests.into_iter().enumerate() {
            let (status, body) = request.await.unwrap().unwrap();
            assert_eq!((status, body.len()), (StatusCode::OK, i * 10_000));
        }
    }
    agent.until(|s| s.busy == 0).await;
    let presence = relay.hub.presence(&agent.appliance);
    assert!(
        presence.connections <= 64 && presence.spare >= 4,
        "{presence:?}"
    );
    assert_eq!(
        relay.get(&agent.appliance, "/nowhere").await.unwrap().0,
        StatusCode::NOT_FOUND
    );
    let request = Request::post("/echo").body(Body::from("said")).unwrap();
    let echo = relay.hub.request(&agent.appliance, request).await.unwrap();
    assert_eq!(echo.into_body().collect().await.unwrap().to_bytes(), "said");
    // Asked to stop, the agent is gone at once.
    agent.stop.cancel();
    agent.task.await.unwrap();
    eventually("presence ends", || {
        relay.hub.presence(&agent.appliance).connections == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_and_aborted_viewers_cost_nobody_else() {
    let relay = Relay::start(Limits::default()).await;
    let identity = relay.identity(true).await;
    let mut agent = Agent::start(&relay, &identity, 1, quick());
    agent.until(|s| s.attached == 4).await;
    // Ten viewers take the head of a big body and then stop reading.
    let mut paused = Vec::new();
    for _ in 0..10 {
        let request = Request::builder().uri("/big").body(Body::empty()).unwrap();
        let mut response = relay.hub.request(&agent.appliance, request).await.unwrap();
        assert!(response.body_mut().frame().await.unwrap().is_ok());
        paused.push(response);
    }
    agent.until(|s| s.busy == 10).await;
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(
            relay
                .get(&agent.appliance, "/n/200000")
                .await
                .unwrap()
                .1
                .len(),
            200_000
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    // They close their browsers: the connections close, and none of their bytes reach the next one.
    drop(paused);
    agent.until(|s| s.busy == 0).await;
    assert_eq!(
        relay.get(&agent.appliance, "/n/3").await.unwrap().1,
        [1, 1, 1]
    );
    agent.until(|s| s.attached >= 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_cut_are_dialled_again_and_stale_ones_are_skipped() {
    let relay = Relay::start(Limits::default()).await;
    let identity = relay.identity(true).await;
    // A line that can be cut, in front of the relay.
    let line = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (front, behind) = (line.local_addr().unwrap(), relay.address);
    let cut = Arc::new(Notify::new());
    let cuts = cut.clone();
    tokio::spawn(async move {
        loop {
            let (mut a, _) = line.accept().await.unwrap();
            let cut = cuts.clone();
            tokio::spawn(async move {
                let mut b = TcpStream::connect(behind).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut a, &mut b) => {}
                    () = cut.notified() => {}
                }
            });
        }
    });
    let target = agent::Target {
        relay: front.to_string().parse().unwrap(),
        tls: client(&relay.pki, &identity),
        hello: hello(&identity.appliance, 1),
    };
    let (status, mut seen) = watch::channel(agent::Status::default());
    let stop = CancellationToken::new();
    tokio::spawn(agent::run(
        target,
        quick(),
        router(),
        status,
        Arc::new(Notify::new()),
        stop.clone(),
    ));
    for _ in 0..5 {
        seen.wait_for(|s| s.attached == 4).await.unwrap();
        cut.notify_waiters();
        // Every spare is dead or about to be; nobody who asks is told.
        let answer = relay.get(&identity.appliance, "/n/5").await.unwrap();
        assert_eq!(answer.1.len(), 5);
    }
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_pinged_and_unanswered_ones_closed() {
    let limits = Limits {
        ping_after: Duration::from_millis(100),
        ping_wait: Duration::from_millis(300),
        absence: Duration::from_millis(200),
        spare_wait: Duration::from_millis(300),
        ..Limits::default()
    };
    let relay = Relay::start(limits).await;
    let identity = relay.identity(true).await;
    let mut agent = Agent::start(
        &relay,
        &identity,
        1,
        agent::Settings {
            silence_max: Duration::from_millis(600),
            ..quick()
        },
    );
    agent.until(|s| s.attached == 4).await;
    let mut before = agent.status.clone();
    before.mark_unchanged();
    // Pings keep it: nothing about the pool changes for a good while.
    assert!(
        tokio::time::timeout(Duration::from_millis(1500), before.changed())
            .await
            .is_err()
    );
    // With the hub's pings stopped it is the agent that notices.
    relay.stop.cancel();
    agent
        .until(|s| s.attached == 0 && s.failure.is_some())
        .await;

    // A peer that says hello, answers once and then nothing.
    let relay = Relay::start(Limits {
        ping_after: Duration::from_millis(100),
        ping_wait: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let (near, mut far) = tokio::io::duplex(4096);
    let id = identity.appliance.clone();
    let hub = relay.hub.clone();
    let attached = tokio::spawn(async move { hub.attach(&hello(&id, 1), near).await });
    let mut buffer = vec![0u8; 1024];
    let n = far.read(&mut buffer).await.unwrap();
    assert!(buffer[..n].starts_with(b"OPTIONS * HTTP/1.1\r\n"));
    far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .await
        .unwrap();
    attached.await.unwrap().unwrap();
    assert_eq!(relay.hub.presence(&identity.appliance).spare, 1);
    eventually("the mute connection goes", || {
        relay.hub.presence(&identity.appliance).connections == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let relay = Relay::start(Limits {
        spare_wait: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mine = relay.identity(true).await;
    let other = relay.identity(true).await;
    let unclaimed = relay.identity(false).await;
    let revoked = relay.identity(true).await;
    relay.revoke(&revoked.appliance);
    // Another relay's certificate, though with the right name in it.
    let elsewhere = Relay::start(Limits::default()).await;
    let foreign = elsewhere.identity(true).await;

    let say = async |identity: &Identity, bytes: &[u8]| {
        let tls = client(&relay.pki, identity);
        let tcp = TcpStream::connect(relay.address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
        let connected = tokio_rustls::TlsConnector::from(tls)
            .connect(name, tcp)
            .await;
        let Ok(mut io) = connected else { return };
        // Whoever is refused sees the end without having been asked anything.
        if io.write_all(bytes).await.is_ok() {
            let mut answer = Vec::new();
            let read =
                tokio::time::timeout(Duration::from_secs(5), io.read_to_end(&mut answer)).await;
            read.expect("closed at once").ok();
            assert!(answer.is_empty(), "{answer:?}");
        }
    };
    say(&foreign, &hello(&foreign.appliance, 1).encode()).await;
    say(&mine, &hello(&other.appliance, 1).encode()).await;
    say(&unclaimed, &hello(&unclaimed.appliance, 1).encode()).await;
    say(&revoked, &hello(&revoked.appliance, 1).encode()).await;
    say(&mine, &[0, 0, 4, 1]).await;
    say(&mine, &[0xff; 2000]).await;
    say(&mine, b"\0\0\0\x02{}").await;
    for identity in [&mine, &other, &unclaimed, &revoked, &foreign] {
        assert_eq!(relay.hub.presence(&identity.appliance).connections, 0);
        assert!(matches!(
            relay.get(&identity.appliance, "/n/1").await,
            Err(TunnelError::Offline(_))
        ));
    }
    // A client without a certificate does not get past TLS 1.3.
    let mut tls = base::tls::client(relay.pki.ca_pem()).unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let tcp = TcpStream::connect(relay.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    if let Ok(mut io) = tokio_rustls::TlsConnector::from(Arc::new(tls))
        .connect(name, tcp)
        .await
    {
        assert!(io.read_u8().await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_start_takes_over_and_a_revoked_appliance_loses_what_it_holds() {
    let relay = Relay::start(Limits::default()).await;
    let identity = relay.identity(true).await;
    let mut first = Agent::start(&relay, &identity, 1, quick());
    first.until(|s| s.attached == 4).await;
    let mut second = Agent::start(&relay, &identity, 2, quick());
    second.until(|s| s.attached == 4).await;
    first
        .until(|s| s.attached == 0 && s.failure.is_some())
        .await;
    first.stop.cancel();
    first.task.await.unwrap();

    let request = Request::builder().uri("/big").body(Body::empty()).unwrap();
    let mut watching = relay
        .hub
        .request(&identity.appliance, request)
        .await
        .unwrap();
    assert!(watching.body_mut().frame().await.unwrap().is_ok());
    relay.revoke(&identity.appliance);
    relay.hub.close(&identity.appliance);
    assert!(watching.into_body().collect().await.is_err());
    second
        .until(|s| s.attached == 0 && s.failure.is_some())
        .await;
    eventually("nothing is left", || {
        relay.hub.presence(&identity.appliance).connections == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_connection_in_use_a_request_is_told_so_in_time() {
    let relay = Relay::start(Limits {
        spare_wait: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let identity = relay.identity(true).await;
    let mut agent = Agent::start(
        &relay,
        &identity,
        1,
        agent::Settings {
            spares: 1,
            connections_max: 2,
            ..quick()
        },
    );
    agent.until(|s| s.attached == 1).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let request = Request::builder().uri("/big").body(Body::empty()).unwrap();
        held.push(relay.hub.request(&agent.appliance, request).await.unwrap());
    }
    assert!(matches!(
        relay.get(&agent.appliance, "/n/1").await,
        Err(TunnelError::Busy(_))
    ));
    held.pop();
    assert!(relay.get(&agent.appliance, "/n/1").await.is_ok());
}

#[tokio::test]
async fn a_request_of_which_something_was_sent_is_not_sent_twice() {
    let hub = Hub::new(Limits::default(), CancellationToken::new());
    let id = ApplianceId::from_spki(b"k");
    let seen = Arc::new(AtomicUsize::new(0));
    // Peers that answer pings, and break the connection once they have read anything else.
    for _ in 0..5 {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let seen = seen.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0u8; 4096];
            loop {
                let bytes = far.read(&mut buffer).await.unwrap();
                if !buffer[..bytes].starts_with(b"OPTIONS") {
                    seen.fetch_add(usize::from(bytes > 0), Ordering::SeqCst);
                    break;
                }
                let pong = b"HTTP/1.1 204 No Content\r\n\r\n";
                far.write_all(pong).await.unwrap();
            }
        });
        hub.attach(&hello(&id, 1), near).await.unwrap();
    }
    let post = Request::post("/api/v1/sync")
        .body(Body::from("{}"))
        .unwrap();
    assert!(matches!(
        hub.request(&id, post).await,
        Err(TunnelError::Broken { .. })
    ));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    // A GET may be repeated, once.
    let get = Request::get("/api/v1/cameras").body(Body::empty()).unwrap();
    assert!(matches!(
        hub.request(&id, get).await,
        Err(TunnelError::Broken { .. })
    ));
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}
