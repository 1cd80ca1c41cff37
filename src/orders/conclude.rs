//! What follows from a panel's answer to an `add`: for the leg, for the order, and for the books,
//! in one commit.

use chrono::TimeDelta;

use crate::domain::choice::Passed;
use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, PanelOrder};
use crate::domain::leg::{Evidence, LegState, Verdict};
use crate::domain::money::Money;
use crate::domain::order::OrderState;
use crate::domain::provider::{ProviderSettings, RefusalClass};
use crate::domain::service::Route;
use crate::ledger;
use crate::orders::health::{mind_unknown_words, mind_verdict};
use crate::orders::refused_and_charged::{COMPARED, class_to_compare};
use crate::orders::reroute::{self, Leaving, RoutingContext, Sale};
use crate::orders::{Delivery, settle, track};
use crate::store::cancels::{self, AskedBy};
use crate::store::legs::{LockedLeg, Transition};
use crate::store::panel_orders::Witness;
use crate::store::{StoreError, Tx, legs, orders, parked, refused};

/// The longest wait before something that never left is tried again.
const UNSENT_WAIT_S_MAX: i64 = 60;
/// From so many unsent tries in a row, the next route is tried.
const UNSENT_BEFORE_REROUTE: i32 = 3;
/// What is said of a panel to which not a byte went.
const UNREACHABLE: &str = "could not be reached; nothing was sent";
/// What is said of what its customer wants back.
const WANTED_BACK: &str = "wanted back by its customer; nothing was placed";
/// How long a leg waits for another order on its link to end.
pub(super) const ACTIVE_WAIT_H_MAX: i64 = 24;

/// How long a leg waits at most until it is asked for again: each asking buys, should the panel's
/// word be wrong.
const AGAIN_PAUSE_MAX: TimeDelta = TimeDelta::minutes(30);

/// Whose evidence it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The panel's, or what became of the call.
    Panel,
    /// Nobody's: the process that asked ended.
    Nobody,
}

impl Delivery {
    /// Writes the answer down and draws the conclusion. An answer that comes late is still
    /// evidence: a leg in doubt takes it; one that stands elsewhere keeps its state.
    pub async fn conclude(
        &self,
        settings: &ProviderSettings,
        leg: LegId,
        attempt: i32,
        said: &Evidence,
    ) -> Result<(), StoreError> {
        self.write_down(settings, leg, attempt, said, Speaker::Panel)
            .await
    }

    /// The same for what the panel said, and for the silence of a sender of ours, which is no fault
    /// of the panel.
    pub(super) async fn write_down(
        &self,
        settings: &ProviderSettings,
        leg: LegId,
        attempt: i32,
        said: &Evidence,
        speaker: Speaker,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let leg = legs::lock_leg(&mut tx, leg).await?;
        let awaited = matches!(
            leg.state,
            LegState::Sending | LegState::InDoubt | LegState::WrittenOff
        );

        if !awaited || leg.attempt != attempt {
            let panel_order = said.verdict.panel_order();
            tracing::warn!(leg = %leg.id, attempt, verdict = said.verdict.as_str(), panel_order,
                "an answer came for a leg that moved on");

            return if leg.attempt == attempt {
                self.hear_late(tx, &leg, said, now).await
            } else {
                Ok(())
            };
        }

        let unknown_words = said.unlisted.clone().filter(|_| speaker == Speaker::Panel);
        if is_of_an_earlier_asking(&leg, &said.verdict, speaker) {
            tracing::warn!(leg = %leg.id, attempt, verdict = said.verdict.as_str(),
                "what came of a first asking tells nothing of the later ones");
            return Ok(());
        }

        let mut said = Evidence {
            verdict: verdict_in_doubt(&leg, &said.verdict),
            ..said.clone()
        };

        let mut why = "the answer does not tell whether it was placed";
        if speaks_of_this_order(&mut tx, settings, &leg, &said.verdict, now).await? {
            said.verdict = Verdict::InDoubt;
            why = "the panel has an order on this link, and no other one of ours is there";
        }

        // A refusal that may be of a second asking is believed once our balance shows nothing of
        // it.
        let heard = said.verdict.clone();
        let is_believed = settings.doubts.refusals_are_final || speaker != Speaker::Panel;
        let compared = class_to_compare(&heard).filter(|_| !is_believed);

        if compared.is_some() {
            said.verdict = Verdict::InDoubt;
        }

        legs::record_answer(&mut tx, leg.id, attempt, &said, now).await?;
        match &said.verdict {
            Verdict::Accepted(id) => self.accepted(&mut tx, settings, &leg, id, now).await?,
            Verdict::Refused(_) | Verdict::NeverSent if leg.state == LegState::WrittenOff => {
                never_placed(&mut tx, &leg, now).await?;
            }
            Verdict::NeverSent if self.is_wanted_back(&mut tx, &leg).await? => {
                self.end_refused(&mut tx, &leg, WANTED_BACK, now).await?;
            }
            Verdict::Refused(class) => {
                self.conclude_refusal(&mut tx, settings, &leg, *class, now)
                    .await?;
            }
            Verdict::NeverSent => self.never_sent(&mut tx, &leg, now).await?,
            Verdict::InDoubt => match compared {
                Some(class) => await_comparison(&mut tx, &leg, class, now).await?,
                None => put_in_doubt(&mut tx, &leg, why, now).await?,
            },
        }

        match unknown_words {
            Some(text) => mind_unknown_words(&mut tx, settings, &leg, &text, now).await?,
            None if speaker == Speaker::Panel => {
                mind_verdict(&mut tx, settings, leg.order, &heard, now).await?;
            }
            None => {}
        }

        tx.commit().await?;
        Ok(())
    }

