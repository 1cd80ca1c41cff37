//! A refusal that may be of a second asking: whoever stands between us and a panel may ask twice
//! and show the answer to the second, and some panels take the money before they refuse. "Not
//! enough funds", "too many requests" and "active order" are what such a second asking gets. So our
//! balance there is read before the order goes on: where its cost is missing, or a fault of ours
//! keeps it from being seen, nothing is bought anew, and the order is in doubt. Where others that
//! are under way explain the fall as well, the refusal is believed, and the log says so.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::expected_balance::{CLOCKS_DIFFER, Expected, last_place};
use crate::domain::float::{BalanceMove, BalanceReading};
use crate::domain::leg::{Evidence, LeasedLeg, Verdict};
use crate::domain::money::{Money, MoneyError};
use crate::domain::provider::RefusalClass;
use crate::orders::Delivery;
use crate::store::treasury::Unsure;
use crate::store::{StoreError, readings, treasury};
use crate::upstream::Panel;

/// The longest that a refused order waits for our balance: less than what makes its answer overdue.
const BALANCE_WITHIN: Duration = Duration::from_secs(5);
/// The longest that its panel may take to tell it.
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// How long it is compared anew while others are under way, and how long that waits in between.
const COMPARED_FOR: Duration = Duration::from_millis(1_500);
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);
/// What a reading is measured against is no older: what lies longer ago is not known sharply.
const READING_AGE_MAX: TimeDelta = TimeDelta::hours(1);
/// How far the price may stand from the one that we expect, in percent.
const PRICE_PERCENT: u64 = 5;

/// What is said of an order that was refused while its cost is gone.
const CHARGED: &str = "the panel refused it, and our balance there fell by what it costs";
/// What is said where a fault of ours keeps it from being known.
const NOT_COMPARED: &str = "the panel refused it, and it could not be seen in time whether our \
                            balance there fell by what it costs";

impl Delivery {
    /// What a panel said of an order that was marked at `sent_at`; a doubt where it refused, and
    /// took the cost.
    pub(super) async fn unless_charged(
        &self,
        panel: &Panel,
        leg: &LeasedLeg,
        sent_at: Timestamp,
        said: Evidence,
    ) -> Evidence {
        if !may_be_of_a_second_asking(&said.verdict) {
            return said;
        }

        let compared = self.compare_until_known(panel, leg, sent_at);
        let against = match tokio::time::timeout(BALANCE_WITHIN, compared).await {
            Ok(Ok(Missing::Surely)) => CHARGED,
            // Who is under way at the same moment explains it too, and a listed refusal is
            // believed.
            Ok(Ok(Missing::Perhaps)) => {
                tracing::warn!(order = %leg.order, provider = %leg.route.provider,
                    "refused, while our balance there fell by as much, which other orders explain \
                     too; the refusal is believed");
                return said;
            }
            Ok(Ok(Missing::No)) => return said,
            // What we cannot see is no proof: a database that is away, a process that stood still.
            Ok(Err(error)) => {
                tracing::warn!(
                    order = %leg.order, %error, "a refusal could not be compared with our balance"
                );
                NOT_COMPARED
            }
            Err(_) => NOT_COMPARED,
        };

        tracing::error!(order = %leg.order, provider = %leg.route.provider, "in doubt: {against}");
        Evidence {
            verdict: Verdict::InDoubt,
            against: Some(against),
            ..said
        }
    }

