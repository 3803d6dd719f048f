//! What the writers append: the exact bytes where they are short, and read back by the other side.

use openim_protocol::frame::{
    Side, begin_binary, begin_continuation, begin_text, finish, finish_partial, write_close,
    write_close_echo, write_close_echo_masked, write_close_masked, write_message,
    write_message_masked, write_ping, write_ping_masked, write_pong, write_pong_masked,
};

use crate::drive::{Said, TEXT, drive, plain};

const LIMIT: u32 = 1 << 20;
const LENGTHS: [usize; 12] =
    [0, 1, 2, 3, 125, 126, 127, 4_000, 65_535, 65_536, 65_537, LIMIT as usize];

#[test]
fn a_begun_frame_equals_one_written_whole_in_every_length_class() {
    for length in LENGTHS {
        let payload: Vec<u8> = (0..length).map(|i| b'a' + (i % 26) as u8).collect();
        let mut out = b"earlier".to_vec();
        let mark = begin_text(&mut out);
        for part in payload.chunks(1_000) {
            out.extend_from_slice(part);
        }
        finish(&mut out, mark);
        let mut whole = b"earlier".to_vec();
        write_message(&mut whole, true, &payload);
        assert_eq!(out, whole, "length {length}");
        assert_eq!(out[7..], plain(TEXT, &payload), "length {length}");
    }
}

#[test]
fn frames_in_one_buffer_keep_their_order() {
    let mut out = Vec::new();
    for length in LENGTHS {
        let mark = begin_binary(&mut out);
        out.resize(out.len() + length, 7);
        finish(&mut out, mark);
    }
    let said = drive(Side::Client, LIMIT, &out, &[]);
    assert_eq!(said, LENGTHS.map(|length| Said::Binary(vec![7; length])));
}

#[test]
fn a_message_streams_as_several_frames() {
    let mut out = Vec::new();
    let mark = begin_text(&mut out);
    out.extend_from_slice(b"[1");
    finish_partial(&mut out, mark);
    write_ping(&mut out, b"between");
    let mark = begin_continuation(&mut out);
    out.extend_from_slice(&[b' '; 70_000]);
    finish_partial(&mut out, mark);
    let mark = begin_continuation(&mut out);
    out.push(b']');
    finish(&mut out, mark);
    let whole = format!("[1{}]", " ".repeat(70_000));
    let said = drive(Side::Client, LIMIT, &out, &[]);
    assert_eq!(said, [Said::Ping(b"between".to_vec()), Said::Text(whole)]);
}

#[test]
fn a_client_writes_what_a_server_reads() {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = Vec::new();
    write_message_masked(&mut out, true, b"Hello", mask);
    // The example of RFC 6455, 5.7.
    assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    write_message_masked(&mut out, false, &[9; 70_000], mask);
    write_ping_masked(&mut out, b"i", mask);
    write_pong_masked(&mut out, b"o", mask);
    write_close_masked(&mut out, 1000, "done", mask);
    assert_eq!(
        drive(Side::Server, LIMIT, &out, &[]),
        [
            Said::Text("Hello".to_owned()),
            Said::Binary(vec![9; 70_000]),
            Said::Ping(b"i".to_vec()),
            Said::Pong(b"o".to_vec()),
            Said::Close(Some(1000), "done".to_owned()),
        ]
    );
    let mut echo = Vec::new();
    write_close_echo_masked(&mut echo, None, mask);
    assert_eq!(drive(Side::Server, LIMIT, &echo, &[]), [Said::Close(None, String::new())]);
}

#[test]
fn control_frames_have_their_exact_bytes() {
    let written = |write: fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    assert_eq!(written(|out| write_ping(out, b"")), b"\x89\x00");
    assert_eq!(written(|out| write_pong(out, b"Hello")), b"\x8a\x05Hello");
    assert_eq!(written(|out| write_close(out, 1001, "bye")), b"\x88\x05\x03\xe9bye");
    assert_eq!(written(|out| write_close_echo(out, Some(4000))), b"\x88\x02\x0f\xa0");
    assert_eq!(written(|out| write_close_echo(out, None)), b"\x88\x00");
}

#[test]
fn too_long_control_payloads_are_cut_where_a_reader_takes_them() {
    let mut out = Vec::new();
    write_pong(&mut out, &[1; 200]);
    write_close(&mut out, 1008, &"消".repeat(100));
    assert_eq!(
        drive(Side::Client, LIMIT, &out, &[]),
        [Said::Pong(vec![1; 125]), Said::Close(Some(1008), "消".repeat(41))]
    );
}
