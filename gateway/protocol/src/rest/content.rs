//! `/manager/send_msg`: its body, and what `content` must be for each content type (REST 7.8).
//!
//! In: an HTTP body. Out: the message with its content as the text that is stored, or what is wrong with
//! the body, with the content's types, with its values or with the content type.

use std::borrow::Cow;

use super::BindError;
use super::bind::Checks;
use super::body::{Value, body, element};
use crate::errcode::ErrCode;
use crate::json::{Got, Reader, SyntaxError};
use crate::request::valid_uid;

/// A message of a manager on behalf of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerSend<'a> {
    /// The caller's trace id; not empty.
    pub operation_id: Cow<'a, str>,
    /// The author; not empty.
    pub send_id: Cow<'a, str>,
    /// The addressee or the group; not empty.
    pub recv_id: Cow<'a, str>,
    /// Shown name of the author.
    pub sender_nick_name: Cow<'a, str>,
    /// Address of the author's picture.
    pub sender_face_url: Cow<'a, str>,
    /// Platform to show.
    pub sender_platform_id: i32,
    /// Whom to emphasise the message to.
    pub force_list: Vec<Cow<'a, str>>,
    /// The content of the message: the text of a text, the object's JSON of anything else.
    pub content: Cow<'a, str>,
    /// 101 to 105, or 110.
    pub content_type: i32,
    /// Not 0.
    pub session_type: i32,
    /// Neither numbered nor stored: options `{"history":0,"persistent":0}`.
    pub is_online_only: bool,
}

/// Why a message of a manager was refused. All of them are HTTP 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagerSendError {
    /// The body does not fit the route: errCode 400.
    #[error("{0}")]
    Body(BindError),
    /// A member of the content has the wrong type: errCode 401.
    #[error("{0}")]
    ContentMismatch(BindError),
    /// A member of the content is missing or empty: errCode 403.
    #[error("{0}")]
    ContentInvalid(BindError),
    /// Managers cannot send this content type: errCode 404.
    #[error("{}", ErrCode::ContentTypeUnknown.text())]
    ContentTypeUnknown,
}

impl ManagerSendError {
    /// The code to answer with; the text is what [`std::fmt::Display`] writes.
    #[must_use]
    pub const fn code(&self) -> ErrCode {
        match self {
            Self::Body(_) => ErrCode::Binding,
            Self::ContentMismatch(_) => ErrCode::ContentMismatch,
            Self::ContentInvalid(_) => ErrCode::ContentInvalid,
            Self::ContentTypeUnknown => ErrCode::ContentTypeUnknown,
        }
    }
}

/// An object's own text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ObjectText<'a>(Cow<'a, str>);

impl<'a> Value<'a> for ObjectText<'a> {
    fn read(reader: &mut Reader<'a>, _: usize) -> Result<Got<Self>, SyntaxError> {
        Ok(match reader.object_text()? {
            Got::Value(text) => Got::Value(Self(text)),
            Got::Null => Got::Null,
            Got::Wrong => Got::Wrong,
        })
    }
}

body! {
    struct Body<'a> {
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        send_id: Cow<'a, str> = "sendID", required;
        recv_id: Cow<'a, str> = "recvID", required;
        sender_nick_name: Cow<'a, str> = "senderNickName";
        sender_face_url: Cow<'a, str> = "senderFaceURL";
        sender_platform_id: i32 = "senderPlatformID";
        force_list: Vec<Cow<'a, str>> = "forceList", ids;
        content: ObjectText<'a> = "content", required;
        content_type: i32 = "contentType", required;
        session_type: i32 = "sessionType", required;
        is_online_only: bool = "isOnlineOnly";
    }
}

body! {
    struct Text<'a> {
        text: Cow<'a, str> = "text", required;
    }
}

element! {
    struct Image<'a> {
        uuid: Cow<'a, str> = "uuid";
        kind: Cow<'a, str> = "type", required;
        size: i64 = "size", required;
        width: i64 = "width", required;
        height: i64 = "height", required;
        url: Cow<'a, str> = "url", required;
    }
}

