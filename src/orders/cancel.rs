//! Cancels: what was not sent comes back at once; what a panel has is asked of it, and its status
//! alone ends the order.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::customers::refused;
use crate::domain::clock::Timestamp;
use crate::domain::customer::Caller;
use crate::domain::id::{OrderId, OrderName, PublicId};
use crate::domain::leg::LegState;
use crate::domain::money::Money;
use crate::domain::order::{OrderState, OrderView};
use crate::domain::provider::{PanelAddress, Reversal};
use crate::domain::refusal::Refusal;
use crate::domain::settlement::FinalCost;
use crate::ledger;
use crate::orders::settle::{self, End};
use crate::orders::{
    Delivery, ELSEWHERE, Orders, isolate_failure, refused_and_charged, submit, track, withdraw,
};
use crate::store::cancels::{self, AskedBy, CancelOutcome, DueCancel};
use crate::store::legs::{Afterwards, LegEnd, LockedLeg};
use crate::store::{StoreError, Tx, legs, orders, panel_orders, tracked_legs};
use crate::upstream::{CancelRow, Panel};

/// Times that a panel is asked which gives no answer; then the order goes on as if it had refused.
const ATTEMPTS_MAX: i32 = 8;
/// Between two looks whether the panel is back at an order's address, and how many there are: three
/// days of them.
const ADDRESS_WAIT: TimeDelta = TimeDelta::minutes(10);
const ADDRESS_WAITS_MAX: i32 = 432;
/// The first wait before it is asked again; it doubles.
const AGAIN_S: i64 = 30;

impl Orders {
    /// Takes an order of the caller's back, or asks its panel for it. Asking again changes nothing.
    /// Its other name.
    pub async fn cancel(
        &self,
        caller: &Caller,
        name: Option<OrderName>,
    ) -> Result<PublicId, Refusal> {
        let (work, caller, name) = (
            self.clone(),
            caller.clone(),
            name.ok_or(Refusal::UnknownOrder)?,
        );

        // Spawned, because money moves: a customer who hangs up must not cut it off.
        self.intake
            .see_through(async move { work.cancel_now(&caller, name).await })
            .await
    }

    async fn cancel_now(&self, caller: &Caller, name: OrderName) -> Result<PublicId, Refusal> {
        let (order, public, _) = self.find(caller, name).await?;
        let broken = |error: StoreError| refused(&error);

        let mut tx = self
            .store
            .begin_for_customer()
            .await
            .map_err(|error| refused(&error))?;

        let now = self.clock.now();
        let leg = legs::lock_last(&mut tx, order)
            .await
            .map_err(broken)?
            .ok_or(Refusal::Broken)?;

        let locked = orders::lock_order(&mut tx, order).await.map_err(broken)?;
        if locked.state.is_end() {
            let wished = cancels::is_asked_by(&mut tx, order, AskedBy::Customer)
                .await
                .map_err(broken)?;

            if wished && locked.state == OrderState::Canceled {
                return Ok(public);
            }
            return Err(Refusal::Over(locked.standing()));
        }

        let now_compared = refused_and_charged::compare_wanted(&mut tx, &leg, now)
            .await
            .map_err(broken)?;

        match leg.state {
            LegState::Parked if now_compared => {
                cancels::request_cancel(&mut tx, order, AskedBy::Customer, now)
                    .await
                    .map_err(broken)?;
            }
            LegState::Ready | LegState::Leased | LegState::Parked => {
                cancels::request_cancel(&mut tx, order, AskedBy::Customer, now)
                    .await
                    .map_err(broken)?;

                withdraw::locked(
                    &mut tx,
                    &leg,
                    &locked,
                    "canceled by its customer before it was sent",
                    now,
                )
                .await
                .map_err(broken)?;
            }
            LegState::Sending
            | LegState::InDoubt
            | LegState::Accepted
            | LegState::Refused
            | LegState::Ended
            | LegState::Canceled
            | LegState::WrittenOff => {
                let offered = self
                    .catalog
                    .now()
                    .sold
                    .get(&locked.service)
                    .is_some_and(|sold| sold.cancel);

                if !offered && !cancels::is_asked(&mut tx, order).await.map_err(broken)? {
                    return Err(Refusal::NoCancel);
                }

                cancels::request_cancel(&mut tx, order, AskedBy::Customer, now)
                    .await
                    .map_err(broken)?;
            }
        }

        tx.commit()
            .await
            .map_err(|error| refused(&StoreError::from(error)))?;

        Ok(public)
    }

