//! With a real Mosquitto.

use super::*;
use base::clock::Clock;
use base::mqtt::{Message, Options, Qos, Session};
use rcgen::{CertificateParams, KeyPair};
use std::os::unix::process::CommandExt;
use wire::ids::OrganisationId;
use wire::topics::{DeviceTopic, EventKind, Leaf, Subject};

use crate::pki::Csr;
use crate::store::enrolments::NewAppliance;

/// The tests' own binary has no guard; the child is killed with its owner all the same.
fn unguarded(command: &Command) -> io::Result<Command> {
    let mut plain = Command::new(command.get_program());
    plain.args(command.get_args()).process_group(0);
    Ok(plain)
}

pub(crate) struct TestBroker {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) pki: Arc<Pki>,
    pub(crate) store: Store,
    pub(crate) link: Link,
    pub(crate) stop: CancellationToken,
    health: watch::Receiver<Health>,
    standing: Arc<Notify>,
    task: tokio::task::JoinHandle<Result<(), BrokerError>>,
}

pub(crate) struct TestAppliance {
    pub(crate) id: ApplianceId,
    pub(crate) broker: base::mqtt::Broker,
}

impl TestBroker {
    pub(crate) async fn start() -> Self {
        base::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let pki = Arc::new(Pki::open(dir.path(), Clock::system()).unwrap());
        let store = Store::open(dir.path()).unwrap();
        let managed = Managed::new(
            pki.clone(),
            store.clone(),
            vec!["127.0.0.1".into()],
            dir.path(),
            ([127, 0, 0, 1], 0).into(),
            Path::new("mosquitto"),
            unguarded,
        )
        .unwrap();
        let (link, mut health, standing) = (managed.link(), managed.health(), managed.standing());
        let stop = CancellationToken::new();
        let task = tokio::spawn(managed.run(stop.clone()));
        running(&mut health).await;
        Self {
            dir,
            pki,
            store,
            link,
            stop,
            health,
            standing,
            task,
        }
    }

    /// Kills the broker, as a crash would, and waits until it runs again.
    pub(crate) async fn crash(&mut self) {
        let pid = self.pid();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        tokio::time::timeout(
            Duration::from_secs(10),
            self.health.wait_for(|h| matches!(h, Health::Down { .. })),
        )
        .await
        .unwrap()
        .unwrap();
        running(&mut self.health).await;
        assert_ne!(self.pid(), pid);
    }

