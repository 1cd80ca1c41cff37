//! What leaves and what does not, by a socket of our own.

use std::time::Duration;

use futures_util::FutureExt;
use http_body::Body;

use super::*;

fn body(leave_by: Option<Deadline>) -> (OneShot, Arc<SendProgress>) {
    let progress = Arc::new(SendProgress::default());
    (
        OneShot::new(
            Bytes::from_static(b"key=x"),
            leave_by,
            Arc::clone(&progress),
        ),
        progress,
    )
}

#[test]
fn a_body_that_was_taken_back_is_not_handed_over() {
    let (body, progress) = body(None);
    assert!(progress.take_back());
    assert!(body.collect().now_or_never().unwrap().is_err());
}

#[test]
fn a_body_that_was_handed_over_cannot_be_taken_back() {
    let (body, progress) = body(Some(Deadline::after(Duration::from_hours(1))));
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(
        body.collect().now_or_never().unwrap().unwrap().to_bytes(),
        "key=x"
    );

    assert!(!progress.take_back());
}

#[test]
fn after_its_deadline_a_body_is_not_handed_over_and_so_never_left() {
    let (body, progress) = body(Some(Deadline::after(Duration::ZERO)));
    assert!(body.collect().now_or_never().unwrap().is_err());
    assert!(progress.take_back());
}
