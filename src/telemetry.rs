//! Telling: one line per event on stderr, as text or JSON; keys, links and bodies never in clear.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, TelemetrySettings};

/// Tells everything that the settings ask for. `RUST_LOG`-like levels: `info`, or `info,panelgate=debug`.
pub fn start(settings: &TelemetrySettings) {
    let filter = EnvFilter::try_new(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Whoever started telling first in this process goes on telling.
    let _ = match settings.format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().finish().try_init(),
    };
}

/// Tells only what went wrong: for commands, whose answer is what they print.
pub fn quiet() {
    let _ = fmt().with_env_filter(EnvFilter::new("error")).with_writer(std::io::stderr).finish().try_init();
}
