//! Updates by the hundred, good and bad: the box always goes forward or back, by itself, and loses nothing.
//!
//! Faults that end before the box starts again share one running machine; each of the others starts it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use wire::resource::Recording;

use super::machine::Stick;
use super::set_up::{CAMERAS, SetUp};
use super::{GOOD, Image, PATIENCE, SLOT_A, SLOT_B, held, lost, until_ready};
use crate::seed::Seed;

/// Recordings of each of the two cameras when it begins; one more of each at every start.
const RECORDINGS_FIRST: u32 = 2;
const RECORDINGS_MAX: u32 = 40;
/// What the box says of an update that it does not take.
const GOES_ON: &str = "goes on";
const GAVE_UP: &str = "starting again, after three times";
const STARTED: &str = "is installed and is being started";
/// Longest until a box has gone back: three starts of a system that is not healthy, and one of the one before.
const BACK: Duration = Duration::from_secs(1_500);

/// What is wrong with an update, or done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing.
    Good,
    /// Signed by somebody else.
    Foreign,
    /// Only its first part.
    Truncated,
    /// Some of its bytes are others.
    Damaged,
    /// For another box.
    Machine,
    /// Not newer than what runs.
    Older,
    /// The kernel finds nothing to start.
    Crashes,
    /// systemd is dead, and the watchdog barks.
    Hangs,
    /// The agent does not run.
    Useless,
    /// The slot cannot be read.
    Unreadable,
    /// The agent runs, and has no FFmpeg to make footage with.
    CannotRecord,
    /// The agent runs, and reaches nobody.
    Mute,
    /// The power goes at some moment from the first byte that is written until the new system is good.
    Cut,
}

const STARTING: [Kind; 10] = [
    Kind::Good,
    Kind::Cut,
    Kind::CannotRecord,
    Kind::Crashes,
    Kind::Useless,
    Kind::Cut,
    Kind::Hangs,
    Kind::Good,
    Kind::Unreadable,
    Kind::Mute,
];
const REFUSED: [Kind; 5] = [
    Kind::Foreign,
    Kind::Truncated,
    Kind::Machine,
    Kind::Older,
    Kind::Damaged,
];

impl Kind {
    /// Of the update with this number, from 0: every eighth one starts the box again.
    fn of(number: u64) -> Self {
        let at = |kinds: &[Self], n: u64| kinds[(n % kinds.len() as u64) as usize];
        match number % 8 {
            7 => at(&STARTING, number / 8),
            _ => at(&REFUSED, number),
        }
    }

    /// What is said each time when a system with this fault is started, so that no other fault passes for it. One that
    /// hangs says nothing.
    fn ailment(self) -> Option<&'static str> {
        match self {
            Self::Crashes => Some("Kernel panic"),
            Self::Useless => Some("the agent is not ready after"),
            Self::Unreadable => Some("cannot be read"),
            Self::CannotRecord => Some("no footage can be made after"),
            Self::Mute => Some("no recorder answers any more after"),
            _ => None,
        }
    }

    /// What the box says of one that it does not take.
    fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Foreign | Self::Truncated => Some("is not signed by a key that this box trusts"),
            Self::Machine | Self::Damaged => Some("could not be installed"),
            Self::Older => Some("is not newer than"),
            _ => None,
        }
    }
}

/// What became of one update.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    /// From 0.
    pub number: u64,
    /// How often the virtual firmware was helped (`firmware.rs`).
    #[serde(default)]
    pub firmware_hangs: u32,
    /// Version of the image that the box began with.
    #[serde(default)]
    pub image: String,
    /// What was wrong with it.
    pub kind: Kind,
    /// Whether the box was started by it.
    pub started: bool,
    /// Whether another system ran afterwards.
    pub forward: bool,
    /// Seconds until the box was good again, or had said no.
    pub seconds: f64,
    /// Recordings that were looked for before.
    pub looked_for: usize,
    /// Those of them that were not there or not the same.
    pub lost: usize,
}

/// Where things are built.
#[derive(Debug)]
pub struct Factory {
    /// What is updated.
    pub image: Image,
    /// What `image/build.sh` writes to.
    pub out: PathBuf,
}

