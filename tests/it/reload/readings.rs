//! Catalogs of panels whose block or key changes: read in time, by the right account, and before
//! anything is sent.

use std::sync::Arc;

use panel_sim::Simulator;
use panelgate::catalog::refresh;
use panelgate::domain::money::Rate;
use panelgate::reload::FileLook;
use panelgate::upstream::Panel;
use tokio::task::JoinSet;

use super::{Node, two_panels};
use crate::books::{legs, read, run};
use crate::scripted::Scripted;
use crate::world::{Plan, World, follows, one_over, panel_settings};

async fn node(world: &World) -> Node {
    let node = Node::start(world, "one", &world.file.text).await.unwrap();
    node.house.refresh().await.unwrap();
    node
}

fn panel(node: &Node, id: &str) -> Arc<Panel> {
    let roll = node.house.roll.now();
    roll.iter()
        .find(|listed| listed.panel.settings().id.0 == id)
        .unwrap()
        .panel
        .clone()
}

/// As the panel's reader does every few seconds. Whether the catalog was read.
async fn look(node: &Node, id: &str) -> bool {
    let reading = refresh::if_due(
        &node.house.catalog,
        &panel(node, id),
        &node.house.clock,
        false,
    )
    .await
    .unwrap();

    reading.is_some_and(|(_, read)| read.is_ok())
}

#[tokio::test]
async fn a_catalog_is_read_when_it_is_old_however_often_the_panels_block_is_edited() {
    let world = two_panels().await;
    let node = node(&world).await;
    let mut read = Vec::new();

    for minute in (0..24).step_by(4) {
        let text = world.file.text.replacen(
            "timeout_ms = 20000",
            &format!("timeout_ms = {}", 20_001 + minute),
            1,
        );

        assert_eq!(node.edit(&world, &text).await, FileLook::Published);
        read.push(look(&node, "a").await);
        world.turn(4 * 60);
    }

    assert_eq!(read, [false, false, false, true, false, false]);
    world.panel().set_faults("403*9".parse().unwrap());
    world.turn(4 * 60);

    let asked = || {
        world
            .panel()
            .requests()
            .get("services")
            .copied()
            .unwrap_or(0)
    };

    let before = asked();
    for _ in 0..20 {
        look(&node, "a").await;
        world.turn(3);
    }

    assert_eq!(
        asked() - before,
        1,
        "one that fails is asked again after a minute"
    );

    // Of another address nothing was ever read: it is asked soon, and then ever more rarely.
    let mut moved = world.file.text.clone();
    moved = moved.replacen("/api/v2\"", "/api/v2?\"", 1);
    node.apply(&moved).await;
    world.panel().set_faults("403*99".parse().unwrap());
    let before = asked();

    for _ in 0..100 {
        look(&node, "a").await;
        world.turn(3);
    }

    assert_eq!(
        asked() - before,
        9,
        "after 3, 6, 9, 18 and 33 s, then each minute"
    );
}

#[tokio::test]
async fn nothing_is_sent_under_another_key_before_what_it_lists_is_known() {
    let plan = Plan {
        services: one_over(&["a"]),
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let node = node(&world).await;
    let key = node.keep_key_in_file(&world).await;

    // The other account is not favoured: it pays a quarter more.
    world.panel().set_key("another-key");
    world
        .panel()
        .set_rate("1", Rate::parse("1.125").unwrap().decimal());

    std::fs::write(&key, "another-key\n").unwrap();
    assert_eq!(
        node.house.reload.look_at_once().await.unwrap(),
        FileLook::Same
    );

    world.house.reload.adopt().await.unwrap();
    world.buy("1", "100").await;
    let asked = panel(&node, "a");
    node.house.delivery.ask_balance(&asked).await.unwrap();
    assert!(asked.has_answered() && !asked.is_listed());
    let epoch = node.house.delivery.hold(&asked).await.unwrap().unwrap();

    assert!(
        node.house
            .delivery
            .lease(&asked, epoch, 10)
            .await
            .unwrap()
            .is_empty()
    );

    assert!(look(&node, "a").await && asked.is_listed());
    node.work().await;
    let sent = "select state || ' ' || trim_scale(cost) from leg";
    assert_eq!(read(&world.database, sent).await, "accepted 0.1125");

    // Another process with a key of its own read the catalog meanwhile.
    run(
        &world.database,
        "update provider set catalog_account = 'of another'",
    )
    .await
    .unwrap();

    world.buy("1", "100").await;
    assert!(
        node.house
            .delivery
            .lease(&asked, epoch, 10)
            .await
            .unwrap()
            .is_empty()
    );

    world.turn(3);
    assert!(look(&node, "a").await && asked.is_listed());

    assert_eq!(
        node.house
            .delivery
            .lease(&asked, epoch, 10)
            .await
            .unwrap()
            .len(),
        1
    );

    world.audit().await;
}

#[tokio::test]
async fn what_the_panel_before_lists_is_not_kept_for_the_one_that_took_its_place() {
    let before = Scripted::saying("{}").await;
    let world = before.world().await;
    let node = node(&world).await;
    let (held, asked) = (before.hold("services"), panel(&node, "s"));
    world.turn(11 * 60);
    let (catalog, clock) = (node.house.catalog.clone(), node.house.clock.clone());

    let mut readings = JoinSet::new();
    readings.spawn(async move {
        refresh::if_due(&catalog, &asked, &clock, false)
            .await
            .unwrap()
            .unwrap()
    });

    held.asked().await;
    let next = Simulator::start(panel_settings(1, "", 0), follows(&world.clock))
        .await
        .unwrap();

    let url = panel(&node, "s").settings().url.clone();
    node.apply(&world.file.text.replace(&url, &next.url()))
        .await;
    assert!(look(&node, "s").await, "another address is read at once");
    let rows = "select string_agg(service || ' ' || rate_text, ', ' order by service) from \
                panel_service where gone_at is null and service in ('1', '2')";
    let listed = read(&world.database, rows).await;

    held.let_go();
    let (_, outcome) = readings.join_next().await.unwrap().unwrap();
    assert!(outcome.is_err_and(|why| why.contains("took the panel's place")));
    assert_eq!(read(&world.database, rows).await, listed);
    assert!(!look(&node, "s").await, "there is nothing to be set right");
    world.buy("1", "100").await;

    node.work().await;
    assert_eq!(legs(&world.database).await, "s accepted");
}
