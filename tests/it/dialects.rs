//! Panels of every dialect, through the doors: what they sell is sold, and orders live and end
//! there.

use panel_sim::currency_of;
use panelgate::domain::provider::PanelDialect;
use serde_json::Value;

use crate::books::read;
use crate::scripted::Scripted;
use crate::world::{Plan, World, all_of, simulated};

const LARGE: u32 = 5_000;
const STORED: &str =
    "select string_agg(service, ' ' order by service) from panel_service where gone_at is null";

/// A world whose panels speak this dialect, everybody billing in its currency.
pub async fn speaking(dialect: PanelDialect, plan: Plan) -> World {
    World::build(Plan {
        dialect,
        currency: currency_of(simulated(dialect)),
        ..plan
    })
    .await
}

#[tokio::test]
async fn five_thousand_services_are_sold_in_every_tongue() {
    let block = |id| {
        format!(
            "[[service]]\nid = {id}\nrefill = true\nroutes = [{{ provider = \"a\", service = \
             \"{id}\" }}]\n"
        )
    };

    let services = (1..=LARGE).map(block).collect::<Vec<_>>().concat();
    let mut listed = Vec::new();

    for dialect in PanelDialect::ALL {
        let plan = Plan {
            services_extra: LARGE - 10,
            services: services.clone(),
            ..Plan::default()
        };

        let world = speaking(dialect, plan).await;
        let stored = "select count(*)::text from panel_service where gone_at is null";
        assert_eq!(
            read(&world.database, stored).await,
            LARGE.to_string(),
            "{dialect:?}"
        );

        let rows: Vec<Value> =
            serde_json::from_str(&world.ask(&[("action", "services")]).await).unwrap();
        assert!(rows.len() > 4_000, "{dialect:?}: {}", rows.len());

        assert_eq!(
            rows.iter().any(|row| row["refill"] == true),
            dialect.has_refills(),
            "{dialect:?}"
        );

        let facts = ["service", "type", "rate", "min", "max"];
        listed.push(
            rows.iter()
                .map(|row| facts.map(|fact| row[fact].clone()))
                .collect::<Vec<_>>(),
        );
    }

    assert!(
        listed[0] == listed[1] && listed[1] == listed[2],
        "the same rows, however they were written"
    );
}

#[tokio::test]
async fn orders_end_in_every_tongue_as_their_panel_says() {
    for dialect in PanelDialect::ALL {
        let world = speaking(dialect, Plan::default()).await;
        let ends = [
            ("1", "Completed", "0.90"),
            ("6", "Partial", "0.47952"),
            ("7", "Canceled", "0.00"),
        ];

        let mut orders = Vec::new();
        for (service, _, _) in ends {
            orders.push(world.buy(service, "1000").await);
        }

        let canceled = world.buy("10", "1000").await;
        world.work().await;
        world.turn(3);
        world
            .ask(&[("action", "cancel"), ("order", &canceled.to_string())])
            .await;

        world.pass(3, 10).await;
        for (order, (_, status, charge)) in orders.iter().zip(ends) {
            let shown = world.status(*order).await;
            assert!(
                shown.contains(&format!(r#""charge":"{charge}""#)),
                "{dialect:?}: {shown}"
            );

            assert!(
                shown.contains(&format!(r#""status":"{status}""#)),
                "{dialect:?}: {shown}"
            );
        }

        let shown = world.status(canceled).await;
        assert!(
            shown.contains(r#""status":"Canceled""#),
            "{dialect:?}: {shown}"
        );

        assert_eq!(world.panel().requests()["cancel"], 1, "{dialect:?}");
        world.audit().await;
    }
}

#[tokio::test]
async fn refills_are_made_where_the_tongue_has_words_for_them() {
    for dialect in PanelDialect::ALL {
        let services = all_of("a").replace("routes", "refill = true\nroutes");
        let world = speaking(
            dialect,
            Plan {
                services,
                ..Plan::default()
            },
        )
        .await;

        let order = world.buy("1", "100").await.to_string();
        world.pass(3, 10).await;
        let answer = world.ask(&[("action", "refill"), ("order", &order)]).await;
        world.pass(100, 60).await;
        let asked = world.panel().requests().contains_key("refill");

        if dialect.has_refills() {
            assert_eq!(
                (answer.as_str(), asked),
                (r#"{"refill":"1"}"#, true),
                "{dialect:?}"
            );

            let state = world
                .ask(&[("action", "refill_status"), ("refill", "1")])
                .await;
            assert_eq!(state, r#"{"status":"Completed"}"#, "{dialect:?}");
        } else {
            let refused = r#"{"error":"Refill is disabled for this service"}"#;
            assert_eq!((answer.as_str(), asked), (refused, false), "{dialect:?}");
        }

        world.audit().await;
    }
}

#[tokio::test]
async fn a_catalog_in_parts_is_read_to_its_end() {
    let panel = Scripted::saying("{}").await;
    let row = r#"{"service":"9","name":"Late","type":"Default","category":"C","rate":"1","min":"1","max":"2"}"#;
    panel.change(|script| script.further = format!("[{row}]"));
    let world = panel.world_with("services_offset = true\n").await;
    assert_eq!(read(&world.database, STORED).await, "1 2 9");

    assert_eq!(
        panel.requests("services"),
        3,
        "until a part brings nothing new"
    );

    panel.change(|script| script.further = "<html>".to_owned());
    world.house.refresh().await.unwrap();

    assert_eq!(
        read(&world.database, STORED).await,
        "1 2 9",
        "half a catalog switches nothing off"
    );
}
