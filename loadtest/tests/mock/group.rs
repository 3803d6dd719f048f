//! The mock's groups: founding them over REST, and sends to them.

use super::{Fault, State, push, store};
use serde_json::{Value, json};

/// Ids that one call may list.
const LISTED_MAX: usize = 1000;

/// Answers `/group/<route>`.
pub(super) fn answer(
    route: &str,
    call: &Value,
    token: &str,
    state: &mut State,
    fault: Fault,
) -> Value {
    let refused = |code: i64, text: &str| json!({"errCode": code, "errMsg": text, "data": []});
    let Some(me) = token.strip_prefix("token-").map(str::to_owned) else {
        return refused(200, "Parse token failed");
    };
    let uids = |list: &Value, key: &str| -> Vec<String> {
        let uid = |one: &Value| if key.is_empty() { one.clone() } else { one[key].clone() };
        let list = list.as_array().unwrap();
        assert!(list.len() <= LISTED_MAX, "too many ids in one call");
        list.iter().map(|one| uid(one).as_str().unwrap().to_owned()).collect()
    };
    assert!(call["operationID"].is_string());
    match route {
        "create_group" => {
            let id = format!("{:032x}", state.groups.len() + 1);
            let mut members = vec![me];
            members.extend(uids(&call["memberList"], "uid"));
            members.retain(|uid| state.users.contains(uid));
            state.groups.insert(id.clone(), members);
            json!({"data": {"groupID": id}, "errCode": 0, "errMsg": ""})
        }
        "invite_user_to_group" => {
            let members = state.groups.get_mut(call["groupID"].as_str().unwrap()).unwrap();
            if !members.contains(&me) {
                return refused(800, "no permission");
            }
            let mut results = Vec::new();
            for uid in uids(&call["uidList"], "") {
                let joins = fault != Fault::KeepOut && !members.contains(&uid);
                results.push(json!({"uid": uid, "result": if joins { 0 } else { -1 }}));
                members.extend(joins.then_some(uid));
            }
            json!({"data": results, "errCode": 0, "errMsg": "ok"})
        }
        _ => refused(404, "what?"),
    }
}

/// Stores the message in all inboxes and pushes it to all members but the sender; its id. What
/// goes wrong does so for the last member that is not the sender.
pub(super) fn accept(
    data: &Value,
    uid: &str,
    turn: u64,
    now: Fault,
    state: &mut State,
) -> Option<String> {
    let group = data["recvID"].as_str()?;
    let members = state.groups.get(group)?.clone();
    let id = format!("2021-05-26 20:50:33-{uid}-{turn}");
    let online = |member: &&String| state.links.contains_key(*member);
    let unlucky = members.iter().filter(online).rfind(|member| *member != uid).cloned();
    for member in &members {
        let now = if Some(member) == unlucky.as_ref() { now } else { Fault::None };
        let mut message = json!({"sendID": uid, "recvID": format!("{member} {group}"),
            "msgFrom": 100, "contentType": 101, "serverMsgID": id, "content": data["content"],
            "sendTime": 1, "senderPlatformID": 1, "sessionType": 2});
        store(member, message.clone(), now, state);
        message["seq"] = json!(state.newest[member]);
        message["isEmphasize"] = json!(now == Fault::Emphasize);
        if member != uid {
            deliver(member, message, turn, now, state);
        }
    }
    if now == Fault::EchoPush {
        let message = json!({"sendID": uid, "recvID": format!("{uid} {group}"),
            "contentType": 101, "serverMsgID": id, "content": data["content"],
            "sessionType": 2, "seq": state.newest[uid]});
        push(uid, &message, turn, state);
    }
    Some(id)
}

fn deliver(member: &str, mut message: Value, turn: u64, now: Fault, state: &mut State) {
    match now {
        Fault::DropPush => return,
        Fault::SwapPushes => {
            state.held = Some((member.to_owned(), message));
            return;
        }
        Fault::OtherIdInPush => message["serverMsgID"] = json!("another"),
        Fault::AlterContent => {
            let content = message["content"].as_str().unwrap().replace('a', "A");
            message["content"] = json!(content);
        }
        Fault::WrongReceiver => message["recvID"] = json!(format!("{member} somewhere")),
        Fault::StrangePush => message["content"] = json!("hello"),
        _ => {}
    }
    push(member, &message, turn, state);
    if now == Fault::DoublePush {
        push(member, &message, turn, state);
    }
    if state.held.as_ref().is_some_and(|(held_for, _)| held_for == member)
        && let Some((_, held)) = state.held.take()
    {
        push(member, &held, turn, state);
    }
}
