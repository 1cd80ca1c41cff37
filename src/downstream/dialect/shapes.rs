//! The JSON that the dialects have in common; where they differ they bring their own word or text.

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::catalog::{Prices, Service};
use crate::domain::money::{Money, Rate};
use crate::domain::order::{OrderView, ShownState};
use crate::domain::refusal::Refusal;

/// Compact JSON; fields stand in the order in which the structs declare them.
pub fn compact(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value)
        .expect("texts, numbers and maps keyed by texts are always JSON")
        .into()
}

/// An array of rows, in the order asked.
pub fn list<'a, T, R: Serialize>(
    rows: &'a [(String, Result<T, Refusal>)],
    row: impl Fn(EchoedId<'a>, &'a Result<T, Refusal>) -> R,
) -> Bytes {
    compact(
        &rows
            .iter()
            .map(|(asked, answer)| row(EchoedId(asked), answer))
            .collect::<Vec<_>>(),
    )
}

/// Every service that is sold at these prices, by id.
pub fn services(prices: &Prices<'_>) -> Bytes {
    let sold = prices.snapshot().sold.values();
    compact(
        &sold
            .filter_map(|sold| Some(ServiceRow::new(sold, prices.rate_of(sold)?)))
            .collect::<Vec<_>>(),
    )
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
    fn new(sold: &'a Service, rate: Rate) -> Self {
        Self {
            service: sold.id.0,
            name: &sold.name,
            kind: sold.kind.name(),
            category: &sold.category,
            rate: rate.to_string(),
            min: sold.min.to_string(),
            max: sold.max.to_string(),
            refill: sold.refill,
            cancel: sold.cancel,
            // Drip-feed is not sold.
            dripfeed: false,
        }
    }
}

/// How a dialect spells where an order stands.
pub type StatusWord = fn(ShownState) -> &'static str;

/// `status` of one order, and a row of many.
#[derive(Serialize)]
pub struct StatusRow<'a> {
    charge: String,
    start_count: String,
    status: &'static str,
    remains: String,
    currency: &'a str,
}

impl<'a> StatusRow<'a> {
    /// What is shown of an order.
    pub fn new(look: &OrderView, word: StatusWord, currency: &'a str) -> Self {
        Self {
            charge: look.charge.to_string(),
            start_count: look.start_count.unwrap_or_default().to_string(),
            status: word(look.standing),
            remains: look.remains.to_string(),
            currency,
        }
    }
}

/// `status` of many: an object whose keys stand as they were asked, which a sorted map would not
/// keep.
pub struct Statuses<'a> {
    /// Each id as it was asked for.
    pub rows: &'a [(String, Option<OrderView>)],
    /// How the dialect spells a status.
    pub word: StatusWord,
    /// What it says where there is no such order.
    pub unknown: &'a str,
    /// The gateway's currency.
    pub currency: &'a str,
}

impl Serialize for Statuses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = |look: &Option<OrderView>| match look {
            Some(look) => StatusRowBody::Found(StatusRow::new(look, self.word, self.currency)),
            None => StatusRowBody::Missing(RowError {
                error: self.unknown.to_owned(),
            }),
        };

        serializer.collect_map(self.rows.iter().map(|(id, look)| (id, row(look))))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum StatusRowBody<'a> {
    Found(StatusRow<'a>),
    Missing(RowError),
}

/// What stands in the place of a row that there is not.
#[derive(Serialize)]
pub struct RowError {
    /// The text.
    pub error: String,
}

/// `balance`
#[derive(Serialize)]
pub struct Balance<'a> {
    balance: String,
    currency: &'a str,
}

impl<'a> Balance<'a> {
    /// What a wallet holds.
    pub fn new(balance: Money, currency: &'a str) -> Self {
        Self {
            balance: balance.to_string(),
            currency,
        }
    }
}

/// An id in a row, as it was asked for: all digits are a number, of any length; anything else is
/// text.
pub struct EchoedId<'a>(pub &'a str);

impl Serialize for EchoedId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() || !self.0.bytes().all(|byte| byte.is_ascii_digit()) {
            return serializer.serialize_str(self.0);
        }

        // JSON knows no number with zeros before it.
        let digits = match self.0.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        };

        let number = RawValue::from_string(digits.to_owned()).expect("digits are a number");
        number.serialize(serializer)
    }
}
