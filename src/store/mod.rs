//! All SQL of the house, one file per noun; nothing outside this folder knows that there is a
//! database.

pub mod addresses;
pub mod alerts;
pub mod audit;
pub mod balance_moves;
pub mod cancels;
pub mod catalog;
pub mod clock_watch;
pub mod conditions;
pub mod customers;
pub mod differences;
pub mod doubts;
pub mod drifts;
pub mod dump;
pub mod embedded;
pub mod gates;
pub mod history;
pub mod imports;
pub mod keys;
pub mod late;
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
mod pool;
pub mod progress;
pub mod proofs;
pub mod providers;
pub mod readings;
pub mod refills;
pub mod refusals;
pub mod refused;
pub mod rounds;
pub mod schema;
mod session;
pub mod show;
pub mod shrunk;
pub mod standing;
pub mod statuses;
pub mod stuck;
pub mod taken_back;
mod time;
pub mod tracked_legs;
pub mod transfers;
pub mod treasury;
pub mod versions;
pub mod waiting;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};

use crate::store::history::{History, Turned};
use crate::store::pool::{Lost, Pool, PoolPlan};
pub use pool::Tx;
pub use time::DatabaseClock;

/// How long a caller waits for a connection before hearing that the database is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the heartbeat waits; it decides for everybody, so it is quick.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long each of its answers is waited for: longer than a busy server takes for next to nothing.
const HEARTBEAT_MAX: Duration = Duration::from_secs(3);
/// No heartbeat was answered for so long: a person or a balancer who asks is told. Shorter than
/// what a heartbeat waits, for telling is cheap and refusing customers is not.
const SILENT_AFTER: Duration = Duration::from_millis(1_500);
/// A connection that rested for longer is asked whether it lives before it is lent: firewalls and
/// balancers forget the ones that say nothing, each by itself and without a word.
const RESTED_AFTER: Duration = Duration::from_secs(10);
/// How long an answer is waited for: somewhat longer than the server works on any statement.
const STATEMENT_MAX: Duration = Duration::from_secs(18);
/// How long an answer is waited for while a customer waits: so that there is time left within the
/// request to find out what came of it.
const CUSTOMER_STATEMENT_MAX: Duration = Duration::from_secs(5);
/// How long all steps of the schema may take; each of their statements is bounded by the server.
const MIGRATE_MAX: Duration = Duration::from_mins(10);
/// Connections that customers share, unless the settings say otherwise.
pub const CUSTOMERS_MAX: u32 = 16;
/// Connections that workers share, unless the settings say otherwise.
pub const WORKERS_MAX: u32 = 8;
/// Connections of a command that runs and ends.
pub const COMMAND_MAX: u32 = 2;

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The connection was lost or fell silent, or the server is shutting down: what was asked may
    /// or may not have been done.
    #[error(
        "the database is away: {0}; see that its server runs and can be reached, and try again"
    )]
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
    if matches!(
        error,
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)
    ) {
        return "another panelgate made its schema: use that one, or one at least as new";
    }

    "its user must own the schema `public`, and the database must be panelgate's alone; a step \
     that failed changed nothing"
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

    /// Whether it is certain that nothing was done: nobody was asked, or the server itself says
    /// that it undid it.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Absent | Self::Broken(sqlx::Error::Database(_)) => true,
            Self::Away(_)
            | Self::Broken(_)
            | Self::Migrate(_)
            | Self::Unguarded(_)
            | Self::Contradiction { .. }
            | Self::Unexpected(_) => false,
        }
    }

    /// Whether the server undid the statement because of a neighbour, so that it may be tried
    /// again.
    pub fn is_collision(&self) -> bool {
        let Self::Broken(sqlx::Error::Database(error)) = self else {
            return false;
        };
        matches!(error.code().as_deref(), Some("40P01" | "40001"))
    }

    /// Whether the server undid it for a reason that passes: a lock or a statement that took too
    /// long, a server that is out of connections or space, that only reads in the middle of a
    /// failover, that has trouble with its disc, a neighbour.
    pub fn will_pass(&self) -> bool {
        let Self::Broken(sqlx::Error::Database(error)) = self else {
            return false;
        };

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

        if let Some(said) = error.as_database_error() {
            // Classes 57P (shutting down, starting) and 08 (connection) speak of the server, not of
            // the statement.
            let of_server = said
                .code()
                .is_some_and(|code| code.starts_with("57P") || code.starts_with("08"));

            return if of_server {
                Self::Away(error)
            } else {
                Self::Broken(error)
            };
        }

        // It answered, and we cannot read what; or we asked for what cannot be asked.
        let is_ours = matches!(
            &error,
            sqlx::Error::RowNotFound
                | sqlx::Error::TypeNotFound { .. }
                | sqlx::Error::ColumnIndexOutOfBounds { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Encode(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::InvalidArgument(_)
                | sqlx::Error::Configuration(_)
        );

        // Whatever else it was, it is no word of the server about the statement: a balancer that
        // accepts and hangs up is told as a broken protocol, for one.
        if is_ours {
            Self::Broken(error)
        } else {
            Self::Away(error)
        }
    }
}

/// The database as the house uses it: pools that cannot starve each other, and the word of the
/// heartbeat.
#[derive(Clone, Debug)]
pub struct Store {
    customers: Pool,
    workers: Pool,
    heartbeat: Pool,
    present: Arc<AtomicBool>,
    /// When a heartbeat was answered last.
    heard: Arc<Mutex<Instant>>,
    lost: Arc<Lost>,
    history: Arc<History>,
    clock: Arc<DatabaseClock>,
}

impl Store {
    /// Opens the pools without waiting for a connection.
    pub fn open(options: &PgConnectOptions, customers_max: u32, workers_max: u32) -> Self {
        Self::open_asking(options, customers_max, workers_max, RESTED_AFTER)
    }

    /// The same, whose connections are asked whether they live when they rested for so long.
    pub fn open_asking(
        options: &PgConnectOptions,
        customers_max: u32,
        workers_max: u32,
        rested_after: Duration,
    ) -> Self {
        let options = options
            .clone()
            .options(session::GUARDS)
            .application_name(&our_name());

        let (lost, history) = (Arc::new(Lost::default()), Arc::new(History::default()));
        let customers = PoolPlan {
            connections_max: customers_max,
            acquire_max: ACQUIRE_TIMEOUT,
            statement_max: CUSTOMER_STATEMENT_MAX,
            rested_after,
            history: Some(history.clone()),
        };

        let workers = PoolPlan {
            connections_max: workers_max,
            acquire_max: ACQUIRE_TIMEOUT,
            statement_max: STATEMENT_MAX,
            rested_after,
            history: Some(history.clone()),
        };

        // It looks at the database's history itself.
        let heartbeat = PoolPlan {
            connections_max: 1,
            acquire_max: HEARTBEAT_TIMEOUT,
            statement_max: HEARTBEAT_MAX,
            rested_after,
            history: None,
        };

        Self {
            customers: Pool::open(&options, customers, &lost),
            workers: Pool::open(&options, workers, &lost),
            heartbeat: Pool::open(&options, heartbeat, &lost),
            present: Arc::new(AtomicBool::new(true)),
            heard: Arc::new(Mutex::new(Instant::now())),
            lost,
            history,
            clock: Arc::default(),
        }
    }

    /// Looks whether the database is what money relies on, before anything is asked of it: its
    /// sessions have their guards and are our own, and its time is known.
    pub async fn check(&self) -> Result<(), StoreError> {
        // Not from a pool, which would try again and tell only that it waited in vain.
        let options = self.heartbeat.connect_options();
        let connected =
            tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options)).await;
        let mut connection = connected
            .map_err(|_| StoreError::Absent)?
            .map_err(unguarded)?;

        let guarded = async {
            session::check_guards(&mut connection).await?;
            Ok::<_, StoreError>(connection.close().await?)
        };

        tokio::time::timeout(HEARTBEAT_MAX, guarded)
            .await
            .map_err(|_| StoreError::Absent)??;

        session::check_apart(self.workers.unbounded(), self.heartbeat.unbounded()).await?;
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

    /// The same database for somebody who waits no longer than this for an answer to anything.
    #[must_use]
    pub fn within(&self, statement_max: Duration) -> Self {
        Self {
            customers: self.customers.within(statement_max),
            workers: self.workers.within(statement_max),
            heartbeat: self.heartbeat.within(statement_max),
            ..self.clone()
        }
    }

    /// Brings the schema up to date; several processes may ask at once.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let migrated = tokio::time::timeout(MIGRATE_MAX, schema::migrate(self.workers.unbounded()));
        let silence =
            || sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no end in sight"));
        Ok(migrated.await.map_err(|_| StoreError::Away(silence()))??)
    }

    /// One beat: asks the server for its time, looks whether it is the database that we know, and
    /// remembers whether it answered.
    pub async fn beat(&self) -> bool {
        let answered = self.feel_pulse().await;
        if answered {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        } else {
            self.lost.note();
        }

        self.present.store(answered, Ordering::Relaxed);
        answered
    }

    async fn feel_pulse(&self) -> bool {
        if self.clock.measure(&self.heartbeat).await.is_err() {
            return false;
        }

        match self.history.beat(&self.heartbeat).await {
            Ok(()) => true,
            Err(error) if error.is_away() => false,
            // It answers: what it does not let us do now (a disc is full, for one) others find out
            // for themselves.
            Err(error) => {
                tracing::debug!(%error, "a heartbeat was not written down");
                true
            }
        }
    }

    /// Whether the last beat found the database there, whichever it is.
    pub fn answers(&self) -> bool {
        self.present.load(Ordering::Relaxed)
    }

    /// Whether the last beat found the database there, and it is the one that we know.
    pub fn is_present(&self) -> bool {
        self.answers() && !self.history.has_turned()
    }

    /// Whether the heartbeat waits for an answer longer than is well: the database may be gone, and
    /// it is not decided yet. Only where a heartbeat runs.
    pub fn is_silent(&self) -> bool {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
            > SILENT_AFTER
    }

    /// What happened to the database's history under this process, if it is not set right yet.
    pub fn turned(&self) -> Option<Turned> {
        self.history.turned()
    }

    /// The pool of those who wait at the door: while the database is known to be away, refused at
    /// once.
    fn door(&self) -> Result<&Pool, StoreError> {
        if self.is_present() {
            Ok(&self.customers)
        } else {
            Err(StoreError::Absent)
        }
    }

    /// Begins a transaction of a worker or a command.
    ///
    /// Never awaited in a future that a customer can drop: a cancelled begin would leave the
    /// connection inside a transaction (the pools check for it all the same).
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.workers.begin().await?)
    }

    /// Begins a transaction for a customer who waits; while the database is known to be away,
    /// refused at once. Never awaited in a future that a customer can drop, as above.
    pub async fn begin_for_customer(&self) -> Result<Tx, StoreError> {
        Ok(self.door()?.begin().await?)
    }

    /// The most connections that it has.
    pub fn connections_max(&self) -> usize {
        let pools = [&self.customers, &self.workers, &self.heartbeat];
        pools
            .into_iter()
            .map(|pool| pool.connections_max() as usize)
            .sum()
    }

    /// Waits until every connection is given back, and closes them.
    pub async fn close(&self) {
        for pool in [&self.customers, &self.workers, &self.heartbeat] {
            pool.close().await;
        }
    }
}

/// Why there is no connection: a pooler that refuses the guards themselves says so in words of its
/// own.
fn unguarded(error: sqlx::Error) -> StoreError {
    let said = error
        .as_database_error()
        .map(|error| error.message().to_owned());

    match said.filter(|said| said.contains("unsupported startup parameter")) {
        Some(said) => StoreError::Unguarded(format!("{said}: {}", session::WAY_OUT)),
        None => error.into(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carries_no_word_of_the_server_is_away_and_nothing_is_certain_of_it() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        for error in [
            sqlx::Error::Protocol("expected to read 5 bytes, got 0 bytes at EOF".to_owned()),
            sqlx::Error::Tls("the peer hung up".into()),
            sqlx::Error::Io(reset),
            sqlx::Error::WorkerCrashed,
        ] {
            let error = StoreError::from(error);
            assert!(error.is_away() && !error.is_certain(), "{error}");
        }

        let absent = StoreError::from(sqlx::Error::PoolTimedOut);
        assert!(absent.is_away() && absent.is_certain());
        let unread = StoreError::from(sqlx::Error::RowNotFound);
        assert!(!unread.is_away() && !unread.is_certain());
    }
}
