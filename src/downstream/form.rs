//! Reads what customers send: parameters of a form, strict where a lenient reader would guess.
//!
//! A parameter that cannot be read spoils only itself: who calls, and with what action, is answered first.

use std::collections::BTreeMap;

use crate::domain::refusal::Refusal;
use crate::domain::wish::LINES_MAX;

/// The most pairs of a form: one per line of the longest list, and every other parameter a few times.
const PAIRS_MAX: usize = LINES_MAX + 100;

/// Every parameter that some action reads; others are ignored.
const NAMES: [&str; 12] = [
    "key",
    "action",
    "service",
    "link",
    "quantity",
    "comments",
    "answer_number",
    "runs",
    "interval",
    "request_id",
    "order",
    "orders",
];

/// The known parameters of one request; one that was sent empty is not here.
#[derive(Debug, Default)]
pub struct Form(BTreeMap<&'static str, Values>);

#[derive(Debug)]
enum Values {
    /// As often as it was sent, never empty.
    Texts(Vec<String>),
    /// One of them is not UTF-8 or holds a NUL.
    Unreadable,
}

impl Form {
    /// Reads a body; only one with more pairs than any request has is refused as a whole.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut form = Self::default();
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for (ordinal, pair) in pairs.enumerate() {
            if ordinal >= PAIRS_MAX {
                return Err(Refusal::TooLarge);
            }
            let border = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = (decode(&pair[..border]), decode(pair.get(border + 1..).unwrap_or_default()));
            if let Some(name) = NAMES.into_iter().find(|known| known.as_bytes() == name) {
                form.take(name, value);
            }
        }
        Ok(form)
    }

    fn take(&mut self, name: &'static str, value: Vec<u8>) {
        if value.is_empty() {
            return;
        }
        let text = String::from_utf8(value).ok().filter(|text| !text.contains('\0'));
        let values = self.0.entry(name).or_insert(Values::Texts(Vec::new()));
        match (values, text) {
            (Values::Texts(texts), Some(text)) => texts.push(text),
            (values, None) => *values = Values::Unreadable,
            (Values::Unreadable, Some(_)) => {}
        }
    }

    /// Whether a parameter was sent, readable or not.
    pub fn has(&self, name: &'static str) -> bool {
        self.0.contains_key(name)
    }

    /// A parameter's one value; two that differ are unreadable, for either could be meant.
    pub fn scalar(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.texts(name)? {
            [] => Ok(None),
            [first, others @ ..] if others.iter().all(|other| other == first) => Ok(Some(first.clone())),
            _ => Err(Refusal::Unreadable(name)),
        }
    }

    /// A list's lines over all its values, trimmed, without the blank ones.
    pub fn lines(&self, name: &'static str) -> Result<Vec<String>, Refusal> {
        let texts = self.texts(name)?.iter();
        // The blank between `\r` and `\n` is one of the lines that are dropped.
        let lines = texts.flat_map(|text| text.split(['\n', '\r'])).map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<String> = lines.take(LINES_MAX + 1).map(str::to_owned).collect();
        if lines.len() > LINES_MAX { Err(Refusal::Unreadable(name)) } else { Ok(lines) }
    }

    fn texts(&self, name: &'static str) -> Result<&[String], Refusal> {
        debug_assert!(NAMES.contains(&name), "{name} is never kept");
        match self.0.get(name) {
            None => Ok(&[]),
            Some(Values::Texts(texts)) => Ok(texts),
            Some(Values::Unreadable) => Err(Refusal::Unreadable(name)),
        }
    }
}

/// Undoes percent-encoding: `+` is a blank, and a `%` that no two hex digits follow is itself, as browsers and PHP read
/// it.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let (value, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(*high) << 4 | hex(*low), after)
            }
            (b'+', after) => (b' ', after),
            (byte, after) => (*byte, after),
        };
        bytes.push(value);
        rest = after;
    }
    bytes
}

