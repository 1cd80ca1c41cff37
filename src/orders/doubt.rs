//! Doubts are looked into: what a panel still shows of an order may tell whether it has it.
//!
//! A panel that knows adds by their names is asked again (`again.rs`). To no other is anything sent
//! again.
//!
//! Where the panel's ids grow and nobody else orders with our key there, the order in doubt, if it
//! exists, has an id between those of our orders before and after it. Asking for the status of the
//! ids between is free: exactly one that is ours, belongs to no other leg and fits is the order;
//! none, when all of them must be visible by now, is a proof that nothing was placed. Anything else
//! proves nothing and waits, at the end for a person.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::doubt::{DoubtCheck, DoubtVerdict, Sought};
use crate::domain::id::PanelOrder;
use crate::domain::leg::LegState;
use crate::domain::provider::{InDoubtPolicy, ProviderSettings};
use crate::ledger;
use crate::orders::again::Repeat;
use crate::orders::{Delivery, id_gap, isolate_failure, settle, track};
use crate::store::clock_watch;
use crate::store::doubts::IDS_SHOW;
use crate::store::gates::{self, DoubtPatience};
use crate::store::legs::{LockedLeg, Transition};
use crate::store::neighbours::{self, PanelPlace};
use crate::store::panel_orders::Witness;
use crate::store::{StoreError, Tx, cancels, doubts, late, legs, orders, taken_back};
use crate::upstream::Panel;

/// How soon a moment that has come was seen by whoever watches the clock.
const SEEN_WITHIN: TimeDelta = TimeDelta::seconds(5);
/// Doubts looked into in one round.
const DOUBTS_MAX: i64 = 20;
/// The widest gap between two of our orders at a panel that is searched.
const IDS_MAX: u128 = 1_000;

/// What a person is told who must look for it.
const OF_ANOTHER_ACCOUNT: &str =
    "it was sent under another address or key of the panel; look for it there";

/// What the ids do not decide against a person's word.
const FOR_A_PERSON: &str =
    "nothing of it lies between its neighbours, but a person took back that it was not placed";

/// What a look at a panel showed.
#[derive(Debug)]
enum SearchResult {
    Placed(PanelOrder),
    NotPlaced,
    Unknown(&'static str),
}

impl Delivery {
    /// Looks into the doubts that are due at a panel. How many were.
    pub async fn look_into_doubts(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        let compared = self.compare_refused(panel).await?;
        if Self::is_left_alone(panel) {
            return Ok(compared);
        }

        let settings = panel.settings();
        let patience = match settings.doubts.policy {
            InDoubtPolicy::RefundAfterH(hours) => Some(TimeDelta::hours(i64::from(hours))),
            InDoubtPolicy::Hold => None,
        };

        let due = doubts::claim_due_doubts(
            &self.store,
            &settings.id,
            epoch,
            DOUBTS_MAX,
            patience,
            self.clock.now(),
        )
        .await?;

        for sought in &due {
            isolate_failure(
                &sought.order.to_string(),
                self.look_into(panel, sought, epoch).await,
            )?;
        }

        Ok(compared + due.len())
    }

    async fn look_into(
        &self,
        panel: &Panel,
        sought: &Sought,
        epoch: i64,
    ) -> Result<(), StoreError> {
        let settings = panel.settings();
        let asked = neighbours::account_asked(&self.store, sought.leg).await?;
        if asked.is_some_and(|account| account != panel.account()) {
            self.flag_as_elsewhere(sought).await?;
            return self.lose_patience(settings, sought).await;
        }

        let repeat = self.ask_again(panel, sought, epoch).await?;
        if repeat == Repeat::EndedTheDoubt {
            return Ok(());
        }

        // What was asked for again a moment ago need not be visible yet: its ids are looked at
        // another time.
        let looks_at_ids = settings.doubts.ids_grow && settings.doubts.account_is_ours_alone;
        if looks_at_ids && repeat == Repeat::NotAsked {
            let found = self.look_for(panel, sought).await?;
            tracing::info!(
                order = %sought.order, provider = %settings.id, ?found, "a doubt was looked into"
            );

            if self.learned(settings, sought, &found).await? {
                return Ok(());
            }
        }

        self.lose_patience(settings, sought).await
    }

    /// Gives a doubt up that nothing ended for as long as the operator waits.
    async fn lose_patience(
        &self,
        settings: &ProviderSettings,
        sought: &Sought,
    ) -> Result<(), StoreError> {
        match settings.doubts.policy {
            InDoubtPolicy::RefundAfterH(hours) if self.patience_is_over(sought, hours).await? => {
                self.write_off(sought).await
            }
            InDoubtPolicy::RefundAfterH(_) | InDoubtPolicy::Hold => Ok(()),
        }
    }

