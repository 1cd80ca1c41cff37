//! notpanel's dialect: ids of letters, statuses in lower case, refusals at their own HTTP status,
//! flat rows.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::domain::id::{OrderId, PublicId};
use crate::domain::order::{OrderState, ShownState};
use crate::domain::refill::RefillState;
use crate::domain::refusal::Refusal;
use crate::downstream::dialect::shapes::{Balance, EchoedId, StatusRow, Statuses, compact, list};
use crate::downstream::dialect::{
    AWAY_RETRY_AFTER_S, LIMITED_RETRY_AFTER_S, ORDER_UNKNOWN, UNKNOWN, not_taken,
};
use crate::downstream::reply::{Reply, SpelledRefusal};

/// What an order's id begins with.
const ORDER: &str = "ord_";
/// What a refill's id begins with.
const REFILL: &str = "ref_";

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
        Reply::Refill(names) => compact(&NotpanelRefill {
            refill: name(REFILL, names.public),
        }),
        Reply::Refills(rows) => list(&rows, |order, made| match made {
            Ok(names) => NotpanelRefillRow::Made {
                order,
                refill: name(REFILL, names.public),
            },
            Err(refusal) => NotpanelRefillRow::Refused {
                order,
                error: row_text(refusal),
            },
        }),
        Reply::RefillStatus(state) => compact(&NotpanelRefillStatus {
            status: refill_word(state),
        }),
        Reply::RefillStatuses(rows) => list(&rows, |refill, state| match state {
            Ok(state) => NotpanelRefillStatusRow::Found {
                refill,
                status: refill_word(*state),
            },
            Err(refusal) => NotpanelRefillStatusRow::Refused {
                refill,
                error: row_text(refusal),
            },
        }),
        Reply::Cancel(order) => compact(&NotpanelCancel {
            cancel: name(ORDER, order),
        }),
        Reply::Cancels(rows) => list(&rows, |order, taken| match taken {
            Ok(public) => NotpanelCancelRow::Taken {
                order,
                cancel: name(ORDER, *public),
            },
            Err(refusal) => NotpanelCancelRow::Refused {
                order,
                error: row_text(refusal),
            },
        }),
        Reply::Balance { balance, currency } => compact(&Balance::new(balance, &currency)),
    }
}

