//! Our ids of imported services: given once, kept for ever, the same on every node.

use crate::domain::clock::Instant;
use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::service::Route;
use crate::store::{StoreError, Tx};

/// The most services of one panel's present catalogue that imports sell; twice the largest catalogue seen in the wild.
pub const IMPORTED_MAX: i64 = 20_000;

/// What came of giving ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Services that had none.
    pub missing: u64,
    /// Those that have one now; fewer where [`IMPORTED_MAX`] is reached.
    pub given: u64,
}

/// Makes this transaction the only one that gives ids: two nodes give one service one id, and no id twice.
pub async fn only_one(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query!("lock table imported in share row exclusive mode").execute(&mut **tx).await?;
    Ok(())
}

/// Gives each of a panel's services that has no id the next free one, in the order given: `(service, first id)`. Not free
/// is what was ever given, and what the file's blocks have.
pub async fn give(
    tx: &mut Tx,
    provider: &ProviderId,
    wanted: &[(&str, i32)],
    blocks: &[i32],
    now: Instant,
) -> Result<Given, StoreError> {
    let services: Vec<String> = wanted.iter().map(|(service, _)| (*service).to_owned()).collect();
    if missing(tx, provider, &services).await? == 0 {
        return Ok(Given { missing: 0, given: 0 });
    }
    only_one(tx).await?;
    // Asked again behind the lock: another node may have given them meanwhile.
    let missing = missing(tx, provider, &services).await?;
    let mut given = 0;
    let mut firsts: Vec<i32> = wanted.iter().map(|(_, from)| *from).collect();
    firsts.sort_unstable();
    firsts.dedup();
    for first in firsts {
        let of_first = wanted.iter().filter(|(_, from)| *from == first);
        let of_first: Vec<String> = of_first.map(|(service, _)| (*service).to_owned()).collect();
        given += give_from(tx, provider, (&of_first, &services), (first, blocks), now).await?;
    }
    Ok(Given { missing, given })
}

async fn missing(tx: &mut Tx, provider: &ProviderId, services: &[String]) -> Result<u64, StoreError> {
    let missing = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from unnest($2::text[]) as w (service)
        where not exists (select from imported i where i.provider = $1 and i.service = w.service)
        "#,
        provider.0,
        services
    );
    Ok(missing.fetch_one(&mut **tx).await?.unsigned_abs())
}

async fn give_from(
    tx: &mut Tx,
    provider: &ProviderId,
    (services, of_panel): (&[String], &[String]),
    (first, blocks): (i32, &[i32]),
    now: Instant,
) -> Result<u64, StoreError> {
    let given = sqlx::query!(
        r#"
        with wanted as (
            select w.service, row_number() over (order by w.n) as n
            from unnest($2::text[]) with ordinality as w (service, n)
            where not exists (select from imported i where i.provider = $1 and i.service = w.service)
        ),
        -- enough that as many as are wanted are free among them
        free as (
            select f.id, row_number() over (order by f.id) as n
            from generate_series(
                $4::integer,
                $4 + (select count(*) from wanted)::integer + (select count(*) from imported where id >= $4)::integer
                    + cardinality($5::integer[])
            ) as f (id)
            where not exists (select from imported i where i.id = f.id)
                and not exists (select from unnest($5) as b (id) where b.id = f.id)
        )
        insert into imported (id, provider, service, given_at)
        select f.id, $1, w.service, $6
        from wanted w
        join free f on f.n = w.n
        where w.n <= $7 - (
            select count(*)
            from unnest($3::text[]) as l (service)
            join imported i on i.provider = $1 and i.service = l.service
        )
        "#,
        provider.0,
        services,
        of_panel,
        first,
        blocks,
        now,
        IMPORTED_MAX
    );
    Ok(given.execute(&mut **tx).await?.rows_affected())
}

/// What these ids of ours were given to, those that were.
pub async fn given(tx: &mut Tx, ids: &[i32]) -> Result<Vec<(ServiceId, Route)>, StoreError> {
    let rows = sqlx::query!("select id, provider, service from imported where id = any($1) order by id", ids);
    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let route = |provider, service| Route { provider: ProviderId(provider), service };
    Ok(rows.map(|row| (ServiceId(row.id), route(row.provider, row.service))).collect())
}
