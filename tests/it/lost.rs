//! Answers lost in every way there is: one order at the panel, one charge, one doubt with its
//! evidence, and its end.

use panel_sim::{Ending, Status};
use panelgate::domain::id::OrderId;
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use panelgate::store::show;
use rstest::rstest;

use crate::books::{holds, legs as stand, reviews};
use crate::resolve::{accepted, decide};
use crate::world::{Plan, World, one_over, work_once};

/// Less than a slow panel takes, and enough for one that is not.
const TIMEOUT_MS: u32 = 1_500;

/// A world whose first panel loses every answer to an `add`.
async fn losing(fault: &'static str) -> World {
    World::build(Plan {
        panels: vec![("a", fault)],
        timeout_ms: TIMEOUT_MS,
        ..Plan::default()
    })
    .await
}

/// What a person sees of an order's tries, as `order show` tells it: verdict, HTTP status, words.
async fn evidence(world: &World, order: i32) -> Vec<(String, Option<i32>, String)> {
    let rows = show::list_attempts(&world.house.store, OrderId(order))
        .await
        .unwrap();

    assert!(rows.iter().all(|row| row.answered_at.is_some()));
    rows.into_iter()
        .map(|row| (row.verdict, row.http_status, row.words))
        .collect()
}

/// The panel's id of its order over so many units; there is exactly one.
fn at_panel(world: &World, units: u64) -> String {
    let orders = world.panel().orders();
    let mut found = orders.iter().filter(|order| order.quantity == units);
    let id = found.next().expect("the panel has it").id.clone();
    assert!(found.next().is_none(), "one order for one leg: {orders:?}");
    id
}

async fn says(world: &World, order: i32, words: &[&str]) {
    let status = world.status(order).await;
    assert!(words.iter().all(|word| status.contains(word)), "{status}");
}

/// Hours, and another process: a doubt stays one.
async fn time_passes(world: &World) {
    world.pass(3, 3_600).await;
    world.turn(11);
    let house = world.restarted().await;

    for panel in &house.panels {
        work_once(&house, panel).await;
    }
}

