//! `/chat/newest_seq`, `/chat/pull_msg` and `/chat/send_msg` (spec, REST 1.10; websocket 2.7).

use std::rc::Rc;

use hyper::Response;
use openim_protocol::errcode::ErrCode;
use openim_protocol::pull::pull_error;
use openim_protocol::reply;
use openim_protocol::rest::{self, BindError, ChatHead};
use openim_record::UserId;

use super::answer::{self, Answer};
use super::pull_body::PullBody;
use crate::bus::{self, Call, Caller, OwnedDraft, Refused};
use crate::driver::Core;
use crate::ingress::credentials;
use crate::ops::pull::{Parts, Plan, PullPermit, seqs};
use crate::ops::{newest_seq as newest, send};
use crate::phase::Stage;

pub(super) async fn newest_seq(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let asked = match rest::decode_newest_seq(body) {
        Ok(asked) => asked,
        Err(error) => return bind(&error),
    };
    let Some(caller) = caller(core, token, &asked) else {
        return answer::refused(ErrCode::ChatToken);
    };
    let result = match core.call(home(core, &asked), Call::Newest(caller)).await {
        bus::Answer::Newest(bounds) => Ok(newest::wire(bounds)),
        bus::Answer::Refused(Refused::Token) => return answer::refused(ErrCode::ChatToken),
        _ => Err(newest::UNAVAILABLE),
    };
    let mut out = Vec::with_capacity(128);
    reply::newest_seq(&mut out, asked.req_identifier, asked.msg_incr, result);
    answer::json(200, out)
}

pub(super) async fn pull_msg(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let asked = match rest::decode_pull_msg(body) {
        Ok(asked) => asked,
        Err(error) => return bind(&error),
    };
    let head = &asked.head;
    let Some(caller) = caller(core, token, head) else {
        return answer::refused(ErrCode::ChatToken);
    };
    let (from, to) = seqs(asked.range);
    let uid = caller.uid.clone();
    let (req, incr) = (head.req_identifier, head.msg_incr);
    let failed = |text: &str| {
        core.metrics.pulls_refused.add(1);
        let mut out = Vec::new();
        pull_error(&mut out, req, incr, ErrCode::PullFailed, text);
        answer::json(200, out)
    };
    let again = caller.clone();
    let (from, to, recent) =
        match core.call(home(core, head), Call::Snapshot { caller, from, to }).await {
            bus::Answer::Snapshot { from, to, recent } => (from, to, recent),
            bus::Answer::Refused(Refused::Token) => return answer::refused(ErrCode::ChatToken),
            _ => return failed(ErrCode::PullFailed.text()),
        };
    let permit = loop {
        match PullPermit::take(core, &uid, from, to) {
            Some(permit) => break permit,
            // A drain waits for answers: this one would have to wait for others first.
            None if core.phase.get() >= Stage::Draining => {
                return failed(ErrCode::PullFailed.text());
            }
            None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    let unit = core.settings.wire.time_unit;
    let parts = match Plan::new(core, uid, from, to, recent, unit).await {
        Ok(plan) => Parts::new(core, plan, req, incr).await,
        Err(error) => Err(error),
    };
    let mut parts = match parts {
        Ok(parts) => parts,
        Err(error) => return failed(error.text()),
    };
    // The first part decides the answer: until it is there, an error can still be told.
    let mut first = Vec::new();
    match parts.next(core, &mut first).await {
        Ok(false) => answer::json(200, first),
        Ok(true) => answer::parts(PullBody::new(core, again, parts, first, permit)),
        Err(error) => failed(error.text()),
    }
}

pub(super) async fn send_msg(core: &Rc<Core>, token: &str, body: &[u8]) -> Response<Answer> {
    let asked = match rest::decode_send_msg(body) {
        Ok(asked) => asked,
        Err(error) => return bind(&error),
    };
    let head = &asked.head;
    let Some(caller) = caller(core, token, head) else {
        return answer::refused(ErrCode::ChatToken);
    };
    let (req, incr) = (head.req_identifier, head.msg_incr);
    let refused = |status: u16, code: ErrCode, text: &str| {
        let mut out = Vec::new();
        reply::receipt_error(&mut out, req, incr, code, text);
        answer::json(status, out)
    };
    if let Some((code, text)) = send::refused_by_rule(&asked.body) {
        return refused(200, code, text);
    }
    let platform = u8::try_from(asked.body.platform_id).unwrap_or(0);
    let draft = Box::new(owned(&head.send_id, platform, asked.body.clone()));
    match core.call(home(core, head), Call::Send { caller, draft }).await {
        bus::Answer::Receipt { key, send_time_ns } => {
            let time = core.settings.wire.time_unit.from_nanos(send_time_ns);
            let server_id = key.server_id(&head.send_id);
            let mut out = Vec::with_capacity(256);
            reply::receipt(&mut out, req, incr, &asked.body.client_msg_id, &server_id, time);
            answer::json(200, out)
        }
        bus::Answer::Refused(Refused::Token) => answer::refused(ErrCode::ChatToken),
        _ => refused(500, ErrCode::Unavailable, ErrCode::Unavailable.text()),
    }
}

fn bind(error: &BindError) -> Response<Answer> {
    answer::error(ErrCode::Binding, &error.text)
}

fn home(core: &Core, head: &ChatHead<'_>) -> u16 {
    core.home(&head.send_id)
}

fn caller(core: &Core, token: &str, head: &ChatHead<'_>) -> Option<Caller> {
    let credentials = credentials(core, token, &head.send_id)?;
    Some(Caller { uid: UserId::new(&head.send_id), credentials })
}

fn owned(
    send_id: &str,
    origin_platform: u8,
    body: openim_protocol::request::SendBody<'_>,
) -> OwnedDraft {
    OwnedDraft {
        send_id: send_id.to_owned(),
        recv_id: body.recv_id.into_owned(),
        client_msg_id: body.client_msg_id.into_owned(),
        switches: openim_record::Switches::from_bits(body.switches.to_bits()),
        origin_platform,
        msg_from: body.msg_from,
        content_type: body.content_type,
        session_type: body.session_type,
        sender_platform_id: body.platform_id,
        sender_nick_name: body.sender_nick_name.into_owned(),
        sender_face_url: body.sender_face_url.into_owned(),
        offline_info: body.offline_info.into_owned(),
        content: body.content.into_owned(),
    }
}
