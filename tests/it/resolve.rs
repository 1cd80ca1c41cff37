//! Orders in doubt, decided by a person: either way, once, and with the books right.

use panelgate::domain::clock::Clock;
use panelgate::domain::id::{OrderId, PanelOrder};
use panelgate::orders::resolve::{DoubtFinding, Resolved};

use crate::books;
use crate::world::{Plan, World, all_of, one_over};

/// An order that the panel has and whose answer was lost.
async fn in_doubt(plan: Plan) -> (World, i32) {
    let world = World::build(plan).await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert!(world.status(order).await.contains("Processing"));
    assert_eq!(books::holds(&world.database, "doubt").await, "-0.09");
    (world, order)
}

fn lost() -> Plan {
    Plan {
        panels: vec![("a", "drop")],
        services: all_of("a"),
        ..Plan::default()
    }
}

/// Decides, and says it again where it must be said twice.
pub async fn decide(world: &World, order: i32, finding: &DoubtFinding) -> Resolved {
    let resolved = decide_once(world, order, finding).await;
    if matches!(resolved, Resolved::SaidOnce { .. }) {
        return decide_once(world, order, finding).await;
    }
    resolved
}

async fn decide_once(world: &World, order: i32, finding: &DoubtFinding) -> Resolved {
    let there =
        format!("select provider from leg where order_id = {order} order by n desc limit 1");
    let there = books::read(&world.database, &there).await;
    let mut tx = world.house.store.begin().await.unwrap();

    let resolved = world
        .house
        .delivery
        .resolve(&mut tx, OrderId(order), finding, Some(&there))
        .await
        .unwrap();

    tx.commit().await.unwrap();
    resolved
}

pub fn accepted(id: &str) -> DoubtFinding {
    DoubtFinding::Accepted(PanelOrder(id.to_owned()))
}

#[tokio::test]
async fn what_the_panel_has_is_followed_to_its_end() {
    let (world, order) = in_doubt(lost()).await;
    let panel_order = world.panel().orders()[0].id.clone();
    assert_eq!(
        decide(&world, order, &accepted(&panel_order)).await,
        Resolved::Done
    );

    assert_eq!(books::holds(&world.database, "doubt").await, "0");
    world.pass(3, 10).await;
    assert!(world.status(order).await.contains("Completed"));
    assert_eq!(
        decide(&world, order, &DoubtFinding::NotPlaced).await,
        Resolved::NotInDoubt
    );

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.91","currency":"USD"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn what_the_panel_does_not_have_ends_refunded_whole() {
    let (world, order) = in_doubt(lost()).await;
    assert_eq!(
        decide(&world, order, &DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    assert!(world.status(order).await.contains("Canceled"));
    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    assert_eq!(books::holds(&world.database, "doubt").await, "0");
    assert_eq!(
        decide(&world, order, &accepted("7")).await,
        Resolved::NotInDoubt
    );

    world.audit().await;
}

#[tokio::test]
async fn what_the_panel_does_not_have_goes_by_the_next_route() {
    let panels = vec![("a", "drop"), ("b", "")];
    let (world, order) = in_doubt(Plan {
        panels,
        services: one_over(&["a", "b"]),
        ..Plan::default()
    })
    .await;

    assert_eq!(
        decide(&world, order, &DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    world.pass(3, 10).await;
    assert!(world.status(order).await.contains("Completed"));
    assert_eq!(world.panels[1].orders().len(), 1);
    world.audit().await;
}

#[tokio::test]
async fn what_the_panel_need_not_show_yet_is_said_twice_before_it_is_bought_elsewhere() {
    let panels = vec![("a", "drop"), ("b", "")];
    let plan = || Plan {
        panels: panels.clone(),
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let (world, order) = in_doubt(plan()).await;

    let Resolved::SaidOnce { visible_at, .. } =
        decide_once(&world, order, &DoubtFinding::NotPlaced).await
    else {
        panic!("an hour is visible_after_s");
    };

    assert_eq!((visible_at - world.clock.now()).num_seconds(), 3_600);
    world.work().await;

    assert_eq!(
        world.panels[1].orders().len(),
        0,
        "said once, nothing is decided"
    );

    assert_eq!(
        decide_once(&world, order, &DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    world.work().await;
    assert_eq!(world.panels[1].orders().len(), 1);

    let (world, order) = in_doubt(plan()).await;
    world.turn(3_600);

    assert_eq!(
        decide_once(&world, order, &DoubtFinding::NotPlaced).await,
        Resolved::Done,
        "late enough for one word"
    );

    world.audit().await;
}

#[tokio::test]
async fn an_id_that_another_order_has_changes_nothing() {
    let (world, first) = in_doubt(lost()).await;
    let second = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(decide(&world, first, &accepted("77")).await, Resolved::Done);
    assert_eq!(
        decide(&world, second, &accepted("77")).await,
        Resolved::TakenId(OrderId(first))
    );

    assert_eq!(books::holds(&world.database, "doubt").await, "-0.09");
    world.audit().await;
}

#[tokio::test]
async fn two_who_decide_at_once_decide_once() {
    let (world, order) = in_doubt(lost()).await;
    let id = accepted("77");
    let (one, other) = tokio::join!(
        decide(&world, order, &DoubtFinding::NotPlaced),
        decide(&world, order, &id)
    );

    let done = [&one, &other]
        .into_iter()
        .filter(|resolved| **resolved == Resolved::Done)
        .count();

    assert_eq!(done, 1, "{one:?} {other:?}");
    world.audit().await;
}

#[tokio::test]
async fn a_slip_in_the_id_can_be_decided_anew_once_the_panel_does_not_know_it() {
    let (world, order) = in_doubt(lost()).await;
    let id = world.panel().orders()[0].id.clone();
    assert_eq!(
        decide(&world, order, &accepted("a-slip")).await,
        Resolved::Done
    );

    assert_eq!(
        decide(&world, order, &accepted(&id)).await,
        Resolved::NotInDoubt,
        "the panel was not asked yet"
    );

    // Ten times, and when it must be visible by now.
    world.pass(20, 10).await;
    world.pass(1, 3_600).await;

    assert!(
        books::reviews(&world.database)
            .await
            .contains("the panel names no status of it")
    );

    assert_eq!(decide(&world, order, &accepted(&id)).await, Resolved::Done);
    world.audit().await;
    world.pass(3, 10).await;
    assert!(world.status(order).await.contains("Completed"));

    assert_eq!(
        (
            books::holds(&world.database, "doubt").await,
            books::holds(&world.database, "cost").await
        ),
        ("0".into(), "-0.09".into())
    );

    world.audit().await;
}
