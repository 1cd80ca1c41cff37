//! Doubts: legs of which nobody knows whether the panel has them, when each is looked into, and
//! what was found.

use chrono::TimeDelta;
use sqlx::types::Json;

use crate::domain::clock::Timestamp;
use crate::domain::doubt::{DoubtCheck, DoubtVerdict, Sought};
use crate::domain::id::{LegId, OrderId, ProviderId, PublicId, ServiceId};
use crate::domain::leg::{LeasedLeg, LegState};
use crate::domain::money::{ExchangeRate, Money, Rate};
use crate::domain::service::Route;
use crate::domain::wish::Details;
use crate::store::leases::kind_of;
use crate::store::legs::{LockedLeg, lock_leg};
use crate::store::{Store, StoreError, Tx, unsigned};

/// After a doubt began, when it is looked into again; the first time is
/// [`FIRST_CHECK`](crate::store::legs::FIRST_CHECK).
const LATER_CHECKS_S: [i64; 3] = [600, 3_600, 21_600];
/// Between two looks when those are over.
const DAILY: TimeDelta = TimeDelta::days(1);
/// Why a leg is over that a person found not placed.
pub const PERSON_FOUND: &str = "not placed, as a person found";
/// Why a leg is over of which nothing lies among its panel's ids.
pub const IDS_SHOW: &str = "not placed, as the panel's ids show";
/// The deed of putting a backup in place: what was done between the backup and it, nobody here
/// knows.
pub const RESTORE: &str = "restore";
/// Other doubts of a panel that are compared.
pub(super) const DOUBTS_MAX: i64 = 500;

/// Locks the leg of an order that is in doubt, or was given up in doubt, if one is.
pub async fn in_doubt(tx: &mut Tx, order: OrderId) -> Result<Option<LockedLeg>, StoreError> {
    let leg = sqlx::query_scalar!(
        "select id from leg where order_id = $1 and state in ('in_doubt', 'written_off') order by \
         n desc limit 1",
        order.0
    );

    let Some(leg) = leg.fetch_optional(&mut **tx).await? else {
        return Ok(None);
    };

    // It may have moved while the lock was waited for.
    let leg = lock_leg(tx, LegId(leg)).await?;
    Ok(Some(leg).filter(|leg| matches!(leg.state, LegState::InDoubt | LegState::WrittenOff)))
}

/// The routes on which an order was in doubt before its leg of this number: a person may have
/// looked there.
pub async fn doubted_before(tx: &mut Tx, order: OrderId, n: i32) -> Result<Vec<Route>, StoreError> {
    let routes = sqlx::query!(
        r#"
        select l.provider, l.service
        from leg l
        where l.order_id = $1 and l.n < $2
            and (
                exists (select from attempt e where e.leg_id = l.id and e.verdict = 'in_doubt')
                -- What was put in doubt by a restore was asked for by nobody here.
                or exists (select from doubt_check r where r.leg_id = l.id)
                or l.reason = $3
            )
        order by l.n
        "#,
        order.0,
        n,
        PERSON_FOUND
    );

    let routes = routes.fetch_all(&mut **tx).await?.into_iter();
    Ok(routes
        .map(|row| Route {
            provider: ProviderId(row.provider),
            service: row.service,
        })
        .collect())
}

/// Legs that were being sent by somebody who lost the panel's lease since, or whose answer is
/// overdue.
pub async fn find_orphans(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    sent_before: Timestamp,
    legs_max: i64,
) -> Result<Vec<(LegId, i32)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, attempt
        from leg
        where provider = $1 and state = 'sending'
            -- What a clock that was set back since dated is as old as anything.
            and (epoch < $2 or sending_at < $3 or sending_at > $3::timestamptz + interval '1 hour')
        order by id
        limit $4
        "#,
        provider.0,
        epoch,
        sent_before,
        legs_max
    );

    Ok(rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| (LegId(row.id), row.attempt))
        .collect())
}

