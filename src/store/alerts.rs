//! Alerts: what is true now that needs a person, who was told of it, and who is to be told next.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::domain::alert::Kind;
use crate::domain::clock::Instant;
use crate::domain::float::RUNWAY_SHORT_H;
use crate::domain::id::ProviderId;
use crate::domain::money::Money;
use crate::store::{Store, StoreError, Tx, moves, nodes, refusals, shrunk, statuses, waiting};

/// The most alerts that one list shows.
pub const ALERTS_MAX: i64 = 500;
/// How long words that nobody listed are news after a panel wrote them last.
const WORDS_ARE_NEWS_FOR: TimeDelta = TimeDelta::hours(24);
/// How long it is told that a panel took what was found not placed: nobody can say that it was seen to.
const LATE_FOR: TimeDelta = TimeDelta::days(3);
/// Orders that an alert's words name.
const ORDERS_NAMED: i32 = 10;
/// How long an alert that goes on and grows is no news again.
const NEWS_AGAIN_AFTER: TimeDelta = TimeDelta::hours(24);
/// Alerts forgotten at once.
const FORGOTTEN_MAX: i64 = 1_000;
/// Audits in a row that may come to nothing before somebody is told; the fourth is under way when the third has failed.
const AUDITS_UNFINISHED_MAX: i32 = 3;

/// A panel of the file, and the balance below which somebody is told.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Which panel.
    pub provider: ProviderId,
    /// `None`: nobody wants to be told.
    pub balance_low: Option<Money>,
    /// In how many hours a refill there must end.
    pub refill_expires_after_h: u32,
}

/// Something that is so now and needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What.
    pub kind: Kind,
    /// Where; empty when it is about the whole house.
    pub object: String,
    /// How many orders, rows or misses make it up; at least one.
    pub count: i64,
    /// What its words say beside their kind's own; mostly nothing.
    pub more: String,
}

/// An alert that began or ended just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What.
    pub kind: Kind,
    /// Where.
    pub object: String,
    /// What to do about it.
    pub words: String,
    /// How many, as last counted.
    pub count: i64,
}

/// A message for the webhook, claimed by one process.
#[derive(Clone, Debug)]
pub struct Message {
    /// The alert.
    pub alert: Uuid,
    /// What.
    pub kind: Kind,
    /// Where.
    pub object: String,
    /// What to do about it.
    pub words: String,
    /// How many, as last counted.
    pub count: i64,
    /// Since when.
    pub since: Instant,
    /// `None`: it begins; else it is over since then.
    pub over_at: Option<Instant>,
    /// How often this message was tried, this time included; whatever comes of it names the try that it belongs to.
    pub attempt: i32,
}

/// An alert as lists show it.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// The alert.
    pub id: Uuid,
    /// What.
    pub kind: String,
    /// Where.
    pub object: String,
    /// What to do about it.
    pub words: String,
    /// How many, as last counted.
    pub count: i64,
    /// Since when.
    pub since: Instant,
    /// When it ended.
    pub over_at: Option<Instant>,
    /// When the webhook took its beginning.
    pub told_at: Option<Instant>,
    /// When the webhook took its end.
    pub over_told_at: Option<Instant>,
    /// How often the present message was tried.
    pub attempts: i32,
}

/// Makes this transaction the only one that compares; `false`: another process is at it.
pub async fn only_one(tx: &mut Tx) -> Result<bool, StoreError> {
    // A lock of its own space, keyed by the table: nothing is written when nothing changed.
    let got = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock('alert'::regclass::oid::integer, 0) as "got!""#);
    Ok(got.fetch_one(&mut **tx).await?)
}

