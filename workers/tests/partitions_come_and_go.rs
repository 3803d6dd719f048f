//! Recovery is by partition, and happens while others are served: a process loses a partition, in any state of it, goes on
//! with the others, and gets it back. The inboxes come out as those of a process that never lost it.
//!
//! Each partition has a back of its own, so that to forget one is to drop it, as an owner in a cluster does. Both
//! processes stand on the embedded engine, behind its ports.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use openim_back::{Back, Effects, Limits};
use openim_record::{
    Addresses, Committed, Deliver, Message, MessageKey, PartitionId, Placement, Position, Seq,
    Settled, StoreBatch, Switches, UserId,
};
use openim_storage::conformance::{Wait as _, append};
use openim_storage::embedded::{Embedded, EmbeddedHistory, EmbeddedLog, Options, open};
use openim_storage::port::{Consume, Consumed, History as _, Polled};

const PARTITIONS: u16 = 4;
const USERS: [&str; 12] =
    ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kay", "lea"];
/// What is in an inbox, by seq.
type Entries = Vec<(Seq, Position, Vec<u8>)>;

fn limits() -> Limits {
    Limits {
        duplicate_window_ms: 1_000_000,
        duplicates_max: 100_000,
        users_max: 1_000,
        waiting_max: 1_000,
        waiting_bytes_max: 1 << 20,
        group_members_max: 0,
    }
}

/// The message of this number; every fifth is the third one before it, sent again.
fn message(number: u64, each: impl FnOnce(&Message<'_>)) {
    let key_of = if number % 5 == 4 { number - 3 } else { number };
    let user = |at: u64| USERS[usize::try_from(at).expect("small") % USERS.len()];
    let (from, to, id) = (user(key_of * 7), user(key_of * 5 + key_of / 3), format!("m{key_of}"));
    each(&Message {
        key: MessageKey::new(from, 1, to, &id),
        send_time_ns: 1 + i64::try_from(number).expect("small"),
        switches: Switches::ON,
        session_type: 1,
        send_id: from,
        recv_id: to,
        client_msg_id: &id,
        content: "hello",
        ..Message::BLANK
    });
}

/// Nobody is connected.
struct Nobody;

impl Effects for Nobody {
    fn deliver(&mut self, _: &Deliver<'_>) -> usize {
        0
    }
    fn settled(&mut self, _: Settled) {}
}

/// A partition that this process owns.
struct Owned {
    back: Back,
    /// Everything below was handed in.
    next: Position,
}

struct Process {
    _dir: tempfile::TempDir,
    placement: Placement,
    log: EmbeddedLog,
    tail: Box<dyn Consume>,
    history: Arc<EmbeddedHistory>,
    owned: BTreeMap<PartitionId, Owned>,
    sent: u64,
}

impl Process {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let options = Options { partitions: PARTITIONS, reserve_bytes: 0, ..Options::default() };
        let Embedded { log, tail, history, placement, .. } =
            open(dir.path(), &options).expect("an empty folder opens");
        let (tail, owned) = (Box::new(tail), BTreeMap::new());
        let mut process = Self { _dir: dir, placement, log, tail, history, owned, sent: 0 };
        process.take();
        assert_eq!(process.owned.len(), usize::from(PARTITIONS));
        process
    }

    /// A partition is this process's: it begins where the history ends.
    fn assigned(&mut self, partition: PartitionId) {
        let stored = self.history.recover(partition).wait().expect("recovered");
        let owner = |of: PartitionId| u16::from(of != partition);
        let mut back = Back::new(self.placement, owner, 0, limits());
        back.recover(&stored);
        self.tail.begin(partition, stored.applied);
        self.owned.insert(partition, Owned { back, next: stored.applied });
    }

    fn revoked(&mut self, partition: PartitionId) {
        self.owned.remove(&partition).expect("owned");
    }

    fn send(&mut self, count: u64) {
        for number in self.sent..self.sent + count {
            let mut record = Vec::new();
            message(number, |message| message.encode(&mut record));
            let now_ms = 1_000 + i64::try_from(number).expect("small");
            append(&mut self.log, &[record], now_ms, &mut Vec::new()).expect("landed");
        }
        self.sent += count;
    }

    /// Takes what the log shows.
    fn take(&mut self) {
        loop {
            let (mut assigned, mut shown) = (Vec::new(), Vec::new());
            let polled = self.tail.poll(Duration::ZERO, &mut |what| {
                match what {
                    Consumed::Assigned(partition) => assigned.push(partition),
                    Consumed::Record { record, .. } => {
                        shown.push((record.position, record.append_ms, record.record.into()));
                    }
                    Consumed::Revoked(_) => panic!("this engine has nobody to give it to"),
                }
                ControlFlow::Continue(())
            });
            let polled = polled.expect("the log is read");
            for (position, append_ms, record) in shown {
                self.record(position, append_ms, record);
            }
            if assigned.is_empty() && polled == Polled::CaughtUp {
                return;
            }
            assigned.into_iter().for_each(|partition| self.assigned(partition));
        }
    }

    fn record(&mut self, position: Position, append_ms: i64, record: Box<[u8]>) {
        let message = Message::decode(&record).expect("a message");
        let to = Addresses::of(&message, self.placement);
        for (&partition, Owned { back, next }) in &mut self.owned {
            let to = to.only(|of| of == partition);
            // One log has the records of all: what is shown for another's sake was handed in here.
            if to.iter().next().is_none() || position < *next {
                continue;
            }
            *next = Position(position.0 + 1);
            for to in to.iter() {
                let uid = UserId::new(to.addressee.owner(&message));
                let bounds = self.history.bounds(std::slice::from_ref(&uid)).wait();
                back.load(&uid, bounds.expect("read")[0]);
            }
            let members = Box::default();
            let committed = Committed { position, append_ms, to, record: record.clone(), members };
            back.committed(&committed, &message, &mut Nobody);
            back.check_invariants();
        }
    }

    fn batch(&mut self, partition: PartitionId) -> StoreBatch {
        let Owned { back, next } = self.owned.get_mut(&partition).expect("owned");
        back.take_batch(*next).expect("no other is under way")
    }

    fn store(&mut self, partition: PartitionId) {
        let batch = self.batch(partition);
        self.history.store(&batch).wait().expect("stored");
        for &(partition, below) in &batch.applied {
            self.tail.applied(partition, below);
        }
        self.owned.get_mut(&partition).expect("owned").back.stored();
    }

    fn newest(&mut self, partition: PartitionId) -> u64 {
        let back = &mut self.owned.get_mut(&partition).expect("owned").back;
        USERS.iter().filter_map(|uid| back.bounds(uid)).map(|bounds| bounds.newest.0).sum()
    }

    /// All inboxes, when everything is stored.
    fn inboxes(mut self) -> Vec<Entries> {
        for number in 0..PARTITIONS {
            self.store(PartitionId(number));
        }
        let inbox = |uid: &&str| -> Entries {
            let user = UserId::new(uid);
            let all = self.history.range(&user, Seq(1), Seq(u64::MAX), usize::MAX).wait();
            let entries = all.expect("read").entries.into_iter();
            entries.map(|of| (of.seq, of.position, of.record.expect("whole").to_vec())).collect()
        };
        USERS.iter().map(inbox).collect()
    }
}

