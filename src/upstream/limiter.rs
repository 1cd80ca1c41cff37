//! What stands round one panel: how many calls at once, how many a second, and none while it asked
//! to be left alone.
//!
//! Tower offers the first two as layers (`limit`), but a layer waits within the call, and here the
//! intent to send is committed between the waiting and the call: so the places are given out as
//! slots.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore,
};

use crate::domain::clock::Timestamp;
use crate::upstream::rest::Rest;

/// Which part of a second's calls may leave together: evenly spaced calls never run into a panel's
/// own limit, while a fast panel's calls need not be spaced more finely than timers can.
const BURST_PARTS_PER_SECOND: u32 = 10;

/// One panel's places and pace. They outlive a change of the panel's block, so that the limits hold
/// through it.
#[derive(Debug)]
pub(super) struct CallLimiter {
    /// Few calls in flight: panels run on small hosts, and every call in flight may become a
    /// doubt.
    places: Arc<Places>,
    concurrent_max: NonZeroU32,
    /// Panels block those who ask too often, by key or by address; calls of every kind count.
    pace: Arc<DefaultDirectRateLimiter>,
    requests_per_second: NonZeroU32,
    /// The panel's own word counts more than what was configured, and holds for calls of every
    /// kind too.
    rest: Arc<Mutex<Rest>>,
    /// Shared by those who are sending an order, and held alone by whoever wants to look while
    /// none is being sent.
    sending: Arc<RwLock<()>>,
}

/// An order is being sent as long as this is held, its answer written down included.
pub type Sending = OwnedRwLockReadGuard<()>;
/// No order is being sent as long as this is held.
pub type Quiet = OwnedRwLockWriteGuard<()>;

/// The places, and how many of those that are taken are not given back, because the limit was
/// lowered meanwhile.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    too_many: AtomicUsize,
}

impl Places {
    fn add(&self, places: usize) {
        let kept = self
            .too_many
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |many| {
                Some(many.saturating_sub(places))
            });

        self.free
            .add_permits(places - places.min(kept.unwrap_or(0)));
    }

    fn remove(&self, places: usize) {
        let taken = places - self.free.forget_permits(places);
        self.too_many.fetch_add(taken, Ordering::AcqRel);
    }
}

/// A place among the calls in flight and a moment at which one may leave; given back when dropped.
#[derive(Debug)]
#[must_use = "a slot that is dropped gives its place back"]
pub struct Slot {
    place: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let one_less = |many: usize| many.checked_sub(1);
        let too_many = self
            .places
            .too_many
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less)
            .is_ok();

        if let Some(place) = self.place.take().filter(|_| too_many) {
            place.forget();
        }
    }
}

impl CallLimiter {
    pub(super) fn new(concurrent_max: NonZeroU32, requests_per_second: NonZeroU32) -> Self {
        let free = Arc::new(Semaphore::new(as_places(concurrent_max)));
        let places = Arc::new(Places {
            free,
            too_many: AtomicUsize::new(0),
        });

        Self {
            places,
            concurrent_max,
            pace: requests_pace(requests_per_second),
            requests_per_second,
            rest: Arc::default(),
            sending: Arc::default(),
        }
    }

    /// The same places, pace and rest under these limits: what is out counts on, and a lower limit
    /// is reached as calls end.
    pub(super) fn under(
        &self,
        concurrent_max: NonZeroU32,
        requests_per_second: NonZeroU32,
    ) -> Self {
        let (before, after) = (as_places(self.concurrent_max), as_places(concurrent_max));
        if after > before {
            self.places.add(after - before);
        } else {
            self.places.remove(before - after);
        }

        let paced = self.requests_per_second == requests_per_second;
        let pace = if paced {
            Arc::clone(&self.pace)
        } else {
            requests_pace(requests_per_second)
        };

        Self {
            places: Arc::clone(&self.places),
            concurrent_max,
            pace,
            requests_per_second,
            rest: Arc::clone(&self.rest),
            sending: Arc::clone(&self.sending),
        }
    }

    /// Until when the panel is left alone, if it is.
    pub(super) fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.rest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .until(now)
    }

    /// The panel found us too fast, or named a wait.
    pub(super) fn too_fast(&self, named: Option<Duration>, now: Timestamp) {
        self.change(|rest| rest.after_too_fast(named, now));
    }

    /// The panel answered otherwise.
    pub(super) fn answered(&self) {
        self.change(Rest::after_answer);
    }

    /// Whoever asked the panel before us was told to leave it alone until then.
    pub(super) fn rest(&self, until: Timestamp) {
        self.change(|rest| rest.and_until(Some(until)));
    }

    fn change(&self, change: impl FnOnce(Rest) -> Rest) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        *rest = change(*rest);
    }

    /// Waits for a place, then for the pace: in this order at most as many wait for the pace as
    /// there are places, and the places are given out first come, first served.
    pub(super) async fn slot(&self) -> Slot {
        let place = Arc::clone(&self.places.free)
            .acquire_owned()
            .await
            .expect("the places are never closed");

        let slot = Slot {
            place: Some(place),
            places: Arc::clone(&self.places),
        };

        self.pace.until_ready().await;
        slot
    }

    /// An order is about to be sent; waits while somebody looks in quiet.
    pub(super) async fn sending(&self) -> Sending {
        Arc::clone(&self.sending).read_owned().await
    }

    /// Waits until no order is being sent, so long at most, and lets none begin meanwhile.
    pub(super) async fn quiet(&self, patience: Duration) -> Option<Quiet> {
        let quiet = Arc::clone(&self.sending).write_owned();
        tokio::time::timeout(patience, quiet).await.ok()
    }
}

