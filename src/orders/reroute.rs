//! Another route for an order of which nothing was placed: only where the margin is kept.

use crate::catalog::{Snapshot, Sold};
use crate::domain::money::Money;
use crate::domain::service::Route;
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

fn candidates(sold: &Sold, order: &Locked) -> Vec<Candidate> {
    let billed = sold.billed(order.bought.units);
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
