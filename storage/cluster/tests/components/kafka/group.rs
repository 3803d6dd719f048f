//! Partitions that come and go between the members of a group.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use openim_cluster::kafka::{Options, Pace, Purpose};
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

#[test]
fn a_pause_ends_with_the_stay_in_which_it_was_asked_for() {
    let Some(place) = Place::new(1) else { return };
    let mut producer = place.producer(Purpose::Sends);
    let all = [chat(0), group(0)];
    for at in all {
        producer.submit(Target::Log(at), b"record").expect("there is room");
    }
    answers(&mut producer);
    let mut first = place.consumer("readers");
    see(&mut first, "both are assigned", |seen| seen.len() == 2);
    all.into_iter().for_each(|at| first.begin(at, Position(0)));
    see(&mut first, "both are shown", |seen| seen.len() == 2);
    all.into_iter().for_each(|at| first.pause(at));
    all.into_iter().for_each(|at| first.applied(at, Position(1)));
    let mut second = place.consumer("readers");
    let (mut left, mut came) = (Vec::new(), Vec::new());
    until("one has moved", || {
        look(&mut first, &mut left);
        look(&mut second, &mut came);
        left.len() == 1 && came.len() == 1
    });
    drop(second);
    let back = see(&mut first, "it is back", |seen| seen.len() == 1);
    let [Seen::Assigned(at)] = back[..] else { panic!("{back:?}") };
    first.begin(at, Position(0));
    let seen = see(&mut first, "it is shown", |seen| seen.len() == 1);
    assert!(matches!(seen[..], [Seen::Record(of, Position(0), ..)] if of == at), "{seen:?}");
    // What was applied is known to whoever comes next, for it was said on leaving.
    let other = if at == all[0] { all[1] } else { all[0] };
    drop(first);
    assert_eq!(place.committed("readers", other), Some(1));
}

/// The topics of a member in a process of its own, for one test's child.
const MEMBER: &str = "OPENIM_TEST_KAFKA_MEMBER";

#[test]
fn a_member_in_a_process_of_its_own() {
    // It is not a test but what the next one starts, and kills.
    let Ok(topics) = std::env::var(MEMBER) else { return };
    let Some(place) = Place::bare(2) else { return };
    let mut names = topics.split(' ').map(str::to_owned);
    let mut name = || names.next().expect("three topics");
    let (chat, group, notices) = (name(), name(), name());
    let options = Options { chat, group, notices, ..place.options.clone() };
    let mut consumer = place.open(options).consumer("readers", Pace::Soon).expect("a consumer");
    let (mut seen, mut told) = (Vec::new(), 0);
    loop {
        look(&mut consumer, &mut seen);
        if seen.len() > told {
            told = seen.len();
            println!("{MEMBER} {told}");
        }
    }
}

/// Ends with the test.
struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
    }
}

#[test]
fn what_a_killed_member_had_is_given_to_another() {
    let Some(place) = Place::new(2) else { return };
    let Options { chat, group, notices, .. } = &place.options;
    let program = std::env::current_exe().expect("this program");
    let child = Command::new(program)
        .args(["--exact", "kafka::group::a_member_in_a_process_of_its_own", "--nocapture"])
        .env(MEMBER, format!("{chat} {group} {notices}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut member = Member(child);
    let mut told = BufReader::new(member.0.stdout.take().expect("it is piped")).lines();
    let all = told.by_ref().map_while(Result::ok).find(|line| *line == format!("{MEMBER} 4"));
    all.expect("it has all partitions");
    let mut consumer = place.consumer("readers");
    let mut seen = Vec::new();
    for _ in 0..20 {
        look(&mut consumer, &mut seen);
    }
    // It says no word, and has said none.
    drop(member);
    until("all are assigned", || {
        look(&mut consumer, &mut seen);
        seen.len() >= 4
    });
    assert!(seen.iter().all(|seen| matches!(seen, Seen::Assigned(_))), "{seen:?}");
}
