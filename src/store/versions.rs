//! The configuration's versions: what is in force, what was, and what was seen and never came into
//! force.

use std::fmt;

use crate::domain::clock::Timestamp;
use crate::domain::id::{ConfigHash, ProviderId};
use crate::store::{Store, StoreError, Tx};

/// Versions whose text is kept, beside those that a panel with something open was last named in.
const TEXTS_MAX: i64 = 100;
/// Versions of which at least the hash is kept.
const VERSIONS_MAX: i64 = 10_000;
/// Refused and waiting texts that are kept.
const EDITS_MAX: i64 = 100;

/// A configuration that is or was in force.
#[derive(Clone, PartialEq, Eq)]
pub struct Version {
    /// Grows with every publication.
    pub id: i64,
    /// Of its text.
    pub hash: ConfigHash,
    /// Its text; may hold a password.
    pub body: String,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("id", &self.id)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// A text that is to come into force.
#[derive(Clone, Copy)]
pub struct Publication<'p> {
    /// Of its text.
    pub hash: &'p ConfigHash,
    /// The text.
    pub body: &'p str,
    /// The panels that it names.
    pub providers: &'p [ProviderId],
    /// Who publishes it.
    pub by: &'p str,
    /// Why.
    pub reason: &'p str,
}

/// What became of a text that is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditState {
    /// It is wrong.
    Refused,
    /// It is right, and waits for `apply`.
    Waiting,
}

impl EditState {
    /// The word that the database uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Waiting => "waiting",
        }
    }
}

/// A text that is no version.
#[derive(Clone, Copy)]
pub struct Edit<'e> {
    /// Of its bytes.
    pub hash: &'e ConfigHash,
    /// Where there is one to keep.
    pub body: Option<&'e str>,
    /// What became of it.
    pub state: EditState,
    /// The complaints, or the dangers.
    pub said: &'e [String],
    /// Who saw it.
    pub by: &'e str,
}

/// A line of the history: a version, or a text that is none.
#[derive(Clone, Debug)]
pub struct HistoryRow {
    /// Of the text.
    pub hash: ConfigHash,
    /// `in force`, `was in force`, `refused` or `waiting`.
    pub state: String,
    /// When it was published or seen.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why it was published.
    pub reason: String,
    /// The complaints, or the dangers.
    pub said: Vec<String>,
}

/// The number and hash of the newest version.
pub async fn find_newest(store: &Store) -> Result<Option<(i64, ConfigHash)>, StoreError> {
    let row = sqlx::query!("select id, hash from config_version order by id desc limit 1");
    Ok(row
        .fetch_optional(&store.workers)
        .await?
        .map(|row| (row.id, ConfigHash(row.hash))))
}

/// The hash of the newest version, as a transaction sees it.
pub async fn newest_in(tx: &mut Tx) -> Result<Option<ConfigHash>, StoreError> {
    let hash = sqlx::query_scalar!("select hash from config_version order by id desc limit 1");
    Ok(hash.fetch_optional(&mut **tx).await?.map(ConfigHash))
}

/// The hash of the newest version, which stays that until the transaction ends.
pub async fn newest_held(tx: &mut Tx) -> Result<Option<ConfigHash>, StoreError> {
    only_one(tx).await?;
    let hash = sqlx::query_scalar!("select hash from config_version order by id desc limit 1");
    Ok(hash.fetch_optional(&mut **tx).await?.map(ConfigHash))
}

