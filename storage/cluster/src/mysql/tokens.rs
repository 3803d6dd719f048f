//! Tokens on MySQL: a row for each user and terminal class, and one for what was decided about the user's tokens.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use openim_record::{Class, Newest, NewestTokens, Seq, TokenId, UserId};
use openim_storage::port::{Access, Ban, Decision, IssuedToken, Recorded, StoreError, Tokens};
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row as _};

use super::fault::Fault;
use super::locks::lock;
use super::statement::{PART, Statement, id, parts, push_between, push_ids, sorted, text};
use super::store::Store;

/// Tokens on MySQL.
pub struct MysqlTokens(Arc<Store>);

impl MysqlTokens {
    pub(super) const fn new(store: Arc<Store>) -> Self {
        Self(store)
    }
}

const READING: &str = "looking tokens up";
const RECORDING: &str = "recording issued tokens";

#[async_trait]
impl Tokens for MysqlTokens {
    async fn issue(&self, tokens: &[IssuedToken]) -> Result<Vec<Recorded>, StoreError> {
        self.0.change(RECORDING, tokens.to_vec(), |on, tokens| Box::pin(issue(on, tokens))).await
    }

    async fn newest(&self, users: &[UserId]) -> Result<Vec<NewestTokens>, StoreError> {
        self.0
            .read(READING, users.to_vec(), |on, users| {
                Box::pin(async move {
                    let found = newest(on, users.iter()).await?;
                    let of = |uid| found.get(uid).copied().unwrap_or_default();
                    Ok(users.iter().map(of).collect())
                })
            })
            .await
    }

    async fn decide(&self, decisions: &[Decision]) -> Result<Vec<Access>, StoreError> {
        self.0
            .change("deciding about tokens", decisions.to_vec(), |on, decisions| {
                Box::pin(decide(on, decisions))
            })
            .await
    }

    async fn access(&self, users: &[UserId]) -> Result<Vec<Option<Access>>, StoreError> {
        self.0
            .read(READING, users.to_vec(), |on, users| {
                Box::pin(async move {
                    let found = access(on, users.iter()).await?;
                    Ok(users.iter().map(|uid| found.get(uid).cloned()).collect())
                })
            })
            .await
    }
}

async fn issue(on: &mut MySqlConnection, tokens: &[IssuedToken]) -> Result<Vec<Recorded>, Fault> {
    lock(on, tokens.iter().map(|token| &token.user)).await?;
    let mut all = newest(on, tokens.iter().map(|token| &token.user)).await?;
    let mut rows: BTreeMap<(&UserId, Class), Newest> = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(tokens.len());
    for IssuedToken { user, class, newest, scope } in tokens {
        let of_user = all.entry(user.clone()).or_default();
        let before = *of_user;
        let newest = of_user.issue(*class, *newest, *scope);
        rows.insert((user, *class), newest);
        outcomes.push(Recorded { newest, before });
    }
    let rows: Vec<_> = rows.into_iter().collect();
    for rows in parts(&rows) {
        let mut insertion = Statement::new(
            "INSERT INTO newest_token (user_id, class, token_id, issued_at, expires_at) VALUES ",
        );
        for (n, ((user, class), newest)) in rows.iter().enumerate() {
            push_between(&mut insertion, n, ", ");
            let mut row = insertion.separated(", ");
            row.push_unseparated("(").push_bind(user.as_str().as_bytes()).push_bind(*class as u8);
            row.push_bind(&newest.id.0[..]).push_bind(newest.issued_at);
            row.push_bind(newest.expires_at).push_unseparated(")");
        }
        insertion.push(
            " ON DUPLICATE KEY UPDATE token_id = VALUES(token_id), issued_at = VALUES(issued_at), \
             expires_at = VALUES(expires_at)",
        );
        insertion.build().execute(&mut *on).await?;
    }
    Ok(outcomes)
}

