//! `[provider.words]`: what a panel's own texts mean.

use std::collections::BTreeMap;

use crate::config::complaint::shown;
use crate::config::reader::Section;
use crate::domain::provider::{PanelStatus, PanelWord, RefusalClass, WORD_BYTES_MAX};
use crate::upstream::MARKS;

/// The signs that panels write in front of an order's number.
const NUMBER_SIGNS: [&str; 2] = ["#", "№"];

/// Statuses and refusals of this panel that the built-in tables do not list.
pub(super) fn words(section: &mut Section<'_>) -> BTreeMap<String, PanelWord> {
    let Some(table) = section.table("words") else {
        return BTreeMap::new();
    };

    let mut words = BTreeMap::new();
    for (text, at) in table.own_keys() {
        let folded = text.trim().to_lowercase();
        if let Some(mark) = mark_in_front(&folded) {
            let what = format!(
                "begins with {}, which marks what an order sent, our key or an order's number, \
                 and is no word of the panel's; write what the panel itself says, from its first \
                 word on, or remove the line",
                shown(mark)
            );

            table.complain(&shown(text), at, &what);
            continue;
        }

        if folded.is_empty() || folded.len() > WORD_BYTES_MAX {
            table.complain(
                &shown(text),
                at,
                &format!("a panel's text must have 1 to {WORD_BYTES_MAX} bytes"),
            );

            continue;
        }

        let Some(word) = table.peek_text(text).and_then(panel_word) else {
            let statuses = PanelStatus::ALL.map(PanelStatus::as_str).join(", ");
            let refusals = RefusalClass::ALL.map(RefusalClass::as_str).join(", ");
            let what = format!("must mean a status ({statuses}) or a refusal ({refusals})");
            table.complain(&shown(text), at, &what);
            continue;
        };

        if words.insert(folded, word).is_some() {
            table.complain(
                &shown(text),
                at,
                "is there twice, differing only in case; remove one",
            );
        }
    }

    words
}

/// What a text begins with that is no panel's word: a mark that stands in answers for what was cut
/// from them, be it broken off, or the sign of a number. What may stand in front of codes is none
/// of the text.
fn mark_in_front(folded: &str) -> Option<&'static str> {
    let code = folded
        .strip_prefix("neworder.error.")
        .or_else(|| folded.strip_prefix("error."));

    let bare = code.unwrap_or(folded).trim_start();
    let is_in_front =
        |mark: &&str| bare.starts_with(*mark) || (!bare.is_empty() && mark.starts_with(bare));
    MARKS.into_iter().chain(NUMBER_SIGNS).find(is_in_front)
}

fn panel_word(word: &str) -> Option<PanelWord> {
    let status = PanelStatus::from_word(word).map(PanelWord::Status);
    status.or_else(|| RefusalClass::from_word(word).map(PanelWord::Refusal))
}
