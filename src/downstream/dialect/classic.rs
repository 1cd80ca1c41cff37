//! The PerfectPanel family's dialect: integer ids, numbers as text, business errors at HTTP 200.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::domain::id::{OrderId, PublicId};
use crate::domain::order::{OrderState, ShownState};
use crate::domain::refill::RefillState;
use crate::domain::refusal::Refusal;
use crate::downstream::dialect::shapes::{
    Balance, EchoedId, RowError, StatusRow, Statuses, compact, list,
};
use crate::downstream::dialect::{
    AWAY_RETRY_AFTER_S, LIMITED_RETRY_AFTER_S, ORDER_UNKNOWN, UNKNOWN, not_taken, notpanel,
};
use crate::downstream::form::without_fraction;
use crate::downstream::reply::{Reply, SpelledRefusal};

/// What `cancel` answers where it was taken.
const TAKEN: u8 = 1;

/// A reply's exact bytes.
pub fn write_reply(reply: Reply) -> Bytes {
    match reply {
        Reply::Services(bytes) => bytes,
        Reply::Added(text) => text.into(),
        Reply::Status { look, currency } => compact(&StatusRow::new(&look, status_word, &currency)),
        Reply::Statuses { rows, currency } => {
            let unknown = write_refusal(&Refusal::UnknownOrder).text;
            compact(&Statuses {
                rows: &rows,
                word: status_word,
                unknown: &unknown,
                currency: &currency,
            })
        }
        Reply::Refill(names) => compact(&ClassicRefill {
            refill: names.id.to_string(),
        }),
        Reply::Refills(rows) => list(&rows, |order, made| ClassicRefillRow {
            order,
            refill: nested(made, |names| names.id.0),
        }),
        Reply::RefillStatus(state) => compact(&ClassicRefillStatus {
            status: refill_word(state),
        }),
        Reply::RefillStatuses(rows) => list(&rows, |refill, state| ClassicRefillStatusRow {
            refill,
            status: nested(state, |state| refill_word(*state)),
        }),
        Reply::Cancel(_) => compact(&ClassicCancel { cancel: TAKEN }),
        Reply::Cancels(rows) => list(&rows, |order, taken| ClassicCancelRow {
            order,
            cancel: nested(taken, |_| TAKEN),
        }),
        Reply::Balance { balance, currency } => compact(&Balance::new(balance, &currency)),
    }
}

/// `{"order":23501}`
pub fn added(order: OrderId, _: PublicId) -> String {
    format!(r#"{{"order":{order}}}"#)
}

/// The number that a text of digits is; a sign or a blank inside makes it none.
pub fn number(text: &str) -> Option<i32> {
    let text = without_fraction(text);
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// A refusal's text and HTTP status.
pub fn write_refusal(refusal: &Refusal) -> SpelledRefusal {
    let ok = |text: &str| SpelledRefusal {
        status: StatusCode::OK,
        text: text.to_owned(),
        retry_after_s: None,
    };

    let other = |status, text: &str, retry_after_s| SpelledRefusal {
        status,
        text: text.to_owned(),
        retry_after_s,
    };

    match refusal {
        Refusal::InvalidKey => ok("Invalid API key"),
        Refusal::Suspended => ok("Account suspended"),
        Refusal::UnknownAction | Refusal::UnreadableRequest | Refusal::Both { one: _, many: _ } => {
            ok("Incorrect request")
        }
        Refusal::BrokenParts => ok("Incorrect request: broken multipart/form-data"),
        Refusal::MediaType { got } => {
            other(StatusCode::UNSUPPORTED_MEDIA_TYPE, &not_taken(got), None)
        }
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
        Refusal::UnknownRefill => ok("Refill not found"),
        Refusal::NotDelivered => ok("The order is not completed"),
        Refusal::NoRefill => ok("Refill is disabled for this service"),
        Refusal::RefillUnderWay => ok("The refill task is not completed for this order"),
        Refusal::RefillsUsedUp { refills_max } => {
            ok(&format!("Refill limit reached ({refills_max} per order)"))
        }
        // The word is the other dialect's, here too.
        Refusal::Over(standing) => ok(&format!(
            "Order cannot be cancelled (already {})",
            notpanel::status_word(*standing)
        )),
        Refusal::NoCancel => ok("Cancel is not available"),
        Refusal::RequestReused => ok("request_id was used for a different order"),
        Refusal::TooLarge => other(StatusCode::PAYLOAD_TOO_LARGE, "Request too large", None),
        Refusal::TooManyRequests => other(
            StatusCode::TOO_MANY_REQUESTS,
            "Rate limit exceeded",
            Some(LIMITED_RETRY_AFTER_S),
        ),
        Refusal::Away => other(
            StatusCode::SERVICE_UNAVAILABLE,
            "Internal error, retry later",
            Some(AWAY_RETRY_AFTER_S),
        ),
        Refusal::Broken => other(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error, retry later",
            None,
        ),
        Refusal::Unknown => other(StatusCode::INTERNAL_SERVER_ERROR, UNKNOWN, None),
        Refusal::OrderUnknown => other(StatusCode::INTERNAL_SERVER_ERROR, ORDER_UNKNOWN, None),
    }
}

/// Only these six leave us: clients of this family know no others.
fn status_word(standing: ShownState) -> &'static str {
    match standing {
        ShownState::At(OrderState::Pending) => "Pending",
        ShownState::At(OrderState::Processing) => "Processing",
        ShownState::At(OrderState::InProgress) => "In progress",
        ShownState::At(OrderState::Completed) => "Completed",
        ShownState::At(OrderState::Partial) => "Partial",
        ShownState::At(OrderState::Canceled) | ShownState::Refunded => "Canceled",
    }
}

fn refill_word(state: RefillState) -> &'static str {
    match state {
        RefillState::Pending => "Pending",
        RefillState::InProgress => "In progress",
        RefillState::Completed => "Completed",
        RefillState::Rejected => "Rejected",
    }
}

