//! What a panel told of one order, and what follows from it: its end, a puzzle, a person's review.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::leg::LegState;
use crate::domain::provider::{PanelStatus, ProviderSettings, Reversal};
use crate::domain::settlement::{self, Ending};
use crate::ledger;
use crate::orders::differences::{MORE_MAY_GO_BACK, OrderFigures};
use crate::orders::said::PanelReport;
use crate::orders::settle::{self, Settled};
use crate::orders::track::{NEWS_ARE_FRESH, ask_a_person};
use crate::store::cancels::{self, AskedBy};
use crate::store::legs::{Afterwards, LegEnd, LockedLeg};
use crate::store::orders::Locked;
use crate::store::tracked_legs::{self, DuePoll, Worth};
use crate::store::{StoreError, Tx, legs, providers, statuses as statuses_of};

/// Answers in a row that should have settled and could not, before a person is asked.
const PUZZLES_MAX: i32 = 3;
/// Answers in a row that named no status of the order, before a person is asked.
const SILENCES_MAX: i32 = 10;

/// One order's news, its leg and itself under lock.
#[derive(Clone, Copy)]
pub(super) struct News<'a> {
    pub(super) settings: &'a ProviderSettings,
    pub(super) due: &'a DuePoll,
    pub(super) leg: &'a LockedLeg,
    pub(super) order: &'a Locked,
    pub(super) said: &'a PanelReport,
    pub(super) now: Timestamp,
}

