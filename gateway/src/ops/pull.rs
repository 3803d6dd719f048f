//! 1002: a range of an inbox (spec, websocket 2.5).
//!
//! The home shard says what the range holds and where the newest entries lie; readers fetch. The
//! reply is written in parts, each after the one before has left, so a pull of any length needs the
//! memory of one part. A pull never answers errCode 0 with less than the range holds.

use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use openim_protocol::errcode::ErrCode;
use openim_protocol::frame;
use openim_protocol::pull::{PullWriter, PulledMessage, pull_error};
use openim_protocol::reply::TimeUnit;
use openim_protocol::request::{self, Envelope, PullRange};
use openim_record::{Message, Position, Seq, UserId};
use openim_shard::{Admission, LinkId, Now, SESSION_GROUP};
use openim_workers::Done;
use openim_workers::reads::Read;

use super::{Next, authenticate, damaged, newest_seq};
use crate::bus::{Answer, Caller, Refused};
use crate::driver::Core;
use crate::metrics::RequestKind;

/// Messages fetched at a time, and the bytes after which fetching stops.
const FETCH_MESSAGES: usize = 256;
const FETCH_BYTES: usize = 64 * 1024;
/// What a pull holds in the middle of its answer: records that were fetched, the text of a part, and the
/// same text in the outbox.
const PULL_BYTES: usize = FETCH_BYTES + 3 * PART_BYTES;
/// Time between two looks whether the readers have room.
const READERS_LOOK_MS: u64 = 10;
/// A part is written when the text has grown to this; it may exceed it by one fetch.
const PART_BYTES: usize = 64 * 1024;

/// Why a pull cannot be answered in full, and therefore not at all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PullFailed {
    /// A store failed or all readers are busy.
    Unavailable,
    /// More messages than `limits.pullMessagesMax`.
    TooMany,
}

impl PullFailed {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Unavailable => "messages cannot be read now",
            Self::TooMany => "the range holds too many messages, pull it in parts",
        }
    }
}

/// What a pull will give: entries by seq, not yet fetched.
pub(crate) struct Plan {
    owner: UserId,
    entries: Vec<(Seq, Position)>,
    unit: TimeUnit,
}

pub(super) fn on_link(core: &Rc<Core>, id: LinkId, mut envelope: Envelope<'_>, now: Now) -> Next {
    core.pump();
    if core.shard.borrow_mut().in_order(id) == Admission::Hold {
        return Next::Hold;
    }
    core.metrics.requests.of(RequestKind::Pull).add(1);
    let (req, incr) = (i64::from(envelope.req_identifier), Some(i64::from(envelope.msg_incr)));
    let range = match request::decode_pull(envelope.data.take()) {
        Ok(range) => range,
        Err(error) => {
            core.io
                .borrow_mut()
                .text(id, |out| pull_error(out, req, incr, error.code, &error.text));
            return Next::Done;
        }
    };
    let (from, to) = seqs(range);
    let uid = UserId::new(&envelope.send_id);
    let Some(snapshot) = local_snapshot(core, &uid, from, to) else {
        return newest_seq::load_and_resume(core, id, uid.as_str());
    };
    // Others pull: this link waits for its turn, and reads nothing meanwhile.
    let Some(permit) = PullPermit::take(core, &uid, snapshot.from, snapshot.to) else {
        return Next::Wait { ms: 20 };
    };
    let work = Rc::clone(core);
    let pull = Box::pin(async move {
        stream_to_link(&work, id, uid, snapshot, req, incr).await;
        drop(permit);
    });
    core.shard.borrow_mut().pulling(id, true, now);
    if let Some(link) = core.io.borrow_mut().link(id) {
        link.set_pull(pull);
    }
    Next::Pulling
}

/// Bounds of an inbox and the entries that are not stored yet.
struct Snapshot {
    from: Seq,
    to: Seq,
    recent: Vec<(Seq, Position)>,
}

fn local_snapshot(core: &Core, uid: &UserId, from: Seq, to: Seq) -> Option<Snapshot> {
    let mut shard = core.shard.borrow_mut();
    let bounds = shard.inboxes.bounds(uid.as_str())?;
    let from = from.max(bounds.min).max(Seq(1));
    let to = to.min(bounds.newest);
    let recent = shard.inboxes.unstored(uid.as_str(), from, to);
    Some(Snapshot { from, to, recent })
}

/// At home, for REST: the clipped range and its newest entries.
pub(crate) async fn snapshot(
    core: &Rc<Core>,
    caller: &Caller,
    from: Seq,
    to: Seq,
) -> Result<Answer, Refused> {
    core.pump();
    authenticate(core, caller).await?;
    let snapshot = local_snapshot(core, &caller.uid, from, to).ok_or(Refused::Unavailable)?;
    Ok(Answer::Snapshot { from: snapshot.from, to: snapshot.to, recent: snapshot.recent })
}

