//! `/group/dismiss_group`: a group ends. No release of the original's time has the route.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::{rest, tip};
use openim_record::GroupId;
use openim_storage::port::By;

use super::answer::{self, Outcome};
use super::bearer::Token;
use super::groups::group_code;
use crate::bus::DissolveGroup;
use crate::driver::Core;
use crate::ops::tip::{Way, draft};

pub(super) async fn dismiss_group(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_dismiss_group(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let group = GroupId::new(&asked.group_id);
    let tip = tip::group_dissolved(group.as_str());
    // Of the same name whenever the call is repeated: nobody gets it twice.
    let client_msg_id = format!("tip-{}-{}", tip.content_type, group.as_str());
    let way = Way {
        from: me.uid.as_str(),
        to: group.as_str(),
        session_type: 2,
        client_msg_id: &client_msg_id,
        sender: None,
        sender_sync: true,
    };
    let tip = draft(&tip, way);
    let trusted = me.is_manager(core);
    core.at_home(DissolveGroup { group, by: By { uid: me.uid, trusted }, tip })
        .await
        .map_err(|why| group_code(&why, ErrCode::NoPermission))?;
    Ok(answer::plain(ErrCode::Ok))
}
