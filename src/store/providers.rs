//! Panels as the database knows them: who may send to them, their catalogs, their balances.

use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::domain::money::{ExchangeRate, Money};
use crate::store::{Store, StoreError, Tx};

/// A panel as lists show it.
#[derive(Clone, Debug)]
pub struct ProviderRow {
    /// The operator's name for it.
    pub id: ProviderId,
    /// Until when somebody holds the lease on it.
    pub held_until: Option<Timestamp>,
    /// When its catalog was read.
    pub catalog_at: Option<Timestamp>,
    /// Why the last reading failed, if it did.
    pub catalog_error: Option<String>,
    /// What it said of our balance.
    pub balance: Option<Money>,
    /// When it said so.
    pub balance_at: Option<Timestamp>,
    /// What it says instead of our balance, and since when.
    pub balance_unread: Option<(String, Timestamp)>,
    /// The currency that it names beside our balance, where that is not its block's.
    pub balance_currency: Option<String>,
    /// Services in its catalog.
    pub services: i64,
    /// Those of them that it lists no more, and that are sold as before for now.
    pub services_missing: i64,
    /// Legs by state: `(state, count)`, open ones only.
    pub open_legs: i64,
    /// Legs in doubt.
    pub in_doubt: i64,
    /// Legs parked.
    pub parked: i64,
    /// Whether a person stopped sending to it.
    pub paused: bool,
    /// The breaker, in its word.
    pub breaker: String,
    /// Until when an open breaker is not tried.
    pub breaker_until: Option<Timestamp>,
    /// What opened the breaker last, in its word.
    pub breaker_cause: String,
    /// Until when the panel is left alone, as it wished.
    pub rests_until: Option<Timestamp>,
    /// Rounds of status questions in a row that told of no order.
    pub statuses_failed: i32,
    /// The most orders that it answers in one question, where that was learned, and when.
    pub status_batch_learned: Option<(i32, Timestamp)>,
    /// Whether its catalog cannot be read under its present account, of which nothing is stored.
    pub unread: bool,
    /// Orders of which more was delivered than was ordered.
    pub over_delivered: i64,
    /// Words after an end that gave less back.
    pub reversals: i64,
    /// Times that the margin guard kept a leg from it.
    pub margin_held: i64,
    /// What that would have cost more than was quoted.
    pub margin_saved: Money,
}

/// Makes sure that the panel is known.
pub async fn register_providers(tx: &mut Tx, provider: &ProviderId) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into provider (id) values ($1) on conflict do nothing",
        provider.0
    )
    .execute(&mut **tx)
    .await?;

    Ok(())
}

/// Keeps what one unit of a panel's currency is worth in ours; `None`: it is ours.
pub async fn keep_exchange(
    tx: &mut Tx,
    provider: &ProviderId,
    exchange: Option<ExchangeRate>,
) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        "update provider set fx_rate = $2 where id = $1 and fx_rate <> $2",
        provider.0,
        ExchangeRate::decimal_or_one(exchange)
    );

    kept.execute(&mut **tx).await?;
    Ok(())
}

/// A lease on a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderLease {
    /// Grows with every change of holder.
    pub epoch: i64,
    /// Until when the panel is left alone, as it told whoever asked it last.
    pub rests_until: Option<Timestamp>,
}

/// Takes or renews the lease on a panel, and keeps what it asked of us beside it. `None`: another
/// holds it.
pub async fn acquire_lease(
    store: &Store,
    provider: &ProviderId,
    holder: Uuid,
    until: Timestamp,
    rests_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<ProviderLease>, StoreError> {
    let held = sqlx::query_as!(
        ProviderLease,
        r#"
        update provider
        set holder = $2, held_until = $3, rests_until = greatest(rests_until, $5),
            epoch = epoch + case when holder is not distinct from $2 then 0 else 1 end
        where id = $1
            and (
                holder is not distinct from $2 or held_until is null or held_until <= $4
                -- By whatever clock it was given: no lease lasts so long.
                or held_until > $3::timestamptz + interval '1 minute'
            )
        returning epoch, rests_until
        "#,
        provider.0,
        holder,
        until,
        now,
        rests_until
    );

    Ok(held.fetch_optional(&store.workers).await?)
}

/// Gives the leases up, so that the next holder need not wait for them to run out.
pub async fn let_go(store: &Store, holder: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "update provider set holder = null, held_until = null where holder = $1",
        holder
    )
    .execute(&store.workers)
    .await?;

    Ok(())
}

/// Gives the lease on one panel up.
pub async fn let_one_go(
    store: &Store,
    provider: &ProviderId,
    holder: Uuid,
) -> Result<(), StoreError> {
    let let_go = sqlx::query!(
        "update provider set holder = null, held_until = null where id = $1 and holder = $2",
        provider.0,
        holder
    );

    let_go.execute(&store.workers).await?;
    Ok(())
}

/// Takes every panel from whoever holds it; what they still write is refused. How many panels there
/// are.
pub async fn take_from_all(tx: &mut Tx) -> Result<u64, StoreError> {
    let taken =
        sqlx::query!("update provider set holder = null, held_until = null, epoch = epoch + 1");
    Ok(taken.execute(&mut **tx).await?.rows_affected())
}

