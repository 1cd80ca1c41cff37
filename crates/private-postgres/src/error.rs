//! Why there is no private PostgreSQL, each with what the operator can do about it.

use std::{io, path::PathBuf};

/// Why the private PostgreSQL could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server binaries were found.
    #[error(
        "no PostgreSQL server binaries found (looked in {looked}): install them with `{install}`, \
         name their folder in PANELGATE_POSTGRES_BIN, or give a server with DATABASE_URL"
    )]
    NoBinaries {
        /// The install command for the system at hand.
        install: String,
        /// The places that were searched.
        looked: String,
    },
    /// A program that dumps or restores is missing, or older than the server.
    #[error(
        "no {name}{at_least} found (there is {newest}): install it with `{install}`, or name the \
         folder of PostgreSQL's programs in PANELGATE_POSTGRES_BIN"
    )]
    NoTool {
        /// The program.
        name: &'static str,
        /// Of which version it must be, if that matters.
        at_least: String,
        /// What is there.
        newest: String,
        /// The install command for the system at hand.
        install: String,
    },
    /// The data folder was written by a PostgreSQL of another major version.
    #[error(
        "{} holds a database of PostgreSQL {written_by}, the server binaries found are of {found}. \
         Way out: name the folder of the PostgreSQL {written_by} binaries in \
         PANELGATE_POSTGRES_BIN and run \
         `panelgate backup FILE` (a dump), move the folder away, then run `panelgate restore FILE` \
         with the new ones",
        folder.display()
    )]
    OtherMajor {
        /// The server's data folder.
        folder: PathBuf,
        /// The major version that wrote it.
        written_by: String,
        /// The major versions at hand.
        found: String,
    },
    /// The server's user may not pass a folder on the way.
    #[error(
        "the server runs as the user {user}, who may not pass {} on the way to {}: \
         `chmod o+x {}`, or choose another place",
        blocking.display(), wanted.display(), blocking.display()
    )]
    Blocked {
        /// The unprivileged user.
        user: String,
        /// The folder without `x` for that user.
        blocking: PathBuf,
        /// Where the server has to get.
        wanted: PathBuf,
    },
    /// Started by root, and there is no unprivileged user to run the server as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor a user \
         `nobody`: make one with `useradd --system postgres`, start panelgate as an ordinary \
         user, or give a server with DATABASE_URL"
    )]
    NoUser,
    /// Another process holds the folder and its server does not come up.
    #[error(
        "another process holds {} and its server was not ready within {waited_s} s: `fuser {}` \
         tells which; wait for it \
         or end it, and try again",
        lock.display(), lock.display()
    )]
    Held {
        /// The lock file that it holds.
        lock: PathBuf,
        /// How long was waited.
        waited_s: u64,
    },
    /// A place in the shared temporary folder belongs to somebody else.
    #[error("{} is not a folder of the server's user: remove it", path.display())]
    ForeignFolder {
        /// The place.
        path: PathBuf,
    },
    /// `initdb` failed; what it had made is removed.
    #[error("initdb failed: {said}")]
    Init {
        /// Its last words.
        said: String,
    },
    /// The server ended, or was not ready in time.
    #[error("PostgreSQL did not start: {said}")]
    Start {
        /// Its last words.
        said: String,
    },
    /// It was told to stop while it was still starting.
    #[error("stopped before PostgreSQL was ready")]
    Interrupted,
    /// Something about a file.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on what the system says about `path`.
    pub(super) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File {
            doing,
            path,
            source,
        }
    }
}
