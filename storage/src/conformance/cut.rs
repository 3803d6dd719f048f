//! A batch whose storing ends behind any of its writes, as when the process is killed there.
//!
//! What every history must show afterwards: of each inbox a prefix, and nothing that a replay does not complete. An
//! engine that stores a batch in one stroke has nothing to be cut; its crash tests show that.

use openim_record::{
    DuplicateEntry, InboxBounds, MessageKey, PartitionId, Position, StoreBatch, UserId,
};

use super::Wait as _;
use super::history::{Logged, fill, numbered, range, run, user};
use super::{Backend, Sites};
use crate::port::History;

const PARTITION: PartitionId = PartitionId(4);
const RECORDS: usize = 12;
/// Keys of the first batch, and of both.
const KEYS: [usize; 2] = [2, 5];

/// Three users, and the records that are in their inboxes: all, every second, the later half.
struct Scene {
    users: [UserId; 3],
    inboxes: [Vec<Logged>; 3],
}

impl Scene {
    fn new(at: &[Logged]) -> Self {
        let inbox = |holds: fn(usize) -> bool| {
            (0..RECORDS).filter(|n| holds(*n)).map(|n| at[n].clone()).collect()
        };
        Self {
            users: [1, 2, 3].map(user),
            inboxes: [inbox(|_| true), inbox(|n| n % 2 == 0), inbox(|n| n >= RECORDS / 2)],
        }
    }

    /// Everything below `applied`, of each user from a position on.
    fn batch(
        &self,
        from: [Position; 3],
        applied: Position,
        keys: std::ops::Range<usize>,
    ) -> StoreBatch {
        let new = |n: usize| {
            let place = |end: Position| self.inboxes[n].partition_point(|at| at.position < end);
            let (first, last) = (place(from[n]), place(applied));
            let new = self.inboxes[n].get(first..last).filter(|new| !new.is_empty())?;
            Some(run(self.users[n].clone(), first as u64 + 1, new))
        };
        StoreBatch {
            runs: (0..3).filter_map(new).collect(),
            duplicates: vec![(PARTITION, keys.map(key).collect())],
            applied: vec![(PARTITION, applied)],
            ..StoreBatch::default()
        }
    }

    /// Each inbox is a prefix, and its bounds say so.
    fn check_prefixes(&self, history: &dyn History, writes: usize) -> [InboxBounds; 3] {
        let bounds: [InboxBounds; 3] =
            history.bounds(&self.users).wait().expect("read").try_into().expect("three users");
        for (n, bounds) in bounds.iter().enumerate() {
            let shown = range(history, &self.users[n], 1, 99);
            let handed_in = &self.inboxes[n][..bounds.newest.0 as usize];
            assert_eq!(shown, numbered(1, handed_in), "{writes} writes, user {n}");
            let through = handed_in.last().map_or(0, |last| last.position.0 + 1);
            assert_eq!(bounds.through, Position(through), "{writes} writes, user {n}");
        }
        bounds
    }
}

fn key(n: usize) -> DuplicateEntry {
    DuplicateEntry { key: MessageKey(n as u128), send_time_ns: 1, append_ms: 0 }
}

pub(super) fn a_store_cut_anywhere_leaves_prefixes_that_a_replay_completes(sites: Sites<'_>) {
    for writes in 0.. {
        let mut site = sites();
        let Backend { mut log, history, .. } = site.open();
        let at = fill(&mut log, RECORDS as u64, 0);
        let scene = Scene::new(&at);
        let (half, head) = (at[7].position, log.head());
        history.store(&scene.batch([Position(0); 3], half, 0..KEYS[0])).wait().expect("stored");
        drop((log, history));

        let batch = scene.batch([half; 3], head, KEYS[0]..KEYS[1]);
        let Some(cut) = site.open_cut(writes) else { return };
        let answered = cut.history.store(&batch).wait().is_ok();
        drop(cut);

        let history = site.open().history;
        let bounds = scene.check_prefixes(&*history, writes);
        let state = history.recover(PARTITION).wait().expect("read");
        let done = state.applied == head;
        assert!(done || (state.applied == half && !answered), "{writes} writes: {state:?}");
        let keys = KEYS[usize::from(done)];
        assert_eq!(state.duplicates, (0..keys).map(key).collect::<Vec<_>>(), "{writes} writes");

        // A replay numbers what neither the partition nor the inbox has applied; or it is all stored again.
        let from = bounds.map(|bounds| bounds.through.max(state.applied));
        history.store(&scene.batch(from, head, keys..KEYS[1])).wait().expect("stored");
        history.store(&batch).wait().expect("stored again");
        let newest = scene.check_prefixes(&*history, writes).map(|bounds| bounds.newest.0 as usize);
        assert_eq!(newest, [0, 1, 2].map(|n: usize| scene.inboxes[n].len()), "{writes} writes");
        let state = history.recover(PARTITION).wait().expect("read");
        assert_eq!(state.applied, head, "{writes} writes");
        let all: Vec<_> = (0..KEYS[1]).map(key).collect();
        assert_eq!(state.duplicates, all, "{writes} writes");
        if answered {
            return;
        }
    }
}
