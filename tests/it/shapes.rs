//! What panels say in shapes of their own, through the doors: orders go on where the sense is
//! clear, and stand where not.

use rstest::rstest;

use crate::books::{legs, read};
use crate::scripted::Scripted;
use crate::world::World;

const GOOD: &str = r#"{"charge":"0.09","status":"Completed","remains":"0"}"#;

async fn end_of(world: &World) -> String {
    let question = "select concat_ws(' ', state, trim_scale(refunded), remains) from orders order \
                    by id desc limit 1";
    read(&world.database, question).await
}

#[tokio::test]
async fn an_order_is_followed_under_whatever_id_the_panel_gives() {
    let panel = Scripted::saying(GOOD).await;
    let world = panel.world().await;
    let long = "7".repeat(128);

    let ids = [
        ("23501", "23501"),
        ("\"23502\"", "23502"),
        ("18446744073709551616", "18446744073709551616"),
        ("99999999999999999999999999", "99999999999999999999999999"),
        (&long, &long),
        ("\"ord_01HZX-_20\"", "ord_01HZX-_20"),
        ("\"3f2c\\u002d11\"", "3f2c-11"),
    ];

    for (written, id) in ids {
        panel.change(|script| script.add = Some(format!("{{\"order\":{written}}}")));
        world.buy("1", "100").await;
        world.work().await;

        assert_eq!(
            read(
                &world.database,
                "select panel_order from leg order by id desc limit 1"
            )
            .await,
            id
        );

        world.pass(1, 10).await;
        assert_eq!(end_of(&world).await, "completed 0 0", "{written}");
    }

    // All at once: every id is in one question, and in one answer's keys.
    panel.change(|script| {
        (script.add, script.row) = (None, r#"{"status":"In progress"}"#.to_owned());
    });

    for _ in 0..3 {
        world.buy("1", "100").await;
    }

    world.work().await;
    panel.change(|script| script.row = GOOD.to_owned());
    world.pass(1, 10).await;

    assert_eq!(
        read(
            &world.database,
            "select string_agg(distinct state, ' ') from orders"
        )
        .await,
        "completed"
    );

    world.audit().await;
}

#[tokio::test]
async fn an_answer_with_neither_an_id_nor_a_listed_error_is_sent_once_and_waits() {
    let panel = Scripted::saying(GOOD).await;
    let world = panel.world().await;

    let answers = [
        "",
        "null",
        "[]",
        "{}",
        "23501",
        "[23501]",
        r#"{"order":0}"#,
        r#"{"order":null,"id":false,"data":{"order":"0"}}"#,
        r#"{"order":-23501}"#,
        r#"{"order":"Order placed"}"#,
        r#"{"order":23501"#,
        r#"{"order":23501}<!-- 12 ms -->"#,
        "<b>Warning</b>: mysqli in /www/api.php {\"order\":23501}",
        r#"{"status":"success","message":"Order placed"}"#,
        r#"{"error":"Something went wrong, bad link?"}"#,
    ];

    for (n, answer) in (1..).zip(answers) {
        panel.change(|script| script.add = Some(answer.to_owned()));
        let order = world.buy("1", "100").await;
        world.work().await;
        assert!(
            legs(&world.database).await.ends_with("s in_doubt"),
            "{answer}"
        );

        assert!(
            world
                .status(order)
                .await
                .contains(r#""status":"Processing""#),
            "{answer}"
        );

        // A good one after each, and a minute between: a panel that gave more doubts than that
        // would not be sent so many.
        panel.change(|script| script.add = None);
        world.buy("1", "100").await;
        world.work().await;
        assert_eq!(panel.requests("add"), 2 * n, "{answer}");

        world.turn(61);
    }

    world.pass(2, 600).await;
    assert_eq!(
        panel.requests("add"),
        2 * answers.len(),
        "none is sent again"
    );

    world.audit().await;
}

#[rstest]
#[case::eleven_decimals(
    r#"{"charge":"0.07123456789","status":"Completed","remains":"0"}"#,
    "completed 0 0"
)]
#[case::an_exponent(
    r#"{"charge":7.1e-2,"status":"completed","remains":0}"#,
    "completed 0 0"
)]
#[case::no_charge_and_no_remains(r#"{"status":"2"}"#, "completed 0 0")]
#[case::a_charge_of_nine_hundred_quadrillions(
    r#"{"charge":"999999999999999999.99999999999","status":"Completed"}"#,
    "completed 0 0"
)]
#[case::a_charge_past_the_books(
    r#"{"charge":"9e29","status":"Completed","remains":"0"}"#,
    "completed 0 0"
)]
#[case::a_negative_charge(
    r#"{"charge":"-5","status":"Completed","remains":"0"}"#,
    "completed 0 0"
)]
#[case::counts_at_the_end_of_numbers(
    r#"{"charge":"0","start_count":9223372036854775807,"status":"Completed","remains":-9223372036854775808}"#,
    "completed 0 0"
)]
#[case::far_too_much_delivered(
    r#"{"charge":"0.09","status":"Partial","remains":-9223372036854775808}"#,
    "partial 0 0"
)]
#[case::all_remains(
    r#"{"charge":"0","status":"Partial","remains":"100.00"}"#,
    "partial 0.09 100"
)]
#[case::canceled_and_past_all_numbers(
    r#"{"charge":"0.01","status":"Cancelled","remains":"99999999999999999999"}"#,
    "processing 0 100"
)]
#[case::canceled_without_a_word_more(r#"{"status":"Order cancelled"}"#, "canceled 0.09 100")]
#[case::more_remains_than_numbers(
    r#"{"charge":"0","status":"Partial","remains":9223372036854775807}"#,
    "processing 0 100"
)]
#[case::partial_and_remains_absent(r#"{"charge":"0.05","status":"Partial"}"#, "processing 0 100")]
#[case::partial_and_remains_in_words(
    r#"{"charge":"0.05","status":"Partial","remains":"some"}"#,
    "processing 0 100"
)]
#[case::a_running_count_in_words(
    r#"{"charge":null,"start_count":"Unknown","status":"ACTIVE","remains":"?"}"#,
    "in_progress 0 100"
)]
#[case::an_envelope(r#"{"status":4,"message":"Maintenance"}"#, "processing 0 100")]
#[case::an_envelope_of_the_call(
    r#"{"status":"canceled","message":"the request was canceled: upstream timed out"}"#,
    "processing 0 100"
)]
#[case::anothers(
    r#"{"order":999999,"status":"Canceled","charge":"0","remains":"100"}"#,
    "processing 0 100"
)]
#[case::a_drip_feed(
    r#"{"status":"Active","runs":"3","orders":["1"]}"#,
    "in_progress 0 100"
)]
#[case::a_subscription(
    r#"{"status":"Expired","expiry":"01/02/2030","posts":"5","orders":[]}"#,
    "processing 0 100"
)]
#[tokio::test]
async fn a_row_moves_no_more_than_its_sense(#[case] row: &str, #[case] end: &str) {
    let panel = Scripted::saying(row).await;
    let world = panel.world().await;
    world.buy("1", "100").await;
    world.work().await;
    world.pass(2, 10).await;
    assert_eq!(end_of(&world).await, end);

    world.audit().await;
}