    /// One order of the caller's by either name.
    pub(super) async fn find(
        &self,
        caller: &Caller,
        name: OrderName,
    ) -> Result<(OrderId, PublicId, OrderView), Refusal> {
        let found = orders::look_up_orders(&self.store, caller.customer, &[name])
            .await
            .map_err(|error| refused(&error))?;
        found.into_iter().next().ok_or(Refusal::UnknownOrder)
    }

    /// The numbers of those of the names that are orders of the caller's.
    pub(super) async fn find_many(
        &self,
        caller: &Caller,
        names: &[OrderName],
    ) -> Result<Vec<(OrderName, OrderId)>, Refusal> {
        if names.is_empty() {
            return Ok(Vec::new());
        }

        let rows = orders::look_up_orders(&self.store, caller.customer, names)
            .await
            .map_err(|error| refused(&error))?;

        let both: HashMap<OrderName, OrderId> = rows
            .into_iter()
            .flat_map(|(order, public, _)| {
                [
                    (OrderName::Number(order), order),
                    (OrderName::Public(public), order),
                ]
            })
            .collect();

        Ok(names
            .iter()
            .filter_map(|name| Some((*name, *both.get(name)?)))
            .collect())
    }
}

impl Delivery {
    /// A round of cancels at a panel: those that are due, one batch. How many were asked.
    pub async fn cancel(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        if Self::is_left_alone(panel) {
            return Ok(0);
        }

        let settings = panel.settings();
        let Some(leave_by) = self.leave_by(&settings.id, epoch) else {
            return Ok(0);
        };

        let now = self.clock.now();
        let (batch, overdue) = (
            i64::from(settings.status_batch_max),
            submit::overdue_since(settings, now),
        );

        let taken =
            cancels::claim_due_cancels(&self.store, &settings.id, epoch, batch, overdue, now)
                .await?;

        if taken.is_empty() {
            return Ok(0);
        }

        let asked_of = PanelAddress {
            provider: &settings.id,
            address: &panel.address(),
        };

        let legs = taken.iter().map(|cancel| (cancel.leg, &cancel.panel_order));
        let elsewhere = panel_orders::ids_elsewhere(&self.store, asked_of, legs).await?;
        let (mut elsewhere, mut here): (Vec<_>, Vec<_>) = taken
            .iter()
            .partition(|cancel| elsewhere.contains(&cancel.leg));

        for cancel in std::mem::take(&mut here) {
            let befalls = self
                .would_befall_a_doubt(panel, cancel.leg, &cancel.panel_order)
                .await?;

            if befalls {
                elsewhere.push(cancel);
            } else {
                here.push(cancel);
            }
        }

        for cancel in elsewhere {
            isolate_failure(
                &cancel.order.to_string(),
                self.wait_for_address(cancel).await,
            )?;
        }

        if here.is_empty() {
            return Ok(taken.len());
        }

        let ids: Vec<_> = here
            .iter()
            .map(|cancel| cancel.panel_order.clone())
            .collect();

        let answer = panel.cancel(&ids, leave_by).await;
        for cancel in here {
            let row = match &answer {
                Ok(rows) => rows
                    .iter()
                    .find(|(id, _)| *id == cancel.panel_order)
                    .map(|(_, row)| row.clone()),
                Err(failure) => Some(CancelRow::of(failure)),
            };

            let row = row.unwrap_or(CancelRow::Unclear(
                "the panel said nothing of it".to_owned(),
            ));

            isolate_failure(
                &cancel.order.to_string(),
                self.heard(panel, cancel, row).await,
            )?;
        }

        Ok(taken.len())
    }

