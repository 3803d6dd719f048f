//! Sends on their way: those that the log has not answered yet, and those that it has and that are not settled.
//!
//! Invariants: every origin that entered is answered once: when the send is durable (a call when it is settled,
//! or soon after), by a refusal, or when its time is up. What is durable is remembered until it is settled, so
//! that a repeat of it gets the same receipt and a question behind it can wait. Bounded by the rings that the
//! sends went through, and by [`crate::Limits::unsettled_max`].

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_record::{Message, MessageKey, Place};

use crate::{LinkId, Origin};

/// Repeats of one send that may wait for its answer: more than a user has platforms.
const WAITERS_MAX: usize = 16;
/// A question behind a send that is durable waits so long for it to be settled, and is refused then.
const SETTLE_MS: u64 = 3_000;
/// A call waits so long for that, and is answered all the same.
const CALL_MS: u64 = 1_000;

/// Those who offered a send again while the first was under way; they offer it once more afterwards.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    pub(crate) links: Vec<LinkId>,
    pub(crate) calls: bool,
}

/// What the log's answer to a send, or the end of its time, brings.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Who is to be answered now.
    pub(crate) origin: Option<Origin>,
    pub(crate) waiters: Option<Box<Waiters>>,
    /// To how many members of a group the send goes.
    pub(crate) members: u32,
    pub(crate) after: After,
}

/// What becomes of a send that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing is to come.
    Over,
    /// It is remembered until it is settled.
    Unsettled,
    /// It is not settled, and too many are that are remembered.
    Forgotten,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not on its way, or no longer.
    Free,
    /// Its origin is going to be answered.
    Open,
    /// Its origin was answered when the time was up, the log's answer is still to come.
    Late,
    /// It is durable, with this send time, and not settled.
    Landed(i64),
    /// The sender's partition has seen it, with this send time. Said by the back alone.
    Known(i64),
}

/// A call that is answered when its send is settled.
#[derive(Debug)]
pub(crate) struct HeldCall {
    pub(crate) number: u64,
    pub(crate) send_id: Box<str>,
    pub(crate) client_msg_id: Box<str>,
}

/// Who waits for a send that is durable to be settled.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    pub(crate) call: Option<Box<HeldCall>>,
    /// Questions of this link, and of those that have got the receipt as well.
    pub(crate) link: Option<LinkId>,
    pub(crate) others: Vec<LinkId>,
}

impl Unsettled {
    pub(crate) fn links(&self) -> impl Iterator<Item = LinkId> {
        self.link.into_iter().chain(self.others.iter().copied())
    }
}

#[derive(Debug)]
enum State {
    Open(Origin),
    /// The time was up: the log's answer still counts, nobody waits.
    Late,
    /// Seldom: nearly all are settled when they land.
    Landed(Box<Landed>),
}

#[derive(Debug)]
struct Landed {
    place: Place,
    send_time_ns: i64,
    waits: Unsettled,
    /// They have waited long enough.
    due: bool,
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// Which insert it was: a key can come a second time, after a refusal.
    number: u64,
    members: u32,
    /// A record with its key that was settled before the log's answer came; perhaps its own.
    settled: Option<Place>,
    waiters: Option<Box<Waiters>>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    at_ms: u64,
    key: MessageKey,
    number: u64,
}

/// What has waited long enough.
#[derive(Debug)]
pub(crate) enum Due {
    /// For the log's answer.
    Answer(Answered),
    /// For a send that is durable, with this key and time, to be settled.
    Settlement(Unsettled, MessageKey, i64),
}

/// The table of sends on their way.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    by_key: HashMap<MessageKey, Entry, RandomState>,
    /// Of sends that the log owes an answer, and of those that are not settled; both in the order of time.
    answers: VecDeque<Deadline>,
    unsettled: VecDeque<Deadline>,
    /// Of those that are not settled and that a call waits for.
    calls: VecDeque<Deadline>,
    /// Of those that have not been settled for long, perhaps for ever: the oldest makes room.
    unsettled_late: VecDeque<Deadline>,
    inserted: u64,
    /// Entries whose time is up and which the log still owes.
    overdue: usize,
    /// Entries that are durable.
    landed: usize,
}

impl Pending {
    pub(crate) fn standing(&self, key: MessageKey) -> Standing {
        match self.by_key.get(&key).map(|entry| &entry.state) {
            None => Standing::Free,
            Some(State::Open(_)) => Standing::Open,
            Some(State::Late) => Standing::Late,
            Some(State::Landed(landed)) => Standing::Landed(landed.send_time_ns),
        }
    }

