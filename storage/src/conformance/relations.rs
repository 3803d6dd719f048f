//! What every store of relations must do.

use openim_record::UserId;

use super::Wait as _;
use super::ids::{AWKWARD, paged, uid};
use super::{Backend, Sites};
use crate::port::RelationOutcome::{Befriended, Done, Full, NoRequest, Requested};
use crate::port::{Friend, FriendRequest, RelationChange, RelationOutcome, Relations};

/// Runs the suite of [`Relations`].
///
/// # Panics
/// Where the contract is broken.
pub fn relations(sites: Sites<'_>) {
    requests_are_seen_by_both(sites);
    a_later_request_has_a_later_time(sites);
    answers_are_kept_and_agreeing_befriends(sites);
    agreeing_is_no_leave_to_come_back(sites);
    friendships_are_completed_and_end_on_one_side(sites);
    blocking_is_one_sided(sites);
    nobody_has_more_rows_than_allowed(sites);
    requests_fill_the_lists_of_both(sites);
    later_changes_of_a_batch_see_earlier_ones(sites);
    pages_are_in_byte_order(sites);
    a_relation_to_oneself_is_one_row(sites);
    the_forgotten_are_in_no_list(sites);
}

/// Walks over everything, so many rows a step, and takes `users` out.
pub(super) fn forget(relations: &dyn Relations, users: &[&str], rows_max: usize) {
    let users: Vec<UserId> = users.iter().map(|id| uid(id)).collect();
    let mut after = None;
    loop {
        after = relations.forget(&users, after.as_deref(), rows_max).wait().expect("forgotten");
        if after.is_none() {
            return;
        }
    }
}

const PLENTY: usize = 1_000;

pub(super) fn request(from: &str, to: &str, message: &str, now_ms: i64) -> RelationChange {
    RelationChange::Request { from: uid(from), to: uid(to), message: message.to_owned(), now_ms }
}

pub(super) fn answer(from: &str, to: &str, flag: i32, now_ms: i64) -> RelationChange {
    RelationChange::Answer { from: uid(from), to: uid(to), flag, now_ms }
}

pub(super) fn befriend(owner: &str, friend: &str, now_ms: i64) -> RelationChange {
    RelationChange::Befriend { owner: uid(owner), friend: uid(friend), now_ms }
}

pub(super) fn unfriend(owner: &str, friend: &str) -> RelationChange {
    RelationChange::Unfriend { owner: uid(owner), friend: uid(friend) }
}

pub(super) fn comment(owner: &str, friend: &str, comment: &str) -> RelationChange {
    let comment = comment.to_owned();
    RelationChange::Comment { owner: uid(owner), friend: uid(friend), comment }
}

pub(super) fn block(owner: &str, peer: &str, now_ms: i64) -> RelationChange {
    RelationChange::Block { owner: uid(owner), peer: uid(peer), now_ms }
}

pub(super) fn unblock(owner: &str, peer: &str) -> RelationChange {
    RelationChange::Unblock { owner: uid(owner), peer: uid(peer) }
}

fn apply(relations: &dyn Relations, change: RelationChange) -> RelationOutcome {
    let outcomes = relations.apply(&[change], PLENTY).wait().expect("applied");
    assert_eq!(outcomes.len(), 1);
    outcomes[0]
}

fn friends(relations: &dyn Relations, owner: &str) -> Vec<(String, String, i64)> {
    let friends = relations.friends(&uid(owner), None, PLENTY).wait().expect("read");
    let row = |friend: Friend| (friend.uid.to_string(), friend.comment, friend.create_ms);
    friends.into_iter().map(row).collect()
}

fn names(relations: &dyn Relations, owner: &str) -> Vec<String> {
    friends(relations, owner).into_iter().map(|(uid, ..)| uid).collect()
}

