//! One request that changes something at a panel: it leaves before its deadline, or never.
//!
//! Whoever marks an order as being sent holds the panel's lease for some seconds more. A process
//! that is stopped in between (by a signal, a debugger, a host that pauses) loses the lease without
//! knowing it; others find the order in doubt, decide it, and may buy it elsewhere. When that
//! process goes on, its request must have nowhere to go:
//!
//! ```text
//!  body ──────────────▶ TLS ──▶ socket ──────────────▶ kernel
//!   │ had only before            │ every write asks the  │ what is not acknowledged
//!   │ the deadline               │ deadline once more    │ by then is dropped with it
//! ```
//! Whoever speaks before the request has left, or goes on behind the answer, has not answered it:
//! that is a doubt.
//!
//! Each such request has a connection of its own. Panels close those that rest after some seconds,
//! and a request that meets a closing connection is a doubt; and what a connection may still send
//! is then this request's alone.

mod one_shot;
mod socket;

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING,
    USER_AGENT,
};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Parts};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower::ServiceExt;

use crate::domain::clock::Deadline;
use crate::domain::provider::AskMethod;
use crate::upstream::gzip::unpack_gzip;
use crate::upstream::listening::{Listening, is_blank};
use crate::upstream::wire::{
    CAUSES_MAX, CONNECT_TIMEOUT, CallBounds, CallResult, OUR_NAME, in_one_line,
};

pub(super) use one_shot::{OneShot, SendProgress};

use one_shot::TooLate;
use socket::{Connected, Socket};

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
        let begun = Instant::now();
        let Connected { stream, answered } = match self.connect_in_time(leave_by).await {
            Ok(connected) => connected,
            Err(words) => return CallResult::NeverSent { words },
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

    /// A name, a connection and a handshake may each take long: together they get this much.
    async fn connect_in_time(&self, leave_by: Deadline) -> Result<Connected, String> {
        if leave_by.is_over() {
            return Err(TooLate.to_string());
        }

        let patience = CONNECT_TIMEOUT.min(leave_by.left());
        tokio::time::timeout(patience, self.connect(leave_by))
            .await
            .unwrap_or_else(|_| Err(format!("no connection within {CONNECT_TIMEOUT:?}")))
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

#[cfg(test)]
mod tests;