fn as_places(concurrent_max: NonZeroU32) -> usize {
    usize::try_from(concurrent_max.get())
        .unwrap_or(Semaphore::MAX_PERMITS)
        .min(Semaphore::MAX_PERMITS)
}

fn requests_pace(requests_per_second: NonZeroU32) -> Arc<DefaultDirectRateLimiter> {
    let together = requests_per_second.get() / BURST_PARTS_PER_SECOND;
    let burst = NonZeroU32::new(together).unwrap_or(NonZeroU32::MIN);
    Arc::new(RateLimiter::direct(
        Quota::per_second(requests_per_second).allow_burst(burst),
    ))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn limiter(concurrent_max: u32, requests_per_second: u32) -> CallLimiter {
        CallLimiter::new(
            NonZeroU32::new(concurrent_max).unwrap(),
            NonZeroU32::new(requests_per_second).unwrap(),
        )
    }

    #[test]
    fn a_place_is_given_back_when_its_slot_is_dropped() {
        let limiter = limiter(2, 1_000);
        let first = limiter.slot().now_or_never().expect("a free place");
        let _second = limiter.slot().now_or_never().expect("a free place");
        assert!(limiter.slot().now_or_never().is_none(), "both are taken");
        drop(first);
        assert!(limiter.slot().now_or_never().is_some());
    }

    #[test]
    fn the_pace_holds_a_second_call_back() {
        let limiter = limiter(8, 1);
        assert!(limiter.slot().now_or_never().is_some());
        assert!(limiter.slot().now_or_never().is_none());

        assert_eq!(
            limiter.places.free.available_permits(),
            8,
            "who stopped waiting holds nothing"
        );
    }

    #[test]
    fn limits_hold_through_a_change() {
        let limit = |limit| NonZeroU32::new(limit).unwrap();
        let free = |limiter: &CallLimiter| {
            std::iter::from_fn(|| limiter.slot().now_or_never())
                .take(10)
                .collect::<Vec<_>>()
        };

        let before = limiter(4, 1_000);
        let mut out = free(&before);
        assert_eq!(out.len(), 4);
        let lower = before.under(limit(2), limit(1_000));
        out.truncate(3);
        assert!(free(&lower).is_empty(), "three are out where two may be");

        out.truncate(1);
        assert_eq!(free(&lower).len(), 1);
        let higher = lower.under(limit(3), limit(1_000));
        assert_eq!(free(&higher).len(), 2);
        drop(out);
        assert_eq!(free(&higher).len(), 3);
    }

    #[test]
    fn raised_while_more_are_out_than_may_be_no_place_too_many_appears() {
        let limit = |limit| NonZeroU32::new(limit).unwrap();
        let before = limiter(4, 1_000);
        let out: Vec<_> = (0..4)
            .map(|_| before.slot().now_or_never().expect("a free place"))
            .collect();

        let raised = before
            .under(limit(1), limit(1_000))
            .under(limit(3), limit(1_000));

        assert!(raised.slot().now_or_never().is_none());
        drop(out);
        assert_eq!(raised.places.free.available_permits(), 3);
    }

    #[tokio::test]
    async fn nobody_sends_while_somebody_looks_in_quiet() {
        let limiter = limiter(8, 1_000);
        let sending = limiter.sending().await;
        let short = Duration::from_millis(1);
        assert!(limiter.quiet(short).await.is_none(), "one is being sent");

        assert!(
            limiter.sending().now_or_never().is_some(),
            "who waited in vain holds nobody up"
        );

        drop(sending);
        let quiet = limiter.quiet(short).await;
        assert!(quiet.is_some());
        assert!(limiter.sending().now_or_never().is_none());
        drop(quiet);
        assert!(limiter.sending().now_or_never().is_some());
    }

    #[test]
    fn an_unchanged_pace_goes_on() {
        let before = limiter(8, 1);
        assert!(before.slot().now_or_never().is_some());
        let limit = |limit| NonZeroU32::new(limit).unwrap();

        assert!(
            before
                .under(limit(9), limit(1))
                .slot()
                .now_or_never()
                .is_none()
        );
    }
}
