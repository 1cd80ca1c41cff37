//! `rollback` and the file that it writes: when it does, and when it leaves it as it is.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use panelgate::config;
use panelgate::reload;
use panelgate::store::versions::{self, Edit, EditState};
use serde_json::Value;
use sqlx::ConnectOptions;
use tempfile::TempDir;
use tokio::process::Command;

use super::{hash, priced, surroundings, two_panels};
use crate::books::{read, run};
use crate::commands::PATIENCE;
use crate::world::World;

/// Well before a command gives up waiting for nodes.
const SOON: Duration = Duration::from_secs(12);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A process that runs and never adopts anything.
const STUCK: &str = "insert into config_node (node, name, hash, file_hash, judged, keyless, \
                     behind, seen_at) values (gen_random_uuid(), 'stuck', 'another', null, '', \
                     '{}', true, now() + interval '1 day')";
const NEWEST: &str = "select hash from config_version order by id desc limit 1";

/// A world with two versions, and a file that holds the second.
struct Past {
    world: World,
    folder: TempDir,
    second: String,
}

impl Past {
    async fn new() -> Self {
        let world = two_panels().await;
        let second = priced(&world, "2.1");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("my.toml"), &second).unwrap();

        let past = Self {
            world,
            folder,
            second,
        };

        past.publish(&past.second).await;
        past
    }

    async fn publish(&self, text: &str) {
        let file = config::read(text, Path::new("."), &surroundings()).unwrap();
        let (store, clock) = (&self.world.house.store, &self.world.house.clock);
        reload::put_in_force(store, clock, &file.mapping, text, "somebody", "")
            .await
            .unwrap();
    }

    fn first(&self) -> &str {
        &self.world.file.text
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("my.toml")).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
        let url = self.world.database.options().to_url_lossy();
        command
            .args(["--database-url", url.as_str(), "rollback"])
            .args(words)
            .current_dir(self.folder.path());

        command
            .envs(surroundings())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());

        command.kill_on_drop(true);
        command
    }

    async fn roll_back(&self, words: &[&str]) -> Output {
        let ended = self.command(words).output();
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("the command ends")
            .unwrap()
    }

    /// Every file of the folder.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();

        names.sort();
        names
    }
}

fn said(output: &Output) -> (Option<i32>, String) {
    let both = [&*output.stdout, &*output.stderr].concat();
    (output.status.code(), String::from_utf8(both).unwrap())
}

#[tokio::test]
async fn the_file_is_written_before_any_node_is_waited_for() {
    let past = Past::new().await;
    run(&past.world.database, STUCK).await.unwrap();
    let waiting = past.command(&["--config", "my.toml"]).spawn().unwrap();
    let mut looks = tokio::time::interval(LOOK_EVERY);

    let written = async {
        while past.text() != past.first() {
            looks.tick().await;
        }
    };

    tokio::time::timeout(SOON, written)
        .await
        .expect("the file is written at once");

    // What is applied while it waits stays.
    let third = priced(&past.world, "2.2");
    past.publish(&third).await;

    let (code, told) = said(
        &tokio::time::timeout(SOON, waiting.wait_with_output())
            .await
            .unwrap()
            .unwrap(),
    );

    assert_eq!(
        (code, past.text()),
        (Some(0), past.first().to_owned()),
        "{told}"
    );

    assert!(
        told.contains(&format!("{} came into force since", hash(&third))),
        "{told}"
    );

    assert!(
        told.contains("--config my.toml config list` shows all"),
        "{told}"
    );

    assert_eq!(read(&past.world.database, NEWEST).await, hash(&third));
}

#[tokio::test]
async fn a_node_that_does_not_follow_is_named_and_is_a_failure() {
    let past = Past::new().await;
    run(&past.world.database, STUCK).await.unwrap();
    let (code, told) = said(&past.roll_back(&["--config", "my.toml"]).await);
    assert_eq!(
        (code, past.text()),
        (Some(1), past.first().to_owned()),
        "{told}"
    );

    assert!(
        told.contains("nodes that serve it: 0 of 1\nstuck still serves another; its log tells why"),
        "{told}"
    );
}

