//! The data folder: what lies where in it, who holds it, and making its cluster.
//!
//! ```text
//! DATA/postgres          the cluster, 0700, the server's user's
//! DATA/postgres.lock     held for life by the process that keeps the server
//! DATA/postgres.log      what the server says outside of connections
//! DATA/run               the socket (or a short folder under /tmp, where this path is too long)
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use super::{Error, Manners, ROLE, binaries::Binaries, server, user::ServerUser};

/// Only names the socket: the server listens on no address.
pub(super) const PORT: u16 = 5432;

/// `sun_path` holds 108 bytes, the last is NUL; a longer path is only a warning of the server, and
/// no socket.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// A longer log is begun anew when the server starts; errors of single statements are not written
/// to it.
const LOG_BYTES_MAX: u64 = 1024 * 1024;

/// How much of the log's end is quoted when the server does not start.
const LAST_WORDS_BYTES_MAX: u64 = 2048;

/// Whether a cluster lies in a data folder.
pub(super) fn is_made(data: &Path) -> bool {
    data.join("postgres").is_dir()
}

/// The data folder of one server.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    data: PathBuf,
}

impl Folder {
    /// Opens the folder, making it when it is not there.
    pub(super) fn open(data: &Path) -> Result<Folder, Error> {
        if !data.exists() {
            // The unprivileged server has to pass through root's folder; nobody has to list it.
            let mode = if nix::unistd::geteuid().is_root() {
                0o711
            } else {
                0o700
            };

            let parent = data
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());

            parent
                .map_or(Ok(()), fs::create_dir_all)
                .map_err(Error::file("create the parents of", data))?;

            match DirBuilder::new().mode(mode).create(data) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::file("create", data)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }

        let data = fs::canonicalize(data).map_err(Error::file("open", data))?;
        Ok(Folder { data })
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn cluster(&self) -> PathBuf {
        self.data.join("postgres")
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.data.join("postgres.lock")
    }

    /// The lock of the server's keeper, when nobody holds it; the system frees it however its
    /// holder ends.
    pub(super) fn try_lock(&self) -> Result<Option<File>, Error> {
        let path = self.lock_path();
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);

        let file = open.map_err(Error::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::file("lock", path)(error)),
        }
    }

    /// Makes the cluster, unless it is there already. Either it is whole afterwards, or there is
    /// none.
    pub(super) fn ensure_cluster(
        &self,
        binaries: &Binaries,
        user: &ServerUser,
        manners: &Manners,
    ) -> Result<(), Error> {
        if self.cluster().join("PG_VERSION").exists() {
            return Ok(());
        }

        // Made beside and renamed when whole: initdb writes PG_VERSION first, and it may be killed
        // at any point.
        let half_made = self.data.join("postgres.half-made");
        remove(&half_made)?;
        private_folder(&half_made, user)?;
        let mut initdb = Command::new(binaries.program("initdb"));
        initdb.arg("--pgdata").arg(&half_made).args([
            "--username",
            ROLE,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
        ]);

        initdb.args(["--locale", "C", "--data-checksums"]);
        if !manners.fsync {
            initdb.arg("--no-sync");
        }

        server::leave_our_world(&mut initdb, user);
        let answer = initdb
            .output()
            .map_err(Error::file("run", binaries.program("initdb")))?;

        if !answer.status.success() {
            remove(&half_made)?;
            return Err(Error::Init {
                said: String::from_utf8_lossy(&answer.stderr).trim().to_owned(),
            });
        }

        fs::rename(&half_made, self.cluster())
            .map_err(Error::file("put the cluster at", self.cluster()))?;
        File::open(&self.data)
            .and_then(|data| data.sync_all())
            .map_err(Error::file("sync", &self.data))
    }

    /// The folder for the socket, empty: what a killed server left there would keep the next one
    /// from starting.
    pub(super) fn fresh_sockets(&self, user: &ServerUser) -> Result<PathBuf, Error> {
        let inside = self.data.join("run");
        if socket_in(&inside).as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            remove(&inside)?;
            private_folder(&inside, user)?;
            return Ok(inside);
        }

        // Everybody may write to /tmp: what lies there under our name has to be a folder of the
        // server's user.
        let digest = Sha256::digest(self.data.as_os_str().as_encoded_bytes());
        let name = digest
            .iter()
            .take(8)
            .fold(format!("{ROLE}-"), |name, byte| format!("{name}{byte:02x}"));

        let outside = Path::new("/tmp").join(name);
        match fs::symlink_metadata(&outside) {
            Ok(meta) if !meta.is_dir() || !user.owns(&meta) => {
                return Err(Error::ForeignFolder { path: outside });
            }
            Ok(_) => remove(&outside)?,
            Err(_) => {}
        }

        private_folder(&outside, user)?;
        Ok(outside)
    }

    /// The server's log, to be appended to.
    pub(super) fn log(&self) -> Result<File, Error> {
        let path = self.log_path();
        let open = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);

        let log = open.map_err(Error::file("open", &path))?;
        if log.metadata().is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
            log.set_len(0).map_err(Error::file("begin anew", &path))?;
        }

        Ok(log)
    }

    /// The end of the server's log.
    pub(super) fn last_words(&self) -> String {
        let read = || -> io::Result<String> {
            let mut log = File::open(self.log_path())?;
            let from = log.metadata()?.len().saturating_sub(LAST_WORDS_BYTES_MAX);
            log.seek(SeekFrom::Start(from))?;
            let mut words = Vec::new();
            log.take(LAST_WORDS_BYTES_MAX).read_to_end(&mut words)?;
            Ok(String::from_utf8_lossy(&words).trim().to_owned())
        };

        read().unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
    }

    fn log_path(&self) -> PathBuf {
        self.data.join("postgres.log")
    }
}

/// The socket's file in its folder, as PostgreSQL names it.
pub(super) fn socket_in(sockets: &Path) -> PathBuf {
    sockets.join(format!(".s.PGSQL.{PORT}"))
}

/// Trust authentication is safe because nobody else can pass this folder.
fn private_folder(path: &Path, user: &ServerUser) -> Result<(), Error> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(Error::file("create", path))?;

    // The umask may have taken bits away.
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .map_err(Error::file("close to others", path))?;

    user.give(path)
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", folder)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
