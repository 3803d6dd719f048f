//! Who does not know the secret tells nothing.

use std::time::Duration;

use openim_delivery::{LaneOptions, ServeOptions};

use crate::sides::*;

#[test]
fn only_the_same_secret_opens_a_stream() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let knows = ServeOptions { secret: "geheim\n".to_owned(), ..ServeOptions::default() };
        let (strangers, streams) = (knows.strangers.clone(), knows.streams.clone());
        let gateway = Gateway::start(noted.clone(), knows).await;
        let secrets = ["", "geheim", "Geheim\n"].map(str::to_owned);
        for secret in secrets {
            let answer_timeout = Duration::from_millis(300);
            let options = LaneOptions { secret, answer_timeout, ..patient() };
            let lanes = to(&[(1, gateway.address)], options);
            assert_eq!(tell(&lanes, front(1, 0), short(1)).answer().await, None);
            let names_it = |why: String| why.contains("cluster.secret");
            until("it is said why", || lanes.status()[0].why.clone().is_some_and(names_it)).await;
            assert!(!lanes.status()[0].connected);
        }
        assert!(strangers.with_another_secret() >= 3);
        assert_eq!(streams.count(), 0);
        assert_eq!(noted.told(front(1, 0)).await, []);
        let options = LaneOptions { secret: "geheim\n".to_owned(), ..patient() };
        let lanes = to(&[(1, gateway.address)], options);
        assert_eq!(tell(&lanes, front(1, 0), short(2)).answer().await, Some(vec![2]));
        assert_eq!((streams.count(), lanes.status()[0].why.clone()), (1, None));
        drop(lanes);
        until("the stream has ended", || streams.count() == 0).await;
    });
}

#[test]
fn a_secret_that_only_one_side_has_is_none() {
    runtime().block_on(async {
        let gateway = Gateway::start(Noted::of(1), ServeOptions::default()).await;
        let answer_timeout = Duration::from_millis(300);
        let options = LaneOptions { secret: "geheim".to_owned(), answer_timeout, ..patient() };
        let lanes = to(&[(1, gateway.address)], options);
        assert_eq!(tell(&lanes, front(1, 0), short(1)).answer().await, None);
        assert!(!lanes.status()[0].connected);
    });
}
