//! `/group/dismiss_group`: a group ends. No release of the original's time has the route.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest;
use openim_record::GroupId;
use openim_storage::port::By;

use super::answer::{self, Outcome};
use super::bearer::Token;
use super::groups::group_code;
use crate::driver::Core;
use crate::ops::acts;

pub(super) async fn dismiss_group(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_dismiss_group(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let trusted = me.is_manager(core);
    acts::dissolve(core, By { uid: me.uid, trusted }, GroupId::new(&asked.group_id))
        .await
        .map_err(|why| group_code(&why, ErrCode::NoPermission))?;
    Ok(answer::plain(ErrCode::Ok))
}
