//! The PerfectPanel family's tongue: integer ids, numbers as text, business errors at HTTP 200.

use bytes::Bytes;
use http::StatusCode;
use serde::{Serialize, Serializer};

use crate::catalog::{Snapshot, Sold};
use crate::domain::id::{OrderId, PublicId};
use crate::domain::order::{Look, OrderState};
use crate::domain::refusal::Refusal;
use crate::downstream::reply::{Reply, Spelled};

/// When to come back after a rate limit: its buckets refill within seconds.
const LIMITED_RETRY_AFTER_S: u32 = 5;

/// When to come back while the database is away or we are full: a restarted server is back in about this time.
const AWAY_RETRY_AFTER_S: u32 = 2;

/// A reply's exact bytes.
pub fn write(reply: Reply) -> Bytes {
    match reply {
        Reply::Services(bytes) => bytes,
        Reply::Added(text) => text.into(),
        Reply::Status { look, currency } => compact(&OneStatus::new(&look, &currency)),
        Reply::Statuses { rows, currency } => compact(&ManyStatuses { rows: &rows, currency: &currency }),
        Reply::Balance { balance, currency } => compact(&Balance { balance: balance.to_string(), currency }),
    }
}

/// `{"order":23501}`
pub fn added(order: OrderId, _: PublicId) -> String {
    format!(r#"{{"order":{order}}}"#)
}

/// Every service that is sold, by id.
pub fn services(snapshot: &Snapshot) -> Bytes {
    compact(&snapshot.sold.values().map(|sold| ServiceRow::new(sold)).collect::<Vec<_>>())
}

/// A refusal's text and HTTP status.
pub fn refuse(refusal: &Refusal) -> Spelled {
    let ok = |text: &str| Spelled { status: StatusCode::OK, text: text.to_owned(), retry_after_s: None };
    let other = |status, text: &str, retry_after_s| Spelled { status, text: text.to_owned(), retry_after_s };
    match refusal {
        Refusal::InvalidKey => ok("Invalid API key"),
        Refusal::Suspended => ok("Account suspended"),
        Refusal::UnknownAction | Refusal::BothOrders => ok("Incorrect request"),
        Refusal::Missing("link") | Refusal::BadLink => ok("Bad link"),
        Refusal::Missing("answer_number") | Refusal::NoAnswer => ok("Answer number is required"),
        Refusal::Missing(name) => ok(&format!("Missing required parameter: {name}")),
        Refusal::Unreadable(name) => ok(&format!("Incorrect parameter: {name}")),
        Refusal::TooManyIds { ids_max } => ok(&format!("Maximum {ids_max} orders per request")),
        Refusal::ServiceUnknown => ok("Incorrect service ID"),
        Refusal::DripFeed => ok("Drip-feed is not available for this service"),
        Refusal::BelowMinimum { min: _ } => ok("Quantity less than minimum"),
        Refusal::AboveMaximum { max: _ } => ok("Quantity more than maximum"),
        Refusal::NoMoney => ok("Not enough funds on balance"),
        Refusal::UnknownOrder => ok("Incorrect order ID"),
        Refusal::RequestReused => ok("request_id was used for a different order"),
        Refusal::TooLarge => other(StatusCode::PAYLOAD_TOO_LARGE, "Request too large", None),
        Refusal::TooManyRequests => {
            other(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded", Some(LIMITED_RETRY_AFTER_S))
        }
        Refusal::Away => {
            other(StatusCode::SERVICE_UNAVAILABLE, "Internal error, retry later", Some(AWAY_RETRY_AFTER_S))
        }
        Refusal::Broken => other(StatusCode::INTERNAL_SERVER_ERROR, "Internal error, retry later", None),
    }
}

fn status_word(state: OrderState) -> &'static str {
    match state {
        OrderState::Pending => "Pending",
        OrderState::Processing => "Processing",
        OrderState::InProgress => "In progress",
        OrderState::Completed => "Completed",
        OrderState::Partial => "Partial",
        OrderState::Canceled => "Canceled",
    }
}

/// Compact JSON; the fields stand in the order in which the structs below declare them.
fn compact(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("texts, numbers and maps keyed by texts are always JSON").into()
}

#[derive(Serialize)]
struct ServiceRow<'a> {
    service: i32,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    category: &'a str,
    rate: String,
    min: String,
    max: String,
    refill: bool,
    cancel: bool,
    dripfeed: bool,
}

