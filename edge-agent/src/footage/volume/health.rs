//! The state of a volume: pure. What looks at its disk have seen and what errors others met go in, a state comes out.
//!
//! What a look cannot mistake (no disk, another disk, read-only, an error) counts at once, in both directions. What may
//! be a bad moment of a good disk (slowness, too little room) counts once it was seen three times in a row, and so does
//! its end.

use std::collections::VecDeque;
use std::time::Duration;

use wire::resource::{VolumeState, VolumeTrouble};

use crate::model::retention::Bytes;
use crate::model::time::UtcTime;

/// A block that is written and synced takes milliseconds, on a busy disk some hundred. From here on it counts as slow.
const SLOW: Duration = Duration::from_secs(4);
/// So many times in a row.
const IN_A_ROW: u8 = 3;
/// So many errors that others met within [`ERRORS_MS`] make a disk that answers a failing one.
const ERRORS: usize = 3;
/// How long an error that others met counts.
const ERRORS_MS: i64 = 10 * 60 * 1_000;

/// What one look has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A small file was written and synced.
    Written {
        /// In so long.
        took: Duration,
        /// What is free.
        free_bytes: u64,
    },
    /// The disk is not there.
    Gone(String),
    /// Another volume's disk is.
    Foreign(String),
    /// It takes no writing.
    ReadOnly(String),
    /// It has no room for a small file.
    NoSpace(String),
    /// It answered with an error.
    Failed(String),
    /// It did not answer within this time.
    Silent(Duration),
}

/// Whether new footage goes to a volume; the better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fitness {
    /// Yes.
    Good,
    /// Where nothing better is there.
    Poor,
    /// No: it is left alone until it is well again.
    Unfit,
}

/// How a volume fares.
#[derive(Debug, Clone, Default)]
pub struct Health {
    state: VolumeState,
    /// What was found, while it is not working.
    message: String,
    /// Since when; none until it was looked at.
    since: Option<UtcTime>,
    /// It answers, whatever its state.
    answers: bool,
    slow: Run,
    low: Run,
    /// Errors that others met: since the last look, and when the newest of the earlier ones were heard of.
    new_errors: usize,
    errors: VecDeque<UtcTime>,
}

/// Something that must be seen several times in a row to begin, and again to end.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    holds: bool,
    against: u8,
}

impl Run {
    fn note(&mut self, seen: bool) -> bool {
        if seen == self.holds {
            self.against = 0;
        } else {
            self.against += 1;
            if self.against >= IN_A_ROW {
                *self = Self {
                    holds: seen,
                    against: 0,
                };
            }
        }
        self.holds
    }
}

impl Health {
    /// The state.
    pub fn state(&self) -> VolumeState {
        self.state
    }

    /// Whether new footage goes there.
    pub fn fitness(&self) -> Fitness {
        match self.state {
            VolumeState::Working | VolumeState::Full => Fitness::Good,
            VolumeState::Slow => Fitness::Poor,
            VolumeState::Failing if self.answers => Fitness::Poor,
            VolumeState::Gone
            | VolumeState::Foreign
            | VolumeState::ReadOnly
            | VolumeState::Failing => Fitness::Unfit,
        }
    }

    /// What lies there can be read, as far as the newest look tells.
    pub fn is_there(&self) -> bool {
        match self.state {
            VolumeState::Gone | VolumeState::Foreign => false,
            VolumeState::Failing => self.answers,
            _ => true,
        }
    }

    /// What is the matter; none while it is working.
    pub fn trouble(&self) -> Option<VolumeTrouble> {
        let advice = advice(self.state)?;
        Some(VolumeTrouble {
            since: self.since?,
            message: self.message.clone(),
            advice: advice.to_owned(),
        })
    }

    /// What is the matter, in words for whoever wanted to write.
    pub fn why(&self) -> String {
        self.message.clone()
    }

    /// Somebody met an error of the disk.
    pub fn met(&mut self) {
        self.new_errors = (self.new_errors + 1).min(ERRORS);
    }

