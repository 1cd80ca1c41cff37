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
//! under way keep it from being seen, it is read once more in a moment in which none is sent.
//!
//! What waits parked after it is compared once more, two minutes after the refusal and from where
//! nothing was missing: before that it is neither asked for again, nor leaves, nor is given back.

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
use crate::orders::conclude::{doubt_leg, put_in_doubt};
use crate::orders::health::mind_verdict;
use crate::orders::{Delivery, isolate_failure};
use crate::store::legs::{FIRST_CHECK, LockedLeg};
use crate::store::refused::RefusedLeg;
use crate::store::treasury::Unsure;
use crate::store::{Store, StoreError, Tx, legs, orders, readings, refused, treasury};
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
/// How long it is waited for a panel that does not tell our balance, before what waits parked may
/// leave it.
const TOLD_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// How many times as long a late charge is looked for where an order waits parked: two minutes.
const LATE_TIMES: i32 = 15;
/// Legs compared in one round.
const LEGS_MAX: i64 = 500;

/// What is said of an order while our balance is to decide.
pub(super) const COMPARED: &str =
    "the panel refused it; whether our balance there fell all the same is being looked at";
/// What is said of an order that waits parked while our balance does not tell yet.
const UNSETTLED: &str =
    "waits: whether our balance at the panel fell all the same is not seen yet, an hour at most";
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
    /// Whether it does not tell.
    fn is_unclear(&self) -> bool {
        self.shows == BalanceShows::Unclear
    }
}

