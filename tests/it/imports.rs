//! Imports: a panel's catalog sold as it comes, every service under one id for ever.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use panelgate::app::App;
use panelgate::catalog;
use panelgate::config;
use panelgate::domain::id::ServiceId;
use panelgate::domain::provider::PanelDialect;
use panelgate::store::imports::IMPORTED_MAX;
use serde_json::Value;

use crate::backup::{json, moved_to, place, text};
use crate::books::{read, run};
use crate::dialects::speaking;
use crate::scripted::Scripted;
use crate::server;
use crate::shrunk::all_gone;
use crate::world::{Plan, World};

const IMPORT: &str = "[[import]]\nprovider = \"s\"\nids_from = 20000\n";
const IDS: &str = "select string_agg(service || ':' || id, ' ' order by id) from imported";

/// A service as the panel tells it: id, name, category.
type Row<'a> = (&'a str, &'a str, &'a str);

pub fn telling(rows: &[Row<'_>]) -> String {
    let rows = rows.iter().map(|(id, name, category)| {
        format!(
            r#"{{"service":"{id}","name":"{name}","type":"Default","category":"{category}","rate":"0.90","min":"10","max":"1000"}}"#
        )
    });

    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

fn plain(ids: &[&str]) -> String {
    telling(
        &ids.iter()
            .map(|id| (*id, "Likes", "Instagram"))
            .collect::<Vec<_>>(),
    )
}

async fn panel(services: String) -> Scripted {
    let panel = Scripted::saying(
        r#"{"charge":"0.09","start_count":"1","status":"Completed","remains":"0"}"#,
    )
    .await;

    panel.change(|script| script.services = services);
    panel
}

/// A world that sells the panel's catalog by these blocks.
async fn importing(panel: &Scripted, blocks: &str) -> World {
    let services = format!("{}{blocks}", panel.block());
    World::build(Plan {
        panels: Vec::new(),
        services,
        ..Plan::default()
    })
    .await
}

/// Another process on the same database, with other blocks in its file.
async fn node(world: &mut World, panel: &Scripted, blocks: &str) -> App {
    world.file = with(panel, blocks);
    world.restarted().await
}

fn with(panel: &Scripted, blocks: &str) -> config::File {
    let text = format!("[gateway]\ncurrency = \"USD\"\n{}{blocks}", panel.block());
    config::read(&text, Path::new("."), &BTreeMap::new()).unwrap()
}

fn sold(house: &App) -> Vec<i32> {
    house.catalog.now().sold.keys().map(|id| id.0).collect()
}

fn unsold(house: &App) -> Vec<(i32, &'static str)> {
    house
        .catalog
        .now()
        .unsold
        .iter()
        .map(|unsold| (unsold.id.0, unsold.why))
        .collect()
}

#[tokio::test]
async fn a_service_keeps_its_id_whatever_the_panel_lists_and_in_whatever_order() {
    let panel = panel(plain(&["30", "7", "8"])).await;
    let block = "[[service]]\nid = 20001\nroutes = [{ provider = \"s\", service = \"99\" }]\n";
    let world = importing(&panel, &format!("{IMPORT}{block}")).await;
    assert_eq!(
        read(&world.database, IDS).await,
        "7:20000 8:20002 30:20003",
        "a block's id is left out"
    );

    assert_eq!(sold(&world.house), [20000, 20002, 20003]);

    // Another order, one less, one more.
    panel.change(|script| script.services = plain(&["9", "30", "7"]));
    world.house.refresh().await.unwrap();
    all_gone(&world.house, "s").await;
    assert_eq!(
        read(&world.database, IDS).await,
        "7:20000 8:20002 30:20003 9:20004"
    );

    assert_eq!(sold(&world.house), [20000, 20003, 20004]);
    assert_eq!(
        unsold(&world.house),
        [
            (20001, "no route's panel lists it"),
            (20002, "its panel does not list it now")
        ]
    );

    let gone = [
        ("action", "add"),
        ("service", "20002"),
        ("link", "a"),
        ("quantity", "10"),
    ];

    assert_eq!(
        world.ask(&gone).await,
        r#"{"error":"Incorrect service ID"}"#
    );

    // All gone, and all back: nobody else got their ids meanwhile.
    panel.change(|script| script.services = plain(&["11"]));
    world.house.refresh().await.unwrap();
    all_gone(&world.house, "s").await;
    assert_eq!(sold(&world.house), [20005]);
    panel.change(|script| script.services = plain(&["11", "9", "8", "7", "30"]));

    world.house.refresh().await.unwrap();
    assert_eq!(
        read(&world.database, IDS).await,
        "7:20000 8:20002 30:20003 9:20004 11:20005"
    );

    assert_eq!(sold(&world.house), [20000, 20002, 20003, 20004, 20005]);
    world.buy("20002", "10").await;
}

#[tokio::test]
async fn two_nodes_give_one_service_one_id() {
    let panel = panel(plain(&["1"])).await;
    let world = importing(&panel, IMPORT).await;
    let (one, other) = (world.restarted().await, world.restarted().await);

    for round in 1..=4_usize {
        let ids: Vec<String> = (1..=round * 50).map(|id| id.to_string()).collect();
        panel.change(|script| {
            script.services = plain(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        });

        let (first, second) = tokio::join!(one.refresh(), other.refresh());
        first.and(second).unwrap();
        one.catalog.adopt().await.unwrap();
        other.catalog.adopt().await.unwrap();
        assert_eq!(sold(&one), (20_000..).take(round * 50).collect::<Vec<_>>());
        assert_eq!(sold(&one), sold(&other));
    }

    let in_step = "select count(*)::text from imported where id = 19999 + service::integer";
    assert_eq!(read(&world.database, in_step).await, "200");
}

#[tokio::test]
async fn a_configuration_gives_the_ids_that_it_needs_before_it_is_sold_by() {
    let panel = panel(plain(&["1", "2", "3"])).await;
    let mut world = importing(&panel, "").await;
    assert_eq!(read(&world.database, IDS).await, "");

    // No panel is asked: the stored catalog is sold at once, by two that start at the same time.
    world.file = with(&panel, IMPORT);
    let (one, other) = tokio::join!(world.restarted(), world.restarted());
    assert_eq!(
        (sold(&one), sold(&other)),
        (vec![20000, 20001, 20002], vec![20000, 20001, 20002])
    );

    // A row without an id is not sold, whoever listed it.
    run(
        &world.database,
        "insert into panel_service (
            provider, service, name, kind, category, rate_text, rate, min, max, refill, cancel, \
         dripfeed
        )
        select provider, '4', name, kind, category, rate_text, rate, min, max, refill, cancel, \
         dripfeed
        from panel_service
        where service = '1'",
    )
    .await
    .unwrap();

    let snapshot = catalog::read(&one.store, &world.file.mapping)
        .await
        .unwrap();

    assert_eq!(snapshot.sold.len(), 3);
}

#[tokio::test]
async fn an_id_that_a_block_ever_had_is_no_imports_whether_it_was_bought_or_not() {
    let panel = panel(plain(&["1", "2", "3"])).await;
    let block = |id: u32, service: &str| {
        format!(
            "[[service]]\nid = {id}\nroutes = [{{ provider = \"s\", service = \"{service}\" }}]\n"
        )
    };

    let mut world = importing(
        &panel,
        &format!("{}{}", block(20_000, "3"), block(20_002, "2")),
    )
    .await;

    world.buy("20000", "10").await;

    // Neither in the file any more, and not even in the one before.
    node(&mut world, &panel, "").await;
    let house = node(&mut world, &panel, IMPORT).await;
    assert_eq!(read(&world.database, IDS).await, "1:20001 2:20003 3:20004");
    assert_eq!(sold(&house), [20001, 20003, 20004]);

    // What comes later keeps off them as well.
    panel.change(|script| script.services = plain(&["1", "2", "3", "4"]));
    house.refresh().await.unwrap();
    assert_eq!(sold(&house), [20001, 20003, 20004, 20005]);
}

#[tokio::test]
async fn a_process_that_has_not_adopted_the_version_in_force_gives_no_ids() {
    let panel = panel(plain(&["1"])).await;
    let mut world = importing(&panel, IMPORT).await;
    let block = "[[service]]\nid = 20001\nroutes = [{ provider = \"s\", service = \"9\" }]\n";
    let house = node(&mut world, &panel, &format!("{IMPORT}{block}")).await;
    panel.change(|script| script.services = plain(&["1", "2", "9"]));
    world.house.refresh().await.unwrap();

    assert_eq!(
        read(&world.database, IDS).await,
        "1:20000",
        "the block's id least of all"
    );

    house.refresh().await.unwrap();
    assert_eq!(read(&world.database, IDS).await, "1:20000 2:20002");
    assert_eq!(sold(&house), [20000, 20001, 20002]);
}

#[tokio::test]
async fn patterns_say_what_is_taken_and_what_is_left_out() {
    let rows = [
        ("1", "Members", "Telegram"),
        ("2", "Members TEST", "Telegram Premium"),
        ("3", "Views", "Telegram TEST"),
        ("4", "Likes", "Instagram"),
        ("5", "Views", "telegram"),
        ("6", "Views", "YouTube"),
    ];

    let panel = panel(telling(&rows)).await;
    let blocks = "[[import]]\nprovider = \"s\"\ncategories = [\"Telegram*\", \
                  \"YouTube\"]\nexclude = [\"*TEST*\"]\nids_from = 500\n[[import]]\nprovider = \
                  \"s\"\ncategories = [\"*gram\"]\nids_from = 700\n";

    let mut world = importing(&panel, blocks).await;
    assert_eq!(
        read(&world.database, IDS).await,
        "1:500 6:501 4:700 5:701",
        "the first import that takes one speaks"
    );

    // What no import takes any more keeps its id, and says why it is not sold.
    let house = node(
        &mut world,
        &panel,
        "[[import]]\nprovider = \"s\"\ncategories = [\"*gram\"]\nids_from = 900\n",
    )
    .await;

    assert_eq!(sold(&house), [500, 700, 701]);
    assert_eq!(unsold(&house), [(501, "no [[import]] takes it now")]);
    panel.change(|script| {
        script.services = telling(&[("1", "Members", "Telegram"), ("9", "Views", "Instagram")]);
    });

    house.refresh().await.unwrap();
    all_gone(&house, "s").await;
    assert_eq!(sold(&house), [500, 900]);
}

#[tokio::test]
async fn a_block_wins_over_an_import_and_never_takes_its_ids() {
    let panel = panel(plain(&["1", "2", "3"])).await;
    let block = |id: u32, service: &str| {
        format!(
            "[[service]]\nid = {id}\nrate = \"5\"\nroutes = [{{ provider = \"s\", service = \
             \"{service}\" }}]\n"
        )
    };

    let mut world = importing(&panel, &format!("{IMPORT}{}", block(7, "2"))).await;
    assert_eq!(
        read(&world.database, IDS).await,
        "1:20000 3:20001",
        "the block sells 2"
    );

    assert_eq!(sold(&world.house), [7, 20000, 20001]);

    // Under the id that a service has already, a block takes it up; under another, the imported id
    // rests.
    let house = node(
        &mut world,
        &panel,
        &format!("{IMPORT}{}{}", block(20000, "1"), block(8, "3")),
    )
    .await;

    assert_eq!(sold(&house), [8, 20000, 20002], "2 is imported now");
    assert_eq!(
        house.catalog.now().sold[&ServiceId(20000)]
            .price
            .rate
            .to_string(),
        "5.00"
    );

    assert_eq!(
        unsold(&house),
        [(20001, "a [[service]] block sells it under an id of its own")]
    );

    // An id that means something else is refused where a configuration is published.
    let file = with(&panel, &format!("{IMPORT}{}", block(20001, "1")));
    let mut tx = house.store.begin().await.unwrap();
    let refused = catalog::imports::publish_mapping(&mut tx, &file.mapping, house.clock.now())
        .await
        .unwrap_err();

    assert_eq!(
        refused.to_string(),
        "service 20001: the id was given to service \"3\" of panel \"s\" by an import, and keeps \
         that meaning: give the block another id, or make that service its first route"
    );

    tx.rollback().await.unwrap();

    // And where it was published already, it is not sold.
    let snapshot = catalog::read(&house.store, &file.mapping).await.unwrap();
    let kept = &snapshot.sold[&ServiceId(20001)];

    assert_eq!(
        (
            kept.routes[0].0.service.as_str(),
            kept.price.rate.to_string().as_str()
        ),
        ("3", "0.90")
    );

    let why = &snapshot
        .unsold
        .iter()
        .find(|unsold| unsold.id.0 == 20001)
        .unwrap()
        .why;

    assert!(
        why.starts_with("an import gave its id to another service"),
        "{why}"
    );

    // Without its import a service is not sold, and its id stays its own.
    let house = node(&mut world, &panel, "").await;
    assert_eq!((sold(&house), unsold(&house)), (vec![], vec![]));
    assert_eq!(read(&world.database, IDS).await, "1:20000 3:20001 2:20002");
}

#[tokio::test]
async fn an_imported_service_is_priced_sold_and_delivered_in_every_tongue() {
    let services = "[[import]]\nprovider = \"a\"\nids_from = 300\n[[markup]]\npercent = \
                    \"10\"\n[[markup]]\ncategory = \"Follow*\"\npercent = \"50\"\nfixed = \
                    \"0.01\"\n";

    for dialect in PanelDialect::ALL {
        let world = speaking(
            dialect,
            Plan {
                services: services.to_owned(),
                ..Plan::default()
            },
        )
        .await;

        let rows: Vec<Value> =
            serde_json::from_str(&world.ask(&[("action", "services")]).await).unwrap();
        let row = |id: u64| rows.iter().find(|row| row["service"] == id).unwrap();
        assert_eq!(
            (rows.len(), row(300)["rate"].as_str().unwrap()),
            (10, "1.36"),
            "{dialect:?}: 0.90 + 50 % + 0.01"
        );

        assert_eq!(row(309)["rate"], "0.0132", "{dialect:?}: 0.012 + 10 %");
        assert_eq!(
            (&row(304)["type"], &row(304)["min"], &row(304)["max"]),
            (&"Poll".into(), &"10".into(), &"50000".into()),
            "{dialect:?}"
        );

        let (whole, partial) = (
            world.buy("300", "1000").await,
            world.buy("305", "1000").await,
        );

        world.work().await;
        world.pass(3, 10).await;
        assert!(
            world.status(whole).await.contains(r#""charge":"1.36","#),
            "{dialect:?}"
        );

        assert!(
            world
                .status(whole)
                .await
                .contains(r#""status":"Completed""#),
            "{dialect:?}"
        );

        assert!(
            world
                .status(partial)
                .await
                .contains(r#""status":"Partial""#),
            "{dialect:?}"
        );

        world.audit().await;
    }
}

#[allow(
    clippy::print_stdout,
    reason = "the figure is what whoever runs it alone wants to see"
)]
#[tokio::test]
async fn five_thousand_imported_services_are_sold_and_no_more_than_the_limit() {
    let services = "[[import]]\nprovider = \"a\"\nids_from = 20000\n".to_owned();
    let world = World::build(Plan {
        services_extra: 4_990,
        services: services.clone(),
        ..Plan::default()
    })
    .await;

    let begun = Instant::now();
    let snapshot = catalog::read(&world.house.store, &world.file.mapping)
        .await
        .unwrap();

    println!(
        "5,000 imported services are resolved in {} ms",
        begun.elapsed().as_millis()
    );

    assert_eq!(snapshot.sold.len() + snapshot.unsold.len(), 5_000);
    assert!(snapshot.sold.len() > 4_000);

    assert!(
        snapshot
            .unsold
            .iter()
            .all(|unsold| unsold.why == "its type is not sold")
    );

    let rows: Vec<Value> =
        serde_json::from_str(&world.ask(&[("action", "services")]).await).unwrap();
    assert_eq!(rows.len(), snapshot.sold.len());

    let max = u32::try_from(IMPORTED_MAX).unwrap();
    let world = World::build(Plan {
        services_extra: max,
        services,
        ..Plan::default()
    })
    .await;

    assert_eq!(
        read(
            &world.database,
            "select count(*) || ' ' || max(id) from imported"
        )
        .await,
        "20000 39999"
    );
}

#[tokio::test]
async fn ids_survive_a_restore_and_go_on_from_there() {
    let panel = panel(plain(&["1", "2"])).await;
    let world = importing(&panel, IMPORT).await;
    panel.change(|script| script.services = plain(&["2", "3"]));
    world.house.refresh().await.unwrap();
    all_gone(&world.house, "s").await;
    let (_folder, file) = place();

    json(&world.database, &["backup", text(&file)]).await;
    let copy = server::database().await;
    json(&copy, &["restore", text(&file)]).await;
    let moves = "select string_agg(what || ' ' || service, ', ' order by id) from catalog_change";
    assert_eq!(read(&copy, moves).await, "added 3, gone 1");
    let world = moved_to(world, copy).await;

    panel.change(|script| script.services = plain(&["4", "3", "2", "1"]));
    world.house.refresh().await.unwrap();
    assert_eq!(
        read(&world.database, IDS).await,
        "1:20000 2:20001 3:20002 4:20003"
    );

    assert_eq!(sold(&world.house), [20000, 20001, 20002, 20003]);
}

#[tokio::test]
async fn a_type_that_nobody_sells_is_listed_with_its_reason() {
    let panel = panel(plain(&["1"]).replace("Default", "Subscriptions")).await;
    let world = importing(&panel, IMPORT).await;
    let list = json(&world.database, &["catalog", "list"]).await;
    assert_eq!(
        list["not_sold"][0],
        serde_json::json!({ "id": 20000, "why": "its type is not sold" })
    );
}
