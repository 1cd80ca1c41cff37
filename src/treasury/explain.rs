//! Explaining a difference: by the orders that its amount fits, or by none of ours. Pure.

use std::collections::BTreeMap;

use itertools::Itertools;

use crate::domain::clock::Timestamp;
use crate::domain::expected_balance::{Expected, last_place, perhaps_between, surely_between};
use crate::domain::float::{BalanceMove, BalanceReading, Drift, DriftCause};
use crate::domain::id::OrderId;
use crate::domain::money::{Money, MoneyError, Percent};
use crate::store::treasury::NO_ORDER;
use crate::treasury::Span;
use crate::treasury::judge::BalanceGap;

/// Orders that one finding names.
const ORDERS_MAX: usize = 1_000;
/// The largest proportion that is called one, in hundredths of a percent: half of the cost.
const PROPORTION_MAX: u64 = 5_000;
/// Orders of which it is tried whether two or three together explain a difference: among more, some
/// fit by chance.
const TOGETHER_MAX: usize = 100;

/// An order, and what it may explain of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    /// The order.
    pub(super) order: OrderId,
    /// In the panel's currency.
    pub(super) amount: Money,
}

/// What is known of a panel when a difference is explained.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownMoves<'k> {
    /// What moved there, or may have.
    pub(super) moves: &'k [BalanceMove],
    /// Orders that were found not placed after a doubt.
    pub(super) doubted: &'k [Suspect],
    /// Orders that it refused.
    pub(super) refused: &'k [Suspect],
    /// Orders that cost what came in.
    pub(super) as_dear: &'k [OrderId],
}

/// What explains a difference between two readings.
pub(super) fn explain_gap(
    gap: &BalanceGap,
    span: Span<'_>,
    known: KnownMoves<'_>,
) -> Result<Drift, MoneyError> {
    let Span { after, by, .. } = span;
    let amount = gap.missing.size();
    if gap.missing.is_negative() {
        return Ok(more_is_there(amount, known.as_dear));
    }

    let moves = known.moves;
    let placed = placed(moves, after, by)?;
    let all: Vec<OrderId> = placed.keys().copied().collect();

    if gap.is_vague()? {
        let words = format!("at least so much is missing; {}", meanwhile(all.len()));
        return Ok(drift(DriftCause::Unexplained, amount, None, all, words));
    }

    let points = if gap.is_exact() {
        proportion_of(gap, span, moves, &placed)?
    } else {
        None
    };

    let costs: Vec<Suspect> = placed
        .iter()
        .map(|(order, amount)| Suspect {
            order: *order,
            amount: *amount,
        })
        .collect();

    let guess = Guess {
        gap,
        amount,
        known,
        costs: &costs,
        all: &all,
        proportion: points,
    };

    // The likeliest comes first.
    if let Some(drift) = guess.money_kept(after, by)? {
        return Ok(drift);
    }

    if let Some(drift) = guess.one_order()? {
        return Ok(drift);
    }

    if let Some(drift) = guess.every_order()? {
        return Ok(drift);
    }

    if let Some(found) = fit_together(&costs, gap, COUNT_MAX)? {
        let words = format!(
            "as much as {} cost: they may have been charged twice",
            found.words()
        );
        return Ok(guess.drift(DriftCause::OrderCost, found.orders, words));
    }

    guess.nobodys()
}

/// A difference of which nothing is missing in the way of figures, and what may explain it.
struct Guess<'g> {
    gap: &'g BalanceGap,
    /// What is missing, positive.
    amount: Money,
    known: KnownMoves<'g>,
    /// What each order placed meanwhile costs.
    costs: &'g [Suspect],
    /// The orders placed meanwhile.
    all: &'g [OrderId],
    /// Basis points of every order, where a proportion fits.
    proportion: Option<u64>,
}

