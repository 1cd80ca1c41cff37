//! All SQL of the house, one file per noun; nothing outside this folder knows that there is a database.

pub mod addresses;
pub mod alerts;
pub mod audit;
pub mod cancels;
pub mod catalogue;
pub mod conditions;
pub mod customers;
pub mod differences;
pub mod doubts;
pub mod drifts;
pub mod dump;
pub mod embedded;
pub mod float_moves;
pub mod gates;
pub mod imports;
pub mod keys;
pub mod leases;
pub mod leaving;
pub mod legs;
pub mod limits;
pub mod load;
pub mod moves;
pub mod neighbours;
pub mod nodes;
pub mod open_orders;
pub mod orders;
pub mod panel_orders;
pub mod parked;
pub mod proofs;
pub mod providers;
pub mod refills;
pub mod refusals;
pub mod rounds;
mod session;
pub mod show;
pub mod shrunk;
pub mod standing;
pub mod statuses;
pub mod stuck;
mod time;
pub mod transfers;
pub mod treasury;
pub mod versions;
pub mod waiting;
pub mod watches;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgSslMode};
use sqlx::{Connection, PgPool, Postgres, Row};

pub use time::DatabaseClock;

/// A transaction; dropped without a commit, it never happened.
pub type Tx = sqlx::Transaction<'static, Postgres>;

/// How long a caller waits for a connection before hearing that the database is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the heartbeat waits; it decides for everybody, so it is quick.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(500);
/// Connections that customers share, unless the settings say otherwise.
pub const CUSTOMERS_MAX: u32 = 16;
/// Connections that workers share, unless the settings say otherwise.
pub const WORKERS_MAX: u32 = 8;
/// Connections of a command that runs and ends.
pub const COMMAND_MAX: u32 = 2;

/// The schema, step by step.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The connection was lost, or the server is shutting down: what was asked may or may not have been done.
    #[error("the database is away: {0}; see that its server runs and can be reached, and try again")]
    Away(#[source] sqlx::Error),
    /// It answered that something is wrong.
    #[error("the database refused: {0}; its own log tells more")]
    Broken(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated: {0}; {way_out}", way_out = way_out(.0))]
    Migrate(#[from] MigrateError),
    /// Its sessions are not what money relies on: nothing is done over them.
    #[error("the database's sessions are not safe for money: {0}")]
    Unguarded(String),
    /// Nobody was there to ask: nothing was done.
    #[error("the database is away: no connection within {} s; see that its server runs and has room", ACQUIRE_TIMEOUT.as_secs())]
    Absent,
    /// A row says what no row may say.
    #[error("{table}.{column} of {id} contradicts itself: {value}")]
    Contradiction {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row.
        id: String,
        /// What stands there.
        value: String,
    },
    /// A write found another state than it was made for and moved no row, or too many.
    #[error("{0}")]
    Unexpected(&'static str),
}

/// What is to be done about a schema that stays as it is.
fn way_out(error: &MigrateError) -> &'static str {
    if matches!(error, MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)) {
        return "another panelgate made its schema: use that one, or one at least as new";
    }
    "its user must own the schema `public`, and the database must be panelgate's alone; a step that failed changed nothing"
}

impl StoreError {
    /// Whether asking again later may help and nothing was refused.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Away(_) | Self::Absent => true,
            Self::Broken(_)
            | Self::Migrate(_)
            | Self::Unguarded(_)
            | Self::Contradiction { .. }
            | Self::Unexpected(_) => false,
        }
    }

    /// Whether the server undid the statement because of a neighbour, so that it may be tried again.
    pub fn is_collision(&self) -> bool {
        let Self::Broken(sqlx::Error::Database(error)) = self else { return false };
        matches!(error.code().as_deref(), Some("40P01" | "40001"))
    }

    /// Whether the server undid it for a reason that passes: a lock or a statement that took too long, a server that is
    /// out of connections or space, that only reads in the middle of a failover, that has trouble with its disc, a neighbour.
    pub fn will_pass(&self) -> bool {
        let Self::Broken(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| {
            matches!(&*code, "55P03" | "57014" | "25P03" | "25006")
                || code.starts_with("40")
                || code.starts_with("53")
                || code.starts_with("58")
        })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) {
            return Self::Absent;
        }
        // Classes 57P (shutting down, starting) and 08 (connection) speak of the server, not of the statement.
        let by_its_own_word = error
            .as_database_error()
            .and_then(|error| error.code().map(|code| code.starts_with("57P") || code.starts_with("08")));
        let away = by_its_own_word
            .unwrap_or(matches!(&error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed));
        if away { Self::Away(error) } else { Self::Broken(error) }
    }
}

/// The database as the house uses it: pools that cannot starve each other, and the word of the heartbeat.
#[derive(Clone, Debug)]
pub struct Store {
    customers: PgPool,
    workers: PgPool,
    heartbeat: PgPool,
    present: Arc<AtomicBool>,
    lost: Arc<Lost>,
    clock: Arc<DatabaseClock>,
}

/// When the server was last found away; connections made before are dead, whether they know it or not.
#[derive(Debug, Default)]
struct Lost(Mutex<Option<Instant>>);

