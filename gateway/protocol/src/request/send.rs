//! A message to send: the `data` of 1003 (spec 2.6), the body of `/chat/send_msg` (REST 7.9), and the switches in `options` of
//! both (4.4).

use std::borrow::Cow;

use openim_record::{Message, Switches};

use super::{Data, DataError, ID_BYTES_MAX, SEND, Violations, valid_uid};
use crate::errcode::ErrCode;
use crate::json::{Fields, Got, Nulls, Reader, SyntaxError, keys};
use crate::rest::bind::{Checks, bind, bind_object, sound};
use crate::rest::{BindError, ChatHead, HeadDraft};

/// The session type of a message to one user.
const SESSION_SINGLE: i32 = 1;

/// A message as a client gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendBody<'a> {
    /// The device's platform by its own account.
    pub platform_id: i32,
    /// 1 single, 2 group; others are for the caller to refuse.
    pub session_type: i32,
    /// 100 user, 200 system; a client can claim either.
    pub msg_from: i32,
    /// Opaque but for a few numbers.
    pub content_type: i32,
    /// The uid or the group id.
    pub recv_id: Cow<'a, str>,
    /// Whom to emphasise the message to, in groups.
    pub force_list: Vec<Cow<'a, str>>,
    /// Opaque text.
    pub content: Cow<'a, str>,
    /// What is to be done with the message.
    pub switches: Switches,
    /// The client's own id of the message.
    pub client_msg_id: Cow<'a, str>,
    /// A JSON object as text, carried through.
    pub offline_info: Cow<'a, str>,
    /// Empty if the client gave none.
    pub sender_nick_name: Cow<'a, str>,
    /// Empty if the client gave none.
    pub sender_face_url: Cow<'a, str>,
}

impl SendBody<'_> {
    /// The message that `send_id` sends by it, of which links on `origin_platform` get no copy.
    #[must_use]
    pub fn message<'a>(&'a self, send_id: &'a str, origin_platform: u8) -> Message<'a> {
        Message {
            switches: self.switches,
            origin_platform,
            msg_from: self.msg_from,
            content_type: self.content_type,
            session_type: self.session_type,
            sender_platform_id: self.platform_id,
            send_id,
            recv_id: &self.recv_id,
            client_msg_id: &self.client_msg_id,
            sender_nick_name: &self.sender_nick_name,
            sender_face_url: &self.sender_face_url,
            offline_info: &self.offline_info,
            content: &self.content,
            ..Message::BLANK
        }
    }
}

keys! {
    FIELDS =
    0: "platformID",
    1: "sessionType",
    2: "msgFrom",
    3: "contentType",
    4: "recvID",
    5: "forceList",
    6: "content",
    7: "options",
    8: "clientMsgID",
    9: "offlineInfo",
    10: "senderNickName",
    11: "senderFaceUrl",
    12: "ext",
}

/// A body whose syntax is sound, before anything else is asked of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft<'a> {
    platform_id: Option<i32>,
    session_type: Option<i32>,
    msg_from: Option<i32>,
    content_type: Option<i32>,
    recv_id: Option<Cow<'a, str>>,
    force_list: Option<Vec<Cow<'a, str>>>,
    content: Option<Cow<'a, str>>,
    switches: Option<Switches>,
    client_msg_id: Option<Cow<'a, str>>,
    offline_info: Option<Cow<'a, str>>,
    sender_nick_name: Option<Cow<'a, str>>,
    sender_face_url: Option<Cow<'a, str>>,
    /// What 203 is to be answered with.
    wrong: Option<DataError>,
}

/// Reads the body of a send.
///
/// # Errors
/// 203 if a value has the wrong type or does not fit 32 bits, 204 if a required one is missing, empty or
/// 0, or if the receiver of a single chat can be no uid.
pub fn decode_send(data: Option<Data<'_>>) -> Result<SendBody<'_>, DataError> {
    match data {
        None => Draft::default().complete(),
        Some(Data { send: Some(draft), .. }) => draft.complete(),
        Some(Data { text, send: None }) => {
            let mut draft = Draft::default();
            let read = read_object(&mut Reader::new(text), &mut draft);
            read.map_err(DataError::of_syntax)?;
            draft.complete()
        }
    }
}

/// Reads an object under the cursor into `draft`, in place because it is large.
pub(super) fn read_object<'a>(
    reader: &mut Reader<'a>,
    draft: &mut Draft<'a>,
) -> Result<Got<()>, SyntaxError> {
    let got = reader.enter_object()?;
    if got != Got::Value(()) {
        return Ok(got);
    }
    let mut fields = Fields::new(&FIELDS, Nulls::Unset);
    let mut first = true;
    while reader.next_member(first)? {
        first = false;
        match fields.find_exact_first(reader.key()) {
            Some(index) => draft.read_member(index, reader, &mut fields)?,
            None => reader.skip_value()?,
        }
    }
    draft.wrong = DataError::wrong_types(fields.wrong());
    Ok(got)
}

