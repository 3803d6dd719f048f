//! MySQL and MariaDB: users, relations, groups, preferences, tokens, and the archive of messages.

mod options;

pub use options::Options;
