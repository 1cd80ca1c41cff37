//! What is told of a panic: where it was, and words of ours.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// Tells panics like everything else: the usual way is to write to stderr, which may block for as
/// long as its reader stalls.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(tell_panic));
}

fn tell_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let at = panic.location().map(ToString::to_string);

    // Words that were put together at that moment may quote a customer's request.
    let words = panic.payload().downcast_ref::<&'static str>();
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());

    tracing::error!(
        at,
        words = words.copied(),
        thread = thread.name(),
        backtrace,
        "a panic: this is a fault of panelgate's own, please report it"
    );
}
