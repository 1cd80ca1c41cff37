//! The start of a node: what it serves, and what it publishes.

use std::collections::BTreeMap;

use panelgate::reload::FileLook;

use super::{Node, hash, history, open_alerts, priced, two_panels};
use crate::books::run;

#[tokio::test]
async fn a_node_with_an_old_file_takes_nobody_back() {
    let world = two_panels().await;
    let one = Node::start(&world, "one", &world.file.text).await.unwrap();
    let text = priced(&world, "2.5");
    assert_eq!(one.edit(&world, &text).await, FileLook::Published);
    let late = Node::start(&world, "late", &world.file.text).await.unwrap();
    assert_eq!(late.hash(), hash(&text));
    assert_eq!(late.watch(&world).await, FileLook::Nothing);

    // A signal is no edit either.
    assert_eq!(
        late.house.reload.look_at_once().await.unwrap(),
        FileLook::Late
    );

    open_alerts(&one.house).await;
    world.turn(11);
    late.adopt().await;

    assert!(
        open_alerts(&one.house)
            .await
            .iter()
            .any(|(kind, object)| kind == "config_differs" && object.contains("late"))
    );

    assert_eq!(one.hash(), hash(&text));

    // An edit that goes back is one.
    assert_eq!(
        one.edit(&world, &world.file.text).await,
        FileLook::Published
    );
}

#[tokio::test]
async fn a_new_file_is_judged_like_an_edit() {
    let world = two_panels().await;
    let good = priced(&world, "2.2");
    let node = Node::start(&world, "one", &good).await.unwrap();
    assert_eq!(node.hash(), hash(&good));
    assert_eq!(
        history(&node.house).await[0],
        format!("in force {} by start of one", hash(&good))
    );

    let dangerous = priced(&world, "9");
    let node = Node::start(&world, "two", &dangerous).await.unwrap();
    assert_eq!(node.hash(), hash(&good));
    assert_eq!(
        open_alerts(&node.house).await,
        [("config_waiting".to_owned(), "two".to_owned())]
    );
}

#[tokio::test]
async fn a_version_that_cannot_be_read_any_more_gives_way_to_the_file() {
    let world = two_panels().await;
    run(
        &world.database,
        "update config_version set body = 'from = \"another program\"'",
    )
    .await
    .unwrap();

    let text = priced(&world, "2.2");
    let node = Node::start(&world, "one", &text).await.unwrap();
    assert_eq!(node.hash(), hash(&text));

    // One that runs stays with what it has, and says so.
    run(
        &world.database,
        "update config_version set body = 'from = \"another program\"'",
    )
    .await
    .unwrap();

    assert!(!world.house.reload.adopt().await.unwrap());
    assert!(
        open_alerts(&node.house)
            .await
            .contains(&("config_behind".to_owned(), "this process".to_owned()))
    );

    world.buy("1", "100").await;
}

#[tokio::test]
async fn a_node_without_a_panels_key_leaves_the_panel_to_others_and_sells_on() {
    let world = two_panels().await;
    let node = Node::start_in(&world, "one", &world.file.text, BTreeMap::new())
        .await
        .unwrap();

    assert!(node.house.roll.now().is_empty());
    assert_eq!(node.house.catalog.now().sold.len(), 1);
    let alerts = open_alerts(&node.house).await;
    let missing = |provider: &str| ("key_missing".to_owned(), format!("{provider} on one"));
    assert!(
        alerts.contains(&missing("a")) && alerts.contains(&missing("b")),
        "{alerts:?}"
    );

    // What it cannot serve, it does not publish; what others publish, it sells by.
    let text = priced(&world, "2.2");
    assert!(matches!(
        node.edit(&world, &text).await,
        FileLook::Refused(_)
    ));

    let other = Node::start(&world, "two", &world.file.text).await.unwrap();
    assert_eq!(other.edit(&world, &text).await, FileLook::Published);
    assert!(node.adopt().await);
    assert_eq!(
        (node.hash(), other.house.roll.now().len()),
        (hash(&text), 2)
    );

    // On a database without a version there is nothing else to serve.
    run(&world.database, "delete from config_version")
        .await
        .unwrap();

    let refused = Node::start_in(&world, "three", &text, BTreeMap::new())
        .await
        .err()
        .unwrap();

    assert!(
        refused
            .to_string()
            .contains("environment variable PANEL_KEY is not set"),
        "{refused}"
    );
}
