//! Relations on the embedded engine: a row for each entry of a user's lists, and their lengths.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use openim_record::UserId;

use super::changes::Changes;
use super::index::RELATIONS;
use super::index::relations::{
    Lengths, List, RequestRow, decode_friend, encode_blocked, encode_friend, entry_key, entry_of,
    lengths_key, list_key, peer_of,
};
use super::table::{Names, Staged, Table};
use crate::port::{
    Friend, FriendRequest, Relation, RelationChange, RelationOutcome, Relations, StoreError, Tell,
};

const NAMES: Names =
    Names { table: "relations", reading: "reading relations", changing: "changing relations" };

/// The embedded engine's relations.
pub struct EmbeddedRelations {
    table: Table,
}

impl EmbeddedRelations {
    pub(super) fn new(changes: Arc<Changes>) -> Self {
        Self { table: Table::new(changes, RELATIONS, NAMES) }
    }

    fn list<T>(
        &self,
        list: (List, &UserId),
        after: Option<&UserId>,
        rows_max: usize,
        read: impl Fn(UserId, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let after = after.map(|uid| uid.as_str().as_bytes());
        let read = |rest: &[u8], row: &[u8]| read(peer_of(rest)?, row);
        self.table.page(&list_key(list.0, list.1), after, rows_max, read)
    }
}

#[async_trait]
impl Relations for EmbeddedRelations {
    async fn apply(
        &self,
        changes: &[RelationChange],
        rows_max: usize,
    ) -> Result<Vec<RelationOutcome>, StoreError> {
        self.apply_and_tell(changes, rows_max, &mut |_, _| None).await
    }

    async fn apply_and_tell(
        &self,
        changes: &[RelationChange],
        rows_max: usize,
        tell: Tell<'_, RelationOutcome>,
    ) -> Result<Vec<RelationOutcome>, StoreError> {
        let mut batch = Batch { staged: self.table.change(), rows_max };
        let mut outcomes = Vec::with_capacity(changes.len());
        for (number, change) in changes.iter().enumerate() {
            let outcome = batch.apply(change)?;
            batch.staged.tell(tell(number, &outcome));
            outcomes.push(outcome);
        }
        batch.staged.commit()?;
        Ok(outcomes)
    }

    async fn forget(
        &self,
        users: &[UserId],
        after: Option<&[u8]>,
        rows_max: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let gone: HashSet<&UserId> = users.iter().collect();
        let mut batch = Batch { staged: self.table.change(), rows_max };
        let keys = self.table.page(b"", after, rows_max, |key, _| Some(key.to_vec()))?;
        let mut over = keys.len() < rows_max;
        for key in &keys {
            // Behind the entries lie the lengths of lists.
            let Some((list, owner, peer)) = entry_of(key) else {
                over = true;
                break;
            };
            if gone.contains(&owner) || gone.contains(&peer) {
                batch.remove(list, &owner, &peer)?;
            }
        }
        batch.staged.commit()?;
        Ok(keys.into_iter().next_back().filter(|_| !over))
    }

    async fn relations(
        &self,
        owner: &UserId,
        peers: &[UserId],
    ) -> Result<Vec<Relation>, StoreError> {
        let relation = |peer: &UserId| {
            let friend = entry_key(List::Friends, owner, peer);
            let blocked = entry_key(List::Blocked, owner, peer);
            Ok(Relation {
                friend: self.table.get(&friend, |row| decode_friend(peer.clone(), row))?,
                blocked: self.table.get(&blocked, |_| Some(()))?.is_some(),
            })
        };
        peers.iter().map(relation).collect()
    }

    async fn friends(
        &self,
        owner: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<Friend>, StoreError> {
        self.list((List::Friends, owner), after, rows_max, decode_friend)
    }

    async fn blacklist(
        &self,
        owner: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        self.list((List::Blocked, owner), after, rows_max, |peer, _| Some(peer))
    }

    async fn requests_received(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<FriendRequest>, StoreError> {
        self.list((List::Received, user), after, rows_max, |from, row| {
            Some(RequestRow::decode(row)?.named(from, user.clone()))
        })
    }

    async fn request(
        &self,
        from: &UserId,
        to: &UserId,
    ) -> Result<Option<FriendRequest>, StoreError> {
        let row = self.table.get(&entry_key(List::Received, to, from), RequestRow::decode)?;
        Ok(row.map(|row| row.named(from.clone(), to.clone())))
    }

    async fn requests_sent(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<FriendRequest>, StoreError> {
        self.list((List::Sent, user), after, rows_max, |to, row| {
            Some(RequestRow::decode(row)?.named(user.clone(), to))
        })
    }
}

/// The changes of one call. Each looks first and stages then, so that one that cannot be leaves
/// nothing behind.
struct Batch<'a> {
    staged: Staged<'a>,
    rows_max: usize,
}

/// An entry that a list does not have yet.
struct Entry<'a> {
    list: List,
    owner: &'a UserId,
    peer: &'a UserId,
    row: Vec<u8>,
}

impl Batch<'_> {
    fn apply(&mut self, change: &RelationChange) -> Result<RelationOutcome, StoreError> {
        match change {
            RelationChange::Request { from, to, message, now_ms } => {
                self.request(from, to, message, *now_ms)
            }
            RelationChange::Answer { from, to, flag, now_ms } => {
                self.answer(from, to, *flag, *now_ms)
            }
            RelationChange::Befriend { owner, friend, now_ms } => {
                let missing = self.friendship_missing(owner, friend, *now_ms)?;
                let new = !missing.is_empty();
                Ok(match self.add(missing)? {
                    true => RelationOutcome::Befriended { new },
                    false => RelationOutcome::Full,
                })
            }
            RelationChange::Unfriend { owner, friend } => self.remove(List::Friends, owner, friend),
            RelationChange::Comment { owner, friend, comment } => {
                let key = entry_key(List::Friends, owner, friend);
                let row = self.staged.get(&key, |row| decode_friend(friend.clone(), row))?;
                if let Some(Friend { create_ms, .. }) = row {
                    self.staged.put(key, encode_friend(comment, create_ms));
                }
                Ok(RelationOutcome::Done)
            }
            RelationChange::Block { owner, peer, now_ms } => {
                if self.staged.has(&entry_key(List::Blocked, owner, peer))? {
                    return Ok(RelationOutcome::Done);
                }
                let row = encode_blocked(*now_ms);
                let added = self.add(vec![Entry { list: List::Blocked, owner, peer, row }])?;
                Ok(if added { RelationOutcome::Done } else { RelationOutcome::Full })
            }
            RelationChange::Unblock { owner, peer } => self.remove(List::Blocked, owner, peer),
        }
    }

