//! How panels spell what they say; strict writers, one per dialect, and what each lacks.

mod accent;
mod classic;
mod notpanel;
mod paynow;
mod row;

use chrono::TimeDelta;
use http::StatusCode;

pub(super) use accent::{Accented, accented};

use super::{
    clock::Moment,
    order::Status,
    reply::{Refused, Reply},
};

/// How long who asked too often is told to wait.
const RETRY_AFTER_S: i64 = 5;

/// The words and shapes that a panel answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The PerfectPanel family.
    Classic,
    /// paynow.uz.
    Paynow,
    /// notpanel.com.
    Notpanel,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Classic, Self::Paynow, Self::Notpanel];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Paynow => "paynow",
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

/// The dialect of one panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpokenDialect {
    dialect: Dialect,
    /// The currency of every sum.
    currency: &'static str,
}

impl SpokenDialect {
    pub(super) fn new(dialect: Dialect, currency: &'static str) -> Self {
        Self { dialect, currency }
    }

    /// The HTTP status and the body of an answer.
    pub(super) fn answer(self, said: &Result<Reply, Refused>) -> (StatusCode, String) {
        let (status, body) = match self.dialect {
            Dialect::Classic => (StatusCode::OK, classic::body(said, self.currency)),
            Dialect::Paynow => (StatusCode::OK, paynow::body(said, self.currency)),
            Dialect::Notpanel => notpanel::answer(said, self.currency),
        };

        // What stands before a panel says these, in whatever dialect the panel speaks.
        match said {
            Err(Refused::TooFast) => (StatusCode::TOO_MANY_REQUESTS, body),
            Err(Refused::Suspended) => (StatusCode::FORBIDDEN, body),
            Ok(_) | Err(_) => (status, body),
        }
    }

    /// What stands above the answer to who asked too often.
    pub(super) fn limits(self, now: Moment) -> Vec<(&'static str, String)> {
        let mut headers = vec![("retry-after", RETRY_AFTER_S.to_string())];
        match self.dialect {
            Dialect::Classic | Dialect::Paynow => {}
            Dialect::Notpanel => {
                headers.extend(notpanel::limits(now + TimeDelta::seconds(RETRY_AFTER_S)));
            }
        }

        headers
    }

    /// The status word of an order.
    pub(super) fn status_text(self, status: Status) -> &'static str {
        match self.dialect {
            Dialect::Classic => classic::status_text(status),
            Dialect::Paynow => paynow::status_text(status),
            Dialect::Notpanel => notpanel::status_text(status),
        }
    }

    /// An order's number as an id.
    pub(super) fn order_id(self, number: u64) -> String {
        match self.dialect {
            Dialect::Classic | Dialect::Paynow => number.to_string(),
            Dialect::Notpanel => notpanel::order_id(number),
        }
    }

    /// The number of an order's id.
    pub(super) fn order_number(self, id: &str) -> Option<u64> {
        match self.dialect {
            Dialect::Classic | Dialect::Paynow => number(id),
            Dialect::Notpanel => notpanel::order_number(id),
        }
    }

    /// The number of a refill's id.
    pub(super) fn refill_number(self, id: &str) -> Option<u64> {
        match self.dialect {
            Dialect::Classic | Dialect::Paynow => number(id),
            Dialect::Notpanel => notpanel::refill_number(id),
        }
    }

    /// Whether adds have names that the panel remembers; then they must have one.
    pub(super) fn remembers(self) -> bool {
        match self.dialect {
            Dialect::Classic | Dialect::Paynow => false,
            Dialect::Notpanel => true,
        }
    }

    /// Whether it has words for refills.
    pub(super) fn has_refills(self) -> bool {
        match self.dialect {
            Dialect::Classic | Dialect::Notpanel => true,
            Dialect::Paynow => false,
        }
    }

    /// Whether one order can be canceled by itself, and not only in a list.
    pub(super) fn cancels_one(self) -> bool {
        match self.dialect {
            Dialect::Classic | Dialect::Notpanel => true,
            Dialect::Paynow => false,
        }
    }
}

/// An id of plain digits as a number, so that one id has one spelling.
pub(super) fn number(id: &str) -> Option<u64> {
    let plain = !id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit());
    id.parse().ok().filter(|_| plain)
}
