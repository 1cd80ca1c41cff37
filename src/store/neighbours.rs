//! Neighbours: the ids of ours around a doubt at its panel, which ids are known, and what else may
//! lie among them.

use crate::domain::clock::Timestamp;
use crate::domain::doubt::Sought;
use crate::domain::id::{LegId, OrderId, PanelOrder, ProviderId};
use crate::domain::money::{ExchangeRate, Money};
use crate::domain::provider::PanelAccount;
use crate::store::doubts::{DOUBTS_MAX, RESTORE};
use crate::store::{Store, StoreError, unsigned};

/// Orders accepted last before a doubt, or first after it, among which its neighbours are looked
/// for.
const NEIGHBOURS_MAX: i64 = 50;

/// Everything else that an account of a panel may have and nobody follows, to see that what is
/// found can be one of them only: doubts, those that were given up, and what was sent between two
/// moments and refused, or found not placed: a panel may have kept what it refused, be it placed by
/// a later asking since. `None`: they are too many to be compared.
pub async fn find_rivals(
    store: &Store,
    PanelAccount { provider, account }: PanelAccount<'_>,
    than: &Sought,
    since: Timestamp,
    until: Timestamp,
) -> Result<Option<Vec<Sought>>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select l.id, l.order_id, l.cost, l.fx_rate, o.units, o.package,
            coalesce(l.doubted_at, l.ready_at) as "doubted_at!", coalesce(
                (select e.sent_at from attempt e where e.leg_id = l.id and e.n = l.attempt),
                l.sending_at, l.doubted_at, l.ready_at
            ) as "sent_at!",
            coalesce(greatest(l.sending_at, l.repeated_at), l.doubted_at, l.ready_at)
                as "last_sent_at!"
        from leg l
        join orders o on o.id = l.order_id
        where l.id <> $2
            and l.id in (
                select open.id
                from leg open
                where open.provider = $1 and open.state in ('in_doubt', 'sending')
                union all
                select given_up.id
                from attempt e
                join leg given_up on given_up.id = e.leg_id
                where e.provider = $1 and e.verdict = 'in_doubt' and given_up.state = 'written_off'
                union all
                select over.id
                from attempt e
                join leg over on over.id = e.leg_id
                where (e.provider = $1 or split_part(e.account, '-', 1) = split_part($4, '-', 1))
                    and e.sent_at between $5 and $6
                    and e.verdict in ('refused', 'in_doubt')
                    and (
                        over.state in ('refused', 'canceled', 'parked', 'ready', 'leased')
                        -- Asked for again since, and placed then: its first asking may be there
                        -- too.
                        or (over.state in ('accepted', 'ended') and over.attempt > e.n)
                    )
                union all
                -- The same account through another block, be it by another name of its panel: the
                -- key is one.
                select open.id
                from attempt e
                join leg open on open.id = e.leg_id
                where split_part(e.account, '-', 1) = split_part($4, '-', 1) and e.provider <> $1
                    and open.state in ('in_doubt', 'sending', 'written_off')
            )
        limit $3
        "#,
        provider.0,
        than.leg.0,
        DOUBTS_MAX + 1,
        account,
        since,
        until
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

    let others: Vec<_> = rows.collect();
    Ok(Some(others)
        .filter(|others| i64::try_from(others.len()).is_ok_and(|count| count <= DOUBTS_MAX)))
}

/// The account that was asked for a leg last, as [`crate::store::leases::mark_sending`] kept it.
pub async fn account_asked(store: &Store, leg: LegId) -> Result<Option<String>, StoreError> {
    let account = sqlx::query_scalar!(
        "select e.account from attempt e join leg l on l.id = e.leg_id and l.attempt = e.n \
         where l.id = $1",
        leg.0
    );

    Ok(account.fetch_optional(&store.workers).await?.flatten())
}

