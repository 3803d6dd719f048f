//! The answers of the REST routes; each file is named after its route.

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{
    self, AccountStatus, ApplicationsWriter, ConversationOption, Element, FriendApplication,
    FriendEntry, GroupApplication, GroupInfo, GroupInfoFilled, GroupMember, IdResult, ListKey,
    ListWriter, OnlineStatus, Profile, SearchedFriend, StorageCredential,
};

use super::golden;

const BOB: Profile<'static> = Profile {
    uid: "bob",
    name: "Bob <b>",
    icon: "https://example.com/bob.png?a=1&b=2",
    gender: 1,
    mobile: "+49 1",
    birth: "2000-01-01",
    email: "bob@example.com",
    ex: "{\"level\":3}",
};

const CAROL: Profile<'static> = Profile {
    uid: "carol",
    name: "",
    icon: "",
    gender: 0,
    mobile: "",
    birth: "",
    email: "",
    ex: "",
};

const CLIMBERS: GroupInfo<'static> = GroupInfo {
    group_id: "4e6482c9ef4f4fdfc4cf3c1bd5c2a8fb",
    group_name: "Climbers",
    notification: "",
    introduction: "We climb.",
    face_url: "",
    owner_id: "bob",
    create_time: 1_639_728_000,
    member_count: 2,
};

/// The answer with these elements.
fn list<E: Element>(name: &str, key: ListKey, elements: &[E]) {
    golden(name, |out| {
        let mut list = ListWriter::begin(out, key);
        for element in elements {
            list.element(out, element);
        }
        list.end(out, ErrCode::Ok, "");
    });
}

#[test]
fn users() {
    list("user-get_user_info", ListKey::Data, &[BOB, CAROL]);
    golden("user-get_user_info-failed", |out| {
        rest::get_user_info_error(out, ErrCode::Unavailable.text());
    });
    golden("user-update_user_info-too-long", |out| {
        rest::error_answer(out, ErrCode::UpdateUser, ErrCode::UpdateUser.text());
    });
    let online = [
        OnlineStatus { user_id: "bob", platforms: &["IOS", "Web"] },
        OnlineStatus { user_id: "carol", platforms: &[] },
    ];
    list("user-get_users_online_status", ListKey::SuccessResult, &online);
}

#[test]
fn friends() {
    let friend = SearchedFriend {
        profile: BOB,
        comment: "from school",
        is_friend: true,
        is_in_blacklist: false,
    };
    golden("friend-search_friend", |out| rest::search_friend_answer(out, &friend));
    golden("friend-get_friends_info", |out| rest::get_friends_info_answer(out, &friend));
    let friends = [
        FriendEntry { profile: BOB, comment: "from school", is_in_blacklist: false },
        FriendEntry { profile: CAROL, comment: "", is_in_blacklist: true },
    ];
    list("friend-get_friend_list", ListKey::Data, &friends);
    golden("friend-get_friend_list-failed-halfway", |out| {
        let mut list = ListWriter::begin(out, ListKey::Data);
        list.element(out, &friends[0]);
        list.end(out, ErrCode::FindUser, ErrCode::FindUser.text());
    });
    let application =
        FriendApplication { profile: BOB, req_message: "hi", apply_time: 1_622_033_431, flag: -1 };
    list("friend-get_friend_apply_list", ListKey::Data, &[application]);
    list::<FriendApplication<'_>>("friend-get_self_apply_list-empty", ListKey::Data, &[]);
    list("friend-get_blacklist", ListKey::Data, &[CAROL]);
    golden("friend-is_friend", |out| rest::is_friend_answer(out, true));
    golden("friend-import_friend-partly", |out| {
        let (code, failed) = (ErrCode::ImportPartly, ["carol", "dave"]);
        rest::uid_list_answer(out, ListKey::FailedUidList, &failed, code, code.text());
    });
}

#[test]
fn groups() {
    golden("group-create_group", |out| rest::create_group_answer(out, CLIMBERS.group_id));
    golden("group-create_group-failed", |out| {
        rest::error_answer(out, ErrCode::CreateGroup, ErrCode::CreateGroup.text());
    });
    let nobodys = GroupInfo { owner_id: "", member_count: 0, create_time: 0, ..CLIMBERS };
    list(
        "group-get_groups_info",
        ListKey::Data,
        &[GroupInfoFilled(CLIMBERS), GroupInfoFilled(nobodys)],
    );
    list("group-get_joined_group_list", ListKey::Data, &[CLIMBERS]);
    let results = [IdResult { uid: "bob", done: true }, IdResult { uid: "carol", done: false }];
    golden("group-invite_user_to_group", |out| {
        let mut list = ListWriter::begin(out, ListKey::Data);
        results.iter().for_each(|result| list.element(out, result));
        list.end(out, ErrCode::Ok, "ok");
    });
    list("group-kick_group", ListKey::Data, &results);
    golden("group-kick_group-refused", |out| {
        let code = ErrCode::NoPermission;
        rest::list_error(out, ListKey::Data, code, code.text());
    });
    golden("group-transfer_group-stranger", |out| {
        rest::error_answer(out, ErrCode::TransferToStranger, ErrCode::TransferToStranger.text());
    });
}

