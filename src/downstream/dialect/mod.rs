//! The dialects that customers are answered in: each a strict writer of every reply and every
//! refusal. What they call an order or a refill is read here too, and by everyone: a key may use
//! the ids that it got in its other dialect.

use bytes::Bytes;

use crate::catalog::Prices;
use crate::domain::customer::Dialect;
use crate::domain::id::{OrderId, OrderName, RefillId, RefillName};
use crate::domain::refusal::Refusal;
use crate::downstream::parameters::{FORM, JSON, PARTS};
use crate::downstream::reply::{Reply, SpelledRefusal};
use crate::orders::place::ReplyFormat;

mod classic;
#[cfg(test)]
mod documents;
mod notpanel;
mod shapes;

/// When to come back after a rate limit: its buckets refill within seconds.
const LIMITED_RETRY_AFTER_S: u32 = 5;

/// When to come back while the database is away or we are full: a restarted server is back in about
/// this time.
const AWAY_RETRY_AFTER_S: u32 = 2;

/// What is said, by every dialect, where nobody knows whether it was done. Nothing in it may sound
/// like "nothing was done", nor ask for it once more.
const UNKNOWN: &str = "Internal error, the request may have been carried out";
/// The same of an order.
const ORDER_UNKNOWN: &str = "Internal error, the order may have been placed";

/// What every dialect says of a body that it does not take: what came, and what may come.
fn not_taken(got: &str) -> String {
    format!("Unsupported media type {got}: send {FORM}, {PARTS} without files, or {JSON}")
}

/// A reply's exact bytes.
pub fn write_reply(dialect: Dialect, reply: Reply) -> Bytes {
    match dialect {
        Dialect::Classic => classic::write_reply(reply),
        Dialect::Notpanel => notpanel::write_reply(reply),
    }
}

/// A refusal's text and HTTP status.
pub fn write_refusal(dialect: Dialect, refusal: &Refusal) -> SpelledRefusal {
    match dialect {
        Dialect::Classic => classic::write_refusal(refusal),
        Dialect::Notpanel => notpanel::write_refusal(refusal),
    }
}

/// The answer of `services` to whoever pays these prices.
pub fn write_services(dialect: Dialect, prices: &Prices<'_>) -> Bytes {
    match dialect {
        Dialect::Classic | Dialect::Notpanel => shapes::services(prices),
    }
}

/// What a dialect has of its own in placing orders; handed to whoever places them.
pub fn custom(dialect: Dialect) -> ReplyFormat {
    match dialect {
        Dialect::Classic => ReplyFormat {
            needs_request_id: false,
            added: classic::added,
        },
        Dialect::Notpanel => ReplyFormat {
            needs_request_id: true,
            added: notpanel::added,
        },
    }
}

/// The order that a customer names, in whichever dialect; `None` is the name of no order.
pub fn order_named(text: &str) -> Option<OrderName> {
    let number = classic::number(text).map(|number| OrderName::Number(OrderId(number)));
    number.or_else(|| notpanel::order(text).map(OrderName::Public))
}

/// The refill that a customer names, in whichever dialect; `None` is the name of no refill.
pub fn refill_named(text: &str) -> Option<RefillName> {
    let number = classic::number(text).map(|number| RefillName::Number(RefillId(number)));
    number.or_else(|| notpanel::refill(text).map(RefillName::Public))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::PublicId;
    use crate::domain::order::{OrderState, ShownState};

    /// Each refusal at least once, and each that a dialect spells in more than one way.
    pub(super) fn every_refusal() -> Vec<Refusal> {
        vec![
            Refusal::InvalidKey,
            Refusal::Suspended,
            Refusal::UnknownAction,
            Refusal::Missing("service"),
            Refusal::Missing("link"),
            Refusal::Missing("answer_number"),
            Refusal::Missing("request_id"),
            Refusal::Missing("order"),
            Refusal::Unreadable("quantity"),
            Refusal::Unreadable("link"),
            Refusal::UnreadableRequest,
            Refusal::BrokenParts,
            Refusal::MediaType {
                got: "text/plain".to_owned(),
            },
            Refusal::Both {
                one: "order",
                many: "orders",
            },
            Refusal::TooManyIds { ids_max: 100 },
            Refusal::ServiceUnknown,
            Refusal::BadLink,
            Refusal::DripFeed,
            Refusal::BelowMinimum { min: 50 },
            Refusal::AboveMaximum { max: 10_000 },
            Refusal::NoAnswer,
            Refusal::NoMoney,
            Refusal::UnknownOrder,
            Refusal::UnknownRefill,
            Refusal::NotDelivered,
            Refusal::NoRefill,
            Refusal::RefillUnderWay,
            Refusal::RefillsUsedUp { refills_max: 3 },
            Refusal::Over(ShownState::At(OrderState::Completed)),
            Refusal::Over(ShownState::At(OrderState::Partial)),
            Refusal::Over(ShownState::At(OrderState::Canceled)),
            Refusal::Over(ShownState::Refunded),
            Refusal::NoCancel,
            Refusal::RequestReused,
            Refusal::TooLarge,
            Refusal::TooManyRequests,
            Refusal::Away,
            Refusal::Broken,
            Refusal::Unknown,
            Refusal::OrderUnknown,
        ]
    }

    #[test]
    fn either_tongues_ids_are_names() {
        let letters = "01J8000000E008000000000000";
        let public = PublicId::from_letters(letters).unwrap();
        assert_eq!(
            order_named("23501"),
            Some(OrderName::Number(OrderId(23_501)))
        );

        assert_eq!(
            order_named(&format!("ord_{letters}")),
            Some(OrderName::Public(public))
        );

        assert_eq!(
            order_named("23501.00"),
            Some(OrderName::Number(OrderId(23_501)))
        );

        assert_eq!(refill_named("7"), Some(RefillName::Number(RefillId(7))));
        assert_eq!(
            refill_named(&format!("ref_{letters}")),
            Some(RefillName::Public(public))
        );

        for none in [
            "",
            "+1",
            "1 2",
            "2147483648",
            letters,
            &format!("ref_{letters}"),
            "ord_",
            "1.5",
            "1.",
            ".0",
            "1.0.0",
        ] {
            assert_eq!(order_named(none), None, "{none}");
        }
    }
}
