//! Settlement to a target: what of a charge is to be given back, from the panel's last word alone.

use crate::domain::money::{ExchangeRate, Money, MoneyError};
use crate::domain::order::OrderState;
use crate::domain::provider::{CanceledWithRemains, PanelStatus};

/// What a panel says of one order, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What stands there now.
    pub status: PanelStatus,
    /// The text it was read from.
    pub status_text: String,
    /// What the panel took, in its own currency, rounded up to our scale.
    pub charge: Option<Money>,
    /// The charge as it was sent.
    pub charge_text: Option<String>,
    /// The count before delivery.
    pub start_count: Option<i64>,
    /// Units that are missing; may be negative, and larger than what was ordered.
    pub remains: Option<i64>,
}

impl Report {
    /// The same with the charge in our currency, rounded up; one that is too large is none. The text of it stays.
    #[must_use]
    pub fn exchanged(self, rate: ExchangeRate) -> Self {
        let charge = self.charge.and_then(|charge| charge.exchanged_rounding_up(rate).ok());
        Self { charge, ..self }
    }
}

/// What settlement needs to know of an order; fixed when it was bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought {
    /// What the customer paid.
    pub charge: Money,
    /// How many units; for packages one.
    pub units: u64,
    /// Whether one package was sold, whose parts cannot be counted.
    pub package: bool,
}

/// What follows from a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The order goes on, or goes on waiting, in this state.
    Open(OrderState),
    /// The order is over; so much of the charge is given back in all.
    End {
        /// The order's end.
        state: OrderState,
        /// How much of the charge is refunded in all, not how much more.
        target: Money,
        /// Units delivered.
        delivered: u64,
    },
    /// Nothing settles on this word; ask again.
    AskAgain(&'static str),
    /// Nothing settles by itself; a person decides.
    Review(&'static str),
}

/// What the operator decided about a panel's words, and what time decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What a canceled order with a part delivered gives back.
    pub canceled_with_remains: CanceledWithRemains,
    /// Whether a reported failure has stood so long that nobody will set it right any more.
    pub failed_for_good: bool,
}

/// The rules, row by row. Depends on the last word only, never on the path; never passes the charge.
pub fn outcome(bought: Bought, report: &Report, rules: Rules) -> Result<Outcome, MoneyError> {
    match report.status {
        PanelStatus::Pending | PanelStatus::Processing => Ok(Outcome::Open(OrderState::Processing)),
        PanelStatus::InProgress => Ok(Outcome::Open(OrderState::InProgress)),
        PanelStatus::Completed => {
            Ok(Outcome::End { state: OrderState::Completed, target: Money::ZERO, delivered: bought.units })
        }
        PanelStatus::Partial => partial(bought, report.remains),
        PanelStatus::Canceled => canceled(bought, report, rules.canceled_with_remains),
        PanelStatus::Failed if rules.failed_for_good => failed(bought, report.remains),
        PanelStatus::Failed => Ok(Outcome::AskAgain("the panel reports a failure, which it may yet set right")),
        PanelStatus::Expired => Ok(Outcome::Review("an ended subscription, which is not sold")),
    }
}

fn partial(bought: Bought, remains: Option<i64>) -> Result<Outcome, MoneyError> {
    if bought.package {
        return Ok(Outcome::Review("part of a package cannot be counted"));
    }
    let Some(remains) = remains else {
        return Ok(Outcome::AskAgain("partial without a readable remains"));
    };
    let missing = u64::try_from(remains).unwrap_or(0);
    if missing > bought.units {
        return Ok(Outcome::Review("more remains than was ordered: the unit is not ours"));
    }
    by_remains(bought, missing, OrderState::Partial)
}

/// Whole, unless part was delivered and the panel keeps money for it: else waiting for 99 % and canceling is free.
fn canceled(bought: Bought, report: &Report, rule: CanceledWithRemains) -> Result<Outcome, MoneyError> {
    let whole = Outcome::End { state: OrderState::Canceled, target: bought.charge, delivered: 0 };
    let by_remains_where = |counts: bool| match report.remains.map(u64::try_from) {
        _ if !counts || bought.package => Ok(whole.clone()),
        // More than was ordered was delivered.
        Some(Err(_)) => by_remains(bought, 0, OrderState::Canceled),
        Some(Ok(missing)) if missing > 0 && missing < bought.units => by_remains(bought, missing, OrderState::Canceled),
        Some(Ok(_)) | None => Ok(whole.clone()),
    };
    match rule {
        CanceledWithRemains::ByCharge => by_remains_where(report.charge.is_some_and(Money::is_positive)),
        CanceledWithRemains::ByRemains => by_remains_where(true),
        CanceledWithRemains::Review if by_remains_where(true)? != whole => {
            Ok(Outcome::Review("canceled with a part delivered"))
        }
        CanceledWithRemains::Full | CanceledWithRemains::Review => Ok(whole),
    }
}

