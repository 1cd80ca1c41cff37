//! Keys: the wrong ones cost no database, the revoked ones stop working, and a database that is away is said so at once.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::world::{World, buyer};

/// How long a revoked key may still be believed, with room for a busy machine.
const REVOKED_WITHIN: Duration = Duration::from_secs(2);

const NOBODY: &str = r#"{"error":"Invalid API key"}"#;

/// Connects beside the world's own pools.
async fn maintenance(world: &World) -> PgConnection {
    PgConnection::connect_with(&world.database.options().database("postgres")).await.unwrap()
}

/// Nobody gets into the world's database any more, and who is inside is thrown out; or everybody may again.
pub async fn let_in(world: &World, allowed: bool) {
    let name = world.database.options().get_database().unwrap().to_owned();
    let mut maintenance = maintenance(world).await;
    let alter = format!("alter database {name} allow_connections {allowed}");
    maintenance.execute(AssertSqlSafe(alter)).await.unwrap();
    if !allowed {
        let end = sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1").bind(name);
        end.execute(&mut maintenance).await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_key_reaches_the_database_once() {
    let world = World::open().await;
    assert_eq!(world.ask_as("wrong", &[("action", "balance")]).await, NOBODY);
    // From here on whoever looks for a key finds the table broken, and would be told so.
    let pool = world.pool().await;
    sqlx::query("alter table api_key rename to elsewhere").execute(&pool).await.unwrap();
    for _ in 0..1_000 {
        assert_eq!(world.ask_as("wrong", &[("action", "balance")]).await, NOBODY);
    }
    let fresh = world.post(&[("key", "another"), ("action", "balance")]).await;
    assert_eq!(fresh, (500, r#"{"error":"Internal error, retry later"}"#.to_owned()), "the trap works");
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_moments() {
    let world = World::open().await;
    let (_, other, _) = buyer(&world.house, "other", "1").await;
    assert_eq!(world.balance().await, r#"{"balance":"1000.00","currency":"USD"}"#);
    let revoke = sqlx::query("update api_key set revoked_at = now() where id = $1").bind(world.key_id.0);
    revoke.execute(&world.pool().await).await.unwrap();
    let revoked = Instant::now();
    while world.balance().await != NOBODY {
        assert!(revoked.elapsed() < REVOKED_WITHIN, "still believed");
    }
    assert_eq!(world.ask_as(&other, &[("action", "balance")]).await, r#"{"balance":"1.00","currency":"USD"}"#);
}

#[tokio::test]
async fn a_database_that_is_away_is_said_so_at_once_and_is_found_again() {
    let world = World::open().await;
    let add = [("key", world.key.as_str()), ("action", "add"), ("service", "1"), ("link", "a"), ("quantity", "10")];
    let balance = [("key", world.key.as_str()), ("action", "balance")];
    // The door has connections of its own, which die with the rest.
    world.buy("1", "10").await;
    assert!(world.house.store.beat().await);
    let_in(&world, false).await;
    assert!(!world.house.store.beat().await);
    // Ten that come now do not wait for connections that nobody gives.
    let asked = Instant::now();
    for fields in [&add[..], &balance[..]].repeat(5) {
        let response = world.request(fields).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.text().await.unwrap(), r#"{"error":"Internal error, retry later"}"#);
    }
    assert!(asked.elapsed() < Duration::from_secs(2), "each was told at once");
    let_in(&world, true).await;
    assert!(world.house.store.beat().await, "the next beat finds it");
    assert_eq!(world.balance().await, r#"{"balance":"999.991","currency":"USD"}"#, "nothing was bought meanwhile");
    world.buy("1", "10").await;
    world.audit().await;
}
