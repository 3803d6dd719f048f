//! 1002: a range of an inbox (spec, websocket 2.5).
//!
//! The home shard says what the range holds; the reply is written in parts ([`parts`]), each after the one
//! before has left, so a pull of any length needs the memory of one part. A pull never answers errCode 0 with less than the range holds.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use openim_protocol::errcode::ErrCode;
use openim_protocol::frame;
use openim_protocol::pull::pull_error;
use openim_protocol::request::{self, Envelope, PullRange};
use openim_record::{Seq, UserId};
use openim_shard::{Admission, CloseReason, LinkId, Now};

use super::{Next, authenticate, newest_seq};
use crate::bus::{Caller, LookUp, Refused, Snapshot};
use crate::driver::Core;
use crate::metrics::RequestKind;
use crate::phase::Stage;

mod parts;

pub(crate) use parts::{Asked, Parts, Wanted};

/// Time between two looks whether a long pull may begin.
const PERMIT_LOOK: Duration = Duration::from_millis(20);

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

pub(super) fn on_link(core: &Rc<Core>, id: LinkId, mut envelope: Envelope<'_>, now: Now) -> Next {
    core.catch_up(&envelope.send_id);
    let admission = core.shard.borrow_mut().in_view(id);
    if admission == Admission::Hold {
        return Next::Hold;
    }
    core.metrics.requests.of(RequestKind::Pull).add(1);
    let (req, incr) = (i64::from(envelope.req_identifier), Some(i64::from(envelope.msg_incr)));
    if admission == Admission::Refused {
        fail(core, id, req, incr, PullFailed::Unavailable);
        return Next::Done;
    }
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
    core.trace(uid.as_str(), "pull", || format!("from={} to={}", from.0, to.0));
    #[cfg(feature = "cluster")]
    if core.is_alone() {
        return super::stored::pull_on_link(core, id, envelope, (from, to));
    }
    let failed = newest_seq::could_not_load(core, id);
    let Some((from, to)) = clipped(core, &uid, from, to) else {
        if failed {
            fail(core, id, req, incr, PullFailed::Unavailable);
            return Next::Done;
        }
        return newest_seq::load_and_resume(core, id, uid.as_str());
    };
    // Others pull: this link waits for its turn, and reads nothing meanwhile.
    let Some(permit) = PullPermit::take(core, &uid, to.0.saturating_sub(from.0)) else {
        return Next::Wait { ms: 20 };
    };
    let platform = core.shard.borrow().front().platform(id);
    core.note_reached(uid.as_str(), platform.unwrap_or_default(), to);
    let unit = core.io.borrow_mut().unit(id);
    let asked = Asked { owner: uid, caller: None, unit, req, incr };
    let work = Rc::clone(core);
    let operation = envelope.operation_id.into_owned();
    let pull = Box::pin(async move {
        let (sender, since) = (asked.owner.clone(), Instant::now());
        stream_to_link(&work, id, asked, Wanted::Range(from, to), permit).await;
        let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(operationID = operation, sender = sender.as_str(), us, "pull answered");
    });
    core.shard.borrow_mut().unread(id, true, now);
    if let Some(link) = core.io.borrow_mut().link(id) {
        link.begin(pull, 0);
    }
    Next::Working
}

impl Core {
    /// Notes for the journal of links that a pull by REST was answered.
    pub(crate) fn note_pull(&self, caller: &Caller, wanted: &Wanted) {
        let at_ms = self.now().unix_ms();
        let mut io = self.io.borrow_mut();
        let Some(journal) = &mut io.journal else { return };
        for range in wanted.runs() {
            let whose = (caller.uid.as_str(), caller.credentials.platform);
            journal.pulled(whose, None, range, at_ms);
        }
        journal.ring();
    }
}

/// What there is of a range; `None`: the user must be loaded first.
fn clipped(core: &Core, uid: &UserId, from: Seq, to: Seq) -> Option<(Seq, Seq)> {
    let bounds = core.shard.borrow_mut().bounds(uid.as_str())?;
    Some((from.max(bounds.min).max(Seq(1)), to.min(bounds.newest)))
}

/// At home, for REST: the clipped range, and which entries of its first page the store may not have.
pub(super) async fn snapshot(core: &Rc<Core>, ask: &LookUp) -> Result<Snapshot, Refused> {
    let LookUp { caller, from, to } = ask;
    core.catch_up(caller.uid.as_str());
    authenticate(core, caller).await?;
    let (from, to) = clipped(core, &caller.uid, *from, *to).ok_or(Refused::Unavailable)?;
    core.note_reached(caller.uid.as_str(), caller.credentials.platform, to);
    let page_to = to.min(Seq(from.0.saturating_add(parts::PAGE - 1)));
    let recent = core.shard.borrow().back().unstored(caller.uid.as_str(), from, page_to);
    Ok(Snapshot { from, to, recent })
}

