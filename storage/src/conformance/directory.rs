//! What every directory must do.

use openim_record::UserId;

use super::Wait as _;
use super::ids::{AWKWARD, paged};
use super::{Backend, Sites, user};
use crate::port::{Directory, Registered, User, UserChange};

/// Runs the suite of [`Directory`].
///
/// # Panics
/// Where the contract is broken.
pub fn directory(sites: Sites<'_>) {
    the_first_registration_wins(sites);
    registrations_survive_a_restart(sites);
    uids_compare_byte_for_byte(sites);
    every_field_is_kept(sites);
    columns_change_one_by_one(sites);
    later_changes_of_a_batch_see_earlier_ones(sites);
    deleted_users_are_gone_and_can_come_back(sites);
    pages_have_every_uid_once(sites);
}

fn name_of(directory: &dyn Directory, uid: &str) -> Option<String> {
    let found = directory.users(&[UserId::new(uid)]).wait().expect("users are read");
    assert_eq!(found.len(), 1);
    found.into_iter().next().flatten().map(|user| user.name)
}

fn the_first_registration_wins(sites: Sites<'_>) {
    use Registered::{Created, Exists};
    let mut site = sites();
    let Backend { directory, .. } = site.open();
    let batch = [user("a", "one"), user("b", "two"), user("a", "three"), user("c", "four")];
    assert_eq!(
        directory.register(&batch).wait().expect("done"),
        [Created, Created, Exists, Created]
    );
    let batch = [user("c", "five"), user("d", "six")];
    assert_eq!(directory.register(&batch).wait().expect("done"), [Exists, Created]);
    assert!(directory.register(&[]).wait().expect("done").is_empty());
    let found = ["a", "b", "c", "d", "e"].map(|uid| name_of(&*directory, uid));
    assert_eq!(
        found.each_ref().map(Option::as_deref),
        [Some("one"), Some("two"), Some("four"), Some("six"), None]
    );
}

fn registrations_survive_a_restart(sites: Sites<'_>) {
    let mut site = sites();
    for n in 0..5 {
        let Backend { directory, .. } = site.open();
        let batch: Vec<_> = (0..=n).map(|n| user(&format!("u{n}"), &format!("name{n}"))).collect();
        let outcomes = directory.register(&batch).wait().expect("done");
        let new = outcomes.iter().filter(|outcome| **outcome == Registered::Created).count();
        assert_eq!(new, 1);
    }
    let Backend { directory, .. } = site.open();
    let uids: Vec<_> = (0..6).map(|n| UserId::new(&format!("u{n}"))).collect();
    let found = directory.users(&uids).wait().expect("users are read");
    assert!(found[..5].iter().all(Option::is_some));
    assert!(found[5].is_none());
}

fn uids_compare_byte_for_byte(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { directory, .. } = site.open();
    let uids = ["Anna", "anna", "ANNA", "\u{e4}", "a\u{308}", "ss", "\u{df}", "anna.", "ann"];
    let batch: Vec<_> = uids.iter().map(|uid| user(uid, uid)).collect();
    let outcomes = directory.register(&batch).wait().expect("done");
    assert!(outcomes.iter().all(|outcome| *outcome == Registered::Created));
    for uid in uids {
        assert_eq!(name_of(&*directory, uid).as_deref(), Some(uid));
    }
}

fn every_field_is_kept(sites: Sites<'_>) {
    let mut site = sites();
    let full = User {
        uid: UserId::new("用户"),
        name: "名 \u{1f600}".to_owned(),
        icon: "https://example.org/i.png".to_owned(),
        gender: 2,
        mobile: "+1 555".to_owned(),
        birth: "1999-12-31".to_owned(),
        email: "a@example.org".to_owned(),
        ex: "x".repeat(10_000),
        create_ms: 1_622_033_433_123,
    };
    let Backend { directory, .. } = site.open();
    directory.register(std::slice::from_ref(&full)).wait().expect("done");
    drop(directory);
    let found = site.open().directory.users(std::slice::from_ref(&full.uid)).wait().expect("read");
    assert_eq!(found, [Some(full)]);
}

/// A change of nothing.
fn change(uid: &str) -> UserChange {
    UserChange {
        uid: UserId::new(uid),
        name: None,
        icon: None,
        gender: None,
        mobile: None,
        birth: None,
        email: None,
        ex: None,
    }
}

