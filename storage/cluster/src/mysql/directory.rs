//! The directory on MySQL: a row for each user.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use openim_record::UserId;
use openim_storage::port::{Directory, Registered, StoreError, User, UserChange};
use sqlx::mysql::MySqlRow;
use sqlx::{Connection as _, MySqlConnection, Row as _};

use super::fault::Fault;
use super::statement::{
    PART, Statement, id, millis, parts, push_between, push_ids, push_page, push_time, sorted, text,
};
use super::store::Store;

/// Users on MySQL.
pub struct MysqlDirectory(Arc<Store>);

impl MysqlDirectory {
    pub(super) const fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    /// Asks whether the server answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn check(&self) -> Result<(), StoreError> {
        self.0.read("asking", (), |on, ()| Box::pin(async move { Ok(on.ping().await?) })).await
    }
}

const READING: &str = "reading users";
const COLUMNS: &str = concat!(
    "SELECT uid, name, icon, gender, mobile, birth, email, ex, ",
    millis!("create_time"),
    " FROM user WHERE uid IN "
);

#[async_trait]
impl Directory for MysqlDirectory {
    async fn register(&self, users: &[User]) -> Result<Vec<Registered>, StoreError> {
        self.0
            .change("registering users", users.to_vec(), |on, users| Box::pin(register(on, users)))
            .await
    }

    async fn users(&self, users: &[UserId]) -> Result<Vec<Option<User>>, StoreError> {
        self.0
            .read(READING, users.to_vec(), |on, users| {
                Box::pin(async move {
                    let found = find(on, users.iter(), "").await?;
                    Ok(users.iter().map(|uid| found.get(uid).cloned()).collect())
                })
            })
            .await
    }

    async fn update(&self, changes: &[UserChange]) -> Result<Vec<Option<User>>, StoreError> {
        self.0
            .change("changing users", changes.to_vec(), |on, changes| Box::pin(update(on, changes)))
            .await
    }

    async fn delete(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        self.0
            .change("deleting users", users.to_vec(), |on, users| Box::pin(delete(on, users)))
            .await
    }

    async fn uids(
        &self,
        after: Option<&UserId>,
        uids_max: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        self.0
            .read(READING, (after.cloned(), uids_max), |on, (after, uids_max)| {
                Box::pin(page(on, after.as_ref(), *uids_max))
            })
            .await
    }
}

async fn register(on: &mut MySqlConnection, users: &[User]) -> Result<Vec<Registered>, Fault> {
    // Whoever registers one of them meanwhile makes the insertion fail, and this is tried again.
    let mut taken: HashSet<UserId> =
        find(on, users.iter().map(|user| &user.uid), "").await?.into_keys().collect();
    let mut new = Vec::new();
    let mut outcomes = Vec::with_capacity(users.len());
    for user in users {
        let is_new = taken.insert(user.uid.clone());
        outcomes.push(if is_new { Registered::Created } else { Registered::Exists });
        new.extend(is_new.then_some(user));
    }
    for users in parts(&new) {
        let mut insertion = Statement::new(
            "INSERT INTO user (uid, name, icon, gender, mobile, birth, email, ex, create_time) VALUES ",
        );
        for (n, user) in users.iter().enumerate() {
            push_between(&mut insertion, n, ", ");
            let mut row = insertion.separated(", ");
            row.push_unseparated("(").push_bind(user.uid.as_str().as_bytes());
            row.push_bind(&*user.name).push_bind(&*user.icon).push_bind(user.gender);
            row.push_bind(&*user.mobile).push_bind(&*user.birth).push_bind(&*user.email);
            row.push_bind(&*user.ex).push_unseparated(", ");
            push_time(&mut insertion, user.create_ms);
            insertion.push(")");
        }
        insertion.build().execute(&mut *on).await?;
    }
    Ok(outcomes)
}

