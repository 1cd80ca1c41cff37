//! Texts by their letters and digits alone, and where an order's own stand in them.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// So many letters and digits on end that the order sent too are the order's.
pub(super) const RUN: usize = 8;
/// The shortest text that is cut where it stands as a word of its own.
pub(super) const SHORT_MIN: usize = 3;

/// Texts in letters and digits alone.
#[derive(Default)]
pub(super) struct Letters {
    pub(super) long: Vec<Vec<char>>,
    pub(super) short: HashSet<Vec<char>>,
}

impl Letters {
    pub(super) fn add(&mut self, letters: Vec<char>) {
        match letters.len() {
            RUN.. => self.long.push(letters),
            SHORT_MIN.. if letters.iter().any(|c| c.is_alphabetic()) => {
                self.short.insert(letters);
            }
            _ => {}
        }
    }
}

/// A text's letters and digits in small letters, each with where it stands.
pub(super) struct FoldedText {
    pub(super) letters: Vec<char>,
    pub(super) starts: Vec<usize>,
    pub(super) ends: Vec<usize>,
    /// Whether a letter stands right behind the one before it.
    pub(super) joined: Vec<bool>,
}

impl FoldedText {
    pub(super) fn of(text: &str, is_letter: impl Fn(char) -> bool) -> Self {
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
    pub(super) fn find(&self, sought: &[char], only_whole_words: bool) -> Option<Range<usize>> {
        let ends_word = |end: usize| self.joined.get(end).is_none_or(|joined| !joined);
        let is_it = |at: &usize| {
            let is_word = !self.joined[*at] && ends_word(at + sought.len());
            self.letters[*at..].starts_with(sought) && (is_word || !only_whole_words)
        };

        let last = self.letters.len().checked_sub(sought.len().max(1))?;
        let at = (0..=last).find(is_it)?;
        Some(self.starts[at]..self.ends[at + sought.len().max(1) - 1])
    }

    pub(super) fn spans_of(&self, own: &Letters) -> Vec<Range<usize>> {
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
    pub(super) fn mark_runs(&self, own: &[Vec<char>], is_own: &mut [bool]) {
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
    pub(super) fn mark_words(&self, own: &HashSet<Vec<char>>, is_own: &mut [bool]) {
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
