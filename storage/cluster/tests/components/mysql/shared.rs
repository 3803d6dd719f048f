//! What only a store elsewhere can meet: others who change the same at the same time, connections that break, locks that
//! others keep, tables that others have made.

use std::sync::Barrier;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use openim_cluster::mysql::{self, Mysql, OpenError, Options, open};
use openim_record::{Class, GroupId, Newest, Position, Role, TokenId, UserId};
use openim_storage::conformance::{self, Sample, encoded};
use openim_storage::port::{
    Archive as _, Archived, By, Directory as _, Group, GroupChange, GroupLimits, GroupOutcome,
    Groups as _, IssuedToken, Member, Registered, RelationChange, RelationOutcome, Relations as _,
    Scope, StoreError, Tokens as _, User, wait,
};

use crate::support::mysql::Database;

const THREADS: usize = 6;
pub(super) const LIMITS: GroupLimits =
    GroupLimits { members_max: 1_000, joined_max: 1_000, requests_max: 1_000 };

fn user(uid: &str) -> User {
    conformance::user(uid, "")
}

fn member(uid: &str, role: Role) -> Member {
    let (nickname, face_url) = (String::new(), String::new());
    Member { uid: UserId::new(uid), role, nickname, face_url, join_ms: 1 }
}

pub(super) fn create(group: &str, owner: &str) -> GroupChange {
    let group = conformance::group(group);
    GroupChange::Create { group, members: vec![member(owner, Role::Owner)] }
}

pub(super) fn add(group: &str, uid: &str) -> GroupChange {
    let by = By { uid: UserId::new("manager"), trusted: true };
    let members = vec![member(uid, Role::Ordinary)];
    GroupChange::Add { group: GroupId::new(group), by, members }
}

/// Runs the same on several threads at once, each with a store of its own, as processes have.
fn together<T: Send>(database: &Database, run: impl Fn(usize, &Mysql) -> T + Sync) -> Vec<T> {
    let (run, opened) = (&run, &Barrier::new(THREADS));
    thread::scope(|scope| {
        let run = |n| {
            let mysql = database.open();
            opened.wait();
            run(n, &mysql)
        };
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || run(n))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    })
}

#[test]
fn of_all_who_register_a_uid_one_is_the_first() {
    let Some(database) = Database::create() else { return };
    let outcomes = together(&database, |n, mysql| {
        let mut users: Vec<_> = (0..40).map(|n| user(&format!("u{n}"))).collect();
        if n % 2 == 1 {
            users.reverse();
        }
        let mut outcomes = wait(mysql.directory.register(&users)).expect("registered");
        if n % 2 == 1 {
            outcomes.reverse();
        }
        outcomes
    });
    for uid in 0..40 {
        let created = outcomes.iter().filter(|all| all[uid] == Registered::Created).count();
        assert_eq!(created, 1, "u{uid}");
    }
}

#[test]
fn bounds_of_groups_hold_whoever_adds() {
    let Some(database) = Database::create() else { return };
    let limits = GroupLimits { members_max: 20, joined_max: 5, ..LIMITS };
    let outcomes = together(&database, |n, mysql| {
        let apply = |change| {
            let changed = wait(mysql.groups.apply(&[change], limits)).expect("applied").remove(0);
            (changed.outcome, changed.version)
        };
        let first = apply(create("shared", "owner"));
        let own: Vec<_> = (0..3).map(|g| apply(create(&format!("g{n}-{g}"), "busy"))).collect();
        let added: Vec<_> = (0..6).map(|m| apply(add("shared", &format!("m{n}-{m}")))).collect();
        (first, own, added)
    });
    let firsts = outcomes.iter().filter(|(first, ..)| first.0 == GroupOutcome::Done).count();
    assert_eq!(firsts, 1, "the group is made once");
    let made = outcomes.iter().flat_map(|(_, own, _)| own);
    assert_eq!(made.filter(|(outcome, _)| *outcome == GroupOutcome::Done).count(), 5);
    // Each change that took effect has a version of its own, without a gap.
    let mut versions: Vec<u64> = outcomes
        .iter()
        .flat_map(|(_, _, added)| added)
        .filter(|(outcome, _)| {
            *outcome == GroupOutcome::Added(vec![openim_storage::port::Added::Joined])
        })
        .map(|(_, version)| *version)
        .collect();
    versions.sort_unstable();
    assert!(versions.iter().copied().eq(2..=20), "{versions:?}");
    let mysql = database.open();
    let group = wait(mysql.groups.groups(&[GroupId::new("shared")])).expect("read").remove(0);
    let group = group.expect("there");
    assert_eq!((group.members, group.version), (20, 20));
    let members = wait(mysql.groups.members(&group.id, None, 100)).expect("read");
    assert_eq!(members.len(), 20);
    let joined = wait(mysql.groups.joined(&UserId::new("busy"), None, 100)).expect("read");
    assert_eq!(joined.len(), 5);
}

