//! Users and friends.

use super::{Element, data_answer};
use crate::errcode::ErrCode;
use crate::json::Object;

/// A user, as `/user/get_user_info` and `/friend/get_blacklist` list them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile<'a> {
    /// Id.
    pub uid: &'a str,
    /// Shown name.
    pub name: &'a str,
    /// Address of the picture.
    pub icon: &'a str,
    /// 0 unknown, 1, 2, or what a client wrote.
    pub gender: i32,
    /// Telephone number.
    pub mobile: &'a str,
    /// Birthday.
    pub birth: &'a str,
    /// Mail address.
    pub email: &'a str,
    /// For the application.
    pub ex: &'a str,
}

impl Profile<'_> {
    fn members<'o>(&self, object: Object<'o>) -> Object<'o> {
        let object = object.text("uid", self.uid).text("name", self.name).text("icon", self.icon);
        self.further(object)
    }

    /// What stands behind the uid, the name and the picture, in whatever order these are.
    fn further<'o>(&self, object: Object<'o>) -> Object<'o> {
        object
            .integer("gender", self.gender.into())
            .text("mobile", self.mobile)
            .text("birth", self.birth)
            .text("email", self.email)
            .text("ex", self.ex)
    }
}

impl Element for Profile<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        out.reserve(160);
        self.members(Object::begin(out)).end();
    }
}

/// A friend, as `/friend/get_friend_list` lists them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FriendEntry<'a> {
    /// Who.
    pub profile: Profile<'a>,
    /// The caller's note.
    pub comment: &'a str,
    /// Whether the caller blocked them.
    pub is_in_blacklist: bool,
}

impl Element for FriendEntry<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        out.reserve(200);
        self.profile
            .members(Object::begin(out))
            .text("comment", self.comment)
            .integer("isInBlackList", self.is_in_blacklist.into())
            .end();
    }
}

/// A request to become friends, as `/friend/get_friend_apply_list` (with the applicant's profile) and
/// `/friend/get_self_apply_list` (with the profile of who was asked) list it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FriendApplication<'a> {
    /// The other one.
    pub profile: Profile<'a>,
    /// What the applicant says.
    pub req_message: &'a str,
    /// When it was made, unix seconds.
    pub apply_time: i64,
    /// 0 open, 1 agreed, −1 refused.
    pub flag: i32,
}

impl Element for FriendApplication<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        out.reserve(220);
        self.profile
            .members(Object::begin(out))
            .text("reqMessage", self.req_message)
            // A string, alone among the times.
            .text("applyTime", itoa::Buffer::new().format(self.apply_time))
            .integer("flag", self.flag.into())
            .end();
    }
}

/// Somebody that was looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchedFriend<'a> {
    /// Who.
    pub profile: Profile<'a>,
    /// The caller's note; empty unless they are a friend.
    pub comment: &'a str,
    /// Whether they are a friend.
    pub is_friend: bool,
    /// Whether the caller blocked them.
    pub is_in_blacklist: bool,
}

impl SearchedFriend<'_> {
    fn members<'o>(&self, object: Object<'o>) -> Object<'o> {
        let profile = &self.profile;
        let object =
            object.text("uid", profile.uid).text("icon", profile.icon).text("name", profile.name);
        profile.further(object).text("comment", self.comment)
    }
}

/// Appends the success of `/friend/search_friend`.
pub fn search_friend_answer(out: &mut Vec<u8>, found: &SearchedFriend<'_>) {
    data_answer(out, |out| {
        found
            .members(Object::begin(out))
            .integer("isFriend", found.is_friend.into())
            .integer("isInBlackList", found.is_in_blacklist.into())
            .end();
    });
}

/// Appends the success of `/friend/get_friends_info`: the later name of the search, without the relations.
pub fn get_friends_info_answer(out: &mut Vec<u8>, found: &SearchedFriend<'_>) {
    data_answer(out, |out| found.members(Object::begin(out)).end());
}

/// Appends the success of `/friend/is_friend`.
pub fn is_friend_answer(out: &mut Vec<u8>, is_friend: bool) {
    Object::begin(out)
        .integer("errCode", 0)
        .text("errMsg", "")
        .integer("isFriend", is_friend.into())
        .end();
}

/// Appends the failure of `/user/get_user_info`, in the original's spelling and in everybody else's.
pub fn get_user_info_error(out: &mut Vec<u8>, text: &str) {
    let number = ErrCode::Unavailable.number().into();
    Object::begin(out)
        .integer("errCode", number)
        .text("errMsg", text)
        .integer("errorCode", number)
        .text("errorMsg", text)
        .end();
}
