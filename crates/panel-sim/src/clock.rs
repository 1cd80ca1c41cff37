//! Time as the panel is told it.

use chrono::{DateTime, Utc};

/// A moment of the panel's time.
pub(super) type Moment = DateTime<Utc>;

/// Tells a panel the time; a test turns its own.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a panel has no clock of the gateway's"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
