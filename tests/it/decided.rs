//! Decided by hand: settled, given back, taken back; what a person gave is never taken, and nothing
//! happens twice.

use panelgate::domain::id::{OrderId, ProviderId};
use panelgate::domain::leg::LegState;
use panelgate::domain::money::Money;
use panelgate::orders::decide::{self, Decided, Decision, SettlementFinding, allowed};
use panelgate::orders::withdraw::{self, Withdrawn};
use panelgate::store::show::{self, OrderFilter};

use crate::books::{holds, legs, read};
use crate::scripted::Scripted;
use crate::world::World;

const RUNNING: &str =
    r#"{"charge":"0.09","start_count":"1","status":"In progress","remains":"80"}"#;

async fn stands(world: &World) -> String {
    let question = "select concat_ws(' ', state, trim_scale(refunded), trim_scale(by_hand), \
                    remains) from orders";
    read(&world.database, question).await
}

async fn settle(world: &World, order: i32, found: SettlementFinding) -> Decided {
    let mut tx = world.house.store.begin().await.unwrap();
    let decided = decide::settle(&mut tx, OrderId(order), found, world.house.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    world.audit().await;
    decided
}

async fn give_back(world: &World, order: i32, amount: &str, reason: &str) -> Decided {
    let amount = Money::parse(amount).unwrap();
    let mut tx = world.house.store.begin().await.unwrap();
    let decided = decide::give_back(
        &mut tx,
        OrderId(order),
        amount,
        reason,
        world.house.clock.now(),
    )
    .await
    .unwrap();

    tx.commit().await.unwrap();
    world.audit().await;
    decided
}

async fn withdraw(world: &World, order: i32) -> Withdrawn {
    let mut tx = world.house.store.begin().await.unwrap();
    let came = withdraw::unsent(
        &mut tx,
        OrderId(order),
        "taken back",
        world.house.clock.now(),
    )
    .await
    .unwrap();

    tx.commit().await.unwrap();
    world.audit().await;
    came
}

fn done(refunded: &str) -> Decided {
    Decided::Done(Money::parse(refunded).unwrap())
}

#[tokio::test]
async fn an_order_is_settled_as_a_person_found_it_and_its_panel_asked_no_more() {
    let panel = Scripted::saying(RUNNING).await;
    for (found, expected, cost) in [
        // The panel stated 0.09, which nobody rewrites.
        (
            SettlementFinding::Delivered(40),
            "partial 0.054 0 60",
            "-0.09",
        ),
        (
            SettlementFinding::Delivered(100),
            "completed 0 0 0",
            "-0.09",
        ),
        (SettlementFinding::Completed, "completed 0 0 0", "-0.09"),
    ] {
        let world = panel.world().await;
        let order = world.buy("1", "100").await;
        world.work().await;
        world.pass(1, 10).await;
        assert_eq!(
            settle(&world, order, SettlementFinding::Delivered(101)).await,
            Decided::TooMany(100)
        );
        assert!(matches!(
            settle(&world, order, found).await,
            Decided::Done(_)
        ));
        assert_eq!(
            (
                stands(&world).await.as_str(),
                holds(&world.database, "cost").await.as_str()
            ),
            (expected, cost)
        );
        let asked = panel.requests("status");
        world.pass(10, 36_000).await;
        assert_eq!(panel.requests("status"), asked);
        assert_eq!(stands(&world).await, expected);
    }
}

#[tokio::test]
async fn what_no_panel_has_is_not_settled_and_a_package_not_in_part() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let order = world.buy("2", "1").await;
    assert_eq!(
        settle(&world, order, SettlementFinding::Completed).await,
        Decided::NotAtPanel
    );

    assert_eq!(
        settle(&world, 999, SettlementFinding::Completed).await,
        Decided::Unknown
    );

    world.work().await;
    assert_eq!(
        settle(&world, order, SettlementFinding::Delivered(1)).await,
        Decided::Package
    );

    assert_eq!(
        settle(&world, order, SettlementFinding::Canceled).await,
        cancel_asked("1.50")
    );
}