    async fn accepted(
        &self,
        tx: &mut Tx,
        settings: &ProviderSettings,
        leg: &LockedLeg,
        panel_order: &PanelOrder,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let first_ask = track::next_ask(settings, now, now);
        if !self
            .take_over(tx, leg, panel_order, Witness::Panel, first_ask, now)
            .await?
        {
            tracing::error!(leg = %leg.id, provider = %settings.id,
                "a panel gave an id that another of our legs has");

            orders::flag_for_review(
                tx,
                leg.order,
                "the panel gave an id that another of our orders has",
            )
            .await?;

            put_in_doubt(
                tx,
                leg,
                "the panel gave an id that another of our orders has",
                now,
            )
            .await?;
        }

        Ok(())
    }

    /// The leg is the panel's under that id from now on: watched, and its cost booked. `false`:
    /// another leg has the id.
    pub(super) async fn take_over(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        panel_order: &PanelOrder,
        witness: Witness,
        first_ask: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if !legs::accept_leg(tx, leg, panel_order, witness, first_ask, now).await? {
            return Ok(false);
        }

        ledger::release_exposure(tx, leg, now).await?;
        ledger::book_cost(tx, leg, now).await?;

        if leg.state == LegState::WrittenOff {
            // The customer has the money already: what the panel has now is ours, and not wanted.
            cancels::request_cancel(tx, leg.order, AskedBy::House, now).await?;
        }

        orders::show_progress(tx, leg.order, OrderState::Processing, None, None).await?;
        Ok(true)
    }

    /// What follows from a refusal that is believed; of what its customer wants back, the end.
    pub(super) async fn conclude_refusal(
        &self,
        tx: &mut Tx,
        settings: &ProviderSettings,
        leg: &LockedLeg,
        class: RefusalClass,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.is_wanted_back(tx, leg).await? {
            return self.end_refused(tx, leg, WANTED_BACK, now).await;
        }
        self.refused(tx, settings, leg, class, now).await
    }

