//! What a panel's latest calls were like, as far as they tell of its health: errors and slowness in
//! a row.
//!
//! Kept in memory by whoever calls the panel, which is one process at a time: answers of a working
//! panel cost no write, and who takes the panel over begins to count anew.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::routing::health::TripCause;

/// So many calls in a row that failed are too many: fewer are a moment's trouble, which trying
/// again gets over.
const ERRORS_IN_A_ROW_MAX: u32 = 5;
/// So many slow answers in a row are too many.
const SLOW_IN_A_ROW_MAX: u32 = 5;
/// A row lasts at least so long before it counts: eight calls that were in flight in one bad moment
/// are one bad moment.
const ROW_MIN: TimeDelta = TimeDelta::seconds(10);
/// What takes longer than this part of its timeout is slow: much slower, and its orders are in
/// doubt.
const SLOW_PART: u32 = 2;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPurpose {
    /// An order, or what else is asked once only.
    Order,
    /// A question, which places nothing.
    Question,
}

/// What a call tells of the panel's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It works.
    Works,
    /// It speaks, and refuses.
    Speaks,
    /// It could not be reached, or its answer to a question is of no use.
    Fails,
    /// Nothing that is counted here: a doubt has a count of its own, and too many requests are our
    /// fault.
    Nothing,
}

/// Whether an answer that came after `took` is slow.
pub fn is_slow(took: TimeDelta, timeout: Duration) -> bool {
    took.to_std().is_ok_and(|took| took > timeout / SLOW_PART)
}

/// Calls that went the same way, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct CallStreak {
    count: u32,
    /// The first and the last of them.
    span: Option<(Timestamp, Timestamp)>,
}

impl CallStreak {
    fn and(self, at: Timestamp) -> Self {
        let first = self.span.map_or(at, |(first, _)| first);
        Self {
            count: self.count.saturating_add(1),
            span: Some((first, at)),
        }
    }

    fn is_too_long(&self, count_max: u32) -> bool {
        self.count >= count_max
            && self
                .span
                .is_some_and(|(first, last)| last - first >= ROW_MIN)
    }
}

/// What the latest calls were like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    errors: CallStreak,
    slow_orders: CallStreak,
    slow_questions: CallStreak,
    free_worked: u32,
    free_fast: u32,
    last_free_at: Option<Timestamp>,
}

impl Calls {
    /// After one more call, which ended at this moment.
    #[must_use]
    pub fn and(self, asked: CallPurpose, told: CallOutcome, slow: bool, at: Timestamp) -> Self {
        let mut calls = self;
        match told {
            CallOutcome::Works | CallOutcome::Speaks => calls.errors = CallStreak::default(),
            CallOutcome::Fails => calls.errors = calls.errors.and(at),
            CallOutcome::Nothing => {}
        }

        let row = match asked {
            CallPurpose::Order => &mut calls.slow_orders,
            CallPurpose::Question => &mut calls.slow_questions,
        };

        match told {
            _ if slow => *row = row.and(at),
            CallOutcome::Works => *row = CallStreak::default(),
            // What was refused or failed quickly does not tell how long the work takes.
            CallOutcome::Speaks | CallOutcome::Fails | CallOutcome::Nothing => {}
        }

        match (asked, told) {
            (CallPurpose::Order, _) | (CallPurpose::Question, CallOutcome::Nothing) => calls,
            (CallPurpose::Question, CallOutcome::Works) => Self {
                free_worked: calls.free_worked.saturating_add(1),
                free_fast: if slow {
                    0
                } else {
                    calls.free_fast.saturating_add(1)
                },
                last_free_at: Some(at),
                ..calls
            },
            (CallPurpose::Question, CallOutcome::Speaks | CallOutcome::Fails) => Self {
                free_worked: 0,
                free_fast: 0,
                last_free_at: Some(at),
                ..calls
            },
        }
    }

    /// The same without what went wrong: who was stopped for it, or is let go by a person, begins
    /// anew.
    #[must_use]
    pub fn forgiven(self) -> Self {
        Self {
            errors: CallStreak::default(),
            slow_orders: CallStreak::default(),
            slow_questions: CallStreak::default(),
            ..self
        }
    }

    /// What went wrong too often in a row, if anything did.
    pub fn trouble(&self) -> Option<TripCause> {
        if self.errors.is_too_long(ERRORS_IN_A_ROW_MAX) {
            return Some(TripCause::Errors);
        }

        let slow = [self.slow_orders, self.slow_questions]
            .iter()
            .any(|row| row.is_too_long(SLOW_IN_A_ROW_MAX));
        slow.then_some(TripCause::Slowness)
    }