impl Delivery {
    /// Looks at our balance for those whose refusal is not believed yet and that are due. How many.
    pub(super) async fn compare_refused(&self, panel: &Panel) -> Result<usize, StoreError> {
        let settled = self.settle_parked(panel).await?;
        Ok(settled + self.compare_waiting(panel, None).await?)
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
            let look = look(&self.store, leg, panel).await?;
            let could_be_believed = self.clock.now() >= leg.refused_at + self.shows_within(leg);
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
            let look = look(&self.store, leg, panel).await?;
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
            }) if asked_at >= leg.refused_at + self.shows_within(leg) => {
                let is_late = asked_at >= leg.refused_at + self.late_charges_within();
                let clear_until = (!is_late).then_some(read_at);
                self.believe_refusal(panel, leg, clear_until).await
            }
            Some(_) | None if waited >= COMPARED_FOR || is_elsewhere(leg, panel) => {
                self.stay_in_doubt(panel, leg, NOT_COMPARED, now).await
            }
            Some(_) | None => {
                let wait = (waited / 4).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
                let rested = panel.rests_until().filter(|_| looked.is_none());
                let rested = rested.map_or(now, |until| until.min(now + RESTS_MAX));
                let settled = leg.refused_at + self.shows_within(leg);
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
        clear_until: Option<Timestamp>,
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

        // What cannot be seen says nothing of the panel's health.
        if why == CHARGED {
            mind_verdict(&mut tx, panel.settings(), order, &Verdict::InDoubt, now).await?;
        }

        tx.commit().await?;
        tracing::error!(%order, provider = %leg.provider, "in doubt: {why}");

        Ok(())
    }

    /// Settles what waits parked and was refused so long ago that a charge would show: it may go,
    /// here or elsewhere, from then on. How many were looked at.
    async fn settle_parked(&self, panel: &Panel) -> Result<usize, StoreError> {
        let (provider, now) = (&panel.settings().id, self.clock.now());
        let refused_max = now - self.late_charges_within();

        let legs =
            refused::find_to_settle(&self.store, provider, refused_max, now, LEGS_MAX).await?;

        if legs.is_empty() {
            return Ok(0);
        }

        self.read_balance_in_quiet(panel).await?;
        for leg in &legs {
            let settled = self.settle_one_parked(panel, leg).await;
            isolate_failure(&leg.order.to_string(), settled)?;
        }

        Ok(legs.len())
    }

    async fn settle_one_parked(&self, panel: &Panel, leg: &RefusedLeg) -> Result<(), StoreError> {
        let now = self.clock.now();
        let looked = look(&self.store, leg, panel).await?;

        // What was read before the two minutes were over tells nothing new.
        let settled_from = leg.refused_at + self.late_charges_within();
        let is_old = looked
            .as_ref()
            .is_some_and(|look| look.asked_at < settled_from);

        match looked.map(|look| look.shows) {
            Some(BalanceShows::Taken) => self.doubt_parked(leg, CHARGED).await,
            None if is_elsewhere(leg, panel) => self.doubt_parked(leg, NOT_COMPARED).await,
            // More is there where somebody paid in, which is what many of them wait for.
            Some(BalanceShows::Nothing | BalanceShows::More) if !is_old => {
                refused::settle(&self.store, leg.leg, leg.attempt).await
            }
            // Of a panel that tells nothing any more, what was read seconds after the refusal is
            // all that there will be.
            Some(BalanceShows::Nothing | BalanceShows::More) | None
                if now - leg.refused_at >= self.late_charges_within() + TOLD_WITHIN =>
            {
                refused::settle(&self.store, leg.leg, leg.attempt).await
            }
            Some(BalanceShows::Unclear) if now - leg.refused_at >= COMPARED_FOR => {
                self.doubt_parked(leg, NOT_COMPARED).await
            }
            Some(_) | None => {
                let wait = ((now - leg.refused_at) / 4).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
                let at = now + wait;
                refused::settle_later(&self.store, leg.leg, leg.attempt, UNSETTLED, at).await
            }
        }
    }

    /// So long after a refusal a charge for it must show before it is believed: longer where it
    /// waited parked, and is wanted back now.
    fn shows_within(&self, leg: &RefusedLeg) -> TimeDelta {
        if leg.clear_until.is_some() {
            self.late_charges_within()
        } else {
            self.charge_shows_within
        }
    }

    /// So long after a refusal a charge for it must show, of what waits parked: nobody is in a
    /// hurry there.
    fn late_charges_within(&self) -> TimeDelta {
        self.charge_shows_within * LATE_TIMES
    }

    /// What was taken for a leg that waits parked shows late, or may have been: it is in doubt, and
    /// nothing is bought.
    async fn doubt_parked(&self, leg: &RefusedLeg, why: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let locked = legs::lock_leg(&mut tx, leg.leg).await?;

        if locked.state != LegState::Parked || locked.attempt != leg.attempt {
            return Ok(());
        }

        refused::disbelieve_refusal(&mut tx, leg.leg, leg.attempt).await?;
        put_in_doubt(&mut tx, &locked, why, now).await?;
        tx.commit().await?;
        tracing::error!(order = %leg.order, provider = %leg.provider, "in doubt: {why}");

        Ok(())
    }
}

/// What the newest reading of our balance shows of a leg; `None` where none was read since, or it
/// is another account's.
async fn look(store: &Store, leg: &RefusedLeg, panel: &Panel) -> Result<Option<Look>, StoreError> {
    let provider = &leg.provider;
    if is_elsewhere(leg, panel) {
        return Ok(None);
    }

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

/// Whether another account was asked for it than the one that is asked now.
fn is_elsewhere(leg: &RefusedLeg, panel: &Panel) -> bool {
    let account = panel.account();
    leg.account.as_ref().is_some_and(|asked| *asked != account)
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

/// What waits parked and is wanted back is compared once more first, where a late charge would
/// still be noticed. Whether it is.
pub(super) async fn compare_wanted(
    tx: &mut Tx,
    leg: &LockedLeg,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some((class, _)) = leg.parked.filter(|_| leg.may_be_charged) else {
        return Ok(false);
    };

    refused::disbelieve_refusal(tx, leg.id, leg.attempt).await?;
    doubt_leg(tx, leg, COMPARED, now).await?;
    refused::await_comparison(tx, leg.id, class, now).await?;
    Ok(true)
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
