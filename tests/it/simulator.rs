//! The simulated panel, asked through its own HTTP door: every action, fault and `/_sim` door.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta};
use panel_sim::{DELIVERY_S_DEFAULT, Ending, Habits, Settings, Simulator, Status, currency_of};
use panelgate::domain::{
    clock::HandClock,
    money::{Money, Rate},
    provider::PanelDialect,
};
use serde_json::{Value, json};

use crate::world::{follows, simulated};

pub const KEY: &str = "the-panels-key";
/// What is said of a fault that there is not.
const KNOWN: &str = "unknown fault `flood`; known are: drop, 502, html, half, hang, slow, \
                     wrong_id, duplicate, unread, 429, 403, skim";
pub const LINK: &str = "https://example.org/post/1";

/// A running panel, the clock that its orders follow, and somebody who asks.
pub struct Panel {
    pub simulator: Simulator,
    clock: Arc<HandClock>,
    pub client: reqwest::Client,
}

impl Panel {
    pub async fn start(faults: &str) -> Self {
        Self::with_extra(faults, 0).await
    }

    pub async fn with_extra(faults: &str, services_extra: u32) -> Self {
        Self::speaking(PanelDialect::Classic, faults, services_extra).await
    }

    pub async fn speaking(dialect: PanelDialect, faults: &str, services_extra: u32) -> Self {
        let dialect = simulated(dialect);
        let clock = Arc::new(HandClock::at(
            DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        ));

        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            key: KEY.to_owned(),
            dialect,
            currency: currency_of(dialect),
            seed: 1,
            faults: faults.parse().unwrap(),
            habits: Habits::default(),
            balance: Money::parse("10").unwrap().decimal(),
            services_extra,
            delivery_s: DELIVERY_S_DEFAULT,
        };

        let simulator = Simulator::start(settings, follows(&clock)).await.unwrap();

        // Whichever test comes first installs it; the client wants one although nothing here speaks
        // TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();

        Self {
            simulator,
            clock,
            client,
        }
    }

    /// Asks with the right key and returns the exact body.
    pub async fn ask(&self, fields: &[(&str, &str)]) -> String {
        let response = self
            .send(&[&[("key", KEY)], fields].concat())
            .await
            .unwrap();

        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        response.text().await.unwrap()
    }

    pub async fn send(&self, fields: &[(&str, &str)]) -> reqwest::Result<reqwest::Response> {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let form = ("content-type", "application/x-www-form-urlencoded");

        self.client
            .post(self.simulator.url())
            .header(form.0, form.1)
            .body(body)
            .send()
            .await
    }

    pub async fn add(&self, service: &str, quantity: &str) -> reqwest::Result<reqwest::Response> {
        let fields = [
            ("key", KEY),
            ("action", "add"),
            ("service", service),
            ("link", LINK),
            ("quantity", quantity),
        ];

        self.send(&fields).await
    }

    /// Buys, and returns the id.
    pub async fn bought(&self, service: &str, quantity: &str) -> String {
        let answer: Value = serde_json::from_str(
            &self
                .add(service, quantity)
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
        )
        .unwrap();

        answer["order"]
            .as_u64()
            .unwrap_or_else(|| panic!("no id in {answer}"))
            .to_string()
    }

    pub fn door(&self, path: &str) -> String {
        format!("http://{}/_sim/{path}", self.simulator.addr())
    }

    pub async fn look(&self, path: &str) -> Value {
        let text = self
            .client
            .get(self.door(path))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();

        serde_json::from_str(&text).unwrap()
    }

    pub fn turn_s(&self, seconds: i64) {
        self.clock.turn(TimeDelta::seconds(seconds));
    }
}

