//! With a real Mosquitto, a real store, and an agent that speaks MQTT as ours does (with its own window and patience).

use super::*;
use crate::broker::tests::{TestAppliance, TestBroker, options};
use crate::mqtt::Pokes;
use crate::tunnel::hub::Limits;
use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::routing::{get, post};
use base::mqtt::{Client, Message, Qos};
use http::StatusCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::ids::{BootId, CameraId, LogId, MessageId, RecordingId};
use wire::resource::{Recording, RecordingStatus};
use wire::telemetry::{
    Alert, Event, Recordings, Report, ReportPage, Resync, ResyncRequest, Severity,
};
use wire::topics::{DeviceTopic, Leaf};
use wire::tunnel::{ASSERTION_HEADER, Hello, Lane};

// How the agent drains its outbox, as it is shipped.
#[path = "../../../edge-agent/src/uplink/outbox.rs"]
mod outbox;

struct House {
    broker: TestBroker,
    hub: Hub,
    changes: Changes,
    connected: watch::Receiver<bool>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    patience: Patience,
}

fn ingest(
    broker: &TestBroker,
    hub: &Hub,
    changes: &Changes,
    patience: Patience,
) -> (Ingest, Pokes) {
    let (pokes, receiver) = Pokes::new();
    let ingest = Ingest::new(Parts {
        store: broker.store.clone(),
        clock: Clock::system(),
        changes: changes.clone(),
        hub: hub.clone(),
        pki: broker.pki.clone(),
        link: broker.link.clone(),
        socket_folder: broker.dir.path().join("run/mqtt"),
        pokes: receiver,
        patience,
    });
    (ingest, pokes)
}

impl House {
    async fn new(patience: Patience) -> Self {
        let broker = TestBroker::start().await;
        let hub = Hub::new(Limits::default(), CancellationToken::new());
        let changes = Changes::new();
        let (ingest, _) = ingest(&broker, &hub, &changes, patience);
        let (stop, connected) = (CancellationToken::new(), ingest.connected());
        let task = tokio::spawn(ingest.run(stop.clone()));
        let mut house = Self {
            broker,
            hub,
            changes,
            connected,
            stop,
            task,
            patience,
        };
        house.until_connected().await;
        house
    }

    async fn until_connected(&mut self) {
        let connected = self.connected.wait_for(|c| *c);
        tokio::time::timeout(Duration::from_secs(20), connected)
            .await
            .unwrap()
            .unwrap();
    }

    async fn stop_ingest(&mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }

    async fn start_ingest(&mut self) {
        let (ingest, _) = ingest(&self.broker, &self.hub, &self.changes, self.patience);
        (self.stop, self.connected) = (CancellationToken::new(), ingest.connected());
        self.task = tokio::spawn(ingest.run(self.stop.clone()));
        self.until_connected().await;
    }

    fn count(&self, sql: &str) -> i64 {
        rusqlite::Connection::open(self.broker.dir.path().join("relay.db"))
            .unwrap()
            .query_row(sql, [], |r| r.get(0))
            .unwrap()
    }

    async fn stored(&self, appliance: &ApplianceId) -> u64 {
        let ack = self.broker.store.acknowledged(appliance).await.unwrap();
        ack.map_or(0, |ack| ack.seq)
    }

