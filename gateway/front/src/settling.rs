//! Sends that this process has produced: answered when they are durable (R2), settled when their senders'
//! inboxes have them (R5).
//!
//! Invariants: a send is answered once; a read of a link waits while a send of the link that was answered
//! with success is not settled; every wait ends. Guarded by the tests here and the cluster simulation (`workers/transfer/tests`).

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::LinkId;

#[derive(Debug)]
struct Sending {
    link: Option<LinkId>,
    /// Answered with success.
    landed: bool,
    /// Settled before the log's own report was here.
    settled: bool,
}

/// Reads that wait, and what they wait for.
#[derive(Debug, Default)]
struct Unsettled {
    /// Sends that were answered and are not settled.
    sends: u32,
    /// The read that waits, until when.
    until_ms: Option<u64>,
}

/// What the log's report on a send means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// Answer it with success.
    Answer,
    /// It was answered before, when its time was up.
    Late,
}

/// The sends of one process that are not settled.
#[derive(Debug)]
pub struct Settling {
    sends: HashMap<u64, Sending, RandomState>,
    /// By when they are given up; tickets rise, and with them the times.
    deadlines: BTreeMap<u64, u64>,
    links: HashMap<LinkId, Unsettled, RandomState>,
    next: u64,
    wait_ms: u64,
    keep_ms: u64,
    kept_max: usize,
}

impl Settling {
    /// Reads wait for `wait_ms`; a send that nobody has settled for `keep_ms` is waited for no longer, nor
    /// the oldest of more than `kept_max`.
    #[must_use]
    pub fn new(wait_ms: u64, keep_ms: u64, kept_max: usize) -> Self {
        Self {
            sends: HashMap::default(),
            deadlines: BTreeMap::new(),
            links: HashMap::default(),
            next: 0,
            wait_ms,
            keep_ms,
            kept_max,
        }
    }

    /// A send goes to the log; of a link, or of a call. Gives its ticket.
    pub fn send(&mut self, link: Option<LinkId>, now_ms: u64) -> u64 {
        self.next += 1;
        self.sends.insert(self.next, Sending { link, landed: false, settled: false });
        self.deadlines.insert(self.next, now_ms.saturating_add(self.keep_ms));
        self.next
    }

    /// The log has the send durably.
    #[must_use]
    pub fn landed(&mut self, ticket: u64) -> Landing {
        let Some(send) = self.sends.get_mut(&ticket).filter(|send| !send.landed) else {
            return Landing::Late;
        };
        send.landed = true;
        if send.settled {
            self.forget(ticket);
        } else if let Some(link) = send.link {
            self.links.entry(link).or_default().sends += 1;
        }
        Landing::Answer
    }

    /// The log has refused the send, or its time is up: nobody knows. Whether it is to be answered so.
    pub fn refused(&mut self, ticket: u64) -> bool {
        let open = self.sends.get(&ticket).is_some_and(|send| !send.landed);
        if open {
            self.forget(ticket);
        }
        open
    }

    /// The sender's inbox has the send. Gives the link whose read need wait no longer.
    pub fn settled(&mut self, ticket: u64) -> Option<LinkId> {
        let send = self.sends.get_mut(&ticket)?;
        if !send.landed {
            send.settled = true;
            return None;
        }
        self.forget(ticket)
    }

    /// Forgets a send; gives the link whose read need wait no longer.
    fn forget(&mut self, ticket: u64) -> Option<LinkId> {
        self.deadlines.remove(&ticket);
        let send = self.sends.remove(&ticket)?;
        let link = send.link.filter(|_| send.landed)?;
        let unsettled = self.links.get_mut(&link)?;
        unsettled.sends = unsettled.sends.saturating_sub(1);
        if unsettled.sends > 0 {
            return None;
        }
        let waited = unsettled.until_ms.is_some();
        self.links.remove(&link);
        waited.then_some(link)
    }

