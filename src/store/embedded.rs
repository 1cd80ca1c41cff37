//! The private PostgreSQL as the gateway's database: one database in it, made when it is not there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, postgres::PgConnectOptions};
use tokio::sync::watch;

pub use private_postgres::{Condition, Error, Manners};
use private_postgres::{PrivatePostgres, ROLE};

/// The one database.
const NAME: &str = "panelgate";

/// SQLSTATEs of `create database` when another process created it between our look and our attempt.
const ALREADY_CREATED: [&str; 2] = ["42P04", "23505"];

/// Why the private database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its server is not there.
    #[error(transparent)]
    Server(#[from] Error),
    /// The server is up and refuses what we ask of it.
    #[error(
        "the private database refuses what it is asked; try again, and if it stays so, restart \
         what runs on it"
    )]
    Database(#[from] sqlx::Error),
}

/// A private PostgreSQL with our database in it: started by this process, or joined.
#[derive(Debug)]
pub struct Embedded {
    server: PrivatePostgres,
}

impl Embedded {
    /// Joins the server that runs in the data folder `data`, else starts it, from an empty folder
    /// if need be.
    pub async fn open(data: &Path, manners: Manners) -> Result<Embedded, EmbeddedError> {
        let embedded = Embedded {
            server: PrivatePostgres::open(data, manners).await?,
        };
        embedded.create_database().await?;
        Ok(embedded)
    }

    /// Whether the data folder has a database that [`Embedded::open`] would not have to make first.
    pub fn is_made(data: &Path) -> bool {
        PrivatePostgres::is_made(data)
    }

    /// How to connect: unix socket, the database `panelgate`, which exists.
    pub fn connect_options(&self) -> PgConnectOptions {
        // Everything that the environment could say (PGHOST, PGPORT, PGUSER, …) is said here
        // instead.
        PgConnectOptions::new_without_pgpass()
            .socket(self.server.sockets())
            .port(self.server.port())
            .username(ROLE)
            .database(NAME)
            .application_name(NAME)
    }

    /// Follows how the server is doing.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.server.condition()
    }

    /// Stops a server that this process keeps, politely first; a joined one is left alone.
    ///
    /// Returns once the server's process is gone, after 30 s at the latest. Pools are to be closed
    /// before.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// The same for a server that gets so long to end by itself; then it is killed, and recovers at
    /// its next start.
    pub async fn stop_within(self, patience: Duration) {
        self.server.stop_within(patience).await;
    }

    async fn create_database(&self) -> Result<(), EmbeddedError> {
        let mut maintenance = self
            .connect_options()
            .database("postgres")
            .connect()
            .await?;

        let exists: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(NAME)
                .fetch_one(&mut maintenance)
                .await?;

        if !exists
            && let Err(error) = sqlx::query("create database panelgate")
                .execute(&mut maintenance)
                .await
        {
            let code = error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code);

            if !code.is_some_and(|code| ALREADY_CREATED.contains(&code.as_ref())) {
                return Err(error.into());
            }
        }

        maintenance.close().await?;
        Ok(())
    }
}

/// The program of PostgreSQL that is at least of that major version and nearest to it; the newest,
/// where any will do.
pub(super) fn tool(
    named: Option<&Path>,
    name: &'static str,
    at_least: Option<u32>,
) -> Result<PathBuf, EmbeddedError> {
    Ok(private_postgres::tool(named, name, at_least)?)
}

/// Where the data lives unless the operator says otherwise: under `/var/lib` as root, else in the
/// user's own place.
///
/// Root's home is no choice: it is closed (0700) to the unprivileged user that the server runs as.
pub fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/panelgate");
    }

    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };

    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from("panelgate-data"), |share| share.join(NAME))
}
