//! Events as JSON: what the app's backend reads (docs/openapi.json, webhooks). Pure.

use openim_config::EventKind;
use openim_record::{Class, Message, Newest, Position, Record};
use openim_storage::embedded::{Fact, facts};
use openim_storage::port::Replayed;
use serde_json::{Value, json};

/// An event: its type and what it says.
type Event = (EventKind, &'static str, Value);

/// Shows the events of a record as JSON, each with its number in the record. Gives how much of it cannot be read.
pub(super) fn of_record(
    replayed: &Replayed<'_>,
    wanted: impl Fn(EventKind) -> bool,
    each: &mut dyn FnMut(String),
) -> usize {
    let mut number = 0;
    let mut tell = |(kind, name, data): Event| {
        if wanted(kind) {
            each(event(replayed.position, number, replayed.append_ms, name, data));
        }
        // Ids are the same whatever is wanted.
        number += 1;
    };
    match Record::decode(replayed.record) {
        Ok(Record::Message(message)) => {
            tell(of_message(&message));
            0
        }
        // Whom a message goes to.
        Ok(Record::Members(_)) => 0,
        Ok(Record::Rows(rows)) => facts(rows, &mut |fact| tell(of_fact(fact))),
        Err(_) => 1,
    }
}

/// What retention removed, or cannot be read: from one position up to another.
pub(super) fn gap(from: Position, to: Position, now_ms: i64, why: &str) -> String {
    event(from, 0, now_ms, "gap", json!({"from": from.0, "to": to.0, "reason": why}))
}

fn event(position: Position, number: usize, time_ms: i64, name: &str, data: Value) -> String {
    let id = match name {
        "gap" => format!("gap-{}", position.0),
        _ => format!("{}-{number}", position.0),
    };
    json!({"id": id, "position": position.0, "time": time_ms, "type": name, "data": data})
        .to_string()
}

fn of_message(message: &Message<'_>) -> Event {
    let to_group = message.is_to_group();
    let name = if to_group { "message.group" } else { "message.single" };
    let (history, persistent) = (message.switches.history, message.switches.persistent);
    let data = json!({
        "serverMsgID": message.key.server_id(message.send_id), "clientMsgID": message.client_msg_id,
        "sendID": message.send_id, "recvID": message.recv_id, "sessionType": message.session_type,
        "contentType": message.content_type, "msgFrom": message.msg_from, "content": message.content,
        "sendTime": message.send_time_ns, "senderPlatformID": message.sender_platform_id,
        "senderNickName": message.sender_nick_name, "senderFaceURL": message.sender_face_url,
        "offlineInfo": message.offline_info, "history": history, "persistent": persistent,
    });
    (EventKind::Message, name, data)
}

fn of_fact(fact: Fact) -> Event {
    use EventKind::{Friend, Group, Login, User};
    match fact {
        Fact::User(user) => {
            let data = json!({"uid": user.uid.as_str(), "name": user.name, "icon": user.icon, "gender": user.gender,
                "mobile": user.mobile, "birth": user.birth, "email": user.email, "ex": user.ex,
                "createTime": user.create_ms});
            (User, "user.saved", data)
        }
        Fact::UserDeleted(uid) => (User, "user.deleted", json!({"uid": uid.as_str()})),
        Fact::Login(uid, class, newest) => login(uid.as_str(), class, &newest),
        Fact::Access(uid, access) => {
            let endings = access.endings().iter().enumerate().filter(|(_, at_s)| **at_s > 0);
            let ended: Vec<Value> = endings
                .map(|(platform, at_s)| json!({"platform": platform, "issuedUpTo": at_s}))
                .collect();
            let ban = access.ban.map(|ban| json!({"until": ban.until_s, "reason": ban.reason}));
            let data =
                json!({"uid": uid.as_str(), "ended": ended, "ban": ban, "deleted": access.erased});
            (Login, "logout", data)
        }
        Fact::Friend(owner, friend) => {
            let data = json!({"ownerID": owner.as_str(), "friendID": friend.uid.as_str(),
                "comment": friend.comment, "createTime": friend.create_ms});
            (Friend, "friend.saved", data)
        }
        Fact::FriendRemoved(owner, peer) => (
            Friend,
            "friend.removed",
            json!({"ownerID": owner.as_str(), "friendID": peer.as_str()}),
        ),
        Fact::Blocked(owner, peer) => (
            Friend,
            "blacklist.saved",
            json!({"ownerID": owner.as_str(), "blockID": peer.as_str()}),
        ),
        Fact::Unblocked(owner, peer) => (
            Friend,
            "blacklist.removed",
            json!({"ownerID": owner.as_str(), "blockID": peer.as_str()}),
        ),
        Fact::FriendRequest(request) => {
            let data = json!({"fromID": request.from.as_str(), "toID": request.to.as_str(), "flag": request.flag,
                "message": request.message, "createTime": request.create_ms});
            (Friend, "friend.request", data)
        }
        fact => (Group, group_name(&fact), of_group(fact)),
    }
}

fn login(uid: &str, class: Class, newest: &Newest) -> Event {
    let class = match class {
        Class::Mobile => "mobile",
        Class::Pc => "pc",
        Class::Other => "other",
    };
    let data = json!({"uid": uid, "terminals": class, "issuedAt": newest.issued_at, "expiresAt": newest.expires_at});
    (EventKind::Login, "login", data)
}

const fn group_name(fact: &Fact) -> &'static str {
    match fact {
        Fact::Group(_) => "group.saved",
        Fact::GroupState { dissolved: true, .. } => "group.dissolved",
        Fact::Member(..) => "group.member.saved",
        Fact::MemberRemoved(..) => "group.member.removed",
        Fact::GroupRequest(_) => "group.request",
        _ => "group.state",
    }
}

fn of_group(fact: Fact) -> Value {
    match fact {
        Fact::Group(group) => json!({"groupID": group.id.as_str(), "name": group.name,
            "introduction": group.introduction, "notification": group.notification, "faceURL": group.face_url,
            "ex": group.ex, "createTime": group.create_ms}),
        Fact::GroupState { group, owner, members, version, .. } => {
            json!({"groupID": group.as_str(),
            "ownerID": owner.as_ref().map(|uid| uid.as_str()), "memberCount": members, "version": version})
        }
        Fact::Member(group, member) => {
            json!({"groupID": group.as_str(), "uid": member.uid.as_str(),
            "role": member.role as u8, "nickName": member.nickname, "faceURL": member.face_url,
            "joinTime": member.join_ms})
        }
        Fact::MemberRemoved(group, uid) => json!({"groupID": group.as_str(), "uid": uid.as_str()}),
        Fact::GroupRequest(request) => json!({"groupID": request.group.as_str(), "id": request.id,
            "fromID": request.from.as_str(), "toID": request.to, "flag": request.flag,
            "requestMessage": request.request_message, "handledMessage": request.handled_message,
            "handledBy": request.handled_by, "createTime": request.create_ms}),
        _ => Value::Null,
    }
}
