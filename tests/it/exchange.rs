//! Exchange: panels that bill in another currency; costs, margins and balances are right in ours.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use panelgate::config;

use crate::books::{holds, read};
use crate::scripted::Scripted;

const UZS: &str =
    r#"[{"service":"1","name":"Units","type":"Default","category":"C","rate":"11436.5","min":"10","max":"1000"}]"#;

#[tokio::test]
async fn a_panel_in_another_currency_costs_what_it_takes_in_ours() {
    let panel =
        Scripted::saying(r#"{"charge":"686.19","start_count":"1","status":"Partial","remains":"40","currency":"UZS"}"#)
            .await;
    panel.change(|script| {
        script.services = UZS.to_owned();
        script.balance = r#"{"balance":"1143650.00","currency":"UZS"}"#.to_owned();
    });
    let world = panel.world_in("UZS", "[exchange]\nUZS = { rate = \"0.0000787\", dated = \"2026-11-01\" }\n").await;
    // 11436.5 × 0.0000787 = 0.90005255 for 1,000 units.
    assert!(world.ask(&[("action", "services")]).await.contains(r#""rate":"0.90005255""#));
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(holds(&world.database, "cost").await, "-0.09000526", "rounded up");
    world.pass(1, 10).await;
    // 686.19 × 0.0000787 = 0.054003153, rounded up; the customer gets 40 of 100 back.
    assert_eq!(holds(&world.database, "cost").await, "-0.05400316");
    assert_eq!(read(&world.database, "select panel_charge from leg").await, "686.19", "kept as it was sent");
    assert!(world.status(order).await.contains(r#""status":"Partial""#));
    // 1143650 × 0.0000787 = 90.005255, rounded down.
    world.house.delivery.ask_balance(&world.house.panels[0]).await.unwrap();
    assert_eq!(
        read(&world.database, "select trim_scale(balance) || ' ' || balance_text from provider").await,
        "90.005255 1143650.00"
    );
    world.audit().await;
}

fn notes(entry: &str, today: &str) -> Result<Vec<String>, String> {
    let text = format!("[gateway]\ncurrency = \"USD\"\n[exchange]\nUZS = {entry}\n");
    let today: NaiveDate = today.parse().unwrap();
    let read = config::read_on(&text, Path::new("."), &BTreeMap::new(), Some(today));
    read.map(|file| file.notes).map_err(|complaints| complaints.to_string())
}

#[test]
fn an_old_rate_is_noted_and_refused_only_where_the_file_says_so() {
    let entry = "{ rate = \"0.0000787\", dated = \"2026-11-01\" }";
    let told = |today: &str| notes(entry, today).unwrap().iter().any(|note| note.contains("UZS"));
    assert!(!told("2026-12-01"));
    assert!(told("2026-12-02"));
    let strict = "{ rate = \"0.0000787\", dated = \"2026-11-01\", stale_after_days = 7 }";
    assert!(notes(strict, "2026-11-08").is_ok());
    let refused = notes(strict, "2026-11-09").unwrap_err();
    assert_eq!(
        refused,
        "providers.toml:4:37: exchange: UZS: dated: the rate is 8 days old, older than stale_after_days allows; write today's"
    );
    assert!(notes(entry, "2026-10-31").unwrap_err().contains("still to come"));
}
