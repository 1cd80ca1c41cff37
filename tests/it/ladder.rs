//! The ladder: what a panel still shows of an order in doubt may end the doubt; what it does not
//! show never does.

use panel_sim::Faults;
use panelgate::domain::id::PanelOrder;
use panelgate::domain::leg::{Evidence, Verdict};
use panelgate::domain::provider::RefusalClass;
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use panelgate::store::leases as store;

use crate::books::{holds, legs, read};
use crate::world::{Plan, World};

/// A panel of which the operator knows that ids grow and that the account is ours alone.
const KNOWN: &str = "ids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = \
                     300\ndoubts_in_a_row_max = 100\ndoubts_per_minute_max = 1_000";

async fn world(provider: &'static str) -> World {
    World::build(Plan {
        provider,
        ..Plan::default()
    })
    .await
}

fn faults(spec: &str) -> Faults {
    spec.parse().unwrap()
}

/// Buys and sends one, well answered.
async fn answered(world: &World, quantity: &str) -> i32 {
    let order = world.buy("1", quantity).await;
    world.work().await;
    order
}

/// Buys and sends one, whose answer is lost.
async fn lost(world: &World, quantity: &str) -> i32 {
    world.panel().set_faults(faults("drop"));
    let order = answered(world, quantity).await;
    world.panel().set_faults(faults(""));
    order
}

