//! The directory on the embedded engine: one row per user.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use openim_record::UserId;
use parking_lot::Mutex;

use super::error::{index_corrupt, index_error};
use super::index::Index;
use super::index::inbox::{user_key, user_of};
use crate::port::{Directory, Registered, StoreError, User, UserChange};

/// Form of a row, its first byte.
const ROW_VERSION: u8 = 1;

/// The embedded engine's directory.
pub struct EmbeddedDirectory {
    index: Arc<Index>,
    /// Held from the look until the commit, so that of two registrations the first wins.
    writer: Mutex<()>,
}

impl EmbeddedDirectory {
    pub(super) const fn new(index: Arc<Index>) -> Self {
        Self { index, writer: Mutex::new(()) }
    }
}

impl Directory for EmbeddedDirectory {
    fn register(&self, users: &[User]) -> Result<Vec<Registered>, StoreError> {
        let _writer = self.writer.lock();
        let mut out = self.index.batch();
        let mut here = HashSet::new();
        let mut outcomes = Vec::with_capacity(users.len());
        for user in users {
            let key = user_key(&user.uid, 0);
            let known = self.index.users.contains_key(&key);
            let known = known.map_err(index_error("looking a user up"))?;
            if known || !here.insert(&user.uid) {
                outcomes.push(Registered::Exists);
            } else {
                out.insert(&self.index.users, key, encode(user));
                outcomes.push(Registered::Created);
            }
        }
        if !here.is_empty() {
            self.index.commit(out, "registering users")?;
        }
        Ok(outcomes)
    }

    fn users(&self, users: &[UserId]) -> Result<Vec<Option<User>>, StoreError> {
        users
            .iter()
            .map(|uid| {
                let row = self.index.users.get(user_key(uid, 0));
                let row = row.map_err(index_error("looking a user up"))?;
                row.map(|row| decode(uid, &row).ok_or_else(malformed)).transpose()
            })
            .collect()
    }

    fn update(&self, changes: &[UserChange]) -> Result<Vec<Option<User>>, StoreError> {
        let _writer = self.writer.lock();
        let mut out = self.index.batch();
        let mut changed: HashMap<&UserId, User> = HashMap::new();
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            let known = match changed.get(&change.uid) {
                Some(row) => Some(row.clone()),
                None => self.users(std::slice::from_ref(&change.uid))?.pop().flatten(),
            };
            let row = known.map(|row| apply(row, change));
            if let Some(row) = &row {
                changed.insert(&change.uid, row.clone());
            }
            rows.push(row);
        }
        if !changed.is_empty() {
            for row in changed.values() {
                out.insert(&self.index.users, user_key(&row.uid, 0), encode(row));
            }
            self.index.commit(out, "changing users")?;
        }
        Ok(rows)
    }

    fn delete(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let _writer = self.writer.lock();
        let mut out = self.index.batch();
        let mut here = HashSet::new();
        let mut outcomes = Vec::with_capacity(users.len());
        for uid in users {
            let key = user_key(uid, 0);
            let known = self.index.users.contains_key(&key);
            let known = known.map_err(index_error("looking a user up"))? && here.insert(uid);
            if known {
                out.remove(&self.index.users, key);
            }
            outcomes.push(known);
        }
        if !here.is_empty() {
            self.index.commit(out, "deleting users")?;
        }
        Ok(outcomes)
    }

    fn uids(&self, after: Option<&UserId>, uids_max: usize) -> Result<Vec<UserId>, StoreError> {
        let start = after.map_or(Bound::Unbounded, |uid| Bound::Excluded(user_key(uid, 0)));
        let rows = self.index.users.range::<Vec<u8>, _>((start, Bound::Unbounded));
        rows.take(uids_max)
            .map(|row| {
                let key = row.key().map_err(index_error("listing users"))?;
                user_of(&key).ok_or_else(malformed)
            })
            .collect()
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

fn malformed() -> StoreError {
    index_corrupt("users", "a user's row is malformed")
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

fn decode(uid: &UserId, row: &[u8]) -> Option<User> {
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
