//! The simulated panel in its other dialects: to the letter, and with a memory for names where its
//! dialect has one.

use panel_sim::Fault;
use panelgate::domain::money::Money;
use panelgate::domain::provider::PanelDialect;
use serde_json::{Value, json};

use crate::simulator::{KEY, LINK, Panel};

async fn paynow() -> Panel {
    Panel::speaking(PanelDialect::Paynow, "", 0).await
}

async fn notpanel() -> Panel {
    Panel::speaking(PanelDialect::Notpanel, "", 0).await
}

/// Asks with the right key: the HTTP status and the exact body.
async fn said(panel: &Panel, fields: &[(&str, &str)]) -> (u16, String) {
    let response = panel
        .send(&[&[("key", KEY)], fields].concat())
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn add<'a>(quantity: &'a str, name: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("action", "add"),
        ("service", "1"),
        ("link", LINK),
        ("quantity", quantity),
        ("request_id", name),
    ]
}

fn order_of(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap();
    answer["order"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn paynow_writes_numbers_and_its_own_currency() {
    let panel = paynow().await;
    let listed = panel.ask(&[("action", "services")]).await;
    let first = r#"[{"service":1,"name":"Followers, completes","type":"Default","category":"Followers","rate":"0.90000","min":10,"max":100000,"refill":false,"cancel":true},"#;
    assert!(
        listed.starts_with(first) && !listed.contains(r#""refill":true"#),
        "{listed}"
    );

    let order = panel.bought("1", "100").await;
    assert_eq!(
        panel.ask(&[("action", "status"), ("order", &order)]).await,
        r#"{"charge":"0.09","start_count":0,"status":"Pending","remains":100,"currency":"UZS"}"#
    );

    let canceled = panel
        .ask(&[("action", "cancel"), ("orders", &format!("{order},5"))])
        .await;

    let expected = format!(
        r#"[{{"order":{order},"cancel":{{"status":1}}}},{{"order":5,"cancel":{{"error":"Incorrect order ID"}}}}]"#
    );

    assert_eq!(canceled, expected);
    let status = panel.ask(&[("action", "status"), ("orders", &order)]).await;
    assert!(
        status.starts_with(&format!(r#"{{"{order}":{{"charge":"0.00""#))
            && status.contains(r#""Cancelled""#)
    );

    assert_eq!(
        panel.ask(&[("action", "balance")]).await,
        r#"{"balance":"10.00","currency":"UZS"}"#
    );

    panel.simulator.stop().await;
}

#[tokio::test]
async fn paynow_lacks_refills_and_cancels_lists_only() {
    let panel = paynow().await;
    let order = panel.bought("1", "100").await;
    panel.turn_s(10);

    for action in ["refill", "refill_status", "cancel"] {
        let refused = panel.ask(&[("action", action), ("order", &order)]).await;
        assert_eq!(refused, r#"{"error":"Incorrect request"}"#, "{action}");
    }

    panel.simulator.stop().await;
}

#[tokio::test]
async fn notpanel_writes_letters_and_flat_rows() {
    let panel = notpanel().await;
    let (status, answer) = said(&panel, &add("100", "n-1")).await;
    let order = order_of(&answer);
    assert_eq!(
        (status, answer),
        (200, json!({ "order": order }).to_string())
    );

    assert!(order.starts_with("ord_") && order.len() == 30, "{order}");
    let row = r#"{"charge":"0.09","start_count":"0","status":"pending","remains":"100","currency":"USD"}"#;
    assert_eq!(
        said(&panel, &[("action", "status"), ("order", &order)]).await,
        (200, row.to_owned())
    );

    let many = said(
        &panel,
        &[("action", "status"), ("orders", &format!("{order},ord_x"))],
    )
    .await;

    assert_eq!(
        many.1,
        format!(r#"{{"{order}":{row},"ord_x":{{"error":"Order not found"}}}}"#)
    );

    let (_, second) = said(&panel, &add("200", "n-2")).await;
    let second = order_of(&second);
    let canceled = said(&panel, &[("action", "cancel"), ("order", &second)]).await;
    assert_eq!(canceled, (200, json!({ "cancel": second }).to_string()));
    assert_eq!(panel.look("orders").await[1]["status"], "cancelled");
    panel.turn_s(4);

    let ended = r#"{"error":"Order cannot be cancelled (already completed)"}"#;
    assert_eq!(
        said(&panel, &[("action", "cancel"), ("order", &order)]).await,
        (400, ended.to_owned())
    );

    let rows = said(&panel, &[("action", "cancel"), ("orders", &order)]).await;
    assert_eq!(
        rows,
        (
            200,
            format!(r#"[{{"order":"{order}","error":"Order already completed"}}]"#)
        )
    );

    panel.simulator.stop().await;
}

#[tokio::test]
async fn notpanel_refills_under_letters_too() {
    let panel = notpanel().await;
    let order = order_of(&said(&panel, &add("100", "n-1")).await.1);
    panel.turn_s(4);
    let refilled = said(&panel, &[("action", "refill"), ("order", &order)])
        .await
        .1;

    let refill = refilled.split('"').nth(3).unwrap().to_owned();
    assert!(
        refill.starts_with("ref_") && refilled == format!(r#"{{"refill":"{refill}"}}"#),
        "{refilled}"
    );

    let again = said(&panel, &[("action", "refill"), ("orders", &order)])
        .await
        .1;

    let pending = "A refill request is already pending for this order";
    assert_eq!(
        again,
        format!(r#"[{{"order":"{order}","error":"{pending}"}}]"#)
    );

    let states = said(
        &panel,
        &[
            ("action", "refill_status"),
            ("refills", &format!("{refill},ref_x")),
        ],
    )
    .await
    .1;

    let expected = format!(
        r#"[{{"refill":"{refill}","status":"in_progress"}},{{"refill":"ref_x","error":"Refill not found"}}]"#
    );

    assert_eq!(states, expected);
    panel.simulator.stop().await;
}

#[tokio::test]
async fn every_refusal_of_notpanel_has_its_text_and_its_status() {
    let panel = notpanel().await;
    let with = |more: &[(&'static str, &'static str)]| {
        [&[("action", "add"), ("request_id", "r")], more].concat()
    };

    for (fields, text) in [
        (vec![("action", "explode")], "Unknown action"),
        (
            vec![("action", "status")],
            "Missing required parameter: order",
        ),
        (
            vec![("action", "status"), ("order", "1"), ("orders", "1")],
            "Either order or orders is required, not both",
        ),
        (
            vec![("action", "status"), ("order", "7")],
            "Order not found",
        ),
        (
            vec![("action", "add"), ("service", "1")],
            "Missing required parameter: request_id",
        ),
        (with(&[]), "Missing required parameter: service"),
        (
            with(&[("service", "99"), ("link", LINK), ("quantity", "10")]),
            "Service not found",
        ),
        (
            with(&[("service", "1"), ("quantity", "10")]),
            "Missing required parameter: link",
        ),
        (
            with(&[("service", "1"), ("link", LINK), ("quantity", "9")]),
            "Quantity less than minimum 10",
        ),
        (
            with(&[("service", "1"), ("link", LINK), ("quantity", "100001")]),
            "Quantity more than maximum 100000",
        ),
        (
            with(&[("service", "1"), ("link", LINK), ("quantity", "99999")]),
            "Insufficient balance",
        ),
        (
            with(&[("service", "1"), ("link", LINK), ("quantity", "x")]),
            "Invalid parameter: quantity",
        ),
    ] {
        assert_eq!(
            said(&panel, &fields).await,
            (400, json!({ "error": text }).to_string()),
            "{fields:?}"
        );
    }

    let wrong = panel
        .send(&[("action", "balance"), ("key", "other")])
        .await
        .unwrap();

    assert_eq!(
        (wrong.status().as_u16(), wrong.text().await.unwrap()),
        (400, r#"{"error":"Invalid API key"}"#.into())
    );

    assert!(panel.simulator.orders().is_empty());
    panel.simulator.stop().await;
}

#[tokio::test]
async fn a_name_is_answered_with_its_order_for_ever_and_for_nothing_else() {
    let panel = notpanel().await;
    let first = said(&panel, &add("100", "n")).await;
    panel.simulator.set_balance(Money::ZERO.decimal());
    panel.turn_s(86_400);
    assert_eq!(said(&panel, &add("100", "n")).await, first);
    let used = (
        400,
        r#"{"error":"request_id was used for a different order"}"#.to_owned(),
    );

    assert_eq!(said(&panel, &add("101", "n")).await, used);
    assert_eq!(panel.simulator.orders().len(), 1);
    let poor = (400, r#"{"error":"Insufficient balance"}"#.to_owned());
    assert_eq!(said(&panel, &add("100", "m")).await, poor);
    panel
        .simulator
        .set_balance(Money::parse("1").unwrap().decimal());

    assert_eq!(
        said(&panel, &add("100", "m")).await.0,
        200,
        "what was refused is not remembered"
    );

    panel.simulator.stop().await;
}

/// What eight adds were answered, and what the panel has of them.
async fn story(dialect: PanelDialect, fault: Fault) -> (Vec<Option<(u16, String)>>, Vec<String>) {
    let panel = Panel::speaking(dialect, &format!("{}=0.5", fault.name()), 0).await;
    let mut heard = Vec::new();

    for n in 0..8 {
        let name = n.to_string();
        heard.push(
            match panel
                .send(&[&[("key", KEY)], &add("10", &name)[..]].concat())
                .await
            {
                Ok(response) => Some((
                    response.status().as_u16(),
                    response.text().await.unwrap_or_default(),
                )),
                Err(_) => None,
            },
        );
    }

    let orders = panel
        .simulator
        .orders()
        .into_iter()
        .map(|order| order.id)
        .collect();

    panel.simulator.stop().await;
    (heard, orders)
}

#[tokio::test]
async fn every_fault_befalls_every_tongue_and_the_same_seed_tells_the_same_story() {
    for dialect in PanelDialect::ALL {
        for fault in Fault::ALL
            .into_iter()
            .filter(|fault| !matches!(fault, Fault::Hang | Fault::Slow))
        {
            let told = story(dialect, fault).await;
            assert_eq!(told, story(dialect, fault).await, "{dialect:?} {fault:?}");
            let (heard, orders) = told;
            let turned_away = matches!(fault, Fault::Unread | Fault::TooFast | Fault::Suspended);
            assert_eq!(orders.len() < 8, turned_away, "{dialect:?} {fault:?}");

            let whole = |id: &String| {
                [
                    format!(r#"{{"order":{id}}}"#),
                    format!(r#"{{"order":"{id}"}}"#),
                ]
            };

            let named = |id: &String| {
                heard
                    .iter()
                    .flatten()
                    .any(|(_, text)| whole(id).contains(text))
            };

            let answered = orders.iter().filter(|id| named(id)).count();
            assert!(
                (1..8).contains(&answered),
                "{dialect:?} {fault:?}: {heard:?}"
            );
        }
    }
}
