//! Hard resets while the box records: it starts again by itself, and what it told of is there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use wire::resource::{Recorder, Recording, RecordingStatus};

use super::set_up::{CAMERAS, SetUp};
use super::{Image, PATIENCE, held, lost, until_ready};
use crate::seed::Seed;

/// Recordings of each camera that the recorder gets for each reset.
const MORE: u32 = 2;
const RECORDINGS_MAX: u32 = 60;

/// What became of one reset.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    /// From 0.
    pub number: u64,
    /// How often the virtual firmware was helped (`firmware.rs`).
    #[serde(default)]
    pub firmware_hangs: u32,
    /// Version of the image.
    #[serde(default)]
    pub image: String,
    /// Seconds from the reset until the page answered.
    pub ready_s: f64,
    /// Recordings that were told of as held before.
    pub looked_for: usize,
    /// Those of them that were gone or others afterwards.
    pub lost: usize,
    /// Downloads that were under way.
    pub under_way: usize,
    /// Whether the recorders' list was what it was.
    pub settings: bool,
}

/// A box whose reset button is pressed over and over.
#[derive(Debug)]
pub struct Campaign {
    image: String,
    set_up: SetUp,
    shown: u32,
    known: Vec<Recording>,
    recorder: Option<Recorder>,
    boots: usize,
}

impl Campaign {
    /// A new box that holds something.
    pub async fn begin(image: &Image, dir: &Path) -> Result<Self> {
        let (set_up, known) = SetUp::new(image, dir, MORE, RECORDINGS_MAX).await?;
        let recorder = set_up.appliance.recorders().await?.into_iter().next();
        Ok(Self {
            image: image.version.clone(),
            set_up,
            shown: MORE,
            known,
            recorder,
            boots: 1,
        })
    }

    /// One reset, at some moment while it fetches.
    pub async fn round(&mut self, number: u64) -> Result<Round> {
        let mut seed = Seed::of(number);
        let hangs = self.set_up.machine.firmware_hangs();
        self.shown = (self.shown + MORE).min(RECORDINGS_MAX);
        self.set_up.show(self.shown).await?;
        let wanted = self.known.len() + 1 + seed.below(u64::from(MORE)) as usize;
        held(
            &self.set_up.appliance,
            wanted.min(CAMERAS * self.shown as usize),
        )
        .await?;
        tokio::time::sleep(Duration::from_millis(seed.below(4_000))).await;
        // What it tells last is what must be there.
        let told = self.set_up.appliance.recordings().await?;
        let (done, waiting): (Vec<Recording>, Vec<Recording>) = told
            .into_iter()
            .partition(|one| one.status == RecordingStatus::Completed);
        let ready_s = self.start_again().await?;
        let now = held(&self.set_up.appliance, 0).await?;
        let gone = lost(&done, &now);
        for one in &gone {
            println!("LOST: {one}");
        }
        let recorder = self.set_up.appliance.recorders().await?.into_iter().next();
        let same = |a: &Recorder, b: &Recorder| {
            (a.id, &a.address, a.port, &a.username) == (b.id, &b.address, b.port, &b.username)
        };
        self.known = held(&self.set_up.appliance, CAMERAS * self.shown as usize).await?;
        Ok(Round {
            number,
            firmware_hangs: self.set_up.machine.firmware_hangs() - hangs,
            image: self.image.clone(),
            ready_s,
            looked_for: done.len(),
            lost: gone.len(),
            under_way: waiting.len(),
            settings: self
                .recorder
                .as_ref()
                .zip(recorder.as_ref())
                .is_some_and(|(a, b)| same(a, b)),
        })
    }

    /// A reset, and the seconds until the page answers again.
    async fn start_again(&mut self) -> Result<f64> {
        let mark = self.set_up.machine.mark()?;
        self.set_up.machine.reset()?;
        self.boots += 1;
        let begun = Instant::now();
        self.set_up
            .machine
            .says_since(mark, "Holdfast: slot", PATIENCE)
            .await?;
        until_ready(&self.set_up.appliance.client)
            .await
            .with_context(|| self.set_up.machine.condition())?;
        let ready_s = begun.elapsed().as_secs_f64();
        self.set_up.appliance.login().await?;
        Ok(ready_s)
    }

    /// What the box says from within at the end.
    pub async fn end(self) -> Result<String> {
        self.set_up.ends_intact(self.boots).await
    }
}

/// All rounds in words.
pub fn summary(rounds: &[Round]) -> String {
    let sum = |of: fn(&Round) -> usize| rounds.iter().map(of).sum::<usize>();
    let longest = rounds.iter().map(|round| round.ready_s).fold(0.0, f64::max);
    format!(
        "{} hard resets, {} with something under way; recordings looked for {}, lost {}; settings changed {}; until the page \
         answers at most {longest:.0} s; the virtual firmware was helped {} times",
        rounds.len(),
        sum(|round| usize::from(round.under_way > 0)),
        sum(|round| round.looked_for),
        sum(|round| round.lost),
        sum(|round| usize::from(!round.settings)),
        sum(|round| round.firmware_hangs as usize),
    )
}
