//! The classic spelling: what a panel of the PerfectPanel family writes, to the letter.

use serde::Serialize;

use super::row::{self, Complaint, Echo, Nested, echo, json, keyed, list};
use crate::{
    catalog::Service,
    money::plain,
    order::{SimOrder, Status},
    panel::ORDERS_MAX,
    reply::{RefillState, Refused, Reply},
};

/// The body of an answer; refusals too are business answers, sent with status 200.
pub(super) fn body(said: &Result<Reply, Refused>, currency: &'static str) -> String {
    match said {
        Ok(reply) => good(reply, currency),
        Err(refused) => json(&Complaint {
            error: text(refused),
        }),
    }
}

/// The status word of an order.
pub(super) fn status_text(status: Status) -> &'static str {
    match status {
        Status::Pending => "Pending",
        Status::InProgress => "In progress",
        Status::Completed => "Completed",
        Status::Partial => "Partial",
        Status::Canceled => "Canceled",
    }
}

fn good(reply: &Reply, currency: &'static str) -> String {
    match reply {
        Reply::Services(services) => json(&services.iter().map(service_row).collect::<Vec<_>>()),
        Reply::Added(id) => json(&Added { order: *id }),
        Reply::Status(order) => json(&status_row(order, currency)),
        Reply::Statuses(rows) => {
            keyed(rows, |row| nested(row, |order| status_row(order, currency)))
        }
        Reply::Refill(id) => json(&Refill {
            refill: id.to_string(),
        }),
        Reply::Refills(rows) => list(rows, |asked, made| RefillRow {
            order: echo(asked),
            refill: nested(made, |id| *id),
        }),
        Reply::RefillStatus(state) => json(&RefillStatus {
            status: refill_word(*state),
        }),
        Reply::RefillStatuses(rows) => list(rows, |asked, state| RefillStatusRow {
            refill: echo(asked),
            status: nested(state, |state| refill_word(*state)),
        }),
        Reply::Canceled(_) => json(&Canceled { cancel: 1 }),
        Reply::Cancels(rows) => list(rows, |asked, done| CancelRow {
            order: echo(asked),
            cancel: nested(done, |()| 1),
        }),
        Reply::Balance(balance) => json(&Balance {
            balance: plain(*balance),
            currency,
        }),
    }
}

/// A row's value, or its complaint in the same place.
fn nested<T, U>(answer: &Result<T, Refused>, show: impl FnOnce(&T) -> U) -> Nested<U> {
    row::nested(answer, show, text)
}

fn text(refused: &Refused) -> String {
    let fixed = match refused {
        Refused::Key => "Invalid API key",
        Refused::TooFast => "Rate limit exceeded",
        Refused::Suspended => "Account suspended",
        Refused::Request | Refused::Action | Refused::Both => "Incorrect request",
        Refused::Missing(name) => return format!("Missing required parameter: {name}"),
        Refused::Unreadable(name) => return format!("Incorrect parameter: {name}"),
        Refused::TooManyIds(most) => return format!("Maximum {most} orders per request"),
        Refused::NoService | Refused::Service => "Incorrect service ID",
        Refused::NoLink | Refused::Link => "Bad link",
        Refused::DripFeed => "Drip-feed is not available for this service",
        Refused::BelowMinimum(_) => "Quantity less than minimum",
        Refused::AboveMaximum(_) => "Quantity more than maximum",
        Refused::NoAnswer => "Answer number is required",
        Refused::NoFunds => "Not enough funds on balance",
        // Begins with a listed text, so that whoever asked knows that nothing was placed.
        Refused::Full => {
            return format!(
                "Incorrect request: this simulated panel keeps {ORDERS_MAX} orders at most"
            );
        }
        Refused::UnknownOrder => "Incorrect order ID",
        Refused::NoCancel => "Cancel is not available",
        Refused::Over(status) => {
            return format!("Order cannot be cancelled (already {})", over_word(*status));
        }
        Refused::NoRefill => "Refill is disabled for this service",
        Refused::NotDelivered => "The order is not completed",
        Refused::RefillRunning => "The refill task is not completed for this order",
        Refused::UnknownRefill => "Refill not found",
        // Never said: this family has no names for orders.
        Refused::NameUsed => "Incorrect parameter: request_id",
    };

    fixed.to_owned()
}

/// The word of that one complaint: in lower case, and spelled unlike the status itself.
fn over_word(status: Status) -> String {
    match status {
        Status::Canceled => "cancelled".to_owned(),
        Status::Pending | Status::InProgress | Status::Completed | Status::Partial => {
            status_text(status).to_lowercase()
        }
    }
}

fn refill_word(state: RefillState) -> &'static str {
    match state {
        RefillState::InProgress => "In progress",
        RefillState::Completed => "Completed",
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
    order: u64,
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

#[derive(Serialize)]
struct Refill {
    refill: String,
}

#[derive(Serialize)]
struct RefillRow<'a> {
    order: Echo<'a>,
    refill: Nested<u64>,
}

#[derive(Serialize)]
struct RefillStatus {
    status: &'static str,
}

#[derive(Serialize)]
struct RefillStatusRow<'a> {
    refill: Echo<'a>,
    status: Nested<&'static str>,
}

#[derive(Serialize)]
struct Canceled {
    cancel: u8,
}

#[derive(Serialize)]
struct CancelRow<'a> {
    order: Echo<'a>,
    cancel: Nested<u8>,
}

#[derive(Serialize)]
struct Balance {
    balance: String,
    currency: &'static str,
}
