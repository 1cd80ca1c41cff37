//! What waits where and why, for lists; and what waits for longer than it should, for alerts.

use chrono::TimeDelta;

use crate::domain::alert::AlertKind;
use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::store::conditions::{Condition, WatchedPanel};
use crate::store::{Store, StoreError, Tx};

/// How long an order may wait unsent before somebody is told that it does.
const UNSENT_PATIENCE: TimeDelta = TimeDelta::minutes(15);
/// How long a panel may leave a cancel or a refill untaken before somebody is told.
const ASKED_PATIENCE: TimeDelta = TimeDelta::hours(1);
/// How long it is told that a panel never answered a cancel of an order that is still open.
const GIVEN_UP_FOR: TimeDelta = TimeDelta::days(7);
/// How late a look back at what is over may be.
const LOOK_BACK_LATE: TimeDelta = TimeDelta::hours(1);
/// How often in vain the webhook was tried when the log tells so: ten minutes.
const TRIES_IN_VAIN: i32 = 8;
/// Rounds in a row that may come to nothing before somebody is told: a quarter of an hour.
const ROUNDS_UNFINISHED_MAX: i32 = 15;

/// What waits at a panel for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Where.
    pub provider: ProviderId,
    /// Why, in a word: a leg's state, `parked:` and what it is parked for, `held:margin`, `open`,
    /// `stuck`, `refill`, `cancel`.
    pub why: String,
    /// How many.
    pub count: i64,
    /// Since when the oldest does.
    pub oldest_at: Option<Timestamp>,
}

/// Everything that waits, by panel and reason.
pub async fn by_reason(store: &Store) -> Result<Vec<Waits>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with waits as (
            select l.provider, coalesce(l.began_at, o.placed_at) as since,
                case
                    when l.state = 'parked' and l.parked_for = 'margin' then 'held:margin'
                    when l.state = 'parked' then 'parked:' || l.parked_for
                    else l.state
                end as why
            from leg l
            join orders o on o.id = l.order_id
            where l.state in ('ready', 'leased', 'parked')
            union all
            select provider, coalesce(doubted_at, sending_at), state
            from leg
            where state in ('sending', 'in_doubt')
            union all
            select provider, accepted_at, 'open'
            from tracked_leg
            where ended_at is null
            union all
            select l.provider,
                coalesce(w.moved_at, w.accepted_at, l.doubted_at, l.began_at, o.placed_at), 'stuck'
            from leg l
            join orders o on o.id = l.order_id
            left join tracked_leg w on w.leg_id = l.id
            where l.stuck_at is not null and (o.ended_at is null or l.state = 'accepted')
            union all
            select provider, asked_for_at, 'refill'
            from refill
            where ended_at is null
            union all
            select l.provider, c.asked_at, 'cancel'
            from cancel_request c
            join lateral (select provider from leg where order_id = c.order_id order by n desc
                limit 1) l on true
            where c.state in ('ready', 'sending')
        )
        select provider as "provider!", why as "why!", count(*) as "count!", min(since) as oldest_at
        from waits
        group by provider, why
        order by provider, why
        "#
    );

    let rows = rows.fetch_all(&store.workers).await?.into_iter();
    let waits = rows.map(|row| Waits {
        provider: ProviderId(row.provider),
        why: row.why,
        count: row.count,
        oldest_at: row.oldest_at,
    });

    Ok(waits.collect())
}

/// What of all that needs a person.
pub(super) async fn waiting_conditions(
    tx: &mut Tx,
    watched: &[WatchedPanel],
    now: Timestamp,
) -> Result<Vec<Condition>, StoreError> {
    let mut conditions = find_unserved(tx, now).await?;
    conditions.extend(stuck(tx).await?);
    conditions.extend(unsent(tx, now).await?);
    conditions.extend(refills(tx, watched, now).await?);
    conditions.extend(cancels(tx, now).await?);
    conditions.extend(of_the_house(tx).await?);

    Ok(conditions)
}

