//! How long memberships of groups are remembered.
//!
//! Until a change is heard of, however long that takes, when `OPENIM_TEST_MEMBERSHIPS` says `stay`; see
//! [`crate::driver::GroupChanges`].

const VARIABLE: &str = "OPENIM_TEST_MEMBERSHIPS";

/// Whether a test wants that.
pub(crate) fn memberships_stay() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|memberships| memberships == "stay")
}
