//! One link's socket and what is on its way through it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::Waker;

use openim_protocol::frame;
use openim_protocol::reply::TimeUnit;
use openim_record::Seq;

use crate::doors::Permit;
use crate::driver::input::{Holds, Kept};
use crate::egress::{Outbox, Untaken};
use crate::socket::Socket;

/// A link's socket and what is on its way through it. Its slot is that of its `LinkId`.
///
/// A million idle links pay for its size, so what only a busy link needs lies in [`Busy`].
pub(crate) struct LinkIo {
    pub(crate) generation: u32,
    /// The link must not be read until it is resumed.
    pub(crate) held: bool,
    pub(super) dirty: bool,
    /// A frame of a client v1.0.x came.
    pub(crate) spoke_gob: bool,
    /// Its user could not be loaded for the request that is offered next.
    pub(crate) load_failed: bool,
    /// Of times: what the device reads.
    pub(crate) unit: TimeUnit,
    /// When it was opened.
    pub(crate) since: Minute,
    /// What the outbox held when it was last added to the shard's sum.
    pub(super) summed_bytes: u32,
    pub(crate) stream: Socket,
    pub(crate) permit: Permit,
    pub(crate) reader: frame::Reader,
    pub(crate) outbox: Outbox,
    /// Wakes the link's task.
    pub(crate) waker: Option<Waker>,
    busy: Option<Box<Busy>>,
}

/// A minute of the shard's clock, in three bytes that every link has left over; good for thirty years.
#[derive(Clone, Copy, Default)]
pub(crate) struct Minute([u8; 3]);

impl Minute {
    pub(crate) fn of(mono_ms: u64) -> Self {
        let [low, middle, high, ..] = (mono_ms / 60_000).to_le_bytes();
        Self([low, middle, high])
    }

    /// Where it begins, on the same clock.
    pub(crate) fn mono_ms(self) -> u64 {
        let [low, middle, high] = self.0;
        u64::from(u32::from_le_bytes([low, middle, high, 0])) * 60_000
    }
}

/// A link that pays for itself alone: the socket, its permit, 16 bytes each of reader and waker.
const _: () = assert!(size_of::<LinkIo>() <= 160);

/// Answers to pulls that one link may have untaken and noted; of more it is not noted that they were taken.
const PULLS_MAX: usize = 1024;

/// What a link that is in the middle of something holds.
#[derive(Default)]
struct Busy {
    /// Bytes read and not consumed: a partial frame, or all behind a held request.
    carry: Vec<u8>,
    /// Bytes that the partial frame needs from its start, as far as is known.
    wanted: usize,
    /// A request that was offered and held; offered again first.
    parked: Option<Parked>,
    /// What a request goes on with: a pull, or a send that is carried. The link reads nothing meanwhile.
    work: Option<Work>,
    /// Bytes of the send that is carried.
    carried: usize,
    /// What of all this the shard's sum knows.
    kept: Kept,
    /// Answers to pulls that the socket has not wholly taken: bytes up to their ends, what they hold.
    pulls: VecDeque<(usize, (Seq, Seq))>,
}

/// A request that was offered and not taken.
pub(crate) struct Parked {
    pub(crate) request: Box<[u8]>,
    /// It counted against the link's rate already.
    pub(crate) counted: bool,
}

/// What a request goes on with, polled by the link's task.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()>>>;

impl LinkIo {
    pub(crate) fn new(
        generation: u32,
        stream: Socket,
        permit: Permit,
        frame_max: u32,
        unit: TimeUnit,
    ) -> Self {
        Self {
            generation,
            held: false,
            dirty: false,
            spoke_gob: false,
            load_failed: false,
            unit,
            since: Minute::default(),
            summed_bytes: 0,
            stream,
            permit,
            reader: frame::Reader::new(frame::Side::Server, frame_max),
            outbox: Outbox::default(),
            waker: None,
            busy: None,
        }
    }

