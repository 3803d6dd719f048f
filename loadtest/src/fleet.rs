//! All links of one thread on one epoll instance, turned by hand.
//!
//! In: links to begin, payloads to send. Out: calls on a [`Sink`]. Output is written once per link
//! and turn, however many messages it holds, and one read takes in as many frames as are there.
//! Connects and upgrades that take too long end as [`Loss::TimedOut`]. Never sleeps longer than
//! the caller says.

use crate::clock::{Clock, nanos, until};
use crate::link::{Link, Loss, Progress, Stage};
use crate::roster::Roster;
use crate::stream::Tls;
use crate::sys::{Epoll, Interest};
use crate::wire::{self, Masks};
use anyhow::Context;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const READ_BUFFER_BYTES: usize = 256 << 10;
const EVENTS_PER_TURN: usize = 1024;
/// Different reasons kept apart in a [`Losses`]; a server that makes up more is summed.
const REASONS_MAX: usize = 32;

/// Where a fleet connects to, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// The server's websocket address.
    pub(crate) server: SocketAddr,
    /// `Host` header.
    pub(crate) host: String,
    /// How TLS is begun; plain without.
    pub(crate) tls: Option<Tls>,
    /// Loopback source addresses to spread over; 0 leaves the choice to the kernel.
    pub(crate) sources: u32,
    /// Limit for connect and upgrade together.
    pub(crate) timeout: Duration,
}

impl Route {
    fn source(&self, link: usize) -> Option<IpAddr> {
        if self.sources == 0 {
            return None;
        }
        // 127.0.1.1 onwards, leaving out .0 and .255.
        let turn = (link as u32) % self.sources;
        let [high, low] = [1 + turn / 254, 1 + turn % 254];
        Some(IpAddr::V4(Ipv4Addr::new(127, (high >> 8) as u8, high as u8, low as u8)))
    }
}

/// Receives what happens on the links of a fleet; `link` is the index within the fleet.
pub(crate) trait Sink {
    /// The link is up; `took_ns` counts from when it was begun.
    fn opened(&mut self, link: usize, took_ns: u64);
    /// A whole message came in at `now_ns`.
    fn message(&mut self, link: usize, payload: &[u8], now_ns: u64);
    /// The link is over, or did not come up.
    fn lost(&mut self, link: usize, was_open: bool, loss: Loss);
}

/// How often links ended for which reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(pub(crate) BTreeMap<String, u64>);

impl Losses {
    /// Counts one more.
    pub(crate) fn count(&mut self, reason: String) {
        self.add(reason, 1);
    }

    fn add(&mut self, reason: String, times: u64) {
        let known = self.0.len() < REASONS_MAX || self.0.contains_key(&reason);
        let key = if known { reason } else { "other reasons".to_owned() };
        *self.0.entry(key).or_default() += times;
    }

    /// Adds another thread's counts.
    pub(crate) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(reason, times)| self.add(reason, times));
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// One line for people; empty when there are none.
    pub(crate) fn line(&self) -> String {
        let parts: Vec<_> =
            self.0.iter().map(|(reason, times)| format!("{times} x {reason}")).collect();
        parts.join(", ")
    }
}

/// The links of one thread.
pub(crate) struct Fleet {
    epoll: Epoll,
    links: Vec<Link>,
    roster: Arc<Roster>,
    /// Index in the roster of this fleet's first link.
    first: usize,
    route: Route,
    clock: Clock,
    masks: Masks,
    buffer: Box<[u8]>,
    /// Links with output, each once.
    outgoing: Vec<usize>,
    /// Deadlines of connects and upgrades, in order because all have the same limit.
    deadlines: VecDeque<(u64, usize, u32)>,
    opening: usize,
    open: usize,
    resumed: u64,
}

