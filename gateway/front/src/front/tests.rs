//! The front alone: what it tells the back, and what it keeps of sends that nobody settles.

use openim_auth::{Class, TokenId};
use openim_record::{
    Deliver, Draft, Landed, Message, MessageKey, PartitionId, Place, Position, Presence, Seq,
    Settled, Submission,
};

use openim_why::Pushed;

use super::*;
use crate::effects::LinkState;
use crate::{Admission, CloseReason, FrameToken, Origin};

#[derive(Default)]
struct Notes {
    presence: Vec<(String, u8, LinkId, bool)>,
    submissions: Vec<Submission>,
    receipts: Vec<Origin>,
    closes: Vec<(LinkId, CloseReason)>,
    journal: bool,
    noted: Vec<(LinkId, Pushed)>,
}

impl Effects for Notes {
    fn has_room(&mut self, _: usize) -> bool {
        true
    }
    fn submit(&mut self, submission: Submission) {
        self.submissions.push(submission);
    }
    fn receipt(&mut self, origin: Origin, _: &str, _: &str, _: MessageKey, _: i64) {
        self.receipts.push(origin);
    }
    fn refuse(&mut self, _: Origin, _: SendRefused) {}
    fn push(&mut self, _: LinkId, _: &Deliver<'_>) -> usize {
        0
    }
    fn ping(&mut self, _: LinkId) {}
    fn close(&mut self, link: LinkId, reason: CloseReason) {
        self.closes.push((link, reason));
    }
    fn resume(&mut self, _: LinkId) {}
    fn resume_calls(&mut self, _: usize) {}
    fn presence(&mut self, presence: Presence<'_>) {
        let Presence { uid, platform, link, up } = presence;
        self.presence.push((uid.to_owned(), platform, link, up));
    }
    fn keeps_journal(&self) -> bool {
        self.journal
    }
    fn link_note(&mut self, state: &LinkState<'_>) {
        self.noted.push((state.link, state.pushed));
    }
}

const NOW: Now = Now { mono_ms: 0, unix_ns: 7, trusted_ms: 0 };

fn front(unsettled_max: usize) -> Front {
    let limits = Limits {
        in_flight_per_link: 8,
        outbox_bytes_max: 1_000,
        outbox_burst_bytes_max: 0,
        frames_per_second: 0,
        ping_s: 0,
        pings_missed_max: 2,
        write_stall_s: 0,
        send_timeout_ms: 1_000,
        users_max: 10,
        unsettled_max,
    };
    Front::new(Placement::new(4), LoginPolicy::default(), limits)
}

fn open(front: &mut Front, fx: &mut Notes) -> LinkId {
    open_as("ann", front, fx)
}

fn open_as(uid: &str, front: &mut Front, fx: &mut Notes) -> LinkId {
    let credentials = Credentials {
        class: Class::Pc,
        platform: 3,
        id: TokenId([0; 16]),
        issued_at: 0,
        expires_at: i64::MAX,
        frame: FrameToken::new(0),
    };
    front.open(uid, 3, credentials, NOW, fx)
}

fn send(front: &mut Front, link: LinkId, client_msg_id: &str, fx: &mut Notes) {
    let message = Message { send_id: "ann", recv_id: "bob", client_msg_id, ..Message::BLANK };
    let mut draft = Draft::new(&message);
    let origin = Origin::Link { id: link, msg_incr: 1 };
    assert_eq!(front.send(origin, &mut draft, |_, _| None, NOW, fx), Admission::Taken);
}

/// The log takes the oldest submission.
fn land(front: &mut Front, position: u64, fx: &mut Notes) {
    let submission = fx.submissions.remove(0);
    let message = openim_record::own_message(&submission.record);
    let partition = submission.to.origin().unwrap_or(PartitionId(0));
    let place = Place { partition, position: Position(position) };
    let send_time_ns = message.send_time_ns;
    front.landed(Landed::Durable { place, send_time_ns, message: &message }, NOW, fx);
    front.check_invariants();
}

/// The record at `position` of what `link` has sent is in the inbox.
fn settle(front: &mut Front, link: LinkId, client_msg_id: &str, position: u64, fx: &mut Notes) {
    let uid = front.uid(link).unwrap().clone();
    let key = MessageKey::new(uid.as_str(), 0, "bob", client_msg_id);
    let partition = Placement::new(4).partition(uid.as_str());
    let place = Place { partition, position: Position(position) };
    front.settled(Settled { key, place, first_ns: 7 }, fx);
    front.check_invariants();
}

#[test]
fn the_end_of_an_older_link_says_nothing_of_the_newer_one() {
    let (mut front, mut fx) = (front(10), Notes::default());
    let old = open(&mut front, &mut fx);
    let new = open(&mut front, &mut fx);
    front.closed(old, &mut fx);
    front.closed(old, &mut fx);
    let told = |link: LinkId, up| ("ann".to_owned(), 3, link, up);
    assert_eq!(fx.presence, [told(old, true), told(new, true), told(old, false)]);
    assert_ne!(old.generation, new.generation);
}

