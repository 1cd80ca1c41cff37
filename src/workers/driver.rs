//! The one driver: runs rounds until it is told to stop, tells of what fails, and waits for all of them at the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::store::StoreError;
use crate::store::progress::Progress;

/// After a failed round, before the next: quick enough to go on by itself, slow enough not to hammer.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// When each worker's next round should have begun, by crew and name. Counted on a clock that nobody sets: a database's or
/// a machine's time that is set forward makes no worker late.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    due: Arc<Mutex<BTreeMap<(u64, String), Instant>>>,
}

impl Pulse {
    /// Seconds by which the worker that is furthest behind is late for its round; `None` before anyone ended one.
    pub fn lag_s(&self) -> Option<u64> {
        self.lag_s_of(|_| true)
    }

    /// The same of the workers that belong to no crew: those of the whole process.
    pub fn node_lag_s(&self) -> Option<u64> {
        self.lag_s_of(|crew| crew == 0)
    }

    fn lag_s_of(&self, is_meant: impl Fn(u64) -> bool) -> Option<u64> {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = due.iter().filter(|((crew, _), _)| is_meant(*crew)).map(|(_, due)| *due).min()?;
        Some(Instant::now().saturating_duration_since(earliest).as_secs())
    }

    fn beat(&self, crew: u64, name: &str, period: Duration) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.insert((crew, name.to_owned()), Instant::now() + period);
    }

    /// Who was let go is not late.
    fn forget(&self, crew: u64) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.retain(|(of, _), _| *of != crew);
    }
}

/// Runs workers; nothing yet by default. Clones run the same ones.
#[derive(Clone, Debug, Default)]
pub struct Driver {
    tasks: TaskTracker,
    stop: CancellationToken,
    pulse: Pulse,
    crew: u64,
    crews: Arc<AtomicU64>,
    /// How far each worker of this crew has come.
    progress: Arc<Mutex<Vec<Watched>>>,
}

/// A worker by its name.
#[derive(Clone, Debug)]
struct Watched {
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
            pulse: self.pulse.clone(),
            crew: self.crews.fetch_add(1, Ordering::Relaxed) + 1,
            crews: self.crews.clone(),
            progress: Arc::default(),
        }
    }

    /// Watches how a worker of this crew comes on.
    pub fn watch(&self, name: impl Into<String>) -> Progress {
        let progress = Progress::default();
        let watched = Watched { name: name.into(), progress: progress.clone() };
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
        progress
    }

    /// A worker of this crew that is in the midst of something and has not come on for longer than this.
    pub fn stuck_for(&self, longer_than: Duration) -> Option<String> {
        let watched = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = watched.iter().find(|worker| worker.progress.stands_still_for() > longer_than);
        stuck.map(|worker| worker.name.clone())
    }

    /// Tells these workers to take up nothing new.
    pub fn dismiss(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Waits until these workers are told to end.
    pub async fn dismissed(&self) {
        self.stop.cancelled().await;
    }

    /// Waits for the last of these workers, who were dismissed.
    pub async fn ended(&self) {
        self.tasks.wait().await;
        self.pulse.forget(self.crew);
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

    /// Runs a round, waits, and runs it again. A round is never cut off in its middle.
    pub fn every<Round, Work>(&self, name: impl Into<String>, period: Duration, round: Round)
    where
        Round: FnMut() -> Work + Send + 'static,
        Work: Future<Output = Result<(), StoreError>> + Send,
    {
        let (pulse, crew, stop) = (self.pulse.clone(), self.crew, self.stop.clone());
        self.drive(name.into(), period, round, move |name| {
            if !stop.is_cancelled() {
                pulse.beat(crew, name, period);
            }
        });
    }

    /// The same for a round that may take its time: no customer waits for it, so the pulse is not felt there.
    pub fn at_leisure<Round, Work>(&self, name: impl Into<String>, period: Duration, round: Round)
    where
        Round: FnMut() -> Work + Send + 'static,
        Work: Future<Output = Result<(), StoreError>> + Send,
    {
        self.drive(name.into(), period, round, |_| {});
    }

    fn drive<Round, Work>(
        &self,
        name: String,
        period: Duration,
        mut round: Round,
        ended_well: impl Fn(&str) + Send + 'static,
    ) where
        Round: FnMut() -> Work + Send + 'static,
        Work: Future<Output = Result<(), StoreError>> + Send,
    {
        let (stop, progress) = (self.stop.clone(), self.watch(name.clone()));
        self.tasks.spawn(async move {
            while !stop.is_cancelled() {
                let pause = match progress.of(round()).await {
                    Ok(()) => {
                        ended_well(&name);
                        period
                    }
                    Err(error) => {
                        tell(&name, &error);
                        AFTER_FAILURE.max(period)
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

    /// Tells everyone to stop and waits for them, so long at most.
    pub async fn stop(self, drain: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::warn!(still_running = self.tasks.len(), "workers did not end within the drain");
        }
    }
}

/// A failed round, told once: a database that is away is everybody's news and the heartbeat's to tell.
pub fn tell(worker: &str, error: &StoreError) {
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
        assert_eq!(crew.stuck_for(Duration::from_hours(1)), None, "not for so long");
        opens.add_permits(1);
        while crew.stuck_for(Duration::ZERO).is_some() {
            tokio::task::yield_now().await;
        }
        crew.dismiss();
        crew.ended().await;
    }
}
