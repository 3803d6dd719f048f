//! What the pure shard asks for, carried out: the implementation of [`FrontEffects`] and [`Effects`].
//!
//! Nothing here calls back into the shard. What a call causes is noted (`closing`, `resumed`,
//! `dirty`) and acted on when the turn ends.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use openim_bus::{Receiver, Sender};
use openim_protocol::errcode::ErrCode;
use openim_protocol::frame;
use openim_protocol::push::PushTemplate;
use openim_protocol::reply::{self, TimeUnit};
#[cfg(feature = "cluster")]
use openim_record::Process;
use openim_record::{
    Account, Deliver, MemberList, Message, MessageKey, PartitionId, Seq, Submission, broken,
};
use openim_shard::{CloseReason, Effects, FrontEffects, LinkId, LinkState, Origin, SendRefused};
use openim_why::{Fate, Who};
use openim_workers::commit::LogEvent;

use crate::bus::{Answer, Mesh, Refused, Request, ToMembers};
#[cfg(feature = "cluster")]
use crate::driver::abroad::Comings;
#[cfg(feature = "cluster")]
use crate::driver::alone::Alone;
use crate::driver::input::Input;
use crate::driver::journal::Journal;
use crate::driver::link_io::LinkIo;
use crate::driver::reached::Reached;
use crate::driver::trace::Traced;
use crate::driver::waits::Waits;
use crate::egress::Pool;
use crate::metrics::ShardMetrics;
use crate::settings::Wire;

mod pushes;

/// How a send that a call waits for ended.
pub(crate) type SendOutcome = Result<(MessageKey, i64), SendRefused>;

/// The shard's sockets, rings and waits.
pub(crate) struct Io {
    pub(crate) wire: Wire,
    pub(crate) links: Vec<Option<Box<LinkIo>>>,
    pub(crate) pool: Pool,
    /// Links with something to write.
    pub(crate) dirty: Vec<LinkId>,
    /// Links to close at the end of the turn.
    pub(crate) closing: Vec<(LinkId, CloseReason)>,
    /// Links whose sockets failed; forgotten at the end of the turn.
    pub(crate) lost: Vec<LinkId>,
    /// Bytes put into outboxes since the last flush.
    pub(crate) turn_bytes: usize,
    /// Links whose reading pauses until a time (milliseconds of the shard's clock).
    pub(crate) paused: BinaryHeap<Reverse<(u64, LinkId)>>,
    pub(crate) appends: Sender<Submission>,
    pub(crate) appended: bool,
    /// Something was refused for want of room since [`Io::has_room`] last said yes.
    pub(crate) starved: bool,
    pub(crate) events: Receiver<LogEvent>,
    pub(crate) mesh: Mesh,
    /// Local calls that wait for their sends.
    pub(crate) sends: Waits<SendOutcome>,
    /// Calls that wait for another shard.
    pub(crate) calls: Waits<Result<Answer, Refused>>,
    /// Tasks that wait for room in a ring.
    pub(crate) room_wakers: VecDeque<Waker>,
    pub(crate) counters: Counters,
    /// Pushes that were put into outboxes, for the books.
    pub(crate) written: Account,
    pub(crate) metrics: Arc<ShardMetrics>,
    pub(crate) traced: Traced,
    /// The time of the turn, unix nanoseconds.
    pub(crate) turn_ns: i64,
    /// A send is being offered: a receipt that comes of it at once was no wait for the log.
    pub(crate) offering: bool,
    /// Bytes that wait in all outboxes, as of their last flushes.
    pub(crate) outbox_bytes: u64,
    /// What links have sent and the shard keeps.
    pub(crate) input: Input,
    /// Where it is noted how far links have come, if it is.
    pub(crate) journal: Option<Journal>,
    /// How far mobile terminals have got, where something is pushed to those that are away.
    pub(crate) reached: Option<Reached>,
    /// Links that have come and gone, where others are to know of them.
    #[cfg(feature = "cluster")]
    pub(crate) comings: Option<Box<Comings>>,
    /// What there is besides when the shard has only a front.
    #[cfg(feature = "cluster")]
    pub(crate) alone: Option<Box<Alone>>,
    scratch: String,
    /// The messages to groups that were pushed last, encoded; the one in use at the back.
    templates: VecDeque<(TemplateName, PushTemplate)>,
}

