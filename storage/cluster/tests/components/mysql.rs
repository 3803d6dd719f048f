//! The ports on MySQL: against the suites that every engine runs, and ([`shared`]) where others use the same database.

mod departures;
mod shared;

use std::sync::Arc;

use openim_cluster::mysql::Mysql;
use openim_storage::conformance::{self, Backend, Site};

use crate::support::elsewhere::Elsewhere;
use crate::support::mysql::Database;

/// A database, and one log for as long as it is not emptied.
struct Place {
    database: Arc<Database>,
    elsewhere: Elsewhere,
}

impl Site for Place {
    fn open(&mut self) -> Backend {
        let Mysql { directory, relations, groups, preferences, tokens, archive, .. } =
            self.database.open();
        Backend {
            log: self.elsewhere.log(),
            history: Arc::new(self.elsewhere.clone()),
            records: Arc::new(self.elsewhere.clone()),
            archive,
            directory,
            tokens,
            relations,
            groups,
            preferences,
        }
    }
}

/// Runs a suite on a database of its own, which is empty at each of its sites.
fn on_mysql(suite: fn(conformance::Sites<'_>)) {
    let Some(database) = Database::create() else { return };
    let database = Arc::new(database);
    suite(&mut || {
        database.clear();
        Box::new(Place { database: Arc::clone(&database), elsewhere: Elsewhere::default() })
    });
}

#[test]
fn archive() {
    on_mysql(conformance::archive);
}

#[test]
fn directory() {
    on_mysql(conformance::directory);
}

#[test]
fn tokens() {
    on_mysql(conformance::tokens);
}

#[test]
fn relations() {
    on_mysql(conformance::relations);
}

#[test]
fn random_relations_agree_with_a_model() {
    on_mysql(|sites| (0..6).for_each(|seed| conformance::relations_model(sites, seed, 150)));
}

#[test]
fn groups() {
    on_mysql(conformance::groups);
}

#[test]
fn random_groups_agree_with_a_model() {
    on_mysql(|sites| (0..6).for_each(|seed| conformance::groups_model(sites, seed, 150)));
}

#[test]
fn preferences() {
    on_mysql(conformance::preferences);
}