/// Makes this transaction the only one that publishes.
async fn only_one(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query!("select pg_advisory_xact_lock('config_version'::regclass::oid::integer, 0)")
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The version in force.
pub async fn in_force(store: &Store) -> Result<Option<Version>, StoreError> {
    let row = sqlx::query!(
        r#"select id, hash, body as "body!" from config_version where body is not null
            order by id desc limit 1"#
    );

    let row = row.fetch_optional(&store.workers).await?;
    Ok(row.map(|row| Version {
        id: row.id,
        hash: ConfigHash(row.hash),
        body: row.body,
    }))
}

/// The version that was in force before the present one, where its text is kept.
pub async fn find_before(store: &Store) -> Result<Option<Version>, StoreError> {
    let row = sqlx::query!(
        r#"
        select id, hash, body as "body!"
        from config_version
        where body is not null
            and hash <> (select hash from config_version order by id desc limit 1)
        order by id desc
        limit 1
        "#
    );

    let row = row.fetch_optional(&store.workers).await?;
    Ok(row.map(|row| Version {
        id: row.id,
        hash: ConfigHash(row.hash),
        body: row.body,
    }))
}

/// Whether a text of that hash was ever in force, and its text where that is kept.
pub async fn find_version(
    store: &Store,
    hash: &str,
) -> Result<Option<Option<Version>>, StoreError> {
    let row = sqlx::query!(
        "select id, hash, body from config_version where hash = $1 order by body is null, id desc \
         limit 1",
        hash
    );

    let row = row.fetch_optional(&store.workers).await?;
    Ok(row.map(|row| {
        row.body.map(|body| Version {
            id: row.id,
            hash: ConfigHash(row.hash),
            body,
        })
    }))
}

/// Whether a text of that hash came into force as this version or a later one.
pub async fn is_since(store: &Store, hash: &ConfigHash, version: i64) -> Result<bool, StoreError> {
    let since = sqlx::query_scalar!(
        r#"select exists (select from config_version where hash = $1 and id >= $2) as "since!""#,
        hash.0,
        version
    );

    Ok(since.fetch_one(&store.workers).await?)
}

/// Publishes a text that was planned against a version; `None`: another one is in force by now
/// (perhaps this very text), and nothing was done. The number of the new version.
pub async fn publish_version(
    tx: &mut Tx,
    planned_against: Option<i64>,
    publication: Publication<'_>,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    // Two that were planned against the same version come one after the other, and the second finds
    // it gone.
    only_one(tx).await?;

    let Publication {
        hash,
        body,
        providers,
        by,
        reason,
    } = publication;

    let id = sqlx::query_scalar!(
        r#"
        insert into config_version (hash, body, published_at, published_by, reason)
        select $2, $3, $4, $5, $6
        where (select max(id) from config_version) is not distinct from $1
            and $2 is distinct from (select hash from config_version order by id desc limit 1)
        returning id
        "#,
        planned_against,
        hash.0,
        body,
        now,
        by,
        reason
    );

    let Some(id) = id.fetch_optional(&mut **tx).await? else {
        return Ok(None);
    };

    let ids: Vec<String> = providers
        .iter()
        .map(|provider| provider.0.clone())
        .collect();

    let named = sqlx::query!(
        "update provider set named_in = $1 where id = any ($2::text[])",
        id,
        &ids
    );

    if named.execute(&mut **tx).await?.rows_affected() != ids.len() as u64 {
        return Err(StoreError::Unexpected(
            "a configuration names a panel that nobody knows",
        ));
    }

    forget_versions(tx).await?;
    Ok(Some(id))
}

/// Keeps the history bounded. The texts that panels were last named in stay.
async fn forget_versions(tx: &mut Tx) -> Result<(), StoreError> {
    let texts = sqlx::query!(
        r#"
        update config_version
        set body = null
        where body is not null
            and id <= (select id from config_version where body is not null
                order by id desc offset $1 limit 1)
            and not exists (select from provider p where p.named_in = config_version.id)
        "#,
        TEXTS_MAX
    );

    texts.execute(&mut **tx).await?;
    let versions = sqlx::query!(
        r#"
        delete from config_version
        where body is null
            and id <= (select id from config_version order by id desc offset $1 limit 1)
        "#,
        VERSIONS_MAX
    );

    versions.execute(&mut **tx).await?;
    Ok(())
}

/// Takes passwords and keys out of the texts that were kept before such texts were refused, each
/// once. The version in force is what every process serves, word for word: it comes when it is in
/// force no more.
pub async fn mask_kept(store: &Store, mask: impl Fn(&str) -> String) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let edits = sqlx::query!("select id, body from config_edit where not masked for update");
    for edit in edits.fetch_all(&mut *tx).await? {
        let body = edit.body.map(|body| mask(&body));
        sqlx::query!(
            "update config_edit set body = $2, masked = true where id = $1",
            edit.id,
            body
        )
        .execute(&mut *tx)
        .await?;
    }

    let versions = sqlx::query!(
        r#"
        select id
        from config_version
        where not masked and id < (select max(id) from config_version)
        order by id
        for update
        "#
    );

    for version in versions.fetch_all(&mut *tx).await? {
        let body = sqlx::query_scalar!("select body from config_version where id = $1", version.id);
        let body = body.fetch_one(&mut *tx).await?.map(|body| mask(&body));

        sqlx::query!(
            "update config_version set body = $2, masked = true where id = $1",
            version.id,
            body
        )
        .execute(&mut *tx)
        .await?;
    }

    Ok(tx.commit().await?)
}

