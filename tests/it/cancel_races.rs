//! Cancels against all that happens to an order meanwhile: nothing of it is at a panel and all
//! comes back, or its panel is asked and its status decides.

use futures_util::future::join_all;
use panelgate::domain::clock::Clock;
use panelgate::domain::customer::Dialect;
use panelgate::domain::id::OrderId;
use panelgate::domain::money::Money;
use panelgate::orders::resolve::DoubtFinding;
use panelgate::orders::{decide, withdraw};
use panelgate::store::{cancels, leases};

use crate::books::{legs, read};
use crate::resolve::{accepted, decide as resolve};
use crate::scripted::Scripted;
use crate::world::{Plan, World, in_time, work_once};

const DONE: &str = r#"{"cancel":1}"#;
const OPEN: &str = r#"{"charge":"0.09","start_count":"5","status":"In progress","remains":"60"}"#;
const CANCELED: &str = r#"{"charge":"0","start_count":"5","status":"Canceled","remains":"100"}"#;
const COMPLETED: &str = r#"{"charge":"0.09","start_count":"5","status":"Completed","remains":"0"}"#;

/// A panel that delivers, and promises whatever it is asked to cancel.
async fn panel() -> Scripted {
    let panel = Scripted::saying(OPEN).await;
    panel.change(|script| DONE.clone_into(&mut script.cancel));
    panel
}

async fn cancel(world: &World, order: i32) -> String {
    world
        .ask(&[("action", "cancel"), ("order", &order.to_string())])
        .await
}

/// How far the order is when its customer wants it back.
#[derive(Clone, Copy, Debug)]
enum At {
    Bought,
    Leased,
    Marked,
    Asked,
    Accepted,
    DoubtFound,
    DoubtNotPlaced,
    Parked,
    Ending,
}

impl At {
    const ALL: [Self; 9] = [
        Self::Bought,
        Self::Leased,
        Self::Marked,
        Self::Asked,
        Self::Accepted,
        Self::DoubtFound,
        Self::DoubtNotPlaced,
        Self::Parked,
        Self::Ending,
    ];

    /// What its panel says of it in the end; nothing, where it does not have it.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Bought | Self::Leased | Self::Parked | Self::DoubtNotPlaced => &[COMPLETED],
            Self::Marked | Self::Asked | Self::Accepted | Self::DoubtFound | Self::Ending => {
                &[CANCELED, COMPLETED]
            }
        }
    }

    /// Brings the order there, cancels it, and lets go on what was under way.
    async fn cancel(self, panel: &Scripted, world: &World, order: i32, last: &str) {
        match self {
            Self::Bought => assert_eq!(cancel(world, order).await, DONE),
            Self::Leased | Self::Marked => {
                in_the_dispatchers_hands(world, order, matches!(self, Self::Marked)).await;
            }
            Self::Asked => while_it_answers("add", panel, world, order).await,
            Self::Accepted => {
                world.work().await;
                assert_eq!(cancel(world, order).await, DONE);
            }
            Self::DoubtFound | Self::DoubtNotPlaced | Self::Parked => {
                let parked = matches!(self, Self::Parked);
                let answer = if parked {
                    r#"{"error":"Not enough funds"}"#
                } else {
                    "<html>"
                };

                panel.change(|script| script.add = Some(answer.to_owned()));
                world.work().await;
                assert_eq!(
                    legs(&world.database).await,
                    if parked { "s parked" } else { "s in_doubt" }
                );

                assert_eq!(cancel(world, order).await, DONE);
                let found = matches!(self, Self::DoubtFound);

                if !parked {
                    resolve(
                        world,
                        order,
                        &if found {
                            accepted("77")
                        } else {
                            DoubtFinding::NotPlaced
                        },
                    )
                    .await;
                }
            }
            Self::Ending => {
                world.work().await;
                panel.change(|script| last.clone_into(&mut script.row));
                world.turn(10);
                while_it_answers("status", panel, world, order).await;
            }
        }
    }
}

