//! What panels' texts mean: statuses, and errors that prove that nothing was placed. A panel's own
//! words come first.

use std::collections::BTreeMap;

use crate::domain::provider::{PanelStatus, PanelWord, RefusalClass};
use crate::upstream::dialect::listed::{Is, find_listed, is_word_of_one};
use crate::upstream::dialect::tails::{
    Tail, is_harmless, is_harmless_before, is_harmless_of_a_refill, is_harmless_word,
    may_name_an_order, speaks_of_an_order,
};

type Words = BTreeMap<String, PanelWord>;

/// Status texts, folded.
const STATUSES: [(&str, PanelStatus); 25] = [
    ("pending", PanelStatus::Pending),
    ("awaiting", PanelStatus::Pending),
    ("creating", PanelStatus::Pending),
    ("0", PanelStatus::Pending),
    ("processing", PanelStatus::Processing),
    ("1", PanelStatus::Processing),
    ("inprogress", PanelStatus::InProgress),
    ("active", PanelStatus::InProgress),
    ("completed", PanelStatus::Completed),
    ("complete", PanelStatus::Completed),
    ("2", PanelStatus::Completed),
    ("partial", PanelStatus::Partial),
    ("partiallycompleted", PanelStatus::Partial),
    ("3", PanelStatus::Partial),
    ("canceled", PanelStatus::Canceled),
    ("cancelled", PanelStatus::Canceled),
    ("ordercancelled", PanelStatus::Canceled),
    ("refunded", PanelStatus::Canceled),
    ("4", PanelStatus::Canceled),
    ("5", PanelStatus::Canceled),
    ("fail", PanelStatus::Failed),
    ("failed", PanelStatus::Failed),
    ("error", PanelStatus::Failed),
    ("rejected", PanelStatus::Failed),
    ("expired", PanelStatus::Expired),
];

/// What says in an error text, folded, that something was placed or is on its way all the same.
const UNDER_WAY: [&str; 18] = [
    "placed",
    "created",
    "accepted",
    "received",
    "queue",
    "pending",
    "on hold",
    "be processed",
    "processing",
    "in process",
    "in progress",
    "inprogress",
    "in_progress",
    "submitted",
    "scheduled",
    "successfully",
    "been saved",
    "will start",
];

/// Beginnings of error texts, folded, that say no to a refill.
const REFILL_REFUSALS: [&str; 14] = [
    "incorrect order id",
    "incorrect_order_id",
    "invalid order id",
    "order not found",
    "order_not_found",
    "refill only available for completed or partial orders",
    "service does not support refill",
    "a refill request is already pending for this order",
    "refill limit reached",
    "refill is disabled",
    "refill is not available",
    "refill not available",
    "the refill task is not completed for this order",
    "the order is not completed",
];

/// Beginnings of error texts, folded, each seen to mean that the account has no order of that id.
const NOT_OURS: [&str; 5] = [
    "incorrect order id",
    "incorrect_order_id",
    "invalid order id",
    "order not found",
    "order_not_found",
];

/// What a status text means.
pub(super) fn status_of(text: &str, words: &Words) -> Option<PanelStatus> {
    let folded = fold_status(text);
    let own = words.iter().find_map(|(word, meaning)| match meaning {
        PanelWord::Status(status) if fold_status(word) == folded => Some(*status),
        PanelWord::Status(_) | PanelWord::Refusal(_) => None,
    });

    own.or_else(|| {
        STATUSES
            .iter()
            .find(|(word, _)| *word == folded)
            .map(|(_, status)| *status)
    })
}

/// Which refusal an error text is.
pub(super) fn refusal_of(text: &str, words: &Words) -> Option<RefusalClass> {
    let folded = fold_error(text);
    own_refusal(&folded, words)
        .map(|own| own.class)
        .or_else(|| find_listed(&folded).map(|listed| listed.class))
}

/// The listed text, folded, by which an error text is a refusal.
pub(super) fn listed_text(text: &str, words: &Words) -> Option<String> {
    let folded = fold_error(text);
    own_refusal(&folded, words)
        .map(|own| own.word)
        .or_else(|| find_listed(&folded).map(|listed| listed.text.to_owned()))
}

/// An operator's word for a refusal.
struct OwnRefusal {
    class: RefusalClass,
    /// It, folded.
    word: String,
}

fn own_refusal(folded: &str, words: &Words) -> Option<OwnRefusal> {
    words.iter().find_map(|(word, meaning)| match meaning {
        PanelWord::Refusal(class) => {
            let word = fold_error(word);
            is_own(folded, &word).then_some(OwnRefusal {
                class: *class,
                word,
            })
        }
        PanelWord::Status(_) => None,
    })
}