impl Guess<'_> {
    /// What the panel should have given back, or may have kept after a doubt.
    fn money_kept(
        &self,
        after: &BalanceReading,
        by: &BalanceReading,
    ) -> Result<Option<Drift>, MoneyError> {
        let KnownMoves { moves, doubted, .. } = self.known;

        if let Some(found) = self.fit(&given_back(moves, after, by, true)?, COUNT_MAX)? {
            let words = format!(
                "the refund of {}: the panel said that it was given, and it did not come",
                found.words()
            );
            return Ok(Some(self.drift(
                DriftCause::MissingRefund,
                found.orders,
                words,
            )));
        }

        if let Some(found) = self.fit(&given_back(moves, after, by, false)?, COUNT_MAX)? {
            let words = format!(
                "what {} did not cost, as a person settled it: the panel never said so, and kept \
                 it",
                found.words()
            );
            return Ok(Some(self.drift(DriftCause::ByHand, found.orders, words)));
        }

        let found = self.fit(doubted, COUNT_MAX)?;
        Ok(found.map(|found| {
            let words = format!(
                "the cost of {}, found not placed after a doubt: the panel may have it",
                found.words()
            );
            self.drift(DriftCause::Doubt, found.orders, words)
        }))
    }

    /// One order that was charged twice, or charged though it was refused.
    fn one_order(&self) -> Result<Option<Drift>, MoneyError> {
        let refused = self.fit(self.known.refused, 1)?;

        if let Some(found) = self.fit(self.costs, 1)? {
            let proportion = self
                .proportion
                .map(|points| format!(", or {}", self.in_proportion(points)));
            let words = charged_twice(&found, refused.as_ref(), proportion.as_deref());
            return Ok(Some(self.drift(DriftCause::OrderCost, found.orders, words)));
        }

        Ok(refused.map(|found| {
            let words = format!(
                "the cost of {}, which the panel refused: it may have it all the same",
                found.words()
            );
            self.drift(DriftCause::Doubt, found.orders, words)
        }))
    }

    /// What the panel may do to every order: a part more of each, or each of them twice.
    fn every_order(&self) -> Result<Option<Drift>, MoneyError> {
        let all = self.all.to_vec();

        if let Some(points) = self.proportion {
            return Ok(Some(drift(
                DriftCause::Proportion,
                self.amount,
                Some(Percent::from_basis_points(points)),
                all,
                self.in_proportion(points),
            )));
        }

        let total = sum_of(self.costs)?;
        let is_doubled = all.len() > 1 && self.gap.fits(total)?;

        Ok(is_doubled.then(|| {
            let words = format!(
                "as much again as all {} orders cost: each may have been charged twice",
                all.len()
            );
            self.drift(DriftCause::Doubled, all, words)
        }))
    }

    /// What no orders of ours make: somebody else spent it, or nobody can tell.
    fn nobodys(&self) -> Result<Drift, MoneyError> {
        let Self { gap, known, .. } = *self;
        let all = self.all.to_vec();

        if self.amount > sum_of(self.costs)?.plus(gap.tolerance)? {
            let words = format!(
                "more than all our orders make, were each charged twice: somebody else spends \
                 from this account, or the panel took it{}; {}",
                perhaps_refused(known.refused),
                meanwhile(all.len())
            );

            let orders = and_refused(all, known.refused);
            return Ok(self.drift(DriftCause::Outside, orders, words));
        }

        let least = if gap.is_exact() {
            ""
        } else {
            "at least so much is missing, and it is "
        };

        let words = format!(
            "{least}unexplained: no order of ours fits, nor up to {COUNT_MAX} together; {}, and \
             somebody else may spend from this account",
            meanwhile(all.len())
        );

        Ok(self.drift(DriftCause::Unexplained, all, words))
    }

    fn fit(&self, suspects: &[Suspect], count_max: usize) -> Result<Option<Together>, MoneyError> {
        fit_together(suspects, self.gap, count_max)
    }

    fn in_proportion(&self, points: u64) -> String {
        format!("{} % of each of {} orders", shown(points), self.all.len())
    }

    fn drift(&self, cause: DriftCause, orders: Vec<OrderId>, words: String) -> Drift {
        drift(cause, self.amount, None, orders, words)
    }
}

/// Orders, and behind them those that the panel refused.
fn and_refused(all: Vec<OrderId>, refused: &[Suspect]) -> Vec<OrderId> {
    all.into_iter()
        .chain(refused.iter().map(|candidate| candidate.order))
        .collect()
}

/// What the panel refused meanwhile may be there.
fn perhaps_refused(refused: &[Suspect]) -> String {
    match refused.len() {
        0 => String::new(),
        count => format!(", perhaps for some of {count} orders that it refused"),
    }
}

