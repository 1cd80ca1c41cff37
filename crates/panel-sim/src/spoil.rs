//! What befalls an answer between the panel's books and whoever asked.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::sleep;

use super::{
    door::{Answer, HTML, JSON, say},
    faults::Fault,
};

/// How long a connection hangs at most: longer than anybody waits.
const HANG_MAX: Duration = Duration::from_mins(10);

/// How late a slow answer comes.
const SLOW: Duration = Duration::from_secs(3);

/// The page of the gateway before a panel whose panel does not answer.
const BAD_GATEWAY_PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
     Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// What stands where an answer should be when a panel is being repaired and says so with status
/// 200.
const MAINTENANCE_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Maintenance</title></\
                                head><body><h1>We will be back soon</h1></body></html>\n";

/// The connection is to end here; hyper closes it on any error of its service or of a body.
#[derive(Debug, thiserror::Error)]
#[error("the simulated panel hangs up")]
pub(super) struct HangsUp;

/// The right answer's body, after the fault. Whoever leaves meanwhile ends the waiting.
pub(super) async fn spoilt(fault: Fault, body: String) -> Result<Answer, HangsUp> {
    match fault {
        Fault::Drop | Fault::Unread => Err(HangsUp),
        Fault::BadGateway => Ok(say(
            StatusCode::BAD_GATEWAY,
            HTML,
            BAD_GATEWAY_PAGE.to_owned(),
        )),
        Fault::Html => Ok(say(StatusCode::OK, HTML, MAINTENANCE_PAGE.to_owned())),
        Fault::Half => Ok(half(body)),
        Fault::Hang => {
            sleep(HANG_MAX).await;
            Err(HangsUp)
        }
        Fault::Slow => {
            sleep(SLOW).await;
            Ok(say(StatusCode::OK, JSON, body))
        }
        // The books have put the id into the answer already; the others befall no answer to an
        // order that was placed.
        Fault::WrongId | Fault::Duplicate | Fault::TooFast | Fault::Suspended => {
            Ok(say(StatusCode::OK, JSON, body))
        }
    }
}

fn half(body: String) -> Answer {
    let whole = body.len();
    let mut half = Bytes::from(body);
    half.truncate(whole / 2);

    let mut response = Response::new(
        Half {
            whole,
            stage: Stage::Sends(half),
        }
        .boxed(),
    );

    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));

    response
}

/// A body that ends in the middle of what it said it was.
struct Half {
    /// What is declared, in bytes.
    whole: usize,
    stage: Stage,
}

enum Stage {
    Sends(Bytes),
    /// What was sent must have left: an error would take with it what is still in a buffer.
    Leaves,
    HangsUp,
}

impl Body for Half {
    type Data = Bytes;
    type Error = HangsUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HangsUp>>> {
        match std::mem::replace(&mut self.stage, Stage::HangsUp) {
            Stage::Sends(half) => {
                self.stage = Stage::Leaves;
                Poll::Ready(Some(Ok(Frame::data(half))))
            }
            Stage::Leaves => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Stage::HangsUp => Poll::Ready(Some(Err(HangsUp))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.whole).unwrap_or(u64::MAX))
    }
}
