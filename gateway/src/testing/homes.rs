//! Who answers questions about users and groups.
//!
//! The stores, when `OPENIM_TEST_HOMES` says `stores`; see [`crate::ops::from_stores`].

const VARIABLE: &str = "OPENIM_TEST_HOMES";

/// Whether a test wants the stores to answer.
pub(crate) fn homes_are_stores() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|homes| homes == "stores")
}
