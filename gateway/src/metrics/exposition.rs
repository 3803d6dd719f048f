//! The Prometheus text (format 0.0.4) of everything that is counted.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openim_config::Config;
use openim_storage::embedded::EngineFigures;
use openim_storage::guard::{CLASSES, Guard};
use openim_workers::commit::LogStatus;
use openim_workers::store::StoreStatus;
use openim_workers::writes::WriteStatus;
use openim_workers::{Clock, Damage};

use super::bounds::{Bounds, Row};
use super::cell::{Cells as _, Kind, Labels};
use super::process::{self, ProcessFigures};
use super::shard::{Family, ShardMetrics};
use crate::audit::Audit;
use crate::disk::DiskFigures;
use crate::logging::{LinesLost, Logging};
use crate::phase::Phase;
use crate::watched::{Figure, Watching};

/// Where the figures come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// One entry a shard, in the order of the shards.
    pub shards: Arc<[Arc<ShardMetrics>]>,
    /// The log's writer.
    pub log: Arc<LogStatus>,
    /// The history store's writer.
    pub store: Arc<StoreStatus>,
    /// The writer of logins and changes.
    pub writes: Arc<WriteStatus>,
    /// What the readers found damaged.
    pub damage: Arc<Damage>,
    /// What stands around the ports of the storage engine.
    pub guards: Arc<[Arc<Guard>]>,
    /// The process's clock.
    pub clock: Arc<Clock>,
    /// Space on the disk.
    pub disk: Arc<DiskFigures>,
    /// What the embedded engine counts of itself.
    pub engine: Arc<EngineFigures>,
    /// How far the process is.
    pub phase: Arc<Phase>,
    /// Log lines that were dropped.
    pub lines_lost: LinesLost,
    /// The audit, which counts its own.
    pub audit: Audit,
    /// Parts that judge themselves: the roles of a cluster.
    pub parts: Watching,
    /// How much there may be, and was at most.
    pub(crate) bounds: Arc<Bounds>,
}

impl Sources {
    /// With the bounds that these settings give so many shards, and so many links.
    pub(crate) fn bounded(self, config: &Config, shards: u16, links_max: usize) -> Self {
        Self { bounds: Arc::new(Bounds::of(config, shards, links_max)), ..self }
    }

    /// All at its beginning, but for the log's head and the disk.
    pub(crate) fn new(
        shards: u16,
        head: u64,
        clock: &Arc<Clock>,
        disk: &Arc<DiskFigures>,
        (guards, engine): (Arc<[Arc<Guard>]>, &Arc<EngineFigures>),
        logging: &Logging,
    ) -> Self {
        Self {
            shards: (0..shards).map(|_| Arc::new(ShardMetrics::default())).collect(),
            log: Arc::new(LogStatus { head: head.into(), ..LogStatus::default() }),
            store: Arc::default(),
            writes: Arc::default(),
            damage: Arc::default(),
            guards,
            clock: Arc::clone(clock),
            disk: Arc::clone(disk),
            engine: Arc::clone(engine),
            phase: Arc::default(),
            lines_lost: logging.lines_lost(),
            audit: logging.audit().clone(),
            parts: Watching::default(),
            bounds: Arc::default(),
        }
    }
}

/// A figure of the whole process.
struct Single {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: Value,
}

/// How it is looked up.
enum Value {
    Cell(fn(&Sources) -> &AtomicU64),
    Of(fn(&Sources, &ProcessFigures) -> f64),
}

impl Single {
    fn value(&self, sources: &Sources, process: &ProcessFigures) -> f64 {
        match self.value {
            Value::Cell(cell) => of(cell(sources)),
            Value::Of(value) => value(sources, process),
        }
    }
}

/// A counter that is a cell.
const fn counted(
    name: &'static str,
    help: &'static str,
    cell: fn(&Sources) -> &AtomicU64,
) -> Single {
    Single { name, help, kind: Kind::Counter, value: Value::Cell(cell) }
}

/// A gauge that is one.
const fn shown(name: &'static str, help: &'static str, cell: fn(&Sources) -> &AtomicU64) -> Single {
    Single { name, help, kind: Kind::Gauge, value: Value::Cell(cell) }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    value: fn(&Sources, &ProcessFigures) -> f64,
) -> Single {
    Single { name, help, kind: Kind::Counter, value: Value::Of(value) }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    value: fn(&Sources, &ProcessFigures) -> f64,
) -> Single {
    Single { name, help, kind: Kind::Gauge, value: Value::Of(value) }
}

fn of(cell: &AtomicU64) -> f64 {
    cell.load(Ordering::Relaxed) as f64
}

