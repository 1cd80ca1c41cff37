//! Tracking: panels are asked about what they have of ours, often while it is young; their last
//! word settles.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId};
use crate::domain::leg::LegState;
use crate::domain::provider::PanelAddress;
use crate::domain::provider::ProviderSettings;
use crate::domain::settlement::SettlementOutcome;
use crate::orders::moved::{MAY_BE_A_DOUBTS, OrderOwner};
use crate::orders::news::News;
use crate::orders::said::{ERROR_SEEN, PanelReport, is_silent};
use crate::orders::statuses::{self, Round};
use crate::orders::{Delivery, ELSEWHERE, isolate_failure};
use crate::store::legs::Afterwards;
use crate::store::tracked_legs::{self, DuePoll, Worth};
use crate::store::{StoreError, Tx, legs, orders, panel_orders, statuses as statuses_of};
use crate::upstream::{OrderAnswer, Panel};

/// How long a panel is given after a round that failed, at most.
const NEXT_ROUND_S_MAX: i64 = 60;
/// How long it is remembered that a panel answers no larger batches.
pub const BATCH_REMEMBERED: TimeDelta = TimeDelta::hours(24);
/// Within so long a panel must have told of another order before the silence about one is that
/// order's.
pub(super) const NEWS_ARE_FRESH: TimeDelta = TimeDelta::hours(1);

/// After an order's end, when its panel is asked whether it stands by its word.
pub(super) const AFTER_THE_END: [TimeDelta; 4] = [
    TimeDelta::hours(1),
    TimeDelta::hours(6),
    TimeDelta::hours(24),
    TimeDelta::hours(72),
];

impl Delivery {
    /// Asks a panel about the orders that are due there, one batch. How many were asked about.
    pub async fn track(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        if Self::is_left_alone(panel) {
            return Ok(0);
        }

        let settings = panel.settings();
        let now = self.clock.now();

        // Until this answer is written down nobody else asks about these; should this process die,
        // they are due again.
        let meanwhile = now + TimeDelta::seconds(i64::from(settings.status_every_s).max(1));
        let batch = i64::from(settings.status_batch_max);
        let due =
            tracked_legs::claim_due_polls(&self.store, &settings.id, epoch, batch, meanwhile, now)
                .await?;

        if due.is_empty() {
            return Ok(0);
        }

        let legs = due.iter().map(|due| (due.leg, &due.panel_order));
        let here = PanelAddress {
            provider: &settings.id,
            address: &panel.address(),
        };

        let elsewhere = panel_orders::ids_elsewhere(&self.store, here, legs).await?;

        let (elsewhere, here): (Vec<_>, Vec<_>) =
            due.iter().partition(|due| elsewhere.contains(&due.leg));

        for due in elsewhere {
            isolate_failure(
                &format!("of leg {}", due.leg),
                self.pass_over(settings, due, ELSEWHERE, now).await,
            )?;
        }

        if here.is_empty() {
            return Ok(due.len());
        }

        let round = self.ask_where(panel, &here).await?;
        let now = self.clock.now();
        let mut unchanged = Vec::new();

        for (order, row) in &round.rows {
            let Some(due) = here.iter().copied().find(|due| due.panel_order == *order) else {
                continue;
            };

            let said = PanelReport::of(row, due.exchange, &settings.currency);
            let next_at = next_ask(settings, due.accepted_at, now);
            if due.ended_at.is_none() && said.text == due.seen && !said.puzzles {
                unchanged.push((due.leg, next_at));
                continue;
            }

            let outcome = self.hear(panel, due, row, &said, now).await;
            isolate_failure(&format!("of leg {}", due.leg), outcome)?;
        }

        tracked_legs::put_off_all(&self.store, &unchanged, meanwhile).await?;
        Ok(if round.ended.is_some() { 0 } else { due.len() })
    }

