//! What a change of rows says, for whoever reads the log beside the server.
//!
//! In: a record's rows. Out: a [`Fact`] for each row that is one by itself. Rows that follow from others (a user's list of
//! groups, lengths of lists, ids of requests, inboxes) say nothing. Pure.

use openim_record::{Access, Class, GroupId, Newest, Row, Rows, UserId};

use super::directory;
use super::index::access::{ACCESS, decode_access};
use super::index::groups::{self, Subject};
use super::index::relations::{List, RequestRow, decode_friend, entry_of};
use super::index::{GROUPS, RELATIONS, TOKENS, USERS};
use super::tokens;
use crate::port::{Friend, FriendRequest, Group, GroupRequest, Member, User};

/// What is so from a record on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A user was registered, or a profile changed.
    User(User),
    /// A user is none any more.
    UserDeleted(UserId),
    /// The newest token of a user's terminals of one class.
    Login(UserId, Class, Newest),
    /// Which tokens of a user are ended, and whether the user is kept out.
    Access(UserId, Access),
    /// `.0` has this friend.
    Friend(UserId, Friend),
    /// `.0` has `.1` as a friend no longer.
    FriendRemoved(UserId, UserId),
    /// `.0` has `.1` on the blacklist.
    Blocked(UserId, UserId),
    /// No longer.
    Unblocked(UserId, UserId),
    /// Somebody asked to be a friend, or was answered.
    FriendRequest(FriendRequest),
    /// A group's texts.
    Group(Group),
    /// Who owns a group, how many are in it, its version; whether it has ended.
    GroupState {
        /// Which.
        group: GroupId,
        /// Who owns it, or did to the end.
        owner: Option<UserId>,
        /// How many are in it.
        members: u32,
        /// Grows by one with each change.
        version: u64,
        /// It has ended.
        dissolved: bool,
    },
    /// A member, and its role.
    Member(GroupId, Member),
    /// A member no longer.
    MemberRemoved(GroupId, UserId),
    /// Somebody asked to be in a group, or was answered.
    GroupRequest(GroupRequest),
}

/// Shows what a change of rows says, in order. Gives how many rows cannot be read.
pub fn facts(rows: Rows<'_>, each: &mut dyn FnMut(Fact)) -> usize {
    let mut unread = 0;
    for row in rows.iter() {
        match row.map(fact) {
            Some(Ok(Some(fact))) => each(fact),
            Some(Ok(None)) => {}
            Some(Err(Unread)) | None => unread += 1,
        }
    }
    unread
}

/// A row that is none.
struct Unread;

/// What a row says, if anything.
type Said = Result<Option<Fact>, Unread>;

fn read(fact: Option<Fact>) -> Said {
    fact.map(Some).ok_or(Unread)
}

fn fact(Row { table, key, row }: Row<'_>) -> Said {
    match table {
        USERS => read(user(key, row)),
        TOKENS => token(key, row),
        RELATIONS => relation(key, row),
        GROUPS => group(key, row),
        _ => Ok(None),
    }
}

fn user(key: &[u8], row: Option<&[u8]>) -> Option<Fact> {
    let uid = super::index::inbox::user_of(key)?;
    Some(match row {
        Some(row) => Fact::User(directory::decode(&uid, row)?),
        None => Fact::UserDeleted(uid),
    })
}

fn token(key: &[u8], row: Option<&[u8]>) -> Said {
    let Some((kind, user)) = key.split_last() else { return Err(Unread) };
    let Some(uid) = super::index::inbox::user_of(user) else { return Err(Unread) };
    let Some(row) = row else { return Ok(None) };
    if *kind == ACCESS {
        return read(decode_access(row).map(|access| Fact::Access(uid, access)));
    }
    let class = Class::ALL.into_iter().find(|class| *class as u8 == *kind);
    let newest = class.and_then(|class| Some((class, tokens::decode(row)?)));
    read(newest.map(|(class, newest)| Fact::Login(uid, class, newest)))
}

fn relation(key: &[u8], row: Option<&[u8]>) -> Said {
    let Some((list, owner, peer)) = entry_of(key) else { return Ok(None) };
    match (list, row) {
        (List::Friends, Some(row)) => {
            read(decode_friend(peer, row).map(|friend| Fact::Friend(owner, friend)))
        }
        (List::Friends, None) => Ok(Some(Fact::FriendRemoved(owner, peer))),
        (List::Blocked, Some(_)) => Ok(Some(Fact::Blocked(owner, peer))),
        (List::Blocked, None) => Ok(Some(Fact::Unblocked(owner, peer))),
        (List::Received, Some(row)) => {
            let request = RequestRow::decode(row);
            read(request.map(|request| Fact::FriendRequest(request.named(peer, owner))))
        }
        // The other half of the same, or one that has gone with its user.
        (List::Received, None) | (List::Sent, _) => Ok(None),
    }
}

fn group(key: &[u8], row: Option<&[u8]>) -> Said {
    let Some(subject) = groups::subject(key) else { return Err(Unread) };
    let fact = match (subject, row) {
        (Subject::Texts(group), Some(row)) => groups::decode_group(&group, row).map(Fact::Group),
        (Subject::Tally(group), Some(row)) => groups::Tally::decode(row).map(|tally| {
            let groups::Tally { owner, members, version, dissolved, .. } = tally;
            Fact::GroupState { group, owner, members, version, dissolved }
        }),
        (Subject::Member(group, uid), Some(row)) => {
            groups::decode_member(uid, row).map(|member| Fact::Member(group, member))
        }
        (Subject::Member(group, uid), None) => Some(Fact::MemberRemoved(group, uid)),
        (Subject::Request(group, id), Some(row)) => {
            groups::decode_request(&group, id, row).map(Fact::GroupRequest)
        }
        (Subject::Texts(_) | Subject::Tally(_) | Subject::Request(..), None)
        | (Subject::Other, _) => {
            return Ok(None);
        }
    };
    read(fact)
}

#[cfg(test)]
mod tests {
    use openim_record::RowsWriter;

    use super::*;
    use crate::embedded::index::INBOXES;

    #[test]
    fn what_is_no_row_is_counted_and_what_follows_from_others_says_nothing() {
        let mut writer = RowsWriter::new();
        writer.push(USERS, b"\x00\x03ann", None);
        writer.push(USERS, b"\x00\x03ann", Some(b"no profile"));
        writer.push(INBOXES, b"anything", Some(b""));
        writer.push(GROUPS, b"\x04\x00\x03ann", Some(b""));
        writer.push(TOKENS, b"", None);
        let record = writer.finish();
        let mut told = Vec::new();
        let unread = facts(Rows::decode(&record).unwrap(), &mut |fact| told.push(fact));
        assert_eq!((told, unread), (vec![Fact::UserDeleted(UserId::new("ann"))], 2));
    }
}
