//! Transfers: the only statements that move money. Each moves it and writes it down in one step.

use crate::domain::clock::Timestamp;
use crate::domain::id::{CustomerId, OrderId, ProviderId};
use crate::domain::money::Money;
use crate::domain::transfer::{Account, TransferReason};
use crate::store::{Store, StoreError, Tx};

/// A line of a customer's statement.
#[derive(Clone, Debug)]
pub struct StatementRow {
    /// The transfer.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// What came in (positive) or went out (negative).
    pub amount: Money,
    /// What the wallet held afterwards.
    pub balance: Money,
    /// For which order.
    pub order: Option<i32>,
    /// What a person gave as the reference.
    pub reference: Option<String>,
}

/// Makes sure that a panel's accounts exist; without them no leg can go there.
pub async fn open_provider_accounts(tx: &mut Tx, provider: &ProviderId) -> Result<(), StoreError> {
    let opened = sqlx::query!(
        r#"
        insert into account (kind, provider)
        values ('cost', $1), ('float', $1), ('doubt', $1)
        on conflict do nothing
        "#,
        provider.0
    );

    opened.execute(&mut **tx).await?;
    Ok(())
}

/// Money for a wallet.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Whose wallet.
    pub customer: CustomerId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: TransferReason,
    /// For which order.
    pub order: Option<OrderId>,
    /// What a person gave as the reference; used once per wallet.
    pub reference: Option<&'a str>,
}

/// Moves money from a house account into a wallet. The transfer's id.
pub async fn to_wallet(
    tx: &mut Tx,
    from: &Account,
    what: Incoming<'_>,
    at: Timestamp,
) -> Result<i64, StoreError> {
    let (kind, provider) = from.parts();
    let moved = sqlx::query_scalar!(
        r#"
        with wallet as (
            update wallet
            set balance = balance + $4, version = version + 1
            where customer_id = $3
            returning account_id, version, balance
        )
        insert into transfer (
            at, reason, debit, credit, amount, order_id, wallet_version, wallet_balance, reference
        )
        select $5, $6, house.id, wallet.account_id, $4, $7, wallet.version, wallet.balance, $8
        from wallet, account house
        where house.kind = $1 and house.provider is not distinct from $2
        returning id
        "#,
        kind,
        provider.map(|provider| &*provider.0),
        what.customer.0,
        what.amount.decimal(),
        at,
        what.reason.as_str(),
        what.order.map(|order| order.0),
        what.reference
    );

    let moved = moved.fetch_optional(&mut **tx).await?;
    moved.ok_or(StoreError::Unexpected(
        "money for a wallet or from an account that does not exist",
    ))
}

/// Moves money from a wallet, which keeps above its floor, to a house account. The transfer's id.
pub async fn from_wallet(
    tx: &mut Tx,
    customer: CustomerId,
    to: &Account,
    amount: Money,
    reason: TransferReason,
    order: OrderId,
    at: Timestamp,
) -> Result<i64, StoreError> {
    let (kind, provider) = to.parts();
    let moved = sqlx::query_scalar!(
        r#"
        with wallet as (
            update wallet
            set balance = balance - $4, version = version + 1
            where customer_id = $3 and balance - $4 >= floor
            returning account_id, version, balance
        )
        insert into transfer (at, reason, debit, credit, amount, order_id, wallet_version,
            wallet_balance)
        select $5, $6, wallet.account_id, house.id, $4, $7, wallet.version, wallet.balance
        from wallet, account house
        where house.kind = $1 and house.provider is not distinct from $2
        returning id
        "#,
        kind,
        provider.map(|provider| &*provider.0),
        customer.0,
        amount.decimal(),
        at,
        reason.as_str(),
        order.0
    );

    let moved = moved.fetch_optional(&mut **tx).await?;
    moved.ok_or(StoreError::Unexpected(
        "money from a wallet that does not hold it, or to an account that does not exist",
    ))
}

/// Locks a wallet: what it holds above its floor.
pub async fn can_give(tx: &mut Tx, customer: CustomerId) -> Result<Money, StoreError> {
    let free = sqlx::query_scalar!(
        r#"select balance - floor as "free!" from wallet where customer_id = $1 for update"#,
        customer.0
    );
    Ok(Money::from_decimal(free.fetch_one(&mut **tx).await?))
}

/// The customer whose money came in with a reference, if anybody's did. Two deposits with one
/// reference wait for each other, whoever's they are.
pub async fn deposited_with(
    tx: &mut Tx,
    reference: &str,
) -> Result<Option<CustomerId>, StoreError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('deposit ' || $1, 0))",
        reference
    )
    .fetch_one(&mut **tx)
    .await?;

    let customer = sqlx::query_scalar!(
        r#"
        select w.customer_id
        from transfer t
        join wallet w on w.account_id = t.credit
        where t.reference = $1 and t.reason = 'deposit'
        limit 1
        "#,
        reference
    );

    Ok(customer.fetch_optional(&mut **tx).await?.map(CustomerId))
}