/// Seqs of a range; ends below 1 are clipped.
pub(crate) fn seqs(range: PullRange) -> (Seq, Seq) {
    let seq = |n: i64| Seq(u64::try_from(n).unwrap_or(0));
    (seq(range.begin), seq(range.end))
}

impl Plan {
    /// Finds where the messages of a range lie. `recent` are entries that the store may not have.
    pub(crate) async fn new(
        core: &Rc<Core>,
        owner: UserId,
        from: Seq,
        to: Seq,
        recent: Vec<(Seq, Position)>,
        unit: TimeUnit,
    ) -> Result<Self, PullFailed> {
        let mut entries = Vec::new();
        let stored_to = recent.first().map_or(to, |&(first, _)| Seq(first.0 - 1));
        if from <= to && to.0 - from.0 >= core.settings.pull_messages_max as u64 {
            return Err(PullFailed::TooMany);
        }
        if from <= stored_to {
            let user = owner.clone();
            let read = |ticket| Read::Positions { ticket, user, from, to: stored_to };
            readers_have_room(core).await?;
            match core.read(read).await {
                Ok(Done::Positions(_, Ok(stored))) => entries = stored,
                _ => return Err(PullFailed::Unavailable),
            }
        }
        entries.extend(recent);
        Ok(Self { owner, entries, unit })
    }

    /// Finds where the messages of a list of seqs lie, ascending and each once. `recent` are entries from
    /// the first to the last of them that the store may not have; `from` and `to` what of that there is.
    pub(crate) async fn of_list(
        core: &Rc<Core>,
        owner: UserId,
        seqs: &[Seq],
        (from, to): (Seq, Seq),
        recent: Vec<(Seq, Position)>,
        unit: TimeUnit,
    ) -> Result<Self, PullFailed> {
        let stored_to = recent.first().map_or(to, |&(first, _)| Seq(first.0 - 1));
        let wanted = seqs.iter().copied().filter(|seq| (from..=to).contains(seq));
        let stored: Vec<Seq> = wanted.clone().filter(|&seq| seq <= stored_to).collect();
        let mut entries = Vec::with_capacity(seqs.len());
        for run in stored.chunk_by(|a, b| a.next() == *b) {
            let (Some(&from), Some(&to)) = (run.first(), run.last()) else { continue };
            let user = owner.clone();
            readers_have_room(core).await?;
            match core.read(|ticket| Read::Positions { ticket, user, from, to }).await {
                Ok(Done::Positions(_, Ok(found))) => entries.extend(found),
                _ => return Err(PullFailed::Unavailable),
            }
        }
        let known: HashMap<Seq, Position> = recent.into_iter().collect();
        entries.extend(wanted.filter_map(|seq| Some((seq, *known.get(&seq)?))));
        Ok(Self { owner, entries, unit })
    }

    /// Puts the entries of one peer next to each other, in order of first appearance, so that each
    /// peer has one list. Needs who the peers are, which only the records say.
    async fn group(&mut self, core: &Rc<Core>) -> Result<Option<Vec<Box<[u8]>>>, PullFailed> {
        // Of users and of groups, which may have the same id; groups come after all users.
        let mut numbers: [HashMap<Box<str>, u32>; 2] = Default::default();
        let mut groups = Vec::with_capacity(self.entries.len());
        let mut kept = None;
        let mut next = 0;
        while next < self.entries.len() {
            let records = fetch(core, &self.entries, next).await?;
            for record in &records {
                let message = damaged::message(record, &self.owner);
                let message = message.map_err(|_| PullFailed::Unavailable)?;
                let peer = peer(&self.owner, &message);
                let group = message.session_type == SESSION_GROUP;
                let numbers = &mut numbers[usize::from(group)];
                let number = match numbers.get(peer) {
                    Some(&number) => number,
                    None => {
                        let number = numbers.len() as u32;
                        numbers.insert(peer.into(), number);
                        number
                    }
                };
                groups.push((group, number));
            }
            let whole = next == 0 && records.len() == self.entries.len();
            next += records.len();
            if whole {
                kept = Some(records);
            }
        }
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        // Stable: within a peer by seq.
        order.sort_by_key(|&index| groups.get(index).copied().unwrap_or_default());
        self.entries = order.iter().filter_map(|&i| self.entries.get(i).copied()).collect();
        let Some(kept) = kept else { return Ok(None) };
        let mut kept: Vec<Option<Box<[u8]>>> = kept.into_iter().map(Some).collect();
        Ok(Some(order.iter().filter_map(|&i| kept.get_mut(i)?.take()).collect()))
    }
}

