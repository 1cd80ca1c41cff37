//! The panel's door: HTTP/1 with limits, the v2 endpoint, and the `/_sim` doors for whoever drives
//! the simulation.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full, Limited, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Shared,
    counter::{self, Form},
    details::Details,
    dialect::{Accented, SpokenDialect, accented},
    faults::{Fault, Faults},
    habits::Habit,
    money::plain,
    order::SimOrder,
    reply::Refused,
    spoil::{HangsUp, spoilt},
};

/// The largest body: the longest list of comments that a gateway may send.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// How long the head of a request may take, and how long an idle connection is kept.
const HEAD_MAX: Duration = Duration::from_secs(15);

/// How long a body may take.
const BODY_MAX: Duration = Duration::from_secs(10);

/// Connections at once; further ones wait in the listener's queue.
const CONNECTIONS_MAX: usize = 1_024;

/// The pause after a connection could not be taken: the process is out of descriptors, and spinning
/// frees none.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What an answer says it is.
pub(super) const JSON: &str = "application/json";
pub(super) const HTML: &str = "text/html";

/// How the door is told to close.
#[derive(Debug, Clone, Default)]
pub(super) struct Closing {
    /// Take no more; finish what is being answered.
    pub(super) drain: CancellationToken,
    /// Drop what is still being answered.
    pub(super) cut: CancellationToken,
}

/// An answer on its way; a body's error ends the connection within it.
pub(super) type Answer = Response<BoxBody<Bytes, HangsUp>>;

/// Takes connections until told to drain; every one is a task of the tracker's.
pub(super) async fn listen(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    closing: Closing,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            (place, listener.accept().await)
        };

        let (place, accepted) = tokio::select! {
            () = closing.drain.cancelled() => return,
            next = next => next,
        };

        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };

        let (shared, closing) = (Arc::clone(&shared), closing.clone());
        tasks.spawn(async move {
            talk(stream, shared, closing).await;
            drop(place);
        });
    }
}

/// One connection, to its end.
async fn talk(stream: TcpStream, shared: Arc<Shared>, closing: Closing) {
    let service = hyper::service::service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(request, &shared).await }
    });

    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);

    let mut connection = std::pin::pin!(connection);

    // How a connection ended is its client's affair: a panel has nobody to tell.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = closing.drain.cancelled() => connection.as_mut().graceful_shutdown(),
    }

    tokio::select! {
        _ = connection.as_mut() => {}
        () = closing.cut.cancelled() => {}
    }
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Result<Answer, HangsUp> {
    let (head, body) = request.into_parts();
    let allowed = match head.uri.path() {
        "/api/v2" if head.method == Method::GET && reads_queries(shared) => Method::GET,
        "/api/v2" | "/_sim/faults" => Method::POST,
        "/_sim/orders" | "/_sim/requests" => Method::GET,
        _ => return Ok(say(StatusCode::NOT_FOUND, JSON, complaint("Not found"))),
    };

    if head.method != allowed {
        let mut refusal = say(
            StatusCode::METHOD_NOT_ALLOWED,
            JSON,
            complaint("Method not allowed"),
        );

        let value = if allowed == Method::POST {
            "POST"
        } else {
            "GET"
        };

        refusal
            .headers_mut()
            .insert(ALLOW, http::HeaderValue::from_static(value));

        return Ok(refusal);
    }

    let befallen = if head.uri.path() == "/api/v2" {
        shared.with(|panel, _| panel.befallen())
    } else {
        None
    };

    if befallen == Some(Fault::Unread) {
        return Err(HangsUp);
    }

    let body = match timeout(BODY_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Ok(say(
                StatusCode::PAYLOAD_TOO_LARGE,
                JSON,
                complaint("Request too large"),
            ));
        }
        Ok(Err(_)) | Err(_) => return Err(HangsUp),
    };

    match head.uri.path() {
        "/api/v2" => {
            let form = if reads_queries(shared) {
                Form::read(head.uri.query().unwrap_or_default().as_bytes())
            } else if is_form(&head.headers) {
                Form::read(&body)
            } else {
                Err(Refused::Request)
            };

            match befallen.and_then(refusal) {
                Some(refused) => Ok(turned_away(&form, refused, shared)),
                None => v2(&form, shared).await,
            }
        }
        "/_sim/orders" => {
            let dialect = shared.with(|panel, _| panel.dialect);
            let orders = shared.orders();

            Ok(say(
                StatusCode::OK,
                JSON,
                json(
                    &orders
                        .iter()
                        .map(|order| order_row(dialect, order))
                        .collect::<Vec<_>>(),
                ),
            ))
        }
        "/_sim/requests" => Ok(say(StatusCode::OK, JSON, json(&shared.requests()))),
        _ => Ok(set_faults(&body, shared)),
    }
}

