//! Telling: one line per event on stderr, as text or JSON; keys, links and bodies never in clear.
//!
//! Telling never breaks doing. What runs for long writes through the `outlet`, whatever becomes of
//! stderr; a command that ends by itself writes straight, and its reader may take its time.

mod outlet;
mod panics;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::telemetry::outlet::Outlet;

/// How long the end of the process waits for its last lines to be read.
const LAST_LINES_WAIT_MAX: Duration = Duration::from_secs(2);

/// The outlet of this process, once it tells through one.
static OUTLET: OnceLock<Arc<Outlet>> = OnceLock::new();

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// For people.
    Text,
    /// For machines: one JSON object.
    Json,
}

/// Tells everything from this level on, such as `info` or `info,panelgate=debug`, and panics.
pub fn start(written: Lines, level: &str) -> std::io::Result<()> {
    // The database driver's own news are for its developers, unless the level names it.
    let filter = EnvFilter::try_new(format!("sqlx=warn,{level}")).unwrap_or_else(|_| EnvFilter::new("info"));
    let outlet = open_outlet()?;
    let lines = fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(move || OutletLine(outlet.clone()));

    // Whoever started telling first in this process goes on telling.
    let _ = match written {
        Lines::Text => lines.finish().try_init(),
        Lines::Json => lines.json().finish().try_init(),
    };
    panics::tell_panics();
    Ok(())
}

/// Tells only what went wrong: for commands, whose answer is what they print.
pub fn quiet() {
    let _ = fmt()
        .with_env_filter(EnvFilter::new("error"))
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .finish()
        .try_init();
}

/// Says something on stderr as it is; where that cannot be written, nothing more can be done.
pub fn say(text: &str) {
    let line = format!("{text}\n");
    match OUTLET.get() {
        Some(outlet) => outlet.offer(line.as_bytes()),
        None => {
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }
}

/// Waits a moment for the last lines to be written.
pub fn finish() {
    if let Some(outlet) = OUTLET.get() {
        outlet.flush(LAST_LINES_WAIT_MAX);
    }
}

/// Lines of the log that nobody could write since the start.
pub fn lines_lost() -> u64 {
    OUTLET.get().map_or(0, |outlet| outlet.lost())
}

fn open_outlet() -> std::io::Result<Arc<Outlet>> {
    if let Some(outlet) = OUTLET.get() {
        return Ok(outlet.clone());
    }
    // A descriptor of our own: whoever else writes to stderr must not wait for the lock of ours.
    let stderr = File::from(std::io::stderr().as_fd().try_clone_to_owned()?);
    let opened = Outlet::open(stderr, |lines| {
        tracing::error!(lines, "lines of this log are lost: nobody could write them here");
    })?;
    Ok(OUTLET.get_or_init(|| opened).clone())
}

/// One event on its way to the outlet.
struct OutletLine(Arc<Outlet>);

impl Write for OutletLine {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.offer(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
