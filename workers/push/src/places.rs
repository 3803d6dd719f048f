//! How far the log is dealt with: up to the first message some notice of which is still on its way.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The messages that are being told of, by their positions.
#[derive(Debug, Default)]
pub struct Places(Mutex<BTreeMap<u64, u32>>);

/// Keeps a position among those that are not dealt with.
#[derive(Debug)]
pub struct Place {
    of: Arc<Places>,
    position: u64,
}

impl Places {
    /// A position is not dealt with for as long as the place is held.
    #[must_use]
    pub fn hold(self: &Arc<Self>, position: u64) -> Place {
        *self.0.lock().entry(position).or_default() += 1;
        Place { of: Arc::clone(self), position }
    }

    /// The first position that is held.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.0.lock().keys().next().copied()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.of.0.lock();
        if let Some(count) = held.get_mut(&self.position) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_held_counts() {
        let places = Arc::new(Places::default());
        let (a, b, c) = (places.hold(5), places.hold(3), places.hold(3));
        assert_eq!(places.first(), Some(3));
        drop(b);
        assert_eq!(places.first(), Some(3));
        drop(c);
        assert_eq!(places.first(), Some(5));
        drop(a);
        assert_eq!(places.first(), None);
    }
}
