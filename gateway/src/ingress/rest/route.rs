//! Which path is which operation.

use std::rc::Rc;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::{Method, Request, Response};

use openim_protocol::errcode::ErrCode;

use super::answer::{self, Answer};
use super::{
    accounts, chat, conversations, friend_lists, friends, group_lists, groups, managing, third,
    users,
};
use crate::driver::Core;
use crate::metrics::RestRoute;

/// The description of the routes, for a GET.
const DESCRIPTION_PATH: &str = "/openapi.json";

/// The routes; every one is a POST.
const ROUTES: &[(&str, RestRoute)] = &[
    ("/auth/user_register", RestRoute::UserRegister),
    ("/auth/user_token", RestRoute::UserToken),
    ("/chat/send_msg", RestRoute::SendMsg),
    ("/chat/newest_seq", RestRoute::NewestSeq),
    ("/chat/pull_msg", RestRoute::PullMsg),
    ("/chat/pull_msg_by_seq", RestRoute::PullMsgBySeq),
    ("/user/get_user_info", RestRoute::GetUserInfo),
    ("/user/update_user_info", RestRoute::UpdateUserInfo),
    ("/user/get_users_online_status", RestRoute::GetUsersOnlineStatus),
    ("/friend/search_friend", RestRoute::SearchFriend),
    ("/friend/get_friends_info", RestRoute::GetFriendsInfo),
    ("/friend/add_friend", RestRoute::AddFriend),
    ("/friend/add_friend_response", RestRoute::AddFriendResponse),
    ("/friend/get_friend_apply_list", RestRoute::GetFriendApplyList),
    ("/friend/get_self_apply_list", RestRoute::GetSelfApplyList),
    ("/friend/get_friend_list", RestRoute::GetFriendList),
    ("/friend/add_blacklist", RestRoute::AddBlacklist),
    ("/friend/get_blacklist", RestRoute::GetBlacklist),
    ("/friend/remove_blacklist", RestRoute::RemoveBlacklist),
    ("/friend/delete_friend", RestRoute::DeleteFriend),
    ("/friend/set_friend_comment", RestRoute::SetFriendComment),
    ("/friend/is_friend", RestRoute::IsFriend),
    ("/friend/import_friend", RestRoute::ImportFriend),
    ("/group/create_group", RestRoute::CreateGroup),
    ("/group/set_group_info", RestRoute::SetGroupInfo),
    ("/group/join_group", RestRoute::JoinGroup),
    ("/group/quit_group", RestRoute::QuitGroup),
    ("/group/get_groups_info", RestRoute::GetGroupsInfo),
    ("/group/get_joined_group_list", RestRoute::GetJoinedGroupList),
    ("/group/get_group_member_list", RestRoute::GetGroupMemberList),
    ("/group/get_group_all_member_list", RestRoute::GetGroupAllMemberList),
    ("/group/get_group_members_info", RestRoute::GetGroupMembersInfo),
    ("/group/invite_user_to_group", RestRoute::InviteUserToGroup),
    ("/group/kick_group", RestRoute::KickGroup),
    ("/group/transfer_group", RestRoute::TransferGroup),
    ("/group/get_group_applicationList", RestRoute::GetGroupApplicationList),
    ("/group/group_application_response", RestRoute::GroupApplicationResponse),
    ("/manager/delete_user", RestRoute::DeleteUser),
    ("/manager/get_all_users_uid", RestRoute::GetAllUsersUid),
    ("/manager/account_check", RestRoute::AccountCheck),
    ("/manager/get_users_online_status", RestRoute::ManagerOnlineStatus),
    ("/manager/send_msg", RestRoute::ManagerSendMsg),
    ("/conversation/set_receive_message_opt", RestRoute::SetReceiveMessageOpt),
    ("/conversation/get_receive_message_opt", RestRoute::GetReceiveMessageOpt),
    ("/conversation/get_all_conversation_message_opt", RestRoute::GetAllConversationMessageOpt),
    ("/third/tencent_cloud_storage_credential", RestRoute::TencentCredential),
];

fn find(path: &str) -> Option<RestRoute> {
    ROUTES.iter().find(|(known, _)| *known == path).map(|&(_, route)| route)
}

/// Answers one request; there is always an answer.
pub(super) async fn answer(core: &Rc<Core>, request: Request<Incoming>) -> Response<Answer> {
    let (route, response) = dispatch(core, request).await;
    core.metrics.rest_requests.add(route, response.status().as_u16());
    response
}