const SINGLES: &[Single] = &[
    counted("openim_log_batches_total", "Durable batches of the log.", |s| &s.log.batches),
    counted("openim_log_records_total", "Durable records of the log.", |s| &s.log.records),
    counted("openim_log_record_bytes_total", "Bytes of the durable records.", |s| &s.log.bytes),
    counted("openim_log_refused_records_total", "Records the log refused.", |s| &s.log.refused),
    shown("openim_log_head_position", "The position the next record will get.", |s| &s.log.head),
    gauge(
        "openim_log_poisoned",
        "1 when the log is in an unknown state and the process must end.",
        |s, _| f64::from(u8::from(s.log.poisoned.load(Ordering::Acquire))),
    ),
    counted(
        "openim_log_stand_ins_total",
        "Stand-ins given for messages whose record in the log is damaged.",
        |s| &s.damage.stand_ins,
    ),
    counted("openim_store_batches_total", "Durable batches of the history store.", |s| {
        &s.store.batches
    }),
    counted(
        "openim_store_failures_total",
        "Failed attempts to store a batch; each is tried again.",
        |s| &s.store.failures,
    ),
    counted(
        "openim_writes_failures_total",
        "Batches of logins, registrations and changes that could not be stored.",
        |s| &s.writes.failures,
    ),
    counted("openim_store_expired_entries_total", "Inbox entries removed by retention.", |s| {
        &s.store.expired
    }),
    gauge(
        "openim_clock_in_doubt",
        "1 while the clock is too far from the log's newest record, and nothing expires.",
        |s, _| f64::from(u8::from(s.clock.in_doubt())),
    ),
    gauge(
        "openim_phase",
        "0 starting, 1 serving, 2 draining, 3 stopped, 4 following another server.",
        |s, _| f64::from(s.phase.get().figure()),
    ),
    counter(
        "openim_log_lines_lost_total",
        "Log lines dropped because what reads them was too slow.",
        |s, _| s.lines_lost.get() as f64,
    ),
    counter(
        "openim_audit_lines_lost_total",
        "Lines of the audit dropped because the disk was too slow or took nothing.",
        |s, _| s.audit.lines_lost() as f64,
    ),
    counter(
        "openim_audit_refusals_unnoted_total",
        "Refused tokens and logins that came too fast for a line of the audit each; one line tells their number.",
        |s, _| s.audit.refusals_unnoted() as f64,
    ),
    shown(
        "openim_data_free_bytes",
        "Bytes that are free for the data directory; 0: not known yet.",
        |s| &s.disk.free_bytes,
    ),
    shown("openim_log_bytes", "Bytes that the log takes on the disk.", |s| &s.disk.log_bytes),
    shown("openim_index_bytes", "Bytes that the index takes on the disk.", |s| &s.disk.index_bytes),
    shown("openim_base_bytes", "Bytes of the base; 0: there is none.", |s| &s.engine.base_bytes),
    shown("openim_base_position", "Position of the log that the base stands for.", |s| {
        &s.engine.base_position
    }),
    shown(
        "openim_base_written_seconds",
        "When the base was written, unix time; 0: there is none.",
        |s| &s.engine.base_written_s,
    ),
    counted(
        "openim_base_failures_total",
        "Bases that could not be written or were found damaged; another one is tried.",
        |s| &s.engine.base_failures,
    ),
    gauge("process_resident_memory_bytes", "Memory in use.", |_, p| p.resident_bytes),
    counter("process_cpu_seconds_total", "CPU time of user and kernel.", |_, p| p.cpu_seconds),
    gauge("process_threads", "Threads.", |_, p| p.threads),
    gauge("process_open_fds", "Open file descriptors.", |_, p| p.open_fds),
    gauge("process_max_fds", "File descriptors that may be open.", |_, p| p.max_fds),
    gauge("process_start_time_seconds", "When the process started, unix time.", |_, p| {
        p.start_seconds
    }),
];

const BUILD: (&str, &str) =
    ("openim_build_info", "Always 1; the labels tell the version and the revision of its source.");

/// The log's own histogram, which no shard writes.
const APPEND: (&str, &str) = (
    "openim_log_append_seconds",
    "Appends to the log: one write, and one flush with durability always.",
);