    /// Whether a doubt was waited for as long as the operator says. Never while a backup that was
    /// put in place is frozen: its customers may have what they paid for, by whoever went on
    /// with the original.
    async fn patience_is_over(&self, sought: &Sought, hours: u32) -> Result<bool, StoreError> {
        match gates::doubt_patience(&self.store).await? {
            DoubtPatience::Endless => Ok(false),
            DoubtPatience::From(moment) => {
                let since =
                    moment.map_or(sought.doubted_at, |moment| moment.max(sought.doubted_at));

                let watched = clock_watch::watched_for(
                    &self.store,
                    since,
                    TimeDelta::hours(i64::from(hours)),
                )
                .await?;

                if !watched.is_over() {
                    // The clock ran ahead of what was seen of it: the moment comes later than it
                    // was due.
                    doubts::look_again(
                        &self.store,
                        sought.leg,
                        watched.over + SEEN_WITHIN,
                        self.clock.now(),
                    )
                    .await?;
                }

                Ok(watched.is_over())
            }
        }
    }

    /// The panel's block names another address or account since: that one knows nothing of it, and
    /// would take what is asked for again as new. A person looks at the other one.
    async fn flag_as_elsewhere(&self, sought: &Sought) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let leg = legs::lock_leg(&mut tx, sought.leg).await?;
        if leg.state != LegState::InDoubt {
            return Ok(());
        }

        if orders::flag_for_review(&mut tx, leg.order, OF_ANOTHER_ACCOUNT).await? {
            tracing::warn!(order = %leg.order, provider = %leg.route.provider,
                "a doubt waits for a person: {OF_ANOTHER_ACCOUNT}");
        }

        tx.commit().await?;
        Ok(())
    }

    /// Asks the panel about every id that the order can have.
    async fn look_for(&self, panel: &Panel, sought: &Sought) -> Result<SearchResult, StoreError> {
        let settings = panel.settings();
        let provider = &settings.id;
        if doubts::anything_under_way(&self.store, provider).await? {
            return Ok(SearchResult::Unknown(
                "other orders are on their way to the panel",
            ));
        }

        if neighbours::history_is_missing(&self.store, provider, sought.sent_at).await? {
            return Ok(SearchResult::Unknown(
                "a backup was restored: orders of ours that it does not know may be found",
            ));
        }

        let Some(gap) = self.gap(panel, sought).await? else {
            return Ok(SearchResult::Unknown(
                "no neighbours of ours are known at the panel yet",
            ));
        };

        if gap.after - gap.before > IDS_MAX {
            return Ok(SearchResult::Unknown(
                "too many ids lie between our neighbours at the panel",
            ));
        }

        let ids: Vec<String> = (gap.before + 1..gap.after)
            .map(|id| id.to_string())
            .collect();

        let (address, account) = (panel.address(), panel.account());
        let place = PanelPlace {
            provider,
            address: &address,
            account: &account,
        };

        let known = neighbours::find_known(&self.store, place, &ids).await?;
        let (here, elsewhere): (Vec<_>, Vec<_>) = known.into_iter().partition(|known| known.here);
        let here: BTreeSet<PanelOrder> = here.into_iter().map(|known| known.id).collect();

        let unknown: Vec<_> = ids
            .into_iter()
            .map(PanelOrder)
            .filter(|id| !here.contains(id))
            .collect();

        let batch = self.status_batch(settings).await?;
        let Some(orphans) = id_gap::find_unclaimed(panel, &gap, &unknown, batch as usize).await
        else {
            return Ok(SearchResult::Unknown(
                "the panel did not answer about every id, or not even about our neighbours",
            ));
        };

        // The panel may have moved, and then the order that it shows is that other one of ours; or
        // the id came to mean another order at another panel.
        if orphans
            .iter()
            .any(|(id, _)| elsewhere.iter().any(|known| known.id == *id))
        {
            return Ok(SearchResult::Unknown(
                "an order was found under an id that one of ours had at another address",
            ));
        }

        let fitting: Vec<_> = orphans
            .iter()
            .filter(|(_, report)| sought.fits(report))
            .collect();

        match (fitting.as_slice(), orphans.is_empty()) {
            ([(id, report)], _) => {
                if self.could_be_another(panel, sought, id, report).await? {
                    return Ok(SearchResult::Unknown(
                        "what was found fits another doubt too",
                    ));
                }

                Ok(SearchResult::Placed(id.clone()))
            }
            ([], true) if gap.all_visible => Ok(SearchResult::NotPlaced),
            ([], true) => Ok(SearchResult::Unknown(
                "nothing was found, and it may not be visible yet",
            )),
            ([], false) => Ok(SearchResult::Unknown(
                "an order was found that nobody knows, and that does not fit",
            )),
            (_, _) => Ok(SearchResult::Unknown(
                "more than one order was found that fits",
            )),
        }
    }

