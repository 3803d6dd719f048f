//! The thread between the shards and the topics of a cluster: what `commit` is to a log of one machine.
//!
//! In: [`Submission`]s from each shard's ring, each a record of the topic that its addresses name. Out: a [`LogEvent`] to
//! the shard that handed it in, when the record lies in its partition or was refused. Records go out as they come, however
//! many have no answer yet. One is taken only when the producer has room for it and the shard's ring has a place for the
//! answer; until then it stays in its shard's ring, and with it all that the shard sent after it. When brokers do not answer,
//! one is tried now and then and the others are refused at once (`circuit`).
//!
//! Invariants: every submission that was taken is answered once; those of one shard for one partition are handed to the
//! producer in the order it sent them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use openim_bus::{Doorbell, Sender};
use openim_record::{Committed, LogPartition, Position, Submission, broken};
use openim_storage::port::StoreError;

use crate::commit::{Lane, LogEvent, LogStatus};

mod circuit;

use circuit::{Circuit, Verdict};

/// How long the producer is waited for while records are under way: what the next ones wait at most.
const POLL: Duration = Duration::from_millis(1);
/// Between two looks at the producer while nothing is under way: with something that it has no room for, and without.
const LOOK_FULL: Duration = Duration::from_millis(20);
const LOOK_IDLE: Duration = Duration::from_secs(1);
/// Submissions that are taken of one shard before the others have their turn.
const TURN: usize = 256;
/// What a stop leaves for answers that are still to come. The producer gives a record up before that.
const LAST_ANSWERS: Duration = Duration::from_secs(4);

/// Where a record lies, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where, in its partition.
    pub position: Position,
    /// When the broker took it, unix milliseconds.
    pub append_ms: i64,
}

/// A producer of the topics, on one thread.
pub trait Topics {
    /// Whether one more record is taken now: what is on its way has a bound.
    fn has_room(&self) -> bool;

    /// Takes a record on its way; its ticket, which no other has. What was taken for one partition arrives in that
    /// order.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of it is kept.
    fn submit(&mut self, to: LogPartition, record: &[u8]) -> Result<u64, StoreError>;

