//! Legs under lock: answered, moved on, ended. Every write names the state that it was made for.

use chrono::TimeDelta;

use sqlx::types::Json;

use crate::domain::choice::Passed;
use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, PanelOrder, ProviderId};
use crate::domain::leg::{Evidence, LegState};
use crate::domain::money::{ExchangeRate, Money};
use crate::domain::provider::RefusalClass;
use crate::domain::service::Route;
use crate::domain::settlement::FinalCost;
use crate::routing::Chosen;
use crate::store::panel_orders::{self, Witness};
use crate::store::{StoreError, Tx, balance_moves, tracked_legs};

/// Legs that an order may go through while its last one is locked.
const LEGS_MAX: usize = 20;
/// After a doubt, before it is looked into the first time.
pub const FIRST_CHECK: TimeDelta = TimeDelta::minutes(2);

/// The longest piece of a panel's answer that is kept as evidence, in characters.
pub(super) const WORDS_CHARS_MAX: usize = 4_000;

/// A leg under lock, with its order's state of affairs that answers need.
#[derive(Clone, Debug)]
pub struct LockedLeg {
    /// The leg.
    pub id: LegId,
    /// Its order.
    pub order: OrderId,
    /// Which of the order's legs.
    pub n: i32,
    /// The panel and its service.
    pub route: Route,
    /// Where it stands.
    pub state: LegState,
    /// The attempt that it stands at.
    pub attempt: i32,
    /// Attempts in a row that never left this machine.
    pub unsent: i32,
    /// How often it was asked for again under its name, while it was in doubt.
    pub repeats: i32,
    /// What the panel is expected to charge.
    pub cost: Money,
    /// What of it is booked as cost.
    pub booked: Money,
    /// What of it is booked as exposure.
    pub exposed: Money,
    /// What it was parked for last, and since when it waits for that.
    pub parked: Option<(RefusalClass, Timestamp)>,
    /// Whether it waits parked after a refusal of which a late charge would still be noticed.
    pub may_be_charged: bool,
    /// Its id at the panel, where it has one.
    pub panel_order: Option<PanelOrder>,
    /// The id under which its panel took it late, after it was found not placed or had another id.
    pub late_order: Option<PanelOrder>,
}

/// Locks a leg; it is locked before its order and its wallet.
pub async fn lock_leg(tx: &mut Tx, leg: LegId) -> Result<LockedLeg, StoreError> {
    let row = sqlx::query!(
        r#"
        select order_id, n, provider, service, state, attempt, unsent, repeats, cost, booked,
            exposed, parked_at, parked_for, panel_order, late_order,
            state = 'parked' and clear_until is not null as "may_be_charged!"
        from leg
        where id = $1
        for update
        "#,
        leg.0
    );

    let row = row.fetch_one(&mut **tx).await?;
    let state = state_of(leg, &row.state)?;

    Ok(LockedLeg {
        id: leg,
        order: OrderId(row.order_id),
        n: row.n,
        route: Route {
            provider: ProviderId(row.provider),
            service: row.service,
        },
        state,
        attempt: row.attempt,
        unsent: row.unsent,
        repeats: row.repeats,
        cost: Money::from_decimal(row.cost),
        booked: Money::from_decimal(row.booked),
        exposed: Money::from_decimal(row.exposed),
        parked: row
            .parked_for
            .as_deref()
            .and_then(RefusalClass::from_word)
            .zip(row.parked_at),
        may_be_charged: row.may_be_charged,
        panel_order: row.panel_order.map(PanelOrder),
        late_order: row.late_order.map(PanelOrder),
    })
}

/// The state that a leg's row names.
pub(super) fn state_of(leg: LegId, word: &str) -> Result<LegState, StoreError> {
    LegState::from_word(word).ok_or_else(|| StoreError::Contradiction {
        table: "leg",
        column: "state",
        id: leg.to_string(),
        value: word.to_owned(),
    })
}

