//! One request to a panel, and proof of whether a byte of it left: questions here, what changes
//! something there by [`crate::upstream::dispatch`]. The only HTTP clients of this floor.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

use crate::domain::clock::Deadline;
use crate::domain::provider::{AskMethod, ProviderSettings};
use crate::upstream::authorities::read_authorities;
use crate::upstream::dispatch::{Dispatch, OneShot, SendProgress};
use crate::upstream::failure::PanelError;

/// How long the way to a panel (name, connection, TLS) may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an unused connection is kept: panels close theirs after five seconds and more, and a
/// question that meets a closing one is lost.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// The most causes of an error that are told.
pub(super) const CAUSES_MAX: usize = 8;

/// What panels are told of who asks.
pub(super) const OUR_NAME: &str = concat!("panelgate/", env!("CARGO_PKG_VERSION"));

/// The way to one panel.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    url: Url,
    method: AskMethod,
    dispatch: Dispatch,
}

/// What came of one request.
#[derive(Debug)]
pub(super) enum CallResult {
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

impl CallResult {
    /// Something may have left, and nothing came.
    pub(super) fn lost(words: String) -> Self {
        Self::Lost {
            status: None,
            part: Vec::new(),
            words,
        }
    }

    /// What was said before our words left is no answer to them.
    pub(super) fn answered_too_soon() -> Self {
        Self::NeverSent {
            words: "an answer came before the request had left".to_owned(),
        }
    }
}

/// How much patience one request gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallBounds {
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
        let tls = tls(settings.ca_file.as_deref())?;
        let uri = url.as_str().parse().map_err(|_| PanelError::Url)?;
        let dispatch = Dispatch::new(uri, method, tls.clone());

        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(OUR_NAME)
            // HTTP/2 may refuse a stream that was written already, and clients send such a one
            // again.
            .http1_only()
            // A request is sent at most once: no second copy, not by a retry, not by a redirect
            // that repeats the POST.
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

        Ok(Self {
            client,
            url,
            method,
            dispatch,
        })
    }

    /// Sends what changes something at the panel: at most once, before the deadline or not at all.
    pub(super) async fn dispatch(
        &self,
        form: String,
        patience: CallBounds,
        leave_by: Deadline,
    ) -> CallResult {
        self.dispatch.send(form, patience, leave_by).await
    }

    /// Asks a question that changes nothing, at most once, and reads the answer up to the cap.
    pub(super) async fn ask(&self, form: String, patience: CallBounds) -> CallResult {
        match self.method {
            AskMethod::Post => self.post(form, patience).await,
            AskMethod::Get => self.get(&form, patience).await,
        }
    }

    /// What is asked leaves with the head, which nothing can hold back: without a connection
    /// nothing left, and whatever else fails may have left.
    async fn get(&self, form: &str, patience: CallBounds) -> CallResult {
        let mut url = self.url.clone();
        let own = url
            .query()
            .map(|query| format!("{query}&"))
            .unwrap_or_default();

        url.set_query(Some(&format!("{own}{form}")));
        let request = self
            .client
            .get(url)
            .header(ACCEPT, "application/json")
            .timeout(patience.timeout);

        match request.send().await {
            Ok(response) => read(response, patience.answer_bytes_max).await,
            Err(error) if error.is_connect() => CallResult::NeverSent {
                words: causes(error),
            },
            Err(error) => CallResult::lost(causes(error)),
        }
    }

    async fn post(&self, form: String, patience: CallBounds) -> CallResult {
        let progress = Arc::new(SendProgress::default());
        let body = OneShot::new(Bytes::from(form), None, Arc::clone(&progress));

        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .timeout(patience.timeout)
            .body(reqwest::Body::wrap(body));

        match request.send().await {
            // Words that were said before ours left answer somebody else's.
            Ok(_) if progress.take_back() => CallResult::answered_too_soon(),
            Ok(response) => read(response, patience.answer_bytes_max).await,
            Err(error) if progress.take_back() => CallResult::NeverSent {
                words: causes(error),
            },
            Err(error) => CallResult::lost(causes(error)),
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
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn read(mut response: Response, bytes_max: usize) -> CallResult {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();

    loop {
        match response.chunk().await {
            Ok(None) => {
                return CallResult::Answer {
                    status,
                    body,
                    headers,
                };
            }
            Ok(Some(chunk)) if chunk.len() > bytes_max - body.len() => {
                let words = format!("the answer is longer than {bytes_max} bytes");
                return CallResult::Lost {
                    status: Some(status),
                    part: body,
                    words,
                };
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => {
                return CallResult::Lost {
                    status: Some(status),
                    part: body,
                    words: causes(error),
                };
            }
        }
    }
}

/// Roots are built in: the system's store may be missing, and then the client would not even start.
/// The operator's own stand beside them, for this panel alone.
fn tls(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, PanelError> {
    let mut roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    if let Some(path) = ca_file {
        roots.roots.extend(read_authorities(path)?.roots);
    }

    Ok(rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("ring speaks the versions that rustls deems safe")
    .with_root_certificates(roots)
    .with_no_client_auth())
}

/// An error and its causes in one line, without the address.
fn causes(error: reqwest::Error) -> String {
    in_one_line(&error.without_url())
}

/// An error and its causes in one line.
pub(super) fn in_one_line(error: &dyn std::error::Error) -> String {
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
