//! Decisions about doubts that are taken back: an id that its panel does not know, a "not placed"
//! or a refusal that was not so.

use crate::domain::clock::Timestamp;
use crate::domain::doubt::{DoubtCheck, DoubtVerdict};
use crate::domain::id::{LegId, OrderId};
use crate::store::doubts::{IDS_SHOW, PERSON_FOUND};
use crate::store::legs::{FIRST_CHECK, LockedLeg, lock_leg};
use crate::store::orders::TWICE;
use crate::store::{StoreError, Tx};

/// Why a leg is in doubt that was found not placed before.
const TAKEN_BACK: &str = "a person took back that it was not placed";

/// Locks the leg of an order that is followed by an id which its panel does not know, where a
/// person was asked.
pub async fn unknown_to_panel(
    tx: &mut Tx,
    order: OrderId,
) -> Result<Option<LockedLeg>, StoreError> {
    let Some(leg) = find_unknown(tx, order).await? else {
        return Ok(None);
    };

    let leg = lock_leg(tx, leg).await?;

    // While the lock was waited for, the panel may have spoken of it after all.
    let still = find_unknown(tx, order).await? == Some(leg.id);
    Ok(Some(leg).filter(|_| still))
}

async fn find_unknown(tx: &mut Tx, order: OrderId) -> Result<Option<LegId>, StoreError> {
    let leg = sqlx::query_scalar!(
        r#"
        select l.id
        from leg l
        join tracked_leg w on w.leg_id = l.id
        join orders o on o.id = l.order_id
        where l.order_id = $1 and l.state = 'accepted' and o.review is not null
            and (w.seen like 'missing%' or w.seen like 'error:%')
        "#,
        order.0
    );

    Ok(leg.fetch_optional(&mut **tx).await?.map(LegId))
}

/// What a panel refused last of a leg is there all the same, as a person found.
pub async fn disbelieve_refusal(tx: &mut Tx, leg: &LockedLeg) -> Result<(), StoreError> {
    let disbelieved = sqlx::query!(
        r#"
        update attempt
        set verdict = 'in_doubt', words = words || '; a person found it at the panel all the same'
        where leg_id = $1 and n = $2 and verdict = 'refused'
        "#,
        leg.id.0,
        leg.attempt
    );

    match disbelieved.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "a refusal that was there a moment ago is gone",
        )),
    }
}

/// An accepted leg is in doubt again: its id is nobody's, its cost is exposure, and nobody asks
/// about it.
pub async fn doubt_again(tx: &mut Tx, leg: &LockedLeg, now: Timestamp) -> Result<(), StoreError> {
    let moved = sqlx::query!(
        r#"
        with doubted as (
            update leg
            set state = 'in_doubt', panel_order = null, accepted_at = null, booked = 0,
                exposed = cost,
                doubted_at = $3, check_at = $4, panel_status = null, panel_charge = null,
                late_order = null, late_at = null, reason = 'the panel does not know the id'
            where id = $1 and state = 'accepted'
            returning id
        ),
        -- Whoever asks for it again writes its answer down here.
        unanswered as (
            update attempt e
            -- A panel that forgot an order forgets its name too, and would take it for a new one.
            set verdict = 'in_doubt', words = 'had an id; ' || e.words
            from leg l, doubted
            where l.id = doubted.id and e.leg_id = l.id and e.n = l.attempt
                and e.verdict = 'accepted'
        ),
        forgotten as (
            delete from panel_order using doubted where panel_order.leg_id = doubted.id
        ),
        moved as (
            delete from balance_move using doubted where balance_move.leg_id = doubted.id
        ),
        review as (
            update orders
            set review = null
            where id = $2
                -- That an earlier panel has the order too is not answered by which id it has here.
                and not (
                    starts_with(review, $5)
                    and exists (
                        select from leg other
                        where other.order_id = $2 and other.id <> $1
                            and other.state = 'refused' and other.late_order is not null
                    )
                )
        ),
        -- What was asked under the wrong id was asked for nothing.
        asked as (
            update cancel_request set state = 'ready', next_at = $3 where order_id = $2
        )
        delete from tracked_leg using doubted where tracked_leg.leg_id = doubted.id
        "#,
        leg.id.0,
        leg.order.0,
        now,
        now + FIRST_CHECK,
        TWICE
    );

    match moved.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// The legs of an order that were in doubt and found not placed, by a person or by the panel's ids,
/// in order. A late refusal is the panel's own word, and what was given up in doubt is over for its
/// customer.
pub async fn found_not_placed(tx: &mut Tx, order: OrderId) -> Result<Vec<LegId>, StoreError> {
    let found = sqlx::query_scalar!(
        "select id from leg where order_id = $1 and state = 'refused' and reason in ($2, $3) \
         order by n",
        order.0,
        PERSON_FOUND,
        IDS_SHOW
    );

    Ok(found
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(LegId)
        .collect())
}

/// A leg that was found not placed is in doubt after all, and not for the panel's ids to decide any
/// more.
pub async fn doubt_after_all(
    tx: &mut Tx,
    leg: &LockedLeg,
    now: Timestamp,
) -> Result<(), StoreError> {
    let doubted = sqlx::query!(
        r#"
        with doubted as (
            update leg
            set state = 'in_doubt', exposed = cost, doubted_at = $2, check_at = $3,
                not_placed_said_at = null,
                ended_at = null, late_order = null, late_at = null, reason = $4
            where id = $1 and state = 'refused'
            returning id, attempt
        ),
        -- Whoever asks for it again writes its answer down here.
        unanswered as (
            update attempt e
            set verdict = 'in_doubt', words = 'had an id; ' || e.words
            from doubted d
            where e.leg_id = d.id and e.n = d.attempt and e.verdict = 'accepted'
        )
        insert into doubt_check (leg_id, at, kind, verdict, words)
        select id, $2, $5, $6, $4
        from doubted
        "#,
        leg.id.0,
        now,
        now + FIRST_CHECK,
        TAKEN_BACK,
        DoubtCheck::Person.as_str(),
        DoubtVerdict::Unknown.as_str()
    );

    match doubted.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// Whether a person took back that a leg was not placed: that its panel's ids show nothing of it
/// decides nothing then.
pub async fn was_taken_back(tx: &mut Tx, leg: LegId) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from doubt_check where leg_id = $1 and kind = $2 and words = $3)
            as "found!""#,
        leg.0,
        DoubtCheck::Person.as_str(),
        TAKEN_BACK
    );

    Ok(found.fetch_one(&mut **tx).await?)
}
