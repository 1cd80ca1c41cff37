//! Catalogs of panels: read whole, sold by, and kept when a panel says nothing.

use std::fmt::Write;

use serde_json::Value;

use crate::books::{read, run};
use crate::world::{Plan, World};

/// Services of a catalog as large as real ones are, the built-in ones included.
const LARGE: u32 = 5_000;

/// What is listed, by id.
async fn listed(world: &World) -> Vec<i64> {
    let answer: Vec<Value> =
        serde_json::from_str(&world.ask(&[("action", "services")]).await).unwrap();
    answer
        .iter()
        .map(|service| service["service"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn five_thousand_services_are_read_at_once_and_sold() {
    let services = (1..=LARGE).fold(String::new(), |mut text, id| {
        write!(
            text,
            "[[service]]\nid = {id}\nroutes = [{{ provider = \"a\", service = \"{id}\" }}]\n"
        )
        .unwrap();

        text
    });

    let world = World::build(Plan {
        services_extra: LARGE - 10,
        services,
        ..Plan::default()
    })
    .await;

    let pool = world.pool().await;
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "select service, kind, rate_text from panel_service where gone_at is null order by \
         service::int",
    )
    .fetch_all(&pool)
    .await
    .unwrap();

    assert_eq!(rows.len(), LARGE as usize);
    assert!((1..).zip(&rows).all(|(id, row)| row.0 == id.to_string()));
    assert_eq!(world.panel().requests()["services"], 1);

    // What nobody sells is stored and not listed.
    let sold: Vec<i64> = (1..)
        .zip(&rows)
        .filter(|(_, row)| row.1 != "Subscriptions")
        .map(|(id, _)| id)
        .collect();

    assert!(
        sold.len() > 4_000 && sold.len() < LARGE as usize,
        "{}",
        sold.len()
    );

    assert_eq!(listed(&world).await, sold);
    let unsold = (1..=i64::from(LARGE))
        .find(|id| !sold.contains(id))
        .unwrap()
        .to_string();

    let fields = [
        ("action", "add"),
        ("service", unsold.as_str()),
        ("link", "a"),
        ("quantity", "100"),
    ];

    assert_eq!(
        world.ask(&fields).await,
        r#"{"error":"Incorrect service ID"}"#
    );

    world.buy("1", "10").await;
}

#[tokio::test]
async fn a_catalog_that_says_the_same_again_is_read_and_not_written() {
    let world = World::open().await;
    let version = "select catalog_version || ' ' || catalog_readings from provider where id = 'a'";
    let rows = "select count(*) || ' of ' || (select count(*) from panel_service) from \
                panel_service p
        where not exists (select from seen where seen.service = p.service and seen.row = \
                p.xmin::text)";

    run(
        &world.database,
        "create table seen as select service, xmin::text as row from panel_service",
    )
    .await
    .unwrap();

    let before = read(&world.database, version).await;
    assert_eq!(before, "1 1");
    world.turn(60);
    world.house.refresh().await.unwrap();

    assert_eq!(
        (
            read(&world.database, version).await,
            read(&world.database, rows).await
        ),
        ("1 2".into(), "0 of 10".into())
    );

    world.panel().switch_service("4", false);
    world.house.refresh().await.unwrap();

    assert_eq!(
        (
            read(&world.database, version).await,
            read(&world.database, rows).await
        ),
        ("2 3".into(), "1 of 10".into())
    );

    world.panel().switch_service("4", true);
    world.house.refresh().await.unwrap();

    assert_eq!(
        (
            read(&world.database, version).await,
            read(&world.database, rows).await
        ),
        ("3 4".into(), "1 of 10".into())
    );

    assert_eq!(listed(&world).await, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_vanished_service_is_not_sold_and_one_that_comes_back_is() {
    let world = World::open().await;
    assert_eq!(listed(&world).await, (1..=10).collect::<Vec<_>>());
    world.panel().switch_service("4", false);

    assert_eq!(
        listed(&world).await.len(),
        10,
        "nobody asked the panel since"
    );

    world.house.refresh().await.unwrap();
    assert_eq!(listed(&world).await, [1, 2, 3, 5, 6, 7, 8, 9, 10]);

    let fields = [
        ("action", "add"),
        ("service", "4"),
        ("link", "a"),
        ("comments", "x"),
    ];

    assert_eq!(
        world.ask(&fields).await,
        r#"{"error":"Incorrect service ID"}"#
    );

    let gone: Vec<String> =
        sqlx::query_scalar("select service from panel_service where gone_at is not null")
            .fetch_all(&world.pool().await)
            .await
            .unwrap();

    assert_eq!(gone, ["4"], "kept, because orders speak of it");
    world.panel().switch_service("4", true);
    world.house.refresh().await.unwrap();
    assert_eq!(listed(&world).await, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_service_that_vanished_for_a_quarter_is_forgotten() {
    let world = World::open().await;
    world.panel().switch_service("4", false);
    world.house.refresh().await.unwrap();
    let kept = "select count(*)::text from panel_service";

    for (days, rows) in [(89, "10"), (2, "9")] {
        world.turn(days * 86_400);
        world.house.refresh().await.unwrap();
        assert_eq!(read(&world.database, kept).await, rows);
    }

    world.panel().switch_service("4", true);
    world.house.refresh().await.unwrap();
    assert_eq!(listed(&world).await, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_process_adopts_what_one_has_read() {
    let world = World::open().await;
    let other = world.restarted().await;
    assert_eq!(
        other.catalog.now().sold.len(),
        10,
        "sold by what is stored, before any panel was asked"
    );

    world.panel().switch_service("4", false);
    other.refresh().await.unwrap();
    assert_eq!(listed(&world).await.len(), 10);
    assert!(world.house.catalog.adopt().await.unwrap());
    assert_eq!(listed(&world).await.len(), 9);
    assert!(
        !world.house.catalog.adopt().await.unwrap(),
        "nothing changed since"
    );
}

#[tokio::test]
async fn a_panel_that_cannot_be_reached_leaves_its_catalog_in_force() {
    let mut world = World::open().await;
    world.panels.remove(0).stop().await;
    world.house.refresh().await.unwrap();
    assert_eq!(listed(&world).await, (1..=10).collect::<Vec<_>>());

    let why: Option<String> =
        sqlx::query_scalar("select catalog_error from provider where id = 'a'")
            .fetch_one(&world.pool().await)
            .await
            .unwrap();

    assert!(why.is_some(), "the operator is told");
    world.buy("1", "10").await;
    assert_eq!(world.restarted().await.catalog.now().sold.len(), 10);
}
