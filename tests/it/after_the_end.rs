//! After the end: panels think better of what they said, for three days; what was given back
//! follows their last word.

use crate::books::{holds, read};
use crate::scripted::Scripted;
use crate::world::World;

const HOUR: i64 = 3_600;

fn row(status: &str, charge: &str, remains: &str) -> String {
    format!(
        r#"{{"charge":"{charge}","start_count":"1","status":"{status}","remains":"{remains}"}}"#
    )
}

/// An order of 100 units at 0.09 that ended so.
async fn ended(panel: &Scripted, block: &str, status: &str, charge: &str, remains: &str) -> World {
    panel.change(|script| script.row = row(status, charge, remains));
    let world = panel.world_with(block).await;
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;
    world
}

/// State, what was given back, and what of it the house bears.
async fn stands(world: &World) -> String {
    let question =
        "select concat_ws(' ', state, trim_scale(refunded), trim_scale(absorbed)) from orders";
    read(&world.database, question).await
}

/// The panel says something else, an hour later.
async fn later(
    panel: &Scripted,
    world: &World,
    status: &str,
    charge: &str,
    remains: &str,
) -> String {
    panel.change(|script| script.row = row(status, charge, remains));
    world.pass(1, HOUR).await;
    world.audit().await;
    stands(world).await
}

#[tokio::test]
async fn an_order_that_is_over_is_looked_at_four_times_and_then_forgotten() {
    let panel = Scripted::saying("").await;
    let world = ended(&panel, "", "Completed", "0.09", "0").await;
    let asked = panel.requests("status");
    let mut hours = Vec::new();

    for hour in 1..=100 {
        let before = panel.requests("status");
        world.pass(1, HOUR).await;
        if panel.requests("status") > before {
            hours.push(hour);
        }
    }

    assert_eq!(hours, [1, 6, 24, 72]);
    assert_eq!(panel.requests("status"), asked + 4);
    assert_eq!(
        read(&world.database, "select count(*)::text from tracked_leg").await,
        "0"
    );

    assert_eq!(
        read(&world.database, "select count(*)::text from settlement").await,
        "1",
        "the same word moves nothing"
    );

    world.audit().await;
}

