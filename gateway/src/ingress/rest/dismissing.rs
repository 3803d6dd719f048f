//! `/group/dismiss_group`: a group ends. No release of the original's time has the route.

use std::rc::Rc;

use hyper::Response;
use openim_protocol::errcode::ErrCode;
use openim_protocol::{rest, tip};
use openim_record::GroupId;

use super::answer::{self, Answer};
use super::friends::{asked, me};
use super::groups::at_home;
use crate::bus::{GroupAnswer, GroupCall};
use crate::driver::Core;
use crate::ops::tip::{Way, draft};

pub(super) async fn dismiss_group(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let (asked, me) = asked!(core, token, rest::decode_dismiss_group(body));
    let group = GroupId::new(&asked.group_id);
    let tip = tip::group_dissolved(group.as_str());
    let client_msg_id = format!("tip-{}-{}", tip.content_type, core.next_jti());
    let way = Way {
        from: me.uid.as_str(),
        to: group.as_str(),
        session_type: 2,
        client_msg_id: &client_msg_id,
        sender: None,
        sender_sync: true,
        to_removed: true,
    };
    let tip = Box::new(draft(tip, way));
    let trusted = me.is_manager(core);
    let dissolve = GroupCall::Dissolve { by: me.uid, trusted, tip };
    answer::refused(match at_home(core, &group, dissolve).await {
        Some(GroupAnswer::Done) => ErrCode::Ok,
        Some(_) => ErrCode::NoPermission,
        None => ErrCode::Unavailable,
    })
}
