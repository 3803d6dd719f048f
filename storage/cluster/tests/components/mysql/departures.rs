//! Who has gone out of a group a short while ago, as every process sees it.

use openim_record::{GroupId, MessageKey, UserId};
use openim_storage::port::{By, GroupChange, Groups, wait};

use super::shared::{LIMITS, add, create};
use crate::support::mysql::Database;

fn gid() -> GroupId {
    GroupId::new("g")
}

fn uids<const N: usize>(uids: [&str; N]) -> [UserId; N] {
    uids.map(UserId::new)
}

fn kick(uid: &str) -> GroupChange {
    let by = By { uid: UserId::new("manager"), trusted: true };
    GroupChange::Remove { group: gid(), by, users: vec![UserId::new(uid)] }
}

fn leave(uid: &str) -> GroupChange {
    GroupChange::Leave { group: gid(), user: UserId::new(uid) }
}

/// A group of ann, bob, cat and dan, out of which bob is taken and cat goes.
fn departed(groups: &dyn Groups) {
    let steps = [
        create("g", "ann"),
        add("g", "bob"),
        add("g", "cat"),
        add("g", "dan"),
        kick("bob"),
        leave("cat"),
    ];
    wait(groups.apply(&steps, LIMITS)).expect("made");
}

fn key(n: u128) -> MessageKey {
    MessageKey(n)
}

#[test]
fn every_process_knows_who_has_gone_and_who_has_told_it() {
    let Some(database) = Database::create() else { return };
    departed(&*database.open().groups);
    let groups = database.open().groups;
    let asked = uids(["ann", "bob", "nobody", "cat", "bob"]);
    let gone = || wait(groups.departed(&gid(), &asked)).expect("read");
    assert_eq!(gone(), [false, true, false, true, true]);
    let elsewhere = wait(groups.departed(&GroupId::new("h"), &asked)).expect("read");
    assert_eq!(elsewhere, [false; 5]);
    assert!(wait(groups.departed(&gid(), &[])).expect("read").is_empty());
    let tells = |uid: &str, n| {
        let uid = UserId::new(uid);
        wait(database.open().groups.tell_left(&gid(), &uid, key(n))).expect("noted")
    };
    // By their own wish, once, and again by the same message.
    let told = ["ann", "bob", "cat", "cat", "cat", "cat"].into_iter().zip([1, 1, 1, 2, 1, 2]);
    let told: Vec<bool> = told.map(|(uid, n)| tells(uid, n)).collect();
    assert_eq!(told, [false, false, true, false, true, false]);
    // Who goes again may tell it again.
    wait(groups.apply(&[add("g", "cat"), leave("cat")], LIMITS)).expect("made");
    assert_eq!((tells("cat", 2), tells("cat", 1)), (true, false));
}

#[test]
fn a_while_later_nobody_has_gone_and_nothing_of_it_is_kept() {
    let Some(database) = Database::create() else { return };
    departed(&*database.open().groups);
    let table = format!("{}.group_departure", database.name());
    let aged = |seconds: u64| {
        database.tell(&[format!(
            "UPDATE {table} SET left_time = TIMESTAMPADD(SECOND, -{seconds}, UTC_TIMESTAMP(3))"
        )]);
    };
    let groups = database.open().groups;
    let gone = || {
        let asked = uids(["bob", "cat"]);
        wait(groups.departed(&gid(), &asked)).expect("read")
    };
    aged(500);
    assert_eq!(gone(), [true, true]);
    aged(601);
    assert_eq!(gone(), [false, false]);
    assert!(!wait(groups.tell_left(&gid(), &UserId::new("cat"), key(1))).expect("noted"));
    // The next who goes takes them away.
    wait(groups.apply(&[leave("dan")], LIMITS)).expect("made");
    let left = || database.ask(&format!("SELECT CAST(uid AS CHAR) FROM {table}"));
    while left() != ["dan"] {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn tables_of_the_first_version_get_what_they_lack() {
    let Some(database) = Database::create() else { return };
    departed(&*database.open().groups);
    let name = database.name();
    database.tell(&[
        format!("DROP TABLE {name}.group_departure"),
        format!("UPDATE {name}.openim_schema SET version = 1"),
    ]);
    let groups = database.open().groups;
    wait(groups.apply(&[leave("dan")], LIMITS)).expect("made");
    assert_eq!(wait(groups.departed(&gid(), &uids(["bob", "dan"]))).expect("read"), [false, true]);
    drop(database.open());
}
