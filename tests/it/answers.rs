//! What customers of the classic dialect are answered when all is well, byte for byte.

use crate::world::{Plan, World};

/// Three services, of which two are as the panel has them and one is as the operator wrote it.
const THREE: &str = r#"
[[service]]
id = 7
routes = [{ provider = "a", service = "2" }]
[[service]]
id = 3
routes = [{ provider = "a", service = "10" }]
[[service]]
id = 2000
name = "Votes \"for\" all ✓"
category = "Mine"
min = 20
max = 500
refill = true
cancel = false
rate = "2"
routes = [{ provider = "a", service = "5" }]
"#;

#[tokio::test]
async fn services_are_listed_by_id() {
    let world = World::build(Plan {
        services: THREE.to_owned(),
        ..Plan::default()
    })
    .await;

    insta::assert_snapshot!(world.ask(&[("action", "services")]).await.replace("},", "},\n"), @r#"
    [{"service":3,"name":"Views, slow","type":"Default","category":"Views","rate":"0.012","min":"100","max":"1000000","refill":false,"cancel":true,"dripfeed":false},
    {"service":7,"name":"Followers in a package, completes","type":"Package","category":"Packages","rate":"1.50","min":"1","max":"1","refill":true,"cancel":false,"dripfeed":false},
    {"service":2000,"name":"Votes \"for\" all ✓","type":"Poll","category":"Mine","rate":"2.00","min":"20","max":"500","refill":true,"cancel":false,"dripfeed":false}]
    "#);
}

#[tokio::test]
async fn without_services_the_list_is_empty() {
    let world = World::build(Plan {
        services: String::new(),
        ..Plan::default()
    })
    .await;

    assert_eq!(world.ask(&[("action", "services")]).await, "[]");
}

#[tokio::test]
async fn an_add_answers_with_the_order_and_the_headers_that_old_clients_compare() {
    let world = World::open().await;
    let fields = [
        ("key", world.key.as_str()),
        ("action", "add"),
        ("service", "1"),
        ("link", "a"),
        ("quantity", "10"),
    ];

    let response = world.request(&fields).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.text().await.unwrap(), r#"{"order":1}"#);
    assert_eq!(world.buy("1", "10").await, 2);
}

#[tokio::test]
async fn a_balance_has_two_digits_at_least_and_all_that_it_needs() {
    let world = World::open().await;
    assert_eq!(
        world.balance().await,
        r#"{"balance":"1000.00","currency":"USD"}"#
    );

    world.buy("10", "101").await;
    assert_eq!(
        world.balance().await,
        r#"{"balance":"999.998788","currency":"USD"}"#
    );
}

#[tokio::test]
async fn an_order_is_shown_from_its_first_moment_to_its_end() {
    let world = World::open().await;
    let (order, package) = (world.buy("1", "1000").await, world.buy("2", "1").await);
    let (partial, canceled) = (world.buy("6", "1000").await, world.buy("7", "1000").await);

    let shown = async || {
        let mut shown = String::new();
        for order in [order, package, partial, canceled] {
            shown += &world.status(order).await;
            shown.push('\n');
        }

        shown
    };

    insta::assert_snapshot!(shown().await, @r#"
    {"charge":"0.90","start_count":"0","status":"Pending","remains":"1000","currency":"USD"}
    {"charge":"1.50","start_count":"0","status":"Pending","remains":"1","currency":"USD"}
    {"charge":"0.72","start_count":"0","status":"Pending","remains":"1000","currency":"USD"}
    {"charge":"0.65","start_count":"0","status":"Pending","remains":"1000","currency":"USD"}
    "#);

    world.work().await;
    insta::assert_snapshot!(shown().await, @r#"
    {"charge":"0.90","start_count":"0","status":"Processing","remains":"1000","currency":"USD"}
    {"charge":"1.50","start_count":"0","status":"Processing","remains":"1","currency":"USD"}
    {"charge":"0.72","start_count":"0","status":"Processing","remains":"1000","currency":"USD"}
    {"charge":"0.65","start_count":"0","status":"Processing","remains":"1000","currency":"USD"}
    "#);

    world.pass(6, 10).await;
    insta::assert_snapshot!(shown().await, @r#"
    {"charge":"0.90","start_count":"4313","status":"Completed","remains":"0","currency":"USD"}
    {"charge":"1.50","start_count":"4870","status":"Completed","remains":"0","currency":"USD"}
    {"charge":"0.47952","start_count":"16","status":"Partial","remains":"334","currency":"USD"}
    {"charge":"0.00","start_count":"7361","status":"Canceled","remains":"1000","currency":"USD"}
    "#);

    world.audit().await;
}

#[tokio::test]
async fn many_orders_are_shown_by_their_ids_as_asked_in_the_order_asked() {
    let world = World::open().await;
    for quantity in ["10", "20"] {
        world.buy("1", quantity).await;
    }

    let many = async |ids: &str| world.ask(&[("action", "status"), ("orders", ids)]).await;
    insta::assert_snapshot!(many(" 2 ,99,ord_1,1,2,01,-1").await.replace("},", "},\n"), @r#"
    {"2":{"charge":"0.018","start_count":"0","status":"Pending","remains":"20","currency":"USD"},
    "99":{"error":"Incorrect order ID"},
    "ord_1":{"error":"Incorrect order ID"},
    "1":{"charge":"0.009","start_count":"0","status":"Pending","remains":"10","currency":"USD"},
    "01":{"charge":"0.009","start_count":"0","status":"Pending","remains":"10","currency":"USD"},
    "-1":{"error":"Incorrect order ID"}}
    "#);

    assert_eq!(
        many("1").await,
        r#"{"1":{"charge":"0.009","start_count":"0","status":"Pending","remains":"10","currency":"USD"}}"#
    );

    let listed = world.ask(&[("action", "status"), ("order", "2,1")]).await;
    assert_eq!(
        listed,
        many("2,1").await,
        "a list in the singular is a list"
    );
}
