//! Whether transfers reach this process: who has links here is pushed to over their streams alone, and a process that none
//! of them comes to looks well otherwise.
//!
//! In: which transfers are alive, as etcd tells it; how many streams stand; whether somebody knocks with another secret. Out:
//! what is amiss, when it has lasted for longer than a start, or the end of who is gone, takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_cluster::etcd::Members;
use openim_delivery::{Strangers, Streams};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::status::Status;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Reached {
    pub(crate) transfers: watch::Receiver<Members>,
    pub(crate) streams: Streams,
    pub(crate) strangers: Strangers,
    /// Where transfers are told that this process is.
    pub(crate) address: String,
    /// How long nothing is said: a transfer that was killed is in the register for the time of its lease.
    pub(crate) patience: Duration,
    pub(crate) status: Arc<Status>,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Well, or it is too early to say.
    Fine,
    /// Nobody is there who could come.
    NoTransfer,
    /// Somebody is, and nobody comes.
    Not(String),
}

/// Since when no stream stands: whether there were transfers, and how many had knocked with another secret by then.
#[derive(Clone, Copy, Debug)]
struct Alone {
    since: Instant,
    with_transfers: bool,
    secrets: u64,
}

impl Reached {
    /// Looks until `stopped`.
    pub(crate) async fn watch(self, mut stopped: oneshot::Receiver<()>) {
        let mut alone = None;
        loop {
            self.status.reach(&self.look(&mut alone, Instant::now()));
            tokio::select! {
                _ = &mut stopped => return,
                () = sleep(LOOK) => {}
            }
        }
    }

    fn look(&self, alone: &mut Option<Alone>, now: Instant) -> Reach {
        if self.streams.count() > 0 {
            *alone = None;
            return Reach::Fine;
        }
        let (transfers, secrets) =
            (self.transfers.borrow().len(), self.strangers.with_another_secret());
        let with_transfers = transfers > 0;
        let new = Alone { since: now, with_transfers, secrets };
        let known = alone.get_or_insert(new);
        if known.with_transfers != with_transfers {
            *known = new;
        }
        let lasts = now.saturating_duration_since(known.since);
        if lasts < self.patience {
            return Reach::Fine;
        }
        if !with_transfers {
            return Reach::NoTransfer;
        }
        let why = match secrets - known.secrets {
            0 => format!(
                "transfers are told that it is at {}, and nobody comes: correct cluster.advertise, cluster.listen",
                self.address
            ),
            knocked => format!(
                "{knocked} connections have shown another secret: cluster.secret must be the same in all processes"
            ),
        };
        Reach::Not(format!(
            "no transfer reaches this process, though etcd knows {transfers} (for {} s): {why}",
            lasts.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use openim_cluster::etcd::Member;
    use openim_record::Process;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn it_is_said_late_and_only_where_somebody_could_come() {
        let (told, transfers) = watch::channel(Members::default());
        let reached = Reached {
            transfers,
            streams: Streams::default(),
            strangers: Strangers::default(),
            address: "gateway-1:7".to_owned(),
            patience: PATIENCE,
            status: Arc::new(Status::new(0, Arc::default())),
        };
        let (begun, mut alone) = (Instant::now(), None);
        let mut at = |seconds| reached.look(&mut alone, begun + Duration::from_secs(seconds));
        assert_eq!(at(0), Reach::Fine);
        assert_eq!(at(20), Reach::NoTransfer);
        let member = Member { process: Process([7; 16]), address: String::new(), fronts: 0 };
        told.send_replace([member].into());
        assert_eq!(at(21), Reach::Fine, "it has just come");
        assert_eq!(at(40), Reach::Fine);
        let Reach::Not(why) = at(41) else { panic!("nobody comes") };
        assert!(why.contains("cluster.advertise") && why.contains("gateway-1:7"), "{why}");
        // Whoever is gone stands in the register for a while.
        told.send_replace(Members::default());
        assert_eq!(at(42), Reach::Fine);
    }
}
