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

#[test]
fn what_does_not_fit_into_a_batch_goes_in_several_and_is_answered_as_one() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let gateway = Gateway::start(noted.clone(), ServeOptions::default()).await;
        let lanes = to(&[(1, gateway.address)], patient());
        let large = |_| -> Arc<[u8]> { vec![7; 300_000].into() };
        let told: Vec<_> = (0..20).map(|seq| delivery("a", seq, &large(seq))).collect();
        let answer = tell(&lanes, front(1, 0), Told::Deliver(told.clone())).answer().await;
        assert_eq!(answer, Some((0..20).collect()));
        let came = noted.told(front(1, 0)).await;
        assert_eq!(seqs(&came), (0..20).collect::<Vec<_>>());
        assert!(lanes.status()[0].batches >= 7, "a batch has a MiB at most");
    });
}

#[test]
fn a_body_that_many_share_goes_once_and_is_one_on_the_other_side() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let gateway = Gateway::start(noted.clone(), ServeOptions::default()).await;
        let lanes = to(&[(1, gateway.address)], patient());
        let body: Arc<[u8]> = vec![7; 100_000].into();
        let told = (0..200).map(|seq| delivery("member", seq, &body)).collect();
        let answer = tell(&lanes, front(1, 0), Told::Deliver(told)).answer().await;
        assert_eq!(answer.map(|answer| answer.len()), Some(200));
        let status = &lanes.status()[0];
        assert!(status.batches == 1 && status.bytes < 110_000, "{status:?}");
        let came = noted.told(front(1, 0)).await;
        let [Told::Deliver(came)] = &came[..] else { panic!("something else: {came:?}") };
        assert!(came.iter().all(|delivery| Arc::ptr_eq(&delivery.message, &came[0].message)));
    });
}

#[test]
fn a_delivery_that_no_stream_would_carry_reaches_nobody_and_breaks_nothing() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let gateway = Gateway::start(noted.clone(), ServeOptions::default()).await;
        let lanes = to(&[(1, gateway.address)], patient());
        let bound = patient().message_bytes_max;
        let of = |len: usize| Told::Deliver(vec![delivery("a", 3, &vec![7; len].into())]);
        assert_eq!(tell(&lanes, front(1, 0), of(bound)).answer().await, None);
        let largest = of(bound - 100_000);
        assert_eq!(tell(&lanes, front(1, 0), largest).answer().await, Some(vec![3]));
        assert_eq!(lanes.status()[0].broken, 0);
    });
}
