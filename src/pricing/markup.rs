//! Markup rules: what is put on top of a panel's rate, and which of several rules speaks.

use std::fmt;

use crate::domain::id::{CustomerId, ProviderId, ServiceId};
use crate::domain::money::{Percent, Rate};

/// One `[[markup]]` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkupRule {
    /// What it is about.
    pub scope: Scope,
    /// Put on top; may be negative.
    pub percent: Percent,
    /// Put on top, per 1,000 units.
    pub fixed: Rate,
    /// The price is rounded up to a multiple of this.
    pub rounding: Option<Rate>,
}

/// What a rule is about: it speaks where all of these match; what is left out matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Who buys.
    pub customer: Option<NamedCustomer>,
    /// The tier of who buys.
    pub tier: Option<String>,
    /// Our id of what is bought.
    pub service: Option<ServiceId>,
    /// Its category; `*` stands for any text.
    pub category: Option<String>,
    /// The panel whose cost is marked up.
    pub provider: Option<ProviderId>,
}

/// A customer as a rule names it: by id, or by a name, which is not all digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NamedCustomer {
    /// By id.
    Id(CustomerId),
    /// By name.
    Name(String),
}

/// What is priced.
#[derive(Clone, Copy, Debug)]
pub struct Priced<'a> {
    /// Our id of it.
    pub service: ServiceId,
    /// The category that it is shown in.
    pub category: &'a str,
    /// The panel whose cost is marked up.
    pub provider: &'a ProviderId,
}

impl Scope {
    /// How particular it is; the higher speaks. Each key weighs more than all that come after it.
    fn rank(&self) -> [bool; 5] {
        [
            self.customer.is_some(),
            self.tier.is_some(),
            self.service.is_some(),
            self.category.is_some(),
            self.provider.is_some(),
        ]
    }

    /// Whether it is about this, whoever buys.
    fn covers(&self, priced: Priced<'_>) -> bool {
        self.service.is_none_or(|service| service == priced.service)
            && self
                .provider
                .as_ref()
                .is_none_or(|provider| provider == priced.provider)
            && self
                .category
                .as_ref()
                .is_none_or(|pattern| matches_glob(pattern, priced.category))
    }
}

impl fmt::Display for NamedCustomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => write!(f, "{name:?}"),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = [
            self.customer.as_ref().map(|who| format!("customer {who}")),
            self.tier.as_ref().map(|tier| format!("tier {tier:?}")),
            self.service.map(|service| format!("service {service}")),
            self.category
                .as_ref()
                .map(|pattern| format!("category {pattern:?}")),
            self.provider
                .as_ref()
                .map(|provider| format!("provider \"{provider}\"")),
        ];

        let said: Vec<String> = keys.into_iter().flatten().collect();
        if said.is_empty() {
            f.write_str("all")
        } else {
            f.write_str(&said.join(", "))
        }
    }
}

impl fmt::Display for MarkupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "markup of {}: {} %", self.scope, self.percent)?;
        if self.fixed != Rate::default() {
            write!(f, " + {}", self.fixed)?;
        }

        if let Some(step) = self.rounding {
            write!(f, ", up to a multiple of {step}")?;
        }

        Ok(())
    }
}

/// The rule that speaks, of those that hold for who buys: the most particular, and of equals the
/// last.
pub fn rule_speaks<'r>(
    rules: impl IntoIterator<Item = &'r MarkupRule>,
    priced: Priced<'_>,
) -> Option<&'r MarkupRule> {
    rules
        .into_iter()
        .filter(|rule| rule.scope.covers(priced))
        .max_by_key(|rule| rule.scope.rank())
}

/// What is known of something whose panel was not read yet.
#[derive(Clone, Copy, Debug)]
pub struct Unseen<'a> {
    /// Our id of it, where it has one.
    pub service: Option<ServiceId>,
    /// The category that it is shown in, where the file says it.
    pub category: Option<&'a str>,
    /// The panels of which one's cost will be marked up.
    pub providers: &'a [&'a ProviderId],
}

impl MarkupRule {
    fn may_speak(&self, unseen: Unseen<'_>) -> bool {
        let Scope {
            customer: _,
            tier: _,
            service,
            category,
            provider,
        } = &self.scope;

        service.is_none_or(|service| Some(service) == unseen.service)
            && provider
                .as_ref()
                .is_none_or(|provider| unseen.providers.contains(&provider))
            && category.as_ref().is_none_or(|pattern| {
                unseen
                    .category
                    .is_none_or(|text| matches_glob(pattern, text))
            })
    }

