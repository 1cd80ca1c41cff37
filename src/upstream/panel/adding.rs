//! Placing an order at a panel, and what its answer says of it.

use crate::domain::clock::Deadline;
use crate::domain::doubt::Retold;
use crate::domain::leg::{Evidence, LeasedLeg, Verdict};
use crate::domain::provider::RefusalClass;
use crate::routing::calls::{CallOutcome, CallPurpose as Purpose};
use crate::upstream::classify::{classify_add, classify_retold};
use crate::upstream::dialect::Ask;
use crate::upstream::echo::{cut_own_words, is_of_the_order};
use crate::upstream::limiter::Slot;
use crate::upstream::panel::{Call, Panel, Timed, retry_after};
use crate::upstream::unlisted::unlisted_text;
use crate::upstream::wire::CallResult;

impl Panel {
    /// Places an order: sent at most once, before the deadline or not at all, and every outcome is
    /// a verdict.
    pub async fn add(&self, slot: Slot, leg: &LeasedLeg, leave_by: Deadline) -> Evidence {
        self.added(&slot, leg, leave_by).await.0
    }

    /// Asks for one order twice at the same moment, which is why both leave in one slot. To be
    /// called only where it is to be found out what the panel makes of that.
    pub async fn add_at_once(
        &self,
        slot: Slot,
        leg: &LeasedLeg,
        leave_by: Deadline,
    ) -> [Evidence; 2] {
        let (one, other) = tokio::join!(
            self.added(&slot, leg, leave_by),
            self.added(&slot, leg, leave_by)
        );
        [one.0, other.0]
    }

    /// Asks for the same order again. To be called only with what was asked under a name that the
    /// panel knows again.
    pub async fn add_again(
        &self,
        slot: Slot,
        leg: &LeasedLeg,
        leave_by: Deadline,
    ) -> (Evidence, Retold) {
        let (said, of_another) = self.added(&slot, leg, leave_by).await;
        let retold = if of_another {
            Retold::OfAnother
        } else {
            classify_retold(&said.verdict)
        };

        (said, retold)
    }

    /// What came of an `add`, and whether the panel knows its name from another order.
    async fn added(&self, slot: &Slot, leg: &LeasedLeg, leave_by: Deadline) -> (Evidence, bool) {
        let call = Call::of_change(Ask::Add(leg), self.settings.add_timeout(), leave_by);
        let Timed { heard, slow, tried } = self.call(slot, call).await;
        let mut of_another = false;

        let evidence = match heard {
            CallResult::Answer {
                status,
                body,
                headers,
            } => {
                let text = String::from_utf8_lossy(&body);

                // What the order itself sent is the customer's word, and decides nothing.
                let said = self.redaction.without_key(&text);
                let said = cut_own_words(&said, leg, &self.dialect);
                let mut added = self.dialect.added(&said);
                added.failed |= added
                    .id
                    .as_ref()
                    .is_some_and(|id| is_of_the_order(&id.0, leg));

                self.mind_pace(status, retry_after(&headers), added.refusal);
                of_another = added.id.is_none() && self.dialect.is_of_another(&added);
                let verdict = classify_add(status, added);
                let unlisted =
                    unlisted_text(&verdict, status, &said).map(|text| self.redaction.words(&text));

                Evidence {
                    verdict,
                    http_status: Some(status),
                    words: self.redaction.words(&text),
                    unlisted,
                }
            }
            CallResult::NeverSent { words } => {
                Evidence::without_answer(Verdict::NeverSent, self.redaction.words(&words))
            }
            CallResult::Lost {
                status,
                part,
                words,
            } => {
                let words = self.lost_words(&words, &part);
                Evidence {
                    http_status: status,
                    ..Evidence::without_answer(Verdict::InDoubt, words)
                }
            }
        };

        let told = match evidence.verdict {
            Verdict::Refused(RefusalClass::RateLimit) | Verdict::InDoubt => CallOutcome::Nothing,
            Verdict::Accepted(_) => CallOutcome::Works,
            Verdict::Refused(_) => CallOutcome::Speaks,
            Verdict::NeverSent if tried => CallOutcome::Fails,
            Verdict::NeverSent => CallOutcome::Nothing,
        };

        self.count(Purpose::Order, told, slow);
        (evidence, of_another)
    }
}
