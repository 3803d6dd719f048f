//! How groups end, and how deleted users go out of them.

use openim_protocol::claim::Claim;
use openim_record::{Draft, Role, UserId};
use openim_shard::Departure;
use openim_storage::port::{GroupChange, GroupOutcome, Member};

use super::{Home, Outcome, refused, send};
use crate::bus::{Departed, GroupAnswer, GroupRefused, GroupSend, Refused};

/// Members that are taken out of a group that has ended, in one durable change.
const REMOVED_AT_ONCE: usize = 512;
/// Members read at a time when a new owner is looked for.
const MEMBERS_PAGE: usize = 1024;
/// How many members are looked at for one who is registered, the best first.
const HEIRS: usize = 32;

impl Home<'_> {
    /// Ends the group, tells everybody in it, and takes them out: each durable before the next.
    pub(super) async fn dissolve(&self, by: &UserId, trusted: bool, tip: Draft) -> Outcome {
        let told = self.is_dissolved() || self.members().is_empty();
        if !self.end((!trusted).then_some(by)).await? {
            return Ok(refused(GroupRefused::NoPermission));
        }
        if !told {
            let tip = GroupSend {
                draft: tip,
                emphasised: Vec::new(),
                removed: Vec::new(),
                claim: Claim::None,
                trusted: true,
                after_ns: 0,
            };
            send(self.core, tip).await?;
        }
        self.empty().await
    }

    /// Makes the end durable: nobody may send from then on. `false`: `by` is not the owner.
    pub(super) async fn end(&self, by: Option<&UserId>) -> Result<bool, Refused> {
        let change = GroupChange::Dissolve { group: self.group.clone(), by: by.cloned() };
        if self.write(change).await? != GroupOutcome::Done {
            return Ok(false);
        }
        self.core.shard.borrow_mut().groups_mut().dissolved(self.group.as_str());
        Ok(true)
    }

    /// Takes the members out of a group that has ended, some at a time.
    pub(super) async fn empty(&self) -> Outcome {
        loop {
            let group = self.group.clone();
            let page = self.core.query(move |sources| {
                let page = sources.groups.members(&group, None, REMOVED_AT_ONCE)?;
                Ok(page.into_iter().map(|member| member.uid).collect::<Vec<_>>())
            });
            let users = page.await?;
            if users.is_empty() {
                break;
            }
            self.write(GroupChange::Remove { group: self.group.clone(), users }).await?;
        }
        self.core.shard.borrow_mut().groups_mut().emptied(self.group.as_str());
        Ok(GroupAnswer::Done)
    }

    /// A deleted user goes. The owner's place passes on first; with the last member the group ends.
    pub(super) async fn depart(&self, exists: bool, user: UserId) -> Outcome {
        let nobody = GroupAnswer::Departed(Departed { heir: None, left: false });
        if !exists || self.is_dissolved() {
            // What was left over of a group that has ended.
            let (group, users) = (self.group.clone(), vec![user]);
            self.write(GroupChange::Remove { group, users }).await?;
            return Ok(nobody);
        }
        let heir = match self.role(&user) {
            None => return Ok(nobody),
            Some(_) if self.members().len() == 1 => {
                self.end(None).await?;
                self.empty().await?;
                return Ok(nobody);
            }
            Some(Role::Owner) => self.heir(&user).await?,
            Some(_) => None,
        };
        if let Some(heir) = &heir
            && !matches!(self.transfer(user.clone(), heir.clone()).await?, GroupAnswer::Done)
        {
            // A group is never left without an owner: whoever repeats the call looks again.
            return Err(Refused::Unavailable);
        }
        self.remove(vec![user], Departure::Removed).await?;
        Ok(GroupAnswer::Departed(Departed { heir, left: true }))
    }

    /// Who is to own the group after `owner`: of its registered members an administrator before an ordinary
    /// one, then who joined first, then the first by uid.
    async fn heir(&self, owner: &UserId) -> Result<Option<UserId>, Refused> {
        let mut best: Vec<Member> = Vec::new();
        let mut after: Option<UserId> = None;
        loop {
            let group = self.group.clone();
            let page = self
                .core
                .query(move |sources| sources.groups.members(&group, after.as_ref(), MEMBERS_PAGE));
            let page = page.await?;
            after = page.last().map(|member| member.uid.clone());
            let last = page.len() < MEMBERS_PAGE;
            best.extend(page.into_iter().filter(|member| member.uid != *owner));
            best.sort_by_key(|member| {
                (member.role != Role::Administrator, member.join_ms, member.uid.clone())
            });
            best.truncate(HEIRS);
            if last {
                break;
            }
        }
        let uids: Vec<UserId> = best.into_iter().map(|member| member.uid).collect();
        let asked = uids.clone();
        let users = self.core.query(move |sources| sources.directory.users(&asked)).await?;
        let registered = uids.iter().zip(&users).find(|(_, user)| user.is_some());
        Ok(registered.map(|(uid, _)| uid).or(uids.first()).cloned())
    }
}
