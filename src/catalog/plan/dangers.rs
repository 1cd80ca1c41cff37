//! What of an edit may be a slip of the finger that costs money: such an edit waits for a person's
//! word.
//!
//! Only what the edit brings is dangerous. What was so before and stays as it was has had its word.

use crate::catalog::plan::buyers::{Buyers, Payer};
use crate::catalog::plan::judges::Judges;
use crate::catalog::plan::panels::{PanelChange, PanelEdit};
use crate::catalog::plan::services::{Change, PlannedOffer, ServiceChange, Why};
use crate::catalog::plan::unseen::{self, EditSide};
use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::money::{Money, Percent, Rate};

/// Something dangerous that an edit would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Danger {
    /// A service costs more than it is sold for.
    Loss(PlannedSale),
    /// A sale leaves less than the margin's floor.
    BelowFloor(PlannedSale, Percent),
    /// A price moves further than the version in force allows without a person.
    PriceJump {
        /// The service, its buyer and the new price.
        sale: PlannedSale,
        /// The price now.
        from: Rate,
        /// What is allowed.
        jump: Percent,
    },
    /// What one package is sold for moves further than that, because it is billed otherwise.
    PackageJump {
        /// The service, its buyer and the new price.
        sale: PlannedSale,
        /// The charge now, and after.
        charges: (Money, Money),
        /// What is allowed.
        jump: Percent,
    },
    /// What a route costs moves further than that by the edit alone, and no price tells of it.
    CostJump {
        /// The service, its buyer and the price, with the new cost and the route that it is of.
        sale: PlannedSale,
        /// The cost now.
        from: Rate,
        /// What is allowed.
        jump: Percent,
    },
    /// Something is sold as soon as it is known what it costs, and then for less than the floor, or
    /// nobody knows.
    Unseen {
        /// Our id of it, where it is a service.
        service: Option<ServiceId>,
        /// What, in words.
        what: String,
        /// What decides its price.
        written: Written,
    },
    /// So many customers and tiers whose rules differ were not compared.
    BuyersLeftOut(usize),
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

/// What decides the price of something that nothing is known of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// This price, whatever it costs.
    Rate(Rate),
    /// This price, once a panel lists it as the type that its block says.
    OtherType(Rate),
    /// This rule may, or there may be none, and less than this floor is left.
    Markup(String, Percent),
}

/// Who buys what for how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSale {
    /// Our id of the service.
    pub service: ServiceId,
    /// Its name.
    pub name: String,
    /// Who pays the price.
    pub who: Payer,
    /// The price and the cost after the edit.
    pub offer: PlannedOffer,
    /// The route that costs it.
    pub route: String,
}

/// Which danger, for groups and scripts; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DangerKind {
    /// [`Danger::Loss`]
    Loss,
    /// [`Danger::BelowFloor`]
    BelowFloor,
    /// [`Danger::NegativePercent`]
    NegativePercent,
    /// [`Danger::PriceJump`] and [`Danger::PackageJump`]
    PriceJump,
    /// [`Danger::CostJump`]
    CostJump,
    /// [`Danger::Unseen`]
    Unseen,
    /// [`Danger::BuyersLeftOut`]
    BuyersLeftOut,
    /// [`Danger::PanelRemoved`]
    PanelRemoved,
    /// [`Danger::AccountChanged`]
    AccountChanged,
    /// [`Danger::ServiceRemoved`]
    ServiceRemoved,
    /// [`Danger::NoRoute`]
    NoRoute,
}

impl DangerKind {
    /// The word that documents use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::BelowFloor => "below_floor",
            Self::NegativePercent => "negative_percent",
            Self::PriceJump => "price_jump",
            Self::CostJump => "cost_jump",
            Self::Unseen => "unseen",
            Self::BuyersLeftOut => "buyers_left_out",
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
            Self::CostJump => "costs that jump under prices that stay",
            Self::Unseen => "prices that cannot be judged yet",
            Self::BuyersLeftOut => "prices that were not compared",
            Self::PanelRemoved => "panels removed that have open orders",
            Self::AccountChanged => "other accounts at panels that have open orders",
            Self::ServiceRemoved => "services removed that have open orders",
            Self::NoRoute => "services with open orders that nobody would deliver",
        }
    }
}

impl Danger {
    /// Which it is.
    pub fn kind(&self) -> DangerKind {
        match self {
            Self::Loss(_) => DangerKind::Loss,
            Self::BelowFloor(..) => DangerKind::BelowFloor,
            Self::PriceJump { .. } | Self::PackageJump { .. } => DangerKind::PriceJump,
            Self::CostJump { .. } => DangerKind::CostJump,
            Self::Unseen { .. } => DangerKind::Unseen,
            Self::BuyersLeftOut(_) => DangerKind::BuyersLeftOut,
            Self::NoRoute { .. } => DangerKind::NoRoute,
            Self::ServiceRemoved { .. } => DangerKind::ServiceRemoved,
            Self::PanelRemoved { .. } => DangerKind::PanelRemoved,
            Self::AccountChanged { .. } => DangerKind::AccountChanged,
            Self::NegativePercent(_) => DangerKind::NegativePercent,
        }
    }