#[rstest]
#[case::dropped("drop", None, "")]
#[case::bad_gateway("502", Some(502), "<center>nginx</center>")]
#[case::web_page("html", Some(200), "We will be back soon")]
#[case::half_of_it("half", Some(200), r#"until then: {"order""#)]
#[case::silence("hang", None, "timed out")]
#[case::too_late("slow", None, "timed out")]
#[tokio::test]
async fn a_lost_answer_is_one_order_one_charge_and_one_doubt(
    #[case] fault: &'static str,
    #[case] http: Option<i32>,
    #[case] words: &str,
) {
    let world = losing(fault).await;
    let (first, second) = (world.buy("1", "100").await, world.buy("1", "200").await);
    world.work().await;

    for order in [first, second] {
        let tries = evidence(&world, order).await;
        let [(verdict, status, told)] = &tries[..] else {
            panic!("one try: {tries:?}")
        };

        assert_eq!((verdict.as_str(), *status), ("in_doubt", http), "{told}");
        assert!(!told.is_empty() && told.contains(words), "{told}");
    }

    time_passes(&world).await;
    assert_eq!(stand(&world.database).await, "a in_doubt, a in_doubt");
    assert_eq!(holds(&world.database, "doubt").await, "-0.27");

    assert_eq!(
        (
            world.panel().orders().len(),
            world.panel().requests()["add"]
        ),
        (2, 2)
    );

    says(
        &world,
        first,
        &[r#""charge":"0.09""#, r#""status":"Processing""#],
    )
    .await;

    says(
        &world,
        second,
        &[r#""charge":"0.18""#, r#""status":"Processing""#],
    )
    .await;

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.73","currency":"USD"}"#
    );

    assert_eq!(
        decide(&world, first, &accepted(&at_panel(&world, 100))).await,
        Resolved::Done
    );

    assert_eq!(
        decide(&world, second, &DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    world.pass(3, 20).await;
    says(
        &world,
        first,
        &[r#""charge":"0.09""#, r#""status":"Completed""#],
    )
    .await;

    says(
        &world,
        second,
        &[r#""charge":"0.00""#, r#""status":"Canceled""#],
    )
    .await;

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.91","currency":"USD"}"#
    );

    assert_eq!(
        (
            holds(&world.database, "doubt").await,
            world.panel().requests()["add"]
        ),
        ("0".into(), 2)
    );

    world.audit().await;
}

#[rstest]
#[tokio::test]
async fn what_a_person_finds_not_placed_goes_by_the_next_route_once(
    #[values("drop", "502", "html", "half", "hang", "slow", "unread*1")] fault: &'static str,
) {
    let panels = vec![("a", ""), ("b", "")];
    let services = one_over(&["a", "b"]);

    let world = World::build(Plan {
        panels,
        services,
        timeout_ms: TIMEOUT_MS,
        ..Plan::default()
    })
    .await;

    world.panel().set_faults(fault.parse().unwrap());
    let order = world.buy("1", "100").await;
    world.work().await;
    time_passes(&world).await;
    assert_eq!(stand(&world.database).await, "a in_doubt");
    assert!(
        world.panels[1].orders().is_empty(),
        "no machine sends it again"
    );

    assert_eq!(
        decide(&world, order, &DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    world.pass(3, 20).await;
    assert_eq!(stand(&world.database).await, "a refused, b ended");

    says(
        &world,
        order,
        &[r#""charge":"0.20""#, r#""status":"Completed""#],
    )
    .await;

    assert_eq!(world.panels[1].orders().len(), 1);
    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.80","currency":"USD"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn a_request_that_stayed_unread_is_a_doubt_although_nothing_was_placed() {
    let world = World::open().await;

    // The panel saw the head, and a head leaves with its body: the body was handed over, so nobody
    // here can know.
    world.panel().set_faults("unread*1".parse().unwrap());
    let order = world.buy("1", "100").await;
    world.work().await;
    let tries = evidence(&world, order).await;
    assert!(
        matches!(&tries[..], [(verdict, None, _)] if verdict == "in_doubt"),
        "{tries:?}"
    );

    time_passes(&world).await;
    assert_eq!(stand(&world.database).await, "a in_doubt");
    assert!(world.panel().orders().is_empty() && !world.panel().requests().contains_key("add"));
    says(&world, order, &[r#""status":"Processing""#]).await;
    assert_eq!(
        decide(&world, order, &DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    says(
        &world,
        order,
        &[r#""charge":"0.00""#, r#""status":"Canceled""#],
    )
    .await;

    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn an_answer_that_repeats_an_id_settles_nothing_on_the_others_account() {
    let world = World::open().await;
    let first = world.buy("1", "100").await;
    world.work().await;
    world.panel().set_faults("duplicate*1".parse().unwrap());
    let second = world.buy("1", "200").await;
    world.work().await;

    assert_eq!(stand(&world.database).await, "a accepted, a in_doubt");
    assert_eq!(
        reviews(&world.database).await,
        "the panel gave an id that another of our orders has"
    );

    let (own_of_first, own_of_second) = (at_panel(&world, 100), at_panel(&world, 200));
    let tries = evidence(&world, second).await;
    assert!(
        tries[0].2.contains(&own_of_first),
        "what the panel said is kept: {tries:?}"
    );

    world.panel().end_order(&own_of_first, Ending::Canceled);
    world.pass(2, 20).await;

    says(
        &world,
        first,
        &[r#""charge":"0.00""#, r#""status":"Canceled""#],
    )
    .await;

    says(
        &world,
        second,
        &[r#""charge":"0.18""#, r#""status":"Processing""#],
    )
    .await;

    assert_eq!(
        decide(&world, second, &accepted(&own_of_first)).await,
        Resolved::TakenId(OrderId(first))
    );

    assert_eq!(holds(&world.database, "doubt").await, "-0.18");
    world.audit().await;

    assert_eq!(
        decide(&world, second, &accepted(&own_of_second)).await,
        Resolved::Done
    );

    world.pass(2, 20).await;
    says(
        &world,
        second,
        &[r#""charge":"0.18""#, r#""status":"Completed""#],
    )
    .await;

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.82","currency":"USD"}"#
    );

    assert_eq!(world.panel().requests()["add"], 2);
    world.audit().await;
}

#[tokio::test]
async fn an_answer_with_nobodys_id_moves_no_money_until_a_person_finds_the_right_one() {
    let world = World::open().await;
    world.panel().set_faults("wrong_id*1".parse().unwrap());
    let (first, second) = (world.buy("1", "100").await, world.buy("1", "200").await);
    world.work().await;
    world.pass(30, 600).await;
    assert_eq!(stand(&world.database).await, "a accepted, a ended");

    assert!(
        world
            .panel()
            .orders()
            .iter()
            .all(|order| order.status == Status::Completed)
    );

    says(
        &world,
        first,
        &[r#""charge":"0.09""#, r#""status":"Processing""#],
    )
    .await;

    says(
        &world,
        second,
        &[r#""charge":"0.18""#, r#""status":"Completed""#],
    )
    .await;

    assert_eq!(
        reviews(&world.database).await,
        "the panel names no status of it"
    );

    assert_eq!(
        decide(&world, first, &accepted(&at_panel(&world, 200))).await,
        Resolved::TakenId(OrderId(second))
    );

    assert_eq!(
        decide(&world, first, &accepted(&at_panel(&world, 100))).await,
        Resolved::Done
    );

    world.pass(2, 20).await;
    says(
        &world,
        first,
        &[r#""charge":"0.09""#, r#""status":"Completed""#],
    )
    .await;

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.73","currency":"USD"}"#
    );

    assert_eq!(
        (
            world.panel().orders().len(),
            world.panel().requests()["add"]
        ),
        (2, 2)
    );

    world.audit().await;
}

#[tokio::test]
async fn a_slow_answer_within_the_time_is_an_answer() {
    let world = World::build(Plan {
        panels: vec![("a", "slow")],
        ..Plan::default()
    })
    .await;

    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(stand(&world.database).await, "a accepted");
    world.pass(2, 20).await;
    says(&world, order, &[r#""status":"Completed""#]).await;
    world.audit().await;
}
