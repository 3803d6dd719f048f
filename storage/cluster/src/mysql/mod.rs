//! MySQL and MariaDB: users, relations, groups, preferences, tokens, and the archive of messages.
//!
//! In: [`Options`], the [`Runtime`](crate::Runtime). Out: one implementation a port ([`Mysql`]). The tables are the original's
//! (`tables`), made at start. Every change is a transaction; whoever changes what others look at locks a row first: a
//! user's, or a group's.

mod archive;
mod claim;
mod directory;
mod fault;
mod groups;
mod locks;
mod open;
mod options;
mod places;
mod pool;
mod preferences;
mod relations;
mod schema;
mod statement;
mod store;
mod tables;
mod tokens;

pub use archive::MysqlArchive;
pub use claim::MysqlClaim;
pub use directory::MysqlDirectory;
pub use groups::MysqlGroups;
pub use open::{Looked, Mysql, OpenError, claim, look, open};
pub use options::Options;
pub use places::ArchivePlace;
pub use preferences::MysqlPreferences;
pub use relations::MysqlRelations;
pub use tokens::MysqlTokens;
