//! `/conversation`: how a user wants to receive each conversation's messages (spec, REST 7.9).

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{
    self, ConversationOption, ListKey, ListWriter, TEXT_CHARS_MAX, list_error,
};
use openim_record::UserId;
use openim_storage::port::PreferenceChange;

use super::answer::{self, Outcome, Refusal, unavailable};
use super::bearer::{Denied, Token};
use super::pages::{Cursor, PAGE, Source, list, once};
use crate::bus::{OptionSet, Refused};
use crate::driver::Core;
use crate::ops::options;

async fn me(core: &Rc<Core>, token: Token<'_>) -> Result<UserId, Refusal> {
    token.bearer(core).await.map(|me| me.uid).map_err(|denied| match denied {
        Denied::Unavailable => unavailable(denied),
        Denied::Token(_) => {
            let text = format!("{}, {}", ErrCode::RouteToken.text(), denied.text());
            answer::error(ErrCode::RouteToken, &text).into()
        }
    })
}

fn failed(code: ErrCode) -> Refusal {
    let mut out = Vec::new();
    list_error(&mut out, ListKey::Data, code, code.text());
    answer::json(code.http_status(), out).into()
}

pub(super) async fn set_receive_message_opt(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    let read = rest::decode_set_receive_message_opt(body, core.settings.ids_per_call_max);
    let (asked, me) = (read?, me(core, token).await?);
    let named = |id: &std::borrow::Cow<'_, str>| id.chars().count() <= TEXT_CHARS_MAX;
    if !asked.conversation_id_list.iter().all(named) {
        return Err(failed(ErrCode::ConversationsFull));
    }
    let changes: Vec<PreferenceChange> = asked
        .conversation_id_list
        .iter()
        .map(|conversation| PreferenceChange {
            user: me.clone(),
            conversation: conversation.clone().into_owned(),
            option: asked.option,
        })
        .collect();
    let set = options::set(core, changes).await.map_err(|_| failed(ErrCode::ConversationStore))?;
    for (outcome, code) in
        [(OptionSet::Full, ErrCode::ConversationsFull), (OptionSet::Crowded, ErrCode::UnwantedFull)]
    {
        if set.contains(&outcome) {
            return Err(failed(code));
        }
    }
    let mut out = Vec::new();
    let mut list = ListWriter::begin(&mut out, ListKey::Data);
    for conversation_id in &asked.conversation_id_list {
        list.element(&mut out, &ConversationOption { conversation_id, result: 0 });
    }
    list.end(&mut out, ErrCode::Ok, "");
    Ok(answer::json(200, out))
}

pub(super) async fn get_receive_message_opt(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    let read = rest::decode_get_receive_message_opt(body, core.settings.ids_per_call_max);
    let (asked, me) = (read?, me(core, token).await?);
    let conversations = once(asked.conversation_id_list.iter().map(|id| id.clone().into_owned()));
    let named = conversations.clone();
    let read = core.query(async move |sources| sources.preferences.get(&me, &named).await).await;
    let options = read.map_err(|_| failed(ErrCode::ConversationStore))?;
    let mut out = Vec::new();
    let mut list = ListWriter::begin(&mut out, ListKey::Data);
    for (conversation_id, result) in conversations.iter().zip(options) {
        list.element(&mut out, &ConversationOption { conversation_id, result });
    }
    list.end(&mut out, ErrCode::Ok, "");
    Ok(answer::json(200, out))
}

pub(super) async fn get_all_conversation_message_opt(
    core: &Rc<Core>,
    token: Token<'_>,
    body: &[u8],
) -> Outcome {
    rest::decode_get_all_conversation_message_opt(body)?;
    let me = me(core, token).await?;
    let source = Options { me, cursor: Cursor::new(ListKey::Data) };
    list(core, source, |_| failed(ErrCode::ConversationStore)).await
}

struct Options {
    me: UserId,
    cursor: Cursor<String>,
}

impl Source for Options {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let (me, after) = (self.me.clone(), self.cursor.after.clone());
        let rows = core
            .query(async move |sources| sources.preferences.all(&me, after.as_deref(), PAGE).await)
            .await?;
        let mut writer = self.cursor.writer(out);
        for (conversation_id, result) in &rows {
            writer.element(out, &ConversationOption { conversation_id, result: *result });
        }
        let full = rows.len() == PAGE;
        let last = rows.into_iter().next_back().map(|(conversation_id, _)| conversation_id);
        Ok(self.cursor.turn(writer, out, full, last))
    }
}
