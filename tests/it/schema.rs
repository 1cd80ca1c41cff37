//! The schema of a process that starts: its functions replace others, and never those of a newer
//! panelgate.

use std::fmt::Write;

use panelgate::store::{Store, StoreError, schema};
use sqlx::migrate::MigrateError;

use crate::books::{read, run};
use crate::server::{self, Database};
use crate::world::World;

/// What the database says of its functions.
const CHECKSUM: &str = "select encode(checksum, 'hex') from schema_functions";

/// What stands in one of them.
const SOURCE: &str = "select prosrc from pg_proc where proname = 'order_was_placed'";

/// Another panelgate's function, which finds every order.
const ANOTHER: &str = "create or replace function order_was_placed(wanted integer) returns boolean
    language sql as 'select true'";

async fn start(database: &Database) -> Result<(), StoreError> {
    let store = Store::open(&database.options(), 1, 1);
    let migrated = store.migrate().await;
    store.close().await;
    migrated
}

/// A database in which another panelgate's functions are; of which release, SQL says.
async fn with_another(release: &str) -> Database {
    let database = server::database().await;
    let put = format!(
        "{ANOTHER}; update schema_functions set checksum = 'another', release = {release}, \
         applied_at = '-infinity'"
    );

    run(&database, &put).await.unwrap();
    database
}

fn ours() -> String {
    let mut hex = String::new();
    for byte in schema::checksum() {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

#[tokio::test]
async fn a_fresh_database_has_the_functions_of_its_panelgate() {
    let database = server::database().await;
    assert_eq!(read(&database, CHECKSUM).await, ours());

    assert_eq!(
        read(
            &database,
            "select array_to_string(release, '.') from schema_functions"
        )
        .await,
        env!("CARGO_PKG_VERSION")
    );
}

#[tokio::test]
async fn a_changed_function_is_replaced_at_the_next_start_and_nothing_at_the_one_after() {
    let fresh = read(&server::database().await, SOURCE).await;
    let applied = "select applied_at::text from schema_functions";

    for release in ["array[0, 0, 0]", "release"] {
        let database = with_another(release).await;
        start(&database).await.unwrap();
        assert_eq!(read(&database, SOURCE).await, fresh);
        assert_eq!(read(&database, CHECKSUM).await, ours());

        let first = read(&database, applied).await;
        start(&database).await.unwrap();
        assert_eq!(read(&database, applied).await, first);
    }
}

#[tokio::test]
async fn orders_are_bought_after_their_functions_were_replaced() {
    let world = World::open().await;
    world.buy("1", "100").await;

    run(
        &world.database,
        "update schema_functions set checksum = 'another'",
    )
    .await
    .unwrap();

    start(&world.database).await.unwrap();
    world.buy("1", "100").await;

    for (edit, refusal) in [
        ("update transfer set amount = 1", "append-only"),
        (
            "insert into burned_order (id) values (7); insert into orders (id) values (7)",
            "is not bought any more",
        ),
    ] {
        let refused = run(&world.database, edit).await.unwrap_err().to_string();
        assert!(refused.contains(refusal), "{refused}");
    }

    let triggers = "select count(*)::text from pg_trigger where not tgisinternal";
    assert_eq!(read(&world.database, triggers).await, "3");
}

#[tokio::test]
async fn functions_of_a_newer_release_or_a_newer_schema_stay() {
    let newer = [
        "release[1:2] || release[3] + 1",
        "array[release[1], release[2] + 1, 0]",
        "array[release[1] + 1, 0, 0]",
    ];

    for release in newer {
        let database = with_another(release).await;
        start(&database).await.unwrap();
        assert_eq!(read(&database, SOURCE).await, "select true", "{release}");
    }

    let database = with_another("release").await;
    run(
        &database,
        "insert into _sqlx_migrations values (9999, 'later', now(), true, '', 0)",
    )
    .await
    .unwrap();

    let refused = start(&database).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Migrate(MigrateError::VersionMissing(9999))
        ),
        "{refused}"
    );

    assert_eq!(read(&database, SOURCE).await, "select true");

    // The lock went with the session that failed.
    run(
        &database,
        "delete from _sqlx_migrations where version = 9999",
    )
    .await
    .unwrap();

    start(&database).await.unwrap();
    assert_eq!(read(&database, CHECKSUM).await, ours());
}

#[tokio::test]
async fn several_that_start_at_once_make_one_schema() {
    let database = server::database().await;
    run(
        &database,
        "drop schema public cascade; create schema public",
    )
    .await
    .unwrap();

    let (one, two, three) = tokio::join!(start(&database), start(&database), start(&database));
    for started in [one, two, three] {
        started.unwrap();
    }

    assert_eq!(read(&database, CHECKSUM).await, ours());
}

#[tokio::test]
async fn a_function_that_cannot_be_replaced_leaves_all_as_they_were() {
    let database = with_another("release").await;

    // The last of them: another result, which `create or replace` refuses.
    let other_result = "drop function take_allowance(bigint, text, bigint, bigint);
        create function take_allowance(bigint, text, bigint, bigint) returns integer language sql \
                        as 'select 1'";

    run(&database, other_result).await.unwrap();
    let refused = start(&database).await.unwrap_err().to_string();
    assert!(refused.contains("cannot change return type"), "{refused}");
    assert_eq!(read(&database, SOURCE).await, "select true");
}
