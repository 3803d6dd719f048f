//! What every directory must do.

use openim_record::UserId;

use super::{Backend, Sites};
use crate::port::{Directory, Registered, User};

/// Runs the suite of [`Directory`].
///
/// # Panics
/// Where the contract is broken.
pub fn directory(sites: Sites<'_>) {
    the_first_registration_wins(sites);
    registrations_survive_a_restart(sites);
    uids_compare_byte_for_byte(sites);
    every_field_is_kept(sites);
}

fn user(uid: &str, name: &str) -> User {
    User {
        uid: UserId::new(uid),
        name: name.to_owned(),
        icon: String::new(),
        gender: 0,
        mobile: String::new(),
        birth: String::new(),
        email: String::new(),
        ex: String::new(),
        create_ms: 1,
    }
}

fn name_of(directory: &dyn Directory, uid: &str) -> Option<String> {
    let found = directory.users(&[UserId::new(uid)]).expect("users are read");
    assert_eq!(found.len(), 1);
    found.into_iter().next().flatten().map(|user| user.name)
}

fn the_first_registration_wins(sites: Sites<'_>) {
    use Registered::{Created, Exists};
    let mut site = sites();
    let Backend { directory, .. } = site.open();
    let batch = [user("a", "one"), user("b", "two"), user("a", "three"), user("c", "four")];
    assert_eq!(directory.register(&batch).expect("done"), [Created, Created, Exists, Created]);
    let batch = [user("c", "five"), user("d", "six")];
    assert_eq!(directory.register(&batch).expect("done"), [Exists, Created]);
    assert!(directory.register(&[]).expect("done").is_empty());
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
        let outcomes = directory.register(&batch).expect("done");
        let new = outcomes.iter().filter(|outcome| **outcome == Registered::Created).count();
        assert_eq!(new, 1);
    }
    let Backend { directory, .. } = site.open();
    let uids: Vec<_> = (0..6).map(|n| UserId::new(&format!("u{n}"))).collect();
    let found = directory.users(&uids).expect("users are read");
    assert!(found[..5].iter().all(Option::is_some));
    assert!(found[5].is_none());
}

fn uids_compare_byte_for_byte(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { directory, .. } = site.open();
    let uids = ["Anna", "anna", "ANNA", "\u{e4}", "a\u{308}", "ss", "\u{df}", "anna.", "ann"];
    let batch: Vec<_> = uids.iter().map(|uid| user(uid, uid)).collect();
    let outcomes = directory.register(&batch).expect("done");
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
    directory.register(std::slice::from_ref(&full)).expect("done");
    drop(directory);
    let found = site.open().directory.users(std::slice::from_ref(&full.uid)).expect("read");
    assert_eq!(found, [Some(full)]);
}
