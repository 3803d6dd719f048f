//! The embedded engine against the suite of every port; and the suite of the history against one that is stored in many
//! writes, which shows that the suite finds its way there too.

mod plain;

use std::sync::{Arc, Mutex};

use openim_storage::conformance::{self, Backend, Logs, Site};
use openim_storage::embedded::{Durability, Embedded, Options, open};

use plain::{Disk, PlainHistory};

/// One data directory; small segments, so that the suites cross many.
struct Directory {
    dir: tempfile::TempDir,
    options: Options,
}

impl Site for Directory {
    fn open(&mut self) -> Backend {
        let opened = open(self.dir.path(), &self.options).expect("the engine opens");
        assert_eq!(opened.report.torn, None, "nothing was torn");
        let Embedded { log, history, archive, directory, tokens, .. } = opened;
        let (relations, groups, preferences) =
            (opened.relations, opened.groups, opened.preferences);
        let log = Logs::new(Box::new(log), Box::new(opened.tail));
        let records = history.clone();
        Backend {
            log,
            history,
            records,
            archive,
            directory,
            tokens,
            relations,
            groups,
            preferences,
        }
    }
}

/// The same, but for the history, which is a plain one.
struct Plain {
    rest: Directory,
    disk: Arc<Mutex<Disk>>,
}

impl Plain {
    fn open_for(&mut self, writes: Option<usize>) -> Backend {
        let history = Arc::new(PlainHistory::open(&self.disk, writes));
        Backend { history, ..self.rest.open() }
    }
}

impl Site for Plain {
    fn open(&mut self) -> Backend {
        self.open_for(None)
    }

    fn is_atomic(&self) -> bool {
        false
    }

    fn open_cut(&mut self, writes: usize) -> Option<Backend> {
        Some(self.open_for(Some(writes)))
    }
}

fn options(segment_bytes: u64) -> Options {
    Options { segment_bytes, reserve_bytes: 0, ..Options::default() }
}

fn on(options: Options) -> impl FnMut() -> Box<dyn Site> {
    move || {
        let dir = tempfile::tempdir().expect("a directory for the test");
        Box::new(Directory { dir, options: options.clone() })
    }
}

#[test]
fn log() {
    conformance::log(&mut on(options(4 * 1024)));
    conformance::log(&mut on(options(1024 * 1024)));
}

#[test]
fn log_flushed_at_intervals() {
    let durability = Durability::Interval { ms: 5 };
    conformance::log(&mut on(Options { durability, ..options(4 * 1024) }));
}

#[test]
fn history() {
    conformance::history(&mut on(options(4 * 1024)));
}

#[test]
fn history_that_is_stored_in_many_writes() {
    conformance::history(&mut || {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let rest = Directory { dir, options: options(4 * 1024) };
        Box::new(Plain { rest, disk: Arc::default() })
    });
}

#[test]
fn records() {
    conformance::records(&mut on(options(4 * 1024)));
}

#[test]
fn archive() {
    conformance::archive(&mut on(options(4 * 1024)));
}

#[test]
fn directory() {
    conformance::directory(&mut on(options(64 * 1024)));
}

#[test]
fn tokens() {
    conformance::tokens(&mut on(options(64 * 1024)));
}

#[test]
fn relations() {
    conformance::relations(&mut on(options(64 * 1024)));
}

#[test]
fn random_relations_agree_with_a_model() {
    for seed in 0..6 {
        conformance::relations_model(&mut on(options(64 * 1024)), seed, 150);
    }
}

#[test]
fn groups() {
    conformance::groups(&mut on(options(64 * 1024)));
}

#[test]
fn random_groups_agree_with_a_model() {
    for seed in 0..6 {
        conformance::groups_model(&mut on(options(64 * 1024)), seed, 150);
    }
}

#[test]
fn preferences() {
    conformance::preferences(&mut on(options(64 * 1024)));
    conformance::devices(&mut on(options(64 * 1024)));
}

#[test]
fn random_operations_agree_with_a_model() {
    for seed in 0..12 {
        conformance::model(&mut on(options(16 * 1024)), seed, 250);
    }
}

#[test]
fn a_backend_can_be_shared_by_threads() {
    fn shared<T: Send + Sync + ?Sized>(_: &Arc<T>) {}
    let Backend { history, archive, directory, tokens, relations, groups, preferences, .. } =
        on(options(4 * 1024))().open();
    shared(&history);
    shared(&archive);
    shared(&directory);
    shared(&tokens);
    shared(&relations);
    shared(&groups);
    shared(&preferences);
}
