//! What an operator does to users and groups, each with a reason, each with a line in the audit.
//!
//! In: an act by its name. Out: what came of it, by the same operations that REST has.

use std::rc::Rc;

use hyper::StatusCode;
use openim_auth::Platform;
use openim_record::{GroupId, UserId};
use openim_storage::port::{Ban, By, Decision};
use serde_json::{Value, json};

use super::Console;
use super::serve::{Asker, Refusal};
use crate::audit::short;
use crate::bus::{Decide, Refused};
use crate::driver::{Core, moment};
use crate::ops::acts;
use crate::ops::profile::profile_of;
use crate::ops::removal::{By as Remover, remove_users};

/// Characters of a reason.
const REASON_CHARS_MAX: usize = 256;

/// An act that can be done.
struct Act {
    name: String,
    uid: String,
    group: String,
    platform: u8,
    until_s: i64,
    reason: String,
}

/// Done by an operator who says why.
const OF_USERS: [&str; 6] = ["kick", "logout", "ban", "unban", "token", "delete"];
const OF_GROUPS: [&str; 2] = ["dismiss", "remove"];

impl Act {
    fn read(name: &str, body: &Value) -> Result<Self, Refusal> {
        let bad = |text: &str| Refusal::new(StatusCode::BAD_REQUEST, "body", text);
        let text = |key: &str| body[key].as_str().unwrap_or_default().trim().to_owned();
        let act = Self {
            name: name.to_owned(),
            uid: text("uid"),
            group: text("group"),
            platform: body["platform"].as_u64().and_then(|id| u8::try_from(id).ok()).unwrap_or(0),
            until_s: body["until"].as_i64().unwrap_or(0),
            reason: text("reason"),
        };
        let (of_user, of_group) = (OF_USERS.contains(&name), OF_GROUPS.contains(&name));
        if !of_user && !of_group {
            return Err(Refusal::unknown("there is no such act"));
        }
        if (of_user || name == "remove") && act.uid.is_empty() {
            return Err(bad("uid is missing"));
        }
        if of_group && act.group.is_empty() {
            return Err(bad("group is missing"));
        }
        if act.reason.is_empty() || act.reason.chars().count() > REASON_CHARS_MAX {
            return Err(bad("a reason is needed, of 256 characters at most"));
        }
        Ok(act)
    }

    /// Whose home carries it out.
    fn whose(&self) -> String {
        if self.uid.is_empty() { self.group.clone() } else { self.uid.clone() }
    }
}

impl Console {
    /// Does what an operator asks, and says in the audit who did it, to whom, why, and whether it was done.
    pub(super) async fn act(
        &self,
        asker: &Asker,
        name: &str,
        body: &Value,
    ) -> Result<Value, Refusal> {
        let act = Act::read(name, body)?;
        let (whose, uid, group) = (act.whose(), act.uid.clone(), act.group.clone());
        let reason = act.reason.clone();
        let done = self.asking.at_home(&whose, async move |core| run(&core, act).await).await;
        let done = done.and_then(|done| done);
        let refused = done.as_ref().err().map(|refusal| refusal.text.as_str());
        let mut event = self.note(name, refused, asker.from).with("because", short(&reason));
        if !uid.is_empty() {
            event = event.uid(&uid);
        }
        if !group.is_empty() {
            event = event.with("group", short(&group));
        }
        self.sources.audit.note(event);
        done
    }
}

async fn run(core: &Rc<Core>, act: Act) -> Result<Value, Refusal> {
    let at_s = moment(core.now()).issued_at();
    let user = UserId::new(&act.uid);
    let decision = match act.name.as_str() {
        "kick" => {
            return Ok(json!({ "closed": acts::close_links(core, &act.uid, act.platform) }));
        }
        "token" => return token(core, &act).await,
        "delete" => return delete(core, user).await,
        "dismiss" => {
            let by = By { uid: manager(core)?, trusted: true };
            acts::dissolve(core, by, GroupId::new(&act.group)).await?;
            return Ok(json!({}));
        }
        "remove" => {
            let (by, id) = (manager(core)?, core.keys.next_id());
            let gone = acts::remove_member(core, &by, GroupId::new(&act.group), user, id).await?;
            return match gone {
                true => Ok(json!({})),
                false => Err(Refusal::new(
                    StatusCode::CONFLICT,
                    "group",
                    "an owner is not removed: dismiss the group",
                )),
            };
        }
        "logout" => Decision::End { user, platform: act.platform, at_s },
        "unban" => Decision::Unban { user },
        _ => {
            let until_s = if act.until_s > 0 { act.until_s } else { i64::MAX };
            Decision::Ban { user, ban: Ban { until_s, reason: act.reason }, at_s }
        }
    };
    let platform = if act.name == "logout" { act.platform } else { 0 };
    core.at_home(Decide { decision: Box::new(decision), platform }).await?;
    Ok(json!({}))
}

async fn token(core: &Rc<Core>, act: &Act) -> Result<Value, Refusal> {
    let wrong = "platform is not one of 1 to 7";
    let platform = Platform::from_id(act.platform.into())
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "body", wrong))?;
    let issued = acts::fresh_token(core, &act.uid, platform).await?;
    Ok(json!({ "token": issued.token, "expires": issued.expires_at }))
}

async fn delete(core: &Rc<Core>, user: UserId) -> Result<Value, Refusal> {
    if profile_of(core, &user).await?.is_none() {
        return Err(Refused::UnknownUser.into());
    }
    let (manager, operation_id) = (manager(core)?, core.keys.next_id());
    let by = Remover { manager: &manager, operation_id: &operation_id };
    match remove_users(core, by, std::slice::from_ref(&user)).await.first() {
        Some(true) => Ok(json!({})),
        _ => Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "late",
            "it was not all done: do it again",
        )),
    }
}

/// In whose name groups are told: an operator is no user.
fn manager(core: &Core) -> Result<UserId, Refusal> {
    let first = core.settings.managers.first().map(|uid| UserId::new(uid));
    first.ok_or_else(|| {
        let text =
            "manager.appManagerUid is empty, so there is nobody in whose name groups could be told";
        Refusal::new(StatusCode::CONFLICT, "manager", text)
    })
}
