//! notpanel's spelling: letters as ids, statuses in lower case, flat rows, and refusals under HTTP
//! statuses.

use http::StatusCode;
use serde::Serialize;

use super::row::{Complaint, json, keyed, list};
use crate::{
    catalog::Service,
    clock::Moment,
    letters,
    money::plain,
    order::{SimOrder, Status},
    panel::ORDERS_MAX,
    reply::{RefillState, Refused, Reply},
};

/// What a key may ask in a minute, as its documents say.
const KEY_PER_MINUTE: u32 = 100;

/// What stands before the letters of each kind of id.
const ORDER: &str = "ord_";
const REFILL: &str = "ref_";

/// The upper half of every id, and what the number in the lower half is mixed with, so that ids
/// look like nothing.
const UPPER: u64 = 0x0192_7A3C_5E81_7D4F;
const MIXED: u64 = 0x9E37_79B9_7F4A_7C15;

/// The HTTP status and the body of an answer.
pub(super) fn answer(
    said: &Result<Reply, Refused>,
    currency: &'static str,
) -> (StatusCode, String) {
    match said {
        Ok(reply) => (StatusCode::OK, good(reply, currency)),
        Err(refused) => (
            StatusCode::BAD_REQUEST,
            json(&Complaint {
                error: text(refused),
            }),
        ),
    }
}

/// What stands above the answer to who asked too often, beside when to ask again.
pub(super) fn limits(reset_at: Moment) -> [(&'static str, String); 5] {
    [
        ("x-ratelimit-limit", KEY_PER_MINUTE.to_string()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", reset_at.timestamp().to_string()),
        ("x-ratelimit-tier-remaining", "0".to_owned()),
        ("x-ratelimit-deniedby", "key".to_owned()),
    ]
}

/// The status word of an order.
pub(super) fn status_text(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::InProgress => "in_progress",
        Status::Completed => "completed",
        Status::Partial => "partial",
        Status::Canceled => "cancelled",
    }
}

/// An order's number as letters.
pub(super) fn order_id(number: u64) -> String {
    format!("{ORDER}{}", written(number))
}

/// The number of an order's letters.
pub(super) fn order_number(id: &str) -> Option<u64> {
    id.strip_prefix(ORDER).and_then(number)
}

/// The number of a refill's letters.
pub(super) fn refill_number(id: &str) -> Option<u64> {
    id.strip_prefix(REFILL).and_then(number)
}

fn refill_id(number: u64) -> String {
    format!("{REFILL}{}", written(number))
}

fn written(number: u64) -> String {
    letters::written(u128::from(UPPER) << u64::BITS | u128::from(number ^ MIXED))
}

fn number(id: &str) -> Option<u64> {
    let bits = letters::read(id)?;
    let lower = u64::try_from(bits & u128::from(u64::MAX)).ok()?;
    (bits >> u64::BITS == u128::from(UPPER)).then_some(lower ^ MIXED)
}

fn good(reply: &Reply, currency: &'static str) -> String {
    match reply {
        Reply::Services(services) => json(&services.iter().map(service_row).collect::<Vec<_>>()),
        Reply::Added(id) => json(&Added {
            order: order_id(*id),
        }),
        Reply::Status(order) => json(&status_row(order, currency)),
        Reply::Statuses(rows) => keyed(rows, |row| match row {
            Ok(order) => Flat::Status(status_row(order, currency)),
            Err(refused) => Flat::Bad(Complaint {
                error: text(refused),
            }),
        }),
        Reply::Refill(id) => json(&Refill {
            refill: refill_id(*id),
        }),
        Reply::Refills(rows) => list(rows, |order, made| OrderRow {
            order,
            refill: made.as_ref().ok().map(|id| refill_id(*id)),
            cancel: None,
            error: made.as_ref().err().map(text),
        }),
        Reply::RefillStatus(state) => json(&RefillStatus {
            status: refill_word(*state),
        }),
        Reply::RefillStatuses(rows) => list(rows, |refill, state| RefillRow {
            refill,
            status: state.as_ref().ok().map(|state| refill_word(*state)),
            error: state.as_ref().err().map(text),
        }),
        Reply::Canceled(order) => json(&Canceled { cancel: order }),
        Reply::Cancels(rows) => list(rows, |order, done| OrderRow {
            order,
            refill: None,
            cancel: done.is_ok().then_some(order),
            error: done.as_ref().err().map(row_text),
        }),
        Reply::Balance(balance) => json(&Balance {
            balance: plain(*balance),
            currency,
        }),
    }
}

/// What is said in a row of many, where it differs.
fn row_text(refused: &Refused) -> String {
    if let Refused::Over(status) = refused {
        return format!("Order already {}", status_text(*status));
    }
    text(refused)
}

fn text(refused: &Refused) -> String {
    let fixed = match refused {
        Refused::Key => "Invalid API key",
        Refused::TooFast => "Rate limit exceeded",
        Refused::Suspended => "Account suspended",
        Refused::Action => "Unknown action",
        Refused::Request => "Invalid parameter: body",
        Refused::Both => "Either order or orders is required, not both",
        Refused::Missing(name) => return format!("Missing required parameter: {name}"),
        Refused::Unreadable(name) => return format!("Invalid parameter: {name}"),
        Refused::TooManyIds(most) => return format!("Maximum {most} orders per request"),
        Refused::NoService => "Missing required parameter: service",
        Refused::Service => "Service not found",
        Refused::NoLink => "Missing required parameter: link",
        Refused::Link => "Invalid link",
        Refused::DripFeed => "Drip-feed is not available for this service",
        Refused::BelowMinimum(min) => return format!("Quantity less than minimum {min}"),
        Refused::AboveMaximum(max) => return format!("Quantity more than maximum {max}"),
        Refused::NoAnswer => "Answer number is required",
        Refused::NoFunds => "Insufficient balance",
        // Begins with a listed text, so that whoever asked knows that nothing was placed.
        Refused::Full => {
            return format!(
                "Unknown action: this simulated panel keeps {ORDERS_MAX} orders at most"
            );
        }
        Refused::UnknownOrder => "Order not found",
        Refused::NoCancel => "Service does not support cancellation",
        Refused::Over(status) => {
            return format!(
                "Order cannot be cancelled (already {})",
                status_text(*status)
            );
        }
        Refused::NoRefill => "Service does not support refills",
        Refused::NotDelivered => "Refill only available for completed or partial orders",
        Refused::RefillRunning => "A refill request is already pending for this order",
        Refused::UnknownRefill => "Refill not found",
        Refused::NameUsed => "request_id was used for a different order",
    };

    fixed.to_owned()
}

fn refill_word(state: RefillState) -> &'static str {
    match state {
        RefillState::InProgress => "in_progress",
        RefillState::Completed => "completed",
    }
}