impl News<'_> {
    /// What the panel told of the money, where it told where the order stands.
    pub(super) fn told(&self) -> Option<OrderFigures<'_>> {
        let report = self.said.report.as_ref()?;
        Some(OrderFigures {
            settings: self.settings,
            leg: self.leg,
            report,
            taken: self.said.taken(self.leg.cost),
        })
    }

    /// Keeps what the panel said, its charge where the word is clear, and when it is asked next.
    pub(super) async fn put_off(
        &self,
        tx: &mut Tx,
        next_at: Timestamp,
        worth: Worth,
    ) -> Result<(), StoreError> {
        let charge = (worth == Worth::Clear)
            .then(|| self.said.charge())
            .flatten();

        let (leg, text) = (self.leg.id, &self.said.text);
        tracked_legs::put_off(tx, leg, text, charge, next_at, worth, self.now).await?;
        Ok(())
    }

    /// What the panel took is told where it is not its price, whatever becomes of the order.
    pub(super) async fn note_price(&self, tx: &mut Tx) -> Result<(), StoreError> {
        match self.told() {
            Some(told) => told.note_price(tx, self.now).await,
            None => Ok(()),
        }
    }

    /// The order is over at the panel, or over otherwise than it was: its cost and its refund are
    /// set right.
    pub(super) async fn end(
        &self,
        tx: &mut Tx,
        ending: Ending,
        afterwards: Afterwards,
    ) -> Result<(), StoreError> {
        let Self {
            settings,
            leg,
            order,
            now,
            ..
        } = *self;

        let told = self
            .told()
            .ok_or(StoreError::Unexpected("an end without a report"))?;

        let cost = settlement::final_cost(order.bought, told.taken, told.report, ending.delivered);
        let cost = cost.map_err(settle::too_large)?;
        ledger::correct_cost(tx, leg, cost.amount, now).await?;

        let leg_end = LegEnd {
            status: &told.report.status_text,
            charge_text: told.report.charge_text.as_deref(),
            cost,
            reason: "ended at the panel",
            is_failing: told.report.status == PanelStatus::Failed,
            afterwards,
        };

        legs::end_leg(tx, leg, leg_end, now).await?;

        let end = settle::End {
            state: ending.state,
            target: ending.target,
            delivered: ending.delivered,
            start_count: told.report.start_count,
            remains: i64::try_from(order.bought.units - ending.delivered).unwrap_or(i64::MAX),
            is_gift: false,
        };

        // A customer who was given the money back because nobody knew does not pay for it when
        // somebody does.
        let given_up = cancels::is_asked_by(tx, order.id, AskedBy::House).await?;

        let reversal = if given_up {
            Reversal::Absorb
        } else {
            settings.settling.reversal
        };

        let settled = settle::to_target(tx, order, end, reversal, now).await?;

        // Settled is settled; whether more goes back is another question.
        if ending.doubtful
            && told
                .note_figures(tx, ending.delivered, order.bought.units, now)
                .await?
        {
            self.ask_a_person(tx, MORE_MAY_GO_BACK).await?;
        }

        let over_delivered =
            leg.state == LegState::Accepted && told.report.remains.is_some_and(i64::is_negative);

        if settled == Settled::Reversed {
            tracing::warn!(order = %order.id, provider = %settings.id,
                "a panel's later word gives back less than was given");
        }

        if over_delivered || settled == Settled::Reversed {
            providers::count_misdeeds(
                tx,
                &settings.id,
                over_delivered,
                settled == Settled::Reversed,
            )
            .await?;
        }

        Ok(())
    }

    /// Keeps the state and asks again; when patience is over, a person is asked too.
    pub(super) async fn puzzled(
        &self,
        tx: &mut Tx,
        next_at: Timestamp,
        why: &str,
    ) -> Result<(), StoreError> {
        let Self {
            settings,
            due,
            said,
            now,
            ..
        } = *self;

        let times =
            tracked_legs::put_off(tx, due.leg, &said.text, None, next_at, said.worth(), now)
                .await?;

        let patience_is_over = match said.worth() {
            Worth::Puzzling => times >= PUZZLES_MAX,
            // Young orders may be unknown to their panel, which says nothing of whether they were
            // placed. A panel that tells of no order tells nothing of this one.
            Worth::Silent if times < SILENCES_MAX => false,
            Worth::Silent if said.names_a_status => true,
            Worth::Silent => {
                may_be_known(settings, due, now)
                    && (said.is_of_the_order
                        || statuses_of::speaks_of_others_in(
                            tx,
                            &settings.id,
                            due.leg,
                            now - NEWS_ARE_FRESH,
                        )
                        .await?)
            }
            // A failure has a patience of its own, in hours.
            Worth::Failing | Worth::Clear => false,
        };

        if patience_is_over {
            self.ask_a_person(tx, why).await?;
        }

        Ok(())
    }

    /// The panel works again on what was over: its customer may have the money back already.
    pub(super) async fn reopened(&self, tx: &mut Tx) -> Result<(), StoreError> {
        match self.told() {
            Some(told) => told.note_reopened(tx, self.now).await,
            None => Ok(()),
        }
    }

    /// What the panel says contradicts itself: nothing moves, a person decides, and it is told as
    /// the panel's.
    pub(super) async fn contradicts(&self, tx: &mut Tx, why: &str) -> Result<(), StoreError> {
        if let Some(told) = self.told() {
            told.note_contradiction(tx, why, self.now).await?;
        }
        self.ask_a_person(tx, why).await
    }

    /// The order is for a person, who is shown what the panel says of it.
    pub(super) async fn ask_a_person(&self, tx: &mut Tx, why: &str) -> Result<(), StoreError> {
        self.note_said(tx).await?;
        ask_a_person(tx, self.order.id, self.leg.id, why).await
    }

    /// Keeps what the panel says, for whoever decides.
    pub(super) async fn note_said(&self, tx: &mut Tx) -> Result<(), StoreError> {
        match &self.said.report {
            Some(report) => {
                legs::note_said(
                    tx,
                    self.leg.id,
                    &report.status_text,
                    report.charge_text.as_deref(),
                )
                .await
            }
            None => Ok(()),
        }
    }
}

/// Whether the order is so old that its panel must know it.
fn may_be_known(settings: &ProviderSettings, due: &DuePoll, now: Timestamp) -> bool {
    now - due.accepted_at >= TimeDelta::seconds(i64::from(settings.doubts.visible_after_s))
}
