//! Refusals in words that nobody listed: whole and well-formed, and no proof of anything.

use crate::domain::leg::{Evidence, Verdict};
use crate::upstream::classify::refuses;
use crate::upstream::dialect::complained_of_an_add;

/// The error text of an answer to an `add` that says no in words that nobody listed: under an HTTP status that
/// refuses, and naming no order. `None`: it is something else, such as an answer that was lost.
pub fn unknown_refusal(said: &Evidence) -> Option<String> {
    let whole = said.verdict == Verdict::InDoubt && said.http_status.is_some_and(refuses);
    whole.then(|| complained_of_an_add(&said.words)).flatten()
}
