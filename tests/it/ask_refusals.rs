//! Every refusal of cancels, refills and questions about them, side by side in both dialects:
//! status and exact body.

use panelgate::domain::clock::Clock;
use panelgate::domain::customer::Dialect;
use panelgate::domain::id::OrderId;
use panelgate::domain::money::Money;
use panelgate::orders::decide;

use crate::books::run;
use crate::table::{Case, case, keys, told};
use crate::world::{Plan, World, all_of};

const ALL: [&str; 3] = ["cancel", "refill", "refill_status"];

/// Asks by one order for each row of a list that names it in a batch too.
fn one_and_many(action: &'static str, shows: &'static str, order: i32) -> [Case; 2] {
    let order = order.to_string();
    [
        case(shows, &[("action", action), ("order", &order)]),
        case("  in a row", &[("action", action), ("orders", &order)]),
    ]
}

/// Orders that are over: completed, partial, canceled by the panel, and a completed and a partial
/// that a person gave back.
async fn over(world: &World) -> [i32; 5] {
    let completed = world.buy("1", "10").await;
    let (partial, canceled) = (world.buy("6", "10").await, world.buy("7", "10").await);
    let (refunded, refunded_partial) = (world.buy("1", "10").await, world.buy("6", "10").await);
    world.work().await;
    world.pass(1, 10).await;

    for (order, left) in [(refunded, "0.009"), (refunded_partial, "0.00432")] {
        let mut tx = world.house.store.begin().await.unwrap();
        let (left, now) = (Money::parse(left).unwrap(), world.clock.now());
        let decided = decide::give_back(&mut tx, OrderId(order), left, "a complaint", now)
            .await
            .unwrap();

        assert!(matches!(decided, decide::Decided::Done(_)), "{decided:?}");
        tx.commit().await.unwrap();
    }

    [completed, partial, canceled, refunded, refunded_partial]
}

#[tokio::test]
async fn cancels_of_what_is_over() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;
    let [completed, partial, canceled, refunded, refunded_partial] = over(&world).await;

    let cases = [
        one_and_many("cancel", "completed", completed),
        one_and_many("cancel", "partial", partial),
        one_and_many("cancel", "canceled by the panel", canceled),
        one_and_many("cancel", "refunded by hand", refunded),
        one_and_many(
            "cancel",
            "the rest of a partial refunded by hand",
            refunded_partial,
        ),
    ];

    insta::assert_snapshot!(told(&world, &ours, cases.as_flattened()).await, @r#"
    completed
      200 {"error":"Order cannot be cancelled (already completed)"}
      400 {"error":"Order cannot be cancelled (already completed)"}
      in a row
      200 [{"order":1,"cancel":{"error":"Order cannot be cancelled (already completed)"}}]
      200 [{"order":1,"error":"Order already completed"}]
    partial
      200 {"error":"Order cannot be cancelled (already partial)"}
      400 {"error":"Order cannot be cancelled (already partial)"}
      in a row
      200 [{"order":2,"cancel":{"error":"Order cannot be cancelled (already partial)"}}]
      200 [{"order":2,"error":"Order already partial"}]
    canceled by the panel
      200 {"error":"Order cannot be cancelled (already cancelled)"}
      400 {"error":"Order cannot be cancelled (already cancelled)"}
      in a row
      200 [{"order":3,"cancel":{"error":"Order cannot be cancelled (already cancelled)"}}]
      200 [{"order":3,"error":"Order already cancelled"}]
    refunded by hand
      200 {"error":"Order cannot be cancelled (already refunded)"}
      400 {"error":"Order cannot be cancelled (already refunded)"}
      in a row
      200 [{"order":4,"cancel":{"error":"Order cannot be cancelled (already refunded)"}}]
      200 [{"order":4,"error":"Order already refunded"}]
    the rest of a partial refunded by hand
      200 {"error":"Order cannot be cancelled (already refunded)"}
      400 {"error":"Order cannot be cancelled (already refunded)"}
      in a row
      200 [{"order":5,"cancel":{"error":"Order cannot be cancelled (already refunded)"}}]
      200 [{"order":5,"error":"Order already refunded"}]
    "#);

    world.audit().await;
}

