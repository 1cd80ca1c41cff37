//! Reads what customers send: generously in its form, strictly where a lenient reader would guess.
//!
//! Parameters come in the query, in a form, in parts or in JSON, or here and there. One that cannot
//! be read spoils only itself: who calls, and with what action, is answered first.

mod encoded;
mod json;
mod parts;

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::domain::refusal::Refusal;
use crate::domain::wish::{LINE_ENDS, LINES_MAX, Parameter, SentValue};

/// The most pairs of a request: one per line of the longest list, and every other parameter a few
/// times.
const PAIRS_MAX: usize = LINES_MAX + 100;

/// The parameters that are none of a wish's.
const NAMES: [&str; 7] = [
    "key",
    "action",
    "request_id",
    "order",
    "orders",
    "refill",
    "refills",
];
/// Those of them that are lists.
const LISTS: [&str; 2] = ["orders", "refills"];

/// What scripting languages write for nothing, in whatever case.
const NOTHING: [&str; 5] = ["undefined", "null", "none", "nan", "false"];
/// The parameters in which such a word is no value, for they may be left out. Everywhere else it
/// may be meant: a link or a comment may be any word.
const OPTIONAL: [&str; 9] = [
    "key",
    "action",
    "request_id",
    "order",
    "orders",
    "refill",
    "refills",
    "runs",
    "interval",
];
/// The parameters that are whole numbers, whatever fraction of zeros a language writes behind them.
/// Ids are not among them, for they are told as they were asked.
const WHOLE_NUMBERS: [&str; 7] = [
    "service",
    "quantity",
    "answer_number",
    "runs",
    "interval",
    "device",
    "type_of_traffic",
];

/// The known parameters of one request; one that was sent empty is not here.
#[derive(Debug, Default)]
pub struct Form {
    values: BTreeMap<&'static str, Values>,
    pairs: usize,
}

#[derive(Debug)]
enum Values {
    /// As often as it was sent, never empty.
    Texts(Vec<String>),
    /// One of them is no text.
    Unreadable,
}

/// One value of a parameter.
#[derive(Debug, PartialEq, Eq)]
enum ParameterValue {
    /// As good as not sent.
    Empty,
    /// JSON's `false`, which some write for nothing.
    False,
    /// A text, or a number as it was written, trimmed.
    Text(String),
    /// No text: not UTF-8, with a NUL, or a thing of JSON that no parameter is.
    Unreadable,
}

impl ParameterValue {
    fn of(text: &str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            sent if sent.contains('\0') => Self::Unreadable,
            sent => Self::Text(sent.to_owned()),
        }
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Unreadable, Self::of)
    }

    /// The same as this parameter takes it.
    fn taken_by(self, name: &str) -> Self {
        match self {
            Self::False if OPTIONAL.contains(&name) => Self::Empty,
            Self::Text(text) if OPTIONAL.contains(&name) && is_nothing(&text) => Self::Empty,
            Self::Text(text) if WHOLE_NUMBERS.contains(&name) => {
                Self::Text(without_fraction(&text).to_owned())
            }
            Self::False | Self::Unreadable => Self::Unreadable,
            Self::Empty => Self::Empty,
            Self::Text(text) => Self::Text(text),
        }
    }
}

/// Whether a text is what scripting languages write for nothing.
pub fn is_nothing(text: &str) -> bool {
    text.is_empty() || NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A whole number without the zeros that some languages write behind it: `100.0` is 100. Any other
/// text is itself.
pub fn without_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros))
            if is_all(whole, |byte| byte.is_ascii_digit())
                && is_all(zeros, |byte| byte == b'0') =>
        {
            whole
        }
        Some(_) | None => text,
    }
}

fn is_all(text: &str, kind: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(kind)
}

impl Form {
    /// Takes the pairs of a query or of a form's body; only more pairs than any request has are
    /// refused as a whole.
    pub fn read_encoded(&mut self, text: &[u8]) -> Result<(), Refusal> {
        for (name, value) in encoded::encoded_pairs(text) {
            self.take(&name, ParameterValue::of_bytes(&value))?;
        }
        Ok(())
    }

    /// Takes the members of a JSON object.
    pub fn read_json(&mut self, body: &[u8]) -> Result<(), Refusal> {
        for (name, value) in json::json_pairs(body).ok_or(Refusal::UnreadableRequest)? {
            self.take(name.as_bytes(), value)?;
        }
        Ok(())
    }

