//! Telling: messages that are due go to the webhook, one after the other, until it has taken them.

use chrono::TimeDelta;
use serde_json::json;

use crate::alerts::Alerts;
use crate::domain::clock::Timestamp;
use crate::store::StoreError;
use crate::store::alerts::{self, Message};
use crate::webhooks::Webhook;

/// Messages told in one round.
const MESSAGES_MAX: usize = 20;
/// How long a claimed message is nobody else's; longer than any POST takes.
const CLAIM_S: i64 = 30;
/// After a failure the message waits so long, twice as long after the next, and so on.
const RETRY_FIRST_S: i64 = 5;
/// The longest such wait. A message is tried for as long as its alert is open, and [`OLD_AFTER_H`]
/// longer.
const RETRY_MAX_S: i64 = 900;
/// What is over for longer is no news: nobody is told of it any more.
const OLD_AFTER_H: i64 = 72;

impl Alerts {
    /// Tells what is due. A message that is not taken ends the round: the others would fare no
    /// better. How many were taken.
    pub async fn tell(&self) -> Result<usize, StoreError> {
        let heard = self.heard.load_full();
        let Some(webhook) = &heard.webhook else {
            return Ok(0);
        };

        for told in 0..MESSAGES_MAX {
            let now = self.clock.now();
            let (until, over_min) = (
                now + TimeDelta::seconds(CLAIM_S),
                now - TimeDelta::hours(OLD_AFTER_H),
            );

            let Some(message) =
                alerts::claim_due_message(&self.store, until, over_min, now).await?
            else {
                return Ok(told);
            };

            if !self.tell_one(webhook, &message).await? {
                return Ok(told);
            }
        }

        Ok(MESSAGES_MAX)
    }

    async fn tell_one(&self, webhook: &Webhook, message: &Message) -> Result<bool, StoreError> {
        let posted = webhook
            .post(&id(message), body(message), self.clock.now())
            .await;

        let now = self.clock.now();
        let noted = match &posted {
            Ok(()) => alerts::message_taken(&self.store, message, now).await?,
            Err(failure) => {
                let Message {
                    kind,
                    object,
                    attempt,
                    ..
                } = message;

                let wait_s = wait_s(*attempt);
                tracing::warn!(kind = kind.as_str(), object, attempt, wait_s, %failure,
                    "the alert webhook took no message");

                alerts::put_off(&self.store, message, now + TimeDelta::seconds(wait_s)).await?
            }
        };

        if !noted {
            tracing::debug!(alert = %message.alert, "a message was told by two processes");
        }

        Ok(posted.is_ok())
    }
}

/// The same for every try, so that a receiver knows a message that it has heard.
pub(super) fn id(message: &Message) -> String {
    let turn = if message.over_at.is_some() {
        "over"
    } else {
        "raised"
    };

    format!("alert_{}_{turn}", message.alert)
}

pub(super) fn body(message: &Message) -> String {
    let Message {
        alert,
        kind,
        object,
        words,
        count,
        since,
        over_at,
        attempt: _,
    } = message;

    let document = json!({
        "type": if over_at.is_some() { "alert.over" } else { "alert.raised" },
        "id": alert,
        "kind": kind.as_str(),
        "object": object,
        "count": count,
        "since": moment(*since),
        "words": words,
        "timestamp": moment(over_at.unwrap_or(*since)),
    });

    document.to_string()
}

fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn wait_s(attempt: i32) -> i64 {
    let doublings = u32::try_from(attempt - 1)
        .unwrap_or(0)
        .min(RETRY_MAX_S.ilog2());
    (RETRY_FIRST_S << doublings).min(RETRY_MAX_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = [1, 2, 3, 8, 9, 10, 1_000, i32::MAX]
            .into_iter()
            .map(wait_s)
            .collect();
        assert_eq!(waits, [5, 10, 20, 640, 900, 900, 900, 900]);
    }
}
