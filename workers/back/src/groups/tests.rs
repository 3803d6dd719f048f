//! Groups: membership, expansion, bounds.

use super::*;

const KEY: MessageKey = MessageKey(9);

fn uid(n: usize) -> UserId {
    UserId::new(&format!("u{n:05}"))
}

fn groups(shards: u16, members_max: usize) -> Groups {
    let placement = Placement::new(16);
    Groups::new(placement, |partition| placement.shard(partition, shards), members_max)
}

fn loaded(shards: u16, count: usize) -> (Groups, GroupId) {
    let mut groups = groups(shards, 1_000_000);
    let group = GroupId::new("g");
    let members = (0..count).map(|n| (uid(n), Role::Ordinary)).collect();
    groups.load(&group, 7, members);
    (groups, group)
}

/// Everybody a message goes to, with their mark; checks that each list is at home where it says.
fn named(lists: &[MemberList], shards: u16) -> Vec<(String, bool)> {
    let placement = Placement::new(16);
    let mut named = Vec::new();
    for MemberList { partition, members: count, weight, list } in lists {
        let home = placement.shard(*partition, shards);
        let decoded = Members::decode(list).expect("a list");
        assert_eq!(decoded.key(), KEY);
        let (mut members, mut weights) = (0, 0_u64);
        for section in decoded.sections() {
            assert_eq!(placement.shard(section.partition, shards), home);
            for member in Members::of_section(list, section) {
                assert_eq!(placement.partition(member.uid), section.partition);
                named.push((member.uid.to_owned(), member.emphasised));
                weights = weights.wrapping_add(openim_record::weight(member.uid));
                members += 1;
            }
        }
        assert_eq!((*count, *weight), (members, weights));
    }
    named.sort();
    named
}

#[test]
fn everybody_is_named_once_on_their_home() {
    for shards in [1, 3] {
        let (mut groups, group) = loaded(shards, 500);
        for _ in 0..2 {
            let shares = groups.expand(group.as_str(), KEY, &Whom::default()).unwrap();
            assert_eq!(shares.len(), usize::from(shards));
            let expected: Vec<_> = (0..500).map(|n| (uid(n).to_string(), false)).collect();
            assert_eq!(named(&shares, shards), expected);
        }
    }
}

#[test]
fn the_emphasised_are_marked_and_strangers_added_once() {
    let (mut groups, group) = loaded(2, 5);
    let shares = groups
        .expand(
            group.as_str(),
            KEY,
            &Whom {
                emphasised: &["u00003", "nobody", "u00001"],
                extra: &["zoe", "u00002", "zoe"],
                ..Whom::default()
            },
        )
        .unwrap();
    let marked = named(&shares, 2);
    let expected = [
        ("u00000", false),
        ("u00001", true),
        ("u00002", false),
        ("u00003", true),
        ("u00004", false),
        ("zoe", false),
    ];
    assert_eq!(marked, expected.map(|(uid, mark)| (uid.to_owned(), mark)));
    // The mark belongs to that message alone.
    let shares = groups.expand(group.as_str(), KEY, &Whom::default()).unwrap();
    assert!(named(&shares, 2).iter().all(|(_, mark)| !mark));
}

#[test]
fn who_is_unwilling_is_left_out_unless_it_is_for_all() {
    let (mut groups, group) = loaded(2, 5);
    let uids = |groups: &mut Groups, whom: Whom<'_>| {
        let lists = groups.expand(group.as_str(), KEY, &whom).unwrap();
        named(&lists, 2).into_iter().map(|(uid, _)| uid).collect::<Vec<_>>()
    };
    let of = |numbers: &[usize]| numbers.iter().map(|&n| uid(n).to_string()).collect::<Vec<_>>();
    let usual = Whom::default();
    assert_eq!(uids(&mut groups, usual), of(&[0, 1, 2, 3, 4]));
    for (n, is_new) in [(1, true), (3, true), (1, false), (77, true)] {
        assert_eq!(groups.set_unwilling("g", &uid(n), true), is_new);
    }
    assert!(groups.set_unwilling("other", &uid(0), true));
    assert_eq!((groups.unwilling_len(), groups.is_unwilling("g", "u00003")), (4, true));
    for _ in 0..2 {
        assert_eq!(uids(&mut groups, usual), of(&[0, 2, 4]));
        let emphasised: &[&str] = &["u00001", "u00002"];
        assert_eq!(uids(&mut groups, Whom { emphasised, ..usual }), of(&[0, 2, 4]));
        assert_eq!(uids(&mut groups, Whom { to_all: true, ..usual }), of(&[0, 1, 2, 3, 4]));
    }
    // Its sender has it in any case, once.
    let extra: &[&str] = &["u00001", "u00002"];
    assert_eq!(uids(&mut groups, Whom { extra, ..usual }), of(&[0, 1, 2, 4]));
    assert_eq!(uids(&mut groups, Whom { extra, to_all: true, ..usual }), of(&[0, 1, 2, 3, 4]));
    // It outlives the membership.
    groups.follow(&GroupId::new("g"), 8, &[MemberChange::Left(uid(3))], 1000);
    let back = MemberChange::Joined(uid(3), Role::Ordinary);
    groups.follow(&GroupId::new("g"), 9, &[back], 1000);
    assert_eq!(uids(&mut groups, usual), of(&[0, 2, 4]));
    assert!(groups.set_unwilling("g", &uid(3), false));
    assert!(!groups.set_unwilling("g", &uid(3), false));
    assert_eq!(uids(&mut groups, usual), of(&[0, 2, 3, 4]));
}

