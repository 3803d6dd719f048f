//! A send that a link's task carries, where the shard has only a front.
//!
//! It is offered as the link's own, so that it is answered when it lies in the log, and so that questions behind it wait
//! until it is settled. It lies in another partition than others of the link may: so it is on its way alone, and answers
//! come in the order of requests.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use openim_protocol::errcode::ErrCode;
use openim_record::Draft;
use openim_shard::{Admission, LinkId, Origin};

use super::judged::judged;
use super::{Allowed, Carried, NotSent, SESSION_GROUP, allowed, code_of};
use crate::bus::GroupSend;
use crate::driver::{Core, ToGroup};
use crate::ops::from_stores;

/// Sends what somebody else must be asked about. The link is answered when it lies in the log or is refused there; it
/// counts as one in flight until then.
///
/// # Errors
/// What to answer with: it was not taken.
pub(super) async fn carry(
    core: &Rc<Core>,
    id: LinkId,
    msg_incr: i32,
    send: Carried,
) -> Result<(), NotSent> {
    let admitted = admit(core, send).await;
    // It is counted by itself from here on.
    core.shard.borrow_mut().carrying(id, false);
    let (mut draft, to_group) = admitted?;
    let origin = Origin::Link { id, msg_incr };
    let offered = poll_fn(|_| {
        if core.io.borrow_mut().link(id).is_some_and(|link| link.held) {
            return Poll::Pending;
        }
        let now = core.now();
        let admission = core.offer(now, |shard, io| {
            if let Some(to_group) = &to_group {
                io.begin_group_send(to_group.clone());
            }
            shard.send(origin, &mut draft, now, io)
        });
        match admission {
            Admission::Hold => {
                if let Some(link) = core.io.borrow_mut().link(id) {
                    link.held = true;
                }
                Poll::Pending
            }
            Admission::Taken | Admission::Refused => Poll::Ready(admission),
        }
    });
    if offered.await == Admission::Refused {
        return Err(ErrCode::Unavailable.into());
    }
    if to_group.is_some() {
        core.metrics.group_sends.add(1);
    }
    core.end_turn(core.now());
    // Its answer is written where the log's is heard, and wakes the link's task.
    poll_fn(|_| match core.shard.borrow_mut().in_order(id) {
        Admission::Hold => Poll::Pending,
        Admission::Taken | Admission::Refused => Poll::Ready(()),
    })
    .await;
    Ok(())
}

/// What is to be offered, if it may be sent.
async fn admit(core: &Rc<Core>, send: Carried) -> Result<(Draft, Option<ToGroup>), NotSent> {
    let Allowed { claim, removed } = allowed(core, &send).await?;
    let send = judged(core, send).await?;
    let Carried { draft, emphasised, trusted, after_ns, .. } = send;
    if draft.heading().session_type != SESSION_GROUP {
        return Ok((draft, None));
    }
    let send = GroupSend { draft, emphasised, removed, claim, trusted, after_ns };
    let extra = from_stores::admit(core, &send).await.map_err(code_of)?;
    let GroupSend { draft, emphasised, trusted, .. } = send;
    Ok((draft, Some(ToGroup { emphasised, extra, trusted })))
}
