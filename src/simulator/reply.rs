//! What the panel has to say, before a dialect spells it.

use super::{catalogue::Service, order::SimOrder};
use crate::domain::{money::Money, provider::PanelStatus};

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
    Canceled,
    Cancels(Vec<(String, Result<(), Refused>)>),
    Balance(Money),
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
    /// No action, or one that the panel does not know; a form that says a thing twice; both `order` and `orders`.
    Request,
    /// A parameter that must be there is not.
    Missing(&'static str),
    /// A parameter that cannot be read as what it must be.
    Unreadable(&'static str),
    TooManyIds,
    /// Unknown, switched off, or of a type that is not sold.
    Service,
    Link,
    DripFeed,
    BelowMinimum,
    AboveMaximum,
    NoAnswer,
    NoFunds,
    /// The panel keeps as much as it may.
    Full,
    UnknownOrder,
    NoCancel,
    /// It has ended, like this.
    Over(PanelStatus),
    NoRefill,
    NotDelivered,
    RefillRunning,
    UnknownRefill,
}
