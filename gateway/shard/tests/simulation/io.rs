//! The surroundings of one shard, as its driver would keep them: rings, sockets, and what the shard
//! asked for and nobody has done yet.

use std::collections::{BTreeMap, VecDeque};

use openim_record::{
    Account, Committed, Deliver, MemberList, Message, MessageKey, Milestone, PartitionId,
    Placement, Seq, Submission,
};
use openim_shard::{
    CloseReason, Credentials, Effects, FrontEffects, LinkId, LinkState, Origin, SendRefused,
};

use crate::groups::GroupCall;
use crate::why::Noted;

/// What the shard asked for in one call, in order.
#[derive(Debug)]
pub(crate) enum Effect {
    Receipt { origin: Origin, key: MessageKey, send_time_ns: i64 },
    Refuse(Origin, SendRefused),
    Push { link: LinkId, key: MessageKey, seq: Seq, sync: bool, bytes: usize },
    Ping(LinkId),
    Close(LinkId, CloseReason),
    Resume(LinkId),
    ResumeCalls(usize),
}

/// What the log tells a shard.
#[derive(Debug)]
pub(crate) enum LogEvent {
    /// A record, and whether it is one that the shard handed in.
    Committed(Committed, bool),
    Refused(MessageKey),
    /// How much was handed out to the shard so far.
    Milestone(Milestone),
}

/// A request as the client wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) ask: Ask,
    /// The token in the frame.
    pub(crate) token: Credentials,
    pub(crate) msg_incr: i32,
    /// The rate limit has let it pass already.
    pub(crate) counted: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// Number of the message in the oracle's list.
    Send(usize),
    Query,
}

/// How the peer of a link reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    All,
    Trickle,
    /// Takes nothing and answers no ping.
    Nothing,
}

/// A link's socket, and what the client at its other end has seen.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) user: usize,
    pub(crate) device: usize,
    pub(crate) platform: u8,
    pub(crate) credentials: Credentials,
    pub(crate) frames: VecDeque<Frame>,
    pub(crate) next_incr: i32,
    pub(crate) replied: i32,
    pub(crate) held: bool,
    pub(crate) paused_until_ms: u64,
    pub(crate) closing: Option<CloseReason>,
    pub(crate) taking: Taking,
    pub(crate) outbox_bytes: usize,
    pub(crate) pinged: bool,
    /// Newest seq that was pushed, or that the inbox had when the link opened.
    pub(crate) seen: Option<Seq>,
    /// Mono seconds since when something waits and nothing was taken.
    pub(crate) stuck_since_s: Option<u32>,
}

/// A send over REST.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) message: usize,
    pub(crate) token: Credentials,
}

/// A socket whose token is still to be held against the newest ones.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    pub(crate) device: usize,
    pub(crate) token: Credentials,
}

/// An ephemeral message on its way; to a group with its members there.
pub(crate) type Ephemeral = (Box<[u8]>, Option<Box<[u8]>>);

/// One shard's rings, sockets and waits.
#[derive(Debug)]
pub(crate) struct Io {
    placement: Placement,
    pub(crate) appends: VecDeque<Submission>,
    pub(crate) appends_max: usize,
    pub(crate) append_failed: bool,
    pub(crate) events: VecDeque<LogEvent>,
    /// To each other shard.
    pub(crate) mesh: Vec<VecDeque<Ephemeral>>,
    pub(crate) mesh_max: usize,
    pub(crate) mesh_failed: bool,
    pub(crate) sockets: BTreeMap<LinkId, Socket>,
    pub(crate) calls: VecDeque<Call>,
    /// Calls held for room.
    pub(crate) held_calls: VecDeque<Call>,
    /// Sends to groups that are at home here, and those held for room.
    pub(crate) group_calls: VecDeque<GroupCall>,
    pub(crate) held_group_calls: VecDeque<GroupCall>,
    pub(crate) handshakes: VecDeque<Handshake>,
    pub(crate) effects: Vec<Effect>,
    /// What is noted of links.
    pub(crate) notes: Vec<Noted>,
    /// Deliveries that were handed to it, and pushes that came out, for the books.
    pub(crate) handed: Account,
    pub(crate) written: Account,
}

