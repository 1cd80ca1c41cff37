//! Tolerant readers of what panels write: numbers as texts or numbers, flags four ways, nothing
//! through a float.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::upstream::evidence::storable_text;

/// The longest id that is kept; real ones have a dozen digits or a ULID's 30 letters.
pub(super) const ID_BYTES_MAX: usize = 128;

/// The longest number that is looked at.
const NUMBER_BYTES_MAX: usize = 64;

/// The largest power of ten, either way, that is written out; PHP writes small amounts as `1.0e-5`.
const EXPONENT_MAX: i32 = 30;

/// The longest name of an order that was just placed.
const NAME_BYTES_MAX: usize = 64;

/// So many letters on end are a word, where so few digits stand beside them.
const WORD_LETTERS_MIN: usize = 5;
const WORD_DIGITS_MAX: usize = 3;

/// So many digits make a name of a word, where it is none of these: codes of errors have fewer, or
/// begin so.
const NAME_DIGITS_MIN: usize = 4;
const CODE_BEGINNINGS: [&str; 9] = [
    "e", "err", "errno", "sql", "sqlstate", "code", "http", "php", "line",
];

/// How names of orders begin that may be short.
const ORDER_BEGINNINGS: [&str; 4] = ["ord_", "ord-", "order_", "order-"];

/// A ULID's letters, and a UUID's.
const ULID_LENGTH: usize = 26;
const UUID_DIGITS: usize = 32;

/// How names of months begin, folded; a `t` would part them from a day.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oc", "nov", "dec",
];

/// Texts that languages write for the absence of an id.
const NO_IDS: [&str; 5] = ["null", "false", "true", "none", "undefined"];

/// What a word has in it that is no id: folded.
const NO_ID_PARTS: [&str; 15] = [
    "error",
    "fail",
    "invalid",
    "denied",
    "reject",
    "refuse",
    "found",
    "exist",
    "success",
    "null",
    "undefined",
    "://",
    "<",
    ">",
    "$",
];

/// An answer's text without what panels put round it: a byte order mark and blanks.
pub(super) fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// The fields of one JSON object, their values unread: what cannot be read in one never spoils
/// another.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// What each name says the last time.
    last: BTreeMap<String, &'a RawValue>,
    /// What names that stand more than once said before.
    earlier: Vec<(String, &'a RawValue)>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields {
            last: BTreeMap::new(),
            earlier: Vec::new(),
        };

        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            if let Some(before) = fields.last.insert(name.clone(), value) {
                fields.earlier.push((name, before));
            }
        }

        Ok(fields)
    }
}

impl<'a> Fields<'a> {
    /// The fields of a text that is one JSON object and nothing after it.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// One field's value.
    pub(super) fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.last.get(name).copied()
    }

    /// What the first of these fields that a reader can read says.
    pub(super) fn first<T>(
        &self,
        names: &[&str],
        reader: impl Fn(&'a RawValue) -> Option<T>,
    ) -> Option<T> {
        names
            .iter()
            .filter_map(|name| self.value(name))
            .find_map(reader)
    }

    /// All fields, each with its name.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.last
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// All fields, and of a name that stands more than once each.
    pub(super) fn every(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.named().chain(
            self.earlier
                .iter()
                .map(|(name, value)| (name.as_str(), *value)),
        )
    }

    /// All values.
    pub(super) fn values(&self) -> impl Iterator<Item = &'a RawValue> {
        self.last.values().copied()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }
}

/// The items of a JSON array.
pub(super) fn list_items(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

/// One value by its kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Flag(bool),
    /// A number as it was written.
    Number(&'a str),
    /// A text, without surrounding blanks.
    Text(String),
    /// An array.
    List,
    /// An object, or what cannot be read.
    Other,
}

/// Of which kind a value is.
pub(super) fn read_scalar(raw: &RawValue) -> Scalar<'_> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'n') => Scalar::Null,
        Some(b't') => Scalar::Flag(true),
        Some(b'f') => Scalar::Flag(false),
        Some(b'"') => serde_json::from_str::<String>(text)
            .map_or(Scalar::Other, |text| Scalar::Text(text.trim().to_owned())),
        Some(b'-' | b'0'..=b'9') => Scalar::Number(text),
        Some(b'[') => Scalar::List,
        Some(_) | None => Scalar::Other,
    }
}

