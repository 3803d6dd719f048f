//! Sends on their way: offered, held, handed to the log, answered, settled.
//!
//! Invariants: a send is taken whole or not at all; replies of one link come in request order; what is held is
//! resumed, by an answer, by room, or when its time is up; a question behind sends that were answered sees them,
//! or is refused.

use openim_record::{
    Addresses, Draft, Heading, Landed, MemberList, Message, MessageKey, Now, PartitionId, Settled,
    Submission,
};

use super::Front;
use crate::LinkId;
use crate::effects::{Effects, Origin, SendRefused};
use crate::limits::Admission;
use crate::pending::{After, Answered, Standing, Unsettled};

impl Front {
    /// Whether a send of so many bytes may be offered to [`Self::send`] now, to be asked before anything is formed of
    /// it: what that costs would be for nothing. If not, its origin is held.
    #[must_use]
    pub fn ready(&mut self, origin: Origin, bytes: usize, fx: &mut impl Effects) -> bool {
        self.came(origin);
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
            && (link.in_flight >= self.limits.in_flight_per_link || link.closing)
        {
            link.held = true;
            return false;
        }
        // A log that is overdue refuses, which needs no room.
        let ready = self.overdue() || fx.has_room(bytes);
        if !ready {
            let _held = self.hold(origin);
        }
        ready
    }

    /// Offers a send that is [`Self::ready`]. `known` may tell the time of the first send with a key that a partition
    /// has seen; it spares a repeat its way through the log. Of one that was taken nothing is left in `draft`.
    pub fn send(
        &mut self,
        origin: Origin,
        draft: &mut Draft,
        known: impl FnOnce(PartitionId, MessageKey) -> Option<i64>,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        let heading = draft.heading();
        let (key, to) = (heading.key(), Addresses::of_draft(&heading, self.placement));
        let first = known(self.placement.partition(heading.send_id), key);
        if let Err(admission) = self.admit(origin, &heading, key, first, fx) {
            return admission;
        }
        self.submit(origin, draft, (key, to), Vec::new(), now, fx);
        Admission::Taken
    }

    /// Whether a send that may go to the log is a new one: `Err` when it was answered, must wait, or is
    /// refused. `first` is the time of an earlier one, if that is known.
    ///
    /// # Errors
    /// What became of it.
    pub fn admit(
        &mut self,
        origin: Origin,
        heading: &Heading<'_>,
        key: MessageKey,
        first: Option<i64>,
        fx: &mut impl Effects,
    ) -> Result<(), Admission> {
        let send_time_ns = match first.map_or_else(|| self.pending.standing(key), Standing::Known) {
            Standing::Free if !self.overdue() => return Ok(()),
            Standing::Open => return Err(self.hold_for(key, origin)),
            Standing::Free | Standing::Late => {
                return Err(self.answer_in_order(origin, Admission::Refused));
            }
            Standing::Known(send_time_ns) => {
                if self.answer_in_order(origin, Admission::Taken) == Admission::Hold {
                    return Err(Admission::Hold);
                }
                send_time_ns
            }
            Standing::Landed(send_time_ns) => {
                if self.answer_in_order(origin, Admission::Taken) == Admission::Hold {
                    return Err(Admission::Hold);
                }
                if let Origin::Link { id, .. } = origin {
                    let Some(due) = self.pending.join(key, id) else {
                        return Err(Admission::Refused);
                    };
                    self.unsettled(id, due);
                }
                send_time_ns
            }
        };
        self.duplicates += 1;
        fx.receipt(origin, heading.send_id, heading.client_msg_id, key, send_time_ns);
        Err(Admission::Taken)
    }

    /// Hands a send that was admitted to the log, with its key and its addresses; to a group with the lists of its
    /// members.
    pub fn submit(
        &mut self,
        origin: Origin,
        draft: &mut Draft,
        (key, to): (MessageKey, Addresses),
        lists: Vec<MemberList>,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let members = lists.iter().map(|list| list.members).sum();
        let record = draft.seal(key, self.times.stamp(now.unix_ns));
        fx.submit(Submission { key, to, record, lists: lists.into_boxed_slice() });
        let deadline_ms = now.mono_ms + self.limits.send_timeout_ms;
        self.pending.insert(key, origin, members, deadline_ms);
        if let Origin::Link { id, .. } = origin
            && let Some(link) = self.links.get_mut(id)
        {
            link.in_flight += 1;
        }
    }

    /// Whether the log owes an answer whose time is up: sends are refused.
    #[must_use]
    pub const fn overdue(&self) -> bool {
        self.pending.overdue()
    }

    /// The time for a send: now, or just after the send before when the clock fell a little.
    pub fn stamp(&mut self, now: Now) -> i64 {
        self.times.stamp(now.unix_ns)
    }

    /// A send with this time is in the log; later ones get later times.
    pub fn note_time(&mut self, send_time_ns: i64) {
        self.times.note(send_time_ns);
    }

