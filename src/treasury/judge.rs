//! Judging: which readings settle, and between which of them money is missing or came in. Pure.

use chrono::TimeDelta;

use crate::domain::expected_balance::{Expected, ReadingSide, is_clear, last_place};
use crate::domain::float::{BalanceMove, BalanceReading};
use crate::domain::money::{Money, MoneyError};
use crate::treasury::Span;

/// How long readings are measured against one that is settled, while none after it settles: what is
/// always uncertain shall not hide for ever what came after.
const BASE_AGE_MAX: TimeDelta = TimeDelta::hours(6);

/// How much later a difference must still be there: somewhat less than what lies between two
/// readings of the accountant. Others read more often, and a panel may take a moment to give back
/// what it says it gave.
const STANDS_FOR: TimeDelta = TimeDelta::minutes(4);

/// What an order explains is what it cost, to within one such part.
const FIT_PARTS: u64 = 4;

/// How long a difference waits to be known sharply, where what is not known may be more than
/// itself: what an open order gave back is known once it is heard of again.
const SHARPENS_WITHIN: TimeDelta = TimeDelta::hours(6);

/// How old the last settled reading may become while a difference waits. Of a panel that is read
/// often only the newest readings are measured, and all of them are young: without this a
/// difference there would wait for ever.
const WAITS_WITHIN: TimeDelta = TimeDelta::hours(12);

/// What follows from a panel's readings.
#[derive(Debug)]
pub(super) struct Judgement<'r> {
    /// Readings that settle, oldest first, and what was found at them.
    pub(super) steps: Vec<JudgedStep<'r>>,
    /// What was expected at the newest reading.
    pub(super) last: Expected,
    /// The last reading at which everything was explained.
    pub(super) anchor: &'r BalanceReading,
}

/// A reading that settles.
#[derive(Debug)]
pub(super) enum JudgedStep<'r> {
    /// It is as expected.
    Agrees(&'r BalanceReading),
    /// It is not.
    Differs {
        /// The settled one before it.
        after: &'r BalanceReading,
        /// Itself.
        by: &'r BalanceReading,
        /// By how much.
        gap: BalanceGap,
    },
}

impl<'r> JudgedStep<'r> {
    /// The reading.
    pub(super) fn by(&self) -> &'r BalanceReading {
        match self {
            Self::Agrees(by) | Self::Differs { by, .. } => by,
        }
    }
}

/// A difference between what is expected and what is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct BalanceGap {
    /// At least so much is missing; what came in is less than nothing.
    pub(super) missing: Money,
    /// How much more it may be.
    pub(super) blur: Money,
    /// What roundings may make of it.
    pub(super) tolerance: Money,
}

impl BalanceGap {
    /// Whether it is not more.
    pub(super) fn is_exact(&self) -> bool {
        self.blur <= self.tolerance
    }

    /// Whether an order that costs as much would be found by chance: neither how much it is nor
    /// what roundings make of it is known well.
    pub(super) fn is_vague(&self) -> Result<bool, MoneyError> {
        Ok(!self.is_exact()
            && self.tolerance > self.missing.size().share_rounding_down(1, 2 * FIT_PARTS)?)
    }

    /// Whether an amount makes it, but for roundings. Where these are as large as the amount
    /// itself, anything would.
    pub(super) fn fits(&self, amount: Money) -> Result<bool, MoneyError> {
        let by = amount.minus(self.missing.size())?.size();
        Ok(by <= self.tolerance && by <= amount.share_rounding_down(1, FIT_PARTS)?)
    }

    /// Whether more than itself is not known yet, and may soon be.
    fn may_sharpen(&self, span: Span<'_>) -> bool {
        let Span { after, by, newest } = span;
        let may_wait = newest.at - by.at < SHARPENS_WITHIN && newest.at - after.at < WAITS_WITHIN;
        may_wait && !self.is_exact() && self.missing.size() < self.blur
    }
}

/// Judges the readings after the base, which is settled. The newest is never judged itself: nothing
/// stands by one look.
///
/// Each reading that agrees is measured against the anchor as well, the last one at which
/// everything was explained: what is less than roundings from reading to reading adds up to more
/// than they make from there.
pub(super) fn judge_readings<'r>(
    anchor: &'r BalanceReading,
    readings: &'r [BalanceReading],
    moves: &[BalanceMove],
) -> Result<Judgement<'r>, MoneyError> {
    let place = last_place(readings);
    let (mut anchor, mut base) = (anchor, &readings[0]);
    let mut steps = Vec::new();

    // The newest that is as expected, though not everything around it is known.
    let mut near = None;
    let newest = &readings[readings.len() - 1];

    for (n, by) in readings.iter().enumerate().skip(1) {
        let Some(next) = readings[n..]
            .iter()
            .find(|next| next.at - by.at >= STANDS_FOR)
        else {
            break;
        };

        let ruler = Ruler {
            moves,
            place,
            by,
            next,
        };

        let expected = Expected::at(by, base, moves, place)?;
        let is_clear = is_clear(by, moves, expected.tolerance)?;

        if let Some(gap) = ruler.gap_since(base)? {
            if gap.may_sharpen(Span {
                after: base,
                by,
                newest,
            }) {
                continue;
            }

            steps.push(ruler.whole_difference(anchor, Since { base, gap })?);
            anchor = by;
        } else if expected.side(by)? != ReadingSide::Within {
            continue;
        } else if !is_clear {
            near = Some(by);
            continue;
        } else if let Some(gap) = ruler.gap_since(anchor)? {
            steps.push(JudgedStep::Differs {
                after: anchor,
                by,
                gap,
            });

            anchor = by;
        } else {
            steps.push(JudgedStep::Agrees(by));
        }

        (base, near) = (by, None);
    }

    if newest.at - base.at > BASE_AGE_MAX
        && let Some(near) = near
    {
        steps.push(JudgedStep::Agrees(near));
        base = near;
    }

    Ok(Judgement {
        last: Expected::at(newest, base, moves, place)?,
        steps,
        anchor,
    })
}

