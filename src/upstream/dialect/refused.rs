//! Whether an answer says no and nothing else: every text in it, every field, each time a name
//! stands there.
//!
//! A listed text beside anything that may be an order's, or beside a text that nobody listed,
//! proves nothing: the one may be what the panel thinks of the customer, and the other what it did.

use serde_json::value::RawValue;

use crate::domain::provider::RefusalClass;
use crate::upstream::dialect::complaint::MESSAGE_NAMES;
use crate::upstream::dialect::failed::{
    FAILURE_NAMES, NO_WORDS, OUTCOME_NAMES, SUCCESS_NAMES, is_failure,
};
use crate::upstream::dialect::tails::{
    Tail, is_harmless, is_long_and_whole, may_name_an_order, speaks_of_an_order,
};
use crate::upstream::dialect::trace::{folded, holds_anything};
use crate::upstream::scalar::{Fields, Scalar, list_items, read_amount, read_scalar};

/// Fields that are no order's whatever number they hold: limits, money, moments; folded.
const NUMBER_NAMES: [&str; 36] = [
    "min",
    "max",
    "minimum",
    "maximum",
    "minquantity",
    "maxquantity",
    "limit",
    "limits",
    "remaining",
    "reset",
    "balance",
    "funds",
    "required",
    "needed",
    "rate",
    "price",
    "quantity",
    "retry",
    "retryafter",
    "retryin",
    "wait",
    "delay",
    "timestamp",
    "time",
    "datetime",
    "date",
    "servertime",
    "ts",
    "now",
    "took",
    "duration",
    "elapsed",
    "executiontime",
    "responsetime",
    "version",
    "apiversion",
];

/// Fields that are no order's unless a long number stands there: what was asked, how the call
/// went; folded.
const HARMLESS_NAMES: [&str; 28] = [
    "currency",
    "field",
    "param",
    "parameter",
    "action",
    "key",
    "apikey",
    "service",
    "serviceid",
    "link",
    "url",
    "comments",
    "username",
    "usernames",
    "hashtag",
    "hashtags",
    "media",
    "requestid",
    "xrequestid",
    "traceid",
    "correlationid",
    "rayid",
    "jsonrpc",
    "method",
    "path",
    "ip",
    "line",
    "file",
];

/// Fields within an error that say which it is, in a word; folded.
const NAMES_OF_KINDS: [&str; 10] = [
    "code",
    "type",
    "status",
    "statuscode",
    "httpcode",
    "field",
    "param",
    "parameter",
    "attribute",
    "rule",
];

/// Fields that say what was taken for an order; folded.
const CHARGES: [&str; 6] = ["charge", "charged", "cost", "spent", "paid", "deducted"];

/// What an error says that is none, or none of its own; folded, without the point behind it.
const FRAMES: [&str; 6] = [
    "the given data was invalid",
    "null",
    "none",
    "n/a",
    "false",
    "validation failed",
];

/// How bad it is, in a word, folded.
const SEVERITIES: [&str; 6] = ["alert", "danger", "notice", "toast", "warn", "warning"];

/// The longest code of an error.
const CODE_BYTES_MAX: usize = 4;

/// How deep an answer is looked into.
const DEPTH_MAX: u8 = 4;

/// What an answer is looked through for.
pub(super) struct RefusalProof<'a> {
    /// Which refusal a text is that says nothing else.
    pub(super) listed: &'a dyn Fn(&str) -> Option<RefusalClass>,
    /// The id that the question named: an answer may name it too.
    pub(super) asked: Option<&'a str>,
}

