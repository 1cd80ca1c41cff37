//! Markup rules: what is put on top of a panel's rate, and which of several rules speaks.

use std::fmt;

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

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Services whose category matches; `*` stands for any text.
    Category(String),
}

impl Scope {
    /// How particular it is; the higher speaks.
    fn rank(&self) -> u8 {
        match self {
            Self::All => 0,
            Self::Category(_) => 1,
        }
    }

    fn covers(&self, category: &str) -> bool {
        match self {
            Self::All => true,
            Self::Category(pattern) => matches_glob(pattern, category),
        }
    }
}

impl fmt::Display for MarkupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::All => write!(f, "markup of all")?,
            Scope::Category(pattern) => write!(f, "markup of category {pattern:?}")?,
        }
        write!(f, ": {} %", self.percent)?;
        if self.fixed != Rate::default() {
            write!(f, " + {}", self.fixed)?;
        }
        if let Some(step) = self.rounding {
            write!(f, ", up to a multiple of {step}")?;
        }
        Ok(())
    }
}

/// The rule that speaks for a category: the most particular, and of equally particular ones the later in the file.
pub fn speaks<'a>(rules: &'a [MarkupRule], category: &str) -> Option<&'a MarkupRule> {
    rules.iter().filter(|rule| rule.scope.covers(category)).max_by_key(|rule| rule.scope.rank())
}

/// Whether `text` matches a pattern in which `*` stands for any text, the empty one included.
pub fn matches_glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
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
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("*", "", true),
        ] {
            assert_eq!(matches_glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