    /// Takes the parts of a body that says that it is of parts.
    pub async fn read_parts(&mut self, body: Bytes, content_type: &str) -> Result<(), Refusal> {
        let mut parts = parts::BodyParts::open(body, content_type)?;
        while let Some(part) = parts.next().await? {
            self.take(part.name.as_bytes(), ParameterValue::of_bytes(&part.value))?;
        }
        Ok(())
    }

    /// Takes a key that came beside the parameters.
    pub fn read_key(&mut self, key: &str) -> Result<(), Refusal> {
        self.take(b"key", ParameterValue::of(key))
    }

    /// Keeps a value under its name.
    fn take(&mut self, name: &[u8], value: ParameterValue) -> Result<(), Refusal> {
        self.pairs += 1;
        if self.pairs > PAIRS_MAX {
            return Err(Refusal::TooLarge);
        }

        let Some(name) = known(name) else {
            return Ok(());
        };

        match (value.taken_by(name), self.values.get_mut(name)) {
            (ParameterValue::Empty, _) | (ParameterValue::Text(_), Some(Values::Unreadable)) => {}
            (ParameterValue::Text(text), Some(Values::Texts(texts))) => texts.push(text),
            (ParameterValue::Text(text), None) => {
                self.values.insert(name, Values::Texts(vec![text]));
            }
            (ParameterValue::False | ParameterValue::Unreadable, _) => {
                self.values.insert(name, Values::Unreadable);
            }
        }

        Ok(())
    }

    /// Whether a parameter was sent, readable or not.
    pub fn has(&self, name: &'static str) -> bool {
        self.values.contains_key(name)
    }

    /// A parameter's one value; two that differ are unreadable, for either could be meant.
    pub fn scalar(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.texts(name)? {
            [] => Ok(None),
            [first, others @ ..] if others.iter().all(|other| other == first) => {
                Ok(Some(first.clone()))
            }
            _ => Err(Refusal::Unreadable(name)),
        }
    }

    /// The ids of a list over all its values, trimmed, without the blank ones.
    pub fn ids(&self, name: &'static str) -> Result<impl Iterator<Item = &str>, Refusal> {
        let texts = self.texts(name)?.iter();
        Ok(texts
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|id| !id.is_empty()))
    }

    /// A parameter of a wish, as far as it was sent.
    pub fn sent(&self, parameter: Parameter) -> Option<SentValue> {
        let sent = if parameter.is_list() {
            self.lines(parameter.name())
                .map(|lines| (!lines.is_empty()).then_some(SentValue::Lines(lines)))
        } else {
            self.scalar(parameter.name())
                .map(|text| text.map(SentValue::Text))
        };

        sent.unwrap_or(Some(SentValue::Unreadable))
    }

    /// A list's lines over all its values, trimmed, without the blank ones.
    fn lines(&self, name: &'static str) -> Result<Vec<String>, Refusal> {
        let texts = self.texts(name)?.iter();

        // The blank between `\r` and `\n` is one of the lines that are dropped.
        let lines = texts
            .flat_map(|text| text.split(LINE_ENDS))
            .map(str::trim)
            .filter(|line| !line.is_empty());

        let lines: Vec<String> = lines.take(LINES_MAX + 1).map(str::to_owned).collect();
        if lines.len() > LINES_MAX {
            Err(Refusal::Unreadable(name))
        } else {
            Ok(lines)
        }
    }

    fn texts(&self, name: &'static str) -> Result<&[String], Refusal> {
        debug_assert!(known(name.as_bytes()).is_some(), "{name} is never kept");
        match self.values.get(name) {
            None => Ok(&[]),
            Some(Values::Texts(texts)) => Ok(texts),
            Some(Values::Unreadable) => Err(Refusal::Unreadable(name)),
        }
    }
}

/// The parameter of that name; lists also as PHP writes them, `name[]` and `name[0]`. Others are
/// ignored.
fn known(name: &[u8]) -> Option<&'static str> {
    let of_wishes = Parameter::ALL
        .into_iter()
        .map(|parameter| (parameter.name(), parameter.is_list()));

    let mut all = NAMES
        .into_iter()
        .map(|name| (name, LISTS.contains(&name)))
        .chain(of_wishes);

    let is = |known: &str, list| match name.strip_prefix(known.as_bytes()) {
        Some([]) => true,
        Some([b'[', place @ .., b']']) => list && place.iter().all(u8::is_ascii_digit),
        Some(_) | None => false,
    };

    all.find(|(known, list)| is(known, *list))
        .map(|(known, _)| known)
}

#[cfg(test)]
mod tests;