/// A text, or a number as it was written; nothing where it is empty.
pub(super) fn read_text(raw: &RawValue) -> Option<String> {
    match read_scalar(raw) {
        Scalar::Text(text) => Some(text).filter(|text| !text.is_empty()),
        Scalar::Number(number) => Some(number.to_owned()),
        Scalar::Null | Scalar::Flag(_) | Scalar::List | Scalar::Other => None,
    }
}

/// A text of at most so many bytes, longer ones cut.
pub(super) fn text_upto(raw: &RawValue, bytes_max: usize) -> Option<String> {
    read_text(raw).map(|text| storable_text(&text, bytes_max))
}

/// An id: a positive integer of any size, or another text than a number; opaque either way.
pub(super) fn read_id(raw: &RawValue) -> Option<String> {
    match read_scalar(raw) {
        Scalar::Number(number) => id_of_digits(number),
        Scalar::Text(text) if is_number(&text) => id_of_digits(&text),
        Scalar::Text(text) => Some(text).filter(|text| is_name(text)),
        Scalar::Null | Scalar::Flag(_) | Scalar::List | Scalar::Other => None,
    }
}

/// An id of something that was just placed: as [`id`], and a word only where it can be no word of a
/// language. It has a digit, and nothing of a failure, of a page or of an amount.
pub(super) fn placed_id(raw: &RawValue) -> Option<String> {
    read_id(raw).filter(|id| {
        let folded = id.to_lowercase();
        let has_digit = id.bytes().any(|byte| byte.is_ascii_digit());
        let says_no = NO_ID_PARTS.iter().any(|part| folded.contains(part));
        let exponent = written_out(id).is_some_and(|digits| digits != *id);
        has_digit && !says_no && !exponent
    })
}

/// An id of an order that was just placed: digits, or as [`placed_id`] and nothing that is a word
/// with a number behind it, a version, a date or a piece of another language. Noughts in front are
/// no panel's: `04242` would be another order to us than `4242`, and the same to the panel.
pub(super) fn order_id(raw: &RawValue) -> Option<String> {
    let is_number = |id: &str| id.bytes().all(|byte| byte.is_ascii_digit());
    placed_id(raw).filter(|id| {
        if is_number(id) {
            !id.starts_with('0')
        } else {
            is_order_name(id)
        }
    })
}

fn is_order_name(id: &str) -> bool {
    let folded = id.to_lowercase();
    let is_plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));

    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    let runs = id.split(|c: char| !c.is_ascii_alphabetic());
    let is_word = digits <= WORD_DIGITS_MAX
        && runs
            .map(str::len)
            .any(|letters| letters >= WORD_LETTERS_MIN);

    let is_version = folded
        .strip_prefix('v')
        .is_some_and(|rest| !rest.bytes().any(|byte| byte.is_ascii_alphabetic()));

    let is_code = folded.starts_with("0x") || folded.starts_with("http");
    let is_shaped = is_plain && id.len() <= NAME_BYTES_MAX && has_shape_of_a_name(&folded);
    is_shaped && !is_word && !is_version && !is_code && !is_date(&folded)
}

/// Whether a word, folded, has a shape that no code of an error has.
fn has_shape_of_a_name(folded: &str) -> bool {
    let digits = folded.bytes().filter(u8::is_ascii_digit).count();
    let first_letters = folded
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();

    let rest_is_number = folded[first_letters.len()..]
        .bytes()
        .all(|byte| !byte.is_ascii_alphabetic());

    let is_code = CODE_BEGINNINGS.contains(&first_letters) && rest_is_number;

    let is_of_letters =
        folded.len() == ULID_LENGTH && folded.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let plain: String = folded.split('-').collect();
    let is_uuid = plain.len() == UUID_DIGITS && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_named = ORDER_BEGINNINGS
        .iter()
        .any(|begins| folded.starts_with(begins));

    is_named || is_of_letters || is_uuid || (digits >= NAME_DIGITS_MIN && !is_code)
}