    /// One order's news, whatever becomes of the others'.
    async fn hear(
        &self,
        panel: &Panel,
        due: &DuePoll,
        row: &OrderAnswer,
        said: &PanelReport,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let settings = panel.settings();
        match self.speaks_of(panel, due, row).await? {
            OrderOwner::Its => {}
            OrderOwner::UnderWay => return Ok(()),
            OrderOwner::ADoubts => {
                return self.pass_over(settings, due, MAY_BE_A_DOUBTS, now).await;
            }
        }

        match due.ended_at {
            None => {
                self.apply(
                    settings,
                    due,
                    said,
                    next_ask(settings, due.accepted_at, now),
                    now,
                )
                .await
            }
            Some(ended_at) => self.look_back(settings, due, said, ended_at, now).await,
        }
    }

    /// How many orders a panel is asked about in one question: as many as it is known to answer.
    pub(super) async fn status_batch(
        &self,
        settings: &ProviderSettings,
    ) -> Result<u32, StoreError> {
        let learned_min = self.clock.now() - BATCH_REMEMBERED;
        let learned = statuses_of::batch_learned(&self.store, &settings.id, learned_min).await?;
        Ok(learned.map_or(settings.status_batch_max, |learned| {
            learned.min(settings.status_batch_max)
        }))
    }

    /// One round of questions about what is due, and what it tells of the panel itself.
    async fn ask_where(&self, panel: &Panel, due: &[&DuePoll]) -> Result<Round, StoreError> {
        let settings = panel.settings();
        let batch = self.status_batch(settings).await?;

        // Of what said nothing when it was asked last, others' news do not wait.
        let (told, silent): (Vec<&DuePoll>, Vec<&DuePoll>) =
            due.iter().copied().partition(|due| !is_silent(&due.seen));

        let ids: Vec<_> = told
            .iter()
            .chain(&silent)
            .map(|due| due.panel_order.clone())
            .collect();

        let mut round =
            statuses::ask_statuses(panel, &ids, batch as usize, statuses::QUESTIONS_MAX).await;

        let now = self.clock.now();
        let wait =
            TimeDelta::seconds(i64::from(settings.status_every_s).clamp(1, NEXT_ROUND_S_MAX));

        if let Some(batch) = round
            .batch_learned
            .and_then(|batch| u32::try_from(batch).ok())
        {
            tracing::warn!(provider = %settings.id, batch,
                "the panel answers no larger status questions: it is asked in such for a day");
            statuses_of::learn_batch(&self.store, &settings.id, batch, now).await?;
        }

        if let Some(failure) = &round.ended {
            tracing::warn!(provider = %settings.id, orders = ids.len(), told = round.rows.len(),
                %failure, "a panel gave no more statuses");
        }

        let again_at = round.ended.as_ref().map(|_| now + wait);
        if round.spoke {
            statuses_of::round_worked(&self.store, &settings.id, again_at).await?;
        } else {
            statuses_of::round_failed(&self.store, &settings.id, again_at.unwrap_or(now)).await?;
        }

        // Whoever failed first is not first again; while the panel tells of others, it is this
        // order that is silent.
        let failed = round
            .failed_alone
            .as_ref()
            .and_then(|order| due.iter().find(|due| due.panel_order == *order));

        if let (Some(failed), Some(failure)) = (failed, &round.ended) {
            if statuses_of::speaks_of_others(
                &self.store,
                &settings.id,
                failed.leg,
                now - NEWS_ARE_FRESH,
            )
            .await?
            {
                round.rows.push((
                    failed.panel_order.clone(),
                    OrderAnswer::Error {
                        text: failure.words.clone(),
                    },
                ));
            }

            tracked_legs::ask_after_others(&self.store, failed.leg, now + wait * 2).await?;
        }

        Ok(round)
    }

    /// Whose order the panel speaks of: one in doubt may have got the id since its address changed.
    async fn speaks_of(
        &self,
        panel: &Panel,
        due: &DuePoll,
        row: &OrderAnswer,
    ) -> Result<OrderOwner, StoreError> {
        match row {
            OrderAnswer::Said(report) => {
                self.whose_end(panel, due.leg, &due.panel_order, report)
                    .await
            }
            OrderAnswer::UnknownStatus { .. }
            | OrderAnswer::NotOurs { .. }
            | OrderAnswer::Error { .. }
            | OrderAnswer::Missing => Ok(OrderOwner::Its),
        }
    }

