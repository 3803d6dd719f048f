//! The archiver: a second reader of the log, that keeps what is to be kept for ever.
//!
//! In: the `Send`s of the partitions that its group gives this process. Out: those whose `persistent` switch is on, in the
//! archive. How far it has come is noted there now and then; what is archived twice is one, so a note that is missing costs
//! work and nothing else. A log that does not have that place, or is another, is not begun until somebody has adopted it.
//! Never: a relay; what a relay brings was archived where it was sent.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_cluster::mysql::{ArchivePlace, MysqlArchive};
use openim_cluster::{Begun, Runtime};
use openim_record::{LogPartition, Message, Position};
use openim_storage::port::{Archive as _, Archived, StoreError, wait};
use openim_transfer::{TopicRecord, Unreadable, message};

use crate::calls::{ANY, in_another_log, log_now};
use crate::running::{Order, Orders, Running};
use crate::status::{Board, Counts, Status};
use crate::troubles::{Component, Troubles};
use openim_cluster::kafka::{Consumer, Event, Kafka, Pace};

/// What an archiver stands on.
pub struct ArchiveParts {
    /// Of the components' clients.
    pub runtime: Runtime,
    /// The log, whose topics are there.
    pub kafka: Kafka,
    /// Where messages are kept for ever.
    pub archive: Arc<MysqlArchive>,
    /// The consumers' group, in which partitions are shared out.
    pub group: String,
    /// Bounds and times.
    pub options: ArchiveOptions,
}

/// Bounds and times of an archiver.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveOptions {
    /// How long records are gathered: nobody waits for the archive, and fewer statements are cheaper.
    pub gather: Duration,
    /// Records that are gathered at most.
    pub records_max: usize,
    /// Their bytes at most, and one record more.
    pub bytes_max: usize,
    /// How often it is noted how far it has come.
    pub note_every: Duration,
    /// How often partitions whose log is not theirs look whether it was adopted.
    pub adopted_every: Duration,
}

impl Default for ArchiveOptions {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(200),
            records_max: 4_096,
            bytes_max: 4 << 20,
            note_every: Duration::from_secs(1),
            adopted_every: Duration::from_secs(5),
        }
    }
}

/// Starts an archiver, a thread of its own.
///
/// # Errors
/// What the system says when it gives no more threads.
pub fn start_archive(parts: ArchiveParts) -> io::Result<Running> {
    let (orders, board) = (Orders::default(), Board::default());
    let archiver = Archiver {
        parts,
        orders: orders.clone(),
        board: board.clone(),
        // The transfer beside it reads the same log.
        troubles: Troubles::beside(Component::Log),
        counts: Counts::default(),
        held: BTreeMap::new(),
        gathered: Gathered::default(),
        rests: Instant::now(),
        noted: Instant::now(),
        looked: Instant::now(),
    };
    let thread =
        std::thread::Builder::new().name("archive".to_owned()).spawn(move || archiver.run())?;
    Ok(Running::new(orders, board, thread))
}

/// How long the log is waited for.
const WAIT: Duration = Duration::from_millis(50);

struct Archiver {
    parts: ArchiveParts,
    orders: Orders,
    board: Board,
    troubles: Troubles,
    counts: Counts,
    held: BTreeMap<LogPartition, Partition>,
    gathered: Gathered,
    /// Until when no partition is begun, as one could not be.
    rests: Instant,
    noted: Instant,
    /// When places were looked at on which partitions wait that stand still.
    looked: Instant,
}

/// A partition that this process archives.
#[derive(Debug, Default)]
struct Partition {
    /// Whether the log was told where to begin.
    begun: bool,
    /// Those to be archived, in log order.
    kept: Vec<Kept>,
    /// Behind the last record that was read.
    read: Option<Position>,
    /// The newest time that was met.
    newest_ms: i64,
    /// Behind the last record that is archived and not noted, with the newest time before.
    to_note: Option<(Position, i64)>,
    alarm: Option<String>,
    /// The place that its log does not have: with another one it begins anew.
    refused: Option<Position>,
}

