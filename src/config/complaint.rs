//! What is wrong with the settings: all of it at once, each complaint with its place.

use std::cell::RefCell;
use std::fmt;

/// The name that complaints carry when nobody said which file the text came from.
const FILE_NAME: &str = "providers.toml";

/// The most characters of the operator's own text that a complaint repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// Counted from one; zero when it stands in the environment and not in the file.
    pub line: usize,
    /// Counted from one, in characters; zero when it stands in the environment.
    pub column: usize,
    /// Where it belongs, what is wrong, and what to do.
    pub what: String,
}

/// Everything that is wrong, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaints {
    file: String,
    all: Vec<Complaint>,
}

impl Complaints {
    /// Every complaint, in the order of the file; those about the environment come first.
    pub fn all(&self) -> &[Complaint] {
        &self.all
    }

    /// About the settings as a whole. Everything is checked where it stands before this could be
    /// needed, but should a check be missing, a sentence is better than a panic.
    pub(super) fn one(what: &str) -> Self {
        Self {
            file: FILE_NAME.to_owned(),
            all: vec![Complaint {
                line: 1,
                column: 1,
                what: what.to_owned(),
            }],
        }
    }

    /// The same complaints about a file of another name.
    #[must_use]
    pub fn about(self, file: String) -> Self {
        Self {
            file,
            all: self.all,
        }
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, complaint) in self.all.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }

            match complaint.line {
                0 => write!(f, "environment: {}", complaint.what)?,
                line => write!(
                    f,
                    "{}:{line}:{}: {}",
                    self.file, complaint.column, complaint.what
                )?,
            }
        }

        Ok(())
    }
}

impl std::error::Error for Complaints {}

/// Collects complaints about one text, so that the reading can go on after each.
#[derive(Debug)]
pub(super) struct ComplaintCollector<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    all: RefCell<Vec<Complaint>>,
}

impl<'t> ComplaintCollector<'t> {
    /// Nothing is wrong with `text` yet.
    pub fn about(text: &'t str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
            all: RefCell::default(),
        }
    }

    /// Complains about what stands at byte `at` of the text.
    pub fn say(&self, at: usize, what: String) {
        let (line, column) = self.place(at);
        self.all.borrow_mut().push(Complaint { line, column, what });
    }

    /// Complains about what does not stand in the text.
    pub fn say_of_environment(&self, what: String) {
        self.all.borrow_mut().push(Complaint {
            line: 0,
            column: 0,
            what,
        });
    }

    /// The text as it was written between two bytes, shortened.
    pub fn excerpt(&self, span: std::ops::Range<usize>) -> Option<String> {
        let written = self.text.get(span)?;
        (written.chars().nth(SHOWN_CHARS_MAX).is_none() && !written.contains('\n'))
            .then(|| written.to_owned())
    }

    /// Everything that was said, when anything was.
    pub fn complaints(self) -> Option<Complaints> {
        let mut all = self.all.into_inner();
        all.sort();
        all.dedup();
        (!all.is_empty()).then(|| Complaints {
            file: FILE_NAME.to_owned(),
            all,
        })
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = self.line_starts[line - 1];
        let before = self
            .text
            .get(start..at.min(self.text.len()))
            .unwrap_or_default();

        (line, before.chars().count() + 1)
    }
}

/// The operator's own text in quotes, shortened and with everything unprintable escaped.
pub fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}

/// The known name that is most like `name`, when one is like it at all.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    /// Below this likeness a suggestion would rather mislead; in tenths, of `strsim`'s scale of
    /// one.
    const LIKENESS_TENTHS_MIN: usize = 6;

    if name.len() > SHOWN_CHARS_MAX {
        return None;
    }

    let name = name.to_lowercase();
    let distances = known.into_iter().map(|other| {
        (
            strsim::damerau_levenshtein(&name, &other.to_lowercase()),
            other,
        )
    });

    let (distance, other) = distances.min_by_key(|(distance, _)| *distance)?;
    let longest = name.chars().count().max(other.chars().count());
    ((longest - distance.min(longest)) * 10 >= longest * LIKENESS_TENTHS_MIN).then_some(other)
}

/// "; did you mean …?" or nothing.
pub fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(name, known)
        .map(|other| format!("; did you mean {other}?{}", foreign(name)))
        .unwrap_or_default()
}

/// Names the first character that is no plain one: letters of other scripts look the same on a
/// screen.
pub(super) fn foreign(name: &str) -> String {
    let found = name.chars().zip(1..).find(|(c, _)| !c.is_ascii());
    found
        .map(|(c, n)| {
            format!(
                " (character {n} is U+{:04X}, no plain letter)",
                u32::from(c)
            )
        })
        .unwrap_or_default()
}
