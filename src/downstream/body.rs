//! Reads a request's body: all of it, in time, and no more than fits.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;

use crate::downstream::Limits;

/// How much of a body that is too long is still read and thrown away: a client that is cut off
/// while it sends never sees our answer.
const DISCARDED_BYTES_MAX: usize = 1024 * 1024;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than any request.
    #[error("too large")]
    TooLarge,
    /// It did not come in time.
    #[error("late")]
    Late,
    /// It ended early, or is no HTTP.
    #[error("cut off")]
    CutOff,
}

/// The whole body. `waits` when the client sends it only after we ask for it by reading.
pub async fn read_body<B>(body: B, waits: bool, limits: &Limits) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let discarded_max = limits
        .list_body_bytes_max
        .saturating_add(DISCARDED_BYTES_MAX);
    if declared > discarded_max || waits && declared > limits.list_body_bytes_max {
        return Err(BodyError::TooLarge);
    }
    let reading = collect(body, limits.list_body_bytes_max, discarded_max);
    tokio::time::timeout(limits.body_read, reading)
        .await
        .unwrap_or(Err(BodyError::Late))
}

async fn collect<B>(mut body: B, kept_max: usize, discarded_max: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut kept = BytesMut::new();
    let mut read: usize = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::CutOff)?.into_data() else {
            continue;
        };
        read = read.saturating_add(data.len());
        if read > discarded_max {
            break;
        }
        if read <= kept_max {
            kept.extend_from_slice(&data);
        } else {
            kept = BytesMut::new();
        }
    }
    if read > kept_max {
        Err(BodyError::TooLarge)
    } else {
        Ok(kept.freeze())
    }
}
