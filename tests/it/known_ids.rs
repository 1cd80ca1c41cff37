//! Ids that are somebody's: what a panel shows is no order of a doubt's where it may be another's,
//! and a panel that knows nothing at all proves nothing.

use panelgate::domain::id::{OrderId, PanelOrder};
use panelgate::domain::leg::{Evidence, Verdict};
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use panelgate::store::leases as store;

use crate::books::{legs, read};
use crate::rerouting::typed;
use crate::scripted::Scripted;
use crate::world::{Plan, World, one_over};

/// A block of a panel whose ids grow, whose account is ours alone, and which shows orders early.
const KNOWN: &str = "ids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = \
                     60\ndoubts_in_a_row_max = 100\ndoubts_per_minute_max = 1_000\n";

const RUNNING: &str = r#"{"status":"In progress","charge":"0.09","remains":"100"}"#;
const NOT_OURS: &str = r#"{"error":"Incorrect order ID"}"#;

/// Buys one whose sending was marked and never happened, and which is in doubt.
async fn never_arrived(world: &World, panel: usize) -> i32 {
    let order = world.buy("1", "100").await;
    let (house, panel) = (&world.house, &world.house.panels[panel]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(panel, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    let account = panel.account();
    let address = panel.address();

    let asked = store::SendIntent {
        account: &account,
        address: &address,
        ..store::SendIntent::default()
    };

    assert!(
        store::mark_sending(
            &house.store,
            &leg,
            asked,
            epoch,
            leg.cost,
            house.clock.now()
        )
        .await
        .unwrap()
    );

    let said = Evidence {
        verdict: Verdict::InDoubt,
        http_status: None,
        words: "lost".to_owned(),
        unlisted: None,
    };

    house
        .delivery
        .conclude(panel.settings(), leg.leg, leg.attempt, &said)
        .await
        .unwrap();

    order
}

/// What the looks at doubts showed.
async fn looks(world: &World) -> String {
    read(
        &world.database,
        "select coalesce(string_agg(verdict || ': ' || words, ' | ' order by id), '') from doubt_check",
    )
    .await
}

/// A neighbour, a doubt, and a neighbour that was sent so late that the doubt must be visible.
async fn between_neighbours(world: &World) -> i32 {
    world.buy("1", "100").await;
    world.work().await;
    world.turn(11);
    let doubt = never_arrived(world, 0).await;
    world.turn(80);
    world.buy("1", "100").await;

    world.work().await;
    doubt
}

#[tokio::test]
async fn a_panel_that_knows_not_even_our_neighbours_proves_nothing() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world_with(KNOWN).await;

    // Between the two ids that it gave lies one.
    let ids = std::sync::atomic::AtomicU32::new(500);
    panel.say(move |form| {
        let id = |step| ids.fetch_add(step, std::sync::atomic::Ordering::SeqCst) + step;
        (form.get("action")? == "add").then(|| (200, format!("{{\"order\":{}}}", id(2))))
    });

    between_neighbours(&world).await;
    panel.change(|script| script.row = NOT_OURS.to_owned());
    world.pass(1, 40).await;

    assert!(
        looks(&world)
            .await
            .contains("not even about our neighbours"),
        "{}",
        looks(&world).await
    );

    assert_eq!(
        legs(&world.database).await,
        "s accepted, s in_doubt, s accepted"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_dates_nobody_before_a_doubt() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world_with(KNOWN).await;

    // The doubt's is 502, which the panel has and never told.
    let ids = std::sync::atomic::AtomicU32::new(501);
    panel.say(move |form| {
        let next = ids.fetch_add(
            u32::from(form.get("action")? == "add"),
            std::sync::atomic::Ordering::SeqCst,
        );

        let id = if next == 501 { 501 } else { next + 1 };
        (form["action"] == "add").then(|| (200, format!("{{\"order\":{id}}}")))
    });

    world.buy("1", "100").await;
    world.work().await;
    world.turn(11);
    never_arrived(&world, 0).await;

    world.turn(-60);
    for _ in 0..3 {
        world.buy("1", "100").await;
        world.work().await;
    }

    world.turn(150);
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 40).await;
    let placed = "select string_agg(coalesce(panel_order, state), ' ' order by id) from leg";
    assert_eq!(
        read(&world.database, placed).await,
        "501 502 503 504 505 506",
        "{}",
        looks(&world).await
    );

    world.audit().await;
}

#[tokio::test]
async fn an_order_on_the_link_that_can_be_no_other_is_the_one_that_was_asked_for() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world_with(KNOWN).await;
    let active = r#"{"error":"You have active order with this link. Please wait until order being completed."}"#;
    panel.change(|script| script.add = Some(active.to_owned()));
    world.buy_for("1", "100", "https://example.org/alone").await;
    world.work().await;

    assert_eq!(legs(&world.database).await, "s in_doubt");

    // Of another order of ours on the link it says nothing new.
    panel.change(|script| script.add = None);
    world.buy_for("1", "100", "https://example.org/two").await;
    world.work().await;
    panel.change(|script| script.add = Some(active.to_owned()));
    world.buy_for("1", "100", "https://example.org/two").await;

    world.work().await;
    assert_eq!(
        legs(&world.database).await,
        "s in_doubt, s accepted, s parked"
    );

    // Nor of one that just ended; of one that ended long ago it can say nothing.
    panel.change(|script| {
        script.row = r#"{"status":"Completed","charge":"0.09","remains":"0"}"#.to_owned();
    });

    for (later_s, stands) in [(60, "parked"), (1_200, "in_doubt")] {
        let link = format!("https://example.org/{later_s}");
        panel.change(|script| script.add = None);
        world.buy_for("1", "100", &link).await;
        world.work().await;
        world.pass(1, 40).await;
        panel.change(|script| script.add = Some(active.to_owned()));

        world.turn(later_s);
        let order = world.buy_for("1", "100", &link).await;
        world.work().await;
        let last = format!("select state from leg where order_id = {order}");
        assert_eq!(read(&world.database, &last).await, stands, "{later_s}");
    }

    world.audit().await;
}

