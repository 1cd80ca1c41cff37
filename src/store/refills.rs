//! Refills: asked for, sent to a panel at most once, followed there, ended.

use sqlx::types::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::id::{
    CustomerId, LegId, OrderId, PanelOrder, PanelRefill, ProviderId, PublicId, RefillId, RefillName,
};
use crate::domain::provider::PanelAddress;
use crate::domain::refill::{RefillNames, RefillState};
use crate::store::{Store, StoreError, Tx};

/// What decides whether an order may be refilled.
#[derive(Clone, Debug)]
pub struct Grounds {
    /// The leg that delivered it.
    pub leg: LegId,
    /// The panel.
    pub provider: ProviderId,
    /// Whether the panel refills this service.
    pub panel_can: bool,
    /// Whether one is under way.
    pub under_way: bool,
    /// Refills that were not rejected.
    pub had: i64,
}

/// The grounds for refilling a locked order; `None`: no panel delivered anything of it.
pub async fn refill_grounds(tx: &mut Tx, order: OrderId) -> Result<Option<Grounds>, StoreError> {
    let row = sqlx::query!(
        r#"
        select l.id, l.provider,
            coalesce(s.refill, false) as "panel_can!",
            exists (select from refill r where r.order_id = $1 and r.ended_at is null)
                as "under_way!",
            (select count(*) from refill r where r.order_id = $1 and r.state <> 'rejected')
                as "had!"
        from leg l
        left join panel_service s on s.provider = l.provider and s.service = l.service
        where l.order_id = $1 and l.state = 'ended'
        order by l.n desc
        limit 1
        "#,
        order.0
    );

    Ok(row.fetch_optional(&mut **tx).await?.map(|row| Grounds {
        leg: LegId(row.id),
        provider: ProviderId(row.provider),
        panel_can: row.panel_can,
        under_way: row.under_way,
        had: row.had,
    }))
}

/// Keeps that a refill is asked for; its names.
pub async fn request_refill(
    tx: &mut Tx,
    order: OrderId,
    grounds: &Grounds,
    public: PublicId,
    now: Timestamp,
) -> Result<RefillNames, StoreError> {
    let id = sqlx::query_scalar!(
        r#"
        insert into refill (id, public_id, order_id, leg_id, provider, asked_for_at, next_at)
        values (nextval('refill_id')::integer, $1, $2, $3, $4, $5, $5)
        returning id
        "#,
        public.0,
        order.0,
        grounds.leg.0,
        grounds.provider.0,
        now
    );

    Ok(RefillNames {
        id: RefillId(id.fetch_one(&mut **tx).await?),
        public,
    })
}

/// Where those of the refills stand that are of the customer's orders.
pub async fn look_up_refills(
    store: &Store,
    customer: CustomerId,
    names: &[RefillName],
) -> Result<Vec<(RefillNames, RefillState)>, StoreError> {
    let (mut numbers, mut publics): (Vec<i32>, Vec<Uuid>) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            RefillName::Number(number) => numbers.push(number.0),
            RefillName::Public(public) => publics.push(public.0),
        }
    }

    // Found by their names first, and each one's owner by its order: a join lets a plan that is
    // made for the average customer begin with all orders of one who has a hundred thousand (9
    // ms against 0.05).
    let rows = sqlx::query!(
        r#"
        with named as materialized (
            select r.id, r.public_id, r.state,
                (select o.customer_id from orders o where o.id = r.order_id) as customer_id
            from refill r
            where r.id = any($2 || array(select p.id from refill p where p.public_id = any($3)))
        )
        select id, public_id, state
        from named
        where customer_id = $1
        "#,
        customer.0,
        &numbers,
        &publics
    );

    let rows = rows.fetch_all(store.door()?).await?.into_iter().map(|row| {
        let names = RefillNames {
            id: RefillId(row.id),
            public: PublicId(row.public_id),
        };
        Ok((names, shown(row.id, &row.state)?))
    });

    rows.collect()
}

/// Where the latest refill of each of a customer's orders stands, of those that ever had one.
pub async fn latest_refills(
    store: &Store,
    customer: CustomerId,
    orders: &[OrderId],
) -> Result<Vec<(OrderId, RefillState)>, StoreError> {
    let ids: Vec<i32> = orders.iter().map(|order| order.0).collect();
    let rows = sqlx::query!(
        r#"
        with latest as materialized (
            select distinct on (r.order_id) r.order_id, r.id, r.state,
                (select o.customer_id from orders o where o.id = r.order_id) as customer_id
            from refill r
            where r.order_id = any($2)
            order by r.order_id, r.id desc
        )
        select order_id, id, state
        from latest
        where customer_id = $1
        "#,
        customer.0,
        &ids
    );

    let rows = rows.fetch_all(store.door()?).await?.into_iter();
    rows.map(|row| Ok((OrderId(row.order_id), shown(row.id, &row.state)?)))
        .collect()
}

