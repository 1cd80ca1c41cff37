//! Who pays prices of their own, before an edit or after it.

use std::collections::HashSet;
use std::fmt;

use crate::catalog::plan::services::{PlannedOffer, everybodys};
use crate::catalog::prices::Prices;
use crate::catalog::{Service, Snapshot};
use crate::pricing::markup::{self, MarkupRule, Scope};

/// Buyers whose prices are compared, those first whose rules differ.
pub const BUYERS_MAX: usize = 100;

/// Who pays a price.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// Everybody who has no price of their own.
    Everybody,
    /// Whom a markup names. Of a customer without a tier here, the rules for tiers are not heard:
    /// which tier it is in, the file does not say.
    Named {
        /// The customer, as the rule calls it.
        customer: Option<markup::NamedCustomer>,
        /// The tier.
        tier: Option<String>,
    },
}

impl fmt::Display for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody"),
            Self::Named { customer, tier } => {
                let scope = Scope {
                    customer: customer.clone(),
                    tier: tier.clone(),
                    ..Scope::default()
                };

                write!(f, "{scope}")
            }
        }
    }
}

/// One of those whom rules name, with both sides' prices.
pub(super) struct NamedBuyer<'a> {
    who: Payer,
    is_customer: bool,
    before: Prices<'a>,
    after: Prices<'a>,
}

/// Everybody whom the rules of either side name, as far as they are compared.
pub(super) struct Buyers<'a> {
    compared: Vec<NamedBuyer<'a>>,
    /// How many are not.
    pub left_out: usize,
    /// How many of these are of rules that differ.
    pub left_out_changed: usize,
}

impl<'a> Buyers<'a> {
    pub fn of(old: &'a Snapshot, new: &'a Snapshot) -> Self {
        let mut known = HashSet::new();
        let mut found = Vec::new();

        for rule in new.rules.particular().iter().chain(old.rules.particular()) {
            let (customer, tier) = (&rule.scope.customer, &rule.scope.tier);
            if !known.insert((customer, tier)) {
                continue;
            }

            let prices =
                |side: &'a Snapshot| side.prices_for_whom(customer.as_ref(), tier.as_deref());

            found.push(NamedBuyer {
                who: Payer::Named {
                    customer: customer.clone(),
                    tier: tier.clone(),
                },
                is_customer: customer.is_some(),
                before: prices(old),
                after: prices(new),
            });
        }

        // Stable: those whose rules differ come first, each kind in the order of the files.
        found.sort_by_key(|buyer| buyer.before.rules().eq(buyer.after.rules()));
        let behind = found.split_off(found.len().min(BUYERS_MAX));
        let left_out_changed = behind
            .iter()
            .filter(|buyer| !buyer.before.rules().eq(buyer.after.rules()))
            .count();

        Self {
            compared: found,
            left_out: behind.len(),
            left_out_changed,
        }
    }

    /// What each who pays a price of their own, before or after, paid before and pays after;
    /// everybody first.
    pub fn pairs(&self, was: &Service, is: &Service) -> Vec<(Payer, PlannedOffer, PlannedOffer)> {
        let own = self.compared.iter().filter(|buyer| {
            buyer.is_named_by(&buyer.before, was) || buyer.is_named_by(&buyer.after, is)
        });

        let own = own.filter_map(|buyer| {
            Some((
                buyer.who.clone(),
                offer(&buyer.before, was)?,
                offer(&buyer.after, is)?,
            ))
        });

        std::iter::once((Payer::Everybody, everybodys(was), everybodys(is)))
            .chain(own)
            .collect()
    }

    /// What each pays after the edit; everybody first.
    pub fn offers(&self, is: &Service) -> Vec<(Payer, PlannedOffer)> {
        let own = self
            .compared
            .iter()
            .filter(|buyer| buyer.is_named_by(&buyer.after, is));

        let own = own.filter_map(|buyer| Some((buyer.who.clone(), offer(&buyer.after, is)?)));
        std::iter::once((Payer::Everybody, everybodys(is)))
            .chain(own)
            .collect()
    }
}

impl NamedBuyer<'_> {
    /// Whether a rule for the customer speaks, or for a tier one for the tier: what a customer pays
    /// by the rules of a tier is told of the tier.
    fn is_named_by(&self, prices: &Prices<'_>, sold: &Service) -> bool {
        prices
            .rule(sold)
            .is_some_and(|rule: &MarkupRule| rule.scope.customer.is_some() == self.is_customer)
    }
}

/// `None` where the buyer's rule leaves no price.
fn offer(prices: &Prices<'_>, sold: &Service) -> Option<PlannedOffer> {
    Some(PlannedOffer {
        price: prices.rate_of(sold)?,
        cost: sold.price.cost_rate,
    })
}