    /// Reads the balance after a doubt, so that later ones are measured from behind it.
    pub(super) async fn read_balance_behind(&self, panel: &Panel) -> Result<(), StoreError> {
        let asked_at = self.clock.now();
        match tokio::time::timeout(BALANCE_WITHIN, panel.balance_despite_rest()).await {
            Ok(Ok(balance)) => self
                .keep_balance(panel, asked_at, Ok(balance))
                .await
                .map(|_| ()),
            // Read at its own time.
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Compares again where other orders are under way: once they are answered, it is known what
    /// they took.
    async fn compare_until_known(
        &self,
        panel: &Panel,
        leg: &LeasedLeg,
        sent_at: Timestamp,
    ) -> Result<Missing, StoreError> {
        let begun = tokio::time::Instant::now();
        let mut missing = self.lacks_its_cost(panel, leg, sent_at).await?;
        while missing == Missing::Perhaps && begun.elapsed() < COMPARED_FOR {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            missing = self.lacks_its_cost(panel, leg, sent_at).await?;
        }

        Ok(missing)
    }

    /// Whether our balance fell by what an order costs since it was sent, and nothing else of ours
    /// explains that.
    async fn lacks_its_cost(
        &self,
        panel: &Panel,
        leg: &LeasedLeg,
        sent_at: Timestamp,
    ) -> Result<Missing, StoreError> {
        let asked_at = self.clock.now();

        // One that is not told is read at its own time, and somebody is told when it is not then
        // either. It is the panel that keeps it, so it must not take as long as makes a
        // fault of ours.
        let told = tokio::time::timeout(TOLD_WITHIN, panel.balance_despite_rest()).await;
        let Ok(Ok(balance)) = told else {
            return Ok(Missing::No);
        };

        if self
            .keep_balance(panel, asked_at, Ok(balance))
            .await?
            .is_none()
        {
            return Ok(Missing::No);
        }

        let settings = panel.settings();
        let mut tx = treasury::begin_comparison(&self.store).await?;
        let oldest = sent_at - READING_AGE_MAX;
        let around =
            readings::readings_around(&mut tx, &settings.id, &settings.currency, oldest, sent_at)
                .await?;

        let Some((now, before)) = around.split_last() else {
            return Ok(Missing::No);
        };

        let Some(first) = before.first() else {
            return Ok(Missing::No);
        };

        // At the prices that are known, and as if what is in doubt had been taken when it was sent.
        let since = first.asked_at - CLOCKS_DIFFER;
        let mut moves = treasury::known_moves(&mut tx, &settings.id, since, 0).await?;
        let unsure = Unsure {
            visible_after_s: 0,
            untold_percent: 0,
        };

        moves.extend(treasury::possible_moves(&mut tx, &settings.id, unsure).await?);
        let (this, others): (Vec<_>, Vec<_>) = moves
            .into_iter()
            .partition(|moved| moved.order == leg.order);

        let Some(cost) = this.iter().map(|moved| moved.most).max() else {
            return Ok(Missing::No);
        };

        let others: Vec<BalanceMove> = others.into_iter().map(without_untold_refunds).collect();
        is_missing(cost, before, now, &others)
            .map_err(|_| StoreError::Unexpected("an amount that the books cannot hold"))
    }
}

/// What may have come back is not counted on: it would explain anything.
fn without_untold_refunds(moved: BalanceMove) -> BalanceMove {
    if moved.is_sure() {
        moved
    } else {
        BalanceMove {
            least: moved.least.max(Money::ZERO),
            ..moved
        }
    }
}

/// Whether a panel would say this of an order that it has, when it is asked for it once more.
fn may_be_of_a_second_asking(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Refused(class) => {
            matches!(
                class,
                RefusalClass::Money | RefusalClass::RateLimit | RefusalClass::Active
            )
        }
        Verdict::Accepted(_) | Verdict::NeverSent | Verdict::InDoubt => false,
    }
}

/// Whether a balance lacks an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// It does, whatever others took that are under way.
    Surely,
    /// It does, unless others took it.
    Perhaps,
    /// It does not, or more is missing than anything of ours explains.
    No,
}

