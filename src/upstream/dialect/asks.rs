//! The answers to refills and cancels: a yes is a promise in many shapes, a no is an error.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::id::{PanelOrder, PanelRefill};
use crate::domain::provider::{PanelStatus, PanelWord, RefusalClass};
use crate::domain::refill::RefillState;
use crate::upstream::answer::{CancelRow, RefillRow};
use crate::upstream::dialect::complaint::{error_text, has_message, read_complaint};
use crate::upstream::dialect::failed::{is_failure, tells_of_failure};
use crate::upstream::dialect::refused::RefusalProof;
use crate::upstream::dialect::rows::{names_another, unambiguous};
use crate::upstream::dialect::{AnswerFault, ORDER_NAMES, ReadRefill, TEXT_BYTES_MAX, words};
use crate::upstream::evidence::storable_text;
use crate::upstream::scalar::{
    Fields, Scalar, bare, is_same_id, list_items, placed_id, read_flag, read_id, read_scalar,
    read_text,
};

type Words = BTreeMap<String, PanelWord>;

/// Where a refill's id stands.
const REFILL_NAMES: [&str; 4] = ["refill", "refill_id", "refillId", "id"];
/// Where a yes stands that has no id, be it a sentence.
const YES_NAMES: [&str; 2] = ["success", "ok"];
/// Where a yes stands in a word, or an id.
const ASKED_NAMES: [&str; 2] = ["refill", "cancel"];
/// Words that are a yes, folded. Any other may be a no.
const YES: [&str; 16] = [
    "ok",
    "yes",
    "true",
    "1",
    "success",
    "successful",
    "accepted",
    "asked",
    "taken",
    "requested",
    "sent",
    "submitted",
    "received",
    "created",
    "queued",
    "pending",
];
/// What a sentence has in it that is a yes, folded.
const PROMISES: [&str; 13] = [
    "will be refill",
    "will be cancel",
    "been accepted",
    "been received",
    "been requested",
    "been sent",
    "been submitted",
    "been created",
    "request accepted",
    "request received",
    "request sent",
    "request submitted",
    "successfully",
];
/// Words that make a no of any sentence, folded.
const NO: [&str; 22] = [
    "no",
    "not",
    "none",
    "never",
    "cannot",
    "can't",
    "don't",
    "doesn't",
    "won't",
    "isn't",
    "unable",
    "without",
    "denied",
    "declined",
    "disabled",
    "error",
    "failed",
    "invalid",
    "refused",
    "rejected",
    "unavailable",
    "false",
];
/// So many letters on end are a word, and no refill's id, where so few digits stand beside them.
const WORD_LETTERS_MIN: usize = 5;
const WORD_DIGITS_MAX: usize = 3;
/// What a `status` says that is a yes.
const YES_WORDS: [&str; 2] = ["ok", "success"];
/// Refills' own words beside the statuses of orders; one is a slip that is common.
const REFILL_WORDS: [(&str, RefillState); 2] = [
    ("in progess", RefillState::InProgress),
    ("refilled", RefillState::Completed),
];

/// Reads the answer to one refill. An id or a yes beside any sign of failure is neither, and so is
/// an error that nobody listed: a refill is asked for once, for panels that fail may have taken it.
pub(super) fn read_refill(text: &str, asked: &PanelOrder, own: &Words) -> ReadRefill {
    let text = bare(text);

    // Some answer one like many.
    let rows = list_items(text);
    if rows.as_ref().is_some_and(|rows| rows.len() > 1) {
        return ReadRefill::Unclear;
    }

    let row = rows.and_then(|rows| rows.first().map(|row| row.get()));
    let Some(fields) = Fields::read(row.unwrap_or(text)) else {
        return ReadRefill::Unclear;
    };

    if names_another(&fields, &ORDER_NAMES[..4], &asked.0) {
        return ReadRefill::Unclear;
    }

    let nested = fields
        .value("data")
        .and_then(|data| Fields::read(data.get()));

    let of_row = |fields: &Fields<'_>| {
        // A row's `id` may be the order's.
        let names = if row.is_some() {
            &REFILL_NAMES[..3]
        } else {
            &REFILL_NAMES[..]
        };

        fields.first(names, answered_id)
    };

    let found = of_row(&fields).or_else(|| nested.as_ref().and_then(of_row));
    let (refused, failed) = (refusal(&fields, "refill"), tells_of_failure(&fields, own));
    let listed = |text: &str| {
        words::proven_refusal(text, own)
            .or_else(|| words::refuses_a_refill(text).then_some(RefusalClass::Service))
    };

    let proof = RefusalProof {
        listed: &listed,
        asked: Some(&asked.0),
    };

    match (found, refused) {
        (Some(id), None) if !failed => ReadRefill::Taken(Some(PanelRefill(id))),
        (None, Some(text)) if proof.class_of(&fields, &text).is_some() => ReadRefill::Refused(text),
        (None, None) if says_yes(&fields) && !failed => ReadRefill::Taken(None),
        (Some(_), _) | (None, Some(_) | None) => ReadRefill::Unclear,
    }
}

