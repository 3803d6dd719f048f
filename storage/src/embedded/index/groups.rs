//! Groups in the index: what they are, who is in them, who asks to be. Pure.
//!
//! ```text
//! 1 group               texts, when it was made
//! 2 group               the tally: what would have to be counted else
//! 3 group user          the member
//! 4 user group          the member's role, for the list of a user's groups
//! 5 user                number of groups
//! 6 group id            the request
//! 7 group (from) to     id of their request
//! 8 group id            nothing: the request has been handled
//! 9                     the highest id that a request was ever given
//! ```

use openim_record::{GroupId, UserId};

use super::row::{Fields, Row, key, put_id, take_id};
use crate::port::{Group, GroupRequest, Member, Role};

const VERSION: u8 = 1;
const GROUP: u8 = 1;
const TALLY: u8 = 2;
const MEMBER: u8 = 3;
const JOINED: u8 = 4;
const JOINED_COUNT: u8 = 5;
const REQUEST: u8 = 6;
const REQUEST_ID: u8 = 7;
const HANDLED: u8 = 8;
const LAST_ID: u8 = 9;

/// What a row of groups is about.
pub(crate) enum Subject {
    Texts(GroupId),
    Tally(GroupId),
    Member(GroupId, UserId),
    Request(GroupId, u64),
    /// What follows from others.
    Other,
}

/// What the row of a key is about; `None`: it is no key.
pub(crate) fn subject(key: &[u8]) -> Option<Subject> {
    let (&kind, rest) = key.split_first()?;
    let (group, rest) = take_id(rest)?;
    let group = GroupId::new(group);
    Some(match kind {
        GROUP => Subject::Texts(group),
        TALLY => Subject::Tally(group),
        MEMBER => Subject::Member(group, UserId::new(std::str::from_utf8(rest).ok()?)),
        REQUEST => Subject::Request(group, id_of(rest)?),
        _ => Subject::Other,
    })
}

/// Key of a group's texts.
pub(crate) fn group_key(group: &GroupId) -> Vec<u8> {
    key(GROUP, group.as_str(), b"")
}

/// Key of a group's tally.
pub(crate) fn tally_key(group: &GroupId) -> Vec<u8> {
    key(TALLY, group.as_str(), b"")
}

/// What the keys of a group's members begin with; the user's bytes follow.
pub(crate) fn members_key(group: &GroupId) -> Vec<u8> {
    key(MEMBER, group.as_str(), b"")
}

/// Key of a member.
pub(crate) fn member_key(group: &GroupId, user: &UserId) -> Vec<u8> {
    key(MEMBER, group.as_str(), user.as_str().as_bytes())
}

/// What the keys of a user's groups begin with; the group's bytes follow.
pub(crate) fn joined_key(user: &UserId) -> Vec<u8> {
    key(JOINED, user.as_str(), b"")
}

/// Key of a user's place in a group.
pub(crate) fn place_key(user: &UserId, group: &GroupId) -> Vec<u8> {
    key(JOINED, user.as_str(), group.as_str().as_bytes())
}

/// Key of the number of a user's groups.
pub(crate) fn joined_count_key(user: &UserId) -> Vec<u8> {
    key(JOINED_COUNT, user.as_str(), b"")
}

/// What the keys of a group's requests begin with; the id follows.
pub(crate) fn requests_key(group: &GroupId) -> Vec<u8> {
    key(REQUEST, group.as_str(), b"")
}

/// Key of a request.
pub(crate) fn request_key(group: &GroupId, id: u64) -> Vec<u8> {
    key(REQUEST, group.as_str(), &id.to_be_bytes())
}

/// Key of the id of the request that concerns these two.
pub(crate) fn request_id_key(group: &GroupId, from: &UserId, to: &str) -> Vec<u8> {
    let mut rest = Vec::with_capacity(2 + from.as_str().len() + to.len());
    put_id(from.as_str(), &mut rest);
    rest.extend_from_slice(to.as_bytes());
    key(REQUEST_ID, group.as_str(), &rest)
}

/// What the keys of the ids of all requests begin with.
pub(crate) const fn all_request_ids_key() -> [u8; 1] {
    [REQUEST_ID]
}

/// Group, applicant and who is invited of a request, by what follows that beginning in the key of its id.
pub(crate) fn request_of(rest: &[u8]) -> Option<(GroupId, UserId, String)> {
    let (group, rest) = take_id(rest)?;
    let (from, to) = take_id(rest)?;
    let to = std::str::from_utf8(to).ok()?;
    Some((GroupId::new(group), UserId::new(from), to.to_owned()))
}

