//! What every token store must do.

use openim_record::{Class, Newest, NewestTokens, Scope, Seq, TokenId, UserId};

use super::Wait as _;
use super::{Backend, Sites};
use crate::port::{Access, Ban, Decision, IssuedToken, Recorded, Tokens};

/// Runs the suite of [`crate::port::Tokens`].
///
/// # Panics
/// Where the contract is broken.
pub fn tokens(sites: Sites<'_>) {
    the_newest_of_each_class_is_known(sites);
    a_restart_brings_no_older_token_back(sites);
    the_later_login_has_the_later_time_whatever_the_clocks_say(sites);
    decisions_are_kept_and_see_each_other(sites);
}

/// Every fourth never expires.
fn token(n: u8) -> Newest {
    let issued_at = i64::from(n);
    let expires_at = (!n.is_multiple_of(4)).then_some(i64::MAX - issued_at);
    Newest { id: TokenId([n; 16]), issued_at, expires_at }
}

fn tokens_of(mobile: Option<u8>, pc: Option<u8>, other: Option<u8>) -> NewestTokens {
    let [mobile, pc, other] = [mobile, pc, other].map(|n| n.map(token));
    NewestTokens { mobile, pc, other }
}

fn issued(user: &str, class: Class, n: u8) -> IssuedToken {
    IssuedToken { user: UserId::new(user), class, newest: token(n), scope: Scope::Class }
}

fn the_newest_of_each_class_is_known(sites: Sites<'_>) {
    use Class::{Mobile, Other, Pc};
    let mut site = sites();
    let Backend { tokens, .. } = site.open();
    let users = ["a", "b", "ab", ""].map(UserId::new);
    assert_eq!(tokens.newest(&users[..3]).wait().expect("read"), [NewestTokens::default(); 3]);
    let long = UserId::new(&"u".repeat(70_000));
    assert_eq!(tokens.newest(&[long]).wait().expect("read"), [NewestTokens::default()]);
    // Within a batch, later entries win.
    let batch = [issued("a", Mobile, 1), issued("b", Pc, 2), issued("a", Mobile, 3)];
    tokens.issue(&batch).wait().expect("issued");
    tokens.issue(&[issued("a", Other, 4), issued("b", Pc, 5)]).wait().expect("issued");
    tokens.issue(&[]).wait().expect("issued");
    assert_eq!(
        tokens.newest(&users[..3]).wait().expect("read"),
        [
            tokens_of(Some(3), None, Some(4)),
            tokens_of(None, Some(5), None),
            tokens_of(None, None, None)
        ]
    );
}

fn a_restart_brings_no_older_token_back(sites: Sites<'_>) {
    let mut site = sites();
    for n in 1..=20 {
        let Backend { tokens, .. } = site.open();
        tokens.issue(&[issued("a", Class::Pc, n)]).wait().expect("issued");
        drop(tokens);
        let Backend { tokens, .. } = site.open();
        let newest = tokens.newest(&[UserId::new("a")]).wait().expect("read");
        assert_eq!(newest, [tokens_of(None, Some(n), None)]);
    }
}

fn the_later_login_has_the_later_time_whatever_the_clocks_say(sites: Sites<'_>) {
    use Class::{Mobile, Other, Pc};
    let mut site = sites();
    let Backend { tokens, .. } = site.open();
    let login = |class, n: u8, iat: i64, scope| {
        let newest = Newest { issued_at: iat, ..token(n) };
        IssuedToken { user: UserId::new("a"), class, newest, scope }
    };
    let at = |n: u8, issued_at| Newest { issued_at, ..token(n) };
    let issue =
        |tokens: &dyn Tokens, batch: &[IssuedToken]| tokens.issue(batch).wait().expect("issued");
    let batch = [login(Mobile, 1, 100, Scope::Class), login(Mobile, 2, 40, Scope::Class)];
    let recorded = issue(&*tokens, &batch);
    let before = NewestTokens { mobile: Some(at(1, 100)), ..NewestTokens::default() };
    assert_eq!(recorded[0], Recorded { newest: at(1, 100), before: NewestTokens::default() });
    assert_eq!(recorded[1], Recorded { newest: at(2, 100), before });
    drop(tokens);
    let Backend { tokens, .. } = site.open();
    // Another class counts for itself, unless all are superseded.
    let recorded = issue(&*tokens, &[login(Pc, 3, 7, Scope::Class)]);
    assert_eq!(recorded[0].newest, at(3, 7));
    let batch = [login(Other, 4, 50, Scope::All), login(Pc, 5, 101, Scope::All)];
    let recorded: Vec<_> = issue(&*tokens, &batch).iter().map(|one| one.newest).collect();
    assert_eq!(recorded, [at(4, 101), at(5, 102)]);
    // Issued once more, as who had no answer does, nothing changes.
    let expected =
        NewestTokens { mobile: Some(at(2, 100)), pc: Some(at(5, 102)), other: Some(at(4, 101)) };
    let recorded = issue(&*tokens, &batch);
    assert!(recorded.iter().all(|one| one.before == expected));
    assert_eq!(recorded[0].newest, at(4, 101));
    drop(tokens);
    let newest = site.open().tokens.newest(&[UserId::new("a")]).wait().expect("read");
    assert_eq!(newest, [expected]);
}

fn decisions_are_kept_and_see_each_other(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { tokens, .. } = site.open();
    let users = ["a", "a\0", "ab", "b"].map(UserId::new);
    let user = || users[0].clone();
    assert_eq!(tokens.access(&users).wait().expect("read"), [None, None, None, None]);
    let long = UserId::new(&"u".repeat(70_000));
    assert_eq!(tokens.access(&[long]).wait().expect("read"), [None]);
    let ban = Ban { until_s: 500, reason: "spam".to_owned() };
    let batch = [
        Decision::End { user: user(), platform: 2, at_s: 10 },
        Decision::Ban { user: user(), ban: ban.clone(), at_s: 20 },
        Decision::End { user: users[3].clone(), platform: 0, at_s: 30 },
        Decision::End { user: user(), platform: 2, at_s: 25 },
    ];
    let outcomes = tokens.decide(&batch).wait().expect("decided");
    assert_eq!(outcomes.len(), batch.len());
    let mut expected = Access::default();
    expected.ban = Some(ban);
    expected.end(0, 20);
    assert_eq!(outcomes[1].ban, expected.ban);
    expected.end(2, 25);
    assert_eq!(outcomes[3], expected);
    drop(tokens);
    let Backend { tokens, .. } = site.open();
    let found = tokens.access(&users).wait().expect("read");
    assert_eq!((&found[0], &found[1], &found[2]), (&Some(expected.clone()), &None, &None));
    // What was ended stays ended, whatever comes after it, in any order.
    let batch = [
        Decision::Unban { user: user() },
        Decision::Erase { user: user(), at_s: 5 },
        Decision::Renew { user: user(), min: Seq(7) },
        Decision::Renew { user: user(), min: Seq(3) },
    ];
    tokens.decide(&batch).wait().expect("decided");
    assert!(tokens.decide(&[]).wait().expect("decided").is_empty());
    expected.ban = None;
    expected.min = Seq(7);
    assert_eq!(tokens.access(&users[..1]).wait().expect("read"), [Some(expected)]);
    // It has nothing to do with which token is the newest.
    assert_eq!(tokens.newest(&users[..1]).wait().expect("read"), [NewestTokens::default()]);
    tokens.issue(&[issued("a", Class::Pc, 1)]).wait().expect("issued");
    assert!(tokens.access(&users[..1]).wait().expect("read")[0].is_some());
}
