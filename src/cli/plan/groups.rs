//! A plan's changes in the groups in which they are read: what costs most first.

use std::cmp::Reverse;

use crate::catalog::plan::{Change, Danger, DangerKind, Plan, Repriced, ServiceChange};
use crate::domain::money::Percent;

/// A plan, sorted for reading.
pub struct Groups<'a> {
    /// By kind, the gravest first.
    pub dangers: Vec<(DangerKind, Vec<&'a Danger>)>,
    /// Prices whose margin shrinks, the most first.
    pub margins: Vec<RepricedService<'a>>,
    /// Other prices and costs that move, the farthest first.
    pub prices: Vec<RepricedService<'a>>,
    /// Services that are sold no more.
    pub gone: Vec<&'a ServiceChange>,
    /// Services that are sold anew.
    pub added: Vec<&'a ServiceChange>,
    /// Services with other routes.
    pub routes: Vec<&'a ServiceChange>,
    /// Services of which something else differs.
    pub fields: Vec<&'a ServiceChange>,
    /// Services that are written and not sold, or were and are not written any more.
    pub unsold: Vec<&'a ServiceChange>,
}

/// A service, and how one of its prices moves.
pub struct RepricedService<'a> {
    pub service: &'a ServiceChange,
    pub repriced: &'a Repriced,
}

/// Sorts a plan.
pub fn of(plan: &Plan) -> Groups<'_> {
    let mut groups = Groups {
        dangers: dangers(plan),
        margins: vec![],
        prices: vec![],
        gone: vec![],
        added: vec![],
        routes: vec![],
        fields: vec![],
        unsold: vec![],
    };

    for service in &plan.services {
        match &service.change {
            Change::Added(_) => groups.added.push(service),
            Change::Gone { .. } => groups.gone.push(service),
            Change::NotSold { .. } | Change::Dropped => groups.unsold.push(service),
            Change::Changed(difference) => {
                for repriced in &difference.prices {
                    let shrinks = lost(repriced) > Percent::default();
                    let group = if shrinks {
                        &mut groups.margins
                    } else {
                        &mut groups.prices
                    };

                    group.push(RepricedService { service, repriced });
                }

                if difference.routes.is_some() {
                    groups.routes.push(service);
                }

                if !difference.fields.is_empty() {
                    groups.fields.push(service);
                }
            }
        }
    }

    // Stable, so that equals stay in the order of their ids.
    groups
        .margins
        .sort_by_key(|change| Reverse(lost(change.repriced)));

    groups
        .prices
        .sort_by_key(|change| Reverse(change.repriced.moved().unwrap_or_default().size()));

    groups
}

fn lost(repriced: &Repriced) -> Percent {
    repriced.margin_lost().unwrap_or_default()
}

fn dangers(plan: &Plan) -> Vec<(DangerKind, Vec<&Danger>)> {
    let mut groups: Vec<(DangerKind, Vec<&Danger>)> = Vec::new();
    for danger in &plan.dangers {
        match groups.iter_mut().find(|(kind, _)| *kind == danger.kind()) {
            Some((_, group)) => group.push(danger),
            None => groups.push((danger.kind(), vec![danger])),
        }
    }

    for (_, group) in &mut groups {
        group.sort_by_key(|danger| badness(danger));
    }

    groups
}

/// The worst of a kind first: by margin where it is too small, by how far a price jumps, by how
/// much is open.
fn badness(danger: &Danger) -> (Percent, Reverse<Percent>, Reverse<u64>) {
    let (nothing, none) = (Percent::default(), Reverse(0));
    match danger {
        Danger::Loss(sale) | Danger::BelowFloor(sale, _) => (
            sale.offer.margin().unwrap_or_default(),
            Reverse(nothing),
            none,
        ),
        Danger::PriceJump { sale, from, .. } => (
            nothing,
            Reverse(from.moved_to(sale.offer.price).unwrap_or_default().size()),
            none,
        ),
        Danger::CostJump { sale, from, .. } => (
            nothing,
            Reverse(from.moved_to(sale.offer.cost).unwrap_or_default().size()),
            none,
        ),
        Danger::NoRoute { orders: open, .. }
        | Danger::ServiceRemoved { orders: open, .. }
        | Danger::PanelRemoved { legs: open, .. }
        | Danger::AccountChanged { legs: open, .. } => (nothing, Reverse(nothing), Reverse(*open)),
        Danger::PackageJump { .. }
        | Danger::Unseen { .. }
        | Danger::BuyersLeftOut(_)
        | Danger::NegativePercent(_) => (nothing, Reverse(nothing), none),
    }
}