#[test]
fn batches_that_cross_each_other_are_all_made() {
    let Some(database) = Database::create() else { return };
    let mysql = database.open();
    let groups: Vec<String> = (0..8).map(|n| format!("g{n}")).collect();
    let all: Vec<_> = groups.iter().map(|group| create(group, "owner")).collect();
    wait(mysql.groups.apply(&all, LIMITS)).expect("applied");
    together(&database, |n, mysql| {
        for round in 0..4 {
            let uid = format!("u{n}-{round}");
            let mut batch: Vec<_> = groups.iter().map(|group| add(group, &uid)).collect();
            batch.rotate_left(n);
            if round % 2 == 1 {
                batch.reverse();
            }
            wait(mysql.groups.apply(&batch, LIMITS)).expect("applied");
            let mut friends: Vec<_> = (0..THREADS)
                .map(|other| RelationChange::Befriend {
                    owner: UserId::new(&format!("f{n}")),
                    friend: UserId::new(&format!("f{other}")),
                    now_ms: 1,
                })
                .collect();
            friends.rotate_left(round);
            wait(mysql.relations.apply(&friends, 100)).expect("applied");
        }
    });
    for group in &groups {
        let rows = wait(mysql.groups.groups(&[GroupId::new(group)])).expect("read");
        let members = rows[0].as_ref().expect("there").members as usize;
        assert_eq!(members, 1 + THREADS * 4);
    }
}

#[test]
fn of_all_who_log_in_at_once_one_is_the_last() {
    let Some(database) = Database::create() else { return };
    let recorded = together(&database, |n, mysql| {
        let login = |m: usize| {
            let id = TokenId([(n * 10 + m) as u8; 16]);
            // Clocks that differ.
            let issued_at = 1_000 - n as i64;
            let newest = Newest { id, issued_at, expires_at: None };
            let class = Class::ALL[m % 3];
            let token = IssuedToken { user: UserId::new("u"), class, newest, scope: Scope::All };
            wait(mysql.tokens.issue(&[token])).expect("issued")[0].newest.issued_at
        };
        (0..6).map(login).collect::<Vec<_>>()
    });
    let mut times: Vec<i64> = recorded.concat();
    times.sort_unstable();
    assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
    let newest = wait(database.open().tokens.newest(&[UserId::new("u")])).expect("read");
    let last = Class::ALL.iter().filter_map(|class| *newest[0].of(*class)).map(|one| one.issued_at);
    assert_eq!(last.max(), times.last().copied());
}