    /// The panel there knows another order by its id, or may do so: a person looks after it, and
    /// nothing is learned of it here.
    async fn pass_over(
        &self,
        settings: &ProviderSettings,
        due: &DuePoll,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let leg = legs::lock_leg(&mut tx, due.leg).await?;

        if !tracked_legs::is_still_asked(&mut tx, due).await? {
            return Ok(());
        }

        match (leg.state, due.ended_at) {
            // As an id that the panel does not know: a person may give it another.
            (LegState::Accepted, _) => {
                let (seen, next_at) = (
                    format!("{ERROR_SEEN}{why}"),
                    next_ask(settings, due.accepted_at, now),
                );

                tracked_legs::put_off(&mut tx, leg.id, &seen, None, next_at, Worth::Silent, now)
                    .await?;
                ask_a_person(&mut tx, leg.order, leg.id, why).await?;
            }
            (LegState::Ended, Some(ended_at)) => match afterwards(due, ended_at) {
                Afterwards::AskAt(at) => tracked_legs::look_later(&mut tx, leg.id, at).await?,
                Afterwards::Nothing => {
                    tracing::warn!(order = %leg.order, provider = %settings.id,
                        "nobody looks back any more: {why}");
                    tracked_legs::forget_poll(&mut tx, leg.id).await?;
                }
            },
            (_, _) => {}
        }

        tx.commit().await?;
        Ok(())
    }

    /// One order's news, in one commit: leg, then order, then wallet.
    async fn apply(
        &self,
        settings: &ProviderSettings,
        due: &DuePoll,
        said: &PanelReport,
        next_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let leg = legs::lock_leg(&mut tx, due.leg).await?;

        // A person may have given it another id since it was asked about, or settled it.
        if leg.state != LegState::Accepted || !tracked_legs::is_still_asked(&mut tx, due).await? {
            return Ok(());
        }

        let order = orders::lock_order(&mut tx, leg.order).await?;
        let news = News {
            settings,
            due,
            leg: &leg,
            order: &order,
            said,
            now,
        };

        news.note_price(&mut tx).await?;
        match said.outcome(settings, due, &leg, order.bought, now)? {
            SettlementOutcome::Open(state) => {
                let (start, remains) = said.counts();
                orders::show_progress(&mut tx, order.id, state, start, remains).await?;
                orders::clear_review(&mut tx, order.id).await?;

                news.put_off(&mut tx, next_at, Worth::Clear).await?;
            }
            // Nothing goes back for what may be delivered where it is too: a person says what
            // became of both.
            SettlementOutcome::End(ending)
                if ending.target.is_positive()
                    && orders::is_there_twice(&mut tx, order.id).await? =>
            {
                news.put_off(&mut tx, next_at, Worth::Puzzling).await?;

                news.note_said(&mut tx).await?;
            }
            SettlementOutcome::End(ending) => {
                news.end(&mut tx, ending, Afterwards::AskAt(now + AFTER_THE_END[0]))
                    .await?;
            }
            SettlementOutcome::AskAgain(why) => news.puzzled(&mut tx, next_at, why).await?,
            SettlementOutcome::Review(why) => {
                news.put_off(&mut tx, next_at, Worth::Puzzling).await?;

                news.ask_a_person(&mut tx, why).await?;
            }
            SettlementOutcome::Contradiction(why) => {
                news.put_off(&mut tx, next_at, Worth::Puzzling).await?;

                news.contradicts(&mut tx, why).await?;
            }
        }

        tx.commit().await?;
        Ok(())
    }

