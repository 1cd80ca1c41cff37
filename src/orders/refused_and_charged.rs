//! A refusal that may be of a second asking: whoever stands between us and a panel may ask twice
//! and show the answer to the second, and some panels take the money before they refuse. "Not
//! enough funds", "too many requests" and "active order" are what such a second asking gets.
//!
//! So such a refusal is a doubt until our balance at the panel shows that nothing was taken:
//!
//! ```text
//!  refused ─▶ in doubt, compared ─▶ nothing is missing, some seconds later ─▶ next route | parked
//!                 │    ▲    │                                                             │
//!                 │    └────┴ not read, or others are under way: looked at again          │
//!                 └──────────▶ something is missing, or an hour is over: a doubt as any ◀─┘
//! ```
//! It is measured from the last reading before the leg was first sent there. Where others that are
//! under way keep it from being seen, it is read once more in a moment in which none is sent. What
//! waits parked is compared again, from where nothing was missing, before it is asked for or leaves.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::expected_balance::CLOCKS_DIFFER;
use crate::domain::float::BalanceMove;
use crate::domain::id::LegId;
use crate::domain::leg::{LegState, Verdict};
use crate::domain::money::Money;
use crate::domain::order::OrderState;
use crate::domain::provider::RefusalClass;
use crate::domain::taken::{BalanceShows, Comparison};
use crate::orders::conclude::put_in_doubt;
use crate::orders::health::mind_verdict;
use crate::orders::{Delivery, isolate_failure};
use crate::store::legs::FIRST_CHECK;
use crate::store::refused::RefusedLeg;
use crate::store::treasury::Unsure;
use crate::store::{Store, StoreError, legs, orders, readings, refused, treasury};
use crate::upstream::Panel;

/// So long after a refusal our balance must still show nothing: a first asking may be at work when
/// its second one is refused.
pub const CHARGE_SHOWS_WITHIN: TimeDelta = TimeDelta::seconds(8);
/// How long our balance is looked at before a person must look.
const COMPARED_FOR: TimeDelta = TimeDelta::hours(1);
/// The shortest and the longest wait between two looks; in between, a quarter of what was waited.
const LOOK_AGAIN_MIN: TimeDelta = TimeDelta::seconds(3);
const LOOK_AGAIN_MAX: TimeDelta = TimeDelta::minutes(2);
/// How long it is waited for a moment in which no order is being sent; none begins meanwhile.
const QUIET_WITHIN: Duration = Duration::from_secs(5);
/// The longest that a panel which wants to be left alone is not asked for our balance.
const RESTS_MAX: TimeDelta = TimeDelta::minutes(10);
/// What a reading is measured against is no older: what lies longer ago is not known sharply.
const READING_AGE_MAX: TimeDelta = TimeDelta::hours(1);
/// How often what waits parked is compared.
const COMPARED_EVERY: TimeDelta = TimeDelta::minutes(30);
/// Legs compared in one round.
const LEGS_MAX: i64 = 500;

/// What is said of an order while our balance is to decide.
pub(super) const COMPARED: &str =
    "the panel refused it; whether our balance there fell all the same is being looked at";
/// What is said of an order that was refused while its cost is gone.
const CHARGED: &str = "the panel refused it, and our balance there fell by what it costs";
/// What is said where our balance does not tell.
const NOT_COMPARED: &str =
    "the panel refused it, and our balance there does not show whether it was charged all the same";

/// What our balance at a panel shows of a leg, and when it was read.
struct Look {
    shows: BalanceShows,
    asked_at: Timestamp,
    read_at: Timestamp,
}

impl Look {
    fn is_unclear(&self) -> bool {
        self.shows == BalanceShows::Unclear
    }
}

impl Delivery {
    /// Looks at our balance for those whose refusal is not believed yet and that are due. How many.
    pub(super) async fn compare_refused(&self, panel: &Panel) -> Result<usize, StoreError> {
        self.compare_waiting(panel, None).await
    }

