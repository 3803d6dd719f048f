//! L9 while a member goes and comes back over and over: what was begun and answered while they were in reaches
//! them, what was begun and answered while they were out does not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::support::PATIENCE;
use crate::support::groups::post_to;
use crate::support::platform::IOS;
use crate::support::rest::{User, group_body};
use crate::support::server::Setup;

/// When something was under way.
#[derive(Clone, Copy)]
struct Span(Instant, Instant);

/// Ends the writers, also when a check fails in between.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_falls_between_two_changes_is_decided() {
    let server = Setup::new().set("OPENIM_LIMITS_FRAMESPERSECOND", 0).start();
    let users: Vec<User> = (0..3).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &[&users[1], &users[2]]);
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let started = Instant::now();
    let (changes, sends) = std::thread::scope(|scope| {
        let writing = Stop(&stop);
        let writers: Vec<_> = (0..2)
            .map(|n| {
                let (to, user, group) = (server.rest(), &users[n], &group);
                let (stop, sent) = (&stop, &sent);
                scope.spawn(move || {
                    let mut sends: Vec<(String, Span)> = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let body = group_body(user, group, &format!("w{n}-{}", sends.len()), "hi");
                        let begun = Instant::now();
                        let answer = post_to(to, user, "/chat/send_msg", &body).json();
                        assert_eq!(answer["errCode"], 0, "{answer}");
                        let id = answer["data"]["serverMsgID"].as_str().expect("an id").to_owned();
                        sends.push((id, Span(begun, Instant::now())));
                        sent.fetch_add(1, Ordering::SeqCst);
                    }
                    sends
                })
            })
            .collect();
        // Where the member is in from the end of an even span to the begin of the next.
        let mut changes = vec![Span(started, started)];
        for n in 0..60 {
            let begun = Instant::now();
            let results = match n % 2 {
                0 => server.kick(&users[0], &group, &["user2"]),
                _ => server.invite(&users[1], &group, &["user2"]),
            };
            assert_eq!(results, [0]);
            changes.push(Span(begun, Instant::now()));
            // Four more by two writers: one of them has begun and ended behind the change.
            let enough = sent.load(Ordering::SeqCst) + 4;
            while sent.load(Ordering::SeqCst) < enough {
                std::thread::sleep(std::time::Duration::from_millis(1));
                assert!(started.elapsed() < 3 * PATIENCE, "sends are answered");
            }
        }
        drop(writing);
        let sends: Vec<_> =
            writers.into_iter().flat_map(|writer| writer.join().expect("it wrote")).collect();
        (changes, sends)
    });
    let inbox = server.connect(&users[2]).inbox();
    let received: Vec<&str> =
        inbox.iter().map(|message| message["serverMsgID"].as_str().expect("an id")).collect();
    let unique: BTreeSet<&str> = received.iter().copied().collect();
    assert_eq!(unique.len(), received.len(), "each once");
    let mut decided = [0, 0];
    for (id, Span(begun, ended)) in &sends {
        let last =
            changes.iter().rposition(|change| change.1 < *begun).expect("the first is before");
        if changes.get(last + 1).is_some_and(|next| next.0 <= *ended) {
            continue;
        }
        let is_in = last % 2 == 0;
        decided[usize::from(is_in)] += 1;
        assert_eq!(unique.contains(id.as_str()), is_in, "{id} behind change {last}");
    }
    assert!(decided.iter().all(|count| *count > 5), "both happened: {decided:?}");
    for user in &users[..2] {
        assert_eq!(server.connect(user).inbox().len(), sends.len(), "{}", user.uid);
    }
}