/// A failure that nobody set right: the whole charge, less what was delivered where that can be counted.
fn failed(bought: Bought, remains: Option<i64>) -> Result<Outcome, MoneyError> {
    match remains.map(u64::try_from) {
        Some(Ok(missing)) if !bought.package && missing == bought.units => {
            by_remains(bought, missing, OrderState::Canceled)
        }
        Some(Ok(missing)) if !bought.package && missing > 0 && missing < bought.units => {
            by_remains(bought, missing, OrderState::Partial)
        }
        Some(_) | None => Ok(Outcome::Review("the panel reports a failure, and not how much was delivered")),
    }
}

fn by_remains(bought: Bought, missing: u64, state: OrderState) -> Result<Outcome, MoneyError> {
    let target = bought.charge.share_rounding_down(missing, bought.units)?;
    Ok(Outcome::End { state, target, delivered: bought.units - missing })
}

/// What was given back of an order's charge, and why it is not less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// In all.
    pub refunded: Money,
    /// The least, as a person decided.
    pub by_hand: Money,
    /// Of it, what the last word says was too much, and the house bears.
    pub absorbed: Money,
}

/// What brings an order to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moves {
    /// To the wallet.
    pub refund: Money,
    /// From the wallet.
    pub clawback: Money,
    /// What stands given back afterwards.
    pub after: GivenBack,
}