/// The reply, a part at a time.
pub(crate) struct Parts {
    plan: Plan,
    /// Records of the whole plan, when it is small.
    ready: Option<Vec<Box<[u8]>>>,
    writer: Option<PullWriter>,
    next: usize,
    req: i64,
    incr: Option<i64>,
}

impl Parts {
    pub(crate) async fn new(
        core: &Rc<Core>,
        mut plan: Plan,
        req: i64,
        incr: Option<i64>,
    ) -> Result<Self, PullFailed> {
        let ready = plan.group(core).await?;
        Ok(Self { plan, ready, writer: None, next: 0, req, incr })
    }

    /// What ends the reply behind the part given last, should no other follow: the client is to drop it.
    fn tail(&self) -> Vec<u8> {
        let (mut tail, failed) = (Vec::new(), ErrCode::PullFailed);
        if let Some(writer) = self.writer.clone() {
            writer.end(&mut tail, self.req, self.incr, failed, failed.text());
        }
        tail
    }

    /// Appends the next part to `out`; whether more follows.
    pub(crate) async fn next(
        &mut self,
        core: &Rc<Core>,
        out: &mut Vec<u8>,
    ) -> Result<bool, PullFailed> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => PullWriter::begin(out),
        };
        while self.next < self.plan.entries.len() && out.len() < PART_BYTES {
            let records = match self.ready.take() {
                Some(records) => records,
                None => fetch(core, &self.plan.entries, self.next).await?,
            };
            let entries = self.plan.entries.get(self.next..).unwrap_or_default();
            for (&(seq, _), record) in entries.iter().zip(&records) {
                let message = damaged::message(record, &self.plan.owner);
                let mut message = message.map_err(|_| PullFailed::Unavailable)?;
                let id = record.is_empty().then(|| damaged::id(&self.plan.owner, seq));
                message.client_msg_id = id.as_deref().unwrap_or(message.client_msg_id);
                let id = id.as_deref();
                write(&mut writer, out, &self.plan, (seq, id), &message);
            }
            core.metrics.pull_messages.add(records.len() as u64);
            self.next += records.len();
        }
        if self.next < self.plan.entries.len() {
            self.writer = Some(writer);
            return Ok(true);
        }
        writer.end(out, self.req, self.incr, ErrCode::Ok, "");
        Ok(false)
    }
}

/// Appends one message; `id` is its `serverMsgID` where that does not follow from its key.
fn write(
    writer: &mut PullWriter,
    out: &mut Vec<u8>,
    plan: &Plan,
    (seq, id): (Seq, Option<&str>),
    message: &Message<'_>,
) {
    let server_msg_id = id.map_or_else(|| message.key.server_id(message.send_id), str::to_owned);
    let pulled = PulledMessage {
        send_id: message.send_id,
        recv_id: message.recv_id,
        msg_from: message.msg_from,
        content_type: message.content_type,
        server_msg_id: &server_msg_id,
        content: message.content,
        seq: i64::try_from(seq.0).unwrap_or(i64::MAX),
        send_time: plan.unit.from_nanos(message.send_time_ns),
        sender_platform_id: message.sender_platform_id,
        sender_nick_name: message.sender_nick_name,
        sender_face_url: message.sender_face_url,
        client_msg_id: message.client_msg_id,
    };
    if message.session_type == SESSION_GROUP {
        writer.group_message(out, plan.owner.as_str(), &pulled);
    } else {
        writer.message(out, peer(&plan.owner, message), &pulled);
    }
}

/// The group, or the other party of a single chat; of a chat with oneself the owner.
fn peer<'a>(owner: &UserId, message: &Message<'a>) -> &'a str {
    let single = message.session_type != SESSION_GROUP;
    if single && message.recv_id == owner.as_str() { message.send_id } else { message.recv_id }
}

/// The records of `entries` from `next` on: at least one, as many as one fetch gives.
async fn fetch(
    core: &Rc<Core>,
    entries: &[(Seq, Position)],
    next: usize,
) -> Result<Vec<Box<[u8]>>, PullFailed> {
    let wanted = entries.get(next..).unwrap_or_default().iter().take(FETCH_MESSAGES);
    let positions: Vec<Position> = wanted.map(|&(_, position)| position).collect();
    let read = |ticket| Read::Fetch { ticket, positions, bytes_max: FETCH_BYTES };
    readers_have_room(core).await?;
    match core.read(read).await {
        Ok(Done::Fetched(_, Ok(records))) if !records.is_empty() => Ok(records),
        _ => Err(PullFailed::Unavailable),
    }
}

