//! Preferences on the embedded engine: one row for each conversation that has an option, one for all devices of a user, and
//! one for each device that says whose it is.

use std::sync::Arc;

use async_trait::async_trait;
use openim_record::UserId;

use super::changes::Changes;
use super::index::PREFERENCES;
use super::index::preferences::{
    OPTION, count_key, decode_count, decode_devices, decode_option, decode_owner, devices_key,
    encode_count, encode_devices, encode_option, encode_owner, option_key, options_key, owner_key,
    take_option_key,
};
use super::table::{Names, Staged, Table};
use crate::port::{Device, DeviceChange, PreferenceChange, Preferences, StoreError};

const NAMES: Names = Names {
    table: "preferences",
    reading: "reading preferences",
    changing: "changing preferences",
};

/// Rows of all users that are read at once.
const PAGE: usize = 1024;

/// The embedded engine's preferences.
pub struct EmbeddedPreferences {
    table: Table,
}

impl EmbeddedPreferences {
    pub(super) fn new(changes: Arc<Changes>) -> Self {
        Self { table: Table::new(changes, PREFERENCES, NAMES) }
    }

    /// Shows every conversation, of all users, that has this option.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn with_option(
        &self,
        option: i32,
        each: &mut dyn FnMut(&str, &str),
    ) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = self.table.page(&[OPTION], after.as_deref(), PAGE, |rest, row| {
                let (user, conversation) = take_option_key(rest)?;
                if decode_option(row)? == option {
                    return Some((rest.to_vec(), Some((user, conversation))));
                }
                Some((rest.to_vec(), None))
            })?;
            for (user, conversation) in rows.iter().filter_map(|(_, found)| found.as_ref()) {
                each(user, conversation);
            }
            match rows.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
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

    async fn set_devices(
        &self,
        changes: &[DeviceChange],
        rows_max: usize,
    ) -> Result<(), StoreError> {
        let mut staged = self.table.change();
        let set = changes.iter().try_for_each(|change| set_device(&mut staged, change, rows_max));
        staged.commit_with(set)
    }

    async fn devices(&self, user: &UserId) -> Result<Vec<Device>, StoreError> {
        Ok(self.table.get(&devices_key(user), decode_devices)?.unwrap_or_default())
    }
}

/// Names a device, or forgets some.
fn set_device(
    staged: &mut Staged<'_>,
    change: &DeviceChange,
    rows_max: usize,
) -> Result<(), StoreError> {
    match change {
        DeviceChange::Name(user, device) => {
            let owner = staged.get(&owner_key(device), decode_owner)?;
            if let Some(other) = owner.filter(|owner| owner != user) {
                keep_devices(staged, &other, |of| !is_same(of, device))?;
            }
            keep_devices(staged, user, |of| !is_same(of, device))?;
            let mut devices = staged.get(&devices_key(user), decode_devices)?.unwrap_or_default();
            while devices.len() >= rows_max.max(1) {
                let oldest = devices.remove(0);
                staged.remove(owner_key(&oldest));
            }
            devices.push(device.clone());
            staged.put(owner_key(device), encode_owner(user));
            staged.put(devices_key(user), encode_devices(&devices));
            Ok(())
        }
        DeviceChange::Forget(user, device) => keep_devices(staged, user, |of| !is_same(of, device)),
        DeviceChange::ForgetAll(user, platform) => {
            keep_devices(staged, user, |of| *platform != 0 && of.platform != *platform)
        }
    }
}

fn is_same(one: &Device, other: &Device) -> bool {
    one.vendor == other.vendor && one.token == other.token
}

/// Forgets the devices of a user that are not to be kept.
fn keep_devices(
    staged: &mut Staged<'_>,
    user: &UserId,
    is_kept: impl Fn(&Device) -> bool,
) -> Result<(), StoreError> {
    let key = devices_key(user);
    let devices = staged.get(&key, decode_devices)?.unwrap_or_default();
    let (kept, gone): (Vec<Device>, Vec<Device>) = devices.into_iter().partition(is_kept);
    if gone.is_empty() {
        return Ok(());
    }
    for device in &gone {
        staged.remove(owner_key(device));
    }
    staged.put_or_remove(key, (!kept.is_empty()).then(|| encode_devices(&kept)));
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::{Options, open};
    use crate::port::wait;

    #[test]
    fn each_conversation_with_an_option_is_shown_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let opened = open(dir.path(), &Options::default()).expect("opens");
        let change = |user: &str, conversation: String, option| PreferenceChange {
            user: UserId::new(user),
            conversation,
            option,
        };
        // More than a page, and others between.
        let users = ["a", "a\0", "用户"];
        let of = |n: usize| change(users[n % 3], format!("c{n}"), 1 + n as i32 % 2);
        let changes: Vec<_> = (0..3 * PAGE).map(of).collect();
        wait(opened.preferences.set(&changes, usize::MAX)).expect("set");
        let back = change("a", "c0".to_owned(), 0);
        wait(opened.preferences.set(&[back], usize::MAX)).expect("set");
        let mut shown = Vec::new();
        let mut note = |user: &str, conversation: &str| {
            shown.push((user.to_owned(), conversation.to_owned()));
        };
        opened.preferences.with_option(1, &mut note).expect("read");
        shown.sort();
        let of_one = |(_, change): &(usize, PreferenceChange)| change.option == 1;
        let named =
            |(_, PreferenceChange { user, conversation, .. })| (user.to_string(), conversation);
        let mut expected: Vec<_> =
            changes.into_iter().enumerate().skip(1).filter(of_one).map(named).collect();
        expected.sort();
        assert_eq!(shown, expected);
    }
}
