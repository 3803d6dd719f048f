//! Preferences on the embedded engine: one row for each conversation that has an option.

use std::sync::Arc;

use async_trait::async_trait;
use openim_record::UserId;

use super::changes::Changes;
use super::index::PREFERENCES;
use super::index::preferences::{
    count_key, decode_count, decode_option, encode_count, encode_option, option_key, options_key,
};
use super::table::{Names, Staged, Table};
use crate::port::{PreferenceChange, Preferences, StoreError};

const NAMES: Names = Names {
    table: "preferences",
    reading: "reading preferences",
    changing: "changing preferences",
};

/// The embedded engine's preferences.
pub struct EmbeddedPreferences {
    table: Table,
}

impl EmbeddedPreferences {
    pub(super) fn new(changes: Arc<Changes>) -> Self {
        Self { table: Table::new(changes, PREFERENCES, NAMES) }
    }
}

#[async_trait]
impl Preferences for EmbeddedPreferences {
    async fn set(
        &self,
        changes: &[PreferenceChange],
        rows_max: usize,
    ) -> Result<Vec<bool>, StoreError> {
        let mut staged = self.table.change();
        let set = changes.iter().map(|change| set(&mut staged, change, rows_max)).collect();
        staged.commit_with(set)
    }

    async fn get(&self, user: &UserId, conversations: &[String]) -> Result<Vec<i32>, StoreError> {
        let option = |conversation: &String| {
            let option = self.table.get(&option_key(user, conversation), decode_option)?;
            Ok(option.unwrap_or(0))
        };
        conversations.iter().map(option).collect()
    }

    async fn all(
        &self,
        user: &UserId,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<(String, i32)>, StoreError> {
        let after = after.map(str::as_bytes);
        self.table.page(&options_key(user), after, rows_max, |conversation, row| {
            let conversation = std::str::from_utf8(conversation).ok()?;
            Some((conversation.to_owned(), decode_option(row)?))
        })
    }
}

/// Sets one option; `false` when the user has no room for it.
fn set(
    staged: &mut Staged<'_>,
    change: &PreferenceChange,
    rows_max: usize,
) -> Result<bool, StoreError> {
    let PreferenceChange { user, conversation, option } = change;
    let (key, count_key) = (option_key(user, conversation), count_key(user));
    let before = staged.get(&key, decode_option)?.unwrap_or(0);
    if before == *option {
        return Ok(true);
    }
    let count = staged.get(&count_key, decode_count)?.unwrap_or(0);
    if *option == 0 {
        staged.remove(key);
        staged.put_or_remove(count_key, (count > 1).then(|| encode_count(count - 1)));
        return Ok(true);
    }
    if before == 0 {
        if count as usize >= rows_max {
            return Ok(false);
        }
        staged.put(count_key, encode_count(count + 1));
    }
    staged.put(key, encode_option(*option));
    Ok(true)
}