async fn dispatch(core: &Rc<Core>, request: Request<Incoming>) -> (RestRoute, Response<Answer>) {
    if request.method() == Method::OPTIONS {
        return (RestRoute::Other, answer::options());
    }
    let path = request.uri().path();
    if request.method() == Method::GET && path == DESCRIPTION_PATH {
        return (RestRoute::Other, answer::description());
    }
    if request.method() != Method::POST {
        return (RestRoute::Other, answer::not_found());
    }
    let Some(route) = find(path) else {
        let shorter = path.strip_suffix('/').filter(|path| find(path).is_some());
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let response = shorter
            .map_or_else(answer::not_found, |path| answer::redirect(&format!("{path}{query}")));
        return (RestRoute::Other, response);
    };
    let token = request
        .headers()
        .get("token")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = match body(core, request.into_body()).await {
        Ok(body) => body,
        Err(fault) => return (route, fault.answer()),
    };
    // From here on a drain waits for the answer; a body that never ends is not waited for.
    let open = Open::new(core);
    if !changes_and_tells(route) {
        return (route, handle(core, route, &token, &body).await);
    }
    // One more than connections can have under way: their clients have left before the end.
    if core.rest_open.get() > core.settings.rest_connections_max {
        return (route, answer::refused(ErrCode::Unavailable));
    }
    // On a task of its own: who is to be told of a change is told though the client goes away.
    let run = Rc::clone(core);
    let run = tokio::task::spawn_local(async move {
        let _open = open;
        handle(&run, route, &token, &body).await
    });
    (route, run.await.unwrap_or_else(|_| answer::refused(ErrCode::Unavailable)))
}

/// Whether a route makes a change and then tells others of it.
const fn changes_and_tells(route: RestRoute) -> bool {
    use RestRoute as R;
    matches!(
        route,
        R::UpdateUserInfo
            | R::AddFriend
            | R::AddFriendResponse
            | R::ImportFriend
            | R::CreateGroup
            | R::InviteUserToGroup
            | R::KickGroup
    )
}

/// Runs a route.
async fn handle(core: &Rc<Core>, route: RestRoute, token: &str, body: &[u8]) -> Response<Answer> {
    use RestRoute as R;
    match route {
        R::UserRegister => accounts::user_register(core, body).await,
        R::UserToken => accounts::user_token(core, body).await,
        R::NewestSeq => chat::newest_seq(core, token, body).await,
        R::PullMsg => chat::pull_msg(core, token, body).await,
        R::PullMsgBySeq => chat::pull_msg_by_seq(core, token, body).await,
        R::SendMsg => chat::send_msg(core, token, body).await,
        R::GetUserInfo => users::get_user_info(core, body).await,
        R::UpdateUserInfo => users::update_user_info(core, token, body).await,
        R::GetUsersOnlineStatus => users::get_users_online_status(core, body).await,
        R::DeleteUser => managing::delete_user(core, token, body).await,
        R::GetAllUsersUid => managing::get_all_users_uid(core, token, body).await,
        R::AccountCheck => managing::account_check(core, token, body).await,
        R::ManagerOnlineStatus => managing::get_users_online_status(core, token, body).await,
        R::ManagerSendMsg => managing::send_msg(core, token, body).await,
        R::SetReceiveMessageOpt => conversations::set_receive_message_opt(core, token, body).await,
        R::GetReceiveMessageOpt => conversations::get_receive_message_opt(core, token, body).await,
        R::GetAllConversationMessageOpt => {
            conversations::get_all_conversation_message_opt(core, token, body).await
        }
        R::TencentCredential => third::tencent_credential(core, body).await,
        _ => handle_relation(core, route, token, body).await,
    }
}

