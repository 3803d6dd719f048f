//! Each transfer has its own stream and its own order; none waits for another.

use openim_delivery::ServeOptions;

use crate::sides::*;

#[test]
fn two_transfers_tell_one_front_each_in_its_own_order() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let gateway = Gateway::start(noted.clone(), ServeOptions::default()).await;
        let transfers = [0, 1].map(|_| to(&[(1, gateway.address)], patient()));
        let mut answers = Vec::new();
        for number in 0..500_u64 {
            for (which, lanes) in (0..).zip(&transfers) {
                let seq = 1000 * which + number;
                answers.push((seq, tell(lanes, front(1, 0), short(seq))));
            }
        }
        for (seq, answer) in answers {
            assert_eq!(answer.answer().await, Some(vec![seq as u8]), "{seq}");
        }
        let told = seqs(&noted.told(front(1, 0)).await);
        for which in 0..2 {
            let own: Vec<u64> = told.iter().copied().filter(|seq| seq / 1000 == which).collect();
            assert_eq!(own, (1000 * which..1000 * which + 500).collect::<Vec<_>>());
        }
    });
}

#[test]
fn one_that_stalls_a_front_of_its_own_costs_the_other_nothing() {
    runtime().block_on(async {
        let (stalled, mut begins) = Noted::stalled(1);
        let gateway = Gateway::start(stalled.clone(), ServeOptions::default()).await;
        let transfers = [0, 1].map(|_| to(&[(1, gateway.address)], patient()));
        let first = tell(&transfers[0], front(1, 0), short(1));
        must("the call", begins.recv()).await;
        let second = tell(&transfers[1], front(1, 1), short(2));
        must("the other's call meanwhile", begins.recv()).await;
        stalled.calls.add_permits(2);
        assert_eq!(first.answer().await, Some(vec![1]));
        assert_eq!(second.answer().await, Some(vec![2]));
    });
}
