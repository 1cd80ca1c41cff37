//! What a panel says of an order that does not fit: its charge against what remains, its price
//! against its catalog, its currency against the block. Told with the order, once; and where more
//! may have to go back, a person is asked.
//!
//! A price that moved explains a charge, and the move is seen only when the catalog is read again.
//! So what was charged after the last reading waits for the next one, which is made soon: an honest
//! panel is not accused.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::difference::{DifferenceKind, Figures};
use crate::domain::id::ProviderId;
use crate::domain::money::{Money, MoneyError};
use crate::domain::provider::{ProviderSettings, SettlingSettings};
use crate::domain::settlement::{Report, Stated, TakenCharge};
use crate::orders::settle::too_large;
use crate::orders::{Delivery, isolate_failure};
use crate::store::differences::{self, Unconfirmed};
use crate::store::legs::LockedLeg;
use crate::store::{StoreError, Tx, legs, orders};

/// How long a difference waits for a catalog that cannot be read.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// What a person is asked of an order that was settled by what remains.
pub(super) const MORE_MAY_GO_BACK: &str =
    "settled by what remains, and the panel's charge is lower than that: more may have to go back";
/// What is said of figures that contradict each other.
const FIGURES: &str = "what the panel took does not fit what it says it delivered";

/// One order's figures, as its panel told them just now.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderFigures<'a> {
    /// The panel's block.
    pub(super) settings: &'a ProviderSettings,
    /// The leg, under lock.
    pub(super) leg: &'a LockedLeg,
    /// What the panel said.
    pub(super) report: &'a Report,
    /// What it was expected to take and what it says that it took.
    pub(super) taken: TakenCharge,
}

impl OrderFigures<'_> {
    /// Notes what does not fit whatever becomes of the order: a charge above the price, another
    /// currency.
    pub(super) async fn note_price(&self, tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
        if let Stated::Foreign { .. } = self.taken.stated {
            let named = self.report.currency.as_deref().unwrap_or_default();
            let words = format!(
                "the panel names {named}, and its block says {}",
                self.settings.currency
            );

            return self
                .keep(tx, DifferenceKind::CurrencyDiffers, 0, &words, true, now)
                .await
                .map(|_| ());
        }

        let percent = self.settings.settling.overcharge_percent;
        if !self.taken.is_above(percent) {
            return Ok(());
        }

        let price = differences::price_now(tx, self.leg).await?;
        if price
            .cost
            .is_some_and(|cost| !self.expecting(cost).is_above(percent))
        {
            return Ok(());
        }

        let words = format!("the panel took more than {percent} % above its price");
        let is_sure = price.read_since || self.taken.stated == Stated::TooLarge;
        self.keep(tx, DifferenceKind::Overcharged, 0, &words, is_sure, now)
            .await
            .map(|_| ())
    }

    /// Notes that more may have to go back of an order that is settled by what remains. Whether a
    /// person is asked now: not where the price explains it, nor before it is known that it
    /// does not.
    pub(super) async fn note_figures(
        &self,
        tx: &mut Tx,
        delivered: u64,
        units: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let price = differences::price_now(tx, self.leg).await?;
        let explained = |cost: Money| {
            self.expecting(cost)
                .is_below(delivered, units)
                .map(|is_below| !is_below)
        };

        if price.cost.map(explained).transpose().map_err(too_large)? == Some(true) {
            return Ok(false);
        }

        self.keep(
            tx,
            DifferenceKind::FiguresDiffer,
            delivered,
            FIGURES,
            price.read_since,
            now,
        )
        .await?;

        differences::is_open(tx, self.leg.id, DifferenceKind::FiguresDiffer).await
    }

    /// Notes figures that contradict each other so much that nothing settles.
    pub(super) async fn note_contradiction(
        &self,
        tx: &mut Tx,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.keep(tx, DifferenceKind::FiguresDiffer, 0, why, true, now)
            .await
            .map(|_| ())
    }

    /// Notes that the panel works again on what was over: nothing moves before it ends anew.
    pub(super) async fn note_reopened(
        &self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let why = "the panel works again on an order that was over";
        self.keep(tx, DifferenceKind::Reopened, 0, why, true, now)
            .await
            .map(|_| ())
    }

    fn expecting(&self, cost: Money) -> TakenCharge {
        TakenCharge {
            expected: cost,
            ..self.taken
        }
    }

    async fn keep(
        &self,
        tx: &mut Tx,
        kind: DifferenceKind,
        delivered: u64,
        why: &str,
        is_sure: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (stated, step) = match self.taken.stated {
            Stated::Took { amount, step } => (Some(amount), step),
            Stated::Nothing | Stated::Unreadable | Stated::TooLarge | Stated::Foreign { .. } => {
                (None, Money::ZERO)
            }
        };

        let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let words = format!(
            "{why}: status {:?}, charge {}, remains {}, expected cost {}",
            self.report.status_text,
            said(&self.report.charge_text),
            said(&self.report.remains_text),
            self.taken.expected
        );

        let figures = Figures {
            expected: self.taken.expected,
            stated,
            step,
            delivered,
            words,
        };

        let kept =
            differences::keep_difference(tx, self.leg, kind, &figures, is_sure.then_some(now), now)
                .await?;

        if kept {
            let (order, provider) = (self.leg.order, &self.settings.id);
            tracing::warn!(%order, %provider, kind = kind.as_str(), "{}", figures.words);
        }

        Ok(kept)
    }
}