fn blacklist(relations: &dyn Relations, owner: &str) -> Vec<String> {
    let blocked = relations.blacklist(&uid(owner), None, PLENTY).wait().expect("read");
    blocked.iter().map(UserId::to_string).collect()
}

/// The only request between the two, as both see it.
fn between(relations: &dyn Relations, from: &str, to: &str) -> Option<FriendRequest> {
    let received = relations.requests_received(&uid(to), None, PLENTY).wait().expect("read");
    let sent = relations.requests_sent(&uid(from), None, PLENTY).wait().expect("read");
    let find = |requests: Vec<FriendRequest>| {
        let ours = |request: &FriendRequest| request.from == uid(from) && request.to == uid(to);
        let mut ours: Vec<_> = requests.into_iter().filter(ours).collect();
        assert!(ours.len() <= 1, "there are several requests of one pair");
        ours.pop()
    };
    let (received, sent) = (find(received), find(sent));
    assert_eq!(received, sent, "the two see different requests");
    received
}

fn requests_are_seen_by_both(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    let batch =
        [request("a", "b", "hi \u{1f600}", 5), request("a", "c", "", 6), request("c", "a", "x", 7)];
    let outcomes = relations.apply(&batch, PLENTY).wait().expect("applied");
    assert_eq!(outcomes, [5, 6, 7].map(|create_ms| Requested { create_ms }));
    assert!(relations.apply(&[], PLENTY).wait().expect("applied").is_empty());
    drop(relations);
    let Backend { relations, .. } = site.open();
    let expected = FriendRequest {
        from: uid("a"),
        to: uid("b"),
        flag: 0,
        message: "hi \u{1f600}".to_owned(),
        create_ms: 5,
    };
    assert_eq!(between(&*relations, "a", "b"), Some(expected));
    assert_eq!(between(&*relations, "b", "a"), None);
    assert!(between(&*relations, "a", "c").is_some() && between(&*relations, "c", "a").is_some());
    assert_eq!(relations.requests_sent(&uid("a"), None, 9).wait().expect("read").len(), 2);
    assert_eq!(relations.requests_received(&uid("a"), None, 9).wait().expect("read").len(), 1);
    assert!(names(&*relations, "a").is_empty(), "a request makes no friends");
}

fn a_later_request_has_a_later_time(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    let mut last_ms = i64::MIN;
    for (n, now_ms) in [100, 100, 100, 50, -7, 101, 5_000].into_iter().enumerate() {
        let message = format!("message {n}");
        let outcome = apply(&*relations, request("a", "b", &message, now_ms));
        let Requested { create_ms } = outcome else { panic!("not requested: {outcome:?}") };
        assert!(create_ms > last_ms && create_ms >= now_ms, "{create_ms} after {last_ms}");
        last_ms = create_ms;
        let row = between(&*relations, "a", "b").expect("there");
        assert_eq!((row.flag, row.message, row.create_ms), (0, message, create_ms));
        // However it was answered: the next one takes its place.
        let flag = [1, -1, 0, 7][n % 4];
        let answered = apply(&*relations, answer("a", "b", flag, now_ms));
        assert_eq!(answered, Requested { create_ms });
    }
    assert_eq!(last_ms, 5_000, "the clock counts when it is ahead");
}

