//! Holes in what appliances tell: poked for first, then filled over the tunnel.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use wire::ids::ApplianceId;
use wire::poke::Ack;

/// Pause between two pokes for the same hole.
const POKE_EVERY: Duration = Duration::from_secs(5);

/// When and how long. Tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A hole this old is filled over the tunnel.
    pub fill_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            fill_after: Duration::from_secs(20),
        }
    }
}

#[derive(Debug)]
struct Gap {
    stored: Ack,
    since: Instant,
    poked: Option<Instant>,
    filling: bool,
}

/// The holes that are known.
#[derive(Debug, Default)]
pub struct Gaps {
    open: HashMap<ApplianceId, Gap>,
}

impl Gaps {
    /// Reports are missing after `stored`. True: poke the agent now.
    pub fn found(&mut self, appliance: &ApplianceId, stored: Ack, now: Instant) -> bool {
        let gap = self.open.entry(appliance.clone()).or_insert(Gap {
            stored,
            since: now,
            poked: None,
            filling: false,
        });
        if gap.stored != stored {
            // Something was stored since: another hole, or the same one getting smaller.
            (gap.stored, gap.since, gap.poked) = (stored, now, None);
        }
        let poke = gap
            .poked
            .is_none_or(|poked| now.duration_since(poked) >= POKE_EVERY);
        if poke {
            gap.poked = Some(now);
        }
        poke
    }

    /// Something was stored after the hole.
    pub fn stored(&mut self, appliance: &ApplianceId, ack: Ack) {
        if let Some(gap) = self.open.get(appliance)
            && !gap.filling
            && gap.stored != ack
        {
            self.open.remove(appliance);
        }
    }

    /// Holes that pokes have not mended; each is given out once until [`Gaps::filled`].
    pub fn take_lasting(&mut self, now: Instant, patience: Patience) -> Vec<(ApplianceId, Ack)> {
        self.open
            .iter_mut()
            .filter(|(_, gap)| !gap.filling && now.duration_since(gap.since) >= patience.fill_after)
            .map(|(appliance, gap)| {
                gap.filling = true;
                (appliance.clone(), gap.stored)
            })
            .collect()
    }

    /// Filling has ended, one way or the other; what is still missing is found again.
    pub fn filled(&mut self, appliance: &ApplianceId) {
        self.open.remove(appliance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ids::LogId;

    #[test]
    fn poked_at_once_then_now_and_then_and_filled_when_that_does_not_help() {
        let (a, log, start) = (ApplianceId::from_spki(b"a"), LogId::new(), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        let stored = |seq| Ack { log, seq };
        let mut gaps = Gaps::default();
        assert!(gaps.found(&a, stored(5), at(0)));
        assert!(!gaps.found(&a, stored(5), at(1)));
        assert!(gaps.found(&a, stored(5), at(6)));
        // It shrinks: patience begins anew.
        assert!(gaps.found(&a, stored(7), at(10)));
        assert!(gaps.take_lasting(at(29), Patience::default()).is_empty());
        assert_eq!(
            gaps.take_lasting(at(30), Patience::default()),
            [(a.clone(), stored(7))]
        );
        assert!(gaps.take_lasting(at(31), Patience::default()).is_empty());
        gaps.stored(&a, stored(8));
        assert!(gaps.take_lasting(at(99), Patience::default()).is_empty());
        gaps.filled(&a);
        assert!(gaps.found(&a, stored(9), at(100)));
        gaps.stored(&a, stored(10));
        assert!(gaps.take_lasting(at(999), Patience::default()).is_empty());
    }
}