#[tokio::test]
async fn what_a_panel_may_have_kept_of_a_refusal_is_no_doubts() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world_with(KNOWN).await;
    let added = std::sync::atomic::AtomicU32::new(0);

    panel.say(move |form| match form.get("action")?.as_str() {
        "add" => Some(
            match added.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => (200, r#"{"order":501}"#.to_owned()),
                // It says no, and has it as 502.
                1 => (200, r#"{"error":"Incorrect service ID"}"#.to_owned()),
                _ => (200, r#"{"order":503}"#.to_owned()),
            },
        ),
        _ => None,
    });

    world.buy("1", "100").await;
    world.work().await;
    world.turn(11);
    world.buy("1", "100").await;
    world.work().await;
    world.turn(1);

    never_arrived(&world, 0).await;
    world.turn(80);
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 40).await;

    assert!(
        looks(&world).await.contains("fits another doubt too"),
        "{}",
        looks(&world).await
    );

    assert_eq!(
        legs(&world.database).await,
        "s accepted, s refused, s in_doubt, s accepted"
    );

    world.audit().await;
}

#[tokio::test]
async fn an_id_that_came_late_is_not_taken_for_another_doubts() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world_with(KNOWN).await;
    let ids = std::sync::atomic::AtomicU32::new(500);
    panel.say(move |form| {
        let id = |step| ids.fetch_add(step, std::sync::atomic::Ordering::SeqCst) + step;
        (form.get("action")? == "add").then(|| (200, format!("{{\"order\":{}}}", id(2))))
    });

    world.buy("1", "100").await;
    world.work().await;
    world.turn(11);

    // Found not placed by a person; then its id comes after all, and lies between what we know.
    let late = never_arrived(&world, 0).await;
    let mut tx = world.house.store.begin().await.unwrap();

    for _ in 0..2 {
        world
            .house
            .delivery
            .resolve(&mut tx, OrderId(late), &DoubtFinding::NotPlaced, None)
            .await
            .unwrap();
    }

    tx.commit().await.unwrap();
    let leg = read(
        &world.database,
        &format!("select id::text from leg where order_id = {late}"),
    )
    .await;

    let said = Evidence {
        verdict: Verdict::Accepted(PanelOrder("503".to_owned())),
        http_status: Some(200),
        words: r#"{"order":503}"#.to_owned(),
        unlisted: None,
    };

    let settings = world.house.panels[0].settings();
    world
        .house
        .delivery
        .conclude(
            settings,
            panelgate::domain::id::LegId(leg.parse().unwrap()),
            1,
            &said,
        )
        .await
        .unwrap();

    assert_eq!(
        read(
            &world.database,
            "select string_agg(late_order, ' ') from leg"
        )
        .await,
        "503"
    );

    let lost = never_arrived(&world, 0).await;
    world.turn(80);
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 40).await;

    assert!(
        !looks(&world).await.contains("fits"),
        "{}",
        looks(&world).await
    );

    let taken = "select count(*)::text from panel_order where id = '503'";
    assert_eq!(read(&world.database, taken).await, "0");

    // Nor does a person's slip make it another's without a second thought: the late order is named.
    let mut tx = world.house.store.begin().await.unwrap();
    let id = DoubtFinding::Accepted(PanelOrder("503".to_owned()));

    let resolved = world
        .house
        .delivery
        .resolve(&mut tx, OrderId(lost), &id, None)
        .await;

    assert!(resolved.is_ok(), "a person's word counts: {resolved:?}");
    tx.rollback().await.unwrap();
    world.audit().await;
}

