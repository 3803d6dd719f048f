//! Permits that count: sockets of clients against the descriptors there are for them, and links among
//! these against their own maximum.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// What is counted, by all shards; touched when a connection comes and goes.
#[derive(Debug)]
struct Counts {
    sockets: AtomicUsize,
    links: AtomicUsize,
    sockets_max: usize,
    links_max: usize,
    /// Failures to accept since the last that was told, and the second of that one.
    failures: AtomicU64,
    told_s: AtomicI64,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Permits(Arc<Counts>);

/// A client's socket that has its descriptor; given back when dropped.
#[derive(Debug)]
pub(crate) struct SocketPermit(Arc<Counts>);

/// A link, and its socket; both given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    counts: Arc<Counts>,
    /// Counts against the peer's address as well, where that is limited.
    pub(crate) address: Option<Box<super::addresses::Counted>>,
}

fn take(taken: &AtomicUsize, max: usize) -> bool {
    let took = taken.fetch_add(1, Ordering::Relaxed) < max;
    if !took {
        taken.fetch_sub(1, Ordering::Relaxed);
    }
    took
}

impl Permits {
    /// So many sockets, and so many of them links.
    pub(crate) fn new(sockets_max: usize, links_max: usize) -> Self {
        Self(Arc::new(Counts {
            sockets: AtomicUsize::new(0),
            links: AtomicUsize::new(0),
            sockets_max,
            links_max,
            failures: AtomicU64::new(0),
            told_s: AtomicI64::new(i64::MIN),
        }))
    }

    /// Takes one for a socket, if one is left.
    pub(crate) fn socket(&self) -> Option<SocketPermit> {
        take(&self.0.sockets, self.0.sockets_max).then(|| SocketPermit(Arc::clone(&self.0)))
    }

    /// How many links there are.
    pub(crate) fn links(&self) -> usize {
        self.0.links.load(Ordering::Relaxed)
    }

    /// How many links there may be.
    pub(crate) fn links_max(&self) -> usize {
        self.0.links_max
    }

    /// Counts a socket that the system did not give; at most once a second how many there were since.
    pub(crate) fn failed(&self, now_s: i64) -> Option<u64> {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        let told_s = self.0.told_s.swap(now_s, Ordering::Relaxed);
        (told_s != now_s).then(|| self.0.failures.swap(0, Ordering::Relaxed))
    }
}

impl SocketPermit {
    /// The socket becomes a link, if there may be one more.
    pub(crate) fn into_link(self) -> Result<Permit, Self> {
        if !take(&self.0.links, self.0.links_max) {
            return Err(self);
        }
        let counts = Arc::clone(&self.0);
        // The link gives the socket back.
        counts.sockets.fetch_add(1, Ordering::Relaxed);
        Ok(Permit { counts, address: None })
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.links.fetch_sub(1, Ordering::Relaxed);
        self.counts.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_maximum_and_each_comes_back() {
        let permits = Permits::new(3, 1);
        let sockets = [(); 3].map(|()| permits.socket().unwrap());
        assert!(permits.socket().is_none());
        let [one, two, three] = sockets;
        let link = one.into_link().unwrap();
        let two = two.into_link().unwrap_err();
        assert_eq!(permits.links(), 1);
        assert!(permits.socket().is_none(), "a link keeps its socket");
        drop(link);
        let link = two.into_link().unwrap();
        assert!(permits.socket().is_some());
        drop((link, three));
        assert_eq!(permits.links(), 0);
        assert_eq!(permits.0.sockets.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn failures_are_told_once_a_second() {
        let permits = Permits::new(0, 0);
        assert_eq!(permits.failed(1), Some(1));
        assert_eq!([permits.failed(1), permits.failed(1)], [None, None]);
        assert_eq!(permits.failed(2), Some(3));
    }
}
