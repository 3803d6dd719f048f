//! Finds a message in the inbox of a user who is at home here, by its place or its id.
//!
//! Read like a pull: what is stored comes from the history, the rest from the log. An id is looked for from the newest back, or,
//! with a time, on both sides of that: its first place is found by halving, for inboxes are in log order, in which send times
//! rise but for a little. Bounded: `why.lookMessagesMax` messages, and no further page when the question has taken its time.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use openim_record::{Message, Seq, UserId};
use openim_workers::reads::Read;
use openim_workers::{Done, Ranged};

use crate::bus::{Named, Refused, Seek, Seen, Sought, has_number};
use crate::driver::Core;
use crate::metrics::Waited;

/// Seqs that are asked for at once, and bytes after which an answer stops.
pub(super) const PAGE: u64 = 256;
const PAGE_BYTES: usize = 256 * 1024;
/// How far a message may lie from where its time is.
const NEAR_MS: i64 = 60_000;

/// See the module.
pub(crate) async fn seek(core: &Rc<Core>, ask: Seek) -> Result<Box<Sought>, Refused> {
    let Seek { uid, named, sender, near_ms, until } = ask;
    core.ensure_loaded(&uid).await.map_err(|_| Refused::Unavailable)?;
    core.catch_up(uid.as_str());
    let bounds = core.shard.borrow_mut().bounds(uid.as_str()).ok_or(Refused::Unavailable)?;
    let (min, newest) = (bounds.min.max(Seq(1)), bounds.newest);
    let mut look = Look { core, uid, named, sender, until };
    let mut sought = Sought { bounds, seen: None, oldest_ms: None, back_to_ms: 0, complete: true };
    if min > newest {
        return Ok(Box::new(sought));
    }
    match (&look.named, near_ms) {
        (Named::Seq(seq), _) => {
            if (min..=newest).contains(seq) {
                sought.seen = look.page(*seq, *seq).await?.into_iter().next();
            }
        }
        (_, None) => look.back(min, newest, &mut sought).await?,
        (_, Some(near_ms)) => {
            sought.oldest_ms = look.at(min).await?.map(|seen| seen.sent_ms);
            look.around(near_ms, &mut sought).await?;
        }
    }
    Ok(Box::new(sought))
}

struct Look<'a> {
    core: &'a Rc<Core>,
    uid: UserId,
    named: Named,
    sender: Option<UserId>,
    until: Instant,
}

