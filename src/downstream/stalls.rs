//! Ends a connection whose client takes nothing of its answer any more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection that fails when it waits too long for the other side to take bytes.
#[derive(Debug)]
pub struct Stalls<T> {
    inner: T,
    stall_max: Duration,
    /// Runs while bytes wait to be taken.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<T> Stalls<T> {
    /// Lets the other side of `inner` take nothing for at most `stall_max`.
    pub fn new(inner: T, stall_max: Duration) -> Self {
        Self {
            inner,
            stall_max,
            waits: None,
        }
    }

    /// `written`, unless it has been pending for too long.
    fn judge<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }

        let stall_max = self.stall_max;
        let waits = self
            .waits
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall_max)));

        ready!(waits.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stalls<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stalls<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.judge(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.judge(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_given_up_and_one_that_is_taken_is_not() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Stalls::new(ours, Duration::from_millis(20));
        let stalled = ours.write_all(&[1; 9]).await.unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        let mut taken = [0; 8];
        theirs.read_exact(&mut taken).await.unwrap();

        ours.write_all(&[1; 8]).await.unwrap();
    }
}