    /// Takes what a look has seen; the state before, where it is another one now.
    pub fn judge(&mut self, seen: Seen, floor_bytes: u64, now: UtcTime) -> Option<VolumeState> {
        self.answers = !matches!(seen, Seen::Failed(_) | Seen::Silent(_));
        let (state, message) = match seen {
            Seen::Gone(why) => (VolumeState::Gone, why),
            Seen::Foreign(why) => (VolumeState::Foreign, why),
            Seen::ReadOnly(why) => (VolumeState::ReadOnly, why),
            Seen::NoSpace(why) => (VolumeState::Full, why),
            Seen::Failed(why) => (VolumeState::Failing, why),
            Seen::Silent(limit) => (
                VolumeState::Failing,
                format!("the disk has not answered for {} seconds", limit.as_secs()),
            ),
            Seen::Written { took, free_bytes } => self.written(took, free_bytes, floor_bytes, now),
        };
        let before = std::mem::replace(&mut self.state, state);
        self.message = message;
        let first = self.since.is_none();
        if first || before != state {
            self.since = Some(now);
        }
        (before != state).then_some(before)
    }

    fn written(
        &mut self,
        took: Duration,
        free_bytes: u64,
        floor_bytes: u64,
        now: UtcTime,
    ) -> (VolumeState, String) {
        let slow = self.slow.note(took >= SLOW);
        let low = self.low.note(free_bytes < floor_bytes);
        // One that lies in the future is of a clock that was set back since.
        self.errors
            .retain(|at| (0..=ERRORS_MS).contains(&now.ms_since(*at)));
        let new_errors = std::mem::take(&mut self.new_errors);
        self.errors.extend(std::iter::repeat_n(now, new_errors));
        while self.errors.len() > ERRORS {
            self.errors.pop_front();
        }
        if self.errors.len() == ERRORS {
            let minutes = ERRORS_MS / 60_000;
            return (
                VolumeState::Failing,
                format!(
                    "the disk has answered with errors {ERRORS} times within {minutes} minutes"
                ),
            );
        }
        if slow {
            return (
                VolumeState::Slow,
                format!(
                    "writing one block has taken {} seconds several times in a row",
                    took.max(SLOW).as_secs()
                ),
            );
        }
        if low {
            return (
                VolumeState::Full,
                format!(
                    "{} are free, less than the {} that are to stay free",
                    Bytes(free_bytes),
                    Bytes(floor_bytes)
                ),
            );
        }
        (VolumeState::Working, String::new())
    }
}

/// What a person does about a state.
pub fn advice(state: VolumeState) -> Option<&'static str> {
    Some(match state {
        VolumeState::Working => return None,
        VolumeState::Gone => {
            "Look whether the disk is plugged in and has power, then mount it. It is taken up again by itself; what it holds can be played and downloaded then."
        }
        VolumeState::Foreign => {
            "Mount the disk that belongs here. To use this other disk, give it a [[volume]] of its own, with a name of its own."
        }
        VolumeState::ReadOnly => {
            "What it holds can still be played and downloaded. The system makes a disk read-only when it met errors: look into the journal (journalctl -k), check the file system, and think of replacing the disk."
        }
        VolumeState::Failing => {
            "Check its cable and its power, and look into the journal (journalctl -k). If the errors stay, copy off what matters and replace the disk."
        }
        VolumeState::Slow => {
            "New footage goes to other disks while there are any. Look what else uses the disk; a disk that stays slow is often about to fail."
        }
        VolumeState::Full => {
            "Look what else lies on the disk and remove it; or unlock or delete footage, or add a disk."
        }
    })
}

