//! The layers round every request, each with its reason.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use tower::load_shed::error::Overloaded;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder};
use tower_http::body::UnsyncBoxBody;
use tower_http::catch_panic::CatchPanicLayer;

use crate::domain::customer::Dialect;
use crate::domain::refusal::Refusal;
use crate::downstream::form::Form;
use crate::downstream::front::{Api, Front};
use crate::downstream::health::HealthProbe;
use crate::downstream::{AnswerDialect, DoorState, Limits, reply, serve};

/// An answer on its way out.
pub type HttpAnswer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// What a connection hands its requests to.
pub type DoorStack<B> = BoxCloneSyncService<Request<B>, HttpAnswer, BoxError>;

/// The stack in front of the API.
pub fn api_stack<B>(room: Arc<DoorState>) -> DoorStack<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let (limits, dialect) = (
        room.limits.clone(),
        AnswerDialect::InForce(room.house.catalog.clone()),
    );
    let health = Arc::clone(&room.house.health);
    let served = tower::service_fn(move |request| {
        let room = Arc::clone(&room);
        async move { Ok::<_, Infallible>(serve::serve_request(room, request).await) }
    });
    outer(Front {
        api: Some(inner(served, &limits)),
        health,
        dialect,
        limits,
    })
}

/// The stack of a listener that only tells of health.
pub fn health_stack<B>(health: HealthProbe, dialect: AnswerDialect, limits: Limits) -> DoorStack<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    outer(Front {
        api: None,
        health,
        dialect,
        limits,
    })
}

/// The layers that a request passes before its body is read.
fn outer<B>(front: Front) -> DoorStack<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let (dialect, request_max) = (front.dialect.clone(), front.limits.request);
    let stack = ServiceBuilder::new()
        // Outermost, so that a panic of any layer below is one customer's 500 and not a connection
        // gone silent.
        .layer(CatchPanicLayer::custom(move |_: Box<dyn Any + Send>| {
            // Without the panic's own words, which may quote a request; the panic hook has told
            // them to the operator.
            tracing::error!("a request panicked");
            reply::refused_answer(dialect.now(), &Refusal::Unknown)
        }))
        // Over the whole of a request, its body included, so that no client and no wait of ours
        // holds it longer.
        .timeout(request_max)
        .service(front);
    BoxCloneSyncService::new(stack)
}

/// The layers that a request passes when all of it is here and read.
fn inner<S>(served: S, limits: &Limits) -> Api
where
    S: Service<Request<Form>, Response = Response<Full<Bytes>>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let stack = ServiceBuilder::new()
        // Above the limit, so that what finds no place is told so at once and does not wait for
        // one.
        .load_shed()
        // One count for all connections (clones share it); taken per request and given back with
        // its answer.
        .concurrency_limit(limits.requests_in_flight_max)
        .service(served);
    BoxCloneSyncService::new(stack)
}

/// What a layer's own error answers.
pub fn failed(dialect: Dialect, error: &BoxError) -> HttpAnswer {
    let refusal = if error.is::<Overloaded>() {
        Refusal::Away
    } else {
        // Time is up. What was begun may still be done, so nothing may sound like "nothing was
        // done".
        Refusal::Unknown
    };

    reply::refused_answer(dialect, &refusal)
        .map(|body| UnsyncBoxBody::new(body.map_err(Into::into)))
}

