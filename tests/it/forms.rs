//! The same request in every form in which real clients send it: one answer, byte for byte.

use std::fmt::Write as _;

use panelgate::domain::customer::Dialect;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Map, Value};

use crate::world::World;

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const JSON: &str = "application/json";

pub type Fields<'a> = [(&'a str, &'a str)];

pub fn encoded(fields: &Fields<'_>) -> String {
    serde_urlencoded::to_string(fields).unwrap()
}

/// The fields as JSON; all digits are numbers where `numbers` says so.
pub fn json(fields: &Fields<'_>, numbers: bool) -> String {
    let value = |text: &str| match text.parse::<u64>() {
        Ok(number) if numbers => Value::from(number),
        Ok(_) | Err(_) => Value::from(text),
    };

    let members: Map<_, _> = fields
        .iter()
        .map(|(name, text)| ((*name).to_owned(), value(text)))
        .collect();

    Value::from(members).to_string()
}

/// A request with a key and an action beside these fields, in every form.
pub fn forms(
    world: &World,
    key: &str,
    action: &str,
    fields: &Fields<'_>,
) -> Vec<(&'static str, RequestBuilder)> {
    let (own, upper) = ([("key", key), ("action", action)], action.to_uppercase());
    let all = [&own[..], fields].concat();
    let get = |query: &str| world.bare(Method::GET, query);
    let post = |query: &str| world.bare(Method::POST, query);
    let with =
        |query: &str, kind: &str, body: String| post(query).header("content-type", kind).body(body);

    let keyless = [&[("action", action)], fields].concat();
    let shouted = [&[("key", key), ("action", upper.as_str())], fields].concat();
    let coupon = [("coupon", "X"), ("timestamp", "1"), ("order_id", "9")];

    vec![
        ("a form", with("", FORM, encoded(&all))),
        (
            "a form with a charset",
            with("", &format!("{FORM}; charset=UTF-8"), encoded(&all)),
        ),
        (
            "a form in capitals",
            with(
                "",
                "Application/X-WWW-Form-URLencoded;charset=utf-8",
                encoded(&all),
            ),
        ),
        ("a body that says nothing", post("").body(encoded(&all))),
        (
            "an old browser",
            with("", FORM, encoded(&all))
                .header("user-agent", "Mozilla/4.0 (compatible; MSIE 5.01)"),
        ),
        ("JSON of texts", with("", JSON, json(&all, false))),
        (
            "JSON with numbers",
            with("", "application/json; charset=utf-8", json(&all, true)),
        ),
        ("a GET", get(&encoded(&all))),
        (
            "a GET that says JSON",
            get(&encoded(&all)).header("content-type", JSON),
        ),
        ("a POST with a query", post(&encoded(&all))),
        (
            "a query and a form",
            with(&encoded(&own), FORM, encoded(fields)),
        ),
        (
            "a query and JSON",
            with(&encoded(&own), JSON, json(fields, true)),
        ),
        ("said twice", with(&encoded(&all), FORM, encoded(&all))),
        (
            "a token",
            with("", FORM, encoded(&keyless)).bearer_auth(key),
        ),
        (
            "a token and JSON",
            with("", JSON, json(&keyless, true)).header("authorization", format!("bearer {key}")),
        ),
        (
            "a token and the key",
            with("", FORM, encoded(&all)).bearer_auth(key),
        ),
        ("an action in capitals", with("", FORM, encoded(&shouted))),
        (
            "parameters of other panels",
            with("", FORM, encoded(&[&coupon[..], &all[..]].concat())),
        ),
        (
            "a body that waits",
            with("", FORM, encoded(&all)).header("expect", "100-continue"),
        ),
        (
            "empty parameters",
            with(
                "",
                FORM,
                format!("{}&link=&runs=&interval=&comments=", encoded(&all)),
            ),
        ),
    ]
}