    /// Notes a send that was handed to the log; to a group it goes to so many `members`, else to 0.
    pub(crate) fn insert(
        &mut self,
        key: MessageKey,
        origin: Origin,
        members: u32,
        deadline_ms: u64,
    ) {
        self.inserted += 1;
        let (state, number) = (State::Open(origin), self.inserted);
        let entry = Entry { state, number, members, settled: None, waiters: None };
        self.by_key.insert(key, entry);
        self.answers.push_back(Deadline { at_ms: deadline_ms, key, number });
    }

    /// Lets `origin` be resumed when the send with `key` is answered. `false`: too many wait.
    pub(crate) fn wait(&mut self, key: MessageKey, origin: Origin) -> bool {
        let Some(entry) = self.by_key.get_mut(&key) else { return false };
        let waiters = entry.waiters.get_or_insert_default();
        match origin {
            Origin::Call(_) => waiters.calls = true,
            Origin::Link { .. } if waiters.links.len() >= WAITERS_MAX => return false,
            Origin::Link { id, .. } => waiters.links.push(id),
        }
        true
    }

    /// The log has answered a send, and nothing of it is to be remembered: it was refused, or is settled.
    pub(crate) fn end(&mut self, key: MessageKey) -> Option<Answered> {
        let Entry { state, members, waiters, .. } = self.by_key.remove(&key)?;
        let origin = match state {
            State::Open(origin) => Some(origin),
            State::Late => {
                self.overdue -= 1;
                None
            }
            State::Landed(_) => {
                self.landed -= 1;
                None
            }
        };
        self.drop_passed();
        Some(Answered { origin, waiters, members, after: After::Over })
    }

    /// A send is durable. It is remembered until it is settled, unless so many are that are not; a call is
    /// answered then. `None`: it was known, or nobody ever waited for it.
    pub(crate) fn land(
        &mut self,
        message: &Message<'_>,
        place: Place,
        send_time_ns: i64,
        now_ms: u64,
        unsettled_max: usize,
    ) -> Option<Answered> {
        let key = message.key;
        if self.by_key.get(&key)?.settled == Some(place) {
            return self.end(key);
        }
        let kept = self.landed < unsettled_max || self.forget_one();
        let entry = self.by_key.get_mut(&key)?;
        let mut waits = Unsettled::default();
        let origin = match &entry.state {
            &State::Open(origin @ Origin::Link { id, .. }) => {
                waits.link = Some(id);
                Some(origin)
            }
            &State::Open(origin @ Origin::Call(_)) if !kept => Some(origin),
            &State::Open(Origin::Call(number)) => {
                let (send_id, client_msg_id) =
                    (message.send_id.into(), message.client_msg_id.into());
                waits.call = Some(Box::new(HeldCall { number, send_id, client_msg_id }));
                None
            }
            State::Late => {
                self.overdue -= 1;
                None
            }
            State::Landed(_) => return None,
        };
        let (waiters, members) = (entry.waiters.take(), entry.members);
        self.landed += 1;
        let number = entry.number;
        self.unsettled.push_back(Deadline { at_ms: now_ms + SETTLE_MS, key, number });
        if waits.call.is_some() {
            self.calls.push_back(Deadline { at_ms: now_ms + CALL_MS, key, number });
        }
        let landed = Landed { place, send_time_ns, waits, due: false };
        entry.state = State::Landed(Box::new(landed));
        let after = if kept { After::Unsettled } else { After::Forgotten };
        match kept {
            true => self.drop_passed(),
            false => drop(self.end(key)),
        }
        Some(Answered { origin, waiters, members, after })
    }

    /// A link gets the receipt of a send that is durable and not settled: its questions wait as well. `None`:
    /// too many do; else whether they have waited long enough already.
    pub(crate) fn join(&mut self, key: MessageKey, link: LinkId) -> Option<bool> {
        let State::Landed(landed) = &mut self.by_key.get_mut(&key)?.state else { return None };
        if landed.waits.others.len() >= WAITERS_MAX {
            return None;
        }
        landed.waits.others.push(link);
        Some(landed.due)
    }

    /// A record is settled: who waited for that.
    pub(crate) fn settle(&mut self, key: MessageKey, place: Place) -> Option<Unsettled> {
        let entry = self.by_key.get_mut(&key)?;
        match &entry.state {
            State::Landed(landed) if landed.place == place => {}
            // An older one, of a replay.
            State::Landed(_) => return None,
            State::Open(_) | State::Late => {
                // Of a key's records a later one is settled behind the others, whoever tells again of them.
                entry.settled = entry.settled.max(Some(place));
                return None;
            }
        }
        let entry = self.by_key.remove(&key)?;
        self.landed -= 1;
        self.drop_passed();
        match entry.state {
            State::Landed(landed) => Some(landed.waits),
            State::Open(_) | State::Late => None,
        }
    }

