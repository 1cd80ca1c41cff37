//! Where a request comes from: the peer, or whom a trusted proxy names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, Request};

use crate::domain::network::Network;

/// What proxies write into, each at its end.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Hops that are followed; nobody has so many proxies of their own.
const HOPS_MAX: usize = 16;

/// The other end of the connection; rides on each of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Whose word is taken for where a request comes from.
#[derive(Debug)]
pub struct Proxies {
    trusted: Vec<Network>,
    warned: AtomicBool,
}

impl Proxies {
    /// Believes what these networks' addresses say.
    pub fn trusting(trusted: Vec<Network>) -> Self {
        Self {
            trusted,
            warned: AtomicBool::new(false),
        }
    }

    /// Where the request comes from: the hop nearest to us that is no proxy of ours.
    ///
    /// Everything further from us was written by strangers. An entry that is no address ends the
    /// walk: what is known is the hop before it.
    pub fn origin<B>(&self, request: &Request<B>) -> IpAddr {
        let peer = request
            .extensions()
            .get::<Peer>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);

        let headers = request.headers();
        if !self.is_ours(peer) {
            self.warn_of_strangers(peer, headers);
            return peer.to_canonical();
        }

        let mut origin = peer;
        for hop in read_hops(headers).take(HOPS_MAX) {
            let Some(address) = hop else { break };
            origin = address;
            if !self.is_ours(address) {
                break;
            }
        }

        origin.to_canonical()
    }

    fn is_ours(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    fn warn_of_strangers(&self, peer: IpAddr, headers: &HeaderMap) {
        if headers.contains_key(FORWARDED_FOR) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "X-Forwarded-For from an address that is no trusted proxy is not believed; if it \
                 is a proxy of yours, \
                 name it in [server] trusted_proxies, or all its customers share one address's \
                 limit"
            );
        }
    }
}

/// The hops that proxies wrote down, the nearest to us first; `None` for what is no address.
fn read_hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    lines.into_iter().rev().flat_map(|line| {
        line.to_str().map_or_else(
            |_| vec![None],
            |line| {
                line.rsplit(',')
                    .map(|hop| client_address(hop.trim()))
                    .collect()
            },
        )
    })
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn client_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);

    bare.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::no_proxy("203.0.113.9", &[], "203.0.113.9")]
    #[case::a_stranger_says("203.0.113.9", &["1.1.1.1"], "203.0.113.9")]
    #[case::ours_says("10.0.0.1", &["1.1.1.1"], "1.1.1.1")]
    #[case::ours_says_nothing("10.0.0.1", &[], "10.0.0.1")]
    #[case::what_the_client_said_before_is_ignored("10.0.0.1", &["9.9.9.9, 1.1.1.1"], "1.1.1.1")]
    #[case::two_of_ours("10.0.0.1", &["9.9.9.9, 1.1.1.1, 10.2.0.1"], "1.1.1.1")]
    #[case::two_lines("10.0.0.1", &["9.9.9.9", "1.1.1.1, 10.2.0.1"], "1.1.1.1")]
    #[case::all_of_ours("10.0.0.1", &["10.3.0.1, 10.2.0.1"], "10.3.0.1")]
    #[case::garbage_ends_the_walk("10.0.0.1", &["1.1.1.1, unknown, 10.2.0.1"], "10.2.0.1")]
    #[case::a_port("10.0.0.1", &["1.1.1.1:4711"], "1.1.1.1")]
    #[case::ipv6("fd00::1", &["2001:db8::7"], "2001:db8::7")]
    #[case::ipv6_in_brackets("fd00::1", &["[2001:db8::7]:443, [fd00::2]"], "2001:db8::7")]
    #[case::ipv4_in_ipv6("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], "1.1.1.1")]
    fn origins(#[case] peer: &str, #[case] lines: &[&str], #[case] origin: &str) {
        let proxies = Proxies::trusting(vec![
            "10.0.0.0/8".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
        ]);

        let mut request = Request::new(());
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));

        for line in lines {
            request
                .headers_mut()
                .append(FORWARDED_FOR, line.parse().unwrap());
        }

        assert_eq!(proxies.origin(&request).to_string(), origin);
    }
}
