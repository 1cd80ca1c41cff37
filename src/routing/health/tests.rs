//! The breaker, step by step and over random histories.

use proptest::prelude::*;

use super::*;
use crate::routing::calls::{CallOutcome, CallPurpose};

const WELL: Health = Health {
    breaker: Breaker::Closed,
    since: None,
    trips: 0,
    doubts_in_a_row: 0,
};

fn now() -> Timestamp {
    Timestamp::from_timestamp(1_700_000_000, 0).unwrap()
}

fn open(cause: TripCause, trips: u32) -> Health {
    Health {
        breaker: Breaker::Open {
            until: now(),
            cause,
        },
        since: Some(now()),
        trips,
        ..WELL
    }
}

fn opened(health: Health) -> Option<(TripCause, i64)> {
    match health.breaker {
        Breaker::Open { until, cause } => Some((cause, (until - now()).num_seconds())),
        Breaker::Closed | Breaker::HalfOpen => None,
    }
}

/// So many free calls that went like this, the last of them now.
fn free(calls: &[(CallOutcome, bool)]) -> Calls {
    calls.iter().fold(Calls::default(), |so_far, (told, slow)| {
        so_far.and(CallPurpose::Question, *told, *slow, now())
    })
}

/// So many calls that made trouble.
fn trouble(told: CallOutcome, slow: bool) -> Calls {
    (0..5).fold(Calls::default(), |calls, n| {
        calls.and(
            CallPurpose::Order,
            told,
            slow,
            now() + TimeDelta::seconds(n * 10),
        )
    })
}

#[test]
fn doubts_in_a_row_open_it() {
    let limits = DoubtSettings {
        in_a_row_max: 3,
        per_minute_max: 100,
        ..DoubtSettings::default()
    };

    let two = WELL
        .after_doubt(1, &limits, now())
        .after_doubt(2, &limits, now());

    assert_eq!((two.breaker, two.doubts_in_a_row), (Breaker::Closed, 2));
    assert_eq!(
        opened(two.after_doubt(3, &limits, now())),
        Some((TripCause::Doubts, 30))
    );
}

#[test]
fn doubts_within_a_minute_open_it_though_others_came_between() {
    let limits = DoubtSettings {
        in_a_row_max: 100,
        per_minute_max: 5,
        ..DoubtSettings::default()
    };

    assert_eq!(WELL.after_doubt(4, &limits, now()).breaker, Breaker::Closed);
    assert_eq!(
        opened(WELL.after_doubt(5, &limits, now())),
        Some((TripCause::Doubts, 30))
    );
}

#[test]
fn a_doubt_on_probation_opens_it_for_longer_each_time() {
    let limits = DoubtSettings::default();
    let wait = |trips| {
        let trying = Health {
            breaker: Breaker::HalfOpen,
            trips,
            ..WELL
        };

        opened(trying.after_doubt(1, &limits, now()))
    };

    let waits =
        [60, 120, 960, 1_800, 1_800, 1_800, 1_800].map(|wait_s| Some((TripCause::Doubts, wait_s)));
    assert_eq!([1, 2, 5, 6, 62, 63, u32::MAX].map(wait), waits);
}

#[test]
fn stragglers_do_not_open_it_again_but_doubts_among_them_ask_for_a_proof() {
    let limits = DoubtSettings {
        in_a_row_max: 5,
        ..DoubtSettings::default()
    };

    let doubtful = Health {
        doubts_in_a_row: 3,
        ..open(TripCause::Doubts, 1)
    };

    assert_eq!(
        doubtful.after_doubt(1, &limits, now()),
        Health {
            doubts_in_a_row: 4,
            ..doubtful
        }
    );

    let dead = Health {
        doubts_in_a_row: 3,
        ..open(TripCause::Errors, 1)
    };

    assert_eq!(
        opened(dead.after_doubt(1, &limits, now())),
        Some((TripCause::Errors, 0))
    );

    let doubtful = Health {
        doubts_in_a_row: 4,
        ..dead
    }
    .after_doubt(1, &limits, now());

    assert_eq!(
        (opened(doubtful), doubtful.trips),
        (Some((TripCause::Doubts, 0)), 1)
    );

    assert_eq!(
        dead.after_proof(now()),
        open(TripCause::Errors, 1),
        "what was under way does not shut it"
    );
}

#[test]
fn refusals_of_many_open_it_and_only_a_proof_shuts_it() {
    let stopped = WELL.after_refusals(TripCause::Refusals, now());
    assert_eq!(opened(stopped), Some((TripCause::Refusals, 30)));

    assert_eq!(
        stopped.after_refusals(TripCause::Refusals, now()),
        stopped,
        "stragglers"
    );

    let trying =
        open(TripCause::Refusals, 1).after_free_call(&free(&[(CallOutcome::Works, false)]), now());
    assert_eq!(trying.breaker, Breaker::HalfOpen);
    assert_eq!(
        opened(trying.after_refusals(TripCause::Refusals, now())),
        Some((TripCause::Refusals, 60))
    );

    assert_eq!(trying.after_proof(now()).breaker, Breaker::Closed);
}

