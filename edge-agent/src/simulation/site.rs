//! One site's weeks: the box asks, plans and fetches with the agent's own code, and suffers what boxes suffer.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::resource::{Defect, DefectKind, EvictionCause};

use super::chance::Chance;
use super::device::{Device, beginning};
use super::referee::{self, Fate, Tally};
use crate::catalog::recordings::PendingRecording;
use crate::catalog::testing::House;
use crate::discover::{Question, discover, question};
use crate::footage::fragments::FragmentIndex;
use crate::footage::sidecar::Custody;
use crate::footage::staging;
use crate::model::chunks::Chunks;
use crate::model::time::{UtcRange, UtcTime};
use crate::plan::{self, Candidate, Limits, Pauses};
use crate::recorder::clock::{ClockBook, DeviceClock};
use crate::recorder::driver::{FailureKind, RecorderError};
use crate::verify::{Facts, Verified};

/// How long a site is lived: from so many days to below so many.
pub type Days = (i64, i64);

const DAY_S: i64 = 86_400;
const CHANNELS: u32 = 3;
const SETTLE: Duration = Duration::from_secs(120);
const PAUSES: Pauses = Pauses {
    first: Duration::from_secs(30),
    longest: Duration::from_secs(3_600),
};

/// What the referee is told about the site, beside the device itself.
pub struct Site {
    /// The catalog.
    pub house: House,
    /// The recorder.
    pub device: Device,
    /// Cameras by channel.
    pub cameras: HashMap<u32, CameraId>,
    /// Films that were listed in a stored answer when they had ended, by channel and name.
    pub listed: HashSet<(u32, String)>,
    /// What became of films, as the one who did it knows.
    pub fates: HashMap<(u32, String), Fate>,
    /// The newest reading of how far back each channel reaches that found footage.
    pub reach_read: HashMap<u32, UtcTime>,
    /// The rows that stand for films which were to be fetched.
    ids: HashMap<(u32, String), RecordingId>,
    /// When the recorder's clock was read, oldest first.
    pub clock_read: Vec<UtcTime>,
    book: ClockBook,
    /// The clock that nobody sets, when life began.
    steady: Instant,
    recorder: RecorderId,
    life: UtcRange,
    /// Films that one hour's bandwidth brings.
    films_per_h: i64,
    chance: Chance,
}

/// What is to be shown on the way: HOLDFAST_SHOW=<channel>/<from>/<to>.
fn shown() -> Option<(u32, UtcRange)> {
    let text = std::env::var("HOLDFAST_SHOW").ok()?;
    let mut parts = text.split('/');
    let channel = parts.next()?.parse().ok()?;
    let from = parts.next()?.parse().ok()?;
    let to = parts.next()?.parse().ok()?;
    Some((channel, UtcRange { from, to }))
}

/// Lives one site to its end, refereed every day and at the end.
pub async fn live(seed: u64, days: Days) -> (u64, Tally) {
    let mut site = Site::new(seed, days).await;
    let mut tally = Tally::default();
    let mut judged_to = site.life.from;
    while site.now() < site.life.to {
        site = site.step().await;
        if site.now().ms_since(judged_to) > DAY_S * 1_000 {
            judged_to = site.now();
            // The days so far as they look now; each counts once, at the end.
            let lately = UtcRange {
                from: site.now().plus_s(-2 * DAY_S).max(site.life.from),
                to: site.now(),
            };
            tally.add(&referee::judge(&site, seed, lately, false).await);
        }
    }
    let whole = site.life;
    if let Some((channel, shown)) = shown() {
        let known = site
            .house
            .catalog
            .known_of(site.cameras[&channel], shown)
            .await;
        println!("known: {:#?}", known.unwrap().facts);
        for film in &site.device.channels[channel as usize - 1].films {
            if film.span.overlaps(shown) {
                println!(
                    "film {} {} to {} {:?}",
                    film.name,
                    film.span.from,
                    film.span.to,
                    site.fates.get(&(channel, film.name.clone()))
                );
            }
        }
    }
    tally.add(&referee::judge(&site, seed, whole, true).await);
    (seed, tally)
}

