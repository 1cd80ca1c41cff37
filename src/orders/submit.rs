//! Submitting: legs are taken, the intent is committed, and only then does a byte leave; at most
//! once per leg.
//!
//! The order of things is the whole safety: a place at the panel first (it may take a while), then
//! the mark in a commit of its own, then the call. Whatever happens between mark and answer, the
//! leg is in doubt and not sent again.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::id::LegId;
use crate::domain::leg::{Evidence, LeasedLeg, Verdict};
use crate::domain::provider::ProviderSettings;
use crate::orders::conclude::Speaker;
use crate::orders::margin::Word;
use crate::orders::refused_and_charged::class_to_compare;
use crate::orders::{Delivery, isolate_failure};
use crate::store::leases::SendIntent;
use crate::store::{StoreError, doubts, gates, leases};
use crate::upstream::Panel;

/// How long a leg may wait between being taken and being marked; nothing of it was sent meanwhile.
pub(super) const LEG_LEASE_S: i64 = 60;
/// Over the panel's timeout, before a leg without an answer is in doubt.
const GRACE_S: i64 = 15;
/// Times that an answer is brought to a database that is away; about a minute.
pub(super) const CONCLUSIONS_MAX: u32 = 120;
/// Between two such times.
pub(super) const BETWEEN_CONCLUSIONS: Duration = Duration::from_millis(500);
/// Orphans taken up in one round.
const ORPHANS_MAX: i64 = 500;

impl Delivery {
    /// Takes up to so many legs that are due at a panel, as many as its gate lets through. None
    /// before the panel answered a harmless question under this configuration: an address that
    /// redirects or a wrong path would put every order in doubt. None before what it lists
    /// under this account is known: the margin guard would ask by another's costs.
    pub async fn lease(
        &self,
        panel: &Panel,
        epoch: i64,
        legs_max: usize,
    ) -> Result<Vec<LeasedLeg>, StoreError> {
        if !panel.has_answered()
            || !panel.is_listed()
            || legs_max == 0
            || Self::is_left_alone(panel)
        {
            return Ok(Vec::new());
        }

        let now = self.clock.now();
        let legs_max = gates::find_gate(&self.store, &panel.settings().id, now)
            .await?
            .lets_through(legs_max);

        if legs_max == 0 {
            return Ok(Vec::new());
        }

        let until = now + TimeDelta::seconds(LEG_LEASE_S);
        let legs_max = i64::try_from(legs_max).unwrap_or(i64::MAX);

        leases::claim_due_legs(
            &self.store,
            &panel.settings().id,
            Some(&panel.account()),
            epoch,
            legs_max,
            until,
            now,
        )
        .await
    }

    /// Sends one leg and concludes from the answer.
    pub async fn send(&self, panel: &Panel, leg: &LeasedLeg, epoch: i64) -> Result<(), StoreError> {
        let sending = panel.sending().await;
        let slot = panel.slot().await;
        if Self::is_left_alone(panel) || panel.is_replaced() {
            return leases::release_leg(&self.store, leg, epoch).await;
        }

        let Word::Send(cost, exchange) = self.guard(panel.settings(), leg, epoch).await? else {
            return Ok(());
        };

        if panel.is_replaced() {
            return leases::release_leg(&self.store, leg, epoch).await;
        }

        // A lease that ran out while this process was stopped, or is about to: whoever holds the
        // panel then takes the leg.
        let Some(leave_by) = self.leave_by(&panel.settings().id, epoch) else {
            return leases::release_leg(&self.store, leg, epoch).await;
        };

        let request_id = panel.request_id(leg);
        let (account, address) = (panel.account(), panel.address());

        let asked = SendIntent {
            request_id: request_id.as_deref(),
            account: &account,
            address: &address,
            exchange,
        };

        let marked_at = self.clock.now();
        match leases::mark_sending(&self.store, leg, asked, epoch, cost, marked_at).await {
            Ok(true) => self.sent.note(leg, asked, self.clock.now()),
            Ok(false) => {
                tracing::info!(leg = %leg.leg,
                    "a leg was taken back, or its panel's gate closed, before it was sent");
                return leases::release_leg(&self.store, leg, epoch).await;
            }
            // The mark may be committed, and nothing will be sent: said while it is known, or the
            // leg would be in doubt.
            Err(error) => {
                tracing::warn!(leg = %leg.leg, %error,
                    "the intent to send was not acknowledged; nothing is sent");
                self.conclude_surely(panel.settings(), leg, &unsent_evidence())
                    .await?;
                return leases::release_leg(&self.store, leg, epoch).await;
            }
        }

        let said = panel.add(slot, leg, leave_by).await;
        tracing::info!(
            order = %leg.order, leg = %leg.leg, provider = %leg.route.provider,
            verdict = said.verdict.as_str(),
            panel_order = said.verdict.panel_order(), "a leg was sent"
        );

        self.conclude_surely(panel.settings(), leg, &said).await?;
        drop(sending);

        if class_to_compare(&said.verdict).is_some() {
            self.compare_just_refused(panel, leg.leg).await?;
        } else if said.verdict == Verdict::InDoubt {
            self.read_balance_behind(panel).await?;
        }

        Ok(())
    }

