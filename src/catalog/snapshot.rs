//! What is sold: the mapping laid over the panels' catalogs, resolved once and read by every
//! request.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::imports;
use crate::catalog::listings::{Listings, PanelListing};
use crate::catalog::mapping::Mapping;
use crate::domain::choice::{Routing, Strategy};
use crate::domain::id::{ConfigHash, ProviderId, ServiceId};
use crate::domain::money::{ExchangeRate, Percent, Rate};
use crate::domain::provider::ProviderSettings;
use crate::domain::service::{
    PackageBilling, PanelService, Route, ServiceRule, ServiceType, Units,
};
use crate::pricing::markup::Priced;
use crate::pricing::rules::PriceRules;
use crate::pricing::{self, Price};

/// A service as it is sold now.
#[derive(Clone, Debug)]
pub struct Service {
    /// Our id of it.
    pub id: ServiceId,
    /// Shown name.
    pub name: String,
    /// Its type.
    pub kind: ServiceType,
    /// Shown category.
    pub category: String,
    /// Everybody's price, and why it is that; some buyers have another (`prices`).
    pub price: Price,
    /// The panel whose cost is marked up; `None` where the price is fixed, which no markup speaks
    /// over.
    pub marked_up: Option<ProviderId>,
    /// Fewest units at once.
    pub min: u64,
    /// Most units at once.
    pub max: u64,
    /// Whether refills are offered.
    pub refill: bool,
    /// Whether cancels are offered.
    pub cancel: bool,
    /// What a package costs.
    pub package_billing: PackageBilling,
    /// How one of the routes is chosen.
    pub routing: Routing,
    /// The panels that may deliver, in the order of the file, with what 1,000 units (or a package)
    /// cost there now.
    pub routes: Vec<(Route, Option<Rate>)>,
}

impl Service {
    /// What is billed for so many units.
    pub fn billed(&self, units: u64) -> Units {
        if self.kind.is_package() {
            pricing::package_units(self.package_billing, self.min)
        } else {
            Units::Counted(units)
        }
    }
}

/// A service that the operator wrote down and that cannot be sold now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsold {
    /// Our id of it.
    pub id: ServiceId,
    /// Why not, in words.
    pub why: &'static str,
    /// What would deliver it.
    pub routes: Vec<Route>,
}

/// Everything that is sold at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the panels list, over which the configuration is laid.
    pub listings: Arc<Listings>,
    /// Which configuration that is.
    pub hash: ConfigHash,
    /// The currency of every price.
    pub currency: String,
    /// What must be left of a charge for a dearer route to be taken.
    pub margin_floor: Percent,
    /// By id, so in the order in which it is listed.
    pub sold: BTreeMap<ServiceId, Arc<Service>>,
    /// What is not, and why.
    pub unsold: Vec<Unsold>,
    /// The markup rules, for whom they speak: everybody's made the prices above.
    pub rules: PriceRules,
    /// Services with a route whose rate is held, as they would be sold if it were accepted.
    pub judged: HashMap<ServiceId, Arc<Service>>,
    /// By which panels' own rates are in our money.
    pub exchanges: Exchanges,
    /// Services that are sold at a fixed price which leaves less than the floor by every route, or
    /// nothing, by the panel whose cost counts. A panel that becomes dearer little by little
    /// is believed; somebody shall know.
    pub too_dear: BTreeMap<ProviderId, Vec<ServiceId>>,
    /// Services that the file names and that are not sold, by the panel of their first route; but
    /// for those whose rate waits for a person's word, of which somebody knows.
    pub missing: BTreeMap<ProviderId, Vec<ServiceId>>,
}

impl Snapshot {
    /// Nothing is sold, in this currency.
    pub fn empty(currency: &str) -> Self {
        Self {
            listings: Arc::default(),
            hash: ConfigHash(String::new()),
            currency: currency.to_owned(),
            margin_floor: Percent::default(),
            sold: BTreeMap::new(),
            unsold: Vec::new(),
            rules: PriceRules::default(),
            judged: HashMap::new(),
            exchanges: Exchanges::default(),
            too_dear: BTreeMap::new(),
            missing: BTreeMap::new(),
        }
    }