#[tokio::test]
async fn refills_of_what_gave_nothing() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;
    let [.., canceled, refunded, refunded_partial] = over(&world).await;

    let cases = [
        one_and_many("refill", "canceled by the panel", canceled),
        one_and_many("refill", "refunded by hand", refunded),
        one_and_many(
            "refill",
            "the rest of a partial refunded by hand",
            refunded_partial,
        ),
    ];

    insta::assert_snapshot!(told(&world, &ours, cases.as_flattened()).await, @r#"
    canceled by the panel
      200 {"error":"The order is not completed"}
      400 {"error":"Refill only available for completed or partial orders"}
      in a row
      200 [{"order":3,"refill":{"error":"The order is not completed"}}]
      200 [{"order":3,"error":"Refill only available for completed or partial orders"}]
    refunded by hand
      200 {"error":"The order is not completed"}
      400 {"error":"Refill only available for completed or partial orders"}
      in a row
      200 [{"order":4,"refill":{"error":"The order is not completed"}}]
      200 [{"order":4,"error":"Refill only available for completed or partial orders"}]
    the rest of a partial refunded by hand
      200 {"error":"The order is not completed"}
      400 {"error":"Refill only available for completed or partial orders"}
      in a row
      200 [{"order":5,"refill":{"error":"The order is not completed"}}]
      200 [{"order":5,"error":"Refill only available for completed or partial orders"}]
    "#);

    world.audit().await;
}

