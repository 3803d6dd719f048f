//! How a process stands with the others: what `/readyz` and the metrics tell of it.
//!
//! In: what the tasks of this module met. Out: a line for whoever asks. Trouble is logged once when it begins and once when
//! it is over.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use openim_cluster::redis::Looks;
use openim_workers::Trouble;

use super::reached::Reach;
use crate::watched::{Figure, Watched};

/// See the module.
#[derive(Debug)]
pub(crate) struct Status {
    shards: Box<[OfShard]>,
    /// Of reading the stream of events.
    events: Trouble,
    /// Of telling events.
    tells: Trouble,
    /// Times that all links were looked at because something may have been missed.
    sweeps: AtomicU64,
    /// Users whose tokens were compared with what the store has, and of whom it had something else.
    compared: [AtomicU64; 2],
    /// For tokens that are remembered.
    looks: Arc<Looks>,
    /// Partitions whose inboxes are not read, as the store may lack some of them.
    lacking: AtomicUsize,
    /// Of looking whether it does.
    whole: Trouble,
    /// No transfer reaches this process.
    unreached: Trouble,
    /// There is none.
    no_transfer: Trouble,
}

/// Elsewhere it is no better: what is sent is kept in the log.
const NO_TRANSFER: &str = "no transfer is alive, as far as etcd knows: what is sent is acknowledged, and stored and delivered when one is";

#[derive(Debug, Default)]
struct OfShard {
    marked: AtomicBool,
    presence: Trouble,
}

impl Status {
    /// Of a process with so many shards that have links.
    pub(crate) fn new(shards: u16, looks: Arc<Looks>) -> Self {
        Self {
            shards: (0..shards).map(|_| OfShard::default()).collect(),
            events: Trouble::default(),
            tells: Trouble::default(),
            sweeps: AtomicU64::new(0),
            compared: Default::default(),
            looks,
            lacking: AtomicUsize::new(0),
            whole: Trouble::default(),
            unreached: Trouble::default(),
            no_transfer: Trouble::default(),
        }
    }

    /// Shards without a mark: deliveries for everybody are sent to them.
    pub(crate) fn unmarked(&self) -> usize {
        self.shards.iter().filter(|shard| !shard.marked.load(Ordering::Relaxed)).count()
    }

    pub(super) fn marked(&self, shard: u16, marked: bool) {
        if let Some(shard) = self.shards.get(usize::from(shard)) {
            shard.marked.store(marked, Ordering::Relaxed);
        }
    }

    pub(super) fn swept(&self) {
        self.sweeps.fetch_add(1, Ordering::Relaxed);
    }

