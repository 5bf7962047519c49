//! The session with a real Mosquitto (any CA, no rules: those are the relay's to test), and what people see and set.

use super::*;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use base::child::NoLeakChild;
use base::mqtt::{Message, Options, Qos, Session};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use wire::ids::ApplianceId;
use wire::poke::{Ack, Poke};
use wire::telemetry::{Alert, Event, Severity};
use wire::topics::{DeviceTopic, Leaf, Subject};

use crate::catalog::testing::House;

struct Broker {
    dir: tempfile::TempDir,
    _child: NoLeakChild,
    address: SocketAddr,
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Broker {
    async fn start() -> Self {
        base::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca_key = KeyPair::generate().unwrap();
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let own = own.signed_by(&key, &issuer).unwrap().pem();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let folder = dir.path().display();
        let conf = format!(
            "listener {} 127.0.0.1\ncafile {folder}/ca\ncertfile {folder}/own\nkeyfile {folder}/key\n\
             require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n\
             max_packet_size 262144\nuser {}\n",
            address.port(),
            nix::unistd::User::from_uid(nix::unistd::geteuid())
                .unwrap()
                .unwrap()
                .name,
        );
        for (name, text) in [
            ("ca", &ca_pem),
            ("own", &own),
            ("key", &key.serialize_pem()),
            ("conf", &conf),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let mut command = Command::new("mosquitto");
        command
            .env("PATH", path)
            .arg("-c")
            .arg(dir.path().join("conf"));
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let child = NoLeakChild::new(base::child::spawn(command).unwrap(), "mosquitto");
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < deadline, "the broker starts");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            dir,
            _child: child,
            address,
            ca_pem,
            issuer,
        }
    }

    fn target(&self, cn: &str) -> base::mqtt::Broker {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, cn);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let tls = base::tls::mutual_client(&self.ca_pem, &pem, &key.serialize_pem()).unwrap();
        base::mqtt::Broker {
            address: self.address.to_string().parse().unwrap(),
            tls: Arc::new(tls),
        }
    }

    /// Listens to what an appliance says, as the relay does.
    async fn relay(&self, me: &ApplianceId) -> Relay {
        let options = Options {
            client_id: "relay".into(),
            will: None,
            session_s: None,
            receive_max: 64,
            keep_alive: Duration::from_secs(30),
        };
        let folder = self.dir.path().join("relay");
        let session = base::mqtt::connect(&self.target("relay"), options, &folder)
            .await
            .unwrap();
        let all = format!("holdfast/1/device/{me}/#");
        session.client.subscribe(&[all]).await.unwrap();
        Relay {
            session,
            me: me.clone(),
        }
    }
}

struct Relay {
    session: Session,
    me: ApplianceId,
}

impl Relay {
    /// The next thing said by the appliance.
    async fn next(&mut self) -> (Leaf, Option<Value>) {
        loop {
            let received =
                tokio::time::timeout(Duration::from_secs(20), self.session.inbox.receive())
                    .await
                    .expect("something is said")
                    .unwrap();
            self.session.client.ack(&received).await.unwrap();
            let topic: DeviceTopic = received.topic.parse().unwrap();
            if !matches!(topic.leaf, Leaf::Ack | Leaf::Poke) {
                let payload = (!received.payload.is_empty())
                    .then(|| serde_json::from_slice(&received.payload).unwrap());
                return (topic.leaf, payload);
            }
        }
    }

    /// The next of a kind.
    async fn next_where(&mut self, wanted: impl Fn(Leaf) -> bool) -> Option<Value> {
        loop {
            let (leaf, value) = self.next().await;
            if wanted(leaf) {
                return value;
            }
        }
    }

    async fn next_report(&mut self) -> (String, u64) {
        let report = self
            .next_where(|l| matches!(l, Leaf::Event(_)))
            .await
            .unwrap();
        (
            report["log"].as_str().unwrap().to_owned(),
            report["seq"].as_u64().unwrap(),
        )
    }

    async fn say(&self, leaf: Leaf, what: &impl serde::Serialize) {
        let topic = DeviceTopic {
            appliance: self.me.clone(),
            leaf,
        };
        let message = Message {
            topic: topic.to_string(),
            payload: serde_json::to_vec(what).unwrap(),
            qos: Qos::AtLeastOnce,
            retain: leaf == Leaf::Ack,
            expiry_s: None,
        };
        self.session.client.publish(message).await.unwrap();
    }
}

fn alert(n: u32) -> Event {
    Event::AlertRaised(Alert {
        rule: "test".into(),
        severity: Severity::Info,
        message: n.to_string(),
    })
}

