//! The newest messages in the inbox of a user who is at home here: who sent them to whom, and when, without their content.
//!
//! Bounded like a search: `why.lookMessagesMax` messages are looked at, and no further page when [`LOOK_TIME`] has gone.

use std::rc::Rc;
use std::time::Instant;

use openim_record::{SESSION_GROUP, Seq, UserId};

use super::LOOK_TIME;
use super::seek::{PAGE, page};
use crate::bus::{Refused, Seen};
use crate::driver::Core;

/// Which messages are listed.
pub(crate) struct Listing {
    pub(crate) uid: UserId,
    /// Those to this group alone; empty: all.
    pub(crate) group: String,
    /// Those with lower seqs than this.
    pub(crate) before: Option<Seq>,
    pub(crate) most: usize,
}

/// The newest first, and before which seq there may be more. What is damaged is left out.
///
/// # Errors
/// The inbox cannot be read now.
pub(crate) async fn list(
    core: &Rc<Core>,
    ask: &Listing,
) -> Result<(Vec<Seen>, Option<Seq>), Refused> {
    core.ensure_loaded(&ask.uid).await.map_err(|_| Refused::Unavailable)?;
    core.catch_up(ask.uid.as_str());
    let bounds = core.shard.borrow_mut().bounds(ask.uid.as_str()).ok_or(Refused::Unavailable)?;
    let min = bounds.min.max(Seq(1));
    let mut end =
        ask.before.map_or(bounds.newest.next(), |before| before.min(bounds.newest.next()));
    let floor = Seq(end.0.saturating_sub(core.settings.look_messages_max)).max(min);
    let until = Instant::now() + LOOK_TIME;
    let is_meant = |seen: &Seen| {
        let whose = ask.group.is_empty()
            || (seen.session_type == SESSION_GROUP && seen.recv_id == ask.group);
        whose && seen.sent_ms > 0
    };
    let mut found = Vec::new();
    while end > floor && Instant::now() < until {
        let from = Seq(end.0.saturating_sub(PAGE)).max(floor);
        let page = page(core, &ask.uid, from, Seq(end.0 - 1)).await?;
        for seen in page.into_iter().rev().filter(is_meant) {
            if found.len() == ask.most {
                return Ok((found, Some(seen.seq.next())));
            }
            found.push(seen);
        }
        end = from;
    }
    Ok((found, (end > min).then_some(end)))
}
