//! The bodies of `/user`, `/friend`, `/group`, `/manager`, `/conversation`, `/third` and pulls by seq: one
//! table of routes, and what holds for all of them.

use std::fmt::Debug;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, BindError, ManagerSendError};
use serde_json::{Map, Value};

const IDS_MAX: usize = 3;

/// What a decoder made of a body, or the text of its error.
type Outcome = Result<String, String>;

struct Route {
    path: &'static str,
    decode: fn(&[u8]) -> Outcome,
    /// A body with every field.
    full: &'static str,
    /// Fields without which, or when empty, the body is refused.
    required: &'static [&'static str],
    /// Lists, with how many elements they may have.
    lists: &'static [(&'static str, usize)],
}

fn outcome<T: Debug>(decoded: Result<T, BindError>) -> Outcome {
    decoded.map(|body| format!("{body:?}")).map_err(|error| error.text)
}

macro_rules! routes {
    ($( $path:literal $decode:ident($($ids_max:ident)?) $full:literal
        [$($required:literal)*] [$($list:literal: $most:expr),*] )*) => {
        &[$( Route {
            path: $path,
            decode: |body| outcome(rest::$decode(body $(, $ids_max)?)),
            full: $full,
            required: &[$($required),*],
            lists: &[$(($list, $most)),*],
        }, )*]
    };
}

