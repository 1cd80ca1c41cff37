//! A database that is away is told without it, by each process for itself: raised once, and over
//! once it is back. Every other alert needs the database to be known, and to be told once.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::alerts::{Alerts, tell};
use crate::domain::alert::AlertKind;
use crate::domain::clock::Timestamp;
use crate::store::alerts::Message;

const KIND: AlertKind = AlertKind::DatabaseAway;

/// Before a message is tried again that the webhook did not take.
const RETRY_WAIT: Duration = Duration::from_secs(5);

/// Messages that wait to be told: a beginning and its end. An absence that begins before both are
/// told is the same one to a person, and no alert of its own.
const MESSAGES_MAX: usize = 2;

/// What this process knows of its database's absence.
#[derive(Debug, Default)]
pub(super) struct Absence(Mutex<AwayState>);

#[derive(Debug, Default)]
struct AwayState {
    since: Option<Moment>,
    raised: Option<Message>,
    waiting: VecDeque<Message>,
    retry_at: Option<Instant>,
}

/// A moment, by the database's clock and by one that nobody sets.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Timestamp,
    instant: Instant,
}

impl Absence {
    fn state(&self) -> MutexGuard<'_, AwayState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AwayState {
    /// Takes note of how the database is; what turned goes to the log at once.
    fn see(&mut self, is_away: bool, node: &str, now: Moment) {
        if !is_away {
            self.since = None;
            let Some(raised) = self.raised.take() else {
                return;
            };

            tracing::info!(kind = KIND.as_str(), object = node, "an alert is over");
            self.waiting.push_back(Message {
                over_at: Some(now.at),
                ..raised
            });

            return;
        }

        let since = *self.since.get_or_insert(now);
        let is_told = self.raised.is_some() || !self.waiting.is_empty();
        if is_told || now.instant - since.instant < KIND.patience() {
            return;
        }

        let words = KIND.words(node);
        tracing::error!(kind = KIND.as_str(), object = node, "alert: {words}");

        let message = Message {
            alert: Uuid::now_v7(),
            kind: KIND,
            object: node.to_owned(),
            words,
            count: 1,
            since: since.at,
            over_at: None,
            attempt: 1,
        };

        self.raised = Some(message.clone());
        self.waiting.push_back(message);
        debug_assert!(self.waiting.len() <= MESSAGES_MAX);
    }

    /// The message whose time it is.
    fn due(&self, now: Instant) -> Option<Message> {
        let rests = self.retry_at.is_some_and(|at| now < at);
        self.waiting.front().filter(|_| !rests).cloned()
    }

    fn note(&mut self, taken: bool, now: Instant) {
        self.retry_at = (!taken).then(|| now + RETRY_WAIT);
        if taken {
            self.waiting.pop_front();
        }
    }
}

impl Alerts {
    /// Looks whether the database is there, and tells a person when it is away for long, and when
    /// it is back.
    pub async fn tell_of_database(&self) {
        let is_away = !self.store.answers();
        let now = Moment {
            at: self.clock.now(),
            instant: Instant::now(),
        };

        let due = {
            let mut state = self.absence.state();
            state.see(is_away, &self.node, now);
            state.due(now.instant)
        };

        let Some(message) = due else { return };

        let heard = self.heard.load_full();
        let Some(webhook) = &heard.webhook else {
            // The log was told.
            self.absence.state().note(true, now.instant);
            return;
        };

        let posted = webhook
            .post(&tell::id(&message), tell::body(&message), now.at)
            .await;

        if let Err(failure) = &posted {
            tracing::warn!(kind = KIND.as_str(), %failure, "the alert webhook took no message");
        }

        self.absence.state().note(posted.is_ok(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{Clock, SystemClock};

    const NODE: &str = "node:1";

    #[test]
    fn an_absence_is_told_once_after_some_time_and_once_when_it_is_over() {
        let mut state = AwayState::default();
        let began = Moment {
            at: SystemClock.now(),
            instant: Instant::now(),
        };

        let after = |span: Duration| Moment {
            instant: began.instant + span,
            ..began
        };

        let see = |state: &mut AwayState, is_away, now| state.see(is_away, NODE, now);

        see(&mut state, true, began);
        see(&mut state, false, began);
        let second = after(KIND.patience());
        see(&mut state, true, second);
        assert!(
            state.due(second.instant).is_none(),
            "a moment is no absence"
        );

        let third = after(KIND.patience() * 2);
        see(&mut state, true, third);
        see(&mut state, true, third);
        let raised = state.due(third.instant).unwrap();
        assert_eq!(
            (raised.over_at, &*raised.object, state.waiting.len()),
            (None, NODE, 1)
        );

        // What was not taken is told again, later; what comes meanwhile waits behind it.
        state.note(false, third.instant);
        assert!(state.due(third.instant).is_none());
        see(&mut state, false, third);
        see(&mut state, true, third);
        let fourth = after(KIND.patience() * 2 + RETRY_WAIT);
        see(&mut state, true, fourth);

        assert_eq!(state.due(fourth.instant).unwrap().over_at, None);
        assert_eq!(
            state.waiting.len(),
            2,
            "one that is not told of yet has no second beginning"
        );

        state.note(true, fourth.instant);
        let over = state.due(fourth.instant).unwrap();
        assert_eq!((over.over_at, over.alert), (Some(began.at), raised.alert));
        state.note(true, fourth.instant);

        see(&mut state, true, fourth);
        let again = state.due(fourth.instant).unwrap();
        assert!(
            again.over_at.is_none() && again.alert != raised.alert,
            "it is away all the same"
        );
    }
}
