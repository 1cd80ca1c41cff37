//! Counts open connections, over all and by address.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use crate::domain::network::counted_as;
use crate::downstream::Limits;

/// The count; one entry per address with an open connection, so it is as bounded as the connections are.
#[derive(Debug)]
pub struct Connections {
    open: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
    open_max: usize,
    per_address_max: usize,
}

/// One open connection; gives its place back when it is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    /// None open.
    pub fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            by_address: DashMap::new(),
            open_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
        })
    }

    /// A place for one more from `peer`, if there is one.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let address = counted_as(peer);
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.open_max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        // From here on dropping the place gives both counts back.
        let place = Place { connections: Arc::clone(self), address };
        let of_address = {
            let mut count = self.by_address.entry(address).or_insert(0);
            *count += 1;
            *count
        };
        (of_address <= self.per_address_max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        self.connections.by_address.remove_if_mut(&self.address, |_, count| {
            *count -= 1;
            *count == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_up_to_both_limits_and_given_back() {
        let limits = Limits { connections_max: 3, connections_per_address_max: 2, ..Limits::default() };
        let connections = Connections::new(&limits);
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
        assert!(connections.by_address.is_empty());
        assert_eq!(connections.open.load(Ordering::Relaxed), 0);
    }
}
