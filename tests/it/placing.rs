//! Buying: what is charged, what reaches the panel, and that the same request, however often and by
//! how many at once, is one order.

use std::collections::BTreeSet;
use std::fmt::Write;

use tokio::task::JoinSet;

use crate::world::{Plan, World, all_of, buyer};

const LINK: &str = "https://example.org/1";

const ORDERS: &str = "select count(*) from orders";
const LEGS: &str = "select count(*) from leg";
const REQUESTS: &str = "select count(*) from request";
const CHARGES: &str = "select count(*) from transfer where reason = 'charge'";

/// An `add` of so many of service 1, for whoever has the key.
fn wish<'a>(key: &'a str, quantity: &'a str, request_id: &'a str) -> Vec<(&'a str, &'a str)> {
    let fields = [
        ("key", key),
        ("action", "add"),
        ("service", "1"),
        ("link", LINK),
        ("quantity", quantity),
        ("request_id", request_id),
    ];

    fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// All of these at once; the answers in no order.
async fn at_once(world: &World, requests: Vec<Vec<(&str, &str)>>) -> Vec<String> {
    let mut asking = JoinSet::new();
    for fields in requests {
        let request = world.request(&fields);
        asking.spawn(async move { request.send().await.unwrap().text().await.unwrap() });
    }

    asking.join_all().await
}

async fn count(world: &World, of: &'static str) -> i64 {
    sqlx::query_scalar(of)
        .fetch_one(&world.pool().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn each_type_is_charged_and_sent_as_it_is_sold() {
    let world = World::open().await;
    let types: [(&str, &[(&str, &str)]); 8] = [
        ("Default", &[("service", "1"), ("quantity", "1000")]),
        (
            "Default, rounded up",
            &[("service", "10"), ("quantity", "101")],
        ),
        ("Package", &[("service", "2")]),
        (
            "Package, quantity ignored",
            &[("service", "2"), ("quantity", "7")],
        ),
        (
            "Custom Comments",
            &[
                ("service", "3"),
                ("comments", "one\r\n\n two \nthree"),
                ("quantity", "99"),
            ],
        ),
        (
            "Custom Comments, repeated",
            &[("service", "3"), ("comments", "a"), ("comments", "b")],
        ),
        (
            "Custom Comments Package",
            &[("service", "4"), ("comments", "one\ntwo")],
        ),
        (
            "Poll",
            &[("service", "5"), ("quantity", "10"), ("answer_number", "3")],
        ),
    ];

    for (_, fields) in types {
        let answer = world
            .ask(&[&[("action", "add"), ("link", LINK)], fields].concat())
            .await;
        assert!(answer.starts_with(r#"{"order":"#), "{answer}");
    }

    let charges: Vec<String> = sqlx::query_scalar("select charge::text from orders order by id")
        .fetch_all(&world.pool().await)
        .await
        .unwrap();

    world.work().await;
    let orders = world.panel().orders();
    assert_eq!(orders.len(), types.len());
    let mut told = String::new();

    for (((name, _), charge), order) in types.iter().zip(charges).zip(orders) {
        let (comments, answer) = (order.comments, order.answer_number);
        assert_eq!(order.link, LINK);

        writeln!(
            told,
            "{name}: {charge}; service {} x{} {comments:?} {answer:?}",
            order.service, order.quantity
        )
        .unwrap();
    }

    insta::assert_snapshot!(told, @r#"
    Default: 0.90000000; service 1 x1000 [] None
    Default, rounded up: 0.00121200; service 10 x101 [] None
    Package: 1.50000000; service 2 x1 [] None
    Package, quantity ignored: 1.50000000; service 2 x1 [] None
    Custom Comments: 0.02400000; service 3 x3 ["one", "two", "three"] None
    Custom Comments, repeated: 0.01600000; service 3 x2 ["a", "b"] None
    Custom Comments Package: 2.75000000; service 4 x1 ["one", "two"] None
    Poll: 0.03600000; service 5 x10 [] Some("3")
    "#);

    world.audit().await;
}

#[tokio::test]
async fn a_markup_makes_the_charge_and_the_cost_stays_the_panels() {
    let markups = "\n[[markup]]\npercent = \"50\"\n[[markup]]\ncategory = \"Foll*\"\npercent = \
                   \"10\"\nfixed = \"0.013\"\nrounding = \"up:0.01\"\n";

    let world = World::build(Plan {
        services: all_of("a") + markups,
        ..Plan::default()
    })
    .await;

    world.buy("1", "333").await;
    world.buy("10", "100").await;

    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "select rate::text, charge::text, cost_rate::text, cost::text from orders order by id",
    )
    .fetch_all(&world.pool().await)
    .await
    .unwrap();

    let row = |rate: &str, charge: &str, cost_rate: &str, cost: &str| {
        (
            rate.to_owned(),
            charge.to_owned(),
            cost_rate.to_owned(),
            cost.to_owned(),
        )
    };

    // 0.90 × 1.10 + 0.013 = 1.003, up to 1.01; 0.012 × 1.5 = 0.018.
    assert_eq!(
        rows[0],
        row("1.01000000", "0.33633000", "0.90000000", "0.29970000")
    );

    assert_eq!(
        rows[1],
        row("0.01800000", "0.00180000", "0.01200000", "0.00120000")
    );

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.66187","currency":"USD"}"#
    );

    world.work().await;
    world.audit().await;
}

#[tokio::test]
async fn a_repeated_request_is_answered_with_the_same_bytes_whatever_happened_since() {
    let world = World::build(Plan {
        money: "0.009",
        ..Plan::default()
    })
    .await;

    let first = world.post(&wish(&world.key, "10", "r1")).await;
    assert!(first.1.starts_with(r#"{"order":"#), "{first:?}");
    assert_eq!(
        world.balance().await,
        r#"{"balance":"0.00","currency":"USD"}"#
    );

    assert_eq!(
        world.post(&wish(&world.key, "10", "r1")).await,
        first,
        "the wallet is empty"
    );

    world.panel().switch_service("1", false);
    world.house.refresh().await.unwrap();
    assert_eq!(
        world.post(&wish(&world.key, "10", "r2")).await.1,
        r#"{"error":"Incorrect service ID"}"#
    );

    assert_eq!(
        world.post(&wish(&world.key, "10", "r1")).await,
        first,
        "the service is gone"
    );

    let reused = r#"{"error":"request_id was used for a different order"}"#;
    assert_eq!(world.post(&wish(&world.key, "11", "r1")).await.1, reused);
    assert_eq!(
        (count(&world, ORDERS).await, count(&world, CHARGES).await),
        (1, 1)
    );

    world.audit().await;
}

#[tokio::test]
async fn a_request_that_was_refused_is_tried_afresh_and_is_nobody_elses() {
    let world = World::build(Plan {
        money: "0",
        ..Plan::default()
    })
    .await;

    let (_, other, _) = buyer(&world.house, "other", "1").await;
    let broke = r#"{"error":"Not enough funds on balance"}"#;
    assert_eq!(world.post(&wish(&world.key, "10", "r1")).await.1, broke);
    assert_eq!(count(&world, REQUESTS).await, 0);
    let others = world.post(&wish(&other, "20", "r1")).await.1;
    assert!(others.starts_with(r#"{"order":"#), "{others}");

    assert_eq!(world.post(&wish(&world.key, "10", "r1")).await.1, broke);
    assert_eq!(world.post(&wish(&other, "20", "r1")).await.1, others);
    world.audit().await;
}

#[tokio::test]
async fn fifty_at_once_with_one_request_id_are_one_order() {
    let world = World::open().await;
    let answers = at_once(&world, vec![wish(&world.key, "10", "same"); 50]).await;
    let different: BTreeSet<_> = answers.iter().collect();
    assert_eq!(different.len(), 1, "{different:?}");
    assert!(answers[0].starts_with(r#"{"order":"#), "{}", answers[0]);
    assert_eq!(
        (count(&world, ORDERS).await, count(&world, CHARGES).await),
        (1, 1)
    );

    world.work().await;
    assert_eq!(world.panel().orders().len(), 1);
    world.audit().await;
}

#[tokio::test]
async fn fifty_at_once_with_one_request_id_and_two_bodies_are_one_order() {
    let world = World::open().await;
    let requests = (0..50)
        .map(|n| wish(&world.key, if n % 2 == 0 { "10" } else { "11" }, "same"))
        .collect();

    let answers = at_once(&world, requests).await;
    let other_body = r#"{"error":"request_id was used for a different order"}"#;
    let (refused, bought): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| *answer == other_body);
    assert_eq!((refused.len(), bought.len()), (25, 25));

    assert_eq!(
        bought.iter().collect::<BTreeSet<_>>().len(),
        1,
        "{bought:?}"
    );

    assert_eq!(
        (count(&world, ORDERS).await, count(&world, CHARGES).await),
        (1, 1)
    );

    world.audit().await;
}

#[tokio::test]
async fn two_hundred_at_once_against_money_for_ten_are_ten() {
    let world = World::build(Plan {
        money: "0.09",
        ..Plan::default()
    })
    .await;

    let answers = at_once(&world, vec![wish(&world.key, "10", ""); 200]).await;
    let (broke, bought): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| *answer == r#"{"error":"Not enough funds on balance"}"#);

    assert_eq!((broke.len(), bought.len()), (190, 10), "{answers:?}");
    assert_eq!(
        bought.iter().collect::<BTreeSet<_>>().len(),
        10,
        "each has an order of its own"
    );

    assert_eq!(
        world.balance().await,
        r#"{"balance":"0.00","currency":"USD"}"#
    );

    assert_eq!(
        (count(&world, ORDERS).await, count(&world, LEGS).await),
        (10, 10)
    );

    world.audit().await;
    world.work().await;
    assert_eq!(world.panel().orders().len(), 10);
    world.audit().await;
}

#[tokio::test]
async fn two_hundred_at_once_of_twenty_customers_do_not_stand_in_each_others_way() {
    let world = World::open().await;
    let mut keys = Vec::new();
    for n in 0..20 {
        keys.push(buyer(&world.house, &format!("customer {n}"), "1").await.1);
    }

    // Ten of each customer: five request ids, each used by two, which cross those of the neighbours
    // in every order.
    let ids: Vec<String> = (0..5).map(|id| format!("r{id}")).collect();
    let requests = (0..200)
        .map(|n| wish(&keys[n * 7 % 20], "10", &ids[n / 20 % 5]))
        .collect();

    let answers = at_once(&world, requests).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.starts_with(r#"{"order":"#)),
        "{answers:?}"
    );

    assert_eq!(answers.iter().collect::<BTreeSet<_>>().len(), 100);
    assert_eq!(
        (count(&world, ORDERS).await, count(&world, REQUESTS).await),
        (100, 100)
    );

    for key in &keys {
        assert_eq!(
            world.ask_as(key, &[("action", "balance")]).await,
            r#"{"balance":"0.955","currency":"USD"}"#
        );
    }

    world.audit().await;
}
