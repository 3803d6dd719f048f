//! The queue to a shard, without one. What a shard does with it is tested in `boot/tests`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use openim_record::{PartitionId, Place, Position, Seq};

use super::*;

fn backs() -> FromBacks {
    FromBacks::new(&[Arc::new(Doorbell::new().expect("a bell"))])
}

fn settled(n: u64) -> FromBack {
    let place = Place { partition: PartitionId(0), position: Position(n) };
    FromBack::Settle(vec![Settled { key: openim_record::MessageKey(n.into()), place, first_ns: 0 }])
}

/// Which of the values of [`settled`] comes next; its place is free again.
fn next(backs: &FromBacks) -> Option<u64> {
    let (FromBack::Settle(all), _place) = backs.of(0).told.try_recv()? else { return None };
    Some(all[0].place.position.0)
}

#[test]
fn whoever_finds_the_queue_full_waits_and_nobody_overtakes() {
    let backs = backs();
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting = Vec::new();
    for n in 0..TOLD_MAX as u64 + 3 {
        let mut telling = Box::pin(backs.tell(0, settled(n)));
        if telling.as_mut().poll(&mut context).is_pending() {
            waiting.push(telling);
        }
    }
    assert_eq!((backs.of(0).told.len(), waiting.len()), (TOLD_MAX, 3));
    assert_eq!(next(&backs), Some(0));
    let mut told = Vec::new();
    for telling in &mut waiting {
        told.push(telling.as_mut().poll(&mut context).is_ready());
    }
    assert_eq!(told, [true, false, false]);
    drop(waiting);
    let all: Vec<u64> = std::iter::from_fn(|| next(&backs)).collect();
    assert_eq!(all, (1..=TOLD_MAX as u64).collect::<Vec<_>>());
    assert_eq!(backs.of(0).places.available_permits(), TOLD_MAX);
}

#[test]
fn what_is_told_to_nobody_reaches_nobody() {
    let backs = backs();
    let delivery = || Delivery {
        uid: openim_record::UserId::new("ann"),
        seq: Seq(1),
        sync: false,
        member: None,
        except_platform: 0,
        sent_ms: 0,
        message: Arc::from([]),
    };
    let mut context = Context::from_waker(Waker::noop());
    let mut no_such_shard = pin!(backs.deliver(7, vec![delivery(), delivery()]));
    assert_eq!(no_such_shard.as_mut().poll(&mut context), std::task::Poll::Ready(vec![0, 0]));
    let mut ended = pin!(backs.deliver(0, vec![delivery()]));
    assert!(ended.as_mut().poll(&mut context).is_pending());
    drop(backs.of(0).told.try_recv());
    assert_eq!(ended.as_mut().poll(&mut context), std::task::Poll::Ready(vec![0]));
}
