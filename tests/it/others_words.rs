//! What panels and customers say stands on one line wherever it is shown: nobody writes a line of
//! our log.

use std::fs::File;

use crate::node::{Ground, Node, until};
use crate::scripted::Scripted;

/// What a line of ours looks like.
const FORGED: &str = "2026-01-01T00:00:00Z ERROR panelgate: all is lost";

/// Services whose names break lines, clear the screen and turn the direction of reading.
fn services() -> String {
    let row = |id: u8, name: &str| {
        format!(
            r#"{{"service":{id},"name":"{name}","type":"Default","category":"A\r\n{FORGED}","rate":"0.90","min":"10","max":"1000"}}"#
        )
    };

    let forged = format!(r"Followers\n{FORGED}\r\n");
    format!(
        "[{},{}]",
        row(1, &forged),
        row(2, r"Views\u001b[2J\u0000\u0085\u2028\u202etxet")
    )
}

/// What a text has that is not shown, but changes how it looks.
fn unruly(text: &str) -> Vec<char> {
    let is_unruly =
        |c: &char| *c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{202e}'));
    text.chars().filter(is_unruly).collect()
}

#[tokio::test]
async fn a_panel_writes_no_line_of_ours() {
    let panel =
        Scripted::saying(r#"{"status":"Odd\nword\u001b[31m","charge":"0.09","remains":"1"}"#).await;
    panel.change(|script| script.services = services());
    let refusal = format!(r#"{{"error":"No, \n{FORGED}\u001b[2J"}}"#);

    // No JSON, so its lines are lines.
    let page = format!("<html>\r\n{FORGED}\r\n\u{1b}[2J</html>");

    panel.say(move |form| {
        let is_odd = form.get("link").is_some_and(|link| link.ends_with("odd"));
        let is_of_balance = form.get("action")? == "balance";
        is_odd
            .then(|| refusal.clone())
            .or_else(|| is_of_balance.then(|| page.clone()))
            .map(|body| (200, body))
    });

    let text = format!(
        "[gateway]\ncurrency = \"USD\"\n{}[[import]]\nprovider = \"s\"\nids_from = \
         500\n[[markup]]\npercent = \"20\"\n",
        panel.block()
    );

    let ground = Ground::new(&text).await;
    let log = ground.folder.path().join("log");

    let node = Node::start_telling(
        &mut ground.serve(&ground.url()),
        File::create(&log).unwrap(),
    )
    .await;

    let mut order = String::new();
    for link in ["https://example.org/plain", "https://example.org/odd"] {
        let add = [
            ("action", "add"),
            ("service", "500"),
            ("link", link),
            ("quantity", "100"),
        ];

        let (_, answer) = node.ask(&ground.key, &add).await;
        order = answer.chars().filter(char::is_ascii_digit).collect();
        assert!(!order.is_empty(), "{answer}");
    }

    // A key and an action in odd letters are refused, and told at most.
    for odd in [format!("a\n{FORGED}\n"), "\u{1b}[2J".to_owned()] {
        node.ask(&odd, &[("action", &odd)]).await;
    }

    until("both were heard of", async || {
        panel.requests("add") >= 2 && panel.requests("status") >= 2
    })
    .await;

    let (_, services) = node.ask(&ground.key, &[("action", "services")]).await;
    let services: Vec<serde_json::Value> = serde_json::from_str(&services).unwrap();
    assert_eq!(services.len(), 2);

    for service in &services {
        let shown = format!(
            "{}{}",
            service["name"].as_str().unwrap(),
            service["category"].as_str().unwrap()
        );

        assert!(
            !shown.contains('\n') && !shown.contains('\r') && !shown.contains('\u{1b}'),
            "{shown:?}"
        );
    }

    let listed = [
        "catalog list",
        "provider list",
        "provider words",
        "order list",
        "order show",
        "alert list",
        "config list",
    ];

    let mut printed = Vec::new();
    for words in listed {
        let mut words: Vec<_> = words.split(' ').collect();
        words.extend(words.contains(&"show").then_some(order.as_str()));
        let (_, out, errors) = ground.run(&words).await;
        printed.push(out + &errors);
    }

    assert_eq!(node.end().await, Some(0));
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(
        log.contains(FORGED),
        "what a panel said of our balance is in the log: {log}"
    );

    printed.push(log);
    for text in printed {
        assert!(unruly(&text).is_empty(), "{:?} in {text}", unruly(&text));
        assert!(
            text.lines()
                .all(|line| !line.trim_start().starts_with(FORGED)),
            "{text}"
        );
    }
}