/// The same without a referee on the way; the site as it is in the end, and the days it lived.
pub async fn lived(seed: u64, days: Days) -> (Site, UtcRange) {
    let mut site = Site::new(seed, days).await;
    while site.now() < site.life.to {
        site = site.step().await;
    }
    let life = site.life;
    (site, life)
}

impl Site {
    async fn new(seed: u64, days: Days) -> Self {
        let mut chance = Chance::new(seed);
        let from = beginning(&mut chance);
        let life = UtcRange {
            from,
            to: from.plus_s(chance.between(days.0, days.1) * DAY_S),
        };
        let device = Device::new(&mut chance, life, CHANNELS);
        let house = House::new().await;
        house
            .clock
            .advance_ms(life.from.ms_since(house.catalog.now()));
        let recorder = house.recorder("SIMULATED", CHANNELS).await.id;
        let mut cameras = HashMap::new();
        for channel in 1..=CHANNELS {
            cameras.insert(channel, house.camera(recorder, channel).await);
        }
        Self {
            house,
            device,
            cameras,
            listed: HashSet::new(),
            fates: HashMap::new(),
            reach_read: HashMap::new(),
            ids: HashMap::new(),
            clock_read: Vec::new(),
            book: ClockBook::default(),
            steady: Instant::now(),
            recorder,
            life,
            films_per_h: *chance.one(&[4, 10, 20, 40]),
            chance,
        }
    }

    /// Now, at the site.
    pub fn now(&self) -> UtcTime {
        self.house.catalog.now()
    }

    /// Lets some time pass, and does what a box does in it.
    async fn step(mut self) -> Self {
        let minutes = match self.chance.between(0, 100) {
            0 => self.chance.between(60, 60 * 60), // switched off
            1..50 => self.chance.between(10, 60),
            _ => self.chance.between(60, 240),
        };
        self.house.clock.advance_ms(minutes * 60_000);
        if self.chance.percent(1) {
            self.house = self.house.restart().await;
            let runs = self.house.catalog.clock_runs(self.recorder).await;
            self.book = ClockBook::new(runs.unwrap());
        }
        let back = self.chance.percent(10);
        self.ask(back).await;
        if self.chance.percent(2) {
            self.sync_on_demand().await;
        }
        if self.device.answers(self.now()) {
            self.fetch(minutes * self.films_per_h / 60).await;
        }
        if self.chance.percent(4) {
            self.lose_some().await;
        }
        self
    }

    /// The periodic questions.
    async fn ask(&mut self, back: bool) {
        let now = self.now();
        let channels = self
            .house
            .catalog
            .channels_to_discover(self.recorder)
            .await
            .unwrap();
        let horizon = UtcRange {
            from: now.plus_s(-30 * DAY_S),
            to: now,
        };
        let interval = Duration::from_secs(300);
        if let Some(question) = question(&channels, back, horizon, interval, SETTLE) {
            self.put(&question).await;
        }
    }

    /// A person wants some hours of a camera now.
    async fn sync_on_demand(&mut self) {
        let channel = self.chance.between(1, i64::from(CHANNELS) + 1) as u32;
        let to = self.now().plus_s(-self.chance.between(0, 3 * DAY_S));
        let range = UtcRange {
            from: to.plus_s(-self.chance.between(600, DAY_S)),
            to,
        };
        let question = Question {
            channels: vec![channel],
            range,
            anew: true,
            settle: SETTLE,
            reach_of: vec![channel],
        };
        self.put(&question).await;
        let camera = self.cameras[&channel];
        self.house
            .catalog
            .raise_priority(Some(camera), range)
            .await
            .unwrap();
        // What had been given up as overwritten is tried again.
        self.reach_read.remove(&channel);
        for ((of, _), fate) in &mut self.fates {
            if *of == channel && *fate == Fate::Failed {
                *fate = Fate::MaybeFailed;
            }
        }
    }