#[test]
fn changes_are_seen_by_the_next_message() {
    use MemberChange as M;
    let (mut groups, group) = loaded(2, 3);
    groups.expand(group.as_str(), KEY, &Whom::default()).unwrap();
    groups.follow(&group, 8, &[M::Removed(uid(1))], 1000);
    groups.follow(&group, 9, &[M::Joined(uid(7), Role::Administrator)], 1000);
    groups.follow(&group, 10, &[M::Joined(uid(0), Role::Owner)], 1000);
    let joined = [M::Joined(uid(8), Role::Ordinary), M::Joined(uid(2), Role::Owner)];
    groups.follow(&group, 11, &joined, 1000);
    let lists = groups.expand(group.as_str(), KEY, &Whom::default()).unwrap();
    let uids: Vec<_> = named(&lists, 2).into_iter().map(|(uid, _)| uid).collect();
    assert_eq!(uids, [0, 2, 7, 8].map(|n| uid(n).to_string()));
    assert_eq!(groups.role("g", "u00007"), Some(Role::Administrator));
    assert_eq!(groups.role("g", "u00000"), Some(Role::Ordinary), "who is there stays as they are");
    assert_eq!(groups.role("g", "u00001"), None);
    assert!(groups.departed_lately("g", "u00001", 1000 + DEPARTED_MS));
    assert!(!groups.departed_lately("g", "u00001", 1001 + DEPARTED_MS));
    assert!(!groups.departed_lately("h", "u00001", 1000));
    // Who was removed has nothing to tell; who left has, once.
    assert!(!groups.may_tell("g", "u00001", 1000));
    groups.follow(&group, 12, &[M::Left(uid(8))], 1000);
    assert!(groups.may_tell("g", "u00008", 1000 + DEPARTED_MS));
    assert!(!groups.may_tell("g", "u00008", 1001 + DEPARTED_MS));
    groups.told("g", "u00008", 1000);
    assert!(!groups.may_tell("g", "u00008", 1000));
    let handed = [M::Role(uid(0), Role::Ordinary), M::Role(uid(2), Role::Owner)];
    groups.follow(&group, 13, &handed, 1000);
    assert_eq!(groups.owner("g"), Some(&uid(2)));
    groups.check_invariants();
}

#[test]
fn a_group_that_missed_a_change_leaves_memory() {
    use MemberChange as M;
    let gone = [M::Removed(uid(1))];
    for (version, changes, stays) in [
        (7, &[][..], true),
        (8, &[], true),
        (8, &gone, true),
        (6, &[], false),
        (7, &gone, false),
        (9, &[], false),
        (9, &gone, false),
    ] {
        let (mut groups, group) = loaded(2, 3);
        groups.follow(&group, version, changes, 1000);
        assert_eq!(groups.knows("g"), stays, "{version} {changes:?}");
        // Who is out is known to be, whether or not the group is in memory.
        assert_eq!(groups.departed_lately("g", "u00001", 1000), !changes.is_empty());
        groups.check_invariants();
        groups.load(&group, version, vec![(uid(5), Role::Owner)]);
        groups.check_invariants();
        assert_eq!(groups.owner("g").is_some_and(|owner| *owner == uid(5)), !stays);
    }
    let (mut groups, group) = loaded(2, 3);
    for version in 0..1000 {
        groups.forget(group.as_str());
        groups.load(&group, version, vec![(uid(1), Role::Owner)]);
        groups.check_invariants();
    }
    assert_eq!(groups.order.len(), 1);
}

