//! Tracked legs: those that are still followed at their panels.

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, PanelOrder, ProviderId};
use crate::domain::money::{ExchangeRate, Money};
use crate::store::{Store, StoreError, Tx};

/// A leg whose panel is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuePoll {
    /// The leg.
    pub leg: LegId,
    /// Its id at the panel.
    pub panel_order: PanelOrder,
    /// What one unit of the panel's currency was worth in ours when it was sent.
    pub exchange: ExchangeRate,
    /// Since when the panel has it.
    pub accepted_at: Timestamp,
    /// What the panel said last.
    pub seen: String,
    /// When it was asked this time: an answer to an earlier question changes nothing.
    pub asked_at: Timestamp,
    /// Since when it is over at the panel, if it is.
    pub ended_at: Option<Timestamp>,
    /// How often it was asked about since.
    pub checks: i32,
    /// Since when the panel reports a failure.
    pub failing_at: Option<Timestamp>,
    /// What it said that it took while the order was open, in our currency.
    pub charge: Option<Money>,
}

/// Takes the legs that are due at a panel, longest waiting first, and puts their next asking off
/// until `next_at`: what is asked is not asked by anyone else meanwhile, and is asked again should
/// this process die. None while the panel is given time after a round that failed.
pub async fn claim_due_polls(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    legs_max: i64,
    next_at: Timestamp,
    now: Timestamp,
) -> Result<Vec<DuePoll>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select leg_id
            from tracked_leg
            where provider = $1 and next_at <= $5
                and exists (
                    select
                    from provider p
                    where p.id = $1 and p.epoch = $2 and p.held_until > $5
                        and (p.statuses_again_at is null or p.statuses_again_at <= $5)
                )
            order by next_at
            limit $3
            for update skip locked
        )
        update tracked_leg w
        set next_at = $4, asked_at = $5
        from due, leg l
        where w.leg_id = due.leg_id and l.id = due.leg_id
        returning w.leg_id, w.panel_order, l.fx_rate, w.accepted_at, w.seen, w.ended_at, w.checks,
            w.failing_at, w.charge, w.asked_at as "asked_at!"
        "#,
        provider.0,
        epoch,
        legs_max,
        next_at,
        now
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| DuePoll {
            leg: LegId(row.leg_id),
            panel_order: PanelOrder(row.panel_order),
            exchange: ExchangeRate::from_decimal(row.fx_rate),
            accepted_at: row.accepted_at,
            seen: row.seen,
            asked_at: row.asked_at,
            ended_at: row.ended_at,
            checks: row.checks,
            failing_at: row.failing_at,
            charge: row.charge.map(Money::from_decimal),
        });

    Ok(rows.collect())
}

/// Whether a leg under lock is still followed, and was not asked about since by anybody else: else
/// what was heard is old news, or a person has decided meanwhile.
pub async fn is_still_asked(tx: &mut Tx, due: &DuePoll) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"
        select exists (
            select from tracked_leg where leg_id = $1 and panel_order = $2 and asked_at = $3
                and ended_at is not distinct from $4
        ) as "found!"
        "#,
        due.leg.0,
        due.panel_order.0,
        due.asked_at,
        due.ended_at
    );

    Ok(found.fetch_one(&mut **tx).await?)
}

/// What a panel's word was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It says where the order stands.
    Clear,
    /// It should settle the order and cannot.
    Puzzling,
    /// It is no status at all.
    Silent,
    /// It reports a failure that may yet be set right.
    Failing,
}

