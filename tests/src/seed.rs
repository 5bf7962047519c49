//! Chance that can be repeated: the seed is printed, and `HOLDFAST_SEED` sets it.

/// A small generator (SplitMix64): good enough to choose moments, the same on every machine.
#[derive(Debug)]
pub struct Seed(u64);

impl Seed {
    /// From `HOLDFAST_SEED`, or random; printed either way.
    #[expect(clippy::new_without_default, reason = "it prints")]
    pub fn new() -> Self {
        let seed = std::env::var("HOLDFAST_SEED")
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or_else(|| u64::from_le_bytes(base::token::random::<8>()));
        println!("HOLDFAST_SEED={seed}");
        Self(seed)
    }

    /// With this one, said by whoever chose it.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is small.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound.max(1)
    }
}