    /// Bytes that wait to be written and could be.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.waiting() + self.stream.owed_bytes()
    }

    /// Bytes that wait to be written, be they ready for the socket or not.
    pub(crate) fn held(&self) -> usize {
        self.outbox.held() + self.stream.owed_bytes()
    }

    /// What of the pushes its socket has not taken.
    pub(crate) fn untaken(&self) -> Untaken {
        self.outbox.untaken(self.stream.owed_mark())
    }

    /// Puts bytes aside until the link is read again; an idle link keeps no memory for it. A frame that
    /// they begin needs `wanted` bytes.
    pub(crate) fn keep(&mut self, bytes: &[u8], wanted: usize) {
        if !bytes.is_empty() {
            let busy = self.busy.get_or_insert_default();
            busy.carry = bytes.to_vec();
            busy.wanted = wanted;
        }
    }

    /// Takes back what [`Self::keep`] put aside.
    pub(crate) fn take_kept(&mut self) -> Vec<u8> {
        self.busy.as_mut().map(|busy| std::mem::take(&mut busy.carry)).unwrap_or_default()
    }

    /// Puts a request aside that was offered and held.
    pub(crate) fn park(&mut self, request: Box<[u8]>, counted: bool) {
        self.held = true;
        self.busy.get_or_insert_default().parked = Some(Parked { request, counted });
    }

    /// Takes the request back, to offer it again.
    pub(crate) fn take_parked(&mut self) -> Option<Parked> {
        self.busy.as_mut()?.parked.take()
    }

    /// Begins work that holds so many bytes of the request.
    pub(crate) fn begin(&mut self, work: Work, carried_bytes: usize) {
        self.busy.get_or_insert_default().carried = carried_bytes;
        self.set_work(work);
    }

    pub(crate) fn set_work(&mut self, work: Work) {
        self.busy.get_or_insert_default().work = Some(work);
    }

    pub(crate) fn take_work(&mut self) -> Option<Work> {
        self.busy.as_mut()?.work.take()
    }

    /// Whether work is under way (and not being polled right now).
    pub(crate) fn works(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.work.is_some())
    }

    /// A whole message or control frame was read.
    pub(crate) fn read_whole(&mut self) {
        if let Some(busy) = &mut self.busy
            && !self.reader.is_assembling()
        {
            busy.kept.finished();
        }
    }

    /// An answer to a pull ends so many bytes from what the socket has taken.
    pub(super) fn mark_pull(&mut self, left: usize, range: (Seq, Seq)) {
        let pulls = &mut self.busy.get_or_insert_default().pulls;
        if pulls.len() < PULLS_MAX {
            pulls.push_back((left, range));
        }
    }

    /// The socket has taken so many bytes more: the pulls whose answers it has now.
    pub(super) fn took(&mut self, bytes: usize) -> impl Iterator<Item = (Seq, Seq)> {
        let mut pulls = self.busy.as_mut().map(|busy| &mut busy.pulls);
        for (left, _) in pulls.iter_mut().flat_map(|pulls| pulls.iter_mut()) {
            *left = left.saturating_sub(bytes);
        }
        std::iter::from_fn(move || {
            pulls.as_mut()?.pop_front_if(|(left, _)| *left == 0).map(|(_, range)| range)
        })
    }

    /// The pulls whose answers it has not.
    pub(super) fn untaken_pulls(&mut self) -> VecDeque<(usize, (Seq, Seq))> {
        self.busy.as_mut().map(|busy| std::mem::take(&mut busy.pulls)).unwrap_or_default()
    }

    /// Whether it keeps nothing at all and waits for nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_none() && self.reader.heap_bytes() == 0
    }

    pub(super) fn kept(&mut self) -> &mut Kept {
        &mut self.busy.get_or_insert_default().kept
    }

    /// Whether it waits to be read until there is room.
    pub(super) fn waits(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.kept.waits())
    }

    /// What it keeps of what its peer sent.
    pub(super) fn holds(&self) -> Holds {
        let (in_parts, heap_bytes) = (self.reader.is_assembling(), self.reader.heap_bytes());
        let Some(busy) = &self.busy else {
            let came = self.reader.assembled_bytes();
            return Holds {
                bytes: heap_bytes,
                came,
                in_parts,
                unfinished: in_parts,
                frame_bytes: 0,
            };
        };
        let parked = busy.parked.as_ref().map_or(0, |parked| parked.request.len());
        let carried = if busy.work.is_some() { busy.carried } else { 0 };
        let read = !self.held && busy.parked.is_none() && busy.work.is_none();
        let partial = read && !busy.carry.is_empty();
        // A header that is not whole says nothing.
        let announced = partial && busy.wanted > frame::HEADER_BYTES_MAX;
        Holds {
            bytes: heap_bytes + busy.carry.len() + parked + carried,
            came: self.reader.assembled_bytes() + busy.carry.len(),
            frame_bytes: if announced { busy.wanted } else { 0 },
            in_parts,
            unfinished: partial || (read && in_parts),
        }
    }

    /// The link is about to wait: gives back what it does not need meanwhile.
    pub(super) fn rest(&mut self) {
        if self.busy.as_ref().is_some_and(|busy| {
            let empty = busy.carry.is_empty() && busy.parked.is_none() && busy.work.is_none();
            empty && busy.kept.is_idle() && busy.pulls.is_empty()
        }) {
            self.busy = None;
        }
    }
}
