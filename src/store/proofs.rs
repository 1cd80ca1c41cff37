//! Proofs that a panel answers a `request_id` twice with one order: what was asked at the house's
//! cost, and what came of it.

use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::domain::money::{Money, Rate};
use crate::domain::proof::{Proof, ProofOutcome};
use crate::store::{Store, StoreError, Tx};

/// What is asked of a panel, and who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The panel.
    pub provider: &'a ProviderId,
    /// The account that is asked there, as attempts have it.
    pub account: &'a str,
    /// The panel's service.
    pub service: &'a str,
    /// Where it is delivered to.
    pub link: &'a str,
    /// How many units.
    pub units: u64,
    /// The name of both adds.
    pub request_id: &'a str,
    /// What one order costs, in the gateway's currency.
    pub cost: Money,
    /// The same in the panel's.
    pub amount: Money,
    /// Who asks.
    pub asked_by: &'a str,
}

/// A panel's service as it was read last.
#[derive(Clone, Debug)]
pub struct CatalogPrice {
    /// Its type, as the panel spells it.
    pub kind: String,
    /// Its rate in the gateway's currency, where it has one.
    pub rate: Option<Rate>,
    /// The same in the panel's.
    pub own_rate: Option<Rate>,
    /// Its bounds.
    pub min: i64,
    /// Its bounds.
    pub max: i64,
}

/// A service that a panel lists.
pub async fn find_listed(
    store: &Store,
    provider: &ProviderId,
    service: &str,
) -> Result<Option<CatalogPrice>, StoreError> {
    let row = sqlx::query!(
        r#"
        select kind, rate, own_rate, min, max
        from panel_service
        where provider = $1 and service = $2 and gone_at is null
        "#,
        provider.0,
        service
    );

    let row = row.fetch_optional(&store.workers).await?;
    Ok(row.map(|row| CatalogPrice {
        kind: row.kind,
        rate: row.rate.map(Rate::from_decimal),
        own_rate: row.own_rate.map(Rate::from_decimal),
        min: row.min,
        max: row.max,
    }))
}

/// Writes down that both orders are about to be asked for: whatever is heard or not, both may be
/// bought from now on.
pub async fn begin_proof(
    tx: &mut Tx,
    asking: Asking<'_>,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let begun = sqlx::query_scalar!(
        r#"
        insert into request_id_proof (
            provider, account, service, link, units, request_id, cost, amount, asked_by, sent_at,
            outcome
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        returning id
        "#,
        asking.provider.0,
        asking.account,
        asking.service,
        asking.link,
        i64::try_from(asking.units).unwrap_or(i64::MAX),
        asking.request_id,
        asking.cost.decimal(),
        asking.amount.decimal(),
        asking.asked_by,
        now,
        ProofOutcome::Lost.as_str()
    );

    Ok(begun.fetch_one(&mut **tx).await?)
}

/// Writes down what came of it.
pub async fn conclude_proof(
    tx: &mut Tx,
    proof: i64,
    heard: &Proof,
    now: Timestamp,
) -> Result<(), StoreError> {
    let concluded = sqlx::query!(
        r#"
        update request_id_proof
        set outcome = $2, first_order = $3, second_order = $4, bought = $5, in_doubt = $6,
            answered_at = $7
        where id = $1 and answered_at is null
        "#,
        proof,
        heard.outcome.as_str(),
        heard.first.as_ref().map(|id| &*id.0),
        heard.second.as_ref().map(|id| &*id.0),
        i32::from(heard.bought),
        i32::from(heard.in_doubt),
        now
    );

    match concluded.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "a proof that was just asked for is gone",
        )),
    }
}

/// What the last proof of an account that told anything says; `None`: nobody ever proved it.
pub async fn last_of(
    store: &Store,
    provider: &ProviderId,
    account: &str,
) -> Result<Option<ProofOutcome>, StoreError> {
    let word = sqlx::query_scalar!(
        r#"
        select outcome
        from request_id_proof
        where provider = $1 and account = $2 and outcome in ('honoured', 'not_honoured')
        order by id desc
        limit 1
        "#,
        provider.0,
        account
    );

    Ok(word
        .fetch_optional(&store.workers)
        .await?
        .and_then(|word| ProofOutcome::from_word(&word)))
}

/// A proof as lists show it.
#[derive(Clone, Debug)]
pub struct ProofRow {
    /// The panel.
    pub provider: String,
    /// The account that was asked.
    pub account: String,
    /// What came of it, in its word.
    pub outcome: String,
    /// When it was asked for.
    pub sent_at: Timestamp,
    /// By whom.
    pub asked_by: String,
    /// The panel's ids.
    pub first_order: Option<String>,
    /// The panel's ids.
    pub second_order: Option<String>,
}

/// The newest proof of each panel that was ever asked for one.
pub async fn list_newest(store: &Store) -> Result<Vec<ProofRow>, StoreError> {
    let rows = sqlx::query_as!(
        ProofRow,
        r#"
        select distinct on (provider) provider, account, outcome, sent_at, asked_by, first_order,
            second_order
        from request_id_proof
        order by provider, id desc
        "#
    );

    Ok(rows.fetch_all(&store.workers).await?)
}