/// Legs after the given one that a dispatcher would send, or was sending: those whose panel has not
/// spoken.
pub async fn find_unanswered(
    tx: &mut Tx,
    after: LegId,
    legs_max: i64,
) -> Result<Vec<LegId>, StoreError> {
    let legs = sqlx::query_scalar!(
        r#"
        select id
        from leg
        where id > $1 and state in ('ready', 'leased', 'parked', 'sending')
        order by id
        limit $2
        "#,
        after.0,
        legs_max
    );

    Ok(legs
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(LegId)
        .collect())
}

/// Locks an order's last leg; `None`: there is no such order.
pub async fn lock_last(tx: &mut Tx, order: OrderId) -> Result<Option<LockedLeg>, StoreError> {
    for _ in 0..LEGS_MAX {
        let last = sqlx::query_scalar!(
            "select id from leg where order_id = $1 order by n desc limit 1",
            order.0
        );

        let Some(last) = last.fetch_optional(&mut **tx).await? else {
            return Ok(None);
        };

        let leg = lock_leg(tx, LegId(last)).await?;

        // While the lock was waited for, the order may have gone on by another route.
        let next = sqlx::query_scalar!(
            "select id from leg where order_id = $1 and n > $2",
            order.0,
            leg.n
        );

        if next.fetch_optional(&mut **tx).await?.is_none() {
            return Ok(Some(leg));
        }
    }

    Err(StoreError::Unexpected(
        "an order goes from route to route faster than it can be locked",
    ))
}

/// Completes the attempt that the intent opened. What the panel said is kept, whatever follows
/// from it, after the name under which it was asked, if it had one.
pub async fn record_answer(
    tx: &mut Tx,
    leg: LegId,
    attempt: i32,
    said: &Evidence,
    now: Timestamp,
) -> Result<(), StoreError> {
    let words: String = said
        .words
        .chars()
        .filter(|c| *c != '\0')
        .take(WORDS_CHARS_MAX)
        .collect();

    let recorded = sqlx::query!(
        r#"
        update attempt
        set answered_at = $3, verdict = $4, http_status = $5,
            words = coalesce(substring(words from '^request_id [^ ;]+; '), '') || $6
        where leg_id = $1 and n = $2 and verdict in ('sending', 'in_doubt')
        "#,
        leg.0,
        attempt,
        now,
        said.verdict.as_str(),
        said.http_status.map(i32::from),
        words
    );

    match recorded.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "an answer to an attempt that was never opened, or was answered before",
        )),
    }
}

