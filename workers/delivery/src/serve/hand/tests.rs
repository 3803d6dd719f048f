//! Parts of many owners for several fronts: each has its own in order, and each part its own bytes of the answer.

use std::sync::Mutex;

use async_trait::async_trait;
use openim_record::{MessageKey, PartitionId, Place, Position, Seq, Settled, UserId};
use openim_transfer::Delivery;

use super::*;

/// Answers a seq with its lowest byte, too briefly or at too great a length where it is told to.
#[derive(Default)]
struct Recorder {
    calls: Mutex<Vec<(Process, Told)>>,
    /// What is added to the length of each answer.
    off: isize,
}

#[async_trait]
impl Fronts for Recorder {
    async fn tell(&self, front: Process, told: Told) -> Vec<u8> {
        tokio::task::yield_now().await;
        let mut answer: Vec<u8> = match &told {
            Told::Deliver(all) => all.iter().map(|delivery| delivery.seq.0 as u8).collect(),
            Told::Settle(_) => Vec::new(),
        };
        answer.resize(answer.len().saturating_add_signed(self.off), 9);
        self.calls.lock().expect("no panic").push((front, told));
        answer
    }
}

fn front(number: u8) -> Process {
    Process([number; 16])
}

fn deliver(seqs: &[u64]) -> Told {
    let delivery = |seq: &u64| Delivery {
        uid: UserId::new("a"),
        seq: Seq(*seq),
        sync: false,
        member: None,
        except_platform: 0,
        sent_ms: 0,
        message: [][..].into(),
    };
    Told::Deliver(seqs.iter().map(delivery).collect())
}

fn settle(positions: &[u64]) -> Told {
    let settled = |position: &u64| Settled {
        key: MessageKey(1),
        place: Place { partition: PartitionId(1), position: Position(*position) },
        first_ns: 1,
    };
    Told::Settle(positions.iter().map(settled).collect())
}

fn parts() -> Vec<(Process, Told)> {
    vec![
        (front(1), deliver(&[1, 2])),
        (front(2), deliver(&[3])),
        (front(1), deliver(&[4])),
        (front(1), settle(&[5])),
        (front(1), settle(&[6])),
        (front(2), settle(&[7])),
        (front(1), deliver(&[8])),
    ]
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn what_is_for_one_front_is_put_together_in_its_order() {
    let fronts = Recorder::default();
    let answer = run(hand(&fronts, parts())).unwrap();
    assert_eq!(answer, [1, 2, 3, 4, 8]);
    let calls = fronts.calls.into_inner().unwrap();
    let of = |number| -> Vec<Told> {
        let own = calls.iter().filter(|(to, _)| *to == front(number));
        own.map(|(_, told)| told.clone()).collect()
    };
    assert_eq!(of(1), [deliver(&[1, 2, 4]), settle(&[5, 6]), deliver(&[8])]);
    assert_eq!(of(2), [deliver(&[3]), settle(&[7])]);
}

#[test]
fn what_is_missing_of_an_answer_is_zero_and_what_is_too_much_is_nothing() {
    let short = Recorder { off: -1, ..Recorder::default() };
    assert_eq!(run(hand(&short, parts())).unwrap(), [1, 2, 0, 0, 0]);
    let long = Recorder { off: 3, ..Recorder::default() };
    assert_eq!(run(hand(&long, parts())).unwrap(), [1, 2, 3, 4, 8]);
}

#[test]
fn a_batch_for_more_fronts_than_a_process_has_is_refused() {
    let fronts = Recorder::default();
    let front = |number: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        Process(id)
    };
    let parts = (0..=FRONTS_MAX).map(|number| (front(number), deliver(&[1]))).collect();
    let refused = run(hand(&fronts, parts)).unwrap_err();
    assert!(refused.message().contains("too many"), "{refused}");
    assert_eq!(fronts.calls.into_inner().unwrap(), []);
}
