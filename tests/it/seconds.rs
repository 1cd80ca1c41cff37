//! What goes wrong between two steps: a panel in trouble while a doubt is looked into, a lock that
//! is held while an answer is written down, words that come after an end, and patience that ends
//! between two looks.

use panelgate::domain::id::OrderId;
use panelgate::domain::leg::{Evidence, Verdict};
use panelgate::orders::decide::{self, Decided};
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use panelgate::store::leases as store;

use crate::books::{legs, read, reviews, run};
use crate::resolve::{accepted, decide as resolve};
use crate::scripted::Scripted;
use crate::world::{Plan, World};

const HOUR: i64 = 3_600;

/// A panel of which the operator knows that ids grow and that the account is ours alone.
const KNOWN: &str = "ids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = \
                     300\ndoubts_in_a_row_max = 100\ndoubts_per_minute_max = 1_000\n";

/// Buys and sends one, to which the scripted panel gives this answer.
async fn sent(world: &World, panel: &Scripted, answer: &str) -> i32 {
    panel.change(|script| script.add = Some(answer.to_owned()));
    let order = world.buy("1", "100").await;
    world.work().await;
    order
}

fn row(status: &str, charge: &str, remains: &str) -> String {
    format!(
        r#"{{"charge":"{charge}","start_count":"1","status":"{status}","remains":"{remains}"}}"#
    )
}