    /// The broker's process, found by its own configuration file among our children.
    fn pid(&self) -> i32 {
        let conf = self.dir.path().join("broker/mosquitto.conf");
        let conf = conf.to_str().unwrap();
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .find(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.split('\0').any(|argument| argument == conf))
            })
            .expect("the broker runs")
    }

    pub(crate) async fn appliance(&self) -> TestAppliance {
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let csr = Csr::parse(&csr.pem().unwrap()).unwrap();
        let issued = self.pki.issue_appliance(&csr).unwrap();
        let organisation = OrganisationId::new();
        rusqlite::Connection::open(self.dir.path().join("relay.db"))
            .unwrap()
            .execute(
                "insert into organisation (id, name, created_utc) values (?1, 'o', 0)",
                [organisation.to_string()],
            )
            .unwrap();
        let new = NewAppliance {
            appliance: csr.appliance.clone(),
            spki_sha256: csr.spki_sha256.clone(),
            organisation,
            site_name: "site".into(),
            certificate_pem: issued.certificate_pem.clone(),
            certificate_expires_at: issued.expires_at,
            version: "0".into(),
        };
        let claimed = self.store.claim_appliance(new, issued.expires_at).await;
        assert!(claimed.unwrap().is_some());
        let tls = base::tls::mutual_client(
            self.pki.ca_pem(),
            &issued.certificate_pem,
            &key.serialize_pem(),
        );
        let Link::Managed { address, .. } = &self.link else {
            unreachable!()
        };
        TestAppliance {
            id: csr.appliance,
            broker: base::mqtt::Broker {
                address: address.clone(),
                tls: Arc::new(tls.unwrap()),
            },
        }
    }

    pub(crate) async fn connect(&self, broker: &base::mqtt::Broker) -> Session {
        base::mqtt::connect(broker, options(), &self.dir.path().join("run/mqtt"))
            .await
            .unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn running(health: &mut watch::Receiver<Health>) {
    tokio::time::timeout(
        Duration::from_secs(20),
        health.wait_for(|h| *h == Health::Running),
    )
    .await
    .expect("the broker starts")
    .unwrap();
}

pub(crate) fn options() -> Options {
    Options {
        client_id: "any".into(),
        will: None,
        session_s: None,
        receive_max: 64,
        keep_alive: Duration::from_secs(30),
    }
}

fn message(topic: &DeviceTopic, payload: &str) -> Message {
    Message {
        topic: topic.to_string(),
        payload: payload.into(),
        qos: Qos::AtLeastOnce,
        retain: false,
        expiry_s: None,
    }
}

async fn next(session: &mut Session) -> (String, String) {
    let received = tokio::time::timeout(Duration::from_secs(30), session.inbox.receive())
        .await
        .expect("something comes")
        .unwrap();
    session.client.ack(&received).await.unwrap();
    let payload = String::from_utf8(received.payload.to_vec()).unwrap();
    (received.topic, payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appliance_reaches_its_own_topics_and_nothing_else() {
    let broker = TestBroker::start().await;
    let (a, b) = (broker.appliance().await, broker.appliance().await);
    let mut relay = broker.connect(&broker.link.broker().unwrap()).await;
    relay
        .client
        .subscribe(&INGEST_FILTERS.map(String::from))
        .await
        .unwrap();
    let mut at = broker.connect(&a.broker).await;
    let mut bt = broker.connect(&b.broker).await;
    let topic = |id: &ApplianceId, leaf| DeviceTopic {
        appliance: id.clone(),
        leaf,
    };
    let event = Leaf::Event(EventKind::Recording);
    // B listens to everything, to A, and to the consumers' tree.
    let mut filters = vec!["#".into(), "holdfast/1/site/#".into()];
    filters.push(topic(&a.id, Leaf::Ack).to_string());
    filters.push(topic(&a.id, event).to_string());
    filters.push(topic(&b.id, Leaf::Poke).to_string());
    bt.client.subscribe(&filters).await.unwrap();
    at.client
        .subscribe(&[topic(&a.id, Leaf::Ack).to_string()])
        .await
        .unwrap();
    // A writes where B belongs, where only the relay writes, and where it may.
    for (to, payload) in [
        (topic(&b.id, event), "a as b"),
        (topic(&b.id, Leaf::Poke), "a pokes b"),
        (topic(&a.id, Leaf::Ack), "a acknowledges itself"),
        (topic(&a.id, event), "mine"),
        (topic(&a.id, Leaf::State(Subject::Agent)), "my state"),
    ] {
        at.client.publish(message(&to, payload)).await.unwrap();
    }
    assert_eq!(next(&mut relay).await.1, "mine");
    assert_eq!(next(&mut relay).await.1, "my state");
    // The relay reaches both; what B was not meant to hear it does not hear.
    relay
        .client
        .publish(message(&topic(&a.id, Leaf::Ack), "ack for a"))
        .await
        .unwrap();
    relay
        .client
        .publish(message(&topic(&b.id, Leaf::Poke), "poke for b"))
        .await
        .unwrap();
    assert_eq!(next(&mut at).await.1, "ack for a");
    assert_eq!(next(&mut bt).await.1, "poke for b");
    // What B may read comes once more by `#`, and nothing else does. (All three call themselves by one client id.)
    while let Some(again) = bt.inbox.receive_waiting() {
        assert_eq!(again.payload, "poke for b");
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_revoked_appliances_are_kept_out() {
    let broker = TestBroker::start().await;
    let other = TestBroker::start().await;
    let a = broker.appliance().await;
    let mut foreign = other.appliance().await;
    foreign.broker.address = a.broker.address.clone();
    let folder = broker.dir.path().join("run/mqtt");
    assert!(
        base::mqtt::connect(&foreign.broker, options(), &folder)
            .await
            .is_err()
    );
    // Our CA, no certificate.
    let bare = base::mqtt::Broker {
        address: a.broker.address.clone(),
        tls: Arc::new(base::tls::client(broker.pki.ca_pem()).unwrap()),
    };
    assert!(
        base::mqtt::connect(&bare, options(), &folder)
            .await
            .is_err()
    );
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        0,
        "no socket is left"
    );

    let mut relay = broker.connect(&broker.link.broker().unwrap()).await;
    relay
        .client
        .subscribe(&INGEST_FILTERS.map(String::from))
        .await
        .unwrap();
    let at = broker.connect(&a.broker).await;
    let topic = DeviceTopic {
        appliance: a.id.clone(),
        leaf: Leaf::Event(EventKind::Alert),
    };
    at.client.publish(message(&topic, "before")).await.unwrap();
    assert_eq!(next(&mut relay).await.1, "before");
    rusqlite::Connection::open(broker.dir.path().join("relay.db"))
        .unwrap()
        .execute(
            "update appliance set revoked = 1 where id = ?1",
            [a.id.as_str()],
        )
        .unwrap();
    broker.standing.notify_one();
    // Denied from the moment the broker has read its rules again: what is said until then still arrives.
    let b = broker.appliance().await;
    let bt = broker.connect(&b.broker).await;
    let marker = DeviceTopic {
        appliance: b.id.clone(),
        leaf: Leaf::Event(EventKind::Alert),
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        assert!(Instant::now() < deadline, "never denied");
        at.client.publish(message(&topic, "after")).await.unwrap();
        // Ordered behind it on another connection only after the broker has answered: ask it something in between.
        tokio::time::sleep(Duration::from_millis(100)).await;
        bt.client.publish(message(&marker, "marker")).await.unwrap();
        let (from, _) = next(&mut relay).await;
        if from == marker.to_string() {
            break;
        }
        assert_eq!(next(&mut relay).await.0, marker.to_string());
    }
    broker.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_started_again_and_remembers_and_its_certificate_can_be_renewed() {
    let mut broker = TestBroker::start().await;
    let a = broker.appliance().await;
    let topic = DeviceTopic {
        appliance: a.id.clone(),
        leaf: Leaf::Online,
    };
    let mut at = base::mqtt::connect(
        &a.broker,
        Options {
            will: Some(Message {
                retain: true,
                ..message(&topic, "gone")
            }),
            ..options()
        },
        &broker.dir.path().join("run/mqtt"),
    )
    .await
    .unwrap();
    let big = "x".repeat(200 * 1024);
    at.client.publish(message(&topic, &big)).await.unwrap();
    broker.crash().await;
    let ended = at.inbox.receive().await.unwrap_err();
    assert!(!ended.0.is_empty());

    // A vanished client leaves its will; one that says good-bye does not.
    let mut relay = broker.connect(&broker.link.broker().unwrap()).await;
    relay
        .client
        .subscribe(&INGEST_FILTERS.map(String::from))
        .await
        .unwrap();
    let will = Options {
        will: Some(message(&topic, "gone")),
        ..options()
    };
    let folder = broker.dir.path().join("run/mqtt");
    let mut polite = base::mqtt::connect(&a.broker, will.clone(), &folder)
        .await
        .unwrap();
    polite
        .client
        .publish(message(&topic, "stopped"))
        .await
        .unwrap();
    polite.client.disconnect().await.unwrap();
    assert_eq!(
        polite.inbox.receive().await.unwrap_err().0,
        "we said good-bye"
    );
    let rude = base::mqtt::connect(&a.broker, will, &folder).await.unwrap();
    drop(rude);
    assert_eq!(next(&mut relay).await.1, "stopped");
    assert_eq!(next(&mut relay).await.1, "gone");

    // The same reload that reads the rules reads the certificate.
    let shown = async || {
        let Link::Managed { address, .. } = &broker.link else {
            unreachable!()
        };
        let tcp = address.connect().await.unwrap();
        let tls = a.broker.tls.clone();
        let io = tokio_rustls::TlsConnector::from(tls)
            .connect(address.server_name().unwrap(), tcp)
            .await
            .unwrap();
        io.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let before = shown().await;
    let fresh = broker.pki.issue_server(&["127.0.0.1".to_owned()]).unwrap();
    let write = |name: &str, text: &str| {
        durable::replace(
            &broker.dir.path().join("broker").join(name),
            text.as_bytes(),
            0o600,
        )
        .unwrap();
    };
    write("server.key", &fresh.key_pem);
    write("server.pem", &fresh.issued.certificate_pem);
    broker.standing.notify_one();
    let deadline = Instant::now() + Duration::from_secs(10);
    while shown().await == before {
        assert!(
            Instant::now() < deadline,
            "the old certificate is still shown"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    broker.stop().await;
}

#[test]
fn a_missing_broker_is_said_in_words() {
    assert!(find(Path::new("no-such-broker-program")).is_none());
    assert!(find(Path::new("/nowhere/mosquitto")).is_none());
    let error = BrokerError::NoProgram("mosquitto".into()).to_string();
    assert!(error.contains("install the package `mosquitto`"), "{error}");
}
