//! Refusals that nobody listed, and refusals of us: one customer's odd links stop no panel, what
//! concerns everybody does, no order is ended for what is not its fault, and what a panel wrote is
//! shown where a person looks for it only.

use panelgate::store::alerts;
use rstest::rstest;

use crate::backup::{json, told};
use crate::books::{legs, read};
use crate::scripted::Scripted;
use crate::world::{World, buyer};

const RUNNING: &str = r#"{"charge":"0.09","status":"In progress","remains":"100"}"#;
const ODD: &str = r#"{"error":"Private profile \"x\""}"#;

async fn world() -> (Scripted, World, String) {
    let panel = Scripted::saying(RUNNING).await;
    let world = panel.world().await;
    let (_, other, _) = buyer(&world.house, "other", "100").await;
    (panel, world, other)
}

async fn buy(world: &World, key: &str, link: &str) {
    let fields = [
        ("action", "add"),
        ("service", "1"),
        ("link", link),
        ("quantity", "100"),
    ];

    let answer = world.ask_as(key, &fields).await;
    assert!(answer.starts_with("{\"order\":"), "{answer}");
    world.work().await;
}

fn answers(panel: &Scripted, status: u16, body: &'static str) {
    panel.say(move |form| (form.get("action")? == "add").then(|| (status, body.to_owned())));
}

fn accepts(panel: &Scripted) {
    panel.change(|script| script.says = None);
}

async fn breaker(world: &World) -> String {
    read(
        &world.database,
        "select breaker || ' ' || doubts_in_a_row from provider where id = 's'",
    )
    .await
}

async fn raised(world: &World, kind: &str) -> Vec<String> {
    world.house.alerts.look().await.unwrap();
    let rows = alerts::list_alerts(&world.house.store)
        .await
        .unwrap()
        .into_iter();

    rows.filter(|row| row.kind == kind && row.over_at.is_none())
        .map(|row| row.words)
        .collect()
}

#[rstest]
#[case(200, ODD)]
#[case(400, ODD)]
#[case(422, r#"{"status":"fail","message":"We do not like it"}"#)]
#[case(200, r#"{"success":false,"message":"Not this one"}"#)]
#[tokio::test]
async fn one_customers_odd_links_stop_no_panel(#[case] status: u16, #[case] body: &'static str) {
    let (panel, world, other) = world().await;
    answers(&panel, status, body);

    for link in ["a", "b", "c", "d", "e", "f"] {
        buy(&world, &world.key, link).await;
    }

    assert_eq!(legs(&world.database).await, ["s in_doubt"; 6].join(", "));
    assert_eq!(breaker(&world).await, "closed 0");
    accepts(&panel);
    buy(&world, &other, "g").await;
    assert!(legs(&world.database).await.ends_with("s accepted"));
    world.audit().await;
}

