//! What survives a crash: the log's records, the history store and the tokens, as models of their
//! ports' contracts.

use std::collections::{BTreeMap, VecDeque};

use openim_auth::{Class, LoginPolicy, Newest, NewestTokens};
use openim_record::{
    DuplicateEntry, InboxBounds, PartitionId, Position, Seq, StoreBatch, StoredState, Submission,
    UserId,
};

/// As the log's.
const FALL_FOLLOWED_MS: i64 = 86_400_000;

/// What was appended as one: a record, of a message to a group with its members behind it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) append_ms: i64,
    pub(crate) record: Box<[u8]>,
    /// The members of a message to a group.
    pub(crate) lists: Vec<Box<[u8]>>,
}

/// The durable log.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) entries: Vec<Entry>,
    head: u64,
    append_ms: i64,
}

impl Records {
    /// Positions grow; append times fall only where a clock was far ahead and has been set right.
    pub(crate) fn append(&mut self, append: &Submission, now_ms: i64) -> Entry {
        self.append_ms = match self.append_ms - now_ms > FALL_FOLLOWED_MS {
            true => now_ms,
            false => self.append_ms.max(now_ms),
        };
        let lists: Vec<_> = append.lists.iter().map(|list| list.list.clone()).collect();
        let record = append.record.clone();
        let (position, append_ms) = (Position(self.head), self.append_ms);
        let entry = Entry { position, append_ms, record, lists };
        self.head += entry.record.len() as u64;
        self.head += entry.lists.iter().map(|list| list.len() as u64).sum::<u64>();
        self.entries.push(entry.clone());
        entry
    }
}

#[derive(Debug, Default)]
struct StoredInbox {
    min: Seq,
    positions: Vec<Position>,
}

/// The history store.
#[derive(Debug, Default)]
pub(crate) struct History {
    inboxes: BTreeMap<UserId, StoredInbox>,
    applied: BTreeMap<PartitionId, Position>,
    duplicates: BTreeMap<PartitionId, Rows>,
}

/// Duplicates of a partition, oldest first, in the rows in which they were stored: by the applied
/// position of their batch. What is no longer needed is dropped by whole rows, as the engine does it.
type Rows = VecDeque<(Position, Vec<DuplicateEntry>)>;

impl History {
    /// In how many strokes a batch is stored.
    pub(crate) fn strokes(batch: &StoreBatch) -> usize {
        batch.runs.len() + 1
    }

    /// One stroke of storing a batch: an inbox, and in the last one what stands for all. A stroke that was
    /// done before changes nothing; panics when the batch breaks the contract.
    pub(crate) fn store(&mut self, batch: &StoreBatch, stroke: usize) {
        let Some(run) = batch.runs.get(stroke) else { return self.complete(batch) };
        let inbox = self.inboxes.entry(run.user.clone()).or_default();
        let newest = inbox.positions.len() as u64;
        assert!(!run.positions.is_empty(), "{}: an empty run", run.user);
        assert!(run.first <= Seq(newest + 1), "{}: a run continues the inbox", run.user);
        for (seq, &position) in (run.first.0..).zip(&run.positions) {
            match inbox.positions.get(seq as usize - 1) {
                Some(&before) => assert_eq!(before, position, "{} {seq}: stored again", run.user),
                None => {
                    let last = inbox.positions.last();
                    assert!(last.is_none_or(|&last| last < position), "{}: log order", run.user);
                    inbox.positions.push(position);
                }
            }
        }
        inbox.min = inbox.min.max(Seq(1));
    }

    fn complete(&mut self, batch: &StoreBatch) {
        for (partition, fresh) in &batch.duplicates {
            let new = batch.applied.iter().find(|(other, _)| other == partition).map(|(_, at)| *at);
            let at = new.or(self.applied.get(partition).copied()).unwrap_or_default();
            let rows = self.duplicates.entry(*partition).or_default();
            match rows.back_mut() {
                Some((last, row)) if *last == at && row.ends_with(fresh) => {}
                Some((last, row)) if *last == at => row.extend(fresh),
                _ => rows.push_back((at, fresh.clone())),
            }
        }
        for &(partition, kept) in &batch.duplicates_kept {
            let rows = self.duplicates.entry(partition).or_default();
            let mut total = rows.iter().map(|(_, row)| row.len()).sum::<usize>();
            let added = batch.duplicates.iter().any(|(other, _)| *other == partition);
            while let Some((_, row)) = rows.front() {
                let written = added && rows.len() == 1;
                if written || total - row.len() < kept {
                    break;
                }
                total -= row.len();
                rows.pop_front();
            }
        }
        for &(partition, applied) in &batch.applied {
            let before = self.applied.insert(partition, applied).unwrap_or_default();
            assert!(before <= applied, "{partition:?}: applied fell from {before} to {applied}");
        }
    }

    pub(crate) fn recover(&self, partitions: u16) -> Vec<StoredState> {
        (0..partitions)
            .map(PartitionId)
            .map(|partition| StoredState {
                partition,
                applied: self.applied.get(&partition).copied().unwrap_or_default(),
                duplicates: self
                    .duplicates
                    .get(&partition)
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, row)| row)
                    .copied()
                    .collect(),
            })
            .collect()
    }

    pub(crate) fn bounds(&self, uid: &UserId) -> InboxBounds {
        let Some(inbox) = self.inboxes.get(uid) else { return InboxBounds::default() };
        let through = inbox.positions.last().map_or(0, |last| last.0 + 1);
        let newest = Seq(inbox.positions.len() as u64);
        InboxBounds { min: inbox.min, newest, through: Position(through) }
    }

    /// Everything ever stored for `uid`, from seq 1; what retention removed is kept for the oracle.
    pub(crate) fn positions(&self, uid: &UserId) -> &[Position] {
        self.inboxes.get(uid).map_or(&[], |inbox| &inbox.positions)
    }

    /// Retention: all below `min` is gone.
    pub(crate) fn raise_min(&mut self, uid: &UserId, min: Seq) {
        if let Some(inbox) = self.inboxes.get_mut(uid) {
            inbox.min = inbox.min.max(min);
        }
    }
}

/// The newest tokens, durably.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenStore(BTreeMap<UserId, NewestTokens>);

impl TokenStore {
    pub(crate) fn issue(&mut self, policy: LoginPolicy, uid: &UserId, class: Class, new: Newest) {
        policy.record(self.0.entry(uid.clone()).or_default(), class, new);
    }

    pub(crate) fn newest(&self, uid: &UserId) -> NewestTokens {
        self.0.get(uid).copied().unwrap_or_default()
    }
}
