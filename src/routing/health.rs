//! A panel's health: the breaker, which stops sending to a panel whose answers prove nothing, or
//! that cannot be reached, answers nothing usable, or answers too slowly.
//!
//! ```text
//!                too many doubts, refusals, errors or slow answers in a row
//!       ┌──────────────────────────────────────────────────────────────▶ open ◀─┐ (1)
//!       │                                                                │ │ └──┘
//!     closed ◀────────────────────────── (2) ────────────────────────────┘ │
//!       ▲                                                                  ▼ (3)
//!       └────────────── an answer that proves anything ──────────────── half-open ──▶ open (4)
//!
//!  opened by errors or slowness:   (1) a free call failed after the wait, or was slow where
//!                                      slowness opened it: it waits as long again
//!                                  (2) the wait is over, and two free calls in a row worked, fast
//!                                      where slowness opened it
//!  opened by doubts or refusals:   (3) the wait is over, and a free call worked
//!                                  (4) a doubt, errors or slowness
//! ```
//! Only orders are stopped: statuses, balances and catalogs are asked for all the time, and one
//! is asked for even if nothing is due. What doubts or refusals opened is closed by a proven answer
//! only: free calls tell nothing of how orders are answered.
//! What errors or slowness opened is closed by free calls, so that no customer's order is the test.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::provider::DoubtSettings;
use crate::routing::calls::Calls;

/// The first wait of an open breaker; each further opening doubles it.
const WAIT_S: i64 = 30;
/// The longest wait of an open breaker.
const WAIT_S_MAX: i64 = 1_800;
/// Closed by free calls for so long, the panel is well again, and the next wait is the first again.
/// Longer than the longest wait: who falls ill each time that it is let go does not begin anew.
const WELL_AFTER: TimeDelta = TimeDelta::hours(1);
/// Free calls in a row that shut what errors or slowness opened: one may have been luck.
pub const FREE_CALLS_MIN: u32 = 2;

/// What opened a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripCause {
    /// Answers to orders that prove nothing.
    Doubts,
    /// It could not be reached, or its answers to free calls were of no use.
    Errors,
    /// Its answers took too long.
    Slowness,
    /// It refused the orders of several customers for our key, or for how we ask.
    Refusals,
}

impl TripCause {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::Doubts, Self::Errors, Self::Slowness, Self::Refusals];

    /// The word that the database, commands and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Doubts => "doubts",
            Self::Errors => "errors",
            Self::Slowness => "slowness",
            Self::Refusals => "refusals",
        }
    }

    /// The cause of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// Whether orders go to a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// They go.
    Closed,
    /// They do not, and nothing shuts it before this moment.
    Open {
        /// The moment.
        until: Timestamp,
        /// What opened it.
        cause: TripCause,
    },
    /// One at a time, after doubts.
    HalfOpen,
}

/// What is remembered of a panel's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether orders go.
    pub breaker: Breaker,
    /// Since when it stands so; `None`: it was never open.
    pub since: Option<Timestamp>,
    /// Openings since it was well.
    pub trips: u32,
    /// Doubts since the last answer that proved anything.
    pub doubts_in_a_row: u32,
}

impl Health {
    /// After one more doubt, of so many within the last minute.
    #[must_use]
    pub fn after_doubt(self, last_minute: u32, limits: &DoubtSettings, now: Timestamp) -> Self {
        let counted = Self {
            doubts_in_a_row: self.doubts_in_a_row.saturating_add(1),
            ..self
        };

        let too_many =
            counted.doubts_in_a_row >= limits.in_a_row_max || last_minute >= limits.per_minute_max;

        match self.breaker {
            Breaker::Closed if too_many => counted.opened(TripCause::Doubts, now),
            Breaker::HalfOpen => counted.opened(TripCause::Doubts, now),
            // What was under way when it opened: it tells that free calls alone will not do.
            Breaker::Open { until, .. } if too_many => Self {
                breaker: Breaker::Open {
                    until,
                    cause: TripCause::Doubts,
                },
                ..counted
            },
            Breaker::Closed | Breaker::Open { .. } => counted,
        }
    }

    /// After refusals that concern several customers' orders alike, with no acceptance between: no
    /// further one is sent into the same.
    #[must_use]
    pub fn after_refusals(self, cause: TripCause, now: Timestamp) -> Self {
        match self.breaker {
            Breaker::Closed | Breaker::HalfOpen => self.opened(cause, now),
            Breaker::Open { .. } => self,
        }
    }

    /// After an answer to an order that proved something. What was under way when it opened does
    /// not shut it.
    #[must_use]
    pub fn after_proof(self, now: Timestamp) -> Self {
        let proven = Self {
            doubts_in_a_row: 0,
            ..self
        };

        match self.breaker {
            Breaker::Open { .. } | Breaker::Closed => proven,
            Breaker::HalfOpen => Self {
                breaker: Breaker::Closed,
                since: Some(now),
                trips: 0,
                ..proven
            },
        }
    }

    /// After looking at what the last calls were like, while orders go.
    #[must_use]
    pub fn after_calls(self, calls: &Calls, now: Timestamp) -> Self {
        match (self.breaker, calls.trouble()) {
            (Breaker::Open { .. }, _) | (_, None) => self,
            (Breaker::Closed, Some(cause)) => self.opened(cause, now),
            // What its doubts have stopped needs more than free calls.
            (Breaker::HalfOpen, Some(_)) => self.opened(TripCause::Doubts, now),
        }
    }

    /// After a free call, while it is open. One that was answered before the wait was over changes
    /// nothing.
    #[must_use]
    pub fn after_free_call(self, calls: &Calls, now: Timestamp) -> Self {
        let Breaker::Open { until, cause } = self.breaker else {
            return self;
        };

        if calls.last_free_at().is_none_or(|at| at < until) {
            return self;
        }

        let well = match cause {
            TripCause::Doubts | TripCause::Errors | TripCause::Refusals => calls.free_worked(),
            TripCause::Slowness => calls.free_fast(),
        };

        let moved = |breaker| Self {
            breaker,
            since: Some(now),
            ..self
        };

        match cause {
            _ if well == 0 => Self {
                breaker: Breaker::Open {
                    until: now + self.wait(),
                    cause,
                },
                ..self
            },
            TripCause::Doubts | TripCause::Refusals => moved(Breaker::HalfOpen),
            TripCause::Errors | TripCause::Slowness if well >= FREE_CALLS_MIN => {
                moved(Breaker::Closed)
            }
            TripCause::Errors | TripCause::Slowness => self,
        }
    }

    fn opened(self, cause: TripCause, now: Timestamp) -> Self {
        let well = self.breaker == Breaker::Closed
            && self.since.is_none_or(|since| now - since >= WELL_AFTER);

        let trips = if well {
            1
        } else {
            self.trips.saturating_add(1)
        };

        let opened = Self {
            trips,
            since: Some(now),
            ..self
        };

        Self {
            breaker: Breaker::Open {
                until: now + opened.wait(),
                cause,
            },
            ..opened
        }
    }

    /// How long an opening lasts at least, by how many there were.
    fn wait(&self) -> TimeDelta {
        let doubled = WAIT_S.checked_shl(self.trips.saturating_sub(1));
        TimeDelta::seconds(
            doubled
                .filter(|wait_s| (1..=WAIT_S_MAX).contains(wait_s))
                .unwrap_or(WAIT_S_MAX),
        )
    }
}

#[cfg(test)]
mod tests;
