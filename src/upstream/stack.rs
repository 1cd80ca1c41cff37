//! What stands round one panel: how many calls at once, how many a second, and none while it asked to be left alone.
//!
//! Tower offers the first two as layers (`limit`), but a layer waits within the call, and here the intent to send is
//! committed between the waiting and the call: so the places are given out as slots.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::clock::Instant;
use crate::upstream::rest::Rest;

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
    /// The panel's own word counts more than what was configured, and holds for calls of every kind too.
    rest: Mutex<Rest>,
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
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            pace: RateLimiter::direct(quota),
            rest: Mutex::default(),
        }
    }

    /// Until when the panel is left alone, if it is.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).until(now)
    }

    /// The panel found us too fast, or named a wait.
    pub(super) fn too_fast(&self, named: Option<Duration>, now: Instant) {
        self.change(|rest| rest.after_too_fast(named, now));
    }

    /// The panel answered otherwise.
    pub(super) fn answered(&self) {
        self.change(Rest::after_answer);
    }

    /// Whoever asked the panel before us was told to leave it alone until then.
    pub(super) fn rest(&self, until: Instant) {
        self.change(|rest| rest.and_until(Some(until)));
    }

    fn change(&self, change: impl FnOnce(Rest) -> Rest) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        *rest = change(*rest);
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
