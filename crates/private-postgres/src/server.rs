//! The server's process: how it is started, when it is ready, how it is ended.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Error, Manners,
    binaries::Binaries,
    folder::{Folder, PORT},
    postmaster::{self, Postmaster},
    supervise::Stop,
    user::ServerUser,
};

/// Whose lines these are in the gateway's log: what is filtered by its name is heard with it.
const LOG: &str = "panelgate::store::embedded::server";

/// How long a start may take: after a crash the log since the last checkpoint is replayed first,
/// and ending the server while it does so would only make it begin again.
const START_MAX: Duration = Duration::from_mins(10);

/// How often a starting or ending server is looked at; an empty folder is ready within half a
/// second.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a server has to end by itself, unless somebody says otherwise.
pub(super) const END_MAX: Duration = Duration::from_secs(25);

/// How long the axe takes.
const AXE_MAX: Duration = Duration::from_secs(5);

/// How a server is ended, with its share of the time that it has: connections closed and everything
/// written; connections dropped, the rest left to recovery; the axe, which a server that was
/// stopped in its tracks obeys too.
fn ladder(patience: Duration) -> [(Signal, Duration); 3] {
    [
        (Signal::SIGINT, patience * 4 / 5),
        (Signal::SIGQUIT, patience / 5),
        (Signal::SIGKILL, AXE_MAX),
    ]
}

/// Settings of the server, beside where it lies. What is said here cannot be changed by a file in
/// the cluster.
const SETTINGS: [&str; 11] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    // Every process has a pool for customers, one for workers and one for the console.
    "max_connections=200",
    // Our statements are short: compiling them costs more than it saves.
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    // Errors of statements come back to us and are told at the door; here they would carry
    // customers' data.
    "log_min_messages=log",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "log_checkpoints=off",
    "logging_collector=off",
];

/// A running server that this process started.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    sockets: PathBuf,
}

impl Server {
    /// Starts the server and waits until it accepts connections. Whoever calls holds the folder's
    /// lock.
    ///
    /// The server dies with the calling **thread**, which therefore has to live as long as the
    /// server shall.
    pub(super) fn start(
        folder: &Folder,
        binaries: &Binaries,
        user: &ServerUser,
        manners: &Manners,
        stop: &Stop,
    ) -> Result<Server, Error> {
        let cluster = folder.cluster();
        let sockets = folder.fresh_sockets(user)?;
        let log = folder.log()?;
        let err = log
            .try_clone()
            .map_err(Error::file("share", folder.data()))?;

        let mut command = Command::new(binaries.program("postgres"));
        command
            .arg("-D")
            .arg(&cluster)
            .arg("-c")
            .arg(format!("port={PORT}"));

        command
            .arg("-c")
            .arg(format!("unix_socket_directories={}", quoted(&sockets)));

        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let durable = if manners.fsync { "on" } else { "off" };

        command
            .arg("-c")
            .arg(format!("fsync={durable}"))
            .arg("-c")
            .arg(format!("full_page_writes={durable}"));

        command.stdout(log).stderr(err);
        leave_our_world(&mut command, user);
        let child = command
            .spawn()
            .map_err(Error::file("run", binaries.program("postgres")))?;

        let mut server = Server { child, sockets };
        match server.wait_until_ready(&cluster, stop) {
            Ok(()) => Ok(server),
            Err(error) => {
                server.end(stop.patience());
                Err(match error {
                    NotReady::Ended => Error::Start {
                        said: folder.last_words(),
                    },
                    NotReady::TooLong => Error::Start {
                        said: format!("not ready within {} s", START_MAX.as_secs()),
                    },
                    NotReady::Stopped => Error::Interrupted,
                    NotReady::Unreadable(error) => error,
                })
            }
        }
    }

    /// The folder of its socket.
    pub(super) fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// Whether the process is gone; reaps it.
    pub(super) fn has_ended(&mut self) -> bool {
        // An error means that there is no such child any more.
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the process by the ladder; returns when it is gone.
    pub(super) fn end(mut self, patience: Duration) {
        let pid = pid_of(&self.child);
        climb(pid, patience, || self.has_ended());
    }

    fn wait_until_ready(&mut self, cluster: &Path, stop: &Stop) -> Result<(), NotReady> {
        let began = Instant::now();
        while began.elapsed() < START_MAX {
            if self.has_ended() {
                return Err(NotReady::Ended);
            }

            let told = Postmaster::read(cluster).map_err(NotReady::Unreadable)?;
            if told.is_some_and(|told| told.pid == pid_of(&self.child) && told.ready().is_some()) {
                return Ok(());
            }

            if stop.within(LOOK_EVERY) {
                return Err(NotReady::Stopped);
            }
        }

        Err(NotReady::TooLong)
    }
}

enum NotReady {
    Ended,
    TooLong,
    Stopped,
    Unreadable(Error),
}

/// Ends a server that nobody keeps any more (its keeper was killed, or never was), and clears away
/// what it left.
///
/// The caller holds the folder's lock, so no living process keeps that server.
pub(super) fn end_orphan(cluster: &Path) -> Result<(), Error> {
    let Some(orphan) = Postmaster::read(cluster)? else {
        return Ok(());
    };

    if orphan.is_alive(cluster) {
        tracing::warn!(
            target: LOG, pid = orphan.pid.as_raw(), "ending a database server that nobody keeps"
        );
        climb(orphan.pid, END_MAX, || !orphan.is_alive(cluster));
    }

    postmaster::forget(cluster)
}

/// What every program of PostgreSQL needs that we start: another user, a folder it may be in, no
/// terminal's signals, an end when we end, and nothing of our environment, where secrets are.
pub(super) fn leave_our_world(command: &mut Command, user: &ServerUser) {
    // In a group of its own: else Ctrl-C would stop the database before our work is done.
    command
        .current_dir("/")
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .process_group(0);

    user.runs(command);
    die_with_this_thread(command);
}

#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "only between fork and exec can a child ask to be told of its parent's end"
)]
fn die_with_this_thread(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let ask = move || {
        // After the change of user, which would forget it; this closure runs last.
        nix::sys::prctl::set_pdeathsig(Signal::SIGINT)?;

        // The parent may have ended before we asked.
        if nix::unistd::getppid() == parent {
            Ok(())
        } else {
            Err(nix::errno::Errno::ESRCH.into())
        }
    };

    // SAFETY: the closure makes two system calls and neither allocates nor takes a lock.
    unsafe { command.pre_exec(ask) };
}

/// Elsewhere nobody tells the server; the next start finds it without a keeper and ends it.
#[cfg(not(target_os = "linux"))]
fn die_with_this_thread(_: &mut Command) {}

fn climb(pid: Pid, patience: Duration, mut has_ended: impl FnMut() -> bool) {
    for (signal, patience) in ladder(patience) {
        // An error means that it has just ended.
        let _ = kill(pid, signal);
        let began = Instant::now();

        while began.elapsed() < patience {
            if has_ended() {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }

        tracing::warn!(
            target: LOG, pid = pid.as_raw(), %signal, "the database server does not obey"
        );
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(
        child
            .id()
            .try_into()
            .expect("a pid fits the type that the system gave it in"),
    )
}

/// The setting is a list: quoted, so that a comma or a blank in the path does not split it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\"\""))
}
