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

use crate::domain::spoken::{is_unruly, written_out};
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
pub fn start_logging(written: Lines, level: &str) -> std::io::Result<()> {
    // The database driver's own news are for its developers, unless the level names it.
    let filter =
        EnvFilter::try_new(format!("sqlx=warn,{level}")).unwrap_or_else(|_| EnvFilter::new("info"));
    let (outlet, colored) = (open_outlet()?, std::io::stderr().is_terminal());

    let lines = fmt()
        .with_env_filter(filter)
        .with_ansi(colored)
        .log_internal_errors(false)
        .with_writer(move || OutletLine {
            outlet: outlet.clone(),
            colored,
        });

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
    let line = format!("{}\n", written_out(text, |c| c != '\n' && is_unruly(c)));
    match OUTLET.get() {
        Some(outlet) => outlet.offer(line.as_bytes()),
        None => {
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }
}

/// Waits a moment for the last lines to be written.
pub fn finish_logging() {
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
        tracing::error!(
            lines,
            "lines of this log are lost: nobody could write them here"
        );
    })?;

    Ok(OUTLET.get_or_init(|| opened).clone())
}

/// One event on its way to the outlet.
struct OutletLine {
    outlet: Arc<Outlet>,
    /// Whether the line has colours, which begin with a control character of ours.
    colored: bool,
}

impl Write for OutletLine {
    /// An event is a line: what a panel or a customer said within it begins none of its own.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let said = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
        let shown = written_out(&said, |c| is_unruly(c) && !(self.colored && c == '\u{1b}'));
        self.outlet.offer(format!("{shown}\n").as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