/// A doubt is looked into at a moment to come, if it would not be sooner.
pub async fn look_again(
    store: &Store,
    leg: LegId,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let put = sqlx::query!(
        "update leg set check_at = least(check_at, $2::timestamptz) where id = $1 and state = \
         'in_doubt' and $2::timestamptz > $3",
        leg.0,
        at,
        now
    );

    // Nothing moves where a person ended the doubt meanwhile.
    put.execute(&store.workers).await?;
    Ok(())
}

/// Takes doubts that are due to be looked into, longest waiting first; when each is looked into
/// next is settled with it: also when the patience that an operator set is over.
pub async fn claim_due_doubts(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    legs_max: i64,
    patience: Option<TimeDelta>,
    now: Timestamp,
) -> Result<Vec<Sought>, StoreError> {
    let patience_s = patience.map(|patience| patience.num_seconds());
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select id
            from leg
            where provider = $1 and state = 'in_doubt' and check_at <= $4
                -- What our balance decides is looked at by itself.
                and refused_for is null
                and exists (select from provider p where p.id = $1 and p.epoch = $2
                    and p.held_until > $4)
            order by check_at
            limit $3
            for update skip locked
        )
        update leg l
        set checks = checks + 1,
            -- `least` passes over what is null.
            check_at = least(
                (
                    select min(l.doubted_at + make_interval(secs => s))
                    from unnest($5::bigint[]) as s
                    where l.doubted_at + make_interval(secs => s) > $4
                ),
                (
                    select given_up.at
                    from (
                        select greatest(l.doubted_at,
                            d.patience_from) + make_interval(secs => $7::bigint) as at
                    ) given_up
                    where given_up.at > $4
                ),
                $6
            )
        from due, orders o, dispatch d
        where l.id = due.id and o.id = l.order_id
        returning l.id, l.order_id, l.cost, l.fx_rate, o.units, o.package,
            l.doubted_at as "doubted_at!", coalesce(
                (select e.sent_at from attempt e where e.leg_id = l.id and e.n = l.attempt),
                l.sending_at, l.doubted_at
            ) as "sent_at!",
            coalesce(greatest(l.sending_at, l.repeated_at), l.doubted_at) as "last_sent_at!"
        "#,
        provider.0,
        epoch,
        legs_max,
        now,
        &LATER_CHECKS_S,
        now + DAILY,
        patience_s
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| Sought {
            leg: LegId(row.id),
            order: OrderId(row.order_id),
            cost: Money::from_decimal(row.cost),
            exchange: ExchangeRate::from_decimal(row.fx_rate),
            units: (!row.package).then_some(unsigned(row.units)),
            sent_at: row.sent_at,
            last_sent_at: row.last_sent_at,
            doubted_at: row.doubted_at,
        });

    Ok(rows.collect())
}

/// A leg in doubt as it was sent.
pub async fn as_sent(store: &Store, leg: LegId) -> Result<LeasedLeg, StoreError> {
    let row = sqlx::query!(
        r#"
        -- The number under which its panel was asked, where it has another by now.
        select l.order_id, o.public_id, l.attempt, l.unsent,
            coalesce(substring(e.words from '^request_id [^ ;]+-([0-9]{1,9}); ')::integer, l.n)
                as "n!",
            l.provider, l.service, l.cost, o.kind, o.link, o.units,
            o.service_id, o.charge, o.cost as quoted_cost, o.cost_rate,
            o.details as "details: Json<Details>"
        from leg l
        join orders o on o.id = l.order_id
        left join attempt e on e.leg_id = l.id and e.n = l.attempt
        where l.id = $1
        "#,
        leg.0
    );

    let row = row.fetch_one(&store.workers).await?;
    Ok(LeasedLeg {
        leg,
        order: OrderId(row.order_id),
        public: PublicId(row.public_id),
        n: row.n,
        attempt: row.attempt,
        unsent: row.unsent,
        route: Route {
            provider: ProviderId(row.provider),
            service: row.service,
        },
        kind: kind_of(row.order_id, &row.kind)?,
        link: row.link,
        units: unsigned(row.units),
        details: row.details.0,
        cost: Money::from_decimal(row.cost),
        sold_as: ServiceId(row.service_id),
        charge: Money::from_decimal(row.charge),
        quoted_cost: Money::from_decimal(row.quoted_cost),
        quoted_rate: Rate::from_decimal(row.cost_rate),
    })
}

