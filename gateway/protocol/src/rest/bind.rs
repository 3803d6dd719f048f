//! Binding a body to a route: the object loop, the binding error and its answer.

use std::borrow::Cow;

use crate::errcode::ErrCode;
use crate::json::{self, Fields, Got, Keys, Nulls, Reader, SyntaxError};
use crate::request::Violations;

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
pub(super) fn bind<'a>(
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
pub(super) fn bind_object<'a>(
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

/// The checks of one route, in field order.
pub(super) struct Checks {
    owner: &'static str,
    violations: Violations,
}

impl Checks {
    pub(super) fn new(owner: &'static str) -> Self {
        Self { owner, violations: Violations::default() }
    }

    /// Notes a violated rule.
    pub(super) fn require(&mut self, holds: bool, field: &str, rule: &str) {
        if !holds {
            self.violations.push(self.owner, field, rule);
        }
    }

    /// A string that must not be empty.
    pub(super) fn filled(&mut self, text: &Option<Cow<'_, str>>, field: &str) {
        let filled = text.as_ref().is_some_and(|text| !text.is_empty());
        self.require(filled, field, "required");
    }

    /// A string of at most `chars_max` code points.
    pub(super) fn at_most(&mut self, text: &Option<Cow<'_, str>>, chars_max: usize, field: &str) {
        let length = text.as_ref().map_or(0, |text| text.chars().count());
        self.require(length <= chars_max, field, "max");
    }

    /// An error, if anything was noted.
    pub(super) fn finish(self) -> Result<(), BindError> {
        match self.violations.into_text() {
            Some(text) => Err(BindError { text }),
            None => Ok(()),
        }
    }
}
