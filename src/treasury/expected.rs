//! What a panel's balance must be at one reading, from an earlier one and what moved meanwhile. Pure.

use crate::domain::float::{Move, Reading};
use crate::domain::money::{Money, MoneyError};
use crate::treasury::CLOCKS_DIFFER;

/// Between which amounts a reading is expected, and how far roundings may take it outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// The least.
    pub(super) low: Money,
    /// The most.
    pub(super) high: Money,
    /// What roundings may make.
    pub(super) tolerance: Money,
}

/// Where a reading lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Where it is expected.
    Within,
    /// Money is missing.
    Below,
    /// More is there than can be.
    Above,
}

impl Expected {
    /// What is expected at `at`, by what is known of everything since `base`. Each reading is exact to one unit in
    /// `last_place`.
    pub(super) fn at(at: &Reading, base: &Reading, moves: &[Move], last_place: Money) -> Result<Self, MoneyError> {
        let (mut low, mut high) = (base.amount, base.amount);
        let mut tolerance = last_place.plus(last_place)?;
        for moved in moves {
            let Some((least, most)) = between(moved, base, at) else { continue };
            (low, high) = (low.minus(most)?, high.minus(least)?);
            tolerance = tolerance.plus(moved.slack)?;
        }
        Ok(Self { low, high, tolerance })
    }

    /// Where the reading lies.
    pub(super) fn side(&self, at: &Reading) -> Result<Side, MoneyError> {
        if at.amount < self.low.minus(self.tolerance)? {
            return Ok(Side::Below);
        }
        Ok(if at.amount > self.high.plus(self.tolerance)? { Side::Above } else { Side::Within })
    }

    /// Whether it is one number, as far as roundings let it be.
    pub(super) fn is_exact(&self) -> Result<bool, MoneyError> {
        Ok(self.high.minus(self.low)? <= self.tolerance)
    }
}

/// When something moved, as seen from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    Perhaps,
    After,
}

fn when(moved: &Move, reading: &Reading) -> When {
    // One process reads and sends; after a change of hands two clocks are compared.
    let slack = if moved.epoch == Some(reading.epoch) { chrono::TimeDelta::zero() } else { CLOCKS_DIFFER };
    if moved.latest.is_some_and(|latest| latest + slack < reading.asked_at) {
        When::Before
    } else if moved.earliest - slack > reading.at {
        When::After
    } else {
        When::Perhaps
    }
}

/// How much of a move happened between two readings: the least and the most; `None`: nothing, for certain.
fn between(moved: &Move, base: &Reading, at: &Reading) -> Option<(Money, Money)> {
    match (when(moved, base), when(moved, at)) {
        (When::Before, _) | (_, When::After) => None,
        (When::After, When::Before) => Some((moved.least, moved.most)),
        (When::Perhaps, _) | (_, When::Perhaps) => Some((moved.least.min(Money::ZERO), moved.most.max(Money::ZERO))),
    }
}

/// Whether it happened between two readings, all of it and for certain.
pub(super) fn surely_between(moved: &Move, base: &Reading, at: &Reading) -> bool {
    moved.is_sure() && when(moved, base) == When::After && when(moved, at) == When::Before
}

/// Whether it may have happened between two readings.
pub(super) fn perhaps_between(moved: &Move, base: &Reading, at: &Reading) -> bool {
    between(moved, base, at).is_some()
}

/// One unit of the last decimal that any of these readings shows: the panel's own rounding cannot be finer.
pub(super) fn last_place(readings: &[Reading]) -> Money {
    let decimals = |reading: &Reading| reading.text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    Money::last_place(readings.iter().map(decimals).max().unwrap_or(0))
}
