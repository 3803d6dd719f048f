//! C15: a range above the newest is empty, one that reaches beyond either end gives what exists; bounds are inclusive.

use crate::support::link::messages;
use crate::support::server::Server;

#[test]
fn c15_ranges_are_inclusive_and_clipped() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    for n in 0..10 {
        alice.say("bob", &format!("m{n}"), "hello");
    }
    let cases: [(i64, i64, &[i64]); 9] = [
        (1, 10, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (3, 5, &[3, 4, 5]),
        (7, 7, &[7]),
        (9, 1000, &[9, 10]),
        (10, i64::MAX, &[10]),
        (11, 20, &[]),
        (5, 4, &[]),
        (-5, 2, &[1, 2]),
        (0, 1, &[1]),
    ];
    for (begin, end, expected) in cases {
        let data = alice.pull(begin, end);
        let seqs: Vec<i64> =
            messages(&data).iter().filter_map(|message| message["seq"].as_i64()).collect();
        assert_eq!(seqs, expected, "{begin}..={end}");
        assert_eq!(
            data["maxSeq"],
            expected.last().copied().unwrap_or(0),
            "{begin}..={end}: {data}"
        );
        assert_eq!(
            data["minSeq"],
            expected.first().copied().unwrap_or(0),
            "{begin}..={end}: {data}"
        );
    }
}
