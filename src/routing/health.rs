//! A panel's health: the breaker on doubts, which stops sending to a panel whose answers prove nothing.
//!
//! ```text
//!  shut ──doubts in a row, or within a minute──▶ open ──a while, and a free call that worked──▶ probation
//!   ▲                                              ▲                                                │
//!   │                                              └──────────────────── a doubt ───────────────────┤
//!   └───────────────────────────────── an answer that proves anything ──────────────────────────────┘
//! ```
//! Only orders are stopped: statuses, balances and catalogues are asked for all the time.

use chrono::TimeDelta;

use crate::domain::clock::Instant;
use crate::domain::provider::DoubtSettings;

/// The first wait of an open breaker; each further opening doubles it.
const WAIT_S: i64 = 30;
/// The longest wait of an open breaker.
const WAIT_S_MAX: i64 = 1_800;

/// Whether orders go to a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// They go.
    Shut,
    /// They do not, and nothing is tried before this moment.
    Open {
        /// The moment.
        until: Instant,
    },
    /// One at a time.
    Probation,
}

/// What is remembered of a panel's answers to orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether orders go.
    pub breaker: Breaker,
    /// Openings since it was shut for good.
    pub trips: u32,
    /// Doubts since the last answer that proved anything.
    pub doubts_in_a_row: u32,
}

impl Health {
    /// After one more doubt, of so many within the last minute.
    #[must_use]
    pub fn after_doubt(self, last_minute: u32, limits: &DoubtSettings, now: Instant) -> Self {
        let in_a_row = self.doubts_in_a_row.saturating_add(1);
        let opens = match self.breaker {
            Breaker::Shut => in_a_row >= limits.in_a_row_max || last_minute >= limits.per_minute_max,
            Breaker::Probation => true,
            // What was under way when it opened.
            Breaker::Open { .. } => false,
        };
        let counted = Self { doubts_in_a_row: in_a_row, ..self };
        if !opens {
            return counted;
        }
        let wait_s = WAIT_S.checked_shl(self.trips).filter(|wait_s| (1..=WAIT_S_MAX).contains(wait_s));
        let until = now + TimeDelta::seconds(wait_s.unwrap_or(WAIT_S_MAX));
        Self { breaker: Breaker::Open { until }, trips: self.trips.saturating_add(1), ..counted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Health = Health { breaker: Breaker::Shut, trips: 0, doubts_in_a_row: 0 };

    fn now() -> Instant {
        Instant::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn open_for_s(health: Health) -> Option<i64> {
        match health.breaker {
            Breaker::Open { until } => Some((until - now()).num_seconds()),
            Breaker::Shut | Breaker::Probation => None,
        }
    }

    #[test]
    fn doubts_in_a_row_open_it() {
        let limits = DoubtSettings { in_a_row_max: 3, per_minute_max: 100, ..DoubtSettings::default() };
        let two = WELL.after_doubt(1, &limits, now()).after_doubt(2, &limits, now());
        assert_eq!((two.breaker, two.doubts_in_a_row), (Breaker::Shut, 2));
        assert_eq!(open_for_s(two.after_doubt(3, &limits, now())), Some(30));
    }

    #[test]
    fn doubts_within_a_minute_open_it_though_others_came_between() {
        let limits = DoubtSettings { in_a_row_max: 100, per_minute_max: 5, ..DoubtSettings::default() };
        assert_eq!(WELL.after_doubt(4, &limits, now()).breaker, Breaker::Shut);
        assert_eq!(open_for_s(WELL.after_doubt(5, &limits, now())), Some(30));
    }

    #[test]
    fn a_doubt_on_probation_opens_it_for_longer_each_time() {
        let limits = DoubtSettings::default();
        let wait = |trips| {
            let trying = Health { breaker: Breaker::Probation, trips, ..WELL };
            open_for_s(trying.after_doubt(1, &limits, now()))
        };
        assert_eq!([1, 2, 5, 6, 62, 63, u32::MAX].map(wait), [60, 120, 960, 1_800, 1_800, 1_800, 1_800].map(Some));
    }

    #[test]
    fn stragglers_do_not_open_it_again() {
        let open = Health { breaker: Breaker::Open { until: now() }, trips: 1, doubts_in_a_row: 3 };
        let later = open.after_doubt(9, &DoubtSettings::default(), now());
        assert_eq!(later, Health { doubts_in_a_row: 4, ..open });
    }
}
