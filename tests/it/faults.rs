//! What the simulated panel does wrong when it is told to, and its habits that are odd and allowed.

use std::time::{Duration, Instant};

use panel_sim::Status;
use panelgate::domain::money::Money;
use panelgate::domain::provider::PanelDialect;
use serde_json::{Value, json};

use crate::simulator::{KEY, LINK, Panel};

/// Less than a slow answer takes.
const HASTE: Duration = Duration::from_millis(300);

/// Asks for an order, and waits for this long at most.
async fn add_within(panel: &Panel, patience: Duration) -> reqwest::Result<String> {
    let form = [
        ("key", KEY),
        ("action", "add"),
        ("service", "1"),
        ("link", LINK),
        ("quantity", "10"),
    ];

    let body = serde_urlencoded::to_string(form).unwrap();
    let request = panel.client.post(panel.simulator.url()).timeout(patience);
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await?
        .text()
        .await
}

async fn status(panel: &Panel, order: &str) -> Value {
    serde_json::from_str(&panel.ask(&[("action", "status"), ("order", order)]).await).unwrap()
}

/// The ids of what it has of ours.
fn kept(panel: &Panel) -> Vec<u64> {
    panel
        .simulator
        .orders()
        .iter()
        .map(|order| order.id.parse().unwrap())
        .collect()
}

#[tokio::test]
async fn a_web_page_stands_where_the_answer_should_be() {
    let panel = Panel::start("html").await;
    let response = panel.add("1", "10").await.unwrap();

    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["content-type"]
        ),
        (200, &"text/html".parse().unwrap())
    );

    assert!(
        response
            .text()
            .await
            .unwrap()
            .starts_with("<!DOCTYPE html>")
    );

    assert_eq!(kept(&panel).len(), 1);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn half_an_answer_says_the_length_of_the_whole() {
    let panel = Panel::start("half").await;
    let mut response = panel.add("1", "10").await.unwrap();
    let whole = json!({ "order": kept(&panel)[0] }).to_string();
    assert_eq!(
        (response.status().as_u16(), response.content_length()),
        (200, Some(whole.len() as u64))
    );

    let mut part = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => part.extend_from_slice(&chunk),
            Ok(None) => panic!("the answer is whole: {part:?}"),
            Err(error) => break error,
        }
    };

    assert_eq!(part, &whole.as_bytes()[..whole.len() / 2], "{broken:?}");
    panel.simulator.stop().await;
}

#[tokio::test]
async fn who_leaves_a_hanging_panel_has_bought_and_holds_nothing_up() {
    let panel = Panel::start("hang").await;
    assert!(add_within(&panel, HASTE).await.unwrap_err().is_timeout());
    assert_eq!(kept(&panel).len(), 1);
    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"9.991","currency":"USD"}"#
    );

    let asked = Instant::now();
    panel.simulator.stop().await;
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "nothing is being answered any more"
    );
}

#[tokio::test]
async fn a_slow_answer_is_right_for_those_who_wait() {
    let panel = Panel::start("slow").await;
    assert!(add_within(&panel, HASTE).await.unwrap_err().is_timeout());
    let answer = add_within(&panel, Duration::from_secs(20)).await.unwrap();
    assert_eq!(answer, json!({ "order": kept(&panel)[1] }).to_string());
    panel.simulator.stop().await;
}

