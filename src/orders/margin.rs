//! The margin guard: asked once more right before a leg is sent, because panels move their prices after we sold.
//!
//! A route may be used when it costs no more than was quoted, or still leaves the floor of the margin. Otherwise the leg
//! goes by another route that may; or it is held, shown `Pending`, until a price comes back or its customer cancels.

use chrono::TimeDelta;

use crate::domain::leg::LeasedLeg;
use crate::domain::money::Money;
use crate::domain::service::Route;
use crate::orders::{Delivery, reroute};
use crate::store::leases::{self, Held};
use crate::store::{StoreError, legs, providers};

/// How long a held leg waits before its price is looked at again.
const HELD_FOR: TimeDelta = TimeDelta::minutes(1);

/// What the guard says of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It may be sent; it is expected to cost this much now.
    Send(Money),
    /// It was taken elsewhere, or is held.
    Stop,
}

impl Delivery {
    /// Asks whether a leased leg may be sent at today's cost, and moves it where it may not.
    pub(super) async fn guard(&self, leg: &LeasedLeg, epoch: i64) -> Result<Word, StoreError> {
        let catalogue = self.catalog.now();
        let Some(cost) = reroute::cost_now(&catalogue, leg) else { return Ok(Word::Send(leg.cost)) };
        if cost <= leg.quoted_cost || leg.charge.keeps_margin(cost, catalogue.margin_floor) {
            return Ok(Word::Send(cost));
        }
        let now = self.clock.now();
        let tried = self.tried(leg).await?;
        let (from, charge) = (&leg.route.provider, leg.charge);
        let (held, words) = if let Some((route, its_cost)) = reroute::instead(&catalogue, leg, &tried) {
            let words = format!("{from} costs {cost} now; {} is tried", route.provider);
            (Held::Elsewhere { route, cost: its_cost }, words)
        } else {
            let words = format!("held: {from} costs {cost} now, and was sold for {charge}");
            (Held::Here { until: now + HELD_FOR }, words)
        };
        if leases::hold(&self.store, leg, epoch, &held, &words, now).await? {
            let saved = cost.minus(leg.quoted_cost).unwrap_or(Money::ZERO);
            providers::count_held(&self.store, from, saved).await?;
            tracing::warn!(order = %leg.order, provider = %from, %cost, %charge, "the margin guard: {words}");
        }
        Ok(Word::Stop)
    }

    /// The routes that the order was tried on, the present one included.
    pub(super) async fn tried(&self, leg: &LeasedLeg) -> Result<Vec<Route>, StoreError> {
        let mut tx = self.store.begin().await?;
        let tried = legs::tried(&mut tx, leg.order).await?;
        tx.rollback().await?;
        Ok(tried)
    }
}
