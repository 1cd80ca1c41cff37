//! What is sold: the mapping laid over the panels' catalogues, resolved once and read by every request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::imports;
use crate::catalog::mapping::Mapping;
use crate::domain::choice::{Routing, Strategy};
use crate::domain::id::{ConfigHash, ProviderId, ServiceId};
use crate::domain::money::{Percent, Rate};
use crate::domain::service::{PackageBilling, PanelService, Route, ServiceRule, ServiceType, Units};
use crate::pricing::markup::Priced;
use crate::pricing::rules::Rules;
use crate::pricing::{self, Price};
use crate::store::catalogue::Listed;

/// A service as it is sold now.
#[derive(Clone, Debug)]
pub struct Sold {
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
    /// The panel whose cost is marked up; `None` where the price is fixed, which no markup speaks over.
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
    /// The panels that may deliver, in the order of the file, with what 1,000 units (or a package) cost there now.
    pub routes: Vec<(Route, Option<Rate>)>,
}

impl Sold {
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
    /// Grows with every change of a panel's catalogue.
    pub version: i64,
    /// Which configuration it is laid over.
    pub hash: ConfigHash,
    /// The currency of every price.
    pub currency: String,
    /// What must be left of a charge for a dearer route to be taken.
    pub margin_floor: Percent,
    /// By id, so in the order in which it is listed.
    pub sold: BTreeMap<ServiceId, Arc<Sold>>,
    /// What is not, and why.
    pub unsold: Vec<Unsold>,
    /// The markup rules, for whom they speak: everybody's made the prices above.
    pub rules: Rules,
    /// Rates that moved too far to be believed before a person accepts them: what they would cost now. Nothing is priced,
    /// sold or sent anew by them, and what was sold before is judged by them.
    pub held: HashMap<Route, Rate>,
    /// Services with such a route, as they would be sold if it were accepted.
    pub judged: HashMap<ServiceId, Arc<Sold>>,
    /// What everything else that panels list costs now, whether it is sold or not: what was sold before is judged by it.
    pub listed: HashMap<Route, Rate>,
}

type Panels = HashMap<Route, PanelService>;

impl Snapshot {
    /// Nothing is sold, in this currency.
    pub fn empty(currency: &str) -> Self {
        Self {
            version: 0,
            hash: ConfigHash(String::new()),
            currency: currency.to_owned(),
            margin_floor: Percent::default(),
            sold: BTreeMap::new(),
            unsold: Vec::new(),
            rules: Rules::default(),
            held: HashMap::new(),
            judged: HashMap::new(),
            listed: HashMap::new(),
        }
    }

    /// Lays the mapping over the panels' catalogues.
    pub fn resolve(mapping: &Mapping, version: i64, listed: Vec<(ProviderId, Listed)>) -> Self {
        let listed = in_our_money(mapping, listed);
        let (imported, left_out) = imports::rules(mapping, &listed);
        let given = imports::given(&listed);
        let (panels, held) = offered(listed);
        let mut snapshot = Self {
            version,
            hash: mapping.hash.clone(),
            margin_floor: mapping.margin_floor,
            rules: Rules::new(&mapping.markups, mapping.limits.tiers.keys()),
            held,
            ..Self::empty(&mapping.currency)
        };
        for rule in mapping.services.iter().chain(&imported) {
            if let Some(why) = imports::refusal(rule, given.get(&rule.id)) {
                snapshot.unsold.push(Unsold { id: rule.id, why, routes: rule.routes.clone() });
                continue;
            }
            match resolve_service(mapping, rule, &panels, &snapshot.rules) {
                Ok(sold) => {
                    snapshot.sold.insert(rule.id, Arc::new(sold));
                }
                Err(why) => {
                    let why = snapshot.or_held(rule, why);
                    snapshot.unsold.push(Unsold { id: rule.id, why, routes: rule.routes.clone() });
                }
            }
            if let Some(judged) = judged(mapping, rule, &panels, &snapshot) {
                snapshot.judged.insert(rule.id, Arc::new(judged));
            }
        }
        snapshot.unsold.extend(left_out);
        snapshot.listed = panels.into_iter().filter_map(|(route, row)| Some((route, row.rate?))).collect();
        snapshot
    }

