//! What of an edit may be a slip of the finger that costs money: such an edit waits for a person's word.
//!
//! Only what the edit brings is dangerous. What was so before and stays as it was has had its word.

use std::fmt;

use crate::catalog::mapping::Mapping;
use crate::catalog::plan::buyers::{Buyers, Who};
use crate::catalog::plan::panels::{PanelChange, PanelEdit};
use crate::catalog::plan::services::{Change, Offer, ServiceChange, Why, place};
use crate::catalog::{Snapshot, Sold};
use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::money::{Percent, Rate};

/// Something dangerous that an edit would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Danger {
    /// A service costs more than it is sold for.
    Loss(Sale),
    /// A sale leaves less than the margin's floor.
    BelowFloor(Sale, Percent),
    /// A price moves further than the version in force allows without a person.
    PriceJump {
        /// The service, its buyer and the new price.
        sale: Sale,
        /// The price now.
        from: Rate,
        /// What is allowed.
        jump: Percent,
    },
    /// A service with open orders can be sold no more, so nobody else can take them over.
    NoRoute {
        /// Our id of it.
        service: ServiceId,
        /// Its name.
        name: String,
        /// Its open orders.
        orders: u64,
        /// Why it cannot be sold.
        why: String,
    },
    /// A service with open orders is written no more.
    ServiceRemoved {
        /// Our id of it.
        service: ServiceId,
        /// Its name.
        name: String,
        /// Its open orders.
        orders: u64,
    },
    /// A panel with open orders is written no more.
    PanelRemoved {
        /// Which.
        provider: ProviderId,
        /// Its open legs.
        legs: u64,
    },
    /// A panel with open orders becomes another account.
    AccountChanged {
        /// Which.
        provider: ProviderId,
        /// The keys of its block that say so.
        keys: Vec<&'static str>,
        /// Its open legs.
        legs: u64,
    },
    /// A markup takes something off.
    NegativePercent(String),
}

/// Who buys what for how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Our id of the service.
    pub service: ServiceId,
    /// Its name.
    pub name: String,
    /// Who pays the price.
    pub who: Who,
    /// The price and the cost after the edit.
    pub offer: Offer,
    /// The route that costs it.
    pub route: String,
}

/// Which danger, for groups and scripts; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Danger::Loss`]
    Loss,
    /// [`Danger::BelowFloor`]
    BelowFloor,
    /// [`Danger::NegativePercent`]
    NegativePercent,
    /// [`Danger::PriceJump`]
    PriceJump,
    /// [`Danger::PanelRemoved`]
    PanelRemoved,
    /// [`Danger::AccountChanged`]
    AccountChanged,
    /// [`Danger::ServiceRemoved`]
    ServiceRemoved,
    /// [`Danger::NoRoute`]
    NoRoute,
}

impl Kind {
    /// The word that documents use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::BelowFloor => "below_floor",
            Self::NegativePercent => "negative_percent",
            Self::PriceJump => "price_jump",
            Self::PanelRemoved => "panel_removed",
            Self::AccountChanged => "account_changed",
            Self::ServiceRemoved => "service_removed",
            Self::NoRoute => "no_route",
        }
    }

    /// What a group of them is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "sold at a loss",
            Self::BelowFloor => "sold below the margin's floor",
            Self::NegativePercent => "markups that take something off",
            Self::PriceJump => "prices that jump",
            Self::PanelRemoved => "panels removed that have open orders",
            Self::AccountChanged => "other accounts at panels that have open orders",
            Self::ServiceRemoved => "services removed that have open orders",
            Self::NoRoute => "services with open orders that nobody would deliver",
        }
    }
}