#[derive(Serialize)]
struct ServiceRow<'a> {
    service: u64,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    category: &'a str,
    rate: &'a str,
    min: String,
    max: String,
    refill: bool,
    cancel: bool,
    dripfeed: bool,
}

fn service_row(service: &Service) -> ServiceRow<'_> {
    ServiceRow {
        service: service.id,
        name: &service.name,
        kind: &service.kind,
        category: &service.category,
        rate: &service.rate_text,
        min: service.min.to_string(),
        max: service.max.to_string(),
        refill: service.refill,
        cancel: service.cancel,
        dripfeed: service.dripfeed,
    }
}

#[derive(Serialize)]
struct Added {
    order: String,
}

#[derive(Serialize)]
struct StatusRow {
    charge: String,
    start_count: String,
    status: &'static str,
    remains: String,
    currency: &'static str,
}

fn status_row(order: &SimOrder, currency: &'static str) -> StatusRow {
    StatusRow {
        charge: plain(order.charge),
        start_count: order.start_count.to_string(),
        status: status_text(order.status),
        remains: order.remains.to_string(),
        currency,
    }
}

/// A status row, or its complaint in its place.
#[derive(Serialize)]
#[serde(untagged)]
enum Flat {
    Status(StatusRow),
    Bad(Complaint),
}

#[derive(Serialize)]
struct Refill {
    refill: String,
}

/// A row of many refills or cancels: what came of it, or the error, beside the order.
#[derive(Serialize)]
struct OrderRow<'a> {
    order: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refill: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct RefillStatus {
    status: &'static str,
}

#[derive(Serialize)]
struct RefillRow<'a> {
    refill: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Canceled<'a> {
    cancel: &'a str,
}

#[derive(Serialize)]
struct Balance {
    balance: String,
    currency: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_letters_that_stand_for_one_number() {
        let ids = [0, 1, 2, u64::MAX].map(order_id);
        assert!(ids.iter().all(|id| id.len() == ORDER.len() + 26));
        assert_eq!(
            ids.map(|id| order_number(&id)),
            [Some(0), Some(1), Some(2), Some(u64::MAX)]
        );

        assert_eq!(refill_number(&refill_id(7)), Some(7));
        for other in [
            "",
            "7",
            "ord_",
            &refill_id(7),
            "ord_00000000000000000000000007",
        ] {
            assert_eq!(order_number(other), None, "{other}");
        }
    }
}
