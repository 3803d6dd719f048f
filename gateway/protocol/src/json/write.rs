//! The writer: appends JSON text to a buffer.
//!
//! In: values. Out: bytes at the end of the caller's `Vec`. Strings are escaped as the original does:
//! quotes, backslashes and control characters, and also `<`, `>`, `&`, U+2028 and U+2029, so that the
//! text can stand inside HTML and scripts. Punctuation and keys are the callers' own literals.

const BLOCK: usize = 32;

/// Appends `text` as a JSON string, quotes included.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes of a JSON string. The pieces of a string may be appended one
/// after the other.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    while let Some(at) = next_special(bytes, copied) {
        out.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
        copied = at + escape(out, bytes.get(at..).unwrap_or_default());
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
}

/// Appends a decimal integer.
pub fn integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `true` or `false`.
pub fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// The first byte at or after `from` that may need an escape.
fn next_special(bytes: &[u8], from: usize) -> Option<usize> {
    let (blocks, tail) = bytes.get(from..)?.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        // No early exit inside a block: the compiler turns this into a few vector comparisons.
        if block.iter().fold(false, |found, &byte| found | is_special(byte)) {
            let inside = block.iter().position(|&byte| is_special(byte))?;
            return Some(from + index * BLOCK + inside);
        }
    }
    let inside = tail.iter().position(|&byte| is_special(byte))?;
    Some(from + blocks.len() * BLOCK + inside)
}

/// 0xe2 opens U+2028 and U+2029, and many others that stay as they are.
const fn is_special(byte: u8) -> bool {
    (byte < 0x20)
        | (byte == b'"')
        | (byte == b'\\')
        | (byte == b'<')
        | (byte == b'>')
        | (byte == b'&')
        | (byte == 0xe2)
}

/// Appends what stands for the first character of `bytes`; returns how many bytes that was.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) -> usize {
    match bytes {
        [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => {
            out.extend_from_slice(if *last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
            3
        }
        [byte, ..] => {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0xe2 => out.push(0xe2),
                other => {
                    let hex = |nibble: u8| b"0123456789abcdef".get(usize::from(nibble)).copied();
                    out.extend_from_slice(b"\\u00");
                    out.extend(hex(other >> 4));
                    out.extend(hex(other & 15));
                }
            }
            1
        }
        [] => 0,
    }
}
