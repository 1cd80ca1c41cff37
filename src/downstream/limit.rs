//! How often is too often, as headers tell it.

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;

use crate::customers::pace::{Denied, Layer, RateStanding};
use crate::domain::customer::Dialect;
use crate::domain::refusal::Refusal;
use crate::downstream::reply;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const TIER_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-tier-remaining");
const DENIED_BY: HeaderName = HeaderName::from_static("x-ratelimit-deniedby");

/// Tells a caller where it stands, on whatever is answered.
pub fn tell_limit(
    mut response: Response<Full<Bytes>>,
    standing: &RateStanding,
) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    headers.insert(LIMIT, standing.limit.into());
    headers.insert(REMAINING, standing.remaining.into());
    headers.insert(RESET, standing.resets_at_s.into());

    if let Some(remaining) = standing.tier_remaining {
        headers.insert(TIER_REMAINING, remaining.into());
    }

    response
}

/// The answer to a request too many.
pub fn deny_request(dialect: Dialect, denied: &Denied) -> Response<Full<Bytes>> {
    let mut response = tell_limit(
        reply::refused_answer(dialect, &Refusal::TooManyRequests),
        &denied.standing,
    );

    let by = match denied.by {
        Layer::Address => "ip",
        Layer::Key => "key",
        Layer::Tier => "tier",
    };

    response
        .headers_mut()
        .insert(DENIED_BY, HeaderValue::from_static(by));

    response
        .headers_mut()
        .insert(RETRY_AFTER, denied.retry_after_s.into());

    response
}
