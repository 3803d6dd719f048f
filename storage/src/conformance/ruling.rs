//! What every store of groups must keep of the rules: who may do what, owners, ends, versions.

use super::Wait as _;
use super::groups::{
    EXISTS, LIMITS, NO_GROUP, NO_PERMISSION, NOT_MEMBER, STRANGER, UNFIT, add, apply, by, create,
    depart, dissolve, gid, joined, leave, member, names, remove, told, transfer, trusted,
};
use super::ids::uid;
use super::{Backend, Sites};
use crate::port::Added::{Joined, Member as In};
use crate::port::GroupOutcome::{Added, Cleared, Done, Left, Removed};
use crate::port::{By, GroupChange, Groups, MemberChange, Role};

pub(super) fn ruling(sites: Sites<'_>) {
    a_group_has_one_owner(sites);
    who_may_do_what(sites);
    versions_and_members_are_told(sites);
    a_dissolved_group_is_unknown_and_its_id_stays_taken(sites);
}

fn a_group_has_one_owner(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    apply(&*groups, create("g", "a", &["b", "c"]));
    for (from, to, refused) in [
        ("b", "c", NO_PERMISSION),
        ("a", "x", STRANGER),
        ("x", "a", NO_PERMISSION),
        ("x", "y", NO_PERMISSION),
        ("a", "a", STRANGER),
    ] {
        assert_eq!(apply(&*groups, transfer("g", from, to)), refused, "{from} to {to}");
    }
    assert_eq!(told(&*groups, "g").expect("there").0.as_deref(), Some("a"));
    assert_eq!(apply(&*groups, transfer("g", "a", "c")), Done);
    drop(groups);
    let Backend { groups, .. } = site.open();
    let expected = [("a", Role::Ordinary), ("b", Role::Ordinary), ("c", Role::Owner)];
    let expected = expected.map(|(id, role)| (id.to_owned(), role));
    assert_eq!(told(&*groups, "g"), Some((Some("c".to_owned()), expected.to_vec())));
    // A second owner cannot join, and who would have with them does not.
    let owner = |id: &str| {
        let members = vec![member("d", Role::Ordinary), member(id, Role::Owner)];
        GroupChange::Add { group: gid("g"), by: trusted(), members }
    };
    assert_eq!(apply(&*groups, owner("e")), UNFIT);
    assert_eq!(names(&*groups, "g"), ["a", "b", "c"]);
    assert_eq!(apply(&*groups, owner("b")), Added(vec![Joined, In]));
    // Nobody takes the owner out, and the owner goes only when there is an heir, or nobody else.
    assert_eq!(apply(&*groups, remove("g", &["c", "d"])), Removed(vec![false, true]));
    assert_eq!(apply(&*groups, leave("g", "c")), NO_PERMISSION);
    assert_eq!(apply(&*groups, leave("g", "x")), NOT_MEMBER);
    for heir in [None, Some("x"), Some("c")] {
        assert_eq!(apply(&*groups, depart("g", "c", heir)), UNFIT, "{heir:?}");
    }
    assert_eq!(apply(&*groups, depart("g", "x", None)), Done);
    assert_eq!(apply(&*groups, depart("g", "c", Some("b"))), Left { ended: false });
    let expected = [("a", Role::Ordinary), ("b", Role::Owner)];
    let expected = expected.map(|(id, role)| (id.to_owned(), role));
    assert_eq!(told(&*groups, "g"), Some((Some("b".to_owned()), expected.to_vec())));
    assert_eq!(apply(&*groups, owner("e")), UNFIT);
    assert_eq!(apply(&*groups, leave("g", "a")), Left { ended: false });
    assert_eq!(apply(&*groups, leave("g", "b")), Left { ended: true });
    drop(groups);
    let Backend { groups, .. } = site.open();
    assert_eq!(told(&*groups, "g"), None);
    assert!(joined(&*groups, "b").is_empty());
    assert_eq!(apply(&*groups, create("g", "a", &[])), EXISTS);
    // The last one of another is deleted.
    assert_eq!(apply(&*groups, create("h", "a", &[])), Done);
    assert_eq!(apply(&*groups, depart("h", "a", None)), Left { ended: true });
    assert_eq!(told(&*groups, "h"), None);
}