    /// The next that has waited long enough at `now_ms`. What is to be answered the caller answers, once.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Option<Due> {
        while let Some(deadline) = self.answers.pop_front_if(|front| front.at_ms <= now_ms) {
            if let Some(entry) = entry_of(&mut self.by_key, deadline)
                && let State::Open(origin) = entry.state
            {
                entry.state = State::Late;
                self.overdue += 1;
                let (waiters, members) = (entry.waiters.take(), entry.members);
                let (origin, after) = (Some(origin), After::Over);
                return Some(Due::Answer(Answered { origin, waiters, members, after }));
            }
        }
        while let Some(deadline) = self.calls.pop_front_if(|front| front.at_ms <= now_ms) {
            if let Some(entry) = entry_of(&mut self.by_key, deadline)
                && let State::Landed(landed) = &mut entry.state
                && let Some(call) = landed.waits.call.take()
            {
                let waits = Unsettled { call: Some(call), ..Unsettled::default() };
                return Some(Due::Settlement(waits, deadline.key, landed.send_time_ns));
            }
        }
        while let Some(deadline) = self.unsettled.pop_front_if(|front| front.at_ms <= now_ms) {
            if let Some(entry) = entry_of(&mut self.by_key, deadline)
                && let State::Landed(landed) = &mut entry.state
            {
                landed.due = true;
                self.unsettled_late.push_back(deadline);
                let Landed { waits: Unsettled { call, link, others }, send_time_ns, .. } =
                    &mut **landed;
                let waits = Unsettled { call: call.take(), link: *link, others: others.clone() };
                if waits.call.is_none() && waits.links().next().is_none() {
                    continue;
                }
                return Some(Due::Settlement(waits, deadline.key, *send_time_ns));
            }
        }
        None
    }

    /// Forgets the one that has not been settled for longest; `false`: none has been for too long. Its links go on
    /// without an answer to their questions.
    fn forget_one(&mut self) -> bool {
        while let Some(deadline) = self.unsettled_late.pop_front() {
            if let Some(entry) = entry_of(&mut self.by_key, deadline)
                && matches!(entry.state, State::Landed(_))
            {
                self.by_key.remove(&deadline.key);
                self.landed -= 1;
                return true;
            }
        }
        false
    }

    /// Whether the log owes an answer whose time is up.
    pub(crate) const fn overdue(&self) -> bool {
        self.overdue > 0
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Sends that the log owes an answer.
    pub(crate) fn unanswered_len(&self) -> usize {
        self.by_key.len() - self.landed
    }

    /// Answers and settlements come in the order of sends, so the front is nearly always the one that has.
    fn drop_passed(&mut self) {
        let by_key = &mut self.by_key;
        let open = |deadline| {
            entry_of(by_key, deadline).is_some_and(|entry| matches!(entry.state, State::Open(_)))
        };
        drop_while(&mut self.answers, open);
        let by_key = &mut self.by_key;
        let landed = |deadline| {
            entry_of(by_key, deadline).is_some_and(|entry| matches!(entry.state, State::Landed(_)))
        };
        drop_while(&mut self.unsettled, landed);
        let by_key = &mut self.by_key;
        let held = |deadline| match entry_of(by_key, deadline).map(|entry| &entry.state) {
            Some(State::Landed(landed)) => landed.waits.call.is_some(),
            Some(State::Open(_) | State::Late) | None => false,
        };
        drop_while(&mut self.calls, held);
    }

    /// Panics when the counts do not add up; walks everything.
    pub(crate) fn check_invariants(&self) {
        let count =
            |is: fn(&State) -> bool| self.by_key.values().filter(|entry| is(&entry.state)).count();
        assert_eq!(self.overdue, count(|state| matches!(state, State::Late)), "overdue");
        assert_eq!(self.landed, count(|state| matches!(state, State::Landed(_))), "landed");
        let open = count(|state| matches!(state, State::Open(_)));
        assert!(self.answers.len() >= open, "every open send has a deadline");
    }
}

/// The entry that a deadline was set for, if it is still there.
fn entry_of(
    by_key: &mut HashMap<MessageKey, Entry, RandomState>,
    deadline: Deadline,
) -> Option<&mut Entry> {
    by_key.get_mut(&deadline.key).filter(|entry| entry.number == deadline.number)
}

fn drop_while(queue: &mut VecDeque<Deadline>, mut open: impl FnMut(Deadline) -> bool) {
    while let Some(&front) = queue.front()
        && !open(front)
    {
        queue.pop_front();
    }
}

#[cfg(test)]
mod tests;