/// A dispatcher holds the leg, perhaps with its intent committed; then it goes on as dispatchers
/// do.
async fn in_the_dispatchers_hands(world: &World, order: i32, marked: bool) {
    let (delivery, store, panel) = (
        &world.house.delivery,
        &world.house.store,
        &world.house.panels[0],
    );

    let epoch = delivery.hold(panel).await.unwrap().unwrap();
    delivery.ask_balance(panel).await.unwrap();
    let leg = delivery.lease(panel, epoch, 1).await.unwrap().remove(0);

    if !marked {
        assert_eq!(cancel(world, order).await, DONE);
        return delivery.send(panel, &leg, epoch).await.unwrap();
    }

    assert!(
        leases::mark_sending(
            store,
            &leg,
            leases::SendIntent::default(),
            epoch,
            leg.cost,
            world.clock.now()
        )
        .await
        .unwrap()
    );

    assert_eq!(cancel(world, order).await, DONE);
    let said = panel.add(panel.slot().await, &leg, in_time()).await;
    delivery
        .conclude(panel.settings(), leg.leg, leg.attempt, &said)
        .await
        .unwrap();
}

/// The panel has been asked and says nothing yet.
async fn while_it_answers(action: &'static str, panel: &Scripted, world: &World, order: i32) {
    let held = panel.hold(action);
    let customer = async {
        held.asked().await;
        assert_eq!(cancel(world, order).await, DONE);
        panel.hold_nothing();
        held.let_go();
    };

    tokio::join!(world.work(), customer);
}

/// What came of it: the order, its leg, what the panel was asked, and what asking once more is
/// answered.
async fn came_of(panel: &Scripted, world: &World, order: i32) -> String {
    let question = "select concat_ws(' ', state, trim_scale(refunded)) from orders";
    let (stands, legs) = (
        read(&world.database, question).await,
        legs(&world.database).await,
    );

    let refunds = read(
        &world.database,
        "select count(*)::text from transfer where reason = 'refund'",
    )
    .await;

    let (adds, cancels) = (panel.requests("add"), panel.requests("cancel"));
    let again = cancel(world, order).await;
    format!("{stands} in {refunds}; {legs}; heard {adds} adds, {cancels} cancels; again {again}")
}

