//! Login policies: which tokens of a user are good at the same time.
//!
//! In: the newest token of each class and one token. Out: still good, or superseded.
//!
//! ## Invariants
//! - The newest token itself is never superseded (`the_newest_token_is_always_good`).
//! - A newest token that has expired supersedes nothing (`an_expired_newest_token_is_ignored`).

use openim_record::{Access, Scope};

use crate::{Class, Newest, NewestTokens, TokenId};

/// How many terminals of one user may be logged in together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoginPolicy {
    /// One terminal in all: every login supersedes all others.
    OneTerminal,
    /// One terminal of each class: a login supersedes the others of its class.
    #[default]
    MobileAndPc,
    /// Any number: nothing is superseded.
    AllTerminals,
}

/// A verified token, to be held against what is recorded of its user's.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Of its terminal.
    pub class: Class,
    /// 1 to 7; 0 of none that is known.
    pub platform: u8,
    /// Which token.
    pub id: TokenId,
    /// Its `iat`, in unix seconds.
    pub issued_at: i64,
    /// Its `exp`, in unix seconds; `i64::MAX` never expires.
    pub expires_at: i64,
}

impl LoginPolicy {
    /// Whether a verified token is its bearer's to use: not expired, not ended by what was decided about the user, and
    /// not superseded.
    pub fn opens(
        self,
        held: &Held,
        newest: &NewestTokens,
        access: Option<&Access>,
        now_unix: i64,
    ) -> bool {
        let Held { class, platform, id, issued_at, expires_at } = *held;
        // The newest token counts from when it is recorded, which is later than it says if the clock fell.
        let recorded = newest.of(class).filter(|newest| newest.id == id);
        let counts_from = recorded.map_or(issued_at, |newest| newest.issued_at);
        access.is_none_or(|access| access.admits(platform, counts_from, now_unix))
            && expires_at > now_unix
            && self.admits(newest, class, &id, issued_at, now_unix)
    }

    /// The policy that the three switches of `multiloginpolicy` mean: the first that is on wins, and
    /// none on compares nothing.
    pub fn from_switches(one_terminal: bool, mobile_and_pc: bool, _all: bool) -> LoginPolicy {
        if one_terminal {
            LoginPolicy::OneTerminal
        } else if mobile_and_pc {
            LoginPolicy::MobileAndPc
        } else {
            LoginPolicy::AllTerminals
        }
    }

    /// Whether a verified token is still good against the newest ones.
    ///
    /// It is superseded when a newest token of a compared class exists that is another one and was not
    /// issued earlier. A token of another issuer with the same secret and a later `iat` is good.
    /// Under [`LoginPolicy::OneTerminal`] the newest over all classes is compared; when several classes
    /// share its second, being any one of them is enough ([`LoginPolicy::record`] leaves one).
    pub fn admits(
        self,
        newest: &NewestTokens,
        class: Class,
        id: &TokenId,
        issued_at: i64,
        now_unix: i64,
    ) -> bool {
        let compared = match self {
            LoginPolicy::AllTerminals => return true,
            LoginPolicy::MobileAndPc => [*newest.of(class), None, None],
            LoginPolicy::OneTerminal => [newest.mobile, newest.pc, newest.other],
        };
        let mut usable = compared.iter().flatten().filter(|record| usable(record, now_unix));
        let Some(last) = usable.clone().map(|record| record.issued_at).max() else {
            return true;
        };
        issued_at > last || usable.any(|record| record.issued_at == last && record.id == *id)
    }

    /// Whether issuing a token of class `issued` ends the links that hold a token of class `held`.
    ///
    /// A link that holds the issued token itself (same [`TokenId`]) is not meant: compare ids first.
    pub fn supersedes(self, issued: Class, held: Class) -> bool {
        match self {
            LoginPolicy::OneTerminal => true,
            LoginPolicy::MobileAndPc => issued == held,
            LoginPolicy::AllTerminals => false,
        }
    }
}

/// What follows from a login, in the newest tokens of a user.
impl LoginPolicy {
    /// What a login supersedes, for whoever records it ([`NewestTokens::issue`]).
    pub fn scope(self) -> Scope {
        match self {
            LoginPolicy::OneTerminal => Scope::All,
            LoginPolicy::MobileAndPc | LoginPolicy::AllTerminals => Scope::Class,
        }
    }

    /// Takes note of a token just issued.
    ///
    /// Under [`LoginPolicy::OneTerminal`] a record of another class and the same second is dropped:
    /// times alone could not tell which of the two logins was the later.
    pub fn record(self, tokens: &mut NewestTokens, class: Class, newest: Newest) {
        if self == LoginPolicy::OneTerminal {
            for class in Class::ALL {
                let slot = tokens.of_mut(class);
                if slot.is_some_and(|held| held.issued_at == newest.issued_at) {
                    *slot = None;
                }
            }
        }
        *tokens.of_mut(class) = Some(newest);
    }
}