    async fn conclude_surely(
        &self,
        settings: &ProviderSettings,
        leg: &LeasedLeg,
        said: &Evidence,
    ) -> Result<(), StoreError> {
        let mut conclusions = Conclusions::default();
        loop {
            match self.conclude(settings, leg.leg, leg.attempt, said).await {
                Err(error) if conclusions.may_be_tried_again(&error).await => {}
                Err(error) => {
                    tell_unwritten(leg, &said.verdict, &error);
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Legs that somebody was sending and nobody will hear of any more are in doubt from now on:
    /// those of an earlier holder of the panel's lease, and those past the timeout and its
    /// grace. How many.
    pub async fn sweep(
        &self,
        settings: &ProviderSettings,
        epoch: i64,
    ) -> Result<usize, StoreError> {
        let overdue = overdue_since(settings, self.clock.now());
        let orphans =
            doubts::find_orphans(&self.store, &settings.id, epoch, overdue, ORPHANS_MAX).await?;

        for (leg, attempt) in &orphans {
            isolate_failure(
                &format!("of leg {leg}"),
                self.doubt(settings, *leg, *attempt).await,
            )?;
        }

        Ok(orphans.len())
    }

    async fn doubt(
        &self,
        settings: &ProviderSettings,
        leg: LegId,
        attempt: i32,
    ) -> Result<(), StoreError> {
        let words =
            "no answer was written down: the sender ended, or waited longer than it may".to_owned();
        let said = Evidence::without_answer(Verdict::InDoubt, words);
        tracing::warn!(
            %leg, attempt, provider = %settings.id, "a leg without an answer is in doubt"
        );

        self.write_down(settings, leg, attempt, &said, Speaker::Nobody)
            .await
    }
}

/// How often an answer was brought to the database in vain. One that was heard is not lost because
/// the database is away for a moment, or because somebody holds a lock: without it the order would
/// be in doubt.
#[derive(Debug, Default)]
pub(super) struct Conclusions(u32);

impl Conclusions {
    /// Whether it is worth another try after this; waits for it first.
    pub(super) async fn may_be_tried_again(&mut self, error: &StoreError) -> bool {
        self.0 += 1;
        let passes = (error.is_away() || error.will_pass()) && self.0 < CONCLUSIONS_MAX;
        if passes {
            tokio::time::sleep(BETWEEN_CONCLUSIONS).await;
        }
        passes
    }
}

/// What a panel answered, and the database does not know: the log is the only place that has the
/// panel's id.
pub(super) fn tell_unwritten(leg: &LeasedLeg, verdict: &Verdict, error: &StoreError) {
    tracing::error!(
        order = %leg.order, leg = %leg.leg, attempt = leg.attempt, provider = %leg.route.provider,
        verdict = verdict.as_str(), panel_order = verdict.panel_order(), %error,
        "what a panel answered could not be written down; the order is in doubt until a person \
         says what became of it"
    );
}

fn unsent_evidence() -> Evidence {
    let words =
        "the intent to send was not acknowledged by the database, so nothing was sent".to_owned();
    Evidence::without_answer(Verdict::NeverSent, words)
}

/// Sent before this moment and still unanswered is too late.
pub(super) fn overdue_since(settings: &ProviderSettings, now: Timestamp) -> Timestamp {
    let timeout = i64::try_from(settings.timeout_ms).unwrap_or(i64::MAX / 2);
    now - TimeDelta::milliseconds(timeout) - TimeDelta::seconds(GRACE_S)
}
