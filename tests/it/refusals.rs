//! Every refusal that a customer of the classic dialect can meet, byte for byte.

use std::fmt::Write;

use panelgate::domain::wish::{LINK_BYTES_MAX, REQUEST_ID_CHARS_MAX};

use crate::world::{World, buyer};

/// One request and what it is there to show.
struct Case {
    shows: &'static str,
    body: String,
}

fn case(shows: &'static str, fields: &[(&str, &str)]) -> Case {
    Case {
        shows,
        body: serde_urlencoded::to_string(fields).unwrap(),
    }
}

/// An `add` of ten followers with some parameters replaced; an empty value takes one away.
fn add(world: &World, shows: &'static str, changed: &[(&str, &str)]) -> Case {
    let usual = [
        ("key", world.key.as_str()),
        ("action", "add"),
        ("service", "1"),
        ("link", "a.example"),
        ("quantity", "10"),
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

/// An `add` with bytes behind it that no form writer would send.
fn raw(world: &World, shows: &'static str, tail: &str) -> Case {
    Case {
        shows,
        body: format!("key={}&action=add&service=1{tail}", world.key),
    }
}

/// Sends every case: a line for each, with its HTTP status and the exact body.
async fn told(world: &World, cases: Vec<Case>) -> String {
    let mut lines = String::new();
    for Case { shows, body } in cases {
        let response = world.request(&[]).body(body).send().await.unwrap();
        writeln!(
            lines,
            "{shows}: {} {}",
            response.status().as_u16(),
            response.text().await.unwrap()
        )
        .unwrap();
    }

    lines
}

/// Whatever was refused was not bought.
async fn nothing_was_bought(world: &World) {
    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    let orders: i64 = sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&world.pool().await)
        .await
        .unwrap();

    assert_eq!(orders, 0);
    world.audit().await;
}

#[tokio::test]
async fn keys_and_actions() {
    let world = World::open().await;
    let (_, revoked, revoked_id) = buyer(&world.house, "revoked", "1").await;
    let (suspended_id, suspended, _) = buyer(&world.house, "suspended", "1").await;
    let pool = world.pool().await;
    let revoke =
        sqlx::query("update api_key set revoked_at = now() where id = $1").bind(revoked_id.0);
    assert_eq!(revoke.execute(&pool).await.unwrap().rows_affected(), 1);

    let suspend =
        sqlx::query("update customer set suspended_at = now() where id = $1").bind(suspended_id.0);
    assert_eq!(suspend.execute(&pool).await.unwrap().rows_affected(), 1);
    let key = world.key.as_str();

    let cases = vec![
        case("no key", &[("action", "balance")]),
        case("an empty key", &[("key", ""), ("action", "balance")]),
        case("a wrong key", &[("key", "wrong"), ("action", "balance")]),
        case("a revoked key", &[("key", &revoked), ("action", "balance")]),
        case(
            "two keys",
            &[("key", key), ("key", "other"), ("action", "balance")],
        ),
        case(
            "a key too long",
            &[("key", &"k".repeat(257)), ("action", "balance")],
        ),
        case(
            "suspended: services",
            &[("key", &suspended), ("action", "services")],
        ),
        case("suspended: add", &[("key", &suspended), ("action", "add")]),
        case(
            "suspended: status",
            &[("key", &suspended), ("action", "status")],
        ),
        case(
            "suspended: balance",
            &[("key", &suspended), ("action", "balance")],
        ),
        case(
            "suspended: unknown action",
            &[("key", &suspended), ("action", "dance")],
        ),
        case("no action", &[("key", key)]),
        case("an empty action", &[("key", key), ("action", "")]),
        case("an unknown action", &[("key", key), ("action", "dance")]),
        case(
            "refill",
            &[("key", key), ("action", "refill"), ("order", "1")],
        ),
        case(
            "refill_status",
            &[("key", key), ("action", "refill_status"), ("refill", "1")],
        ),
        case(
            "cancel",
            &[("key", key), ("action", "cancel"), ("orders", "1")],
        ),
        case(
            "two actions",
            &[("key", key), ("action", "add"), ("action", "balance")],
        ),
    ];

    insta::assert_snapshot!(told(&world, cases).await, @r#"
    no key: 200 {"error":"Invalid API key"}
    an empty key: 200 {"error":"Invalid API key"}
    a wrong key: 200 {"error":"Invalid API key"}
    a revoked key: 200 {"error":"Invalid API key"}
    two keys: 200 {"error":"Invalid API key"}
    a key too long: 200 {"error":"Invalid API key"}
    suspended: services: 200 {"error":"Account suspended"}
    suspended: add: 200 {"error":"Account suspended"}
    suspended: status: 200 {"error":"Account suspended"}
    suspended: balance: 200 {"error":"Account suspended"}
    suspended: unknown action: 200 {"error":"Account suspended"}
    no action: 200 {"error":"Incorrect request"}
    an empty action: 200 {"error":"Incorrect request"}
    an unknown action: 200 {"error":"Incorrect request"}
    refill: 200 {"error":"Incorrect order ID"}
    refill_status: 200 {"error":"Refill not found"}
    cancel: 200 [{"order":1,"cancel":{"error":"Incorrect order ID"}}]
    two actions: 200 {"error":"Incorrect parameter: action"}
    "#);

    nothing_was_bought(&world).await;
}

#[tokio::test]
async fn parameters_of_add() {
    let world = World::open().await;
    let (long_link, long_id) = (
        "l".repeat(LINK_BYTES_MAX + 1),
        "r".repeat(REQUEST_ID_CHARS_MAX + 1),
    );

    let lines = |count: usize| "x\n".repeat(count);
    let (too_many_lines, all_too_many_lines) = (lines(1_501), lines(5_001));

    let cases = vec![
        add(&world, "no service", &[("service", "")]),
        add(&world, "a service that is none", &[("service", "one")]),
        add(&world, "an unknown service", &[("service", "11")]),
        add(
            &world,
            "a service past all numbers",
            &[("service", "99999999999999999999")],
        ),
        add(&world, "no link", &[("link", "")]),
        add(&world, "a blank link", &[("link", "  ")]),
        add(&world, "a link of two lines", &[("link", "a\u{2028}b")]),
        add(&world, "a link too long", &[("link", &long_link)]),
        raw(&world, "a link not UTF-8", "&link=%ff&quantity=10"),
        raw(&world, "a link with NUL", "&link=a%00&quantity=10"),
        raw(&world, "two links", "&link=a&link=b&quantity=10"),
        raw(&world, "two quantities", "&link=a&quantity=10&quantity=11"),
        add(&world, "no quantity", &[("quantity", "")]),
        add(&world, "a quantity that is none", &[("quantity", "ten")]),
        add(&world, "a negative quantity", &[("quantity", "-10")]),
        add(&world, "a broken quantity", &[("quantity", "10.5")]),
        add(&world, "below the minimum", &[("quantity", "9")]),
        add(&world, "nothing", &[("quantity", "0")]),
        add(&world, "above the maximum", &[("quantity", "100001")]),
        add(
            &world,
            "above all numbers",
            &[("quantity", "99999999999999999999999")],
        ),
        add(&world, "no comments", &[("service", "3")]),
        add(
            &world,
            "blank comments",
            &[("service", "3"), ("comments", " \n ")],
        ),
        add(
            &world,
            "more comments than the maximum",
            &[("service", "3"), ("comments", &too_many_lines)],
        ),
        add(
            &world,
            "more comments than anybody",
            &[("service", "3"), ("comments", &all_too_many_lines)],
        ),
        add(&world, "a package without comments", &[("service", "4")]),
        add(&world, "no answer", &[("service", "5")]),
        add(
            &world,
            "an answer that is none",
            &[("service", "5"), ("answer_number", "first")],
        ),
        add(
            &world,
            "a poll below the minimum",
            &[("service", "5"), ("answer_number", "1"), ("quantity", "9")],
        ),
        add(
            &world,
            "a poll above the maximum",
            &[
                ("service", "5"),
                ("answer_number", "1"),
                ("quantity", "50001"),
            ],
        ),
        add(&world, "runs", &[("runs", "2")]),
        add(
            &world,
            "runs that are none",
            &[("runs", "few"), ("interval", "5")],
        ),
        add(&world, "a request_id too long", &[("request_id", &long_id)]),
        add(
            &world,
            "two request_ids",
            &[("request_id", "a"), ("request_id", "b")],
        ),
        add(
            &world,
            "two services",
            &[("service", "10"), ("service", "1")],
        ),
    ];

    insta::assert_snapshot!(told(&world, cases).await, @r#"
    no service: 200 {"error":"Missing required parameter: service"}
    a service that is none: 200 {"error":"Incorrect service ID"}
    an unknown service: 200 {"error":"Incorrect service ID"}
    a service past all numbers: 200 {"error":"Incorrect service ID"}
    no link: 200 {"error":"Bad link"}
    a blank link: 200 {"error":"Bad link"}
    a link of two lines: 200 {"error":"Bad link"}
    a link too long: 200 {"error":"Incorrect parameter: link"}
    a link not UTF-8: 200 {"error":"Incorrect parameter: link"}
    a link with NUL: 200 {"error":"Incorrect parameter: link"}
    two links: 200 {"error":"Incorrect parameter: link"}
    two quantities: 200 {"error":"Incorrect parameter: quantity"}
    no quantity: 200 {"error":"Missing required parameter: quantity"}
    a quantity that is none: 200 {"error":"Incorrect parameter: quantity"}
    a negative quantity: 200 {"error":"Incorrect parameter: quantity"}
    a broken quantity: 200 {"error":"Incorrect parameter: quantity"}
    below the minimum: 200 {"error":"Quantity less than minimum"}
    nothing: 200 {"error":"Quantity less than minimum"}
    above the maximum: 200 {"error":"Quantity more than maximum"}
    above all numbers: 200 {"error":"Quantity more than maximum"}
    no comments: 200 {"error":"Missing required parameter: comments"}
    blank comments: 200 {"error":"Missing required parameter: comments"}
    more comments than the maximum: 200 {"error":"Quantity more than maximum"}
    more comments than anybody: 200 {"error":"Incorrect parameter: comments"}
    a package without comments: 200 {"error":"Missing required parameter: comments"}
    no answer: 200 {"error":"Answer number is required"}
    an answer that is none: 200 {"error":"Incorrect parameter: answer_number"}
    a poll below the minimum: 200 {"error":"Quantity less than minimum"}
    a poll above the maximum: 200 {"error":"Quantity more than maximum"}
    runs: 200 {"error":"Drip-feed is not available for this service"}
    runs that are none: 200 {"error":"Incorrect parameter: runs"}
    a request_id too long: 200 {"error":"Incorrect parameter: request_id"}
    two request_ids: 200 {"error":"Incorrect parameter: request_id"}
    two services: 200 {"error":"Incorrect parameter: service"}
    "#);

    nothing_was_bought(&world).await;
}

#[tokio::test]
async fn no_money() {
    let world = World::open().await;
    let (_, poor, _) = buyer(&world.house, "poor", "0.008").await;

    let cases = vec![
        add(&world, "a little too dear", &[("key", &poor)]),
        add(
            &world,
            "an empty wallet before its bounds",
            &[("key", &poor), ("quantity", "9")],
        ),
    ];

    insta::assert_snapshot!(told(&world, cases).await, @r#"
    a little too dear: 200 {"error":"Not enough funds on balance"}
    an empty wallet before its bounds: 200 {"error":"Quantity less than minimum"}
    "#);

    nothing_was_bought(&world).await;
}

#[tokio::test]
async fn status() {
    let world = World::open().await;
    let (_, other, _) = buyer(&world.house, "other", "0").await;
    let foreign = world.buy("1", "10").await.to_string();
    let ids: Vec<String> = (1..=101).map(|id| id.to_string()).collect();
    let ids = ids.join(",");

    let ask = |shows, fields: &[(&str, &str)]| {
        case(
            shows,
            &[&[("key", other.as_str()), ("action", "status")], fields].concat(),
        )
    };

    let cases = vec![
        ask("neither", &[]),
        ask("a blank order", &[("order", " ")]),
        ask("no id in the list", &[("orders", " , ")]),
        ask("both", &[("order", "1"), ("orders", "1,2")]),
        ask("two orders", &[("order", "1"), ("order", "2")]),
        ask("an unknown order", &[("order", "999999")]),
        ask("no number", &[("order", "ord_1")]),
        ask("a signed number", &[("order", "+1")]),
        ask("past all numbers", &[("order", "99999999999999999999")]),
        ask("somebody else's order", &[("order", &foreign)]),
        ask("101 ids", &[("orders", &ids)]),
    ];

    insta::assert_snapshot!(told(&world, cases).await, @r#"
    neither: 200 {"error":"Missing required parameter: order"}
    a blank order: 200 {"error":"Missing required parameter: order"}
    no id in the list: 200 {"error":"Missing required parameter: order"}
    both: 200 {"error":"Incorrect request"}
    two orders: 200 {"error":"Incorrect parameter: order"}
    an unknown order: 200 {"error":"Incorrect order ID"}
    no number: 200 {"error":"Incorrect order ID"}
    a signed number: 200 {"error":"Incorrect order ID"}
    past all numbers: 200 {"error":"Incorrect order ID"}
    somebody else's order: 200 {"error":"Incorrect order ID"}
    101 ids: 200 {"error":"Maximum 100 orders per request"}
    "#);
}

#[tokio::test]
async fn bodies_too_large() {
    let world = World::open().await;
    let (long, longer) = ("l".repeat(64 * 1024), "c".repeat(256 * 1024));
    let cases = vec![
        add(&world, "64 KiB of a link", &[("link", &long)]),
        add(
            &world,
            "256 KiB of comments",
            &[("service", "3"), ("comments", &longer)],
        ),
        case("without a key", &[("action", &longer)]),
    ];

    insta::assert_snapshot!(told(&world, cases).await, @r#"
    64 KiB of a link: 413 {"error":"Request too large"}
    256 KiB of comments: 413 {"error":"Request too large"}
    without a key: 413 {"error":"Request too large"}
    "#);

    nothing_was_bought(&world).await;
}

#[tokio::test]
async fn a_request_id_reused_by_parameter_and_by_header() {
    let world = World::open().await;
    let key = world.key.as_str();

    let add = |quantity| {
        [
            ("key", key),
            ("action", "add"),
            ("service", "1"),
            ("link", "a"),
            ("quantity", quantity),
        ]
    };

    let by_header = async |quantity, value: &str| {
        let request = world
            .request(&add(quantity))
            .header("idempotency-key", value);
        request.send().await.unwrap().text().await.unwrap()
    };

    let bought = by_header("10", "once").await;
    assert!(bought.starts_with(r#"{"order":"#), "{bought}");
    assert_eq!(by_header("10", "once").await, bought);
    let by_parameter = |quantity| [&add(quantity)[..], &[("request_id", "once")]].concat();
    assert_eq!(
        world.post(&by_parameter("10")).await,
        (200, bought.clone()),
        "either way is the same request"
    );

    let reused = r#"{"error":"request_id was used for a different order"}"#;
    assert_eq!(by_header("11", "once").await, reused);
    assert_eq!(
        world.post(&by_parameter("11")).await,
        (200, reused.to_owned())
    );

    assert_eq!(
        by_header("10", &"x".repeat(REQUEST_ID_CHARS_MAX + 1)).await,
        r#"{"error":"Incorrect parameter: request_id"}"#
    );

    let both = world
        .request(&by_parameter("10"))
        .header("idempotency-key", "twice");

    assert_eq!(
        both.send().await.unwrap().text().await.unwrap(),
        r#"{"error":"Incorrect parameter: request_id"}"#
    );

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.991","currency":"USD"}"#
    );

    world.audit().await;
}
