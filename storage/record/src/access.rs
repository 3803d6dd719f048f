//! What holds of a user's tokens whatever the login policy says: which were ended, and for how long the user
//! is banned.

use crate::Seq;

/// Platforms are numbered 1 to 7; 0 stands for every one of them.
const PLATFORMS: usize = 8;
/// Of a platform whose tokens were never ended.
const NEVER: i64 = i64::MIN;

/// What was decided about one user's tokens and inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The second up to whose end the tokens issued are ended, by platform.
    ended: [i64; PLATFORMS],
    /// The ban, if there is one; perhaps over.
    pub ban: Option<Ban>,
    /// The user was deleted, and nobody has registered under the uid since.
    pub erased: bool,
    /// The lowest seq that who has the uid now may see; 0 when it was never another's.
    pub min: Seq,
}

/// Why and until when a user may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Unix seconds at which it is over; `i64::MAX` for one without an end.
    pub until_s: i64,
    /// As the manager gave it.
    pub reason: String,
}

impl Default for Access {
    fn default() -> Self {
        Self { ended: [NEVER; PLATFORMS], ban: None, erased: false, min: Seq(0) }
    }
}

impl Access {
    /// When the tokens of each platform were ended last, all of them first; for whoever stores it.
    #[must_use]
    pub const fn endings(&self) -> &[i64; PLATFORMS] {
        &self.ended
    }

    /// With these endings, as [`Self::endings`] gives them.
    #[must_use]
    pub fn with_endings(endings: [i64; PLATFORMS]) -> Self {
        Self { ended: endings, ..Self::default() }
    }

    /// Ends the tokens issued up to `at_s`, unix seconds, of one platform or (0) of all.
    pub fn end(&mut self, platform: u8, at_s: i64) {
        if let Some(ended) = self.ended.get_mut(usize::from(platform)) {
            *ended = at_s.max(*ended);
        }
    }

    /// The last second whose tokens for `platform` are ended, if any are.
    #[must_use]
    pub fn ended_at(&self, platform: u8) -> Option<i64> {
        let [all, ..] = self.ended;
        let own = self.ended.get(usize::from(platform)).copied().unwrap_or(NEVER);
        Some(all.max(own)).filter(|at| *at != NEVER)
    }

    /// The ban that holds at `now_s`.
    #[must_use]
    pub fn banned(&self, now_s: i64) -> Option<&Ban> {
        self.ban.as_ref().filter(|ban| now_s < ban.until_s)
    }

    /// Whether a token for `platform` (0: of none that is known) that was issued at `issued_at` may be used.
    #[must_use]
    pub fn admits(&self, platform: u8, issued_at: i64, now_s: i64) -> bool {
        self.banned(now_s).is_none() && self.ended_at(platform).is_none_or(|at| issued_at > at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_ended_up_to_a_second_by_platform_or_all() {
        let mut access = Access::default();
        assert!(access.admits(1, 10, 10) && access.admits(0, i64::MIN, 10));
        access.end(1, 10);
        assert!(!access.admits(1, 10, 10) && access.admits(1, 11, 11));
        assert!(access.admits(2, 10, 10) && access.admits(0, 10, 10));
        access.end(0, 20);
        access.end(0, 15);
        for platform in [0, 1, 2, 200] {
            assert!(!access.admits(platform, 20, 20) && access.admits(platform, 21, 21));
        }
        assert_eq!((access.ended_at(1), Access::default().ended_at(1)), (Some(20), None));
        assert_eq!(Access::with_endings(*access.endings()), access);
    }

    #[test]
    fn a_ban_ends_by_itself() {
        let ban = Ban { until_s: 100, reason: "spam".to_owned() };
        let access = Access { ban: Some(ban), ..Access::default() };
        assert!(!access.admits(1, 50, 99) && access.admits(1, 50, 100));
        assert_eq!(access.banned(99).map(|ban| &*ban.reason), Some("spam"));
    }
}
