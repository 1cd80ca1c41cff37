//! Whether a panel took what an order costs, by what it says of our balance. Pure.

use crate::domain::expected_balance::{Expected, perhaps_between};
use crate::domain::float::{BalanceMove, BalanceReading};
use crate::domain::money::{Money, MoneyError};

/// What our balance shows of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceShows {
    /// Nothing was taken for it.
    Nothing,
    /// Something is missing that nothing of ours explains.
    Taken,
    /// More is there than can be, which may hide what was taken.
    More,
    /// It does not tell: others are under way, or it is told too coarsely, or was not read before.
    Unclear,
}

/// A reading of our balance, and what is known of everything but the order.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// What the order costs.
    pub cost: Money,
    /// What the panel says now.
    pub newest: &'a BalanceReading,
    /// What moved for others.
    pub others: &'a [BalanceMove],
    /// One unit of the last decimal that the panel tells.
    pub last_place: Money,
}

impl Comparison<'_> {
    /// Measures against earlier readings, oldest first: the newest of them that is clear decides.
    pub fn against(&self, before: &[BalanceReading]) -> Result<BalanceShows, MoneyError> {
        for base in before.iter().rev() {
            match self.against_one(base)? {
                BalanceShows::Unclear => {}
                clear @ (BalanceShows::Nothing | BalanceShows::Taken | BalanceShows::More) => {
                    return Ok(clear);
                }
            }
        }

        Ok(BalanceShows::Unclear)
    }

    /// Whether there never was enough for the order: less before, no more now, and nothing came
    /// back meanwhile. So an empty panel's refusal proves itself, whatever others are in doubt.
    fn could_not_be_paid(&self, base: &BalanceReading) -> Result<bool, MoneyError> {
        let is_too_little =
            |reading: &BalanceReading| Ok(reading.amount.plus(self.last_place)? < self.cost);

        let comes_back = |other: &&BalanceMove| other.least.is_negative();
        let came_back = self
            .others
            .iter()
            .filter(comes_back)
            .any(|other| perhaps_between(other, base, self.newest));

        Ok(!came_back && is_too_little(base)? && is_too_little(self.newest)?)
    }

    fn against_one(&self, base: &BalanceReading) -> Result<BalanceShows, MoneyError> {
        if self.could_not_be_paid(base)? {
            return Ok(BalanceShows::Nothing);
        }

        let Expected {
            low,
            high,
            tolerance,
        } = Expected::at(self.newest, base, self.others, self.last_place)?;

        // The same amount is shown alike: where nothing moved, no rounding explains a difference.
        // Else both readings may be rounded, in all by less than one unit of the last place.
        let moved = self
            .others
            .iter()
            .any(|other| perhaps_between(other, base, self.newest));

        let slack = if moved {
            tolerance.minus(self.last_place)?
        } else {
            Money::ZERO
        };

        let shown_least = if moved {
            slack.plus(slack)?
        } else {
            self.last_place
        };

        let (least, most) = (
            low.minus(self.newest.amount)?,
            high.minus(self.newest.amount)?,
        );

        if slack.plus(most)?.is_negative() {
            return Ok(BalanceShows::More);
        }

        // A price may have moved, or have a fee beside it: half of it is enough.
        if least > slack && least >= self.cost.share_rounding_down(1, 2)? {
            return Ok(BalanceShows::Taken);
        }

        if self.cost >= shown_least && most <= slack {
            return Ok(BalanceShows::Nothing);
        }

        Ok(BalanceShows::Unclear)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::id::OrderId;

    fn reading(second: i64, amount: &str) -> BalanceReading {
        let at = DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
        let amount = Money::parse(amount).unwrap();

        BalanceReading {
            id: second,
            asked_at: at,
            at,
            epoch: 1,
            amount,
            text: amount.to_string(),
        }
    }

    /// Another order of the panel, which took so much for certain, or perhaps.
    fn other(least: &str, most: &str) -> BalanceMove {
        let [least, most] = [least, most].map(|text| Money::parse(text).unwrap());
        let earliest = reading(10, "0").at;

        BalanceMove {
            order: OrderId(2),
            least,
            most,
            slack: Money::ZERO,
            earliest,
            latest: (least == most).then_some(earliest),
            epoch: Some(1),
            said: true,
            gives_back: false,
        }
    }

    /// What two or more readings show of an order, of which the last is the newest.
    fn shows(
        cost: &str,
        readings: &[&str],
        others: &[BalanceMove],
        decimals: usize,
    ) -> BalanceShows {
        let at = |n: usize| i64::try_from(n).unwrap() * 50;
        let mut before: Vec<_> = readings
            .iter()
            .enumerate()
            .map(|(n, amount)| reading(at(n), amount))
            .collect();

        let newest = before.pop().unwrap();
        let cost = Money::parse(cost).unwrap();
        let last_place = Money::last_place(decimals);

        Comparison {
            cost,
            newest: &newest,
            others,
            last_place,
        }
        .against(&before)
        .unwrap()
    }

    #[test]
    fn nothing_is_taken_only_where_nothing_is_missing() {
        use BalanceShows::{More, Nothing, Taken, Unclear};

        let alone = |now: &str| shows("0.09", &["10", now], &[], 4);
        assert_eq!(
            ["10", "9.91", "9.9046", "9.9154", "9.9"].map(alone),
            [Nothing, Taken, Taken, Taken, Taken]
        );

        assert_eq!(alone("7.5"), Taken, "somebody else may have spent the rest");
        assert_eq!(
            alone("9.98"),
            Unclear,
            "too little for it, and more than nothing"
        );

        assert_eq!(alone("10.01"), More, "what came in hides what was taken");
    }

    #[test]
    fn what_others_took_is_counted_out() {
        use BalanceShows::{Nothing, Taken, Unclear};

        let sure = |now: &str| shows("0.09", &["10", now], &[other("0.09", "0.09")], 4);
        assert_eq!(
            ["9.91", "9.82", "9.9099"].map(sure),
            [Nothing, Taken, Nothing]
        );

        let perhaps = |now: &str| shows("0.09", &["10", now], &[other("0", "0.09")], 4);
        assert_eq!(
            ["10", "9.91", "9.82"].map(perhaps),
            [Nothing, Unclear, Taken]
        );
    }

    #[test]
    fn what_could_not_be_paid_was_not() {
        use BalanceShows::{Nothing, Taken, Unclear};

        let doubt = [other("0", "0.09")];
        assert_eq!(shows("0.09", &["0.05", "0.05"], &doubt, 4), Nothing);
        assert_eq!(
            shows("0.09", &["0.05", "0.01"], &doubt, 4),
            Nothing,
            "a cheaper one of the others took it"
        );

        assert_eq!(
            shows("0.09", &["0.0901", "0.0001"], &doubt, 4),
            Unclear,
            "it was enough for one of them"
        );

        assert_eq!(shows("0.09", &["0.0901", "0.0001"], &[], 4), Taken);
        let back = [other("-0.09", "0"), other("0", "0.09")];
        assert_eq!(
            shows("0.09", &["0.05", "0.05"], &back, 4),
            Unclear,
            "what came back was enough"
        );
    }

    #[test]
    fn the_newest_clear_reading_decides() {
        use BalanceShows::{Nothing, Taken, Unclear};

        assert_eq!(
            shows("0.09", &["10", "60", "59.91"], &[], 4),
            Taken,
            "paid in before"
        );

        assert_eq!(
            shows("0.09", &["10", "9.91", "9.91"], &[], 4),
            Nothing,
            "it was gone before"
        );

        assert_eq!(
            shows("0.09", &["10"], &[], 4),
            Unclear,
            "nothing was read before"
        );
    }

    #[test]
    fn what_is_told_too_coarsely_shows_nothing() {
        use BalanceShows::{Nothing, Taken, Unclear};

        assert_eq!(shows("0.09", &["10", "10"], &[], 1), Unclear);
        assert_eq!(shows("0.09", &["10", "9.9"], &[], 1), Taken);
        assert_eq!(shows("0.1", &["10", "10"], &[], 1), Nothing);
        let moved = [other("0.1", "0.1")];
        assert_eq!(
            shows("0.1", &["10", "9.9"], &moved, 1),
            Unclear,
            "both readings are rounded"
        );

        assert_eq!(shows("0.2", &["10", "9.9"], &moved, 1), Nothing);
    }
}
