//! Which process of the store answers: another one may have lost what the one before had acknowledged (R4).
//!
//! In: the driver's events about connections, which it tells on the spot, and what a server says of itself. Out: a number
//! that changes when a server was given up or another process answers. A write that was begun under a former number is
//! refused, so an owner that loaded from one process never goes on at another.
//!
//! A connection that was opened since the last look may lead to another process though nobody has noticed the end of the
//! one before (when this process was stopped meanwhile): then a server is asked before it is written to.

use std::sync::atomic::{AtomicU64, Ordering};

use mongodb::bson::Document;
use mongodb::event::cmap::CmapEvent;

/// Names what was loaded from one process of the store, for writes that build on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Generations {
    number: AtomicU64,
    /// Connections that were opened, and up to which of them they are known to lead to `process`.
    opened: AtomicU64,
    verified: AtomicU64,
    /// The one that answers; 0 before the first look.
    process: AtomicU64,
    /// How many of them have answered, one after the other.
    processes: AtomicU64,
    /// The number since which it is this process, where there was another before.
    since: AtomicU64,
}

impl Generations {
    /// Of a pool of connections.
    pub(super) fn hear(&self, event: &CmapEvent) {
        match event {
            // A server is unknown, or nobody knows what it has done.
            CmapEvent::PoolCleared(_) => {
                self.begin();
            }
            CmapEvent::ConnectionReady(_) => {
                self.opened.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
    }

    fn begin(&self) -> u64 {
        self.number.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn now(&self) -> Generation {
        Generation(self.number.load(Ordering::SeqCst))
    }

    /// Why what was begun under this number does not go on; `None`: it does.
    pub(super) fn over(&self, Generation(number): Generation) -> Option<&'static str> {
        if self.number.load(Ordering::SeqCst) == number {
            None
        } else if self.since.load(Ordering::SeqCst) > number {
            Some("another process of the store answers")
        } else {
            Some("its connections were given up meanwhile: it is asked again from the beginning")
        }
    }

    /// How many processes have answered so far, this one included; 0 before the first look.
    pub(super) fn processes(&self) -> u64 {
        self.processes.load(Ordering::SeqCst)
    }

    /// Connections that were opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    /// Whether all of them are known to lead to one process, or to one that is gone.
    pub(super) fn is_verified(&self) -> bool {
        self.verified.load(Ordering::SeqCst) == self.opened()
    }

    /// What a server has said (`hello`) that was asked when so many connections were open: those led to the same process,
    /// or to one that is gone.
    pub(super) fn verify(&self, opened: u64, hello: &Document) {
        let process = process(hello);
        let before = self.process.swap(process, Ordering::SeqCst);
        if before != process {
            self.processes.fetch_add(1, Ordering::SeqCst);
            if before != 0 {
                self.since.fetch_max(self.begin(), Ordering::SeqCst);
            }
        }
        self.verified.fetch_max(opened, Ordering::SeqCst);
    }
}

/// The id of the process, which it draws at its start; never 0.
fn process(hello: &Document) -> u64 {
    let version = hello.get_document("topologyVersion");
    let id = version.and_then(|version| version.get_object_id("processId"));
    let id = id.map(|id| id.bytes()).unwrap_or_default();
    // The first bytes are the time it was drawn at.
    let [_, _, _, _, rest @ ..] = id;
    u64::from_le_bytes(rest).max(1)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;
    use mongodb::bson::oid::ObjectId;

    use super::*;

    fn hello(process: ObjectId) -> Document {
        doc! { "ok": 1, "topologyVersion": { "processId": process, "counter": 6_i64 } }
    }

    #[test]
    fn another_process_is_another_generation() {
        let generations = Generations::default();
        let (first, second) = (ObjectId::new(), ObjectId::new());
        let before = generations.now();
        assert!(generations.is_verified(), "there is no connection yet");
        generations.opened.fetch_add(2, Ordering::SeqCst);
        assert!(!generations.is_verified());
        generations.verify(2, &hello(first));
        assert_eq!((generations.is_verified(), generations.processes()), (true, 1));
        // Others were opened; they lead to the same process.
        generations.opened.fetch_add(1, Ordering::SeqCst);
        assert!(!generations.is_verified());
        generations.verify(3, &hello(first));
        assert_eq!((generations.is_verified(), generations.now()), (true, before));
        assert_eq!(generations.processes(), 1);
        generations.opened.fetch_add(1, Ordering::SeqCst);
        generations.verify(4, &hello(second));
        assert!(generations.is_verified());
        assert_ne!(generations.now(), before);
        assert_eq!(generations.processes(), 2);
    }

    /// One that was stopped and goes on is no other.
    #[test]
    fn who_is_refused_learns_whether_it_is_another_process() {
        let generations = Generations::default();
        let (first, second) = (ObjectId::new(), ObjectId::new());
        generations.verify(0, &hello(first));
        let begun = generations.now();
        assert_eq!(generations.over(begun), None);
        // As when a pool is cleared.
        generations.begin();
        generations.verify(0, &hello(first));
        let refused = generations.over(begun).expect("it is over");
        assert!(!refused.contains("another process"), "{refused}");
        let again = generations.now();
        generations.begin();
        generations.verify(0, &hello(second));
        for before in [begun, again] {
            assert_eq!(generations.over(before), Some("another process of the store answers"));
        }
    }
}
