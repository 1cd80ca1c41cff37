//! A backup is read into an empty database: all of it in one transaction, which nobody sees before
//! it is committed.
//!
//! `pg_restore` only unpacks the file; what it prints is run here, so that what must be done before
//! anybody may work with the copy is done in the same commit.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::migrate::{Migrate, MigrateError};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::domain::clock::Timestamp;
use crate::store::dump::{DumpError, SAID_BYTES_MAX, program, said};
use crate::store::schema::{self, FUNCTIONS, MIGRATIONS};
use crate::store::{Store, StoreError, Tx, embedded};

/// The longest line of a dump: a row, with the longest text that a column holds.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The statements between two tables' rows.
const STATEMENTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rows are handed to the server in pieces of about this size.
const PIECE_BYTES: usize = 256 * 1024;
/// How long `pg_restore` may think about the next line: over some damaged files it thinks for ever.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// What the schema may hold, in the order in which it can be dropped.
const KINDS: [&str; 5] = ["view", "table", "function", "sequence", "type"];

/// The transaction in which everything of the file is in the database, at the schema of this
/// panelgate, and nothing is committed. Dropped, it leaves the database as it was.
pub async fn read_file(
    store: &Store,
    postgres_bin: Option<&Path>,
    path: &Path,
    now: Timestamp,
) -> Result<Tx, DumpError> {
    let file = File::open(path).map_err(DumpError::file("open", path))?;
    let pg_restore = embedded::tool(postgres_bin, "pg_restore", None)?;
    let mut tx = store.begin().await?;
    claim(&mut tx, now).await?;
    sqlx::raw_sql(AssertSqlSafe(drop_ours()))
        .execute(&mut *tx)
        .await?;

    unpack(&mut tx, &pg_restore, file, path).await?;
    bring_up_to_date(&mut tx, path).await?;
    sqlx::query!("analyze").execute(&mut *tx).await?;

    Ok(tx)
}

/// Nobody else is here, nobody can come, and nothing is lost when everything is dropped.
async fn claim(tx: &mut Tx, now: Timestamp) -> Result<(), DumpError> {
    tx.take_time();
    sqlx::query!("set local statement_timeout = 0")
        .execute(&mut **tx)
        .await?;

    sqlx::query!("set local idle_in_transaction_session_timeout = 0")
        .execute(&mut **tx)
        .await?;

    sqlx::query!("set local check_function_bodies = off")
        .execute(&mut **tx)
        .await?;

    keep_others_from_starting(tx).await?;
    sqlx::query!("lock table customer, orders, transfer, provider in access exclusive mode")
        .execute(&mut **tx)
        .await?;

    let found = sqlx::query!(
        r#"
        select exists (select from customer) or exists (select from orders)
            or exists (select from transfer) as "full!",
            exists (select from provider where held_until > $1) as "held!",
            exists (
                select
                from pg_stat_activity
                where datname = current_database()
                    and application_name like 'panelgate%'
                    and application_name <> current_setting('application_name')
            ) as "visited!"
        "#,
        now
    );

    let found = found.fetch_one(&mut **tx).await?;
    match (found.full, found.held, found.visited) {
        (true, _, _) => Err(DumpError::NotEmpty),
        (false, true, _) => Err(DumpError::InUse(
            "a gateway deals with panels on this database",
        )),
        (false, false, true) => Err(DumpError::InUse(
            "another panelgate is connected to this database",
        )),
        (false, false, false) => Ok(()),
    }
}

