//! 1003: a send (spec, websocket 2.6). The draft goes to the log; the receipt comes when it is durable.
//!
//! A plain send of a link to one user is offered to the shard at once and answered by the commit. Any
//! other (to a group, or under a rule that must ask the directory or the app's backend first) is carried by the link's own
//! task, which reads nothing more until it is answered, so that replies keep their order.

#[cfg(feature = "cluster")]
pub(super) mod alone;
mod judged;

use std::rc::Rc;
use std::time::Duration;

use openim_protocol::claim::{Claim, claim, names_another_group};
use openim_protocol::errcode::ErrCode;
use openim_protocol::request::{self, Envelope, SendBody};
use openim_protocol::{reply, tip};
use openim_record::{Draft, GroupId, Message, SESSION_GROUP, UserId, is_tip};
use openim_shard::{Admission, LinkId, Now, Origin, Shard};
use openim_storage::port::StoreError;

pub(crate) use judged::NotSent;

use super::tip::generation;
use super::{Next, authenticate};
use crate::bus::{Caller, GroupSend, Pace, Receipt, Refused, SendToGroup, Tell};
use crate::driver::{Core, Io};
use crate::metrics::RequestKind;

const SESSION_SINGLE: i32 = 1;
const FROM_SYSTEM: i32 = 200;
/// `toUserID` of a request to be in a group oneself.
const APPLICANT: &str = "0";
/// `contentType` of a tip about removed members.
pub(super) const TIP_KICKED: i32 = 509;

pub(super) fn on_link(core: &Rc<Core>, id: LinkId, mut envelope: Envelope<'_>, now: Now) -> Next {
    let body = match request::decode_send(envelope.data.take()) {
        Ok(body) => body,
        Err(error) => return refuse(core, id, &envelope, "", error.code, &error.text),
    };
    if let Some(code) = refused_by_rule(core, &envelope.send_id, &body) {
        return refuse(core, id, &envelope, &body.client_msg_id, code, code.text());
    }
    let Some(platform) = core.shard.borrow().front().platform(id) else { return Next::Over };
    if !offered_at_once(core, &envelope.send_id, &body) {
        return carry_on_link(core, id, &envelope, platform, body, now);
    }
    if let Err(ms) = core.take_send(&envelope.send_id, false) {
        return Next::Wait { ms };
    }
    let message = body.message(&envelope.send_id, platform);
    let origin = Origin::Link { id, msg_incr: envelope.msg_incr };
    let admission = core.offer(now, |shard, io| {
        match shard.ready(origin, &message.heading(), message.encoded_len(), io) {
            true => shard.offer(origin, &mut Draft::new(&message), now, io),
            false => Admission::Hold,
        }
    });
    match admission {
        Admission::Taken => {
            let (operation, client_msg_id) = (&*envelope.operation_id, &*body.client_msg_id);
            tracing::debug!(operationID = operation, client_msg_id, "send taken");
            core.metrics.requests.of(RequestKind::Send).add(1);
            Next::Done
        }
        Admission::Hold => {
            core.give_back_send(&envelope.send_id);
            core.metrics.links_held.add(1);
            Next::Hold
        }
        Admission::Refused => {
            let (code, text) = (ErrCode::Unavailable, ErrCode::Unavailable.text());
            refuse(core, id, &envelope, &body.client_msg_id, code, text)
        }
    }
}

/// Rules beyond the form of a send.
pub(crate) fn refused_by_rule(core: &Core, send_id: &str, body: &SendBody<'_>) -> Option<ErrCode> {
    match body.session_type {
        SESSION_SINGLE | SESSION_GROUP => {}
        _ => return Some(ErrCode::SessionType),
    }
    if is_too_long(core, &body.message(send_id, 0), &body.force_list) {
        return Some(ErrCode::TooLong);
    }
    let claims = core.live().rules.refuse_system && body.msg_from == FROM_SYSTEM;
    claims.then_some(ErrCode::FromSystem)
}

/// Whether a send is more than the log takes as one record, however often it is repeated.
fn is_too_long(core: &Core, message: &Message<'_>, emphasised: &[impl AsRef<str>]) -> bool {
    let named: usize = emphasised.iter().map(|uid| size_of::<u16>() + uid.as_ref().len()).sum();
    // Who is removed from a group gets the message as well, and is named once more.
    let removed = match message.is_to_group() && message.content_type == TIP_KICKED {
        true => message.content.len(),
        false => 0,
    };
    message.encoded_len() + named + removed > core.settings.send_bytes_max
}