/// Panels with which no process deals although something is open there.
async fn find_unserved(tx: &mut Tx, now: Timestamp) -> Result<Vec<Condition>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select p.id, o.open as "open!"
        from provider p
        cross join lateral (
            select (
                    select count(*)
                    from leg l
                    where l.provider = p.id and l.state in ('ready', 'leased', 'parked')
                ) + (
                    select count(*) from leg l where l.provider = p.id
                        and l.state in ('sending', 'in_doubt')
                ) + (
                    select count(*) from tracked_leg w where w.provider = p.id
                        and w.ended_at is null
                ) + (
                    -- What is over is looked back at, and may be set right by its panel.
                    select count(*) from tracked_leg w where w.provider = p.id
                        and w.ended_at is not null
                        and w.next_at < $2
                ) + (
                    select count(*) from refill r where r.provider = p.id and r.ended_at is null
                ) as open
        ) o
        where (p.held_until is null or p.held_until <= $1) and o.open > 0
        "#,
        now,
        now - LOOK_BACK_LATE
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let condition = |object, count| Condition {
        kind: AlertKind::PanelUnserved,
        object,
        count,
        more: String::new(),
    };

    Ok(rows.map(|row| condition(row.id, row.open)).collect())
}

/// Orders that do not move. One that did since it was found so is none, though the round did not
/// see it yet.
async fn stuck(tx: &mut Tx) -> Result<Vec<Condition>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select l.provider, count(*) as "count!",
            min(coalesce(w.moved_at, w.accepted_at, l.doubted_at, l.began_at, o.placed_at))
                as "oldest_at!"
        from leg l
        join orders o on o.id = l.order_id
        left join tracked_leg w on w.leg_id = l.id
        where l.stuck_at is not null and (o.ended_at is null or l.state = 'accepted')
            and l.state in ('ready', 'leased', 'parked', 'sending', 'in_doubt', 'accepted')
            and coalesce(w.moved_at, w.accepted_at, l.stuck_at) <= l.stuck_at
        group by l.provider
        "#
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let condition = |provider, count, oldest_at| Condition {
        kind: AlertKind::OrdersStuck,
        object: provider,
        count,
        more: format!("; the oldest has not moved since {}", moment(oldest_at)),
    };

    Ok(rows
        .map(|row| condition(row.provider, row.count, row.oldest_at))
        .collect())
}

/// Orders that are not sent for a while, and what keeps them: where nobody deals with the panel,
/// another alert says so.
async fn unsent(tx: &mut Tx, now: Timestamp) -> Result<Vec<Condition>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with oldest as materialized (
            select p.id, p.paused_at is not null as paused, p.breaker,
                p.unread_since is not null as unread,
                p.rests_until > $1 as rests, w.since
            from provider p
            -- Legs are numbered as they begin.
            cross join lateral (
                select coalesce(l.began_at, o.placed_at) as since
                from leg l
                join orders o on o.id = l.order_id
                where l.provider = p.id and l.state in ('ready', 'leased')
                order by l.id
                limit 1
            ) w
            where p.held_until > $1 and w.since <= $2
        )
        select p.id as "provider!", p.paused as "paused!", p.breaker, p.unread as "unread!",
            coalesce(p.rests, false) as "rests!", p.since as "oldest_at!",
            d.frozen_at is not null as "frozen!",
            (select count(*) from leg l where l.provider = p.id and l.state in ('ready', 'leased'))
                as "count!"
        from oldest p
        cross join dispatch d
        "#,
        now,
        now - UNSENT_PATIENCE
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter().map(|row| {
        let why = match row.breaker.as_str() {
            _ if row.frozen => "all sending is frozen",
            _ if row.paused => "the panel is paused",
            "open" => "its breaker is open",
            "half_open" => "it is on probation, and gets one order at a time",
            _ if row.unread => "its catalog cannot be read under its present account",
            _ if row.rests => "it wants to be left alone for a while",
            _ => "nothing is stopped, so more is bought than it is sent, or it cannot be reached",
        };

        Condition {
            kind: AlertKind::OrdersWaiting,
            object: row.provider,
            count: row.count,
            more: format!(
                "; the oldest was bought by {}; {why}",
                moment(row.oldest_at)
            ),
        }
    });

    Ok(rows.collect())
}