fn usable(newest: &Newest, now_unix: i64) -> bool {
    newest.expires_at.is_none_or(|expires_at| now_unix <= expires_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000;
    const POLICIES: [LoginPolicy; 3] =
        [LoginPolicy::OneTerminal, LoginPolicy::MobileAndPc, LoginPolicy::AllTerminals];
    const CLASSES: [Class; 3] = [Class::Mobile, Class::Pc, Class::Other];

    fn newest(id: u8, issued_at: i64) -> Newest {
        Newest { id: TokenId([id; 16]), issued_at, expires_at: Some(NOW + 100) }
    }

    fn admits(
        policy: LoginPolicy,
        tokens: &NewestTokens,
        class: Class,
        id: u8,
        issued_at: i64,
    ) -> bool {
        policy.admits(tokens, class, &TokenId([id; 16]), issued_at, NOW)
    }

    #[test]
    fn switches_in_the_order_of_the_original() {
        assert_eq!(LoginPolicy::from_switches(true, true, true), LoginPolicy::OneTerminal);
        assert_eq!(LoginPolicy::from_switches(false, true, true), LoginPolicy::MobileAndPc);
        assert_eq!(LoginPolicy::from_switches(false, false, true), LoginPolicy::AllTerminals);
        assert_eq!(LoginPolicy::from_switches(false, false, false), LoginPolicy::AllTerminals);
        assert_eq!(LoginPolicy::default(), LoginPolicy::MobileAndPc);
    }

    #[test]
    fn without_a_record_every_token_is_good() {
        for policy in POLICIES {
            for class in CLASSES {
                assert!(admits(policy, &NewestTokens::default(), class, 1, 10));
            }
        }
    }

    #[test]
    fn the_newest_token_is_always_good() {
        for policy in POLICIES {
            for class in CLASSES {
                for first in CLASSES {
                    let mut tokens = NewestTokens::default();
                    policy.record(&mut tokens, first, newest(1, 10));
                    policy.record(&mut tokens, class, newest(2, 10));
                    assert!(
                        admits(policy, &tokens, class, 2, 10),
                        "{policy:?} {first:?} {class:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_class_keeps_to_itself_under_the_default() {
        let mut tokens = NewestTokens::default();
        let policy = LoginPolicy::default();
        policy.record(&mut tokens, Class::Mobile, newest(1, 10));
        policy.record(&mut tokens, Class::Pc, newest(2, 20));
        assert!(admits(policy, &tokens, Class::Mobile, 1, 10));
        policy.record(&mut tokens, Class::Mobile, newest(3, 30));
        assert!(!admits(policy, &tokens, Class::Mobile, 1, 10));
        assert!(admits(policy, &tokens, Class::Pc, 2, 20));
        assert!(admits(policy, &tokens, Class::Other, 9, 1));
    }

    #[test]
    fn the_same_second_is_told_apart_by_identity() {
        let mut tokens = NewestTokens::default();
        LoginPolicy::MobileAndPc.record(&mut tokens, Class::Mobile, newest(1, 10));
        LoginPolicy::MobileAndPc.record(&mut tokens, Class::Mobile, newest(2, 10));
        assert!(!admits(LoginPolicy::MobileAndPc, &tokens, Class::Mobile, 1, 10));
        assert!(admits(LoginPolicy::MobileAndPc, &tokens, Class::Mobile, 2, 10));
    }

    #[test]
    fn one_terminal_means_one_over_all_classes() {
        for second in [10, 11] {
            let mut tokens = NewestTokens::default();
            let policy = LoginPolicy::OneTerminal;
            policy.record(&mut tokens, Class::Pc, newest(1, 10));
            policy.record(&mut tokens, Class::Mobile, newest(2, second));
            assert!(!admits(policy, &tokens, Class::Pc, 1, 10));
            assert!(admits(policy, &tokens, Class::Mobile, 2, second));
        }
    }

    #[test]
    fn all_terminals_supersede_nothing() {
        let tokens = NewestTokens { mobile: Some(newest(2, 50)), ..NewestTokens::default() };
        assert!(admits(LoginPolicy::AllTerminals, &tokens, Class::Mobile, 1, 10));
    }

    #[test]
    fn a_foreign_token_with_a_later_second_is_good() {
        let tokens = NewestTokens { mobile: Some(newest(2, 50)), ..NewestTokens::default() };
        for policy in POLICIES {
            assert!(admits(policy, &tokens, Class::Mobile, 7, 51));
        }
    }

    #[test]
    fn an_expired_newest_token_is_ignored() {
        let stale = Newest { expires_at: Some(NOW - 1), ..newest(2, 50) };
        let last_second = Newest { expires_at: Some(NOW), ..newest(2, 50) };
        for policy in [LoginPolicy::OneTerminal, LoginPolicy::MobileAndPc] {
            let tokens = NewestTokens { pc: Some(stale), ..NewestTokens::default() };
            assert!(admits(policy, &tokens, Class::Pc, 1, 10));
            let tokens = NewestTokens { pc: Some(last_second), ..NewestTokens::default() };
            assert!(!admits(policy, &tokens, Class::Pc, 1, 10));
        }
    }

    #[test]
    fn which_links_a_login_ends() {
        for issued in CLASSES {
            for held in CLASSES {
                assert!(LoginPolicy::OneTerminal.supersedes(issued, held));
                assert_eq!(LoginPolicy::MobileAndPc.supersedes(issued, held), issued == held);
                assert!(!LoginPolicy::AllTerminals.supersedes(issued, held));
            }
        }
    }

    #[test]
    fn a_login_counts_as_the_newest_though_the_clock_fell() {
        for policy in [LoginPolicy::OneTerminal, LoginPolicy::MobileAndPc] {
            let mut newest = NewestTokens::default();
            let mut issue = |iat: i64, id: u8| {
                let token = Newest { id: TokenId([id; 16]), issued_at: iat, expires_at: None };
                newest.issue(Class::Mobile, token, policy.scope());
                newest
            };
            issue(NOW, 1);
            let newest = issue(NOW - 100, 2);
            assert!(policy.admits(&newest, Class::Mobile, &TokenId([2; 16]), NOW - 100, NOW));
            assert!(!policy.admits(&newest, Class::Mobile, &TokenId([1; 16]), NOW, NOW));
        }
    }
}
