//! How many requests of a minute are answered: the operator's numbers.

use std::collections::BTreeMap;

use crate::domain::customer::{Caller, Dialect};

/// The tier that always exists; also what customers of a tier count as that the settings do not
/// name.
pub const STANDARD_TIER: &str = "standard";

/// What that tier may when the settings say nothing.
const STANDARD_PER_MINUTE: u32 = 1_000;

/// What a key of the notpanel dialect may that has no number of its own: what its clients were
/// written for.
const NOTPANEL_PER_MINUTE: u32 = 100;

/// The three limits, in requests per minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Of one address, whatever keys it shows.
    pub per_address: u32,
    /// Of one key of the classic dialect that has no number of its own.
    pub per_key: u32,
    /// Of all keys of one customer, by the customer's tier.
    pub tiers: BTreeMap<String, u32>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            per_address: 3_000,
            per_key: 1_000,
            tiers: BTreeMap::from([(STANDARD_TIER.to_owned(), STANDARD_PER_MINUTE)]),
        }
    }
}

impl LimitSettings {
    /// What the caller's key may.
    pub fn of_key(&self, caller: &Caller) -> u32 {
        caller.per_minute.unwrap_or(match caller.dialect {
            Dialect::Classic => self.per_key,
            Dialect::Notpanel => NOTPANEL_PER_MINUTE,
        })
    }

    /// What all keys of the caller's account may together.
    pub fn of_tier(&self, caller: &Caller) -> u32 {
        let tier = self
            .tiers
            .get(&*caller.tier)
            .or_else(|| self.tiers.get(STANDARD_TIER));
        tier.copied().unwrap_or(STANDARD_PER_MINUTE)
    }
}
