//! One shard: the inbox machine, the links machine, and the sends between them.
//!
//! In: decoded requests, committed records, loaded users, link events, the time. Out: [`Effects`].
//! Never: a socket, a clock, a wait.
//!
//! The path of a send: [`Shard::send`] forms the record and hands it to the log;
//! [`Shard::committed`] gets it back on the receiver's and on the sender's home, numbers it,
//! delivers it, and on the sender's home answers it.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_auth::LoginPolicy;
use openim_record::{
    Message, MessageKey, PartitionId, Placement, Position, Seq, StoreBatch, UserId,
};

use crate::effects::{
    Append, CloseReason, Committed, Delivery, Draft, Effects, Origin, SendRefused,
};
use crate::inbox::{Inboxes, Outcome, Role};
use crate::links::{Credentials, LinkId, Links, Opened, Target};
use crate::pending::Pending;
use crate::sweep::{Deadlines, Sweep, Verdict};

/// Bounds and deadlines of one shard.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sends of one link that may wait for the log.
    pub in_flight_per_link: u16,
    /// Bytes that may wait in one link's outbox.
    pub outbox_bytes_max: u32,
    /// Frames per second of one link; 0 is off. Twice as many may come at once.
    pub frames_per_second: u32,
    /// A link that was silent this long is pinged; 0 is off.
    pub ping_s: u32,
    /// Unanswered pings before a link is closed.
    pub pings_missed_max: u8,
    /// A link whose socket took nothing this long is closed; 0 is off.
    pub write_stall_s: u32,
    /// A send that the log has not answered by then is refused, milliseconds.
    pub send_timeout_ms: u64,
    /// Duplicate window in milliseconds and in entries over all shards.
    pub duplicate_window_ms: i64,
    /// See `duplicate_window_ms`.
    pub duplicates_max: usize,
    /// Users whose state stays in memory without a link.
    pub users_max: usize,
    /// Committed records that may wait for users to be loaded.
    pub waiting_max: usize,
}

/// The time, as the driver read it once for this turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Monotonic milliseconds since the shard started.
    pub mono_ms: u64,
    /// Unix nanoseconds.
    pub unix_ns: i64,
}

impl Now {
    /// Monotonic seconds.
    #[must_use]
    pub const fn mono_s(self) -> u32 {
        (self.mono_ms / 1000) as u32
    }

    /// Unix seconds.
    #[must_use]
    pub const fn unix_s(self) -> i64 {
        self.unix_ns.div_euclid(1_000_000_000)
    }
}

/// What became of a request that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Taken: the answer came or will come through [`Effects`].
    Taken,
    /// Not taken: offer it again after [`Effects::resume`] (a link) or
    /// [`Effects::resume_calls`] (a call).
    Hold,
    /// Not taken: the log is overdue; answer with an error.
    Refused,
}

#[derive(Debug)]
struct Waiting {
    role: Role,
    committed: Committed,
}

/// The state of one shard.
#[derive(Debug)]
pub struct Shard {
    placement: Placement,
    index: u16,
    shards: u16,
    limits: Limits,
    /// Driven by log records.
    pub inboxes: Inboxes,
    /// Driven by sockets and deliveries.
    pub links: Links,
    pending: Pending,
    sweep: Sweep,
    verdicts: Vec<Verdict>,
    /// Records that wait for their user, by partition: a partition's log order is kept.
    waiting: HashMap<PartitionId, VecDeque<Waiting>, RandomState>,
    waiting_len: usize,
    /// Links to resume when a ring has room again.
    blocked: VecDeque<LinkId>,
    /// Everything before this position has been handed to this shard.
    head: Position,
}

impl Shard {
    /// An empty shard `index` of `shards`.
    #[must_use]
    pub fn new(
        placement: Placement,
        index: u16,
        shards: u16,
        policy: LoginPolicy,
        limits: Limits,
    ) -> Self {
        Self {
            placement,
            index,
            shards,
            inboxes: Inboxes::new(
                placement,
                index,
                shards,
                limits.duplicate_window_ms,
                limits.duplicates_max,
                limits.users_max,
            ),
            links: Links::new(policy, limits.users_max),
            limits,
            pending: Pending::new(),
            sweep: Sweep::default(),
            verdicts: Vec::new(),
            waiting: HashMap::with_hasher(RandomState::default()),
            waiting_len: 0,
            blocked: VecDeque::new(),
            head: Position(0),
        }
    }

