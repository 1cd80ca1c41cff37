//! Our balance at a panel, in the currency of the books.

use crate::upstream::answer::PanelBalance;
use crate::upstream::dialect::Ask;
use crate::upstream::failure::{Failure, FailureKind};
use crate::upstream::panel::{Call, Panel, SHORT_ANSWER_BYTES_MAX};
use crate::upstream::wire::CallResult;

impl Panel {
    /// Asks what is left of our money.
    pub async fn balance(&self) -> Result<PanelBalance, Failure> {
        let timeout = self.settings.status_timeout();
        let said = self
            .question(Call::new(Ask::Balance, timeout, SHORT_ANSWER_BYTES_MAX))
            .await?;

        let balance = self.answer(&said, self.dialect.balance(&said.text))?;
        self.in_books(balance)
    }

    /// Asks it though the panel wants to be left alone: once, because of an order that may be
    /// bought twice otherwise. What comes of it makes the panel neither healthier nor its rest
    /// longer or shorter.
    pub async fn balance_despite_rest(&self) -> Result<PanelBalance, Failure> {
        let slot = self.slot().await;
        let call = Call::new(
            Ask::Balance,
            self.settings.status_timeout(),
            SHORT_ANSWER_BYTES_MAX,
        );

        let failure = |kind, words: &str| Failure {
            kind,
            words: self.redaction.words(words),
        };

        match self.call(&slot, call).await.heard {
            CallResult::Answer { status, body, .. } => {
                let text = String::from_utf8_lossy(&body);
                let told = self
                    .dialect
                    .balance(&text)
                    .ok()
                    .filter(|_| (200..300).contains(&status));

                self.in_books(told.ok_or_else(|| failure(FailureKind::BadStatus(status), &text))?)
            }
            CallResult::NeverSent { words } => Err(failure(FailureKind::NeverSent, &words)),
            CallResult::Lost { words, .. } => Err(failure(FailureKind::Unanswered, &words)),
        }
    }

    /// What a panel says of our money, in the currency of our books too.
    fn in_books(&self, balance: PanelBalance) -> Result<PanelBalance, Failure> {
        let Some(exchange) = self.settings.exchange else {
            return Ok(balance);
        };

        match balance.amount.exchanged_rounding_down(exchange) {
            Ok(amount) => Ok(PanelBalance { amount, ..balance }),
            Err(_) => Err(Failure {
                kind: FailureKind::Unreadable,
                words: "a balance that the books cannot hold".into(),
            }),
        }
    }
}
