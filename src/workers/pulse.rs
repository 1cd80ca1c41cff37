//! Which workers do their rounds, and which are late; who panics is told, counted, and begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

/// How long a worker's first round may take: a panel that is dead is waited for.
const FIRST_ROUND_MAX: Duration = Duration::from_mins(1);
/// How much longer than a prompt worker's the rounds of one at leisure may take.
const LEISURE: Duration = Duration::from_mins(15);
/// Behind by more than this, a worker is late.
const LATE_AFTER: Duration = Duration::from_secs(30);
/// Panics in a row after which a worker is late whatever the time: none of its work is done.
const PANICS_IN_A_ROW_MAX: u32 = 3;
/// The wait after a panic, doubled with each further one in a row.
const RESTART_WAIT_MIN: Duration = Duration::from_millis(500);
/// The longest such wait.
const RESTART_WAIT_MAX: Duration = Duration::from_secs(30);
/// Doublings after which the longest wait is reached for certain.
const RESTART_DOUBLINGS_MAX: u32 = 16;

/// How each worker does, by crew and name. Counted on a clock that nobody sets: a database's or a
/// machine's time that is set forward makes no worker late. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<PulseState>);

#[derive(Debug, Default)]
struct PulseState {
    workers: Mutex<BTreeMap<WorkerId, Beat>>,
    panics: AtomicU64,
    /// Workers whose every round panics: no user can get here, tests do.
    broken: Mutex<BTreeSet<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct WorkerId {
    crew: u64,
    name: String,
}

/// How one worker does.
#[derive(Debug)]
struct Beat {
    /// When its next round should have ended.
    due: Instant,
    haste: Haste,
    panics_in_a_row: u32,
}

/// Whether a customer waits for a worker's rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// One does: who is late makes the process not ready.
    Prompt,
    /// Nobody does: its rounds may take their time, and only a person is told.
    AtLeisure,
}

impl Haste {
    fn leave(self) -> Duration {
        match self {
            Self::Prompt => Duration::ZERO,
            Self::AtLeisure => LEISURE,
        }
    }
}

impl Pulse {
    /// Seconds by which the prompt worker that is furthest behind is late for its round; `None`
    /// where there is none.
    pub fn lag_s(&self) -> Option<u64> {
        self.lag_s_at(Instant::now(), |_| true)
    }

    /// The same of the workers that belong to no crew: those of the whole process.
    pub fn node_lag_s(&self) -> Option<u64> {
        self.lag_s_at(Instant::now(), |worker| worker.crew == 0)
    }

    /// The names of workers that are late.
    pub fn late(&self) -> Vec<String> {
        self.late_at(Instant::now())
    }

    fn late_at(&self, now: Instant) -> Vec<String> {
        let is_late = |beat: &Beat| {
            let behind = now.saturating_duration_since(beat.due);
            behind > LATE_AFTER || beat.panics_in_a_row >= PANICS_IN_A_ROW_MAX
        };

        let workers = self.workers();
        let late = workers.iter().filter(|(_, beat)| is_late(beat));

        // Two crews may deal with one panel for a while.
        let names: BTreeSet<_> = late.map(|(worker, _)| worker.name.clone()).collect();
        names.into_iter().collect()
    }

    /// Panics of workers since the start.
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }

    /// Makes every round of the worker of this name panic, or no longer. For tests.
    #[doc(hidden)]
    pub fn break_worker(&self, name: &str, is_broken: bool) {
        let mut broken = self.0.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if is_broken {
            broken.insert(name.to_owned());
        } else {
            broken.remove(name);
        }
    }

    /// Something beside a worker's rounds panicked, and was told.
    pub(super) fn count_panic(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Who was let go is not late.
    pub(super) fn forget(&self, crew: u64) {
        self.workers().retain(|worker, _| worker.crew != crew);
    }

    fn lag_s_at(&self, now: Instant, is_meant: impl Fn(&WorkerId) -> bool) -> Option<u64> {
        let workers = self.workers();
        let prompt = workers
            .iter()
            .filter(|(_, beat)| beat.haste == Haste::Prompt);

        let earliest = prompt
            .filter(|(worker, _)| is_meant(worker))
            .map(|(_, beat)| beat.due);

        Some(now.saturating_duration_since(earliest.min()?).as_secs())
    }

    fn workers(&self) -> MutexGuard<'_, BTreeMap<WorkerId, Beat>> {
        self.0
            .workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_broken(&self, name: &str) -> bool {
        self.0
            .broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name)
    }
}

/// The rounds of one worker.
#[derive(Debug)]
pub struct Rounds {
    pulse: Pulse,
    worker: WorkerId,
    period: Duration,
    haste: Haste,
}

/// A round panicked; the worker may begin anew after this time.
#[derive(Debug)]
pub struct Panicked {
    /// Longer with each panic in a row.
    pub restart_in: Duration,
}

impl Rounds {
    /// A worker begins, which does a round each `period`.
    pub(super) fn begin(
        pulse: Pulse,
        crew: u64,
        name: String,
        period: Duration,
        haste: Haste,
    ) -> Self {
        let rounds = Self {
            pulse,
            worker: WorkerId { crew, name },
            period,
            haste,
        };

        rounds.beat(FIRST_ROUND_MAX + period, 0);
        rounds
    }

