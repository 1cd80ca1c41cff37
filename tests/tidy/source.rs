//! A source file as the rules read it: code apart from comments and literals, tests apart from the
//! rest.

use std::ops::Range;

/// A file, with its code apart from its comments and literals.
pub struct Source {
    pub path: String,
    pub text: String,
    /// The text with comments, strings and characters blanked.
    pub code: String,
    /// The bytes that are compiled only for tests.
    tests: Vec<Range<usize>>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let code = blanked(text);
        let mut tests: Vec<Range<usize>> = Vec::new();

        // A module's tests may have a file of their own.
        if !is_shipped(path) || path.ends_with("/tests.rs") {
            tests.push(0..code.len());
        }

        for (at, _) in code.match_indices("#[cfg(test)]") {
            tests.push(at..block_end(&code, at).unwrap_or(code.len()));
        }

        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            tests,
        }
    }

    pub fn is_shipped(&self) -> bool {
        is_shipped(&self.path)
    }

    pub fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside
            .split('/')
            .next()
            .unwrap_or(inside)
            .trim_end_matches(".rs")
    }

    /// Where the word (or path of words) stands in the code, by byte.
    pub fn uses(&self, word: &str) -> Vec<usize> {
        let part_of_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let whole = |at: usize| {
            !part_of_name(self.code[..at].chars().next_back())
                && !part_of_name(self.code[at + word.len()..].chars().next())
        };

        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(|at| whole(*at))
            .collect()
    }

    pub fn uses_outside_tests(&self, word: &str) -> Vec<usize> {
        self.uses(word)
            .into_iter()
            .filter(|at| !self.in_tests(*at))
            .collect()
    }

    pub fn in_tests(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Whether the whole file is tests or benches.
    pub fn is_of_tests(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.starts_with("benches/")
            || self.path.ends_with("/tests.rs")
    }

    pub fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }
}

/// Whether a file becomes part of the program: what stands under `src`, the gateway's and those of
/// its crates.
fn is_shipped(path: &str) -> bool {
    path.starts_with("src/") || path.starts_with("crates/") && path.split('/').nth(2) == Some("src")
}

/// The end of the first block that opens after `from`; none when a `;` comes first, outside of
/// brackets.
pub fn block_end(code: &str, from: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0_i32, 0_i32);
    for (n, c) in code[from..].char_indices() {
        match c {
            '{' => braces += 1,
            '}' if braces <= 1 => return (braces == 1).then_some(from + n),
            '}' => braces -= 1,
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            _ => {}
        }
    }

    None
}

/// The text with every byte of comments, strings and characters made a blank; lines and places
/// stay.
fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_name = code
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_');

        let length = literal_or_comment(rest, after_name);
        if let Some(length) = length {
            let blank = |b: u8| if b == b'\n' { '\n' } else { ' ' };
            code.extend(rest[..length].bytes().map(blank));
            rest = &rest[length..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }

    code
}

/// The length of the literal or comment at the beginning of `rest`, when there is one.
fn literal_or_comment(rest: &str, after_name: bool) -> Option<usize> {
    let to_end =
        |found: Option<usize>, width: usize| Some(found.map_or(rest.len(), |at| at + width));

    if rest.starts_with("//") {
        return to_end(rest.find('\n'), 0);
    }

    if rest.starts_with("/*") {
        return to_end(rest.find("*/"), 2);
    }

    let raw = rest
        .trim_start_matches(['b', 'c'])
        .strip_prefix('r')
        .filter(|_| !after_name);

    if let Some(raw) = raw.filter(|raw| raw.trim_start_matches('#').starts_with('"')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let opening = rest.len() - raw.len() + hashes + 1;
        let closing = format!("\"{}", "#".repeat(hashes));

        return to_end(
            rest[opening..].find(&closing).map(|at| at + opening),
            closing.len(),
        );
    }

    if rest.starts_with('"') {
        return to_end(unescaped(rest, '"'), 1);
    }

    let character = rest.strip_prefix('\'')?;
    let mut chars = character.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => to_end(unescaped(rest, '\''), 1),
        // `'a'` is a character, `'a` a lifetime.
        (Some(c), Some('\'')) => Some(c.len_utf8() + 2),
        _ => None,
    }
}

/// Where the closing `quote` of the literal at the beginning of `rest` stands.
fn unescaped(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    rest.char_indices()
        .skip(1)
        .find(|(_, c)| {
            let closes = !escaped && *c == quote;
            escaped = !escaped && *c == '\\';
            closes
        })
        .map(|(at, _)| at)
}
