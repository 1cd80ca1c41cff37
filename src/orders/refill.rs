//! Refills: what was delivered and fell off is asked for once more; sent to the panel at most once,
//! and followed there.

use std::collections::HashMap;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::customers::refused;
use crate::domain::clock::Timestamp;
use crate::domain::customer::Caller;
use crate::domain::id::{OrderName, PanelRefill, PublicId, RefillName};
use crate::domain::order::{OrderState, ShownState};
use crate::domain::provider::PanelAddress;
use crate::domain::provider::ProviderSettings;
use crate::domain::refill::{RefillNames, RefillState};
use crate::domain::refusal::Refusal;
use crate::orders::{Delivery, ELSEWHERE, Orders, statuses, submit, track};
use crate::store::refills::{self, DueRefill, DueRefillRequest, RefillTransition};
use crate::store::{StoreError, orders};
use crate::upstream::{Failure, Panel, RefillAnswer, RefillRow};

/// Refills sent in one round.
const SENT_MAX: usize = 5;
/// Refills that may fail alone before any other is told of: then it is the panel that fails.
const FAILED_ALONE_MAX: usize = 3;
/// Before what never left is sent again.
const UNSENT_WAIT: TimeDelta = TimeDelta::seconds(30);

impl Orders {
    /// Asks for a refill of an order of the caller's. The panel is asked later, by a worker.
    pub async fn refill(
        &self,
        caller: &Caller,
        name: Option<OrderName>,
    ) -> Result<RefillNames, Refusal> {
        let (work, caller, name) = (
            self.clone(),
            caller.clone(),
            name.ok_or(Refusal::UnknownOrder)?,
        );

        // Spawned, because a customer who hangs up must not leave a transaction half begun.
        self.intake
            .see_through(async move { work.ask_for_refill(&caller, name).await })
            .await
    }

    async fn ask_for_refill(
        &self,
        caller: &Caller,
        name: OrderName,
    ) -> Result<RefillNames, Refusal> {
        let in_force = self.catalog.in_force();
        let broken = |error: StoreError| refused(&error);
        let (order, ..) = self.find(caller, name).await?;

        let mut tx = self
            .store
            .begin_for_customer()
            .await
            .map_err(|error| refused(&error))?;

        // Locked, so that two who ask at once count each other's refill, and nobody refunds it
        // meanwhile.
        let order = orders::lock_order(&mut tx, order).await.map_err(broken)?;

        if !matches!(
            order.standing(),
            ShownState::At(OrderState::Completed | OrderState::Partial)
        ) {
            return Err(Refusal::NotDelivered);
        }

        let grounds = refills::refill_grounds(&mut tx, order.id)
            .await
            .map_err(broken)?
            .ok_or(Refusal::NotDelivered)?;

        let service_can = in_force
            .snapshot
            .sold
            .get(&order.service)
            .is_some_and(|sold| sold.refill);

        let panel = in_force.panel(&grounds.provider);
        if !service_can || !grounds.panel_can || !panel.is_some_and(|panel| panel.asking.refill) {
            return Err(Refusal::NoRefill);
        }

        if grounds.under_way {
            return Err(Refusal::RefillUnderWay);
        }

        let refills_max = in_force.mapping.refills_max;
        if grounds.had >= i64::from(refills_max) {
            return Err(Refusal::RefillsUsedUp { refills_max });
        }

        let public = PublicId(Uuid::now_v7());
        let names = refills::request_refill(&mut tx, order.id, &grounds, public, self.clock.now())
            .await
            .map_err(broken)?;

        tx.commit()
            .await
            .map_err(|error| refused(&StoreError::from(error)))?;

        Ok(names)
    }

    /// Where refills of the caller's stand, in the order asked; `None` for what is none of theirs.
    pub async fn refill_states(
        &self,
        caller: &Caller,
        names: &[Option<RefillName>],
    ) -> Result<Vec<Option<RefillState>>, Refusal> {
        let known: Vec<_> = names.iter().copied().flatten().collect();
        if known.is_empty() {
            return Ok(vec![None; names.len()]);
        }

        let rows = refills::look_up_refills(&self.store, caller.customer, &known)
            .await
            .map_err(|error| refused(&error))?;

        let both = |(names, state): (RefillNames, RefillState)| {
            [
                (RefillName::Number(names.id), state),
                (RefillName::Public(names.public), state),
            ]
        };

        let states: HashMap<RefillName, RefillState> = rows.into_iter().flat_map(both).collect();
        Ok(names
            .iter()
            .map(|name| states.get(name.as_ref()?).copied())
            .collect())
    }

