//! Gates: what keeps orders away from a panel. A person's pause, the freeze of all sending, and the
//! breaker.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::domain::provider::DoubtSettings;
use crate::routing::calls::Calls;
use crate::routing::health::{Breaker, Health, TripCause};
use crate::routing::standing::Stopped;
use crate::store::{Store, StoreError, Tx, refusals};

/// The window of `doubts_per_minute_max`.
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// What stands between a leg and its panel.
#[derive(Clone, Copy, Debug)]
pub struct DispatchGate {
    /// A person stopped all sending.
    pub frozen: bool,
    /// A person stopped sending to this panel.
    pub paused: bool,
    /// What its answers were like.
    pub health: Health,
    /// Legs on their way to it now, over all nodes.
    pub under_way: u32,
    /// Whether its catalog cannot be read under its present account, of which nothing is stored.
    pub unread: bool,
    /// Until when it wants to be left alone.
    pub rests_until: Option<Timestamp>,
}

impl DispatchGate {
    /// What keeps orders from this panel and not from others.
    pub fn stopped(&self) -> Option<Stopped> {
        let breaker_open = matches!(self.health.breaker, Breaker::Open { .. });
        Stopped::of(self.paused, breaker_open, self.unread)
    }

    /// How many legs may be taken, of so many that there is room for.
    pub fn lets_through(&self, room: usize) -> usize {
        match self.health.breaker {
            _ if self.frozen || self.paused => 0,
            Breaker::Closed => room,
            Breaker::Open { .. } => 0,
            Breaker::HalfOpen => room.min(usize::from(self.under_way == 0)),
        }
    }
}