/// The value of a hex digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn read(body: &[u8]) -> Form {
        Form::read(body).unwrap()
    }

    #[rstest]
    #[case::plain(b"link=a", Ok(Some("a")))]
    #[case::encoded(b"li%6Ek=%E2%9C%93+x%2bz", Ok(Some("\u{2713} x+z")))]
    #[case::a_percent_of_its_own(b"link=100%&x=1", Ok(Some("100%")))]
    #[case::half_an_escape(b"link=%4", Ok(Some("%4")))]
    #[case::no_escape(b"link=%zz%+1", Ok(Some("%zz% 1")))]
    #[case::an_equals_sign(b"link=a=b", Ok(Some("a=b")))]
    #[case::absent(b"other=1&&=&", Ok(None))]
    #[case::empty(b"link=", Ok(None))]
    #[case::bare(b"link", Ok(None))]
    #[case::empty_and_full(b"link=&link=a", Ok(Some("a")))]
    #[case::twice_the_same(b"link=a&link=%61", Ok(Some("a")))]
    #[case::two_values(b"link=a&link=b", Err(Refusal::Unreadable("link")))]
    #[case::nul(b"link=a%00b", Err(Refusal::Unreadable("link")))]
    #[case::raw_nul(b"link=a\0b", Err(Refusal::Unreadable("link")))]
    #[case::not_utf8(b"link=%ff", Err(Refusal::Unreadable("link")))]
    #[case::raw_not_utf8(b"link=\xc3\x28", Err(Refusal::Unreadable("link")))]
    #[case::unreadable_stays(b"link=%ff&link=a", Err(Refusal::Unreadable("link")))]
    fn scalars(#[case] body: &[u8], #[case] expected: Result<Option<&str>, Refusal>) {
        assert_eq!(read(body).scalar("link"), expected.map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn an_unreadable_parameter_spoils_only_itself() {
        let form = read(b"link=%ff&key=k&coupon=%ff&%ff=1");
        assert_eq!(form.scalar("key"), Ok(Some("k".into())));
    }

    #[rstest]
    #[case::unix(b"comments=a%0Ab", &["a", "b"])]
    #[case::windows(b"comments=a%0d%0ab%0d%0a", &["a", "b"])]
    #[case::old_mac(b"comments=a%0Db", &["a", "b"])]
    #[case::repeated(b"comments=a&comments=b%0Ac", &["a", "b", "c"])]
    #[case::trimmed(b"comments=+a+b+%0A%09%0A+", &["a b"])]
    #[case::commas_stay(b"comments=a,b", &["a,b"])]
    #[case::none(b"comments=%0A", &[])]
    fn lines(#[case] body: &[u8], #[case] expected: &[&str]) {
        assert_eq!(read(body).lines("comments").unwrap(), expected);
    }

    #[test]
    fn as_many_lines_as_are_allowed_and_not_one_more() {
        let body = |lines: usize| format!("comments={}", "x%0A".repeat(lines));
        assert_eq!(read(body(LINES_MAX).as_bytes()).lines("comments").unwrap().len(), LINES_MAX);
        assert_eq!(read(body(LINES_MAX + 1).as_bytes()).lines("comments"), Err(Refusal::Unreadable("comments")));
        let repeated = |times: usize| "comments=x&".repeat(times);
        assert_eq!(read(repeated(LINES_MAX).as_bytes()).lines("comments").unwrap().len(), LINES_MAX);
    }

    #[test]
    fn more_pairs_than_any_request_has_are_refused() {
        assert!(Form::read("a=1&".repeat(PAIRS_MAX).as_bytes()).is_ok());
        assert_eq!(Form::read("a=1&".repeat(PAIRS_MAX + 1).as_bytes()).err(), Some(Refusal::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_form_or_a_refusal(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            read_everything(&body);
        }

        #[test]
        fn anything_near_a_form_is_a_form_or_a_refusal(
            body in "((link|orders|comments|key)=?(%[0-9a-fA-F]{0,2}|[+=&,\\PC\n\r\0]){0,6}&?){0,5}",
        ) {
            read_everything(body.as_bytes());
        }

        #[test]
        fn what_is_encoded_is_read_back(value in "[^\0]{1,60}") {
            let body: String = form_urlencoded::Serializer::new(String::new()).append_pair("link", &value).finish();
            prop_assert_eq!(read(body.as_bytes()).scalar("link"), Ok(Some(value)));
        }
    }

    fn read_everything(body: &[u8]) {
        let Ok(form) = Form::read(body) else { return };
        for name in NAMES {
            let _ = form.scalar(name);
            for line in form.lines(name).unwrap_or_default() {
                assert!(!line.is_empty() && line.trim() == line && !line.contains(['\n', '\r', '\0']));
            }
        }
    }
}
