//! The socket of one request: it takes nothing after its deadline, and what it was given does not
//! arrive later either.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::domain::clock::Deadline;
use crate::upstream::dispatch::one_shot::TooLate;

/// A way to a panel, plain or encrypted.
pub(super) trait Way: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Way for S {}

/// A connection for one request.
pub(super) struct Connected {
    pub(super) stream: Box<dyn Way>,
    /// To be set once the whole answer was read.
    pub(super) answered: Arc<AtomicBool>,
}

/// A socket that takes nothing after its deadline: asked last of all, in the very write. It is
/// reset when it is dropped before its request was answered: what the kernel still holds of it then
/// never arrives.
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    pub(super) leave_by: Deadline,
    pub(super) answered: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.answered.load(Ordering::Relaxed) {
            // A socket that is gone already sends nothing either.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Anew for each write, for the kernel counts from when it is made.
        drop_unacknowledged(&self.stream, self.leave_by)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

/// The kernel gives a connection up whose bytes were not acknowledged by the deadline, also while
/// this process is stopped: what it holds would be delivered whenever the way is free again.
fn drop_unacknowledged(socket: &TcpStream, leave_by: Deadline) -> io::Result<()> {
    let left = leave_by.left();
    if left.is_zero() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, TooLate));
    }

    let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    setsockopt(socket, sockopt::TcpUserTimeout, &left_ms)?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (socket, left_ms);

    Ok(())
}
