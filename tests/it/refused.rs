//! Refused by a panel: nothing was placed for certain, and what follows depends on whose fault it
//! is.

use panelgate::domain::money::{Money, Rate};
use rstest::rstest;

use crate::books::{legs, read};
use crate::scripted::Scripted;
use crate::world::{Plan, World, one_over};

const WHOLE: &str = r#"{"balance":"1000.00","currency":"USD"}"#;
const CHARGED: &str = r#"{"balance":"999.91","currency":"USD"}"#;

async fn is_shown(world: &World, order: i32, shown: &str) {
    let status = world.status(order).await;
    assert!(
        status.contains(&format!(r#""status":"{shown}""#)),
        "{status}"
    );
}

/// One service over two panels, in order.
async fn two() -> World {
    let plan = Plan {
        panels: vec![("a", ""), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    World::build(plan).await
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

#[rstest]
#[case::link("Bad link")]
#[case::quantity("Quantity less than minimum 50")]
#[case::parameter("Incorrect parameter: comments")]
#[tokio::test]
async fn what_the_customer_got_wrong_ends_the_order_and_is_given_back(#[case] text: &str) {
    let panel = Scripted::saying("{}").await;
    panel.change(|script| script.add = Some(format!(r#"{{"error":"{text}"}}"#)));
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(3, 60).await;

    is_shown(&world, order, "Canceled").await;
    assert!(world.status(order).await.contains(r#""charge":"0.00""#));
    assert_eq!(world.balance().await, WHOLE);
    assert_eq!(
        (legs(&world.database).await.as_str(), panel.requests("add")),
        ("s refused", 1)
    );

    world.audit().await;
}

#[tokio::test]
async fn a_service_that_is_off_goes_by_the_next_route() {
    let world = two().await;
    world.panels[0].switch_service("1", false);
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "a refused, b accepted");
    world.pass(1, 10).await;

    is_shown(&world, order, "Completed").await;
    assert_eq!(
        (
            world.panels[0].orders().len(),
            world.panels[1].orders().len()
        ),
        (0, 1)
    );

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.80","currency":"USD"}"#,
        "charged once"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_service_that_is_off_everywhere_ends_the_order() {
    let world = two().await;
    for panel in &world.panels {
        panel.switch_service("1", false);
    }

    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "a refused, b refused");
    is_shown(&world, order, "Canceled").await;
    assert_eq!(world.balance().await, WHOLE);
    world.audit().await;
}

#[tokio::test]
async fn a_panel_without_our_money_is_left_for_the_next() {
    let world = two().await;
    world.panels[0].set_balance(money("0").decimal());
    world.count().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "a refused, b accepted");

    world.pass(1, 10).await;
    is_shown(&world, order, "Completed").await;
    world.audit().await;
}

#[tokio::test]
async fn without_another_panel_orders_wait_for_money_and_go_oldest_first() {
    let world = World::open().await;
    world.panel().set_balance(money("0").decimal());
    world.count().await;
    let mut orders = Vec::new();

    for quantity in ["100", "101", "102"] {
        orders.push(world.buy("1", quantity).await);
        world.work().await;
        world.turn(1);
    }

    assert_eq!(legs(&world.database).await, "a parked, a parked, a parked");
    world.pass(20, 10).await;

    assert_eq!(
        world.panel().requests()["add"],
        3,
        "it is not asked again before it has money"
    );

    is_shown(&world, orders[0], "Pending").await;
    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.7273","currency":"USD"}"#,
        "the charges stay"
    );

    world.audit().await;

    // Enough for the first two: 0.09 and 0.0909.
    world.panel().set_balance(money("0.1809").decimal());
    world.pass(1, 10).await;

    let sold = || {
        world
            .panel()
            .orders()
            .iter()
            .map(|order| order.quantity)
            .collect::<Vec<_>>()
    };

    assert_eq!(sold(), [100, 101]);
    is_shown(&world, orders[2], "Pending").await;
    world.panel().set_balance(money("5").decimal());
    world.pass(2, 10).await;
    assert_eq!(sold(), [100, 101, 102]);

    for order in orders {
        is_shown(&world, order, "Completed").await;
    }

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.7273","currency":"USD"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn orders_wait_for_a_key_that_works() {
    let world = World::open().await;
    world.panel().set_key("another key");
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(5, 10).await;
    assert_eq!(legs(&world.database).await, "a parked");
    assert_eq!(world.panel().requests()["add"], 1);

    is_shown(&world, order, "Pending").await;
    assert_eq!(world.balance().await, CHARGED);
    world.panel().set_key("the-panels-key");
    world.pass(2, 10).await;
    is_shown(&world, order, "Completed").await;
    assert_eq!(
        (world.panel().orders().len(), world.balance().await.as_str()),
        (1, CHARGED)
    );

    world.audit().await;
}

#[tokio::test]
async fn a_route_that_eats_the_margin_is_not_taken() {
    let world = two().await;

    // Sold at 2: the floor of 3 % leaves 1.94 for the panel.
    world.panels[1].set_rate("1", Rate::parse("1.95").unwrap().decimal());
    world.house.refresh().await.unwrap();
    crate::backup::json(&world.database, &["catalog", "accept", "b"]).await;
    world.house.catalog.adopt().await.unwrap();
    world.panels[0].set_balance(money("0").decimal());

    world.count().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(3, 10).await;
    assert_eq!(legs(&world.database).await, "a parked");
    is_shown(&world, order, "Pending").await;

    assert!(world.panels[1].orders().is_empty());
    world.panels[0].switch_service("1", false);
    world.panels[0].set_balance(money("5").decimal());
    world.pass(1, 10).await;
    is_shown(&world, order, "Canceled").await;
    assert!(world.panels[1].orders().is_empty());

    assert_eq!(world.balance().await, WHOLE);
    world.audit().await;
}

#[tokio::test]
async fn an_order_waits_while_another_runs_on_its_link() {
    let panel = Scripted::saying(r#"{"charge":"0.09","status":"Completed","remains":"0"}"#).await;
    let busy = r#"{"error":"You have active order with this link. Please wait until order being completed."}"#;
    panel.change(|script| script.add = Some(busy.to_owned()));
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;

    world.pass(5, 10).await;
    assert_eq!(
        (legs(&world.database).await.as_str(), panel.requests("add")),
        ("s parked", 4),
        "ever more rarely"
    );

    is_shown(&world, order, "Pending").await;
    assert_eq!(world.balance().await, CHARGED);
    world.audit().await;
    panel.change(|script| script.add = None);
    world.pass(5, 10).await;
    is_shown(&world, order, "Completed").await;

    assert_eq!(world.balance().await, CHARGED);
    world.audit().await;
}

#[tokio::test]
async fn a_link_that_stays_busy_for_a_day_ends_the_order() {
    let panel = Scripted::saying("{}").await;
    panel.change(|script| {
        script.add = Some(r#"{"error":"You have active order with this link"}"#.to_owned());
    });

    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(23, 3_600).await;
    is_shown(&world, order, "Pending").await;
    world.pass(1, 3_600).await;

    is_shown(&world, order, "Canceled").await;
    assert_eq!(world.balance().await, WHOLE);
    let said = "select (count(*) = 25 and bool_and(verdict = 'refused'))::text from attempt";
    assert_eq!(
        read(&world.database, said).await,
        "true",
        "every attempt is written down"
    );

    world.audit().await;
}

#[tokio::test]
async fn what_a_panel_refused_does_not_come_back_to_it_because_the_next_cannot_be_reached() {
    let plan = Plan {
        panels: vec![("a", ""), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let mut world = World::build(plan).await;
    world.panels[0].switch_service("1", false);
    world.panels.remove(1).stop().await;
    world.buy("1", "100").await;
    world.work().await;

    for wait in [1, 2, 4, 8, 16] {
        world.pass(1, wait).await;
    }

    assert_eq!(legs(&world.database).await, "a refused, b ready");
    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from attempt where provider = 'a'"
        )
        .await,
        "1"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_panel_that_has_our_money_and_says_that_it_has_not_is_asked_ever_more_rarely() {
    let panel =
        Scripted::saying(r#"{"charge":"0.09","status":"In progress","remains":"100"}"#).await;
    panel.change(|script| script.add = Some(r#"{"error":"Not enough funds"}"#.to_owned()));
    let world = panel.world().await;
    world.buy("1", "100").await;
    world.work().await;

    // Each asking may have bought: in an hour of looks every ten seconds it would be 360.
    world.pass(360, 10).await;
    let asked = panel.requests("add");
    assert!((5..=12).contains(&asked), "{asked} times");
    world.audit().await;
}
