//! What is for one front arrives in the order of the calls, whole, and is answered byte by byte.

use std::sync::Arc;

use openim_delivery::{ServeOptions, Told};

use crate::sides::*;

#[test]
fn deliveries_and_settled_sends_arrive_as_they_were_told() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let gateway = Gateway::start(noted.clone(), ServeOptions::default()).await;
        let lanes = to(&[(1, gateway.address)], patient());
        let body: Arc<[u8]> = b"body"[..].into();
        let mut own = delivery("alice", 258, &body);
        (own.sync, own.member, own.except_platform) = (true, Some(true), 5);
        let told = Told::Deliver(vec![own, delivery("用户", 3, &body)]);
        let settle = Told::Settle(vec![settled(7), settled(8)]);
        let first = tell(&lanes, front(1, 2), told.clone());
        let second = tell(&lanes, front(1, 2), settle.clone());
        assert_eq!(first.answer().await, Some(vec![2, 3]));
        assert_eq!(second.answer().await, Some(vec![]));
        assert_eq!(noted.told(front(1, 2)).await, [told, settle]);
        let status = &lanes.status()[0];
        assert_eq!((status.process, status.deliveries, status.waiting), (front(1, 0), 2, 0));
        assert!(status.connected && status.batches > 0 && status.unanswered == 0, "{status:?}");
    });
}

#[test]
fn many_calls_arrive_in_order_for_each_front() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let gateway = Gateway::start(noted.clone(), ServeOptions::default()).await;
        let lanes = to(&[(1, gateway.address)], patient());
        let answers: Vec<_> = (0..3000)
            .map(|number| tell(&lanes, front(1, (number % 3) as u16), short(number)))
            .collect();
        for (number, answer) in (0..3000_u64).zip(answers) {
            assert_eq!(answer.answer().await, Some(vec![number as u8]), "{number}");
        }
        for shard in 0..3 {
            let told = seqs(&noted.told(front(1, shard)).await);
            let wanted: Vec<u64> =
                (0..3000).filter(|number| number % 3 == u64::from(shard)).collect();
            assert_eq!(told, wanted);
        }
        let status = &lanes.status()[0];
        assert!(status.batches < 3000, "small calls are put together: {}", status.batches);
    });
}