/// One order's cost again, and what else would explain as much.
fn charged_twice(found: &Together, refused: Option<&Together>, proportion: Option<&str>) -> String {
    let refused = refused
        .map(|refused| format!(", or {} is there, which the panel refused", refused.words()));
    let (refused, proportion) = (refused.unwrap_or_default(), proportion.unwrap_or_default());
    format!(
        "as much as {} cost: it may have been charged twice{refused}{proportion}",
        found.words()
    )
}

/// More is there than our orders explain.
fn more_is_there(amount: Money, as_dear: &[OrderId]) -> Drift {
    if as_dear.is_empty() {
        let words = "more is there than our orders explain: money was paid in".to_owned();
        return drift(DriftCause::TopUp, amount, None, Vec::new(), words);
    }

    let words = format!(
        "more is there, by what {} cost: the panel may have taken it back, unless it was paid in",
        one_of(as_dear)
    );

    drift(DriftCause::PaidBack, amount, None, as_dear.to_vec(), words)
}

/// Orders that explain a difference together.
struct Together {
    /// How many of the orders do.
    count: usize,
    /// Each of these may be one of them.
    orders: Vec<OrderId>,
}

impl Together {
    fn words(&self) -> String {
        match (self.count, self.orders.as_slice()) {
            (1, orders) => one_of(orders),
            (2, [one, two]) => format!("orders {one} and {two} together"),
            (3, [one, two, three]) => format!("orders {one}, {two} and {three} together"),
            (count, orders) => format!("{count} of {} orders together", orders.len()),
        }
    }
}

/// So many orders explain a difference together at most.
const COUNT_MAX: usize = 3;

/// The fewest of these orders that make a difference together, up to so many; all that can be among
/// them.
fn fit_together(
    candidates: &[Suspect],
    gap: &BalanceGap,
    count_max: usize,
) -> Result<Option<Together>, MoneyError> {
    for count in 1..=count_max {
        if count > 1 && candidates.len() > TOGETHER_MAX {
            return Ok(None);
        }

        let mut found = std::collections::BTreeSet::new();
        for chosen in candidates.iter().combinations(count) {
            let sum = chosen
                .iter()
                .try_fold(Money::ZERO, |sum, candidate| sum.plus(candidate.amount))?;

            if gap.fits(sum)? {
                found.extend(chosen.iter().map(|candidate| candidate.order));
            }
        }

        if !found.is_empty() {
            return Ok(Some(Together {
                count,
                orders: found.into_iter().collect(),
            }));
        }
    }

    Ok(None)
}

fn sum_of(candidates: &[Suspect]) -> Result<Money, MoneyError> {
    candidates
        .iter()
        .try_fold(Money::ZERO, |sum, candidate| sum.plus(candidate.amount))
}

fn drift(
    cause: DriftCause,
    amount: Money,
    percent: Option<Percent>,
    mut orders: Vec<OrderId>,
    words: String,
) -> Drift {
    let orders_count = orders.len();
    orders.truncate(ORDERS_MAX);

    Drift {
        cause,
        amount,
        percent,
        orders,
        orders_count,
        words,
    }
}

/// What each order took that a panel took between two readings.
fn placed(
    moves: &[BalanceMove],
    after: &BalanceReading,
    by: &BalanceReading,
) -> Result<BTreeMap<OrderId, Money>, MoneyError> {
    let taken = moves.iter().filter(|moved| {
        moved.is_sure() && moved.least.is_positive() && perhaps_between(moved, after, by)
    });
    sums(taken)
}

/// The same where the panel told of another price than was expected, from the beginning on: what it
/// takes too much is in proportion to that. (What was given back before the order was heard of
/// looks the same, hence both are tried.)
fn repriced(
    moves: &[BalanceMove],
    after: &BalanceReading,
    by: &BalanceReading,
) -> Result<BTreeMap<OrderId, Money>, MoneyError> {
    let taken = moves
        .iter()
        .filter(|moved| moved.is_sure() && moved.least.is_positive());

    let begun: BTreeMap<OrderId, Timestamp> =
        taken.map(|moved| (moved.order, moved.earliest)).collect();

    let from_the_beginning = moves.iter().filter(|moved| {
        moved.is_sure()
            && begun.get(&moved.order) == Some(&moved.earliest)
            && perhaps_between(moved, after, by)
    });

    sums(from_the_beginning)
}

