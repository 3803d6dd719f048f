//! The table: what a peer sends, what the server makes of it.

use openim_protocol::frame::{FrameError, Reader, Side, Step};

use crate::drive::{
    BINARY, BINARY_PART, CLOSE, LAST_PART, MORE_PART, PING, PONG, Said, TEXT, TEXT_PART, drive,
    masked, plain,
};

/// Large enough for every length class.
const LIMIT: u32 = 70_000;

/// A name, the frames a peer sends, and what the reader says.
type Case<'a> = (&'a str, Vec<Vec<u8>>, Vec<Said>);

/// Feeds each case whole, byte by byte, and cut in two everywhere (long ones: near the ends).
fn check_as(side: Side, cases: Vec<Case<'_>>) {
    for (name, frames, expected) in cases {
        let stream = frames.concat();
        assert_eq!(drive(side, LIMIT, &stream, &[]), expected, "{name}, whole");
        if stream.len() <= 2_000 {
            let all: Vec<usize> = (0..stream.len()).collect();
            assert_eq!(drive(side, LIMIT, &stream, &all), expected, "{name}, byte by byte");
        }
        let near_an_end = |cut: &usize| *cut < 200 || stream.len() - cut < 20;
        for cut in (0..stream.len()).filter(near_an_end) {
            assert_eq!(drive(side, LIMIT, &stream, &[cut]), expected, "{name}, cut at {cut}");
        }
    }
}

fn check(cases: Vec<Case<'_>>) {
    check_as(Side::Server, cases);
}

fn text(text: &str) -> Said {
    Said::Text(text.to_owned())
}

