//! Groups, at their homes: who may change what, and sends to their members (spec, REST 7.4, 7.6, 7.13).
//!
//! Every operation but a send takes the group's turn: it looks at the membership, makes the change
//! durable, then notes it in the pure shard, and only then answers. A send that is admitted after that
//! answer therefore sees the change (L9).

mod ending;

use std::rc::Rc;

use openim_protocol::claim::Claim;
use openim_record::{GroupId, Role, UserId};
use openim_shard::{Admission, Departure, GroupAdmission, GroupTerms, Origin, Tells};
use openim_storage::port::{Added, Group, GroupChange, GroupOutcome, GroupRequest, Member};

use crate::bus::{GroupAnswer, GroupCall, GroupRefused, GroupSend, Receipt, Refused};
use crate::driver::{Core, Turn};

/// Time between two looks whether fewer members of groups wait for their turn.
const FANOUT_LOOK_MS: u64 = 5;

type Outcome = Result<GroupAnswer, Refused>;

/// Carries out an operation on a group at home here.
pub(super) async fn run(core: &Rc<Core>, group: GroupId, call: GroupCall) -> Outcome {
    let turn = core.group_turn(&group).await?;
    let home = Home { core, group: &group };
    if let GroupCall::Create { group, members } = call {
        return home.create(*group, members).await;
    }
    let exists = core.load_group(&turn).await?;
    match call {
        // Reading an unknown group finds nobody in it.
        GroupCall::Roles(users) => home.roles(&users),
        GroupCall::Page { from, count } => home.page(from, count),
        // Also of one that has ended: who repeats it ends what was left over.
        GroupCall::Dissolve { by, trusted, tip } => home.dissolve(&by, trusted, tip).await,
        GroupCall::Depart { user } => home.depart(exists, user).await,
        _ if !exists || home.is_dissolved() => Ok(refused(GroupRefused::NoGroup)),
        call => home.change(&turn, call).await,
    }
}

const fn refused(why: GroupRefused) -> GroupAnswer {
    GroupAnswer::Refused(why)
}

/// A group in its turn, in memory.
struct Home<'a> {
    core: &'a Rc<Core>,
    group: &'a GroupId,
}

