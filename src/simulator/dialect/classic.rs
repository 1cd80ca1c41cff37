//! The classic spelling: what a panel of the PerfectPanel family writes, to the letter.

use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};

use crate::{
    domain::provider::PanelStatus,
    simulator::{
        catalogue::Service,
        counter::IDS_MAX,
        order::SimOrder,
        panel::ORDERS_MAX,
        reply::{RefillState, Refused, Reply},
    },
};

/// The currency of every sum.
const CURRENCY: &str = "USD";

/// The page of the gateway before a panel whose panel does not answer.
pub(in crate::simulator) const BAD_GATEWAY_PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n\
    <body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// What stands where an answer should be when a panel is being repaired and says so with status 200.
pub(in crate::simulator) const MAINTENANCE_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Maintenance</title></head>\
    <body><h1>We will be back soon</h1></body></html>\n";

/// The body of an answer; refusals too are business answers, sent with status 200.
pub(in crate::simulator) fn body(said: &Result<Reply, Refused>) -> String {
    match said {
        Ok(reply) => good(reply),
        Err(refused) => json(&Complaint { error: text(refused) }),
    }
}

/// The status word of an order.
pub(in crate::simulator) fn word(status: PanelStatus) -> &'static str {
    match status {
        PanelStatus::Pending => "Pending",
        PanelStatus::Processing => "Processing",
        PanelStatus::InProgress => "In progress",
        PanelStatus::Completed => "Completed",
        PanelStatus::Partial => "Partial",
        PanelStatus::Canceled => "Canceled",
        PanelStatus::Failed => "Fail",
        PanelStatus::Expired => "Expired",
    }
}

fn good(reply: &Reply) -> String {
    match reply {
        Reply::Services(services) => json(&services.iter().map(service_row).collect::<Vec<_>>()),
        Reply::Added(id) => json(&Added { order: *id }),
        Reply::Status(order) => json(&status_row(order)),
        Reply::Statuses(rows) => json(&Keyed(rows)),
        Reply::Refill(id) => json(&Refill { refill: id.to_string() }),
        Reply::Refills(rows) => {
            list(rows, |asked, made| RefillRow { order: echo(asked), refill: nested(made, |id| *id) })
        }
        Reply::RefillStatus(state) => json(&RefillStatus { status: refill_word(*state) }),
        Reply::RefillStatuses(rows) => list(rows, |asked, state| RefillStatusRow {
            refill: echo(asked),
            status: nested(state, |state| refill_word(*state)),
        }),
        Reply::Canceled => json(&Canceled { cancel: 1 }),
        Reply::Cancels(rows) => {
            list(rows, |asked, done| CancelRow { order: echo(asked), cancel: nested(done, |()| 1) })
        }
        Reply::Balance(balance) => json(&Balance { balance: balance.to_string(), currency: CURRENCY }),
    }
}

fn text(refused: &Refused) -> String {
    let fixed = match refused {
        Refused::Key => "Invalid API key",
        Refused::Request => "Incorrect request",
        Refused::Missing(name) => return format!("Missing required parameter: {name}"),
        Refused::Unreadable(name) => return format!("Incorrect parameter: {name}"),
        Refused::TooManyIds => return format!("Maximum {IDS_MAX} orders per request"),
        Refused::Service => "Incorrect service ID",
        Refused::Link => "Bad link",
        Refused::DripFeed => "Drip-feed is not available for this service",
        Refused::BelowMinimum => "Quantity less than minimum",
        Refused::AboveMaximum => "Quantity more than maximum",
        Refused::NoAnswer => "Answer number is required",
        Refused::NoFunds => "Not enough funds on balance",
        // Begins with a listed text, so that whoever asked knows that nothing was placed.
        Refused::Full => return format!("Incorrect request: this simulated panel keeps {ORDERS_MAX} orders at most"),
        Refused::UnknownOrder => "Incorrect order ID",
        Refused::NoCancel => "Cancel is not available",
        Refused::Over(status) => return format!("Order cannot be cancelled (already {})", over_word(*status)),
        Refused::NoRefill => "Refill is disabled for this service",
        Refused::NotDelivered => "The order is not completed",
        Refused::RefillRunning => "The refill task is not completed for this order",
        Refused::UnknownRefill => "Refill not found",
    };
    fixed.to_owned()
}

/// The word of that one complaint: in lower case, and spelled unlike the status itself.
fn over_word(status: PanelStatus) -> String {
    match status {
        PanelStatus::Canceled => "cancelled".to_owned(),
        PanelStatus::Pending
        | PanelStatus::Processing
        | PanelStatus::InProgress
        | PanelStatus::Completed
        | PanelStatus::Partial
        | PanelStatus::Failed
        | PanelStatus::Expired => word(status).to_lowercase(),
    }
}

fn refill_word(state: RefillState) -> &'static str {
    match state {
        RefillState::InProgress => "In progress",
        RefillState::Completed => "Completed",
    }
}

/// An array of rows, in the order in which they were asked.
fn list<'a, T, R: Serialize>(
    rows: &'a [(String, Result<T, Refused>)],
    row: impl Fn(&'a str, &'a Result<T, Refused>) -> R,
) -> String {
    json(&rows.iter().map(|(asked, answer)| row(asked, answer)).collect::<Vec<_>>())
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers are always JSON")
}

#[derive(Serialize)]
struct Complaint {
    error: String,
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

fn status_row(order: &SimOrder) -> StatusRow {
    StatusRow {
        charge: order.charge.to_string(),
        start_count: order.start_count.to_string(),
        status: word(order.status),
        remains: order.remains.to_string(),
        currency: CURRENCY,
    }
}

/// Many statuses: an object keyed by the id as it was asked, in the order in which it was asked.
struct Keyed<'a>(&'a [(String, Result<SimOrder, Refused>)]);

impl Serialize for Keyed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, row) in self.0 {
            map.serialize_entry(id, &nested(row, status_row))?;
        }
        map.end()
    }
}

/// A row's value, or its complaint in the same place.
#[derive(Serialize)]
#[serde(untagged)]
enum Nested<T> {
    Good(T),
    Bad(Complaint),
}

fn nested<T, U>(row: &Result<T, Refused>, show: impl FnOnce(&T) -> U) -> Nested<U> {
    match row {
        Ok(value) => Nested::Good(show(value)),
        Err(refused) => Nested::Bad(Complaint { error: text(refused) }),
    }
}

/// An id as it was asked: a number when it can be one.
#[derive(Serialize)]
#[serde(untagged)]
enum Echo<'a> {
    Number(u64),
    Text(&'a str),
}

fn echo(asked: &str) -> Echo<'_> {
    asked.parse().map_or(Echo::Text(asked), Echo::Number)
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
