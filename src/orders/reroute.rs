//! Which route an order goes by: its first, and another one where nothing of it was placed. Here
//! the catalog, the panels' standing and the order are laid before `routing`, which chooses.

use std::collections::HashSet;

use crate::catalog::panels::Panels;
use crate::catalog::{Service, Snapshot};
use crate::domain::choice::{Choice, Passed};
use crate::domain::id::{ProviderId, PublicId, ServiceId};
use crate::domain::leg::LeasedLeg;
use crate::domain::money::Money;
use crate::domain::service::{Route, ServiceType, Units};
use crate::routing::standing::Worst;
use crate::routing::{self, Candidate, Chosen, RouteQuery, RouteTerms};
use crate::store::leaving::Waiting;
use crate::store::orders::Locked;

/// An order, as far as choosing its route needs it.
#[derive(Clone, Copy, Debug)]
pub struct Sale {
    /// Our service.
    pub service: ServiceId,
    /// What kind of service was bought.
    pub kind: ServiceType,
    /// Its other name. Lots are drawn by it: it never changes and nobody chooses it, so whoever
    /// draws for this order again, after a crash or on another node, gets the same order of
    /// routes.
    pub public: PublicId,
    /// How many; one for packages.
    pub units: u64,
    /// What its customer pays.
    pub charge: Money,
    /// What it was expected to cost when it was priced.
    pub quoted_cost: Money,
}

/// What a panel, and a catalog, are like at one moment.
#[derive(Clone, Copy, Debug)]
pub struct RoutingContext<'a> {
    /// What is sold.
    pub catalog: &'a Snapshot,
    /// How the panels stand.
    pub panels: &'a Panels,
}

/// Why an order leaves a route.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    /// The route.
    pub from: &'a Route,
    /// Why, in words.
    pub why: &'a str,
}

/// The first route of an order; `None` where none is offered.
pub fn first_route(context: RoutingContext<'_>, sold: &Service, sale: &Sale) -> Option<Chosen> {
    let candidates = candidates(context, sold, sale);
    routing::choose_route(&route_query(context, sold, sale, &candidates)).ok()
}

/// The next route of an order that was refused, by a panel or by the margin guard; or why there is
/// none.
pub fn next_route(
    context: RoutingContext<'_>,
    sale: &Sale,
    leaving: Leaving<'_>,
    barred: &[Passed],
) -> Result<Chosen, Vec<Passed>> {
    let Some(sold) = context.catalog.sold.get(&sale.service) else {
        return Err(Vec::new());
    };

    let candidates = candidates(context, sold, sale);
    let leaves = Some((leaving.from, leaving.why));

    routing::choose_route(&RouteQuery {
        barred,
        leaves,
        ..route_query(context, sold, sale, &candidates)
    })
}

/// The route that follows one that cannot be reached, round and round; a panel that is stopped is
/// no better, and one that refused the order before is none.
pub fn route_beside(
    context: RoutingContext<'_>,
    sale: &Sale,
    leaving: Leaving<'_>,
    tried: &[Passed],
) -> Option<Chosen> {
    let sold = context.catalog.sold.get(&sale.service)?;
    let candidates = candidates(context, sold, sale);
    let mut barred = tried.to_vec();
    barred.push(Passed::because(leaving.from, leaving.why));
    let leaves = Some((leaving.from, leaving.why));
    let route_query = route_query(context, sold, sale, &candidates);

    routing::choose_route(&RouteQuery {
        barred: &barred,
        leaves,
        in_turn: true,
        worst: Worst::Rests,
        ..route_query
    })
    .ok()
}

/// The route for an order that waits at a panel which gets none, whose panel stands no worse than
/// this; `None` where it waits just as well.
pub fn route_away(
    context: RoutingContext<'_>,
    sale: &Sale,
    leaving: Leaving<'_>,
    barred: &[Passed],
    worst: Worst,
) -> Option<Chosen> {
    let sold = context.catalog.sold.get(&sale.service)?;
    let candidates = candidates(context, sold, sale);
    let leaves = Some((leaving.from, leaving.why));

    routing::choose_route(&RouteQuery {
        barred,
        leaves,
        worst,
        ..route_query(context, sold, sale, &candidates)
    })
    .ok()
}

/// The route that a person wants for an order: its next one that may be used and is not stopped, or
/// one at this panel; or why there is none.
pub fn by_hand(
    context: RoutingContext<'_>,
    sale: &Sale,
    leaving: Leaving<'_>,
    barred: &[Passed],
    to: Option<&ProviderId>,
) -> Result<Chosen, String> {
    let service = sale.service;
    let sold = context
        .catalog
        .sold
        .get(&service)
        .ok_or_else(|| format!("service {service} is not sold now"))?;

    if sold.kind != sale.kind {
        return Err(format!("service {service} is of another type by now"));
    }

    let mut candidates = candidates(context, sold, sale);
    if let Some(to) = to {
        candidates.retain(|candidate| candidate.route.provider == *to);
        if candidates.is_empty() {
            return Err(format!("service {service} has no route to {to}"));
        }
    }

    let leaves = Some((leaving.from, leaving.why));
    let route_query = RouteQuery {
        barred,
        leaves,
        worst: Worst::Rests,
        ..route_query(context, sold, sale, &candidates)
    };

    routing::choose_route(&route_query).map_err(|passed| {
        let why: Vec<_> = passed
            .iter()
            .map(|passed| format!("{}: {}", passed.provider, passed.why))
            .collect();
        why.join("; ")
    })
}