#[tokio::test]
async fn what_is_not_offered_not_yet_and_not_any_more() {
    let none = "[[service]]\nid = 1\nrefill = false\ncancel = false\nroutes = [{ provider = \
                \"a\", service = \"1\" }]\n";
    let services = none.to_owned()
        + &all_of("a")
            ["[[service]]\nid = 1\nroutes = [{ provider = \"a\", service = \"1\" }]".len()..];

    let world = World::build(Plan {
        services,
        ..Plan::default()
    })
    .await;

    let ours = keys(&world, world.customer).await;
    let (delivered, open) = (world.buy("1", "10").await, world.buy("10", "100").await);
    let (refilled, doubted) = (world.buy("2", "1").await, world.buy("8", "10").await);
    world.work().await;
    let unsent = world.buy("1", "10").await;

    let cases = [
        one_and_many("cancel", "no cancel for this service", delivered),
        one_and_many("refill", "not sent yet", unsent),
        one_and_many("refill", "in progress", open),
        one_and_many("refill", "in doubt", doubted),
    ];

    insta::assert_snapshot!(told(&world, &ours, cases.as_flattened()).await, @r#"
    no cancel for this service
      200 {"error":"Cancel is not available"}
      400 {"error":"Service does not support cancellation"}
      in a row
      200 [{"order":1,"cancel":{"error":"Cancel is not available"}}]
      200 [{"order":1,"error":"Service does not support cancellation"}]
    not sent yet
      200 {"error":"The order is not completed"}
      400 {"error":"Refill only available for completed or partial orders"}
      in a row
      200 [{"order":5,"refill":{"error":"The order is not completed"}}]
      200 [{"order":5,"error":"Refill only available for completed or partial orders"}]
    in progress
      200 {"error":"The order is not completed"}
      400 {"error":"Refill only available for completed or partial orders"}
      in a row
      200 [{"order":2,"refill":{"error":"The order is not completed"}}]
      200 [{"order":2,"error":"Refill only available for completed or partial orders"}]
    in doubt
      200 {"error":"The order is not completed"}
      400 {"error":"Refill only available for completed or partial orders"}
      in a row
      200 [{"order":4,"refill":{"error":"The order is not completed"}}]
      200 [{"order":4,"error":"Refill only available for completed or partial orders"}]
    "#);

    world.pass(1, 10).await;
    insta::assert_snapshot!(told(&world, &ours, &one_and_many("refill", "no refill for this service", delivered)).await, @r#"
    no refill for this service
      200 {"error":"Refill is disabled for this service"}
      400 {"error":"Service does not support refills"}
      in a row
      200 [{"order":1,"refill":{"error":"Refill is disabled for this service"}}]
      200 [{"order":1,"error":"Service does not support refills"}]
    "#);

    assert_eq!(
        world
            .ask(&[("action", "refill"), ("order", &refilled.to_string())])
            .await,
        r#"{"refill":"1"}"#
    );

    insta::assert_snapshot!(told(&world, &ours, &one_and_many("refill", "one under way", refilled)).await, @r#"
    one under way
      200 {"error":"The refill task is not completed for this order"}
      400 {"error":"A refill request is already pending for this order"}
      in a row
      200 [{"order":3,"refill":{"error":"The refill task is not completed for this order"}}]
      200 [{"order":3,"error":"A refill request is already pending for this order"}]
    "#);

    for n in 1..=3 {
        world
            .ask(&[("action", "refill"), ("order", &refilled.to_string())])
            .await;

        world.work().await;
        world.pass(2, 10).await;
        assert_eq!(
            crate::books::read(&world.database, "select count(*)::text from refill").await,
            n.to_string()
        );
    }

    insta::assert_snapshot!(told(&world, &ours, &one_and_many("refill", "three were had", refilled)).await, @r#"
    three were had
      200 {"error":"Refill limit reached (3 per order)"}
      400 {"error":"Refill limit reached (3 per order)"}
      in a row
      200 [{"order":3,"refill":{"error":"Refill limit reached (3 per order)"}}]
      200 [{"order":3,"error":"Refill limit reached (3 per order)"}]
    "#);

    world.audit().await;
}

/// What an answer says of limits, and the body.
async fn limited(world: &World, key: &str, action: &str) -> String {
    let response = world
        .request(&[("key", key), ("action", action), ("order", "1")])
        .send()
        .await
        .unwrap();

    let names = [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-tier-remaining",
    ];

    let mut line = response.status().as_u16().to_string();
    for name in names
        .into_iter()
        .chain(["x-ratelimit-deniedby", "retry-after", "content-type"])
    {
        let value = response
            .headers()
            .get(name)
            .map_or("-", |value| value.to_str().unwrap());
        line = format!("{line} {value}");
    }

    let body = response.text().await.unwrap();
    format!(
        "{action}: {line} {}",
        if body.is_empty() { "no body" } else { &body }
    )
}

#[tokio::test]
async fn too_many_by_each_layer() {
    for (limits, layer) in [
        ("[limits]\nper_address_per_minute = 1", "ip"),
        ("[limits]\nper_key_per_minute = 1", "key"),
        ("[[tier]]\nid = \"standard\"\nper_minute = 1", "tier"),
    ] {
        let world = World::build(Plan {
            services: format!("{}\n{limits}", all_of("a")),
            ..Plan::default()
        })
        .await;
        let ours = keys(&world, world.customer).await;
        if layer == "key" {
            run(
                &world.database,
                "update api_key set per_minute = 1 where dialect = 'notpanel'",
            )
            .await
            .unwrap();
        }
        let mut lines = Vec::new();
        for key in &ours {
            world.turn(60);
            world.ask_as(key, &[("action", "balance")]).await;
            for action in ALL {
                lines.push(limited(&world, key, action).await);
            }
        }
        let told = lines.join("\n");
        assert_eq!(told.matches(&format!(" {layer} ")).count(), 6, "{told}");
        match layer {
            "ip" => insta::assert_snapshot!(told, @r#"
            cancel: 429 1 0 1700000100 - ip 40 application/json {"error":"Rate limit exceeded"}
            refill: 429 1 0 1700000100 - ip 40 application/json {"error":"Rate limit exceeded"}
            refill_status: 429 1 0 1700000100 - ip 40 application/json no body
            cancel: 429 1 0 1700000160 - ip 40 application/json {"error":"Rate limit exceeded"}
            refill: 429 1 0 1700000160 - ip 40 application/json {"error":"Rate limit exceeded"}
            refill_status: 429 1 0 1700000160 - ip 40 application/json {"error":"Rate limit exceeded"}
            "#),
            "key" => insta::assert_snapshot!(told, @r#"
            cancel: 429 1 0 1700000100 999 key 40 application/json {"error":"Rate limit exceeded"}
            refill: 429 1 0 1700000100 999 key 40 application/json {"error":"Rate limit exceeded"}
            refill_status: 429 1 0 1700000100 999 key 40 application/json no body
            cancel: 429 1 0 1700000160 999 key 40 application/json {"error":"Rate limit exceeded"}
            refill: 429 1 0 1700000160 999 key 40 application/json {"error":"Rate limit exceeded"}
            refill_status: 429 1 0 1700000160 999 key 40 application/json {"error":"Rate limit exceeded"}
            "#),
            _ => insta::assert_snapshot!(told, @r#"
            cancel: 429 1000 999 1700000100 0 tier 40 application/json {"error":"Rate limit exceeded"}
            refill: 429 1000 999 1700000100 0 tier 40 application/json {"error":"Rate limit exceeded"}
            refill_status: 429 1000 999 1700000100 0 tier 40 application/json no body
            cancel: 429 100 99 1700000160 0 tier 40 application/json {"error":"Rate limit exceeded"}
            refill: 429 100 99 1700000160 0 tier 40 application/json {"error":"Rate limit exceeded"}
            refill_status: 429 100 99 1700000160 0 tier 40 application/json {"error":"Rate limit exceeded"}
            "#),
        }
    }
}

#[tokio::test]
async fn nobodys_keys_and_suspended_accounts() {
    let world = World::open().await;
    let order = world.buy("10", "100").await.to_string();
    let ours = keys(&world, world.customer).await;
    let cases = ALL.map(|action| case(action, &[("action", action), ("order", &order)]));
    let wrong = ["nobody's".to_owned(), "pgn_nobodys".to_owned()];
    let expected = told(&world, &wrong, &cases).await;
    insta::assert_snapshot!(expected, @r#"
    cancel
      200 {"error":"Invalid API key"}
      400 {"error":"Invalid API key"}
    refill
      200 {"error":"Invalid API key"}
      400 {"error":"Invalid API key"}
    refill_status
      200 {"error":"Invalid API key"}
      400 {"error":"Invalid API key"}
    "#);

    run(
        &world.database,
        "update api_key set allowed = '{192.0.2.0/24}'",
    )
    .await
    .unwrap();

    world.house.customers.hear_news().await.unwrap();
    assert_eq!(
        told(&world, &ours, &cases).await,
        expected,
        "from another network a key is nobody's"
    );

    run(
        &world.database,
        "update api_key set allowed = '{}'; update customer set suspended_at = now()",
    )
    .await
    .unwrap();

    let suspended = keys(&world, world.customer).await;
    insta::assert_snapshot!(told(&world, &suspended, &cases).await, @r#"
    cancel
      200 {"error":"Account suspended"}
      403 {"error":"Account suspended"}
    refill
      200 {"error":"Account suspended"}
      403 {"error":"Account suspended"}
    refill_status
      200 {"error":"Account suspended"}
      403 {"error":"Account suspended"}
    "#);

    assert_eq!(
        crate::books::read(&world.database, "select count(*)::text from cancel_request").await,
        "0"
    );

    assert_eq!(
        crate::books::read(&world.database, "select state from orders").await,
        "pending"
    );

    let letters = Plan {
        default_dialect: Dialect::Notpanel,
        ..Plan::default()
    };

    let world = World::build(letters).await;
    insta::assert_snapshot!(told(&world, &wrong, &cases).await, @r#"
    cancel
      400 {"error":"Invalid API key"}
      400 {"error":"Invalid API key"}
    refill
      400 {"error":"Invalid API key"}
      400 {"error":"Invalid API key"}
    refill_status
      400 {"error":"Invalid API key"}
      400 {"error":"Invalid API key"}
    "#);
}
