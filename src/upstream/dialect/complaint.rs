//! Errors: looked for before any status or any id of nought is believed.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::provider::PanelWord;
use crate::upstream::dialect::AnswerFault;
use crate::upstream::dialect::{TEXT_BYTES_MAX, words};
use crate::upstream::evidence::storable_text;
use crate::upstream::scalar::{Fields, Scalar, list_items, read_scalar, read_text};

/// Where an error's text stands.
const ERROR_NAMES: [&str; 3] = ["error", "errors", "error_message"];

/// Where it stands beside a sign that something failed.
pub(super) const MESSAGE_NAMES: [&str; 5] = ["message", "msg", "detail", "description", "reason"];

/// What an error says that is none, folded.
const NO_ERRORS: [&str; 5] = ["0", "false", "null", "none", "n/a"];

/// Where a person is told something, failed or not.
const NOTICE_NAMES: [&str; 10] = [
    "note",
    "notice",
    "info",
    "warning",
    "warnings",
    "title",
    "text",
    "comment",
    "hint",
    "error_description",
];

/// Where it stands within an error that is an object.
const WITHIN_NAMES: [&str; 4] = ["message", "error", "text", "code"];

/// How deep a text is looked for within an error.
const DEPTH_MAX: u8 = 3;

/// What a field that may hold an error says.
enum ErrorField {
    Nothing,
    /// An error without a text: `true`.
    Sign,
    Text(String),
}

/// An object's error text, where it has one.
pub(super) fn error_text(fields: &Fields<'_>) -> Option<String> {
    text_of(fields, status_says_failed(fields))
}

/// The error text of what could not be placed, whichever sign says that it failed.
///
/// Of what was placed a `status` tells how it stands, so only two of its words are a sign there.
pub(super) fn refusal_text(fields: &Fields<'_>, failed: bool) -> Option<String> {
    text_of(fields, failed)
}

/// Whether something is said to a person: an answer in itself, and no row of an order.
pub(super) fn has_message(fields: &Fields<'_>) -> bool {
    let is_notice = |name: &str| {
        let name = name.to_lowercase();
        let known = ERROR_NAMES
            .iter()
            .chain(&MESSAGE_NAMES)
            .chain(&NOTICE_NAMES);

        name.starts_with("err") || known.into_iter().any(|known| *known == name)
    };

    fields
        .every()
        .any(|(name, raw)| is_notice(name) && is_told(raw))
}

/// Whether a field that may hold an error holds one, with a text or without.
pub(super) fn is_told(raw: &RawValue) -> bool {
    !matches!(told(raw, DEPTH_MAX), ErrorField::Nothing)
}

fn text_of(fields: &Fields<'_>, mut failed: bool) -> Option<String> {
    for raw in ERROR_NAMES.iter().filter_map(|name| fields.value(name)) {
        match told(raw, DEPTH_MAX) {
            ErrorField::Text(text) => return Some(storable_text(&text, TEXT_BYTES_MAX)),
            ErrorField::Sign => failed = true,
            ErrorField::Nothing => {}
        }
    }

    let message = failed
        .then(|| fields.first(&MESSAGE_NAMES, read_text))
        .flatten();

    message.map(|text| storable_text(&text, TEXT_BYTES_MAX))
}

/// The complaint that an object makes instead of an answer.
pub(super) fn read_complaint(
    fields: &Fields<'_>,
    own: &BTreeMap<String, PanelWord>,
) -> Option<AnswerFault> {
    let text = error_text(fields)?;
    Some(words::refusal_of(&text, own).map_or(AnswerFault::Declined(text), AnswerFault::Refused))
}

