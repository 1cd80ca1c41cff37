//! Why a customer's request is refused: a closed list that each customers' dialect spells in full.

use crate::domain::order::ShownState;

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
    /// A method that no request has, or a body that is no JSON although it says so.
    #[error("unreadable request")]
    UnreadableRequest,
    /// A body in parts that has no end, no border, or a part without a name.
    #[error("broken multipart/form-data")]
    BrokenParts,
    /// A body of a kind that is not taken.
    #[error("media type {got}")]
    MediaType {
        /// What the body said that it is, capped.
        got: String,
    },
    /// One id and a list of them, of the same things.
    #[error("both {one} and {many}")]
    Both {
        /// The parameter of one id; its v2 name.
        one: &'static str,
        /// The parameter of a list; its v2 name.
        many: &'static str,
    },
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
    /// A refill that does not exist or is of somebody else's order.
    #[error("unknown refill")]
    UnknownRefill,
    /// A refill of an order that is neither completed nor partial.
    #[error("nothing delivered to refill")]
    NotDelivered,
    /// A refill where the service has none.
    #[error("refill not offered")]
    NoRefill,
    /// A refill while another of the same order is under way.
    #[error("a refill under way")]
    RefillUnderWay,
    /// More refills than an order may have.
    #[error("more than {refills_max} refills")]
    RefillsUsedUp {
        /// The most refills of one order.
        refills_max: u32,
    },
    /// A cancel of an order that is over, and how it stands.
    #[error("order over")]
    Over(ShownState),
    /// A cancel where the service has none.
    #[error("cancel not offered")]
    NoCancel,
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
    /// Our own fault, told once to the operator; nothing was done.
    #[error("broken")]
    Broken,
    /// Nobody knows yet whether it was done: whoever asks for it again may have it twice.
    #[error("it is unknown whether it was done")]
    Unknown,
    /// Nobody knows yet whether the order was placed: whoever orders again may have it twice.
    #[error("it is unknown whether the order was placed")]
    OrderUnknown,
}