impl Danger {
    /// Which it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Loss(_) => Kind::Loss,
            Self::BelowFloor(..) => Kind::BelowFloor,
            Self::PriceJump { .. } => Kind::PriceJump,
            Self::NoRoute { .. } => Kind::NoRoute,
            Self::ServiceRemoved { .. } => Kind::ServiceRemoved,
            Self::PanelRemoved { .. } => Kind::PanelRemoved,
            Self::AccountChanged { .. } => Kind::AccountChanged,
            Self::NegativePercent(_) => Kind::NegativePercent,
        }
    }

    /// The service that it is about.
    pub fn service(&self) -> Option<ServiceId> {
        match self {
            Self::Loss(sale) | Self::BelowFloor(sale, _) | Self::PriceJump { sale, .. } => Some(sale.service),
            Self::NoRoute { service, .. } | Self::ServiceRemoved { service, .. } => Some(*service),
            Self::PanelRemoved { .. } | Self::AccountChanged { .. } | Self::NegativePercent(_) => None,
        }
    }

    /// Whose price it is about.
    pub fn who(&self) -> Option<&Who> {
        match self {
            Self::Loss(sale) | Self::BelowFloor(sale, _) | Self::PriceJump { sale, .. } => Some(&sale.who),
            Self::NoRoute { .. }
            | Self::ServiceRemoved { .. }
            | Self::PanelRemoved { .. }
            | Self::AccountChanged { .. }
            | Self::NegativePercent(_) => None,
        }
    }

    /// The panel that it is about.
    pub fn provider(&self) -> Option<&ProviderId> {
        match self {
            Self::PanelRemoved { provider, .. } | Self::AccountChanged { provider, .. } => Some(provider),
            Self::Loss(_)
            | Self::BelowFloor(..)
            | Self::PriceJump { .. }
            | Self::NoRoute { .. }
            | Self::ServiceRemoved { .. }
            | Self::NegativePercent(_) => None,
        }
    }
}

impl fmt::Display for Sale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {} {:?}", self.service, self.name)?;
        match &self.who {
            Who::Everybody => Ok(()),
            Who::Named { .. } => write!(f, " for {}", self.who),
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(sale) => {
                let (Offer { price, cost }, route) = (sale.offer, &sale.route);
                write!(
                    f,
                    "{sale}: sold for {price}, costs {cost} at {route}; raise the price or route it to a cheaper panel"
                )
            }
            Self::BelowFloor(sale, floor) => {
                let (Offer { price, cost }, route) = (sale.offer, &sale.route);
                let left = sale.offer.margin().unwrap_or_default();
                write!(
                    f,
                    "{sale}: sold for {price}, costs {cost} at {route}, leaves {left} %, below floor_percent {floor}; \
                     raise the price, route it to a cheaper panel, or lower the floor"
                )
            }
            Self::PriceJump { sale, from, jump } => {
                let (to, moved) = (sale.offer.price, from.moved_to(sale.offer.price).unwrap_or_default());
                let plus = if to > *from { "+" } else { "" };
                write!(
                    f,
                    "{sale}: {from} → {to} ({plus}{moved} %), more than price_jump_percent {jump}; check the price and \
                     what it is made from"
                )
            }
            Self::NoRoute { service, name, orders, why } => {
                write!(
                    f,
                    "service {service} {name:?}: {orders} open, and then {why}; keep a route that can deliver them, or \
                     wait until they are over"
                )
            }
            Self::ServiceRemoved { service, name, orders } => {
                write!(f, "service {service} {name:?}: {orders} open; keep its block until they are over")
            }
            Self::PanelRemoved { provider, legs } => write!(
                f,
                "provider \"{provider}\": {legs} open there; take it from the services' routes, and keep its block until \
                 they are over"
            ),
            Self::AccountChanged { provider, keys, legs } => write!(
                f,
                "provider \"{provider}\": {legs} open there, and another {} may not know them; write the new account as \
                 another [[provider]], and keep this block until they are over",
                keys.join(", ")
            ),
            Self::NegativePercent(rule) => {
                write!(f, "{rule}: a percent below zero sells below cost; raise it, or remove the [[markup]]")
            }
        }
    }
}