impl<'a> ServiceRow<'a> {
    fn new(sold: &'a Sold) -> Self {
        Self {
            service: sold.id.0,
            name: &sold.name,
            kind: sold.kind.name(),
            category: &sold.category,
            rate: sold.price.rate.to_string(),
            min: sold.min.to_string(),
            max: sold.max.to_string(),
            refill: sold.refill,
            cancel: sold.cancel,
            // Drip-feed is not sold.
            dripfeed: false,
        }
    }
}

#[derive(Serialize)]
struct OneStatus<'a> {
    charge: String,
    start_count: String,
    status: &'static str,
    remains: String,
    currency: &'a str,
}

impl<'a> OneStatus<'a> {
    fn new(look: &Look, currency: &'a str) -> Self {
        Self {
            charge: look.charge.to_string(),
            start_count: look.start_count.unwrap_or_default().to_string(),
            status: status_word(look.state),
            remains: look.remains.to_string(),
            currency,
        }
    }
}

#[derive(Serialize)]
struct Balance {
    balance: String,
    currency: String,
}

#[derive(Serialize)]
struct RowError {
    error: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Row<'a> {
    Found(OneStatus<'a>),
    Missing(RowError),
}

/// An object whose keys stand as they were asked, which a sorted map would not keep.
struct ManyStatuses<'a> {
    rows: &'a [(String, Option<Look>)],
    currency: &'a str,
}

