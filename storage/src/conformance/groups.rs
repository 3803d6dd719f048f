//! What every store of groups must do.

use openim_record::{GroupId, UserId};

use super::Wait as _;
use super::ids::{AWKWARD, paged, uid};
use super::joining::joining;
use super::ruling::ruling;
use super::{Backend, Sites};
use crate::port::Added::{Full as NoRoom, Joined, Member as In};
use crate::port::GroupOutcome::{Added, Done, Removed};
use crate::port::{
    By, Group, GroupChange, GroupLimits, GroupOutcome, GroupRefused, Groups, Member, Role,
};

pub(super) const NO_GROUP: GroupOutcome = GroupOutcome::Refused(GroupRefused::NoGroup);
pub(super) const EXISTS: GroupOutcome = GroupOutcome::Refused(GroupRefused::Exists);
pub(super) const UNFIT: GroupOutcome = GroupOutcome::Refused(GroupRefused::Unfit);
pub(super) const NOT_MEMBER: GroupOutcome = GroupOutcome::Refused(GroupRefused::NotMember);
pub(super) const NO_PERMISSION: GroupOutcome = GroupOutcome::Refused(GroupRefused::NoPermission);
pub(super) const STRANGER: GroupOutcome = GroupOutcome::Refused(GroupRefused::Stranger);
pub(super) const MEMBER: GroupOutcome = GroupOutcome::Refused(GroupRefused::Member);
pub(super) const NO_REQUEST: GroupOutcome = GroupOutcome::Refused(GroupRefused::NoRequest);
pub(super) const FULL: GroupOutcome = GroupOutcome::Refused(GroupRefused::Full);

/// Runs the suite of [`Groups`].
///
/// # Panics
/// Where the contract is broken.
pub fn groups(sites: Sites<'_>) {
    a_group_is_made_once_with_its_members(sites);
    a_group_that_cannot_be_leaves_nothing(sites);
    columns_are_written_one_by_one(sites);
    members_join_and_leave_each_by_itself(sites);
    nobody_passes_the_bounds(sites);
    later_changes_of_a_batch_see_earlier_ones(sites);
    pages_are_in_byte_order(sites);
    a_large_group_is_one_change(sites);
    ruling(sites);
    joining(sites);
}

pub(super) const LIMITS: GroupLimits =
    GroupLimits { members_max: 1_000, joined_max: 100, requests_max: 100 };

pub(super) fn gid(id: &str) -> GroupId {
    GroupId::new(id)
}

pub(super) fn row(id: &str) -> Group {
    Group {
        id: gid(id),
        name: format!("name of {id}"),
        introduction: "introduction".to_owned(),
        notification: "notification".to_owned(),
        face_url: "face".to_owned(),
        ex: "ex \u{1f600}".to_owned(),
        create_ms: 1_622_033_433_123,
        owner: None,
        members: 0,
        version: 0,
    }
}

pub(super) fn member(id: &str, role: Role) -> Member {
    let (nickname, face_url) = (format!("nick of {id}"), format!("face of {id}"));
    Member { uid: uid(id), role, nickname, face_url, join_ms: 7 }
}

/// A group with an owner and ordinary members.
pub(super) fn create(id: &str, owner: &str, others: &[&str]) -> GroupChange {
    let others = others.iter().map(|id| member(id, Role::Ordinary));
    let members = [member(owner, Role::Owner)].into_iter().chain(others).collect();
    GroupChange::Create { group: row(id), members }
}

/// Somebody who acts for the app.
pub(super) fn trusted() -> By {
    By { uid: uid("manager"), trusted: true }
}

pub(super) fn by(id: &str) -> By {
    By { uid: uid(id), trusted: false }
}

pub(super) fn add(group: &str, members: &[&str]) -> GroupChange {
    let members = members.iter().map(|id| member(id, Role::Ordinary)).collect();
    GroupChange::Add { group: gid(group), by: trusted(), members }
}

pub(super) fn remove(group: &str, users: &[&str]) -> GroupChange {
    let users = users.iter().map(|id| uid(id)).collect();
    GroupChange::Remove { group: gid(group), by: trusted(), users }
}

