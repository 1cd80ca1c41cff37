//! The rules of settlement, row by row, and what holds of any history.

use proptest::prelude::*;

use super::*;
use crate::domain::given_back::{GivenBack, moves};

fn said(status: PanelStatus, remains: Option<i64>, charge: &str) -> Report {
    Report {
        status,
        status_text: String::new(),
        charge: Money::parse(charge).ok(),
        charge_text: Some(charge.to_owned()),
        currency: None,
        start_count: None,
        remains,
        remains_text: None,
    }
}

/// The outcome of an order that costs as much as it is sold for.
fn settled(bought: Bought, report: &Report, rules: SettlementRules) -> SettlementOutcome {
    let stated = report.stated(ExchangeRate::parse("1").unwrap(), "USD");
    settle_report(
        bought,
        TakenCharge {
            expected: bought.charge,
            stated,
        },
        report,
        rules,
    )
    .unwrap()
}

const USUAL: SettlementRules = SettlementRules {
    canceled_with_remains: CanceledWithRemains::ByCharge,
    failed_for_good: false,
};

fn bought(charge: &str, units: u64, package: bool) -> Bought {
    Bought {
        charge: Money::parse(charge).unwrap(),
        units,
        package,
    }
}

fn target(outcome: SettlementOutcome) -> String {
    match outcome {
        SettlementOutcome::End(Ending {
            state,
            target,
            doubtful,
            ..
        }) => {
            format!(
                "{} {target}{}",
                state.as_str(),
                if doubtful { " asked about" } else { "" }
            )
        }
        SettlementOutcome::Open(_)
        | SettlementOutcome::AskAgain(_)
        | SettlementOutcome::Review(_)
        | SettlementOutcome::Contradiction(_) => {
            format!("{outcome:?}")
        }
    }
}

#[test]
fn a_partial_gives_back_what_is_missing_rounded_down() {
    let third = settled(
        bought("1", 3, false),
        &said(PanelStatus::Partial, Some(1), "0"),
        USUAL,
    );

    assert_eq!(target(third), "partial 0.33333333 asked about");
    let over = settled(
        bought("1", 3, false),
        &said(PanelStatus::Partial, Some(-7), "1"),
        USUAL,
    );

    assert_eq!(target(over), "partial 0.00");
}

#[test]
fn what_cannot_be_counted_is_not_settled() {
    let not_ours = settled(
        bought("1", 3, false),
        &said(PanelStatus::Partial, Some(4), "0"),
        USUAL,
    );

    assert!(matches!(not_ours, SettlementOutcome::Review(_)));
    let package = settled(
        bought("1", 1, true),
        &said(PanelStatus::Partial, Some(1), "0"),
        USUAL,
    );

    assert!(matches!(package, SettlementOutcome::Review(_)));
    let silent = settled(
        bought("1", 3, false),
        &said(PanelStatus::Partial, None, "0"),
        USUAL,
    );

    assert!(matches!(silent, SettlementOutcome::AskAgain(_)));
}

#[test]
fn a_cancel_after_part_was_delivered_and_paid_is_no_free_money() {
    for (remains, kept, stands) in [
        (Some(1), "0.99", "partial 0.01"),
        (Some(1), "1", "partial 0.01"),
        (Some(1), "0.5", "partial 0.01 asked about"),
        (Some(1), "0", "canceled 1.00"),
        (Some(100), "1", "canceled 1.00"),
        (Some(-7), "1.07", "Contradiction"),
        (Some(0), "1", "Contradiction"),
        (Some(1), "free", "partial 0.01"),
        (None, "free", "Contradiction"),
        (None, "unknown", "canceled 1.00"),
    ] {
        let stood = target(settled(
            bought("1", 100, false),
            &said(PanelStatus::Canceled, remains, kept),
            USUAL,
        ));
        assert!(stood.starts_with(stands), "{remains:?} {kept}: {stood}");
    }
}

#[test]
fn a_canceled_part_is_settled_as_the_operator_said() {
    let part = |rule, remains, kept| {
        let rules = SettlementRules {
            canceled_with_remains: rule,
            ..USUAL
        };

        target(settled(
            bought("1", 100, false),
            &said(PanelStatus::Canceled, remains, kept),
            rules,
        ))
    };

    assert_eq!(
        part(CanceledWithRemains::Full, Some(1), "0.99"),
        "canceled 1.00"
    );

    assert_eq!(
        part(CanceledWithRemains::ByRemains, Some(1), "1"),
        "partial 0.01"
    );

    assert_eq!(
        part(CanceledWithRemains::ByRemains, Some(0), "1"),
        "partial 0.00"
    );

    assert!(part(CanceledWithRemains::ByRemains, None, "0").starts_with("Review"));
    assert!(part(CanceledWithRemains::Review, Some(1), "0").starts_with("Review"));
    assert_eq!(
        part(CanceledWithRemains::Review, Some(100), "1"),
        "canceled 1.00"
    );
}

