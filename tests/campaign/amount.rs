//! Amounts as the judge computes them: whole numbers of the eighth decimal, by rules written a
//! second time, so that the gateway's own arithmetic is not its own witness.

use anyhow::{Context, ensure};

/// An amount of money in units of 0.00000001.
pub type Amount = i128;

/// Decimals that are kept.
const SCALE: usize = 8;
const ONE: Amount = 100_000_000;

/// Reads a plain decimal with at most eight places, trailing zeros apart.
pub fn read(text: &str) -> anyhow::Result<Amount> {
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or((1, text), |digits| (-1, digits));

    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    ensure!(
        fraction.len() <= SCALE,
        "{text:?} has more than {SCALE} decimals"
    );

    let amount = || -> Option<Amount> {
        let fraction = format!("{fraction:0<SCALE$}").parse::<Amount>().ok()?;
        whole
            .parse::<Amount>()
            .ok()?
            .checked_mul(ONE)?
            .checked_add(fraction)
    };

    Ok(sign * amount().with_context(|| format!("{text:?} is no amount"))?)
}

/// What so many units cost at a rate per thousand: rounded up, for nothing that costs is free.
pub fn charge(rate: Amount, units: u64) -> Amount {
    let thousandfold = rate * Amount::from(units);
    thousandfold / 1_000 + Amount::from(thousandfold % 1_000 != 0)
}

/// The part of a charge that belongs to what remains of the units: rounded down.
pub fn share(charge: Amount, remains: u64, units: u64) -> Amount {
    charge * Amount::from(remains) / Amount::from(units)
}