    /// An order that is over is looked at a few times more: panels think better of it. A new end
    /// settles anew; a word that ends nothing changes nothing.
    async fn look_back(
        &self,
        settings: &ProviderSettings,
        due: &DuePoll,
        said: &PanelReport,
        ended_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let leg = legs::lock_leg(&mut tx, due.leg).await?;
        if leg.state != LegState::Ended || !tracked_legs::is_still_asked(&mut tx, due).await? {
            return Ok(());
        }

        let order = orders::lock_order(&mut tx, leg.order).await?;
        let news = News {
            settings,
            due,
            leg: &leg,
            order: &order,
            said,
            now,
        };

        news.note_price(&mut tx).await?;
        let afterwards = afterwards(due, ended_at);

        match said.outcome(settings, due, &leg, order.bought, now)? {
            SettlementOutcome::End(ending)
                if ending.target.is_positive()
                    && orders::is_there_twice(&mut tx, order.id).await? =>
            {
                look_again(&mut tx, leg.id, afterwards, now).await?;
                news.note_said(&mut tx).await?;
            }
            SettlementOutcome::End(ending) => news.end(&mut tx, ending, afterwards).await?,
            // The panel works on it again: it is followed until it ends again, and nothing moves
            // before.
            SettlementOutcome::Open(_) => {
                tracing::warn!(order = %order.id, provider = %settings.id, status = %said.text,
                    "a panel reopened an order that was over");
                news.reopened(&mut tx).await?;
                let next_at = next_ask(settings, due.accepted_at, now);

                news.put_off(&mut tx, next_at, Worth::Clear).await?;
            }
            SettlementOutcome::AskAgain(why) => {
                look_again(&mut tx, leg.id, afterwards, now).await?;

                // Nobody asks any more, and its last word was that the order did not end well.
                if afterwards == Afterwards::Nothing
                    && matches!(said.worth(), Worth::Puzzling | Worth::Failing)
                {
                    news.ask_a_person(&mut tx, why).await?;
                }
            }
            SettlementOutcome::Review(why) => {
                look_again(&mut tx, leg.id, afterwards, now).await?;
                news.ask_a_person(&mut tx, why).await?;
            }
            SettlementOutcome::Contradiction(why) => {
                look_again(&mut tx, leg.id, afterwards, now).await?;
                news.contradicts(&mut tx, why).await?;
            }
        }

        tx.commit().await?;
        Ok(())
    }
}

/// What becomes of an order that is over after this look at it.
fn afterwards(due: &DuePoll, ended_at: Timestamp) -> Afterwards {
    let next = usize::try_from(due.checks + 1)
        .ok()
        .and_then(|check| AFTER_THE_END.get(check));

    next.map_or(Afterwards::Nothing, |wait| {
        Afterwards::AskAt(ended_at + *wait)
    })
}

/// An order that is over is looked at once more, or never again.
async fn look_again(
    tx: &mut Tx,
    leg: LegId,
    afterwards: Afterwards,
    now: Timestamp,
) -> Result<(), StoreError> {
    match afterwards {
        Afterwards::AskAt(at) => tracked_legs::after_the_end(tx, leg, at, false, now).await,
        Afterwards::Nothing => tracked_legs::forget_poll(tx, leg).await,
    }
}

/// A person is to look at the order; told once.
pub(super) async fn ask_a_person(
    tx: &mut Tx,
    order: OrderId,
    leg: LegId,
    why: &str,
) -> Result<(), StoreError> {
    if orders::flag_for_review(tx, order, why).await? {
        tracing::warn!(%order, %leg, why, "an order waits for a person");
    }
    Ok(())
}

/// When an order is asked about next: often while it is young, rarely when it is old.
pub fn next_ask(settings: &ProviderSettings, accepted_at: Timestamp, now: Timestamp) -> Timestamp {
    let age = now - accepted_at;
    let times = match age {
        age if age < TimeDelta::minutes(2) => 1,
        age if age < TimeDelta::hours(1) => 4,
        age if age < TimeDelta::hours(24) => 20,
        _ => 120,
    };

    now + TimeDelta::seconds(i64::from(settings.status_every_s).saturating_mul(times))
}
