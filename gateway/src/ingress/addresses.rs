//! Limits per address, off by default: several people may share one (NAT, a load balancer).
//!
//! Shared by all shards behind a lock, because one address arrives on all of them; touched only when
//! a limit is on, and only when a link comes and goes, never by a message.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Addresses remembered at once; past it the idle ones are forgotten.
const ADDRESSES_MAX: usize = 100_000;

#[derive(Debug, Default)]
struct Seen {
    links: usize,
    second: u64,
    handshakes: u32,
}

/// Links and handshakes by address.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    seen: Arc<Mutex<HashMap<IpAddr, Seen>>>,
    links_max: usize,
    handshakes_per_second: u32,
}

/// A link that counts against its address until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    seen: Arc<Mutex<HashMap<IpAddr, Seen>>>,
    address: IpAddr,
}

impl Addresses {
    /// Limits; 0 is off.
    pub(crate) fn new(links_max: usize, handshakes_per_second: u32) -> Self {
        Self { seen: Arc::default(), links_max, handshakes_per_second }
    }

    /// Whether any limit is on.
    pub(crate) fn on(&self) -> bool {
        self.links_max > 0 || self.handshakes_per_second > 0
    }

    /// Counts a handshake from `address` in the second `now_s`. `Err`: over a limit.
    pub(crate) fn admit(&self, address: IpAddr, now_s: u64) -> Result<Counted, ()> {
        let mut seen = self.seen.lock();
        if seen.len() >= ADDRESSES_MAX && !seen.contains_key(&address) {
            seen.retain(|_, s| s.links > 0 || s.second == now_s);
            if seen.len() >= ADDRESSES_MAX {
                return Err(());
            }
        }
        let entry = seen.entry(address).or_default();
        if entry.second != now_s {
            entry.second = now_s;
            entry.handshakes = 0;
        }
        entry.handshakes = entry.handshakes.saturating_add(1);
        if self.handshakes_per_second > 0 && entry.handshakes > self.handshakes_per_second {
            return Err(());
        }
        if self.links_max > 0 && entry.links >= self.links_max {
            return Err(());
        }
        entry.links += 1;
        drop(seen);
        Ok(Counted { seen: Arc::clone(&self.seen), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut seen = self.seen.lock();
        if let Some(entry) = seen.get_mut(&self.address) {
            entry.links = entry.links.saturating_sub(1);
            if entry.links == 0 && entry.handshakes == 0 {
                seen.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_handshakes_are_counted_by_address() {
        let one = IpAddr::from([127, 0, 0, 1]);
        let other = IpAddr::from([127, 0, 0, 2]);
        let limits = Addresses::new(1, 2);
        let held = limits.admit(one, 1);
        assert!(held.is_ok() && limits.admit(one, 1).is_err() && limits.admit(other, 1).is_ok());
        drop(held);
        assert!(limits.admit(one, 1).is_err(), "two handshakes a second");
        assert!(limits.admit(one, 2).is_ok());
    }
}