/// Everything that needs a person now, in one look.
///
/// Panels that the file no longer names are not asked any more, so what they said last is nobody's concern; their open
/// orders are.
pub async fn conditions(tx: &mut Tx, watched: &[Watched], now: Instant) -> Result<Vec<Condition>, StoreError> {
    let providers: Vec<String> = watched.iter().map(|panel| panel.provider.0.clone()).collect();
    let lows: Vec<_> = watched.iter().map(|panel| panel.balance_low.map(Money::decimal)).collect();
    let rows = sqlx::query!(
        r#"
        with watched as (
            select p.*, w.balance_low
            from unnest($1::text[], $2::numeric[]) as w (id, balance_low)
            join provider p on p.id = w.id
        )
        -- orders
        select 'orders_in_doubt' as "kind!", provider as "object!", count(*) as "count!"
        from leg
        -- what is asked about again is still in doubt
        where state = 'in_doubt' or (state = 'sending' and doubted_at is not null)
        group by provider
        union all
        select 'orders_for_review', '', count(*)
        from orders
        where review is not null
        having count(*) > 0
        union all
        select 'orders_parked', provider, count(*)
        from leg
        where state = 'parked'
        group by provider
        -- panels: what moves in their catalogues belongs here too
        union all
        select 'breaker_open', id, 1
        from watched
        where breaker <> 'shut'
        union all
        select 'dispatch_frozen', '', 1
        from dispatch
        where frozen_at is not null
        union all
        select 'catalogue_unreadable', id, 1
        from watched
        where catalogue_error is not null
        union all
        select 'balance_low', id, 1
        from watched
        where balance < balance_low
        -- books
        union all
        select 'audit', name, violations
        from finding
        where violations > 0
        union all
        select 'audit_overdue', '', unfinished
        from round
        where name = 'audit' and unfinished > $3
        "#,
        &providers,
        &lows as &[Option<_>],
        AUDITS_UNFINISHED_MAX
    );
    let mut conditions = beside(tx, &providers, now).await?;
    conditions.extend(waiting::conditions(tx, watched, now).await?);
    for row in rows.fetch_all(&mut **tx).await? {
        conditions.push(condition(&row.kind, row.object, row.count)?);
    }
    with_causes(tx, conditions).await
}

/// What is asked in statements of its own.
async fn beside(tx: &mut Tx, providers: &[String], now: Instant) -> Result<Vec<Condition>, StoreError> {
    let mut conditions = taken_late(tx, now).await?;
    conditions.extend(of_treasury(tx, providers).await?);
    conditions.extend(of_answers(tx, providers, now).await?);
    for (word, object, count) in nodes::troubles(tx, now).await? {
        conditions.push(condition(&word, object, count)?);
    }
    Ok(conditions)
}

/// Panels that took after all what was found not placed.
async fn taken_late(tx: &mut Tx, now: Instant) -> Result<Vec<Condition>, StoreError> {
    let late_min = now - LATE_FOR;
    let rows = sqlx::query!(
        r#"select provider, count(*) as "count!" from leg where late_at > $1 group by provider"#,
        late_min
    );
    let condition = |provider, count| Condition { kind: Kind::TakenLate, object: provider, count, more: String::new() };
    Ok(rows.fetch_all(&mut **tx).await?.into_iter().map(|row| condition(row.provider, row.count)).collect())
}

/// The same, with what opened each breaker.
async fn with_causes(tx: &mut Tx, mut conditions: Vec<Condition>) -> Result<Vec<Condition>, StoreError> {
    for condition in conditions.iter_mut().filter(|condition| condition.kind == Kind::BreakerOpen) {
        let cause = sqlx::query_scalar!("select breaker_cause from provider where id = $1", condition.object);
        if let Some(cause) = cause.fetch_optional(&mut **tx).await? {
            condition.more = format!("; what stopped it: {cause}");
        }
    }
    Ok(conditions)
}