/// Waits while all readers are busy, within the time that a send would wait.
async fn readers_have_room(core: &Core) -> Result<(), PullFailed> {
    let mut patience = core.settings.limits.send_timeout_ms / READERS_LOOK_MS;
    while !core.readers_have_room() {
        if patience == 0 {
            return Err(PullFailed::Unavailable);
        }
        patience -= 1;
        tokio::time::sleep(std::time::Duration::from_millis(READERS_LOOK_MS)).await;
    }
    Ok(())
}

/// A pull on a link: one frame when it is short, fragments of one message when it is long.
async fn stream_to_link(
    core: &Rc<Core>,
    id: LinkId,
    uid: UserId,
    snapshot: Snapshot,
    req: i64,
    incr: Option<i64>,
) {
    let Snapshot { from, to, recent } = snapshot;
    let unit = core.io.borrow_mut().unit(id);
    let planned = Plan::new(core, uid, from, to, recent, unit).await;
    let parts = match planned {
        Ok(plan) => Parts::new(core, plan, req, incr).await,
        Err(failed) => Err(failed),
    };
    let mut text = Vec::new();
    let mut parts = match parts {
        Ok(parts) => parts,
        Err(failed) => return fail(core, id, req, incr, failed),
    };
    let mut first = true;
    loop {
        let more = match parts.next(core, &mut text).await {
            Ok(more) => more,
            // Nothing was sent yet: an error can be told.
            Err(failed) if first => return fail(core, id, req, incr, failed),
            Err(_) => {
                core.close(id, openim_protocol::close::CloseCause::Internal);
                return;
            }
        };
        if first && !more {
            core.io.borrow_mut().text(id, |out| out.extend_from_slice(&text));
            return;
        }
        if !send_fragment(core, id, &text, first, more.then(|| parts.tail())) || !more {
            return;
        }
        first = false;
        text.clear();
        drained(core, id).await;
    }
}

fn fail(core: &Core, id: LinkId, req: i64, incr: Option<i64>, failed: PullFailed) {
    core.metrics.pulls_refused.add(1);
    core.io
        .borrow_mut()
        .text(id, |out| pull_error(out, req, incr, ErrCode::PullFailed, failed.text()));
}

/// Queues a fragment, the last one when nothing would have to be said in place of the others (`tail`);
/// whether the link is still there.
fn send_fragment(core: &Core, id: LinkId, text: &[u8], first: bool, tail: Option<Vec<u8>>) -> bool {
    let mut fragment = Vec::with_capacity(text.len() + frame::HEADER_BYTES_MAX);
    let mark = if first {
        frame::begin_text(&mut fragment)
    } else {
        frame::begin_continuation(&mut fragment)
    };
    fragment.extend_from_slice(text);
    match tail {
        None => frame::finish(&mut fragment, mark),
        Some(_) => frame::finish_partial(&mut fragment, mark),
    }
    let mut io = core.io.borrow_mut();
    let Some(link) = io.link(id) else { return false };
    let last = tail.is_none();
    link.outbox.part(&fragment, tail.unwrap_or_default());
    if last {
        link.outbox.end_stream();
    }
    io.touch(id);
    true
}

/// Waits until the socket has taken what was queued.
async fn drained(core: &Rc<Core>, id: LinkId) {
    poll_fn(|_| {
        // The link's task polls this whenever its socket has taken something.
        let mut io = core.io.borrow_mut();
        match io.link(id) {
            Some(link) if link.outbox.waiting() > 0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

/// Leave to pull. A range that one fetch answers needs none; a long one holds memory for its plan while
/// its reader takes its time, so their number is bounded, and each user may have one on a shard: whoever
/// does not read what he asked for delays himself only.
pub(crate) struct PullPermit {
    long: Option<(Rc<Core>, UserId)>,
}

impl PullPermit {
    pub(crate) fn take(core: &Rc<Core>, user: &UserId, from: Seq, to: Seq) -> Option<Self> {
        if to.0.saturating_sub(from.0) < FETCH_MESSAGES as u64 {
            return Some(Self { long: None });
        }
        let mut pulling = core.pulling.borrow_mut();
        let by_bytes = (core.settings.shares.pulls / PULL_BYTES).max(1);
        if pulling.len() >= core.settings.pulls_max.min(by_bytes) || !pulling.insert(user.clone()) {
            return None;
        }
        Some(Self { long: Some((Rc::clone(core), user.clone())) })
    }
}

impl Drop for PullPermit {
    fn drop(&mut self) {
        if let Some((core, user)) = &self.long {
            core.pulling.borrow_mut().remove(user);
        }
    }
}
