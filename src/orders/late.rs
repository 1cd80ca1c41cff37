//! What a panel says late: that it took what was found not placed, or has under another id.
//!
//! As long as the order waits to be sent elsewhere, nothing is bought twice: it is not sent, and
//! stays where it is. What was sent elsewhere since, or given back, a person decides, who is told
//! of both.

use crate::domain::clock::Timestamp;
use crate::domain::id::PanelOrder;
use crate::domain::leg::{Evidence, LegState, Verdict};
use crate::ledger;
use crate::orders::Delivery;
use crate::store::legs::{LockedLeg, Transition};
use crate::store::orders::TWICE;
use crate::store::panel_orders::{self, Witness};
use crate::store::{StoreError, Tx, late, legs, orders};

impl Delivery {
    /// An answer for a leg that moved on. Only an id is news: nobody may say that it was not heard.
    pub(super) async fn hear_late(
        &self,
        mut tx: Tx,
        leg: &LockedLeg,
        said: &Evidence,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Verdict::Accepted(id) = &said.verdict else {
            return Ok(());
        };

        let is_known = [&leg.panel_order, &leg.late_order]
            .into_iter()
            .flatten()
            .any(|known| known == id);

        if is_known {
            return Ok(());
        }

        match leg.state {
            LegState::Accepted | LegState::Ended => {
                late::record(&mut tx, leg, said, now).await?;
                has_it_twice(&mut tx, leg, id, now).await?;
            }
            LegState::Refused => {
                late::record(&mut tx, leg, said, now).await?;
                self.taken_after_all(&mut tx, leg, id, now).await?;
            }
            // What waits here after a refusal is not asked for again.
            LegState::Ready | LegState::Parked => {
                if self
                    .take_over(&mut tx, leg, id, Witness::Panel, now, now)
                    .await?
                {
                    late::record(&mut tx, leg, said, now).await?;
                } else {
                    is_anothers(&mut tx, leg, id).await?;
                }
            }
            LegState::Leased
            | LegState::Sending
            | LegState::InDoubt
            | LegState::Canceled
            | LegState::WrittenOff => {
                tracing::error!(order = %leg.order, leg = %leg.id, state = leg.state.as_str(),
                    panel_order = %id, "a panel took what nobody sent it");
                return Ok(());
            }
        }

        Ok(tx.commit().await?)
    }

    /// A panel took what was found not placed. What still waits to be sent elsewhere is the panel's
    /// again.
    async fn taken_after_all(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        id: &PanelOrder,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (panel, order) = (&leg.route.provider, leg.order);
        let later = late::lock_later(tx, leg).await?;
        let is_over = orders::lock_order(tx, order).await?.state.is_end();
        let last = later.last().filter(|_| !is_over);
        let waits = last.is_some_and(|last| {
            matches!(
                last.state,
                LegState::Ready | LegState::Leased | LegState::Parked
            )
        });

        if waits && self.reinstate(tx, leg, &later, id, now).await? {
            tracing::warn!(%order, leg = %leg.id, provider = %panel, panel_order = %id,
                "the panel took an order that was found not placed; it is sent nowhere else");
            return Ok(());
        }

        if is_anothers(tx, leg, id).await? {
            return Ok(());
        }

        late::keep(tx, leg.id, id, now).await?;
        tracing::error!(%order, leg = %leg.id, provider = %panel, panel_order = %id,
            "the panel took an order that was found not placed; cancel it there");

        if let Some(last) = last {
            let there = last
                .panel_order
                .as_ref()
                .map(|id| format!(", which has it as {id}"))
                .unwrap_or_default();

            let why = format!(
                "{TWICE}{panel} took it after all, as {id}, and it was sent to {}{there}: cancel \
                 it at one of them",
                last.route.provider
            );

            orders::flag_for_review(tx, order, &why).await?;
        }

        Ok(())
    }

    /// A leg came to nothing, and an earlier one is known to be at its panel: the order stays
    /// there. `false`: none is.
    pub(super) async fn stays_where_it_was_taken(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(taken) = late::lock_taken(tx, leg).await? else {
            return Ok(false);
        };

        let Some(id) = taken.late_order.clone() else {
            return Ok(false);
        };

        if !self
            .take_over(tx, &taken, &id, Witness::Panel, now, now)
            .await?
        {
            return Ok(false);
        }

        ledger::release_exposure(tx, leg, now).await?;
        legs::move_leg(tx, leg, &Transition::Refused, why, now).await?;
        let later: Vec<_> = late::lock_later(tx, &taken).await?;
        late::put_last(tx, &taken, &later, why, now).await?;
        orders::answer(tx, leg.order).await?;
        tracing::warn!(order = %leg.order, leg = %taken.id, provider = %taken.route.provider,
            panel_order = %id, "an order stays at the panel that took it late");

        Ok(true)
    }

    /// The order is this leg's again, which its panel has under an id. `false`: another leg has the
    /// id.
    async fn reinstate(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        later: &[LockedLeg],
        id: &PanelOrder,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if !self
            .take_over(tx, leg, id, Witness::Panel, now, now)
            .await?
        {
            return Ok(false);
        }

        let why = format!("not sent: {} took the order after all", leg.route.provider);
        late::put_last(tx, leg, later, &why, now).await?;
        Ok(true)
    }
}

/// The panel has a leg under one id, and says another one too: one of them may be a slip of whoever
/// said it.
async fn has_it_twice(
    tx: &mut Tx,
    leg: &LockedLeg,
    id: &PanelOrder,
    now: Timestamp,
) -> Result<(), StoreError> {
    if is_anothers(tx, leg, id).await? {
        return Ok(());
    }

    let (panel, order) = (&leg.route.provider, leg.order);
    let first = leg.panel_order.as_ref().map_or("another id", |id| &id.0);
    late::keep(tx, leg.id, id, now).await?;

    let why = format!(
        "{TWICE}{panel} took it as {id}, and it is followed there as {first}: look at both. \
         Cancel one of them there; where {first} is not this order, follow the other by `order \
         resolve {order} accepted {id}`"
    );

    orders::flag_for_review(tx, order, &why).await?;
    tracing::error!(%order, leg = %leg.id, provider = %panel, first, second = %id,
        "the panel has the order under two ids; cancel one of them there");

    Ok(())
}

/// Whether an id is another order's of ours already, which a person is told: nothing follows from
/// it for this one.
async fn is_anothers(tx: &mut Tx, leg: &LockedLeg, id: &PanelOrder) -> Result<bool, StoreError> {
    let owner = panel_orders::find_owner(tx, &leg.route.provider, id).await?;
    let Some(owner) = owner.filter(|owner| *owner != leg.order) else {
        return Ok(false);
    };

    tracing::error!(order = %leg.order, leg = %leg.id, %owner, panel_order = %id,
        "a panel gave an id that another of our orders has");

    orders::flag_for_review(
        tx,
        leg.order,
        "the panel gave an id that another of our orders has",
    )
    .await?;

    Ok(true)
}
