//! Charged late, while it waits at the panel that refused it: it stays there until two minutes have
//! shown nothing.

use std::sync::atomic::Ordering;

use panelgate::domain::clock::Clock;
use panelgate::domain::id::OrderId;
use panelgate::domain::money::Money;
use panelgate::orders::decide::{self, Decided};
use rstest::rstest;

use super::{BUSY, COST, Ground};
use crate::books::{legs, read};
use crate::rerouting::typed;

/// An order that its panel refused some seconds ago, and that waits there.
async fn parked_lately() -> Ground {
    let ground = Ground::of(BUSY, 0).await.showing_late();
    ground.world.buy("1", "100").await;
    ground.world.work().await;
    ground.world.pass(1, 9).await;
    assert_eq!(legs(&ground.world.database).await, "s parked");
    ground
}

#[tokio::test]
async fn what_waits_and_was_charged_meanwhile_is_not_asked_for_again() {
    let ground = parked_lately().await;
    ground.cents.fetch_sub(COST, Ordering::SeqCst);
    ground.world.pass(30, 60).await;
    ground.is_in_doubt_there().await;
}

#[rstest]
#[case::its_panel_is_stopped(&["provider", "pause", "s"], 0)]
#[case::moved_by_a_person(&["order", "reroute", "1", "--to", "q"], 1)]
#[case::canceled_by_a_person(&["order", "cancel", "1"], 1)]
#[tokio::test]
async fn what_waits_and_was_charged_meanwhile_stays(#[case] words: &[&str], #[case] code: i32) {
    let ground = parked_lately().await;
    let world = &ground.world;
    ground.cents.fetch_sub(COST, Ordering::SeqCst);

    let done = typed(world, words).await;
    assert_eq!(done.status.code(), Some(code), "{done:?}");
    world.pass(3, 1).await;
    assert_eq!(ground.next.requests("add"), 0);

    world.pass(1, 120).await;
    ground.is_in_doubt_there().await;
}

#[rstest]
#[case::charged(COST, "s in_doubt", "999.80")]
#[case::not_charged(0, "s refused", "1000.00")]
#[tokio::test]
async fn what_its_customer_cancels_is_looked_at_first(
    #[case] takes: u32,
    #[case] then: &str,
    #[case] left: &str,
) {
    let ground = parked_lately().await;
    let world = &ground.world;

    let said = world.ask(&[("action", "cancel"), ("orders", "1")]).await;
    assert!(said.contains("\"cancel\":1"), "{said}");
    assert_eq!(legs(&world.database).await, "s in_doubt");

    // Two minutes are waited for, as if it had stayed parked.
    world.pass(3, 3).await;
    assert_eq!(legs(&world.database).await, "s in_doubt");
    ground.cents.fetch_sub(takes, Ordering::SeqCst);
    world.pass(2, 60).await;
    assert_eq!(legs(&world.database).await, then);
    assert_eq!(ground.next.requests("add"), 0);
    let wallet = world.balance().await;
    assert!(wallet.contains(left), "{wallet}");
    world.audit().await;
}

#[tokio::test]
async fn what_is_given_back_whole_is_looked_at_first() {
    let ground = parked_lately().await;
    let world = &ground.world;
    ground.cents.fetch_sub(COST, Ordering::SeqCst);

    let (mut tx, whole) = (
        world.house.store.begin().await.unwrap(),
        Money::parse("0.2").unwrap(),
    );

    let given = decide::give_back(&mut tx, OrderId(1), whole, "sorry", world.clock.now()).await;
    assert!(matches!(given, Ok(Decided::Done(_))), "{given:?}");
    tx.commit().await.unwrap();

    world.pass(3, 3).await;
    ground.is_in_doubt_there().await;
}

#[tokio::test]
async fn what_waits_and_was_not_charged_is_free_after_two_minutes() {
    let ground = parked_lately().await;
    let world = &ground.world;
    typed(world, &["provider", "pause", "s"]).await;
    world.pass(3, 1).await;
    assert_eq!(legs(&world.database).await, "s parked");

    world.pass(2, 60).await;
    assert_eq!(legs(&world.database).await, "q accepted");
    world.audit().await;
}

/// Nothing that is not told can be waited for.
#[tokio::test]
async fn what_waits_at_a_panel_that_tells_nothing_is_free_after_twelve_minutes() {
    let ground = parked_lately().await;
    let world = &ground.world;
    ground.refusing.say(|_| Some((502, "<html>".to_owned())));
    typed(world, &["provider", "pause", "s"]).await;
    world.pass(2, 60).await;
    assert_eq!(
        legs(&world.database).await,
        "s parked",
        "one answer may be lost"
    );

    let why = read(&world.database, "select reason from leg").await;
    assert!(why.contains("is not seen yet"), "{why}");
    world.pass(10, 60).await;
    assert_eq!(legs(&world.database).await, "q accepted");
    world.audit().await;
}
