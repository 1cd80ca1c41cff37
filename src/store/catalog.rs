//! The panels' catalogs as they were last read, and requests to read again.

use std::collections::HashSet;

use chrono::TimeDelta;
use sqlx::types::Json;

use crate::domain::clock::Timestamp;
use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::money::{Percent, Rate};
use crate::domain::provider::PanelAccount;
use crate::domain::service::PanelService;
use crate::store::{Store, StoreError, Tx, moves, shrunk, signed, unsigned};

/// A row of a stored catalog, and what became of it with us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// What the panel said last.
    pub row: PanelService,
    /// Whether the panel lists it no more; such rows are there for the ids that they have.
    pub gone: bool,
    /// Our id of it, where an import sells it or ever sold it.
    pub imported: Option<ServiceId>,
    /// Whether its rate moved too far to be believed before a person accepted it.
    pub held: bool,
}

impl From<PanelService> for CatalogEntry {
    /// A row that is listed now, and of which nothing came yet.
    fn from(row: PanelService) -> Self {
        Self {
            row,
            gone: false,
            imported: None,
            held: false,
        }
    }
}

/// A service as a panel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The panel's id.
    pub service: String,
    /// Its name there.
    pub name: String,
    /// Its category there.
    pub category: String,
}

/// Makes this transaction the only one that changes a panel's catalog: it is compared with what
/// was stored before.
pub async fn only_one(tx: &mut Tx, provider: &ProviderId) -> Result<(), StoreError> {
    // A lock of its own space: the panel's row is wanted by dispatchers, who do not wait for a
    // catalog.
    let locked = sqlx::query!(
        "select pg_advisory_xact_lock('panel_service'::regclass::oid::integer, hashtext($1))",
        provider.0
    );

    locked.execute(&mut **tx).await?;
    Ok(())
}

/// A catalog's rows as the database takes them: column by column.
pub(super) struct CatalogColumns {
    pub services: Vec<String>,
    pub names: Vec<String>,
    pub kinds: Vec<String>,
    pub categories: Vec<String>,
    pub rate_texts: Vec<String>,
    pub rates: Vec<Option<rust_decimal::Decimal>>,
    pub own_rates: Vec<Option<rust_decimal::Decimal>>,
    pub mins: Vec<i64>,
    pub maxes: Vec<i64>,
    pub refills: Vec<bool>,
    pub cancels: Vec<bool>,
    pub dripfeeds: Vec<bool>,
}

impl CatalogColumns {
    fn of(services: &[PanelService]) -> Self {
        fn column<T>(services: &[PanelService], of: impl Fn(&PanelService) -> T) -> Vec<T> {
            services.iter().map(of).collect()
        }

        Self {
            services: column(services, |row| row.service.clone()),
            names: column(services, |row| row.name.clone()),
            kinds: column(services, |row| row.kind.clone()),
            categories: column(services, |row| row.category.clone()),
            rate_texts: column(services, |row| row.rate_text.clone()),
            rates: column(services, |row| row.rate.map(Rate::decimal)),
            own_rates: column(services, |row| row.own_rate.map(Rate::decimal)),
            mins: column(services, |row| signed(row.min)),
            maxes: column(services, |row| signed(row.max)),
            refills: column(services, |row| row.refill),
            cancels: column(services, |row| row.cancel),
            dripfeeds: column(services, |row| row.dripfeed),
        }
    }
}

/// What a reading of a panel's catalog came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// How many things moved.
    pub moved: u64,
    /// How many services it lists no more that are sold all the same for now.
    pub missing: u64,
}

/// Replaces a panel's catalog: what moved is written down, what it lists no more is marked gone,
/// what it lists is there, and a rate that moved by more than `jump` percent of the accepted one is
/// held. What is missing where far less is listed than before waits, unless another account lists
/// it.
pub async fn replace_catalog(
    tx: &mut Tx,
    PanelAccount { provider, account }: PanelAccount<'_>,
    services: &[PanelService],
    jump: Percent,
    now: Timestamp,
) -> Result<Imported, StoreError> {
    only_one(tx, provider).await?;

    // A panel that tells a service twice is believed the first time.
    let mut seen = HashSet::new();

    let services: Vec<_> = services
        .iter()
        .filter(|row| seen.insert(&row.service))
        .cloned()
        .collect();

    let listed = CatalogColumns::of(&services);
    let absent = shrunk::judge_absent(tx, provider, account, &listed.services, now).await?;
    let moved = moves::note_changes(tx, provider, &listed, &absent.gone, now).await?;
    let gone = shrunk::mark_absent(tx, provider, &absent, now).await?;
    let kept = keep(tx, provider, &listed, jump, now).await?;
    drop_long_gone(tx, provider, now).await?;

    let known = sqlx::query!(
        r#"
        update provider
        set catalog_at = $2, catalog_version = catalog_version + $3, catalog_error = null,
            unread_since = null, catalog_readings = catalog_readings + 1, catalog_account = $4
        where id = $1
        "#,
        provider.0,
        now,
        i64::from(gone + kept > 0),
        account
    );

    match known.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(Imported {
            moved,
            missing: absent.missing.len() as u64,
        }),
        _ => Err(StoreError::Unexpected(
            "a catalog of a panel that nobody knows",
        )),
    }
}