    /// So many users were compared with the store, which had something else of some.
    pub(super) fn compared(&self, users: usize, others: usize) {
        for (count, users) in self.compared.iter().zip([users, others]) {
            count.fetch_add(users as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn presence(&self, shard: u16, trouble: Option<&impl Display>) {
        if let Some(OfShard { presence, .. }) = self.shards.get(usize::from(shard)) {
            note(presence, trouble, "writing down where links are");
        }
    }

    pub(super) fn events(&self, trouble: Option<&impl Display>) {
        note(&self.events, trouble, "hearing what other processes decide");
    }

    /// Of how many partitions the store may lack something, or why nobody knows.
    pub(super) fn lacking(&self, looked: &Result<usize, impl Display>, at_the_start: bool) {
        if let Ok(lacking) = looked {
            let before = self.lacking.swap(*lacking, Ordering::Relaxed);
            match (before, *lacking) {
                (0, 1..) if at_the_start => tracing::info!(
                    partitions = lacking,
                    "inboxes of these are read when transfers have stored what the log has"
                ),
                (0, 1..) => tracing::warn!(
                    partitions = lacking,
                    "another process of MongoDB answers: inboxes are read again when transfers have stored what it may lack"
                ),
                (1.., 0) => {
                    tracing::info!("MongoDB has all that the log has had: all inboxes are read")
                }
                _ => {}
            }
        }
        note(&self.whole, looked.as_ref().err(), "looking whether MongoDB has all that it had");
    }

    /// Whether transfers come here.
    pub(super) fn reach(&self, reach: &Reach) {
        let (unreached, none) = match reach {
            Reach::Fine => (None, None),
            Reach::NoTransfer => (None, Some(NO_TRANSFER)),
            Reach::Not(why) => (Some(why), None),
        };
        match unreached {
            Some(why) if self.unreached.met(why) => tracing::error!("{why}"),
            None if self.unreached.over() => tracing::info!("transfers reach this process again"),
            _ => {}
        }
        match none {
            Some(why) if self.no_transfer.met(&why) => tracing::warn!("{why}"),
            None if self.no_transfer.over() => tracing::info!("there are transfers again"),
            _ => {}
        }
    }

    pub(super) fn tells(&self, trouble: Option<&impl Display>) {
        note(&self.tells, trouble, "telling other processes what is decided here");
    }
}

impl Watched for Status {
    /// Whoever comes is let in without Redis too, and found. Without a stream nobody here is pushed anything, or learns
    /// that what they sent is in their inbox: other processes serve them better.
    fn missing(&self) -> Vec<String> {
        self.unreached.why().into_iter().collect()
    }

    fn troubles(&self) -> Vec<String> {
        let presence = self.shards.iter().find_map(|shard| shard.presence.why());
        let told = [
            ("links cannot be written down", presence),
            ("what other processes decide is not heard", self.events.why()),
            ("what is decided here is not told to others", self.tells.why()),
            ("nobody knows whether MongoDB has all that it had", self.whole.why()),
        ];
        let told = told.into_iter().filter_map(|(what, why)| Some(format!("{what}: {}", why?)));
        let told = told.chain(self.no_transfer.why());
        let lacking = Some(self.lacking.load(Ordering::Relaxed)).filter(|lacking| *lacking > 0);
        told.chain(lacking.map(|lacking| {
            format!(
                "inboxes of {lacking} partitions are not read: MongoDB may lack what transfers have not stored again yet"
            )
        }))
        .collect()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let mut count =
            |figure, count: &AtomicU64| show(figure, count.load(Ordering::Relaxed) as f64);
        count(Figure::TokensKnown, &self.looks.known);
        count(Figure::TokensUnknown, &self.looks.unknown);
        count(Figure::TokensFailed, &self.looks.failed);
        if !self.shards.is_empty() {
            let [compared, others] = &self.compared;
            count(Figure::TokensCompared, compared);
            count(Figure::TokensAmiss, others);
            count(Figure::Sweeps, &self.sweeps);
            show(Figure::Unmarked, self.unmarked() as f64);
        }
        show(Figure::Lacking, self.lacking.load(Ordering::Relaxed) as f64);
    }
}

fn note(of: &Trouble, trouble: Option<&impl Display>, doing: &'static str) {
    match trouble {
        Some(cause) if of.met(cause) => tracing::warn!(%cause, "{doing} fails; it is tried again"),
        Some(_) => {}
        None if of.over() => tracing::info!("{doing} goes on"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_while_it_lasts() {
        let status = Status::new(2, Arc::default());
        status.marked(1, true);
        assert_eq!((status.unmarked(), status.troubles()), (1, vec![]));
        status.presence(0, Some(&"away"));
        status.events(Some(&"away"));
        let told = status.troubles();
        assert!(told.len() == 2 && told.iter().all(|line| line.ends_with(": away")), "{told:?}");
        status.presence(0, None::<&&str>);
        status.events(None::<&&str>);
        assert_eq!(status.troubles(), Vec::<String>::new());
        status.swept();
        status.compared(3, 1);
        status.lacking(&Ok::<_, &str>(3), true);
        let mut shown = Vec::new();
        status.figures(&mut |figure, value| shown.push((figure, value)));
        let expected = [
            (Figure::TokensKnown, 0.0),
            (Figure::TokensUnknown, 0.0),
            (Figure::TokensFailed, 0.0),
            (Figure::TokensCompared, 3.0),
            (Figure::TokensAmiss, 1.0),
            (Figure::Sweeps, 1.0),
            (Figure::Unmarked, 1.0),
            (Figure::Lacking, 3.0),
        ];
        assert_eq!(shown, expected);
        assert_eq!(status.troubles().len(), 1);
        status.lacking(&Ok::<_, &str>(0), true);
        assert_eq!(status.troubles(), Vec::<String>::new());
    }

    #[test]
    fn a_process_that_no_transfer_reaches_is_not_ready_and_one_without_transfers_says_so() {
        let status = Status::new(1, Arc::default());
        status.reach(&Reach::Not("cluster.secret".to_owned()));
        assert_eq!(
            (status.missing(), status.troubles()),
            (vec!["cluster.secret".to_owned()], vec![])
        );
        status.reach(&Reach::NoTransfer);
        assert_eq!((status.missing(), status.troubles().len()), (vec![], 1));
        status.reach(&Reach::Fine);
        assert_eq!((status.missing(), status.troubles()), (vec![], vec![]));
    }
}