fn answers_are_kept_and_agreeing_befriends(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    assert_eq!(apply(&*relations, answer("a", "b", 1, 9)), NoRequest);
    assert_eq!(apply(&*relations, answer("a", "b", -1, 9)), NoRequest);
    let made = apply(&*relations, request("a", "b", "hi", 10));
    assert_eq!(apply(&*relations, answer("b", "a", 1, 11)), NoRequest, "who asked cannot agree");
    for flag in [-1, 2, i32::MAX, i32::MIN, 0] {
        assert_eq!(apply(&*relations, answer("a", "b", flag, 12)), made);
        let row = between(&*relations, "a", "b").expect("there");
        assert_eq!((row.flag, &*row.message, row.create_ms), (flag, "hi", 10));
        assert!(names(&*relations, "a").is_empty() && names(&*relations, "b").is_empty());
    }
    assert_eq!(apply(&*relations, answer("a", "b", 1, 13)), made);
    drop(relations);
    let Backend { relations, .. } = site.open();
    assert_eq!(between(&*relations, "a", "b").expect("there").flag, 1);
    assert_eq!(friends(&*relations, "a"), [("b".to_owned(), String::new(), 13)]);
    assert_eq!(friends(&*relations, "b"), [("a".to_owned(), String::new(), 13)]);
    assert_eq!(apply(&*relations, comment("a", "b", "bee")), Done);
    assert_eq!(apply(&*relations, answer("a", "b", 1, 99)), made, "agreeing twice is once");
    assert_eq!(friends(&*relations, "a"), [("b".to_owned(), "bee".to_owned(), 13)]);
}

fn agreeing_is_no_leave_to_come_back(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    for (gone, from) in [("a", "b"), ("b", "a")] {
        apply(&*relations, request("a", "b", "", 10));
        let Requested { .. } = apply(&*relations, answer("a", "b", 1, 11)) else {
            panic!("a new request can be agreed to")
        };
        apply(&*relations, unfriend(from, gone));
        assert_eq!(apply(&*relations, answer("a", "b", 1, 12)), NoRequest);
        // Nor by a refusal first.
        let Requested { .. } = apply(&*relations, answer("a", "b", -1, 13)) else {
            panic!("a request can be refused later")
        };
        assert_eq!(apply(&*relations, answer("a", "b", 1, 14)), NoRequest);
        assert!(!names(&*relations, from).contains(&gone.to_owned()));
        assert_eq!(between(&*relations, "a", "b").expect("there").flag, -1);
    }
    // Friends again by other means: there is nothing to come back to.
    assert_eq!(apply(&*relations, befriend("a", "b", 15)), Befriended { new: true });
    let Requested { .. } = apply(&*relations, answer("a", "b", 1, 16)) else {
        panic!("friends can agree again")
    };
}

fn friendships_are_completed_and_end_on_one_side(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    assert_eq!(apply(&*relations, befriend("a", "b", 10)), Befriended { new: true });
    assert_eq!(apply(&*relations, befriend("b", "a", 11)), Befriended { new: false });
    assert_eq!(apply(&*relations, comment("a", "b", "bee")), Done);
    assert_eq!(apply(&*relations, comment("a", "z", "nobody")), Done);
    assert_eq!(apply(&*relations, unfriend("b", "a")), Done);
    assert_eq!(apply(&*relations, unfriend("b", "a")), Done);
    assert_eq!(names(&*relations, "a"), ["b"]);
    assert!(names(&*relations, "b").is_empty());
    // One row is there, by request or without.
    assert_eq!(apply(&*relations, befriend("b", "a", 20)), Befriended { new: true });
    assert_eq!(friends(&*relations, "b"), [("a".to_owned(), String::new(), 20)]);
    apply(&*relations, unfriend("b", "a"));
    apply(&*relations, request("a", "b", "", 30));
    assert_eq!(apply(&*relations, answer("a", "b", 1, 31)), Requested { create_ms: 30 });
    assert_eq!(friends(&*relations, "b"), [("a".to_owned(), String::new(), 31)]);
    assert_eq!(apply(&*relations, comment("b", "a", "")), Done);
    drop(relations);
    let Backend { relations, .. } = site.open();
    assert_eq!(friends(&*relations, "a"), [("b".to_owned(), "bee".to_owned(), 10)]);
    let held = relations.relations(&uid("a"), &["z", "b", "a", "b"].map(uid)).wait().expect("read");
    let row = Friend { uid: uid("b"), comment: "bee".to_owned(), create_ms: 10 };
    assert_eq!(
        held.iter().map(|held| &held.friend).collect::<Vec<_>>(),
        [&None, &Some(row.clone()), &None, &Some(row)]
    );
}