#[tokio::test]
async fn the_same_about_three_links_of_two_customers_does_and_an_acceptance_begins_anew() {
    let (panel, world, other) = world().await;
    answers(&panel, 200, r#"{"error":"Maintenance"}"#);
    buy(&world, &world.key, "a").await;
    buy(&world, &world.key, "b").await;
    buy(&world, &other, "b").await;
    assert_eq!(breaker(&world).await, "closed 0", "two links");

    accepts(&panel);
    buy(&world, &other, "z").await;
    answers(&panel, 200, r#"{"error":"Maintenance"}"#);
    buy(&world, &other, "c").await;

    assert_eq!(
        breaker(&world).await,
        "closed 0",
        "one link since the panel accepted one"
    );

    buy(&world, &world.key, "d").await;
    buy(&world, &world.key, "e").await;
    assert_eq!(breaker(&world).await, "open 0");
    let sent = panel.requests("add");
    buy(&world, &world.key, "f").await;
    assert_eq!(panel.requests("add"), sent, "nothing more is sent into it");

    world.audit().await;
}

#[tokio::test]
async fn a_lost_answer_is_counted_as_before_and_no_refusal_with_it() {
    let (panel, world, _) = world().await;
    for link in ["a", "b", "c", "d"] {
        answers(&panel, 200, ODD);
        buy(&world, &world.key, link).await;
    }

    answers(&panel, 502, "");
    buy(&world, &world.key, "e").await;

    assert_eq!(
        breaker(&world).await,
        "closed 1",
        "five doubts within a minute, of which one is a lost answer"
    );

    buy(&world, &world.key, "f").await;
    buy(&world, &world.key, "g").await;
    assert_eq!(breaker(&world).await, "open 3");
}

#[tokio::test]
async fn what_a_panel_wrote_is_shown_with_a_line_for_the_file_and_in_no_alert() {
    let (panel, world, _) = world().await;
    assert!(
        told(&world.database, &["provider", "words", "s"])
            .await
            .contains("refused no order in words")
    );

    answers(&panel, 200, ODD);
    buy(&world, &world.key, "a").await;
    buy(&world, &world.key, "b").await;
    let words = raised(&world, "unknown_words").await;
    assert!(
        words.len() == 1 && words[0].contains("panel s") && !words[0].contains("rivate"),
        "{words:?}"
    );

    let shown = told(&world.database, &["provider", "words", "s"]).await;
    assert!(
        shown.contains(r#""private profile \"x\"" = "CLASS""#),
        "{shown}"
    );

    let document = json(&world.database, &["provider", "words", "s"]).await;
    assert_eq!(
        (&document["words"][0]["count"], &document["words"][1]),
        (&2.into(), &serde_json::Value::Null)
    );

    let line = document["words"][0]["line"]
        .as_str()
        .unwrap()
        .replace("CLASS", "link");

    // With the line in the block, the text is a refusal that ends its order.
    let panel = Scripted::saying(RUNNING).await;
    let world = panel
        .world_with(&format!("[provider.words]\n{line}\n"))
        .await;

    answers(&panel, 200, ODD);
    buy(&world, &world.key, "a").await;
    assert_eq!(legs(&world.database).await, "s refused");
    assert_eq!(raised(&world, "unknown_words").await, Vec::<String>::new());
}

/// A panel that quotes the link that it was sent, in words that nobody listed.
fn quotes(panel: &Scripted, before: &'static str, after: &'static str) {
    panel.say(move |form| {
        let quoted = || {
            serde_json::json!({ "error": format!("{before}{}{after}", form["link"]) }).to_string()
        };
        (form.get("action")? == "add").then(|| (200, quoted()))
    });
}

#[tokio::test]
async fn what_a_link_says_is_not_the_panels_word() {
    let (panel, world, _) = world().await;
    quotes(&panel, "Link not supported: ", "");

    for n in 1..=4 {
        buy(
            &world,
            &world.key,
            &format!("https://instagram.com/p/queue{n}"),
        )
        .await;
    }

    assert_eq!(
        breaker(&world).await,
        "closed 0",
        "nothing says that an order is under way"
    );

    let shown = told(&world.database, &["provider", "words", "s"]).await;
    assert!(
        shown.contains(r#""link not supported: …" = "CLASS""#) && !shown.contains("queue"),
        "{shown}"
    );
}

#[rstest]
#[case::waits(
    "INSERT INTO orders(id,link) VALUES (1003,'",
    "https://instagram.com/p/abc?active order with this link",
    "')"
)]
#[case::ends("", "Invalid link", ": supplier timed out")]
#[case::goes_elsewhere("", "Not enough funds", ": supplier timed out")]
#[case::stops_the_panel("", "Invalid API key", ": supplier timed out")]
#[case::slows_the_panel("", "Rate limit exceeded", ": supplier timed out")]
#[tokio::test]
async fn a_link_that_reads_like_a_refusal_is_sent_once_and_refuses_nothing(
    #[case] before: &'static str,
    #[case] link: &str,
    #[case] after: &'static str,
) {
    let (panel, world, _) = world().await;
    quotes(&panel, before, after);
    buy(&world, &world.key, link).await;
    world.pass(5, 60).await;
    assert_eq!(panel.requests("add"), 1);
    assert_eq!(legs(&world.database).await, "s in_doubt");

    assert_eq!(
        read(&world.database, "select sum(refunded)::text from orders").await,
        "0.00000000"
    );

    accepts(&panel);
    buy(&world, &world.key, "https://instagram.com/p/other").await;
    assert!(
        legs(&world.database).await.ends_with("s accepted"),
        "the panel goes on"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_person_who_has_seen_to_them_ends_the_alert() {
    let (panel, world, _) = world().await;
    answers(&panel, 200, ODD);
    buy(&world, &world.key, "a").await;
    assert_eq!(raised(&world, "unknown_words").await.len(), 1);

    assert!(
        told(&world.database, &["provider", "words", "s", "--done"])
            .await
            .contains("1 texts")
    );

    assert_eq!(raised(&world, "unknown_words").await.len(), 0);
    buy(&world, &world.key, "b").await;
    assert_eq!(raised(&world, "unknown_words").await.len(), 1);
    world.turn(25 * 3_600);

    assert_eq!(
        raised(&world, "unknown_words").await.len(),
        0,
        "no news any more"
    );
}

#[rstest]
#[case::in_two_meanings(200, r#"{"error":"Incorrect request or API key"}"#)]
#[case::unknown(400, r#"{"error":"Unknown action"}"#)]
#[tokio::test]
async fn an_action_ends_no_order_and_stops_no_panel(
    #[case] status: u16,
    #[case] body: &'static str,
) {
    let (panel, world, other) = world().await;
    answers(&panel, status, body);

    for (key, link) in [
        (&world.key, "a"),
        (&world.key, "b"),
        (&other, "c"),
        (&other, "d"),
    ] {
        buy(&world, key, link).await;
    }

    let stand = "select string_agg(distinct state || ' ' || parked_for, ', ') from leg";
    assert_eq!(read(&world.database, stand).await, "parked action");
    assert_eq!(
        read(&world.database, "select sum(refunded)::text from orders").await,
        "0.00000000"
    );

    assert_eq!(
        read(
            &world.database,
            "select breaker from provider where id = 's'"
        )
        .await,
        "closed"
    );

    assert_eq!(raised(&world, "orders_parked").await.len(), 1);

    accepts(&panel);
    world.pass(8, 30).await;

    assert_eq!(
        read(
            &world.database,
            "select string_agg(distinct state, ' ') from leg"
        )
        .await,
        "accepted"
    );

    world.audit().await;
}

#[rstest]
#[case::a_wrong_key(200, r#"{"error":"Invalid API key"}"#)]
#[case::told_apart_by_its_status(401, r#"{"error":"Incorrect request or API key"}"#)]
#[tokio::test]
async fn a_wrong_key_ends_no_order_and_stops_the_panel_when_it_hits_everybody(
    #[case] status: u16,
    #[case] body: &'static str,
) {
    let (panel, world, other) = world().await;
    answers(&panel, status, body);

    for (key, link) in [
        (&world.key, "a"),
        (&world.key, "b"),
        (&other, "c"),
        (&other, "d"),
    ] {
        buy(&world, key, link).await;
    }

    let stand =
        "select string_agg(state || ' ' || coalesce(parked_for, ''), ', ' order by id) from leg";
    assert_eq!(
        read(&world.database, stand).await,
        "parked key, parked key, parked key, ready "
    );

    assert_eq!(
        read(&world.database, "select sum(refunded)::text from orders").await,
        "0.00000000"
    );

    let stopped = "select breaker || ' ' || breaker_cause from provider where id = 's'";
    assert_eq!(read(&world.database, stopped).await, "open refusals");
    assert_eq!(raised(&world, "breaker_open").await.len(), 1);
    assert_eq!(
        json(&world.database, &["provider", "list"]).await[0]["breaker_cause"],
        "refusals"
    );

    // The key is right again: free calls and one order prove it, and everybody's order goes.
    accepts(&panel);
    world.pass(8, 30).await;

    assert_eq!(
        read(
            &world.database,
            "select breaker from provider where id = 's'"
        )
        .await,
        "closed"
    );

    assert_eq!(
        read(
            &world.database,
            "select string_agg(distinct state, ' ') from leg"
        )
        .await,
        "accepted"
    );

    world.audit().await;
}