/// Whether an error tells of the disk rather than of what was asked of it.
pub fn is_of_the_disk(error: &std::io::Error) -> bool {
    use nix::errno::Errno;
    let disk = [
        Errno::EIO,
        Errno::EUCLEAN,
        Errno::ENXIO,
        Errno::ENODEV,
        Errno::EBADMSG,
        Errno::ETIMEDOUT,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| disk.contains(&Errno::from_raw(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(s: i64) -> UtcTime {
        "2026-11-03T12:00:00Z".parse::<UtcTime>().unwrap().plus_s(s)
    }

    fn written(ms: u64, free_bytes: u64) -> Seen {
        Seen::Written {
            took: Duration::from_millis(ms),
            free_bytes,
        }
    }

    /// The states that a row of looks leads through, half a minute apart.
    fn states(looks: &[Seen]) -> Vec<VolumeState> {
        let mut health = Health::default();
        let mut all = Vec::new();
        for (n, seen) in looks.iter().enumerate() {
            let before = health.state();
            let changed = health.judge(seen.clone(), 100 * MIB, at(30 * n as i64));
            assert_eq!(changed.is_some(), before != health.state());
            assert_eq!(
                health.trouble().is_none(),
                health.state() == VolumeState::Working
            );
            all.push(health.state());
        }
        all
    }

    #[test]
    fn what_cannot_be_mistaken_counts_at_once_in_both_directions() {
        use VolumeState::{Failing, Foreign, Full, Gone, ReadOnly, Working};
        let fine = || written(3, 900 * MIB);
        let why = || "why".to_owned();
        let looks = [
            fine(),
            Seen::Gone(why()),
            fine(),
            Seen::Foreign(why()),
            Seen::ReadOnly(why()),
            Seen::Failed(why()),
            Seen::Silent(Duration::from_secs(30)),
            fine(),
            Seen::NoSpace(why()),
            fine(),
        ];
        let told = [
            Working, Gone, Working, Foreign, ReadOnly, Failing, Failing, Working, Full, Working,
        ];
        assert_eq!(states(&looks), told);
    }

    #[test]
    fn a_bad_moment_of_a_good_disk_is_no_slow_disk() {
        use VolumeState::{Full, Slow, Working};
        let (slow, quick) = (written(5_000, 900 * MIB), written(5, 900 * MIB));
        let looks = |pattern: &str| -> Vec<Seen> {
            let of = |c| {
                if c == 's' {
                    slow.clone()
                } else {
                    quick.clone()
                }
            };
            pattern.chars().map(of).collect()
        };
        assert!(states(&looks("ssqssqss")).iter().all(|s| *s == Working));
        let told = [
            Working, Working, Slow, Slow, Slow, Slow, Slow, Slow, Working,
        ];
        assert_eq!(states(&looks("sssqqsqqq")), told);
        let low = written(5, 99 * MIB);
        assert_eq!(states(&vec![low; 3]), [Working, Working, Full]);
    }

    #[test]
    fn errors_that_others_meet_count_for_a_while() {
        let mut health = Health::default();
        for _ in 0..2 {
            health.met();
        }
        health.judge(written(5, MIB), 0, at(2));
        assert_eq!(health.state(), VolumeState::Working);
        health.met();
        health.judge(written(5, MIB), 0, at(30));
        assert_eq!(health.state(), VolumeState::Failing);
        // It answers: better than no disk at all.
        assert_eq!(health.fitness(), Fitness::Poor);
        health.judge(Seen::Failed("why".into()), 0, at(31));
        assert_eq!(health.fitness(), Fitness::Unfit);
        let since = health.trouble().unwrap().since;
        assert_eq!(since, at(30));
        health.judge(written(5, MIB), 0, at(700));
        assert_eq!(health.state(), VolumeState::Working);
    }

    #[test]
    fn an_error_of_the_disk_is_none_of_the_file() {
        let of = |code: nix::errno::Errno| is_of_the_disk(&code.into());
        assert!(of(nix::errno::Errno::EIO) && of(nix::errno::Errno::EUCLEAN));
        assert!(!of(nix::errno::Errno::ENOENT) && !of(nix::errno::Errno::ENOSPC));
        assert!(!is_of_the_disk(&std::io::Error::other("no number")));
    }
}
