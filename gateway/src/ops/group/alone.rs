//! Groups where the shard has only a front: their members are in the stores, and whoever expands a send reads what lies
//! in the log (R6).
//!
//! A change is durable, then it lies in the log, and then it is answered: whatever is sent after that lies behind it. Other
//! processes are told as soon as it is durable, and ask the store again who may write. A send is offered to the group's
//! partition as it is, by whichever process. Who has left lately is in the store.

use std::rc::Rc;

use openim_protocol::claim::Claim;
use openim_protocol::request::valid_uid;
use openim_record::{Draft, GroupId, Heading, Message, Role, UserId};
use openim_storage::port::{By, GroupChange, GroupChanged, GroupOutcome};

use super::{InTurn, Outcome, told};
use crate::bus::{GroupAnswer, GroupSend, Receipt, Refused};
use crate::driver::{Core, ToGroup};
use crate::ops::from_stores::{self, TIP_QUIT};
use crate::ops::send::{TIP_KICKED, offer_once};

impl InTurn<'_> {
    /// Makes a change durable if the rules let it be, and tells it to whoever expands sends.
    pub(super) async fn change_alone(&self, change: GroupChange) -> Result<GroupChanged, Refused> {
        let (core, group) = (self.core, self.group);
        let (told, takes_away) = (is_told(&change), takes_away(&change));
        if may_be_told_of(&change) {
            // While the log takes nothing nothing is changed: what is made is told, and so are the tips about it.
            core.tell_group_changed(group, 0, &[]).await?;
        }
        let changed = core.try_change((Box::new(change), None)).await?;
        let made = changed.as_ref().ok().map(|changed| &*changed.members);
        core.memberships().forget(group, made);
        let refused =
            matches!(&changed, Ok(GroupChanged { outcome: GroupOutcome::Refused(_), .. }));
        if takes_away && !refused {
            // Also when there was nothing to do, as below.
            core.tell_group_abroad(group);
        }
        let changed = changed.map_err(|_| Refused::Unavailable)?;
        let version = changed.version;
        if told && version > 0 {
            // Also when there was nothing to do: whoever made it may not have come so far.
            core.tell_group_changed(group, version, &changed.members).await?;
        }
        Ok(changed)
    }

    /// As [`InTurn::dissolve`]. Whoever expands the tip finds nobody in the group any more, so it names everybody itself.
    pub(super) async fn dissolve_alone(&self, by: By, tip: Draft) -> Outcome {
        let everybody = from_stores::members(self.core, self.group, 0, usize::MAX).await?;
        let everybody = everybody.iter().map(|uid| uid.as_str().to_owned()).collect();
        let dissolve = GroupChange::Dissolve { group: self.group.clone(), by };
        let ended = self.change(dissolve, None).await?;
        if ended.outcome != GroupOutcome::Done {
            return Ok(told(ended.outcome));
        }
        // Who is left of one that had ended before was told, or was not: it is the same tip.
        self.tell_everybody(&tip, everybody).await?;
        self.clear().await?;
        Ok(GroupAnswer::Done)
    }

    /// Sends a tip to these, in as many records as it takes to name them.
    async fn tell_everybody(&self, tip: &Draft, everybody: Vec<String>) -> Result<(), Refused> {
        let named_max = self.core.settings.record_bytes_max / 2;
        let mut everybody = everybody.into_iter().peekable();
        let mut number = 0;
        while everybody.peek().is_some() {
            let (mut part, mut bytes) = (Vec::new(), 0);
            while let Some(uid) = everybody.next_if(|_| bytes < named_max) {
                bytes += uid.len() + size_of::<u16>();
                part.push(uid);
            }
            let whole = tip.message();
            // Others of the same name would be its repeats.
            let client_msg_id = match number {
                0 => whole.client_msg_id.to_owned(),
                _ => format!("{}-{number}", whole.client_msg_id),
            };
            let mut tip = Draft::new(&Message { client_msg_id: &client_msg_id, ..whole });
            offer(self.core, &mut tip, (Vec::new(), part, true)).await?;
            number += 1;
        }
        Ok(())
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

/// Whether a change may take a role from somebody who had it. Whoever is given one is remembered as a stranger by nobody.
const fn takes_away(change: &GroupChange) -> bool {
    match change {
        GroupChange::Create { .. }
        | GroupChange::Describe { .. }
        | GroupChange::Add { .. }
        | GroupChange::Request(_)
        | GroupChange::Handle { .. }
        // Its end has taken it before.
        | GroupChange::Clear { .. } => false,
        GroupChange::Remove { .. }
        | GroupChange::Leave { .. }
        | GroupChange::Depart { .. }
        | GroupChange::Transfer { .. }
        | GroupChange::Dissolve { .. } => true,
    }
}

/// Whether a tip may come of a change; or its first step, where there are several.
const fn may_be_told_of(change: &GroupChange) -> bool {
    !matches!(change, GroupChange::Clear { .. } | GroupChange::Request(_))
}

/// A send to a group that was admitted: waits until it is durable or refused.
pub(in crate::ops) async fn send(
    core: &Rc<Core>,
    send: GroupSend,
    extra: Vec<String>,
) -> Result<Receipt, Refused> {
    let GroupSend { mut draft, emphasised, trusted, .. } = send;
    offer(core, &mut draft, (emphasised, extra, trusted)).await
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
    let quits = heading.content_type == TIP_QUIT && tells_left(core, &heading).await?;
    if role.is_none() && !trusted && !quits {
        return Err(Refused::NoPermission);
    }
    if !trusted && !is_true(core, &group, &sender, claim, quits).await? {
        return Err(Refused::False);
    }
    let leads = trusted || role.is_some_and(|role| role != Role::Ordinary);
    match heading.content_type == TIP_KICKED && leads {
        true => departed(core, group, &send.removed).await,
        false => Ok(Vec::new()),
    }
}

/// Whether the sender has left the group a short while ago and may tell so by this message: it is taken as told.
async fn tells_left(core: &Core, heading: &Heading<'_>) -> Result<bool, Refused> {
    let (group, sender) = (GroupId::new(heading.recv_id), UserId::new(heading.send_id));
    let key = heading.key();
    core.query(async move |sources| sources.groups.tell_left(&group, &sender, key).await).await
}

/// Who of these has gone out of the group a short while ago.
async fn departed(core: &Core, group: GroupId, uids: &[String]) -> Result<Vec<String>, Refused> {
    let users: Vec<UserId> =
        uids.iter().filter(|uid| valid_uid(uid)).map(|uid| UserId::new(uid)).collect();
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let departed = core.query(async move |sources| {
        let departed = sources.groups.departed(&group, &users).await?;
        Ok(users.into_iter().zip(departed).filter_map(|(uid, is)| is.then_some(uid)).collect())
    });
    let departed: Vec<UserId> = departed.await?;
    Ok(departed.iter().map(|uid| uid.as_str().to_owned()).collect())
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