/// The gate of a panel as it stands. [`crate::store::leases::mark_sending`] asks the same again in
/// the commit that matters.
pub async fn find_gate(
    store: &Store,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<DispatchGate, StoreError> {
    let row = sqlx::query!(
        r#"
        select paused_at, breaker, breaker_until, breaker_cause, breaker_at, breaker_trips,
            doubts_in_a_row, unread_since is not null as "unread!", rests_until,
            (select frozen_at from dispatch) as frozen_at, (
                select count(*)
                from leg
                where provider = p.id
                    and (state = 'sending'
                        or (state = 'leased' and leased_until > $2 and epoch = p.epoch))
            ) as "under_way!"
        from provider p
        where id = $1
        "#,
        provider.0,
        now
    );

    let row = row.fetch_one(&store.workers).await?;
    let kept = Kept {
        breaker: row.breaker,
        until: row.breaker_until,
        cause: row.breaker_cause,
        since: row.breaker_at,
        trips: row.breaker_trips,
        doubts_in_a_row: row.doubts_in_a_row,
    };

    Ok(DispatchGate {
        frozen: row.frozen_at.is_some(),
        paused: row.paused_at.is_some(),
        health: kept.health(provider)?,
        under_way: u32::try_from(row.under_way).unwrap_or(u32::MAX),
        unread: row.unread,
        rests_until: row.rests_until,
    })
}

/// Before an event and after it.
pub type HealthChange = (Health, Health);

/// A panel's answer proved something. Its health before and after, if that changed: at a panel that
/// is well nothing is written.
pub async fn note_proof(
    tx: &mut Tx,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<Option<HealthChange>, StoreError> {
    let row = sqlx::query_as!(
        Kept,
        r#"
        select breaker, breaker_until as until, breaker_cause as cause, breaker_at as since,
            breaker_trips as trips, doubts_in_a_row
        from provider
        where id = $1 and (breaker = 'half_open' or doubts_in_a_row > 0)
        for update
        "#,
        provider.0
    );

    let Some(row) = row.fetch_optional(&mut **tx).await? else {
        return Ok(None);
    };

    change_health(tx, provider, row, |health| health.after_proof(now)).await
}

/// A panel's answer proved nothing. Its health before and after.
pub async fn note_doubt(
    tx: &mut Tx,
    provider: &ProviderId,
    limits: &DoubtSettings,
    now: Timestamp,
) -> Result<Option<HealthChange>, StoreError> {
    let row = lock_health(tx, provider).await?;
    let last_minute = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from attempt e
        where provider = $1 and verdict = 'in_doubt' and answered_at > $2 and not in_unknown_words
            -- A refusal that is being compared with our balance proves something.
            and not exists (
                select from leg l
                where l.id = e.leg_id and l.attempt = e.n and l.refused_for is not null
            )
        "#,
        provider.0,
        now - MINUTE
    );

    let last_minute = u32::try_from(last_minute.fetch_one(&mut **tx).await?).unwrap_or(u32::MAX);
    change_health(tx, provider, row, |health| {
        health.after_doubt(last_minute, limits, now)
    })
    .await
}

/// A panel refused the orders of several customers alike. Its health before and after, if that
/// changed.
pub async fn refused_many(
    tx: &mut Tx,
    provider: &ProviderId,
    cause: TripCause,
    now: Timestamp,
) -> Result<Option<HealthChange>, StoreError> {
    let row = lock_health(tx, provider).await?;
    change_health(tx, provider, row, |health| {
        health.after_refusals(cause, now)
    })
    .await
}

/// The latest calls are looked at: too much trouble in a row opens the breaker, free calls that
/// worked take an open one further. Its health before and after, if that changed.
pub async fn looked_at(
    store: &Store,
    provider: &ProviderId,
    calls: &Calls,
    now: Timestamp,
) -> Result<Option<HealthChange>, StoreError> {
    let mut tx = store.begin().await?;
    let row = lock_health(&mut tx, provider).await?;
    let turned = change_health(&mut tx, provider, row, |health| match health.breaker {
        Breaker::Open { .. } => health.after_free_call(calls, now),
        Breaker::Closed | Breaker::HalfOpen => health.after_calls(calls, now),
    });

    let turned = turned.await?;
    tx.commit().await?;
    Ok(turned)
}

async fn lock_health(tx: &mut Tx, provider: &ProviderId) -> Result<Kept, StoreError> {
    let row = sqlx::query_as!(
        Kept,
        r#"
        select breaker, breaker_until as until, breaker_cause as cause, breaker_at as since,
            breaker_trips as trips, doubts_in_a_row
        from provider
        where id = $1
        for update
        "#,
        provider.0
    );

    Ok(row.fetch_one(&mut **tx).await?)
}

/// Writes down what became of a panel's health, where it changed; its row is locked.
async fn change_health(
    tx: &mut Tx,
    provider: &ProviderId,
    row: Kept,
    after: impl FnOnce(Health) -> Health,
) -> Result<Option<HealthChange>, StoreError> {
    let before = row.health(provider)?;
    let after = after(before);
    if after == before {
        return Ok(None);
    }

    let (word, until, cause) = match after.breaker {
        Breaker::Closed => ("closed", None, None),
        Breaker::Open { until, cause } => ("open", Some(until), Some(cause.as_str())),
        Breaker::HalfOpen => ("half_open", None, None),
    };

    let written = sqlx::query!(
        r#"
        update provider
        set breaker = $2, breaker_until = $3, breaker_cause = coalesce($4, breaker_cause),
            breaker_at = $5, breaker_trips = $6, doubts_in_a_row = $7
        where id = $1 and breaker = $8
        "#,
        provider.0,
        word,
        until,
        cause,
        after.since,
        i32::try_from(after.trips).unwrap_or(i32::MAX),
        i32::try_from(after.doubts_in_a_row).unwrap_or(i32::MAX),
        row.breaker
    );

    match written.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(Some((before, after))),
        _ => Err(StoreError::Unexpected(
            "a panel's breaker moved under its lock",
        )),
    }
}

/// Waits for those that are being marked as sent, and lets nobody begin: what is stopped in this
/// transaction is stopped for all that come after it.
async fn keep_from_marking(tx: &mut Tx) -> Result<(), StoreError> {
    let locked = sqlx::query!("select pg_advisory_xact_lock(hashtext('gates'), 0)");
    locked.execute(&mut **tx).await?;
    Ok(())
}