    /// Whether `uid` is at home here.
    #[must_use]
    pub fn is_home(&self, uid: &str) -> bool {
        self.placement.home(uid, self.shards) == self.index
    }

    /// The bounds this shard keeps.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    // --- links ---------------------------------------------------------------------------------

    /// Opens a link for an admitted bearer; the link it replaces is told and closed.
    pub fn open(
        &mut self,
        uid: &str,
        platform: u8,
        credentials: Credentials,
        now: Now,
        fx: &mut impl Effects,
    ) -> LinkId {
        let budget = self.limits.frames_per_second.saturating_mul(2000);
        let Opened { id, replaced } =
            self.links.open(uid, platform, credentials, now.mono_s(), budget);
        if let Some(old) = replaced {
            fx.close(old, CloseReason::Replaced);
        }
        id
    }

    /// The driver has closed a link, or its peer has.
    pub fn closed(&mut self, link: LinkId) {
        self.links.close(link);
    }

    /// A token was issued durably: links that it supersedes are told and closed.
    pub fn issued(
        &mut self,
        uid: &str,
        class: openim_auth::Class,
        newest: openim_auth::Newest,
        now: Now,
        fx: &mut impl Effects,
    ) {
        for link in self.links.issued(uid, class, newest, now.unix_s()) {
            fx.close(link, CloseReason::Superseded);
        }
    }

    /// Something arrived from the peer.
    pub fn heard(&mut self, link: LinkId, now: Now) {
        if let Some(link) = self.links.get_mut(link) {
            link.heard_at_s = now.mono_s();
            link.pings_missed = 0;
        }
    }

    /// Whether the link may have one more frame read now. `Err(ms)`: pause reading that long.
    ///
    /// # Errors
    /// Milliseconds until the next frame is allowed.
    pub fn frame_allowed(&mut self, link: LinkId, now: Now) -> Result<(), u32> {
        let rate = self.limits.frames_per_second;
        let Some(link) = self.links.get_mut(link).filter(|_| rate > 0) else { return Ok(()) };
        let now_ms = now.mono_ms as u32;
        let elapsed = now_ms.wrapping_sub(link.frames_at_ms);
        let earned = elapsed.saturating_mul(rate);
        link.frames_milli = link.frames_milli.saturating_add(earned).min(rate.saturating_mul(2000));
        link.frames_at_ms = now_ms;
        if link.frames_milli >= 1000 {
            link.frames_milli -= 1000;
            return Ok(());
        }
        Err((1000 - link.frames_milli).div_ceil(rate).max(1))
    }

    /// The outbox of a link grew by `bytes`. A slow receiver is cut loose.
    pub fn queued(&mut self, link: LinkId, bytes: usize, now: Now, fx: &mut impl Effects) {
        let max = self.limits.outbox_bytes_max;
        let Some(state) = self.links.get_mut(link) else { return };
        if state.outbox_bytes == 0 {
            state.stalled_since_s = now.mono_s();
        }
        state.outbox_bytes =
            state.outbox_bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if state.outbox_bytes > max {
            fx.close(link, CloseReason::OutboxFull);
        }
    }

    /// The socket took `bytes` of a link's outbox.
    pub fn written(&mut self, link: LinkId, bytes: usize, now: Now) {
        if let Some(state) = self.links.get_mut(link) {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            state.outbox_bytes = state.outbox_bytes.saturating_sub(bytes);
            state.stalled_since_s = now.mono_s();
        }
    }

