//! Changes of relations: what a batch is about is locked and read, changed in memory, and written back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use openim_record::UserId;
use openim_storage::port::{RelationChange, RelationOutcome};
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row as _};

use super::super::fault::Fault;
use super::super::locks::lock;
use super::super::statement::{
    PART, Statement, id, millis, padded, parts, push_between, push_ids, push_time, sorted, text,
};

/// Owner and other, applicant and asked.
type Pair = (UserId, UserId);

/// The bounded lists of a user.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum List {
    Friends,
    Blocked,
    Received,
    Sent,
}

/// The rows of one table that a batch is about: as they were found, and as they are now.
struct Rows<R> {
    found: BTreeMap<Pair, R>,
    now: BTreeMap<Pair, R>,
}

#[derive(Clone, PartialEq)]
struct FriendRow {
    comment: String,
    create_ms: i64,
}

#[derive(Clone, PartialEq)]
struct RequestRow {
    flag: i32,
    message: String,
    create_ms: i64,
    /// It was agreed to, whatever was answered since.
    agreed: bool,
}

/// What a batch is about.
struct Batch {
    friends: Rows<FriendRow>,
    /// With when.
    blocked: Rows<i64>,
    /// By applicant and asked.
    requests: Rows<RequestRow>,
    lengths: HashMap<(List, UserId), usize>,
    rows_max: usize,
}

/// Which rows have to be read, and which lists counted.
#[derive(Default)]
struct Concerned<'a> {
    friends: BTreeSet<(&'a UserId, &'a UserId)>,
    blocked: BTreeSet<(&'a UserId, &'a UserId)>,
    requests: BTreeSet<(&'a UserId, &'a UserId)>,
    counted: Vec<(List, &'a UserId)>,
}

pub(super) async fn apply(
    on: &mut MySqlConnection,
    changes: &[RelationChange],
    rows_max: usize,
) -> Result<Vec<RelationOutcome>, Fault> {
    let concerned = Concerned::by(changes);
    lock(on, concerned.users()).await?;
    let mut batch = concerned.read(on, rows_max).await?;
    let outcomes = changes.iter().map(|change| batch.apply(change)).collect();
    batch.write(on).await?;
    Ok(outcomes)
}

impl<'a> Concerned<'a> {
    fn by(changes: &'a [RelationChange]) -> Self {
        let mut concerned = Self::default();
        for change in changes {
            match change {
                RelationChange::Request { from, to, .. } => {
                    concerned.requests.insert((from, to));
                    concerned.counted.extend([(List::Sent, from), (List::Received, to)]);
                }
                RelationChange::Answer { from, to, flag, .. } => {
                    concerned.requests.insert((from, to));
                    if *flag == 1 {
                        concerned.befriends(from, to);
                    }
                }
                RelationChange::Befriend { owner, friend, .. } => {
                    concerned.befriends(owner, friend);
                }
                RelationChange::Unfriend { owner, friend }
                | RelationChange::Comment { owner, friend, .. } => {
                    concerned.friends.insert((owner, friend));
                }
                RelationChange::Block { owner, peer, .. } => {
                    concerned.blocked.insert((owner, peer));
                    concerned.counted.push((List::Blocked, owner));
                }
                RelationChange::Unblock { owner, peer } => {
                    concerned.blocked.insert((owner, peer));
                }
            }
        }
        concerned
    }

    fn befriends(&mut self, one: &'a UserId, other: &'a UserId) {
        self.friends.extend([(one, other), (other, one)]);
        self.counted.extend([(List::Friends, one), (List::Friends, other)]);
    }

