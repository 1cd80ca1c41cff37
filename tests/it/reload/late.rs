//! What comes late: files and texts of nodes that others have overtaken, and versions that a node
//! cannot make out.

use panelgate::reload::FileLook;

use super::{Node, hash, history, open_alerts, priced, two_panels};
use crate::books::run;
use crate::world::World;

const CA: &str = include_str!("../tls/ca.pem");

/// The world's text, whose panel `a` has an authority of its own in a file beside it.
fn with_ca_file(world: &World) -> String {
    world.file.text.replacen(
        "key_env = \"PANEL_KEY\"\n",
        "key_env = \"PANEL_KEY\"\nca_file = \"ca.pem\"\n",
        1,
    )
}

async fn start(world: &World, name: &str) -> Node {
    Node::start(world, name, &world.file.text).await.unwrap()
}

#[tokio::test]
async fn a_certificate_that_lies_only_elsewhere_takes_nobody_back() {
    let world = two_panels().await;
    let one = start(&world, "one").await;
    let text = with_ca_file(&world);

    // An edit of one's own names a file that must be there.
    let seen = one.edit(&world, &text).await;
    assert!(
        matches!(&seen, FileLook::Refused(said) if said[0].contains("ca.pem cannot be read")),
        "{seen:?}"
    );

    let pem = one.path.with_file_name("ca.pem");
    std::fs::write(&pem, CA).unwrap();
    assert_eq!(
        one.house.reload.look_at_once().await.unwrap(),
        FileLook::Published
    );

    // Who comes back with the older file serves the newer version, but for the panel that it cannot
    // deal with.
    let late = start(&world, "late").await;
    assert_eq!((late.hash(), late.house.roll.now().len()), (hash(&text), 1));

    assert!(
        open_alerts(&one.house)
            .await
            .contains(&("key_missing".to_owned(), "a on late".to_owned()))
    );

    assert!(history(&one.house).await[0].starts_with(&format!("in force {}", hash(&text))));

    // What is dangerous waits as everywhere, whether the file is here or not.
    std::fs::remove_file(&pem).unwrap();
    let dangerous = priced(&world, "9");
    assert!(
        matches!(late.edit(&world, &dangerous).await, FileLook::Waits(said) if said[0].contains("2.00 → 9.00"))
    );

    let new = Node::start(&world, "new", &dangerous).await.unwrap();
    assert_eq!(new.hash(), hash(&text));

    assert!(
        open_alerts(&one.house)
            .await
            .contains(&("config_waiting".to_owned(), "new".to_owned()))
    );

    assert_eq!((one.hash(), late.hash()), (hash(&text), hash(&text)));
    world.audit().await;
}

#[tokio::test]
async fn what_cannot_be_compared_with_the_version_in_force_waits() {
    let world = two_panels().await;
    let one = start(&world, "one").await;
    let newer = "insert into config_version (hash, body, published_at, published_by, reason) \
                 values ('feedfeedfeed', 'from = \"a newer program\"', now(), 'newer', '')";
    run(&world.database, newer).await.unwrap();
    let (harmless, why) = (
        priced(&world, "2.1"),
        "the version in force, feedfeedfeed, cannot be read by this program",
    );

    let seen = one.edit(&world, &harmless).await;
    assert!(
        matches!(&seen, FileLook::Waits(said) if said[0].starts_with(why)),
        "{seen:?}"
    );

    let seen = one.house.reload.look_at_once().await.unwrap();
    assert!(
        matches!(&seen, FileLook::Waits(said) if said[0].starts_with(why)),
        "{seen:?}"
    );

    // An older file is no way out of it.
    let refused = Node::start(&world, "late", &world.file.text)
        .await
        .err()
        .unwrap()
        .to_string();

    assert!(
        refused.starts_with(why) && refused.contains("`panelgate apply`"),
        "{refused}"
    );

    assert!(
        history(&one.house)
            .await
            .iter()
            .any(|line| line == "in force feedfeedfeed by newer")
    );

    one.apply(&harmless).await;
    assert_eq!(one.hash(), hash(&harmless));
}

#[tokio::test]
async fn an_edit_that_was_applied_and_overtaken_comes_late() {
    for (adopted, signal) in [(true, true), (true, false), (false, true), (false, false)] {
        let world = two_panels().await;
        let (one, two) = (start(&world, "one").await, start(&world, "two").await);
        let (applied, newer) = (priced(&world, "9"), priced(&world, "8.8"));
        assert!(matches!(
            one.edit(&world, &applied).await,
            FileLook::Waits(_)
        ));

        two.apply(&applied).await;
        if adopted {
            one.adopt().await;
        }

        two.apply(&newer).await;
        one.adopt().await;

        let seen = if signal {
            one.house.reload.look_at_once().await.unwrap()
        } else {
            // Gone for longer than a save takes, and back.
            std::fs::remove_file(&one.path).unwrap();
            assert_eq!(one.watch(&world).await, FileLook::Gone);
            one.edit(&world, &applied).await
        };

        assert_eq!(
            (seen, one.hash()),
            (FileLook::Late, hash(&newer)),
            "adopted {adopted}, signal {signal}"
        );

        assert!(history(&two.house).await[0].starts_with(&format!("in force {}", hash(&newer))));

        // An edit that goes back is one.
        let back = one.edit(&world, &priced(&world, "8.7")).await;
        assert_eq!(
            (back, one.edit(&world, &newer).await),
            (FileLook::Published, FileLook::Published)
        );
    }
}

#[tokio::test]
async fn a_file_that_a_roll_back_wrote_is_no_edit_of_what_a_person_applied_since() {
    let world = two_panels().await;
    let (one, two) = (start(&world, "one").await, start(&world, "two").await);
    assert_eq!(
        one.edit(&world, &priced(&world, "2.1")).await,
        FileLook::Published
    );

    two.adopt().await;

    // In force again, then written; and a person applies another before the watch judges it.
    two.apply(&world.file.text).await;
    one.write(&world.file.text);
    assert_eq!(one.look().await, FileLook::Moving);
    let newer = priced(&world, "2.2");
    two.apply(&newer).await;

    one.adopt().await;
    assert_eq!(
        (one.watch(&world).await, one.hash()),
        (FileLook::Late, hash(&newer))
    );
}