/// Keeps a text that is no version in the history; the newest one again, seen by the same, is kept
/// once.
pub async fn keep_edit(store: &Store, edit: Edit<'_>, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let kept = sqlx::query!(
        r#"
        insert into config_edit (hash, body, state, said, seen_at, seen_by, masked)
        select $1::text, $2, $3::text, $4::text[], $5, $6::text, true
        where not exists (
            select
            from (select hash, state, said, seen_by from config_edit order by id desc
                limit 1) newest
            where newest.hash = $1 and newest.state = $3 and newest.said = $4
                and newest.seen_by = $6
        )
        "#,
        edit.hash.0,
        edit.body,
        edit.state.as_str(),
        edit.said,
        now,
        edit.by
    );

    kept.execute(&mut *tx).await?;
    let forgotten = sqlx::query!(
        "delete from config_edit where id <= (select id from config_edit order by id desc offset \
         $1 limit 1)",
        EDITS_MAX
    );

    forgotten.execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// The history, newest first, so many lines at most.
pub async fn list_history(store: &Store, rows_max: i64) -> Result<Vec<HistoryRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select hash as "hash!", state as "state!", at as "at!", by as "by!", reason as "reason!",
            said as "said!"
        from (
            select hash, published_at as at, published_by as by, reason, '{}'::text[] as said,
                case
                    when id = (select max(id) from config_version) then 'in force'
                    else 'was in force'
                end as state
            from config_version
            union all
            select hash, seen_at, seen_by, '', said, state
            from config_edit
        ) h
        order by at desc, state = 'in force' desc
        limit $1
        "#,
        rows_max
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| HistoryRow {
            hash: ConfigHash(row.hash),
            state: row.state,
            at: row.at,
            by: row.by,
            reason: row.reason,
            said: row.said,
        });

    Ok(rows.collect())
}

/// The text of a line of the history, where it is kept: of a version before that of an edit.
pub async fn read_text(store: &Store, hash: &ConfigHash) -> Result<Option<String>, StoreError> {
    let text = sqlx::query_scalar!(
        r#"
        select body as "body!"
        from (
            select body, 0 as place, id from config_version where hash = $1
            union all
            select body, 1, id from config_edit where hash = $1
        ) h
        where body is not null
        order by place, id desc
        limit 1
        "#,
        hash.0
    );

    Ok(text.fetch_optional(&store.workers).await?)
}

/// Panels of which something is open that the given ones do not name, each with the version that
/// last named it, where its text is kept.
///
/// Open is what is not sent, sent, in doubt or watched, and refills and cancels that wait for the
/// panel.
pub async fn left_behind(
    store: &Store,
    named: &[ProviderId],
) -> Result<Vec<(ProviderId, Option<Version>)>, StoreError> {
    let named: Vec<String> = named.iter().map(|provider| provider.0.clone()).collect();
    let rows = sqlx::query!(
        r#"
        select p.id, v.id as "version?", v.hash as "hash?", v.body
        from provider p
        left join config_version v on v.id = p.named_in
        where p.id <> all ($1::text[])
            and (
                exists (select from leg l where l.provider = p.id
                    and l.state in ('ready', 'leased', 'parked'))
                or exists (select from leg l where l.provider = p.id
                    and l.state in ('sending', 'in_doubt'))
                or exists (select from tracked_leg w where w.provider = p.id)
                or exists (select from refill r where r.provider = p.id and r.ended_at is null)
            )
        order by p.id
        "#,
        &named
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| {
            let version = match (row.version, row.hash, row.body) {
                (Some(id), Some(hash), Some(body)) => Some(Version {
                    id,
                    hash: ConfigHash(hash),
                    body,
                }),
                (_, _, _) => None,
            };

            (ProviderId(row.id), version)
        });

    Ok(rows.collect())
}
