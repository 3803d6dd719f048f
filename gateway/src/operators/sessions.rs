//! Logins to the console: who holds which cookie, and for how long.
//!
//! Owns the table. Bounded: with one more than `console.sessionsMax` the oldest ends. Kept in memory alone: a restart ends all of
//! them. Never: a password.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use openim_auth::secrets_match;

use super::Role;

/// Random bytes of a cookie; each becomes two characters.
const COOKIE_BYTES: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Sessions {
    /// The oldest first.
    open: VecDeque<Session>,
    most: usize,
    lasts: Duration,
}

#[derive(Debug)]
struct Session {
    cookie: String,
    role: Role,
    until: Instant,
}

impl Sessions {
    pub(super) fn new(most: usize, lasts: Duration) -> Self {
        Self { open: VecDeque::new(), most: most.max(1), lasts }
    }

    /// How long a cookie is good for.
    pub(super) fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Gives a cookie; `None` where the system gives no random bytes.
    pub(super) fn open(&mut self, role: Role, now: Instant) -> Option<String> {
        let mut bytes = [0_u8; COOKIE_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        let cookie: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.forget(now);
        if self.open.len() >= self.most {
            self.open.pop_front();
        }
        self.open.push_back(Session { cookie: cookie.clone(), role, until: now + self.lasts });
        Some(cookie)
    }

    /// Whose cookie this is, if it still is one.
    pub(super) fn role(&self, cookie: &str, now: Instant) -> Option<Role> {
        let is = |session: &&Session| {
            session.until > now && secrets_match(cookie.as_bytes(), session.cookie.as_bytes())
        };
        self.open.iter().find(is).map(|session| session.role)
    }

    /// It is good for nothing any more.
    pub(super) fn close(&mut self, cookie: &str) {
        self.open.retain(|session| session.cookie != cookie);
    }

    /// Those that are good.
    pub(super) fn len(&mut self, now: Instant) -> usize {
        self.forget(now);
        self.open.len()
    }

    fn forget(&mut self, now: Instant) {
        self.open.retain(|session| session.until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_good_until_they_end_and_the_oldest_makes_room() {
        let begin = Instant::now();
        let mut sessions = Sessions::new(2, Duration::from_secs(60));
        let first = sessions.open(Role::Operator, begin).unwrap();
        let second = sessions.open(Role::Viewer, begin + Duration::from_secs(1)).unwrap();
        assert_ne!(first, second);
        assert_eq!(sessions.role(&first, begin), Some(Role::Operator));
        assert_eq!(sessions.role("", begin), None);
        let third = sessions.open(Role::Operator, begin + Duration::from_secs(2)).unwrap();
        assert_eq!(sessions.role(&first, begin), None);
        assert_eq!(sessions.role(&second, begin), Some(Role::Viewer));
        sessions.close(&second);
        assert_eq!(sessions.role(&second, begin), None);
        let late = begin + Duration::from_secs(62);
        assert_eq!((sessions.role(&third, late), sessions.len(late)), (None, 0));
    }
}