    /// Waits for answers, `wait` at most, and tells each once. An error says that nobody knows: the record may arrive.
    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(u64, Result<Appended, StoreError>));

    /// Whether a record could arrive now, as far as is known. Asked at rest, every second.
    ///
    /// # Errors
    /// [`StoreError`]: why not.
    fn check(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Hands records on until told to stop.
pub fn run(
    mut topics: impl Topics,
    mut lanes: Vec<Lane>,
    bell: &Arc<Doorbell>,
    status: &LogStatus,
) {
    let mut handing = Handing::new(lanes.len());
    let mut stopped: Option<Instant> = None;
    loop {
        let took = handing.take(&mut lanes, &mut topics, status);
        let idle = handing.under_way.is_empty();
        let waits = lanes.iter().any(|lane| !lane.appends.is_empty());
        if status.stop.load(Ordering::Acquire) {
            let since = *stopped.get_or_insert_with(Instant::now);
            if (idle && !waits) || since.elapsed() >= LAST_ANSWERS {
                return;
            }
        }
        let wait = if took || idle { Duration::ZERO } else { POLL };
        handing.answer(&mut lanes, &mut topics, wait, status);
        if idle {
            look(&mut topics, status);
            let wait = if waits { LOOK_FULL } else { LOOK_IDLE };
            bell.wait(wait, || {
                status.stop.load(Ordering::Acquire) || handing.could_take(&lanes, &topics)
            });
        }
    }
}

/// Notes what a producer says that has nothing under way.
fn look(topics: &mut impl Topics, status: &LogStatus) {
    match topics.check() {
        Ok(()) => over(status, Instant::now()),
        Err(cause) => {
            if status.trouble.met(&cause) {
                tracing::error!(%cause, "the topics take no messages");
            }
        }
    }
}

/// Something that had begun then went well.
fn over(status: &LogStatus, began: Instant) {
    if status.trouble.over_since(began) {
        tracing::info!("the topics take messages again");
    }
}

/// A submission whose answer is to come.
struct UnderWay {
    from: usize,
    submission: Submission,
    since: Instant,
}

/// Answers that a shard's ring must have places for.
#[derive(Clone, Copy, Default)]
struct Owed {
    values: usize,
    bytes: usize,
}

impl Owed {
    /// Whether the ring has a place for one more of so many bytes; of any size when nothing is in it or to come.
    fn fits(self, events: &Sender<LogEvent>, bytes: usize) -> bool {
        let empty = self.values == 0 && events.bytes() == 0;
        events.room() > self.values && (empty || self.bytes + bytes <= events.bytes_room())
    }
}

struct Handing {
    under_way: HashMap<u64, UnderWay>,
    /// By lane.
    owed: Vec<Owed>,
    /// Which shard is served first; moves on each turn, so that none starves.
    first: usize,
    circuit: Circuit,
}

impl Handing {
    fn new(lanes: usize) -> Self {
        let owed = vec![Owed::default(); lanes];
        Self { under_way: HashMap::new(), owed, first: 0, circuit: Circuit::default() }
    }

    /// Takes what the shards have handed in, as far as there is room; whether there was anything.
    fn take(&mut self, lanes: &mut [Lane], topics: &mut impl Topics, status: &LogStatus) -> bool {
        let (mut took, count, now) = (false, lanes.len(), Instant::now());
        for turn in 0..count {
            let from = (self.first + turn) % count;
            for _ in 0..TURN {
                if !topics.has_room() || !self.has_place(&lanes[from], from) {
                    break;
                }
                let verdict = self.circuit.judge(self.owed[from].values > 0, now);
                if verdict == Verdict::Wait {
                    break;
                }
                let Some(submission) = lanes[from].appends.try_recv() else { break };
                match verdict {
                    Verdict::Refuse => turn_away(&mut lanes[from], &submission, status),
                    _ => self.hand_in(from, submission, lanes, topics, status),
                }
                took = true;
            }
            lanes[from].appends.made_room();
        }
        self.first = (self.first + 1) % count.max(1);
        took
    }

    /// Whether a submission waits whose answer has a place. If it has none, the shard rings when it has taken others.
    fn has_place(&self, lane: &Lane, from: usize) -> bool {
        let Some(next) = lane.appends.peek() else { return false };
        let bytes = next.bytes();
        let fits = |owed: Owed| owed.fits(&lane.events, bytes);
        let owed = self.owed[from];
        // Asked once more, as the shard may have made room before it could see that it is wanted.
        fits(owed) || (lane.events.want_room(bytes) && fits(owed))
    }

    fn could_take(&self, lanes: &[Lane], topics: &impl Topics) -> bool {
        let takes = |(lane, owed): (&Lane, &Owed)| {
            lane.appends.peek().is_some_and(|next| owed.fits(&lane.events, next.bytes()))
        };
        topics.has_room() && lanes.iter().zip(&self.owed).any(takes)
    }

    fn hand_in(
        &mut self,
        from: usize,
        submission: Submission,
        lanes: &mut [Lane],
        topics: &mut impl Topics,
        status: &LogStatus,
    ) {
        let to = submission.to.log_partition();
        let to = to.unwrap_or_else(|| broken("somebody answers for what is handed in"));
        match topics.submit(to, &submission.record) {
            Ok(ticket) => {
                self.circuit.went(ticket);
                self.owed[from].values += 1;
                self.owed[from].bytes += submission.bytes();
                let under_way = UnderWay { from, submission, since: Instant::now() };
                if self.under_way.insert(ticket, under_way).is_some() {
                    broken("each record has a ticket of its own");
                }
            }
            // What is on its way of the same link is answered later: so are only those to groups, of which a link has
            // no other under way, and what no producer would ever take.
            Err(cause) => {
                refuse(&mut lanes[from], &submission, &cause, Instant::now(), status);
            }
        }
    }

    /// Tells the shards what has become of their records, of as many as the producer says within `wait`.
    fn answer(
        &mut self,
        lanes: &mut [Lane],
        topics: &mut impl Topics,
        wait: Duration,
        status: &LogStatus,
    ) {
        let Self { under_way, owed, circuit, .. } = self;
        let mut told = false;
        topics.poll(wait, &mut |ticket, became| {
            let Some(UnderWay { from, submission, since }) = under_way.remove(&ticket) else {
                broken("a record is answered once")
            };
            owed[from].values -= 1;
            owed[from].bytes -= submission.bytes();
            told = true;
            match became {
                Ok(appended) => {
                    circuit.landed();
                    landed(&mut lanes[from], submission, appended, since, status);
                }
                Err(cause) => {
                    circuit.failed(ticket, is_given_up(&cause), Instant::now());
                    refuse(&mut lanes[from], &submission, &cause, since, status);
                }
            }
        });
        if told {
            lanes.iter().for_each(|lane| lane.events.notify());
        }
    }
}

fn landed(
    lane: &mut Lane,
    submission: Submission,
    Appended { position, append_ms }: Appended,
    since: Instant,
    status: &LogStatus,
) {
    status.appends.observe(since.elapsed());
    status.records.fetch_add(1, Ordering::Relaxed);
    status.bytes.fetch_add(submission.bytes() as u64, Ordering::Relaxed);
    over(status, since);
    let Submission { to, record, .. } = submission;
    let committed = Committed { position, append_ms, to, record, members: Box::default() };
    send(lane, LogEvent::Landed(committed));
}

/// Nobody knows whether it will lie there: whoever sends it again completes it.
fn refuse(
    lane: &mut Lane,
    submission: &Submission,
    cause: &StoreError,
    since: Instant,
    status: &LogStatus,
) {
    if is_given_up(cause) {
        // Once until one is taken again; how many there are is counted.
        if status.trouble.met_since(cause, since) {
            tracing::error!(%cause, "the topics refused a message");
        }
    } else if status.unfit.met(cause) {
        // Others are taken all the same, and whoever sends such would have a line for each. Admission knows what topics take
        // (`kafka.recordBytesMax`), unless somebody has changed them since.
        tracing::error!(%cause, "the topics take no message like this one; further ones are only counted");
    }
    turn_away(lane, submission, status);
}

/// Whether a record was not taken because nobody answered; else it was refused for what it is.
const fn is_given_up(cause: &StoreError) -> bool {
    match cause {
        StoreError::Unavailable { .. } => true,
        StoreError::Conflict { .. } | StoreError::Rejected { .. } | StoreError::Corrupt { .. } => {
            false
        }
    }
}

/// Why is known already.
fn turn_away(lane: &mut Lane, submission: &Submission, status: &LogStatus) {
    status.refused.fetch_add(1, Ordering::Relaxed);
    send(lane, LogEvent::Refused(submission.key));
    lane.events.notify();
}

fn send(lane: &mut Lane, event: LogEvent) {
    // What was found to fit goes in whole: meanwhile the shard has only taken from the ring.
    let sent = lane.events.send_whole(event).is_ok();
    assert!(sent, "a place was kept before the record was taken");
}

#[cfg(test)]
mod tests;
