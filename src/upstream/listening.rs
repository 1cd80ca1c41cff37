//! A connection on which is noted whether the other side spoke before it was asked: that is no
//! answer to us.
//!
//! HTTP hides it. Whatever stands in the socket when the request has left counts as its answer
//! there, and a panel, or what stands in front of it, may say no to nothing and then take the order
//! in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// As much as is read ahead.
const READ_AHEAD_BYTES: usize = 1_024;

/// A connection that looks for words before each of its own leaves.
pub(super) struct Listening<S> {
    stream: S,
    /// What was read ahead and not handed on.
    ahead: Vec<u8>,
    /// There is nothing behind it.
    is_over: bool,
    spoke_first: Arc<AtomicBool>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Listening<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
            is_over: false,
            spoke_first: Arc::default(),
        }
    }

    /// Whether words came before the last of ours had left.
    pub(super) fn spoke_first(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.spoke_first)
    }

    /// Whether the other side says anything but blanks within this time.
    pub(super) async fn says_something(&mut self, within: Duration) -> bool {
        let mut words = [0; READ_AHEAD_BYTES];
        let says = async {
            while let Ok(length @ 1..) = self.read(&mut words).await {
                if !is_blank(&words[..length]) {
                    return true;
                }
            }

            false
        };

        tokio::time::timeout(within, says).await.unwrap_or(false)
    }

    fn look_ahead(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.is_over || !self.ahead.is_empty() {
            return Ok(());
        }

        let mut words = [0; READ_AHEAD_BYTES];
        let mut buffer = ReadBuf::new(&mut words);
        match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
            Poll::Pending => {}
            Poll::Ready(read) => {
                read?;
                self.is_over = buffer.filled().is_empty();
                self.ahead.extend_from_slice(buffer.filled());
            }
        }

        if !self.ahead.is_empty() {
            self.spoke_first.store(true, Ordering::Relaxed);
        }

        Ok(())
    }
}

/// Blanks behind an answer say nothing; some send a line's end too many.
pub(super) fn is_blank(words: &[u8]) -> bool {
    words.iter().all(u8::is_ascii_whitespace)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.look_ahead(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..length]);
            self.ahead.drain(..length);
            return Poll::Ready(Ok(()));
        }

        if self.is_over {
            return Poll::Ready(Ok(()));
        }

        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_is_said_before_the_last_word_left_is_noted_and_still_read() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Listening::new(near);
        let spoke_first = near.spoke_first();
        near.write_all(b"first").await.unwrap();
        assert!(!spoke_first.load(Ordering::Relaxed));

        far.write_all(b"no").await.unwrap();
        near.write_all(b"last").await.unwrap();
        assert!(spoke_first.load(Ordering::Relaxed));

        drop(far);
        let mut read = Vec::new();
        near.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"no");
    }

    #[tokio::test]
    async fn an_answer_to_all_that_was_asked_is_none_too_early() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Listening::new(near);
        near.write_all(b"all").await.unwrap();
        far.write_all(b"yes").await.unwrap();
        assert!(!near.spoke_first().load(Ordering::Relaxed));

        assert!(near.says_something(Duration::from_secs(9)).await);
        far.write_all(b"\r\n").await.unwrap();
        drop(far);
        assert!(
            !near.says_something(Duration::from_secs(9)).await,
            "blanks, and the end"
        );
    }
}
