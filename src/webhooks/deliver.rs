//! One POST of a signed message to a receiver: the only HTTP client beside the one that asks
//! panels.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::clock::Timestamp;
use crate::webhooks::sign::Secret;

/// How long the way to a receiver (name, connection, TLS) may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most causes of an error that are told.
const CAUSES_MAX: usize = 8;

const USER_AGENT: &str = concat!("panelgate/", env!("CARGO_PKG_VERSION"));

/// A receiver of messages.
///
/// Its address is the operator's own: it may be private, and it may be http. It is never told, for
/// many a receiver is opened by knowing its address.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    url: Url,
    secret: Option<Secret>,
}

/// Why nothing can be posted to an address.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address is none.
    #[error("must be an http or https address, such as https://alerts.example/panelgate")]
    Url,
    /// The way to it could not be prepared.
    #[error("no connections can be made: {0}")]
    Unprepared(String),
}

/// Why a message was not taken; it may have been heard all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryFailure {
    /// An answer came that does not say that it was taken.
    #[error("answered with HTTP {0}")]
    Status(u16),
    /// No answer came.
    #[error("{0}")]
    Unanswered(String),
}

impl Webhook {
    /// Makes ready to post; nothing is sent yet. Without a secret messages go unsigned. `timeout`
    /// is for all of a POST, from the first attempt to connect to the answer.
    pub fn new(
        url: &SecretString,
        secret: Option<Secret>,
        timeout: Duration,
    ) -> Result<Self, WebhookError> {
        let url = Url::parse(url.expose_secret().trim()).map_err(|_| WebhookError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(WebhookError::Url);
        }

        let client = Client::builder()
            .tls_backend_preconfigured(tls())
            .user_agent(USER_AGENT)
            .http1_only()
            // Whoever calls counts the tries; and a signed message goes where the operator said and
            // nowhere else.
            .retry(reqwest::retry::never())
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            // Messages are rare, and a connection that a receiver has closed meanwhile costs a try.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| WebhookError::Unprepared(causes(error)))?;

        Ok(Self {
            client,
            url,
            secret,
        })
    }

    /// Posts a message once. Its id stays the same however often it is posted; any 2xx says that it
    /// was taken.
    pub async fn post(
        &self,
        id: &str,
        body: String,
        now: Timestamp,
    ) -> Result<(), DeliveryFailure> {
        let at_s = now.timestamp();
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at_s);

        let request = match &self.secret {
            Some(secret) => request.header("webhook-signature", secret.signature(id, at_s, &body)),
            None => request,
        };

        // The status says it all: the answer's body is not read.
        let response = request
            .body(body)
            .send()
            .await
            .map_err(|error| DeliveryFailure::Unanswered(causes(error)))?;

        if response.status().is_success() {
            Ok(())
        } else {
            Err(DeliveryFailure::Status(response.status().as_u16()))
        }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// Built-in roots, as towards panels: the system's store may be missing.
fn tls() -> rustls::ClientConfig {
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the versions that rustls deems safe")
        .with_root_certificates(roots)
        .with_no_client_auth()
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
