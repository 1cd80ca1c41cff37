//! Signs that something failed: an id that stands beside one is nobody's proof.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::provider::PanelWord;
use crate::upstream::dialect::complaint::{MESSAGE_NAMES, is_told};
use crate::upstream::dialect::trace::{NOT_SAID, folded};
use crate::upstream::dialect::words;
use crate::upstream::scalar::{Fields, Scalar, list_items, read_scalar, read_text};

/// Fields that hold an error whenever they hold anything; so does every name that begins with
/// `err`.
pub(super) const FAILURE_NAMES: [&str; 9] = [
    "fail",
    "failed",
    "failure",
    "failures",
    "exception",
    "has_error",
    "has_errors",
    "is_error",
    "haserror",
];

/// Fields that say whether it went well: a no, a nought or a word of failure says that it did not.
pub(super) const SUCCESS_NAMES: [&str; 7] = [
    "status",
    "success",
    "ok",
    "result",
    "successful",
    "is_success",
    "issuccess",
];

/// Fields that may say the same, where a nought means nothing.
pub(super) const OUTCOME_NAMES: [&str; 8] = [
    "state",
    "type",
    "code",
    "status_code",
    "statuscode",
    "order_status",
    "http_code",
    "response",
];

/// Objects that wrap an answer.
const WRAPPER_NAMES: [&str; 5] = ["data", "result", "response", "payload", "order"];

/// How deep wrappers are looked into.
const DEPTH_MAX: u8 = 3;

/// How deep everything else is looked into.
const LISTS_DEPTH_MAX: u8 = 4;

/// What a field says that tells of a failure, folded.
pub(super) const NO_WORDS: [&str; 4] = ["false", "no", "0", "-1"];

/// Words of failure, folded.
const FAILURE_WORDS: [&str; 21] = [
    "fail",
    "failed",
    "failure",
    "fails",
    "error",
    "errors",
    "err",
    "exception",
    "rejected",
    "reject",
    "refused",
    "declined",
    "denied",
    "invalid",
    "unsuccessful",
    "canceled",
    "cancelled",
    "nok",
    "ko",
    "unauthorized",
    "forbidden",
];

/// What a field for an error says where there was none, folded.
const NO_ERRORS: [&str; 8] = [
    "no",
    "none",
    "no error",
    "no errors",
    "ok",
    "success",
    "0",
    "00",
];

/// What a field for an error's code says besides where there was none.
const NO_ERROR_CODE: &str = "200";

/// How sentences of failure begin, folded, wherever they stand.
const FAILURE_BEGINNINGS: [&str; 3] = ["error", "fail", "exception"];

type Words = BTreeMap<String, PanelWord>;

/// Whether a field of an answer is a sign of failure: at its top, or in what it wraps.
pub(super) fn says_failed(fields: &Fields<'_>) -> bool {
    any_sign(fields, &|_, raw| is_told(raw), &|_| false, DEPTH_MAX)
}

/// Whether anything in an answer tells of a failure, be it a sentence that stands where no error
/// should. An error that says `ok` tells of none here.
pub(super) fn tells_of_failure(fields: &Fields<'_>, own: &Words) -> bool {
    let is_error =
        |name: &str, raw: &RawValue| is_told(raw) && !says_no_error(name, raw, DEPTH_MAX);

    any_sign(
        fields,
        &is_error,
        &|raw| is_sentence_of_failure(raw, own),
        DEPTH_MAX,
    ) || complains(fields, own)
}

/// Whether anything complains that stands in a list, or under whatever name. What the order itself
/// is about says nothing.
fn complains(fields: &Fields<'_>, own: &Words) -> bool {
    said(fields).any(|(_, raw)| complains_within(raw, own, LISTS_DEPTH_MAX))
}

fn complains_within(raw: &RawValue, own: &Words, depth: u8) -> bool {
    match read_scalar(raw) {
        // `link` alone is the name of a field before it is a code.
        Scalar::Text(text) => {
            !text.eq_ignore_ascii_case("link") && is_sentence_of_failure(raw, own)
        }
        Scalar::List | Scalar::Other if depth == 0 => is_told(raw),
        Scalar::List => list_items(raw.get()).is_some_and(|list| {
            list.into_iter()
                .any(|item| complains_within(item, own, depth - 1))
        }),
        Scalar::Other => Fields::read(raw.get()).is_some_and(|fields| {
            said(&fields).any(|(name, raw)| {
                let name = name.to_lowercase();
                let is = |names: &[&str]| names.contains(&name.as_str());
                let holds_an_error =
                    (name.starts_with("err") || is(&FAILURE_NAMES)) && is_told(raw);

                // A nought may count something here; a no is one.
                let says_no = is(&SUCCESS_NAMES) && matches!(read_scalar(raw), Scalar::Flag(false));
                let ends_badly =
                    says_no || ((is(&SUCCESS_NAMES) || is(&OUTCOME_NAMES)) && is_failure(raw));

                holds_an_error || ends_badly || complains_within(raw, own, depth - 1)
            })
        }),
        Scalar::Null | Scalar::Flag(_) | Scalar::Number(_) => false,
    }
}

/// The fields that are the panel's word.
fn said<'a>(fields: &'a Fields<'a>) -> impl Iterator<Item = (&'a str, &'a RawValue)> {
    fields
        .every()
        .filter(|(name, _)| !NOT_SAID.contains(&folded(name).as_str()))
}

