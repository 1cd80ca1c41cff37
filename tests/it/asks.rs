//! Cancels and refills, through the doors: what is promised, what is done, and what each costs.

use crate::books::{legs, read};
use crate::scripted::Scripted;
use crate::world::{Plan, World, one_over};

async fn cancel(world: &World, order: i32) -> String {
    world
        .ask(&[("action", "cancel"), ("order", &order.to_string())])
        .await
}

async fn refill(world: &World, order: i32) -> String {
    world
        .ask(&[("action", "refill"), ("order", &order.to_string())])
        .await
}

async fn refill_status(world: &World, refill: &str) -> String {
    world
        .ask(&[("action", "refill_status"), ("refill", refill)])
        .await
}

/// What the panel heard of an action.
fn heard(world: &World, action: &str) -> u64 {
    world.panel().requests().get(action).copied().unwrap_or(0)
}

const DONE: &str = r#"{"cancel":1}"#;

#[tokio::test]
async fn what_was_not_sent_comes_back_at_once_and_no_panel_is_asked() {
    let services =
        "[[service]]\nid = 1\ncancel = false\nroutes = [{ provider = \"a\", service = \"1\" }]";

    let world = World::build(Plan {
        services: services.to_owned(),
        ..Plan::default()
    })
    .await;

    let order = world.buy("1", "100").await;
    assert_eq!(
        cancel(&world, order).await,
        DONE,
        "even where the service cannot be canceled"
    );

    assert_eq!(
        cancel(&world, order).await,
        DONE,
        "asking again changes nothing"
    );

    assert!(
        world
            .status(order)
            .await
            .contains(r#""charge":"0.00","start_count":"0","status":"Canceled","remains":"100""#)
    );

    world.pass(2, 10).await;
    assert_eq!((heard(&world, "add"), heard(&world, "cancel")), (0, 0));
    assert!(world.balance().await.contains("1000.00"));

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from transfer where reason = 'refund'"
        )
        .await,
        "1"
    );

    let sent = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(
        cancel(&world, sent).await,
        r#"{"error":"Cancel is not available"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn a_panels_yes_is_a_promise_and_its_status_the_end() {
    let world = World::open().await;
    let order = world.buy("10", "100").await;
    world.work().await;

    for _ in 0..3 {
        assert_eq!(cancel(&world, order).await, DONE);
    }

    world.turn(2);
    world.work().await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#),
        "nothing moves on a promise"
    );

    world.pass(1, 10).await;
    let status = world.status(order).await;
    assert!(status.contains(r#""status":"Canceled""#), "{status}");
    assert_eq!(heard(&world, "cancel"), 1, "asked once");

    assert_eq!(
        cancel(&world, order).await,
        DONE,
        "it ended as its customer wished"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_panel_that_says_yes_and_delivers_is_paid() {
    let panel = Scripted::saying(
        r#"{"charge":"0.09","start_count":"5","status":"In progress","remains":"60"}"#,
    )
    .await;

    panel.change(|script| script.cancel = r#"{"success":"asked"}"#.to_owned());
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(cancel(&world, order).await, DONE);
    world.work().await;

    panel.change(|script| {
        script.row = r#"{"charge":"0.09","status":"Completed","remains":"0"}"#.to_owned();
    });

    world.pass(2, 10).await;
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(
        cancel(&world, order).await,
        r#"{"error":"Order cannot be cancelled (already completed)"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn where_the_operator_says_so_a_panels_yes_is_the_end() {
    let panel = Scripted::saying(
        r#"{"charge":"0.09","start_count":"5","status":"In progress","remains":"60"}"#,
    )
    .await;

    panel.change(|script| script.cancel = r#"{"cancel":1}"#.to_owned());
    let world = panel.world_with("cancel_ack_is_final = true\n").await;
    let order = world.buy("1", "100").await;
    world.work().await;
    cancel(&world, order).await;
    world.work().await;

    assert!(world.status(order).await.contains(r#""charge":"0.00","#));
    world.audit().await;

    // The panel's status may still say otherwise.
    panel.change(|script| {
        script.row = r#"{"charge":"0.054","status":"Partial","remains":"40"}"#.to_owned();
    });

    world.pass(1, 3_601).await;
    assert_eq!(
        read(
            &world.database,
            "select trim_scale(absorbed)::text from orders"
        )
        .await,
        "0.054"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_refused_cancel_leaves_the_order_as_it_is() {
    let panel = Scripted::saying(
        r#"{"charge":"0.09","start_count":"5","status":"In progress","remains":"60"}"#,
    )
    .await;

    panel.change(|script| {
        script.cancel = r#"[{"order":501,"cancel":{"error":"Not possible"}}]"#.to_owned();
    });

    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    cancel(&world, order).await;
    world.pass(10, 60).await;
    assert_eq!(panel.requests("cancel"), 1);

    assert_eq!(
        cancel(&world, order).await,
        DONE,
        "the same answer as the first time"
    );

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"In progress""#)
    );

    assert_eq!(
        read(
            &world.database,
            "select state || ': ' || words from cancel_request"
        )
        .await,
        "refused: Not possible"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_panel_that_gives_no_answer_is_asked_again_and_not_for_ever() {
    let panel = Scripted::saying(
        r#"{"charge":"0.09","start_count":"5","status":"In progress","remains":"60"}"#,
    )
    .await;

    panel.change(|script| script.cancel = "<html>".to_owned());
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    cancel(&world, order).await;
    world.pass(60, 600).await;

    assert_eq!(panel.requests("cancel"), 8);
    assert_eq!(
        read(&world.database, "select state from cancel_request").await,
        "refused"
    );
}

#[tokio::test]
async fn an_order_in_doubt_that_is_wanted_back_is_asked_for_once_it_is_found() {
    let world = World::open().await;
    let order = world.buy("8", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "a in_doubt");
    assert_eq!(cancel(&world, order).await, DONE);
    world.pass(3, 60).await;

    assert_eq!(heard(&world, "cancel"), 0, "nobody knows its id");
    let placed = world.panel().orders()[0].id.clone();
    crate::resolve::decide(&world, order, &crate::resolve::accepted(&placed)).await;
    world.work().await;
    assert_eq!(heard(&world, "cancel"), 1);
}

#[tokio::test]
async fn an_order_in_doubt_that_is_wanted_back_and_was_not_placed_goes_nowhere_else() {
    let plan = Plan {
        panels: vec![("a", "502"), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(cancel(&world, order).await, DONE);

    crate::resolve::decide(
        &world,
        order,
        &panelgate::orders::resolve::DoubtFinding::NotPlaced,
    )
    .await;

    world.pass(2, 60).await;
    assert_eq!(legs(&world.database).await, "a refused");
    assert!(world.status(order).await.contains(r#""charge":"0.00","#));
    world.audit().await;
}

#[tokio::test]
async fn a_hundred_cancels_are_answered_in_one_request() {
    let world = World::open().await;
    let mut orders = Vec::new();
    for _ in 0..50 {
        orders.push(world.buy("10", "100").await.to_string());
    }

    world.work().await;
    for _ in 0..49 {
        orders.push(world.buy("10", "100").await.to_string());
    }

    orders.push("999999".to_owned());
    let answer = world
        .ask(&[("action", "cancel"), ("orders", &orders.join(","))])
        .await;

    let rows: Vec<serde_json::Value> = serde_json::from_str(&answer).unwrap();
    assert_eq!(rows.len(), 100);
    assert_eq!(rows.iter().filter(|row| row["cancel"] == 1).count(), 99);
    assert_eq!(rows[99]["cancel"]["error"], "Incorrect order ID");
    world.work().await;

    assert_eq!(
        heard(&world, "cancel"),
        1,
        "one call for the fifty that the panel has"
    );

    world.pass(2, 10).await;
    world.audit().await;
}

#[tokio::test]
async fn a_refill_is_asked_for_followed_and_done() {
    let world = World::open().await;
    let order = world.buy("1", "100").await;
    assert_eq!(
        refill(&world, order).await,
        r#"{"error":"The order is not completed"}"#
    );

    world.work().await;
    world.pass(1, 10).await;
    assert_eq!(refill(&world, order).await, r#"{"refill":"1"}"#);
    assert_eq!(refill_status(&world, "1").await, r#"{"status":"Pending"}"#);
    assert_eq!(
        refill(&world, order).await,
        r#"{"error":"The refill task is not completed for this order"}"#
    );

    world.work().await;
    assert_eq!(
        refill_status(&world, "1").await,
        r#"{"status":"In progress"}"#
    );

    world.pass(2, 10).await;
    assert_eq!(
        refill_status(&world, "1").await,
        r#"{"status":"Completed"}"#
    );

    assert_eq!(heard(&world, "refill"), 1);
    let by_order = world
        .ask(&[("action", "refill_status"), ("order", &order.to_string())])
        .await;

    assert_eq!(by_order, r#"{"status":"Completed"}"#);
    for n in 2..=3 {
        assert_eq!(
            refill(&world, order).await,
            format!(r#"{{"refill":"{n}"}}"#)
        );

        world.work().await;
        world.pass(2, 10).await;
    }

    assert_eq!(
        refill(&world, order).await,
        r#"{"error":"Refill limit reached (3 per order)"}"#
    );

    world.audit().await;
}

#[tokio::test]
async fn a_refill_whose_answer_is_lost_is_never_sent_again_and_ends_rejected() {
    let panel = Scripted::saying(r#"{"charge":"0.09","status":"Completed","remains":"0"}"#).await;
    for (answer, shown) in [
        ("<html>", "In progress"),
        (r#"{"success":"soon"}"#, "In progress"),
    ] {
        panel.change(|script| script.refill = answer.to_owned());
        let world = panel.world().await;
        let order = world.buy("1", "100").await;
        world.work().await;
        world.pass(1, 10).await;
        let before = panel.requests("refill");
        assert_eq!(refill(&world, order).await, r#"{"refill":"1"}"#);
        world.pass(40, 3_600).await;
        assert_eq!(
            refill_status(&world, "1").await,
            format!(r#"{{"status":"{shown}"}}"#)
        );
        world.pass(10, 3_600).await;
        assert_eq!(refill_status(&world, "1").await, r#"{"status":"Rejected"}"#);
        assert_eq!(panel.requests("refill"), before + 1);
        assert_eq!(
            refill(&world, order).await,
            r#"{"refill":"2"}"#,
            "a rejected one does not count"
        );
        world.audit().await;
    }
}

#[tokio::test]
async fn a_refill_that_the_panel_refuses_is_rejected() {
    let panel = Scripted::saying(r#"{"charge":"0.09","status":"Completed","remains":"0"}"#).await;
    let no = r#"{"error":"Refill only available for completed or partial orders"}"#;
    panel.change(|script| script.refill = no.to_owned());
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;

    world.pass(1, 10).await;
    refill(&world, order).await;
    world.work().await;
    assert_eq!(refill_status(&world, "1").await, r#"{"status":"Rejected"}"#);
    let words = "Refill only available for completed or partial orders";
    assert_eq!(
        read(&world.database, "select words from refill").await,
        words
    );
}

#[tokio::test]
async fn a_refill_that_is_answered_in_words_that_nobody_listed_is_asked_for_once() {
    let panel = Scripted::saying(r#"{"charge":"0.09","status":"Completed","remains":"0"}"#).await;
    let answers = [
        r#"{"error":"Internal server error"}"#,
        r#"{"error":"Order not found: the refill was queued"}"#,
        r#"{"status":"fail","message":"Supplier timeout"}"#,
        r#"[{"order":99999,"refill":777}]"#,
    ];

    for (n, answer) in (1..).zip(answers) {
        panel.change(|script| script.refill = answer.to_owned());
        let world = panel.world().await;
        let order = world.buy("1", "100").await;
        world.work().await;
        world.pass(1, 10).await;
        refill(&world, order).await;

        world.pass(4, 60).await;
        assert_eq!(
            refill_status(&world, "1").await,
            r#"{"status":"In progress"}"#,
            "{answer}"
        );

        let again = refill(&world, order).await;
        assert_eq!(
            again, r#"{"error":"The refill task is not completed for this order"}"#,
            "{answer}"
        );

        world.pass(4, 60).await;
        assert_eq!(panel.requests("refill"), n, "{answer}");

        assert_eq!(
            read(&world.database, "select state from refill").await,
            "in_doubt",
            "{answer}"
        );
    }
}

#[tokio::test]
async fn twenty_refills_at_once_are_one() {
    let world = World::open().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;
    let answers = futures_util::future::join_all((0..20).map(|_| refill(&world, order))).await;
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.contains(r#""refill":"#))
            .count(),
        1,
        "{answers:?}"
    );

    world.work().await;
    assert_eq!(heard(&world, "refill"), 1);
}

#[tokio::test]
async fn who_may_refill_is_told_why_not() {
    let services = "[[service]]\nid = 1\nrefill = false\nroutes = [{ provider = \"a\", service = \
                    \"1\" }]\n[[service]]\nid = 7\nroutes = [{ provider = \"a\", service = \"7\" \
                    }]";

    let world = World::build(Plan {
        services: services.to_owned(),
        ..Plan::default()
    })
    .await;

    let (plain, canceled) = (world.buy("1", "100").await, world.buy("7", "100").await);
    world.work().await;
    world.pass(1, 10).await;
    assert_eq!(
        refill(&world, plain).await,
        r#"{"error":"Refill is disabled for this service"}"#
    );

    assert_eq!(
        refill(&world, canceled).await,
        r#"{"error":"The order is not completed"}"#
    );

    assert_eq!(
        refill(&world, 999_999).await,
        r#"{"error":"Incorrect order ID"}"#
    );

    assert_eq!(
        refill_status(&world, "77").await,
        r#"{"error":"Refill not found"}"#
    );

    let many = world
        .ask(&[("action", "refill"), ("orders", &format!("{plain},999999"))])
        .await;

    let expected = format!(
        r#"[{{"order":{plain},"refill":{{"error":"Refill is disabled for this service"}}}},{{"order":999999,"refill":{{"error":"Incorrect order ID"}}}}]"#
    );

    assert_eq!(many, expected);
    let other = crate::world::buyer(&world.house, "other", "0").await;

    let theirs = world
        .ask_as(
            &other.1,
            &[("action", "cancel"), ("order", &plain.to_string())],
        )
        .await;

    assert_eq!(theirs, r#"{"error":"Incorrect order ID"}"#);
}
