//! Gates: what keeps orders away from a panel. A person's pause, the freeze of all sending, and the breaker on doubts.

use chrono::TimeDelta;

use crate::domain::clock::Instant;
use crate::domain::id::ProviderId;
use crate::domain::provider::DoubtSettings;
use crate::routing::health::{Breaker, Health};
use crate::routing::standing::Stopped;
use crate::store::{Store, StoreError, Tx};

/// The window of `doubts_per_minute_max`.
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// What stands between a leg and its panel.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// A person stopped all sending.
    pub frozen: bool,
    /// A person stopped sending to this panel.
    pub paused: bool,
    /// What its answers were like.
    pub health: Health,
    /// Legs on their way to it now, over all nodes.
    pub under_way: u32,
}

impl Gate {
    /// What keeps orders from this panel and not from others.
    pub fn stopped(&self) -> Option<Stopped> {
        match self.health.breaker {
            _ if self.paused => Some(Stopped::Paused),
            Breaker::Open { .. } => Some(Stopped::BreakerOpen),
            Breaker::Shut | Breaker::Probation => None,
        }
    }

    /// How many legs may be taken, of so many that there is room for.
    pub fn lets_through(&self, room: usize) -> usize {
        match self.health.breaker {
            _ if self.frozen || self.paused => 0,
            Breaker::Shut => room,
            Breaker::Open { .. } => 0,
            Breaker::Probation => room.min(usize::from(self.under_way == 0)),
        }
    }
}

/// The gate of a panel as it stands. [`crate::store::leases::mark`] asks the same again in the commit that matters.
pub async fn gate(store: &Store, provider: &ProviderId, now: Instant) -> Result<Gate, StoreError> {
    let row = sqlx::query!(
        r#"
        select paused_at, breaker, breaker_until, breaker_trips, doubts_in_a_row,
            (select frozen_at from dispatch) as frozen_at,
            (
                select count(*)
                from leg
                where provider = p.id and (state = 'sending' or (state = 'leased' and leased_until > $2 and epoch = p.epoch))
            ) as "under_way!"
        from provider p
        where id = $1
        "#,
        provider.0,
        now
    );
    let row = row.fetch_one(&store.workers).await?;
    Ok(Gate {
        frozen: row.frozen_at.is_some(),
        paused: row.paused_at.is_some(),
        health: health(provider, &row.breaker, row.breaker_until, row.breaker_trips, row.doubts_in_a_row)?,
        under_way: u32::try_from(row.under_way).unwrap_or(u32::MAX),
    })
}

/// A panel's answer proved something. What was under way when the breaker opened does not shut it.
pub async fn proved(tx: &mut Tx, provider: &ProviderId, now: Instant) -> Result<bool, StoreError> {
    let shut = sqlx::query_scalar!(
        r#"
        update provider new
        set doubts_in_a_row = 0,
            breaker = case when old.breaker = 'probation' then 'shut' else old.breaker end,
            breaker_at = case when old.breaker = 'probation' then $2 else old.breaker_at end,
            breaker_trips = case when old.breaker = 'open' then old.breaker_trips else 0 end
        from provider old
        where new.id = $1 and old.id = new.id and (old.breaker = 'probation' or old.doubts_in_a_row > 0)
        returning old.breaker = 'probation' as "shut!"
        "#,
        provider.0,
        now
    );
    Ok(shut.fetch_optional(&mut **tx).await?.unwrap_or(false))
}

