//! What runs the owners of partitions (`openim_transfer`) on the components of a cluster.
//!
//! [`start`]: one thread, `transfer`, reads the partitions that the log assigns to this process and owns an `Owner` of each.
//! What an owner asks is begun on the runtime of the components' clients, or handed to the relay producer and the
//! lanes to the gateways; each answer comes back to the thread and goes to the life that asked. A component that is away
//! is asked again with pauses that grow, by chance of different length.
//!
//! Never: a decision about a message. That is the owner's.
#![forbid(unsafe_code)]

mod adopt;
mod answers;
mod archive;
mod asking;
mod asks;
mod calls;
mod gateways;
mod held;
mod options;
mod pause;
mod relays;
mod running;
mod status;
mod transfer;
mod troubles;

use std::io;
use std::sync::Arc;

use openim_cluster::Runtime;
use openim_cluster::etcd::Members;
use openim_cluster::mongo::MongoHistory;
use openim_cluster::mysql::MysqlArchive;
use openim_cluster::redis::Presence;
use openim_storage::port::Groups;
use openim_transfer::Settings;
use tokio::sync::{Semaphore, mpsc, watch};

pub use adopt::{Adopting, Adoption, Reader};
pub use archive::{ArchiveOptions, ArchiveParts, start_archive};
pub use options::Options;
pub use running::Running;
pub use status::{Counts, Missed, Status};

use openim_cluster::kafka::Kafka;
use openim_delivery::Lanes;

/// What a transfer stands on.
pub struct Parts {
    /// Of the components' clients.
    pub runtime: Runtime,
    /// The log, whose topics are there.
    pub kafka: Kafka,
    /// Inboxes and checkpoints.
    pub history: MongoHistory,
    /// Who is in which group.
    pub groups: Arc<dyn Groups>,
    /// Where links are.
    pub presence: Presence,
    /// The ways to the gateways; nobody else tells them who is alive.
    pub lanes: Lanes,
    /// Processes that have links, as [`openim_cluster::etcd::Register::watch`] gives them: not looked at before.
    pub gateways: watch::Receiver<Members>,
    /// Processes that have none, and are told of the sends that they produce.
    pub others: Vec<watch::Receiver<Members>>,
    /// Where records are set aside that are none.
    pub letters: Arc<MysqlArchive>,
    /// What an owner is bounded by.
    pub settings: Settings,
    /// The consumers' group, in which partitions are shared out.
    pub group: String,
    /// Bounds and times.
    pub options: Options,
}

/// Starts a transfer. It joins its group when the first list of gateways has come.
///
/// # Errors
/// What the system says when it gives no more threads.
pub fn start(parts: Parts) -> io::Result<Running> {
    let options = parts.options;
    let (sender, answers) = mpsc::channel(options.answers_max.max(1));
    let calls = calls::Calls {
        runtime: parts.runtime,
        kafka: parts.kafka.clone(),
        history: parts.history,
        groups: parts.groups,
        presence: parts.presence,
        letters: parts.letters,
        places: Arc::new(Semaphore::new(options.history_calls_max.max(1))),
        large: Arc::new(Semaphore::new((options.history_calls_max / 2).max(1))),
        graves: Arc::new(Semaphore::new(options.dead_letters_max)),
        answers: sender,
    };
    let orders = running::Orders::default();
    let board = status::Board::default();
    let transfer = transfer::Transfer::new(transfer::Made {
        kafka: parts.kafka,
        group: parts.group,
        settings: parts.settings,
        options,
        orders: orders.clone(),
        board: board.clone(),
        answers,
        calls,
        gateways: gateways::Gateways::new(parts.lanes, parts.gateways, parts.others),
    });
    let thread =
        std::thread::Builder::new().name("transfer".to_owned()).spawn(move || transfer.run())?;
    Ok(Running::new(orders, board, thread))
}