#[tokio::test]
async fn a_decision_is_about_the_panel_that_was_looked_at() {
    let plan = Plan {
        panels: vec![("a", "drop"), ("b", "drop")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let order = OrderId(world.buy("1", "100").await);
    world.work().await;

    let say = async |finding: &DoubtFinding, at: Option<&str>| {
        let mut tx = world.house.store.begin().await.unwrap();
        let resolved = world
            .house
            .delivery
            .resolve(&mut tx, order, finding, at)
            .await
            .unwrap();

        tx.commit().await.unwrap();
        resolved
    };

    let first = say(&DoubtFinding::NotPlaced, None).await;
    let Resolved::SaidOnce { now_at, visible_at } = first else {
        panic!("{first:?}")
    };

    assert_eq!(now_at.0, "a");
    assert_eq!(say(&DoubtFinding::NotPlaced, None).await, Resolved::Done);
    world.work().await;
    assert_eq!(legs(&world.database).await, "a refused, b in_doubt");

    // Whoever else looked at the first panel says so of the second, where nobody looked.
    let elsewhere = Resolved::AtAnother {
        now_at: "b".into(),
        before: vec!["a".into()],
    };

    let id = DoubtFinding::Accepted(PanelOrder("1000".to_owned()));
    for (finding, at) in [
        (&DoubtFinding::NotPlaced, None),
        (&DoubtFinding::NotPlaced, Some("a")),
        (&id, None),
        (&id, Some("a")),
        (&id, Some("nobody")),
    ] {
        assert_eq!(say(finding, at).await, elsewhere, "{finding:?} {at:?}");
    }

    assert_eq!(legs(&world.database).await, "a refused, b in_doubt");
    assert!(
        matches!(say(&DoubtFinding::NotPlaced, Some("b")).await, Resolved::SaidOnce { visible_at: later, .. } if later >= visible_at)
    );

    assert_eq!(
        say(&DoubtFinding::NotPlaced, Some("b")).await,
        Resolved::Done
    );

    world.audit().await;
}

#[tokio::test]
async fn an_answer_that_was_overtaken_changes_nothing() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    panel.change(|script| {
        script.row = r#"{"status":"Completed","charge":"0.09","remains":"0"}"#.to_owned();
    });

    let held = panel.hold("status");
    world.turn(20);
    let (house, asked) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(asked).await.unwrap().unwrap();

    let decide = async {
        held.asked().await;
        let mut tx = house.store.begin().await.unwrap();
        let found = panelgate::orders::decide::SettlementFinding::Delivered(40);
        panelgate::orders::decide::settle(&mut tx, OrderId(order), found, house.clock.now())
            .await
            .unwrap();

        tx.commit().await.unwrap();
        held.let_go();
    };

    let (tracked, ()) = tokio::join!(house.delivery.track(asked, epoch), decide);
    assert_eq!(tracked.unwrap(), 1);
    let stands = "select concat_ws(' ', state, trim_scale(refunded)) from orders";
    assert_eq!(
        read(&world.database, stands).await,
        "partial 0.054",
        "a person decided while the panel was asked"
    );

    world.audit().await;
}

#[tokio::test]
async fn what_is_given_back_whole_is_not_sent() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let order = OrderId(world.buy("1", "100").await);

    let give = async |amount: &str, reason: &str| {
        let amount = panelgate::domain::money::Money::parse(amount).unwrap();
        let mut tx = world.house.store.begin().await.unwrap();
        let now = world.house.clock.now();
        let given = panelgate::orders::decide::give_back(&mut tx, order, amount, reason, now)
            .await
            .unwrap();

        tx.commit().await.unwrap();
        format!("{given:?}")
    };

    assert!(give("0.04", "late").await.starts_with("Done"));
    assert_eq!(
        legs(&world.database).await,
        "s ready",
        "a part is a goodwill"
    );

    assert!(give("0.04", "late").await.starts_with("DoneBefore"));
    assert!(
        give("0.03", "late").await.starts_with("OtherAmount"),
        "another amount needs a reason of its own"
    );

    assert!(give("0.05", "all of it").await.starts_with("Done"));
    world.work().await;
    assert_eq!(
        (legs(&world.database).await.as_str(), panel.requests("add")),
        ("s canceled", 0)
    );

    world.audit().await;
}