/// What panels answer, or do not.
async fn of_answers(tx: &mut Tx, providers: &[String], now: Instant) -> Result<Vec<Condition>, StoreError> {
    let told = |kind: Kind| move |(object, count)| Condition { kind, object, count, more: String::new() };
    let mut conditions: Vec<_> =
        statuses::unreadable(tx).await?.into_iter().map(told(Kind::StatusesUnreadable)).collect();
    conditions.extend(shrunk::waiting(tx, providers).await?.into_iter().map(|panel| Condition {
        kind: Kind::CatalogShrunk,
        more: format!("; {} of {} services are missing", panel.missing, panel.listed),
        count: panel.missing,
        object: panel.provider,
    }));
    let wrote = refusals::wrote(tx, providers, now - WORDS_ARE_NEWS_FOR).await?;
    conditions.extend(wrote.into_iter().map(told(Kind::UnknownWords)));
    Ok(conditions)
}

/// What the treasury says: money that runs out, and money that is missing.
async fn of_treasury(tx: &mut Tx, providers: &[String]) -> Result<Vec<Condition>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select 'runway_short' as "kind!", id as "object!", 1::bigint as "count!"
        from provider
        where id = any($1) and hours_left < $2
        union all
        select case when cause = 'paid_back' then 'paid_back' else 'balance_drift' end, provider, count(*)
        from drift
        where acknowledged_at is null and cause <> 'top_up'
        group by 1, 2
        union all
        select 'balance_unread', id, 1
        from provider
        where id = any($1) and balance_unread_at is not null
        "#,
        providers,
        rust_decimal::Decimal::from(RUNWAY_SHORT_H)
    );
    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let mut conditions = rows.map(|row| condition(&row.kind, row.object, row.count)).collect::<Result<Vec<_>, _>>()?;
    conditions.extend(of_differences(tx, providers).await?);
    Ok(conditions)
}

/// What panels say of single orders that does not fit, with the newest of them.
async fn of_differences(tx: &mut Tx, providers: &[String]) -> Result<Vec<Condition>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with open as (
            select d.kind, d.provider, d.order_id
            from difference d
            join orders o on o.id = d.order_id
            where d.confirmed_at is not null and d.acknowledged_at is null
                and (d.kind <> 'figures_differ' or o.review is not null)
            union all
            select 'currency_differs', id, null
            from provider
            where id = any($1) and balance_currency is not null
        )
        select kind as "kind!", provider as "provider!", count(*) as "count!",
            coalesce((array_agg(order_id order by order_id desc) filter (where order_id is not null))[1:$2::integer], '{}')
                as "orders!"
        from open
        group by kind, provider
        "#,
        providers,
        ORDERS_NAMED
    );
    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    rows.map(|row| {
        let orders: Vec<String> = row.orders.iter().map(ToString::to_string).collect();
        let more =
            if orders.is_empty() { String::new() } else { format!("; among the orders are {}", orders.join(", ")) };
        Ok(Condition { more, ..condition(&row.kind, row.provider, row.count)? })
    })
    .collect()
}

fn condition(word: &str, object: String, count: i64) -> Result<Condition, StoreError> {
    Ok(Condition { kind: kind(word, &object)?, object, count, more: String::new() })
}

/// Panels whose rates moved too far to be believed at once, and which rates, by the panels' own ids.
pub async fn price_jumps(tx: &mut Tx, watched: &[Watched]) -> Result<Vec<Condition>, StoreError> {
    let providers: Vec<String> = watched.iter().map(|panel| panel.provider.0.clone()).collect();
    let held = moves::held(tx, &providers).await?.into_iter();
    let condition = |(object, count, named): (String, i64, Vec<String>)| {
        let more = if named.is_empty() { String::new() } else { format!("; among them are {}", named.join(", ")) };
        Condition { kind: Kind::PriceJump, object, count, more }
    };
    Ok(held.map(condition).collect())
}

