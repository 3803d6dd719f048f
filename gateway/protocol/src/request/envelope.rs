//! The envelope around every request (spec 2.1, steps 1 and 2 of 2.3).

use std::borrow::Cow;

use super::{Data, ID_BYTES_MAX, SEND, Violations, send};
use crate::errcode::ErrCode;
use crate::json::{Fields, Got, Nulls, Reader, SyntaxError, keys};

/// A request whose envelope is complete. Its token has not been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Which request it is; not 0, perhaps unknown.
    pub req_identifier: i32,
    /// The token to verify; not empty.
    pub token: Cow<'a, str>,
    /// Who claims to ask; not empty.
    pub send_id: Cow<'a, str>,
    /// The client's trace id; not empty.
    pub operation_id: Cow<'a, str>,
    /// The client's correlation number, to be echoed; not 0.
    pub msg_incr: i32,
    /// The body, if there is one.
    pub data: Option<Data<'a>>,
}

/// Why a frame is no request. The link stays open; the answer is [`crate::reply::error_short`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {text}", code.number())]
pub struct EnvelopeError {
    /// [`ErrCode::BadFrame`] (200), [`ErrCode::BadEnvelope`] (201), or [`ErrCode::DataMissing`] (204) for too
    /// long an `operationID`.
    pub code: ErrCode,
    /// For humans.
    pub text: String,
    /// What could be read of it, so that the client can match the answer.
    pub req_identifier: Option<i32>,
    /// What could be read of it, so that the client can match the answer.
    pub msg_incr: Option<i32>,
}

keys! {
    FIELDS =
    0: "reqIdentifier",
    1: "token",
    2: "sendID",
    3: "operationID",
    4: "msgIncr",
    5: "data",
}

#[derive(Default)]
struct Draft<'a> {
    req_identifier: Option<i32>,
    token: Option<Cow<'a, str>>,
    send_id: Option<Cow<'a, str>>,
    operation_id: Option<Cow<'a, str>>,
    msg_incr: Option<i32>,
    data: Option<&'a [u8]>,
    /// The same, if it has been read as a send.
    send: Option<send::Draft<'a>>,
}

/// Reads the envelope of a frame.
///
/// # Errors
/// 200 if the payload is not one JSON object with fields of the right types, 201 if a required field is
/// missing, empty or 0, 204 if `operationID` is longer than [`ID_BYTES_MAX`].
pub fn decode(payload: &[u8]) -> Result<Envelope<'_>, EnvelopeError> {
    let mut draft = Draft::default();
    match draft.read(payload) {
        Ok(None) => draft.complete(),
        Ok(Some(text)) => Err(draft.refused(ErrCode::BadFrame, text)),
        Err(syntax) => Err(draft.refused(ErrCode::BadFrame, syntax.to_string())),
    }
}

impl<'a> Draft<'a> {
    /// Fills the fields; gives the complaint about a wrong type, if there is one. What comes before a
    /// syntax error stays filled.
    fn read(&mut self, payload: &'a [u8]) -> Result<Option<String>, SyntaxError> {
        let mut reader = Reader::new(payload);
        let mut fields = Fields::new(&FIELDS, Nulls::Keep);
        match reader.enter_object()? {
            Got::Value(()) => {}
            // A null frame is an envelope without fields.
            Got::Null => return reader.finish().map(|()| None),
            Got::Wrong => {
                return reader
                    .finish()
                    .map(|()| Some("the frame must be a JSON object".to_owned()));
            }
        }
        let mut first = true;
        while reader.next_member(first)? {
            first = false;
            let Some(index) = fields.find(reader.key()) else {
                reader.skip_value()?;
                continue;
            };
            match index {
                0 => fields.put(index, reader.integer()?, &mut self.req_identifier),
                1 => fields.put(index, reader.text()?, &mut self.token),
                2 => fields.put(index, reader.text()?, &mut self.send_id),
                3 => fields.put(index, reader.text()?, &mut self.operation_id),
                4 => fields.put(index, reader.integer()?, &mut self.msg_incr),
                _ => {
                    let got = self.read_data(&mut reader)?;
                    fields.put(index, got, &mut self.data);
                }
            }
        }
        reader.finish()?;
        Ok(fields
            .wrong()
            .next()
            .map(|name| format!("{name} has the wrong type or is out of range")))
    }

    /// Reads the body of a send on the way, where the client has said before that it is one: this saves
    /// a second look at most of the bytes.
    fn read_data(&mut self, reader: &mut Reader<'a>) -> Result<Got<&'a [u8]>, SyntaxError> {
        let start = reader.start_of_value()?;
        self.send = None;
        let got = if self.req_identifier == Some(SEND) {
            send::read_object(reader, self.send.insert(send::Draft::default()))?
        } else {
            reader.skip_object()?
        };
        if got == Got::Null {
            // Unlike the other members, a later null takes the body away again.
            self.data = None;
        }
        Ok(match got {
            Got::Value(()) => Got::Value(reader.since(start)),
            Got::Null => Got::Null,
            Got::Wrong => Got::Wrong,
        })
    }

    fn complete(self) -> Result<Envelope<'a>, EnvelopeError> {
        let mut violations = Violations::default();
        let mut require = |present: bool, field: &str| {
            if !present {
                violations.push("Req", field, "required");
            }
        };
        let filled =
            |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| !text.is_empty());
        require(self.req_identifier.is_some_and(|number| number != 0), "ReqIdentifier");
        require(filled(&self.token), "Token");
        require(filled(&self.send_id), "SendID");
        require(filled(&self.operation_id), "OperationID");
        require(self.msg_incr.is_some_and(|number| number != 0), "MsgIncr");
        if let Some(text) = violations.into_text() {
            return Err(self.refused(ErrCode::BadEnvelope, text));
        }
        if self.operation_id.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
            let mut violations = Violations::default();
            violations.push("Req", "OperationID", "max");
            let text = violations.into_text().unwrap_or_default();
            return Err(self.refused(ErrCode::DataMissing, text));
        }
        Ok(Envelope {
            req_identifier: self.req_identifier.unwrap_or_default(),
            token: self.token.unwrap_or_default(),
            send_id: self.send_id.unwrap_or_default(),
            operation_id: self.operation_id.unwrap_or_default(),
            msg_incr: self.msg_incr.unwrap_or_default(),
            data: self.data.map(|text| Data { text, send: self.send }),
        })
    }

    fn refused(&self, code: ErrCode, text: String) -> EnvelopeError {
        EnvelopeError {
            code,
            text,
            req_identifier: self.req_identifier.filter(|number| *number != 0),
            msg_incr: self.msg_incr.filter(|number| *number != 0),
        }
    }
}
