//! A shard that has only a front, as it meets the log of a cluster.
//!
//! In: what the front hands to the log, and changes of groups. Out: records of the topics, formed here, so that the one
//! thread that hands them to the producer copies nothing; and what became of them, for the front or for whoever waits for
//! a change to be told. A send's time is that of its append.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use openim_protocol::request::UID_CHARS_MAX;
use openim_record::{
    Addresses, Committed, GroupId, Landed, LinkId, MemberChange, Message, MessageKey, Now, Place,
    Process, Role, SESSION_GROUP, Seq, Submission, Topic, own_message,
};
use openim_shard::{FrontEffects, Given, Shard};
use openim_transfer::{GroupChanged, Sent, TopicRecord};
use openim_workers::commit::LogEvent;
use tokio::sync::oneshot;

use super::Core;
use super::io::Io;
use super::pump::{BATCH, TURN_BYTES, offer_room};
use crate::bus::Refused;
use crate::metrics::Waited;

/// What there is to say about a send to a group besides the message.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToGroup {
    /// Members it is emphasised to.
    pub(crate) emphasised: Vec<String>,
    /// Who gets it without being a member.
    pub(crate) extra: Vec<String>,
    /// The server's own, or a manager's.
    pub(crate) trusted: bool,
}

/// What the surroundings of such a shard have besides.
#[derive(Debug)]
pub(crate) struct Alone {
    /// Who this front is, for all the cluster.
    process: Process,
    given: Given,
    /// Links that the delivery of now has reached.
    pub(super) reached: Vec<LinkId>,
    /// Of the send to a group that is being offered.
    to_group: ToGroup,
    /// Who waits for a change of a group to lie in the log. As many as the ring to it takes.
    changes: HashMap<MessageKey, oneshot::Sender<bool>>,
}

impl Alone {
    pub(crate) fn new(process: Process) -> Self {
        Self {
            process,
            given: Given::default(),
            reached: Vec::new(),
            to_group: ToGroup::default(),
            changes: HashMap::new(),
        }
    }

    /// A link has its slot from now on.
    pub(super) fn opened(&mut self, link: LinkId) {
        self.given.opened(link);
    }

    /// Whether a link is to be given this now; it has it in any case.
    pub(super) fn gives(&mut self, link: LinkId, seq: Seq) -> bool {
        self.reached.push(link);
        self.given.takes(link, seq)
    }

    /// A send as the record of its topic.
    pub(super) fn of_topic(&mut self, submission: Submission) -> Submission {
        let Submission { key, to, record, lists } = submission;
        let record = match to.log_partition().map(|at| at.topic) {
            Some(Topic::Group) => {
                let ToGroup { emphasised, extra, trusted } = std::mem::take(&mut self.to_group);
                let (emphasised, extra) = (possible(&emphasised), possible(&extra));
                Sent::encode_to_group(self.process, &emphasised, &extra, trusted, &record)
            }
            Some(Topic::Chat) | None => Sent::encode(self.process, &record),
        };
        Submission { key, to, record, lists }
    }
}

impl Io {
    /// The send that is offered next is to a group: what there is to say about it besides.
    pub(crate) fn begin_group_send(&mut self, to_group: ToGroup) {
        if let Some(alone) = &mut self.alone {
            alone.to_group = to_group;
        }
    }
}

/// Of ids that a client wrote those that somebody may have: a record has no room for others, and nobody is left out.
fn possible(uids: &[String]) -> Vec<&str> {
    let uids = uids.iter().map(String::as_str);
    uids.filter(|uid| uid.len() <= UID_CHARS_MAX * size_of::<char>()).collect()
}

/// Names a change of a group, as a send is named by its key.
fn change_key(group: &str, version: u64) -> MessageKey {
    MessageKey::new(group, 0, "", &version.to_string())
}

impl Core {
    /// Whether this shard has only a front.
    pub(crate) fn is_alone(&self) -> bool {
        self.shard.borrow().is_alone()
    }

    /// Takes what became of submissions; whether more is waiting.
    pub(super) fn take_landed(&self, now: Now) -> bool {
        let mut shard = self.shard.borrow_mut();
        let mut io = self.io.borrow_mut();
        let mut taken = 0;
        while taken < BATCH && io.turn_bytes < TURN_BYTES {
            match io.events.try_recv() {
                Some(LogEvent::Landed(record) | LogEvent::Committed(record)) => {
                    landed(&mut shard, &mut io, &record, now);
                }
                Some(LogEvent::Refused(key)) => {
                    let change = io.alone.as_mut().and_then(|alone| alone.changes.remove(&key));
                    match change {
                        Some(change) => answer(change, false),
                        None => shard.refused(key, now, &mut *io),
                    }
                }
                // A cluster's log has no changes.
                Some(LogEvent::Told(_) | LogEvent::Milestone(_)) => {}
                None => break,
            }
            taken += 1;
        }
        if taken > 0 {
            io.events.made_room();
        }
        offer_room(&mut shard, &mut io);
        !io.events.is_empty()
    }

