//! What may be a uid.

/// The most code points of a uid.
pub const UID_CHARS_MAX: usize = 64;

/// Whether `uid` can name a user: 1 to 64 code points, none of them white space or a control
/// character. White space is refused because the wire joins uid and group id with a space.
#[must_use]
pub fn valid_uid(uid: &str) -> bool {
    if uid.is_ascii() {
        return (1..=UID_CHARS_MAX).contains(&uid.len())
            && uid.bytes().all(|byte| byte.is_ascii_graphic());
    }
    // A code point has at most four bytes, so anything longer is refused without counting.
    uid.len() <= UID_CHARS_MAX * 4
        && uid.chars().count() <= UID_CHARS_MAX
        && !uid.chars().any(|letter| letter.is_whitespace() || letter.is_control())
}
