//! Refills and cancels of a panel: what is asked for after an order was placed.

use crate::domain::clock::Deadline;
use crate::domain::id::{PanelOrder, PanelRefill};
use crate::routing::calls::{CallOutcome, CallPurpose as Purpose};
use crate::upstream::answer::{CancelRow, RefillAnswer, RefillRow};
use crate::upstream::classify::is_believed;
use crate::upstream::dialect::{Ask, ReadRefill};
use crate::upstream::failure::Failure;
use crate::upstream::limiter::Slot;
use crate::upstream::panel::{Call, Panel, Timed, retry_after};
use crate::upstream::wire::CallResult;

impl Panel {
    /// Asks for a refill: sent at most once, before the deadline or not at all.
    pub async fn refill(&self, slot: Slot, order: &PanelOrder, leave_by: Deadline) -> RefillAnswer {
        // An order may be older than the block that says how its panel is asked today.
        if !self.settings.dialect.has_refills() {
            return RefillAnswer::Refused(format!(
                "the dialect {} has no refills",
                self.settings.dialect.as_str()
            ));
        }

        let call = Call::of_change(Ask::Refill(order), self.settings.add_timeout(), leave_by);
        let Timed { heard, tried, .. } = self.call(&slot, call).await;

        // How long a refill takes tells nothing of how long an order takes.
        let fails = tried && matches!(heard, CallResult::NeverSent { .. });

        self.count(
            Purpose::Order,
            if fails {
                CallOutcome::Fails
            } else {
                CallOutcome::Nothing
            },
            false,
        );

        match heard {
            CallResult::Answer {
                status,
                body,
                headers,
            } => {
                let text = String::from_utf8_lossy(&body);

                // An error is read alike in the answer to whatever could not be placed.
                self.mind_pace(
                    status,
                    retry_after(&headers),
                    self.dialect.added(&text).refusal,
                );

                let words = self.redaction.words(&text);
                match self.dialect.refill(&text, order) {
                    ReadRefill::Taken(id) if is_believed(status) || id.is_some() => {
                        RefillAnswer::Taken(id, words)
                    }
                    ReadRefill::Refused(text) if is_believed(status) => {
                        RefillAnswer::Refused(self.redaction.words(&text))
                    }
                    ReadRefill::Taken(_) | ReadRefill::Refused(_) | ReadRefill::Unclear => {
                        RefillAnswer::Unclear(words)
                    }
                }
            }
            CallResult::NeverSent { words } => {
                RefillAnswer::NeverSent(self.redaction.words(&words))
            }
            CallResult::Lost { part, words, .. } => {
                RefillAnswer::Unclear(self.lost_words(&words, &part))
            }
        }
    }

    /// Asks where refills stand; each gets a row, in the order of asking.
    pub async fn refill_status(
        &self,
        refills: &[PanelRefill],
    ) -> Result<Vec<(PanelRefill, RefillRow)>, Failure> {
        let timeout = self.settings.status_timeout();
        let said = self
            .question(Call::of_rows(Ask::RefillStatus(refills), timeout))
            .await?;

        let rows = self.answer(&said, self.dialect.refill_rows(&said.text, refills))?;
        let redacted = |row| match row {
            RefillRow::Said(state, text) => RefillRow::Said(state, self.redaction.words(&text)),
            RefillRow::Unclear(text) => RefillRow::Unclear(self.redaction.words(&text)),
        };

        Ok(rows
            .into_iter()
            .map(|(id, row)| (id, redacted(row)))
            .collect())
    }

    /// Asks for cancels; each gets a row, in the order of asking. Asking twice is as good as once;
    /// what does not leave before the deadline is not asked at all.
    pub async fn cancel(
        &self,
        orders: &[PanelOrder],
        leave_by: Deadline,
    ) -> Result<Vec<(PanelOrder, CancelRow)>, Failure> {
        let call = Call::of_rows(Ask::Cancel(orders), self.settings.status_timeout());
        let said = self
            .question(Call {
                leave_by: Some(leave_by),
                ..call
            })
            .await?;

        let rows = self.answer(&said, self.dialect.cancel_rows(&said.text, orders))?;
        let redacted = |row| match row {
            CancelRow::Taken | CancelRow::TakenTogether => row,
            CancelRow::Refused(text) => CancelRow::Refused(self.redaction.words(&text)),
            CancelRow::Unclear(text) => CancelRow::Unclear(self.redaction.words(&text)),
        };

        Ok(rows
            .into_iter()
            .map(|(id, row)| (id, redacted(row)))
            .collect())
    }
}
