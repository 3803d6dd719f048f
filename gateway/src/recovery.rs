//! Recovery at start: what the history store holds, then the log from there on.
//!
//! Seq is a function of the log's order, so replaying the tail gives every message the number it had.

use std::collections::HashSet;
use std::ops::ControlFlow;

use anyhow::{Context as _, bail};
use openim_record::{Message, MessageKey, Placement, Position, UserId};
use openim_shard::{
    Append, CloseReason, Committed, Delivery, Effects, Limits, LinkId, Now, Origin, Refusal,
    SendRefused, Shard,
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
            Shard::new(placement, index, shards, settings.policy, limits)
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
    log.replay(from, &mut |record| {
        replayed += 1;
        match apply(&mut states, placement, shards, history, record) {
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
    for shard in &mut states {
        if shard.waiting_len() > 0 {
            bail!("the replay left {} records unapplied", shard.waiting_len());
        }
        shard.set_users_max(settings.limits.users_max);
    }
    if replayed > 0 {
        tracing::info!(records = replayed, from = from.0, "replayed the log");
    }
    Ok(states)
}

fn apply(
    states: &mut [Shard],
    placement: Placement,
    shards: u16,
    history: &dyn History,
    record: Replayed<'_>,
) -> anyhow::Result<()> {
    let message = Message::decode(record.record).with_context(|| {
        format!("the record at {} of the log is not a message", record.position)
    })?;
    let homes = [message.recv_id, message.send_id].map(|uid| placement.home(uid, shards));
    for (uid, home) in [message.recv_id, message.send_id].into_iter().zip(homes) {
        let shard = &mut states[usize::from(home)];
        if message.switches.history && !shard.inboxes.knows(uid) {
            let uid = UserId::new(uid);
            let bounds = history.bounds(std::slice::from_ref(&uid))?.pop().unwrap_or_default();
            shard.inboxes.load(&uid, bounds);
        }
    }
    let committed = Committed {
        position: record.position,
        append_ms: record.append_ms,
        record: record.record.into(),
    };
    let [receiver, sender] = homes;
    if receiver != sender {
        states[usize::from(sender)].committed(committed.clone(), Now::default(), &mut Nobody);
    }
    states[usize::from(receiver)].committed(committed, Now::default(), &mut Nobody);
    Ok(())
}

/// During recovery nobody is connected and nobody waits.
struct Nobody;

impl Effects for Nobody {
    fn append(&mut self, append: Append) -> Result<(), Append> {
        Err(append)
    }
    fn forward(&mut self, _: u16, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Busy)
    }
    fn load(&mut self, _: &UserId) {}
    fn receipt(&mut self, _: Origin, _: &str, _: &str, _: MessageKey, _: i64) {}
    fn refuse(&mut self, _: Origin, _: SendRefused) {}
    fn push(&mut self, _: LinkId, _: &Delivery<'_>) -> usize {
        0
    }
    fn ping(&mut self, _: LinkId) {}
    fn close(&mut self, _: LinkId, _: CloseReason) {}
    fn resume(&mut self, _: LinkId) {}
    fn resume_calls(&mut self) {}
}
