//! The operator's file, resolved: the only truth for routing.

use crate::catalog::imports::ImportRule;
use crate::domain::customer::Dialect;
use crate::domain::id::ConfigHash;
use crate::domain::limit::LimitSettings;
use crate::domain::money::Percent;
use crate::domain::provider::ProviderSettings;
use crate::domain::service::ServiceRule;
use crate::pricing::markup::MarkupRule;

/// Everything of `providers.toml` that decides what is sold, for how much, and who delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first 12 hex digits of the SHA-256 of the file's bytes; stands on every order and
    /// quote.
    pub hash: ConfigHash,
    /// The currency of the books, of prices and of wallets.
    pub currency: String,
    /// The dialect of new keys, and of answers to callers without a key.
    pub default_dialect: Dialect,
    /// The most refills of one order, rejected ones not counted.
    pub refills_max: u32,
    /// The panels, in the order of the file; ids are unique.
    pub providers: Vec<ProviderSettings>,
    /// The services, in the order of the file; ids are unique, every route's provider is one of
    /// `providers`.
    pub services: Vec<ServiceRule>,
    /// Which panels' catalogs are sold as they come, in the order of the file: the first that
    /// takes a service speaks.
    pub imports: Vec<ImportRule>,
    /// The markup rules, in the order of the file: of equally particular ones the later speaks.
    pub markups: Vec<MarkupRule>,
    /// How far a panel's rate (from what was accepted last) or a price (by an edit) may move, up
    /// or down, in percent, before it waits for a person.
    pub price_jump: Percent,
    /// What a sale must leave, in percent of the charge, when its order is dispatched.
    pub margin_floor: Percent,
    /// How many requests of a minute are answered.
    pub limits: LimitSettings,
    /// What an edit of the file sets off; that of the version in force decides about the next one.
    pub reload: ReloadTrigger,
}

/// What a changed file sets off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadTrigger {
    /// It is judged, and comes into force unless it is dangerous.
    Watch,
    /// It waits for `apply` or SIGHUP.
    Apply,
}

impl ReloadTrigger {
    /// The word that the file uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Apply => "apply",
        }
    }
}