    /// Whose rows are read: nobody else writes these while their owners are locked.
    fn users(&self) -> impl Iterator<Item = &'a UserId> {
        let owned = self.friends.iter().chain(&self.blocked).map(|(owner, _)| *owner);
        owned.chain(self.requests.iter().flat_map(|(from, to)| [*from, *to]))
    }

    async fn read(&self, on: &mut MySqlConnection, rows_max: usize) -> Result<Batch, Fault> {
        const FRIENDS: &str = concat!(
            "SELECT owner_id, friend_id, comment, ",
            millis!("create_time"),
            " FROM friend WHERE "
        );
        const BLOCKED: &str = concat!(
            "SELECT owner_id, block_id, ",
            millis!("create_time"),
            " FROM user_black_list WHERE "
        );
        const REQUESTS: &str = concat!(
            "SELECT req_id, user_id, flag, req_message, ",
            millis!("create_time"),
            ", agreed FROM friend_request WHERE "
        );
        let friend =
            |row: &MySqlRow| Ok(FriendRow { comment: text(row, 2)?, create_ms: row.try_get(3)? });
        let blocked = |row: &MySqlRow| Ok(row.try_get(2)?);
        let request = |row: &MySqlRow| {
            let (flag, message) = (row.try_get(2)?, text(row, 3)?);
            Ok(RequestRow { flag, message, create_ms: row.try_get(4)?, agreed: row.try_get(5)? })
        };
        let friend_columns = ["owner_id", "friend_id"];
        Ok(Batch {
            friends: Rows::read(on, FRIENDS, friend_columns, &self.friends, friend).await?,
            blocked: Rows::read(on, BLOCKED, ["owner_id", "block_id"], &self.blocked, blocked)
                .await?,
            requests: Rows::read(on, REQUESTS, ["req_id", "user_id"], &self.requests, request)
                .await?,
            lengths: self.lengths(on).await?,
            rows_max,
        })
    }

    async fn lengths(
        &self,
        on: &mut MySqlConnection,
    ) -> Result<HashMap<(List, UserId), usize>, Fault> {
        let mut lengths = HashMap::new();
        for (list, table, column) in [
            (List::Friends, "friend", "owner_id"),
            (List::Blocked, "user_black_list", "owner_id"),
            (List::Received, "friend_request", "user_id"),
            (List::Sent, "friend_request", "req_id"),
        ] {
            let of = self.counted.iter().filter(|(counted, _)| *counted == list);
            for ids in sorted(of.map(|(_, uid)| *uid)).chunks(PART) {
                let mut count = Statement::new("SELECT ");
                count.push(column).push(", COUNT(*) FROM ").push(table).push(" WHERE ");
                count.push(column).push(" IN ");
                push_ids(&mut count, ids);
                count.push(" GROUP BY ").push(column);
                for row in count.build().fetch_all(&mut *on).await? {
                    let length: i64 = row.try_get(1)?;
                    let uid = UserId::new(id(&row, 0)?);
                    lengths.insert((list, uid), usize::try_from(length).unwrap_or(usize::MAX));
                }
            }
        }
        Ok(lengths)
    }
}

impl<R: Clone + PartialEq> Rows<R> {
    async fn read(
        on: &mut MySqlConnection,
        find: &'static str,
        columns: [&'static str; 2],
        pairs: &BTreeSet<(&UserId, &UserId)>,
        read: impl Fn(&MySqlRow) -> Result<R, Fault>,
    ) -> Result<Self, Fault> {
        let mut found = BTreeMap::new();
        let pairs: Vec<_> = pairs.iter().copied().collect();
        for pairs in pairs.chunks(PART) {
            let mut look = Statement::new(find);
            push_pairs(&mut look, columns, pairs);
            // Whoever forgets users meanwhile waits, so that no row comes back.
            look.push(" FOR UPDATE");
            for row in look.build().fetch_all(&mut *on).await? {
                let pair = (UserId::new(id(&row, 0)?), UserId::new(id(&row, 1)?));
                found.insert(pair, read(&row)?);
            }
        }
        Ok(Self { now: found.clone(), found })
    }

    fn get(&self, one: &UserId, other: &UserId) -> Option<&R> {
        self.now.get(&(one.clone(), other.clone()))
    }

    fn put(&mut self, one: &UserId, other: &UserId, row: R) {
        self.now.insert((one.clone(), other.clone()), row);
    }

    /// Whether there was one.
    fn remove(&mut self, one: &UserId, other: &UserId) -> bool {
        self.now.remove(&(one.clone(), other.clone())).is_some()
    }

    /// Writes what has changed: `insert` begins the statement, `push` adds a row's values, `end` says what becomes of a
    /// row that is there.
    async fn write(
        &self,
        on: &mut MySqlConnection,
        (table, columns): (&'static str, [&'static str; 2]),
        (insert, end): (&'static str, &'static str),
        push: impl Fn(&mut Statement, &R),
    ) -> Result<(), Fault> {
        let gone = self.found.keys().filter(|pair| !self.now.contains_key(*pair));
        let gone: Vec<_> = gone.map(|(one, other)| (one, other)).collect();
        for gone in gone.chunks(PART) {
            let mut deletion = Statement::new("DELETE FROM ");
            deletion.push(table).push(" WHERE ");
            push_pairs(&mut deletion, columns, gone);
            deletion.build().execute(&mut *on).await?;
        }
        let is_changed = |(pair, row): &(&Pair, &R)| self.found.get(*pair) != Some(row);
        let changed: Vec<_> = self.now.iter().filter(is_changed).collect();
        for changed in parts(&changed) {
            let mut insertion = Statement::new(insert);
            for (n, ((one, other), row)) in changed.iter().enumerate() {
                push_between(&mut insertion, n, ", ");
                insertion.push("(").push_bind(one.as_str().as_bytes());
                insertion.push(", ").push_bind(other.as_str().as_bytes()).push(", ");
                push(&mut insertion, row);
                insertion.push(")");
            }
            insertion.push(end);
            insertion.build().execute(&mut *on).await?;
        }
        Ok(())
    }
}