/// Moves money between two house accounts.
pub async fn between_house(
    tx: &mut Tx,
    debit: &Account,
    credit: &Account,
    amount: Money,
    reason: TransferReason,
    order: OrderId,
    at: Timestamp,
) -> Result<(), StoreError> {
    between(tx, debit, credit, amount, reason, Some(order), at).await
}

/// The same of what is no order's.
pub async fn of_the_house(
    tx: &mut Tx,
    debit: &Account,
    credit: &Account,
    amount: Money,
    reason: TransferReason,
    at: Timestamp,
) -> Result<(), StoreError> {
    between(tx, debit, credit, amount, reason, None, at).await
}

async fn between(
    tx: &mut Tx,
    debit: &Account,
    credit: &Account,
    amount: Money,
    reason: TransferReason,
    order: Option<OrderId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let ((debit_kind, debit_provider), (credit_kind, credit_provider)) =
        (debit.parts(), credit.parts());

    let moved = sqlx::query!(
        r#"
        insert into transfer (at, reason, debit, credit, amount, order_id)
        select $5, $6, d.id, c.id, $7, $8
        from account d, account c
        where d.kind = $1 and d.provider is not distinct from $2
            and c.kind = $3 and c.provider is not distinct from $4
        "#,
        debit_kind,
        debit_provider.map(|provider| &*provider.0),
        credit_kind,
        credit_provider.map(|provider| &*provider.0),
        at,
        reason.as_str(),
        amount.decimal(),
        order.map(|order| order.0)
    );

    match moved.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "money between house accounts that do not exist",
        )),
    }
}

/// Moves money from a wallet into a house account, as a person says. `false`: that would leave the
/// wallet below its floor.
pub async fn out_by_hand(
    tx: &mut Tx,
    to: &Account,
    customer: CustomerId,
    amount: Money,
    reason: TransferReason,
    reference: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let (kind, provider) = to.parts();
    let moved = sqlx::query!(
        r#"
        with wallet as (
            update wallet
            set balance = balance - $4, version = version + 1
            where customer_id = $3 and balance - $4 >= floor
            returning account_id, version, balance
        )
        insert into transfer (at, reason, debit, credit, amount, wallet_version, wallet_balance,
            reference)
        select $5, $6, wallet.account_id, house.id, $4, wallet.version, wallet.balance, $7
        from wallet, account house
        where house.kind = $1 and house.provider is not distinct from $2
        "#,
        kind,
        provider.map(|provider| &*provider.0),
        customer.0,
        amount.decimal(),
        at,
        reason.as_str(),
        reference
    );

    Ok(moved.execute(&mut **tx).await?.rows_affected() == 1)
}

/// What a reference moved in a customer's wallet, if it was used: in (positive) or out (negative).
pub async fn by_reference(
    tx: &mut Tx,
    customer: CustomerId,
    reference: &str,
) -> Result<Option<Money>, StoreError> {
    // The wallet is locked first, so that two commands with one reference cannot both find it
    // unused.
    sqlx::query!(
        "select customer_id from wallet where customer_id = $1 for update",
        customer.0
    )
    .fetch_one(&mut **tx)
    .await?;

    let amount = sqlx::query_scalar!(
        r#"
        select t.amount as "amount!"
        from transfer t
        join wallet w on w.account_id = t.credit
        where w.customer_id = $1 and t.reference = $2
        union all
        select -t.amount
        from transfer t
        join wallet w on w.account_id = t.debit
        where w.customer_id = $1 and t.reference = $2
        limit 1
        "#,
        customer.0,
        reference
    );

    Ok(amount
        .fetch_optional(&mut **tx)
        .await?
        .map(Money::from_decimal))
}

/// A wallet's transfers, oldest first, after the given transfer and at most so many.
pub async fn read_statement(
    store: &Store,
    customer: CustomerId,
    after: i64,
    rows_max: i64,
) -> Result<Vec<StatementRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select t.id, t.at, t.reason, t.order_id, t.reference,
            case when t.credit = w.account_id then t.amount else -t.amount end as "amount!",
            t.wallet_balance as "balance!"
        from wallet w
        join transfer t on w.account_id in (t.debit, t.credit)
        where w.customer_id = $1 and t.id > $2
        order by t.id
        limit $3
        "#,
        customer.0,
        after,
        rows_max
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| StatementRow {
            id: row.id,
            at: row.at,
            reason: row.reason,
            amount: Money::from_decimal(row.amount),
            balance: Money::from_decimal(row.balance),
            order: row.order_id,
            reference: row.reference,
        });

    Ok(rows.collect())
}