/// The panel has it: under its id, watched from now on. `false`: another leg owns that id.
pub async fn accept_leg(
    tx: &mut Tx,
    leg: &LockedLeg,
    panel_order: &PanelOrder,
    witness: Witness,
    first_ask: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !panel_orders::own_id(tx, leg, panel_order, witness).await? {
        return Ok(false);
    }

    let accepted = sqlx::query!(
        r#"
        with accepted as (
            update leg
            set state = 'accepted', panel_order = $3, accepted_at = $4, booked = cost, exposed = 0,
                unsent = 0, doubted_at = null, check_at = null, ended_at = null, late_order = null,
                late_at = null, refused_for = null, reason = 'accepted by the panel'
            where id = $1 and state = $2
            returning id, provider
        )
        insert into tracked_leg (leg_id, provider, panel_order, accepted_at, next_at)
        select id, provider, $3, $4, $5
        from accepted
        "#,
        leg.id.0,
        leg.state.as_str(),
        panel_order.0,
        now,
        first_ask
    );

    match accepted.execute(&mut **tx).await?.rows_affected() {
        1 => balance_moves::note_taken(tx, leg, now).await.map(|()| true),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// How a locked leg goes on when the panel does not have it for certain.
#[derive(Clone, Debug)]
pub enum Transition {
    /// Nothing was sent: ready again later, perhaps by another route.
    Again {
        /// Not before.
        at: Timestamp,
        /// By which other route; by the same when `None`.
        by: Option<Chosen>,
    },
    /// Refused for a reason that passes: ready again later.
    Parked {
        /// Not before.
        at: Timestamp,
        /// What it waits for.
        class: RefusalClass,
    },
    /// Refused, and over.
    Refused,
    /// Taken back before anything was sent.
    Canceled,
    /// Given up: what the panel may have taken is booked as cost.
    WrittenOff,
    /// Nobody knows; its cost is exposure from now on.
    InDoubt,
}

/// Moves a locked leg on.
pub async fn move_leg(
    tx: &mut Tx,
    leg: &LockedLeg,
    turn: &Transition,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (state, ready_at, unsent) = match turn {
        Transition::Again { at, .. } => (LegState::Ready, Some(*at), leg.unsent + 1),
        Transition::Parked { at, .. } => (LegState::Parked, Some(*at), 0),
        Transition::Refused => (LegState::Refused, None, 0),
        Transition::Canceled => (LegState::Canceled, None, 0),
        Transition::WrittenOff => (LegState::WrittenOff, None, 0),
        Transition::InDoubt => (LegState::InDoubt, None, 0),
    };

    let chosen = match turn {
        Transition::Again { by, .. } => by.as_ref(),
        Transition::Parked { .. }
        | Transition::Refused
        | Transition::Canceled
        | Transition::WrittenOff
        | Transition::InDoubt => None,
    };

    let (route, cost) = chosen.map_or((&leg.route, leg.cost), |chosen| {
        (&chosen.route, chosen.cost)
    });

    let parked_for = match turn {
        Transition::Parked { class, .. } => Some(class.as_str()),
        Transition::Again { .. }
        | Transition::Refused
        | Transition::Canceled
        | Transition::WrittenOff
        | Transition::InDoubt => None,
    };

    let moved = sqlx::query!(
        r#"
        update leg
        set state = $3, ready_at = coalesce($4, ready_at), provider = $5, service = $6, cost = $7,
            unsent = $8, reason = $9, choice = coalesce($13, choice),
            -- What waited in a backup may have been sent since, by what nobody kept.
            fx_rate = case when $3 = 'in_doubt' and state in ('ready', 'leased', 'parked')
                then (select p.fx_rate from provider p where p.id = $5)
                else fx_rate
            end,
            exposed = case when $3 = 'in_doubt' then cost else 0 end,
            booked = case when $3 = 'written_off' then cost when state = 'written_off' then 0
                else booked end,
            doubted_at = case when $3 in ('in_doubt', 'written_off')
                then coalesce(doubted_at, $10) end,
            check_at = case when $3 = 'in_doubt' then coalesce(check_at, $11) end,
            parked_at = case when parked_for is distinct from $12 and $12 is not null then $10
                else parked_at end,
            parked_for = coalesce($12, parked_for), refused_for = null,
            -- What one panel's balance showed says nothing of another's.
            clear_until = case when provider = $5 then clear_until end,
            ended_at = case when $3 in ('refused', 'canceled', 'written_off') then $10 end
        where id = $1 and state = $2
        "#,
        leg.id.0,
        leg.state.as_str(),
        state.as_str(),
        ready_at,
        route.provider.0,
        route.service,
        cost.decimal(),
        unsent,
        reason,
        now,
        now + FIRST_CHECK,
        parked_for,
        chosen.map(|chosen| Json(&chosen.choice)) as _
    );

    match moved.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// The order's next leg, by another route.
pub async fn add_next_leg(
    tx: &mut Tx,
    after: &LockedLeg,
    chosen: &Chosen,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let added = sqlx::query!(
        r#"
        insert into leg (order_id, n, provider, service, ready_at, began_at, cost, reason, choice)
        values ($1, $2, $3, $4, $5, $5, $6, $7, $8)
        "#,
        after.order.0,
        after.n + 1,
        chosen.route.provider.0,
        chosen.route.service,
        now,
        chosen.cost.decimal(),
        reason,
        Json(&chosen.choice) as _
    );

    added.execute(&mut **tx).await?;
    Ok(())
}

/// Every route that the order was tried on before a leg, and what came of it there. What was only
/// taken back, because the order went to an earlier one again, was not.
pub async fn tried_before(tx: &mut Tx, order: OrderId, n: i32) -> Result<Vec<Passed>, StoreError> {
    let rows = sqlx::query!(
        "select provider, service, reason from leg where order_id = $1 and n < $2 and state <> \
         'canceled' order by n",
        order.0,
        n
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let why = |reason: &str| format!("tried before: {reason}");

    Ok(rows
        .map(|row| Passed {
            provider: row.provider,
            service: row.service,
            why: why(&row.reason),
        })
        .collect())
}

/// Keeps what a panel said of a leg that a person is to decide: the decision does not change what
/// the panel took.
pub async fn note_said(
    tx: &mut Tx,
    leg: LegId,
    status: &str,
    charge_text: Option<&str>,
) -> Result<(), StoreError> {
    let noted = sqlx::query!(
        "update leg set panel_status = $2, panel_charge = coalesce($3, panel_charge) where id = $1",
        leg.0,
        status,
        charge_text
    );

    match noted.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg under lock is gone")),
    }
}

/// What a panel stated last that it took for a leg, in our currency; `None` where it never did.
pub async fn stated_cost(tx: &mut Tx, leg: LegId) -> Result<Option<Money>, StoreError> {
    let row = sqlx::query!(
        r#"
        select l.panel_charge, l.fx_rate, w.charge as "told_open?"
        from leg l
        left join tracked_leg w on w.leg_id = l.id
        where l.id = $1
        "#,
        leg.0
    );

    let row = row.fetch_one(&mut **tx).await?;
    let exchange = ExchangeRate::from_decimal(row.fx_rate);
    let last = row
        .panel_charge
        .as_deref()
        .and_then(|text| Money::parse_rounding_up(text).ok());

    let last = last.and_then(|charge| charge.exchanged_rounding_up(exchange).ok());
    Ok(last
        .filter(|charge| !charge.is_negative())
        .or(row.told_open.map(Money::from_decimal)))
}

/// What follows an accepted leg's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// The panel is asked again at this moment: it may think better of it.
    AskAt(Timestamp),
    /// Nobody asks any more.
    Nothing,
}

/// What is known of an accepted leg at its end.
#[derive(Clone, Copy, Debug)]
pub struct LegEnd<'a> {
    /// What the panel said last, or who ended it.
    pub status: &'a str,
    /// The panel's charge, as it was sent.
    pub charge_text: Option<&'a str>,
    /// What its cost finally is.
    pub cost: FinalCost,
    /// Why it is over, in words.
    pub reason: &'a str,
    /// Whether it is over because its panel reported a failure for so long, and does so still.
    pub is_failing: bool,
    /// What follows.
    pub afterwards: Afterwards,
}

/// An accepted leg is over, or ends otherwise than it did.
pub async fn end_leg(
    tx: &mut Tx,
    leg: &LockedLeg,
    end: LegEnd<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ended = sqlx::query!(
        r#"
        update leg
        set state = 'ended', panel_status = $2, panel_charge = coalesce($3, panel_charge),
            booked = $4, ended_at = coalesce(ended_at, $5), reason = $6
        where id = $1 and state in ('accepted', 'ended')
        "#,
        leg.id.0,
        end.status,
        end.charge_text,
        end.cost.amount.decimal(),
        now,
        end.reason
    );

    if ended.execute(&mut **tx).await?.rows_affected() != 1 {
        return Err(StoreError::Unexpected(
            "a leg that the panel does not have ended there",
        ));
    }

    balance_moves::note_corrected(tx, leg, end.cost, now).await?;
    match end.afterwards {
        Afterwards::AskAt(at) => {
            tracked_legs::after_the_end(tx, leg.id, at, end.is_failing, now).await
        }
        Afterwards::Nothing => tracked_legs::forget_poll(tx, leg.id).await,
    }
}
