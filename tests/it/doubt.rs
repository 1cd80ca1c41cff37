//! Sent and not known: such an order is never sent again by a machine; what was never sent, is.

use panel_sim::{Settings, Simulator};
use panelgate::domain::clock::Clock;
use panelgate::domain::id::PanelOrder;
use panelgate::domain::leg::{Evidence, LeasedLeg, Verdict};
use panelgate::domain::provider::RefusalClass;
use panelgate::store::leases;

use crate::backup::told;
use crate::books::{holds, legs as stand, read, reviews};
use crate::scripted::Scripted;
use crate::world::{Plan, World, follows, one_over, panel_settings, work_once};

const UNTOUCHED: &str = r#"{"balance":"999.91","currency":"USD"}"#;

fn accepted(id: &str) -> Evidence {
    let verdict = Verdict::Accepted(PanelOrder(id.to_owned()));
    Evidence {
        verdict,
        http_status: Some(200),
        words: format!("{{\"order\":{id}}}"),
        unlisted: None,
    }
}

/// What a customer sees of a 100-unit order that nobody knows anything about.
async fn is_processing(world: &World, order: i32) {
    let status = world.status(order).await;
    assert!(
        status.contains(r#""charge":"0.09""#) && status.contains(r#""status":"Processing""#),
        "{status}"
    );

    assert_eq!(world.balance().await, UNTOUCHED);
}

/// A leg whose sender ended between the mark and the answer.
async fn orphan(world: &World) -> LeasedLeg {
    world.buy("1", "100").await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(panel, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    assert!(
        leases::mark_sending(
            &house.store,
            &leg,
            leases::SendIntent::default(),
            epoch,
            leg.cost,
            world.clock.now()
        )
        .await
        .unwrap()
    );

    leg
}

/// The next process takes the panel over and works.
async fn taken_over(world: &World) {
    // The old holder's lease runs out.
    world.turn(11);
    let house = world.restarted().await;

    for _ in 0..3 {
        for panel in &house.panels {
            work_once(&house, panel).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_places_one_order_and_never_another() {
    for (fault, http) in [("drop", ""), ("502", "502")] {
        let world = World::build(Plan {
            panels: vec![("a", fault)],
            ..Plan::default()
        })
        .await;

        let order = world.buy("1", "100").await;
        world.work().await;
        assert_eq!(stand(&world.database).await, "a in_doubt", "{fault}");
        let exchange = "select verdict || ' ' || coalesce(http_status::text, '') from attempt
            where words <> '' and answered_at is not null";
        assert_eq!(
            read(&world.database, exchange).await,
            format!("in_doubt {http}")
        );

        assert_eq!(
            holds(&world.database, "doubt").await,
            "-0.09",
            "its cost is exposure"
        );

        is_processing(&world, order).await;
        world.pass(24, 3_600).await;
        taken_over(&world).await;

        assert_eq!(
            (
                world.panel().orders().len(),
                world.panel().requests()["add"]
            ),
            (1, 1),
            "{fault}"
        );

        assert_eq!(stand(&world.database).await, "a in_doubt");
        assert_eq!(holds(&world.database, "doubt").await, "-0.09");
        is_processing(&world, order).await;
        world.audit().await;
    }
}

#[tokio::test]
async fn words_of_a_panel_that_are_cut_are_marked() {
    for (length, shown) in [(80, "w".repeat(80)), (81, "w".repeat(80) + "…")] {
        let panel = Scripted::saying("{}").await;
        panel.change(|script| script.add = Some("w".repeat(length)));
        let world = panel.world().await;
        let order = world.buy("1", "100").await;
        world.work().await;
        let told = told(&world.database, &["order", "show", &order.to_string()]).await;
        assert!(told.contains(&format!(" {shown}\n")), "{told}");
    }
}

#[tokio::test]
async fn what_an_earlier_process_was_sending_is_in_doubt_and_not_sent() {
    let world = World::open().await;
    let leg = orphan(&world).await;
    world.work().await;

    assert_eq!(
        stand(&world.database).await,
        "a sending",
        "its sender may still be waiting for the answer"
    );

    taken_over(&world).await;
    assert_eq!(stand(&world.database).await, "a in_doubt");
    assert_eq!(world.panel().requests().get("add"), None);
    is_processing(&world, leg.order.0).await;
    world.audit().await;
}

#[tokio::test]
async fn an_answer_that_is_overdue_is_in_doubt_for_its_own_process_too() {
    let world = World::open().await;
    orphan(&world).await;

    // 20 s timeout and 15 s of grace.
    world.pass(7, 5).await;
    assert_eq!(stand(&world.database).await, "a sending");
    world.pass(1, 1).await;
    assert_eq!(stand(&world.database).await, "a in_doubt");
    assert_eq!(world.panel().requests().get("add"), None);
}

#[tokio::test]
async fn a_late_answer_ends_the_doubt_and_one_for_another_attempt_says_nothing() {
    let world = World::open().await;
    let leg = orphan(&world).await;
    taken_over(&world).await;

    let conclude = async |attempt, said: Evidence| {
        let settings = world.house.panels[0].settings();
        world
            .house
            .delivery
            .conclude(settings, leg.leg, attempt, &said)
            .await
            .unwrap();
    };

    conclude(leg.attempt + 1, accepted("77")).await;
    assert_eq!(stand(&world.database).await, "a in_doubt");

    assert_eq!(
        read(
            &world.database,
            "select string_agg(verdict, ' ') from attempt"
        )
        .await,
        "in_doubt"
    );

    conclude(leg.attempt, accepted("78")).await;
    assert_eq!(stand(&world.database).await, "a accepted");

    assert_eq!(
        read(
            &world.database,
            "select string_agg(panel_order, ' ') from tracked_leg"
        )
        .await,
        "78"
    );

    assert_eq!(
        read(
            &world.database,
            "select string_agg(verdict, ' ') from attempt"
        )
        .await,
        "accepted"
    );

    assert_eq!(
        (
            holds(&world.database, "doubt").await,
            holds(&world.database, "cost").await
        ),
        sums("0", "-0.09")
    );

    conclude(leg.attempt, accepted("79")).await;
    assert_eq!(
        read(
            &world.database,
            "select string_agg(panel_order, ' ') from leg"
        )
        .await,
        "78"
    );

    is_processing(&world, leg.order.0).await;
    world.audit().await;
}

fn sums(doubt: &str, cost: &str) -> (String, String) {
    (doubt.to_owned(), cost.to_owned())
}

#[tokio::test]
async fn a_late_refusal_proves_that_nothing_was_placed() {
    let world = World::open().await;
    let mut orphans = Vec::new();

    for class in [
        RefusalClass::Link,
        RefusalClass::Money,
        RefusalClass::Active,
    ] {
        orphans.push((orphan(&world).await, class));
    }

    taken_over(&world).await;
    assert_eq!(holds(&world.database, "doubt").await, "-0.27");

    for (leg, class) in &orphans {
        let said = Evidence {
            verdict: Verdict::Refused(*class),
            http_status: Some(200),
            words: String::new(),
            unlisted: None,
        };

        world
            .house
            .delivery
            .conclude(
                world.house.panels[0].settings(),
                leg.leg,
                leg.attempt,
                &said,
            )
            .await
            .unwrap();
    }

    // The order that runs on the link may be this very one, and so it may be where the refusal
    // for want of money was its second asking.
    assert_eq!(
        stand(&world.database).await,
        "a refused, a in_doubt, a in_doubt"
    );

    assert_eq!(holds(&world.database, "doubt").await, "-0.18");
    let states =
        "select string_agg(state || ' ' || trim_scale(refunded), ', ' order by id) from orders";

    assert_eq!(
        read(&world.database, states).await,
        "canceled 0.09, processing 0, processing 0",
        "never pending again"
    );

    world.audit().await;
    world.turn(11);
    world.work().await;
    world.pass(2, 11).await;
    assert_eq!(
        stand(&world.database).await,
        "a refused, a ended, a in_doubt"
    );

    assert_eq!(world.panel().orders().len(), 1);
    world.audit().await;
}

#[tokio::test]
async fn a_leg_that_was_only_taken_is_sent_by_the_next_process_and_not_by_the_old_one() {
    let world = World::open().await;
    world.buy("1", "100").await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(panel, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    // The leg's own lease still runs, but nobody can mark it any more who took it under the older
    // epoch.
    taken_over(&world).await;
    assert_eq!(stand(&world.database).await, "a accepted");
    house.delivery.send(panel, &leg, epoch).await.unwrap();

    assert_eq!(
        (
            world.panel().orders().len(),
            world.panel().requests()["add"]
        ),
        (1, 1),
        "who lost the panel sends nothing"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_leg_that_was_taken_and_forgotten_is_taken_again_when_its_lease_is_over() {
    let world = World::open().await;
    world.buy("1", "100").await;
    let (delivery, panel) = (&world.house.delivery, &world.house.panels[0]);
    let epoch = delivery.hold(panel).await.unwrap().unwrap();
    let first = delivery.lease(panel, epoch, 1).await.unwrap().remove(0);
    assert!(
        delivery.lease(panel, epoch, 1).await.unwrap().is_empty(),
        "its lease still runs"
    );

    world.turn(61);
    assert_eq!(
        delivery.hold(panel).await.unwrap(),
        Some(epoch),
        "the same holder, the same epoch"
    );

    let again = delivery.lease(panel, epoch, 1).await.unwrap().remove(0);
    assert_eq!((again.leg, again.attempt), (first.leg, first.attempt + 1));
}

#[tokio::test]
async fn an_id_that_another_order_has_is_for_a_person() {
    let panel = Scripted::saying(r#"{"status":"In progress"}"#).await;
    panel.change(|script| script.add = Some(r#"{"order":5}"#.to_owned()));
    let world = panel.world().await;
    world.buy("1", "100").await;
    world.work().await;
    let second = world.buy("1", "100").await;

    world.work().await;
    world.pass(3, 3_600).await;
    assert_eq!(stand(&world.database).await, "s accepted, s in_doubt");
    assert_eq!(
        reviews(&world.database).await,
        "the panel gave an id that another of our orders has"
    );

    assert!(
        world
            .status(second)
            .await
            .contains(r#""status":"Processing""#)
    );

    assert_eq!(panel.requests("add"), 2);
    world.audit().await;
}

/// When an order's attempts were made, in seconds after it was bought, and where.
async fn attempts(world: &World) -> String {
    let question = "select string_agg(extract(epoch from e.sent_at - o.placed_at)::integer || \
                    e.provider, ' '
        order by e.n) from attempt e join leg l on l.id = e.leg_id join orders o on o.id = \
                    l.order_id";
    read(&world.database, question).await
}

#[tokio::test]
async fn what_was_never_sent_waits_longer_each_time_and_goes_when_the_panel_is_back() {
    let mut world = World::open().await;
    let panel = world.panels.remove(0);
    let (addr, url) = (panel.addr(), panel.url());
    panel.stop().await;
    let order = world.buy("1", "100").await;
    world.work().await;

    world.pass(30, 1).await;
    assert_eq!(
        attempts(&world).await,
        "0a 1a 3a 7a 15a",
        "waits of 1, 2, 4, 8 and 16 s"
    );

    assert_eq!(stand(&world.database).await, "a ready");
    assert!(world.status(order).await.contains(r#""status":"Pending""#));
    assert_eq!(world.balance().await, UNTOUCHED);
    let settings = Settings {
        listen: addr,
        ..panel_settings(1, "", 0)
    };

    let panel = Simulator::start(settings, follows(&world.clock))
        .await
        .unwrap();

    assert_eq!(panel.url(), url);

    // Five errors in a row had stopped it, for half a minute; two free calls let it go.
    world.pass(14, 1).await;

    assert_eq!(
        (
            panel.requests().get("add"),
            stand(&world.database).await.as_str()
        ),
        (None, "a ready")
    );

    world.pass(1, 1).await;
    assert_eq!(
        (panel.orders().len(), stand(&world.database).await.as_str()),
        (1, "a accepted")
    );

    world.pass(1, 10).await;
    assert!(world.status(order).await.contains(r#""charge":"0.09","#));

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(world.balance().await, UNTOUCHED);
    world.audit().await;
}

#[tokio::test]
async fn what_was_never_sent_three_times_goes_by_the_next_route() {
    let plan = Plan {
        panels: vec![("a", ""), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let mut world = World::build(plan).await;
    world.panels.remove(0).stop().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(3, 1).await;
    assert_eq!(stand(&world.database).await, "b ready");

    assert!(world.status(order).await.contains(r#""status":"Pending""#));
    world.pass(4, 1).await;
    assert_eq!(attempts(&world).await, "0a 1a 3a 7b");
    world.pass(1, 10).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(world.panel().orders().len(), 1);
    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.80","currency":"USD"}"#
    );

    world.audit().await;
}
