//! Explaining a difference: by the orders that its amount fits, or by none of ours. Pure.

use std::collections::BTreeMap;

use crate::domain::clock::Instant;
use crate::domain::float::{Cause, Drift, Move, Reading};
use crate::domain::id::OrderId;
use crate::domain::money::{Money, MoneyError, Percent};
use crate::store::treasury::NO_ORDER;
use crate::treasury::expected::{Expected, last_place, perhaps_between, surely_between};
use crate::treasury::judge::Gap;

/// Orders that one finding names.
const ORDERS_MAX: usize = 1_000;
/// The largest proportion that is called one, in hundredths of a percent: half of the cost.
const PROPORTION_MAX: u64 = 5_000;

/// An order that was found not placed after a doubt, and what it would have cost.
pub(super) type Doubted = (OrderId, Money);

/// What explains a gap between two readings; `newest` is the last look, at which a habit of the panel goes on.
pub(super) fn explain(
    gap: &Gap,
    (after, by): (&Reading, &Reading),
    newest: &Reading,
    moves: &[Move],
    doubted: &[Doubted],
) -> Result<Drift, MoneyError> {
    let amount = gap.missing.size();
    if gap.missing.is_negative() {
        let words = "more is there than our orders explain: money was paid in".to_owned();
        return Ok(drift(Cause::TopUp, amount, None, Vec::new(), words));
    }
    let placed = placed(moves, after, by)?;
    let all: Vec<OrderId> = placed.keys().copied().collect();
    if !gap.exact {
        let words = format!("at least so much is missing; {}", meanwhile(all.len()));
        return Ok(drift(Cause::Unexplained, amount, None, all, words));
    }
    let fits = |cost: Money| cost.minus(amount).is_ok_and(|difference| difference.size() <= gap.tolerance);
    let points = match proportion(gap, (after, by), newest, moves, &placed)? {
        Some(points) => Some(points),
        None => proportion(gap, (after, by), newest, moves, &repriced(moves, after, by)?)?,
    };
    let in_proportion = |points| format!("{} % of each of {} orders", shown(points), all.len());

    let refunds = named(given_back(moves, after, by)?, fits);
    if !refunds.is_empty() {
        let words =
            format!("the refund of {}: the panel said that it was given, and it did not come", one_of(&refunds));
        return Ok(drift(Cause::MissingRefund, amount, None, refunds, words));
    }
    let doubts = named(doubted.iter().copied(), fits);
    if !doubts.is_empty() {
        let words = format!("the cost of {}, found not placed after a doubt: the panel may have it", one_of(&doubts));
        return Ok(drift(Cause::Doubt, amount, None, doubts, words));
    }
    let costs = named(placed.iter().map(|(order, cost)| (*order, *cost)), fits);
    if !costs.is_empty() {
        let also = points.map(|points| format!(", or {}", in_proportion(points))).unwrap_or_default();
        let words = format!("as much as {} cost: it may have been charged twice{also}", one_of(&costs));
        return Ok(drift(Cause::OrderCost, amount, None, costs, words));
    }
    if let Some(points) = points {
        let words = in_proportion(points);
        return Ok(drift(Cause::Proportion, amount, Some(Percent::from_basis_points(points)), all, words));
    }
    let words = format!("unexplained: no order of ours fits; {}", meanwhile(all.len()));
    Ok(drift(Cause::Unexplained, amount, None, all, words))
}

fn drift(cause: Cause, amount: Money, percent: Option<Percent>, mut orders: Vec<OrderId>, words: String) -> Drift {
    let orders_count = orders.len();
    orders.truncate(ORDERS_MAX);
    Drift { cause, amount, percent, orders, orders_count, words }
}

/// What each order took that a panel took between two readings.
fn placed(moves: &[Move], after: &Reading, by: &Reading) -> Result<BTreeMap<OrderId, Money>, MoneyError> {
    let taken =
        moves.iter().filter(|moved| moved.is_sure() && moved.least.is_positive() && perhaps_between(moved, after, by));
    sums(taken)
}

