//! Recovery at start: what the history store holds, then the log from there on.
//!
//! Seq is a function of the log's order, so replaying the tail gives every message the number it had.

use std::collections::HashSet;
use std::ops::ControlFlow;

use anyhow::{Context as _, bail};
use openim_record::{Members, Message, MessageKey, Placement, Position, UserId};
use openim_shard::{
    Append, CloseReason, Committed, Delivery, Effects, Limits, LinkId, Now, Origin, Refusal,
    SESSION_GROUP, SendRefused, Shard, Share,
};
use openim_storage::port::{History, Log, Replayed};

use crate::settings::Settings;

/// Builds the shards' states.
///
/// # Errors
/// When the stores cannot be read; the text says which and where.
pub(crate) fn recover(
    settings: &Settings,
    placement: Placement,
    shards: u16,
    log: &mut dyn Log,
    history: &dyn History,
) -> anyhow::Result<Vec<Shard>> {
    let mut states: Vec<Shard> = (0..shards)
        .map(|index| {
            // Nobody leaves memory during a replay: a record must find its users where it was told
            // they are. The tail that is replayed bounds how many come in.
            let limits = Limits { users_max: usize::MAX, ..settings.limits.clone() };
            let mut shard = Shard::new(placement, index, shards, settings.policy, limits);
            shard.links.exempt(settings.managers.iter().map(|uid| UserId::new(uid)));
            shard
        })
        .collect();
    let stored = history.recover().context("cannot read the history store")?;
    // A partition that was never stored starts at the beginning of the log.
    let known: HashSet<u16> = stored.iter().map(|state| state.partition.0).collect();
    let complete = known.len() == usize::from(placement.partitions());
    let from = stored.iter().map(|state| state.applied).min().filter(|_| complete);
    for state in &stored {
        for shard in &mut states {
            shard.inboxes.recover(state);
        }
    }
    let mut replayed = 0_u64;
    let mut failed = None;
    let from = from.unwrap_or(Position(0));
    let mut replay = Replay { states: &mut states, placement, shards, history, group: None };
    log.replay(from, &mut |record| {
        replayed += 1;
        match replay.record(record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })
    .context("cannot replay the log")?;
    if let Some(error) = failed {
        return Err(error);
    }
    replay.finish_group()?;
    for shard in &mut states {
        let left = shard.waiting_len() + shard.fanning();
        if left > 0 {
            bail!("the replay left {left} records unapplied");
        }
        shard.set_users_max(settings.limits.users_max);
        // How long ago the log took what was replayed says nothing about fan-out.
        drop(shard.take_fanned_out());
    }
    if replayed > 0 {
        tracing::info!(records = replayed, from = from.0, "replayed the log");
    }
    Ok(states)
}

/// The replay under way.
struct Replay<'a> {
    states: &'a mut [Shard],
    placement: Placement,
    shards: u16,
    history: &'a dyn History,
    /// A message to a group, until all its members have been shown: they lie behind it.
    group: Option<(Committed, Vec<Box<[u8]>>)>,
}

impl Replay<'_> {
    fn record(&mut self, record: Replayed<'_>) -> anyhow::Result<()> {
        if let Some(list) = Members::decode(record.record) {
            // Without its message it is the end of one that every partition has applied.
            if let Some((committed, lists)) = &mut self.group
                && Message::decode(&committed.record).is_ok_and(|m| m.key == list.key())
            {
                lists.push(record.record.into());
            }
            return Ok(());
        }
        self.finish_group()?;
        let message = Message::decode(record.record).with_context(|| {
            format!("the record at {} of the log is not a message", record.position)
        })?;
        let committed = Committed {
            position: record.position,
            append_ms: record.append_ms,
            record: record.record.into(),
            members: Box::default(),
        };
        if message.session_type == SESSION_GROUP {
            self.group = Some((committed, Vec::new()));
            return Ok(());
        }
        let homes = [message.recv_id, message.send_id].map(|uid| self.home(uid));
        if message.switches.history {
            self.load(&[message.recv_id, message.send_id])?;
        }
        let [receiver, sender] = homes;
        if receiver != sender {
            self.hand_in(sender, committed.clone());
        }
        self.hand_in(receiver, committed);
        Ok(())
    }

    /// Applies the message to a group whose members have all been shown.
    fn finish_group(&mut self) -> anyhow::Result<()> {
        let Some((committed, lists)) = self.group.take() else { return Ok(()) };
        let message = Message::decode(&committed.record).context("was decoded before")?;
        let (mut homes, mut uids) = (vec![self.home(message.recv_id)], Vec::new());
        for list in &lists {
            for section in Members::decode(list).into_iter().flat_map(Members::sections) {
                homes.push(self.placement.shard(section.partition, self.shards));
                uids.extend(Members::of_section(list, section).map(|member| member.uid));
            }
        }
        if message.switches.history {
            self.load(&uids)?;
        }
        homes.sort_unstable();
        homes.dedup();
        for home in homes {
            // Each takes its own of every list; the number of shards may have changed.
            let members = lists.clone().into_boxed_slice();
            self.hand_in(home, Committed { members, ..committed.clone() });
        }
        Ok(())
    }

    fn home(&self, uid: &str) -> u16 {
        self.placement.home(uid, self.shards)
    }

    /// Brings these users into memory, on their homes.
    fn load(&mut self, uids: &[&str]) -> anyhow::Result<()> {
        let unknown = |uid: &&&str| !self.states[usize::from(self.home(uid))].inboxes.knows(uid);
        let users: Vec<UserId> = uids.iter().filter(unknown).map(|uid| UserId::new(uid)).collect();
        let bounds = self.history.bounds(&users)?;
        for (uid, bounds) in users.iter().zip(bounds) {
            let home = usize::from(self.home(uid.as_str()));
            self.states[home].inboxes.load(uid, bounds, |_| ());
        }
        Ok(())
    }

    fn hand_in(&mut self, home: u16, committed: Committed) {
        let shard = &mut self.states[usize::from(home)];
        shard.committed(committed, Now::default(), &mut Nobody);
        while shard.fan_out(usize::MAX, Now::default(), &mut Nobody) {}
    }
}

/// During recovery nobody is connected and nobody waits.
struct Nobody;

impl Effects for Nobody {
    fn has_room(&mut self, _: usize) -> bool {
        false
    }
    fn append(&mut self, _: Append) {}
    fn has_room_at(&mut self, _: u16, _: usize) -> bool {
        false
    }
    fn forward(&mut self, _: u16, _: Box<[u8]>) {}
    fn forward_group(&mut self, _: &[u8], _: Vec<Share>) -> Result<(), Refusal> {
        Err(Refusal::Busy)
    }
    fn receipt(&mut self, _: Origin, _: &str, _: &str, _: MessageKey, _: i64) {}
    fn refuse(&mut self, _: Origin, _: SendRefused) {}
    fn push(&mut self, _: LinkId, _: &Delivery<'_>) -> usize {
        0
    }
    fn ping(&mut self, _: LinkId) {}
    fn close(&mut self, _: LinkId, _: CloseReason) {}
    fn resume(&mut self, _: LinkId) {}
    fn resume_calls(&mut self, _: usize) {}
}
