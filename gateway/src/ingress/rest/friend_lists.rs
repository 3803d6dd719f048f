//! The lists of `/friend`: friends, requests, the blacklist, a page at a time.

use std::rc::Rc;

use hyper::Response;
use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, FriendApplication, FriendEntry, ListKey, ListWriter};
use openim_record::UserId;
use openim_storage::port::{FriendRequest, User};

use super::answer::{self, Answer};
use super::friends::{asked, me};
use super::pages::{PAGE, Source, list};
use super::users::profile;
use crate::bus::Refused;
use crate::driver::Core;
use crate::ops::profile::gather_profiles;

pub(super) async fn get_friend_list(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let (_, me) = asked!(core, token, rest::decode_get_friend_list(body));
    list(core, Friends(List::of(me.uid)), |_| answer::refused(ErrCode::FindUser)).await
}

pub(super) async fn get_blacklist(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let (_, me) = asked!(core, token, rest::decode_get_blacklist(body));
    list(core, Blacklist(List::of(me.uid)), |_| answer::refused(ErrCode::GetBlacklist)).await
}

pub(super) async fn get_friend_apply_list(
    core: &Rc<Core>,
    token: &str,
    body: &[u8],
) -> Response<Answer> {
    let (_, me) = asked!(core, token, rest::decode_get_friend_apply_list(body));
    let source = Requests { list: List::of(me.uid), received: true };
    list(core, source, |_| answer::refused(ErrCode::Database)).await
}

pub(super) async fn get_self_apply_list(
    core: &Rc<Core>,
    token: &str,
    body: &[u8],
) -> Response<Answer> {
    let (_, me) = asked!(core, token, rest::decode_get_self_apply_list(body));
    let source = Requests { list: List::of(me.uid), received: false };
    list(core, source, |_| answer::refused(ErrCode::Database)).await
}

/// What the lists have in common.
struct List {
    owner: UserId,
    /// The last row shown.
    after: Option<UserId>,
    writer: Option<ListWriter>,
}

impl List {
    fn of(owner: UserId) -> Self {
        Self { owner, after: None, writer: None }
    }

    fn cursor(&self) -> (UserId, Option<UserId>) {
        (self.owner.clone(), self.after.clone())
    }

    fn writer(&mut self, out: &mut Vec<u8>) -> ListWriter {
        match self.writer.take() {
            Some(writer) => writer,
            None => ListWriter::begin(out, ListKey::Data),
        }
    }

    /// Ends a page of `rows` rows whose last one is `last`; whether more follow.
    fn turn(
        &mut self,
        writer: ListWriter,
        out: &mut Vec<u8>,
        rows: usize,
        last: Option<UserId>,
    ) -> bool {
        if rows < PAGE {
            writer.end(out, ErrCode::Ok, "");
            return false;
        }
        self.after = last;
        self.writer = Some(writer);
        true
    }
}

struct Friends(List);

impl Source for Friends {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (owner, after) = self.0.cursor();
        let (rows, relations) = core
            .query(move |sources| {
                let rows = sources.relations.friends(&owner, after.as_ref(), PAGE)?;
                let uids: Vec<UserId> = rows.iter().map(|friend| friend.uid.clone()).collect();
                let relations = sources.relations.relations(&owner, &uids)?;
                Ok((rows, relations))
            })
            .await?;
        let uids: Vec<UserId> = rows.iter().map(|friend| friend.uid.clone()).collect();
        let users = gather_profiles(core, &uids).await?;
        let mut writer = self.0.writer(out);
        for ((row, user), relation) in rows.iter().zip(&users).zip(&relations) {
            // Who has no row any more is left out, as in the original.
            let Some(user) = user else { continue };
            let entry = FriendEntry {
                profile: profile(user),
                comment: &row.comment,
                is_in_blacklist: relation.blocked,
            };
            writer.element(out, &entry);
        }
        let count = rows.len();
        Ok(self.0.turn(writer, out, count, uids.into_iter().next_back()))
    }
}

struct Blacklist(List);

impl Source for Blacklist {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (owner, after) = self.0.cursor();
        let page = move |sources: &openim_workers::reads::Sources| {
            sources.relations.blacklist(&owner, after.as_ref(), PAGE)
        };
        let uids = core.query(page).await?;
        let users = gather_profiles(core, &uids).await?;
        let mut writer = self.0.writer(out);
        for user in users.iter().flatten() {
            writer.element(out, &profile(user));
        }
        let count = uids.len();
        Ok(self.0.turn(writer, out, count, uids.into_iter().next_back()))
    }
}

struct Requests {
    list: List,
    /// Those that the owner received, or those that the owner sent.
    received: bool,
}

impl Source for Requests {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (owner, after) = self.list.cursor();
        let received = self.received;
        let rows = core
            .query(move |sources| match received {
                true => sources.relations.requests_received(&owner, after.as_ref(), PAGE),
                false => sources.relations.requests_sent(&owner, after.as_ref(), PAGE),
            })
            .await?;
        let other = |row: &FriendRequest| match received {
            true => row.from.clone(),
            false => row.to.clone(),
        };
        let uids: Vec<UserId> = rows.iter().map(other).collect();
        let users = gather_profiles(core, &uids).await?;
        let mut writer = self.list.writer(out);
        for (row, user) in rows.iter().zip(&users) {
            if let Some(user) = user {
                writer.element(out, &application(row, user));
            }
        }
        let count = rows.len();
        Ok(self.list.turn(writer, out, count, uids.into_iter().next_back()))
    }
}

fn application<'a>(row: &'a FriendRequest, user: &'a User) -> FriendApplication<'a> {
    FriendApplication {
        profile: profile(user),
        req_message: &row.message,
        apply_time: row.create_ms / 1000,
        flag: row.flag,
    }
}