    /// `then` if nothing of the link is in flight; else hold it, so that answers keep their order.
    pub fn answer_in_order(&mut self, origin: Origin, then: Admission) -> Admission {
        match origin {
            Origin::Link { id, .. } if self.in_order(id) == Admission::Hold => Admission::Hold,
            Origin::Link { .. } | Origin::Call(_) => then,
        }
    }

    /// Holds `origin` until a ring has room.
    pub fn hold(&mut self, origin: Origin) -> Admission {
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
    fn hold_for(&mut self, key: MessageKey, origin: Origin) -> Admission {
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

    // --- answers -------------------------------------------------------------------------------

    /// What became of a submission. Returns how many members of a group will have no turn because of it.
    pub fn landed(&mut self, landed: Landed<'_>, now: Now, fx: &mut impl Effects) -> u32 {
        let (place, send_time_ns, message) = match landed {
            Landed::Durable { place, send_time_ns, message } => (place, send_time_ns, message),
            Landed::Refused(key) => {
                let Some(answered) = self.pending.end(key) else { return 0 };
                let members = answered.members;
                self.release(answered, fx, |origin, fx| {
                    fx.refuse(origin, SendRefused::LogRefused);
                });
                return members;
            }
        };
        let unsettled_max = self.limits.unsettled_max;
        let answered = self.pending.land(message, place, send_time_ns, now.mono_ms, unsettled_max);
        let Some(answered) = answered else { return 0 };
        if let Some(Origin::Link { id, .. }) = answered.origin
            && answered.after != After::Over
        {
            // Of one that is forgotten nobody will say when it is settled.
            self.unsettled(id, answered.after == After::Forgotten);
        }
        self.give_receipt(answered, message, send_time_ns, fx);
        0
    }

    /// A submission is durable and was settled at once.
    pub fn landed_and_settled(
        &mut self,
        message: &Message<'_>,
        settled: Settled,
        fx: &mut impl Effects,
    ) {
        if let Some(answered) = self.pending.end(settled.key) {
            self.give_receipt(answered, message, settled.first_ns, fx);
        }
    }

    fn give_receipt(
        &mut self,
        answered: Answered,
        message: &Message<'_>,
        send_time_ns: i64,
        fx: &mut impl Effects,
    ) {
        let Message { send_id, client_msg_id, key, .. } = *message;
        self.release(answered, fx, |origin, fx| {
            fx.receipt(origin, send_id, client_msg_id, key, send_time_ns);
        });
    }

    /// A record is in the inbox of its sender.
    pub fn settled(&mut self, settled: Settled, fx: &mut impl Effects) {
        let Settled { key, place, first_ns } = settled;
        let Some(waits) = self.pending.settle(key, place) else { return };
        for id in waits.links() {
            let Some(link) = self.links.get_mut(id) else { continue };
            link.unsettled = link.unsettled.saturating_sub(1);
            if link.unsettled == 0 {
                link.settles_late = false;
                self.ask_again(id, fx);
            }
        }
        Self::answer_call(waits, key, first_ns, fx);
    }

    /// Who waits for a send to be settled has waited long enough: questions are refused, a call is answered all
    /// the same.
    pub(super) fn settles_late(
        &mut self,
        waits: Unsettled,
        key: MessageKey,
        send_time_ns: i64,
        fx: &mut impl Effects,
    ) {
        for id in waits.links() {
            if let Some(link) = self.links.get_mut(id) {
                link.settles_late = true;
                self.ask_again(id, fx);
            }
        }
        Self::answer_call(waits, key, send_time_ns, fx);
    }

    fn answer_call(waits: Unsettled, key: MessageKey, send_time_ns: i64, fx: &mut impl Effects) {
        if let Some(call) = waits.call {
            let origin = Origin::Call(call.number);
            fx.receipt(origin, &call.send_id, &call.client_msg_id, key, send_time_ns);
        }
    }

    /// A link has the receipt of a send that is not settled; `late` when its questions are not to wait.
    fn unsettled(&mut self, id: LinkId, late: bool) {
        if let Some(link) = self.links.get_mut(id) {
            link.unsettled += 1;
            link.settles_late |= late;
        }
    }

    /// A question that was held behind answered sends may be asked again.
    fn ask_again(&mut self, id: LinkId, fx: &mut impl Effects) {
        if self.links.get(id).is_some_and(|link| link.in_flight == 0) {
            self.resume(id, fx);
        }
    }

    /// Answers a send and resumes whatever was held behind it.
    pub(super) fn release<E: Effects>(
        &mut self,
        answered: Answered,
        fx: &mut E,
        answer: impl FnOnce(Origin, &mut E),
    ) {
        if let Some(origin) = answered.origin {
            answer(origin, fx);
            self.answered(origin, fx);
        }
        let Some(waiters) = answered.waiters else { return };
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