fn who_may_do_what(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    apply(&*groups, create("g", "owner", &["a", "b", "c"]));
    let administrators = ["admin", "other"].map(|id| member(id, Role::Administrator));
    let change = GroupChange::Add { group: gid("g"), by: by("a"), members: administrators.into() };
    assert_eq!(apply(&*groups, change), Added(vec![Joined, Joined]));
    let add = |who: By, id: &str| {
        let members = vec![member(id, Role::Ordinary)];
        apply(&*groups, GroupChange::Add { group: gid("g"), by: who, members })
    };
    assert_eq!(add(by("x"), "d"), NO_PERMISSION);
    assert_eq!(add(by("b"), "d"), Added(vec![Joined]));
    assert_eq!(add(trusted(), "e"), Added(vec![Joined]));
    let remove = |who: By, ids: &[&str]| {
        let users = ids.iter().map(|id| uid(id)).collect();
        apply(&*groups, GroupChange::Remove { group: gid("g"), by: who, users })
    };
    for who in ["a", "x"] {
        assert_eq!(remove(by(who), &["b", who]), NO_PERMISSION, "{who}");
    }
    let asked = ["admin", "other", "owner", "d", "x"];
    let removed = remove(by("admin"), &asked);
    assert_eq!(removed, Removed(vec![false, false, false, true, true]));
    assert_eq!(remove(by("owner"), &["admin", "owner"]), Removed(vec![true, false]));
    let manager = By { uid: uid("b"), trusted: true };
    assert_eq!(remove(manager, &["other", "owner", "b"]), Removed(vec![true, false, false]));
    assert_eq!(names(&*groups, "g"), ["a", "b", "c", "e", "owner"]);
    for (who, outcome) in [(by("a"), NO_PERMISSION), (by("x"), NO_PERMISSION), (by("owner"), Done)]
    {
        assert_eq!(apply(&*groups, dissolve("g", who.clone())), outcome, "{who:?}");
    }
}

/// What a change did is told with the version that it made, so that who remembers members can follow.
fn versions_and_members_are_told(sites: Sites<'_>) {
    use MemberChange as M;
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let tell = |groups: &dyn Groups, change: GroupChange| {
        let changed = groups.apply(&[change], LIMITS).wait().expect("applied").remove(0);
        (changed.version, changed.members)
    };
    let joined = |id: &str, role| M::Joined(uid(id), role);
    let role = |id: &str, role| M::Role(uid(id), role);
    assert_eq!(tell(&*groups, add("g", &["b"])), (0, vec![]));
    let expected = vec![joined("a", Role::Owner), joined("b", Role::Ordinary)];
    assert_eq!(tell(&*groups, create("g", "a", &["b", "b"])), (1, expected));
    assert_eq!(tell(&*groups, create("g", "z", &[])), (1, vec![]));
    assert_eq!(tell(&*groups, add("g", &["b"])), (1, vec![]), "nothing to do");
    let expected = vec![joined("c", Role::Ordinary), joined("d", Role::Ordinary)];
    assert_eq!(tell(&*groups, add("g", &["b", "c", "d"])), (2, expected));
    assert_eq!(tell(&*groups, remove("g", &["x", "a"])), (2, vec![]), "nobody who could be");
    let expected = vec![M::Removed(uid("c"))];
    assert_eq!(tell(&*groups, remove("g", &["c", "c", "x"])), (3, expected));
    assert_eq!(tell(&*groups, transfer("g", "b", "a")), (3, vec![]), "refused");
    let expected = vec![role("a", Role::Ordinary), role("b", Role::Owner)];
    assert_eq!(tell(&*groups, transfer("g", "a", "b")), (4, expected));
    drop(groups);
    let Backend { groups, .. } = site.open();
    let expected = vec![role("a", Role::Owner), M::Removed(uid("b"))];
    assert_eq!(tell(&*groups, depart("g", "b", Some("a"))), (5, expected));
    assert_eq!(tell(&*groups, leave("g", "d")), (6, vec![M::Left(uid("d"))]));
    assert_eq!(tell(&*groups, leave("g", "a")), (7, vec![M::Ended, M::Left(uid("a"))]));
    assert_eq!(tell(&*groups, dissolve("g", trusted())), (7, vec![]), "it has ended");
    assert_eq!(tell(&*groups, add("g", &["x"])), (7, vec![]));
    let row = groups.groups(&[gid("h")]).wait().expect("read").remove(0);
    assert_eq!(row, None);
    // Each group counts for itself, and changes of one batch one by one.
    let batch = [create("h", "a", &["b"]), add("h", &["c"]), add("h", &["c"]), leave("h", "c")];
    let changed = groups.apply(&batch, LIMITS).wait().expect("applied");
    assert!(changed.iter().map(|changed| changed.version).eq([1, 2, 2, 3]));
    assert_eq!(
        groups.groups(&[gid("h")]).wait().expect("read")[0].as_ref().map(|row| row.version),
        Some(3)
    );
}

