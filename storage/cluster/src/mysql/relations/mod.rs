//! Relations on MySQL: a row for each friend, blocked user and request.
//!
//! Here are the reads, and how the deleted are forgotten; [`changes`] makes changes.

mod changes;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use openim_record::UserId;
use openim_storage::port::{
    Friend, FriendRequest, Relation, RelationChange, RelationOutcome, Relations, StoreError,
};
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row as _};

use super::fault::Fault;
use super::statement::{PART, Statement, id, millis, push_ids, push_page, sorted, text};
use super::store::Store;

/// Relations on MySQL.
pub struct MysqlRelations(Arc<Store>);

impl MysqlRelations {
    pub(super) const fn new(store: Arc<Store>) -> Self {
        Self(store)
    }
}

const READING: &str = "reading relations";
const FRIENDS: &str = concat!(
    "SELECT friend_id, comment, ",
    millis!("create_time"),
    " FROM friend WHERE owner_id = "
);
const BLOCKED: &str = "SELECT block_id FROM user_black_list WHERE owner_id = ";

/// The statement that finds requests so.
macro_rules! requests {
    ($condition:literal) => {
        concat!(
            "SELECT req_id, user_id, flag, req_message, ",
            millis!("create_time"),
            " FROM friend_request WHERE ",
            $condition
        )
    };
}

/// Where the rows of users lie, by their column: what [`forget`] walks over, one after the other.
const PLACES: [(&str, &str); 6] = [
    ("friend", "owner_id"),
    ("friend", "friend_id"),
    ("user_black_list", "owner_id"),
    ("user_black_list", "block_id"),
    ("friend_request", "user_id"),
    ("friend_request", "req_id"),
];

#[async_trait]
impl Relations for MysqlRelations {
    async fn apply(
        &self,
        changes: &[RelationChange],
        rows_max: usize,
    ) -> Result<Vec<RelationOutcome>, StoreError> {
        let of = (changes.to_vec(), rows_max);
        self.0
            .change("changing relations", of, |on, (changes, rows_max)| {
                Box::pin(changes::apply(on, changes, *rows_max))
            })
            .await
    }

    async fn forget(
        &self,
        users: &[UserId],
        after: Option<&[u8]>,
        rows_max: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let of = (users.to_vec(), after.and_then(|after| after.first().copied()), rows_max);
        self.0
            .change("forgetting relations", of, |on, (users, step, rows_max)| {
                Box::pin(forget(on, users, step.unwrap_or(0), *rows_max))
            })
            .await
    }

    async fn relations(
        &self,
        owner: &UserId,
        peers: &[UserId],
    ) -> Result<Vec<Relation>, StoreError> {
        let of = (owner.clone(), peers.to_vec());
        self.0.read(READING, of, |on, (owner, peers)| Box::pin(relations(on, owner, peers))).await
    }

    async fn friends(
        &self,
        owner: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<Friend>, StoreError> {
        self.page(FRIENDS, owner, "friend_id", after, rows_max, friend).await
    }

    async fn blacklist(
        &self,
        owner: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        let row = |row: &MySqlRow| Ok(UserId::new(id(row, 0)?));
        self.page(BLOCKED, owner, "block_id", after, rows_max, row).await
    }

    async fn requests_received(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<FriendRequest>, StoreError> {
        self.page(requests!("user_id = "), user, "req_id", after, rows_max, request).await
    }

    async fn request(
        &self,
        from: &UserId,
        to: &UserId,
    ) -> Result<Option<FriendRequest>, StoreError> {
        let of = (from.clone(), to.clone());
        self.0
            .read(READING, of, |on, (from, to)| {
                Box::pin(async move {
                    let look = sqlx::query(requests!("user_id = ? AND req_id = ?"));
                    let look = look.bind(to.as_str().as_bytes()).bind(from.as_str().as_bytes());
                    let row = look.fetch_optional(on).await?;
                    row.as_ref().map(request).transpose()
                })
            })
            .await
    }

    async fn requests_sent(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<FriendRequest>, StoreError> {
        self.page(requests!("req_id = "), user, "user_id", after, rows_max, request).await
    }
}

impl MysqlRelations {
    /// A page of a list: what the statement finds of `owner`, behind `after` in the order of a column.
    async fn page<T: Send + 'static>(
        &self,
        find: &'static str,
        owner: &UserId,
        column: &'static str,
        after: Option<&UserId>,
        rows_max: usize,
        read: fn(&MySqlRow) -> Result<T, Fault>,
    ) -> Result<Vec<T>, StoreError> {
        let of = (owner.clone(), after.cloned());
        self.0
            .read(READING, of, move |on, (owner, after)| {
                Box::pin(async move {
                    let mut page = Statement::new(find);
                    page.push_bind(owner.as_str().as_bytes()).push(" AND ").push(column);
                    push_page(&mut page, after.as_ref().map(UserId::as_str), column, rows_max);
                    page.build().fetch_all(on).await?.iter().map(read).collect()
                })
            })
            .await
    }
}

/// Removes up to `rows_max` rows of these users, and says in which place to go on. Only such rows are looked at, as
/// each place has a key.
async fn forget(
    on: &mut MySqlConnection,
    users: &[UserId],
    mut place: u8,
    rows_max: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let users = sorted(users.iter());
    let mut left = rows_max as u64;
    while let Some((table, column)) = PLACES.get(usize::from(place)) {
        for ids in users.chunks(PART) {
            let mut deletion = Statement::new("DELETE FROM ");
            deletion.push(table).push(" WHERE ").push(column).push(" IN ");
            push_ids(&mut deletion, ids);
            deletion.push(" LIMIT ").push_bind(left);
            left -= deletion.build().execute(&mut *on).await?.rows_affected().min(left);
            if left == 0 {
                return Ok(Some(vec![place]));
            }
        }
        place += 1;
    }
    Ok(None)
}

async fn relations(
    on: &mut MySqlConnection,
    owner: &UserId,
    peers: &[UserId],
) -> Result<Vec<Relation>, Fault> {
    let mut found: HashMap<UserId, Relation> = HashMap::new();
    let owner = owner.as_str().as_bytes();
    for ids in sorted(peers.iter()).chunks(PART) {
        let mut look = Statement::new(FRIENDS);
        look.push_bind(owner).push(" AND friend_id IN ");
        push_ids(&mut look, ids);
        for row in look.build().fetch_all(&mut *on).await? {
            let friend = friend(&row)?;
            let uid = friend.uid.clone();
            found.entry(uid).or_default().friend = Some(friend);
        }
        let mut look = Statement::new(BLOCKED);
        look.push_bind(owner).push(" AND block_id IN ");
        push_ids(&mut look, ids);
        for row in look.build().fetch_all(&mut *on).await? {
            found.entry(UserId::new(id(&row, 0)?)).or_default().blocked = true;
        }
    }
    Ok(peers.iter().map(|peer| found.get(peer).cloned().unwrap_or_default()).collect())
}

fn friend(row: &MySqlRow) -> Result<Friend, Fault> {
    let (uid, comment) = (UserId::new(id(row, 0)?), text(row, 1)?);
    Ok(Friend { uid, comment, create_ms: row.try_get(2)? })
}

fn request(row: &MySqlRow) -> Result<FriendRequest, Fault> {
    Ok(FriendRequest {
        from: UserId::new(id(row, 0)?),
        to: UserId::new(id(row, 1)?),
        flag: row.try_get(2)?,
        message: text(row, 3)?,
        create_ms: row.try_get(4)?,
    })
}