/// Measures against each earlier reading whether a balance lacks an amount: one that explains the
/// fall is enough.
fn is_missing(
    cost: Money,
    before: &[BalanceReading],
    now: &BalanceReading,
    others: &[BalanceMove],
) -> Result<Missing, MoneyError> {
    let mut readings = before.to_vec();
    readings.push(now.clone());
    let place = last_place(&readings);
    let half = cost.share_rounding_down(1, 2)?;
    let mut missing = Missing::No;

    for before in before {
        let Expected {
            low,
            high,
            tolerance,
        } = Expected::at(now, before, others, place)?;

        let (least, most) = (low.minus(now.amount)?, high.minus(now.amount)?);

        // Where roundings make as much as half of it, nothing is seen.
        let slack = tolerance
            .minus(place)?
            .max(cost.share_rounding_down(PRICE_PERCENT, 100)?);

        if slack > half {
            continue;
        }

        if most < cost.minus(slack)? {
            return Ok(Missing::No);
        }

        if least > cost.plus(slack)? {
            continue;
        }

        let is_sure = least >= cost.minus(slack)?;
        missing = if is_sure || missing == Missing::Surely {
            Missing::Surely
        } else {
            Missing::Perhaps
        };
    }

    Ok(missing)
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
        let latest = (least == most).then_some(earliest);
        let (slack, epoch) = (Money::ZERO, Some(1));

        BalanceMove {
            order: OrderId(2),
            least,
            most,
            slack,
            earliest,
            latest,
            epoch,
            said: true,
            gives_back: false,
        }
    }

    #[test]
    fn exactly_its_cost_is_missing() {
        use Missing::{No, Perhaps, Surely};

        let missing = |cost: &str, is: &str, others: &[BalanceMove]| {
            let before = [reading(0, "10.0000")];
            is_missing(
                Money::parse(cost).unwrap(),
                &before,
                &reading(100, is),
                others,
            )
            .unwrap()
        };

        assert_eq!(missing("0.09", "9.9100", &[]), Surely);
        assert_eq!(missing("0.09", "9.9099", &[]), Surely, "a rounding");

        assert_eq!(
            missing("0.09", "9.9070", &[]),
            Surely,
            "a price that moved a little"
        );

        assert_eq!(missing("0.09", "10.0000", &[]), No, "nothing is");
        assert_eq!(missing("0.09", "9.8100", &[]), No, "something else is too");
        assert_eq!(missing("0.09", "0.0000", &[]), No, "all of it");

        assert_eq!(
            missing("0.00015", "9.9998", &[]),
            No,
            "it is less than roundings make"
        );

        assert_eq!(
            missing("0.09", "9.8100", &[other("0.1", "0.1")]),
            Surely,
            "another order took its own"
        );

        assert_eq!(
            missing("0.09", "9.9100", &[other("0.09", "0.09")]),
            No,
            "another order's is what is missing"
        );

        assert_eq!(
            missing("0.09", "9.9100", &[other("0", "0.09")]),
            Perhaps,
            "it may be either's"
        );

        assert_eq!(
            missing("0.09", "9.8200", &[other("0", "0.09")]),
            Surely,
            "both are"
        );

        assert_eq!(
            missing("0.09", "10.0000", &[other("0", "0.09")]),
            No,
            "nothing is, whoever is under way"
        );

        let refund = without_untold_refunds(other("-0.5", "0"));
        assert_eq!(
            missing("0.09", "9.9100", &[refund]),
            Surely,
            "nothing came back for certain"
        );
    }

    #[test]
    fn one_earlier_reading_that_explains_it_is_enough() {
        let (early, late) = (reading(0, "10.0000"), reading(50, "9.9100"));
        let cost = Money::parse("0.09").unwrap();
        let now = reading(100, "9.9100");
        assert_eq!(
            is_missing(cost, std::slice::from_ref(&early), &now, &[]).unwrap(),
            Missing::Surely
        );

        assert_eq!(
            is_missing(cost, &[early, late], &now, &[]).unwrap(),
            Missing::No,
            "it was gone before"
        );
    }

    #[test]
    fn a_coarse_balance_shows_what_is_twice_its_last_place() {
        let cost = Money::parse("0.045").unwrap();
        let shown =
            |is: &str| is_missing(cost, &[reading(0, "10.00")], &reading(100, is), &[]).unwrap();
        assert_eq!(
            ["10.00", "9.96", "9.95", "9.90"].map(shown),
            [Missing::No, Missing::Surely, Missing::Surely, Missing::No]
        );
    }
}