/// Shows the figures of one port, by class where there are classes.
type PortSamples = fn(&Guard, &mut dyn FnMut(Option<&'static str>, f64));

/// What the guards of the ports count: name, help, labels, and of each port the figures.
const PORTS: &[(&str, &str, &[&str], PortSamples)] = &[
    (
        "openim_port_calls_total",
        "Calls of the storage engine, by port.",
        &["port"],
        |guard, show| {
            show(None, of(&guard.calls));
        },
    ),
    (
        "openim_port_failures_total",
        "Calls of the storage engine that failed, by port and by what was to be done then.",
        &["port", "class"],
        |guard, show| {
            for (class, count) in CLASSES.into_iter().zip(&guard.failures) {
                show(Some(class), of(count));
            }
        },
    ),
    (
        "openim_port_refused_total",
        "Calls of the storage engine that were refused at once, because an earlier one was late, by port.",
        &["port"],
        |guard, show| show(None, of(&guard.refused)),
    ),
];

/// Shows figures of the engine by reason.
type ReasonSamples = fn(&EngineFigures, &mut dyn FnMut(&'static str, u64));

/// What the embedded engine counts by reason: name, help, kind, figures.
const REASONS: &[(&str, &str, Kind, ReasonSamples)] = &[
    (
        "openim_archive_bytes",
        "Bytes of the log by why they are still there, as of the last look of retention.",
        Kind::Gauge,
        |engine, show| engine.stays().for_each(|(reason, bytes)| show(reason, bytes)),
    ),
    (
        "openim_archive_removed_bytes_total",
        "Bytes of the log that retention has removed, by why.",
        Kind::Counter,
        |engine, show| engine.gone().for_each(|(reason, bytes)| show(reason, bytes)),
    ),
];

/// Everything as text. Of samples that have labels those are left out that never counted anything.
pub fn render(sources: &Sources) -> String {
    let mut text = String::with_capacity(8 * 1024);
    family(&mut text, BUILD.0, BUILD.1, Kind::Gauge);
    let build = [("version", env!("CARGO_PKG_VERSION")), ("revision", crate::REVISION)];
    sample(&mut text, BUILD.0, &build, 1.0);
    for of_shard in ShardMetrics::FAMILIES {
        family(&mut text, of_shard.name, of_shard.help, of_shard.kind);
        match of_shard.by_shard {
            true => apart(&mut text, of_shard, &sources.shards),
            false => joined(&mut text, of_shard, &sources.shards),
        }
    }
    family(&mut text, APPEND.0, APPEND.1, Kind::Histogram);
    let mut appends = Vec::new();
    sources.log.appends.samples(&mut |ending, labels, value| {
        appends.push((key(APPEND.0, ending, labels), labels.is_empty(), value));
    });
    write(&mut text, Kind::Histogram, &appends);
    for (name, help, _, samples) in PORTS {
        family(&mut text, name, help, Kind::Counter);
        for guard in sources.guards.iter() {
            samples(guard, &mut |class, count| {
                let class = class.map(|class| ("class", class));
                let labels: Vec<_> = [("port", guard.name())].into_iter().chain(class).collect();
                write(&mut text, Kind::Counter, &[(key(name, "", &labels), false, count)]);
            });
        }
    }
    for (name, help, kind, samples) in REASONS {
        family(&mut text, name, help, *kind);
        samples(&sources.engine, &mut |reason, bytes| {
            let key = key(name, "", &[("reason", reason)]);
            write(&mut text, *kind, &[(key, false, bytes as f64)]);
        });
    }
    of_parts(&mut text, &sources.parts);
    of_bounds(&mut text, &sources.bounds.look(sources));
    let figures = process::look();
    for single in SINGLES {
        family(&mut text, single.name, single.help, single.kind);
        sample(&mut text, single.name, &[], single.value(sources, &figures));
    }
    text
}

/// A figure of a bound.
type OfBound = fn(&Row) -> Option<f64>;

/// What is told of each bound: name, help, kind, the figure.
const BOUNDS: &[(&str, &str, Kind, OfBound)] = &[
    (
        "openim_bound_limit",
        "How much there may be, by bound; bounds that are off are left out.",
        Kind::Gauge,
        |row| row.limit,
    ),
    ("openim_bound_now", "How much there is, by bound.", Kind::Gauge, |row| row.now),
    (
        "openim_bound_highest",
        "How much there was at most since the start, of looks a second apart, by bound.",
        Kind::Gauge,
        |row| row.highest,
    ),
    (
        "openim_bound_reached_total",
        "How often somebody was refused, slowed or closed at a bound, by bound.",
        Kind::Counter,
        |row| row.reached,
    ),
];

fn of_bounds(text: &mut String, rows: &[Row]) {
    for (name, help, kind, figure) in BOUNDS.iter().filter(|_| !rows.is_empty()) {
        family(text, name, help, *kind);
        for row in rows {
            if let Some(value) = figure(row) {
                write(text, *kind, &[(key(name, "", &[("bound", row.name)]), false, value)]);
            }
        }
    }
}

/// What the parts of the process count, of those that are there.
fn of_parts(text: &mut String, parts: &Watching) {
    let mut counted = Vec::new();
    for part in parts.parts() {
        part.figures(&mut |figure, value| counted.push((figure, value)));
    }
    for (figure, name, grows, help) in Figure::ALL {
        let own = || counted.iter().filter(|(of, _)| of == figure);
        if own().next().is_some() {
            family(text, name, help, kind_of(*grows));
            sample(text, name, &[], own().map(|(_, value)| value).sum());
        }
    }
}

const fn kind_of(grows: bool) -> Kind {
    if grows { Kind::Counter } else { Kind::Gauge }
}

/// The figures of each shard.
fn apart(text: &mut String, family: &Family, shards: &[Arc<ShardMetrics>]) {
    for (index, shard) in shards.iter().enumerate() {
        let index = index.to_string();
        (family.cells)(shard).samples(&mut |ending, labels, value| {
            let all = [&[("shard", index.as_str())], labels].concat();
            sample(text, &format!("{}{ending}", family.name), &all, value);
        });
    }
}

/// One figure of all shards.
fn joined(text: &mut String, family: &Family, shards: &[Arc<ShardMetrics>]) {
    let mut samples: Vec<(String, bool, f64)> = Vec::new();
    for (index, shard) in shards.iter().enumerate() {
        let mut at = 0;
        (family.cells)(shard).samples(&mut |ending, labels, value| {
            match samples.get_mut(at) {
                Some((_, _, sum)) if index > 0 => *sum = family.join.of(*sum, value),
                _ => samples.push((key(family.name, ending, labels), labels.is_empty(), value)),
            }
            at += 1;
        });
    }
    write(text, family.kind, &samples);
}

/// Writes samples, each with whether it is a plain total; of a histogram all, once it has counted.
fn write(text: &mut String, kind: Kind, samples: &[(String, bool, f64)]) {
    let counted = samples.iter().any(|(_, _, value)| *value > 0.0);
    for (key, plain, value) in samples {
        let shown = match kind {
            Kind::Histogram => counted,
            Kind::Counter | Kind::Gauge => *plain || *value > 0.0,
        };
        if shown {
            writeln!(text, "{key} {value}").ok();
        }
    }
}

/// Writing into a text cannot fail, so what `writeln!` answers is dropped in this file.
fn family(text: &mut String, name: &str, help: &str, kind: Kind) {
    let help = help.trim();
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name()).ok();
}

fn sample(text: &mut String, name: &str, labels: Labels<'_>, value: f64) {
    writeln!(text, "{} {value}", key(name, "", labels)).ok();
}

fn key(name: &str, ending: &str, labels: Labels<'_>) -> String {
    let labels: Vec<String> =
        labels.iter().map(|(key, label)| format!("{key}=\"{label}\"")).collect();
    match labels.is_empty() {
        true => format!("{name}{ending}"),
        false => format!("{name}{ending}{{{}}}", labels.join(",")),
    }
}

/// Name, kind, labels and help of everything exported, for the document's test.
#[cfg(test)]
pub(super) fn exported() -> Vec<[String; 4]> {
    let row = |name: &str, kind: Kind, labels: &[&str], help: &str| {
        [name.to_owned(), kind.name().to_owned(), labels.join(", "), help.trim().to_owned()]
    };
    let blank = ShardMetrics::default();
    let build = row(BUILD.0, Kind::Gauge, &["version", "revision"], BUILD.1);
    let of_shards = ShardMetrics::FAMILIES.iter().map(|family| {
        let mut keys = if family.by_shard { vec!["shard"] } else { vec![] };
        (family.cells)(&blank).samples(&mut |_, labels, _| {
            for (key, _) in labels {
                if !keys.contains(key) {
                    keys.push(key);
                }
            }
        });
        row(family.name, family.kind, &keys, family.help)
    });
    let append = row(APPEND.0, Kind::Histogram, &["le"], APPEND.1);
    let ports = PORTS.iter().map(|(name, help, keys, _)| row(name, Kind::Counter, keys, help));
    let reasons = REASONS.iter().map(|(name, help, kind, _)| row(name, *kind, &["reason"], help));
    let bounds = BOUNDS.iter().map(|(name, help, kind, _)| row(name, *kind, &["bound"], help));
    let singles = SINGLES.iter().map(|single| row(single.name, single.kind, &[], single.help));
    let parts =
        Figure::ALL.iter().map(|(_, name, grows, help)| row(name, kind_of(*grows), &[], help));
    let whole = std::iter::once(build).chain(of_shards).chain([append]);
    whole.chain(ports).chain(reasons).chain(parts).chain(bounds).chain(singles).collect()
}
