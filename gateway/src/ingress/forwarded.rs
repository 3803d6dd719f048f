//! Whose address counts: the peer's, or what trusted proxies say of whom they speak for.
//!
//! In: the peer and the `X-Forwarded-For` lines. Out: one address, IPv4 where it is one written as IPv6.
//! Never believes what no trusted proxy wrote.

use std::net::{IpAddr, SocketAddr};

use openim_config::Network;

/// The address of whoever asks. The lists are walked from their end: each trusted hop vouches for the
/// entry before its own, and the first that is not trusted is the client. What cannot be read ends the
/// walk at the hop that wrote it.
pub(crate) fn origin<'a>(
    peer: IpAddr,
    trusted: &[Network],
    lines: impl DoubleEndedIterator<Item = &'a str>,
) -> IpAddr {
    let mut known = peer.to_canonical();
    for entry in lines.rev().flat_map(|line| line.rsplit(',')) {
        if !trusted.iter().any(|network| network.contains(known)) {
            break;
        }
        let Some(before) = address(entry.trim()) else { break };
        known = before;
    }
    known
}

/// An entry of the list: an address, in brackets or not, with a port or without.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().or_else(|_| entry.parse().map(|with: SocketAddr| with.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_hops_are_walked_from_the_right() {
        let trusted: Vec<Network> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
        for (peer, lines, counts) in [
            ("10.0.0.1", &[][..], "10.0.0.1"),
            ("192.0.2.1", &["1.1.1.1"], "192.0.2.1"),
            ("10.0.0.1", &["1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2,10.0.0.3"], "1.1.1.1"),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1", "10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1:5060"], "1.1.1.1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], "1.1.1.1"),
            ("fd00::1", &["1.1.1.1"], "1.1.1.1"),
        ] {
            let found = origin(peer.parse().unwrap(), &trusted, lines.iter().copied());
            assert_eq!(found, counts.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