#[test]
fn who_is_left_over_in_a_group_that_has_ended_has_no_role() {
    use MemberChange as M;
    let (mut groups, group) = loaded(2, 3);
    groups.follow(&group, 8, &[M::Ended], 1000);
    assert!(groups.is_dissolved("g"));
    assert_eq!((groups.members("g").len(), groups.role("g", "u00000")), (3, None));
    groups.follow(&group, 9, &[M::Cleared(uid(0)), M::Cleared(uid(2))], 1000);
    assert_eq!(groups.members("g").len(), 1);
    assert!(!groups.departed_lately("g", "u00000", 1000));
    groups.check_invariants();
}

#[test]
fn a_list_too_large_for_one_record_is_split() {
    let (mut groups, group) = loaded(1, 60_000);
    let shares = groups.expand(group.as_str(), KEY, &Whom::default()).unwrap();
    assert!(shares.len() > 1, "{}", shares.len());
    assert!(shares.iter().all(|share| share.list.len() < LIST_BYTES_MAX + 300));
    assert_eq!(named(&shares, 1).len(), 60_000);
}

#[test]
fn memory_is_bounded_by_members() {
    let mut groups = groups(1, 100);
    for n in 0..50 {
        let group = GroupId::new(&format!("g{n}"));
        groups.load(&group, 1, (0..10).map(|n| (uid(n), Role::Ordinary)).collect());
        groups.check_invariants();
    }
    let (len, members, evicted) = groups.len();
    assert!(len <= 10 && members <= 100 && evicted >= 40, "{len} {members} {evicted}");
    assert!(groups.knows("g49"), "the newest is there");
    // One that is larger than the bound is kept while it is in use.
    groups.load(&GroupId::new("large"), 1, (0..500).map(|n| (uid(n), Role::Ordinary)).collect());
    assert!(groups.knows("large"));
    groups.check_invariants();
}

#[test]
fn a_change_that_the_log_tells_of_is_followed_once_whoever_is_first() {
    use MemberChange as M;
    let step = |version| {
        let members = vec![M::Removed(uid(1))];
        GroupStep { group: GroupId::new("g"), version, members }
    };
    for log_first in [true, false] {
        let (mut groups, group) = loaded(3, 4);
        for by_log in [log_first, !log_first] {
            match by_log {
                true => groups.follow_told(&step(8), 1000),
                false => groups.follow(&group, 8, &step(8).members, 1000),
            }
            assert_eq!(groups.version("g"), Some(8), "{log_first}");
            assert_eq!(groups.role("g", "u00001"), None, "{log_first}");
        }
        assert_eq!(groups.departed.len(), 1, "{log_first}");
        // The next one that nobody knows of is missed all the same.
        groups.follow(&group, 8, &step(8).members, 1000);
        assert!(!groups.knows("g"), "{log_first}");
        groups.check_invariants();
    }
    // What the log tells of a group that has missed something.
    let (mut groups, _) = loaded(3, 4);
    groups.follow_told(&step(9), 1000);
    assert!(!groups.knows("g"));
    assert!(groups.departed_lately("g", "u00001", 1000));
    groups.check_invariants();
}

#[test]
fn what_tells_of_a_change_goes_to_the_members_behind_it() {
    use MemberChange as M;
    let (groups, _) = loaded(4, 4);
    let before = groups.expander("g");
    let named = |changes: &[MemberChange], extra: &[&str]| {
        let mut named = named(&before.expand(changes, KEY, extra), 4);
        named.sort();
        named.into_iter().map(|(uid, _)| uid).collect::<Vec<_>>()
    };
    let all = ["u00000", "u00001", "u00002", "u00003"];
    assert_eq!(named(&[], &[]), all);
    let joined = [M::Joined(uid(7), Role::Ordinary), M::Left(uid(0))];
    assert_eq!(named(&joined, &["u00001", "z"]), ["u00001", "u00002", "u00003", "u00007", "z"]);
    assert_eq!(named(&[M::Removed(uid(2))], &["u00002"]), all, "who is out is named with the rest");
    assert_eq!(named(&[M::Ended], &[]), all, "they are taken out later");
    let gone: Vec<_> = (0..4).map(|n| M::Left(uid(n))).collect();
    assert!(named(&gone, &["u00000"]).is_empty(), "nobody is there to be told");
    let unknown = groups.expander("h");
    let joined = [M::Joined(uid(5), Role::Owner)];
    assert_eq!(unknown.expand(&joined, KEY, &[]).len(), 1);
}
