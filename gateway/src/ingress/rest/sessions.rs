//! `/manager/force_logout`, `ban_user`, `unban_user`: who ends somebody's sessions. No release of the original's
//! time has these routes.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, error_answer};
use openim_record::UserId;
use openim_storage::port::{Ban, Decision};

use super::answer::{self, Outcome, unavailable};
use super::bearer::Manager;
use crate::bus::Decide;
use crate::driver::{Core, moment};

pub(super) async fn force_logout(core: &Rc<Core>, token: Manager<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_force_logout(body)?;
    let platform = u8::try_from(asked.platform).unwrap_or(0);
    let (user, at_s) = (UserId::new(&asked.uid), moment(core.now()).issued_at());
    decide(core, token, Decision::End { user, platform, at_s }, platform).await
}

pub(super) async fn ban_user(core: &Rc<Core>, token: Manager<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_ban_user(body)?;
    let until_s = if asked.until == 0 { i64::MAX } else { asked.until };
    let ban = Ban { until_s, reason: asked.reason.into_owned() };
    let (user, at_s) = (UserId::new(&asked.uid), moment(core.now()).issued_at());
    decide(core, token, Decision::Ban { user, ban, at_s }, 0).await
}

pub(super) async fn unban_user(core: &Rc<Core>, token: Manager<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_unban_user(body)?;
    decide(core, token, Decision::Unban { user: UserId::new(&asked.uid) }, 0).await
}

/// Makes a manager's decision at the home of its user.
async fn decide(core: &Rc<Core>, token: Manager<'_>, decision: Decision, platform: u8) -> Outcome {
    if let Err(why) = token.bearer(core).await {
        let (code, text) = why.told();
        let mut out = Vec::new();
        error_answer(&mut out, code, &text);
        return Err(answer::json(code.http_status(), out).into());
    }
    let decide = Decide { decision: Box::new(decision), platform };
    core.at_home(decide).await.map_err(unavailable)?;
    Ok(answer::plain(ErrCode::Ok))
}
