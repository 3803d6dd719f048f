//! Links held against what the stores say of their tokens now. In: tokens that are in memory. Out: who is to go, and why.

use openim_auth::{Held, LoginPolicy, NewestTokens};
use openim_record::{Access, LinkId};

use super::kept::Kept;
use super::{Link, Links};
use crate::CloseReason;

/// The platform that is named to a link whose token was superseded when nobody knows where: Web, and there Windows.
const UNKNOWN_BY: [u8; 2] = [5, 3];

impl Links {
    /// The open links of a user in memory whose tokens are good no more. `by`: on which platform the last login was, if
    /// that is known (0: it is not). What was decided about the tokens of a platform holds for whatever is used there.
    pub(crate) fn outdated(
        &self,
        uid: &str,
        by: u8,
        now_unix_s: i64,
    ) -> impl Iterator<Item = (LinkId, CloseReason)> + use<'_> {
        let links = self.user(uid).map_or(&[][..], |user| &user.links[..]);
        let (kept, policy) = (self.tokens.get(uid), self.policy_of(uid));
        links.iter().filter_map(move |&index| {
            let (link, kept) = (self.links.get(index as usize)?, kept?);
            if link.closing {
                return None;
            }
            let (newest, access) = (kept.newest(), kept.access.as_deref());
            let held = link.credentials.held();
            // Compares nothing: what is left is expiry and what was decided.
            let decided = |platform| {
                let held = Held { platform, ..held };
                !LoginPolicy::AllTerminals.opens(&held, &newest, access, now_unix_s)
            };
            let reason = if held.expires_at <= now_unix_s {
                CloseReason::TokenExpired
            } else if access.is_some_and(|access| access.banned(now_unix_s).is_some()) {
                CloseReason::Banned
            } else if decided(held.platform) || decided(link.platform) {
                CloseReason::LoggedOut
            } else if !policy.opens(&held, &newest, access, now_unix_s) {
                CloseReason::Superseded { by: shown(by, link) }
            } else {
                return None;
            };
            Some((LinkId { index, generation: link.generation }, reason))
        })
    }
}

/// Compares with what the stores say, without taking it.
impl Links {
    /// Whether what the stores have of a user's tokens is not what is in memory, or an open link is good no more by what is.
    pub(crate) fn differs(
        &self,
        uid: &str,
        newest: &NewestTokens,
        access: Option<&Access>,
        now_unix_s: i64,
    ) -> bool {
        let same = |kept: &Kept| kept.newest() == *newest && kept.access.as_deref() == access;
        !self.tokens.get(uid).is_some_and(same)
            || self.outdated(uid, 0, now_unix_s).next().is_some()
    }
}

const fn shown(by: u8, link: &Link) -> u8 {
    let [usual, other] = UNKNOWN_BY;
    match by {
        0 if link.platform == usual => other,
        0 => usual,
        by => by,
    }
}