pub(super) fn leave(group: &str, user: &str) -> GroupChange {
    GroupChange::Leave { group: gid(group), user: uid(user) }
}

pub(super) fn depart(group: &str, user: &str, heir: Option<&str>) -> GroupChange {
    GroupChange::Depart { group: gid(group), user: uid(user), heir: heir.map(uid) }
}

pub(super) fn transfer(group: &str, by: &str, to: &str) -> GroupChange {
    GroupChange::Transfer { group: gid(group), by: uid(by), to: uid(to) }
}

pub(super) fn dissolve(group: &str, by: By) -> GroupChange {
    GroupChange::Dissolve { group: gid(group), by }
}

pub(super) fn apply(groups: &dyn Groups, change: GroupChange) -> GroupOutcome {
    apply_within(groups, change, LIMITS)
}

pub(super) fn apply_within(
    groups: &dyn Groups,
    change: GroupChange,
    limits: GroupLimits,
) -> GroupOutcome {
    let read = |change: &GroupChange| {
        let row =
            groups.groups(std::slice::from_ref(change.group())).wait().expect("read").remove(0);
        row.map(|row| row.version)
    };
    let before = read(&change);
    let mut changed = groups.apply(std::slice::from_ref(&change), limits).wait().expect("applied");
    assert_eq!(changed.len(), 1);
    let changed = changed.remove(0);
    // A group that has ended has no row that could be read.
    if let Some(after) = read(&change) {
        assert_eq!(changed.version, after, "{change:?}");
        let steps = after - before.unwrap_or(0);
        assert!(steps <= 1, "{change:?}");
        assert!(steps == 1 || changed.members.is_empty(), "{change:?}");
        let refused = matches!(changed.outcome, GroupOutcome::Refused(_));
        assert!(!refused || steps == 0, "{change:?}");
    }
    changed.outcome
}

/// The outcomes of several changes in one batch.
pub(super) fn apply_all(
    groups: &dyn Groups,
    changes: &[GroupChange],
    limits: GroupLimits,
) -> Vec<GroupOutcome> {
    let changed = groups.apply(changes, limits).wait().expect("applied");
    changed.into_iter().map(|changed| changed.outcome).collect()
}

/// Owner, and members with their roles.
pub(super) type Told = (Option<String>, Vec<(String, Role)>);

/// What is told of a group, after checking that all of it agrees.
pub(super) fn told(groups: &dyn Groups, group: &str) -> Option<Told> {
    let id = gid(group);
    let members = groups.members(&id, None, 100_000).wait().expect("read");
    let Some(row) = groups.groups(std::slice::from_ref(&id)).wait().expect("read").remove(0) else {
        assert!(members.is_empty(), "members of a group that is not there");
        return None;
    };
    assert_eq!(row.members as usize, members.len());
    let owners: Vec<_> = members.iter().filter(|member| member.role == Role::Owner).collect();
    assert!(owners.len() <= 1);
    assert_eq!(row.owner.as_ref(), owners.first().map(|member| &member.uid));
    let uids: Vec<_> = members.iter().map(|member| member.uid.clone()).collect();
    let named = groups.members_named(&id, &uids).wait().expect("read");
    assert!(named.into_iter().eq(members.iter().cloned().map(Some)));
    for member in &members {
        let joined = groups.joined(&member.uid, None, 100_000).wait().expect("read");
        assert!(joined.contains(&(id.clone(), member.role)), "{member:?} in {joined:?}");
    }
    let members = members.into_iter().map(|member| (member.uid.to_string(), member.role));
    Some((row.owner.map(|owner| owner.to_string()), members.collect()))
}

pub(super) fn names(groups: &dyn Groups, group: &str) -> Vec<String> {
    let (_, members) = told(groups, group).expect("the group is there");
    members.into_iter().map(|(uid, _)| uid).collect()
}

pub(super) fn joined(groups: &dyn Groups, user: &str) -> Vec<String> {
    let joined = groups.joined(&uid(user), None, 1_000).wait().expect("read");
    joined.into_iter().map(|(group, _)| group.to_string()).collect()
}

