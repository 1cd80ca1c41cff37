//! Telling: one line per event on stderr, as text or JSON; keys, links and bodies never in clear.

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
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Whoever started telling first in this process goes on telling.
    let _ = match written {
        Lines::Text => lines.finish().try_init(),
        Lines::Json => lines.json().finish().try_init(),
    };
}

/// Tells only what went wrong: for commands, whose answer is what they print.
pub fn quiet() {
    let _ = fmt().with_env_filter(EnvFilter::new("error")).with_writer(std::io::stderr).finish().try_init();
}
