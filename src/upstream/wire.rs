//! One request to a panel, and proof of whether a byte of it left: the only HTTP client of this floor.

use std::error::Error;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

use crate::domain::provider::{AskMethod, ProviderSettings};
use crate::upstream::authorities::authorities;
use crate::upstream::failure::PanelError;

/// How long the way to a panel (name, connection, TLS) may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an unused connection is kept: panels close theirs soon, and a request on a closing one is a doubt.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most causes of an error that are told.
const CAUSES_MAX: usize = 8;

const USER_AGENT: &str = concat!("panelgate/", env!("CARGO_PKG_VERSION"));

/// The way to one panel.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    url: Url,
    method: AskMethod,
}

/// What came of one request.
#[derive(Debug)]
pub(super) enum Heard {
    /// A whole answer.
    Answer {
        /// Its HTTP status.
        status: u16,
        /// Its body, decoded.
        body: Vec<u8>,
        /// What stood before it.
        headers: HeaderMap,
    },
    /// Proven: not one byte of what was asked left, and none will.
    NeverSent {
        /// What failed.
        words: String,
    },
    /// Something may have left, and no whole answer came.
    Lost {
        /// The HTTP status, where the answer had begun.
        status: Option<u16>,
        /// As much of the answer as came.
        part: Vec<u8>,
        /// What failed.
        words: String,
    },
}

/// How much patience one request gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first attempt to connect to the answer's last byte.
    pub(super) timeout: Duration,
    /// The longest answer that is read, decoded.
    pub(super) answer_bytes_max: usize,
}

impl Wire {
    /// A client of its own per panel, so that no panel's connections stand in another's way.
    pub(super) fn new(settings: &ProviderSettings, idle_max: usize) -> Result<Self, PanelError> {
        let url = safe_url(&settings.url, settings.allow_http)?;
        let method = settings.method;
        let client = Client::builder()
            .tls_backend_preconfigured(tls(settings.ca_file.as_deref())?)
            .user_agent(USER_AGENT)
            // HTTP/2 may refuse a stream that was written already, and clients send such a one again.
            .http1_only()
            // A request is sent at most once: no second copy, not by a retry, not by a redirect that repeats the POST.
            .retry(reqwest::retry::never())
            .redirect(Policy::none())
            .referer(false)
            // A proxy that the environment names would see keys, and answer in the panel's place.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(idle_max)
            .build()
            .map_err(|error| PanelError::Unprepared(causes(error)))?;
        Ok(Self { client, url, method })
    }

    /// Sends a form at most once and reads the answer up to the cap.
    pub(super) async fn send(&self, form: String, patience: Patience) -> Heard {
        match self.method {
            AskMethod::Post => self.post(form, patience).await,
            AskMethod::Get => self.get(&form, patience).await,
        }
    }

    /// What is asked leaves with the head, which nothing can hold back: without a connection nothing left, and whatever
    /// else fails may have left.
    async fn get(&self, form: &str, patience: Patience) -> Heard {
        let mut url = self.url.clone();
        let own = url.query().map(|query| format!("{query}&")).unwrap_or_default();
        url.set_query(Some(&format!("{own}{form}")));
        let request = self.client.get(url).header(ACCEPT, "application/json").timeout(patience.timeout);
        match request.send().await {
            Ok(response) => read(response, patience.answer_bytes_max).await,
            Err(error) if error.is_connect() => Heard::NeverSent { words: causes(error) },
            Err(error) => Heard::Lost { status: None, part: Vec::new(), words: causes(error) },
        }
    }

    async fn post(&self, form: String, patience: Patience) -> Heard {
        let seal = Arc::new(Seal::default());
        let body = OneShot { content: Some(Bytes::from(form)), seal: Arc::clone(&seal) };
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .timeout(patience.timeout)
            .body(reqwest::Body::wrap(body));
        match request.send().await {
            // Words that were said before ours left answer somebody else's.
            Ok(_) if seal.withdraw() => {
                Heard::NeverSent { words: "an answer came before the request had left".to_owned() }
            }
            Ok(response) => read(response, patience.answer_bytes_max).await,
            Err(error) if seal.withdraw() => Heard::NeverSent { words: causes(error) },
            Err(error) => Heard::Lost { status: None, part: Vec::new(), words: causes(error) },
        }
    }
}

/// The key travels in every call: encrypted, or within this machine.
fn safe_url(text: &str, allow_http: bool) -> Result<Url, PanelError> {
    let url = Url::parse(text).map_err(|_| PanelError::Url)?;
    let host = url.host_str().ok_or(PanelError::Url)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http || is_loopback(host) => Ok(url),
        "http" => Err(PanelError::InClear),
        _ => Err(PanelError::Url),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn read(mut response: Response, bytes_max: usize) -> Heard {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Heard::Answer { status, body, headers },
            Ok(Some(chunk)) if chunk.len() > bytes_max - body.len() => {
                let words = format!("the answer is longer than {bytes_max} bytes");
                return Heard::Lost { status: Some(status), part: body, words };
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Heard::Lost { status: Some(status), part: body, words: causes(error) },
        }
    }
}

/// Roots are built in: the system's store may be missing, and then the client would not even start. The operator's own
/// stand beside them, for this panel alone.
fn tls(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, PanelError> {
    let mut roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    if let Some(path) = ca_file {
        roots.roots.extend(authorities(path)?.roots);
    }
    Ok(rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the versions that rustls deems safe")
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// An error and its causes in one line, without the address.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    for _ in 0..CAUSES_MAX {
        let Some(deeper) = cause else { break };
        words.push_str(": ");
        words.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    words
}

/// Whether a body was handed over: decided once, by whoever comes first.
///
/// A mere "was it polled" would not do: a connection's own task may poll the body after the request was given up.
#[derive(Debug, Default)]
struct Seal(AtomicU8);

impl Seal {
    const WHOLE: u8 = 0;
    const BROKEN: u8 = 1;
    const WITHDRAWN: u8 = 2;

    /// The client asks for the body: granted unless it was withdrawn.
    fn break_open(&self) -> bool {
        let broken = self.0.compare_exchange(Self::WHOLE, Self::BROKEN, Ordering::AcqRel, Ordering::Acquire);
        !matches!(broken, Err(Self::WITHDRAWN))
    }

    /// The request is given up: true means that nothing left and nothing will.
    fn withdraw(&self) -> bool {
        self.0.compare_exchange(Self::WHOLE, Self::WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// A body that can be had once; its exact size makes the client state a length instead of sending chunks.
struct OneShot {
    content: Option<Bytes>,
    seal: Arc<Seal>,
}

/// Why a body was not handed over.
#[derive(Debug, thiserror::Error)]
#[error("the request was given up")]
struct Withdrawn;

impl Body for OneShot {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        if !self.seal.break_open() {
            return Poll::Ready(Some(Err(Withdrawn)));
        }
        Poll::Ready(self.content.take().map(|content| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.content.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;

    fn body() -> (OneShot, Arc<Seal>) {
        let seal = Arc::new(Seal::default());
        (OneShot { content: Some(Bytes::from_static(b"key=x")), seal: Arc::clone(&seal) }, seal)
    }

    #[test]
    fn a_body_that_was_withdrawn_is_not_handed_over() {
        let (body, seal) = body();
        assert!(seal.withdraw());
        assert!(body.collect().now_or_never().unwrap().is_err());
    }

    #[test]
    fn a_body_that_was_handed_over_cannot_be_withdrawn() {
        let (body, seal) = body();
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().now_or_never().unwrap().unwrap().to_bytes(), "key=x");
        assert!(!seal.withdraw());
    }
}
