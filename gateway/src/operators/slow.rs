//! Who takes slowly what waits for them, by name.
//!
//! In: a look a second, while a page listens. Out: the links for which most bytes wait. A shard is asked only while bytes wait there, and looks at
//! [`SLOTS`] places of links then, and at those found before: however many links there are, a look takes no longer.

use std::rc::Rc;
use std::sync::Arc;

use openim_record::LinkId;
use serde_json::{Value, json};

use super::Console;
use crate::driver::Core;

/// Places of links that a shard looks at in one look.
const SLOTS: usize = 8 * 1024;
/// Links that are told.
const MOST: usize = 10;

/// What is known of one shard.
#[derive(Clone, Default)]
struct OfShard {
    /// Where the next look begins.
    from: usize,
    known: Vec<LinkId>,
}

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
    /// Looks once more. Who does not answer in time is left out.
    pub(super) async fn look(&mut self, console: &Arc<Console>) -> Vec<Value> {
        let shards = Arc::clone(&console.sources.shards);
        self.0.resize(shards.len(), OfShard::default());
        let mut all: Vec<Waits> = Vec::new();
        for (index, (of, metrics)) in self.0.iter_mut().zip(shards.iter()).enumerate() {
            if metrics.outbox_bytes.get() == 0 {
                *of = OfShard::default();
                continue;
            }
            let asked = of.clone();
            let found = console.asking.at(index, async move |core| look_here(&core, &asked)).await;
            let Ok((waits, next)) = found else { continue };
            of.from = next;
            of.known = waits.iter().map(|link| link.id).collect();
            all.extend(waits);
        }
        all.sort_by_key(|link| std::cmp::Reverse(link.bytes));
        all.truncate(MOST);
        let told = all.into_iter().map(|Waits { uid, platform, bytes, .. }| {
            json!({ "uid": uid, "platform": platform, "bytes": bytes })
        });
        told.collect()
    }
}

/// Those of one shard for which most bytes wait, and where to go on.
fn look_here(core: &Rc<Core>, asked: &OfShard) -> (Vec<Waits>, usize) {
    let (shard, io) = (core.shard.borrow(), core.io.borrow());
    let held = |id: LinkId| {
        let link = io.links.get(id.index as usize)?.as_ref()?;
        (link.generation == id.generation).then(|| link.outbox.held()).filter(|bytes| *bytes > 0)
    };
    let end = (asked.from + SLOTS).min(io.links.len());
    let slots = io.links.get(asked.from..end).unwrap_or_default();
    let ids = slots.iter().zip(asked.from..).filter_map(|(link, index)| {
        let (index, link) = (u32::try_from(index).ok()?, link.as_ref()?);
        Some(LinkId { index, generation: link.generation })
    });
    let mut found: Vec<(usize, LinkId)> =
        ids.chain(asked.known.iter().copied()).filter_map(|id| Some((held(id)?, id))).collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.dedup();
    let named = found.into_iter().take(MOST).filter_map(|(bytes, id)| {
        let uid = shard.front().uid(id)?.as_str().to_owned();
        Some(Waits { id, uid, platform: shard.front().platform(id), bytes })
    });
    (named.collect(), if end < io.links.len() { end } else { 0 })
}