const ROUTES: &[Route] = routes! {
    "/user/get_user_info" decode_get_user_info(IDS_MAX)
        r#"{"operationID":"o","uidList":["a","b"]}"# ["operationID"] ["uidList": IDS_MAX]
    "/user/update_user_info" decode_update_user_info()
        r#"{"operationID":"o","uid":"u","name":"n","icon":"i","gender":2,"mobile":"m","birth":"b","email":"e","ex":"x"}"#
        ["operationID"] []
    "/user/get_users_online_status" decode_get_users_online_status(IDS_MAX)
        r#"{"operationID":"o","userIDList":["a"],"secret":"s"}"#
        ["operationID" "userIDList" "secret"] ["userIDList": IDS_MAX]
    "/friend/search_friend" decode_search_friend()
        r#"{"operationID":"o","uid":"u"}"# ["operationID" "uid"] []
    "/friend/get_friends_info" decode_get_friends_info()
        r#"{"operationID":"o","uid":"u"}"# ["operationID" "uid"] []
    "/friend/remove_blacklist" decode_remove_blacklist()
        r#"{"operationID":"o","uid":"u"}"# ["operationID" "uid"] []
    "/friend/delete_friend" decode_delete_friend()
        r#"{"operationID":"o","uid":"u"}"# ["operationID" "uid"] []
    "/friend/get_friend_list" decode_get_friend_list() r#"{"operationID":"o"}"# ["operationID"] []
    "/friend/get_blacklist" decode_get_blacklist() r#"{"operationID":"o"}"# ["operationID"] []
    "/friend/get_friend_apply_list" decode_get_friend_apply_list()
        r#"{"operationID":"o"}"# ["operationID"] []
    "/friend/get_self_apply_list" decode_get_self_apply_list()
        r#"{"operationID":"o"}"# ["operationID"] []
    "/friend/add_friend" decode_add_friend()
        r#"{"operationID":"o","uid":"u","reqMessage":"m"}"# ["operationID" "uid"] []
    "/friend/add_friend_response" decode_add_friend_response()
        r#"{"operationID":"o","uid":"u","flag":-1}"# ["operationID" "uid" "flag"] []
    "/friend/add_blacklist" decode_add_blacklist()
        r#"{"operationID":"o","uid":"u","ownerUid":"w"}"# ["operationID" "uid"] []
    "/friend/set_friend_comment" decode_set_friend_comment()
        r#"{"operationID":"o","uid":"u","comment":"c"}"# ["operationID" "uid"] []
    "/friend/is_friend" decode_is_friend()
        r#"{"operationID":"o","receive_uid":"u"}"# ["operationID"] []
    "/friend/import_friend" decode_import_friend(IDS_MAX)
        r#"{"operationID":"o","uidList":["a"],"ownerUid":"w"}"#
        ["operationID" "uidList" "ownerUid"] ["uidList": IDS_MAX]
    "/chat/pull_msg_by_seq" decode_pull_msg_by_seq(IDS_MAX)
        r#"{"reqIdentifier":1004,"msgIncr":5,"sendID":"a","operationID":"o","seqList":[3,-1]}"#
        ["sendID" "operationID"] ["seqList": IDS_MAX]
    "/group/create_group" decode_create_group(IDS_MAX)
        r#"{"operationID":"o","memberList":[{"uid":"u","setRole":2}],"groupName":"g","introduction":"i","notification":"n","faceUrl":"f","ex":"x"}"#
        ["operationID"] ["memberList": IDS_MAX]
    "/group/set_group_info" decode_set_group_info()
        r#"{"operationID":"o","groupId":"g","groupName":"n","notification":"t","introduction":"i","faceUrl":"f"}"#
        ["operationID" "groupId"] []
    "/group/join_group" decode_join_group()
        r#"{"operationID":"o","groupID":"g","message":"m"}"# ["operationID" "groupID"] []
    "/group/quit_group" decode_quit_group()
        r#"{"operationID":"o","groupID":"g"}"# ["operationID" "groupID"] []
    "/group/dismiss_group" decode_dismiss_group()
        r#"{"operationID":"o","groupID":"g"}"# ["operationID" "groupID"] []
    "/group/get_groups_info" decode_get_groups_info(IDS_MAX)
        r#"{"operationID":"o","groupIDList":["g"]}"#
        ["operationID" "groupIDList"] ["groupIDList": IDS_MAX]
    "/group/get_joined_group_list" decode_get_joined_group_list()
        r#"{"operationID":"o"}"# ["operationID"] []
    "/group/get_group_applicationList" decode_get_group_application_list()
        r#"{"operationID":"o"}"# ["operationID"] []
    "/group/get_group_member_list" decode_get_group_member_list()
        r#"{"operationID":"o","groupID":"g","filter":1,"nextSeq":30}"# [] []
    "/group/get_group_all_member_list" decode_get_group_all_member_list()
        r#"{"operationID":"o","groupID":"g"}"# [] []
    "/group/get_group_members_info" decode_get_group_members_info(IDS_MAX)
        r#"{"operationID":"o","groupID":"g","memberList":["a"]}"# [] ["memberList": IDS_MAX]
    "/group/invite_user_to_group" decode_invite_user_to_group(IDS_MAX)
        r#"{"operationID":"o","groupID":"g","uidList":["a"],"reason":"r"}"#
        ["operationID" "groupID" "uidList"] ["uidList": IDS_MAX]
    "/group/kick_group" decode_kick_group(IDS_MAX)
        r#"{"operationID":"o","groupID":"g","uidListInfo":[{"userId":"u","role":1,"joinTime":9,"nickName":"n","faceUrl":"f"}],"reason":"r"}"#
        ["operationID" "uidListInfo"] ["uidListInfo": IDS_MAX]
    "/group/transfer_group" decode_transfer_group()
        r#"{"operationID":"o","groupID":"g","uid":"u"}"# ["operationID" "groupID" "uid"] []
    "/group/group_application_response" decode_group_application_response()
        r#"{"operationID":"o","groupID":"g","fromUserID":"f","toUserID":"0","fromUserNickName":"n","fromUserFaceUrl":"u","toUserNickName":"t","toUserFaceUrl":"v","addTime":8,"requestMsg":"r","handledMsg":"h","type":1,"handleStatus":1,"handleResult":1}"#
        ["operationID" "groupID" "fromUserID" "toUserID"] []
    "/manager/delete_user" decode_delete_user(IDS_MAX)
        r#"{"operationID":"o","deleteUidList":["a"]}"#
        ["operationID" "deleteUidList"] ["deleteUidList": IDS_MAX]
    "/manager/force_logout" decode_force_logout()
        r#"{"operationID":"o","uid":"u","platform":7}"# ["operationID" "uid"] []
    "/manager/ban_user" decode_ban_user()
        r#"{"operationID":"o","uid":"u","until":1622033431,"reason":"r"}"# ["operationID" "uid"] []
    "/manager/unban_user" decode_unban_user()
        r#"{"operationID":"o","uid":"u"}"# ["operationID" "uid"] []
    "/manager/why" decode_why()
        r#"{"operationID":"o","uid":"u","message":"m1","platform":7,"sendID":"s","sendTime":1622033431000}"#
        ["operationID" "uid" "message"] []
    "/manager/get_all_users_uid" decode_get_all_users_uid()
        r#"{"operationID":"o"}"# ["operationID"] []
    "/manager/account_check" decode_account_check(IDS_MAX)
        r#"{"operationID":"o","userIDList":["a"]}"#
        ["operationID" "userIDList"] ["userIDList": IDS_MAX]
    "/manager/get_users_online_status" decode_manager_get_users_online_status(IDS_MAX)
        r#"{"operationID":"o","userIDList":["a"]}"#
        ["operationID" "userIDList"] ["userIDList": IDS_MAX]
    "/conversation/set_receive_message_opt" decode_set_receive_message_opt(IDS_MAX)
        r#"{"operationID":"o","option":2,"conversationIdList":["single_a"]}"#
        ["operationID" "conversationIdList"] ["conversationIdList": IDS_MAX]
    "/conversation/get_receive_message_opt" decode_get_receive_message_opt(IDS_MAX)
        r#"{"operationID":"o","conversationIdList":["single_a"]}"#
        ["operationID" "conversationIdList"] ["conversationIdList": IDS_MAX]
    "/conversation/get_all_conversation_message_opt" decode_get_all_conversation_message_opt()
        r#"{"operationID":"o"}"# ["operationID"] []
    "/third/tencent_cloud_storage_credential" decode_tencent_cloud_storage_credential()
        r#"{"token":"t","operationID":"o"}"# [] []
};

