//! What a panel's balance must be at one reading, from an earlier one and what moved meanwhile.
//! Pure.

use chrono::TimeDelta;

use crate::domain::float::{BalanceMove, BalanceReading};
use crate::domain::money::{Money, MoneyError};

/// How much the clocks of two processes may differ.
pub const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(10);

/// Between which amounts a reading is expected, and how far roundings may take it outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The least.
    pub low: Money,
    /// The most.
    pub high: Money,
    /// What roundings may make.
    pub tolerance: Money,
}

/// Where a reading lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingSide {
    /// Where it is expected.
    Within,
    /// Money is missing.
    Below,
    /// More is there than can be.
    Above,
}

impl Expected {
    /// What is expected at `at`, by what is known of everything since `base`. Each reading is exact
    /// to one unit in `last_place`.
    pub fn at(
        at: &BalanceReading,
        base: &BalanceReading,
        moves: &[BalanceMove],
        last_place: Money,
    ) -> Result<Self, MoneyError> {
        let (mut low, mut high) = (base.amount, base.amount);
        let mut tolerance = last_place.plus(last_place)?;

        for moved in moves {
            let Some((least, most)) = between(moved, base, at) else {
                continue;
            };
            (low, high) = (low.minus(most)?, high.minus(least)?);
            tolerance = tolerance.plus(moved.slack)?;
        }

        Ok(Self {
            low,
            high,
            tolerance,
        })
    }

    /// Where the reading lies.
    pub fn side(&self, at: &BalanceReading) -> Result<ReadingSide, MoneyError> {
        if at.amount < self.low.minus(self.tolerance)? {
            return Ok(ReadingSide::Below);
        }

        Ok(if at.amount > self.high.plus(self.tolerance)? {
            ReadingSide::Above
        } else {
            ReadingSide::Within
        })
    }
}

/// When something moved, as seen from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    Perhaps,
    After,
}

fn when(moved: &BalanceMove, reading: &BalanceReading) -> When {
    // One process reads and sends; after a change of hands two clocks are compared.
    let slack = if moved.epoch == Some(reading.epoch) {
        TimeDelta::zero()
    } else {
        CLOCKS_DIFFER
    };

    if moved
        .latest
        .is_some_and(|latest| latest + slack < reading.asked_at)
    {
        When::Before
    } else if moved.earliest - slack > reading.at {
        When::After
    } else {
        When::Perhaps
    }
}

/// How much of a move happened between two readings: the least and the most; `None`: nothing, for
/// certain.
fn between(
    moved: &BalanceMove,
    base: &BalanceReading,
    at: &BalanceReading,
) -> Option<(Money, Money)> {
    match (when(moved, base), when(moved, at)) {
        (When::Before, _) | (_, When::After) => None,
        (When::After, When::Before) => Some((moved.least, moved.most)),
        (When::Perhaps, _) | (_, When::Perhaps) => {
            Some((moved.least.min(Money::ZERO), moved.most.max(Money::ZERO)))
        }
    }
}

/// Whether everything is known to have happened before or after a reading, but for what roundings
/// make: what is measured against it later is measured sharply.
pub fn is_clear(
    reading: &BalanceReading,
    moves: &[BalanceMove],
    tolerance: Money,
) -> Result<bool, MoneyError> {
    let mut blur = Money::ZERO;
    for moved in moves
        .iter()
        .filter(|moved| when(moved, reading) == When::Perhaps)
    {
        blur = blur.plus(
            moved
                .most
                .max(Money::ZERO)
                .minus(moved.least.min(Money::ZERO))?,
        )?;
    }

    Ok(blur <= tolerance)
}

/// Whether it happened between two readings, all of it and for certain.
pub fn surely_between(moved: &BalanceMove, base: &BalanceReading, at: &BalanceReading) -> bool {
    moved.is_sure() && when(moved, base) == When::After && when(moved, at) == When::Before
}

/// Whether it may have happened between two readings.
pub fn perhaps_between(moved: &BalanceMove, base: &BalanceReading, at: &BalanceReading) -> bool {
    between(moved, base, at).is_some()
}

