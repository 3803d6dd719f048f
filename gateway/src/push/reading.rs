//! What of the log somebody may have to be told of: a candidate for each receiver of a message.
//!
//! A message to one user is a record; one to a group is a record and behind it, in the same batch, lists of members. Members
//! that do not fit into a batch of candidates wait here, and nothing more is read meanwhile: at most those of one record.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_push::{Place, Places, text};
use openim_record::{Members, Message, MessageKey, Position, Record, UserId};
use openim_storage::embedded::Cursor;
use openim_storage::port::{Polled, Replayed, StoreError};

/// A message as it is told of.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) key: MessageKey,
    pub(super) position: Position,
    pub(super) append_ms: i64,
    pub(super) from: String,
    /// What the client calls its user.
    pub(super) nick_name: String,
    /// The id of the group; `None`: to one user.
    pub(super) group: Option<String>,
    pub(super) chat_type: i32,
    pub(super) text: String,
}

/// Somebody who may have to be told.
pub(super) struct Candidate {
    pub(super) uid: UserId,
    pub(super) message: Arc<Written>,
    /// Since when it is asked about.
    pub(super) since: Instant,
    /// The log is not dealt with up to here before.
    pub(super) _place: Place,
}

/// What is taken.
pub(super) struct Terms<'a> {
    /// Nothing that is older, unix milliseconds.
    pub(super) oldest_ms: i64,
    pub(super) hidden: bool,
    pub(super) places: &'a Arc<Places>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Reader {
    /// The message to a group whose members come next.
    group: Option<Arc<Written>>,
    members: VecDeque<Candidate>,
}

impl Reader {
    /// Reads until there are so many candidates, or no more records. How many messages were too old.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor,
        terms: &Terms<'_>,
        max: usize,
        out: &mut Vec<Candidate>,
    ) -> Result<u64, StoreError> {
        let mut old = 0;
        while let Some(member) = self.members.pop_front() {
            out.push(member);
            if out.len() >= max {
                return Ok(0);
            }
        }
        let polled = cursor.poll(Duration::ZERO, &mut |replayed| {
            self.take(&replayed, terms, out, &mut old);
            while out.len() < max
                && let Some(member) = self.members.pop_front()
            {
                out.push(member);
            }
            match out.len() < max && self.members.is_empty() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        if polled == Polled::CaughtUp {
            // A message and its members are in one batch.
            self.group = None;
        }
        Ok(old)
    }

    /// Where the next start may begin, but for what is held: members of a message may still have to be read.
    pub(super) fn next(&self, cursor: &Cursor) -> Position {
        self.group.as_ref().map_or(cursor.next(), |group| group.position.min(cursor.next()))
    }

    fn take(
        &mut self,
        replayed: &Replayed<'_>,
        terms: &Terms<'_>,
        out: &mut Vec<Candidate>,
        old: &mut u64,
    ) {
        match Record::decode(replayed.record) {
            Ok(Record::Message(message)) => {
                self.group = None;
                let Some(text) = told(&message, terms.hidden) else { return };
                if replayed.append_ms < terms.oldest_ms {
                    *old += 1;
                    return;
                }
                let written = Arc::new(written(&message, text, replayed));
                if message.is_to_group() {
                    self.group = Some(written);
                } else if message.send_id != message.recv_id && !message.switches.unwanted {
                    out.push(candidate(message.recv_id, &written, terms.places));
                }
            }
            Ok(Record::Members(members)) => self.take_members(members, replayed.record, terms),
            _ => self.group = None,
        }
    }

    fn take_members(&mut self, members: Members<'_>, record: &[u8], terms: &Terms<'_>) {
        let Some(message) = self.group.as_ref().filter(|group| group.key == members.key()) else {
            return;
        };
        for section in members.sections() {
            for member in Members::of_section(record, section) {
                if member.uid != message.from {
                    self.members.push_back(candidate(member.uid, message, terms.places));
                }
            }
        }
    }
}

/// What is said of a message to who is away; `None`: nothing.
fn told<'a>(message: &Message<'a>, hidden: bool) -> Option<&'a str> {
    let on = message.switches;
    let text = text(message.content_type, message.content, hidden);
    text.filter(|_| on.history && on.offline_push)
}

fn written(message: &Message<'_>, text: &str, replayed: &Replayed<'_>) -> Written {
    Written {
        key: message.key,
        position: replayed.position,
        append_ms: replayed.append_ms,
        from: message.send_id.to_owned(),
        nick_name: message.sender_nick_name.to_owned(),
        group: message.is_to_group().then(|| message.recv_id.to_owned()),
        chat_type: message.session_type,
        text: text.to_owned(),
    }
}

fn candidate(uid: &str, message: &Arc<Written>, places: &Arc<Places>) -> Candidate {
    Candidate {
        uid: UserId::new(uid),
        message: Arc::clone(message),
        since: Instant::now(),
        _place: places.hold(message.position.0),
    }
}
