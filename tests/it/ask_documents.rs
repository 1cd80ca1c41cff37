//! What the customers' documents show of refills and cancels, asked through the door with fixtures
//! of our own.

use panelgate::domain::customer::Dialect;

use crate::forms::names;
use crate::scripted::Scripted;
use crate::world::{Plan, World};

const COMPLETED: &str = r#"{"charge":"0.09","start_count":"5","status":"Completed","remains":"0"}"#;

async fn letters() -> (World, String) {
    let world = World::build(Plan {
        default_dialect: Dialect::Notpanel,
        ..Plan::default()
    })
    .await;

    let key = world.key_speaking(Dialect::Notpanel).await;
    (world, key)
}

/// Buys and names in letters.
async fn bought(world: &World, service: &str, quantity: &str) -> String {
    names(world, world.buy(service, quantity).await).await.1
}

/// Posts a form as the documents' examples do: the status and the body, names shortened to those
/// that are given.
async fn shown(
    world: &World,
    key: &str,
    fields: &[(&str, &str)],
    short: &[(&str, &str)],
) -> String {
    let (status, body) = world.post(&[&[("key", key)], fields].concat()).await;
    short
        .iter()
        .fold(format!("{status} {body}"), |told, (name, short)| {
            told.replace(name, short)
        })
}

/// The same for a refill's answer, whose own name is new each time.
fn without_refills(told: &str) -> String {
    let mut parts = told.split("ref_");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |told, part| {
        format!(
            "{told}ref_{}",
            part.trim_start_matches(|c: char| c.is_ascii_alphanumeric())
        )
    })
}

