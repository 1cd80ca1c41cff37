//! How often whom: the three layers that a request passes, in their order, and what is left of
//! each.
//!
//! The address is counted whatever it shows. What the key or the account is denied takes nothing
//! from either of them, so that a refusal never costs a customer an answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use uuid::Uuid;

use crate::customers::meter::{Bound, Meter, Subject};
use crate::domain::clock::SharedClock;
use crate::domain::customer::Caller;
use crate::domain::limit::LimitSettings;
use crate::domain::network::counted_as;
use crate::store::{Store, StoreError, limits};

/// Seconds of the window that everything is counted in.
const WINDOW_S: i64 = 60;

/// The layer that denied a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The address that it came from.
    Address,
    /// The key that it showed.
    Key,
    /// The account, over all its keys.
    Tier,
}

/// Where a caller stands: by the key's limit, or by the address's as long as nobody knows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStanding {
    /// Requests of a minute.
    pub limit: u32,
    /// Of them, how many are left.
    pub remaining: u32,
    /// When the window ends, in seconds since 1970.
    pub resets_at_s: i64,
    /// What is left of the account's limit.
    pub tier_remaining: Option<u32>,
}

/// A request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// By whom.
    pub by: Layer,
    /// Where the caller stands.
    pub standing: RateStanding,
    /// In how many seconds the window ends.
    pub retry_after_s: u32,
}

/// The counts of a process, which shares the limits with every other one that has an open door.
#[derive(Clone, Debug)]
pub struct Pace(Arc<PaceState>);

#[derive(Debug)]
struct PaceState {
    store: Store,
    clock: SharedClock,
    node: Uuid,
    doors: AtomicU32,
    swept: AtomicI64,
    addresses: Meter,
    keys: Meter,
    tiers: Meter,
}

impl Pace {
    /// Nothing counted yet; alone until it has knocked.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        let (addresses, keys, tiers) = (Meter::default(), Meter::default(), Meter::default());
        let (doors, swept) = (AtomicU32::new(1), AtomicI64::new(0));

        Self(Arc::new(PaceState {
            store,
            clock,
            node: Uuid::now_v7(),
            doors,
            swept,
            addresses,
            keys,
            tiers,
        }))
    }

    /// Counts a request of an address.
    pub async fn address(
        &self,
        address: IpAddr,
        settings: &LimitSettings,
    ) -> Result<RateStanding, Denied> {
        let (inner, subject) = (&*self.0, Subject::Address(counted_as(address)));
        let (window, bound) = inner.window(settings.per_address);
        let count = inner.addresses.take(&inner.store, subject, bound).await;
        let standing = window.standing(bound, count.remaining, None);

        if count.within {
            Ok(standing)
        } else {
            Err(window.denied(Layer::Address, standing))
        }
    }

    /// Counts a request of a key and of its account.
    pub async fn caller(
        &self,
        caller: &Caller,
        settings: &LimitSettings,
    ) -> Result<RateStanding, Denied> {
        let inner = &*self.0;
        let (key, tier) = (Subject::Key(caller.key), Subject::Tier(caller.customer));
        let (window, of_key) = inner.window(settings.of_key(caller));
        let of_tier = Bound {
            most: settings.of_tier(caller),
            ..of_key
        };

        let by_key = inner.keys.take(&inner.store, key, of_key).await;
        if !by_key.within {
            let left = inner.tiers.remaining(tier, of_tier);
            return Err(window.denied(Layer::Key, window.standing(of_key, 0, Some(left))));
        }

        let by_tier = inner.tiers.take(&inner.store, tier, of_tier).await;
        if !by_tier.within {
            inner.keys.give_back(key, of_key);
            let left = inner.keys.remaining(key, of_key);
            return Err(window.denied(Layer::Tier, window.standing(of_key, left, Some(0))));
        }

        Ok(window.standing(of_key, by_key.remaining, Some(by_tier.remaining)))
    }

    /// Where a caller stands; counts nothing.
    pub fn look(&self, caller: &Caller, settings: &LimitSettings) -> RateStanding {
        let inner = &*self.0;
        let (window, of_key) = inner.window(settings.of_key(caller));
        let of_tier = Bound {
            most: settings.of_tier(caller),
            ..of_key
        };

        let left = inner
            .tiers
            .remaining(Subject::Tier(caller.customer), of_tier);

        window.standing(
            of_key,
            inner.keys.remaining(Subject::Key(caller.key), of_key),
            Some(left),
        )
    }

    /// Tells the other processes that this one has an open door, and learns how many share the
    /// limits. Once a minute what was counted in earlier ones is forgotten.
    pub async fn knock(&self) -> Result<(), StoreError> {
        let inner = &*self.0;
        let doors = limits::announce_door(&inner.store, inner.node).await?;
        let before = inner.doors.swap(
            u32::try_from(doors).unwrap_or(u32::MAX).max(1),
            Ordering::Relaxed,
        );

        if i64::from(before) != doors {
            tracing::info!(doors, "so many processes share the limits now");
        }

        let (_, bound) = inner.window(1);
        if inner.swept.swap(bound.minute, Ordering::Relaxed) < bound.minute {
            for meter in [&inner.addresses, &inner.keys, &inner.tiers] {
                meter.forget_before(bound.minute);
            }
            // The minute before is kept: a node whose clock is late is still in it.
            limits::forget_before(&inner.store, bound.minute - 1).await?;
        }

        Ok(())
    }

    /// Tells the other processes that this one's door is shut.
    pub async fn leave(&self) -> Result<(), StoreError> {
        limits::close_door(&self.0.store, self.0.node).await
    }
}

/// The window that a request falls into.
#[derive(Clone, Copy)]
struct Window {
    now_s: i64,
    resets_at_s: i64,
}

impl PaceState {
    fn window(&self, most: u32) -> (Window, Bound) {
        let now_s = self.clock.now().timestamp();
        let minute = now_s.div_euclid(WINDOW_S);
        let window = Window {
            now_s,
            resets_at_s: (minute + 1) * WINDOW_S,
        };

        (
            window,
            Bound {
                minute,
                most,
                doors: self.doors.load(Ordering::Relaxed),
            },
        )
    }
}

impl Window {
    fn standing(self, bound: Bound, remaining: u32, tier_remaining: Option<u32>) -> RateStanding {
        RateStanding {
            limit: bound.most,
            remaining,
            resets_at_s: self.resets_at_s,
            tier_remaining,
        }
    }

    fn denied(self, by: Layer, standing: RateStanding) -> Denied {
        // At least one: the second that has begun is not over.
        let retry_after_s = u32::try_from(self.resets_at_s - self.now_s).unwrap_or(1);

        Denied {
            by,
            standing,
            retry_after_s,
        }
    }
}