/// What the keys of the marks of handled requests begin with; the id follows.
pub(crate) fn all_handled_key(group: &GroupId) -> Vec<u8> {
    key(HANDLED, group.as_str(), b"")
}

/// Key of the mark of a handled request.
pub(crate) fn handled_key(group: &GroupId, id: u64) -> Vec<u8> {
    key(HANDLED, group.as_str(), &id.to_be_bytes())
}

/// Key of the highest id that a request was ever given.
pub(crate) fn last_id_key() -> Vec<u8> {
    key(LAST_ID, "", b"")
}

/// The id that ends a key.
pub(crate) fn id_of(rest: &[u8]) -> Option<u64> {
    rest.try_into().ok().map(u64::from_be_bytes)
}

/// Writes the texts of a group.
pub(crate) fn encode_group(group: &Group) -> Vec<u8> {
    let Group { id: _, name, introduction, notification, face_url, ex, create_ms, .. } = group;
    let row = Row::new(VERSION).time(*create_ms).text(name).text(introduction);
    row.text(notification).text(face_url).text(ex).done()
}

/// Reads the texts of a group, as if nobody were in it.
pub(crate) fn decode_group(id: &GroupId, row: &[u8]) -> Option<Group> {
    let mut fields = Fields::of(row, VERSION)?;
    let group = Group {
        id: id.clone(),
        create_ms: fields.time()?,
        name: fields.text()?,
        introduction: fields.text()?,
        notification: fields.text()?,
        face_url: fields.text()?,
        ex: fields.text()?,
        owner: None,
        members: 0,
        version: 0,
    };
    fields.end(group)
}

/// What would have to be counted or searched for; a group has one from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) owner: Option<UserId>,
    pub(crate) members: u32,
    pub(crate) requests: u32,
    /// No handled request has a lower id. The search for the oldest begins here, behind what was
    /// removed, which the engine has to step over.
    pub(crate) handled_from: u64,
    /// The group has ended; `owner` is who owned it to the end.
    pub(crate) dissolved: bool,
    /// Changes that took effect. Rows of before there were versions end in front of it: 0.
    pub(crate) version: u64,
}

const OWNED: u8 = 1;
const DISSOLVED: u8 = 2;

impl Tally {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { owner, members, requests, handled_from, dissolved, version } = self;
        let row = Row::new(VERSION).number((*members).into()).number((*requests).into());
        let owned = if owner.is_some() { OWNED } else { 0 };
        let ended = if *dissolved { DISSOLVED } else { 0 };
        let row = row.number(*handled_from).byte(owned | ended);
        row.text(owner.as_ref().map_or("", UserId::as_str)).number(*version).done()
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(row, VERSION)?;
        let (members, requests) = (fields.count()?, fields.count()?);
        let handled_from = fields.number()?;
        let (marks, owner) = (fields.byte()?, fields.text()?);
        let owner = (marks & OWNED != 0).then(|| UserId::new(&owner));
        let dissolved = marks & DISSOLVED != 0;
        let version = if fields.is_over() { 0 } else { fields.number()? };
        fields.end(Self { owner, members, requests, handled_from, dissolved, version })
    }
}

pub(crate) fn encode_member(member: &Member) -> Vec<u8> {
    let Member { uid: _, role, nickname, face_url, join_ms } = member;
    Row::new(VERSION).byte(*role as u8).time(*join_ms).text(nickname).text(face_url).done()
}

pub(crate) fn decode_member(uid: UserId, row: &[u8]) -> Option<Member> {
    let mut fields = Fields::of(row, VERSION)?;
    let role = Role::from_number(fields.byte()?.into())?;
    let (join_ms, nickname, face_url) = (fields.time()?, fields.text()?, fields.text()?);
    fields.end(Member { uid, role, nickname, face_url, join_ms })
}

/// Writes a member's role, as the list of a user's groups has it.
pub(crate) fn encode_place(role: Role) -> Vec<u8> {
    Row::new(VERSION).byte(role as u8).done()
}

pub(crate) fn decode_place(row: &[u8]) -> Option<Role> {
    let mut fields = Fields::of(row, VERSION)?;
    let role = Role::from_number(fields.byte()?.into())?;
    fields.end(role)
}

/// Writes a number of groups, or a request's id.
pub(crate) fn encode_number(number: u64) -> Vec<u8> {
    Row::new(VERSION).number(number).done()
}

pub(crate) fn decode_number(row: &[u8]) -> Option<u64> {
    let mut fields = Fields::of(row, VERSION)?;
    let number = fields.number()?;
    fields.end(number)
}

