//! What every store of groups must do with requests to join.

use super::Wait as _;
use super::groups::{
    FULL, LIMITS, MEMBER, NO_GROUP, NO_PERMISSION, NO_REQUEST, add, apply, apply_all, apply_within,
    create, gid, leave, member, names, remove, trusted,
};
use super::ids::{paged, uid};
use super::{Backend, Sites};
use crate::port::GroupOutcome::{Done, Handled, Removed};
use crate::port::{GroupChange, GroupLimits, GroupOutcome, GroupRequest, Groups, Member, Role};

pub(super) fn joining(sites: Sites<'_>) {
    requests_are_kept_and_replaced(sites);
    handling_lets_in_with_the_same_stroke(sites);
    who_is_in_stays_as_they_are(sites);
    without_room_the_request_stays_open(sites);
    the_oldest_handled_request_makes_room(sites);
    later_changes_of_a_batch_see_earlier_ones(sites);
    requests_are_listed_by_id(sites);
    members_ask_for_nothing_and_leaders_answer(sites);
    the_forgotten_ask_for_nothing(sites);
}

/// Walks over the requests of all groups, so many a step, and takes those of `users` out.
pub(super) fn forget(groups: &dyn Groups, users: &[&str], requests_max: usize) {
    let users: Vec<_> = users.iter().map(|id| uid(id)).collect();
    let mut after = None;
    loop {
        after = groups.forget(&users, after.as_deref(), requests_max).wait().expect("forgotten");
        if after.is_none() {
            return;
        }
    }
}

pub(super) fn request(group: &str, from: &str, to: &str, text: &str) -> GroupRequest {
    let of = |what: &str| format!("{what} {text}");
    GroupRequest {
        id: 0,
        group: gid(group),
        from: uid(from),
        to: to.to_owned(),
        flag: 0,
        request_message: of("message"),
        handled_message: String::new(),
        create_ms: 1_000 + text.len() as i64,
        from_nickname: of("from"),
        to_nickname: of("to"),
        from_face_url: of("from face"),
        to_face_url: of("to face"),
        handled_by: String::new(),
    }
}

fn ask(group: &str, from: &str, to: &str) -> GroupChange {
    GroupChange::Request(request(group, from, to, "x"))
}

pub(super) fn handle(group: &str, from: &str, to: &str, agree: bool) -> GroupChange {
    GroupChange::Handle {
        group: gid(group),
        from: uid(from),
        to: to.to_owned(),
        agree,
        message: "so be it".to_owned(),
        by: uid("owner"),
        now_ms: 2_000,
    }
}

fn requests(groups: &dyn Groups, group: &str) -> Vec<GroupRequest> {
    groups.requests(&gid(group), 0, 1_000).wait().expect("read")
}

/// Id, applicant and flag of each request.
fn brief(groups: &dyn Groups, group: &str) -> Vec<(u64, String, i32)> {
    let brief = |request: GroupRequest| (request.id, request.from.to_string(), request.flag);
    requests(groups, group).into_iter().map(brief).collect()
}

fn briefly(rows: &[(u64, &str, i32)]) -> Vec<(u64, String, i32)> {
    rows.iter().map(|(id, from, flag)| (*id, (*from).to_owned(), *flag)).collect()
}

fn refused() -> GroupOutcome {
    Handled { joined: None }
}

fn requests_are_kept_and_replaced(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    assert_eq!(apply(&*groups, ask("g", "a", "0")), NO_GROUP);
    assert_eq!(apply(&*groups, handle("g", "a", "0", true)), NO_GROUP);
    groups
        .apply(&[create("g", "owner", &[]), create("h", "owner", &[])], LIMITS)
        .wait()
        .expect("done");
    for (group, from, to, text) in [
        ("g", "a", "0", "first"),
        ("g", "a", "b", "invites"),
        ("g", "b", "0", "second"),
        ("h", "a", "0", "elsewhere"),
        ("g", "ab", "0", "begins alike"),
        ("g", "a", "0", "first again"),
    ] {
        let change = GroupChange::Request(request(group, from, to, text));
        assert_eq!(apply(&*groups, change), Done);
    }
    drop(groups);
    let Backend { groups, .. } = site.open();
    let numbered = |id, request| GroupRequest { id, ..request };
    assert_eq!(
        requests(&*groups, "g"),
        [
            numbered(2, request("g", "a", "b", "invites")),
            numbered(3, request("g", "b", "0", "second")),
            numbered(5, request("g", "ab", "0", "begins alike")),
            numbered(6, request("g", "a", "0", "first again")),
        ]
    );
    assert_eq!(requests(&*groups, "h"), [numbered(4, request("h", "a", "0", "elsewhere"))]);
    assert_eq!(names(&*groups, "g"), ["owner"]);
    // A handled one is replaced by an open one.
    assert_eq!(apply(&*groups, handle("g", "a", "0", false)), refused());
    assert_eq!(apply(&*groups, ask("g", "a", "0")), Done);
    let last = requests(&*groups, "g").pop().expect("there");
    assert_eq!(last, numbered(7, request("g", "a", "0", "x")));
    assert_eq!(requests(&*groups, "g").len(), 4);
}

