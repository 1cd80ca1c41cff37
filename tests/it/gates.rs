//! Gates: too many doubts, a pause and a freeze keep orders from a panel, and nothing else.

use chrono::TimeDelta;
use panelgate::domain::clock::Clock;
use panelgate::domain::id::ProviderId;
use panelgate::domain::money::Money;
use panelgate::store::{gates, leases, legs as stored};

use crate::books::{legs, read};
use crate::node::until;
use crate::world::{Plan, World, one_over, work_once};

/// How many `add`s the panel heard.
fn adds(world: &World) -> u64 {
    world.panel().requests().get("add").copied().unwrap_or(0)
}

async fn breaker(world: &World) -> String {
    read(
        &world.database,
        "select breaker || ' ' || breaker_trips from provider where id = 'a'",
    )
    .await
}

/// A panel that loses every answer, with the limits that operators have unless they say otherwise.
async fn losing() -> World {
    World::build(Plan {
        panels: vec![("a", "502")],
        provider: "",
        ..Plan::default()
    })
    .await
}

#[tokio::test]
async fn a_panel_that_leaves_doubts_gets_no_more_orders_for_a_while() {
    let world = losing().await;
    for _ in 0..5 {
        world.buy("1", "100").await;
    }

    world.work().await;
    assert_eq!(
        (adds(&world), breaker(&world).await.as_str()),
        (3, "open 1")
    );

    assert_eq!(
        legs(&world.database).await,
        "a in_doubt, a in_doubt, a in_doubt, a ready, a ready"
    );

    world.pass(1, 29).await;
    assert_eq!(adds(&world), 3, "half a minute is not over");

    // A free call works, and one order is tried; its doubt opens the breaker for twice as long.
    world.pass(1, 1).await;
    assert_eq!(
        (adds(&world), breaker(&world).await.as_str()),
        (4, "open 2")
    );

    world.panel().set_faults("".parse().unwrap());
    world.pass(1, 59).await;
    assert_eq!(adds(&world), 4);
    world.pass(1, 1).await;
    assert_eq!(
        (adds(&world), breaker(&world).await.as_str()),
        (5, "closed 0")
    );

    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(adds(&world), 6);
    world.audit().await;
}

#[tokio::test]
async fn an_open_breaker_waits_for_a_free_call_that_works() {
    let world = losing().await;
    for _ in 0..4 {
        world.buy("1", "100").await;
    }

    world.work().await;
    world.panel().set_faults("".parse().unwrap());
    world.panel().revoke_key();
    world.pass(5, 60).await;
    assert_eq!(
        (adds(&world), breaker(&world).await.as_str()),
        (3, "open 1")
    );

    world.panel().set_key("the-panels-key");
    world.pass(1, 60).await;
    assert_eq!(
        (adds(&world), breaker(&world).await.as_str()),
        (4, "closed 0")
    );
}

#[tokio::test]
async fn on_probation_one_order_at_a_time_goes_out() {
    let world = losing().await;
    for _ in 0..6 {
        world.buy("1", "100").await;
    }

    world.work().await;
    world.turn(31);
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();
    house.delivery.probe(panel).await.unwrap();
    assert_eq!(breaker(&world).await, "half_open 1");

    let first = house.delivery.lease(panel, epoch, 8).await.unwrap();
    assert_eq!(first.len(), 1);

    assert_eq!(
        house.delivery.lease(panel, epoch, 8).await.unwrap(),
        Vec::new(),
        "one is on its way"
    );

    house.delivery.send(panel, &first[0], epoch).await.unwrap();
    assert_eq!(breaker(&world).await, "open 2");
    assert_eq!(
        house.delivery.lease(panel, epoch, 8).await.unwrap(),
        Vec::new()
    );
}

#[tokio::test]
async fn an_answer_that_proves_anything_begins_the_count_anew() {
    let world = losing().await;
    let (two, none) = (
        "502".parse().unwrap(),
        "".parse::<panel_sim::Faults>().unwrap(),
    );

    for faults in [&two, &two, &none, &two, &two] {
        let faults: &panel_sim::Faults = faults;
        world.panel().set_faults(faults.clone());
        world.buy("1", "100").await;
        world.work().await;
    }

    assert_eq!(
        (adds(&world), breaker(&world).await.as_str()),
        (5, "closed 0")
    );

    world.panel().set_faults(two);
    world.buy("1", "100").await;
    world.work().await;

    assert_eq!(
        breaker(&world).await,
        "open 1",
        "the fifth doubt within a minute"
    );
}