/// `{"order":"ord_01H…"}`
pub fn added(_: OrderId, order: PublicId) -> String {
    format!(r#"{{"order":"{}"}}"#, name(ORDER, order))
}

/// The order of that name, if it can be one.
pub fn order(text: &str) -> Option<PublicId> {
    text.strip_prefix(ORDER).and_then(PublicId::from_letters)
}

/// The refill of that name, if it can be one.
pub fn refill(text: &str) -> Option<PublicId> {
    text.strip_prefix(REFILL).and_then(PublicId::from_letters)
}

fn name(kind: &str, id: PublicId) -> String {
    format!("{kind}{}", id.letters())
}

/// A refusal's text and HTTP status.
pub fn write_refusal(refusal: &Refusal) -> SpelledRefusal {
    let wrong = |text: &str| SpelledRefusal {
        status: StatusCode::BAD_REQUEST,
        text: text.to_owned(),
        retry_after_s: None,
    };

    let other = |status, text: &str, retry_after_s| SpelledRefusal {
        status,
        text: text.to_owned(),
        retry_after_s,
    };

    match refusal {
        Refusal::InvalidKey => wrong("Invalid API key"),
        Refusal::Suspended => other(StatusCode::FORBIDDEN, "Account suspended", None),
        Refusal::UnknownAction => wrong("Unknown action"),
        Refusal::UnreadableRequest => wrong("Invalid request: send a form or a JSON object"),
        Refusal::BrokenParts => wrong("Invalid request: broken multipart/form-data"),
        Refusal::MediaType { got } => {
            other(StatusCode::UNSUPPORTED_MEDIA_TYPE, &not_taken(got), None)
        }
        Refusal::Both { one, many } => {
            wrong(&format!("Either {one} or {many} is required, not both"))
        }
        Refusal::Missing("answer_number") | Refusal::NoAnswer => wrong("Answer number is required"),
        Refusal::Missing(name) => wrong(&format!("Missing required parameter: {name}")),
        Refusal::Unreadable(name) => wrong(&format!("Invalid parameter: {name}")),
        Refusal::TooManyIds { ids_max } => wrong(&format!("Maximum {ids_max} orders per request")),
        Refusal::ServiceUnknown => wrong("Service not found"),
        Refusal::BadLink => wrong("Invalid link"),
        Refusal::DripFeed => wrong("Drip-feed is not available for this service"),
        Refusal::BelowMinimum { min } => wrong(&format!("Quantity less than minimum {min}")),
        Refusal::AboveMaximum { max } => wrong(&format!("Quantity more than maximum {max}")),
        Refusal::NoMoney => wrong("Insufficient balance"),
        Refusal::UnknownOrder => wrong("Order not found"),
        Refusal::UnknownRefill => wrong("Refill not found"),
        Refusal::NotDelivered => wrong("Refill only available for completed or partial orders"),
        Refusal::NoRefill => wrong("Service does not support refills"),
        Refusal::RefillUnderWay => wrong("A refill request is already pending for this order"),
        Refusal::RefillsUsedUp { refills_max } => {
            wrong(&format!("Refill limit reached ({refills_max} per order)"))
        }
        Refusal::Over(standing) => wrong(&format!(
            "Order cannot be cancelled (already {})",
            status_word(*standing)
        )),
        Refusal::NoCancel => wrong("Service does not support cancellation"),
        Refusal::RequestReused => wrong("request_id was used for a different order"),
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

/// A refusal's text in a row of many, which is shorter for one of them.
fn row_text(refusal: &Refusal) -> String {
    if let Refusal::Over(standing) = refusal {
        return format!("Order already {}", status_word(*standing));
    }
    write_refusal(refusal).text
}

/// Where an order stands.
pub fn status_word(standing: ShownState) -> &'static str {
    match standing {
        ShownState::At(OrderState::Pending) => "pending",
        ShownState::At(OrderState::Processing) => "processing",
        ShownState::At(OrderState::InProgress) => "in_progress",
        ShownState::At(OrderState::Completed) => "completed",
        ShownState::At(OrderState::Partial) => "partial",
        ShownState::At(OrderState::Canceled) => "cancelled",
        ShownState::Refunded => "refunded",
    }
}

fn refill_word(state: RefillState) -> &'static str {
    match state {
        RefillState::Pending => "pending",
        RefillState::InProgress => "in_progress",
        RefillState::Completed => "completed",
        RefillState::Rejected => "rejected",
    }
}

#[derive(Serialize)]
struct NotpanelRefill {
    refill: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum NotpanelRefillRow<'a> {
    Made { order: EchoedId<'a>, refill: String },
    Refused { order: EchoedId<'a>, error: String },
}

#[derive(Serialize)]
struct NotpanelRefillStatus {
    status: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum NotpanelRefillStatusRow<'a> {
    Found {
        refill: EchoedId<'a>,
        status: &'static str,
    },
    Refused {
        refill: EchoedId<'a>,
        error: String,
    },
}

#[derive(Serialize)]
struct NotpanelCancel {
    cancel: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum NotpanelCancelRow<'a> {
    Taken { order: EchoedId<'a>, cancel: String },
    Refused { order: EchoedId<'a>, error: String },
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::RefillId;
    use crate::domain::money::Money;
    use crate::domain::order::OrderView;
    use crate::domain::refill::RefillNames;
    use crate::downstream::dialect::tests::every_refusal;

    fn text(bytes: Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn public(n: u128) -> PublicId {
        PublicId(Uuid::from_u128(
            0x0192_0000_0000_7000_8000_0000_0000_0000 + n,
        ))
    }

    fn look(standing: ShownState) -> OrderView {
        OrderView {
            charge: Money::parse("0.27819").unwrap(),
            start_count: Some(3572),
            standing,
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

            let in_a_row = row_text(refusal);
            let in_a_row = if in_a_row == text {
                String::new()
            } else {
                format!(" / {in_a_row}")
            };

            format!(
                "{refusal:?}: {}{retry_after} {text}{in_a_row}",
                status.as_u16()
            )
        };

        assert_snapshot!(every_refusal().iter().map(row).collect::<Vec<_>>().join("\n"), @r#"
        InvalidKey: 400 Invalid API key
        Suspended: 403 Account suspended
        UnknownAction: 400 Unknown action
        Missing("service"): 400 Missing required parameter: service
        Missing("link"): 400 Missing required parameter: link
        Missing("answer_number"): 400 Answer number is required
        Missing("request_id"): 400 Missing required parameter: request_id
        Missing("order"): 400 Missing required parameter: order
        Unreadable("quantity"): 400 Invalid parameter: quantity
        Unreadable("link"): 400 Invalid parameter: link
        UnreadableRequest: 400 Invalid request: send a form or a JSON object
        BrokenParts: 400 Invalid request: broken multipart/form-data
        MediaType { got: "text/plain" }: 415 Unsupported media type text/plain: send application/x-www-form-urlencoded, multipart/form-data without files, or application/json
        Both { one: "order", many: "orders" }: 400 Either order or orders is required, not both
        TooManyIds { ids_max: 100 }: 400 Maximum 100 orders per request
        ServiceUnknown: 400 Service not found
        BadLink: 400 Invalid link
        DripFeed: 400 Drip-feed is not available for this service
        BelowMinimum { min: 50 }: 400 Quantity less than minimum 50
        AboveMaximum { max: 10000 }: 400 Quantity more than maximum 10000
        NoAnswer: 400 Answer number is required
        NoMoney: 400 Insufficient balance
        UnknownOrder: 400 Order not found
        UnknownRefill: 400 Refill not found
        NotDelivered: 400 Refill only available for completed or partial orders
        NoRefill: 400 Service does not support refills
        RefillUnderWay: 400 A refill request is already pending for this order
        RefillsUsedUp { refills_max: 3 }: 400 Refill limit reached (3 per order)
        Over(At(Completed)): 400 Order cannot be cancelled (already completed) / Order already completed
        Over(At(Partial)): 400 Order cannot be cancelled (already partial) / Order already partial
        Over(At(Canceled)): 400 Order cannot be cancelled (already cancelled) / Order already cancelled
        Over(Refunded): 400 Order cannot be cancelled (already refunded) / Order already refunded
        NoCancel: 400 Service does not support cancellation
        RequestReused: 400 request_id was used for a different order
        TooLarge: 413 Request too large
        TooManyRequests: 429 after 5 s Rate limit exceeded
        Away: 503 after 2 s Internal error, retry later
        Broken: 500 Internal error, retry later
        Unknown: 500 Internal error, the request may have been carried out
        OrderUnknown: 500 Internal error, the order may have been placed
        "#);
    }

    #[test]
    fn an_order_placed() {
        assert_eq!(
            added(OrderId(23_501), public(1)),
            r#"{"order":"ord_01J8000000E008000000000001"}"#
        );
    }

    #[test]
    fn ids_are_read_as_they_are_written_and_by_their_kind() {
        let (ours, theirs) = (name(ORDER, public(7)), name(REFILL, public(7)));
        assert_eq!(
            (order(&ours), refill(&theirs)),
            (Some(public(7)), Some(public(7)))
        );

        assert_eq!((order(&theirs), refill(&ours)), (None, None));
        for none in [
            "",
            "ord_",
            "ord_1",
            "7",
            &ours[1..],
            &format!("{ours}0"),
            &format!("{ours} "),
        ] {
            assert_eq!(order(none), None, "{none}");
        }
    }

    #[test]
    fn one_status() {
        let states = OrderState::ALL
            .map(ShownState::At)
            .into_iter()
            .chain([ShownState::Refunded]);

        let words: Vec<_> = states.map(status_word).collect();
        assert_snapshot!(words.join(" "),
            @"pending processing in_progress completed partial cancelled refunded");
        let reply = Reply::Status {
            look: look(ShownState::At(OrderState::InProgress)),
            currency: "USD".into(),
        };

        assert_snapshot!(text(write_reply(reply)),
            @r#"{"charge":"0.27819","start_count":"3572","status":"in_progress","remains":"157","currency":"USD"}"#);
    }

    #[test]
    fn many_statuses_are_keyed_as_asked() {
        let rows = vec![
            (name(ORDER, public(1)), Some(look(ShownState::Refunded))),
            ("ord_x".to_owned(), None),
            (
                "1".to_owned(),
                Some(look(ShownState::At(OrderState::Canceled))),
            ),
        ];

        assert_snapshot!(text(write_reply(Reply::Statuses { rows, currency: "USD".into() })),
            @r#"{"ord_01J8000000E008000000000001":{"charge":"0.27819","start_count":"3572","status":"refunded","remains":"157","currency":"USD"},"ord_x":{"error":"Order not found"},"1":{"charge":"0.27819","start_count":"3572","status":"cancelled","remains":"157","currency":"USD"}}"#);
    }

    #[test]
    fn refills() {
        let names = |n| RefillNames {
            id: RefillId(1),
            public: public(n),
        };

        assert_snapshot!(text(write_reply(Reply::Refill(names(1)))),
            @r#"{"refill":"ref_01J8000000E008000000000001"}"#);

        let rows = vec![
            (name(ORDER, public(2)), Ok(names(3))),
            ("23501".to_owned(), Ok(names(4))),
            (name(ORDER, public(5)), Err(Refusal::NotDelivered)),
        ];

        assert_snapshot!(text(write_reply(Reply::Refills(rows))),
            @r#"[{"order":"ord_01J8000000E008000000000002","refill":"ref_01J8000000E008000000000003"},{"order":23501,"refill":"ref_01J8000000E008000000000004"},{"order":"ord_01J8000000E008000000000005","error":"Refill only available for completed or partial orders"}]"#);
    }

    #[test]
    fn refill_statuses() {
        let words = RefillState::ALL
            .map(|state| text(write_reply(Reply::RefillStatus(state))))
            .join("\n");

        assert_snapshot!(words, @r#"
        {"status":"pending"}
        {"status":"in_progress"}
        {"status":"completed"}
        {"status":"rejected"}
        "#);

        let rows = vec![
            (name(REFILL, public(1)), Ok(RefillState::InProgress)),
            ("2".to_owned(), Ok(RefillState::Rejected)),
            ("ref_x".to_owned(), Err(Refusal::UnknownRefill)),
        ];

        assert_snapshot!(text(write_reply(Reply::RefillStatuses(rows))),
            @r#"[{"refill":"ref_01J8000000E008000000000001","status":"in_progress"},{"refill":2,"status":"rejected"},{"refill":"ref_x","error":"Refill not found"}]"#);
    }

    #[test]
    fn cancels() {
        assert_snapshot!(text(write_reply(Reply::Cancel(public(1)))),
            @r#"{"cancel":"ord_01J8000000E008000000000001"}"#);

        let rows = vec![
            (name(ORDER, public(1)), Ok(public(1))),
            (
                name(ORDER, public(2)),
                Err(Refusal::Over(ShownState::At(OrderState::Completed))),
            ),
            ("3".to_owned(), Err(Refusal::Over(ShownState::Refunded))),
            ("4".to_owned(), Err(Refusal::NoCancel)),
        ];

        assert_snapshot!(text(write_reply(Reply::Cancels(rows))),
            @r#"[{"order":"ord_01J8000000E008000000000001","cancel":"ord_01J8000000E008000000000001"},{"order":"ord_01J8000000E008000000000002","error":"Order already completed"},{"order":3,"error":"Order already refunded"},{"order":4,"error":"Service does not support cancellation"}]"#);
    }
}