    /// Asks the recorder, which may fail, and be told to stop in the middle.
    async fn put(&mut self, question: &Question) {
        let now = self.now();
        let reachable = self.device.answers(now);
        let cancel = CancellationToken::new();
        // Killed after so many answers; a channel that is in trouble.
        let killed_after = match self.chance.percent(3) {
            true => self.chance.between(1, 6),
            false => i64::MAX,
        };
        let troubled = self
            .chance
            .percent(4)
            .then(|| self.chance.between(1, 4) as u32);
        let answers = AtomicI64::new(0);
        let stored: Mutex<Vec<(u32, String)>> = Mutex::default();
        let clock = self.read_clock(now).await;
        let device = &self.device;
        let search = |channel: u32, range: UtcRange| {
            let answer = if !reachable {
                Err(RecorderError::new(
                    FailureKind::Network,
                    "nothing answers at 192.0.2.1",
                ))
            } else if troubled == Some(channel) {
                Err(RecorderError::new(
                    FailureKind::Device,
                    "the recorder broke the search off",
                ))
            } else {
                if answers.fetch_add(1, Ordering::Relaxed) + 1 >= killed_after {
                    cancel.cancel();
                }
                let inventory = device.search(&clock, channel, range, now);
                if let Some((of, shown)) = shown()
                    && of == channel
                {
                    for found in &inventory.recordings {
                        if found.span.overlaps(shown) {
                            println!("{now}: asked {range:?}: {found:?}");
                        }
                    }
                }
                let ended = inventory
                    .recordings
                    .iter()
                    .filter(|found| found.span.to <= now.plus_s(-(SETTLE.as_secs() as i64)));
                let names = ended.map(|found| (channel, found.source_name.clone()));
                stored.lock().unwrap().extend(names);
                Ok(inventory)
            };
            std::future::ready(answer)
        };
        let catalog = &self.house.catalog;
        discover(catalog, self.recorder, question, search, &cancel)
            .await
            .unwrap();
        self.listed.extend(stored.into_inner().unwrap());
        let read = self
            .house
            .catalog
            .channels_to_discover(self.recorder)
            .await
            .unwrap();
        for channel in read {
            let of = &self.device.channels[channel.channel as usize - 1];
            let holds_some = of.films.iter().any(|film| of.has(film, now));
            if channel.reach_read == Some(now) && holds_some && !self.device.blind(now) {
                self.reach_read.insert(channel.channel, now);
            }
        }
    }

    /// As at a login; a recorder that does not answer tells nothing new.
    async fn read_clock(&mut self, now: UtcTime) -> DeviceClock {
        let reading = self.device.clock(now);
        if !self.device.answers(now) {
            return reading;
        }
        let lived_ms = now.ms_since(self.life.from).unsigned_abs();
        let (clock, _) = self
            .book
            .note(reading, self.steady + Duration::from_millis(lived_ms));
        let runs = self.book.runs();
        let catalog = &self.house.catalog;
        catalog.note_clock(self.recorder, runs).await.unwrap();
        self.clock_read.push(now);
        clock
    }

    /// Fetches what the planner orders, as much as the bandwidth lets.
    async fn fetch(&mut self, films: i64) {
        for _ in 0..films {
            let now = self.now();
            let rows = self.house.catalog.to_fetch(now, 32).await.unwrap();
            let candidates: Vec<Candidate> = rows.iter().map(crate::pipeline::candidate).collect();
            let limits = Limits {
                total: 1,
                per_recorder: 1,
                recorders: Default::default(),
                background: Ok(()),
            };
            let plan = plan::plan(&candidates, &[], &limits, now);
            let Some(row) = rows.iter().find(|row| plan.orders.contains(&row.id)) else {
                return;
            };
            self.carry_out(row).await;
        }
    }

