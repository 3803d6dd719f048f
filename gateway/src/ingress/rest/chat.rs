//! `/chat`: newest seq, pulls and sends (spec, REST 1.10, 7.9; websocket 2.7).

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::pull::pull_error;
use openim_protocol::reply::{self, TimeUnit};
use openim_protocol::rest::{self, ChatHead};
use openim_record::{Seq, UserId};

use super::answer::{self, Outcome, Refusal};
use super::bearer::Token;
use super::pull_body::PullBody;
use super::under_way::{Chunk, Held};
use crate::bus::{
    Authentic, Authenticate, Bounds, Caller, LookUp, Receipt, Refused, SendToUser, Sign, Snapshot,
};
use crate::driver::Core;
use crate::ops::credentials::credentials;
use crate::ops::newest_seq as newest;
use crate::ops::pull::{self, Asked, Begun, PullPermit, Wanted, seqs};
use crate::ops::send::{self, Carried, NotSent};

pub(super) async fn newest_seq(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_newest_seq(body)?;
    // Clients of all generations send the same here, but for how they make their trace ids.
    let sign = asked.unit_by_operation_id().map(|unit| Sign { platform: 0, unit, sure: false });
    let caller = caller(core, token, &asked, None, sign)?;
    let result = match core.at_home(Bounds { caller }).await {
        Ok(bounds) => Ok(newest::wire(bounds)),
        Err(Refused::Token) => return Err(ErrCode::ChatToken.into()),
        Err(_) => Err(newest::UNAVAILABLE),
    };
    let mut out = Vec::with_capacity(128);
    reply::newest_seq(&mut out, asked.req_identifier, asked.msg_incr, result);
    Ok(answer::json(200, out))
}

pub(super) async fn pull_msg(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_pull_msg(body)?;
    let (from, to) = seqs(asked.range);
    answer_pull(core, token, &asked.head, Wanted::Range(from, to)).await
}

pub(super) async fn pull_msg_by_seq(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_pull_msg_by_seq(body, core.settings.ids_per_call_max)?;
    // No inbox has a seq below 1.
    let wanted = asked.seqs.iter().filter_map(|&seq| u64::try_from(seq).ok().map(Seq));
    let mut seqs: Vec<Seq> = wanted.filter(|seq| seq.0 > 0).collect();
    seqs.sort_unstable();
    seqs.dedup();
    answer_pull(core, token, &asked.head, Wanted::List(seqs.into())).await
}

async fn answer_pull(
    core: &Rc<Core>,
    token: Token<'_>,
    head: &ChatHead<'_>,
    wanted: Wanted,
) -> Outcome {
    let sign = Sign { platform: 0, unit: head.time_unit, sure: true };
    let caller = caller(core, token, head, None, Some(sign))?;
    let uid = caller.uid.clone();
    let (req, incr) = (head.req_identifier, head.msg_incr);
    let failed = |text: &str| {
        core.metrics.pulls_refused.add(1);
        let mut out = Vec::new();
        pull_error(&mut out, req, incr, ErrCode::PullFailed, text);
        Refusal::from(answer::json(200, out))
    };
    let again = caller.clone();
    let (from, to) = match &wanted {
        Wanted::Range(from, to) => (*from, *to),
        // An empty list wants nothing, like a range that ends before it begins.
        Wanted::List(seqs) => {
            (seqs.first().copied().unwrap_or(Seq(1)), seqs.last().copied().unwrap_or_default())
        }
    };
    core.trace(uid.as_str(), "pull", || format!("from={} to={}", from.0, to.0));
    let snapshot = core.at_home(LookUp { caller, from, to }).await;
    let Snapshot { from, to, .. } = snapshot.map_err(|why| match why {
        Refused::Token => ErrCode::ChatToken.into(),
        _ => failed(ErrCode::PullFailed.text()),
    })?;
    let (wanted, messages) = match wanted {
        Wanted::Range(..) => (Wanted::Range(from, to), to.0.saturating_sub(from.0)),
        Wanted::List(seqs) => {
            let there: Rc<[Seq]> =
                seqs.iter().copied().filter(|seq| (from..=to).contains(seq)).collect();
            let messages = there.len() as u64;
            (Wanted::List(there), messages)
        }
    };
    let permit = PullPermit::take_patiently(core, &uid, messages).await;
    let permit = permit.map_err(|error| failed(error.text()))?;
    let unit = time_unit(core, head);
    let asked = Asked { owner: uid, caller: Some(again.clone()), unit, req, incr };
    let Some(held) = Held::first_page(core).await else {
        return Err(failed(ErrCode::PullFailed.text()));
    };
    // The first part decides the answer: until it is there, an error can still be told.
    let begun = pull::begin(core, asked, wanted.clone(), permit).await;
    Ok(match begun.map_err(|error| failed(error.text()))? {
        Begun::Whole(text) => {
            core.note_pull(&again, &wanted);
            answer::page(Chunk::of_page(text, held))
        }
        Begun::Long { parts, text, permit } => {
            let first = Chunk::of_page(text, held);
            answer::parts(PullBody::new(core, (again, wanted), *parts, first, permit))
        }
    })
}