fn handling_lets_in_with_the_same_stroke(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let changes =
        [create("g", "owner", &[]), ask("g", "a", "0"), ask("g", "b", "c"), ask("g", "d", "0")];
    groups.apply(&changes, LIMITS).wait().expect("done");
    for (from, to) in [("a", "b"), ("b", "0"), ("c", "b"), ("x", "0"), ("", "")] {
        assert_eq!(apply(&*groups, handle("g", from, to, true)), NO_REQUEST);
    }
    let joined = |id: &str, nickname: &str, face_url: &str| Member {
        nickname: nickname.to_owned(),
        face_url: face_url.to_owned(),
        join_ms: 2_000,
        ..member(id, Role::Ordinary)
    };
    let (a, c) = (joined("a", "from x", "from face x"), joined("c", "to x", "to face x"));
    let outcome = apply(&*groups, handle("g", "a", "0", true));
    assert_eq!(outcome, Handled { joined: Some(a.clone()) });
    let outcome = apply(&*groups, handle("g", "b", "c", true));
    assert_eq!(outcome, Handled { joined: Some(c.clone()) });
    assert_eq!(apply(&*groups, handle("g", "d", "0", false)), refused());
    for (from, to) in [("a", "0"), ("b", "c"), ("d", "0")] {
        for agree in [true, false] {
            assert_eq!(apply(&*groups, handle("g", from, to, agree)), NO_REQUEST);
        }
    }
    drop(groups);
    let Backend { groups, .. } = site.open();
    assert_eq!(names(&*groups, "g"), ["a", "c", "owner"]);
    let named =
        groups.members_named(&gid("g"), &["a", "c", "d", "b"].map(uid)).wait().expect("read");
    assert_eq!(named, [Some(a), Some(c), None, None]);
    let handled = |id, from, to, flag| GroupRequest {
        id,
        flag,
        handled_message: "so be it".to_owned(),
        handled_by: "owner".to_owned(),
        ..request("g", from, to, "x")
    };
    let expected = [handled(1, "a", "0", 1), handled(2, "b", "c", 1), handled(3, "d", "0", -1)];
    assert_eq!(requests(&*groups, "g"), expected);
}

fn who_is_in_stays_as_they_are(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let changes = [
        create("g", "owner", &[]),
        ask("g", "a", "0"),
        ask("g", "a", "owner"),
        GroupChange::Add {
            group: gid("g"),
            by: trusted(),
            members: vec![member("a", Role::Administrator)],
        },
    ];
    groups.apply(&changes, LIMITS).wait().expect("done");
    // Nothing has room, and nothing needs any.
    let limits = GroupLimits { members_max: 1, joined_max: 0, requests_max: 0 };
    for to in ["0", "owner"] {
        let outcome = apply_within(&*groups, handle("g", "a", to, true), limits);
        assert_eq!(outcome, Handled { joined: None });
    }
    let named = groups.members_named(&gid("g"), &["a", "owner"].map(uid)).wait().expect("read");
    let expected = [member("a", Role::Administrator), member("owner", Role::Owner)];
    assert_eq!(named, expected.map(Some));
    assert_eq!(brief(&*groups, "g"), briefly(&[(1, "a", 1), (2, "a", 1)]));
    assert_eq!(names(&*groups, "g"), ["a", "owner"]);
}

