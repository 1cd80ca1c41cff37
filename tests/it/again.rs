//! Asking again: where the panel knows adds by their names, a doubt ends by the question that left
//! it.

use std::sync::Arc;

use panel_sim::Simulator;
use panelgate::domain::leg::{Evidence, Verdict};
use panelgate::domain::money::Money;
use panelgate::domain::provider::PanelDialect;
use panelgate::store::leases as store;
use panelgate::upstream::Panel;

use crate::books::{holds, legs, read};
use crate::dialects::speaking;
use crate::world::{Plan, World};

async fn world() -> World {
    let provider =
        "honours_request_id = true\ndoubts_in_a_row_max = 100\ndoubts_per_minute_max = 1_000";

    speaking(
        PanelDialect::Notpanel,
        Plan {
            provider,
            ..Plan::default()
        },
    )
    .await
}

fn spoil(world: &World, faults: &str) {
    world.panel().set_faults(faults.parse().unwrap());
}

/// Buys one whose answer is lost.
async fn lost(world: &World) -> i32 {
    spoil(world, "drop");
    let order = world.buy("1", "100").await;
    world.work().await;
    spoil(world, "");
    assert_eq!(legs(&world.database).await, "a in_doubt");
    order
}

/// Buys one whose sending was marked and never happened; under its name, or without one.
async fn never_arrived(world: &World, named: bool) -> i32 {
    let order = world.buy("1", "100").await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(panel, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    let name = panel.request_id(&leg).filter(|_| named);
    let asked = store::SendIntent {
        request_id: name.as_deref(),
        ..store::SendIntent::default()
    };

    assert!(
        store::mark_sending(
            &house.store,
            &leg,
            asked,
            epoch,
            leg.cost,
            house.clock.now()
        )
        .await
        .unwrap()
    );

    let said = Evidence::without_answer(Verdict::InDoubt, "lost".to_owned());
    house
        .delivery
        .conclude(panel.settings(), leg.leg, leg.attempt, &said)
        .await
        .unwrap();

    order
}

/// What the looks at doubts showed, in order.
async fn looks(world: &World) -> String {
    read(
        &world.database,
        "select string_agg(kind || ' ' || verdict, ', ' order by id) from doubt_check",
    )
    .await
}

/// Changes what no command can.
async fn forge(world: &World, statement: &'static str) {
    sqlx::query(statement)
        .execute(&world.pool().await)
        .await
        .unwrap();
}

fn adds(world: &World) -> u64 {
    world.panel().requests().get("add").copied().unwrap_or(0)
}

async fn completes(world: &World, order: i32) {
    world.pass(3, 10).await;
    let shown = world.status(order).await;
    assert!(
        shown.contains(r#""charge":"0.09","#) && shown.contains(r#""status":"Completed""#),
        "{shown}"
    );

    assert_eq!(world.panel().orders().len(), 1, "bought once");
    assert_eq!(
        (
            holds(&world.database, "doubt").await,
            holds(&world.database, "cost").await
        ),
        ("0".into(), "-0.09".into())
    );

    world.audit().await;
}

#[tokio::test]
async fn a_lost_answer_is_heard_the_second_time_and_nothing_is_bought_twice() {
    let world = world().await;
    let order = lost(&world).await;
    world.pass(1, 119).await;
    assert_eq!(adds(&world), 1, "not before its time");
    world.pass(1, 1).await;
    assert_eq!(
        (adds(&world), looks(&world).await.as_str()),
        (2, "request_id placed")
    );

    completes(&world, order).await;
    let exchanges = "select string_agg(verdict || ' ' || left(words, 14), '; ') from attempt";
    assert_eq!(
        read(&world.database, exchanges).await,
        "accepted request_id pg-",
        "one sending, known by its name"
    );

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from transfer where reason = 'charge'"
        )
        .await,
        "1"
    );
}

#[tokio::test]
async fn what_never_arrived_is_placed_once() {
    let world = world().await;
    let order = never_arrived(&world, true).await;
    world.pass(1, 120).await;
    assert_eq!(
        (adds(&world), looks(&world).await.as_str()),
        (1, "request_id placed")
    );

    completes(&world, order).await;
}

#[tokio::test]
async fn a_refusal_of_the_second_asking_proves_nothing_of_the_first() {
    // Money, and what is sold, may be looked at before any name is.
    for spoil in [
        (|panel: &Simulator| panel.set_balance(Money::ZERO.decimal())) as fn(&Simulator),
        |panel| {
            panel.switch_service("1", false);
        },
    ] {
        let world = world().await;
        let order = never_arrived(&world, true).await;
        spoil(world.panel());
        world.pass(1, 120).await;
        assert_eq!(
            (
                looks(&world).await.as_str(),
                legs(&world.database).await.as_str()
            ),
            ("request_id unknown", "a in_doubt")
        );
        assert!(world.status(order).await.contains("Processing"));
        world.audit().await;

        world
            .panel()
            .set_balance(Money::parse("10").unwrap().decimal());
        world.panel().switch_service("1", true);
        world.pass(1, 480).await;
        completes(&world, order).await;
    }
}