impl<'a> Draft<'a> {
    fn read_member(
        &mut self,
        index: usize,
        reader: &mut Reader<'a>,
        fields: &mut Fields,
    ) -> Result<(), SyntaxError> {
        match index {
            0 => fields.put(index, reader.lenient_integer()?, &mut self.platform_id),
            1 => fields.put(index, reader.lenient_integer()?, &mut self.session_type),
            2 => fields.put(index, reader.lenient_integer()?, &mut self.msg_from),
            3 => fields.put(index, reader.lenient_integer()?, &mut self.content_type),
            4 => fields.put(index, reader.text()?, &mut self.recv_id),
            5 => fields.put(index, reader.texts()?, &mut self.force_list),
            6 => fields.put(index, reader.text()?, &mut self.content),
            7 => fields.put(index, read_switches(reader)?, &mut self.switches),
            8 => fields.put(index, reader.text()?, &mut self.client_msg_id),
            9 => fields.put(index, reader.object_text()?, &mut self.offline_info),
            10 => fields.put(index, reader.text()?, &mut self.sender_nick_name),
            11 => fields.put(index, reader.text()?, &mut self.sender_face_url),
            // `ext` has no use, but must be what it says.
            _ => fields.put(index, reader.skip_object()?, &mut None),
        }
        Ok(())
    }

    fn complete(self) -> Result<SendBody<'a>, DataError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let mut violations = Violations::default();
        let mut require = |present: bool, field: &str| {
            if !present {
                violations.push("MsgData", field, "required");
            }
        };
        let number = |value: Option<i32>| value.is_some_and(|value| value != 0);
        let filled =
            |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| !text.is_empty());
        require(number(self.platform_id), "PlatformID");
        require(number(self.session_type), "SessionType");
        require(number(self.msg_from), "MsgFrom");
        require(number(self.content_type), "ContentType");
        require(filled(&self.recv_id), "RecvID");
        require(self.force_list.is_some(), "ForceList");
        require(filled(&self.content), "Content");
        require(self.switches.is_some(), "Options");
        require(filled(&self.client_msg_id), "ClientMsgID");
        require(self.offline_info.is_some(), "OfflineInfo");
        if self.client_msg_id.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
            violations.push("MsgData", "ClientMsgID", "max");
        }
        if self.session_type == Some(SESSION_SINGLE)
            && self.recv_id.as_ref().is_some_and(|uid| !uid.is_empty() && !valid_uid(uid))
        {
            violations.push("MsgData", "RecvID", "uid");
        }
        if let Some(text) = violations.into_text() {
            return Err(DataError { code: ErrCode::DataMissing, text });
        }
        Ok(SendBody {
            platform_id: self.platform_id.unwrap_or_default(),
            session_type: self.session_type.unwrap_or_default(),
            msg_from: self.msg_from.unwrap_or_default(),
            content_type: self.content_type.unwrap_or_default(),
            recv_id: self.recv_id.unwrap_or_default(),
            force_list: self.force_list.unwrap_or_default(),
            content: self.content.unwrap_or_default(),
            switches: self.switches.unwrap_or_default(),
            client_msg_id: self.client_msg_id.unwrap_or_default(),
            offline_info: self.offline_info.unwrap_or_default(),
            sender_nick_name: self.sender_nick_name.unwrap_or_default(),
            sender_face_url: self.sender_face_url.unwrap_or_default(),
        })
    }
}

/// Reads an `options` object: a switch is on iff its key is absent or its value is the integer 1.
fn read_switches(reader: &mut Reader<'_>) -> Result<Got<Switches>, SyntaxError> {
    match reader.enter_object()? {
        Got::Value(()) => {}
        Got::Null => return Ok(Got::Null),
        Got::Wrong => return Ok(Got::Wrong),
    }
    let mut switches = Switches::default();
    let mut first = true;
    while reader.next_member(first)? {
        first = false;
        let switch = match &*reader.key().resolve() {
            b"history" => &mut switches.history,
            b"persistent" => &mut switches.persistent,
            b"senderSync" => &mut switches.sender_sync,
            b"offlinePush" => &mut switches.offline_push,
            _ => {
                reader.skip_value()?;
                continue;
            }
        };
        *switch = reader.integer()? == Got::Value(1i64);
    }
    Ok(Got::Value(switches))
}

// --- over REST -------------------------------------------------------------------------------------

/// A call of `/chat/send_msg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestSend<'a> {
    /// Who asks.
    pub head: ChatHead<'a>,
    /// The message. What a client may leave out: `platform_id` 0, `msg_from` 100, an empty `force_list`,
    /// all switches on, `offline_info` `{}`.
    pub body: SendBody<'a>,
}

/// `msgFrom` of users.
const FROM_USER: i32 = 100;

#[derive(Default)]
struct SendDraft<'a> {
    head: HeadDraft<'a>,
    platform_id: Option<i32>,
    sender_nick_name: Option<Cow<'a, str>>,
    sender_face_url: Option<Cow<'a, str>>,
    session_type: Option<i32>,
    msg_from: Option<i32>,
    content_type: Option<i32>,
    recv_id: Option<Cow<'a, str>>,
    force_list: Option<Vec<Cow<'a, str>>>,
    content: Option<Cow<'a, str>>,
    switches: Option<Switches>,
    offline_info: Option<Cow<'a, str>>,
    client_msg_id: Option<Cow<'a, str>>,
}