/// Whether two ids are one: what differs in noughts in front of a number differs in writing.
pub(super) fn is_same_id(one: &str, other: &str) -> bool {
    let plain = |id: &str| -> String {
        let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
        if is_number {
            id.trim_start_matches('0').to_owned()
        } else {
            id.to_owned()
        }
    };

    plain(one) == plain(other)
}

/// `2026-11-30`, `30_11_2026`, `30-nov-2026`, `20261130t101500`, with a time behind it or without.
fn is_date(folded: &str) -> bool {
    let parts: Vec<&str> = folded
        .split(['-', '_', 't'])
        .filter(|part| !part.is_empty())
        .collect();

    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_year = |part: &str| all_digits(part) && part.len() == 4;
    let is_short = |part: &str| all_digits(part) && part.len() <= 2;
    let is_month =
        |part: &str| is_short(part) || MONTHS.iter().any(|month| part.starts_with(month));

    match parts.as_slice() {
        [whole, time] if folded.contains('t') => {
            all_digits(whole) && whole.len() == 8 && all_digits(time)
        }
        [year, month] => is_year(year) && is_short(month),
        [first, month, last, ..] => {
            is_month(month)
                && (is_year(first) || is_short(first))
                && (is_year(last) || is_short(last))
        }
        _ => false,
    }
}

fn id_of_digits(text: &str) -> Option<String> {
    let positive =
        text.bytes().all(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte != b'0');
    (positive && text.len() <= ID_BYTES_MAX).then(|| text.to_owned())
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction)
}

/// One word of visible letters: a sentence where an id should be is none; a comma would split it in
/// the next question.
fn is_name(text: &str) -> bool {
    let visible = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b',');
    let none = NO_IDS.iter().any(|none| text.eq_ignore_ascii_case(none));
    (1..=ID_BYTES_MAX).contains(&text.len()) && visible && !none
}

/// Yes, in any of its spellings.
pub(super) fn read_flag(raw: &RawValue) -> bool {
    match read_scalar(raw) {
        Scalar::Flag(flag) => flag,
        Scalar::Number(number) => number == "1",
        Scalar::Text(text) => text == "1" || text.eq_ignore_ascii_case("true"),
        Scalar::Null | Scalar::List | Scalar::Other => false,
    }
}

/// An amount as plain digits, an exponent written out; whether it is one is for Money to say.
pub(super) fn read_amount(raw: &RawValue) -> Option<String> {
    read_text(raw).and_then(|text| written_out(&text))
}

/// A whole number, as a number or a text, with or without a point and zeros.
pub(super) fn read_whole(raw: &RawValue) -> Option<i64> {
    let digits = read_amount(raw)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    fraction
        .bytes()
        .all(|byte| byte == b'0')
        .then(|| whole.parse().ok())?
}

/// A whole number that is not negative.
pub(super) fn read_count(raw: &RawValue) -> Option<u64> {
    read_whole(raw).and_then(|whole| u64::try_from(whole).ok())
}

fn written_out(number: &str) -> Option<String> {
    if number.len() > NUMBER_BYTES_MAX {
        return None;
    }

    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else {
        return Some(number.to_owned());
    };

    let exponent: i32 = exponent
        .parse()
        .ok()
        .filter(|power: &i32| power.abs() <= EXPONENT_MAX)?;

    if !is_number(mantissa) || mantissa.starts_with('+') {
        return None;
    }

    let (sign, digits) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |digits| ("-", digits));

    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let length = i32::try_from(digits.len()).ok()?;

    Some(match usize::try_from(point) {
        Ok(at) if point > 0 && point < length => {
            format!("{sign}{}.{}", &digits[..at], &digits[at..])
        }
        Ok(_) if point > 0 => format!("{sign}{digits}{}", zeros(point - length)),
        Ok(_) | Err(_) => format!("{sign}0.{}{digits}", zeros(-point)),
    })
}

#[cfg(test)]
mod tests;
