//! Questions about users and groups, answered by the stores: the second thing that [`Homes`] can be.
//!
//! For the roles `api` and `gateway` of a cluster, whose shards have links, and sends on their way, and no state of anybody
//! else's. In: a question. Out: what the ports say; each port has its guard, and each wait its end, as at a home. What
//! only reads is asked where it came up. What concerns a user's links, or goes through a front, is carried out by the
//! shard of this process that has those: a change is durable before its links follow. Other processes follow what the
//! stores tell them.
//!
//! Never: an answer out of the memory of an inbox, of tokens or of profiles, but for tokens that are remembered where whoever
//! changes them says so before ([`openim_storage::port::TokenCache`]). That somebody is a member of a group may be
//! a few seconds old, where no change of the group was heard of ([`Memberships`](crate::driver)). A group's changes are
//! decided by its store in any case ([`super::group`]); members in memory, where an engine has its back in this process,
//! follow.
//!
//! `OPENIM_TEST_HOMES=stores` has a server of the embedded engine answer so, in tests, which
//! has a back and stores an inbox some seconds behind the log: there 1001 and 1002 over REST show a message that late.

use std::future::ready;
use std::ops::ControlFlow;
use std::rc::Rc;

use openim_auth::Held;
use openim_record::{Class, GroupId, InboxBounds, Role, Seq, UserId};
use openim_storage::port::{Decision, Member, Standing, User};

use super::over_mesh::OverMesh;
use super::{access, accounts, answers, group, options, profile, send, why};
use crate::bus::{
    Answer, Authentic, Bounds, Call, Caller, GroupAnswer, GroupCall, GroupSend, Issue, LookUp,
    Receipt, Refused, SendToUser, Snapshot, UpdateProfile,
};
use crate::driver::{Core, Homes, Local};

/// `contentType` of what a client tells a group that it has left.
pub(super) const TIP_QUIT: i32 = 505;

/// See the module.
pub(crate) struct FromStores;

impl Homes for FromStores {
    /// Where the links of a user of this process are, and what goes to a group through its front.
    fn part(&self, core: &Core, whose: &str) -> u16 {
        core.here.home(whose)
    }

    fn ask(&self, core: &Rc<Core>, part: u16, call: Call) -> Local<Result<Answer, Refused>> {
        if wants_links(&call) && !is_offered_here(core, &call) {
            return OverMesh.ask(core, part, call);
        }
        let core = Rc::clone(core);
        Box::pin(async move { core.run_in_time(call).await })
    }

    fn run(&self, core: Rc<Core>, call: Call) -> Local<Answer> {
        Box::pin(async move { run(&core, call).await })
    }
}

/// Whether a call concerns links, what is known of those who have them, or a front.
const fn wants_links(call: &Call) -> bool {
    match call {
        // What it says of the device is for the links to know.
        Call::Bounds(Bounds { caller }) | Call::LookUp(LookUp { caller, .. }) => {
            caller.sign.is_some()
        }
        // Answers with what is known of the device.
        Call::Authenticate(_)
        | Call::SendToUser(_)
        | Call::Tell(_)
        | Call::SendToGroup(_)
        | Call::Register(_)
        | Call::Issue(_)
        | Call::Decide(_)
        | Call::SetOptions(_)
        | Call::DeleteUser(_)
        | Call::Presence(_)
        | Call::Pace(_)
        | Call::Seek(_)
        | Call::Trace(_)
        | Call::UpdateProfile(UpdateProfile { paced: true, .. }) => true,
        Call::Group(_, call) => match call {
            GroupCall::Create { .. }
            | GroupCall::Change(..)
            | GroupCall::Dissolve { .. }
            | GroupCall::Depart { .. } => true,
            GroupCall::Roles(_) | GroupCall::Page { .. } => false,
        },
        Call::Profiles(_) | Call::UpdateProfile(UpdateProfile { paced: false, .. }) => false,
    }
}

/// Whether a call is a send that any front may offer.
fn is_offered_here(core: &Core, call: &Call) -> bool {
    #[cfg(feature = "cluster")]
    if core.is_alone() {
        return matches!(call, Call::SendToUser(_) | Call::Tell(_) | Call::SendToGroup(_));
    }
    let _of_a_back = (core, call);
    false
}

/// Carries out a call here.
async fn run(core: &Rc<Core>, call: Call) -> Answer {
    answers!(call;
        Bounds(ask) => bounds(core, &ask.caller),
        LookUp(ask) => look_up(core, ask),
        Authenticate(ask) => authentic(core, &ask.caller),
        SendToUser(ask) => send_to_user(core, ask),
        Tell(ask) => send::call(core, None, ask.draft),
        SendToGroup(ask) => send_to_group(core, *ask.send),
        Register(ask) => register(core, ask.user),
        Issue(ask) => issue(core, ask),
        Profiles(ask) => profiles(core, ask.uids),
        Pace(ask) => ready(Ok(core.take_send(ask.uid.as_str(), ask.to_stranger))),
        UpdateProfile(ask) => profile::update(core, ask.change, ask.paced),
        DeleteUser(ask) => delete(core, &ask.uid),
        Decide(ask) => decide(core, *ask.decision, ask.platform),
        SetOptions(ask) => options::run(core, ask.changes),
        Presence(ask) => presence(core, &ask.uids),
        Seek(ask) => why::seek(core, ask),
        Trace(ask) => why::trace(core, ask),
        Group(id, call) => of_group(core, id, call),
    )
}

