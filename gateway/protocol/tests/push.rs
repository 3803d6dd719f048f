//! A template's stamps against whole pushes.

use openim_protocol::push::{PushTemplate, push};
use openim_protocol::shown::Shown;
use openim_record::Message;

/// A small generator, so that a failing case comes back with its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Letters, and whatever JSON escapes; long enough for the writer's blocks.
    fn text(&mut self) -> String {
        const LETTERS: [char; 12] =
            ['a', 'Z', '"', '\\', '<', '&', '\n', '\u{1}', 'é', '\u{2028}', '\u{2027}', '😀'];
        let length = self.roll(50);
        (0..length).map(|_| LETTERS[self.roll(12) as usize]).collect()
    }
}

#[test]
fn stamps_are_pushes() {
    for seed in 1..500 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let texts: Vec<String> = (0..7).map(|_| dice.text()).collect();
        let message = Message {
            send_id: &texts[0],
            recv_id: &texts[6],
            session_type: dice.roll(3) as i32,
            msg_from: 100,
            content_type: dice.roll(600) as i32 - 10,
            content: &texts[2],
            sender_platform_id: dice.roll(8) as i32,
            sender_nick_name: &texts[3],
            sender_face_url: &texts[4],
            client_msg_id: &texts[5],
            ..Message::BLANK
        };
        let send_time = dice.roll(u64::MAX) as i64;
        let group = Shown { message, server_msg_id: &texts[1], seq: 99, send_time };
        let template = PushTemplate::new(&group);
        let mut stamped = b"before".to_vec();
        let mut whole = stamped.clone();
        for _ in 0..3 {
            let member = dice.text();
            let seq = dice.roll(u64::MAX) as i64;
            let is_emphasize = dice.roll(2) == 0;
            template.stamp(&mut stamped, &member, seq, is_emphasize);
            let recv_id = format!("{member} {}", texts[6]);
            let message = Message { recv_id: &recv_id, ..message };
            push(&mut whole, &Shown { message, seq, ..group }, is_emphasize);
            assert_eq!(stamped, whole, "seed {seed}");
        }
    }
}