fn without_room_the_request_stays_open(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let changes = [create("g", "owner", &[]), create("h", "a", &[]), ask("g", "a", "0")];
    groups.apply(&changes, LIMITS).wait().expect("done");
    let agree = || handle("g", "a", "0", true);
    for limits in
        [GroupLimits { members_max: 1, ..LIMITS }, GroupLimits { joined_max: 1, ..LIMITS }]
    {
        assert_eq!(apply_within(&*groups, agree(), limits), FULL);
        assert_eq!(
            requests(&*groups, "g"),
            [GroupRequest { id: 1, ..request("g", "a", "0", "x") }]
        );
        assert_eq!(names(&*groups, "g"), ["owner"]);
    }
    // Refusing needs no room; who leaves elsewhere may come in.
    let limits = GroupLimits { members_max: 2, joined_max: 1, ..LIMITS };
    let outcomes = apply_all(&*groups, &[leave("h", "a"), agree()], limits);
    assert!(matches!(outcomes[1], Handled { joined: Some(_) }), "{outcomes:?}");
    apply(&*groups, ask("g", "b", "0"));
    assert_eq!(apply_within(&*groups, handle("g", "b", "0", false), limits), refused());
    assert_eq!(names(&*groups, "g"), ["a", "owner"]);
}

fn the_oldest_handled_request_makes_room(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    apply(&*groups, create("g", "owner", &[]));
    let limits = GroupLimits { requests_max: 3, ..LIMITS };
    let apply = |change| apply_within(&*groups, change, limits);
    for from in ["a", "b", "c"] {
        assert_eq!(apply(ask("g", from, "0")), Done);
    }
    assert_eq!(apply(ask("g", "d", "0")), FULL);
    assert_eq!(apply(ask("g", "b", "0")), Done, "in place of another there is room");
    assert_eq!(brief(&*groups, "g"), briefly(&[(1, "a", 0), (3, "c", 0), (4, "b", 0)]));
    // The oldest by its id, whichever was handled first.
    apply(handle("g", "b", "0", false));
    apply(handle("g", "c", "0", true));
    assert_eq!(apply(ask("g", "d", "0")), Done);
    assert_eq!(brief(&*groups, "g"), briefly(&[(1, "a", 0), (4, "b", -1), (5, "d", 0)]));
    assert_eq!(names(&*groups, "g"), ["c", "owner"], "who was let in stays");
    // An older one that is handled later is the oldest again.
    apply(handle("g", "a", "0", false));
    assert_eq!(apply(ask("g", "e", "0")), Done);
    assert_eq!(apply(ask("g", "f", "0")), Done);
    assert_eq!(apply(ask("g", "g", "0")), FULL);
    assert_eq!(brief(&*groups, "g"), briefly(&[(5, "d", 0), (6, "e", 0), (7, "f", 0)]));
    // Who was pushed out asks anew, as anybody.
    assert_eq!(apply(handle("g", "a", "0", false)), NO_REQUEST);
    assert_eq!(apply(ask("g", "a", "0")), FULL);
    apply(handle("g", "f", "0", false));
    assert_eq!(apply(ask("g", "a", "0")), Done);
    drop(groups);
    let Backend { groups, .. } = site.open();
    assert_eq!(brief(&*groups, "g"), briefly(&[(5, "d", 0), (6, "e", 0), (8, "a", 0)]));
    assert_eq!(apply_within(&*groups, ask("g", "h", "0"), limits), FULL);
    assert_eq!(apply_within(&*groups, ask("g", "h", "0"), LIMITS), Done);
    assert_eq!(requests(&*groups, "g").pop().expect("there").id, 9, "ids are never used again");
}

fn later_changes_of_a_batch_see_earlier_ones(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let limits = GroupLimits { requests_max: 2, ..LIMITS };
    let batch = [
        ask("g", "a", "0"),
        create("g", "owner", &[]),
        ask("g", "a", "0"),
        handle("g", "a", "0", true),
        handle("g", "a", "0", true),
        remove("g", &["a"]),
        ask("g", "a", "0"),
        ask("g", "b", "0"),
        ask("g", "c", "0"),
        handle("g", "a", "0", false),
        ask("g", "c", "0"),
        add("g", &["b"]),
        handle("g", "b", "0", true),
    ];
    let outcomes = apply_all(&*groups, &batch, limits);
    assert_eq!(outcomes[..3], [NO_GROUP, Done, Done]);
    assert!(matches!(outcomes[3], Handled { joined: Some(_) }));
    let removed = Removed(vec![true]);
    assert_eq!(outcomes[4..11], [NO_REQUEST, removed, Done, Done, FULL, refused(), Done]);
    assert_eq!(outcomes[12], refused());
    drop(groups);
    let Backend { groups, .. } = site.open();
    assert_eq!(brief(&*groups, "g"), briefly(&[(3, "b", 1), (4, "c", 0)]));
    assert_eq!(names(&*groups, "g"), ["b", "owner"]);
}

