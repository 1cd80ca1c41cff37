//! Catalogs that are errors, or that list far less than before: nothing is unsold because of them
//! before a day is over or a person says so, and somebody is told.

use panelgate::app::App;
use panelgate::domain::id::ProviderId;
use panelgate::store::{alerts, catalog, providers, shrunk};
use rstest::rstest;

use crate::backup::told;
use crate::books::read;
use crate::scripted::Scripted;
use crate::world::{Plan, World};

const RUNNING: &str = r#"{"charge":"0.09","status":"In progress","remains":"100"}"#;
const DAY_S: i64 = 24 * 3_600;

/// A catalog of these services at this rate.
fn listing(services: &[u32], rate: &str) -> String {
    let row = |id| {
        format!(
            r#"{{"service":"{id}","name":"S{id}","type":"Default","category":"C","rate":"{rate}","min":"10","max":"1000"}}"#
        )
    };

    format!(
        "[{}]",
        services.iter().map(row).collect::<Vec<_>>().join(",")
    )
}

/// Takes a panel at its word that lists far less than before.
pub async fn all_gone(house: &App, provider: &str) {
    let provider = ProviderId(provider.to_owned());
    let mut tx = house.store.begin().await.unwrap();
    shrunk::accept_gone(&mut tx, &provider, house.clock.now())
        .await
        .unwrap();

    catalog::renew_catalog(&mut tx, &provider).await.unwrap();
    tx.commit().await.unwrap();
    house.catalog.adopt().await.unwrap();
}

/// A panel with ten services, all of which are sold.
async fn ten() -> (Scripted, World) {
    let panel = Scripted::saying(RUNNING).await;
    panel.change(|script| script.services = listing(&(1..=10).collect::<Vec<_>>(), "0.90"));
    let block = |id| {
        format!("[[service]]\nid = {id}\nroutes = [{{ provider = \"s\", service = \"{id}\" }}]\n")
    };

    let services = panel.block() + &(1..=10).map(block).collect::<String>();
    let world = World::build(Plan {
        panels: Vec::new(),
        services,
        ..Plan::default()
    })
    .await;

    (panel, world)
}

async fn reads(panel: &Scripted, world: &World, catalog: &str) {
    let catalog = catalog.to_owned();
    panel.change(|script| script.services = catalog);
    world.house.refresh().await.unwrap();
}

async fn sold(world: &World) -> usize {
    world
        .ask(&[("action", "services")])
        .await
        .matches("\"service\"")
        .count()
}

async fn raised(world: &World) -> String {
    world.house.alerts.look().await.unwrap();
    let open = alerts::list_alerts(&world.house.store)
        .await
        .unwrap()
        .into_iter()
        .filter(|alert| alert.over_at.is_none());

    let about = open.filter(|alert| alert.kind.starts_with("catalog"));
    about
        .map(|alert| format!("{} {}", alert.kind, alert.count))
        .collect::<Vec<_>>()
        .join(", ")
}

#[rstest]
#[case(r#"{"data":[],"error_message":"Temporarily off"}"#)]
#[case(r#"{"success":false,"services":[]}"#)]
#[case(r#"{"status":"error","data":[]}"#)]
#[case(r#"{"status":"fail","message":"Down","services":[]}"#)]
#[case("{}")]
#[case(r#"{"message":"Come back later"}"#)]
#[case(r#"{"message":"Come back later","data":[]}"#)]
#[case(r#"[{"error":"Down"}]"#)]
#[case(r#"{"error":"Down"}"#)]
#[case("<html>")]
#[case("")]
#[tokio::test]
async fn an_error_is_no_catalog(#[case] body: &str) {
    let (panel, world) = ten().await;
    reads(&panel, &world, body).await;
    world.turn(DAY_S);
    reads(&panel, &world, body).await;

    assert_eq!(
        (sold(&world).await, raised(&world).await.as_str()),
        (10, "catalog_unreadable 1"),
        "{body}"
    );

    reads(
        &panel,
        &world,
        &listing(&(1..=10).collect::<Vec<_>>(), "0.90"),
    )
    .await;

    assert_eq!(raised(&world).await, "");
}

#[rstest]
#[case::a_bare_list("[]")]
#[case::a_wrapped_list(r#"{"services":[]}"#)]
#[case::in_words(r#"{"status":"success","data":"Empty Data"}"#)]
#[tokio::test]
async fn an_empty_list_is_believed_after_a_day(#[case] body: &str) {
    let (panel, world) = ten().await;
    reads(&panel, &world, body).await;
    assert_eq!(
        (sold(&world).await, raised(&world).await.as_str()),
        (10, "catalog_shrunk 10")
    );

    world.turn(DAY_S - 1);
    reads(&panel, &world, body).await;
    assert_eq!(sold(&world).await, 10);
    world.turn(1);
    reads(&panel, &world, body).await;
    assert_eq!((sold(&world).await, raised(&world).await.as_str()), (0, ""));
}