    async fn until_stored(&self, appliance: &ApplianceId, seq: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let stored = self.stored(appliance).await;
            if stored >= seq {
                return;
            }
            assert!(Instant::now() < deadline, "stored {stored} of {seq}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.broker.stop().await;
    }
}

fn recording(n: u64) -> Recording {
    let start = UtcTime::from_micros(1_800_000_000_000_000).plus_s(60 * n as i64);
    Recording {
        id: RecordingId::new(),
        camera_id: CameraId(uuid::Uuid::from_u128(7)),
        status: RecordingStatus::Completed,
        start_utc: start,
        end_utc: start.plus_s(60),
        recorder_start: "2026-11-03T15:05:00".into(),
        clock_offset_ms: 0,
        source_name: format!("ch01_{n}"),
        stated_bytes: 10,
        received_bytes: 10,
        progress_percent: 100,
        kept_bytes: Some(10),
        digest: Some("ab".into()),
        source_digest: None,
        fetched_bytes: None,
        video_codec: Some("h264".into()),
        audio_codec: None,
        width: None,
        height: None,
        defects: Vec::new(),
        locked: false,
        bookmarked: false,
        attempts: 1,
        failure: None,
        next_attempt_at: None,
        eviction_cause: None,
        updated_at: start,
    }
}

fn report(appliance: &ApplianceId, log: LogId, seq: u64) -> Report {
    Report {
        v: 1,
        appliance: appliance.clone(),
        log,
        seq,
        id: MessageId::new(),
        ts: UtcTime::from_micros(0),
        event: Event::RecordingCompleted(Recordings {
            recordings: vec![recording(seq)],
        }),
    }
}

fn event(report: &Report) -> Message {
    let topic = DeviceTopic {
        appliance: report.appliance.clone(),
        leaf: Leaf::Event(report.event.kind()),
    };
    Message {
        topic: topic.to_string(),
        payload: serde_json::to_vec(report).unwrap(),
        qos: Qos::AtLeastOnce,
        retain: false,
        expiry_s: None,
    }
}

fn presence(appliance: &ApplianceId, boot: BootId, online: bool) -> Message {
    let topic = DeviceTopic {
        appliance: appliance.clone(),
        leaf: Leaf::Online,
    };
    let it = Online {
        v: 1,
        appliance: appliance.clone(),
        online,
        boot_id: boot,
        since: UtcTime::from_micros(0),
        version: Some("1.2.3".into()),
        reason: None,
    };
    Message {
        topic: topic.to_string(),
        payload: serde_json::to_vec(&it).unwrap(),
        qos: Qos::AtLeastOnce,
        retain: true,
        expiry_s: None,
    }
}

/// An agent with an outbox in memory: rows stay until they are acknowledged.
struct Agent {
    me: ApplianceId,
    broker: base::mqtt::Broker,
    folder: PathBuf,
    log: LogId,
    rows: Arc<Mutex<Vec<Report>>>,
    /// Up to which of them it has written so far.
    written: Arc<AtomicU64>,
    sessions: u32,
}

impl Agent {
    fn new(house: &House, appliance: &TestAppliance, reports: u64) -> Self {
        let log = LogId::new();
        let rows = (1..=reports).map(|seq| report(&appliance.id, log, seq));
        Self {
            me: appliance.id.clone(),
            broker: appliance.broker.clone(),
            folder: house.broker.dir.path().join("run/mqtt"),
            log,
            rows: Arc::new(Mutex::new(rows.collect())),
            written: Arc::new(AtomicU64::new(reports)),
            sessions: 0,
        }
    }

