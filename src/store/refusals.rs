//! Refusals that concern a panel and not an order: in words that nobody listed, or of us. About how
//! many links of how many customers they were since the panel accepted an order last.

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, ProviderId};
use crate::store::{Store, StoreError, Tx};

/// So many different links of so many customers are no customer's odd links any more.
const LINKS_MIN: i64 = 3;
const CUSTOMERS_MIN: i64 = 2;
/// Links of one customer that are kept: more tell nothing more.
const LINKS_KEPT_MAX: i64 = 3;
/// Texts of one panel that are kept; who writes more writes a new one each time.
const TEXTS_MAX: i64 = 100;
/// Texts that one list shows.
const LISTED_MAX: i64 = 100;

/// What kind of refusals come in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// In words that nobody listed.
    UnknownWords,
    /// Of us: our key, or how we ask.
    Ours,
}

impl Run {
    fn as_str(self) -> &'static str {
        match self {
            Self::UnknownWords => "unknown_words",
            Self::Ours => "ours",
        }
    }
}

/// Counts a refusal of an order. Whether there were too many by now: about several links of several
/// customers, with no acceptance between.
pub async fn count_refusal(
    tx: &mut Tx,
    provider: &ProviderId,
    run: Run,
    order: OrderId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let counted = sqlx::query!(
        r#"
        insert into refusal_run (provider, kind, link, customer_id, at)
        select $1, $2, o.link, o.customer_id, $4
        from orders o
        where o.id = $3
            and (
                select count(*)
                from refusal_run r
                where r.provider = $1 and r.kind = $2 and r.customer_id = o.customer_id
            ) < $5
        on conflict (provider, kind, link, customer_id) do update
        set at = excluded.at
        "#,
        provider.0,
        run.as_str(),
        order.0,
        now,
        LINKS_KEPT_MAX
    );

    counted.execute(&mut **tx).await?;
    let so_far = sqlx::query!(
        r#"
        select count(distinct link) as "links!", count(distinct customer_id) as "customers!"
        from refusal_run
        where provider = $1 and kind = $2
        "#,
        provider.0,
        run.as_str()
    );

    let so_far = so_far.fetch_one(&mut **tx).await?;
    Ok(so_far.links >= LINKS_MIN && so_far.customers >= CUSTOMERS_MIN)
}

/// The panel accepted an order, or a person lets it begin anew: what it refused before is no row
/// any more.
pub async fn forget_refusals(tx: &mut Tx, provider: &ProviderId) -> Result<(), StoreError> {
    sqlx::query!("delete from refusal_run where provider = $1", provider.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps a text that nobody listed, and that the answer to a leg's last sending was it. Whether it
/// is new.
pub async fn keep_text(
    tx: &mut Tx,
    provider: &ProviderId,
    leg: LegId,
    attempt: i32,
    text: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let marked = sqlx::query!(
        "update attempt set in_unknown_words = true where leg_id = $1 and n = $2",
        leg.0,
        attempt
    );

    marked.execute(&mut **tx).await?;
    let is_new = sqlx::query_scalar!(
        r#"
        insert into unknown_word as old (provider, text, first_at, last_at, count)
        select $1, $2, $3, $3, 1
        where exists (select from unknown_word where provider = $1 and text = $2)
            or (select count(*) from unknown_word where provider = $1) < $4
        on conflict (provider, text) do update
        set last_at = excluded.last_at, count = old.count + 1
        returning old.count = 1 as "is_new!"
        "#,
        provider.0,
        text,
        now,
        TEXTS_MAX
    );

    Ok(is_new.fetch_optional(&mut **tx).await?.unwrap_or(false))
}

/// A text that nobody listed.
#[derive(Clone, Debug)]
pub struct UnknownText {
    /// As the panel wrote it, in lower case, capped.
    pub text: String,
    /// When it was heard first.
    pub first_at: Timestamp,
    /// When it was heard last.
    pub last_at: Timestamp,
    /// How often.
    pub count: i64,
}

/// The texts of a panel that nobody listed, the latest first.
pub async fn list_texts(
    store: &Store,
    provider: &ProviderId,
) -> Result<Vec<UnknownText>, StoreError> {
    let texts = sqlx::query_as!(
        UnknownText,
        r#"
        select text, first_at, last_at, count
        from unknown_word
        where provider = $1
        order by last_at desc, text
        limit $2
        "#,
        provider.0,
        LISTED_MAX
    );

    Ok(texts.fetch_all(&store.workers).await?)
}

/// A person has seen to them: they are shown no more. How many there were.
pub async fn forget_texts(tx: &mut Tx, provider: &ProviderId) -> Result<u64, StoreError> {
    let forgotten = sqlx::query!("delete from unknown_word where provider = $1", provider.0);
    Ok(forgotten.execute(&mut **tx).await?.rows_affected())
}

/// Panels that wrote such texts since a moment: each with how many.
pub async fn panels_that_wrote(
    tx: &mut Tx,
    providers: &[String],
    last_min: Timestamp,
) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select provider, count(*) as "count!"
        from unknown_word
        where provider = any($1) and last_at > $2
        group by provider
        order by provider
        "#,
        providers,
        last_min
    );

    Ok(rows
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| (row.provider, row.count))
        .collect())
}
