//! The newest of something that changes while the server runs, for shards, which look when they have time.
//!
//! In: values, from one thread. Out: to each shard the newest of those it has not taken. Nothing queues, and nobody waits.

use crossbeam_channel::{Receiver, Sender};

/// Where a shard finds what is newer than what it has.
pub(crate) type Newer<T> = Receiver<T>;

/// The way to each shard. One value waits there at most.
#[derive(Clone, Debug)]
pub(crate) struct Newest<T>(Vec<(Sender<T>, Newer<T>)>);

impl<T: Clone> Newest<T> {
    /// For so many shards.
    pub(crate) fn to(shards: u16) -> Self {
        Self((0..shards).map(|_| crossbeam_channel::bounded(1)).collect())
    }

    /// The end of each way, by shard.
    pub(crate) fn ends(&self) -> Vec<Newer<T>> {
        self.0.iter().map(|(_, end)| end.clone()).collect()
    }

    /// Puts it in the place of what waits.
    pub(crate) fn put(&self, newest: &T) {
        for (to, back) in &self.0 {
            // Only this end puts: one that finds no room finds it when the place was emptied, by whomever.
            while to.try_send(newest.clone()).is_err() {
                drop(back.try_recv());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_looks_late_finds_the_newest_only() {
        let newest = Newest::to(2);
        let ends = newest.ends();
        (1..=100).for_each(|value| newest.put(&value));
        for end in ends {
            assert_eq!(end.try_recv(), Ok(100));
            assert!(end.try_recv().is_err());
        }
    }
}
