//! What `postmaster.pid` tells of the server in a cluster, and whether to believe it.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use nix::unistd::Pid;

use super::{Error, folder};

/// The server that wrote `postmaster.pid`; a killed one leaves the file behind.
#[derive(Debug)]
pub(super) struct Postmaster {
    pub(super) pid: Pid,
    sockets: Option<PathBuf>,
    status: String,
}

impl Postmaster {
    /// Reads the file in `cluster`; none when there is no file, or not yet a pid in it.
    pub(super) fn read(cluster: &Path) -> Result<Option<Postmaster>, Error> {
        let path = path(cluster);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", path)(error)),
        };

        // Lines 1, 5 and 8: pid, first socket folder, status; they are written one after the other.
        let lines: Vec<&str> = text.lines().collect();
        let line = |n: usize| lines.get(n - 1).map_or("", |line| line.trim());
        let Ok(pid) = line(1).parse() else {
            return Ok(None);
        };

        let sockets = Some(line(5))
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from);

        Ok(Some(Postmaster {
            pid: Pid::from_raw(pid),
            sockets,
            status: line(8).to_owned(),
        }))
    }

    /// The folder of the socket, once the server accepts connections there.
    pub(super) fn ready(&self) -> Option<&Path> {
        self.sockets.as_deref().filter(|_| self.status == "ready")
    }

    /// Whether the pid still is the server of this cluster, and not a stranger who was given the
    /// same number.
    pub(super) fn is_alive(&self, cluster: &Path) -> bool {
        // A server works in its cluster. A dead one's entry that nobody reaped has no working
        // folder any more.
        match fs::read_link(format!("/proc/{}/cwd", self.pid)) {
            Ok(working_folder) => working_folder == cluster,
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && Path::new("/proc/self").exists() =>
            {
                false
            }
            // No such file system, or not allowed to look (root in a container): ask the socket.
            Err(_) => self
                .sockets
                .as_deref()
                .is_some_and(|at| UnixStream::connect(folder::socket_in(at)).is_ok()),
        }
    }

    /// The server of this cluster that accepts connections: the folder of its socket.
    pub(super) fn serving(cluster: &Path) -> Result<Option<PathBuf>, Error> {
        let postmaster =
            Postmaster::read(cluster)?.filter(|postmaster| postmaster.is_alive(cluster));
        Ok(postmaster.and_then(|postmaster| postmaster.ready().map(Path::to_owned)))
    }
}

/// Removes the file that a dead server left: while it names a living pid, PostgreSQL refuses to
/// start.
pub(super) fn forget(cluster: &Path) -> Result<(), Error> {
    match fs::remove_file(path(cluster)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", path(cluster))(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn path(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}