impl RefusalProof<'_> {
    /// The class of an answer that says no and nothing else, by its first text.
    pub(super) fn class_of(&self, fields: &Fields<'_>, first: &str) -> Option<RefusalClass> {
        let class = (self.listed)(first)?;
        let is_no = fields.every().all(|(name, raw)| {
            self.is_no(
                class,
                Field {
                    name,
                    raw,
                    in_error: false,
                },
                DEPTH_MAX,
            )
        });

        is_no.then_some(class)
    }

    /// Whether a field belongs to a refusal of this class, or says nothing.
    fn is_no(&self, class: RefusalClass, field: Field<'_>, depth: u8) -> bool {
        let Field { raw, .. } = field;

        // Nobody here reads another language: what stands in it may be anything.
        if !field.name.is_ascii() {
            return false;
        }

        match read_scalar(raw) {
            Scalar::Null | Scalar::Flag(false) => true,
            Scalar::Flag(true) => field.kind() == FieldKind::Error,
            Scalar::Number(number) => self.may_be(field, number),
            Scalar::Text(text) if text.is_empty() || self.asked == Some(&*text) => true,
            Scalar::Text(text) if is_number(&text) => self.may_be(field, &text),
            Scalar::Text(text) => self.may_be_said(class, field, &text),
            Scalar::List | Scalar::Other if depth == 0 => !holds_anything(raw, 0),
            Scalar::List => list_items(raw.get()).is_some_and(|list| {
                list.into_iter()
                    .all(|raw| self.is_no(class, Field { raw, ..field }, depth - 1))
            }),
            Scalar::Other => Fields::read(raw.get()).is_some_and(|fields| {
                let in_error = field.kind() == FieldKind::Error;
                fields.every().all(|(name, raw)| {
                    self.is_no(
                        class,
                        Field {
                            name,
                            raw,
                            in_error,
                        },
                        depth - 1,
                    )
                })
            }),
        }
    }

    fn may_be(&self, field: Field<'_>, number: &str) -> bool {
        let name = folded(field.name);
        let is_code = number.len() <= CODE_BYTES_MAX && !name.ends_with("id");
        let is_nothing = number
            .bytes()
            .all(|byte| matches!(byte, b'0' | b'.' | b'-'));

        let is_amount =
            (number.contains('.') && !is_long_and_whole(number)) || number.starts_with('-');

        match field.kind() {
            _ if is_nothing || self.asked == Some(number) => true,
            FieldKind::Number => true,
            FieldKind::Harmless => !is_long_and_whole(number),
            FieldKind::Error => is_code,
            FieldKind::Outcome => is_code && number != "1",
            FieldKind::Other => is_amount && !is_charge(&name, field.raw),
        }
    }

    fn may_be_said(&self, class: RefusalClass, field: Field<'_>, text: &str) -> bool {
        let folded = text.to_lowercase();
        let is = |words: &[&str]| words.contains(&folded.trim_end_matches('.'));
        let tells_of_an_order = || speaks_of_an_order(&folded);

        match field.kind() {
            FieldKind::Error => {
                is(&FRAMES)
                    || is_failure(field.raw)
                    || (self.listed)(text).is_some_and(|of| goes_with(class, of))
            }
            FieldKind::Outcome => {
                is_failure(field.raw) || is(&NO_WORDS) || is_harmless_text(&folded, class)
            }
            FieldKind::Number | FieldKind::Harmless => {
                text.replace('…', "").is_ascii() && !tells_of_an_order()
            }
            FieldKind::Other if text.contains(' ') => {
                (self.listed)(text).is_some() || is_harmless_text(&folded, class)
            }
            FieldKind::Other => {
                let is_plain = text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_digit());
                let is_known =
                    is_harmless_text(&folded, class) || is_failure(field.raw) || is(&SEVERITIES);
                is_plain && is_known && !is_charge(field.name, field.raw)
            }
        }
    }
}

/// A field, or one item of it.
#[derive(Clone, Copy)]
struct Field<'a> {
    name: &'a str,
    raw: &'a RawValue,
    /// Whether it is a part of an error.
    in_error: bool,
}

/// What a field is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldKind {
    /// To say what is wrong.
    Error,
    /// To say whether it went well.
    Outcome,
    /// For a number that is no order's.
    Number,
    /// For something that is no order.
    Harmless,
    /// Nobody knows.
    Other,
}

impl Field<'_> {
    fn kind(&self) -> FieldKind {
        let name = folded(self.name);
        let is = |names: &[&str]| names.iter().any(|known| folded(known) == name);
        if self.in_error {
            return if is(&NAMES_OF_KINDS) {
                FieldKind::Harmless
            } else {
                FieldKind::Error
            };
        }

        match () {
            () if name.starts_with("err") || is(&FAILURE_NAMES) || is(&MESSAGE_NAMES) => {
                FieldKind::Error
            }
            () if is(&SUCCESS_NAMES) || is(&OUTCOME_NAMES) || name == "httpstatus" => {
                FieldKind::Outcome
            }
            () if is(&NUMBER_NAMES) => FieldKind::Number,
            () if is(&HARMLESS_NAMES) => FieldKind::Harmless,
            () => FieldKind::Other,
        }
    }
}