#[derive(Debug)]
struct Kept {
    position: Position,
    append_ms: i64,
    record: Vec<u8>,
}

/// What all partitions hold together.
#[derive(Debug, Default)]
struct Gathered {
    records: usize,
    bytes: usize,
    since: Option<Instant>,
}

impl Archiver {
    fn run(mut self) {
        let mut consumer = loop {
            match self.parts.kafka.consumer(&self.parts.group, Pace::InBulk) {
                Ok(consumer) => break consumer,
                Err(error) => {
                    self.troubles.met(Component::Log, &error);
                    self.post(None);
                    if !self.rest(self.troubles.pause(Component::Log)) {
                        return;
                    }
                }
            }
        };
        while self.orders.now() == Order::Go {
            self.begin(&mut consumer);
            self.read(&mut consumer);
            if self.is_due() {
                self.write(&mut consumer);
            }
            if self.noted.elapsed() >= self.parts.options.note_every {
                self.note();
            }
            self.begin_anew();
            self.post(Some(&consumer));
        }
        if self.orders.now() == Order::Stop {
            self.write_once(&mut consumer);
            self.note();
        }
        self.post(Some(&consumer));
    }

    /// Whether it goes on behind a pause.
    fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until && self.orders.now() == Order::Go {
            std::thread::sleep(WAIT.min(time));
        }
        self.orders.now() == Order::Go
    }

    /// Partitions that have come begin where the archive ends, or at the log's first record.
    fn begin(&mut self, consumer: &mut Consumer) {
        let new = |held: &Partition| !held.begun && held.alarm.is_none();
        if !self.held.values().any(new) || Instant::now() < self.rests {
            return;
        }
        let places = match wait(self.parts.archive.places()) {
            Ok(places) => places,
            Err(error) => return self.rest_after(Component::Archive, &error),
        };
        self.troubles.over(Component::Archive);
        let all: Vec<LogPartition> = self.held.keys().copied().collect();
        for at in all {
            let Some(held) = self.held.get_mut(&at).filter(|held| new(held)) else { continue };
            let read = places.iter().find(|place| place.at == at);
            let read = read.map(|place| (place.next, place.time_ms));
            let log = match wait(log_now(&self.parts.kafka, at, read)) {
                Ok(log) => log,
                Err(error) => return self.rest_after(Component::Log, &error),
            };
            let next = match read {
                Some((next, time_ms)) => {
                    held.newest_ms = time_ms;
                    next
                }
                None => {
                    if log.start > Position(0) {
                        let start = log.start;
                        tracing::warn!(%at, %start, "the archive has nothing of a log that has lost its beginning");
                    }
                    log.start
                }
            };
            match log.fits(next) {
                Ok(()) => {
                    held.begun = true;
                    consumer.begin(at, next);
                }
                Err(misfit) => {
                    held.refused = Some(next);
                    let why = in_another_log(&self.parts.kafka, at, &misfit);
                    stop(at, Some(held), why);
                }
            }
            self.troubles.over(Component::Log);
        }
    }

    fn rest_after(&mut self, component: Component, error: &StoreError) {
        self.counts.failures += 1;
        self.rests = Instant::now() + self.troubles.pause(component);
        self.troubles.met(component, error);
    }

    /// Of the partitions that stand still before a log that is not theirs, those whose log was adopted go on.
    fn begin_anew(&mut self) {
        let waits = self.held.values().any(|held| held.refused.is_some());
        if !waits || self.looked.elapsed() < self.parts.options.adopted_every {
            return;
        }
        self.looked = Instant::now();
        let places = match wait(self.parts.archive.places()) {
            Ok(places) => places,
            Err(error) => return self.rest_after(Component::Archive, &error),
        };
        for ArchivePlace { at, next, .. } in places {
            let Some(held) = self.held.get_mut(&at) else { continue };
            if held.refused.is_some_and(|refused| refused != next) {
                tracing::info!(%at, from = %next, "its log was adopted: the partition is archived again");
                self.gathered.forget(Some(std::mem::take(held)));
            }
        }
    }

    /// Notes how far it has come.
    fn note(&mut self) {
        self.noted = Instant::now();
        let to_note = self.held.iter().filter_map(|(at, held)| Some((*at, held.to_note?)));
        let places: Vec<ArchivePlace> =
            to_note.map(|(at, (next, time_ms))| ArchivePlace { at, next, time_ms }).collect();
        if places.is_empty() {
            return;
        }
        match wait(self.parts.archive.note(places)) {
            Ok(()) => {
                self.troubles.over(Component::Archive);
                self.held.values_mut().for_each(|held| held.to_note = None);
            }
            // Said again with the next ones.
            Err(error) => {
                self.counts.failures += 1;
                self.troubles.met(Component::Archive, &error);
            }
        }
    }

    fn read(&mut self, consumer: &mut Consumer) {
        let Self { held, gathered, counts, parts, .. } = self;
        let (options, before) = (parts.options, counts.records);
        let polled = consumer.poll(WAIT, &mut |event| {
            match event {
                Event::Assigned(at) => drop(held.insert(at, Partition::default())),
                Event::Revoked(at) => gathered.forget(held.remove(&at)),
                // It finds where the log ends now, and stands still if it must.
                Event::OutOfRange(at) => {
                    if let Some(held) = held.get_mut(&at) {
                        held.begun = false;
                    }
                }
                Event::Record { at, position, append_ms, record } => {
                    let Some(own) = held.get_mut(&at).filter(|own| own.alarm.is_none()) else {
                        return ControlFlow::Continue(());
                    };
                    counts.records += 1;
                    if let Err(newer) = own.take(position, append_ms, record, gathered) {
                        stop(at, Some(own), newer.to_string());
                    }
                }
            }
            match gathered.is_full(&options) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        match polled {
            Ok(()) if self.counts.records == before => self.ask(),
            Ok(()) => self.troubles.over(Component::Log),
            Err(error) => {
                self.counts.failures += 1;
                let rest = self.troubles.pause(Component::Log);
                self.troubles.met(Component::Log, &error);
                self.rest(rest.min(WAIT));
            }
        }
    }

    /// Whether a log that has failed, and from which nothing comes, is well.
    fn ask(&mut self) {
        if self.troubles.whom_to_ask().contains(&Component::Log) {
            let asked = wait(self.parts.kafka.ends(ANY, 0));
            let failed = asked.as_ref().err().map(|error| error as &dyn std::fmt::Display);
            self.troubles.asked(Component::Log, failed);
        }
    }

    fn is_due(&self) -> bool {
        let options = &self.parts.options;
        let waited = self.gathered.since.is_some_and(|since| since.elapsed() >= options.gather);
        waited || self.gathered.is_full(options)
    }

    /// Archives what was gathered, however long that takes; who loses a partition meanwhile forgets what is of it.
    fn write(&mut self, consumer: &mut Consumer) {
        if self.write_once(consumer) {
            return;
        }
        for at in self.held.keys() {
            consumer.pause(*at);
        }
        while !self.write_once(consumer) {
            let until = Instant::now() + self.troubles.pause(Component::Archive);
            // The group must hear of this process.
            while Instant::now() < until {
                self.read(consumer);
                self.post(Some(consumer));
                if self.orders.now() != Order::Go {
                    return;
                }
            }
        }
        for at in self.held.keys() {
            consumer.resume(*at);
        }
    }

    /// Whether nothing is left.
    fn write_once(&mut self, consumer: &mut Consumer) -> bool {
        let mut begun: Vec<(LogPartition, Begun<Result<(), StoreError>>)> = Vec::new();
        for (at, held) in self.held.iter_mut().filter(|(_, held)| !held.kept.is_empty()) {
            let archive = Arc::clone(&self.parts.archive);
            let kept: Vec<Kept> = held.kept.iter().map(Kept::copy).collect();
            let written = async move {
                let all: Vec<Archived<'_>> = kept.iter().map(Kept::shown).collect();
                archive.append(&all).await
            };
            begun.push((*at, self.parts.runtime.begin(written)));
        }
        let mut all = true;
        for (at, written) in begun {
            match wait(written.answer()) {
                Some(Ok(())) => {
                    self.counts.stores += 1;
                    self.troubles.over(Component::Archive);
                    if let Some(held) = self.held.get_mut(&at) {
                        self.gathered.take(&std::mem::take(&mut held.kept));
                    }
                }
                Some(Err(error)) => {
                    all = false;
                    self.counts.failures += 1;
                    self.troubles.met(Component::Archive, &error);
                }
                // The process ends.
                None => all = false,
            }
        }
        for (at, held) in self.held.iter_mut().filter(|(_, held)| held.kept.is_empty()) {
            if let Some(read) = held.read.take() {
                held.to_note = Some((read, held.newest_ms));
                consumer.applied(*at, read);
            }
        }
        if all {
            self.gathered = Gathered::default();
        }
        all
    }

    fn post(&self, consumer: Option<&Consumer>) {
        let held = self.held.iter();
        let stopped = held.clone().filter_map(|(at, held)| Some((*at, held.alarm.clone()?)));
        let oldest = held.clone().filter_map(|(_, held)| Some(held.kept.first()?.append_ms)).min();
        self.board.write(Status {
            joined: consumer.is_some(),
            has_share: consumer.is_some_and(Consumer::has_share),
            owned: self.held.keys().copied().collect(),
            loading: held.filter(|(_, held)| !held.begun && held.alarm.is_none()).count(),
            stopped: stopped.collect(),
            troubles: self.troubles.told(),
            oldest_ms: oldest,
            relays_waiting: 0,
            counts: self.counts,
        });
    }
}

fn stop(at: LogPartition, held: Option<&mut Partition>, alarm: String) {
    tracing::error!(%at, alarm, "a partition is not archived");
    if let Some(held) = held {
        held.alarm = Some(alarm);
    }
}

impl Partition {
    /// # Errors
    /// A record of a later build. What is no record at all is set aside by whoever applies the partition.
    fn take(
        &mut self,
        position: Position,
        append_ms: i64,
        record: &[u8],
        gathered: &mut Gathered,
    ) -> Result<(), Unreadable> {
        let sent = match TopicRecord::decode(record) {
            Ok(TopicRecord::Send(sent)) => message(sent.message, append_ms),
            Ok(_) | Err(Unreadable::Damaged) => Err(Unreadable::Damaged),
            Err(newer) => Err(newer),
        };
        match sent {
            Ok(message) if message.switches.persistent => {
                let mut record = Vec::with_capacity(message.encoded_len());
                // With its send time, which is the log's.
                Message::encode(&message, &mut record);
                gathered.add(record.len());
                self.kept.push(Kept { position, append_ms, record });
            }
            Ok(_) | Err(Unreadable::Damaged) => {}
            Err(newer) => return Err(newer),
        }
        self.read = Some(Position(position.0 + 1));
        self.newest_ms = self.newest_ms.max(append_ms);
        gathered.since.get_or_insert_with(Instant::now);
        Ok(())
    }
}

impl Kept {
    fn copy(&self) -> Self {
        Self { record: self.record.clone(), ..*self }
    }

    fn shown(&self) -> Archived<'_> {
        Archived { position: self.position, append_ms: self.append_ms, record: &self.record }
    }
}

impl Gathered {
    fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, kept: &[Kept]) {
        self.records -= kept.len();
        self.bytes -= kept.iter().map(|kept| kept.record.len()).sum::<usize>();
    }

    fn forget(&mut self, held: Option<Partition>) {
        if let Some(held) = held {
            self.take(&held.kept);
        }
    }

    const fn is_full(&self, options: &ArchiveOptions) -> bool {
        self.records >= options.records_max || self.bytes >= options.bytes_max
    }
}