    /// The service that it is about.
    pub fn service(&self) -> Option<ServiceId> {
        match self {
            Self::Loss(sale)
            | Self::BelowFloor(sale, _)
            | Self::PriceJump { sale, .. }
            | Self::PackageJump { sale, .. }
            | Self::CostJump { sale, .. } => Some(sale.service),
            Self::NoRoute { service, .. } | Self::ServiceRemoved { service, .. } => Some(*service),
            Self::Unseen { service, .. } => *service,
            Self::PanelRemoved { .. }
            | Self::AccountChanged { .. }
            | Self::BuyersLeftOut(_)
            | Self::NegativePercent(_) => None,
        }
    }

    /// Whose price it is about.
    pub fn who(&self) -> Option<&Payer> {
        match self {
            Self::Loss(sale)
            | Self::BelowFloor(sale, _)
            | Self::PriceJump { sale, .. }
            | Self::PackageJump { sale, .. } => Some(&sale.who),
            Self::NoRoute { .. }
            | Self::CostJump { .. }
            | Self::Unseen { .. }
            | Self::BuyersLeftOut(_)
            | Self::ServiceRemoved { .. }
            | Self::PanelRemoved { .. }
            | Self::AccountChanged { .. }
            | Self::NegativePercent(_) => None,
        }
    }

    /// The panel that it is about.
    pub fn provider(&self) -> Option<&ProviderId> {
        match self {
            Self::PanelRemoved { provider, .. } | Self::AccountChanged { provider, .. } => {
                Some(provider)
            }
            Self::Loss(_)
            | Self::BelowFloor(..)
            | Self::PriceJump { .. }
            | Self::PackageJump { .. }
            | Self::CostJump { .. }
            | Self::Unseen { .. }
            | Self::BuyersLeftOut(_)
            | Self::NoRoute { .. }
            | Self::ServiceRemoved { .. }
            | Self::NegativePercent(_) => None,
        }
    }
}

/// What an edit changes of services and of panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changes<'a> {
    pub(super) services: &'a [ServiceChange],
    pub(super) panels: &'a [PanelChange],
}

/// Everything dangerous about an edit of what is in force, the gravest kind first.
pub(super) fn of_edit(
    old: EditSide<'_>,
    new: EditSide<'_>,
    changes: Changes<'_>,
    buyers: &Buyers<'_>,
) -> Vec<Danger> {
    let mut dangers = compare_dangers(old, new, changes, buyers);
    dangers.extend(unseen::unseen_dangers(
        old,
        new,
        &Judges::of(old.mapping, new.mapping),
        buyers,
    ));

    if buyers.left_out_changed > 0 {
        dangers.push(Danger::BuyersLeftOut(buyers.left_out_changed));
    }

    dangers.sort_by_key(Danger::kind);
    dangers
}

/// Everything dangerous about what is sold on the one side and on the other, the gravest kind
/// first.
pub(super) fn compare_dangers(
    old: EditSide<'_>,
    new: EditSide<'_>,
    changes: Changes<'_>,
    buyers: &Buyers<'_>,
) -> Vec<Danger> {
    let judges = Judges::of(old.mapping, new.mapping);
    let mut dangers = Vec::new();
    for sold in new.snapshot.sold.values() {
        let before = old.snapshot.sold.get(&sold.id).map(AsRef::as_ref);
        dangers.extend(judges.of_sale(before, sold, buyers));
    }

    dangers.extend(changes.services.iter().filter_map(of_service));
    dangers.extend(changes.panels.iter().filter_map(of_panel));
    let negative = new
        .mapping
        .markups
        .iter()
        .filter(|rule| rule.percent.is_negative());

    let negative = negative.filter(|rule| !old.mapping.markups.contains(rule));
    dangers.extend(negative.map(|rule| Danger::NegativePercent(rule.to_string())));
    dangers.sort_by_key(Danger::kind);

    dangers
}

fn of_service(service: &ServiceChange) -> Option<Danger> {
    let (id, name, orders) = (service.id, service.name.clone(), service.open_orders);
    if orders == 0 {
        return None;
    }

    match &service.change {
        Change::Gone {
            why: Why::Removed, ..
        }
        | Change::Dropped => Some(Danger::ServiceRemoved {
            service: id,
            name,
            orders,
        }),
        Change::Gone {
            why: Why::Unsold(why),
            ..
        } => Some(Danger::NoRoute {
            service: id,
            name,
            orders,
            why: why.clone(),
        }),
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
            let keys: Vec<_> = keys
                .iter()
                .filter(|key| key.is_of_account())
                .map(|key| key.key)
                .collect();

            (!keys.is_empty()).then_some(Danger::AccountChanged {
                provider,
                keys,
                legs,
            })
        }
    }
}
