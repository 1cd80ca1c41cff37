//! Status questions about many orders, at panels that answer them badly: every order that can be
//! settled is, no order is held up by another, and a panel that tells of none is told of.

use std::collections::BTreeMap;

use panelgate::store::{alerts, providers};
use rstest::rstest;

use crate::books::{read, reviews, run};
use crate::scripted::Scripted;
use crate::world::World;

const PARTIAL: &str = r#"{"charge":"0.045","status":"Partial","remains":"50"}"#;
const RUNNING: &str = r#"{"charge":"0","status":"In progress","remains":"100"}"#;

/// The ids that a status question names, and whether it is about several.
fn asked(form: &BTreeMap<String, String>) -> Option<(Vec<String>, bool)> {
    let ids = |text: &String| text.split(',').map(str::to_owned).collect();
    match form.get("action")?.as_str() {
        "status" => form
            .get("orders")
            .map(|text| (ids(text), true))
            .or_else(|| Some((ids(form.get("order")?), false))),
        _ => None,
    }
}

fn keyed(ids: &[String], row: &str) -> String {
    let rows: Vec<_> = ids.iter().map(|id| format!("\"{id}\":{row}")).collect();
    format!("{{{}}}", rows.join(","))
}

/// A world in which a panel has so many orders of ours, numbered 501 and so on.
async fn with_orders(panel: &Scripted, orders: usize) -> World {
    with_orders_at(panel, "", orders).await
}

async fn with_orders_at(panel: &Scripted, block: &str, orders: usize) -> World {
    let world = panel.world_with(block).await;
    for _ in 0..orders {
        world.buy("1", "100").await;
    }

    // Placed, and not asked about yet.
    panel.say(|form| asked(form).map(|_| (200, "{}".to_owned())));
    world.work().await;
    panel.status_asked();

    run(
        &world.database,
        "update provider set statuses_failed = 0, statuses_again_at = null",
    )
    .await
    .unwrap();

    world
}

async fn states(world: &World) -> String {
    read(
        &world.database,
        "select string_agg(state || ' ' || n, ', ' order by state) from (select state, count(*) n \
         from orders group by state) s",
    )
    .await
}

async fn raised(world: &World) -> Vec<String> {
    world.house.alerts.look().await.unwrap();
    let open = alerts::list_alerts(&world.house.store)
        .await
        .unwrap()
        .into_iter()
        .filter(|alert| alert.over_at.is_none());

    open.map(|alert| format!("{} {}", alert.kind, alert.object))
        .collect()
}

#[rstest]
#[case::action(200, r#"{"error":"Incorrect request"}"#)]
#[case::parameters(400, r#"{"error":"Missing required parameter: order"}"#)]
#[case::service(200, r#"{"error":"Incorrect service ID"}"#)]
#[case::link(200, r#"{"error":"Bad link"}"#)]
#[case::quantity(200, r#"{"error":"Quantity must be a number"}"#)]
#[case::not_listed(200, r#"{"error":"Only one at a time, please"}"#)]
#[case::status_and_message(200, r#"{"status":"fail","message":"No multi status"}"#)]
#[case::a_servers_error(500, "")]
#[case::a_bad_gateway(502, "<html>502 Bad Gateway</html>")]
#[case::a_page(200, "<html>Welcome</html>")]
#[case::a_warning(200, "<b>Warning</b>: implode() in api.php")]
#[case::nothing(200, "")]
#[case::no_row(200, "{}")]
#[case::no_row_in_a_list(200, "[]")]
#[case::another_order(200, r#"{"9":{"status":"Completed"}}"#)]
#[case::one_order_alone(200, r#"{"status":"Completed","remains":"0"}"#)]
#[tokio::test]
async fn a_panel_that_answers_no_batch_is_asked_one_by_one_from_then_on(
    #[case] status: u16,
    #[case] body: &'static str,
) {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders(&panel, 8).await;

    panel.say(move |form| {
        let (_, several) = asked(form)?;
        Some(if several {
            (status, body.to_owned())
        } else {
            (200, PARTIAL.to_owned())
        })
    });

    world.pass(1, 10).await;
    assert_eq!(states(&world).await, "partial 8");
    let questions = panel.status_asked();
    assert_eq!(
        questions.len(),
        15,
        "eight alone, and each batch of 8, 4 and 2 once: {questions:?}"
    );

    let row = providers::list_providers(&world.house.store)
        .await
        .unwrap()
        .remove(0);

    assert_eq!(row.status_batch_learned.map(|(batch, _)| batch), Some(1));
    assert_eq!(reviews(&world.database).await, "");
    assert_eq!(raised(&world).await, Vec::<String>::new());

    // A day later the batch is tried again, before that it is not.
    for _ in 0..2 {
        world.buy("1", "100").await;
    }

    world.work().await;
    world.pass(1, 10).await;

    assert!(
        panel
            .status_asked()
            .iter()
            .all(|question| !question.contains(','))
    );

    world.audit().await;
}