impl Lost {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn survived(&self, age: Duration) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|lost| age < lost.elapsed())
    }
}

impl Store {
    /// Opens the pools without waiting for a connection.
    pub fn open(options: &PgConnectOptions, customers_max: u32, workers_max: u32) -> Self {
        let options = options.clone().options(session::GUARDS).application_name(&our_name());
        let lost = Arc::new(Lost::default());
        Self {
            customers: pool(&options, customers_max, ACQUIRE_TIMEOUT, &lost),
            workers: pool(&options, workers_max, ACQUIRE_TIMEOUT, &lost),
            heartbeat: pool(&options, 1, HEARTBEAT_TIMEOUT, &lost),
            present: Arc::new(AtomicBool::new(true)),
            lost,
            clock: Arc::default(),
        }
    }

    /// Looks whether the database is what money relies on, before anything is asked of it: its sessions have their
    /// guards and are our own, and its time is known.
    pub async fn check(&self) -> Result<(), StoreError> {
        // Not from a pool, which would try again and tell only that it waited in vain.
        let options = self.heartbeat.connect_options();
        let connected = tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options)).await;
        let mut connection = connected.map_err(|_| StoreError::Absent)?.map_err(unguarded)?;
        session::check_guards(&mut connection).await?;
        connection.close().await?;

        session::check_apart(&self.workers, &self.heartbeat).await?;
        self.clock.begin(&self.heartbeat).await
    }

    /// The database's time: the one that all processes go by.
    pub fn clock(&self) -> Arc<DatabaseClock> {
        self.clock.clone()
    }

    /// The options in a `postgres://` URL. TLS is used where the server offers it.
    pub fn options_of(url: &str) -> Result<PgConnectOptions, StoreError> {
        Ok(url.parse::<PgConnectOptions>()?.ssl_mode(PgSslMode::Prefer))
    }

    /// Brings the schema up to date; several processes may ask at once.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        Ok(MIGRATIONS.run(&self.workers).await?)
    }

    /// One beat: asks the server for its time and remembers whether it answered.
    pub async fn beat(&self) -> bool {
        let answered = self.clock.measure(&self.heartbeat).await.is_ok();
        if !answered {
            self.lost.note();
        }
        self.present.store(answered, Ordering::Relaxed);
        answered
    }

    /// Whether the last beat found the database there.
    pub fn is_present(&self) -> bool {
        self.present.load(Ordering::Relaxed)
    }

    /// The pool of those who wait at the door: while the database is known to be away, refused at once.
    fn door(&self) -> Result<&PgPool, StoreError> {
        if self.is_present() { Ok(&self.customers) } else { Err(StoreError::Absent) }
    }

    /// Begins a transaction of a worker or a command.
    ///
    /// Never awaited in a future that a customer can drop: a cancelled begin would leave the connection inside a
    /// transaction (the pools check for it all the same).
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.workers.begin().await?)
    }

    /// Begins a transaction for a customer who waits; while the database is known to be away, refused at once. Never
    /// awaited in a future that a customer can drop, as above.
    pub async fn begin_for_customer(&self) -> Result<Tx, StoreError> {
        Ok(self.door()?.begin().await?)
    }

    /// Waits until every connection is given back, and closes them.
    pub async fn close(&self) {
        for pool in [&self.customers, &self.workers, &self.heartbeat] {
            pool.close().await;
        }
    }
}

/// Why there is no connection: a pooler that refuses the guards themselves says so in words of its own.
fn unguarded(error: sqlx::Error) -> StoreError {
    let said = error.as_database_error().map(|error| error.message().to_owned());
    match said.filter(|said| said.contains("unsupported startup parameter")) {
        Some(said) => StoreError::Unguarded(format!("{said}: {}", session::WAY_OUT)),
        None => error.into(),
    }
}

/// A pool that takes no connection back which is still inside a transaction.
///
/// The driver's `begin()`, when its future is dropped half way, hands back a connection in an open transaction; the
/// next borrower's writes would be answered and never committed. Two clocks of the server tell: inside a transaction
/// `now()` stands still at its beginning.
///
/// Nor does it hand one out that is older than the server's last absence. Asking each connection whether it lives would
/// cost every caller a round trip; the heartbeat has asked already.
fn pool(options: &PgConnectOptions, connections_max: u32, acquire_timeout: Duration, lost: &Arc<Lost>) -> PgPool {
    let lost = lost.clone();
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(move |_, meta| {
            let survived = lost.survived(meta.age);
            Box::pin(async move { Ok(survived) })
        })
        // Whoever is connected later, after a failover or through another pooler, has its guards too.
        .after_connect(|connection, _| {
            Box::pin(async move {
                let guarded = session::check_guards(connection).await;
                guarded.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // In the simple protocol: the extended one moves the statement's clock between binding and executing,
                // and would call every connection dirty.
                let clean = sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(connection).await?;
                clean.try_get(0)
            })
        })
        .connect_lazy_with(options.clone())
}

/// What the server calls our sessions: it tells one process's from another's.
fn our_name() -> String {
    format!("panelgate {}", std::process::id())
}

/// A number of the database that is never negative there.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number as the database keeps it; larger ones do not occur, for every reader caps them.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