/// Services that a panel lists no more, and that have no id of ours, are forgotten in time: panels
/// renumber.
async fn drop_long_gone(
    tx: &mut Tx,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let dropped = sqlx::query!(
        r#"
        delete from panel_service p
        where p.provider = $1 and p.gone_at < $2
            and not exists (select from imported i where i.provider = p.provider
                and i.service = p.service)
        "#,
        provider.0,
        now - GONE_KEPT
    );

    let dropped = dropped.execute(&mut **tx).await?.rows_affected();
    if dropped > 0 {
        tracing::info!(
            %provider, dropped, "services that the panel lists no more for long are forgotten"
        );
    }

    Ok(())
}

/// Within the bound the accepted rate moves along; a rate that cannot be read is compared when it
/// can be again. A row that says the same again is not written. How many were.
async fn keep(
    tx: &mut Tx,
    provider: &ProviderId,
    listed: &CatalogColumns,
    jump: Percent,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let kept = sqlx::query_file!(
        "src/store/catalog/keep.sql",
        provider.0,
        &listed.services,
        &listed.names,
        &listed.kinds,
        &listed.categories,
        &listed.rate_texts,
        &listed.rates as _,
        &listed.own_rates as _,
        &listed.mins,
        &listed.maxes,
        &listed.refills,
        &listed.cancels,
        &listed.dripfeeds,
        now,
        jump.decimal()
    );

    let kept = kept.execute(&mut **tx).await?.rows_affected();
    let known = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
        from panel_service
        where provider = $1 and gone_at is null and missing_at is null
        "#,
        provider.0
    );

    match known.fetch_one(&mut **tx).await?.unsigned_abs() {
        known if known == listed.services.len() as u64 => Ok(kept),
        _ => Err(StoreError::Unexpected("a catalog's rows were not all kept")),
    }
}

/// What is stored of a panel's catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCatalog {
    /// When it was read.
    pub at: Option<Timestamp>,
    /// The account that was asked, as [`crate::upstream::Panel::account`] tells it from others;
    /// `None`: nobody kept it.
    pub account: Option<String>,
    /// Whether it could not be read under another account, so that the panel gets no orders.
    pub unread: bool,
}

/// Since when a panel's catalog is stored as it is, and whose it is.
pub async fn stored_catalog(
    store: &Store,
    provider: &ProviderId,
) -> Result<StoredCatalog, StoreError> {
    let row = sqlx::query_as!(
        StoredCatalog,
        r#"
        select catalog_at as at, catalog_account as account,
            unread_since is not null as "unread!"
        from provider
        where id = $1
        "#,
        provider.0
    );

    Ok(row
        .fetch_optional(&store.workers)
        .await?
        .unwrap_or(StoredCatalog {
            at: None,
            account: None,
            unread: false,
        }))
}

/// Has every node read a panel's catalog from the database anew: what is sold of it changed.
pub async fn renew_catalog(tx: &mut Tx, provider: &ProviderId) -> Result<(), StoreError> {
    let renewed = sqlx::query!(
        "update provider set catalog_version = catalog_version + 1 where id = $1",
        provider.0
    );

    match renewed.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "a catalog of a panel that nobody knows",
        )),
    }
}

/// Remembers that a panel's catalog could not be read; the one that was read before stays. Where
/// that is another account's, or there is none, the panel gets no orders until it is read.
pub async fn note_unreadable(
    store: &Store,
    PanelAccount { provider, account }: PanelAccount<'_>,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failed = sqlx::query!(
        r#"
        update provider
        set catalog_error = $3,
            unread_since = case
                when catalog_at is null or catalog_account <> $2 then coalesce(unread_since, $4)
            end
        where id = $1
        "#,
        provider.0,
        account,
        why,
        now
    );

    failed.execute(&store.workers).await?;
    Ok(())
}

