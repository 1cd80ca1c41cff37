//! What a panel says of our orders and our money, in our words.

use crate::domain::money::Money;
use crate::domain::settlement::Report;

/// What a panel says of one order that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A status that is known.
    Said(Report),
    /// A status that nobody listed, as it came.
    UnknownStatus {
        /// The text, or the row where it had none; capped.
        text: String,
    },
    /// An error instead of a status, such as that the order is unknown; may be transient for young orders.
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
