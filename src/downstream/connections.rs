//! Counts open connections, over all and by address; tells before there are none left, and when a
//! listener cannot take any.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;

use crate::domain::network::{Network, counted_as};
use crate::downstream::Limits;

/// Above this share of all connections they are short, in percent; and below this no longer.
const SHORT_FROM_PERCENT: usize = 80;
const SHORT_UNTIL_PERCENT: usize = 60;

/// A listener that can take no connection for so long is stuck: a crowd that comes at once is gone
/// sooner.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// So long afterwards that is still so: one that takes a connection now and then is not well.
const STUCK_FOR: Duration = Duration::from_mins(1);

/// The count; one entry per address with an open connection, so it is as bounded as the connections
/// are.
#[derive(Debug)]
pub struct Connections {
    open: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
    open_max: usize,
    per_address_max: usize,
    /// Proxies of the operator's own: one address of many customers.
    trusted: Vec<Network>,
    short: AtomicBool,
    refused: AtomicU64,
    refused_last: Mutex<Option<IpAddr>>,
    listener: Mutex<Listener>,
}

/// How the listener does.
#[derive(Debug, Default)]
struct Listener {
    failing_since: Option<Instant>,
    /// When it had failed for long, last.
    stuck_at: Option<Instant>,
}

/// One open connection; gives its place back when it is dropped.
#[derive(Debug)]
pub struct ConnectionSlot {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    /// None open.
    pub fn new(limits: &Limits, trusted: Vec<Network>) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            by_address: DashMap::new(),
            open_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            trusted,
            short: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            refused_last: Mutex::new(None),
            listener: Mutex::default(),
        })
    }

    /// A place for one more from `peer`, if there is one.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionSlot> {
        let place = self.find_place(peer);
        if place.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            *self
                .refused_last
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(peer);
        }

        place
    }

    fn find_place(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionSlot> {
        let address = counted_as(peer);
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        if open >= self.open_max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }

        // From here on dropping the place gives both counts back.
        let place = ConnectionSlot {
            connections: Arc::clone(self),
            address,
        };

        let of_address = {
            let mut count = self.by_address.entry(address).or_insert(0);
            *count += 1;
            *count
        };

        if open + 1 >= self.share(SHORT_FROM_PERCENT) && !self.short.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                open = open + 1,
                open_max = self.open_max,
                "almost all connections are taken; customers may soon find none"
            );
        }

        let is_ours = self.trusted.iter().any(|network| network.contains(peer));
        (is_ours || of_address <= self.per_address_max).then_some(place)
    }

    /// Whether almost all are taken, or were and not enough came free again.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Whether the listener could take none for long, now or a moment ago.
    pub fn is_stuck(&self) -> bool {
        self.listener().is_stuck(Instant::now())
    }

    /// Takes note of whether the listener could take one.
    pub(super) fn note_accepted(&self, accepted: bool) {
        self.listener().note(accepted, Instant::now());
    }

    fn listener(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how many found no place since this was told last.
    pub fn tell_refused(&self) {
        let refused = self.refused.swap(0, Ordering::Relaxed);
        let last = self
            .refused_last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();

        if let Some(last) = last {
            tracing::warn!(
                refused,
                %last,
                per_address_max = self.per_address_max,
                open_max = self.open_max,
                "connections were closed at once, because their address or all together had too \
                 many"
            );
        }
    }

    fn leave(&self, address: IpAddr) {
        let open = self.open.fetch_sub(1, Ordering::Relaxed) - 1;
        self.by_address.remove_if_mut(&address, |_, count| {
            *count -= 1;
            *count == 0
        });

        if open < self.share(SHORT_UNTIL_PERCENT) && self.short.swap(false, Ordering::Relaxed) {
            tracing::info!(
                open,
                open_max = self.open_max,
                "there are connections enough again"
            );
        }
    }

    fn share(&self, percent: usize) -> usize {
        (self.open_max * percent / 100).max(1)
    }
}

impl Listener {
    fn note(&mut self, accepted: bool, now: Instant) {
        if accepted {
            self.failing_since = None;
            return;
        }

        let since = *self.failing_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= STUCK_AFTER {
            self.stuck_at = Some(now);
        }
    }

    fn is_stuck(&self, now: Instant) -> bool {
        self.stuck_at
            .is_some_and(|at| now.saturating_duration_since(at) < STUCK_FOR)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.leave(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_up_to_both_limits_and_given_back() {
        let limits = Limits {
            connections_max: 3,
            connections_per_address_max: 2,
            ..Limits::default()
        };

        let connections = Connections::new(&limits, vec!["198.51.100.0/24".parse().unwrap()]);
        let enter = |peer: &str| connections.enter(peer.parse().unwrap());
        let first = enter("2001:db8::1").unwrap();
        let second = enter("2001:db8::2").unwrap();
        assert!(enter("2001:db8::3").is_none(), "the same network");
        let third = enter("192.0.2.1").unwrap();

        assert!(enter("192.0.2.2").is_none(), "full");
        drop(first);
        let mapped = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        drop((second, third, mapped));
        assert_eq!(connections.refused.swap(0, Ordering::Relaxed), 3);

        let proxied: Vec<_> = (0..3).map(|_| enter("198.51.100.1").unwrap()).collect();
        assert!(
            connections.is_short(),
            "a proxy of ours may have them all, and that is told"
        );

        drop(proxied);
        assert!(!connections.is_short());
        assert!(connections.by_address.is_empty());
        assert_eq!(connections.open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_listener_that_fails_for_long_is_stuck_until_it_is_well_for_a_while() {
        let (mut listener, began) = (Listener::default(), Instant::now());
        let fails_at = |listener: &mut Listener, seconds| {
            let now = began + Duration::from_secs(seconds);
            listener.note(false, now);
            listener.is_stuck(now)
        };

        assert!(
            !fails_at(&mut listener, 0) && !fails_at(&mut listener, 4),
            "for a moment"
        );

        listener.note(true, began);
        assert!(!fails_at(&mut listener, 5) && !fails_at(&mut listener, 9));
        assert!(fails_at(&mut listener, 10));

        listener.note(true, began);
        let after = |seconds| listener.is_stuck(began + Duration::from_secs(seconds));
        assert!(after(69) && !after(70));
    }
}
