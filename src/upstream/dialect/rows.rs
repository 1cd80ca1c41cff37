//! The answer to a status question: one order's fields, an object keyed by id, or an array of rows.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::id::PanelOrder;
use crate::domain::money::Money;
use crate::domain::provider::{PanelStatus, PanelWord};
use crate::domain::settlement::Report;
use crate::upstream::answer::OrderAnswer;
use crate::upstream::dialect::AnswerFault;
use crate::upstream::dialect::balance::CURRENCY_BYTES_MAX;
use crate::upstream::dialect::complaint::{error_text, has_message, read_complaint};
use crate::upstream::dialect::trace::holds_anything;
use crate::upstream::dialect::{ORDER_NAMES, TEXT_BYTES_MAX, words};
use crate::upstream::evidence::storable_text;
use crate::upstream::scalar::{
    Fields, Scalar, bare, is_same_id, list_items, read_amount, read_id, read_scalar, read_text,
    read_whole, text_upto,
};

/// What stands in an order's row beside its status.
const NUMBER_NAMES: [&str; 4] = ["charge", "remains", "start_count", "start_counter"];

/// What may stand beside a bare `Canceled`: all else may be the reason why the question itself was
/// canceled.
const LONE_NAMES: [&str; 13] = [
    "status", "order", "order_id", "orderId", "orderID", "id", "currency", "runs", "orders",
    "expiry", "posts", "charge", "remains",
];

type Words = BTreeMap<String, PanelWord>;
type Rows = Vec<(PanelOrder, OrderAnswer)>;

/// Gives each order that was asked for its row.
pub(super) fn read_rows(
    text: &str,
    asked: &[PanelOrder],
    own: &Words,
) -> Result<Rows, AnswerFault> {
    let text = bare(text);
    if let Some(list) = list_items(text) {
        return listed(&list, asked, own);
    }

    let fields = Fields::read(text).ok_or(AnswerFault::Unreadable)?;
    let keyed = asked.iter().any(|order| fields.value(&order.0).is_some());
    if keyed || fields.is_empty() {
        let keyed = unambiguous(fields.every().map(|(name, raw)| (name.to_owned(), raw)));
        return Ok(each(asked, |order| {
            keyed
                .get(&order.0)
                .map_or(OrderAnswer::Missing, |raw| row_of(order, raw, own))
        }));
    }

    if let Some(complaint) = read_complaint(&fields, own) {
        return Err(complaint);
    }

    match asked {
        // A status of another order is nobody's news here. Beside these names, an `id` may be the
        // panel's own.
        [order] if names_another(&fields, &ORDER_NAMES[..4], &order.0) => {
            Err(AnswerFault::Unreadable)
        }
        [order] => Ok(vec![(order.clone(), said(&fields, text, own))]),
        // Something else than what was asked: no order of ours is missing because of it.
        _ => Err(AnswerFault::Unreadable),
    }
}

/// Rows that name their orders; an empty list is how some languages write an empty object. One row
/// that names none is the answer to a question about one order.
fn listed(list: &[&RawValue], asked: &[PanelOrder], own: &Words) -> Result<Rows, AnswerFault> {
    if let ([raw], [order]) = (list, asked) {
        let names_one = Fields::read(raw.get())
            .is_some_and(|fields| fields.first(&ORDER_NAMES, read_id).is_some());

        if !names_one {
            let row = row_of(order, raw, own);
            return if row == OrderAnswer::Missing {
                Err(AnswerFault::Unreadable)
            } else {
                Ok(vec![(order.clone(), row)])
            };
        }
    }

    let named = list.iter().filter_map(|raw| {
        let order = Fields::read(raw.get())?.first(&ORDER_NAMES, read_id)?;
        Some((order, *raw))
    });

    let named: Vec<(String, &RawValue)> = named.collect();
    let ours = asked
        .iter()
        .any(|order| named.iter().any(|(named, _)| *named == order.0));

    let by_order = unambiguous(named.into_iter());
    if !ours && !list.is_empty() {
        return Err(AnswerFault::Unreadable);
    }

    Ok(each(asked, |order| {
        by_order
            .get(&order.0)
            .map_or(OrderAnswer::Missing, |raw| row_of(order, raw, own))
    }))
}

/// Rows by their ids, without those of an id that has two which differ.
pub(super) fn unambiguous<'a>(
    rows: impl Iterator<Item = (String, &'a RawValue)>,
) -> BTreeMap<String, &'a RawValue> {
    let mut by_id: BTreeMap<String, Option<&RawValue>> = BTreeMap::new();
    for (id, raw) in rows {
        let kept = by_id.entry(id).or_insert(Some(raw));
        if kept.is_some_and(|kept| kept.get() != raw.get()) {
            *kept = None;
        }
    }

    by_id
        .into_iter()
        .filter_map(|(id, raw)| Some((id, raw?)))
        .collect()
}

