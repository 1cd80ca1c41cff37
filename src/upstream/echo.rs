//! What an order itself sent, cut out of what its panel answers.
//!
//! Panels quote what they were asked: in front of an error, in a query that failed, as a field
//! beside it. Those words are the customer's, who may write anything: a link that reads like a
//! refusal must refuse nothing. They are found however the panel spells them (escaped for a page,
//! an address or a text, in other letters, cut short at either end), and what is cut for being like
//! them by chance costs a doubt, never an order.

mod alike;
mod escapes;
mod folded;
mod own_id;

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::HashSet;
use std::ops::Range;

use serde_json::value::RawValue;

use crate::domain::leg::LeasedLeg;
use crate::domain::wish::Detail;
use crate::upstream::dialect::{SpokenDialect, is_word_of_refusals};
use crate::upstream::evidence::HIDDEN;
use crate::upstream::scalar::order_id;

use alike::Alike;
use escapes::unescaped;
use folded::{FoldedText, Letters, RUN};

pub(super) use own_id::is_of_the_order;

/// What stands where the order's own words stood. No listed text has it, so what is left round it
/// joins to none.
const MARK: &str = "…";

/// The same for a piece of them: what was cut may have been the panel's word too, and one that
/// takes a refusal back. It reads as a text about an order, which no refusal is.
const PIECE_MARK: &str = "[of the order]";

/// All that stands in answers for what was cut from them: own words, and our key.
pub const MARKS: [&str; 3] = [MARK, PIECE_MARK, HIDDEN];

/// Whether a text begins with what was cut: nothing in front of it is its panel's.
pub fn is_quote(text: &str) -> bool {
    [MARK, PIECE_MARK]
        .iter()
        .any(|mark| text.trim_start().starts_with(mark))
}

/// An answer in JSON without the words of the order that it answers. Its ids stay as they are.
pub(super) fn cut_own_words<'a>(
    answer: &'a str,
    leg: &LeasedLeg,
    dialect: &SpokenDialect,
) -> Cow<'a, str> {
    let mut cut = String::new();
    let mut kept_from = 0;
    let mut at = 0;
    let mut name = String::new();

    // Most answers are an id and no text.
    let own = LazyCell::new(|| OwnWords::of(leg));

    while let Some(token) = next_text(answer, at) {
        at = token.end;
        let Ok(text) = serde_json::from_str::<String>(&answer[token.start..token.end]) else {
            continue;
        };

        let is_name = answer[token.end..].trim_start().starts_with(':');
        if is_name {
            name.clone_from(&text);
        }

        let stays = if is_name {
            is_plain_name(&text)
        } else {
            is_id(&name, &answer[token.start..token.end])
        };

        let Some(shorter) = (!stays).then(|| own.cut_from(&text, dialect)).flatten() else {
            continue;
        };

        cut.push_str(&answer[kept_from..token.start]);
        cut.push_str(&serde_json::Value::String(shorter).to_string());
        kept_from = token.end;
    }

    if kept_from == 0 {
        return Cow::Borrowed(answer);
    }

    cut.push_str(&answer[kept_from..]);
    Cow::Owned(cut)
}

/// Where a text stands in JSON, its quotes included.
struct Token {
    start: usize,
    end: usize,
}

fn next_text(json: &str, from: usize) -> Option<Token> {
    let start = from + json[from..].find('"')?;
    let mut is_escaped = false;

    for (at, byte) in json.bytes().enumerate().skip(start + 1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(Token { start, end: at + 1 }),
            _ => {}
        }
    }

    None
}

/// A field's name as programs write them, and nobody's text.
fn is_plain_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// A number in a text, or an id where ids stand.
fn is_id(name: &str, token: &str) -> bool {
    let name = name.to_lowercase();
    let is_number = token
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'"' | b'.' | b'-'));

    let names_an_id = name.contains("order") || name.ends_with("id");
    let is_shaped =
        || RawValue::from_string(token.to_owned()).is_ok_and(|raw| order_id(&raw).is_some());

    is_number || (names_an_id && is_shaped())
}

/// What one order sent, as it is looked for: twice, the second time without what is not ASCII, for
/// panels drop it.
struct OwnWords {
    any: Letters,
    ascii: Letters,
    /// The link's letters, with and without what stands in front of its host: refusals name it
    /// whole.
    links: Vec<Vec<char>>,
    /// What own texts read like in plain letters.
    alike: Alike,
    /// Every word of theirs.
    words: HashSet<String>,
}

impl OwnWords {
    fn of(leg: &LeasedLeg) -> Self {
        let mut own = Self {
            any: Letters::default(),
            ascii: Letters::default(),
            links: Vec::new(),
            alike: Alike::default(),
            words: HashSet::new(),
        };

        let link = unescaped(&leg.link);
        let host = link.split_once("://").map_or(&*link, |(_, host)| host);
        for whole in [&*link, host, host.strip_prefix("www.").unwrap_or(host)] {
            own.links
                .push(FoldedText::of(whole, char::is_alphanumeric).letters);
        }

        own.add_whole(&leg.link);

        // Panels name a page by the last piece of its address.
        for piece in leg.link.split(|c: char| !c.is_alphanumeric()) {
            own.add_piece(piece);
        }

        for piece in leg.link.split(['/', '?', '&', '=', '#', '@']) {
            own.add_piece(piece);
        }

        for (_, detail) in leg.details.each() {
            match detail {
                Detail::Text(text) => own.add_whole(text),
                Detail::Lines(lines) => {
                    own.add_whole(&lines.join("\n"));
                    for line in lines {
                        own.add_line(line);
                    }
                }
            }
        }

        own
    }