fn push_pairs(statement: &mut Statement, [one, other]: [&str; 2], pairs: &[(&UserId, &UserId)]) {
    for (n, pair) in padded(pairs).enumerate() {
        push_between(statement, n, " OR ");
        statement.push("(").push(one).push(" = ").push_bind(pair.0.as_str().as_bytes());
        statement.push(" AND ").push(other).push(" = ").push_bind(pair.1.as_str().as_bytes());
        statement.push(")");
    }
}

impl Batch {
    fn apply(&mut self, change: &RelationChange) -> RelationOutcome {
        match change {
            RelationChange::Request { from, to, message, now_ms } => {
                self.request(from, to, message, *now_ms)
            }
            RelationChange::Answer { from, to, flag, now_ms } => {
                self.answer(from, to, *flag, *now_ms)
            }
            RelationChange::Befriend { owner, friend, now_ms } => {
                let missing = self.friendship_missing(owner, friend);
                let new = !missing.is_empty();
                match self.befriend(&missing, *now_ms) {
                    true => RelationOutcome::Befriended { new },
                    false => RelationOutcome::Full,
                }
            }
            RelationChange::Unfriend { owner, friend } => {
                if self.friends.remove(owner, friend) {
                    self.shorten(List::Friends, owner);
                }
                RelationOutcome::Done
            }
            RelationChange::Comment { owner, friend, comment } => {
                if let Some(row) = self.friends.now.get_mut(&(owner.clone(), friend.clone())) {
                    row.comment.clone_from(comment);
                }
                RelationOutcome::Done
            }
            RelationChange::Block { owner, peer, now_ms } => {
                if self.blocked.get(owner, peer).is_some() {
                    return RelationOutcome::Done;
                }
                if !self.lengthen(&[(List::Blocked, owner)]) {
                    return RelationOutcome::Full;
                }
                self.blocked.put(owner, peer, *now_ms);
                RelationOutcome::Done
            }
            RelationChange::Unblock { owner, peer } => {
                if self.blocked.remove(owner, peer) {
                    self.shorten(List::Blocked, owner);
                }
                RelationOutcome::Done
            }
        }
    }

    fn request(
        &mut self,
        from: &UserId,
        to: &UserId,
        message: &str,
        now_ms: i64,
    ) -> RelationOutcome {
        // The time names the request, so no clock may give two of a pair the same one.
        let before = self.requests.get(from, to).map(|row| row.create_ms);
        let create_ms = before.map_or(now_ms, |before| now_ms.max(before.saturating_add(1)));
        if before.is_none() && !self.lengthen(&[(List::Sent, from), (List::Received, to)]) {
            return RelationOutcome::Full;
        }
        let row = RequestRow { flag: 0, message: message.to_owned(), create_ms, agreed: false };
        self.requests.put(from, to, row);
        RelationOutcome::Requested { create_ms }
    }

