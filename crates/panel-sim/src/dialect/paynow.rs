//! paynow's spelling: numbers as numbers, rows of its own for cancels, one L more in a status, and
//! no refills.

use serde::Serialize;

use super::row::{self, Complaint, Echo, Nested, echo, json, keyed, list};
use crate::{
    catalog::Service,
    money::plain,
    order::{SimOrder, Status},
    panel::ORDERS_MAX,
    reply::{Refused, Reply},
};

/// Rates are written with this many decimals at least.
const RATE_DECIMALS_MIN: usize = 5;

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
        Status::Canceled => "Cancelled",
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
        // Never said: even one order is asked for as a list.
        Reply::Canceled(_) => json(&Done { status: 1 }),
        Reply::Cancels(rows) => list(rows, |asked, done| CancelRow {
            order: echo(asked),
            cancel: nested(done, |()| Done { status: 1 }),
        }),
        Reply::Balance(balance) => json(&Balance {
            balance: plain(*balance),
            currency,
        }),
        Reply::Refill(_)
        | Reply::Refills(_)
        | Reply::RefillStatus(_)
        | Reply::RefillStatuses(_) => json(&Complaint {
            error: text(&Refused::Action),
        }),
    }
}

fn nested<T, U>(answer: &Result<T, Refused>, show: impl FnOnce(&T) -> U) -> Nested<U> {
    row::nested(answer, show, text)
}

/// Its document lists nine texts; everything else is a request that is not right.
fn text(refused: &Refused) -> String {
    let fixed = match refused {
        Refused::Key => "Invalid API key",
        Refused::TooFast => "Rate limit exceeded",
        Refused::Suspended => "Account suspended",
        Refused::NoService | Refused::Service => "Incorrect service ID",
        Refused::NoLink | Refused::Link => "Bad link",
        Refused::BelowMinimum(_) => "Quantity less than minimum",
        Refused::AboveMaximum(_) => "Quantity more than maximum",
        Refused::NoAnswer => "Answer number is required",
        Refused::NoFunds => "Not enough funds on balance",
        Refused::UnknownOrder => "Incorrect order ID",
        Refused::Full => {
            return format!(
                "Incorrect request: this simulated panel keeps {ORDERS_MAX} orders at most"
            );
        }
        Refused::Request
        | Refused::Action
        | Refused::Both
        | Refused::Missing(_)
        | Refused::Unreadable(_)
        | Refused::TooManyIds(_)
        | Refused::DripFeed
        | Refused::NoCancel
        | Refused::Over(_)
        | Refused::NoRefill
        | Refused::NotDelivered
        | Refused::RefillRunning
        | Refused::UnknownRefill
        | Refused::NameUsed => "Incorrect request",
    };

    fixed.to_owned()
}

#[derive(Serialize)]
struct ServiceRow<'a> {
    service: u64,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    category: &'a str,
    rate: String,
    min: u64,
    max: u64,
    refill: bool,
    cancel: bool,
}

fn service_row(service: &Service) -> ServiceRow<'_> {
    ServiceRow {
        service: service.id,
        name: &service.name,
        kind: &service.kind,
        category: &service.category,
        rate: rate(&service.rate_text),
        min: service.min,
        max: service.max,
        refill: false,
        cancel: service.cancel,
    }
}

fn rate(text: &str) -> String {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{part:0<RATE_DECIMALS_MIN$}")
}

#[derive(Serialize)]
struct Added {
    order: u64,
}

#[derive(Serialize)]
struct StatusRow {
    charge: String,
    start_count: u64,
    status: &'static str,
    remains: u64,
    currency: &'static str,
}

fn status_row(order: &SimOrder, currency: &'static str) -> StatusRow {
    StatusRow {
        charge: plain(order.charge),
        start_count: order.start_count,
        status: status_text(order.status),
        remains: order.remains,
        currency,
    }
}

#[derive(Serialize)]
struct Done {
    status: u8,
}

#[derive(Serialize)]
struct CancelRow<'a> {
    order: Echo<'a>,
    cancel: Nested<Done>,
}

#[derive(Serialize)]
struct Balance {
    balance: String,
    currency: &'static str,
}
