//! Partitions that come and go between the members of a group.

use openim_cluster::kafka::Purpose;
use openim_record::Position;

use super::{Place, Seen, Target, answers, chat, group, look, see, until};

#[test]
fn partitions_are_shared_and_each_goes_on_where_its_new_owner_says() {
    let Some(place) = Place::new(2) else { return };
    let mut producer = place.producer(Purpose::Sends);
    let all = [chat(0), chat(1), group(0), group(1)];
    for n in 0..40_u8 {
        producer.submit(Target::Log(all[usize::from(n) % 4]), &[n]).expect("there is room");
    }
    answers(&mut producer);
    let mut first = place.consumer("readers");
    see(&mut first, "all are assigned", |seen| seen.len() == 4);
    all.into_iter().for_each(|at| first.begin(at, Position(0)));
    see(&mut first, "all are shown", |seen| seen.len() == 40);
    let mut second = place.consumer("readers");
    let (mut left, mut came) = (Vec::new(), Vec::new());
    until("half of them have moved", || {
        look(&mut first, &mut left);
        look(&mut second, &mut came);
        left.len() == 2 && came.len() == 2
    });
    let mut moved = Vec::new();
    for seen in &came {
        let Seen::Assigned(at) = seen else { panic!("nothing was begun: {came:?}") };
        assert!(left.contains(&Seen::Revoked(*at)), "{left:?}");
        moved.push(*at);
    }
    // What comes now is shown by its owner alone.
    for (from, at) in (3..).zip(&moved) {
        second.begin(*at, Position(from));
    }
    for at in all {
        producer.submit(Target::Log(at), b"more").expect("there is room");
    }
    answers(&mut producer);
    let (mut left, mut came) = (Vec::new(), Vec::new());
    until("all is shown", || {
        look(&mut first, &mut left);
        look(&mut second, &mut came);
        left.len() >= 2 && came.len() >= 8 + 7
    });
    for (from, at) in (3..).zip(&moved) {
        let shown = came.iter().filter_map(|seen| match seen {
            Seen::Record(of, position, ..) if of == at => Some(position.0),
            _ => None,
        });
        assert_eq!(shown.collect::<Vec<_>>(), (from..11).collect::<Vec<_>>());
    }
    for seen in &left {
        assert!(
            matches!(seen, Seen::Record(at, Position(10), ..) if !moved.contains(at)),
            "{left:?}"
        );
    }
    // One that leaves is followed at once.
    drop(first);
    let rest = see(&mut second, "the rest is assigned", |seen| seen.len() == 2);
    assert!(rest.iter().all(|seen| matches!(seen, Seen::Assigned(at) if !moved.contains(at))));
}