#[tokio::test]
async fn the_largest_batch_that_is_answered_is_kept_for_a_day() {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders(&panel, 9).await;

    let few = |form: &BTreeMap<String, String>| {
        let (ids, several) = asked(form)?;
        Some(match ids.len() {
            1 if !several => (200, RUNNING.to_owned()),
            0..=3 => (200, keyed(&ids, RUNNING)),
            _ => (400, r#"{"error":"Maximum 3 orders"}"#.to_owned()),
        })
    };

    panel.say(few);
    world.pass(1, 10).await;

    let sizes = |questions: Vec<String>| {
        questions
            .iter()
            .map(|ids| ids.split(',').count())
            .collect::<Vec<_>>()
    };

    assert_eq!(sizes(panel.status_asked()), [9, 5, 3, 2, 4, 2, 2]);
    world.pass(1, 3_600).await;
    assert_eq!(sizes(panel.status_asked()), [3, 3, 3]);
    world.pass(1, 24 * 3_600).await;
    assert_eq!(sizes(panel.status_asked())[0], 9, "forgotten after a day");
}

#[rstest]
#[tokio::test]
async fn one_order_that_spoils_every_question_holds_up_no_other(
    #[values("501", "504", "508")] poison: &'static str,
    #[values((500, "<html>Internal Server Error</html>"), (200, r#"{"error":"Incorrect request"}"#))]
    spoilt: (u16, &'static str),
    #[values(true, false)] knows_batches: bool,
) {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders(&panel, 8).await;

    panel.say(move |form| {
        let (ids, several) = asked(form)?;
        Some(match ids.iter().any(|id| id == poison) {
            true => (spoilt.0, spoilt.1.to_owned()),
            false if several && !knows_batches => (500, String::new()),
            false if several => (200, keyed(&ids, PARTIAL)),
            false => (200, PARTIAL.to_owned()),
        })
    });

    world.pass(2, 10).await;
    let left = read(
        &world.database,
        "select string_agg(panel_order, ' ') from leg where state = 'accepted'",
    )
    .await;

    assert_eq!(
        left, poison,
        "only the one that cannot be asked about is open"
    );
}

#[tokio::test]
async fn what_a_batch_leaves_out_is_asked_about_and_the_size_that_is_answered_is_kept() {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders(&panel, 12).await;

    panel.say(|form| {
        let (ids, several) = asked(form)?;
        let first: Vec<_> = ids.iter().take(5).cloned().collect();

        Some((
            200,
            if several {
                keyed(&first, PARTIAL)
            } else {
                PARTIAL.to_owned()
            },
        ))
    });

    world.pass(1, 10).await;
    assert_eq!(states(&world).await, "partial 12");
    let questions = panel.status_asked();
    assert_eq!(
        questions.len(),
        8,
        "all of them, and seven by themselves: {questions:?}"
    );

    let row = providers::list_providers(&world.house.store)
        .await
        .unwrap()
        .remove(0);

    assert_eq!(row.status_batch_learned.map(|(batch, _)| batch), Some(5));
    world.audit().await;
}

#[tokio::test]
async fn a_batch_that_hangs_is_asked_about_in_halves_round_after_round() {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders_at(&panel, "timeout_ms = 400\nvisible_after_s = 60\n", 8).await;
    panel.hold("status");

    for asked_about in [8, 4, 2, 1] {
        world.pass(1, 60).await;
        let questions = panel.status_asked();
        assert_eq!(
            questions.len(),
            1,
            "it is not asked more while it hangs: {questions:?}"
        );

        assert_eq!(questions[0].split(',').count(), asked_about);
    }

    panel.hold_nothing();
    panel.say(|form| {
        let (ids, several) = asked(form)?;
        Some((
            200,
            if several {
                keyed(&ids, PARTIAL)
            } else {
                PARTIAL.to_owned()
            },
        ))
    });

    world.pass(1, 600).await;
    assert_eq!(states(&world).await, "partial 8");
}

#[rstest]
#[case::a_servers_error(500, "")]
#[case::a_page(200, "<html>")]
#[case::nothing(200, "{}")]
#[case::not_listed(200, r#"{"error":"Maintenance"}"#)]
#[case::listed(200, r#"{"error":"Incorrect request"}"#)]
#[tokio::test]
async fn a_panel_that_fails_is_asked_eight_questions_a_round_and_told_of_once(
    #[case] status: u16,
    #[case] body: &'static str,
) {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders(&panel, 100).await;
    panel.say(move |form| asked(form).map(|_| (status, body.to_owned())));

    for round in 1..=4 {
        world.pass(1, 10).await;
        let questions = panel.status_asked();
        assert_eq!(
            questions.len(),
            8,
            "100, 50, 25, 13, 7, 4, 2 and one: {questions:?}"
        );

        world.work().await;
        assert_eq!(
            panel.status_asked(),
            Vec::<String>::new(),
            "no more until the next round"
        );

        let alerts = raised(&world).await;
        assert_eq!(
            alerts.contains(&"statuses_unreadable s".to_owned()),
            round >= 3,
            "{alerts:?}"
        );
    }

    world.pass(20, 600).await;
    assert_eq!(
        reviews(&world.database).await,
        "",
        "it told of no other order"
    );

    panel.say(|form| {
        let (ids, several) = asked(form)?;
        Some((
            200,
            if several {
                keyed(&ids, RUNNING)
            } else {
                RUNNING.to_owned()
            },
        ))
    });

    world.pass(1, 600).await;
    assert!(
        !raised(&world)
            .await
            .contains(&"statuses_unreadable s".to_owned()),
        "it ends when a round works"
    );
}

#[rstest]
#[case::a_wrong_key(401, r#"{"error":"Invalid API key"}"#)]
#[case::too_fast(429, "")]
#[case::too_fast_in_words(200, r#"{"error":"Rate limit exceeded"}"#)]
#[tokio::test]
async fn nothing_is_halved_where_smaller_questions_do_not_help(
    #[case] status: u16,
    #[case] body: &'static str,
) {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders(&panel, 8).await;
    panel.say(move |form| asked(form).map(|_| (status, body.to_owned())));
    world.pass(1, 10).await;
    assert_eq!(panel.status_asked().len(), 1);
}

#[tokio::test]
async fn an_order_that_alone_is_silent_goes_to_review_and_the_news_of_others_settle() {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders(&panel, 3).await;
    run(
        &world.database,
        "update tracked_leg set accepted_at = accepted_at - interval '2 days'",
    )
    .await
    .unwrap();

    panel.say(|form| {
        let (ids, several) = asked(form)?;
        let others: Vec<_> = ids.iter().filter(|id| *id != "502").cloned().collect();
        Some(match several {
            true => (200, keyed(&others, RUNNING)),
            false if ids[0] == "502" => (500, String::new()),
            false => (200, RUNNING.to_owned()),
        })
    });

    world.pass(15, 1_300).await;
    assert_eq!(
        read(
            &world.database,
            "select string_agg(panel_order, ' ') from orders o join leg l on l.order_id = o.id \
             where review is not null"
        )
        .await,
        "502"
    );

    assert!(
        !raised(&world)
            .await
            .contains(&"statuses_unreadable s".to_owned())
    );
}

#[tokio::test]
async fn one_status_may_come_as_a_list_of_one() {
    let panel = Scripted::saying(RUNNING).await;
    let world = with_orders(&panel, 2).await;

    panel.say(|form| {
        let (ids, several) = asked(form)?;
        Some(match several {
            true => (200, r#"{"error":"Incorrect request"}"#.to_owned()),
            false if ids[0] == "501" => (200, format!("[{PARTIAL}]")),
            // Another order's row is nobody's news.
            false => (
                200,
                r#"[{"order":"501","charge":"0.045","status":"Partial","remains":"50"}]"#
                    .to_owned(),
            ),
        })
    });

    world.pass(3, 10).await;
    assert_eq!(states(&world).await, "partial 1, processing 1");
    world.audit().await;
}

#[tokio::test]
async fn refills_are_asked_about_one_by_one_where_a_batch_is_refused() {
    let panel = Scripted::saying(r#"{"charge":"0.09","status":"Completed","remains":"0"}"#).await;
    let world = panel.world().await;
    let orders = [
        world.buy("1", "100").await,
        world.buy("1", "100").await,
        world.buy("1", "100").await,
    ];

    world.work().await;
    world.pass(1, 10).await;

    panel.say(|form| {
        Some(match (form.get("action")?.as_str(), form.get("refill")) {
            ("refill", _) => (200, format!(r#"{{"refill":"7{}"}}"#, form["order"])),
            ("refill_status", Some(refill)) if refill == "7502" => (500, String::new()),
            ("refill_status", Some(_)) => (200, r#"{"status":"Completed"}"#.to_owned()),
            ("refill_status", None) => (
                400,
                r#"{"error":"Missing required parameter: refill"}"#.to_owned(),
            ),
            _ => return None,
        })
    });

    for order in orders {
        world
            .ask(&[("action", "refill"), ("order", &order.to_string())])
            .await;
    }

    world.pass(3, 10).await;
    let states = "select string_agg(state, ' ' order by id) from refill";
    assert_eq!(
        read(&world.database, states).await,
        "completed taken completed"
    );

    world.audit().await;
}

#[rstest]
#[case::each_alone_is_clear(false, "accepted 602")]
#[case::one_alone_is_not(true, "in_doubt ")]
#[tokio::test]
async fn a_doubt_is_looked_into_one_by_one_and_ends_only_where_each_is_clear(
    #[case] spoilt: bool,
    #[case] end: &str,
) {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel
        .world_with("ids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = 60\n")
        .await;

    for add in [r#"{"order":600}"#, "", r#"{"order":605}"#] {
        panel.change(|script| script.add = Some(add.to_owned()));
        world.buy("1", "100").await;
        world.work().await;
        world.turn(90);
    }

    panel.say(move |form| {
        let (ids, several) = asked(form)?;
        Some(match ids[0].as_str() {
            _ if several => (200, r#"{"error":"Incorrect request"}"#.to_owned()),
            "604" if spoilt => (500, String::new()),
            "601" | "603" | "604" => (200, r#"{"error":"Incorrect order ID"}"#.to_owned()),
            "602" => (
                200,
                r#"{"charge":"0.09","status":"In progress","remains":"100"}"#.to_owned(),
            ),
            _ => (200, RUNNING.to_owned()),
        })
    });

    world.pass(2, 600).await;
    let leg = "select state || ' ' || coalesce(panel_order, '') from leg where order_id = 2";
    assert_eq!(read(&world.database, leg).await, end);
    world.audit().await;
}
