//! Drills: a panel that is dead, too slow, or finds us too fast; orders go elsewhere or wait, and
//! no order is the test of whether it is well again.

use panel_sim::{Settings, Simulator};
use tokio::net::TcpSocket;

use crate::books::{legs, read, run};
use crate::scripted::Scripted;
use crate::world::{Plan, World, follows, one_over, panel_settings, work_once};

/// The state of a panel's breaker, what opened it last, and how often it did.
async fn breaker(world: &World, panel: &str) -> String {
    let question = format!(
        "select breaker || ' ' || breaker_cause || ' ' || breaker_trips from provider where id = \
         '{panel}'"
    );
    read(&world.database, &question).await
}

fn asked(panel: &Simulator, action: &str) -> u64 {
    panel.requests().get(action).copied().unwrap_or(0)
}

/// A port that refuses connections and that nobody else gets meanwhile.
struct Dead {
    settings: Settings,
    _kept: TcpSocket,
}

impl Dead {
    async fn of(world: &mut World, panel: usize) -> Self {
        let simulator = world.panels.remove(panel);
        let listen = simulator.addr();
        simulator.stop().await;
        let kept = TcpSocket::new_v4().unwrap();
        kept.set_reuseaddr(true).unwrap();
        kept.bind(listen).unwrap();

        Self {
            settings: Settings {
                listen,
                ..panel_settings(1, "", 0)
            },
            _kept: kept,
        }
    }

    async fn back(self, world: &mut World, panel: usize) {
        let simulator = Simulator::start(self.settings, follows(&world.clock))
            .await
            .unwrap();
        world.panels.insert(panel, simulator);
    }
}

