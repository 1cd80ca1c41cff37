//! What every process says of itself: the configuration that it serves, and how its own file
//! stands.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::domain::alert::AlertKind;
use crate::domain::clock::Timestamp;
use crate::domain::id::{ConfigHash, ProviderId};
use crate::store::{Store, StoreError, Tx};

/// A process that has said nothing for so long does not run any more.
const GONE_AFTER_S: i64 = 15;

/// What a process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Which process.
    pub node: Uuid,
    /// As a person knows it.
    pub name: String,
    /// The version that it serves.
    pub hash: ConfigHash,
    /// Its file; `None`: there is none to be read.
    pub file_hash: Option<ConfigHash>,
    /// What came of that file: `refused`, `waiting`, or nothing to tell.
    pub judged: &'static str,
    /// Panels whose key it cannot read.
    pub keyless: Vec<ProviderId>,
    /// Whether it could not adopt the version in force.
    pub behind: bool,
    /// By how many milliseconds its machine's clock is ahead of the database's; 0 where that is
    /// not worth a word.
    pub clock_ahead_ms: i64,
    /// Its workers that do not do their rounds.
    pub workers_late: Vec<String>,
    /// What else needs a person there.
    pub troubles: Vec<AlertKind>,
}

/// Says it, and buries those that are long gone.
pub async fn announce_node(store: &Store, row: &NodeRow, now: Timestamp) -> Result<(), StoreError> {
    let keyless: Vec<String> = row
        .keyless
        .iter()
        .map(|provider| provider.0.clone())
        .collect();

    let troubles: Vec<String> = row
        .troubles
        .iter()
        .map(|kind| kind.as_str().to_owned())
        .collect();

    let told = sqlx::query!(
        r#"
        with buried as (
            delete from config_node
            where node <> $1 and seen_at < $9
        )
        insert into config_node (
            node, name, hash, file_hash, judged, keyless, behind, seen_at, clock_ahead_ms,
            workers_late, troubles
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $10, $11, $12)
        on conflict (node) do update
        set name = excluded.name, hash = excluded.hash, file_hash = excluded.file_hash,
            judged = excluded.judged,
            keyless = excluded.keyless, behind = excluded.behind, seen_at = excluded.seen_at,
            clock_ahead_ms = excluded.clock_ahead_ms, workers_late = excluded.workers_late,
            troubles = excluded.troubles
        "#,
        row.node,
        row.name,
        row.hash.0,
        row.file_hash.as_ref().map(|hash| hash.0.clone()),
        row.judged,
        &keyless,
        row.behind,
        now,
        now - TimeDelta::hours(1),
        row.clock_ahead_ms,
        &row.workers_late,
        &troubles
    );

    told.execute(&store.workers).await?;
    Ok(())
}

/// Says that this process runs no more.
pub async fn withdraw_node(store: &Store, node: Uuid) -> Result<(), StoreError> {
    sqlx::query!("delete from config_node where node = $1", node)
        .execute(&store.workers)
        .await?;
    Ok(())
}

/// A running process: its name, what it serves, and the panels whose key it cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// As a person knows it.
    pub name: String,
    /// The version that it serves.
    pub hash: ConfigHash,
    /// Panels whose key it cannot read.
    pub keyless: Vec<String>,
}

/// The processes that run, by name.
pub async fn running_nodes(store: &Store, now: Timestamp) -> Result<Vec<Running>, StoreError> {
    let rows = sqlx::query!(
        "select name, hash, keyless from config_node where seen_at > $1 order by name, node",
        now - TimeDelta::seconds(GONE_AFTER_S)
    );

    let rows = rows.fetch_all(&store.workers).await?.into_iter();
    Ok(rows
        .map(|row| Running {
            name: row.name,
            hash: ConfigHash(row.hash),
            keyless: row.keyless,
        })
        .collect())
}

/// What of all that needs a person: the alert's word, its object, and how many nodes say so.
pub(super) async fn list_troubles(
    tx: &mut Tx,
    now: Timestamp,
) -> Result<Vec<(String, String, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select 'config_' || n.judged as "kind!", n.name as "object!", count(*) as "count!"
        from config_node n
        where n.judged <> '' and n.seen_at > $1
        group by n.judged, n.name
        union all
        select 'config_differs',
            n.name || ' (its file: ' || coalesce(n.file_hash, 'none') || ', in force: ' || v.hash
                || ')',
            count(*)
        from config_node n
        join config_version v on v.id = (select max(id) from config_version)
        where n.judged = '' and n.file_hash is distinct from v.hash and n.seen_at > $1
        group by n.name, n.file_hash, v.hash
        union all
        select 'config_behind', n.name, count(*)
        from config_node n
        where n.behind and n.seen_at > $1
        group by n.name
        union all
        select 'clock_off', n.name, count(*)
        from config_node n
        where n.clock_ahead_ms <> 0 and n.seen_at > $1
        group by n.name
        union all
        select 'worker_late', w.name || ' on ' || n.name, count(*)
        from config_node n
        cross join unnest(n.workers_late) as w (name)
        where n.seen_at > $1
        group by w.name, n.name
        union all
        select t.kind, n.name, count(*)
        from config_node n
        cross join unnest(n.troubles) as t (kind)
        where n.seen_at > $1
        group by t.kind, n.name
        union all
        select 'key_missing', k.provider || ' on ' || n.name, count(*)
        from config_node n
        cross join unnest(n.keyless) as k (provider)
        where n.seen_at > $1
        group by k.provider, n.name
        "#,
        now - TimeDelta::seconds(GONE_AFTER_S)
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    Ok(rows.map(|row| (row.kind, row.object, row.count)).collect())
}