    /// Why a service is not sold: what is held comes first, for a person can end it.
    fn or_held(&self, rule: &ServiceRule, why: &'static str) -> &'static str {
        if rule.routes.iter().any(|route| self.held.contains_key(route)) { HELD } else { why }
    }
}

/// Why a service without another route is not sold.
const HELD: &str = "its panel's rate moved by more than price_jump_percent: accept it with `panelgate catalog accept`";

/// What panels' own rates are in our money, by what this file says that theirs is worth. The rates that were kept when the
/// catalogues were read are of the exchange rates of that day.
fn in_our_money(mapping: &Mapping, mut listed: Vec<(ProviderId, Listed)>) -> Vec<(ProviderId, Listed)> {
    let exchanges: HashMap<_, _> = mapping.providers.iter().map(|panel| (&panel.id, panel.exchange)).collect();
    for (provider, Listed { row, .. }) in &mut listed {
        if let (Some(exchange), Some(own)) = (exchanges.get(provider), row.own_rate) {
            row.rate = exchange.map_or(Some(own), |exchange| own.exchanged_rounding_up(exchange).ok());
        }
    }
    listed
}

/// What panels offer, without the rates that are held; and those.
fn offered(listed: Vec<(ProviderId, Listed)>) -> (Panels, HashMap<Route, Rate>) {
    let (mut panels, mut held) = (Panels::new(), HashMap::new());
    for (provider, Listed { mut row, gone, held: is_held, imported: _ }) in listed {
        if gone {
            continue;
        }
        let route = Route { provider, service: row.service.clone() };
        if let Some(rate) = row.rate.take_if(|_| is_held) {
            held.insert(route.clone(), rate);
        }
        panels.insert(route, row);
    }
    (panels, held)
}

/// A service as it would be sold if the rates that are held were accepted; `None` where none of its routes is held.
fn judged(mapping: &Mapping, rule: &ServiceRule, panels: &Panels, snapshot: &Snapshot) -> Option<Sold> {
    let held = &snapshot.held;
    rule.routes.iter().find(|route| held.contains_key(route))?;
    let rows = rule.routes.iter().filter_map(|route| {
        let mut row = panels.get(route)?.clone();
        row.rate = row.rate.or(held.get(route).copied());
        Some((route.clone(), row))
    });
    resolve_service(mapping, rule, &rows.collect(), &snapshot.rules).ok()
}

/// One service: what the operator left out is taken from the first route's panel, bounds are narrowed to what every
/// route takes, and the price comes from what a route costs ([`marked_up`]).
fn resolve_service(
    mapping: &Mapping,
    rule: &ServiceRule,
    panels: &Panels,
    rules: &Rules,
) -> Result<Sold, &'static str> {
    let row = |route: &Route| panels.get(route);
    let offered: Vec<&PanelService> = rule.routes.iter().filter_map(row).collect();
    let first = *offered.first().ok_or("no route's panel lists it")?;
    let kind = rule.kind.or_else(|| ServiceType::read(&first.kind)).ok_or("its type is not sold")?;
    let routes: Vec<_> = rule.routes.iter().map(|route| (route.clone(), cost(row(route), kind))).collect();
    let (provider, cost_rate) = marked_up(mapping, rule, &routes).ok_or("no route has a known price")?;
    let category = rule.category.clone().unwrap_or_else(|| first.category.clone());
    let priced = Priced { service: rule.id, category: &category, provider };
    let price =
        pricing::price(rule.rate, cost_rate, priced, rules.everybodys()).map_err(|_| "its price is too large")?;
    if price.rate == Rate::default() {
        return Err("its price is zero");
    }
    let usable = offered.iter().filter(|panel| cost(Some(panel), kind).is_some());
    let (panels_min, panels_max) =
        usable.fold((1, u64::MAX), |(min, max), panel| (min.max(panel.min), max.min(panel.max)));
    let min = rule.min.unwrap_or(panels_min).max(panels_min);
    let max = rule.max.unwrap_or(panels_max).min(panels_max);
    if min > max {
        return Err("its bounds and its panels' bounds do not meet");
    }
    let marked_up = rule.rate.is_none().then(|| provider.clone());
    Ok(Sold {
        id: rule.id,
        name: rule.name.clone().unwrap_or_else(|| first.name.clone()),
        kind,
        category,
        price,
        marked_up,
        min,
        max,
        refill: rule.refill.unwrap_or(first.refill) && rule.routes.iter().any(|route| may_refill(mapping, route)),
        cancel: rule.cancel.unwrap_or(first.cancel),
        package_billing: rule.package_billing,
        routing: rule.routing.clone(),
        routes,
    })
}

/// The panel and the cost that are marked up: where the file's order decides, those of the first route whose price is
/// known; elsewhere of the dearest, because any of them may be the one that delivers. Stopped panels count: prices do not
/// move with a pause.
fn marked_up<'a>(
    mapping: &Mapping,
    rule: &ServiceRule,
    routes: &'a [(Route, Option<Rate>)],
) -> Option<(&'a ProviderId, Rate)> {
    let mut known = routes.iter().filter_map(|(route, rate)| Some((&route.provider, (*rate)?)));
    let rate_of = |(_, rate): &(&ProviderId, Rate)| *rate;
    match (rule.routing.strategy, rule.rate) {
        (Strategy::Priority, _) => known.next(),
        (Strategy::Cheapest | Strategy::Weighted | Strategy::Score, None) => known.max_by_key(rate_of),
        // A fixed price stays what it is: routes that are too dear for it shall not be taken as priced in, or they would
        // be sent to at a loss. Where all are, the operator means the least of them.
        (Strategy::Cheapest | Strategy::Weighted | Strategy::Score, Some(fixed)) => {
            let keeps = |(_, rate): &(&ProviderId, Rate)| {
                fixed.for_package().keeps_margin(rate.for_package(), mapping.margin_floor)
            };
            known.clone().filter(keeps).max_by_key(rate_of).or_else(|| known.min_by_key(rate_of))
        }
    }
}

