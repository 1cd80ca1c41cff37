//! The watch: what it takes for an edit, and what becomes of each.

use panelgate::domain::id::ServiceId;
use panelgate::reload::FileLook;

use super::{Node, STILL_S, hash, history, open_alerts, priced, two_panels};
use crate::books::read;

#[tokio::test]
async fn an_edit_that_stood_still_is_adopted_by_every_node() {
    let world = two_panels().await;
    let (one, two) = (start(&world, "one").await, start(&world, "two").await);
    let text = priced(&world, "2.5");

    // Half of it first: an editor that writes in two goes, and pauses between.
    one.write(&text[..text.len() / 2]);
    assert_eq!(one.look().await, FileLook::Moving);
    one.write(&text);
    assert_eq!(one.look().await, FileLook::Moving);

    assert_eq!(
        one.look().await,
        FileLook::Moving,
        "it has not stood still yet"
    );

    assert_eq!(one.hash(), world.file.mapping.hash.0);
    world.turn(STILL_S);
    assert_eq!(one.look().await, FileLook::Published);
    assert_eq!(one.look().await, FileLook::Nothing);
    assert!(two.adopt().await && world.house.reload.adopt().await.unwrap());
    assert_eq!((one.hash(), two.hash()), (hash(&text), hash(&text)));

    assert!(!two.adopt().await, "once");
    let order = world.buy("1", "100").await;
    let sold =
        format!("select config_hash || ' ' || trim_scale(charge) from orders where id = {order}");
    assert_eq!(
        read(&world.database, &sold).await,
        format!("{} 0.25", hash(&text))
    );

    assert!(
        world
            .ask(&[("action", "services")])
            .await
            .contains(r#""rate":"2.50""#)
    );

    // The other one's file merely differs: it is told of, and never published.
    assert_eq!(two.watch(&world).await, FileLook::Nothing);
    assert!(
        open_alerts(&one.house).await.is_empty(),
        "not before its patience is over"
    );

    world.turn(11);
    two.adopt().await;

    let object = format!(
        "two (its file: {}, in force: {})",
        world.file.mapping.hash,
        hash(&text)
    );

    assert_eq!(
        open_alerts(&one.house).await,
        [("config_differs".to_owned(), object)]
    );

    two.write(&text);
    assert_eq!(two.watch(&world).await, FileLook::Same);
    assert!(open_alerts(&one.house).await.is_empty());
    let by = format!("in force {} by file watch on one", hash(&text));
    assert_eq!(history(&one.house).await[0], by);
    world.audit().await;
}

#[tokio::test]
async fn what_was_read_while_it_stood_still_is_sold_by_what_panels_list_at_the_end() {
    let world = two_panels().await;
    let node = start(&world, "one").await;
    node.write(&priced(&world, "2.1"));
    node.watch_begins(&world).await;
    world.panel().switch_service("1", false);
    world.house.refresh().await.unwrap();

    world.turn(STILL_S);
    assert_eq!(node.look().await, FileLook::Published);

    let costs: Vec<bool> = node.house.catalog.now().sold[&ServiceId(1)]
        .routes
        .iter()
        .map(|(_, cost)| cost.is_some())
        .collect();

    assert_eq!(
        (costs, node.hash()),
        (vec![false, true], hash(&priced(&world, "2.1")))
    );
}

#[tokio::test]
async fn a_bad_file_is_refused_aloud_until_it_is_good_again() {
    let world = two_panels().await;
    let node = start(&world, "one").await;
    let before = node.hash();
    let key_gone = priced(&world, "2.1").replace("PANEL_KEY", "NOBODY_SET_THIS");

    let bad: [(&[u8], &str); 5] = [
        (b"[gateway\n", "providers.toml:1:9: this is not TOML"),
        (b"[gateway]\ncurency = \"USD\"\n", "did you mean currency?"),
        (b"[gateway]\n# \xff\n", "is not UTF-8"),
        (b"[gateway]\ncurrency = \"USD\"\n# \0\n", "this is not TOML"),
        (key_gone.as_bytes(), "NOBODY_SET_THIS is not set"),
    ];

    for (bytes, says) in bad {
        std::fs::write(&node.path, bytes).unwrap();
        let seen = node.watch(&world).await;
        assert!(
            matches!(&seen, FileLook::Refused(said) if said.iter().any(|said| said.contains(says))),
            "{seen:?}"
        );

        assert_eq!(
            open_alerts(&node.house).await,
            [("config_refused".to_owned(), "one".to_owned())]
        );

        assert_eq!(node.hash(), before);
    }

    let large = vec![b'#'; 50 << 20];
    std::fs::write(&node.path, &large).unwrap();
    assert!(
        matches!(node.watch(&world).await, FileLook::Refused(said) if said[0].contains("is larger than"))
    );

    assert!(history(&node.house).await[0].starts_with("refused"));
    assert_eq!(
        node.edit(&world, &priced(&world, "2.1")).await,
        FileLook::Published
    );

    assert!(open_alerts(&node.house).await.is_empty());
    world.buy("1", "100").await;
}

#[tokio::test]
async fn a_file_that_vanishes_is_told_and_judged_when_it_is_back() {
    let world = two_panels().await;
    let node = start(&world, "one").await;
    std::fs::remove_file(&node.path).unwrap();

    assert_eq!(
        node.look().await,
        FileLook::Moving,
        "a save by renaming has such a moment"
    );

    node.write(&world.file.text);
    assert_eq!(node.watch(&world).await, FileLook::Nothing);
    std::fs::remove_file(&node.path).unwrap();
    assert_eq!(node.watch(&world).await, FileLook::Gone);
    assert_eq!(node.look().await, FileLook::Nothing, "told once");
    world.buy("1", "100").await;

    open_alerts(&node.house).await;
    world.turn(11);
    node.adopt().await;
    let alerts = open_alerts(&node.house).await;
    assert!(alerts[0].1.starts_with("one (its file: none"), "{alerts:?}");
    assert_eq!(node.edit(&world, &world.file.text).await, FileLook::Same);

    std::fs::remove_file(&node.path).unwrap();
    assert_eq!(node.watch(&world).await, FileLook::Gone);
    assert_eq!(
        node.edit(&world, &priced(&world, "2.2")).await,
        FileLook::Published
    );
}

#[tokio::test]
async fn a_dangerous_edit_waits_and_says_why() {
    let world = two_panels().await;
    let node = start(&world, "one").await;

    let nothing = world
        .file
        .text
        .split("[[service]]")
        .next()
        .unwrap()
        .to_owned();

    world.buy("1", "100").await;
    for (text, says) in [
        (
            priced(&world, "3"),
            "2.00 → 3.00 (+50 %), more than price_jump_percent 30",
        ),
        (priced(&world, "0.1"), "sold for 0.10, costs"),
        (nothing, "1 open; keep its block until they are over"),
    ] {
        let seen = node.edit(&world, &text).await;
        assert!(
            matches!(&seen, FileLook::Waits(said) if said.iter().any(|said| said.contains(says))),
            "{seen:?}"
        );
        assert_eq!(node.hash(), world.file.mapping.hash.0);
        assert_eq!(
            open_alerts(&node.house).await,
            [("config_waiting".to_owned(), "one".to_owned())]
        );
        assert_eq!(
            history(&node.house).await[0],
            format!("waiting {} by file watch on one", hash(&text))
        );
    }

    // A wider bound, in a version of its own, and the same edit is none.
    let wide = world
        .file
        .text
        .replace("[gateway]", "[gateway]\nprice_jump_percent = \"60\"");

    assert_eq!(node.edit(&world, &wide).await, FileLook::Published);
    let dearer = wide.replace("rate = \"2\"", "rate = \"3\"");
    assert_eq!(node.edit(&world, &dearer).await, FileLook::Published);
    assert!(open_alerts(&node.house).await.is_empty());
}

#[tokio::test]
async fn reload_apply_has_edits_wait_for_a_word_or_a_signal() {
    let world = two_panels().await;
    let node = start(&world, "one").await;
    let asked = world
        .file
        .text
        .replace("[gateway]", "[gateway]\nreload = \"apply\"");

    assert_eq!(node.edit(&world, &asked).await, FileLook::Published);
    let edited = asked.replace("rate = \"2\"", "rate = \"2.1\"");
    assert!(
        matches!(node.edit(&world, &edited).await, FileLook::Waits(said) if said[0].contains("apply"))
    );

    assert_eq!(
        node.house.reload.look_at_once().await.unwrap(),
        FileLook::Published
    );

    let dangerous = asked.replace("rate = \"2\"", "rate = \"9\"");
    node.write(&dangerous);

    assert!(
        matches!(
            node.house.reload.look_at_once().await.unwrap(),
            FileLook::Waits(_)
        ),
        "a signal is no `apply`"
    );
}

#[tokio::test]
async fn edits_at_the_same_moment_come_one_after_the_other() {
    let world = two_panels().await;
    let (one, two) = (start(&world, "one").await, start(&world, "two").await);

    for n in 0..5 {
        let (first, second) = (
            priced(&world, &format!("2.1{n}")),
            priced(&world, &format!("2.2{n}")),
        );

        one.write(&first);
        two.write(&second);
        assert_eq!(
            (one.look().await, two.look().await),
            (FileLook::Moving, FileLook::Moving)
        );

        world.turn(STILL_S);
        let seen = tokio::join!(one.look(), two.look());
        assert_eq!(seen, (FileLook::Published, FileLook::Published));
        one.adopt().await;
        two.adopt().await;
        assert_eq!(one.hash(), two.hash());

        let newest = history(&one.house).await;
        let both = [hash(&first), hash(&second)];

        assert!(
            newest[..2]
                .iter()
                .all(|line| both.iter().any(|hash| line.contains(hash.as_str()))),
            "{newest:?}"
        );
    }
}

async fn start(world: &crate::world::World, name: &str) -> Node {
    Node::start(world, name, &world.file.text).await.unwrap()
}
