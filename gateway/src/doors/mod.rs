//! Who of those at the door may come in: the books of one shard.
//!
//! Owns the counts of a shard's handshakes, REST connections and requests, its share in those of the process,
//! and the wrong secrets that addresses have given. Descriptors are a budget: only so many are for clients'
//! sockets, so that the log, the index and the operators never lack theirs. In: who comes, and from where.
//! Out: a permit, or in whose place. Never: a socket; `ingress` has them.

mod addresses;
mod count;
mod guesses;
mod permit;
mod rest;
mod waiting;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

pub(crate) use addresses::{Addresses, Counted, OverLimit};
pub(crate) use count::{Count, Place};
pub(crate) use guesses::{Crowded, FREE_GUESSES, Guesses};
pub(crate) use permit::{Permit, Permits, SocketPermit};
pub(crate) use rest::{PAGE_BYTES, RestLoad, SUM_MIN};
pub(crate) use waiting::{Queue, Seat};

/// Refusals that one shard writes at once; these sockets are above the budget. More are closed unwritten.
pub(crate) const REFUSALS_MAX: usize = 16;

/// See the module.
pub(crate) struct Doors {
    permits: Permits,
    /// Limits of links per address.
    links: Addresses,
    /// Limits of REST per address.
    rest: Addresses,
    handshakes: Count,
    rest_connections: Count,
    refusals: Count,
    /// Handshakes whose head is not there yet.
    heads: Rc<Queue>,
    /// REST connections whose next request is not there yet, or not whole.
    requests: Rc<Queue>,
    /// REST connections whose answer is not taken.
    answers: Rc<Queue>,
    guesses: RefCell<Guesses>,
}

/// What somebody at the door wants to be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Link,
    Rest,
}

impl Doors {
    /// `links` and `rest` are the limits per address of these.
    pub(crate) fn new(permits: Permits, links: Addresses, rest: Addresses) -> Self {
        Self {
            permits,
            links,
            rest,
            handshakes: Count::default(),
            rest_connections: Count::default(),
            refusals: Count::default(),
            heads: Rc::default(),
            requests: Rc::default(),
            answers: Rc::default(),
            guesses: RefCell::default(),
        }
    }

    /// The permit of a newcomer while there are fewer than `max` of the kind. Without room the queue of those
    /// of whom one may go for them: of the kind, if there are too many of it; else of any socket, idle
    /// connections of REST first, which costs their clients least. `Err(None)`: nobody only waits.
    pub(crate) fn permit(
        &self,
        kind: Kind,
        max: usize,
    ) -> Result<SocketPermit, Option<&Rc<Queue>>> {
        let there = match kind {
            Kind::Link => self.handshakes.len(),
            Kind::Rest => self.rest_connections.len(),
        };
        let too_many = there >= max;
        if !too_many && let Some(permit) = self.permits.socket() {
            return Ok(permit);
        }
        let queues: &[&Rc<Queue>] = match (too_many, kind) {
            (true, Kind::Link) => &[&self.heads],
            (true, Kind::Rest) => &[&self.requests, &self.answers],
            (false, _) => &[&self.requests, &self.heads, &self.answers],
        };
        Err(queues.iter().find(|queue| queue.longest().is_some()).copied())
    }

    /// Links there are, in the whole process.
    pub(crate) fn links_len(&self) -> usize {
        self.permits.links()
    }

    /// Counts a socket that the system did not give; at most once a second how many there were since.
    pub(crate) fn failed(&self, now_s: i64) -> Option<u64> {
        self.permits.failed(now_s)
    }

    /// A handshake is under way.
    pub(crate) fn handshake(&self) -> Place {
        self.handshakes.enter()
    }

    pub(crate) fn handshakes_len(&self) -> usize {
        self.handshakes.len()
    }

    /// A connection of REST is open.
    pub(crate) fn rest_connection(&self) -> Place {
        self.rest_connections.enter()
    }

    pub(crate) fn rest_connections_len(&self) -> usize {
        self.rest_connections.len()
    }

    /// Leave to write a refusal at the door, unless there are too many of them.
    pub(crate) fn refusal(&self) -> Option<Place> {
        (self.refusals.len() < REFUSALS_MAX).then(|| self.refusals.enter())
    }

    pub(crate) fn heads(&self) -> &Rc<Queue> {
        &self.heads
    }

    pub(crate) fn requests(&self) -> &Rc<Queue> {
        &self.requests
    }

    pub(crate) fn answers(&self) -> &Rc<Queue> {
        &self.answers
    }

    // --- by address ----------------------------------------------------------------------------

    /// Other limits of one address: connections of each kind, handshakes and requests a second.
    pub(crate) fn limit(&self, connections: usize, handshakes: u32, requests: u32) {
        self.links.limit(connections, handshakes);
        self.rest.limit(connections, requests);
    }

    /// Counts a handshake, and the link that it may become, against its address.
    pub(crate) fn count_link(
        &self,
        address: IpAddr,
        now_s: u64,
    ) -> Result<Option<Box<Counted>>, OverLimit> {
        if !self.links.on() {
            return Ok(None);
        }
        self.links.ask(address, now_s)?;
        Ok(self.links.enter(address, now_s)?.map(Box::new))
    }

    /// Counts a connection of REST against its address.
    pub(crate) fn count_rest(
        &self,
        address: IpAddr,
        now_s: u64,
    ) -> Result<Option<Counted>, OverLimit> {
        self.rest.enter(address, now_s)
    }

    /// Counts a request against its address.
    pub(crate) fn count_request(&self, address: IpAddr, now_s: u64) -> Result<(), OverLimit> {
        self.rest.ask(address, now_s)
    }

    /// How long a call waits before its secret is looked at; see [`Guesses::wait`].
    pub(crate) fn wait_for_guesses(
        &self,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<Option<Duration>, Crowded> {
        self.guesses.borrow_mut().wait(address, now_ms)
    }

    /// A call that had to wait has waited.
    pub(crate) fn waited_for_guesses(&self, address: IpAddr) {
        self.guesses.borrow_mut().waited(address);
    }

    /// A secret was wrong.
    pub(crate) fn wrong_guess(&self, address: IpAddr, now_ms: u64) {
        self.guesses.borrow_mut().wrong(address, now_ms);
    }
}