    /// Whether the last call that told anything failed.
    pub fn failing(&self) -> bool {
        self.errors.count > 0
    }

    /// Free calls in a row that worked, up to now.
    pub fn free_worked(&self) -> u32 {
        self.free_worked
    }

    /// Those of them, up to now, that were not slow either.
    pub fn free_fast(&self) -> u32 {
        self.free_fast
    }

    /// When the last free call ended that told anything.
    pub fn last_free_at(&self) -> Option<Timestamp> {
        self.last_free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    /// Calls that end every four seconds.
    fn after(calls: &[(CallPurpose, CallOutcome, bool)]) -> Calls {
        (0..)
            .step_by(4)
            .zip(calls)
            .fold(Calls::default(), |so_far, (second, (asked, told, slow))| {
                so_far.and(*asked, *told, *slow, at(second))
            })
    }

    #[test]
    fn rows_of_errors_and_of_slow_answers_are_trouble() {
        use CallOutcome::{Fails, Nothing, Speaks, Works};
        use CallPurpose::{Order, Question};
        let (dead, gone) = ((Order, Fails, false), (Question, Fails, false));
        let (slow, slow_add) = ((Question, Works, true), (Order, Works, true));

        for (calls, trouble) in [
            (vec![gone; 4], None),
            (vec![gone; 5], Some(TripCause::Errors)),
            (vec![dead, gone, dead, gone, dead], Some(TripCause::Errors)),
            (
                vec![gone, gone, gone, gone, (Question, Works, false), gone],
                None,
            ),
            (
                vec![gone, gone, gone, gone, (Order, Speaks, false), gone],
                None,
            ),
            (
                vec![gone, gone, gone, gone, (Order, Nothing, false), gone],
                Some(TripCause::Errors),
            ),
            (vec![slow; 4], None),
            (vec![slow; 5], Some(TripCause::Slowness)),
            (vec![slow_add; 5], Some(TripCause::Slowness)),
            // Doubts that took long are slow too.
            (vec![(Order, Nothing, true); 5], Some(TripCause::Slowness)),
            (vec![slow_add, slow, slow_add, slow, slow_add], None),
            (
                vec![slow, slow, slow, slow, (Question, Works, false), slow],
                None,
            ),
            (
                vec![slow, slow, slow, slow, (Question, Speaks, false), slow],
                Some(TripCause::Slowness),
            ),
            // Quick free calls do not tell how long orders take.
            (
                [[slow_add, (Question, Works, false)]; 5].concat(),
                Some(TripCause::Slowness),
            ),
            (vec![(Question, Fails, true); 5], Some(TripCause::Errors)),
        ] {
            assert_eq!(after(&calls).trouble(), trouble, "{calls:?}");
            assert_eq!(after(&calls).forgiven().trouble(), None);
        }
    }

    #[test]
    fn one_bad_moment_is_no_row() {
        let moment = |second| {
            (0..8).fold(Calls::default(), |calls, n| {
                calls.and(
                    CallPurpose::Order,
                    CallOutcome::Fails,
                    false,
                    at(if n == 7 { second } else { 0 }),
                )
            })
        };

        assert_eq!(
            (moment(9).trouble(), moment(10).trouble()),
            (None, Some(TripCause::Errors))
        );
    }

    #[test]
    fn free_calls_that_work_are_counted_until_one_does_not() {
        use CallOutcome::{Fails, Nothing, Speaks, Works};
        let count = |calls: &[(CallOutcome, bool)]| {
            let calls: Vec<_> = calls
                .iter()
                .map(|(told, slow)| (CallPurpose::Question, *told, *slow))
                .collect();

            let calls = after(&calls);
            (calls.free_worked(), calls.free_fast())
        };

        assert_eq!(count(&[(Works, false), (Works, false)]), (2, 2));
        assert_eq!(
            count(&[(Works, false), (Works, true), (Works, false)]),
            (3, 1)
        );

        assert_eq!(
            count(&[(Works, false), (Nothing, false), (Works, false)]),
            (2, 2)
        );

        assert_eq!(count(&[(Works, false), (Fails, false)]), (0, 0));
        assert_eq!(count(&[(Works, false), (Speaks, false)]), (0, 0));
        let order = Calls::default().and(CallPurpose::Order, Works, false, at(0));
        assert_eq!((order.free_worked(), order.last_free_at()), (0, None));
    }

    #[test]
    fn more_than_half_of_the_timeout_is_slow() {
        let slow = |ms| is_slow(TimeDelta::milliseconds(ms), Duration::from_secs(30));
        assert_eq!(
            [-1, 0, 15_000, 15_001].map(slow),
            [false, false, false, true]
        );
    }
}
