//! Asking again: a panel that knows adds by their names answers a name that it knows with the order that it has, so the
//! question that left a doubt also ends it.
//!
//! The intent is committed first, as for any sending: meanwhile nobody else can decide the doubt, and a process that dies
//! leaves a doubt again. It is asked for again only where the first asking is known to have had its name, and is over.

use crate::domain::doubt::{Retold, Rung, RungVerdict, Sought};
use crate::domain::leg::{Evidence, LeasedLeg, LegState};
use crate::domain::provider::ProviderSettings;
use crate::orders::health::mind;
use crate::orders::{Delivery, submit, track};
use crate::store::legs::Witness;
use crate::store::{StoreError, cancels, doubts, legs, orders};
use crate::upstream::Panel;

/// What a person is told who must decide.
const OF_ANOTHER: &str = "the panel has something else under this order's request_id";

impl Delivery {
    /// Asks for an order in doubt again, where that can place nothing twice. Whether the doubt is over.
    pub(super) async fn ask_again(&self, panel: &Panel, sought: &Sought, epoch: i64) -> Result<bool, StoreError> {
        // Whoever asked first may still be waiting for the answer.
        if sought.sent_at >= submit::overdue(panel.settings(), self.clock.now()) {
            return Ok(false);
        }
        let leg = doubts::as_sent(&self.store, sought.leg).await?;
        let Some(request_id) = panel.request_id(&leg) else { return Ok(false) };
        let slot = panel.slot().await;
        if Self::is_left_alone(panel) {
            return Ok(false);
        }
        let Some(leave_by) = self.leave_by(&panel.settings().id, epoch) else { return Ok(false) };
        if !doubts::mark_again(&self.store, &leg, &request_id, epoch, self.clock.now()).await? {
            return Ok(false);
        }
        let (said, retold) = panel.add_again(slot, &leg, leave_by).await;
        tracing::info!(order = %leg.order, provider = %leg.route.provider, ?retold, "a doubt was asked for again");
        self.conclude_again(panel.settings(), &leg, &said, &retold).await
    }

    /// Writes down what the panel told of the first asking, and draws the conclusion.
    async fn conclude_again(
        &self,
        settings: &ProviderSettings,
        asked: &LeasedLeg,
        said: &Evidence,
        retold: &Retold,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let leg = legs::lock(&mut tx, asked.leg).await?;
        if leg.state != LegState::Sending || leg.attempt != asked.attempt {
            tracing::warn!(leg = %leg.id, verdict = said.verdict.word(), "an answer came for a leg that moved on");
            return Ok(true);
        }
        let verdict = match retold {
            Retold::Placed(id) => {
                legs::record(&mut tx, leg.id, leg.attempt, said, now).await?;
                let first_ask = track::next_ask(settings, now, now);
                if self.take_over(&mut tx, &leg, (id, Witness::Panel), first_ask, now).await? {
                    RungVerdict::Placed
                } else {
                    doubts::still(&mut tx, &leg).await?;
                    orders::review(&mut tx, leg.order, "the panel gave an id that another of our orders has").await?;
                    RungVerdict::Unknown
                }
            }
            Retold::NotPlaced(class) => {
                legs::record(&mut tx, leg.id, leg.attempt, said, now).await?;
                if cancels::is_asked(&mut tx, leg.order).await? {
                    self.end_refused(&mut tx, &leg, "canceled by its customer; nothing was placed", now).await?;
                } else {
                    self.refused(&mut tx, settings, &leg, *class, now).await?;
                }
                RungVerdict::NotPlaced
            }
            Retold::OfAnother => {
                doubts::still(&mut tx, &leg).await?;
                orders::review(&mut tx, leg.order, OF_ANOTHER).await?;
                RungVerdict::Unknown
            }
            Retold::Nothing => {
                doubts::still(&mut tx, &leg).await?;
                RungVerdict::Unknown
            }
        };
        if verdict != RungVerdict::Unknown {
            mind(&mut tx, settings, &said.verdict, now).await?;
        }
        doubts::climbed(&mut tx, leg.id, Rung::RequestId, verdict, &said.words, now).await?;
        tx.commit().await?;
        Ok(verdict != RungVerdict::Unknown)
    }
}