/// From what was given back to a target. What a person gave is never taken; what was given too much is taken as far as
/// the wallet `can_give`, and the rest is the house's. `refunded − absorbed` depends on the last target only.
pub fn moves(charge: Money, before: GivenBack, target: Money, can_give: Money) -> Result<Moves, MoneyError> {
    let target = target.max(before.by_hand).min(charge);
    let too_much = before.refunded.minus(target)?;
    if too_much.is_positive() {
        let clawback = too_much.min(can_give.max(Money::ZERO));
        let after = GivenBack {
            refunded: before.refunded.minus(clawback)?,
            absorbed: too_much.minus(clawback)?,
            by_hand: before.by_hand,
        };
        return Ok(Moves { refund: Money::ZERO, clawback, after });
    }
    let after = GivenBack { refunded: target, absorbed: Money::ZERO, by_hand: before.by_hand };
    Ok(Moves { refund: too_much.size(), clawback: Money::ZERO, after })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(status: PanelStatus, remains: Option<i64>, charge: &str) -> Report {
        Report {
            status,
            status_text: String::new(),
            charge: Some(Money::parse(charge).unwrap()),
            charge_text: None,
            start_count: None,
            remains,
        }
    }

    const USUAL: Rules = Rules { canceled_with_remains: CanceledWithRemains::ByCharge, failed_for_good: false };

    fn bought(charge: &str, units: u64, package: bool) -> Bought {
        Bought { charge: Money::parse(charge).unwrap(), units, package }
    }

    fn target(outcome: Outcome) -> String {
        match outcome {
            Outcome::End { target, .. } => target.to_string(),
            Outcome::Open(_) | Outcome::AskAgain(_) | Outcome::Review(_) => format!("{outcome:?}"),
        }
    }

    #[test]
    fn a_partial_gives_back_what_is_missing_rounded_down() {
        let third = outcome(bought("1", 3, false), &said(PanelStatus::Partial, Some(1), "0"), USUAL).unwrap();
        assert_eq!(target(third), "0.33333333");
        let over = outcome(bought("1", 3, false), &said(PanelStatus::Partial, Some(-7), "0"), USUAL).unwrap();
        assert_eq!(target(over), "0.00");
    }

    #[test]
    fn what_cannot_be_counted_is_not_settled() {
        let not_ours = outcome(bought("1", 3, false), &said(PanelStatus::Partial, Some(4), "0"), USUAL).unwrap();
        assert!(matches!(not_ours, Outcome::Review(_)));
        let package = outcome(bought("1", 1, true), &said(PanelStatus::Partial, Some(1), "0"), USUAL).unwrap();
        assert!(matches!(package, Outcome::Review(_)));
        let silent = outcome(bought("1", 3, false), &said(PanelStatus::Partial, None, "0"), USUAL).unwrap();
        assert!(matches!(silent, Outcome::AskAgain(_)));
    }

    #[test]
    fn a_cancel_after_part_was_delivered_and_paid_is_no_free_money() {
        let late = outcome(bought("1", 100, false), &said(PanelStatus::Canceled, Some(1), "0.99"), USUAL).unwrap();
        assert_eq!(target(late), "0.01");
        let whole = outcome(bought("1", 100, false), &said(PanelStatus::Canceled, Some(1), "0"), USUAL).unwrap();
        assert_eq!(target(whole), "1.00");
        let over = outcome(bought("1", 100, false), &said(PanelStatus::Canceled, Some(-7), "1.07"), USUAL).unwrap();
        assert_eq!(target(over), "0.00");
        let untouched = outcome(bought("1", 100, false), &said(PanelStatus::Canceled, Some(100), "1"), USUAL).unwrap();
        assert_eq!(target(untouched), "1.00");
    }

    #[test]
    fn a_canceled_part_is_settled_as_the_operator_said() {
        let part = |rule, remains, kept| {
            let rules = Rules { canceled_with_remains: rule, ..USUAL };
            target(outcome(bought("1", 100, false), &said(PanelStatus::Canceled, remains, kept), rules).unwrap())
        };
        assert_eq!(part(CanceledWithRemains::Full, Some(1), "0.99"), "1.00");
        assert_eq!(part(CanceledWithRemains::ByRemains, Some(1), "0"), "0.01");
        assert_eq!(part(CanceledWithRemains::ByRemains, None, "0"), "1.00");
        assert!(part(CanceledWithRemains::Review, Some(1), "0").starts_with("Review"));
        assert_eq!(part(CanceledWithRemains::Review, Some(100), "1"), "1.00");
    }

    #[test]
    fn a_failure_waits_and_then_gives_back_what_is_missing() {
        let failed = |remains, failed_for_good| {
            let rules = Rules { failed_for_good, ..USUAL };
            target(outcome(bought("1", 100, false), &said(PanelStatus::Failed, remains, "0"), rules).unwrap())
        };
        assert!(failed(Some(100), false).starts_with("AskAgain"));
        assert_eq!(failed(Some(100), true), "1.00");
        assert_eq!(failed(Some(25), true), "0.25");
        for unclear in [None, Some(0), Some(-1), Some(101)] {
            assert!(failed(unclear, true).starts_with("Review"), "{unclear:?}");
        }
    }

    /// Anything that a panel may say of an order, in any order of saying.
    fn word() -> impl Strategy<Value = (PanelStatus, Option<i64>, u32)> {
        let remains = prop_oneof![Just(None), (-5i64..120).prop_map(Some), any::<i64>().prop_map(Some)];
        (proptest::sample::select(PanelStatus::ALL.to_vec()), remains, 0u32..3)
    }

    fn any_rules() -> impl Strategy<Value = Rules> {
        let rules = [
            CanceledWithRemains::ByCharge,
            CanceledWithRemains::Full,
            CanceledWithRemains::ByRemains,
            CanceledWithRemains::Review,
        ];
        (proptest::sample::select(rules.to_vec()), any::<bool>())
            .prop_map(|(canceled_with_remains, failed_for_good)| Rules { canceled_with_remains, failed_for_good })
    }

    /// What an order has given back after a whole history, and the last target that it was brought to.
    fn lived(
        bought: Bought,
        history: &[(PanelStatus, Option<i64>, u32)],
        rules: Rules,
        clawback: bool,
    ) -> (GivenBack, Option<Money>) {
        let (mut stand, mut last) = (GivenBack::default(), None);
        for (status, remains, kept) in history {
            let report = said(*status, *remains, &kept.to_string());
            if let Outcome::End { target, delivered, .. } = outcome(bought, &report, rules).unwrap() {
                assert!(target <= bought.charge && !target.is_negative() && delivered <= bought.units);
                let can_give = if clawback { bought.charge } else { Money::ZERO };
                let step = moves(bought.charge, stand, target, can_give).unwrap();
                let after = stand.refunded.plus(step.refund).unwrap().minus(step.clawback).unwrap();
                assert_eq!(after, step.after.refunded, "what stands given back is what was moved");
                (stand, last) = (step.after, Some(target));
            }
            assert!(!stand.refunded.is_negative() && stand.refunded <= bought.charge);
            assert!(!stand.absorbed.is_negative() && stand.absorbed <= stand.refunded);
        }
        (stand, last)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]
        #[test]
        fn what_an_order_costs_depends_on_the_last_word_only(
            cents in 0i64..1_000_000, units in 1u64..120, package: bool, rules in any_rules(),
            history in prop::collection::vec(word(), 1..8),
        ) {
            let charge = Money::parse(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap();
            let bought = Bought { charge, units, package };
            let (absorbing, last) = lived(bought, &history, rules, false);
            let (taking, _) = lived(bought, &history, rules, true);
            let target = last.unwrap_or_default();
            prop_assert_eq!(absorbing.refunded.minus(absorbing.absorbed).unwrap(), target);
            prop_assert_eq!(taking, GivenBack { refunded: target, ..GivenBack::default() });
        }

        #[test]
        fn what_a_person_gave_is_never_taken(
            steps in prop::collection::vec((0i64..=1_000, 0i64..=1_000, any::<bool>()), 1..10),
        ) {
            let cents = |n: i64| Money::parse(&format!("{}.{:02}", n / 100, n % 100)).unwrap();
            let (charge, mut stand) = (cents(1_000), GivenBack::default());
            for (target, by_hand, clawback) in steps {
                stand.by_hand = stand.by_hand.max(cents(by_hand));
                let can_give = if clawback { charge } else { Money::ZERO };
                stand = moves(charge, stand, cents(target), can_give).unwrap().after;
                prop_assert!(stand.refunded >= stand.by_hand && stand.refunded <= charge);
            }
        }
    }
}