/// An order in doubt, one id between its neighbours at the panel, and all visible by now.
async fn one_id_between(panel: &Scripted, block: &str) -> World {
    panel.change(|script| script.row = row("In progress", "0.09", "100"));
    let world = panel.world_with(&format!("{KNOWN}{block}")).await;
    sent(&world, panel, r#"{"order":501}"#).await;
    world.turn(11);
    sent(&world, panel, "<html>").await;
    world.turn(301);

    panel.change(|script| r#"{"error":"Try again later"}"#.clone_into(&mut script.row));
    world.pass(1, 1).await;
    sent(&world, panel, r#"{"order":503}"#).await;

    world
}

#[tokio::test]
async fn a_panel_in_trouble_does_not_show_that_nothing_was_placed() {
    for block in ["", "status_batch_max = 1\n"] {
        let panel = Scripted::saying("").await;
        let world = one_id_between(&panel, block).await;
        world.pass(1, HOUR).await;

        assert_eq!(
            legs(&world.database).await,
            "s accepted, s in_doubt, s accepted",
            "{block}"
        );

        let words = "select words from doubt_check order by id desc limit 1";
        let unclear = "the panel did not answer about every id, or not even about our neighbours";
        assert_eq!(read(&world.database, words).await, unclear);

        // Its own word that it has no such order is another matter, from a panel that knows those
        // beside it.
        panel.say(|form| {
            let none = || r#"{"error":"Incorrect order ID"}"#.to_owned();
            let of = |id: &str| {
                if id == "502" {
                    none()
                } else {
                    row("In progress", "0.09", "100")
                }
            };

            let ids = form
                .get("orders")
                .or_else(|| form.get("order"))
                .filter(|_| form["action"] == "status")?;

            if form.contains_key("order") {
                return Some((200, of(ids)));
            }

            let rows: Vec<_> = ids
                .split(',')
                .map(|id| format!("\"{id}\":{}", of(id)))
                .collect();

            Some((200, format!("{{{}}}", rows.join(","))))
        });

        world.pass(1, 6 * HOUR).await;
        assert_eq!(
            legs(&world.database).await,
            "s accepted, s refused, s accepted"
        );

        world.audit().await;
    }
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

#[tokio::test]
async fn what_may_be_an_order_that_was_given_up_is_not_taken_for_another() {
    let provider = "ids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = \
                    300\ndoubts_in_a_row_max = 100\ndoubts_per_minute_max = \
                    1_000\nin_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 1";

    let world = World::build(Plan {
        provider,
        ..Plan::default()
    })
    .await;

    world.buy("1", "100").await;
    world.work().await;

    // The panel takes the first, whose answer is lost, and never hears of the second.
    world.turn(11);
    world.panel().set_faults("drop".parse().unwrap());
    world.buy("1", "100").await;
    world.work().await;
    world.panel().set_faults("".parse().unwrap());

    world.turn(1_800);
    never_arrived(&world).await;
    world.pass(1, 1_801).await;
    assert_eq!(
        legs(&world.database).await,
        "a ended, a written_off, a in_doubt"
    );

    // A neighbour after both: between it and the first is what the panel has of the one that was
    // given up.
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 1_800).await;
    assert_eq!(
        legs(&world.database).await,
        "a ended, a written_off, a written_off, a ended"
    );

    assert_eq!(
        read(
            &world.database,
            "select words from doubt_check where kind = 'ids' order by id desc limit 1"
        )
        .await,
        "what was found fits another doubt too"
    );

    world.audit().await;
}

#[tokio::test]
async fn an_answer_that_was_heard_is_not_lost_to_a_lock() {
    let world = World::open().await;
    let held_once = "
        create sequence held;
        create function hold_once() returns trigger language plpgsql as $$
        begin
            if nextval('held') <= 2 then raise sqlstate '55P03'; end if;
            return new;
        end $$;
        create trigger held before insert on panel_order for each row execute function hold_once();";

    run(&world.database, held_once).await.unwrap();
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "a accepted");
    world.pass(1, 10).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    world.audit().await;
}

#[tokio::test]
async fn who_waits_for_another_order_on_the_link_waits_a_day_and_no_longer() {
    let panel = Scripted::saying(&row("In progress", "0.09", "100")).await;
    let world = panel.world().await;
    sent(&world, &panel, r#"{"order":501}"#).await;

    let order = sent(
        &world,
        &panel,
        r#"{"error":"You have active order with this link"}"#,
    )
    .await;

    let adds = panel.requests("add");
    world.pass(23, HOUR).await;
    assert_eq!(
        (legs(&world.database).await.as_str(), panel.requests("add")),
        ("s accepted, s parked", adds)
    );

    world.pass(2, HOUR).await;
    assert_eq!(
        (legs(&world.database).await.as_str(), panel.requests("add")),
        ("s accepted, s refused", adds + 1)
    );

    assert!(
        world
            .status(order)
            .await
            .contains(r#""charge":"0.00","start_count":"0","status":"Canceled""#)
    );

    world.audit().await;
}

#[tokio::test]
async fn a_later_word_that_no_rule_settles_is_put_before_a_person_and_their_word_ends_it() {
    let panel = Scripted::saying(&row("Completed", "1.5", "0")).await;
    let world = panel.world().await;
    let order = world.buy("2", "1").await;
    world.work().await;
    world.pass(1, 10).await;
    panel.change(|script| script.row = row("Partial", "0.7", "1"));

    world.pass(1, HOUR).await;
    assert_eq!(
        reviews(&world.database).await,
        "part of a package cannot be counted"
    );

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    let mut tx = world.house.store.begin().await.unwrap();
    let decided = decide::settle(
        &mut tx,
        OrderId(order),
        decide::SettlementFinding::Completed,
        world.house.clock.now(),
    )
    .await;

    assert!(matches!(decided.unwrap(), Decided::Done(_)));
    tx.commit().await.unwrap();
    assert_eq!(reviews(&world.database).await, "", "as it stood already");
    world.audit().await;
}

#[tokio::test]
async fn a_failure_after_the_end_that_nobody_set_right_is_put_before_a_person() {
    let panel = Scripted::saying(&row("Completed", "0.09", "0")).await;
    let world = panel.world().await;
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;
    panel.change(|script| script.row = row("Error", "0.09", "100"));

    world.pass(71, HOUR).await;
    assert_eq!(reviews(&world.database).await, "");
    world.pass(2, HOUR).await;

    assert!(
        reviews(&world.database)
            .await
            .starts_with("the panel reports a failure")
    );

    world.audit().await;
}

#[tokio::test]
async fn a_doubt_is_refunded_when_the_operator_says_and_not_a_day_later() {
    let provider = "in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = \
                    12\ndoubts_in_a_row_max = 100\ndoubts_per_minute_max = 1_000";

    let world = World::build(Plan {
        panels: vec![("a", "502")],
        provider,
        ..Plan::default()
    })
    .await;

    world.buy("1", "100").await;
    world.work().await;
    world.pass(11, HOUR).await;
    assert_eq!(legs(&world.database).await, "a in_doubt");
    world.pass(1, HOUR).await;
    assert_eq!(legs(&world.database).await, "a written_off");

    world.audit().await;
}

#[tokio::test]
async fn a_cancel_that_was_asked_under_a_wrong_id_is_asked_under_the_right_one() {
    let world = World::build(Plan {
        panels: vec![("a", "drop")],
        ..Plan::default()
    })
    .await;

    let order = world.buy("10", "100").await;
    world.work().await;
    world.panel().set_faults("".parse().unwrap());

    assert_eq!(
        world
            .ask(&[("action", "cancel"), ("order", &order.to_string())])
            .await,
        r#"{"cancel":1}"#
    );

    assert_eq!(
        resolve(&world, order, &accepted("77777")).await,
        Resolved::Done
    );

    world.pass(12, 10).await;
    assert_eq!(
        read(&world.database, "select state from cancel_request").await,
        "refused"
    );

    let right = world.panel().orders()[0].id.clone();
    world.pass(60, 60).await;

    assert_eq!(
        resolve(
            &world,
            order,
            &DoubtFinding::Accepted(panelgate::domain::id::PanelOrder(right))
        )
        .await,
        Resolved::Done
    );

    world.pass(3, 10).await;
    assert_eq!(world.panel().requests()["cancel"], 2);
    world.audit().await;
}

#[tokio::test]
async fn an_acceptance_that_comes_after_a_person_found_nothing_is_written_down() {
    let world = World::open().await;
    let order = never_arrived(&world).await;
    assert_eq!(
        resolve(&world, order, &DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    let leg: i64 = read(&world.database, "select id::text from leg")
        .await
        .parse()
        .unwrap();

    let words = r#"{"order":77}"#.to_owned();
    let id = panelgate::domain::id::PanelOrder("77".to_owned());
    let said = Evidence {
        verdict: Verdict::Accepted(id),
        http_status: Some(200),
        words,
        unlisted: None,
    };

    let settings = world.house.panels[0].settings();
    world
        .house
        .delivery
        .conclude(settings, panelgate::domain::id::LegId(leg), 1, &said)
        .await
        .unwrap();

    assert_eq!(
        read(
            &world.database,
            "select verdict || ' ' || words from attempt"
        )
        .await,
        r#"accepted {"order":77}"#
    );

    assert_eq!(legs(&world.database).await, "a refused");
    world.audit().await;
}
