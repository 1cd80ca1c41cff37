//! Another route for an order of which nothing was placed: only where the margin is kept.

use crate::catalog::{Snapshot, Sold};
use crate::domain::leg::LeasedLeg;
use crate::domain::money::Money;
use crate::domain::service::{Route, Units};
use crate::routing::{self, Candidate};
use crate::store::orders::Locked;

/// The next route after those that were tried.
pub fn next(catalogue: &Snapshot, order: &Locked, tried: &[Route]) -> Option<(Route, Money)> {
    let sold = catalogue.sold.get(&order.service)?;
    choose(catalogue, order, &candidates(sold, order), tried)
}

/// The route that follows the present one, round and round.
pub fn beside(catalogue: &Snapshot, order: &Locked, present: &Route) -> Option<(Route, Money)> {
    let sold = catalogue.sold.get(&order.service)?;
    let mut candidates = candidates(sold, order);
    let after_present = candidates.iter().position(|candidate| candidate.route == *present).map_or(0, |at| at + 1);
    candidates.rotate_left(after_present);
    choose(catalogue, order, &candidates, std::slice::from_ref(present))
}

/// What a leased leg would cost by its own route now; `None` where nobody knows. It was sold before its panel's rate was
/// held, so that rate is what it costs, whether its service is sold now or not.
pub fn cost_now(catalogue: &Snapshot, leg: &LeasedLeg) -> Option<Money> {
    if let Some(rate) = catalogue.held.get(&leg.route) {
        let sold = catalogue.judged.get(&leg.sold_as).or_else(|| catalogue.sold.get(&leg.sold_as));
        let plainly = || if leg.kind.is_package() { Units::Package } else { Units::Counted(leg.units) };
        return sold.map_or_else(plainly, |sold| sold.billed(leg.units)).at(*rate).ok();
    }
    let sold = catalogue.sold.get(&leg.sold_as)?;
    let rate = sold.routes.iter().find(|(route, _)| *route == leg.route).and_then(|(_, rate)| *rate)?;
    sold.billed(leg.units).at(rate).ok()
}

/// Another route for a leased leg whose own became too dear.
pub fn instead(catalogue: &Snapshot, leg: &LeasedLeg, tried: &[Route]) -> Option<(Route, Money)> {
    let sold = catalogue.sold.get(&leg.sold_as)?;
    let candidates = priced(sold, leg.units);
    let chosen = routing::next(&candidates, tried, leg.charge, leg.quoted_cost, catalogue.margin_floor);
    chosen.map(|(route, cost)| (route.clone(), cost))
}

fn candidates(sold: &Sold, order: &Locked) -> Vec<Candidate> {
    priced(sold, order.bought.units)
}

fn priced(sold: &Sold, units: u64) -> Vec<Candidate> {
    let billed = sold.billed(units);
    let candidate = |(route, rate): &(Route, Option<_>)| Candidate {
        route: route.clone(),
        cost: rate.and_then(|rate| billed.at(rate).ok()),
    };
    sold.routes.iter().map(candidate).collect()
}

fn choose(catalogue: &Snapshot, order: &Locked, candidates: &[Candidate], tried: &[Route]) -> Option<(Route, Money)> {
    let (charge, quoted) = (order.bought.charge, order.quoted_cost);
    let chosen = routing::next(candidates, tried, charge, quoted, catalogue.margin_floor);
    chosen.map(|(route, cost)| (route.clone(), cost))
}
