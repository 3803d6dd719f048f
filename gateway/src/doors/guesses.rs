//! Wrong secrets by address: who gives several has to wait, longer each time.
//!
//! Owns a bounded table of one shard; nothing is shared. The wait comes before the secret is looked at, so
//! how long it takes tells nothing about it. The right secret is accepted after the wait, so who shares an
//! address with somebody who guesses is slowed. While many guesses of an address wait, its further calls are
//! refused, right or wrong, or guessing would be as fast as there are connections: a proxy whose address is
//! taken for its clients' would shut all of them out, which is told. From an address that gave no wrong one
//! nobody waits.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::addresses::subscriber;

/// Wrong secrets of an address that cost nothing: slips.
pub(crate) const FREE_GUESSES: u32 = 5;
/// The wait after these, which doubles with each more, up to the longest.
const FIRST_WAIT_MS: u64 = 250;
const WAIT_MS_MAX: u64 = 8_000;
/// Calls of one address that may wait at once; more are refused.
const WAITING_MAX: u32 = 16;
/// When an address has given no wrong one for so long, all is forgotten.
const FORGET_MS: u64 = 10 * 60 * 1_000;
/// How often it is told that calls of an address are refused.
const TELL_EVERY_MS: u64 = 10 * 60 * 1_000;
/// Addresses remembered; above it the oldest is forgotten.
const ADDRESSES_MAX: usize = 4_096;

#[derive(Debug, Default)]
struct Guessing {
    wrong: u32,
    last_ms: u64,
    waiting: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    by: HashMap<IpAddr, Guessing>,
    /// In the order in which they came into the table.
    order: VecDeque<IpAddr>,
    told_ms: Option<u64>,
}

/// Too many calls of an address wait already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crowded {
    /// Nobody was told for a while.
    pub(crate) tell: bool,
}

impl Guesses {
    /// How long a call from `address` waits before its secret is looked at. Unless that is no time,
    /// [`Guesses::waited`] must follow.
    pub(crate) fn wait(
        &mut self,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<Option<Duration>, Crowded> {
        let Some(guessing) = self.by.get_mut(&subscriber(address)) else { return Ok(None) };
        if now_ms.saturating_sub(guessing.last_ms) >= FORGET_MS {
            guessing.wrong = 0;
        }
        if guessing.wrong < FREE_GUESSES {
            return Ok(None);
        }
        if guessing.waiting >= WAITING_MAX {
            let tell = self.told_ms.is_none_or(|told| now_ms.saturating_sub(told) >= TELL_EVERY_MS);
            if tell {
                self.told_ms = Some(now_ms);
            }
            return Err(Crowded { tell });
        }
        guessing.waiting += 1;
        let doubled = FIRST_WAIT_MS << (guessing.wrong - FREE_GUESSES).min(8);
        Ok(Some(Duration::from_millis(doubled.min(WAIT_MS_MAX))))
    }

    /// A call that had to wait has waited.
    pub(crate) fn waited(&mut self, address: IpAddr) {
        if let Some(guessing) = self.by.get_mut(&subscriber(address)) {
            guessing.waiting = guessing.waiting.saturating_sub(1);
        }
    }

    /// A secret from `address` was wrong.
    pub(crate) fn wrong(&mut self, address: IpAddr, now_ms: u64) {
        let address = subscriber(address);
        if !self.by.contains_key(&address) {
            if self.order.len() >= ADDRESSES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.by.remove(&oldest);
            }
            self.order.push_back(address);
        }
        let guessing = self.by.entry(address).or_default();
        guessing.wrong = guessing.wrong.saturating_add(1);
        guessing.last_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn wait_ms(guesses: &mut Guesses, now_ms: u64) -> u128 {
        let wait = guesses.wait(ONE, now_ms).unwrap();
        guesses.waited(ONE);
        wait.map_or(0, |wait| wait.as_millis())
    }

    #[test]
    fn slips_are_free_then_the_wait_doubles_to_a_bound_and_others_do_not_wait() {
        let mut guesses = Guesses::default();
        let waits: Vec<u128> = (0..12)
            .map(|_| {
                let wait = wait_ms(&mut guesses, 0);
                guesses.wrong(ONE, 0);
                wait
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(guesses.wait(OTHER, 0), Ok(None));
        assert_eq!(wait_ms(&mut guesses, FORGET_MS - 1), 8000);
        assert_eq!(wait_ms(&mut guesses, FORGET_MS), 0, "forgotten");
    }

    #[test]
    fn few_calls_of_an_address_wait_at_once() {
        let mut guesses = Guesses::default();
        (0..FREE_GUESSES).for_each(|_| guesses.wrong(ONE, 0));
        for _ in 0..WAITING_MAX {
            assert!(matches!(guesses.wait(ONE, 0), Ok(Some(_))));
        }
        for (now_ms, tell) in [(0, true), (TELL_EVERY_MS - 1, false)] {
            assert_eq!(guesses.wait(ONE, now_ms), Err(Crowded { tell }));
        }
        guesses.waited(ONE);
        assert!(guesses.wait(ONE, 0).is_ok());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut guesses = Guesses::default();
        for number in 0..20_000_u32 {
            guesses.wrong(IpAddr::from(number.to_be_bytes()), 0);
        }
        assert!(guesses.by.len() <= ADDRESSES_MAX && guesses.order.len() <= ADDRESSES_MAX);
    }
}
