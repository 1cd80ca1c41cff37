//! Alerts: what is true now that needs a person, who was told of it, and who is to be told next.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::alert::AlertKind;
use crate::domain::clock::Timestamp;
use crate::store::conditions::Condition;
use crate::store::{Store, StoreError, Tx};

/// The most alerts that one list shows.
pub const ALERTS_MAX: i64 = 500;
/// Alerts forgotten at once.
const FORGOTTEN_MAX: i64 = 1_000;

/// An alert that began or ended just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertChange {
    /// What.
    pub kind: AlertKind,
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
    pub kind: AlertKind,
    /// Where.
    pub object: String,
    /// What to do about it.
    pub words: String,
    /// How many, as last counted.
    pub count: i64,
    /// Since when.
    pub since: Timestamp,
    /// `None`: it begins; else it is over since then.
    pub over_at: Option<Timestamp>,
    /// How often this message was tried, this time included; whatever comes of it names the try
    /// that it belongs to.
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
    pub since: Timestamp,
    /// When it ended.
    pub over_at: Option<Timestamp>,
    /// When the webhook took its beginning.
    pub told_at: Option<Timestamp>,
    /// When the webhook took its end.
    pub over_told_at: Option<Timestamp>,
    /// How often the present message was tried.
    pub attempts: i32,
}

/// Makes this transaction the only one that compares; `false`: another process is at it.
pub async fn only_one(tx: &mut Tx) -> Result<bool, StoreError> {
    // A lock of its own space, keyed by the table: nothing is written when nothing changed.
    let got = sqlx::query_scalar!(
        r#"select pg_try_advisory_xact_lock('alert'::regclass::oid::integer, 0) as "got!""#
    );
    Ok(got.fetch_one(&mut **tx).await?)
}

/// Keeps what is so now beside what was so: new rows for what is new, the present count for all, an
/// end for what is no longer so. What ended before it was raised is forgotten; of some kinds
/// nothing is known, and they stay as they are. Those that ended.
pub async fn keep_conditions(
    tx: &mut Tx,
    conditions: &[Condition],
    left_alone: &[AlertKind],
    now: Timestamp,
) -> Result<Vec<AlertChange>, StoreError> {
    let left_alone: Vec<String> = left_alone
        .iter()
        .map(|kind| kind.as_str().to_owned())
        .collect();

    let kinds: Vec<String> = conditions
        .iter()
        .map(|condition| condition.kind.as_str().to_owned())
        .collect();

    let objects: Vec<String> = conditions
        .iter()
        .map(|condition| condition.object.clone())
        .collect();

    let words = |condition: &Condition| condition.kind.words(&condition.object) + &condition.more;
    let words: Vec<String> = conditions.iter().map(words).collect();
    let counts: Vec<i64> = conditions.iter().map(|condition| condition.count).collect();

    raise_anew(
        tx,
        ConditionColumns {
            kinds: &kinds,
            objects: &objects,
            counts: &counts,
        },
        now,
    )
    .await?;

    let kept = sqlx::query!(
        r#"
        insert into alert (kind, object, words, count, since, next_at)
        select kind, object, words, count, $5, $5
        from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
            as c (kind, object, words, count)
        on conflict (kind, object) where over_at is null do update
        set count = excluded.count, words = excluded.words,
            -- What left makes room for what comes: else an old one hides as many new ones.
            raised_count = least(alert.raised_count, excluded.count)
        where alert.count <> excluded.count or alert.words <> excluded.words
        "#,
        &kinds,
        &objects,
        &words,
        &counts,
        now
    );

    kept.execute(&mut **tx).await?;

    let columns = ConditionColumns {
        kinds: &kinds,
        objects: &objects,
        counts: &counts,
    };
    end_missing(tx, columns, &left_alone, now).await
}

/// Forgets what is not so any more and was never told, and ends what was. What ended.
async fn end_missing(
    tx: &mut Tx,
    columns: ConditionColumns<'_>,
    left_alone: &[String],
    now: Timestamp,
) -> Result<Vec<AlertChange>, StoreError> {
    let ConditionColumns { kinds, objects, .. } = columns;
    let forgotten = sqlx::query!(
        r#"
        delete from alert a
        where a.raised_at is null and a.kind <> all($3)
            and not exists (
                select from unnest($1::text[], $2::text[]) as c (kind, object)
                where c.kind = a.kind and c.object = a.object
            )
        "#,
        kinds,
        objects,
        left_alone
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
        kinds,
        objects,
        now,
        left_alone
    );

    let over = over.fetch_all(&mut **tx).await?.into_iter();
    over.map(|row| {
        Ok(AlertChange {
            kind: alert_kind(&row.kind, &row.object)?,
            object: row.object,
            words: row.words,
            count: row.count,
        })
    })
    .collect()
}