    /// Drains until everything is acknowledged, through as many sessions as it takes.
    async fn drain(mut self) -> u32 {
        let mut drain = outbox::Drain::new(Instant::now());
        while !self.rows.lock().unwrap().is_empty() {
            match base::mqtt::connect(&self.broker, options(), &self.folder).await {
                Ok(session) => {
                    self.sessions += 1;
                    // A session that breaks is followed by another.
                    let _ = self.session(session, &mut drain).await;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        self.sessions
    }

    async fn session(&self, mut session: Session, drain: &mut outbox::Drain) -> Result<(), Ended> {
        let topic = |leaf| {
            DeviceTopic {
                appliance: self.me.clone(),
                leaf,
            }
            .to_string()
        };
        session
            .client
            .subscribe(&[topic(Leaf::Ack), topic(Leaf::Poke)])
            .await?;
        drain.of_log(self.log, Instant::now());
        drain.begin_session(Instant::now());
        loop {
            while let Some((after, limit)) = drain.wanted() {
                let next: Vec<Report> = {
                    let rows = self.rows.lock().unwrap();
                    rows.iter()
                        .filter(|r| r.seq > after && r.seq <= self.written.load(Ordering::Relaxed))
                        .take(limit)
                        .cloned()
                        .collect()
                };
                if next.is_empty() {
                    break;
                }
                for report in next {
                    session.client.publish(event(&report)).await?;
                    drain.published(report.seq, Instant::now());
                }
            }
            if self.rows.lock().unwrap().is_empty() {
                return session.client.disconnect().await;
            }
            let received =
                tokio::time::timeout(Duration::from_secs(1), session.inbox.receive()).await;
            let Ok(received) = received else {
                drain.overdue(Instant::now());
                continue;
            };
            let received = received?;
            session.client.ack(&received).await?;
            if received.topic.ends_with("/ack") {
                let ack: Ack = serde_json::from_slice(&received.payload).unwrap();
                if drain.acked(ack, Instant::now()) {
                    self.rows.lock().unwrap().retain(|r| r.seq > ack.seq);
                }
            } else if let Ok(Poke::Resync { log, from }) = serde_json::from_slice(&received.payload)
            {
                drain.resync(log, from, Instant::now());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_in_the_middle_costs_no_report_and_doubles_none() {
    const REPORTS: u64 = 1500;
    let mut house = House::new(Patience::default()).await;
    let appliance = house.broker.appliance().await;
    let mut seen = house.changes.watch();
    let order = tokio::spawn(async move {
        let mut told = Vec::new();
        while told.len() < REPORTS as usize {
            if let Ok(change) = seen.recv().await
                && let What::Event(event) = &change.what
            {
                told.push(event.recordings().unwrap()[0].source_name.clone());
            }
        }
        told
    });
    let (client, _session) = connected(&house, &appliance).await;
    client
        .publish(presence(&appliance.id, BootId::new(), true))
        .await
        .unwrap();
    let agent = Agent::new(&house, &appliance, REPORTS);
    // However quick the relay is, there is more to come at each crash.
    let written = agent.written.clone();
    written.store(2 * REPORTS / 5, Ordering::Relaxed);
    let agent = tokio::spawn(agent.drain());
    for part in 1..=3 {
        house.until_stored(&appliance.id, part * REPORTS / 5).await;
        house.broker.crash().await;
        written.store((part + 2) * REPORTS / 5, Ordering::Relaxed);
    }
    let sessions = tokio::time::timeout(Duration::from_secs(120), agent)
        .await
        .expect("everything is acknowledged")
        .unwrap();
    assert!(sessions > 3, "{sessions}");
    assert_eq!(house.stored(&appliance.id).await, REPORTS);
    assert_eq!(
        house.count("select count(*) from recording"),
        REPORTS as i64
    );
    // Watchers were told each once and in order, too.
    let told = order.await.unwrap();
    let expected: Vec<_> = (1..=REPORTS).map(|n| format!("ch01_{n}")).collect();
    assert_eq!(told, expected);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_away_goes_on_where_it_was() {
    let mut house = House::new(Patience::default()).await;
    let appliance = house.broker.appliance().await;
    let agent = tokio::spawn(Agent::new(&house, &appliance, 1500).drain());
    house.until_stored(&appliance.id, 100).await;
    house.stop_ingest().await;
    let stored = house.stored(&appliance.id).await;
    assert!(stored < 1500, "stopped in the middle");
    house.start_ingest().await;
    house.until_stored(&appliance.id, 1500).await;
    tokio::time::timeout(Duration::from_secs(60), agent)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(house.count("select count(*) from recording"), 1500);
    house.end().await;
}

async fn connected(house: &House, appliance: &TestAppliance) -> (Client, Session) {
    let session = house.broker.connect(&appliance.broker).await;
    let topic = |leaf| {
        DeviceTopic {
            appliance: appliance.id.clone(),
            leaf,
        }
        .to_string()
    };
    session
        .client
        .subscribe(&[topic(Leaf::Ack), topic(Leaf::Poke)])
        .await
        .unwrap();
    (session.client.clone(), session)
}

/// The next ack or poke.
async fn next(session: &mut Session) -> (bool, serde_json::Value) {
    let received = tokio::time::timeout(Duration::from_secs(10), session.inbox.receive())
        .await
        .expect("the relay answers")
        .unwrap();
    session.client.ack(&received).await.unwrap();
    let value = serde_json::from_slice(&received.payload).unwrap();
    (received.topic.ends_with("/ack"), value)
}

#[tokio::test(flavor = "multi_thread")]
async fn repetitions_change_nothing_holes_are_poked_for_and_a_new_log_begins_anew() {
    let house = House::new(Patience::default()).await;
    let appliance = house.broker.appliance().await;
    let (client, mut session) = connected(&house, &appliance).await;
    let (first, second) = (LogId::new(), LogId::new());
    let say = async |report: &Report| client.publish(event(report)).await.unwrap();
    let ack = |log: LogId, seq: u64| (true, serde_json::json!({ "log": log, "seq": seq }));

    let one = report(&appliance.id, first, 1);
    say(&one).await;
    assert_eq!(next(&mut session).await, ack(first, 1));
    say(&one).await;
    assert_eq!(next(&mut session).await, ack(first, 1));
    // 2 is missing.
    say(&report(&appliance.id, first, 3)).await;
    let poke = serde_json::json!({ "type": "resync", "log": first, "from": 2 });
    assert_eq!(next(&mut session).await, (false, poke));
    assert_eq!(house.stored(&appliance.id).await, 1);
    say(&report(&appliance.id, first, 2)).await;
    assert_eq!(next(&mut session).await, ack(first, 2));
    say(&report(&appliance.id, first, 3)).await;
    assert_eq!(next(&mut session).await, ack(first, 3));
    // A restored agent: another log, from its beginning.
    say(&report(&appliance.id, second, 2)).await;
    let poke = serde_json::json!({ "type": "resync", "log": second, "from": 1 });
    assert_eq!(next(&mut session).await, (false, poke));
    say(&report(&appliance.id, second, 1)).await;
    assert_eq!(next(&mut session).await, ack(second, 1));
    // What a broker still delivers of the old one does not turn the clock back.
    say(&report(&appliance.id, first, 4)).await;
    assert_eq!(next(&mut session).await, ack(second, 1));
    assert_eq!(house.count("select count(*) from recording"), 4);
    // Whoever comes later is told the ack by the broker.
    drop(session);
    let (_client, mut later) = connected(&house, &appliance).await;
    assert_eq!(next(&mut later).await, ack(second, 1));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foreign_or_false_reaches_no_table_and_stops_nobody() {
    let house = House::new(Patience::default()).await;
    let appliance = house.broker.appliance().await;
    let (client, mut session) = connected(&house, &appliance).await;
    let log = LogId::new();
    let stranger = ApplianceId::from_spki(b"stranger");
    let say = async |message: Message| client.publish(message).await.unwrap();
    let alert = |seq| Report {
        event: Event::AlertRaised(Alert {
            rule: "r".into(),
            severity: Severity::Critical,
            message: "m".into(),
        }),
        ..report(&appliance.id, log, seq)
    };
    // Under its own topic, in another's name.
    let mut lie = event(&report(&stranger, log, 1));
    lie.topic = event(&report(&appliance.id, log, 1)).topic;
    say(lie).await;
    for garbage in [&b"{"[..], b"", b"null", &[0xff; 100]] {
        say(Message {
            payload: garbage.to_vec(),
            ..event(&alert(1))
        })
        .await;
    }
    // A number that makes no sum: stored by its number, not by its content.
    let mut absurd = report(&appliance.id, log, 1);
    if let Event::RecordingCompleted(r) = &mut absurd.event {
        let mut a = recording(1);
        a.kept_bytes = Some(u64::MAX);
        let mut b = recording(2);
        b.kept_bytes = Some(u64::MAX);
        r.recordings = vec![a, b];
    }
    say(event(&absurd)).await;
    assert_eq!(next(&mut session).await.1["seq"], 1);
    assert_eq!(house.count("select count(*) from recording"), 0);
    // An event of a later agent counts.
    let mut later: serde_json::Value = serde_json::to_value(alert(2)).unwrap();
    later["type"] = "alert.predicted".into();
    say(Message {
        payload: later.to_string().into_bytes(),
        ..event(&alert(2))
    })
    .await;
    assert_eq!(next(&mut session).await.1["seq"], 2);
    say(event(&alert(3))).await;
    assert_eq!(next(&mut session).await.1["seq"], 3);
    assert_eq!(house.count("select count(*) from alert"), 1);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_of_an_older_start_does_not_switch_a_newer_one_off() {
    let house = House::new(Patience::default()).await;
    let appliance = house.broker.appliance().await;
    let (old, new) = (BootId::new(), BootId::new());
    let mut changes = house.changes.watch();
    let (client, _session) = connected(&house, &appliance).await;
    let mut seen = async || {
        loop {
            let change = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await;
            match &change.unwrap().unwrap().what {
                What::Presence(Presence::Online { online }) => return *online,
                _ => continue,
            }
        }
    };
    let online = || house.count("select online from appliance");
    client
        .publish(presence(&appliance.id, old, true))
        .await
        .unwrap();
    assert!(seen().await);
    client
        .publish(presence(&appliance.id, new, true))
        .await
        .unwrap();
    assert!(seen().await);
    client
        .publish(presence(&appliance.id, old, false))
        .await
        .unwrap();
    client
        .publish(presence(&appliance.id, new, true))
        .await
        .unwrap();
    assert!(seen().await, "the older start's will was not heeded");
    assert_eq!(online(), 1);
    client
        .publish(presence(&appliance.id, new, false))
        .await
        .unwrap();
    assert!(!seen().await);
    assert_eq!(online(), 0);
    // Gone without a word from the broker: noticed by silence.
    client
        .publish(presence(&appliance.id, new, true))
        .await
        .unwrap();
    assert!(seen().await);
    let now = UtcTime::from(jiff::Timestamp::now());
    assert!(
        house
            .broker
            .store
            .take_offline(now.plus_s(-180))
            .await
            .unwrap()
            .is_empty()
    );
    let taken = house
        .broker
        .store
        .take_offline(now.plus_s(180))
        .await
        .unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(online(), 0);
    house.end().await;
}

#[derive(serde::Deserialize)]
struct Asked {
    log: LogId,
    from: u64,
}

/// The agent's side of a back-fill.
#[derive(Clone)]
struct Kept {
    rows: Arc<Mutex<Vec<Report>>>,
    /// What the relay said it has lost, once it did.
    lost: Arc<Mutex<Vec<ResyncRequest>>>,
}

impl Kept {
    fn new(rows: Vec<Report>) -> Self {
        Self {
            rows: Arc::new(Mutex::new(rows)),
            lost: Arc::default(),
        }
    }
}

/// Pages of at most 20; what comes before the first row is gone.
async fn serve_reports(house: &House, me: &ApplianceId, kept: Kept) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let answer = |Shared(kept): Shared<Kept>,
                  Query(asked): Query<Asked>,
                  headers: http::HeaderMap| async move {
        assert!(headers.contains_key(ASSERTION_HEADER));
        let rows = kept.rows.lock().unwrap();
        if rows.first().is_some_and(|first| asked.from < first.seq) {
            return Err(StatusCode::GONE);
        }
        let reports = rows
            .iter()
            .filter(|r| r.log == asked.log && r.seq >= asked.from)
            .take(20)
            .cloned()
            .collect();
        Ok(axum::Json(ReportPage { reports }))
    };
    let resync = |Shared(kept): Shared<Kept>, axum::Json(lost): axum::Json<ResyncRequest>| async move {
        kept.lost.lock().unwrap().push(lost);
        axum::Json(Resync { log: LogId::new() })
    };
    let pong = || async { StatusCode::NO_CONTENT };
    let router = Router::new()
        .route("/api/v1/reports", get(answer))
        .route("/api/v1/reports/resync", post(resync))
        .fallback(pong)
        .with_state(kept);
    tokio::spawn(async move {
        let service = hyper_util::service::TowerToHyperService::new(router);
        let io = hyper_util::rt::TokioIo::new(far);
        hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .await
            .ok();
    });
    let hello = Hello {
        v: 1,
        appliance: me.clone(),
        lane: Lane::Http,
        generation: 1,
    };
    house.hub.attach(&hello, near).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_that_pokes_do_not_mend_is_filled_over_the_tunnel() {
    let house = House::new(Patience {
        fill_after: Duration::from_millis(300),
    })
    .await;
    let appliance = house.broker.appliance().await;
    let log = LogId::new();
    let rows: Vec<_> = (1..=100).map(|n| report(&appliance.id, log, n)).collect();
    serve_reports(&house, &appliance.id, Kept::new(rows.clone())).await;
    let (client, mut session) = connected(&house, &appliance).await;
    client.publish(event(&rows[0])).await.unwrap();
    assert_eq!(next(&mut session).await.1["seq"], 1);
    // 2 to 99 never come, however often they are poked for.
    client.publish(event(&rows[99])).await.unwrap();
    assert_eq!(next(&mut session).await.1["type"], "resync");
    house.until_stored(&appliance.id, 100).await;
    assert_eq!(house.count("select count(*) from recording"), 100);
    // Acknowledged as if they had come by themselves.
    loop {
        let (is_ack, value) = next(&mut session).await;
        if is_ack && value["seq"] == 100 {
            break;
        }
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_appliance_no_longer_keeps_is_told_anew() {
    let house = House::new(Patience {
        fill_after: Duration::from_millis(300),
    })
    .await;
    let appliance = house.broker.appliance().await;
    let log = LogId::new();
    let rows: Vec<_> = (1..=10).map(|n| report(&appliance.id, log, n)).collect();
    let kept = Kept::new(rows[4..].to_vec());
    serve_reports(&house, &appliance.id, kept.clone()).await;
    let (client, mut session) = connected(&house, &appliance).await;
    client.publish(event(&rows[0])).await.unwrap();
    assert_eq!(next(&mut session).await.1["seq"], 1);
    client.publish(event(&rows[9])).await.unwrap();
    let began = Instant::now();
    while kept.lost.lock().unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "never asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lost = ResyncRequest { log, from: 2 };
    assert_eq!(kept.lost.lock().unwrap()[0], lost);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_read_the_tree_of_their_organisation_and_of_no_other() {
    let house = House::new(Patience::default()).await;
    let (mine, other) = (
        house.broker.appliance().await,
        house.broker.appliance().await,
    );
    let claimed = house.broker.store.claimed(&mine.id).await.unwrap().unwrap();
    let made = house
        .broker
        .pki
        .issue_consumer(claimed.organisation)
        .unwrap();
    let tls = base::tls::mutual_client(
        house.broker.pki.ca_pem(),
        &made.issued.certificate_pem,
        &made.key_pem,
    );
    let consumer = base::mqtt::Broker {
        address: mine.broker.address.clone(),
        tls: Arc::new(tls.unwrap()),
    };
    let mut consumer = house.broker.connect(&consumer).await;
    consumer.client.subscribe(&["#".to_owned()]).await.unwrap();
    for appliance in [&other, &mine] {
        let (client, mut session) = connected(&house, appliance).await;
        let birth = presence(&appliance.id, BootId::new(), true);
        client.publish(birth).await.unwrap();
        let told = report(&appliance.id, LogId::new(), 1);
        client.publish(event(&told)).await.unwrap();
        assert_eq!(next(&mut session).await.1["seq"], 1);
    }
    let root = format!(
        "holdfast/1/site/{}/{}/{}",
        claimed.organisation, claimed.site, mine.id
    );
    for leaf in ["state/online", "event/recording"] {
        let received = tokio::time::timeout(Duration::from_secs(10), consumer.inbox.receive())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(received.topic, format!("{root}/{leaf}"));
    }
    assert!(consumer.inbox.receive_waiting().is_none());
    house.end().await;
}
