//! Every refusal, side by side in both dialects: the HTTP status and the exact body.

use std::fmt::Write;

use panelgate::domain::customer::Dialect;
use panelgate::domain::id::CustomerId;

use crate::keys::let_in;
use crate::world::{Plan, World, buyer};

/// One request, without its key, and what it is there to show.
pub type Case = (&'static str, String);

pub fn case(shows: &'static str, fields: &[(&str, &str)]) -> Case {
    (shows, serde_urlencoded::to_string(fields).unwrap())
}

/// An `add` of ten followers with some parameters replaced; an empty value takes one away.
fn add(shows: &'static str, changed: &[(&str, &str)]) -> Case {
    let usual = [
        ("action", "add"),
        ("service", "1"),
        ("link", "a.example"),
        ("quantity", "10"),
        ("request_id", "new"),
    ];

    let untouched = usual
        .into_iter()
        .filter(|(name, _)| changed.iter().all(|(other, _)| other != name));

    let fields: Vec<_> = untouched
        .chain(changed.iter().copied())
        .filter(|(_, value)| !value.is_empty())
        .collect();

    case(shows, &fields)
}

/// A customer's keys, one of each dialect.
pub async fn keys(world: &World, customer: CustomerId) -> [String; 2] {
    [
        world.key_of(customer, Dialect::Classic).await,
        world.key_of(customer, Dialect::Notpanel).await,
    ]
}

/// Sends every case with both keys: what it shows, and an answer of each dialect below it.
pub async fn told(world: &World, keys: &[String; 2], cases: &[Case]) -> String {
    let mut told = String::new();
    for (shows, body) in cases {
        writeln!(told, "{shows}").unwrap();
        for key in keys {
            let response = world
                .request(&[])
                .body(format!("{body}&key={key}"))
                .send()
                .await
                .unwrap();

            assert_eq!(response.headers()["content-type"], "application/json");
            let again = response
                .headers()
                .get("retry-after")
                .map(|after| format!(" after {}", after.to_str().unwrap()));

            let (status, again) = (response.status().as_u16(), again.unwrap_or_default());
            writeln!(told, "  {status}{again} {}", response.text().await.unwrap()).unwrap();
        }
    }

    told
}

/// Whatever was refused was not bought.
async fn nothing_was_bought(world: &World) {
    let orders: i64 = sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&world.pool().await)
        .await
        .unwrap();

    assert_eq!(orders, 0);
    world.audit().await;
}

