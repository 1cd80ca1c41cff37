//! Refills against each other, against the panel's word and against death: asked for once, sent at
//! most once.

use futures_util::future::join_all;
use panelgate::domain::clock::Clock;
use panelgate::domain::customer::Dialect;
use panelgate::domain::id::OrderId;
use panelgate::domain::money::Money;
use panelgate::orders::decide;
use panelgate::store::refills;

use crate::books::read;
use crate::scripted::Scripted;
use crate::world::{World, healthy, in_time, work_once};
use panelgate::domain::provider::PanelAddress;

const COMPLETED: &str = r#"{"charge":"0.09","start_count":"5","status":"Completed","remains":"0"}"#;
const UNDER_WAY: &str = r#"{"error":"The refill task is not completed for this order"}"#;

/// A panel that refills under id 7, and an order that it delivered.
async fn delivered() -> (Scripted, World, i32) {
    let panel = Scripted::saying(COMPLETED).await;
    panel.change(|script| {
        r#"{"refill":7}"#.clone_into(&mut script.refill);
        r#"[{"refill":7,"status":"In progress"}]"#.clone_into(&mut script.refill_status);
    });

    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;

    (panel, world, order)
}

async fn refill(world: &World, order: i32) -> String {
    world
        .ask(&[("action", "refill"), ("order", &order.to_string())])
        .await
}

