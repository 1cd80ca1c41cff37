//! Traces of an order: what speaks for one beside a refusal, and whose a bare `id` is.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::provider::{PanelWord, RefusalClass};
use crate::upstream::dialect::failed::is_failure;
use crate::upstream::dialect::words;
use crate::upstream::scalar::{Fields, Scalar, list_items, order_id, placed_id, read_scalar};

/// What names an order whenever it is part of a field's name, folded.
const ORDER: &str = "order";

/// Names that may mean an order where an order's own fields stand, folded.
const TRACE_NAMES: [&str; 6] = ["id", "oid", "purchase", "purchaseid", "task", "taskid"];

/// What wraps an answer, folded.
const WRAPPER_NAMES: [&str; 7] = [
    "data", "result", "results", "response", "payload", "body", "content",
];

/// What makes a bare `id` beside it the id of something else, folded: a call, a person, a row of a
/// list, another answer.
const STRANGERS: [&str; 36] = [
    "jsonrpc",
    "method",
    "request",
    "requestid",
    "result",
    "results",
    "response",
    "payload",
    "body",
    "content",
    "user",
    "userid",
    "username",
    "login",
    "email",
    "phone",
    "role",
    "account",
    "accountid",
    "customer",
    "customerid",
    "client",
    "clientid",
    "name",
    "rate",
    "ticket",
    "refill",
    "purchase",
    "purchaseid",
    "transactionid",
    "balance",
    "funds",
    "services",
    "remains",
    "startcount",
    "startcounter",
];

/// How a field's name ends, folded, that tells how an order stands and not which it is.
const STANDING: [&str; 3] = ["status", "state", "type"];

/// Texts that name nothing, folded.
const NOTHING: [&str; 7] = ["null", "false", "none", "n/a", "undefined", "nil", "-"];

/// Fields whose texts are the customer's or the catalog's, not the panel's word, folded.
pub(super) const NOT_SAID: [&str; 5] = ["link", "url", "comments", "service", "name"];

/// How deep an answer is looked into; what is deeper counts as a trace where in doubt.
const DEPTH_MAX: u8 = 4;

type Words = BTreeMap<String, PanelWord>;

/// A name without its manner of writing: `Order_ID` is `orderid`.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether anything names an order, where ids are read or not: enough to believe no refusal.
pub(super) fn names_an_order(fields: &Fields<'_>) -> bool {
    is_named_in(fields, true, DEPTH_MAX)
}

fn is_named_in(fields: &Fields<'_>, is_outside: bool, depth: u8) -> bool {
    fields.every().any(|(name, raw)| {
        let name = folded(name);
        let is = |names: &[&str]| names.contains(&name.as_str());

        let is_orders = name.contains(ORDER) && !tells_how_it_stands(&name, raw);
        let may_be_orders = is_outside && is(&TRACE_NAMES);

        // An HTTP status may stand in `response`.
        let wraps = is_outside && is(&WRAPPER_NAMES) && !(name == "response" && is_failure(raw));
        ((is_orders || may_be_orders) && holds_anything(raw, depth))
            || is_named_within(raw, wraps, depth)
    })
}

fn is_named_within(raw: &RawValue, wraps: bool, depth: u8) -> bool {
    match (list_items(raw.get()), Fields::read(raw.get())) {
        (None, None) => wraps && (placed_id(raw).is_some() || is_text_of_an_order(raw)),
        _ if depth == 0 => raw.get().to_lowercase().contains(ORDER),
        (Some(list), _) => list
            .into_iter()
            .any(|item| is_named_within(item, wraps, depth - 1)),
        (None, Some(fields)) => is_named_in(&fields, wraps, depth - 1),
    }
}

/// A text such as `Order #55`, or an answer that was written into a text.
fn is_text_of_an_order(raw: &RawValue) -> bool {
    let Scalar::Text(text) = read_scalar(raw) else {
        return false;
    };
    text.to_lowercase().contains(ORDER) && text.bytes().any(|byte| byte.is_ascii_digit())
}

