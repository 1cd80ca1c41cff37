//! The limits that processes share: who has an open door, and who took what of a minute.

use std::time::Duration;

use uuid::Uuid;

use crate::store::{Store, StoreError};

/// A process that has said nothing for so long has no door any more.
const GONE_AFTER: Duration = Duration::from_secs(5);

/// Says that this process has an open door. How many processes have one, this one among them.
///
/// The server's clock decides: those of the processes may differ.
pub async fn announce_door(store: &Store, node: Uuid) -> Result<i64, StoreError> {
    let others = sqlx::query_scalar!(
        r#"
        with mine as (
            insert into door (node, seen_at)
            values ($1, clock_timestamp())
            on conflict (node) do update
            set seen_at = excluded.seen_at
        ),
        -- Those that were killed, long after nobody counts them any more.
        buried as (
            delete from door
            where node <> $1 and seen_at < clock_timestamp() - interval '1 hour'
        )
        select count(*) as "others!"
        from door
        where node <> $1 and seen_at > clock_timestamp() - make_interval(secs => $2::bigint)
        "#,
        node,
        i64::try_from(GONE_AFTER.as_secs()).unwrap_or(i64::MAX)
    );

    Ok(others.fetch_one(&store.workers).await? + 1)
}

/// Says that this process has no open door any more.
pub async fn close_door(store: &Store, node: Uuid) -> Result<(), StoreError> {
    sqlx::query!("delete from door where node = $1", node)
        .execute(&store.workers)
        .await?;
    Ok(())
}

/// Forgets what was taken of minutes that are over.
pub async fn forget_before(store: &Store, minute: i64) -> Result<(), StoreError> {
    sqlx::query!("delete from allowance where minute < $1", minute)
        .execute(&store.workers)
        .await?;
    Ok(())
}

/// What was granted of a minute's limit, and what all processes took of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Granted now.
    pub granted: u32,
    /// Taken by all, this grant included.
    pub taken: u32,
}

/// Takes up to `wanted` of what is left of a limit in a minute; waited for at the door.
pub async fn take_share(
    store: &Store,
    minute: i64,
    subject: &str,
    wanted: u32,
    most: u32,
) -> Result<Grant, StoreError> {
    let row = sqlx::query!(
        r#"select granted as "granted!", taken_in_all as "taken!"
            from take_allowance($1, $2, $3, $4)"#,
        minute,
        subject,
        i64::from(wanted),
        i64::from(most)
    );

    let row = row.fetch_one(store.door()?).await?;
    let whole = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Grant {
        granted: whole(row.granted),
        taken: whole(row.taken),
    })
}
