//! What a customer asks for in `add`, before anyone has looked at whether it can be sold.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::domain::refusal::Refusal;

/// The longest link, in bytes.
pub const LINK_BYTES_MAX: usize = 2_048;
/// The longest of the other texts, in bytes.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// The longest `request_id`, in characters.
pub const REQUEST_ID_CHARS_MAX: usize = 128;
/// The most lines in `comments` and its kin.
pub const LINES_MAX: usize = 5_000;
/// Whatever ends a line for anybody: a panel that counts more lines than were paid delivers more.
pub const LINE_ENDS: [char; 10] = [
    '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}',
];

/// Whether a character has no place in a text of one line.
pub fn breaks_a_line(c: char) -> bool {
    c.is_control() || LINE_ENDS.contains(&c)
}

/// A parameter that says what is wished for, by its v2 name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum Parameter {
    Service,
    Link,
    Quantity,
    Comments,
    AnswerNumber,
    Runs,
    Interval,
    Usernames,
    Hashtags,
    Hashtag,
    Username,
    Media,
    Groups,
    Keywords,
    Country,
    Device,
    TypeOfTraffic,
    GoogleKeyword,
    ReferringUrl,
}

impl Parameter {
    /// Every one, in the order in which a wish is written down; a new one goes to the end, for
    /// remembered requests are bound to what is written.
    pub const ALL: [Self; 19] = [
        Self::Service,
        Self::Link,
        Self::Quantity,
        Self::Comments,
        Self::AnswerNumber,
        Self::Runs,
        Self::Interval,
        Self::Usernames,
        Self::Hashtags,
        Self::Hashtag,
        Self::Username,
        Self::Media,
        Self::Groups,
        Self::Keywords,
        Self::Country,
        Self::Device,
        Self::TypeOfTraffic,
        Self::GoogleKeyword,
        Self::ReferringUrl,
    ];

    /// Its v2 name, on both sides of us.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Link => "link",
            Self::Quantity => "quantity",
            Self::Comments => "comments",
            Self::AnswerNumber => "answer_number",
            Self::Runs => "runs",
            Self::Interval => "interval",
            Self::Usernames => "usernames",
            Self::Hashtags => "hashtags",
            Self::Hashtag => "hashtag",
            Self::Username => "username",
            Self::Media => "media",
            Self::Groups => "groups",
            Self::Keywords => "keywords",
            Self::Country => "country",
            Self::Device => "device",
            Self::TypeOfTraffic => "type_of_traffic",
            Self::GoogleKeyword => "google_keyword",
            Self::ReferringUrl => "referring_url",
        }
    }

    /// Whether it is a list, one entry per line.
    pub fn is_list(self) -> bool {
        match self {
            Self::Comments | Self::Usernames | Self::Hashtags | Self::Groups | Self::Keywords => {
                true
            }
            Self::Service
            | Self::Link
            | Self::Quantity
            | Self::AnswerNumber
            | Self::Runs
            | Self::Interval
            | Self::Hashtag
            | Self::Username
            | Self::Media
            | Self::Country
            | Self::Device
            | Self::TypeOfTraffic
            | Self::GoogleKeyword
            | Self::ReferringUrl => false,
        }
    }

    /// Whether it is asked for beside what was read before it: where visitors come from decides
    /// what else is told.
    pub fn is_asked_beside(self, details: &Details) -> bool {
        let visitors_come_by = |way| details.text(Self::TypeOfTraffic) == Some(way);
        match self {
            Self::GoogleKeyword => visitors_come_by("1"),
            Self::ReferringUrl => visitors_come_by("2"),
            Self::Service
            | Self::Link
            | Self::Quantity
            | Self::Comments
            | Self::AnswerNumber
            | Self::Runs
            | Self::Interval
            | Self::Usernames
            | Self::Hashtags
            | Self::Hashtag
            | Self::Username
            | Self::Media
            | Self::Groups
            | Self::Keywords
            | Self::Country
            | Self::Device
            | Self::TypeOfTraffic => true,
        }
    }
}

/// A parameter as it came: trimmed, and never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentValue {
    /// One text.
    Text(String),
    /// A list, split into lines that are trimmed and not blank.
    Lines(Vec<String>),
    /// No text, or two that differ, or more lines than anybody has: it spoils only itself, and only
    /// where it is read.
    Unreadable,
}

/// The parameters of `add` as they came. One that was sent empty counts as not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderRequest {
    /// What was sent.
    pub sent: BTreeMap<Parameter, SentValue>,
    /// `request_id`, or the `Idempotency-Key` header
    pub request_id: Option<String>,
}

impl OrderRequest {
    /// A parameter that is one text.
    pub fn text(&self, parameter: Parameter) -> Result<Option<&str>, Refusal> {
        match self.sent.get(&parameter) {
            None => Ok(None),
            Some(SentValue::Text(text)) => Ok(Some(text)),
            Some(SentValue::Lines(_) | SentValue::Unreadable) => {
                Err(Refusal::Unreadable(parameter.name()))
            }
        }
    }

