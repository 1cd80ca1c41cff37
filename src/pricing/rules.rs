//! All markup rules of a file, laid out by whom they speak for: a buyer's own are found without
//! reading everybody's.

use std::collections::{BTreeSet, HashMap};

use crate::domain::customer::Buyer;
use crate::domain::id::CustomerId;
use crate::domain::limit::STANDARD_TIER;
use crate::pricing::markup::{MarkupRule, NamedCustomer, Priced, rule_speaks};

/// The rules, each in the order of the file among its own kind.
#[derive(Clone, Debug, Default)]
pub struct PriceRules {
    /// They say nothing of who buys.
    everybodys: Vec<MarkupRule>,
    /// They say who buys, or of which tier; the rest are their numbers.
    particular: Vec<MarkupRule>,
    of_id: HashMap<CustomerId, Vec<usize>>,
    of_name: HashMap<String, Vec<usize>>,
    of_tier: HashMap<String, Vec<usize>>,
    /// The tiers that the file knows; customers of any other count as standard.
    tiers: BTreeSet<String>,
}

impl PriceRules {
    /// Lays the rules of a file out.
    pub fn new<'t>(rules: &[MarkupRule], tiers: impl IntoIterator<Item = &'t String>) -> Self {
        let mut laid = Self {
            tiers: tiers.into_iter().cloned().collect(),
            ..Self::default()
        };

        for rule in rules {
            let numbers = match (&rule.scope.customer, &rule.scope.tier) {
                (Some(NamedCustomer::Id(id)), _) => laid.of_id.entry(*id).or_default(),
                (Some(NamedCustomer::Name(name)), _) => {
                    laid.of_name.entry(name.clone()).or_default()
                }
                (None, Some(tier)) => laid.of_tier.entry(tier.clone()).or_default(),
                (None, None) => {
                    laid.everybodys.push(rule.clone());
                    continue;
                }
            };

            numbers.push(laid.particular.len());
            laid.particular.push(rule.clone());
        }

        laid
    }

    /// Those that speak for everybody.
    pub fn everybodys(&self) -> &[MarkupRule] {
        &self.everybodys
    }

    /// Those that name a customer or a tier.
    pub fn particular(&self) -> &[MarkupRule] {
        &self.particular
    }

    /// The numbers of the rules that speak for this buyer and not for everybody, in the order of
    /// the file.
    pub fn of(&self, buyer: Buyer<'_>) -> Vec<usize> {
        if self.particular.is_empty() {
            return Vec::new();
        }

        let tier = if self.tiers.contains(buyer.tier) {
            buyer.tier
        } else {
            STANDARD_TIER
        };

        let found = [
            self.of_id.get(&buyer.customer),
            self.of_name.get(buyer.name),
            self.of_tier.get(tier),
        ];

        let of_this_tier = |number: &usize| {
            let scope = &self.particular[*number].scope;
            scope.tier.as_ref().is_none_or(|named| named == tier)
        };

        let mut own: Vec<usize> = found
            .into_iter()
            .flatten()
            .flatten()
            .copied()
            .filter(of_this_tier)
            .collect();

        own.sort_unstable();
        own
    }

    /// The same for somebody of whom only this is known: what rules name customers and tiers by.
    pub fn of_whom(&self, customer: Option<&NamedCustomer>, tier: Option<&str>) -> Vec<usize> {
        let tier = tier.map(|tier| {
            if self.tiers.contains(tier) {
                tier
            } else {
                STANDARD_TIER
            }
        });

        let named = customer.and_then(|who| match who {
            NamedCustomer::Id(id) => self.of_id.get(id),
            NamedCustomer::Name(name) => self.of_name.get(name),
        });

        let found = [named, tier.and_then(|tier| self.of_tier.get(tier))];
        let of_this_tier = |number: &usize| {
            let scope = &self.particular[*number].scope;
            scope.tier.is_none() || scope.tier.as_deref() == tier
        };

        let mut own: Vec<usize> = found
            .into_iter()
            .flatten()
            .flatten()
            .copied()
            .filter(of_this_tier)
            .collect();

        own.sort_unstable();
        own
    }

    /// Which of a buyer's own rules speaks. One that says who buys is more particular than any that
    /// does not, so where there is one, everybody's rules are silent.
    pub fn speaks(&self, own: &[usize], priced: Priced<'_>) -> Option<&MarkupRule> {
        rule_speaks(own.iter().map(|number| &self.particular[*number]), priced)
    }
}