/// A panel's answer proved nothing. Until when nothing is sent to it, if that was one too many.
pub async fn doubted(
    tx: &mut Tx,
    provider: &ProviderId,
    limits: &DoubtSettings,
    now: Instant,
) -> Result<Option<Instant>, StoreError> {
    let row = sqlx::query!(
        r#"
        select breaker, breaker_until, breaker_trips, doubts_in_a_row
        from provider
        where id = $1
        for update
        "#,
        provider.0
    );
    let row = row.fetch_one(&mut **tx).await?;
    let last_minute = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from exchange
        where provider = $1 and verdict = 'in_doubt' and answered_at > $2
        "#,
        provider.0,
        now - MINUTE
    );
    let last_minute = u32::try_from(last_minute.fetch_one(&mut **tx).await?).unwrap_or(u32::MAX);
    let before = health(provider, &row.breaker, row.breaker_until, row.breaker_trips, row.doubts_in_a_row)?;
    let after = before.after_doubt(last_minute, limits, now);
    let opened = match (before.breaker, after.breaker) {
        (Breaker::Shut | Breaker::Probation, Breaker::Open { until }) => Some(until),
        (_, Breaker::Shut | Breaker::Open { .. } | Breaker::Probation) => None,
    };
    let kept = sqlx::query!(
        r#"
        update provider
        set doubts_in_a_row = $2, breaker_trips = $3,
            breaker = case when $4::timestamptz is null then breaker else 'open' end,
            breaker_until = coalesce($4, breaker_until),
            breaker_at = case when $4 is null then breaker_at else $5 end
        where id = $1
        "#,
        provider.0,
        i32::try_from(after.doubts_in_a_row).unwrap_or(i32::MAX),
        i32::try_from(after.trips).unwrap_or(i32::MAX),
        opened,
        now
    );
    kept.execute(&mut **tx).await?;
    Ok(opened)
}

/// A free call worked: an open breaker that waited long enough lets one order at a time through.
pub async fn half_open(store: &Store, provider: &ProviderId, now: Instant) -> Result<bool, StoreError> {
    let opened = sqlx::query!(
        r#"
        update provider
        set breaker = 'probation', breaker_until = null, breaker_at = $2
        where id = $1 and breaker = 'open' and breaker_until <= $2
        "#,
        provider.0,
        now
    );
    Ok(opened.execute(&store.workers).await?.rows_affected() == 1)
}

/// A person stops sending to a panel, or lets it go on, with a breaker that starts anew. `None`: no such panel;
/// `false`: it stood so already.
pub async fn pause(tx: &mut Tx, provider: &ProviderId, paused: bool, now: Instant) -> Result<Option<bool>, StoreError> {
    let before = sqlx::query!(
        r#"select paused_at is not null or (not $2 and breaker <> 'shut') as "stopped!" from provider where id = $1 for update"#,
        provider.0,
        paused
    );
    let Some(before) = before.fetch_optional(&mut **tx).await? else { return Ok(None) };
    let moved = sqlx::query!(
        r#"
        update provider
        set paused_at = case when $2 then coalesce(paused_at, $3) end,
            breaker = case when $2 then breaker else 'shut' end,
            breaker_until = case when $2 then breaker_until end,
            breaker_at = case when $2 or breaker = 'shut' then breaker_at else $3 end,
            breaker_trips = case when $2 then breaker_trips else 0 end,
            doubts_in_a_row = case when $2 then doubts_in_a_row else 0 end
        where id = $1
        "#,
        provider.0,
        paused,
        now
    );
    moved.execute(&mut **tx).await?;
    Ok(Some(before.stopped != paused))
}

/// A person stops all sending, or lets it go on. `false`: it stood so already.
pub async fn freeze(tx: &mut Tx, frozen: bool, now: Instant) -> Result<bool, StoreError> {
    let moved = sqlx::query!(
        "update dispatch set frozen_at = case when $1 then $2::timestamptz end where (frozen_at is null) = $1",
        frozen,
        now
    );
    Ok(moved.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Since when all sending is stopped, if it is.
pub async fn frozen_since(store: &Store) -> Result<Option<Instant>, StoreError> {
    Ok(sqlx::query_scalar!("select frozen_at from dispatch").fetch_one(&store.workers).await?)
}

fn health(
    provider: &ProviderId,
    breaker: &str,
    until: Option<Instant>,
    trips: i32,
    in_a_row: i32,
) -> Result<Health, StoreError> {
    let breaker = match (breaker, until) {
        ("shut", None) => Breaker::Shut,
        ("open", Some(until)) => Breaker::Open { until },
        ("probation", None) => Breaker::Probation,
        (word, _) => {
            return Err(StoreError::Contradiction {
                table: "provider",
                column: "breaker",
                id: provider.to_string(),
                value: word.to_owned(),
            });
        }
    };
    let count = |number: i32| u32::try_from(number).unwrap_or(0);
    Ok(Health { breaker, trips: count(trips), doubts_in_a_row: count(in_a_row) })
}