#[test]
fn members() {
    let owner = GroupMember {
        group_id: CLIMBERS.group_id,
        user_id: "bob",
        role: 1,
        join_time: 1_639_728_000,
        nick_name: "Bob",
        face_url: "https://example.com/bob.png",
    };
    let stranger =
        GroupMember { group_id: CLIMBERS.group_id, user_id: "dave", ..GroupMember::default() };
    list("group-get_group_all_member_list", ListKey::Data, &[owner]);
    list("group-get_group_members_info", ListKey::Data, &[owner, stranger]);
    golden("group-get_group_member_list", |out| {
        let mut list = ListWriter::begin(out, ListKey::Data);
        list.element(out, &owner);
        list.end_page(out, ErrCode::Ok, "", 30);
    });
    golden("group-get_group_member_list-refused", |out| {
        let code = ErrCode::NoPermission;
        ListWriter::begin(out, ListKey::Data).end_page(out, code, code.text(), 0);
    });
}

#[test]
fn applications() {
    let open = GroupApplication {
        id: "38",
        group_id: CLIMBERS.group_id,
        from_user_id: "carol",
        to_user_id: "0",
        flag: 0,
        req_msg: "let me in",
        handled_msg: "",
        create_time: 1_639_728_000,
        from_user_nick_name: "Carol",
        to_user_nick_name: "",
        from_user_face_url: "https://example.com/carol.png",
        to_user_face_url: "",
        handled_user: "",
        reader: "bob",
    };
    let agreed = GroupApplication { id: "39", flag: 1, handled_user: "bob", ..open };
    let refused =
        GroupApplication { id: "40", flag: -1, handled_user: "erin", to_user_id: "dave", ..open };
    golden("group-get_group_applicationList", |out| {
        let mut list = ApplicationsWriter::begin(out);
        [open, agreed, refused].iter().for_each(|application| list.element(out, application));
        list.end(out, ErrCode::Ok, "");
    });
    golden("group-get_group_applicationList-failed", |out| {
        let code = ErrCode::GroupApplications;
        ApplicationsWriter::begin(out).end(out, code, code.text());
    });
}

#[test]
fn managers() {
    golden("manager-delete_user", |out| {
        rest::uid_list_answer::<&str>(out, ListKey::FailedUidList, &[], ErrCode::Ok, "");
    });
    golden("manager-delete_user-refused", |out| {
        let code = ErrCode::NotManager;
        rest::uid_list_answer(out, ListKey::FailedUidList, &["bob"], code, code.text());
    });
    golden("manager-get_all_users_uid", |out| {
        rest::uid_list_answer(out, ListKey::UidList, &["bob", "carol"], ErrCode::Ok, "");
    });
    let accounts = [
        AccountStatus { user_id: "bob", is_registered: true },
        AccountStatus { user_id: "dave", is_registered: false },
    ];
    list("manager-account_check", ListKey::Result, &accounts);
    list::<OnlineStatus<'_>>("manager-get_users_online_status-empty", ListKey::SuccessResult, &[]);
    golden("manager-send_msg", |out| {
        rest::manager_send_msg_answer(
            out,
            1_639_728_000_123_456_789,
            "0cc175b9c0f1b6a831c399e269772661",
        );
    });
    golden("manager-send_msg-refused", |out| {
        let code = ErrCode::SendAsNotManager;
        rest::manager_send_msg_error(out, code, code.text());
    });
}

#[test]
fn conversations() {
    let options = [
        ConversationOption { conversation_id: "single_bob", result: 2 },
        ConversationOption { conversation_id: "group_g7", result: 0 },
    ];
    list("conversation-get_receive_message_opt", ListKey::Data, &options);
    golden("conversation-set_receive_message_opt-full", |out| {
        let code = ErrCode::ConversationsFull;
        rest::list_error(out, ListKey::Data, code, code.text());
    });
}

#[test]
fn credentials() {
    let credential = StorageCredential {
        tmp_secret_id: "AKID",
        tmp_secret_key: "key+/=",
        token: "tok",
        expired_time: 1_639_731_600,
        expiration: "2021-12-17T09:00:00Z",
        start_time: 1_639_728_000,
        request_id: "",
    };
    golden("third-tencent_cloud_storage_credential", |out| {
        let (region, bucket) = ("ap-shanghai", "media-1250000000");
        rest::tencent_cloud_storage_credential_answer(out, Ok(&credential), region, bucket);
    });
    golden("third-tencent_cloud_storage_credential-none", |out| {
        let text = ErrCode::StorageCredential.text();
        rest::tencent_cloud_storage_credential_answer(out, Err(text), "ap-shanghai", "media");
    });
}
