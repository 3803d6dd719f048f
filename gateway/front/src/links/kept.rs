//! What is kept of a user's tokens in memory. In: issued tokens and decisions, durable. Out: the newest ones.
//! Never says whether a token is good.

use openim_auth::{Class, LoginPolicy, Newest, NewestTokens};
use openim_record::Access;

/// A user's newest tokens in little memory: most users have one.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) tokens: Box<[(Class, Newest)]>,
    /// What was decided about them; of most users nothing ever was.
    pub(super) access: Option<Box<Access>>,
}

impl Kept {
    pub(super) fn newest(&self) -> NewestTokens {
        let mut tokens = NewestTokens::default();
        for &(class, newest) in &self.tokens {
            *tokens.of_mut(class) = Some(newest);
        }
        tokens
    }
}

impl Kept {
    pub(super) fn record(&mut self, policy: LoginPolicy, class: Class, newest: Newest) {
        let mut tokens = self.newest();
        policy.record(&mut tokens, class, newest);
        *self = Self { access: self.access.take(), ..Self::from(tokens) };
    }
}

impl From<NewestTokens> for Kept {
    fn from(tokens: NewestTokens) -> Self {
        let tokens = Class::ALL.into_iter().filter_map(|class| Some((class, (*tokens.of(class))?)));
        Self { tokens: tokens.collect(), access: None }
    }
}