fn a_group_is_made_once_with_its_members(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let mut twice = member("b", Role::Owner);
    twice.nickname = "listed second".to_owned();
    let group = Group { owner: Some(uid("wrong")), members: 77, version: 9, ..row("g") };
    let members = vec![
        member("c", Role::Administrator),
        member("b", Role::Ordinary),
        twice,
        member("a", Role::Owner),
    ];
    let change = GroupChange::Create { group: group.clone(), members };
    assert_eq!(apply(&*groups, change.clone()), Done);
    assert_eq!(apply(&*groups, change), EXISTS);
    assert_eq!(apply(&*groups, create("g", "z", &[])), EXISTS);
    drop(groups);
    let Backend { groups, .. } = site.open();
    let expected = Group { owner: Some(uid("a")), members: 3, version: 1, ..group };
    let found = groups.groups(&["x", "g", "G", "g"].map(gid)).wait().expect("read");
    assert_eq!(found, [None, Some(expected.clone()), None, Some(expected)]);
    let members = groups.members(&gid("g"), None, 9).wait().expect("read");
    let roles = [Role::Owner, Role::Ordinary, Role::Administrator];
    let expected: Vec<_> = ["a", "b", "c"].into_iter().zip(roles).collect();
    let expected: Vec<_> = expected.into_iter().map(|(id, role)| member(id, role)).collect();
    assert_eq!(members, expected);
    assert!(told(&*groups, "g").is_some());
    assert!(joined(&*groups, "z").is_empty());
}

fn a_group_that_cannot_be_leaves_nothing(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    apply(&*groups, create("first", "a", &["b"]));
    let ordinary = |id| member(id, Role::Ordinary);
    let with = |members: Vec<Member>| GroupChange::Create { group: row("g"), members };
    let limits = GroupLimits { members_max: 2, joined_max: 1, ..LIMITS };
    for (change, expected) in [
        (with(vec![]), UNFIT),
        (with(vec![ordinary("c")]), UNFIT),
        (with(vec![member("c", Role::Owner), member("d", Role::Owner)]), UNFIT),
        // As listed first, so without an owner.
        (with(vec![ordinary("c"), member("c", Role::Owner)]), UNFIT),
        (create("g", "c", &["d", "e"]), FULL),
        (create("g", "c", &["a"]), FULL),
        (create("g", "b", &["c"]), FULL),
        (add("g", &["c"]), NO_GROUP),
        (remove("g", &["a"]), NO_GROUP),
        (transfer("g", "a", "b"), NO_GROUP),
    ] {
        assert_eq!(apply_within(&*groups, change, limits), expected);
        assert_eq!(told(&*groups, "g"), None);
        assert!(["c", "d", "e"].iter().all(|id| joined(&*groups, id).is_empty()));
    }
    // The same one twice fills one place.
    let change = create("g", "c", &["d", "d", "c"]);
    assert_eq!(apply_within(&*groups, change, limits), Done);
    assert_eq!(names(&*groups, "g"), ["c", "d"]);
}

fn columns_are_written_one_by_one(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    apply(&*groups, create("g", "a", &["b"]));
    let mut expected = Group { owner: Some(uid("a")), members: 2, version: 1, ..row("g") };
    for n in 0..16 {
        let text = |bit: u32, old: &mut String| {
            (n & (1 << bit) != 0).then(|| {
                *old = if n % 3 == 0 { String::new() } else { format!("{bit} in {n}") };
                old.clone()
            })
        };
        // Where no column is given there is nothing to do.
        expected.version = 1 + n;
        let change = GroupChange::Describe {
            group: gid("g"),
            by: uid("a"),
            name: text(0, &mut expected.name),
            introduction: text(1, &mut expected.introduction),
            notification: text(2, &mut expected.notification),
            face_url: text(3, &mut expected.face_url),
        };
        assert_eq!(apply(&*groups, change.clone()), Done);
        assert_eq!(groups.groups(&[gid("g")]).wait().expect("read"), [Some(expected.clone())]);
        for (id, uid_of, refused) in
            [("other", "a", NO_GROUP), ("g", "b", NO_PERMISSION), ("g", "x", NOT_MEMBER)]
        {
            let mut change = change.clone();
            if let GroupChange::Describe { group, by, .. } = &mut change {
                (*group, *by) = (gid(id), uid(uid_of));
            }
            assert_eq!(apply(&*groups, change), refused, "{uid_of} in {id}");
        }
    }
    drop(groups);
    assert_eq!(site.open().groups.groups(&[gid("g")]).wait().expect("read"), [Some(expected)]);
}

