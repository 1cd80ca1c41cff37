//! What is said about keys after they were made: their terms, their use, and that there are new
//! ones.

use crate::domain::clock::Timestamp;
use crate::domain::id::{CustomerId, KeyId};
use crate::domain::network::Network;
use crate::store::{Store, StoreError, Tx};

/// What is to change about a key; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// What the customer calls it.
    pub label: Option<String>,
    /// From where it may be used; from anywhere when empty.
    pub allowed: Option<Vec<Network>>,
    /// Requests of a minute; 0 goes back to the settings' number.
    pub per_minute: Option<i32>,
    /// For so many seconds the same order again is taken for a repetition of the first; 0: never.
    pub dedupe_window_s: Option<i32>,
}

/// Changes the terms of a key that is in force. `false`: there is no such key.
pub async fn change_key(tx: &mut Tx, key: KeyId, terms: &KeyChange) -> Result<bool, StoreError> {
    let allowed = terms
        .allowed
        .as_ref()
        .map(|networks| networks.iter().map(ToString::to_string).collect::<Vec<_>>());

    let done = sqlx::query!(
        r#"
        update api_key
        set label = coalesce($2, label),
            allowed = coalesce($3::text[]::cidr[], allowed),
            per_minute = nullif(coalesce($4, per_minute), 0),
            dedupe_window_s = coalesce($5, dedupe_window_s)
        where id = $1 and revoked_at is null
        "#,
        key.0,
        terms.label.as_deref(),
        allowed.as_deref(),
        terms.per_minute,
        terms.dedupe_window_s
    );

    Ok(done.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Whose key has this digest, and whether it is in force.
pub async fn find_owner(
    tx: &mut Tx,
    digest: &[u8; 32],
) -> Result<Option<(CustomerId, bool)>, StoreError> {
    let row = sqlx::query!(
        r#"select customer_id, revoked_at is null as "in_force!" from api_key where digest = $1"#,
        digest.as_slice()
    );

    Ok(row
        .fetch_optional(&mut **tx)
        .await?
        .map(|row| (CustomerId(row.customer_id), row.in_force)))
}

/// Writes down when keys were last used; a later word stays.
pub async fn note_used(store: &Store, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
    let (keys, moments): (Vec<i64>, Vec<Timestamp>) =
        used.iter().map(|(key, at)| (key.0, *at)).unzip();

    let noted = sqlx::query!(
        r#"
        with used as (
            select *
            from unnest($1::bigint[], $2::timestamptz[]) as u (id, at)
        ),
        -- In one order by everyone, so that two processes cannot wait for each other.
        locked as (
            select k.id
            from api_key k
            join used u on u.id = k.id
            order by k.id
            for no key update of k
        )
        update api_key k
        set last_used_at = u.at
        from used u
        join locked l on l.id = u.id
        where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)
        "#,
        &keys,
        &moments
    );

    // Fewer rows than keys is right: another process wrote a later word.
    noted.execute(&store.workers).await?;
    Ok(())
}

/// A number that moves whenever a key begins.
pub async fn newest_key(store: &Store) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!("select version from key_news")
        .fetch_one(&store.workers)
        .await?)
}