fn blocking_is_one_sided(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    apply(&*relations, befriend("a", "b", 1));
    for (change, expected) in [
        (unblock("a", "b"), &[][..]),
        (block("a", "b", 1), &["b"]),
        (block("a", "b", 2), &["b"]),
        (block("a", "c", 3), &["b", "c"]),
        (unblock("a", "b"), &["c"]),
        (unblock("c", "a"), &["c"]),
    ] {
        assert_eq!(apply(&*relations, change), Done);
        assert_eq!(blacklist(&*relations, "a"), expected);
    }
    drop(relations);
    let Backend { relations, .. } = site.open();
    assert_eq!(blacklist(&*relations, "a"), ["c"]);
    assert!(blacklist(&*relations, "c").is_empty());
    let held = relations.relations(&uid("a"), &["b", "c"].map(uid)).wait().expect("read");
    assert_eq!(held.iter().map(|held| held.blocked).collect::<Vec<_>>(), [false, true]);
    assert_eq!(held.iter().map(|held| held.friend.is_some()).collect::<Vec<_>>(), [true, false]);
    let held = relations.relations(&uid("c"), &[uid("a")]).wait().expect("read");
    assert!(!held[0].blocked);
}

fn nobody_has_more_rows_than_allowed(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    let batch = |changes: &[RelationChange]| relations.apply(changes, 2).wait().expect("applied");
    batch(&[befriend("a", "b", 1), befriend("a", "c", 1)]);
    // Whoever of the two has no room, nothing of the change stays.
    assert_eq!(batch(&[befriend("a", "d", 2), befriend("d", "a", 2)]), [Full, Full]);
    batch(&[request("a", "d", "", 3), request("d", "a", "", 3)]);
    let outcomes = batch(&[answer("a", "d", 1, 4), answer("d", "a", 1, 4)]);
    assert_eq!(outcomes, [Full, Full]);
    assert_eq!(between(&*relations, "a", "d").expect("there").flag, 0);
    assert!(names(&*relations, "d").is_empty());
    // What is there already needs no room.
    assert_eq!(batch(&[befriend("b", "a", 5)]), [Befriended { new: false }]);
    // One of the two rows is there, and the other list is full.
    batch(&[befriend("b", "e", 6), unfriend("a", "b"), befriend("a", "f", 6)]);
    assert_eq!(batch(&[befriend("b", "a", 7)]), [Full]);
    assert_eq!(names(&*relations, "a"), ["c", "f"]);
    assert_eq!(names(&*relations, "b"), ["a", "e"]);
    // A row that goes makes room.
    let outcomes = batch(&[unfriend("a", "f"), unfriend("a", "f"), answer("a", "d", 1, 8)]);
    assert_eq!(outcomes, [Done, Done, Requested { create_ms: 3 }]);
    assert_eq!(names(&*relations, "a"), ["c", "d"]);
    // Lists do not share room; blocked users have a bound of their own.
    let outcomes = batch(&[block("a", "b", 9), block("a", "c", 9), block("a", "d", 9)]);
    assert_eq!(outcomes, [Done, Done, Full]);
    let outcomes =
        batch(&[block("a", "b", 9), unblock("a", "b"), block("a", "d", 9), block("a", "b", 9)]);
    assert_eq!(outcomes, [Done, Done, Done, Full]);
    drop(relations);
    let Backend { relations, .. } = site.open();
    assert_eq!(blacklist(&*relations, "a"), ["c", "d"]);
    assert_eq!(relations.apply(&[block("a", "b", 9)], 2).wait().expect("applied"), [Full]);
    assert_eq!(relations.apply(&[block("a", "b", 9)], 3).wait().expect("applied"), [Done]);
}