/// What came back for each order between two readings: by the panel's word, or by a person's alone.
fn given_back(
    moves: &[BalanceMove],
    after: &BalanceReading,
    by: &BalanceReading,
    said: bool,
) -> Result<Vec<Suspect>, MoneyError> {
    let given = moves.iter().filter(|moved| {
        moved.said == said && moved.gives_back && perhaps_between(moved, after, by)
    });

    Ok(sums(given)?
        .into_iter()
        .map(|(order, amount)| Suspect {
            order,
            amount: amount.size(),
        })
        .collect())
}

fn sums<'m>(
    moves: impl Iterator<Item = &'m BalanceMove>,
) -> Result<BTreeMap<OrderId, Money>, MoneyError> {
    let mut sums = BTreeMap::new();

    // What is of no order is named by none.
    for moved in moves.filter(|moved| moved.order != NO_ORDER) {
        let sum: &mut Money = sums.entry(moved.order).or_default();
        *sum = sum.plus(moved.least)?;
    }

    Ok(sums)
}

/// The proportion of what was placed, or else of what the panel told that its price was.
fn proportion_of(
    gap: &BalanceGap,
    span: Span<'_>,
    moves: &[BalanceMove],
    placed: &BTreeMap<OrderId, Money>,
) -> Result<Option<u64>, MoneyError> {
    match proportion(gap, span, moves, placed)? {
        Some(points) => Ok(Some(points)),
        None => proportion(gap, span, moves, &repriced(moves, span.after, span.by)?),
    }
}

/// The hundredths of a percent that, taken from every order, make the gap, where there are several
/// orders, a whole number of such makes it, and the same number makes what is missing at the newest
/// reading too.
fn proportion(
    gap: &BalanceGap,
    span: Span<'_>,
    moves: &[BalanceMove],
    placed: &BTreeMap<OrderId, Money>,
) -> Result<Option<u64>, MoneyError> {
    let total = placed
        .values()
        .try_fold(Money::ZERO, |sum, cost| sum.plus(*cost))?;

    let points = Some(total)
        .filter(|total| total.is_positive())
        .and_then(|total| gap.missing.basis_points_of(total));

    let Some(points) =
        points.filter(|points| (1..=PROPORTION_MAX).contains(points) && placed.len() > 1)
    else {
        return Ok(None);
    };

    let share = |of: Money| of.share_rounding_down(points, 10_000);
    if share(total)?.minus(gap.missing)?.size() > gap.tolerance {
        return Ok(None);
    }

    let Span { after, by, newest } = span;

    // A habit goes on: of what was taken since, the panel has as much again. What was taken around
    // the newest reading may be in it or not.
    let later = moves
        .iter()
        .filter(|moved| moved.is_sure() && moved.least.is_positive());

    let surely = sum(later
        .clone()
        .filter(|moved| surely_between(moved, by, newest)))?;

    let perhaps = sum(later.filter(|moved| perhaps_between(moved, by, newest)))?;
    let place = last_place(&[after.clone(), by.clone(), newest.clone()]);
    let expected = Expected::at(newest, after, moves, place)?;
    let least = expected
        .low
        .minus(newest.amount)?
        .minus(expected.tolerance)?;

    let most = expected
        .high
        .minus(newest.amount)?
        .plus(expected.tolerance)?;

    let goes_on = least <= share(total.plus(perhaps)?)? && share(total.plus(surely)?)? <= most;
    Ok(Some(points).filter(|_| goes_on))
}

fn sum<'m>(moves: impl Iterator<Item = &'m BalanceMove>) -> Result<Money, MoneyError> {
    let mut moves = moves;
    moves.try_fold(Money::ZERO, |sum, moved| sum.plus(moved.least))
}

/// `1.00`.
fn shown(points: u64) -> String {
    format!("{}.{:02}", points / 100, points % 100)
}

fn one_of(orders: &[OrderId]) -> String {
    match orders {
        [order] => format!("order {order}"),
        [first, ..] => format!("one of {} orders such as {first}", orders.len()),
        [] => "no order".to_owned(),
    }
}

fn meanwhile(orders: usize) -> String {
    match orders {
        0 => "nothing of ours was placed there meanwhile".to_owned(),
        1 => "one order of ours was placed there meanwhile".to_owned(),
        orders => format!("{orders} orders of ours were placed there meanwhile"),
    }
}
