//! Prices of one's own: who sees and pays what, in both dialects and for every type, and what
//! follows a change of tier.

use std::fmt::Write;
use std::time::{Duration, Instant};

use panelgate::catalog::{self, Service};
use panelgate::domain::customer::Dialect;
use panelgate::domain::id::CustomerId;
use panelgate::domain::money::{Money, Rate};
use panelgate::domain::service::{PackageBilling, ServiceType};
use panelgate::store::customers;
use serde_json::Value;

use crate::types::ORDERS;
use crate::world::{Plan, World, all_of, buyer};

const LINK: &str = "https://example.org/prices";
/// How long a tier that was changed may still be believed, with room for a busy machine.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(2);

const RULES: &str = r#"
[[tier]]
id = "reseller"
per_minute = 5000

[[markup]]
percent = "50"
rounding = "up:0.1"

[[markup]]
category = "Likes"
percent = "40"

[[markup]]
tier = "reseller"
percent = "20"

[[markup]]
customer = "ann"
category = "Follow*"
percent = "-2.5"
fixed = "0.001"

[[markup]]
customer = 3
service = 1
percent = "10"
"#;

async fn world(rules: &str) -> World {
    World::build(Plan {
        services: all_of("a") + "\n" + rules,
        ..Plan::default()
    })
    .await
}

async fn put_into(world: &World, customer: CustomerId, tier: &str) -> bool {
    let mut tx = world.house.store.begin().await.unwrap();
    let changed = customers::set_tier(&mut tx, customer, tier).await.unwrap();
    tx.commit().await.unwrap();
    changed
}

/// What a key is told of a service: its printed price, where it is listed.
async fn printed(world: &World, key: &str, service: i32) -> Option<String> {
    let listed: Vec<Value> =
        serde_json::from_str(&world.ask_as(key, &[("action", "services")]).await).unwrap();
    let row = listed.into_iter().find(|row| row["service"] == service)?;
    Some(row["rate"].as_str().unwrap().to_owned())
}

async fn add(world: &World, key: &str, service: i32, fields: &[(&str, &str)]) -> String {
    let service = service.to_string();
    world
        .ask_as(
            key,
            &[
                &[("action", "add"), ("service", &service), ("link", LINK)],
                fields,
            ]
            .concat(),
        )
        .await
}

/// Charge, price, rule and configuration of the newest order.
async fn newest(world: &World) -> (Money, Rate, String, String) {
    let newest =
        "select charge::text, rate::text, rule, config_hash from orders order by id desc limit 1";
    let row: (String, String, String, String) = sqlx::query_as(newest)
        .fetch_one(&world.pool().await)
        .await
        .unwrap();

    (
        Money::parse(&row.0).unwrap(),
        Rate::parse(&row.1).unwrap(),
        row.2,
        row.3,
    )
}

