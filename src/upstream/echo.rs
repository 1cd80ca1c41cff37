//! What an order itself sent, cut out of what its panel answers.
//!
//! Panels quote what they were asked: in front of an error, in a query that failed, as a field
//! beside it. Those words are the customer's, who may write anything: a link that reads like a
//! refusal must refuse nothing. They are found however the panel spells them (escaped for a page,
//! an address or a text, in other letters, cut short at either end), and what is cut for being like
//! them by chance costs a doubt, never an order.

mod alike;
mod own_id;

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_json::value::RawValue;

use crate::domain::leg::LeasedLeg;
use crate::domain::wish::Detail;
use crate::upstream::dialect::{SpokenDialect, is_word_of_refusals};
use crate::upstream::evidence::HIDDEN;
use crate::upstream::scalar::order_id;

use alike::Alike;

pub(super) use own_id::is_of_the_order;

/// What stands where the order's own words stood. No listed text has it, so what is left round it
/// joins to none.
const MARK: &str = "…";

/// The same for a piece of them: what was cut may have been the panel's word too, and one that
/// takes a refusal back. It reads as a text about an order, which no refusal is.
const PIECE_MARK: &str = "[of the order]";

/// So many letters and digits on end that the order sent too are the order's.
const RUN: usize = 8;

/// The shortest text that is cut where it stands as a word of its own.
const SHORT_MIN: usize = 3;

/// How often a text may be escaped.
const ROUNDS_MAX: usize = 8;

/// The longest name of an HTML entity.
const ENTITY_BYTES_MAX: usize = 10;

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

/// Texts in letters and digits alone.
#[derive(Default)]
struct Letters {
    long: Vec<Vec<char>>,
    short: HashSet<Vec<char>>,
}

impl Letters {
    fn add(&mut self, letters: Vec<char>) {
        match letters.len() {
            RUN.. => self.long.push(letters),
            SHORT_MIN.. if letters.iter().any(|c| c.is_alphabetic()) => {
                self.short.insert(letters);
            }
            _ => {}
        }
    }
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

/// A text's letters and digits in small letters, each with where it stands.
struct FoldedText {
    letters: Vec<char>,
    starts: Vec<usize>,
    ends: Vec<usize>,
    /// Whether a letter stands right behind the one before it.
    joined: Vec<bool>,
}

impl FoldedText {
    fn of(text: &str, is_letter: impl Fn(char) -> bool) -> Self {
        let mut spelled = Self {
            letters: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
            joined: Vec::new(),
        };

        for (start, c) in text.char_indices().filter(|(_, c)| is_letter(*c)) {
            let is_joined = spelled.ends.last() == Some(&start);
            for small in c.to_lowercase() {
                spelled.letters.push(small);
                spelled.starts.push(start);
                spelled.ends.push(start + c.len_utf8());
                spelled.joined.push(is_joined);
            }
        }

        spelled
    }

    /// Where these letters stand in the text, the first time.
    fn find(&self, sought: &[char], only_whole_words: bool) -> Option<Range<usize>> {
        let ends_word = |end: usize| self.joined.get(end).is_none_or(|joined| !joined);
        let is_it = |at: &usize| {
            let is_word = !self.joined[*at] && ends_word(at + sought.len());
            self.letters[*at..].starts_with(sought) && (is_word || !only_whole_words)
        };

        let last = self.letters.len().checked_sub(sought.len().max(1))?;
        let at = (0..=last).find(is_it)?;
        Some(self.starts[at]..self.ends[at + sought.len().max(1) - 1])
    }

    fn spans_of(&self, own: &Letters) -> Vec<Range<usize>> {
        let mut is_own = vec![false; self.letters.len()];
        self.mark_runs(&own.long, &mut is_own);
        self.mark_words(&own.short, &mut is_own);

        let mut spans = Vec::new();
        let mut from = 0;
        for run in is_own.chunk_by(|a, b| a == b) {
            let last = from + run.len() - 1;
            if run[0] {
                spans.push(self.starts[from]..self.ends[last]);
            }
            from = last + 1;
        }

        spans
    }