impl Home<'_> {
    fn role(&self, uid: &UserId) -> Option<Role> {
        self.core.shard.borrow().groups().role(self.group.as_str(), uid.as_str())
    }

    /// Whether `uid` leads the group, as owner or administrator.
    fn leads(&self, uid: &UserId) -> bool {
        self.role(uid).is_some_and(|role| role != Role::Ordinary)
    }

    fn now_ms(&self) -> u64 {
        self.core.now().mono_ms
    }

    async fn write(&self, change: GroupChange) -> Result<GroupOutcome, Refused> {
        self.core.change(Box::new(change)).await
    }

    async fn change(&self, _turn: &Turn, call: GroupCall) -> Outcome {
        match call {
            GroupCall::Describe { by, change } => self.describe(&by, *change).await,
            GroupCall::Invite { by, trusted, members } => self.invite(&by, trusted, members).await,
            GroupCall::Kick { by, trusted, users } => self.kick(&by, trusted, users).await,
            GroupCall::Quit { by } => self.quit(by).await,
            GroupCall::Transfer { by, to } => self.transfer(by, to).await,
            GroupCall::Ask(request) => self.ask(*request).await,
            GroupCall::Handle { by, from, to, agree, message, now_ms } => {
                let group = self.group.clone();
                let change = GroupChange::Handle { group, from, to, agree, message, by, now_ms };
                self.handle(change).await
            }
            GroupCall::Create { .. }
            | GroupCall::Roles(_)
            | GroupCall::Dissolve { .. }
            | GroupCall::Depart { .. }
            | GroupCall::Page { .. } => Err(Refused::Unavailable),
        }
    }

    fn roles(&self, users: &[UserId]) -> Outcome {
        Ok(GroupAnswer::Roles(users.iter().map(|uid| self.role(uid)).collect()))
    }

    fn page(&self, from: usize, count: usize) -> Outcome {
        let shard = self.core.shard.borrow();
        let members = shard.groups().members(self.group.as_str()).iter().skip(from).take(count);
        Ok(GroupAnswer::Uids(members.map(|(uid, _)| uid.clone()).collect()))
    }

    async fn create(&self, group: Group, members: Vec<Member>) -> Outcome {
        let roles = members.iter().map(|member| (member.uid.clone(), member.role)).collect();
        match self.write(GroupChange::Create { group, members }).await? {
            GroupOutcome::Done => {
                self.core.shard.borrow_mut().groups_mut().load(self.group, roles);
                Ok(GroupAnswer::Done)
            }
            _ => Ok(refused(GroupRefused::Full)),
        }
    }

    async fn describe(&self, by: &UserId, change: GroupChange) -> Outcome {
        match self.role(by) {
            None => return Ok(refused(GroupRefused::NotMember)),
            Some(Role::Ordinary) => return Ok(refused(GroupRefused::NoPermission)),
            Some(Role::Owner | Role::Administrator) => {}
        }
        self.write(change).await?;
        Ok(GroupAnswer::Done)
    }

    async fn invite(&self, by: &UserId, trusted: bool, members: Vec<Member>) -> Outcome {
        if !trusted && self.role(by).is_none() {
            return Ok(refused(GroupRefused::NoPermission));
        }
        let uids: Vec<UserId> = members.iter().map(|member| member.uid.clone()).collect();
        let change = GroupChange::Add { group: self.group.clone(), members };
        let GroupOutcome::Added(added) = self.write(change).await? else {
            return Ok(refused(GroupRefused::NoGroup));
        };
        let joined: Vec<bool> = added.iter().map(|added| *added == Added::Joined).collect();
        let new: Vec<(UserId, Role)> = uids
            .into_iter()
            .zip(&joined)
            .filter_map(|(uid, joined)| joined.then_some((uid, Role::Ordinary)))
            .collect();
        self.core.shard.borrow_mut().groups_mut().joined_all(self.group.as_str(), &new);
        Ok(GroupAnswer::Each(joined))
    }

    async fn kick(&self, by: &UserId, trusted: bool, users: Vec<UserId>) -> Outcome {
        if !trusted && !self.leads(by) {
            return Ok(refused(GroupRefused::NoPermission));
        }
        let owner = self.role(by) == Some(Role::Owner);
        // Nobody removes themselves or the owner, and administrators not each other.
        let may: Vec<bool> = users
            .iter()
            .map(|uid| match self.role(uid) {
                _ if uid == by => false,
                Some(Role::Owner) => false,
                Some(Role::Administrator) => owner || trusted,
                Some(Role::Ordinary) | None => true,
            })
            .collect();
        let gone: Vec<UserId> =
            users.into_iter().zip(&may).filter_map(|(uid, may)| may.then_some(uid)).collect();
        self.remove(gone, Departure::Removed).await?;
        Ok(GroupAnswer::Each(may))
    }

    async fn quit(&self, by: UserId) -> Outcome {
        match self.role(&by) {
            None => Ok(refused(GroupRefused::NotMember)),
            Some(Role::Owner) if self.members().len() == 1 => {
                self.end(Some(&by)).await?;
                self.left(&by, Departure::Left);
                self.empty().await
            }
            // A group without an owner could not be led any more.
            Some(Role::Owner) => Ok(refused(GroupRefused::NoPermission)),
            Some(Role::Ordinary | Role::Administrator) => {
                self.remove(vec![by], Departure::Left).await?;
                Ok(GroupAnswer::Done)
            }
        }
    }

    async fn remove(&self, users: Vec<UserId>, how: Departure) -> Result<(), Refused> {
        let mut members = users;
        members.retain(|uid| self.role(uid).is_some());
        if members.is_empty() {
            return Ok(());
        }
        let users = members.clone();
        self.write(GroupChange::Remove { group: self.group.clone(), users }).await?;
        for uid in &members {
            self.left(uid, how);
        }
        Ok(())
    }

    /// Notes that somebody is out of the group, durably.
    fn left(&self, uid: &UserId, how: Departure) {
        let now_ms = self.now_ms();
        self.core.shard.borrow_mut().groups_mut().departed(self.group, uid, how, now_ms);
    }

    fn is_dissolved(&self) -> bool {
        self.core.shard.borrow().groups().is_dissolved(self.group.as_str())
    }

    fn members(&self) -> Vec<UserId> {
        let shard = self.core.shard.borrow();
        shard.groups().members(self.group.as_str()).iter().map(|(uid, _)| uid.clone()).collect()
    }

    async fn transfer(&self, by: UserId, to: UserId) -> Outcome {
        if self.role(&by) != Some(Role::Owner) {
            return Ok(refused(GroupRefused::NoPermission));
        }
        if self.role(&to).is_none() {
            return Ok(refused(GroupRefused::Stranger));
        }
        let (from, group) = (by.clone(), self.group.clone());
        let change = GroupChange::Transfer { group, from, to: to.clone() };
        if self.write(change).await? != GroupOutcome::Done {
            return Ok(refused(GroupRefused::Stranger));
        }
        let mut shard = self.core.shard.borrow_mut();
        shard.groups_mut().transferred(self.group.as_str(), by.as_str(), to.as_str());
        Ok(GroupAnswer::Done)
    }

    async fn ask(&self, request: GroupRequest) -> Outcome {
        if self.role(&request.from).is_some() {
            return Ok(refused(GroupRefused::Member));
        }
        Ok(match self.write(GroupChange::Request(request)).await? {
            GroupOutcome::Done => GroupAnswer::Done,
            GroupOutcome::NoGroup => refused(GroupRefused::NoGroup),
            _ => refused(GroupRefused::Full),
        })
    }

    async fn handle(&self, change: GroupChange) -> Outcome {
        let GroupChange::Handle { by, .. } = &change else { return Err(Refused::Unavailable) };
        if !self.leads(by) {
            return Ok(refused(GroupRefused::NoPermission));
        }
        Ok(match self.write(change).await? {
            GroupOutcome::Handled { joined } => {
                if let Some(member) = joined {
                    let mut shard = self.core.shard.borrow_mut();
                    shard.groups_mut().joined(self.group.as_str(), &member.uid, member.role);
                }
                GroupAnswer::Done
            }
            GroupOutcome::Full => refused(GroupRefused::Full),
            _ => refused(GroupRefused::NoRequest),
        })
    }
}

