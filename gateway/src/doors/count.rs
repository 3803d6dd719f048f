//! How many there are of something on one shard.

use std::cell::Cell;
use std::rc::Rc;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Count(Rc<Cell<usize>>);

/// One of them, until dropped.
#[derive(Debug)]
pub(crate) struct Place(Rc<Cell<usize>>);

impl Count {
    pub(crate) fn enter(&self) -> Place {
        self.0.set(self.0.get() + 1);
        Place(Rc::clone(&self.0))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.get()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
