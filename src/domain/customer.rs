//! A customer, a key, and who is calling.

use crate::domain::clock::Instant;
use crate::domain::id::{CustomerId, KeyId};

/// The tongue that a key is answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The PerfectPanel family: integer ids, errors at HTTP 200.
    Classic,
    /// Ids of letters, errors at their own HTTP status, a `request_id` with every order.
    Notpanel,
}

impl Dialect {
    /// Every tongue.
    pub const ALL: [Self; 2] = [Self::Classic, Self::Notpanel];

    /// The name that settings, commands and the database use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Notpanel => "notpanel",
        }
    }

    /// The dialect of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.word() == word)
    }
}

/// Whoever showed a key that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account that pays.
    pub customer: CustomerId,
    /// The key that was shown.
    pub key: KeyId,
    /// The tongue of the answers.
    pub dialect: Dialect,
    /// Since when the account is suspended, if it is.
    pub suspended_at: Option<Instant>,
}

/// The longest name of a customer, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// Whether `name` can name a customer: not empty, not all digits (that would be an id), nothing unprintable.
pub fn is_customer_name(name: &str) -> bool {
    !name.trim().is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.bytes().all(|byte| byte.is_ascii_digit())
        && !name.chars().any(char::is_control)
}
