//! One line in the log for each request: which, what came of it, how long it took; never a key, a link or a body.

use std::convert::Infallible;
use std::time::Instant;

use http::{HeaderName, HeaderValue, Request};
use tower::ServiceExt;
use uuid::Uuid;

use crate::domain::customer::Dialect;
use crate::downstream::serve::Acted;
use crate::downstream::stack::{self, Answer, Stack};

/// The id of a request, for its line and for its customer. One that a client sends is ignored: it would write into our
/// log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request and tells of it; a layer's error is answered too, for without an answer the connection would just
/// end.
pub async fn told<B: Send + 'static>(
    stack: Stack<B>,
    dialect: Dialect,
    request: Request<B>,
) -> Result<Answer, Infallible> {
    let (began, id) = (Instant::now(), Uuid::now_v7().simple().to_string());
    let mut response = match stack.oneshot(request).await {
        Ok(response) => response,
        Err(error) => stack::failed(dialect, &error),
    };
    let action = response.extensions().get::<Acted>().map_or("none", |acted| acted.0);
    let (status, duration_us) = (response.status().as_u16(), began.elapsed().as_micros());
    tracing::info!(target: "panelgate::request", id, action, status, duration_us, "answered");
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(response)
}
