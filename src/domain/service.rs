//! What is sold: service types, services of our catalogue, their routes; and what a panel says it sells.

use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::money::{Money, MoneyError, Rate};

/// The shape of an order: which parameters it takes and what its price counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceType {
    /// A link and a quantity.
    Default,
    /// A link; one package at its rate.
    Package,
    /// A link and comments; as many units as lines.
    CustomComments,
    /// A link and comments; one package at its rate.
    CustomCommentsPackage,
    /// A link, a quantity and the answer to vote for.
    Poll,
}

impl ServiceType {
    /// Every type that is sold.
    pub const ALL: [Self; 5] =
        [Self::Default, Self::Package, Self::CustomComments, Self::CustomCommentsPackage, Self::Poll];

    /// The protocol's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::Package => "Package",
            Self::CustomComments => "Custom Comments",
            Self::CustomCommentsPackage => "Custom Comments Package",
            Self::Poll => "Poll",
        }
    }

    /// The type of that name, whatever its case and with blanks or underscores between the words.
    pub fn read(text: &str) -> Option<Self> {
        let fold = |text: &str| -> String {
            text.chars().filter(|c| !c.is_whitespace() && *c != '_').flat_map(char::to_lowercase).collect()
        };
        let asked = fold(text);
        Self::ALL.into_iter().find(|kind| fold(kind.name()) == asked)
    }

    /// Whether one package is sold and not a number of units.
    pub fn is_package(self) -> bool {
        matches!(self, Self::Package | Self::CustomCommentsPackage)
    }

    /// Whether the customer says how many.
    pub fn takes_quantity(self) -> bool {
        matches!(self, Self::Default | Self::Poll)
    }

    /// Whether comments are needed.
    pub fn takes_comments(self) -> bool {
        matches!(self, Self::CustomComments | Self::CustomCommentsPackage)
    }
}

/// What one package costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackageBilling {
    /// The rate, once.
    #[default]
    Rate,
    /// The rate for the service's minimum: `rate × min / 1000`.
    Min,
}

/// How many units an order is billed for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// So many units of the rate per 1,000.
    Counted(u64),
    /// One package at the rate.
    Package,
}

impl Units {
    /// What these units cost at `rate`, rounded up.
    pub fn at(self, rate: Rate) -> Result<Money, MoneyError> {
        match self {
            Self::Counted(units) => rate.for_units(units),
            Self::Package => Ok(rate.for_package()),
        }
    }
}

/// One way to have a service delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The panel.
    pub provider: ProviderId,
    /// The panel's own id of the service.
    pub service: String,
}

/// A service as the operator wrote it; what is `None` is taken from the first route's panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRule {
    /// Our id of it.
    pub id: ServiceId,
    /// Shown name.
    pub name: Option<String>,
    /// Its type.
    pub kind: Option<ServiceType>,
    /// Shown category.
    pub category: Option<String>,
    /// Whether refills are offered.
    pub refill: Option<bool>,
    /// Whether cancels are offered.
    pub cancel: Option<bool>,
    /// Fewest units at once.
    pub min: Option<u64>,
    /// Most units at once.
    pub max: Option<u64>,
    /// In order of priority; never empty.
    pub routes: Vec<Route>,
    /// A fixed price instead of a marked-up cost.
    pub rate: Option<Rate>,
    /// What a package costs.
    pub package_billing: PackageBilling,
}

/// A row of a panel's catalogue, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelService {
    /// The panel's id, opaque text.
    pub service: String,
    /// Its name there.
    pub name: String,
    /// Its type as the panel spells it.
    pub kind: String,
    /// Its category there.
    pub category: String,
    /// The rate as it was sent, up to 11 decimals and more.
    pub rate_text: String,
    /// The rate rounded up to our scale; `None` where it could not be read, and then nothing is bought there.
    pub rate: Option<Rate>,
    /// Fewest units the panel takes.
    pub min: u64,
    /// Most units the panel takes.
    pub max: u64,
    /// Whether the panel refills it.
    pub refill: bool,
    /// Whether the panel cancels it.
    pub cancel: bool,
    /// Whether the panel drip-feeds it.
    pub dripfeed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_are_read_as_panels_spell_them() {
        for (spelt, kind) in [
            ("Default", ServiceType::Default),
            ("default", ServiceType::Default),
            ("custom_comments", ServiceType::CustomComments),
            ("Custom Comments Package", ServiceType::CustomCommentsPackage),
            ("POLL", ServiceType::Poll),
        ] {
            assert_eq!(ServiceType::read(spelt), Some(kind), "{spelt}");
        }
        assert_eq!(ServiceType::read("Subscriptions"), None);
        assert_eq!(ServiceType::read(""), None);
    }
}
