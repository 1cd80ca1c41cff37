//! The private PostgreSQL: joined where it already runs in the data folder, else started and kept alive by us.
//!
//! One supervisor thread per process owns everything (see `supervise`); this file is the door to it. What it promises:
//! a unix socket only, an unprivileged server, durable commits, no server left behind whatever ends the gateway, and
//! never two servers (or two keepers of one server) in one data folder.

mod binaries;
mod error;
mod folder;
mod postmaster;
mod server;
mod supervise;
mod user;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, postgres::PgConnectOptions};
use tokio::sync::{oneshot, watch};

pub(super) use binaries::tool;
pub use error::EmbeddedError;
use folder::Folder;
use supervise::StopSender;

/// The one role and the one database of the private server.
const NAME: &str = "panelgate";

/// SQLSTATEs of `create database` when another process created it between our look and our attempt.
const ALREADY_CREATED: [&str; 2] = ["42P04", "23505"];

/// The longest wait before a server that ended by itself is started again.
const RESTART_WAIT_MAX: Duration = Duration::from_secs(10);

/// How the private server is to be run.
#[derive(Debug, Clone)]
pub struct Manners {
    /// Commits reach the disc before they are acknowledged; false only in tests, whose data nobody misses.
    pub fsync: bool,
    /// The folder of the server binaries, when the operator names one (`PANELGATE_POSTGRES_BIN`, read by the caller).
    pub postgres_bin: Option<PathBuf>,
    /// The longest wait between two attempts to bring a server back that ended by itself.
    pub restart_wait_max: Duration,
}

impl Manners {
    /// How a gateway runs it: durable, and for ever brought back, since a person empties a full disc.
    pub fn durable(postgres_bin: Option<PathBuf>) -> Self {
        Self { fsync: true, postgres_bin, restart_wait_max: RESTART_WAIT_MAX }
    }
}

/// How the private server is doing, for `/healthz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It accepts connections.
    Running,
    /// It ended by itself and is being brought back.
    Restarting {
        /// How often it was tried in vain since.
        attempts: u32,
    },
    /// It was stopped.
    Stopped,
}

/// A private PostgreSQL that answers: started by this process, or joined.
#[derive(Debug)]
pub struct Embedded {
    socket: PathBuf,
    condition: watch::Receiver<Condition>,
    // Dropping it stops the server too, only nobody waits for it.
    stop: StopSender,
    ended: oneshot::Receiver<()>,
}

impl Embedded {
    /// Joins the server that runs in the data folder `data`, else starts it, from an empty folder if need be.
    ///
    /// A joined server whose keeper goes away is taken over: started again and kept by this process.
    pub async fn open(data: &Path, manners: Manners) -> Result<Embedded, EmbeddedError> {
        let mut supervisor = supervise::begin(data, manners)?;
        let socket = (&mut supervisor.opened).await.map_err(|_| EmbeddedError::Interrupted)??;
        let embedded =
            Embedded { socket, condition: supervisor.condition, stop: supervisor.stop, ended: supervisor.ended };
        embedded.create_database().await?;
        Ok(embedded)
    }

    /// Whether the data folder has a database that [`Embedded::open`] would not have to make first.
    pub fn is_made(data: &Path) -> bool {
        folder::is_made(data)
    }

    /// How to connect: unix socket, the database `panelgate`, which exists.
    pub fn connect_options(&self) -> PgConnectOptions {
        // Everything that the environment could say (PGHOST, PGPORT, PGUSER, …) is said here instead.
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket)
            .port(folder::PORT)
            .username(NAME)
            .database(NAME)
            .application_name(NAME)
    }

    /// Follows how the server is doing.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.clone()
    }

    /// Stops a server that this process keeps, politely first; a joined one is left alone.
    ///
    /// Returns once the server's process is gone, after 30 s at the latest. Pools are to be closed before.
    pub async fn stop(self) {
        self.stop_within(server::END_MAX).await;
    }

    /// The same for a server that gets so long to end by itself; then it is killed, and recovers at its next start.
    pub async fn stop_within(self, patience: Duration) {
        self.stop.stop(patience);
        // An error means that the supervisor is gone already, and its server with it.
        let _ = self.ended.await;
    }

    async fn create_database(&self) -> Result<(), EmbeddedError> {
        let mut maintenance = self.connect_options().database("postgres").connect().await?;
        let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(NAME)
            .fetch_one(&mut maintenance)
            .await?;
        if !exists && let Err(error) = sqlx::query("create database panelgate").execute(&mut maintenance).await {
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
            if !code.is_some_and(|code| ALREADY_CREATED.contains(&code.as_ref())) {
                return Err(error.into());
            }
        }
        maintenance.close().await?;
        Ok(())
    }
}

/// Where the data lives unless the operator says otherwise: under `/var/lib` as root, else in the user's own place.
///
/// Root's home is no choice: it is closed (0700) to the unprivileged user that the server runs as.
pub fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/panelgate");
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from("panelgate-data"), |share| share.join(NAME))
}
