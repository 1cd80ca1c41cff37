//! One name, one panel after another: their ids of orders are not one another's, and nothing
//! follows from a likeness.

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
        select 'a', '{address}', id::text, (select min(id) from leg) from generate_series({from}, \
         {from} + {ids} - 1) as id"
    );

    run(&world.database, &rows).await.unwrap();
}

/// Asserts that the books hold but for what [`had`] laid into them: a leg had one id and one only.
async fn audit(world: &World) {
    let made_up = "delete from panel_order p using leg l where l.id = p.leg_id and l.panel_order \
                   is distinct from p.id";
    run(&world.database, made_up).await.unwrap();
    world.audit().await;
}

fn last_id(world: &World) -> u64 {
    world.panel().orders().last().unwrap().id.parse().unwrap()
}

#[tokio::test]
async fn an_order_that_the_panel_shows_is_not_taken_for_one_of_the_panel_before() {
    let world = World::build(Plan {
        provider: KNOWN,
        ..Plan::default()
    })
    .await;

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

    let looks = read(
        &world.database,
        "select string_agg(distinct verdict || ': ' || words, '; ') from doubt_check",
    )
    .await;

    assert_eq!(
        looks,
        "unknown: an order was found under an id that one of ours had at another address"
    );

    assert!(
        legs(&world.database).await.contains("in_doubt")
            && world.status(order).await.contains("Processing")
    );

    assert_eq!(
        decide(&world, order, &accepted(&id.to_string())).await,
        Resolved::Done
    );

    world.pass(3, 10).await;
    assert!(world.status(order).await.contains("Completed"));
    assert_eq!(world.panel().requests()["add"], 4);
    audit(&world).await;
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
    audit(&world).await;
}

#[tokio::test]
async fn an_id_of_which_nobody_kept_the_panel_is_free_once_its_owner_is_over_and_a_person_says_so()
{
    let world = World::open().await;
    let first = sold(&world).await;
    had(&world, "", last_id(&world) + 1, 50).await;
    let second = sold(&world).await;
    let id = accepted(&last_id(&world).to_string());
    assert_eq!(legs(&world.database).await, "a accepted, a in_doubt");
    assert_eq!(
        reviews(&world.database).await,
        "the panel gave an id that another of our orders has"
    );
    assert_eq!(
        decide(&world, second, &id).await,
        Resolved::TakenId(OrderId(first))
    );
    world.pass(80, 3_600).await;
    assert_eq!(legs(&world.database).await, "a ended, a in_doubt");
    assert_eq!(
        read(&world.database, "select count(*)::text from tracked_leg").await,
        "0"
    );
    assert_eq!(decide(&world, second, &id).await, Resolved::Done);
    world.pass(3, 10).await;
    assert_eq!(legs(&world.database).await, "a ended, a ended");
    audit(&world).await;
}

/// An order that got its id at the address before, and one whose answer was lost at the present
/// one, which gave it the same id; so many units each.
async fn id_given_twice(block: &'static str, first: &str, lost: &str) -> (World, i32, i32) {
    let world = World::build(Plan {
        provider: block,
        ..Plan::default()
    })
    .await;

    let old = world.buy("7", first).await;
    world.work().await;
    world.panel().set_faults("drop".parse().unwrap());
    let doubt = world.buy("7", lost).await;
    world.work().await;
    world.panel().set_faults("".parse().unwrap());

    let id = last_id(&world);
    let moved = format!(
        "update panel_order set address = 'before.example', id = '{id}';
        update attempt set address = 'before.example', account = 'before' where verdict = \
         'accepted';
        update tracked_leg set panel_order = '{id}';
        update leg set panel_order = '{id}' where state = 'accepted'"
    );

    run(&world.database, &moved).await.unwrap();
    assert_eq!(legs(&world.database).await, "a accepted, a in_doubt");
    (world, old, doubt)
}

const NOT_BELIEVED: &str = "the panel's address changed since, and this id may be an order's that \
                            is in doubt there: decide that one first, then this one goes on by \
                            itself";