/// Which encoded message it is: key, send time, whether it is a copy for the author's devices, and the
/// unit of its time.
type TemplateName = (MessageKey, i64, bool, TimeUnit);

/// Bytes of the ring to the log that count as one place when others are told of room.
const PLACE_BYTES: usize = 1024;
/// A repeat that comes so long after the first send is noted.
const REPEATED_MS: i64 = 1_000;
/// Encoded messages kept. Members of several messages take turns, partition by partition.
const TEMPLATES_MAX: usize = 8;

/// What happened since the metrics were last brought up to date.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) pushes: u64,
    pub(crate) bytes_out: u64,
    pub(crate) frames_out: u64,
    pub(crate) pings: u64,
}

fn find(links: &mut [Option<Box<LinkIo>>], id: LinkId) -> Option<&mut LinkIo> {
    let link = links.get_mut(id.index as usize)?.as_deref_mut()?;
    (link.generation == id.generation).then_some(link)
}

impl Io {
    pub(crate) fn new(
        wire: Wire,
        appends: Sender<Submission>,
        events: Receiver<LogEvent>,
        mesh: Mesh,
        metrics: Arc<ShardMetrics>,
        input: Input,
    ) -> Self {
        Self {
            wire,
            links: Vec::new(),
            pool: Pool::default(),
            dirty: Vec::new(),
            closing: Vec::new(),
            lost: Vec::new(),
            turn_bytes: 0,
            paused: BinaryHeap::new(),
            appends,
            appended: false,
            starved: false,
            events,
            mesh,
            sends: Waits::new(),
            calls: Waits::new(),
            room_wakers: VecDeque::new(),
            counters: Counters::default(),
            written: Account::default(),
            metrics,
            traced: Traced::default(),
            turn_ns: 0,
            offering: false,
            outbox_bytes: 0,
            input,
            journal: None,
            reached: None,
            #[cfg(feature = "cluster")]
            comings: None,
            #[cfg(feature = "cluster")]
            alone: None,
            scratch: String::new(),
            templates: VecDeque::new(),
        }
    }

    /// How many of those who were refused for want of room may try again. Asked each turn; without room
    /// a retry would only spin.
    pub(crate) fn places(&self) -> usize {
        if !self.starved {
            return 0;
        }
        let by_bytes = self.appends.bytes_room().div_ceil(PLACE_BYTES);
        self.appends.room().min(by_bytes).min(self.mesh.places())
    }

    pub(crate) fn insert(&mut self, id: LinkId, link: LinkIo) {
        let index = id.index as usize;
        if self.links.len() <= index {
            self.links.resize_with(index + 1, || None);
        }
        self.links[index] = Some(Box::new(link));
        #[cfg(feature = "cluster")]
        if let Some(alone) = &mut self.alone {
            alone.opened(id);
        }
    }

    pub(crate) fn link(&mut self, id: LinkId) -> Option<&mut LinkIo> {
        find(&mut self.links, id)
    }

    /// The unit of times that goes to a link; any for one that is gone.
    pub(crate) fn unit(&mut self, id: LinkId) -> TimeUnit {
        self.link(id).map_or(TimeUnit::Seconds, |link| link.unit)
    }

    pub(crate) fn take(&mut self, id: LinkId) -> Option<Box<LinkIo>> {
        self.sum_outbox(id, 0);
        let link = find(&mut self.links, id)?;
        if !link.is_idle() {
            self.input.forget(link.kept(), id);
        }
        self.links[id.index as usize].take()
    }

