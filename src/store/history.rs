//! Whether the database is the one that this process knows, and no younger than when it looked
//! last.
//!
//! A base backup that is started in the server's place, or a standby that lags behind and is
//! promoted, is the same database at an earlier moment: what was sent since is waiting to be sent
//! again. So each heartbeat raises a counter and remembers it; no connection is used before its
//! counter was looked at, and no leg is marked as sent in a database whose counter is lower. Beside
//! it stand the server's own signs, where it tells them: the cluster's identifier, and the
//! timeline, which moves with each promotion.
//!
//! A restored backup draws another incarnation: whoever worked on what was there before stops.

use std::io;
use std::sync::{Mutex, PoisonError};

use sqlx::Error;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::store::pool::{Pool, Tx};
use crate::store::{Store, StoreError};

/// What is told of the database at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HistoryState {
    incarnation: Uuid,
    beats: i64,
    cluster: Option<Cluster>,
}

/// The server's own signs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cluster {
    system: String,
    timeline: String,
}

/// How far the database had come when this process looked last; what is marked in it is no younger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownHistory {
    /// Which database it is.
    pub incarnation: Uuid,
    /// What its counter was at least.
    pub beats: i64,
}

/// What happened to the database under a living process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It went back in time: what was committed since is not there.
    Back {
        /// The heartbeats that this process knows of.
        known: i64,
        /// Those that the database knows of.
        found: i64,
    },
    /// Another server, or a standby that was promoted, took over; no less is there, as far as this
    /// process can tell.
    Over {
        /// What is different.
        signs: String,
    },
    /// A backup was put in its place by `panelgate restore`.
    Replaced,
}

impl std::fmt::Display for Turned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Back { known, found } => write!(
                f,
                "it went back in time: it knows {found} heartbeats, and {known} were seen (a base \
                 backup or a standby that lagged behind is in its place)"
            ),
            Self::Over { signs } => write!(f, "another server took over: {signs}"),
            Self::Replaced => write!(f, "a backup was restored in its place"),
        }
    }
}

/// What this process saw of the database, and whether that is still so.
#[derive(Debug, Default)]
pub(super) struct History {
    seen: Mutex<Option<HistoryState>>,
    turned: Mutex<Option<Turned>>,
}

impl History {
    /// How far the database had come; `None` before the first heartbeat.
    pub(super) fn known(&self) -> Option<KnownHistory> {
        let seen = self.seen();
        seen.map(|seen| KnownHistory {
            incarnation: seen.incarnation,
            beats: seen.beats,
        })
    }

    pub(super) fn has_turned(&self) -> bool {
        self.turned().is_some()
    }

