//! The rounds of `make torture-storage` that need real processes (S6): kills, hard resets of a file system and of a
//! virtual machine, and the agent on the rig of [`crate::power_cut`]. Short runs of them are stories.

pub mod cuts;
pub mod faults;
pub mod guest;
pub mod kills;
pub mod loop_disk;
pub mod machine;
pub mod resets;

use serde::{Deserialize, Serialize};

/// What a round of any of them came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// What decided.
    pub seed: u64,
    /// On what: `ext4`, `xfs`, a kind of fault; empty where that makes no difference.
    pub on: String,
    /// Kills, resets, cuts or faults.
    pub stops: u64,
    /// Recordings that people knew to be held, over all of them.
    pub held: u64,
    /// Recordings whose pictures were compared with the recorder's.
    pub compared: u64,
    /// Times that the agent had ended by itself and was started again, as systemd does.
    pub restarts: u64,
    /// What was lost, wrong or not as it must be. Must be empty.
    pub wrong: Vec<String>,
    /// Bytes that were written and lost with the power, where that is known.
    pub lost_bytes: u64,
    /// How long it took.
    pub seconds: u64,
}

impl Figures {
    /// Takes another round in.
    pub fn add(&mut self, round: &Self) {
        self.stops += round.stops;
        self.held += round.held;
        self.compared += round.compared;
        self.restarts += round.restarts;
        self.lost_bytes += round.lost_bytes;
        self.seconds += round.seconds;
        let wrong = round.wrong.iter();
        self.wrong
            .extend(wrong.map(|wrong| format!("seed {} {}: {wrong}", round.seed, round.on)));
    }

    /// Fails where something was wrong.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.wrong.is_empty(), "{self}");
        Ok(())
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} stops, {} held recordings looked for, {} compared picture by picture, {} restarts, {:.1} MB lost with \
             the power, {} things wrong, {} s",
            self.stops,
            self.held,
            self.compared,
            self.restarts,
            self.lost_bytes as f64 / 1e6,
            self.wrong.len(),
            self.seconds
        )?;
        for wrong in &self.wrong {
            write!(f, "\n  ! {wrong}")?;
        }
        Ok(())
    }
}