/// What a client tells by a message; nothing that needs looking at where it may tell anything.
fn claim_of(core: &Core, message: &Message<'_>) -> Claim {
    if core.live().rules.any_tip || core.settings.is_manager(message.send_id) {
        return Claim::None;
    }
    let (kind, session) = (message.content_type, message.session_type);
    claim(kind, session, message.content, generation(core), core.settings.ids_per_call_max)
}

/// Whether it matters what the receiver of a single chat holds of its sender.
fn asks_receiver(core: &Core) -> bool {
    let live = core.live();
    let rules = live.rules;
    rules.blacklist_blocks || rules.friends_only || live.quotas.to_strangers.limits()
}

/// Whether nobody else has to be asked about a send.
pub(crate) fn offered_at_once(core: &Core, send_id: &str, body: &SendBody<'_>) -> bool {
    let asks = asks_receiver(core);
    let claims = is_tip(body.content_type);
    let at_once = body.session_type == SESSION_SINGLE && !claims;
    at_once
        && (!asks || body.recv_id == send_id)
        && !core.changing.judges(body.session_type, body.content_type)
}

/// A send that crosses threads.
pub(crate) struct Carried {
    pub(crate) draft: Draft,
    /// Members of a group to emphasise it to.
    pub(crate) emphasised: Vec<String>,
    /// The server's own, or a manager's: no rule and no membership is asked for.
    pub(crate) trusted: bool,
    /// The sender's last send time.
    pub(crate) after_ns: i64,
    /// How long it may wait because its sender sends too much.
    pub(crate) patience_ms: u64,
    /// Of a tip about removed members: whether they get it as well.
    pub(crate) to_removed: bool,
}

impl Carried {
    /// Of a client.
    pub(crate) fn new(send_id: &str, origin_platform: u8, body: SendBody<'_>) -> Self {
        let draft = Draft::new(&body.message(send_id, origin_platform));
        let emphasised = body.force_list.into_iter().map(std::borrow::Cow::into_owned).collect();
        let patience_ms = u64::MAX;
        Self { draft, emphasised, trusted: false, after_ns: 0, patience_ms, to_removed: true }
    }

    /// What it holds of memory.
    fn bytes(&self) -> usize {
        self.draft.bytes() + self.emphasised.iter().map(String::len).sum::<usize>()
    }

    /// Of the server itself.
    pub(crate) fn trusted(draft: Draft) -> Self {
        let (emphasised, trusted) = (Vec::new(), true);
        Self { draft, emphasised, trusted, after_ns: 0, patience_ms: 0, to_removed: true }
    }
}

/// Sends what somebody else must be asked about; whoever calls has verified the sender. Waits until it
/// is durable or refused.
///
/// # Errors
/// What to answer with.
pub(crate) async fn carry(core: &Rc<Core>, send: Carried) -> Result<Receipt, NotSent> {
    let Allowed { claim, removed } = allowed(core, &send).await?;
    let send = judged::judged(core, send).await?;
    let sent = if send.draft.message().is_to_group() {
        let Carried { draft, emphasised, trusted, after_ns, .. } = send;
        let send = GroupSend { draft, emphasised, removed, claim, trusted, after_ns };
        core.at_home(SendToGroup { send: Box::new(send) }).await
    } else {
        core.at_home(Tell { draft: send.draft }).await
    };
    sent.map_err(|why| code_of(why).into())
}

/// What a send is answered with that was not taken.
fn code_of(why: Refused) -> ErrCode {
    match why {
        Refused::NoPermission => ErrCode::NoPermission,
        Refused::False => ErrCode::FalseTip,
        _ => ErrCode::Unavailable,
    }
}

/// What is known of a send that may go on its way, as far as its group is not asked.
struct Allowed {
    /// What it claims, for its group to judge.
    claim: Claim,
    /// Whom it names as removed from the group, if they get it as well.
    removed: Vec<String>,
}

/// Waits until a send may go on its way, as far as its group is not asked.
async fn allowed(core: &Rc<Core>, send: &Carried) -> Result<Allowed, ErrCode> {
    let message = send.draft.message();
    if !matches!(message.session_type, SESSION_SINGLE | SESSION_GROUP) {
        return Err(ErrCode::SessionType);
    }
    if is_too_long(core, &message, &send.emphasised) {
        return Err(ErrCode::TooLong);
    }
    let claim = match send.trusted || !is_tip(message.content_type) {
        true => Claim::None,
        false => claim_of(core, &message),
    };
    if claim == Claim::Servers {
        return Err(ErrCode::ServersTip);
    }
    if claim != Claim::None
        && message.is_to_group()
        && names_another_group(message.content_type, message.content, message.recv_id)
    {
        return Err(ErrCode::FalseTip);
    }
    let mut removed = Vec::new();
    if message.is_to_group() {
        if send.to_removed {
            // One that cannot be read is refused before it counts.
            removed = removed_members(core, &message)?;
        }
        if !send.trusted {
            pace(core, send, false).await?;
        }
    } else if !send.trusted {
        let to_stranger = allowed_by_receiver(core, &message).await?;
        pace(core, send, to_stranger).await?;
        has_happened(core, &message, &claim).await?;
    }
    Ok(Allowed { claim, removed })
}