#[tokio::test]
async fn what_is_there_moves_and_what_is_missing_waits_where_a_third_is() {
    let (panel, world) = ten().await;

    // Three of ten are less than a third: gone at once.
    reads(&panel, &world, &listing(&[1, 2, 3, 4, 5, 6, 7], "0.90")).await;
    assert_eq!((sold(&world).await, raised(&world).await.as_str()), (7, ""));

    // Three of seven are more.
    reads(&panel, &world, &listing(&[1, 2, 3, 4], "0.95")).await;
    assert_eq!(
        (sold(&world).await, raised(&world).await.as_str()),
        (7, "catalog_shrunk 3")
    );

    let rates = "select string_agg(trim_scale(own_rate)::text, ' ' order by service) from \
                 panel_service where gone_at is null";
    assert_eq!(
        read(&world.database, rates).await,
        "0.95 0.95 0.95 0.95 0.9 0.9 0.9"
    );

    let moves = "select string_agg(distinct what, ' ') from catalog_change m join provider p on \
                 p.catalog_readings = m.reading";

    assert_eq!(
        read(&world.database, moves).await,
        "rate",
        "nothing is gone yet"
    );

    assert_eq!(
        providers::list_providers(&world.house.store).await.unwrap()[0].services_missing,
        3
    );

    // One is back, and another is missing a while later: each has a day of its own.
    world.turn(3_600);
    reads(&panel, &world, &listing(&[1, 2, 3, 5], "0.95")).await;
    assert_eq!(
        (sold(&world).await, raised(&world).await.as_str()),
        (7, "catalog_shrunk 3")
    );

    world.turn(DAY_S - 3_600);
    reads(&panel, &world, &listing(&[1, 2, 3, 5], "0.95")).await;
    assert_eq!(
        (sold(&world).await, raised(&world).await.as_str()),
        (5, "catalog_shrunk 1")
    );

    // All back: the wait is over.
    reads(
        &panel,
        &world,
        &listing(&(1..=10).collect::<Vec<_>>(), "0.95"),
    )
    .await;

    assert_eq!(
        (sold(&world).await, raised(&world).await.as_str()),
        (10, "")
    );

    world.turn(2 * DAY_S);
    reads(
        &panel,
        &world,
        &listing(&(1..=10).collect::<Vec<_>>(), "0.95"),
    )
    .await;

    assert_eq!(sold(&world).await, 10);
}

#[tokio::test]
async fn a_person_may_take_a_panel_at_its_word() {
    let (panel, world) = ten().await;
    reads(&panel, &world, &listing(&[1], "0.90")).await;
    assert_eq!(sold(&world).await, 10);
    let said = told(&world.database, &["catalog", "accept", "s", "--all-gone"]).await;
    assert!(said.contains("9 services of panel s are gone"), "{said}");
    assert_eq!(raised(&world).await, "");

    world.house.catalog.adopt().await.unwrap();
    assert_eq!(sold(&world).await, 1);
    let moves = "select count(*)::text from catalog_change where what = 'gone'";
    assert_eq!(read(&world.database, moves).await, "9");
    let deed = "select count(*)::text from audit_log where verb = 'catalog accept'";
    assert_eq!(read(&world.database, deed).await, "1");

    let said = told(&world.database, &["catalog", "accept", "s", "--all-gone"]).await;
    assert!(said.contains("no service of panel s is missing"), "{said}");
}

/// The alerts of services that are not sold, now and when it lasted.
async fn unsold(world: &World) -> [String; 2] {
    let open = "select string_agg(concat_ws(' ', object, count, substring(words from 'among \
                them.*$')), ', ')
                from alert where kind = 'services_unsold' and over_at is null and raised_at is not \
                null";

    world.house.alerts.look().await.unwrap();
    let at_once = read(&world.database, open).await;
    world.turn(150);
    world.house.alerts.look().await.unwrap();

    [at_once, read(&world.database, open).await]
}

#[rstest]
#[case::rates_renamed("\"rate\"", "\"price_of_it\"")]
#[case::rates_unreadable("\"0.90\"", "\"ask us\"")]
#[case::no_amount_is_taken(r#""min":"10","max":"1000""#, r#""min":"0","max":"0""#)]
#[case::fewest_above_most(r#""min":"10""#, r#""min":"2000""#)]
#[tokio::test]
async fn services_that_are_sold_no_more_are_told_when_it_lasts_and_when_it_is_over(
    #[case] is: &str,
    #[case] becomes: &str,
) {
    let (panel, world) = ten().await;
    assert_eq!(unsold(&world).await, ["", ""]);
    let all = listing(&(1..=10).collect::<Vec<_>>(), "0.90");
    reads(&panel, &world, &all.replace(is, becomes)).await;
    assert_eq!(sold(&world).await, 0);

    assert_eq!(
        unsold(&world).await,
        [
            "",
            "s 10 among them are our services 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
        ]
    );

    reads(&panel, &world, &all).await;
    assert_eq!(unsold(&world).await, ["", ""]);
}

#[tokio::test]
async fn a_catalog_that_melts_row_by_row_is_told() {
    let (panel, world) = ten().await;
    for left in (2..10).rev() {
        reads(
            &panel,
            &world,
            &listing(&(1..=left).collect::<Vec<_>>(), "0.90"),
        )
        .await;
    }

    let gone = 10 - sold(&world).await;
    assert!(gone > 0);
    let [at_once, later] = unsold(&world).await;
    assert!(
        at_once.is_empty() && later.starts_with(&format!("s {gone} among them are our services ")),
        "{later}"
    );
}
