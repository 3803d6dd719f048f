//! Following named users (`log.traceUids`): what they do and get, at level info, to look into a complaint.
//!
//! Costs one look at an empty list when nobody is named. Never: a token or the content of a message.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_record::Deliver;
use openim_shard::LinkId;

use super::{Core, Io};

/// Who is followed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traced(Rc<[String]>);

impl Traced {
    pub(crate) fn new(uids: &[String]) -> Traced {
        Traced(uids.into())
    }

    /// Whether `uid` is.
    #[inline]
    pub(crate) fn has(&self, uid: &str) -> bool {
        !self.0.is_empty() && self.0.iter().any(|traced| traced == uid)
    }
}

impl Core {
    /// Says what `uid` does, if they are followed; `detail` is made only then.
    #[inline]
    pub(crate) fn trace(&self, uid: &str, what: &str, detail: impl FnOnce() -> String) {
        if self.io.borrow().traced.has(uid) {
            tracing::info!(target: "openim_gateway::trace", uid, "{what} {}", detail());
        }
    }

    /// Notes that a send was refused, and says so if its sender is followed.
    pub(crate) fn trace_refused(&self, send_id: &str, client_msg_id: &str, code: ErrCode) {
        let at_ms = self.now().unix_ms();
        if let Some(journal) = &mut self.io.borrow_mut().journal {
            journal.refused(send_id, client_msg_id, code, at_ms);
        }
        if self.io.borrow().traced.has(send_id) {
            let (code, text) = (code.number(), code.text());
            tracing::info!(
                target: "openim_gateway::trace",
                uid = send_id,
                client_msg_id,
                code,
                text,
                "send refused"
            );
        }
    }

    /// Says that a link is over, if its user is followed.
    pub(crate) fn trace_close(&self, id: LinkId, why: &str) {
        let shard = self.shard.borrow();
        let Some(uid) = shard.front().uid(id) else { return };
        let platform = shard.front().platform(id).unwrap_or(0);
        self.trace(uid.as_str(), "link closed", || format!("platform={platform} because={why}"));
    }
}

impl Io {
    /// Says what was pushed, if who gets it or who has sent it is followed.
    #[inline]
    pub(super) fn trace_push(&self, deliver: &Deliver<'_>) {
        let message = deliver.message;
        let to = deliver.uid;
        if self.traced.has(to) || self.traced.has(message.send_id) {
            tracing::info!(
                target: "openim_gateway::trace",
                uid = to,
                from = message.send_id,
                seq = deliver.seq.0,
                key = %format_args!("{:032x}", message.key.0),
                client_msg_id = message.client_msg_id,
                "push"
            );
        }
    }

    /// Says that a send was answered, if its sender is followed.
    #[inline]
    pub(super) fn trace_receipt(&self, send_id: &str, client_msg_id: &str, key: u128) {
        if self.traced.has(send_id) {
            tracing::info!(
                target: "openim_gateway::trace",
                uid = send_id,
                key = %format_args!("{key:032x}"),
                client_msg_id,
                "send answered"
            );
        }
    }
}