/// Whether two refusals in one answer have one end: those that find fault with the order do.
fn goes_with(class: RefusalClass, other: RefusalClass) -> bool {
    let is_orders = |class| {
        matches!(
            class,
            RefusalClass::Link | RefusalClass::Quantity | RefusalClass::Parameters
        )
    };

    class == other || (is_orders(class) && is_orders(other))
}

/// Whether a text takes nothing of a refusal of that class back, wherever it stands.
fn is_harmless_text(folded: &str, class: RefusalClass) -> bool {
    is_harmless(folded, class) && !may_name_an_order(Tail::of(folded), class)
}

fn is_number(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
}

/// Whether a field says that something was taken.
fn is_charge(name: &str, raw: &RawValue) -> bool {
    let is_more_than_nothing = || {
        read_amount(raw)
            .is_some_and(|amount| amount.bytes().any(|byte| matches!(byte, b'1'..=b'9')))
    };
    CHARGES.contains(&folded(name).as_str()) && is_more_than_nothing()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::upstream::dialect::words;

    fn class(json: &str, first: &str) -> Option<RefusalClass> {
        let own = BTreeMap::new();
        let listed = |text: &str| words::proven_refusal(text, &own);
        RefusalProof {
            listed: &listed,
            asked: None,
        }
        .class_of(&Fields::read(json).unwrap(), first)
    }

    #[test]
    fn a_refusal_is_one_in_all_that_it_says() {
        for json in [
            r#"{"error":"Bad link"}"#,
            r#"{"error":["Bad link","Quantity must be a number"],"status":"fail","code":422}"#,
            r#"{"error":{"code":"VALIDATION","message":"Bad link","field":"link"},"request_id":"8fa31111"}"#,
            r#"{"error":true,"message":"Bad link","timestamp":1764490506,"balance":"12.50","min":50,"max":1000}"#,
            r#"{"error":"Bad link","order":0,"data":[],"link":"…","quantity":100,"service":17}"#,
            r#"{"error":"Bad link","hint":"Please check your link"}"#,
            r#"{"errors":{"link":["Bad link"]},"message":"The given data was invalid."}"#,
        ] {
            assert_eq!(class(json, "Bad link"), Some(RefusalClass::Link), "{json}");
        }
    }

    #[test]
    fn what_may_be_an_orders_or_is_not_listed_takes_it_back() {
        for json in [
            r#"{"error":"Bad link","message":"Order #55"}"#,
            r#"{"error":["Bad link","order 55 saved"]}"#,
            r#"{"error":["Bad link","Supplier timeout"]}"#,
            r#"{"error":"Supplier timeout","error":"Bad link"}"#,
            r#"{"error":"Bad link","errors":["Not enough funds"]}"#,
            r#"{"error":"Bad link","ids":[55]}"#,
            r#"{"error":"Bad link","number":"55"}"#,
            r#"{"error":"Bad link","reference":"AB-12345","charge":"0.09"}"#,
            r#"{"error":"Bad link","charge":"0.09"}"#,
            r#"{"error":"Bad link","saved":true}"#,
            r#"{"error":"Bad link","success":true}"#,
            r#"{"error":"Bad link","status":1}"#,
            r#"{"error":"Bad link","status":"success"}"#,
            r#"{"error":"Bad link","info":"It will start soon"}"#,
            r#"{"error":"Bad link","meta":{"detail":"Supplier timeout"}}"#,
            r#"{"error":"Bad link","warning":"Supplier timeout"}"#,
            r#"{"error":"Bad link","log":["We took it"]}"#,
            r#"{"error":"Bad link","meta":[[[[[55]]]]]}"#,
            r#"{"error":"Bad link","error_id":55555}"#,
        ] {
            assert_eq!(class(json, "Bad link"), None, "{json}");
        }
    }
}
