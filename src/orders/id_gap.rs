//! Where an order in doubt would be at its panel: the ids between those of our orders before and
//! after it, and what the panel has there that nobody claims.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::doubt::Sought;
use crate::domain::id::PanelOrder;
use crate::domain::provider::PanelAccount;
use crate::domain::settlement::Report;
use crate::orders::{Delivery, statuses};
use crate::store::clock_watch::{self, WatchedSpan};
use crate::store::{StoreError, neighbours};
use crate::upstream::{OrderAnswer, Panel};

/// How much the clocks of two nodes may differ: what was accepted so shortly before is no
/// neighbour.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(10);
/// How long before a doubt, or after it may be visible, an order was sent that may be what is
/// found.
const RIVALS_WITHIN: TimeDelta = TimeDelta::hours(1);

impl Delivery {
    /// The ids of our neighbours at the panel; `None` while one of them is not known, or is no
    /// number.
    pub(super) async fn gap(
        &self,
        panel: &Panel,
        sought: &Sought,
    ) -> Result<Option<IdGap>, StoreError> {
        let (settings, account) = (panel.settings(), panel.account());
        let asked = PanelAccount {
            provider: &settings.id,
            account: &account,
        };

        let visible = TimeDelta::seconds(i64::from(settings.doubts.visible_after_s));

        let before = neighbours::ids_before(
            &self.store,
            asked,
            sought.leg,
            sought.sent_at - CLOCKS_DIFFER,
        )
        .await?;

        // Sent so late that whatever came of the doubt was placed before it, however slow the panel
        // was: by time that somebody watched, for a clock that was set ahead makes nothing
        // visible.
        let sent_by = sought.last_sent_at.max(sought.doubted_at);
        let WatchedSpan { over, until } =
            clock_watch::watched_for(&self.store, sent_by, visible).await?;

        let late = neighbours::ids_after(&self.store, asked, sought.leg, over, until).await?;
        let soon =
            neighbours::ids_after(&self.store, asked, sought.leg, sent_by, Timestamp::MAX_UTC)
                .await?;

        let before = as_numbers(&before).and_then(|ids| ids.into_iter().max());
        let after = if late.is_empty() {
            as_numbers(&soon)
        } else {
            as_numbers(&late)
        };

        let after = after.and_then(|ids| ids.into_iter().min());
        Ok(before
            .zip(after)
            .filter(|(before, after)| before < after)
            .map(|(before, after)| IdGap {
                before,
                after,
                all_visible: !late.is_empty(),
            }))
    }

    /// Whether what was found may as well be another order in doubt.
    pub(super) async fn could_be_another(
        &self,
        panel: &Panel,
        sought: &Sought,
        id: &PanelOrder,
        report: &Report,
    ) -> Result<bool, StoreError> {
        let Ok(id) = id.0.parse::<u128>() else {
            return Ok(true);
        };

        let account = panel.account();
        let around =
            RIVALS_WITHIN + TimeDelta::seconds(i64::from(panel.settings().doubts.visible_after_s));
        let asked = PanelAccount {
            provider: &panel.settings().id,
            account: &account,
        };

        let watched = clock_watch::watched_for(
            &self.store,
            sought.last_sent_at.max(sought.doubted_at),
            around,
        )
        .await?;

        let since = sought.sent_at - around;
        let rivals =
            neighbours::find_rivals(&self.store, asked, sought, since, watched.over).await?;

        let Some(others) = rivals else {
            return Ok(true);
        };

        for other in others {
            if !other.fits(report) {
                continue;
            }

            let outside = self
                .gap(panel, &other)
                .await?
                .is_some_and(|gap| id <= gap.before || id >= gap.after);

            if !outside {
                return Ok(true);
            }
        }

        Ok(false)
    }
}

/// The ids between which an order in doubt lies, if it exists.
pub(super) struct IdGap {
    pub before: u128,
    pub after: u128,
    /// Whether it would be visible by now.
    pub(super) all_visible: bool,
}

/// The ids as numbers; `None` when there are none, or one is no number.
fn as_numbers(ids: &[PanelOrder]) -> Option<Vec<u128>> {
    let numbers: Option<Vec<u128>> = ids.iter().map(|id| id.0.parse().ok()).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

/// Those of the ids that the panel has of ours. `None`: it did not speak clearly of each, in so
/// many questions.
///
/// Each question asks for our neighbours too, which the panel has: one that knows nothing of them
/// at this moment (a replica, a migration) knows nothing of an order between them either, and
/// proves nothing.
pub(super) async fn find_unclaimed(
    panel: &Panel,
    gap: &IdGap,
    ids: &[PanelOrder],
    batch: usize,
) -> Option<Vec<(PanelOrder, Report)>> {
    let [before, after] = [gap.before, gap.after].map(|id| PanelOrder(id.to_string()));
    let mut orphans = Vec::new();
    let chunk = batch.saturating_sub(2).max(1);

    for ids in ids.chunks(chunk) {
        let asked: Vec<PanelOrder> = std::iter::once(&before)
            .chain(ids)
            .chain(std::iter::once(&after))
            .cloned()
            .collect();

        let round = statuses::ask_statuses(panel, &asked, batch, statuses::QUESTIONS_MAX).await;
        if let Some(failure) = &round.ended {
            tracing::warn!(
                provider = %panel.settings().id, %failure, "a doubt could not be looked into"
            );
            return None;
        }

        // Whatever was not asked about any more has no row.
        if round.rows.len() != asked.len() {
            return None;
        }

        for (id, row) in round.rows {
            match row {
                OrderAnswer::Said(_) if id == before || id == after => {}
                OrderAnswer::Said(report) => orphans.push((id, report)),
                OrderAnswer::NotOurs { .. } if id != before && id != after => {}
                // A panel that is in trouble says nothing of the id, and nothing must follow from
                // it.
                OrderAnswer::NotOurs { .. }
                | OrderAnswer::Error { .. }
                | OrderAnswer::UnknownStatus { .. }
                | OrderAnswer::Missing => return None,
            }
        }
    }

    Some(orphans)
}