fn closing(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    masked(CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
}

#[test]
fn whole_messages_of_every_length_class() {
    let mut cases = Vec::new();
    for length in [0, 1, 2, 124, 125, 126, 127, 128, 65_535, 65_536, LIMIT as usize] {
        let payload = "x".repeat(length);
        cases.push(("text", vec![masked(TEXT, &payload)], vec![text(&payload)]));
        let bytes: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
        cases.push(("binary", vec![masked(BINARY, &bytes)], vec![Said::Binary(bytes)]));
    }
    cases.push((
        "frames back to back",
        vec![masked(TEXT, "a"), masked(BINARY, [0, 255]), masked(TEXT, ""), masked(PONG, "")],
        vec![text("a"), Said::Binary(vec![0, 255]), text(""), Said::Pong(vec![])],
    ));
    check(cases);
}

#[test]
fn control_frames() {
    let longest = vec![0xfe; 125];
    check(vec![
        ("empty ping", vec![masked(PING, "")], vec![Said::Ping(vec![])]),
        ("longest ping", vec![masked(PING, &longest)], vec![Said::Ping(longest.clone())]),
        ("unsolicited pong", vec![masked(PONG, "late")], vec![Said::Pong(b"late".to_vec())]),
        ("ping too long", vec![masked(PING, vec![0; 126])], vec![Said::Refused(1002)]),
        ("pong too long", vec![masked(PONG, vec![0; 126])], vec![Said::Refused(1002)]),
        ("close too long", vec![closing(1000, vec![b'x'; 124])], vec![Said::Refused(1002)]),
        ("fragmented ping", vec![masked(PING & 0x7f, "x")], vec![Said::Refused(1002)]),
        ("fragmented pong", vec![masked(PONG & 0x7f, "x")], vec![Said::Refused(1002)]),
        ("fragmented close", vec![masked(CLOSE & 0x7f, "")], vec![Said::Refused(1002)]),
    ]);
}

#[test]
fn reserved_bits_and_opcodes() {
    let refused = |frame| vec![text("before"), frame];
    for bits in [0x10, 0x20, 0x40, 0x70] {
        for first in [TEXT, BINARY, CLOSE, PING, PONG] {
            check(vec![(
                "reserved bit",
                vec![masked(TEXT, "before"), masked(first | bits, "")],
                refused(Said::Refused(1002)),
            )]);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for fin in [0, 0x80] {
            check(vec![(
                "reserved opcode",
                vec![masked(TEXT, "before"), masked(fin | opcode, "x")],
                refused(Said::Refused(1002)),
            )]);
        }
    }
}

#[test]
fn masks_follow_the_role() {
    check(vec![("a client must mask", vec![plain(TEXT, "x")], vec![Said::Refused(1002)])]);
    check_as(
        Side::Client,
        vec![
            ("a server does not", vec![plain(TEXT, "x")], vec![text("x")]),
            ("a server must not", vec![masked(TEXT, "x")], vec![Said::Refused(1002)]),
            (
                "all length classes",
                vec![plain(TEXT, "y".repeat(300)), plain(BINARY, vec![1; 66_000])],
                vec![text(&"y".repeat(300)), Said::Binary(vec![1; 66_000])],
            ),
        ],
    );
}

#[test]
fn lengths_in_longer_form_than_needed_are_refused() {
    let mask = [0, 0, 0, 0];
    for header in [
        vec![TEXT, 0x80 | 126, 0, 5],
        vec![TEXT, 0x80 | 126, 0, 125],
        vec![TEXT, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 5],
        vec![TEXT, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        vec![TEXT, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ] {
        check(vec![(
            "length form",
            vec![header, mask.to_vec(), vec![b'a'; 5]],
            vec![Said::Refused(1002)],
        )]);
    }
}

#[test]
fn fragments_are_joined() {
    check(vec![
        (
            "two parts",
            vec![masked(TEXT_PART, "ab"), masked(LAST_PART, "cd"), masked(TEXT, "next")],
            vec![text("abcd"), text("next")],
        ),
        (
            "empty parts",
            vec![masked(TEXT_PART, ""), masked(MORE_PART, ""), masked(LAST_PART, "")],
            vec![text("")],
        ),
        (
            "only the middle has bytes",
            vec![masked(BINARY_PART, ""), masked(MORE_PART, "x"), masked(LAST_PART, "")],
            vec![Said::Binary(b"x".to_vec())],
        ),
        (
            "many parts, two messages",
            (0..60)
                .map(|i| {
                    let first = match i % 30 {
                        0 => BINARY_PART,
                        29 => LAST_PART,
                        _ => MORE_PART,
                    };
                    masked(first, [i as u8])
                })
                .collect(),
            vec![Said::Binary((0..30).collect()), Said::Binary((30..60).collect())],
        ),
        (
            "control frames in between",
            vec![
                masked(TEXT_PART, "a"),
                masked(PING, "1"),
                masked(MORE_PART, "b"),
                masked(PONG, "2"),
                masked(PING, "3"),
                masked(LAST_PART, "c"),
            ],
            vec![
                Said::Ping(b"1".to_vec()),
                Said::Pong(b"2".to_vec()),
                Said::Ping(b"3".to_vec()),
                text("abc"),
            ],
        ),
        (
            "a close ends an open message",
            vec![masked(TEXT_PART, "a"), closing(1000, "")],
            vec![Said::Close(Some(1000), String::new())],
        ),
    ]);
}

#[test]
fn fragments_out_of_order_are_refused() {
    check(vec![
        ("nothing to continue", vec![masked(MORE_PART, "x")], vec![Said::Refused(1002)]),
        ("nothing to end", vec![masked(LAST_PART, "x")], vec![Said::Refused(1002)]),
        (
            "nothing to continue any more",
            vec![masked(TEXT_PART, "a"), masked(LAST_PART, "b"), masked(LAST_PART, "c")],
            vec![text("ab"), Said::Refused(1002)],
        ),
        (
            "a whole message inside another",
            vec![masked(TEXT_PART, "a"), masked(TEXT, "b")],
            vec![Said::Refused(1002)],
        ),
        (
            "a second beginning",
            vec![masked(BINARY_PART, "a"), masked(BINARY_PART, "b")],
            vec![Said::Refused(1002)],
        ),
    ]);
}

#[test]
fn close_frames() {
    let said = |code, reason: &str| vec![Said::Close(code, reason.to_owned())];
    check(vec![
        ("empty", vec![masked(CLOSE, "")], said(None, "")),
        ("half a code", vec![masked(CLOSE, [3])], vec![Said::Refused(1002)]),
        ("with a reason", vec![closing(1000, "再见")], said(Some(1000), "再见")),
        ("longest reason", vec![closing(1000, [b'x'; 123])], said(Some(1000), &"x".repeat(123))),
        ("nothing after it counts", vec![closing(1001, ""), vec![0xff]], said(Some(1001), "")),
        ("reason not UTF-8", vec![closing(1000, [0xce, 0xba, 0xe1])], vec![Said::Refused(1007)]),
    ]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014] {
        check(vec![("registered code", vec![closing(code, "")], said(Some(code), ""))]);
    }
    for code in [3000, 3999, 4000, 4999] {
        check(vec![("application's code", vec![closing(code, "")], said(Some(code), ""))]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check(vec![("forbidden code", vec![closing(code, "")], vec![Said::Refused(1002)])]);
    }
}

#[test]
fn text_is_utf8_in_one_frame_or_many() {
    let valid: [&[u8]; 9] = [
        "κόσμε".as_bytes(),
        "消息🙂".as_bytes(),
        "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
        b"\xed\x9f\xbf",
        b"\xee\x80\x80",
        b"\xef\xbf\xbd",
        b"\xef\xbf\xbe",
        b"\xf4\x8f\xbf\xbf",
        b"\0",
    ];
    for bytes in valid {
        let whole = String::from_utf8(bytes.to_vec()).expect("the table holds UTF-8");
        check(vec![("whole", vec![masked(TEXT, bytes)], vec![text(&whole)])]);
        for cut in 0..=bytes.len() {
            let parts = vec![masked(TEXT_PART, &bytes[..cut]), masked(LAST_PART, &bytes[cut..])];
            check(vec![("cut", parts, vec![text(&whole)])]);
        }
        let mut letters: Vec<_> = bytes.iter().map(|byte| masked(MORE_PART, [*byte])).collect();
        letters.insert(0, masked(TEXT_PART, ""));
        letters.push(masked(LAST_PART, ""));
        check(vec![("a byte a frame", letters, vec![text(&whole)])]);
    }
    let invalid: [&[u8]; 14] = [
        b"\x80",
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"ok\xce",
        b"\xe6\xb6",
    ];
    for bytes in invalid {
        check(vec![
            ("whole", vec![masked(TEXT, bytes)], vec![Said::Refused(1007)]),
            ("binary", vec![masked(BINARY, bytes)], vec![Said::Binary(bytes.to_vec())]),
        ]);
        for cut in 0..=bytes.len() {
            let parts =
                |first| vec![masked(first, &bytes[..cut]), masked(LAST_PART, &bytes[cut..])];
            check(vec![
                ("cut text", parts(TEXT_PART), vec![Said::Refused(1007)]),
                ("cut binary", parts(BINARY_PART), vec![Said::Binary(bytes.to_vec())]),
            ]);
        }
    }
}

#[test]
fn a_broken_character_is_refused_before_the_message_ends() {
    check(vec![(
        "first part is beyond repair",
        vec![masked(TEXT_PART, b"a\xf4\x90")],
        vec![Said::Refused(1007)],
    )]);
}

#[test]
fn oversize_is_known_from_the_header() {
    let refusal = |limit, bytes: &[u8]| {
        let mut reader = Reader::new(Side::Server, limit);
        reader.next(&mut bytes.to_vec()).map(|step| format!("{step:?}"))
    };
    let too_big = |limit_bytes| Err(FrameError::TooBig { limit_bytes });
    assert_eq!(refusal(10, &[TEXT, 0x80 | 11]), too_big(10));
    assert_eq!(refusal(300, &[TEXT, 0x80 | 126, 0x01, 0x2d]), too_big(300));
    let huge = [BINARY, 0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(refusal(65_536, &huge), too_big(65_536));
    assert_eq!(refusal(u32::MAX, &huge), too_big(u32::MAX));
    assert_eq!(FrameError::TooBig { limit_bytes: 1 }.close_code(), 1009);
}

#[test]
fn fragments_count_together_towards_the_limit() {
    let fits = [masked(TEXT_PART, "12345"), masked(PING, [0; 125]), masked(LAST_PART, "67890")];
    let said = drive(Side::Server, 10, &fits.concat(), &[]);
    assert_eq!(said, [Said::Ping(vec![0; 125]), text("1234567890")]);

    let exceeds = [masked(TEXT_PART, "12345"), masked(MORE_PART, "67890"), masked(LAST_PART, "1")];
    assert_eq!(drive(Side::Server, 10, &exceeds.concat(), &[]), [Said::Refused(1009)]);
}

#[test]
fn an_announced_length_takes_no_memory_before_its_bytes_arrive() {
    let mut reader = Reader::new(Side::Server, 1 << 30);
    let mut begun = masked(TEXT_PART, "a");
    assert!(matches!(reader.next(&mut begun), Ok(Step::Progress { .. })));
    let mut rest = [MORE_PART, 0x80 | 127, 0, 0, 0, 0, 0x3f, 0, 0, 0, 1, 2, 3, 4, b'x'];
    let wanted = 0x3f00_0000 + 14;
    assert_eq!(reader.next(&mut rest), Ok(Step::More { wanted }));
    assert!(reader.heap_bytes() < 200, "held {} bytes", reader.heap_bytes());
    assert!(reader.is_assembling());
}

#[test]
fn the_wanted_bytes_are_those_of_the_frame() {
    let frame = masked(TEXT, "x".repeat(300));
    let mut reader = Reader::new(Side::Server, LIMIT);
    for (held, wanted) in [(0, 2), (1, 2), (2, 4), (3, 4), (4, 308), (8, 308), (307, 308)] {
        let mut buf = frame[..held].to_vec();
        assert_eq!(reader.next(&mut buf), Ok(Step::More { wanted }), "{held} bytes held");
    }
}
