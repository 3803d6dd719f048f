//! One shard: a front, a back, and what passes between them.
//!
//! The path of a send: [`Shard::send`] has the front form the record and hand it to the log; [`Shard::committed`]
//! gets it back on the receiver's and on the sender's home, where the back numbers it; the front delivers it, and on
//! the sender's home answers it.

use openim_auth::{LoginPolicy, NewestTokens};
use openim_back::Back;
use openim_front::{Admission, Effects as FrontEffects, Front, Origin};
use openim_record::{
    Access, Committed, Deliver, Draft, Heading, InboxBounds, Landed, Message, MessageKey, Now,
    Place, Placement, Seq, Settled, StoredState, UserId, own_message,
};

use crate::effects::Effects;

mod alone;
mod books;
mod group_sends;
#[cfg(test)]
mod tests;
mod unwilling;
mod verbs;

pub use books::Ledger;
pub use group_sends::{GroupAdmission, GroupTerms, Tells};

/// Bounds of one shard.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of links and sends.
    pub front: openim_front::Limits,
    /// Of inboxes and groups.
    pub back: openim_back::Limits,
}

/// What the stores are to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// A user's newest tokens, for the front.
    Tokens(UserId),
    /// The bounds of a user's inbox, for the back.
    Inbox(UserId),
}

/// The state of one shard.
#[derive(Debug)]
pub struct Shard {
    placement: Placement,
    front: Front,
    back: Back,
    /// Who does not receive what users at home here write to them; of groups the back knows.
    unwilling: unwilling::Unwilling,
    /// The back is elsewhere, and this one has nothing.
    alone: bool,
    ephemerals: u64,
    ledger: Ledger,
}

/// The front as the back meets it: what the back gives is taken at once.
struct Meeting<'a, F> {
    front: &'a mut Front,
    fx: &'a mut F,
    now: Now,
    /// A submission of this shard that is durable and not told to the front yet.
    landed: Option<(Place, &'a Message<'a>)>,
}

