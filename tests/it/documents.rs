//! What the customers' documents show, asked through the door: each example with a fixture of our
//! own.

use panelgate::domain::clock::Clock;
use panelgate::domain::customer::Dialect;
use panelgate::domain::id::OrderId;
use panelgate::domain::money::Money;
use panelgate::orders::decide::{self, Decided};

use crate::world::{Plan, World, buyer};

const LINK: (&str, &str) = ("link", "https://example.org/me");

/// Two services as a price list would begin: followers, and comments of one's own.
const TWO: &str = r#"
[[service]]
id = 1
name = "Readers"
category = "Papers"
min = 50
max = 10000
refill = true
cancel = true
rate = "0.9"
routes = [{ provider = "a", service = "1" }]
[[service]]
id = 2
name = "Letters"
category = "Editors"
min = 10
max = 1500
refill = false
cancel = true
rate = "8"
routes = [{ provider = "a", service = "3" }]
[[service]]
id = 6
rate = "1.6859"
routes = [{ provider = "a", service = "6" }]
[[service]]
id = 10
routes = [{ provider = "a", service = "10" }]
"#;

async fn world(default_dialect: Dialect) -> World {
    World::build(Plan {
        services: TWO.to_owned(),
        default_dialect,
        ..Plan::default()
    })
    .await
}

/// An answer as documents write it: the status, and the body laid out.
async fn shown(world: &World, key: &str, fields: &[(&str, &str)]) -> String {
    let (status, body) = world.post(&[&[("key", key)], fields].concat()).await;
    laid_out(status, &body)
}

/// Breaks compact JSON into lines without reading it: order, types and bytes stay as they came.
fn laid_out(status: u16, body: &str) -> String {
    format!(
        "{status} {}",
        body.replace("},", "},\n").replace(":{\"", ":\n  {\"")
    )
}

