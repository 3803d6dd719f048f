//! Preferences: how a user wants to receive the messages of each conversation, and which devices are told of them while
//! they are away.

use async_trait::async_trait;
use openim_record::{Conversation, UserId};

use super::{Cause, StoreError};

/// The receive options of v1.0.6 and later (spec, REST 7.9 `/conversation`).
///
/// Contract: as for [`super::Relations`]. A conversation that was never set has option 0.
#[async_trait]
pub trait Preferences: Send + Sync {
    /// Sets options, durably; same order as `changes`. `false` where the user has `rows_max`
    /// conversations set already and this one is not among them. Option 0 removes the row.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is changed.
    async fn set(
        &self,
        changes: &[PreferenceChange],
        rows_max: usize,
    ) -> Result<Vec<bool>, StoreError>;

    /// The options of these conversations; same order.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, user: &UserId, conversations: &[String]) -> Result<Vec<i32>, StoreError>;

    /// A page of all options that are not 0: the first `rows_max` behind `after`, in byte order of the
    /// conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn all(
        &self,
        user: &UserId,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<(String, i32)>, StoreError>;

    /// Names devices, or forgets them, durably and in this order. A user has at most `rows_max`: the one that was named
    /// longest ago goes for another. A device is of one user, the last for whom it was named.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is changed. An engine that keeps none says so.
    async fn set_devices(
        &self,
        changes: &[DeviceChange],
        rows_max: usize,
    ) -> Result<(), StoreError> {
        let _unkept = (changes, rows_max);
        let cause = Cause::from("this engine keeps no devices for offline push");
        Err(StoreError::Rejected { what: "naming a device".to_owned(), cause })
    }

    /// The devices of a user, the one that was named last at the end.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn devices(&self, user: &UserId) -> Result<Vec<Device>, StoreError> {
        let _unkept = user;
        Ok(Vec::new())
    }
}

/// A device that a user's app has named, so that a service for pushes reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// 1 to 7.
    pub platform: u8,
    /// Whose token it is.
    pub vendor: String,
    /// What that calls the device.
    pub token: String,
}

/// A change to the devices of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// It is the user's from now on.
    Name(UserId, Device),
    /// It is not, if it was.
    Forget(UserId, Device),
    /// None of the user's on this platform (0: on any) is.
    ForgetAll(UserId, u8),
}

/// The option with which nothing of a conversation is received.
pub const NOT_RECEIVED: i32 = 1;

/// One option to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreferenceChange {
    /// Whose.
    pub user: UserId,
    /// Which conversation: `single_<uid>` or `group_<group id>`.
    pub conversation: String,
    /// 0 receive, 1 do not receive, 2 receive without offline push.
    pub option: i32,
}

impl PreferenceChange {
    /// What the conversation names, if it names anything.
    #[must_use]
    pub fn names(&self) -> Option<Conversation<'_>> {
        Conversation::read(self.user.as_str(), &self.conversation)
    }

    /// Whose home decides what is sent in the conversation; of one that names nothing the user.
    #[must_use]
    pub fn whose(&self) -> &str {
        self.names().map_or(self.user.as_str(), Conversation::whose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_for_the_home_of_who_writes() {
        let change = |conversation: &str| {
            let (user, conversation) = (UserId::new("bob"), conversation.to_owned());
            PreferenceChange { user, conversation, option: NOT_RECEIVED }
        };
        assert_eq!(change("single_ann").whose(), "ann");
        assert_eq!(change("group_7").whose(), "7");
        assert_eq!(change("anything").whose(), "bob");
    }
}
