//! The links machine: newest wins, generations, tokens and targets.

use super::*;
use crate::CloseReason;

const NOW_S: i64 = 1_000;

fn token(id: u8, class: Class, issued_at: i64) -> Credentials {
    Credentials {
        platform: 1,
        class,
        id: TokenId([id; 16]),
        issued_at,
        expires_at: NOW_S + 100,
        frame: FrameToken::new(id.into()),
    }
}

fn newest(id: u8, issued_at: i64) -> Newest {
    Newest { id: TokenId([id; 16]), issued_at, expires_at: Some(NOW_S + 100) }
}

fn links(policy: LoginPolicy) -> Links {
    let mut links = Links::new(policy, 10);
    links.load(&UserId::new("ann"), NewestTokens::default(), None, |_| ());
    links
}

fn open(links: &mut Links, platform: u8, id: u8) -> Opened {
    let class = if platform <= 2 { Class::Mobile } else { Class::Pc };
    links.open("ann", platform, token(id, class, 10), Now::default(), 0)
}

fn targets(links: &Links, except: u8) -> Vec<Target> {
    links.targets("ann", except, NOW_S).collect()
}

#[test]
fn the_newest_link_of_a_platform_receives_and_the_old_one_leaves_alone() {
    let mut links = links(LoginPolicy::default());
    let old = open(&mut links, 1, 1).id;
    let new = open(&mut links, 1, 1);
    assert_eq!(new.replaced, Some(old));
    assert_eq!(targets(&links, 0), [Target::Live(new.id)]);
    links.close(old);
    links.close(old);
    assert_eq!(targets(&links, 0), [Target::Live(new.id)]);
    links.close(new.id);
    assert!(targets(&links, 0).is_empty() && links.len() == 0);
    links.check_invariants();
}

#[test]
fn a_slot_given_again_has_another_generation() {
    let mut links = links(LoginPolicy::default());
    let old = open(&mut links, 1, 1).id;
    links.close(old);
    let new = open(&mut links, 1, 1);
    assert_eq!((new.id.index, new.replaced), (old.index, None));
    links.close(old);
    links.renew(old, token(9, Class::Mobile, 10));
    assert_eq!((links.uid(old), links.platform(old)), (None, None));
    assert_eq!(links.credentials(new.id).map(|c| c.id), Some(TokenId([1; 16])));
    assert_eq!(targets(&links, 0), [Target::Live(new.id)]);
}

#[test]
fn platforms_receive_side_by_side_but_the_origin() {
    let mut links = links(LoginPolicy::default());
    let phone = open(&mut links, 1, 1).id;
    let web = open(&mut links, 5, 2).id;
    assert_eq!(targets(&links, 0), [Target::Live(phone), Target::Live(web)]);
    assert_eq!(targets(&links, 5), [Target::Live(phone)]);
    assert!(links.targets("bob", 0, NOW_S).next().is_none());
}

#[test]
fn an_expired_token_receives_nothing() {
    let mut links = links(LoginPolicy::default());
    let held = Credentials { expires_at: NOW_S, ..token(1, Class::Mobile, 10) };
    let link = links.open("ann", 1, held, Now::default(), 0).id;
    assert_eq!(targets(&links, 0), [Target::Expired(link)]);
    assert_eq!(links.admits("ann", &held, NOW_S), Some(false));
    assert_eq!(links.admits("ann", &held, NOW_S - 1), Some(true));
}

#[test]
fn a_link_told_to_close_receives_nothing_and_is_named_once() {
    let mut links = links(LoginPolicy::default());
    let link = open(&mut links, 1, 1).id;
    assert_eq!(links.issued("ann", Class::Mobile, newest(2, 20), NOW_S), [link]);
    links.get_mut(link).unwrap().closing = true;
    assert!(targets(&links, 0).is_empty());
    assert!(links.issued("ann", Class::Mobile, newest(3, 30), NOW_S).is_empty());
}

#[test]
fn a_login_ends_the_links_that_its_policy_names() {
    let ended = |policy| {
        let mut links = links(policy);
        let phone = open(&mut links, 1, 1).id;
        let web = open(&mut links, 5, 2).id;
        let ended = links.issued("ann", Class::Pc, newest(3, 10), NOW_S);
        ended
            .into_iter()
            .map(|id| [(phone, 1), (web, 5)].into_iter().find(|l| l.0 == id).unwrap().1)
            .collect::<Vec<_>>()
    };
    assert_eq!(ended(LoginPolicy::OneTerminal), [1, 5]);
    assert_eq!(ended(LoginPolicy::MobileAndPc), [5]);
    assert_eq!(ended(LoginPolicy::AllTerminals), [0; 0]);
}

