//! Where orders stand, as a panel says.

use crate::domain::id::PanelOrder;
use crate::routing::calls::{CallOutcome, CallPurpose as Purpose};
use crate::upstream::answer::OrderAnswer;
use crate::upstream::classify::is_believed;
use crate::upstream::dialect::{AnswerFault, Ask, SpokenDialect};
use crate::upstream::failure::{Failure, FailureKind};
use crate::upstream::panel::{Call, Panel};

impl Panel {
    /// Asks where orders stand, at most `status_batch_max` of them; each gets a row, in the order
    /// of asking.
    pub async fn status(
        &self,
        orders: &[PanelOrder],
    ) -> Result<Vec<(PanelOrder, OrderAnswer)>, Failure> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }

        if u32::try_from(orders.len()).is_ok_and(|count| count <= self.settings.status_batch_max) {
            let timeout = self.settings.status_timeout();
            let said = self
                .question(Call::of_rows(Ask::Status(orders), timeout))
                .await?;

            return match (self.dialect.rows(&said.text, orders), orders) {
                (Err(AnswerFault::Declined(text)), [order]) if is_believed(said.status) => {
                    self.mind_pace(said.status, said.retry_after.as_deref(), None);
                    self.count(Purpose::Question, CallOutcome::Works, said.slow);
                    Ok(vec![(
                        order.clone(),
                        self.in_our_words(SpokenDialect::error_row(text)),
                    )])
                }
                (rows, _) => {
                    let rows = self.answer(&said, rows)?;
                    Ok(rows
                        .into_iter()
                        .map(|(order, row)| (order, self.in_our_words(row)))
                        .collect())
                }
            };
        }

        let words = format!("{} orders are more than `status_batch_max`", orders.len());
        Err(Failure {
            kind: FailureKind::NeverSent,
            words,
        })
    }

    /// A panel that quotes what it was asked may quote the key.
    fn in_our_words(&self, row: OrderAnswer) -> OrderAnswer {
        match row {
            OrderAnswer::UnknownStatus { text } => OrderAnswer::UnknownStatus {
                text: self.redaction.words(&text),
            },
            OrderAnswer::NotOurs { text } => OrderAnswer::NotOurs {
                text: self.redaction.words(&text),
            },
            OrderAnswer::Error { text } => OrderAnswer::Error {
                text: self.redaction.words(&text),
            },
            OrderAnswer::Said(_) | OrderAnswer::Missing => row,
        }
    }
}