/// Which refusal an error text is that says nothing else: a listed beginning may go on to say the
/// opposite.
pub(super) fn proven_refusal(text: &str, words: &Words) -> Option<RefusalClass> {
    let folded = fold_error(text);

    // The operator knows the panel: what follows the word may be anything that speaks of no order.
    if let Some(OwnRefusal { class, word }) = own_refusal(&folded, words) {
        let tail = Tail {
            text: &folded,
            from: word.len(),
        };

        let is_plain = !speaks_of_an_order(tail.rest()) && !may_name_an_order(tail, class);
        return is_plain.then_some(class);
    }

    let listed = find_listed(&folded)?;
    let (before, after) = match listed.is {
        Is::Code => ("", ""),
        Is::Begins => ("", &folded[listed.text.len()..]),
        Is::Contains => folded.split_once(listed.text)?,
    };

    let tail = Tail {
        text: &folded,
        from: folded.len() - after.len(),
    };

    let is_plain = is_harmless_before(before)
        && is_harmless(after, listed.class)
        && !may_name_an_order(tail, listed.class);

    is_plain.then_some(listed.class)
}

/// Whether an error text says no to a refill, and nothing else.
pub(super) fn refuses_a_refill(text: &str) -> bool {
    let folded = fold_error(text);
    let listed = REFILL_REFUSALS
        .iter()
        .find_map(|word| folded.strip_prefix(word));
    listed.is_some_and(is_harmless_of_a_refill)
}

/// Whether a word, in small letters, is one of those that listed refusals are written in, or that
/// stand beside one and take nothing of it back.
pub(super) fn is_word_of_refusals(word: &str) -> bool {
    is_harmless_word(word) || is_word_of_one(word)
}

/// Whether a text says that something was placed or is on its way, unless an operator's own word
/// for a refusal says so.
pub(super) fn is_under_way(text: &str, words: &Words) -> bool {
    let says_so = |text: &str| UNDER_WAY.iter().any(|part| text.contains(part));
    let folded = fold_error(text);
    let is_operators = words.iter().any(|(word, meaning)| {
        let word = fold_error(word);
        matches!(meaning, PanelWord::Refusal(_)) && is_own(&folded, &word) && says_so(&word)
    });

    says_so(&folded) && !is_operators
}

/// Whether an error text says that the account has no such order.
pub(super) fn not_ours(text: &str) -> bool {
    let folded = fold_error(text);
    NOT_OURS.iter().any(|word| folded.starts_with(word))
}

/// An operator's word is a sentence where it has a blank, else a code; an empty one would match
/// everything.
fn is_own(folded: &str, word: &str) -> bool {
    if word.contains(' ') {
        folded.starts_with(word)
    } else {
        !word.is_empty() && folded == word
    }
}