#[cfg(test)]
mod tests {
    use proptest::option::of as some;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::domain::id::{ProviderId, ServiceId};
    use crate::domain::money::{Percent, Rate};
    use crate::pricing::markup::{Scope, matches_glob};

    /// A rule that is told from others by its percentage.
    fn rule(scope: Scope, percent: usize) -> MarkupRule {
        let percent = Percent::parse(&percent.to_string()).unwrap();
        MarkupRule {
            scope,
            percent,
            fixed: Rate::default(),
            rounding: None,
        }
    }

    fn rules(scopes: Vec<Scope>) -> Vec<MarkupRule> {
        scopes
            .into_iter()
            .enumerate()
            .map(|(n, scope)| rule(scope, n))
            .collect()
    }

    fn tiers() -> Vec<String> {
        ["standard", "gold", "silver"].map(str::to_owned).to_vec()
    }

    /// What the house chooses.
    fn chosen<'r>(
        laid: &'r PriceRules,
        buyer: Buyer<'_>,
        priced: Priced<'_>,
    ) -> Option<&'r MarkupRule> {
        laid.speaks(&laid.of(buyer), priced)
            .or_else(|| rule_speaks(laid.everybodys(), priced))
    }

    /// The same by the words of the manual and nothing else: whoever names the customer is heard
    /// first, among those or else among all whoever names the tier, and so on; the last of who
    /// is left speaks.
    fn by_the_words<'r>(
        all: &'r [MarkupRule],
        buyer: Buyer<'_>,
        priced: Priced<'_>,
    ) -> Option<&'r MarkupRule> {
        let tier = if ["standard", "gold", "silver"].contains(&buyer.tier) {
            buyer.tier
        } else {
            "standard"
        };

        let mut heard: Vec<&MarkupRule> = Vec::new();
        for rule in all {
            let Scope {
                customer,
                tier: of,
                service,
                category,
                provider,
            } = &rule.scope;

            let customer = match customer {
                Some(NamedCustomer::Id(id)) => *id == buyer.customer,
                Some(NamedCustomer::Name(name)) => name == buyer.name,
                None => true,
            };

            let of = of.is_none() || of.as_deref() == Some(tier);
            let service = service.is_none() || *service == Some(priced.service);
            let category = category
                .as_deref()
                .is_none_or(|pattern| matches_glob(pattern, priced.category));

            let provider = provider.is_none() || provider.as_ref() == Some(priced.provider);
            if customer && of && service && category && provider {
                heard.push(rule);
            }
        }

        let names: [fn(&Scope) -> bool; 5] = [
            |scope| scope.customer.is_some(),
            |scope| scope.tier.is_some(),
            |scope| scope.service.is_some(),
            |scope| scope.category.is_some(),
            |scope| scope.provider.is_some(),
        ];

        for name in names {
            if heard.iter().any(|rule| name(&rule.scope)) {
                heard.retain(|rule| name(&rule.scope));
            }
        }

        heard.last().copied()
    }

    fn scope() -> impl Strategy<Value = Scope> {
        let customers = vec![
            NamedCustomer::Id(CustomerId(1)),
            NamedCustomer::Id(CustomerId(2)),
            NamedCustomer::Name("ann".into()),
            NamedCustomer::Name("bob".into()),
        ];

        (
            some(select(customers)),
            some(select(tiers())),
            some((1..3_i32).prop_map(ServiceId)),
            some(select(vec!["Insta*", "*gram", "Telegram", "*"]).prop_map(str::to_owned)),
            some(select(vec!["a", "b"]).prop_map(|id| ProviderId(id.to_owned()))),
        )
            .prop_map(|(customer, tier, service, category, provider)| Scope {
                customer,
                tier,
                service,
                category,
                provider,
            })
    }

    /// Everybody who may buy, and everything that there is.
    fn every_sale(mut look: impl FnMut(Buyer<'_>, Priced<'_>)) {
        for (customer, name) in [(1, "ann"), (2, "bob"), (3, "eve")] {
            for tier in ["standard", "gold", "silver", "lost"] {
                for (service, category, provider) in [
                    (1, "Instagram", "a"),
                    (1, "Telegram", "b"),
                    (2, "Instagram", "b"),
                    (2, "X", "a"),
                ] {
                    let provider = ProviderId(provider.into());
                    let priced = Priced {
                        service: ServiceId(service),
                        category,
                        provider: &provider,
                    };
                    look(
                        Buyer {
                            customer: CustomerId(customer),
                            name,
                            tier,
                        },
                        priced,
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_rule_that_speaks_is_the_one_of_the_manuals_words(
            scopes in proptest::collection::vec(scope(), 0..12),
        ) {
            let all = rules(scopes);
            let laid = PriceRules::new(&all, &tiers());
            every_sale(|buyer, priced| {
                assert_eq!(chosen(&laid, buyer, priced), by_the_words(&all, buyer, priced),
                    "{buyer:?} {priced:?}");
            });
        }

        /// Two neighbours whose keys differ may change places: only equals care who comes later.
        #[test]
        fn the_order_of_rules_with_other_keys_does_not_matter(
            scopes in proptest::collection::vec(scope(), 2..12),
            at in any::<Index>(),
        ) {
            let keys = |scope: &Scope| [
                scope.customer.is_some(), scope.tier.is_some(), scope.service.is_some(),
                scope.category.is_some(), scope.provider.is_some(),
            ];

            let mut all = rules(scopes);
            let at = at.index(all.len() - 1);
            prop_assume!(keys(&all[at].scope) != keys(&all[at + 1].scope));
            let before = PriceRules::new(&all, &tiers());
            all.swap(at, at + 1);
            let after = PriceRules::new(&all, &tiers());
            every_sale(|buyer, priced| {
                assert_eq!(chosen(&before, buyer, priced), chosen(&after, buyer, priced),
                    "{buyer:?} {priced:?}");
            });
        }

        /// A rule repeated at the end speaks wherever the first one did.
        #[test]
        fn the_later_of_equals_speaks(scopes in proptest::collection::vec(scope(), 1..12),
            at in any::<Index>()) {
            let mut all = rules(scopes);
            let first = at.get(&all).clone();
            let laid = PriceRules::new(&all, &tiers());
            let later = rule(first.scope.clone(), 99);
            all.push(later.clone());
            let longer = PriceRules::new(&all, &tiers());
            every_sale(|buyer, priced| {
                if chosen(&laid, buyer, priced) == Some(&first) {
                    assert_eq!(chosen(&longer, buyer, priced), Some(&later));
                }
            });
        }
    }

    #[test]
    fn each_key_is_heard_before_all_that_come_after_it() {
        let named = |keys: &str| Scope {
            customer: keys
                .contains('c')
                .then_some(NamedCustomer::Name("ann".into())),
            tier: keys.contains('t').then(|| "gold".into()),
            service: keys.contains('s').then_some(ServiceId(1)),
            category: keys.contains('k').then(|| "Insta*".into()),
            provider: keys.contains('p').then(|| ProviderId("a".into())),
        };

        let buyer = Buyer {
            customer: CustomerId(1),
            name: "ann",
            tier: "gold",
        };

        let a = ProviderId("a".into());
        let priced = Priced {
            service: ServiceId(1),
            category: "Instagram",
            provider: &a,
        };

        for (wins, over) in [
            ("c", "tskp"),
            ("cp", "c"),
            ("ck", "cp"),
            ("t", "skp"),
            ("s", "kp"),
            ("sp", "s"),
            ("k", "p"),
            ("p", ""),
        ] {
            for pair in [[wins, over], [over, wins]] {
                let laid = PriceRules::new(&rules(pair.map(named).to_vec()), &tiers());
                assert_eq!(
                    chosen(&laid, buyer, priced).map(|rule| &rule.scope),
                    Some(&named(wins)),
                    "{wins} {over}"
                );
            }
        }

        assert_eq!(
            named("ctskp").to_string(),
            r#"customer "ann", tier "gold", service 1, category "Insta*", provider "a""#
        );
    }
}
