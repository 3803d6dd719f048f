//! 1001 and 1002 of a link whose inbox no shard has: it is read where it is stored.
//!
//! Both wait behind the sends before them until these are settled ([`Front::in_view`](openim_shard::Shard::in_view)): the
//! store shows them then. The link reads nothing meanwhile.

use std::rc::Rc;
use std::time::Instant;

use openim_protocol::reply;
use openim_protocol::request::Envelope;
use openim_record::{Seq, UserId};
use openim_shard::LinkId;

use super::Next;
use super::from_stores::inbox;
use super::newest_seq::{UNAVAILABLE, wire};
use super::pull::{Asked, PullFailed, PullPermit, Wanted, fail, stream_to_link};
use crate::driver::Core;

/// 1001.
pub(super) fn newest_on_link(core: &Rc<Core>, id: LinkId, envelope: &Envelope<'_>) -> Next {
    let (req, incr) = (envelope.req_identifier, envelope.msg_incr);
    let (uid, operation) = (UserId::new(&envelope.send_id), envelope.operation_id.to_string());
    let work = Rc::clone(core);
    let answer = async move {
        let found = inbox(&work, &uid).await.map(wire).map_err(|_| UNAVAILABLE);
        let code = found.as_ref().err().map_or(0, |(code, _)| code.number());
        tracing::debug!(operationID = operation, sender = %uid, code, "newest seq answered");
        let mut io = work.io.borrow_mut();
        io.text(id, |out| reply::newest_seq(out, req.into(), Some(incr.into()), found));
    };
    begin(core, id, answer)
}

/// 1002, of a range as it was asked for.
pub(super) fn pull_on_link(
    core: &Rc<Core>,
    id: LinkId,
    envelope: Envelope<'_>,
    (from, to): (Seq, Seq),
) -> Next {
    let (req, incr) = (envelope.req_identifier.into(), Some(envelope.msg_incr.into()));
    let owner = UserId::new(&envelope.send_id);
    let operation = envelope.operation_id.into_owned();
    let unit = core.io.borrow_mut().unit(id);
    let work = Rc::clone(core);
    let answer = async move {
        let (sender, since) = (owner.clone(), Instant::now());
        let clipped = async {
            let bounds = inbox(&work, &owner).await.map_err(|_| PullFailed::Unavailable)?;
            let (from, to) = (from.max(bounds.min).max(Seq(1)), to.min(bounds.newest));
            let messages = to.0.saturating_sub(from.0);
            let permit = PullPermit::take_patiently(&work, &owner, messages).await?;
            Ok((Wanted::Range(from, to), permit))
        };
        match clipped.await {
            Ok((wanted, permit)) => {
                let asked = Asked { owner, caller: None, unit, req, incr };
                stream_to_link(&work, id, asked, wanted, permit).await;
            }
            Err(failed) => fail(&work, id, req, incr, failed),
        }
        let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(operationID = operation, sender = sender.as_str(), us, "pull answered");
    };
    begin(core, id, answer)
}

/// Has the link's task go on with it.
fn begin(core: &Rc<Core>, id: LinkId, answer: impl Future<Output = ()> + 'static) -> Next {
    core.shard.borrow_mut().unread(id, true, core.now());
    if let Some(link) = core.io.borrow_mut().link(id) {
        link.begin(Box::pin(answer), 0);
    }
    Next::Working
}