#[tokio::test]
async fn a_file_is_left_where_something_else_is_in_force_by_then() {
    let past = Past::new().await;
    let overtaken = "create function overtake() returns trigger language plpgsql as $$ begin \
                     insert into config_version (hash, body, published_at, published_by, reason) \
                     values ('feedfeedfeed', '', now(), 'ann', ''); return null; end $$; create \
                     trigger overtake after insert on config_version for each row when \
                     (new.published_by = 'bob') execute function overtake()";

    run(&past.world.database, overtaken).await.unwrap();
    let (code, told) = said(
        &past
            .roll_back(&["--config", "my.toml", "--as", "bob"])
            .await,
    );

    assert_eq!(
        (code, past.text(), past.files()),
        (Some(1), past.second.clone(), vec!["my.toml".to_owned()]),
        "{told}"
    );

    assert!(
        told.contains("somebody applied feedfeedfeed right after it")
            && told.contains("left as it is"),
        "{told}"
    );
}

#[tokio::test]
async fn a_folder_without_the_file_is_told_before_anything_is_published() {
    let past = Past::new().await;
    for (words, says) in [
        (vec![], "providers.toml cannot be found"),
        (vec!["--config", "."], ". is no file"),
    ] {
        let (code, told) = said(&past.roll_back(&words).await);
        assert_eq!(
            (code, past.files()),
            (Some(2), vec!["my.toml".to_owned()]),
            "{told}"
        );
        assert!(
            told.contains(says)
                && told.contains("--config")
                && told.contains("nothing was changed"),
            "{told}"
        );
    }

    assert_eq!(read(&past.world.database, NEWEST).await, hash(&past.second));
}

#[tokio::test]
async fn it_says_from_what_it_went_where_and_which_edit_was_never_in_force() {
    let past = Past::new().await;
    let (first, second) = (hash(past.first()), hash(&past.second));
    past.world.turn(1);
    let bad = config::hash(b"[gateway");
    let edit = Edit {
        hash: &bad,
        body: Some("[gateway"),
        state: EditState::Refused,
        said: &[],
        by: "a watch",
    };

    versions::keep_edit(&past.world.house.store, edit, past.world.house.clock.now())
        .await
        .unwrap();

    let (code, told) = said(&past.roll_back(&["--config", "my.toml"]).await);
    assert_eq!(code, Some(0), "{told}");

    assert!(
        told.starts_with(&format!(
            "went back from {second} to {first}, which is in force\n"
        )),
        "{told}"
    );

    let passed_over = format!(
        "{bad}, which is newer and refused, was never in force and was passed over; to have again \
         what was in force a moment ago: `panelgate --database-url URL --config my.toml rollback \
         {second}`\n"
    );

    assert!(told.contains(&passed_over), "{told}");

    // By name, and then nothing is newer.
    let (_, told) = said(&past.roll_back(&[&second, "--config", "my.toml"]).await);
    assert!(
        told.starts_with(&format!("went back from {first} to {second}")) && !told.contains("newer"),
        "{told}"
    );

    let (_, told) = said(&past.roll_back(&[&second, "--config", "my.toml"]).await);
    assert!(
        told.starts_with(&format!("{second} is in force already\n")),
        "{told}"
    );

    let (_, told) = said(&past.roll_back(&["--config", "my.toml", "--json"]).await);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["config_hash"], &told["before"], &told["passed_over"]),
        (&first.into(), &second.into(), &Value::Null)
    );

    assert_eq!(past.text(), past.first());
}

#[tokio::test]
async fn a_key_file_is_the_same_however_the_configuration_is_named() {
    let past = Past::new().await;
    past.world.buy("1", "100").await;
    past.world.work().await;
    std::fs::write(past.folder.path().join("p.key"), "the-panels-key").unwrap();

    let keyed = |price: &str| {
        let text = priced(&past.world, price);
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some(("key_env", _)) => "key_file = \"p.key\"\n".to_owned(),
            Some(_) | None => format!("{line}\n"),
        });

        lines.collect::<String>()
    };

    let (third, fourth) = (keyed("2.2"), keyed("2.3"));
    assert!(third.contains("key_file"));
    past.publish(&third).await;
    past.publish(&fourth).await;

    // Relative, and absolute.
    let whole = past.folder.path().join("my.toml").display().to_string();
    for named in ["my.toml", &whole] {
        let (code, told) = said(&past.roll_back(&["--config", named]).await);
        assert!(code == Some(0) && !told.contains("dangerous"), "{told}");
    }
}
