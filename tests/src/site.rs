//! A site at work for the rigs that stop it hard: a recorder on which footage keeps arriving, an appliance whose budget
//! is so small that eviction runs, people who lock and delete; and the memory of everything that they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hcnetsdk::scenario::{Channel, Recording as Stored};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::json;
use wire::resource::{Recording, RecordingStatus};

use crate::appliance::Appliance;
use crate::eventually::eventually_within;
use crate::footage::{AudioCodec, VideoCodec};
use crate::process::PATIENCE;
use crate::seed::Seed;
use crate::stand_in::{PASSWORD, StandIn, USER};
use crate::torture::{Footage, footage, pictures};

/// Length of a recording.
const SECONDS: u32 = 2;
/// From the beginning of one to the beginning of the next, of each channel.
const EVERY_S: i64 = 2;
/// Recordings that the recorder has when the site begins, of each channel.
const THERE: i64 = 8;
/// Recordings that the volume can hold.
const HELD: u64 = 12;
/// Room that a download asks for beside its own size, so long as it runs (`pipeline/room.rs`).
const BESIDE: u64 = 16 << 20;
/// Pause between two looks at what there is, on a machine of its own.
const LOOK: Duration = Duration::from_millis(60);
/// A token lives for a quarter of an hour.
const LOGIN_EVERY: Duration = Duration::from_secs(300);

/// What people were told about one recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToldOf {
    /// It is held, with this digest.
    pub digest: Option<String>,
    /// It is locked, or not; none while that is being changed.
    pub locked: Option<bool>,
    /// It has left.
    pub left: bool,
}

/// What people were told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told(pub BTreeMap<String, ToldOf>);

impl Told {
    fn learn(&mut self, one: &Recording) {
        let told = self.0.entry(one.id.to_string()).or_default();
        match one.status {
            RecordingStatus::Completed => told.digest = one.digest.clone(),
            RecordingStatus::Evicted => told.left = true,
            _ => {}
        }
    }

    /// Recordings that were held when last heard of.
    pub fn held(&self) -> u64 {
        let held = self
            .0
            .values()
            .filter(|told| told.digest.is_some() && !told.left);
        held.count() as u64
    }

    /// The same, where these were just being locked or unlocked: either answer is right.
    pub fn while_turning(mut self, turned: &BTreeSet<String>) -> Self {
        for id in turned {
            if let Some(told) = self.0.get_mut(id) {
                told.locked = None;
            }
        }
        self
    }

    /// What is wrong with the list of now.
    pub fn wrong(&self, now: &[Recording]) -> Vec<String> {
        let now: BTreeMap<String, &Recording> =
            now.iter().map(|one| (one.id.to_string(), one)).collect();
        let mut wrong = Vec::new();
        for (id, told) in &self.0 {
            let Some(one) = now.get(id) else {
                wrong.push(format!("recording {id} was told of and is not known"));
                continue;
            };
            let status = one.status;
            if told.left && status != RecordingStatus::Evicted {
                wrong.push(format!("recording {id} had left and is {status:?}"));
            }
            if let Some(digest) = &told.digest
                && !told.left
            {
                let held = status == RecordingStatus::Completed;
                // Eviction may have taken it since, but never what is locked.
                let evicted = status == RecordingStatus::Evicted && told.locked != Some(true);
                if !held && !evicted {
                    wrong.push(format!(
                        "recording {id} was held and is {status:?} ({:?})",
                        one.failure
                    ));
                }
                if held && one.digest.as_ref() != Some(digest) {
                    wrong.push(format!(
                        "recording {id} was held with digest {digest} and has {:?}",
                        one.digest
                    ));
                }
            }
            if let Some(locked) = told.locked
                && one.locked != locked
                && !told.left
                && status != RecordingStatus::Evicted
            {
                wrong.push(format!(
                    "recording {id}: locked is {} and not {locked}",
                    one.locked
                ));
            }
        }
        wrong
    }
}