/// What the customer is shown: whatever the panel may have heard is in progress, doubts included.
fn shown(id: i32, word: &str) -> Result<RefillState, StoreError> {
    match word {
        "ready" => Ok(RefillState::Pending),
        "sending" | "in_doubt" | "taken" => Ok(RefillState::InProgress),
        _ => RefillState::from_word(word).ok_or_else(|| StoreError::Contradiction {
            table: "refill",
            column: "state",
            id: id.to_string(),
            value: word.to_owned(),
        }),
    }
}

/// A refill in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRefillRequest {
    /// The refill.
    pub id: RefillId,
    /// The panel's id of the order.
    pub panel_order: PanelOrder,
    /// Whether that is another order's at the panel's present address.
    pub elsewhere: bool,
    /// Which attempt this is.
    pub attempt: i32,
}

/// Whether a refill is due to be sent to a panel.
pub async fn is_due(
    store: &Store,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"
        select exists (
            select from refill where provider = $1 and next_at <= $2 and ended_at is null
                and state = 'ready'
        ) as "found!"
        "#,
        provider.0,
        now
    );

    Ok(found.fetch_one(&store.workers).await?)
}

/// Takes one refill that is due to be sent, and commits the intent: from here on no machine sends
/// it again.
pub async fn claim_due_send(
    store: &Store,
    PanelAddress { provider, address }: PanelAddress<'_>,
    epoch: i64,
    now: Timestamp,
) -> Result<Option<DueRefillRequest>, StoreError> {
    let row = sqlx::query!(
        r#"
        with due as materialized (
            select r.id, l.panel_order,
                exists (
                    select
                    from panel_order other
                    where other.provider = $1 and other.id = l.panel_order and other.address = $4
                        and other.leg_id <> l.id
                ) as elsewhere
            from refill r
            join leg l on l.id = r.leg_id
            where r.provider = $1 and r.state = 'ready' and r.ended_at is null and r.next_at <= $3
                and exists (select from provider p where p.id = $1 and p.epoch = $2
                    and p.held_until > $3)
            order by r.next_at, r.id
            limit 1
            for update of r skip locked
        )
        update refill r
        set state = 'sending', attempt = attempt + 1, epoch = $2, sending_at = $3
        from due
        where r.id = due.id
        returning r.id, r.attempt, due.panel_order as "panel_order!", due.elsewhere as "elsewhere!"
        "#,
        provider.0,
        epoch,
        now,
        address
    );

    Ok(row
        .fetch_optional(&store.workers)
        .await?
        .map(|row| DueRefillRequest {
            id: RefillId(row.id),
            panel_order: PanelOrder(row.panel_order),
            elsewhere: row.elsewhere,
            attempt: row.attempt,
        }))
}

/// How a refill goes on after it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefillTransition {
    /// Nothing left this machine: sent again at this moment.
    Again(Timestamp),
    /// The panel took it, under this id where it gave one; asked about, or given up, at this
    /// moment.
    Taken(Option<PanelRefill>, Timestamp),
    /// Nobody knows; given up at this moment.
    InDoubt(Timestamp),
    /// The panel refused.
    Rejected,
}

/// Writes down what became of a sent refill; a late answer ends a doubt. `false`: it moved on
/// meanwhile.
pub async fn move_refill(
    store: &Store,
    refill: &DueRefillRequest,
    turn: &RefillTransition,
    words: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, next_at, id) = match turn {
        RefillTransition::Again(at) => ("ready", *at, None),
        RefillTransition::Taken(id, at) => ("taken", *at, id.as_ref()),
        RefillTransition::InDoubt(at) => ("in_doubt", *at, None),
        RefillTransition::Rejected => ("rejected", now, None),
    };

    let moved = sqlx::query!(
        r#"
        update refill
        set state = $3, next_at = $4, panel_refill = $5, words = $6,
            taken_at = case when $3 = 'taken' then $7::timestamptz end,
            ended_at = case when $3 = 'rejected' then $7::timestamptz end
        where id = $1 and attempt = $2 and state in ('sending', 'in_doubt')
        "#,
        refill.id.0,
        refill.attempt,
        state,
        next_at,
        id.map(|id| &*id.0),
        words,
        now
    );

    Ok(moved.execute(&store.workers).await?.rows_affected() == 1)
}

