//! Exchange: panels that bill in another currency; costs, margins and balances are right in ours.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use panelgate::config;
use panelgate::domain::money::Rate;
use panelgate::domain::provider::PanelDialect;

use crate::books::{holds, read};
use crate::scripted::Scripted;
use crate::world::{Plan, World, all_of};

const UZS: &str = r#"[{"service":"1","name":"Units","type":"Default","category":"C","rate":"11436.5","min":"10","max":"1000"}]"#;

#[tokio::test]
async fn a_panel_in_another_currency_costs_what_it_takes_in_ours() {
    let panel =
        Scripted::saying(r#"{"charge":"686.19","start_count":"1","status":"Partial","remains":"40","currency":"UZS"}"#)
            .await;

    panel.change(|script| {
        script.services = UZS.to_owned();
        script.balance = r#"{"balance":"1143650.00","currency":"UZS"}"#.to_owned();
    });

    let world = panel
        .world_in(
            "UZS",
            "[exchange]\nUZS = { rate = \"0.0000787\", dated = \"2026-11-01\" }\n",
        )
        .await;

    // 11436.5 × 0.0000787 = 0.90005255 for 1,000 units.
    assert!(
        world
            .ask(&[("action", "services")])
            .await
            .contains(r#""rate":"0.90005255""#)
    );

    let order = world.buy("1", "100").await;
    world.work().await;

    assert_eq!(
        holds(&world.database, "cost").await,
        "-0.09000526",
        "rounded up"
    );

    world.pass(1, 10).await;

    // 686.19 × 0.0000787 = 0.054003153, rounded up; the customer gets 40 of 100 back.
    assert_eq!(holds(&world.database, "cost").await, "-0.05400316");

    assert_eq!(
        read(&world.database, "select panel_charge from leg").await,
        "686.19",
        "kept as it was sent"
    );

    assert!(world.status(order).await.contains(r#""status":"Partial""#));

    // 1143650 × 0.0000787 = 90.005255, rounded down.
    world
        .house
        .delivery
        .ask_balance(&world.house.panels[0])
        .await
        .unwrap();

    assert_eq!(
        read(
            &world.database,
            "select trim_scale(balance) || ' ' || balance_text from provider"
        )
        .await,
        "90.005255 1143650.00"
    );

    world.audit().await;
}

/// A gateway in USD beside a panel that bills in UZS, in whichever dialect: what it costs, what is
/// held up, what is booked when the panel has said its last word, and what customers are shown.
#[tokio::test]
async fn in_every_tongue_a_foreign_panel_is_paid_held_up_and_settled_in_ours() {
    for dialect in PanelDialect::ALL {
        let world = foreign(dialect).await;

        // 0.90, 0.72 and 0.65 UZS × 0.0787 = 0.07083, 0.056664 and 0.051155 USD, each sold for half
        // as much again.
        let listed = world.ask(&[("action", "services")]).await;

        for rate in ["0.106245", "0.084996", "0.0767325"] {
            assert!(
                listed.contains(&format!("\"rate\":\"{rate}\"")),
                "{dialect:?}: {rate} {listed}"
            );
        }

        let mut orders = Vec::new();
        for service in ["1", "6", "7"] {
            orders.push(world.buy(service, "1000").await);
        }

        assert_eq!(
            world.balance().await,
            r#"{"balance":"999.7320265","currency":"USD"}"#,
            "{dialect:?}"
        );

        world.work().await;
        assert_eq!(
            holds(&world.database, "cost").await,
            "-0.178649",
            "{dialect:?}: what was expected"
        );

        world.pass(3, 10).await;

        // 1000, 666 and 0 delivered: 0.07083 + 0.47952 × 0.0787 rounded up; 334 of 1000 back, and
        // all of the third.
        assert_eq!(
            holds(&world.database, "cost").await,
            "-0.10856823",
            "{dialect:?}: what was charged"
        );

        assert_eq!(
            holds(&world.database, "float").await,
            "0.10856823",
            "{dialect:?}"
        );

        let shown = [
            ("0.106245", "Completed"),
            ("0.05660734", "Partial"),
            ("0.00", "Canceled"),
        ];

        for (order, (charge, status)) in orders.into_iter().zip(shown) {
            let told = world.status(order).await;
            assert!(
                told.contains(&format!(r#""charge":"{charge}""#)),
                "{dialect:?}: {told}"
            );

            assert!(
                told.contains(&format!(r#""status":"{status}""#)),
                "{dialect:?}: {told}"
            );

            assert!(
                told.ends_with(r#""currency":"USD"}"#),
                "{dialect:?}: ours, never the panel's: {told}"
            );
        }

        let raw = "select string_agg(panel_charge, ' ' order by id) from leg where state = \
                   'accepted' or panel_charge is not null";
        assert!(
            read(&world.database, raw).await.contains("0.47952"),
            "{dialect:?}: as the panel sent it"
        );

        // What the panel holds of ours is told in its money and kept in ours: 100000 − 0.90 −
        // 0.47952 UZS.
        world
            .house
            .delivery
            .ask_balance(&world.house.panels[0])
            .await
            .unwrap();

        let balance = "select trim_scale(balance) || ' ' || balance_text from provider";
        assert_eq!(
            read(&world.database, balance).await,
            "7869.89143177 99998.62048",
            "{dialect:?}"
        );

        world.audit().await;
    }
}

#[tokio::test]
async fn in_every_tongue_a_foreign_panel_that_became_dearer_is_held_up_in_ours() {
    for dialect in PanelDialect::ALL {
        let world = foreign(dialect).await;
        let order = world.buy("1", "1000").await;

        // 1.31 × 0.0787 = 0.103097 of 0.106245 leaves 2.96 %, 1.30 × 0.0787 = 0.10231 leaves 3.7 %.
        for (rate, sent) in [("1.31", 0), ("1.30", 1)] {
            world
                .panel()
                .set_rate("1", Rate::parse(rate).unwrap().decimal());

            world.house.refresh().await.unwrap();
            world.turn(61);
            world.work().await;
            assert_eq!(world.panel().orders().len(), sent, "{dialect:?}: {rate}");
        }

        assert_eq!(
            holds(&world.database, "cost").await,
            "-0.10231",
            "{dialect:?}"
        );

        world.pass(2, 10).await;
        assert!(
            world
                .status(order)
                .await
                .contains(r#""status":"Completed""#),
            "{dialect:?}"
        );

        world.audit().await;
    }
}

async fn foreign(dialect: PanelDialect) -> World {
    let services = "[[markup]]\npercent = \"50\"\n".to_owned() + &all_of("a");
    let exchange = "[exchange]\nUZS = { rate = \"0.0787\", dated = \"2026-11-01\" }\n";

    World::build(Plan {
        dialect,
        currency: "UZS",
        exchange,
        services,
        ..Plan::default()
    })
    .await
}

fn notes(entry: &str, today: &str) -> Result<Vec<String>, String> {
    let text = format!("[gateway]\ncurrency = \"USD\"\n[exchange]\nUZS = {entry}\n");
    let today: NaiveDate = today.parse().unwrap();
    let read = config::read_on(&text, Path::new("."), &BTreeMap::new(), Some(today));
    read.map(|file| file.notes)
        .map_err(|complaints| complaints.to_string())
}

#[test]
fn an_old_rate_is_noted_and_refused_only_where_the_file_says_so() {
    let entry = "{ rate = \"0.0000787\", dated = \"2026-11-01\" }";
    let told = |today: &str| {
        notes(entry, today)
            .unwrap()
            .iter()
            .any(|note| note.contains("UZS"))
    };

    assert!(!told("2026-12-01"));
    assert!(told("2026-12-02"));
    let strict = "{ rate = \"0.0000787\", dated = \"2026-11-01\", stale_after_days = 7 }";
    assert!(notes(strict, "2026-11-08").is_ok());
    let refused = notes(strict, "2026-11-09").unwrap_err();
    assert_eq!(
        refused,
        "providers.toml:4:37: exchange: UZS: dated: the rate is 8 days old, older than \
         stale_after_days allows; write today's"
    );

    assert!(
        notes(entry, "2026-10-31")
            .unwrap_err()
            .contains("still to come")
    );
}
