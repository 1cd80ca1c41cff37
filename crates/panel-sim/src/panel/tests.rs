//! A panel's orders, from buying to their end.

use chrono::DateTime;

use super::*;
use crate::{Detail, Details, Dialect, Parameter, Settings, money::plain};

const START_S: i64 = 1_700_000_000;

fn after_ms(ms: i64) -> Moment {
    DateTime::from_timestamp(START_S, 0).unwrap() + TimeDelta::milliseconds(ms)
}

fn money(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn panel(balance: &str) -> Panel {
    Panel::new(&Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        key: "k".to_owned(),
        dialect: Dialect::Classic,
        currency: "USD",
        seed: 1,
        faults: Faults::default(),
        habits: Habits::default(),
        balance: money(balance),
        services_extra: 0,
        delivery_s: 4,
    })
}

fn buy(panel: &mut Panel, service: &str, quantity: u64) -> Result<String, Refused> {
    let wanted = Wanted {
        link: "https://example.org/a".to_owned(),
        quantity: Some(quantity.to_string()),
        details: Details::from_iter([
            (
                Parameter::Comments,
                Detail::Lines(vec!["one".to_owned(), "two".to_owned()]),
            ),
            (Parameter::AnswerNumber, Detail::Text("1".to_owned())),
        ]),
    };

    panel
        .add(service, wanted, after_ms(0))
        .map(|placed| placed.told.to_string())
}

fn at(panel: &mut Panel, order: &str, ms: i64) -> (Status, u64, String, String) {
    panel.catch_up(after_ms(ms));
    let look = panel.look(order, after_ms(ms)).unwrap();
    (
        look.status,
        look.remains,
        plain(look.charge),
        plain(panel.balance),
    )
}

fn seen(
    status: Status,
    remains: u64,
    charge: &str,
    balance: &str,
) -> (Status, u64, String, String) {
    (status, remains, charge.to_owned(), balance.to_owned())
}

#[test]
fn an_order_passes_from_pending_to_completed() {
    let mut panel = panel("10");
    let order = buy(&mut panel, "1", 1_000).unwrap();
    assert_eq!(
        at(&mut panel, &order, 999),
        seen(Status::Pending, 1_000, "0.90", "9.10")
    );

    assert_eq!(
        at(&mut panel, &order, 1_000),
        seen(Status::InProgress, 750, "0.90", "9.10")
    );

    assert_eq!(
        at(&mut panel, &order, 3_999),
        seen(Status::InProgress, 1, "0.90", "9.10")
    );

    assert_eq!(
        at(&mut panel, &order, 4_000),
        seen(Status::Completed, 0, "0.90", "9.10")
    );
}

#[test]
fn every_type_is_charged_by_its_units() {
    let prices = [
        ("1", "0.45"),
        ("2", "1.50"),
        ("3", "0.016"),
        ("4", "2.75"),
        ("5", "1.80"),
    ];

    for (service, price) in prices {
        let mut panel = panel("10");
        let order = buy(&mut panel, service, 500).unwrap();
        let (_, _, charge, _) = at(&mut panel, &order, 0);
        assert_eq!(charge, price, "service {service}");

        assert_eq!(
            at(&mut panel, &order, 4_000).0,
            Status::Completed,
            "service {service}"
        );
    }
}

#[test]
fn partial_refunds_what_remains_and_canceled_everything() {
    let mut panel = panel("10");
    let partial = buy(&mut panel, "6", 1_000).unwrap();
    let canceled = buy(&mut panel, "7", 1_000).unwrap();
    assert_eq!(panel.balance, money("8.63"));
    assert_eq!(at(&mut panel, &canceled, 3_999).0, Status::InProgress);
    let (status, remains, charge, balance) = at(&mut panel, &partial, 4_000);
    assert_eq!((status, remains), (Status::Partial, 334));

    // 0.72 × 334 / 1000 = 0.24048 of the partial one, and the 0.65 of the canceled one.
    assert_eq!((charge.as_str(), balance.as_str()), ("0.47952", "9.52048"));
    assert_eq!(
        at(&mut panel, &canceled, 4_000),
        seen(Status::Canceled, 1_000, "0.00", "9.52048")
    );
}