/// One unit of the last decimal that any of these readings shows: the panel's own rounding cannot
/// be finer.
pub fn last_place(readings: &[BalanceReading]) -> Money {
    let decimals = |reading: &BalanceReading| {
        reading
            .text
            .split_once('.')
            .map_or(0, |(_, fraction)| fraction.len())
    };

    Money::last_place(readings.iter().map(decimals).max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::id::OrderId;

    fn second(s: i64) -> Timestamp {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::seconds(s)
    }

    fn reading(id: i64, at: i64, amount: &str) -> BalanceReading {
        let amount = Money::parse(amount).unwrap();
        BalanceReading {
            id,
            asked_at: second(at - 1),
            at: second(at),
            epoch: 1,
            amount,
            text: amount.to_string(),
        }
    }

    fn moved(least: &str, most: &str, earliest: i64, latest: Option<i64>) -> BalanceMove {
        let [least, most] = [least, most].map(|text| Money::parse(text).unwrap());
        let (earliest, latest) = (second(earliest), latest.map(second));

        BalanceMove {
            order: OrderId(1),
            least,
            most,
            slack: Money::ZERO,
            earliest,
            latest,
            epoch: Some(1),
            said: true,
            gives_back: false,
        }
    }

    /// What is expected at second 200 of a balance that was 10 at second 100.
    fn expected(moved: BalanceMove) -> (String, String) {
        let (base, at) = (reading(1, 100, "10"), reading(2, 200, "10"));
        let expected = Expected::at(&at, &base, &[moved], Money::last_place(2)).unwrap();
        (expected.low.to_string(), expected.high.to_string())
    }

    #[test]
    fn what_is_not_known_to_the_moment_makes_an_interval() {
        for (moved, low, high) in [
            (moved("3", "3", 101, Some(198)), "7.00", "7.00"),
            (moved("3", "3", 50, Some(98)), "10.00", "10.00"),
            (moved("3", "3", 201, Some(250)), "10.00", "10.00"),
            (moved("3", "3", 98, Some(150)), "7.00", "10.00"),
            (moved("3", "3", 100, Some(150)), "7.00", "10.00"),
            (moved("3", "3", 150, Some(199)), "7.00", "10.00"),
            (moved("-3", "-3", 150, Some(250)), "10.00", "13.00"),
            (moved("-3", "0", 150, None), "10.00", "13.00"),
            (moved("0", "3", 150, None), "7.00", "10.00"),
            (moved("0", "3", 201, None), "10.00", "10.00"),
            (moved("0", "3", 110, Some(120)), "7.00", "10.00"),
        ] {
            assert_eq!(
                expected(moved.clone()),
                (low.to_owned(), high.to_owned()),
                "{moved:?}"
            );
        }

        // Of another holder of the lease, whose clock may be another.
        let other = BalanceMove {
            epoch: Some(2),
            ..moved("3", "3", 105, Some(150))
        };

        assert_eq!(expected(other), ("7.00".to_owned(), "10.00".to_owned()));
    }

    #[test]
    fn roundings_are_no_difference() {
        let (base, at) = (reading(1, 100, "10"), reading(2, 200, "6.98"));
        let took = BalanceMove {
            slack: Money::parse("0.005").unwrap(),
            ..moved("3", "3", 110, Some(120))
        };

        let look = |amount: &str| {
            let at = BalanceReading {
                amount: Money::parse(amount).unwrap(),
                ..at.clone()
            };

            Expected::at(
                &at,
                &base,
                std::slice::from_ref(&took),
                last_place(&[base.clone(), at.clone()]),
            )
            .unwrap()
            .side(&at)
            .unwrap()
        };

        assert_eq!(
            last_place(&[base.clone(), at.clone()]),
            Money::parse("0.01").unwrap()
        );

        assert_eq!(
            ["6.974", "6.975", "7.025", "7.026"].map(look),
            [
                ReadingSide::Below,
                ReadingSide::Within,
                ReadingSide::Within,
                ReadingSide::Above
            ]
        );
    }
}
