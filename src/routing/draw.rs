//! Drawing lots: an order of routes, the heavier the more often in front, decided by a number
//! alone.

/// The places `0..weights.len()` as they are drawn without replacement, each in proportion to its
/// weight among those that are left. Leaving some out of the result afterwards is the same as never
/// having had them in the draw: the shares of the others stay in proportion to their weights.
pub(super) fn draw_order(weights: &[u16], seed: u128) -> Vec<usize> {
    let mut chance = Chance::seeded(seed);
    let mut left: Vec<usize> = (0..weights.len()).collect();
    let mut drawn = Vec::with_capacity(left.len());

    while !left.is_empty() {
        let all: u64 = left.iter().map(|place| u64::from(weights[*place])).sum();

        // The remainder favours small numbers by less than one in 10^14.
        let mut lot = chance.next() % all.max(1);

        let at = left.iter().position(|place| {
            let weight = u64::from(weights[*place]);
            let hit = lot < weight;
            lot = lot.saturating_sub(weight);
            hit
        });

        drawn.push(left.remove(at.unwrap_or(0)));
    }

    drawn
}

/// A sequence of numbers without a pattern (`SplitMix64`): small, and the same on every machine for
/// ever.
struct Chance(u64);

impl Chance {
    fn seeded(seed: u128) -> Self {
        let halves = [seed >> 64, seed & u128::from(u64::MAX)];
        // Both halves count, and ids that differ in their time alone begin far apart.
        let [high, low] = halves.map(|half| u64::try_from(half).unwrap_or_default());
        let mut first = Self(high);
        Self(first.next() ^ low)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
