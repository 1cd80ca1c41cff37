//! Others' words where they are shown: on one line, and read in the order in which they stand.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::domain::wish::breaks_a_line;

/// Whether a character changes the line that it stands in: it ends it, moves the cursor, or turns
/// the direction of reading.
pub fn is_unruly(c: char) -> bool {
    breaks_a_line(c)
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with such characters written out, so that whoever wrote it writes no line of ours.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    written_out(text, is_unruly)
}

/// The text with the characters written out that are not wanted, the way a string is written in
/// Rust.
pub fn written_out(text: &str, is_unwanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_unwanted) {
        return Cow::Borrowed(text);
    }

    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unwanted(c) {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }

    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_the_line_is_written_out_and_nothing_else() {
        for (text, shown) in [
            ("Подписчики 🚀 100%", "Подписчики 🚀 100%"),
            ("a\r\nERROR all is lost", "a\\r\\nERROR all is lost"),
            ("\u{1b}[2Ja\tb\0", "\\u{1b}[2Ja\\tb\\u{0}"),
            (
                "a\u{2028}b\u{85}c\u{202e}d",
                "a\\u{2028}b\\u{85}c\\u{202e}d",
            ),
        ] {
            assert_eq!(on_one_line(text), shown);
        }
    }
}