    /// Writes down what was found, and draws the conclusion. Whether the doubt is over.
    async fn learned(
        &self,
        settings: &ProviderSettings,
        sought: &Sought,
        found: &SearchResult,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let leg = legs::lock_leg(&mut tx, sought.leg).await?;

        if leg.state != LegState::InDoubt {
            return Ok(true);
        }

        let is_a_persons = taken_back::was_taken_back(&mut tx, leg.id).await?;
        let over = match found {
            SearchResult::Placed(id) => {
                let first_ask = track::next_ask(settings, now, now);
                let taken = self
                    .take_over(&mut tx, &leg, id, Witness::Panel, first_ask, now)
                    .await?;

                let verdict = if taken {
                    DoubtVerdict::Placed
                } else {
                    DoubtVerdict::Unknown
                };

                doubts::record_check(
                    &mut tx,
                    leg.id,
                    DoubtCheck::Ids,
                    verdict,
                    &format!("order {id} fits"),
                    now,
                )
                .await?;

                taken
            }
            SearchResult::NotPlaced if is_a_persons => {
                doubts::record_check(
                    &mut tx,
                    leg.id,
                    DoubtCheck::Ids,
                    DoubtVerdict::Unknown,
                    FOR_A_PERSON,
                    now,
                )
                .await?;

                false
            }
            SearchResult::NotPlaced => {
                let words = "no order of ours that is unknown to us lies between its neighbours";
                doubts::record_check(
                    &mut tx,
                    leg.id,
                    DoubtCheck::Ids,
                    DoubtVerdict::NotPlaced,
                    words,
                    now,
                )
                .await?;

                self.not_placed(&mut tx, &leg, IDS_SHOW, now).await?;
                true
            }
            SearchResult::Unknown(why) => {
                doubts::record_check(
                    &mut tx,
                    leg.id,
                    DoubtCheck::Ids,
                    DoubtVerdict::Unknown,
                    why,
                    now,
                )
                .await?;
                false
            }
        };

        tx.commit().await?;
        Ok(over)
    }

    /// Nothing of it is at the panel: it goes by its next route, or the order ends and is refunded
    /// whole.
    pub(super) async fn not_placed(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.is_wanted_back(tx, leg).await? || !self.by_next_route(tx, leg, why, now).await? {
            self.end_refused(tx, leg, why, now).await?;
        }
        Ok(())
    }

    /// Whether its customer wants the order back, or has the money back: then nobody wants it from
    /// a panel any more.
    pub(super) async fn is_wanted_back(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
    ) -> Result<bool, StoreError> {
        let order = orders::lock_order(tx, leg.order).await?;
        let given_back = order.given_back.by_hand == order.bought.charge;
        Ok(given_back || cancels::is_asked(tx, leg.order).await?)
    }

    /// The customer waited long enough: the money goes back, and what the panel may have taken is
    /// booked as cost.
    async fn write_off(&self, sought: &Sought) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let leg = legs::lock_leg(&mut tx, sought.leg).await?;

        // What an earlier panel is known to have is not given back because nobody knows whether
        // this one has it too.
        if leg.state != LegState::InDoubt || late::lock_taken(&mut tx, &leg).await?.is_some() {
            return Ok(());
        }

        ledger::release_exposure(&mut tx, &leg, now).await?;
        ledger::book_cost(&mut tx, &leg, now).await?;

        legs::move_leg(
            &mut tx,
            &leg,
            &Transition::WrittenOff,
            "in doubt for too long; refunded",
            now,
        )
        .await?;

        let order = orders::lock_order(&mut tx, leg.order).await?;
        settle::settle_refused(&mut tx, &order, now).await?;
        let words = "nothing ended the doubt in time; the customer has the money back";

        doubts::record_check(
            &mut tx,
            leg.id,
            DoubtCheck::Patience,
            DoubtVerdict::Unknown,
            words,
            now,
        )
        .await?;

        tx.commit().await?;
        tracing::warn!(
            order = %leg.order, provider = %leg.route.provider, "a doubt was written off"
        );

        Ok(())
    }
}
