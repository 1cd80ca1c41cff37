//! A database that goes back in time under a living node, or that a backup is put in place of: what
//! was sent since is not sent again, and whoever worked on what was there before works on nothing
//! else.

use panelgate::domain::clock::Clock;
use panelgate::orders::restored;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::books::{legs, read, run};
use crate::node::{Ground, Node, until};
use crate::scripted::Scripted;
use crate::server::Database;
use crate::world::World;

async fn ground(panel: &Scripted) -> Ground {
    let sold =
        "[[service]]\nid = 1\nrate = \"1\"\nroutes = [{ provider = \"s\", service = \"1\" }]\n";

    Ground::new(&format!(
        "[gateway]\ncurrency = \"USD\"\n{}{sold}",
        panel.block()
    ))
    .await
}

async fn ready(node: &Node, ground: &Ground) {
    until("the service is sold", async || {
        node.ask(&ground.key, &[("action", "services")])
            .await
            .1
            .contains("\"service\":1")
    })
    .await;
}

/// A moment of a database, kept: as a base backup does, or a standby that lags behind.
struct Moment {
    name: String,
    maintenance: PgConnection,
}

impl Moment {
    async fn of(database: &Database) -> Self {
        let name = database.options().get_database().unwrap().to_owned();
        let maintenance = PgConnection::connect_with(&database.options().database("postgres"))
            .await
            .unwrap();

        let mut moment = Self { name, maintenance };
        let copy = format!("create database {0}_then template {0}", moment.name);
        moment.without_anybody(&[copy]).await;

        moment
    }

    /// Puts it in the database's place.
    async fn come_back(&mut self) {
        let away = format!("alter database {0} rename to {0}_lost", self.name);
        let back = format!("alter database {0}_then rename to {0}", self.name);
        self.without_anybody(&[away, back]).await;
    }

    /// Does this while nobody is connected, nor can be.
    async fn without_anybody(&mut self, statements: &[String]) {
        self.let_in(&self.name.clone(), false).await;
        let end =
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1";

        sqlx::query(end)
            .bind(&self.name)
            .execute(&mut self.maintenance)
            .await
            .unwrap();

        for statement in statements {
            self.maintenance
                .execute(AssertSqlSafe(statement.as_str()))
                .await
                .unwrap();
        }

        self.let_in(&self.name.clone(), true).await;
        for other in ["then", "lost"] {
            let known = "select count(*) = 1 from pg_database where datname = $1";
            let other = format!("{}_{other}", self.name);
            let is_there: bool = sqlx::query_scalar(known)
                .bind(&other)
                .fetch_one(&mut self.maintenance)
                .await
                .unwrap();

            if is_there {
                self.let_in(&other, true).await;
            }
        }
    }

    async fn let_in(&mut self, name: &str, allowed: bool) {
        let alter = format!("alter database {name} allow_connections {allowed}");
        self.maintenance
            .execute(AssertSqlSafe(alter))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_was_sent_before_the_database_went_back_in_time_is_not_sent_again() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = ground(&panel).await;
    let node = ground.node().await;
    ready(&node, &ground).await;

    // It waits at that moment, and is sent after it.
    ground
        .json(&["provider", "pause", "s", "--reason", "x"])
        .await;

    let order = node.buy(&ground.key, "https://example.org/1").await;
    let mut moment = Moment::of(&ground.database).await;
    until("the node is back", async || node.health().await.0 == 200).await;
    ground
        .json(&["provider", "resume", "s", "--reason", "x"])
        .await;

    until("it is sent", async || {
        legs(&ground.database).await == "s accepted"
    })
    .await;

    moment.come_back().await;
    until("the node saw it", async || {
        read(
            &ground.database,
            "select (frozen_at is not null)::text from dispatch",
        )
        .await
            == "true"
    })
    .await;

    assert_eq!(legs(&ground.database).await, "s in_doubt");
    let known = read(
        &ground.database,
        "select provider || ' ' || verdict || ' ' || address from attempt",
    )
    .await;

    assert!(
        known.starts_with("s in_doubt 127.0.0.1:"),
        "as it was sent: {known}"
    );

    until("it is told", async || {
        let told = "select count(*)::text from alert where kind = 'dispatch_frozen' and raised_at \
                    is not null";
        read(&ground.database, told).await == "1"
    })
    .await;

    // A person lets it go on: what may have been sent is sent by no machine, and numbers are given
    // out once.
    ground
        .json(&["provider", "resume", "s", "--reason", "x"])
        .await;

    ground.json(&["dispatch", "thaw", "--reason", "x"]).await;
    until("the node is ready", async || node.health().await.0 == 200).await;
    let next = node.buy(&ground.key, "https://example.org/2").await;
    assert!(next.parse::<i32>().unwrap() > order.parse::<i32>().unwrap());
    until("the next one is sent", async || {
        legs(&ground.database).await == "s in_doubt, s accepted"
    })
    .await;

    assert_eq!(panel.requests("add"), 2, "each once");
    assert!(
        ground.json(&["ledger", "audit"]).await["ok"]
            .as_bool()
            .unwrap()
    );

    node.kill().await;
}

#[tokio::test]
async fn a_node_stops_when_a_backup_is_put_in_its_databases_place() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = ground(&panel).await;
    let node = ground.node().await;
    ready(&node, &ground).await;

    run(
        &ground.database,
        "update incarnation set id = gen_random_uuid()",
    )
    .await
    .unwrap();

    until("it says so", async || {
        let (status, said) = node.health().await;
        status == 503 && said.contains(r#""database":"replaced""#)
    })
    .await;

    let fields = [
        ("action", "add"),
        ("service", "1"),
        ("link", "https://example.org/1"),
        ("quantity", "100"),
    ];

    assert_eq!(node.ask(&ground.key, &fields).await.0, 503);
    assert_eq!(
        read(&ground.database, "select count(*)::text from orders").await,
        "0"
    );

    let anew = ground.node().await;
    ready(&anew, &ground).await;
    anew.buy(&ground.key, "https://example.org/1").await;
    until("the one that was started anew sends", async || {
        legs(&ground.database).await == "s accepted"
    })
    .await;

    anew.kill().await;
    node.kill().await;
}

#[tokio::test]
async fn a_restored_copy_is_another_database_and_numbers_its_legs_further_on() {
    let world = World::open().await;
    world.buy("1", "100").await;
    let id = "select id::text from incarnation";
    let (before, leg) = (
        read(&world.database, id).await,
        "select max(id)::text from leg",
    );

    let number = async || read(&world.database, leg).await.parse::<i64>().unwrap();
    let first = number().await;

    let mut tx = world.house.store.begin().await.unwrap();
    restored::settle_in(&mut tx, world.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    assert_ne!(read(&world.database, id).await, before);
    world.buy("1", "100").await;

    assert!(
        number().await > first + 1_000_000,
        "{} after {first}",
        number().await
    );
}