    /// A listed refusal proves that nothing was placed. Its class says whose fault it is, and so
    /// what follows.
    pub(super) async fn refused(
        &self,
        tx: &mut Tx,
        settings: &ProviderSettings,
        leg: &LockedLeg,
        class: RefusalClass,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let why = &format!("refused: {}", class.as_str());
        let again = now + TimeDelta::seconds(i64::from(settings.status_every_s));
        let waited_long = leg.parked.is_some_and(|(of, since)| {
            of == class && now - since >= TimeDelta::hours(ACTIVE_WAIT_H_MAX)
        });

        // As long again as it waited so far: about fifty askings in a day, and not fifteen hundred.
        let waited = leg
            .parked
            .filter(|(of, _)| *of == class)
            .map(|(_, since)| now - since);

        let later = again.max(now + waited.unwrap_or_default().min(AGAIN_PAUSE_MAX));
        match class {
            RefusalClass::Link | RefusalClass::Quantity | RefusalClass::Parameters => {
                self.end_refused(tx, leg, why, now).await
            }
            // Our fault or the panel's, and never the order's: it is not ended for it.
            RefusalClass::Money
            | RefusalClass::Key
            | RefusalClass::RateLimit
            | RefusalClass::Action => {
                if self.by_next_route(tx, leg, why, now).await? {
                    return Ok(());
                }

                tracing::warn!(order = %leg.order, provider = %settings.id, class = class.as_str(),
                    "an order waits for its panel");

                // A key or an action is set right by a person, who waits for it.
                let is_by_hand = matches!(class, RefusalClass::Key | RefusalClass::Action);
                park_leg(tx, leg, class, if is_by_hand { again } else { later }, now).await
            }
            RefusalClass::Active if !waited_long => {
                if self.stays_where_it_was_taken(tx, leg, why, now).await? {
                    return Ok(());
                }
                park_leg(tx, leg, class, later, now).await
            }
            RefusalClass::Active | RefusalClass::Service => {
                if self.by_next_route(tx, leg, why, now).await? {
                    return Ok(());
                }
                self.end_refused(tx, leg, why, now).await
            }
        }
    }

    /// Ends the leg and goes on with the order's next route, if there is one that may be used, or
    /// where an earlier one is known to have it.
    pub(super) async fn by_next_route(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.stays_where_it_was_taken(tx, leg, why, now).await? {
            return Ok(true);
        }

        let mut tried = legs::tried_before(tx, leg.order, leg.n).await?;
        tried.push(Passed::because(&leg.route, format!("tried before: {why}")));
        let order = orders::lock_order(tx, leg.order).await?;
        let (catalog, panels) = (self.catalog.now(), self.catalog.panels());
        let context = RoutingContext {
            catalog: &catalog,
            panels: &panels,
        };

        let leaving = Leaving {
            from: &leg.route,
            why,
        };

        let Ok(chosen) = reroute::next_route(context, &Sale::from(&order), leaving, &tried) else {
            return Ok(false);
        };

        ledger::release_exposure(tx, leg, now).await?;
        legs::move_leg(tx, leg, &Transition::Refused, why, now).await?;

        legs::add_next_leg(
            tx,
            leg,
            &chosen,
            &format!("after {}: {why}", leg.route.provider),
            now,
        )
        .await?;

        Ok(true)
    }

    /// Nothing was placed and nobody else may deliver: the order ends, and the whole charge goes
    /// back. Unless an earlier panel is known to have it.
    pub(super) async fn end_refused(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.stays_where_it_was_taken(tx, leg, why, now).await? {
            return Ok(());
        }

        ledger::release_exposure(tx, leg, now).await?;
        legs::move_leg(tx, leg, &Transition::Refused, why, now).await?;
        let order = orders::lock_order(tx, leg.order).await?;
        settle::settle_refused(tx, &order, now).await
    }

    /// Not a byte left this machine: again in a while, from the third time in a row by the next
    /// route.
    async fn never_sent(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self
            .stays_where_it_was_taken(tx, leg, UNREACHABLE, now)
            .await?
        {
            return Ok(());
        }

        ledger::release_exposure(tx, leg, now).await?;
        let at = now + TimeDelta::seconds(unsent_wait_s(leg.unsent));
        let mut by = None;

        if leg.unsent + 1 >= UNSENT_BEFORE_REROUTE {
            let tried = legs::tried_before(tx, leg.order, leg.n).await?;
            let order = orders::lock_order(tx, leg.order).await?;
            let (catalog, panels) = (self.catalog.now(), self.catalog.panels());
            let context = RoutingContext {
                catalog: &catalog,
                panels: &panels,
            };

            by = reroute::route_beside(
                context,
                &Sale::from(&order),
                Leaving {
                    from: &leg.route,
                    why: UNREACHABLE,
                },
                &tried,
            );
        }

        let reason = never_sent_reason(&leg.route, by.as_ref().map(|chosen| &chosen.route));
        legs::move_leg(tx, leg, &Transition::Again { at, by }, &reason, now).await
    }
}

/// Whether what the panel said, or did not hear, of a first asking comes late, after the order was
/// asked for again: only an id tells of all of them.
fn is_of_an_earlier_asking(leg: &LockedLeg, verdict: &Verdict, speaker: Speaker) -> bool {
    let tells_of_all = matches!(verdict, Verdict::Accepted(_));
    leg.repeats > 0 && speaker == Speaker::Panel && !tells_of_all
}

