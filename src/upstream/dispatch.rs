//! One request that changes something at a panel: it leaves before its deadline, or never.
//!
//! Whoever marks an order as being sent holds the panel's lease for some seconds more. A process
//! that is stopped in between (by a signal, a debugger, a host that pauses) loses the lease without
//! knowing it; others find the order in doubt, decide it, and may buy it elsewhere. When that
//! process goes on, its request must have nowhere to go:
//!
//! ```text
//!  body ──────────────▶ TLS ──▶ socket ──────────────▶ kernel
//!   │ had only before            │ every write asks the  │ what is not acknowledged by the deadline is dropped
//!   │ the deadline               │ deadline once more    │ with the connection, while the process is stopped too
//! ```
//! Whoever speaks before the request has left, or goes on behind the answer, has not answered it:
//! that is a doubt.
//!
//! Each such request has a connection of its own. Panels close those that rest after some seconds,
//! and a request that meets a closing connection is a doubt; and what a connection may still send
//! is then this request's alone.

use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING,
    USER_AGENT,
};
use http::{HeaderValue, Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Parts};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::ServiceExt;

use crate::domain::clock::Deadline;
use crate::domain::provider::AskMethod;
use crate::upstream::gzip::unpack_gzip;
use crate::upstream::listening::{Listening, is_blank};
use crate::upstream::wire::{
    CAUSES_MAX, CONNECT_TIMEOUT, CallBounds, CallResult, OUR_NAME, in_one_line,
};

/// How long it is listened for words that nobody asked for, before a request and behind its answer.
const LISTEN_MIN: Duration = Duration::from_millis(1);
const LISTEN_MAX: Duration = Duration::from_millis(50);

/// The way by which a panel is sent what changes something there.
#[derive(Debug)]
pub(super) struct Dispatch {
    url: Uri,
    method: AskMethod,
    connector: HttpConnector,
    tls: Arc<ClientConfig>,
}

impl Dispatch {
    /// The way to this address, which was found to be safe. `tls` says whom it trusts.
    pub(super) fn new(url: Uri, method: AskMethod, mut tls: ClientConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];

        Self {
            url,
            method,
            connector,
            tls: Arc::new(tls),
        }
    }

    /// Sends a form at most once, before the deadline or not at all, and reads the answer up to the
    /// cap.
    pub(super) async fn send(
        &self,
        form: String,
        patience: CallBounds,
        leave_by: Deadline,
    ) -> CallResult {
        let progress = Arc::new(SendProgress::default());
        let request = match self.request(form, leave_by, &progress) {
            Ok(request) => request,
            Err(error) => {
                return CallResult::NeverSent {
                    words: error.to_string(),
                };
            }
        };

        let exchange = self.exchange(request, patience.answer_bytes_max, leave_by);
        let heard = tokio::time::timeout(patience.timeout, exchange).await;
        let heard = heard.unwrap_or_else(|_| {
            CallResult::lost(format!("timed out after {:?}", patience.timeout))
        });

        // What is asked by GET stands in the head, which nothing can hold back once there is a
        // connection.
        let is_body = self.method == AskMethod::Post;

        match heard {
            // Words that were said before ours left answer somebody else's.
            CallResult::Answer { .. } if is_body && progress.take_back() => {
                CallResult::answered_too_soon()
            }
            CallResult::Lost { words, .. } if is_body && progress.take_back() => {
                CallResult::NeverSent { words }
            }
            CallResult::Answer { .. } | CallResult::Lost { .. } | CallResult::NeverSent { .. } => {
                heard
            }
        }
    }

    fn request(
        &self,
        form: String,
        leave_by: Deadline,
        progress: &Arc<SendProgress>,
    ) -> Result<Request<OneShot>, http::Error> {
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let host = self.url.host().unwrap_or_default();
        let authority = self
            .url
            .port_u16()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));

        let with_form = format!("{path}{}{form}", if path.contains('?') { '&' } else { '?' });
        let (method, target, body) = match self.method {
            AskMethod::Post => (Method::POST, path, Bytes::from(form)),
            AskMethod::Get => (Method::GET, with_form.as_str(), Bytes::new()),
        };

        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, authority)
            .header(USER_AGENT, HeaderValue::from_static(OUR_NAME))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .header(CONNECTION, HeaderValue::from_static("close"));

        let request = match self.method {
            AskMethod::Post => request.header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            ),
            AskMethod::Get => request,
        };

        request.body(OneShot::new(body, Some(leave_by), Arc::clone(progress)))
    }

    async fn exchange(
        &self,
        request: Request<OneShot>,
        answer_bytes_max: usize,
        leave_by: Deadline,
    ) -> CallResult {
        if leave_by.is_over() {
            return CallResult::NeverSent {
                words: TooLate.to_string(),
            };
        }

        // A name, a connection and a handshake may each take long: together they get this much.
        let begun = Instant::now();
        let connected =
            tokio::time::timeout(CONNECT_TIMEOUT.min(leave_by.left()), self.connect(leave_by))
                .await;

        let Connected { stream, answered } = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(words)) => return CallResult::NeverSent { words },
            Err(_) => {
                return CallResult::NeverSent {
                    words: format!("no connection within {CONNECT_TIMEOUT:?}"),
                };
            }
        };

        // Words that are on their way already need about as long as the connection did.
        let pause = begun.elapsed().clamp(LISTEN_MIN, LISTEN_MAX);
        let mut stream = Listening::new(stream);
        let spoke_first = stream.spoke_first();

        if stream.says_something(pause).await {
            return CallResult::answered_too_soon();
        }

        let (mut sender, mut connection) = match http1::handshake(TokioIo::new(stream)).await {
            Ok(both) => both,
            Err(error) => {
                return CallResult::NeverSent {
                    words: in_one_line(&error),
                };
            }
        };

        // The connection is driven here and not in a task of its own: whoever gives up drops it
        // with all that it holds.
        let talk = pin!(async move {
            let response = match sender.send_request(request).await {
                Ok(response) => response,
                Err(error) => return CallResult::lost(in_one_line(&error)),
            };

            let (head, body) = response.into_parts();
            read(head.status.as_u16(), head.headers, body, answer_bytes_max).await
        });

        let heard = match select(talk, &mut connection).await {
            Either::Left((heard, _)) => heard,
            // It has read all that will come; what of it was not looked at yet is still there.
            Either::Right((_, talk)) => talk.await,
        };

        let CallResult::Answer {
            status,
            body,
            headers,
        } = heard
        else {
            return heard;
        };

        let Parts { io, read_buf, .. } = connection.into_parts();
        let mut stream = io.into_inner();

        let why = if spoke_first.load(Ordering::Relaxed) {
            "the answer began before the whole request had left"
        } else if !is_blank(&read_buf) || stream.says_something(pause).await {
            "more than one answer came"
        } else {
            answered.store(true, Ordering::Relaxed);
            return match unpack_gzip(&headers, body, answer_bytes_max) {
                Ok(body) => CallResult::Answer {
                    status,
                    body,
                    headers,
                },
                Err(words) => CallResult::Lost {
                    status: Some(status),
                    part: Vec::new(),
                    words,
                },
            };
        };

        // Which of them is the answer to this request, nobody knows.
        CallResult::Lost {
            status: Some(status),
            part: body,
            words: why.to_owned(),
        }
    }

    async fn connect(&self, leave_by: Deadline) -> Result<Connected, String> {
        let connected = self
            .connector
            .clone()
            .oneshot(self.url.clone())
            .await
            .map_err(|error| in_one_line(&error))?;

        let socket = connected.into_inner();
        let answered = Arc::new(AtomicBool::new(false));

        let socket = Socket {
            stream: socket,
            leave_by,
            answered: Arc::clone(&answered),
        };

        if self.url.scheme_str() != Some("https") {
            return Ok(Connected {
                stream: Box::new(socket),
                answered,
            });
        }

        let host = self
            .url
            .host()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']');

        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let tls = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, socket)
            .await;

        let tls = tls.map_err(|error| in_one_line(&error))?;
        Ok(Connected {
            stream: Box::new(tls),
            answered,
        })
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

