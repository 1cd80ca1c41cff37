//! What the panel has to say, before a dialect spells it.

use rust_decimal::Decimal;

use super::{
    catalog::Service,
    order::{SimOrder, Status},
};

/// A good answer. Rows of many carry the id as it was asked.
#[derive(Debug)]
pub(super) enum Reply {
    Services(Vec<Service>),
    Added(u64),
    Status(Box<SimOrder>),
    Statuses(Vec<(String, Result<SimOrder, Refused>)>),
    Refill(u64),
    Refills(Vec<(String, Result<u64, Refused>)>),
    RefillStatus(RefillState),
    RefillStatuses(Vec<(String, Result<RefillState, Refused>)>),
    /// Of this order, as it was asked.
    Canceled(String),
    Cancels(Vec<(String, Result<(), Refused>)>),
    Balance(Decimal),
}

/// Where a refill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefillState {
    InProgress,
    Completed,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Key,
    /// Too many requests.
    TooFast,
    /// The account is suspended.
    Suspended,
    /// A form that cannot be read, or that says a thing twice.
    Request,
    /// No action, or one that the panel does not know.
    Action,
    /// One and several at once.
    Both,
    /// A parameter that must be there is not.
    Missing(&'static str),
    /// A parameter that cannot be read as what it must be.
    Unreadable(&'static str),
    /// More than this.
    TooManyIds(usize),
    /// No service is named.
    NoService,
    /// Unknown, switched off, or of a type that is not sold.
    Service,
    NoLink,
    Link,
    DripFeed,
    /// Below this one.
    BelowMinimum(u64),
    /// Above this one.
    AboveMaximum(u64),
    NoAnswer,
    NoFunds,
    /// The panel keeps as much as it may.
    Full,
    UnknownOrder,
    NoCancel,
    /// It has ended, like this.
    Over(Status),
    NoRefill,
    NotDelivered,
    RefillRunning,
    UnknownRefill,
    /// Something else was ordered under this name.
    NameUsed,
}
