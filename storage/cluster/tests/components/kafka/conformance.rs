//! One topic against the suite of every log.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use openim_cluster::kafka::{Options, Tail};
use openim_record::{PartitionId, Position, Topic};
use openim_storage::conformance::{self, Backend, Logs, Site};
use openim_storage::port::{Consume, Consumed, Polled, StoreError};

use super::{LOOK, Place, until};
use crate::support;

const PARTITIONS: u16 = 2;

/// A tail that has its partitions: suites do not wait for other processes.
struct Ready {
    tail: Tail,
    assigned: VecDeque<PartitionId>,
}

impl Ready {
    fn new(mut tail: Tail) -> Self {
        let mut assigned = VecDeque::new();
        until("all are assigned", || {
            let polled = tail.poll(LOOK, &mut |shown| {
                let Consumed::Assigned(partition) = shown else { panic!("{shown:?}") };
                assigned.push_back(partition);
                ControlFlow::Continue(())
            });
            polled.expect("Kafka answers");
            assigned.len() == usize::from(PARTITIONS)
        });
        Self { tail, assigned }
    }
}

impl Consume for Ready {
    fn poll(
        &mut self,
        wait: Duration,
        each: &mut dyn FnMut(Consumed<'_>) -> ControlFlow<()>,
    ) -> Result<Polled, StoreError> {
        while let Some(partition) = self.assigned.pop_front() {
            if each(Consumed::Assigned(partition)).is_break() {
                return Ok(Polled::More);
            }
        }
        self.tail.poll(wait, each)
    }

    fn begin(&mut self, partition: PartitionId, from: Position) {
        self.tail.begin(partition, from);
    }

    fn applied(&mut self, partition: PartitionId, below: Position) {
        self.tail.applied(partition, below);
    }
}

/// The embedded engine for all but the log.
struct Topics {
    place: Place,
    rest: tempfile::TempDir,
}

impl Site for Topics {
    fn open(&mut self) -> Backend {
        // What nobody waits for in a cluster is waited for in each step of a suite.
        let fetch_wait = Duration::from_millis(10);
        let options = Options { fetch_wait, ..self.place.options.clone() };
        let opened = self.place.open(options).log(Topic::Chat, "readers");
        let (head, tail) = opened.expect("Kafka answers");
        let log = Logs::new(Box::new(head), Box::new(Ready::new(tail)));
        Backend { log, ..support::rest(self.rest.path()) }
    }

    fn log_is_elsewhere(&self) -> bool {
        true
    }
}

#[test]
fn log() {
    if support::component("OPENIM_TEST_KAFKA").is_none() {
        return;
    }
    conformance::log(&mut || {
        let place = Place::new(PARTITIONS).expect("it was there");
        let rest = tempfile::tempdir().expect("a directory for the test");
        Box::new(Topics { place, rest })
    });
}