async fn read(
    status: u16,
    headers: http::HeaderMap,
    mut body: Incoming,
    bytes_max: usize,
) -> CallResult {
    let mut whole = Vec::new();
    let ends_with_connection =
        !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING);

    loop {
        match body.frame().await {
            None => {
                return CallResult::Answer {
                    status,
                    body: whole,
                    headers,
                };
            }
            Some(Ok(frame)) => {
                let Ok(chunk) = frame.into_data() else {
                    continue;
                };

                if chunk.len() > bytes_max - whole.len() {
                    let words = format!("the answer is longer than {bytes_max} bytes");
                    return CallResult::Lost {
                        status: Some(status),
                        part: whole,
                        words,
                    };
                }

                whole.extend_from_slice(&chunk);
            }
            // No length was told, and the connection's end is the answer's: many just close it.
            Some(Err(error)) if ends_with_connection && is_the_end(&error) => {
                return CallResult::Answer {
                    status,
                    body: whole,
                    headers,
                };
            }
            Some(Err(error)) => {
                return CallResult::Lost {
                    status: Some(status),
                    part: whole,
                    words: in_one_line(&error),
                };
            }
        }
    }
}

/// Whether a connection ended, be it without the farewell that encryption asks for.
fn is_the_end(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    for _ in 0..CAUSES_MAX {
        let Some(deeper) = cause else { break };
        if deeper
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
        {
            return true;
        }
        cause = deeper.source();
    }

    false
}

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
#[error("too late: the lease on the panel ran out before the request had left")]
pub(super) struct TooLate;

/// Why a body was not handed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotHandedOver {
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
pub(super) struct SendProgress(AtomicU8);

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
    pub(super) fn take_back(&self) -> bool {
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
pub(super) struct OneShot {
    content: Option<Bytes>,
    leave_by: Option<Deadline>,
    progress: Arc<SendProgress>,
}

impl OneShot {
    pub(super) fn new(
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

/// A way to a panel, plain or encrypted.
trait Way: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Way for S {}

/// A connection for one request.
struct Connected {
    stream: Box<dyn Way>,
    /// To be set once the whole answer was read.
    answered: Arc<AtomicBool>,
}

/// A socket that takes nothing after its deadline: asked last of all, in the very write. It is
/// reset when it is dropped before its request was answered: what the kernel still holds of it then
/// never arrives.
struct Socket {
    stream: TcpStream,
    leave_by: Deadline,
    answered: Arc<AtomicBool>,
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

#[cfg(test)]
mod tests;