    /// Whether a read of the link may be answered now. When not, it waits for [`Self::settled`] or
    /// [`Self::late`] to name the link.
    pub fn read(&mut self, link: LinkId, now_ms: u64) -> bool {
        let Some(unsettled) = self.links.get_mut(&link) else { return true };
        unsettled.until_ms = Some(now_ms.saturating_add(self.wait_ms));
        false
    }

    /// The next link whose read has waited for too long: it is answered with an error.
    pub fn late(&mut self, now_ms: u64) -> Option<LinkId> {
        let late = |unsettled: &Unsettled| unsettled.until_ms.is_some_and(|until| until <= now_ms);
        let link = *self.links.iter().find(|(_, unsettled)| late(unsettled))?.0;
        self.links.get_mut(&link)?.until_ms = None;
        Some(link)
    }

    /// Gives up the next answered send that nobody has settled for long, or that is one too many; the link
    /// whose read need wait no longer, if there is one. `None`: there is no such send.
    pub fn give_up(&mut self, now_ms: u64) -> Option<Option<LinkId>> {
        // Those that the log has not answered yet are few, and no older than their own time-out.
        let answered = |ticket: &u64| self.sends.get(ticket).is_some_and(|send| send.landed);
        let (&ticket, &until_ms) = self.deadlines.iter().find(|(ticket, _)| answered(ticket))?;
        let over = self.sends.len() > self.kept_max;
        (until_ms <= now_ms || over).then(|| self.forget(ticket))
    }

    /// The link is closed: nobody reads on it any more.
    pub fn closed(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// Sends that are not settled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId { index: 1, generation: 1 };

    #[test]
    fn a_read_waits_until_all_answered_sends_are_settled() {
        let mut settling = Settling::new(3000, 60_000, 3);
        assert!(settling.read(LINK, 0));
        let [a, b, c] = [0; 3].map(|_| settling.send(Some(LINK), 0));
        assert!(settling.read(LINK, 0), "none is answered yet");
        assert_eq!([a, b].map(|ticket| settling.landed(ticket)), [Landing::Answer; 2]);
        assert!(!settling.read(LINK, 10));
        assert_eq!((settling.settled(b), settling.late(3009)), (None, None));
        assert_eq!(settling.settled(a), Some(LINK));
        assert!(settling.read(LINK, 20) && settling.refused(c) && !settling.refused(c));
        assert_eq!(settling.settled(c), None, "what was refused may have landed all the same");
        assert!(settling.is_empty());
    }

    #[test]
    fn a_send_may_be_settled_before_the_log_has_said_so() {
        let mut settling = Settling::new(3000, 60_000, 3);
        let ticket = settling.send(Some(LINK), 0);
        assert_eq!(settling.settled(ticket), None);
        assert_eq!(settling.landed(ticket), Landing::Answer);
        assert!(settling.read(LINK, 0) && settling.is_empty());
        assert_eq!(settling.landed(ticket), Landing::Late);
    }

    #[test]
    fn every_wait_ends() {
        let mut settling = Settling::new(3000, 60_000, 3);
        let ticket = settling.send(Some(LINK), 0);
        assert_eq!(settling.landed(ticket), Landing::Answer);
        assert!(!settling.read(LINK, 10));
        assert_eq!((settling.late(3009), settling.late(3010)), (None, Some(LINK)));
        assert_eq!(settling.late(3010), None, "it was answered");
        assert!(!settling.read(LINK, 50_000));
        assert_eq!(settling.give_up(59_999), None);
        assert_eq!(settling.give_up(60_000), Some(Some(LINK)));
        assert!(settling.read(LINK, 60_000) && settling.give_up(u64::MAX).is_none());
        for _ in 0..4 {
            let ticket = settling.send(Some(LINK), 0);
            assert_eq!(settling.landed(ticket), Landing::Answer);
        }
        assert_eq!(
            (settling.give_up(0), settling.give_up(0), settling.len()),
            (Some(None), None, 3)
        );
    }
}