body! {
    struct Picture<'a> {
        source_path: Cow<'a, str> = "sourcePath";
        source_picture: Image<'a> = "sourcePicture", required;
        big_picture: Image<'a> = "bigPicture", required;
        snapshot_picture: Image<'a> = "snapshotPicture", required;
    }
}

body! {
    struct Voice<'a> {
        uuid: Cow<'a, str> = "uuid";
        sound_path: Cow<'a, str> = "soundPath";
        source_url: Cow<'a, str> = "sourceUrl";
        data_size: i64 = "dataSize";
        duration: i64 = "duration";
    }
}

body! {
    struct Video<'a> {
        video_path: Cow<'a, str> = "videoPath";
        video_uuid: Cow<'a, str> = "videoUUID";
        video_url: Cow<'a, str> = "videoUrl";
        video_type: Cow<'a, str> = "videoType";
        video_size: i64 = "videoSize";
        duration: i64 = "duration";
        snapshot_path: Cow<'a, str> = "snapshotPath";
        snapshot_uuid: Cow<'a, str> = "snapshotUUID";
        snapshot_url: Cow<'a, str> = "snapshotUrl";
        snapshot_size: i64 = "snapshotSize";
        snapshot_width: i64 = "snapshotWidth";
        snapshot_height: i64 = "snapshotHeight";
    }
}

body! {
    struct File<'a> {
        file_path: Cow<'a, str> = "filePath";
        uuid: Cow<'a, str> = "uuid";
        source_url: Cow<'a, str> = "sourceUrl";
        file_name: Cow<'a, str> = "fileName";
        file_size: i64 = "fileSize";
    }
}

body! {
    struct Custom<'a> {
        data: Cow<'a, str> = "data", required;
        description: Cow<'a, str> = "description";
        extension: Cow<'a, str> = "extension";
    }
}

/// Reads the body of `/manager/send_msg`, with at most `ids_max` uids to emphasise it to.
///
/// # Errors
/// [`ManagerSendError`].
pub fn decode_manager_send_msg(
    body: &[u8],
    ids_max: usize,
) -> Result<ManagerSend<'_>, ManagerSendError> {
    let read = Body::read(body, "paramsManagementSendMsg", ids_max);
    let body = read.flatten().map_err(ManagerSendError::Body)?;
    // Whether they exist is not asked; what can be nobody gets no inbox.
    let mut checks = Checks::new("paramsManagementSendMsg");
    checks.require(valid_uid(&body.send_id), "SendID", "uid");
    checks.require(valid_uid(&body.recv_id), "RecvID", "uid");
    checks.finish().map_err(ManagerSendError::Body)?;
    let content = match body.content.0 {
        Cow::Borrowed(content) => of_type(body.content_type, content)?,
        Cow::Owned(content) => Cow::Owned(of_type(body.content_type, &content)?.into_owned()),
    };
    Ok(ManagerSend {
        operation_id: body.operation_id,
        send_id: body.send_id,
        recv_id: body.recv_id,
        sender_nick_name: body.sender_nick_name,
        sender_face_url: body.sender_face_url,
        sender_platform_id: body.sender_platform_id,
        force_list: body.force_list,
        content,
        content_type: body.content_type,
        session_type: body.session_type,
        is_online_only: body.is_online_only,
    })
}

/// The content of the message that an object of this content type makes.
fn of_type(content_type: i32, object: &str) -> Result<Cow<'_, str>, ManagerSendError> {
    let text = object.as_bytes();
    match content_type {
        101 => return checked(Text::read(text, "TextElem", 0)).map(|text| text.text),
        102 => checked(Picture::read(text, "PictureElem", 0)).map(drop)?,
        103 => checked(Voice::read(text, "SoundElem", 0)).map(drop)?,
        104 => checked(Video::read(text, "VideoElem", 0)).map(drop)?,
        105 => checked(File::read(text, "FileElem", 0)).map(drop)?,
        110 => checked(Custom::read(text, "CustomElem", 0)).map(drop)?,
        _ => return Err(ManagerSendError::ContentTypeUnknown),
    }
    Ok(Cow::Borrowed(object))
}

fn checked<T>(read: Result<Result<T, BindError>, BindError>) -> Result<T, ManagerSendError> {
    read.map_err(ManagerSendError::ContentMismatch)?.map_err(ManagerSendError::ContentInvalid)
}
