//! What is answered, before and after a dialect has spelled it.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::domain::customer::Dialect;
use crate::domain::id::PublicId;
use crate::domain::money::Money;
use crate::domain::order::OrderView;
use crate::domain::refill::{RefillNames, RefillState};
use crate::domain::refusal::Refusal;
use crate::downstream::dialect;

/// What an action answers when it is not refused.
#[derive(Clone, Debug)]
pub enum Reply {
    /// `services`, spelled once for everyone.
    Services(Bytes),
    /// `add`: the bytes that were remembered with the order.
    Added(String),
    /// `status` of one order.
    Status {
        /// What is shown of it.
        look: OrderView,
        /// The gateway's currency.
        currency: String,
    },
    /// `status` of many orders, each with its id as it was asked for; `None` where there is no such
    /// order.
    Statuses {
        /// In the order asked.
        rows: Vec<(String, Option<OrderView>)>,
        /// The gateway's currency.
        currency: String,
    },
    /// `refill` of one order.
    Refill(RefillNames),
    /// `refill` of many, each with the order's id as it was asked for.
    Refills(Vec<(String, Result<RefillNames, Refusal>)>),
    /// `refill_status` of one refill.
    RefillStatus(RefillState),
    /// `refill_status` of many, each with the refill's id as it was asked for.
    RefillStatuses(Vec<(String, Result<RefillState, Refusal>)>),
    /// `cancel` of one order.
    Cancel(PublicId),
    /// `cancel` of many, each with the order's id as it was asked for.
    Cancels(Vec<(String, Result<PublicId, Refusal>)>),
    /// `balance`
    Balance {
        /// What the wallet holds.
        balance: Money,
        /// The gateway's currency.
        currency: String,
    },
}

/// A refusal as a dialect spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpelledRefusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The text of `error`.
    pub text: String,
    /// Seconds after which asking again makes sense.
    pub retry_after_s: Option<u32>,
}

/// The answer to an action.
pub fn http_answer(dialect: Dialect, outcome: Result<Reply, Refusal>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(reply) => json(StatusCode::OK, dialect::write_reply(dialect, reply)),
        Err(refusal) => refused_answer(dialect, &refusal),
    }
}

/// The answer to what is refused.
pub fn refused_answer(dialect: Dialect, refusal: &Refusal) -> Response<Full<Bytes>> {
    let spelled = dialect::write_refusal(dialect, refusal);
    let mut response = json(spelled.status, error(&spelled.text));
    if let Some(seconds) = spelled.retry_after_s {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }

    response
}

/// The answer to what is no request to the API, and the end of the connection: what follows on it
/// cannot be trusted to begin where we think it does.
pub fn unreadable(dialect: Dialect, status: StatusCode) -> Response<Full<Bytes>> {
    let spelled = dialect::write_refusal(dialect, &Refusal::UnknownAction);
    let mut response = json(status, error(&spelled.text));
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The answer to a path that is not here.
pub fn not_found() -> Response<Full<Bytes>> {
    json(StatusCode::NOT_FOUND, error("Not found"))
}

/// A JSON answer; the header is exactly what the oldest clients compare it with.
pub fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn error(text: &str) -> String {
    serde_json::json!({ "error": text }).to_string()
}
