//! The database's clock under watch: what waits for a span waits for time that some process saw
//! pass.
//!
//! Every process looks at the clock every few seconds. Where the clock says that much more passed
//! between two looks, it was set ahead or nobody ran: nobody knows how long it truly was, so that
//! span counts for nothing. Where it says less than before, it was set back: what is due is pulled
//! back with it, or it would rest for as long as the step.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::{Clock, Timestamp, running_for};
use crate::store::{Store, StoreError, Tx};

/// Looks that lie further apart leave a span that nobody watched.
const UNWATCHED_MIN: TimeDelta = TimeDelta::seconds(30);
/// A clock that is set back by less is none: nothing rests for it.
const BACK_MIN: TimeDelta = TimeDelta::seconds(2);
/// Steps of this long ago are forgotten: nothing that is still waited for began before.
const STEPS_KEPT: TimeDelta = TimeDelta::days(400);

/// What a look at the clock showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStep {
    /// It went on.
    None,
    /// It stands so much further than anybody watched.
    Ahead(TimeDelta),
    /// It was set back by so much, and what was due is due so much earlier.
    Back(TimeDelta),
}

/// A look of one process: what the clock said, and how long the machine had been running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    at: Timestamp,
    running: Duration,
}

impl ClockReading {
    /// At this very moment.
    pub fn now(clock: &dyn Clock) -> Self {
        Self {
            at: clock.now(),
            running: running_for(),
        }
    }

    /// Whether the clock stands further at a later look than the machine ran meanwhile.
    fn was_set_ahead(self, later: Self) -> bool {
        let ran = TimeDelta::from_std(later.running.saturating_sub(self.running))
            .unwrap_or(TimeDelta::MAX);
        later.at - self.at - ran > UNWATCHED_MIN
    }
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockLook {
    /// What it showed beside the last look of anybody.
    pub step: ClockStep,
    /// Whether the clock was set for certain. Else nobody ran, and nobody knows.
    pub was_set: bool,
    /// For the next look of this process.
    pub seen: ClockReading,
}

/// Looks at the clock. `before` is this process's last look: it knows, by a clock that nobody sets,
/// whether this one was set ahead.
pub async fn observe_clock(
    store: &Store,
    clock: &dyn Clock,
    before: Option<ClockReading>,
) -> Result<ClockLook, StoreError> {
    let mut tx = store.begin().await?;
    let last = sqlx::query_scalar!("select at from clock_watch for update")
        .fetch_one(&mut *tx)
        .await?;

    // Asked only now that nobody else looks: a time that was read before a wait, or before the
    // process was stopped for a while, would say that the clock was set back.
    store.clock.measure_over(&mut tx).await?;
    let seen = ClockReading::now(clock);
    let now = seen.at;

    let step = match last {
        Some(last) if now < last - BACK_MIN => ClockStep::Back(last - now),
        Some(last) if now > last + UNWATCHED_MIN => ClockStep::Ahead(now - last),
        Some(_) | None => ClockStep::None,
    };

    let was_set = match step {
        ClockStep::None => false,
        ClockStep::Ahead(_) => before.is_some_and(|before| before.was_set_ahead(seen)),
        ClockStep::Back(_) => true,
    };

    if let (Some(last), ClockStep::Back(_) | ClockStep::Ahead(_)) = (last, step) {
        let noted = sqlx::query!(
            r#"
            with forgotten as (
                delete from clock_step
                where greatest(from_at, to_at) < $4
            )
            insert into clock_step (from_at, to_at, was_set)
            values ($1, $2, $3)
            "#,
            last,
            now,
            was_set,
            now - STEPS_KEPT
        );

        noted.execute(&mut *tx).await?;
    }

    if let ClockStep::Back(by) = step {
        pull_back(&mut tx, by, now).await?;
    }

    let told = sqlx::query!("update clock_watch set at = $1", now)
        .execute(&mut *tx)
        .await?;

    if told.rows_affected() != 1 {
        return Err(StoreError::Unexpected("the clock's row is missing"));
    }

    tx.commit().await?;
    Ok(ClockLook {
        step,
        was_set,
        seen,
    })
}

/// What the clock that was set back put off into the future is due as much earlier. When legs were
/// sent stays as it was written down; calls about refills and cancels that are out are no younger
/// than this moment.
async fn pull_back(tx: &mut Tx, by: TimeDelta, now: Timestamp) -> Result<(), StoreError> {
    pull_legs_back(tx, by, now).await?;
    sqlx::query!(
        "update tracked_leg set next_at = next_at - $1::interval where next_at > $2",
        by as TimeDelta,
        now
    )
    .execute(&mut **tx)
    .await?;

    sqlx::query!(
        "update tracked_leg set ended_at = $1 where ended_at > $1",
        now
    )
    .execute(&mut **tx)
    .await?;

    pull_requests_back(tx, by, now).await?;

    sqlx::query!(
        "update alert set next_at = next_at - $1::interval where next_at > $2",
        by as TimeDelta,
        now
    )
    .execute(&mut **tx)
    .await?;

    sqlx::query!(
        "update round set begun_at = begun_at - $1::interval where begun_at > $2",
        by as TimeDelta,
        now
    )
    .execute(&mut **tx)
    .await?;

    sqlx::query!(
        "update audit_mark set whole_at = $1 where whole_at > $1",
        now
    )
    .execute(&mut **tx)
    .await?;

    sqlx::query!(
        "update dispatch set patience_from = $1 where patience_from > $1",
        now
    )
    .execute(&mut **tx)
    .await?;

    sqlx::query!(
        r#"
        update provider
        set breaker_until = case when breaker_until > $2 then breaker_until - $1::interval
            else breaker_until end,
            rests_until = case when rests_until > $2 then rests_until - $1::interval
                else rests_until end,
            statuses_again_at =
                case when statuses_again_at > $2 then statuses_again_at - $1::interval
                    else statuses_again_at end
        where breaker_until > $2 or rests_until > $2 or statuses_again_at > $2
        "#,
        by as TimeDelta,
        now
    )
    .execute(&mut **tx)
    .await?;

    Ok(())
}

/// Cancels and refills that are to be asked for.
async fn pull_requests_back(tx: &mut Tx, by: TimeDelta, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update cancel_request
        set next_at = case when next_at > $2 then next_at - $1::interval else next_at end,
            sending_at = least(sending_at, $2)
        where state in ('ready', 'sending') and (next_at > $2 or sending_at > $2)
        "#,
        by as TimeDelta,
        now
    )
    .execute(&mut **tx)
    .await?;