/// A person stops sending to a panel, or lets it go on, with a breaker that starts anew. `None`: no
/// such panel; `false`: it stood so already.
pub async fn pause_provider(
    tx: &mut Tx,
    provider: &ProviderId,
    paused: bool,
    now: Timestamp,
) -> Result<Option<bool>, StoreError> {
    keep_from_marking(tx).await?;
    let before = sqlx::query!(
        r#"select paused_at is not null or (not $2 and breaker <> 'closed') as "stopped!"
            from provider where id = $1 for update"#,
        provider.0,
        paused
    );

    let Some(before) = before.fetch_optional(&mut **tx).await? else {
        return Ok(None);
    };

    let moved = sqlx::query!(
        r#"
        update provider
        set paused_at = case when $2 then coalesce(paused_at, $3) end,
            breaker = case when $2 then breaker else 'closed' end,
            breaker_until = case when $2 then breaker_until end,
            breaker_at = case when $2 or breaker = 'closed' then breaker_at else $3 end,
            breaker_trips = case when $2 then breaker_trips else 0 end,
            doubts_in_a_row = case when $2 then doubts_in_a_row else 0 end
        where id = $1
        "#,
        provider.0,
        paused,
        now
    );

    moved.execute(&mut **tx).await?;
    if !paused {
        refusals::forget_refusals(tx, provider).await?;
    }

    Ok(Some(before.stopped != paused))
}

/// A person stops all sending, or lets it go on. `false`: it stood so already.
pub async fn freeze_sending(tx: &mut Tx, frozen: bool, now: Timestamp) -> Result<bool, StoreError> {
    keep_from_marking(tx).await?;
    let moved = sqlx::query!(
        r#"
        update dispatch
        set frozen_at = case when $1 then $2::timestamptz end,
            restored_at = case when $1 then restored_at end,
            patience_from = case when $1 or restored_at is null then patience_from else $2 end
        where (frozen_at is null) = $1
        "#,
        frozen,
        now
    );

    Ok(moved.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Stops all sending because a backup was put in place: until a person thaws it, nothing may be
/// given up here either.
pub async fn freeze_restored(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    keep_from_marking(tx).await?;
    let frozen = sqlx::query!(
        "update dispatch set frozen_at = coalesce(frozen_at, $1), restored_at = $1",
        now
    );

    match frozen.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "there is not one row that says whether orders go out",
        )),
    }
}

/// How long doubts are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtPatience {
    /// For ever: a backup was put in place, and whoever went on with the original may know better.
    Endless,
    /// As the operator says, from a doubt's beginning or from this moment, whichever is later.
    From(Option<Timestamp>),
}

/// How long doubts are waited for now.
pub async fn doubt_patience(store: &Store) -> Result<DoubtPatience, StoreError> {
    let row = sqlx::query!("select restored_at, patience_from from dispatch")
        .fetch_one(&store.workers)
        .await?;

    Ok(if row.restored_at.is_some() {
        DoubtPatience::Endless
    } else {
        DoubtPatience::From(row.patience_from)
    })
}

/// Since when all sending is stopped, if it is.
pub async fn frozen_since(store: &Store) -> Result<Option<Timestamp>, StoreError> {
    Ok(sqlx::query_scalar!("select frozen_at from dispatch")
        .fetch_one(&store.workers)
        .await?)
}

/// What a panel's row keeps of its health.
struct Kept {
    breaker: String,
    until: Option<Timestamp>,
    /// What opened it last.
    cause: String,
    since: Option<Timestamp>,
    trips: i32,
    doubts_in_a_row: i32,
}

impl Kept {
    fn health(&self, provider: &ProviderId) -> Result<Health, StoreError> {
        let contradiction = |column, value: &str| StoreError::Contradiction {
            table: "provider",
            column,
            id: provider.to_string(),
            value: value.to_owned(),
        };

        let breaker = match (self.breaker.as_str(), self.until) {
            ("closed", None) => Breaker::Closed,
            ("open", Some(until)) => {
                let cause = TripCause::from_word(&self.cause);
                Breaker::Open {
                    until,
                    cause: cause.ok_or_else(|| contradiction("breaker_cause", &self.cause))?,
                }
            }
            ("half_open", None) => Breaker::HalfOpen,
            (word, _) => return Err(contradiction("breaker", word)),
        };

        let count = |number: i32| u32::try_from(number).unwrap_or(0);
        Ok(Health {
            breaker,
            since: self.since,
            trips: count(self.trips),
            doubts_in_a_row: count(self.doubts_in_a_row),
        })
    }
}
