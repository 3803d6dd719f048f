//! The next segment, made ready ahead of time so that rolling over does not stall an append.
//!
//! Owns one thread that gives one file its space and waits. At most one file is ahead.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::embedded::sys;

/// What segment files need to know about the device.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// The log's directory.
    pub(super) dir: PathBuf,
    /// The same, open: making names durable must not need a descriptor that is not there.
    folder: Arc<File>,
    /// Length of a fresh segment.
    pub(super) segment_bytes: u64,
    /// Room that must stay free for the index.
    pub(super) reserve_bytes: u64,
}

impl Space {
    /// The space in `dir`.
    pub(super) fn open(dir: PathBuf, segment_bytes: u64, reserve_bytes: u64) -> io::Result<Self> {
        let folder = Arc::new(File::open(&dir)?);
        Ok(Self { dir, folder, segment_bytes, reserve_bytes })
    }

    /// Makes the names in the directory durable.
    pub(super) fn sync_names(&self) -> io::Result<()> {
        self.folder.sync_all()
    }

    /// Whether [`Self::allocate`] would find room for `bytes` more.
    pub(super) fn has_room(&self, bytes: u64) -> io::Result<()> {
        let free = sys::free_bytes(&self.dir)?;
        if free < self.reserve_bytes.saturating_add(bytes) { Err(sys::no_space()) } else { Ok(()) }
    }

    /// Gives `file` room for `offset..offset + bytes`, unless the reserve would suffer.
    pub(super) fn allocate(&self, file: &File, offset: u64, bytes: u64) -> io::Result<()> {
        self.has_room(bytes)?;
        sys::allocate(file, offset, bytes)
    }

    /// A file with the space of a segment, under a name that recovery throws away.
    pub(super) fn fresh(&self, number: u64) -> io::Result<Fresh> {
        let path = self.dir.join(format!("next-{number}.tmp"));
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        let made = self.allocate(&file, 0, self.segment_bytes).and_then(|()| file.sync_all());
        if let Err(error) = made {
            let _gone = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Fresh { file, path })
    }
}

/// A segment without head or name.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

enum Slot {
    Idle,
    Wanted,
    Ready(io::Result<Fresh>),
    Closed,
}

/// The thread and its one slot.
pub(super) struct Preparer {
    shared: Arc<(Mutex<Slot>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    pub(super) fn start(space: Space) -> io::Result<Self> {
        let shared = Arc::new((Mutex::new(Slot::Wanted), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log-prepare".to_owned())
            .spawn(move || run(&space, &theirs))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The prepared segment; waits for one that is being made. Another is begun by [`Self::want`].
    pub(super) fn take(&self) -> io::Result<Fresh> {
        let (slot, changed) = &*self.shared;
        let mut slot = slot.lock();
        if matches!(*slot, Slot::Idle) {
            *slot = Slot::Wanted;
            changed.notify_all();
        }
        loop {
            match std::mem::replace(&mut *slot, Slot::Idle) {
                Slot::Ready(fresh) => return fresh,
                Slot::Closed => {
                    *slot = Slot::Closed;
                    return Err(io::Error::other("the preparing thread has ended"));
                }
                other => *slot = other,
            }
            changed.wait(&mut slot);
        }
    }

    /// Asks for a segment to be made ready.
    pub(super) fn want(&self) {
        let (slot, changed) = &*self.shared;
        let mut slot = slot.lock();
        if matches!(*slot, Slot::Idle) {
            *slot = Slot::Wanted;
            changed.notify_all();
        }
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        let (slot, changed) = &*self.shared;
        let last = std::mem::replace(&mut *slot.lock(), Slot::Closed);
        changed.notify_all();
        if let Slot::Ready(Ok(fresh)) = last {
            remove(&fresh.path);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that prepares log segments panicked");
        }
    }
}

fn run(space: &Space, shared: &(Mutex<Slot>, Condvar)) {
    let (slot, changed) = shared;
    let mut number = 0;
    loop {
        {
            let mut slot = slot.lock();
            loop {
                match *slot {
                    Slot::Wanted => break,
                    Slot::Closed => return,
                    Slot::Idle | Slot::Ready(_) => changed.wait(&mut slot),
                }
            }
        }
        number += 1;
        let fresh = space.fresh(number);
        let mut slot = slot.lock();
        if matches!(*slot, Slot::Closed) {
            if let Ok(fresh) = fresh {
                remove(&fresh.path);
            }
            return;
        }
        *slot = Slot::Ready(fresh);
        changed.notify_all();
    }
}

fn remove(path: &Path) {
    // Recovery removes what is left behind; failing here costs nothing.
    let _gone = std::fs::remove_file(path);
}
