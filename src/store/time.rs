//! The database's time, which guards money: leases, due times and windows of all processes compare
//! with one clock.
//!
//! No process's own clock is asked, which somebody may set. Each process knows how far the
//! database's clock is ahead of one that nobody sets (how long its machine has been running), and
//! measures that again with each heartbeat:
//!
//! ```text
//!            sent              answered: the database said t in between
//!  ──────────┼──────────────────┼──────────────▶ running for
//!            s                  a               t − a ≤ ahead ≤ t − s
//! ```
//! What lies within these bounds is kept, so that time does not jump by what a round trip happens
//! to take; what lies outside of them is moved to the nearer one. A process that is stopped in
//! between measures wide bounds, not wrong ones.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use crate::domain::clock::{Clock, SystemClock, Timestamp, running_for};
use crate::store::pool::Pool;
use crate::store::{StoreError, Tx};

/// A first measurement that took longer than this is repeated: it would be off by up to half of
/// that.
const FIRST_MAX: Duration = Duration::from_millis(500);
/// How often it is repeated.
const TRIES_MAX: u32 = 5;

/// Tells the database's time without asking it each time.
#[derive(Debug)]
pub struct DatabaseClock {
    /// The database's unix time less how long this machine has been running, in microseconds.
    ahead_us: AtomicI64,
    measured: AtomicBool,
}

impl Default for DatabaseClock {
    /// The machine's own time, until the database was asked.
    fn default() -> Self {
        let ahead_us = SystemClock.now().timestamp_micros() - micros(running_for());
        Self {
            ahead_us: AtomicI64::new(ahead_us),
            measured: AtomicBool::new(false),
        }
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let at_us = self
            .ahead_us
            .load(Ordering::Acquire)
            .saturating_add(micros(running_for()));
        DateTime::from_timestamp_micros(at_us).unwrap_or_else(|| SystemClock.now())
    }
}

impl DatabaseClock {
    /// How far the machine's own clock is ahead of the database's; negative where it is behind.
    pub fn machine_is_ahead(&self) -> TimeDelta {
        SystemClock.now() - self.now()
    }

    /// Asks the database for its time, some times if need be, for whoever starts.
    pub(super) async fn begin(&self, pool: &Pool) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            if self.measure(pool).await? <= FIRST_MAX {
                break;
            }
        }

        Ok(())
    }

    /// Asks the database for its time. How long that took.
    pub(super) async fn measure(&self, pool: &Pool) -> Result<Duration, StoreError> {
        let sent = running_for();
        let at = sqlx::query_scalar!(r#"select clock_timestamp() as "at!""#)
            .fetch_one(pool)
            .await?;

        let answered = running_for();

        self.learn(at, sent, answered);
        Ok(answered.saturating_sub(sent))
    }

    /// The same over a transaction that has begun.
    pub(super) async fn measure_over(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let sent = running_for();
        let at = sqlx::query_scalar!(r#"select clock_timestamp() as "at!""#)
            .fetch_one(&mut **tx)
            .await?;

        self.learn(at, sent, running_for());
        Ok(())
    }

    fn learn(&self, at: Timestamp, sent: Duration, answered: Duration) {
        let at_us = at.timestamp_micros();
        let (least, most) = (at_us - micros(answered), at_us - micros(sent));

        if self.measured.swap(true, Ordering::AcqRel) {
            let known = self.ahead_us.load(Ordering::Acquire);
            self.ahead_us
                .store(known.clamp(least, most), Ordering::Release);
        } else {
            self.ahead_us
                .store(least + (most - least) / 2, Ordering::Release);
        }
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at_ms(ms: i64) -> Timestamp {
        DateTime::from_timestamp_millis(ms).unwrap()
    }

    #[test]
    fn what_is_known_is_kept_within_what_is_measured() {
        let clock = DatabaseClock::default();
        let ahead_ms = || clock.ahead_us.load(Ordering::Acquire) / 1_000;

        // The first is taken for the middle of its bounds, whatever the machine's own clock says.
        clock.learn(at_ms(1_000_000), ms(100), ms(120));
        assert_eq!(ahead_ms(), 999_890);

        // Wide bounds, because the process was stopped for an hour: nothing moves.
        clock.learn(at_ms(1_001_000), ms(1_100), ms(3_601_100));
        assert_eq!(ahead_ms(), 999_890);

        // The database's clock was set back by a minute: told by bounds that are narrow again.
        clock.learn(at_ms(4_600_000), ms(3_660_000), ms(3_660_004));
        assert_eq!(ahead_ms(), 940_000);
    }
}