async fn status(world: &World) -> String {
    let answer = world
        .ask(&[("action", "refill_status"), ("refill", "1")])
        .await;

    answer
        .strip_prefix(r#"{"status":""#)
        .and_then(|rest| rest.strip_suffix(r#""}"#))
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn fifty_refills_at_once_through_two_doors_are_one() {
    let (panel, world, order) = delivered().await;
    let second = world
        .restarted()
        .await
        .open_door(([127, 0, 0, 1], 0).into(), healthy())
        .await
        .unwrap();

    let letters = world.key_speaking(Dialect::Notpanel).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    let asks = (0..50).map(|n| {
        let door = if n % 2 == 0 { &world.door } else { &second };
        let key = if n % 4 < 2 { &world.key } else { &letters };
        let url = format!(
            "http://{}/api/v2?key={key}&action=refill&order={order}",
            door.addr()
        );

        let asked = client.get(url).send();
        async move { asked.await.unwrap().text().await.unwrap() }
    });

    let answers = join_all(asks).await;
    let begun = answers
        .iter()
        .filter(|answer| answer.starts_with(r#"{"refill":""#))
        .count();

    let under_way = [
        UNDER_WAY,
        r#"{"error":"A refill request is already pending for this order"}"#,
    ];

    let refused = answers
        .iter()
        .filter(|answer| under_way.contains(&answer.as_str()))
        .count();

    assert_eq!((begun, refused), (1, 49), "{answers:?}");
    world.pass(2, 10).await;
    assert_eq!(panel.requests("refill"), 1);
    world.audit().await;
}

#[tokio::test]
async fn two_houses_that_work_at_once_send_a_refill_once() {
    let (panel, world, order) = delivered().await;
    let second = world.restarted().await;
    refill(&world, order).await;

    for _ in 0..5 {
        tokio::join!(
            work_once(&world.house, &world.house.panels[0]),
            work_once(&second, &second.panels[0])
        );
        world.turn(6);
    }

    assert_eq!(panel.requests("refill"), 1);
    assert_eq!(
        read(&world.database, "select state from refill").await,
        "taken"
    );
}

/// Where the process dies that sends a refill.
#[derive(Clone, Copy, Debug)]
enum Dies {
    Before,
    Marked,
    Asked,
    Answered,
}

impl Dies {
    async fn now(self, panel: &Scripted, world: &World) {
        let (delivery, store, at) = (
            &world.house.delivery,
            &world.house.store,
            &world.house.panels[0],
        );

        match self {
            Self::Before => {}
            Self::Marked | Self::Answered => {
                let epoch = delivery.hold(at).await.unwrap().unwrap();
                let marked = refills::claim_due_send(
                    store,
                    PanelAddress {
                        provider: &at.settings().id,
                        address: &at.address(),
                    },
                    epoch,
                    world.clock.now(),
                )
                .await
                .unwrap()
                .unwrap();

                if matches!(self, Self::Answered) {
                    // What it said is lost with whoever heard it.
                    at.refill(at.slot().await, &marked.panel_order, in_time())
                        .await;
                }
            }
            Self::Asked => {
                let held = panel.hold("refill");
                tokio::select! {
                    () = world.work() => panic!("the panel answered"),
                    () = held.asked() => panel.hold_nothing(),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refill_whose_sender_dies_is_sent_by_the_next_or_by_nobody() {
    for (dies, heard, told) in [
        (Dies::Before, 1, ["Pending", "In progress", "In progress"]),
        (Dies::Marked, 0, ["In progress", "In progress", "Rejected"]),
        (Dies::Asked, 1, ["In progress", "In progress", "Rejected"]),
        (
            Dies::Answered,
            1,
            ["In progress", "In progress", "Rejected"],
        ),
    ] {
        let (panel, world, order) = delivered().await;
        refill(&world, order).await;
        dies.now(&panel, &world).await;
        let mut shown = vec![status(&world).await];
        let heir = world.restarted().await;
        for seconds in [11, 49 * 3_600] {
            world.turn(seconds);
            for _ in 0..3 {
                work_once(&heir, &heir.panels[0]).await;
            }
            shown.push(status(&world).await);
        }
        assert_eq!(
            (panel.requests("refill"), shown),
            (heard, told.map(str::to_owned).to_vec()),
            "{dies:?}"
        );
        let again = refill(&world, order).await;
        assert_eq!(
            again,
            if told[2] == "Rejected" {
                r#"{"refill":"2"}"#
            } else {
                UNDER_WAY
            },
            "{dies:?}"
        );
        world.audit().await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_its_doubt_ends_it() {
    let (panel, world, order) = delivered().await;
    refill(&world, order).await;
    let held = panel.hold("refill");
    let heir = world.restarted().await;

    let meanwhile = async {
        held.asked().await;
        panel.hold_nothing();
        world.turn(11);
        work_once(&heir, &heir.panels[0]).await;
        assert_eq!(
            read(&world.database, "select state from refill").await,
            "in_doubt"
        );

        held.let_go();
    };

    tokio::join!(work_once(&world.house, &world.house.panels[0]), meanwhile);
    assert_eq!(
        read(
            &world.database,
            "select state || ' ' || panel_refill from refill"
        )
        .await,
        "taken 7"
    );

    world.turn(20);
    panel.change(|script| {
        script.refill_status = r#"[{"refill":7,"status":"Completed"}]"#.to_owned();
    });

    work_once(&heir, &heir.panels[0]).await;
    assert_eq!(status(&world).await, "Completed");
    assert_eq!(panel.requests("refill"), 1);
}

#[tokio::test]
async fn a_refill_that_ends_is_in_progress_until_it_is_over_and_then_makes_room() {
    let (panel, world, order) = delivered().await;
    refill(&world, order).await;
    world.work().await;
    panel.change(|script| {
        script.refill_status = r#"[{"refill":7,"status":"Completed"}]"#.to_owned();
    });

    let held = panel.hold("refill_status");
    world.turn(10);

    let customers = async {
        held.asked().await;
        assert_eq!(status(&world).await, "In progress");
        assert_eq!(refill(&world, order).await, UNDER_WAY);
        panel.hold_nothing();
        held.let_go();
        let mut told: Vec<String> = join_all((0..50).map(|_| status(&world))).await;
        told.dedup();

        assert!(
            told.iter()
                .all(|word| ["In progress", "Completed"].contains(&word.as_str())),
            "{told:?}"
        );
    };

    tokio::join!(world.work(), customers);
    assert_eq!(status(&world).await, "Completed");
    assert_eq!(refill(&world, order).await, r#"{"refill":"2"}"#);
}

#[tokio::test]
async fn an_order_that_is_given_back_whole_while_its_refill_is_asked_for_is_not_refilled() {
    let (_panel, world, order) = delivered().await;
    let mut tx = world.house.store.begin().await.unwrap();
    let all = Money::parse("0.09").unwrap();

    decide::give_back(
        &mut tx,
        OrderId(order),
        all,
        "a complaint",
        world.clock.now(),
    )
    .await
    .unwrap();

    let decided = async {
        // The customer was shown a completed order, and waits for the lock that the person holds.
        let waits = "select count(*)::text from pg_stat_activity where datname = \
                     current_database() and wait_event_type = 'Lock'";
        while read(&world.database, waits).await == "0" {}
        tx.commit().await.unwrap();
    };

    let (answer, ()) = tokio::join!(refill(&world, order), decided);
    assert_eq!(answer, r#"{"error":"The order is not completed"}"#);
    assert_eq!(
        read(&world.database, "select count(*)::text from refill").await,
        "0"
    );
}