#[test]
fn lists_of_users_are_bounded_whoever_adds() {
    let Some(database) = Database::create() else { return };
    let owner = |m: usize| UserId::new(&format!("owner{m}"));
    let outcomes = together(&database, |n, mysql| {
        let peer = UserId::new(&format!("peer{n}"));
        let block = |m| RelationChange::Block { owner: owner(m), peer: peer.clone(), now_ms: 1 };
        let apply = |m| wait(mysql.relations.apply(&[block(m)], 3)).expect("applied").remove(0);
        (0..20).map(apply).collect::<Vec<_>>()
    });
    let mysql = database.open();
    for m in 0..20 {
        let made = outcomes.iter().filter(|all| all[m] == RelationOutcome::Done).count();
        let blocked = wait(mysql.relations.blacklist(&owner(m), None, 100)).expect("read");
        assert_eq!((blocked.len(), made), (3, 3), "{m}");
    }
}

#[test]
fn a_message_that_can_never_be_archived_holds_nothing_up() {
    let Some(database) = Database::create() else { return };
    let mysql = database.open();
    let mut records: Vec<Vec<u8>> = (0..200).map(|n| encoded(Sample::new(n))).collect();
    // One of no kind that is known, one cut short, and two whose ids are longer than any column.
    records[7][0] = 99;
    records[8].truncate(60);
    let long = "r".repeat(300);
    for at in [50, 199] {
        let message = openim_record::Message {
            recv_id: &long,
            send_id: "s",
            ..openim_record::Message::BLANK
        };
        records[at].clear();
        message.encode(&mut records[at]);
    }
    let archived: Vec<_> = (1..)
        .zip(&records)
        .map(|(n, record)| Archived { position: Position(n), append_ms: 9, record })
        .collect();
    for _ in 0..2 {
        wait(mysql.archive.append(&archived)).expect("archived");
        assert_eq!(mysql.archive.dead_letters(), 4);
    }
    let mut shown = Vec::new();
    let scanned = wait(mysql.archive.scan(Position(0), 1_000, &mut |archived| {
        shown.push((archived.position, archived.record.to_vec()));
    }));
    assert_eq!(scanned.expect("read"), None);
    let dead = [7, 8, 50, 199];
    let expected = (1..).map(Position).zip(records).enumerate();
    let expected = expected.filter(|(at, _)| !dead.contains(at)).map(|(_, row)| row);
    assert!(shown.into_iter().eq(expected));
    let dead = "SELECT CONCAT(position, ' ', append_time, ' ', LENGTH(record) > 50, ' ', reason) \
         FROM {}.dead_letter ORDER BY position";
    let dead = database.ask(&dead.replace("{}", database.name()));
    assert!(dead[0].starts_with("8 1970-01-01 00:00:00.009 1 record kind 99"), "{dead:?}");
    assert!(dead[3].contains("recv_id"), "{dead:?}");
}

#[test]
fn messages_of_one_place_in_several_logs_are_shown_together() {
    let Some(database) = Database::create() else { return };
    let mysql = database.open();
    let records: Vec<Vec<u8>> = (0..12).map(|n| encoded(Sample::new(n * 3 + 1))).collect();
    let archived: Vec<_> = (0..)
        .zip(&records)
        .map(|(n, record)| Archived { position: Position(n / 4), append_ms: 9, record })
        .collect();
    wait(mysql.archive.append(&archived)).expect("archived");
    for messages_max in [1, 3, 5, 100] {
        let (mut shown, mut from) = (Vec::new(), Some(Position(0)));
        while let Some(at) = from {
            let each = &mut |archived: Archived<'_>| shown.push(archived.position.0);
            from = wait(mysql.archive.scan(at, messages_max, each)).expect("read");
        }
        assert_eq!(shown, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], "{messages_max} at a time");
    }
}

#[test]
fn a_broken_connection_is_replaced() {
    let Some(database) = Database::create() else { return };
    let mysql = database.open();
    for round in 0..3 {
        let name = format!("u{round}");
        wait(mysql.directory.register(&[user(&name)])).expect("registered");
        database.break_connections();
        if round == 1 {
            // One that waited so long is looked at first.
            thread::sleep(Duration::from_millis(1_200));
        }
        let read = || wait(mysql.directory.users(&[UserId::new(&name)]));
        let found = match read() {
            Err(StoreError::Unavailable { .. }) if round != 1 => read(),
            found => found,
        };
        assert!(found.expect("it is asked over another one")[0].is_some());
    }
}

