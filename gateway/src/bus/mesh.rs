//! The mesh: between each ordered pair of shards a ring for requests and one for replies.
//!
//! It cannot deadlock: a call is sent only while fewer calls to that peer are open than its reply
//! ring has slots, so a reply always fits and nobody waits to answer; and every shard drains its
//! inputs on each turn whatever the state of its outputs.

use std::sync::Arc;

use openim_bus::{Capacity, Doorbell, Receiver, Sender, ring};
use openim_record::{PartitionId, Placement, broken};

use super::{Answer, Call, Refused, Reply, Request};

/// The four ends that one shard holds towards one other.
pub(crate) struct Peer {
    requests: Sender<Request>,
    replies: Sender<Reply>,
    pub(crate) in_requests: Receiver<Request>,
    pub(crate) in_replies: Receiver<Reply>,
    /// Calls to the peer that it has not answered.
    open_calls: usize,
}

/// One shard's ends of the mesh, by shard index; its own place is empty.
pub(crate) struct Mesh {
    pub(crate) peers: Vec<Option<Peer>>,
    placement: Placement,
}

/// Builds the rings between shards. Their places take, together with those of the log's rings, at most
/// about `ring_bytes_max`: half of it goes to each. What lies in all requests of one shard has at most
/// about `held_bytes_max`; replies are small.
pub(crate) fn connect(
    placement: Placement,
    bells: &[Arc<Doorbell>],
    ring_bytes_max: usize,
    held_bytes_max: usize,
) -> Vec<Mesh> {
    let shards = bells.len();
    let pairs = (shards * shards.saturating_sub(1)).max(1);
    let slot_bytes = size_of::<Request>() + size_of::<Reply>();
    let slots = (ring_bytes_max / 2 / pairs / slot_bytes).clamp(1, 1024);
    let bytes = held_bytes_max / shards.saturating_sub(1).max(1);
    let requests = || Capacity { values: slots, bytes, weigh: Request::bytes };
    // A reply has its place, whatever its size.
    let replies = || Capacity { values: slots, bytes: usize::MAX, weigh: |_: &Reply| 0 };
    let mesh = |_| Mesh { peers: (0..shards).map(|_| None).collect(), placement };
    let mut meshes: Vec<Mesh> = (0..shards).map(mesh).collect();
    for low in 0..shards {
        for high in low + 1..shards {
            let (up_requests, high_requests) = half(bells, low, high, requests());
            let (down_requests, low_requests) = half(bells, high, low, requests());
            let (up_replies, high_replies) = half(bells, low, high, replies());
            let (down_replies, low_replies) = half(bells, high, low, replies());
            meshes[low].peers[high] = Some(Peer {
                requests: up_requests,
                replies: up_replies,
                in_requests: low_requests,
                in_replies: low_replies,
                open_calls: 0,
            });
            meshes[high].peers[low] = Some(Peer {
                requests: down_requests,
                replies: down_replies,
                in_requests: high_requests,
                in_replies: high_replies,
                open_calls: 0,
            });
        }
    }
    meshes
}

fn half<T>(
    bells: &[Arc<Doorbell>],
    from: usize,
    to: usize,
    capacity: Capacity<T>,
) -> (Sender<T>, Receiver<T>) {
    ring(capacity, Arc::clone(&bells[from]), Arc::clone(&bells[to]))
}

impl Mesh {
    /// The shard that owns a partition.
    pub(crate) fn owner(&self, partition: PartitionId) -> u16 {
        self.placement.shard(partition, u16::try_from(self.peers.len()).unwrap_or(u16::MAX))
    }

    /// Sends something that needs no answer.
    pub(crate) fn send(&mut self, to: u16, request: Request) -> Result<(), Request> {
        let Some(peer) = &mut self.peers[usize::from(to)] else { return Err(request) };
        peer.requests.try_send(request)?;
        peer.requests.notify();
        Ok(())
    }

    /// Sends something that needs no answer and for which room was found.
    pub(crate) fn send_whole(&mut self, to: u16, request: Request) {
        let peer = self.peers[usize::from(to)].as_mut();
        let sent = peer.is_some_and(|peer| {
            let sent = peer.requests.send_whole(request).is_ok();
            peer.requests.notify();
            sent
        });
        if !sent {
            broken("room in the ring to a shard is asked for first");
        }
    }

    /// Whether so many requests to a shard fit now, the first of so many bytes. If not, this shard is
    /// woken when they may.
    pub(crate) fn has_room(&self, to: u16, count: usize, bytes: usize) -> bool {
        self.peers[usize::from(to)].as_ref().is_some_and(|Peer { requests, .. }| {
            let fits = || requests.room() >= count && requests.has_room(bytes);
            fits() || (requests.want_room(bytes) && fits())
        })
    }

    /// Sends a call, with the place of its answer kept.
    pub(crate) fn call(&mut self, to: u16, ticket: u32, call: Box<Call>) -> Result<(), Box<Call>> {
        let Some(peer) = &mut self.peers[usize::from(to)] else { return Err(call) };
        if peer.open_calls >= peer.in_replies_capacity() {
            return Err(call);
        }
        match peer.requests.try_send(Request::Call { ticket, call }) {
            Ok(()) => {
                peer.open_calls += 1;
                peer.requests.notify();
                Ok(())
            }
            Err(Request::Call { call, .. }) => Err(call),
            Err(_) => unreachable!("the ring hands back what was given"),
        }
    }

    /// Answers a call; its place was kept by the caller.
    pub(crate) fn reply(&mut self, to: u16, ticket: u32, answer: Result<Answer, Refused>) {
        let peer = self.peers[usize::from(to)].as_mut();
        let Some(peer) = peer else { broken("who calls is another shard") };
        if peer.replies.try_send(Reply { ticket, answer: Box::new(answer) }).is_err() {
            broken("the caller keeps a place for each open call");
        }
        peer.replies.notify();
    }

    /// How much every peer can be sent at least, calls included.
    pub(crate) fn places(&self) -> usize {
        let places = |peer: &Peer| match peer.requests.bytes_room() {
            0 => 0,
            _ => peer.requests.room().min(peer.in_replies_capacity() - peer.open_calls),
        };
        self.peers.iter().flatten().map(places).min().unwrap_or(usize::MAX)
    }

    /// Bytes in the requests that peers have not taken.
    pub(crate) fn bytes(&self) -> usize {
        self.peers.iter().flatten().map(|peer| peer.requests.bytes()).sum()
    }

    /// Whether anything has arrived.
    pub(crate) fn has_input(&self) -> bool {
        self.peers
            .iter()
            .flatten()
            .any(|peer| !peer.in_requests.is_empty() || !peer.in_replies.is_empty())
    }
}

impl Peer {
    /// All reply rings are of one size.
    fn in_replies_capacity(&self) -> usize {
        self.replies.capacity()
    }

    /// Takes a reply and closes its call.
    pub(crate) fn take_reply(&mut self) -> Option<Reply> {
        let reply = self.in_replies.try_recv()?;
        self.open_calls -= 1;
        Some(reply)
    }
}