    /// Lays the mapping over what the panels list.
    pub fn resolve(mapping: &Mapping, listings: &Arc<Listings>) -> Self {
        let (imported, left_out) = imports::rules(mapping, listings);
        let exchanges = Exchanges::of(mapping);

        let mut snapshot = Self {
            listings: listings.clone(),
            hash: mapping.hash.clone(),
            margin_floor: mapping.margin_floor,
            rules: PriceRules::new(&mapping.markups, mapping.limits.tiers.keys()),
            ..Self::empty(&mapping.currency)
        };

        for rule in mapping.services.iter().chain(&imported) {
            if let Some(why) = imports::refusal(rule, listings.given(rule.id)) {
                snapshot.unsold.push(Unsold {
                    id: rule.id,
                    why,
                    routes: rule.routes.clone(),
                });

                continue;
            }

            let offers = exchanges.offers(rule, listings);
            let is_held = offers.iter().flatten().any(|offer| offer.held.is_some());
            if is_held {
                let accepted: Vec<_> = offers
                    .iter()
                    .map(|offer| offer.as_ref().map(RouteOffer::accepted))
                    .collect();

                if let Ok(judged) = resolve_service(mapping, rule, &accepted, &snapshot.rules) {
                    snapshot.judged.insert(rule.id, Arc::new(judged));
                }
            }

            match resolve_service(mapping, rule, &offers, &snapshot.rules) {
                Ok(sold) => {
                    if let Some(panel) = too_dear(mapping, &sold) {
                        snapshot.too_dear.entry(panel).or_default().push(rule.id);
                    }
                    snapshot.sold.insert(rule.id, Arc::new(sold));
                }
                Err(why) => {
                    let why = if listings.is_of_another_type(rule) {
                        OTHER_TYPE
                    } else if is_held {
                        // Before anything else, for a person can end it.
                        HELD
                    } else {
                        why
                    };

                    snapshot.unsold.push(Unsold {
                        id: rule.id,
                        why,
                        routes: rule.routes.clone(),
                    });
                }
            }
        }

        snapshot.missing = missing(mapping, &snapshot);
        snapshot.unsold.extend(left_out);
        Self {
            exchanges,
            ..snapshot
        }
    }

    /// A rate that moved too far to be believed before a person accepts it: what the route would
    /// cost now. Nothing is priced, sold or sent anew by it, and what was sold before is judged
    /// by it.
    pub fn held(&self, route: &Route) -> Option<Rate> {
        self.rate(route, true)
    }

    /// What a route costs now by what its panel lists, whether it is sold or not: what was sold
    /// before is judged by it.
    pub fn listed(&self, route: &Route) -> Option<Rate> {
        self.rate(route, false)
    }

    fn rate(&self, route: &Route, held: bool) -> Option<Rate> {
        let listed = &self.listings.row(route)?.listed;
        if listed.gone || listed.held != held {
            return None;
        }
        self.exchanges.rate(&route.provider, &listed.row)
    }
}

/// What the file names and nobody can buy.
fn missing(mapping: &Mapping, snapshot: &Snapshot) -> BTreeMap<ProviderId, Vec<ServiceId>> {
    let told: HashSet<ServiceId> = snapshot
        .unsold
        .iter()
        .filter(|unsold| unsold.why == HELD)
        .map(|unsold| unsold.id)
        .collect();

    let mut missing: BTreeMap<ProviderId, Vec<ServiceId>> = BTreeMap::new();
    for rule in &mapping.services {
        let first = rule
            .routes
            .first()
            .filter(|_| !snapshot.sold.contains_key(&rule.id) && !told.contains(&rule.id));

        if let Some(first) = first {
            missing
                .entry(first.provider.clone())
                .or_default()
                .push(rule.id);
        }
    }

    missing
}

