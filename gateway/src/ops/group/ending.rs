//! How groups end, and how deleted users go out of them.

use std::ops::ControlFlow;

use openim_record::{Draft, MemberChange, Role, UserId};
use openim_storage::port::{By, GroupChange, GroupChanged, GroupOutcome, GroupRefused, Member};

use super::{InTurn, Outcome, told};
use crate::bus::{GroupAnswer, Refused, Telling};

/// Members that are taken out of a group that has ended, in one durable change.
const CLEARED_AT_ONCE: usize = 512;
/// How many members are looked at for one who is registered, the best first.
const HEIRS: usize = 32;

impl InTurn<'_> {
    /// Ends the group and tells everybody in it, as one, and takes them out. Who repeats it ends what was left over.
    pub(super) async fn dissolve(&self, by: By, tip: Draft) -> Outcome {
        #[cfg(feature = "cluster")]
        if self.core.is_alone() {
            return self.dissolve_alone(by, tip).await;
        }
        // Who is left of one that had ended before was told.
        let tips = Box::new(|changed: &GroupChanged| {
            match changed.members.contains(&MemberChange::Ended) {
                true => vec![tip],
                false => Vec::new(),
            }
        });
        let telling = Telling { tips, to_removed: true, after_ns: 0 };
        let dissolve = GroupChange::Dissolve { group: self.group.clone(), by };
        let ended = self.change(dissolve, Some(telling)).await?;
        if ended.outcome != GroupOutcome::Done {
            return Ok(told(ended.outcome));
        }
        self.clear().await?;
        Ok(GroupAnswer::Done)
    }

    /// Takes the members out of a group that has ended, some at a time.
    pub(super) async fn clear(&self) -> Result<(), Refused> {
        let clear =
            || GroupChange::Clear { group: self.group.clone(), members_max: CLEARED_AT_ONCE };
        while self.change(clear(), None).await?.outcome == (GroupOutcome::Cleared { more: true }) {}
        Ok(())
    }

    /// A deleted user goes. The owner's place passes on; with the last member the group ends.
    pub(super) async fn depart(&self, user: UserId, telling: Telling) -> Outcome {
        let id = [self.group.clone()];
        let rows = self.core.query(async move |sources| sources.groups.groups(&id).await).await?;
        let owner = rows.into_iter().flatten().find_map(|row| row.owner);
        let heir = if owner.as_ref() == Some(&user) { self.heir(&user).await? } else { None };
        let depart = GroupChange::Depart { group: self.group.clone(), user, heir };
        match self.change(depart, Some(telling)).await?.outcome {
            GroupOutcome::Done
            | GroupOutcome::Left { .. }
            | GroupOutcome::Refused(GroupRefused::NoGroup) => Ok(GroupAnswer::Done),
            // The heir has gone meanwhile: whoever repeats the call looks again.
            _ => Err(Refused::Unavailable),
        }
    }

    /// Who is to own the group after `owner`: of its registered members an administrator before an ordinary
    /// one, then who joined first, then the first by uid.
    async fn heir(&self, owner: &UserId) -> Result<Option<UserId>, Refused> {
        let mut best: Vec<Member> = Vec::new();
        let take = |page: Vec<Member>| {
            best.extend(page.into_iter().filter(|member| member.uid != *owner));
            best.sort_by_key(|member| {
                (member.role != Role::Administrator, member.join_ms, member.uid.clone())
            });
            best.truncate(HEIRS);
            ControlFlow::Continue(())
        };
        self.core.pages_of_members(self.group, take).await?;
        let uids: Vec<UserId> = best.into_iter().map(|member| member.uid).collect();
        let asked = uids.clone();
        let users =
            self.core.query(async move |sources| sources.directory.users(&asked).await).await?;
        let registered = uids.iter().zip(&users).find(|(_, user)| user.is_some());
        Ok(registered.map(|(uid, _)| uid).or(uids.first()).cloned())
    }
}