/// After an answer that was lost, an order that is still running on the link may be this very one:
/// that proves nothing.
fn verdict_in_doubt(leg: &LockedLeg, verdict: &Verdict) -> Verdict {
    match verdict {
        Verdict::Refused(RefusalClass::Active)
            if matches!(leg.state, LegState::InDoubt | LegState::WrittenOff) =>
        {
            Verdict::InDoubt
        }
        Verdict::Refused(_) | Verdict::Accepted(_) | Verdict::NeverSent | Verdict::InDoubt => {
            verdict.clone()
        }
    }
}

/// Whether the order that a panel says it has on the link can be this one alone: in an account of
/// ours alone, where no other of ours is on the link. A proxy that asked twice gets such an answer
/// of its own first asking. Only where ids grow: there the doubt ends by itself.
async fn speaks_of_this_order(
    tx: &mut Tx,
    settings: &ProviderSettings,
    leg: &LockedLeg,
    verdict: &Verdict,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let is_about_the_link = *verdict == Verdict::Refused(RefusalClass::Active);
    if !is_about_the_link || !settings.doubts.account_is_ours_alone || !settings.doubts.ids_grow {
        return Ok(false);
    }
    Ok(!parked::another_is_on_its_link(tx, leg.id, now).await?)
}

fn never_sent_reason(from: &Route, to: Option<&Route>) -> String {
    match to {
        None => format!("{} {UNREACHABLE}", from.provider),
        Some(to) => format!("{} {UNREACHABLE}; {} is tried", from.provider, to.provider),
    }
}

async fn park_leg(
    tx: &mut Tx,
    leg: &LockedLeg,
    class: RefusalClass,
    again: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    ledger::release_exposure(tx, leg, now).await?;
    legs::move_leg(
        tx,
        leg,
        &Transition::Parked { at: again, class },
        &format!("waits: {}", class.as_str()),
        now,
    )
    .await
}

/// What was written off was never placed: its cost comes back, and the order is over already.
pub(super) async fn never_placed(
    tx: &mut Tx,
    leg: &LockedLeg,
    now: Timestamp,
) -> Result<(), StoreError> {
    ledger::correct_cost(tx, leg, Money::ZERO, now).await?;
    legs::move_leg(tx, leg, &Transition::Refused, "not placed after all", now).await
}

/// Refused, which our balance at the panel must bear out: until then it is in doubt, and its
/// customer sees no more of it than before. What was given up is the house's, whatever the panel
/// says.
async fn await_comparison(
    tx: &mut Tx,
    leg: &LockedLeg,
    class: RefusalClass,
    now: Timestamp,
) -> Result<(), StoreError> {
    if leg.state == LegState::WrittenOff {
        return Ok(());
    }
    doubt_leg(tx, leg, COMPARED, now).await?;
    refused::await_comparison(tx, leg.id, class, now).await
}

/// Nobody knows whether the panel has it: its cost is exposure, and its customer sees it as being
/// worked on.
pub(super) async fn put_in_doubt(
    tx: &mut Tx,
    leg: &LockedLeg,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    if matches!(leg.state, LegState::InDoubt | LegState::WrittenOff) {
        return Ok(());
    }
    doubt_leg(tx, leg, reason, now).await?;
    orders::show_progress(tx, leg.order, OrderState::Processing, None, None).await
}

pub(super) async fn doubt_leg(
    tx: &mut Tx,
    leg: &LockedLeg,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    if leg.state == LegState::InDoubt {
        return Ok(());
    }

    legs::move_leg(tx, leg, &Transition::InDoubt, reason, now).await?;

    // What was asked for again was exposed when its doubt began.
    if !leg.exposed.is_positive() {
        ledger::book_exposure(tx, leg, now).await?;
    }

    Ok(())
}

/// 1, 2, 4 … seconds.
fn unsent_wait_s(unsent: i32) -> i64 {
    2i64.saturating_pow(u32::try_from(unsent).unwrap_or(0))
        .min(UNSENT_WAIT_S_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let waits: Vec<i64> = [0, 1, 2, 5, 6, 63, 64, i32::MAX]
            .into_iter()
            .map(unsent_wait_s)
            .collect();
        assert_eq!(waits, [1, 2, 4, 32, 60, 60, 60, 60]);
    }
}