/// Keeps what is so now beside what was so: new rows for what is new, the present count for all, an end for what is no
/// longer so. What ended before it was raised is forgotten; of some kinds nothing is known, and they stay as they are.
/// Those that ended.
pub async fn keep(
    tx: &mut Tx,
    conditions: &[Condition],
    left_alone: &[Kind],
    now: Instant,
) -> Result<Vec<Turn>, StoreError> {
    let left_alone: Vec<String> = left_alone.iter().map(|kind| kind.word().to_owned()).collect();
    let kinds: Vec<String> = conditions.iter().map(|condition| condition.kind.word().to_owned()).collect();
    let objects: Vec<String> = conditions.iter().map(|condition| condition.object.clone()).collect();
    let words = |condition: &Condition| condition.kind.words(&condition.object) + &condition.more;
    let words: Vec<String> = conditions.iter().map(words).collect();
    let counts: Vec<i64> = conditions.iter().map(|condition| condition.count).collect();

    // What is told with its orders is raised anew, once a day, where there are more of them.
    let with_orders: Vec<String> =
        Kind::ALL.into_iter().filter(|kind| kind.is_told_with_orders()).map(|kind| kind.word().to_owned()).collect();
    let anew = sqlx::query!(
        r#"
        update alert a
        set raised_at = null, told_at = null, attempts = 0, next_at = $5
        from unnest($1::text[], $2::text[], $3::bigint[]) as c (kind, object, count)
        where a.kind = c.kind and a.object = c.object and a.over_at is null and a.kind = any($4) and c.count > a.count
            and a.raised_at <= $6
        "#,
        &kinds,
        &objects,
        &counts,
        &with_orders,
        now,
        now - NEWS_AGAIN_AFTER
    );
    anew.execute(&mut **tx).await?;

    let kept = sqlx::query!(
        r#"
        insert into alert (kind, object, words, count, since, next_at)
        select kind, object, words, count, $5, $5
        from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as c (kind, object, words, count)
        on conflict (kind, object) where over_at is null do update
        set count = excluded.count, words = excluded.words
        where alert.count <> excluded.count or alert.words <> excluded.words
        "#,
        &kinds,
        &objects,
        &words,
        &counts,
        now
    );
    kept.execute(&mut **tx).await?;
    let forgotten = sqlx::query!(
        r#"
        delete from alert a
        where a.raised_at is null and a.kind <> all($3)
            and not exists (
                select from unnest($1::text[], $2::text[]) as c (kind, object)
                where c.kind = a.kind and c.object = a.object
            )
        "#,
        &kinds,
        &objects,
        &left_alone
    );
    forgotten.execute(&mut **tx).await?;
    let over = sqlx::query!(
        r#"
        update alert a
        set over_at = $3,
            -- Its end is news: it does not wait as long as its beginning may have been made to.
            next_at = case when told_at is null then next_at else $3 end
        where a.over_at is null and a.kind <> all($4)
            and not exists (
                select from unnest($1::text[], $2::text[]) as c (kind, object)
                where c.kind = a.kind and c.object = a.object
            )
        returning a.kind, a.object, a.words, a.count
        "#,
        &kinds,
        &objects,
        now,
        &left_alone
    );
    let over = over.fetch_all(&mut **tx).await?.into_iter();
    over.map(|row| {
        Ok(Turn { kind: kind(&row.kind, &row.object)?, object: row.object, words: row.words, count: row.count })
    })
    .collect()
}

/// Raises what has lasted: alerts of this kind that are so since `since_max` or longer. Those that were raised.
pub async fn raise(tx: &mut Tx, of: Kind, since_max: Instant, now: Instant) -> Result<Vec<Turn>, StoreError> {
    let raised = sqlx::query!(
        r#"
        update alert
        set raised_at = $3, next_at = $3
        where kind = $1 and raised_at is null and over_at is null and since <= $2
        returning object, words, count
        "#,
        of.word(),
        since_max,
        now
    );
    let raised = raised.fetch_all(&mut **tx).await?.into_iter();
    Ok(raised.map(|row| Turn { kind: of, object: row.object, words: row.words, count: row.count }).collect())
}