fn reads_queries(shared: &Shared) -> bool {
    shared.with(|panel, _| panel.habits.has(Habit::Get))
}

/// A form, whatever charset is said: other kinds of bodies are what a strict panel does not read.
fn is_form(headers: &http::HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();

    kind.split(';').next().is_some_and(|kind| {
        kind.trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// What a fault of requests of every kind has the panel say.
fn refusal(fault: Fault) -> Option<Refused> {
    match fault {
        Fault::TooFast => Some(Refused::TooFast),
        Fault::Suspended => Some(Refused::Suspended),
        Fault::Drop
        | Fault::BadGateway
        | Fault::Html
        | Fault::Half
        | Fault::Hang
        | Fault::Slow
        | Fault::WrongId
        | Fault::Duplicate
        | Fault::Unread => None,
    }
}

fn turned_away(form: &Result<Form, Refused>, refused: Refused, shared: &Shared) -> Answer {
    shared.with(|panel, now| {
        let limits = if refused == Refused::TooFast {
            panel.dialect.limits(now)
        } else {
            Vec::new()
        };

        let outcome = counter::turn_away(panel, form, refused);
        let (status, body) = panel.dialect.answer(&outcome.said);
        let mut answer = say(status, JSON, body);

        for (name, value) in limits {
            let value = http::HeaderValue::from_str(&value).expect("digits and letters");
            answer.headers_mut().insert(name, value);
        }

        answer
    })
}

async fn v2(form: &Result<Form, Refused>, shared: &Shared) -> Result<Answer, HangsUp> {
    let (fault, Accented { status, page, body }, limit) = shared.with(|panel, now| {
        let outcome = counter::serve(panel, form, now);
        let (status, body) = panel.dialect.answer(&outcome.said);

        (
            outcome.fault,
            accented(&panel.habits, &outcome.said, status, body),
            panel.habits.limit(),
        )
    });

    let mut answer = match fault {
        None => say(status, if page { HTML } else { JSON }, body),
        // Faults befall orders that were placed, whose answers are good.
        Some(fault) => spoilt(fault, body).await?,
    };

    if let Some(limit) = limit {
        answer
            .headers_mut()
            .insert("x-ratelimit-limit", limit.into());
    }

    Ok(answer)
}

fn set_faults(body: &[u8], shared: &Shared) -> Answer {
    let spec = String::from_utf8_lossy(body);
    match spec.trim().parse::<Faults>() {
        Ok(faults) => {
            let in_force = faults.to_string();
            shared.with(|panel, _| panel.faults = faults);

            say(
                StatusCode::OK,
                JSON,
                json(&BTreeMap::from([("faults", in_force)])),
            )
        }
        Err(error) => say(StatusCode::BAD_REQUEST, JSON, complaint(&error.to_string())),
    }
}

/// An order as `/_sim/orders` shows it. The status is spelled as the panel spells it to its
/// customers.
#[derive(Serialize)]
struct OrderRow<'a> {
    id: &'a str,
    service: &'a str,
    link: &'a str,
    quantity: u64,
    comments: &'a [String],
    answer_number: Option<&'a str>,
    details: &'a Details,
    status: &'static str,
    charge: String,
    remains: u64,
}

fn order_row(dialect: SpokenDialect, order: &SimOrder) -> OrderRow<'_> {
    OrderRow {
        id: &order.id,
        service: &order.service,
        link: &order.link,
        quantity: order.quantity,
        comments: &order.comments,
        answer_number: order.answer_number.as_deref(),
        details: &order.details,
        status: dialect.status_text(order.status),
        charge: plain(order.charge),
        remains: order.remains,
    }
}

fn complaint(error: &str) -> String {
    json(&BTreeMap::from([("error", error)]))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers are always JSON")
}

pub(super) fn say(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));

    response
}