    async fn carry_out(&mut self, row: &PendingRecording) {
        let (catalog, now) = (&self.house.catalog, self.now());
        let film = self.device.film(row.channel, &row.source_name);
        let key = (row.channel, film.name.clone());
        self.ids.insert(key.clone(), row.id);
        catalog.begin_download(row.id).await.unwrap();
        let channel = &self.device.channels[row.channel as usize - 1];
        let fate = if !channel.has(film, now) {
            catalog
                .source_gone(row.id, "the file is not there")
                .await
                .unwrap();
            Fate::Gone
        } else if self.chance.percent(6) {
            let pause = plan::pause_after(row.attempts + 1, PAUSES);
            let retry_at = pause.map(|pause| now.plus_s(pause.as_secs() as i64));
            catalog
                .fail(row.id, "the connection broke", retry_at)
                .await
                .unwrap();
            Fate::Failed
        } else if self.chance.percent(2) && row.span.duration_ms() > 60_000 {
            let lost_ms = self.chance.between(20_000, row.span.duration_ms() - 20_000);
            let kept_to = row.span.to.plus_ms(-lost_ms);
            self.keep(row, Some(kept_to)).await;
            Fate::Held { to: kept_to }
        } else {
            self.keep(row, None).await;
            Fate::Held { to: film.span.to }
        };
        self.fates.insert(key, fate);
    }

    /// Verified as by the agent, with little bytes.
    async fn keep(&self, row: &PendingRecording, kept_to: Option<UtcTime>) {
        let volume = self.house.volume();
        let folder = staging::create(volume, row.id).unwrap();
        let media = folder.join("media.mp4");
        std::fs::write(&media, row.id.to_string()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, row.id.to_string().as_bytes());
        let digest = data_encoding::HEXLOWER.encode(digest.as_ref());
        let span = UtcRange {
            from: row.span.from,
            to: kept_to.unwrap_or(row.span.to),
        };
        let short = kept_to.map(|to| Defect {
            kind: DefectKind::Short,
            message: format!("the pictures end at {to}"),
        });
        let verified = Verified::for_test(Facts {
            recording: row.id,
            media,
            native: None,
            span,
            kept_bytes: row.id.to_string().len() as u64,
            digest: digest.clone(),
            source_bytes: row.stated_bytes,
            fetched_bytes: row.stated_bytes,
            source_digest: digest,
            video_codec: Some("h264".to_owned()),
            audio_codec: None,
            width: Some(1_920),
            height: Some(1_080),
            duration_ms: span.duration_ms().unsigned_abs(),
            fragments: FragmentIndex::default(),
            defects: short.into_iter().collect(),
            custody: Custody::new(Chunks::default(), Chunks::default(), None),
        });
        self.house.catalog.keep(volume, verified).await.unwrap();
    }

    /// Footage leaves: for want of room, or because a person deletes it.
    async fn lose_some(&mut self) {
        let channel = self.chance.between(1, i64::from(CHANNELS) + 1) as u32;
        let films = &self.device.channels[channel as usize - 1].films;
        let held: Vec<String> = films
            .iter()
            .map(|film| film.name.clone())
            .filter(|name| {
                matches!(
                    self.fates.get(&(channel, name.clone())),
                    Some(Fate::Held { .. })
                )
            })
            .collect();
        let by_person = self.chance.percent(30);
        let few = self.chance.between(1, 6) as usize;
        let chosen: Vec<String> = match by_person {
            true if !held.is_empty() => vec![self.chance.one(&held).clone()],
            true => Vec::new(),
            false => {
                let from = self.chance.between(0, held.len() as i64) as usize;
                held.into_iter().skip(from).take(few).collect()
            }
        };
        for name in chosen {
            let catalog = &self.house.catalog;
            let key = (channel, name);
            let id = self.ids[&key];
            let Some(Fate::Held { to }) = self.fates.get(&key).copied() else {
                continue;
            };
            if by_person {
                catalog.delete(id).await.unwrap();
            } else {
                let left = catalog
                    .evict(vec![id], EvictionCause::Pressure)
                    .await
                    .unwrap();
                assert_eq!(left, [id]);
            }
            self.fates.insert(key, Fate::Left { to, by_person });
        }
        self.house
            .catalog
            .empty_garbage(&self.house.volumes)
            .await
            .unwrap();
    }
}
