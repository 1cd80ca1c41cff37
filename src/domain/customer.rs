//! A customer, a key, and who is calling.

use core::net::IpAddr;
use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::id::{CustomerId, KeyId};
use crate::domain::network::Network;

/// The dialect that a key is answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The PerfectPanel family: integer ids, errors at HTTP 200.
    Classic,
    /// Ids of letters, errors at their own HTTP status, a `request_id` with every order.
    Notpanel,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 2] = [Self::Classic, Self::Notpanel];

    /// The name that settings, commands and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Notpanel => "notpanel",
        }
    }

    /// The dialect of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == word)
    }
}

/// Whoever showed a key that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account that pays.
    pub customer: CustomerId,
    /// The account's name.
    pub name: Arc<str>,
    /// The key that was shown.
    pub key: KeyId,
    /// The dialect of the answers.
    pub dialect: Dialect,
    /// Since when the account is suspended, if it is.
    pub suspended_at: Option<Timestamp>,
    /// The account's tier, by which all its keys are limited together, and which may have prices
    /// of its own.
    pub tier: Arc<str>,
    /// From where the key may be used; from anywhere when empty.
    pub allowed: Arc<[Network]>,
    /// Requests of a minute, where the key has a number of its own.
    pub per_minute: Option<u32>,
    /// For so many seconds the same order again is taken for a repetition of the first; 0: never.
    pub dedupe_window_s: u32,
}

/// For whom something is priced.
#[derive(Clone, Copy, Debug)]
pub struct Buyer<'a> {
    /// The account that pays.
    pub customer: CustomerId,
    /// The account's name.
    pub name: &'a str,
    /// The account's tier.
    pub tier: &'a str,
}

impl Caller {
    /// Whom the caller buys for.
    pub fn buyer(&self) -> Buyer<'_> {
        Buyer {
            customer: self.customer,
            name: &self.name,
            tier: &self.tier,
        }
    }

    /// Whether the key may be used from this address.
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        self.allowed.is_empty() || self.allowed.iter().any(|network| network.contains(address))
    }
}

/// The longest name of a customer, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// Whether `name` can name a customer: not empty, not all digits (that would be an id), nothing
/// unprintable.
pub fn is_customer_name(name: &str) -> bool {
    !name.trim().is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.bytes().all(|byte| byte.is_ascii_digit())
        && !name.chars().any(char::is_control)
}
