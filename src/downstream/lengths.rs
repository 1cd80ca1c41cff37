//! Notices requests that state their length twice, by `Content-Length` and by `Transfer-Encoding`.
//!
//! Two readers may see two different requests in such bytes. The HTTP library quietly believes one
//! header and removes the other, so the bytes themselves are watched as they pass.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const LENGTH: &[u8] = b"content-length:";
const ENCODING: &[u8] = b"transfer-encoding:";

/// Set once a connection has seen both headers in one block.
#[derive(Clone, Debug, Default)]
pub struct BothLengths(Arc<AtomicBool>);

impl BothLengths {
    /// Whether it has.
    pub fn seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection whose incoming bytes are watched.
#[derive(Debug)]
pub struct WatchedConnection<T> {
    inner: T,
    watch: LineState,
    both: BothLengths,
}

impl<T> WatchedConnection<T> {
    /// Watches `inner`; tells `both`.
    pub fn new(inner: T, both: BothLengths) -> Self {
        Self {
            inner,
            watch: LineState::default(),
            both,
        }
    }
}

/// Where in a block of lines we are. Bodies count as lines too, which only matters to a body with
/// both headers in it.
#[derive(Debug, Default)]
struct LineState {
    /// Bytes of the present line, line ends apart.
    column: usize,
    /// The present line has differed from this header's name.
    not_length: bool,
    not_encoding: bool,
    /// This header stands in the present block.
    length: bool,
    encoding: bool,
}

impl LineState {
    /// Reads on; true when a block has both headers.
    fn read(&mut self, bytes: &[u8]) -> bool {
        let mut both = false;
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            match byte {
                b'\n' => self.line_ends(),
                b'\r' => {}
                byte => self.column_is(byte.to_ascii_lowercase()),
            }

            both |= self.length && self.encoding;
            rest = if self.not_length && self.not_encoding {
                from_line_end(after)
            } else {
                after
            };
        }

        both
    }

    fn line_ends(&mut self) {
        let blank = self.column == 0;
        *self = Self {
            length: self.length && !blank,
            encoding: self.encoding && !blank,
            ..Self::default()
        };
    }

    fn column_is(&mut self, byte: u8) {
        let follows = |name: &[u8], differed: &mut bool| {
            *differed |= name.get(self.column) != Some(&byte);
            !*differed && self.column + 1 == name.len()
        };

        self.length |= follows(LENGTH, &mut self.not_length);
        self.encoding |= follows(ENCODING, &mut self.not_encoding);
        self.column += 1;
    }
}

/// What is left from the next line end on; the rest of a line that is neither header is of no
/// interest.
fn from_line_end(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    &bytes[end..]
}

impl<T: AsyncRead + Unpin> AsyncRead for WatchedConnection<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);

        if this
            .watch
            .read(buf.filled().get(before..).unwrap_or_default())
        {
            this.both.0.store(true, Ordering::Relaxed);
        }

        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedConnection<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("P /\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", true)]
    #[case(
        "P /\r\ntransfer-encoding:chunked\r\nX: 1\r\nCONTENT-LENGTH:1\r\n\r\n",
        true
    )]
    #[case("P /\nTransfer-Encoding: chunked\nContent-Length: 1\n\n", true)]
    #[case(
        "a=1P /\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        true
    )]
    #[case(
        "P /\r\nContent-Length: 1\r\n\r\nP /\r\nTransfer-Encoding: chunked\r\n\r\n",
        false
    )]
    #[case(
        "P /\r\nX-Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        false
    )]
    #[case(
        "P /\r\nContent-Length-X: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        false
    )]
    #[case(
        "P /\r\nX: Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        false
    )]
    fn both_in_one_block_are_noticed_wherever_reads_end(#[case] bytes: &str, #[case] both: bool) {
        for size in 1..=bytes.len() {
            let mut watch = LineState::default();
            let reads = bytes.as_bytes().chunks(size);
            assert_eq!(
                reads.filter(|read| watch.read(read)).count() > 0,
                both,
                "{size}"
            );
        }
    }
}