#[tokio::test]
async fn a_pause_and_a_freeze_stop_orders_and_nothing_else() {
    let world = World::open().await;
    let running = world.buy("1", "100").await;
    world.work().await;
    let provider = ProviderId("a".into());

    for freeze in [false, true] {
        let close = async |closed: bool| {
            let mut tx = world.house.store.begin().await.unwrap();
            let changed = if freeze {
                gates::freeze_sending(&mut tx, closed, world.house.clock.now())
                    .await
                    .unwrap()
            } else {
                gates::pause_provider(&mut tx, &provider, closed, world.house.clock.now())
                    .await
                    .unwrap()
                    .unwrap()
            };

            tx.commit().await.unwrap();
            changed
        };

        assert!(close(true).await);
        assert!(!close(true).await, "it stands so already");
        let (sent, waiting) = (adds(&world), world.buy("1", "100").await);
        world.pass(3, 10).await;
        assert_eq!(adds(&world), sent);

        assert!(
            world
                .status(waiting)
                .await
                .contains(r#""status":"Pending""#)
        );

        assert!(
            world
                .status(running)
                .await
                .contains(r#""status":"Completed""#),
            "what is there is followed"
        );

        assert!(close(false).await);
        assert!(!close(false).await);
        world.pass(2, 10).await;

        assert!(
            world
                .status(waiting)
                .await
                .contains(r#""status":"Completed""#)
        );
    }

    let mut tx = world.house.store.begin().await.unwrap();
    let unknown = gates::pause_provider(
        &mut tx,
        &ProviderId("b".into()),
        true,
        world.house.clock.now(),
    )
    .await
    .unwrap();

    assert_eq!(unknown, None);
    world.audit().await;
}

#[tokio::test]
async fn a_gate_that_closes_between_taking_and_sending_keeps_the_leg_unsent() {
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

    let mut tx = house.store.begin().await.unwrap();
    gates::freeze_sending(&mut tx, true, house.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    house.delivery.send(panel, &leg, epoch).await.unwrap();
    assert_eq!(
        (adds(&world), legs(&world.database).await.as_str()),
        (0, "a ready")
    );

    let mut tx = house.store.begin().await.unwrap();
    gates::freeze_sending(&mut tx, false, house.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    world.work().await;
    assert_eq!(
        (adds(&world), legs(&world.database).await.as_str()),
        (1, "a accepted")
    );

    world.audit().await;
}

#[tokio::test]
async fn a_person_who_resumes_a_panel_shuts_its_breaker() {
    let world = losing().await;
    for _ in 0..4 {
        world.buy("1", "100").await;
    }

    world.work().await;
    world.panel().set_faults("".parse().unwrap());
    let mut tx = world.house.store.begin().await.unwrap();
    let provider = ProviderId("a".into());
    assert_eq!(
        gates::pause_provider(&mut tx, &provider, false, world.house.clock.now())
            .await
            .unwrap(),
        Some(true)
    );

    tx.commit().await.unwrap();
    world.work().await;
    assert_eq!(
        (adds(&world), breaker(&world).await.as_str()),
        (4, "closed 0")
    );
}

#[tokio::test]
async fn a_switched_off_service_goes_by_the_second_route_and_a_dead_key_too() {
    let plan = Plan {
        panels: vec![("a", ""), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let world = World::build(plan).await;
    world.panel().switch_service("1", false);
    let first = world.buy("1", "100").await;
    world.work().await;
    world.panel().switch_service("1", true);
    world.panel().revoke_key();

    let second = world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;

    for order in [first, second] {
        assert!(
            world
                .status(order)
                .await
                .contains(r#""status":"Completed""#)
        );
    }

    assert_eq!(
        legs(&world.database).await,
        "a refused, b ended, a refused, b ended"
    );

    assert_eq!(
        (
            world.panels[0].orders().len(),
            world.panels[1].orders().len()
        ),
        (0, 2)
    );

    world.audit().await;
}

#[tokio::test]
async fn where_a_key_dies_and_there_is_no_second_route_orders_wait_until_it_works_again() {
    let world = World::open().await;
    world.panel().revoke_key();
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(20, 60).await;
    assert!(world.status(order).await.contains(r#""status":"Pending""#));

    assert_eq!(legs(&world.database).await, "a parked");
    assert_eq!(
        adds(&world),
        1,
        "a panel whose balance cannot be read would refuse it again"
    );

    world.panel().set_key("the-panels-key");
    world.pass(2, 60).await;
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
async fn a_panel_at_zero_fails_nobody_and_parked_orders_go_when_money_comes() {
    let world = World::open().await;
    world.panel().set_balance(Money::ZERO.decimal());
    world.count().await;
    let mut orders = Vec::new();

    for _ in 0..20 {
        orders.push(world.buy("1", "100").await);
    }

    world.work().await;
    world.pass(5, 60).await;

    for order in &orders {
        assert!(world.status(*order).await.contains(r#""status":"Pending""#));
    }

    assert_eq!(world.panel().orders().len(), 0);

    // Money for ten of them: the ten oldest go.
    world
        .panel()
        .set_balance(Money::parse("0.90").unwrap().decimal());

    world.pass(2, 60).await;
    assert_eq!(world.panel().orders().len(), 10);
    world
        .panel()
        .set_balance(Money::parse("100").unwrap().decimal());

    world.pass(3, 60).await;
    for order in &orders {
        assert!(
            world
                .status(*order)
                .await
                .contains(r#""status":"Completed""#),
            "{order}"
        );
    }

    assert_eq!(world.panel().orders().len(), 20);
    world.audit().await;
}

#[tokio::test]
async fn an_order_on_a_busy_link_waits_for_our_own_order_there() {
    let world = World::build(Plan::default()).await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let running = world.buy("10", "100").await;
    world.work().await;
    let waiting = world.buy("10", "100").await;
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(panel, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    assert_eq!(leg.order.0, waiting);
    let park = "update leg set state = 'parked', parked_for = 'active', parked_at = ready_at \
                where state = 'leased'";
    crate::books::run(&world.database, park).await.unwrap();
    world.turn(1);

    assert_eq!(
        house.delivery.unpark(panel).await.unwrap(),
        0,
        "our own order has the link"
    );

    let end = format!(
        "update tracked_leg set ended_at = next_at from leg where leg.id = leg_id and order_id = \
         {running}"
    );

    crate::books::run(&world.database, &end).await.unwrap();
    assert_eq!(house.delivery.unpark(panel).await.unwrap(), 1);
    work_once(house, panel).await;
}

/// What a panel's service 1 costs from now on, as its catalog says.
async fn reprice(world: &World, panel: usize, rate: &str) {
    world.panels[panel].set_rate(
        "1",
        panelgate::domain::money::Rate::parse(rate)
            .unwrap()
            .decimal(),
    );

    world.house.refresh().await.unwrap();
}

#[tokio::test]
async fn a_panel_that_doubles_its_price_after_the_sale_is_not_used_at_a_loss() {
    let plan = Plan {
        panels: vec![("a", ""), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let world = World::build(plan).await;

    // Sold for 0.2; 1.8 for 1,000 units still leaves a tenth, 2.1 nothing.
    let order = world.buy("1", "100").await;
    reprice(&world, 0, "2.1").await;
    world.work().await;
    world.pass(1, 10).await;
    assert!(world.status(order).await.contains(r#""charge":"0.20","#));

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(
        (
            world.panels[0].orders().len(),
            world.panels[1].orders().len()
        ),
        (0, 1)
    );

    assert_eq!(legs(&world.database).await, "b ended");
    let saved =
        "select margin_held || ' ' || trim_scale(margin_saved) from provider where id = 'a'";
    assert_eq!(read(&world.database, saved).await, "1 0.12");

    assert!(
        read(&world.database, "select reason from leg")
            .await
            .contains("ended")
    );

    world.audit().await;
}

#[tokio::test]
async fn a_dearer_price_that_keeps_the_margin_is_paid_and_booked() {
    let world = World::build(Plan {
        services: one_over(&["a"]),
        ..Plan::default()
    })
    .await;

    world.buy("1", "100").await;
    reprice(&world, 0, "1.9").await;
    world.work().await;
    assert_eq!(crate::books::holds(&world.database, "cost").await, "-0.19");
    world.audit().await;
}

#[tokio::test]
async fn where_no_route_keeps_the_margin_the_order_is_held_until_one_does() {
    let world = World::build(Plan {
        services: one_over(&["a"]),
        ..Plan::default()
    })
    .await;

    let (held, canceled) = (world.buy("1", "100").await, world.buy("1", "100").await);
    reprice(&world, 0, "4").await;
    world.pass(5, 60).await;
    assert_eq!(
        (adds(&world), legs(&world.database).await.as_str()),
        (0, "a parked, a parked")
    );

    assert!(world.status(held).await.contains(r#""status":"Pending""#));
    assert!(
        read(&world.database, "select min(reason) from leg")
            .await
            .starts_with("held: a costs 0.40 now")
    );

    let answer = world
        .ask(&[("action", "cancel"), ("order", &canceled.to_string())])
        .await;

    assert_eq!(answer, r#"{"cancel":1}"#);
    reprice(&world, 0, "0.9").await;
    world.pass(2, 61).await;
    world.pass(1, 10).await;
    assert!(world.status(held).await.contains(r#""status":"Completed""#));
    assert_eq!(adds(&world), 1);

    world.audit().await;
}

#[tokio::test]
async fn what_is_sold_no_more_is_still_judged_by_what_it_costs() {
    let world = World::build(Plan {
        services: one_over(&["a"]),
        ..Plan::default()
    })
    .await;

    let order = world.buy("1", "100").await;

    // In steps that are believed.
    for rate in ["1.1", "1.4", "1.8", "2.3"] {
        reprice(&world, 0, rate).await;
    }

    let mut mapping = (*world.house.catalog.mapping()).clone();
    mapping.services.clear();

    world
        .house
        .catalog
        .change(mapping.into(), Vec::new(), None)
        .await
        .unwrap();

    world.work().await;
    assert_eq!(
        (adds(&world), legs(&world.database).await.as_str()),
        (0, "a parked")
    );

    assert!(
        read(&world.database, "select reason from leg")
            .await
            .starts_with("held: a costs 0.23 now")
    );

    // What still pays is delivered.
    reprice(&world, 0, "1.7").await;
    world.pass(2, 61).await;
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
async fn whoever_stops_a_panel_waits_for_what_is_being_marked_as_sent() {
    let world = World::open().await;
    world.buy("1", "100").await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();
    house.delivery.ask_balance(panel).await.unwrap();
    let now = world.clock.now();
    let leased_until = now + TimeDelta::seconds(60);

    let taken = leases::claim_due_legs(
        &house.store,
        &panel.settings().id,
        None,
        epoch,
        1,
        leased_until,
        now,
    )
    .await
    .unwrap();

    // Somebody holds the leg, so that whoever marks it has looked at the gates and is not done.
    let mut somebody = house.store.begin().await.unwrap();
    stored::lock_leg(&mut somebody, taken[0].leg).await.unwrap();
    let asked = leases::SendIntent::default();
    let marks = leases::mark_sending(&house.store, &taken[0], asked, epoch, taken[0].cost, now);

    let waiting = |kind: &str| {
        format!(
            "select count(*)::text from pg_locks where not granted and locktype = '{kind}' and \
             pid in (select pid from pg_stat_activity where datname = current_database())"
        )
    };

    let (database, by_row, by_gate) = (
        &world.database,
        waiting("transactionid"),
        waiting("advisory"),
    );

    let stops = async {
        until("it is being marked", async || {
            read(database, &by_row).await != "0"
        })
        .await;

        let mut tx = house.store.begin().await.unwrap();
        let paused = async {
            gates::pause_provider(&mut tx, &panel.settings().id, true, now)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        };

        let waits = async {
            until("the pause waits for it", async || {
                read(database, &by_gate).await != "0"
            })
            .await;
            somebody.rollback().await.unwrap();
        };

        tokio::join!(paused, waits);
    };

    let (marked, ()) = tokio::join!(marks, stops);
    assert!(
        marked.unwrap(),
        "it was marked before the panel was stopped"
    );

    let again = leases::mark_sending(&house.store, &taken[0], asked, epoch, taken[0].cost, now)
        .await
        .unwrap();

    assert!(!again);
}
