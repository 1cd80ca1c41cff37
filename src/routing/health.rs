//! A panel's health: the breaker, which stops sending to a panel whose answers prove nothing, or that cannot be reached,
//! answers nothing usable, or answers too slowly.
//!
//! ```text
//!                 doubts, refusals, errors or slowness: too many in a row
//!        ┌──────────────────────────────────────────────────────────▶ open ◀──┐ a free call failed after the wait
//!        │                                                            │ │ └───┘ (or was slow, where slowness opened):
//!        │          opened by errors or slowness:                     │ │       it waits as long again
//!      shut ◀──── the wait is over, two free calls in a row worked ───┘ │
//!        ▲          (and were fast, where slowness opened)              │ opened by doubts or refusals: the wait is over,
//!        │                                                              ▼ a free call worked
//!        └────────── an answer that proves anything ─────────────── probation ───▶ open: a doubt, errors or slowness
//! ```
//! Only orders are stopped: statuses, balances and catalogues are asked for all the time, and one is asked for even if
//! nothing is due. What doubts or refusals opened is shut by a proven answer only: free calls tell nothing of how orders are
//! answered.
//! What errors or slowness opened is shut by free calls, so that no customer's order is the test.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::provider::DoubtSettings;
use crate::routing::calls::Calls;

/// The first wait of an open breaker; each further opening doubles it.
const WAIT_S: i64 = 30;
/// The longest wait of an open breaker.
const WAIT_S_MAX: i64 = 1_800;
/// Shut by free calls for so long, the panel is well again, and the next wait is the first again. Longer than the longest
/// wait: who falls ill each time that it is let go does not begin anew.
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
    Shut,
    /// They do not, and nothing shuts it before this moment.
    Open {
        /// The moment.
        until: Timestamp,
        /// What opened it.
        cause: TripCause,
    },
    /// One at a time, after doubts.
    Probation,
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
        let counted = Self { doubts_in_a_row: self.doubts_in_a_row.saturating_add(1), ..self };
        let too_many = counted.doubts_in_a_row >= limits.in_a_row_max || last_minute >= limits.per_minute_max;
        match self.breaker {
            Breaker::Shut if too_many => counted.opened(TripCause::Doubts, now),
            Breaker::Probation => counted.opened(TripCause::Doubts, now),
            // What was under way when it opened: it tells that free calls alone will not do.
            Breaker::Open { until, .. } if too_many => {
                Self { breaker: Breaker::Open { until, cause: TripCause::Doubts }, ..counted }
            }
            Breaker::Shut | Breaker::Open { .. } => counted,
        }
    }

    /// After refusals that concern several customers' orders alike, with no acceptance between: no further one is sent into
    /// the same.
    #[must_use]
    pub fn after_refusals(self, cause: TripCause, now: Timestamp) -> Self {
        match self.breaker {
            Breaker::Shut | Breaker::Probation => self.opened(cause, now),
            Breaker::Open { .. } => self,
        }
    }

    /// After an answer to an order that proved something. What was under way when it opened does not shut it.
    #[must_use]
    pub fn after_proof(self, now: Timestamp) -> Self {
        let proven = Self { doubts_in_a_row: 0, ..self };
        match self.breaker {
            Breaker::Open { .. } | Breaker::Shut => proven,
            Breaker::Probation => Self { breaker: Breaker::Shut, since: Some(now), trips: 0, ..proven },
        }
    }

    /// After looking at what the last calls were like, while orders go.
    #[must_use]
    pub fn after_calls(self, calls: &Calls, now: Timestamp) -> Self {
        match (self.breaker, calls.trouble()) {
            (Breaker::Open { .. }, _) | (_, None) => self,
            (Breaker::Shut, Some(cause)) => self.opened(cause, now),
            // What its doubts have stopped needs more than free calls.
            (Breaker::Probation, Some(_)) => self.opened(TripCause::Doubts, now),
        }
    }

    /// After a free call, while it is open. One that was answered before the wait was over changes nothing.
    #[must_use]
    pub fn after_free_call(self, calls: &Calls, now: Timestamp) -> Self {
        let Breaker::Open { until, cause } = self.breaker else { return self };
        if calls.last_free_at().is_none_or(|at| at < until) {
            return self;
        }
        let well = match cause {
            TripCause::Doubts | TripCause::Errors | TripCause::Refusals => calls.free_worked(),
            TripCause::Slowness => calls.free_fast(),
        };
        let moved = |breaker| Self { breaker, since: Some(now), ..self };
        match cause {
            _ if well == 0 => Self { breaker: Breaker::Open { until: now + self.wait(), cause }, ..self },
            TripCause::Doubts | TripCause::Refusals => moved(Breaker::Probation),
            TripCause::Errors | TripCause::Slowness if well >= FREE_CALLS_MIN => moved(Breaker::Shut),
            TripCause::Errors | TripCause::Slowness => self,
        }
    }

    fn opened(self, cause: TripCause, now: Timestamp) -> Self {
        let well = self.breaker == Breaker::Shut && self.since.is_none_or(|since| now - since >= WELL_AFTER);
        let trips = if well { 1 } else { self.trips.saturating_add(1) };
        let opened = Self { trips, since: Some(now), ..self };
        Self { breaker: Breaker::Open { until: now + opened.wait(), cause }, ..opened }
    }

    /// How long an opening lasts at least, by how many there were.
    fn wait(&self) -> TimeDelta {
        let doubled = WAIT_S.checked_shl(self.trips.saturating_sub(1));
        TimeDelta::seconds(doubled.filter(|wait_s| (1..=WAIT_S_MAX).contains(wait_s)).unwrap_or(WAIT_S_MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::routing::calls::{CallOutcome, CallPurpose};

    const WELL: Health = Health { breaker: Breaker::Shut, since: None, trips: 0, doubts_in_a_row: 0 };

    fn now() -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn open(cause: TripCause, trips: u32) -> Health {
        Health { breaker: Breaker::Open { until: now(), cause }, since: Some(now()), trips, ..WELL }
    }

    fn opened(health: Health) -> Option<(TripCause, i64)> {
        match health.breaker {
            Breaker::Open { until, cause } => Some((cause, (until - now()).num_seconds())),
            Breaker::Shut | Breaker::Probation => None,
        }
    }

    /// So many free calls that went like this, the last of them now.
    fn free(calls: &[(CallOutcome, bool)]) -> Calls {
        calls
            .iter()
            .fold(Calls::default(), |so_far, (told, slow)| so_far.and(CallPurpose::Question, *told, *slow, now()))
    }

    /// So many calls that made trouble.
    fn trouble(told: CallOutcome, slow: bool) -> Calls {
        (0..5).fold(Calls::default(), |calls, n| {
            calls.and(CallPurpose::Order, told, slow, now() + TimeDelta::seconds(n * 10))
        })
    }

    #[test]
    fn doubts_in_a_row_open_it() {
        let limits = DoubtSettings { in_a_row_max: 3, per_minute_max: 100, ..DoubtSettings::default() };
        let two = WELL.after_doubt(1, &limits, now()).after_doubt(2, &limits, now());
        assert_eq!((two.breaker, two.doubts_in_a_row), (Breaker::Shut, 2));
        assert_eq!(opened(two.after_doubt(3, &limits, now())), Some((TripCause::Doubts, 30)));
    }

    #[test]
    fn doubts_within_a_minute_open_it_though_others_came_between() {
        let limits = DoubtSettings { in_a_row_max: 100, per_minute_max: 5, ..DoubtSettings::default() };
        assert_eq!(WELL.after_doubt(4, &limits, now()).breaker, Breaker::Shut);
        assert_eq!(opened(WELL.after_doubt(5, &limits, now())), Some((TripCause::Doubts, 30)));
    }

    #[test]
    fn a_doubt_on_probation_opens_it_for_longer_each_time() {
        let limits = DoubtSettings::default();
        let wait = |trips| {
            let trying = Health { breaker: Breaker::Probation, trips, ..WELL };
            opened(trying.after_doubt(1, &limits, now()))
        };
        let waits = [60, 120, 960, 1_800, 1_800, 1_800, 1_800].map(|wait_s| Some((TripCause::Doubts, wait_s)));
        assert_eq!([1, 2, 5, 6, 62, 63, u32::MAX].map(wait), waits);
    }

    #[test]
    fn stragglers_do_not_open_it_again_but_doubts_among_them_ask_for_a_proof() {
        let limits = DoubtSettings { in_a_row_max: 5, ..DoubtSettings::default() };
        let doubtful = Health { doubts_in_a_row: 3, ..open(TripCause::Doubts, 1) };
        assert_eq!(doubtful.after_doubt(1, &limits, now()), Health { doubts_in_a_row: 4, ..doubtful });
        let dead = Health { doubts_in_a_row: 3, ..open(TripCause::Errors, 1) };
        assert_eq!(opened(dead.after_doubt(1, &limits, now())), Some((TripCause::Errors, 0)));
        let doubtful = Health { doubts_in_a_row: 4, ..dead }.after_doubt(1, &limits, now());
        assert_eq!((opened(doubtful), doubtful.trips), (Some((TripCause::Doubts, 0)), 1));
        assert_eq!(dead.after_proof(now()), open(TripCause::Errors, 1), "what was under way does not shut it");
    }

    #[test]
    fn refusals_of_many_open_it_and_only_a_proof_shuts_it() {
        let stopped = WELL.after_refusals(TripCause::Refusals, now());
        assert_eq!(opened(stopped), Some((TripCause::Refusals, 30)));
        assert_eq!(stopped.after_refusals(TripCause::Refusals, now()), stopped, "stragglers");
        let trying = open(TripCause::Refusals, 1).after_free_call(&free(&[(CallOutcome::Works, false)]), now());
        assert_eq!(trying.breaker, Breaker::Probation);
        assert_eq!(opened(trying.after_refusals(TripCause::Refusals, now())), Some((TripCause::Refusals, 60)));
        assert_eq!(trying.after_proof(now()).breaker, Breaker::Shut);
    }

    #[test]
    fn errors_and_slowness_open_it_and_begin_anew_after_an_hour_of_health() {
        let (errors, slow) = (trouble(CallOutcome::Fails, false), trouble(CallOutcome::Works, true));
        assert_eq!(opened(WELL.after_calls(&errors, now())), Some((TripCause::Errors, 30)));
        assert_eq!(opened(WELL.after_calls(&slow, now())), Some((TripCause::Slowness, 30)));
        assert_eq!(WELL.after_calls(&Calls::default(), now()), WELL);
        for cause in TripCause::ALL {
            assert_eq!(open(cause, 1).after_calls(&errors, now()), open(cause, 1));
        }
        let trying = Health { breaker: Breaker::Probation, trips: 1, ..WELL };
        assert_eq!(opened(trying.after_calls(&errors, now())), Some((TripCause::Doubts, 60)), "only a proof shuts it");
        for (shut_for_s, trips, wait_s) in [(1, 1, 60), (3_599, 5, 960), (3_599, 60, 1_800), (3_600, 60, 30)] {
            let since = Some(now() - TimeDelta::seconds(shut_for_s));
            let again = Health { since, trips, ..WELL }.after_calls(&errors, now());
            assert_eq!(opened(again), Some((TripCause::Errors, wait_s)));
        }
    }

    #[test]
    fn free_calls_after_the_wait_shut_what_errors_or_slowness_opened() {
        use CallOutcome::{Fails, Speaks, Works};
        let (fast, slow, gone, refused) = ((Works, false), (Works, true), (Fails, false), (Speaks, false));
        let (shut, probation, waits) = (Some(Breaker::Shut), Some(Breaker::Probation), Some(30));
        for (cause, calls, breaker, wait_s) in [
            (TripCause::Errors, vec![], None, Some(0)),
            (TripCause::Errors, vec![fast], None, Some(0)),
            (TripCause::Errors, vec![fast, fast], shut, None),
            (TripCause::Errors, vec![slow, slow], shut, None),
            (TripCause::Errors, vec![fast, gone, fast], None, Some(0)),
            (TripCause::Errors, vec![fast, fast, gone], None, waits),
            (TripCause::Errors, vec![fast, fast, refused], None, waits),
            (TripCause::Slowness, vec![fast], None, Some(0)),
            (TripCause::Slowness, vec![fast, fast], shut, None),
            (TripCause::Slowness, vec![fast, slow], None, waits),
            (TripCause::Slowness, vec![slow, fast], None, Some(0)),
            (TripCause::Doubts, vec![fast], probation, None),
            (TripCause::Doubts, vec![slow], probation, None),
            (TripCause::Doubts, vec![gone], None, waits),
        ] {
            let after = open(cause, 1).after_free_call(&free(&calls), now());
            assert_eq!(opened(after), wait_s.map(|wait_s| (cause, wait_s)), "{cause:?} {calls:?}");
            assert_eq!(breaker.unwrap_or(after.breaker), after.breaker, "{cause:?} {calls:?}");
            assert_eq!(after.trips, 1, "{cause:?} {calls:?}");
            let early =
                Health { breaker: Breaker::Open { until: now() + TimeDelta::seconds(1), cause }, ..open(cause, 1) };
            assert_eq!(early.after_free_call(&free(&calls), now()), early, "before the wait is over");
        }
    }

    #[test]
    fn an_answer_that_proves_something_ends_probation_and_the_count_of_doubts() {
        let trying = Health { breaker: Breaker::Probation, trips: 4, doubts_in_a_row: 3, since: None };
        assert_eq!(trying.after_proof(now()), Health { since: Some(now()), ..WELL });
        assert_eq!(Health { doubts_in_a_row: 2, trips: 1, ..WELL }.after_proof(now()), Health { trips: 1, ..WELL });
    }

    /// What may come over a panel.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Doubt,
        Proof,
        Call(CallPurpose, CallOutcome, bool),
        Passes(i64),
    }

    fn event() -> impl Strategy<Value = Event> {
        let asked = prop_oneof![Just(CallPurpose::Order), Just(CallPurpose::Question)];
        let told = prop_oneof![
            Just(CallOutcome::Works),
            Just(CallOutcome::Speaks),
            Just(CallOutcome::Fails),
            Just(CallOutcome::Nothing)
        ];
        prop_oneof![
            1 => Just(Event::Doubt),
            1 => Just(Event::Proof),
            4 => (asked, told, any::<bool>()).prop_map(|(asked, told, slow)| Event::Call(asked, told, slow)),
            2 => (0i64..3_000).prop_map(Event::Passes),
        ]
    }

    /// A panel and what is known of it.
    struct Life {
        health: Health,
        calls: Calls,
        now: Timestamp,
    }

    impl Life {
        /// As the house lives it: after each event its health is looked at.
        fn meet(&mut self, event: Event) {
            let limits = DoubtSettings::default();
            match event {
                Event::Doubt => self.health = self.health.after_doubt(1, &limits, self.now),
                Event::Proof => self.health = self.health.after_proof(self.now),
                Event::Call(asked, told, slow) => self.calls = self.calls.and(asked, told, slow, self.now),
                Event::Passes(seconds) => self.now += TimeDelta::seconds(seconds),
            }
            self.health = match self.health.breaker {
                Breaker::Open { .. } => self.health.after_free_call(&self.calls, self.now),
                Breaker::Shut | Breaker::Probation => self.health.after_calls(&self.calls, self.now),
            };
            if matches!(self.health.breaker, Breaker::Open { .. }) {
                self.calls = self.calls.forgiven();
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_came_over_it_a_panel_that_works_again_is_shut_soon(events in prop::collection::vec(event(), 0..200)) {
            let mut life = Life { health: WELL, calls: Calls::default(), now: now() };
            for event in events {
                let before = life.health;
                life.meet(event);
                // What is open ends by a free call only that worked after its time.
                if let Breaker::Open { until, .. } = before.breaker {
                    let proven = life.calls.free_worked() > 0 && life.calls.last_free_at() >= Some(until);
                    let still = matches!(life.health.breaker, Breaker::Open { .. });
                    prop_assert!(still || proven);
                }
                if let Breaker::Open { until, .. } = life.health.breaker {
                    prop_assert!(until - life.now <= TimeDelta::seconds(WAIT_S_MAX), "every wait is bounded");
                }
            }
            // From now on everything works: the wait ends, two free calls are made, and an order that is let through.
            life.meet(Event::Passes(WAIT_S_MAX));
            for _ in 0..FREE_CALLS_MIN {
                life.meet(Event::Call(CallPurpose::Question, CallOutcome::Works, false));
            }
            if life.health.breaker == Breaker::Probation {
                life.meet(Event::Call(CallPurpose::Order, CallOutcome::Works, false));
                life.meet(Event::Proof);
            }
            prop_assert_eq!(life.health.breaker, Breaker::Shut);
        }
    }
}