fn cancel_asked(refunded: &str) -> Decided {
    Decided::CancelAsked {
        refunded: Money::parse(refunded).unwrap(),
        provider: ProviderId("s".into()),
    }
}

#[tokio::test]
async fn what_a_panel_still_works_on_is_given_back_asked_to_be_canceled_and_followed() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(
        settle(&world, order, SettlementFinding::Canceled).await,
        cancel_asked("0.09")
    );

    assert_eq!(stands(&world).await, "canceled 0.09 0.09 100");

    world.pass(2, 10).await;
    assert_eq!(panel.requests("cancel"), 1, "it is asked to cancel");
    world.audit().await;
    panel.change(|script| {
        script.row = r#"{"charge":"0.09","status":"Completed","remains":"0"}"#.to_owned();
    });

    world.pass(2, 10).await;

    // The customer keeps what was given, and what the panel took is booked.
    assert_eq!(
        read(
            &world.database,
            "select trim_scale(refunded)::text from orders"
        )
        .await,
        "0.09"
    );

    assert_eq!(holds(&world.database, "cost").await, "-0.09");
    world.audit().await;
}

#[tokio::test]
async fn a_cost_that_no_panel_stated_is_a_persons_word() {
    let panel = Scripted::saying(r#"{"status":"In progress","remains":"100"}"#).await;
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert!(matches!(
        settle(&world, order, SettlementFinding::Delivered(40)).await,
        Decided::Done(_)
    ));

    assert_eq!(holds(&world.database, "cost").await, "-0.036");
    assert_eq!(
        read(
            &world.database,
            "select string_agg(said::text, ' ' order by id) from balance_move"
        )
        .await,
        "true false"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_settled_order_can_be_settled_again_and_takes_nothing_from_the_customer() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(
        settle(&world, order, SettlementFinding::Delivered(1)).await,
        done("0.0891")
    );

    assert_eq!(
        settle(&world, order, SettlementFinding::Delivered(50)).await,
        done("0.0891")
    );

    assert_eq!(holds(&world.database, "write_off").await, "-0.0441");
    assert_eq!(
        settle(&world, order, SettlementFinding::Delivered(1)).await,
        done("0.0891")
    );

    assert_eq!(holds(&world.database, "write_off").await, "0");
}

#[tokio::test]
async fn what_a_person_gave_is_the_least_that_stays_given() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(give_back(&world, order, "0.04", "late").await, done("0.04"));
    assert_eq!(
        give_back(&world, order, "0.04", "late").await,
        Decided::DoneBefore
    );

    assert_eq!(
        give_back(&world, order, "0.06", "later").await,
        Decided::TooMuch(Money::parse("0.05").unwrap())
    );

    assert_eq!(
        give_back(&world, 999, "0.06", "later").await,
        Decided::Unknown
    );

    assert_eq!(stands(&world).await, "processing 0.04 0.04 100");
    panel.change(|script| {
        script.row = RUNNING
            .replace("In progress", "Partial")
            .replace("80", "20");
    });

    world.pass(1, 10).await;
    assert_eq!(
        stands(&world).await,
        "partial 0.04 0.04 20",
        "0.018 is less than what was given"
    );

    panel.change(|script| script.row = RUNNING.replace("In progress", "Partial"));
    world.pass(1, 3_600).await;
    assert_eq!(stands(&world).await, "partial 0.072 0.04 80");
    assert_eq!(
        give_back(&world, order, "0.018", "goodwill").await,
        done("0.09")
    );

    world.audit().await;
}

#[tokio::test]
async fn an_order_that_was_not_sent_is_taken_back_whole_and_never_sent() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    let (house, asked) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(asked).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(asked, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    assert_eq!(
        withdraw(&world, order).await,
        Withdrawn::Done,
        "in a dispatcher's hands, but not sent"
    );

    house.delivery.send(asked, &leg, epoch).await.unwrap();
    world.pass(2, 60).await;
    assert_eq!(
        (panel.requests("add"), stands(&world).await.as_str()),
        (0, "canceled 0.09 0 100")
    );

    assert_eq!(legs(&world.database).await, "s canceled");
    assert!(world.balance().await.contains(r#""1000.00""#));
    assert_eq!(withdraw(&world, order).await, Withdrawn::Sent);
    let sent = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(withdraw(&world, sent).await, Withdrawn::Sent);
}

#[tokio::test]
async fn twenty_withdrawals_and_a_dispatcher_end_in_one_of_two_ways() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    for _ in 0..10 {
        world.buy("1", "100").await;
        let order: i32 = read(&world.database, "select max(id)::text from orders")
            .await
            .parse()
            .unwrap();

        let taking = (0..4).map(|_| withdraw(&world, order));
        let before = panel.requests("add");
        let (took, ()) = tokio::join!(futures_util::future::join_all(taking), world.work());
        let sent = panel.requests("add") - before;
        let taken = took.iter().filter(|came| **came == Withdrawn::Done).count();
        assert_eq!(sent + taken, 1, "either sent once or taken back once");
    }

    world.audit().await;
}

#[test]
fn only_what_can_be_decided_is_offered() {
    let offered = |leg, unknown_there, package| {
        let decisions = allowed(leg, unknown_there, package, false);
        decisions
            .iter()
            .map(|decision| decision.command(OrderId(7), None))
            .collect::<Vec<_>>()
            .join(" | ")
    };

    for state in LegState::ALL {
        let expected = match state {
            LegState::Ready | LegState::Leased | LegState::Parked => {
                "order cancel 7 | order reroute 7"
            }
            LegState::InDoubt | LegState::WrittenOff => {
                "order resolve 7 accepted PANEL_ORDER | order resolve 7 not-placed --reason TEXT"
            }
            LegState::Accepted | LegState::Ended => {
                "order settle 7 --completed | order settle 7 --canceled | order settle 7 \
                 --delivered N"
            }
            LegState::Sending | LegState::Refused | LegState::Canceled => "",
        };

        assert_eq!(offered(state, false, false), expected, "{state:?}");
    }

    assert!(offered(LegState::Accepted, true, false).starts_with("order resolve 7 accepted"));
    assert!(!offered(LegState::Accepted, false, true).contains("delivered"));
    assert!(allowed(LegState::Refused, false, false, true).contains(&Decision::Refund));
}

#[tokio::test]
async fn the_list_for_a_person_holds_doubts_and_what_no_machine_settles() {
    let panel = Scripted::saying(r#"{"charge":"0.09","status":"Partial","remains":"500"}"#).await;
    let world = panel.world().await;
    let puzzling = world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;
    panel.change(|script| script.add = Some("<html>".to_owned()));

    let doubtful = world.buy("1", "100").await;
    world.work().await;
    panel.change(|script| script.add = None);
    world.buy("1", "100").await;
    world.work().await;
    let wanted = OrderFilter {
        state: Some("review".to_owned()),
        ..OrderFilter::default()
    };

    let listed: Vec<_> = show::list_orders(&world.house.store, &wanted)
        .await
        .unwrap()
        .iter()
        .map(|row| row.id.0)
        .collect();

    assert_eq!(listed, [doubtful, puzzling]);
}

#[tokio::test]
async fn what_was_given_up_and_does_not_end_at_its_panel_is_told() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;
    assert_eq!(
        settle(&world, order, SettlementFinding::Canceled).await,
        cancel_asked("0.09")
    );

    world.pass(2, 36 * 3_600 + 60).await;
    let looked = world
        .house
        .delivery
        .look_for_stuck()
        .await
        .unwrap()
        .unwrap();

    assert_eq!(
        looked.stuck, 1,
        "it costs the house, and nobody else would say so"
    );

    let review = read(&world.database, "select coalesce(review, '') from orders").await;
    assert!(review.contains("has not moved"), "{review}");
    world.house.alerts.look().await.unwrap();
    let told = "select count(*)::text from alert where kind = 'orders_stuck' and over_at is null";
    assert_eq!(read(&world.database, told).await, "1");
    world.audit().await;

    assert!(matches!(
        settle(&world, order, SettlementFinding::Completed).await,
        Decided::Done(_)
    ));

    assert_eq!(
        read(&world.database, "select coalesce(review, '') from orders").await,
        ""
    );
}
