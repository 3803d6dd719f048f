//! The ports: what the server asks of a storage engine, one trait a file.
//!
//! All of them take batches and are called off the shard threads. Their calls are futures, so that an engine that waits
//! on a network needs no thread a question; one that blocks does so where it is polled, and has its answer then. A call
//! that is dropped before its answer may have been made all the same. A call either did
//! what it says or returns an error, whose class says what its caller does then ([`StoreError`]).

mod archive;
mod consume;
mod directory;
mod error;
pub mod group_rules;
mod groups;
mod history;
mod preferences;
mod produce;
mod records;
mod relations;
mod token_cache;
mod tokens;
mod wait;

pub use archive::{Archive, Archived};
pub use consume::{Consume, Consumed, Polled, Replayed};
pub use directory::{Directory, Registered, User, UserChange};
pub use error::{Cause, Spot, StoreError};
pub use groups::{
    Added, By, Group, GroupChange, GroupChanged, GroupLimits, GroupOutcome, GroupRefused,
    GroupRequest, Groups, Member, MemberChange, Role,
};
pub use history::{Entry, History, Range, RetainReport, TooMuch};
pub use preferences::{Device, DeviceChange, NOT_RECEIVED, PreferenceChange, Preferences};
pub use produce::{FALL_FOLLOWED_MS, Handed, Outcome, Produce};
pub use records::Records;
pub use relations::{
    Friend, FriendRequest, Relation, RelationChange, RelationOutcome, Relations, Tell,
};
pub use token_cache::{Lease, Remembered, TokenCache};
pub use tokens::{Access, Ban, Decision, IssuedToken, Recorded, Scope, Standing, Tokens};
pub use wait::{LOOK, wait};