#[tokio::test]
async fn less_delivered_than_was_said_is_given_back() {
    let panel = Scripted::saying("").await;
    let world = ended(&panel, "", "Completed", "0.09", "0").await;
    assert_eq!(
        later(&panel, &world, "Partial", "0.054", "40").await,
        "partial 0.036 0"
    );

    assert_eq!(holds(&world.database, "cost").await, "-0.054");
    world.pass(4, HOUR).await;
    assert_eq!(
        later(&panel, &world, "Canceled", "0", "100").await,
        "canceled 0.09 0"
    );

    assert_eq!(holds(&world.database, "cost").await, "0");
    assert!(world.balance().await.contains(r#""1000.00""#));
    let amounts =
        "select string_agg(seq || ' ' || trim_scale(amount), ', ' order by seq) from settlement";
    assert_eq!(
        read(&world.database, amounts).await,
        "1 0, 2 0.036, 3 0.054"
    );
}

#[tokio::test]
async fn more_delivered_than_was_said_is_the_houses_loss() {
    let panel = Scripted::saying("").await;
    let world = ended(&panel, "", "Canceled", "0", "100").await;
    assert_eq!(
        later(&panel, &world, "Completed", "0.09", "0").await,
        "completed 0.09 0.09"
    );

    assert!(
        world.balance().await.contains(r#""1000.00""#),
        "nobody takes it from the customer"
    );

    assert_eq!(holds(&world.database, "write_off").await, "-0.09");
    assert_eq!(
        (
            holds(&world.database, "revenue").await,
            holds(&world.database, "cost").await
        ),
        ("0.09".into(), "-0.09".into())
    );

    assert_eq!(
        read(&world.database, "select reversals::text from provider").await,
        "1"
    );

    world.pass(4, HOUR).await;

    // A still later word between the two: less to bear, and nothing more to give.
    assert_eq!(
        later(&panel, &world, "Partial", "0.045", "50").await,
        "partial 0.09 0.045"
    );

    assert_eq!(holds(&world.database, "write_off").await, "-0.045");
}

#[tokio::test]
async fn where_the_operator_says_so_it_is_taken_back_as_far_as_the_wallet_goes() {
    let panel = Scripted::saying("").await;
    let world = ended(&panel, "reversal = \"clawback\"\n", "Canceled", "0", "100").await;
    assert_eq!(
        later(&panel, &world, "Completed", "0.09", "0").await,
        "completed 0 0"
    );

    assert!(world.balance().await.contains(r#""999.91""#));
    let poor = "update wallet set floor = balance - 0.01, version = version";
    panel.change(|script| script.row = row("Canceled", "0", "100"));
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;

    crate::books::run(
        &world.database,
        "alter table wallet drop constraint wallet_floor_is_credit",
    )
    .await
    .unwrap();

    crate::books::run(&world.database, poor).await.unwrap();
    panel.change(|script| script.row = row("Completed", "0.09", "0"));
    world.pass(1, HOUR).await;
    let second = "select concat_ws(' ', state, trim_scale(refunded), trim_scale(absorbed)) from \
                  orders order by id desc limit 1";

    assert_eq!(
        read(&world.database, second).await,
        "completed 0.08 0.08",
        "0.01 was there to be taken"
    );

    // The books hold, but for the floor that nobody set by a credit.
    crate::books::run(&world.database, "update wallet set floor = 0")
        .await
        .unwrap();

    world.audit().await;
}

#[tokio::test]
async fn an_order_that_a_panel_reopens_is_followed_to_its_new_end() {
    let panel = Scripted::saying("").await;
    let world = ended(&panel, "", "Canceled", "0", "100").await;
    assert_eq!(
        later(&panel, &world, "In progress", "0.09", "70").await,
        "canceled 0.09 0",
        "nothing moves before it ends"
    );

    world.pass(100, HOUR).await;
    assert_eq!(
        later(&panel, &world, "Partial", "0.063", "30").await,
        "partial 0.09 0.063"
    );
}

#[tokio::test]
async fn a_failure_may_be_set_right_for_a_day_and_is_refunded_then() {
    let panel = Scripted::saying("").await;
    let world = ended(&panel, "", "Error", "0.09", "75").await;
    world.pass(23, HOUR).await;
    assert_eq!(stands(&world).await, "processing 0 0");

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from orders where review is not null"
        )
        .await,
        "0"
    );

    world.pass(2, HOUR).await;
    assert_eq!(
        stands(&world).await,
        "partial 0.0675 0",
        "less what was delivered"
    );

    let right = Scripted::saying("").await;
    let world = ended(&right, "", "Error", "0.09", "75").await;
    world.pass(10, HOUR).await;
    assert_eq!(
        later(&right, &world, "Completed", "0.09", "0").await,
        "completed 0 0"
    );

    let unclear = Scripted::saying("").await;
    let world = ended(&unclear, "", "Error", "0.09", "0").await;
    world.pass(26, HOUR).await;
    assert_eq!(stands(&world).await, "processing 0 0");
    assert_eq!(
        read(&world.database, "select review from orders").await,
        "the panel reports a failure, and not how much was delivered"
    );
}

#[tokio::test]
async fn over_delivery_refunds_nothing_and_is_counted() {
    let panel = Scripted::saying("").await;
    let world = ended(&panel, "", "Partial", "0.1", "-20").await;
    assert_eq!(stands(&world).await, "partial 0 0");
    assert_eq!(
        read(&world.database, "select over_delivered::text from provider").await,
        "1"
    );
}

#[tokio::test]
async fn a_review_is_over_when_the_panel_speaks_clearly_again() {
    let panel = Scripted::saying("").await;
    let world = ended(&panel, "", "Partial", "0.09", "101").await;
    assert!(
        read(&world.database, "select review from orders")
            .await
            .starts_with("more remains")
    );

    assert_eq!(
        later(&panel, &world, "In progress", "0.09", "50").await,
        "in_progress 0 0"
    );

    assert_eq!(read(&world.database, "select review from orders").await, "");
}