#[test]
fn one_terminal_knows_the_later_of_two_logins_in_one_second() {
    let mut links = links(LoginPolicy::OneTerminal);
    links.issued("ann", Class::Pc, newest(1, 10), NOW_S);
    let web = links.open("ann", 5, token(1, Class::Pc, 10), Now::default(), 0).id;
    assert_eq!(links.issued("ann", Class::Mobile, newest(2, 10), NOW_S), [web]);
}

#[test]
fn who_leaves_memory_is_named() {
    let mut links = Links::new(LoginPolicy::default(), 1);
    links.load(&UserId::new("bob"), NewestTokens::default(), None, |_| ());
    let mut left = Vec::new();
    let eve = UserId::new("eve");
    links.load(&eve, NewestTokens::default(), None, |uid| left.push(uid.to_string()));
    assert_eq!((left, links.knows("bob")), (vec!["bob".to_owned()], false));
}

#[test]
fn who_has_a_link_stays_in_memory() {
    let mut links = links(LoginPolicy::default());
    open(&mut links, 1, 1);
    for n in 0..1000 {
        links.load(&UserId::new(&format!("u{n}")), NewestTokens::default(), None, |_| ());
    }
    assert!(links.knows("ann"));
    assert!(links.tokens.len() <= 11, "ten besides those with links");
}

#[test]
fn a_decision_refuses_tokens_and_names_their_links() {
    let mut links = links(LoginPolicy::AllTerminals);
    let phone = open(&mut links, 1, 1).id;
    let web = open(&mut links, 5, 2).id;
    let mut access = Access::default();
    assert!(links.decided("ann", &access, 0, NOW_S).is_empty());
    access.end(0, 50);
    assert_eq!(links.decided("ann", &access, 0, NOW_S), [phone, web]);
    let old = token(1, Class::Mobile, 50);
    let new = token(3, Class::Mobile, 51);
    assert_eq!(links.admits("ann", &old, NOW_S), Some(false));
    assert_eq!(links.admits("ann", &new, NOW_S), Some(true));
    // On that platform whatever the token.
    let again = links.open("ann", 7, new, Now::default(), 0).id;
    assert_eq!(links.decided("ann", &Access::default(), 7, NOW_S), [again]);
    access.ban = Some(openim_record::Ban { until_s: NOW_S + 1, reason: String::new() });
    links.decided("ann", &access, 0, NOW_S);
    assert_eq!(links.admits("ann", &new, NOW_S), Some(false));
    assert_eq!(links.admits("ann", &new, NOW_S + 1), Some(true), "the ban is over");
}

#[test]
fn the_exempt_hold_several_tokens_at_once() {
    for policy in [LoginPolicy::OneTerminal, LoginPolicy::MobileAndPc] {
        let mut links = links(policy);
        links.exempt([UserId::new("ann")]);
        let first = open(&mut links, 1, 1).id;
        assert!(links.issued("ann", Class::Mobile, newest(2, 60), NOW_S).is_empty());
        assert!(links.uid(first).is_some());
        assert_eq!(links.admits("ann", &token(1, Class::Mobile, 10), NOW_S), Some(true));
        links.load(&UserId::new("bob"), NewestTokens::default(), None, |_| ());
        links.issued("bob", Class::Mobile, newest(2, 60), NOW_S);
        assert_eq!(links.admits("bob", &token(1, Class::Mobile, 10), NOW_S), Some(false));
    }
}

#[test]
fn what_was_read_again_ends_links_each_for_its_reason() {
    let mut links = links(LoginPolicy::MobileAndPc);
    let (phone, web) = (open(&mut links, 1, 1).id, open(&mut links, 5, 2).id);
    let outdated = |links: &Links, by| links.outdated("ann", by, NOW_S).collect::<Vec<_>>();
    assert_eq!(outdated(&links, 0), []);
    let read = |links: &mut Links, mobile, access| {
        let tokens = NewestTokens { mobile, ..NewestTokens::default() };
        links.load(&UserId::new("ann"), tokens, access, |_| ());
    };
    read(&mut links, Some(newest(9, 20)), None);
    let superseded = |by| [(phone, CloseReason::Superseded { by })];
    assert_eq!(
        (outdated(&links, 2), outdated(&links, 0)),
        (superseded(2).into(), superseded(5).into())
    );
    // Tokens of platform 5 are ended: the link there has one of another platform, issued before.
    let mut access = Access::default();
    access.end(5, 10);
    read(&mut links, Some(newest(1, 10)), Some(Box::new(access.clone())));
    assert_eq!(outdated(&links, 0), [(web, CloseReason::LoggedOut)]);
    links.renew(web, token(2, Class::Pc, 11));
    assert_eq!(outdated(&links, 0), []);
    access.ban = Some(openim_record::Ban { until_s: NOW_S + 1, reason: String::new() });
    read(&mut links, None, Some(Box::new(access)));
    assert_eq!(outdated(&links, 1), [(phone, CloseReason::Banned), (web, CloseReason::Banned)]);
}
