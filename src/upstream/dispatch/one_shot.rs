//! A body that leaves once and before its deadline, or never; and who came first: the connection
//! that asks for it, or whoever gives the request up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::domain::clock::Deadline;

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
#[error("too late: the lease on the panel ran out before the request had left")]
pub(in crate::upstream) struct TooLate;

/// Why a body was not handed over.
#[derive(Debug, thiserror::Error)]
pub(in crate::upstream) enum NotHandedOver {
    #[error("the request was given up")]
    TakenBack,
    #[error(transparent)]
    TooLate(#[from] TooLate),
}

/// How far a request came: decided once, by whoever comes first.
///
/// A mere "was the body polled" would not do: a connection may poll it after the request was given
/// up.
#[derive(Debug, Default)]
pub(in crate::upstream) struct SendProgress(AtomicU8);

impl SendProgress {
    const WHOLE: u8 = 0;
    const HANDED_OVER: u8 = 1;
    const TAKEN_BACK: u8 = 2;

    /// The connection asks for the body: granted unless it was taken back.
    fn hand_over(&self) -> bool {
        let first = self.0.compare_exchange(
            Self::WHOLE,
            Self::HANDED_OVER,
            Ordering::AcqRel,
            Ordering::Acquire,
        );

        !matches!(first, Err(Self::TAKEN_BACK))
    }

    /// The request is given up: true means that nothing of its body left, and nothing will.
    pub(in crate::upstream) fn take_back(&self) -> bool {
        self.0
            .compare_exchange(
                Self::WHOLE,
                Self::TAKEN_BACK,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }
}

/// A body that can be had once, and not after its deadline; its exact size makes the client state a
/// length instead of sending chunks.
pub(in crate::upstream) struct OneShot {
    content: Option<Bytes>,
    leave_by: Option<Deadline>,
    progress: Arc<SendProgress>,
}

impl OneShot {
    pub(in crate::upstream) fn new(
        content: Bytes,
        leave_by: Option<Deadline>,
        progress: Arc<SendProgress>,
    ) -> Self {
        Self {
            content: Some(content),
            leave_by,
            progress,
        }
    }
}

impl Body for OneShot {
    type Data = Bytes;
    type Error = NotHandedOver;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NotHandedOver>>> {
        if self.leave_by.is_some_and(Deadline::is_over) {
            return Poll::Ready(Some(Err(TooLate.into())));
        }

        if !self.progress.hand_over() {
            return Poll::Ready(Some(Err(NotHandedOver::TakenBack)));
        }
        Poll::Ready(self.content.take().map(|content| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.content.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.content.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}