impl<F: FrontEffects> openim_back::Effects for Meeting<'_, F> {
    fn deliver(&mut self, deliver: &Deliver<'_>) -> usize {
        self.front.deliver(deliver, self.now, self.fx)
    }

    fn settled(&mut self, settled: Settled) {
        // Nearly always both at once: the front need not remember it.
        match self.landed.take_if(|(place, _)| *place == settled.place) {
            Some((_, message)) => self.front.landed_and_settled(message, settled, self.fx),
            None => self.front.settled(settled, self.fx),
        }
    }
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
        let owner = |partition| placement.shard(partition, shards);
        Self {
            placement,
            front: Front::new(placement, policy, limits.front),
            back: Back::new(placement, owner, index, limits.back),
            unwilling: unwilling::Unwilling::default(),
            alone: false,
            ephemerals: 0,
            ledger: Ledger::new(),
        }
    }

    /// Takes over what the history store kept of a partition; others' partitions are ignored.
    pub fn recover(&mut self, state: &StoredState) {
        if !self.back.owns(state.partition) {
            return;
        }
        for entry in &state.duplicates {
            // The append time stands for sends whose own entry is no longer kept.
            let append_ns = entry.append_ms.saturating_mul(1_000_000);
            self.front.note_time(entry.send_time_ns.max(append_ns));
        }
        self.back.recover(state);
    }

    // --- the log -------------------------------------------------------------------------------

    /// Whether a send of so many bytes may be offered now, to be asked before its draft is formed. If not, its origin
    /// is held.
    #[must_use]
    pub fn ready(
        &mut self,
        origin: Origin,
        heading: &Heading<'_>,
        bytes: usize,
        fx: &mut impl Effects,
    ) -> bool {
        if !heading.switches.ephemeral() || self.alone {
            return self.front.ready(origin, bytes, fx);
        }
        if self.front.answer_in_order(origin, Admission::Taken) == Admission::Hold {
            return false;
        }
        let partition = self.placement.partition(heading.recv_id);
        let ready = self.back.owns(partition) || fx.has_room_at(partition, bytes);
        if !ready {
            let _held = self.front.hold(origin);
        }
        ready
    }

    /// Offers a send, if it is [`Self::ready`].
    pub fn send(
        &mut self,
        origin: Origin,
        draft: &mut Draft,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        match self.ready(origin, &draft.heading(), draft.bytes(), fx) {
            true => self.offer(origin, draft, now, fx),
            false => Admission::Hold,
        }
    }

    /// Offers a send that is [`Self::ready`]. The sender is at home here and in memory. Of one that was taken nothing
    /// is left in `draft`.
    pub fn offer(
        &mut self,
        origin: Origin,
        draft: &mut Draft,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        self.unwilling.judge(draft);
        let ephemeral = draft.switches().ephemeral();
        if ephemeral && !self.alone {
            self.send_ephemeral(origin, draft, now, fx);
            return Admission::Taken;
        }
        let known = |partition, key| self.back.duplicate(partition, key);
        let admission = self.front.send(origin, draft, known, now, fx);
        self.ephemerals += u64::from(ephemeral && admission == Admission::Taken);
        admission
    }

    /// A message that leaves no trace: handed to the receiver's home, then acknowledged.
    fn send_ephemeral(
        &mut self,
        origin: Origin,
        draft: &mut Draft,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let heading = draft.heading();
        let partition = self.placement.partition(heading.recv_id);
        let (key, send_time_ns) = (heading.key(), self.front.stamp(now));
        self.ephemerals += 1;
        fx.receipt(origin, heading.send_id, heading.client_msg_id, key, send_time_ns);
        let unwanted = heading.switches.unwanted;
        let record = draft.seal(key, send_time_ns);
        if unwanted {
            fx.unnumbered(&own_message(&record));
            return;
        }
        if !self.back.owns(partition) {
            fx.forward(partition, record);
            return;
        }
        let message = own_message(&record);
        let copy = message.recv_id == message.send_id && message.copy_for_author(Seq(0));
        let except_platform = if copy { message.origin_platform } else { 0 };
        self.deliver_ephemeral(&message, except_platform, now, fx);
    }

    /// An ephemeral message from another shard.
    pub fn forwarded(&mut self, record: &[u8], now: Now, fx: &mut impl Effects) {
        self.deliver_ephemeral(&own_message(record), 0, now, fx);
    }

    fn deliver_ephemeral(
        &mut self,
        message: &Message<'_>,
        except_platform: u8,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let (uid, seq) = (message.recv_id, Seq(0));
        let deliver = Deliver { uid, except_platform, message, seq, member: None, ticket: 0 };
        self.front.deliver(&deliver, now, fx);
    }

    /// A record for partitions of this shard is durable; `landed` when this shard handed it in. Records come
    /// in log order.
    pub fn committed(
        &mut self,
        committed: Committed,
        landed: bool,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let message = own_message(&committed.record);
        self.front.note_time(message.send_time_ns);
        let position = committed.position;
        if landed && !message.switches.history {
            fx.unnumbered(&message);
        }
        let place = |partition| (Place { partition, position }, &message);
        let landed = committed.to.origin().filter(|_| landed).map(place);
        let Self { front, back, .. } = self;
        let mut meeting = Meeting { front, fx, now, landed };
        back.committed(&committed, &message, &mut meeting);
        let Meeting { front, fx, landed, .. } = meeting;
        if let Some((place, message)) = landed {
            let send_time_ns = message.send_time_ns;
            front.landed(Landed::Durable { place, send_time_ns, message }, now, fx);
        }
        if message.is_to_group() {
            self.back.committed_to_members(committed);
        }
    }

    /// The log refused a record that this shard handed in; nothing of it is kept.
    pub fn refused(&mut self, key: MessageKey, now: Now, fx: &mut impl Effects) {
        let members = self.front.landed(Landed::Refused(key), now, fx);
        self.back.no_turn(members);
    }

    /// An ephemeral message to a group, from its home. When too much waits its members have their turn at
    /// once, and others wait for that.
    pub fn forwarded_group(
        &mut self,
        record: Box<[u8]>,
        list: Box<[u8]>,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let Self { front, back, .. } = self;
        back.pass_to_members(record, list, &mut Meeting { front, fx, now, landed: None });
    }

    /// Gives about `members` members of groups their turn; whether more are waiting for one.
    pub fn fan_out(&mut self, members: usize, now: Now, fx: &mut impl Effects) -> bool {
        let Self { front, back, .. } = self;
        back.fan_out(members, &mut Meeting { front, fx, now, landed: None })
    }

    /// Somebody asks how far a user's inbox has come; see [`Back::hasten`].
    pub fn hasten(&mut self, uid: &str, now: Now, fx: &mut impl Effects) -> bool {
        let Self { front, back, .. } = self;
        back.hasten(uid, &mut Meeting { front, fx, now, landed: None })
    }

    // --- loading -------------------------------------------------------------------------------

    /// Whether a user's tokens and inbox are in memory; of a front alone the tokens.
    #[must_use]
    pub fn knows(&self, uid: &str) -> bool {
        (self.back.knows(uid) || self.alone) && self.front.knows(uid)
    }

    /// Somebody waits for a user to come into memory.
    pub fn want(&mut self, uid: &UserId) {
        self.front.want(uid);
        if !self.alone {
            self.back.want(uid);
        }
    }

    /// What the stores are to be asked for next; [`Self::tokens_loaded`], [`Self::inbox_loaded`] or
    /// [`Self::load_failed`] follows. Members of groups whom nobody waits for yet only when `expected` are to
    /// be asked for too.
    pub fn next_load(&mut self, expected: bool) -> Option<Load> {
        if let Some(uid) = self.front.next_load() {
            return Some(Load::Tokens(uid));
        }
        self.back.next_load(expected).map(Load::Inbox)
    }

    /// The stores could not be asked now.
    pub fn put_load_back(&mut self, load: &Load) {
        match load {
            Load::Tokens(uid) => self.front.put_load_back(uid),
            Load::Inbox(uid) => self.back.put_load_back(uid),
        }
    }

    /// The stores have failed to give it. They are asked again when records or members of groups wait for it.
    pub fn load_failed(&mut self, load: &Load, now: Now) {
        match load {
            Load::Tokens(uid) => self.front.load_failed(uid, now),
            Load::Inbox(uid) => self.back.load_failed(uid, now),
        }
    }

    /// The stores have given a user's tokens, and what was decided about them. `false`: they were read before
    /// something that they do not show, and are asked for again.
    pub fn tokens_loaded(
        &mut self,
        uid: &UserId,
        tokens: NewestTokens,
        access: Option<Box<Access>>,
    ) -> bool {
        let min = access.as_ref().map_or(Seq(0), |access| access.min);
        let believed = self.front.loaded(uid, tokens, access);
        if believed {
            // A replay has perhaps brought the inbox into memory, and does not know of it.
            self.back.seen_from(uid.as_str(), min);
        }
        believed
    }

    /// The stores have given the bounds of a user's inbox, and from where on whoever has the uid now may see
    /// it: what waited for it is applied. `false`: as for [`Self::tokens_loaded`].
    pub fn inbox_loaded(
        &mut self,
        uid: &UserId,
        bounds: InboxBounds,
        min: Seq,
        now: Now,
        fx: &mut impl Effects,
    ) -> bool {
        let Self { front, back, .. } = self;
        back.loaded(uid, bounds, min, &mut Meeting { front, fx, now, landed: None })
    }

    // --- time ----------------------------------------------------------------------------------

    /// Lets time pass: late sends are refused, quiet links pinged, dead ones closed.
    pub fn tick(&mut self, now: Now, fx: &mut impl Effects) {
        self.back.tick(now);
        self.front.tick(now, fx);
    }

    /// Panics when the state contradicts itself; walks everything, for tests.
    pub fn check_invariants(&self) {
        self.front.check_invariants();
        self.back.check_invariants();
    }
}
