//! What is heard late of a leg that is over, or that has another id at its panel: kept beside what
//! is known; and a leg that becomes its order's last one again.

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, PanelOrder};
use crate::domain::leg::{Evidence, LegState};
use crate::store::legs::{LockedLeg, Transition, WORDS_CHARS_MAX, lock_leg, move_leg};
use crate::store::{StoreError, Tx, stuck};

/// Rounds in which an order's later legs are locked, should it go on meanwhile.
const ROUNDS_MAX: usize = 20;

/// Keeps a late acceptance as evidence, beside what was written down of the same attempt before.
pub async fn record(
    tx: &mut Tx,
    leg: &LockedLeg,
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
        set answered_at = $3, verdict = 'accepted', http_status = $4,
            words = case
                when verdict in ('sending', 'in_doubt')
                    then coalesce(substring(words from '^request_id [^ ;]+; '), '') || $5
                else left(words, $6) || '; and later: ' || $5
            end
        where leg_id = $1 and n = $2
        "#,
        leg.id.0,
        leg.attempt,
        now,
        said.http_status.map(i32::from),
        words,
        i32::try_from(WORDS_CHARS_MAX).unwrap_or(i32::MAX)
    );

    match recorded.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "an answer to an attempt that was never opened",
        )),
    }
}

/// Keeps an id under which a panel took a leg that was found not placed, or that has another id
/// there; the leg stays what it is. Of several such ids the first is kept.
pub async fn keep(
    tx: &mut Tx,
    leg: LegId,
    id: &PanelOrder,
    now: Timestamp,
) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        r#"
        update leg
        set late_order = coalesce(late_order, $2), late_at = coalesce(late_at, $3)
        where id = $1 and state in ('refused', 'accepted', 'ended')
        "#,
        leg.0,
        id.0,
        now
    );

    match kept.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// Locks the legs of an order that came after a locked one, in order, whatever is added meanwhile.
pub async fn lock_later(tx: &mut Tx, leg: &LockedLeg) -> Result<Vec<LockedLeg>, StoreError> {
    let mut later: Vec<LockedLeg> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let last = later.last().map_or(leg.n, |last| last.n);
        let ids = sqlx::query_scalar!(
            "select id from leg where order_id = $1 and n > $2 order by n",
            leg.order.0,
            last
        );

        let ids = ids.fetch_all(&mut **tx).await?;
        if ids.is_empty() {
            return Ok(later);
        }

        for id in ids {
            later.push(lock_leg(tx, LegId(id)).await?);
        }
    }

    Err(StoreError::Unexpected(
        "an order goes from route to route faster than it can be locked",
    ))
}

/// Locks the last of an order's other legs that was found not placed, and that its panel took after
/// all.
pub async fn lock_taken(tx: &mut Tx, than: &LockedLeg) -> Result<Option<LockedLeg>, StoreError> {
    let taken = sqlx::query_scalar!(
        r#"
        select id
        from leg
        where order_id = $1 and id <> $2 and state = 'refused' and late_at is not null
        order by n desc
        limit 1
        "#,
        than.order.0,
        than.id.0
    );

    let Some(taken) = taken.fetch_optional(&mut **tx).await? else {
        return Ok(None);
    };

    let leg = lock_leg(tx, LegId(taken)).await?;
    Ok(Some(leg).filter(|leg| leg.state == LegState::Refused && leg.late_order.is_some()))
}

/// Locks the leg of an order that is followed at its panel, and that the panel took under this
/// other id too.
pub async fn lock_told_twice(
    tx: &mut Tx,
    order: OrderId,
    id: &PanelOrder,
) -> Result<Option<LockedLeg>, StoreError> {
    let found = sqlx::query_scalar!(
        "select id from leg where order_id = $1 and state = 'accepted' and late_order = $2",
        order.0,
        id.0
    );

    let Some(found) = found.fetch_optional(&mut **tx).await? else {
        return Ok(None);
    };

    let leg = lock_leg(tx, LegId(found)).await?;
    Ok(Some(leg)
        .filter(|leg| leg.state == LegState::Accepted && leg.late_order.as_ref() == Some(id)))
}

/// A leg becomes its order's last one again: of the later ones, which are locked, those that wait
/// are not sent any more, and all are numbered before it. One that nobody tried leaves no trace.
pub async fn put_last(
    tx: &mut Tx,
    leg: &LockedLeg,
    later: &[LockedLeg],
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut stay = Vec::new();
    for other in later {
        let waits = matches!(
            other.state,
            LegState::Ready | LegState::Leased | LegState::Parked
        );

        if waits {
            stuck::clear_stuck(tx, other.id, other.order).await?;
        }

        if waits && forget_untried(tx, other).await? {
            continue;
        }

        if waits {
            move_leg(tx, other, &Transition::Canceled, why, now).await?;
        }

        stay.push(other);
    }

    let Some(last) = stay.last() else {
        return Ok(());
    };

    // Two legs never bear one number, not even within this commit.
    number(tx, leg.id, last.n + 1).await?;
    let mut n = leg.n;

    for other in &stay {
        number(tx, other.id, n).await?;
        n += 1;
    }

    number(tx, leg.id, n).await
}

async fn number(tx: &mut Tx, leg: LegId, n: i32) -> Result<(), StoreError> {
    sqlx::query!("update leg set n = $2 where id = $1 and n <> $2", leg.0, n)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets a leg of which nothing was ever tried. `false`: something was, or it moved.
async fn forget_untried(tx: &mut Tx, leg: &LockedLeg) -> Result<bool, StoreError> {
    let forgotten = sqlx::query!(
        r#"
        delete from leg
        where id = $1 and n > 1 and state in ('ready', 'leased', 'parked')
            and not exists (select from attempt where leg_id = $1)
        "#,
        leg.id.0
    );

    Ok(forgotten.execute(&mut **tx).await?.rows_affected() == 1)
}