    /// The panel there knows another order by the id. Whoever changed the address may go back, so
    /// the cancel waits.
    async fn wait_for_address(&self, cancel: &DueCancel) -> Result<(), StoreError> {
        let heard = if cancel.address_waits < ADDRESS_WAITS_MAX {
            CancelOutcome::Elsewhere(self.clock.now() + ADDRESS_WAIT)
        } else {
            CancelOutcome::GivenUp(self.clock.now())
        };

        let mut tx = self.store.begin().await?;
        cancels::record_cancel(&mut tx, cancel, &heard, ELSEWHERE).await?;
        tx.commit().await?;

        Ok(())
    }

    /// What a panel made of one cancel. Its yes is a promise: the order's status is asked for soon,
    /// and ends it.
    async fn heard(
        &self,
        panel: &Panel,
        cancel: &DueCancel,
        row: CancelRow,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let settings = panel.settings();

        // One yes to many names none of them: each one's own status ends it.
        let is_named = row == CancelRow::Taken;

        let (heard, words) = match row {
            CancelRow::Taken | CancelRow::TakenTogether => (CancelOutcome::Taken, String::new()),
            CancelRow::Unclear(words) if tries(cancel) < ATTEMPTS_MAX => {
                (CancelOutcome::AskAgain(again(cancel, now)), words)
            }
            CancelRow::Refused(words) => (CancelOutcome::Refused, words),
            CancelRow::Unclear(words) => (CancelOutcome::GivenUp(now), words),
        };

        tracing::info!(
            order = %cancel.order, provider = %settings.id, ?heard, "a cancel was asked for"
        );

        let mut tx = self.store.begin().await?;

        // The leg first, as everywhere.
        let leg = legs::lock_leg(&mut tx, cancel.leg).await?;

        if cancels::record_cancel(&mut tx, cancel, &heard, &words).await?
            && heard == CancelOutcome::Taken
            && leg.state == LegState::Accepted
        {
            // What may be delivered elsewhere too is not given back on one panel's promise.
            orders::lock_order(&mut tx, leg.order).await?;
            let is_twice = orders::is_there_twice(&mut tx, leg.order).await?;

            if settings.asking.cancel_ack_is_final && is_named && !is_twice {
                self.end_canceled(&mut tx, &leg, settings.settling.reversal, now)
                    .await?;
            } else {
                tracked_legs::ask_soon(&mut tx, leg.id, track::next_ask(settings, now, now))
                    .await?;
            }
        }

        tx.commit().await?;
        Ok(())
    }

    /// Where the operator says that a panel's yes is the end.
    async fn end_canceled(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        reversal: Reversal,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let order = orders::lock_order(tx, leg.order).await?;
        ledger::correct_cost(tx, leg, Money::ZERO, now).await?;

        let end = LegEnd {
            status: "canceled",
            charge_text: None,
            cost: FinalCost {
                amount: Money::ZERO,
                rounding: Money::ZERO,
                said: true,
            },
            reason: "the panel promised to cancel, which is final there",
            is_failing: false,
            afterwards: Afterwards::AskAt(now + track::AFTER_THE_END[0]),
        };

        legs::end_leg(tx, leg, end, now).await?;
        let units = i64::try_from(order.bought.units).unwrap_or(i64::MAX);

        let end = End {
            state: OrderState::Canceled,
            target: order.bought.charge,
            delivered: 0,
            start_count: None,
            remains: units,
            is_gift: false,
        };

        settle::to_target(tx, &order, end, reversal, now)
            .await
            .map(|_| ())
    }
}

/// How often its panel was asked, this time included.
fn tries(cancel: &DueCancel) -> i32 {
    cancel.attempt - cancel.address_waits
}

/// After 30, 60, 120 … seconds.
fn again(cancel: &DueCancel, now: Timestamp) -> Timestamp {
    let doublings = tries(cancel).clamp(1, ATTEMPTS_MAX) - 1;
    now + TimeDelta::seconds(AGAIN_S << doublings)
}