#[tokio::test]
async fn an_unread_request_places_nothing_and_a_question_can_be_one() {
    let panel = Panel::start("unread*1").await;
    assert!(panel.add("1", "10").await.is_err());
    assert!(panel.simulator.orders().is_empty() && panel.simulator.requests().is_empty());
    panel.bought("1", "10").await;
    panel.simulator.set_faults("unread".parse().unwrap());

    assert!(
        panel
            .send(&[("key", KEY), ("action", "balance")])
            .await
            .is_err()
    );

    assert_eq!(panel.look("requests").await, json!({"add": 1}));
    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_wrong_id_is_nobodys_and_the_order_stands_under_its_own() {
    let panel = Panel::start("wrong_id*1").await;
    let told = panel.bought("1", "10").await;
    let own = kept(&panel)[0];
    assert_ne!(told, own.to_string());
    assert_eq!(
        status(&panel, &told).await,
        json!({"error": "Incorrect order ID"})
    );

    assert_eq!(status(&panel, &own.to_string()).await["status"], "Pending");
    assert_eq!(panel.bought("1", "10").await, (own + 1).to_string());
    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_stuck_answer_repeats_the_id_that_was_said_last() {
    let panel = Panel::start("duplicate").await;
    let first = panel.bought("1", "10").await;
    assert_eq!(
        first,
        kept(&panel)[0].to_string(),
        "there was nothing to repeat"
    );

    assert_eq!(
        [panel.bought("1", "20").await, panel.bought("1", "30").await],
        [first.clone(), first.clone()]
    );

    let id: u64 = first.parse().unwrap();
    assert_eq!(kept(&panel), [id, id + 1, id + 2]);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn the_next_adds_meet_what_was_announced() {
    let panel = Panel::start("").await;
    let post = |spec: &'static str| panel.client.post(panel.door("faults")).body(spec).send();
    assert_eq!(
        post("502*2").await.unwrap().text().await.unwrap(),
        r#"{"faults":"502*2"}"#
    );

    let refused = panel.add("1", "9").await.unwrap().text().await.unwrap();
    assert_eq!(
        refused, r#"{"error":"Quantity less than minimum"}"#,
        "not an accepted one"
    );

    for _ in 0..2 {
        assert_eq!(panel.add("1", "10").await.unwrap().status(), 502);
    }

    panel.bought("1", "10").await;
    assert_eq!(post("502*none").await.unwrap().status(), 400);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn the_same_seed_leaves_the_same_requests_unread() {
    let mut stories = Vec::new();
    for _ in 0..2 {
        let panel = Panel::start("unread=0.3,html=0.3").await;
        let mut story = String::new();

        for _ in 0..30 {
            let answer = panel.add("1", "10").await;
            let page = answer
                .as_ref()
                .is_ok_and(|answer| answer.headers()["content-type"] == "text/html");
            story.push(answer.map_or('u', |_| if page { 'h' } else { '.' }));
        }

        assert_eq!(
            panel.simulator.orders().len(),
            story.matches(['h', '.']).count()
        );

        panel.simulator.stop().await;
        stories.push(story);
    }

    assert_eq!(stories[0], stories[1]);
    assert!(
        ['u', 'h', '.'].iter().all(|met| stories[0].contains(*met)),
        "{}",
        stories[0]
    );
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_until_there_is_another() {
    let panel = Panel::start("").await;
    let order = panel.bought("1", "10").await;
    panel.simulator.revoke_key();

    for action in ["add", "status", "services", "balance", "refill", "cancel"] {
        let refused = panel.ask(&[("action", action), ("order", &order)]).await;
        assert_eq!(refused, r#"{"error":"Invalid API key"}"#, "{action}");
    }

    panel.simulator.set_key(KEY);
    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"9.991","currency":"USD"}"#
    );

    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_young_order_is_not_found_yet() {
    let panel = Panel::start("").await;
    panel.simulator.set_visible_after_s(3);
    let order = panel.bought("1", "10").await;
    panel.turn_s(2);
    assert_eq!(
        status(&panel, &order).await,
        json!({"error": "Incorrect order ID"})
    );

    let many: Value =
        serde_json::from_str(&panel.ask(&[("action", "status"), ("orders", &order)]).await)
            .unwrap();

    assert_eq!(many[&order], json!({"error": "Incorrect order ID"}));
    panel.turn_s(1);
    assert_eq!(status(&panel, &order).await["status"], "In progress");
    panel.simulator.stop().await;
}

#[tokio::test]
async fn ids_grow_by_one_over_all_customers() {
    let panel = Panel::start("").await;
    let first: u64 = panel.bought("1", "10").await.parse().unwrap();
    assert_eq!(panel.bought("1", "10").await, (first + 1).to_string());
    panel.simulator.others_buy(40);
    let later = panel.bought("1", "20").await;
    assert_eq!(later, (first + 42).to_string());
    assert_eq!(kept(&panel), [first, first + 1, first + 42]);

    assert_eq!(
        status(&panel, &(first + 2).to_string()).await,
        json!({"error": "Incorrect order ID"})
    );

    panel.turn_s(4);
    assert_eq!(status(&panel, &later).await["status"], "Completed");
    panel.simulator.stop().await;
}

#[tokio::test]
async fn an_order_placed_by_hand_is_ours_and_nobody_asked_for_it() {
    let panel = Panel::start("drop*1").await;
    let orphan = panel.simulator.place_by_hand("1", LINK, 1_000);
    assert_eq!(
        panel.simulator.balance(),
        Money::parse("9.10").unwrap().decimal()
    );

    assert!(panel.simulator.requests().is_empty());
    assert!(
        panel.add("1", "10").await.is_err(),
        "the fault was left for an answer"
    );

    let orders = panel.simulator.orders();
    assert_eq!(
        (
            orders[0].id.as_str(),
            orders[0].quantity,
            orders[0].link.as_str()
        ),
        (orphan.as_str(), 1_000, LINK)
    );

    panel.turn_s(4);
    assert_eq!(panel.simulator.orders()[0].status, Status::Completed);
    assert_eq!(status(&panel, &orphan).await["status"], "Completed");
    panel.simulator.stop().await;
}

#[tokio::test]
async fn whoever_is_too_fast_or_suspended_is_told_so_whatever_was_asked_and_nothing_is_placed() {
    for dialect in PanelDialect::ALL {
        let panel = Panel::speaking(dialect, "429*2,403*1", 0).await;
        let mut said = Vec::new();

        for action in ["add", "status", "balance", "balance"] {
            let form = [
                ("key", KEY),
                ("action", action),
                ("service", "1"),
                ("link", LINK),
                ("quantity", "10"),
            ];

            let response = panel.send(&form).await.unwrap();
            let header = |name: &str| {
                response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };

            let headers = [
                "retry-after",
                "x-ratelimit-remaining",
                "x-ratelimit-deniedby",
            ]
            .map(header);

            said.push((
                response.status().as_u16(),
                headers,
                response.text().await.unwrap(),
            ));
        }

        let (too_fast, suspended) = (
            r#"{"error":"Rate limit exceeded"}"#,
            r#"{"error":"Account suspended"}"#,
        );

        let limits =
            (dialect == PanelDialect::Notpanel).then(|| ["0".to_owned(), "key".to_owned()]);
        let [remaining, denied_by] = limits.map_or([None, None], |limits| limits.map(Some));
        let headers = [Some("5".to_owned()), remaining, denied_by];
        assert_eq!(said[0], (429, headers.clone(), too_fast.to_owned()));
        assert_eq!(said[1], (429, headers, too_fast.to_owned()));
        assert_eq!(said[2], (403, [None, None, None], suspended.to_owned()));
        assert_eq!(said[3].0, 200);

        assert_eq!(
            (
                panel.simulator.orders().len(),
                panel.simulator.requests()["add"]
            ),
            (0, 1)
        );

        panel.simulator.stop().await;
    }
}
