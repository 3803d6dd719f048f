//! Who is owed what, through answers, delays and broken streams, without a socket.

use std::sync::mpsc;
use std::time::Duration;

use openim_record::{Seq, UserId};
use openim_transfer::Delivery;

use super::super::LaneOptions;
use super::*;

type Answers = mpsc::Receiver<(u8, Option<Vec<u8>>)>;

struct Desk {
    ledger: Ledger,
    counters: Arc<Counters>,
    options: LaneOptions,
    began: Instant,
    done: mpsc::Sender<(u8, Option<Vec<u8>>)>,
}

impl Desk {
    fn open() -> (Self, Answers) {
        let (done, answers) = mpsc::channel();
        let counters = Arc::new(Counters::default());
        let ledger = Ledger::new(Arc::clone(&counters));
        let options = LaneOptions::default();
        (Self { ledger, counters, options, began: Instant::now(), done }, answers)
    }

    fn at(&self, second: u8) -> Instant {
        self.began + Duration::from_secs(second.into())
    }

    /// A call of so many deliveries of so many bytes; its second is its name, and its deadline.
    fn call(&mut self, second: u8, deliveries: usize, bytes: usize) {
        let delivery = |_| Delivery {
            uid: UserId::new("a"),
            seq: Seq(second.into()),
            sync: false,
            member: None,
            except_platform: 0,
            sent_ms: 0,
            message: vec![0; bytes].into(),
        };
        let told = Told::Deliver((0..deliveries).map(delivery).collect());
        let done = self.done.clone();
        let done = Owed::new(Box::new(move |answer| drop(done.send((second, answer)))));
        let room = Room::take(&self.counters, 1, &self.options).unwrap();
        let until = self.at(second);
        self.ledger.take(Call { front: Process([1; 16]), told, until, done, room });
    }

    fn waiting(&self) -> u64 {
        self.counters.status(Process([0; 16]), "").waiting
    }

    fn send(&mut self) -> usize {
        std::iter::from_fn(|| self.ledger.next_batch()).count()
    }
}

fn taken(answers: &Answers) -> Vec<(u8, Option<Vec<u8>>)> {
    answers.try_iter().collect()
}

#[test]
fn calls_share_a_batch_and_each_gets_its_own_bytes() {
    let (mut desk, answers) = Desk::open();
    desk.call(1, 2, 10);
    desk.call(2, 1, 10);
    assert_eq!(desk.send(), 1);
    assert_eq!(desk.waiting(), 0);
    assert_eq!(desk.ledger.answered(&[5, 6, 7]), Ok(()));
    assert_eq!(taken(&answers), [(1, Some(vec![5, 6])), (2, Some(vec![7]))]);
    assert_eq!(desk.ledger.deadline(), None);
}

#[test]
fn a_call_in_several_batches_is_answered_with_the_last() {
    let (mut desk, answers) = Desk::open();
    desk.call(1, 5, 400_000);
    desk.call(2, 1, 10);
    assert_eq!(desk.send(), 3);
    assert_eq!(desk.ledger.answered(&[1, 2]), Ok(()));
    assert_eq!(desk.ledger.answered(&[3, 4]), Ok(()));
    assert_eq!(taken(&answers), []);
    assert_eq!(desk.ledger.answered(&[5, 6]), Ok(()));
    assert_eq!(taken(&answers), [(1, Some(vec![1, 2, 3, 4, 5])), (2, Some(vec![6]))]);
}

#[test]
fn no_more_than_four_batches_are_under_way() {
    let (mut desk, answers) = Desk::open();
    for second in 1..=9 {
        desk.call(second, 1, 1_000_000);
    }
    assert_eq!(desk.send(), UNANSWERED_MAX);
    assert_eq!(desk.waiting(), 5);
    assert_eq!(desk.ledger.answered(&[1]), Ok(()));
    assert_eq!(desk.send(), 1);
    assert_eq!(taken(&answers), [(1, Some(vec![1]))]);
}

#[test]
fn who_is_late_is_answered_once_and_an_answer_behind_it_goes_to_the_next() {
    let (mut desk, answers) = Desk::open();
    desk.call(1, 1, 10);
    assert_eq!(desk.send(), 1);
    desk.call(2, 1, 10);
    assert_eq!(desk.send(), 1);
    desk.call(3, 1, 10);
    assert_eq!(desk.ledger.deadline(), Some(desk.at(1)));
    desk.ledger.expire(desk.at(1));
    assert_eq!(taken(&answers), [(1, None)]);
    assert_eq!(desk.ledger.answered(&[1]), Ok(()));
    assert_eq!(taken(&answers), []);
    assert_eq!(desk.ledger.answered(&[2]), Ok(()));
    assert_eq!(taken(&answers), [(2, Some(vec![2]))]);
    // What is late before it was sent is not sent.
    desk.ledger.expire(desk.at(3));
    assert_eq!(taken(&answers), [(3, None)]);
    assert_eq!((desk.waiting(), desk.send()), (0, 0));
}

#[test]
fn a_broken_stream_loses_what_was_under_way_and_nothing_else() {
    let (mut desk, answers) = Desk::open();
    desk.call(1, 1, 10);
    assert_eq!(desk.send(), 1);
    // Three more batches, the last of which has not all of its call.
    desk.call(2, 8, 400_000);
    desk.call(3, 1, 10);
    assert_eq!(desk.send(), 3);
    desk.ledger.broken();
    assert_eq!(taken(&answers), [(1, None), (2, None)]);
    assert_eq!(desk.send(), 1);
    assert_eq!(desk.ledger.answered(&[9]), Ok(()));
    assert_eq!(taken(&answers), [(3, Some(vec![9]))]);
}

#[test]
fn a_call_whose_beginning_is_answered_goes_on_after_a_broken_stream() {
    let (mut desk, answers) = Desk::open();
    desk.call(1, 10, 400_000);
    assert_eq!(desk.send(), 4);
    for _ in 0..4 {
        assert_eq!(desk.ledger.answered(&[1, 1]), Ok(()));
    }
    desk.ledger.broken();
    assert_eq!(desk.send(), 1);
    assert_eq!(desk.ledger.answered(&[2, 2]), Ok(()));
    assert_eq!(taken(&answers), [(1, Some(vec![1, 1, 1, 1, 1, 1, 1, 1, 2, 2]))]);
}

#[test]
fn an_answer_to_something_else_is_a_mismatch() {
    let (mut desk, answers) = Desk::open();
    assert_eq!(desk.ledger.answered(&[]), Err(Mismatch));
    desk.call(1, 2, 10);
    assert_eq!(desk.send(), 1);
    for wrong in [&[][..], &[1], &[1, 2, 3]] {
        assert_eq!(desk.ledger.answered(wrong), Err(Mismatch));
    }
    assert_eq!(desk.ledger.answered(&[1, 2]), Ok(()));
    assert_eq!(taken(&answers), [(1, Some(vec![1, 2]))]);
}

#[test]
fn whoever_is_in_it_when_it_ends_is_answered() {
    let (mut desk, answers) = Desk::open();
    desk.call(1, 1, 10);
    assert_eq!(desk.send(), 1);
    desk.call(2, 1, 10);
    drop(desk);
    assert_eq!(taken(&answers), [(1, None), (2, None)]);
}
