//! What is held of a range, and why the rest is not (R9, invariant 5). Pure: what recorders answered and what became
//! of each recording come in, a cause for every instant goes out.
//!
//! A range is painted in layers, the least telling first: nobody has asked; the recorder could not be asked; it was
//! asked and has nothing; it listed something that is not held, the most hopeful last; it is held. What is painted
//! later hides what lies below, so every instant ends up with exactly one state, and none without a cause.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::coverage::{GapCause, Verdict};
use wire::resource::{EvictionCause, RecordingStatus};

use super::time::{UtcRange, UtcTime};

/// Recorders tell whole seconds and begin and end within a group of pictures: so little between two recordings is the
/// seam of two files, not time without footage.
const SEAM_MS: i64 = 2_000;

/// A recording as it counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it covers; of one that is or was held, what is really there.
    pub span: UtcRange,
    /// Its end as the recorder told it: never before that of the span.
    pub told_end: UtcTime,
    /// State.
    pub status: RecordingStatus,
    /// The recorder no longer holds it.
    pub gone: bool,
    /// Why it left.
    pub eviction_cause: Option<EvictionCause>,
    /// Why the last attempt failed, or what is wrong with what was kept.
    pub reason: Option<Arc<str>>,
}

/// Why an empty answer about a stretch proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The recorder has not been asked since how far back it reaches.
    Open,
    /// Its oldest footage was already younger when it was first asked.
    Beyond,
}

/// What is known about a range of a camera.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Where the recorder's answers are complete and final.
    pub settled: Vec<UtcRange>,
    /// Where they prove nothing all the same.
    pub doubts: Vec<(UtcRange, Doubt)>,
    /// Where it could not be asked when it was tried last, and why.
    pub unreachable: Option<(UtcRange, Arc<str>)>,
    /// Why it is not asked at all, if so.
    pub not_asked: Option<Arc<str>>,
    /// Where it is not certain when something was recorded because the recorder's clock was set, and how, in words.
    pub clock_steps: Vec<(UtcRange, Arc<str>)>,
    /// Every recording that it ever listed in the range.
    pub listed: Vec<Listed>,
}

/// A stretch that is not held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which.
    pub range: UtcRange,
    /// Why.
    pub cause: GapCause,
    /// In the words of the recorder or the download, where there are any.
    pub reason: Option<Arc<str>>,
    /// By which rule it left.
    pub eviction_cause: Option<EvictionCause>,
    /// Recordings listed in it.
    pub recordings: u32,
}

/// A range, told completely: held stretches and gaps leave no instant out and do not overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The range.
    pub range: UtcRange,
    /// What the recorder is known to have recorded, oldest first.
    pub recorded: Vec<UtcRange>,
    /// What is held, oldest first.
    pub held: Vec<UtcRange>,
    /// The rest, oldest first.
    pub gaps: Vec<Gap>,
}

impl Coverage {
    /// What may be said of the range as a whole.
    pub fn verdict(&self) -> Verdict {
        let worst = self.gaps.iter().map(|gap| match gap.cause {
            GapCause::NotRecorded => Verdict::Complete,
            GapCause::NotObserved | GapCause::RecorderUnreachable | GapCause::NotDownloaded => {
                Verdict::Coming
            }
            GapCause::BeyondReach
            | GapCause::OverwrittenOnRecorder
            | GapCause::Failed
            | GapCause::Evicted
            | GapCause::Deleted
            | GapCause::ClockStep
            | GapCause::Defect => Verdict::Incomplete,
        });
        worst
            .max_by_key(|verdict| *verdict as u8)
            .unwrap_or(Verdict::Complete)
    }
}