/// That an order stays where it is although it cannot be sent there, and why it goes nowhere else.
pub fn stay_reasons(
    context: RoutingContext<'_>,
    sale: &Sale,
    at: &Route,
    why: &str,
    mut others: Vec<Passed>,
) -> Choice {
    others.retain(|passed| !passed.is(at));
    let sold = context.catalog.sold.get(&sale.service);
    Choice {
        strategy: sold.map(|sold| sold.routing.strategy).unwrap_or_default(),
        provider: at.provider.0.clone(),
        service: at.service.clone(),
        why: why.to_owned(),
        others,
    }
}

/// What a leased leg would cost by its own route now; `None` where nobody knows. It was sold before
/// its panel's rate was held, so that rate is what it costs, whether its service is sold now or
/// not.
pub fn cost_now(catalog: &Snapshot, leg: &LeasedLeg) -> Option<Money> {
    if let Some(rate) = catalog.held(&leg.route) {
        let sold = catalog
            .judged
            .get(&leg.sold_as)
            .or_else(|| catalog.sold.get(&leg.sold_as));

        let sold = sold.filter(|sold| sold.kind == leg.kind);
        let plainly = || {
            if leg.kind.is_package() {
                Units::Package
            } else {
                Units::Counted(leg.units)
            }
        };

        return sold
            .map_or_else(plainly, |sold| sold.billed(leg.units))
            .at(rate)
            .ok();
    }

    // Its service may be sold no more, or no more by this route: it costs all the same what its
    // panel lists.
    let rate = catalog.listed(&leg.route)?;

    match catalog
        .sold
        .get(&leg.sold_as)
        .filter(|sold| sold.kind == leg.kind)
    {
        Some(sold) => sold.billed(leg.units).at(rate).ok(),

        // How its package was billed, what it was quoted at tells.
        None if leg.kind.is_package() => {
            leg.quoted_cost.at_another_rate(leg.quoted_rate, rate).ok()
        }
        None => Units::Counted(leg.units).at(rate).ok(),
    }
}

/// Whether an order's route is one of its service's no more, while others are. A service that is
/// not sold, or means another type by now, takes no route from what was bought before.
pub fn is_gone(context: RoutingContext<'_>, sale: &Sale, route: &Route) -> bool {
    let sold = context
        .catalog
        .sold
        .get(&sale.service)
        .filter(|sold| sold.kind == sale.kind);

    sold.is_some_and(|sold| !sold.routes.iter().any(|(other, _)| other == route))
}

/// Services of which some route at another, running panel is offered: what waits for the rest need
/// not be looked at.
pub fn offered_beside(context: RoutingContext<'_>, stopped: &ProviderId) -> HashSet<ServiceId> {
    let runs = |(route, rate): &(Route, Option<_>)| {
        rate.is_some()
            && route.provider != *stopped
            && context.panels.standing(&route.provider).stopped.is_none()
    };

    let sold = context
        .catalog
        .sold
        .values()
        .filter(|sold| sold.routes.iter().any(runs));

    sold.map(|sold| sold.id).collect()
}

/// Where the id means a service of another kind by now, nothing that it is delivered by delivers
/// what was bought.
fn candidates(context: RoutingContext<'_>, sold: &Service, sale: &Sale) -> Vec<Candidate> {
    if sold.kind != sale.kind {
        return Vec::new();
    }

    let billed = sold.billed(sale.units);
    let candidate = |(route, rate): &(Route, Option<_>)| Candidate {
        route: route.clone(),
        weight: sold.routing.weight(route),
        cost: rate.and_then(|rate| billed.at(rate).ok()),
        standing: context.panels.standing(&route.provider),
    };

    sold.routes.iter().map(candidate).collect()
}

fn route_query<'a>(
    context: RoutingContext<'_>,
    sold: &Service,
    sale: &Sale,
    candidates: &'a [Candidate],
) -> RouteQuery<'a> {
    let terms = RouteTerms {
        seed: sale.public.0.as_u128(),
        charge: sale.charge,
        quoted_cost: sale.quoted_cost,
        floor: context.catalog.margin_floor,
    };

    let strategy = sold.routing.strategy;
    RouteQuery {
        strategy,
        candidates,
        terms,
        barred: &[],
        leaves: None,
        in_turn: false,
        worst: Worst::Stopped,
    }
}

impl From<&Locked> for Sale {
    fn from(order: &Locked) -> Self {
        Self {
            service: order.service,
            kind: order.kind,
            public: order.public,
            units: order.bought.units,
            charge: order.bought.charge,
            quoted_cost: order.quoted_cost,
        }
    }
}

impl From<&LeasedLeg> for Sale {
    fn from(leg: &LeasedLeg) -> Self {
        Self {
            service: leg.sold_as,
            kind: leg.kind,
            public: leg.public,
            units: leg.units,
            charge: leg.charge,
            quoted_cost: leg.quoted_cost,
        }
    }
}

impl From<&Waiting> for Sale {
    fn from(leg: &Waiting) -> Self {
        Self {
            service: leg.sold_as,
            kind: leg.kind,
            public: leg.public,
            units: leg.units,
            charge: leg.charge,
            quoted_cost: leg.quoted_cost,
        }
    }
}