    /// The same for one that was refused a moment ago: most that were charged show it at once.
    pub(super) async fn compare_just_refused(
        &self,
        panel: &Panel,
        leg: LegId,
    ) -> Result<(), StoreError> {
        self.compare_waiting(panel, Some(leg)).await.map(|_| ())
    }

    async fn compare_waiting(
        &self,
        panel: &Panel,
        only: Option<LegId>,
    ) -> Result<usize, StoreError> {
        let (provider, now) = (&panel.settings().id, self.clock.now());
        let waiting = refused::find_waiting(&self.store, provider, only, now, LEGS_MAX).await?;
        if waiting.is_empty() {
            return Ok(0);
        }

        self.read_balance_behind(panel).await?;
        let mut unclear = Vec::new();

        for leg in &waiting {
            let look = look(&self.store, leg).await?;
            let could_be_believed = self.clock.now() >= leg.refused_at + self.charge_shows_within;
            let is_unclear = look.as_ref().is_some_and(Look::is_unclear);

            if is_unclear && could_be_believed && only.is_none() {
                unclear.push(leg);
                continue;
            }

            let decided = self.decide(panel, leg, look).await;
            isolate_failure(&leg.order.to_string(), decided)?;
        }

        if !unclear.is_empty() {
            self.read_balance_in_quiet(panel).await?;
        }

        for leg in unclear {
            let look = look(&self.store, leg).await?;
            let decided = self.decide(panel, leg, look).await;
            isolate_failure(&leg.order.to_string(), decided)?;
        }

        Ok(waiting.len())
    }

    /// The same while no order is being sent there. Where that cannot be had soon, as it is.
    async fn read_balance_in_quiet(&self, panel: &Panel) -> Result<(), StoreError> {
        let _quiet = panel.quiet(QUIET_WITHIN).await;
        self.read_balance_behind(panel).await
    }

    /// Reads our balance for an order that may be bought twice otherwise, also of a panel that
    /// wants to be left alone. Where it is not told, it is read at its own time.
    pub(super) async fn read_balance_behind(&self, panel: &Panel) -> Result<(), StoreError> {
        let asked_at = self.clock.now();
        match panel.balance_despite_rest().await {
            Ok(balance) => self
                .keep_balance(panel, asked_at, Ok(balance))
                .await
                .map(|_| ()),
            Err(failure) => {
                let provider = &panel.settings().id;
                tracing::info!(%provider, %failure, "our balance was not told after a refusal");
                Ok(())
            }
        }
    }

    /// What follows for a leg from what our balance shows of it.
    async fn decide(
        &self,
        panel: &Panel,
        leg: &RefusedLeg,
        looked: Option<Look>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let waited = now - leg.refused_at;

        match looked {
            Some(Look {
                shows: BalanceShows::Taken,
                ..
            }) => self.stay_in_doubt(panel, leg, CHARGED, now).await,
            // A panel that is at work on it yet shows it a little later.
            Some(Look {
                shows: BalanceShows::Nothing,
                asked_at,
                read_at,
            }) if asked_at >= leg.refused_at + self.charge_shows_within => {
                self.believe_refusal(panel, leg, read_at).await
            }
            Some(_) | None if waited >= COMPARED_FOR => {
                self.stay_in_doubt(panel, leg, NOT_COMPARED, now).await
            }
            Some(_) | None => {
                let wait = (waited / 4).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
                let rested = panel.rests_until().filter(|_| looked.is_none());
                let rested = rested.map_or(now, |until| until.min(now + RESTS_MAX));
                let settled = leg.refused_at + self.charge_shows_within;
                let again = if settled > now { settled } else { now + wait };
                refused::look_again(&self.store, leg.leg, again.max(rested)).await
            }
        }
    }

    /// Nothing was taken: what follows is what follows from the refusal.
    async fn believe_refusal(
        &self,
        panel: &Panel,
        leg: &RefusedLeg,
        clear_until: Timestamp,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let locked = legs::lock_leg(&mut tx, leg.leg).await?;
        let awaited = refused::awaited_class(&mut tx, leg.leg, leg.attempt).await?;
        let Some(class) = awaited else { return Ok(()) };

        refused::believe_refusal(&mut tx, leg.leg, leg.attempt, clear_until).await?;
        self.conclude_refusal(&mut tx, panel.settings(), &locked, class, now)
            .await?;
        tx.commit().await?;
        tracing::info!(order = %leg.order, provider = %leg.provider,
            "a refusal is believed: our balance did not fall");

        Ok(())
    }