/// Tells a range completely.
pub fn coverage(range: UtcRange, facts: &Facts) -> Coverage {
    let mut canvas = Canvas::new(range, Paint::gap(GapCause::NotObserved, &facts.not_asked));
    if let Some((stretch, reason)) = &facts.unreachable {
        let reason = Some(reason.clone());
        canvas.paint(*stretch, Paint::gap(GapCause::RecorderUnreachable, &reason));
    }
    for stretch in &facts.settled {
        canvas.paint(*stretch, Paint::gap(GapCause::NotRecorded, &None));
    }
    // What was recorded near a step of the clock may have been placed elsewhere, so nobody may say that it was not.
    for (stretch, how) in &facts.clock_steps {
        let paint = Paint::gap(GapCause::ClockStep, &Some(how.clone()));
        for empty in canvas.stretches(*stretch, |paint| paint.is(GapCause::NotRecorded)) {
            canvas.paint(empty, paint.clone());
        }
    }
    for (stretch, doubt) in &facts.doubts {
        let cause = match doubt {
            Doubt::Open => GapCause::NotObserved,
            Doubt::Beyond => GapCause::BeyondReach,
        };
        // What is not settled has a better cause already.
        for settled in canvas.stretches(*stretch, |paint| {
            paint.is(GapCause::NotRecorded) || paint.is(GapCause::ClockStep)
        }) {
            canvas.paint(settled, Paint::gap(cause, &None));
        }
    }
    let mut layers: Vec<(u8, UtcRange, Paint)> = Vec::new();
    for listed in &facts.listed {
        layers.extend(listed.layers());
    }
    layers.sort_by_key(|(layer, stretch, _)| (*layer, stretch.from));
    for (_, stretch, paint) in layers {
        canvas.paint(stretch, paint);
    }
    canvas.close_seams();
    let whole = |listed: &Listed| UtcRange {
        from: listed.span.from,
        to: listed.told_end.max(listed.span.to),
    };
    let mut recorded: Vec<UtcRange> = facts.listed.iter().map(whole).collect();
    recorded.sort_by_key(|stretch| stretch.from);
    let mut coverage = canvas.told();
    coverage.recorded = united(range, &recorded);
    for gap in &mut coverage.gaps {
        gap.recordings = facts
            .listed
            .iter()
            .filter(|listed| {
                listed.status != RecordingStatus::Completed || gap.cause == GapCause::Defect
            })
            .filter(|listed| whole(listed).overlaps(gap.range))
            .count() as u32;
    }
    coverage
}

impl Listed {
    /// What it paints, and on which layer.
    fn layers(&self) -> impl Iterator<Item = (u8, UtcRange, Paint)> {
        let (layer, paint) = match (self.status, self.eviction_cause) {
            (RecordingStatus::Completed, _) => (5, Paint::Held),
            (RecordingStatus::Evicted, Some(EvictionCause::Deleted)) => {
                (1, Paint::gap(GapCause::Deleted, &None))
            }
            (RecordingStatus::Evicted, cause) => (
                1,
                Paint::Gap {
                    cause: GapCause::Evicted,
                    reason: None,
                    eviction_cause: cause,
                },
            ),
            (_, _) if self.gone => (2, Paint::gap(GapCause::OverwrittenOnRecorder, &self.reason)),
            (RecordingStatus::Failed, _) => (3, Paint::gap(GapCause::Failed, &self.reason)),
            (RecordingStatus::Pending | RecordingStatus::Downloading, _) => {
                (4, Paint::gap(GapCause::NotDownloaded, &None))
            }
        };
        let missing = (self.told_end > self.span.to).then(|| {
            let stretch = UtcRange {
                from: self.span.to,
                to: self.told_end,
            };
            (0, stretch, Paint::gap(GapCause::Defect, &self.reason))
        });
        missing.into_iter().chain([(layer, self.span, paint)])
    }
}

/// The state of an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Paint {
    Held,
    Gap {
        cause: GapCause,
        reason: Option<Arc<str>>,
        eviction_cause: Option<EvictionCause>,
    },
}

impl Paint {
    fn gap(cause: GapCause, reason: &Option<Arc<str>>) -> Self {
        Self::Gap {
            cause,
            reason: reason.clone(),
            eviction_cause: None,
        }
    }

    fn is(&self, wanted: GapCause) -> bool {
        matches!(self, Self::Gap { cause, .. } if *cause == wanted)
    }
}

/// A range whose every instant has one paint: from each key to the next one.
struct Canvas {
    range: UtcRange,
    paints: BTreeMap<UtcTime, Paint>,
}

impl Canvas {
    fn new(range: UtcRange, ground: Paint) -> Self {
        let mut paints = BTreeMap::new();
        if range.from < range.to {
            paints.insert(range.from, ground);
        }
        Self { range, paints }
    }

