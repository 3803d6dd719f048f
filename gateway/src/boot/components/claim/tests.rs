//! Claims in memory: who writes first, who is refused, and a start that is killed between any two writes.

use std::cell::{Cell, RefCell};

use super::*;

/// A keeper in memory; it ends when so many more changes were asked of it.
#[derive(Default)]
struct Memory {
    claim: RefCell<Option<String>>,
    dies_before: Cell<Option<u32>>,
}

impl Memory {
    fn change(&self) -> Result<(), StoreError> {
        match self.dies_before.get() {
            Some(0) => {
                Err(StoreError::Unavailable { what: "claiming".to_owned(), cause: "away".into() })
            }
            left => {
                self.dies_before.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }

    fn kept(&self) -> Option<Claim> {
        let text = self.claim.borrow();
        text.as_ref().map(|text| serde_json::from_str(text).expect("a claim"))
    }
}

impl Keeper for Memory {
    async fn read(&self) -> Result<Option<String>, StoreError> {
        // Others go on here.
        tokio::task::yield_now().await;
        Ok(self.claim.borrow().clone())
    }

    async fn put(&self, claim: String) -> Result<String, StoreError> {
        tokio::task::yield_now().await;
        self.change()?;
        Ok(self.claim.borrow_mut().get_or_insert(claim).clone())
    }

    async fn replace(&self, this: String, by: String) -> Result<String, StoreError> {
        tokio::task::yield_now().await;
        self.change()?;
        let mut claim = self.claim.borrow_mut();
        if claim.as_ref() == Some(&this) {
            *claim = Some(by);
        }
        Ok(claim.clone().unwrap_or_default())
    }
}

#[derive(Default)]
struct Two {
    mongo: Memory,
    mysql: Memory,
}

impl Two {
    async fn settle_as(&self, meant: Meant, own: &Own) -> Result<bool, Unsettled> {
        let config = Config::default();
        let (at_mongo, at_mysql) = (&Place::mongo(&config), &Place::mysql(&config));
        let (mongo, mysql) = ((at_mongo, &self.mongo), (at_mysql, &self.mysql));
        Claiming { own, meant, mongo, mysql }.settle().await
    }

    async fn move_log(&self, own: &Own) {
        let config = Config::default();
        let (at_mongo, at_mysql) = (&Place::mongo(&config), &Place::mysql(&config));
        let (mongo, mysql) = ((at_mongo, &self.mongo), (at_mysql, &self.mysql));
        let moved = Claiming { own, meant: Meant::Adopt, mongo, mysql }.move_log().await;
        moved.expect("it is moved");
    }

    fn settle(&self, own: &Own) -> Result<bool, Unsettled> {
        run(self.settle_as(Meant::Start, own))
    }

    #[track_caller]
    fn refuses(&self, own: &Own, needles: &[&str]) {
        let Err(Unsettled::Wrong(line)) = self.settle(own) else { panic!("it is taken: {own}") };
        assert!(!line.contains('\n'), "{line}");
        for needle in needles {
            assert!(line.contains(needle), "{needle} is to be in: {line}");
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

fn own() -> Own {
    Own::of(&Config::default()).with_log(Some("log-1".to_owned()))
}

fn with(key: &str, value: &str) -> Own {
    let mut own = own();
    let before = own.settings.insert(key.to_owned(), value.to_owned());
    assert!(before.is_some(), "{key} is compared");
    own
}

#[test]
fn the_first_writes_down_and_the_others_find_it() {
    let two = Two::default();
    assert!(two.settle(&own()).expect("it is claimed"));
    assert!(!two.settle(&own()).expect("it is found"));
    let (mongo, mysql) = (two.mongo.kept(), two.mysql.kept());
    assert_eq!(mongo, mysql);
    assert!(mongo.is_some_and(|claim| claim.settled && claim.settings == own().settings));
}

#[test]
fn each_setting_that_differs_is_refused_by_its_key() {
    let two = Two::default();
    two.settle(&own()).expect("it is claimed");
    for (key, there) in own().settings {
        two.refuses(&with(&key, "another"), &[&key, "another", &there, "as the cluster has it"]);
    }
    let both = Own::of(&Config::default()).with_log(Some("log-2".to_owned()));
    two.refuses(&both, &["kafka.ws2mschat.addr", "log-2", "log-1", "openim adopt-log"]);
    // Of brokers that have no name.
    two.settle(&Own::of(&Config::default())).expect("nothing differs");
}

#[test]
fn what_only_one_of_the_two_has_is_found_there() {
    for lost in [true, false] {
        let two = Two::default();
        two.settle(&own()).expect("it is claimed");
        let (lacks, key, name_key) = match lost {
            true => (&two.mongo, "mongo.dbAddress", "mongo.dbDatabase"),
            false => (&two.mysql, "mysql.dbAddress", "mysql.dbDatabaseName"),
        };
        *lacks.claim.borrow_mut() = None;
        // Another server, or data that is gone.
        two.refuses(&own(), &[key, "put its data back"]);
        // Another database.
        two.refuses(&with(name_key, "another"), &[name_key, "another"]);
        assert_eq!(lacks.kept(), None, "nothing is written there");
        let other = Two::default();
        other.settle(&own()).expect("it is claimed");
        let claim = other.mysql.claim.borrow().clone();
        *lacks.claim.borrow_mut() = claim;
        two.refuses(&own(), &["another cluster of the name openim"]);
    }
}

#[test]
fn another_cluster_is_named() {
    let two = Two::default();
    two.settle(&own()).expect("it is claimed");
    let mut other = own();
    other.cluster = "other".to_owned();
    two.refuses(&other, &["cluster.name", "\"openim\"", "\"other\""]);
}

#[test]
fn a_first_start_that_was_killed_anywhere_is_taken_up() {
    for dies_before in 0..2 {
        for of_mongo in [true, false] {
            let two = Two::default();
            let dies = if of_mongo { &two.mongo } else { &two.mysql };
            dies.dies_before.set(Some(dies_before));
            assert!(matches!(two.settle(&own()), Err(Unsettled::Away(_))));
            dies.dies_before.set(None);
            two.settle(&own()).expect("the next one goes on");
            assert_eq!(two.mongo.kept(), two.mysql.kept());
            assert!(two.mongo.kept().is_some_and(|claim| claim.settled));
        }
    }
}

#[test]
fn of_many_that_start_first_one_writes_it_down() {
    let two = Two::default();
    let own = own();
    let made = run(async {
        let one = || two.settle_as(Meant::Start, &own);
        let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
        [a, b, c, d].map(|outcome| outcome.expect("they agree"))
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    assert_eq!(two.mongo.kept(), two.mysql.kept());
}

#[test]
fn an_operator_moves_the_log_and_nothing_else() {
    let two = Two::default();
    two.settle(&own()).expect("it is claimed");
    let new = with("kafka.ws2mschat.topic", "another");
    run(two.settle_as(Meant::Adopt, &new)).expect("that is what is meant");
    let other = run(two.settle_as(Meant::Adopt, &with("mongo.dbDatabase", "another")));
    assert!(matches!(other, Err(Unsettled::Wrong(_))));
    run(two.move_log(&new));
    two.settle(&new).expect("it is the cluster's");
    two.refuses(&own(), &["kafka.ws2mschat.topic", "\"another\""]);
}