/// Refills that their panels did not take for an hour, or did not end for as long as one is given
/// at all.
async fn refills(
    tx: &mut Tx,
    watched: &[WatchedPanel],
    now: Timestamp,
) -> Result<Vec<Condition>, StoreError> {
    let providers: Vec<String> = watched
        .iter()
        .map(|panel| panel.provider.0.clone())
        .collect();

    let hours: Vec<i32> = watched
        .iter()
        .map(|panel| i32::try_from(panel.refill_expires_after_h).unwrap_or(i32::MAX))
        .collect();

    let rows = sqlx::query!(
        r#"
        select r.provider, count(*) as "count!", min(r.asked_for_at) as "oldest_at!"
        from refill r
        join unnest($1::text[], $2::integer[]) as w (id, hours) on w.id = r.provider
        where r.ended_at is null
            and case
                when r.state = 'taken'
                    then coalesce(r.taken_at,
                        r.asked_for_at) <= $3::timestamptz - make_interval(hours => w.hours)
                else r.asked_for_at <= $4
            end
        group by r.provider
        "#,
        &providers,
        &hours,
        now,
        now - ASKED_PATIENCE
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let condition = |provider, count, oldest_at| Condition {
        kind: AlertKind::RefillsWaiting,
        object: provider,
        count,
        more: format!("; the oldest was asked for by {}", moment(oldest_at)),
    };

    Ok(rows
        .map(|row| condition(row.provider, row.count, row.oldest_at))
        .collect())
}

/// Cancels that their panels did not answer for an hour, or never did.
async fn cancels(tx: &mut Tx, now: Timestamp) -> Result<Vec<Condition>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with unanswered as materialized (
            select order_id, asked_at
            from cancel_request
            where state in ('ready', 'sending') and asked_at <= $1
            union all
            select order_id, asked_at
            from cancel_request
            where given_up_at > $2
        )
        select l.provider, count(*) as "count!", min(u.asked_at) as "oldest_at!"
        from unanswered u
        join lateral (
            select provider, state from leg where order_id = u.order_id order by n desc limit 1
        ) l on l.state in ('ready', 'leased', 'parked', 'sending', 'in_doubt', 'accepted')
        group by l.provider
        "#,
        now - ASKED_PATIENCE,
        now - GIVEN_UP_FOR
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let condition = |provider, count, oldest_at| Condition {
        kind: AlertKind::CancelsWaiting,
        object: provider,
        count,
        more: format!("; the oldest was asked for by {}", moment(oldest_at)),
    };

    Ok(rows
        .map(|row| condition(row.provider, row.count, row.oldest_at))
        .collect())
}

/// What keeps anybody from being told: messages that nobody takes, and looks that come to nothing.
async fn of_the_house(tx: &mut Tx) -> Result<Vec<Condition>, StoreError> {
    let row = sqlx::query!(
        r#"
        select
            (
                select count(*)
                from alert
                where (told_at is null or (over_at is not null and over_told_at is null))
                    and raised_at is not null
                    and attempts >= $1 and kind <> $2
            ) as "untold!",
            (select coalesce(max(unfinished), 0)::bigint from round where name = 'stuck'
                and unfinished > $3) as "unfinished!"
        "#,
        TRIES_IN_VAIN,
        AlertKind::AlertsUntold.as_str(),
        ROUNDS_UNFINISHED_MAX
    );

    let row = row.fetch_one(&mut **tx).await?;
    let counted = [
        (AlertKind::AlertsUntold, row.untold),
        (AlertKind::LookOverdue, row.unfinished),
    ];

    let condition = |(kind, count)| Condition {
        kind,
        object: String::new(),
        count,
        more: String::new(),
    };

    Ok(counted
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(condition)
        .collect())
}

fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
