//! What panels say of single orders that does not fit: told with the orders, once; an honest panel
//! is never accused.

use panelgate::domain::float::DriftCause;
use panelgate::domain::id::OrderId;
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use panelgate::store::{differences, drifts};

use crate::books::{holds, legs, read};
use crate::scripted::Scripted;
use crate::world::{Plan, World, one_over};

/// What is raised now that is about figures: `kind object count; words` of each.
async fn alerts(world: &World) -> Vec<String> {
    world.house.alerts.look().await.unwrap();
    let all = panelgate::store::alerts::list_alerts(&world.house.store)
        .await
        .unwrap();

    let open = all
        .iter()
        .filter(|row| row.over_at.is_none() && row.kind != "orders_for_review");

    open.map(|row| format!("{} {} {}", row.kind, row.object, row.count))
        .collect()
}

/// A world of one order that its panel says this of, whose list was read since it was sent.
async fn told(panel: &Scripted, more: &str) -> World {
    let world = panel.world_with(more).await;
    world.buy("1", "100").await;
    world.work().await;
    world.turn(1);
    world.house.refresh().await.unwrap();
    world.pass(2, 10).await;

    world
}

#[tokio::test]
async fn what_a_panel_takes_above_its_price_is_told_with_its_orders_until_a_person_takes_note() {
    for (charge, more, is_told) in [
        ("0.0946", "", true),
        ("0.0945", "", false),
        ("100", "", true),
        ("0.10", "overcharge_percent = \"20\"\n", false),
        ("999999999999999999.5", "", true),
        ("99999999999999999999999", "", true),
    ] {
        let row = format!(r#"{{"status":"In progress","charge":"{charge}","remains":"100"}}"#);
        let panel = Scripted::saying(&row).await;
        let world = told(&panel, more).await;
        let expected: &[&str] = if is_told { &["overcharged s 1"] } else { &[] };
        assert_eq!(alerts(&world).await, expected, "{charge}");
        if !is_told {
            continue;
        }

        let found = differences::list_differences(&world.house.store, Some("s"), false, 10)
            .await
            .unwrap();
        assert_eq!(
            (found.len(), found[0].orders.len(), found[0].kind.as_str()),
            (1, 1, "overcharged")
        );
        for noted in [Some(true), Some(false)] {
            let mut tx = world.house.store.begin().await.unwrap();
            let now = world.house.clock.now();
            assert_eq!(
                differences::acknowledge_difference(&mut tx, found[0].id, now)
                    .await
                    .unwrap(),
                noted
            );

            tx.commit().await.unwrap();
        }
        assert!(
            alerts(&world).await.is_empty(),
            "what a person took note of is quiet"
        );
        world.pass(2, 10).await;
        assert!(alerts(&world).await.is_empty(), "and is not told again");
        world.audit().await;
    }
}

#[tokio::test]
async fn a_price_that_moved_explains_what_a_panel_took() {
    for (rate, charge) in [("1.80", "0.18"), ("0.45", "0.045")] {
        let panel = Scripted::saying(r#"{"status":"In progress","remains":"100"}"#).await;
        let world = panel.world().await;
        world.turn(1);
        world.buy("1", "100").await;
        world.work().await;

        // It is dearer, or cheaper, by the time it is charged, and nobody read so yet.
        let row = format!(r#"{{"status":"Completed","charge":"{charge}","remains":"0"}}"#);
        panel.change(|script| {
            script.row = row;
            script.services = script
                .services
                .replace("\"rate\":\"0.90\"", &format!("\"rate\":\"{rate}\""));
        });

        world.pass(3, 10).await;
        assert!(
            alerts(&world).await.is_empty(),
            "nobody is accused before the list was read"
        );

        assert!(
            world
                .house
                .delivery
                .wants_prices(&panelgate::domain::id::ProviderId("s".into()))
                .await
                .unwrap()
        );

        world.house.refresh().await.unwrap();
        world.pass(1, 10).await;

        assert!(
            alerts(&world)
                .await
                .iter()
                .all(|alert| alert.starts_with("price_jump")),
            "{:?}",
            alerts(&world).await
        );

        assert_eq!(
            read(&world.database, "select count(*)::text from difference").await,
            "0"
        );

        assert_eq!(
            read(
                &world.database,
                "select coalesce(max(review), '') from orders"
            )
            .await,
            ""
        );

        world.audit().await;
    }
}

#[tokio::test]
async fn a_catalog_that_cannot_be_read_explains_nothing_for_an_hour() {
    let panel = Scripted::saying(r#"{"status":"Completed","charge":"0.5","remains":"0"}"#).await;
    let world = panel.world().await;
    world.turn(1);
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;

    assert!(alerts(&world).await.is_empty());
    world.pass(1, 3_700).await;
    assert_eq!(alerts(&world).await, ["overcharged s 1"]);
}

#[tokio::test]
async fn another_currency_is_told_and_nothing_of_it_is_booked() {
    let row = r#"{"status":"Completed","charge":"7.5","remains":"0","currency":"EUR"}"#;
    let panel = Scripted::saying(row).await;
    let world = told(&panel, "").await;
    assert_eq!(alerts(&world).await, ["currency_differs s 1"]);

    assert_eq!(
        holds(&world.database, "cost").await,
        "-0.09",
        "the expected cost, and not 7.5 of anything"
    );

    // Nor is a balance in it.
    panel.change(|script| script.balance = r#"{"balance":"77","currency":"EUR"}"#.to_owned());
    let asked = &world.house.panels[0];
    assert_eq!(world.house.delivery.ask_balance(asked).await.unwrap(), None);
    assert_eq!(alerts(&world).await, ["currency_differs s 2"]);
    panel.change(|script| script.balance = r#"{"error":"Balance is off"}"#.to_owned());

    world.turn(1);
    assert_eq!(world.house.delivery.ask_balance(asked).await.unwrap(), None);

    assert_eq!(
        alerts(&world).await,
        ["currency_differs s 2"],
        "once is nothing yet"
    );

    world.turn(601);
    assert_eq!(
        alerts(&world).await,
        ["balance_unread s 1", "currency_differs s 2"]
    );

    panel.change(|script| script.balance = r#"{"balance":"77","currency":" usd"}"#.to_owned());
    assert!(
        world
            .house
            .delivery
            .ask_balance(asked)
            .await
            .unwrap()
            .is_some()
    );

    assert_eq!(alerts(&world).await, ["currency_differs s 1"]);
}

#[tokio::test]
async fn more_orders_are_news_again_after_a_while() {
    let panel =
        Scripted::saying(r#"{"status":"In progress","charge":"0.5","remains":"100"}"#).await;
    let world = told(&panel, "").await;
    assert_eq!(alerts(&world).await, ["overcharged s 1"]);
    let raised = "select to_char(raised_at, 'DD HH24') || ' ' || raised_count from alert where \
                  kind = 'overcharged'";
    let first = read(&world.database, raised).await;

    world.buy("1", "100").await;
    world.pass(2, 10).await;
    world.house.refresh().await.unwrap();
    world.pass(1, 10).await;
    assert_eq!(alerts(&world).await, ["overcharged s 2"]);

    assert_eq!(
        read(&world.database, raised).await,
        first,
        "once a day is enough"
    );

    world.pass(1, 24 * 3_600).await;
    assert_eq!(alerts(&world).await, ["overcharged s 2"]);
    let again = read(&world.database, raised).await;
    assert!(
        again != first && again.ends_with(" 2"),
        "{first}, then {again}"
    );

    world.pass(1, 25 * 3_600).await;
    alerts(&world).await;

    assert_eq!(
        read(&world.database, raised).await,
        again,
        "the same ones are no news"
    );
}

#[tokio::test]
async fn a_panel_that_reopens_what_was_over_is_told_of() {
    let panel = Scripted::saying(r#"{"status":"Canceled","charge":"0","remains":"100"}"#).await;
    let world = told(&panel, "").await;
    assert!(alerts(&world).await.is_empty());
    panel.change(|script| {
        script.row = r#"{"status":"In progress","charge":"0.09","remains":"50"}"#.to_owned();
    });

    world.pass(1, 3_700).await;
    assert_eq!(alerts(&world).await, ["reopened s 1"]);
    world.audit().await;
}

#[tokio::test]
async fn that_it_was_not_placed_can_be_taken_back_while_it_was_sent_nowhere_else() {
    let say = async |world: &World, order: i32, finding: DoubtFinding| {
        let mut tx = world.house.store.begin().await.unwrap();
        let mut resolved = world
            .house
            .delivery
            .resolve(&mut tx, OrderId(order), &finding, None)
            .await
            .unwrap();

        if matches!(resolved, Resolved::SaidOnce { .. }) {
            resolved = world
                .house
                .delivery
                .resolve(&mut tx, OrderId(order), &finding, None)
                .await
                .unwrap();
        }

        tx.commit().await.unwrap();
        resolved
    };

    // It ended and was refunded.
    let alone = World::build(Plan {
        panels: vec![("a", "drop")],
        services: one_over(&["a"]),
        ..Plan::default()
    })
    .await;

    let order = alone.buy("1", "100").await;
    alone.work().await;
    assert_eq!(
        say(&alone, order, DoubtFinding::TakeBack).await,
        Resolved::NothingToTakeBack
    );

    assert_eq!(
        say(&alone, order, DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    assert_eq!(
        alone.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    assert_eq!(
        say(&alone, order, DoubtFinding::TakeBack).await,
        Resolved::Done
    );

    assert_eq!(legs(&alone.database).await, "a in_doubt");
    assert_eq!(
        alone.balance().await,
        r#"{"balance":"999.80","currency":"USD"}"#,
        "it is paid again"
    );

    alone.audit().await;
    assert_eq!(
        say(&alone, order, DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    alone.audit().await;

    // It was to go to the next panel, and did not yet; then it did.
    let plan = Plan {
        panels: vec![("a", "drop"), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let two = World::build(plan).await;
    let order = two.buy("1", "100").await;
    two.work().await;
    assert_eq!(
        say(&two, order, DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    assert_eq!(legs(&two.database).await, "a refused, b ready");
    assert_eq!(
        say(&two, order, DoubtFinding::TakeBack).await,
        Resolved::Done
    );

    assert_eq!(legs(&two.database).await, "a in_doubt");
    two.work().await;
    assert_eq!(two.panels[1].orders().len(), 0);
    two.audit().await;
    assert_eq!(
        say(&two, order, DoubtFinding::NotPlaced).await,
        Resolved::Done
    );

    two.work().await;
    assert_eq!(
        say(&two, order, DoubtFinding::TakeBack).await,
        Resolved::NothingToTakeBack
    );

    assert_eq!(two.panels[1].orders().len(), 1);
    two.audit().await;
}

#[tokio::test]
async fn a_skim_below_the_roundings_of_each_reading_adds_up() {
    // A balance in cents, of which a fifth of a cent is skimmed between two readings.
    let panel = Scripted::saying(r#"{"status":"Completed","charge":"0.09","remains":"0"}"#).await;
    let world = panel.world().await;

    let read_at = async |balance: &str| {
        let said = format!("{{\"balance\":\"{balance}\",\"currency\":\"USD\"}}");
        panel.change(|script| script.balance = said);
        let asked = &world.house.panels[0];
        world.house.delivery.ask_balance(asked).await.unwrap();
        world.house.treasury.judge(asked.settings()).await.unwrap()
    };

    let mut skimmed = 0.0;
    let mut found = Vec::new();

    for n in 0..60 {
        world.pass(1, 290).await;
        skimmed += 0.002;
        let held = 1000.0 - 0.09 * f64::from(n) - skimmed;
        found.extend(read_at(&format!("{held:.2}")).await);
        world.turn(5);
        world.buy("1", "100").await;

        world.pass(1, 5).await;
    }

    assert!(
        found.len() > 1
            && found
                .iter()
                .all(|drift| drift.cause == DriftCause::Proportion),
        "{found:?}"
    );

    assert!(
        !drifts::list_drifts(&world.house.store, None, false)
            .await
            .unwrap()
            .is_empty()
    );
}
