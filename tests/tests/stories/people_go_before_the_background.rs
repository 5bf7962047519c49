//! Recorders that give 1, 2 and 10 streams at once and now and then refuse for no reason: people who watch and ask are
//! never refused, and the background uses what they leave.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
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
/// Length of a recording, and how long fetching it takes, in seconds.
const SECONDS: u32 = 10;
const FETCH_S: u64 = 8;
/// What devices say when they have no more to give.
const REFUSALS: [u32; 6] = [5, 24, 28, 426, 800, 10];
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test]
async fn people_go_before_the_background() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut seed = Seed::new();
    let channel = standard_channels(&standard_spec(1, SECONDS))?.remove(0);
    let model = channel.recordings[0].clone();
    let mut bytes = Vec::new();
    hcnetsdk::recorded(&model.media, model.start, None, &mut bytes)?;

    let mut nvr = StandIn::new(&dir.path().join("sdk"))?;
    for (port, streams) in (8000..).zip(STREAMS) {
        let mut channel = channel.clone();
        // More than can be fetched while the story lasts.
        channel.recordings = (0..20 * streams as i64)
            .map(|n| {
                let mut recording = model.clone();
                recording.name = format!("ch33_{n:011}");
                recording.start += SignedDuration::from_secs(n * i64::from(SECONDS));
                recording
            })
            .collect();
        let device = nvr.add_recorder("127.0.0.1", port, vec![channel]);
        device.max_streams = Some(streams);
        device.throttle_bytes_per_s = Some(bytes.len() as u64 / FETCH_S);
        // Refusals for no reason, never two in a row: of downloads, and of the first live view.
        let mut nth = 0;
        device.faults = (0..4 * streams)
            .map(|_| {
                nth += 3 + seed.below(5);
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
    // As long as a loaded machine needs for the first picture.
    box_.set("live", "idle_s", 20);
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

    // The background runs, everywhere as much as there is. Then everybody wants to see something, and again later.
    for (watched, downloads) in [(1, 3), (2, 6)] {
        begun("download_start", 8000, downloads).await?;
        let cameras = box_.cameras().await?;
        ensure!(cameras.len() == STREAMS.len(), "{cameras:?}");
        let views = cameras.iter().map(|camera| watch(&box_, camera));
        for view in futures_util::future::join_all(views).await {
            view?;
        }
        for (port, _) in (8000..).zip(STREAMS) {
            begun("live_stop", port, watched).await?;
        }
        if watched == 1 {
            // A person wants the newest, which the background would fetch last.
            let newest = |n: i64| model.start + SignedDuration::from_secs(n * i64::from(SECONDS));
            for camera in &cameras {
                let streams = streams_of(&box_, camera).await?;
                let (from, to) = (newest(20 * streams - 1), newest(20 * streams));
                let wanted = json!({ "camera": camera.id, "from": from, "to": to });
                let job: SyncJob = box_.client.post("/api/v1/sync", &wanted).await?;
                let path = format!("/api/v1/sync/{}", job.id);
                eventually_within("the wish is fulfilled", PATIENCE, || async {
                    match box_.client.get::<SyncJob>(&path).await {
                        Ok(job) if job.state == SyncJobState::Done && job.completed == 1 => Ok(()),
                        other => Err(format!("{other:?}")),
                    }
                })
                .await?;
            }
        }
    }
    begun("download_start", 8000, 9).await?;
    for recorder in box_.recorders().await? {
        let path = format!("/api/v1/recorders/{}/places", recorder.id);
        let places: Value = box_.client.get(&path).await?;
        println!("{}: {}", recorder.name, places["summary"]);
    }
    let calls = nvr.calls()?;
    box_.stop()?;

    for (port, streams) in (8000..).zip(STREAMS) {
        let it = Figures::of(&calls, &format!("127.0.0.1:{port}"), streams)?;
        println!(
            "{streams:2} streams: background and downloads asked for had {:.1} % of what people's views left, over \
             {:.0} s; {} downloads, {} live views, {} refusals at the limit, {} for no reason; people refused: 0",
            it.share * 100.0,
            it.seconds,
            it.downloads,
            it.views,
            it.refused,
            it.faults
        );
        ensure!(
            it.share >= 0.9,
            "the background had too little of recorder {port}"
        );
        ensure!(it.views == 2 && it.faults > 1, "{calls:?}");
    }
    box_.check()?;
    box_.log_is_clean(&["A download failed", "A recorder gives no more streams"])
}

/// A person watches: it must play.
async fn watch(box_: &Appliance, camera: &Camera) -> Result<()> {
    let path = format!("/api/v1/cameras/{}/stream/hls", camera.id);
    let link: StreamLink = box_
        .client
        .get(&path)
        .await
        .context("a person was refused")?;
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
    /// Seconds of downloads over the seconds that they could have had.
    share: f64,
    seconds: f64,
    downloads: usize,
    views: usize,
    refused: usize,
    faults: usize,
}

impl Figures {
    /// From the first download to the last that began: until then the background had something to fetch.
    fn of(calls: &[Call], device: &str, streams: usize) -> Result<Self> {
        let calls: Vec<&Call> = calls.iter().filter(|call| call.device == device).collect();
        let starts = || calls.iter().filter(|call| call.call == "download_start");
        let from = starts().next().context("nothing was downloaded")?.at;
        let to = starts().next_back().context("nothing was downloaded")?.at;
        let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
        let (mut had, mut watched) = (0.0, 0.0);
        let mut open: HashMap<(u32, Option<String>), Timestamp> = HashMap::new();
        for call in &calls {
            let key = (call.channel.unwrap_or(0), call.path.clone());
            match call.call.as_str() {
                "download_start" | "live_start" => drop(open.insert(key, call.at)),
                "download_stop" | "live_stop" => {
                    if let Some(began) = open.remove(&key) {
                        let lasted = seconds(began.min(to), call.at.min(to));
                        match call.call.as_str() {
                            "live_stop" => watched += lasted,
                            _ => had += lasted,
                        }
                    }
                }
                _ => {}
            }
        }
        for ((_, path), began) in open {
            let lasted = seconds(began.min(to), to);
            match path {
                Some(_) => had += lasted,
                None => watched += lasted,
            }
        }
        let count = |name: &str| calls.iter().filter(|call| call.call == name).count();
        Ok(Self {
            share: had / (streams as f64 * seconds(from, to) - watched),
            seconds: seconds(from, to),
            downloads: count("download_start"),
            views: count("live_start"),
            refused: count("refused"),
            faults: count("fault"),
        })
    }
}
