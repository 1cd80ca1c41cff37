//! Differences: what panels say of single orders that does not fit, kept once for each leg and
//! kind.

use crate::domain::clock::Timestamp;
use crate::domain::difference::{DifferenceKind, Figures};
use crate::domain::id::{LegId, OrderId, ProviderId};
use crate::domain::money::Money;
use crate::store::legs::LockedLeg;
use crate::store::{Store, StoreError, Tx, signed, unsigned};

/// Differences confirmed, or found to be none, in one round of one panel.
const CONFIRMED_MAX: i64 = 500;
/// Orders that one line of a list names.
pub const ORDERS_MAX: i64 = 1_000;

/// What a leg would cost by its panel's present catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceNow {
    /// In our currency; `None` where the panel lists no price of it.
    pub cost: Option<Money>,
    /// Whether the catalog was read after the leg had been sent: a price that moved before is in
    /// it.
    pub read_since: bool,
}

/// What a leg would cost today.
pub async fn price_now(tx: &mut Tx, leg: &LockedLeg) -> Result<PriceNow, StoreError> {
    let row = sqlx::query!(
        r#"
        select round(leg_cost_now(l.id), 8) as cost,
            coalesce(p.catalog_at >= l.sending_at, false) as "read_since!"
        from leg l
        join provider p on p.id = l.provider
        where l.id = $1
        "#,
        leg.id.0
    );

    let row = row.fetch_one(&mut **tx).await?;
    Ok(PriceNow {
        cost: row.cost.map(Money::from_decimal),
        read_since: row.read_since,
    })
}

/// Keeps a difference, at once or until the panel's catalog was read once more. `false`: it was
/// kept before.
pub async fn keep_difference(
    tx: &mut Tx,
    leg: &LockedLeg,
    kind: DifferenceKind,
    figures: &Figures,
    confirmed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let kept = sqlx::query!(
        r#"
        insert into difference (
            kind, provider, order_id, leg_id, found_at, expected, stated, step, delivered, words,
            confirmed_at
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (leg_id, kind) do nothing
        "#,
        kind.as_str(),
        leg.route.provider.0,
        leg.order.0,
        leg.id.0,
        now,
        figures.expected.decimal(),
        figures.stated.map(Money::decimal),
        figures.step.decimal(),
        signed(figures.delivered),
        figures.words,
        confirmed_at
    );

    Ok(kept.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Whether a leg's difference is known to be one, and nobody took note of it.
pub async fn is_open(tx: &mut Tx, leg: LegId, kind: DifferenceKind) -> Result<bool, StoreError> {
    let is_open = sqlx::query_scalar!(
        r#"
        select exists (
            select
            from difference
            where leg_id = $1 and kind = $2 and confirmed_at is not null and acknowledged_at is null
        ) as "is_open!"
        "#,
        leg.0,
        kind.as_str()
    );

    Ok(is_open.fetch_one(&mut **tx).await?)
}

/// Whether a panel's prices are wanted anew, for something there is not explained yet.
pub async fn wants_prices(store: &Store, provider: &ProviderId) -> Result<bool, StoreError> {
    let wants = sqlx::query_scalar!(
        r#"
        select exists (
            select
            from difference
            where provider = $1 and confirmed_at is null and acknowledged_at is null
        ) as "wants!"
        "#,
        provider.0
    );

    Ok(wants.fetch_one(&store.workers).await?)
}

/// A difference that a move of the price may yet explain.
#[derive(Clone, Debug)]
pub struct Unconfirmed {
    /// Its number.
    pub id: i64,
    /// Which.
    pub kind: DifferenceKind,
    /// The order.
    pub order: OrderId,
    /// Its leg there.
    pub leg: LegId,
    /// What was told.
    pub figures: Figures,
    /// What was bought, in units.
    pub units: u64,
    /// What the leg would cost by the catalog that was read since, in our currency; `None`: it
    /// lists no price, or could not be read.
    pub cost_now: Option<Money>,
}

/// Differences of a panel whose catalog was read since they were found, or which wait since before
/// `patient_min`.
pub async fn list_unconfirmed(
    store: &Store,
    provider: &ProviderId,
    patient_min: Timestamp,
) -> Result<Vec<Unconfirmed>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select d.id, d.kind, d.order_id, d.leg_id, d.expected, d.stated, d.step, d.delivered,
            d.words, o.units, round(leg_cost_now(d.leg_id), 8) as cost_now
        from difference d
        join orders o on o.id = d.order_id
        join provider p on p.id = d.provider
        where d.provider = $1 and d.confirmed_at is null and d.acknowledged_at is null
            and (p.catalog_at >= d.found_at or d.found_at < $2)
        order by d.id
        limit $3
        "#,
        provider.0,
        patient_min,
        CONFIRMED_MAX
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| {
            Ok(Unconfirmed {
                id: row.id,
                kind: kind(row.id, &row.kind)?,
                order: OrderId(row.order_id),
                leg: LegId(row.leg_id),
                figures: Figures {
                    expected: Money::from_decimal(row.expected),
                    stated: row.stated.map(Money::from_decimal),
                    step: Money::from_decimal(row.step),
                    delivered: unsigned(row.delivered),
                    words: row.words,
                },
                units: unsigned(row.units),
                cost_now: row.cost_now.map(Money::from_decimal),
            })
        });

    rows.collect()
}

/// No move of a price explains it. `false`: somebody said so before.
pub async fn confirm_difference(
    tx: &mut Tx,
    difference: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let confirmed = sqlx::query!(
        "update difference set confirmed_at = $2 where id = $1 and confirmed_at is null",
        difference,
        now
    );

    Ok(confirmed.execute(&mut **tx).await?.rows_affected() == 1)
}

/// A move of the price explains it: it was none.
pub async fn explain_difference(tx: &mut Tx, difference: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from difference where id = $1 and confirmed_at is null",
        difference
    )
    .execute(&mut **tx)
    .await?;

    Ok(())
}