fn requests_are_listed_by_id(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    for group in ["g", "g\0", "gg", ""] {
        apply(&*groups, create(group, "owner", &[]));
        let asks = |n: usize| ask(group, &format!("user{}", n % 300), "0");
        let batch: Vec<_> = (0..310).map(asks).collect();
        let limits = GroupLimits { requests_max: 300, ..LIMITS };
        let outcomes = apply_all(&*groups, &batch, limits);
        assert!(outcomes.iter().all(|outcome| *outcome == Done));
    }
    for max in [1, 7, 300, 1_000] {
        let page = |after: Option<&u64>, max| {
            groups.requests(&gid("g"), after.copied().unwrap_or(0), max).wait().expect("read")
        };
        let rows = paged(max, page, |request| request.id);
        assert!(rows.iter().map(|request| request.id).eq(11..=310));
    }
    let rows = groups.requests(&gid("g"), 255, 2).wait().expect("read");
    assert!(rows.iter().map(|request| request.id).eq([256, 257]));
    assert!(groups.requests(&gid("g"), u64::MAX, 9).wait().expect("read").is_empty());
    assert!(groups.requests(&gid("g"), 0, 0).wait().expect("read").is_empty());
    assert!(groups.requests(&gid("x"), 0, 9).wait().expect("read").is_empty());
}

fn the_forgotten_ask_for_nothing(sites: Sites<'_>) {
    for step in [1, 2, 100] {
        let mut site = sites();
        let Backend { groups, .. } = site.open();
        assert_eq!(groups.forget(&[uid("a")], None, step).wait().expect("forgotten"), None);
        let limits = GroupLimits { requests_max: 5, ..LIMITS };
        for group in ["g", "g\0", "h"] {
            apply(&*groups, create(group, "owner", &["m"]));
            for (from, to) in [("a", "0"), ("b", "0"), ("b", "a"), ("aa", "0"), ("0", "b")] {
                assert_eq!(apply_within(&*groups, ask(group, from, to), limits), Done);
            }
        }
        // One that is handled, and those of a group that has ended.
        apply(&*groups, handle("g", "a", "0", false));
        apply(&*groups, GroupChange::Dissolve { group: gid("h"), by: trusted() });
        forget(&*groups, &["a", "nobody"], step);
        drop(groups);
        let Backend { groups, .. } = site.open();
        for group in ["g", "g\0", "h"] {
            let from: Vec<_> = requests(&*groups, group)
                .into_iter()
                .map(|row| (row.from.to_string(), row.to))
                .collect();
            let left = [("b", "0"), ("aa", "0"), ("0", "b")];
            assert!(from.iter().map(|(from, to)| (&**from, &**to)).eq(left), "{group}: {from:?}");
            assert_eq!(groups.request(&gid(group), &uid("a"), "0").wait().expect("read"), None);
            assert_eq!(groups.request(&gid(group), &uid("b"), "a").wait().expect("read"), None);
            let members = groups.members(&gid(group), None, 9).wait().expect("read");
            assert_eq!(members.len(), 2, "members stay");
        }
        // There is room again for as many as went, and nothing handled that could make more.
        for (from, outcome) in [("c", Done), ("d", Done), ("e", FULL)] {
            assert_eq!(apply_within(&*groups, ask("g", from, "0"), limits), outcome, "{from}");
        }
        assert_eq!(apply(&*groups, handle("g", "a", "0", true)), NO_REQUEST);
        assert_eq!(apply(&*groups, ask("g", "a", "0")), Done);
        // Who applies for themselves invites nobody, also where somebody is called "0".
        forget(&*groups, &["0"], step);
        assert_eq!(requests(&*groups, "g").len(), 5);
        assert_eq!(requests(&*groups, "h").len(), 2);
    }
}

fn members_ask_for_nothing_and_leaders_answer(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    apply(&*groups, create("g", "owner", &["b"]));
    for member in ["owner", "b"] {
        assert_eq!(apply(&*groups, ask("g", member, "0")), MEMBER, "{member}");
    }
    assert_eq!(apply(&*groups, ask("g", "a", "0")), Done);
    for who in ["a", "b", "x"] {
        for agree in [true, false] {
            let mut change = handle("g", "a", "0", agree);
            if let GroupChange::Handle { by, .. } = &mut change {
                *by = uid(who);
            }
            assert_eq!(apply(&*groups, change), NO_PERMISSION, "{who}");
        }
    }
    assert_eq!(brief(&*groups, "g"), briefly(&[(1, "a", 0)]));
}
