//! A refusal that may be of a second asking: whoever stands between us and a panel may ask twice and show the answer to
//! the second, and some panels take the money before they refuse. "Not enough funds", "too many requests" and "active
//! order" are what such a second asking gets. So our balance there is read before the order goes on: where exactly its
//! cost is missing, nothing is bought anew and a person looks.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::Instant;
use crate::domain::expected_balance::{CLOCKS_DIFFER, Expected, last_place};
use crate::domain::float::{Move, Reading};
use crate::domain::leg::{Evidence, LeasedLeg, Verdict};
use crate::domain::money::{Money, MoneyError};
use crate::domain::provider::RefusalClass;
use crate::orders::Delivery;
use crate::store::treasury::Unsure;
use crate::store::{StoreError, readings, treasury};
use crate::upstream::Panel;

/// The longest that a refused order waits for our balance: less than what makes its answer overdue.
const BALANCE_WITHIN: Duration = Duration::from_secs(5);
/// What a reading is measured against is no older: what lies longer ago is not known sharply.
const READING_AGE_MAX: TimeDelta = TimeDelta::hours(1);
/// What roundings make of the balance may be one such part of the order's cost at most; else anything would fit.
const FIT_PARTS: u64 = 4;

/// What is said of an order that was refused while its cost is gone.
const CHARGED: &str = "the panel refused it, and our balance there fell by what it costs";

impl Delivery {
    /// What a panel said of an order that was marked at `sent_at`; a doubt where it refused, and took the cost.
    pub(super) async fn unless_charged(
        &self,
        panel: &Panel,
        leg: &LeasedLeg,
        sent_at: Instant,
        said: Evidence,
    ) -> Evidence {
        if !may_be_of_a_second_asking(&said.verdict) {
            return said;
        }

        match tokio::time::timeout(BALANCE_WITHIN, self.lacks_its_cost(panel, leg, sent_at)).await {
            Ok(Ok(true)) => {
                tracing::error!(order = %leg.order, provider = %leg.route.provider, "in doubt: {CHARGED}");
                Evidence { verdict: Verdict::InDoubt, against: Some(CHARGED), ..said }
            }
            Ok(Ok(false)) => said,
            Ok(Err(error)) => {
                tracing::warn!(order = %leg.order, %error, "a refusal could not be compared with our balance");
                said
            }
            Err(_) => {
                tracing::warn!(order = %leg.order, "a refusal could not be compared with our balance in time");
                said
            }
        }
    }

    /// Whether our balance fell by what an order costs since it was sent, and nothing else of ours explains that.
    async fn lacks_its_cost(&self, panel: &Panel, leg: &LeasedLeg, sent_at: Instant) -> Result<bool, StoreError> {
        let asked_at = self.clock.now();
        let told = panel.balance_despite_rest().await;
        // One that is not told now is read at its own time, and somebody is told when it is not then either.
        if told.is_err() || self.keep_balance(panel, asked_at, told).await?.is_none() {
            return Ok(false);
        }

        let settings = panel.settings();
        let mut tx = treasury::compare(&self.store).await?;
        let around = readings::around(&mut tx, &settings.id, &settings.currency, sent_at).await?;
        let Some((before, now)) = around.filter(|(before, _)| before.at >= sent_at - READING_AGE_MAX) else {
            return Ok(false);
        };

        // At the prices that are known: what somebody may have changed untold would explain anything.
        let since = before.asked_at - CLOCKS_DIFFER;
        let mut moves = treasury::moves(&mut tx, &settings.id, since, 0).await?;
        let unsure = Unsure { visible_after_s: settings.doubts.visible_after_s, untold_percent: 0 };
        moves.extend(treasury::possible(&mut tx, &settings.id, unsure).await?);
        let (this, others): (Vec<_>, Vec<_>) = moves.into_iter().partition(|moved| moved.order == leg.order);
        let Some(cost) = this.iter().map(|moved| moved.most).max() else { return Ok(false) };
        is_missing(cost, &before, &now, &others)
            .map_err(|_| StoreError::Unexpected("an amount that the books cannot hold"))
    }
}

/// Whether a panel would say this of an order that it has, when it is asked for it once more.
fn may_be_of_a_second_asking(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Refused(class) => {
            matches!(class, RefusalClass::Money | RefusalClass::RateLimit | RefusalClass::Active)
        }
        Verdict::Accepted(_) | Verdict::NeverSent | Verdict::InDoubt => false,
    }
}

/// Whether a balance lacks an amount, for certain and but for roundings, that nothing else explains.
fn is_missing(cost: Money, before: &Reading, now: &Reading, others: &[Move]) -> Result<bool, MoneyError> {
    let place = last_place(&[before.clone(), now.clone()]);
    let Expected { low, high, tolerance } = Expected::at(now, before, others, place)?;
    let (least, most) = (low.minus(now.amount)?, high.minus(now.amount)?);

    let is_sharp = tolerance <= cost.share_rounding_down(1, FIT_PARTS)?;
    let is_below = least > tolerance;
    let fits = cost >= least.minus(tolerance)? && cost <= most.plus(tolerance)?;
    Ok(is_sharp && is_below && fits)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::id::OrderId;

    fn reading(second: i64, amount: &str) -> Reading {
        let at = DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
        let amount = Money::parse(amount).unwrap();
        Reading { id: second, asked_at: at, at, epoch: 1, amount, text: amount.to_string() }
    }

    /// Another order of the panel, which took so much for certain, or perhaps.
    fn other(least: &str, most: &str) -> Move {
        let [least, most] = [least, most].map(|text| Money::parse(text).unwrap());
        let earliest = reading(10, "0").at;
        let latest = (least == most).then_some(earliest);
        let (slack, epoch) = (Money::ZERO, Some(1));
        Move { order: OrderId(2), least, most, slack, earliest, latest, epoch, said: true, gives_back: false }
    }

    #[test]
    fn exactly_its_cost_is_missing() {
        let missing = |cost: &str, is: &str, others: &[Move]| {
            is_missing(Money::parse(cost).unwrap(), &reading(0, "10.0000"), &reading(100, is), others).unwrap()
        };
        assert!(missing("0.09", "9.9100", &[]));
        assert!(missing("0.09", "9.9099", &[]), "a rounding");
        assert!(!missing("0.09", "10.0000", &[]), "nothing is");
        assert!(!missing("0.09", "9.8100", &[]), "something else is too");
        assert!(!missing("0.09", "0.0000", &[]), "all of it");
        assert!(!missing("0.0003", "9.9997", &[]), "it is less than roundings make");
        assert!(missing("0.09", "9.8100", &[other("0.1", "0.1")]), "another order took its own");
        assert!(!missing("0.09", "9.9100", &[other("0.09", "0.09")]), "another order's is what is missing");
        assert!(!missing("0.09", "9.9100", &[other("0", "0.09")]), "it may be another one's");
        assert!(missing("0.09", "9.9100", &[other("-0.5", "0")]), "what may have come back explains nothing");
    }
}
