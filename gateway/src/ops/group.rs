//! Groups, at their homes: changes, and sends to their members (spec, REST 7.4, 7.6, 7.13).
//!
//! Every change takes the group's turn. The store decides it, by the rules that every store has
//! ([`openim_storage::port::group_rules`]), and makes it durable, with what tells of it; then the pure shard follows, and
//! only then it is answered. A send that is admitted after that answer therefore sees the change (L9). Of a change that
//! failed nobody knows whether it was made: the group leaves memory and is read again.

#[cfg(feature = "cluster")]
pub(super) mod alone;
mod ending;
mod telling;

use std::rc::Rc;

use openim_protocol::claim::Claim;
use openim_record::{GroupId, UserId};
use openim_shard::{Admission, GroupAdmission, GroupTerms, Origin, Tells};
use openim_storage::port::{Group, GroupChange, GroupChanged, GroupOutcome, Member, MemberChange};
use openim_workers::Failed;

use crate::bus::{GroupAnswer, GroupCall, GroupSend, Receipt, Refused, Telling};
use crate::driver::{Core, Turn};

/// Time between two looks whether fewer members of groups wait for their turn.
const FANOUT_LOOK_MS: u64 = 5;

type Outcome = Result<GroupAnswer, Refused>;

/// Carries out an operation on a group at home here.
pub(super) async fn run(core: &Rc<Core>, group: GroupId, call: GroupCall) -> Outcome {
    let turn = core.group_turn(&group).await?;
    let operation = InTurn { core, group: &group, turn: &turn };
    match call {
        GroupCall::Create { group, members, telling } => {
            operation.create(*group, members, telling).await
        }
        GroupCall::Change(change, telling) => {
            Ok(told(operation.change(*change, telling).await?.outcome))
        }
        GroupCall::Dissolve { by, tip } => operation.dissolve(by, tip).await,
        GroupCall::Depart { user, telling } => operation.depart(user, telling).await,
        // Reading an unknown group finds nobody in it.
        GroupCall::Roles(users) => operation.roles(&users).await,
        GroupCall::Page { from, count } => operation.page(from, count).await,
    }
}

fn told(outcome: GroupOutcome) -> GroupAnswer {
    match outcome {
        GroupOutcome::Refused(why) => GroupAnswer::Refused(why),
        done => GroupAnswer::Changed(done),
    }
}

/// A group in its turn.
struct InTurn<'a> {
    core: &'a Rc<Core>,
    group: &'a GroupId,
    turn: &'a Turn,
}

impl InTurn<'_> {
    /// Makes a change durable if the rules let it be, with what tells of it, and has the pure shard follow.
    async fn change(
        &self,
        change: GroupChange,
        telling: Option<Telling>,
    ) -> Result<GroupChanged, Refused> {
        #[cfg(feature = "cluster")]
        if self.core.is_alone() {
            let changed = self.change_alone(change).await?;
            if let Some(telling) = telling {
                self.tell_behind(telling, &changed).await?;
            }
            return Ok(changed);
        }
        let quits = telling.is_some() && matches!(change, GroupChange::Leave { .. });
        let (tell, promised) = match telling {
            Some(telling) => {
                self.tell(telling).await.map(|(tell, count)| (Some(tell), Some(count)))?
            }
            None => (None, None),
        };
        let now_ms = self.core.now().mono_ms;
        let changed = self.core.try_change((Box::new(change), tell)).await;
        if let Some(promised) = promised {
            self.told(&promised, matches!(changed, Ok(Ok(_))));
        }
        let changed = changed?;
        #[cfg(any(feature = "cluster", feature = "testing"))]
        {
            let made = changed.as_ref().ok().map(|changed| &*changed.members);
            self.core.memberships().forget(self.group, made);
        }
        let mut shard = self.core.shard.borrow_mut();
        let groups = shard.groups_mut();
        match &changed {
            Ok(GroupChanged { outcome: GroupOutcome::Refused(_), .. }) => {}
            Ok(changed) => {
                groups.follow(self.group, changed.version, &changed.members, now_ms);
                for step in changed.members.iter().filter(|_| quits) {
                    if let MemberChange::Left(uid) = step {
                        groups.told(self.group.as_str(), uid.as_str(), now_ms);
                    }
                }
            }
            Err(Failed) => groups.forget(self.group.as_str()),
        }
        changed.map_err(|Failed| Refused::Unavailable)
    }

    async fn create(
        &self,
        group: Group,
        members: Vec<Member>,
        telling: Option<Telling>,
    ) -> Outcome {
        let changed = self.change(GroupChange::Create { group, members }, telling).await?;
        let roles = changed.members.into_iter().filter_map(|change| match change {
            MemberChange::Joined(uid, role) => Some((uid, role)),
            _ => None,
        });
        if changed.outcome == GroupOutcome::Done && !self.core.shard.borrow().is_alone() {
            let mut shard = self.core.shard.borrow_mut();
            shard.groups_mut().load(self.group, changed.version, roles.collect());
        }
        Ok(told(changed.outcome))
    }

    async fn roles(&self, users: &[UserId]) -> Outcome {
        self.core.load_group(self.turn).await?;
        let shard = self.core.shard.borrow();
        let role = |uid: &UserId| shard.groups().role(self.group.as_str(), uid.as_str());
        Ok(GroupAnswer::Roles(users.iter().map(role).collect()))
    }

    async fn page(&self, from: usize, count: usize) -> Outcome {
        self.core.load_group(self.turn).await?;
        let shard = self.core.shard.borrow();
        let members = shard.groups().members(self.group.as_str()).iter().skip(from).take(count);
        Ok(GroupAnswer::Uids(members.map(|(uid, _)| uid.clone()).collect()))
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

/// Waits until so many more members as the group has may wait for their turn.
async fn fanout_admits(core: &Core, group: &GroupId) -> Result<(), Refused> {
    let mut patience = core.settings.limits.front.send_timeout_ms / FANOUT_LOOK_MS;
    loop {
        let members = core.shard.borrow().groups().members(group.as_str()).len();
        if core.fanout.admits(members) {
            return Ok(());
        }
        if patience == 0 {
            core.metrics.group_sends_refused.add(1);
            return Err(Refused::Unavailable);
        }
        patience -= 1;
        tokio::time::sleep(std::time::Duration::from_millis(FANOUT_LOOK_MS)).await;
    }
}

/// A send to the members: waits until it is durable or refused.
pub(super) async fn send(core: &Rc<Core>, send: GroupSend) -> Result<Receipt, Refused> {
    let mut draft = send.draft;
    let heading = draft.heading();
    let (group, ephemeral) = (&GroupId::new(heading.recv_id), heading.switches.ephemeral());
    let emphasised: Vec<&str> = send.emphasised.iter().map(String::as_str).collect();
    let removed: Vec<&str> = send.removed.iter().map(String::as_str).collect();
    loop {
        fanout_admits(core, group).await?;
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
            core.offer(now, |shard, io| shard.send_to_group(origin, &mut draft, &terms, now, io));
        if let GroupAdmission::Offered(Admission::Taken, members) = admission {
            core.fanout.add(members as usize);
            core.metrics.group_sends.add(1);
            core.metrics.group_members.add(u64::from(members));
            if ephemeral {
                // No event of the log will bring the members here their turn.
                core.wheel.nudge();
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
