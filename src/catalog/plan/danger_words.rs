//! Dangers of an edit, as the sentences that people read.

use std::fmt;

use crate::catalog::plan::buyers::Payer;
use crate::catalog::plan::dangers::{Danger, PlannedSale, Written};
use crate::catalog::plan::judges::charge;
use crate::catalog::plan::services::PlannedOffer;
use crate::domain::money::{Percent, Rate};

impl fmt::Display for PlannedSale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {} {:?}", self.service, self.name)?;
        match &self.who {
            Payer::Everybody => Ok(()),
            Payer::Named { .. } => write!(f, " for {}", self.who),
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(
                f,
                "nobody can tell now what it costs, and it is sold for {rate} as soon as its \
                 panel says so; check the rate, or let a [[markup]] make it"
            ),
            Self::OtherType(rate) => write!(
                f,
                "no route's panel lists it as the type that its block says, and it is sold for \
                 {rate} as soon as one does; correct the type or the routes"
            ),
            Self::Markup(rule, floor) => write!(
                f,
                "nobody can tell now what it costs, and whatever that is, it may be sold by \
                 {rule}, which leaves less than floor_percent {floor}; write a [[markup]] that \
                 leaves more"
            ),
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(sale) => write_loss(f, sale),
            Self::BelowFloor(sale, floor) => write_below_floor(f, sale, *floor),
            Self::PriceJump { sale, from, jump } => write!(
                f,
                "{sale}: {}, more than price_jump_percent {jump}; check the price and what it is \
                 made from",
                step(*from, sale.offer.price)
            ),
            Self::PackageJump {
                sale,
                charges: (from, to),
                jump,
            } => write!(
                f,
                "{sale}: {} for a package, more than price_jump_percent {jump}; check \
                 package_billing and min",
                step(charge(*from), charge(*to))
            ),
            Self::CostJump { sale, from, jump } => write!(
                f,
                "{sale}: costs {} at {}, more than price_jump_percent {jump}, and is sold for {}; \
                 check [exchange] and the panel's currency",
                step(*from, sale.offer.cost),
                sale.route,
                sale.offer.price
            ),
            Self::Unseen { what, written, .. } => write!(f, "{what}: {written}"),
            Self::BuyersLeftOut(count) => write!(
                f,
                "the prices of {count} customers and tiers whose [[markup]] differs were not \
                 compared; change the rules of fewer at once"
            ),
            Self::NoRoute {
                service,
                name,
                orders,
                why,
            } => {
                write!(
                    f,
                    "service {service} {name:?}: {orders} open, and then {why}; keep a route that \
                     can deliver them, or wait until they are over"
                )
            }
            Self::ServiceRemoved {
                service,
                name,
                orders,
            } => {
                write!(
                    f,
                    "service {service} {name:?}: {orders} open; keep its block until they are over"
                )
            }
            Self::PanelRemoved { provider, legs } => write!(
                f,
                "provider \"{provider}\": {legs} open there; take it from the services' routes, \
                 and keep its block until they are over"
            ),
            Self::AccountChanged {
                provider,
                keys,
                legs,
            } => write!(
                f,
                "provider \"{provider}\": {legs} open there or ended within three days, and \
                 another {} may not know them; write the new account as another [[provider]], and \
                 keep this block until they are over",
                keys.join(", ")
            ),
            Self::NegativePercent(rule) => write!(
                f,
                "{rule}: a percent below zero sells below cost; raise it, or remove the [[markup]]"
            ),
        }
    }
}

fn write_loss(f: &mut fmt::Formatter<'_>, sale: &PlannedSale) -> fmt::Result {
    let (PlannedOffer { price, cost }, route) = (sale.offer, &sale.route);
    write!(
        f,
        "{sale}: sold for {price}, costs {cost} at {route}; raise the price or route it to a \
         cheaper panel"
    )
}

fn write_below_floor(
    f: &mut fmt::Formatter<'_>,
    sale: &PlannedSale,
    floor: Percent,
) -> fmt::Result {
    let (PlannedOffer { price, cost }, route) = (sale.offer, &sale.route);
    let left = sale.offer.margin().unwrap_or_default();

    write!(
        f,
        "{sale}: sold for {price}, costs {cost} at {route}, leaves {left} %, below floor_percent \
         {floor}; raise the price, route it to a cheaper panel, or lower the floor"
    )
}

/// `0.90 → 1.80 (+100 %)`
fn step(from: Rate, to: Rate) -> String {
    let (moved, plus) = (
        from.moved_to(to).unwrap_or_default(),
        if to > from { "+" } else { "" },
    );
    format!("{from} → {to} ({plus}{moved} %)")
}
