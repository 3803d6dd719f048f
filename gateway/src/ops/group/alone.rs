//! Groups where the shard has only a front: their members are in the stores, and whoever expands a send reads what lies
//! in the log (R6).
//!
//! A change is durable, then it lies in the log, and then it is answered: whatever is sent after that lies behind it. A
//! send is offered to the group's partition as it is. Who has left lately is known of changes that were made by this
//! process, and to the shard that made them; so tips about a departure are to be sent where it was made.

use std::rc::Rc;

use openim_protocol::claim::Claim;
use openim_record::{Draft, GroupId, Role, UserId};
use openim_storage::port::{By, GroupChange, GroupChanged, GroupOutcome};

use super::{InTurn, Outcome, told};
use crate::bus::{GroupAnswer, GroupSend, Receipt, Refused};
use crate::driver::{Core, ToGroup};
use crate::ops::from_stores::{self, TIP_QUIT};
use crate::ops::send::{TIP_KICKED, offer_once};

impl InTurn<'_> {
    /// Makes a change durable if the rules let it be, and tells it to whoever expands sends.
    pub(super) async fn change_alone(&self, change: GroupChange) -> Result<GroupChanged, Refused> {
        let (core, group, now_ms) = (self.core, self.group, self.core.now().mono_ms);
        let told = is_told(&change);
        let changed = core.try_change(Box::new(change)).await?;
        let made = changed.as_ref().ok().map(|changed| &*changed.members);
        core.memberships().forget(group, made);
        let changed = changed.map_err(|_| Refused::Unavailable)?;
        // Of a group that is not in memory it notes who has left.
        let version = changed.version;
        core.shard.borrow_mut().groups_mut().follow(group, version, &changed.members, now_ms);
        if told && version > 0 {
            // Also when there was nothing to do: whoever made it may not have come so far.
            core.tell_group_changed(group, version, &changed.members).await?;
        }
        Ok(changed)
    }

    /// As [`InTurn::dissolve`]. Whoever expands the tip finds nobody in the group any more, so it names everybody itself.
    pub(super) async fn dissolve_alone(&self, by: By, mut tip: Draft) -> Outcome {
        let everybody = from_stores::members(self.core, self.group, 0, usize::MAX).await?;
        let everybody = everybody.iter().map(|uid| uid.as_str().to_owned()).collect();
        let ended = self.change(GroupChange::Dissolve { group: self.group.clone(), by }).await?;
        if ended.outcome != GroupOutcome::Done {
            return Ok(told(ended.outcome));
        }
        // Without an effect it has been told already.
        if !ended.members.is_empty() {
            offer(self.core, &mut tip, (Vec::new(), everybody, true)).await?;
        }
        self.clear().await?;
        Ok(GroupAnswer::Done)
    }
}

/// Whether a change may be one of who is in the group. Others are found when the group is read again.
const fn is_told(change: &GroupChange) -> bool {
    match change {
        GroupChange::Describe { .. } | GroupChange::Transfer { .. } | GroupChange::Request(_) => {
            false
        }
        GroupChange::Create { .. }
        | GroupChange::Add { .. }
        | GroupChange::Remove { .. }
        | GroupChange::Leave { .. }
        | GroupChange::Depart { .. }
        | GroupChange::Dissolve { .. }
        | GroupChange::Clear { .. }
        | GroupChange::Handle { .. } => true,
    }
}

/// A send to a group by somebody with this role: waits until it is durable or refused.
pub(in crate::ops) async fn send(
    core: &Rc<Core>,
    send: GroupSend,
    role: Option<Role>,
) -> Result<Receipt, Refused> {
    let extra = admit(core, &send, role).await?;
    let GroupSend { mut draft, emphasised, trusted, .. } = send;
    let quit = (draft.heading().content_type == TIP_QUIT)
        .then(|| (draft.heading().recv_id.to_owned(), draft.heading().send_id.to_owned()));
    let receipt = offer(core, &mut draft, (emphasised, extra, trusted)).await?;
    if let Some((group, sender)) = quit {
        // Once is enough.
        let now_ms = core.now().mono_ms;
        core.shard.borrow_mut().groups_mut().told(&group, &sender, now_ms);
    }
    Ok(receipt)
}

/// Whether somebody with this role may send this to a group: who gets it without being a member.
pub(in crate::ops) async fn admit(
    core: &Core,
    send: &GroupSend,
    role: Option<Role>,
) -> Result<Vec<String>, Refused> {
    let (claim, trusted) = (&send.claim, send.trusted);
    let heading = send.draft.heading();
    let (group, sender) = (GroupId::new(heading.recv_id), UserId::new(heading.send_id));
    let now_ms = core.now().mono_ms;
    let quits = heading.content_type == TIP_QUIT
        && core.shard.borrow().groups().may_tell(group.as_str(), sender.as_str(), now_ms);
    if role.is_none() && !trusted && !quits {
        return Err(Refused::NoPermission);
    }
    if !trusted && !is_true(core, &group, &sender, claim, quits).await? {
        return Err(Refused::False);
    }
    let leads = trusted || role.is_some_and(|role| role != Role::Ordinary);
    let mut extra = send.removed.clone();
    if heading.content_type == TIP_KICKED && leads {
        let shard = core.shard.borrow();
        extra.retain(|uid| shard.groups().departed_lately(group.as_str(), uid, now_ms));
    } else {
        extra.clear();
    }
    Ok(extra)
}

/// Offers a send, with whom it is emphasised to, who gets it without being a member, and whether it is trusted.
async fn offer(
    core: &Rc<Core>,
    draft: &mut Draft,
    (emphasised, extra, trusted): (Vec<String>, Vec<String>, bool),
) -> Result<Receipt, Refused> {
    loop {
        let offered = offer_once(core, |shard, io, origin, now| {
            let (emphasised, extra) = (emphasised.clone(), extra.clone());
            io.begin_group_send(ToGroup { emphasised, extra, trusted });
            shard.send(origin, draft, now, io)
        });
        if let Some(receipt) = offered.await {
            core.metrics.group_sends.add(1);
            return receipt;
        }
    }
}

/// Whether what a send of a client tells has happened.
async fn is_true(
    core: &Core,
    group: &GroupId,
    sender: &UserId,
    claim: &Claim,
    quits: bool,
) -> Result<bool, Refused> {
    let named: &[String] = match claim {
        Claim::Made | Claim::Led => &[],
        Claim::Left => return Ok(quits),
        Claim::Invited(uids) | Claim::Removed(uids) => uids,
        Claim::HandedTo(uid) => std::slice::from_ref(uid),
        // Those about users were looked at before.
        _ => return Ok(true),
    };
    let users = std::iter::once(sender.clone()).chain(named.iter().map(|uid| UserId::new(uid)));
    let mut roles = from_stores::roles(core, group.clone(), users.collect()).await?.into_iter();
    let own = roles.next().flatten();
    let leads = own.is_some_and(|role| role != Role::Ordinary);
    Ok(match claim {
        Claim::Made => own == Some(Role::Owner),
        Claim::Led => leads,
        Claim::Invited(_) => roles.all(|role| role.is_some()),
        Claim::Removed(_) => leads && roles.all(|role| role.is_none()),
        Claim::HandedTo(uid) => {
            uid != sender.as_str() && roles.next().flatten() == Some(Role::Owner)
        }
        _ => true,
    })
}