async fn update(
    on: &mut MySqlConnection,
    changes: &[UserChange],
) -> Result<Vec<Option<User>>, Fault> {
    let uids = changes.iter().map(|change| &change.uid);
    let mut rows = find(on, uids, " FOR UPDATE").await?;
    let mut changed = BTreeSet::new();
    let mut outcomes = Vec::with_capacity(changes.len());
    for change in changes {
        let row = rows.get_mut(&change.uid).map(|row| {
            apply(change, row);
            changed.insert(&change.uid);
            row.clone()
        });
        outcomes.push(row);
    }
    for uid in changed {
        let Some(user) = rows.get(uid) else { continue };
        let update = "UPDATE user SET name = ?, icon = ?, gender = ?, mobile = ?, birth = ?, email = ?, ex = ? \
             WHERE uid = ?";
        let update = sqlx::query(update).bind(&*user.name).bind(&*user.icon).bind(user.gender);
        let update = update.bind(&*user.mobile).bind(&*user.birth).bind(&*user.email);
        let update = update.bind(&*user.ex).bind(user.uid.as_str().as_bytes());
        update.execute(&mut *on).await?;
    }
    Ok(outcomes)
}

fn apply(change: &UserChange, row: &mut User) {
    let UserChange { uid: _, name, icon, gender, mobile, birth, email, ex } = change;
    row.gender = gender.unwrap_or(row.gender);
    for (column, text) in [
        (&mut row.name, name),
        (&mut row.icon, icon),
        (&mut row.mobile, mobile),
        (&mut row.birth, birth),
        (&mut row.email, email),
        (&mut row.ex, ex),
    ] {
        if let Some(text) = text {
            column.clone_from(text);
        }
    }
}

async fn delete(on: &mut MySqlConnection, users: &[UserId]) -> Result<Vec<bool>, Fault> {
    let mut there = find(on, users.iter(), " FOR UPDATE").await?;
    let outcomes = users.iter().map(|uid| there.remove(uid).is_some()).collect();
    for ids in sorted(users.iter()).chunks(PART) {
        let mut deletion = Statement::new("DELETE FROM user WHERE uid IN ");
        push_ids(&mut deletion, ids);
        deletion.build().execute(&mut *on).await?;
    }
    Ok(outcomes)
}

/// The rows of users, each once, locked if the statement ends so.
async fn find<'u>(
    on: &mut MySqlConnection,
    users: impl Iterator<Item = &'u UserId>,
    end: &str,
) -> Result<HashMap<UserId, User>, Fault> {
    let mut found = HashMap::new();
    for ids in sorted(users).chunks(PART) {
        let mut look = Statement::new(COLUMNS);
        push_ids(&mut look, ids);
        look.push(end);
        for row in look.build().fetch_all(&mut *on).await? {
            let user = user_of(&row)?;
            found.insert(user.uid.clone(), user);
        }
    }
    Ok(found)
}

async fn page(
    on: &mut MySqlConnection,
    after: Option<&UserId>,
    uids_max: usize,
) -> Result<Vec<UserId>, Fault> {
    let mut page = Statement::new("SELECT uid FROM user WHERE uid");
    push_page(&mut page, after.map(UserId::as_str), "uid", uids_max);
    let rows = page.build().fetch_all(on).await?;
    rows.iter().map(|row| Ok(UserId::new(id(row, 0)?))).collect()
}

fn user_of(row: &MySqlRow) -> Result<User, Fault> {
    let gender: Option<u32> = row.try_get(3)?;
    Ok(User {
        uid: UserId::new(id(row, 0)?),
        name: text(row, 1)?,
        icon: text(row, 2)?,
        gender: i32::try_from(gender.unwrap_or(0)).unwrap_or(i32::MAX),
        mobile: text(row, 4)?,
        birth: text(row, 5)?,
        email: text(row, 6)?,
        ex: text(row, 7)?,
        create_ms: row.try_get(8)?,
    })
}