/// Differences of one kind at one panel on one day, as lists and alerts show them.
#[derive(Clone, Debug)]
pub struct DifferenceRow {
    /// The number by which a person takes note of all of them.
    pub id: i64,
    /// Which, in a word.
    pub kind: String,
    /// At which panel.
    pub provider: String,
    /// How much more, or less, was stated than expected, in our currency; zero where nothing was
    /// stated.
    pub amount: Money,
    /// When the first and the last were found.
    pub first_at: Timestamp,
    /// See [`DifferenceRow::first_at`].
    pub last_at: Timestamp,
    /// The orders, at most [`ORDERS_MAX`] of them.
    pub orders: Vec<i32>,
    /// How many there are.
    pub orders_count: i64,
    /// In words, of the first.
    pub words: String,
    /// When a person took note of all of them.
    pub acknowledged_at: Option<Timestamp>,
}

/// Differences, by panel, kind and day, the newest first; of one panel where one is named. What a
/// person took note of, or decided, is left out unless asked for.
pub async fn list_differences(
    store: &Store,
    provider: Option<&str>,
    all: bool,
    rows_max: i64,
) -> Result<Vec<DifferenceRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select min(d.id) as "id!", d.kind as "kind!", d.provider as "provider!",
            coalesce(sum(abs(d.stated - d.expected)), 0) as "amount!",
            min(d.found_at) as "first_at!",
            max(d.found_at) as "last_at!",
            (array_agg(d.order_id order by d.order_id))[1:$4::bigint::integer] as "orders!",
            count(*) as "orders_count!", (array_agg(d.words order by d.id))[1] as "words!",
            case when bool_and(d.acknowledged_at is not null)
                then max(d.acknowledged_at) end as acknowledged_at
        from difference d
        join orders o on o.id = d.order_id
        where d.confirmed_at is not null and ($1::text is null or d.provider = $1)
            and ($2 or (d.acknowledged_at is null
                and (d.kind <> 'figures_differ' or o.review is not null)))
        group by d.provider, d.kind, (d.found_at at time zone 'UTC')::date
        order by 1 desc
        limit $3
        "#,
        provider,
        all,
        rows_max,
        ORDERS_MAX
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| DifferenceRow {
            id: row.id,
            kind: row.kind,
            provider: row.provider,
            amount: Money::from_decimal(row.amount),
            first_at: row.first_at,
            last_at: row.last_at,
            orders: row.orders,
            orders_count: row.orders_count,
            words: row.words,
            acknowledged_at: row.acknowledged_at,
        });

    Ok(rows.collect())
}

/// A person took note of the differences that a list showed under this number: those of its panel,
/// kind and day. `None`: there is no such one; `false`: somebody did before.
pub async fn acknowledge_difference(
    tx: &mut Tx,
    difference: i64,
    now: Timestamp,
) -> Result<Option<bool>, StoreError> {
    let known = sqlx::query_scalar!("select id from difference where id = $1", difference);
    if known.fetch_optional(&mut **tx).await?.is_none() {
        return Ok(None);
    }

    let noted = sqlx::query!(
        r#"
        update difference d
        set acknowledged_at = $2
        from difference named
        where named.id = $1 and d.provider = named.provider and d.kind = named.kind
            and (d.found_at at time zone 'UTC')::date = (named.found_at at time zone 'UTC')::date
            and d.confirmed_at is not null and d.acknowledged_at is null
        "#,
        difference,
        now
    );

    Ok(Some(noted.execute(&mut **tx).await?.rows_affected() > 0))
}

fn kind(id: i64, word: &str) -> Result<DifferenceKind, StoreError> {
    DifferenceKind::from_word(word).ok_or_else(|| StoreError::Contradiction {
        table: "difference",
        column: "kind",
        id: id.to_string(),
        value: word.to_owned(),
    })
}