/// Whoever starts brings the schema up to date first, under a lock: it is held to the end of this
/// transaction.
async fn keep_others_from_starting(tx: &mut Tx) -> Result<(), DumpError> {
    tx.unbounded().lock().await.map_err(StoreError::from)?;

    // The migrator's is a session's lock, and its number the migrator's own affair: taken again, as
    // a transaction's.
    let taken = sqlx::query!(
        r#"
        select pg_advisory_xact_lock((classid::bigint << 32) | objid::bigint)
        from pg_locks
        where pid = pg_backend_pid() and locktype = 'advisory' and objsubid = 1
        "#
    );

    let taken = taken.execute(&mut **tx).await?.rows_affected();
    tx.unbounded().unlock().await.map_err(StoreError::from)?;

    if taken == 1 {
        Ok(())
    } else {
        Err(StoreError::Unexpected("the migrator's lock cannot be held").into())
    }
}

/// Drops what the schema made, and nothing that somebody else keeps beside it.
fn drop_ours() -> String {
    KINDS.map(drop_all).concat()
}

fn drop_all(kind: &str) -> String {
    let creates = ["create ", "create unlogged ", "create or replace "]
        .map(|create| format!("{create}{kind} "));
    let steps = MIGRATIONS.iter().map(|migration| migration.sql.as_str());
    let lines = steps
        .chain(FUNCTIONS.map(|(_, text)| text))
        .flat_map(str::lines);

    let named = |line: &'static str| {
        creates
            .iter()
            .find_map(|create| line.strip_prefix(&**create))
            .map(first_word)
    };

    let mut ours: Vec<&str> = lines.filter_map(named).collect();
    if kind == "table" {
        ours.push("_sqlx_migrations");
    }

    if ours.is_empty() {
        String::new()
    } else {
        format!("drop {kind} if exists {};\n", ours.join(", "))
    }
}

fn first_word(line: &str) -> &str {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
        .unwrap_or_default()
}

async fn unpack(tx: &mut Tx, pg_restore: &Path, file: File, path: &Path) -> Result<(), DumpError> {
    let mut command = program(pg_restore);
    command.args([
        "--file=-",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
    ]);

    command
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());

    let mut child = command
        .spawn()
        .map_err(DumpError::file("run", pg_restore))?;

    let out = child.stdout.take().expect("its output was piped");
    let complaints = child.stderr.take().expect("its complaints were piped");

    let play_to_its_end = async {
        let played = play(tx, BufReader::new(out), path).await;
        if played.is_err() {
            // Whatever it still does is in vain; an error means that it has ended.
            let _ = child.start_kill();
        }

        played
    };

    // Both at once: a program that is not listened to waits.
    let (played, complaints) = tokio::join!(play_to_its_end, heard(complaints));
    let status = child
        .wait()
        .await
        .map_err(DumpError::file("wait for", pg_restore))?;

    match played {
        // Damage is seen at the end of a table; what came of it until then is not the reason.
        Ok(()) | Err(DumpError::Broken { .. }) if !status.success() && !complaints.is_empty() => {
            Err(DumpError::Broken {
                path: path.to_owned(),
                why: format!("pg_restore says: {complaints}"),
            })
        }
        Err(DumpError::Store(source)) if !source.is_away() => Err(DumpError::Refused {
            path: path.to_owned(),
            source,
        }),
        Ok(()) if !status.success() => Err(DumpError::Failed {
            program: "pg_restore",
            status,
            said: "it did not say why".to_owned(),
        }),
        played => played,
    }
}

async fn heard(mut complaints: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    let max = u64::try_from(SAID_BYTES_MAX).unwrap_or(u64::MAX);
    // What cannot be read is not repeated.
    let _ = (&mut complaints).take(max).read_to_end(&mut bytes).await;
    said(&bytes)
}

