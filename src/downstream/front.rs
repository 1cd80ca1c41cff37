//! The hall behind the door: which path, and a whole request, read, before anyone is asked to work
//! on it.

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

use crate::domain::refusal::Refusal;
use crate::downstream::authenticate::dialect_shown;
use crate::downstream::body::{self, BodyError};
use crate::downstream::form::Form;
use crate::downstream::health::{self, HealthProbe};
use crate::downstream::lengths::BothLengths;
use crate::downstream::status_poll::StatusPoll;
use crate::downstream::{AnswerDialect, Limits, parameters, reply};

/// Whatever serves requests whose forms are read.
pub type Api = BoxCloneSyncService<Request<Form>, Response<Full<Bytes>>, BoxError>;

/// Sends `/healthz` and `/api/v2` their ways.
#[derive(Clone)]
pub struct Front {
    /// The API; `None` on a listener that only tells of health.
    pub api: Option<Api>,
    /// Asked at `/healthz`, past the limit of requests in flight: a busy process is not a sick
    /// one.
    pub health: HealthProbe,
    /// The dialect of refusals that come before any key.
    pub dialect: AnswerDialect,
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

    /// Always ready: the API's readiness is asked for when a body is here, so that no idle or slow
    /// connection ever holds a place in it.
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
        match (Path::of(request.uri().path()), self.api.clone()) {
            (Some(Path::Health), _) => Ok(health::health_answer(&(self.health)())),
            (Some(Path::Api), Some(api)) => self.answer_api(request, api).await,
            (Some(Path::Api), None) | (None, _) => Ok(reply::not_found()),
        }
    }

    async fn answer_api<B>(
        &self,
        request: Request<B>,
        api: Api,
    ) -> Result<Response<Full<Bytes>>, BoxError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let mut form = Form::default();
        let read = self.read(&head, body, &mut form).await;
        note(&head, &form);

        let dialect = dialect_shown(&form, self.dialect.now());
        match read {
            Ok(()) => api.oneshot(Request::from_parts(head, form)).await,
            Err(Unread::Refused(refusal)) => Ok(reply::refused_answer(dialect, &refusal)),
            Err(Unread::NoHttp(status)) => Ok(reply::unreadable(dialect, status)),
        }
    }

    /// Reads all of a request into its form.
    async fn read<B>(&self, head: &Parts, body: B, form: &mut Form) -> Result<(), Unread>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if is_ambiguous(head) {
            return Err(Unread::NoHttp(StatusCode::BAD_REQUEST));
        }

        // Noted at once: where the body never comes, this is all that is ever known of the request.
        let outcome = parameters::read_head(form, head);
        note(head, form);

        // All the same the body is read: a client that is cut off while it sends never sees our
        // answer.
        let body = body::read_body(body, head.headers.contains_key(EXPECT), &self.limits).await?;
        outcome?;
        Ok(parameters::read_body(form, head, body, &self.limits).await?)
    }
}

/// A path that is here, however many slashes are in it.
enum Path {
    Health,
    Api,
}

impl Path {
    fn of(path: &str) -> Option<Self> {
        if path == "/healthz" {
            return Some(Self::Health);
        }

        let mut steps = path.split('/').filter(|step| !step.is_empty());
        let is_api = [steps.next(), steps.next(), steps.next()] == [Some("api"), Some("v2"), None];
        is_api.then_some(Self::Api)
    }
}

/// Why there is no form.
enum Unread {
    /// It is refused like any other request.
    Refused(Refusal),
    /// It is no whole request; what follows on its connection cannot be trusted either.
    NoHttp(StatusCode),
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<BodyError> for Unread {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::Refused(Refusal::TooLarge),
            BodyError::Late => Self::NoHttp(StatusCode::REQUEST_TIMEOUT),
            BodyError::CutOff => Self::NoHttp(StatusCode::BAD_REQUEST),
        }
    }
}

/// Tells whoever answers last what is known of the request.
fn note(head: &Parts, form: &Form) {
    if let Some(poll) = head.extensions.get::<StatusPoll>() {
        poll.note(form);
    }
}

/// Whether two readers may take different things for the request, of which one may be a proxy:
/// which host is meant, or where the body ends.
fn is_ambiguous(head: &Parts) -> bool {
    let both_lengths = head
        .extensions
        .get::<BothLengths>()
        .is_some_and(BothLengths::seen);

    let encodings = head.headers.get_all(TRANSFER_ENCODING).iter().count();
    let hosts = head.headers.get_all(HOST).iter().count();

    // HTTP/1.0 knows no `Host`.
    let lacks_host = head.version == Version::HTTP_11 && hosts == 0;
    (both_lengths && encodings > 0) || encodings > 1 || hosts > 1 || lacks_host
}
