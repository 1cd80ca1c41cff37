//! What a customer asks for in `add`, before anyone has looked at whether it can be sold.

use std::fmt::Write;

/// The longest link, in bytes.
pub const LINK_BYTES_MAX: usize = 2_048;
/// The longest `request_id`, in characters.
pub const REQUEST_ID_CHARS_MAX: usize = 128;
/// The most lines in `comments` and its kin.
pub const LINES_MAX: usize = 5_000;

/// The parameters of `add` as they came: scalars untouched, lists split into lines that are trimmed and not blank.
///
/// A parameter that was sent empty counts as not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `service`
    pub service: Option<String>,
    /// `link`
    pub link: Option<String>,
    /// `quantity`
    pub quantity: Option<String>,
    /// `comments`, one per line
    pub comments: Vec<String>,
    /// `answer_number`
    pub answer_number: Option<String>,
    /// `runs`: drip-feed, which is not sold
    pub runs: Option<String>,
    /// `interval`: drip-feed, which is not sold
    pub interval: Option<String>,
    /// `request_id`, or the `Idempotency-Key` header
    pub request_id: Option<String>,
}

impl Wish {
    /// The business fields in one canonical text: two wishes ask for the same thing exactly when these are equal.
    ///
    /// Each field is written with its length, so no content can imitate a border between fields.
    pub fn canonical(&self) -> String {
        let comments = self.comments.join("\n");
        let fields = [
            ("service", self.service.as_deref()),
            ("link", self.link.as_deref()),
            ("quantity", self.quantity.as_deref()),
            ("comments", Some(comments.as_str()).filter(|lines| !lines.is_empty())),
            ("answer_number", self.answer_number.as_deref()),
            ("runs", self.runs.as_deref()),
            ("interval", self.interval.as_deref()),
        ];
        let present = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        present.fold(String::new(), |mut text, (name, value)| {
            let _ = write!(text, "{name}={}:{value};", value.len());
            text
        })
    }
}

/// What a panel must be told beside link and quantity; kept with the order.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Details {
    /// One comment per line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<String>,
    /// The answer of a poll to vote for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_number: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_cannot_imitate_a_border() {
        let honest = Wish { link: Some("a".into()), quantity: Some("1".into()), ..Wish::default() };
        let sly = Wish { link: Some("a;quantity=1:1".into()), ..Wish::default() };
        assert_ne!(honest.canonical(), sly.canonical());
        assert_eq!(honest.canonical(), Wish { request_id: Some("x".into()), ..honest.clone() }.canonical());
    }
}