impl Route {
    fn members(&self) -> Map<String, Value> {
        serde_json::from_str(self.full).expect("an object")
    }

    /// The full body with one member changed, or left out.
    fn changed(&self, key: &str, value: Option<Value>) -> Outcome {
        let mut members = self.members();
        match value {
            Some(value) => members.insert(key.to_owned(), value),
            None => members.remove(key),
        };
        (self.decode)(Value::Object(members).to_string().as_bytes())
    }
}

/// The empty value of the same type.
fn empty(value: &Value) -> Value {
    match value {
        Value::String(_) => "".into(),
        Value::Number(_) => 0.into(),
        other => other.clone(),
    }
}

#[test]
fn a_full_body_is_read_whatever_the_case_of_its_keys() {
    for route in ROUTES {
        let got = (route.decode)(route.full.as_bytes()).expect(route.path);
        for value in route.members().values() {
            let scalar = match value {
                Value::String(text) => format!("\"{text}\""),
                Value::Array(elements) if elements[0].is_object() => continue,
                Value::Array(elements) => elements[0].to_string(),
                other => other.to_string(),
            };
            assert!(got.contains(&scalar), "{}: {scalar} in {got}", route.path);
        }
        let mut shouted = Map::new();
        for (key, value) in route.members() {
            shouted.insert(key.to_uppercase(), value);
        }
        let shouted = format!("{} trailing", Value::Object(shouted));
        assert_eq!((route.decode)(shouted.as_bytes()).as_ref(), Ok(&got), "{}", route.path);
        let more = format!("{{\"unknown\":[{{}}],{}", &route.full[1..]);
        assert_eq!((route.decode)(more.as_bytes()).as_ref(), Ok(&got), "{}", route.path);
    }
}