/// Seqs of a range; ends below 1 are clipped.
pub(crate) fn seqs(range: PullRange) -> (Seq, Seq) {
    let seq = |n: i64| Seq(u64::try_from(n).unwrap_or(0));
    (seq(range.begin), seq(range.end))
}

/// A pull on a link: one frame when it is short, fragments of one message when it is long.
pub(super) async fn stream_to_link(
    core: &Rc<Core>,
    id: LinkId,
    asked: Asked,
    wanted: Wanted,
    permit: PullPermit,
) {
    let (mut parts, mut text, permit) =
        match begin(core, asked.clone(), wanted.clone(), permit).await {
            Ok(Begun::Whole(text)) => {
                let mut io = core.io.borrow_mut();
                io.text(id, |out| out.extend_from_slice(&text));
                io.answered_pull(id, wanted.runs());
                return;
            }
            Ok(Begun::Long { parts, text, permit }) => (*parts, text, permit),
            // Nothing was sent yet: an error can be told.
            Err(failed) => return fail(core, id, asked.req, asked.incr, failed),
        };
    let (mut more, mut first) = (true, true);
    loop {
        if !send_fragment(core, id, &text, first, more.then(|| parts.tail())) {
            break;
        }
        if !more {
            core.io.borrow_mut().answered_pull(id, wanted.runs());
            break;
        }
        first = false;
        text.clear();
        drained(core, id).await;
        more = match parts.next(core, &mut text).await {
            Ok(more) => more,
            Err(_) => {
                core.close(id, CloseReason::Internal);
                break;
            }
        };
    }
    drop(permit);
}

/// The first part of an answer.
pub(crate) enum Begun {
    /// There is no other.
    Whole(Vec<u8>),
    /// There are.
    Long { parts: Box<Parts>, text: Vec<u8>, permit: PullPermit },
}

/// Makes the first part. An answer that turns out to be long though its range is short waits for leave
/// as well, and is begun anew then: meanwhile it holds nothing.
pub(crate) async fn begin(
    core: &Rc<Core>,
    asked: Asked,
    wanted: Wanted,
    mut permit: PullPermit,
) -> Result<Begun, PullFailed> {
    loop {
        let mut text = Vec::new();
        let mut parts = Parts::new(core, asked.clone(), wanted.clone())?;
        if !parts.next(core, &mut text).await? {
            return Ok(Begun::Whole(text));
        }
        if permit.long.is_some() {
            return Ok(Begun::Long { parts: Box::new(parts), text, permit });
        }
        drop((parts, text));
        // Its time goes on.
        let since = permit.since.take();
        permit = PullPermit::wait(core, &asked.owner).await?;
        permit.since = since;
    }
}

pub(super) fn fail(core: &Core, id: LinkId, req: i64, incr: Option<i64>, failed: PullFailed) {
    core.metrics.pulls_refused.add(1);
    tracing::debug!(code = ErrCode::PullFailed.number(), text = failed.text(), "pull refused");
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
            Some(link) if link.waiting() > 0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

/// Leave to pull. A range that one fetch answers needs none; a long one holds memory for its plan while
/// its reader takes its time, so their number is bounded, and each user may have one on a shard: whoever
/// does not read what he asked for delays himself only.
pub(crate) struct PullPermit {
    core: Rc<Core>,
    since: Option<Instant>,
    /// Whose place it takes, if it is long.
    long: Option<UserId>,
}

impl PullPermit {
    /// For a range of about so many messages.
    pub(crate) fn take(core: &Rc<Core>, user: &UserId, messages: u64) -> Option<Self> {
        if messages < parts::PAGE { Some(Self::short(core)) } else { Self::long(core, user) }
    }

    fn short(core: &Rc<Core>) -> Self {
        Self { core: Rc::clone(core), since: Some(Instant::now()), long: None }
    }

    fn long(core: &Rc<Core>, user: &UserId) -> Option<Self> {
        if !core.pulls.begin(user) {
            return None;
        }
        let long = Some(user.clone());
        Some(Self { core: Rc::clone(core), since: Some(Instant::now()), long })
    }

    /// Waits for leave to give a long answer. A drain waits for answers: none then waits for others.
    async fn wait(core: &Rc<Core>, user: &UserId) -> Result<Self, PullFailed> {
        loop {
            match Self::long(core, user) {
                Some(permit) => return Ok(permit),
                None if core.phase.get() >= Stage::Draining => return Err(PullFailed::Unavailable),
                None => tokio::time::sleep(PERMIT_LOOK).await,
            }
        }
    }

    /// As [`Self::take`], but waits.
    pub(crate) async fn take_patiently(
        core: &Rc<Core>,
        user: &UserId,
        messages: u64,
    ) -> Result<Self, PullFailed> {
        if messages < parts::PAGE { Ok(Self::short(core)) } else { Self::wait(core, user).await }
    }
}

impl Drop for PullPermit {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            self.core.metrics.pull_seconds.observe(since.elapsed());
        }
        if let Some(user) = &self.long {
            self.core.pulls.end(user);
        }
    }
}
