//! What a process says of itself: to `/healthz`, and to people by alerts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::app::App;
use crate::domain::alert::AlertKind;
use crate::downstream::{Connections, Door, HealthProbe, ProcessHealth};
use crate::reload::Troubles;
use crate::store::embedded::{Condition, Embedded};
use crate::store::history::Turned;
use crate::telemetry;
use crate::workers::pulse::Pulse;

/// Behind by more than this, the workers are told as not ready.
const LAG_S_MAX: u64 = 30;
/// Lines of the log that were lost need a person for so long.
const LOG_LOSES_FOR: Duration = Duration::from_mins(5);
/// Not ready for longer than this, a process takes no orders: nobody may be there to send them.
const NOT_READY_S_MAX: u64 = 30;

/// What needs a person at this process beside its workers.
pub(super) fn troubles(door: Option<&Door>) -> Troubles {
    let connections = door.map(Door::connections);
    let log = LogWatch::default();

    Troubles::by(move || {
        let is_so = |kind: AlertKind, so: bool| so.then_some(kind);
        let of_door =
            |so: fn(&Connections) -> bool| connections.as_ref().is_some_and(|door| so(door));

        let troubles = [
            is_so(AlertKind::ConnectionsShort, of_door(Connections::is_short)),
            is_so(AlertKind::ListenerStuck, of_door(Connections::is_stuck)),
            is_so(AlertKind::LogLost, log.loses(telemetry::lines_lost())),
        ];

        troubles.into_iter().flatten().collect()
    })
}

/// Whether lines of the log were lost lately.
#[derive(Debug, Default)]
pub(super) struct LogWatch(Mutex<Losses>);

#[derive(Debug, Default)]
pub(super) struct Losses {
    lost: u64,
    until: Option<Instant>,
}

impl LogWatch {
    fn loses(&self, lost: u64) -> bool {
        let mut losses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lost > losses.lost {
            losses.lost = lost;
            losses.until = Some(Instant::now() + LOG_LOSES_FOR);
        }

        losses.until.is_some_and(|until| Instant::now() < until)
    }
}

/// What `/healthz` tells.
pub(super) fn health(house: &App, pulse: Pulse, embedded: Option<&Embedded>) -> HealthProbe {
    let (store, catalog) = (house.store.clone(), house.catalog.clone());
    let condition = embedded.map(Embedded::condition);

    Arc::new(move || {
        let lag_s = pulse.lag_s();
        let present = store.is_present();

        // Told sooner than it is acted on.
        let is_well = present && !store.is_silent();

        let database = match condition.as_ref().map(|condition| *condition.borrow()) {
            Some(Condition::Restarting { .. }) => "restarting",
            Some(Condition::Stopped) => "stopped",
            Some(Condition::Running) | None if is_well => "up",
            Some(Condition::Running) | None if store.turned() == Some(Turned::Replaced) => {
                "replaced"
            }
            Some(Condition::Running) | None => "away",
        };

        // A panel's own workers wait for that panel; whoever stands still there gives up its lease.
        let node_lag_s = pulse.node_lag_s();

        ProcessHealth {
            live: true,
            ready: is_well && lag_s.is_none_or(|lag_s| lag_s <= LAG_S_MAX),
            config_hash: catalog.now().hash.to_string(),
            database: database.to_owned(),
            workers_lag_s: lag_s,
            workers_late: pulse.late(),
            worker_panics: pulse.panics(),
            log_lines_lost: telemetry::lines_lost(),
            sells: present && node_lag_s.is_none_or(|lag_s| lag_s <= LAG_S_MAX + NOT_READY_S_MAX),
        }
    })
}
