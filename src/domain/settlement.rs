//! Settlement to a target: what of a charge is to be given back, from the panel's last word alone.

use crate::domain::money::{Money, MoneyError};
use crate::domain::order::OrderState;
use crate::domain::provider::PanelStatus;

/// What a panel says of one order, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What stands there now.
    pub status: PanelStatus,
    /// The text it was read from.
    pub status_text: String,
    /// What the panel took, rounded up to our scale.
    pub charge: Option<Money>,
    /// The charge as it was sent.
    pub charge_text: Option<String>,
    /// The count before delivery.
    pub start_count: Option<i64>,
    /// Units that are missing; may be negative, and larger than what was ordered.
    pub remains: Option<i64>,
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

/// The rules, row by row. Depends on the last word only, never on the path; never passes the charge.
pub fn outcome(bought: Bought, report: &Report) -> Result<Outcome, MoneyError> {
    match report.status {
        PanelStatus::Pending | PanelStatus::Processing => Ok(Outcome::Open(OrderState::Processing)),
        PanelStatus::InProgress => Ok(Outcome::Open(OrderState::InProgress)),
        PanelStatus::Completed => {
            Ok(Outcome::End { state: OrderState::Completed, target: Money::ZERO, delivered: bought.units })
        }
        PanelStatus::Partial => partial(bought, report.remains),
        PanelStatus::Canceled => canceled(bought, report),
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
fn canceled(bought: Bought, report: &Report) -> Result<Outcome, MoneyError> {
    let panel_keeps_money = report.charge.is_some_and(Money::is_positive);
    let whole = Outcome::End { state: OrderState::Canceled, target: bought.charge, delivered: 0 };
    if !panel_keeps_money || bought.package {
        return Ok(whole);
    }
    match report.remains.map(u64::try_from) {
        // More than was ordered was delivered and paid for.
        Some(Err(_)) => by_remains(bought, 0, OrderState::Canceled),
        Some(Ok(missing)) if missing > 0 && missing < bought.units => by_remains(bought, missing, OrderState::Canceled),
        Some(Ok(_)) | None => Ok(whole),
    }
}

fn by_remains(bought: Bought, missing: u64, state: OrderState) -> Result<Outcome, MoneyError> {
    let target = bought.charge.share_rounding_down(missing, bought.units)?;
    Ok(Outcome::End { state, target, delivered: bought.units - missing })
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
        let third = outcome(bought("1", 3, false), &said(PanelStatus::Partial, Some(1), "0")).unwrap();
        assert_eq!(target(third), "0.33333333");
        let over = outcome(bought("1", 3, false), &said(PanelStatus::Partial, Some(-7), "0")).unwrap();
        assert_eq!(target(over), "0.00");
    }

    #[test]
    fn what_cannot_be_counted_is_not_settled() {
        let not_ours = outcome(bought("1", 3, false), &said(PanelStatus::Partial, Some(4), "0")).unwrap();
        assert!(matches!(not_ours, Outcome::Review(_)));
        let package = outcome(bought("1", 1, true), &said(PanelStatus::Partial, Some(1), "0")).unwrap();
        assert!(matches!(package, Outcome::Review(_)));
        let silent = outcome(bought("1", 3, false), &said(PanelStatus::Partial, None, "0")).unwrap();
        assert!(matches!(silent, Outcome::AskAgain(_)));
    }

    #[test]
    fn a_cancel_after_part_was_delivered_and_paid_is_no_free_money() {
        let late = outcome(bought("1", 100, false), &said(PanelStatus::Canceled, Some(1), "0.99")).unwrap();
        assert_eq!(target(late), "0.01");
        let whole = outcome(bought("1", 100, false), &said(PanelStatus::Canceled, Some(1), "0")).unwrap();
        assert_eq!(target(whole), "1.00");
        let over = outcome(bought("1", 100, false), &said(PanelStatus::Canceled, Some(-7), "1.07")).unwrap();
        assert_eq!(target(over), "0.00");
        let untouched = outcome(bought("1", 100, false), &said(PanelStatus::Canceled, Some(100), "1")).unwrap();
        assert_eq!(target(untouched), "1.00");
    }

    proptest! {
        #[test]
        fn no_word_of_a_panel_refunds_more_than_the_charge(
            cents in 0i64..1_000_000_000, units in 1u64..1_000_000, package: bool,
            status in proptest::sample::select(PanelStatus::ALL.to_vec()),
            remains in proptest::option::of(any::<i64>()), kept in 0u32..3,
        ) {
            let charge = Money::parse(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap();
            let report = said(status, remains, &kept.to_string());
            if let Outcome::End { target, delivered, .. } = outcome(Bought { charge, units, package }, &report).unwrap() {
                prop_assert!(target <= charge && !target.is_negative() && delivered <= units);
            }
        }
    }
}