/// Keeps that a panel did not tell its balance, in its own words, or that it told it in another
/// currency than its block's.
pub async fn balance_unusable(
    store: &Store,
    provider: &ProviderId,
    why: &BalanceTrouble<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (error, currency) = match why {
        BalanceTrouble::Unread(error) => (Some(*error), None),
        BalanceTrouble::In(currency) => (None, Some(*currency)),
    };

    let kept = sqlx::query!(
        r#"
        update provider
        set balance_error = $2,
            balance_unread_at = case when $2::text is not null
                then coalesce(balance_unread_at, $4) end,
            balance_currency_at = case
                when $3::text is null then balance_currency_at
                when balance_currency = $3 then coalesce(balance_currency_at, $4)
                else $4
            end,
            balance_currency = coalesce($3, balance_currency)
        where id = $1
        "#,
        provider.0,
        error,
        currency,
        now
    );

    kept.execute(&store.workers).await?;
    Ok(())
}

/// Why what a panel said of our balance cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceTrouble<'a> {
    /// It said something else, or nothing.
    Unread(&'a str),
    /// It named another currency than its block does.
    In(&'a str),
}

/// Keeps what a panel said of our balance.
pub async fn keep_balance(
    store: &Store,
    provider: &ProviderId,
    balance: Money,
    text: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        r#"
        update provider
        set balance = $2, balance_text = $3, balance_at = $4, balance_error = null,
            balance_unread_at = null, balance_currency = null, balance_currency_at = null
        where id = $1
        "#,
        provider.0,
        balance.decimal(),
        text,
        now
    );

    kept.execute(&store.workers).await?;
    Ok(())
}

/// Counts what a panel did that a person should know of: more delivered than was ordered, a word
/// taken back.
pub async fn count_misdeeds(
    tx: &mut Tx,
    provider: &ProviderId,
    over_delivered: bool,
    reversed: bool,
) -> Result<(), StoreError> {
    let counted = sqlx::query!(
        r#"
        update provider
        set over_delivered = over_delivered + $2::boolean::integer,
            reversals = reversals + $3::boolean::integer
        where id = $1
        "#,
        provider.0,
        over_delivered,
        reversed
    );

    counted.execute(&mut **tx).await?;
    Ok(())
}

/// Counts a leg that the margin guard kept from a panel, and what sending it would have cost more
/// than was quoted.
pub async fn count_held(
    store: &Store,
    provider: &ProviderId,
    saved: Money,
) -> Result<(), StoreError> {
    let counted = sqlx::query!(
        "update provider set margin_held = margin_held + 1, margin_saved = margin_saved + $2 \
         where id = $1",
        provider.0,
        saved.decimal()
    );

    counted.execute(&store.workers).await?;
    Ok(())
}

/// The ids of all panels that were ever configured.
pub async fn list_ids(store: &Store) -> Result<Vec<ProviderId>, StoreError> {
    let ids = sqlx::query_scalar!("select id from provider order by id");
    Ok(ids
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(ProviderId)
        .collect())
}

/// All panels that were ever configured, by name.
pub async fn list_providers(store: &Store) -> Result<Vec<ProviderRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select p.id, p.held_until, p.catalog_at, p.catalog_error, p.balance, p.balance_at,
            p.paused_at is not null as "paused!", p.breaker, p.breaker_until, p.breaker_cause,
            p.rests_until, p.over_delivered, p.reversals, p.margin_held,
            p.margin_saved, p.statuses_failed, p.status_batch_learned, p.status_batch_learned_at,
            p.unread_since is not null as "unread!",
            p.balance_error, p.balance_unread_at, p.balance_currency,
            (select count(*) from panel_service s where s.provider = p.id and s.gone_at is null)
                as "services!",
            (select count(*) from panel_service s where s.provider = p.id
                and s.missing_at is not null) as "services_missing!",
            (select count(*) from tracked_leg w where w.provider = p.id and w.ended_at is null)
                as "open_legs!",
            (select count(*) from leg l where l.provider = p.id and l.state = 'in_doubt')
                as "in_doubt!",
            (select count(*) from leg l where l.provider = p.id and l.state = 'parked') as "parked!"
        from provider p
        order by p.id
        "#
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| ProviderRow {
            id: ProviderId(row.id),
            held_until: row.held_until,
            catalog_at: row.catalog_at,
            catalog_error: row.catalog_error,
            balance: row.balance.map(Money::from_decimal),
            balance_at: row.balance_at,
            balance_unread: row.balance_error.zip(row.balance_unread_at),
            balance_currency: row.balance_currency,
            services: row.services,
            services_missing: row.services_missing,
            open_legs: row.open_legs,
            in_doubt: row.in_doubt,
            parked: row.parked,
            paused: row.paused,
            breaker: row.breaker,
            breaker_until: row.breaker_until,
            breaker_cause: row.breaker_cause,
            rests_until: row.rests_until,
            statuses_failed: row.statuses_failed,
            status_batch_learned: row.status_batch_learned.zip(row.status_batch_learned_at),
            unread: row.unread,
            over_delivered: row.over_delivered,
            reversals: row.reversals,
            margin_held: row.margin_held,
            margin_saved: Money::from_decimal(row.margin_saved),
        });

    Ok(rows.collect())
}