#[tokio::test]
async fn services_are_listed_as_panels_list_them() {
    let panel = Panel::start("").await;
    let listed = panel.ask(&[("action", "services")]).await;
    let first = r#"[{"service":1,"name":"Followers, completes","type":"Default","category":"Followers","rate":"0.90","min":"10","max":"100000","refill":true,"cancel":true,"dripfeed":false},"#;
    assert!(listed.starts_with(first), "{listed}");
    let rows: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let kinds: Vec<_> = rows
        .iter()
        .take(5)
        .map(|row| row["type"].as_str().unwrap())
        .collect();

    assert_eq!(
        kinds,
        [
            "Default",
            "Package",
            "Custom Comments",
            "Custom Comments Package",
            "Poll"
        ]
    );

    assert_eq!(rows.len(), 10);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_switched_off_service_is_neither_listed_nor_sold_and_a_price_can_move() {
    let panel = Panel::with_extra("", 5_000).await;
    panel.simulator.switch_service("1", false);
    panel
        .simulator
        .set_rate("5", Rate::parse("4.125").unwrap().decimal());

    let rows: Vec<Value> =
        serde_json::from_str(&panel.ask(&[("action", "services")]).await).unwrap();
    assert_eq!(
        (rows.len(), &rows[0]["service"], &rows[3]["rate"]),
        (5_009, &json!(2), &json!("4.125"))
    );

    let refused = panel.add("1", "100").await.unwrap().text().await.unwrap();
    assert_eq!(refused, r#"{"error":"Incorrect service ID"}"#);
    panel.simulator.switch_service("1", true);
    panel.bought("1", "100").await;
    panel.simulator.stop().await;
}

#[tokio::test]
async fn an_order_is_charged_delivered_and_told_to_the_letter() {
    let panel = Panel::start("").await;
    let order = panel.bought("6", "1000").await;
    let status = [("action", "status"), ("order", order.as_str())];
    assert_eq!(
        panel.ask(&status).await,
        r#"{"charge":"0.72","start_count":"0","status":"Pending","remains":"1000","currency":"USD"}"#
    );

    panel.turn_s(2);
    let halfway: Value = serde_json::from_str(&panel.ask(&status).await).unwrap();
    assert_eq!(
        (&halfway["status"], &halfway["remains"]),
        (&json!("In progress"), &json!("667"))
    );

    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"9.28","currency":"USD"}"#
    );

    panel.turn_s(2);
    let ended: Value = serde_json::from_str(&panel.ask(&status).await).unwrap();
    assert_eq!(
        (&ended["status"], &ended["remains"], &ended["charge"]),
        (&json!("Partial"), &json!("334"), &json!("0.47952"))
    );

    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"9.52048","currency":"USD"}"#
    );

    panel.simulator.stop().await;
}