#[test]
fn a_failure_waits_and_then_gives_back_what_is_missing() {
    let failed = |remains, failed_for_good| {
        let rules = SettlementRules {
            failed_for_good,
            ..USUAL
        };

        target(settled(
            bought("1", 100, false),
            &said(PanelStatus::Failed, remains, "0"),
            rules,
        ))
    };

    assert!(failed(Some(100), false).starts_with("AskAgain"));
    assert_eq!(failed(Some(100), true), "canceled 1.00");
    assert!(failed(Some(25), true).starts_with("partial 0.25"));

    for unclear in [None, Some(0), Some(-1), Some(101)] {
        assert!(failed(unclear, true).starts_with("Review"), "{unclear:?}");
    }
}

#[test]
fn a_charge_is_as_exact_as_it_was_written() {
    let expected = Money::parse("0.054").unwrap();
    let below = |charge: &str| {
        let report = said(PanelStatus::Partial, Some(40), charge);
        let stated = report.stated(ExchangeRate::parse("1").unwrap(), "USD");
        TakenCharge { expected, stated }.is_below(100, 100).unwrap()
    };

    assert!(!below("0.05") && !below("0.054") && !below("0.1") && !below("7"));
    assert!(below("0.04") && below("0.053") && below("0.0539") && below("0"));
}

#[test]
fn what_is_told_in_another_currency_is_no_amount_of_ours() {
    let dollars = ExchangeRate::parse("1").unwrap();
    for (named, is_foreign) in [
        ("EUR", true),
        (" usd ", false),
        ("$", false),
        ("", false),
        ("Unknown", false),
    ] {
        let report = Report {
            currency: Some(named.to_owned()),
            ..said(PanelStatus::Completed, Some(0), "0.05")
        };
        let foreign = matches!(
            report.stated(dollars, "USD"),
            Stated::Foreign { kept: true }
        );
        assert_eq!(foreign, is_foreign, "{named}");
    }
}

/// Anything that a panel may say of an order, in any order of saying.
fn any_report() -> impl Strategy<Value = (PanelStatus, Option<i64>, u32)> {
    let remains = prop_oneof![
        Just(None),
        (-5i64..120).prop_map(Some),
        any::<i64>().prop_map(Some)
    ];

    (
        proptest::sample::select(PanelStatus::ALL.to_vec()),
        remains,
        0u32..3,
    )
}

fn any_rules() -> impl Strategy<Value = SettlementRules> {
    let rules = [
        CanceledWithRemains::ByCharge,
        CanceledWithRemains::Full,
        CanceledWithRemains::ByRemains,
        CanceledWithRemains::Review,
    ];

    (proptest::sample::select(rules.to_vec()), any::<bool>()).prop_map(
        |(canceled_with_remains, failed_for_good)| SettlementRules {
            canceled_with_remains,
            failed_for_good,
        },
    )
}

/// What an order has given back after a whole history, and the last target that it was brought to.
fn lived(
    bought: Bought,
    history: &[(PanelStatus, Option<i64>, u32)],
    rules: SettlementRules,
    clawback: bool,
) -> (GivenBack, Option<Money>) {
    let (mut stand, mut last) = (GivenBack::default(), None);
    for (status, remains, kept) in history {
        let report = said(*status, *remains, &kept.to_string());
        if let SettlementOutcome::End(Ending {
            target, delivered, ..
        }) = settled(bought, &report, rules)
        {
            assert!(target <= bought.charge && !target.is_negative() && delivered <= bought.units);
            let can_give = if clawback { bought.charge } else { Money::ZERO };
            let step = moves(bought.charge, stand, target, can_give).unwrap();

            let after = stand
                .refunded
                .plus(step.refund)
                .unwrap()
                .minus(step.clawback)
                .unwrap();

            assert_eq!(
                after, step.after.refunded,
                "what stands given back is what was moved"
            );

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
        history in prop::collection::vec(any_report(), 1..8),
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

#[test]
fn a_charge_that_rounds_to_nothing_keeps_no_less_than_one_that_is_told() {
    let cheap = bought("0.004", 100, false);
    let outcome =
        |status, remains, charge| target(settled(cheap, &said(status, remains, charge), USUAL));
    let canceled = |remains, charge| outcome(PanelStatus::Canceled, remains, charge);
    assert_eq!(canceled(Some(1), "0.00"), "partial 0.00004");
    assert_eq!(canceled(Some(1), "0"), "partial 0.00004");
    assert_eq!(canceled(Some(100), "0.00"), "canceled 0.004");
    assert_eq!(canceled(None, "0.00"), "canceled 0.004");
    assert!(
        canceled(Some(0), "0.00").starts_with("Contradiction"),
        "all of it may be delivered"
    );
    assert_eq!(
        canceled(Some(1), "0.0000"),
        "canceled 0.004",
        "it could be shown, and is not kept"
    );

    let report = said(PanelStatus::Completed, Some(0), "0.00");
    let stated = report.stated(ExchangeRate::parse("1").unwrap(), "USD");
    let taken = TakenCharge {
        expected: cheap.charge,
        stated,
    };
    let cost = final_cost(cheap, taken, &report, 100).unwrap();
    assert_eq!(
        cost.amount, cheap.charge,
        "what it costs is known better than it is told"
    );
}