#[tokio::test]
async fn an_end_that_may_be_a_doubts_at_the_new_address_moves_no_money_before_the_doubt_is_over() {
    let (world, old, doubt) = id_given_twice("", "100", "100").await;
    world.pass(6, 10).await;

    // Service 7 ends canceled: the order at the address before would be given back for what befell
    // the other.
    assert_eq!(legs(&world.database).await, "a accepted, a in_doubt");
    assert_eq!(reviews(&world.database).await, NOT_BELIEVED);

    assert!(
        !world.status(old).await.contains("Canceled"),
        "{}",
        world.status(old).await
    );

    // Nor is a cancel asked for under that id.
    world
        .ask(&[("action", "cancel"), ("order", &old.to_string())])
        .await;

    world.pass(2, 10).await;
    assert_eq!(world.panel().requests().get("cancel"), None);

    // The doubt had that id. From here on the id is known to be another's, and the order before
    // waits for a person.
    assert_eq!(
        decide(&world, doubt, &accepted(&last_id(&world).to_string())).await,
        Resolved::Done
    );

    world.pass(3, 60).await;
    assert_eq!(legs(&world.database).await, "a accepted, a ended");

    assert!(
        reviews(&world.database)
            .await
            .starts_with("the panel gave the order's id to another one")
    );

    audit(&world).await;
}

#[tokio::test]
async fn an_order_of_a_panel_that_only_moved_goes_on_by_itself_once_the_doubt_is_over() {
    let (world, old, doubt) = id_given_twice("", "100", "100").await;
    world.pass(6, 10).await;
    assert_eq!(reviews(&world.database).await, NOT_BELIEVED);

    assert_eq!(
        decide(
            &world,
            doubt,
            &panelgate::orders::resolve::DoubtFinding::NotPlaced
        )
        .await,
        Resolved::Done
    );

    world.pass(3, 300).await;
    assert!(world.status(old).await.contains("Canceled"));
    assert_eq!(reviews(&world.database).await, "");
    audit(&world).await;
}

/// What cannot be the doubt's is believed: a panel that merely moved its name holds nobody up.
#[rstest::rstest]
#[case::more_than_the_doubt_would_cost("", "300", "100")]
#[case::no_doubt_at_all("", "100", "")]
#[tokio::test]
async fn an_end_that_cannot_be_a_doubts_is_believed(
    #[case] block: &'static str,
    #[case] first: &str,
    #[case] lost: &str,
) {
    let world = World::build(Plan {
        provider: block,
        ..Plan::default()
    })
    .await;

    world.buy("1", first).await;
    world.work().await;

    if !lost.is_empty() {
        world.panel().set_faults("drop".parse().unwrap());
        world.buy("1", lost).await;
        world.work().await;
        world.panel().set_faults("".parse().unwrap());
    }

    run(
        &world.database,
        "update panel_order set address = 'before.example'",
    )
    .await
    .unwrap();

    world.pass(3, 10).await;
    assert!(
        legs(&world.database).await.starts_with("a ended"),
        "{}",
        legs(&world.database).await
    );

    assert_eq!(reviews(&world.database).await, "");
}

#[tokio::test]
async fn where_ids_grow_an_id_outside_of_the_doubts_gap_is_believed() {
    let world = World::build(Plan {
        provider: KNOWN,
        ..Plan::default()
    })
    .await;

    sold(&world).await;

    // Nobody asks about it before the doubt is there.
    run(
        &world.database,
        "update tracked_leg set next_at = '2100-01-01'",
    )
    .await
    .unwrap();

    world.turn(20);
    sold(&world).await;
    world.panel().set_faults("drop".parse().unwrap());
    sold(&world).await;
    world.panel().set_faults("".parse().unwrap());
    world.turn(1);

    sold(&world).await;

    // The first one's id lies before all that the new address gave.
    run(
        &world.database,
        "update panel_order set address = 'before.example' where leg_id = (select min(id) from \
         leg)",
    )
    .await
    .unwrap();

    run(
        &world.database,
        "update tracked_leg set next_at = accepted_at",
    )
    .await
    .unwrap();

    world.pass(3, 10).await;
    assert_eq!(
        legs(&world.database).await,
        "a ended, a ended, a in_doubt, a ended"
    );
}

#[tokio::test]
async fn an_id_under_which_another_was_taken_late_is_that_ones() {
    let (world, old, _) = id_given_twice("", "100", "100").await;
    let id = last_id(&world);
    let late = format!(
        "update leg set state = 'refused', late_order = '{id}', late_at = now() where state = \
         'in_doubt'"
    );

    run(&world.database, &late).await.unwrap();
    world.pass(6, 10).await;
    assert_eq!(legs(&world.database).await, "a accepted, a refused");
    assert!(
        reviews(&world.database).await.starts_with(NOT_BELIEVED),
        "{old}"
    );
}
