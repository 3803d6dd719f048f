//! The ports that workers ask, each call with its kind, through their guards.

use async_trait::async_trait;
use openim_record::{
    GroupId, InboxBounds, MessageKey, NewestTokens, PartitionId, Position, Seq, StoreBatch,
    StoredState, UserId,
};

use super::{Guarded, Kind};
use crate::port::{
    Access, Decision, Device, DeviceChange, Directory, Friend, FriendRequest, Group, GroupChange,
    GroupChanged, GroupLimits, GroupRequest, Groups, History, IssuedToken, Member,
    PreferenceChange, Preferences, Range, Recorded, Records, Registered, Relation, RelationChange,
    RelationOutcome, Relations, RetainReport, Role, StoreError, Tell, Tokens, User, UserChange,
};

/// Says of each call of a port of which kind it is; a port that has another call does not compile without its line.
macro_rules! guarded {
    ($port:ident: $($kind:ident $call:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $port for Guarded<dyn $port> {
            $(async fn $call(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                self.guard.call(Kind::$kind, self.port.$call($($name),*)).await
            })*
        }
    };
}

guarded! { History:
    Store store(batch: &StoreBatch) -> ();
    Read recover(partition: PartitionId) -> StoredState;
    Read bounds(users: &[UserId]) -> Vec<InboxBounds>;
    Read range(user: &UserId, from: Seq, to: Seq, bytes_max: usize) -> Range;
    Store settle() -> ();
    Store retained_ms() -> Option<i64>;
    Store retain(older_than_ms: i64, entries_max: usize) -> RetainReport;
}

guarded! { Records:
    Read read(position: Position, record: &mut Vec<u8>) -> ();
    Read between(from: Position, to: Position, bytes_max: usize) -> Vec<(Position, Box<[u8]>)>;
}

guarded! { Directory:
    Write register(users: &[User]) -> Vec<Registered>;
    Read users(users: &[UserId]) -> Vec<Option<User>>;
    Write update(changes: &[UserChange]) -> Vec<Option<User>>;
    Write delete(users: &[UserId]) -> Vec<bool>;
    Read uids(after: Option<&UserId>, uids_max: usize) -> Vec<UserId>;
}

guarded! { Relations:
    Write apply(changes: &[RelationChange], rows_max: usize) -> Vec<RelationOutcome>;
    Write apply_and_tell(changes: &[RelationChange], rows_max: usize, tell: Tell<'_, RelationOutcome>)
        -> Vec<RelationOutcome>;
    Write forget(users: &[UserId], after: Option<&[u8]>, rows_max: usize) -> Option<Vec<u8>>;
    Read relations(owner: &UserId, peers: &[UserId]) -> Vec<Relation>;
    Read friends(owner: &UserId, after: Option<&UserId>, rows_max: usize) -> Vec<Friend>;
    Read blacklist(owner: &UserId, after: Option<&UserId>, rows_max: usize) -> Vec<UserId>;
    Read requests_received(user: &UserId, after: Option<&UserId>, rows_max: usize)
        -> Vec<FriendRequest>;
    Read request(from: &UserId, to: &UserId) -> Option<FriendRequest>;
    Read requests_sent(user: &UserId, after: Option<&UserId>, rows_max: usize)
        -> Vec<FriendRequest>;
}

guarded! { Groups:
    Write apply(changes: &[GroupChange], limits: GroupLimits) -> Vec<GroupChanged>;
    Write apply_and_tell(changes: &[GroupChange], limits: GroupLimits, tell: Tell<'_, GroupChanged>)
        -> Vec<GroupChanged>;
    Write forget(users: &[UserId], after: Option<&[u8]>, requests_max: usize) -> Option<Vec<u8>>;
    Read groups(groups: &[GroupId]) -> Vec<Option<Group>>;
    Read members(group: &GroupId, after: Option<&UserId>, members_max: usize) -> Vec<Member>;
    Read members_named(group: &GroupId, users: &[UserId]) -> Vec<Option<Member>>;
    Read joined(user: &UserId, after: Option<&GroupId>, groups_max: usize) -> Vec<(GroupId, Role)>;
    Read request(group: &GroupId, from: &UserId, to: &str) -> Option<GroupRequest>;
    Read requests(group: &GroupId, after: u64, requests_max: usize) -> Vec<GroupRequest>;
    Read departed(group: &GroupId, users: &[UserId]) -> Vec<bool>;
    Write tell_left(group: &GroupId, user: &UserId, key: MessageKey) -> bool;
}

guarded! { Preferences:
    Write set(changes: &[PreferenceChange], rows_max: usize) -> Vec<bool>;
    Read get(user: &UserId, conversations: &[String]) -> Vec<i32>;
    Read all(user: &UserId, after: Option<&str>, rows_max: usize) -> Vec<(String, i32)>;
    Write set_devices(changes: &[DeviceChange], rows_max: usize) -> ();
    Read devices(user: &UserId) -> Vec<Device>;
}

guarded! { Tokens:
    Write issue(tokens: &[IssuedToken]) -> Vec<Recorded>;
    Write check() -> ();
    Read newest(users: &[UserId]) -> Vec<NewestTokens>;
    Write decide(decisions: &[Decision]) -> Vec<Access>;
    Read access(users: &[UserId]) -> Vec<Option<Access>>;
}