/// Claims the message that is due longest; nobody else gets it before `until`. What was over before `over_min` is no
/// news any more.
///
/// Messages about one thing are told in order: the end after its beginning, the next beginning after that end.
pub async fn claim(
    store: &Store,
    until: Instant,
    over_min: Instant,
    now: Instant,
) -> Result<Option<Message>, StoreError> {
    let claimed = sqlx::query!(
        r#"
        with due as materialized (
            select a.id
            from alert a
            where a.next_at <= $3
                and a.raised_at is not null
                and (a.told_at is null or (a.over_at is not null and a.over_told_at is null))
                and (a.over_at is null or a.over_at > $2)
                and not exists (
                    select
                    from alert earlier
                    where earlier.kind = a.kind
                        and earlier.object = a.object
                        and earlier.since < a.since
                        and earlier.over_at > $2
                        and earlier.over_told_at is null
                )
            order by a.next_at, a.since
            limit 1
            for update skip locked
        )
        update alert a
        set next_at = $1, attempts = a.attempts + 1
        from due
        where a.id = due.id
        returning a.id, a.kind, a.object, a.words, a.count, a.since, a.attempts,
            case when a.told_at is not null then a.over_at end as over_at
        "#,
        until,
        over_min,
        now
    );
    let Some(row) = claimed.fetch_optional(&store.workers).await? else { return Ok(None) };
    Ok(Some(Message {
        alert: row.id,
        kind: kind(&row.kind, &row.object)?,
        object: row.object,
        words: row.words,
        count: row.count,
        since: row.since,
        over_at: row.over_at,
        attempt: row.attempts,
    }))
}

/// Notes that the webhook took a message; the next one about this alert is due at once. `false`: another process took
/// the message over meanwhile, and tells it too.
pub async fn told(store: &Store, message: &Message, now: Instant) -> Result<bool, StoreError> {
    let moved = sqlx::query!(
        r#"
        update alert
        set told_at = coalesce(told_at, $4),
            over_told_at = case when told_at is not null then $4 end,
            attempts = 0,
            next_at = $4
        where id = $1 and attempts = $2 and (told_at is not null) = $3 and over_told_at is null
        "#,
        message.alert,
        message.attempt,
        message.over_at.is_some(),
        now
    );
    Ok(moved.execute(&store.workers).await?.rows_affected() == 1)
}

/// Notes that the webhook did not take a message, and when it is tried next. `false` as for [`told`].
pub async fn put_off(store: &Store, message: &Message, next_at: Instant) -> Result<bool, StoreError> {
    let moved = sqlx::query!(
        r#"
        update alert
        set next_at = $4
        where id = $1 and attempts = $2 and (told_at is not null) = $3 and over_told_at is null
        "#,
        message.alert,
        message.attempt,
        message.over_at.is_some(),
        next_at
    );
    Ok(moved.execute(&store.workers).await?.rows_affected() == 1)
}

/// Forgets alerts that were over before `over_min`, some of them each time.
pub async fn forget(store: &Store, over_min: Instant) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        "delete from alert where id in (select id from alert where over_at < $1 limit $2)",
        over_min,
        FORGOTTEN_MAX
    );
    forgotten.execute(&store.workers).await?;
    Ok(())
}

/// Every alert that was raised: open ones first, then the newest; [`ALERTS_MAX`] at most.
pub async fn list(store: &Store) -> Result<Vec<AlertRow>, StoreError> {
    let rows = sqlx::query_as!(
        AlertRow,
        r#"
        select id, kind, object, words, count, since, over_at, told_at, over_told_at, attempts
        from alert
        where raised_at is not null
        order by over_at is not null, coalesce(over_at, since) desc, kind, object
        limit $1
        "#,
        ALERTS_MAX
    );
    Ok(rows.fetch_all(&store.workers).await?)
}

fn kind(word: &str, object: &str) -> Result<Kind, StoreError> {
    let unknown =
        || StoreError::Contradiction { table: "alert", column: "kind", id: object.to_owned(), value: word.to_owned() };
    Kind::from_word(word).ok_or_else(unknown)
}
