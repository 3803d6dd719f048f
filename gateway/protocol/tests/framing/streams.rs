//! Seeded streams of valid frames: wherever the bytes are cut, the events are the same.

use openim_protocol::frame::Side;

use crate::drive::{
    BINARY, BINARY_PART, CLOSE, LAST_PART, MORE_PART, PING, PONG, Said, TEXT, TEXT_PART, drive,
    masked, plain,
};

const LIMIT: u32 = 70_000;

/// A small generator (xorshift), so that a failing seed replays.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn length(&mut self) -> usize {
        match self.below(20) {
            0 => 65_536 + self.below(1_000),
            1..=4 => 126 + self.below(2_000),
            _ => self.below(126),
        }
    }

    fn text(&mut self) -> String {
        let length = self.length();
        let mut text = String::new();
        while text.len() < length {
            text.push(['a', '"', 'é', '消', '🙂'][self.below(5)]);
        }
        text
    }

    fn cuts(&mut self, length: usize) -> Vec<usize> {
        let mut cuts: Vec<usize> = (0..self.below(20)).map(|_| self.below(length + 1)).collect();
        cuts.sort_unstable();
        cuts
    }
}

/// A valid stream and what it says.
fn stream(dice: &mut Dice, frame: fn(u8, Vec<u8>) -> Vec<u8>) -> (Vec<u8>, Vec<Said>) {
    let mut bytes = Vec::new();
    let mut said = Vec::new();
    for _ in 0..1 + dice.below(8) {
        match dice.below(6) {
            0 => control(dice, frame, &mut bytes, &mut said),
            1 | 2 => {
                let text = dice.text();
                bytes.extend(frame(TEXT, text.clone().into_bytes()));
                said.push(Said::Text(text));
            }
            3 => {
                let payload = vec![dice.below(256) as u8; dice.length()];
                bytes.extend(frame(BINARY, payload.clone()));
                said.push(Said::Binary(payload));
            }
            kind => {
                let text = dice.text();
                let payload = text.as_bytes();
                let mut first = if kind == 4 { TEXT_PART } else { BINARY_PART };
                let mut from = 0;
                for cut in dice.cuts(payload.len()) {
                    bytes.extend(frame(first, payload[from..cut].to_vec()));
                    (first, from) = (MORE_PART, cut);
                    if dice.below(3) == 0 {
                        control(dice, frame, &mut bytes, &mut said);
                    }
                }
                // Without a cut the message is one frame; otherwise this is its last part.
                let last = if first == MORE_PART { LAST_PART } else { first | LAST_PART };
                bytes.extend(frame(last, payload[from..].to_vec()));
                said.push(match kind {
                    4 => Said::Text(text),
                    _ => Said::Binary(text.into_bytes()),
                });
            }
        }
    }
    if dice.below(3) == 0 {
        bytes.extend(frame(CLOSE, b"\x03\xe8bye".to_vec()));
        said.push(Said::Close(Some(1000), "bye".to_owned()));
    }
    (bytes, said)
}

fn control(
    dice: &mut Dice,
    frame: fn(u8, Vec<u8>) -> Vec<u8>,
    bytes: &mut Vec<u8>,
    said: &mut Vec<Said>,
) {
    let payload = vec![dice.below(256) as u8; dice.below(126)];
    if dice.below(2) == 0 {
        bytes.extend(frame(PING, payload.clone()));
        said.push(Said::Ping(payload));
    } else {
        bytes.extend(frame(PONG, payload.clone()));
        said.push(Said::Pong(payload));
    }
}

#[test]
fn a_valid_stream_means_the_same_however_it_is_cut() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let side = if seed % 3 == 0 { Side::Client } else { Side::Server };
        let frame: fn(u8, Vec<u8>) -> Vec<u8> = match side {
            Side::Server => masked,
            Side::Client => plain,
        };
        let (bytes, said) = stream(&mut dice, frame);
        for _ in 0..4 {
            let cuts = dice.cuts(bytes.len());
            assert_eq!(drive(side, LIMIT, &bytes, &cuts), said, "seed {seed}, cuts {cuts:?}");
        }
    }
}

#[test]
fn a_damaged_stream_is_refused_or_read_never_a_panic() {
    for seed in 0..2_000 {
        let mut dice = Dice::new(seed);
        let (mut bytes, _) = stream(&mut dice, masked);
        bytes.truncate(4_000);
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len());
            bytes[at] = dice.below(256) as u8;
        }
        let cuts = dice.cuts(bytes.len());
        let in_parts = drive(Side::Server, 3_000, &bytes, &cuts);
        assert_eq!(drive(Side::Server, 3_000, &bytes, &[]), in_parts, "seed {seed}");
    }
}