#[tokio::test]
async fn everybody_sees_and_pays_the_price_of_the_most_particular_rule() {
    let world = world(RULES).await;
    let (ann, ann_key, _) = buyer(&world.house, "ann", "100").await;
    let (bob, bob_key, _) = buyer(&world.house, "bob", "100").await;
    let (cid, cid_key, _) = buyer(&world.house, "cid", "100").await;
    assert_eq!((ann.0, bob.0), (2, 3), "the rules name them so");

    for customer in [bob, cid] {
        assert!(put_into(&world, customer, "reseller").await);
        assert!(!put_into(&world, customer, "reseller").await);
    }

    let all = "markup of all: 50 %, up to a multiple of 0.10";
    let likes = "markup of category \"Likes\": 40 %";
    let ann_rule = "markup of customer \"ann\", category \"Follow*\": -2.5 % + 0.001";
    let bob_rule = "markup of customer 3, service 1: 10 %";
    let tier = "markup of tier \"reseller\": 20 %";

    for (key, service, rate, rule) in [
        (&world.key, 1, "1.40", all),
        (&world.key, 8, "0.42", likes),
        (&ann_key, 1, "0.8785", ann_rule),
        (&ann_key, 8, "0.42", likes),
        (&bob_key, 1, "0.99", bob_rule),
        (&bob_key, 8, "0.36", tier),
        (&cid_key, 1, "1.08", tier),
        (&cid_key, 8, "0.36", tier),
    ] {
        assert_eq!(
            printed(&world, key, service).await.as_deref(),
            Some(rate),
            "{rule}"
        );
        let answer = add(&world, key, service, &[("quantity", "111")]).await;
        assert!(answer.starts_with(r#"{"order":"#), "{answer}");
        let rate = Rate::parse(rate).unwrap();
        let bought = (
            rate.for_units(111).unwrap(),
            rate,
            rule.to_owned(),
            world.file.mapping.hash.0.clone(),
        );
        assert_eq!(newest(&world).await, bought);
    }

    // A suspended customer is told that and nothing else.
    let mut tx = world.house.store.begin().await.unwrap();
    assert!(
        customers::suspend_customer(&mut tx, cid, world.house.clock.now())
            .await
            .unwrap()
    );

    tx.commit().await.unwrap();
    let key = world.key_of(cid, Dialect::Classic).await;
    assert_eq!(
        world.ask_as(&key, &[("action", "services")]).await,
        r#"{"error":"Account suspended"}"#
    );

    world.pass(2, 10).await;
    world.audit().await;
}

/// The printed price is what is charged, whatever is bought, however packages are billed, in either
/// dialect; and what is given back is of that charge.
#[tokio::test]
async fn every_type_is_bought_at_the_price_that_its_customer_was_shown() {
    const SERVICES: u32 = 1_000;
    let mut services = (1..=SERVICES).fold(String::new(), |mut text, id| {
        let billing = if id % 2 == 0 { "min" } else { "rate" };
        let route = format!("{{ provider = \"a\", service = \"{id}\" }}");

        writeln!(
            text,
            "[[service]]\nid = {id}\npackage_billing = \"{billing}\"\nroutes = [{route}]"
        )
        .unwrap();

        text
    });

    services += "[[markup]]\npercent = \"7\"\n[[markup]]\ncustomer = \"ann\"\npercent = \
                 \"33.3333\"\nfixed = \"0.00000001\"\n";

    let world = World::build(Plan {
        services_extra: SERVICES - 10,
        services,
        ..Plan::default()
    })
    .await;

    let (ann, key, _) = buyer(&world.house, "ann", "100000").await;
    let letters = world.key_of(ann, Dialect::Notpanel).await;
    let now = world.house.catalog.now();
    let mut bought = 0;

    for (kind, fields) in ORDERS {
        for billing in [PackageBilling::Rate, PackageBilling::Min] {
            let fits = |sold: &&Service| {
                sold.kind == kind
                    && sold.package_billing == billing
                    && (kind.is_package() || (2..=5).contains(&sold.min))
            };

            let Some(sold) = now.sold.values().map(AsRef::as_ref).find(fits) else {
                assert!(
                    kind != ServiceType::Package,
                    "packages are billed both ways"
                );
                continue;
            };

            for key in [&key, &letters] {
                bought += 1;
                let shown = Rate::parse(&printed(&world, key, sold.id.0).await.unwrap()).unwrap();
                assert_ne!(shown, sold.price.rate, "a price of one's own");
                let request = ("request_id", &*format!("{bought}"));
                let answer = add(&world, key, sold.id.0, &[fields, &[request]].concat()).await;
                assert!(answer.contains("\"order\":"), "{kind:?}: {answer}");

                world.work().await;
                let quantity = world.panel().orders().last().unwrap().quantity;
                let (charge, rate, _, _) = newest(&world).await;
                assert_eq!(
                    (charge, rate),
                    (sold.billed(quantity).at(shown).unwrap(), shown),
                    "{kind:?} {billing:?}"
                );
            }
        }
    }

    assert!(bought > 2 * ORDERS.len(), "{bought}");

    // A partial of one's own price: 0.72 × 1.333333 + 0.00000001 = 0.95999977 for 1,000, so
    // 0.09599998 for 100; 34 of them back is 0.03263999, rounded down.
    let key = world.key_of(ann, Dialect::Classic).await;
    let answer = add(&world, &key, 6, &[("quantity", "100")]).await;
    world.pass(2, 10).await;
    let order = answer
        .trim_start_matches("{\"order\":")
        .trim_end_matches('}')
        .to_owned();

    let status = world
        .ask_as(&key, &[("action", "status"), ("order", &order)])
        .await;

    assert!(
        status.contains(r#""charge":"0.06335999""#) && status.contains(r#""remains":"34""#),
        "{status}"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_change_of_tier_is_followed_within_a_second() {
    let world = world(RULES).await;
    assert_eq!(
        printed(&world, &world.key, 1).await.as_deref(),
        Some("1.40")
    );

    put_into(&world, world.customer, "reseller").await;
    let changed = Instant::now();

    while printed(&world, &world.key, 1).await.as_deref() != Some("1.08") {
        // Its minute must not fill up with these questions.
        world.turn(1);
        assert!(changed.elapsed() < FOLLOWED_WITHIN, "still of the old tier");
    }

    assert!(
        add(&world, &world.key, 1, &[("quantity", "1000")])
            .await
            .starts_with(r#"{"order":"#)
    );

    assert_eq!(newest(&world).await.1, Rate::parse("1.08").unwrap());
}

/// Of limits it was always so: who is of a tier that the file does not know counts as standard.
#[tokio::test]
async fn an_unknown_tier_counts_as_standard() {
    let world = world("[[markup]]\ntier = \"standard\"\npercent = \"5\"\n").await;
    let (lost, lost_key, _) = buyer(&world.house, "lost", "1").await;
    put_into(&world, lost, "gold").await;

    for key in [&world.key, &lost_key] {
        assert_eq!(printed(&world, key, 1).await.as_deref(), Some("0.945"));
    }

    assert_eq!(
        world
            .house
            .catalog
            .now()
            .sold
            .values()
            .next()
            .unwrap()
            .price
            .rule,
        "no markup",
        "everybody's is another"
    );
}

#[tokio::test]
async fn no_markup_speaks_over_a_fixed_price_and_none_sells_for_nothing() {
    let services = "[[service]]\nid = 1\nrate = \"2\"\nroutes = [{ provider = \"a\", service = \
                    \"1\" }]\n[[service]]\nid = 6\nroutes = [{ provider = \"a\", service = \"6\" \
                    }]\n[[service]]\nid = 8\nroutes = [{ provider = \"a\", service = \"8\" \
                    }]\n[[markup]]\ncustomer = \"buyer\"\npercent = \"-50\"\n[[markup]]\ncustomer \
                    = \"buyer\"\nservice = 8\npercent = \"-100\"\n";

    let world = World::build(Plan {
        services: services.to_owned(),
        ..Plan::default()
    })
    .await;

    assert_eq!(
        printed(&world, &world.key, 1).await.as_deref(),
        Some("2.00")
    );

    assert_eq!(
        printed(&world, &world.key, 6).await.as_deref(),
        Some("0.36")
    );

    assert_eq!(printed(&world, &world.key, 8).await, None);
    let refused = add(&world, &world.key, 8, &[("quantity", "100")]).await;
    assert_eq!(refused, r#"{"error":"Incorrect service ID"}"#);
    let (_, other, _) = buyer(&world.house, "other", "1").await;
    assert_eq!(printed(&world, &other, 8).await.as_deref(), Some("0.30"));

    assert!(
        add(&world, &world.key, 1, &[("quantity", "100")])
            .await
            .starts_with(r#"{"order":"#)
    );

    assert_eq!(newest(&world).await.2, "fixed rate");

    // Sold below its cost because the operator said so: the guard holds up only what became dearer
    // since.
    let below = add(&world, &world.key, 6, &[("quantity", "100")]).await;
    assert!(below.starts_with(r#"{"order":"#), "{below}");
    assert_eq!(newest(&world).await.0, Money::parse("0.036").unwrap());
    world.work().await;

    let services: Vec<String> = world
        .panel()
        .orders()
        .into_iter()
        .map(|order| order.service)
        .collect();

    assert_eq!(services, ["1", "6"]);
    world.audit().await;
}

#[tokio::test]
async fn a_provider_names_the_panel_whose_cost_is_marked_up() {
    let services = "[[service]]\nid = 1\nroutes = [{ provider = \"a\", service = \"1\" }, { \
                    provider = \"b\", service = \"1\" }]\n[[markup]]\npercent = \
                    \"10\"\n[[markup]]\nprovider = \"b\"\npercent = \"20\"\n[[markup]]\ncustomer \
                    = \"ann\"\nprovider = \"b\"\npercent = \"30\"\n";

    let panels = vec![("a", ""), ("b", "")];
    let world = World::build(Plan {
        panels,
        services: services.to_owned(),
        ..Plan::default()
    })
    .await;

    let (_, ann, _) = buyer(&world.house, "ann", "1").await;
    for key in [&world.key, &ann] {
        assert_eq!(printed(&world, key, 1).await.as_deref(), Some("0.99"));
    }

    world.panels[0].switch_service("1", false);
    world.house.refresh().await.unwrap();
    assert_eq!(
        printed(&world, &world.key, 1).await.as_deref(),
        Some("1.08")
    );

    assert_eq!(
        printed(&world, &ann, 1).await.as_deref(),
        Some("1.17"),
        "spelled anew for the new catalog"
    );
}

#[tokio::test]
async fn a_rule_for_nobody_is_known_until_somebody_is_opened() {
    let rules = "[[markup]]\ncustomer = \"ann\"\npercent = \"1\"\n[[markup]]\ncustomer = \
                 \"77\"\npercent = \"2\"\n[[markup]]\ncustomer = 1\npercent = \
                 \"3\"\n[[markup]]\ncustomer = \"ann\"\nservice = 1\npercent = \"4\"\n";

    let world = world(rules).await;
    let unknown_customers = async || {
        let who = catalog::unknown_customers(&world.house.store, &world.file.mapping)
            .await
            .unwrap();
        who.iter().map(ToString::to_string).collect::<Vec<_>>()
    };

    assert_eq!(unknown_customers().await, ["77", "\"ann\""]);
    let (_, ann, _) = buyer(&world.house, "ann", "1").await;
    assert_eq!(unknown_customers().await, ["77"]);
    assert_eq!(printed(&world, &ann, 1).await.as_deref(), Some("0.936"));
}

/// What five thousand services cost to look up: for everybody, and for whom rules speak.
/// `--nocapture` tells.
#[allow(
    clippy::print_stdout,
    reason = "the figures are what whoever runs it alone wants to see"
)]
#[tokio::test]
async fn five_thousand_services_at_ones_own_prices_are_spelled_once() {
    const LARGE: u32 = 5_000;
    let mut services = (1..=LARGE).fold(String::new(), |mut text, id| {
        write!(
            text,
            "[[service]]\nid = {id}\nroutes = [{{ provider = \"a\", service = \"{id}\" }}]\n"
        )
        .unwrap();

        text
    });

    services += "[[tier]]\nid = \"reseller\"\nper_minute = 5000\n[[markup]]\npercent = \
                 \"18\"\n[[markup]]\ntier = \"reseller\"\npercent = \"9\"\n";

    for n in 0..100 {
        write!(
            services,
            "[[markup]]\ntier = \"reseller\"\ncategory = \"*{n}*gram*\"\npercent = \"{n}\"\n"
        )
        .unwrap();
    }

    let world = World::build(Plan {
        services_extra: LARGE - 10,
        services,
        ..Plan::default()
    })
    .await;

    let (ann, ann_key, _) = buyer(&world.house, "ann", "1").await;
    let (bob, bob_key, _) = buyer(&world.house, "bob", "1").await;
    for customer in [ann, bob] {
        put_into(&world, customer, "reseller").await;
    }

    let timed = async |what: &str, key: &str| {
        let from = Instant::now();
        let answer = world.ask_as(key, &[("action", "services")]).await;
        println!("{what}: {:?}, {} bytes", from.elapsed(), answer.len());
        answer
    };

    let everybodys = timed("everybody's, first", &world.key).await;
    timed("everybody's, again", &world.key).await;
    let own = timed("one's own by 101 rules, first", &ann_key).await;
    assert_eq!(timed("one's own, again", &ann_key).await, own);
    assert_eq!(timed("another of the tier, first", &bob_key).await, own);
    assert_ne!(own, everybodys);
}
