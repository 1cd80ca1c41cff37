//! What published clients send, in every action and both dialects: each form is answered byte for
//! byte like the plain one, and what is refused is told why.

use panelgate::domain::customer::Dialect;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;

use crate::forms::{FORM, Fields, JSON, encoded, json, names, told};
use crate::world::{Plan, World};

/// What scripting languages send for nothing.
const NOTHING: [&str; 7] = ["undefined", "null", "NaN", "None", "false", "False", ""];
/// The parameters that may be left out.
const OPTIONAL: [&str; 7] = [
    "runs",
    "interval",
    "request_id",
    "order",
    "orders",
    "refill",
    "refills",
];
/// The parameters that some languages write with a fraction.
const NUMBERS: [&str; 4] = ["service", "quantity", "order", "refill"];

/// How one client writes its parts: the line between them, and a part's headers.
struct PartsWriter {
    shows: &'static str,
    content_type: &'static str,
    boundary: &'static str,
    head: fn(&str) -> String,
}

fn quoted(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

const WRITERS: [PartsWriter; 4] = [
    PartsWriter {
        shows: "a browser's FormData",
        content_type: "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        boundary: "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        head: quoted,
    },
    PartsWriter {
        shows: "PHP's array body",
        content_type: "multipart/form-data; boundary=------------------------d74496d66958873e",
        boundary: "------------------------d74496d66958873e",
        head: quoted,
    },
    PartsWriter {
        shows: "Guzzle's parts",
        content_type: "multipart/form-data; boundary=0f8a2c6f1d7b4c1e9b0d",
        boundary: "0f8a2c6f1d7b4c1e9b0d",
        head: |name| format!("{}\r\nContent-Type: text/plain", quoted(name)),
    },
    PartsWriter {
        shows: ".NET's parts",
        content_type: "multipart/form-data; boundary=\"5c2f1b9e-6a7d-4f0b-8a51-1e2d3c4b5a69\"",
        boundary: "5c2f1b9e-6a7d-4f0b-8a51-1e2d3c4b5a69",
        head: |name| {
            let own = "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data;";
            format!("{own} name={name}")
        },
    },
];

impl PartsWriter {
    fn body(&self, fields: &Fields<'_>) -> String {
        let line = self.boundary;
        let part = |field: &(&str, &str)| {
            format!(
                "--{line}\r\n{}\r\n\r\n{}\r\n",
                (self.head)(field.0),
                field.1
            )
        };

        fields.iter().map(part).collect::<Vec<_>>().concat() + &format!("--{line}--\r\n")
    }

    fn post(&self, world: &World, fields: &Fields<'_>) -> RequestBuilder {
        let request = world
            .bare(Method::POST, "")
            .header("content-type", self.content_type);
        request.body(self.body(fields))
    }
}

/// A form at a path that somebody wrote down a little otherwise.
fn post_at(world: &World, path: &str, fields: &Fields<'_>) -> RequestBuilder {
    world
        .at(path)
        .header("content-type", FORM)
        .body(encoded(fields))
}

fn post_json(world: &World, body: String) -> RequestBuilder {
    world
        .bare(Method::POST, "")
        .header("content-type", JSON)
        .body(body)
}

/// One request in every form that published clients send beside the plain one.
fn published(
    world: &World,
    key: &str,
    action: &str,
    fields: &Fields<'_>,
) -> Vec<(String, RequestBuilder)> {
    let own = [("key", key), ("action", action)];
    let all = [&own[..], fields].concat();
    let keyless = [&own[1..], fields].concat();
    let nothing_as_key = [&[("key", "undefined")], &keyless[..]].concat();
    let padded = [format!(" {key}\r\n"), format!("\t{action} \r\n")];
    let padded = [
        &[("key", padded[0].as_str()), ("action", &padded[1])],
        fields,
    ]
    .concat();

    let form = |fields: &Fields<'_>| post_at(world, "/api/v2", fields);

    let mut requests = Vec::new();
    for writer in &WRITERS {
        requests.push((writer.shows.to_owned(), writer.post(world, &all)));
    }

    let [browser, ..] = &WRITERS;
    let behind_a_query = world
        .bare(Method::POST, &encoded(&own))
        .header("content-type", browser.content_type);

    requests.push((
        "parts behind a query".to_owned(),
        behind_a_query.body(browser.body(fields)),
    ));

    requests.push((
        "parts and a header".to_owned(),
        browser.post(world, &keyless).header("x-api-key", key),
    ));

    for word in NOTHING {
        let unsent = OPTIONAL.map(|name| (name, word));
        let both = [&all[..], &unsent].concat();
        requests.push((format!("{word:?} in a form"), form(&both)));
        requests.push((format!("{word:?} in parts"), browser.post(world, &both)));
    }

    for word in ["null", "false", "\"undefined\""] {
        let unsent =
            format!(r#""runs":{word},"interval":{word},"refills":{word},"request_id":{word},"#);
        let body = json(&all, true).replacen('{', &format!("{{{unsent}"), 1);
        // Of a name that comes twice, nothing is sent the one time.
        requests.push((format!("{word} in JSON"), post_json(world, body)));
    }

    for path in ["//api/v2", "/api//v2", "/api/v2/", "///api///v2//"] {
        requests.push((path.to_owned(), post_at(world, path, &all)));
    }

    let with_fraction = all.iter().map(|(name, value)| {
        let is_whole = NUMBERS.contains(name) && value.bytes().all(|byte| byte.is_ascii_digit());
        (
            *name,
            if is_whole {
                format!("{value}.0")
            } else {
                (*value).to_owned()
            },
        )
    });

    let with_fraction: Vec<_> = with_fraction.collect();
    let with_fraction: Vec<_> = with_fraction
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();

    requests.extend([
        ("numbers with a fraction".to_owned(), form(&with_fraction)),
        ("blanks around key and action".to_owned(), form(&padded)),
        (
            "blanks in JSON".to_owned(),
            post_json(world, json(&padded, true)),
        ),
        ("blanks in parts".to_owned(), browser.post(world, &padded)),
        (
            "a header".to_owned(),
            form(&keyless).header("x-api-key", key),
        ),
        (
            "a header and JSON".to_owned(),
            post_json(world, json(&keyless, true)).header("X-API-KEY", key),
        ),
        (
            "a header and a GET".to_owned(),
            world
                .bare(Method::GET, &encoded(&keyless))
                .header("x-api-key", key),
        ),
        (
            "a header and no key".to_owned(),
            form(&nothing_as_key).header("x-api-key", key),
        ),
        (
            "a header and the key".to_owned(),
            form(&all).header("x-api-key", key),
        ),
    ]);

    requests
}

/// One action with its parameters, and its one answer.
struct Row {
    action: &'static str,
    fields: Vec<(&'static str, String)>,
    status: u16,
    expected: String,
}

fn row(action: &'static str, fields: &[(&'static str, &str)], expected: impl Into<String>) -> Row {
    let fields = fields
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();

    Row {
        action,
        fields,
        status: 200,
        expected: expected.into(),
    }
}

/// The orders that the table asks about, by their names in one dialect.
struct Orders {
    delivered: String,
    pending: String,
    canceled: String,
    added: String,
}

fn classic_rows(orders: &Orders) -> Vec<Row> {
    let Orders {
        delivered,
        pending,
        canceled,
        added,
    } = orders;

    let look = r#"{"charge":"0.009","start_count":"0","status":"Pending","remains":"10","currency":"USD"}"#;
    let unknown = r#"{"error":"Incorrect order ID"}"#;

    vec![
        row("status", &[("order", pending)], look),
        row(
            "status",
            &[("orders", &format!("{pending},99"))],
            format!(r#"{{"{pending}":{look},"99":{unknown}}}"#),
        ),
        row("add", &ADD, format!(r#"{{"order":{added}}}"#)),
        row("add", &TOO_FEW, r#"{"error":"Quantity less than minimum"}"#),
        row(
            "refill",
            &[("order", delivered)],
            r#"{"error":"The refill task is not completed for this order"}"#,
        ),
        row(
            "refill_status",
            &[("refill", "1")],
            r#"{"status":"Pending"}"#,
        ),
        row(
            "refill_status",
            &[("order", delivered)],
            r#"{"status":"Pending"}"#,
        ),
        row("", &[("refill", "1")], r#"{"status":"Pending"}"#),
        row(
            "refill_status",
            &[("refills", "1,99")],
            r#"[{"refill":1,"status":"Pending"},{"refill":99,"status":{"error":"Refill not found"}}]"#,
        ),
        row("cancel", &[("order", canceled)], r#"{"cancel":1}"#),
        row(
            "cancel",
            &[("orders", &format!("{canceled},99"))],
            format!(r#"[{{"order":{canceled},"cancel":1}},{{"order":99,"cancel":{unknown}}}]"#),
        ),
        row("dance", &[], r#"{"error":"Incorrect request"}"#),
    ]
}

fn notpanel_rows(orders: &Orders) -> Vec<Row> {
    let Orders {
        delivered,
        pending,
        canceled,
        added,
    } = orders;

    let look = r#"{"charge":"0.009","start_count":"0","status":"pending","remains":"10","currency":"USD"}"#;
    let refused = |row: Row| Row { status: 400, ..row };
    let under_way = r#"{"error":"A refill request is already pending for this order"}"#;

    vec![
        row("status", &[("order", pending)], look),
        row(
            "status",
            &[("orders", &format!("{pending},99"))],
            format!(r#"{{"{pending}":{look},"99":{{"error":"Order not found"}}}}"#),
        ),
        row("add", &ADD, format!(r#"{{"order":"{added}"}}"#)),
        refused(row(
            "add",
            &TOO_FEW,
            r#"{"error":"Quantity less than minimum 10"}"#,
        )),
        refused(row("refill", &[("order", delivered)], under_way)),
        row(
            "refill_status",
            &[("refill", "1")],
            r#"{"status":"pending"}"#,
        ),
        row(
            "refill_status",
            &[("order", delivered)],
            r#"{"status":"pending"}"#,
        ),
        row("", &[("refill", "1")], r#"{"status":"pending"}"#),
        row(
            "refill_status",
            &[("refills", "1,99")],
            r#"[{"refill":1,"status":"pending"},{"refill":99,"error":"Refill not found"}]"#,
        ),
        row(
            "cancel",
            &[("order", canceled)],
            format!(r#"{{"cancel":"{canceled}"}}"#),
        ),
        row(
            "cancel",
            &[("orders", &format!("{canceled},99"))],
            format!(
                r#"[{{"order":"{canceled}","cancel":"{canceled}"}},{{"order":99,"error":"Order not found"}}]"#
            ),
        ),
        refused(row("dance", &[], r#"{"error":"Unknown action"}"#)),
    ]
}

const ADD: [(&str, &str); 4] = [
    ("service", "1"),
    ("link", "https://example.org/a?b=c&d=é"),
    ("quantity", "10"),
    ("request_id", "seven"),
];
const TOO_FEW: [(&str, &str); 4] = [
    ("service", "1"),
    ("link", "https://example.org/few"),
    ("quantity", "9"),
    ("request_id", "few"),
];

/// A world with orders of every kind, and what its table asks.
async fn ask_table(world: &World, key: &str, dialect: Dialect) -> Vec<Row> {
    let delivered = world.buy("1", "10").await;
    world.work().await;
    world.pass(1, 10).await;
    let begun = world
        .ask(&[("action", "refill"), ("order", &delivered.to_string())])
        .await;

    assert_eq!(begun, r#"{"refill":"1"}"#);
    let (pending, canceled) = (world.buy("1", "10").await, world.buy("1", "10").await);

    // What was added last is not in the balance yet: it is the table's own, and comes after it.
    let balance = world.ask_as(key, &[("action", "balance")]).await;
    assert_eq!(balance, r#"{"balance":"999.973","currency":"USD"}"#);

    let name = async |order: i32| {
        let (number, letters) = names(world, order).await;
        match dialect {
            Dialect::Classic => number,
            Dialect::Notpanel => letters,
        }
    };

    let mut orders = Orders {
        delivered: name(delivered).await,
        pending: name(pending).await,
        canceled: name(canceled).await,
        added: String::new(),
    };

    let services = world.ask_as(key, &[("action", "services")]).await;
    assert!(
        services.starts_with(r#"[{"service":1,"name":"#),
        "{services}"
    );

    let before = row("balance", &[], balance);
    check(world, key, &before).await;

    world
        .ask_as(key, &[&[("action", "add")], &ADD[..]].concat())
        .await;

    orders.added = name(canceled + 1).await;
    let rows = match dialect {
        Dialect::Classic => classic_rows(&orders),
        Dialect::Notpanel => notpanel_rows(&orders),
    };

    rows.into_iter()
        .chain([row("services", &[], services)])
        .collect()
}

/// Asks one row in every form.
async fn check(world: &World, key: &str, row: &Row) {
    let fields: Vec<_> = row
        .fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();

    for (shows, request) in published(world, key, row.action, &fields) {
        let answer = told(request.send().await.unwrap()).await;
        assert_eq!(
            answer,
            (row.status, row.expected.clone()),
            "{} {fields:?}: {shows}",
            row.action
        );
    }
}

#[rstest]
#[case::classic(Dialect::Classic)]
#[case::notpanel(Dialect::Notpanel)]
#[tokio::test]
async fn every_published_form_of_every_action_is_answered_like_the_plain_one(
    #[case] dialect: Dialect,
) {
    let world = World::open().await;
    let key = world.key_speaking(dialect).await;
    let many = sqlx::query("update api_key set per_minute = 1000");
    many.execute(&world.pool().await).await.unwrap();

    for row in ask_table(&world, &key, dialect).await {
        check(&world, &key, &row).await;
    }

    let bought = crate::books::read(&world.database, "select count(*)::text from orders").await;
    assert_eq!(bought, "4", "every form is the same order");
    world.audit().await;
}

/// A line for what was answered.
async fn line(shows: &str, request: RequestBuilder) -> String {
    let (status, body) = told(request.send().await.unwrap()).await;
    format!("{shows}: {status} {body}\n")
}

/// An `add` in forms that are none, each with what it shows.
fn no_requests(world: &World, key: &str) -> Vec<(&'static str, RequestBuilder)> {
    let usual = [
        ("key", key),
        ("action", "add"),
        ("service", "1"),
        ("link", "a"),
        ("quantity", "10"),
    ];

    let all = [&usual[..], &[("request_id", "r")]].concat();
    let post = |kind: &str, body: String| {
        world
            .bare(Method::POST, "")
            .header("content-type", kind)
            .body(body)
    };

    let [browser, ..] = &WRITERS;
    let whole = browser.body(&all);

    let with_quantity = |quantity: &'static str| {
        let changed: Vec<_> = all
            .iter()
            .map(|(name, value)| (*name, if *name == "quantity" { quantity } else { value }))
            .collect();
        post(FORM, encoded(&changed))
    };

    let with = |name: &'static str, value: &'static str| {
        post(FORM, encoded(&[&all[..], &[(name, value)]].concat()))
    };

    let file = whole.replacen("name=\"link\"", "name=\"link\"; filename=\"a.txt\"", 1);
    let long = "l".repeat(64 * 1024);
    let too_long = browser.body(&[&usual[..3], &[("link", long.as_str())]].concat());

    vec![
        (
            "plain text",
            post("text/plain;charset=UTF-8", encoded(&all)),
        ),
        ("XML", post("application/xml", "<add/>".to_owned())),
        (
            "a long type",
            post(&format!("x/{}", "y".repeat(200)), encoded(&all)),
        ),
        ("a file", post(browser.content_type, file)),
        ("no boundary", post("multipart/form-data", whole.clone())),
        (
            "another boundary",
            post("multipart/form-data; boundary=x", whole.clone()),
        ),
        (
            "no end",
            post(
                browser.content_type,
                whole.trim_end_matches("--\r\n").to_owned(),
            ),
        ),
        (
            "a form that says parts",
            post(browser.content_type, encoded(&all)),
        ),
        ("parts too long", post(browser.content_type, too_long)),
        ("half a unit", with_quantity("100.5")),
        ("half a fraction", with_quantity("100.")),
        ("no number before the fraction", with_quantity(".0")),
        ("a fraction of nothing", with_quantity("undefined.0")),
        ("an exponent", with_quantity("1e2")),
        ("no quantity by its word", with_quantity("undefined")),
        ("runs", with("runs", "2")),
        ("runs with a fraction", with("runs", "1.5")),
        (
            "two keys",
            post(FORM, encoded(&all)).header("x-api-key", "other"),
        ),
        (
            "two headers",
            post(FORM, encoded(&all[1..]))
                .header("x-api-key", "other")
                .bearer_auth(key),
        ),
        ("a blank in the key", with("key", "undefined undefined")),
        ("another path", post_at(world, "/api/v2/x", &all)),
        ("a path that is only near", post_at(world, "/apiv2", &all)),
    ]
}

#[rstest]
#[case::classic(Dialect::Classic)]
#[case::notpanel(Dialect::Notpanel)]
#[tokio::test]
async fn what_is_no_request_is_told_why_and_nothing_is_done(#[case] dialect: Dialect) {
    let world = World::build(Plan {
        default_dialect: dialect,
        ..Plan::default()
    })
    .await;

    let key = world.key_speaking(dialect).await;
    let mut lines = String::new();
    for (shows, request) in no_requests(&world, &key) {
        lines += &line(shows, request).await;
    }

    match dialect {
        Dialect::Classic => insta::assert_snapshot!(lines, @r#"
        plain text: 415 {"error":"Unsupported media type text/plain: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
        XML: 415 {"error":"Unsupported media type application/xml: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
        a long type: 415 {"error":"Unsupported media type x/yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
        a file: 415 {"error":"Unsupported media type multipart/form-data with a file: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
        no boundary: 200 {"error":"Incorrect request: broken multipart/form-data"}
        another boundary: 200 {"error":"Incorrect request: broken multipart/form-data"}
        no end: 200 {"error":"Incorrect request: broken multipart/form-data"}
        a form that says parts: 200 {"error":"Incorrect request: broken multipart/form-data"}
        parts too long: 413 {"error":"Request too large"}
        half a unit: 200 {"error":"Incorrect parameter: quantity"}
        half a fraction: 200 {"error":"Incorrect parameter: quantity"}
        no number before the fraction: 200 {"error":"Incorrect parameter: quantity"}
        a fraction of nothing: 200 {"error":"Incorrect parameter: quantity"}
        an exponent: 200 {"error":"Incorrect parameter: quantity"}
        no quantity by its word: 200 {"error":"Incorrect parameter: quantity"}
        runs: 200 {"error":"Drip-feed is not available for this service"}
        runs with a fraction: 200 {"error":"Incorrect parameter: runs"}
        two keys: 200 {"error":"Invalid API key"}
        two headers: 200 {"error":"Invalid API key"}
        a blank in the key: 200 {"error":"Invalid API key"}
        another path: 404 {"error":"Not found"}
        a path that is only near: 404 {"error":"Not found"}
        "#),
        Dialect::Notpanel => insta::assert_snapshot!(lines, @r#"
        plain text: 415 {"error":"Unsupported media type text/plain: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
        XML: 415 {"error":"Unsupported media type application/xml: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
        a long type: 415 {"error":"Unsupported media type x/yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
        a file: 415 {"error":"Unsupported media type multipart/form-data with a file: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
        no boundary: 400 {"error":"Invalid request: broken multipart/form-data"}
        another boundary: 400 {"error":"Invalid request: broken multipart/form-data"}
        no end: 400 {"error":"Invalid request: broken multipart/form-data"}
        a form that says parts: 400 {"error":"Invalid request: broken multipart/form-data"}
        parts too long: 413 {"error":"Request too large"}
        half a unit: 400 {"error":"Invalid parameter: quantity"}
        half a fraction: 400 {"error":"Invalid parameter: quantity"}
        no number before the fraction: 400 {"error":"Invalid parameter: quantity"}
        a fraction of nothing: 400 {"error":"Invalid parameter: quantity"}
        an exponent: 400 {"error":"Invalid parameter: quantity"}
        no quantity by its word: 400 {"error":"Invalid parameter: quantity"}
        runs: 400 {"error":"Drip-feed is not available for this service"}
        runs with a fraction: 400 {"error":"Invalid parameter: runs"}
        two keys: 400 {"error":"Invalid API key"}
        two headers: 400 {"error":"Invalid API key"}
        a blank in the key: 400 {"error":"Invalid API key"}
        another path: 404 {"error":"Not found"}
        a path that is only near: 404 {"error":"Not found"}
        "#),
    }

    assert_eq!(
        crate::books::read(&world.database, "select count(*)::text from orders").await,
        "0"
    );
}

#[tokio::test]
async fn one_run_is_a_plain_order_and_so_is_an_interval_without_runs() {
    let world = World::open().await;
    let plain = [
        ("action", "add"),
        ("service", "1"),
        ("link", "a"),
        ("quantity", "10"),
        ("request_id", "r"),
    ];

    for (n, more) in [
        ("runs", "0"),
        ("runs", "1"),
        ("runs", "1.0"),
        ("interval", "5"),
        ("interval", "0"),
    ]
    .into_iter()
    .enumerate()
    {
        let request_id = n.to_string();
        let fields = [&plain[..4], &[("request_id", request_id.as_str()), more]].concat();
        assert_eq!(
            world.ask(&fields).await,
            format!(r#"{{"order":{}}}"#, n + 1),
            "{more:?}"
        );
    }
}
