//! Customers: opened, found by their keys, their wallets looked at.

pub mod keys;
pub mod meter;
pub mod pace;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use moka::future::Cache;

use crate::domain::clock::{SharedClock, Timestamp};
use crate::domain::customer::Caller;
use crate::domain::id::{CustomerId, KeyId};
use crate::domain::money::Money;
use crate::domain::refusal::Refusal;
use crate::store::{Store, StoreError, customers, keys as stored};

/// How long a key that works is believed without asking: a revocation is effective everywhere
/// within this.
const KNOWN_FOR: Duration = Duration::from_millis(900);
/// How long a key that does not work is remembered, so that hammering with it never reaches the
/// database.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// Keys remembered of each kind; the least used go first.
const REMEMBERED_MAX: u64 = 100_000;
/// Uses that are written down in one statement.
const USES_AT_ONCE: usize = 1_000;
/// Keys whose last use waits to be written down; that of others is not noted until there is room.
const USES_MAX: usize = 100_000;

/// Who calls, and what they hold.
#[derive(Clone, Debug)]
pub struct Customers {
    store: Store,
    known: Cache<[u8; 32], Caller>,
    // Apart from the known ones, so that a flood of wrong keys drives no good one out. With the
    // news as they were when the key was asked for: a key that began since may be it.
    unknown: Cache<[u8; 32], i64>,
    news: Arc<AtomicI64>,
    uses: Arc<DashMap<KeyId, Timestamp>>,
    clock: SharedClock,
}

impl Customers {
    /// Customers of a database.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self {
            store,
            news: Arc::default(),
            uses: Arc::default(),
            clock,
            known: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_live(KNOWN_FOR)
                .build(),
            unknown: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_live(UNKNOWN_FOR)
                .build(),
        }
    }

    /// Who shows this key. Unknown and revoked ones are the same, and a suspended account is told
    /// by the caller.
    pub async fn caller(&self, key: &str) -> Result<Caller, Refusal> {
        let digest = keys::key_digest(key);
        let news = self.news.load(Ordering::Acquire);
        if self.unknown.get(&digest).await == Some(news) {
            return Err(Refusal::InvalidKey);
        }

        // Many requests with one key at once ask the database once; whoever asks may hang up, the
        // look-up goes on with the next who waits.
        let found = self.known.try_get_with(digest, async {
            match customers::find_caller(&self.store, &digest).await {
                Ok(Some(caller)) => Ok(caller),
                Ok(None) => {
                    self.unknown.insert(digest, news).await;
                    Err(Refusal::InvalidKey)
                }
                Err(error) => Err(refused(&error)),
            }
        });

        found
            .await
            .map_err(|refusal: Arc<Refusal>| (*refusal).clone())
    }

    /// Hears whether keys began since the last time; those that were tried before then work now.
    pub async fn hear_news(&self) -> Result<(), StoreError> {
        self.news
            .store(stored::newest_key(&self.store).await?, Ordering::Release);
        Ok(())
    }

    /// Remembers that a key was used just now, to be written down later.
    pub fn note_use(&self, caller: &Caller) {
        if let Some(mut use_) = self.uses.get_mut(&caller.key) {
            *use_ = self.clock.now();
        } else if self.uses.len() < USES_MAX {
            self.uses.insert(caller.key, self.clock.now());
        }
    }

    /// Writes down when keys were last used.
    pub async fn write_uses(&self) -> Result<(), StoreError> {
        let uses: Vec<_> = self
            .uses
            .iter()
            .map(|entry| (*entry.key(), *entry.value()))
            .collect();

        for batch in uses.chunks(USES_AT_ONCE) {
            stored::note_used(&self.store, batch).await?;
            for (key, at) in batch {
                self.uses.remove_if(key, |_, last| last == at);
            }
        }

        Ok(())
    }

    /// What a customer's wallet holds at this moment.
    pub async fn balance(&self, customer: CustomerId) -> Result<Money, Refusal> {
        customers::read_balance(&self.store, customer)
            .await
            .map_err(|error| refused(&error))
    }
}

/// What a customer is told of the database's trouble; the operator is told the rest, here and once.
pub fn refused(error: &StoreError) -> Refusal {
    if error.is_away() {
        tracing::warn!(%error, "a request found the database away");
        Refusal::Away
    } else {
        tracing::error!(%error, "a request found the database broken");
        Refusal::Broken
    }
}