pub(crate) fn encode_request(request: &GroupRequest) -> Vec<u8> {
    let GroupRequest {
        id: _,
        group: _,
        from,
        to,
        flag,
        request_message,
        handled_message,
        create_ms,
        from_nickname,
        to_nickname,
        from_face_url,
        to_face_url,
        handled_by,
    } = request;
    let row = Row::new(VERSION).flag(*flag).time(*create_ms).text(from.as_str()).text(to);
    let row = row.text(request_message).text(handled_message).text(from_nickname);
    row.text(to_nickname).text(from_face_url).text(to_face_url).text(handled_by).done()
}

pub(crate) fn decode_request(group: &GroupId, id: u64, row: &[u8]) -> Option<GroupRequest> {
    let mut fields = Fields::of(row, VERSION)?;
    let request = GroupRequest {
        id,
        group: group.clone(),
        flag: fields.flag()?,
        create_ms: fields.time()?,
        from: UserId::new(&fields.text()?),
        to: fields.text()?,
        request_message: fields.text()?,
        handled_message: fields.text()?,
        from_nickname: fields.text()?,
        to_nickname: fields.text()?,
        from_face_url: fields.text()?,
        to_face_url: fields.text()?,
        handled_by: fields.text()?,
    };
    fields.end(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_members_are_read_back() {
        let id = GroupId::new("g");
        let group = Group {
            id: id.clone(),
            name: "name".to_owned(),
            introduction: "introduction".to_owned(),
            notification: "notification".to_owned(),
            face_url: "face".to_owned(),
            ex: "ex".to_owned(),
            create_ms: -1,
            owner: None,
            members: 0,
            version: 0,
        };
        assert_eq!(decode_group(&id, &encode_group(&group)), Some(group.clone()));
        let uid = UserId::new("u");
        let (nickname, face_url) = ("nickname".to_owned(), "face".to_owned());
        let role = Role::Administrator;
        let member = Member { uid: uid.clone(), role, nickname, face_url, join_ms: 5 };
        let row = encode_member(&member);
        assert_eq!(decode_member(uid.clone(), &row), Some(member));
        assert_eq!(decode_member(uid.clone(), &row[1..]), None);
        assert_eq!(decode_place(&encode_place(role)), Some(role));
        assert_eq!(decode_place(&[VERSION, 3]), None);
        for owner in [None, Some(UserId::new("")), Some(uid)] {
            for dissolved in [false, true] {
                let (owner, requests, handled_from) = (owner.clone(), 2, 1 << 40);
                let (members, version) = (100_000, 1);
                let tally = Tally { owner, members, requests, handled_from, dissolved, version };
                let row = tally.encode();
                assert_eq!(Tally::decode(&row), Some(tally.clone()));
                // As it was written before there were versions.
                let older = Tally { version: 0, ..tally };
                assert_eq!(Tally::decode(&row[..row.len() - 1]), Some(older));
            }
        }
    }

    #[test]
    fn requests_are_read_back_and_lie_in_the_order_of_their_ids() {
        let group = GroupId::new("g");
        let text = |n: u32| format!("text {n}");
        let request = GroupRequest {
            id: 300,
            group: group.clone(),
            from: UserId::new("from"),
            to: "0".to_owned(),
            flag: -1,
            request_message: text(1),
            handled_message: text(2),
            create_ms: 9,
            from_nickname: text(3),
            to_nickname: text(4),
            from_face_url: text(5),
            to_face_url: text(6),
            handled_by: text(7),
        };
        let row = encode_request(&request);
        assert_eq!(decode_request(&group, 300, &row), Some(request));
        assert_eq!(decode_request(&group, 300, &row[..row.len() - 1]), None);
        assert!(request_key(&group, 255) < request_key(&group, 256));
        let key = handled_key(&group, 256);
        assert_eq!(id_of(key.strip_prefix(&all_handled_key(&group)[..]).unwrap()), Some(256));
        let ids = |from: &str, to: &str| request_id_key(&group, &UserId::new(from), to);
        assert_ne!(ids("a", "bc"), ids("ab", "c"));
        let rest = ids("a", "0").strip_prefix(&all_request_ids_key()).map(<[u8]>::to_vec).unwrap();
        let named = (group.clone(), UserId::new("a"), "0".to_owned());
        assert_eq!(request_of(&rest), Some(named));
        assert_eq!(request_of(&rest[..rest.len() - 2]), None);
        assert_eq!(decode_number(&encode_number(u64::MAX)), Some(u64::MAX));
    }
}