    fn answer(&mut self, from: &UserId, to: &UserId, flag: i32, now_ms: i64) -> RelationOutcome {
        let Some(mut row) = self.requests.get(from, to).cloned() else {
            return RelationOutcome::NoRequest;
        };
        if flag == 1 {
            let missing = self.friendship_missing(to, from);
            if row.agreed && !missing.is_empty() {
                return RelationOutcome::NoRequest;
            }
            if !self.befriend(&missing, now_ms) {
                return RelationOutcome::Full;
            }
        }
        let create_ms = row.create_ms;
        row.agreed |= flag == 1;
        row.flag = flag;
        self.requests.put(from, to, row);
        RelationOutcome::Requested { create_ms }
    }

    /// What is missing until the two are friends of each other: owner and friend.
    fn friendship_missing<'u>(
        &self,
        one: &'u UserId,
        other: &'u UserId,
    ) -> Vec<(&'u UserId, &'u UserId)> {
        // Of oneself there is only one row.
        let ways = [(one, other), (other, one)].into_iter().take(if one == other { 1 } else { 2 });
        ways.filter(|(owner, friend)| self.friends.get(owner, friend).is_none()).collect()
    }

    /// Adds what is missing; `false` when one of the lists is full.
    fn befriend(&mut self, missing: &[(&UserId, &UserId)], now_ms: i64) -> bool {
        let lists: Vec<_> = missing.iter().map(|(owner, _)| (List::Friends, *owner)).collect();
        let has_room = self.lengthen(&lists);
        if has_room {
            for (owner, friend) in missing {
                let row = FriendRow { comment: String::new(), create_ms: now_ms };
                self.friends.put(owner, friend, row);
            }
        }
        has_room
    }

    /// Makes room for a row in each of these lists; `false`, and nothing is done, when one of them is full.
    fn lengthen(&mut self, lists: &[(List, &UserId)]) -> bool {
        let length = |(list, owner): &(List, &UserId)| {
            self.lengths.get(&(*list, (*owner).clone())).copied().unwrap_or(0)
        };
        if lists.iter().any(|list| length(list) >= self.rows_max) {
            return false;
        }
        for (list, owner) in lists {
            *self.lengths.entry((*list, (*owner).clone())).or_default() += 1;
        }
        true
    }

    fn shorten(&mut self, list: List, owner: &UserId) {
        // One that was not counted is not asked for either.
        if let Some(length) = self.lengths.get_mut(&(list, owner.clone())) {
            *length = length.saturating_sub(1);
        }
    }

    async fn write(&self, on: &mut MySqlConnection) -> Result<(), Fault> {
        let at = ("friend", ["owner_id", "friend_id"]);
        let put = (
            "INSERT INTO friend (owner_id, friend_id, friend_flag, comment, create_time) VALUES ",
            " ON DUPLICATE KEY UPDATE comment = VALUES(comment), create_time = VALUES(create_time)",
        );
        let push = |statement: &mut Statement, row: &FriendRow| {
            statement.push("1, ").push_bind(&*row.comment).push(", ");
            push_time(statement, row.create_ms);
        };
        self.friends.write(on, at, put, push).await?;
        let at = ("user_black_list", ["owner_id", "block_id"]);
        let put = (
            "INSERT INTO user_black_list (owner_id, block_id, create_time) VALUES ",
            " ON DUPLICATE KEY UPDATE create_time = VALUES(create_time)",
        );
        self.blocked.write(on, at, put, |statement, ms| push_time(statement, *ms)).await?;
        let at = ("friend_request", ["req_id", "user_id"]);
        let put = (
            "INSERT INTO friend_request (req_id, user_id, flag, req_message, agreed, create_time) VALUES ",
            " ON DUPLICATE KEY UPDATE flag = VALUES(flag), req_message = VALUES(req_message), \
             agreed = VALUES(agreed), create_time = VALUES(create_time)",
        );
        let push = |statement: &mut Statement, row: &RequestRow| {
            statement.push_bind(row.flag).push(", ").push_bind(&*row.message).push(", ");
            statement.push_bind(row.agreed).push(", ");
            push_time(statement, row.create_ms);
        };
        self.requests.write(on, at, put, push).await
    }
}
