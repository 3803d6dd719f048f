//! The locks that keep lists of users within their bounds, whoever adds to them at the same time.

use openim_record::UserId;
use sqlx::MySqlConnection;

use super::fault::Fault;
use super::statement::{PART, Statement, padded, push_between, sorted};

/// Bytes that a uid may have. Nobody has a longer one that a client names, so nothing of theirs is counted.
const UID_BYTES_MAX: usize = 256;

/// Locks users until the transaction ends. What they have may be counted then, and stays as it is.
///
/// Whoever needs locks of groups as well takes those first.
pub(super) async fn lock<'u>(
    on: &mut MySqlConnection,
    users: impl Iterator<Item = &'u UserId>,
) -> Result<(), Fault> {
    let users = users.filter(|user| user.as_str().len() <= UID_BYTES_MAX);
    for ids in sorted(users).chunks(PART) {
        let mut locked = Statement::new("INSERT INTO user_lock (uid) VALUES ");
        for (n, id) in padded(ids).enumerate() {
            push_between(&mut locked, n, ", ");
            locked.push("(").push_bind(*id).push(")");
        }
        locked.push(" ON DUPLICATE KEY UPDATE uid = uid").build().execute(&mut *on).await?;
    }
    Ok(())
}
