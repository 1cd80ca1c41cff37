//! The one driver: runs rounds until it is told to stop, tells of what fails, and waits for all of
//! them at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::store::StoreError;
use crate::store::progress::Progress;
use crate::workers::pulse::{Haste, Panicked, Pulse, Rounds};

/// After a failed round, before the next: quick enough to go on by itself, slow enough not to
/// hammer.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Runs workers; nothing yet by default. Clones run the same ones.
#[derive(Clone, Debug, Default)]
pub struct Driver {
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Tells those who end last.
    last: CancellationToken,
    pulse: Pulse,
    crew: u64,
    crews: Arc<AtomicU64>,
    /// How far each worker of this crew has come.
    progress: Arc<Mutex<Vec<WatchedWorker>>>,
}

/// A worker by its name.
#[derive(Clone, Debug)]
struct WatchedWorker {
    name: String,
    progress: Progress,
}

impl Driver {
    /// Workers that can be told to end apart from all others, and end with them at the latest.
    #[must_use]
    pub fn crew(&self) -> Self {
        Self {
            tasks: TaskTracker::new(),
            stop: self.stop.child_token(),
            last: self.last.clone(),
            pulse: self.pulse.clone(),
            crew: self.crews.fetch_add(1, Ordering::Relaxed) + 1,
            crews: self.crews.clone(),
            progress: Arc::default(),
        }
    }

    /// The same crew's workers who go on while the others end, until [`Driver::end_last`].
    #[must_use]
    pub fn lasting(&self) -> Self {
        Self {
            tasks: TaskTracker::new(),
            stop: self.last.child_token(),
            progress: Arc::default(),
            ..self.clone()
        }
    }

    /// Tells those who end last, too.
    pub fn end_last(&self) {
        self.last.cancel();
    }

    /// Watches how a worker of this crew comes on.
    pub fn watch(&self, name: impl Into<String>) -> Progress {
        let progress = Progress::default();
        let watched = WatchedWorker {
            name: name.into(),
            progress: progress.clone(),
        };

        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(watched);

        progress
    }

    /// A worker of this crew that is in the midst of something and has not come on for longer than
    /// this.
    pub fn stuck_for(&self, longer_than: Duration) -> Option<String> {
        let watched = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = watched
            .iter()
            .find(|worker| worker.progress.stands_still_for() > longer_than);
        stuck.map(|worker| worker.name.clone())
    }

    /// Tells these workers to take up nothing new.
    pub fn dismiss(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.pulse.forget(self.crew);
    }

    /// Waits until these workers are told to end.
    pub async fn dismissed(&self) {
        self.stop.cancelled().await;
    }

    /// Waits for the last of these workers, who were dismissed.
    pub async fn ended(&self) {
        self.tasks.wait().await;
    }

    /// Whether a worker is still at it.
    pub fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// What the rounds looked like lately.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Told when it is time to take up nothing new.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The rounds of a worker of this crew that minds the time itself.
    pub fn rounds(&self, name: impl Into<String>, period: Duration, haste: Haste) -> Rounds {
        Rounds::begin(self.pulse.clone(), self.crew, name.into(), period, haste)
    }

    /// Runs a round, waits, and runs it again. A round is never cut off in its middle.
    pub fn every<Round, Work>(&self, name: impl Into<String>, period: Duration, round: Round)
    where
        Round: FnMut() -> Work + Send + 'static,
        Work: Future<Output = Result<(), StoreError>> + Send,
    {
        self.drive(self.rounds(name, period, Haste::Prompt), round);
    }

    /// The same for a round that may take its time, because no customer waits for it. Nor does the
    /// end of the process: such a round is cut off, and leaves what one that was killed leaves.
    pub fn at_leisure<Round, Work>(&self, name: impl Into<String>, period: Duration, round: Round)
    where
        Round: FnMut() -> Work + Send + 'static,
        Work: Future<Output = Result<(), StoreError>> + Send,
    {
        self.drive(self.rounds(name, period, Haste::AtLeisure), round);
    }

    fn drive<Round, Work>(&self, rounds: Rounds, mut round: Round)
    where
        Round: FnMut() -> Work + Send + 'static,
        Work: Future<Output = Result<(), StoreError>> + Send,
    {
        let (stop, progress) = (self.stop.clone(), self.watch(rounds.name()));
        // One that nobody waits for is not waited for at the end.
        let cut_off = if rounds.is_at_leisure() {
            stop.clone()
        } else {
            CancellationToken::new()
        };
        let period = rounds.period();
        self.tasks.spawn(async move {
            while !stop.is_cancelled() {
                let work = rounds.survive(progress.of(async { round().await }));
                let Some(ended) = cut_off.run_until_cancelled(work).await else {
                    return;
                };
                let pause = match ended {
                    Ok(Ok(())) => {
                        rounds.ended_well(Duration::ZERO);
                        period
                    }
                    Ok(Err(error)) => {
                        log_failure(rounds.name(), &error);
                        AFTER_FAILURE.max(period)
                    }
                    Err(Panicked { restart_in }) => {
                        progress.rest();
                        restart_in.max(period)
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        });
    }

    /// Runs a worker that minds the time itself; it ends soon after [`Driver::stopping`] says so.
    pub fn run(&self, worker: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(worker);
    }

    /// Tells everyone to take up nothing new, but for those who end last.
    pub fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Tells everyone to stop and waits for them, so long at most.
    pub async fn stop(&self, drain: Duration) {
        self.end();
        if tokio::time::timeout(drain, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                still_running = self.tasks.len(),
                "workers did not end within the drain"
            );
        }
    }
}

/// A failed round, told once: a database that is away is everybody's news and the heartbeat's to
/// tell.
pub fn log_failure(worker: &str, error: &StoreError) {
    if error.is_away() {
        tracing::debug!(worker, %error, "a round found the database away");
    } else {
        tracing::error!(worker, %error, "a round failed");
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_stands_still_in_the_midst_of_a_round_is_seen_and_who_rests_is_not() {
        let crew = Driver::default().crew();
        let gate = Arc::new(Semaphore::new(0));
        let opens = gate.clone();

        crew.every("tracker p", Duration::from_hours(1), move || {
            let gate = gate.clone();
            async move {
                gate.acquire().await.expect("never closed").forget();
                Ok(())
            }
        });

        while crew.stuck_for(Duration::ZERO).is_none() {
            tokio::task::yield_now().await;
        }

        assert_eq!(crew.stuck_for(Duration::ZERO).as_deref(), Some("tracker p"));
        assert_eq!(
            crew.stuck_for(Duration::from_hours(1)),
            None,
            "not for so long"
        );

        opens.add_permits(1);
        while crew.stuck_for(Duration::ZERO).is_some() {
            tokio::task::yield_now().await;
        }

        crew.dismiss();
        crew.ended().await;
    }
}