/// A claim, in what the group's home knows.
fn tells(claim: &Claim) -> Tells<'_> {
    match claim {
        Claim::Made => Tells::Made,
        Claim::Led => Tells::Led,
        Claim::Left => Tells::Left,
        Claim::Invited(uids) => Tells::Let(uids),
        Claim::Removed(uids) => Tells::Removed(uids),
        Claim::HandedTo(uid) => Tells::HandedTo(uid),
        // Those about users were looked at before.
        _ => Tells::Nothing,
    }
}

/// A send to the members: waits until it is durable or refused.
pub(super) async fn send(core: &Rc<Core>, send: GroupSend) -> Result<Receipt, Refused> {
    let mut draft = send.draft;
    let heading = draft.heading();
    let (group, ephemeral) = (&GroupId::new(heading.recv_id), heading.switches.ephemeral());
    let emphasised: Vec<&str> = send.emphasised.iter().map(String::as_str).collect();
    let removed: Vec<&str> = send.removed.iter().map(String::as_str).collect();
    let mut patience = core.settings.limits.front.send_timeout_ms / FANOUT_LOOK_MS;
    loop {
        let members = core.shard.borrow().groups().members(group.as_str()).len();
        while !core.fanout.admits(members) {
            if patience == 0 {
                core.metrics.group_sends_refused.add(1);
                return Err(Refused::Unavailable);
            }
            patience -= 1;
            tokio::time::sleep(std::time::Duration::from_millis(FANOUT_LOOK_MS)).await;
        }
        let ticket = core.io.borrow_mut().sends.open();
        let now = core.now();
        let terms = GroupTerms {
            emphasised: &emphasised,
            removed: &removed,
            tells: tells(&send.claim),
            trusted: send.trusted,
            after_ns: send.after_ns,
        };
        let origin = Origin::Call(ticket as u64);
        let admission =
            core.offer(|shard, io| shard.send_to_group(origin, &mut draft, &terms, now, io));
        if let GroupAdmission::Offered(Admission::Taken, members) = admission {
            core.fanout.add(members as usize);
            core.metrics.group_sends.add(1);
            core.metrics.group_members.add(u64::from(members));
            if ephemeral {
                // No event of the log will bring the members here their turn.
                core.nudge();
            }
            core.end_turn(now);
            return match core.sent(ticket).await {
                Ok((key, send_time_ns)) => Ok(Receipt { key, send_time_ns }),
                Err(_) => Err(Refused::Unavailable),
            };
        }
        core.io.borrow_mut().sends.cancel(ticket);
        match admission {
            GroupAdmission::Offered(Admission::Hold, _) => core.room().await,
            GroupAdmission::Offered(..) => return Err(Refused::Unavailable),
            GroupAdmission::False => return Err(Refused::False),
            GroupAdmission::NotMember => return Err(Refused::NoPermission),
            GroupAdmission::Unknown => {
                if !core.ensure_group(group).await? {
                    return Err(Refused::NoPermission);
                }
            }
        }
    }
}
