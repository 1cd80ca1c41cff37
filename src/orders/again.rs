//! Asking again: a panel that knows adds by their names answers a name that it knows with the order
//! that it has, so the question that left a doubt also ends it.
//!
//! The intent is committed first, as for any sending: meanwhile nobody else can decide the doubt,
//! and a process that dies leaves a doubt again. It is asked for again only where the first asking
//! is known to have had its name, and is over.

use chrono::TimeDelta;

use crate::domain::doubt::{DoubtCheck, DoubtVerdict, Retold, Sought};
use crate::domain::leg::{Evidence, LeasedLeg, LegState};
use crate::domain::proof::ProofOutcome;
use crate::domain::provider::{PanelDialect, ProviderSettings};
use crate::orders::conclude::Speaker;
use crate::orders::health::mind_verdict;
use crate::orders::submit::Conclusions;
use crate::orders::{Delivery, submit, track};
use crate::store::panel_orders::Witness;
use crate::store::{StoreError, doubts, legs, orders, proofs};
use crate::upstream::Panel;

/// For so long after the first asking it is repeated: names that were forgotten would buy anew.
const REPEATED_FOR: TimeDelta = TimeDelta::minutes(30);

/// What became of asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Nothing was asked.
    NotAsked,
    /// It was, and told nothing.
    Asked,
    /// The doubt is over.
    EndedTheDoubt,
}

/// What a person is told who must decide.
const OF_ANOTHER: &str = "the panel has something else under this order's request_id";

impl Delivery {
    /// Asks for an order in doubt again, where that can place nothing twice.
    pub(super) async fn ask_again(
        &self,
        panel: &Panel,
        sought: &Sought,
        epoch: i64,
    ) -> Result<Repeat, StoreError> {
        // Whoever asked first may still be waiting for the answer.
        if sought.sent_at >= submit::overdue_since(panel.settings(), self.clock.now()) {
            return Ok(Repeat::NotAsked);
        }

        if !self.honours_request_id(panel).await? {
            return Ok(Repeat::NotAsked);
        }

        let leg = doubts::as_sent(&self.store, sought.leg).await?;
        let Some(request_id) = panel.request_id(&leg) else {
            return Ok(Repeat::NotAsked);
        };

        let _sending = panel.sending().await;
        let slot = panel.slot().await;
        if Self::is_left_alone(panel) {
            return Ok(Repeat::NotAsked);
        }

        // A name is remembered for some time, and nobody knows for how long.
        let sent_min = self.clock.now() - REPEATED_FOR;
        let Some(leave_by) = self.leave_by(&panel.settings().id, epoch) else {
            return Ok(Repeat::NotAsked);
        };

        if !doubts::mark_again(
            &self.store,
            &leg,
            &request_id,
            epoch,
            sent_min,
            self.clock.now(),
        )
        .await?
        {
            return Ok(Repeat::NotAsked);
        }

        let (said, retold) = panel.add_again(slot, &leg, leave_by).await;
        tracing::info!(order = %leg.order, provider = %leg.route.provider, ?retold,
            "a doubt was asked for again");

        let mut conclusions = Conclusions::default();
        loop {
            match self
                .conclude_again(panel.settings(), &leg, &said, &retold)
                .await
            {
                Err(error) if conclusions.may_be_tried_again(&error).await => {}
                Err(error) => {
                    submit::tell_unwritten(&leg, &said.verdict, &error);
                    return Err(error);
                }

                Ok(true) => return Ok(Repeat::EndedTheDoubt),
                Ok(false) => return Ok(Repeat::Asked),
            }
        }
    }

    /// Whether the panel is known to answer a name that it was told before with the order that it
    /// has: by the operator's word, or by a proof of this very account. A proof of the contrary
    /// is believed over the operator.
    async fn honours_request_id(&self, panel: &Panel) -> Result<bool, StoreError> {
        let settings = panel.settings();
        if settings.dialect != PanelDialect::Notpanel {
            return Ok(false);
        }

        let proof = proofs::last_of(&self.store, &settings.id, &panel.account()).await?;
        Ok(match proof {
            Some(ProofOutcome::Honoured) => true,
            Some(ProofOutcome::NotHonoured) => false,
            Some(ProofOutcome::Lost | ProofOutcome::Refused) | None => {
                settings.doubts.honours_request_id
            }
        })
    }

    /// Writes down what the panel told of the first asking, and draws the conclusion. Whether the
    /// doubt is over.
    async fn conclude_again(
        &self,
        settings: &ProviderSettings,
        asked: &LeasedLeg,
        said: &Evidence,
        retold: &Retold,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let leg = legs::lock_leg(&mut tx, asked.leg).await?;

        if leg.state != LegState::Sending || leg.attempt != asked.attempt {
            tx.rollback().await?;
            let panel_order = said.verdict.panel_order();
            tracing::warn!(leg = %leg.id, verdict = said.verdict.as_str(), panel_order,
                "an answer came for a leg that moved on");

            // An id is evidence, however late; what else is said of a name tells nothing.
            if let Retold::Placed(_) = retold {
                self.write_down(settings, leg.id, asked.attempt, said, Speaker::Panel)
                    .await?;
            }

            return Ok(true);
        }

        let verdict = match retold {
            Retold::Placed(id) => {
                legs::record_answer(&mut tx, leg.id, leg.attempt, said, now).await?;
                let first_ask = track::next_ask(settings, now, now);
                if self
                    .take_over(&mut tx, &leg, id, Witness::Panel, first_ask, now)
                    .await?
                {
                    mind_verdict(&mut tx, settings, leg.order, &said.verdict, now).await?;
                    DoubtVerdict::Placed
                } else {
                    doubts::stay_in_doubt(&mut tx, &leg).await?;
                    orders::flag_for_review(
                        &mut tx,
                        leg.order,
                        "the panel gave an id that another of our orders has",
                    )
                    .await?;

                    DoubtVerdict::Unknown
                }
            }
            Retold::OfAnother => {
                doubts::stay_in_doubt(&mut tx, &leg).await?;
                orders::flag_for_review(&mut tx, leg.order, OF_ANOTHER).await?;
                DoubtVerdict::Unknown
            }
            Retold::Nothing => {
                doubts::stay_in_doubt(&mut tx, &leg).await?;
                DoubtVerdict::Unknown
            }
        };

        doubts::record_check(
            &mut tx,
            leg.id,
            DoubtCheck::RequestId,
            verdict,
            &said.words,
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(verdict == DoubtVerdict::Placed)
    }
}
