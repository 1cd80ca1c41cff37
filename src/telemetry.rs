//! Telling: one line per event on stderr, as text or JSON; keys, links and bodies never in clear.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// For people.
    Text,
    /// For machines: one JSON object.
    Json,
}

/// Tells everything from this level on, such as `info` or `info,panelgate=debug`.
pub fn start(written: Lines, level: &str) {
    // The database driver's own news are for its developers, unless the level names it.
    let filter = EnvFilter::try_new(format!("sqlx=warn,{level}")).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let lines = fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    // Whoever started telling first in this process goes on telling.
    let _ = match written {
        Lines::Text => lines.finish().try_init(),
        Lines::Json => lines.json().finish().try_init(),
    };
}

/// Tells only what went wrong: for commands, whose answer is what they print.
pub fn quiet() {
    let _ = fmt()
        .with_env_filter(EnvFilter::new("error"))
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .finish()
        .try_init();
}
