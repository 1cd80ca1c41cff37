//! What is kept of an answer: its beginning, without our key and without what a database cannot
//! hold.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};

/// The most of an answer that is kept: enough for any panel's error, and for a person to recognise
/// a web page.
pub(super) const WORDS_BYTES_MAX: usize = 2_048;

/// The most of an answer that is looked at for it.
const LOOKED_AT_BYTES_MAX: usize = 64 * 1_024;

/// The shortest beginning of a key that is hidden where an answer was cut off in the middle of it.
const KEY_BEGINNING_BYTES_MIN: usize = 4;

/// The shortest key that is looked for in what a panel means.
const KEY_CUT_BYTES_MIN: usize = 8;
/// What stands where the key stood.
pub(super) const HIDDEN: &str = "[key]";

/// Hides one panel's key in whatever is kept.
#[derive(Debug)]
pub(super) struct Redaction {
    /// The key as it is, as a form spells it and as JSON may spell it.
    spellings: Vec<SecretString>,
}

impl Redaction {
    /// Of a key that is not empty.
    pub(super) fn of(key: &SecretString) -> Self {
        let plain = key.expose_secret();
        let form: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        let slashes = plain.replace('/', "\\/");
        let mut spellings: Vec<String> = vec![plain.to_owned(), form, slashes];
        spellings.dedup();

        // The longest first: a shorter spelling must not leave the rest of a longer one behind.
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        Self {
            spellings: spellings.into_iter().map(SecretString::from).collect(),
        }
    }

    /// A text in which our key stands nowhere: what a panel quotes of it is no word of the panel's.
    /// A key so short that it may stand in an id or a name by chance stays.
    pub(super) fn without_key<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let spellings = self.spellings.iter().map(ExposeSecret::expose_secret);
        let quoted: Vec<&str> = spellings
            .filter(|key| key.len() >= KEY_CUT_BYTES_MIN && text.contains(*key))
            .collect();

        if quoted.is_empty() {
            return Cow::Borrowed(text);
        }

        Cow::Owned(
            quoted
                .into_iter()
                .fold(text.to_owned(), |text, key| text.replace(key, HIDDEN)),
        )
    }

    /// The beginning of a text as it may be kept and shown.
    pub(super) fn words(&self, text: &str) -> String {
        let mut kept = upto(text, LOOKED_AT_BYTES_MAX).to_owned();
        for spelling in self.spellings.iter().map(ExposeSecret::expose_secret) {
            kept = kept.replace(spelling, HIDDEN);
            if let Some(cut) = cut_key(&kept, spelling) {
                kept.truncate(cut);
                kept.push_str(HIDDEN);
            }
        }

        storable_text(&kept, WORDS_BYTES_MAX)
    }
}

/// Where a text ends in the beginning of a key: the answer broke off there.
fn cut_key(text: &str, key: &str) -> Option<usize> {
    let lengths = (KEY_BEGINNING_BYTES_MIN..key.len())
        .rev()
        .filter(|length| key.is_char_boundary(*length));

    let beginning = lengths
        .map(|length| &key[..length])
        .find(|beginning| text.ends_with(beginning))?;
    Some(text.len() - beginning.len())
}

/// The beginning of a text, with every control character but line ends and tabs replaced: the
/// database takes no NUL.
pub(super) fn storable_text(text: &str, bytes_max: usize) -> String {
    let kept = text.chars().map(|c| {
        if c.is_control() && !matches!(c, '\n' | '\r' | '\t') {
            ' '
        } else {
            c
        }
    });

    upto(&kept.collect::<String>(), bytes_max).to_owned()
}

/// At most so many bytes, cut between two characters.
fn upto(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redaction(key: &str) -> Redaction {
        Redaction::of(&SecretString::from(key))
    }

    #[test]
    fn a_key_is_hidden_however_it_is_spelt() {
        let of = redaction("se/cret+1");
        for text in ["no se/cret+1!", "no se\\/cret+1!", "no se%2Fcret%2B1!"] {
            assert_eq!(of.words(text), "no [key]!");
        }

        assert_eq!(
            of.words("no se/cret"),
            "no [key]",
            "an answer that broke off within the key"
        );

        assert_eq!(of.words("se/cret+1 se/cret+1"), "[key] [key]");
    }

    #[test]
    fn words_are_short_and_storable() {
        let of = redaction("k-1234");
        assert_eq!(of.words("a\0b\nc"), "a b\nc");
        let long = of.words(&"é".repeat(WORDS_BYTES_MAX));
        assert_eq!(long.len(), WORDS_BYTES_MAX);

        assert!(
            of.words(&"k-1234".repeat(LOOKED_AT_BYTES_MAX))
                .replace(HIDDEN, "")
                .len()
                < HIDDEN.len()
        );
    }

    proptest! {
        #[test]
        fn no_text_carries_the_key_out(before in "\\PC{0,40}", after in "\\PC{0,40}",
            cut in 4usize..=12) {
            let key = "K3y-abcdef/12";
            let words = redaction(key).words(&format!("{before}{key}{after}{}", &key[..cut]));
            prop_assert!(!words.contains(key) && !words.ends_with(&key[..cut]));
        }
    }
}