fn tells_how_it_stands(name: &str, raw: &RawValue) -> bool {
    let Scalar::Text(text) = read_scalar(raw) else {
        return false;
    };
    STANDING.iter().any(|end| name.ends_with(end))
        && !text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether a value is more than a null, a nought, a no or an empty one.
pub(super) fn holds_anything(raw: &RawValue, depth: u8) -> bool {
    match read_scalar(raw) {
        Scalar::Null => false,
        Scalar::Flag(yes) => yes,
        Scalar::Number(number) => !is_nought(number),
        Scalar::Text(text) => {
            !is_nought(&text) && !NOTHING.iter().any(|none| text.eq_ignore_ascii_case(none))
        }
        Scalar::List | Scalar::Other if depth == 0 => true,
        Scalar::List => list_items(raw.get())
            .is_none_or(|list| list.into_iter().any(|item| holds_anything(item, depth - 1))),
        Scalar::Other => Fields::read(raw.get()).is_none_or(|fields| {
            fields
                .every()
                .any(|(_, value)| holds_anything(value, depth - 1))
        }),
    }
}

/// `0`, `00`, `0.0`, `-0`, or nothing at all.
fn is_nought(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'))
}

/// The bare `id` of an answer, at its top or in `data`, where it can be nothing but the order's.
///
/// Many things have an `id`: a call, a user, a row. So nothing else may be named like an order,
/// nothing may stand beside it that has ids of its own, and it must look like an order's.
pub(super) fn lone_id(fields: &Fields<'_>, data: Option<&Fields<'_>>) -> Option<String> {
    if has_name_of_an_order(fields, DEPTH_MAX) {
        return None;
    }

    let beside = || {
        fields
            .every()
            .chain(data.into_iter().flat_map(Fields::every))
    };

    if beside().any(|(name, _)| STRANGERS.contains(&folded(name).as_str())) {
        return None;
    }

    let ids_of = |fields: &Fields<'_>| -> Vec<Option<String>> {
        let named = fields.every().filter(|(name, _)| folded(name) == "id");
        named
            .filter(|(_, raw)| holds_anything(raw, DEPTH_MAX))
            .map(|(_, raw)| order_id(raw))
            .collect()
    };

    let within = data.map(&ids_of).unwrap_or_default();

    // Where `data` says something and has no id, it may be what is about the order.
    let data_says = fields
        .every()
        .any(|(name, raw)| folded(name) == "data" && holds_anything(raw, DEPTH_MAX));

    if data_says && within.is_empty() {
        return None;
    }

    let mut ids = ids_of(fields);
    ids.extend(within);
    let first = ids.first()?.clone()?;
    let is_one = ids.iter().all(|id| id.as_ref() == Some(&first));
    let is_orders =
        first.bytes().all(|byte| byte.is_ascii_digit()) || first.to_lowercase().starts_with("ord");

    (is_one && is_orders && fields_spell_id(fields, data)).then_some(first)
}

/// Whether an `id` is written just so: `ID` and `_id` are read nowhere else.
fn fields_spell_id(fields: &Fields<'_>, data: Option<&Fields<'_>>) -> bool {
    fields.value("id").is_some() || data.is_some_and(|data| data.value("id").is_some())
}

fn has_name_of_an_order(fields: &Fields<'_>, depth: u8) -> bool {
    fields
        .every()
        .any(|(name, raw)| folded(name).contains(ORDER) || has_name_within(raw, depth))
}

fn has_name_within(raw: &RawValue, depth: u8) -> bool {
    match (list_items(raw.get()), Fields::read(raw.get())) {
        (None, None) => false,
        _ if depth == 0 => raw.get().to_lowercase().contains(ORDER),
        (Some(list), _) => list
            .into_iter()
            .any(|item| has_name_within(item, depth - 1)),
        (None, Some(fields)) => has_name_of_an_order(&fields, depth - 1),
    }
}

/// Whether any text of an answer says that something is under way. That an order is active on the
/// link is another's.
pub(super) fn says_under_way(fields: &Fields<'_>, own: &Words) -> bool {
    fields.every().any(|(name, raw)| {
        !NOT_SAID.contains(&folded(name).as_str()) && is_under_way(raw, own, DEPTH_MAX)
    })
}

fn is_under_way(raw: &RawValue, own: &Words, depth: u8) -> bool {
    match read_scalar(raw) {
        Scalar::Text(text) => {
            words::is_under_way(&text, own)
                && words::proven_refusal(&text, own) != Some(RefusalClass::Active)
        }
        Scalar::List | Scalar::Other if depth > 0 => {
            let in_list = |list: Vec<&RawValue>| {
                list.into_iter()
                    .any(|item| is_under_way(item, own, depth - 1))
            };

            let in_fields = |fields: Fields<'_>| {
                fields
                    .every()
                    .any(|(_, value)| is_under_way(value, own, depth - 1))
            };

            list_items(raw.get()).is_some_and(in_list)
                || Fields::read(raw.get()).is_some_and(in_fields)
        }
        Scalar::Null | Scalar::Flag(_) | Scalar::Number(_) | Scalar::List | Scalar::Other => false,
    }
}
