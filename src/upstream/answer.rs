//! What a panel says of our orders and our money, in our words.

use crate::domain::id::PanelRefill;
use crate::domain::money::Money;
use crate::domain::provider::RefusalClass;
use crate::domain::refill::RefillState;
use crate::domain::settlement::Report;
use crate::upstream::failure::{Failure, FailureKind};

/// What a panel says of one order that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderAnswer {
    /// A status that is known.
    Said(Report),
    /// A status that nobody listed, as it came.
    UnknownStatus {
        /// The text, or the row where it had none; capped.
        text: String,
    },
    /// A listed text that says that the panel has no such order of ours; may be transient for young
    /// orders.
    NotOurs {
        /// The text; capped.
        text: String,
    },
    /// Any other error instead of a status; it says nothing of the order.
    Error {
        /// The text; capped.
        text: String,
    },
    /// Nothing.
    Missing,
}

/// What a panel says is left of our money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelBalance {
    /// The amount, in the panel's currency, rounded up to our scale.
    pub amount: Money,
    /// The amount in plain digits as it was sent.
    pub text: String,
    /// The currency, where the panel names it.
    pub currency: Option<String>,
}

/// What became of asking for a refill; each with the answer in words, capped and without keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefillAnswer {
    /// The panel took it, under this id where it gave one.
    Taken(Option<PanelRefill>, String),
    /// The panel refused.
    Refused(String),
    /// Not one byte of the question's body left.
    NeverSent(String),
    /// Anything else: it may have been taken.
    Unclear(String),
}

/// What a panel says of one refill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefillRow {
    /// A state that is known, and the text that it was read from.
    Said(RefillState, String),
    /// Anything else, in words.
    Unclear(String),
}

/// What a panel made of one cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelRow {
    /// It said yes to this one, which is a promise.
    Taken,
    /// It said one yes to all that it was asked, and named none.
    TakenTogether,
    /// It said no.
    Refused(String),
    /// Nobody knows; asking again is safe.
    Unclear(String),
}

impl CancelRow {
    /// What a failed question leaves of each cancel: an error of the panel's own is its no.
    pub fn of(failure: &Failure) -> Self {
        match failure.kind {
            FailureKind::Declined
            | FailureKind::Refused(RefusalClass::Action | RefusalClass::Parameters) => {
                Self::Refused(failure.words.clone())
            }
            FailureKind::Refused(_)
            | FailureKind::NeverSent
            | FailureKind::Unanswered
            | FailureKind::BadStatus(_)
            | FailureKind::Unreadable => Self::Unclear(failure.to_string()),
        }
    }
}