#[tokio::test]
async fn many_statuses_are_keyed_as_asked_with_complaints_in_their_rows() {
    let panel = Panel::start("").await;
    let (first, second) = (
        panel.bought("1", "100").await,
        panel.bought("1", "200").await,
    );

    let orders = format!(" {second},5, {first} ,x,{second},");
    let row = |id: &str, charge: &str, remains: &str| {
        format!(
            r#""{id}":{{"charge":"{charge}","start_count":"0","status":"Pending","remains":"{remains}","currency":"USD"}}"#
        )
    };

    let bad = |id: &str| format!(r#""{id}":{{"error":"Incorrect order ID"}}"#);
    let expected = [
        row(&second, "0.18", "200"),
        bad("5"),
        row(&first, "0.09", "100"),
        bad("x"),
    ]
    .join(",");

    assert_eq!(
        panel
            .ask(&[("action", "status"), ("orders", &orders)])
            .await,
        format!("{{{expected}}}")
    );

    let many: Vec<String> = (1..=101).map(|id| id.to_string()).collect();
    let refused = panel
        .ask(&[("action", "status"), ("orders", &many.join(","))])
        .await;

    assert_eq!(refused, r#"{"error":"Maximum 100 orders per request"}"#);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn every_refusal_has_its_classic_text_and_takes_nothing() {
    let panel = Panel::start("").await;
    let add = |more: &[(&'static str, &'static str)]| [&[("action", "add")], more].concat();

    let cases = [
        (vec![], "Incorrect request"),
        (vec![("action", "explode")], "Incorrect request"),
        (
            vec![("action", "status")],
            "Missing required parameter: order",
        ),
        (
            vec![("action", "status"), ("order", "1"), ("orders", "1")],
            "Incorrect request",
        ),
        (
            vec![("action", "status"), ("order", "1"), ("order", "2")],
            "Incorrect request",
        ),
        (
            vec![("action", "status"), ("order", "1")],
            "Incorrect order ID",
        ),
        (
            vec![("action", "refill_status"), ("refill", "1")],
            "Refill not found",
        ),
        (add(&[("link", LINK)]), "Incorrect service ID"),
        (
            add(&[("service", "99"), ("link", LINK), ("quantity", "10")]),
            "Incorrect service ID",
        ),
        (add(&[("service", "1"), ("quantity", "10")]), "Bad link"),
        (
            add(&[("service", "1"), ("link", LINK)]),
            "Missing required parameter: quantity",
        ),
        (
            add(&[("service", "1"), ("link", LINK), ("quantity", "ten")]),
            "Incorrect parameter: quantity",
        ),
        (
            add(&[("service", "1"), ("link", LINK), ("quantity", "9")]),
            "Quantity less than minimum",
        ),
        (
            add(&[("service", "1"), ("link", LINK), ("quantity", "100001")]),
            "Quantity more than maximum",
        ),
        (
            add(&[("service", "1"), ("link", LINK), ("quantity", "99999")]),
            "Not enough funds on balance",
        ),
        (
            add(&[("service", "3"), ("link", LINK), ("comments", " \n ")]),
            "Missing required parameter: comments",
        ),
        (
            add(&[("service", "5"), ("link", LINK), ("quantity", "10")]),
            "Answer number is required",
        ),
        (
            add(&[
                ("service", "1"),
                ("link", LINK),
                ("quantity", "10"),
                ("runs", "2"),
            ]),
            "Drip-feed is not available for this service",
        ),
    ];

    for (fields, text) in cases {
        assert_eq!(
            panel.ask(&fields).await,
            json!({ "error": text }).to_string(),
            "{fields:?}"
        );
    }

    for fields in [
        &[("action", "balance")][..],
        &[("action", "balance"), ("key", "other")],
    ] {
        let refused = panel.send(fields).await.unwrap().text().await.unwrap();
        assert_eq!(refused, r#"{"error":"Invalid API key"}"#);
    }

    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"10.00","currency":"USD"}"#
    );

    assert!(panel.simulator.orders().is_empty());
    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_key_and_a_balance_can_be_changed_while_it_runs() {
    let panel = Panel::start("").await;
    panel.simulator.set_balance(Money::ZERO.decimal());
    let refused = panel.add("1", "10").await.unwrap().text().await.unwrap();
    assert_eq!(refused, r#"{"error":"Not enough funds on balance"}"#);
    panel.simulator.set_key("another");
    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"error":"Invalid API key"}"#
    );

    panel.simulator.stop().await;
}

#[tokio::test]
async fn every_type_is_kept_with_what_it_was_told() {
    let panel = Panel::start("").await;
    let comments = "first, with a comma\r\n\n  second \n";

    for more in [
        &[("service", "2")][..],
        &[("service", "3"), ("comments", comments)],
        &[("service", "4"), ("comments", comments)],
        &[("service", "5"), ("quantity", "10"), ("answer_number", "2")],
    ] {
        let answer = panel
            .ask(&[&[("action", "add"), ("link", LINK)], more].concat())
            .await;
        assert!(answer.starts_with(r#"{"order":"#), "{answer}");
    }

    let kept = panel.simulator.orders();
    let facts: Vec<_> = kept
        .iter()
        .map(|order| {
            (
                order.service.as_str(),
                order.quantity,
                Money::from_decimal(order.charge).to_string(),
            )
        })
        .collect();

    let expected = [
        ("2", 1, "1.50"),
        ("3", 2, "0.016"),
        ("4", 1, "2.75"),
        ("5", 10, "0.036"),
    ];

    assert_eq!(
        facts,
        expected.map(|(service, units, charge)| (service, units, charge.to_owned()))
    );

    assert_eq!(kept[1].comments, ["first, with a comma", "second"]);
    assert_eq!(kept[3].answer_number.as_deref(), Some("2"));
    panel.simulator.stop().await;
}

#[tokio::test]
async fn cancels_and_refills_are_told_to_the_letter() {
    let panel = Panel::start("").await;
    let (first, second) = (
        panel.bought("1", "100").await,
        panel.bought("1", "200").await,
    );

    let refused = panel.ask(&[("action", "refill"), ("order", &second)]).await;
    assert_eq!(refused, r#"{"error":"The order is not completed"}"#);
    let canceled = panel
        .ask(&[("action", "cancel"), ("orders", &format!("5,{first}"))])
        .await;

    assert_eq!(
        canceled,
        format!(
            r#"[{{"order":5,"cancel":{{"error":"Incorrect order ID"}}}},{{"order":{first},"cancel":1}}]"#
        )
    );

    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"9.82","currency":"USD"}"#
    );

    panel.turn_s(4);
    assert_eq!(
        panel.ask(&[("action", "cancel"), ("order", &second)]).await,
        r#"{"error":"Order cannot be cancelled (already completed)"}"#
    );

    assert_eq!(
        panel.ask(&[("action", "refill"), ("order", &second)]).await,
        r#"{"refill":"1"}"#
    );

    let again = panel
        .ask(&[("action", "refill"), ("orders", &second)])
        .await;

    let running = "The refill task is not completed for this order";
    assert_eq!(
        again,
        format!(r#"[{{"order":{second},"refill":{{"error":"{running}"}}}}]"#)
    );

    assert_eq!(
        panel
            .ask(&[("action", "refill_status"), ("refill", "1")])
            .await,
        r#"{"status":"In progress"}"#
    );

    panel.turn_s(4);
    assert_eq!(
        panel
            .ask(&[("action", "refill_status"), ("refills", "1,3")])
            .await,
        r#"[{"refill":1,"status":"Completed"},{"refill":3,"status":{"error":"Refill not found"}}]"#
    );

    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_dropped_answer_leaves_an_order_that_was_charged() {
    let panel = Panel::start("").await;
    let error = panel.add("8", "1000").await.unwrap_err();
    assert!(
        error.is_request() && !error.is_connect() && !error.is_timeout(),
        "{error:?}"
    );

    let kept = panel.simulator.orders();
    assert_eq!((kept.len(), kept[0].status), (1, Status::Pending));
    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"9.70","currency":"USD"}"#
    );

    panel.turn_s(4);
    assert_eq!(panel.simulator.orders()[0].status, Status::Completed);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_bad_gateway_leaves_an_order_behind_a_page_of_html() {
    let panel = Panel::start("").await;
    let response = panel.add("9", "1000").await.unwrap();

    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["content-type"].clone()
        ),
        (502, &"text/html".parse().unwrap())
    );

    assert!(response.text().await.unwrap().starts_with("<html>"));
    assert_eq!(panel.simulator.orders().len(), 1);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn faults_befall_accepted_adds_only_and_can_be_changed_while_it_runs() {
    let panel = Panel::start("drop").await;
    assert!(panel.add("1", "10").await.is_err());
    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"9.991","currency":"USD"}"#
    );

    let refused = panel.add("1", "9").await.unwrap().text().await.unwrap();
    assert_eq!(refused, r#"{"error":"Quantity less than minimum"}"#);

    let post = |spec: &'static str| panel.client.post(panel.door("faults")).body(spec).send();
    assert_eq!(
        post("502=1.0").await.unwrap().text().await.unwrap(),
        r#"{"faults":"502"}"#
    );

    assert_eq!(panel.add("1", "10").await.unwrap().status(), 502);
    let wrong = post("flood=1").await.unwrap();
    assert_eq!(wrong.status(), 400);
    assert_eq!(
        wrong.text().await.unwrap(),
        format!(r#"{{"error":"{KNOWN}"}}"#)
    );

    assert_eq!(
        panel.add("1", "10").await.unwrap().status(),
        502,
        "a wrong spec changes nothing"
    );

    panel.simulator.set_faults("".parse().unwrap());
    panel.bought("1", "10").await;
    assert_eq!(panel.simulator.orders().len(), 4);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn the_same_seed_spoils_the_same_adds() {
    let mut stories = Vec::new();
    for _ in 0..2 {
        let panel = Panel::start("drop=0.3,502=0.3").await;
        let mut story = String::new();
        for _ in 0..30 {
            story.push(
                panel
                    .add("1", "10")
                    .await
                    .map_or('d', |answer| if answer.status() == 502 { '5' } else { '.' }),
            );
        }

        assert_eq!(panel.simulator.orders().len(), 30);
        panel.simulator.stop().await;
        stories.push(story);
    }

    assert_eq!(stories[0], stories[1]);
    assert!(
        ['d', '5', '.'].iter().all(|met| stories[0].contains(*met)),
        "{}",
        stories[0]
    );
}

#[tokio::test]
async fn the_side_doors_show_orders_and_count_requests() {
    let panel = Panel::start("").await;
    let order = panel.bought("1", "100").await;
    panel
        .simulator
        .end_order(&order, Ending::Partial { remains: 40 });

    panel.ask(&[("action", "balance")]).await;
    panel.ask(&[("action", "explode")]).await;
    let row = json!({"id": order, "service": "1", "link": LINK, "quantity": 100, "comments": [], "answer_number": null, "details": {},
        "status": "Partial", "charge": "0.054", "remains": 40});
    assert_eq!(panel.look("orders").await, json!([row]));
    assert_eq!(
        panel.look("requests").await,
        json!({"add": 1, "balance": 1, "other": 1})
    );

    let counts = [("add", 1), ("balance", 1), ("other", 1)]
        .map(|(action, count)| (action.to_owned(), count));
    assert_eq!(panel.simulator.requests(), BTreeMap::from(counts));
    panel.simulator.stop().await;
}

#[tokio::test]
async fn what_is_no_form_to_the_endpoint_is_refused() {
    let panel = Panel::start("").await;
    let post = || panel.client.post(panel.simulator.url());
    let json = post()
        .header("content-type", "application/json")
        .body(format!(r#"{{"key":"{KEY}"}}"#))
        .send();

    assert_eq!(
        json.await.unwrap().text().await.unwrap(),
        r#"{"error":"Incorrect request"}"#
    );

    assert_eq!(
        panel
            .client
            .get(panel.simulator.url())
            .send()
            .await
            .unwrap()
            .status(),
        405
    );

    assert_eq!(
        panel
            .client
            .get(panel.door("nothing"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );

    let long = "x".repeat(256 * 1024 + 1);
    assert_eq!(post().body(long).send().await.unwrap().status(), 413);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_stopped_panel_is_gone_although_connections_were_idle() {
    let panel = Panel::start("").await;
    panel.ask(&[("action", "balance")]).await;
    let addr = panel.simulator.addr();
    panel.simulator.stop().await;
    let refused = tokio::net::TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
