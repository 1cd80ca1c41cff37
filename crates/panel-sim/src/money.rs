//! Amounts as the panel counts them: decimals, exact to eight places, charges rounded up and
//! refunds down.

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimals that every amount is kept to.
const SCALE: u32 = 8;

/// Units that a rate prices.
const RATE_UNITS: u64 = 1_000;

/// A rate as it is shown, rounded up to what is charged by; it may be written with more decimals.
pub(super) fn rate(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok().map(up)
}

/// What so many units cost; `None` where nobody can count that far.
pub(super) fn charge(rate: Decimal, units: u64) -> Option<Decimal> {
    rate.checked_mul(Decimal::from(units))?
        .checked_div(Decimal::from(RATE_UNITS))
        .map(up)
}

/// `part` of `whole` of an amount. A `whole` of zero has no parts.
pub(super) fn share(amount: Decimal, part: u64, whole: u64) -> Option<Decimal> {
    let share = amount
        .checked_mul(Decimal::from(part))?
        .checked_div(Decimal::from(whole))?;
    Some(share.round_dp_with_strategy(SCALE, RoundingStrategy::ToNegativeInfinity))
}

/// Plainly: at least two decimals, no zeros beyond them.
pub(super) fn plain(amount: Decimal) -> String {
    let mut shown = amount.normalize();
    if shown.scale() < 2 {
        shown.rescale(2);
    }

    if shown.is_zero() {
        "0.00".to_owned()
    } else {
        shown.to_string()
    }
}

fn up(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(SCALE, RoundingStrategy::ToPositiveInfinity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_are_rounded_up_and_refunds_down() {
        assert_eq!(
            rate("0.00000000001").map(plain).as_deref(),
            Some("0.00000001")
        );

        assert_eq!(
            rate("0.90")
                .and_then(|rate| charge(rate, 500))
                .map(plain)
                .as_deref(),
            Some("0.45")
        );

        assert_eq!(
            rate("0.00000001")
                .and_then(|rate| charge(rate, 1))
                .map(plain)
                .as_deref(),
            Some("0.00000001")
        );

        assert_eq!(
            share(Decimal::ONE, 1, 3).map(plain).as_deref(),
            Some("0.33333333")
        );

        assert_eq!(
            (share(Decimal::ONE, 1, 0), charge(Decimal::MAX, 1_001)),
            (None, None)
        );
    }

    #[test]
    fn amounts_are_shown_plainly() {
        for (amount, shown) in [
            ("0", "0.00"),
            ("-0", "0.00"),
            ("10", "10.00"),
            ("0.50", "0.50"),
            ("-1.250", "-1.25"),
        ] {
            assert_eq!(plain(amount.parse().unwrap()), shown);
        }

        assert_eq!(plain("0.012345678".parse().unwrap()), "0.012345678");
    }
}
