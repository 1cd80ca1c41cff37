//! What explains a difference in a panel's balance: one order, several together, each twice, a
//! person's settlement, money that came back, or nobody of ours.

use panelgate::domain::float::{Drift, DriftCause};
use panelgate::domain::id::OrderId;
use panelgate::orders::decide::{self, SettlementFinding};
use rstest::rstest;

use crate::books::read;
use crate::scripted::Scripted;
use crate::world::World;

/// Between two readings, in seconds.
const READING_EVERY: i64 = 300;

/// A panel that delivers at once and names no charge: each order costs what its list says, 0.90 per
/// 1,000.
const DELIVERED: &str = r#"{"status":"Completed","remains":"0"}"#;
const RUNNING: &str = r#"{"status":"In progress","remains":"100"}"#;

/// Reads this balance, and what follows from it.
async fn read_balance(panel: &Scripted, world: &World, balance: &str) -> Vec<Drift> {
    let said = format!("{{\"balance\":\"{balance}\",\"currency\":\"USD\"}}");
    panel.change(|script| script.balance = said);
    let asked = &world.house.panels[0];
    world.house.delivery.hold(asked).await.unwrap();
    world.house.delivery.ask_balance(asked).await.unwrap();
    world.house.treasury.judge(asked.settings()).await.unwrap()
}

/// What is found of a balance that stays so: nothing stands by one look.
async fn found_of(panel: &Scripted, world: &World, balance: &str) -> Drift {
    // Of an order whose charge is not told, only the list says what it cost.
    world.house.refresh().await.unwrap();
    let mut found = Vec::new();

    for _ in 0..4 {
        world.pass(1, READING_EVERY).await;
        found.extend(read_balance(panel, world, balance).await);
    }

    assert_eq!(found.len(), 1, "told once: {found:?}");
    found.remove(0)
}

#[rstest]
#[case::one(&["100", "300", "500"], "998.92000000", DriftCause::OrderCost, &[2])]
#[case::two_together(&["100", "300", "500"], "998.83000000", DriftCause::OrderCost, &[1, 2])]
#[case::three_together(&["100", "200", "400", "800"], "998.02000000", DriftCause::OrderCost, &[1, 2, 3])]
#[case::each_twice(&["100", "300"], "999.28000000", DriftCause::Doubled, &[1, 2])]
#[case::somebody_elses(&["100", "300"], "990.00000000", DriftCause::Outside, &[1, 2])]
#[case::nobody_knows(&["100", "300"], "999.57654321", DriftCause::Unexplained, &[1, 2])]
#[case::paid_back(&["100", "300"], "999.91000000", DriftCause::PaidBack, &[2])]
#[case::paid_in(&["100", "300"], "1049.64000000", DriftCause::TopUp, &[])]
#[tokio::test]
async fn a_difference_is_laid_on_what_it_fits(
    #[case] bought: &[&str],
    #[case] balance: &str,
    #[case] cause: DriftCause,
    #[case] orders: &[i32],
) {
    let panel = Scripted::saying(DELIVERED).await;
    let world = panel.world().await;
    read_balance(&panel, &world, "1000.00000000").await;
    world.turn(1);

    for units in bought {
        world.buy("1", units).await;
    }

    world.pass(2, 10).await;
    let drift = found_of(&panel, &world, balance).await;
    let named: Vec<i32> = drift.orders.iter().map(|order| order.0).collect();
    assert_eq!(
        (drift.cause, named.as_slice()),
        (cause, orders),
        "{}",
        drift.words
    );

    world.audit().await;
}

#[tokio::test]
async fn what_a_person_settled_wrongly_is_the_persons_word_and_not_the_panels() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    read_balance(&panel, &world, "1000.00000000").await;
    world.turn(1);
    let order = OrderId(world.buy("1", "100").await);
    world.pass(2, 10).await;

    let mut tx = world.house.store.begin().await.unwrap();
    decide::settle(
        &mut tx,
        order,
        SettlementFinding::Delivered(40),
        world.house.clock.now(),
    )
    .await
    .unwrap();

    tx.commit().await.unwrap();

    // It delivered all of it, and took all of it.
    let drift = found_of(&panel, &world, "999.91000000").await;
    assert_eq!(
        (drift.cause, drift.orders.as_slice()),
        (DriftCause::ByHand, [order].as_slice()),
        "{}",
        drift.words
    );

    assert!(!drift.words.contains("the panel said"), "{}", drift.words);
}

#[tokio::test]
async fn money_that_may_have_come_back_is_told_until_a_person_takes_note() {
    let panel = Scripted::saying(DELIVERED).await;
    let world = panel.world().await;
    read_balance(&panel, &world, "1000.00000000").await;
    world.turn(1);
    world.buy("1", "300").await;
    world.pass(2, 10).await;

    found_of(&panel, &world, "1000.00000000").await;
    let open = "select coalesce(string_agg(kind || ' ' || object, ', '), '') from alert where \
                over_at is null";
    world.house.alerts.look().await.unwrap();
    assert_eq!(read(&world.database, open).await, "paid_back s");

    let id: i64 = read(&world.database, "select id::text from drift")
        .await
        .parse()
        .unwrap();

    let mut tx = world.house.store.begin().await.unwrap();
    let noted = panelgate::store::drifts::acknowledge_drift(&mut tx, id, world.house.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    assert_eq!(noted, Some(true));
    world.house.alerts.look().await.unwrap();
    assert_eq!(read(&world.database, open).await, "");
}