fn a_dissolved_group_is_unknown_and_its_id_stays_taken(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { groups, .. } = site.open();
    let clear = |members_max| GroupChange::Clear { group: gid("g"), members_max };
    assert_eq!(apply(&*groups, dissolve("g", trusted())), NO_GROUP);
    assert_eq!(apply(&*groups, clear(9)), NO_GROUP);
    assert_eq!(apply(&*groups, create("g", "a", &["b", "c", "d", "e"])), Done);
    assert_eq!(apply(&*groups, create("h", "b", &["a"])), Done);
    assert_eq!(apply(&*groups, dissolve("g", by("b"))), NO_PERMISSION);
    assert_eq!(apply(&*groups, clear(9)), UNFIT);
    assert_eq!(names(&*groups, "g"), ["a", "b", "c", "d", "e"]);
    assert_eq!(apply(&*groups, dissolve("g", by("a"))), Done);
    drop(groups);
    let Backend { groups, .. } = site.open();
    assert_eq!(groups.groups(&["g", "h"].map(gid)).wait().expect("read")[0], None);
    let refused = [add("g", &["f"]), transfer("g", "a", "b"), remove("g", &["b"]), leave("g", "b")];
    for change in refused {
        assert_eq!(apply(&*groups, change), NO_GROUP);
    }
    assert_eq!(apply(&*groups, create("g", "z", &[])), EXISTS);
    // Its members are taken out some at a time, and it can be dissolved again meanwhile.
    assert_eq!(joined(&*groups, "a"), ["g", "h"]);
    assert_eq!(apply(&*groups, depart("g", "c", None)), Done);
    let cleared = groups.apply(&[clear(2), clear(1)], LIMITS).wait().expect("applied");
    let gone = [vec!["a", "b"], vec!["d"]]
        .map(|ids| ids.into_iter().map(|id| MemberChange::Cleared(uid(id))).collect::<Vec<_>>());
    assert!(cleared.iter().map(|changed| &changed.members).eq(&gone), "{cleared:?}");
    assert!(cleared.iter().all(|changed| changed.outcome == Cleared { more: true }));
    for (who, outcome) in [(by("a"), Done), (trusted(), Done), (by("e"), NO_PERMISSION)] {
        assert_eq!(apply(&*groups, dissolve("g", who.clone())), outcome, "{who:?}");
    }
    assert_eq!(
        groups.members(&gid("g"), None, 9).wait().expect("read"),
        [member("e", Role::Ordinary)]
    );
    assert_eq!(apply(&*groups, clear(2)), Cleared { more: false });
    assert_eq!(apply(&*groups, clear(2)), Cleared { more: false });
    assert_eq!((joined(&*groups, "a"), joined(&*groups, "e")), (vec!["h".to_owned()], Vec::new()));
    assert_eq!(names(&*groups, "h"), ["a", "b"]);
}