/// Commits the intent to ask for a leg in doubt again, under the name under which it was asked for.
/// `false`: the doubt is over, it was asked for under no such name, or before `sent_min`, nothing
/// may be sent to its panel now, the clock was set, or a backup was put in place since: whoever
/// went on with the original knows what became of it, and nobody here does.
pub async fn mark_again(
    store: &Store,
    leg: &LeasedLeg,
    request_id: &str,
    epoch: i64,
    sent_min: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let marked = sqlx::query!(
        r#"
        update leg
        set state = 'sending', sending_at = $5, epoch = $4, repeats = repeats + 1, repeated_at = $5,
            reason = 'asked for again'
        where id = $1 and state = 'in_doubt' and refused_for is null and attempt = $2
            and exists (
                select
                from attempt e
                where e.leg_id = leg.id and e.n = leg.attempt
                    and starts_with(e.words, 'request_id ' || $3 || '; ')
                    and e.sent_at > $6
                    and not exists (select from audit_log d where d.verb = $7 and d.at >= e.sent_at)
                    -- How long ago it was, nobody knows where the clock was set since.
                    and not exists (
                        select from clock_step s where s.was_set
                            and greatest(s.from_at, s.to_at) >= e.sent_at
                    )
            )
            and exists (
                select
                from provider p, dispatch d
                where p.id = leg.provider and p.epoch = $4 and p.held_until > $5
                    and p.paused_at is null and d.frozen_at is null
            )
        "#,
        leg.leg.0,
        leg.attempt,
        request_id,
        epoch,
        now,
        sent_min,
        RESTORE
    );

    Ok(marked.execute(&store.workers).await?.rows_affected() == 1)
}

/// Nothing came of asking again: the doubt is what it was.
pub async fn stay_in_doubt(tx: &mut Tx, leg: &LockedLeg) -> Result<(), StoreError> {
    let back = sqlx::query!(
        r#"
        update leg l
        set state = 'in_doubt', sending_at = e.sent_at,
            reason = 'asked for again, and still in doubt'
        from attempt e
        where l.id = $1 and l.state = 'sending' and l.doubted_at is not null
            and e.leg_id = l.id and e.n = l.attempt
        "#,
        leg.id.0
    );

    match back.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// Since when a leg may be at its panel and nobody knows: the later of its sending and its doubt.
pub async fn doubted_at(tx: &mut Tx, leg: LegId) -> Result<Timestamp, StoreError> {
    let at = sqlx::query_scalar!(
        r#"
        select greatest(sending_at, repeated_at, doubted_at) as "at!"
        from leg
        where id = $1 and doubted_at is not null
        "#,
        leg.0
    );

    Ok(at.fetch_one(&mut **tx).await?)
}

/// Keeps that a person said of a leg in doubt that it was not placed. `false`: somebody said so
/// before.
pub async fn say_not_placed(tx: &mut Tx, leg: LegId, now: Timestamp) -> Result<bool, StoreError> {
    let said = sqlx::query!(
        r#"
        update leg
        set not_placed_said_at = $2
        where id = $1 and state = 'in_doubt'
            and (not_placed_said_at is null
                or not_placed_said_at < greatest(sending_at, repeated_at, doubted_at))
        "#,
        leg.0,
        now
    );

    Ok(said.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Whether anything is on its way to a panel now, from any node.
pub async fn anything_under_way(store: &Store, provider: &ProviderId) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from leg where provider = $1 and state = 'sending') as "found!""#,
        provider.0
    );
    Ok(found.fetch_one(&store.workers).await?)
}

/// Writes down what was looked at and what it showed.
pub async fn record_check(
    tx: &mut Tx,
    leg: LegId,
    check: DoubtCheck,
    verdict: DoubtVerdict,
    words: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let written = sqlx::query!(
        "insert into doubt_check (leg_id, at, kind, verdict, words) values ($1, $2, $3, $4, $5)",
        leg.0,
        at,
        check.as_str(),
        verdict.as_str(),
        words
    );

    written.execute(&mut **tx).await?;
    Ok(())
}
