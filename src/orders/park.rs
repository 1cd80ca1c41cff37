//! Parked legs: refused for a reason of ours at the panel that passes; ready again by themselves.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::money::Money;
use crate::domain::settlement::names_another;
use crate::orders::{Delivery, conclude};
use crate::store::providers::BalanceTrouble;
use crate::store::{StoreError, parked, providers, readings};
use crate::upstream::{Failure, Panel, PanelBalance};

/// How long the reading of every few minutes waits for a moment in which no order is being sent;
/// none begins meanwhile.
const COUNTED_WITHIN: Duration = Duration::from_secs(15);
/// Parked legs looked at in one round.
pub(super) const LEGS_MAX: i64 = 500;

impl Delivery {
    /// Reads our balance at a panel and keeps it: a free question, which also shows that the panel
    /// answers. The balance, where it could be read.
    pub async fn ask_balance(&self, panel: &Panel) -> Result<Option<Money>, StoreError> {
        if Self::is_left_alone(panel) {
            return Ok(None);
        }

        let asked_at = self.clock.now();
        let told = panel.balance().await;
        self.keep_balance(panel, asked_at, told).await
    }

    /// The same in a moment in which no order is being sent there, where one comes soon: what is
    /// compared with it later is known sharply.
    pub async fn count(&self, panel: &Panel) -> Result<Option<Money>, StoreError> {
        let _quiet = panel.quiet(COUNTED_WITHIN).await;
        self.ask_balance(panel).await
    }

    /// Keeps what a panel told of our balance, or why it told nothing of use. The balance, where it
    /// could be read.
    pub(super) async fn keep_balance(
        &self,
        panel: &Panel,
        asked_at: Timestamp,
        told: Result<PanelBalance, Failure>,
    ) -> Result<Option<Money>, StoreError> {
        match told {
            Ok(balance) => {
                let now = self.clock.now();
                let provider = &panel.settings().id;
                let named = balance.currency.as_deref().unwrap_or_default();

                if names_another(named, &panel.settings().currency) {
                    tracing::warn!(
                        %provider, currency = named, "a panel tells its balance in another currency"
                    );

                    let why = BalanceTrouble::In(named);
                    providers::balance_unusable(&self.store, provider, &why, now).await?;
                    return Ok(None);
                }

                self.keep_reading(panel, &balance, asked_at, now).await?;
                providers::keep_balance(&self.store, provider, balance.amount, &balance.text, now)
                    .await?;

                Ok(Some(balance.amount))
            }
            Err(failure) => {
                let (provider, why) = (&panel.settings().id, failure.to_string());
                tracing::warn!(%provider, %failure, "a panel did not tell its balance");
                let why = BalanceTrouble::Unread(&why);
                providers::balance_unusable(&self.store, provider, &why, self.clock.now()).await?;
                Ok(None)
            }
        }
    }

    /// Keeps what a panel said of our balance in its own currency, for the treasury to compare.
    async fn keep_reading(
        &self,
        panel: &Panel,
        balance: &PanelBalance,
        asked_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let settings = panel.settings();
        let Ok(amount) = Money::parse_rounding_up(&balance.text) else {
            return Ok(());
        };

        let said = readings::NewReading {
            asked_at,
            at: now,
            currency: &settings.currency,
            amount,
            text: &balance.text,
        };

        readings::keep_reading(&self.store, &settings.id, self.node, said)
            .await
            .map(|_| ())
    }

    /// Lets parked legs go that have waited long enough, as many as the panel's balance pays for,
    /// oldest first. A panel that does not even tell its balance would refuse them again: they
    /// wait on. How many were let go.
    pub async fn unpark(&self, panel: &Panel) -> Result<u64, StoreError> {
        // What is parked a moment before the panel is asked again shall not wait a whole round
        // more.
        let soon = self.clock.now() + TimeDelta::milliseconds(500);
        let long_ago = soon - TimeDelta::hours(conclude::ACTIVE_WAIT_H_MAX);
        let parked =
            parked::due_legs(&self.store, &panel.settings().id, long_ago, soon, LEGS_MAX).await?;

        if parked.is_empty() {
            return Ok(0);
        }

        let Some(mut balance) = self.ask_balance(panel).await? else {
            return Ok(0);
        };

        let mut affordable = Vec::new();
        for (leg, cost) in parked {
            match balance.minus(cost) {
                Ok(rest) if !rest.is_negative() => {
                    balance = rest;
                    affordable.push(leg);
                }
                // A dear order waits by itself and does not hold up the cheaper ones behind it.
                Ok(_) | Err(_) => {}
            }
        }

        parked::unpark_legs(&self.store, &affordable, self.clock.now()).await
    }
}
