//! Tokens on the embedded engine: one row per user and terminal class, and one for what was decided about
//! the user's tokens.

use std::sync::Arc;

use async_trait::async_trait;
use openim_record::{Class, Newest, NewestTokens, TokenId, UserId};

use super::changes::Changes;
use super::index::TOKENS;
use super::index::access::{ACCESS, decode_access, encode_access};
use super::index::inbox::user_key;
use super::table::{Names, Table};
use crate::port::{Access, Decision, IssuedToken, Recorded, StoreError, Tokens};

const RECORDING: &str = "recording issued tokens";
const ISSUES: Names = Names { table: "tokens", reading: "looking tokens up", changing: RECORDING };
const DECISIONS: Names = Names { changing: "deciding about tokens", ..ISSUES };

/// When a token expires that never does.
const NEVER: i64 = i64::MAX;

/// The embedded engine's tokens.
pub struct EmbeddedTokens {
    changes: Arc<Changes>,
    issues: Table,
    /// Other rows of the same.
    decisions: Table,
}

impl EmbeddedTokens {
    pub(super) fn new(changes: Arc<Changes>) -> Self {
        let table = |names| Table::new(Arc::clone(&changes), TOKENS, names);
        Self { issues: table(ISSUES), decisions: table(DECISIONS), changes }
    }
}

#[async_trait]
impl Tokens for EmbeddedTokens {
    async fn issue(&self, tokens: &[IssuedToken]) -> Result<Vec<Recorded>, StoreError> {
        let mut staged = self.issues.change();
        let mut issue = |token: &IssuedToken| {
            let IssuedToken { user, class, newest, scope } = token;
            let mut tokens = NewestTokens::default();
            for class in Class::ALL {
                *tokens.of_mut(class) = staged.get(&token_key(user, class), decode)?;
            }
            let before = tokens;
            let newest = tokens.issue(*class, *newest, *scope);
            staged.put(token_key(user, *class), encode(&newest));
            Ok(Recorded { newest, before })
        };
        let recorded = tokens.iter().map(&mut issue).collect();
        staged.commit_with(recorded)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.changes.check(RECORDING)
    }

    async fn newest(&self, users: &[UserId]) -> Result<Vec<NewestTokens>, StoreError> {
        let newest_of = |user: &UserId| {
            let mut tokens = NewestTokens::default();
            for class in Class::ALL {
                *tokens.of_mut(class) = self.issues.get(&token_key(user, class), decode)?;
            }
            Ok(tokens)
        };
        users.iter().map(newest_of).collect()
    }

    async fn decide(&self, decisions: &[Decision]) -> Result<Vec<Access>, StoreError> {
        let mut staged = self.decisions.change();
        let mut decide = |decision: &Decision| {
            let key = access_key(decision.user());
            let mut access = staged.get(&key, decode_access)?.unwrap_or_default();
            decision.apply(&mut access);
            staged.put(key, encode_access(&access));
            Ok(access)
        };
        let outcomes = decisions.iter().map(&mut decide).collect();
        staged.commit_with(outcomes)
    }

    async fn access(&self, users: &[UserId]) -> Result<Vec<Option<Access>>, StoreError> {
        users.iter().map(|user| self.decisions.get(&access_key(user), decode_access)).collect()
    }
}

fn token_key(user: &UserId, class: Class) -> Vec<u8> {
    let mut key = user_key(user, 1);
    key.push(class as u8);
    key
}

fn access_key(user: &UserId) -> Vec<u8> {
    let mut key = user_key(user, 1);
    key.push(ACCESS);
    key
}

fn encode(token: &Newest) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    out.extend_from_slice(&token.id.0);
    out.extend_from_slice(&token.issued_at.to_le_bytes());
    out.extend_from_slice(&token.expires_at.unwrap_or(NEVER).to_le_bytes());
    out
}

pub(super) fn decode(row: &[u8]) -> Option<Newest> {
    let (id, rest) = row.split_first_chunk()?;
    let (issued_at, rest) = rest.split_first_chunk()?;
    let expires_at = i64::from_le_bytes(rest.try_into().ok()?);
    Some(Newest {
        id: TokenId(*id),
        issued_at: i64::from_le_bytes(*issued_at),
        expires_at: (expires_at != NEVER).then_some(expires_at),
    })
}