    /// Where the latest refills of the caller's orders stand, in the order asked.
    pub async fn latest_refills(
        &self,
        caller: &Caller,
        names: &[Option<OrderName>],
    ) -> Result<Vec<Option<RefillState>>, Refusal> {
        let mut orders = Vec::with_capacity(names.len());
        let known: Vec<_> = names.iter().copied().flatten().collect();
        let found: HashMap<_, _> = self.find_many(caller, &known).await?.into_iter().collect();

        for name in names {
            orders.push(name.as_ref().and_then(|name| found.get(name)).copied());
        }

        let ids: Vec<_> = orders.iter().copied().flatten().collect();
        let latest = refills::latest_refills(&self.store, caller.customer, &ids)
            .await
            .map_err(|error| refused(&error))?;

        let latest: HashMap<_, _> = latest.into_iter().collect();
        Ok(orders
            .iter()
            .map(|order| latest.get(order.as_ref()?).copied())
            .collect())
    }
}

impl Delivery {
    /// A round of refills at a panel: what is due is sent, asked about, or given up. How many
    /// moved.
    pub async fn refill(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        let settings = panel.settings();
        let now = self.clock.now();
        let overdue = submit::overdue_since(settings, now);

        let doubted = refills::doubt_overdue(
            &self.store,
            &settings.id,
            epoch,
            overdue,
            expiry(settings, now),
        )
        .await?;

        let given_up = refills::give_up(&self.store, &settings.id, now).await?;
        let sent = self.send_refills(panel, epoch).await?;
        let asked = self.ask_about_refills(panel, epoch).await?;

        Ok(usize::try_from(doubted + given_up)
            .unwrap_or(usize::MAX)
            .saturating_add(sent + asked))
    }

    async fn send_refills(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        for sent in 0..SENT_MAX {
            if !refills::is_due(&self.store, &panel.settings().id, self.clock.now()).await? {
                return Ok(sent);
            }

            // A place at the panel first: a refill that is marked as sending does not stand in a
            // queue.
            let slot = panel.slot().await;

            if Self::is_left_alone(panel) {
                return Ok(sent);
            }

            let Some(leave_by) = self.leave_by(&panel.settings().id, epoch) else {
                return Ok(sent);
            };

            let now = self.clock.now();
            let asked_of = PanelAddress {
                provider: &panel.settings().id,
                address: &panel.address(),
            };

            let Some(refill) = refills::claim_due_send(&self.store, asked_of, epoch, now).await?
            else {
                return Ok(sent);
            };

            let answer = if refill.elsewhere {
                RefillAnswer::Refused(ELSEWHERE.to_owned())
            } else {
                panel.refill(slot, &refill.panel_order, leave_by).await
            };

            let now = self.clock.now();
            let (turn, words) = match answer {
                RefillAnswer::Taken(Some(id), words) => (
                    RefillTransition::Taken(Some(id), track::next_ask(panel.settings(), now, now)),
                    words,
                ),
                RefillAnswer::Taken(None, words) => (
                    RefillTransition::Taken(None, expiry(panel.settings(), now)),
                    words,
                ),
                RefillAnswer::Refused(words) => (RefillTransition::Rejected, words),
                RefillAnswer::NeverSent(words) => {
                    (RefillTransition::Again(now + UNSENT_WAIT), words)
                }
                RefillAnswer::Unclear(words) => (
                    RefillTransition::InDoubt(expiry(panel.settings(), now)),
                    words,
                ),
            };

            tracing::info!(
                refill = %refill.id, provider = %panel.settings().id, ?turn, "a refill was sent"
            );

            self.turn_surely(&refill, &turn, &words, now).await?;
        }

        Ok(SENT_MAX)
    }

    /// An answer that was heard is not lost because the database is away for a moment.
    async fn turn_surely(
        &self,
        refill: &DueRefillRequest,
        turn: &RefillTransition,
        words: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for _ in 1..submit::CONCLUSIONS_MAX {
            match refills::move_refill(&self.store, refill, turn, words, now).await {
                Err(error) if error.is_away() || error.will_pass() => {
                    tokio::time::sleep(submit::BETWEEN_CONCLUSIONS).await;
                }
                turned => return turned.map(|_| ()),
            }
        }

        refills::move_refill(&self.store, refill, turn, words, now)
            .await
            .map(|_| ())
    }

