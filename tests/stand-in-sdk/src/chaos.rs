//! Chance that can be repeated: from a seed and a name, what goes wrong with a recording, and where. Pure.

use crate::scenario::{Chaos, Fault, FaultKind, Scope};

/// A small generator (SplitMix64): the same on every machine.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Of a seed and what it is about: neighbours share nothing.
    pub fn of(seed: u64, about: &str) -> Self {
        // FNV-1a, because the hashers of the standard library may change.
        let hash = about.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed.rotate_left(17) ^ hash)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound.max(1)
    }
}

/// Everything that can go wrong with a download, and where that can be.
const MENU: &[(FaultKind, &[Scope])] = &[
    (
        FaultKind::Sigsegv,
        &[
            Scope::Download,
            Scope::Transfer,
            Scope::Start,
            Scope::Position,
            Scope::Stop,
        ],
    ),
    (
        FaultKind::Sigabrt,
        &[
            Scope::Download,
            Scope::Transfer,
            Scope::Start,
            Scope::Position,
            Scope::Stop,
        ],
    ),
    (
        FaultKind::Hang,
        &[Scope::Download, Scope::Start, Scope::Position, Scope::Stop],
    ),
    (FaultKind::Error, &[Scope::Download, Scope::Start]),
    (FaultKind::Fail200, &[Scope::Transfer]),
    (FaultKind::Stall, &[Scope::Transfer]),
    (FaultKind::Stuck99, &[Scope::Transfer]),
    (FaultKind::ShortFile, &[Scope::Transfer]),
    (FaultKind::Garbage, &[Scope::Transfer]),
    (FaultKind::Split, &[Scope::Transfer]),
    (FaultKind::Leak, &[Scope::Download]),
    (FaultKind::Frames, &[Scope::Download, Scope::Position]),
    (FaultKind::Reboot, &[Scope::Transfer]),
    (FaultKind::WrongSize, &[Scope::Next]),
];

/// Errors that a connection breaks with, and that a recorder in trouble gives (ABI §7).
const BROKEN: &[u32] = &[7, 9, 10, 73];
const TROUBLE: &[u32] = &[10, 29, 73];

/// What the n-th download of a recording meets is the n-th of these.
pub fn faults(chaos: &Chaos, recording: &str) -> Vec<Fault> {
    let mut chance = Chance::of(chaos.seed, recording);
    let menu: Vec<_> = MENU
        .iter()
        .filter(|(kind, _)| chaos.kinds.is_empty() || chaos.kinds.contains(kind))
        .collect();
    if menu.is_empty() {
        return Vec::new();
    }
    let count = chance.below(u64::from(chaos.faults_max) + 1);
    let mut nth = 0;
    (0..count)
        .map(|n| {
            let (kind, scopes) = menu[chance.below(menu.len() as u64) as usize];
            let on = scopes[chance.below(scopes.len() as u64) as usize];
            // A wrong size is told before there is any download.
            nth += u64::from(on != Scope::Next);
            let errors = if on == Scope::Transfer {
                BROKEN
            } else {
                TROUBLE
            };
            Fault {
                nth: (on != Scope::Next).then_some(nth),
                name: Some(recording.to_owned()),
                at_permille: (on == Scope::Transfer).then(|| chance.below(1_000) as u32),
                error: errors[chance.below(errors.len() as u64) as usize],
                bytes: match kind {
                    // No less than a packet: what changes within one only a decoder would see.
                    FaultKind::Garbage => 6_000 + chance.below(56_000),
                    FaultKind::Frames => 1 + chance.below(20_000),
                    FaultKind::Leak => (1 + chance.below(24)) << 20,
                    FaultKind::WrongSize => 1 + chance.below(2_000_000),
                    _ => 0,
                },
                down_ms: 200 + chance.below(chaos.down_ms_max.max(200)),
                id: Some(format!("chaos-{recording}-{n}")),
                ..Fault::once(*kind, on)
            }
        })
        .collect()
}

/// Calls that are no download's and can go wrong by chance.
pub fn is_of_call(on: Scope) -> bool {
    matches!(
        on,
        Scope::Login | Scope::Find | Scope::Config | Scope::Logout
    )
}

/// What logging in and out, searching and asking for the configuration meet: so many in a thousand calls, each at its
/// own. What a search meets may be met by the call for its next answer.
pub fn fault_of_call(chaos: &Chaos, on: Scope, nth: u64) -> Option<Fault> {
    let mut chance = Chance::of(chaos.seed, &format!("{on:?} {nth}"));
    if chance.below(1_000) >= u64::from(chaos.calls_permille) {
        return None;
    }
    let menu = [
        FaultKind::Sigsegv,
        FaultKind::Sigabrt,
        FaultKind::Hang,
        FaultKind::Error,
        if on == Scope::Find {
            FaultKind::Exception
        } else {
            FaultKind::Error
        },
    ];
    let kind = menu[chance.below(menu.len() as u64) as usize];
    let later = on == Scope::Find && kind != FaultKind::Exception && chance.below(2) == 0;
    Some(Fault {
        error: TROUBLE[chance.below(TROUBLE.len() as u64) as usize],
        id: Some(format!("chaos-{on:?}-{nth}")),
        ..Fault::once(kind, if later { Scope::Next } else { on })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let chaos = Chaos {
            seed: 7,
            faults_max: 4,
            calls_permille: 100,
            ..Chaos::default()
        };
        assert_eq!(faults(&chaos, "ch33_1"), faults(&chaos, "ch33_1"));
        let other = Chaos {
            seed: 8,
            ..chaos.clone()
        };
        let all = |chaos: &Chaos| {
            (0..50)
                .flat_map(|n| faults(chaos, &n.to_string()))
                .collect::<Vec<_>>()
        };
        assert_ne!(all(&chaos), all(&other));
        for (kind, _) in MENU {
            assert!(
                all(&chaos).iter().any(|fault| fault.kind == *kind),
                "{kind:?}"
            );
        }
        let calls = (0..10_000)
            .filter_map(|n| fault_of_call(&chaos, Scope::Login, n))
            .count();
        assert!((800..1_200).contains(&calls), "{calls}");
        let only = Chaos {
            kinds: vec![FaultKind::Garbage],
            ..chaos
        };
        assert!(
            all(&only)
                .iter()
                .all(|fault| fault.kind == FaultKind::Garbage)
        );
    }
}
