//! How panels stand, for choosing routes: which are stopped, and what each delivered lately.

use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::routing::standing::{Share, Stopped};
use crate::store::{Store, StoreError};

/// The most ended legs of a panel that are looked at, newest first, and the most doubts.
const LEGS_MAX: i64 = 1_000;

/// A panel that gets no orders now, or that others are better than.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halted {
    /// Which.
    pub provider: ProviderId,
    /// What keeps orders from it.
    pub stopped: Option<Stopped>,
    /// Whether it wants to be left alone for a while yet.
    pub rests: bool,
}

/// The panels that get no orders now, and those that want to be left alone until `rests_min` at
/// least. A freeze of all sending stops none of them: there is no better panel then.
pub async fn halted_panels(store: &Store, rests_min: Timestamp) -> Result<Vec<Halted>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, paused_at is not null as "paused!", breaker = 'open' as "open!",
            unread_since is not null as "unread!", coalesce(rests_until >= $1, false) as "rests!"
        from provider
        where paused_at is not null or breaker = 'open' or unread_since is not null
            or rests_until >= $1
        "#,
        rests_min
    );

    let rows = rows.fetch_all(&store.workers).await?.into_iter();
    let halted = rows.map(|row| Halted {
        provider: ProviderId(row.id),
        stopped: Stopped::of(row.paused, row.open, row.unread),
        rests: row.rests,
    });

    Ok(halted.collect())
}

/// What panels delivered of the orders that ended there since a moment. Each order counts the same,
/// whatever its size; a doubt counts as nothing delivered; an order that its customer wanted back
/// says nothing of the panel. Panels with fewer than so many are left out.
pub async fn delivered_shares(
    store: &Store,
    since: Timestamp,
    legs_min: i64,
) -> Result<Vec<(ProviderId, Share)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select p.id as "id!", round(avg(lately.share) * 1000000)::integer as "millionths!"
        from provider p
        cross join lateral (
            (
                select case
                        when l.state = 'written_off' then 0
                        when o.state = 'completed' then 1
                        else least(coalesce((
                            select s.delivered from settlement s where s.order_id = o.id
                                order by s.seq desc limit 1
                        ), 0)::numeric / o.units, 1)
                    end as share
                from leg l
                join orders o on o.id = l.order_id
                where l.provider = p.id and l.state in ('ended', 'written_off') and l.ended_at > $1
                    and not exists (select from cancel_request c where c.order_id = o.id)
                order by l.ended_at desc
                limit $2
            )
            union all
            (
                select 0
                from leg l
                where l.provider = p.id and l.state = 'in_doubt' and l.refused_for is null
                    and l.doubted_at > $1
                limit $2
            )
        ) lately
        group by p.id
        having count(*) >= $3
        "#,
        since,
        LEGS_MAX,
        legs_min
    );

    let rows = rows.fetch_all(&store.workers).await?.into_iter();
    let share = |millionths: i32| Share::millionths(u32::try_from(millionths).unwrap_or(0));
    Ok(rows
        .map(|row| (ProviderId(row.id), share(row.millionths)))
        .collect())
}