    async fn ask_about_refills(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        let settings = panel.settings();
        let now = self.clock.now();
        let meanwhile = now + TimeDelta::seconds(i64::from(settings.status_every_s).max(1));
        let batch = i64::from(settings.status_batch_max);
        let asked_of = PanelAddress {
            provider: &settings.id,
            address: &panel.address(),
        };

        let due =
            refills::claim_due_polls(&self.store, asked_of, epoch, batch, meanwhile, now).await?;

        if due.is_empty() {
            return Ok(0);
        }

        let (elsewhere, here): (Vec<_>, Vec<_>) = due.iter().partition(|due| due.elsewhere);
        for due in elsewhere {
            self.hear_of_refill(settings, due, None, now).await?;
        }

        if here.is_empty() {
            return Ok(due.len());
        }

        let ids: Vec<PanelRefill> = here.iter().map(|due| due.panel_refill.clone()).collect();
        let RefillRound { rows, ended } = ask_where(panel, &ids).await;

        if let Some(failure) = &ended {
            tracing::warn!(provider = %settings.id, refills = ids.len(), told = rows.len(),
                %failure, "a panel told nothing more of refills");
        }

        for (id, row) in &rows {
            let Some(due) = here.iter().find(|due| due.panel_refill == *id) else {
                continue;
            };
            self.hear_of_refill(settings, due, Some(row), now).await?;
        }

        Ok(if ended.is_some() { 0 } else { due.len() })
    }

    /// What its panel says of a refill, if it can be asked and says anything.
    async fn hear_of_refill(
        &self,
        settings: &ProviderSettings,
        due: &DueRefill,
        row: Option<&RefillRow>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (status, end) = match row {
            Some(RefillRow::Said(state, text)) => {
                let end = Some(*state).filter(|state| {
                    matches!(state, RefillState::Completed | RefillState::Rejected)
                });
                (text.as_str(), end)
            }
            // Nothing is known of it for so long: nothing proves that it happened.
            Some(RefillRow::Unclear(text)) => (text.as_str(), too_old(settings, due.taken_at, now)),
            None => ("missing", too_old(settings, due.taken_at, now)),
        };

        let next_at = track::next_ask(settings, due.taken_at, now);
        refills::record_state(&self.store, due.id, status, end, next_at, now).await
    }
}

/// What questions about refills told, and why they ended, if they did before all were asked about.
struct RefillRound {
    rows: Vec<(PanelRefill, RefillRow)>,
    ended: Option<Failure>,
}

/// Asks where refills stand, in halves where a batch is not answered, each by itself. One that
/// fails alone tells something of itself only where the panel tells of others.
async fn ask_where(panel: &Panel, refills: &[PanelRefill]) -> RefillRound {
    let mut told = RefillRound {
        rows: Vec::with_capacity(refills.len()),
        ended: None,
    };

    let mut failed_alone = Vec::new();
    let mut waiting = vec![refills];
    for _ in 0..statuses::QUESTIONS_MAX {
        let Some(asked) = waiting.pop() else { break };
        let failure = match panel.refill_status(asked).await {
            Ok(rows) => {
                told.rows.extend(rows);
                continue;
            }
            Err(failure) => failure,
        };

        if !statuses::may_go_on(panel, &failure) {
            told.ended = Some(failure);
            break;
        }

        if asked.len() > 1 {
            let (first, second) = asked.split_at(asked.len().div_ceil(2));
            waiting.extend([second, first]);
            continue;
        }

        failed_alone.extend(
            asked
                .iter()
                .map(|id| (id.clone(), RefillRow::Unclear(failure.words.clone()))),
        );

        if told.rows.is_empty() && failed_alone.len() >= FAILED_ALONE_MAX {
            told.ended = Some(failure);
            break;
        }
    }

    if !told.rows.is_empty() {
        told.rows.extend(failed_alone);
    }

    told
}

/// When a refill is given up of which nothing can be asked.
fn expiry(settings: &ProviderSettings, now: Timestamp) -> Timestamp {
    now + TimeDelta::hours(i64::from(settings.asking.refill_expires_after_h))
}

/// The end of a refill that its panel does not know, when it waited as long as one without an id.
fn too_old(
    settings: &ProviderSettings,
    taken_at: Timestamp,
    now: Timestamp,
) -> Option<RefillState> {
    (expiry(settings, taken_at) <= now).then_some(RefillState::Rejected)
}
