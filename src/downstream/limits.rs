//! How much of anything one door takes from strangers.

use std::time::Duration;

/// The door's limits; the defaults are generous to every real client and small against this
/// machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body of a request without lists: a link of 2 KiB and a hundred ids, written
    /// percent-encoded, fit many times over.
    pub body_bytes_max: usize,
    /// The longest body of an `add` with a list: five thousand lines as people write them. Nothing
    /// longer is kept in memory, whoever sends it.
    pub list_body_bytes_max: usize,
    /// The longest block of headers, request line included: proxies send a few KiB, attackers
    /// megabytes.
    pub header_bytes_max: usize,
    /// How long headers may take to come, and how long a kept connection may stay silent between
    /// two requests: a connection that says nothing costs memory.
    pub header_read: Duration,
    /// How long a body may take to come once its headers are here: 64 KiB over the slowest phone.
    pub body_read: Duration,
    /// How long the whole of a request may take; above the database's own timeouts, so that those
    /// speak first.
    pub request: Duration,
    /// How long a client may take nothing of its answer: the catalog is a megabyte that somebody
    /// may never read.
    pub answer_stall: Duration,
    /// Open connections over all addresses: what 300 MB of memory carry, with room.
    pub connections_max: usize,
    /// Open connections of one address (IPv6: of one /64, which is one customer's network): a
    /// proxy in front of us keeps some hundreds.
    pub connections_per_address_max: usize,
    /// Requests being worked on; what comes beyond is told to come back at once, for a queue would
    /// only make everyone wait for answers that nobody wants any more. A body still on its way
    /// does not count.
    pub requests_in_flight_max: usize,
}

/// Connections that there always are, however few files the system lets us open: below, nothing
/// works.
const CONNECTIONS_MIN: usize = 32;
/// The share of all connections that one address may have at most, so that it keeps nobody out.
const ADDRESS_SHARE: usize = 8;

impl Limits {
    /// The same, with no more connections than there are descriptors beside those that are kept for
    /// everything else.
    #[must_use]
    pub fn within(self, descriptors: usize, kept: usize) -> Self {
        let carried = descriptors.saturating_sub(kept).max(CONNECTIONS_MIN);
        let connections_max = self.connections_max.min(carried);
        let of_address = self
            .connections_per_address_max
            .min(connections_max / ADDRESS_SHARE);

        Self {
            connections_max,
            connections_per_address_max: of_address,
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 * 1024,
            list_body_bytes_max: 256 * 1024,
            header_bytes_max: 16 * 1024,
            header_read: Duration::from_secs(10),
            body_read: Duration::from_secs(10),
            request: Duration::from_secs(15),
            answer_stall: Duration::from_secs(10),
            connections_max: 16_384,
            connections_per_address_max: 1_024,
            requests_in_flight_max: 1_024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_follow_from_the_files_that_may_be_open() {
        let planned = |descriptors| {
            let limits = Limits::default().within(descriptors, 120);
            (limits.connections_max, limits.connections_per_address_max)
        };

        assert_eq!(planned(1_048_576), (16_384, 1_024), "what memory carries");
        assert_eq!(planned(1_024), (904, 113));

        assert_eq!(
            planned(100),
            (32, 4),
            "too few for anything; told at the start"
        );
    }
}
