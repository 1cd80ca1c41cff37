//! What a failed question about orders is answered with: nothing.
//!
//! SmartPanels take any JSON error there for the order's death and never ask again, at whatever
//! HTTP status it comes; every other client fails on the status alone. Whoever shows a key that
//! begins like notpanel's is none of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;

use crate::downstream::action::Action;
use crate::downstream::authenticate::shows_notpanel_key;
use crate::downstream::form::Form;

/// The failures of HTTP; every other answer is one to the question itself.
const FAILURES: [StatusCode; 5] = [
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// Whether a request asks how orders or refills stand, and would misread an error. It rides on the
/// request and is kept by whoever answers last: any layer may fail, and none but the one that reads
/// the parameters knows what was asked.
#[derive(Clone, Debug, Default)]
pub struct StatusPoll(Arc<AtomicBool>);

impl StatusPoll {
    /// Takes note of what is known of the request by now.
    pub fn note(&self, form: &Form) {
        let asks = matches!(
            Action::read(form),
            Ok(Action::Status | Action::RefillStatus)
        );

        self.0
            .store(asks && !shows_notpanel_key(form), Ordering::Relaxed);
    }

    /// Whether an answer of this status must leave without its body, for it would be misread.
    pub fn hides_body(&self, status: StatusCode) -> bool {
        self.0.load(Ordering::Relaxed) && FAILURES.contains(&status)
    }
}
