//! What a record means: who gets it, and what is relayed (R1, R6, R10).
//!
//! Invariant: a record is decided once, in log order, out of the log before it; relays into one partition
//! come in the order of their sources. Guarded by the tests of the owner and `tests/cluster.rs`.

use std::sync::Arc;

use openim_record::{
    DuplicateEntry, Message, PartitionId, Place, Position, Process, Settled, Source, Topic, UserId,
    place,
};

use super::{Owner, Queued};
use crate::effects::Effects;
use crate::record::{GroupChanged, Relayed, Sent, ToGroup, TopicRecord, Unreadable, message};
use crate::values::{Alarm, PageEntry};

/// A user who gets the record.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) uid: UserId,
    /// Of a group's message: whether it is emphasised.
    pub(super) member: Option<bool>,
}

/// A record that is decided and whose inboxes are being numbered.
#[derive(Debug)]
pub(super) struct Deciding {
    pub(super) position: Position,
    pub(super) append_ms: i64,
    pub(super) sent_ms: i64,
    pub(super) bytes: usize,
    pub(super) message: Arc<[u8]>,
    /// Where the message lies that many have.
    pub(super) body_of: Option<Source>,
    pub(super) recipients: Vec<Recipient>,
    /// How many of them have had their turn.
    pub(super) done: usize,
    /// Who is told that the sender's inbox has it.
    pub(super) settles: Option<(Process, Settled)>,
}

impl Deciding {
    /// A record that concerns nobody.
    fn nothing(record: &Queued) -> Self {
        Self {
            position: record.position,
            append_ms: record.append_ms,
            sent_ms: record.append_ms,
            bytes: record.bytes.len(),
            message: Arc::default(),
            body_of: None,
            recipients: Vec::new(),
            done: 0,
            settles: None,
        }
    }
}

/// Where a send lies as its front was told by the log, which does not count logs that were adopted.
fn as_landed(partition: PartitionId, position: Position) -> Place {
    Place { partition, position: Position(place(position).1) }
}

impl Owner {
    /// Decides the next record; `false` when there is none, or when it must wait.
    pub(super) fn decide(&mut self, fx: &mut impl Effects) -> bool {
        let Some(record) = self.queue.pop_front() else { return false };
        let decided = match TopicRecord::decode(&record.bytes) {
            Ok(TopicRecord::Send(sent)) if self.at.topic == Topic::Chat => {
                self.send(&record, &sent, fx).map(Some)
            }
            Ok(TopicRecord::Send(sent)) => self.send_to_group(&record, &sent, fx),
            Ok(TopicRecord::Relay(relay)) => self.relay(&record, &relay).map(Some),
            Ok(TopicRecord::GroupChanged(change)) => Ok(Some(self.changed(&record, &change))),
            // Of another topic.
            Ok(TopicRecord::Notice(_)) => Err(Unreadable::Damaged),
            Err(unreadable) => Err(unreadable),
        };
        let deciding = match decided {
            Ok(Some(deciding)) => deciding,
            Ok(None) => {
                self.queue.push_front(record);
                return false;
            }
            Err(Unreadable::Newer { version, kind }) => {
                self.stop(Alarm::Newer { at: record.position, version, kind }, fx);
                return false;
            }
            Err(Unreadable::Damaged) => {
                fx.dead_letter(record.position, &record.bytes);
                Deciding::nothing(&record)
            }
        };
        self.time_ms = self.time_ms.max(record.append_ms);
        self.deciding = Some(deciding);
        true
    }

    /// Whether the log had the record before this life.
    fn is_replay(&self, position: Position) -> bool {
        position < self.replayed
    }

    /// The time of the first send, when the window takes this one for a repeat. Ephemeral ones it does not look at.
    fn first(&mut self, record: &Queued, message: &Message<'_>) -> Option<i64> {
        if message.switches.ephemeral() {
            return None;
        }
        // Where append times fall, another owner that begins behind the fall must see the same.
        let append_ms = self.time_ms.max(record.append_ms);
        let send_time_ns = append_ms.saturating_mul(1_000_000);
        let entry = DuplicateEntry { key: message.key, send_time_ns, append_ms };
        let first = self.window.see(entry);
        if first.is_none() {
            let (position, key) = (record.position, message.key);
            self.open.page.push(PageEntry { position, append_ms, key });
        }
        first
    }

    fn source(&self, position: Position) -> Source {
        Source { of: self.at, position }
    }

    fn hand_out(&mut self, to: PartitionId, record: Box<[u8]>, fx: &mut impl Effects) {
        self.relays += 1;
        self.relaying.push_back(record.len());
        self.relaying_bytes += record.len();
        fx.relay(self.life, to, record);
    }

    /// A send between two users, in the sender's partition.
    fn send(
        &mut self,
        record: &Queued,
        sent: &Sent<'_>,
        fx: &mut impl Effects,
    ) -> Result<Deciding, Unreadable> {
        let message = message(sent.message, record.append_ms)?;
        if message.is_to_group() {
            return Err(Unreadable::Damaged);
        }
        let first = self.first(record, &message);
        let place = as_landed(self.at.partition, record.position);
        let first_ns = first.unwrap_or(message.send_time_ns);
        let settles = Some((sent.origin, Settled { key: message.key, place, first_ns }));
        let nothing = Deciding { settles, ..Deciding::nothing(record) };
        if first.is_some() {
            return Ok(nothing);
        }
        let told = message.switches.history || !self.is_replay(record.position);
        if !told {
            return Ok(nothing);
        }
        let receiver = self.settings.placement.partition(message.recv_id);
        let mut recipients = Vec::with_capacity(2);
        if receiver != self.at.partition {
            let source = self.source(record.position);
            let nobody = std::iter::empty();
            let (sent_ms, origin) = (record.append_ms, sent.origin);
            let relay = Relayed::encode(source, sent_ms, origin, nobody, sent.message);
            self.hand_out(receiver, relay, fx);
        } else if message.recv_id != message.send_id {
            recipients.push(Recipient { uid: UserId::new(message.recv_id), member: None });
        }
        recipients.push(Recipient { uid: UserId::new(message.send_id), member: None });
        Ok(Deciding { recipients, message: sent.message.into(), ..nothing })
    }

