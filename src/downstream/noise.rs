//! Requests of nobody we know: a few lines in the log for each address and minute, the rest counted
//! and told in one line. Whoever shows no key could otherwise fill a disk with 404s.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::network::counted_as;

/// Lines of one address (IPv6: of one /64) in a minute.
const LINES_PER_ADDRESS: u64 = 10;
/// Addresses that are counted apart; all others of the same minute are counted as one.
const ADDRESSES_MAX: usize = 4_096;
/// What is counted together.
pub(super) const MINUTE: Duration = Duration::from_mins(1);
/// Stands for the addresses that are one too many.
const ALL_OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Counts what nobody we know asked for in this minute.
#[derive(Debug)]
pub struct Noise(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    since: Instant,
    requests: HashMap<IpAddr, u64>,
}

/// What was left out of the log in a minute.
#[derive(Debug, PartialEq, Eq)]
struct LeftOut {
    lines: u64,
    addresses: usize,
    loudest: IpAddr,
}

impl Noise {
    /// Nothing was heard yet.
    pub fn new() -> Self {
        Self(Mutex::new(Counts {
            since: Instant::now(),
            requests: HashMap::new(),
        }))
    }

    /// Whether one more request of this address has a line of its own.
    pub fn has_line(&self, address: IpAddr) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = counts.begin_anew_if_over(Instant::now());
        let has_line = counts.count(counted_as(address)) <= LINES_PER_ADDRESS;
        drop(counts);
        over.iter().for_each(LeftOut::tell);
        has_line
    }

    /// Tells what was left out until now.
    pub fn tell(&self) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = counts.begin_anew(Instant::now());
        drop(counts);
        left_out.iter().for_each(LeftOut::tell);
    }
}

impl Counts {
    fn count(&mut self, address: IpAddr) -> u64 {
        let is_known = self.requests.contains_key(&address);
        let address = if is_known || self.requests.len() < ADDRESSES_MAX {
            address
        } else {
            ALL_OTHERS
        };

        let requests = self.requests.entry(address).or_default();
        *requests += 1;
        *requests
    }

    fn begin_anew_if_over(&mut self, now: Instant) -> Option<LeftOut> {
        if now.saturating_duration_since(self.since) < MINUTE {
            return None;
        }
        self.begin_anew(now)
    }

    fn begin_anew(&mut self, now: Instant) -> Option<LeftOut> {
        self.since = now;
        let left_out = LeftOut::of(&self.requests);
        self.requests.clear();
        left_out
    }
}

impl LeftOut {
    fn of(requests: &HashMap<IpAddr, u64>) -> Option<Self> {
        let left_out = requests
            .values()
            .map(|count| count.saturating_sub(LINES_PER_ADDRESS));

        let (loudest, _) = requests.iter().max_by_key(|(_, count)| **count)?;
        let lines = left_out.clone().sum();
        let addresses = left_out.filter(|lines| *lines > 0).count();

        (lines > 0).then_some(Self {
            lines,
            addresses,
            loudest: *loudest,
        })
    }

    fn tell(&self) {
        tracing::warn!(
            lines = self.lines,
            addresses = self.addresses,
            loudest = %self.loudest,
            "requests without a valid key were answered without a line of their own"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + last))
    }

    #[test]
    fn an_address_has_some_lines_a_minute_and_the_rest_is_counted() {
        let noise = Noise::new();
        let loud = (0..1_000).filter(|_| noise.has_line(address(1))).count();
        assert_eq!(u64::try_from(loud).unwrap(), LINES_PER_ADDRESS);
        assert!(noise.has_line(address(2)), "nobody else's fault");

        let mut counts = noise.0.lock().unwrap();
        let began = counts.since;
        assert_eq!(counts.begin_anew_if_over(began + MINUTE / 2), None);

        let left_out = LeftOut {
            lines: 990,
            addresses: 1,
            loudest: address(1),
        };

        assert_eq!(counts.begin_anew_if_over(began + MINUTE), Some(left_out));
        assert_eq!(counts.begin_anew_if_over(began + MINUTE * 2), None);
        assert_eq!(counts.count(address(1)), 1);
    }

    #[test]
    fn a_crowd_costs_bounded_memory_and_few_lines() {
        let noise = Noise::new();
        let crowd = u32::try_from(ADDRESSES_MAX).unwrap();
        let lines = (1..=2 * crowd)
            .filter(|last| noise.has_line(address(*last)))
            .count();

        assert_eq!(
            lines,
            ADDRESSES_MAX + usize::try_from(LINES_PER_ADDRESS).unwrap()
        );

        assert_eq!(noise.0.lock().unwrap().requests.len(), ADDRESSES_MAX + 1);
        assert!(noise.has_line(address(1)), "counted apart as before");
    }
}