#[test]
fn what_is_required_is_required() {
    for route in ROUTES {
        for (key, value) in route.members() {
            let required = route.required.contains(&key.as_str());
            let given = key == "option";
            for without in [None, Some(Value::Null)] {
                let got = route.changed(&key, without);
                assert_eq!(
                    got.is_err(),
                    required || given,
                    "{} without {key}: {got:?}",
                    route.path
                );
            }
            // An empty list is there.
            let refused = required && !value.is_array();
            let got = route.changed(&key, Some(empty(&value)));
            assert_eq!(got.is_err(), refused, "{} with empty {key}: {got:?}", route.path);
            if value.is_array() {
                let got = route.changed(&key, Some(Value::Array(Vec::new())));
                assert!(got.is_ok(), "{} with {key} []: {got:?}", route.path);
            }
        }
    }
}

#[test]
fn types_are_exact() {
    for route in ROUTES {
        for (key, value) in route.members() {
            let wrong: &[&str] = match value {
                Value::String(_) => &["1", "[]", "{}", "true"],
                Value::Number(_) => &["\"1\"", "1.0", "1e2", "9223372036854775808", "[]", "false"],
                _ => &["\"a\"", "1", "{}", "[[]]", "[true]", "[null]", "[1.5]"],
            };
            for wrong in wrong {
                let wrong: Value = serde_json::from_str(wrong).expect("JSON");
                let got = route.changed(&key, Some(wrong.clone()));
                assert!(got.is_err(), "{} with {key} {wrong}: {got:?}", route.path);
            }
        }
        for body in ["", " ", "[]", "1", "{", "{\"operationID\":\"o\"", "{\"operationID\"}"] {
            assert!((route.decode)(body.as_bytes()).is_err(), "{} {body}", route.path);
        }
    }
}

#[test]
fn lists_are_bounded() {
    for route in ROUTES {
        for &(key, most) in route.lists {
            let element = route.members()[key][0].clone();
            let list = |length| Some(Value::Array(vec![element.clone(); length]));
            assert!(route.changed(key, list(most)).is_ok(), "{} {key}", route.path);
            for length in [most + 1, 50 * most] {
                let error = route.changed(key, list(length)).expect_err(route.path);
                assert!(error.ends_with("failed on the 'max' tag"), "{}: {error}", route.path);
            }
        }
    }
}

#[test]
fn some_lists_have_a_bound_of_their_own() {
    let body = |length| {
        let ids = vec![Value::from("a"); length];
        serde_json::json!({"operationID": "o", "secret": "s", "userIDList": ids}).to_string()
    };
    assert!(rest::decode_get_users_online_status(body(200).as_bytes(), 1000).is_ok());
    assert!(rest::decode_get_users_online_status(body(201).as_bytes(), 1000).is_err());
    assert!(rest::decode_manager_get_users_online_status(body(201).as_bytes(), 1000).is_err());
    assert!(rest::decode_account_check(body(100).as_bytes(), 1000).is_ok());
    assert!(rest::decode_account_check(body(101).as_bytes(), 1000).is_err());
}

#[test]
fn violations_are_named_as_in_the_original() {
    let error = rest::decode_add_friend_response(b"{}").expect_err("everything is missing");
    let line = |field: &str| {
        format!(
            "Key: 'paramsAddFriendResponse.{field}' Error:Field validation for '{field}' failed on the 'required' tag"
        )
    };
    assert_eq!(error.text, [line("OperationID"), line("UID"), line("Flag")].join("\n"));
    let error = rest::decode_get_receive_message_opt(b"[]", 1).expect_err("no object");
    assert_eq!(error.text, "bind json failed the body must be a JSON object");
    let error = rest::decode_tencent_cloud_storage_credential(b"").expect_err("empty");
    assert!(error.text.starts_with("Parameter parsing error，please"));
}