#[tokio::test]
async fn seed_003_service_list() {
    let world = world(Dialect::Classic).await;
    insta::assert_snapshot!(shown(&world, &world.key, &[("action", "services")]).await, @r#"
    200 [{"service":1,"name":"Readers","type":"Default","category":"Papers","rate":"0.90","min":"50","max":"10000","refill":true,"cancel":true,"dripfeed":false},
    {"service":2,"name":"Letters","type":"Custom Comments","category":"Editors","rate":"8.00","min":"10","max":"1500","refill":false,"cancel":true,"dripfeed":false},
    {"service":6,"name":"Followers, ends partial","type":"Default","category":"Followers","rate":"1.6859","min":"10","max":"100000","refill":true,"cancel":true,"dripfeed":false},
    {"service":10,"name":"Views, slow","type":"Default","category":"Views","rate":"0.012","min":"100","max":"1000000","refill":false,"cancel":true,"dripfeed":false}]
    "#);
}

#[tokio::test]
async fn seed_003_add_order() {
    let world = world(Dialect::Classic).await;
    let add = [
        ("action", "add"),
        ("service", "1"),
        LINK,
        ("quantity", "100"),
    ];

    insta::assert_snapshot!(shown(&world, &world.key, &add).await, @r#"200 {"order":1}"#);
}

#[tokio::test]
async fn seed_003_order_status_and_multiple_orders_status() {
    let world = world(Dialect::Classic).await;
    let partial = world.buy("6", "471").await.to_string();
    world.work().await;
    world.pass(1, 10).await;
    let running = world.buy("10", "1000").await.to_string();
    world.work().await;

    world.pass(4, 10).await;
    insta::assert_snapshot!(shown(&world, &world.key, &[("action", "status"), ("order", &partial)]).await, @r#"200 {"charge":"0.5293726","start_count":"4313","status":"Partial","remains":"157","currency":"USD"}"#);
    let list = format!("{running},10,{partial}");
    insta::assert_snapshot!(shown(&world, &world.key, &[("action", "status"), ("orders", &list)]).await, @r#"
    200 {"2":
      {"charge":"0.012","start_count":"4870","status":"In progress","remains":"667","currency":"USD"},
    "10":
      {"error":"Incorrect order ID"},
    "1":
      {"charge":"0.5293726","start_count":"4313","status":"Partial","remains":"157","currency":"USD"}}
    "#);
}

#[tokio::test]
async fn seed_003_user_balance() {
    let world = World::build(Plan {
        money: "100.84292",
        ..Plan::default()
    })
    .await;

    insta::assert_snapshot!(shown(&world, &world.key, &[("action", "balance")]).await, @r#"200 {"balance":"100.84292","currency":"USD"}"#);
}

#[tokio::test]
async fn seed_004_errors() {
    let world = World::build(Plan {
        money: "0.01",
        ..Plan::default()
    })
    .await;

    let key = world.key.as_str();
    let add = |changed: &[(&'static str, &'static str)]| {
        let usual = [
            ("action", "add"),
            ("service", "1"),
            LINK,
            ("quantity", "10"),
        ];

        let kept = usual
            .into_iter()
            .filter(|(name, _)| changed.iter().all(|(other, _)| other != name));

        kept.chain(changed.iter().copied()).collect::<Vec<_>>()
    };

    let told = [
        shown(&world, "nobody's", &[("action", "balance")]).await,
        shown(&world, key, &[("action", "dance")]).await,
        shown(&world, key, &add(&[("service", "404")])).await,
        shown(&world, key, &add(&[("link", "")])).await,
        shown(&world, key, &add(&[("quantity", "9")])).await,
        shown(&world, key, &add(&[("quantity", "100001")])).await,
        shown(&world, key, &add(&[("quantity", "100000")])).await,
        shown(&world, key, &[("action", "status"), ("order", "404")]).await,
        shown(&world, key, &add(&[("service", "5")])).await,
    ];

    insta::assert_snapshot!(told.join("\n"), @r#"
    200 {"error":"Invalid API key"}
    200 {"error":"Incorrect request"}
    200 {"error":"Incorrect service ID"}
    200 {"error":"Bad link"}
    200 {"error":"Quantity less than minimum"}
    200 {"error":"Quantity more than maximum"}
    200 {"error":"Not enough funds on balance"}
    200 {"error":"Incorrect order ID"}
    200 {"error":"Answer number is required"}
    "#);
}

#[tokio::test]
async fn seed_001_example_errors() {
    let world = world(Dialect::Notpanel).await;
    let key = world.key_speaking(Dialect::Notpanel).await;
    let (poor, ..) = buyer(&world.house, "poor", "0.01").await;
    let poor = world.key_of(poor, Dialect::Notpanel).await;

    let add = |service, id| {
        [
            ("action", "add"),
            ("service", service),
            LINK,
            ("quantity", "100"),
            ("request_id", id),
        ]
    };

    let told = [
        shown(&world, &key, &[("action", "add")]).await,
        shown(&world, &key, &add("", "1")).await,
        shown(&world, "nobody's", &[("action", "balance")]).await,
        laid(world.post(&[("action", "balance")]).await),
        shown(&world, &poor, &add("1", "2")).await,
        shown(&world, &key, &add("404", "3")).await,
    ];

    insta::assert_snapshot!(told.join("\n"), @r#"
    400 {"error":"Missing required parameter: service"}
    400 {"error":"Missing required parameter: service"}
    400 {"error":"Invalid API key"}
    400 {"error":"Invalid API key"}
    400 {"error":"Insufficient balance"}
    400 {"error":"Service not found"}
    "#);
}

fn laid((status, body): (u16, String)) -> String {
    laid_out(status, &body)
}

#[tokio::test]
async fn seed_001_a_suspended_account() {
    let world = world(Dialect::Notpanel).await;
    let key = world.key_speaking(Dialect::Notpanel).await;
    let suspend = sqlx::query("update customer set suspended_at = now() where id = $1")
        .bind(world.customer.0);

    assert_eq!(
        suspend
            .execute(&world.pool().await)
            .await
            .unwrap()
            .rows_affected(),
        1
    );

    insta::assert_snapshot!(shown(&world, &key, &[("action", "services")]).await, @r#"403 {"error":"Account suspended"}"#);
}

#[tokio::test]
async fn seed_001_the_same_request_id_is_the_original_order() {
    let world = world(Dialect::Notpanel).await;
    let key = world.key_speaking(Dialect::Notpanel).await;

    let add = [
        ("action", "add"),
        ("service", "1"),
        LINK,
        ("quantity", "100"),
        ("request_id", "4f1e"),
    ];

    let first = world.ask_as(&key, &add).await;
    let id = first
        .strip_prefix(r#"{"order":"ord_"#)
        .and_then(|rest| rest.strip_suffix(r#""}"#))
        .unwrap();

    assert_eq!(id.len(), 26);
    assert!(
        id.bytes()
            .all(|letter| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&letter)),
        "{id}"
    );

    assert_eq!(world.ask_as(&key, &add).await, first);
    let [action, service, link, quantity, _] = add;
    let padded = [action, service, link, quantity, ("request_id", " 4f1e ")];
    assert_eq!(
        world.ask_as(&key, &padded).await,
        first,
        "as kept in a column of fixed width"
    );

    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.91","currency":"USD"}"#,
        "bought once"
    );

    insta::assert_snapshot!(shown(&world, &key, &[action, service, link, quantity]).await, @r#"400 {"error":"Missing required parameter: request_id"}"#);
}

#[tokio::test]
async fn seed_002_the_states_of_orders() {
    let world = World::build(Plan {
        default_dialect: Dialect::Notpanel,
        ..Plan::default()
    })
    .await;

    let key = world.key_speaking(Dialect::Notpanel).await;
    let orders = [
        world.buy("1", "10").await,
        world.buy("6", "10").await,
        world.buy("7", "10").await,
    ];

    let slow = world.buy("10", "1000").await;
    let refunded = world.buy("1", "10").await;

    let list = orders
        .into_iter()
        .chain([slow, refunded])
        .map(|order| order.to_string())
        .collect::<Vec<_>>()
        .join(",");

    let status = [("action", "status"), ("orders", list.as_str())];
    let words = async || {
        let answer: serde_json::Value =
            serde_json::from_str(&world.ask_as(&key, &status).await).unwrap();
        let words = list
            .split(',')
            .map(|id| answer[id]["status"].as_str().unwrap().to_owned());
        words.collect::<Vec<_>>().join(" ")
    };

    let mut told = vec![words().await];
    world.work().await;
    told.push(words().await);
    world.pass(4, 10).await;
    let all = Money::parse("0.009").unwrap();
    let mut tx = world.house.store.begin().await.unwrap();
    let given = decide::give_back(
        &mut tx,
        OrderId(refunded),
        all,
        "a complaint",
        world.clock.now(),
    )
    .await
    .unwrap();

    assert_eq!(given, Decided::Done(all));
    tx.commit().await.unwrap();
    told.push(words().await);
    world.audit().await;

    insta::assert_snapshot!(told.join("\n"), @r#"
    pending pending pending pending pending
    processing processing processing processing processing
    completed partial cancelled in_progress refunded
    "#);

    let classic = world
        .ask(&[("action", "status"), ("order", &refunded.to_string())])
        .await;

    assert!(
        classic.contains(r#""charge":"0.00","start_count":"#) && classic.contains(r#""Canceled""#),
        "{classic}"
    );
}

#[tokio::test]
async fn seeds_000_to_002_services_status_and_balance_of_letters() {
    let world = world(Dialect::Notpanel).await;
    let key = world.key_speaking(Dialect::Notpanel).await;
    insta::assert_snapshot!(shown(&world, &key, &[("action", "services")]).await.lines().next().unwrap(), @r#"200 [{"service":1,"name":"Readers","type":"Default","category":"Papers","rate":"0.90","min":"50","max":"10000","refill":true,"cancel":true,"dripfeed":false},"#);
    insta::assert_snapshot!(shown(&world, &key, &[("action", "balance")]).await, @r#"200 {"balance":"1000.00","currency":"USD"}"#);
    let order = world.buy("10", "1000").await.to_string();
    world.work().await;

    world.pass(4, 10).await;
    insta::assert_snapshot!(shown(&world, &key, &[("action", "status"), ("order", &order)]).await, @r#"200 {"charge":"0.012","start_count":"4313","status":"in_progress","remains":"667","currency":"USD"}"#);
}
