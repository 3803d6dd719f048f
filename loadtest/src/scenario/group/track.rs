//! Receipts of the messages under way, shared by the thread that sends and those that receive.
//!
//! A [`Track`] holds the last [`WINDOW`] messages of a flow: how many pushes of each are missing,
//! whether its answer is, and its id. A message is settled when neither is missing. Bounded by
//! flows times [`WINDOW`], whatever the size of the groups. No I/O, no clock, no lock: the sending
//! thread alone opens a slot, and only after it is settled or given up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Messages of one sender that may be unsettled at once.
pub(super) const WINDOW: usize = 64;

/// Lowest bit of a slot's state: its answer is missing. The pushes missing are counted above it.
const UNANSWERED: u32 = 1;
const ONE_PUSH: u32 = 2;

#[derive(Debug, Default)]
struct Slot {
    /// High half: which message. Low half: what is missing.
    state: AtomicU64,
    due_ns: AtomicU64,
    /// Print of the server's id, once known.
    id: AtomicU64,
}

/// What a first push of a message to a member meant for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    /// When the message was meant to be sent.
    pub(super) due_ns: u64,
    /// Whether this was the last push that was missing.
    pub(super) is_last: bool,
    /// Whether the id is not the one that others were told.
    pub(super) mismatched: bool,
}

/// The messages of one flow.
#[derive(Debug)]
pub(super) struct Track {
    slots: Vec<Slot>,
    sent: AtomicU64,
}

/// The tracks of all flows.
#[derive(Debug)]
pub(super) struct Tracks {
    flows: Vec<Track>,
    unsettled: AtomicU64,
    sending: AtomicUsize,
}

/// Names a message within its slot; its neighbours there are [`WINDOW`] apart.
fn tag(number: u64) -> u32 {
    (number as u32).wrapping_add(1)
}

fn state_of(number: u64, missing: u32) -> u64 {
    (u64::from(tag(number)) << 32) | u64::from(missing)
}

impl Track {
    fn slot(&self, number: u64) -> &Slot {
        &self.slots[number as usize % WINDOW]
    }

    /// Changes what is missing of message `number`, if the slot is still its; what is then.
    fn change(&self, number: u64, change: impl Fn(u32) -> Option<u32>) -> Option<u32> {
        let outcome =
            self.slot(number).state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                let mine = state >> 32 == u64::from(tag(number));
                change(state as u32).filter(|_| mine).map(|missing| state_of(number, missing))
            });
        outcome.ok().and_then(|state| change(state as u32))
    }

    /// Compares an id with the one known, and remembers the first one.
    fn is_other_id(&self, number: u64, id: u64) -> bool {
        let known = &self.slot(number).id;
        let outcome = known.compare_exchange(0, id, Ordering::AcqRel, Ordering::Acquire);
        outcome.is_err_and(|other| other != id)
    }

    fn holds(&self, number: u64) -> bool {
        self.slot(number).state.load(Ordering::Acquire) >> 32 == u64::from(tag(number))
    }
}

impl Tracks {
    /// Tracks of `flows` flows, sent by `threads` threads.
    pub(super) fn new(flows: usize, threads: usize) -> Self {
        let slots = || (0..WINDOW).map(|_| Slot::default()).collect();
        let track = || Track { slots: slots(), sent: AtomicU64::new(0) };
        Self {
            flows: (0..flows).map(|_| track()).collect(),
            unsettled: AtomicU64::new(0),
            sending: AtomicUsize::new(threads),
        }
    }

    /// Messages of `flow` sent so far.
    pub(super) fn sent(&self, flow: usize) -> u64 {
        self.flows[flow].sent.load(Ordering::Acquire)
    }

    /// Whether `flow` may send: the slot its next message needs is settled, or was due before
    /// `give_up_ns` and is given up.
    pub(super) fn has_room(&self, flow: usize, give_up_ns: u64) -> bool {
        let slot = self.flows[flow].slot(self.sent(flow));
        let settled = slot.state.load(Ordering::Acquire) as u32 == 0;
        settled || slot.due_ns.load(Ordering::Relaxed) < give_up_ns
    }

    /// Enters the next message of `flow`, of which `pushes` pushes are to come.
    pub(super) fn open(&self, flow: usize, due_ns: u64, pushes: usize) {
        let track = &self.flows[flow];
        let number = self.sent(flow);
        let slot = track.slot(number);
        let missing = ((pushes as u32) * ONE_PUSH) | UNANSWERED;
        // What is given up is waited for no longer; nobody changes a slot whose state is 0.
        if slot.state.swap(0, Ordering::AcqRel) as u32 != 0 {
            self.unsettled.fetch_sub(1, Ordering::AcqRel);
        }
        slot.due_ns.store(due_ns, Ordering::Relaxed);
        slot.id.store(0, Ordering::Relaxed);
        self.unsettled.fetch_add(1, Ordering::AcqRel);
        slot.state.store(state_of(number, missing), Ordering::Release);
        track.sent.store(number + 1, Ordering::Release);
    }

