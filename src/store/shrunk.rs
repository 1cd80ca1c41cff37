//! Catalogs that list far less than before: what is missing is sold on for a day, or until a
//! person says otherwise.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::store::{StoreError, Tx};

/// Where one part in so many of what was listed is missing, or more, the disappearances wait.
const MISSING_PART: usize = 3;
/// A reading so much later that says the same is believed.
const BELIEVED_AFTER: TimeDelta = TimeDelta::hours(24);

/// What a reading is without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Absent {
    /// What is gone from now on.
    pub(super) gone: Vec<String>,
    /// What waits.
    pub(super) missing: Vec<String>,
}

/// Judges what a reading is without. What another account does not list is gone at once: it is
/// another catalog.
pub(super) async fn judge_absent(
    tx: &mut Tx,
    provider: &ProviderId,
    account: &str,
    listed: &[String],
    now: Timestamp,
) -> Result<Absent, StoreError> {
    let rows = sqlx::query!(
        r#"
        select s.service, s.missing_at,
            (select count(*) from panel_service b where b.provider = $1 and b.gone_at is null)
                as "before!",
            coalesce(p.catalog_account <> $2, false) as "is_anothers!"
        from panel_service s
        join provider p on p.id = s.provider
        where s.provider = $1
            -- As a difference of sets: until the table was analysed, a join would compare every row
            -- with every other.
            and s.service in (
                select service from panel_service where provider = $1 and gone_at is null
                except select unnest($3::text[])
            )
        order by s.service
        "#,
        provider.0,
        account,
        listed
    );

    let rows = rows.fetch_all(&mut **tx).await?;
    let before = rows
        .first()
        .and_then(|row| usize::try_from(row.before).ok())
        .unwrap_or(0);

    let far_less = rows.len() * MISSING_PART >= before && !rows.iter().any(|row| row.is_anothers);
    let mut absent = Absent::default();

    for row in rows {
        let is_believed = !far_less
            || row
                .missing_at
                .is_some_and(|since| now - since >= BELIEVED_AFTER);

        if is_believed {
            &mut absent.gone
        } else {
            &mut absent.missing
        }
        .push(row.service);
    }

    Ok(absent)
}

/// Writes down what is gone, and since when the rest is missing. How many are gone.
pub(super) async fn mark_absent(
    tx: &mut Tx,
    provider: &ProviderId,
    absent: &Absent,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let gone = sqlx::query!(
        r#"
        update panel_service
        set gone_at = $2, missing_at = null
        where provider = $1 and gone_at is null and service = any($3)
        "#,
        provider.0,
        now,
        &absent.gone
    );

    let gone = gone.execute(&mut **tx).await?.rows_affected();
    let missing = sqlx::query!(
        r#"
        update panel_service
        set missing_at = $2
        where provider = $1 and gone_at is null and missing_at is null and service = any($3)
        "#,
        provider.0,
        now,
        &absent.missing
    );

    missing.execute(&mut **tx).await?;
    if gone == absent.gone.len() as u64 {
        Ok(gone)
    } else {
        Err(StoreError::Unexpected("a catalog moved under its lock"))
    }
}

/// A person takes a panel at its word: what is missing is gone, and written down as what its last
/// reading found. What it was.
pub async fn accept_gone(
    tx: &mut Tx,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let gone = sqlx::query_scalar!(
        r#"
        with gone as (
            update panel_service
            set gone_at = $2, missing_at = null
            where provider = $1 and missing_at is not null and gone_at is null
            returning service, name, coalesce(trim_scale(own_rate)::text, rate_text) as rate
        ),
        noted as (
            insert into catalog_change (provider, service, reading, at, what, name, was)
            select $1, g.service, p.catalog_readings, $2, 'gone', g.name, g.rate
            from gone g
            join provider p on p.id = $1
            order by g.service
        )
        select service from gone order by length(service), service
        "#,
        provider.0,
        now
    );

    Ok(gone.fetch_all(&mut **tx).await?)
}

/// A panel of which services wait: how many, and of how many that were listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The panel.
    pub provider: String,
    /// How many services are missing.
    pub missing: i64,
    /// How many are sold as listed, those included.
    pub listed: i64,
}

/// Panels that list far less than before.
pub async fn list_shrunk(tx: &mut Tx, providers: &[String]) -> Result<Vec<Shrunk>, StoreError> {
    let rows = sqlx::query_as!(
        Shrunk,
        r#"
        select m.provider, m.missing as "missing!",
            (select count(*) from panel_service s where s.provider = m.provider
                and s.gone_at is null) as "listed!"
        from (
            select provider, count(*) as missing
            from panel_service
            where missing_at is not null and provider = any($1)
            group by provider
        ) m
        order by m.provider
        "#,
        providers
    );

    Ok(rows.fetch_all(&mut **tx).await?)
}