#[test]
fn a_lock_that_another_keeps_is_waited_for_and_not_for_ever() {
    let Some(database) = Database::create() else { return };
    let options = Options { call_timeout: Duration::from_secs(2), ..database.options() };
    let hasty = wait(open(options, database.runtime())).expect("opened");
    let mysql = database.open();
    wait(mysql.groups.apply(&[create("g", "owner")], LIMITS)).expect("applied");
    let apply = |uid: &str| wait(mysql.groups.apply(&[add("g", uid)], LIMITS));
    let lock = format!("SELECT version FROM {}.`group` FOR UPDATE", database.name());
    let kept = database.keep(&lock);
    let late = wait(hasty.groups.apply(&[add("g", "late")], LIMITS));
    let late = late.expect_err("somebody has the group");
    assert!(matches!(late, StoreError::Unavailable { .. }), "{late}");
    // Readers do not wait for it.
    assert!(wait(mysql.groups.groups(&[GroupId::new("g")])).expect("read")[0].is_some());
    let waiting = thread::scope(|scope| {
        let waiting = scope.spawn(|| apply("a"));
        thread::sleep(Duration::from_millis(500));
        drop(kept);
        waiting.join().expect("no panic")
    });
    assert_eq!(waiting.expect("it is let go in time")[0].version, 2);
    assert_eq!(apply("b").expect("applied")[0].version, 3);
}

