//! Services before and after an edit: added, gone and why, changed in which ways.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::catalog::plan::buyers::{Buyers, Payer};
use crate::catalog::{Service, Snapshot};
use crate::domain::id::ServiceId;
use crate::domain::money::{Percent, Rate};
use crate::domain::service::{PackageBilling, Route};
use crate::store::open_orders::OpenOrders;

/// A service that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceChange {
    /// Our id of it.
    pub id: ServiceId,
    /// Its name after the edit, or before where it goes; empty where no panel told one.
    pub name: String,
    /// Its orders that are not over.
    pub open_orders: u64,
    /// How it differs.
    pub change: Change,
}

impl ServiceChange {
    /// Whether it is sold before and not after.
    pub fn is_gone(&self) -> bool {
        match &self.change {
            Change::Gone { .. } => true,
            Change::Added(_) | Change::Changed(_) | Change::NotSold { .. } | Change::Dropped => {
                false
            }
        }
    }
}

/// How a service differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sold from then on.
    Added(PlannedOffer),
    /// Sold no more.
    Gone {
        /// What it was sold as.
        was: PlannedOffer,
        /// Why.
        why: Why,
    },
    /// Sold before and after.
    Changed(Box<Difference>),
    /// Written and not sold, before neither, or not for this reason.
    NotSold {
        /// Why not.
        why: String,
    },
    /// Written no more; it was not sold.
    Dropped,
}

/// Why a service is sold no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The file no longer names it.
    Removed,
    /// It cannot be sold as it is written now.
    Unsold(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("the file no longer names it"),
            Self::Unsold(why) => f.write_str(why),
        }
    }
}

/// What a service is sold for, and what it costs us, per 1,000 units or per package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedOffer {
    /// The printed price.
    pub price: Rate,
    /// What the route costs that the price is made for.
    pub cost: Rate,
}

impl PlannedOffer {
    /// What a sale leaves, in percent of the price, rounded down to two decimals.
    pub fn margin(self) -> Option<Percent> {
        self.price.margin_over(self.cost)
    }
}

/// In which ways a service differs that is sold before and after; never in none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What customers see of it, and what its routes cost.
    pub fields: Vec<FieldChange>,
    /// What it is sold for.
    pub prices: Vec<Repriced>,
    /// Who may deliver it.
    pub routes: Option<RouteChange>,
}

impl Difference {
    fn is_none(&self) -> bool {
        self.fields.is_empty() && self.prices.is_empty() && self.routes.is_none()
    }
}

/// Something of a service that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// What, as the file calls it.
    pub what: String,
    /// Before.
    pub old: String,
    /// After.
    pub new: String,
}

/// A price or its cost that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repriced {
    /// Who pays it.
    pub who: Payer,
    /// Before.
    pub old: PlannedOffer,
    /// After.
    pub new: PlannedOffer,
}

impl Repriced {
    /// By how many percent the price moves, cut to two decimals.
    pub fn moved(&self) -> Option<Percent> {
        self.old.price.moved_to(self.new.price)
    }

    /// By how many points of a percent the margin shrinks; negative where it grows.
    pub fn margin_lost(&self) -> Option<Percent> {
        self.old.margin()?.minus(self.new.margin()?)
    }
}

/// Routes that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteChange {
    /// Only after.
    pub added: Vec<Route>,
    /// Only before.
    pub lost: Vec<Route>,
    /// Whether those that stay are asked in another order.
    pub reordered: bool,
}

/// A side's word about a service.
#[derive(Clone, Copy)]
enum Stand<'a> {
    Unwritten,
    Unsold(&'a str),
    Sold(&'a Service),
}

/// Every service that differs, by id.
pub(super) fn compare_services(
    old: &Snapshot,
    new: &Snapshot,
    buyers: &Buyers<'_>,
    open: &OpenOrders,
) -> Vec<ServiceChange> {
    let (olds, news) = (unsold(old), unsold(new));
    let sold = old.sold.keys().chain(new.sold.keys()).copied();
    let ids: BTreeSet<ServiceId> = sold
        .chain(olds.keys().chain(news.keys()).copied())
        .collect();

    let differs = |id: ServiceId| {
        let (before, after) = (stand(old, &olds, id), stand(new, &news, id));
        let change = change(before, after, buyers)?;

        let name = match (before, after) {
            (_, Stand::Sold(sold)) | (Stand::Sold(sold), Stand::Unwritten | Stand::Unsold(_)) => {
                sold.name.clone()
            }
            (Stand::Unwritten | Stand::Unsold(_), Stand::Unwritten | Stand::Unsold(_)) => {
                String::new()
            }
        };

        Some(ServiceChange {
            id,
            name,
            open_orders: open.of_service(id),
            change,
        })
    };

    ids.into_iter().filter_map(differs).collect()
}

fn unsold(snapshot: &Snapshot) -> BTreeMap<ServiceId, &str> {
    snapshot
        .unsold
        .iter()
        .map(|unsold| (unsold.id, unsold.why))
        .collect()
}

fn stand<'a>(
    snapshot: &'a Snapshot,
    unsold: &BTreeMap<ServiceId, &'a str>,
    id: ServiceId,
) -> Stand<'a> {
    match (snapshot.sold.get(&id), unsold.get(&id)) {
        (Some(sold), _) => Stand::Sold(sold),
        (None, Some(why)) => Stand::Unsold(why),
        (None, None) => Stand::Unwritten,
    }
}