pub(super) async fn send_msg(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_send_msg(body, core.settings.ids_per_call_max)?;
    let head = &asked.head;
    // A number that names no platform is not a token's either.
    let platform = u8::try_from(asked.body.platform_id).unwrap_or(0);
    let sign = Sign { platform, unit: head.time_unit, sure: true };
    let caller = caller(core, token, head, Some(platform), Some(sign))?;
    let (req, incr) = (head.req_identifier, head.msg_incr);
    let client_msg_id = asked.body.client_msg_id.clone();
    let refused = |why: NotSent| -> Refusal {
        let code = why.code();
        if code == ErrCode::ChatToken {
            return code.into();
        }
        core.trace_refused(&head.send_id, &client_msg_id, code);
        let mut out = Vec::new();
        why.write(&mut out, req, incr);
        answer::json(code.http_status(), out).into()
    };
    if let Some(code) = send::refused_by_rule(core, &head.send_id, &asked.body) {
        return Err(refused(code.into()));
    }
    let at_once = !core.paces() && send::offered_at_once(core, &head.send_id, &asked.body);
    let carried = Carried::new(&head.send_id, platform, asked.body);
    let receipt = match at_once {
        true => {
            let draft = carried.draft;
            core.at_home(SendToUser { caller, draft }).await.map_err(send_code)
        }
        false => match core.at_home(Authenticate { caller }).await {
            Ok(Authentic { after_ns, .. }) => {
                let patience_ms = core.settings.limits.front.send_timeout_ms;
                send::carry(core, Carried { after_ns, patience_ms, ..carried }).await
            }
            Err(why) => Err(send_code(why)),
        },
    };
    let Receipt { key, send_time_ns } = receipt.map_err(refused)?;
    let time = time_unit(core, head).from_nanos(send_time_ns);
    let server_id = key.server_id(&head.send_id);
    let mut out = Vec::with_capacity(256);
    reply::receipt(&mut out, req, incr, &client_msg_id, &server_id, time);
    Ok(answer::json(200, out))
}

/// What a send is refused with.
fn send_code(why: Refused) -> NotSent {
    match why {
        Refused::Token => ErrCode::ChatToken.into(),
        _ => ErrCode::Unavailable.into(),
    }
}

/// What is configured for all, else what clients that send such a body read.
fn time_unit(core: &Core, head: &ChatHead<'_>) -> TimeUnit {
    core.settings.wire.time_unit.unwrap_or(head.time_unit)
}

/// Who calls, with what the call says of the device: the one that the body names, else the token's.
/// `platform` where the body must name that of the token (`policy.tokenPlatform`).
fn caller(
    core: &Core,
    token: Token<'_>,
    head: &ChatHead<'_>,
    platform: Option<u8>,
    sign: Option<Sign>,
) -> Result<Caller, ErrCode> {
    let credentials = credentials(core, token.text(), &head.send_id, platform);
    let credentials = credentials.ok_or(ErrCode::ChatToken)?;
    let sign = sign.map(|sign| match sign.platform {
        1..=7 => sign,
        _ => Sign { platform: credentials.platform, ..sign },
    });
    Ok(Caller { uid: UserId::new(&head.send_id), credentials, sign })
}