#[test]
fn who_stops_waiting_leaves_the_change_to_be_made() {
    let Some(database) = Database::create() else { return };
    let mysql = database.open();
    for n in 0..20 {
        let users = [user(&format!("u{n}"))];
        let mut change = mysql.directory.register(&users);
        let polled = change.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop(change);
    }
    let all: Vec<_> = (0..20).map(|n| UserId::new(&format!("u{n}"))).collect();
    let found = || wait(mysql.directory.users(&all)).expect("read");
    while !found().iter().all(Option::is_some) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_that_is_away_or_silent_is_told_in_time() {
    let Some(database) = Database::create() else { return };
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let silent = listener.local_addr().expect("its address");
    let open_at = |url: String| {
        let connect_timeout = Duration::from_millis(300);
        let options = Options { url, connect_timeout, ..database.options() };
        match wait(open(options, database.runtime())) {
            Err(OpenError::Store(error @ StoreError::Unavailable { .. })) => error.to_string(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("there is nobody"),
        }
    };
    let told = open_at(format!("mysql://u:secret@{silent}"));
    assert_eq!(told, format!("opening the database at {silent}: no connection in time"));
    drop(listener);
    let told = open_at(format!("mysql://u:secret@{silent}"));
    assert!(told.contains(&silent.to_string()) && !told.contains("secret"), "{told}");
    let options = Options { url: "no address".to_owned(), ..database.options() };
    assert!(matches!(wait(open(options, database.runtime())), Err(OpenError::Url(_))));
}

#[test]
fn tables_that_cannot_be_used_are_told_by_column_and_left_as_they_are() {
    let Some(database) = Database::create() else { return };
    let name = database.name();
    database.tell(&[
        format!("CREATE DATABASE {name}"),
        format!("CREATE TABLE {name}.user (uid varchar(64) NOT NULL PRIMARY KEY, name varchar(64)) CHARSET utf8mb4"),
        format!("INSERT INTO {name}.user VALUES ('u1', 'one')"),
        format!(
            "CREATE TABLE {name}.friend (owner_id varbinary(256) NOT NULL, friend_id varbinary(256) NOT NULL, \
             comment varchar(255) CHARACTER SET latin1, friend_flag int NOT NULL, create_time datetime NOT NULL, \
             PRIMARY KEY (friend_id, owner_id))"
        ),
    ]);
    let refused = wait(open(database.options(), database.runtime()));
    let Err(OpenError::Misfit { columns, .. }) = refused else { panic!("it must not open") };
    let lines: Vec<&str> = columns.iter().map(String::as_str).collect();
    for line in [
        "user.uid is varchar(64), not VARBINARY(256) NOT NULL",
        "user.icon is missing, MEDIUMTEXT",
        "friend.comment is varchar(255) in latin1, not VARCHAR(255)",
        "friend.create_time is datetime, not DATETIME(3) NOT NULL",
        "friend: the primary key is [\"friend_id\", \"owner_id\"], not [\"owner_id\", \"friend_id\"]",
    ] {
        assert!(lines.contains(&line), "{line} in {lines:#?}");
    }
    assert!(lines.iter().all(|line| line.starts_with("user") || line.starts_with("friend")));
    let kept = database.ask(&format!("SELECT name FROM {name}.user WHERE uid = 'u1'"));
    assert_eq!(kept, ["one"]);
    // What fits is used, though others have made it.
    database.tell(&[format!("DROP TABLE {name}.user, {name}.friend")]);
    drop(database.open());
    database.tell(&[format!("DROP TABLE {name}.openim_schema")]);
    drop(database.open());
    database.tell(&[format!("INSERT INTO {name}.openim_schema VALUES (77)")]);
    match wait(open(database.options(), database.runtime())) {
        Err(OpenError::Newer { found: 77, .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a later version must be refused"),
    }
}

#[test]
fn stores_that_are_opened_together_make_the_tables_once() {
    let Some(database) = Database::create() else { return };
    together(&database, |n, mysql| {
        wait(mysql.directory.register(&[user(&format!("u{n}"))])).expect("registered");
    });
    let versions = format!("SELECT CAST(version AS CHAR) FROM {}.openim_schema", database.name());
    assert_eq!(database.ask(&versions).len(), 1);
    assert_eq!(wait(database.open().directory.uids(None, 100)).expect("read").len(), THREADS);
}

#[test]
fn a_server_that_cuts_what_is_too_long_is_told_not_to() {
    let Some(database) = Database::create() else { return };
    let mode = database.ask("SELECT @@GLOBAL.sql_mode").remove(0);
    database.tell(&["SET GLOBAL sql_mode = ''".to_owned()]);
    let mysql = database.open();
    let GroupChange::Create { group, members } = create("g1", "owner") else { unreachable!() };
    let group = Group { name: "n".repeat(256), ..group };
    let made = wait(mysql.groups.apply(&[GroupChange::Create { group, members }], LIMITS));
    database.tell(&[format!("SET GLOBAL sql_mode = '{mode}'")]);
    assert!(made.is_err(), "{made:?}");
    let found = wait(mysql.groups.groups(&[GroupId::new("g1")])).expect("read");
    assert!(found[0].is_none(), "nothing is kept of what does not fit");
}

#[test]
fn a_claim_is_made_once_and_replaced_by_who_knows_it() {
    let Some(database) = Database::create() else { return };
    let look = || wait(mysql::claim(database.options(), database.runtime())).expect("it answers");
    assert_eq!(look(), None, "there is no database");
    let made = together(&database, |n, mysql| {
        wait(mysql.claim.put(format!("claim {n}"))).expect("it answers")
    });
    let first = look().expect("it is claimed");
    assert!(made.iter().all(|claim| *claim == first), "{made:?}");
    let mysql = database.open();
    let replace = |this: &str, by: &str| {
        wait(mysql.claim.replace(this.to_owned(), by.to_owned())).expect("it answers")
    };
    assert_eq!(replace("another", "no"), first);
    assert_eq!(replace(&first, "next"), "next");
    assert_eq!(wait(mysql.claim.read()).expect("it answers").as_deref(), Some("next"));
    database.tell(&[format!("DROP TABLE {}.openim_cluster", database.name())]);
    assert_eq!(look(), None, "as one of an earlier version");
}
