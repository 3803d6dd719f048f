//! A websocket message becomes a request: rate, decode, authenticate, dispatch (spec, websocket 2.3).

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::reply;
use openim_protocol::request::{self, Envelope};
use openim_shard::{Admission, LinkId, Now};

use super::credentials::{credentials, refused_token};
use super::{Next, newest_seq, pull, send};
use crate::driver::Core;
use crate::metrics::RequestKind;

/// Handles one message of a link. One that was offered before and passed its rate then is `counted`.
pub(crate) fn request(
    core: &Rc<Core>,
    id: LinkId,
    payload: &[u8],
    counted: bool,
    now: Now,
) -> Next {
    if !counted && let Err(ms) = core.shard.borrow_mut().frame_allowed(id, now) {
        core.metrics.rate_limited.add(1);
        return Next::Pause { ms };
    }
    let envelope = match request::decode(payload) {
        Ok(envelope) => envelope,
        Err(error) => {
            if !counted && is_of_v1(payload) {
                note_v1(core, id);
            }
            return refuse(core, id, error.code, &error.text, error.req_identifier, error.msg_incr);
        }
    };
    if !authentic(core, id, &envelope, now) {
        let address = core.io.borrow_mut().link(id).and_then(|link| link.stream.peer_addr().ok());
        let from = address.map(|address| address.ip().to_canonical());
        refused_token(core, &envelope.send_id, from, "of a frame");
        let code = ErrCode::TokenRefused;
        let (req, incr) = (Some(envelope.req_identifier), Some(envelope.msg_incr));
        return refuse(core, id, code, code.text(), req, incr);
    }
    tracing::debug!(
        operationID = ?envelope.operation_id,
        sender = ?envelope.send_id,
        request = envelope.req_identifier,
        "request"
    );
    match envelope.req_identifier {
        request::NEWEST_SEQ => newest_seq::on_link(core, id, &envelope, now),
        request::PULL => pull::on_link(core, id, envelope, now),
        request::SEND => send::on_link(core, id, envelope, now),
        // The original answers nothing to what it does not know, and neither do we.
        other => {
            tracing::debug!(operationID = ?envelope.operation_id, request = other, "unknown request");
            core.metrics.requests.of(RequestKind::Bad).add(1);
            Next::Done
        }
    }
}

/// Whether a message that is no JSON is a frame of the clients v1.0.x: gob, which begins with the names of
/// its fields.
fn is_of_v1(payload: &[u8]) -> bool {
    const NAME: &[u8] = b"ReqIdentifier";
    let head = payload.get(..128).unwrap_or(payload);
    !payload.starts_with(b"{") && head.windows(NAME.len()).any(|part| part == NAME)
}

/// Counts such a frame, and says once a link what will not work there.
fn note_v1(core: &Core, id: LinkId) {
    core.metrics.gob_frames.add(1);
    let mut io = core.io.borrow_mut();
    let Some(link) = io.link(id).filter(|link| !link.spoke_gob) else { return };
    link.spoke_gob = true;
    let shard = core.shard.borrow();
    let uid = shard.front().uid(id).map(|uid| uid.as_str());
    tracing::info!(
        uid,
        "a client of v1.0.x speaks gob, which is not served: its frames are answered with an error in JSON"
    );
}

/// The frame's token must be the link's, or another good one of the same user, and so must its
/// `sendID`. Once verified a token costs one digest a frame.
fn authentic(core: &Core, id: LinkId, envelope: &Envelope<'_>, now: Now) -> bool {
    let digest = core.keys.digest(&envelope.token);
    let mut shard = core.shard.borrow_mut();
    let Some(uid) = shard.front().uid(id) else { return false };
    if uid.as_str() != envelope.send_id {
        return false;
    }
    let Some(held) = shard.front().credentials(id) else { return false };
    if held.frame == digest {
        return held.expires_at > now.trusted_s();
    }
    let platform = shard.front().platform(id);
    let Some(fresh) = credentials(core, &envelope.token, &envelope.send_id, platform) else {
        return false;
    };
    // The user's newest tokens stay in memory as long as a link is open.
    if shard.front().admits(&envelope.send_id, &fresh, now.trusted_s()) != Some(true) {
        return false;
    }
    shard.renew(id, fresh);
    true
}

/// A short error, in its turn.
fn refuse(
    core: &Core,
    id: LinkId,
    code: ErrCode,
    text: &str,
    req_identifier: Option<i32>,
    msg_incr: Option<i32>,
) -> Next {
    if core.shard.borrow_mut().in_order(id) == Admission::Hold {
        return Next::Hold;
    }
    core.metrics.requests.of(RequestKind::Bad).add(1);
    tracing::debug!(code = code.number(), ?text, "request refused");
    core.io
        .borrow_mut()
        .text(id, |out| reply::error_short(out, code, text, req_identifier, msg_incr));
    Next::Done
}