/// What is stored of a panel's catalog is its present account's again: it gets orders.
pub async fn is_its_own(store: &Store, provider: &ProviderId) -> Result<(), StoreError> {
    sqlx::query!(
        "update provider set unread_since = null where id = $1 and unread_since is not null",
        provider.0
    )
    .execute(&store.workers)
    .await?;

    Ok(())
}

/// All catalogs as they were last read; of what is gone only what has an id of ours.
pub async fn load_catalogs(store: &Store) -> Result<Vec<(ProviderId, CatalogEntry)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select p.provider, p.service, p.name, p.kind, p.category, p.rate_text, p.rate, p.own_rate,
            p.min, p.max, p.refill, p.cancel, p.dripfeed, p.gone_at is not null as "gone!",
            p.held_at is not null as "held!", i.id as "imported?"
        from panel_service p
        left join imported i on i.provider = p.provider and i.service = p.service
        where p.gone_at is null or i.id is not null
        order by p.provider, p.service
        "#
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| {
            let service = PanelService {
                service: row.service,
                name: row.name,
                kind: row.kind,
                category: row.category,
                rate_text: row.rate_text,
                rate: row.rate.map(Rate::from_decimal),
                own_rate: row.own_rate.map(Rate::from_decimal),
                min: unsigned(row.min),
                max: unsigned(row.max),
                refill: row.refill,
                cancel: row.cancel,
                dripfeed: row.dripfeed,
            };

            let imported = row.imported.map(ServiceId);
            (
                ProviderId(row.provider),
                CatalogEntry {
                    row: service,
                    gone: row.gone,
                    imported,
                    held: row.held,
                },
            )
        });

    Ok(rows.collect())
}

/// How long a service that a panel lists no more is remembered, which has no id of ours.
const GONE_KEPT: TimeDelta = TimeDelta::days(90);
/// What a panel lists, as far as imports look at it: id, name and category.
pub async fn listed_by(tx: &mut Tx, provider: &ProviderId) -> Result<Vec<Shown>, StoreError> {
    let rows = sqlx::query_as!(
        Shown,
        "select service, name, category from panel_service where provider = $1 and gone_at is null",
        provider.0
    );

    Ok(rows.fetch_all(&mut **tx).await?)
}

/// A number that grows whenever any catalog was read anew.
pub async fn catalogs_version(store: &Store) -> Result<i64, StoreError> {
    let version = sqlx::query_scalar!(
        r#"select coalesce(sum(catalog_version), 0)::bigint as "version!" from provider"#
    );
    Ok(version.fetch_one(&store.workers).await?)
}

/// Asks the running gateway to read all catalogs now.
pub async fn ask_refresh(tx: &mut Tx, now: Timestamp) -> Result<i64, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into refresh (asked_at) values ($1) returning id",
        now
    );
    Ok(id.fetch_one(&mut **tx).await?)
}

/// The newest request that nobody answered yet; it stands for all older ones.
pub async fn asked_refresh(store: &Store) -> Result<Option<i64>, StoreError> {
    let id = sqlx::query_scalar!(
        "select id from refresh where done_at is null order by id desc limit 1"
    );
    Ok(id.fetch_optional(&store.workers).await?)
}

/// What one panel's reading came to: its name, how many services, or why not.
pub type CatalogReading = (String, Result<usize, String>);

/// Answers a request and all older ones.
pub async fn answer_refresh(
    store: &Store,
    id: i64,
    outcome: &[CatalogReading],
    now: Timestamp,
) -> Result<(), StoreError> {
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
pub async fn refresh_answer(
    store: &Store,
    id: i64,
) -> Result<Option<Vec<CatalogReading>>, StoreError> {
    let outcome = sqlx::query_scalar!(
        r#"select outcome as "outcome!: Json<Vec<CatalogReading>>" from refresh where id = $1
            and done_at is not null"#,
        id
    );

    Ok(outcome
        .fetch_optional(&store.workers)
        .await?
        .map(|outcome| outcome.0))
}

/// Whether any process deals with panels at this moment.
pub async fn is_served(store: &Store, now: Timestamp) -> Result<bool, StoreError> {
    let held = sqlx::query_scalar!(
        r#"select exists (select from provider where held_until > $1) as "held!""#,
        now
    );
    Ok(held.fetch_one(&store.workers).await?)
}
