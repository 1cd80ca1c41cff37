//! The panels' catalogues as they were last read, and requests to read again.

use sqlx::types::Json;

use crate::domain::clock::Instant;
use crate::domain::id::ProviderId;
use crate::domain::money::Rate;
use crate::domain::service::PanelService;
use crate::store::{Store, StoreError, Tx, signed, unsigned};

/// Replaces a panel's catalogue: what it lists now is there, what it lists no more is marked gone.
pub async fn import(
    tx: &mut Tx,
    provider: &ProviderId,
    services: &[PanelService],
    now: Instant,
) -> Result<(), StoreError> {
    let column = |text: fn(&PanelService) -> &String| -> Vec<String> { services.iter().map(text).cloned().collect() };
    let number = |value: fn(&PanelService) -> u64| -> Vec<i64> { services.iter().map(value).map(signed).collect() };
    let flag = |value: fn(&PanelService) -> bool| -> Vec<bool> { services.iter().map(value).collect() };
    let rates: Vec<Option<rust_decimal::Decimal>> =
        services.iter().map(|service| service.rate.map(Rate::decimal)).collect();
    sqlx::query!("update panel_service set gone_at = $2 where provider = $1 and gone_at is null", provider.0, now)
        .execute(&mut **tx)
        .await?;
    let imported = sqlx::query!(
        r#"
        insert into panel_service as old (
            provider, service, name, kind, category, rate_text, rate, min, max, refill, cancel, dripfeed, seen_at
        )
        select distinct on (n.service)
            $1, n.service, n.name, n.kind, n.category, n.rate_text, n.rate, n.min, n.max, n.refill, n.cancel,
            n.dripfeed, $13
        from unnest(
            $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[], $8::bigint[], $9::bigint[],
            $10::boolean[], $11::boolean[], $12::boolean[]
        ) as n (service, name, kind, category, rate_text, rate, min, max, refill, cancel, dripfeed)
        on conflict (provider, service) do update
        set name = excluded.name, kind = excluded.kind, category = excluded.category,
            rate_text = excluded.rate_text, rate = excluded.rate, min = excluded.min, max = excluded.max,
            refill = excluded.refill, cancel = excluded.cancel, dripfeed = excluded.dripfeed,
            seen_at = excluded.seen_at, gone_at = null
        "#,
        provider.0,
        &column(|service| &service.service),
        &column(|service| &service.name),
        &column(|service| &service.kind),
        &column(|service| &service.category),
        &column(|service| &service.rate_text),
        &rates as _,
        &number(|service| service.min),
        &number(|service| service.max),
        &flag(|service| service.refill),
        &flag(|service| service.cancel),
        &flag(|service| service.dripfeed),
        now
    );
    imported.execute(&mut **tx).await?;
    let known = sqlx::query!(
        r#"
        update provider
        set catalogue_at = $2, catalogue_version = catalogue_version + 1, catalogue_error = null
        where id = $1
        "#,
        provider.0,
        now
    );
    match known.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a catalogue of a panel that nobody knows")),
    }
}

/// Remembers that a panel's catalogue could not be read; the one that was read before stays.
pub async fn failed(store: &Store, provider: &ProviderId, why: &str) -> Result<(), StoreError> {
    sqlx::query!("update provider set catalogue_error = $2 where id = $1", provider.0, why)
        .execute(&store.workers)
        .await?;
    Ok(())
}

/// All catalogues as they were last read, without what is gone.
pub async fn load(store: &Store) -> Result<Vec<(ProviderId, PanelService)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select provider, service, name, kind, category, rate_text, rate, min, max, refill, cancel, dripfeed
        from panel_service
        where gone_at is null
        order by provider, service
        "#
    );
    let rows = rows.fetch_all(&store.workers).await?.into_iter().map(|row| {
        let service = PanelService {
            service: row.service,
            name: row.name,
            kind: row.kind,
            category: row.category,
            rate_text: row.rate_text,
            rate: row.rate.map(Rate::from_decimal),
            min: unsigned(row.min),
            max: unsigned(row.max),
            refill: row.refill,
            cancel: row.cancel,
            dripfeed: row.dripfeed,
        };
        (ProviderId(row.provider), service)
    });
    Ok(rows.collect())
}

/// A number that grows whenever any catalogue was read anew.
pub async fn version(store: &Store) -> Result<i64, StoreError> {
    let version =
        sqlx::query_scalar!(r#"select coalesce(sum(catalogue_version), 0)::bigint as "version!" from provider"#);
    Ok(version.fetch_one(&store.workers).await?)
}

/// Asks the running gateway to read all catalogues now.
pub async fn ask_refresh(tx: &mut Tx, now: Instant) -> Result<i64, StoreError> {
    let id = sqlx::query_scalar!("insert into refresh (asked_at) values ($1) returning id", now);
    Ok(id.fetch_one(&mut **tx).await?)
}

/// The newest request that nobody answered yet; it stands for all older ones.
pub async fn asked_refresh(store: &Store) -> Result<Option<i64>, StoreError> {
    let id = sqlx::query_scalar!("select id from refresh where done_at is null order by id desc limit 1");
    Ok(id.fetch_optional(&store.workers).await?)
}

/// What one panel's reading came to: its name, how many services, or why not.
pub type Reading = (String, Result<usize, String>);

/// Answers a request and all older ones.
pub async fn answer_refresh(store: &Store, id: i64, outcome: &[Reading], now: Instant) -> Result<(), StoreError> {
    let answered = sqlx::query!(
        "update refresh set done_at = $2, outcome = $3 where id <= $1 and done_at is null",
        id,
        now,
        Json(outcome) as _
    );
    answered.execute(&store.workers).await?;
    Ok(())
}

/// The answer to a request, once it was given.
pub async fn refreshed(store: &Store, id: i64) -> Result<Option<Vec<Reading>>, StoreError> {
    let outcome = sqlx::query_scalar!(
        r#"select outcome as "outcome!: Json<Vec<Reading>>" from refresh where id = $1 and done_at is not null"#,
        id
    );
    Ok(outcome.fetch_optional(&store.workers).await?.map(|outcome| outcome.0))
}

/// Whether any process deals with panels at this moment.
pub async fn is_served(store: &Store, now: Instant) -> Result<bool, StoreError> {
    let held = sqlx::query_scalar!(r#"select exists (select from provider where held_until > $1) as "held!""#, now);
    Ok(held.fetch_one(&store.workers).await?)
}