    /// A send to a group, in the group's partition; `None` while the group is not in memory.
    fn send_to_group(
        &mut self,
        record: &Queued,
        sent: &Sent<'_>,
        fx: &mut impl Effects,
    ) -> Result<Option<Deciding>, Unreadable> {
        let message = message(sent.message, record.append_ms)?;
        let Some(of_group) = sent.group.filter(|_| message.is_to_group()) else {
            return Err(Unreadable::Damaged);
        };
        if !self.membership.knows(message.recv_id) {
            if let Some(group) = self.membership.ask(message.recv_id) {
                fx.load_group(self.life, &group);
            }
            return Ok(None);
        }
        let first = self.first(record, &message);
        let told =
            first.is_none() && (message.switches.history || !self.is_replay(record.position));
        let mut lists = match told {
            true => self.expand(&message, &of_group),
            // The sender's partition settles it, behind the first one.
            false => Vec::new(),
        };
        let own = self.settings.placement.partition(message.send_id);
        if !lists.iter().any(|(partition, _)| *partition == own) {
            lists.push((own, Vec::new()));
        }
        let (source, origin) = (self.source(record.position), sent.origin);
        let sent_ms = first.map_or(record.append_ms, |first_ns| first_ns.div_euclid(1_000_000));
        for (partition, members) in lists {
            let members = members.iter().map(|(uid, emphasised)| (uid.as_str(), *emphasised));
            let relay = Relayed::encode(source, sent_ms, origin, members, sent.message);
            self.hand_out(partition, relay, fx);
        }
        Ok(Some(Deciding::nothing(record)))
    }

    fn expand(
        &mut self,
        message: &Message<'_>,
        group: &ToGroup<'_>,
    ) -> Vec<(PartitionId, Vec<(UserId, bool)>)> {
        let emphasised: Vec<&str> = group.emphasised.iter().collect();
        // The sender's own inbox holds it, member or not.
        let extra: Vec<&str> = std::iter::once(message.send_id).chain(group.extra.iter()).collect();
        self.membership.expand(message.recv_id, message.key, &emphasised, &extra)
    }

    /// A relay: applied when its source lies above the highest that was.
    fn relay(&mut self, record: &Queued, relay: &Relayed<'_>) -> Result<Deciding, Unreadable> {
        let Source { of, position } = relay.source;
        if self.at.topic != Topic::Chat {
            return Err(Unreadable::Damaged);
        }
        let message = message(relay.message, relay.sent_ms)?;
        if self.high_waters.get(&of).is_some_and(|applied| position <= *applied) {
            return Ok(Deciding::nothing(record));
        }
        self.high_waters.insert(of, position);
        let group = of.topic == Topic::Group;
        let own = self.settings.placement.partition(message.send_id) == self.at.partition;
        let place = as_landed(of.partition, position);
        let settled = Settled { key: message.key, place, first_ns: message.send_time_ns };
        let settles = Some((relay.origin, settled)).filter(|_| group && own);
        let nothing = Deciding { settles, ..Deciding::nothing(record) };
        if !message.switches.history && self.is_replay(record.position) {
            return Ok(nothing);
        }
        let members = relay.members.iter();
        let recipients = match group {
            true => members
                .map(|(uid, mark)| Recipient { uid: UserId::new(uid), member: Some(mark) })
                .collect(),
            false => vec![Recipient { uid: UserId::new(message.recv_id), member: None }],
        };
        let body_of = group.then_some(relay.source);
        let (message, sent_ms) = (relay.message.into(), relay.sent_ms);
        Ok(Deciding { sent_ms, message, body_of, recipients, ..nothing })
    }

    fn changed(&mut self, record: &Queued, change: &GroupChanged<'_>) -> Deciding {
        self.membership.changed(change);
        Deciding::nothing(record)
    }

    /// The users whom the records behind are going to need, at most about `users_max`.
    pub(super) fn upcoming(&self, users_max: usize, mut each: impl FnMut(&str)) {
        let placement = self.settings.placement;
        let mut named = 0;
        for record in self.queue.iter().take(users_max) {
            let mut home = |uid: &str| {
                if placement.partition(uid) == self.at.partition {
                    named += 1;
                    each(uid);
                }
            };
            match TopicRecord::decode(&record.bytes) {
                Ok(TopicRecord::Send(Sent { message: bytes, .. })) => {
                    if let Ok(message) = message(bytes, 0) {
                        home(message.recv_id);
                        home(message.send_id);
                    }
                }
                Ok(TopicRecord::Relay(relay)) if relay.source.of.topic == Topic::Group => {
                    relay.members.iter().for_each(|(uid, _)| home(uid));
                }
                Ok(TopicRecord::Relay(relay)) => {
                    if let Ok(message) = message(relay.message, 0) {
                        home(message.recv_id);
                    }
                }
                Ok(TopicRecord::GroupChanged(_) | TopicRecord::Notice(_)) | Err(_) => {}
            }
            if named >= users_max {
                return;
            }
        }
    }
}
