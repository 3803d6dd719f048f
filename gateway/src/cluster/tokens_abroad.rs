//! What a shard says to others of tokens that change here (R9): before, so that nobody believes what is remembered of them,
//! and behind it, so that links elsewhere end and it is remembered again.

use openim_cluster::Runtime;
use openim_cluster::redis::{Change, Event, TokenStates};
use openim_record::UserId;

use super::tell::Tell;
use crate::driver::{Local, TokensAbroad, TokensChange};

/// See the module.
pub(super) struct TellsOfTokens {
    pub(super) runtime: Runtime,
    pub(super) tell: Tell,
    pub(super) tokens: TokenStates,
}

impl TokensAbroad for TellsOfTokens {
    fn change(&self, uid: &UserId) -> Local<Option<TokensChange>> {
        let Self { runtime, tell, tokens } = self;
        let (tell, tokens, uid) = (tell.clone(), tokens.clone(), uid.clone());
        let begun = runtime.begin(async move {
            let change = Change::new().ok()?;
            if let Err(cause) = tokens.changes(&uid, change).await {
                tracing::debug!(%cause, "tokens cannot change");
                // It was said perhaps, and is not made.
                tell.changed(uid, change);
                return None;
            }
            Some(TokensChange(change.0))
        });
        Box::pin(async move { begun.answer().await? })
    }

    fn changed(&self, uid: &UserId, TokensChange(change): TokensChange, by: Option<u8>) {
        // First: whoever follows the event finds that it is over.
        self.tell.changed(uid.clone(), Change(change));
        if let Some(by) = by {
            self.tell.event(Event::Tokens { user: uid.clone(), by });
        }
    }

    fn forget(&self, uid: &UserId) -> Local<()> {
        let (tokens, uid) = (self.tokens.clone(), uid.clone());
        // While it cannot be said nothing that is remembered can be read.
        let begun = self.runtime.begin(async move { tokens.forget(&uid).await });
        Box::pin(async move { drop(begun.answer().await) })
    }
}