fn parts(house: &House, state: &std::path::Path, relay: Option<RelaySettings>) -> Parts {
    base::tls::install_provider();
    Parts {
        key_pem: {
            let file = state.join("key");
            if !file.exists() {
                std::fs::write(&file, KeyPair::generate().unwrap().serialize_pem()).unwrap();
            }
            std::fs::read_to_string(file).unwrap()
        },
        state: state.to_owned(),
        relay,
        catalog: house.catalog.clone(),
        volumes: house.volumes.clone(),
        viewers: Arc::new(Default::default),
        outlooks: tokio::sync::watch::channel(None).1,
        updates: crate::report::state::no_updates(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_from_birth_to_clean_stop() {
    let (broker, house) = (Broker::start().await, House::new().await);
    let (uplink, handle) = Uplink::new(parts(&house, broker.dir.path(), None)).unwrap();
    let me = uplink.appliance().clone();
    let mut relay = broker.relay(&me).await;
    house.catalog.start_log().await.unwrap();
    for n in 1..=3 {
        house.catalog.report(alert(n)).await.unwrap();
    }
    let reconnect = Arc::new(Notify::new());
    let stop = CancellationToken::new();
    let running = tokio::spawn(uplink.speaker(reconnect.clone()).run(
        broker.target(me.as_str()),
        uplink.shared.mqtt.clone(),
        stop.clone(),
    ));

    // Birth before anything else, then state, then what waits, in order.
    let (leaf, birth) = relay.next().await;
    let birth = birth.unwrap();
    assert_eq!((leaf, &birth["online"]), (Leaf::Online, &Value::Bool(true)));
    assert!(
        relay
            .next_where(|l| l == Leaf::State(Subject::Agent))
            .await
            .is_some()
    );
    let (log, first) = relay.next_report().await;
    assert_eq!(first, 1);
    assert_eq!(relay.next_report().await.1, 2);
    assert_eq!(relay.next_report().await.1, 3);
    let figures = relay
        .next_where(|l| matches!(l, Leaf::Telemetry(_)))
        .await
        .unwrap();
    assert_eq!(figures["v"], 1);
    assert!(handle.mqtt().borrow().connected);

    // Rows go when the relay has them, and no sooner.
    let rows = async || house.catalog.outbox().await.unwrap().unwrap().rows;
    assert_eq!(rows().await, 3);
    let log = log.parse().unwrap();
    relay.say(Leaf::Ack, &Ack { log, seq: 2 }).await;
    eventually(async || rows().await == 1).await;
    house.catalog.report(alert(4)).await.unwrap();
    assert_eq!(relay.next_report().await.1, 4);

    // Pokes: again from 3; what is gone begins a new log; everything once more; dial.
    relay.say(Leaf::Poke, &Poke::Resync { log, from: 3 }).await;
    assert_eq!(relay.next_report().await.1, 3);
    assert_eq!(relay.next_report().await.1, 4);
    relay.say(Leaf::Poke, &Poke::Refresh).await;
    assert!(relay.next_where(|l| l == Leaf::Online).await.is_some());
    relay.say(Leaf::Poke, &Poke::Reconnect).await;
    tokio::time::timeout(Duration::from_secs(5), reconnect.notified())
        .await
        .unwrap();
    relay.say(Leaf::Poke, &Poke::Resync { log, from: 1 }).await;
    eventually(async || house.catalog.outbox().await.unwrap().unwrap().log != log).await;
    house.catalog.report(alert(5)).await.unwrap();
    let (fresh, seq) = relay.next_report().await;
    assert_eq!(seq, 1);
    assert_ne!(fresh, log.to_string());

    // A changed state is told by itself.
    let recorder = house.recorder("SERIAL", 1).await;
    let leaf = Leaf::State(Subject::Recorder(recorder.id));
    assert!(relay.next_where(|l| l == leaf).await.is_some());

    stop.cancel();
    running.await.unwrap();
    let stopped = relay.next_where(|l| l == Leaf::Online).await.unwrap();
    assert_eq!(
        (&stopped["online"], &stopped["reason"]),
        (&Value::Bool(false), &Value::from("stopped"))
    );
    assert_eq!(stopped["boot_id"], birth["boot_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_an_older_copy_of_itself_begins_a_new_log() {
    let (broker, house) = (Broker::start().await, House::new().await);
    let (uplink, _) = Uplink::new(parts(&house, broker.dir.path(), None)).unwrap();
    let me = uplink.appliance().clone();
    let relay = broker.relay(&me).await;
    let log = house.catalog.start_log().await.unwrap();
    // The relay remembers more of this log than the catalog holds.
    relay.say(Leaf::Ack, &Ack { log, seq: 100 }).await;
    let stop = CancellationToken::new();
    let speaker = uplink.speaker(Arc::new(Notify::new()));
    let status = uplink.shared.mqtt.clone();
    let running = tokio::spawn(speaker.run(broker.target(me.as_str()), status, stop.clone()));
    eventually(async || house.catalog.outbox().await.unwrap().unwrap().log != log).await;
    stop.cancel();
    running.await.unwrap();
}

async fn eventually(condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_relay_is_set_at_run_time_and_remembered() {
    let (house, state) = (House::new().await, tempfile::tempdir().unwrap());
    let configured = RelaySettings {
        url: "https://from.the.file:8443".into(),
        ca_sha256: Some("ab".repeat(32)),
        ca_file: None,
    };
    let (_, handle) = Uplink::new(parts(&house, state.path(), None)).unwrap();
    assert_eq!(handle.claim().state, ClaimState::NoRelay);
    let (_, handle) = Uplink::new(parts(&house, state.path(), Some(configured.clone()))).unwrap();
    assert_eq!(handle.claim().relay_url.unwrap(), configured.url);
    let other = RelaySettings {
        url: "https://127.0.0.1:1".into(),
        ..configured.clone()
    };
    let bad = RelaySettings {
        ca_sha256: None,
        ..configured.clone()
    };
    assert!(matches!(
        handle.set_relay(Some(bad)),
        Err(SetRelayError::Bad(_))
    ));
    handle.set_relay(Some(other.clone())).unwrap();
    let (uplink, handle) = Uplink::new(parts(&house, state.path(), Some(configured))).unwrap();
    assert_eq!(handle.claim().relay_url.unwrap(), other.url);

    // Running, it shows a code and why nobody has heard of it.
    let stop = CancellationToken::new();
    let running = tokio::spawn(uplink.run(Router::new(), stop.clone()));
    eventually(async || handle.claim().code.is_some() && handle.claim().failure.is_some()).await;
    let claim = handle.claim();
    assert_eq!((claim.state, claim.connected), (ClaimState::Waiting, false));
    assert_eq!(claim.code.unwrap().len(), 9);
    handle.set_relay(None).unwrap();
    eventually(async || {
        handle.claim().state == ClaimState::NoRelay && handle.claim().code.is_none()
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
}
