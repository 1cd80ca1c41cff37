//! The margin guard: asked once more right before a leg is sent, because panels move their prices
//! after we sold.
//!
//! A route may be used when it costs no more than was quoted, or still leaves the floor of the
//! margin. Otherwise the leg goes by another route that may; or it is held, shown `Pending`, until
//! a price comes back or its customer cancels.

use chrono::TimeDelta;

use crate::domain::choice::Passed;
use crate::domain::id::OrderId;
use crate::domain::leg::LeasedLeg;
use crate::domain::money::{ExchangeRate, Money};
use crate::domain::provider::ProviderSettings;
use crate::orders::Delivery;
use crate::orders::leave::ROUTE_GONE;
use crate::orders::reroute::{self, Leaving, RoutingContext, Sale};
use crate::routing::standing::Worst;
use crate::store::leases::{self, MarginHold};
use crate::store::{StoreError, legs, providers};

/// How long a held leg waits before its price is looked at again.
const HELD_FOR: TimeDelta = TimeDelta::minutes(1);

/// What the guard says of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It may be sent; it is expected to cost this much now, by this exchange of the panel's
    /// currency.
    Send(Money, Option<ExchangeRate>),
    /// It was taken elsewhere, or is held.
    Stop,
}

impl Delivery {
    /// Asks whether a leased leg may be sent at today's cost, and moves it where it may not.
    pub(super) async fn guard(
        &self,
        settings: &ProviderSettings,
        leg: &LeasedLeg,
        epoch: i64,
    ) -> Result<Word, StoreError> {
        let catalog = self.catalog.now();
        let exchange = catalog.exchanges.of_panel(settings);

        if self.left_lost_route(leg, epoch).await? {
            return Ok(Word::Stop);
        }

        let Some(cost) = reroute::cost_now(&catalog, leg) else {
            return Ok(Word::Send(leg.cost, exchange));
        };

        if cost <= leg.quoted_cost || leg.charge.keeps_margin(cost, catalog.margin_floor) {
            return Ok(Word::Send(cost, exchange));
        }

        let now = self.clock.now();
        let tried = self.tried_before(leg.order, leg.n).await?;
        let panels = self.catalog.panels();

        let (context, sale) = (
            RoutingContext {
                catalog: &catalog,
                panels: &panels,
            },
            Sale::from(leg),
        );

        let leaving = Leaving {
            from: &leg.route,
            why: &format!("costs {cost} now"),
        };

        let (from, charge) = (&leg.route.provider, leg.charge);
        let (held, words) = match reroute::next_route(context, &sale, leaving, &tried) {
            Ok(chosen) => {
                let words = format!(
                    "{from} costs {cost} now; {} is tried",
                    chosen.route.provider
                );
                (MarginHold::Elsewhere(chosen), words)
            }
            Err(others) => {
                let words = format!("held: {from} costs {cost} now, and was sold for {charge}");
                let choice = reroute::stay_reasons(context, &sale, &leg.route, &words, others);

                (
                    MarginHold::Here {
                        until: now + HELD_FOR,
                        choice,
                    },
                    words,
                )
            }
        };

        if leases::hold_leg(&self.store, leg, epoch, &held, &words, now).await? {
            let saved = cost.minus(leg.quoted_cost).unwrap_or(Money::ZERO);
            providers::count_held(&self.store, from, saved).await?;
            tracing::warn!(
                order = %leg.order, provider = %from, %cost, %charge, "the margin guard: {words}"
            );
        }

        Ok(Word::Stop)
    }

    /// Moves a leased leg whose service names its route no more, where another one may be used at
    /// once; where there is none, what was bought is sent as it was sold.
    async fn left_lost_route(&self, leg: &LeasedLeg, epoch: i64) -> Result<bool, StoreError> {
        let (catalog, panels) = (self.catalog.now(), self.catalog.panels());
        let (context, sale) = (
            RoutingContext {
                catalog: &catalog,
                panels: &panels,
            },
            Sale::from(leg),
        );

        if !reroute::is_gone(context, &sale, &leg.route) {
            return Ok(false);
        }

        let tried = self.tried_before(leg.order, leg.n).await?;
        let leaving = Leaving {
            from: &leg.route,
            why: ROUTE_GONE,
        };

        let Some(chosen) = reroute::route_away(context, &sale, leaving, &tried, Worst::Rests)
        else {
            return Ok(false);
        };

        let from = &leg.route.provider;
        let words = format!("{from}: {ROUTE_GONE}; {} is tried", chosen.route.provider);
        let held = MarginHold::Elsewhere(chosen);
        let moved =
            leases::hold_leg(&self.store, leg, epoch, &held, &words, self.clock.now()).await?;

        if moved {
            tracing::info!(order = %leg.order, leg = %leg.leg, "a leg left its panel: {words}");
        }

        // Whether it moved or is not ours any more, it is not sent here.
        Ok(true)
    }

    /// The routes that an order was tried on before its leg of this number, and what came of it
    /// there.
    pub(super) async fn tried_before(
        &self,
        order: OrderId,
        n: i32,
    ) -> Result<Vec<Passed>, StoreError> {
        if n <= 1 {
            return Ok(Vec::new());
        }

        let mut tx = self.store.begin().await?;
        let tried = legs::tried_before(&mut tx, order, n).await?;
        tx.rollback().await?;
        Ok(tried)
    }
}