impl Factory {
    /// Has `image/build.sh` make something of another version.
    fn build(&self, arguments: &[&str], version: &str) -> Result<()> {
        let output = Command::new("image/build.sh")
            .args(arguments)
            .env("VERSION", version)
            .env("COMPRESSION", "lz4")
            .output()
            .context("image/build.sh")?;
        ensure!(
            output.status.success(),
            "image/build.sh {arguments:?}:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// A stick with the update of this number.
    fn stick(&self, dir: &Path, number: u64, kind: Kind) -> Result<Stick> {
        let version = format!("{}.{}", self.image.version, number + 1);
        let spoilt = |how: &str| -> Result<PathBuf> {
            self.build(&["spoilt", how], &version)?;
            Ok(self.out.join(format!("spoilt-{how}.raucb")))
        };
        let good = |version: &str| self.out.join(format!("holdfast-{version}.raucb"));
        let newer = || -> Result<PathBuf> {
            self.build(&["system"], &version)?;
            Ok(good(&version))
        };
        let (bundle, keep) = match kind {
            Kind::Good | Kind::Cut => (newer()?, false),
            Kind::Older => (good(&self.image.version), true),
            Kind::Foreign => (spoilt("foreign")?, false),
            Kind::Machine => (spoilt("machine")?, false),
            Kind::Crashes => (spoilt("crashes")?, false),
            Kind::Hangs => (spoilt("hangs")?, false),
            Kind::Useless => (spoilt("useless")?, false),
            Kind::Unreadable => (spoilt("unreadable")?, false),
            Kind::CannotRecord => (spoilt("cannot-record")?, false),
            Kind::Mute => (spoilt("mute")?, false),
            Kind::Truncated | Kind::Damaged => {
                let whole = newer()?;
                let bytes = whole.metadata()?.len();
                let file = std::fs::File::options().write(true).open(&whole)?;
                match kind {
                    Kind::Truncated => file.set_len(bytes * 6 / 10)?,
                    _ => std::os::unix::fs::FileExt::write_all_at(&file, &[0xa5; 512], bytes / 3)?,
                }
                (whole, false)
            }
        };
        let stick = Stick::new(
            &dir.join(format!("{kind:?}.img")),
            &[("holdfast.raucb", &bundle)],
        )?;
        if !keep {
            std::fs::remove_file(bundle)?;
        }
        Ok(stick)
    }
}

/// A box that is updated over and over.
#[derive(Debug)]
pub struct Campaign {
    factory: Factory,
    dir: PathBuf,
    set_up: SetUp,
    /// What it held when it was last looked at.
    known: Vec<Recording>,
    /// Recordings of each camera that the recorder has.
    shown: u32,
    /// Sticks with what is refused can be put in again.
    sticks: std::collections::HashMap<Kind, Stick>,
}

impl Campaign {
    /// A new box that holds something.
    pub async fn begin(factory: Factory, dir: &Path) -> Result<Self> {
        let (set_up, known) =
            SetUp::new(&factory.image, dir, RECORDINGS_FIRST, RECORDINGS_MAX).await?;
        Ok(Self {
            factory,
            dir: dir.to_owned(),
            set_up,
            known,
            shown: RECORDINGS_FIRST,
            sticks: std::collections::HashMap::new(),
        })
    }

    /// Waits until so much is held, and counts what is gone of what was held before.
    async fn look(&mut self, at_least: usize) -> Result<(usize, usize)> {
        let appliance = &mut self.set_up.appliance;
        until_ready(&appliance.client).await?;
        appliance.login().await?;
        let now = held(appliance, at_least).await?;
        let gone = lost(&self.known, &now);
        for one in &gone {
            println!("LOST: {one}");
        }
        let looked_for = self.known.len();
        self.known = now;
        Ok((looked_for, gone.len()))
    }

    fn slot(&self, mark: usize) -> Result<Option<&'static str>> {
        let last = |text: &str| -> Result<Option<usize>> {
            let log = std::fs::read(self.set_up.machine.log())?;
            let since = String::from_utf8_lossy(log.get(mark..).unwrap_or_default()).into_owned();
            Ok(since.rfind(text))
        };
        Ok(match (last(SLOT_A)?, last(SLOT_B)?) {
            (None, None) => None,
            (a, b) if a > b => Some(SLOT_A),
            _ => Some(SLOT_B),
        })
    }

    /// What the box says from within at the end.
    pub async fn end(self) -> Result<String> {
        // A start that came to no good may have left no journal.
        let boots = self.set_up.machine.count(GOOD)?;
        self.set_up.ends_intact(boots).await
    }

    /// One update.
    pub async fn round(&mut self, number: u64) -> Result<Round> {
        let kind = Kind::of(number);
        let mut seed = Seed::of(number);
        let hangs = self.set_up.machine.firmware_hangs();
        let stick = match self.sticks.get(&kind) {
            Some(stick) => stick.clone(),
            None => self.factory.stick(&self.dir, number, kind)?,
        };
        let before = self.slot(0)?.context("no slot was started yet")?;
        let (begun, mark) = (Instant::now(), self.set_up.machine.mark()?);
        self.set_up.machine.put_in(&stick)?;
        let started = kind.refusal().is_none();
        if let Some(refusal) = kind.refusal() {
            self.set_up
                .machine
                .says_since(mark, refusal, PATIENCE)
                .await?;
            self.set_up
                .machine
                .says_since(mark, GOES_ON, PATIENCE)
                .await?;
            self.set_up.machine.take_out()?;
            self.sticks.insert(kind, stick);
        } else {
            self.shown = (self.shown + 1).min(RECORDINGS_MAX);
            self.set_up.show(self.shown).await?;
            match kind {
                Kind::Cut => self.cut(mark, &mut seed).await?,
                _ => self.start(mark, kind).await?,
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let (looked_for, lost) = match started {
            true => self.look(CAMERAS * self.shown as usize).await?,
            false => {
                until_ready(&self.set_up.appliance.client).await?;
                (0, 0)
            }
        };
        let after = self.slot(0)?.context("no slot")?;
        let forward = before != after;
        if forward {
            // Their versions are not newer any more, which would be said first.
            self.sticks.remove(&Kind::Machine);
            self.sticks.remove(&Kind::Damaged);
        }
        let as_it_should = match kind {
            Kind::Good => forward,
            Kind::Cut => true,
            _ => !forward,
        };
        ensure!(
            as_it_should,
            "{kind:?} update {number}: from {before} to {after}"
        );
        Ok(Round {
            number,
            firmware_hangs: self.set_up.machine.firmware_hangs() - hangs,
            image: self.factory.image.version.clone(),
            kind,
            started,
            forward,
            seconds,
            looked_for,
            lost,
        })
    }

    /// The new system is started, and is good or is not.
    async fn start(&mut self, mark: usize, kind: Kind) -> Result<()> {
        let said = self
            .set_up
            .machine
            .says_one_of(mark, &[STARTED, GOES_ON], PATIENCE);
        if said.await? == GOES_ON {
            bail!("a {kind:?} update was refused");
        }
        let installed = self.set_up.machine.mark()?;
        let hangs = self.set_up.machine.firmware_hangs();
        self.set_up
            .machine
            .says_since(installed, "Holdfast: slot", PATIENCE)
            .await?;
        self.set_up.machine.take_out()?;
        if kind != Kind::Good {
            self.set_up
                .machine
                .says_since(installed, "was not healthy, so", BACK)
                .await?;
            let count = |text: &str| self.set_up.machine.count_since(installed, text);
            match kind.ailment() {
                Some(said) => {
                    // GRUB speaks twice where the firmware has the serial line too.
                    let times = match kind {
                        Kind::Unreadable => count(SLOT_A)?.max(count(SLOT_B)?),
                        _ => 3,
                    };
                    // A start in which the virtual firmware was lost never came as far as that.
                    let (heard, lost) = (
                        count(said)?,
                        (self.set_up.machine.firmware_hangs() - hangs) as usize,
                    );
                    ensure!(
                        heard > 0 && heard + lost >= times.max(3),
                        "{kind:?}: {said:?} was said {heard} times, not at each of three starts (firmware lost: {lost})"
                    );
                }
                None => ensure!(count(GAVE_UP)? == 0, "{kind:?}: the system spoke"),
            }
        }
        self.set_up
            .machine
            .says_since(installed, GOOD, PATIENCE)
            .await
    }

    /// The power goes at some moment.
    async fn cut(&mut self, mark: usize, seed: &mut Seed) -> Result<()> {
        // Together they reach beyond the moment when it is good.
        let (phase, longest_ms) =
            [("installing", 80_000), ("Holdfast: slot", 120_000)][seed.below(2) as usize];
        self.set_up
            .machine
            .says_since(mark, phase, PATIENCE)
            .await?;
        tokio::time::sleep(Duration::from_millis(seed.below(longest_ms))).await;
        self.set_up.machine.end()?;
        let dead = self.set_up.machine.mark()?;
        self.set_up.machine.boot()?;
        self.set_up.machine.says_since(dead, GOOD, BACK).await
    }
}

/// All rounds in words.
pub fn summary(rounds: &[Round]) -> String {
    let mut kinds: Vec<Kind> = Vec::new();
    for round in rounds {
        if !kinds.contains(&round.kind) {
            kinds.push(round.kind);
        }
    }
    let mut lines: Vec<String> = kinds
        .into_iter()
        .map(|kind| {
            let of: Vec<&Round> = rounds.iter().filter(|round| round.kind == kind).collect();
            let longest = of.iter().map(|round| round.seconds).fold(0.0, f64::max);
            let forward = of.iter().filter(|round| round.forward).count();
            format!(
                "  {kind:?}: {}, forward {forward}, longest {longest:.0} s",
                of.len()
            )
        })
        .collect();
    let sum = |of: fn(&Round) -> usize| rounds.iter().map(of).sum::<usize>();
    lines.push(format!(
        "{} updates, {} of them started the box, which came back by itself (one that does not ends this); recordings \
         looked for {}, lost {}; the virtual firmware was helped {} times",
        rounds.len(),
        sum(|round| usize::from(round.started)),
        sum(|round| round.looked_for),
        sum(|round| round.lost),
        sum(|round| round.firmware_hangs as usize),
    ));
    lines.join("\n")
}
