//! What an operator does to users and groups, each with a reason, each with a line in the audit.
//!
//! In: an act by its name. Out: what came of it, by the same operations that REST has. Never: an act that is not understood whole.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

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

/// What there is to do, and what each takes besides a reason.
const ACTS: [(&str, &[&str]); 8] = [
    ("kick", &["uid", "platform"]),
    ("logout", &["uid", "platform"]),
    ("ban", &["uid", "until"]),
    ("unban", &["uid"]),
    ("token", &["uid", "platform"]),
    ("delete", &["uid"]),
    ("dismiss", &["group"]),
    ("remove", &["group", "uid"]),
];

/// An act that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Act {
    name: &'static str,
    /// Empty where it takes none.
    uid: String,
    group: String,
    /// 0: all of them.
    platform: u8,
    /// `None`: for ever.
    until_s: Option<i64>,
    reason: String,
}

impl Act {
    /// An act whole as it was meant: what is not understood, or taken by another act alone, would make it a wider one.
    fn read(name: &str, body: &Value) -> Result<Self, Refusal> {
        let bad = |text: String| Refusal::new(StatusCode::BAD_REQUEST, "body", text);
        let found = ACTS.iter().find(|(known, _)| *known == name);
        let (name, takes) = *found.ok_or_else(|| Refusal::unknown("there is no such act"))?;
        let given = body.as_object().ok_or_else(|| bad("an object is needed".to_owned()))?;
        if let Some(key) = given.keys().find(|key| *key != "reason" && !takes.contains(&&***key)) {
            let takes = takes.join(", ");
            return Err(bad(format!("{name} takes {takes} and reason, not {:?}", short(key))));
        }
        let text = |key: &str| match given.get(key).and_then(Value::as_str) {
            _ if key != "reason" && !takes.contains(&key) => Ok(String::new()),
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(bad(format!("{key} is missing, or no text"))),
        };
        let of = |key: &str, is: fn(&i64) -> bool, what: &str| match given.get(key) {
            None => Ok(None),
            Some(value) => match value.as_i64().filter(is) {
                Some(number) => Ok(Some(number)),
                None => Err(bad(format!("{key} is not {what}"))),
            },
        };
        let is_platform = |id: &i64| *id == 0 || Platform::from_id(*id).is_some();
        let platform = of("platform", is_platform, "one of 1 to 7, or 0 for all")?.unwrap_or(0);
        let act = Self {
            name,
            uid: text("uid")?,
            group: text("group")?,
            platform: u8::try_from(platform).unwrap_or(0),
            until_s: of("until", |until_s| *until_s > 0, "a time in seconds since 1970")?,
            reason: text("reason")?.trim().to_owned(),
        };
        if act.reason.is_empty() || act.reason.chars().count() > REASON_CHARS_MAX {
            return Err(bad(format!(
                "a reason is needed, of {REASON_CHARS_MAX} characters at most"
            )));
        }
        Ok(act)
    }

    /// Whose home carries it out.
    fn whose(&self) -> &str {
        if self.uid.is_empty() { &self.group } else { &self.uid }
    }
}

/// An act under way. However it ends, the audit tells of it: also when who asked has gone, and when it is given up.
struct UnderWay {
    console: Arc<Console>,
    from: IpAddr,
    act: Act,
    /// Why it is not done.
    refused: Option<String>,
}

impl UnderWay {
    fn begun(&mut self) {
        self.refused = Some("given up before its end: it may be done in part".to_owned());
    }

    fn ended(mut self, refused: Option<&Refusal>) {
        self.refused = refused.map(|refusal| refusal.text.clone());
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Self { console, from, act, refused } = self;
        let mut event = console.note(act.name, refused.as_deref(), *from);
        event = event.with("because", act.reason.as_str());
        if !act.uid.is_empty() {
            event = event.uid(&act.uid);
        }
        if !act.group.is_empty() {
            event = event.with("group", short(&act.group));
        }
        if act.platform > 0 {
            event = event.with("platform", act.platform);
        }
        if let Some(until_s) = act.until_s {
            event = event.with("until", until_s);
        }
        console.sources.audit.note(event);
    }
}

impl Console {
    /// Does what an operator asks, and says in the audit who did it, to whom, why, and whether it was done: there where it is
    /// done, as nobody may wait for the answer any more.
    pub(super) async fn act(
        self: &Arc<Self>,
        asker: &Asker,
        name: &str,
        body: &Value,
    ) -> Result<Value, Refusal> {
        let act = Act::read(name, body)?;
        let whose = act.whose().to_owned();
        let refused = Some("not begun: the server takes no question".to_owned());
        let mut under_way = UnderWay { console: Arc::clone(self), from: asker.from, act, refused };
        let doing = async move |core: Rc<Core>| {
            under_way.begun();
            let done = run(&core, under_way.act.clone()).await;
            under_way.ended(done.as_ref().err());
            done
        };
        self.asking.at_home(&whose, doing).await?
    }
}

async fn run(core: &Rc<Core>, act: Act) -> Result<Value, Refusal> {
    let at_s = moment(core.now()).issued_at();
    let user = UserId::new(&act.uid);
    if matches!(act.name, "kick" | "logout" | "ban" | "unban") && !is_known(core, &user).await? {
        return Err(Refused::UnknownUser.into());
    }
    let decision = match act.name {
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
            let until_s = act.until_s.unwrap_or(i64::MAX);
            if until_s <= core.now().trusted_s() {
                let text = "until is over already";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "body", text));
            }
            Decision::Ban { user, ban: Ban { until_s, reason: act.reason }, at_s }
        }
    };
    core.at_home(Decide { decision: Box::new(decision), platform: act.platform }).await?;
    Ok(json!({}))
}

async fn token(core: &Rc<Core>, act: &Act) -> Result<Value, Refusal> {
    let wrong = "platform is not one of 1 to 7";
    let platform = Platform::from_id(act.platform.into())
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "body", wrong))?;
    let issued = acts::fresh_token(core, &act.uid, platform).await?;
    Ok(json!({ "token": issued.token, "expires": issued.expires_at }))
}

/// One that was begun and did not come to its end has taken the profile already, and is finished by doing it again.
async fn delete(core: &Rc<Core>, user: UserId) -> Result<Value, Refusal> {
    if profile_of(core, &user).await?.is_none() && !is_erased(core, &user).await? {
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

/// Whether somebody is or was registered under a uid, or it is banned, or has links. (Tokens can be had for a uid that has no profile.)
async fn is_known(core: &Rc<Core>, user: &UserId) -> Result<bool, Refused> {
    if profile_of(core, user).await?.is_some() {
        return Ok(true);
    }
    core.ensure_loaded(user).await.map_err(|_| Refused::Unavailable)?;
    let shard = core.shard.borrow();
    let front = shard.front();
    let has_links = front.links_of(user.as_str()).next().is_some();
    Ok(has_links || front.access(user.as_str()).is_some())
}

async fn is_erased(core: &Rc<Core>, user: &UserId) -> Result<bool, Refused> {
    core.ensure_loaded(user).await.map_err(|_| Refused::Unavailable)?;
    let shard = core.shard.borrow();
    Ok(shard.front().access(user.as_str()).is_some_and(|access| access.erased))
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