/// The ids of orders of ours that a panel's account was the last to accept before a moment, of legs
/// that are older than a doubt's: a clock that is set back dates what came later before it, and the
/// numbers of legs know no clock.
pub async fn ids_before(
    store: &Store,
    PanelAccount { provider, account }: PanelAccount<'_>,
    doubt: LegId,
    at: Timestamp,
) -> Result<Vec<PanelOrder>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"
        select w.panel_order
        from tracked_leg w
        where w.provider = $1 and w.accepted_at <= $2
            and w.leg_id < $5
            and exists (select from attempt e where e.leg_id = w.leg_id and e.provider = $1
                and e.account = $4)
        order by w.accepted_at desc
        limit $3
        "#,
        provider.0,
        at,
        NEIGHBOURS_MAX,
        account,
        doubt.0
    );

    Ok(ids
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(PanelOrder)
        .collect())
}

/// The same of orders that were sent between two moments, of younger legs, those accepted first.
pub async fn ids_after(
    store: &Store,
    PanelAccount { provider, account }: PanelAccount<'_>,
    doubt: LegId,
    at: Timestamp,
    until: Timestamp,
) -> Result<Vec<PanelOrder>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"
        select w.panel_order
        from tracked_leg w
        join leg l on l.id = w.leg_id
        where w.provider = $1 and w.accepted_at > $2 and w.leg_id > $5
            -- By its first asking: what was asked for again may have been placed then already.
            and exists (
                select
                from attempt e
                where e.leg_id = l.id and e.n = l.attempt and e.sent_at > $2
                    and e.sent_at <= $6 and e.provider = $1
                    and e.account = $4
            )
        order by w.accepted_at
        limit $3
        "#,
        provider.0,
        at,
        NEIGHBOURS_MAX,
        account,
        doubt.0,
        until
    );

    Ok(ids
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(PanelOrder)
        .collect())
}

/// Whether orders of ours that nobody here knows may lie among those looked at for a doubt that was
/// sent at a moment: a backup was put in place since the neighbour before it was accepted.
pub async fn history_is_missing(
    store: &Store,
    provider: &ProviderId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let missing = sqlx::query_scalar!(
        r#"
        select exists (
            select
            from audit_log
            where verb = $3 and at >= coalesce(
                (select max(accepted_at) from tracked_leg where provider = $1
                    and accepted_at <= $2),
                '-infinity'
            )
        ) as "missing!"
        "#,
        provider.0,
        at,
        RESTORE
    );

    Ok(missing.fetch_one(&store.workers).await?)
}

/// Where a panel is asked, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct PanelPlace<'a> {
    /// The block.
    pub provider: &'a ProviderId,
    /// Its address.
    pub address: &'a str,
    /// Its account.
    pub account: &'a str,
}

/// A panel's id that a leg of ours has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownId {
    /// The id.
    pub id: PanelOrder,
    /// Whether the leg got it at the address that is meant; else at another one, or nobody kept at
    /// which.
    pub here: bool,
}

/// Those of a panel's ids that legs of ours have, at an address or at others that went by the same
/// name.
pub async fn find_known(
    store: &Store,
    PanelPlace {
        provider,
        address,
        account,
    }: PanelPlace<'_>,
    ids: &[String],
) -> Result<Vec<KnownId>, StoreError> {
    let known = sqlx::query!(
        r#"
        with ours as (
            select id, address = $2 and address <> '' as here from panel_order where provider = $1
                and id = any($3)
            union all
            -- What came late, of a leg that was found not placed, is that leg's all the same.
            select l.late_order, e.address = $2 and e.address <> ''
            from leg l
            join attempt e on e.leg_id = l.id and e.n = l.attempt
            where l.provider = $1 and l.late_order = any($3)
            union all
            -- In one account an id is one order's, whatever block it was bought through. By another
            -- name of the panel it
            -- may be another panel with the same key: then nobody can tell.
            select p.id, e.account = $4
            from panel_order p
            join attempt e on e.leg_id = p.leg_id
            where p.id = any($3) and p.provider <> $1
                and split_part(e.account, '-', 1) = split_part($4, '-', 1)
        )
        select id as "id!", bool_or(here) as "here!"
        from ours
        group by id
        "#,
        provider.0,
        address,
        ids,
        account
    );
    let known = known.fetch_all(&store.workers).await?.into_iter();
    Ok(known
        .map(|row| KnownId {
            id: PanelOrder(row.id),
            here: row.here,
        })
        .collect())
}
