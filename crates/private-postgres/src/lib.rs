//! A private PostgreSQL: joined where it already runs in a data folder, else started there and kept
//! alive by us.
//!
//! One supervisor thread per process owns everything (see `supervise`); this file is the door to
//! it. What it promises: a unix socket only, an unprivileged server, durable commits, no server
//! left behind whatever ends the process, and never two servers (or two keepers of one server) in
//! one data folder.

mod binaries;
mod error;
mod folder;
mod postmaster;
mod server;
mod supervise;
mod user;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use folder::Folder;
use supervise::StopSender;

pub use binaries::tool;
pub use error::Error;

/// The server's one role, which may do everything there; sockets outside of a data folder are
/// called after it.
pub const ROLE: &str = "panelgate";

/// The longest wait before a server that ended by itself is started again.
const RESTART_WAIT_MAX: Duration = Duration::from_secs(10);

/// How the private server is to be run.
#[derive(Debug, Clone)]
pub struct Manners {
    /// Commits reach the disc before they are acknowledged; false only in tests, whose data nobody
    /// misses.
    pub fsync: bool,
    /// The folder of the server binaries, where somebody names one; else PATH and the usual places
    /// are searched.
    pub postgres_bin: Option<PathBuf>,
    /// The longest wait between two attempts to bring a server back that ended by itself.
    pub restart_wait_max: Duration,
}

impl Manners {
    /// What data wants that somebody misses: durable, and for ever brought back, since a person
    /// empties a full disc.
    pub fn durable(postgres_bin: Option<PathBuf>) -> Self {
        Self {
            fsync: true,
            postgres_bin,
            restart_wait_max: RESTART_WAIT_MAX,
        }
    }
}

/// How the private server is doing.
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
pub struct PrivatePostgres {
    sockets: PathBuf,
    condition: watch::Receiver<Condition>,
    // Dropping it stops the server too, only nobody waits for it.
    stop: StopSender,
    ended: oneshot::Receiver<()>,
}

impl PrivatePostgres {
    /// Joins the server that runs in the data folder `data`, else starts it, from an empty folder
    /// if need be.
    ///
    /// A joined server whose keeper goes away is taken over: started again and kept by this
    /// process.
    pub async fn open(data: &Path, manners: Manners) -> Result<Self, Error> {
        let mut supervisor = supervise::begin(data, manners)?;
        let sockets = (&mut supervisor.opened)
            .await
            .map_err(|_| Error::Interrupted)??;

        Ok(Self {
            sockets,
            condition: supervisor.condition,
            stop: supervisor.stop,
            ended: supervisor.ended,
        })
    }

    /// Whether the data folder has a database that [`PrivatePostgres::open`] would not have to make
    /// first.
    pub fn is_made(data: &Path) -> bool {
        folder::is_made(data)
    }

    /// The folder of the socket: where [`ROLE`] connects, without a password.
    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// What the socket is named by; the server listens on no address.
    pub fn port(&self) -> u16 {
        folder::PORT
    }

    /// Follows how the server is doing.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.clone()
    }

    /// Stops a server that this process keeps, politely first; a joined one is left alone.
    ///
    /// Returns once the server's process is gone, after 30 s at the latest. Connections are to be
    /// closed before.
    pub async fn stop(self) {
        self.stop_within(server::END_MAX).await;
    }

    /// The same for a server that gets so long to end by itself; then it is killed, and recovers at
    /// its next start.
    pub async fn stop_within(self, patience: Duration) {
        self.stop.stop(patience);
        // An error means that the supervisor is gone already, and its server with it.
        let _ = self.ended.await;
    }
}

/// The README's example, so that it is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
