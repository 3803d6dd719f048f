//! The reader against another parser, and the writer against the reader.

use super::read::{Got, Reader, SyntaxError};
use super::{DEPTH_MAX, string};

/// A small generator, so that a failing case comes back with its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len())]
    }
}

fn check(text: &[u8]) -> Result<(), SyntaxError> {
    let mut reader = Reader::new(text);
    reader.skip_value()?;
    reader.finish()
}

fn read_text(text: &str) -> String {
    match Reader::new(text.as_bytes()).text() {
        Ok(Got::Value(value)) => value.into_owned(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn agrees_with_a_reference_parser() {
    let tokens = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"a\":",
        "1",
        "-",
        "0",
        "01",
        "-0",
        "1.5",
        "1.",
        ".5",
        "1e9",
        "1E+",
        "2e-3",
        "true",
        "tru",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\"\\n\"",
        "\"\\u00e9\"",
        "\"\\u12\"",
        "\"\\x\"",
        "\"",
        "\\",
        "\"\u{1}\"",
        "\"é\"",
        "{}",
        "[]",
        "{\"k\":",
        "[1,",
        ",2]",
        "\"long enough for words\"",
    ];
    let mut accepted = 0;
    for seed in 1..=40_000u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut text = String::new();
        for _ in 0..=dice.roll(7) {
            text.push_str(dice.pick(&tokens));
        }
        let expected = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        assert_eq!(check(text.as_bytes()).is_ok(), expected, "seed {seed}: {text}");
        accepted += u32::from(expected);
    }
    assert!(accepted > 1000, "the generator makes too little valid text: {accepted}");
}

#[test]
fn damaged_documents_agree_with_a_reference_parser() {
    let whole = br#"{"reqIdentifier":1003,"data":{"l":["a\"b",-1.5e3,null,[],{}],"t":"x\u00e9\ud83d\ude00"},"z":[true,false]}"#;
    let damage = b"{}[]\",:\\u0-1e. \x01\xffn";
    for seed in 1..=40_000u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut text = whole.to_vec();
        for _ in 0..=dice.roll(2) {
            let at = dice.roll(text.len());
            match dice.roll(3) {
                0 => text[at] = damage[dice.roll(damage.len())],
                1 => drop(text.remove(at)),
                _ => text.truncate(at.max(1)),
            }
        }
        let expected = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok();
        assert_eq!(check(&text).is_ok(), expected, "seed {seed}: {}", text.escape_ascii());
    }
}

#[test]
fn strings_stop_at_the_right_byte_at_every_offset() {
    for stop in ["\"", "\\\"", "\u{1f}", "\n"] {
        for plain in 0..40 {
            let body = "é~ \u{7f}".chars().cycle().take(plain).collect::<String>();
            let text = format!("\"{body}{stop}tail\"");
            let expected = serde_json::from_str::<String>(&text).ok();
            let got = match Reader::new(text.as_bytes()).text() {
                Ok(Got::Value(value)) if stop != "\"" => Some(value.into_owned()),
                Ok(Got::Value(value)) => {
                    assert_eq!(value, body);
                    None
                }
                _ => None,
            };
            assert_eq!(got, expected, "{text:?}");
        }
    }
}

#[test]
fn escapes_read_as_what_they_stand_for() {
    let cases = [
        (r#""a\"\\\/\b\f\n\r\tz""#, "a\"\\/\u{8}\u{c}\n\r\tz"),
        (r#""\u0041\u00e9\u20AC""#, "A\u{e9}\u{20ac}"),
        (r#""\ud83d\ude00!""#, "\u{1f600}!"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ud83dx""#, "\u{fffd}x"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (r#""\u0000""#, "\0"),
    ];
    for (text, expected) in cases {
        assert_eq!(read_text(text), expected, "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8_read_as_replacement_characters() {
    for text in [&b"\"a\xff\xfeb\""[..], b"\"a\\u0062\xff\""] {
        let Ok(Got::Value(value)) = Reader::new(text).text() else { panic!("refused") };
        assert!(value.contains('\u{fffd}'));
    }
}

#[test]
fn integers_are_exact_or_wrong() {
    let cases: [(&str, Got<i64>); 10] = [
        ("0", Got::Value(0)),
        ("-7", Got::Value(-7)),
        ("9223372036854775807", Got::Value(i64::MAX)),
        ("-9223372036854775808", Got::Value(i64::MIN)),
        ("9223372036854775808", Got::Wrong),
        ("1.0", Got::Wrong),
        ("1e2", Got::Wrong),
        ("\"1\"", Got::Wrong),
        ("[1]", Got::Wrong),
        ("null", Got::Null),
    ];
    for (text, expected) in cases {
        assert_eq!(Reader::new(text.as_bytes()).integer(), Ok(expected), "{text}");
    }
    assert_eq!(Reader::new(b"2147483648").integer::<i32>(), Ok(Got::Wrong));
}

#[test]
fn nesting_is_bounded() {
    let depth = DEPTH_MAX as usize;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let inner = if open == "[" { "" } else { "1" };
        let fits = open.repeat(depth) + inner + &close.repeat(depth);
        assert_eq!(check(fits.as_bytes()), Ok(()));
        let deep = open.repeat(depth + 1) + inner + &close.repeat(depth + 1);
        assert!(matches!(check(deep.as_bytes()), Err(SyntaxError::TooDeep(_))));
        let endless = open.repeat(1_000_000);
        assert!(matches!(check(endless.as_bytes()), Err(SyntaxError::TooDeep(_))));
    }
}

#[test]
fn written_strings_read_back() {
    let parts = [
        "a",
        "é",
        "\"",
        "\\",
        "\n",
        "\u{0}",
        "\u{1f}",
        "<b>",
        "&",
        "\u{2028}",
        "\u{2029}",
        "\u{2030}",
        "😀",
        "€",
        "plain text ",
    ];
    for seed in 1..=5_000u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut text = String::new();
        for _ in 0..dice.roll(30) {
            text.push_str(dice.pick(&parts));
        }
        let mut out = Vec::new();
        string(&mut out, &text);
        let written = String::from_utf8(out).expect("output is UTF-8");
        assert_eq!(serde_json::from_str::<String>(&written).expect("output is JSON"), text);
        assert_eq!(read_text(&written), text);
        assert!(!written.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{written}");
    }
}