    /// Our balance does not show that nothing was taken: what else shows it is looked for, and at
    /// the end a person looks.
    async fn stay_in_doubt(
        &self,
        panel: &Panel,
        leg: &RefusedLeg,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let locked = legs::lock_leg(&mut tx, leg.leg).await?;

        if refused::awaited_class(&mut tx, leg.leg, leg.attempt)
            .await?
            .is_none()
        {
            return Ok(());
        }

        refused::stay_in_doubt(&mut tx, leg.leg, why, now + FIRST_CHECK).await?;
        let order = locked.order;
        orders::show_progress(&mut tx, order, OrderState::Processing, None, None).await?;
        mind_verdict(&mut tx, panel.settings(), order, &Verdict::InDoubt, now).await?;
        tx.commit().await?;
        tracing::error!(%order, provider = %leg.provider, "in doubt: {why}");

        Ok(())
    }

    /// Those of these parked legs that may be asked for again: nothing was taken for them since
    /// their refusal was believed. What was is in doubt from now on, and what cannot be told yet
    /// waits on.
    pub(super) async fn keep_uncharged(
        &self,
        panel: &Panel,
        legs: Vec<LegId>,
    ) -> Result<Vec<LegId>, StoreError> {
        let (mut may_go, unclear) = self.separate_charged(legs, None).await?;
        if unclear.is_empty() {
            return Ok(may_go);
        }

        self.read_balance_in_quiet(panel).await?;
        let (after_all, _) = self.separate_charged(unclear, None).await?;
        may_go.extend(after_all);

        Ok(may_go)
    }

    /// What waits parked for long is looked at now and then, so that what it is measured against is
    /// still known when it may go.
    pub(super) async fn keep_compared(&self, legs: Vec<LegId>) -> Result<(), StoreError> {
        let long_ago = self.clock.now() - COMPARED_EVERY;
        self.separate_charged(legs, Some(long_ago))
            .await
            .map(|_| ())
    }

    /// The same by what was read last, and those of which it does not tell. Where a moment is given,
    /// only those that were compared before it are compared.
    async fn separate_charged(
        &self,
        legs: Vec<LegId>,
        compared_before: Option<Timestamp>,
    ) -> Result<(Vec<LegId>, Vec<LegId>), StoreError> {
        let (mut may_go, mut unclear) = (legs, Vec::new());

        for leg in refused::find_cleared(&self.store, &may_go, compared_before).await? {
            let Some(Look { shows, read_at, .. }) = look(&self.store, &leg).await? else {
                // Where the clock was set back, nothing is newer than what was read before it was.
                let was_set_back = leg
                    .clear_until
                    .is_some_and(|clear| clear > self.clock.now());

                if was_set_back {
                    tracing::warn!(order = %leg.order, provider = %leg.provider,
                        "the clock was set back; our balance is not compared again");
                } else {
                    may_go.retain(|other| *other != leg.leg);
                }

                continue;
            };

            match shows {
                BalanceShows::Nothing => {
                    refused::stay_clear(&self.store, &[leg.leg], read_at).await?;
                }
                // Somebody paid in, which is what many of them wait for.
                BalanceShows::More => {
                    tracing::info!(order = %leg.order, provider = %leg.provider,
                        "our balance rose while an order waited");
                    refused::stay_clear(&self.store, &[leg.leg], read_at).await?;
                }
                BalanceShows::Taken => {
                    self.doubt_parked(&leg).await?;
                    may_go.retain(|other| *other != leg.leg);
                }
                BalanceShows::Unclear => {
                    may_go.retain(|other| *other != leg.leg);
                    unclear.push(leg.leg);
                }
            }
        }

        Ok((may_go, unclear))
    }

