//! Time as an argument: the one place that reads the machine's clocks, and the clock that tests
//! turn by hand.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use nix::time::{ClockId, clock_gettime};

/// An instant. Kept to the microsecond everywhere, which is what the database keeps.
pub type Timestamp = DateTime<Utc>;

/// Tells the time to whoever was handed one.
pub trait Clock: Debug + Send + Sync {
    /// The present moment, cut to whole microseconds.
    fn now(&self) -> Timestamp;
}

/// A clock as it is passed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one door to the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        Utc::now().trunc_subsecs(6)
    }
}

/// How long the machine has been running: a clock that nobody sets, and that runs on while the
/// process is stopped and, where the system offers such a clock, while the machine sleeps.
pub fn running_for() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const RUNS_ON: ClockId = ClockId::CLOCK_BOOTTIME;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const RUNS_ON: ClockId = ClockId::CLOCK_MONOTONIC;

    clock_gettime(RUNS_ON).map_or(Duration::ZERO, Duration::from)
}

/// A moment after which something must not happen any more, whatever became of this process in
/// between.
///
/// A process that was stopped, or whose machine slept, sees that it passed: it is measured on the
/// clock of [`running_for`], and on the machine's wall clock beside it, which is set right after a
/// virtual machine was resumed. Whichever says that it is over is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    running_for: Duration,
    at: Timestamp,
}

impl Deadline {
    /// So long after this very moment.
    pub fn after(span: Duration) -> Self {
        let at = SystemClock.now() + TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        Self {
            running_for: running_for().saturating_add(span),
            at,
        }
    }

    /// How long it is until then; nothing once it is over.
    pub fn left(self) -> Duration {
        let by_running = self.running_for.saturating_sub(running_for());
        let by_the_wall = (self.at - SystemClock.now())
            .to_std()
            .unwrap_or(Duration::ZERO);
        by_running.min(by_the_wall)
    }

    /// Whether the moment has passed.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

/// A clock that stands still until it is turned; for tests and for replaying a history.
#[derive(Debug)]
pub struct HandClock(Mutex<Timestamp>);

impl HandClock {
    /// A clock that stands at `at`.
    pub fn at(at: Timestamp) -> Self {
        Self(Mutex::new(at.trunc_subsecs(6)))
    }

    /// Turns the clock forward by `span`.
    pub fn turn(&self, span: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += span;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_by_either_clock() {
        let hour = Duration::from_hours(1);
        let later = Deadline::after(hour);
        assert!(!later.is_over() && later.left() > Duration::from_mins(59));
        assert!(Deadline::after(Duration::ZERO).is_over());

        let stopped_for_long = Deadline {
            running_for: Duration::ZERO,
            ..later
        };

        let set_forward = Deadline {
            at: Timestamp::UNIX_EPOCH,
            ..later
        };

        assert!(stopped_for_long.is_over() && set_forward.is_over());
    }
}