/// Whom a tip about removed members names.
fn removed_members(core: &Core, message: &Message<'_>) -> Result<Vec<String>, ErrCode> {
    if message.content_type != TIP_KICKED {
        return Ok(Vec::new());
    }
    let ids_max = core.settings.ids_per_call_max;
    tip::kicked_uids(message.content, ids_max).map_err(|_| ErrCode::KickTip)
}

/// Whether what a message tells its receiver has happened, as far as the directory knows.
async fn has_happened(core: &Core, message: &Message<'_>, claim: &Claim) -> Result<(), ErrCode> {
    if *claim == Claim::None {
        return Ok(());
    }
    let (claim, from, to) =
        (claim.clone(), UserId::new(message.send_id), UserId::new(message.recv_id));
    let happened = core.query(async move |sources| {
        let asked = async |from: &UserId, to: &UserId| -> Result<Option<i32>, StoreError> {
            Ok(sources.relations.request(from, to).await?.map(|request| request.flag))
        };
        let applied = async |group: &str, user: &UserId| {
            sources.groups.request(&GroupId::new(group), user, APPLICANT).await
        };
        Ok(match claim {
            Claim::Asked => asked(&from, &to).await?.is_some(),
            Claim::Agreed => asked(&to, &from).await? == Some(1),
            Claim::Refused => asked(&to, &from).await?.is_some_and(|flag| flag != 0 && flag != 1),
            Claim::Applied(group) => applied(&group, &from).await?.is_some(),
            Claim::TurnedDown(group) => applied(&group, &to)
                .await?
                .is_some_and(|request| request.flag < 0 && request.handled_by == from.as_str()),
            _ => false,
        })
    });
    match happened.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(ErrCode::FalseTip),
        Err(_) => Err(ErrCode::Unavailable),
    }
}

/// Waits until the sender's budget has room for the send.
async fn pace(core: &Rc<Core>, send: &Carried, to_stranger: bool) -> Result<(), ErrCode> {
    if !core.paces() {
        return Ok(());
    }
    let mut patience_ms = send.patience_ms;
    loop {
        let uid = UserId::new(send.draft.heading().send_id);
        match core.at_home(Pace { uid, to_stranger }).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(ms)) if u64::from(ms) <= patience_ms => {
                patience_ms -= u64::from(ms);
                tokio::time::sleep(Duration::from_millis(ms.into())).await;
            }
            _ => return Err(ErrCode::Unavailable),
        }
    }
}

/// The rules that ask what the receiver holds of the sender; whether they are strangers, where that matters.
async fn allowed_by_receiver(core: &Core, message: &Message<'_>) -> Result<bool, ErrCode> {
    if !asks_receiver(core) || message.recv_id == message.send_id {
        return Ok(false);
    }
    let (owner, peer) = (UserId::new(message.recv_id), UserId::new(message.send_id));
    let relations =
        core.query(async move |sources| sources.relations.relations(&owner, &[peer]).await).await;
    let relation = relations.ok().and_then(|mut found| found.pop()).ok_or(ErrCode::Unavailable)?;
    let rules = core.live().rules;
    if rules.blacklist_blocks && relation.blocked {
        return Err(ErrCode::Blocked);
    }
    if rules.friends_only && relation.friend.is_none() {
        return Err(ErrCode::NotFriends);
    }
    Ok(relation.friend.is_none())
}

