//! Own texts in letters of other alphabets, as a panel may write them out in plain ones.
//!
//! `Nоt еnough funds` with two letters of another alphabet, `Ｂａｄ ｌｉｎｋ` in full width or `Бад
//! линк` by its sound: where a panel transliterates what it quotes, its answer has none of the
//! letters that the order sent.

use std::collections::HashSet;

use deunicode::deunicode;
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

use crate::upstream::echo::{FoldedText, RUN};

/// What own texts read like; nothing of those in plain letters.
#[derive(Default)]
pub(super) struct Alike {
    /// By the looks of their letters.
    looks: Vec<FoldedText>,
    /// By the sound of their letters.
    sounds: Vec<FoldedText>,
}

impl Alike {
    /// Adds an own text.
    pub(super) fn add(&mut self, text: &str) {
        if text.is_ascii() {
            return;
        }
        self.looks.push(by_looks(text));
        self.sounds.push(by_sound(text));
    }

    /// Whether any of them, as it reads, has this text in it.
    pub(super) fn has(&self, text: &str) -> bool {
        let has_any = |own: &[FoldedText], sought: FoldedText| {
            let only_whole_words = sought.letters.len() < RUN;
            own.iter()
                .any(|own| own.find(&sought.letters, only_whole_words).is_some())
        };

        has_any(&self.looks, by_looks(text)) || has_any(&self.sounds, by_sound(text))
    }
}

/// Letters that look alike are one here, and stand for themselves nowhere else: an `m` is `rn`.
fn by_looks(text: &str) -> FoldedText {
    let plain: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let alike: String = skeleton(&plain).collect();
    FoldedText::of(&alike, char::is_alphanumeric)
}

fn by_sound(text: &str) -> FoldedText {
    let plain: String = text.nfkc().collect();
    FoldedText::of(&deunicode(&plain), char::is_alphanumeric)
}

/// The words of a text, in small letters, and the words that it sounds like.
pub(super) fn add_words(words: &mut HashSet<String>, text: &str) {
    let plain: String = text.nfkc().collect();
    for spelled in [text.to_lowercase(), deunicode(&plain).to_lowercase()] {
        let pieces = spelled.split(|c: char| !c.is_alphanumeric());
        words.extend(pieces.filter(|piece| !piece.is_empty()).map(str::to_owned));
    }
}