/// Runs a script of statements, and rows between them, as it is printed.
async fn play(
    tx: &mut Tx,
    mut out: impl AsyncBufRead + Unpin,
    path: &Path,
) -> Result<(), DumpError> {
    let broken = |why: &str| DumpError::Broken {
        path: path.to_owned(),
        why: why.to_owned(),
    };

    let mut statements = String::new();
    let mut opening = true;
    let mut line = Vec::new();

    while next_line(&mut out, &mut line)
        .await
        .map_err(|error| broken(&error.to_string()))?
    {
        let text =
            std::str::from_utf8(&line).map_err(|_| broken("a statement in it is no text"))?;
        opening = opening && is_opening(text);

        if opening || is_for_psql(text) {
            continue;
        }

        if text.starts_with("COPY ") && text.ends_with(" FROM stdin;\n") {
            run(tx, &mut statements).await?;
            if !copy(tx, text, &mut out).await? {
                return Err(broken("the rows of a table end too early"));
            }
            continue;
        }

        if statements.len() + text.len() > STATEMENTS_BYTES_MAX {
            return Err(broken("its statements are longer than any of ours"));
        }

        statements.push_str(text);
    }

    run(tx, &mut statements).await
}

/// `false` at the end. A line that has no end is longer than any of ours, or cut off.
async fn next_line(
    out: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<bool> {
    line.clear();
    tokio::time::timeout(
        SILENCE_MAX,
        out.take(LINE_BYTES_MAX).read_until(b'\n', line),
    )
    .await??;

    if line.is_empty() || line.ends_with(b"\n") {
        return Ok(!line.is_empty());
    }

    Err(std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        "a line in it has no end",
    ))
}

/// Settings of the session that the script was made for: ours has its own, and an older server may
/// not know them.
fn is_opening(line: &str) -> bool {
    line.trim().is_empty()
        || ["--", "SET ", "SELECT pg_catalog.set_config('search_path'"]
            .iter()
            .any(|opening| line.starts_with(opening))
        || is_for_psql(line)
}

/// What fences the script in against the program that usually runs it.
fn is_for_psql(line: &str) -> bool {
    line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ")
}

async fn run(tx: &mut Tx, statements: &mut String) -> Result<(), DumpError> {
    if !statements.is_empty() {
        sqlx::raw_sql(AssertSqlSafe(std::mem::take(statements)))
            .execute(&mut **tx)
            .await?;
    }

    Ok(())
}

/// Hands a table's rows to the server, up to the line that ends them. `false`: there was none.
async fn copy(
    tx: &mut Tx,
    statement: &str,
    out: &mut (impl AsyncBufRead + Unpin),
) -> Result<bool, DumpError> {
    let mut rows = tx.unbounded().copy_in_raw(statement).await?;
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let mut line = Vec::new();

    while matches!(next_line(out, &mut line).await, Ok(true)) {
        if line == b"\\.\n" {
            rows.send(piece).await?;
            rows.finish().await?;
            return Ok(true);
        }

        piece.extend_from_slice(&line);
        if piece.len() >= PIECE_BYTES {
            rows.send(&*piece).await?;
            piece.clear();
        }
    }

    rows.abort("the rows end too early").await?;
    Ok(false)
}

async fn bring_up_to_date(tx: &mut Tx, path: &Path) -> Result<(), DumpError> {
    let ours =
        sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "ours!""#);

    if !ours.fetch_one(&mut **tx).await? {
        return Err(DumpError::Foreign(path.to_owned()));
    }

    match schema::bring_up_to_date(tx.unbounded()).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(step)) => Err(DumpError::Newer {
            path: path.to_owned(),
            step,
        }),
        Err(error) => Err(StoreError::from(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_schema_makes_is_dropped() {
        let dropped = drop_ours();
        let known = |kind: &str, name: &str| {
            let drop = dropped
                .lines()
                .find(|line| line.starts_with(&format!("drop {kind}")))
                .unwrap();

            assert!(
                drop.split([' ', ',', ';']).any(|word| word == name),
                "{name}: {drop}"
            );
        };

        for name in [
            "customer",
            "transfer",
            "doubt_check",
            "allowance",
            "refill",
            "_sqlx_migrations",
        ] {
            known("table", name);
        }

        for name in [
            "transfers_are_for_ever",
            "place_orders",
            "order_was_placed",
            "take_allowance",
        ] {
            known("function", name);
        }

        known("sequence", "order_id");
        known("sequence", "refill_id");
    }
}