/// Reads where refills stand; one row for each that was asked for, in that order.
pub(super) fn refill_rows(
    text: &str,
    asked: &[PanelRefill],
    own: &Words,
) -> Result<Vec<(PanelRefill, RefillRow)>, AnswerFault> {
    let text = bare(text);
    let by_id: BTreeMap<String, &RawValue> = if let Some(rows) = list_items(text) {
        named(rows, &REFILL_NAMES)
    } else {
        let fields = Fields::read(text).ok_or(AnswerFault::Unreadable)?;
        let keyed: BTreeMap<_, _> = asked
            .iter()
            .filter_map(|id| Some((id.0.clone(), fields.value(&id.0)?)))
            .collect();

        match asked {
            _ if !keyed.is_empty() => only_once(&fields, keyed),
            [one] if read_complaint(&fields, own).is_none() => {
                return Ok(vec![(one.clone(), refill_row(&fields, one, own))]);
            }
            _ => return Err(read_complaint(&fields, own).unwrap_or(AnswerFault::Unreadable)),
        }
    };

    let row = |id: &PanelRefill| match by_id.get(&id.0).and_then(|raw| Fields::read(raw.get())) {
        Some(fields) => refill_row(&fields, id, own),
        None => RefillRow::Unclear("missing".to_owned()),
    };

    Ok(asked.iter().map(|id| (id.clone(), row(id))).collect())
}

fn refill_row(fields: &Fields<'_>, asked: &PanelRefill, own: &Words) -> RefillRow {
    if names_another(fields, &REFILL_NAMES[..3], &asked.0) {
        return RefillRow::Unclear("the row of another refill".to_owned());
    }

    if let Some(text) = refusal(fields, "status") {
        return RefillRow::Unclear(text);
    }

    let Some(said) = fields.first(&["status"], read_text) else {
        return RefillRow::Unclear("no status".to_owned());
    };

    let kept = storable_text(&said, TEXT_BYTES_MAX);
    let folded = said.trim().to_lowercase().replace(['_', '-'], " ");
    let listed = REFILL_WORDS
        .iter()
        .find(|(word, _)| *word == folded)
        .map(|(_, state)| *state);

    let names_it = fields.first(&REFILL_NAMES[..3], read_id).is_some();
    let state = listed.or_else(|| {
        words::status_of(&said, own).map(|status| match status {
            PanelStatus::Pending | PanelStatus::Processing | PanelStatus::InProgress => {
                RefillState::InProgress
            }
            PanelStatus::Completed => RefillState::Completed,
            PanelStatus::Partial
            | PanelStatus::Canceled
            | PanelStatus::Failed
            | PanelStatus::Expired => RefillState::Rejected,
        })
    });

    // A status beside a message may be that of the answer.
    let state = state.filter(|state| {
        names_it
            || !matches!(state, RefillState::Completed | RefillState::Rejected)
            || !has_message(fields)
    });

    state.map_or(RefillRow::Unclear(kept.clone()), |state| {
        RefillRow::Said(state, kept)
    })
}

/// Reads what became of cancels; one row for each that was asked for, in that order.
pub(super) fn cancel_rows(
    text: &str,
    asked: &[PanelOrder],
    own: &Words,
) -> Result<Vec<(PanelOrder, CancelRow)>, AnswerFault> {
    let text = bare(text);
    let by_id: BTreeMap<String, &RawValue> = if let Some(rows) = list_items(text) {
        named(rows, &ORDER_NAMES)
    } else {
        let fields = Fields::read(text).ok_or(AnswerFault::Unreadable)?;
        let keyed: BTreeMap<_, _> = asked
            .iter()
            .filter_map(|id| Some((id.0.clone(), fields.value(&id.0)?)))
            .collect();

        if keyed.is_empty() {
            // One word for all of them.
            if let Some(complaint) = read_complaint(&fields, own) {
                return Err(complaint);
            }

            let named: Vec<String> = ORDER_NAMES[..4]
                .iter()
                .filter_map(|name| fields.first(&[name], read_id))
                .collect();

            if named
                .iter()
                .any(|named| asked.iter().all(|order| !is_same_id(&order.0, named)))
            {
                return Err(AnswerFault::Unreadable);
            }

            // A yes to many that names none is a promise for all, and the end of none.
            let row = cancel_row(&fields);
            let is_together = named.is_empty() && asked.len() > 1 && row == CancelRow::Taken;

            let row = if is_together {
                CancelRow::TakenTogether
            } else {
                row
            };

            let is_meant = |order: &PanelOrder| {
                named.is_empty() || named.iter().any(|named| is_same_id(&order.0, named))
            };

            let of = |order: &PanelOrder| {
                if is_meant(order) {
                    row.clone()
                } else {
                    CancelRow::Unclear("missing".to_owned())
                }
            };

            return Ok(asked
                .iter()
                .map(|order| (order.clone(), of(order)))
                .collect());
        }

        only_once(&fields, keyed)
    };

    let row = |id: &PanelOrder| match by_id.get(&id.0) {
        Some(raw) => match (Fields::read(raw.get()), read_scalar(raw)) {
            (Some(fields), _) if names_another(&fields, &ORDER_NAMES[..4], &id.0) => {
                CancelRow::Unclear("the row of another order".to_owned())
            }
            (Some(fields), _) => cancel_row(&fields),
            (None, Scalar::Text(text)) if !text.is_empty() => {
                CancelRow::Refused(storable_text(&text, TEXT_BYTES_MAX))
            }
            (None, _) if read_flag(raw) => CancelRow::Taken,
            (None, _) => CancelRow::Unclear("neither yes nor no".to_owned()),
        },
        None => CancelRow::Unclear("missing".to_owned()),
    };

    Ok(asked.iter().map(|id| (id.clone(), row(id))).collect())
}

