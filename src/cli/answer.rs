//! What a command prints: a table for people, one document for scripts; and the code that it ends
//! with.

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use crate::catalog::imports::Refused;
use crate::config::ConfigError;
use crate::domain::spoken::{is_unruly, on_one_line, written_out};
use crate::telemetry;

/// What a command came to.
#[derive(Debug)]
pub struct CommandOutcome {
    text: String,
    json: Value,
    failed: bool,
}

impl CommandOutcome {
    /// Said to people as `text`, to scripts as `json`.
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self {
            text: text.into(),
            json,
            failed: false,
        }
    }

    /// Everything was printed already.
    pub fn silent() -> Self {
        Self::new("", Value::Null)
    }

    /// The same to people, another document to scripts.
    pub fn with_json(self, json: Value) -> Self {
        Self { json, ..self }
    }

    /// The same with one more line for people.
    pub fn adding(mut self, line: &str) -> Self {
        self.text.push_str(line);
        self.text.push('\n');
        self
    }

    /// The same, with the code of a refusal.
    pub fn failing_if(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    /// Prints it, and the process's code. A reader who went away early is no failure of ours.
    pub fn print(&self, json: bool) -> ExitCode {
        let mut out = std::io::stdout().lock();
        let _ = match (json, self.json.is_null()) {
            (true, false) => writeln!(out, "{}", self.json),
            (false, _) if !self.text.is_empty() => {
                writeln!(
                    out,
                    "{}",
                    written_out(self.text.trim_end(), |c| c != '\n' && is_unruly(c))
                )
            }
            (true, true) | (false, _) => Ok(()),
        };

        ExitCode::from(u8::from(self.failed))
    }
}

/// Prints the line that scripts wait for. Whoever listens no more is served all the same.
pub fn announce(url: &str) {
    let mut out = std::io::stdout().lock();
    let announced = writeln!(out, "ready {url}").and_then(|()| out.flush());
    if let Err(error) = announced {
        tracing::warn!(%error, url, "ready, and nobody reads it on stdout");
    }
}

/// The command was used wrongly, or the configuration is invalid: code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUse(String);

impl WrongUse {
    /// Wrong use, for this reason.
    pub fn because(why: impl Into<String>) -> anyhow::Error {
        Self(why.into()).into()
    }
}

/// Tells something beside the answer, which stands alone on stdout.
pub fn note(text: &str) {
    telemetry::say(&format!("note: {text}"));
}

/// Tells an error and gives its code.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    let taken = matches!(error.downcast_ref(), Some(Refused::Taken(_)));
    let wrong_use = error.is::<WrongUse>() || error.is::<ConfigError>() || taken;

    let text = if error.is::<ConfigError>() {
        error.to_string()
    } else {
        format!("error: {error:#}")
    };

    telemetry::say(&text);
    ExitCode::from(if wrong_use { 2 } else { 1 })
}

/// Columns for people: as wide as their widest cell, of which none breaks its line.
pub fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| on_one_line(cell)))
        .collect();

    let mut widths = heads.map(|head| head.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }

    let line = |cells: [&str; N]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();

        padded.join("  ").trim_end().to_owned() + "\n"
    };

    let mut text = line(heads);
    for row in &rows {
        text.push_str(&line(row.each_ref().map(AsRef::as_ref)));
    }

    text
}

/// A text on one line, marked where it is cut after so many characters.
pub fn shortened(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars().map(|c| if is_unruly(c) { ' ' } else { c });
    let short: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_some() {
        short + "…"
    } else {
        short
    }
}

/// A moment as tables and documents show it: UTC, to the second.
pub fn moment(at: crate::domain::clock::Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A moment that may not have come.
pub fn maybe_moment(at: Option<crate::domain::clock::Timestamp>) -> String {
    at.map(moment).unwrap_or_default()
}