    fn clip(&self, stretch: UtcRange) -> Option<UtcRange> {
        let (from, to) = (
            stretch.from.max(self.range.from),
            stretch.to.min(self.range.to),
        );
        (from < to).then_some(UtcRange { from, to })
    }

    fn paint(&mut self, stretch: UtcRange, paint: Paint) {
        let Some(UtcRange { from, to }) = self.clip(stretch) else {
            return;
        };
        if to < self.range.to {
            let after = self.paints.range(..=to).next_back();
            let after = after.map(|(_, paint)| paint.clone());
            self.paints.extend(after.map(|paint| (to, paint)));
        }
        let hidden: Vec<UtcTime> = self.paints.range(from..to).map(|(at, _)| *at).collect();
        for at in hidden {
            self.paints.remove(&at);
        }
        self.paints.insert(from, paint);
    }

    /// All of it, oldest first.
    fn all(&self) -> impl Iterator<Item = (UtcRange, &Paint)> {
        let ends = self.paints.keys().skip(1).copied().chain([self.range.to]);
        self.paints
            .iter()
            .zip(ends)
            .map(|((from, paint), to)| (UtcRange { from: *from, to }, paint))
    }

    /// Where a stretch has such a paint.
    fn stretches(&self, stretch: UtcRange, wanted: impl Fn(&Paint) -> bool) -> Vec<UtcRange> {
        self.all()
            .filter(|(at, paint)| at.overlaps(stretch) && wanted(paint))
            .map(|(at, _)| UtcRange {
                from: at.from.max(stretch.from),
                to: at.to.min(stretch.to),
            })
            .collect()
    }

    /// Gives the seams of files to what lies before them.
    fn close_seams(&mut self) {
        let cells: Vec<(UtcRange, Paint)> =
            self.all().map(|(at, paint)| (at, paint.clone())).collect();
        let recorded = |paint: &Paint| match paint {
            Paint::Held => true,
            Paint::Gap { cause, .. } => matches!(
                cause,
                GapCause::OverwrittenOnRecorder
                    | GapCause::NotDownloaded
                    | GapCause::Failed
                    | GapCause::Evicted
                    | GapCause::Deleted
                    | GapCause::Defect
            ),
        };
        for cell in cells.windows(3) {
            let [(_, before), (seam, empty), (_, after)] = cell else {
                continue;
            };
            if empty.is(GapCause::NotRecorded)
                && seam.duration_ms() <= SEAM_MS
                && recorded(before)
                && recorded(after)
            {
                self.paint(*seam, before.clone());
            }
        }
    }

    /// Neighbours of the same paint as one.
    fn told(&self) -> Coverage {
        let mut coverage = Coverage {
            range: self.range,
            recorded: Vec::new(),
            held: Vec::new(),
            gaps: Vec::new(),
        };
        for (at, paint) in self.all() {
            match paint {
                Paint::Held => match coverage.held.last_mut() {
                    Some(last) if last.to == at.from => last.to = at.to,
                    _ => coverage.held.push(at),
                },
                Paint::Gap {
                    cause,
                    reason,
                    eviction_cause,
                } => match coverage.gaps.last_mut() {
                    Some(last)
                        if last.range.to == at.from
                            && last.cause == *cause
                            && last.reason == *reason
                            && last.eviction_cause == *eviction_cause =>
                    {
                        last.range.to = at.to;
                    }
                    _ => coverage.gaps.push(Gap {
                        range: at,
                        cause: *cause,
                        reason: reason.clone(),
                        eviction_cause: *eviction_cause,
                        recordings: 0,
                    }),
                },
            }
        }
        coverage
    }
}

/// The union of stretches given by their start, within a range.
fn united(range: UtcRange, stretches: &[UtcRange]) -> Vec<UtcRange> {
    let mut united: Vec<UtcRange> = Vec::new();
    for stretch in stretches {
        let (from, to) = (stretch.from.max(range.from), stretch.to.min(range.to));
        match united.last_mut() {
            _ if from >= to => {}
            Some(last) if from.ms_since(last.to) <= SEAM_MS => last.to = last.to.max(to),
            _ => united.push(UtcRange { from, to }),
        }
    }
    united
}

#[cfg(test)]
mod tests;
