//! Who does not know the secret tells nothing.

use std::time::Duration;

use openim_delivery::{LaneOptions, ServeOptions};

use crate::sides::*;

#[test]
fn only_the_same_secret_opens_a_stream() {
    runtime().block_on(async {
        let noted = Noted::of(1);
        let knows = ServeOptions { secret: "geheim\n".to_owned(), ..ServeOptions::default() };
        let gateway = Gateway::start(noted.clone(), knows).await;
        let secrets = ["", "geheim", "Geheim\n"].map(str::to_owned);
        for secret in secrets {
            let answer_timeout = Duration::from_millis(300);
            let options = LaneOptions { secret, answer_timeout, ..patient() };
            let lanes = to(&[(1, gateway.address)], options);
            assert_eq!(tell(&lanes, front(1, 0), short(1)).answer().await, None);
            assert!(!lanes.status()[0].connected);
        }
        assert_eq!(noted.told(front(1, 0)).await, []);
        let options = LaneOptions { secret: "geheim\n".to_owned(), ..patient() };
        let lanes = to(&[(1, gateway.address)], options);
        assert_eq!(tell(&lanes, front(1, 0), short(2)).answer().await, Some(vec![2]));
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