async fn newest(
    on: &mut MySqlConnection,
    users: impl Iterator<Item = &UserId>,
) -> Result<HashMap<UserId, NewestTokens>, Fault> {
    let mut found: HashMap<UserId, NewestTokens> = HashMap::new();
    for ids in sorted(users).chunks(PART) {
        let mut look = Statement::new(
            "SELECT user_id, class, token_id, issued_at, expires_at FROM newest_token WHERE user_id IN ",
        );
        push_ids(&mut look, ids);
        for row in look.build().fetch_all(&mut *on).await? {
            let class: u8 = row.try_get(1)?;
            let known = Class::ALL.into_iter().find(|known| *known as u8 == class);
            let class = known
                .ok_or_else(|| Fault::malformed("newest_token", format!("{class} is no class")))?;
            let newest = Newest {
                id: TokenId(bytes(&row, 2)?),
                issued_at: row.try_get(3)?,
                expires_at: row.try_get(4)?,
            };
            *found.entry(UserId::new(id(&row, 0)?)).or_default().of_mut(class) = Some(newest);
        }
    }
    Ok(found)
}

async fn decide(on: &mut MySqlConnection, decisions: &[Decision]) -> Result<Vec<Access>, Fault> {
    lock(on, decisions.iter().map(Decision::user)).await?;
    let mut all = access(on, decisions.iter().map(Decision::user)).await?;
    let mut outcomes = Vec::with_capacity(decisions.len());
    for decision in decisions {
        let access = all.entry(decision.user().clone()).or_default();
        decision.apply(access);
        outcomes.push(access.clone());
    }
    let rows: Vec<_> = all.iter().collect();
    for rows in parts(&rows) {
        let mut insertion = Statement::new(
            "INSERT INTO token_access (user_id, ended, ban_until, ban_reason, erased, min_seq) VALUES ",
        );
        for (n, (user, access)) in rows.iter().enumerate() {
            push_between(&mut insertion, n, ", ");
            let endings: Vec<u8> =
                access.endings().iter().flat_map(|ending| ending.to_be_bytes()).collect();
            let (until, reason) =
                access.ban.as_ref().map(|ban| (ban.until_s, &*ban.reason)).unzip();
            let mut row = insertion.separated(", ");
            row.push_unseparated("(").push_bind(user.as_str().as_bytes()).push_bind(endings);
            row.push_bind(until).push_bind(reason).push_bind(access.erased);
            row.push_bind(access.min.0).push_unseparated(")");
        }
        insertion.push(
            " ON DUPLICATE KEY UPDATE ended = VALUES(ended), ban_until = VALUES(ban_until), \
             ban_reason = VALUES(ban_reason), erased = VALUES(erased), min_seq = VALUES(min_seq)",
        );
        insertion.build().execute(&mut *on).await?;
    }
    Ok(outcomes)
}

async fn access(
    on: &mut MySqlConnection,
    users: impl Iterator<Item = &UserId>,
) -> Result<HashMap<UserId, Access>, Fault> {
    let mut found = HashMap::new();
    for ids in sorted(users).chunks(PART) {
        let mut look = Statement::new(
            "SELECT user_id, ended, ban_until, ban_reason, erased, min_seq FROM token_access WHERE user_id IN ",
        );
        push_ids(&mut look, ids);
        for row in look.build().fetch_all(&mut *on).await? {
            let stored: [u8; 64] = bytes(&row, 1)?;
            let mut ended = [0; 8];
            for (to, from) in ended.iter_mut().zip(stored.as_chunks().0) {
                *to = i64::from_be_bytes(*from);
            }
            let mut access = Access::with_endings(ended);
            let until: Option<i64> = row.try_get(2)?;
            let reason = text(&row, 3)?;
            access.ban = until.map(|until_s| Ban { until_s, reason });
            access.erased = row.try_get(4)?;
            access.min = Seq(row.try_get(5)?);
            found.insert(UserId::new(id(&row, 0)?), access);
        }
    }
    Ok(found)
}

/// A column of so many bytes.
fn bytes<const N: usize>(row: &MySqlRow, column: usize) -> Result<[u8; N], Fault> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| {
        let source = format!("{} bytes in place of {N}", bytes.len()).into();
        Fault::from(sqlx::Error::ColumnDecode { index: column.to_string(), source })
    })
}