/// Why a service without another route is not sold.
const HELD: &str = "its panel's rate moved by more than price_jump_percent: accept it with \
                    `panelgate catalog accept`";

/// Why a service is not sold whose block says a type that none of its panels lists it as.
const OTHER_TYPE: &str = "no route's panel lists it as the type that its block says";

/// By how much each panel's own money is exchanged for ours, as the file says.
#[derive(Clone, Debug, Default)]
pub struct Exchanges(HashMap<ProviderId, Option<ExchangeRate>>);

impl Exchanges {
    fn of(mapping: &Mapping) -> Self {
        Self(
            mapping
                .providers
                .iter()
                .map(|panel| (panel.id.clone(), panel.exchange))
                .collect(),
        )
    }

    /// What one unit of a panel's currency is worth in ours; `None`: it is ours. Of a panel that
    /// the file names no more, what its last block said.
    pub fn of_panel(&self, last: &ProviderSettings) -> Option<ExchangeRate> {
        self.0.get(&last.id).copied().unwrap_or(last.exchange)
    }

    /// What a panel's own rate is in our money. The rate that was kept when its catalog was read
    /// is of the exchange rate of that day, and counts only where the file says nothing of the
    /// panel.
    fn rate(&self, provider: &ProviderId, row: &PanelService) -> Option<Rate> {
        match (self.0.get(provider), row.own_rate) {
            (Some(Some(exchange)), Some(own)) => own.exchanged_rounding_up(*exchange).ok(),
            (Some(None), Some(own)) => Some(own),
            (None, _) | (_, None) => row.rate,
        }
    }

    /// What each of a service's routes offers, where its panel lists it.
    fn offers<'a>(
        &self,
        rule: &ServiceRule,
        listings: &'a Listings,
    ) -> Vec<Option<RouteOffer<'a>>> {
        let offer = |route: &Route| {
            let PanelListing { listed, kind } =
                listings.row(route).filter(|row| !row.listed.gone)?;
            let rate = self.rate(&route.provider, &listed.row);

            let (rate, held) = if listed.held {
                (None, rate)
            } else {
                (rate, None)
            };

            Some(RouteOffer {
                row: &listed.row,
                kind: *kind,
                rate,
                held,
            })
        };

        rule.routes.iter().map(offer).collect()
    }
}

/// What a panel offers by a route.
struct RouteOffer<'a> {
    row: &'a PanelService,
    kind: Option<ServiceType>,
    /// `None`: nobody knows, or it is held.
    rate: Option<Rate>,
    /// What it would cost if it were accepted.
    held: Option<Rate>,
}

impl RouteOffer<'_> {
    /// The same once a person accepted the rate.
    fn accepted(&self) -> Self {
        Self {
            rate: self.rate.or(self.held),
            held: None,
            ..*self
        }
    }

    /// What it costs; a panel that sells something of another type under that id sells us nothing.
    fn cost(&self, kind: ServiceType) -> Option<Rate> {
        self.rate.filter(|_| self.kind == Some(kind))
    }
}

