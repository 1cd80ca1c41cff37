//! Ids that are no panel's: a word or a number of the order's own text.

use crate::domain::leg::LeasedLeg;
use crate::domain::wish::Detail;
use crate::upstream::echo::unescaped;

/// Shorter ids stand in many a text by chance.
const ID_LETTERS_MIN: usize = 6;

/// What parts the digits of one number: `+1 (555) 123-45-67`.
const WITHIN_NUMBERS: [char; 7] = [' ', '-', '.', '(', ')', '+', '\u{a0}'];

/// Whether an id that a panel names stands in what the order sent: it may be quoted, and be no
/// order's.
pub(in crate::upstream) fn is_of_the_order(id: &str, leg: &LeasedLeg) -> bool {
    if id.chars().count() < ID_LETTERS_MIN {
        return false;
    }

    let details = leg.details.each().flat_map(|(_, detail)| match detail {
        Detail::Text(text) => std::slice::from_ref(text),
        Detail::Lines(lines) => lines.as_slice(),
    });

    std::iter::once(&leg.link)
        .chain(details)
        .any(|text| stands_in(id, &unescaped(text)))
}

/// Whether it is a word of a text, all digits of a word, or a number however its digits are parted.
fn stands_in(id: &str, text: &str) -> bool {
    let is_it = |word: &str| word.eq_ignore_ascii_case(id);
    let is_word = text.split(|c: char| !c.is_alphanumeric()).any(is_it);
    let is_name = text
        .split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_'))
        .any(is_it);

    let is_number = text.split(|c: char| !c.is_ascii_digit()).any(is_it);

    let runs = text.split(|c: char| !c.is_ascii_digit() && !WITHIN_NUMBERS.contains(&c));
    let is_parted_number = || {
        runs.map(|run| run.replace(WITHIN_NUMBERS, ""))
            .any(|digits| is_it(&digits))
    };

    is_word || is_name || is_number || is_parted_number()
}
