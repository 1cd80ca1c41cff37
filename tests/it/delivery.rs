//! Delivered through the doors: bought over HTTP, sent to a panel, followed there, and shown to its
//! customer.

use serde_json::Value;

use crate::books::{holds, read};
use crate::scripted::Scripted;
use crate::world::{Plan, World, all_of};

/// An order's status as its customer reads it: the word, the charge, what remains.
async fn shown(world: &World, order: i32) -> (String, String, String) {
    let status: Value = serde_json::from_str(&world.status(order).await).unwrap();
    let field = |name: &str| status[name].as_str().unwrap().to_owned();
    (field("status"), field("charge"), field("remains"))
}

fn row(status: &str, charge: &str, remains: &str) -> (String, String, String) {
    (status.to_owned(), charge.to_owned(), remains.to_owned())
}

fn wallet(balance: &str) -> String {
    format!(r#"{{"balance":"{balance}","currency":"USD"}}"#)
}

#[tokio::test]
async fn an_order_is_delivered_and_costs_what_was_said() {
    let world = World::open().await;
    let order = world.buy("1", "100").await;
    assert_eq!(shown(&world, order).await, row("Pending", "0.09", "100"));

    let who = read(
        &world.database,
        "select customer_id || ' ' || key_id from orders",
    )
    .await;

    assert_eq!(who, format!("{} {}", world.customer.0, world.key_id.0));
    world.work().await;
    assert_eq!(shown(&world, order).await, row("Processing", "0.09", "100"));
    world.pass(1, 10).await;
    assert_eq!(shown(&world, order).await, row("Completed", "0.09", "0"));
    assert_eq!(world.balance().await, wallet("999.91"));
    assert_eq!(world.panel().orders().len(), 1);

    let started: Value = serde_json::from_str(&world.status(order).await).unwrap();
    assert_eq!(
        started["start_count"],
        world.panel().orders()[0].start_count.to_string()
    );

    assert_eq!(holds(&world.database, "cost").await, "-0.09");
    world.audit().await;
}

#[tokio::test]
async fn a_partial_gives_back_what_is_missing_to_the_last_decimal() {
    let services = "[[service]]\nid = 6\nrate = \"0.72345679\"\nroutes = [{ provider = \"a\", \
                    service = \"6\" }]";

    let world = World::build(Plan {
        services: services.to_owned(),
        ..Plan::default()
    })
    .await;

    let order = world.buy("6", "11").await;

    // 0.72345679 × 11 / 1000, rounded up.
    assert_eq!(world.balance().await, wallet("999.99204197"));
    world.work().await;
    world.pass(1, 10).await;

    // 4 of 11 are missing: 0.00795803 × 4 / 11 = 0.0028938…, rounded down.
    assert_eq!(
        shown(&world, order).await,
        row("Partial", "0.00506421", "4")
    );

    assert_eq!(world.balance().await, wallet("999.99493579"));

    // The panel gave its part back too: 0.00792 less 4 of 11.
    assert_eq!(holds(&world.database, "cost").await, "-0.00504");
    world.audit().await;
}

#[tokio::test]
async fn what_the_panel_cancels_is_given_back_whole() {
    let world = World::open().await;
    let order = world.buy("7", "100").await;
    assert_eq!(world.balance().await, wallet("999.935"));
    world.work().await;
    world.pass(1, 10).await;
    assert_eq!(shown(&world, order).await, row("Canceled", "0.00", "100"));
    assert_eq!(world.balance().await, wallet("1000.00"));
    assert_eq!(holds(&world.database, "cost").await, "0");

    world.audit().await;
}

#[tokio::test]
async fn every_type_reaches_the_panel_as_it_was_ordered() {
    let world = World::open().await;
    let link = ("link", "https://example.org/all");
    let lines = ("comments", "first\r\nsecond one\n\nthird ✓");

    let orders: [&[(&str, &str)]; 5] = [
        &[("service", "1"), link, ("quantity", "20")],
        &[("service", "2"), link],
        &[("service", "3"), link, lines],
        &[("service", "4"), link, lines],
        &[
            ("service", "5"),
            link,
            ("quantity", "30"),
            ("answer_number", "7"),
        ],
    ];

    for fields in orders {
        let answer = world.ask(&[&[("action", "add")], fields].concat()).await;
        assert!(answer.starts_with("{\"order\":"), "{answer}");
        world.work().await;
    }

    let comments = ["first", "second one", "third ✓"]
        .map(str::to_owned)
        .to_vec();

    let heard: Vec<_> = world.panel().orders();
    assert!(heard.iter().all(|order| order.link == link.1));

    let heard: Vec<_> = heard
        .into_iter()
        .map(|order| {
            (
                order.service,
                order.quantity,
                order.comments,
                order.answer_number,
            )
        })
        .collect();

    let expected = [
        ("1".to_owned(), 20, Vec::new(), None),
        ("2".to_owned(), 1, Vec::new(), None),
        ("3".to_owned(), 3, comments.clone(), None),
        ("4".to_owned(), 1, comments, None),
        ("5".to_owned(), 30, Vec::new(), Some("7".to_owned())),
    ];

    assert_eq!(heard, expected);
    world.pass(1, 10).await;

    let ended = read(
        &world.database,
        "select string_agg(state, ' ' order by id) from orders",
    )
    .await;

    assert_eq!(ended, ["completed"; 5].join(" "));
    world.audit().await;
}

#[tokio::test]
async fn a_panel_is_asked_often_while_an_order_is_young_and_rarely_when_it_is_old() {
    let panel = Scripted::saying(
        r#"{"charge":"0.09","start_count":"5","status":"In progress","remains":"60"}"#,
    )
    .await;

    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    let mut before = 0;
    let mut asked = || {
        let now = panel.requests("status");
        now - std::mem::replace(&mut before, now)
    };

    // Steps of half a pace, so that asking too often would be seen.
    world.pass(24, 5).await;
    assert_eq!(asked(), 12, "every 10 s for two minutes");
    world.pass(20, 20).await;
    assert_eq!(asked(), 10, "every 40 s to the hour");
    world.pass(1, 3_600 - 120 - 400).await;

    assert_eq!(asked(), 1);
    world.pass(10, 100).await;
    assert_eq!(asked(), 5, "every 200 s to the day");
    world.pass(1, 24 * 3_600 - 4_600).await;
    assert_eq!(asked(), 1);
    world.pass(6, 600).await;

    assert_eq!(asked(), 3, "every 20 min after a day");
    assert_eq!(shown(&world, order).await, row("In progress", "0.09", "60"));
}

#[tokio::test]
async fn open_orders_are_asked_about_together() {
    let world = World::build(Plan {
        services: all_of("a"),
        ..Plan::default()
    })
    .await;

    for _ in 0..120 {
        world.buy("1", "10").await;
    }

    world.work().await;
    assert_eq!(world.panel().orders().len(), 120);
    world.pass(1, 10).await;

    assert_eq!(
        world.panel().requests()["status"],
        2,
        "a hundred at most in one question"
    );

    let ended = read(
        &world.database,
        "select count(*)::text from orders where state = 'completed'",
    )
    .await;

    assert_eq!(ended, "120");
    world.audit().await;
}