/// What the oldest clients compare, and the body.
pub async fn told(response: Response) -> (u16, String) {
    let kinds: Vec<_> = response.headers().get_all("content-type").iter().collect();
    assert_eq!(kinds, [JSON]);
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Asks in every form and expects one answer.
pub async fn all_answer(
    world: &World,
    key: &str,
    action: &str,
    fields: &Fields<'_>,
    expected: &str,
) {
    for (shows, request) in forms(world, key, action, fields) {
        assert_eq!(
            told(request.send().await.unwrap()).await,
            (200, expected.to_owned()),
            "{action}: {shows}"
        );
    }
}

/// A list of three ids in every shape in which clients send one: behind a key and an action, blanks
/// and repeats in it.
pub fn lists(
    world: &World,
    own: &str,
    name: &str,
    [first, second, third]: [&str; 3],
) -> Vec<RequestBuilder> {
    let post = |tail: String| {
        world
            .bare(Method::POST, "")
            .header("content-type", FORM)
            .body(format!("{own}&{tail}"))
    };

    let json = |list: String| {
        let mut members: Map<_, _> = serde_urlencoded::from_str::<Vec<(String, String)>>(own)
            .unwrap()
            .into_iter()
            .map(|(name, text)| (name, text.into()))
            .collect();

        members.insert(name.to_owned(), serde_json::from_str(&list).unwrap());
        world
            .bare(Method::POST, "")
            .header("content-type", JSON)
            .body(Value::from(members).to_string())
    };

    vec![
        post(format!("{name}={first},{second},{third}")),
        post(format!("{name}={first}%2C+{second},,{third}+,{first},")),
        post(format!(
            "{name}[0]={first}&{name}[1]={second}&{name}[2]={third}"
        )),
        post(format!(
            "{name}%5B%5D={first}&{name}%5B%5D={second}&{name}%5B%5D={third}"
        )),
        post(format!(
            "{name}={first}&{name}={second}&{name}={third},{second}"
        )),
        world.bare(
            Method::GET,
            &format!("{own}&{name}={first},{second},{third}"),
        ),
        world.bare(
            Method::GET,
            &format!("{own}&{name}[]={first}&{name}[]={second}&{name}[]={third}"),
        ),
        world.bare(
            Method::POST,
            &format!("{own}&{name}={first},{second},{third}"),
        ),
        json(format!(r#"["{first}","{second}",null,"{third}"]"#)),
        json(format!(r#"["{first},{second}","{third}"]"#)),
        json(format!(r#""{first},{second},{third}""#)),
    ]
}

/// Asks with a list in every shape, and expects one answer.
pub async fn all_lists_answer(
    world: &World,
    own: &str,
    name: &str,
    ids: [&str; 3],
    expected: &str,
) {
    for (n, request) in lists(world, own, name, ids).into_iter().enumerate() {
        assert_eq!(
            told(request.send().await.unwrap()).await,
            (200, expected.to_owned()),
            "{own} {name} {n}"
        );
    }
}

async fn orders(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&world.pool().await)
        .await
        .unwrap()
}

/// The names of an order in both dialects.
pub async fn names(world: &World, order: i32) -> (String, String) {
    let public: sqlx::types::Uuid =
        sqlx::query_scalar("select public_id from orders where id = $1")
            .bind(order)
            .fetch_one(&world.pool().await)
            .await
            .unwrap();

    (
        order.to_string(),
        format!("ord_{}", panelgate::domain::id::PublicId(public).letters()),
    )
}

#[tokio::test]
async fn services_and_balance() {
    let world = World::open().await;
    for key in [
        world.key.clone(),
        world.key_speaking(Dialect::Notpanel).await,
    ] {
        let services = world.ask_as(&key, &[("action", "services")]).await;
        assert!(
            services.starts_with(r#"[{"service":1,"name":"#),
            "{services}"
        );
        all_answer(&world, &key, "services", &[], &services).await;
        all_answer(
            &world,
            &key,
            "balance",
            &[],
            r#"{"balance":"1000.00","currency":"USD"}"#,
        )
        .await;
    }
}

#[tokio::test]
async fn an_add_is_the_same_order_in_every_form() {
    let world = World::open().await;
    let fields = [
        ("service", "1"),
        ("link", "https://example.org/a?b=c&d=é"),
        ("quantity", "10"),
        ("request_id", "7"),
    ];

    let first = world
        .ask(&[&[("action", "add")], &fields[..]].concat())
        .await;

    assert_eq!(first, r#"{"order":1}"#);
    all_answer(&world, &world.key, "add", &fields, &first).await;
    let [service, link, quantity, _] = fields;

    let by_header = world.request(&[
        ("key", &world.key),
        ("action", "add"),
        service,
        link,
        quantity,
    ]);

    let by_header = by_header
        .header("idempotency-key", "7")
        .send()
        .await
        .unwrap();

    assert_eq!(told(by_header).await, (200, first));
    assert_eq!(orders(&world).await, 1, "every form is the same request");
    world.work().await;
    assert_eq!(world.panel().orders()[0].link, link.1);
    world.audit().await;
}

#[tokio::test]
async fn an_add_of_letters_is_the_same_order_in_every_form() {
    let world = World::open().await;
    let key = world.key_speaking(Dialect::Notpanel).await;

    let fields = [
        ("service", "1"),
        ("link", "a"),
        ("quantity", "10"),
        ("request_id", "first"),
    ];

    let first = world
        .ask_as(&key, &[&[("action", "add")], &fields[..]].concat())
        .await;

    assert_eq!(
        first,
        format!(r#"{{"order":"{}"}}"#, names(&world, 1).await.1)
    );

    all_answer(&world, &key, "add", &fields, &first).await;
    assert_eq!(orders(&world).await, 1);
    world.audit().await;
}

#[tokio::test]
async fn a_list_of_comments_is_the_same_list_in_every_form() {
    let world = World::open().await;
    let usual = [
        ("key", world.key.as_str()),
        ("action", "add"),
        ("service", "3"),
        ("link", "a"),
        ("request_id", "r"),
    ];

    let form = |tail: &str| {
        let body = format!("{}&{tail}", encoded(&usual));
        world
            .bare(Method::POST, "")
            .header("content-type", FORM)
            .body(body)
    };

    let json = |comments: &str| {
        let body = json(&usual, false).replace('}', &format!(r#","comments":{comments}}}"#));
        world
            .bare(Method::POST, "")
            .header("content-type", JSON)
            .body(body)
    };

    let requests = [
        form("comments=one%2C+two%0Athree%0A4"),
        form("comments=one%2C+two%0D%0Athree%0D%0A4%0D%0A"),
        form("comments=one,+two%0A%0A++three+%0A4"),
        form("comments=one,+two&comments=three&comments=4"),
        form("comments[]=one,+two&comments[]=three&comments[]=4"),
        form("comments%5B0%5D=one,+two&comments%5B1%5D=three%0A4"),
        json(r#""one, two\nthree\n4""#),
        json(r#""one, two\r\nthree\r\n4""#),
        json(r#"["one, two","three","4"]"#),
        json(r#"["one, two\nthree",4,null,""]"#),
    ];

    for (n, request) in requests.into_iter().enumerate() {
        assert_eq!(
            told(request.send().await.unwrap()).await,
            (200, r#"{"order":1}"#.to_owned()),
            "{n}"
        );
    }

    assert_eq!(orders(&world).await, 1);
    world.work().await;
    assert_eq!(
        world.panel().orders()[0].comments,
        ["one, two", "three", "4"]
    );

    world.audit().await;
}

#[tokio::test]
async fn one_status_by_either_name_in_every_form() {
    let world = World::open().await;
    let (number, letters) = names(&world, world.buy("1", "10").await).await;
    let notpanel = world.key_speaking(Dialect::Notpanel).await;

    let shown = |word: &str| {
        format!(
            r#"{{"charge":"0.009","start_count":"0","status":"{word}","remains":"10","currency":"USD"}}"#
        )
    };

    for name in [
        &number,
        &letters,
        &letters.to_lowercase(),
        &format!(" {number} "),
    ] {
        all_answer(
            &world,
            &world.key,
            "status",
            &[("order", name)],
            &shown("Pending"),
        )
        .await;
        all_answer(
            &world,
            &notpanel,
            "status",
            &[("order", name)],
            &shown("pending"),
        )
        .await;
    }

    world.work().await;
    world.pass(1, 10).await;

    assert!(
        world
            .ask_as(&notpanel, &[("action", "status"), ("order", &number)])
            .await
            .contains(r#""completed""#)
    );
}

#[tokio::test]
async fn many_statuses_are_keyed_as_asked_in_every_form() {
    let world = World::open().await;
    let (number, letters) = names(&world, world.buy("1", "10").await).await;
    let key = world.key.clone();
    let row = r#"{"charge":"0.009","start_count":"0","status":"Pending","remains":"10","currency":"USD"}"#;
    let unknown = r#"{"error":"Incorrect order ID"}"#;
    let expected =
        format!(r#"{{"{letters}":{row},"9":{unknown},"{number}":{row},"x-9":{unknown}}}"#);

    let list = format!("{letters}, 9,,{number} ,{letters},x-9,");
    all_answer(&world, &key, "status", &[("orders", &list)], &expected).await;
    all_answer(&world, &key, "status", &[("order", &list)], &expected).await;

    all_lists_answer(
        &world,
        &format!("key={key}&action=status"),
        "orders",
        [&letters, "9", &number],
        &expected.replace(&format!(r#","x-9":{unknown}"#), ""),
    )
    .await;
}

#[tokio::test]
async fn somebody_elses_order_has_no_name() {
    let world = World::open().await;
    let (number, letters) = names(&world, world.buy("1", "10").await).await;
    let (_, other, _) = crate::world::buyer(&world.house, "other", "0").await;

    for name in [number, letters] {
        let answer = world
            .ask_as(&other, &[("action", "status"), ("order", &name)])
            .await;
        assert_eq!(answer, r#"{"error":"Incorrect order ID"}"#);
    }
}

#[tokio::test]
async fn what_is_no_such_form_is_told_and_nothing_is_done() {
    let world = World::open().await;
    let key = world.key.as_str();
    let all = [
        ("key", key),
        ("action", "add"),
        ("service", "1"),
        ("link", "a"),
        ("quantity", "10"),
    ];

    let own = encoded(&all[..2]);
    let with = |query: &str, kind: &str, body: String| {
        world
            .bare(Method::POST, query)
            .header("content-type", kind)
            .body(body)
    };

    let requests = [
        ("plain text", with("", "text/plain", encoded(&all))),
        (
            "several parts",
            with("", "multipart/form-data; boundary=x", encoded(&all)),
        ),
        ("a list", with("", JSON, format!("[{}]", json(&all, true)))),
        (
            "half an object",
            with("", JSON, json(&all, true).replace('}', "")),
        ),
        ("two objects", with("", JSON, json(&all, true).repeat(2))),
        ("a form that says JSON", with("", JSON, encoded(&all))),
        (
            "another method",
            world
                .bare(Method::PUT, "")
                .header("content-type", FORM)
                .body(encoded(&all)),
        ),
        (
            "an object in an object",
            with(
                &own,
                JSON,
                r#"{"service":{"id":1},"link":"a","quantity":10}"#.into(),
            ),
        ),
        (
            "a list of services",
            with(
                &own,
                JSON,
                r#"{"service":[1,2],"link":"a","quantity":10}"#.into(),
            ),
        ),
        (
            "a broken quantity",
            with(
                &own,
                JSON,
                r#"{"service":1,"link":"a","quantity":1e1}"#.into(),
            ),
        ),
        (
            "half a letter",
            with(
                &own,
                JSON,
                r#"{"service":1,"link":"\ud800","quantity":10}"#.into(),
            ),
        ),
        (
            "a query and a body at odds",
            with(&format!("{own}&quantity=11"), FORM, encoded(&all)),
        ),
        (
            "two keys",
            with("", FORM, encoded(&all)).bearer_auth("other"),
        ),
        (
            "another scheme",
            with("", FORM, encoded(&all[1..])).basic_auth(key, Some("")),
        ),
        ("no refills", with("", FORM, format!("key={key}&refill=1"))),
        (
            "an order without an action",
            with("", FORM, format!("key={key}&order=1")),
        ),
    ];

    let mut lines = String::new();
    for (shows, request) in requests {
        let (status, body) = told(request.send().await.unwrap()).await;
        writeln!(lines, "{shows}: {status} {body}").unwrap();
    }

    insta::assert_snapshot!(lines, @r#"
    plain text: 415 {"error":"Unsupported media type text/plain: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json"}
    several parts: 200 {"error":"Incorrect request: broken multipart/form-data"}
    a list: 200 {"error":"Incorrect request"}
    half an object: 200 {"error":"Incorrect request"}
    two objects: 200 {"error":"Incorrect request"}
    a form that says JSON: 200 {"error":"Incorrect request"}
    another method: 200 {"error":"Incorrect request"}
    an object in an object: 200 {"error":"Incorrect parameter: service"}
    a list of services: 200 {"error":"Incorrect parameter: service"}
    a broken quantity: 200 {"error":"Incorrect parameter: quantity"}
    half a letter: 200 {"error":"Incorrect parameter: link"}
    a query and a body at odds: 200 {"error":"Incorrect parameter: quantity"}
    two keys: 200 {"error":"Invalid API key"}
    another scheme: 200 {"error":"Invalid API key"}
    no refills: 200 {"error":"Refill not found"}
    an order without an action: 200 {"error":"Incorrect request"}
    "#);

    let head = world
        .bare(Method::HEAD, &encoded(&all))
        .send()
        .await
        .unwrap();

    assert_eq!(head.headers()["content-type"], JSON);
    assert_eq!(orders(&world).await, 0);
    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );
}

#[tokio::test]
async fn lists_may_be_long_in_every_form() {
    let world = World::open().await;
    let usual = [
        ("key", world.key.as_str()),
        ("action", "add"),
        ("service", "3"),
        ("link", "a"),
    ];

    let line = "x".repeat(100);
    let lines = |count: usize| vec![line.as_str(); count].join("\n");
    let long = lines(1_000);
    let fields = [&usual[..], &[("comments", long.as_str())]].concat();

    for (kind, body) in [(FORM, encoded(&fields)), (JSON, json(&fields, false))] {
        assert!(body.len() > 64 * 1024);
        let request = world
            .bare(Method::POST, "")
            .header("content-type", kind)
            .body(body);

        let (status, body) = told(request.send().await.unwrap()).await;
        assert!(
            status == 200 && body.starts_with(r#"{"order":"#),
            "{kind}: {body}"
        );
    }

    for (name, text) in [("comments", lines(2_700)), ("link", lines(1_000))] {
        let others = usual.into_iter().filter(|(other, _)| *other != name);
        let fields: Vec<_> = others.chain([(name, text.as_str())]).collect();
        for (kind, body) in [(FORM, encoded(&fields)), (JSON, json(&fields, false))] {
            let request = world
                .bare(Method::POST, "")
                .header("content-type", kind)
                .body(body);

            let refused = (413, r#"{"error":"Request too large"}"#.to_owned());
            assert_eq!(
                told(request.send().await.unwrap()).await,
                refused,
                "{name} {kind}"
            );
        }
    }
}