impl Delivery {
    /// Whether a panel's catalog should be read soon, for the sake of what was charged there.
    pub async fn wants_prices(&self, provider: &ProviderId) -> Result<bool, StoreError> {
        differences::wants_prices(&self.store, provider).await
    }

    /// Looks at what waited for a panel's prices: what they explain is forgotten, and the rest is
    /// told. How many were told.
    pub async fn confirm_differences(
        &self,
        provider: &ProviderId,
        settling: SettlingSettings,
    ) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let mut told = 0;

        for found in differences::list_unconfirmed(&self.store, provider, now - PATIENCE).await? {
            let order = found.order.to_string();
            let confirmed = self.confirm(settling, &found, now).await;
            told += usize::from(matches!(confirmed, Ok(true)));
            isolate_failure(&order, confirmed.map(|_| ()))?;
        }

        Ok(told)
    }

    async fn confirm(
        &self,
        settling: SettlingSettings,
        found: &Unconfirmed,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;

        // The leg first, as everywhere.
        let leg = legs::lock_leg(&mut tx, found.leg).await?;
        let is_explained = found.is_explained(settling).map_err(too_large)?;

        if is_explained {
            differences::explain_difference(&mut tx, found.id).await?;
        } else if differences::confirm_difference(&mut tx, found.id, now).await?
            && found.kind == DifferenceKind::FiguresDiffer
        {
            orders::flag_for_review(&mut tx, leg.order, MORE_MAY_GO_BACK).await?;
        }

        tx.commit().await?;
        Ok(!is_explained)
    }
}

impl Unconfirmed {
    /// Whether the price that the panel lists now explains what it took.
    fn is_explained(&self, settling: SettlingSettings) -> Result<bool, MoneyError> {
        let (Some(expected), Some(amount)) = (self.cost_now, self.figures.stated) else {
            return Ok(false);
        };

        let taken = TakenCharge {
            expected,
            stated: Stated::Took {
                amount,
                step: self.figures.step,
            },
        };

        match self.kind {
            DifferenceKind::Overcharged => Ok(!taken.is_above(settling.overcharge_percent)),
            DifferenceKind::FiguresDiffer => {
                Ok(!taken.is_below(self.figures.delivered, self.units)?)
            }
            DifferenceKind::CurrencyDiffers | DifferenceKind::Reopened => Ok(false),
        }
    }
}
