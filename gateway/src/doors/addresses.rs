//! Limits per address, off by default: several people may share one (NAT, a load balancer).
//!
//! Owns the count of connections and the rate of one kind (links, REST) by address; an IPv6 address counts
//! by its /64, which is what one subscriber has. Shared by all shards, because one address arrives on all
//! of them, behind many locks: a shard meets another only at the same part of the table, and what is done
//! under a lock does not grow with the table. Touched only when a limit is on, and only when a connection
//! comes, asks over REST or goes, never by a message.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Parts of the table, each with its lock.
const PARTS: usize = 256;
/// Addresses without a connection that a part remembers for their rate; past it the oldest is forgotten.
const IDLE_MAX: usize = 512;
/// Idle addresses that one call looks at, so that the table shrinks faster than it grows.
const LOOKS: usize = 2;

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    second: u64,
    asked: u32,
    /// Whether it is in the queue of those that may be forgotten.
    queued: bool,
}

#[derive(Debug, Default)]
struct Part {
    seen: HashMap<IpAddr, Seen>,
    /// Addresses without connections, the oldest first; each at most once.
    idle: VecDeque<IpAddr>,
}

impl Part {
    /// The entry of an address, without what it asked in earlier seconds.
    fn entry(&mut self, address: IpAddr, now_s: u64) -> &mut Seen {
        self.forget(now_s);
        let seen = self.seen.entry(address).or_default();
        if seen.second != now_s {
            (seen.second, seen.asked) = (now_s, 0);
        }
        seen
    }

    /// Notes that an address may have nothing left but what it asked in this second.
    fn rests(&mut self, address: IpAddr) {
        let Some(seen) = self.seen.get_mut(&address) else { return };
        if seen.connections == 0 && !seen.queued {
            seen.queued = true;
            self.idle.push_back(address);
        }
    }

    /// Lets some go that have no connection and asked nothing in this second.
    fn forget(&mut self, now_s: u64) {
        for _ in 0..LOOKS {
            let Some(&address) = self.idle.front() else { return };
            match self.seen.get_mut(&address) {
                Some(seen) if seen.connections > 0 => seen.queued = false,
                Some(seen) if seen.second >= now_s && self.idle.len() <= IDLE_MAX => return,
                _ => drop(self.seen.remove(&address)),
            }
            self.idle.pop_front();
        }
    }
}

/// The whole table.
#[derive(Debug)]
struct Table {
    parts: Box<[Mutex<Part>]>,
    /// Random, so that nobody can aim at one part.
    hasher: RandomState,
}

impl Table {
    fn part(&self, address: IpAddr) -> &Mutex<Part> {
        &self.parts[self.hasher.hash_one(address) as usize % PARTS]
    }
}

/// Connections of one kind by address, and how often an address asked in the current second.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    table: Arc<Table>,
    connections_max: Cell<usize>,
    per_second: Cell<u32>,
}

/// A connection that counts against its address until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    table: Arc<Table>,
    address: IpAddr,
}

/// An address is over its limit.
#[derive(Debug)]
pub(crate) struct OverLimit;