    fn request(
        &mut self,
        from: &UserId,
        to: &UserId,
        message: &str,
        now_ms: i64,
    ) -> Result<RelationOutcome, StoreError> {
        let before = self.staged.get(&entry_key(List::Received, to, from), RequestRow::decode)?;
        // The time names the request, so no clock may give two of a pair the same one.
        let create_ms =
            before.as_ref().map_or(now_ms, |row| now_ms.max(row.create_ms.saturating_add(1)));
        let request = RequestRow { flag: 0, agreed: false, message: message.to_owned(), create_ms };
        if before.is_some() {
            self.put_request(from, to, &request);
        } else {
            let row = request.encode();
            let sent = Entry { list: List::Sent, owner: from, peer: to, row: row.clone() };
            let received = Entry { list: List::Received, owner: to, peer: from, row };
            if !self.add(vec![sent, received])? {
                return Ok(RelationOutcome::Full);
            }
        }
        Ok(RelationOutcome::Requested { create_ms })
    }

    fn answer(
        &mut self,
        from: &UserId,
        to: &UserId,
        flag: i32,
        now_ms: i64,
    ) -> Result<RelationOutcome, StoreError> {
        let request = self.staged.get(&entry_key(List::Received, to, from), RequestRow::decode)?;
        let Some(mut request) = request else { return Ok(RelationOutcome::NoRequest) };
        if flag == 1 {
            let missing = self.friendship_missing(to, from, now_ms)?;
            if request.agreed && !missing.is_empty() {
                return Ok(RelationOutcome::NoRequest);
            }
            if !self.add(missing)? {
                return Ok(RelationOutcome::Full);
            }
        }
        let agreed = request.agreed || flag == 1;
        if (flag, agreed) != (request.flag, request.agreed) {
            (request.flag, request.agreed) = (flag, agreed);
            self.put_request(from, to, &request);
        }
        Ok(RelationOutcome::Requested { create_ms: request.create_ms })
    }

    /// Writes a request that is there already, for both who see it.
    fn put_request(&mut self, from: &UserId, to: &UserId, request: &RequestRow) {
        self.staged.put(entry_key(List::Received, to, from), request.encode());
        self.staged.put(entry_key(List::Sent, from, to), request.encode());
    }

    /// What is missing until the two are friends of each other.
    fn friendship_missing<'u>(
        &self,
        one: &'u UserId,
        other: &'u UserId,
        now_ms: i64,
    ) -> Result<Vec<Entry<'u>>, StoreError> {
        let mut missing = Vec::new();
        // Of oneself there is only one row.
        let ways = [(one, other), (other, one)];
        for (owner, peer) in ways.into_iter().take(if one == other { 1 } else { 2 }) {
            if !self.staged.has(&entry_key(List::Friends, owner, peer))? {
                let row = encode_friend("", now_ms);
                missing.push(Entry { list: List::Friends, owner, peer, row });
            }
        }
        Ok(missing)
    }

    /// Adds entries that are not there, all or none: `false` when one of the lists is full.
    fn add(&mut self, entries: Vec<Entry<'_>>) -> Result<bool, StoreError> {
        let mut owners: BTreeMap<&UserId, Lengths> = BTreeMap::new();
        for Entry { list, owner, .. } in &entries {
            let mut lengths = match owners.get(owner) {
                Some(lengths) => *lengths,
                None => self.lengths(owner)?,
            };
            if *lengths.of(*list) as usize >= self.rows_max {
                return Ok(false);
            }
            *lengths.of(*list) += 1;
            owners.insert(owner, lengths);
        }
        for (owner, lengths) in owners {
            self.staged.put(lengths_key(owner), lengths.encode());
        }
        for Entry { list, owner, peer, row } in entries {
            self.staged.put(entry_key(list, owner, peer), row);
        }
        Ok(true)
    }

    fn remove(
        &mut self,
        list: List,
        owner: &UserId,
        peer: &UserId,
    ) -> Result<RelationOutcome, StoreError> {
        let key = entry_key(list, owner, peer);
        if self.staged.has(&key)? {
            let mut lengths = self.lengths(owner)?;
            let length = lengths.of(list);
            *length = length.checked_sub(1).ok_or_else(|| self.staged.malformed())?;
            let row = (!lengths.is_zero()).then(|| lengths.encode());
            self.staged.remove(key);
            self.staged.put_or_remove(lengths_key(owner), row);
        }
        Ok(RelationOutcome::Done)
    }

    fn lengths(&self, owner: &UserId) -> Result<Lengths, StoreError> {
        Ok(self.staged.get(&lengths_key(owner), Lengths::decode)?.unwrap_or_default())
    }
}