fn members_join_and_leave_each_by_itself(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    apply(&*groups, create("g", "a", &["b"]));
    let mut other = member("b", Role::Administrator);
    other.nickname = "other".to_owned();
    let members = vec![member("c", Role::Administrator), other, member("c", Role::Ordinary)];
    let change = GroupChange::Add { group: gid("g"), by: by("b"), members };
    assert_eq!(apply(&*groups, change), Added(vec![Joined, In, In]));
    assert_eq!(apply(&*groups, add("g", &[])), Added(vec![]));
    let named = groups.members_named(&gid("g"), &["c", "x", "b"].map(uid)).wait().expect("read");
    let (b, c) = (member("b", Role::Ordinary), member("c", Role::Administrator));
    assert_eq!(named, [Some(c), None, Some(b)]);
    assert_eq!(apply(&*groups, remove("g", &["b", "x", "b"])), Removed(vec![true; 3]));
    assert_eq!(apply(&*groups, remove("g", &[])), Removed(vec![]));
    drop(groups);
    let Backend { groups, .. } = site.open();
    assert_eq!(names(&*groups, "g"), ["a", "c"]);
    assert!(joined(&*groups, "b").is_empty());
    assert_eq!(apply(&*groups, add("g", &["b"])), Added(vec![Joined]));
    assert_eq!(names(&*groups, "g"), ["a", "b", "c"]);
    assert_eq!(joined(&*groups, "b"), ["g"]);
}

fn nobody_passes_the_bounds(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let limits = GroupLimits { members_max: 3, joined_max: 2, ..LIMITS };
    let batch = |changes: &[GroupChange]| apply_all(&*groups, changes, limits);
    let outcomes = batch(&[
        create("g1", "a", &["b"]),
        create("g2", "a", &[]),
        create("g3", "a", &[]),
        create("g3", "b", &["c"]),
        add("g3", &["a", "d", "c", "e", "d"]),
        add("g2", &["b", "c"]),
        add("g1", &["c", "a", "f", "g"]),
    ]);
    assert_eq!(
        outcomes,
        [
            Done,
            Done,
            FULL,
            Done,
            Added(vec![NoRoom, Joined, In, NoRoom, In]),
            Added(vec![NoRoom, Joined]),
            Added(vec![NoRoom, In, Joined, NoRoom]),
        ]
    );
    // Who leaves makes room in both.
    let outcomes = batch(&[remove("g1", &["f"]), add("g1", &["c", "d"]), add("g3", &["a"])]);
    let removed = Removed(vec![true]);
    assert_eq!(outcomes, [removed, Added(vec![NoRoom, Joined]), Added(vec![NoRoom])]);
    drop(groups);
    let Backend { groups, .. } = site.open();
    assert_eq!(names(&*groups, "g1"), ["a", "b", "d"]);
    assert_eq!(names(&*groups, "g2"), ["a", "c"]);
    assert_eq!(names(&*groups, "g3"), ["b", "c", "d"]);
    let outcome = apply_within(&*groups, add("g2", &["b", "e", "h"]), limits);
    assert_eq!(outcome, Added(vec![NoRoom, Joined, NoRoom]));
}

