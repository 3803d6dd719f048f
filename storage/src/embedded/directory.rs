//! The directory on the embedded engine: one row per user.

use std::sync::Arc;

use async_trait::async_trait;
use openim_record::UserId;

use super::changes::Changes;
use super::index::USERS;
use super::index::inbox::{user_key, user_of};
use super::table::{Names, Table};
use crate::port::{Directory, Registered, StoreError, User, UserChange};

const NAMES: Names =
    Names { table: "users", reading: "looking users up", changing: "changing users" };

/// Form of a row, its first byte.
const ROW_VERSION: u8 = 1;

/// The embedded engine's directory.
pub struct EmbeddedDirectory {
    table: Table,
}

impl EmbeddedDirectory {
    pub(super) fn new(changes: Arc<Changes>) -> Self {
        Self { table: Table::new(changes, USERS, NAMES) }
    }
}

#[async_trait]
impl Directory for EmbeddedDirectory {
    async fn register(&self, users: &[User]) -> Result<Vec<Registered>, StoreError> {
        let mut staged = self.table.change();
        let mut register = |user: &User| {
            let key = user_key(&user.uid, 0);
            if staged.has(&key)? {
                return Ok(Registered::Exists);
            }
            staged.put(key, encode(user));
            Ok(Registered::Created)
        };
        let outcomes = users.iter().map(&mut register).collect();
        staged.commit_with(outcomes)
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<Option<User>>, StoreError> {
        let user = |uid| self.table.get(&user_key(uid, 0), |row| decode(uid, row));
        users.iter().map(user).collect()
    }

    async fn update(&self, changes: &[UserChange]) -> Result<Vec<Option<User>>, StoreError> {
        let mut staged = self.table.change();
        let mut update = |change: &UserChange| {
            let key = user_key(&change.uid, 0);
            let row = staged.get(&key, |row| decode(&change.uid, row))?;
            let Some(before) = row else { return Ok(None) };
            let row = apply(before.clone(), change);
            if row != before {
                staged.put(key, encode(&row));
            }
            Ok(Some(row))
        };
        let rows = changes.iter().map(&mut update).collect();
        staged.commit_with(rows)
    }

    async fn delete(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let mut staged = self.table.change();
        let mut delete = |uid: &UserId| {
            let key = user_key(uid, 0);
            let known = staged.has(&key)?;
            if known {
                staged.remove(key);
            }
            Ok(known)
        };
        let outcomes = users.iter().map(&mut delete).collect();
        staged.commit_with(outcomes)
    }

    async fn uids(
        &self,
        after: Option<&UserId>,
        uids_max: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        let after = after.map(|uid| user_key(uid, 0));
        self.table.page(b"", after.as_deref(), uids_max, |key, _| user_of(key))
    }
}

/// The row with the change in it.
fn apply(mut row: User, change: &UserChange) -> User {
    let UserChange { uid: _, name, icon, gender, mobile, birth, email, ex } = change;
    let texts = [
        (&mut row.name, name),
        (&mut row.icon, icon),
        (&mut row.mobile, mobile),
        (&mut row.birth, birth),
        (&mut row.email, email),
        (&mut row.ex, ex),
    ];
    for (text, change) in texts {
        if let Some(change) = change {
            text.clone_from(change);
        }
    }
    row.gender = gender.unwrap_or(row.gender);
    row
}

fn encode(user: &User) -> Vec<u8> {
    let User { uid: _, name, icon, gender, mobile, birth, email, ex, create_ms } = user;
    let mut out = vec![ROW_VERSION];
    out.extend_from_slice(&gender.to_le_bytes());
    out.extend_from_slice(&create_ms.to_le_bytes());
    for text in [name, icon, mobile, birth, email, ex] {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

pub(super) fn decode(uid: &UserId, row: &[u8]) -> Option<User> {
    let rest = row.strip_prefix(&[ROW_VERSION])?;
    let (gender, rest) = rest.split_first_chunk()?;
    let (create_ms, mut rest) = rest.split_first_chunk()?;
    let mut texts: [String; 6] = Default::default();
    for text in &mut texts {
        let (length, tail) = rest.split_first_chunk()?;
        let (bytes, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        *text = str::from_utf8(bytes).ok()?.to_owned();
        rest = tail;
    }
    let [name, icon, mobile, birth, email, ex] = texts;
    rest.is_empty().then(|| User {
        uid: uid.clone(),
        name,
        icon,
        gender: i32::from_le_bytes(*gender),
        mobile,
        birth,
        email,
        ex,
        create_ms: i64::from_le_bytes(*create_ms),
    })
}