/// Whether nothing is known against asking a route's panel for refills.
fn may_refill(mapping: &Mapping, route: &Route) -> bool {
    !mapping.providers.iter().any(|provider| provider.id == route.provider && !provider.asking.refill)
}

/// What a route costs now; a panel that sells something of another type under that id sells us nothing.
fn cost(panel: Option<&PanelService>, kind: ServiceType) -> Option<Rate> {
    panel.filter(|panel| ServiceType::read(&panel.kind) == Some(kind)).and_then(|panel| panel.rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::mapping::Reload;
    use crate::domain::customer::Dialect;
    use crate::domain::limit::LimitSettings;

    fn panel(provider: &str, rate: Option<&str>, min: u64, max: u64) -> (ProviderId, Listed) {
        let row = PanelService {
            service: "7".into(),
            name: "Followers".into(),
            kind: "default".into(),
            category: "Instagram".into(),
            rate_text: rate.unwrap_or("?").into(),
            rate: rate.map(|rate| Rate::parse(rate).unwrap()),
            own_rate: rate.map(|rate| Rate::parse(rate).unwrap()),
            min,
            max,
            refill: true,
            cancel: false,
            dripfeed: false,
        };
        (ProviderId(provider.into()), Listed { row, gone: false, imported: None, held: false })
    }

    fn mapping(providers: &[&str]) -> Mapping {
        let route = |provider: &&str| Route { provider: ProviderId((*provider).into()), service: "7".into() };
        Mapping {
            hash: ConfigHash("h".into()),
            currency: "USD".into(),
            default_dialect: Dialect::Classic,
            refills_max: 3,
            providers: vec![],
            services: vec![ServiceRule {
                id: ServiceId(1),
                name: None,
                kind: None,
                category: None,
                refill: None,
                cancel: Some(true),
                min: None,
                max: Some(900),
                routes: providers.iter().map(route).collect(),
                routing: Routing::default(),
                rate: None,
                package_billing: PackageBilling::Rate,
            }],
            imports: vec![],
            markups: vec![],
            price_jump: Percent::parse("30").unwrap(),
            margin_floor: Percent::default(),
            limits: LimitSettings::default(),
            reload: Reload::Watch,
        }
    }

    #[test]
    fn bounds_are_narrowed_to_what_every_panel_takes_and_the_first_known_price_is_marked_up() {
        let panels = vec![panel("a", None, 500, 600), panel("b", Some("2"), 10, 800), panel("c", Some("1"), 50, 5_000)];
        let snapshot = Snapshot::resolve(&mapping(&["a", "b", "c"]), 1, panels);
        let sold = &snapshot.sold[&ServiceId(1)];
        assert_eq!((sold.min, sold.max, sold.price.rate.to_string()), (50, 800, "2.00".into()));
        assert!(sold.refill && sold.cancel && sold.routes[0].1.is_none());
    }

    #[test]
    fn where_any_route_may_deliver_the_dearest_is_marked_up_and_a_fixed_price_leaves_out_what_it_cannot_pay() {
        let cost = |strategy, fixed: Option<&str>| {
            let mut mapping = mapping(&["a", "b", "c"]);
            mapping.services[0].routing.strategy = strategy;
            mapping.services[0].rate = fixed.map(|rate| Rate::parse(rate).unwrap());
            let panels =
                vec![panel("a", Some("2"), 1, 900), panel("b", Some("1"), 1, 900), panel("c", Some("3"), 1, 900)];
            Snapshot::resolve(&mapping, 1, panels).sold[&ServiceId(1)].price.cost_rate.to_string()
        };
        assert_eq!(
            (cost(Strategy::Priority, None), cost(Strategy::Priority, Some("2.5"))),
            ("2.00".into(), "2.00".into())
        );
        for strategy in [Strategy::Cheapest, Strategy::Weighted, Strategy::Score] {
            assert_eq!(cost(strategy, None), "3.00");
            assert_eq!(cost(strategy, Some("2.5")), "2.00", "c would be bought at a loss");
            assert_eq!(cost(strategy, Some("0.5")), "1.00", "all would be: the least loss was meant");
        }
    }

    #[test]
    fn what_no_panel_offers_is_not_sold_and_says_why() {
        let why = |panels| Snapshot::resolve(&mapping(&["a"]), 1, panels).unsold[0].why;
        assert_eq!(why(vec![]), "no route's panel lists it");
        assert_eq!(why(vec![panel("a", None, 1, 9)]), "no route has a known price");
        assert_eq!(why(vec![panel("a", Some("0"), 1, 9)]), "its price is zero");
        assert_eq!(why(vec![panel("a", Some("1"), 901, 999)]), "its bounds and its panels' bounds do not meet");
    }
}