fn requests_fill_the_lists_of_both(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    let batch = |changes: &[RelationChange]| relations.apply(changes, 2).wait().expect("applied");
    let made = |create_ms| Requested { create_ms };
    let outcomes = batch(&[
        request("a", "x", "", 1),
        request("a", "y", "", 2),
        request("a", "z", "", 3),
        request("b", "z", "", 4),
        request("c", "z", "", 5),
        request("d", "z", "", 6),
        request("d", "a", "", 7),
    ]);
    assert_eq!(outcomes, [made(1), made(2), Full, made(4), made(5), Full, made(7)]);
    assert_eq!(between(&*relations, "a", "z"), None);
    assert_eq!(between(&*relations, "d", "z"), None);
    // Its sender's list has kept the room.
    let outcomes = batch(&[request("d", "x", "", 8), request("d", "y", "", 9)]);
    assert_eq!(outcomes, [made(8), Full]);
    // In place of another there is always room.
    assert_eq!(batch(&[request("a", "x", "again", 9)]), [made(9)]);
    assert_eq!(between(&*relations, "a", "x").expect("there").message, "again");
    assert_eq!(relations.requests_sent(&uid("a"), None, 9).wait().expect("read").len(), 2);
}

fn later_changes_of_a_batch_see_earlier_ones(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    let batch = [
        request("a", "b", "one", 10),
        request("a", "b", "two", 10),
        answer("a", "b", 1, 12),
        comment("b", "a", "ay"),
        befriend("a", "b", 13),
        unfriend("a", "b"),
        answer("a", "b", 1, 14),
        request("a", "b", "three", 10),
        answer("a", "b", 1, 15),
        block("a", "b", 16),
        unblock("a", "b"),
        block("a", "c", 17),
        unfriend("x", "y"),
    ];
    let outcomes = relations.apply(&batch, PLENTY).wait().expect("applied");
    assert_eq!(
        outcomes,
        [
            Requested { create_ms: 10 },
            Requested { create_ms: 11 },
            Requested { create_ms: 11 },
            Done,
            Befriended { new: false },
            Done,
            NoRequest,
            Requested { create_ms: 12 },
            Requested { create_ms: 12 },
            Done,
            Done,
            Done,
            Done
        ]
    );
    drop(relations);
    let Backend { relations, .. } = site.open();
    assert_eq!(friends(&*relations, "a"), [("b".to_owned(), String::new(), 15)]);
    assert_eq!(friends(&*relations, "b"), [("a".to_owned(), "ay".to_owned(), 12)]);
    assert_eq!(blacklist(&*relations, "a"), ["c"]);
    let row = between(&*relations, "a", "b").expect("there");
    assert_eq!((row.flag, &*row.message), (1, "three"));
}