#[tokio::test]
async fn a_row_under_an_orders_id_that_is_anothers_ends_nothing() {
    let panel =
        Scripted::saying(r#"{"order":999999,"status":"Canceled","charge":"0","remains":"100"}"#)
            .await;

    let world = panel.world().await;

    // Two, so that their rows are keyed by their ids.
    for _ in 0..2 {
        world.buy("1", "100").await;
    }

    world.work().await;
    world.pass(3, 10).await;
    let ends = "select string_agg(concat_ws(' ', state, trim_scale(refunded)), ', ') from orders";
    assert_eq!(
        read(&world.database, ends).await,
        "processing 0, processing 0"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_mad_catalog_row_spoils_no_other_and_a_mad_balance_nothing() {
    let panel = Scripted::saying(GOOD).await;
    let world = panel.world().await;
    let good = r#"{"service":1,"name":"Units","type":"Default","category":"C","rate":"0.90","min":"10","max":"1000"}"#;

    let rows = [
        r#"{"service":"9\u0000","min":1,"max":1}"#.to_owned(),
        r#"{"service":90,"name":"a\u0000b\ud800","type":{"x":1},"rate":"999999999999999999.999999999","min":1,"max":9223372036854775807}"#.to_owned(),
        r#"{"service":91,"rate":"99999999999999999999999999","min":5,"max":1,"type":"Default"}"#.to_owned(),
        r#"{"service":92,"rate":"-1","min":0,"max":0,"type":"Default","dripfeed":"true"}"#.to_owned(),
        format!(r#"{{"service":{},"min":"1","max":"1","rate":"1e-30"}}"#, "9".repeat(40)),
        format!(r#"{{"service":93,"min":1,"max":1,"name":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000)),
        "[[]]".to_owned(),
    ];

    panel.change(|script| script.services = format!("[{},{good}]", rows.join(",")));
    world.house.refresh().await.unwrap();
    let kept = "select string_agg(service, ' ' order by length(service), service) from \
                panel_service
        where gone_at is null and missing_at is null";

    assert_eq!(
        read(&world.database, kept).await,
        format!("1 90 91 92 93 {}", "9".repeat(40))
    );

    world.buy("1", "100").await;
    for balance in [
        r#"{"balance":"999999999999999999.99999999999"}"#,
        r#"{"balance":"1e29"}"#,
        r#"{"balance":"-7","currency":[]}"#,
        "{",
    ] {
        panel.change(|script| script.balance = balance.to_owned());
        world
            .house
            .delivery
            .ask_balance(&world.house.panels[0])
            .await
            .unwrap();
    }

    world.work().await;
    world.pass(1, 10).await;
    assert_eq!(end_of(&world).await, "completed 0 0");
    world.audit().await;
}
