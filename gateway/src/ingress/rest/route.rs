//! Which path is which operation.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response};

use openim_protocol::errcode::ErrCode;

use super::answer::{self, Answer};
use super::body::Body;
use super::connection::Peer;
use super::{
    account, accounts, chat, conversations, dismissing, friend_lists, friends, group_lists, groups,
    managing, sessions, third, users,
};
use crate::driver::Core;
use crate::ingress::Crowded;
use crate::ingress::forwarded::origin;
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
    ("/group/dismiss_group", RestRoute::DismissGroup),
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
    ("/manager/force_logout", RestRoute::ForceLogout),
    ("/manager/ban_user", RestRoute::BanUser),
    ("/manager/unban_user", RestRoute::UnbanUser),
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

/// Whether only managers may call a route.
pub(super) fn of_managers(route: RestRoute) -> bool {
    ROUTES.iter().any(|(path, known)| *known == route && path.starts_with("/manager/"))
}

/// What a request's head says, besides its route.
pub(super) struct Asked {
    pub(super) token: String,
    /// Who asks: the peer, or whom trusted proxies speak for.
    pub(super) from: IpAddr,
}

impl Asked {
    fn new(core: &Core, peer: IpAddr, headers: &HeaderMap) -> Self {
        let text = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let from = origin(peer, &core.live().trusted_proxies, text("x-forwarded-for"));
        Self { token: text("token").next().unwrap_or_default().to_owned(), from }
    }
}

/// Answers one request; there is always an answer.
pub(super) async fn answer(
    core: &Rc<Core>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Response<Answer> {
    let (route, response) = dispatch(core, peer, request).await;
    core.metrics.rest_requests.add(route, response.status().as_u16());
    response
}

async fn dispatch(
    core: &Rc<Core>,
    peer: &Peer,
    request: Request<Incoming>,
) -> (RestRoute, Response<Answer>) {
    if request.method() == Method::OPTIONS {
        return (RestRoute::Other, answer::options());
    }
    let path = request.uri().path();
    if request.method() == Method::GET && path == DESCRIPTION_PATH {
        // The longest text that anybody can have.
        let from = Asked::new(core, peer.address, request.headers()).from;
        let may = core.doors.rest_addresses.ask(from, core.now().mono_ms / 1000).is_ok();
        let response = if may { answer::description() } else { answer::too_many() };
        return (RestRoute::Other, response);
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
    let asked = Asked::new(core, peer.address, request.headers());
    if core.doors.rest_addresses.ask(asked.from, core.now().mono_ms / 1000).is_err() {
        return (route, answer::too_many());
    }
    let (core, place) = (Rc::clone(core), Rc::clone(&peer.place));
    let progress = Rc::clone(&peer.progress);
    // On a task of its own, from the first byte of the body on: what was read whole is carried out, and who
    // is to be told of it is told, though the client goes away. Until then the task keeps the connection's
    // place, so there are no more tasks than connections may be.
    let run = tokio::task::spawn_local(async move {
        let _place = place;
        let body = match Body::read(&core, request.into_body()).await {
            Ok(body) => body,
            Err(fault) => return fault.answer(),
        };
        progress.body_read();
        drop(progress);
        if asks_for_secret(route)
            && let Err(Crowded { tell }) = slowed(&core, &asked).await
        {
            account::crowded(&asked, tell);
            account::slowed(&core, route, &asked, &body.bytes);
            return answer::too_many();
        }
        // From here on a drain waits for the answer; a body that never ends is not waited for.
        let _open = Open::new(&core);
        let since = Instant::now();
        let mut response = handle(&core, route, &asked, &body.bytes).await;
        let took = since.elapsed();
        core.metrics.rest_seconds.observe(took);
        account::tell(&core, route, &asked, &body.bytes, &response, took);
        response.body_mut().keep(body);
        response
    });
    (route, run.await.unwrap_or_else(|_| answer::refused(ErrCode::Unavailable)))
}

/// Whether a route is for who knows `secret`.
const fn asks_for_secret(route: RestRoute) -> bool {
    use RestRoute as R;
    matches!(route, R::UserRegister | R::UserToken | R::GetUsersOnlineStatus)
}

/// Has a call wait whose address has given wrong secrets.
async fn slowed(core: &Core, asked: &Asked) -> Result<(), Crowded> {
    let wait = core.guesses.borrow_mut().wait(asked.from, core.now().mono_ms)?;
    if let Some(wait) = wait {
        core.metrics.secrets_slowed.add(1);
        tokio::time::sleep(wait).await;
        core.guesses.borrow_mut().waited(asked.from);
    }
    Ok(())
}

/// Runs a route.
async fn handle(core: &Rc<Core>, route: RestRoute, asked: &Asked, body: &[u8]) -> Response<Answer> {
    use RestRoute as R;
    let token = asked.token.as_str();
    match route {
        R::UserRegister => accounts::user_register(core, body).await,
        R::UserToken => accounts::user_token(core, body).await,
        R::NewestSeq => chat::newest_seq(core, token, body).await,
        R::PullMsg => chat::pull_msg(core, token, body).await,
        R::PullMsgBySeq => chat::pull_msg_by_seq(core, token, body).await,
        R::SendMsg => chat::send_msg(core, token, body).await,
        R::GetUserInfo => users::get_user_info(core, token, body).await,
        R::UpdateUserInfo => users::update_user_info(core, token, body).await,
        R::GetUsersOnlineStatus => users::get_users_online_status(core, body).await,
        R::DeleteUser => managing::delete_user(core, token, body).await,
        R::ForceLogout => sessions::force_logout(core, token, body).await,
        R::BanUser => sessions::ban_user(core, token, body).await,
        R::UnbanUser => sessions::unban_user(core, token, body).await,
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
        R::DismissGroup => dismissing::dismiss_group(core, token, body).await,
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
