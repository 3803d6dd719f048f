//! The engine that needs nothing installed: a segmented log and an index beside it.
//!
//! Owns the data directory. Messages go to the log once, durably, and everything else about them is
//! an index entry that refers to their position. Changes of users, tokens, relations, groups and options
//! go to the log too, as the rows that they are. The index is an LSM tree that is fed from the log. In: batches through the ports; out: what the ports promise. Never: a clock (times
//! come from the callers), a shard thread (calls block).
//!
//! ```text
//! <data>/lock    held while a process has the directory      data_dir
//! <data>/format  what never changes                          data_dir
//! <data>/epochs  who wrote the log from where on             epochs
//! <data>/fenced  who goes on with the log instead            fence
//! <data>/standby whom it follows                            standby
//! <data>/commits how much the index holds                    commits
//! <data>/log/    messages, changes                            log
//! <data>/index/  positions, bounds, the directory            index
//! <data>/base    the index as it was at one moment           base
//! <data>/cursors/ how far readers of the log beside it have come  cursor
//! <data>/links   who had which link, and how far it was pushed to; no truth  links
//! <data>/rebuild why the next start makes the index anew     rebuild
//! ```

mod applied;
mod archive;
mod base;
mod begin;
mod changes;
mod commits;
pub mod copy;
mod cursor;
mod data_dir;
mod directory;
mod epochs;
mod error;
mod facts;
mod fence;
mod figures;
mod groups;
mod history;
mod index;
mod lender;
mod links;
mod log;
mod open;
mod options;
mod preferences;
mod rebuild;
mod relations;
mod removal;
mod retention;
mod sizes;
pub mod standby;
mod sys;
mod table;
mod take_up;
mod tokens;

pub use archive::{ArchiveReader, EmbeddedArchive, Salvaged};
pub use changes::{Changes, HandIn};
pub use cursor::{Begin, Cursor, Cursors};
pub use data_dir::{holder, is_in_use};
pub use directory::EmbeddedDirectory;
pub use epochs::{Begun, Epochs};
pub use error::OpenError;
pub use facts::{Fact, facts};
pub use fence::{Fence, FenceError};
pub use figures::EngineFigures;
pub use groups::EmbeddedGroups;
pub use history::EmbeddedHistory;
pub use links::{LINKS_FILE, LinksFile};
pub use log::{EmbeddedLog, EmbeddedTail, Span, TornTail};
pub use open::{Embedded, OpenReport, open};
pub use options::{ArchiveBounds, Durability, FILES_MAX, Options};
pub use preferences::EmbeddedPreferences;
pub use rebuild::{Mend, given_up, rebuild_index};
pub use relations::EmbeddedRelations;
pub use sizes::{Sizes, sizes};
pub use take_up::Renumber;
pub use tokens::EmbeddedTokens;
