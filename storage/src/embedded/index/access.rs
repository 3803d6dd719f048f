//! What was decided about a user's tokens, as a row of the index. Pure.

use openim_record::{Access, Ban, Seq};

use super::row::{Fields, Row};

/// What stands behind the user in the key, where a token's row has its terminal class.
pub(crate) const ACCESS: u8 = 16;

const VERSION: u8 = 1;
const BANNED: u8 = 1;
const ERASED: u8 = 2;

pub(crate) fn encode_access(access: &Access) -> Vec<u8> {
    let mut row = Row::new(VERSION);
    for at_s in access.endings() {
        row = row.time(*at_s);
    }
    let banned = if access.ban.is_some() { BANNED } else { 0 };
    let erased = if access.erased { ERASED } else { 0 };
    row = row.number(access.min.0).byte(banned | erased);
    let (until_s, reason) =
        access.ban.as_ref().map_or((0, ""), |ban| (ban.until_s, ban.reason.as_str()));
    row.time(until_s).text(reason).done()
}

pub(crate) fn decode_access(row: &[u8]) -> Option<Access> {
    let mut fields = Fields::of(row, VERSION)?;
    let mut access = Access::default();
    let mut endings = *access.endings();
    for at_s in &mut endings {
        *at_s = fields.time()?;
    }
    access = Access::with_endings(endings);
    access.min = Seq(fields.number()?);
    let marks = fields.byte()?;
    access.erased = marks & ERASED != 0;
    let ban = Ban { until_s: fields.time()?, reason: fields.text()? };
    access.ban = (marks & BANNED != 0).then_some(ban);
    fields.end(access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_back_and_damage_is_noticed() {
        let mut access = Access::default();
        (access.erased, access.min) = (true, Seq(1 << 40));
        access.end(3, 1_622_033_433);
        for ban in [None, Some(Ban { until_s: i64::MAX, reason: "spam".to_owned() })] {
            access.ban = ban;
            let row = encode_access(&access);
            assert_eq!(decode_access(&row), Some(access.clone()));
            assert_eq!(decode_access(&row[..row.len() - 1]), None);
        }
    }
}