fn any_sign(
    fields: &Fields<'_>,
    is_error: &dyn Fn(&str, &RawValue) -> bool,
    is_sentence: &dyn Fn(&RawValue) -> bool,
    depth: u8,
) -> bool {
    // A field that stands twice may say it either time.
    fields.every().any(|(name, raw)| {
        let name = name.to_lowercase();
        let is = |names: &[&str]| names.contains(&name.as_str());

        // An `ok` for an error is understood only beside the order: of what is wrapped any word
        // counts.
        let within = || {
            let wraps = is(&WRAPPER_NAMES) || is(&SUCCESS_NAMES);
            let wrapped = (wraps && depth > 0)
                .then(|| Fields::read(raw.get()))
                .flatten();

            wrapped.is_some_and(|wrapped| {
                any_sign(&wrapped, &|_, raw| is_told(raw), is_sentence, depth - 1)
            })
        };

        let holds_an_error =
            (name.starts_with("err") || is(&FAILURE_NAMES)) && is_error(&name, raw);
        let says_no = is(&SUCCESS_NAMES) && (is_no(raw) || is_failure(raw));
        let ends_badly = is(&OUTCOME_NAMES) && is_failure(raw);
        let speaks = is(&MESSAGE_NAMES) || is(&SUCCESS_NAMES) || is(&OUTCOME_NAMES);

        holds_an_error || says_no || ends_badly || (speaks && is_sentence(raw)) || within()
    })
}

/// Whether a field for an error says that there was none. `name` is in small letters; `failed` and
/// its like hold none.
fn says_no_error(name: &str, raw: &RawValue, depth: u8) -> bool {
    let may_hold_a_code = name.contains("code") || matches!(name, "err" | "errno");
    match read_scalar(raw) {
        Scalar::Number(_) | Scalar::Text(_) => read_text(raw).is_some_and(|text| {
            let says_none = NO_ERRORS.iter().any(|none| text.eq_ignore_ascii_case(none));
            (says_none && !FAILURE_NAMES.contains(&name))
                || (may_hold_a_code && text == NO_ERROR_CODE)
        }),
        Scalar::Other if depth > 0 => Fields::read(raw.get()).is_some_and(|fields| {
            let mut within = fields.every();
            within.all(|(name, raw)| {
                !is_told(raw) || says_no_error(&name.to_lowercase(), raw, depth - 1)
            })
        }),
        Scalar::Null | Scalar::Flag(_) | Scalar::List | Scalar::Other => false,
    }
}

/// A no, or a nought.
fn is_no(raw: &RawValue) -> bool {
    match read_scalar(raw) {
        Scalar::Flag(yes) => !yes,
        Scalar::Number(_) | Scalar::Text(_) => read_text(raw)
            .is_some_and(|text| NO_WORDS.iter().any(|no| text.eq_ignore_ascii_case(no))),
        Scalar::Null | Scalar::List | Scalar::Other => false,
    }
}

/// A word of failure, or the number of an HTTP status that is one.
pub(super) fn is_failure(raw: &RawValue) -> bool {
    let Some(text) = read_text(raw) else {
        return false;
    };

    let is_word = FAILURE_WORDS
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));

    let is_code = text
        .parse::<u16>()
        .is_ok_and(|code| (400..600).contains(&code));

    is_word || is_code || text.parse::<i64>().is_ok_and(i64::is_negative)
}

/// A listed refusal, or a sentence that begins like a failure, where no error should stand.
fn is_sentence_of_failure(raw: &RawValue, own: &Words) -> bool {
    let Scalar::Text(text) = read_scalar(raw) else {
        return false;
    };

    let folded = text.to_lowercase();
    FAILURE_BEGINNINGS
        .iter()
        .any(|begins| folded.starts_with(begins))
        || words::refusal_of(&text, own).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_seen_wherever_it_is_said() {
        for json in [
            r#"{"error":"x"}"#,
            r#"{"Error":"x"}"#,
            r#"{"errors":["x"]}"#,
            r#"{"error_message":"x"}"#,
            r#"{"errorCode":7}"#,
            r#"{"failed":true}"#,
            r#"{"status":"Failed"}"#,
            r#"{"status":false}"#,
            r#"{"status":"0"}"#,
            r#"{"status":422}"#,
            r#"{"success":0}"#,
            r#"{"success":"false"}"#,
            r#"{"ok":"no"}"#,
            r#"{"code":"403"}"#,
            r#"{"code":-5}"#,
            r#"{"type":"error"}"#,
            r#"{"message":"Not enough funds"}"#,
            r#"{"msg":"Error while saving"}"#,
            r#"{"data":{"error":"x"}}"#,
            r#"{"data":{"result":{"success":false}}}"#,
            r#"{"status":{"error":"x"}}"#,
        ] {
            assert!(
                tells_of_failure(&Fields::read(json).unwrap(), &BTreeMap::new()),
                "{json}"
            );
        }

        for json in [
            "{}",
            r#"{"error":null,"errors":[],"error_code":0,"err":""}"#,
            r#"{"error":false,"Errors":{}}"#,
            r#"{"status":"success","success":1,"ok":true,"code":0,"type":"Default"}"#,
            r#"{"status":200,"message":"Order placed"}"#,
            r#"{"status":"Pending","code":"200"}"#,
            r#"{"data":{"error":null,"status":"ok"}}"#,
            r#"{"service":{"status":"failed"}}"#,
        ] {
            assert!(
                !tells_of_failure(&Fields::read(json).unwrap(), &BTreeMap::new()),
                "{json}"
            );
        }

        let sentence = r#"{"message":"Not enough funds"}"#;
        assert!(
            !says_failed(&Fields::read(sentence).unwrap()),
            "a sentence is no field of failure"
        );
    }
}
