//! The schema: its tables, made step by step, and its functions, replaced when they change.

use sha2::{Digest, Sha256};
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, PgPool};

/// The tables, step by step.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A file of `migrations/functions/`: its name and its text.
macro_rules! function {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../migrations/functions/", $name)),
        )
    };
}

/// The functions, with the triggers that call them.
///
/// A trigger is replaced under its table's lock. `transfer` comes before `orders`, as in a
/// purchase, so that the two wait for each other in one order.
pub(super) const FUNCTIONS: [(&str, &str); 8] = [
    function!("a_key_begins.sql"),
    function!("transfers_are_for_ever.sql"),
    function!("refuse_burned_order.sql"),
    function!("order_was_placed.sql"),
    function!("place_orders.sql"),
    function!("gate_lets_through.sql"),
    function!("leg_cost_now.sql"),
    function!("take_allowance.sql"),
];

/// Brings the schema up to date over a connection of the pool.
pub(super) async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    let mut connection = pool.acquire().await?;
    // What fails half way leaves the migrator's lock to the session, which therefore ends here.
    connection.close_on_drop();
    bring_up_to_date(&mut connection).await
}

/// Runs the steps that are missing, then replaces the functions where they are not ours. The schema
/// of a newer panelgate is refused before anything is done.
pub(super) async fn bring_up_to_date(connection: &mut PgConnection) -> Result<(), MigrateError> {
    // Taken once more by the migrator, and held on: between its steps and the functions a newer
    // panelgate could change both.
    connection.lock().await?;

    MIGRATIONS.run_direct(None, connection, false).await?;
    replace_functions(connection).await?;

    connection.unlock().await
}

/// All functions or none. A newer release of the same schema keeps its own: this one works with
/// them, as do nodes that were running when they came.
async fn replace_functions(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let (checksum, release) = (checksum(), release());
    let mut tx = connection.begin().await?;

    let stay = sqlx::query_scalar!(
        r#"
        select exists (
            select from schema_functions where checksum = $1 or release > $2
        ) as "stay!"
        "#,
        &checksum,
        &release
    );

    if stay.fetch_one(&mut *tx).await? {
        return tx.rollback().await;
    }

    for (_, text) in FUNCTIONS {
        sqlx::raw_sql(text).execute(&mut *tx).await?;
    }

    sqlx::query!(
        r#"
        insert into schema_functions (checksum, release)
        values ($1, $2)
        on conflict (one) do update
        set checksum = excluded.checksum, release = excluded.release, applied_at = now()
        "#,
        &checksum,
        &release
    )
    .execute(&mut *tx)
    .await?;

    tx.commit().await
}

/// Tells this panelgate's functions from those of another.
pub fn checksum() -> [u8; 32] {
    let mut all = Sha256::new();
    for (name, text) in FUNCTIONS {
        all.update(name);
        all.update(text);
    }

    all.finalize().into()
}

/// This panelgate's release: major, minor, patch.
fn release() -> [i32; 3] {
    let parts = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ];

    parts.map(|part| part.parse().expect("cargo's versions are numbers"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_file_of_the_functions_folder_is_applied() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/functions");
        let mut there: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();

        let mut applied = FUNCTIONS.map(|(name, _)| name);

        there.sort();
        applied.sort_unstable();
        assert_eq!(there, applied);
    }

    #[test]
    fn each_function_stands_in_the_file_of_its_name_and_in_no_migration() {
        for (name, text) in FUNCTIONS {
            let function = name.trim_end_matches(".sql");
            let creates = format!("create or replace function {function}(");
            assert_eq!(text.matches(&*creates).count(), 1, "{name}");

            assert_eq!(
                text.matches("create or replace function").count(),
                1,
                "{name}"
            );
        }

        for migration in MIGRATIONS.iter() {
            let text = migration.sql.as_str();
            for creates in ["create function", "create or replace function"] {
                assert!(
                    !text.contains(creates),
                    "{}: {creates}",
                    migration.description
                );
            }
        }
    }
}