    /// A text as a whole.
    fn add_whole(&mut self, text: &str) {
        self.add(text);
        let plain = unescaped(text);
        self.alike.add(&plain);
        alike::add_words(&mut self.words, &plain);
    }

    fn add(&mut self, text: &str) {
        let text = unescaped(text);

        // Whole, and as short as it may be cut: signs count there that are no letters.
        let beginning = text
            .char_indices()
            .nth(RUN)
            .map_or("", |(end, _)| &text[..end]);

        // A beginning that is a word which harms no refusal is as good as nobody's.
        let word = beginning
            .trim_matches(|c: char| !c.is_alphanumeric())
            .to_lowercase();

        let is_nobodys = beginning != text && is_word_of_refusals(&word);
        for part in [&*text, if is_nobodys { "" } else { beginning }] {
            self.any
                .add(FoldedText::of(part, char::is_alphanumeric).letters);
            self.ascii
                .add(FoldedText::of(part, |c| c.is_ascii_alphanumeric()).letters);
        }
    }

    /// One of a list: the runs of longer ones are in the whole.
    fn add_line(&mut self, line: &str) {
        let is_short = line.chars().filter(char::is_ascii_alphanumeric).count() < RUN;
        let end = line
            .char_indices()
            .nth(RUN)
            .map_or(line.len(), |(end, _)| end);

        self.add(if is_short { line } else { &line[..end] });
    }

    /// A piece of a link; a word that refusals are written in is as good as nobody's.
    fn add_piece(&mut self, piece: &str) {
        if !is_word_of_refusals(&piece.to_lowercase()) {
            self.add(piece);
        }
    }

    /// The listed text in a text, and whose it is; where it may be either's, as its letters say.
    ///
    /// It is the order's where anything that the order sent reads like it, in whatever letters. It
    /// is the panel's where no text of the order has it whole, and not all its words are the
    /// order's: `Bad` is a comment, and `Bad link` a refusal.
    fn listed_text(
        &self,
        text: &str,
        spelled: &FoldedText,
        dialect: &SpokenDialect,
    ) -> Option<TextOwner> {
        let listed = dialect.listed_text(text)?;
        let letters = FoldedText::of(&listed, char::is_alphanumeric).letters;
        let at = spelled.find(&letters, false)?;

        if self.alike.has(&listed) {
            return Some(TextOwner::Orders(at));
        }

        let is_whole_in = |own: &Vec<char>| own.windows(letters.len()).any(|run| run == letters);
        let is_sent = letters.is_empty()
            || [&self.any, &self.ascii]
                .iter()
                .any(|own| own.long.iter().any(is_whole_in) || own.short.contains(&letters));

        let mut words = listed
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());

        let has_word_of_panels = words.any(|word| !self.words.contains(word));
        (!is_sent && has_word_of_panels).then_some(TextOwner::Panels(at))
    }

    /// Whether what is cut is the link, written as one: the same letters with blanks between are
    /// words.
    fn is_link(&self, cut: &str) -> bool {
        let is_address = cut.contains('.') && !cut.contains(char::is_whitespace);
        is_address
            && self
                .links
                .contains(&FoldedText::of(cut, char::is_alphanumeric).letters)
    }

    /// A text without these words; nothing where it has none of them.
    fn cut_from(&self, text: &str, dialect: &SpokenDialect) -> Option<String> {
        let text = unescaped(text);
        let any = FoldedText::of(&text, char::is_alphanumeric);
        let ascii = FoldedText::of(&text, |c| c.is_ascii_alphanumeric());

        let mut spans = any.spans_of(&self.any);
        spans.extend(ascii.spans_of(&self.ascii));

        match self.listed_text(&text, &any, dialect) {
            Some(TextOwner::Panels(listed)) => {
                spans = spans
                    .into_iter()
                    .flat_map(|span| without(span, &listed))
                    .collect();
            }
            Some(TextOwner::Orders(listed)) => spans.push(listed),
            None => {}
        }

        spans.sort_unstable_by_key(|span| span.start);
        if spans.is_empty() {
            return None;
        }

        let mut cut = String::new();
        let mut at = 0;
        for span in spans {
            if span.start >= at {
                cut.push_str(&text[at..span.start]);
                cut.push_str(if self.is_link(&text[span.start..span.end]) {
                    MARK
                } else {
                    PIECE_MARK
                });
            }

            at = at.max(span.end);
        }

        cut.push_str(&text[at..]);
        Some(cut)
    }
}

/// Whose word the listed text of an answer is, and where it stands.
enum TextOwner {
    Panels(Range<usize>),
    Orders(Range<usize>),
}

/// What is left of a span on either side of another.
fn without(span: Range<usize>, other: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let before = span.start..span.end.min(other.start);
    let behind = span.start.max(other.end)..span.end;
    [before, behind].into_iter().filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests;
