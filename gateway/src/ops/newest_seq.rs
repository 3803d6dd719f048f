//! 1001: how far an inbox has come (spec, websocket 2.4).

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::reply::{self, NewestSeq};
use openim_protocol::request::Envelope;
use openim_record::{InboxBounds, UserId};
use openim_shard::{Admission, LinkId, Now};

use super::{Next, authenticate};
use crate::bus::{Caller, Refused};
use crate::driver::Core;
use crate::metrics::RequestKind;

pub(super) fn on_link(core: &Rc<Core>, id: LinkId, envelope: &Envelope<'_>, _now: Now) -> Next {
    // What the log has handed to this shard counts, also if its turn has not come yet.
    core.catch_up(&envelope.send_id);
    let admission = core.shard.borrow_mut().in_view(id);
    if admission == Admission::Hold {
        return Next::Hold;
    }
    core.metrics.requests.of(RequestKind::Newest).add(1);
    #[cfg(feature = "cluster")]
    if core.is_alone() && admission == Admission::Taken {
        return super::stored::newest_on_link(core, id, envelope);
    }
    let bounds = core.shard.borrow_mut().bounds(&envelope.send_id);
    let failed = could_not_load(core, id);
    let found = match bounds {
        // Sends before it are on their way into the inbox for too long.
        _ if admission == Admission::Refused => Err(UNAVAILABLE),
        Some(bounds) => Ok(wire(bounds)),
        None if failed => Err(UNAVAILABLE),
        None => return load_and_resume(core, id, &envelope.send_id),
    };
    let (operation, sender) = (&*envelope.operation_id, &*envelope.send_id);
    let code = found.as_ref().err().map_or(0, |(code, _)| code.number());
    tracing::debug!(operationID = operation, sender, code, "newest seq answered");
    core.io.borrow_mut().text(id, |out| {
        reply::newest_seq(
            out,
            envelope.req_identifier.into(),
            Some(envelope.msg_incr.into()),
            found,
        );
    });
    Next::Done
}

/// Whether the user of the request that is offered again could not be loaded for it; said once.
pub(super) fn could_not_load(core: &Core, id: LinkId) -> bool {
    let mut io = core.io.borrow_mut();
    io.link(id).is_some_and(|link| std::mem::take(&mut link.load_failed))
}

/// The user's bounds left memory while the link was quiet: bring them back, then offer again.
pub(super) fn load_and_resume(core: &Rc<Core>, id: LinkId, uid: &str) -> Next {
    let uid = UserId::new(uid);
    let core = Rc::clone(core);
    tokio::task::spawn_local(async move {
        // On failure the request is offered again all the same, and answered with an error.
        let failed = core.ensure_loaded(&uid).await.is_err();
        let mut io = core.io.borrow_mut();
        if let Some(link) = io.link(id) {
            link.load_failed = failed;
        }
        openim_shard::FrontEffects::resume(&mut *io, id);
    });
    Next::Hold
}

/// At home, for REST.
pub(crate) async fn newest(core: &Rc<Core>, caller: &Caller) -> Result<InboxBounds, Refused> {
    core.catch_up(caller.uid.as_str());
    authenticate(core, caller).await?;
    let bounds = core.shard.borrow_mut().bounds(caller.uid.as_str());
    bounds.ok_or(Refused::Unavailable)
}

/// Bounds as the wire writes them: a user without messages has zeros.
pub(crate) fn wire(bounds: InboxBounds) -> NewestSeq {
    let int = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    NewestSeq { newest: int(bounds.newest.0), min: int(bounds.min.0) }
}

/// What a refused question is answered with.
pub(crate) const UNAVAILABLE: (ErrCode, &str) =
    (ErrCode::Unavailable, "server cannot process this now");