#[test]
fn a_partition_that_was_lost_is_recovered_while_others_are_served() {
    let (mut steady, mut troubled) = (Process::start(), Process::start());
    let partitions: Vec<PartitionId> = (0..PARTITIONS).map(PartitionId).collect();
    for round in 0..24_usize {
        let lost = partitions[round % partitions.len()];
        let served = partitions[(round + 1) % partitions.len()];
        for process in [&mut steady, &mut troubled] {
            process.send(5);
            process.take();
            process.store(served);
            process.send(5);
            process.take();
        }
        // Lost with what nobody has stored, with a batch that never came to the store, or with one of which it was not
        // told that it is there.
        match round % 3 {
            0 => {}
            1 => drop(troubled.batch(lost)),
            _ => {
                let batch = troubled.batch(lost);
                troubled.history.store(&batch).wait().expect("stored");
            }
        }
        troubled.revoked(lost);
        let before = troubled.newest(served);
        steady.send(20);
        troubled.send(20);
        troubled.take();
        assert!(troubled.newest(served) > before, "the others are numbered meanwhile");
        troubled.store(served);
        troubled.assigned(lost);
        if round % 2 == 0 {
            // Again, before anything of it was shown.
            troubled.assigned(lost);
        }
        troubled.take();
        steady.take();
        assert_eq!(troubled.newest(lost), steady.newest(lost), "{lost:?} after round {round}");
    }
    let (expected, found) = (steady.inboxes(), troubled.inboxes());
    let entries: usize = expected.iter().map(Vec::len).sum();
    // Both users of each send have it once, or the one who wrote to themselves; every fifth is a repeat.
    assert!(entries > 24 * 30, "{entries}");
    for inbox in &expected {
        assert!((1..).map(Seq).zip(inbox).all(|(seq, entry)| entry.0 == seq), "dense");
    }
    assert!(found == expected, "as if nothing had been lost");
}
