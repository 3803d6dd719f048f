//! Deleting users, from where the request came in: their homes, their groups' homes, their relations.
//!
//! Each step is durable before the next and can be repeated: tokens and links end, then the row goes, then
//! the groups one by one, the receive options, and at the end the requests to join groups, and the friends,
//! blacklists and requests of everybody. Whoever repeats a call that did not come to its end does what is left.

use std::rc::Rc;
use std::sync::Arc;

use openim_protocol::request::valid_uid;
use openim_protocol::tip;
use openim_record::{GroupId, MemberChange, Role, UserId};
use openim_storage::port::{GroupChanged, GroupOutcome, PreferenceChange};
use openim_workers::writes::Walk;

use super::options;
use super::tip::{Said, Speaker, telling};
use crate::bus::{DeleteUser, DepartFromGroup, Refused};
use crate::driver::{Core, Forget};

/// Groups, or receive options, read at a time.
const PAGE: usize = 256;

/// Who deletes.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) manager: &'a UserId,
    pub(crate) operation_id: &'a str,
}

/// Deletes users; of each whether all of it was done.
pub(crate) async fn remove_users(core: &Rc<Core>, by: By<'_>, uids: &[UserId]) -> Vec<bool> {
    let mut done = Vec::with_capacity(uids.len());
    for uid in uids {
        done.push(remove_user(core, by, uid).await.is_ok());
    }
    if uids.is_empty() {
        return done;
    }
    for of in [Walk::GroupRequests, Walk::Relations] {
        if forget(core, of, uids).await.is_err() {
            done.fill(false);
            break;
        }
    }
    done
}

async fn remove_user(core: &Rc<Core>, by: By<'_>, uid: &UserId) -> Result<(), Refused> {
    core.at_home(DeleteUser { uid: uid.clone() }).await?;
    if !valid_uid(uid.as_str()) {
        return Ok(());
    }
    leave_groups(core, by, uid).await?;
    forget_options(core, uid).await
}

async fn leave_groups(core: &Rc<Core>, by: By<'_>, uid: &UserId) -> Result<(), Refused> {
    let mut after: Option<GroupId> = None;
    loop {
        let (user, from) = (uid.clone(), after.clone());
        let page = core
            .query(async move |sources| sources.groups.joined(&user, from.as_ref(), PAGE).await)
            .await?;
        for (group, _) in &page {
            leave_group(core, by, uid, group).await?;
        }
        if page.len() < PAGE {
            return Ok(());
        }
        after = page.into_iter().next_back().map(|(group, _)| group);
    }
}

/// Takes a user out of a group, and tells those who are left: as one.
async fn leave_group(
    core: &Rc<Core>,
    by: By<'_>,
    uid: &UserId,
    group: &GroupId,
) -> Result<(), Refused> {
    let (id, old, operation_id) = (group.clone(), uid.clone(), by.operation_id.to_owned());
    let said = move |changed: &GroupChanged| {
        let mut said = Vec::new();
        let heir = changed.members.iter().find_map(|step| match step {
            MemberChange::Role(heir, Role::Owner) => Some(heir.as_str()),
            _ => None,
        });
        if let Some(heir) = heir {
            let tip = tip::group_transferred(id.as_str(), old.as_str(), heir, &operation_id);
            said.push(Said::to_group(&id, tip));
        }
        if changed.outcome == (GroupOutcome::Left { ended: false }) {
            let tip = tip::group_kicked(id.as_str(), &[old.as_str()], &operation_id);
            said.push(Said::to_group(&id, tip));
        }
        said
    };
    let speaker = Speaker { uid: by.manager, after_ns: 0, to_removed: true };
    let telling = telling(core, &speaker, said);
    core.at_home(DepartFromGroup { group: group.clone(), user: uid.clone(), telling }).await
}

/// Forgets how the user wanted to receive the messages of conversations.
async fn forget_options(core: &Rc<Core>, uid: &UserId) -> Result<(), Refused> {
    loop {
        let user = uid.clone();
        let page = core
            .query(async move |sources| sources.preferences.all(&user, None, PAGE).await)
            .await?;
        if page.is_empty() {
            return Ok(());
        }
        let forgotten = |(conversation, _)| {
            let user = uid.clone();
            PreferenceChange { user, conversation, option: 0 }
        };
        let changes: Vec<PreferenceChange> = page.into_iter().map(forgotten).collect();
        options::set(core, changes).await?;
    }
}

/// Takes the users out of what others have: one walk over all of it, however many users.
async fn forget(core: &Rc<Core>, of: Walk, uids: &[UserId]) -> Result<(), Refused> {
    let users: Arc<[UserId]> = uids.iter().filter(|uid| valid_uid(uid.as_str())).cloned().collect();
    let mut after = None;
    loop {
        let users = Arc::clone(&users);
        match core.change_in_time(Forget { of, users, after }).await? {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