fn change(before: Stand<'_>, after: Stand<'_>, buyers: &Buyers<'_>) -> Option<Change> {
    match (before, after) {
        (Stand::Unwritten | Stand::Unsold(_), Stand::Sold(sold)) => {
            Some(Change::Added(everybodys(sold)))
        }
        (Stand::Sold(was), Stand::Unwritten) => Some(Change::Gone {
            was: everybodys(was),
            why: Why::Removed,
        }),
        (Stand::Sold(was), Stand::Unsold(why)) => Some(Change::Gone {
            was: everybodys(was),
            why: Why::Unsold(why.to_owned()),
        }),
        (Stand::Sold(was), Stand::Sold(is)) => Some(difference(was, is, buyers))
            .filter(|difference| !difference.is_none())
            .map(Box::new)
            .map(Change::Changed),
        (Stand::Unsold(was), Stand::Unsold(is)) if was == is => None,
        (Stand::Unwritten | Stand::Unsold(_), Stand::Unsold(why)) => Some(Change::NotSold {
            why: why.to_owned(),
        }),
        (Stand::Unsold(_), Stand::Unwritten) => Some(Change::Dropped),
        (Stand::Unwritten, Stand::Unwritten) => None,
    }
}

fn difference(was: &Service, is: &Service, buyers: &Buyers<'_>) -> Difference {
    let routes = routes(was, is);
    Difference {
        fields: fields(was, is),
        prices: repriced(buyers.pairs(was, is)),
        routes,
    }
}

/// Everybody's price and cost.
pub(super) fn everybodys(sold: &Service) -> PlannedOffer {
    PlannedOffer {
        price: sold.price.rate,
        cost: sold.price.cost_rate,
    }
}

fn repriced(pairs: Vec<(Payer, PlannedOffer, PlannedOffer)>) -> Vec<Repriced> {
    let moved = pairs.into_iter().filter(|(_, old, new)| old != new);
    moved
        .map(|(who, old, new)| Repriced { who, old, new })
        .collect()
}

fn fields(was: &Service, is: &Service) -> Vec<FieldChange> {
    let billing = |sold: &Service| match sold.package_billing {
        PackageBilling::Rate => "rate",
        PackageBilling::Min => "min",
    };

    // Where the price differs, its old and new rule would say the same once more.
    let rule = if was.price.rate == is.price.rate {
        &is.price.rule
    } else {
        &was.price.rule
    };

    let own = [
        field("name", &*was.name, &*is.name),
        field("type", was.kind.name(), is.kind.name()),
        field("category", &*was.category, &*is.category),
        field("min", was.min, is.min),
        field("max", was.max, is.max),
        field("refill", was.refill, is.refill),
        field("cancel", was.cancel, is.cancel),
        field("package_billing", billing(was), billing(is)),
        field(
            "strategy",
            was.routing.strategy.as_str(),
            is.routing.strategy.as_str(),
        ),
        field("priced by", &*was.price.rule, &**rule),
    ];

    own.into_iter()
        .flatten()
        .chain(costs(was, is))
        .chain(weights(was, is))
        .collect()
}

/// What does not differ, as nearly everything does in a large file, is not written out.
fn field<T: PartialEq + ToString>(what: &str, old: T, new: T) -> Option<FieldChange> {
    (old != new).then(|| FieldChange {
        what: what.to_owned(),
        old: old.to_string(),
        new: new.to_string(),
    })
}

/// Routes of both sides that weigh something else.
fn weights(was: &Service, is: &Service) -> Vec<FieldChange> {
    let stay = is
        .routes
        .iter()
        .map(|(route, _)| route)
        .filter(|route| was.routes.iter().any(|(other, _)| other == *route));

    let weighed = |route: &Route| {
        let (old, new) = (was.routing.weight(route), is.routing.weight(route));
        (old != new).then(|| FieldChange {
            what: format!("weight of {}", place(route)),
            old: old.to_string(),
            new: new.to_string(),
        })
    };

    stay.filter_map(weighed).collect()
}

/// Routes of both sides that cost something else, as they do after an edit of `[exchange]`.
fn costs(was: &Service, is: &Service) -> Vec<FieldChange> {
    let shown =
        |rate: Option<Rate>| rate.map_or_else(|| "unknown".to_owned(), |rate| rate.to_string());

    let moved = is.routes.iter().filter_map(|(route, cost)| {
        let (_, before) = was.routes.iter().find(|(other, _)| other == route)?;
        let told = || FieldChange {
            what: format!("cost at {}", place(route)),
            old: shown(*before),
            new: shown(*cost),
        };

        (before != cost).then(told)
    });

    moved.collect()
}

fn routes<'a>(was: &'a Service, is: &'a Service) -> Option<RouteChange> {
    let (olds, news): (Vec<&Route>, Vec<&Route>) = (
        was.routes.iter().map(|(route, _)| route).collect(),
        is.routes.iter().map(|(route, _)| route).collect(),
    );

    let stay = |one: &[&'a Route], other: &[&Route]| -> Vec<&'a Route> {
        one.iter()
            .copied()
            .filter(|route| other.contains(route))
            .collect()
    };

    let change = RouteChange {
        added: news
            .iter()
            .filter(|route| !olds.contains(route))
            .map(|route| (*route).clone())
            .collect(),
        lost: olds
            .iter()
            .filter(|route| !news.contains(route))
            .map(|route| (*route).clone())
            .collect(),
        reordered: stay(&olds, &news) != stay(&news, &olds),
    };

    (change != RouteChange::default()).then_some(change)
}

/// A route as people write it.
pub(super) fn place(route: &Route) -> String {
    format!("{}:{}", route.provider, route.service)
}
