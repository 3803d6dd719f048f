//! Recovery at start: what the history store holds, then the log from there on.
//!
//! Seq is a function of the log's order, so replaying the tail gives every message the number it had.

mod renumber;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use openim_record::{
    Addresses, Committed, Deliver, MemberList, Members, MessageKey, PartitionId, Placement,
    Position, Record, Rows, Submission, UserId,
};
use openim_shard::{CloseReason, Effects, FrontEffects, LinkId, Now, Origin, SendRefused, Shard};
use openim_storage::port::{Consume, Consumed, History, Polled, Replayed, StoreError, wait};

use self::renumber::Ends;
pub(crate) use self::renumber::Renumber;
use crate::settings::Settings;

/// Inbox entries of one shard that a replay keeps in memory before the history store takes them. An ordinary start
/// replays less; one that has no index begins with the log's first record.
const STORE_ENTRIES: usize = if cfg!(test) { 64 } else { 1 << 17 };
/// Between two lines that tell how far a replay is.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// Builds the shards' states.
///
/// # Errors
/// When the stores cannot be read; the text says which and where.
pub(crate) fn recover(
    settings: &Settings,
    placement: Placement,
    shards: u16,
    tail: &mut dyn Consume,
    history: &dyn History,
) -> anyhow::Result<Vec<Shard>> {
    let mut states = empty(settings, placement, shards);
    let (from, replayed) = replay(&mut states, placement, tail, history)?;
    for shard in &mut states {
        shard.set_users_max(settings.limits.back.users_max);
    }
    if replayed > 0 {
        tracing::info!(records = replayed, from = from.0, "replayed the log");
    }
    Ok(states)
}

/// Shards for a replay, before it.
pub(crate) fn empty(settings: &Settings, placement: Placement, shards: u16) -> Vec<Shard> {
    let of = |index| {
        // Nobody leaves memory during a replay: a record must find its users where it was told
        // they are. The tail that is replayed bounds how many come in.
        let mut shard =
            Shard::new(placement, index, shards, settings.policy, settings.limits.clone());
        shard.set_users_max(usize::MAX);
        shard.exempt(settings.managers.iter().map(|uid| UserId::new(uid)));
        shard
    };
    (0..shards).map(of).collect()
}

/// Shows the shards what the log has got since the last time; from where on, and how many records.
///
/// # Errors
/// As [`recover`].
pub(crate) fn replay(
    states: &mut [Shard],
    placement: Placement,
    tail: &mut dyn Consume,
    history: &dyn History,
) -> anyhow::Result<(Position, u64)> {
    run(states, placement, tail, history, None)
}

/// The same where each partition takes records up to its end only, and all that is shown is stored.
fn replay_up_to(
    states: &mut [Shard],
    placement: Placement,
    tail: &mut dyn Consume,
    history: &dyn History,
    ends: Ends,
) -> anyhow::Result<(Position, u64)> {
    run(states, placement, tail, history, Some(ends))
}

fn run(
    states: &mut [Shard],
    placement: Placement,
    tail: &mut dyn Consume,
    history: &dyn History,
    ends: Option<Ends>,
) -> anyhow::Result<(Position, u64)> {
    let shards = u16::try_from(states.len()).unwrap_or(u16::MAX);
    let mut replay = Replay { states, placement, shards, history, group: None, begun: false, ends };
    let told = replay.run(tail)?;
    replay.finish_group()?;
    replay.close_below(Position(u64::MAX)).context("cannot write the history store")?;
    for shard in states {
        let left = shard.back().waiting_len() + shard.back().fanning();
        if left > 0 {
            bail!("the replay left {left} records unapplied");
        }
        // How long ago the log took what was replayed says nothing about fan-out.
        drop(shard.take_fanned_out());
    }
    Ok(told)
}

/// The replay under way.
struct Replay<'a> {
    states: &'a mut [Shard],
    placement: Placement,
    shards: u16,
    history: &'a dyn History,
    /// A message to a group, until all its members have been shown: they lie behind it.
    group: Option<(Committed, Vec<Box<[u8]>>)>,
    /// Whether a message has been shown.
    begun: bool,
    /// Where partitions end, if they do.
    ends: Option<Ends>,
}