#[tokio::test]
async fn wherever_a_cancel_comes_one_of_two_things_is_true() {
    let mut told = Vec::new();
    for at in At::ALL {
        for &word in at.words() {
            let panel = panel().await;
            let world = panel.world().await;
            let order = world.buy("1", "100").await;
            at.cancel(&panel, &world, order, word).await;
            world.audit().await;
            world.work().await;

            panel.change(|script| script.row = word.to_owned());
            world.pass(3, 10).await;
            told.push(format!("{at:?}: {}", came_of(&panel, &world, order).await));
            world.audit().await;
        }
    }

    insta::assert_snapshot!(told.join("\n"), @r#"
    Bought: canceled 0.09 in 1; s canceled; heard 0 adds, 0 cancels; again {"cancel":1}
    Leased: canceled 0.09 in 1; s canceled; heard 0 adds, 0 cancels; again {"cancel":1}
    Marked: canceled 0.09 in 1; s ended; heard 1 adds, 1 cancels; again {"cancel":1}
    Marked: completed 0 in 0; s ended; heard 1 adds, 1 cancels; again {"error":"Order cannot be cancelled (already completed)"}
    Asked: canceled 0.09 in 1; s ended; heard 1 adds, 1 cancels; again {"cancel":1}
    Asked: completed 0 in 0; s ended; heard 1 adds, 1 cancels; again {"error":"Order cannot be cancelled (already completed)"}
    Accepted: canceled 0.09 in 1; s ended; heard 1 adds, 1 cancels; again {"cancel":1}
    Accepted: completed 0 in 0; s ended; heard 1 adds, 1 cancels; again {"error":"Order cannot be cancelled (already completed)"}
    DoubtFound: canceled 0.09 in 1; s ended; heard 1 adds, 1 cancels; again {"cancel":1}
    DoubtFound: completed 0 in 0; s ended; heard 1 adds, 1 cancels; again {"error":"Order cannot be cancelled (already completed)"}
    DoubtNotPlaced: canceled 0.09 in 1; s refused; heard 1 adds, 0 cancels; again {"cancel":1}
    Parked: canceled 0.09 in 1; s canceled; heard 1 adds, 0 cancels; again {"cancel":1}
    Ending: canceled 0.09 in 1; s ended; heard 1 adds, 0 cancels; again {"cancel":1}
    Ending: completed 0 in 0; s ended; heard 1 adds, 0 cancels; again {"error":"Order cannot be cancelled (already completed)"}
    "#);
}

#[tokio::test]
async fn of_many_orders_wanted_back_while_they_are_sent_each_is_unsent_or_asked_for() {
    let world = World::open().await;
    for _ in 0..3 {
        let mut orders = Vec::new();
        for _ in 0..20 {
            orders.push(world.buy("10", "100").await);
        }

        let (answers, ()) = tokio::join!(
            join_all(orders.iter().map(|order| cancel(&world, *order))),
            world.work()
        );

        assert!(answers.iter().all(|answer| answer == DONE), "{answers:?}");
        world.audit().await;
    }

    world.pass(3, 10).await;
    let count = async |condition: &str| {
        read(
            &world.database,
            &format!("select count(*)::text from leg where {condition}"),
        )
        .await
    };

    let sent = count("state = 'ended' and panel_status = 'Canceled'").await;
    assert_eq!(sent, world.panel().orders().len().to_string());
    assert_eq!(
        count("state = 'canceled' and sending_at is null").await,
        (60 - sent.parse::<i32>().unwrap()).to_string()
    );

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from orders where state <> 'canceled'"
        )
        .await,
        "0"
    );

    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn fifty_cancels_at_once_are_one() {
    let panel = panel().await;
    let world = panel.world().await;
    let letters = world.key_speaking(Dialect::Notpanel).await;

    for sent in [false, true] {
        let order = world.buy("1", "100").await;
        if sent {
            world.work().await;
        }

        let name = order.to_string();
        let fields = [("action", "cancel"), ("order", name.as_str())];
        let ask = |n: i32| world.ask_as(if n % 2 == 0 { &world.key } else { &letters }, &fields);
        let answers = join_all((0..50).map(ask)).await;
        let (classic, notpanel): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| *answer == DONE);

        assert!(
            classic.len() == 25
                && notpanel
                    .iter()
                    .all(|answer| answer.starts_with(r#"{"cancel":"ord_"#))
        );

        let refunds = read(
            &world.database,
            "select count(*)::text from transfer where reason = 'refund'",
        )
        .await;

        assert_eq!(refunds, "1", "of the one that was not sent");
    }

    world.pass(3, 10).await;
    assert_eq!(panel.requests("cancel"), 1);
    let asked = "select string_agg(state, ' ' order by order_id) from cancel_request";
    assert_eq!(
        read(&world.database, asked).await,
        "refused taken",
        "the panel had only one of them"
    );

    world.audit().await;
}

/// What a person does to an order at the same moment.
#[derive(Clone, Copy, Debug)]
enum Hand {
    Withdraws,
    GivesAllBack,
    Settles(decide::SettlementFinding),
}

impl Hand {
    async fn decide(self, world: &World, order: i32) {
        let mut tx = world.house.store.begin().await.unwrap();
        let (order, now) = (OrderId(order), world.clock.now());

        match self {
            Self::Withdraws => drop(
                withdraw::unsent(&mut tx, order, "by hand", now)
                    .await
                    .unwrap(),
            ),
            Self::GivesAllBack => {
                let all = Money::parse("0.09").unwrap();
                decide::give_back(&mut tx, order, all, "a complaint", now)
                    .await
                    .unwrap();
            }
            Self::Settles(found) => drop(decide::settle(&mut tx, order, found, now).await.unwrap()),
        }

        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_cancel_and_a_person_at_the_same_moment_give_back_once() {
    let panel = panel().await;
    let world = panel.world().await;

    let hands = [
        (Hand::Withdraws, false, "0.09"),
        (Hand::GivesAllBack, false, "0.09"),
        (Hand::GivesAllBack, true, "0.09"),
        (
            Hand::Settles(decide::SettlementFinding::Canceled),
            true,
            "0.09",
        ),
        (
            Hand::Settles(decide::SettlementFinding::Completed),
            true,
            "0",
        ),
    ];

    for (hand, sent, refunded) in hands {
        for _ in 0..10 {
            let order = world.buy("1", "100").await;
            if sent {
                world.work().await;
            }

            let (answer, ()) = tokio::join!(cancel(&world, order), hand.decide(&world, order));
            assert!(
                answer == DONE || answer.contains("cannot be cancelled (already "),
                "{hand:?}: {answer}"
            );

            let question =
                format!("select trim_scale(refunded)::text from orders where id = {order}");
            assert_eq!(read(&world.database, &question).await, refunded, "{hand:?}");
        }

        world.audit().await;
    }
}

/// The first of two panels refuses; the second would take the order.
async fn two_routes(first: &Scripted) -> World {
    first.change(|script| script.add = Some(r#"{"error":"Incorrect service ID"}"#.to_owned()));
    let routes =
        "routes = [{ provider = \"s\", service = \"1\" }, { provider = \"b\", service = \"1\" }]";
    let services = format!(
        "{}[[service]]\nid = 1\nrate = \"2\"\n{routes}\n",
        first.block()
    );

    World::build(Plan {
        panels: vec![("b", "")],
        services,
        ..Plan::default()
    })
    .await
}

#[tokio::test]
async fn an_order_wanted_back_while_its_panel_refuses_goes_to_no_other() {
    let first = panel().await;
    let world = two_routes(&first).await;
    let order = world.buy("1", "100").await;
    while_it_answers("add", &first, &world, order).await;
    world.pass(2, 10).await;
    assert_eq!(legs(&world.database).await, "s refused");
    assert_eq!(world.panel().orders().len(), 0);

    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn an_order_wanted_back_as_its_panel_is_asked_reaches_no_other() {
    let first = panel().await;
    let world = two_routes(&first).await;
    for _ in 0..10 {
        let order = world.buy("1", "100").await;
        let refused_by_the_first = async {
            let panel = world
                .house
                .panels
                .iter()
                .find(|panel| panel.settings().id.0 == "s")
                .unwrap();

            work_once(&world.house, panel).await;
        };

        let (answer, ()) = tokio::join!(cancel(&world, order), refused_by_the_first);
        assert_eq!(answer, DONE);
        let question =
            format!("select state || ' ' || trim_scale(refunded) from orders where id = {order}");
        world.work().await;
        assert_eq!(read(&world.database, &question).await, "canceled 0.2");
    }

    assert_eq!(world.panel().orders().len(), 0);
    world.audit().await;
}

#[tokio::test]
async fn an_order_wanted_back_at_its_second_panel_is_asked_for_there() {
    let first = panel().await;
    let world = two_routes(&first).await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s refused, b accepted");
    assert_eq!(cancel(&world, order).await, DONE);

    world.work().await;
    world.pass(2, 10).await;
    assert_eq!(world.panel().requests().get("cancel"), Some(&1));
    assert_eq!(first.requests("cancel"), 0);
    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    world.audit().await;
}

/// Where the process dies that asks a panel to cancel.
#[derive(Clone, Copy, Debug)]
enum Dies {
    Before,
    Marked,
    Asked,
}

#[tokio::test]
async fn a_cancel_outlives_the_process_that_heard_it_or_asked_it() {
    for dies in [Dies::Before, Dies::Marked, Dies::Asked] {
        let panel = panel().await;
        let world = panel.world().await;
        let order = world.buy("1", "100").await;
        world.work().await;
        assert_eq!(cancel(&world, order).await, DONE);

        match dies {
            Dies::Before => {}
            Dies::Marked => {
                let (delivery, at) = (&world.house.delivery, &world.house.panels[0]);
                let epoch = delivery.hold(at).await.unwrap().unwrap();
                let (store, now) = (&world.house.store, world.clock.now());
                let taken =
                    cancels::claim_due_cancels(store, &at.settings().id, epoch, 10, now, now)
                        .await
                        .unwrap();

                assert_eq!(taken.len(), 1);
            }
            Dies::Asked => {
                let held = panel.hold("cancel");
                tokio::select! {
                    () = world.work() => panic!("the panel answered"),
                    () = held.asked() => panel.hold_nothing(),
                }
            }
        }

        let heir = world.restarted().await;
        world.turn(11);

        for _ in 0..3 {
            work_once(&heir, &heir.panels[0]).await;
        }

        let heard = if matches!(dies, Dies::Asked) { 2 } else { 1 };
        assert_eq!(panel.requests("cancel"), heard, "{dies:?}");
        assert_eq!(
            read(&world.database, "select state from cancel_request").await,
            "taken"
        );

        panel.change(|script| script.row = CANCELED.to_owned());
        for _ in 0..3 {
            world.turn(10);
            work_once(&heir, &heir.panels[0]).await;
        }

        assert_eq!(
            came_of(&panel, &world, order).await.split(';').next(),
            Some("canceled 0.09 in 1"),
            "{dies:?}"
        );

        world.audit().await;
    }
}

#[tokio::test]
async fn a_process_that_dies_with_an_order_wanted_back_leaves_it_whole() {
    // It dies with the leg in its hands: before the mark nothing was sent; after it nobody knows,
    // and nobody sends again.
    for (marked, expected) in [(false, "s canceled"), (true, "s in_doubt")] {
        let panel = panel().await;
        let world = panel.world().await;
        let order = world.buy("1", "100").await;
        let (delivery, at) = (&world.house.delivery, &world.house.panels[0]);
        let epoch = delivery.hold(at).await.unwrap().unwrap();
        delivery.ask_balance(at).await.unwrap();

        let leg = delivery.lease(at, epoch, 1).await.unwrap().remove(0);
        if marked {
            assert!(
                leases::mark_sending(
                    &world.house.store,
                    &leg,
                    leases::SendIntent::default(),
                    epoch,
                    leg.cost,
                    world.clock.now()
                )
                .await
                .unwrap()
            );
        }

        let heir = world.restarted().await;
        assert_eq!(cancel(&world, order).await, DONE);
        world.turn(70);

        for _ in 0..3 {
            work_once(&heir, &heir.panels[0]).await;
        }

        assert_eq!(legs(&world.database).await, expected);
        assert_eq!((panel.requests("add"), panel.requests("cancel")), (0, 0));
        world.audit().await;
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_amid_cancels_takes_back_what_it_said_it_did() {
    let world = World::open().await;
    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(world.buy("1", "100").await);
    }

    let pool = world.pool().await;
    let revoke =
        sqlx::query("update api_key set revoked_at = now() where id = $1").bind(world.key_id.0);
    let cancels = join_all(orders.iter().map(|order| cancel(&world, *order)));
    let (answers, revoked) = tokio::join!(cancels, revoke.execute(&pool));
    assert_eq!(revoked.unwrap().rows_affected(), 1);

    let done = answers.iter().filter(|answer| *answer == DONE).count();
    assert!(
        answers
            .iter()
            .all(|answer| answer == DONE || answer == crate::keys::NOBODY),
        "{answers:?}"
    );

    let canceled = read(
        &world.database,
        "select count(*)::text from orders where state = 'canceled'",
    )
    .await;

    assert_eq!(canceled, done.to_string());
    world.audit().await;
}
