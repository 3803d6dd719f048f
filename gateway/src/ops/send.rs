//! 1003: a send (spec, websocket 2.6). The draft goes to the log; the receipt comes when it is durable.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::reply;
use openim_protocol::request::{self, Envelope, SendBody};
use openim_record::Switches;
use openim_shard::{Admission, Draft, LinkId, Now, Origin};

use super::{Next, authenticate};
use crate::bus::{Answer, Caller, OwnedDraft, Refused};
use crate::driver::Core;
use crate::metrics::RequestKind;

const SESSION_SINGLE: i32 = 1;

pub(super) fn on_link(core: &Rc<Core>, id: LinkId, mut envelope: Envelope<'_>, now: Now) -> Next {
    let body = match request::decode_send(envelope.data.take()) {
        Ok(body) => body,
        Err(error) => return refuse(core, id, &envelope, error.code, &error.text),
    };
    if let Some((code, text)) = refused_by_rule(&body) {
        return refuse(core, id, &envelope, code, text);
    }
    let Some(platform) = core.shard.borrow().links.platform(id) else { return Next::Over };
    let draft = draft(&envelope.send_id, platform, &body);
    let origin = Origin::Link { id, msg_incr: envelope.msg_incr };
    match core.with(|shard, io| shard.send(origin, &draft, now, io)) {
        Admission::Taken => {
            core.metrics.requests.of(RequestKind::Send).add(1);
            Next::Done
        }
        Admission::Hold => {
            core.metrics.links_held.add(1);
            Next::Hold
        }
        Admission::Refused => {
            let (code, text) = (ErrCode::Unavailable, ErrCode::Unavailable.text());
            refuse(core, id, &envelope, code, text)
        }
    }
}

/// Rules beyond the form of a send.
pub(crate) fn refused_by_rule(body: &SendBody<'_>) -> Option<(ErrCode, &'static str)> {
    match body.session_type {
        SESSION_SINGLE => None,
        2 => Some((ErrCode::DataType, "the group does not exist or the sender is not a member")),
        _ => Some((ErrCode::DataType, "unknown sessionType")),
    }
}

/// The draft that a decoded body asks for. `platform` gets no copy of it.
pub(crate) fn draft<'a>(send_id: &'a str, platform: u8, body: &'a SendBody<'_>) -> Draft<'a> {
    Draft {
        send_id,
        recv_id: &body.recv_id,
        client_msg_id: &body.client_msg_id,
        switches: Switches {
            history: body.switches.history,
            persistent: body.switches.persistent,
            sender_sync: body.switches.sender_sync,
            offline_push: body.switches.offline_push,
        },
        origin_platform: platform,
        msg_from: body.msg_from,
        content_type: body.content_type,
        session_type: body.session_type,
        sender_platform_id: body.platform_id,
        sender_nick_name: &body.sender_nick_name,
        sender_face_url: &body.sender_face_url,
        offline_info: &body.offline_info,
        content: &body.content,
    }
}

/// At home, for REST: waits until the send is durable or refused.
pub(crate) async fn call(
    core: &Rc<Core>,
    caller: &Caller,
    draft: &OwnedDraft,
) -> Result<Answer, Refused> {
    loop {
        authenticate(core, caller).await?;
        let ticket = core.io.borrow_mut().sends.open();
        let origin = Origin::Call(ticket as u64);
        let now = core.now();
        let admission = core.with(|shard, io| shard.send(origin, &draft.as_draft(), now, io));
        match admission {
            Admission::Taken => {
                core.end_turn(now);
                return match core.sent(ticket).await {
                    Ok((key, send_time_ns)) => Ok(Answer::Receipt { key, send_time_ns }),
                    Err(_) => Err(Refused::Unavailable),
                };
            }
            Admission::Hold => {
                core.io.borrow_mut().sends.cancel(ticket);
                core.room().await;
            }
            Admission::Refused => {
                core.io.borrow_mut().sends.cancel(ticket);
                return Err(Refused::Unavailable);
            }
        }
    }
}

/// Appends the reply to a send that the log did not take.
pub(crate) fn write_unavailable(out: &mut Vec<u8>, msg_incr: i32) {
    let code = ErrCode::Unavailable;
    reply::receipt_error(out, request::SEND.into(), Some(msg_incr.into()), code, code.text());
}

fn refuse(core: &Core, id: LinkId, envelope: &Envelope<'_>, code: ErrCode, text: &str) -> Next {
    if core.shard.borrow_mut().in_order(id) == Admission::Hold {
        return Next::Hold;
    }
    core.metrics.requests.of(RequestKind::Bad).add(1);
    let (req, incr) = (envelope.req_identifier.into(), Some(envelope.msg_incr.into()));
    core.io.borrow_mut().text(id, |out| reply::receipt_error(out, req, incr, code, text));
    Next::Done
}