/// Refills that somebody was sending who ended, or waited longer than may be, are in doubt. How
/// many.
pub async fn doubt_overdue(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    overdue: Timestamp,
    give_up: Timestamp,
) -> Result<u64, StoreError> {
    let moved = sqlx::query!(
        r#"
        update refill
        set state = 'in_doubt', next_at = $4, words = 'no answer was written down'
        where provider = $1 and state = 'sending' and ended_at is null
            and (epoch < $2 or sending_at < $3)
        "#,
        provider.0,
        epoch,
        overdue,
        give_up
    );

    Ok(moved.execute(&store.workers).await?.rows_affected())
}

/// Refills that may have been sent by somebody who went on without this database are in doubt. How
/// many.
pub async fn doubt_all(tx: &mut Tx, give_up: Timestamp) -> Result<u64, StoreError> {
    let moved = sqlx::query!(
        r#"
        update refill
        set state = 'in_doubt', next_at = $1,
            words = 'open in the backup: it may have been sent since'
        where ended_at is null and state in ('ready', 'sending')
        "#,
        give_up
    );

    Ok(moved.execute(&mut **tx).await?.rows_affected())
}

/// Leaves out so many refill ids, or half of what is left: customers may have been given them.
pub async fn skip_ids(tx: &mut Tx, count: i64) -> Result<(), StoreError> {
    let skipped = sqlx::query!(
        r#"
        select setval('refill_id', known.last + least($1, ($2 - known.last) / 2)) as "last!"
        from (
            select greatest(s.last_value, (select coalesce(max(id), 0) from refill)) as last
            from refill_id s
        ) known
        "#,
        count,
        i64::from(i32::MAX)
    );

    skipped.fetch_one(&mut **tx).await?;
    Ok(())
}

/// Refills of which nothing can be asked any more, because the panel gave no id or nobody knows
/// whether it took them, are rejected when their time is over: nothing proves that they happened.
/// How many.
pub async fn give_up(
    store: &Store,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let moved = sqlx::query!(
        r#"
        update refill
        set state = 'rejected', ended_at = $2, words = words
            || '; given up: nothing proves that it happened'
        where provider = $1 and next_at <= $2 and ended_at is null
            and (state = 'in_doubt' or (state = 'taken' and panel_refill is null))
        "#,
        provider.0,
        now
    );

    Ok(moved.execute(&store.workers).await?.rows_affected())
}

/// A refill that is to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRefill {
    /// The refill.
    pub id: RefillId,
    /// Its id at the panel.
    pub panel_refill: PanelRefill,
    /// Whether that is another refill's at the panel's present address.
    pub elsewhere: bool,
    /// Since when the panel has it.
    pub taken_at: Timestamp,
}

/// Takes the refills that are due to be asked about, and puts their next asking off until
/// `next_at`.
pub async fn claim_due_polls(
    store: &Store,
    PanelAddress { provider, address }: PanelAddress<'_>,
    epoch: i64,
    refills_max: i64,
    next_at: Timestamp,
    now: Timestamp,
) -> Result<Vec<DueRefill>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select id
            from refill
            where provider = $1 and next_at <= $5 and ended_at is null and state = 'taken'
                and panel_refill is not null
                and exists (select from provider p where p.id = $1 and p.epoch = $2
                    and p.held_until > $5)
            order by next_at
            limit $3
            for update skip locked
        )
        update refill r
        set next_at = $4
        from due
        where r.id = due.id
        returning r.id, r.panel_refill as "panel_refill!",
            coalesce(r.taken_at, r.asked_for_at) as "taken_at!",
            exists (
                select
                from refill other
                join leg l on l.id = other.leg_id
                join panel_order o on o.provider = $1 and o.id = l.panel_order and o.address = $6
                    and o.leg_id = l.id
                where other.provider = $1 and other.panel_refill = r.panel_refill
                    and other.leg_id <> r.leg_id
            ) and not exists (
                select
                from leg l
                join panel_order o on o.provider = $1 and o.id = l.panel_order and o.address = $6
                    and o.leg_id = l.id
                where l.id = r.leg_id
            ) as "elsewhere!"
        "#,
        provider.0,
        epoch,
        refills_max,
        next_at,
        now,
        address
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| DueRefill {
            id: RefillId(row.id),
            panel_refill: PanelRefill(row.panel_refill),
            elsewhere: row.elsewhere,
            taken_at: row.taken_at,
        });

    Ok(rows.collect())
}

/// Keeps what the panel said of a refill, and how it ended, if it did.
pub async fn record_state(
    store: &Store,
    refill: RefillId,
    status: &str,
    end: Option<RefillState>,
    next_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let moved = sqlx::query!(
        r#"
        update refill
        set panel_status = $2, state = coalesce($3, state), next_at = $4,
            ended_at = case when $3::text is not null then $5::timestamptz end
        where id = $1 and state = 'taken'
        "#,
        refill.0,
        status,
        end.map(RefillState::as_str),
        next_at,
        now
    );

    moved.execute(&store.workers).await?;
    Ok(())
}
