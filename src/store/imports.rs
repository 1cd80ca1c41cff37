//! Our ids of imported services: given once, kept for ever, the same on every node.

use crate::domain::clock::Timestamp;
use crate::domain::id::{ConfigHash, ProviderId, ServiceId};
use crate::domain::service::Route;
use crate::store::{Store, StoreError, Tx};

/// The most services of one panel's present catalog that imports sell; twice the largest
/// catalog seen in the wild.
pub const IMPORTED_MAX: i64 = 20_000;

/// What came of giving ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Services that had none.
    pub missing: u64,
    /// Those that have one now; fewer where [`IMPORTED_MAX`] is reached.
    pub given: u64,
}

/// Makes this transaction the only one that gives ids: two nodes give one service one id, and no id
/// twice.
pub async fn only_one(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query!("lock table imported in share row exclusive mode")
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes down that blocks have these ids: no import gives one of them from now on, whatever
/// becomes of the blocks.
pub async fn keep_blocks(tx: &mut Tx, ids: &[i32]) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        r#"
        insert into block_id (id)
        select distinct n.id
        from unnest($1::integer[]) as n (id)
        where not exists (select from block_id b where b.id = n.id)
        "#,
        ids
    );

    kept.execute(&mut **tx).await?;
    Ok(())
}

/// Every id that a block ever had.
pub async fn list_blocks(store: &Store) -> Result<Vec<i32>, StoreError> {
    Ok(sqlx::query_scalar!("select id from block_id order by id")
        .fetch_all(&store.workers)
        .await?)
}

/// Gives each of a panel's services that has no id the next free one, in the order given:
/// `(service, first id)`. Not free is what was ever given, and what a block ever had. Where they
/// are wanted `by` a configuration that is not in force any more, nothing is given: what the
/// present one wants is another node's to say.
pub async fn give_ids(
    tx: &mut Tx,
    provider: &ProviderId,
    wanted: &[(&str, i32)],
    by: Option<&ConfigHash>,
    now: Timestamp,
) -> Result<Given, StoreError> {
    let services: Vec<String> = wanted
        .iter()
        .map(|(service, _)| (*service).to_owned())
        .collect();

    if find_missing(tx, provider, &services).await? == 0 {
        return Ok(Given {
            missing: 0,
            given: 0,
        });
    }

    only_one(tx).await?;
    if let Some(hash) = by
        && !is_in_force(tx, hash).await?
    {
        return Ok(Given {
            missing: 0,
            given: 0,
        });
    }

    // Asked again behind the lock: another node may have given them meanwhile.
    let missing = find_missing(tx, provider, &services).await?;
    let mut given = 0;
    let mut firsts: Vec<i32> = wanted.iter().map(|(_, from)| *from).collect();
    firsts.sort_unstable();
    firsts.dedup();

    for first in firsts {
        let of_first = wanted.iter().filter(|(_, from)| *from == first);
        let of_first: Vec<String> = of_first.map(|(service, _)| (*service).to_owned()).collect();
        given += give_from(tx, provider, &of_first, &services, first, now).await?;
    }

    Ok(Given { missing, given })
}

/// Whether no other version was published since; asked behind the lock that whoever publishes holds
/// until the end.
async fn is_in_force(tx: &mut Tx, hash: &ConfigHash) -> Result<bool, StoreError> {
    let newest = sqlx::query_scalar!("select hash from config_version order by id desc limit 1");
    Ok(newest
        .fetch_optional(&mut **tx)
        .await?
        .is_some_and(|newest| newest == hash.0))
}

async fn find_missing(
    tx: &mut Tx,
    provider: &ProviderId,
    services: &[String],
) -> Result<u64, StoreError> {
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
    services: &[String],
    of_panel: &[String],
    first: i32,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let given = sqlx::query!(
        r#"
        with wanted as (
            select w.service, row_number() over (order by w.n) as n
            from unnest($2::text[]) with ordinality as w (service, n)
            where not exists (select from imported i where i.provider = $1
                and i.service = w.service)
        ),
        -- enough that as many as are wanted are free among them
        free as (
            select f.id, row_number() over (order by f.id) as n
            from generate_series(
                $4::integer,
                $4 + (select count(*) from wanted)::integer + (select count(*) from imported
                    where id >= $4)::integer
                    + (select count(*) from block_id where id >= $4)::integer
            ) as f (id)
            where not exists (select from imported i where i.id = f.id)
                and not exists (select from block_id b where b.id = f.id)
        )
        insert into imported (id, provider, service, given_at)
        select f.id, $1, w.service, $5
        from wanted w
        join free f on f.n = w.n
        where w.n <= $6 - (
            select count(*)
            from unnest($3::text[]) as l (service)
            join imported i on i.provider = $1 and i.service = l.service
        )
        "#,
        provider.0,
        services,
        of_panel,
        first,
        now,
        IMPORTED_MAX
    );

    Ok(given.execute(&mut **tx).await?.rows_affected())
}

/// What these ids of ours were given to, those that were.
pub async fn list_given(tx: &mut Tx, ids: &[i32]) -> Result<Vec<(ServiceId, Route)>, StoreError> {
    let rows = sqlx::query!(
        "select id, provider, service from imported where id = any($1) order by id",
        ids
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let route = |provider, service| Route {
        provider: ProviderId(provider),
        service,
    };

    Ok(rows
        .map(|row| (ServiceId(row.id), route(row.provider, row.service)))
        .collect())
}
