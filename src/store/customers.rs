//! Customers and their keys.

use crate::domain::clock::Timestamp;
use crate::domain::customer::{Caller, Dialect};
use crate::domain::id::{CustomerId, KeyId};
use crate::domain::money::Money;
use crate::domain::network::Network;
use crate::store::{Store, StoreError, Tx};

/// A customer as lists show it.
#[derive(Clone, Debug)]
pub struct CustomerRow {
    /// The id.
    pub id: CustomerId,
    /// The name.
    pub name: String,
    /// The tier.
    pub tier: String,
    /// What the wallet holds.
    pub balance: Money,
    /// How far below zero the wallet may go.
    pub credit: Money,
    /// Since when it is suspended.
    pub suspended_at: Option<Timestamp>,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// A key as lists show it; the secret itself is kept nowhere.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// The id.
    pub id: KeyId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The first letters of the key, to tell it from others.
    pub prefix: String,
    /// What the customer calls it.
    pub label: String,
    /// The dialect it is answered in.
    pub dialect: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, late by a minute at most.
    pub last_used_at: Option<Timestamp>,
    /// From where it may be used; from anywhere when empty.
    pub allowed: Vec<String>,
    /// Requests of a minute, where it has a number of its own.
    pub per_minute: Option<i32>,
    /// For so many seconds the same order again is taken for a repetition of the first.
    pub dedupe_window_s: i32,
}

/// Opens a customer with an empty wallet. `None`: the name is taken.
pub async fn open_customer(
    tx: &mut Tx,
    name: &str,
    tier: &str,
    at: Timestamp,
) -> Result<Option<CustomerId>, StoreError> {
    let opened = sqlx::query_scalar!(
        r#"
        with opened as (
            insert into customer (name, tier, created_at)
            values ($1, $2, $3)
            on conflict (name) do nothing
            returning id
        ),
        account as (
            insert into account (kind, customer_id)
            select 'wallet', id
            from opened
            returning id, customer_id
        )
        insert into wallet (customer_id, account_id)
        select customer_id, id
        from account
        returning customer_id as "customer_id!"
        "#,
        name,
        tier,
        at
    );

    Ok(opened.fetch_optional(&mut **tx).await?.map(CustomerId))
}

/// The customer of that id, or of that name where the text is not all digits.
pub async fn find_customer(store: &Store, who: &str) -> Result<Option<CustomerRow>, StoreError> {
    let all_digits = who.bytes().all(|byte| byte.is_ascii_digit());
    let id = who.parse::<i64>().ok().filter(|_| all_digits);
    let rows = customer_rows(store, id, id.is_none().then_some(who)).await?;
    Ok(rows.into_iter().next())
}

/// All customers, oldest first.
pub async fn list_customers(store: &Store) -> Result<Vec<CustomerRow>, StoreError> {
    customer_rows(store, None, None).await
}

async fn customer_rows(
    store: &Store,
    id: Option<i64>,
    name: Option<&str>,
) -> Result<Vec<CustomerRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select c.id, c.name, c.tier, c.created_at, c.suspended_at, w.balance, -w.floor as "credit!"
        from customer c
        join wallet w on w.customer_id = c.id
        where ($1::bigint is null or c.id = $1)
            and ($2::text is null or c.name = $2)
        order by c.id
        "#,
        id,
        name
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| CustomerRow {
            id: CustomerId(row.id),
            name: row.name,
            tier: row.tier,
            balance: Money::from_decimal(row.balance),
            credit: Money::from_decimal(row.credit),
            suspended_at: row.suspended_at,
            created_at: row.created_at,
        });

    Ok(rows.collect())
}

