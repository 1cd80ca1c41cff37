//! What an order says beside link and quantity.

use std::collections::BTreeMap;

use serde::Serialize;

/// A parameter, by its name in the documents. Orders show them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub enum Parameter {
    Comments,
    AnswerNumber,
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
    pub(super) const ALL: [Self; 14] = [
        Self::Comments,
        Self::AnswerNumber,
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

    /// Its name in the documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comments => "comments",
            Self::AnswerNumber => "answer_number",
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
    pub(super) fn is_list(self) -> bool {
        matches!(
            self,
            Self::Comments | Self::Usernames | Self::Hashtags | Self::Groups | Self::Keywords
        )
    }
}

/// Everything that an order says beside link and quantity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Details(BTreeMap<Parameter, Detail>);

/// What one parameter says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// One text.
    Text(String),
    /// One entry per line.
    Lines(Vec<String>),
}

impl Details {
    /// What a parameter says that is one text.
    pub fn text(&self, parameter: Parameter) -> Option<&str> {
        match self.0.get(&parameter) {
            Some(Detail::Text(text)) => Some(text),
            Some(Detail::Lines(_)) | None => None,
        }
    }

    /// What a parameter says that is a list; nothing where it is not there.
    pub fn lines(&self, parameter: Parameter) -> &[String] {
        match self.0.get(&parameter) {
            Some(Detail::Lines(lines)) => lines,
            Some(Detail::Text(_)) | None => &[],
        }
    }

    /// Everything, by its name in the documents, lists one entry per line.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.iter().map(|(parameter, detail)| match detail {
            Detail::Text(text) => (parameter.name(), text.clone()),
            Detail::Lines(lines) => (parameter.name(), lines.join("\n")),
        })
    }

    /// Those that an order keeps.
    pub(super) fn of(&self, kept: impl Iterator<Item = Parameter>) -> Self {
        kept.filter_map(|parameter| Some((parameter, self.0.get(&parameter)?.clone())))
            .collect()
    }
}

impl FromIterator<(Parameter, Detail)> for Details {
    fn from_iter<I: IntoIterator<Item = (Parameter, Detail)>>(told: I) -> Self {
        Self(told.into_iter().collect())
    }
}
