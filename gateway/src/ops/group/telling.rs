//! What tells of a change of a group: on the embedded engine it lies in the log with the change, whole or not at all, and
//! is numbered behind it; else it is sent behind the change.
//!
//! The change is decided elsewhere. What it needs of this shard goes there with it: who is in the group, of which nothing
//! changes while the group's turn is held, and a time.

use openim_record::{Addresses, GroupStep, MemberChange, Submission, Told};
use openim_storage::port::GroupChanged;
use openim_workers::writes::Tell;

use super::{InTurn, fanout_admits};
use crate::bus::{Refused, Telling};
use crate::driver::Promised;
use crate::ops::send::TIP_KICKED;
#[cfg(feature = "cluster")]
use crate::ops::send::{Carried, carry};

impl InTurn<'_> {
    /// What tells of a change that is asked for now, and how many members it is promised to.
    pub(super) async fn tell(
        &self,
        telling: Telling,
    ) -> Result<(Tell<GroupChanged>, Promised), Refused> {
        let (core, group) = (self.core, self.group.clone());
        core.load_group(self.turn).await?;
        fanout_admits(core, &group).await?;
        let Telling { tips, to_removed, after_ns } = telling;
        let (members, sent_ns) = {
            let mut shard = core.shard.borrow_mut();
            shard.note_time(after_ns);
            (shard.groups().expander(group.as_str()), shard.stamp(core.now()))
        };
        let (placement, promised) = (core.here.placement, core.fanout.promised());
        let promise = promised.clone();
        let tell = Tell::new(move |changed: &GroupChanged| {
            let mut messages = Vec::new();
            for (sent_ns, mut draft) in (sent_ns..).zip(tips(changed)) {
                let heading = draft.heading();
                let (key, to) = (heading.key(), Addresses::of_draft(&heading, placement));
                let mut lists = Vec::new();
                if heading.is_to_group() {
                    // The sender's own inbox holds it, member or not.
                    let mut extra = vec![heading.send_id];
                    if to_removed && heading.content_type == TIP_KICKED {
                        extra.extend(changed.members.iter().filter_map(gone));
                    }
                    lists = members.expand(&changed.members, key, &extra);
                    if lists.is_empty() {
                        // The group has ended: nobody is there to be told.
                        continue;
                    }
                    promise.add(lists.iter().map(|list| list.members as usize).sum());
                }
                let record = draft.seal(key, sent_ns);
                messages.push(Submission { key, to, record, lists: lists.into() });
            }
            let (version, members) = (changed.version, changed.members.clone());
            let change = (!members.is_empty()).then_some(GroupStep { group, version, members });
            (!messages.is_empty()).then_some(Told { messages, change })
        });
        Ok((tell, promised))
    }

    /// Counts what was promised, now that the change is made, or takes it back.
    pub(super) fn told(&self, promised: &Promised, made: bool) {
        if !made {
            return promised.broken();
        }
        let (sends, members) = promised.kept();
        self.core.metrics.group_sends.add(sends);
        self.core.metrics.group_members.add(members);
    }

    /// Sends what tells of a change that was made.
    #[cfg(feature = "cluster")]
    pub(super) async fn tell_behind(
        &self,
        telling: Telling,
        changed: &GroupChanged,
    ) -> Result<(), Refused> {
        use openim_protocol::errcode::ErrCode;
        let Telling { tips, to_removed, .. } = telling;
        for draft in tips(changed) {
            let sent = carry(self.core, Carried { to_removed, ..Carried::trusted(draft) }).await;
            match sent.map_err(|why| why.code()) {
                // The group has ended: nobody is there to be told.
                Ok(_) | Err(ErrCode::NoPermission) => {}
                Err(_) => return Err(Refused::Unavailable),
            }
        }
        Ok(())
    }
}

fn gone(step: &MemberChange) -> Option<&str> {
    match step {
        MemberChange::Left(uid) | MemberChange::Removed(uid) => Some(uid.as_str()),
        _ => None,
    }
}