#[test]
fn of_sends_that_nobody_settles_a_bounded_number_is_remembered() {
    let (mut front, mut fx) = (front(2), Notes::default());
    let link = open(&mut front, &mut fx);
    for (position, id) in (0..).zip(["a", "b", "c", "d"]) {
        send(&mut front, link, id, &mut fx);
        land(&mut front, position, &mut fx);
    }
    assert_eq!((fx.receipts.len(), front.pending_len()), (4, 2));
    assert_eq!(front.unanswered_len(), 0, "what is not settled is answered");
    // Nobody will say when the others are in the inbox: questions are refused rather than answered wrongly.
    assert_eq!(front.in_order(link), Admission::Taken);
    assert_eq!(front.in_view(link), Admission::Refused);
    let other = open(&mut front, &mut fx);
    assert_eq!(front.in_view(other), Admission::Taken);
    // Those that have not been settled for long make room.
    let later = Now { mono_ms: 4_000, ..NOW };
    front.tick(later, &mut fx);
    for (position, id) in (4..).zip(["e", "f"]) {
        send(&mut front, other, id, &mut fx);
        land(&mut front, position, &mut fx);
    }
    assert_eq!((front.pending_len(), front.in_view(other)), (2, Admission::Hold));
    settle(&mut front, other, "e", 4, &mut fx);
    settle(&mut front, other, "f", 5, &mut fx);
    assert_eq!((front.pending_len(), front.in_view(other)), (0, Admission::Taken));
}

#[test]
fn a_record_that_was_settled_first_is_settled_when_it_lands_whoever_tells_of_others() {
    let (mut front, mut fx) = (front(10), Notes::default());
    let link = open(&mut front, &mut fx);
    send(&mut front, link, "a", &mut fx);
    // A second owner tells again of an earlier record of the same send, which was refused and is in the log.
    settle(&mut front, link, "a", 7, &mut fx);
    settle(&mut front, link, "a", 3, &mut fx);
    land(&mut front, 7, &mut fx);
    assert_eq!((front.pending_len(), front.in_view(link)), (0, Admission::Taken));
}

#[test]
fn tokens_are_read_again_behind_what_has_changed_them() {
    let (mut front, mut fx) = (front(10), Notes::default());
    let (ann, known) = (UserId::new("ann"), NewestTokens::default());
    front.want(&ann);
    assert_eq!(front.next_load(), Some(ann.clone()));
    assert!(front.loaded(&ann, known, None));
    let link = open(&mut front, &mut fx);
    front.reload(&ann);
    assert_eq!((front.next_load(), front.knows("ann")), (Some(ann.clone()), true));
    // Something else has happened since that was asked.
    front.reload(&ann);
    assert!(!front.loaded(&ann, known, None));
    assert_eq!(front.next_load(), Some(ann.clone()));
    let newest = openim_auth::Newest { id: TokenId([9; 16]), issued_at: 20, expires_at: None };
    let tokens = NewestTokens { pc: Some(newest), ..known };
    let differs = |front: &Front, tokens| front.differs("ann", tokens, None, NOW.trusted_s());
    assert!(differs(&front, &tokens) && !differs(&front, &known));
    assert!(front.loaded(&ann, tokens, None));
    assert!(differs(&front, &tokens), "a link is open that is good no more");
    front.hold_to_tokens("ann", 4, NOW, &mut fx);
    assert!(!differs(&front, &tokens) && differs(&front, &known));
    assert_eq!(fx.closes, [(link, CloseReason::Superseded { by: 4 })]);
    front.hold_to_tokens("ann", 4, NOW, &mut fx);
    assert_eq!(fx.closes.len(), 1, "told once");
    // Where the store fails, what was read before holds.
    front.reload(&ann);
    assert_eq!(front.next_load(), Some(ann.clone()));
    front.load_failed(&ann, NOW);
    assert!(front.knows("ann") && front.next_load().is_none());
    front.check_invariants();
}

fn push(front: &mut Front, uid: &str, seq: u64, fx: &mut Notes) {
    let message = Message { send_id: "bob", recv_id: uid, ..Message::BLANK };
    let (except_platform, seq) = (0, Seq(seq));
    let deliver = Deliver { uid, except_platform, message: &message, seq, member: None, ticket: 0 };
    front.deliver(&deliver, NOW, fx);
}

/// A push writes nothing down: some time later it is noted how far links have come, of some of them at a time.
#[test]
fn how_far_links_were_pushed_to_is_noted_later_and_a_part_at_a_time() {
    let (mut front, mut fx) = (front(10), Notes { journal: true, ..Notes::default() });
    let uids: Vec<String> = (0..300).map(|n| format!("u{n}")).collect();
    for uid in &uids {
        open_as(uid, &mut front, &mut fx);
        for seq in 4..8 {
            push(&mut front, uid, seq, &mut fx);
        }
    }
    assert_eq!(fx.noted.len(), 300, "that they are open");
    fx.noted.clear();
    let at = |mono_ms| Now { mono_ms, ..NOW };
    front.tick(at(9_999), &mut fx);
    assert!(fx.noted.is_empty());
    front.tick(at(10_000), &mut fx);
    assert_eq!(fx.noted.len(), 256);
    front.tick(at(10_000), &mut fx);
    assert_eq!(fx.noted.len(), 300, "each once");
    assert!(fx.noted.iter().all(|(_, pushed)| (pushed.first, pushed.newest) == (Seq(4), Seq(7))));
    front.tick(at(60_000), &mut fx);
    assert_eq!(fx.noted.len(), 300, "nothing is new");
    // Who asks is told at once.
    push(&mut front, "u7", 8, &mut fx);
    front.note_links_of("u7", &mut fx);
    assert_eq!(fx.noted[300..].iter().map(|(_, pushed)| pushed.newest).max(), Some(Seq(8)));
}

#[test]
fn without_a_journal_a_link_remembers_no_push() {
    let (mut front, mut fx) = (front(10), Notes::default());
    let link = open(&mut front, &mut fx);
    push(&mut front, "ann", 4, &mut fx);
    assert!(front.links.get(link).is_some_and(|link| link.pushed.is_none()));
    assert!(front.unnoted.is_empty());
}
