//! The operator's file, resolved: the only truth for routing.

use crate::domain::customer::Dialect;
use crate::domain::id::ConfigHash;
use crate::domain::money::Percent;
use crate::domain::provider::ProviderSettings;
use crate::domain::service::ServiceRule;
use crate::pricing::markup::MarkupRule;

/// Everything that the file says about buying and selling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Names this text.
    pub hash: ConfigHash,
    /// The gateway's currency.
    pub currency: String,
    /// The tongue of keys that nobody knows, and of new ones.
    pub default_dialect: Dialect,
    /// The panels.
    pub providers: Vec<ProviderSettings>,
    /// The services, with their routes.
    pub services: Vec<ServiceRule>,
    /// The markup rules, in the file's order.
    pub markups: Vec<MarkupRule>,
    /// What must be left of a charge for a dearer route to be taken.
    pub margin_floor: Percent,
}