impl Serialize for ManyStatuses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = |look: &Option<Look>| match look {
            Some(look) => Row::Found(OneStatus::new(look, self.currency)),
            None => Row::Missing(RowError { error: refuse(&Refusal::UnknownOrder).text }),
        };
        serializer.collect_map(self.rows.iter().map(|(id, look)| (id, row(look))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use insta::assert_snapshot;
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::ServiceId;
    use crate::domain::money::{Money, Rate};
    use crate::domain::service::PackageBilling;
    use crate::domain::service::ServiceType;
    use crate::pricing::Price;

    fn text(bytes: Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn look(state: OrderState) -> Look {
        Look { charge: Money::parse("0.27819").unwrap(), start_count: Some(3572), state, remains: 157 }
    }

    #[test]
    fn every_refusal_has_its_text_and_status() {
        let refusals = [
            Refusal::InvalidKey,
            Refusal::Suspended,
            Refusal::UnknownAction,
            Refusal::Missing("service"),
            Refusal::Missing("link"),
            Refusal::Missing("answer_number"),
            Refusal::Missing("order"),
            Refusal::Unreadable("quantity"),
            Refusal::Unreadable("link"),
            Refusal::BothOrders,
            Refusal::TooManyIds { ids_max: 100 },
            Refusal::ServiceUnknown,
            Refusal::BadLink,
            Refusal::DripFeed,
            Refusal::BelowMinimum { min: 50 },
            Refusal::AboveMaximum { max: 10_000 },
            Refusal::NoAnswer,
            Refusal::NoMoney,
            Refusal::UnknownOrder,
            Refusal::RequestReused,
            Refusal::TooLarge,
            Refusal::TooManyRequests,
            Refusal::Away,
            Refusal::Broken,
        ];
        let row = |refusal: &Refusal| {
            let Spelled { status, text, retry_after_s } = refuse(refusal);
            let retry_after = retry_after_s.map(|seconds| format!(" after {seconds} s")).unwrap_or_default();
            format!("{refusal:?}: {}{retry_after} {text}", status.as_u16())
        };
        assert_snapshot!(refusals.iter().map(row).collect::<Vec<_>>().join("\n"), @r#"
        InvalidKey: 200 Invalid API key
        Suspended: 200 Account suspended
        UnknownAction: 200 Incorrect request
        Missing("service"): 200 Missing required parameter: service
        Missing("link"): 200 Bad link
        Missing("answer_number"): 200 Answer number is required
        Missing("order"): 200 Missing required parameter: order
        Unreadable("quantity"): 200 Incorrect parameter: quantity
        Unreadable("link"): 200 Incorrect parameter: link
        BothOrders: 200 Incorrect request
        TooManyIds { ids_max: 100 }: 200 Maximum 100 orders per request
        ServiceUnknown: 200 Incorrect service ID
        BadLink: 200 Bad link
        DripFeed: 200 Drip-feed is not available for this service
        BelowMinimum { min: 50 }: 200 Quantity less than minimum
        AboveMaximum { max: 10000 }: 200 Quantity more than maximum
        NoAnswer: 200 Answer number is required
        NoMoney: 200 Not enough funds on balance
        UnknownOrder: 200 Incorrect order ID
        RequestReused: 200 request_id was used for a different order
        TooLarge: 413 Request too large
        TooManyRequests: 429 after 5 s Rate limit exceeded
        Away: 503 after 2 s Internal error, retry later
        Broken: 500 Internal error, retry later
        "#);
    }

    #[test]
    fn the_catalogue() {
        let sold = |id: i32, name: &str, kind, rate: &str| Sold {
            id: ServiceId(id),
            name: name.into(),
            kind,
            category: "First \"Category\"".into(),
            price: Price { rate: Rate::parse(rate).unwrap(), cost_rate: Rate::default(), rule: String::new() },
            min: 50,
            max: 10_000,
            refill: true,
            cancel: false,
            package_billing: PackageBilling::Rate,
            routes: vec![],
        };
        let rows = [
            sold(10, "Followers ✓ /slash", ServiceType::Default, "0.9"),
            sold(2, "Comments", ServiceType::CustomComments, "8"),
        ];
        let sold: BTreeMap<_, _> = rows.into_iter().map(|sold| (sold.id, Arc::new(sold))).collect();
        let snapshot = Snapshot { sold, ..Snapshot::empty("USD") };
        assert_snapshot!(text(services(&snapshot)), @r#"[{"service":2,"name":"Comments","type":"Custom Comments","category":"First \"Category\"","rate":"8.00","min":"50","max":"10000","refill":true,"cancel":false,"dripfeed":false},{"service":10,"name":"Followers ✓ /slash","type":"Default","category":"First \"Category\"","rate":"0.90","min":"50","max":"10000","refill":true,"cancel":false,"dripfeed":false}]"#);
    }

    #[test]
    fn an_order_placed() {
        assert_eq!(added(OrderId(23_501), PublicId(Uuid::nil())), r#"{"order":23501}"#);
        assert_eq!(text(write(Reply::Added(r#"{"order":23501}"#.into()))), r#"{"order":23501}"#);
    }

    #[test]
    fn one_status() {
        let reply = Reply::Status { look: look(OrderState::Partial), currency: "USD".into() };
        assert_snapshot!(text(write(reply)), @r#"{"charge":"0.27819","start_count":"3572","status":"Partial","remains":"157","currency":"USD"}"#);
        let unknown_count = Look { start_count: None, ..look(OrderState::Pending) };
        let reply = Reply::Status { look: unknown_count, currency: "USD".into() };
        assert!(text(write(reply)).contains(r#""start_count":"0""#));
    }

    #[test]
    fn many_statuses_are_keyed_as_asked_in_the_order_asked() {
        let rows = vec![
            ("100".to_owned(), Some(look(OrderState::InProgress))),
            ("ab\"c".to_owned(), None),
            ("1".to_owned(), Some(look(OrderState::Completed))),
        ];
        assert_snapshot!(text(write(Reply::Statuses { rows, currency: "USD".into() })), @r#"{"100":{"charge":"0.27819","start_count":"3572","status":"In progress","remains":"157","currency":"USD"},"ab\"c":{"error":"Incorrect order ID"},"1":{"charge":"0.27819","start_count":"3572","status":"Completed","remains":"157","currency":"USD"}}"#);
    }

    #[test]
    fn the_balance() {
        let reply = Reply::Balance { balance: Money::parse("100.84292").unwrap(), currency: "USD".into() };
        assert_eq!(text(write(reply)), r#"{"balance":"100.84292","currency":"USD"}"#);
    }

    #[test]
    fn only_the_documented_statuses_leave_us() {
        let words = OrderState::ALL.map(status_word);
        assert_eq!(words, ["Pending", "Processing", "In progress", "Completed", "Partial", "Canceled"]);
    }
}