    /// Who does them.
    pub fn name(&self) -> &str {
        &self.worker.name
    }

    /// How often one is done.
    pub(super) fn period(&self) -> Duration {
        self.period
    }

    /// Whether nobody waits for them.
    pub(super) fn is_at_leisure(&self) -> bool {
        self.haste == Haste::AtLeisure
    }

    /// Does one, and survives its panic.
    pub async fn survive<T>(&self, round: impl Future<Output = T>) -> Result<T, Panicked> {
        let round = async {
            assert!(!self.pulse.is_broken(self.name()), "broken by a test");
            round.await
        };

        // What it may have left half done is what a process that was killed leaves, too: the
        // database has it whole, or not at all.
        let ended = AssertUnwindSafe(round).catch_unwind().await;

        ended.map_err(|_| self.panicked())
    }

    /// The last round ended well, and the next one ends in time when it does so within this and its
    /// period.
    pub fn ended_well(&self, next_takes: Duration) {
        // Not of those who were let go meanwhile.
        if self.pulse.workers().contains_key(&self.worker) {
            self.beat(next_takes + self.period, 0);
        }
    }

    fn panicked(&self) -> Panicked {
        self.pulse.count_panic();
        let mut panics_in_a_row = 1;
        if let Some(beat) = self.pulse.workers().get_mut(&self.worker) {
            beat.panics_in_a_row = beat.panics_in_a_row.saturating_add(1);
            panics_in_a_row = beat.panics_in_a_row;
        }

        let restart_in = restart_in(panics_in_a_row);
        let (worker, restart_in_ms) = (self.name(), restart_in.as_millis());
        tracing::error!(
            worker,
            panics_in_a_row,
            restart_in_ms,
            "a worker panicked and begins anew"
        );

        Panicked { restart_in }
    }

    fn beat(&self, within: Duration, panics_in_a_row: u32) {
        let due = Instant::now() + within + self.haste.leave();
        let beat = Beat {
            due,
            haste: self.haste,
            panics_in_a_row,
        };

        self.pulse.workers().insert(self.worker.clone(), beat);
    }
}

fn restart_in(panics_in_a_row: u32) -> Duration {
    let doublings = panics_in_a_row.saturating_sub(1).min(RESTART_DOUBLINGS_MAX);
    RESTART_WAIT_MIN
        .saturating_mul(1 << doublings)
        .min(RESTART_WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(pulse: &Pulse, crew: u64, haste: Haste) -> Rounds {
        let period = Duration::from_secs(1);
        Rounds::begin(pulse.clone(), crew, format!("worker {crew}"), period, haste)
    }

    #[test]
    fn who_never_ends_a_round_is_late_even_for_the_first_one() {
        let pulse = Pulse::default();
        let now = Instant::now();

        let seen = |after: Duration| {
            (
                pulse.lag_s_at(now + after, |_| true),
                pulse.late_at(now + after),
            )
        };

        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(seen(LEISURE), (None, names(&[])));

        let prompt = rounds(&pulse, 0, Haste::Prompt);
        let _at_leisure = rounds(&pulse, 1, Haste::AtLeisure);
        assert_eq!(seen(FIRST_ROUND_MAX), (Some(0), names(&[])));
        let late = FIRST_ROUND_MAX + LATE_AFTER + Duration::from_secs(3);
        let (lag_s, who) = seen(late);
        assert!(
            lag_s > Some(30) && who == names(&["worker 0"]),
            "{lag_s:?} {who:?}"
        );

        // Nobody waits for the second, and yet it is told.
        assert_eq!(seen(late + LEISURE).1, names(&["worker 0", "worker 1"]));

        prompt.ended_well(Duration::ZERO);
        assert_eq!(seen(LATE_AFTER).1, names(&[]));
        pulse.forget(0);
        assert_eq!(seen(late), (None, names(&[])));
        prompt.ended_well(Duration::ZERO);
        assert_eq!(pulse.lag_s(), None, "let go is let go");
    }

    #[tokio::test]
    async fn panics_are_counted_and_make_late_after_some_in_a_row() {
        let pulse = Pulse::default();
        let worker = rounds(&pulse, 0, Haste::AtLeisure);
        pulse.break_worker("worker 0", true);
        let mut waits = Vec::new();

        for _ in 0..PANICS_IN_A_ROW_MAX {
            assert_eq!(pulse.late(), Vec::<String>::new());
            waits.push(
                worker
                    .survive(async {})
                    .await
                    .unwrap_err()
                    .restart_in
                    .as_millis(),
            );
        }

        assert_eq!(waits, [500, 1_000, 2_000]);
        assert_eq!(
            (pulse.panics(), pulse.late()),
            (3, vec!["worker 0".to_owned()])
        );

        assert_eq!(restart_in(u32::MAX), RESTART_WAIT_MAX);

        pulse.break_worker("worker 0", false);
        worker.survive(async {}).await.unwrap();
        worker.ended_well(Duration::ZERO);
        assert_eq!((pulse.panics(), pulse.late()), (3, vec![]));
    }
}
