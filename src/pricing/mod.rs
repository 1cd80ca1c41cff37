//! From a panel's rate to a customer's price: which rule spoke, and every rounding by name.

pub mod markup;
pub mod rules;

use crate::domain::id::ConfigHash;
use crate::domain::money::{MoneyError, Rate};
use crate::domain::order::Quote;
use crate::domain::service::{PackageBilling, Units};
use crate::pricing::markup::{MarkupRule, Priced};

/// The price of a service, printed in the catalog, and why it is that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// The printed price per 1,000 units, or per package.
    pub rate: Rate,
    /// The panel's rate that it came from.
    pub cost_rate: Rate,
    /// The rule that spoke, in words.
    pub rule: String,
}

/// The price of a service: the operator's fixed one, else the cost under the most particular of
/// these rules.
pub fn price_units<'r>(
    fixed: Option<Rate>,
    cost_rate: Rate,
    priced: Priced<'_>,
    rules: impl IntoIterator<Item = &'r MarkupRule>,
) -> Result<Price, MoneyError> {
    if let Some(rate) = fixed {
        return Ok(Price {
            rate,
            cost_rate,
            rule: "fixed rate".to_owned(),
        });
    }

    let Some(rule) = markup::rule_speaks(rules, priced) else {
        return Ok(Price {
            rate: cost_rate,
            cost_rate,
            rule: "no markup".to_owned(),
        });
    };

    Ok(Price {
        rate: price_under(rule, cost_rate)?,
        cost_rate,
        rule: rule.to_string(),
    })
}

/// A cost under a rule: marked up, then rounded up to a multiple of the rule's step.
pub fn price_under(rule: &MarkupRule, cost_rate: Rate) -> Result<Rate, MoneyError> {
    cost_rate
        .marked_up(rule.percent, rule.fixed)?
        .rounded_up_to(rule.rounding.unwrap_or_default())
}

/// What is billed for one package.
pub fn package_units(billing: PackageBilling, min: u64) -> Units {
    match billing {
        PackageBilling::Rate => Units::Package,
        PackageBilling::Min => Units::Counted(min),
    }
}

/// The quote for `units` at a price: the charge is computed from the printed price, rounded up.
pub fn quote_charge(price: &Price, units: Units, config: &ConfigHash) -> Result<Quote, MoneyError> {
    Ok(Quote {
        charge: units.at(price.rate)?,
        rate: price.rate,
        cost_rate: price.cost_rate,
        cost: units.at(price.cost_rate)?,
        rule: price.rule.clone(),
        config: config.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ProviderId, ServiceId};
    use crate::domain::money::Percent;
    use crate::pricing::markup::Scope;

    fn rate(text: &str) -> Rate {
        Rate::parse(text).unwrap()
    }

    fn rule(category: Option<&str>, percent: &str) -> MarkupRule {
        let scope = Scope {
            category: category.map(Into::into),
            ..Scope::default()
        };

        MarkupRule {
            scope,
            percent: Percent::parse(percent).unwrap(),
            fixed: Rate::default(),
            rounding: None,
        }
    }

    fn priced(category: &str, fixed: Option<&str>, rules: &[MarkupRule]) -> Rate {
        let priced = Priced {
            service: ServiceId(1),
            category,
            provider: &ProviderId("a".into()),
        };

        price_units(fixed.map(rate), rate("1"), priced, rules)
            .unwrap()
            .rate
    }

    #[test]
    fn the_most_particular_rule_speaks_and_the_later_of_equals() {
        let rules = [
            rule(Some("Insta*"), "10"),
            rule(None, "50"),
            rule(Some("*gram"), "20"),
        ];

        assert_eq!(priced("Instagram", None, &rules), rate("1.2"));
        assert_eq!(priced("Telegrams", None, &rules), rate("1.5"));
        assert_eq!(priced("X", None, &[]), rate("1"));
        assert_eq!(priced("Instagram", Some("9"), &rules), rate("9"));
    }

    #[test]
    fn a_package_costs_its_rate_or_its_minimum() {
        let price = Price {
            rate: rate("5"),
            cost_rate: rate("4"),
            rule: "fixed rate".into(),
        };

        let hash = ConfigHash("x".into());
        let once = quote_charge(&price, package_units(PackageBilling::Rate, 500), &hash).unwrap();
        assert_eq!(
            (once.charge.to_string(), once.cost.to_string()),
            ("5.00".into(), "4.00".into())
        );

        let by_min = quote_charge(&price, package_units(PackageBilling::Min, 500), &hash).unwrap();
        assert_eq!(by_min.charge.to_string(), "2.50");
    }
}
