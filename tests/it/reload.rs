//! Live configuration: nodes over one database, each with a file of its own, whose watch looks when
//! the test says.

mod back;
mod file;
mod imports;
mod late;
mod load;
mod panels;
mod readings;
mod start;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::TimeDelta;
use panelgate::app::App;
use panelgate::config;
use panelgate::reload::{self, Consent, EditWords, Env, FileLook, Place, PublishOutcome};
use panelgate::store::{Store, alerts, versions};
use tempfile::TempDir;

use crate::world::{Plan, World, one_over, watch_clock, work_once};

/// What every simulated panel accepts.
const KEY: &str = "the-panels-key";
/// Longer than a file must stand still.
const STILL_S: i64 = 1;
/// The time between two looks.
const LOOK: TimeDelta = TimeDelta::milliseconds(200);

/// A world whose service 1 goes by panel `a`, then by `b`.
async fn two_panels() -> World {
    let plan = Plan {
        panels: vec![("a", ""), ("b", "")],
        services: one_over(&["a", "b"]),
        ..Plan::default()
    };

    World::build(plan).await
}

/// The environment of every node.
fn surroundings() -> BTreeMap<String, String> {
    BTreeMap::from([("PANEL_KEY".to_owned(), KEY.to_owned())])
}

/// A process with a file.
struct Node {
    house: App,
    path: PathBuf,
    _folder: TempDir,
}

impl Node {
    /// Begins with this text as its file.
    async fn start(world: &World, name: &str, text: &str) -> anyhow::Result<Self> {
        Self::start_in(world, name, text, surroundings()).await
    }

    async fn start_in(
        world: &World,
        name: &str,
        text: &str,
        surroundings: BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("providers.toml");
        std::fs::write(&path, text).unwrap();
        let file = config::load(&path, &surroundings)?;
        let ground = Env {
            file: Some(path.clone()),
            surroundings,
            node: name.to_owned(),
        };

        let store = Store::open(&world.database.options(), 8, 6);
        let house = App::start(store, file, ground, world.clock.clone()).await?;
        house.reload.adopt().await?;

        Ok(Self {
            house,
            path,
            _folder: folder,
        })
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.path, text).unwrap();
    }

    async fn look(&self) -> FileLook {
        self.house.reload.look().await.unwrap()
    }

    async fn adopt(&self) -> bool {
        self.house.reload.adopt().await.unwrap()
    }

    /// Looks three times, with the file standing still between.
    async fn watch(&self, world: &World) -> FileLook {
        self.watch_begins(world).await;
        world.turn(STILL_S);
        self.look().await
    }

    /// The first two of these looks: the file did not stand still for long enough yet.
    async fn watch_begins(&self, world: &World) {
        for _ in 0..2 {
            let seen = self.look().await;
            assert!(
                matches!(seen, FileLook::Moving | FileLook::Nothing),
                "{seen:?}"
            );

            world.clock.turn(LOOK);
        }
    }

    /// Edits the file, and has the watch see it.
    async fn edit(&self, world: &World, text: &str) -> FileLook {
        self.write(text);
        self.watch(world).await
    }

    /// An edit after which panel `a`'s key stands in a file: this one.
    async fn keep_key_in_file(&self, world: &World) -> PathBuf {
        let file = self.path.with_file_name("a.key");
        std::fs::write(&file, KEY).unwrap();
        let place = format!("key_file = \"{}\"", file.display());

        let edit = self
            .edit(
                world,
                &world
                    .file
                    .text
                    .replacen("key_env = \"PANEL_KEY\"", &place, 1),
            )
            .await;

        assert_eq!(edit, FileLook::Published);
        file
    }

    /// Edits the file, and a person applies it.
    async fn apply(&self, text: &str) {
        self.write(text);
        let (store, clock) = (&self.house.store, &self.house.clock);
        let file = config::load(&self.path, &surroundings()).unwrap();
        let place = Place {
            folder: self.path.parent().unwrap(),
            surroundings: &surroundings(),
        };

        let said = EditWords {
            by: "somebody",
            reason: "",
            consent: Consent::Person,
        };

        let came = reload::publish_file(store, clock, &file, place, said, None)
            .await
            .unwrap();

        assert!(matches!(came, PublishOutcome::Published { .. }), "{came:?}");
        self.adopt().await;
    }

    fn hash(&self) -> String {
        self.house.catalog.mapping().hash.0.clone()
    }

    /// Every worker's round, for every panel on the roll, until nothing is left to do at this
    /// moment.
    async fn work(&self) {
        watch_clock(&self.house.store, self.house.clock.now()).await;
        for _ in 0..50 {
            let mut done = 0;
            for listed in self.house.roll.now().iter() {
                done += if listed.retired {
                    follow_once(&self.house, &listed.panel).await
                } else {
                    work_once(&self.house, &listed.panel).await
                };
            }

            if done == 0 {
                return;
            }
        }

        panic!("the workers never come to rest");
    }
}

/// What is done for a panel that the file names no more.
async fn follow_once(house: &App, panel: &panelgate::upstream::Panel) -> usize {
    let Some(epoch) = house.delivery.hold(panel).await.unwrap() else {
        return 0;
    };

    house.delivery.sweep(panel.settings(), epoch).await.unwrap();
    let doubts = house.delivery.look_into_doubts(panel, epoch).await.unwrap();
    let canceled = house.delivery.cancel(panel, epoch).await.unwrap();
    let refills = house.delivery.refill(panel, epoch).await.unwrap();
    let passed_on = house.delivery.pass_on(panel, epoch).await.unwrap();

    doubts + canceled + refills + passed_on + house.delivery.track(panel, epoch).await.unwrap()
}

/// The world's text with another price of service 1.
fn priced(world: &World, rate: &str) -> String {
    world
        .file
        .text
        .replace("rate = \"2\"", &format!("rate = \"{rate}\""))
}

/// The world's text without panel `a`.
fn without_a(world: &World) -> String {
    let text = world
        .file
        .text
        .replace("{ provider = \"a\", service = \"1\" }, ", "");

    let (head, rest) = text.split_once("[[provider]]").unwrap();
    let (_, from_b) = rest.split_once("[[provider]]").unwrap();
    format!("{head}[[provider]]{from_b}")
}

/// The alerts that are open, by kind and object; the world's own house, which has no environment,
/// apart.
async fn open_alerts(house: &App) -> Vec<(String, String)> {
    house.alerts.look().await.unwrap();
    let rows = alerts::list_alerts(&house.store).await.unwrap();
    let ours = |object: &str| !object.ends_with("on this process");
    rows.into_iter()
        .filter(|row| row.over_at.is_none() && ours(&row.object))
        .map(|row| (row.kind, row.object))
        .collect()
}

/// The history as `state hash by`, newest first.
async fn history(house: &App) -> Vec<String> {
    let rows = versions::list_history(&house.store, 100).await.unwrap();
    rows.into_iter()
        .map(|row| format!("{} {} by {}", row.state, row.hash, row.by))
        .collect()
}

fn hash(text: &str) -> String {
    config::hash(text.as_bytes()).0
}
