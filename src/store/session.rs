//! What every session with the database must be like, set when it begins and looked at before it is
//! used: a pooler in between drops such settings without a word, and money would be written without
//! them.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Executor, PgPool, Row};

use crate::store::StoreError;

/// Limits of every session, so that no statement, lock or forgotten transaction holds others up for
/// long.
///
/// The last two are what money relies on, whatever the server's own settings say: an acknowledged
/// commit survives the server, and a statement sees what others committed before it.
pub(super) const GUARDS: [(&str, &str); 5] = [
    ("statement_timeout", "15s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
];

/// What the server does about a way that died without a word, a node that lost its power behind it:
/// it asks after 10 s of silence, and gives a session up, with its locks and its place among
/// `max_connections`, that shows no life for 25 s. It also keeps firewalls from forgetting us.
const KEEP_ALIVE: &str = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set \
                          tcp_keepalives_count = 3; set tcp_user_timeout = '25s'";

/// How long two sessions are looked at that must not share one of the server's.
const APART_MAX: Duration = Duration::from_secs(3);

/// What poolers that drop them are to be told.
pub(super) const WAY_OUT: &str = "connect to the server itself; a pooler such as PgBouncer must \
                                  hand each session a connection of its own (pool_mode = session) \
                                  and pass the settings on, or its user must have them: `alter \
                                  role … set … = '…'`";

/// Looks whether a session has every guard.
///
/// # Errors
///
/// [`StoreError::Unguarded`] names those that it has not.
pub(super) async fn check_guards(connection: &mut PgConnection) -> Result<(), StoreError> {
    // In the simple protocol: a pooler may know no prepared statements.
    let asked = sqlx::raw_sql(
        "select current_setting('statement_timeout'), current_setting('lock_timeout'),
            current_setting('idle_in_transaction_session_timeout'), \
         current_setting('synchronous_commit'),
            current_setting('default_transaction_isolation')",
    );

    let row = asked.fetch_one(connection).await?;

    let mut missing = Vec::new();
    for (n, (name, wanted)) in GUARDS.into_iter().enumerate() {
        let found: String = row.try_get(n)?;
        if found != wanted {
            missing.push(format!("{name} is {found} and must be {wanted}"));
        }
    }

    if missing.is_empty() {
        return Ok(());
    }

    Err(StoreError::Unguarded(format!(
        "{}: {WAY_OUT}",
        missing.join(", ")
    )))
}

/// Has the server look after a connection that crosses a network.
pub(super) async fn keep_alive(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute(KEEP_ALIVE).await?;
    Ok(())
}

/// Looks whether each session has a connection of the server's own, and not one that others get
/// between its transactions: what one sets must be there while another is at work.
///
/// # Errors
///
/// [`StoreError::Unguarded`] where it has not.
pub(super) async fn check_apart(one: &PgPool, other: &PgPool) -> Result<(), StoreError> {
    match tokio::time::timeout(APART_MAX, is_apart(one, other)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Ok(Ok(false)) | Err(_) => {
            let what = "sessions share the server's connections, or there are too few of them";
            Err(StoreError::Unguarded(format!("{what}: {WAY_OUT}")))
        }
    }
}

async fn is_apart(one: &PgPool, other: &PgPool) -> Result<bool, sqlx::Error> {
    let mut one = one.acquire().await?;
    let mut other = other.acquire().await?;

    sqlx::raw_sql("select set_config('panelgate.session', 'ours', false)")
        .fetch_one(&mut *one)
        .await?;

    // Whoever shares connections gives this transaction the one that was used last.
    sqlx::raw_sql("begin").execute(&mut *other).await?;
    let kept = sqlx::raw_sql("select current_setting('panelgate.session', true) = 'ours'")
        .fetch_one(&mut *one)
        .await;

    sqlx::raw_sql("rollback").execute(&mut *other).await?;

    Ok(kept?.try_get::<Option<bool>, _>(0)?.unwrap_or(false))
}