impl Look<'_> {
    /// From the newest back, as far as may be.
    async fn back(&mut self, min: Seq, newest: Seq, sought: &mut Sought) -> Result<(), Refused> {
        let mut to = newest;
        let floor = Seq(newest.0.saturating_sub(self.core.settings.look_messages_max - 1)).max(min);
        loop {
            let from = Seq(to.0.saturating_sub(PAGE - 1)).max(floor);
            let page = self.page(from, to).await?;
            sought.seen = page.iter().find(|seen| self.is_it(seen)).cloned();
            if sought.seen.is_some() || from == min {
                return Ok(());
            }
            if from == floor || Instant::now() >= self.until {
                sought.back_to_ms = page.first().map_or(0, |seen| seen.sent_ms);
                sought.complete = false;
                return Ok(());
            }
            to = Seq(from.0 - 1);
        }
    }

    /// On both sides of a time, the nearest first, as far as what lies there was sent not long before or after.
    async fn around(&mut self, near_ms: i64, sought: &mut Sought) -> Result<(), Refused> {
        let (min, newest) = (sought.bounds.min.max(Seq(1)), sought.bounds.newest);
        let middle = self.first_since(min, newest, near_ms).await?;
        let (mut back, mut on) = (middle, middle);
        let (mut back_ended, mut on_ended) = (back == min, on > newest);
        let mut looked_at = 0;
        while !(back_ended && on_ended) {
            if looked_at >= self.core.settings.look_messages_max || Instant::now() >= self.until {
                sought.complete = false;
                return Ok(());
            }
            let goes_on = !on_ended && (back_ended || on.0 - middle.0 <= middle.0 - back.0);
            let (from, to) = match goes_on {
                true => (on, Seq(on.0 + PAGE - 1).min(newest)),
                false => (Seq(back.0.saturating_sub(PAGE)).max(min), Seq(back.0 - 1)),
            };
            let page = self.page(from, to).await?;
            let is_near = |seen: &&Seen| (seen.sent_ms - near_ms).abs() <= NEAR_MS;
            sought.seen = page.iter().find(|seen| is_near(seen) && self.is_it(seen)).cloned();
            if sought.seen.is_some() {
                return Ok(());
            }
            looked_at += to.0 - from.0 + 1;
            if goes_on {
                on = to.next();
                on_ended =
                    on > newest || page.last().is_some_and(|last| last.sent_ms > near_ms + NEAR_MS);
            } else {
                back = from;
                // One that is damaged has no time, and ends nothing.
                let first = page.iter().find(|seen| seen.sent_ms > 0);
                back_ended =
                    back == min || first.is_some_and(|first| first.sent_ms < near_ms - NEAR_MS);
            }
        }
        Ok(())
    }

    /// The first place of a message that was sent at a time or later; behind the newest if there is none.
    async fn first_since(&mut self, min: Seq, newest: Seq, ms: i64) -> Result<Seq, Refused> {
        let (mut low, mut high) = (min.0, newest.0 + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            // What cannot be read is passed over upwards; what is looked at behind it is more then, not less.
            match self.at(Seq(middle)).await? {
                Some(seen) if seen.sent_ms < ms => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(Seq(low))
    }

    async fn at(&mut self, seq: Seq) -> Result<Option<Seen>, Refused> {
        Ok(self.page(seq, seq).await?.into_iter().next().filter(|seen| seen.sent_ms > 0))
    }

    fn is_it(&self, seen: &Seen) -> bool {
        let by = self.sender.as_ref().is_none_or(|sender| sender.as_str() == seen.send_id);
        match &self.named {
            Named::Seq(seq) => seen.seq == *seq,
            Named::Client(id) => by && seen.client_msg_id == *id,
            Named::Server(sender, number) => {
                has_number(seen.key, *number) && seen.send_id.starts_with(sender.as_str())
            }
        }
    }

    async fn page(&mut self, from: Seq, to: Seq) -> Result<Vec<Seen>, Refused> {
        page(self.core, &self.uid, from, to).await
    }
}

/// The messages of some places. One that is damaged has a place, and nothing else.
pub(super) async fn page(
    core: &Rc<Core>,
    uid: &UserId,
    from: Seq,
    to: Seq,
) -> Result<Vec<Seen>, Refused> {
    let mut found = Vec::new();
    let mut next = Some(from);
    while let Some(from) = next {
        let unstored = core.shard.borrow().back().unstored(uid.as_str(), from, to);
        let (user, unstored) = (uid.clone(), Arc::from(unstored));
        let bytes_max = PAGE_BYTES;
        let read = |ticket| Read::Range { ticket, user, from, to, unstored, bytes_max };
        core.patiently(|core| core.asks.readers_have_room()).await?;
        let done = core.read(Waited::Pull, read).await;
        let Ok(Done::Ranged(_, Ok(Ranged { records, next: more }))) = done else {
            return Err(Refused::Unavailable);
        };
        found.extend(records.iter().map(|(seq, record)| seen(*seq, record)));
        next = more;
    }
    Ok(found)
}

fn seen(seq: Seq, record: &[u8]) -> Seen {
    let message = Message::decode(record).unwrap_or(Message::BLANK);
    Seen {
        seq,
        key: message.key,
        send_id: message.send_id.to_owned(),
        recv_id: message.recv_id.to_owned(),
        client_msg_id: message.client_msg_id.to_owned(),
        session_type: message.session_type,
        content_type: message.content_type,
        sent_ms: message.send_time_ns.div_euclid(1_000_000),
        origin_platform: message.origin_platform,
        copied: message.copy_for_author(seq),
        unwanted: message.switches.unwanted,
    }
}
