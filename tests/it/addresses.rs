//! One name, one panel after another: their ids of orders are not one another's, and nothing follows from a likeness.

use panelgate::domain::id::OrderId;
use panelgate::orders::resolve::Resolved;

use crate::books::{legs, read, reviews, run};
use crate::resolve::{accepted, decide};
use crate::world::{Plan, World};

/// A panel of which the operator knows that ids grow and that the account is ours alone.
const KNOWN: &str = "ids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = 300";

async fn sold(world: &World) -> i32 {
    let order = world.buy("1", "100").await;
    world.work().await;
    order
}

/// The first order's leg had ids beginning with this one, at that address.
async fn had(world: &World, address: &str, from: u64, ids: u64) {
    let rows = format!(
        "insert into panel_order (provider, address, id, leg_id)
        select 'a', '{address}', id::text, (select min(id) from leg) from generate_series({from}, {from} + {ids} - 1) as id"
    );
    run(&world.database, &rows).await.unwrap();
}

fn last_id(world: &World) -> u64 {
    world.panel().orders().last().unwrap().id.parse().unwrap()
}

#[tokio::test]
async fn an_order_that_the_panel_shows_is_not_taken_for_one_of_the_panel_before() {
    let world = World::build(Plan { provider: KNOWN, ..Plan::default() }).await;
    sold(&world).await;
    world.turn(11);
    world.panel().set_faults("drop".parse().unwrap());
    let order = sold(&world).await;
    world.panel().set_faults("".parse().unwrap());
    let id = last_id(&world);
    had(&world, "before.example", id, 1).await;
    world.turn(11);
    sold(&world).await;
    world.turn(320);
    sold(&world).await;
    world.pass(2, 300).await;
    let looks = read(&world.database, "select string_agg(distinct verdict || ': ' || words, '; ') from rung").await;
    assert_eq!(looks, "unknown: an order was found under an id that one of ours had at another address");
    assert!(legs(&world.database).await.contains("in_doubt") && world.status(order).await.contains("Processing"));
    assert_eq!(decide(&world, order, &accepted(&id.to_string())).await, Resolved::Done);
    world.pass(3, 10).await;
    assert!(world.status(order).await.contains("Completed"));
    assert_eq!(world.panel().requests()["add"], 4);
    world.audit().await;
}

#[tokio::test]
async fn an_id_that_an_order_had_at_the_panel_before_is_free_at_this_one() {
    let world = World::open().await;
    sold(&world).await;
    had(&world, "before.example", last_id(&world) + 1, 50).await;
    sold(&world).await;
    assert_eq!(legs(&world.database).await, "a accepted, a accepted");
    world.pass(3, 10).await;
    assert_eq!(legs(&world.database).await, "a ended, a ended");
    world.audit().await;
}

#[tokio::test]
async fn an_id_of_which_nobody_kept_the_panel_is_free_once_its_owner_is_over_and_a_person_says_so() {
    let world = World::open().await;
    let first = sold(&world).await;
    had(&world, "", last_id(&world) + 1, 50).await;
    let second = sold(&world).await;
    let id = accepted(&last_id(&world).to_string());
    assert_eq!(legs(&world.database).await, "a accepted, a in_doubt");
    assert_eq!(reviews(&world.database).await, "the panel gave an id that another of our orders has");
    assert_eq!(decide(&world, second, &id).await, Resolved::TakenId(OrderId(first)));
    world.pass(80, 3_600).await;
    assert_eq!(legs(&world.database).await, "a ended, a in_doubt");
    assert_eq!(read(&world.database, "select count(*)::text from watch").await, "0");
    assert_eq!(decide(&world, second, &id).await, Resolved::Done);
    world.pass(3, 10).await;
    assert_eq!(legs(&world.database).await, "a ended, a ended");
    world.audit().await;
}