/// What is sent where a body would be misread.
pub fn no_body() -> UnsyncBoxBody<Bytes, BoxError> {
    UnsyncBoxBody::new(Empty::new().map_err(Into::into))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::HOST;
    use tokio::sync::Semaphore;
    use tower::ServiceExt;

    use super::*;
    use crate::downstream::ProcessHealth;
    use crate::downstream::tell::{self, Teller};

    const DIALECT: Dialect = Dialect::Classic;

    fn front(api: Option<Api>, limits: Limits) -> Front {
        let health = || ProcessHealth {
            live: true,
            ready: true,
            database: "running".into(),
            sells: true,
            ..ProcessHealth::default()
        };

        Front {
            api,
            health: Arc::new(health),
            dialect: AnswerDialect::Always(DIALECT),
            limits,
        }
    }

    fn teller() -> &'static Teller {
        Box::leak(Box::new(Teller::trusting(Vec::new())))
    }

    fn asked(path: &str) -> Request<Full<Bytes>> {
        Request::post(path)
            .header(HOST, "x")
            .body(Full::default())
            .unwrap()
    }

    async fn shown(answer: HttpAnswer) -> (u16, Option<String>, String) {
        let retry_after = answer
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());

        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();

        (
            status,
            retry_after,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn what_finds_no_place_is_told_to_come_back_and_places_are_given_back() {
        let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (enters, opens) = (Arc::clone(&entered), Arc::clone(&gate));
        let held = tower::service_fn(move |_: Request<Form>| {
            let (enters, opens) = (Arc::clone(&enters), Arc::clone(&opens));
            async move {
                enters.add_permits(1);
                opens.acquire().await.expect("never closed").forget();
                Ok(reply::not_found())
            }
        });

        let limits = Limits {
            requests_in_flight_max: 1,
            ..Limits::default()
        };

        let stack: DoorStack<Full<Bytes>> = outer(front(Some(inner(held, &limits)), limits));
        let ask =
            |path: &'static str| tell::request_log(stack.clone(), DIALECT, asked(path), teller());
        let first = async { shown(ask("/api/v2").await.unwrap()).await };

        let second = async {
            entered.acquire().await.unwrap().forget();
            let refused = shown(ask("/api/v2").await.unwrap()).await;
            let health = shown(ask("/healthz").await.unwrap()).await;
            gate.add_permits(1);
            (refused, health)
        };

        let (first, (refused, health)) = tokio::join!(first, second);
        assert_eq!(first.0, 404);

        assert_eq!(
            refused,
            (
                503,
                Some("2".into()),
                r#"{"error":"Internal error, retry later"}"#.into()
            )
        );

        assert_eq!(health.0, 200);
        gate.add_permits(1);

        assert_eq!(
            ask("/api/v2").await.unwrap().status(),
            404,
            "the first's place is free again"
        );
    }

    #[tokio::test]
    async fn a_panic_is_one_answer() {
        let panics = tower::service_fn(|request: Request<Form>| async move {
            assert!(request.uri().query().is_some(), "a panic on purpose");
            Ok(reply::not_found())
        });

        let limits = Limits {
            requests_in_flight_max: 1,
            ..Limits::default()
        };

        let stack: DoorStack<Full<Bytes>> = outer(front(Some(inner(panics, &limits)), limits));
        for _ in 0..2 {
            let answer = tell::request_log(stack.clone(), DIALECT, asked("/api/v2"), teller())
                .await
                .unwrap();

            assert_eq!(
                shown(answer).await,
                (
                    500,
                    None,
                    r#"{"error":"Internal error, the request may have been carried out"}"#.into()
                )
            );
        }

        let answer = tell::request_log(stack, DIALECT, asked("/api/v2?"), teller())
            .await
            .unwrap();

        assert_eq!(answer.status(), 404, "its place is free again");
    }

    #[tokio::test]
    async fn what_takes_too_long_is_answered_as_broken_and_not_as_undone() {
        let hangs = tower::service_fn(|_: Request<Form>| std::future::pending());
        let limits = Limits {
            request: Duration::from_millis(20),
            ..Limits::default()
        };

        let stack: DoorStack<Full<Bytes>> = outer(front(Some(inner(hangs, &limits)), limits));
        let answer = tell::request_log(stack.clone(), DIALECT, asked("/api/v2"), teller())
            .await
            .unwrap();

        assert!(
            stack
                .oneshot(asked("/api/v2"))
                .await
                .is_err_and(|error| error.is::<tower::timeout::error::Elapsed>())
        );

        assert_eq!(
            shown(answer).await,
            (
                500,
                None,
                r#"{"error":"Internal error, the request may have been carried out"}"#.into()
            )
        );
    }

    /// What is asked, and whether it is a poll whose asker would take an error for its order's
    /// death.
    const ASKED: [(&str, bool); 6] = [
        ("/api/v2?action=status&order=1", true),
        ("/api/v2?action=refill_status&refill=1&key=pgk_x", true),
        ("/api/v2?refills=1", true),
        ("/api/v2?action=status&order=1&key=pgn_x", false),
        ("/api/v2?action=refill&order=1", false),
        ("/api/v2?action=add", false),
    ];

    async fn all_fail(stack: &DoorStack<Full<Bytes>>, status: u16) {
        for (path, has_no_body) in ASKED {
            let answer = tell::request_log(stack.clone(), DIALECT, asked(path), teller())
                .await
                .unwrap();
            let (shown, _, body) = shown(answer).await;
            assert_eq!((shown, body.is_empty()), (status, has_no_body), "{path}");
        }
    }

    #[tokio::test]
    async fn a_poll_has_no_body_whichever_layer_fails() {
        let limits = Limits {
            request: Duration::from_millis(20),
            ..Limits::default()
        };

        let panics = tower::service_fn(|request: Request<Form>| async move {
            assert!(request.uri().query().is_none(), "a panic on purpose");
            Ok(reply::not_found())
        });

        all_fail(
            &outer(front(Some(inner(panics, &limits)), limits.clone())),
            500,
        )
        .await;

        let hangs = tower::service_fn(|_: Request<Form>| std::future::pending());
        all_fail(
            &outer(front(Some(inner(hangs, &limits)), limits.clone())),
            500,
        )
        .await;

        let full = Limits {
            requests_in_flight_max: 0,
            ..limits
        };

        let idle = tower::service_fn(|_: Request<Form>| async { Ok(reply::not_found()) });
        all_fail(&outer(front(Some(inner(idle, &full)), full)), 503).await;
    }
}
