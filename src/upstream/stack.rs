//! What stands round one panel: how many calls at once, and how many a second.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Which part of a second's calls may leave together: evenly spaced calls never run into a panel's own limit, while a
/// fast panel's calls need not be spaced more finely than timers can.
const BURST_PARTS_PER_SECOND: u32 = 10;

/// One panel's places and pace.
#[derive(Debug)]
pub(super) struct Stack {
    /// Few calls in flight: panels run on small hosts, and every call in flight may become a doubt.
    places: Arc<Semaphore>,
    /// Panels block those who ask too often, by key or by address; calls of every kind count.
    pace: DefaultDirectRateLimiter,
}

/// A place among the calls in flight and a moment at which one may leave; given back when dropped.
#[derive(Debug)]
#[must_use = "a slot that is dropped gives its place back"]
pub struct Slot {
    _place: OwnedSemaphorePermit,
}

impl Stack {
    pub(super) fn new(concurrent_max: NonZeroU32, requests_per_second: NonZeroU32) -> Self {
        let places = usize::try_from(concurrent_max.get()).unwrap_or(Semaphore::MAX_PERMITS);
        let together = requests_per_second.get() / BURST_PARTS_PER_SECOND;
        let quota =
            Quota::per_second(requests_per_second).allow_burst(NonZeroU32::new(together).unwrap_or(NonZeroU32::MIN));
        Self { places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))), pace: RateLimiter::direct(quota) }
    }

    /// Waits for a place, then for the pace: in this order at most as many wait for the pace as there are places, and
    /// the places are given out first come, first served.
    pub(super) async fn slot(&self) -> Slot {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the places are never closed");
        self.pace.until_ready().await;
        Slot { _place: place }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn stack(concurrent_max: u32, requests_per_second: u32) -> Stack {
        Stack::new(NonZeroU32::new(concurrent_max).unwrap(), NonZeroU32::new(requests_per_second).unwrap())
    }

    #[test]
    fn a_place_is_given_back_when_its_slot_is_dropped() {
        let stack = stack(2, 1_000);
        let first = stack.slot().now_or_never().expect("a free place");
        let _second = stack.slot().now_or_never().expect("a free place");
        assert!(stack.slot().now_or_never().is_none(), "both are taken");
        drop(first);
        assert!(stack.slot().now_or_never().is_some());
    }

    #[test]
    fn the_pace_holds_a_second_call_back() {
        let stack = stack(8, 1);
        assert!(stack.slot().now_or_never().is_some());
        assert!(stack.slot().now_or_never().is_none());
        assert_eq!(stack.places.available_permits(), 8, "who stopped waiting holds nothing");
    }
}