    /// Enters a first push; `None` when the message is no longer followed.
    pub(super) fn pushed(&self, flow: usize, number: u64, id: u64) -> Option<Receipt> {
        let track = &self.flows[flow];
        if !track.holds(number) {
            return None;
        }
        // Before the change: the slot may belong to another message right after it.
        let due_ns = track.slot(number).due_ns.load(Ordering::Relaxed);
        let mismatched = track.is_other_id(number, id);
        let missing = track.change(number, |missing| missing.checked_sub(ONE_PUSH))?;
        self.settle(missing);
        Some(Receipt { due_ns, is_last: missing < ONE_PUSH, mismatched })
    }

    /// Enters an acknowledgement; whether its id is not the one that others were told.
    pub(super) fn acked(&self, flow: usize, number: u64, id: u64) -> bool {
        let track = &self.flows[flow];
        let mismatched = track.holds(number) && track.is_other_id(number, id);
        let answered = |missing: u32| (missing & UNANSWERED != 0).then_some(missing & !UNANSWERED);
        if let Some(missing) = track.change(number, answered) {
            self.settle(missing);
        }
        mismatched
    }

    /// Enters an answer with an error: no push is to come.
    pub(super) fn refused(&self, flow: usize, number: u64) {
        let nothing = |missing: u32| (missing != 0).then_some(0);
        if let Some(missing) = self.flows[flow].change(number, nothing) {
            self.settle(missing);
        }
    }

    fn settle(&self, missing: u32) {
        if missing == 0 {
            self.unsettled.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// A thread will send no more.
    pub(super) fn stop_sending(&self) {
        self.sending.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether nobody sends and everything sent is answered and delivered.
    pub(super) fn is_over(&self) -> bool {
        self.sending.load(Ordering::Acquire) == 0 && self.unsettled.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_settled_by_its_last_push_and_its_answer_in_any_order() {
        let tracks = Tracks::new(2, 1);
        tracks.open(1, 70, 2);
        tracks.stop_sending();
        let receipt = |is_last| Some(Receipt { due_ns: 70, is_last, mismatched: false });
        assert_eq!(tracks.pushed(1, 0, 5), receipt(false));
        assert_eq!(tracks.pushed(1, 0, 5), receipt(true));
        assert!(!tracks.is_over());
        assert!(!tracks.acked(1, 0, 5));
        assert!(tracks.is_over());
        assert_eq!(tracks.pushed(1, 0, 5), None);
        assert_eq!((tracks.sent(0), tracks.sent(1)), (0, 1));
    }

    #[test]
    fn ids_are_compared_whoever_is_told_first() {
        let tracks = Tracks::new(1, 0);
        tracks.open(0, 0, 1);
        assert!(tracks.pushed(0, 0, 5).is_some_and(|receipt| !receipt.mismatched));
        assert!(tracks.acked(0, 0, 6));
        tracks.open(0, 0, 2);
        assert!(!tracks.acked(0, 1, 7));
        assert!(tracks.pushed(0, 1, 8).is_some_and(|receipt| receipt.mismatched));
    }

    #[test]
    fn the_window_is_full_until_its_oldest_is_settled_or_given_up() {
        let tracks = Tracks::new(1, 0);
        (0..WINDOW).for_each(|_| tracks.open(0, 100, 1));
        assert!(!tracks.has_room(0, 100));
        assert!(tracks.has_room(0, 101));
        tracks.acked(0, 0, 1);
        tracks.pushed(0, 0, 1);
        assert!(tracks.has_room(0, 0));
        tracks.open(0, 200, 1);
        // The slot is another's now: a late push is not taken for it.
        assert_eq!(tracks.pushed(0, 0, 1), None);
        assert!(!tracks.is_over());
        (1..=WINDOW as u64).for_each(|number| tracks.refused(0, number));
        assert!(tracks.is_over());
    }

    #[test]
    fn a_message_given_up_is_not_waited_for() {
        let tracks = Tracks::new(1, 0);
        tracks.open(0, 0, 1);
        (1..=WINDOW).for_each(|_| tracks.open(0, 0, 0));
        (1..=WINDOW as u64).for_each(|number| {
            tracks.acked(0, number, 1);
        });
        assert!(tracks.is_over());
    }
}
