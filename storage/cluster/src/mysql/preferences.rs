//! Preferences on MySQL: a row for each conversation that has an option.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use openim_record::UserId;
use openim_storage::port::{PreferenceChange, Preferences, StoreError};
use sqlx::{MySqlConnection, Row as _};

use super::fault::Fault;
use super::locks::lock;
use super::statement::{PART, Statement, id, push_ids, push_page};
use super::store::Store;

/// Preferences on MySQL.
pub struct MysqlPreferences(Arc<Store>);

impl MysqlPreferences {
    pub(super) const fn new(store: Arc<Store>) -> Self {
        Self(store)
    }
}

const READING: &str = "reading preferences";

#[async_trait]
impl Preferences for MysqlPreferences {
    async fn set(
        &self,
        changes: &[PreferenceChange],
        rows_max: usize,
    ) -> Result<Vec<bool>, StoreError> {
        let of = (changes.to_vec(), rows_max);
        let what = "changing preferences";
        self.0
            .change(what, of, |on, (changes, rows_max)| Box::pin(set(on, changes, *rows_max)))
            .await
    }

    async fn get(&self, user: &UserId, conversations: &[String]) -> Result<Vec<i32>, StoreError> {
        let of = (user.clone(), conversations.to_vec());
        self.0
            .read(READING, of, |on, (user, conversations)| {
                Box::pin(async move {
                    let found = find(on, user, conversations.iter().map(String::as_str)).await?;
                    let option = |conversation: &String| found.get(conversation).copied();
                    Ok(conversations.iter().map(|name| option(name).unwrap_or(0)).collect())
                })
            })
            .await
    }

    async fn all(
        &self,
        user: &UserId,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<(String, i32)>, StoreError> {
        let of = (user.clone(), after.map(str::to_owned), rows_max);
        self.0
            .read(READING, of, |on, (user, after, rows_max)| {
                Box::pin(page(on, user, after.as_deref(), *rows_max))
            })
            .await
    }
}

async fn set(
    on: &mut MySqlConnection,
    changes: &[PreferenceChange],
    rows_max: usize,
) -> Result<Vec<bool>, Fault> {
    lock(on, changes.iter().map(|change| &change.user)).await?;
    let mut users: BTreeMap<&UserId, Vec<&PreferenceChange>> = BTreeMap::new();
    for change in changes {
        users.entry(&change.user).or_default().push(change);
    }
    let mut kept: HashMap<&UserId, Kept> = HashMap::new();
    for (user, changes) in users {
        let named = changes.iter().map(|change| change.conversation.as_str());
        let before = find(on, user, named).await?;
        let count = "SELECT COUNT(*) FROM conversation_option WHERE user_id = ?";
        let count = sqlx::query_scalar(count).bind(user.as_str().as_bytes());
        let count: i64 = count.fetch_one(&mut *on).await?;
        kept.insert(user, Kept { now: before.clone(), before, count });
    }
    let mut outcomes = Vec::with_capacity(changes.len());
    for change in changes {
        outcomes.push(kept.get_mut(&change.user).is_some_and(|kept| kept.set(change, rows_max)));
    }
    for (user, kept) in &kept {
        kept.write(on, user).await?;
    }
    Ok(outcomes)
}

/// A user's options, of those that a batch is about.
struct Kept {
    before: HashMap<String, i32>,
    now: HashMap<String, i32>,
    /// How many the user has in all.
    count: i64,
}

impl Kept {
    /// `false` when there is no room for it.
    fn set(&mut self, change: &PreferenceChange, rows_max: usize) -> bool {
        let PreferenceChange { conversation, option, .. } = change;
        let is_set = self.now.contains_key(conversation);
        if *option == 0 {
            self.now.remove(conversation);
            self.count -= i64::from(is_set);
            return true;
        }
        if !is_set && self.count >= i64::try_from(rows_max).unwrap_or(i64::MAX) {
            return false;
        }
        self.count += i64::from(!is_set);
        self.now.insert(conversation.clone(), *option);
        true
    }

    async fn write(&self, on: &mut MySqlConnection, user: &UserId) -> Result<(), Fault> {
        for conversation in self.before.keys().filter(|name| !self.now.contains_key(*name)) {
            let gone = "DELETE FROM conversation_option WHERE user_id = ? AND conversation_id = ?";
            let gone = sqlx::query(gone).bind(user.as_str().as_bytes());
            gone.bind(conversation.as_bytes()).execute(&mut *on).await?;
        }
        for (conversation, option) in &self.now {
            if self.before.get(conversation) == Some(option) {
                continue;
            }
            let put = "INSERT INTO conversation_option (user_id, conversation_id, receive_option) VALUES (?, ?, ?) \
                 ON DUPLICATE KEY UPDATE receive_option = VALUES(receive_option)";
            let put = sqlx::query(put).bind(user.as_str().as_bytes());
            put.bind(conversation.as_bytes()).bind(option).execute(&mut *on).await?;
        }
        Ok(())
    }
}

async fn find(
    on: &mut MySqlConnection,
    user: &UserId,
    conversations: impl Iterator<Item = &str>,
) -> Result<HashMap<String, i32>, Fault> {
    let conversations: Vec<&[u8]> = conversations.map(str::as_bytes).collect();
    let mut found = HashMap::new();
    for ids in conversations.chunks(PART) {
        let mut look = Statement::new(
            "SELECT conversation_id, receive_option FROM conversation_option WHERE user_id = ",
        );
        look.push_bind(user.as_str().as_bytes()).push(" AND conversation_id IN ");
        push_ids(&mut look, ids);
        for row in look.build().fetch_all(&mut *on).await? {
            found.insert(id(&row, 0)?.to_owned(), row.try_get(1)?);
        }
    }
    Ok(found)
}

async fn page(
    on: &mut MySqlConnection,
    user: &UserId,
    after: Option<&str>,
    rows_max: usize,
) -> Result<Vec<(String, i32)>, Fault> {
    let mut page = Statement::new(
        "SELECT conversation_id, receive_option FROM conversation_option WHERE user_id = ",
    );
    page.push_bind(user.as_str().as_bytes()).push(" AND conversation_id");
    push_page(&mut page, after, "conversation_id", rows_max);
    let rows = page.build().fetch_all(on).await?;
    rows.iter().map(|row| Ok((id(row, 0)?.to_owned(), row.try_get(1)?))).collect()
}