impl Addresses {
    /// Limits; 0 is off.
    pub(crate) fn new(connections_max: usize, per_second: u32) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        let table = Arc::new(Table { parts, hasher: RandomState::new() });
        Self { table, connections_max: connections_max.into(), per_second: per_second.into() }
    }

    /// Sets other limits, for who asks through this.
    pub(crate) fn limit(&self, connections_max: usize, per_second: u32) {
        self.connections_max.set(connections_max);
        self.per_second.set(per_second);
    }

    /// Whether any limit is on.
    pub(crate) fn on(&self) -> bool {
        self.connections_max.get() > 0 || self.per_second.get() > 0
    }

    /// Counts something asked from `address` in the second `now_s`.
    pub(crate) fn ask(&self, address: IpAddr, now_s: u64) -> Result<(), OverLimit> {
        if self.per_second.get() == 0 {
            return Ok(());
        }
        let address = subscriber(address);
        let mut part = self.table.part(address).lock();
        let seen = part.entry(address, now_s);
        seen.asked = seen.asked.saturating_add(1);
        let over = seen.asked > self.per_second.get();
        part.rests(address);
        if over { Err(OverLimit) } else { Ok(()) }
    }

    /// Counts a connection from `address` as long as it is kept.
    pub(crate) fn enter(&self, address: IpAddr, now_s: u64) -> Result<Option<Counted>, OverLimit> {
        if self.connections_max.get() == 0 {
            return Ok(None);
        }
        let address = subscriber(address);
        let mut part = self.table.part(address).lock();
        let seen = part.entry(address, now_s);
        if seen.connections >= self.connections_max.get() {
            return Err(OverLimit);
        }
        seen.connections += 1;
        drop(part);
        Ok(Some(Counted { table: Arc::clone(&self.table), address }))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut part = self.table.part(self.address).lock();
        if let Some(seen) = part.seen.get_mut(&self.address) {
            seen.connections = seen.connections.saturating_sub(1);
        }
        part.rests(self.address);
    }
}

/// What stands for the subscriber: an IPv4 address, or the first 64 bits of an IPv6 address.
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(limits: &Addresses) -> usize {
        limits.table.parts.iter().map(|part| part.lock().seen.len()).sum()
    }

    #[test]
    fn connections_are_counted_by_address() {
        let [one, other] = [1, 2].map(|last| IpAddr::from([127, 0, 0, last]));
        let limits = Addresses::new(1, 0);
        let held = limits.enter(one, 1);
        assert!(held.is_ok() && limits.enter(one, 1).is_err() && limits.enter(other, 1).is_ok());
        assert!(limits.ask(one, 1).is_ok(), "no rate");
        drop(held);
        assert!(limits.enter(one, 1).is_ok());
    }

    #[test]
    fn rates_are_of_a_second() {
        let [one, other] = [1, 2].map(|last| IpAddr::from([127, 0, 0, last]));
        let limits = Addresses::new(0, 2);
        assert!(limits.ask(one, 1).is_ok() && limits.ask(one, 1).is_ok());
        assert!(limits.ask(one, 1).is_err() && limits.ask(other, 1).is_ok());
        assert!(limits.ask(one, 2).is_ok());
        assert!(matches!(limits.enter(one, 2), Ok(None)), "no limit of connections");
    }

    #[test]
    fn an_ipv6_network_is_one_subscriber() {
        let limits = Addresses::new(1, 0);
        let of = |text: &str| limits.enter(text.parse().unwrap(), 1);
        let _first = of("2001:db8::1").unwrap();
        assert!(of("2001:db8::ffff:1").is_err() && of("2001:db8:0:1::1").is_ok());
        let _mapped = of("::ffff:192.0.2.1").unwrap();
        assert!(of("192.0.2.1").is_err() && of("192.0.2.2").is_ok());
    }

    #[test]
    fn the_table_holds_who_is_connected_and_a_bounded_rest() {
        let limits = Addresses::new(1, 1);
        let bound = PARTS * (IDLE_MAX + LOOKS);
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        let held: Vec<_> = (0..1000).map(|number| limits.enter(address(number), 1)).collect();
        for number in 1000..400_000 {
            assert!(limits.ask(address(number), 1).is_ok());
        }
        assert!(size(&limits) <= bound + held.len(), "{}", size(&limits));
        assert!(limits.enter(address(0), 1).is_err(), "who is connected is not forgotten");
        for number in 0..400_000 {
            limits.ask(address(number % 2000 + 500_000), 2).ok();
        }
        assert!(size(&limits) <= held.len() + 3000, "{}", size(&limits));
        drop(held);
        assert!(limits.enter(address(0), 3).is_ok());
    }
}