keys! {
    SEND_FIELDS =
    0: "reqIdentifier",
    1: "msgIncr",
    2: "sendID",
    3: "operationID",
    4: "platformID",
    5: "senderNickName",
    6: "senderFaceUrl",
    7: "data",
}
keys! {
    SEND_DATA_FIELDS =
    0: "sessionType",
    1: "msgFrom",
    2: "contentType",
    3: "recvID",
    4: "forceList",
    5: "content",
    6: "options",
    7: "clientMsgID",
    8: "offlineInfo",
    9: "ext",
}

/// Reads the body of `/chat/send_msg`, with at most `ids_max` uids to emphasise it to.
///
/// # Errors
/// Without `sendID`, `operationID`, `recvID`, `content`, `contentType`, `sessionType` or `clientMsgID`;
/// with a wrong type; with a receiver of a single chat that can be no uid.
pub fn decode_send_msg(body: &[u8], ids_max: usize) -> Result<RestSend<'_>, BindError> {
    let mut draft = SendDraft::default();
    bind(body, &SEND_FIELDS, |index, reader, fields| {
        match index {
            0..=3 => draft.head.member(index, reader, fields)?,
            4 => fields.put(index, reader.integer()?, &mut draft.platform_id),
            5 => fields.put(index, reader.text()?, &mut draft.sender_nick_name),
            6 => fields.put(index, reader.text()?, &mut draft.sender_face_url),
            _ => {
                let mut inner = Fields::new(&SEND_DATA_FIELDS, Nulls::Keep);
                let got = bind_object(reader, &mut inner, |index, reader, fields| {
                    draft.data_member(index, reader, fields)
                })?;
                fields.put(index, sound(got, &inner), &mut None);
            }
        }
        Ok(())
    })?;
    draft.complete(ids_max)
}

impl<'a> SendDraft<'a> {
    fn data_member(
        &mut self,
        index: usize,
        reader: &mut Reader<'a>,
        fields: &mut Fields,
    ) -> Result<(), SyntaxError> {
        match index {
            0 => fields.put(index, reader.integer()?, &mut self.session_type),
            1 => fields.put(index, reader.integer()?, &mut self.msg_from),
            2 => fields.put(index, reader.integer()?, &mut self.content_type),
            3 => fields.put(index, reader.text()?, &mut self.recv_id),
            4 => fields.put(index, reader.texts()?, &mut self.force_list),
            5 => fields.put(index, reader.text()?, &mut self.content),
            6 => fields.put(index, read_switches(reader)?, &mut self.switches),
            7 => fields.put(index, reader.text()?, &mut self.client_msg_id),
            8 => fields.put(index, reader.object_text()?, &mut self.offline_info),
            // `ext` has no use, but must be what it says.
            _ => fields.put(index, reader.skip_object()?, &mut None),
        }
        Ok(())
    }

    fn complete(self, ids_max: usize) -> Result<RestSend<'a>, BindError> {
        let mut checks = Checks::new("paramsUserSendMsg");
        self.head.check(&mut checks);
        let number = |value: Option<i32>| value.is_some_and(|value| value != 0);
        checks.require(number(self.session_type), "SessionType", "required");
        checks.require(number(self.content_type), "ContentType", "required");
        checks.required(&self.recv_id, "RecvID");
        checks.required(&self.content, "Content");
        checks.required(&self.client_msg_id, "ClientMsgID");
        checks.id_max(&self.client_msg_id, "ClientMsgID");
        let no_uid = self.session_type == Some(SESSION_SINGLE)
            && self.recv_id.as_ref().is_some_and(|uid| !uid.is_empty() && !valid_uid(uid));
        checks.require(!no_uid, "RecvID", "uid");
        checks.max(&self.force_list, "ForceList", ids_max);
        checks.finish()?;
        Ok(RestSend {
            head: self.head.complete(SEND, self.sender_nick_name.is_some()),
            body: SendBody {
                platform_id: self.platform_id.unwrap_or_default(),
                session_type: self.session_type.unwrap_or_default(),
                msg_from: self.msg_from.filter(|from| *from != 0).unwrap_or(FROM_USER),
                content_type: self.content_type.unwrap_or_default(),
                recv_id: self.recv_id.unwrap_or_default(),
                force_list: self.force_list.unwrap_or_default(),
                content: self.content.unwrap_or_default(),
                switches: self.switches.unwrap_or_default(),
                client_msg_id: self.client_msg_id.unwrap_or_default(),
                offline_info: self.offline_info.unwrap_or(Cow::Borrowed("{}")),
                sender_nick_name: self.sender_nick_name.unwrap_or_default(),
                sender_face_url: self.sender_face_url.unwrap_or_default(),
            },
        })
    }
}
