//! What of a batch belongs together: a message to a group with the lists of its members, a change with what tells of it.
//! Pure.

use crate::{Members, Rows};

/// How many of the first records of a batch are left where it is cut behind so many: no unit is parted, one that would
/// be goes as a whole.
#[must_use]
pub fn whole_units<'a>(records: impl Iterator<Item = &'a [u8]>, cut: usize) -> usize {
    let (mut begin, mut end, mut count) = (0, 0, 0);
    for (number, record) in records.enumerate() {
        if number >= end && Members::decode(record).is_none() {
            begin = number;
            let told_by = Rows::decode(record).map_or(0, |rows| rows.told_by());
            end = usize::try_from(told_by)
                .map_or(usize::MAX, |told_by| number.saturating_add(1 + told_by));
        }
        if number == cut {
            return begin;
        }
        count = number + 1;
    }
    count.min(cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MembersWriter, Message, RowsWriter};

    #[test]
    fn no_unit_is_parted() {
        let mut message = Vec::new();
        Message::BLANK.encode(&mut message);
        let list = MembersWriter::new().finish().into_vec();
        let rows = RowsWriter::new().finish();
        let told = RowsWriter::told_by(3).finish();
        // A message; one to a group; a change of which nobody is told; one that three records tell of; a message.
        let batch =
            [&message, &message, &list, &list, &rows, &told, &message, &message, &list, &message];
        let whole = |cut| whole_units(batch.iter().map(|record| &record[..]), cut);
        let expected = [0, 1, 1, 1, 4, 5, 5, 5, 5, 9, 10, 10];
        let left: Vec<usize> = (0..expected.len()).map(whole).collect();
        assert_eq!(left, expected);
        assert_eq!(whole_units(std::iter::empty(), 3), 0);
    }
}
