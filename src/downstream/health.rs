//! What `/healthz` says of the process.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;

use crate::downstream::reply;

/// How the process is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProcessHealth {
    /// Whether it runs; what does not answer at all is not live.
    pub live: bool,
    /// Whether it can serve customers now.
    pub ready: bool,
    /// The hash of the configuration in force.
    pub config_hash: String,
    /// How the database is, in a word.
    pub database: String,
    /// Seconds by which the slowest worker is late; `None` where no workers run.
    pub workers_lag_s: Option<u64>,
    /// The names of workers that do not do their rounds.
    pub workers_late: Vec<String>,
    /// Panics of workers since the start.
    pub worker_panics: u64,
    /// Lines of the log that could not be written since the start.
    pub log_lines_lost: u64,
    /// Whether it takes orders: not while it has not been ready for too long.
    #[serde(skip)]
    pub sells: bool,
}

/// Asked at each `/healthz`; must answer at once.
pub type HealthProbe = Arc<dyn Fn() -> ProcessHealth + Send + Sync>;

/// 200 when ready, 503 otherwise, so that a load balancer needs to read nothing.
pub fn health_answer(health: &ProcessHealth) -> Response<Full<Bytes>> {
    let status = if health.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };

    let text = serde_json::to_string(health).unwrap_or_else(|_| "{}".to_owned());
    reply::json(status, text)
}