/// A site.
pub struct Site {
    /// The recorder.
    pub nvr: StandIn,
    /// The appliance.
    pub appliance: Appliance,
    /// What people were told.
    pub told: Told,
    chance: Seed,
    footage: Footage,
    logged_in: Instant,
    turned: BTreeSet<String>,
    /// How long more footage may take to come.
    pub patience: Duration,
    /// Pause between two looks at what there is; one in ten deletes what it sees.
    pub look_every: Duration,
}

impl Site {
    /// A site whose appliance keeps state and footage below `data`; all else lies in `dir`. Footage arrives for as long
    /// as `minutes`.
    pub fn new(dir: &Path, data: &Path, seed: u64, minutes: i64) -> Result<Self> {
        let day: Timestamp = crate::stand_in::DAY.parse()?;
        let footage = footage(dir, day, SECONDS, VideoCodec::H264, Some(AudioCodec::G711a))?;
        let mut nvr = StandIn::new(&dir.join("sdk"))?;
        let begin = Timestamp::now() - SignedDuration::from_secs(THERE * EVERY_S);
        let begin = Timestamp::from_second(begin.as_second())?;
        let channels = [33, 34].map(|number| Channel {
            number,
            name: format!("Camera {number}"),
            recordings: (0..THERE + minutes * 60 / EVERY_S)
                .map(|n| Stored {
                    name: format!("ch{number:02}_{n:011}"),
                    start: begin + SignedDuration::from_secs(n * EVERY_S),
                    duration_s: Some(SECONDS.into()),
                    media: footage.reel.clone(),
                    locked: false,
                    file_type: 0,
                    stream: 0,
                })
                .collect(),
            ..Channel::default()
        });
        nvr.add_recorder("127.0.0.1", 8000, channels.into());
        nvr.write()?;
        let mut appliance = Appliance::with_data(&dir.join("box"), data, nvr.folder())?;
        appliance.set("discovery", "backfill_days", 1);
        appliance.set_volume("budget_bytes", (BESIDE + footage.bytes * HELD) as i64);
        appliance.set("download", "total", 1);
        appliance.set_volume("slack_bytes", footage.bytes as i64);
        appliance.set("retention", "interval_s", 1);
        // The recorder's clock is this machine's: what is not over yet is not to be fetched.
        appliance.set("discovery", "settle_s", 1);
        appliance.set("sdk", "check_interval_s", 2);
        Ok(Self {
            nvr,
            appliance,
            told: Told::default(),
            chance: Seed::of(seed),
            footage,
            logged_in: Instant::now(),
            turned: BTreeSet::new(),
            patience: PATIENCE,
            look_every: LOOK,
        })
    }

    /// The first start, as an installer makes it; ends when something is held.
    pub async fn begin(&mut self) -> Result<()> {
        self.appliance.start().await?;
        self.appliance.first_run().await?;
        self.appliance
            .add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
            .await?;
        self.until_more_is_held(2).await
    }

    /// Waits until so many more recordings than now have been held.
    pub async fn until_more_is_held(&mut self, more: usize) -> Result<()> {
        self.stay_logged_in().await?;
        let been = |all: &[Recording]| {
            let been = all.iter().filter(|one| one.digest.is_some());
            been.count()
        };
        let before = been(&self.appliance.recordings().await?);
        let appliance = &self.appliance;
        let all = eventually_within("more footage is held", self.patience, || async {
            let all = appliance.recordings().await.map_err(|e| e.to_string())?;
            match been(&all) {
                now if now >= before + more => Ok(all),
                now => Err(format!("{now} after {before}; {:?}", last(&all))),
            }
        })
        .await?;
        all.iter().for_each(|one| self.told.learn(one));
        Ok(())
    }