fn carry_on_link(
    core: &Rc<Core>,
    id: LinkId,
    envelope: &Envelope<'_>,
    platform: u8,
    body: SendBody<'_>,
    now: Now,
) -> Next {
    if core.shard.borrow_mut().in_order(id) == Admission::Hold {
        return Next::Hold;
    }
    core.metrics.requests.of(RequestKind::Send).add(1);
    let mut send = Carried::new(&envelope.send_id, platform, body);
    let (req, incr) = (envelope.req_identifier.into(), Some(envelope.msg_incr.into()));
    {
        let mut shard = core.shard.borrow_mut();
        send.after_ns = shard.stamp(now);
        shard.unread(id, true, now);
        // A drain waits for its answer.
        shard.carrying(id, true);
    }
    let bytes = send.bytes();
    #[cfg(feature = "cluster")]
    let msg_incr = envelope.msg_incr;
    let work = Rc::clone(core);
    let carried = Box::pin(async move {
        let heading = send.draft.heading();
        let (sender, client_msg_id) =
            (heading.send_id.to_owned(), heading.client_msg_id.to_owned());
        #[cfg(feature = "cluster")]
        let outcome = match work.is_alone() {
            true => match alone::carry(&work, id, msg_incr, send).await {
                // The log has answered it.
                Ok(()) => return,
                Err(why) => Err(why),
            },
            false => carry_counted(&work, id, send).await,
        };
        #[cfg(not(feature = "cluster"))]
        let outcome = carry_counted(&work, id, send).await;
        if let Err(why) = &outcome {
            work.trace_refused(&sender, &client_msg_id, why.code());
        }
        let mut shard = work.shard.borrow_mut();
        if let Ok(Receipt { send_time_ns, .. }) = &outcome {
            shard.note_time(*send_time_ns);
        }
        drop(shard);
        let mut io = work.io.borrow_mut();
        let unit = io.unit(id);
        io.text(id, |out| match outcome {
            Ok(Receipt { key, send_time_ns }) => {
                let (server_id, time) = (key.server_id(&sender), unit.from_nanos(send_time_ns));
                reply::receipt(out, req, incr, &client_msg_id, &server_id, time);
            }
            Err(why) => why.write(out, req, incr),
        });
    });
    if let Some(link) = core.io.borrow_mut().link(id) {
        link.begin(carried, bytes);
    }
    Next::Working
}

/// Carries a send of a link, as one that is in flight.
async fn carry_counted(core: &Rc<Core>, id: LinkId, send: Carried) -> Result<Receipt, NotSent> {
    let outcome = carry(core, send).await;
    core.shard.borrow_mut().carrying(id, false);
    outcome
}

/// At home, for REST: waits until the send of a caller is durable or refused.
pub(crate) async fn call(
    core: &Rc<Core>,
    caller: Option<&Caller>,
    mut draft: Draft,
) -> Result<Receipt, Refused> {
    loop {
        // Without a caller nothing of the sender's is needed now: the inbox is numbered when the record
        // comes back.
        if let Some(caller) = caller {
            authenticate(core, caller).await?;
        }
        let offer =
            |shard: &mut Shard, io: &mut Io, origin, now| shard.send(origin, &mut draft, now, io);
        if let Some(receipt) = offer_once(core, offer).await {
            return receipt;
        }
    }
}

/// Offers a send as a call, and waits until it is durable or refused. `None`: it was held, and may be offered again.
pub(super) async fn offer_once(
    core: &Rc<Core>,
    offer: impl FnOnce(&mut Shard, &mut Io, Origin, Now) -> Admission,
) -> Option<Result<Receipt, Refused>> {
    let ticket = core.io.borrow_mut().sends.open();
    let (origin, now) = (Origin::Call(ticket as u64), core.now());
    match core.offer(now, |shard, io| offer(shard, io, origin, now)) {
        Admission::Taken => {
            core.end_turn(now);
            let sent = core.sent(ticket).await;
            let receipt = sent.map(|(key, send_time_ns)| Receipt { key, send_time_ns });
            Some(receipt.map_err(|_| Refused::Unavailable))
        }
        Admission::Hold => {
            core.io.borrow_mut().sends.cancel(ticket);
            core.room().await;
            None
        }
        Admission::Refused => {
            core.io.borrow_mut().sends.cancel(ticket);
            Some(Err(Refused::Unavailable))
        }
    }
}

fn refuse(
    core: &Core,
    id: LinkId,
    envelope: &Envelope<'_>,
    client_msg_id: &str,
    code: ErrCode,
    text: &str,
) -> Next {
    if core.shard.borrow_mut().in_order(id) == Admission::Hold {
        return Next::Hold;
    }
    core.metrics.requests.of(RequestKind::Bad).add(1);
    let (sender, operation) = (&*envelope.send_id, &*envelope.operation_id);
    tracing::debug!(operationID = operation, sender, code = code.number(), text, "send refused");
    core.trace_refused(sender, client_msg_id, code);
    let (req, incr) = (envelope.req_identifier.into(), Some(envelope.msg_incr.into()));
    core.io.borrow_mut().text(id, |out| reply::receipt_error(out, req, incr, code, text));
    Next::Done
}