/// Keeps what the panel said, the charge that it told included, and when it is asked next. How many
/// words in a row were worth as little. The order moved where the panel's clear word is another
/// status than the clear word before, or less remains than ever under it, whatever it said between.
pub async fn put_off(
    tx: &mut Tx,
    leg: LegId,
    seen: &str,
    charge: Option<Money>,
    next_at: Timestamp,
    worth: Worth,
    now: Timestamp,
) -> Result<i32, StoreError> {
    let row = sqlx::query!(
        r#"
        update tracked_leg
        set next_at = $2, seen = $3,
            puzzled = case when $4 then puzzled + 1 else 0 end,
            silent = case when $5 then silent + 1 else 0 end,
            failing_at = case when $6 then coalesce(failing_at, $7) when $5 then failing_at end,
            heard_at = case when $8 then asked_at else heard_at end, charge = coalesce($9, charge),
            moved_at = case when $8 and word is distinct from heard.moves then $7 else moved_at end,
            word = case when $8 then heard.moves else word end
        from (
            -- The status, and the least that remained under it: what goes to and fro is no
            -- movement.
            select said.status || '|' || coalesce(
                least(
                    said.remains,
                    case
                        when split_part(w.word, '|', 1) = said.status
                            and split_part(w.word, '|', 3) = ''
                            then substring(split_part(w.word, '|', 2) from '-?\d+')::numeric
                    end
                )::text,
                ''
            ) as moves
            from tracked_leg w
            cross join lateral (
                select split_part($3::text, '|', 1) as status,
                    substring(split_part($3::text, '|', 3) from '-?\d+')::numeric as remains
            ) said
            where w.leg_id = $1
        ) heard
        where leg_id = $1
        returning puzzled, silent
        "#,
        leg.0,
        next_at,
        seen,
        worth == Worth::Puzzling,
        worth == Worth::Silent,
        worth == Worth::Failing,
        now,
        worth == Worth::Clear,
        charge.map(Money::decimal)
    );

    let row = row.fetch_optional(&mut **tx).await?;
    let row = row.ok_or(StoreError::Unexpected(
        "a leg that is not tracked was asked about",
    ))?;

    Ok(row.puzzled.max(row.silent))
}

/// Nothing was heard of a leg, which is asked about after others: not before this moment.
pub async fn ask_after_others(store: &Store, leg: LegId, at: Timestamp) -> Result<(), StoreError> {
    let moved = sqlx::query!(
        "update tracked_leg set next_at = greatest(next_at, $2) where leg_id = $1",
        leg.0,
        at
    );

    moved.execute(&store.workers).await?;
    Ok(())
}

/// The order is over at the panel, which is asked again at this moment.
pub async fn after_the_end(
    tx: &mut Tx,
    leg: LegId,
    ask_at: Timestamp,
    is_failing: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let moved = sqlx::query!(
        r#"
        update tracked_leg
        set next_at = $2, puzzled = 0, silent = 0, failing_at = case when $4 then failing_at end,
            checks = case when ended_at is null then 0 else checks + 1 end,
            ended_at = coalesce(ended_at, $3), heard_at = asked_at
        where leg_id = $1
        "#,
        leg.0,
        ask_at,
        now,
        is_failing
    );

    match moved.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("an ended leg was not watched")),
    }
}

/// An order that is over could not be looked at, and is at this moment; it counts as a look.
pub async fn look_later(tx: &mut Tx, leg: LegId, at: Timestamp) -> Result<(), StoreError> {
    let moved = sqlx::query!(
        "update tracked_leg set next_at = $2, checks = checks + 1 where leg_id = $1 and ended_at \
         is not \
         null",
        leg.0,
        at
    );

    match moved.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("an ended leg was not watched")),
    }
}

/// The panel is asked at this moment at the latest: something was asked of it.
pub async fn ask_soon(tx: &mut Tx, leg: LegId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "update tracked_leg set next_at = least(next_at, $2) where leg_id = $1",
        leg.0,
        at
    )
    .execute(&mut **tx)
    .await?;

    Ok(())
}

/// Nobody asks about it any more; a leg that is over may be forgotten already.
pub async fn forget_poll(tx: &mut Tx, leg: LegId) -> Result<(), StoreError> {
    sqlx::query!("delete from tracked_leg where leg_id = $1", leg.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Says when many legs are asked about next, whose answers changed nothing; not of those that
/// somebody wants asked about before they would have been due again, at `meanwhile`.
pub async fn put_off_all(
    store: &Store,
    legs: &[(LegId, Timestamp)],
    meanwhile: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<i64> = legs.iter().map(|(leg, _)| leg.0).collect();
    let moments: Vec<Timestamp> = legs.iter().map(|(_, at)| *at).collect();

    let moved = sqlx::query!(
        r#"
        update tracked_leg w
        set next_at = n.at, heard_at = w.asked_at
        from unnest($1::bigint[], $2::timestamptz[]) as n (leg_id, at)
        where w.leg_id = n.leg_id and w.next_at >= $3
        "#,
        &ids,
        &moments,
        meanwhile
    );

    moved.execute(&store.workers).await?;
    Ok(())
}
