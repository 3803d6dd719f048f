//! Bounds of a back.

/// Bounds of one back.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Duplicate window in milliseconds and in entries over all partitions.
    pub duplicate_window_ms: i64,
    /// See `duplicate_window_ms`.
    pub duplicates_max: usize,
    /// Users whose inboxes stay in memory besides those with something that is not stored.
    pub users_max: usize,
    /// Committed records that may wait for users to be loaded.
    pub waiting_max: usize,
    /// Bytes of records that may wait for users, or for members of groups to have their turn.
    pub waiting_bytes_max: usize,
    /// Members of groups that stay in memory.
    pub group_members_max: usize,
}
