//! Binding a body to a route: the object loop, the binding error and its answer.

use std::ops::RangeInclusive;

use super::body::{Length, Value};
use crate::errcode::ErrCode;
use crate::json::{self, Fields, Got, Keys, Nulls, Reader, SyntaxError};
use crate::request::{ID_BYTES_MAX, Violations, valid_uid};

/// Why a body does not fit its route: HTTP 400 with errCode 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct BindError {
    /// For humans.
    pub text: String,
}

impl From<SyntaxError> for BindError {
    fn from(error: SyntaxError) -> Self {
        Self { text: error.to_string() }
    }
}

/// Appends `{"errCode":…,"errMsg":…}`, the answer without data.
pub fn error_answer(out: &mut Vec<u8>, code: ErrCode, text: &str) {
    out.extend_from_slice(b"{\"errCode\":");
    json::integer(out, code.number().into());
    out.extend_from_slice(b",\"errMsg\":");
    json::string(out, text);
    out.push(b'}');
}

/// Reads the first value of a body, which must be an object or `null`. `member` stores the value of
/// each of the known keys.
pub(crate) fn bind<'a>(
    body: &'a [u8],
    keys: &'static Keys,
    member: impl FnMut(usize, &mut Reader<'a>, &mut Fields) -> Result<(), SyntaxError>,
) -> Result<(), BindError> {
    let mut reader = Reader::new(body);
    if !reader.has_more() {
        return Err(BindError { text: "EOF".to_owned() });
    }
    let mut fields = Fields::new(keys, Nulls::Keep);
    if bind_object(&mut reader, &mut fields, member)? == Got::Wrong {
        return Err(BindError { text: "the body must be a JSON object".to_owned() });
    }
    let wrong = fields.wrong().next();
    match wrong {
        Some(name) => {
            Err(BindError { text: format!("{name} has the wrong type or is out of range") })
        }
        None => Ok(()),
    }
}

/// Reads an object under the cursor. [`Got::Wrong`] also stands for a member of the wrong type when the
/// object is a member itself.
pub(crate) fn bind_object<'a>(
    reader: &mut Reader<'a>,
    fields: &mut Fields,
    mut member: impl FnMut(usize, &mut Reader<'a>, &mut Fields) -> Result<(), SyntaxError>,
) -> Result<Got<()>, SyntaxError> {
    let got = reader.enter_object()?;
    if got != Got::Value(()) {
        return Ok(got);
    }
    let mut first = true;
    while reader.next_member(first)? {
        first = false;
        match fields.find(reader.key()) {
            Some(index) => member(index, reader, fields)?,
            None => reader.skip_value()?,
        }
    }
    Ok(Got::Value(()))
}

/// Whether a nested object, and each of its members, had the right type.
pub(crate) fn sound<T>(got: Got<T>, members: &Fields) -> Got<T> {
    if members.wrong().next().is_some() { Got::Wrong } else { got }
}

/// The checks of one route, in field order.
pub(crate) struct Checks {
    owner: &'static str,
    violations: Violations,
    ids_max: usize,
}

impl Checks {
    pub(crate) fn new(owner: &'static str) -> Self {
        Self::with_lists(owner, usize::MAX)
    }

    /// For a body with lists of ids, of at most `ids_max` each.
    pub(crate) fn with_lists(owner: &'static str, ids_max: usize) -> Self {
        Self { owner, violations: Violations::default(), ids_max }
    }

    /// Notes a violated rule. A field is named as the original's is, or as its key.
    pub(crate) fn require(&mut self, holds: bool, field: &str, rule: &str) {
        if holds {
            return;
        }
        let mut letters = field.chars();
        let name = match (field, letters.next()) {
            ("uid", _) => "UID".to_owned(),
            (_, Some(first)) => first.to_ascii_uppercase().to_string() + letters.as_str(),
            (_, None) => String::new(),
        };
        self.violations.push(self.owner, &name, rule);
    }

    /// A string that must not be empty, a number that must not be 0, a list or object that must be there.
    pub(crate) fn required<'a, T: Value<'a>>(&mut self, value: &Option<T>, field: &str) {
        self.require(value.as_ref().is_some_and(Value::is_filled), field, "required");
    }

    /// An id that clients choose, of at most [`ID_BYTES_MAX`]: it is kept or logged.
    pub(crate) fn id_max(&mut self, value: &Option<std::borrow::Cow<'_, str>>, field: &str) {
        let bytes = value.as_ref().map_or(0, |id| id.len());
        self.require(bytes <= ID_BYTES_MAX, field, "max");
    }

    /// A string that can be a uid.
    pub(crate) fn uid(&mut self, value: &Option<std::borrow::Cow<'_, str>>, field: &str) {
        let uid = value.as_deref().unwrap_or_default();
        self.require(uid.is_empty() || valid_uid(uid), field, "uid");
    }

    /// A number that must be there, and may be 0.
    pub(crate) fn given<T>(&mut self, value: &Option<T>, field: &str) {
        self.require(value.is_some(), field, "required");
    }

    /// A string of at most `length_max` code points, a list of at most so many elements.
    pub(crate) fn max<T: Length>(&mut self, value: &Option<T>, field: &str, length_max: usize) {
        let length = value.as_ref().map_or(0, Length::length);
        self.require(length <= length_max, field, "max");
    }

    /// A list of as many ids as a call may have.
    pub(crate) fn ids<T>(&mut self, value: &Option<Vec<T>>, field: &str) {
        self.max(value, field, self.ids_max);
    }

    /// A list of as many ids as a call may have, and of at most `length_max`.
    pub(crate) fn ids_at_most<T>(
        &mut self,
        value: &Option<Vec<T>>,
        field: &str,
        length_max: usize,
    ) {
        self.max(value, field, self.ids_max.min(length_max));
    }

    /// A number that must be one of a range; absent is 0.
    pub(crate) fn one_of(&mut self, value: &Option<i32>, field: &str, range: RangeInclusive<i32>) {
        self.require(range.contains(&value.unwrap_or_default()), field, "oneof");
    }

    /// An error, if anything was noted.
    pub(crate) fn finish(self) -> Result<(), BindError> {
        match self.violations.into_text() {
            Some(text) => Err(BindError { text }),
            None => Ok(()),
        }
    }
}