fn later_changes_of_a_batch_see_earlier_ones(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let batch = [
        add("g", &["b"]),
        create("g", "a", &["b"]),
        create("g", "a", &["b"]),
        remove("g", &["b"]),
        add("g", &["b", "c"]),
        transfer("g", "a", "b"),
        remove("g", &["a"]),
        transfer("g", "a", "b"),
        create("h", "a", &["b"]),
    ];
    let outcomes = apply_all(&*groups, &batch, LIMITS);
    let (added, removed) = (Added(vec![Joined, Joined]), Removed(vec![true]));
    let expected =
        [NO_GROUP, Done, EXISTS, removed.clone(), added, Done, removed, NO_PERMISSION, Done];
    assert_eq!(outcomes, expected);
    assert!(groups.apply(&[], LIMITS).wait().expect("applied").is_empty());
    drop(groups);
    let Backend { groups, .. } = site.open();
    let expected = [("b".to_owned(), Role::Owner), ("c".to_owned(), Role::Ordinary)];
    assert_eq!(told(&*groups, "g"), Some((Some("b".to_owned()), expected.to_vec())));
    assert_eq!(joined(&*groups, "a"), ["h"]);
    let joined = groups.joined(&uid("b"), None, 9).wait().expect("read");
    assert_eq!(joined, [(gid("g"), Role::Owner), (gid("h"), Role::Ordinary)]);
}

fn pages_are_in_byte_order(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let mut ids = AWKWARD;
    ids.reverse();
    // Groups whose ids begin alike, and one user in all groups whose ids are awkward.
    let all: Vec<_> = ["g", "g\0", "gg", ""].iter().map(|id| create(id, "9", &ids)).collect();
    let outcomes = apply_all(&*groups, &all, LIMITS);
    assert!(outcomes.iter().all(|outcome| *outcome == Done));
    let all: Vec<_> = ids.iter().map(|id| create(id, "owner", &["u", "uu"])).collect();
    groups.apply(&all, LIMITS).wait().expect("applied");
    for max in [1, 3, 16, 100] {
        let page = |after: Option<&UserId>, max| {
            groups.members(&gid("g"), after, max).wait().expect("read")
        };
        let rows = paged(max, page, |row| row.uid.clone());
        assert!(rows.iter().map(|row| row.uid.as_str()).eq(AWKWARD));
        let page = |after: Option<&GroupId>, max| {
            groups.joined(&uid("u"), after, max).wait().expect("read")
        };
        let rows = paged(max, page, |(group, _)| group.clone());
        assert!(rows.iter().map(|(group, _)| group.as_str()).eq(AWKWARD));
    }
    let rows = groups.members(&gid("g"), Some(&uid("a\0a")), 2).wait().expect("read");
    assert!(rows.iter().map(|row| row.uid.as_str()).eq(["a\0b", "a:b"]));
    assert!(groups.members(&gid("g"), None, 0).wait().expect("read").is_empty());
    assert!(groups.members(&gid("h"), None, 9).wait().expect("read").is_empty());
    assert!(groups.joined(&uid("x"), None, 9).wait().expect("read").is_empty());
    let found = groups.groups(&AWKWARD.map(gid)).wait().expect("read");
    assert!(found.iter().flatten().map(|row| row.id.as_str()).eq(AWKWARD));
}

fn a_large_group_is_one_change(sites: Sites<'_>) {
    const MEMBERS: usize = 20_000;
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let uids: Vec<_> = (0..MEMBERS).map(|n| format!("user{n:05}")).collect();
    let others: Vec<_> = uids[1..].iter().map(String::as_str).collect();
    let limits = GroupLimits { members_max: MEMBERS, ..LIMITS };
    assert_eq!(apply_within(&*groups, create("g", &uids[0], &others), limits), Done);
    assert_eq!(apply_within(&*groups, add("g", &["more"]), limits), Added(vec![NoRoom]));
    drop(groups);
    let Backend { groups, .. } = site.open();
    let page =
        |after: Option<&UserId>, max| groups.members(&gid("g"), after, max).wait().expect("read");
    let rows = paged(1_000, page, |row| row.uid.clone());
    assert!(rows.iter().map(|row| row.uid.as_str()).eq(uids.iter().map(String::as_str)));
    assert_eq!(joined(&*groups, &uids[MEMBERS - 1]), ["g"]);
    let all = groups.groups(&[gid("g")]).wait().expect("read").remove(0).expect("there");
    assert_eq!((all.members as usize, all.owner), (MEMBERS, Some(uid(&uids[0]))));
}
