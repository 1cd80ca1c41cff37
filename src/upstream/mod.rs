//! Other people's panels: what any of them can be asked, and what may be believed of the answer.
//!
//! ```text
//!  Panel ── slot ──▶ CallLimiter (places, rate, rest where it found us too fast)
//!    │
//!    ├─ dialect: Ask → form                                   pure
//!    ├─ wire: one question, and proof of whether a byte left
//!    ├─ dispatch: one order, refill or cancel, which leaves before its deadline or never
//!    ├─ echo: an answer without the words of its own order    pure
//!    ├─ dialect: text → what was said                         pure
//!    └─ classify: status + what was said → verdict            pure
//! ```

mod answer;
#[cfg(test)]
mod anything;
mod authorities;
mod classify;
mod dialect;
mod dispatch;
mod echo;
mod evidence;
mod failure;
mod gzip;
mod limiter;
mod listening;
mod panel;
pub mod probe;
mod rest;
mod roll;
mod scalar;
mod unlisted;
mod wire;

pub use answer::{CancelRow, OrderAnswer, PanelBalance, RefillAnswer, RefillRow};
pub use authorities::{CaFileError, check_ca_file};
pub use echo::{MARKS, is_quote};
pub use failure::{Failure, FailureKind, Fault, PanelError};
pub use limiter::{Quiet, Sending, Slot};
pub use panel::Panel;
pub use roll::{ProviderEntry, ProviderSet};