impl Io {
    pub(crate) fn new(
        placement: Placement,
        shards: usize,
        appends_max: usize,
        mesh_max: usize,
    ) -> Self {
        Self {
            placement,
            appends: VecDeque::new(),
            appends_max,
            append_failed: false,
            events: VecDeque::new(),
            mesh: (0..shards).map(|_| VecDeque::new()).collect(),
            mesh_max,
            mesh_failed: false,
            sockets: BTreeMap::new(),
            calls: VecDeque::new(),
            held_calls: VecDeque::new(),
            group_calls: VecDeque::new(),
            held_group_calls: VecDeque::new(),
            handshakes: VecDeque::new(),
            effects: Vec::new(),
            notes: Vec::new(),
            handed: Account::default(),
            written: Account::default(),
        }
    }

    /// The shard that owns a partition.
    fn owner(&self, partition: PartitionId) -> usize {
        usize::from(self.placement.shard(partition, self.mesh.len() as u16))
    }

    /// Places in the rings, once one was full.
    pub(crate) fn places(&self) -> usize {
        let appends = self.appends_max - self.appends.len();
        let mesh = self.mesh.iter().map(|ring| self.mesh_max - ring.len()).max().unwrap_or(0);
        let failed = [(self.append_failed, appends), (self.mesh_failed, mesh)];
        failed
            .into_iter()
            .filter_map(|(failed, places)| failed.then_some(places))
            .max()
            .unwrap_or(0)
    }
}

/// Bytes of a push on the wire, about.
pub(crate) fn push_bytes(message: &Message<'_>) -> usize {
    100 + message.content.len()
}

impl FrontEffects for Io {
    fn has_room(&mut self, _: usize) -> bool {
        let room = self.appends.len() < self.appends_max;
        self.append_failed |= !room;
        room
    }

    fn submit(&mut self, submission: Submission) {
        assert!(self.appends.len() < self.appends_max, "room was asked for");
        self.appends.push_back(submission);
    }

    fn receipt(
        &mut self,
        origin: Origin,
        send_id: &str,
        client_msg_id: &str,
        key: MessageKey,
        send_time_ns: i64,
    ) {
        assert!(!send_id.is_empty() && !client_msg_id.is_empty(), "a receipt names its send");
        self.effects.push(Effect::Receipt { origin, key, send_time_ns });
    }

    fn refuse(&mut self, origin: Origin, why: SendRefused) {
        self.effects.push(Effect::Refuse(origin, why));
    }

    fn push(&mut self, link: LinkId, deliver: &Deliver<'_>) -> usize {
        let bytes = push_bytes(deliver.message);
        if deliver.ticket != 0 {
            self.written.add(deliver.ticket);
        }
        self.effects.push(Effect::Push {
            link,
            key: deliver.message.key,
            seq: deliver.seq,
            sync: deliver.sync(),
            bytes,
        });
        bytes
    }

    fn ping(&mut self, link: LinkId) {
        self.effects.push(Effect::Ping(link));
    }

    fn close(&mut self, link: LinkId, reason: CloseReason) {
        self.effects.push(Effect::Close(link, reason));
    }

    fn resume(&mut self, link: LinkId) {
        self.effects.push(Effect::Resume(link));
    }

    fn resume_calls(&mut self, calls_max: usize) {
        self.effects.push(Effect::ResumeCalls(calls_max));
    }

    fn keeps_journal(&self) -> bool {
        true
    }

    fn link_note(&mut self, state: &LinkState<'_>) {
        self.notes.push(Noted::of(state));
    }
}

impl Effects for Io {
    fn has_room_at(&mut self, partition: PartitionId, _: usize) -> bool {
        let room = self.mesh[self.owner(partition)].len() < self.mesh_max;
        self.mesh_failed |= !room;
        room
    }

    fn forward(&mut self, partition: PartitionId, record: Box<[u8]>) {
        let owner = self.owner(partition);
        let ring = &mut self.mesh[owner];
        assert!(ring.len() < self.mesh_max, "room was asked for");
        ring.push_back((record, None));
    }

    fn forward_group(&mut self, record: &[u8], lists: Vec<MemberList>) -> bool {
        let mut room: Vec<usize> =
            self.mesh.iter().map(|ring| self.mesh_max - ring.len()).collect();
        for list in &lists {
            let room = &mut room[self.owner(list.partition)];
            if *room == 0 {
                self.mesh_failed = true;
                return false;
            }
            *room -= 1;
        }
        for MemberList { partition, list, .. } in lists {
            let owner = self.owner(partition);
            self.mesh[owner].push_back((record.into(), Some(list)));
        }
        true
    }
}
