//! Recorders that give 1, 2 and 10 streams at once and now and then refuse for no reason: people who watch and ask are
//! never refused, and the background uses what they leave.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hcnetsdk::scenario::{Fault, FaultKind, Scope};
use hcnetsdk::state::Call;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::appliance::Appliance;
use tests::eventually::eventually_within;
use tests::seed::Seed;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_channels, standard_spec};
use wire::resource::{Camera, StreamLink, SyncJob, SyncJobState};

/// Streams that each recorder gives.
const STREAMS: [usize; 3] = [1, 2, 10];
/// Length of a recording in seconds.
const SECONDS: u32 = 10;
/// How long fetching one takes at each recorder, in seconds.
const FETCH_S: [u64; 3] = [6, 8, 12];
/// Recordings for each stream: more than can be fetched while the story lasts.
const RECORDINGS: i64 = 60;
/// What devices say when they have no more to give.
const REFUSALS: [u32; 6] = [5, 24, 28, 426, 800, 10];
/// For how long the use of a recorder is measured at least, once all its streams were used, in seconds.
const MEASURED_S: f64 = 20.0;
const PATIENCE: Duration = Duration::from_secs(400);

#[tokio::test]
async fn people_go_before_the_background() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut seed = Seed::new();
    let channel = standard_channels(&standard_spec(1, SECONDS))?.remove(0);
    let model = channel.recordings[0].clone();
    let mut bytes = Vec::new();
    hcnetsdk::recorded(&model.media, model.start, None, &mut bytes)?;

    let mut nvr = StandIn::new(&dir.path().join("sdk"))?;
    for ((port, streams), fetch_s) in (8000..).zip(STREAMS).zip(FETCH_S) {
        let mut channel = channel.clone();
        channel.recordings = (0..RECORDINGS * streams as i64)
            .map(|n| {
                let mut recording = model.clone();
                recording.name = format!("ch33_{n:011}");
                recording.start += SignedDuration::from_secs(n * i64::from(SECONDS));
                recording
            })
            .collect();
        let device = nvr.add_recorder("127.0.0.1", port, vec![channel]);
        device.max_streams = Some(streams);
        device.throttle_bytes_per_s = Some(bytes.len() as u64 / fetch_s);
        // Refusals for no reason, never two in a row: of downloads, and of the first live view.
        let mut nth = 0;
        device.faults = (0..4 * streams)
            .map(|_| {
                nth += 4 + seed.below(4);
                let error = REFUSALS[seed.below(REFUSALS.len() as u64) as usize];
                let fault = Fault::once(FaultKind::Error, Scope::Download);
                Fault {
                    nth: Some(nth),
                    error,
                    ..fault
                }
            })
            .collect();
        let live = Fault::once(FaultKind::Error, Scope::Live);
        device.faults.push(Fault {
            nth: Some(1),
            error: 24,
            ..live
        });
    }
    nvr.write()?;

    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.set("download", "per_recorder", 10);
    box_.set("download", "total", 200);
    box_.set("live", "idle_s", 5);
    box_.set("live", "start_s", 60);
    box_.start().await?;
    box_.first_run().await?;
    for (port, streams) in (8000..).zip(STREAMS) {
        let name = format!("Gives {streams}");
        box_.add_recorder(&name, "127.0.0.1", port, USER, PASSWORD)
            .await?;
    }
    let begun = |call: &str, port: u16, count: usize| {
        let (nvr, call) = (&nvr, call.to_owned());
        let what = format!("{count} x {call} at {port}");
        async move {
            let device = format!("127.0.0.1:{port}");
            eventually_within(&what, PATIENCE, || async {
                match nvr.count(&call, &device) {
                    Ok(n) if n >= count => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await
        }
    };

    // The background runs, everywhere as much as there is. Then everybody wants to see something, and the newest, which
    // the background would fetch last.
    begun("download_start", 8000, 2).await?;
    let cameras = box_.cameras().await?;
    ensure!(cameras.len() == STREAMS.len(), "{cameras:?}");
    let views = cameras.iter().map(|camera| watch(&box_, camera));
    for view in futures_util::future::join_all(views).await {
        view?;
    }
    let newest = |n: i64| model.start + SignedDuration::from_secs(n * i64::from(SECONDS));
    let wishes = cameras.iter().map(async |camera| {
        let streams = streams_of(&box_, camera).await?;
        let (from, to) = (
            newest(RECORDINGS * streams - 1),
            newest(RECORDINGS * streams),
        );
        let wanted = json!({ "camera_id": camera.id, "from_utc": from, "to_utc": to });
        let job: SyncJob = box_.client.post("/api/v1/sync", &wanted).await?;
        let path = format!("/api/v1/sync/{}", job.id);
        eventually_within("the wish is fulfilled", PATIENCE, || async {
            match box_.client.get::<SyncJob>(&path).await {
                Ok(job) if job.state == SyncJobState::Done && job.completed == 1 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    });
    for wish in futures_util::future::join_all(wishes).await {
        wish?;
    }
    for (port, _) in (8000..).zip(STREAMS) {
        begun("live_stop", port, 1).await?;
    }
    begun("download_start", 8000, 5).await?;
    // Refusals for no reason make the agent careful; it must feel its way to all that a recorder gives nevertheless.
    for (port, streams) in (8000..).zip(STREAMS) {
        let device = format!("127.0.0.1:{port}");
        eventually_within("all streams are used", PATIENCE, || async {
            let calls = nvr.calls().map_err(|e| e.to_string())?;
            match Figures::of(&calls, &device, streams) {
                Ok(it) if it.seconds >= MEASURED_S => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
    }
    for recorder in box_.recorders().await? {
        let path = format!("/api/v1/recorders/{}/places", recorder.id);
        let places: Value = box_.client.get(&path).await?;
        println!("{}: {}", recorder.name, places["summary"]);
    }
    let calls = nvr.calls()?;
    box_.stop()?;

    let (mut had, mut possible) = (0.0, 0.0);
    for (port, streams) in (8000..).zip(STREAMS) {
        let it = Figures::of(&calls, &format!("127.0.0.1:{port}"), streams)?;
        println!(
            "{streams:2} streams: all of them were used after {:.1} s; then downloads had {:.1} % of what views left, for \
             {:.0} s; {} downloads, {} live view and 1 wish fulfilled, {} refusals at the limit, {} for no reason",
            it.learnt_s,
            it.share() * 100.0,
            it.seconds,
            it.downloads,
            it.views,
            it.refused,
            it.faults
        );
        // In so short a story a single refusal for no reason is several per cent of one stream; the simulation holds
        // each recorder to nine tenths, over hours.
        ensure!(it.share() >= 0.8, "too little was fetched from {port}");
        (had, possible) = (had + it.had_s, possible + it.possible_s);
        // One view was given; its first refusal, and those of downloads, were told to nobody.
        ensure!(it.views == 1 && it.faults > 1, "{calls:?}");
    }
    println!("all: {:.1} %", had / possible * 100.0);
    ensure!(had / possible >= 0.9, "{had} of {possible}");
    box_.check()?;
    box_.log_is_clean(&["A download failed", "A recorder gives no more streams"])
}

/// A person watches: it must play. Asks every other moment, as players do: who does not ask any more has gone.
async fn watch(box_: &Appliance, camera: &Camera) -> Result<()> {
    let path = format!("/api/v1/cameras/{}/stream/hls", camera.id);
    let mut asked = FuturesUnordered::new();
    let link = loop {
        asked.push(box_.client.get::<StreamLink>(&path));
        tokio::select! {
            Some(answer) = asked.next() => break answer.context("a person was refused")?,
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
    };
    let playlist = String::from_utf8(box_.client.bytes(&link.url).await?)?;
    ensure!(playlist.contains(".m4s"), "{playlist}");
    Ok(())
}

/// How many streams the recorder of a camera gives, by its name.
async fn streams_of(box_: &Appliance, camera: &Camera) -> Result<i64> {
    let recorders = box_.recorders().await?;
    let recorder = recorders.iter().find(|r| r.id == camera.recorder_id);
    let name = &recorder.context("a camera has a recorder")?.name;
    Ok(name.trim_start_matches("Gives ").parse()?)
}

/// How a recorder was used, by its own journal.
#[derive(Debug)]
struct Figures {
    /// Seconds from the first download until all streams were in use for the first time: until then it is felt for.
    learnt_s: f64,
    /// From then to the last download that began: seconds of downloads, and the seconds that they could have had.
    had_s: f64,
    possible_s: f64,
    seconds: f64,
    downloads: usize,
    views: usize,
    refused: usize,
    faults: usize,
}

impl Figures {
    fn share(&self) -> f64 {
        self.had_s / self.possible_s
    }

    fn of(calls: &[Call], device: &str, streams: usize) -> Result<Self> {
        let calls: Vec<&Call> = calls.iter().filter(|call| call.device == device).collect();
        let starts = || calls.iter().filter(|call| call.call == "download_start");
        let first = starts().next().context("nothing was downloaded")?.at;
        let to = starts().next_back().context("nothing was downloaded")?.at;
        let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
        let (mut had, mut watched) = (0.0, 0.0);
        // When all streams were in use.
        let mut learnt: Option<Timestamp> = None;
        let mut open: HashMap<(u32, Option<String>), Timestamp> = HashMap::new();
        for call in &calls {
            let key = (call.channel.unwrap_or(0), call.path.clone());
            let since = |began: Timestamp| match learnt {
                Some(from) => seconds(began.clamp(from, to), call.at.clamp(from, to)),
                None => 0.0,
            };
            match call.call.as_str() {
                "download_start" | "live_start" => {
                    open.insert(key, call.at);
                    if open.len() == streams {
                        learnt.get_or_insert(call.at);
                    }
                }
                "download_stop" | "live_stop" => {
                    if let Some(began) = open.remove(&key) {
                        match call.call.as_str() {
                            "live_stop" => watched += since(began),
                            _ => had += since(began),
                        }
                    }
                }
                _ => {}
            }
        }
        let from = learnt.context("it was never used as much as it gives")?;
        ensure!(from < to, "all streams were in use too late to tell");
        for ((_, path), began) in open {
            let lasted = seconds(began.clamp(from, to), to);
            match path {
                Some(_) => had += lasted,
                None => watched += lasted,
            }
        }
        let count = |name: &str| calls.iter().filter(|call| call.call == name).count();
        Ok(Self {
            learnt_s: seconds(first, from),
            had_s: had,
            possible_s: streams as f64 * seconds(from, to) - watched,
            seconds: seconds(from, to),
            downloads: count("download_start"),
            views: count("live_start"),
            refused: count("refused"),
            faults: count("fault"),
        })
    }
}