/// Conditions side by side: what, where, and how many.
#[derive(Clone, Copy)]
struct ConditionColumns<'a> {
    kinds: &'a [String],
    objects: &'a [String],
    counts: &'a [i64],
}

/// Where there are more of them by now, it is news again after a while: one old order hides no new
/// ones.
async fn raise_anew(
    tx: &mut Tx,
    columns: ConditionColumns<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let again: Vec<(String, i64)> = AlertKind::ALL
        .into_iter()
        .filter_map(|kind| {
            Some((
                kind.as_str().to_owned(),
                whole_seconds(kind.news_again_after()?),
            ))
        })
        .collect();

    let (again_kinds, again_after_s): (Vec<String>, Vec<i64>) = again.into_iter().unzip();
    let anew = sqlx::query!(
        r#"
        update alert a
        set raised_at = null, told_at = null, attempts = 0, next_at = $6
        from unnest($1::text[], $2::text[], $3::bigint[]) as c (kind, object, count),
            unnest($4::text[], $5::bigint[]) as g (kind, after_s)
        where a.kind = c.kind and a.object = c.object and a.kind = g.kind and a.over_at is null
            and c.count > a.raised_count
                and a.raised_at <= $6::timestamptz - make_interval(secs => g.after_s)
        "#,
        columns.kinds,
        columns.objects,
        columns.counts,
        &again_kinds,
        &again_after_s,
        now
    );

    anew.execute(&mut **tx).await?;
    Ok(())
}

/// Whole seconds, as the database counts them.
fn whole_seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// Raises what has lasted: alerts of this kind that are so since `since_max` or longer. Those that
/// were raised.
pub async fn raise_lasting(
    tx: &mut Tx,
    of: AlertKind,
    since_max: Timestamp,
    now: Timestamp,
) -> Result<Vec<AlertChange>, StoreError> {
    let raised = sqlx::query!(
        r#"
        update alert
        set raised_at = $3, next_at = $3, raised_count = count
        where kind = $1 and raised_at is null and over_at is null and since <= $2
        returning object, words, count
        "#,
        of.as_str(),
        since_max,
        now
    );

    let raised = raised.fetch_all(&mut **tx).await?.into_iter();
    Ok(raised
        .map(|row| AlertChange {
            kind: of,
            object: row.object,
            words: row.words,
            count: row.count,
        })
        .collect())
}

/// Claims the message that is due longest; nobody else gets it before `until`. What was over before
/// `over_min` is no news any more.
///
/// Messages about one thing are told in order: the end after its beginning, the next beginning
/// after that end.
pub async fn claim_due_message(
    store: &Store,
    until: Timestamp,
    over_min: Timestamp,
    now: Timestamp,
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

    let Some(row) = claimed.fetch_optional(&store.workers).await? else {
        return Ok(None);
    };

    Ok(Some(Message {
        alert: row.id,
        kind: alert_kind(&row.kind, &row.object)?,
        object: row.object,
        words: row.words,
        count: row.count,
        since: row.since,
        over_at: row.over_at,
        attempt: row.attempts,
    }))
}

/// Notes that the webhook took a message; the next one about this alert is due at once. `false`:
/// another process took the message over meanwhile, and tells it too.
pub async fn message_taken(
    store: &Store,
    message: &Message,
    now: Timestamp,
) -> Result<bool, StoreError> {
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

/// Notes that the webhook did not take a message, and when it is tried next. `false` as for
/// [`message_taken`].
pub async fn put_off(
    store: &Store,
    message: &Message,
    next_at: Timestamp,
) -> Result<bool, StoreError> {
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
pub async fn forget_ended(store: &Store, over_min: Timestamp) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        "delete from alert where id in (select id from alert where over_at < $1 limit $2)",
        over_min,
        FORGOTTEN_MAX
    );

    forgotten.execute(&store.workers).await?;
    Ok(())
}

/// Every alert that was raised: open ones first, then the newest; [`ALERTS_MAX`] at most.
pub async fn list_alerts(store: &Store) -> Result<Vec<AlertRow>, StoreError> {
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

pub(super) fn alert_kind(word: &str, object: &str) -> Result<AlertKind, StoreError> {
    let unknown = || StoreError::Contradiction {
        table: "alert",
        column: "kind",
        id: object.to_owned(),
        value: word.to_owned(),
    };

    AlertKind::from_word(word).ok_or_else(unknown)
}
