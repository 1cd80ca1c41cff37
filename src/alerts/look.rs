//! Looking: what is so now is compared with what was so, and what turned is told to the log.

use chrono::TimeDelta;

use crate::alerts::Alerts;
use crate::catalog::Snapshot;
use crate::domain::alert::{AlertKind, Weight};
use crate::domain::id::{ProviderId, ServiceId};
use crate::store::alerts::{self, AlertChange};
use crate::store::conditions::{self, Condition};
use crate::store::{StoreError, versions};

/// Services that one alert names.
const NAMED_MAX: usize = 10;

/// What one look found turned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Alerts that began.
    pub raised: Vec<AlertChange>,
    /// Alerts that ended.
    pub over: Vec<AlertChange>,
}

impl Alerts {
    /// One look. Nothing turns while another process looks. A process that serves an older file
    /// than the newest published one leaves alone what is so by the file: others know better,
    /// and it would take turns with them.
    pub async fn look(&self) -> Result<Turns, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !alerts::only_one(&mut tx).await? {
            return Ok(Turns::default());
        }

        let heard = self.heard.load();
        let catalog = self.catalog.now();
        let newest = versions::newest_in(&mut tx).await?;
        let is_behind = newest.is_some_and(|newest| newest != heard.hash || newest != catalog.hash);

        let mut conditions = conditions::find_conditions(&mut tx, &heard.watched, now).await?;
        conditions.extend(conditions::price_jumps(&mut tx, &heard.watched).await?);
        conditions.extend(of_services(&catalog));
        let left_alone: Vec<AlertKind> = AlertKind::ALL
            .into_iter()
            .filter(|kind| is_behind && kind.is_by_the_file())
            .collect();

        conditions.retain(|condition| !left_alone.contains(&condition.kind));

        let over = alerts::keep_conditions(&mut tx, &conditions, &left_alone, now).await?;
        let mut raised = Vec::new();

        for kind in AlertKind::ALL {
            if conditions.iter().any(|condition| condition.kind == kind) {
                let patience = TimeDelta::from_std(kind.patience()).unwrap_or(TimeDelta::zero());
                raised.extend(alerts::raise_lasting(&mut tx, kind, now - patience, now).await?);
            }
        }

        tx.commit().await?;
        raised.iter().for_each(log_raised);

        for AlertChange {
            kind,
            object,
            count: _,
            words: _,
        } in &over
        {
            tracing::info!(kind = kind.as_str(), object, "an alert is over");
        }

        Ok(Turns { raised, over })
    }
}

/// Panels that charge more than fixed prices bear, or by which nothing can be sold, and which
/// services of ours, the first few.
fn of_services(catalog: &Snapshot) -> Vec<Condition> {
    let condition = |kind: AlertKind, panel: &ProviderId, services: &[ServiceId]| {
        let named: Vec<_> = services
            .iter()
            .take(NAMED_MAX)
            .map(ToString::to_string)
            .collect();

        Condition {
            kind,
            object: panel.0.clone(),
            count: i64::try_from(services.len()).unwrap_or(i64::MAX),
            more: format!("; among them are our services {}", named.join(", ")),
        }
    };

    let dear = catalog
        .too_dear
        .iter()
        .map(|(panel, services)| condition(AlertKind::BelowFloor, panel, services));

    let missing = catalog
        .missing
        .iter()
        .map(|(panel, services)| condition(AlertKind::ServicesUnsold, panel, services));

    dear.chain(missing).collect()
}

fn log_raised(turn: &AlertChange) {
    let AlertChange {
        kind,
        object,
        words,
        count,
    } = turn;

    match kind.weight() {
        Weight::Error => tracing::error!(kind = kind.as_str(), object, count, "alert: {words}"),
        Weight::Warning => tracing::warn!(kind = kind.as_str(), object, count, "alert: {words}"),
    }
}