/// Suspends a customer. `false`: it was suspended before.
pub async fn suspend_customer(
    tx: &mut Tx,
    customer: CustomerId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update customer set suspended_at = $2 where id = $1 and suspended_at is null",
        customer.0,
        at
    );

    Ok(done.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Ends a suspension. `false`: there was none.
pub async fn resume_customer(tx: &mut Tx, customer: CustomerId) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update customer set suspended_at = null where id = $1 and suspended_at is not null",
        customer.0
    );
    Ok(done.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Lets a wallet go below zero by so much. `false`: it is further below already.
pub async fn give_credit(
    tx: &mut Tx,
    customer: CustomerId,
    credit: Money,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        r#"
        with lowered as (
            update wallet
            set floor = -$2::numeric
            where customer_id = $1 and balance >= -$2::numeric
            returning customer_id
        )
        update customer c
        set credit = $2
        from lowered
        where c.id = lowered.customer_id
        "#,
        customer.0,
        credit.decimal()
    );

    Ok(done.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Puts a customer into another tier. `false`: it is of that tier already.
pub async fn set_tier(tx: &mut Tx, customer: CustomerId, tier: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update customer set tier = $2 where id = $1 and tier <> $2",
        customer.0,
        tier
    );

    Ok(done.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Which of these ids, and which of these names, nobody was opened under.
pub async fn unknown_names(
    store: &Store,
    ids: &[i64],
    names: &[String],
) -> Result<(Vec<CustomerId>, Vec<String>), StoreError> {
    let missing_ids = sqlx::query_scalar!(
        r#"
        select asked.id as "id!"
        from unnest($1::bigint[]) as asked (id)
        where not exists (select from customer c where c.id = asked.id)
        "#,
        ids
    );

    let missing_names = sqlx::query_scalar!(
        r#"
        select asked.name as "name!"
        from unnest($1::text[]) as asked (name)
        where not exists (select from customer c where c.name = asked.name)
        "#,
        names
    );

    let ids = missing_ids
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(CustomerId)
        .collect();

    Ok((ids, missing_names.fetch_all(&store.workers).await?))
}

/// The tiers that customers are of.
pub async fn list_tiers(store: &Store) -> Result<Vec<String>, StoreError> {
    let tiers = sqlx::query_scalar!("select distinct tier from customer order by tier");
    Ok(tiers.fetch_all(&store.workers).await?)
}

/// Keeps a new key's digest.
pub async fn add_key(
    tx: &mut Tx,
    customer: CustomerId,
    digest: &[u8; 32],
    prefix: &str,
    label: &str,
    dialect: Dialect,
    at: Timestamp,
) -> Result<KeyId, StoreError> {
    let id = sqlx::query_scalar!(
        r#"
        insert into api_key (customer_id, digest, prefix, label, dialect, created_at)
        values ($1, $2, $3, $4, $5, $6)
        returning id
        "#,
        customer.0,
        digest.as_slice(),
        prefix,
        label,
        dialect.as_str(),
        at
    );

    Ok(KeyId(id.fetch_one(&mut **tx).await?))
}

/// How many keys of a customer are in force.
pub async fn active_keys(tx: &mut Tx, customer: CustomerId) -> Result<i64, StoreError> {
    // The customer's row is locked, so that two commands cannot both find room for one more key.
    sqlx::query!(
        "select id from customer where id = $1 for update",
        customer.0
    )
    .fetch_one(&mut **tx)
    .await?;

    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from api_key where customer_id = $1 and revoked_at is null"#,
        customer.0
    );

    Ok(count.fetch_one(&mut **tx).await?)
}

/// All keys, or those of one customer.
pub async fn list_keys(
    store: &Store,
    customer: Option<CustomerId>,
) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, customer_id, prefix, label, dialect, created_at, revoked_at, last_used_at,
            allowed::text[] as "allowed!: Vec<String>", per_minute, dedupe_window_s
        from api_key
        where $1::bigint is null or customer_id = $1
        order by id
        "#,
        customer.map(|customer| customer.0)
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| KeyRow {
            id: KeyId(row.id),
            customer: CustomerId(row.customer_id),
            prefix: row.prefix,
            label: row.label,
            dialect: row.dialect,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            allowed: row.allowed,
            per_minute: row.per_minute,
            dedupe_window_s: row.dedupe_window_s,
        });

    Ok(rows.collect())
}

/// Revokes a key that is in force. `false`: there is no such key, or it was revoked before.
pub async fn revoke_key(tx: &mut Tx, key: KeyId, at: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update api_key set revoked_at = $2 where id = $1 and revoked_at is null",
        key.0,
        at
    );

    Ok(done.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Whose key has this digest and is in force.
pub async fn find_caller(store: &Store, digest: &[u8; 32]) -> Result<Option<Caller>, StoreError> {
    let row = sqlx::query!(
        r#"
        select k.id, k.customer_id, k.dialect, c.name, c.suspended_at, c.tier,
            k.allowed::text[] as "allowed!: Vec<String>", k.per_minute, k.dedupe_window_s
        from api_key k
        join customer c on c.id = k.customer_id
        where k.digest = $1 and k.revoked_at is null
        "#,
        digest.as_slice()
    );

    let Some(row) = row.fetch_optional(store.door()?).await? else {
        return Ok(None);
    };

    let odd = |column, value: &str| StoreError::Contradiction {
        table: "api_key",
        column,
        id: row.id.to_string(),
        value: value.to_owned(),
    };

    let dialect = Dialect::from_word(&row.dialect).ok_or_else(|| odd("dialect", &row.dialect))?;
    let networks = row.allowed.iter().map(|network| {
        network
            .parse::<Network>()
            .map_err(|_| odd("allowed", network))
    });

    let allowed = networks.collect::<Result<_, _>>()?;
    Ok(Some(Caller {
        customer: CustomerId(row.customer_id),
        name: row.name.into(),
        key: KeyId(row.id),
        dialect,
        suspended_at: row.suspended_at,
        tier: row.tier.into(),
        allowed,
        per_minute: row.per_minute.and_then(|number| u32::try_from(number).ok()),
        dedupe_window_s: u32::try_from(row.dedupe_window_s).unwrap_or(0),
    }))
}

/// What a customer's wallet holds at this moment.
pub async fn read_balance(store: &Store, customer: CustomerId) -> Result<Money, StoreError> {
    let balance = sqlx::query_scalar!(
        "select balance from wallet where customer_id = $1",
        customer.0
    );
    Ok(Money::from_decimal(balance.fetch_one(store.door()?).await?))
}

/// Writes down who did what by hand, and why.
pub async fn note_deed(
    tx: &mut Tx,
    who: &str,
    verb: &str,
    object: &str,
    reason: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let noted = sqlx::query!(
        "insert into audit_log (at, who, verb, object, reason) values ($1, $2, $3, $4, $5)",
        at,
        who,
        verb,
        object,
        reason
    );

    noted.execute(&mut **tx).await?;
    Ok(())
}