fn fold_status(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn fold_error(text: &str) -> String {
    let folded = text.trim().to_lowercase();
    let code = folded
        .strip_prefix("neworder.error.")
        .or_else(|| folded.strip_prefix("error."));
    code.unwrap_or(&folded).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_however_they_are_spelt() {
        for (text, read) in [
            ("In progress", PanelStatus::InProgress),
            ("in_progress", PanelStatus::InProgress),
            (" IN-PROGRESS ", PanelStatus::InProgress),
            ("Partially Completed", PanelStatus::Partial),
            ("Order cancelled", PanelStatus::Canceled),
            ("Cancelled", PanelStatus::Canceled),
            ("0", PanelStatus::Pending),
            ("Error", PanelStatus::Failed),
        ] {
            assert_eq!(status_of(text, &Words::new()), Some(read), "{text}");
        }

        for text in ["", "6", "Waiting list", "pend ing!"] {
            assert_eq!(status_of(text, &Words::new()), None, "{text}");
        }
    }

    #[test]
    fn refusals_are_codes_beginnings_and_contents() {
        for (text, read) in [
            ("Invalid API key", Some(RefusalClass::Key)),
            (
                "Quantity less than minimum 50",
                Some(RefusalClass::Quantity),
            ),
            ("neworder.error.link_duplicate", Some(RefusalClass::Active)),
            ("error.incorrect_service_id", Some(RefusalClass::Service)),
            (
                "You have active order with this link. Wait.",
                Some(RefusalClass::Active),
            ),
            ("LINK", Some(RefusalClass::Link)),
            ("link was saved", None),
            ("We could not tell; bad link?", None),
            ("Incorrect order ID", None),
            ("", None),
        ] {
            assert_eq!(refusal_of(text, &Words::new()), read, "{text}");
        }
    }

    /// One spelling per word that is known, as panels write them.
    #[test]
    fn every_status_word_has_its_meaning() {
        for (texts, read) in [
            (
                &["Pending", "AWAITING", "Creating", "0"][..],
                PanelStatus::Pending,
            ),
            (&["Processing", "1"], PanelStatus::Processing),
            (
                &["In progress", "InProgress", "in-progress", "Active"],
                PanelStatus::InProgress,
            ),
            (&["Completed", "complete", "2"], PanelStatus::Completed),
            (
                &["Partial", "partially_completed", "3"],
                PanelStatus::Partial,
            ),
            (
                &[
                    "Canceled",
                    "Cancelled",
                    "order_cancelled",
                    "Refunded",
                    "4",
                    "5",
                ],
                PanelStatus::Canceled,
            ),
            (
                &["Fail", "FAILED", "error", "Rejected"],
                PanelStatus::Failed,
            ),
            (&["Expired"], PanelStatus::Expired),
        ] {
            for text in texts {
                assert_eq!(status_of(text, &Words::new()), Some(read), "{text}");
            }
        }
    }

    #[test]
    fn every_listed_refusal_has_its_class_and_sentences_need_their_beginning() {
        use RefusalClass::{
            Action, Active, Key, Link, Money, Parameters, Quantity, RateLimit, Service,
        };

        for (text, class) in [
            ("Invalid API key.", Key),
            ("INCORRECT API KEY", Key),
            ("Account suspended, write to support", Key),
            ("Incorrect request", Action),
            ("Unknown action: add", Action),
            ("Incorrect service ID", Service),
            ("Service not found or inactive", Service),
            ("Bad link", Link),
            ("Invalid link format", Link),
            ("Quantity less than minimal 100", Quantity),
            ("Quantity more than maximum", Quantity),
            ("Quantity must be a multiple of 10", Quantity),
            ("Min amount is 50", Quantity),
            ("Missing required parameter: link", Parameters),
            ("Incorrect parameter: runs", Parameters),
            ("Invalid parameter quantity", Parameters),
            ("Answer number is required", Parameters),
            ("Not enough funds on balance", Money),
            ("Not enough balance!", Money),
            ("Insufficient balance", Money),
            ("insufficient funds: 0.10", Money),
            ("Rate limit exceeded", RateLimit),
            ("Too many requests, slow down", RateLimit),
        ] {
            assert_eq!(refusal_of(text, &Words::new()), Some(class), "{text}");
            assert_eq!(
                refusal_of(&format!("  error.{text}"), &Words::new()),
                Some(class),
                "{text}"
            );
            assert_eq!(
                refusal_of(&format!("Order saved ({text})"), &Words::new()),
                None,
                "{text}"
            );
        }

        for (code, class) in [
            ("incorrect_service_id", Service),
            ("link", Link),
            ("link_duplicate", Active),
            ("min_quantity", Quantity),
            ("max_quantity", Quantity),
            ("not_enough_funds", Money),
        ] {
            assert_eq!(
                refusal_of(&format!("neworder.error.{code}"), &Words::new()),
                Some(class),
                "{code}"
            );
            assert_eq!(
                refusal_of(&format!("{code} later"), &Words::new()),
                None,
                "a code is the whole text"
            );
        }
    }

    #[test]
    fn a_listed_beginning_proves_nothing_where_more_is_said() {
        let own = Words::from([(
            "wallet is dry".to_owned(),
            PanelWord::Refusal(RefusalClass::Money),
        )]);

        for (text, class) in [
            ("Not enough funds on balance", RefusalClass::Money),
            ("Not enough funds to place this order.", RefusalClass::Money),
            (
                "Insufficient balance: 0.01 USD, required 0.09",
                RefusalClass::Money,
            ),
            ("Wallet is dry, sorry", RefusalClass::Money),
            (
                "You have active order with this link. Please wait until order being completed.",
                RefusalClass::Active,
            ),
            (
                "Rate limit exceeded. Try again in 30 seconds",
                RefusalClass::RateLimit,
            ),
            ("Incorrect service ID 17", RefusalClass::Service),
            ("Quantity less than minimum 50", RefusalClass::Quantity),
            (
                "Missing required parameter: answer_number",
                RefusalClass::Parameters,
            ),
        ] {
            assert_eq!(proven_refusal(text, &own), Some(class), "{text}");
        }

        for text in [
            "Not enough funds. Your order has been received and will start once you top up",
            "Insufficient balance: the order is on hold until you top up",
            "Insufficient balance #4711",
            "Insufficient balance (order 4711)",
            "Insufficient balance, we took it on credit",
            "Bad link, fixed by us",
            "Bad link; running",
            "Invalid link ord_4711",
            "INSERT (active order with this link)",
            "Active order with this link; a second one was queued",
            "Wallet is dry, order 55 waits",
            "Not enough funds - заказ принят",
        ] {
            assert_eq!(proven_refusal(text, &own), None, "{text}");
        }
    }

    #[test]
    fn a_panels_own_words_come_first_and_an_empty_one_matches_nothing() {
        let words = Words::from([
            (
                "waiting list".to_owned(),
                PanelWord::Status(PanelStatus::Pending),
            ),
            (
                "refunded".to_owned(),
                PanelWord::Status(PanelStatus::Partial),
            ),
            (
                "no such thing".to_owned(),
                PanelWord::Refusal(RefusalClass::Service),
            ),
            ("e42".to_owned(), PanelWord::Refusal(RefusalClass::Money)),
            (" ".to_owned(), PanelWord::Refusal(RefusalClass::Key)),
        ]);

        assert_eq!(
            status_of("Waiting-List", &words),
            Some(PanelStatus::Pending)
        );

        assert_eq!(status_of("Refunded", &words), Some(PanelStatus::Partial));
        assert_eq!(
            refusal_of("No such thing: 17", &words),
            Some(RefusalClass::Service)
        );

        assert_eq!(refusal_of("E42", &words), Some(RefusalClass::Money));
        assert_eq!(refusal_of("E42 saved", &words), None);
        assert_eq!(refusal_of("waiting list", &words), None);
    }
}