    /// Whether it speaks for everybody, whatever else comes to be known.
    fn surely_speaks(&self, unseen: Unseen<'_>) -> bool {
        let Scope {
            customer,
            tier,
            service: _,
            category,
            provider,
        } = &self.scope;

        self.may_speak(unseen)
            && customer.is_none()
            && tier.is_none()
            && (category.is_none() || unseen.category.is_some())
            && provider
                .as_ref()
                .is_none_or(|provider| unseen.providers.iter().all(|one| *one == provider))
    }

    /// Whether its percentage alone, or none where there is no rule, leaves the floor of any cost.
    pub fn leaves(rule: Option<&Self>, floor: Percent) -> bool {
        let cost = Rate::parse("100").unwrap_or_default();
        let price = cost.marked_up(
            rule.map(|rule| rule.percent).unwrap_or_default(),
            Rate::default(),
        );

        price.is_ok_and(|price| price.for_package().keeps_margin(cost.for_package(), floor))
    }
}

/// Of the rules that may turn out to speak for something, for whoever buys, the one with the lowest
/// percentage; `None` where that is to have no rule.
pub fn leaves_least<'r>(rules: &'r [MarkupRule], unseen: Unseen<'_>) -> Option<&'r MarkupRule> {
    let may = || rules.iter().filter(|rule| rule.may_speak(unseen));
    let sure = may()
        .filter(|rule| rule.surely_speaks(unseen))
        .max_by_key(|rule| rule.scope.rank());

    let over = may().filter(|rule| {
        !rule.surely_speaks(unseen)
            && sure.is_none_or(|sure| rule.scope.rank() >= sure.scope.rank())
    });

    let percent = |rule: Option<&MarkupRule>| rule.map(|rule| rule.percent).unwrap_or_default();
    std::iter::once(sure)
        .chain(over.map(Some))
        .min_by_key(|rule| percent(*rule))
        .flatten()
}

/// Whether `text` matches a pattern in which `*` stands for any text, the empty one included.
pub fn matches_glob(pattern: &str, text: &str) -> bool {
    let Some((first, behind)) = pattern.split_once('*') else {
        return pattern == text;
    };

    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };

    let (middle, last) = behind.rsplit_once('*').unwrap_or(("", behind));
    for part in middle.split('*') {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }

    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_not_seen_yet_the_least_is_said_that_any_rule_may_leave() {
        let (new, other) = (ProviderId("new".into()), ProviderId("other".into()));
        let rule = |scope: Scope, percent: &str| MarkupRule {
            scope,
            percent: Percent::parse(percent).unwrap(),
            fixed: Rate::default(),
            rounding: None,
        };

        let all = |percent| rule(Scope::default(), percent);
        let of_category = |percent| {
            rule(
                Scope {
                    category: Some("X*".into()),
                    ..Scope::default()
                },
                percent,
            )
        };

        let of_panel = |percent| {
            rule(
                Scope {
                    provider: Some(new.clone()),
                    ..Scope::default()
                },
                percent,
            )
        };

        let of_tier = |percent| {
            rule(
                Scope {
                    tier: Some("gold".into()),
                    ..Scope::default()
                },
                percent,
            )
        };

        let least = |rules: &[MarkupRule], category, providers: &[&ProviderId]| {
            let unseen = Unseen {
                service: Some(ServiceId(1)),
                category,
                providers,
            };

            leaves_least(rules, unseen)
                .map_or_else(|| "none".to_owned(), |rule| rule.percent.to_string())
        };

        assert_eq!(least(&[], None, &[&new]), "none");
        assert_eq!(least(&[all("18")], None, &[&new]), "18");

        assert_eq!(
            least(&[all("18"), of_category("2")], None, &[&new]),
            "2",
            "its category may be one of these"
        );

        assert_eq!(
            least(&[all("18"), of_category("2")], Some("Y"), &[&new]),
            "18"
        );

        assert_eq!(least(&[of_category("2")], None, &[&new]), "none");
        assert_eq!(
            least(&[all("1"), of_panel("9")], None, &[&new]),
            "9",
            "the panel's own is more particular"
        );

        assert_eq!(
            least(&[all("1"), of_panel("9")], None, &[&new, &other]),
            "1"
        );

        assert_eq!(least(&[all("18"), of_tier("4")], Some("Y"), &[&new]), "4");
        let floor = Percent::parse("3").unwrap();
        let enough = |percent| MarkupRule::leaves(Some(&all(percent)), floor);
        assert_eq!(
            (enough("3"), enough("3.1"), MarkupRule::leaves(None, floor)),
            (false, true, false)
        );
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("Telegram*", "Telegram Members", true),
            ("Telegram*", "My Telegram", false),
            ("*TEST*", "a TEST b", true),
            ("*a*a", "a", false),
            ("a*a", "a", false),
            ("a*b*c*d", "a-b-c-d", true),
            ("a*b*c*d", "a-c-b-d", false),
            ("**", "anything", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("*", "", true),
        ] {
            assert_eq!(matches_glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
