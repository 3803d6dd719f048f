//! Who has gone out of a group a short while ago: tips about it reach them, and are taken from them, whichever process is asked.
//!
//! Noted in the transaction of the change. What is older than [`DEPARTED_MS`] counts for nothing, and goes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use openim_record::{DEPARTED_MS, GroupId, MemberChange, MessageKey, UserId};
use openim_storage::port::GroupChanged;
use sqlx::{MySqlConnection, Row as _};

use super::super::fault::Fault;
use super::super::statement::{PART, Statement, id, parts, push_between, push_ids, sorted};
use super::super::store::Store;

/// Between two looks for old ones, by one process.
const SWEEP_MS: u64 = 60_000;
/// How many go at a time.
const SWEPT: u64 = 10_000;

/// Whether a change has made somebody go.
pub(super) fn has_some(changed: &GroupChanged) -> bool {
    let goes =
        |change: &MemberChange| matches!(change, MemberChange::Left(_) | MemberChange::Removed(_));
    changed.members.iter().any(goes)
}

/// Notes who goes, and of each whether that is their own wish.
pub(super) async fn note(
    on: &mut MySqlConnection,
    group: &GroupId,
    departed: &[(&UserId, bool)],
) -> Result<(), Fault> {
    for rows in parts(departed) {
        let mut insertion =
            Statement::new("INSERT INTO group_departure (group_id, uid, own, left_time) VALUES ");
        for (n, (uid, own)) in rows.iter().enumerate() {
            push_between(&mut insertion, n, ", ");
            let mut row = insertion.separated(", ");
            row.push_unseparated("(").push_bind(group.as_str().as_bytes());
            row.push_bind(uid.as_str().as_bytes()).push_bind(*own);
            row.push("UTC_TIMESTAMP(3))");
        }
        insertion.push(
            " ON DUPLICATE KEY UPDATE own = VALUES(own), left_time = VALUES(left_time), told = NULL",
        );
        insertion.build().execute(&mut *on).await?;
    }
    Ok(())
}

/// Adds which of them are not too old.
fn push_lately(statement: &mut Statement) {
    statement.push(" AND left_time >= ");
    push_oldest(statement);
}

fn push_oldest(statement: &mut Statement) {
    statement.push("TIMESTAMPADD(MICROSECOND, -1000 * ").push(DEPARTED_MS);
    statement.push(", UTC_TIMESTAMP(3))");
}

/// Of each whether they have gone lately.
pub(super) async fn lately(
    on: &mut MySqlConnection,
    group: &GroupId,
    users: &[UserId],
) -> Result<Vec<bool>, Fault> {
    let mut found = HashSet::new();
    for ids in sorted(users.iter()).chunks(PART) {
        let mut look = Statement::new("SELECT uid FROM group_departure WHERE group_id = ");
        look.push_bind(group.as_str().as_bytes()).push(" AND uid IN ");
        push_ids(&mut look, ids);
        push_lately(&mut look);
        for row in look.build().fetch_all(&mut *on).await? {
            found.insert(UserId::new(id(&row, 0)?));
        }
    }
    Ok(users.iter().map(|uid| found.contains(uid)).collect())
}

/// Whether somebody may tell by this message that they have left; notes it.
pub(super) async fn tell(
    on: &mut MySqlConnection,
    group: &GroupId,
    user: &UserId,
    key: MessageKey,
) -> Result<bool, Fault> {
    let (group, user) = (group.as_str().as_bytes(), user.as_str().as_bytes());
    let key = &key.0.to_be_bytes()[..];
    let mut look = Statement::new("SELECT told FROM group_departure WHERE group_id = ");
    look.push_bind(group).push(" AND uid = ").push_bind(user).push(" AND own = 1");
    push_lately(&mut look);
    look.push(" FOR UPDATE");
    let Some(row) = look.build().fetch_optional(&mut *on).await? else { return Ok(false) };
    let told: Option<&[u8]> = row.try_get(0)?;
    if told.is_some() {
        return Ok(told == Some(key));
    }
    let noted = "UPDATE group_departure SET told = ? WHERE group_id = ? AND uid = ?";
    sqlx::query(noted).bind(key).bind(group).bind(user).execute(on).await?;
    Ok(true)
}

/// Takes away what is too old, now and then.
pub(super) struct Sweep {
    since: Instant,
    /// When the next one is due.
    next_ms: AtomicU64,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { since: Instant::now(), next_ms: AtomicU64::new(0) }
    }
}

impl Sweep {
    /// Begins one if it is due; nobody waits for it, and one that fails is made up for by the next.
    pub(super) fn begin(&self, store: &Arc<Store>) {
        let now_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let then_ms = now_ms.saturating_add(SWEEP_MS);
        let (new, old) = (Ordering::Relaxed, Ordering::Relaxed);
        if now_ms >= next_ms && self.next_ms.compare_exchange(next_ms, then_ms, new, old).is_ok() {
            store.begin((), |on, ()| Box::pin(take_away(on)));
        }
    }
}

async fn take_away(on: &mut MySqlConnection) -> Result<(), Fault> {
    let mut deletion = Statement::new("DELETE FROM group_departure WHERE left_time < ");
    push_oldest(&mut deletion);
    deletion.push(" ORDER BY left_time LIMIT ").push_bind(SWEPT);
    deletion.build().execute(on).await?;
    Ok(())
}
