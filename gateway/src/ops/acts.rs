//! What is done to an account or a group from where the request came in, with what tells of it: by REST and by the console alike.
//!
//! In: who, and whom. Out: what the homes answer. The rules are kept there.

use std::rc::Rc;
use std::time::Duration;

use openim_auth::{Issued, Newest, Platform};
use openim_protocol::request::valid_uid;
use openim_protocol::tip;
use openim_record::{GroupId, UserId};
use openim_shard::CloseReason;
use openim_storage::port::{By, GroupChanged, GroupOutcome};

use super::tip::{Said, Speaker, Way, draft, telling};
use crate::bus::{DissolveGroup, Issue, KickFromGroup, Refused};
use crate::driver::{Core, moment};

/// Time until a token is made again that would have been of an ended second.
const ISSUE_AGAIN: Duration = Duration::from_millis(50);

/// Makes a token for somebody who may have one; it is recorded when this returns.
pub(crate) async fn fresh_token(
    core: &Rc<Core>,
    uid: &str,
    platform: Platform,
) -> Result<Issued, Refused> {
    loop {
        let issued = core.keys.issue(uid, platform, moment(core.now()));
        let newest =
            Newest { id: issued.id, issued_at: issued.issued_at, expires_at: issued.expires_at };
        match core.at_home(Issue { uid: UserId::new(uid), platform, newest }).await {
            Ok(()) => return Ok(issued),
            // Tokens were ended in this very second: the new one is of the next.
            Err(Refused::TooSoon) => tokio::time::sleep(ISSUE_AGAIN).await,
            Err(why) => return Err(why),
        }
    }
}

/// Ends a group, and tells everybody who was in it.
pub(crate) async fn dissolve(core: &Rc<Core>, by: By, group: GroupId) -> Result<(), Refused> {
    let tip = tip::group_dissolved(group.as_str());
    // Of the same name whenever the call is repeated: nobody gets it twice.
    let client_msg_id = format!("tip-{}-{}", tip.content_type, group.as_str());
    let way = Way {
        from: by.uid.as_str(),
        to: group.as_str(),
        session_type: 2,
        client_msg_id: &client_msg_id,
        sender: None,
        sender_sync: true,
    };
    let tip = draft(&tip, way);
    core.at_home(DissolveGroup { group, by, tip }).await
}

/// Takes a member out of a group in a manager's name, and tells both; whether they are out.
pub(crate) async fn remove_member(
    core: &Rc<Core>,
    manager: &UserId,
    group: GroupId,
    user: UserId,
    operation_id: String,
) -> Result<bool, Refused> {
    let (id, uid) = (group.clone(), user.clone());
    let said = move |changed: &GroupChanged| {
        if changed.outcome != GroupOutcome::Removed(vec![true]) || !valid_uid(uid.as_str()) {
            return Vec::new();
        }
        let tip = || tip::group_kicked(id.as_str(), &[uid.as_str()], &operation_id);
        vec![Said::to_group(&id, tip()), Said::to_user(&uid, tip())]
    };
    let speaker = Speaker { uid: manager, after_ns: 0, to_removed: true };
    let telling = Some(telling(core, &speaker, said));
    let by = By { uid: manager.clone(), trusted: true };
    let gone = core.at_home(KickFromGroup { group, by, users: vec![user], telling }).await?;
    Ok(gone.first().copied().unwrap_or_default())
}

/// Closes the links that a user has here, those on `platform` (0: all), with the kick notice; their tokens stay good. How many.
pub(crate) fn close_links(core: &Rc<Core>, uid: &str, platform: u8) -> usize {
    let of = |(_, on): &(_, u8)| platform == 0 || *on == platform;
    let links: Vec<_> = core.shard.borrow().front().links_of(uid).filter(of).collect();
    let closing = links.iter().map(|(id, _)| (*id, CloseReason::LoggedOut));
    core.io.borrow_mut().closing.extend(closing);
    core.end_turn(core.now());
    links.len()
}
