//! What follows from what a panel answered: pure, and in doubt the choice that cannot cost money.

use std::collections::HashSet;

use crate::domain::id::{PanelOrder, PanelRefill};
use crate::domain::provider::{PanelDialect, RefusalClass};
use crate::upstream::answer::{OrderAnswer, RefillRow};
use crate::upstream::dialect::{AnswerFault, Catalog, signs};

/// Signs that speak for notpanel and must come together, one of them a sign that nobody else has:
/// other panels write its words for an unknown order, under its HTTP status, too.
const NOTPANELS_SIGNS_MIN: usize = 2;

/// What no probe can find out, because it would buy.
const UNPROVEN: &str =
    "that it answers a request_id twice with one order is not proven: see `provider prove`";

/// What an `add` is given at least: too short is dearer than too long.
const TIMEOUT_MS_MIN: i64 = 30_000;
/// And at most: what the configuration takes.
const TIMEOUT_MS_MAX: i64 = 240_000;
/// Answers may take so many times what they took now.
const TIMES_SLOWER: i64 = 10;
/// Timeouts are whole multiples of this.
const TIMEOUT_STEP_MS: i64 = 5_000;

/// The most calls a second that are suggested: the default.
const PER_SECOND_MAX: u64 = 10;
/// The span of a limit of which nothing is said, in seconds.
const WINDOW_S: u64 = 60;

/// What tells the dialects apart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// An unknown order is told in notpanel's words.
    pub(super) unknown_order: bool,
    /// And under an HTTP status of its own.
    pub(super) under_4xx: bool,
    /// Asking for one and several at once is refused in notpanel's words.
    pub(super) both: bool,
    /// An answer has notpanel's own header.
    pub(super) header: bool,
    /// Rows of the catalog tell of drip-feed.
    pub(super) tells_dripfeed: bool,
    /// An unknown refill is another answer than an unknown action.
    pub(super) refills: bool,
}

/// The dialect, and what speaks for it.
pub(super) fn judge_dialect(signs: Signs) -> (PanelDialect, String) {
    let notpanels = [
        (signs.unknown_order, "its words for an unknown order"),
        (
            signs.unknown_order && signs.under_4xx,
            "its HTTP status for an unknown order",
        ),
        (signs.both, "its words for one and several orders at once"),
        (signs.header, "its rate limit headers"),
    ];

    let found: Vec<_> = notpanels
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, sign)| sign)
        .collect();

    let has_proof = signs.both || signs.header;
    if has_proof && found.len() >= NOTPANELS_SIGNS_MIN {
        return (
            PanelDialect::Notpanel,
            format!("{}; {UNPROVEN}", found.join(", ")),
        );
    }

    if !signs.refills && !signs.tells_dripfeed {
        return (
            PanelDialect::Paynow,
            "no refills, and no word of drip-feed in its catalog".to_owned(),
        );
    }

    let because = match found.first() {
        Some(sign) => {
            format!("a guess: only {sign} looks like notpanel's, and others write so too")
        }
        None => "nothing speaks for another one".to_owned(),
    };

    (PanelDialect::Classic, because)
}

/// Whether what an offset brought is more of the catalog; a panel that knows no offsets tells the
/// same again.
pub(super) fn in_parts(first: &Catalog, further: &Catalog) -> bool {
    let seen: HashSet<&str> = first
        .services
        .iter()
        .map(|row| row.service.as_str())
        .collect();

    further
        .services
        .iter()
        .any(|row| !seen.contains(row.service.as_str()))
}

/// What came of a question about several orders that nobody has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// A row for each.
    Whole,
    /// An answer of that kind, without rows for some.
    Empty,
    /// No answer of that kind; with the limit, where one was named.
    Refused(Option<usize>),
}

/// Judges such an answer; `good`: it came under a status that is believed.
pub(super) fn judge_batch(
    good: bool,
    rows: Result<Vec<(PanelOrder, OrderAnswer)>, AnswerFault>,
    complained: Option<&str>,
) -> Batch {
    match rows {
        Ok(rows) if good && rows.iter().all(|(_, row)| *row != OrderAnswer::Missing) => {
            Batch::Whole
        }
        Ok(_) if good => Batch::Empty,
        Ok(_) | Err(_) => Batch::Refused(complained.and_then(signs::most_at_once)),
    }
}

/// Whether the answer about an unknown refill is one of a panel that has refills.
pub(super) fn knows_refills(
    http_status: u16,
    rows: Result<&Vec<(PanelRefill, RefillRow)>, &AnswerFault>,
) -> bool {
    let believed = (200..300).contains(&http_status) || (400..500).contains(&http_status);
    match rows {
        Err(AnswerFault::Refused(RefusalClass::Action) | AnswerFault::Unreadable) => false,
        Ok(_) | Err(AnswerFault::Refused(_) | AnswerFault::Declined(_)) => believed,
    }
}

/// How long an `add` should be given, from how long questions took: a status has half of it, a
/// catalog twice.
pub(super) fn timeout_ms(slowest_ms: i64, catalog_ms: i64) -> i64 {
    let wanted = (slowest_ms * 2)
        .max(catalog_ms / 2)
        .saturating_mul(TIMES_SLOWER);

    let stepped = wanted
        .div_euclid(TIMEOUT_STEP_MS)
        .saturating_add(1)
        .saturating_mul(TIMEOUT_STEP_MS);

    stepped.clamp(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX)
}

/// Calls a second that keep within an announced limit, such as `100` or `100, 100;w=60`; at least
/// one, never more than the default.
pub(super) fn judge_pace(said: &str) -> Option<u32> {
    let mut parts = said.split([',', ';']).map(str::trim);
    let limit: u64 = parts.next()?.parse().ok()?;
    let window = parts
        .find_map(|part| part.strip_prefix("w=")?.parse().ok())
        .filter(|window| *window > 0);
    u32::try_from((limit / window.unwrap_or(WINDOW_S)).clamp(1, PER_SECOND_MAX)).ok()
}

#[cfg(test)]
mod tests;