    /// Whatever stands in an own text too, be it the beginning, the end or a piece of it.
    fn mark_runs(&self, own: &[Vec<char>], is_own: &mut [bool]) {
        let mut places: HashMap<&[char], Vec<usize>> = HashMap::new();
        for (at, run) in self.letters.windows(RUN).enumerate() {
            places.entry(run).or_default().push(at);
        }

        for run in own.iter().flat_map(|text| text.windows(RUN)) {
            for at in places.remove(run).unwrap_or_default() {
                is_own[at..at + RUN].fill(true);
            }
        }
    }

    /// Short texts, whole, where they stand by themselves.
    fn mark_words(&self, own: &HashSet<Vec<char>>, is_own: &mut [bool]) {
        for at in (0..self.letters.len()).filter(|at| !self.joined[*at]) {
            for end in at + SHORT_MIN..(at + RUN).min(self.letters.len() + 1) {
                let ends_here = self.joined.get(end).is_none_or(|joined| !joined);
                if ends_here && own.contains(&self.letters[at..end]) {
                    is_own[at..end].fill(true);
                }
            }
        }
    }
}

/// A text without what it is escaped by, however often.
fn unescaped(text: &str) -> String {
    let mut plain = text.to_owned();
    for _ in 0..ROUNDS_MAX {
        let plainer = String::from_utf8_lossy(&unescaped_once(&plain)).into_owned();
        if plainer == plain {
            break;
        }
        plain = plainer;
    }

    plain
}

fn unescaped_once(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let read = match first {
            '%' => percent(rest),
            '\\' => backslash(rest),
            '&' => entity(rest),
            _ => None,
        };

        let Escape { bytes, length } = read.unwrap_or_else(|| Escape {
            bytes: first.to_string().into_bytes(),
            length: first.len_utf8(),
        });

        plain.extend(bytes);
        rest = &rest[length..];
    }

    plain
}

/// What an escape stands for, and how long it is.
struct Escape {
    bytes: Vec<u8>,
    length: usize,
}

impl Escape {
    fn of(code: u32, length: usize) -> Self {
        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        Self {
            bytes: c.to_string().into_bytes(),
            length,
        }
    }
}

/// `%2F`, and `%u002F` as old scripts write it.
fn percent(rest: &str) -> Option<Escape> {
    if let Some(code) = rest.strip_prefix("%u").and_then(|rest| hex(rest, 4)) {
        return Some(Escape::of(code, 6));
    }

    let byte = u8::try_from(hex(&rest[1..], 2)?).ok()?;
    Some(Escape {
        bytes: vec![byte],
        length: 3,
    })
}

/// `\/`, `\n`, `\u002f`, `\x2f`.
fn backslash(rest: &str) -> Option<Escape> {
    let escaped = rest[1..].chars().next()?;
    match escaped {
        'u' => hex(&rest[2..], 4).map(|code| Escape::of(code, 6)),
        'x' => hex(&rest[2..], 2).map(|code| Escape::of(code, 4)),
        'n' | 'r' | 't' | 'b' | 'f' => Some(Escape {
            bytes: vec![b' '],
            length: 2,
        }),
        other => Some(Escape {
            bytes: other.to_string().into_bytes(),
            length: 1 + other.len_utf8(),
        }),
    }
}

/// `&amp;`, `&#47;`, `&#x2f;`; a name that is no sign's is a letter less.
fn entity(rest: &str) -> Option<Escape> {
    let end = rest
        .bytes()
        .take(ENTITY_BYTES_MAX)
        .position(|byte| byte == b';')?;

    let name = &rest[1..end];
    if let Some(number) = name.strip_prefix('#') {
        let hexadecimal = number
            .strip_prefix(['x', 'X'])
            .map(|digits| u32::from_str_radix(digits, 16));
        let code = hexadecimal.unwrap_or_else(|| number.parse()).ok()?;
        return Some(Escape::of(code, end + 1));
    }

    let sign = match name {
        "amp" => "&",
        "percnt" => "%",
        "bsol" => "\\",
        "num" => "#",
        "semi" => ";",
        _ if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()) => " ",
        _ => return None,
    };

    Some(Escape {
        bytes: sign.as_bytes().to_vec(),
        length: end + 1,
    })
}

fn hex(text: &str, digits: usize) -> Option<u32> {
    let digits = text
        .get(..digits)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests;
