//! What is told is answered once, whatever happens to the gateway, the stream or the lane.

use std::sync::Arc;
use std::time::Duration;

use openim_delivery::{LaneOptions, ServeOptions, Told};

use crate::sides::*;

#[test]
fn a_front_that_is_not_there_is_answered_with_zeros() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let gateway = Gateway::start(noted.clone(), ServeOptions::default()).await;
        // Another process had this address before.
        let lanes = to(&[(2, gateway.address)], patient());
        let body: Arc<[u8]> = b"body"[..].into();
        let told = Told::Deliver(vec![delivery("a", 1, &body), delivery("b", 2, &body)]);
        assert_eq!(tell(&lanes, front(2, 1), told).answer().await, Some(vec![0, 0]));
        assert_eq!(noted.told(front(2, 1)).await, []);
    });
}

#[test]
fn nobody_answers_for_a_process_that_is_unknown_or_leaves() {
    runtime().block_on(async {
        let (stalled, mut begins) = Noted::stalled(1);
        let gateway = Gateway::start(stalled, ServeOptions::default()).await;
        let lanes = to(&[(1, gateway.address)], patient());
        assert_eq!(tell(&lanes, front(9, 0), short(1)).answer().await, None);
        let under_way = tell(&lanes, front(1, 0), short(1));
        must("the call", begins.recv()).await;
        let waiting: Vec<_> = (2..10).map(|n| tell(&lanes, front(1, 0), short(n))).collect();
        lanes.gateways(&[]);
        for answer in std::iter::once(under_way).chain(waiting) {
            assert_eq!(answer.answer().await, None);
        }
        assert_eq!(tell(&lanes, front(1, 0), short(1)).answer().await, None);
        assert_eq!(lanes.status(), []);
    });
}

#[test]
fn a_call_of_nothing_is_answered_with_nothing() {
    runtime().block_on(async {
        let lanes = lanes(patient());
        let nothing = Told::Deliver(Vec::new());
        assert_eq!(tell(&lanes, front(1, 0), nothing).answer().await, Some(vec![]));
    });
}

#[test]
fn a_lane_without_room_takes_no_more_and_has_room_again() {
    runtime().block_on(async {
        let (stalled, mut begins) = Noted::stalled(1);
        let gateway = Gateway::start(stalled.clone(), ServeOptions::default()).await;
        let options = LaneOptions { waiting_max: 3, ..patient() };
        let lanes = to(&[(1, gateway.address)], options);
        // Four batches under way, one after the other so that each is one.
        let mut taken = Vec::new();
        for number in 1..=4 {
            taken.push(tell(&lanes, front(1, 0), short(number)));
            until("a batch", || lanes.status()[0].unanswered == number).await;
        }
        must("the call", begins.recv()).await;
        taken.extend((5..=7).map(|number| tell(&lanes, front(1, 0), short(number))));
        assert_eq!(tell(&lanes, front(1, 0), short(8)).answer().await, None);
        let status = &lanes.status()[0];
        assert_eq!((status.unanswered, status.waiting, status.refused), (4, 3, 1));
        assert_eq!(status.batches, 4, "no more than four are under way");
        stalled.calls.add_permits(100);
        for (number, answer) in (1..).zip(taken) {
            assert_eq!(answer.answer().await, Some(vec![number]));
        }
        assert_eq!(tell(&lanes, front(1, 0), short(9)).answer().await, Some(vec![9]));
        assert_eq!(seqs(&stalled.told(front(1, 0)).await), [1, 2, 3, 4, 5, 6, 7, 9]);
    });
}

#[test]
fn bytes_that_wait_are_bounded_and_an_empty_lane_takes_anything() {
    runtime().block_on(async {
        let (_silent, address) = silent();
        let options = LaneOptions { waiting_bytes_max: 10_000, ..patient() };
        let lanes = to(&[(1, address)], options);
        let large: Arc<[u8]> = vec![1; 50_000].into();
        let told = |body: &Arc<[u8]>| Told::Deliver(vec![delivery("a", 1, body)]);
        let first = tell(&lanes, front(1, 0), told(&large));
        until("the call in the lane", || lanes.status()[0].waiting_bytes > 50_000).await;
        assert_eq!(tell(&lanes, front(1, 0), short(1)).answer().await, None);
        drop(lanes);
        assert_eq!(first.answer().await, None, "the lanes end with the last copy");
    });
}

#[test]
fn an_answer_that_does_not_come_in_time_is_none() {
    runtime().block_on(async {
        let (_silent, address) = silent();
        let options = LaneOptions { answer_timeout: Duration::from_millis(50), ..patient() };
        let lanes = to(&[(1, address)], options);
        for number in 0..3 {
            assert_eq!(tell(&lanes, front(1, 0), short(number)).answer().await, None);
        }
        let status = &lanes.status()[0];
        assert_eq!((status.late, status.waiting, status.waiting_bytes), (3, 0, 0));
        assert!(!status.connected && status.broken == 0);
    });
}

#[test]
fn a_killed_gateway_answers_nothing_and_its_successor_gets_what_comes_then() {
    runtime().block_on(async {
        let (stalled, mut begins) = Noted::stalled(1);
        // An address of its own: no other test takes the port meanwhile.
        let own = ([127, 0, 77, 1], 0).into();
        let gateway = Gateway::at(own, stalled, ServeOptions::default()).await;
        let lanes = to(&[(1, gateway.address)], patient());
        let lost = tell(&lanes, front(1, 0), short(1));
        must("the call", begins.recv()).await;
        let address = gateway.kill().await;
        assert_eq!(lost.answer().await, None);
        let later = tell(&lanes, front(1, 0), short(2));
        let noted = Noted::of(1);
        let _successor = Gateway::at(address, noted.clone(), ServeOptions::default()).await;
        assert_eq!(later.answer().await, Some(vec![2]));
        assert_eq!(
            seqs(&noted.told(front(1, 0)).await),
            [2],
            "what was under way is not sent again"
        );
        let status = &lanes.status()[0];
        assert!(status.connected && status.broken == 1, "{status:?}");
    });
}
