//! Stages 5 and 9: a send formed and handed to the log; a record that comes back numbered, delivered
//! and answered. The shard alone, in surroundings that cost nothing.

mod settings;

use std::hint::black_box;

use criterion::Criterion;
use openim_auth::{Class, LoginPolicy, NewestTokens, TokenId};
use openim_back::Inboxes;
use openim_bench::{CLIENT_MSG_ID, CONTENT, RECEIVER, SENDER, message};
use openim_record::{
    Addressee, Committed, Deliver, Draft, InboxBounds, MemberList, Message, MessageKey,
    PartitionId, Place, Placement, Position, Seq, Submission, UserId,
};
use openim_shard::{
    Admission, BackLimits, CloseReason, Credentials, Effects, FrameToken, FrontEffects,
    FrontLimits, Limits, LinkId, Load, Now, Origin, SendRefused, Shard,
};

/// A batch goes to the history store after so many records, as it would now and then.
const RECORDS_PER_BATCH: u64 = 10_000;
const PLACEMENT: Placement = Placement::new(256);
const DUPLICATES_MAX: usize = 1_000_000;
const NOW: Now =
    Now { mono_ms: 1, unix_ns: 1_622_033_433_000_000_000, trusted_ms: 1_622_033_433_000 };

fn main() {
    let mut criterion = settings::criterion();
    stage(&mut criterion);
    criterion.final_summary();
}

fn stage(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sequence");
    group.bench_function("inbox_apply", |bencher| {
        let mut inboxes = Inboxes::new(PLACEMENT, |_| true, 600_000, DUPLICATES_MAX, 1000);
        inboxes.load(&UserId::new(RECEIVER), InboxBounds::default(), |_| ());
        let mut number = 0;
        let partition = PLACEMENT.partition(RECEIVER);
        bencher.iter(|| {
            number += 1;
            let message = message(number);
            let place = Place { partition, position: Position(number) };
            let outcome = inboxes.apply(place, 0, black_box(&message), Addressee::Receiver);
            store_now_and_then(&mut inboxes, number);
            black_box(outcome).expect("the user is in memory")
        });
    });
    group.bench_function("send_to_receipt", |bencher| {
        let (mut shard, link) = shard();
        let mut surroundings = Surroundings::default();
        let mut number = 0;
        bencher.iter(|| {
            number += 1;
            send(&mut shard, link, number, &mut surroundings);
            let append = surroundings.append.take().expect("the send was taken");
            let Submission { to, record, .. } = append;
            let (position, members) = (Position(number), Box::default());
            let committed = Committed { position, append_ms: 0, to, record, members };
            shard.committed(committed, true, NOW, &mut surroundings);
            if number.is_multiple_of(RECORDS_PER_BATCH) {
                black_box(shard.take_batch(Position(number + 1)));
                shard.stored();
            }
        });
        assert_eq!(surroundings.answered, number, "every send is answered");
        assert_eq!(surroundings.pushed, number, "every send is delivered");
    });
    group.finish();
}

fn store_now_and_then(inboxes: &mut Inboxes, number: u64) {
    if number.is_multiple_of(RECORDS_PER_BATCH) {
        black_box(inboxes.take_batch(|_| Position(number + 1)));
        inboxes.stored();
    }
}

