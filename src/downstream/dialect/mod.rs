//! The tongues that customers are answered in: each a strict writer of every reply and every refusal.

use bytes::Bytes;

use crate::catalog::Snapshot;
use crate::domain::customer::Dialect;
use crate::domain::id::{OrderId, PublicId};
use crate::domain::refusal::Refusal;
use crate::downstream::reply::{Reply, Spelled};

mod classic;

/// A reply's exact bytes.
pub fn write(dialect: Dialect, reply: Reply) -> Bytes {
    match dialect {
        Dialect::Classic => classic::write(reply),
    }
}

/// A refusal's text and HTTP status.
pub fn refuse(dialect: Dialect, refusal: &Refusal) -> Spelled {
    match dialect {
        Dialect::Classic => classic::refuse(refusal),
    }
}

/// The answer of `services`.
pub fn services(dialect: Dialect, snapshot: &Snapshot) -> Bytes {
    match dialect {
        Dialect::Classic => classic::services(snapshot),
    }
}

/// How the answer of `add` is spelled; handed to whoever places the order, who remembers the bytes with it.
pub fn added(dialect: Dialect) -> fn(OrderId, PublicId) -> String {
    match dialect {
        Dialect::Classic => classic::added,
    }
}
