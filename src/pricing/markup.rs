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
    pub customer: Option<Who>,
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
pub enum Who {
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
            && self.provider.as_ref().is_none_or(|provider| provider == priced.provider)
            && self.category.as_ref().is_none_or(|pattern| matches_glob(pattern, priced.category))
    }
}

impl fmt::Display for Who {
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
            self.category.as_ref().map(|pattern| format!("category {pattern:?}")),
            self.provider.as_ref().map(|provider| format!("provider \"{provider}\"")),
        ];
        let said: Vec<String> = keys.into_iter().flatten().collect();
        if said.is_empty() { f.write_str("all") } else { f.write_str(&said.join(", ")) }
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

/// The rule that speaks, of those that hold for who buys: the most particular, and of equals the last.
pub fn speaks<'r>(rules: impl IntoIterator<Item = &'r MarkupRule>, priced: Priced<'_>) -> Option<&'r MarkupRule> {
    rules.into_iter().filter(|rule| rule.scope.covers(priced)).max_by_key(|rule| rule.scope.rank())
}

/// Whether `text` matches a pattern in which `*` stands for any text, the empty one included.
pub fn matches_glob(pattern: &str, text: &str) -> bool {
    let Some((first, behind)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let (middle, last) = behind.rsplit_once('*').unwrap_or(("", behind));
    for part in middle.split('*') {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

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
