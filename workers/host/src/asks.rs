//! What an owner asks, gathered while it works: it must not be called again before it is done.

use openim_record::{GroupId, PageEntry, PartitionId, Position, Process, Settled, UserId};
use openim_transfer::{Alarm, Batch, Checkpoint, Delivery, Effects, Life};

/// One thing that an owner asks for, in the order of its calls.
#[derive(Debug)]
pub(crate) enum Ask {
    Partition(Life),
    Users(Life, Vec<UserId>),
    Group(Life, GroupId),
    Relay(Life, PartitionId, Box<[u8]>),
    Store(Life, Batch),
    Settle(Life, u64, Process, Vec<Settled>),
    Look(Life, u64, Vec<UserId>),
    Deliver(Life, u64, Process, Vec<Delivery>),
    Notice(Life, u64, Box<[u8]>),
    Checkpoint(Life, Option<Position>, Checkpoint, Vec<PageEntry>),
    DeadLetter(Position, Box<[u8]>),
    Alarm(Alarm),
}

/// What an owner has asked for and nobody has begun.
#[derive(Debug, Default)]
pub(crate) struct Asks(pub(crate) Vec<Ask>);

impl Effects for Asks {
    fn load_partition(&mut self, life: Life) {
        self.0.push(Ask::Partition(life));
    }

    fn load_users(&mut self, life: Life, users: Vec<UserId>) {
        self.0.push(Ask::Users(life, users));
    }

    fn load_group(&mut self, life: Life, group: &GroupId) {
        self.0.push(Ask::Group(life, group.clone()));
    }

    fn relay(&mut self, life: Life, to: PartitionId, record: Box<[u8]>) {
        self.0.push(Ask::Relay(life, to, record));
    }

    fn store(&mut self, life: Life, batch: Batch) {
        self.0.push(Ask::Store(life, batch));
    }

    fn settle(&mut self, life: Life, stage: u64, process: Process, settled: Vec<Settled>) {
        self.0.push(Ask::Settle(life, stage, process, settled));
    }

    fn look(&mut self, life: Life, stage: u64, users: Vec<UserId>) {
        self.0.push(Ask::Look(life, stage, users));
    }

    fn deliver(&mut self, life: Life, stage: u64, gateway: Process, deliveries: Vec<Delivery>) {
        self.0.push(Ask::Deliver(life, stage, gateway, deliveries));
    }

    fn notice(&mut self, life: Life, stage: u64, record: Box<[u8]>) {
        self.0.push(Ask::Notice(life, stage, record));
    }

    fn checkpoint(
        &mut self,
        life: Life,
        was: Option<Position>,
        checkpoint: Checkpoint,
        page: Vec<PageEntry>,
    ) {
        self.0.push(Ask::Checkpoint(life, was, checkpoint, page));
    }

    fn dead_letter(&mut self, at: Position, record: &[u8]) {
        self.0.push(Ask::DeadLetter(at, record.into()));
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.0.push(Ask::Alarm(alarm));
    }
}
