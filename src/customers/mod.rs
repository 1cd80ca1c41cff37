//! Customers: opened, found by their keys, their wallets looked at.

pub mod keys;

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::domain::customer::Caller;
use crate::domain::id::CustomerId;
use crate::domain::money::Money;
use crate::domain::refusal::Refusal;
use crate::store::{Store, StoreError, customers};

/// How long a key that works is believed without asking: a revocation is effective everywhere within this.
const KNOWN_FOR: Duration = Duration::from_millis(900);
/// How long a key that does not work is remembered, so that hammering with it never reaches the database.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// Keys remembered of each kind; the least used go first.
const REMEMBERED_MAX: u64 = 100_000;

/// Who calls, and what they hold.
#[derive(Clone, Debug)]
pub struct Customers {
    store: Store,
    known: Cache<[u8; 32], Caller>,
    // Apart from the known ones, so that a flood of wrong keys drives no good one out.
    unknown: Cache<[u8; 32], ()>,
}

impl Customers {
    /// Customers of a database.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            known: Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(KNOWN_FOR).build(),
            unknown: Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(UNKNOWN_FOR).build(),
        }
    }

    /// Who shows this key. Unknown and revoked ones are the same, and a suspended account is told by the caller.
    pub async fn caller(&self, key: &str) -> Result<Caller, Refusal> {
        let digest = keys::digest(key);
        if self.unknown.contains_key(&digest) {
            return Err(Refusal::InvalidKey);
        }
        // Many requests with one key at once ask the database once; whoever asks may hang up, the look-up goes on
        // with the next who waits.
        let found = self.known.try_get_with(digest, async {
            match customers::caller(&self.store, &digest).await {
                Ok(Some(caller)) => Ok(caller),
                Ok(None) => {
                    self.unknown.insert(digest, ()).await;
                    Err(Refusal::InvalidKey)
                }
                Err(error) => Err(refused(&error)),
            }
        });
        found.await.map_err(|refusal: Arc<Refusal>| (*refusal).clone())
    }

    /// What a customer's wallet holds at this moment.
    pub async fn balance(&self, customer: CustomerId) -> Result<Money, Refusal> {
        customers::balance(&self.store, customer).await.map_err(|error| refused(&error))
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