#[test]
fn the_slow_one_takes_two_minutes() {
    let mut panel = panel("10");
    let order = buy(&mut panel, "10", 1_000).unwrap();
    assert_eq!(at(&mut panel, &order, 119_999).0, Status::InProgress);
    assert_eq!(at(&mut panel, &order, 120_000).0, Status::Completed);
}

#[test]
fn a_cancel_pays_for_what_was_delivered_and_only_once() {
    let mut panel = panel("10");
    let order = buy(&mut panel, "1", 1_000).unwrap();
    assert_eq!(panel.cancel(&order, after_ms(2_000)), Ok(()));
    assert_eq!(
        panel.cancel(&order, after_ms(2_000)),
        Err(Refused::Over(Status::Canceled))
    );

    assert_eq!(
        at(&mut panel, &order, 9_000),
        seen(Status::Canceled, 500, "0.45", "9.55")
    );
}

#[test]
fn a_corrected_end_refunds_the_difference() {
    let mut panel = panel("10");
    let order = buy(&mut panel, "1", 1_000).unwrap();
    assert!(panel.force(&order, Ending::Partial { remains: 100 }));
    assert_eq!(
        at(&mut panel, &order, 0),
        seen(Status::Partial, 100, "0.81", "9.19")
    );

    assert!(panel.force(&order, Ending::Canceled));
    assert_eq!(
        at(&mut panel, &order, 9_000),
        seen(Status::Canceled, 1_000, "0.00", "10.00")
    );

    assert!(panel.force(&order, Ending::Completed));
    assert_eq!(
        at(&mut panel, &order, 9_000),
        seen(Status::Completed, 0, "0.90", "9.10")
    );

    assert!(!panel.force("7", Ending::Completed));
}

#[test]
fn a_refusal_takes_nothing() {
    let mut panel = panel("0.90");
    for (service, quantity, why) in [
        ("1", 1_001, Refused::NoFunds),
        ("1", 9, Refused::BelowMinimum(10)),
        ("1", 100_001, Refused::AboveMaximum(100_000)),
        ("11", 10, Refused::Service),
        ("01", 10, Refused::Service),
    ] {
        assert_eq!(buy(&mut panel, service, quantity), Err(why));
    }

    assert_eq!(
        (panel.balance, panel.look_at_all(after_ms(0)).len()),
        (money("0.90"), 0)
    );

    assert!(buy(&mut panel, "1", 1_000).is_ok());
    assert_eq!(panel.balance, Decimal::ZERO);
}

#[test]
fn a_full_panel_takes_no_more_and_no_money() {
    let mut panel = panel("10000");
    for _ in 0..ORDERS_MAX {
        assert!(buy(&mut panel, "1", 10).is_ok());
    }

    let left = panel.balance;
    assert_eq!(buy(&mut panel, "1", 10), Err(Refused::Full));
    assert_eq!((panel.balance, left), (left, money("7750.00")));
}

#[test]
fn one_refill_at_a_time() {
    let mut panel = panel("10");
    let order = buy(&mut panel, "1", 1_000).unwrap();
    assert_eq!(
        panel.refill(&order, after_ms(0)),
        Err(Refused::NotDelivered)
    );

    panel.catch_up(after_ms(4_000));
    assert_eq!(panel.refill(&order, after_ms(4_000)), Ok(1));
    assert_eq!(
        panel.refill(&order, after_ms(4_001)),
        Err(Refused::RefillRunning)
    );

    assert_eq!(
        panel.refill_state("1", after_ms(4_001)),
        Ok(RefillState::InProgress)
    );

    assert_eq!(
        panel.refill_state("1", after_ms(8_000)),
        Ok(RefillState::Completed)
    );

    assert_eq!(
        panel.refill_state("2", after_ms(8_000)),
        Err(Refused::UnknownRefill)
    );

    assert_eq!(panel.refill(&order, after_ms(8_000)), Ok(2));
}
