//! `/chat/newest_seq`, `/chat/pull_msg` and `/chat/pull_msg_by_seq`, and the head of every call of `/chat`: the union of what
//! clients of all generations send (websocket spec 2.7). `/chat/send_msg` is read where frames that send are.

use std::borrow::Cow;

use super::bind::{BindError, Checks, bind, bind_object, sound};
use crate::json::{Fields, Nulls, Reader, SyntaxError, keys};
use crate::reply::TimeUnit;
use crate::request::{NEWEST_SEQ, PULL, PULL_BY_SEQ, PullRange};

/// What the three bodies have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatHead<'a> {
    /// To be echoed; the number of the websocket twin if the client sent none.
    pub req_identifier: i64,
    /// To be echoed if it was sent; up to 63 bits.
    pub msg_incr: Option<i64>,
    /// Whose token must come with the call; not empty.
    pub send_id: Cow<'a, str>,
    /// The client's trace id; not empty.
    pub operation_id: Cow<'a, str>,
    /// The unit of times that this client reads.
    pub time_unit: TimeUnit,
}

/// Digits of the present time in seconds and in nanoseconds.
const SECONDS_DIGITS: usize = 10;
const NANOSECONDS_DIGITS: usize = 19;

impl ChatHead<'_> {
    /// The unit of times that the client reads, by the trace id that published clients make of the present
    /// time: in seconds until July 2021, in nanoseconds from then on. `None`: the id tells nothing.
    #[must_use]
    pub fn unit_by_operation_id(&self) -> Option<TimeUnit> {
        let id = self.operation_id.as_bytes();
        match id.len() {
            _ if !id.iter().all(u8::is_ascii_digit) => None,
            SECONDS_DIGITS => Some(TimeUnit::Seconds),
            NANOSECONDS_DIGITS => Some(TimeUnit::Nanoseconds),
            _ => None,
        }
    }
}

/// A call of `/chat/pull_msg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestPull<'a> {
    /// Who asks.
    pub head: ChatHead<'a>,
    /// For what. An end that was not sent is 0.
    pub range: PullRange,
}

/// A call of `/chat/pull_msg_by_seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestPullBySeq<'a> {
    /// Who asks.
    pub head: ChatHead<'a>,
    /// For which messages, in the client's order.
    pub seqs: Vec<i64>,
}

/// A head whose syntax is sound.
#[derive(Default)]
pub(crate) struct HeadDraft<'a> {
    req_identifier: Option<i64>,
    msg_incr: Option<i64>,
    send_id: Option<Cow<'a, str>>,
    operation_id: Option<Cow<'a, str>>,
}

impl<'a> HeadDraft<'a> {
    /// Stores one of the first four members of each route's list.
    pub(crate) fn member(
        &mut self,
        index: usize,
        reader: &mut Reader<'a>,
        fields: &mut Fields,
    ) -> Result<(), SyntaxError> {
        match index {
            0 => fields.put(index, reader.integer()?, &mut self.req_identifier),
            1 => fields.put(index, reader.integer()?, &mut self.msg_incr),
            2 => fields.put(index, reader.text()?, &mut self.send_id),
            _ => fields.put(index, reader.text()?, &mut self.operation_id),
        }
        Ok(())
    }

    pub(crate) fn check(&self, checks: &mut Checks) {
        checks.required(&self.send_id, "SendID");
        checks.required(&self.operation_id, "OperationID");
        checks.id_max(&self.operation_id, "OperationID");
    }

    pub(crate) fn complete(self, twin: i32, sender_named: bool) -> ChatHead<'a> {
        // A sender's name came in when times became nanoseconds, and msgIncr went away.
        let time_unit = if sender_named || self.msg_incr.is_none() {
            TimeUnit::Nanoseconds
        } else {
            TimeUnit::Seconds
        };
        ChatHead {
            req_identifier: self
                .req_identifier
                .filter(|number| *number != 0)
                .unwrap_or(twin.into()),
            msg_incr: self.msg_incr,
            send_id: self.send_id.unwrap_or_default(),
            operation_id: self.operation_id.unwrap_or_default(),
            time_unit,
        }
    }
}

/// Reads the body of `/chat/newest_seq`.
///
/// # Errors
/// Without `sendID` or `operationID`, or with a wrong type.
pub fn decode_newest_seq(body: &[u8]) -> Result<ChatHead<'_>, BindError> {
    keys! {
        FIELDS =
        0: "reqIdentifier",
        1: "msgIncr",
        2: "sendID",
        3: "operationID",
    }
    let mut head = HeadDraft::default();
    bind(body, &FIELDS, |index, reader, fields| head.member(index, reader, fields))?;
    let mut checks = Checks::new("paramsUserNewestSeq");
    head.check(&mut checks);
    checks.finish()?;
    Ok(head.complete(NEWEST_SEQ, false))
}

/// Reads the body of `/chat/pull_msg`.
///
/// # Errors
/// Without `sendID` or `operationID`, or with a wrong type.
pub fn decode_pull_msg(body: &[u8]) -> Result<RestPull<'_>, BindError> {
    keys! {
        FIELDS =
        0: "reqIdentifier",
        1: "msgIncr",
        2: "sendID",
        3: "operationID",
        4: "data",
    }
    keys! {
        DATA_FIELDS =
        0: "seqBegin",
        1: "seqEnd",
    }
    let mut head = HeadDraft::default();
    let mut begin = None;
    let mut end = None;
    bind(body, &FIELDS, |index, reader, fields| {
        if index < 4 {
            return head.member(index, reader, fields);
        }
        let mut inner = Fields::new(&DATA_FIELDS, Nulls::Keep);
        let got = bind_object(reader, &mut inner, |index, reader, fields| {
            let slot = if index == 0 { &mut begin } else { &mut end };
            fields.put(index, reader.integer()?, slot);
            Ok(())
        })?;
        fields.put(index, sound(got, &inner), &mut None);
        Ok(())
    })?;
    let mut checks = Checks::new("paramsUserPullMsg");
    head.check(&mut checks);
    checks.finish()?;
    let range = PullRange { begin: begin.unwrap_or_default(), end: end.unwrap_or_default() };
    Ok(RestPull { head: head.complete(PULL, false), range })
}

/// Reads the body of `/chat/pull_msg_by_seq`, with at most `ids_max` seqs.
///
/// # Errors
/// Without `sendID` or `operationID`, with a wrong type or too many seqs.
pub fn decode_pull_msg_by_seq(body: &[u8], ids_max: usize) -> Result<RestPullBySeq<'_>, BindError> {
    keys! {
        FIELDS =
        0: "reqIdentifier",
        1: "msgIncr",
        2: "sendID",
        3: "operationID",
        4: "seqList",
    }
    let mut head = HeadDraft::default();
    let mut seqs = None;
    bind(body, &FIELDS, |index, reader, fields| {
        if index < 4 {
            return head.member(index, reader, fields);
        }
        fields.put(index, reader.array(ids_max, Reader::integer)?, &mut seqs);
        Ok(())
    })?;
    let mut checks = Checks::with_lists("paramsUserPullMsgBySeqList", ids_max);
    head.check(&mut checks);
    checks.ids(&seqs, "SeqList");
    checks.finish()?;
    Ok(RestPullBySeq { head: head.complete(PULL_BY_SEQ, false), seqs: seqs.unwrap_or_default() })
}
