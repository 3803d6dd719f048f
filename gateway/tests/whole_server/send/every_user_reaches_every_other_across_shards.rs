//! Users live on different shards; whoever writes to whomever, all of it arrives, in order, once, with dense seqs.

use std::collections::BTreeMap;
use std::thread;

use crate::support::link::Link;
use crate::support::server::Setup;

const USERS: usize = 10;
const ROUNDS: usize = 4;

#[test]
fn all_pairs_on_four_shards() {
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 4).start();
    let links: Vec<Link> = (0..USERS).map(|n| server.newcomer(&format!("user{n}"))).collect();
    let talkers: Vec<_> = links
        .into_iter()
        .enumerate()
        .map(|(me, link)| thread::spawn(move || talk(me, link)))
        .collect();
    for talker in talkers {
        check(&mut talker.join().expect("every send is accepted"));
    }
}

fn talk(me: usize, mut link: Link) -> Link {
    for round in 0..ROUNDS {
        for peer in (0..USERS).filter(|peer| *peer != me) {
            link.say(&format!("user{peer}"), &format!("{me}.{round}"), &round.to_string());
        }
    }
    link
}

fn check(link: &mut Link) {
    let expected = (USERS - 1) * ROUNDS;
    let mut rounds_by_sender: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last_seq = 0;
    for _ in 0..expected {
        let push = link.pushed();
        let seq = push["seq"].as_i64().expect("an integer");
        assert!(seq > last_seq, "pushes of one inbox come in order of seq: {push}");
        last_seq = seq;
        let text = |key: &str| push[key].as_str().expect("a string").to_owned();
        rounds_by_sender.entry(text("sendID")).or_default().push(text("content"));
    }
    assert_eq!(rounds_by_sender.len(), USERS - 1);
    for (sender, rounds) in rounds_by_sender {
        assert_eq!(rounds, ["0", "1", "2", "3"], "from {sender} to {}", link.user.uid);
    }
    let seqs: Vec<i64> =
        link.inbox().iter().filter_map(|message| message["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=2 * expected as i64).collect::<Vec<i64>>(), "sent and received, dense");
}
