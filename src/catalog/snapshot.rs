//! What is sold: the mapping laid over the panels' catalogues, resolved once and read by every request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::mapping::Mapping;
use crate::domain::id::{ConfigHash, ProviderId, ServiceId};
use crate::domain::money::{Percent, Rate};
use crate::domain::service::{PackageBilling, PanelService, Route, ServiceRule, ServiceType, Units};
use crate::pricing::{self, Price};

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
    /// The price, and why it is that.
    pub price: Price,
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
    /// The panels that may deliver, in order of priority, with what 1,000 units (or a package) cost there now.
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
}

type Panels = HashMap<(ProviderId, String), PanelService>;

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
        }
    }

    /// Lays the mapping over the panels' catalogues.
    pub fn resolve(mapping: &Mapping, version: i64, panels: Vec<(ProviderId, PanelService)>) -> Self {
        let panels: Panels = panels.into_iter().map(|(provider, row)| ((provider, row.service.clone()), row)).collect();
        let mut snapshot = Self {
            version,
            hash: mapping.hash.clone(),
            margin_floor: mapping.margin_floor,
            ..Self::empty(&mapping.currency)
        };
        for rule in &mapping.services {
            match resolve_service(mapping, rule, &panels) {
                Ok(sold) => {
                    snapshot.sold.insert(rule.id, Arc::new(sold));
                }
                Err(why) => snapshot.unsold.push(Unsold { id: rule.id, why }),
            }
        }
        snapshot
    }
}

/// One service: what the operator left out is taken from the first route's panel, bounds are narrowed to what every
/// route takes, and the price comes from the first route whose cost is known.
fn resolve_service(mapping: &Mapping, rule: &ServiceRule, panels: &Panels) -> Result<Sold, &'static str> {
    let row = |route: &Route| panels.get(&(route.provider.clone(), route.service.clone()));
    let offered: Vec<&PanelService> = rule.routes.iter().filter_map(row).collect();
    let first = *offered.first().ok_or("no route's panel lists it")?;
    let kind = rule.kind.or_else(|| ServiceType::read(&first.kind)).ok_or("its type is not sold")?;
    let routes: Vec<_> = rule.routes.iter().map(|route| (route.clone(), cost(row(route), kind))).collect();
    let cost_rate = routes.iter().find_map(|(_, rate)| *rate).ok_or("no route has a known price")?;
    let category = rule.category.clone().unwrap_or_else(|| first.category.clone());
    let price =
        pricing::price(rule.rate, cost_rate, &category, &mapping.markups).map_err(|_| "its price is too large")?;
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
    Ok(Sold {
        id: rule.id,
        name: rule.name.clone().unwrap_or_else(|| first.name.clone()),
        kind,
        category,
        price,
        min,
        max,
        refill: rule.refill.unwrap_or(first.refill) && rule.routes.iter().any(|route| may_refill(mapping, route)),
        cancel: rule.cancel.unwrap_or(first.cancel),
        package_billing: rule.package_billing,
        routes,
    })
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
    use crate::catalog::mapping::EditSettings;
    use crate::domain::customer::Dialect;
    use crate::domain::limit::LimitSettings;

    fn panel(provider: &str, rate: Option<&str>, min: u64, max: u64) -> (ProviderId, PanelService) {
        let row = PanelService {
            service: "7".into(),
            name: "Followers".into(),
            kind: "default".into(),
            category: "Instagram".into(),
            rate_text: rate.unwrap_or("?").into(),
            rate: rate.map(|rate| Rate::parse(rate).unwrap()),
            min,
            max,
            refill: true,
            cancel: false,
            dripfeed: false,
        };
        (ProviderId(provider.into()), row)
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
                rate: None,
                package_billing: PackageBilling::Rate,
            }],
            markups: vec![],
            margin_floor: Percent::default(),
            limits: LimitSettings::default(),
            edits: EditSettings::default(),
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
    fn what_no_panel_offers_is_not_sold_and_says_why() {
        let why = |panels| Snapshot::resolve(&mapping(&["a"]), 1, panels).unsold[0].why;
        assert_eq!(why(vec![]), "no route's panel lists it");
        assert_eq!(why(vec![panel("a", None, 1, 9)]), "no route has a known price");
        assert_eq!(why(vec![panel("a", Some("0"), 1, 9)]), "its price is zero");
        assert_eq!(why(vec![panel("a", Some("1"), 901, 999)]), "its bounds and its panels' bounds do not meet");
    }
}
