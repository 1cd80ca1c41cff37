//! The hall behind the door: which path, and a whole body before anyone is asked to work on it.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{EXPECT, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
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
    let both = head.extensions.get::<BothLengths>().is_some_and(BothLengths::seen);
    if both && head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(reply::unreadable(dialect, StatusCode::BAD_REQUEST));
    }
    match body::read(body, head.headers.contains_key(EXPECT), limits).await {
        Ok(body) => Ok(Request::from_parts(head, body)),
        Err(BodyError::TooLarge) => Err(reply::refused(dialect, &Refusal::TooLarge)),
        Err(BodyError::Late) => Err(reply::unreadable(dialect, StatusCode::REQUEST_TIMEOUT)),
        Err(BodyError::CutOff) => Err(reply::unreadable(dialect, StatusCode::BAD_REQUEST)),
    }
}
