//! What such a shard forms for the log, and what its links are given.

use openim_record::{Draft, PartitionId, Placement, UserId};

use super::*;
use crate::settings::ENVELOPE_BYTES;

fn sealed(recv_id: &str, session_type: i32) -> Submission {
    let message =
        Message { send_id: "ann", recv_id, client_msg_id: "m", session_type, ..Message::BLANK };
    let to = Addresses::of(&message, Placement::new(4));
    let key = message.heading().key();
    let record = Draft::new(&message).seal(key, 7);
    Submission { key, to, record, lists: Box::default() }
}

#[test]
fn a_send_becomes_the_record_of_its_topic() {
    let process = Process([3; 16]);
    let mut alone = Alone::new(process);
    let plain = sealed("bob", 1);
    let message = plain.record.clone();
    let of_topic = alone.of_topic(plain);
    let Ok(TopicRecord::Send(sent)) = TopicRecord::decode(&of_topic.record) else { panic!() };
    assert_eq!((sent.origin, sent.group, sent.message), (process, None, &*message));

    let named = |uids: &[&str]| uids.iter().map(|uid| (*uid).to_owned()).collect();
    alone.to_group = ToGroup { emphasised: named(&["bob"]), extra: named(&["cat"]), trusted: true };
    for (emphasised, extra, trusted) in [(vec!["bob"], vec!["cat"], true), (vec![], vec![], false)]
    {
        let of_topic = alone.of_topic(sealed("team", 2));
        let Ok(TopicRecord::Send(sent)) = TopicRecord::decode(&of_topic.record) else { panic!() };
        let group = sent.group.expect("of a group");
        // Admission counts on it.
        let named: usize = emphasised.iter().chain(&extra).map(|uid| 2 + uid.len()).sum();
        assert!(of_topic.record.len() <= sent.message.len() + named + ENVELOPE_BYTES);
        let lists = [group.emphasised, group.extra].map(|list| list.iter().collect::<Vec<_>>());
        assert_eq!((lists, group.trusted), ([emphasised, extra], trusted));
    }
}

#[test]
fn a_link_is_given_a_seq_once_and_has_it_twice() {
    let mut alone = Alone::new(Process([0; 16]));
    let link = LinkId { index: 0, generation: 1 };
    alone.opened(link);
    assert_eq!([2, 2, 1, 3].map(|seq| alone.gives(link, Seq(seq))), [true, false, false, true]);
    assert_eq!(alone.reached, [link; 4]);
}

#[test]
fn a_change_names_who_joined_and_who_left() {
    let (group, uid) = (GroupId::new("team"), UserId::new);
    let changes = [
        MemberChange::Joined(uid("ann"), Role::Owner),
        MemberChange::Role(uid("bob"), Role::Ordinary),
        MemberChange::Left(uid("cat")),
        MemberChange::Removed(uid("dan")),
        MemberChange::Cleared(uid("eve")),
        MemberChange::Ended,
    ];
    let record = group_changed(&group, 9, &changes);
    let Ok(TopicRecord::GroupChanged(change)) = TopicRecord::decode(&record) else { panic!() };
    let left: Vec<&str> = change.left.iter().collect();
    let joined: Vec<(&str, Role)> = change.joined.iter().collect();
    assert_eq!((change.group, change.version), ("team", 9));
    assert_eq!((joined, left), (vec![("ann", Role::Owner)], vec!["cat", "dan", "eve"]));
    let at = Addresses::of(
        &Message { recv_id: "team", session_type: SESSION_GROUP, ..Message::BLANK },
        Placement::new(4),
    );
    let partition: PartitionId = Placement::new(4).partition("team");
    assert_eq!(
        at.log_partition().map(|at| (at.topic, at.partition)),
        Some((Topic::Group, partition))
    );
}
