//! What a shard makes and knows tokens by.

use std::cell::Cell;
use std::hash::Hasher as _;

use openim_auth::{Claims, Issued, Moment, Platform, Signer, TokenError};
use openim_shard::FrameToken;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// See the module.
pub(crate) struct Keys {
    signer: Signer,
    /// Random, one a process: keys the digests of tokens.
    digest: (u64, u64),
    /// Begins at random, one a shard and start.
    next_id: Cell<u64>,
}

impl Keys {
    /// `digest` is the same for all shards, `first_id` is not.
    pub(crate) fn new(signer: Signer, digest: (u64, u64), first_id: u64) -> Self {
        Self { signer, digest, next_id: Cell::new(first_id) }
    }

    /// What a token says, if it is one of ours and good now.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn verify(&self, token: &str, now: Moment) -> Result<Claims, TokenError> {
        self.signer.verify(token, now)
    }

    /// Makes a token.
    pub(crate) fn issue(&self, uid: &str, platform: Platform, now: Moment) -> Issued {
        self.signer.issue(uid, platform, now, &self.next_id())
    }

    /// A keyed digest of a token's text: equal texts, equal digests, and nobody can aim at one.
    pub(crate) fn digest(&self, token: &str) -> FrameToken {
        let mut hasher = SipHasher13::new_with_keys(self.digest.0, self.digest.1);
        hasher.write(token.as_bytes());
        FrameToken::new(hasher.finish128().as_u128())
    }

    /// An id that nothing else has, of tokens and of what the server says.
    pub(crate) fn next_id(&self) -> String {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        format!("{id:016x}")
    }
}