#[test]
fn errors_and_slowness_open_it_and_begin_anew_after_an_hour_of_health() {
    let (errors, slow) = (
        trouble(CallOutcome::Fails, false),
        trouble(CallOutcome::Works, true),
    );

    assert_eq!(
        opened(WELL.after_calls(&errors, now())),
        Some((TripCause::Errors, 30))
    );

    assert_eq!(
        opened(WELL.after_calls(&slow, now())),
        Some((TripCause::Slowness, 30))
    );

    assert_eq!(WELL.after_calls(&Calls::default(), now()), WELL);
    for cause in TripCause::ALL {
        assert_eq!(open(cause, 1).after_calls(&errors, now()), open(cause, 1));
    }

    let trying = Health {
        breaker: Breaker::HalfOpen,
        trips: 1,
        ..WELL
    };

    assert_eq!(
        opened(trying.after_calls(&errors, now())),
        Some((TripCause::Doubts, 60)),
        "only a proof shuts it"
    );

    for (shut_for_s, trips, wait_s) in [
        (1, 1, 60),
        (3_599, 5, 960),
        (3_599, 60, 1_800),
        (3_600, 60, 30),
    ] {
        let since = Some(now() - TimeDelta::seconds(shut_for_s));
        let again = Health {
            since,
            trips,
            ..WELL
        }
        .after_calls(&errors, now());
        assert_eq!(opened(again), Some((TripCause::Errors, wait_s)));
    }
}

#[test]
fn free_calls_after_the_wait_shut_what_errors_or_slowness_opened() {
    use CallOutcome::{Fails, Speaks, Works};
    let (fast, slow, gone, refused) = (
        (Works, false),
        (Works, true),
        (Fails, false),
        (Speaks, false),
    );

    let (shut, probation, waits) = (Some(Breaker::Closed), Some(Breaker::HalfOpen), Some(30));
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
        assert_eq!(
            opened(after),
            wait_s.map(|wait_s| (cause, wait_s)),
            "{cause:?} {calls:?}"
        );
        assert_eq!(
            breaker.unwrap_or(after.breaker),
            after.breaker,
            "{cause:?} {calls:?}"
        );
        assert_eq!(after.trips, 1, "{cause:?} {calls:?}");
        let early = Health {
            breaker: Breaker::Open {
                until: now() + TimeDelta::seconds(1),
                cause,
            },
            ..open(cause, 1)
        };
        assert_eq!(
            early.after_free_call(&free(&calls), now()),
            early,
            "before the wait is over"
        );
    }
}

#[test]
fn an_answer_that_proves_something_ends_probation_and_the_count_of_doubts() {
    let trying = Health {
        breaker: Breaker::HalfOpen,
        trips: 4,
        doubts_in_a_row: 3,
        since: None,
    };

    assert_eq!(
        trying.after_proof(now()),
        Health {
            since: Some(now()),
            ..WELL
        }
    );

    assert_eq!(
        Health {
            doubts_in_a_row: 2,
            trips: 1,
            ..WELL
        }
        .after_proof(now()),
        Health { trips: 1, ..WELL }
    );
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
        4 => (asked, told,
            any::<bool>()).prop_map(|(asked, told, slow)| Event::Call(asked, told, slow)),
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
            Event::Call(asked, told, slow) => {
                self.calls = self.calls.and(asked, told, slow, self.now);
            }
            Event::Passes(seconds) => self.now += TimeDelta::seconds(seconds),
        }

        self.health = match self.health.breaker {
            Breaker::Open { .. } => self.health.after_free_call(&self.calls, self.now),
            Breaker::Closed | Breaker::HalfOpen => self.health.after_calls(&self.calls, self.now),
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
                let proven = life.calls.free_worked() > 0
                    && life.calls.last_free_at() >= Some(until);
                let still = matches!(life.health.breaker, Breaker::Open { .. });
                prop_assert!(still || proven);
            }

            if let Breaker::Open { until, .. } = life.health.breaker {
                prop_assert!(
                    until - life.now <= TimeDelta::seconds(WAIT_S_MAX), "every wait is bounded"
                );
            }
        }

        // From now on everything works: the wait ends, two free calls are made, and an order that is let through.
        life.meet(Event::Passes(WAIT_S_MAX));

        for _ in 0..FREE_CALLS_MIN {
            life.meet(Event::Call(CallPurpose::Question, CallOutcome::Works, false));
        }

        if life.health.breaker == Breaker::HalfOpen {
            life.meet(Event::Call(CallPurpose::Order, CallOutcome::Works, false));
            life.meet(Event::Proof);
        }

        prop_assert_eq!(life.health.breaker, Breaker::Closed);
    }
}
