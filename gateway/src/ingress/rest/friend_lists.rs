//! The lists of `/friend`: friends, requests, the blacklist, a page at a time.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, FriendApplication, FriendEntry, ListKey, Profile};
use openim_record::UserId;
use openim_storage::port::{FriendRequest, User};

use super::answer::Outcome;
use super::bearer::Token;
use super::pages::{Cursor, PAGE, Source, list};
use super::users::profile;
use crate::bus::Refused;
use crate::driver::Core;
use crate::ops::profile::{gather_profiles, seen_whole};

pub(super) async fn get_friend_list(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    rest::decode_get_friend_list(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    list(core, Friends(List::of(me.uid)), |_| ErrCode::FindUser.into()).await
}

pub(super) async fn get_blacklist(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    rest::decode_get_blacklist(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    list(core, Blacklist(List::of(me.uid)), |_| ErrCode::GetBlacklist.into()).await
}

pub(super) async fn get_friend_apply_list(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    rest::decode_get_friend_apply_list(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let source = Requests { list: List::of(me.uid), received: true };
    list(core, source, |_| ErrCode::Database.into()).await
}

pub(super) async fn get_self_apply_list(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    rest::decode_get_self_apply_list(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let source = Requests { list: List::of(me.uid), received: false };
    list(core, source, |_| ErrCode::Database.into()).await
}

/// What the lists have in common.
struct List {
    owner: UserId,
    cursor: Cursor<UserId>,
}

impl List {
    fn of(owner: UserId) -> Self {
        Self { owner, cursor: Cursor::new(ListKey::Data) }
    }

    /// The profiles of a page, and of each whether the owner of the list may see all of it.
    async fn profiles(
        &self,
        core: &Rc<Core>,
        uids: &[UserId],
    ) -> Result<(Vec<Option<Box<User>>>, Vec<bool>), Refused> {
        let whole = seen_whole(core, Some(&self.owner), uids).await?;
        Ok((gather_profiles(core, uids).await?, whole))
    }

    fn place(&self) -> (UserId, Option<UserId>) {
        (self.owner.clone(), self.cursor.after.clone())
    }
}

struct Friends(List);

impl Source for Friends {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (owner, after) = self.0.place();
        let (rows, uids, relations) = core
            .query(async move |sources| {
                let rows = sources.relations.friends(&owner, after.as_ref(), PAGE).await?;
                let uids: Vec<UserId> = rows.iter().map(|friend| friend.uid.clone()).collect();
                let relations = sources.relations.relations(&owner, &uids).await?;
                Ok((rows, uids, relations))
            })
            .await?;
        let (users, whole) = self.0.profiles(core, &uids).await?;
        let mut writer = self.0.cursor.writer(out);
        for (((row, user), whole), relation) in rows.iter().zip(&users).zip(whole).zip(&relations) {
            // Who has no row any more is left out, as in the original.
            let Some(user) = user else { continue };
            let entry = FriendEntry {
                profile: profile(user, whole),
                comment: &row.comment,
                is_in_blacklist: relation.blocked,
            };
            writer.element(out, &entry);
        }
        let full = rows.len() == PAGE;
        Ok(self.0.cursor.turn(writer, out, full, uids.into_iter().next_back()))
    }
}

struct Blacklist(List);

impl Source for Blacklist {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (owner, after) = self.0.place();
        let uids = core
            .query(async move |sources| {
                sources.relations.blacklist(&owner, after.as_ref(), PAGE).await
            })
            .await?;
        let (users, whole) = self.0.profiles(core, &uids).await?;
        let mut writer = self.0.cursor.writer(out);
        for (user, whole) in users.iter().zip(whole) {
            if let Some(user) = user {
                writer.element(out, &profile(user, whole));
            }
        }
        let full = uids.len() == PAGE;
        Ok(self.0.cursor.turn(writer, out, full, uids.into_iter().next_back()))
    }
}

struct Requests {
    list: List,
    /// Those that the owner received, or those that the owner sent.
    received: bool,
}

impl Source for Requests {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (owner, after) = self.list.place();
        let received = self.received;
        let rows = core
            .query(async move |sources| match received {
                true => sources.relations.requests_received(&owner, after.as_ref(), PAGE).await,
                false => sources.relations.requests_sent(&owner, after.as_ref(), PAGE).await,
            })
            .await?;
        let other = |row: &FriendRequest| match received {
            true => row.from.clone(),
            false => row.to.clone(),
        };
        let uids: Vec<UserId> = rows.iter().map(other).collect();
        let (users, whole) = self.list.profiles(core, &uids).await?;
        let mut writer = self.list.cursor.writer(out);
        for ((row, user), whole) in rows.iter().zip(&users).zip(whole) {
            if let Some(user) = user {
                writer.element(out, &application(row, profile(user, whole)));
            }
        }
        let full = rows.len() == PAGE;
        Ok(self.list.cursor.turn(writer, out, full, uids.into_iter().next_back()))
    }
}

fn application<'a>(row: &'a FriendRequest, profile: Profile<'a>) -> FriendApplication<'a> {
    FriendApplication {
        profile,
        req_message: &row.message,
        apply_time: row.create_ms / 1000,
        flag: row.flag,
    }
}
