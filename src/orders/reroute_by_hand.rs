//! By a person's word, an order of which provably nothing was placed goes by another route.
//!
//! What is being sent, in doubt, or at a panel is never touched: it would be bought twice.

use crate::domain::choice::Passed;
use crate::domain::id::{OrderId, ProviderId};
use crate::domain::leg::LegState;
use crate::domain::service::Route;
use crate::orders::Delivery;
use crate::orders::reroute::{self, Leaving, RoutingContext, Sale};
use crate::store::legs::LockedLeg;
use crate::store::{StoreError, Tx, leaving, legs, orders};

/// Why an order leaves, as its leg and its choice tell.
const BY_HAND: &str = "moved by a person";

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rerouted {
    /// It waits for another panel now.
    Moved {
        /// Where it was.
        from: Route,
        /// Where it goes.
        to: Route,
        /// Why there.
        why: String,
    },
    /// Nothing changed, for this reason.
    Stays(String),
}

impl Delivery {
    /// Moves an order to its next route that may be used, or to this panel, in the caller's
    /// transaction. It was chosen because it waits at `from`, where that is given: what
    /// somebody else moved meanwhile stays.
    pub async fn reroute(
        &self,
        tx: &mut Tx,
        order: OrderId,
        from: Option<&ProviderId>,
        to: Option<&ProviderId>,
    ) -> Result<Rerouted, StoreError> {
        let now = self.clock.now();
        let Some(leg) = legs::lock_last(tx, order).await? else {
            return Ok(Rerouted::Stays("there is no such order".to_owned()));
        };

        if let Some(from) = from.filter(|from| **from != leg.route.provider) {
            return Ok(Rerouted::Stays(format!(
                "it left {from} meanwhile, for {}",
                leg.route.provider
            )));
        }

        if let Some(why) = not_unsent(&leg) {
            return Ok(Rerouted::Stays(why));
        }

        if leg.state == LegState::Leased && !leaving::is_let_go(tx, leg.id, now).await? {
            let why = format!(
                "{} is about to be asked for it; try again in a minute",
                leg.route.provider
            );
            return Ok(Rerouted::Stays(why));
        }

        if leg.may_be_charged {
            let why = format!(
                "whether {} took our money for it all the same is being looked at; try again in \
                 two minutes",
                leg.route.provider
            );
            return Ok(Rerouted::Stays(why));
        }

        let order = orders::lock_order(tx, order).await?;
        let (catalog, panels) = (self.catalog.now(), self.catalog.panels());
        let context = RoutingContext {
            catalog: &catalog,
            panels: &panels,
        };

        let barred = barred(tx, &leg, to).await?;
        let leaving = Leaving {
            from: &leg.route,
            why: BY_HAND,
        };

        let chosen = match reroute::by_hand(context, &Sale::from(&order), leaving, &barred, to) {
            Ok(chosen) => chosen,
            Err(why) => return Ok(Rerouted::Stays(why)),
        };

        let (from, route, why) = (
            leg.route.clone(),
            chosen.route.clone(),
            chosen.choice.why.clone(),
        );

        let reason = format!("{}: {BY_HAND}; {} is tried", from.provider, route.provider);
        leaving::by_hand(tx, &leg, &chosen, &reason, now).await?;

        Ok(Rerouted::Moved {
            from,
            to: route,
            why,
        })
    }
}

/// Routes that are out of the question. What refused the order before may be tried again where a
/// person names it; but never where it may have been placed and only nobody could tell.
async fn barred(
    tx: &mut Tx,
    leg: &LockedLeg,
    to: Option<&ProviderId>,
) -> Result<Vec<Passed>, StoreError> {
    let mut barred = match to {
        None => legs::tried_before(tx, leg.order, leg.n).await?,
        Some(_) => leaving::doubted_before(tx, leg.order).await?,
    };

    barred.push(Passed::because(&leg.route, "it waits there now"));
    Ok(barred)
}

/// Why a leg may not be moved, where something of it was sent or it is over.
fn not_unsent(leg: &LockedLeg) -> Option<String> {
    let (panel, order) = (&leg.route.provider, leg.order);
    match leg.state {
        LegState::Ready | LegState::Leased | LegState::Parked => None,
        LegState::Sending => Some(format!(
            "it is being sent to {panel}, and nobody can tell yet whether that has it"
        )),
        LegState::InDoubt => Some(format!(
            "{panel} may have it: look there, then decide with `order resolve {order}`"
        )),
        LegState::Accepted => Some(format!(
            "{panel} has it; `order show {order}` tells what can be decided"
        )),
        LegState::Ended | LegState::Refused | LegState::Canceled | LegState::WrittenOff => {
            Some("it is over".to_owned())
        }
    }
}