impl Fleet {
    /// `count` links that are down, the users of which begin at `first` in the roster.
    pub(crate) fn new(
        roster: Arc<Roster>,
        first: usize,
        count: usize,
        route: Route,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EVENTS_PER_TURN).context("cannot create an epoll instance")?,
            links: (0..count).map(|_| Link::down()).collect(),
            roster,
            first,
            route,
            clock,
            masks: Masks::new(first as u64),
            buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            outgoing: Vec::new(),
            deadlines: VecDeque::new(),
            opening: 0,
            open: 0,
            resumed: 0,
        })
    }

    /// Links, whatever their stage.
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// Links on the way up.
    pub(crate) fn opening(&self) -> usize {
        self.opening
    }

    /// Links that are up.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Links that came up by a ticket of TLS, counting each time.
    pub(crate) fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Whether `link` is up.
    pub(crate) fn is_open(&self, link: usize) -> bool {
        self.links[link].stage() == Stage::Open
    }

    /// Bytes that `link` could not write yet.
    pub(crate) fn pending_bytes(&self, link: usize) -> usize {
        self.links[link].pending_bytes()
    }

    /// Starts to open `link`; latency counts from `begun_ns`.
    pub(crate) fn begin(&mut self, link: usize, begun_ns: u64, sink: &mut impl Sink) {
        let source = self.route.source(self.first + link);
        let entry = &mut self.links[link];
        if let Err(loss) = entry.connect(&self.route, source, begun_ns) {
            sink.lost(link, false, loss);
            return;
        }
        entry.write_watched = true;
        let stream = entry.stream().expect("connect has just set it");
        if let Err(error) = self.epoll.add(stream, link, Interest::ReadWrite) {
            entry.drop_stream();
            sink.lost(link, false, Loss::Connect(error.kind()));
            return;
        }
        let deadline = self.clock.now_ns() + nanos(self.route.timeout);
        self.deadlines.push_back((deadline, link, entry.attempt));
        self.opening += 1;
    }

    /// Queues one message on `link`; it is written at the next turn. Ignored when not open.
    pub(crate) fn send(&mut self, link: usize, payload: &[u8]) {
        let entry = &mut self.links[link];
        if entry.stage() == Stage::Open {
            entry.send(payload, &mut self.masks);
            if !entry.listed {
                entry.listed = true;
                self.outgoing.push(link);
            }
        }
    }

    /// Closes `link` without a farewell, as a client that vanishes does.
    pub(crate) fn close(&mut self, link: usize) {
        self.leave(link);
    }

    /// Writes what is queued, waits at most `timeout` for events and handles them.
    pub(crate) fn turn(&mut self, timeout: Duration, sink: &mut impl Sink) -> anyhow::Result<()> {
        self.flush(sink);
        let timeout = match self.deadlines.front() {
            Some((deadline, ..)) => timeout.min(until(*deadline, self.clock.now_ns())),
            None => timeout,
        };
        let count = self.epoll.wait(timeout).context("epoll failed")?;
        for index in 0..count {
            let Some(ready) = self.epoll.ready(index) else { break };
            let link = ready.token;
            if ready.writable && self.links[link].stage() == Stage::Connecting {
                self.finish_connect(link, sink);
            } else if ready.writable && self.links[link].write_watched {
                self.list(link);
            }
            if ready.readable && self.links[link].stage() != Stage::Connecting {
                self.read(link, sink);
            }
        }
        self.expire(sink);
        self.flush(sink);
        Ok(())
    }

    fn list(&mut self, link: usize) {
        if !std::mem::replace(&mut self.links[link].listed, true) {
            self.outgoing.push(link);
        }
    }

    fn finish_connect(&mut self, link: usize, sink: &mut impl Sink) {
        let (account, platform) = self.roster.link(self.first + link);
        let host = &self.route.host;
        let outcome = self.links[link].connected(|out| {
            wire::upgrade_request(out, host, &account.uid, &account.token, platform);
        });
        match outcome {
            Ok(true) => self.list(link),
            Ok(false) => {}
            Err(loss) => self.end(link, loss, sink),
        }
    }

    fn read(&mut self, link: usize, sink: &mut impl Sink) {
        let clock = self.clock;
        let entry = &mut self.links[link];
        let began_open = entry.stage() == Stage::Open;
        let begun_ns = entry.begun_ns;
        // One reading of the clock serves all frames of a read.
        let mut now_ns = 0;
        let outcome = entry.read(&mut self.buffer, &mut self.masks, |payload| {
            if now_ns == 0 {
                now_ns = clock.now_ns();
            }
            sink.message(link, payload, now_ns);
        });
        let has_output = entry.has_output();
        match outcome {
            Ok(Progress::Opened) => {
                self.opening -= 1;
                self.open += 1;
                self.resumed += u64::from(self.links[link].is_resumed());
                sink.opened(link, clock.now_ns().saturating_sub(begun_ns));
            }
            Ok(Progress::Same) => {}
            Err(loss) => {
                // Opened and ended within one read: the caller is told of both.
                if !began_open && self.links[link].stage() == Stage::Open {
                    self.opening -= 1;
                    self.open += 1;
                    sink.opened(link, clock.now_ns().saturating_sub(begun_ns));
                }
                self.end(link, loss, sink);
                return;
            }
        }
        if has_output {
            self.list(link);
        }
    }

    fn flush(&mut self, sink: &mut impl Sink) {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        for link in outgoing.drain(..) {
            let entry = &mut self.links[link];
            entry.listed = false;
            match entry.flush() {
                Ok(done) if done == entry.write_watched => {
                    let interest = if done { Interest::Read } else { Interest::ReadWrite };
                    entry.write_watched = !done;
                    let changed = match entry.stream() {
                        Some(stream) => self.epoll.modify(stream, link, interest),
                        None => Ok(()),
                    };
                    if let Err(error) = changed {
                        self.end(link, Loss::Broken(error.kind()), sink);
                    }
                }
                Ok(_) => {}
                Err(loss) => self.end(link, loss, sink),
            }
        }
        // Nothing was added meanwhile: ending a link lists nothing.
        self.outgoing = outgoing;
    }

    fn expire(&mut self, sink: &mut impl Sink) {
        if self.deadlines.is_empty() {
            return;
        }
        let now_ns = self.clock.now_ns();
        while let Some(&(deadline, link, attempt)) = self.deadlines.front() {
            let entry = &self.links[link];
            let moot = entry.attempt != attempt
                || !matches!(entry.stage(), Stage::Connecting | Stage::Upgrading);
            if !moot && deadline > now_ns {
                break;
            }
            self.deadlines.pop_front();
            if !moot {
                self.end(link, Loss::TimedOut, sink);
            }
        }
    }

    fn end(&mut self, link: usize, loss: Loss, sink: &mut impl Sink) {
        let was_open = self.is_open(link);
        self.leave(link);
        sink.lost(link, was_open, loss);
    }

    fn leave(&mut self, link: usize) {
        match self.links[link].stage() {
            Stage::Down => {}
            Stage::Connecting | Stage::Upgrading => self.opening -= 1,
            Stage::Open => self.open -= 1,
        }
        self.links[link].drop_stream();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_walk_through_the_loopback_addresses() {
        let route = Route {
            server: "127.0.0.1:1".parse().unwrap(),
            host: String::new(),
            tls: None,
            sources: 300,
            timeout: Duration::from_secs(1),
        };
        assert_eq!(route.source(0).unwrap().to_string(), "127.0.1.1");
        assert_eq!(route.source(253).unwrap().to_string(), "127.0.1.254");
        assert_eq!(route.source(254).unwrap().to_string(), "127.0.2.1");
        assert_eq!(route.source(300).unwrap().to_string(), "127.0.1.1");
    }

    #[test]
    fn reasons_are_counted_and_bounded() {
        let mut losses = Losses::default();
        (0..100).for_each(|code| losses.count(format!("closed with {code}")));
        losses.count("closed with 1".to_owned());
        assert!(losses.0.len() <= REASONS_MAX + 1);
        assert_eq!(losses.total(), 101);
        assert_eq!(losses.0["closed with 1"], 2);
    }
}