    /// Tells whoever expands sends to a group that it has changed (R6): waits until that lies in the log. Of a change that
    /// names nobody the version alone is told.
    ///
    /// # Errors
    /// [`Refused::Unavailable`]: it may lie there or not; whoever repeats the change tells it again.
    pub(crate) async fn tell_group_changed(
        self: &Rc<Self>,
        group: &GroupId,
        version: u64,
        changes: &[MemberChange],
    ) -> Result<(), Refused> {
        let record = group_changed(group, version, changes);
        let (answer, mut heard) = oneshot::channel();
        let mut answer = Some(answer);
        let handed_in = async {
            while !self.hand_in_change(group, version, &record, &mut answer) {
                self.room().await;
            }
        };
        self.in_time(Waited::Room, handed_in).await?;
        self.end_turn(self.now());
        match self.in_time(Waited::Change, &mut heard).await? {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refused::Unavailable),
        }
    }

    /// Whether there was room for it.
    fn hand_in_change(
        &self,
        group: &GroupId,
        version: u64,
        record: &[u8],
        answer: &mut Option<oneshot::Sender<bool>>,
    ) -> bool {
        let mut io = self.io.borrow_mut();
        if !io.has_room(record.len()) {
            return false;
        }
        let key = change_key(group.as_str(), version);
        if let Some((alone, answer)) = io.alone.as_mut().zip(answer.take()) {
            // Who waited for the same before does so in vain, and does not wait for ever.
            alone.changes.insert(key, answer);
        }
        let (recv_id, session_type) = (group.as_str(), SESSION_GROUP);
        let of_group = Message { recv_id, session_type, ..Message::BLANK };
        let to = Addresses::of(&of_group, self.here.placement);
        io.hand_in(Submission { key, to, record: record.into(), lists: Box::default() });
        true
    }
}

/// Answers who waits for a change, who may be gone.
fn answer(waiting: oneshot::Sender<bool>, landed: bool) {
    let _heard = waiting.send(landed);
}

/// A submission lies in the log.
fn landed(shard: &mut Shard, io: &mut Io, record: &Committed, now: Now) {
    match TopicRecord::decode(&record.record) {
        Ok(TopicRecord::Send(sent)) => {
            let Some(partition) = record.to.origin() else { return };
            let message = own_message(sent.message);
            // Sealed with the time at which it was handed in.
            let waited_ns = io.turn_ns.saturating_sub(message.send_time_ns);
            io.metrics.send_seconds.observe(Duration::from_nanos(waited_ns.max(0).unsigned_abs()));
            let place = Place { partition, position: record.position };
            let send_time_ns = record.append_ms.saturating_mul(1_000_000);
            shard.landed(Landed::Durable { place, send_time_ns, message: &message }, now, io);
        }
        Ok(TopicRecord::GroupChanged(change)) => {
            let key = change_key(change.group, change.version);
            if let Some(waiting) = io.alone.as_mut().and_then(|alone| alone.changes.remove(&key)) {
                answer(waiting, true);
            }
        }
        // Nothing else is handed in here.
        Ok(TopicRecord::Relay(_) | TopicRecord::Notice(_)) | Err(_) => {}
    }
}

/// A change as the record of its topic. Roles are nothing to who expands sends, and of a group that has ended its members
/// are named as they are cleared out.
fn group_changed(group: &GroupId, version: u64, changes: &[MemberChange]) -> Box<[u8]> {
    let mut joined: Vec<(&str, Role)> = Vec::new();
    let mut left: Vec<&str> = Vec::new();
    for change in changes {
        match change {
            MemberChange::Joined(uid, role) => joined.push((uid.as_str(), *role)),
            MemberChange::Left(uid) | MemberChange::Removed(uid) | MemberChange::Cleared(uid) => {
                left.push(uid.as_str());
            }
            MemberChange::Role(..) | MemberChange::Ended => {}
        }
    }
    GroupChanged::encode(group.as_str(), version, &joined, &left)
}

#[cfg(test)]
mod tests;
