//! The hall behind the door: which path, and a whole body before anyone is asked to work on it.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::Full;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

use crate::domain::customer::Dialect;
use crate::domain::refusal::Refusal;
use crate::downstream::body::{self, BodyError};
use crate::downstream::health::{self, HealthProbe};
use crate::downstream::lengths::BothLengths;
use crate::downstream::{Limits, Tongue, reply};

/// Whatever serves requests whose bodies are here.
pub type Api = BoxCloneSyncService<Request<Bytes>, Response<Full<Bytes>>, BoxError>;

/// Sends `/healthz` and `/api/v2` their ways.
#[derive(Clone)]
pub struct Front {
    /// The API; `None` on a listener that only tells of health.
    pub api: Option<Api>,
    /// Asked at `/healthz`, past the limit of requests in flight: a busy process is not a sick one.
    pub health: HealthProbe,
    /// The tongue of refusals that come before any key.
    pub tongue: Tongue,
    /// How much is read, and for how long.
    pub limits: Limits,
}

impl<B> Service<Request<B>> for Front
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    /// Always ready: the API's readiness is asked for when a body is here, so that no idle or slow connection ever
    /// holds a place in it.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let front = self.clone();
        Box::pin(front.answer(request))
    }
}

impl Front {
    async fn answer<B>(self, request: Request<B>) -> Result<Response<Full<Bytes>>, BoxError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        match (request.uri().path(), self.api) {
            ("/healthz", _) => Ok(health::answer(&(self.health)())),
            ("/api/v2" | "/api/v2/", Some(api)) => match whole(request, self.tongue.now(), &self.limits).await {
                Ok(request) => api.oneshot(request).await,
                Err(refused) => Ok(refused),
            },
            _ => Ok(reply::not_found()),
        }
    }
}

/// Whether two readers may take different things for the request, of which one may be a proxy: which host is meant, or
/// where the body ends.
fn is_ambiguous(head: &Parts) -> bool {
    let both_lengths = head.extensions.get::<BothLengths>().is_some_and(BothLengths::seen);
    let encodings = head.headers.get_all(TRANSFER_ENCODING).iter().count();
    let hosts = head.headers.get_all(HOST).iter().count();

    // HTTP/1.0 knows no `Host`.
    let lacks_host = head.version == Version::HTTP_11 && hosts == 0;
    (both_lengths && encodings > 0) || encodings > 1 || hosts > 1 || lacks_host
}

/// The request with all of its body, or what to answer instead.
async fn whole<B>(
    request: Request<B>,
    dialect: Dialect,
    limits: &Limits,
) -> Result<Request<Bytes>, Response<Full<Bytes>>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    if is_ambiguous(&head) {
        return Err(reply::unreadable(dialect, StatusCode::BAD_REQUEST));
    }
    match body::read(body, head.headers.contains_key(EXPECT), limits).await {
        Ok(body) => Ok(Request::from_parts(head, body)),
        Err(BodyError::TooLarge) => Err(reply::refused(dialect, &Refusal::TooLarge)),
        Err(BodyError::Late) => Err(reply::unreadable(dialect, StatusCode::REQUEST_TIMEOUT)),
        Err(BodyError::CutOff) => Err(reply::unreadable(dialect, StatusCode::BAD_REQUEST)),
    }
}
