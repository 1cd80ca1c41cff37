//! How long the audit takes over a hundred thousand finished orders: the whole of it, and what is
//! looked at every ten minutes.
//!
//! `cargo bench --bench audit` (`-- 1000000` for as many orders) lays the books of `books.sql` into
//! a private PostgreSQL and prints a table. It needs PostgreSQL's programs, as `panelgate serve`
//! does without a database of its own.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use panelgate::domain::clock::{Clock, SystemClock};
use panelgate::ledger::audit::{AuditFindings, audit_books, audit_lately, keep_mark};
use panelgate::store::Store;
use panelgate::store::embedded::{Embedded, Manners};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// Orders, unless it is said otherwise.
const ORDERS: u32 = 100_000;
/// Times that each audit is done; the middle one is told.
const TIMES: usize = 5;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Cargo adds a flag of its own.
    let said = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with("--"));

    let orders = said
        .map_or(Ok(ORDERS), |word| word.parse())
        .context("how many orders?")?;

    let folder = passable_folder()?;
    let postgres_bin = std::env::var_os("PANELGATE_POSTGRES_BIN").map(Into::into);

    let embedded = Embedded::open(
        folder.path(),
        Manners {
            fsync: false,
            ..Manners::durable(postgres_bin)
        },
    )
    .await?;

    let store = Store::open(&embedded.connect_options(), 2, 2);
    store.migrate().await?;

    let now = SystemClock.now();
    let laid = Instant::now();
    let mut connection = PgConnection::connect_with(&embedded.connect_options()).await?;
    let said = format!(
        "set bench.orders = {orders}; set bench.now = '{}';",
        now.to_rfc3339()
    );

    connection.execute(AssertSqlSafe(said)).await?;
    connection.execute(include_str!("books.sql")).await?;
    connection.execute("vacuum analyze").await?;
    connection.close().await?;
    say(&format!(
        "{orders} orders laid in {} s",
        laid.elapsed().as_secs()
    ))?;

    // The first one keeps how far it looked, and warms the server up.
    let findings = audit_books(&store, now).await?;
    holds(&findings)?;
    let mut tx = store.begin().await?;
    keep_mark(&mut tx, &findings, now).await?;
    tx.commit().await?;

    let whole = middle(async || audit_books(&store, now).await.map_err(Into::into)).await?;
    let lately = middle(async || audit_lately(&store, now).await.map_err(Into::into)).await?;
    say(&format!(
        "everything:                       {:>6} ms",
        whole.as_millis()
    ))?;

    say(&format!(
        "what moved lately, and what is open: {:>3} ms",
        lately.as_millis()
    ))?;

    store.close().await;
    embedded.stop().await;
    Ok(())
}

/// The time of the middle one of some.
async fn middle(
    mut once: impl AsyncFnMut() -> anyhow::Result<AuditFindings>,
) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        holds(&once().await?)?;
        times.push(began.elapsed());
    }

    times.sort_unstable();
    Ok(times[TIMES / 2])
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn holds(findings: &AuditFindings) -> anyhow::Result<()> {
    let broken: Vec<_> = findings
        .checks
        .iter()
        .filter(|check| check.violations > 0)
        .collect();

    ensure!(
        broken.is_empty(),
        "the books that were laid do not hold: {broken:?}"
    );

    Ok(())
}

/// The server runs as a user of its own where this program is run by root.
fn passable_folder() -> anyhow::Result<TempDir> {
    let open = std::fs::Permissions::from_mode(0o755);
    Ok(tempfile::Builder::new()
        .prefix("panelgate-bench-")
        .permissions(open)
        .tempdir()?)
}
