//! `/conversation`: the bodies. The text of a failed binding begins as the original's does there.

use std::borrow::Cow;

use super::BindError;
use super::body::body;

body! {
    /// An option for some conversations.
    pub struct SetReceiveMessageOpt<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// 0 receive, 1 do not, 2 receive without notification of a device that is offline.
        option: i32 = "option", given, one_of(0..=2);
        /// Which conversations: `single_<uid>` or `group_<group id>`.
        conversation_id_list: Vec<Cow<'a, str>> = "conversationIdList", required, ids;
    }
}

body! {
    /// A question for the options of some conversations.
    pub struct GetReceiveMessageOpt<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// Which conversations.
        conversation_id_list: Vec<Cow<'a, str>> = "conversationIdList", required, ids;
    }
}

body! {
    /// A question for all options of the caller.
    pub struct GetAllConversationMessageOpt<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
    }
}

/// Reads the body of `/conversation/set_receive_message_opt`, for at most `ids_max` conversations.
///
/// # Errors
/// Without a required field, with a wrong type, an unknown option or too long a list.
pub fn decode_set_receive_message_opt(
    body: &[u8],
    ids_max: usize,
) -> Result<SetReceiveMessageOpt<'_>, BindError> {
    let read = SetReceiveMessageOpt::read(body, "paramsSetReceiveMessageOpt", ids_max);
    read.flatten().map_err(announced)
}

/// Reads the body of `/conversation/get_receive_message_opt`, for at most `ids_max` conversations.
///
/// # Errors
/// Without a required field, with a wrong type or too long a list.
pub fn decode_get_receive_message_opt(
    body: &[u8],
    ids_max: usize,
) -> Result<GetReceiveMessageOpt<'_>, BindError> {
    let read = GetReceiveMessageOpt::read(body, "paramsGetReceiveMessageOpt", ids_max);
    read.flatten().map_err(announced)
}

/// Reads the body of `/conversation/get_all_conversation_message_opt`.
///
/// # Errors
/// Without a required field, or with a wrong type.
pub fn decode_get_all_conversation_message_opt(
    body: &[u8],
) -> Result<GetAllConversationMessageOpt<'_>, BindError> {
    let read = GetAllConversationMessageOpt::read(body, "paramsGetAllConversationMessageOpt", 0);
    read.flatten().map_err(announced)
}

fn announced(error: BindError) -> BindError {
    BindError { text: format!("bind json failed {}", error.text) }
}