#[tokio::test]
async fn a_panel_that_is_dead_for_an_hour_returns_by_itself_and_no_order_is_its_test() {
    let plan = Plan {
        panels: vec![("a", ""), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let mut world = World::build(plan).await;
    let dead = Dead::of(&mut world, 0).await;
    let mut orders = Vec::new();

    for minute in 0..60 {
        orders.push(world.buy("1", "100").await);
        world.pass(6, 10).await;
        if minute == 2 {
            assert_eq!(breaker(&world, "a").await, "open errors 1");
        }
    }

    assert_eq!(
        breaker(&world, "a").await,
        "open errors 1",
        "it was opened once"
    );

    assert!(!world.panels[0].orders().is_empty(), "b delivers meanwhile");
    let (attempts, tried) = (
        "select count(*)::text from attempt where verdict = 'never_sent'",
        5,
    );

    assert_eq!(
        read(&world.database, attempts).await,
        tried.to_string(),
        "nothing was tried while it was stopped"
    );

    dead.back(&mut world, 0).await;

    // What is left of the wait, and two free calls.
    let (mut free, mut waited) = (0, 0);

    while breaker(&world, "a").await != "closed errors 1" {
        assert_eq!(asked(&world.panels[0], "add"), 0, "no order is its test");
        world.turn(3);
        let panel = world.house.panels[0].clone();
        world.house.delivery.hold(&panel).await.unwrap();
        world.house.delivery.probe(&panel).await.unwrap();
        (free, waited) = (asked(&world.panels[0], "balance"), waited + 3);

        assert!(waited <= 36, "it returns soon");
    }

    assert_eq!((free, asked(&world.panels[0], "add")), (2, 0));

    // Buying sees how panels stand within a second; here when it is told to look.
    world.work().await;
    orders.push(world.buy("1", "100").await);
    world.work().await;
    let adds = asked(&world.panels[0], "add");
    assert!(adds > 0, "orders go to it again");

    assert_eq!(
        adds,
        world.panels[0].orders().len() as u64,
        "its first adds are wanted, and succeed"
    );

    world.pass(3, 10).await;
    for order in &orders {
        assert!(
            world
                .status(*order)
                .await
                .contains(r#""status":"Completed""#)
        );
    }

    let delivered: usize = world.panels.iter().map(|panel| panel.orders().len()).sum();
    assert_eq!(delivered, 61, "each order once");

    // 61 orders at 2 for 1,000.
    assert_eq!(
        world.balance().await,
        r#"{"balance":"987.80","currency":"USD"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn one_bad_moment_with_many_calls_in_flight_stops_nobody() {
    let mut world = World::open().await;
    let dead = Dead::of(&mut world, 0).await;

    for _ in 0..8 {
        world.buy("1", "10").await;
    }

    world.work().await;
    world.pass(3, 1).await;
    dead.back(&mut world, 0).await;
    world.pass(4, 1).await;

    assert_eq!(
        (
            breaker(&world, "a").await.as_str(),
            world.panel().orders().len()
        ),
        ("closed doubts 0", 8)
    );

    world.audit().await;
}

#[tokio::test]
async fn a_flapping_panel_waits_longer_each_time_until_it_was_well_for_an_hour() {
    let mut world = World::open().await;
    world.buy("1", "100").await;

    for trips in [1, 2, 3, 1] {
        if trips == 1 {
            world.turn(3_700);
        }

        let dead = Dead::of(&mut world, 0).await;

        // Somebody asks; what is asked is no matter.
        for _ in 0..5 {
            world.turn(5);
            world
                .house
                .delivery
                .ask_balance(&world.house.panels[0])
                .await
                .unwrap();
        }

        let panel = world.house.panels[0].clone();
        work_once(&world.house, &panel).await;
        assert_eq!(breaker(&world, "a").await, format!("open errors {trips}"));
        let wait =
            "select extract(epoch from breaker_until - breaker_at)::integer::text from provider";
        assert_eq!(
            read(&world.database, wait).await,
            (30 << (trips - 1)).to_string()
        );

        dead.back(&mut world, 0).await;
        world.pass(1, 30 << (trips - 1)).await;
        world.pass(1, 3).await;
        assert_eq!(breaker(&world, "a").await, format!("closed errors {trips}"));
    }
}

#[tokio::test]
async fn a_panel_whose_adds_are_slow_gets_none_until_free_calls_were_fast_after_its_wait() {
    let panel = Scripted::saying(r#"{"status":"In progress","remains":"60"}"#).await;
    let world = panel.world().await;
    panel.slow(Some((world.clock.clone(), 16)));

    for _ in 0..8 {
        world.buy("1", "100").await;
    }

    world.work().await;
    assert_eq!(
        (panel.requests("add"), breaker(&world, "s").await.as_str()),
        (5, "open slowness 1")
    );

    // Its free calls are slow too, and each begins the wait anew.
    world.pass(6, 31).await;
    assert_eq!(
        (panel.requests("add"), breaker(&world, "s").await.as_str()),
        (5, "open slowness 1")
    );

    panel.slow(None);
    let balances = panel.requests("balance");
    world.pass(1, 29).await;

    assert_eq!(
        (panel.requests("add"), panel.requests("balance") - balances),
        (5, 0),
        "the wait is not over"
    );

    world.pass(1, 1).await;
    assert_eq!(breaker(&world, "s").await, "closed slowness 1");

    // Statuses that were asked for meanwhile were fast too.
    assert_eq!(
        (panel.requests("add"), panel.requests("balance") - balances),
        (8, 1)
    );

    world.audit().await;
}

#[tokio::test]
async fn what_doubts_opened_is_shut_by_a_proof_only_though_the_panel_was_dead_meanwhile() {
    let plan = Plan {
        panels: vec![("a", "502")],
        provider: "",
        ..Plan::default()
    };

    let mut world = World::build(plan).await;
    for _ in 0..5 {
        world.buy("1", "100").await;
    }

    world.work().await;
    assert_eq!(
        (
            asked(world.panel(), "add"),
            breaker(&world, "a").await.as_str()
        ),
        (3, "open doubts 1")
    );

    let dead = Dead::of(&mut world, 0).await;
    world.pass(10, 31).await;
    assert_eq!(breaker(&world, "a").await, "open doubts 1");
    dead.back(&mut world, 0).await;
    world.turn(31);
    let panel = world.house.panels[0].clone();
    world.house.delivery.probe(&panel).await.unwrap();

    assert_eq!(
        breaker(&world, "a").await,
        "half_open doubts 1",
        "one order at a time"
    );
}

#[tokio::test]
async fn a_panel_that_tells_no_balance_is_let_go_by_its_catalog() {
    let panel = Scripted::saying("{}").await;
    let world = panel.world().await;
    panel.change(|script| script.balance = r#"{"error":"No such thing here"}"#.to_owned());
    world.buy("1", "100").await;

    run(
        &world.database,
        "update provider set breaker = 'open', breaker_cause = 'errors', breaker_until = \
         '2023-11-14'",
    )
    .await
    .unwrap();

    world.pass(2, 3).await;
    assert_eq!(
        (breaker(&world, "s").await.as_str(), panel.requests("add")),
        ("closed errors 0", 1)
    );
}

#[tokio::test]
async fn a_person_who_resumes_a_panel_is_not_overruled_by_what_was_before() {
    let mut world = World::open().await;
    world.buy("1", "100").await;
    let dead = Dead::of(&mut world, 0).await;
    world.pass(40, 1).await;
    assert_eq!(breaker(&world, "a").await, "open errors 1");
    world.house.alerts.look().await.unwrap();

    let words = read(
        &world.database,
        "select words from alert where kind = 'breaker_open'",
    )
    .await;

    assert!(
        words.starts_with("panel a gets no orders") && words.ends_with("what stopped it: errors"),
        "{words}"
    );

    let mut tx = world.house.store.begin().await.unwrap();
    let provider = panelgate::domain::id::ProviderId("a".into());
    let now = world.house.clock.now();
    assert_eq!(
        panelgate::store::gates::pause_provider(&mut tx, &provider, false, now)
            .await
            .unwrap(),
        Some(true)
    );

    tx.commit().await.unwrap();
    dead.back(&mut world, 0).await;
    world.pass(2, 30).await;

    assert_eq!(
        (
            breaker(&world, "a").await.as_str(),
            world.panel().orders().len()
        ),
        ("closed errors 0", 1)
    );
}

#[tokio::test]
async fn whoever_is_found_too_fast_leaves_the_panel_alone_as_long_as_it_says_with_calls_of_every_kind()
 {
    // What was read as the first thing is older than what is sent, whosever clock it was.
    let world = World::open().await;
    world.turn(11);
    let running = world.buy("1", "100").await;
    world.work().await;
    world.turn(10);
    for _ in 0..20 {
        world.buy("1", "100").await;
    }
    world.panel().set_faults("429*1".parse().unwrap());
    let before = world.panel().requests().values().sum::<u64>();
    world.work().await;
    let after = || world.panel().requests().values().sum::<u64>() - before;
    assert_eq!(
        after(),
        2,
        "the one call that found it out, and whether the panel took our money for it"
    );
    let ready = "select count(*)::text from leg where state in ('ready', 'parked')";
    assert_eq!(
        read(&world.database, ready).await,
        "20",
        "none is being sent while it waits"
    );
    // The simulated panel says five seconds.
    world.pass(4, 1).await;
    assert_eq!(after(), 2);
    assert_eq!(
        read(
            &world.database,
            "select extract(epoch from rests_until)::bigint::text from provider"
        )
        .await,
        "1700000026"
    );
    world.pass(1, 1).await;
    assert!(after() > 20);
    world.pass(3, 10).await;
    assert_eq!(world.panel().orders().len(), 21);
    assert!(
        world
            .status(running)
            .await
            .contains(r#""status":"Completed""#)
    );
    assert_eq!(
        breaker(&world, "a").await,
        "closed doubts 0",
        "whoever finds us too fast is not ill"
    );
    world.audit().await;
}

#[tokio::test]
async fn a_storm_of_refusals_for_our_pace_ends_with_every_order_placed_once() {
    for dialect in panelgate::domain::provider::PanelDialect::ALL {
        let plan = Plan {
            panels: vec![("a", "429=0.4,403=0.1")],
            dialect,
            ..Plan::default()
        };

        let world = World::build(Plan {
            panels: vec![("a", "")],
            ..plan
        })
        .await;

        world.panel().set_faults("429=0.4,403=0.1".parse().unwrap());
        world.turn(1);

        for _ in 0..30 {
            world.buy("1", "10").await;
        }

        world.pass(120, 10).await;
        world.panel().set_faults("".parse().unwrap());
        world.pass(20, 60).await;
        assert_eq!(
            (world.panel().orders().len(), legs(&world.database).await),
            (30, vec!["a ended"; 30].join(", "))
        );

        assert_eq!(
            read(
                &world.database,
                "select count(*)::text from attempt where verdict = 'in_doubt'"
            )
            .await,
            "0"
        );

        world.audit().await;
    }
}

#[tokio::test]
async fn who_takes_a_panel_over_does_not_begin_by_hammering_it() {
    let world = World::open().await;
    world.buy("1", "10").await;
    world.panel().set_faults("429*1".parse().unwrap());
    let panel = world.house.panels[0].clone();
    world.house.delivery.ask_balance(&panel).await.unwrap();
    world.house.delivery.hold(&panel).await.unwrap();

    world.house.delivery.let_go().await.unwrap();
    let other = world.restarted().await;
    let asked_before = world.panel().requests().values().sum::<u64>();

    for _ in 0..4 {
        work_once(&other, &other.panels[0]).await;
        world.turn(1);
    }

    assert_eq!(world.panel().requests().values().sum::<u64>(), asked_before);
    world.turn(1);
    work_once(&other, &other.panels[0]).await;
    assert_eq!(world.panel().orders().len(), 1);
}

#[tokio::test]
async fn a_late_yes_for_what_was_found_not_placed_is_told_to_a_person() {
    let world = World::build(Plan {
        panels: vec![("a", "502")],
        ..Plan::default()
    })
    .await;

    let order = world.buy("1", "100").await;
    world.work().await;
    let mut tx = world.house.store.begin().await.unwrap();
    let finding = panelgate::orders::resolve::DoubtFinding::NotPlaced;
    let order = panelgate::domain::id::OrderId(order);

    // The panel need not show it yet, so it is said twice.
    for _ in 0..2 {
        world
            .house
            .delivery
            .resolve(&mut tx, order, &finding, None)
            .await
            .unwrap();
    }

    tx.commit().await.unwrap();
    let said = panelgate::domain::leg::Evidence {
        verdict: panelgate::domain::leg::Verdict::Accepted(panelgate::domain::id::PanelOrder(
            "77".into(),
        )),
        http_status: Some(200),
        words: String::new(),
        unlisted: None,
    };

    let leg = read(&world.database, "select id::text from leg")
        .await
        .parse()
        .unwrap();

    let panel = world.house.panels[0].clone();
    world
        .house
        .delivery
        .conclude(
            panel.settings(),
            panelgate::domain::id::LegId(leg),
            1,
            &said,
        )
        .await
        .unwrap();

    let open = async || {
        world.house.alerts.look().await.unwrap();
        read(
            &world.database,
            "select string_agg(kind || ' ' || object, ', ') from alert where over_at is null",
        )
        .await
    };

    assert_eq!(open().await, "taken_late a");
    world.turn(3 * 24 * 3_600 + 1);
    assert_eq!(open().await, "");
    world.audit().await;
}

#[tokio::test]
async fn a_young_order_that_its_panel_does_not_know_is_no_persons_business_yet() {
    let panel = Scripted::saying(r#"{"error":"Incorrect order ID"}"#).await;
    let world = panel.world_with("visible_after_s = 3_000\n").await;
    world.buy("1", "100").await;
    world.work().await;
    let review = async || read(&world.database, "select review from orders").await;
    world.pass(29, 100).await;

    assert_eq!(
        review().await,
        "",
        "more than ten times, and it may not be visible yet"
    );

    world.pass(2, 100).await;
    assert_eq!(review().await, "the panel names no status of it");
}
