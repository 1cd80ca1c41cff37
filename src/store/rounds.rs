//! Rounds that one process of all runs: who begins one, and what came of the audit's.

use crate::domain::clock::Timestamp;
use crate::store::audit::Check;
use crate::store::{Store, StoreError, Tx};

/// Begins a round, unless somebody began it after `before`. Whether it is ours to run.
pub async fn begin_round(
    store: &Store,
    name: &str,
    before: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let begun = sqlx::query!(
        r#"
        insert into round (name, begun_at, unfinished)
        values ($1, $2, 1)
        on conflict (name) do update
        set begun_at = excluded.begun_at, unfinished = round.unfinished + 1
        where round.begun_at <= $3
        "#,
        name,
        now,
        before
    );

    Ok(begun.execute(&store.workers).await?.rows_affected() == 1)
}

/// Notes that the round that was begun at `begun_at` came to its end.
pub async fn end_round(tx: &mut Tx, name: &str, begun_at: Timestamp) -> Result<(), StoreError> {
    let ended = sqlx::query!(
        "update round set done_at = $2, unfinished = 0 where name = $1 and begun_at = $2",
        name,
        begun_at
    );

    match ended.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "a round took so long that another process began it anew",
        )),
    }
}

/// Keeps what the audit found in place of what it found before.
pub async fn keep_findings(
    tx: &mut Tx,
    checks: &[Check],
    now: Timestamp,
) -> Result<(), StoreError> {
    let names: Vec<String> = checks.iter().map(|check| check.name.to_owned()).collect();
    let violations: Vec<i64> = checks.iter().map(|check| check.violations).collect();
    sqlx::query!("delete from finding where name <> all ($1::text[])", &names)
        .execute(&mut **tx)
        .await?;

    let kept = sqlx::query!(
        r#"
        insert into finding (name, violations, at)
        select name, violations, $3
        from unnest($1::text[], $2::bigint[]) as found (name, violations)
        on conflict (name) do update
        set violations = excluded.violations, at = excluded.at
        "#,
        &names,
        &violations,
        now
    );

    if kept.execute(&mut **tx).await?.rows_affected() != names.len() as u64 {
        return Err(StoreError::Unexpected(
            "not every finding of the audit was kept",
        ));
    }

    Ok(())
}