/// The same where the panel told of another price than was expected, from the beginning on: what it takes too much is in
/// proportion to that. (What was given back before the order was heard of looks the same, hence both are tried.)
fn repriced(moves: &[Move], after: &Reading, by: &Reading) -> Result<BTreeMap<OrderId, Money>, MoneyError> {
    let taken = moves.iter().filter(|moved| moved.is_sure() && moved.least.is_positive());
    let begun: BTreeMap<OrderId, Instant> = taken.map(|moved| (moved.order, moved.earliest)).collect();
    let from_the_beginning = moves.iter().filter(|moved| {
        moved.is_sure() && begun.get(&moved.order) == Some(&moved.earliest) && perhaps_between(moved, after, by)
    });
    sums(from_the_beginning)
}

/// What came back for each order between two readings, by the panel's word.
fn given_back(moves: &[Move], after: &Reading, by: &Reading) -> Result<Vec<(OrderId, Money)>, MoneyError> {
    let given = moves.iter().filter(|moved| moved.least.is_negative() && surely_between(moved, after, by));
    Ok(sums(given)?.into_iter().map(|(order, amount)| (order, amount.size())).collect())
}

fn sums<'m>(moves: impl Iterator<Item = &'m Move>) -> Result<BTreeMap<OrderId, Money>, MoneyError> {
    let mut sums = BTreeMap::new();
    // What is of no order is named by none.
    for moved in moves.filter(|moved| moved.order != NO_ORDER) {
        let sum: &mut Money = sums.entry(moved.order).or_default();
        *sum = sum.plus(moved.least)?;
    }
    Ok(sums)
}

fn named(orders: impl IntoIterator<Item = (OrderId, Money)>, fits: impl Fn(Money) -> bool) -> Vec<OrderId> {
    orders.into_iter().filter(|(_, amount)| fits(*amount)).map(|(order, _)| order).collect()
}

/// The hundredths of a percent that, taken from every order, make the gap, where there are several orders, a whole
/// number of such makes it, and the same number makes what is missing at the newest reading too.
fn proportion(
    gap: &Gap,
    (after, by): (&Reading, &Reading),
    newest: &Reading,
    moves: &[Move],
    placed: &BTreeMap<OrderId, Money>,
) -> Result<Option<u64>, MoneyError> {
    let total = placed.values().try_fold(Money::ZERO, |sum, cost| sum.plus(*cost))?;
    let points = Some(total).filter(|total| total.is_positive()).and_then(|total| gap.missing.basis_points_of(total));
    let Some(points) = points.filter(|points| (1..=PROPORTION_MAX).contains(points) && placed.len() > 1) else {
        return Ok(None);
    };
    let share = |of: Money| of.share_rounding_down(points, 10_000);
    if share(total)?.minus(gap.missing)?.size() > gap.tolerance {
        return Ok(None);
    }
    // A habit goes on: of what was taken since, the panel has as much again. What was taken around the newest reading
    // may be in it or not.
    let later = moves.iter().filter(|moved| moved.is_sure() && moved.least.is_positive());
    let surely = sum(later.clone().filter(|moved| surely_between(moved, by, newest)))?;
    let perhaps = sum(later.filter(|moved| perhaps_between(moved, by, newest)))?;
    let place = last_place(&[after.clone(), by.clone(), newest.clone()]);
    let expected = Expected::at(newest, after, moves, place)?;
    let least = expected.low.minus(newest.amount)?.minus(expected.tolerance)?;
    let most = expected.high.minus(newest.amount)?.plus(expected.tolerance)?;
    let goes_on = least <= share(total.plus(perhaps)?)? && share(total.plus(surely)?)? <= most;
    Ok(Some(points).filter(|_| goes_on))
}

fn sum<'m>(moves: impl Iterator<Item = &'m Move>) -> Result<Money, MoneyError> {
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