    /// People look, lock and delete for a while. An agent that does not answer is let be.
    pub async fn live(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            // What is not answered in time was not told.
            if let Ok(looked) = tokio::time::timeout(left, self.look()).await {
                // A failure is the agent's affair here; whoever asks for it finds it in the log.
                drop(looked);
            }
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(self.look_every.min(left)).await;
        }
        Ok(())
    }

    /// One look, and now and then a change.
    async fn look(&mut self) -> Result<()> {
        let path = "/api/v1/recordings?order=newest&limit=60";
        let page: wire::resource::Page<Recording> = self.appliance.client.get(path).await?;
        page.items.iter().for_each(|one| self.told.learn(one));
        let held: Vec<&Recording> = page
            .items
            .iter()
            .filter(|one| one.status == RecordingStatus::Completed)
            .collect();
        let Some(one) = held.get(self.chance.below(held.len() as u64) as usize) else {
            return Ok(());
        };
        let id = one.id.to_string();
        match self.chance.below(10) {
            // Few locks at a time: what is locked takes the room of what is to come.
            0 | 1 => {
                let locks = held.iter().filter(|one| one.locked).count();
                let locked = !one.locked && locks < 4;
                self.of(&id).locked = None;
                self.turned.insert(id.clone());
                let path = format!("/api/v1/recordings/{id}/lock");
                let body = json!({ "locked": locked });
                let _: serde_json::Value = self.appliance.client.post(&path, &body).await?;
                self.of(&id).locked = Some(locked);
            }
            2 if !one.locked => {
                let path = format!("/api/v1/recordings/{id}");
                let answer = self
                    .appliance
                    .client
                    .request(Method::DELETE, &path)
                    .send()
                    .await?;
                if answer.status().is_success() {
                    self.of(&id).left = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Recordings that people asked to be locked or unlocked since this was asked last.
    pub fn take_turned(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.turned)
    }

    fn of(&mut self, id: &str) -> &mut ToldOf {
        self.told.0.entry(id.to_owned()).or_default()
    }

    /// Logs in anew before the token runs out.
    pub async fn stay_logged_in(&mut self) -> Result<()> {
        if self.logged_in.elapsed() > LOGIN_EVERY {
            self.appliance.login().await?;
            self.logged_in = Instant::now();
        }
        Ok(())
    }

    /// The agent was started again: what is not as it was told, with what `edge-agent check --deep` says.
    pub async fn wrong(&mut self) -> Result<Vec<String>> {
        let mut wrong = self.wrong_rows().await?;
        if let Err(found) = self.appliance.check() {
            wrong.push(format!("{found:#}"));
        }
        Ok(wrong)
    }

    /// As [`Site::wrong`], without the check.
    pub async fn wrong_rows(&mut self) -> Result<Vec<String>> {
        self.stay_logged_in().await?;
        let now = self.appliance.recordings().await?;
        let wrong = self.told.wrong(&now);
        now.iter().for_each(|one| self.told.learn(one));
        Ok(wrong)
    }

    /// Held recordings whose pictures are not the recorder's; and how many were looked at.
    pub async fn wrong_pictures(&mut self, dir: &Path) -> Result<(u64, Vec<String>)> {
        let path = dir.join("kept.mp4");
        let (mut looked_at, mut wrong) = (0, Vec::new());
        for one in self.appliance.recordings().await? {
            if one.status != RecordingStatus::Completed {
                continue;
            }
            let download = format!("/api/v1/recordings/{}/download", one.id);
            let Ok(bytes) = self.appliance.client.bytes(&download).await else {
                // It left since it was listed; `wrong` would see anything else.
                continue;
            };
            std::fs::write(&path, bytes)?;
            looked_at += 1;
            let held = pictures(&path).with_context(|| one.id.to_string())?;
            if one.defects.is_empty() && held != self.footage.pictures {
                wrong.push(format!(
                    "recording {} ({}) has {} pictures, not the recorder's {}",
                    one.id,
                    one.source_name,
                    held.len(),
                    self.footage.pictures.len()
                ));
            }
        }
        Ok((looked_at, wrong))
    }
}

fn last(all: &[Recording]) -> Vec<String> {
    let brief = |one: &Recording| {
        format!(
            "{} {:?} {}% {:?}",
            one.source_name, one.status, one.progress_percent, one.failure
        )
    };
    all.iter().rev().take(4).map(brief).collect()
}