/// A shard with sender and receiver connected, and the sender's link.
fn shard() -> (Shard, LinkId) {
    let front = FrontLimits {
        in_flight_per_link: 256,
        outbox_bytes_max: 1 << 20,
        outbox_burst_bytes_max: 0,
        frames_per_second: 0,
        ping_s: 60,
        pings_missed_max: 2,
        write_stall_s: 10,
        send_timeout_ms: 4000,
        users_max: 1000,
        unsettled_max: 1000,
    };
    let back = BackLimits {
        duplicate_window_ms: 600_000,
        duplicates_max: DUPLICATES_MAX,
        users_max: 1000,
        waiting_max: 1000,
        waiting_bytes_max: 1 << 20,
        group_members_max: 1000,
    };
    let policy = LoginPolicy::default();
    let mut shard = Shard::new(PLACEMENT, 0, 1, policy, Limits { front, back });
    let mut surroundings = Surroundings::default();
    let [_, sender] = [RECEIVER, SENDER].map(|uid| {
        let user = UserId::new(uid);
        shard.want(&user);
        while let Some(load) = shard.next_load(false) {
            let (bounds, tokens) = (InboxBounds::default(), NewestTokens::default());
            assert!(match load {
                Load::Inbox(uid) => {
                    shard.inbox_loaded(&uid, bounds, Seq(0), NOW, &mut surroundings)
                }
                Load::Tokens(uid) => shard.tokens_loaded(&uid, tokens, None),
            });
        }
        let credentials = Credentials {
            platform: 1,
            class: Class::Mobile,
            id: TokenId([0; 16]),
            issued_at: 0,
            expires_at: i64::MAX,
            frame: FrameToken::new(0),
        };
        shard.open(uid, 1, credentials, NOW, &mut surroundings)
    });
    (shard, sender)
}

fn send(shard: &mut Shard, link: LinkId, number: u64, surroundings: &mut Surroundings) {
    let mut id = [0; 32];
    let client_msg_id = numbered(CLIENT_MSG_ID, number, &mut id);
    let mut draft = Draft::new(&Message {
        send_id: SENDER,
        recv_id: RECEIVER,
        client_msg_id,
        origin_platform: 1,
        msg_from: 100,
        content_type: 101,
        session_type: 1,
        sender_platform_id: 1,
        offline_info: "{}",
        content: CONTENT,
        ..Message::BLANK
    });
    let origin = Origin::Link { id: link, msg_incr: 7 };
    let admission = shard.send(origin, &mut draft, NOW, surroundings);
    assert_eq!(admission, Admission::Taken);
}

/// An id of its own for each send, at the cost of a copy.
fn numbered<'a>(pattern: &str, number: u64, out: &'a mut [u8; 32]) -> &'a str {
    out.copy_from_slice(pattern.as_bytes());
    for (nibble, slot) in out.iter_mut().take(16).enumerate() {
        *slot = b"0123456789abcdef"[(number >> (4 * nibble)) as usize & 15];
    }
    std::str::from_utf8(out).expect("hexadecimal digits")
}

/// Takes everything and does nothing, except to keep the last record.
#[derive(Default)]
struct Surroundings {
    append: Option<Submission>,
    pushed: u64,
    answered: u64,
}

impl FrontEffects for Surroundings {
    fn has_room(&mut self, _bytes: usize) -> bool {
        true
    }

    fn submit(&mut self, submission: Submission) {
        self.append = Some(submission);
    }

    fn receipt(
        &mut self,
        _origin: Origin,
        _send_id: &str,
        _client_msg_id: &str,
        _key: MessageKey,
        _send_time_ns: i64,
    ) {
        self.answered += 1;
    }

    fn refuse(&mut self, _origin: Origin, why: SendRefused) {
        panic!("refused: {why:?}");
    }

    fn push(&mut self, _link: LinkId, deliver: &Deliver<'_>) -> usize {
        let message: &Message<'_> = deliver.message;
        black_box(message);
        self.pushed += 1;
        0
    }

    fn ping(&mut self, _link: LinkId) {}

    fn close(&mut self, _link: LinkId, reason: CloseReason) {
        panic!("closed: {reason:?}");
    }

    fn resume(&mut self, _link: LinkId) {}

    fn resume_calls(&mut self, _calls_max: usize) {}
}

impl Effects for Surroundings {
    fn has_room_at(&mut self, _partition: PartitionId, _bytes: usize) -> bool {
        true
    }

    fn forward(&mut self, _partition: PartitionId, _record: Box<[u8]>) {}

    fn forward_group(&mut self, _record: &[u8], _lists: Vec<MemberList>) -> bool {
        true
    }
}
