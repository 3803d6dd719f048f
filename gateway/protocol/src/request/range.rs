//! The `data` of 1002: which part of the inbox (spec 2.5).

use super::{Data, DataError, Violations};
use crate::errcode::ErrCode;
use crate::json::{Fields, Nulls, Reader, SyntaxError, keys};

/// A range of seqs, both ends inclusive. It may be empty, reversed or negative: it is for the inbox to
/// clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullRange {
    /// The first seq wanted.
    pub begin: i64,
    /// The last seq wanted.
    pub end: i64,
}

keys! {
    FIELDS =
    0: "seqBegin",
    1: "seqEnd",
}

/// Reads the body of a pull. An explicit 0 is accepted.
///
/// # Errors
/// 203 if an end is not an integer of 64 bits, 204 if one is missing.
pub fn decode_pull(data: Option<Data<'_>>) -> Result<PullRange, DataError> {
    let mut fields = Fields::new(&FIELDS, Nulls::Unset);
    let mut ends = [None; 2];
    if let Some(data) = data {
        read(data.text, &mut fields, &mut ends).map_err(DataError::of_syntax)?;
    }
    if let Some(wrong) = DataError::wrong_types(fields.wrong()) {
        return Err(wrong);
    }
    let [begin, end] = ends;
    let (Some(begin), Some(end)) = (begin, end) else {
        let mut violations = Violations::default();
        for (value, field) in [(begin, "SeqBegin"), (end, "SeqEnd")] {
            if value.is_none() {
                violations.push("SeqData", field, "required");
            }
        }
        let text = violations.into_text().unwrap_or_default();
        return Err(DataError { code: ErrCode::DataMissing, text });
    };
    Ok(PullRange { begin, end })
}

fn read(
    text: &[u8],
    fields: &mut Fields,
    [begin, end]: &mut [Option<i64>; 2],
) -> Result<(), SyntaxError> {
    let mut reader = Reader::new(text);
    reader.enter_object()?;
    let mut first = true;
    while reader.next_member(first)? {
        first = false;
        match fields.find_exact_first(reader.key()) {
            Some(0) => fields.put(0, reader.lenient_integer()?, begin),
            Some(index) => fields.put(index, reader.lenient_integer()?, end),
            None => reader.skip_value()?,
        }
    }
    Ok(())
}