// --- tokens ------------------------------------------------------------------------------------

/// What holds of a user's tokens, perhaps as it is remembered.
async fn tokens(core: &Core, uid: &UserId) -> Result<Standing, Refused> {
    let uid = uid.clone();
    core.query(async move |sources| sources.tokens(&uid).await).await
}

/// The same by the store itself, for whoever changes it: who cannot ask it has no need to say that it changes.
async fn stored_tokens(core: &Core, uid: &UserId) -> Result<Standing, Refused> {
    let uid = [uid.clone()];
    let found = core.query(async move |sources| sources.stored_tokens(&uid).await).await?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// Holds the caller's token against those that are stored, and learns what the call says.
async fn authenticate(core: &Core, caller: &Caller) -> Result<(), Refused> {
    let Standing { newest, access } = tokens(core, &caller.uid).await?;
    let held: Held = caller.credentials.held();
    let now_s = core.now().trusted_s();
    if !accounts::policy(core, &caller.uid).opens(&held, &newest, access.as_deref(), now_s) {
        return Err(Refused::Token);
    }
    if let Some(sign) = caller.sign {
        core.learn(&caller.uid, sign);
    }
    Ok(())
}

async fn authentic(core: &Core, caller: &Caller) -> Result<Authentic, Refused> {
    authenticate(core, caller).await?;
    let after_ns = core.shard.borrow_mut().stamp(core.now());
    let unit = core.known_unit(caller.uid.as_str(), caller.credentials.platform);
    Ok(Authentic { after_ns, unit })
}

async fn issue(core: &Rc<Core>, ask: Issue) -> Result<(), Refused> {
    let access = stored_tokens(core, &ask.uid).await?.access;
    let newest = accounts::behind_the_end(core, access.as_deref(), &ask)?;
    accounts::record(core, Issue { newest, ..ask }).await
}

async fn decide(core: &Rc<Core>, decision: Decision, platform: u8) -> Result<(), Refused> {
    let stored = stored_tokens(core, decision.user()).await?.newest;
    let newest = Class::ALL.into_iter().filter_map(|class| *stored.of(class));
    let newest = newest.map(|newest| newest.issued_at).max();
    access::record(core, decision, newest, platform).await.map(|_| ())
}

// --- users -------------------------------------------------------------------------------------

/// Makes a user. Of the inbox of whoever had the uid before nothing that is stored is seen. What was on its way into it
/// then would be: nobody here knows how far its partition is stored. That is seconds at most, while sends to the one who
/// was deleted come in and the uid is taken again.
async fn register(core: &Rc<Core>, user: Box<User>) -> Result<(), Refused> {
    let access = stored_tokens(core, &user.uid).await?.access;
    accounts::not_banned(core, access.as_deref())?;
    if access.is_some_and(|access| access.erased) {
        let min = inbox(core, &user.uid).await?.newest.next();
        let renew = Decision::Renew { user: user.uid.clone(), min };
        access::record(core, renew, None, 0).await?;
        core.shard.borrow_mut().raise_min(user.uid.as_str(), min);
    }
    accounts::make(core, user).await
}

/// On which platforms users have links: in all processes, where there are others.
async fn presence(core: &Core, uids: &[UserId]) -> Result<Vec<Vec<u8>>, Refused> {
    #[cfg(feature = "cluster")]
    if let Some(found) = core.platforms_abroad(uids).await {
        return found;
    }
    Ok(profile::presence(core, uids))
}

async fn profiles(core: &Core, uids: Vec<UserId>) -> Result<Vec<Option<Box<User>>>, Refused> {
    let users = core.query(async move |sources| sources.directory.users(&uids).await).await?;
    Ok(users.into_iter().map(|user| user.map(Box::new)).collect())
}

async fn delete(core: &Rc<Core>, uid: &UserId) -> Result<(), Refused> {
    if let Some(erasure) = access::erasure(core, uid) {
        decide(core, erasure, 0).await?;
    }
    profile::delete_row(core, uid).await
}

// --- inboxes and sends -------------------------------------------------------------------------

/// The bounds of an inbox.
pub(super) async fn inbox(core: &Core, uid: &UserId) -> Result<InboxBounds, Refused> {
    let uid = uid.clone();
    let inbox = core.query(async move |sources| sources.inbox(&uid).await).await?;
    Ok(inbox.bounds.kept_from(inbox.min))
}

async fn bounds(core: &Core, caller: &Caller) -> Result<InboxBounds, Refused> {
    authenticate(core, caller).await?;
    inbox(core, &caller.uid).await
}

/// What there is of a range: all of it is in the history.
async fn look_up(core: &Core, ask: LookUp) -> Result<Snapshot, Refused> {
    let LookUp { caller, from, to } = ask;
    let bounds = bounds(core, &caller).await?;
    let (from, to) = (from.max(bounds.min).max(Seq(1)), to.min(bounds.newest));
    Ok(Snapshot { from, to, recent: Vec::new() })
}

async fn send_to_user(core: &Rc<Core>, ask: SendToUser) -> Result<Receipt, Refused> {
    authenticate(core, &ask.caller).await?;
    send::call(core, None, ask.draft).await
}

/// A send to a group, by a member. Where a back is, it knows whether what is told has happened, whether the sender has
/// just left, and whether there is such a group.
async fn send_to_group(core: &Rc<Core>, send: GroupSend) -> Result<Receipt, Refused> {
    #[cfg(feature = "cluster")]
    if core.is_alone() {
        let extra = admit(core, &send).await?;
        return group::alone::send(core, send, extra).await;
    }
    let heading = send.draft.heading();
    let who = (GroupId::new(heading.recv_id), UserId::new(heading.send_id));
    let role = if send.trusted { None } else { membership(core, who).await? };
    if role.is_none() && !send.trusted && heading.content_type != TIP_QUIT {
        return Err(Refused::NoPermission);
    }
    group::send(core, send).await
}

/// Whether a send to a group may go on its way: who gets it without being a member.
#[cfg(feature = "cluster")]
pub(super) async fn admit(core: &Core, send: &GroupSend) -> Result<Vec<String>, Refused> {
    let heading = send.draft.heading();
    let group = GroupId::new(heading.recv_id);
    let role = match send.trusted {
        true => {
            is_there(core, group).await?.ok_or(Refused::NoPermission)?;
            None
        }
        false => membership(core, (group, UserId::new(heading.send_id))).await?,
    };
    group::alone::admit(core, send, role).await
}

/// The role of a user in a group, as it was a few seconds ago; while the stores are away, as it was last.
async fn membership(core: &Core, who: (GroupId, UserId)) -> Result<Option<Role>, Refused> {
    let (group, user) = who.clone();
    let asked = async { Ok(roles(core, group, vec![user]).await?.into_iter().next().flatten()) };
    remembered(core, who, asked).await
}

/// Whether there is such a group, as that of a membership: remembered as one of nobody's.
#[cfg(feature = "cluster")]
async fn is_there(core: &Core, group: GroupId) -> Result<Option<Role>, Refused> {
    let id = [group.clone()];
    let asked = async {
        let found = core.query(async move |sources| sources.groups.groups(&id).await).await?;
        Ok(found.into_iter().flatten().next().map(|_| Role::Ordinary))
    };
    remembered(core, (group, UserId::new("")), asked).await
}

/// What was found a few seconds ago, or is when it is asked for; while the stores are away, what was found last.
async fn remembered(
    core: &Core,
    who: (GroupId, UserId),
    asked: impl Future<Output = Result<Option<Role>, Refused>>,
) -> Result<Option<Role>, Refused> {
    let now_ms = core.now().mono_ms;
    let (fresh, changes) = {
        let memberships = core.memberships();
        (memberships.fresh(&who, now_ms), memberships.changes(&who.0))
    };
    if fresh.is_some() {
        return Ok(fresh);
    }
    match asked.await {
        Ok(role) => {
            core.memberships().note(who, role, changes, now_ms);
            Ok(role)
        }
        Err(why) => core.memberships().last(&who, now_ms).map(Some).ok_or(why),
    }
}

// --- groups ------------------------------------------------------------------------------------

async fn of_group(core: &Rc<Core>, id: GroupId, call: GroupCall) -> Result<GroupAnswer, Refused> {
    match call {
        GroupCall::Roles(users) => Ok(GroupAnswer::Roles(roles(core, id, users).await?)),
        GroupCall::Page { from, count } => {
            Ok(GroupAnswer::Uids(members(core, &id, from, count).await?))
        }
        change @ (GroupCall::Create { .. }
        | GroupCall::Change(..)
        | GroupCall::Dissolve { .. }
        | GroupCall::Depart { .. }) => group::run(core, id, change).await,
    }
}

/// The role of each user, `None` for who is no member; same order.
pub(super) async fn roles(
    core: &Core,
    group: GroupId,
    users: Vec<UserId>,
) -> Result<Vec<Option<Role>>, Refused> {
    let members =
        core.query(async move |sources| sources.groups.members_named(&group, &users).await).await?;
    Ok(members.into_iter().map(|member| member.map(|member| member.role)).collect())
}

/// The uids of so many members from the `from`th on, in the order of the store.
pub(super) async fn members(
    core: &Core,
    group: &GroupId,
    from: usize,
    count: usize,
) -> Result<Vec<UserId>, Refused> {
    let (mut uids, mut skip) = (Vec::new(), from);
    let take = |page: Vec<Member>| {
        let (read, wanted) = (page.len(), count - uids.len());
        uids.extend(page.into_iter().skip(skip).take(wanted).map(|member| member.uid));
        skip = skip.saturating_sub(read);
        if uids.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    core.pages_of_members(group, take).await?;
    Ok(uids)
}
