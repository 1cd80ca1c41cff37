//! Why a customer's request is refused: a closed list that each customers' dialect spells in full.

/// One reason; each dialect has exactly one text and one HTTP status for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No key, an unknown one, a revoked one: never told apart.
    #[error("no valid key")]
    InvalidKey,
    /// The account is suspended.
    #[error("account suspended")]
    Suspended,
    /// No action, one that nobody knows, or one that this gateway does not serve.
    #[error("unknown action")]
    UnknownAction,
    /// A parameter that must be there is not; its v2 name.
    #[error("missing parameter {0}")]
    Missing(&'static str),
    /// A parameter that cannot be read as what it must be; its v2 name.
    #[error("unreadable parameter {0}")]
    Unreadable(&'static str),
    /// Both `order` and `orders`.
    #[error("both order and orders")]
    BothOrders,
    /// More ids than one request may carry.
    #[error("more than {ids_max} ids")]
    TooManyIds {
        /// The most ids that one request may carry.
        ids_max: usize,
    },
    /// A service that is unknown, switched off, without a price, or of a type that is not sold.
    #[error("service not for sale")]
    ServiceUnknown,
    /// A link that is none.
    #[error("bad link")]
    BadLink,
    /// Drip-feed where it is not offered.
    #[error("drip-feed not offered")]
    DripFeed,
    /// Fewer units than the service sells at once.
    #[error("quantity below {min}")]
    BelowMinimum {
        /// The service's bound.
        min: u64,
    },
    /// More units than the service sells at once.
    #[error("quantity above {max}")]
    AboveMaximum {
        /// The service's bound.
        max: u64,
    },
    /// A poll without the answer to vote for.
    #[error("poll without an answer")]
    NoAnswer,
    /// The wallet does not cover the charge.
    #[error("not enough money")]
    NoMoney,
    /// An order that does not exist or belongs to somebody else.
    #[error("unknown order")]
    UnknownOrder,
    /// A `request_id` that was used for an order with other contents.
    #[error("request_id reused")]
    RequestReused,
    /// A body, or a header block, over its cap.
    #[error("request too large")]
    TooLarge,
    /// More requests than allowed; come back later.
    #[error("too many requests")]
    TooManyRequests,
    /// The database is away or we are full: nothing was done, ask again in a moment.
    #[error("away")]
    Away,
    /// Our own fault, told once to the operator.
    #[error("broken")]
    Broken,
}