    /// Whether a parked leg may leave its panel, by what was read there last.
    pub(super) async fn may_leave(&self, leg: LegId) -> Result<bool, StoreError> {
        for leg in refused::find_cleared(&self.store, &[leg], None).await? {
            let looked = look(&self.store, &leg).await?;
            if looked.is_some_and(|look| look.shows == BalanceShows::Taken) {
                self.doubt_parked(&leg).await?;
                return Ok(false);
            }
        }

        Ok(true)
    }

    /// What was taken for a leg that waits parked shows late: it is in doubt, and nothing is
    /// bought.
    async fn doubt_parked(&self, leg: &RefusedLeg) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let locked = legs::lock_leg(&mut tx, leg.leg).await?;

        if locked.state != LegState::Parked || locked.attempt != leg.attempt {
            return Ok(());
        }

        refused::disbelieve_refusal(&mut tx, leg.leg, leg.attempt).await?;
        put_in_doubt(&mut tx, &locked, CHARGED, now).await?;
        tx.commit().await?;
        tracing::error!(order = %leg.order, provider = %leg.provider, "in doubt: {CHARGED}");

        Ok(())
    }
}

/// What the newest reading of our balance shows of a leg; `None` where none was read since.
async fn look(store: &Store, leg: &RefusedLeg) -> Result<Option<Look>, StoreError> {
    let provider = &leg.provider;
    let mut tx = treasury::begin_comparison(store).await?;
    let until = leg.base_until();
    let oldest = until - READING_AGE_MAX;
    let around = readings::readings_around(&mut tx, provider, oldest, until).await?;
    let Some(around) = around else {
        return Ok(None);
    };

    let since = around.before.first().map_or(until, |first| first.asked_at) - CLOCKS_DIFFER;

    // At the prices that are known, and as if what is in doubt had been taken when it was sent.
    let unsure = Unsure {
        visible_after_s: 0,
        untold_percent: 0,
    };

    let mut others = treasury::known_moves(&mut tx, provider, since, 0).await?;
    others.extend(treasury::possible_moves(&mut tx, provider, unsure).await?);
    others.retain(|moved| moved.order != leg.order);

    for name in refused::find_names_of_account(&mut tx, provider).await? {
        let mut moves = treasury::known_moves(&mut tx, &name, since, 0).await?;
        moves.extend(treasury::possible_moves(&mut tx, &name, unsure).await?);

        // Its lease is another one's, and so may the clock be.
        others.extend(moves.into_iter().map(|moved| BalanceMove {
            epoch: None,
            ..moved
        }));
    }

    let others: Vec<_> = others.into_iter().map(without_untold_refunds).collect();

    let (asked_at, read_at) = (around.newest.asked_at, around.newest.at);
    let last_place = Money::last_place(around.decimals);

    let comparison = Comparison {
        cost: leg.cost,
        newest: &around.newest,
        others: &others,
        last_place,
    };

    let shows = comparison
        .against(&around.before)
        .map_err(|_| StoreError::Unexpected("an amount that the books cannot hold"))?;

    Ok(Some(Look {
        shows,
        asked_at,
        read_at,
    }))
}

/// What may have come back is not counted on: it would explain anything.
fn without_untold_refunds(moved: BalanceMove) -> BalanceMove {
    let is_told = moved.is_sure() || moved.most.is_negative();
    if is_told {
        moved
    } else {
        BalanceMove {
            least: moved.least.max(Money::ZERO),
            ..moved
        }
    }
}

/// For which refusal our balance is looked at: one that a panel says of an order that it has, when
/// it is asked for it once more.
pub(super) fn class_to_compare(verdict: &Verdict) -> Option<RefusalClass> {
    match verdict {
        Verdict::Refused(
            class @ (RefusalClass::Money | RefusalClass::RateLimit | RefusalClass::Active),
        ) => Some(*class),
        Verdict::Refused(
            RefusalClass::Key
            | RefusalClass::Action
            | RefusalClass::Service
            | RefusalClass::Link
            | RefusalClass::Quantity
            | RefusalClass::Parameters,
        )
        | Verdict::Accepted(_)
        | Verdict::NeverSent
        | Verdict::InDoubt => None,
    }
}