#[tokio::test]
async fn what_tells_nothing_leaves_the_doubt_and_its_books_as_they_were() {
    let world = world().await;
    let order = lost(&world).await;
    let state = "select state || ' ' || trim_scale(exposed) || ' ' || doubted_at || ' ' || \
                 sending_at from leg";
    let before = read(&world.database, state).await;

    // A key is refused before any name is looked for; then the answer is lost again.
    world.panel().set_key("another");
    world.pass(1, 120).await;
    world.panel().set_key("the-panels-key");
    spoil(&world, "502");
    world.pass(1, 480).await;

    assert_eq!(
        looks(&world).await,
        "request_id unknown, request_id unknown"
    );

    assert_eq!(read(&world.database, state).await, before);
    assert_eq!(holds(&world.database, "doubt").await, "-0.09");
    world.audit().await;

    // Names are not kept for ever: later it is not asked for again.
    spoil(&world, "");
    let asked = adds(&world);
    world.pass(1, 3_000).await;

    assert_eq!(
        (adds(&world), legs(&world.database).await.as_str()),
        (asked, "a in_doubt"),
        "order {order}"
    );
}

#[tokio::test]
async fn a_name_that_means_something_else_there_is_a_persons_affair() {
    let world = world().await;
    let order = lost(&world).await;

    // As if the panel remembered another order: ours changes, its name does not.
    forge(&world, "update orders set link = link || '?'").await;
    world.pass(1, 120).await;
    assert_eq!(
        (looks(&world).await, legs(&world.database).await),
        ("request_id unknown".into(), "a in_doubt".into())
    );

    assert!(
        read(&world.database, "select review from orders")
            .await
            .contains("request_id")
    );

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );

    world.audit().await;
}

#[tokio::test]
async fn nothing_is_asked_again_that_was_not_asked_under_its_name() {
    let world = world().await;
    never_arrived(&world, false).await;
    world.pass(10, 3_600).await;
    assert_eq!(
        (adds(&world), legs(&world.database).await.as_str()),
        (0, "a in_doubt")
    );

    assert_eq!(looks(&world).await, "");
}

#[tokio::test]
async fn a_panel_to_which_nothing_may_be_sent_is_not_asked_again() {
    for (stops, goes_on) in [
        (
            "update provider set paused_at = now()",
            "update provider set paused_at = null",
        ),
        (
            "update dispatch set frozen_at = now()",
            "update dispatch set frozen_at = null",
        ),
    ] {
        let world = world().await;
        let order = lost(&world).await;
        forge(&world, stops).await;
        world.pass(1, 120).await;
        assert_eq!(adds(&world), 1, "{stops}");
        forge(&world, goes_on).await;
        world.pass(1, 480).await;
        assert_eq!(
            (adds(&world), looks(&world).await.as_str()),
            (2, "request_id placed")
        );
        completes(&world, order).await;
    }
}

#[tokio::test]
async fn who_dies_while_asking_again_leaves_the_doubt_that_there_was() {
    let world = world().await;
    let order = lost(&world).await;
    world.turn(120);

    // Taken and marked by a process of an older lease, of which nothing was heard since.
    forge(
        &world,
        "update leg set state = 'sending', epoch = 0, check_at = check_at + interval '8 minutes'",
    )
    .await;

    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();
    assert_eq!(
        house.delivery.sweep(panel.settings(), epoch).await.unwrap(),
        1
    );

    assert_eq!(
        (
            legs(&world.database).await,
            holds(&world.database, "doubt").await
        ),
        ("a in_doubt".into(), "-0.09".into())
    );

    world.audit().await;
    world.pass(1, 480).await;
    completes(&world, order).await;
}

#[tokio::test]
async fn panels_without_a_memory_are_asked_once() {
    for dialect in [PanelDialect::Classic, PanelDialect::Paynow] {
        let world = speaking(dialect, Plan::default()).await;
        lost(&world).await;
        world.pass(10, 3_600).await;

        assert_eq!(
            (adds(&world), legs(&world.database).await.as_str()),
            (1, "a in_doubt"),
            "{dialect:?}"
        );
    }
}

#[tokio::test]
async fn a_doubt_is_not_asked_for_again_at_another_account() {
    let mut world = world().await;
    lost(&world).await;

    // The block names another account of the same panel, which knows no name of the first one's
    // orders.
    let another = Panel::new(world.house.panels[0].settings().clone(), "another".into()).unwrap();
    world.panel().set_key("another");
    world.house.panels[0] = Arc::new(another.timed_by(world.clock.clone()));
    world.pass(4, 600).await;

    assert_eq!(
        (adds(&world), legs(&world.database).await.as_str()),
        (1, "a in_doubt")
    );

    let review = "it was sent under another address or key of the panel; look for it there";
    assert_eq!(
        read(&world.database, "select review from orders").await,
        review
    );

    world.audit().await;
}