/// A difference, and since which reading.
#[derive(Clone, Copy)]
struct Since<'r> {
    base: &'r BalanceReading,
    gap: BalanceGap,
}

/// What one reading is measured with.
struct Ruler<'r, 'm> {
    moves: &'m [BalanceMove],
    place: Money,
    by: &'r BalanceReading,
    /// A later look, at which a difference must still be there.
    next: &'r BalanceReading,
}

impl<'r> Ruler<'r, '_> {
    /// A difference that stands, with what readings swallowed before it at which not everything was
    /// known: since the anchor, where more is known to be missing since then.
    fn whole_difference(
        &self,
        anchor: &'r BalanceReading,
        since: Since<'r>,
    ) -> Result<JudgedStep<'r>, MoneyError> {
        let Since { base, gap } = since;
        let whole = self
            .gap_since(anchor)?
            .filter(|whole| whole.missing > gap.missing);

        let whole = match whole {
            Some(whole) if whole.missing.minus(gap.missing)? > whole.tolerance => Since {
                base: anchor,
                gap: whole,
            },
            _ => Since { base, gap },
        };

        Ok(JudgedStep::Differs {
            after: whole.base,
            by: self.by,
            gap: whole.gap,
        })
    }

    /// The difference since an earlier reading, where it stands.
    fn gap_since(&self, since: &BalanceReading) -> Result<Option<BalanceGap>, MoneyError> {
        let Self {
            moves,
            place,
            by,
            next,
        } = *self;

        let expected = Expected::at(by, since, moves, place)?;
        let side = expected.side(by)?;
        if side == ReadingSide::Within
            || Expected::at(next, since, moves, place)?.side(next)? != side
        {
            return Ok(None);
        }

        gap(&expected, side, by).map(Some)
    }
}

fn gap(
    expected: &Expected,
    side: ReadingSide,
    by: &BalanceReading,
) -> Result<BalanceGap, MoneyError> {
    let missing = match side {
        ReadingSide::Below | ReadingSide::Within => expected.low.minus(by.amount)?,
        ReadingSide::Above => expected.high.minus(by.amount)?,
    };

    Ok(BalanceGap {
        missing,
        blur: expected.high.minus(expected.low)?,
        tolerance: expected.tolerance,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::id::OrderId;

    fn reading(id: i64, second: i64, amount: &str) -> BalanceReading {
        let at = DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
        let amount = Money::parse(amount).unwrap();

        BalanceReading {
            id,
            asked_at: at,
            at,
            epoch: 1,
            amount,
            text: amount.to_string(),
        }
    }

    /// How many differences are told of a balance that lacks 1 since the base, while an open order
    /// may have given back 5. The first reading after the base is so many seconds younger; then
    /// it is read every five minutes for an hour.
    fn told_after(second: i64) -> usize {
        let base = reading(1, 0, "100");
        let begun = base.at + TimeDelta::seconds(1);
        let (least, most) = (Money::parse("-5").unwrap(), Money::ZERO);

        let open = BalanceMove {
            order: OrderId(1),
            least,
            most,
            slack: Money::ZERO,
            earliest: begun,
            latest: None,
            epoch: Some(1),
            said: true,
            gives_back: false,
        };

        let later = (0..12).map(|n| reading(2 + n, second + 300 * n, "99"));
        let readings: Vec<_> = std::iter::once(base).chain(later).collect();
        let judged = judge_readings(&readings[0], &readings, &[open]).unwrap();

        judged
            .steps
            .iter()
            .filter(|step| matches!(step, JudgedStep::Differs { .. }))
            .count()
    }

    #[test]
    fn a_difference_that_is_not_sharp_waits_and_not_for_ever() {
        assert_eq!(told_after(300), 0);
        assert_eq!(told_after(6 * 3_600), 0);
        // All that is measured of a panel that is read often may be younger than the wait.
        assert_eq!(told_after(12 * 3_600), 1);
    }
}