    sqlx::query!(
        r#"
        update refill
        set next_at = case when next_at > $2 then next_at - $1::interval else next_at end,
            sending_at = least(sending_at, $2)
        where ended_at is null and (next_at > $2 or sending_at > $2)
        "#,
        by as TimeDelta,
        now
    )
    .execute(&mut **tx)
    .await?;

    Ok(())
}

/// Legs that are due, and how long those wait already that are not sent: that is told in time.
async fn pull_legs_back(tx: &mut Tx, by: TimeDelta, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update leg
        set ready_at = case when ready_at > $2 then ready_at - $1::interval else ready_at end,
            leased_until = case when leased_until > $2 then leased_until - $1::interval
                else leased_until end,
            check_at = case when check_at > $2 then check_at - $1::interval else check_at end,
            clear_until = case when clear_until > $2 then $2 else clear_until end
        where state in ('ready', 'leased', 'parked', 'sending', 'in_doubt')
            and (ready_at > $2 or leased_until > $2 or check_at > $2 or clear_until > $2)
        "#,
        by as TimeDelta,
        now
    )
    .execute(&mut **tx)
    .await?;

    sqlx::query!(
        r#"
        update leg l
        set began_at = coalesce(l.began_at, o.placed_at) - $1::interval
        from orders o
        where o.id = l.order_id and l.state in ('ready', 'leased', 'parked')
        "#,
        by as TimeDelta
    )
    .execute(&mut **tx)
    .await?;

    Ok(())
}

/// When a span is over that is measured by time that somebody watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedSpan {
    /// It is over then, if nothing more goes unwatched.
    pub over: Timestamp,
    /// The last moment that anybody saw; none before the first look.
    pub until: Timestamp,
}

impl WatchedSpan {
    /// Whether it was seen to be over.
    pub fn is_over(self) -> bool {
        self.over <= self.until
    }
}

/// When a span after a moment is over, not counting what nobody watched.
pub async fn watched_for(
    store: &Store,
    from: Timestamp,
    span: TimeDelta,
) -> Result<WatchedSpan, StoreError> {
    let until = sqlx::query_scalar!("select at from clock_watch")
        .fetch_one(&store.workers)
        .await?;

    let gaps = sqlx::query!(
        "select from_at, to_at from clock_step where to_at > from_at and to_at > $1 order by \
         from_at, id",
        from
    );

    let mut over = from + span;
    for gap in gaps.fetch_all(&store.workers).await? {
        if gap.from_at >= over {
            break;
        }
        over += gap.to_at - gap.from_at.max(from);
    }

    Ok(WatchedSpan {
        over,
        until: until.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

/// How often the clock was set after a moment, and the last step.
pub(super) async fn set_since(
    tx: &mut Tx,
    moment: Timestamp,
) -> Result<Option<(i64, TimeDelta)>, StoreError> {
    let row = sqlx::query!(
        r#"
        select count(*) as "count!",
            (array_agg(extract(epoch from to_at - from_at)::bigint order by id desc))[1] as last_s
        from clock_step
        where was_set and to_at > $1
        "#,
        moment
    );

    let row = row.fetch_one(&mut **tx).await?;
    Ok(row
        .last_s
        .map(|seconds| (row.count, TimeDelta::seconds(seconds))))
}