fn cancel_row(fields: &Fields<'_>) -> CancelRow {
    if let Some(text) = refusal(fields, "cancel") {
        return CancelRow::Refused(text);
    }

    let within = fields
        .value("cancel")
        .and_then(|raw| Fields::read(raw.get()));

    let nested_yes = within
        .is_some_and(|within| within.value("status").is_some_and(read_flag) || says_yes(&within));

    if nested_yes || fields.first(&["cancel"], cancel_id).is_some() || says_yes(fields) {
        CancelRow::Taken
    } else {
        CancelRow::Unclear("neither yes nor no".to_owned())
    }
}

/// Rows by the id that each names; of two that differ neither is believed.
fn named<'a>(rows: Vec<&'a RawValue>, names: &[&str]) -> BTreeMap<String, &'a RawValue> {
    let by_id = rows
        .into_iter()
        .filter_map(|raw| Some((Fields::read(raw.get())?.first(names, read_id)?, raw)));
    unambiguous(by_id)
}

/// Rows under keys, without those that stand twice and differ.
fn only_once<'a>(
    fields: &Fields<'a>,
    keyed: BTreeMap<String, &'a RawValue>,
) -> BTreeMap<String, &'a RawValue> {
    let every = fields.every().filter(|(name, _)| keyed.contains_key(*name));
    unambiguous(every.map(|(name, raw)| (name.to_owned(), raw)))
}

/// A number, or a name with a digit in it: any other word beside `cancel` may be a no.
fn cancel_id(raw: &RawValue) -> Option<String> {
    answered_id(raw).or_else(|| Some("yes".to_owned()).filter(|_| read_flag(raw)))
}

/// An error, beside the answer or in its place.
fn refusal(fields: &Fields<'_>, answer: &str) -> Option<String> {
    let within = fields.value(answer).and_then(|raw| Fields::read(raw.get()));
    error_text(fields).or_else(|| within.as_ref().and_then(error_text))
}

/// An id of what was asked for, and no word with a number in it: `not-before-24h` is a no.
fn answered_id(raw: &RawValue) -> Option<String> {
    placed_id(raw).filter(|id| {
        let digits = id.bytes().filter(u8::is_ascii_digit).count();
        let mut runs = id.split(|c: char| !c.is_ascii_alphabetic());
        let is_word =
            digits <= WORD_DIGITS_MAX && runs.any(|letters| letters.len() >= WORD_LETTERS_MIN);
        !is_word || id.to_lowercase().starts_with("ref") || id.to_lowercase().starts_with("ord")
    })
}

/// A yes without an id: a word that is listed, or a sentence that promises.
fn says_yes(fields: &Fields<'_>) -> bool {
    let is_yes = |raw: &RawValue| match read_scalar(raw) {
        Scalar::Text(text) => is_word_of_yes(&text),
        Scalar::Flag(yes) => yes,
        Scalar::Number(number) => number != "0",
        Scalar::Null | Scalar::List | Scalar::Other => false,
    };

    let promises =
        |raw: &RawValue| matches!(read_scalar(raw), Scalar::Text(text) if is_promise(&text));
    let said = |names: &'static [&str]| names.iter().filter_map(|name| fields.value(name));

    said(&YES_NAMES).any(|raw| (is_yes(raw) || promises(raw)) && !is_failure(raw))
        || said(&ASKED_NAMES).any(|raw| is_yes(raw) && !is_failure(raw))
        || fields
            .first(&["status"], read_text)
            .is_some_and(|said| YES_WORDS.iter().any(|yes| said.eq_ignore_ascii_case(yes)))
}

fn is_word_of_yes(text: &str) -> bool {
    let bare = text.trim_end_matches(['.', '!']);
    YES.iter().any(|yes| bare.eq_ignore_ascii_case(yes))
}

fn is_promise(text: &str) -> bool {
    let folded = text.to_lowercase().replace('\u{2019}', "'");
    let mut words = folded.split(|c: char| !c.is_alphanumeric() && c != '\'');
    PROMISES.iter().any(|promise| folded.contains(promise)) && !words.any(|word| NO.contains(&word))
}

#[cfg(test)]
mod tests;