fn columns_change_one_by_one(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { directory, .. } = site.open();
    let mut expected = user("a", "first");
    directory.register(&[expected.clone(), user("b", "other")]).wait().expect("done");
    for n in 0..128 {
        let text = |bit: u32, old: &mut String| {
            (n & (1 << bit) != 0).then(|| {
                *old = if n % 5 == 0 { String::new() } else { format!("{bit} in {n}") };
                old.clone()
            })
        };
        let gender = (n & (1 << 6) != 0).then_some(n);
        expected.gender = gender.unwrap_or(expected.gender);
        let change = UserChange {
            uid: UserId::new("a"),
            name: text(0, &mut expected.name),
            icon: text(1, &mut expected.icon),
            gender,
            mobile: text(2, &mut expected.mobile),
            birth: text(3, &mut expected.birth),
            email: text(4, &mut expected.email),
            ex: text(5, &mut expected.ex),
        };
        assert_eq!(directory.update(&[change]).wait().expect("done"), [Some(expected.clone())]);
    }
    drop(directory);
    let Backend { directory, .. } = site.open();
    let found = directory.users(&["a", "b"].map(UserId::new)).wait().expect("read");
    assert_eq!(found, [Some(expected), Some(user("b", "other"))]);
}

fn later_changes_of_a_batch_see_earlier_ones(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { directory, .. } = site.open();
    directory.register(&[user("a", "first")]).wait().expect("done");
    let named = |uid, name: &str| UserChange { name: Some(name.to_owned()), ..change(uid) };
    let mailed = |uid, email: &str| UserChange { email: Some(email.to_owned()), ..change(uid) };
    let batch =
        [named("a", "second"), named("x", "nobody"), mailed("a", "a@b"), named("a", "third")];
    let rows = directory.update(&batch).wait().expect("done");
    let row = |name: &str, email: &str| Some(User { email: email.to_owned(), ..user("a", name) });
    assert_eq!(rows, [row("second", ""), None, row("second", "a@b"), row("third", "a@b")]);
    assert_eq!(directory.update(&[change("a")]).wait().expect("done"), [row("third", "a@b")]);
    assert!(directory.update(&[]).wait().expect("done").is_empty());
    drop(directory);
    let Backend { directory, .. } = site.open();
    let found = directory.users(&["a", "x"].map(UserId::new)).wait().expect("read");
    assert_eq!(found, [row("third", "a@b"), None], "a change registers nobody");
}

fn deleted_users_are_gone_and_can_come_back(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { directory, .. } = site.open();
    directory
        .register(&[user("a", "one"), user("b", "two"), user("c", "three")])
        .wait()
        .expect("done");
    let deleted = directory.delete(&["a", "x", "c", "a"].map(UserId::new)).wait().expect("done");
    assert_eq!(deleted, [true, false, true, false]);
    assert!(directory.delete(&[]).wait().expect("done").is_empty());
    assert_eq!(directory.update(&[change("a")]).wait().expect("done"), [None]);
    drop(directory);
    let Backend { directory, .. } = site.open();
    let found = ["a", "b", "c"].map(|uid| name_of(&*directory, uid));
    assert_eq!(found.each_ref().map(Option::as_deref), [None, Some("two"), None]);
    assert_eq!(directory.uids(None, 9).wait().expect("read"), [UserId::new("b")]);
    let outcomes =
        directory.register(&[user("a", "again"), user("b", "again")]).wait().expect("done");
    assert_eq!(outcomes, [Registered::Created, Registered::Exists]);
    assert_eq!(name_of(&*directory, "a").as_deref(), Some("again"));
}

fn pages_have_every_uid_once(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { directory, .. } = site.open();
    assert!(directory.uids(None, 9).wait().expect("read").is_empty());
    directory.register(&AWKWARD.map(|uid| user(uid, uid))).wait().expect("done");
    let pages = |directory: &dyn Directory, max| {
        let page = |after: Option<&UserId>, max| directory.uids(after, max).wait().expect("read");
        paged(max, page, UserId::clone)
    };
    let order = pages(&*directory, 1);
    for max in [2, 3, 16, 100] {
        assert_eq!(pages(&*directory, max), order);
    }
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(sorted.iter().map(UserId::as_str).eq(AWKWARD));
    assert!(directory.uids(None, 0).wait().expect("read").is_empty());
    drop(directory);
    // The order stays, and a place in it does when the uid there goes.
    let Backend { directory, .. } = site.open();
    assert_eq!(pages(&*directory, 5), order);
    directory.delete(&order[3..5]).wait().expect("done");
    assert_eq!(directory.uids(Some(&order[3]), 2).wait().expect("read"), order[5..7]);
}