#[tokio::test]
async fn callers_and_actions() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;

    let cases = [
        case("no action", &[]),
        case("an unknown action", &[("action", "dance")]),
        case("two actions", &[("action", "add"), ("action", "balance")]),
    ];

    insta::assert_snapshot!(told(&world, &ours, &cases).await, @r#"
    no action
      200 {"error":"Incorrect request"}
      400 {"error":"Unknown action"}
    an unknown action
      200 {"error":"Incorrect request"}
      400 {"error":"Unknown action"}
    two actions
      200 {"error":"Incorrect parameter: action"}
      400 {"error":"Invalid parameter: action"}
    "#);

    let (suspended, ..) = buyer(&world.house, "suspended", "1").await;
    let theirs = keys(&world, suspended).await;
    let suspend =
        sqlx::query("update customer set suspended_at = now() where id = $1").bind(suspended.0);

    assert_eq!(
        suspend
            .execute(&world.pool().await)
            .await
            .unwrap()
            .rows_affected(),
        1
    );

    let cases = [
        case("suspended: dance", &[("action", "dance")]),
        add("suspended: add", &[]),
    ];

    insta::assert_snapshot!(told(&world, &theirs, &cases).await, @r#"
    suspended: dance
      200 {"error":"Account suspended"}
      403 {"error":"Account suspended"}
    suspended: add
      200 {"error":"Account suspended"}
      403 {"error":"Account suspended"}
    "#);

    nothing_was_bought(&world).await;
}

#[tokio::test]
async fn whoever_shows_no_key_is_answered_in_the_gateways_tongue() {
    for (default_dialect, status) in [(Dialect::Classic, 200), (Dialect::Notpanel, 400)] {
        let world = World::build(Plan {
            default_dialect,
            ..Plan::default()
        })
        .await;

        let (_, revoked, id) = buyer(&world.house, "revoked", "1").await;
        let revoke = sqlx::query("update api_key set revoked_at = now() where id = $1").bind(id.0);
        assert_eq!(
            revoke
                .execute(&world.pool().await)
                .await
                .unwrap()
                .rows_affected(),
            1
        );

        for key in [
            &[][..],
            &[("key", "")],
            &[("key", "wrong")],
            &[("key", &revoked)],
        ] {
            let answer = world.post(&[key, &[("action", "balance")]].concat()).await;
            assert_eq!(
                answer,
                (status, r#"{"error":"Invalid API key"}"#.to_owned()),
                "{key:?}"
            );
        }

        let unread = world
            .bare(reqwest::Method::POST, "")
            .header("content-type", "text/plain")
            .body("x");

        assert_eq!(
            unread.send().await.unwrap().status().as_u16(),
            415,
            "in either dialect"
        );

        assert_eq!(
            world.balance().await,
            r#"{"balance":"1000.00","currency":"USD"}"#,
            "the key's dialect is its own"
        );
    }
}

#[tokio::test]
async fn parameters_that_are_missing_or_unreadable() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;
    let (long_link, long_id) = ("l".repeat(2_049), "r".repeat(129));
    let raw = |shows, tail: &str| (shows, format!("action=add&service=1&request_id=new&{tail}"));

    let cases = [
        case("next to nothing", &[("action", "add")]),
        add("no service", &[("service", "")]),
        add("no link", &[("link", "")]),
        add("no quantity", &[("quantity", "")]),
        add("no comments", &[("service", "3")]),
        add("no answer", &[("service", "5")]),
        add("a quantity that is none", &[("quantity", "ten")]),
        add("a link too long", &[("link", &long_link)]),
        add("a request_id too long", &[("request_id", &long_id)]),
        raw("two links", "link=a&link=b&quantity=10"),
        raw("NUL", "link=a%00&quantity=10"),
        raw("not UTF-8", "link=%ff&quantity=10"),
    ];

    insta::assert_snapshot!(told(&world, &ours, &cases).await, @r#"
    next to nothing
      200 {"error":"Missing required parameter: service"}
      400 {"error":"Missing required parameter: service"}
    no service
      200 {"error":"Missing required parameter: service"}
      400 {"error":"Missing required parameter: service"}
    no link
      200 {"error":"Bad link"}
      400 {"error":"Missing required parameter: link"}
    no quantity
      200 {"error":"Missing required parameter: quantity"}
      400 {"error":"Missing required parameter: quantity"}
    no comments
      200 {"error":"Missing required parameter: comments"}
      400 {"error":"Missing required parameter: comments"}
    no answer
      200 {"error":"Answer number is required"}
      400 {"error":"Answer number is required"}
    a quantity that is none
      200 {"error":"Incorrect parameter: quantity"}
      400 {"error":"Invalid parameter: quantity"}
    a link too long
      200 {"error":"Incorrect parameter: link"}
      400 {"error":"Invalid parameter: link"}
    a request_id too long
      200 {"error":"Incorrect parameter: request_id"}
      400 {"error":"Invalid parameter: request_id"}
    two links
      200 {"error":"Incorrect parameter: link"}
      400 {"error":"Invalid parameter: link"}
    NUL
      200 {"error":"Incorrect parameter: link"}
      400 {"error":"Invalid parameter: link"}
    not UTF-8
      200 {"error":"Incorrect parameter: link"}
      400 {"error":"Invalid parameter: link"}
    "#);

    nothing_was_bought(&world).await;
}

#[tokio::test]
async fn orders_that_cannot_be_sold() {
    let services = (1..=200).map(|id| {
        format!("[[service]]\nid = {id}\nroutes = [{{ provider = \"a\", service = \"{id}\" }}]\n")
    });

    let world = World::build(Plan {
        services_extra: 190,
        services: services.collect(),
        ..Plan::default()
    })
    .await;

    world.panel().switch_service("4", false);
    world.house.refresh().await.unwrap();

    let unsold: String =
        sqlx::query_scalar("select min(service) from panel_service where kind = 'Subscriptions'")
            .fetch_one(&world.pool().await)
            .await
            .unwrap();

    let ours = keys(&world, world.customer).await;
    let cases = [
        add("drip-feed", &[("runs", "2"), ("interval", "60")]),
        add("an unknown service", &[("service", "999")]),
        add("a service switched off", &[("service", "4")]),
        add("a type that nobody sells", &[("service", &unsold)]),
        add("a bad link", &[("link", "a\nb")]),
        add("below the minimum", &[("quantity", "9")]),
        add("above the maximum", &[("quantity", "100001")]),
    ];

    insta::assert_snapshot!(told(&world, &ours, &cases).await, @r#"
    drip-feed
      200 {"error":"Drip-feed is not available for this service"}
      400 {"error":"Drip-feed is not available for this service"}
    an unknown service
      200 {"error":"Incorrect service ID"}
      400 {"error":"Service not found"}
    a service switched off
      200 {"error":"Incorrect service ID"}
      400 {"error":"Service not found"}
    a type that nobody sells
      200 {"error":"Incorrect service ID"}
      400 {"error":"Service not found"}
    a bad link
      200 {"error":"Bad link"}
      400 {"error":"Invalid link"}
    below the minimum
      200 {"error":"Quantity less than minimum"}
      400 {"error":"Quantity less than minimum 10"}
    above the maximum
      200 {"error":"Quantity more than maximum"}
      400 {"error":"Quantity more than maximum 100000"}
    "#);

    let (poor, ..) = buyer(&world.house, "poor", "0.001").await;
    insta::assert_snapshot!(told(&world, &keys(&world, poor).await, &[add("no money", &[])]).await, @r#"
    no money
      200 {"error":"Not enough funds on balance"}
      400 {"error":"Insufficient balance"}
    "#);

    nothing_was_bought(&world).await;
}

#[tokio::test]
async fn the_first_thing_wrong_is_told() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;
    let raw = |shows, body: &str| (shows, format!("action=add&{body}"));
    let cases = [
        raw(
            "request_id before service",
            "request_id=a&request_id=b&service=999",
        ),
        raw(
            "service before an unreadable link",
            "service=999&link=%ff&quantity=%ff&comments=%ff",
        ),
        raw("two services before a link", "service=1&service=2&link=%ff"),
        raw("link before quantity", "service=1&link=%ff&quantity=ten"),
        raw(
            "quantity before the answer",
            "service=5&link=a&quantity=ten&answer_number=x",
        ),
        raw(
            "the answer before drip-feed",
            "service=5&link=a&quantity=1&answer_number=x&runs=2",
        ),
        raw(
            "drip-feed before bounds",
            "service=5&link=a&quantity=1&answer_number=1&runs=2",
        ),
        raw(
            "bounds before the request_id",
            "service=5&link=a&quantity=1&answer_number=1",
        ),
    ];

    insta::assert_snapshot!(told(&world, &ours, &cases).await, @r#"
    request_id before service
      200 {"error":"Incorrect parameter: request_id"}
      400 {"error":"Invalid parameter: request_id"}
    service before an unreadable link
      200 {"error":"Incorrect service ID"}
      400 {"error":"Service not found"}
    two services before a link
      200 {"error":"Incorrect parameter: service"}
      400 {"error":"Invalid parameter: service"}
    link before quantity
      200 {"error":"Incorrect parameter: link"}
      400 {"error":"Invalid parameter: link"}
    quantity before the answer
      200 {"error":"Incorrect parameter: quantity"}
      400 {"error":"Invalid parameter: quantity"}
    the answer before drip-feed
      200 {"error":"Incorrect parameter: answer_number"}
      400 {"error":"Invalid parameter: answer_number"}
    drip-feed before bounds
      200 {"error":"Drip-feed is not available for this service"}
      400 {"error":"Drip-feed is not available for this service"}
    bounds before the request_id
      200 {"error":"Quantity less than minimum"}
      400 {"error":"Quantity less than minimum 10"}
    "#);

    nothing_was_bought(&world).await;
    let ignored = raw(
        "",
        "service=2&link=a&request_id=r&quantity=%ff&comments=%ff&username=1&username=2",
    )
    .1;

    let answer = world
        .request(&[])
        .body(format!("{ignored}&key={}", ours[0]))
        .send()
        .await
        .unwrap();

    assert_eq!(
        answer.text().await.unwrap(),
        r#"{"order":1}"#,
        "what a package does not read cannot spoil it"
    );
}

#[tokio::test]
async fn a_request_id_is_bound_to_what_it_was_first_used_for() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;
    let bought = told(&world, &ours, &[add("bought", &[])]).await;
    let answers: Vec<_> = bought.lines().skip(1).collect();
    assert_eq!(
        answers[0], answers[1],
        "the same bytes, in whichever dialect the first was asked: {bought}"
    );

    let cases = [
        add("another quantity", &[("quantity", "11")]),
        add("another service that is none", &[("service", "999")]),
        add("one more parameter", &[("username", "a")]),
        (
            "an unreadable link",
            "action=add&service=1&link=%ff&quantity=10&request_id=new".to_owned(),
        ),
    ];

    insta::assert_snapshot!(told(&world, &ours, &cases).await, @r#"
    another quantity
      200 {"error":"request_id was used for a different order"}
      400 {"error":"request_id was used for a different order"}
    another service that is none
      200 {"error":"request_id was used for a different order"}
      400 {"error":"request_id was used for a different order"}
    one more parameter
      200 {"error":"request_id was used for a different order"}
      400 {"error":"request_id was used for a different order"}
    an unreadable link
      200 {"error":"request_id was used for a different order"}
      400 {"error":"request_id was used for a different order"}
    "#);

    let orders: i64 = sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&world.pool().await)
        .await
        .unwrap();

    assert_eq!(orders, 1);
    world.audit().await;
}

#[tokio::test]
async fn ids() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;

    let ids = |count: usize| {
        (1..=count)
            .map(|id| id.to_string())
            .collect::<Vec<_>>()
            .join(",")
    };

    let cases = [
        case("neither", &[("action", "status")]),
        case(
            "no id in the list",
            &[("action", "status"), ("orders", " , ")],
        ),
        case(
            "both",
            &[("action", "status"), ("order", "1"), ("orders", "1,2")],
        ),
        case(
            "two orders",
            &[("action", "status"), ("order", "1"), ("order", "2")],
        ),
        case("101 ids", &[("action", "status"), ("orders", &ids(101))]),
        case(
            "101 ids of one order",
            &[("action", "status"), ("order", &ids(101))],
        ),
        case(
            "an unknown number",
            &[("action", "status"), ("order", "999999")],
        ),
        case(
            "unknown letters",
            &[
                ("action", "status"),
                ("order", "ord_01J8000000E008000000000001"),
            ],
        ),
        case(
            "no id of anything",
            &[("action", "status"), ("order", "ord_")],
        ),
        case(
            "unknown ones in a list",
            &[
                ("action", "status"),
                ("orders", "999999,ord_01J8000000E008000000000001,\""),
            ],
        ),
    ];

    insta::assert_snapshot!(told(&world, &ours, &cases).await, @r#"
    neither
      200 {"error":"Missing required parameter: order"}
      400 {"error":"Missing required parameter: order"}
    no id in the list
      200 {"error":"Missing required parameter: order"}
      400 {"error":"Missing required parameter: order"}
    both
      200 {"error":"Incorrect request"}
      400 {"error":"Either order or orders is required, not both"}
    two orders
      200 {"error":"Incorrect parameter: order"}
      400 {"error":"Invalid parameter: order"}
    101 ids
      200 {"error":"Maximum 100 orders per request"}
      400 {"error":"Maximum 100 orders per request"}
    101 ids of one order
      200 {"error":"Maximum 100 orders per request"}
      400 {"error":"Maximum 100 orders per request"}
    an unknown number
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    unknown letters
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    no id of anything
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    unknown ones in a list
      200 {"999999":{"error":"Incorrect order ID"},"ord_01J8000000E008000000000001":{"error":"Incorrect order ID"},"\"":{"error":"Incorrect order ID"}}
      200 {"999999":{"error":"Order not found"},"ord_01J8000000E008000000000001":{"error":"Order not found"},"\"":{"error":"Order not found"}}
    "#);
}

#[tokio::test]
async fn too_large_away_and_broken() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;
    let long = "x".repeat(64 * 1024);
    insta::assert_snapshot!(told(&world, &ours, &[add("too large", &[("link", &long)])]).await, @r#"
    too large
      413 {"error":"Request too large"}
      413 {"error":"Request too large"}
    "#);

    let_in(&world, false).await;
    assert!(!world.house.store.beat().await);

    // The keys are still believed: the answers are in their dialects.
    insta::assert_snapshot!(told(&world, &ours, &[case("away", &[("action", "balance")])]).await, @r#"
    away
      503 after 2 {"error":"Internal error, retry later"}
      503 after 2 {"error":"Internal error, retry later"}
    "#);

    let_in(&world, true).await;
    assert!(world.house.store.beat().await);

    for key in &ours {
        assert!(
            world
                .ask_as(key, &[("action", "balance")])
                .await
                .starts_with(r#"{"balance":"#)
        );
    }

    sqlx::query("alter table wallet rename to elsewhere")
        .execute(&world.pool().await)
        .await
        .unwrap();

    insta::assert_snapshot!(told(&world, &ours, &[case("broken", &[("action", "balance")])]).await, @r#"
    broken
      500 {"error":"Internal error, retry later"}
      500 {"error":"Internal error, retry later"}
    "#);
}
