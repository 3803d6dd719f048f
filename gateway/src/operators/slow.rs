//! Who takes slowly what waits for them, by name; and which shards do not answer.
//!
//! In: a look a second, while a page listens. Out: the links for which most bytes wait, and for how long each shard owes an answer. A shard has
//! one question under way, a small one, however often pages come and go: while bytes wait there it looks at [`SLOTS`] places of links, and
//! at those found before, so however many links there are, a look takes no longer. Never: waits for a shard; what one has answered is seen
//! at the next look.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_record::LinkId;
use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::asking::Asking;
use crate::driver::Core;
use crate::metrics::ShardMetrics;

/// Places of links that a shard looks at in one look.
const SLOTS: usize = 8 * 1024;
/// Links that are told.
const MOST: usize = 10;
/// A shard that owes an answer for so long is stuck: others wait for it as well.
const STUCK: Duration = Duration::from_secs(3);

/// What is known of one shard.
#[derive(Default)]
struct OfShard {
    /// Where the next look begins.
    from: usize,
    waits: Vec<Waits>,
    /// An answer that is not there yet.
    owes: Option<Receiver<Found>>,
    /// Since when it owes one, or takes no question at all.
    silent_since: Option<Instant>,
}

/// Those of one shard for which most bytes wait, and where to go on.
type Found = (Vec<Waits>, usize);

/// A link, and what waits for it.
struct Waits {
    id: LinkId,
    uid: String,
    platform: Option<u8>,
    bytes: usize,
}

/// See the module.
#[derive(Default)]
pub(super) struct Slow(Vec<OfShard>);

impl Slow {
    /// Somebody listens again: what was found before is of another time, and what is owed stays so.
    pub(super) fn begin(&mut self) {
        for of in &mut self.0 {
            of.hear();
            (of.from, of.waits) = (0, Vec::new());
        }
    }

    /// Looks once more: the links for which most bytes wait, and of each shard for how many seconds it is stuck (0: it is not).
    pub(super) fn look(
        &mut self,
        asking: &Asking,
        shards: &[Arc<ShardMetrics>],
        now: Instant,
    ) -> (Vec<Value>, Vec<u64>) {
        self.0.resize_with(shards.len(), OfShard::default);
        let each = self.0.iter_mut().zip(shards).enumerate();
        let stuck = each.map(|(index, (of, metrics))| {
            let wait_there = metrics.outbox_bytes.get() > 0;
            of.hear();
            if !wait_there {
                of.waits.clear();
            }
            if of.owes.is_none() {
                let (from, known) = (of.from, of.waits.iter().map(|link| link.id).collect());
                let question = async move |core: Rc<Core>| match wait_there {
                    true => look_here(&core, from, known),
                    false => (Vec::new(), 0),
                };
                of.silent_since = match asking.aside(index, question) {
                    Ok(answer) => {
                        of.owes = Some(answer);
                        of.silent_since.or(Some(now))
                    }
                    Err(TrySendError::Full(_)) => of.silent_since.or(Some(now)),
                    // It has ended.
                    Err(TrySendError::Closed(_)) => None,
                };
            }
            let silent = of.silent_since.map_or(Duration::ZERO, |since| now - since);
            if silent >= STUCK { silent.as_secs() } else { 0 }
        });
        let stuck = stuck.collect();
        let mut all: Vec<&Waits> = self.0.iter().flat_map(|of| &of.waits).collect();
        all.sort_by_key(|link| std::cmp::Reverse(link.bytes));
        all.truncate(MOST);
        let told = all.into_iter().map(|Waits { uid, platform, bytes, .. }| {
            json!({ "uid": uid, "platform": platform, "bytes": bytes })
        });
        (told.collect(), stuck)
    }
}

impl OfShard {
    /// Takes the answer if it is there.
    fn hear(&mut self) {
        match self.owes.as_mut().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => return,
            Some(Ok((waits, next))) => (self.waits, self.from) = (waits, next),
            // It has ended.
            Some(Err(TryRecvError::Closed)) => self.waits.clear(),
        }
        (self.owes, self.silent_since) = (None, None);
    }
}

fn look_here(core: &Rc<Core>, from: usize, known: Vec<LinkId>) -> Found {
    let (shard, io) = (core.shard.borrow(), core.io.borrow());
    let held = |id: LinkId| {
        let link = io.links.get(id.index as usize)?.as_ref()?;
        (link.generation == id.generation).then(|| link.held()).filter(|bytes| *bytes > 0)
    };
    let end = (from + SLOTS).min(io.links.len());
    let slots = io.links.get(from..end).unwrap_or_default();
    let ids = slots.iter().zip(from..).filter_map(|(link, index)| {
        let (index, link) = (u32::try_from(index).ok()?, link.as_ref()?);
        Some(LinkId { index, generation: link.generation })
    });
    let mut found: Vec<(usize, LinkId)> =
        ids.chain(known).filter_map(|id| Some((held(id)?, id))).collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.dedup();
    let named = found.into_iter().take(MOST).filter_map(|(bytes, id)| {
        let uid = shard.front().uid(id)?.as_str().to_owned();
        Some(Waits { id, uid, platform: shard.front().platform(id), bytes })
    });
    (named.collect(), if end < io.links.len() { end } else { 0 })
}

#[cfg(test)]
mod tests {
    use openim_record::Placement;

    use super::*;
    use crate::operators::ways;

    #[test]
    fn a_shard_that_does_not_answer_is_told_and_keeps_no_place_of_others() {
        let (asking, ends) = ways(2, Placement::new(8));
        let shards = [Arc::new(ShardMetrics::default()), Arc::new(ShardMetrics::default())];
        shards[1].outbox_bytes.set(7);
        let mut slow = Slow::default();
        let began = Instant::now();
        let at = |second| began + Duration::from_secs(second);
        for second in 0..100 {
            let (links, stuck) = slow.look(&asking, &shards, at(second));
            let told = if second >= 3 { second } else { 0 };
            assert_eq!((links.len(), stuck), (0, vec![told; 2]), "second {second}");
        }
        assert_eq!(asking.under_way(), 0);
        // One that has ended is not stuck.
        drop(ends);
        slow.look(&asking, &shards, at(100));
        assert_eq!(slow.look(&asking, &shards, at(101)).1, [0, 0]);
    }

    #[test]
    fn a_shard_that_takes_no_question_is_stuck() {
        let (asking, _ends) = ways(1, Placement::new(8));
        while asking.aside(0, async |_| ()).is_ok() {}
        let shards = [Arc::new(ShardMetrics::default())];
        let (mut slow, began) = (Slow::default(), Instant::now());
        for (second, told) in [(0, 0), (2, 0), (3, 3), (70, 70)] {
            let stuck = slow.look(&asking, &shards, began + Duration::from_secs(second)).1;
            assert_eq!(stuck, [told]);
        }
    }
}