#[test]
fn elements_of_lists_may_lack_anything() {
    let body = br#"{"operationID":"o","memberList":[{"UID":"a"},{},{"uid":null,"more":{}}]}"#;
    let got = rest::decode_create_group(body, IDS_MAX).expect("the body is sound");
    let uids: Vec<&str> = got.member_list.iter().map(|member| &*member.uid).collect();
    assert_eq!(uids, ["a", "", ""]);
    for wrong in ["[{\"uid\":1}]", "[{\"setRole\":\"1\"}]", "[[]]", "[\"a\"]"] {
        let body = format!("{{\"operationID\":\"o\",\"memberList\":{wrong}}}");
        assert!(rest::decode_create_group(body.as_bytes(), IDS_MAX).is_err(), "{wrong}");
    }
}

#[test]
fn options_of_conversations_are_three() {
    for (option, sound) in [(-1, false), (0, true), (1, true), (2, true), (3, false)] {
        let body = format!(r#"{{"operationID":"o","option":{option},"conversationIdList":[]}}"#);
        let got = rest::decode_set_receive_message_opt(body.as_bytes(), 1);
        assert_eq!(got.is_ok(), sound, "{option}");
    }
}

#[test]
fn columns_bound_what_is_stored() {
    let update = |key: &str, value: Value| {
        let body = serde_json::json!({"operationID": "o", key: value}).to_string();
        rest::decode_update_user_info(body.as_bytes()).expect("the body is sound").fits()
    };
    let limits =
        [("name", 64), ("icon", 1024), ("mobile", 32), ("birth", 16), ("email", 64), ("ex", 1024)];
    for (key, chars_max) in limits {
        assert!(update(key, "é".repeat(chars_max).into()), "{key} at its limit");
        assert!(!update(key, "é".repeat(chars_max + 1).into()), "{key} above its limit");
    }
    assert!(update("gender", 9.into()) && !update("gender", (-1).into()));
    for chars in [255, 256] {
        let text = "é".repeat(chars);
        let body = format!(
            r#"{{"operationID":"o","groupID":"g","uid":"u","comment":"{text}","reqMessage":"{text}",
            "message":"{text}","notification":"{text}","handledMsg":"{text}","fromUserID":"f","toUserID":"0"}}"#
        );
        let body = body.as_bytes();
        let fits = [
            rest::decode_set_friend_comment(body).map(|body| body.fits()),
            rest::decode_add_friend(body).map(|body| body.fits()),
            rest::decode_join_group(body).map(|body| body.fits()),
            rest::decode_set_group_info(body).map(|body| body.fits()),
            rest::decode_create_group(body, 1).map(|body| body.fits()),
            rest::decode_group_application_response(body).map(|body| body.fits()),
        ];
        assert_eq!(fits, [const { Ok(true) }; 6].map(|fits| fits.map(|_: bool| chars == 255)));
    }
}

