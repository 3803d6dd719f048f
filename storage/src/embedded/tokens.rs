//! Tokens on the embedded engine: one row per user and terminal class, and one for what was decided about
//! the user's tokens.

use std::sync::Arc;

use async_trait::async_trait;
use openim_record::{Class, Newest, NewestTokens, TokenId, UserId};

use super::error::{index_corrupt, index_error};
use super::index::access::{ACCESS, decode_access, encode_access};
use super::index::inbox::user_key;
use super::index::{self, Index};
use super::table::{Names, Table};
use crate::port::{Access, Decision, IssuedToken, StoreError, Tokens};

const NAMES: Names =
    Names { table: "tokens", reading: "looking tokens up", changing: "deciding about tokens" };

/// When a token expires that never does.
const NEVER: i64 = i64::MAX;

/// The embedded engine's tokens.
pub struct EmbeddedTokens {
    index: Arc<Index>,
    decisions: Table,
}

impl EmbeddedTokens {
    pub(super) fn new(index: Arc<Index>) -> Self {
        let rows = index.tokens.clone();
        Self { decisions: Table::new(Arc::clone(&index), rows, NAMES), index }
    }
}

#[async_trait]
impl Tokens for EmbeddedTokens {
    async fn issue(&self, tokens: &[IssuedToken]) -> Result<(), StoreError> {
        // Nothing is read: a later row simply hides the earlier one. Within a batch the engine
        // gives all rows one number, so only the last of each key may go in.
        let mut newest = std::collections::HashMap::with_capacity(tokens.len());
        for token in tokens {
            newest.insert((&token.user, token.class), &token.newest);
        }
        let mut out = self.index.batch();
        for ((user, class), token) in newest {
            out.insert(&self.index.tokens, token_key(user, class), encode(token));
        }
        self.index.commit(out, "recording issued tokens")
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.index.check("recording issued tokens")
    }

    async fn newest(&self, users: &[UserId]) -> Result<Vec<NewestTokens>, StoreError> {
        users.iter().map(|user| self.newest_of(user)).collect()
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

impl EmbeddedTokens {
    fn newest_of(&self, user: &UserId) -> Result<NewestTokens, StoreError> {
        let mut tokens = NewestTokens::default();
        for class in Class::ALL {
            let row = index::find(&self.index.tokens, &token_key(user, class));
            let Some(row) = row.map_err(index_error("looking tokens up"))? else { continue };
            let token = decode(&row)
                .ok_or_else(|| index_corrupt("tokens", "a token's row is malformed"))?;
            *tokens.of_mut(class) = Some(token);
        }
        Ok(tokens)
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

fn decode(row: &[u8]) -> Option<Newest> {
    let (id, rest) = row.split_first_chunk()?;
    let (issued_at, rest) = rest.split_first_chunk()?;
    let expires_at = i64::from_le_bytes(rest.try_into().ok()?);
    Some(Newest {
        id: TokenId(*id),
        issued_at: i64::from_le_bytes(*issued_at),
        expires_at: (expires_at != NEVER).then_some(expires_at),
    })
}
