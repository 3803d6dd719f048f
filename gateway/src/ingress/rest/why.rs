//! `/manager/why`: why somebody did not get a message. No release of the original has this route.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, error_answer};
use openim_record::UserId;

use super::answer::{self, Outcome, unavailable};
use super::bearer::Manager;
use crate::bus::{Named, WhyAsk};
use crate::driver::Core;
use crate::ops;

pub(super) async fn why(core: &Rc<Core>, token: Manager<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_why(body)?;
    let refused = |code: ErrCode, text: &str| {
        let mut out = Vec::new();
        error_answer(&mut out, code, text);
        answer::json(code.http_status(), out)
    };
    if let Err(told) = token.bearer(core).await {
        let (code, text) = told.told();
        return Err(refused(code, &text).into());
    }
    if core.links.is_none() {
        let text = "no journal of links is kept here (why.journalBytesMax; a cluster has none)";
        return Err(refused(ErrCode::Database, text).into());
    }
    let Some(named) = Named::read(&asked.message) else {
        let text = "message is a clientMsgID, a serverMsgID, or a seq like seq:7";
        return Err(refused(ErrCode::ParamFailed, text).into());
    };
    let ask = WhyAsk {
        uid: UserId::new(&asked.uid),
        platform: u8::try_from(asked.platform).unwrap_or(0),
        named,
        sender: (!asked.sender.is_empty()).then(|| UserId::new(&asked.sender)),
        near_ms: (asked.near > 0).then_some(asked.near),
    };
    let told = ops::why::why(core, ask).await.map_err(unavailable)?;
    let mut out = Vec::new();
    told.write(&mut out);
    Ok(answer::json(200, out))
}