/// One service: what the operator left out is taken from the first route's panel, bounds are
/// narrowed to what every route takes, and the price comes from what a route costs ([`marked_up`]).
/// `offers` are those of the rule's routes.
fn resolve_service(
    mapping: &Mapping,
    rule: &ServiceRule,
    offers: &[Option<RouteOffer<'_>>],
    rules: &PriceRules,
) -> Result<Service, &'static str> {
    let RouteOffer {
        row: first, kind, ..
    } = offers
        .iter()
        .flatten()
        .next()
        .ok_or("no route's panel lists it")?;

    let kind = rule.kind.or(*kind).ok_or("its type is not sold")?;
    let cost = |offer: &Option<RouteOffer<'_>>| offer.as_ref().and_then(|offer| offer.cost(kind));

    let routes: Vec<_> = rule
        .routes
        .iter()
        .cloned()
        .zip(offers.iter().map(cost))
        .collect();

    let (provider, cost_rate) =
        marked_up(mapping, rule, &routes).ok_or("no route has a known price")?;
    let category = rule
        .category
        .clone()
        .unwrap_or_else(|| first.category.clone());

    let priced = Priced {
        service: rule.id,
        category: &category,
        provider,
    };

    let price = pricing::price_units(rule.rate, cost_rate, priced, rules.everybodys())
        .map_err(|_| "its price is too large")?;

    if price.rate == Rate::default() {
        return Err("its price is zero");
    }

    let usable = offers
        .iter()
        .zip(&routes)
        .filter_map(|(offer, (_, cost))| offer.as_ref().filter(|_| cost.is_some()));

    let (panels_min, panels_max) = usable.fold((1, u64::MAX), |(min, max), offer| {
        (min.max(offer.row.min), max.min(offer.row.max))
    });

    let min = rule.min.unwrap_or(panels_min).max(panels_min);
    let max = rule.max.unwrap_or(panels_max).min(panels_max);
    if min > max {
        return Err("its bounds and its panels' bounds do not meet");
    }

    let marked_up = rule.rate.is_none().then(|| provider.clone());
    Ok(Service {
        id: rule.id,
        name: rule.name.clone().unwrap_or_else(|| first.name.clone()),
        kind,
        category,
        price,
        marked_up,
        min,
        max,
        refill: rule.refill.unwrap_or(first.refill)
            && rule.routes.iter().any(|route| may_refill(mapping, route)),
        cancel: rule.cancel.unwrap_or(first.cancel),
        package_billing: rule.package_billing,
        routing: rule.routing.clone(),
        routes,
    })
}

/// The panel and the cost that are marked up: where the file's order decides, those of the first
/// route whose price is known; elsewhere of the dearest, because any of them may be the one that
/// delivers. Stopped panels count: prices do not move with a pause.
///
/// A fixed price stays what it is: a route that is too dear for it shall not be taken as priced in,
/// or it would be sent to at a loss. Where all are, the operator means the first of them, or the
/// least; [`Snapshot::too_dear`] tells of it.
fn marked_up<'a>(
    mapping: &Mapping,
    rule: &ServiceRule,
    routes: &'a [(Route, Option<Rate>)],
) -> Option<(&'a ProviderId, Rate)> {
    let mut known = routes
        .iter()
        .filter_map(|(route, rate)| Some((&route.provider, (*rate)?)));

    let rate_of = |(_, rate): &(&ProviderId, Rate)| *rate;
    let mut keeping = known.clone().filter(|(_, cost)| {
        rule.rate.is_none_or(|fixed| {
            fixed
                .for_package()
                .keeps_margin(cost.for_package(), mapping.margin_floor)
        })
    });

    match (rule.routing.strategy, rule.rate) {
        (Strategy::Priority, _) => keeping.next().or_else(|| known.next()),
        (Strategy::Cheapest | Strategy::Weighted | Strategy::Score, None) => {
            known.max_by_key(rate_of)
        }
        (Strategy::Cheapest | Strategy::Weighted | Strategy::Score, Some(_)) => keeping
            .max_by_key(rate_of)
            .or_else(|| known.min_by_key(rate_of)),
    }
}

/// Where a fixed price leaves less than the floor whatever route delivers: the panel that it is
/// sold by all the same.
fn too_dear(mapping: &Mapping, sold: &Service) -> Option<ProviderId> {
    if sold.marked_up.is_some() {
        return None;
    }

    let (price, cost) = (sold.price.rate.for_package(), sold.price.cost_rate);
    let at = sold
        .routes
        .iter()
        .find(|(_, of)| *of == Some(cost))
        .map(|(route, _)| &route.provider);

    at.filter(|_| !price.keeps_margin(cost.for_package(), mapping.margin_floor))
        .cloned()
}

/// Whether nothing is known against asking a route's panel for refills.
fn may_refill(mapping: &Mapping, route: &Route) -> bool {
    !mapping
        .providers
        .iter()
        .any(|provider| provider.id == route.provider && !provider.asking.refill)
}

#[cfg(test)]
mod tests;
