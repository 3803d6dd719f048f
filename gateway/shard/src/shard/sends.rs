//! Sends on their way: offered, held, ephemeral, answered.
//!
//! Invariants: a send is taken whole or not at all; replies of one link come in request order; what
//! is held is resumed, by an answer, by room, or when its time is up.

use openim_front::{LinkId, Origin, Settled, Standing};
use openim_record::{Addresses, Draft, MessageKey, Now, Seq, Submission, own_message};

use super::Shard;
use crate::effects::Effects;
use crate::limits::Admission;

impl Shard {
    /// Offers a send. The sender is at home here and in memory. Of one that was taken nothing is left in `draft`.
    pub fn send(
        &mut self,
        origin: Origin,
        draft: &mut Draft,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        let heading = draft.heading();
        if heading.switches.ephemeral() {
            return self.send_ephemeral(origin, draft, now, fx);
        }
        self.came(origin);
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
            && (link.in_flight >= self.limits.in_flight_per_link || link.closing)
        {
            link.held = true;
            return Admission::Hold;
        }
        // First, because what it costs to find out the rest is for nothing without. A log that is overdue
        // refuses, which needs no room.
        if !self.pending.overdue() && !fx.has_room(draft.bytes()) {
            return self.hold(origin);
        }
        let key = heading.key();
        let sender = self.placement.partition(heading.send_id);
        if let Some(send_time_ns) = self.inboxes.duplicate(sender, key) {
            let admission = self.answer_in_order(origin, Admission::Taken);
            if admission == Admission::Taken {
                self.duplicates += 1;
                fx.receipt(origin, heading.send_id, heading.client_msg_id, key, send_time_ns);
            }
            return admission;
        }
        match self.pending.standing(key) {
            Standing::Free if !self.pending.overdue() => {}
            Standing::Open => return self.hold_for(key, origin),
            Standing::Free | Standing::Late => {
                return self.answer_in_order(origin, Admission::Refused);
            }
        }
        let to = Addresses::of_draft(&heading, self.placement);
        let send_time_ns = self.inboxes.stamp(now.unix_ns);
        let record = draft.seal(key, send_time_ns);
        fx.submit(Submission { key, to, record, lists: Box::default() });
        let deadline_ms = now.mono_ms + self.limits.send_timeout_ms;
        self.pending.insert(key, origin, 0, send_time_ns, deadline_ms);
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
        draft: &mut Draft,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        if self.answer_in_order(origin, Admission::Taken) == Admission::Hold {
            return Admission::Hold;
        }
        let heading = draft.heading();
        let partition = self.placement.partition(heading.recv_id);
        let here = self.inboxes.owns(partition);
        if !here && !fx.has_room_at(partition, draft.bytes()) {
            return self.hold(origin);
        }
        let key = heading.key();
        let send_time_ns = self.inboxes.stamp(now.unix_ns);
        let record = draft.seal(key, send_time_ns);
        let message = own_message(&record);
        self.ephemerals += 1;
        if here {
            // Of a message to oneself the other devices get a copy, as of a stored one.
            let oneself = message.recv_id == message.send_id;
            let except_platform = if oneself { message.origin_platform } else { 0 };
            self.deliver(message.recv_id, except_platform, &message, Seq(0), None, now, fx);
            fx.receipt(origin, message.send_id, message.client_msg_id, key, send_time_ns);
        } else {
            fx.receipt(origin, message.send_id, message.client_msg_id, key, send_time_ns);
            fx.forward(partition, record);
        }
        Admission::Taken
    }

    /// An ephemeral message from another shard.
    pub fn forwarded(&mut self, record: &[u8], now: Now, fx: &mut impl Effects) {
        let message = own_message(record);
        self.deliver(message.recv_id, 0, &message, Seq(0), None, now, fx);
    }

    /// `then` if nothing of the link is in flight; else hold it, so that answers keep their order.
    fn answer_in_order(&mut self, origin: Origin, then: Admission) -> Admission {
        match origin {
            Origin::Link { id, .. } if self.in_order(id) == Admission::Hold => Admission::Hold,
            Origin::Link { .. } | Origin::Call(_) => then,
        }
    }

    /// Holds `origin` until a ring has room.
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
        // Links that were blocked and left: no more of them than twice the others.
        if self.blocked.len() > 64 && self.blocked.len() > 2 * self.links.len() {
            self.blocked.retain(|&id| self.links.get(id).is_some_and(|link| link.held));
        }
        Admission::Hold
    }

    /// Holds `origin` until the send with `key`, which it repeats, is answered.
    pub(super) fn hold_for(&mut self, key: MessageKey, origin: Origin) -> Admission {
        if let Origin::Link { id, .. } = origin {
            let Some(link) = self.links.get_mut(id) else { return Admission::Refused };
            if link.in_flight > 0 {
                link.held = true;
                return Admission::Hold;
            }
        }
        if !self.pending.wait(key, origin) {
            return Admission::Refused;
        }
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
        {
            link.held = true;
        }
        Admission::Hold
    }

    /// Rings that were full have room for so many: as many of those who are held for it may try again.
    /// To be called once more when there is room and somebody is left ([`Self::blocked_len`], calls).
    pub fn room(&mut self, places: usize, fx: &mut impl Effects) {
        // Who was told before and has not come yet is going to take a place.
        let places = places.saturating_sub(self.called);
        if places == 0 {
            return;
        }
        fx.resume_calls(places);
        let mut left = places;
        while left > 0
            && let Some(id) = self.blocked.pop_front()
        {
            let Some(link) = self.links.get_mut(id).filter(|link| link.held) else { continue };
            if link.called_in != self.round {
                link.called_in = self.round;
                self.called += 1;
            }
            left -= 1;
            self.resume(id, fx);
        }
    }

    /// A new round: whoever was told of room and did not come is waited for no longer.
    pub(super) fn next_round(&mut self) {
        self.called = 0;
        self.round = self.round.wrapping_add(1).max(1);
    }

    /// A link that was told of room has come.
    pub(super) fn came(&mut self, origin: Origin) {
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
            && std::mem::take(&mut link.called_in) == self.round
        {
            self.called -= 1;
        }
    }

    fn resume(&mut self, id: LinkId, fx: &mut impl Effects) {
        if let Some(link) = self.links.get_mut(id)
            && link.held
        {
            link.held = false;
            // It was not read meanwhile: what its peer said, a pong perhaps, is still to come.
            link.pings_missed = 0;
            link.heard_at_s = link.heard_at_s.max(self.ticked_at_s);
            fx.resume(id);
        }
    }

    /// Answers whoever waits for the send with `key`.
    pub(super) fn settle<E: Effects>(
        &mut self,
        key: MessageKey,
        fx: &mut E,
        answer: impl FnOnce(Origin, &mut E),
    ) {
        if let Some(settled) = self.pending.remove(key) {
            self.release(settled, fx, answer);
        }
    }

    /// Answers a send and resumes whatever was held behind it.
    pub(super) fn release<E: Effects>(
        &mut self,
        settled: Settled,
        fx: &mut E,
        answer: impl FnOnce(Origin, &mut E),
    ) {
        if let Some(origin) = settled.origin {
            answer(origin, fx);
            self.answered(origin, fx);
        }
        let Some(waiters) = settled.waiters else { return };
        for link in waiters.links {
            self.resume(link, fx);
        }
        if waiters.calls {
            // Which of them waits for this one is theirs to find out.
            fx.resume_calls(usize::MAX);
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
}
