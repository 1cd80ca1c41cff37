//! What moves in panels' catalogs: written down by each reading, kept for a while; and rates that
//! a person accepts.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::domain::money::{Percent, Rate};
use crate::domain::service::Route;
use crate::store::catalog::CatalogColumns;
use crate::store::{Store, StoreError, Tx};

/// How long what moved is remembered.
const KEPT_FOR: TimeDelta = TimeDelta::days(90);
/// How many moves of one panel are remembered, the latest.
const MOVES_MAX: i64 = 100_000;

/// What can move, in the word of the database, in the order in which it is told.
pub const KINDS: [&str; 9] = [
    "rate", "gone", "back", "added", "type", "bounds", "flags", "name", "category",
];

/// Something that moved.
#[derive(Clone, Debug)]
pub struct CatalogChange {
    /// Which panel's service.
    pub route: Route,
    /// The service's name there since.
    pub name: String,
    /// When it was seen.
    pub at: Timestamp,
    /// One of [`KINDS`].
    pub what: String,
    /// What it was; a rate is in the panel's own currency.
    pub was: Option<String>,
    /// What it became.
    pub became: Option<String>,
    /// How far a rate moved, of what it was.
    pub percent: Option<Percent>,
    /// What a person would accept, where the service's rate is held at present.
    pub held: bool,
    /// How many moves there are of this kind, those that are left out included.
    pub total: i64,
}

/// Compares what a panel lists with what is stored, before it is; one row for each thing that
/// moved. The first reading is compared with nothing; of what is missing only `gone` moved. How
/// many.
pub(super) async fn note_changes(
    tx: &mut Tx,
    provider: &ProviderId,
    listed: &CatalogColumns,
    gone: &[String],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let noted = sqlx::query_file!(
        "src/store/moves/note_changes.sql",
        provider.0,
        &listed.services,
        &listed.names,
        &listed.kinds,
        &listed.categories,
        &listed.rate_texts,
        &listed.own_rates as _,
        &listed.mins,
        &listed.maxes,
        &listed.refills,
        &listed.cancels,
        &listed.dripfeeds,
        now,
        gone
    );

    let noted = noted.execute(&mut **tx).await?.rows_affected();
    forget_changes(tx, provider, now).await?;
    Ok(noted)
}

async fn forget_changes(
    tx: &mut Tx,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        r#"
        delete from catalog_change
        where provider = $1
            and (
                at < $2
                or id <= (select id from catalog_change where provider = $1
                    order by id desc offset $3 limit 1)
            )
        "#,
        provider.0,
        now - KEPT_FOR,
        MOVES_MAX
    );

    forgotten.execute(&mut **tx).await?;
    Ok(())
}

/// What moved since a moment, or, without one, what each panel's last reading found: at most so
/// many of each kind, the biggest moves of rates first, else the latest.
pub async fn list_changes(
    store: &Store,
    provider: Option<&str>,
    since: Option<Timestamp>,
    each_max: i64,
) -> Result<Vec<CatalogChange>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with found as (
            select m.*, count(*) over (partition by m.what) as total,
                row_number() over (partition by m.what order by abs(m.percent) desc nulls first,
                    m.id desc) as place
            from catalog_change m
            join provider p on p.id = m.provider
            where ($1::text is null or m.provider = $1)
                and case when $2::timestamptz is null then m.reading = p.catalog_readings
                    else m.at >= $2 end
        )
        select f.provider, f.service, f.name, f.at, f.what, f.was, f.became, f.percent,
            f.total as "total!", s.held_at is not null as "held!"
        from found f
        join panel_service s on s.provider = f.provider and s.service = f.service
        where f.place <= $3
        order by f.what, f.place
        "#,
        provider,
        since,
        each_max
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| CatalogChange {
            route: Route {
                provider: ProviderId(row.provider),
                service: row.service,
            },
            name: row.name,
            at: row.at,
            what: row.what,
            was: row.was,
            became: row.became,
            percent: row.percent.map(Percent::from_decimal),
            held: row.held,
            total: row.total,
        });

    Ok(rows.collect())
}

/// A held rate that a person accepted, in the panel's own currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The panel's id of the service.
    pub service: String,
    /// What was accepted before.
    pub was: Rate,
    /// What is accepted from now on.
    pub became: Rate,
}

/// Accepts the present rates of a panel's services, or of one, where they are held. What was held.
pub async fn accept_rates(
    tx: &mut Tx,
    provider: &ProviderId,
    service: Option<&str>,
) -> Result<Vec<Accepted>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with held as materialized (
            select service, accepted_rate as was
            from panel_service
            where provider = $1 and held_at is not null and own_rate is not null
                and ($2::text is null or service = $2)
            order by service
            for update
        )
        update panel_service p
        set accepted_rate = p.own_rate, held_at = null
        from held h
        where p.provider = $1 and p.service = h.service
        returning p.service, h.was as "was!", p.own_rate as "became!"
        "#,
        provider.0,
        service
    );

    let rows = rows
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| Accepted {
            service: row.service,
            was: Rate::from_decimal(row.was),
            became: Rate::from_decimal(row.became),
        });

    let mut accepted: Vec<_> = rows.collect();
    accepted.sort_by(|one, other| {
        (one.service.len(), &one.service).cmp(&(other.service.len(), &other.service))
    });

    Ok(accepted)
}

/// Whether a panel ever listed the service; whether the panel is known where none is named.
pub async fn is_known(
    tx: &mut Tx,
    provider: &ProviderId,
    service: Option<&str>,
) -> Result<bool, StoreError> {
    let known = sqlx::query_scalar!(
        r#"
        select case
                when $2::text is null then exists (select from provider where id = $1)
                else exists (select from panel_service where provider = $1 and service = $2)
            end as "known!"
        "#,
        provider.0,
        service
    );

    Ok(known.fetch_one(&mut **tx).await?)
}

/// A panel whose rates are held: its name, how many services, and their ids there, the first few.
///
/// Only ids that are plain numbers are told: any other text of a panel's could say anything.
pub async fn list_held(
    tx: &mut Tx,
    providers: &[String],
) -> Result<Vec<(String, i64, Vec<String>)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select provider, count(*) as "count!",
            coalesce((
                array_agg(service order by length(service), service)
                    filter (where service ~ '^[0-9]{1,12}$')
            )[1:10], '{}') as "named!"
        from panel_service
        where held_at is not null and gone_at is null and provider = any($1)
        group by provider
        order by provider
        "#,
        providers
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    Ok(rows
        .map(|row| (row.provider, row.count, row.named))
        .collect())
}