/// Buys one whose sending was marked and never happened.
async fn never_arrived(world: &World) -> i32 {
    let order = world.buy("1", "100").await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(panel, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    assert!(
        store::mark_sending(
            &house.store,
            &leg,
            store::SendIntent::default(),
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
        "select string_agg(verdict, ' ' order by id) from doubt_check",
    )
    .await
}

async fn words(world: &World) -> String {
    read(
        &world.database,
        "select words from doubt_check order by id desc limit 1",
    )
    .await
}

#[tokio::test]
async fn an_order_that_lies_between_its_neighbours_is_found() {
    let world = world(KNOWN).await;
    answered(&world, "100").await;
    world.turn(11);
    let order = lost(&world, "50").await;
    world.pass(1, 1).await;
    world.panel().others_buy(20);

    answered(&world, "100").await;
    world.pass(1, 119).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );

    world.pass(2, 10).await;
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(looks(&world).await, "placed");
    assert_eq!(
        (
            world.panel().orders().len(),
            holds(&world.database, "doubt").await.as_str()
        ),
        (3, "0")
    );

    world.audit().await;
}

#[tokio::test]
async fn nothing_between_neighbours_is_a_proof_when_it_would_be_visible() {
    let world = world(KNOWN).await;
    answered(&world, "100").await;
    world.turn(11);
    let order = never_arrived(&world).await;
    world.turn(11);
    answered(&world, "100").await;

    world.pass(1, 120).await;
    assert_eq!(
        (
            looks(&world).await.as_str(),
            words(&world).await.contains("visible")
        ),
        ("unknown", true)
    );

    world.turn(200);
    answered(&world, "100").await;
    world.pass(1, 280).await;
    assert_eq!(looks(&world).await, "unknown not_placed");
    assert!(world.status(order).await.contains(r#""status":"Canceled""#));
    assert!(world.status(order).await.contains(r#""charge":"0.00""#));

    assert_eq!(world.panel().requests()["add"], 3);
    world.audit().await;
}

#[tokio::test]
async fn what_a_person_takes_back_after_the_ids_is_not_decided_by_them_again() {
    let world = world(KNOWN).await;
    answered(&world, "100").await;
    world.turn(11);
    let order = never_arrived(&world).await;
    world.turn(331);
    answered(&world, "100").await;

    world.pass(1, 301).await;
    assert_eq!(legs(&world.database).await, "a ended, a refused, a ended");

    let mut tx = world.house.store.begin().await.unwrap();
    let (delivery, order_id) = (&world.house.delivery, panelgate::domain::id::OrderId(order));
    let resolved = delivery
        .resolve(&mut tx, order_id, &DoubtFinding::TakeBack, None)
        .await
        .unwrap();

    assert_eq!(resolved, Resolved::Done);
    tx.commit().await.unwrap();

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#),
        "it is paid for, and in doubt"
    );

    assert_eq!(holds(&world.database, "doubt").await, "-0.09");
    world.audit().await;

    world.turn(331);
    answered(&world, "100").await;
    world.pass(1, 301).await;

    assert_eq!(
        looks(&world).await.matches("not_placed").count(),
        1,
        "whoever took it back says so again"
    );

    assert_eq!(
        legs(&world.database).await,
        "a ended, a in_doubt, a ended, a ended"
    );

    assert!(words(&world).await.contains("took back"));
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );

    world.audit().await;
}

#[tokio::test]
async fn what_is_not_certain_waits() {
    // Nobody of ours came after it.
    let alone = world(KNOWN).await;
    answered(&alone, "100").await;
    alone.turn(11);
    lost(&alone, "100").await;
    alone.pass(1, 121).await;

    assert!(words(&alone).await.starts_with("no neighbours"));

    // Two that look the same.
    let twins = world(KNOWN).await;
    answered(&twins, "100").await;
    twins.turn(11);
    lost(&twins, "100").await;
    lost(&twins, "100").await;

    twins.turn(11);
    answered(&twins, "100").await;
    twins.pass(1, 121).await;
    assert_eq!(looks(&twins).await, "unknown unknown");

    // One that somebody placed by hand, which looks the same.
    let stranger = world(KNOWN).await;
    answered(&stranger, "100").await;
    stranger.turn(11);
    never_arrived(&stranger).await;
    stranger
        .panel()
        .place_by_hand("1", "https://example.org/by-hand", 70);

    stranger.turn(11);
    answered(&stranger, "100").await;
    stranger.pass(1, 121).await;
    assert!(words(&stranger).await.contains("does not fit"));

    // Too many others bought between.
    let busy = world(KNOWN).await;
    answered(&busy, "100").await;
    busy.turn(11);
    lost(&busy, "100").await;
    busy.panel().others_buy(1_100);

    busy.turn(11);
    answered(&busy, "100").await;
    busy.pass(1, 121).await;
    assert!(words(&busy).await.starts_with("too many ids"));

    for world in [&alone, &twins, &stranger, &busy] {
        assert!(legs(&world.database).await.contains("in_doubt"));
        world.audit().await;
    }
}

#[tokio::test]
async fn a_panel_of_which_nothing_is_known_is_not_searched() {
    let world = world("").await;
    answered(&world, "100").await;
    world.pass(3, 10).await;
    let order = lost(&world, "100").await;
    answered(&world, "100").await;
    world.pass(3, 20).await;

    let asked = world.panel().requests()["status"];
    world.pass(20, 600).await;

    assert_eq!(
        world.panel().requests()["status"],
        asked + 1,
        "the answered orders, after their end"
    );

    assert_eq!(looks(&world).await, "");
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );
}

#[tokio::test]
async fn doubts_are_looked_into_soon_then_rarely_and_always_again() {
    let world = world(KNOWN).await;
    let order = lost(&world, "100").await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let mut minutes = Vec::new();
    let hours = (1..=54).map(|hour| hour * 60);
    let mut last = 0;

    for minute in (1..=15).chain(hours) {
        world.turn((minute - last) * 60);
        last = minute;
        world.watch_clock().await;
        let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

        if house.delivery.look_into_doubts(panel, epoch).await.unwrap() > 0 {
            minutes.push(minute);
        }
    }

    assert_eq!(minutes, [2, 10, 60, 360, 360 + 1_440, 360 + 2 * 1_440]);
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );
}

#[tokio::test]
async fn a_doubt_that_nothing_ends_is_refunded_where_the_operator_says_so() {
    let world = world("in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 6\n").await;
    let order = lost(&world, "100").await;
    world.pass(5, 3_600).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );

    world.pass(2, 3_600).await;
    assert!(
        world
            .status(order)
            .await
            .contains(r#""charge":"0.00","start_count":"0","status":"Canceled""#)
    );

    assert_eq!(
        (
            holds(&world.database, "doubt").await.as_str(),
            holds(&world.database, "cost").await.as_str()
        ),
        ("0", "-0.09")
    );

    assert_eq!(legs(&world.database).await, "a written_off");
    world.audit().await;

    // The panel's answer comes after all: its order is ours, and followed; the customer keeps the
    // money.
    let leg: i64 = read(&world.database, "select id::text from leg")
        .await
        .parse()
        .unwrap();

    let placed = world.panel().orders()[0].id.clone();
    let said = Evidence {
        verdict: Verdict::Accepted(PanelOrder(placed)),
        http_status: Some(200),
        words: String::new(),
        unlisted: None,
    };

    let settings = world.house.panels[0].settings();
    world
        .house
        .delivery
        .conclude(settings, panelgate::domain::id::LegId(leg), 1, &said)
        .await
        .unwrap();

    world.pass(2, 10).await;
    assert_eq!(legs(&world.database).await, "a ended");
    assert!(world.balance().await.contains(r#""1000.00""#));
    let books = (
        holds(&world.database, "cost").await,
        holds(&world.database, "write_off").await,
    );

    assert_eq!(
        books,
        ("-0.09".to_owned(), "-0.09".to_owned()),
        "the cost stands once; what was given back is our loss"
    );

    world.audit().await;
}

#[tokio::test]
async fn what_was_written_off_and_never_placed_costs_nothing() {
    let world = world("in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 1\n").await;
    let order = never_arrived(&world).await;
    world.pass(3, 3_600).await;
    assert_eq!(legs(&world.database).await, "a written_off");
    let delivery = &world.house.delivery;
    let mut tx = world.house.store.begin().await.unwrap();

    let finding = DoubtFinding::NotPlaced;
    delivery
        .resolve(
            &mut tx,
            panelgate::domain::id::OrderId(order),
            &finding,
            None,
        )
        .await
        .unwrap();

    tx.commit().await.unwrap();
    assert_eq!(
        (
            legs(&world.database).await.as_str(),
            holds(&world.database, "cost").await.as_str()
        ),
        ("a refused", "0")
    );

    world.audit().await;
}

#[tokio::test]
async fn that_an_order_runs_on_the_link_proves_nothing_of_what_was_written_off() {
    let world = world("in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 1\n").await;
    lost(&world, "100").await;
    world.pass(3, 3_600).await;
    let leg: i64 = read(&world.database, "select id::text from leg")
        .await
        .parse()
        .unwrap();

    let verdict = Verdict::Refused(RefusalClass::Active);
    let said = Evidence {
        verdict,
        http_status: Some(200),
        words: String::new(),
        unlisted: None,
    };

    let settings = world.house.panels[0].settings();
    world
        .house
        .delivery
        .conclude(settings, panelgate::domain::id::LegId(leg), 1, &said)
        .await
        .unwrap();

    // It may be this very order: its cost stays ours.
    let stands = (
        legs(&world.database).await,
        holds(&world.database, "cost").await,
    );

    assert_eq!(stands, ("a written_off".to_owned(), "-0.09".to_owned()));
    world.audit().await;
}

/// Quantities that differ, so that orders can be told apart; by a fixed rule, so that the story is
/// the same each time.
fn quantity(n: u32) -> String {
    (20 + (n * 7_919) % 900).to_string()
}

#[tokio::test]
async fn most_doubts_end_by_themselves_within_ten_minutes_and_none_wrongly() {
    let world = world(KNOWN).await;
    world.panel().set_visible_after_s(60);
    world.panel().set_faults(faults("drop=0.1,502=0.1"));
    let mut orders = Vec::new();

    for n in 0..120 {
        orders.push(world.buy("1", &quantity(n)).await);
        world.work().await;
        world.panel().others_buy(n % 3);
        world.pass(1, 10).await;
    }

    // Ten minutes later, with a little trade going on: without it nobody of ours comes after the
    // last ones.
    world.panel().set_faults(faults(""));

    for n in 120..180 {
        world.buy("1", &quantity(n)).await;
        world.pass(1, 10).await;
    }

    let open: usize = read(
        &world.database,
        "select count(*)::text from leg where state = 'in_doubt'",
    )
    .await
    .parse()
    .unwrap();

    let found: usize = read(
        &world.database,
        "select count(*)::text from doubt_check where verdict = 'placed'",
    )
    .await
    .parse()
    .unwrap();

    let lost: usize = read(
        &world.database,
        "select count(*)::text from doubt_check where verdict = 'not_placed'",
    )
    .await
    .parse()
    .unwrap();

    assert!(
        found >= 15 && open * 20 <= found + open,
        "{open} of {} doubts are still open",
        found + open
    );

    assert_eq!(lost, 0, "every order was placed");
    let at_panel: std::collections::BTreeMap<_, _> = world
        .panel()
        .orders()
        .into_iter()
        .map(|order| (order.id, order.quantity))
        .collect();

    let taken = "select string_agg(l.panel_order || '=' || o.units, ' ') from leg l join orders o \
                 on o.id = l.order_id
        where l.panel_order is not null";

    for pair in read(&world.database, taken).await.split(' ') {
        let (id, units) = pair.split_once('=').unwrap();
        assert_eq!(
            at_panel[id].to_string(),
            units,
            "order {id} of the panel was taken for another"
        );
    }

    world.audit().await;
}

/// A backup was put in place of the database: its customers may have what they paid for, by whoever
/// went on.
#[tokio::test]
async fn a_restored_copy_gives_nothing_up_while_it_is_frozen_and_waits_anew_from_its_thaw() {
    use panelgate::domain::clock::Clock;
    use panelgate::orders::restored;
    use panelgate::store::gates;

    let world = world("in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 6\n").await;
    let order = lost(&world, "100").await;
    world.pass(1, 3_600).await;
    let mut tx = world.house.store.begin().await.unwrap();
    restored::settle_in(&mut tx, world.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    world.pass(10 * 24, 3_600).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );

    assert_eq!(legs(&world.database).await, "a in_doubt");

    let mut tx = world.house.store.begin().await.unwrap();
    assert!(
        gates::freeze_sending(&mut tx, false, world.clock.now())
            .await
            .unwrap()
    );

    tx.commit().await.unwrap();
    world.pass(20, 900).await;

    assert_eq!(
        legs(&world.database).await,
        "a in_doubt",
        "five hours after the thaw"
    );

    // Looked into at that very moment, and not at the next day's look.
    world.pass(80, 900).await;
    assert_eq!(legs(&world.database).await, "a written_off");
    world.audit().await;
}

#[tokio::test]
async fn a_freeze_by_a_person_gives_doubts_up_as_ever() {
    let world = world("in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 6\n").await;
    lost(&world, "100").await;
    crate::routes::freeze(&world, true).await;
    world.pass(7, 3_600).await;
    assert_eq!(legs(&world.database).await, "a written_off");
}