fn status_says_failed(fields: &Fields<'_>) -> bool {
    let says = |status: String| {
        ["error", "fail"]
            .iter()
            .any(|word| status.eq_ignore_ascii_case(word))
    };

    let succeeded = fields.value("success").map(read_scalar);
    let says_no = match succeeded {
        Some(Scalar::Flag(yes)) => !yes,
        Some(Scalar::Text(text)) => text.eq_ignore_ascii_case("false"),
        Some(Scalar::Number(_) | Scalar::Null | Scalar::List | Scalar::Other) | None => false,
    };

    says_no || fields.first(&["status"], read_text).is_some_and(says)
}

fn told(raw: &RawValue, depth: u8) -> ErrorField {
    match read_scalar(raw) {
        Scalar::Null | Scalar::Flag(false) | Scalar::Number("0") => ErrorField::Nothing,
        Scalar::Flag(true) => ErrorField::Sign,
        Scalar::Number(code) => ErrorField::Text(code.to_owned()),
        Scalar::Text(text) if text.is_empty() => ErrorField::Nothing,
        Scalar::Text(text) if NO_ERRORS.iter().any(|none| text.eq_ignore_ascii_case(none)) => {
            ErrorField::Nothing
        }
        Scalar::Text(text) => ErrorField::Text(text),
        Scalar::List | Scalar::Other if depth == 0 => ErrorField::Sign,
        Scalar::List => first_told(list_items(raw.get()).unwrap_or_default().into_iter(), depth),
        Scalar::Other => match Fields::read(raw.get()) {
            Some(fields) => {
                let within = WITHIN_NAMES.iter().filter_map(|name| fields.value(name));
                first_told(within.chain(fields.values()), depth)
            }
            None => ErrorField::Sign,
        },
    }
}

fn first_told<'a>(values: impl Iterator<Item = &'a RawValue>, depth: u8) -> ErrorField {
    let mut answer = ErrorField::Nothing;
    for value in values {
        match told(value, depth - 1) {
            ErrorField::Text(text) => return ErrorField::Text(text),
            ErrorField::Sign => answer = ErrorField::Sign,
            ErrorField::Nothing => {}
        }
    }

    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_where_panels_put_them() {
        for (json, text) in [
            (r#"{"error":"Bad link"}"#, Some("Bad link")),
            (r#"{"error":["Bad link","other"]}"#, Some("Bad link")),
            (r#"{"errors":["Bad link"]}"#, Some("Bad link")),
            (r#"{"errors":{"link":["Bad link"]}}"#, Some("Bad link")),
            (
                r#"{"error":{"code":7,"message":"Bad link"}}"#,
                Some("Bad link"),
            ),
            (r#"{"error":true,"message":"Bad link"}"#, Some("Bad link")),
            (
                r#"{"status":"error","message":"Bad link"}"#,
                Some("Bad link"),
            ),
            (r#"{"status":"Fail","msg":"Bad link"}"#, Some("Bad link")),
            (
                r#"{"status":"fail","error_message":"Bad link"}"#,
                Some("Bad link"),
            ),
            (r#"{"error":42}"#, Some("42")),
            (r#"{"error_message":"Bad link"}"#, Some("Bad link")),
            (
                r#"{"success":false,"message":"Bad link"}"#,
                Some("Bad link"),
            ),
            (r#"{"error":"0"}"#, None),
            (r#"{"error":"false"}"#, None),
            (r#"{"error":null}"#, None),
            (r#"{"error":false}"#, None),
            (r#"{"error":""}"#, None),
            (r#"{"error":[]}"#, None),
            (r#"{"error":0}"#, None),
            (r#"{"errors":{}}"#, None),
            (r#"{"message":"Order placed"}"#, None),
            (r#"{"status":"success","message":"Order placed"}"#, None),
            (r#"{"status":"error"}"#, None),
        ] {
            assert_eq!(
                error_text(&Fields::read(json).unwrap()).as_deref(),
                text,
                "{json}"
            );
        }

        let deep = format!(
            r#"{{"error":{}"Bad link"{}}}"#,
            "[".repeat(50),
            "]".repeat(50)
        );

        assert_eq!(error_text(&Fields::read(&deep).unwrap()), None);
    }
}