impl Replay<'_> {
    /// Shows the shards what the log holds of the partitions that are assigned; from where on, and how many records.
    fn run(&mut self, tail: &mut dyn Consume) -> anyhow::Result<(Position, u64)> {
        let (mut from, mut replayed) = (Position(u64::MAX), 0_u64);
        let mut told = Instant::now();
        loop {
            let (mut assigned, mut failed) = (Vec::new(), None);
            let polled = tail.poll(Duration::ZERO, &mut |shown| {
                let taken = match shown {
                    Consumed::Assigned(partition) => {
                        assigned.push(partition);
                        Ok(())
                    }
                    Consumed::Record { record, .. } if Rows::are_in(record.record) => Ok(()),
                    Consumed::Record { record, .. } => {
                        replayed += 1;
                        if replayed.is_multiple_of(1024) && told.elapsed() >= TELL_EVERY {
                            told = Instant::now();
                            let at = record.position.0;
                            tracing::info!(records = replayed, at, "replaying the log");
                        }
                        self.record(record)
                    }
                    Consumed::Revoked(PartitionId(number)) => {
                        Err(anyhow!("partition {number} was taken away during the start"))
                    }
                };
                failed = taken.err();
                if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let polled = polled.context("cannot replay the log")?;
            if let Some(error) = failed {
                return Err(error);
            }
            if assigned.is_empty() && polled == Polled::CaughtUp {
                return Ok((from, replayed));
            }
            for partition in assigned {
                let applied = self.assigned(partition).context("cannot read the history store")?;
                tail.begin(partition, applied);
                from = from.min(applied);
            }
        }
    }

    /// A partition is this process's: takes over what the history holds of it, and says where its records begin.
    fn assigned(&mut self, partition: PartitionId) -> Result<Position, StoreError> {
        let stored = wait(self.history.recover(partition))?;
        for shard in self.states.iter_mut() {
            shard.recover(&stored);
        }
        Ok(stored.applied)
    }

    fn record(&mut self, replayed: Replayed<'_>) -> anyhow::Result<()> {
        let record = Record::decode(replayed.record).with_context(|| {
            format!("the record at {} of the log is not a message", replayed.position)
        })?;
        let message = match record {
            Record::Message(message) => message,
            // The store has them already.
            Record::Rows(_) => return Ok(()),
            Record::Members(list) => match &mut self.group {
                Some((committed, lists)) if committed.message().key == list.key() => {
                    lists.push(replayed.record.into());
                    return Ok(());
                }
                // Its message lies below where the replay begins, and is applied everywhere.
                None if !self.begun => return Ok(()),
                _ => bail!("the list at {} of the log has no message", replayed.position),
            },
        };
        self.begun = true;
        self.finish_group()?;
        self.close_below(replayed.position).context("cannot write the history store")?;
        self.store(replayed.position).context("cannot write the history store")?;
        let committed = Committed {
            position: replayed.position,
            append_ms: replayed.append_ms,
            to: Addresses::of(&message, self.placement),
            record: replayed.record.into(),
            members: Box::default(),
        };
        if message.is_to_group() {
            self.group = Some((committed, Vec::new()));
            return Ok(());
        }
        if message.switches.history {
            self.load(&[message.recv_id, message.send_id])?;
        }
        let owners = self.owners(committed.to.iter().map(|to| to.partition));
        self.hand_in(&owners, &committed);
        Ok(())
    }

    /// Applies the message to a group whose members have all been shown.
    fn finish_group(&mut self) -> anyhow::Result<()> {
        let Some((committed, lists)) = self.group.take() else { return Ok(()) };
        let message = committed.message();
        let mut partitions: Vec<PartitionId> = committed.to.iter().map(|to| to.partition).collect();
        let mut uids = Vec::new();
        for list in &lists {
            for section in Members::decode(list).into_iter().flat_map(Members::sections) {
                partitions.push(section.partition);
                uids.extend(Members::of_section(list, section).map(|member| member.uid));
            }
        }
        if message.switches.history {
            self.load(&uids)?;
        }
        // Each takes its own of every list; the number of shards may have changed.
        let members = lists.clone().into_boxed_slice();
        let owners = self.owners(partitions.into_iter());
        self.hand_in(&owners, &Committed { members, ..committed.clone() });
        Ok(())
    }

    /// Hands what shards have much of to the history store. All below `head` has been shown to all.
    fn store(&mut self, head: Position) -> Result<(), StoreError> {
        for number in 0..self.states.len() {
            if self.states[number].back().unstored_len() >= STORE_ENTRIES {
                self.put(number, head)?;
            }
        }
        Ok(())
    }

    /// The shards that own some partitions, each once.
    fn owners(&self, partitions: impl Iterator<Item = PartitionId>) -> Vec<u16> {
        let owner = |partition| self.placement.shard(partition, self.shards);
        let mut owners: Vec<u16> = partitions.map(owner).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    fn home(&self, uid: &str) -> u16 {
        self.placement.home(uid, self.shards)
    }

    /// Brings these users into memory, on their homes.
    fn load(&mut self, uids: &[&str]) -> anyhow::Result<()> {
        let unknown = |uid: &&&str| !self.states[usize::from(self.home(uid))].back().knows(uid);
        let users: Vec<UserId> = uids.iter().filter(unknown).map(|uid| UserId::new(uid)).collect();
        let bounds = wait(self.history.bounds(&users))?;
        for (uid, bounds) in users.iter().zip(bounds) {
            let home = usize::from(self.home(uid.as_str()));
            self.states[home].load(uid, bounds);
        }
        Ok(())
    }

    fn hand_in(&mut self, owners: &[u16], committed: &Committed) {
        for &owner in owners {
            let own = |partition| self.placement.shard(partition, self.shards) == owner;
            let committed = Committed { to: committed.to.only(own), ..committed.clone() };
            let shard = &mut self.states[usize::from(owner)];
            shard.committed(committed, false, Now::default(), &mut Nobody);
            while shard.fan_out(usize::MAX, Now::default(), &mut Nobody) {}
        }
    }
}

/// During recovery nobody is connected and nobody waits.
struct Nobody;

impl FrontEffects for Nobody {
    fn has_room(&mut self, _: usize) -> bool {
        false
    }
    fn submit(&mut self, _: Submission) {}
    fn receipt(&mut self, _: Origin, _: &str, _: &str, _: MessageKey, _: i64) {}
    fn refuse(&mut self, _: Origin, _: SendRefused) {}
    fn push(&mut self, _: LinkId, _: &Deliver<'_>) -> usize {
        0
    }
    fn ping(&mut self, _: LinkId) {}
    fn close(&mut self, _: LinkId, _: CloseReason) {}
    fn resume(&mut self, _: LinkId) {}
    fn resume_calls(&mut self, _: usize) {}
}

impl Effects for Nobody {
    fn has_room_at(&mut self, _: PartitionId, _: usize) -> bool {
        false
    }
    fn forward(&mut self, _: PartitionId, _: Box<[u8]>) {}
    fn forward_group(&mut self, _: &[u8], _: Vec<MemberList>) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use openim_config::Config;
    use openim_record::Seq;
    use openim_storage::conformance::{self, Sample};
    use openim_storage::embedded;

    use super::*;

    #[test]
    fn what_a_long_replay_numbers_is_stored_on_the_way() {
        const MESSAGES: u64 = 1_000;
        let dir = tempfile::tempdir().expect("a folder");
        let mut storage = embedded::open(dir.path(), &embedded::Options::default()).expect("opens");
        let mut at = Vec::new();
        for number in 1..=MESSAGES {
            let record = conformance::encoded(Sample::new(number));
            let appended = conformance::append(&mut storage.log, &[&record], 1, &mut at);
            appended.expect("appended");
        }
        let settings = Settings::new(&Config::default(), "secret".to_owned(), 2);
        let users = ["alice", "bob"].map(UserId::new);
        drop(storage);
        // The second one goes on behind what the first one stored, with the same numbers.
        for _ in 0..2 {
            let opened = embedded::open(dir.path(), &embedded::Options::default()).expect("opens");
            let embedded::Embedded { mut tail, history, placement, .. } = opened;
            let mut shards = recover(&settings, placement, 2, &mut tail, &*history).unwrap();
            let left: usize = shards.iter().map(|shard| shard.back().unstored_len()).sum();
            assert!(left < 2 * 64, "{left} entries are in memory");
            for (user, bounds) in users.iter().zip(wait(history.bounds(&users)).unwrap()) {
                assert!(bounds.newest.0 > MESSAGES - 64, "{user}: {bounds:?} is stored");
                let home = usize::from(placement.home(user.as_str(), 2));
                let bounds = shards[home].bounds(user.as_str());
                assert!(bounds.is_none_or(|bounds| bounds.newest == Seq(MESSAGES)), "{bounds:?}");
            }
        }
    }
}
