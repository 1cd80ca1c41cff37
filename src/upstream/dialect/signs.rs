//! What tells the dialects apart in answers to questions that place nothing.

use crate::upstream::dialect::complaint::error_text;
use crate::upstream::dialect::question::action;
use crate::upstream::dialect::{CallForm, words};
use crate::upstream::scalar::{Fields, bare};

/// A header that notpanel's documents promise with every answer, and nobody else's.
pub(in crate::upstream) const NOTPANELS_HEADER: &str = "x-ratelimit-tier-remaining";

/// Headers that say how many requests are answered, and the span when nothing else is said: a
/// minute.
pub(in crate::upstream) const LIMIT_HEADERS: [&str; 2] = ["x-ratelimit-limit", "ratelimit-limit"];

/// How notpanel says that it has no such order.
const NOTPANELS_UNKNOWN_ORDER: &str = "order not found";

/// How notpanel answers who asks for one and for several at once; the family calls it an incorrect
/// request.
const NOTPANELS_BOTH: &str = "either order or orders";

/// What notpanel's and the family's catalogs have in every row, and paynow's in none.
const DRIPFEED: &str = "\"dripfeed\"";

/// Beginnings of texts that documents have in answers to what a probe asks; they want no
/// explaining.
const DOCUMENTED: [&str; 4] = [
    "refill not found",
    "maximum ",
    NOTPANELS_BOTH,
    "incorrect refill id",
];

/// Asks for one order and for several at once, which nobody means: the answer tells the dialect.
pub(in crate::upstream) fn both(order: &str) -> CallForm {
    let mut form = action("status");
    form.extend([("order", order.to_owned()), ("orders", order.to_owned())]);
    form
}

/// The error text of an answer that is nothing but an error.
pub(in crate::upstream) fn complained(text: &str) -> Option<String> {
    error_text(&Fields::read(bare(text))?)
}

/// Whether an error text about an unknown order is notpanel's.
pub(in crate::upstream) fn is_notpanels_unknown_order(text: &str) -> bool {
    begins(text, NOTPANELS_UNKNOWN_ORDER)
}

/// Whether an error text about one and several at once is notpanel's.
pub(in crate::upstream) fn is_notpanels_both(text: &str) -> bool {
    begins(text, NOTPANELS_BOTH)
}

/// Whether a catalog tells of each service whether it can be fed by drops.
pub(in crate::upstream) fn tells_dripfeed(catalog: &str) -> bool {
    catalog.contains(DRIPFEED)
}

/// Whether an error text stands in some dialect's documents, and needs no word of the operator's.
pub(in crate::upstream) fn is_documented(text: &str) -> bool {
    words::not_ours(text) || DOCUMENTED.iter().any(|known| begins(text, known))
}

/// The number in an error text that names one limit, such as `Maximum 50 orders per request`.
pub(in crate::upstream) fn most_at_once(text: &str) -> Option<usize> {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty());
    let first = numbers.next().and_then(|digits| digits.parse().ok());
    first.filter(|_| numbers.next().is_none())
}

fn begins(text: &str, beginning: &str) -> bool {
    text.trim().to_lowercase().starts_with(beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_one_number_of_its_text() {
        for (text, most) in [
            ("Maximum 50 orders per request", Some(50)),
            ("Too many orders (max. 7)", Some(7)),
            ("Maximum orders per request", None),
            ("You sent 100, maximum 50", None),
            ("", None),
        ] {
            assert_eq!(most_at_once(text), most, "{text}");
        }
    }

    #[test]
    fn an_error_is_read_from_every_shape() {
        for json in [
            r#"{"error":"Order not found"}"#,
            "\u{feff} {\"errors\":[\"Order not found\"]}",
            r#"{"status":"error","message":"Order not found"}"#,
        ] {
            assert!(
                complained(json).is_some_and(|text| is_notpanels_unknown_order(&text)),
                "{json}"
            );
        }

        assert_eq!(complained("[]"), None);
    }
}
