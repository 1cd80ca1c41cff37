//! One line in the log for each request of a customer, and for some of anybody else's: which, what
//! came of it, how long it took; never a key, a link or a body.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Instant;

use http::{HeaderName, HeaderValue, Request};
use tower::ServiceExt;
use uuid::Uuid;

use crate::domain::customer::Dialect;
use crate::domain::network::Network;
use crate::downstream::address::Proxies;
use crate::downstream::noise::Noise;
use crate::downstream::serve::Acted;
use crate::downstream::stack::{self, DoorStack, HttpAnswer};
use crate::downstream::status_poll::StatusPoll;

/// The id of a request, for its line and for its customer. One that a client sends is ignored: it
/// would write into our log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who hears of requests, and whom it takes for their senders.
#[derive(Debug)]
pub struct Teller {
    proxies: Proxies,
    noise: Noise,
}

impl Teller {
    /// Believes these proxies.
    pub fn trusting(proxies: Vec<Network>) -> Self {
        Self {
            proxies: Proxies::trusting(proxies),
            noise: Noise::new(),
        }
    }

    /// Where what is too much to tell is counted.
    pub fn noise(&self) -> &Noise {
        &self.noise
    }

    fn tell(&self, request: &RequestLog, origin: IpAddr) {
        if !request.is_of_a_customer && !self.noise.has_line(origin) {
            return;
        }

        let RequestLog {
            id,
            action,
            status,
            duration_us,
            is_of_a_customer: _,
        } = request;

        tracing::info!(target: "panelgate::request", id, action, status, duration_us, "answered");
    }
}

/// What is told of a request.
struct RequestLog {
    id: String,
    action: &'static str,
    status: u16,
    duration_us: u128,
    is_of_a_customer: bool,
}

/// Answers a request and tells of it; a layer's error is answered too, for without an answer the
/// connection would just end.
pub async fn request_log<B: Send + 'static>(
    stack: DoorStack<B>,
    dialect: Dialect,
    mut request: Request<B>,
    teller: &Teller,
) -> Result<HttpAnswer, Infallible> {
    let origin = teller.proxies.origin(&request);
    let (began, id) = (Instant::now(), Uuid::now_v7().simple().to_string());
    let poll = StatusPoll::default();
    request.extensions_mut().insert(poll.clone());

    let mut response = match stack.oneshot(request).await {
        Ok(response) => response,
        Err(error) => stack::failed(dialect, &error),
    };

    // Here, where the answers of all layers come by, and those of none.
    if poll.hides_body(response.status()) {
        response = response.map(|_| stack::no_body());
    }

    let acted = response.extensions().get::<Acted>().map(|acted| acted.0);
    let told = RequestLog {
        id: id.clone(),
        action: acted.unwrap_or("none"),
        status: response.status().as_u16(),
        duration_us: began.elapsed().as_micros(),
        is_of_a_customer: acted.is_some(),
    };

    teller.tell(&told, origin);

    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }

    Ok(response)
}
