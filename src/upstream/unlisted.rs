//! Refusals in words that nobody listed: whole and well-formed, and no proof of anything.

use crate::domain::leg::Verdict;
use crate::upstream::classify::refuses_clearly;
use crate::upstream::dialect::complained_of_an_add;

/// The error text of an answer to an `add` that says no in words that nobody listed: under an HTTP
/// status that refuses, and naming no order. `None`: it is something else, such as an answer that
/// was lost. Of the answer, the order's own words were cut before.
pub(super) fn unlisted_text(verdict: &Verdict, http_status: u16, said: &str) -> Option<String> {
    let is_whole = *verdict == Verdict::InDoubt && refuses_clearly(http_status);
    is_whole.then(|| complained_of_an_add(said)).flatten()
}