/// Everything dangerous about going from one side to the other, the gravest kind first.
pub(super) fn between(
    (old, old_mapping): (&Snapshot, &Mapping),
    (new, new_mapping): (&Snapshot, &Mapping),
    (services, panels): (&[ServiceChange], &[PanelChange]),
    buyers: &Buyers<'_>,
) -> Vec<Danger> {
    // By the old setting: an edit cannot wave itself through.
    let (jump, floors) = (old_mapping.price_jump, (old_mapping.margin_floor, new_mapping.margin_floor));
    let mut dangers = Vec::new();
    for sold in new.sold.values() {
        dangers.extend(of_sale(old.sold.get(&sold.id).map(AsRef::as_ref), sold, floors, jump, buyers));
    }
    dangers.extend(services.iter().filter_map(of_service));
    dangers.extend(panels.iter().filter_map(of_panel));
    let negative = new_mapping.markups.iter().filter(|rule| rule.percent.is_negative());
    let negative = negative.filter(|rule| !old_mapping.markups.contains(rule));
    dangers.extend(negative.map(|rule| Danger::NegativePercent(rule.to_string())));
    dangers.sort_by_key(Danger::kind);
    dangers
}

/// What a sale leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Enough,
    BelowFloor,
    Loss,
}

fn verdict(offer: Offer, floor: Percent) -> Verdict {
    if offer.price < offer.cost {
        return Verdict::Loss;
    }
    let keeps = offer.price.for_package().keeps_margin(offer.cost.for_package(), floor);
    if keeps { Verdict::Enough } else { Verdict::BelowFloor }
}

fn of_sale(
    before: Option<&Sold>,
    sold: &Sold,
    (was, floor): (Percent, Percent),
    jump: Percent,
    buyers: &Buyers<'_>,
) -> Vec<Danger> {
    let sale = |who: Who, offer: Offer| {
        let priced = sold.routes.iter().find(|(_, cost)| *cost == Some(offer.cost)).or(sold.routes.first());
        let route = priced.map(|(route, _)| place(route)).unwrap_or_default();
        Sale { service: sold.id, name: sold.name.clone(), who, offer, route }
    };
    let margin = |who: Who, offer: Offer| match verdict(offer, floor) {
        Verdict::Enough => None,
        Verdict::BelowFloor => Some(Danger::BelowFloor(sale(who, offer), floor)),
        Verdict::Loss => Some(Danger::Loss(sale(who, offer))),
    };
    let Some(before) = before else {
        return buyers.offers(sold).into_iter().filter_map(|(who, offer)| margin(who, offer)).collect();
    };
    let mut dangers = Vec::new();
    for (who, old, new) in buyers.pairs(before, sold) {
        if old != new || verdict(old, was) != verdict(new, floor) {
            dangers.extend(margin(who.clone(), new));
        }
        if old.price.moves_more_than(jump, new.price) {
            dangers.push(Danger::PriceJump { sale: sale(who, new), from: old.price, jump });
        }
    }
    dangers
}

fn of_service(service: &ServiceChange) -> Option<Danger> {
    let (id, name, orders) = (service.id, service.name.clone(), service.open_orders);
    if orders == 0 {
        return None;
    }
    match &service.change {
        Change::Gone { why: Why::Removed, .. } | Change::Dropped => {
            Some(Danger::ServiceRemoved { service: id, name, orders })
        }
        Change::Gone { why: Why::Unsold(why), .. } => {
            Some(Danger::NoRoute { service: id, name, orders, why: why.clone() })
        }
        Change::Added(_) | Change::Changed(_) | Change::NotSold { .. } => None,
    }
}

fn of_panel(panel: &PanelChange) -> Option<Danger> {
    let (provider, legs) = (panel.id.clone(), panel.open_legs);
    if legs == 0 {
        return None;
    }
    match &panel.edit {
        PanelEdit::Added => None,
        PanelEdit::Removed => Some(Danger::PanelRemoved { provider, legs }),
        PanelEdit::Changed(keys) => {
            let keys: Vec<_> = keys.iter().filter(|key| key.is_of_account()).map(|key| key.key).collect();
            (!keys.is_empty()).then_some(Danger::AccountChanged { provider, keys, legs })
        }
    }
}
