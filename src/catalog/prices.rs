//! What somebody pays: everybody's price, but where a rule of the buyer's own, or of the buyer's
//! tier, speaks.

use std::borrow::Cow;

use crate::catalog::{Service, Snapshot};
use crate::domain::customer::Buyer;
use crate::domain::money::Rate;
use crate::pricing::markup::{MarkupRule, NamedCustomer, Priced};
use crate::pricing::{self, Price};

/// The prices of one buyer. Buyers of whom the same rules speak have the same.
#[derive(Clone, Debug)]
pub struct Prices<'a> {
    snapshot: &'a Snapshot,
    own: Vec<usize>,
}

impl Snapshot {
    /// What everybody pays of whom no rule speaks.
    pub fn prices(&self) -> Prices<'_> {
        Prices {
            snapshot: self,
            own: Vec::new(),
        }
    }

    /// What this buyer pays.
    pub fn prices_for(&self, buyer: Buyer<'_>) -> Prices<'_> {
        Prices {
            snapshot: self,
            own: self.rules.of(buyer),
        }
    }

    /// What somebody pays of whom only this is known.
    pub fn prices_for_whom(
        &self,
        customer: Option<&NamedCustomer>,
        tier: Option<&str>,
    ) -> Prices<'_> {
        Prices {
            snapshot: self,
            own: self.rules.of_whom(customer, tier),
        }
    }
}

impl<'a> Prices<'a> {
    /// What they are prices of.
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// The numbers of the rules that make them other than everybody's; none: they are everybody's.
    pub fn own_rules(&self) -> &[usize] {
        &self.own
    }

    /// The rules that make them other than everybody's, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = &'a MarkupRule> {
        let rules = self.snapshot.rules.particular();
        self.own.iter().map(|number| &rules[*number])
    }

    /// What a service costs the buyer, and why; `None` where the buyer's own rule leaves no price
    /// that can be charged, and so nothing is sold.
    pub fn of(&self, sold: &'a Service) -> Option<Cow<'a, Price>> {
        let Some(rule) = self.rule(sold) else {
            return Some(Cow::Borrowed(&sold.price));
        };

        let rate = prices_under(rule, sold)?;
        Some(Cow::Owned(Price {
            rate,
            cost_rate: sold.price.cost_rate,
            rule: rule.to_string(),
        }))
    }

    /// The same without the words.
    pub fn rate_of(&self, sold: &Service) -> Option<Rate> {
        match self.rule(sold) {
            None => Some(sold.price.rate),
            Some(rule) => prices_under(rule, sold),
        }
    }

    /// The buyer's own rule that speaks for a service, where one does; over a fixed price none
    /// does.
    pub fn rule(&self, sold: &Service) -> Option<&'a MarkupRule> {
        if self.own.is_empty() {
            return None;
        }

        let provider = sold.marked_up.as_ref()?;
        let priced = Priced {
            service: sold.id,
            category: &sold.category,
            provider,
        };

        self.snapshot.rules.speaks(&self.own, priced)
    }
}

fn prices_under(rule: &MarkupRule, sold: &Service) -> Option<Rate> {
    pricing::price_under(rule, sold.price.cost_rate)
        .ok()
        .filter(|rate| *rate != Rate::default())
}