#[tokio::test]
async fn seed_000_request_refill_and_its_errors() {
    let (world, key) = letters().await;
    let order = bought(&world, "1", "10").await;
    let open = bought(&world, "10", "100").await;

    let comments = world
        .ask(&[
            ("action", "add"),
            ("service", "3"),
            ("link", "https://example.org/1"),
            ("comments", "one"),
        ])
        .await;

    assert_eq!(comments, r#"{"order":3}"#);
    world.work().await;
    world.pass(1, 10).await;

    let refill = |order: &str| {
        let order = order.to_owned();
        let (world, key) = (&world, key.as_str());

        async move {
            without_refills(
                &shown(world, key, &[("action", "refill"), ("order", &order)], &[]).await,
            )
        }
    };

    let mut told = vec![
        refill(&order).await,
        refill("ord_01J8000000E008000000000001").await,
    ];

    told.extend([refill(&open).await, refill("3").await, refill(&order).await]);
    world.work().await;
    world.pass(2, 10).await;

    for _ in 0..2 {
        assert_eq!(refill(&order).await, told[0]);
        world.work().await;
        world.pass(2, 10).await;
    }

    told.push(refill(&order).await);
    insta::assert_snapshot!(told.join("\n"), @r#"
    200 {"refill":"ref_"}
    400 {"error":"Order not found"}
    400 {"error":"Refill only available for completed or partial orders"}
    400 {"error":"Service does not support refills"}
    400 {"error":"A refill request is already pending for this order"}
    400 {"error":"Refill limit reached (3 per order)"}
    "#);

    world.audit().await;
}

#[tokio::test]
async fn seed_000_multi_refill_and_refill_status() {
    let (world, key) = letters().await;
    let (delivered, open) = (
        bought(&world, "1", "10").await,
        bought(&world, "10", "100").await,
    );

    world.work().await;
    world.pass(1, 10).await;
    let list = format!("{delivered},{open}");
    let short = [(delivered.as_str(), "ord_7K"), (open.as_str(), "ord_8M")];

    let many = shown(
        &world,
        &key,
        &[("action", "refill"), ("orders", &list)],
        &short,
    )
    .await;

    let name = many
        .split("ref_")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();

    let refill = format!("ref_{name}");
    let status = [("action", "refill_status"), ("refill", refill.as_str())];
    let mut told = vec![
        many.replace(&refill, "ref_AZ"),
        shown(&world, &key, &status, &[]).await,
    ];

    world.work().await;
    told.push(shown(&world, &key, &status, &[]).await);
    world.pass(2, 10).await;
    told.push(shown(&world, &key, &status, &[]).await);
    let refills = [("action", "refill_status"), ("refills", refill.as_str())];
    told.push(shown(&world, &key, &refills, &[(&refill, "ref_AZ")]).await);

    insta::assert_snapshot!(told.join("\n"), @r#"
    200 [{"order":"ord_7K","refill":"ref_AZ"},{"order":"ord_8M","error":"Refill only available for completed or partial orders"}]
    200 {"status":"pending"}
    200 {"status":"in_progress"}
    200 {"status":"completed"}
    200 [{"refill":"ref_AZ","status":"completed"}]
    "#);
}

#[tokio::test]
async fn seed_002_cancel_its_errors_and_multi_cancel() {
    let services = "[[service]]\nid = 1\nroutes = [{ provider = \"a\", service = \"1\" \
                    }]\n[[service]]\nid = 2\ncancel = false\nroutes = [{ provider = \"a\", \
                    service = \"10\" }]";

    let plan = Plan {
        services: services.to_owned(),
        default_dialect: Dialect::Notpanel,
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let key = world.key_speaking(Dialect::Notpanel).await;
    let (completed, fixed) = (
        bought(&world, "1", "10").await,
        bought(&world, "2", "100").await,
    );

    world.work().await;
    world.pass(1, 10).await;
    let (pending, other) = (
        bought(&world, "1", "10").await,
        bought(&world, "2", "100").await,
    );

    let short = [
        (pending.as_str(), "ord_4N"),
        (other.as_str(), "ord_7K"),
        (completed.as_str(), "ord_8M"),
    ];

    let mut told = Vec::new();
    for order in [
        &pending,
        "ord_01J8000000E008000000000001",
        &completed,
        &fixed,
        &pending,
    ] {
        told.push(
            shown(
                &world,
                &key,
                &[("action", "cancel"), ("order", order)],
                &short,
            )
            .await,
        );
    }

    told.push(
        shown(
            &world,
            &key,
            &[("action", "status"), ("order", &pending)],
            &[],
        )
        .await,
    );

    let list = format!("{other},{completed}");
    told.push(
        shown(
            &world,
            &key,
            &[("action", "cancel"), ("orders", &list)],
            &short,
        )
        .await,
    );

    insta::assert_snapshot!(told.join("\n"), @r#"
    200 {"cancel":"ord_4N"}
    400 {"error":"Order not found"}
    400 {"error":"Order cannot be cancelled (already completed)"}
    400 {"error":"Service does not support cancellation"}
    200 {"cancel":"ord_4N"}
    200 {"charge":"0.00","start_count":"0","status":"cancelled","remains":"10","currency":"USD"}
    200 [{"order":"ord_7K","cancel":"ord_7K"},{"order":"ord_8M","error":"Order already completed"}]
    "#);

    world.audit().await;
}

#[tokio::test]
async fn seed_003_refills_one_and_many_and_where_they_stand() {
    let panel = Scripted::saying(COMPLETED).await;
    panel.change(|script| {
        script.refill = r#"{"refill":7}"#.to_owned();
        script.refill_status = r#"[{"refill":7,"status":"Completed"}]"#.to_owned();
    });

    let world = panel.world().await;
    for _ in 0..2 {
        world.buy("1", "100").await;
    }

    world.work().await;
    world.pass(1, 10).await;
    let key = world.key.clone();
    let ask = async |fields: &[(&str, &str)]| shown(&world, &key, fields, &[]).await;
    let mut told = vec![ask(&[("action", "refill"), ("order", "1")]).await];
    world.work().await;

    world.pass(1, 10).await;
    told.push(ask(&[("action", "refill_status"), ("refill", "1")]).await);
    panel.change(|script| script.refill = r#"{"error":"Incorrect order ID"}"#.to_owned());
    assert_eq!(
        ask(&[("action", "refill"), ("order", "2")]).await,
        r#"200 {"refill":"2"}"#
    );

    world.work().await;
    told.push(ask(&[("action", "refill_status"), ("refills", "1,2,3")]).await);
    told.push(ask(&[("action", "refill"), ("orders", "1,2,3")]).await);

    insta::assert_snapshot!(told.join("\n"), @r#"
    200 {"refill":"1"}
    200 {"status":"Completed"}
    200 [{"refill":1,"status":"Completed"},{"refill":2,"status":"Rejected"},{"refill":3,"status":{"error":"Refill not found"}}]
    200 [{"order":1,"refill":3},{"order":2,"refill":4},{"order":3,"refill":{"error":"Incorrect order ID"}}]
    "#);

    world.audit().await;
}

#[tokio::test]
async fn seed_003_create_cancel() {
    let world = World::open().await;
    for _ in 0..2 {
        world.buy("1", "100").await;
    }

    let cancel = [("action", "cancel"), ("orders", "9,2")];
    insta::assert_snapshot!(shown(&world, &world.key, &cancel, &[]).await, @r#"200 [{"order":9,"cancel":{"error":"Incorrect order ID"}},{"order":2,"cancel":1}]"#);
    world.audit().await;
}