#[test]
fn an_account_of_two_blocks_is_nobodys_alone() {
    let block = |id: &str, host: &str, more: &str| {
        format!(
            "[[provider]]\nid = \"{id}\"\nurl = \"https://{host}/api/v2\"\nkey_env = \
             \"K\"\ncurrency = \"USD\"\n{more}\n"
        )
    };

    let read = |one: &str, two: &str| {
        // Two names of one panel.
        let (one, two) = (
            block("a", "p.example", one),
            block("b", "api.p.example", two),
        );

        let text = format!("[gateway]\ncurrency = \"USD\"\n{one}{two}");
        panelgate::config::read(
            &text,
            std::path::Path::new("."),
            &std::collections::BTreeMap::new(),
        )
        .map(|_| ())
        .map_err(|error| error.to_string())
    };

    let alone = "ids_grow = true\naccount_is_ours_alone = true";
    assert_eq!(read("", ""), Ok(()));

    for (one, two) in [(alone, ""), ("", alone), (alone, alone)] {
        assert!(
            read(one, two)
                .unwrap_err()
                .contains("neither account is ours alone")
        );
    }
}

#[tokio::test]
async fn what_was_had_under_an_id_once_is_not_asked_for_again() {
    let panel =
        Scripted::saying(r#"{"status":"in_progress","charge":"0.09","remains":"100"}"#).await;
    let block = panel.block().replace("classic", "notpanel");
    let services = format!(
        "{block}honours_request_id = true\nvisible_after_s = 60\n[[service]]\nid = 1\nroutes = \
         [{{ provider = \"s\", service = \"1\" }}]\n"
    );

    let world = World::build(Plan {
        panels: Vec::new(),
        services,
        ..Plan::default()
    })
    .await;

    panel.change(|script| script.add = Some(r#"{"order":"ord_000501"}"#.to_owned()));
    let order = OrderId(world.buy("1", "100").await);
    world.work().await;
    assert_eq!(legs(&world.database).await, "s accepted");

    // The panel forgets it, a person is asked, and says once that it was not placed; then the panel
    // has it again.
    panel.change(|script| script.row = r#"{"error":"Order not found"}"#.to_owned());
    world.pass(16, 40).await;
    let mut tx = world.house.store.begin().await.unwrap();

    let said = world
        .house
        .delivery
        .resolve(&mut tx, order, &DoubtFinding::NotPlaced, None)
        .await
        .unwrap();

    tx.commit().await.unwrap();
    assert!(matches!(said, Resolved::SaidOnce { .. }), "{said:?}");
    assert_eq!(legs(&world.database).await, "s in_doubt");
    panel.change(|script| {
        script.row = r#"{"status":"in_progress","charge":"0.09","remains":"100"}"#.to_owned();
    });

    world.pass(2, 130).await;

    // It was had under an id once: a panel that forgets orders forgets their names, and buys anew.
    assert_eq!(
        (legs(&world.database).await.as_str(), panel.requests("add")),
        ("s in_doubt", 1)
    );

    world.audit().await;
}

#[tokio::test]
async fn two_services_of_one_panel_are_told_apart_and_so_is_what_a_restore_put_in_doubt() {
    let services = "[[service]]\nid = 1\nrate = \"2\"\nroutes = [{ provider = \"a\", service = \
                    \"1\" }, { provider = \"a\", service = \"6\" }, { provider = \"b\", service = \
                    \"1\" }]\n";

    for restored in [false, true] {
        let plan = Plan {
            panels: vec![("a", "drop"), ("b", "drop")],
            services: services.to_owned(),
            ..Plan::default()
        };

        let world = World::build(plan).await;
        let order = OrderId(world.buy("1", "100").await);
        world.work().await;

        if restored {
            // Of what was open in a backup nobody here knows whether it was asked for.
            crate::books::run(&world.database, "delete from attempt")
                .await
                .unwrap();
        }

        let say = async |at: Option<&str>| {
            let mut tx = world.house.store.begin().await.unwrap();
            let resolved = world
                .house
                .delivery
                .resolve(&mut tx, order, &DoubtFinding::NotPlaced, at)
                .await
                .unwrap();

            tx.commit().await.unwrap();
            resolved
        };

        assert!(matches!(say(None).await, Resolved::SaidOnce { .. }));
        assert_eq!(say(None).await, Resolved::Done);
        world.work().await;
        assert_eq!(legs(&world.database).await, "a refused, a in_doubt");

        let elsewhere = Resolved::AtAnother {
            now_at: "a:6".into(),
            before: vec!["a:1".into()],
        };

        for at in [None, Some("a"), Some("a:1"), Some("b")] {
            assert_eq!(say(at).await, elsewhere, "{at:?}");
        }

        assert!(matches!(say(Some("a:6")).await, Resolved::SaidOnce { .. }));
        assert_eq!(say(Some("a:6")).await, Resolved::Done);
    }
}

#[tokio::test]
async fn one_account_by_two_names_of_its_panel_is_one() {
    let panel = Scripted::saying(RUNNING).await;

    // The same panel by another name; the key is the same, and stands elsewhere.
    let block = panel.block();
    let mirror = block
        .replace("\"s\"", "\"m\"")
        .replace("127.0.0.1", "localhost")
        .replace("PANEL_KEY", "MIRROR_KEY");

    let of = |id: u8, provider: &str| {
        format!(
            "[[service]]\nid = {id}\nroutes = [{{ provider = \"{provider}\", service = \"1\" }}]\n"
        )
    };

    let services = format!("{block}{KNOWN}{mirror}{}{}", of(1, "s"), of(3, "m"));
    let world = World::build(Plan {
        panels: Vec::new(),
        services,
        ..Plan::default()
    })
    .await;

    let place = world
        .house
        .panels
        .iter()
        .position(|panel| panel.settings().id.0 == "s")
        .unwrap();

    // Between two neighbours of the doubt lies what was bought by the other name.
    for service in ["1", "3", "1"] {
        world.buy(service, "100").await;
        world.work().await;
        world.turn(11);

        if service == "3" {
            never_arrived(&world, place).await;
            world.turn(80);
        }
    }

    world.pass(1, 40).await;
    assert!(
        looks(&world).await.contains("at another address"),
        "{}",
        looks(&world).await
    );

    assert_eq!(
        legs(&world.database).await,
        "s accepted, m accepted, s in_doubt, s accepted"
    );

    world.audit().await;
}

#[tokio::test]
async fn who_cancels_is_told_where_the_order_was_in_doubt_before() {
    let plan = Plan {
        panels: vec![("a", ""), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let canceled = async |order: i32| {
        let output = typed(
            &world,
            &[
                "order",
                "cancel",
                &order.to_string(),
                "--reason",
                "asked for",
            ],
        )
        .await;

        String::from_utf8_lossy(&output.stdout).into_owned()
    };

    let unsent = world.buy("1", "100").await;
    let told = canceled(unsent).await;
    assert!(told.contains("no panel had it"), "{told}");

    let doubted = never_arrived(&world, 0).await;
    for _ in 0..2 {
        let mut tx = world.house.store.begin().await.unwrap();
        world
            .house
            .delivery
            .resolve(&mut tx, OrderId(doubted), &DoubtFinding::NotPlaced, None)
            .await
            .unwrap();

        tx.commit().await.unwrap();
    }

    let told = canceled(doubted).await;
    assert!(
        told.contains("in doubt before at a:1: look") && !told.contains("no panel had it"),
        "{told}"
    );
}

#[tokio::test]
async fn what_a_refused_asking_left_behind_is_no_other_doubts_order() {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world_with(KNOWN).await;

    // The second asking is refused, and the panel keeps what it refused under the id in between.
    let asked = std::sync::atomic::AtomicU32::new(0);

    panel.say(move |form| {
        if form.get("action")? != "add" {
            return None;
        }

        let n = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let pace = r#"{"error":"Too many requests"}"#.to_owned();

        Some((
            200,
            if n == 1 {
                pace
            } else {
                format!("{{\"order\":{}}}", 501 + n)
            },
        ))
    });

    world.buy("1", "100").await;
    world.work().await;
    world.turn(11);
    let twice = world.buy("1", "100").await;
    world.work().await;
    world.turn(2);

    never_arrived(&world, 0).await;
    world.pass(2, 40).await;

    assert_eq!(
        legs(&world.database).await,
        "s accepted, s accepted, s in_doubt",
        "order {twice} was asked again"
    );

    world.turn(80);
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 600).await;

    assert!(
        looks(&world).await.contains("fits another"),
        "{}",
        looks(&world).await
    );

    assert_eq!(
        legs(&world.database).await,
        "s accepted, s accepted, s in_doubt, s accepted"
    );

    world.audit().await;
}
