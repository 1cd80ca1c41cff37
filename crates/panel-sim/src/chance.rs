//! Chance that repeats: splitmix64, so that a seed tells the whole story again on any machine.

/// The odd number nearest to 2^64 divided by the golden ratio: consecutive states lie far apart.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The `n`-th number of that seed; any `n` may be asked for without the ones before it.
pub(super) fn number(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(STEP.wrapping_mul(n.wrapping_add(1)));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number below `bound` (at least 1). The bias of the remainder is below one in a million for
/// bounds below 2^44.
pub(super) fn below(bound: u64, seed: u64, n: u64) -> u64 {
    number(seed, n) % bound.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];

        let ours: Vec<u64> = (0..3).map(|n| number(1_234_567, n)).collect();
        assert_eq!(ours, published);
    }
}