/// A row's value, or what went wrong in the same place.
#[derive(Serialize)]
#[serde(untagged)]
enum Nested<T> {
    Good(T),
    Bad(RowError),
}

fn nested<T, U>(answer: &Result<T, Refusal>, show: impl FnOnce(&T) -> U) -> Nested<U> {
    match answer {
        Ok(value) => Nested::Good(show(value)),
        Err(refusal) => Nested::Bad(RowError {
            error: write_refusal(refusal).text,
        }),
    }
}

#[derive(Serialize)]
struct ClassicRefill {
    refill: String,
}

#[derive(Serialize)]
struct ClassicRefillRow<'a> {
    order: EchoedId<'a>,
    refill: Nested<i32>,
}

#[derive(Serialize)]
struct ClassicRefillStatus {
    status: &'static str,
}

#[derive(Serialize)]
struct ClassicRefillStatusRow<'a> {
    refill: EchoedId<'a>,
    status: Nested<&'static str>,
}

#[derive(Serialize)]
struct ClassicCancel {
    cancel: u8,
}

#[derive(Serialize)]
struct ClassicCancelRow<'a> {
    order: EchoedId<'a>,
    cancel: Nested<u8>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use insta::assert_snapshot;
    use uuid::Uuid;

    use super::*;
    use crate::catalog::{Service, Snapshot};
    use crate::domain::id::RefillId;
    use crate::domain::id::ServiceId;
    use crate::domain::money::{Money, Rate};
    use crate::domain::order::OrderView;
    use crate::domain::refill::RefillNames;
    use crate::domain::service::PackageBilling;
    use crate::domain::service::ServiceType;
    use crate::downstream::dialect::shapes::services;
    use crate::downstream::dialect::tests::every_refusal;
    use crate::pricing::Price;

    fn text(bytes: Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn look(state: OrderState) -> OrderView {
        OrderView {
            charge: Money::parse("0.27819").unwrap(),
            start_count: Some(3572),
            standing: ShownState::At(state),
            remains: 157,
        }
    }

    #[test]
    fn every_refusal_has_its_text_and_status() {
        let row = |refusal: &Refusal| {
            let SpelledRefusal {
                status,
                text,
                retry_after_s,
            } = write_refusal(refusal);

            let retry_after = retry_after_s
                .map(|seconds| format!(" after {seconds} s"))
                .unwrap_or_default();

            format!("{refusal:?}: {}{retry_after} {text}", status.as_u16())
        };

        assert_snapshot!(every_refusal().iter().map(row).collect::<Vec<_>>().join("\n"), @r#"
        InvalidKey: 200 Invalid API key
        Suspended: 200 Account suspended
        UnknownAction: 200 Incorrect request
        Missing("service"): 200 Missing required parameter: service
        Missing("link"): 200 Bad link
        Missing("answer_number"): 200 Answer number is required
        Missing("request_id"): 200 Missing required parameter: request_id
        Missing("order"): 200 Missing required parameter: order
        Unreadable("quantity"): 200 Incorrect parameter: quantity
        Unreadable("link"): 200 Incorrect parameter: link
        UnreadableRequest: 200 Incorrect request
        BrokenParts: 200 Incorrect request: broken multipart/form-data
        MediaType { got: "text/plain" }: 415 Unsupported media type text/plain: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json
        Both { one: "order", many: "orders" }: 200 Incorrect request
        TooManyIds { ids_max: 100 }: 200 Maximum 100 orders per request
        ServiceUnknown: 200 Incorrect service ID
        BadLink: 200 Bad link
        DripFeed: 200 Drip-feed is not available for this service
        BelowMinimum { min: 50 }: 200 Quantity less than minimum
        AboveMaximum { max: 10000 }: 200 Quantity more than maximum
        NoAnswer: 200 Answer number is required
        NoMoney: 200 Not enough funds on balance
        UnknownOrder: 200 Incorrect order ID
        UnknownRefill: 200 Refill not found
        NotDelivered: 200 The order is not completed
        NoRefill: 200 Refill is disabled for this service
        RefillUnderWay: 200 The refill task is not completed for this order
        RefillsUsedUp { refills_max: 3 }: 200 Refill limit reached (3 per order)
        Over(At(Completed)): 200 Order cannot be cancelled (already completed)
        Over(At(Partial)): 200 Order cannot be cancelled (already partial)
        Over(At(Canceled)): 200 Order cannot be cancelled (already cancelled)
        Over(Refunded): 200 Order cannot be cancelled (already refunded)
        NoCancel: 200 Cancel is not available
        RequestReused: 200 request_id was used for a different order
        TooLarge: 413 Request too large
        TooManyRequests: 429 after 5 s Rate limit exceeded
        Away: 503 after 2 s Internal error, retry later
        Broken: 500 Internal error, retry later
        Unknown: 500 Internal error, the request may have been carried out
        OrderUnknown: 500 Internal error, the order may have been placed
        "#);
    }

    #[test]
    fn the_catalog() {
        let sold = |id: i32, name: &str, kind, rate: &str| Service {
            id: ServiceId(id),
            name: name.into(),
            kind,
            category: "First \"Category\"".into(),
            marked_up: None,
            price: Price {
                rate: Rate::parse(rate).unwrap(),
                cost_rate: Rate::default(),
                rule: String::new(),
            },
            min: 50,
            max: 10_000,
            refill: true,
            cancel: false,
            package_billing: PackageBilling::Rate,
            routing: crate::domain::choice::Routing::default(),
            routes: vec![],
        };

        let rows = [
            sold(10, "Followers ✓ /slash", ServiceType::Default, "0.9"),
            sold(2, "Comments", ServiceType::CustomComments, "8"),
        ];

        let sold: BTreeMap<_, _> = rows
            .into_iter()
            .map(|sold| (sold.id, Arc::new(sold)))
            .collect();

        let snapshot = Snapshot {
            sold,
            ..Snapshot::empty("USD")
        };

        assert_snapshot!(text(services(&snapshot.prices())),
            @r#"[{"service":2,"name":"Comments","type":"Custom Comments","category":"First \"Category\"","rate":"8.00","min":"50","max":"10000","refill":true,"cancel":false,"dripfeed":false},{"service":10,"name":"Followers ✓ /slash","type":"Default","category":"First \"Category\"","rate":"0.90","min":"50","max":"10000","refill":true,"cancel":false,"dripfeed":false}]"#);
    }

    #[test]
    fn an_order_placed() {
        assert_eq!(
            added(OrderId(23_501), PublicId(Uuid::nil())),
            r#"{"order":23501}"#
        );

        assert_eq!(
            text(write_reply(Reply::Added(r#"{"order":23501}"#.into()))),
            r#"{"order":23501}"#
        );
    }

    #[test]
    fn one_status() {
        let reply = Reply::Status {
            look: look(OrderState::Partial),
            currency: "USD".into(),
        };

        assert_snapshot!(text(write_reply(reply)),
            @r#"{"charge":"0.27819","start_count":"3572","status":"Partial","remains":"157","currency":"USD"}"#);
        let unknown_count = OrderView {
            start_count: None,
            ..look(OrderState::Pending)
        };

        let reply = Reply::Status {
            look: unknown_count,
            currency: "USD".into(),
        };

        assert!(text(write_reply(reply)).contains(r#""start_count":"0""#));
    }

    #[test]
    fn many_statuses_are_keyed_as_asked_in_the_order_asked() {
        let rows = vec![
            ("100".to_owned(), Some(look(OrderState::InProgress))),
            ("ab\"c".to_owned(), None),
            ("1".to_owned(), Some(look(OrderState::Completed))),
        ];

        assert_snapshot!(text(write_reply(Reply::Statuses { rows, currency: "USD".into() })),
            @r#"{"100":{"charge":"0.27819","start_count":"3572","status":"In progress","remains":"157","currency":"USD"},"ab\"c":{"error":"Incorrect order ID"},"1":{"charge":"0.27819","start_count":"3572","status":"Completed","remains":"157","currency":"USD"}}"#);
    }

    #[test]
    fn the_balance() {
        let reply = Reply::Balance {
            balance: Money::parse("100.84292").unwrap(),
            currency: "USD".into(),
        };

        assert_eq!(
            text(write_reply(reply)),
            r#"{"balance":"100.84292","currency":"USD"}"#
        );
    }

    #[test]
    fn refills() {
        let names = |id| RefillNames {
            id: RefillId(id),
            public: PublicId(Uuid::nil()),
        };

        assert_eq!(
            text(write_reply(Reply::Refill(names(1)))),
            r#"{"refill":"1"}"#
        );

        let rows = vec![
            ("1".to_owned(), Ok(names(1))),
            ("ord_x".to_owned(), Ok(names(2))),
            ("007".to_owned(), Err(Refusal::RefillUnderWay)),
            ("00".to_owned(), Err(Refusal::UnknownOrder)),
            (
                "99999999999999999999999".to_owned(),
                Err(Refusal::UnknownOrder),
            ),
        ];

        assert_snapshot!(text(write_reply(Reply::Refills(rows))),
            @r#"[{"order":1,"refill":1},{"order":"ord_x","refill":2},{"order":7,"refill":{"error":"The refill task is not completed for this order"}},{"order":0,"refill":{"error":"Incorrect order ID"}},{"order":99999999999999999999999,"refill":{"error":"Incorrect order ID"}}]"#);
    }

    #[test]
    fn refill_statuses() {
        let words = RefillState::ALL
            .map(|state| text(write_reply(Reply::RefillStatus(state))))
            .join("\n");

        assert_snapshot!(words, @r#"
        {"status":"Pending"}
        {"status":"In progress"}
        {"status":"Completed"}
        {"status":"Rejected"}
        "#);

        let rows = vec![
            ("1".to_owned(), Ok(RefillState::Completed)),
            ("2".to_owned(), Ok(RefillState::Rejected)),
            ("3".to_owned(), Err(Refusal::UnknownRefill)),
        ];

        assert_snapshot!(text(write_reply(Reply::RefillStatuses(rows))),
            @r#"[{"refill":1,"status":"Completed"},{"refill":2,"status":"Rejected"},{"refill":3,"status":{"error":"Refill not found"}}]"#);
    }

    #[test]
    fn cancels() {
        let public = PublicId(Uuid::nil());
        assert_eq!(text(write_reply(Reply::Cancel(public))), r#"{"cancel":1}"#);

        let rows = vec![
            ("9".to_owned(), Err(Refusal::UnknownOrder)),
            ("2".to_owned(), Ok(public)),
            (
                "3".to_owned(),
                Err(Refusal::Over(ShownState::At(OrderState::Completed))),
            ),
        ];

        assert_snapshot!(text(write_reply(Reply::Cancels(rows))),
            @r#"[{"order":9,"cancel":{"error":"Incorrect order ID"}},{"order":2,"cancel":1},{"order":3,"cancel":{"error":"Order cannot be cancelled (already completed)"}}]"#);
    }

    #[test]
    fn only_the_documented_statuses_leave_us() {
        let words = OrderState::ALL.map(|state| status_word(ShownState::At(state)));
        assert_eq!(
            words,
            [
                "Pending",
                "Processing",
                "In progress",
                "Completed",
                "Partial",
                "Canceled"
            ]
        );

        assert_eq!(status_word(ShownState::Refunded), "Canceled");
    }
}