    /// A parameter that is a list; empty where it was not sent.
    pub fn lines(&self, parameter: Parameter) -> Result<&[String], Refusal> {
        match self.sent.get(&parameter) {
            None => Ok(&[]),
            Some(SentValue::Lines(lines)) => Ok(lines),
            Some(SentValue::Text(_) | SentValue::Unreadable) => {
                Err(Refusal::Unreadable(parameter.name()))
            }
        }
    }

    /// The business fields in one canonical text: two wishes ask for the same thing exactly when
    /// these are equal.
    ///
    /// Each field is written with its length, so no content can imitate a border between fields,
    /// and what could not be read is like no text.
    pub fn canonical(&self) -> String {
        self.sent
            .iter()
            .fold(String::new(), |mut text, (parameter, sent)| {
                let name = parameter.name();
                let _ = match sent {
                    SentValue::Text(value) => write!(text, "{name}={}:{value};", value.len()),
                    SentValue::Lines(lines) => {
                        let value = lines.join("\n");
                        write!(text, "{name}={}:{value};", value.len())
                    }
                    SentValue::Unreadable => write!(text, "{name}=?;"),
                };

                text
            })
    }
}

/// What a panel must be told beside link and quantity; kept with the order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Details(BTreeMap<Parameter, Detail>);

/// One thing that a panel is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Detail {
    /// One text.
    Text(String),
    /// One entry per line.
    Lines(Vec<String>),
}

impl Details {
    /// Adds what is told in a parameter.
    pub fn tell(&mut self, parameter: Parameter, detail: Detail) {
        self.0.insert(parameter, detail);
    }

    /// A text that is told.
    pub fn text(&self, parameter: Parameter) -> Option<&str> {
        match self.0.get(&parameter) {
            Some(Detail::Text(text)) => Some(text),
            Some(Detail::Lines(_)) | None => None,
        }
    }

    /// A list that is told; empty where there is none.
    pub fn lines(&self, parameter: Parameter) -> &[String] {
        match self.0.get(&parameter) {
            Some(Detail::Lines(lines)) => lines,
            Some(Detail::Text(_)) | None => &[],
        }
    }

    /// Everything that is told.
    pub fn each(&self) -> impl Iterator<Item = (Parameter, &Detail)> {
        self.0
            .iter()
            .map(|(parameter, detail)| (*parameter, detail))
    }

    /// Everything that is told, by its v2 name, lists one entry per line.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.iter().map(|(parameter, detail)| match detail {
            Detail::Text(text) => (parameter.name(), text.clone()),
            Detail::Lines(lines) => (parameter.name(), lines.join("\n")),
        })
    }
}

impl FromIterator<(Parameter, Detail)> for Details {
    fn from_iter<I: IntoIterator<Item = (Parameter, Detail)>>(told: I) -> Self {
        Self(told.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish<const N: usize>(sent: [(Parameter, SentValue); N]) -> OrderRequest {
        OrderRequest {
            sent: BTreeMap::from(sent),
            request_id: None,
        }
    }

    fn text(parameter: Parameter, text: &str) -> (Parameter, SentValue) {
        (parameter, SentValue::Text(text.to_owned()))
    }

    #[test]
    fn contents_cannot_imitate_a_border() {
        let honest = wish([text(Parameter::Link, "a"), text(Parameter::Quantity, "1")]);
        let sly = wish([text(Parameter::Link, "a;quantity=1:1")]);
        assert_ne!(honest.canonical(), sly.canonical());

        assert_eq!(
            honest.canonical(),
            OrderRequest {
                request_id: Some("x".into()),
                ..honest.clone()
            }
            .canonical()
        );

        let unread = wish([(Parameter::Link, SentValue::Unreadable)]);
        assert_ne!(unread.canonical(), wish([]).canonical());
        assert_ne!(
            unread.canonical(),
            wish([text(Parameter::Link, "?")]).canonical()
        );
    }

    #[test]
    fn a_wish_is_written_as_remembered_requests_are_bound_to() {
        let comments = (
            Parameter::Comments,
            SentValue::Lines(vec!["one".into(), "two".into()]),
        );

        let all = wish([
            text(Parameter::Interval, "2"),
            text(Parameter::Runs, "1"),
            text(Parameter::Keywords, "k"),
            text(Parameter::AnswerNumber, "3"),
            comments,
            text(Parameter::Quantity, "10"),
            text(Parameter::Link, "l"),
            text(Parameter::Service, "7"),
        ]);

        let written = "service=1:7;link=1:l;quantity=2:10;comments=7:one\ntwo;answer_number=1:3;\
                       runs=1:1;interval=1:2;keywords=1:k;";
        assert_eq!(all.canonical(), written);
    }
}