    pub(super) fn turned(&self) -> Option<Turned> {
        self.turned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn seen(&self) -> Option<HistoryState> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Believes what was found, if it is as it must be after `before`.
    fn learn(&self, before: Option<&HistoryState>, found: HistoryState) -> Result<(), Turned> {
        let turned = before.and_then(|before| judge_history(before, &found));
        if let Some(turned) = turned {
            let mut known = self.turned.lock().unwrap_or_else(PoisonError::into_inner);

            // What was worse stays: a database that is another one tells nothing of the first.
            if *known != Some(Turned::Replaced) {
                *known = Some(turned.clone());
            }
            return Err(turned);
        }

        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let beats = seen
            .as_ref()
            .map_or(found.beats, |seen| seen.beats.max(found.beats));

        *seen = Some(HistoryState { beats, ..found });
        Ok(())
    }

    /// Looks at a connection before anything is done over it.
    pub(super) async fn check_connection(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), Error> {
        // Before anything is asked: what is seen meanwhile need not be in the answer.
        let Some(before) = self.seen() else {
            return Ok(());
        };

        let refused = |why: String| Err(Error::Io(io::Error::other(why)));

        let standby = sqlx::query_scalar!(r#"select pg_is_in_recovery() as "standby!""#);
        if standby.fetch_one(&mut *connection).await? {
            return refused("the server is a standby, which cannot be written to".to_owned());
        }

        let cluster = match before.cluster {
            Some(_) => Some(read_cluster(&mut *connection).await?),
            None => None,
        };

        let row = sqlx::query!("select id, beats from incarnation");
        let row = row.fetch_one(connection).await?;
        let found = HistoryState {
            incarnation: row.id,
            beats: row.beats,
            cluster,
        };

        match self.learn(Some(&before), found) {
            Ok(()) => Ok(()),
            Err(turned) => refused(format!("nothing is done over this connection: {turned}")),
        }
    }

    /// One heartbeat more.
    pub(super) async fn beat(&self, pool: &Pool) -> Result<(), StoreError> {
        if self.has_turned() {
            return Ok(());
        }

        let before = self.seen();
        let tells_cluster = before
            .as_ref()
            .is_none_or(|before| before.cluster.is_some());

        let cluster = match read_cluster(pool).await {
            _ if !tells_cluster => None,
            Ok(cluster) => Some(cluster),
            // It may not be asked, or the server knows no such things.
            Err(error) if error.as_database_error().is_some() && before.is_none() => None,
            Err(error) => return Err(error.into()),
        };

        let raised = sqlx::query!("update incarnation set beats = beats + 1 returning id, beats");
        let row = raised.fetch_one(pool).await?;
        let found = HistoryState {
            incarnation: row.id,
            beats: row.beats,
            cluster,
        };

        // What came of it is kept.
        let _ = self.learn(before.as_ref(), found);
        Ok(())
    }

    /// Goes on from what was found, and knows nothing of what was before.
    fn begin_anew(&self, found: HistoryState) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn read_cluster<'e>(
    executor: impl sqlx::Executor<'e, Database = sqlx::Postgres>,
) -> Result<Cluster, Error> {
    // A segment's name begins with the timeline, at once after a promotion; the control file knows
    // of it only after the next checkpoint.
    let row = sqlx::query!(
        r#"
        select system_identifier::text as "system!",
            left(pg_walfile_name(pg_current_wal_lsn()), 8) as "timeline!"
        from pg_control_system()
        "#
    );

    let row = row.fetch_one(executor).await?;
    Ok(Cluster {
        system: row.system,
        timeline: row.timeline,
    })
}

fn judge_history(before: &HistoryState, found: &HistoryState) -> Option<Turned> {
    if before.incarnation != found.incarnation {
        return Some(Turned::Replaced);
    }

    if found.beats < before.beats {
        return Some(Turned::Back {
            known: before.beats,
            found: found.beats,
        });
    }

    let (before, found) = (before.cluster.as_ref()?, found.cluster.as_ref()?);
    let signs = if before.system != found.system {
        format!(
            "its system identifier is {} and was {}",
            found.system, before.system
        )
    } else if before.timeline != found.timeline {
        format!(
            "its timeline is {} and was {}",
            found.timeline, before.timeline
        )
    } else {
        return None;
    };

    Some(Turned::Over { signs })
}

/// What is to be set right, in the transaction that does so.
#[derive(Debug)]
pub struct Reckoning {
    /// What happened.
    pub turned: Turned,
    found: HistoryState,
}

/// Begins to set right what a turn of the database's history brought, over the one connection that
/// may still speak to it. Others who do so wait for this one's end, and find that it is done.
/// `None`: there is nothing to set right, or nothing that this process may touch.
pub async fn begin_reckoning(store: &Store) -> Result<Option<(Tx, Reckoning)>, StoreError> {
    let history = &store.history;
    let turned = history.turned();
    if matches!(turned, None | Some(Turned::Replaced)) {
        return Ok(None);
    }

    let Some(before) = history.seen() else {
        return Ok(None);
    };

    let mut tx = store.heartbeat.within(super::STATEMENT_MAX).begin().await?;
    let row = sqlx::query!("select id, beats from incarnation for update");
    let row = row.fetch_one(&mut *tx).await?;

    let cluster = match before.cluster {
        Some(_) => Some(read_cluster(&mut *tx).await?),
        None => None,
    };

    let found = HistoryState {
        incarnation: row.id,
        beats: row.beats,
        cluster,
    };

    match judge_history(&before, &found) {
        Some(Turned::Replaced) => {
            let _ = history.learn(Some(&before), found);
            Ok(None)
        }
        Some(turned) => Ok(Some((tx, Reckoning { turned, found }))),
        // Somebody else set it right; what this process alone knows is still to be done.
        None => {
            let signs = "another node saw it first".to_owned();
            let turned = Turned::Over { signs };
            Ok(Some((tx, Reckoning { turned, found })))
        }
    }
}

/// Commits it: from now on this process goes by what is there, and so does everybody who has seen
/// less of it.
pub async fn end_reckoning(
    store: &Store,
    mut tx: Tx,
    reckoning: Reckoning,
) -> Result<(), StoreError> {
    let seen = store.history.known().map_or(0, |known| known.beats);
    let beats = reckoning.found.beats.max(seen) + BEATS_SKIPPED;
    let raised = sqlx::query!("update incarnation set beats = $1", beats);
    raised.execute(&mut *tx).await?;
    tx.commit().await?;

    store.history.begin_anew(HistoryState {
        beats,
        ..reckoning.found
    });

    Ok(())
}

/// More heartbeats than others can have seen beyond those that this process saw.
const BEATS_SKIPPED: i64 = 1_000_000_000;

/// Draws another incarnation: whoever worked on what was here before stops.
pub async fn draw_incarnation(tx: &mut Tx) -> Result<(), StoreError> {
    let drawn = sqlx::query!(
        "update incarnation set id = gen_random_uuid(), beats = beats + $1",
        BEATS_SKIPPED
    );

    match drawn.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "there is not one row that says which database this is",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(incarnation: u128, beats: i64, cluster: Option<(&str, &str)>) -> HistoryState {
        let cluster = cluster.map(|(system, timeline)| Cluster {
            system: system.to_owned(),
            timeline: timeline.to_owned(),
        });

        HistoryState {
            incarnation: Uuid::from_u128(incarnation),
            beats,
            cluster,
        }
    }

    #[test]
    fn what_goes_on_is_told_from_what_went_back_was_taken_over_or_replaced() {
        let before = sight(1, 10, Some(("7", "01")));
        let told = |found: HistoryState| judge_history(&before, &found);

        assert_eq!(told(sight(1, 10, Some(("7", "01")))), None);
        assert_eq!(
            told(sight(1, 11, None)),
            None,
            "the counter alone is enough"
        );

        assert_eq!(
            told(sight(2, 99, Some(("7", "01")))),
            Some(Turned::Replaced)
        );

        let back = Turned::Back {
            known: 10,
            found: 9,
        };

        assert_eq!(told(sight(1, 9, Some(("8", "02")))), Some(back));
        let over = |found| matches!(told(found), Some(Turned::Over { .. }));
        assert!(over(sight(1, 10, Some(("8", "01")))), "another cluster");
        assert!(over(sight(1, 10, Some(("7", "02")))), "a promotion");
    }

    #[test]
    fn what_was_seen_never_falls_by_an_answer_that_comes_late() {
        let history = History::default();
        history.learn(None, sight(1, 10, None)).unwrap();
        let before = history.seen();
        history.learn(before.as_ref(), sight(1, 12, None)).unwrap();
        history.learn(before.as_ref(), sight(1, 11, None)).unwrap();
        assert_eq!(history.known().unwrap().beats, 12);

        assert!(
            history
                .learn(history.seen().as_ref(), sight(1, 11, None))
                .is_err()
        );

        assert!(history.has_turned());
    }
}
