//! A gateway that stalls costs others nothing, and its callers a wait that ends.

use std::time::Duration;

use openim_delivery::{LaneOptions, ServeOptions};

use crate::sides::*;

#[test]
fn others_get_theirs_while_one_stalls() {
    runtime().block_on(async {
        let (stalled, mut begins) = Noted::stalled(1);
        let well = Noted::of(2);
        let first = Gateway::start(stalled.clone(), ServeOptions::default()).await;
        let second = Gateway::start(well.clone(), ServeOptions::default()).await;
        let lanes = to(&[(1, first.address), (2, second.address)], patient());
        let waiting: Vec<_> = (0..500).map(|n| tell(&lanes, front(1, 0), short(n))).collect();
        must("the call", begins.recv()).await;
        for number in 0..500 {
            let answer = tell(&lanes, front(2, 0), short(number)).answer().await;
            assert_eq!(answer, Some(vec![number as u8]));
        }
        assert_eq!(stalled.told(front(1, 0)).await, [], "it stalls still");
        stalled.calls.add_permits(1000);
        for (number, answer) in (0..).zip(waiting) {
            assert_eq!(answer.answer().await, Some(vec![number as u8]), "{number}");
            assert!(number < 500);
        }
    });
}

#[test]
fn its_callers_wait_no_longer_than_they_said_and_it_goes_on_afterwards() {
    runtime().block_on(async {
        let (stalled, _begins) = Noted::stalled(1);
        let gateway = Gateway::start(stalled.clone(), ServeOptions::default()).await;
        let options = LaneOptions { answer_timeout: Duration::from_millis(300), ..patient() };
        let lanes = to(&[(1, gateway.address)], options);
        until("a stream", || lanes.status()[0].connected).await;
        let under_way = tell(&lanes, front(1, 0), short(1));
        let behind: Vec<_> = (2..9).map(|n| tell(&lanes, front(1, 0), short(n))).collect();
        for answer in std::iter::once(under_way).chain(behind) {
            assert_eq!(answer.answer().await, None);
        }
        let status = &lanes.status()[0];
        assert_eq!((status.late, status.waiting, status.broken), (8, 0, 0));
        stalled.calls.add_permits(1000);
        // Late answers go to nobody. However busy the machine is, some call is in time at last.
        let recovered = async {
            let mut number = 10_u8;
            while tell(&lanes, front(1, 0), short(number.into())).answer().await.is_none() {
                number += 1;
            }
        };
        must("an answer in time", recovered).await;
    });
}
