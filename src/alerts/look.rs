//! Looking: what is so now is compared with what was so, and what turned is told to the log.

use chrono::TimeDelta;

use crate::alerts::Alerts;
use crate::catalog::Snapshot;
use crate::domain::alert::{Kind, Weight};
use crate::domain::id::{ProviderId, ServiceId};
use crate::store::StoreError;
use crate::store::alerts::{self, Condition, Turn};

/// Services that one alert names.
const NAMED_MAX: usize = 10;

/// What one look found turned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Alerts that began.
    pub raised: Vec<Turn>,
    /// Alerts that ended.
    pub over: Vec<Turn>,
}

impl Alerts {
    /// One look. Nothing turns while another process looks.
    pub async fn look(&self) -> Result<Turns, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !alerts::only_one(&mut tx).await? {
            return Ok(Turns::default());
        }
        let heard = self.heard.load();
        let mut conditions = alerts::conditions(&mut tx, &heard.watched, now).await?;
        conditions.extend(alerts::price_jumps(&mut tx, &heard.watched).await?);
        conditions.extend(too_dear(&self.catalog.now()));
        let over = alerts::keep(&mut tx, &conditions, now).await?;
        let mut raised = Vec::new();
        for kind in Kind::ALL {
            if conditions.iter().any(|condition| condition.kind == kind) {
                let patience = TimeDelta::from_std(kind.patience()).unwrap_or(TimeDelta::zero());
                raised.extend(alerts::raise(&mut tx, kind, now - patience, now).await?);
            }
        }
        tx.commit().await?;
        raised.iter().for_each(log_raised);
        for Turn { kind, object, count: _, words: _ } in &over {
            tracing::info!(kind = kind.word(), object, "an alert is over");
        }
        Ok(Turns { raised, over })
    }
}

/// Panels that charge more than fixed prices bear, and which services of ours, the first few.
fn too_dear(catalogue: &Snapshot) -> Vec<Condition> {
    let condition = |(panel, services): (&ProviderId, &Vec<ServiceId>)| {
        let named: Vec<_> = services.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        Condition {
            kind: Kind::BelowFloor,
            object: panel.0.clone(),
            count: i64::try_from(services.len()).unwrap_or(i64::MAX),
            more: format!("; among them are our services {}", named.join(", ")),
        }
    };
    catalogue.too_dear.iter().map(condition).collect()
}

fn log_raised(turn: &Turn) {
    let Turn { kind, object, words, count } = turn;
    match kind.weight() {
        Weight::Error => tracing::error!(kind = kind.word(), object, count, "alert: {words}"),
        Weight::Warning => tracing::warn!(kind = kind.word(), object, count, "alert: {words}"),
    }
}
