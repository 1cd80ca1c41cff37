//! Watches: the legs that are still followed at their panels.

use crate::domain::clock::Instant;
use crate::domain::id::{LegId, PanelOrder, ProviderId};
use crate::store::{Store, StoreError, Tx};

/// A leg whose panel is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The leg.
    pub leg: LegId,
    /// Its id at the panel.
    pub panel_order: PanelOrder,
    /// Since when the panel has it.
    pub accepted_at: Instant,
    /// What the panel said last.
    pub seen: String,
}

/// Takes the legs that are due at a panel, longest waiting first, and puts their next asking off until `next_at`: what
/// is asked is not asked by anyone else meanwhile, and is asked again should this process die.
pub async fn take(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    legs_max: i64,
    next_at: Instant,
    now: Instant,
) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select leg_id
            from watch
            where provider = $1 and next_at <= $5
                and exists (select from provider p where p.id = $1 and p.epoch = $2 and p.held_until > $5)
            order by next_at
            limit $3
            for update skip locked
        )
        update watch w
        set next_at = $4
        from due
        where w.leg_id = due.leg_id
        returning w.leg_id, w.panel_order, w.accepted_at, w.seen
        "#,
        provider.0,
        epoch,
        legs_max,
        next_at,
        now
    );
    let rows = rows.fetch_all(&store.workers).await?.into_iter().map(|row| Due {
        leg: LegId(row.leg_id),
        panel_order: PanelOrder(row.panel_order),
        accepted_at: row.accepted_at,
        seen: row.seen,
    });
    Ok(rows.collect())
}

/// Keeps what the panel said, and when it is asked next. How many answers in a row were puzzles, this one included.
pub async fn put_off(tx: &mut Tx, leg: LegId, seen: &str, next_at: Instant, puzzled: bool) -> Result<i32, StoreError> {
    let count = sqlx::query_scalar!(
        r#"
        update watch
        set next_at = $2, seen = $3, puzzled = case when $4 then puzzled + 1 else 0 end
        where leg_id = $1
        returning puzzled
        "#,
        leg.0,
        next_at,
        seen,
        puzzled
    );
    count.fetch_optional(&mut **tx).await?.ok_or(StoreError::Unexpected("a leg that is not watched was asked about"))
}

/// Says when many legs are asked about next, whose answers changed nothing.
pub async fn put_off_all(store: &Store, legs: &[(LegId, Instant)]) -> Result<(), StoreError> {
    let ids: Vec<i64> = legs.iter().map(|(leg, _)| leg.0).collect();
    let moments: Vec<Instant> = legs.iter().map(|(_, at)| *at).collect();
    let moved = sqlx::query!(
        r#"
        update watch w
        set next_at = n.at
        from unnest($1::bigint[], $2::timestamptz[]) as n (leg_id, at)
        where w.leg_id = n.leg_id
        "#,
        &ids,
        &moments
    );
    moved.execute(&store.workers).await?;
    Ok(())
}