fn pages_are_in_byte_order(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    // Owners whose ids begin alike, so that lists which run into each other are noticed.
    for owner in ["a", "a\0", "ab", ""] {
        let mut batch = Vec::new();
        for id in AWKWARD.iter().rev() {
            let peer = format!("{id}!");
            batch.push(befriend(owner, &peer, 1));
            batch.push(block(owner, &peer, 1));
            batch.push(request(owner, &peer, id, 1));
            batch.push(request(&peer, owner, id, 1));
        }
        relations.apply(&batch, PLENTY).wait().expect("applied");
    }
    let owner = uid("a");
    let mut expected: Vec<_> = AWKWARD.iter().map(|id| uid(&format!("{id}!"))).collect();
    expected.sort_by(|a, b| a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
    let read = "read";
    for max in [1, 3, 16, 100] {
        let page =
            |after: Option<&UserId>, max| relations.friends(&owner, after, max).wait().expect(read);
        let rows = paged(max, page, |row| row.uid.clone());
        assert_eq!(rows.into_iter().map(|row| row.uid).collect::<Vec<_>>(), expected);
        let page = |after: Option<&UserId>, max| {
            relations.blacklist(&owner, after, max).wait().expect(read)
        };
        assert_eq!(paged(max, page, UserId::clone), expected);
        let page = |after: Option<&UserId>, max| {
            relations.requests_received(&owner, after, max).wait().expect(read)
        };
        let rows = paged(max, page, |row| row.from.clone());
        assert!(
            rows.iter()
                .all(|row| row.to == owner && format!("{}!", row.message) == row.from.as_str())
        );
        assert_eq!(rows.into_iter().map(|row| row.from).collect::<Vec<_>>(), expected);
        let page = |after: Option<&UserId>, max| {
            relations.requests_sent(&owner, after, max).wait().expect(read)
        };
        let rows = paged(max, page, |row| row.to.clone());
        assert!(rows.iter().all(|row| row.from == owner));
        assert_eq!(rows.into_iter().map(|row| row.to).collect::<Vec<_>>(), expected);
    }
    // Behind an id that is not in the list.
    let rows = relations.blacklist(&owner, Some(&uid("a")), 2).wait().expect(read);
    let first = expected.partition_point(|id| id.as_str() <= "a");
    assert_eq!(rows, expected[first..first + 2]);
    assert!(relations.friends(&owner, None, 0).wait().expect(read).is_empty());
    assert!(relations.friends(&uid("b"), None, 9).wait().expect(read).is_empty());
}

fn a_relation_to_oneself_is_one_row(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { relations, .. } = site.open();
    let batch = [
        request("a", "a", "", 1),
        answer("a", "a", 1, 2),
        befriend("a", "a", 3),
        block("a", "a", 4),
        unfriend("a", "a"),
        befriend("a", "b", 5),
        befriend("a", "c", 6),
    ];
    let outcomes = relations.apply(&batch, 1).wait().expect("applied");
    let made = Requested { create_ms: 1 };
    assert_eq!(outcomes[..3], [made, made, Befriended { new: false }]);
    assert_eq!(outcomes[3..], [Done, Done, Befriended { new: true }, Full]);
    assert_eq!(names(&*relations, "a"), ["b"]);
}

fn the_forgotten_are_in_no_list(sites: Sites<'_>) {
    for rows_max in [1, 2, 100] {
        let mut site = sites();
        let Backend { relations, .. } = site.open();
        assert_eq!(relations.forget(&[uid("a")], None, rows_max).wait().expect("forgotten"), None);
        for (one, other) in [("a", "b"), ("c", "a"), ("b", "c"), ("aa", "b")] {
            apply(&*relations, befriend(one, other, 1));
            apply(&*relations, request(one, other, "", 1));
            apply(&*relations, block(one, other, 1));
        }
        // One who has them, and whom they do not have any more.
        apply(&*relations, unfriend("a", "c"));
        forget(&*relations, &["a", "nobody"], rows_max);
        drop(relations);
        let Backend { relations, .. } = site.open();
        let friends = |of: &str| {
            let friends = relations.friends(&uid(of), None, 9).wait().expect("read");
            friends.into_iter().map(|friend| friend.uid.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            [friends("a"), friends("b"), friends("c")],
            [vec![], vec!["aa".to_owned(), "c".to_owned()], vec!["b".to_owned()]]
        );
        for user in ["a", "c"] {
            assert!(
                relations.blacklist(&uid(user), None, 9).wait().expect("read").is_empty(),
                "{user}"
            );
            assert!(relations.requests_sent(&uid(user), None, 9).wait().expect("read").is_empty());
        }
        assert!(relations.requests_received(&uid("a"), None, 9).wait().expect("read").is_empty());
        assert_eq!(relations.requests_received(&uid("b"), None, 9).wait().expect("read").len(), 1);
        // The lengths of lists are right: there is room again.
        let outcome = relations.apply(&[befriend("b", "d", 1)], 3).wait().expect("applied");
        assert_eq!(outcome, [Befriended { new: true }]);
        let outcome = relations.apply(&[befriend("b", "e", 1)], 3).wait().expect("applied");
        assert_eq!(outcome, [Full]);
    }
}