#[test]
fn an_update_may_change_nothing() {
    let changes = |body: &[u8]| {
        rest::decode_update_user_info(body).expect("the body is sound").changes_anything()
    };
    assert!(!changes(br#"{"operationID":"o","uid":"a","name":"","gender":0}"#));
    assert!(changes(br#"{"operationID":"o","gender":1}"#));
    assert!(changes(br#"{"operationID":"o","ex":"x"}"#));
}

/// A manager's message with this type and content, and changes at its top.
fn manager_send(
    content_type: i32,
    content: &str,
    changes: &[(&str, Value)],
) -> Result<String, ManagerSendError> {
    let mut body = serde_json::json!({
        "operationID": "o", "sendID": "a", "recvID": "b", "contentType": content_type,
        "sessionType": 1, "forceList": ["c"], "isOnlineOnly": true, "senderNickName": "n",
        "senderFaceURL": "f", "senderPlatformID": 2,
    });
    for (key, value) in changes {
        body[key] = value.clone();
    }
    let text = body.to_string();
    // Not by way of a value, so that the text of the content stays as it is.
    let text = format!("{},\"content\":{content}}}", text.trim_end_matches('}'));
    rest::decode_manager_send_msg(text.as_bytes(), IDS_MAX).map(|sent| {
        assert_eq!((&*sent.operation_id, &*sent.send_id, &*sent.recv_id), ("o", "a", "b"));
        assert_eq!((&*sent.sender_nick_name, &*sent.sender_face_url), ("n", "f"));
        assert_eq!((sent.sender_platform_id, sent.session_type), (2, 1));
        assert_eq!((sent.force_list, sent.is_online_only), (vec!["c".into()], true));
        sent.content.into_owned()
    })
}

const IMAGE: &str = r#"{"type":"image/png","size":1,"width":2,"height":3,"url":"u"}"#;

#[test]
fn a_manager_sends_six_kinds_of_content() {
    let picture = format!(
        r#"{{"sourcePicture":{IMAGE},"bigPicture":{IMAGE}, "snapshotPicture":{IMAGE},"more":[1]}}"#
    );
    let objects = [
        (102, picture.as_str()),
        (103, r#"{"uuid":"u","duration":3}"#),
        (104, r#"{"videoPath":"p", "snapshotHeight":-1}"#),
        (105, r#"{}"#),
        (110, r#"{"data":"d","extension":""}"#),
    ];
    for (content_type, object) in objects {
        assert_eq!(manager_send(content_type, object, &[]).as_deref(), Ok(object));
    }
    let text = manager_send(101, r#"{"text":"a \"quote\""}"#, &[]);
    assert_eq!(text.as_deref(), Ok("a \"quote\""));
}

#[test]
fn each_fault_of_a_managers_message_has_its_code() {
    let code = |content_type, content: &str| {
        manager_send(content_type, content, &[]).expect_err(content).code()
    };
    assert_eq!(code(106, "{}"), ErrCode::ContentTypeUnknown);
    assert_eq!(code(101, "[]"), ErrCode::Binding);
    assert_eq!(code(101, "null"), ErrCode::Binding);
    assert_eq!(code(0, "{}"), ErrCode::Binding);
    assert_eq!(code(101, r#"{"text":5}"#), ErrCode::ContentMismatch);
    assert_eq!(code(103, r#"{"duration":1.5}"#), ErrCode::ContentMismatch);
    assert_eq!(code(104, r#"{"videoSize":"1"}"#), ErrCode::ContentMismatch);
    assert_eq!(code(105, r#"{"fileName":{}}"#), ErrCode::ContentMismatch);
    assert_eq!(code(102, r#"{"sourcePicture":[]}"#), ErrCode::ContentMismatch);
    assert_eq!(code(101, r#"{"text":""}"#), ErrCode::ContentInvalid);
    assert_eq!(code(110, r#"{"data":null}"#), ErrCode::ContentInvalid);
    for missing in ["type", "size", "width", "height", "url"] {
        let poor = IMAGE.replace(&format!("\"{missing}\""), "\"other\"");
        let picture =
            format!(r#"{{"sourcePicture":{IMAGE},"bigPicture":{poor},"snapshotPicture":{IMAGE}}}"#);
        assert_eq!(code(102, &picture), ErrCode::ContentInvalid, "{missing}");
    }
    for key in ["operationID", "sendID", "recvID"] {
        let error = manager_send(101, r#"{"text":"t"}"#, &[(key, "".into())]).expect_err(key);
        assert_eq!(error.code(), ErrCode::Binding);
    }
    for (key, wrong) in [
        ("isOnlineOnly", 1.into()),
        ("sessionType", 0.into()),
        ("forceList", vec!["a"; IDS_MAX + 1].into()),
        ("senderPlatformID", "1".into()),
    ] {
        let error = manager_send(101, r#"{"text":"t"}"#, &[(key, wrong)]).expect_err(key);
        assert_eq!(error.code(), ErrCode::Binding, "{key}");
    }
}

#[test]
fn a_managers_content_may_be_no_utf8() {
    let mut body = br#"{"operationID":"o","sendID":"a","recvID":"b","contentType":105,"sessionType":2,"content":{"uuid":"#.to_vec();
    body.extend_from_slice(b"\"\xff\"}}");
    let got = rest::decode_manager_send_msg(&body, 0).expect("the body is sound");
    assert_eq!(got.content, "{\"uuid\":\"\u{fffd}\"}");
}