    /// What a link's outbox holds after a flush, replies included; `progressed` when the socket took
    /// anything. Corrects the running count of [`Self::queued`].
    pub fn outbox(
        &mut self,
        link: LinkId,
        held_bytes: usize,
        progressed: bool,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let max = self.limits.outbox_bytes_max;
        let Some(state) = self.links.get_mut(link) else { return };
        if progressed || state.outbox_bytes == 0 {
            state.stalled_since_s = now.mono_s();
        }
        state.outbox_bytes = u32::try_from(held_bytes).unwrap_or(u32::MAX);
        if state.outbox_bytes > max {
            fx.close(link, CloseReason::OutboxFull);
        }
    }

    /// Whether requests other than sends may be handled now. They are answered after the sends
    /// before them (spec, websocket 1.7); if any is in flight the link is held until it is answered.
    pub fn in_order(&mut self, link: LinkId) -> Admission {
        match self.links.get_mut(link) {
            Some(state) if state.in_flight > 0 => {
                state.held = true;
                Admission::Hold
            }
            _ => Admission::Taken,
        }
    }

    // --- sends ---------------------------------------------------------------------------------

    /// Offers a send. The sender is at home here and in memory.
    pub fn send(
        &mut self,
        origin: Origin,
        draft: &Draft<'_>,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        if draft.switches.ephemeral() {
            return self.send_ephemeral(origin, draft, now, fx);
        }
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
            && link.in_flight >= self.limits.in_flight_per_link
        {
            link.held = true;
            return Admission::Hold;
        }
        if self.pending.overdue() {
            return self.answer_in_order(origin, Admission::Refused);
        }
        let key = draft.key();
        if let Some(send_time_ns) = self.inboxes.duplicate(draft.send_id, key) {
            let admission = self.answer_in_order(origin, Admission::Taken);
            if admission == Admission::Taken {
                fx.receipt(origin, draft.send_id, draft.client_msg_id, key, send_time_ns);
            }
            return admission;
        }
        if self.pending.contains(key) {
            return self.hold(origin);
        }
        let message = draft.message(key, self.inboxes.stamp(draft.send_id, now.unix_ns));
        let mut record = Vec::with_capacity(message.encoded_len());
        message.encode(&mut record);
        let homes = [
            self.placement.home(draft.recv_id, self.shards),
            self.placement.home(draft.send_id, self.shards),
        ];
        let append = Append { key, homes, record: record.into_boxed_slice() };
        if fx.append(append).is_err() {
            return self.hold(origin);
        }
        self.pending.insert(key, origin, now.mono_ms + self.limits.send_timeout_ms);
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
        {
            link.in_flight += 1;
        }
        Admission::Taken
    }

    /// A message that leaves no trace: handed to the receiver's home, then acknowledged.
    fn send_ephemeral(
        &mut self,
        origin: Origin,
        draft: &Draft<'_>,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        if self.answer_in_order(origin, Admission::Taken) == Admission::Hold {
            return Admission::Hold;
        }
        let key = draft.key();
        let message = draft.message(key, self.inboxes.stamp(draft.send_id, now.unix_ns));
        let home = self.placement.home(draft.recv_id, self.shards);
        if home == self.index {
            self.deliver(draft.recv_id, 0, &message, Seq(0), now, fx);
        } else {
            let mut record = Vec::with_capacity(message.encoded_len());
            message.encode(&mut record);
            if fx.forward(home, &record).is_err() {
                return self.hold(origin);
            }
        }
        fx.receipt(origin, draft.send_id, draft.client_msg_id, key, message.send_time_ns);
        Admission::Taken
    }

    /// An ephemeral message from another shard.
    pub fn forwarded(&mut self, record: &[u8], now: Now, fx: &mut impl Effects) {
        if let Ok(message) = Message::decode(record) {
            self.deliver(message.recv_id, 0, &message, Seq(0), now, fx);
        }
    }

    /// `then` if nothing of the link is in flight; else hold it, so that answers keep their order.
    fn answer_in_order(&mut self, origin: Origin, then: Admission) -> Admission {
        match origin {
            Origin::Link { id, .. } if self.in_order(id) == Admission::Hold => Admission::Hold,
            _ => then,
        }
    }

    fn hold(&mut self, origin: Origin) -> Admission {
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
        {
            link.held = true;
            // With something in flight the answer resumes it; else the next room does.
            if link.in_flight == 0 {
                self.blocked.push_back(id);
            }
        }
        Admission::Hold
    }

    /// A ring that was full has room: those held for it may try again.
    pub fn room(&mut self, fx: &mut impl Effects) {
        for _ in 0..self.blocked.len() {
            if let Some(link) = self.blocked.pop_front() {
                self.resume(link, fx);
            }
        }
        fx.resume_calls();
    }

    fn resume(&mut self, id: LinkId, fx: &mut impl Effects) {
        if let Some(link) = self.links.get_mut(id)
            && link.held
        {
            link.held = false;
            fx.resume(id);
        }
    }

    // --- the log -------------------------------------------------------------------------------

    /// Whether another committed record may be handed in. When not, leave it in the ring.
    #[must_use]
    pub fn takes_committed(&self) -> bool {
        self.waiting_len < self.limits.waiting_max
    }

    /// A record is durable. Records come in log order.
    pub fn committed(&mut self, committed: Committed, now: Now, fx: &mut impl Effects) {
        let Ok(message) = Message::decode(&committed.record) else { return };
        self.head = Position(committed.position.0 + 1);
        let oneself = message.send_id == message.recv_id;
        if self.is_home(message.recv_id) {
            self.apply_or_wait(&committed, &message, Role::Receiver, now, fx);
        }
        if !oneself && self.is_home(message.send_id) {
            self.apply_or_wait(&committed, &message, Role::Sender, now, fx);
        }
    }

    fn apply_or_wait(
        &mut self,
        committed: &Committed,
        message: &Message<'_>,
        role: Role,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let uid = if role == Role::Receiver { message.recv_id } else { message.send_id };
        let partition = self.placement.partition(uid);
        let behind = self.waiting.get(&partition).is_some_and(|queue| !queue.is_empty());
        if behind || !self.inboxes.ready(message, role) {
            if !behind {
                fx.load(&UserId::new(uid));
            }
            let waiting = Waiting { role, committed: committed.clone() };
            self.waiting.entry(partition).or_default().push_back(waiting);
            self.waiting_len += 1;
            return;
        }
        self.apply(committed, message, role, now, fx);
    }

    fn apply(
        &mut self,
        committed: &Committed,
        message: &Message<'_>,
        role: Role,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let Ok(outcome) =
            self.inboxes.apply(committed.position, committed.append_ms, message, role)
        else {
            return;
        };
        let oneself = message.send_id == message.recv_id;
        if let Outcome::New(seq) = outcome {
            match role {
                Role::Receiver if !oneself => {
                    self.deliver(message.recv_id, 0, message, seq, now, fx);
                }
                // Own devices get a copy of what is stored; what has no seq is not synced.
                _ if seq > Seq(0) && (oneself || message.switches.sender_sync) => {
                    self.deliver(message.send_id, message.origin_platform, message, seq, now, fx);
                }
                _ => {}
            }
        }
        if role == Role::Sender || oneself {
            let send_time_ns = match outcome {
                Outcome::Duplicate(first) => first,
                Outcome::New(_) | Outcome::Replayed => message.send_time_ns,
            };
            if let Some(origin) = self.pending.remove(message.key) {
                fx.receipt(
                    origin,
                    message.send_id,
                    message.client_msg_id,
                    message.key,
                    send_time_ns,
                );
                self.answered(origin, fx);
            }
        }
    }

    /// The log refused a record; nothing of it is kept.
    pub fn refused(&mut self, key: MessageKey, fx: &mut impl Effects) {
        if let Some(origin) = self.pending.remove(key) {
            fx.refuse(origin, SendRefused::LogRefused);
            self.answered(origin, fx);
        }
    }

    /// A send of a link was answered: what was held behind it may go on.
    fn answered(&mut self, origin: Origin, fx: &mut impl Effects) {
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
        {
            link.in_flight = link.in_flight.saturating_sub(1);
            // Half the window, so that a resumed link reads several frames at once.
            if link.held
                && (link.in_flight == 0 || link.in_flight == self.limits.in_flight_per_link / 2)
            {
                self.resume(id, fx);
            }
        }
    }

    fn deliver(
        &mut self,
        uid: &str,
        except_platform: u8,
        message: &Message<'_>,
        seq: Seq,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let sync = uid == message.send_id;
        let delivery = Delivery { message, seq, sync };
        // At most one link a platform: seven, so this never grows.
        let targets: Vec<Target> = self.links.targets(uid, except_platform, now.unix_s()).collect();
        for target in targets {
            match target {
                Target::Live(link) => {
                    let bytes = fx.push(link, &delivery);
                    self.queued(link, bytes, now, fx);
                }
                Target::Expired(link) => fx.close(link, CloseReason::TokenExpired),
            }
        }
    }

    // --- loading and storing -------------------------------------------------------------------

    /// A user's state has come into memory: records that waited for it are applied.
    pub fn loaded(&mut self, uid: &UserId, now: Now, fx: &mut impl Effects) {
        let partition = self.placement.partition(uid.as_str());
        let Some(mut queue) = self.waiting.remove(&partition) else { return };
        while let Some(waiting) = queue.pop_front() {
            let Ok(message) = Message::decode(&waiting.committed.record) else {
                self.waiting_len -= 1;
                continue;
            };
            if !self.inboxes.ready(&message, waiting.role) {
                let uid = match waiting.role {
                    Role::Receiver => message.recv_id,
                    Role::Sender => message.send_id,
                };
                fx.load(&UserId::new(uid));
                queue.push_front(waiting);
                self.waiting.insert(partition, queue);
                return;
            }
            self.waiting_len -= 1;
            self.apply(&waiting.committed, &message, waiting.role, now, fx);
        }
    }

    /// Everything applied since the last batch, for the history store; `None` while one is there.
    ///
    /// `head` is where the log stands for this shard: all records below it were handed in.
    pub fn take_batch(&mut self, head: Position) -> Option<StoreBatch> {
        let head = head.max(self.head);
        let waiting = &self.waiting;
        self.inboxes.take_batch(|partition| {
            waiting
                .get(&partition)
                .and_then(|queue| queue.front())
                .map_or(head, |first| first.committed.position)
        })
    }

    // --- time ----------------------------------------------------------------------------------

    /// Lets time pass: late sends are refused, quiet links pinged, dead ones closed.
    pub fn tick(&mut self, now: Now, fx: &mut impl Effects) {
        while let Some(origin) = self.pending.expire(now.mono_ms) {
            fx.refuse(origin, SendRefused::Timeout);
            self.answered(origin, fx);
        }
        if self.pending.overdue() {
            self.room(fx);
        }
        let deadlines = Deadlines {
            ping_s: self.limits.ping_s,
            pings_missed_max: self.limits.pings_missed_max,
            write_stall_s: self.limits.write_stall_s,
        };
        let mut verdicts = std::mem::take(&mut self.verdicts);
        self.sweep.turn(&mut self.links, deadlines, now.mono_s(), now.unix_s(), &mut verdicts);
        for verdict in verdicts.drain(..) {
            match verdict {
                Verdict::Ping(link) => fx.ping(link),
                Verdict::Close(link, reason) => fx.close(link, reason),
            }
        }
        self.verdicts = verdicts;
    }

    /// Sends that the log owes an answer.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Records that wait for users to be loaded.
    #[must_use]
    pub const fn waiting_len(&self) -> usize {
        self.waiting_len
    }
}

impl<'a> Draft<'a> {
    fn key(&self) -> MessageKey {
        MessageKey::new(self.send_id, self.session_type, self.recv_id, self.client_msg_id)
    }

    fn message(&self, key: MessageKey, send_time_ns: i64) -> Message<'a> {
        Message {
            key,
            send_time_ns,
            switches: self.switches,
            origin_platform: self.origin_platform,
            msg_from: self.msg_from,
            content_type: self.content_type,
            session_type: self.session_type,
            sender_platform_id: self.sender_platform_id,
            send_id: self.send_id,
            recv_id: self.recv_id,
            client_msg_id: self.client_msg_id,
            sender_nick_name: self.sender_nick_name,
            sender_face_url: self.sender_face_url,
            offline_info: self.offline_info,
            content: self.content,
        }
    }
}
