//! What the console shows of an inbox: its newest messages, who sent them to whom, and when. Never: their content.

use std::rc::Rc;

use openim_record::{SESSION_GROUP, Seq, UserId};
use serde_json::{Value, json};

use super::asking::Asking;
use super::serve::{Refusal, needed};
use crate::bus::{Refused, Seen};
use crate::driver::Core;
use crate::ops::profile::profile_of;
use crate::ops::why::{Listing, list};
use crate::query::Query;

/// Messages in one answer.
const PAGE: usize = 20;
const PAGE_MAX: u64 = 200;

/// The newest in the inbox of `uid`, `count` of them, those to one group alone with `group`. `next` says before which seq
/// (`before`) there may be more: it is given also where none was found so far.
pub(super) async fn tell(asking: &Asking, asked: &Query) -> Result<Value, Refusal> {
    let uid = UserId::new(needed(asked, "uid")?);
    let most = asked
        .number("count")
        .map_or(PAGE, |count| usize::try_from(count.clamp(1, PAGE_MAX)).unwrap_or(PAGE));
    let before = asked.number("before").filter(|seq| *seq > 0).map(Seq);
    let home = uid.as_str().to_owned();
    let ask = Listing { uid, group: asked.text("group").to_owned(), before, most };
    let told = async move |core: Rc<Core>| newest(&core, &ask).await;
    asking.at_home(&home, told).await?.map_err(Into::into)
}

async fn newest(core: &Rc<Core>, ask: &Listing) -> Result<Value, Refused> {
    let (found, next) = list(core, ask).await?;
    if found.is_empty() && next.is_none() && profile_of(core, &ask.uid).await?.is_none() {
        let bounds = core.shard.borrow_mut().bounds(ask.uid.as_str());
        if bounds.is_none_or(|bounds| bounds.newest == Seq(0)) {
            return Err(Refused::UnknownUser);
        }
    }
    let messages: Vec<Value> = found.iter().map(shown).collect();
    Ok(json!({ "uid": ask.uid.as_str(), "messages": messages, "next": next.map(|seq| seq.0) }))
}

fn shown(seen: &Seen) -> Value {
    json!({
        "seq": seen.seq.0, "sent": seen.sent_ms, "from": seen.send_id, "to": seen.recv_id,
        "isGroup": seen.session_type == SESSION_GROUP, "type": seen.content_type, "platform": seen.origin_platform,
        "clientMsgID": seen.client_msg_id, "serverMsgID": seen.key.server_id(&seen.send_id),
    })
}