/// Whether a row names another than was asked about, under any of these names.
pub(super) fn names_another(fields: &Fields<'_>, names: &[&str], asked: &str) -> bool {
    let mut ids = fields
        .every()
        .filter(|(name, _)| names.contains(name))
        .filter_map(|(_, raw)| read_id(raw));
    ids.any(|of| !is_same_id(&of, asked))
}

/// What stands under an order's id: languages that number their rows put others' there.
fn row_of(order: &PanelOrder, raw: &RawValue, own: &Words) -> OrderAnswer {
    let is_anothers = Fields::read(raw.get())
        .is_some_and(|fields| names_another(&fields, &ORDER_NAMES[..4], &order.0));

    if is_anothers {
        OrderAnswer::Missing
    } else {
        row(raw, own)
    }
}

fn each(asked: &[PanelOrder], row: impl Fn(&PanelOrder) -> OrderAnswer) -> Rows {
    asked
        .iter()
        .map(|order| (order.clone(), row(order)))
        .collect()
}

/// A row of several: fields, or a bare text instead of them.
fn row(raw: &RawValue, own: &Words) -> OrderAnswer {
    match read_scalar(raw) {
        Scalar::Text(text) if !text.is_empty() => error_row(storable_text(&text, TEXT_BYTES_MAX)),
        Scalar::Other => Fields::read(raw.get()).map_or(OrderAnswer::Missing, |fields| {
            match error_text(&fields) {
                Some(text) => error_row(text),
                None => said(&fields, raw.get(), own),
            }
        }),
        Scalar::Text(_) | Scalar::Null | Scalar::Flag(_) | Scalar::Number(_) | Scalar::List => {
            OrderAnswer::Missing
        }
    }
}

/// An error instead of an order's fields.
pub(super) fn error_row(text: String) -> OrderAnswer {
    if words::not_ours(&text) {
        OrderAnswer::NotOurs { text }
    } else {
        OrderAnswer::Error { text }
    }
}

/// What stands in an order's fields, once no error was found in them.
fn said(fields: &Fields<'_>, raw: &str, own: &Words) -> OrderAnswer {
    let Some(status_text) = fields.first(&["status"], read_text) else {
        return OrderAnswer::UnknownStatus {
            text: storable_text(raw, TEXT_BYTES_MAX),
        };
    };

    let status = words::status_of(&status_text, own);
    let status_text = storable_text(&status_text, TEXT_BYTES_MAX);
    let Some(status) = status else {
        return OrderAnswer::UnknownStatus { text: status_text };
    };

    // Such a status may be the answer's own: nothing of an order stands beside it. A failure
    // without a figure is the question's own at panels whose status API is broken, and a word
    // to a person tells of either.
    let is_bare = fields.first(&NUMBER_NAMES, read_text).is_none();

    let is_lone = || {
        fields
            .named()
            .all(|(name, raw)| LONE_NAMES.contains(&name) || !holds_anything(raw, 0))
    };

    let is_code = status_text.bytes().all(|byte| byte.is_ascii_digit());
    let may_be_the_answers = match status {
        PanelStatus::Pending | PanelStatus::Processing | PanelStatus::InProgress => false,
        PanelStatus::Failed => true,
        PanelStatus::Canceled => is_code || !is_lone(),
        PanelStatus::Completed | PanelStatus::Partial | PanelStatus::Expired => has_message(fields),
    };

    if is_bare && may_be_the_answers {
        return OrderAnswer::UnknownStatus {
            text: storable_text(raw, TEXT_BYTES_MAX),
        };
    }

    let charge = fields.first(&["charge"], read_amount);
    OrderAnswer::Said(Report {
        status,
        status_text,
        charge: charge.and_then(|charge| Money::parse_rounding_up(&charge).ok()),
        charge_text: fields.first(&["charge"], |raw| text_upto(raw, TEXT_BYTES_MAX)),
        currency: fields.first(&["currency"], |raw| text_upto(raw, CURRENCY_BYTES_MAX)),
        start_count: fields.first(&["start_count", "start_counter"], read_whole),
        remains: fields.first(&["remains"], read_whole),
        remains_text: fields.first(&["remains"], |raw| text_upto(raw, TEXT_BYTES_MAX)),
    })
}

#[cfg(test)]
mod tests;
