//! The thread that keeps the server: joins or starts it, brings it back when it dies, takes it
//! over, ends it.
//!
//! ```text
//!            lock free                      dies                    tried again
//!   open ───────────────▶ starting ─▶ kept ─────▶ fallen ──────────────▶ kept
//!     │ held, and it serves                         ▲  └── in vain: told, and tried again for ever
//!     └───────────────▶ joined ─────────────────────┘
//!                                lock free: its keeper is gone
//! ```
//!
//! A thread of its own, because the server is told of the end of the thread that started it, not of
//! the process: one from a pool of threads may end at any time.

use std::{
    cell::Cell,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use super::{
    Condition, Error, Folder, Manners, binaries, postmaster::Postmaster, server, server::Server,
    user::ServerUser,
};

/// Whose lines these are in the gateway's log: what is filtered by its name is heard with it.
const LOG: &str = "panelgate::store::embedded::supervise";

/// How long another process may hold the folder without its server becoming ready: the first
/// `initdb` on a slow disc, or the polite end of a server that is being stopped.
const HELD_MAX: Duration = Duration::from_secs(30);

/// How often somebody else's lock is tried while its server is not ready.
const HELD_LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often a server is looked at, ours or a joined one: what its sudden end costs before it is
/// brought back.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The first wait between two attempts to bring the server back; doubled each time.
const RESTART_WAIT_MIN: Duration = Duration::from_millis(100);

/// Doublings after which the longest wait is reached for certain.
const RESTART_DOUBLINGS_MAX: u32 = 16;

/// What the door holds of a supervisor.
pub(super) struct Supervisor {
    /// The folder of the socket, once the server answers there.
    pub(super) opened: oneshot::Receiver<Result<PathBuf, Error>>,
    pub(super) condition: watch::Receiver<Condition>,
    pub(super) stop: StopSender,
    /// Resolves when the thread has ended, and the server with it.
    pub(super) ended: oneshot::Receiver<()>,
}

/// Tells the supervisor to stop, by a word or by being dropped.
#[derive(Debug)]
pub(super) struct StopSender(SyncSender<Duration>);

impl StopSender {
    /// The server gets so long to end by itself.
    pub(super) fn stop(&self, patience: Duration) {
        // Full: it was told already. Disconnected: it has ended.
        let _ = self.0.try_send(patience);
    }
}

/// The supervisor's ear.
pub(super) struct Stop {
    ear: Receiver<Duration>,
    patience: Cell<Duration>,
}

impl Stop {
    /// Waits for at most `wait`; true when told to stop meanwhile.
    pub(super) fn within(&self, wait: Duration) -> bool {
        match self.ear.recv_timeout(wait) {
            Ok(patience) => self.patience.set(patience),
            Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => return false,
        }

        true
    }

    /// How long the server has to end by itself.
    pub(super) fn patience(&self) -> Duration {
        self.patience.get()
    }
}

/// Starts the thread.
pub(super) fn begin(data: &Path, manners: Manners) -> Result<Supervisor, Error> {
    let keeper = Keeper {
        folder: Folder::open(data)?,
        manners,
    };

    let (stop, stop_ear) = sync_channel(1);
    let (tell_opened, opened) = oneshot::channel();
    let (tell_condition, condition) = watch::channel(Condition::Running);
    let (tell_ended, ended) = oneshot::channel();

    let work = move || {
        let stop = Stop {
            ear: stop_ear,
            patience: Cell::new(server::END_MAX),
        };

        keep(&keeper, &stop, tell_opened, &tell_condition);
        tell_condition.send_replace(Condition::Stopped);

        // Nobody waits for the end of a supervisor that was dropped.
        let _ = tell_ended.send(());
    };

    let thread = thread::Builder::new().name("postgres".to_owned());
    thread
        .spawn(work)
        .map_err(Error::file("start the supervisor of", data))?;

    Ok(Supervisor {
        opened,
        condition,
        stop: StopSender(stop),
        ended,
    })
}

enum Life {
    Joined { looks_in_vain: u32 },
    Kept { lock: File, server: Server },
    Fallen { lock: File, attempts: u32 },
    Over,
}

fn keep(
    keeper: &Keeper,
    stop: &Stop,
    opened: oneshot::Sender<Result<PathBuf, Error>>,
    condition: &watch::Sender<Condition>,
) {
    let mut life = match keeper.open(stop) {
        Ok((life, sockets)) => {
            // A caller that went away dropped the stop sender too.
            let _ = opened.send(Ok(sockets));
            life
        }
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };

    let mut panics_in_a_row = 0;
    loop {
        let live_on = || match life {
            Life::Joined { looks_in_vain } => keeper.watch_joined(stop, looks_in_vain, condition),
            Life::Kept { lock, server } => watch_kept(stop, lock, server, condition),
            Life::Fallen { lock, attempts } => keeper.bring_back(stop, lock, attempts, condition),
            Life::Over => Life::Over,
        };

        life = match survive(live_on) {
            Some(Life::Over) => return,
            Some(life) => {
                panics_in_a_row = 0;
                life
            }
            None => {
                panics_in_a_row += 1;
                if stop.within(restart_wait(
                    panics_in_a_row,
                    keeper.manners.restart_wait_max,
                )) {
                    return;
                }

                // The lock is free again: a server that is left there is ended, and started anew.
                Life::Joined { looks_in_vain: 0 }
            }
        };
    }
}

/// What a step came to; `None` where it panicked.
fn survive(step: impl FnOnce() -> Life) -> Option<Life> {
    let ended = catch_unwind(AssertUnwindSafe(step));
    if ended.is_err() {
        tracing::error!(
            target: LOG, "the supervisor of the database server panicked and begins anew"
        );
    }

    ended.ok()
}

fn restart_wait(attempts: u32, wait_max: Duration) -> Duration {
    let doublings = attempts.min(RESTART_DOUBLINGS_MAX);
    RESTART_WAIT_MIN
        .saturating_mul(1 << doublings)
        .min(wait_max)
}

fn watch_kept(
    stop: &Stop,
    lock: File,
    mut server: Server,
    condition: &watch::Sender<Condition>,
) -> Life {
    if stop.within(LOOK_EVERY) {
        server.end(stop.patience());
        // Only now may another process start one.
        drop(lock);
        return Life::Over;
    }

    if !server.has_ended() {
        return Life::Kept { lock, server };
    }

    tracing::error!(target: LOG, "the database server ended by itself; bringing it back");
    condition.send_replace(Condition::Restarting { attempts: 0 });
    Life::Fallen { lock, attempts: 0 }
}

struct Keeper {
    folder: Folder,
    manners: Manners,
}

impl Keeper {
    /// Whoever gets the lock keeps the server; the others join it as soon as it is ready.
    fn open(&self, stop: &Stop) -> Result<(Life, PathBuf), Error> {
        let began = Instant::now();
        while began.elapsed() < HELD_MAX {
            if let Some(lock) = self.folder.try_lock()? {
                let server = self.start(stop)?;
                let sockets = server.sockets().to_owned();
                return Ok((Life::Kept { lock, server }, sockets));
            }

            if let Some(sockets) = Postmaster::serving(&self.folder.cluster())? {
                return Ok((Life::Joined { looks_in_vain: 0 }, sockets));
            }

            if stop.within(HELD_LOOK_EVERY) {
                return Err(Error::Interrupted);
            }
        }

        Err(Error::Held {
            lock: self.folder.lock_path(),
            waited_s: HELD_MAX.as_secs(),
        })
    }

    /// Starts the server in the folder whose lock we hold, whatever state it was left in.
    fn start(&self, stop: &Stop) -> Result<Server, Error> {
        let cluster = self.folder.cluster();
        let binaries = binaries::choose(self.manners.postgres_bin.as_deref(), &cluster)?;
        let user = ServerUser::choose([&cluster, self.folder.data()])?;
        user.check_way(self.folder.data())?;
        user.check_way(binaries.folder())?;
        server::end_orphan(&cluster)?;

        self.folder
            .ensure_cluster(&binaries, &user, &self.manners)?;
        Server::start(&self.folder, &binaries, &user, &self.manners, stop)
    }

    fn watch_joined(
        &self,
        stop: &Stop,
        looks_in_vain: u32,
        condition: &watch::Sender<Condition>,
    ) -> Life {
        if stop.within(LOOK_EVERY) {
            return Life::Over;
        }

        if let Ok(Some(lock)) = self.folder.try_lock() {
            tracing::warn!(target: LOG,
                "the process that kept the database server is gone; keeping it from now on");
            condition.send_replace(Condition::Restarting { attempts: 0 });
            return Life::Fallen { lock, attempts: 0 };
        }

        // Its keeper brings it back; we only tell.
        let serves = matches!(Postmaster::serving(&self.folder.cluster()), Ok(Some(_)));
        let looks_in_vain = if serves {
            0
        } else {
            looks_in_vain.saturating_add(1)
        };

        let seen = if serves {
            Condition::Running
        } else {
            Condition::Restarting {
                attempts: looks_in_vain,
            }
        };

        condition.send_if_modified(|told| std::mem::replace(told, seen) != seen);
        Life::Joined { looks_in_vain }
    }

    fn bring_back(
        &self,
        stop: &Stop,
        lock: File,
        attempts: u32,
        condition: &watch::Sender<Condition>,
    ) -> Life {
        match self.start(stop) {
            Ok(server) => {
                tracing::info!(target: LOG, attempts, "the database server is back");
                condition.send_replace(Condition::Running);
                return Life::Kept { lock, server };
            }
            Err(Error::Interrupted) => return Life::Over,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    target: LOG, attempts, error, "the database server cannot be brought back yet"
                );
            }
        }

        let attempts = attempts.saturating_add(1);
        condition.send_replace(Condition::Restarting { attempts });
        let wait = restart_wait(attempts, self.manners.restart_wait_max);

        if stop.within(wait) {
            Life::Over
        } else {
            Life::Fallen { lock, attempts }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_survived_and_waits_grow_to_their_longest() {
        assert!(survive(|| panic!("on purpose")).is_none());
        assert!(matches!(survive(|| Life::Over), Some(Life::Over)));
        let waits =
            [1, 2, 3, u32::MAX].map(|attempts| restart_wait(attempts, Duration::from_secs(10)));
        assert_eq!(waits.map(|wait| wait.as_millis()), [200, 400, 800, 10_000]);
    }
}