/// Runs a route about friends or groups.
async fn handle_relation(
    core: &Rc<Core>,
    route: RestRoute,
    token: &str,
    body: &[u8],
) -> Response<Answer> {
    use RestRoute as R;
    match route {
        R::SearchFriend => friends::search_friend(core, token, body, true).await,
        R::GetFriendsInfo => friends::search_friend(core, token, body, false).await,
        R::AddFriend => friends::add_friend(core, token, body).await,
        R::AddFriendResponse => friends::add_friend_response(core, token, body).await,
        R::GetFriendApplyList => friend_lists::get_friend_apply_list(core, token, body).await,
        R::GetSelfApplyList => friend_lists::get_self_apply_list(core, token, body).await,
        R::GetFriendList => friend_lists::get_friend_list(core, token, body).await,
        R::AddBlacklist => friends::add_blacklist(core, token, body).await,
        R::GetBlacklist => friend_lists::get_blacklist(core, token, body).await,
        R::RemoveBlacklist => friends::remove_blacklist(core, token, body).await,
        R::DeleteFriend => friends::delete_friend(core, token, body).await,
        R::SetFriendComment => friends::set_friend_comment(core, token, body).await,
        R::IsFriend => friends::is_friend(core, token, body).await,
        R::ImportFriend => friends::import_friend(core, token, body).await,
        R::CreateGroup => groups::create_group(core, token, body).await,
        R::SetGroupInfo => groups::set_group_info(core, token, body).await,
        R::JoinGroup => groups::join_group(core, token, body).await,
        R::QuitGroup => groups::quit_group(core, token, body).await,
        R::GetGroupsInfo => group_lists::get_groups_info(core, token, body).await,
        R::GetJoinedGroupList => group_lists::get_joined_group_list(core, token, body).await,
        R::GetGroupMemberList => group_lists::get_group_member_list(core, token, body).await,
        R::GetGroupAllMemberList => group_lists::get_group_all_member_list(core, token, body).await,
        R::GetGroupMembersInfo => group_lists::get_group_members_info(core, token, body).await,
        R::InviteUserToGroup => groups::invite_user_to_group(core, token, body).await,
        R::KickGroup => groups::kick_group(core, token, body).await,
        R::TransferGroup => groups::transfer_group(core, token, body).await,
        R::GetGroupApplicationList => {
            group_lists::get_group_application_list(core, token, body).await
        }
        R::GroupApplicationResponse => groups::group_application_response(core, token, body).await,
        _ => answer::not_found(),
    }
}

/// Reads a body within its bounds: its own size, what all bodies of the shard may take, its time.
async fn body(core: &Core, incoming: Incoming) -> Result<Vec<u8>, BodyFault> {
    let collected = tokio::time::timeout(core.settings.keep_alive, collect(core, incoming));
    collected.await.unwrap_or(Err(BodyFault::Slow))
}

/// Why a body was not read.
enum BodyFault {
    /// Over `limits.requestBodyBytesMax`.
    Large,
    /// All bodies together are over `limits.requestBodiesBytesMax`.
    Many,
    /// It did not arrive in its time, or broke off.
    Slow,
}

impl BodyFault {
    fn answer(&self) -> Response<Answer> {
        match self {
            Self::Large => answer::too_large(),
            Self::Many => answer::refused(ErrCode::Unavailable),
            Self::Slow => answer::too_slow(),
        }
    }
}

async fn collect(core: &Core, mut incoming: Incoming) -> Result<Vec<u8>, BodyFault> {
    if incoming.size_hint().lower() > core.settings.body_bytes_max as u64 {
        return Err(BodyFault::Large);
    }
    let mut arriving = Arriving { core, body: Vec::new(), counted: 0 };
    while let Some(frame) = incoming.frame().await {
        // A body that breaks off has nobody left to answer.
        let frame = frame.map_err(|_| BodyFault::Slow)?;
        if let Some(part) = frame.data_ref() {
            arriving.append(part)?;
        }
    }
    Ok(std::mem::take(&mut arriving.body))
}

/// A body that is being read; its bytes count while it lives. Parts are copied into one buffer: kept as
/// they come, a body of tiny chunks would cost many times its size.
struct Arriving<'a> {
    core: &'a Core,
    body: Vec<u8>,
    counted: usize,
}

impl Arriving<'_> {
    fn append(&mut self, part: &[u8]) -> Result<(), BodyFault> {
        if self.body.len() + part.len() > self.core.settings.body_bytes_max {
            return Err(BodyFault::Large);
        }
        let all = self.core.body_bytes.get() + part.len();
        if all > self.core.settings.bodies_bytes_max {
            return Err(BodyFault::Many);
        }
        self.core.body_bytes.set(all);
        self.counted += part.len();
        self.body.extend_from_slice(part);
        Ok(())
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        let counted = self.counted;
        self.core.body_bytes.set(self.core.body_bytes.get() - counted);
    }
}

/// A request that is not answered, also when its client goes away before.
struct Open(Rc<Core>);

impl Open {
    fn new(core: &Rc<Core>) -> Self {
        core.rest_open.set(core.rest_open.get() + 1);
        Self(Rc::clone(core))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.rest_open.set(self.0.rest_open.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let document: serde_json::Value =
            serde_json::from_slice(answer::DESCRIPTION).expect("docs/openapi.json is JSON");
        let paths = document["paths"].as_object().expect("an object of paths");
        let described: BTreeSet<(&str, &str)> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("an object of methods");
                methods.keys().map(|method| (path.as_str(), method.as_str()))
            })
            .collect();
        let served: BTreeSet<(&str, &str)> = ROUTES
            .iter()
            .map(|&(path, _)| (path, "post"))
            .chain([(DESCRIPTION_PATH, "get")])
            .collect();
        assert_eq!(described, served, "docs/openapi.json and ROUTES must have the same routes");
    }
}
