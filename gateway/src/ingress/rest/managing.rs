//! `/manager`: what the app's own staff may do (spec, REST 7.8).

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{
    self, AccountStatus, ListKey, ManagerSend, list_error, manager_send_msg_answer,
    manager_send_msg_error, uid_list_answer,
};
use openim_record::{Draft, Message, Switches, UserId};

use super::answer::{self, Outcome, Refusal, unavailable};
use super::bearer::{Denied, Manager, NoManager};
use super::pages::{Cursor, Named, PAGE, Source, list};
use super::users::online;
use crate::bus::Refused;
use crate::driver::Core;
use crate::ops::profile::gather_profiles;
use crate::ops::removal::{By, remove_users};
use crate::ops::send::{Carried, carry};

const FROM_USER: i32 = 100;

pub(super) async fn delete_user(core: &Rc<Core>, token: Manager<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_delete_user(body, core.settings.ids_per_call_max)?;
    let me = token.bearer(core).await.map_err(|why| {
        let (code, text) = why.told();
        let mut out = Vec::new();
        let uids = &asked.delete_uid_list;
        uid_list_answer(&mut out, ListKey::FailedUidList, uids, code, &text);
        answer::json(code.http_status(), out)
    })?;
    let uids: Vec<UserId> = asked.delete_uid_list.iter().map(|uid| UserId::new(uid)).collect();
    let by = By { manager: &me.uid, operation_id: &asked.operation_id };
    let done = remove_users(core, by, &uids).await;
    let failed = uids.iter().zip(done).filter_map(|(uid, done)| (!done).then_some(uid.as_str()));
    let failed: Vec<&str> = failed.collect();
    let code = if failed.is_empty() { ErrCode::Ok } else { ErrCode::DeletePartly };
    let mut out = Vec::new();
    uid_list_answer(&mut out, ListKey::FailedUidList, &failed, code, code.text());
    Ok(answer::json(200, out))
}

pub(super) async fn get_all_users_uid(core: &Rc<Core>, token: Manager<'_>, body: &[u8]) -> Outcome {
    rest::decode_get_all_users_uid(body)?;
    let failed = |code: ErrCode, text: &str| {
        let mut out = Vec::new();
        list_error(&mut out, ListKey::UidList, code, text);
        Refusal::from(answer::json(code.http_status(), out))
    };
    if let Err(why) = token.bearer(core).await {
        let (code, text) = why.told();
        return Err(failed(code, &text));
    }
    let source = AllUsers(Cursor::new(ListKey::UidList));
    list(core, source, |_| failed(ErrCode::Database, ErrCode::Unavailable.text())).await
}

struct AllUsers(Cursor<UserId>);

impl Source for AllUsers {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        /// Uids are short.
        const UIDS: usize = 16 * PAGE;
        let after = self.0.after.clone();
        let uids = core
            .query(async move |sources| sources.directory.uids(after.as_ref(), UIDS).await)
            .await?;
        let mut writer = self.0.writer(out);
        for uid in &uids {
            writer.element(out, uid.as_str());
        }
        let full = uids.len() == UIDS;
        Ok(self.0.turn(writer, out, full, uids.into_iter().next_back()))
    }
}

pub(super) async fn account_check(core: &Rc<Core>, token: Manager<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_account_check(body, core.settings.ids_per_call_max)?;
    let failed = |code: ErrCode, text: &str| {
        let mut out = Vec::new();
        list_error(&mut out, ListKey::Result, code, text);
        Refusal::from(answer::json(code.http_status(), out))
    };
    if let Err(why) = token.bearer(core).await {
        let (code, text) = why.told();
        return Err(failed(code, &text));
    }
    let uids = asked.user_id_list.iter().map(|uid| UserId::new(uid));
    let source = Accounts(Named::new(ListKey::Result, uids));
    list(core, source, |_| failed(ErrCode::Database, ErrCode::Unavailable.text())).await
}

struct Accounts(Named<UserId>);

impl Source for Accounts {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let uids = self.0.next();
        let users = gather_profiles(core, &uids).await?;
        let mut writer = self.0.writer(out);
        for (uid, user) in uids.iter().zip(&users) {
            let status = AccountStatus { user_id: uid.as_str(), is_registered: user.is_some() };
            writer.element(out, &status);
        }
        Ok(self.0.turn(writer, out))
    }
}

pub(super) async fn get_users_online_status(
    core: &Rc<Core>,
    token: Manager<'_>,
    body: &[u8],
) -> Outcome {
    let read = rest::decode_manager_get_users_online_status(body, core.settings.ids_per_call_max);
    let asked = read?;
    token.bearer(core).await.map_err(|why| match why {
        NoManager::Ordinary => Refusal::from(ErrCode::OnlineNotManager),
        NoManager::Denied(Denied::Unavailable) => unavailable(why),
        NoManager::Denied(denied) => answer::error(ErrCode::RouteToken, &denied.text()).into(),
    })?;
    online(core, asked.user_id_list.iter().map(|uid| UserId::new(uid))).await
}

pub(super) async fn send_msg(core: &Rc<Core>, token: Manager<'_>, body: &[u8]) -> Outcome {
    let refused = |code: ErrCode| {
        let mut out = Vec::new();
        manager_send_msg_error(&mut out, code, code.text());
        answer::json(code.http_status(), out).into()
    };
    let asked = rest::decode_manager_send_msg(body, core.settings.ids_per_call_max)
        .map_err(|error| answer::error(error.code(), &error.to_string()))?;
    token.bearer(core).await.map_err(|why| match why {
        NoManager::Ordinary => refused(ErrCode::SendAsNotManager),
        NoManager::Denied(Denied::Unavailable) => unavailable(why),
        NoManager::Denied(Denied::Token(_)) => refused(ErrCode::SendAsToken),
    })?;
    let client_msg_id = format!("{}{}", core.keys.next_id(), core.keys.next_id());
    let emphasised = asked.force_list.iter().map(|uid| uid.clone().into_owned()).collect();
    let send = Carried { emphasised, ..Carried::trusted(draft(&asked, &client_msg_id)) };
    let receipt = carry(core, send).await.map_err(|why| why.code())?;
    let mut out = Vec::new();
    // Always nanoseconds on this route, which came after them.
    manager_send_msg_answer(&mut out, receipt.send_time_ns, &client_msg_id);
    Ok(answer::json(200, out))
}

fn draft(asked: &ManagerSend<'_>, client_msg_id: &str) -> Draft {
    let kept = !asked.is_online_only;
    Draft::new(&Message {
        send_id: &asked.send_id,
        recv_id: &asked.recv_id,
        client_msg_id,
        switches: Switches { history: kept, persistent: kept, ..Switches::ON },
        // Of the manager's, not of a device of the sender's.
        origin_platform: 0,
        msg_from: FROM_USER,
        content_type: asked.content_type,
        session_type: asked.session_type,
        sender_platform_id: asked.sender_platform_id,
        sender_nick_name: &asked.sender_nick_name,
        sender_face_url: &asked.sender_face_url,
        offline_info: "{}",
        content: &asked.content,
        ..Message::BLANK
    })
}