    /// Queues a frame for a link and returns its bytes; 0 when the link is gone.
    pub(crate) fn frame(&mut self, id: LinkId, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let Some(Some(link)) = self.links.get_mut(id.index as usize) else { return 0 };
        if link.generation != id.generation {
            return 0;
        }
        let bytes = link.outbox.frame(&mut self.pool, write);
        if !link.dirty {
            link.dirty = true;
            self.dirty.push(id);
        }
        self.counters.frames_out += 1;
        self.turn_bytes += bytes;
        bytes
    }

    /// Queues a text frame for a link.
    pub(crate) fn text(&mut self, id: LinkId, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.frame(id, |out| {
            let mark = frame::begin_text(out);
            write(out);
            frame::finish(out, mark);
        })
    }

    /// Something was put into a link's outbox by hand.
    pub(crate) fn touch(&mut self, id: LinkId) {
        if let Some(link) = self.link(id)
            && !link.dirty
        {
            link.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Brings the sum of all outboxes up to date with one of them.
    pub(crate) fn sum_outbox(&mut self, id: LinkId, held_bytes: usize) {
        let held_bytes = u32::try_from(held_bytes).unwrap_or(u32::MAX);
        if let Some(link) = self.link(id) {
            let before = std::mem::replace(&mut link.summed_bytes, held_bytes);
            self.outbox_bytes = self.outbox_bytes + u64::from(held_bytes) - u64::from(before);
        }
    }

    /// Who holds how much of that sum.
    pub(crate) fn holders(&self) -> Vec<(u32, LinkId)> {
        let holds = |(index, link): (usize, &Option<Box<LinkIo>>)| {
            let link = link.as_ref().filter(|link| link.summed_bytes > 0)?;
            let index = u32::try_from(index).ok()?;
            Some((link.summed_bytes, LinkId { index, generation: link.generation }))
        };
        self.links.iter().enumerate().filter_map(holds).collect()
    }

    /// How much a link that has `have` bytes of a frame may read now (`None`: it waits until it is called),
    /// and whether it has waited before.
    pub(crate) fn may_read(&mut self, id: LinkId, have: usize) -> (Option<usize>, bool) {
        let Self { links, input, .. } = self;
        let Some(link) = find(links, id) else { return (None, false) };
        let waited = link.waits();
        if input.has_room() && !waited {
            return (Some(usize::MAX), false);
        }
        (input.may_read(link.kept(), id, have), waited)
    }

    /// Brings the sum of what is kept of what links sent up to date with one of them.
    pub(crate) fn sum_input(&mut self, id: LinkId, now_ms: u64) {
        let Self { links, input, .. } = self;
        let Some(link) = find(links, id).filter(|link| !link.is_idle()) else { return };
        let holds = link.holds();
        input.settle(link.kept(), id, holds, now_ms);
        link.rest();
    }

    /// Calls as many of the links that wait to be read as there is room for.
    pub(crate) fn call_waiting(&mut self) {
        let Self { links, input, .. } = self;
        while let Some(id) = input.next_called() {
            let Some(link) = find(links, id) else { continue };
            input.call(link.kept());
            if let Some(waker) = &link.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// A link is about to be flushed.
    pub(crate) fn clean(&mut self, id: LinkId) {
        if let Some(link) = self.link(id) {
            link.dirty = false;
        }
    }
}

impl Io {
    /// The same with a journal of links.
    #[must_use]
    pub(crate) fn noting(self, journal: Option<Journal>) -> Self {
        Self { journal, ..self }
    }

    /// The same, which keeps how far mobile terminals have got, of at most so many users.
    #[must_use]
    pub(crate) fn reaching(self, users_max: Option<usize>) -> Self {
        Self { reached: users_max.map(Reached::new), ..self }
    }

    /// A link is about to be closed, for this reason.
    pub(crate) fn ends(&mut self, id: LinkId, reason: CloseReason) {
        let Self { links, journal, reached, .. } = self;
        if journal.is_none() && reached.is_none() {
            return;
        }
        let untaken = find(links, id).map(|link| link.untaken()).unwrap_or_default();
        if let Some(reached) = reached {
            reached.ends(id, untaken);
        }
        if let Some(journal) = journal {
            journal.ends(id, reason, untaken);
        }
    }

    /// The answer to a pull of these is in the outbox of a link: it is noted when the socket has taken it.
    pub(crate) fn answered_pull(&mut self, id: LinkId, ranges: impl Iterator<Item = (Seq, Seq)>) {
        let noted = self.journal.is_some();
        if let Some(link) = self.link(id).filter(|_| noted) {
            let left = link.held();
            ranges.for_each(|range| link.mark_pull(left, range));
        }
    }

    /// A send was answered as it was offered: with the receipt of an earlier one, unless it leaves no trace.
    fn note_repeat(&mut self, send: (&str, &str), send_time_ns: i64) {
        let [at_ms, first_ms] = [self.turn_ns, send_time_ns].map(|ns| ns.div_euclid(1_000_000));
        // Who repeats at once has lost the answer.
        if at_ms - first_ms >= REPEATED_MS
            && let Some(journal) = &mut self.journal
        {
            journal.send(send, Fate::Repeat { first_ms }, at_ms);
        }
    }

    /// The same for a shard that has only a front, by this name.
    #[cfg(feature = "cluster")]
    #[must_use]
    pub(crate) fn alone(self, process: Option<Process>) -> Self {
        let alone = process.map(|process| Box::new(Alone::new(process)));
        Self { alone, ..self }
    }

    /// Hands a record to the log, whose ring had room.
    pub(super) fn hand_in(&mut self, submission: Submission) {
        if self.appends.send_whole(submission).is_err() {
            broken("room in the ring to the log is asked for first");
        }
        self.appended = true;
    }

    /// Whether the shard has only a front: of its sends it is measured elsewhere how long they wait.
    const fn is_alone(&self) -> bool {
        #[cfg(feature = "cluster")]
        return self.alone.is_some();
        #[cfg(not(feature = "cluster"))]
        false
    }
}

impl FrontEffects for Io {
    fn has_room(&mut self, bytes: usize) -> bool {
        let room = self.appends.has_room(bytes) || self.appends.want_room(bytes);
        self.starved |= !room;
        room
    }

    fn submit(&mut self, submission: Submission) {
        #[cfg(feature = "cluster")]
        let submission = match &mut self.alone {
            Some(alone) => alone.of_topic(submission),
            None => submission,
        };
        self.hand_in(submission);
    }

    fn receipt(
        &mut self,
        origin: Origin,
        send_id: &str,
        client_msg_id: &str,
        key: MessageKey,
        send_time_ns: i64,
    ) {
        self.counters.acknowledged += 1;
        self.trace_receipt(send_id, client_msg_id, key.0);
        tracing::debug!(sender = send_id, client_msg_id, code = 0, "send answered");
        if self.offering {
            self.note_repeat((send_id, client_msg_id), send_time_ns);
        } else if !self.is_alone() {
            let waited_ns = self.turn_ns.saturating_sub(send_time_ns);
            // A clock that was set back shows nothing.
            let waited = Duration::from_nanos(u64::try_from(waited_ns).unwrap_or(0));
            self.metrics.send_seconds.observe(waited);
        }
        match origin {
            Origin::Link { id, msg_incr } => {
                let mut server_id = std::mem::take(&mut self.scratch);
                server_id.clear();
                key.write_server_id(send_id, &mut server_id);
                let time = self.unit(id).from_nanos(send_time_ns);
                self.text(id, |out| {
                    reply::receipt(
                        out,
                        openim_protocol::request::SEND.into(),
                        Some(msg_incr.into()),
                        client_msg_id,
                        &server_id,
                        time,
                    );
                });
                self.scratch = server_id;
            }
            Origin::Call(ticket) => self.sends.answer(ticket as usize, Ok((key, send_time_ns))),
        }
    }

    fn refuse(&mut self, origin: Origin, why: SendRefused) {
        self.counters.refused += 1;
        tracing::debug!(?origin, ?why, "send refused");
        match origin {
            Origin::Link { id, msg_incr } => {
                let (req, incr) = (openim_protocol::request::SEND.into(), Some(msg_incr.into()));
                let code = ErrCode::Unavailable;
                self.text(id, |out| reply::receipt_error(out, req, incr, code, code.text()));
            }
            Origin::Call(ticket) => self.sends.answer(ticket as usize, Err(why)),
        }
    }

    fn push(&mut self, link: LinkId, deliver: &Deliver<'_>) -> usize {
        #[cfg(feature = "cluster")]
        if self.alone.as_mut().is_some_and(|alone| !alone.gives(link, deliver.seq)) {
            return 0;
        }
        self.counters.pushes += 1;
        self.trace_push(deliver);
        #[cfg(feature = "testing")]
        return (0..crate::testing::pushes(deliver.message.client_msg_id))
            .map(|_| self.write_push(link, deliver))
            .sum();
        #[cfg(not(feature = "testing"))]
        self.write_push(link, deliver)
    }

    fn ping(&mut self, link: LinkId) {
        self.counters.pings += 1;
        self.frame(link, |out| frame::write_ping(out, b""));
    }

    fn close(&mut self, link: LinkId, reason: CloseReason) {
        self.closing.push((link, reason));
    }

    fn resume(&mut self, link: LinkId) {
        if let Some(link) = self.link(link) {
            link.held = false;
            if let Some(waker) = &link.waker {
                waker.wake_by_ref();
            }
        }
    }

    fn resume_calls(&mut self, calls_max: usize) {
        let calls = self.room_wakers.len().min(calls_max);
        for waker in self.room_wakers.drain(..calls) {
            waker.wake();
        }
    }

    fn unnumbered(&mut self, message: &Message<'_>) {
        let to = Who::new(message.recv_id);
        let fate = match message.switches.unwanted {
            true => Fate::Unwanted { to },
            false => Fate::WithoutHistory { group: message.is_to_group(), to },
        };
        let at_ms = message.send_time_ns.div_euclid(1_000_000);
        if let Some(journal) = &mut self.journal {
            journal.send((message.send_id, message.client_msg_id), fate, at_ms);
        }
    }

    fn keeps_journal(&self) -> bool {
        self.journal.is_some() || self.reached.is_some()
    }

    fn link_note(&mut self, state: &LinkState<'_>) {
        let Self { links, journal, reached, turn_ns, .. } = self;
        let untaken = find(links, state.link).map(|link| link.untaken());
        if let Some(reached) = reached.as_mut().filter(|_| state.over) {
            reached.ended(state, untaken);
        }
        let Some(journal) = journal else { return };
        journal.link(state, untaken.unwrap_or_default(), turn_ns.div_euclid(1_000_000));
    }

    #[cfg(feature = "cluster")]
    fn presence(&mut self, presence: openim_record::Presence<'_>) {
        self.note_presence(presence);
    }
}

impl Effects for Io {
    fn has_room_at(&mut self, partition: PartitionId, bytes: usize) -> bool {
        let room = self.mesh.has_room(self.mesh.owner(partition), 1, bytes);
        self.starved |= !room;
        room
    }

    fn forward(&mut self, partition: PartitionId, record: Box<[u8]>) {
        let owner = self.mesh.owner(partition);
        self.mesh.send_whole(owner, Request::Ephemeral(record));
    }

    fn forward_group(&mut self, record: &[u8], lists: Vec<MemberList>) -> bool {
        let owners: Vec<u16> = lists.iter().map(|list| self.mesh.owner(list.partition)).collect();
        for &owner in &owners {
            let needed = owners.iter().filter(|&&other| other == owner).count();
            // What belongs together goes together: one message may exceed the bytes of a ring.
            if !self.mesh.has_room(owner, needed, 1) {
                self.starved = true;
                return false;
            }
        }
        for (owner, MemberList { list, .. }) in owners.into_iter().zip(lists) {
            let to_members = Box::new(ToMembers { record: record.into(), list });
            self.mesh.send_whole(owner, Request::EphemeralGroup(to_members));
        }
        true
    }
}
