//! Compares the embedded engine with the plain models for many seeds.
//!
//! `cargo run --release -p openim-storage --example model -- DIR FIRST_SEED SEEDS STEPS`

use openim_storage::conformance::{Backend, Logs, Site, groups_model, model, relations_model};
use openim_storage::embedded::{Embedded, Options, open};

struct Place {
    dir: tempfile::TempDir,
    options: Options,
}

impl Site for Place {
    fn open(&mut self) -> Backend {
        let opened = open(self.dir.path(), &self.options).expect("the engine opens");
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

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| ".".to_owned());
    let mut number = |or: u64| arguments.next().and_then(|n| n.parse().ok()).unwrap_or(or);
    let (first, seeds, steps) = (number(0), number(100), number(500));
    for seed in first..first + seeds {
        let segment_bytes = [2_048, 16_384, 200_000][(seed % 3) as usize];
        let options = Options { segment_bytes, reserve_bytes: 0, ..Options::default() };
        let mut sites = || -> Box<dyn Site> {
            let dir = tempfile::tempdir_in(&dir).expect("a folder to work in");
            Box::new(Place { dir, options: options.clone() })
        };
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        model(&mut sites, seed, steps);
        relations_model(&mut sites, seed, steps);
        groups_model(&mut sites, seed, steps);
    }
    println!("{seeds} seeds from {first}, {steps} steps each: every answer agrees with the models");
}
